#include "zip.h"

#include <pthread.h>
#include <string.h>

enum { MAX_NAME = 64, MAX_HEADER = 96 + MAX_NAME };
static const uint32_t LARGE = 0xffffffff;
// 1980-01-01, 00:00: the date above the time.
static const uint32_t TIME = 0x00210000;

static uint32_t crc_table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value & 1 ? value >> 1 ^ 0xedb88320 : value >> 1;
        crc_table[i] = value;
    }
}

static uint32_t crc32_of(const unsigned char *bytes, size_t size)
{
    uint32_t value = ~0u;
    for (size_t i = 0; i < size; i++)
        value = value >> 8 ^ crc_table[(value ^ bytes[i]) & 255];
    return ~value;
}

// Appends a number of `size` bytes, the lowest first.
static void put(unsigned char **to, uint64_t number, int size)
{
    for (int i = 0; i < size; i++)
        *(*to)++ = (unsigned char)(number >> 8 * i);
}

static int send(Zip *zip, const void *bytes, size_t size)
{
    if (vips_target_write(zip->target, bytes, size))
        return -1;
    zip->offset += size;
    return 0;
}

int zip_begin(Zip *zip, VipsTarget *target, ZipName name, size_t capacity, uint64_t offset)
{
    pthread_once(&once, make_table);
    *zip = (Zip){ .target = target, .name = name, .capacity = capacity, .offset = offset };
    zip->entries = g_try_new(ZipEntry, capacity);
    if (!zip->entries)
        vips_error("enlarger", "out of memory");
    return zip->entries ? 0 : -1;
}

// From the version that is needed to the sizes: what both kinds of headers share.
static void put_common(unsigned char **to, const ZipEntry *entry, int version)
{
    put(to, version, 2);
    put(to, 0, 2); // flags
    put(to, 0, 2); // stored
    put(to, TIME, 4);
    put(to, entry->crc, 4);
    put(to, entry->size, 4);
    put(to, entry->size, 4);
}

int zip_add(Zip *zip, ZipEntry entry, const void *bytes, size_t size)
{
    if (size >= LARGE || zip->count == zip->capacity) {
        vips_error("enlarger", "too much for a zip file");
        return -1;
    }
    entry.offset = zip->offset;
    entry.size = (uint32_t)size;
    entry.crc = crc32_of(bytes, size);
    char name[MAX_NAME];
    zip->name(&entry, name);
    unsigned char header[MAX_HEADER], *end = header;
    put(&end, 0x04034b50, 4);
    put_common(&end, &entry, 20);
    put(&end, strlen(name), 2);
    put(&end, 0, 2); // extra fields
    memcpy(end, name, strlen(name));
    if (send(zip, header, (size_t)(end - header) + strlen(name)) || send(zip, bytes, size))
        return -1;
    zip->entries[zip->count++] = entry;
    return 0;
}

static int send_directory_entry(Zip *zip, const ZipEntry *entry)
{
    int is_large = entry->offset >= LARGE;
    char name[MAX_NAME];
    zip->name(entry, name);
    unsigned char header[MAX_HEADER], *end = header;
    put(&end, 0x02014b50, 4);
    put(&end, 3 << 8 | 45, 2); // made on Unix: the file's mode is one of Unix
    put_common(&end, entry, is_large ? 45 : 20);
    put(&end, strlen(name), 2);
    put(&end, is_large ? 12 : 0, 2); // extra fields
    put(&end, 0, 2); // comment
    put(&end, 0, 2); // disk
    put(&end, 0, 2); // kind
    put(&end, 0100644u << 16, 4);
    put(&end, is_large ? LARGE : entry->offset, 4);
    memcpy(end, name, strlen(name));
    end += strlen(name);
    if (is_large) {
        put(&end, 1, 2);
        put(&end, 8, 2);
        put(&end, entry->offset, 8);
    }
    return send(zip, header, (size_t)(end - header));
}

int zip_finish(Zip *zip)
{
    uint64_t start = zip->offset, count = zip->count;
    for (size_t i = 0; i < zip->count; i++)
        if (send_directory_entry(zip, &zip->entries[i]))
            return -1;
    uint64_t place = zip->offset, size = place - start;
    unsigned char trailer[128], *end = trailer;
    if (count >= 0xffff || size >= LARGE || start >= LARGE) {
        put(&end, 0x06064b50, 4);
        put(&end, 44, 8); // bytes of this record from here on
        put(&end, 3 << 8 | 45, 2);
        put(&end, 45, 2);
        put(&end, 0, 8); // disks
        put(&end, count, 8);
        put(&end, count, 8);
        put(&end, size, 8);
        put(&end, start, 8);
        put(&end, 0x07064b50, 4);
        put(&end, 0, 4); // disk
        put(&end, place, 8);
        put(&end, 1, 4); // disks
    }
    put(&end, 0x06054b50, 4);
    put(&end, 0, 4); // disks
    put(&end, MIN(count, 0xffff), 2);
    put(&end, MIN(count, 0xffff), 2);
    put(&end, MIN(size, LARGE), 4);
    put(&end, MIN(start, LARGE), 4);
    put(&end, 0, 2); // comment
    return send(zip, trailer, (size_t)(end - trailer)) || vips_target_end(zip->target) ? -1 : 0;
}

void zip_free(Zip *zip)
{
    g_free(zip->entries);
    zip->entries = NULL;
}
