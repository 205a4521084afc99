// Shim over libvips for PictureIO: libvips' variadic functions and GObject macros do not import into Swift.
//
// Functions return 0 for success and -1 for failure unless said otherwise; the reason of a failure is in
// ev_take_error(). Samples are interleaved, native-endian, uint8_t or uint16_t. Rows are counted from the top.
#ifndef CVIPS_H
#define CVIPS_H

#include <stddef.h>
#include <stdint.h>

typedef struct EVReader EVReader;
typedef struct EVWriter EVWriter;

enum { EV_PNG, EV_JPEG, EV_WEBP, EV_TIFF, EV_HEIF, EV_GIF, EV_PNM, EV_SZI };

// Pixels of a pyramid's tile, and those that it has of each of its neighbours.
enum { EV_PYRAMID_TILE = 254, EV_PYRAMID_OVERLAP = 1 };

// ---- start.c

// Starts libvips once for the process: no operation cache, one worker a pipeline, untrusted loaders blocked (but PNM),
// nothing of GLib's log on standard error. Safe from any thread.
int ev_start(void);
// Copies libvips' pending error as one line into `text` (always terminated) and clears it.
void ev_take_error(char *text, size_t capacity);
// 1 if the installed libvips can write the format.
int ev_can_write(int format);
int ev_can_read(int format);

// ---- reader.c

typedef struct {
    int32_t width, height;
    int32_t bands;
    int32_t bits;             // 8, 16, or 0 for any other sample (float, signed, 32 bits, complex, coded)
    int32_t is_float;
    int32_t colour;           // EV_COLOUR_*
    int32_t has_alpha;
    int32_t orientation;      // EXIF, 1...8
    int32_t multiscan;        // progressive JPEG or interlaced PNG
    int32_t chroma_full;      // JPEG without chroma subsampling
    int32_t has_profile;
    int32_t has_exif;
} EVHeader;

enum { EV_COLOUR_GREY, EV_COLOUR_RGB, EV_COLOUR_CMYK, EV_COLOUR_CONVERTIBLE, EV_COLOUR_OTHER };

// Reads the header alone. `fd` must be seekable; the reader duplicates it. NULL for failure.
EVReader *ev_reader_open(int fd, int format);
// Its own; open until it is closed.
int ev_reader_descriptor(const EVReader *reader);
void ev_reader_header(const EVReader *reader, EVHeader *header);
// Adds a conversion by ICC profile (embedded, else libvips' own for the colour space) to sRGB.
int ev_reader_icc_to_srgb(EVReader *reader, int bits);
// Adds a conversion by colour space (Lab, XYZ, scRGB, ...) to sRGB of 16 bits.
int ev_reader_to_rgb16(EVReader *reader);
// Decodes the rows [top, top + count) into `out`; each call must start where the last one ended.
int ev_reader_rows(EVReader *reader, int top, int count, void *out);
void ev_reader_close(EVReader *reader);

// ---- writer.c

typedef struct {
    int32_t format;
    int32_t width, height;
    int32_t bands, bits;          // as saved
    int32_t quality;              // 1...100, for JPEG, WebP and AVIF
    int32_t lossless;             // WebP, AVIF
    int32_t compression;          // PNG 0...9, also of a pyramid's tiles
    int32_t tiff_compressed;
    int32_t bigtiff;
    int32_t drop_profile;         // 1: the ICC profile no longer fits the samples
    int32_t swap_resolution;      // 1: rows and columns were exchanged
    int32_t ring_rows;            // rows that wait between the caller and the encoder
} EVWriteOptions;

// Starts a thread that encodes to `fd` (duplicated; for TIFF it must be open for reading and writing, and seekable)
// whatever ev_writer_rows hands over. Metadata comes from `metadata` where that is not NULL; the tiles of a pyramid bear the
// ICC profile alone.
EVWriter *ev_writer_open(int fd, const EVWriteOptions *options, const EVReader *metadata);
// Hands over `count` rows; waits while the encoder has `ring_rows` to do. -1 once encoding has failed.
int ev_writer_rows(EVWriter *writer, const void *rows, int count);
// Waits for the encoder to end. 0 only if all rows were encoded and written.
int ev_writer_finish(EVWriter *writer);
const char *ev_writer_error(const EVWriter *writer);
// Stops the encoder, waits for its thread, frees.
void ev_writer_close(EVWriter *writer);

// ---- samples.c

// Saves-side conversion: in_bands/in_bits to out_bands/out_bits. 16 to 8 bits rounds v / 257; a dropped alpha is
// flattened onto white; grey becomes RGB by repetition. out_bits <= in_bits, out_bands as those rules make them.
void ev_convert_samples(const void *in, int in_bands, int in_bits, void *out, int out_bands, int out_bits, size_t pixels);
// out[c * out_stride + r] = in[r * in_stride + c], pixels of `pel` bytes, strides in pixels.
void ev_transpose(const void *in, size_t rows, size_t columns, size_t in_stride, void *out, size_t out_stride, size_t pel);
// Copies `count` pixels in reverse order; `in` and `out` must not overlap.
void ev_reverse(const void *in, void *out, size_t count, size_t pel);

// ---- temporaries.c

// A table of files to unlink if the process is told to stop. Returns a slot, or -1 when the table is full or the path
// too long.
int ev_temporary_add(const char *path);
void ev_temporary_remove(int slot);
// Unlinks every file of the table. Async-signal-safe.
void ev_remove_temporaries(void);

// ---- fixtures.c

// For tests: saves pixels with libvips' option syntax ("x.png[interlace]"). `colour` as EV_COLOUR_*; floats when bits
// is 32. `exif_orientation` 0 for none; `profile` may name a file or a libvips profile ("srgb", "cmyk"), or be NULL.
int ev_fixture_save(const void *pixels, int width, int height, int bands, int bits, int colour, int exif_orientation,
    const char *profile, const char *comment, const char *path_with_options);
// For tests: a zip file of so many entries of one byte, as if it began at `offset` of the file.
int ev_fixture_zip(int fd, uint64_t offset, int entries);

#endif
