// The same convolution without Winograd's transforms, as the definition says.
#include "epilogue.h"
#include "winograd.h"
#include <string.h>

static float of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float f16_value(uint16_t h) {
    const uint32_t sign = (uint32_t)(h >> 15) << 31, exponent = h >> 10 & 31, mantissa = h & 1023;
    if (exponent == 0) return (sign ? -0x1p-24f : 0x1p-24f) * (float)mantissa;
    return of_bits(sign | (exponent == 31 ? 255 : exponent + 112) << 23 | mantissa << 13);
}

static float weight(const ek_winograd *p, int tap, int k, int c) {
    const size_t padded = (size_t)ek_round_up(p->in.channels, 16);
    const size_t at = (((size_t)(c / EK_PANEL) * padded + (size_t)k) * 9 + (size_t)tap) * EK_PANEL + (size_t)(c % EK_PANEL);
    switch (p->element) {
    case EK_F32: return ((const float *)p->weights)[at];
    case EK_F16: return f16_value(((const uint16_t *)p->weights)[at]);
    case EK_U8: return (float)(((const uint8_t *)p->weights)[at] + p->zero) * p->step;
    case EK_BF16: return of_bits((uint32_t)((const uint16_t *)p->weights)[at] << 16);
    }
    return 0;
}

static float output(const ek_winograd *p, int c, int row, int column) {
    float sum = 0;
    for (int tap = 0; tap < 9 && c < p->out.channels; tap++)
        for (int k = 0; k < p->in.channels; k++)
            sum += p->in.rows[row + tap / 3][ek_offset(&p->in, k, column - 1 + tap % 3)] * weight(p, tap, k, c);
    return ek_finish_one(&p->epilogue, sum, c, row, column);
}

void ek_winograd_plain(const ek_winograd *p, struct ek_tiles tiles, int panel) {
    const int c0 = panel * EK_PANEL, end = ek_round_up(p->out.channels, 16), c1 = c0 + EK_PANEL < end ? c0 + EK_PANEL : end;
    for (int t = tiles.first; t < tiles.first + tiles.count; t++)
        for (int i = 0; i < 16; i++) {
            const int row = t / tiles.width * 4 + i / 4, column = p->tile_col + (tiles.x0 + t % tiles.width) * 4 + i % 4;
            if (!p->out.rows[row] || column < p->col0 || column >= p->col1) continue;
            for (int c = c0; c < c1; c++) p->out.rows[row][ek_offset(&p->out, c, column)] = output(p, c, row, column);
        }
}
