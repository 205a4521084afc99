#define _GNU_SOURCE
#include "CVips.h"

#include <string.h>

static uint32_t load(const void *in, size_t i, int bits)
{
    return bits == 16 ? ((const uint16_t *)in)[i] : ((const uint8_t *)in)[i];
}

static void store(void *out, size_t i, int bits, uint32_t v)
{
    if (bits == 16)
        ((uint16_t *)out)[i] = (uint16_t)v;
    else
        ((uint8_t *)out)[i] = (uint8_t)v;
}

void ev_convert_samples(const void *in, int in_bands, int in_bits, void *out, int out_bands, int out_bits, size_t pixels)
{
    int in_colours = in_bands >= 3 ? 3 : 1, out_colours = out_bands >= 3 ? 3 : 1;
    int in_alpha = in_bands > in_colours, out_alpha = out_bands > out_colours;
    uint64_t white = in_bits == 16 ? 65535 : 255;
    for (size_t p = 0; p < pixels; p++) {
        uint64_t alpha = in_alpha ? load(in, p * (size_t)in_bands + (size_t)in_colours, in_bits) : white;
        for (int c = 0; c < out_bands; c++) {
            uint64_t v;
            if (c == out_colours)
                v = alpha;
            else {
                v = load(in, p * (size_t)in_bands + (size_t)(in_colours == 1 ? 0 : c), in_bits);
                if (!out_alpha && in_alpha)
                    v = (v * alpha + white * (white - alpha) + white / 2) / white;
            }
            if (out_bits < in_bits)
                v = (v + 128) / 257;
            store(out, p * (size_t)out_bands + (size_t)c, out_bits, (uint32_t)v);
        }
    }
}

void ev_transpose(const void *in, size_t rows, size_t columns, size_t in_stride, void *out, size_t out_stride, size_t pel)
{
    for (size_t c = 0; c < columns; c++) {
        const char *from = (const char *)in + c * pel;
        char *to = (char *)out + c * out_stride * pel;
        for (size_t r = 0; r < rows; r++)
            memcpy(to + r * pel, from + r * in_stride * pel, pel);
    }
}

void ev_reverse(const void *in, void *out, size_t count, size_t pel)
{
    for (size_t i = 0; i < count; i++)
        memcpy((char *)out + i * pel, (const char *)in + (count - 1 - i) * pel, pel);
}
