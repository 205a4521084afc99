// Vectors of EK_LANES floats, for the kernels that are compiled once per instruction set.
// The including file defines EK_LANES and pushes the target attribute; everything here is inlined into it.
#ifndef ENLARGER_LANES_H
#define ENLARGER_LANES_H
#include "include/CKernels.h"

#define EK_INLINE static inline __attribute__((always_inline))
/// Loops of constant length over arrays of vectors must unroll, or the arrays stay in memory.
#define EK_UNROLL _Pragma("clang loop unroll(full)")
#define EK_BLOCK 16

typedef float vec __attribute__((ext_vector_type(EK_LANES)));
typedef float vec_in_memory __attribute__((ext_vector_type(EK_LANES), aligned(4)));

EK_INLINE vec load(const float *p) { return *(const vec_in_memory *)p; }
EK_INLINE void store(float *p, vec x) { *(vec_in_memory *)p = x; }
EK_INLINE vec splat(float x) { return (vec)x; }
/// a * b + c with one rounding.
EK_INLINE vec fma_of(vec a, vec b, vec c) { return __builtin_elementwise_fma(a, b, c); }

/// The same, for loops whose sums fill the registers. In assembler, as the compiler picks forms that overwrite the factor
/// `a`, then runs out of registers and spills sums.
EK_INLINE vec accumulate(vec a, vec b, vec c) {
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
    return c;
}

/// The part of an epilogue that belongs to EK_LANES channels.
struct finish {
    vec bias, slope, scale;
    int has_slope;
};

EK_INLINE struct finish finish_for(const ek_epilogue *e, int channel) {
    struct finish f = {load(e->bias + channel), splat(0), splat(e->residual_scale), e->slope != 0};
    if (f.has_slope) f.slope = load(e->slope + channel);
    return f;
}

/// `residual` NULL: none.
EK_INLINE vec finished(struct finish f, vec sum, const float *residual) {
    vec y = sum + f.bias;
    if (residual) y = fma_of(f.scale, y, load(residual));
    if (f.has_slope) y = y > 0 ? y : f.slope * y;
    return y;
}

#endif
