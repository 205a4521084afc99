#define _GNU_SOURCE
#include "CVips.h"

#include <pthread.h>
#include <string.h>
#include <vips/vips.h>

#include "handles.h"
#include "pyramid.h"

// libvips pulls pixels, callers push rows. Between them lies a ring of rows: the caller waits while it is full, the
// encoder's thread while it is empty. All fields under `lock` are guarded by it; the others are set before the thread
// starts.
struct EVWriter {
    EVWriteOptions options;
    VipsImage *image;
    VipsTarget *target;
    size_t row_bytes;
    char *ring;
    pthread_t thread;
    int started;
    int joined;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    int written;    // rows handed over
    int taken;      // rows given to the encoder
    int cancelled;
    int ended;      // the encoder's thread is done
    int failed;
    char error[512];
};

// The next row, which stays where it is until it is given back; NULL once the writer is cancelled.
static const char *take_row(EVWriter *writer, int y)
{
    pthread_mutex_lock(&writer->lock);
    while (writer->written <= y && !writer->cancelled)
        pthread_cond_wait(&writer->changed, &writer->lock);
    int cancelled = writer->cancelled;
    // A row below `taken` may be overwritten already: vips_sequential() asks for each row once.
    int lost = y != writer->taken;
    pthread_mutex_unlock(&writer->lock);
    if (cancelled || lost) {
        vips_error("enlarger", lost ? "rows were asked for out of order" : "cancelled");
        return NULL;
    }
    return writer->ring + writer->row_bytes * (size_t)(y % writer->options.ring_rows);
}

static void give_back(EVWriter *writer, int y)
{
    pthread_mutex_lock(&writer->lock);
    writer->taken = y + 1;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

static int generate(VipsRegion *out, void *seq, void *a, void *b, gboolean *stop)
{
    EVWriter *writer = a;
    VipsRect *r = &out->valid;
    (void)seq, (void)b, (void)stop;
    if (r->width != writer->options.width) {
        vips_error("enlarger", "parts of rows were asked for");
        return -1;
    }
    for (int y = r->top; y < r->top + r->height; y++) {
        const char *row = take_row(writer, y);
        if (!row)
            return -1;
        memcpy(VIPS_REGION_ADDR(out, 0, y), row, writer->row_bytes);
        give_back(writer, y);
    }
    return 0;
}

// Rows of a TIFF strip: a multiple of 16, about 256 KiB. libvips holds two strips, and readers at least one.
static int strip_rows(size_t row_bytes)
{
    size_t rows = (256 << 10) / row_bytes / 16 * 16;
    return rows < 16 ? 16 : rows > 128 ? 128 : (int)rows;
}

static int save(EVWriter *writer, VipsImage *image)
{
    const EVWriteOptions *o = &writer->options;
    VipsTarget *target = writer->target;
    switch (o->format) {
    case EV_PNG:
        // The Up filter with a low level of zlib makes smaller files of photographs than level 6 without one, in half the time.
        return vips_pngsave_target(image, target, "compression", o->compression, "filter",
            VIPS_FOREIGN_PNG_FILTER_UP, NULL);
    case EV_JPEG:
        return vips_jpegsave_target(image, target, "Q", o->quality, NULL);
    case EV_WEBP:
        return vips_webpsave_target(image, target, "Q", o->quality, "lossless", o->lossless, NULL);
    case EV_TIFF:
        return vips_tiffsave_target(image, target, "compression",
            o->tiff_compressed ? VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE : VIPS_FOREIGN_TIFF_COMPRESSION_NONE,
            "predictor", VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL, "bigtiff", o->bigtiff, "tile_height",
            strip_rows(writer->row_bytes), NULL);
    case EV_HEIF:
        return vips_heifsave_target(image, target, "Q", o->quality, "lossless", o->lossless, "compression",
            VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "bitdepth", o->bits == 16 ? 12 : 8, "effort", 2, NULL);
    default:
        vips_error("enlarger", "no such format");
        return -1;
    }
}

static int save_in_order(EVWriter *writer)
{
    VipsImage *ordered = NULL;
    int result = vips_sequential(writer->image, &ordered, "tile_height", 1, NULL);
    if (!result)
        result = save(writer, ordered);
    if (ordered)
        g_object_unref(ordered);
    return result;
}

static int save_pyramid(EVWriter *writer)
{
    Pyramid *pyramid = pyramid_new(&writer->options, writer->image, writer->target);
    int result = !pyramid;
    for (int y = 0; y < writer->options.height && !result; y++) {
        const char *row = take_row(writer, y);
        result = !row || pyramid_row(pyramid, row);
        if (!result)
            give_back(writer, y);
    }
    result = result || pyramid_finish(pyramid);
    if (pyramid)
        pyramid_free(pyramid);
    return result;
}

static void *encode(void *argument)
{
    EVWriter *writer = argument;
    int result = writer->options.format == EV_SZI ? save_pyramid(writer) : save_in_order(writer);
    pthread_mutex_lock(&writer->lock);
    if (result || writer->taken < writer->options.height) {
        writer->failed = 1;
        ev_take_error(writer->error, sizeof writer->error);
    }
    writer->ended = 1;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
    vips_thread_shutdown();
    return NULL;
}

// The fields of metadata that mean the same in another picture of the same subject. Thumbnails are not among them:
// they show the picture before it was enlarged.
static void *carry(VipsImage *from, const char *name, GValue *value, void *data)
{
    static const char *const names[] = { VIPS_META_ICC_NAME, VIPS_META_EXIF_NAME, VIPS_META_XMP_NAME,
        VIPS_META_IPTC_NAME, VIPS_META_IMAGEDESCRIPTION, VIPS_META_RESOLUTION_UNIT };
    VipsImage *to = data;
    (void)from;
    int wanted = g_str_has_prefix(name, "exif-ifd0-") || g_str_has_prefix(name, "exif-ifd2-") ||
        g_str_has_prefix(name, "exif-ifd3-") || g_str_has_prefix(name, "exif-ifd4-") ||
        g_str_has_prefix(name, "png-comment-");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        wanted |= !strcmp(name, names[i]);
    if (wanted)
        vips_image_set(to, name, value);
    return NULL;
}

static VipsImage *new_image(EVWriter *writer, const EVReader *metadata)
{
    const EVWriteOptions *o = &writer->options;
    VipsImage *image = vips_image_new();
    double xres = 1, yres = 1;
    if (metadata) {
        xres = vips_image_get_xres(metadata->image);
        yres = vips_image_get_yres(metadata->image);
    }
    VipsInterpretation colour = o->bands < 3 ? (o->bits == 16 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W)
                                             : (o->bits == 16 ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
    vips_image_init_fields(image, o->width, o->height, o->bands, o->bits == 16 ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR,
        VIPS_CODING_NONE, colour, o->swap_resolution ? yres : xres, o->swap_resolution ? xres : yres);
    if (vips_image_pipelinev(image, VIPS_DEMAND_STYLE_THINSTRIP, NULL)) {
        g_object_unref(image);
        return NULL;
    }
    if (metadata) {
        vips_image_map(metadata->image, carry, image);
        vips_image_remove(image, VIPS_META_ORIENTATION);
        vips_image_remove(image, "exif-ifd0-Orientation");
        if (o->drop_profile)
            vips_image_remove(image, VIPS_META_ICC_NAME);
    }
    if (vips_image_generate(image, NULL, generate, NULL, writer, NULL)) {
        g_object_unref(image);
        return NULL;
    }
    return image;
}

EVWriter *ev_writer_open(int fd, const EVWriteOptions *options, const EVReader *metadata)
{
    if (ev_start())
        return NULL;
    EVWriter *writer = g_new0(EVWriter, 1);
    writer->options = *options;
    writer->row_bytes = (size_t)options->width * (size_t)options->bands * (size_t)(options->bits / 8);
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->changed, NULL);
    writer->ring = g_try_malloc(writer->row_bytes * (size_t)options->ring_rows);
    if (!writer->ring)
        vips_error("enlarger", "out of memory");
    if (!writer->ring || !(writer->image = new_image(writer, metadata)) ||
        !(writer->target = vips_target_new_to_descriptor(fd)) ||
        pthread_create(&writer->thread, NULL, encode, writer)) {
        ev_writer_close(writer);
        return NULL;
    }
    writer->started = 1;
    return writer;
}

int ev_writer_rows(EVWriter *writer, const void *rows, int count)
{
    for (int i = 0; i < count; i++) {
        pthread_mutex_lock(&writer->lock);
        while (writer->written - writer->taken >= writer->options.ring_rows && !writer->ended)
            pthread_cond_wait(&writer->changed, &writer->lock);
        int ended = writer->ended, row = writer->written;
        pthread_mutex_unlock(&writer->lock);
        if (ended || row >= writer->options.height)
            return -1;
        memcpy(writer->ring + writer->row_bytes * (size_t)(row % writer->options.ring_rows),
            (const char *)rows + writer->row_bytes * (size_t)i, writer->row_bytes);
        pthread_mutex_lock(&writer->lock);
        writer->written = row + 1;
        pthread_cond_broadcast(&writer->changed);
        pthread_mutex_unlock(&writer->lock);
    }
    return 0;
}

static void join(EVWriter *writer)
{
    if (writer->started && !writer->joined) {
        pthread_join(writer->thread, NULL);
        writer->joined = 1;
    }
}

static void cancel(EVWriter *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->cancelled = 1;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

int ev_writer_finish(EVWriter *writer)
{
    if (writer->written < writer->options.height)
        cancel(writer);
    join(writer);
    return writer->failed ? -1 : 0;
}

const char *ev_writer_error(const EVWriter *writer)
{
    return writer->error;
}

void ev_writer_close(EVWriter *writer)
{
    cancel(writer);
    join(writer);
    if (writer->image)
        g_object_unref(writer->image);
    if (writer->target)
        g_object_unref(writer->target);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    g_free(writer->ring);
    g_free(writer);
}
