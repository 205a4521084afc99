// A Deep Zoom pyramid (DZI): PNG tiles of all levels in one zip file. Rows come from the top; each level holds the rows of one
// line of tiles.
#ifndef PYRAMID_H
#define PYRAMID_H

#include "CVips.h"
#include <vips/vips.h>

typedef struct Pyramid Pyramid;

// The profile of `image` and its colour space are those of the tiles.
Pyramid *pyramid_new(const EVWriteOptions *options, VipsImage *image, VipsTarget *target);
int pyramid_row(Pyramid *pyramid, const void *row);
// After the last row.
int pyramid_finish(Pyramid *pyramid);
void pyramid_free(Pyramid *pyramid);

#endif
