// For loops that the compiler vectorises by itself. Contraction being off, their results are the same for any vector width.
#ifndef ENLARGER_ELEMENTWISE_H
#define ENLARGER_ELEMENTWISE_H
#include "include/CKernels.h"

/// One copy of the function per instruction set, picked by the loader.
#if defined(__x86_64__) && defined(__linux__)
#define EK_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EK_CLONES
#endif

#define EK_INLINE static inline __attribute__((always_inline))

EK_INLINE int groups_of(const ek_map *m) { return m->planar ? m->channels : (m->channels + 15) / 16; }
/// Floats from a column to the next.
EK_INLINE int column_step(const ek_map *m) { return m->planar ? 1 : 16; }
EK_INLINE float *at(const ek_map *m, int row, int channel, int column) {
    const size_t offset = m->planar ? (size_t)channel * m->block_stride + (size_t)column
                                    : (size_t)(channel / 16) * m->block_stride + (size_t)column * 16 + (size_t)(channel % 16);
    return m->rows[row] + offset;
}

/// Restores the invariant that channels above the last are zero.
EK_INLINE void zero_padding(const ek_map *m, int row, int col0, int col1) {
    const int used = m->channels % 16;
    if (m->planar || used == 0) return;
    for (int x = col0; x < col1; x++) {
        float *p = at(m, row, m->channels - used, x);
        for (int c = used; c < 16; c++) p[c] = 0;
    }
}

#endif
