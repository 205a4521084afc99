// The epilogue of one value, for the plain versions of the convolutions.
#ifndef ENLARGER_EPILOGUE_H
#define ENLARGER_EPILOGUE_H
#include "include/CKernels.h"

/// Floats from the start of a row to channel c of column x.
static inline size_t ek_offset(const ek_map *m, int c, int x) {
    return m->planar ? (size_t)c * m->block_stride + (size_t)x : (size_t)(c / 16) * m->block_stride + (size_t)x * 16 + (size_t)(c % 16);
}

/// `row` and `column` are those of the output.
static inline float ek_finish_one(const ek_epilogue *e, float sum, int c, int row, int column) {
    float y = sum + e->bias[c];
    if (e->residual.rows) {
        // The product is exact in double, as it is in the fused multiply-add of the fast versions.
        const double scaled = (double)e->residual_scale * y;
        // A planar row holds real channels alone.
        const int exists = !e->residual.planar || c < e->residual.channels;
        y = (float)(scaled + (exists ? e->residual.rows[row][ek_offset(&e->residual, c, column)] : 0));
    }
    if (e->slope) y = y > 0 ? y : e->slope[c] * y;
    return y;
}

#endif
