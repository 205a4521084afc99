// NVIDIA's management library, opened at run time: a machine without it has no such figures.
#include "CSystem.h"

#include <dlfcn.h>
#include <pthread.h>

// As nvml.h declares them (NVML API reference, version 12).
struct memory { unsigned long long total, free, used; };
struct utilization { unsigned gpu, memory; };

static struct {
    int (*init)(void);
    int (*count)(unsigned *);
    int (*device)(unsigned, void **);
    int (*name)(void *, char *, unsigned);
    int (*memory)(void *, struct memory *);
    int (*utilization)(void *, struct utilization *);
    unsigned devices;
} nvml;

static void open_library(void) {
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    *(void **)&nvml.init = dlsym(library, "nvmlInit_v2");
    *(void **)&nvml.count = dlsym(library, "nvmlDeviceGetCount_v2");
    *(void **)&nvml.device = dlsym(library, "nvmlDeviceGetHandleByIndex_v2");
    *(void **)&nvml.name = dlsym(library, "nvmlDeviceGetName");
    *(void **)&nvml.memory = dlsym(library, "nvmlDeviceGetMemoryInfo");
    *(void **)&nvml.utilization = dlsym(library, "nvmlDeviceGetUtilizationRates");
    int is_whole = nvml.init && nvml.count && nvml.device && nvml.name && nvml.memory && nvml.utilization;
    if (!is_whole || nvml.init() != 0 || nvml.count(&nvml.devices) != 0) nvml.devices = 0;
}

int es_gpu_count(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_library);
    return (int)nvml.devices;
}

int es_gpu_read(int index, struct es_gpu *gpu) {
    void *device;
    struct memory memory;
    struct utilization use;
    if (index < 0 || index >= es_gpu_count() || nvml.device((unsigned)index, &device) != 0) return 0;
    if (nvml.name(device, gpu->name, sizeof gpu->name) != 0 || nvml.memory(device, &memory) != 0) return 0;
    gpu->name[sizeof gpu->name - 1] = 0;
    gpu->used_bytes = memory.used;
    gpu->total_bytes = memory.total;
    gpu->busy = nvml.utilization(device, &use) == 0 ? use.gpu / 100.0 : -1;  // some devices do not tell
    return 1;
}
