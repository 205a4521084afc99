#include "CKernels.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum ek_isa ek_best_isa(void) {
#if defined(__x86_64__)
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    const int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (avx2 && avx512) return __builtin_cpu_supports("avx512bf16") ? EK_AVX512_BF16 : EK_AVX512;
    if (avx2) return EK_AVX2;
#endif
    return EK_SCALAR;
}

const char *ek_isa_name(enum ek_isa isa) {
    switch (isa) {
    case EK_SCALAR: return "scalar";
    case EK_AVX2: return "AVX2";
    case EK_AVX512: return "AVX-512";
    case EK_AVX512_BF16: return "AVX-512 BF16";
    }
    return "unknown";
}

unsigned ek_flush_subnormals(void) {
#if defined(__x86_64__)
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | _MM_FLUSH_ZERO_ON | 0x40 /* denormals are zero */);
    return before;
#else
    return 0;
#endif
}

void ek_restore_mode(unsigned mode) {
#if defined(__x86_64__)
    _mm_setcsr(mode);
#else
    (void)mode;
#endif
}
