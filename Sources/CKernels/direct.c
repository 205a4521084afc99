// Direct and transposed convolution, cut into runs of pixels that share their taps.
#include "direct.h"
#include "epilogue.h"

ek_run_kernel ek_run_kernel_for(enum ek_isa isa) {
#if defined(__x86_64__)
    if (isa >= EK_AVX512) return ek_run_avx512;
    if (isa == EK_AVX2) return ek_run_avx2;
#endif
    (void)isa;
    return ek_run_plain;
}

void ek_run_plain(const struct ek_run *r) {
    for (int i = 0; i < r->count; i++)
        for (int c = 0; c < (r->out->channels + 15) / 16 * 16; c++) {
            float sum = 0;
            for (int y = 0; y < r->tap_rows; y++)
                for (int x = 0; x < r->tap_columns; x++)
                    for (int k = 0; k < r->in->channels; k++) {
                        const float *row = r->rows[y * r->row_step];
                        const size_t at = (size_t)y * r->weights_row + (size_t)x * r->weights_column + (size_t)k * 16;
                        sum += row[ek_offset(r->in, k, (int)(r->column + x * r->column_step) + i)]
                            * r->weights[(size_t)(c / 16) * r->weights_block + at + (size_t)(c % 16)];
                    }
            const int column = r->first + i * r->step;
            r->out->rows[r->row][ek_offset(r->out, c, column)] = ek_finish_one(r->epilogue, sum, c, r->row, column);
        }
}

void ek_direct_run(const ek_direct *p, enum ek_isa isa, int row0, int row1) {
    const ek_run_kernel kernel = ek_run_kernel_for(isa);
    const size_t tap = (size_t)p->in.channels * 16;
    struct ek_run run = {
        .row_step = p->dilation, .column = p->col0 - p->pad_left, .column_step = p->dilation,
        .tap_rows = p->kh, .tap_columns = p->kw,
        .weights = p->weights, .weights_row = (size_t)p->kw * tap, .weights_column = tap,
        .weights_block = (size_t)(p->kh * p->kw) * tap,
        .in = &p->in, .out = &p->out, .epilogue = &p->epilogue, .first = p->col0, .step = 1, .count = p->col1 - p->col0,
    };
    if (run.count <= 0) return;
    for (run.row = row0; run.row < row1; run.row++) {
        run.rows = (const float *const *)p->in.rows + run.row;
        if (p->out.rows[run.row]) kernel(&run);
    }
}

/// The first tap t with (position - t) divisible by the stride.
static int first_tap(int position, int stride) { return ((position % stride) + stride) % stride; }

/// How many taps t, t + stride, ... there are.
static int taps_from(int t, int size, int stride) { return t < size ? (size - t + stride - 1) / stride : 0; }

void ek_transposed_run(const ek_transposed *p, enum ek_isa isa, int row0, int row1) {
    const ek_run_kernel kernel = ek_run_kernel_for(isa);
    const size_t tap = (size_t)p->in.channels * 16;
    const int stride = p->stride;
    struct ek_run run = {
        .row_step = -1, .column_step = -1, .weights_block = (size_t)(p->kh * p->kw) * tap,
        .weights_row = (size_t)(stride * p->kw) * tap, .weights_column = (size_t)stride * tap,
        .in = &p->in, .out = &p->out, .epilogue = &p->epilogue, .step = stride,
    };
    for (run.row = row0; run.row < row1; run.row++) {
        if (!p->out.rows[run.row]) continue;
        const int y = p->out_row0 + run.row + p->pad_top, tap_y = first_tap(y, stride);
        run.tap_rows = taps_from(tap_y, p->kh, stride);
        run.rows = (const float *const *)p->in.rows + ((y - tap_y) / stride - p->in_row0);
        for (run.first = p->col0; run.first < p->col0 + stride && run.first < p->col1; run.first++) {
            const int x = run.first - p->out_pad + p->out_x0 + p->pad_left, tap_x = first_tap(x, stride);
            run.tap_columns = taps_from(tap_x, p->kw, stride);
            run.column = (x - tap_x) / stride - p->in_x0 + p->in_pad;
            run.weights = p->weights + (size_t)(tap_y * p->kw + tap_x) * tap;
            run.count = (p->col1 - run.first + stride - 1) / stride;
            kernel(&run);
        }
    }
}
