// A zip file whose entries are stored as they are (PKWARE's APPNOTE.TXT, with zip64 where it is needed), written from its
// beginning to its end. All times are 1980-01-01, so that the same entries make the same bytes.
#ifndef ZIP_H
#define ZIP_H

#include <stddef.h>
#include <stdint.h>
#include <vips/vips.h>

// What an entry is called is kept as three numbers, and written out by `name`: there may be many millions of them.
typedef struct {
    uint64_t offset;
    uint32_t crc, size;
    int32_t level, column, row;
} ZipEntry;

// `name` holds 64 bytes.
typedef void (*ZipName)(const ZipEntry *entry, char *name);

typedef struct {
    VipsTarget *target;
    ZipName name;
    ZipEntry *entries;
    size_t count, capacity;
    uint64_t offset; // of what is written next
} Zip;

// `offset`: bytes of the file before the first entry. -1 where there is no memory for so many entries.
int zip_begin(Zip *zip, VipsTarget *target, ZipName name, size_t capacity, uint64_t offset);
// Below 4 GiB. `entry` has the numbers of the name.
int zip_add(Zip *zip, ZipEntry entry, const void *bytes, size_t size);
// Writes the directory.
int zip_finish(Zip *zip);
void zip_free(Zip *zip);

#endif
