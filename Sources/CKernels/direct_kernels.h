// Direct convolution for one instruction set. The including file defines EK_LANES, and EK_RUN as the name of the function.
//
// Lanes are output channels; a microkernel holds the sums of a few pixels times a few blocks of 16 channels. Every output
// sums tap rows, tap columns, then input channels in ascending order, whatever pixels share its microkernel.
#include "lanes.h"
#include "direct.h"

enum { PARTS = EK_BLOCK / EK_LANES, MOST = 14 };

#if EK_LANES == 16
/// Pixels for 1 ... 4 blocks of channels: as many sums as registers allow.
static const int most_pixels[] = {0, 14, 12, 8, 6};
enum { MOST_BLOCKS = 4 };
#else
static const int most_pixels[] = {0, 6};
enum { MOST_BLOCKS = 1 };
#endif

/// Adds the products of `channels` input channels, `next` floats apart. n, blocks and x_step are constants where inlined.
EK_INLINE void add_channels(
    const int n, const int blocks, const int x_step, vec sum[MOST][MOST_BLOCKS * PARTS], const float *in, int channels, size_t next,
    const float *weights, size_t weights_block
) {
    for (int k = 0; k < channels; k++, in += next, weights += EK_BLOCK) {
        vec w[MOST_BLOCKS * PARTS];
        EK_UNROLL for (int b = 0; b < blocks * PARTS; b++)
            w[b] = load(weights + (size_t)(b / PARTS) * weights_block + b % PARTS * EK_LANES);
        EK_UNROLL for (int i = 0; i < n; i++) {
            const vec x = splat(in[i * x_step]);
            if (blocks * PARTS == 1) {
                sum[i][0] = fma_of(x, w[0], sum[i][0]);
            } else {
                EK_UNROLL for (int b = 0; b < blocks * PARTS; b++) sum[i][b] = accumulate(x, w[b], sum[i][b]);
            }
        }
    }
}

/// One pixel of a planar residual as lanes; channels above the last are zero.
static void gather_lanes(const ek_map *residual, int row, int channel, size_t column, float lanes[EK_LANES]) {
    for (int l = 0; l < EK_LANES; l++)
        lanes[l] = channel + l < residual->channels ? residual->rows[row][(size_t)(channel + l) * residual->block_stride + column] : 0;
}

/// Pixels i0 ..< i0 + n of channel blocks block ..< block + blocks.
EK_INLINE void run_pixels(const int n, const int blocks, const int planar, const struct ek_run *r, int i0, int block) {
    const int x_step = planar ? 1 : EK_BLOCK, channels = r->in->channels;
    const float *weights = r->weights + (size_t)block * r->weights_block;
    vec sum[MOST][MOST_BLOCKS * PARTS];
    EK_UNROLL for (int i = 0; i < n; i++) EK_UNROLL for (int b = 0; b < blocks * PARTS; b++) sum[i][b] = splat(0);
    for (int y = 0; y < r->tap_rows; y++) {
        const float *row = r->rows[y * r->row_step];
        for (int x = 0; x < r->tap_columns; x++) {
            const float *in = row + (r->column + x * r->column_step + i0) * x_step;
            const float *w = weights + (size_t)y * r->weights_row + (size_t)x * r->weights_column;
            if (planar) {
                add_channels(n, blocks, x_step, sum, in, channels, r->in->block_stride, w, r->weights_block);
                continue;
            }
            for (int k = 0; k < channels; k += EK_BLOCK, in += r->in->block_stride, w += EK_BLOCK * EK_BLOCK)
                add_channels(
                    n, blocks, x_step, sum, in, channels - k < EK_BLOCK ? channels - k : EK_BLOCK, 1, w, r->weights_block);
        }
    }
    const ek_map *residual = &r->epilogue->residual;
    EK_UNROLL for (int b = 0; b < blocks * PARTS; b++) {
        const size_t at = (size_t)(block + b / PARTS), lane = (size_t)(b % PARTS * EK_LANES);
        const struct finish f = finish_for(r->epilogue, (int)(at * EK_BLOCK + lane));
        float *out = r->out->rows[r->row] + at * r->out->block_stride + lane;
        if (residual->rows && residual->planar) {
            EK_UNROLL for (int i = 0; i < n; i++) {
                const size_t column = (size_t)(r->first + (i0 + i) * r->step);
                float add[EK_LANES];
                gather_lanes(residual, r->row, (int)(at * EK_BLOCK + lane), column, add);
                store(out + column * EK_BLOCK, finished(f, sum[i][b], add));
            }
            continue;
        }
        const float *add = residual->rows ? residual->rows[r->row] + at * residual->block_stride + lane : 0;
        EK_UNROLL for (int i = 0; i < n; i++) {
            const size_t column = (size_t)(r->first + (i0 + i) * r->step) * EK_BLOCK;
            store(out + column, finished(f, sum[i][b], add ? add + column : 0));
        }
    }
}

/// A function for each number of pixels and blocks, so that nothing is computed in vain.
#define EK_DEFINE(n, blocks)                                                                                     \
    static __attribute__((noinline)) void blocked_##n##_##blocks(const struct ek_run *r, int i0, int block) {    \
        run_pixels(n, blocks, 0, r, i0, block);                                                                  \
    }                                                                                                            \
    static __attribute__((noinline)) void planar_##n##_##blocks(const struct ek_run *r, int i0, int block) {     \
        run_pixels(n, blocks, 1, r, i0, block);                                                                  \
    }
#define EK_BLOCKED(n, blocks) [blocks][n] = blocked_##n##_##blocks,
#define EK_PLANAR(n, blocks) [blocks][n] = planar_##n##_##blocks,

#define EK_EACH_6(F, b) F(1, b) F(2, b) F(3, b) F(4, b) F(5, b) F(6, b)
#if EK_LANES == 16
#define EK_EACH(F)                                                                                     \
    EK_EACH_6(F, 1) EK_EACH_6(F, 2) EK_EACH_6(F, 3) EK_EACH_6(F, 4)                                    \
    F(7, 1) F(8, 1) F(9, 1) F(10, 1) F(11, 1) F(12, 1) F(13, 1) F(14, 1)                               \
    F(7, 2) F(8, 2) F(9, 2) F(10, 2) F(11, 2) F(12, 2) F(7, 3) F(8, 3)
#else
#define EK_EACH(F) EK_EACH_6(F, 1)
#endif

EK_EACH(EK_DEFINE)
static void (*const blocked[MOST_BLOCKS + 1][MOST + 1])(const struct ek_run *, int, int) = {EK_EACH(EK_BLOCKED)};
static void (*const planar[MOST_BLOCKS + 1][MOST + 1])(const struct ek_run *, int, int) = {EK_EACH(EK_PLANAR)};

void EK_RUN(const struct ek_run *r) {
    const int blocks = (r->out->channels + EK_BLOCK - 1) / EK_BLOCK, groups = (blocks + MOST_BLOCKS - 1) / MOST_BLOCKS;
    for (int g = 0; g < groups; g++) {
        const int block = blocks * g / groups, n = blocks * (g + 1) / groups - block;
        const int pieces = (r->count + most_pixels[n] - 1) / most_pixels[n];
        for (int i = 0; i < pieces; i++) {
            const int i0 = (int)((int64_t)r->count * i / pieces), i1 = (int)((int64_t)r->count * (i + 1) / pieces);
            (r->in->planar ? planar : blocked)[n][i1 - i0](r, i0, block);
        }
    }
}
