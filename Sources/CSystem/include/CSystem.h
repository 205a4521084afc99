// System calls that Swift does not import.
#ifndef ENLARGER_CSYSTEM_H
#define ENLARGER_CSYSTEM_H

/// Processors that this process may run on (its affinity mask).
int es_processor_count(void);

/// The file that this code was loaded from, as the loader names it: the program, or a library. NULL where it cannot tell.
const char *es_code_file(void);

/// glibc: at most `heaps` heaps; blocks of `block` bytes and more are mapped one by one; that much is kept free at a
/// heap's end.
void es_limit_heaps(int heaps, int block);
/// Gives free pages inside the heaps back to the system.
void es_trim_heaps(void);

/// An NVIDIA GPU, as its management library (NVML) tells of it.
struct es_gpu {
    char name[96];
    unsigned long long used_bytes, total_bytes;
    /// The part of the last moments in which it worked, 0...1; negative where it does not tell.
    double busy;
};
/// 0 without NVML.
int es_gpu_count(void);
/// 0 when it cannot be read.
int es_gpu_read(int index, struct es_gpu *);

struct es_gpu_use {
    unsigned long long used_bytes, total_bytes;
    /// Of this process; negative where that is not told.
    long long process_bytes;
};
/// What the GPU with these 16 bytes as its UUID holds; 0 when there is none or it cannot be read.
int es_gpu_use_of(const unsigned char *uuid, struct es_gpu_use *);

#endif
