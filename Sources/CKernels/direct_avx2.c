#if defined(__x86_64__)
#define EK_LANES 8
#define EK_RUN ek_run_avx2
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include "direct_kernels.h"
#pragma clang attribute pop
#endif
