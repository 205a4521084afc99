// What one core does of fp32 and of bf16 products: whether `--precision bf16` can pay on a processor.
//     cc -O2 Benchmarks/product_rate.c -o /tmp/product_rate && /tmp/product_rate
#include <immintrin.h>
#include <stdio.h>
#include <time.h>

enum { SUMS = 12, TIMES = 20000000 };
#define AVX512 __attribute__((target("avx512f,avx512bf16"), noinline))

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/// Twelve sums hide the latency of either instruction.
#define MEASURE(name, instruction)                                                                                  \
    AVX512 static double name(__m512 factor) {                                                                      \
        __m512 s0 = factor, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0, s8 = s0, s9 = s0,        \
               s10 = s0, s11 = s0;                                                                                  \
        const double start = now();                                                                                 \
        for (int i = 0; i < TIMES; i++) {                                                                           \
            __asm__ volatile(                                                                                       \
                instruction " %12, %12, %0\n" instruction " %12, %12, %1\n" instruction " %12, %12, %2\n"           \
                instruction " %12, %12, %3\n" instruction " %12, %12, %4\n" instruction " %12, %12, %5\n"           \
                instruction " %12, %12, %6\n" instruction " %12, %12, %7\n" instruction " %12, %12, %8\n"           \
                instruction " %12, %12, %9\n" instruction " %12, %12, %10\n" instruction " %12, %12, %11\n"         \
                : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5), "+v"(s6), "+v"(s7), "+v"(s8),         \
                  "+v"(s9), "+v"(s10), "+v"(s11)                                                                    \
                : "v"(factor));                                                                                     \
        }                                                                                                           \
        return SUMS * (double)TIMES / (now() - start);                                                              \
    }
MEASURE(fp32_rate, "vfmadd231ps")
MEASURE(bf16_rate, "vdpbf16ps")

AVX512 int main(void) {
    if (!__builtin_cpu_supports("avx512bf16")) return puts("no AVX512-BF16 here"), 1;
    const __m512 zero = _mm512_setzero_ps();
    for (int i = 0; i < 3; i++) {
        const double fp32 = fp32_rate(zero), bf16 = bf16_rate(zero);
        printf("fp32 %.2f G instructions/s, %.0f GFLOP/s; bf16 %.2f G instructions/s, %.0f GFLOP/s: %.2f times\n",
               fp32 / 1e9, fp32 * 32 / 1e9, bf16 / 1e9, bf16 * 64 / 1e9, 2 * bf16 / fp32);
    }
}
