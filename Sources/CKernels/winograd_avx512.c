#if defined(__x86_64__)
#define EK_LANES 16
#define EK_ROWS 14
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)
#include "winograd_kernels.h"
#pragma clang attribute pop
const struct ek_winograd_kernels ek_winograd_avx512 = EK_WINOGRAD_KERNELS;
#endif
