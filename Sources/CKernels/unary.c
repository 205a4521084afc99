// Activations and affine maps, element by element.
#include "elementwise.h"

EK_INLINE uint32_t bits_of(float x) {
    union { float f; uint32_t u; } v = {x};
    return v.u;
}
EK_INLINE float of_bits(uint32_t u) {
    union { uint32_t u; float f; } v = {u};
    return v.f;
}

/// e^x for x in -87 ... 87, within two units of the last place; NaN stays NaN.
EK_INLINE float exponential(float x) {
    // Adding 1.5 * 2^23 rounds to an integer n and leaves it in the low bits.
    const float magic = 12582912.0f, shifted = x * 1.44269504f + magic, n = shifted - magic;
    const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    return p * of_bits((bits_of(shifted) << 23) + 0x3f800000u);
}

EK_INLINE float hyperbolic_tangent(float x) {
    float a = of_bits(bits_of(x) & 0x7fffffffu);
    a = a > 10.0f ? 10.0f : a;
    const float large = 1.0f - 2.0f / (exponential(2.0f * a) + 1.0f), s = a * a;
    // Below 0.625 the difference above would cancel; an odd polynomial (Cephes) keeps small results relatively exact.
    float p = -5.70498872745e-3f;
    p = p * s + 2.06390887954e-2f;
    p = p * s - 5.37397155531e-2f;
    p = p * s + 1.33314422036e-1f;
    p = p * s - 3.33332819422e-1f;
    const float small = p * s * a + a;
    const float y = a < 0.625f ? small : large;
    return of_bits(bits_of(y) | (bits_of(x) & 0x80000000u));
}

EK_INLINE float sigmoid(float x) {
    x = x > 87.0f ? 87.0f : x;
    x = x < -87.0f ? -87.0f : x;
    return 1.0f / (1.0f + exponential(-x));
}

EK_INLINE float apply(const enum ek_unary op, float x, float a, float b) {
    switch (op) {
    case EK_TANH: return hyperbolic_tangent(x);
    case EK_SIGMOID: return sigmoid(x);
    case EK_ABS: return of_bits(bits_of(x) & 0x7fffffffu);
    case EK_CLIP: x = x < a ? a : x; return x > b ? b : x;
    case EK_PRELU: return x > 0 ? x : a * x;
    case EK_AFFINE: return x * a + b;
    }
    return x;
}

/// One row of one block or plane, n columns.
EK_INLINE void apply_row(const enum ek_unary op, const int lanes, const float *a, const float *b, const float *in, float *out, int n) {
    float a_of[16] = {0}, b_of[16] = {0};
    for (int l = 0; l < lanes; l++) {
        if (a) a_of[l] = a[op == EK_CLIP ? 0 : l];
        if (b) b_of[l] = b[op == EK_CLIP ? 0 : l];
    }
    for (int x = 0; x < n; x++)
        for (int l = 0; l < lanes; l++) out[x * lanes + l] = apply(op, in[x * lanes + l], a_of[l], b_of[l]);
}

EK_INLINE void apply_rows(const enum ek_unary op, const float *a, const float *b, ek_map in, ek_map out, int rows, int col0, int col1) {
    const int lanes = in.planar ? 1 : 16;
    for (int row = 0; row < rows; row++) {
        for (int g = 0; g < groups_of(&in); g++) {
            const int c = g * lanes, per_channel = op == EK_CLIP ? 0 : c;
            const float *a_of = a ? a + per_channel : 0, *b_of = b ? b + per_channel : 0;
            const float *from = at(&in, row, c, col0);
            float *to = at(&out, row, c, col0);
            if (in.planar) apply_row(op, 1, a_of, b_of, from, to, col1 - col0);
            else apply_row(op, 16, a_of, b_of, from, to, col1 - col0);
        }
        if (op == EK_SIGMOID || op == EK_CLIP) zero_padding(&out, row, col0, col1);
    }
}

EK_CLONES void ek_unary_run(enum ek_unary op, const float *a, const float *b, ek_map in, ek_map out, int rows, int col0, int col1) {
    switch (op) {
    case EK_TANH: apply_rows(EK_TANH, a, b, in, out, rows, col0, col1); break;
    case EK_SIGMOID: apply_rows(EK_SIGMOID, a, b, in, out, rows, col0, col1); break;
    case EK_ABS: apply_rows(EK_ABS, a, b, in, out, rows, col0, col1); break;
    case EK_CLIP: apply_rows(EK_CLIP, a, b, in, out, rows, col0, col1); break;
    case EK_PRELU: apply_rows(EK_PRELU, a, b, in, out, rows, col0, col1); break;
    case EK_AFFINE: apply_rows(EK_AFFINE, a, b, in, out, rows, col0, col1); break;
    }
}
