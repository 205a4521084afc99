// NVIDIA's management library, opened at run time: a machine without it has no such figures.
#include "CSystem.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

// As nvml.h declares them (NVML API reference, version 12).
struct memory { unsigned long long total, free, used; };
struct utilization { unsigned gpu, memory; };
struct process { unsigned pid; unsigned long long bytes; unsigned instance, compute_instance; };

static struct {
    int (*init)(void);
    int (*count)(unsigned *);
    int (*device)(unsigned, void **);
    int (*name)(void *, char *, unsigned);
    int (*memory)(void *, struct memory *);
    int (*utilization)(void *, struct utilization *);
    // NULL in old libraries
    int (*device_by_uuid)(const char *, void **);
    int (*compute_processes)(void *, unsigned *, struct process *);
    int (*graphics_processes)(void *, unsigned *, struct process *);
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
    *(void **)&nvml.device_by_uuid = dlsym(library, "nvmlDeviceGetHandleByUUID");
    *(void **)&nvml.compute_processes = dlsym(library, "nvmlDeviceGetComputeRunningProcesses_v3");
    *(void **)&nvml.graphics_processes = dlsym(library, "nvmlDeviceGetGraphicsRunningProcesses_v3");
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

/// The bytes of this process in a list of processes; negative when it is not there.
static long long own_bytes(int (*list)(void *, unsigned *, struct process *), void *device) {
    struct process all[256];
    unsigned count = 256;
    if (!list || list(device, &count, all) != 0) return -1;
    for (unsigned i = 0; i < count; i++)
        // A driver that does not tell says the largest number.
        if (all[i].pid == (unsigned)getpid() && all[i].bytes < 1ull << 62) return (long long)all[i].bytes;
    return -1;
}

int es_gpu_use_of(const unsigned char *uuid, struct es_gpu_use *use) {
    char name[48] = "GPU-";
    int end = 4;
    for (int i = 0; i < 16; i++)
        end += snprintf(name + end, sizeof name - (size_t)end, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
    void *device;
    struct memory memory;
    if (es_gpu_count() == 0 || !nvml.device_by_uuid || nvml.device_by_uuid(name, &device) != 0) return 0;
    if (nvml.memory(device, &memory) != 0) return 0;
    // A process that computes and draws is in both lists, with the same bytes.
    const long long compute = own_bytes(nvml.compute_processes, device), graphics = own_bytes(nvml.graphics_processes, device);
    *use = (struct es_gpu_use){memory.used, memory.total, compute > graphics ? compute : graphics};
    return 1;
}
