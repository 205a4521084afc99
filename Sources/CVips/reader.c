#define _GNU_SOURCE
#include "CVips.h"

#include <string.h>
#include <unistd.h>
#include <vips/vips.h>

#include "handles.h"

// Plain reads for the PNM loader: from a file it would map the whole picture into memory.
static gint64 read_source(VipsSourceCustom *source, void *buffer, gint64 length, void *data)
{
    (void)source;
    return read(GPOINTER_TO_INT(data), buffer, (size_t)length);
}

static gint64 seek_source(VipsSourceCustom *source, gint64 offset, int whence, void *data)
{
    (void)source;
    return lseek(GPOINTER_TO_INT(data), offset, whence);
}

static VipsSource *new_source(EVReader *reader, int format)
{
    if (format != EV_PNM)
        return vips_source_new_from_descriptor(reader->fd);
    VipsSourceCustom *source = vips_source_custom_new();
    g_signal_connect(source, "read", G_CALLBACK(read_source), GINT_TO_POINTER(reader->fd));
    g_signal_connect(source, "seek", G_CALLBACK(seek_source), GINT_TO_POINTER(reader->fd));
    return VIPS_SOURCE(source);
}

#define LOAD(name, strictness) \
    vips_##name##load_source(reader->source, &reader->image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", strictness, NULL)

// libjpeg only warns of damaged samples and goes on with grey ones. The other codecs warn of odd metadata.
static int load(EVReader *reader, int format)
{
    switch (format) {
    case EV_PNG: return LOAD(png, VIPS_FAIL_ON_ERROR);
    case EV_JPEG: return LOAD(jpeg, VIPS_FAIL_ON_WARNING);
    case EV_WEBP: return LOAD(webp, VIPS_FAIL_ON_ERROR);
    case EV_TIFF: return LOAD(tiff, VIPS_FAIL_ON_ERROR);
    case EV_HEIF: return LOAD(heif, VIPS_FAIL_ON_ERROR);
    case EV_GIF: return LOAD(gif, VIPS_FAIL_ON_ERROR);
    case EV_PNM: return LOAD(ppm, VIPS_FAIL_ON_ERROR);
    default: return -1;
    }
}

EVReader *ev_reader_open(int fd, int format)
{
    if (ev_start())
        return NULL;
    EVReader *reader = g_new0(EVReader, 1);
    reader->fd = dup(fd);
    lseek(reader->fd, 0, SEEK_SET);
    if (reader->fd < 0 || !(reader->source = new_source(reader, format)) || load(reader, format)) {
        ev_reader_close(reader);
        return NULL;
    }
    return reader;
}

static int colour_of(const VipsImage *image)
{
    switch (vips_image_guess_interpretation(image)) {
    case VIPS_INTERPRETATION_B_W:
    case VIPS_INTERPRETATION_GREY16:
        return EV_COLOUR_GREY;
    case VIPS_INTERPRETATION_sRGB:
    case VIPS_INTERPRETATION_RGB16:
    case VIPS_INTERPRETATION_RGB:
        return EV_COLOUR_RGB;
    case VIPS_INTERPRETATION_CMYK:
        return EV_COLOUR_CMYK;
    case VIPS_INTERPRETATION_LAB:
    case VIPS_INTERPRETATION_LABS:
    case VIPS_INTERPRETATION_LABQ:
    case VIPS_INTERPRETATION_LCH:
    case VIPS_INTERPRETATION_XYZ:
    case VIPS_INTERPRETATION_YXY:
    case VIPS_INTERPRETATION_scRGB:
        return EV_COLOUR_CONVERTIBLE;
    default:
        return EV_COLOUR_OTHER;
    }
}

static int is_set(const VipsImage *image, const char *name)
{
    int value = 0;
    return vips_image_get_typeof(image, name) && !vips_image_get_int(image, name, &value) && value;
}

void ev_reader_header(const EVReader *reader, EVHeader *header)
{
    VipsImage *image = reader->image;
    VipsBandFormat format = vips_image_get_format(image);
    const char *chroma = NULL;
    *header = (EVHeader){
        .width = vips_image_get_width(image),
        .height = vips_image_get_height(image),
        .bands = vips_image_get_bands(image),
        .bits = format == VIPS_FORMAT_UCHAR ? 8 : format == VIPS_FORMAT_USHORT ? 16 : 0,
        .is_float = format == VIPS_FORMAT_FLOAT || format == VIPS_FORMAT_DOUBLE,
        .colour = colour_of(image),
        .has_alpha = vips_image_hasalpha(image),
        .orientation = vips_image_get_orientation(image),
        .multiscan = is_set(image, "interlaced") || is_set(image, "jpeg-multiscan"),
        .chroma_full = 1,
        .has_exif = vips_image_get_typeof(image, VIPS_META_EXIF_NAME) != 0,
        .has_profile = vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0,
    };
    if (vips_image_get_coding(image) != VIPS_CODING_NONE)
        header->bits = 0;
    if (vips_image_get_typeof(image, "jpeg-chroma-subsample") &&
        !vips_image_get_string(image, "jpeg-chroma-subsample", &chroma))
        header->chroma_full = strcmp(chroma, "4:2:0") != 0;
}

static int replace(EVReader *reader, VipsImage *image)
{
    g_object_unref(reader->image);
    reader->image = image;
    return 0;
}

int ev_reader_icc_to_srgb(EVReader *reader, int bits)
{
    VipsImage *out = NULL;
    if (vips_icc_transform(reader->image, &out, "srgb", "embedded", TRUE, "input_profile", "cmyk", "intent",
            VIPS_INTENT_RELATIVE, "depth", bits, NULL))
        return -1;
    return replace(reader, out);
}

int ev_reader_to_rgb16(EVReader *reader)
{
    VipsImage *out = NULL;
    if (vips_colourspace(reader->image, &out, VIPS_INTERPRETATION_RGB16, NULL))
        return -1;
    vips_image_remove(out, VIPS_META_ICC_NAME);
    return replace(reader, out);
}

int ev_reader_rows(EVReader *reader, int top, int count, void *out)
{
    // A region belongs to the thread that made it, and callers may move between threads.
    VipsRegion *region = vips_region_new(reader->image);
    size_t row_bytes = VIPS_IMAGE_SIZEOF_LINE(reader->image);
    int result = 0;
    for (int done = 0; done < count && !result;) {
        VipsRect strip = { 0, top + done, vips_image_get_width(reader->image), VIPS_MIN(16, count - done) };
        if ((result = vips_region_prepare(region, &strip)))
            break;
        for (int y = 0; y < strip.height; y++)
            memcpy((char *)out + row_bytes * (size_t)(done + y), VIPS_REGION_ADDR(region, 0, strip.top + y), row_bytes);
        done += strip.height;
    }
    g_object_unref(region);
    return result;
}

int ev_reader_descriptor(const EVReader *reader) { return reader->fd; }

void ev_reader_close(EVReader *reader)
{
    if (reader->image)
        g_object_unref(reader->image);
    if (reader->source)
        g_object_unref(reader->source);
    if (reader->fd >= 0)
        close(reader->fd);
    g_free(reader);
}
