#if defined(__x86_64__)
#define EK_LANES 16
#define EK_RUN ek_run_avx512
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)
#include "direct_kernels.h"
#pragma clang attribute pop
#endif
