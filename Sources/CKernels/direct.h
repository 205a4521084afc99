// What a direct or transposed convolution asks of its kernels: runs of output pixels that differ by one input column.
#ifndef ENLARGER_DIRECT_H
#define ENLARGER_DIRECT_H
#include "include/CKernels.h"

/// Output pixels 0 ..< count of one row, all channels. Pixel i reads input columns i further right than pixel 0.
struct ek_run {
    const float *const *rows;           ///< input row under tap row 0
    int row_step;                       ///< from the row of one tap row to that of the next
    ptrdiff_t column, column_step;      ///< input column under tap column 0 of pixel 0; from tap column to tap column
    int tap_rows, tap_columns;
    const float *weights;               ///< of tap (0, 0), block 0
    size_t weights_row, weights_column, weights_block;
    const ek_map *in, *out;
    const ek_epilogue *epilogue;
    int row, first, step;               ///< pixel i is column first + i * step of output row `row`
    int count;
};

typedef void (*ek_run_kernel)(const struct ek_run *r);
/// NULL: this instruction set has none.
ek_run_kernel ek_run_kernel_for(enum ek_isa isa);
void ek_run_plain(const struct ek_run *r);
#if defined(__x86_64__)
void ek_run_avx2(const struct ek_run *r);
void ek_run_avx512(const struct ek_run *r);
#endif

#endif
