// What Enlarger uses of Vulkan 1.2 for computing. The loader is opened at run time, never linked; without one there are
// no devices. All functions that return int return a VkResult: 0 is success.
#ifndef ENLARGER_CVULKAN_H
#define ENLARGER_CVULKAN_H
#include <stddef.h>
#include <stdint.h>

typedef struct cv_instance cv_instance;
typedef struct cv_device cv_device;

/// VkResult values that callers tell apart.
enum {
    CV_OUT_OF_HOST_MEMORY = -1,
    CV_OUT_OF_DEVICE_MEMORY = -2,
    CV_DEVICE_LOST = -4,
    CV_NO_LOADER = -1000001,  ///< not a VkResult: libvulkan.so.1 is absent or too old
};

/// A product D = A·B + C that the device multiplies as a whole, A of m x k elements: fp16 operands, fp32 sums.
struct cv_matrix_shape {
    uint32_t m, n, k;
    /// Of VK_NV_cooperative_matrix2, by a whole workgroup of so many invocations, m, n and k then being what their
    /// extents must be multiples of; 0: VK_KHR_cooperative_matrix, by a subgroup.
    uint32_t workgroup;
};

enum cv_type { CV_OTHER = 0, CV_INTEGRATED = 1, CV_DISCRETE = 2, CV_VIRTUAL = 3, CV_SOFTWARE = 4 };

struct cv_info {
    char name[256];
    char driver[512];  ///< its name and version, as the driver says
    uint32_t api_version;
    enum cv_type type;
    uint8_t device_uuid[16], driver_uuid[16], cache_uuid[16];
    int compute_family;        ///< queue family; -1: none computes
    int has_core;              ///< Vulkan 1.2 with buffer addresses, timeline semaphores and 64-bit integers in shaders
    int has_fp16;              ///< 16-bit floats in shaders and in buffers
    int has_memory_budget;     ///< the driver tells what is free
    int has_subgroup_control;  ///< a shader may ask for its subgroup size
    int has_matrices;          ///< VK_KHR_cooperative_matrix
    int has_workgroup_matrices;  ///< VK_NV_cooperative_matrix2
    uint32_t subgroup_size, min_subgroup_size, max_subgroup_size;
    uint32_t shared_bytes;       ///< of a workgroup
    uint64_t local_bytes;        ///< the largest heap that is the device's own
    uint64_t largest_allocation;
    int shape_count;
    struct cv_matrix_shape shapes[24];
};

/// Opens the loader and makes an instance. `validates`: with the Khronos validation layer, where it is installed.
int cv_instance_create(int validates, cv_instance **);
void cv_instance_destroy(cv_instance *);
/// Whether the validation layer is on.
int cv_instance_validates(const cv_instance *);
/// Warnings and errors of the validation layer since the process began; each is also written to standard error.
int cv_validation_messages(void);

int cv_device_count(cv_instance *);
void cv_device_describe(cv_instance *, int index, struct cv_info *);
/// Bytes of the device's own memory that the driver would still give this process; 0 where it does not tell.
uint64_t cv_device_free_bytes(cv_instance *, int index);

/// - info: from `cv_device_describe`; what it says is absent is not turned on.
/// - cache: of a pipeline cache, as `cv_cache_read` gave it; may be NULL.
int cv_device_create(cv_instance *, int index, const struct cv_info *, const void *cache, size_t cache_bytes, cv_device **);
void cv_device_destroy(cv_device *);
/// Size of the pipeline cache; copies it where `data` has room.
size_t cv_cache_read(cv_device *, void *data, size_t room);

/// One buffer in an allocation of its own.
struct cv_memory {
    uint64_t buffer, memory;  ///< handles
    uint64_t address;         ///< for shaders
    uint64_t bytes;           ///< that the allocation took
    void *host;               ///< where the host sees it; NULL: it does not
};
/// What an allocation for a buffer of `bytes` would take, and no more is allocated for it.
int cv_memory_required(cv_device *, uint64_t bytes, uint64_t *required);
/// - is_host: memory that both sides see, coherent, cached by the host where that exists; else the device's own.
int cv_memory_allocate(cv_device *, uint64_t bytes, int is_host, struct cv_memory *);
void cv_memory_free(cv_device *, struct cv_memory *);

/// A compute pipeline. Constant i of `constants` specialises constant_id i.
/// - subgroup: the size that the shader is written for, whole subgroups; 0: any.
int cv_pipeline_create(
    cv_device *, const void *spirv, size_t bytes, const uint32_t *constants, int count, uint32_t subgroup, uint64_t *pipeline);
void cv_pipeline_destroy(cv_device *, uint64_t pipeline);

/// SPIR-V of a kernel: "convolution.f32" for maps of float32, "convolution.f16" for maps of float16.
struct cv_shader {
    const char *name;
    const void *code;
    size_t bytes;
};
/// All of them; the last one has no name.
const struct cv_shader *cv_shaders(void);

enum { CV_PUSH_BYTES = 128 };

/// Command buffers of one run, and a timeline that says how far it is.
typedef struct cv_commands cv_commands;
int cv_commands_create(cv_device *, int buffers, cv_commands **);
/// - Precondition: nothing submitted is unfinished, or the device is lost.
void cv_commands_destroy(cv_commands *);
/// - is_repeated: it may be submitted again before it has finished.
int cv_begin(cv_commands *, int buffer, int is_repeated);
int cv_end(cv_commands *, int buffer);
void cv_dispatch(cv_commands *, int buffer, uint64_t pipeline, const void *push, uint32_t push_bytes, uint32_t x, uint32_t y, uint32_t z);
void cv_copy(cv_commands *, int buffer, uint64_t from, uint64_t from_offset, uint64_t to, uint64_t to_offset, uint64_t bytes);
void cv_fill(cv_commands *, int buffer, uint64_t target, uint64_t offset, uint64_t bytes, uint32_t value);
/// What follows sees what was written before: by shaders, copies and fills.
void cv_barrier(cv_commands *, int buffer);
/// The host sees what was written before, once the submission has finished.
void cv_barrier_to_host(cv_commands *, int buffer);
/// Submits `count` buffers from `first` on, in order after all that this device was given before; the timeline becomes
/// `value` when they have finished. Any thread may call it.
int cv_submit(cv_commands *, int first, int count, uint64_t value);
/// Returns when the timeline has reached `value`.
int cv_wait(cv_commands *, uint64_t value);

#endif
