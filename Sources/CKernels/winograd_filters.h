// Expands one panel of stored filters and transforms it (part of winograd_kernels.h).

typedef int32_t vec_i32 __attribute__((ext_vector_type(EK_LANES)));
typedef uint32_t vec_u32 __attribute__((ext_vector_type(EK_LANES)));
typedef uint16_t vec_u16 __attribute__((ext_vector_type(EK_LANES), aligned(1)));
typedef uint8_t vec_u8 __attribute__((ext_vector_type(EK_LANES), aligned(1)));
typedef _Float16 vec_f16 __attribute__((ext_vector_type(EK_LANES), aligned(1)));

/// EK_LANES stored weights from index `at` on. `step` is zero for channels that are padding.
EK_INLINE vec expand(const ek_winograd *p, const enum ek_element kind, size_t at, vec step) {
    switch (kind) {
    case EK_F32: return load((const float *)p->weights + at);
    case EK_F16: return __builtin_convertvector(*(const vec_f16 *)((const uint16_t *)p->weights + at), vec);
    case EK_BF16: {
        const vec_u16 bits = *(const vec_u16 *)((const uint16_t *)p->weights + at);
        return (vec)(__builtin_convertvector(bits, vec_u32) << 16);
    }
    case EK_U8: {
        const vec_u8 q = *(const vec_u8 *)((const uint8_t *)p->weights + at);
        return __builtin_convertvector(__builtin_convertvector(q, vec_i32) + p->zero, vec) * step;
    }
    }
}

/// One dimension of the filter transform: 3 values to 6.
EK_INLINE void filter_1d(vec o[6], vec g0, vec g1, vec g2) {
    const vec sixth = splat(-1.f / 6), s = g0 + g2;
    const vec p = fma_of(splat(1.f / 24), g0, splat(1.f / 6) * g2), q = splat(1.f / 12) * g1;
    o[0] = splat(.25f) * g0;
    o[1] = sixth * (s + g1);
    o[2] = sixth * (s - g1);
    o[3] = p + q;
    o[4] = p - q;
    o[5] = g2;
}

EK_INLINE void transform_filter(const ek_winograd *p, const enum ek_element kind, size_t at, vec step, vec u[EK_PLANES]) {
    vec half[3][6];
    EK_UNROLL for (int x = 0; x < 3; x++) {
        const size_t column = at + (size_t)x * EK_PANEL;
        filter_1d(
            half[x], expand(p, kind, column, step), expand(p, kind, column + 3 * EK_PANEL, step),
            expand(p, kind, column + 6 * EK_PANEL, step));
    }
    EK_UNROLL for (int i = 0; i < 6; i++) filter_1d(u + i * 6, half[0][i], half[1][i], half[2][i]);
}

/// The step of each lane: zero where the output channel is padding, as stored uint8 padding need not mean zero.
EK_INLINE vec steps(const ek_winograd *p, int channel) {
    vec s;
    for (int i = 0; i < EK_LANES; i++) s[i] = channel + i < p->out.channels ? p->step : 0;
    return s;
}

EK_INLINE void transform_panel(const ek_winograd *p, const enum ek_element kind, int panel, element *u) {
    const int cin = p->in.channels, padded = ek_round_up(cin, EK_BLOCK);
    const size_t stride = ek_filter_stride(cin, sizeof(element));
    for (int c = 0; c < EK_PANEL; c += EK_LANES) {
        const vec step = steps(p, panel * EK_PANEL + c);
        const size_t first = (size_t)panel * (size_t)padded * 9 * EK_PANEL + (size_t)c;
#if EK_BF16_PRODUCTS
        for (int k = 0; k < padded; k += 2) {
            vec even[EK_PLANES], odd[EK_PLANES];
            transform_filter(p, kind, first + (size_t)k * 9 * EK_PANEL, k < cin ? step : splat(0), even);
            transform_filter(p, kind, first + (size_t)(k + 1) * 9 * EK_PANEL, k + 1 < cin ? step : splat(0), odd);
            for (int i = 0; i < EK_PLANES; i++) {
                const vec_u16 lo = (vec_u16)_mm512_cvtneps_pbh((__m512)even[i]), hi = (vec_u16)_mm512_cvtneps_pbh((__m512)odd[i]);
                const vec_u32 pair = __builtin_convertvector(lo, vec_u32) | (__builtin_convertvector(hi, vec_u32) << 16);
                _mm512_storeu_si512(u + (size_t)i * stride + (size_t)k * EK_PANEL + (size_t)c * 2, (__m512i)pair);
            }
        }
#else
        for (int k = 0; k < padded; k++) {
            vec o[EK_PLANES];
            transform_filter(p, kind, first + (size_t)k * 9 * EK_PANEL, k < cin ? step : splat(0), o);
            EK_UNROLL for (int i = 0; i < EK_PLANES; i++) store(u + (size_t)i * stride + (size_t)k * EK_PANEL + c, o[i]);
        }
#endif
    }
}

static void transform_filters(const ek_winograd *p, int panel, void *u) {
    switch (p->element) {
    case EK_F32: transform_panel(p, EK_F32, panel, u); break;
    case EK_F16: transform_panel(p, EK_F16, panel, u); break;
    case EK_BF16: transform_panel(p, EK_BF16, panel, u); break;
    case EK_U8: transform_panel(p, EK_U8, panel, u); break;
    }
}
