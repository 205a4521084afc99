#define _GNU_SOURCE
#include "CSystem.h"

#include <dlfcn.h>
#include <malloc.h>
#include <sched.h>
#include <unistd.h>

int es_processor_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

void es_limit_heaps(int heaps, int block)
{
    mallopt(M_ARENA_MAX, heaps);
    mallopt(M_MMAP_THRESHOLD, block);
    mallopt(M_TRIM_THRESHOLD, block);
}

void es_trim_heaps(void)
{
    malloc_trim(0);
}

const char *es_code_file(void)
{
    Dl_info info;
    return dladdr((const void *)&es_code_file, &info) ? info.dli_fname : NULL;
}
