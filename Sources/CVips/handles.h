// What a reader holds; the writer takes metadata from it.
#include <vips/vips.h>

struct EVReader {
    int fd;
    VipsSource *source;
    VipsImage *image;
};
