// A logical device with one queue, its memory and its pipelines.
#include "functions.h"

#include <stdlib.h>
#include <string.h>

static int load(cv_device *self) {
#define CV_LOAD(name)                                                                                \
    self->name = (PFN_vk##name)self->instance->GetDeviceProcAddr(self->handle, "vk" #name);          \
    if (!self->name) return 0;
    CV_DEVICE_FUNCTIONS(CV_LOAD)
#undef CV_LOAD
    return 1;
}

static int create(cv_device *self, const struct cv_info *info) {
    const char *extensions[8];
    uint32_t count = 0;
    struct cv_matrix2_features matrix2 = {
        .type = (VkStructureType)CV_STRUCTURE_MATRIX2_FEATURES, .workgroup_scope = 1, .flexible_dimensions = 1, .per_element = 1,
        .tensor_addressing = 1};
    struct cv_matrix_features matrix = {.type = (VkStructureType)CV_STRUCTURE_MATRIX_FEATURES, .matrix = 1};
    VkPhysicalDeviceSubgroupSizeControlFeatures control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES, .subgroupSizeControl = 1,
        .computeFullSubgroups = 1};
    VkPhysicalDeviceVulkan12Features f12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .bufferDeviceAddress = 1, .timelineSemaphore = 1,
        .shaderFloat16 = info->has_fp16 != 0, .vulkanMemoryModel = info->has_matrices != 0};
    VkPhysicalDeviceVulkan11Features f11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, .pNext = &f12,
        .storageBuffer16BitAccess = info->has_fp16 != 0};
    VkPhysicalDeviceFeatures2 f = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &f11, .features = {.shaderInt64 = 1}};
    void **next = &f12.pNext;
    if (info->has_subgroup_control) {
        if (info->api_version < VK_API_VERSION_1_3) extensions[count++] = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;
        *next = &control;
        next = &control.pNext;
    }
    if (info->has_matrices) {
        extensions[count++] = CV_MATRIX_EXTENSION;
        *next = &matrix;
        next = &matrix.next;
    }
    if (info->has_workgroup_matrices) {
        extensions[count++] = CV_MATRIX2_EXTENSION;
        *next = &matrix2;
    }
    if (info->has_memory_budget) extensions[count++] = VK_EXT_MEMORY_BUDGET_EXTENSION_NAME;
    const float priority = 1;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueFamilyIndex = self->family, .queueCount = 1,
        .pQueuePriorities = &priority};
    const VkDeviceCreateInfo device = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .pNext = &f, .queueCreateInfoCount = 1, .pQueueCreateInfos = &queue,
        .enabledExtensionCount = count, .ppEnabledExtensionNames = extensions};
    return self->instance->CreateDevice(self->physical, &device, NULL, &self->handle);
}

static int create_shared(cv_device *self, const void *cache, size_t cache_bytes) {
    const VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0, CV_PUSH_BYTES};
    const VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .pushConstantRangeCount = 1, .pPushConstantRanges = &range};
    int result = self->CreatePipelineLayout(self->handle, &layout, NULL, &self->layout);
    if (result != VK_SUCCESS) return result;
    VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO, .initialDataSize = cache_bytes, .pInitialData = cache};
    result = self->CreatePipelineCache(self->handle, &info, NULL, &self->cache);
    if (result == VK_SUCCESS || cache_bytes == 0) return result;
    info.initialDataSize = 0;  // a driver may refuse what another one wrote
    return self->CreatePipelineCache(self->handle, &info, NULL, &self->cache);
}

int cv_device_create(
    cv_instance *instance, int index, const struct cv_info *info, const void *cache, size_t cache_bytes, cv_device **out
) {
    *out = NULL;
    cv_device *self = calloc(1, sizeof *self);
    if (!self) return CV_OUT_OF_HOST_MEMORY;
    self->instance = instance;
    self->physical = instance->devices[index];
    self->family = (uint32_t)info->compute_family;
    self->has_subgroup_control = info->has_subgroup_control;
    pthread_mutex_init(&self->mutex, NULL);
    int result = create(self, info);
    if (result == VK_SUCCESS && !load(self)) result = VK_ERROR_INITIALIZATION_FAILED;
    if (result == VK_SUCCESS) {
        VkPhysicalDeviceMemoryProperties2 memory = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
        instance->GetPhysicalDeviceMemoryProperties2(self->physical, &memory);
        self->memory = memory.memoryProperties;
        self->GetDeviceQueue(self->handle, self->family, 0, &self->queue);
        result = create_shared(self, cache, cache_bytes);
    }
    if (result == VK_SUCCESS) *out = self;
    else cv_device_destroy(self);
    return result;
}

void cv_device_destroy(cv_device *self) {
    if (self->cache) self->DestroyPipelineCache(self->handle, self->cache, NULL);
    if (self->layout) self->DestroyPipelineLayout(self->handle, self->layout, NULL);
    if (self->handle && self->DestroyDevice) self->DestroyDevice(self->handle, NULL);
    pthread_mutex_destroy(&self->mutex);
    free(self);
}

size_t cv_cache_read(cv_device *self, void *data, size_t room) {
    size_t size = 0;
    if (self->GetPipelineCacheData(self->handle, self->cache, &size, NULL) != VK_SUCCESS) return 0;
    if (!data || room < size) return size;
    return self->GetPipelineCacheData(self->handle, self->cache, &size, data) == VK_SUCCESS ? size : 0;
}

// Memory

static int make_buffer(cv_device *self, uint64_t bytes, VkBuffer *buffer, VkMemoryRequirements *needs) {
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = bytes, .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT
            | VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    const VkResult result = self->CreateBuffer(self->handle, &info, NULL, buffer);
    if (result == VK_SUCCESS) self->GetBufferMemoryRequirements(self->handle, *buffer, needs);
    return result;
}

int cv_memory_required(cv_device *self, uint64_t bytes, uint64_t *required) {
    VkBuffer buffer;
    VkMemoryRequirements needs;
    const int result = make_buffer(self, bytes, &buffer, &needs);
    if (result != VK_SUCCESS) return result;
    self->DestroyBuffer(self->handle, buffer, NULL);
    *required = needs.size > needs.alignment ? needs.size : needs.alignment;
    return VK_SUCCESS;
}

/// The first type that has all of `wanted` and none of `unwanted`; -1: none.
static int find_type(cv_device *self, uint32_t allowed, VkMemoryPropertyFlags wanted, VkMemoryPropertyFlags unwanted) {
    for (uint32_t i = 0; i < self->memory.memoryTypeCount; i++) {
        const VkMemoryPropertyFlags flags = self->memory.memoryTypes[i].propertyFlags;
        if (allowed >> i & 1 && (flags & wanted) == wanted && !(flags & unwanted)) return (int)i;
    }
    return -1;
}

static int choose_type(cv_device *self, uint32_t allowed, int is_host) {
    const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, host = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
    const VkMemoryPropertyFlags coherent = VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    // Protected and lazily allocated memory, and types that extensions must be on for, are not for plain buffers.
    const VkMemoryPropertyFlags never = ~(local | host | coherent | cached);
    int type = is_host ? find_type(self, allowed, host | coherent | cached, never) : find_type(self, allowed, local, host | never);
    if (type < 0) type = is_host ? find_type(self, allowed, host | coherent, never) : find_type(self, allowed, local, never);
    if (type < 0 && !is_host) type = find_type(self, allowed, 0, never);
    return type;
}

int cv_memory_allocate(cv_device *self, uint64_t bytes, int is_host, struct cv_memory *out) {
    memset(out, 0, sizeof *out);
    VkBuffer buffer;
    VkMemoryRequirements needs;
    int result = make_buffer(self, bytes, &buffer, &needs);
    if (result != VK_SUCCESS) return result;
    out->buffer = (uint64_t)buffer;
    const int type = choose_type(self, needs.memoryTypeBits, is_host);
    const VkMemoryAllocateFlagsInfo flags = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO, .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .pNext = &flags, .allocationSize = needs.size,
        .memoryTypeIndex = (uint32_t)type};
    VkDeviceMemory memory = VK_NULL_HANDLE;
    result = type < 0 ? VK_ERROR_FEATURE_NOT_PRESENT : self->AllocateMemory(self->handle, &info, NULL, &memory);
    out->memory = (uint64_t)memory;
    out->bytes = needs.size;
    if (result == VK_SUCCESS) result = self->BindBufferMemory(self->handle, buffer, memory, 0);
    if (result == VK_SUCCESS && is_host) result = self->MapMemory(self->handle, memory, 0, VK_WHOLE_SIZE, 0, &out->host);
    if (result != VK_SUCCESS) {
        cv_memory_free(self, out);
        return result;
    }
    const VkBufferDeviceAddressInfo address = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO, .buffer = buffer};
    out->address = self->GetBufferDeviceAddress(self->handle, &address);
    return VK_SUCCESS;
}

void cv_memory_free(cv_device *self, struct cv_memory *memory) {
    if (memory->buffer) self->DestroyBuffer(self->handle, (VkBuffer)memory->buffer, NULL);
    if (memory->memory) self->FreeMemory(self->handle, (VkDeviceMemory)memory->memory, NULL);
    memset(memory, 0, sizeof *memory);
}

// Pipelines

int cv_pipeline_create(
    cv_device *self, const void *spirv, size_t bytes, const uint32_t *constants, int count, uint32_t subgroup, uint64_t *out
) {
    const VkShaderModuleCreateInfo code = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = bytes, .pCode = spirv};
    VkShaderModule module;
    VkResult result = self->CreateShaderModule(self->handle, &code, NULL, &module);
    if (result != VK_SUCCESS) return result;
    VkSpecializationMapEntry entries[32];
    for (int i = 0; i < count && i < 32; i++) entries[i] = (VkSpecializationMapEntry){(uint32_t)i, (uint32_t)i * 4, 4};
    const VkSpecializationInfo special = {
        .mapEntryCount = (uint32_t)count, .pMapEntries = entries, .dataSize = (size_t)count * 4, .pData = constants};
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo size = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO, .requiredSubgroupSize = subgroup};
    const int is_sized = subgroup != 0 && self->has_subgroup_control;
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO, .layout = self->layout,
        .stage = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .pNext = is_sized ? &size : NULL,
            .flags = is_sized ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT : 0,
            .stage = VK_SHADER_STAGE_COMPUTE_BIT, .module = module, .pName = "main", .pSpecializationInfo = &special}};
    VkPipeline pipeline = VK_NULL_HANDLE;
    result = self->CreateComputePipelines(self->handle, self->cache, 1, &info, NULL, &pipeline);
    self->DestroyShaderModule(self->handle, module, NULL);
    *out = (uint64_t)pipeline;
    return result;
}

void cv_pipeline_destroy(cv_device *self, uint64_t pipeline) {
    self->DestroyPipeline(self->handle, (VkPipeline)pipeline, NULL);
}
