#define _GNU_SOURCE
#include "CVips.h"

#include <stdio.h>
#include <vips/vips.h>

#include "zip.h"

int ev_fixture_save(const void *pixels, int width, int height, int bands, int bits, int colour, int exif_orientation,
    const char *profile, const char *comment, const char *path_with_options)
{
    if (ev_start())
        return -1;
    VipsBandFormat format = bits == 8 ? VIPS_FORMAT_UCHAR : bits == 16 ? VIPS_FORMAT_USHORT : VIPS_FORMAT_FLOAT;
    VipsImage *image = vips_image_new_from_memory_copy(pixels,
        (size_t)width * (size_t)height * (size_t)bands * (size_t)(bits / 8), width, height, bands, format);
    if (!image)
        return -1;
    switch (colour) {
    case EV_COLOUR_GREY: image->Type = bits == 16 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W; break;
    case EV_COLOUR_RGB: image->Type = bits == 16 ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB; break;
    case EV_COLOUR_CMYK: image->Type = VIPS_INTERPRETATION_CMYK; break;
    case EV_COLOUR_CONVERTIBLE: image->Type = VIPS_INTERPRETATION_LAB; break;
    default: break;
    }
    image->Xres = image->Yres = 300 / 25.4;
    if (exif_orientation) {
        char value[2] = { (char)('0' + exif_orientation), 0 };
        vips_image_set_int(image, VIPS_META_ORIENTATION, exif_orientation);
        vips_image_set_string(image, "exif-ifd0-Orientation", value);
    }
    if (comment) {
        vips_image_set_string(image, "exif-ifd0-ImageDescription", comment);
        vips_image_set_blob_copy(image, VIPS_META_XMP_NAME, comment, strlen(comment));
    }
    VipsBlob *blob = NULL;
    if (profile && !vips_profile_load(profile, &blob, NULL) && blob) {
        size_t size;
        const void *data = vips_blob_get(blob, &size);
        vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, data, size);
        vips_area_unref(VIPS_AREA(blob));
    }
    int result = vips_image_write_to_file(image, path_with_options, NULL);
    g_object_unref(image);
    return result;
}

static void numbered(const ZipEntry *entry, char *name)
{
    snprintf(name, 64, "%d", entry->row);
}

int ev_fixture_zip(int fd, uint64_t offset, int entries)
{
    VipsTarget *target = ev_start() ? NULL : vips_target_new_to_descriptor(fd);
    if (!target)
        return -1;
    Zip zip;
    int result = zip_begin(&zip, target, numbered, (size_t)entries, offset);
    for (int i = 0; i < entries && !result; i++)
        result = zip_add(&zip, (ZipEntry){ .row = i }, "x", 1);
    result = result || zip_finish(&zip);
    zip_free(&zip);
    g_object_unref(target);
    return result ? -1 : 0;
}
