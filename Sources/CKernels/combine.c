// Two maps into one, and moves of channels between maps.
#include "elementwise.h"
#include <string.h>

EK_INLINE float combined(const enum ek_binary op, float x, float y) {
    switch (op) {
    case EK_ADD: return x + y;
    case EK_SUB: return x - y;
    case EK_MUL: return x * y;
    }
    return x;
}

EK_INLINE void combine_rows(const enum ek_binary op, ek_map x, ek_map y, ek_map out, int rows, int col0, int col1) {
    const int n = col1 - col0, sx = column_step(&x), sy = column_step(&y), so = column_step(&out);
    const int alike = x.channels == y.channels && x.planar == out.planar && y.planar == out.planar;
    for (int row = 0; row < rows && n > 0; row++) {
        if (alike) {
            for (int g = 0; g < groups_of(&out); g++) {
                const float *a = at(&x, row, g * so, col0), *b = at(&y, row, g * so, col0);
                float *o = at(&out, row, g * so, col0);
                for (int i = 0; i < n * so; i++) o[i] = combined(op, a[i], b[i]);
            }
            continue;
        }
        for (int c = 0; c < out.channels; c++) {
            const float *a = at(&x, row, x.channels == 1 ? 0 : c, col0), *b = at(&y, row, y.channels == 1 ? 0 : c, col0);
            float *o = at(&out, row, c, col0);
            for (int i = 0; i < n; i++) o[i * so] = combined(op, a[i * sx], b[i * sy]);
        }
        zero_padding(&out, row, col0, col1);
    }
}

EK_CLONES void ek_binary_run(enum ek_binary op, ek_map x, ek_map y, ek_map out, int rows, int col0, int col1) {
    switch (op) {
    case EK_ADD: combine_rows(EK_ADD, x, y, out, rows, col0, col1); break;
    case EK_SUB: combine_rows(EK_SUB, x, y, out, rows, col0, col1); break;
    case EK_MUL: combine_rows(EK_MUL, x, y, out, rows, col0, col1); break;
    }
}

void ek_copy_channels(ek_map in, int c0, ek_map out, int d0, int n, int rows, int col0, int col1) {
    if (col1 <= col0) return;
    const int si = column_step(&in), so = column_step(&out);
    const int whole_blocks = !in.planar && !out.planar && c0 % 16 == 0 && d0 % 16 == 0;
    for (int row = 0; row < rows; row++) {
        for (int c = 0; c < n; c++) {
            const float *from = at(&in, row, c0 + c, col0);
            float *to = at(&out, row, d0 + c, col0);
            if (whole_blocks && c + 16 <= n) {
                memcpy(to, from, (size_t)(col1 - col0) * 16 * sizeof(float));
                c += 15;
                continue;
            }
            for (int x = 0; x < col1 - col0; x++) to[x * so] = from[x * si];
        }
        if (d0 + n == out.channels) zero_padding(&out, row, col0, col1);
    }
}

void ek_copy_column(ek_map in, int from, ek_map out, int to, int rows) {
    for (int row = 0; row < rows; row++) {
        for (int c = 0; c < out.channels; c++) *at(&out, row, c, to) = *at(&in, row, c, from);
        zero_padding(&out, row, to, to + 1);
    }
}

void ek_depth_to_space(ek_map in, ek_map out, int s, int order, int rows, int col0, int col1, int in_pad, int out_pad) {
    const int si = column_step(&in), so = column_step(&out) * s, first = (col0 - in_pad) * s + out_pad;
    for (int row = 0; row < rows; row++)
        for (int dy = 0; dy < s; dy++) {
            if (!out.rows[row * s + dy]) continue;
            for (int c = 0; c < out.channels; c++)
                for (int dx = 0; dx < s; dx++) {
                    const int k = order == 0 ? (dy * s + dx) * out.channels + c : (c * s + dy) * s + dx;
                    const float *from = at(&in, row, k, col0);
                    float *to = at(&out, row * s + dy, c, first + dx);
                    for (int x = 0; x < col1 - col0; x++) to[x * so] = from[x * si];
                }
            zero_padding(&out, row * s + dy, first, first + (col1 - col0) * s);
        }
}

EK_CLONES void ek_sum_channels(ek_map in, int c0, int c1, int rows, int col0, int col1, double *sums) {
    for (int row = 0; row < rows; row++) {
        double sum[16] = {0};
        if (in.planar) {
            for (int c = c0; c < c1; c++) {
                const float *p = at(&in, row, c, 0);
                for (int x = col0; x < col1; x++) sum[c - c0] += p[x];
            }
        } else {
            const float *p = at(&in, row, c0, 0);
            for (int x = col0; x < col1; x++)
                for (int i = 0; i < 16; i++) sum[i] += p[x * 16 + i];
        }
        for (int c = c0; c < c1; c++) sums[c] += sum[c - c0];
    }
}
