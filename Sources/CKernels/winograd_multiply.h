// The 36 matrix products of a block of tiles with a panel of filters (part of winograd_kernels.h).

/// Output channels a microkernel makes: with EK_ROWS rows of them, all registers but a few hold sums.
enum { WIDTH = 2 * EK_LANES };

#if EK_BF16_PRODUCTS
EK_INLINE vec multiply_add(__m512i a, __m512i b, vec c) { return (vec)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b); }
enum { PACKED = 2 };
#else
EK_INLINE vec multiply_add(vec a, vec b, vec c) { return accumulate(a, b, c); }
enum { PACKED = 1 };
#endif

/// m[r] = sum over k of a[r][k] * b[k], k always ascending. `rows` is a constant wherever this is inlined.
EK_INLINE void multiply_rows(const int rows, int blocks, const element *a, size_t a_stride, const element *b, float *m) {
    vec sum[EK_ROWS][2];
    EK_UNROLL for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = splat(0);
    for (int block = 0; block < blocks; block++, a += a_stride) {
        EK_UNROLL for (int r = 0; r < rows; r++) __builtin_prefetch(a + 3 * a_stride + r * EK_BLOCK);
#pragma clang loop unroll_count(4)
        for (int k = 0; k < EK_BLOCK / PACKED; k++, b += EK_PANEL * PACKED) {
#if EK_BF16_PRODUCTS
            const __m512i b0 = _mm512_loadu_si512(b), b1 = _mm512_loadu_si512(b + 32);
#else
            const vec b0 = load(b), b1 = load(b + EK_LANES);
#endif
            EK_UNROLL for (int r = 0; r < rows; r++) {
#if EK_BF16_PRODUCTS
                __m512i x = _mm512_set1_epi32(((const int32_t *)a)[r * EK_BLOCK / 2 + k]);
#else
                vec x = splat(a[r * EK_BLOCK + k]);
#endif
#if EK_LANES == 16
                __asm__("" : "+v"(x));  // one broadcast for both products, instead of one folded into each
#endif
                sum[r][0] = multiply_add(x, b0, sum[r][0]);
                sum[r][1] = multiply_add(x, b1, sum[r][1]);
            }
        }
    }
    EK_UNROLL for (int r = 0; r < rows; r++) {
        store(m + r * EK_PANEL, sum[r][0]);
        store(m + r * EK_PANEL + EK_LANES, sum[r][1]);
    }
}

#define EK_EACH_ROWS(F) EK_EACH_ROWS_6(F) EK_EACH_ROWS_14(F)
#define EK_EACH_ROWS_6(F) F(1) F(2) F(3) F(4) F(5) F(6)
#if EK_ROWS > 6
#define EK_EACH_ROWS_14(F) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14)
#else
#define EK_EACH_ROWS_14(F)
#endif

/// A function for each number of rows, so that no row is computed in vain.
#define EK_DEFINE(n)                                                                                              \
    static __attribute__((noinline)) void multiply_##n(                                                           \
        int blocks, const element *a, size_t a_stride, const element *b, float *m) {                              \
        multiply_rows(n, blocks, a, a_stride, b, m);                                                              \
    }
EK_EACH_ROWS(EK_DEFINE)
#define EK_LIST(n) multiply_##n,
static void (*const multiply_of[])(int, const element *, size_t, const element *, float *) = {0, EK_EACH_ROWS(EK_LIST)};

static void multiply(int cin, int tiles, const void *v, const void *u, float *m) {
    const int blocks = (cin + EK_BLOCK - 1) / EK_BLOCK, pieces = (tiles + EK_ROWS - 1) / EK_ROWS;
    const size_t v_stride = ek_input_stride(cin, tiles, sizeof(element)), u_stride = ek_filter_stride(cin, sizeof(element));
    const size_t m_stride = ek_product_stride(tiles);
    for (size_t plane = 0; plane < EK_PLANES; plane++)
        for (int c = 0; c < EK_PANEL; c += WIDTH)
            for (int i = 0; i < pieces; i++) {
                const int t0 = tiles * i / pieces, t1 = tiles * (i + 1) / pieces;
                multiply_of[t1 - t0](
                    blocks, (const element *)v + plane * v_stride + (size_t)t0 * EK_BLOCK, (size_t)tiles * EK_BLOCK,
                    (const element *)u + plane * u_stride + c, m + plane * m_stride + (size_t)t0 * EK_PANEL + c);
            }
}
