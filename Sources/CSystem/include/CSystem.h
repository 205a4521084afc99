// System calls that Swift does not import.
#ifndef ENLARGER_CSYSTEM_H
#define ENLARGER_CSYSTEM_H

/// Processors that this process may run on (its affinity mask).
int es_processor_count(void);

/// glibc: at most `heaps` heaps; blocks of `block` bytes and more are mapped one by one; that much is kept free at a
/// heap's end.
void es_limit_heaps(int heaps, int block);
/// Gives free pages inside the heaps back to the system.
void es_trim_heaps(void);

#endif
