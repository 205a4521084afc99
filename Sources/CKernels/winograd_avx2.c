#if defined(__x86_64__)
#define EK_LANES 8
#define EK_ROWS 6
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "winograd_kernels.h"
#pragma clang attribute pop
const struct ek_winograd_kernels ek_winograd_avx2 = EK_WINOGRAD_KERNELS;
#endif
