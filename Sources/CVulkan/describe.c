// What a physical device is and can do.
#include "functions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cv_device_count(cv_instance *self) { return (int)self->count; }

int cv_offers(cv_instance *self, VkPhysicalDevice device, const char *name) {
    uint32_t count = 0;
    if (self->EnumerateDeviceExtensionProperties(device, NULL, &count, NULL) != VK_SUCCESS) return 0;
    VkExtensionProperties *all = calloc(count + 1, sizeof *all);
    int found = 0;
    if (all && self->EnumerateDeviceExtensionProperties(device, NULL, &count, all) == VK_SUCCESS)
        for (uint32_t i = 0; i < count; i++) found |= strcmp(all[i].extensionName, name) == 0;
    free(all);
    return found;
}

/// A family that does nothing but compute runs beside a desktop; else the first that computes.
static int compute_family(cv_instance *self, VkPhysicalDevice device) {
    VkQueueFamilyProperties families[32];
    uint32_t count = 32;
    self->GetPhysicalDeviceQueueFamilyProperties(device, &count, families);
    int found = -1;
    for (uint32_t i = 0; i < count; i++) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) || families[i].queueCount == 0) continue;
        if (!(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT)) return (int)i;
        if (found < 0) found = (int)i;
    }
    return found;
}

static void add_shape(struct cv_info *info, uint32_t m, uint32_t n, uint32_t k, uint32_t workgroup) {
    const int room = sizeof info->shapes / sizeof *info->shapes;
    if (info->shape_count < room) info->shapes[info->shape_count++] = (struct cv_matrix_shape){m, n, k, workgroup};
}

static void find_shapes(cv_instance *self, VkPhysicalDevice device, struct cv_info *info) {
    uint32_t count = 64;
    if (info->has_matrices) {
        struct cv_matrix_properties found[64];
        memset(found, 0, sizeof found);
        for (int i = 0; i < 64; i++) found[i].type = (VkStructureType)CV_STRUCTURE_MATRIX_PROPERTIES;
        if (self->GetMatrixProperties(device, &count, found) < 0) count = 0;
        for (uint32_t i = 0; i < count; i++)
            if (found[i].a == CV_COMPONENT_FLOAT16 && found[i].b == CV_COMPONENT_FLOAT16 && found[i].c == CV_COMPONENT_FLOAT32
                && found[i].result == CV_COMPONENT_FLOAT32 && found[i].scope == CV_SCOPE_SUBGROUP)
                add_shape(info, found[i].m, found[i].n, found[i].k, 0);
    }
    if (info->has_workgroup_matrices) {
        struct cv_flexible_properties found[64];
        memset(found, 0, sizeof found);
        for (int i = 0; i < 64; i++) found[i].type = (VkStructureType)CV_STRUCTURE_FLEXIBLE_PROPERTIES;
        count = 64;
        if (self->GetFlexibleMatrixProperties(device, &count, found) < 0) count = 0;
        for (uint32_t i = 0; i < count; i++)
            if (found[i].a == CV_COMPONENT_FLOAT16 && found[i].b == CV_COMPONENT_FLOAT16 && found[i].c == CV_COMPONENT_FLOAT32
                && found[i].result == CV_COMPONENT_FLOAT32 && found[i].scope == CV_SCOPE_WORKGROUP)
                add_shape(info, found[i].m, found[i].n, found[i].k, found[i].invocations);
    }
}

static void find_features(cv_instance *self, VkPhysicalDevice device, struct cv_info *info) {
    struct cv_matrix2_features matrix2 = {.type = (VkStructureType)CV_STRUCTURE_MATRIX2_FEATURES};
    struct cv_matrix_features matrix = {.type = (VkStructureType)CV_STRUCTURE_MATRIX_FEATURES};
    VkPhysicalDeviceSubgroupSizeControlFeatures control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
    VkPhysicalDeviceVulkan12Features f12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
    VkPhysicalDeviceVulkan11Features f11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, .pNext = &f12};
    VkPhysicalDeviceFeatures2 f = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &f11};
    void **next = &f12.pNext;
    if (info->api_version >= VK_API_VERSION_1_3 || cv_offers(self, device, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME)) {
        *next = &control;
        next = &control.pNext;
    }
    if (self->GetMatrixProperties && cv_offers(self, device, CV_MATRIX_EXTENSION)) {
        *next = &matrix;
        next = &matrix.next;
        if (self->GetFlexibleMatrixProperties && cv_offers(self, device, CV_MATRIX2_EXTENSION)) *next = &matrix2;
    }
    self->GetPhysicalDeviceFeatures2(device, &f);
    info->has_core = f12.bufferDeviceAddress && f12.timelineSemaphore && f.features.shaderInt64;
    info->has_fp16 = f12.shaderFloat16 && f11.storageBuffer16BitAccess;
    info->has_subgroup_control = control.subgroupSizeControl && control.computeFullSubgroups;
    info->has_matrices = matrix.matrix && info->has_fp16 && f12.vulkanMemoryModel && info->has_subgroup_control;
    info->has_workgroup_matrices =
        info->has_matrices && matrix2.workgroup_scope && matrix2.flexible_dimensions && matrix2.per_element && matrix2.tensor_addressing;
}

void cv_device_describe(cv_instance *self, int index, struct cv_info *info) {
    VkPhysicalDevice device = self->devices[index];
    memset(info, 0, sizeof *info);
    VkPhysicalDeviceSubgroupSizeControlProperties sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
    VkPhysicalDeviceVulkan12Properties p12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES};
    VkPhysicalDeviceVulkan11Properties p11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES, .pNext = &p12};
    VkPhysicalDeviceProperties2 p = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    self->GetPhysicalDeviceProperties2(device, &p);
    info->api_version = p.properties.apiVersion;
    snprintf(info->name, sizeof info->name, "%s", p.properties.deviceName);
    info->type = (enum cv_type)p.properties.deviceType;
    memcpy(info->cache_uuid, p.properties.pipelineCacheUUID, 16);
    info->shared_bytes = p.properties.limits.maxComputeSharedMemorySize;
    info->compute_family = compute_family(self, device);

    VkPhysicalDeviceMemoryProperties2 memory = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2};
    self->GetPhysicalDeviceMemoryProperties2(device, &memory);
    for (uint32_t i = 0; i < memory.memoryProperties.memoryHeapCount; i++) {
        const VkMemoryHeap heap = memory.memoryProperties.memoryHeaps[i];
        if (heap.flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT && heap.size > info->local_bytes) info->local_bytes = heap.size;
    }
    if (info->api_version < VK_API_VERSION_1_2) return;
    p.pNext = &p11;
    if (info->api_version >= VK_API_VERSION_1_3 || cv_offers(self, device, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME))
        p12.pNext = &sizes;
    self->GetPhysicalDeviceProperties2(device, &p);
    snprintf(info->driver, sizeof info->driver, "%s %s", p12.driverName, p12.driverInfo);
    memcpy(info->device_uuid, p11.deviceUUID, 16);
    memcpy(info->driver_uuid, p11.driverUUID, 16);
    info->subgroup_size = p11.subgroupSize;
    info->min_subgroup_size = sizes.minSubgroupSize ? sizes.minSubgroupSize : p11.subgroupSize;
    info->max_subgroup_size = sizes.maxSubgroupSize ? sizes.maxSubgroupSize : p11.subgroupSize;
    info->largest_allocation = p11.maxMemoryAllocationSize;
    info->has_memory_budget = cv_offers(self, device, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    find_features(self, device, info);
    find_shapes(self, device, info);
}

uint64_t cv_device_free_bytes(cv_instance *self, int index) {
    VkPhysicalDevice device = self->devices[index];
    if (!cv_offers(self, device, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME)) return 0;
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 memory = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, .pNext = &budget};
    self->GetPhysicalDeviceMemoryProperties2(device, &memory);
    uint64_t largest = 0, free = 0;
    for (uint32_t i = 0; i < memory.memoryProperties.memoryHeapCount; i++) {
        const VkMemoryHeap heap = memory.memoryProperties.memoryHeaps[i];
        if (!(heap.flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) || heap.size <= largest) continue;
        largest = heap.size;
        // 0 would mean that the driver does not tell.
        free = budget.heapBudget[i] > budget.heapUsage[i] ? budget.heapBudget[i] - budget.heapUsage[i] : 1;
    }
    return free;
}
