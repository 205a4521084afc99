// What the scheduling of a Winograd convolution (winograd.c) and its kernels (winograd_*.c) agree on.
//
// Transformed input   v: element[36][Cin16/16][tiles][16]
// Transformed filters u: element[36][Cin16][32] (bf16: pairs of input channels interleaved, [36][Cin16/2][32][2])
// Products            m: float[36][tiles][32]
//
// The 36 planes of each are padded by a cache line or two: at a power of two apart they would share the same lines of L1.
#ifndef ENLARGER_WINOGRAD_H
#define ENLARGER_WINOGRAD_H
#include "include/CKernels.h"

/// EK_TILES: one AVX-512 microkernel's worth. Twice as many measured 12 % slower: their products no longer stay near.
enum { EK_PLANES = 36, EK_PANEL = 32, EK_TILES = 14 };

static inline int ek_round_up(int x, int to) { return (x + to - 1) / to * to; }

static inline size_t ek_input_stride(int cin, int tiles, size_t element) {
    return (size_t)ek_round_up(cin, 16) * (size_t)tiles + 64 / element;
}
static inline size_t ek_filter_stride(int cin, size_t element) { return (size_t)ek_round_up(cin, 16) * EK_PANEL + 128 / element; }
static inline size_t ek_product_stride(int tiles) { return (size_t)tiles * EK_PANEL + 16; }

/// Tiles first ..< first + count, counted row by row over the columns x0 ..< x0 + width of the tile grid.
struct ek_tiles {
    int x0, width, first, count;
};

/// At most EK_TILES tiles at a time. A tile's result must not depend on the tiles beside it.
struct ek_winograd_kernels {
    void (*transform_input)(const ek_winograd *p, struct ek_tiles tiles, void *v);
    void (*transform_filters)(const ek_winograd *p, int panel, void *u);
    void (*multiply)(int cin, int tiles, const void *v, const void *u, float *m);
    void (*transform_output)(const ek_winograd *p, struct ek_tiles tiles, int panel, const float *m);
};

#if defined(__x86_64__)
extern const struct ek_winograd_kernels ek_winograd_avx2, ek_winograd_avx512, ek_winograd_avx512_bf16;
#endif

/// The convolution as its definition says, for one panel of some tiles; needs no scratch.
void ek_winograd_plain(const ek_winograd *p, struct ek_tiles tiles, int panel);

#endif
