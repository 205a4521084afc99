#include "pyramid.h"

#include <stdio.h>
#include <string.h>

#include "zip.h"

// Deep Zoom's own: 254 pixels, and one more from each neighbour.
enum { TILE = EV_PYRAMID_TILE, OVERLAP = EV_PYRAMID_OVERLAP, SIDE = TILE + 2 * OVERLAP, MAX_LEVELS = 32 };

typedef struct {
    int width, height;
    size_t row_bytes;
    char *rows;     // the rows of the present line of tiles, from its top
    int count;      // of them there are
    int received;
    int line;       // of tiles
    char *half;     // a row for the level below
} Level;

struct Pyramid {
    EVWriteOptions options;
    VipsImage *image;
    Level levels[MAX_LEVELS]; // the last one is the picture, the first one a pixel
    int count;
    size_t pixel;
    char *tile;
    Zip zip;
};

static int tiles(int pixels) { return (pixels + TILE - 1) / TILE; }
// Where a tile begins and ends, its overlap with its neighbours counted.
static int tile_start(int index) { return index ? index * TILE - OVERLAP : 0; }
static int tile_end(int index, int pixels) { return MIN(pixels, (index + 1) * TILE + OVERLAP); }

static void entry_name(const ZipEntry *entry, char *name)
{
    if (entry->level < 0)
        strcpy(name, "picture/picture.dzi");
    else
        snprintf(name, 64, "picture/picture_files/%d/%d_%d.png", entry->level, entry->column, entry->row);
}

static int add_description(Pyramid *p)
{
    char text[512];
    int size = snprintf(text, sizeof text,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<Image xmlns=\"http://schemas.microsoft.com/deepzoom/2008\" Format=\"png\" Overlap=\"%d\" TileSize=\"%d\">\n"
        "  <Size Width=\"%d\" Height=\"%d\"/>\n"
        "</Image>\n",
        OVERLAP, TILE, p->options.width, p->options.height);
    return zip_add(&p->zip, (ZipEntry){ .level = -1 }, text, (size_t)size);
}

Pyramid *pyramid_new(const EVWriteOptions *options, VipsImage *image, VipsTarget *target)
{
    Pyramid *p = g_new0(Pyramid, 1);
    p->options = *options;
    p->image = image;
    p->pixel = (size_t)options->bands * (size_t)(options->bits / 8);
    int width = options->width, height = options->height;
    for (p->count = 1; MAX(width, height) > 1 << (p->count - 1); p->count++)
        ;
    size_t entries = 1;
    int failed = !(p->tile = g_try_malloc(SIDE * SIDE * p->pixel));
    for (int i = p->count - 1; i >= 0; i--) {
        Level *level = &p->levels[i];
        level->width = width;
        level->height = height;
        level->row_bytes = (size_t)width * p->pixel;
        entries += (size_t)tiles(width) * (size_t)tiles(height);
        failed |= !(level->rows = g_try_malloc(level->row_bytes * (size_t)MIN(SIDE, height)));
        width = (width + 1) / 2;
        height = (height + 1) / 2;
        failed |= i && !(level->half = g_try_malloc((size_t)width * p->pixel));
    }
    if (failed)
        vips_error("enlarger", "out of memory");
    if (failed || zip_begin(&p->zip, target, entry_name, entries, 0) || add_description(p)) {
        pyramid_free(p);
        return NULL;
    }
    return p;
}

void pyramid_free(Pyramid *p)
{
    for (int i = 0; i < p->count; i++) {
        g_free(p->levels[i].rows);
        g_free(p->levels[i].half);
    }
    g_free(p->tile);
    zip_free(&p->zip);
    g_free(p);
}

// The tile at p->tile as a PNG file.
static int add_tile(Pyramid *p, int level, int column, int row, int width, int height)
{
    VipsImage *pixels = vips_image_new_from_memory(
        p->tile, (size_t)width * (size_t)height * p->pixel, width, height, p->options.bands, p->image->BandFmt);
    VipsImage *image = NULL;
    void *file = NULL;
    const void *profile;
    size_t size = 0;
    int result = !pixels || vips_copy(pixels, &image, "interpretation", p->image->Type, NULL);
    if (!result && vips_image_get_typeof(p->image, VIPS_META_ICC_NAME)) {
        result = vips_image_get_blob(p->image, VIPS_META_ICC_NAME, &profile, &size);
        if (!result)
            vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile, size);
    }
    result = result || vips_pngsave_buffer(image, &file, &size, "compression", p->options.compression, "filter",
                           VIPS_FOREIGN_PNG_FILTER_UP, NULL);
    result = result || zip_add(&p->zip, (ZipEntry){ .level = level, .column = column, .row = row }, file, size);
    g_free(file);
    if (image)
        g_object_unref(image);
    if (pixels)
        g_object_unref(pixels);
    return result ? -1 : 0;
}

static int add_line(Pyramid *p, int number)
{
    Level *level = &p->levels[number];
    for (int column = 0; column < tiles(level->width); column++) {
        int left = tile_start(column), width = tile_end(column, level->width) - left;
        for (int y = 0; y < level->count; y++)
            memcpy(p->tile + (size_t)y * (size_t)width * p->pixel,
                level->rows + (size_t)y * level->row_bytes + (size_t)left * p->pixel, (size_t)width * p->pixel);
        if (add_tile(p, number, column, level->line, width, level->count))
            return -1;
    }
    return 0;
}

// One pixel of two by two; colour counts as much as it is visible.
#define SHRINK(TYPE)                                                                                                   \
    static void shrink_##TYPE(const TYPE *top, const TYPE *bottom, int width, int bands, TYPE *out)                    \
    {                                                                                                                  \
        int alpha = bands % 2 ? -1 : bands - 1;                                                                        \
        for (int x = 0; x < width; x += 2, out += bands) {                                                             \
            const TYPE *a = top + (size_t)x * (size_t)bands, *c = bottom + (size_t)x * (size_t)bands;                  \
            const TYPE *b = x + 1 < width ? a + bands : a, *d = x + 1 < width ? c + bands : c;                         \
            uint64_t seen = alpha < 0 ? 0 : (uint64_t)a[alpha] + b[alpha] + c[alpha] + d[alpha];                       \
            for (int i = 0; i < bands; i++) {                                                                          \
                if (seen && i != alpha)                                                                                \
                    out[i] = (TYPE)(((uint64_t)a[i] * a[alpha] + (uint64_t)b[i] * b[alpha] + (uint64_t)c[i] * c[alpha] + \
                                        (uint64_t)d[i] * d[alpha] + seen / 2) / seen);                                 \
                else                                                                                                   \
                    out[i] = (TYPE)(((uint32_t)a[i] + b[i] + c[i] + d[i] + 2) / 4);                                    \
            }                                                                                                          \
        }                                                                                                              \
    }
SHRINK(uint8_t)
SHRINK(uint16_t)

static int level_row(Pyramid *p, int number, const char *row)
{
    Level *level = &p->levels[number];
    char *here = level->rows + (size_t)level->count * level->row_bytes;
    memcpy(here, row, level->row_bytes);
    level->count++;
    level->received++;
    int is_last = level->received == level->height;
    if (number && (level->received % 2 == 0 || is_last)) {
        // The row above is there still: the last two rows of a line of tiles are the first two of the next one.
        const char *above = level->received % 2 ? here : here - level->row_bytes;
        if (p->options.bits == 16)
            shrink_uint16_t((const void *)above, (const void *)here, level->width, p->options.bands, (void *)level->half);
        else
            shrink_uint8_t((const void *)above, (const void *)here, level->width, p->options.bands, (void *)level->half);
        if (level_row(p, number - 1, level->half))
            return -1;
    }
    while (level->received == tile_end(level->line, level->height)) {
        if (add_line(p, number))
            return -1;
        if (++level->line == tiles(level->height))
            return 0;
        int kept = level->received - tile_start(level->line);
        memmove(level->rows, level->rows + (size_t)(level->count - kept) * level->row_bytes, (size_t)kept * level->row_bytes);
        level->count = kept;
    }
    return 0;
}

int pyramid_row(Pyramid *p, const void *row) { return level_row(p, p->count - 1, row); }

int pyramid_finish(Pyramid *p) { return zip_finish(&p->zip); }
