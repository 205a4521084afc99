// Winograd F(4x4,3x3) for one instruction set. The including file defines EK_LANES, EK_ROWS (tiles a microkernel holds)
// and, for bf16 products, EK_BF16_PRODUCTS.
//
// Every value goes through the same operations in the same order, whichever tiles share a call:
// that is what makes results independent of bands and threads.
#include "lanes.h"
#include "winograd.h"

#if EK_BF16_PRODUCTS
typedef uint16_t element;
#else
typedef float element;
#endif

#include "winograd_filters.h"
#include "winograd_multiply.h"

EK_INLINE void store_input(element *p, vec x) {
#if EK_BF16_PRODUCTS
    _mm256_storeu_si256((__m256i *)p, (__m256i)_mm512_cvtneps_pbh((__m512)x));
#else
    store(p, x);
#endif
}

/// One dimension of the input transform: 6 values to 6.
EK_INLINE void input_1d(vec o[6], const vec d[6]) {
    const vec two = splat(2), four = splat(4), five = splat(5);
    const vec a = fma_of(-four, d[2], d[4]), b = fma_of(-four, d[1], d[3]);
    const vec c = d[4] - d[2], e = d[3] - d[1];
    o[0] = fma_of(four, d[0], fma_of(-five, d[2], d[4]));
    o[1] = a + b;
    o[2] = a - b;
    o[3] = fma_of(two, e, c);
    o[4] = fma_of(-two, e, c);
    o[5] = fma_of(four, d[1], fma_of(-five, d[3], d[5]));
}

/// One dimension of the output transform: 6 values to 4.
EK_INLINE void output_1d(vec o[4], const vec m[6]) {
    const vec a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
    o[0] = (m[0] + a) + c;
    o[1] = fma_of(splat(2), d, b);
    o[2] = fma_of(splat(4), c, a);
    o[3] = fma_of(splat(8), d, b) + m[5];
}

EK_INLINE void transform_input_tile(const ek_winograd *p, size_t offset, int row, element *v, size_t stride) {
    vec half[6][6];
    EK_UNROLL for (int i = 0; i < 6; i++) {
        const float *in = p->in.rows[row + i] + offset;
        vec d[6];
        EK_UNROLL for (int j = 0; j < 6; j++) d[j] = load(in + j * EK_BLOCK);
        input_1d(half[i], d);
    }
    EK_UNROLL for (int j = 0; j < 6; j++) {
        vec d[6], o[6];
        EK_UNROLL for (int i = 0; i < 6; i++) d[i] = half[i][j];
        input_1d(o, d);
        EK_UNROLL for (int i = 0; i < 6; i++) store_input(v + (size_t)(i * 6 + j) * stride, o[i]);
    }
}

static void transform_input(const ek_winograd *p, struct ek_tiles tiles, void *v) {
    const int blocks = (p->in.channels + EK_BLOCK - 1) / EK_BLOCK;
    const size_t stride = ek_input_stride(p->in.channels, tiles.count, sizeof(element));
    for (int block = 0; block < blocks; block++) {
        int y = tiles.first / tiles.width, x = tiles.first % tiles.width;
        for (int t = 0; t < tiles.count; t++) {
            const int column = p->tile_col - 1 + (tiles.x0 + x) * 4;
            for (int lane = 0; lane < EK_BLOCK; lane += EK_LANES)
                transform_input_tile(
                    p, (size_t)block * p->in.block_stride + (size_t)column * EK_BLOCK + (size_t)lane, y * 4,
                    (element *)v + ((size_t)block * (size_t)tiles.count + (size_t)t) * EK_BLOCK + lane, stride);
            if (++x == tiles.width) x = 0, y++;
        }
    }
}

/// `channel` is that of the first lane; `column` is the tile's first.
EK_INLINE void transform_output_tile(
    const ek_winograd *p, struct finish f, int channel, int row, int column, const float *m, size_t stride
) {
    const size_t lane = (size_t)(channel % EK_BLOCK), block = (size_t)(channel / EK_BLOCK);
    const ek_map *residual = &p->epilogue.residual;
    vec half[4][6];
    EK_UNROLL for (int j = 0; j < 6; j++) {
        vec d[6], o[4];
        EK_UNROLL for (int i = 0; i < 6; i++) d[i] = load(m + (size_t)(i * 6 + j) * stride);
        output_1d(o, d);
        EK_UNROLL for (int i = 0; i < 4; i++) half[i][j] = o[i];
    }
    EK_UNROLL for (int i = 0; i < 4; i++) {
        float *out = p->out.rows[row + i];
        if (!out) continue;
        out += block * p->out.block_stride + lane;
        const float *add = residual->rows ? residual->rows[row + i] + block * residual->block_stride + lane : 0;
        vec o[4];
        output_1d(o, half[i]);
        EK_UNROLL for (int j = 0; j < 4; j++) {
            if (column + j < p->col0 || column + j >= p->col1) continue;
            const size_t at = (size_t)(column + j) * EK_BLOCK;
            store(out + at, finished(f, o[j], add ? add + at : 0));
        }
    }
}

static void transform_output(const ek_winograd *p, struct ek_tiles tiles, int panel, const float *m) {
    const size_t stride = ek_product_stride(tiles.count);
    const int channels = ek_round_up(p->out.channels, EK_BLOCK);
    for (int c = 0; c < EK_PANEL && panel * EK_PANEL + c < channels; c += EK_LANES) {
        const int channel = panel * EK_PANEL + c;
        const struct finish f = finish_for(&p->epilogue, channel);
        int y = tiles.first / tiles.width, x = tiles.first % tiles.width;
        for (int t = 0; t < tiles.count; t++) {
            transform_output_tile(p, f, channel, y * 4, p->tile_col + (tiles.x0 + x) * 4, m + (size_t)t * EK_PANEL + c, stride);
            if (++x == tiles.width) x = 0, y++;
        }
    }
}

#define EK_WINOGRAD_KERNELS {transform_input, transform_filters, multiply, transform_output}
