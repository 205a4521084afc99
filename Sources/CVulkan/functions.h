// The functions of Vulkan that are used, found by name at run time.
#ifndef ENLARGER_CVULKAN_FUNCTIONS_H
#define ENLARGER_CVULKAN_FUNCTIONS_H
#define VK_NO_PROTOTYPES
#include "include/CVulkan.h"
#include "matrices.h"

#include <pthread.h>
#include <vulkan/vulkan.h>

#define CV_INSTANCE_FUNCTIONS(F)                                                                                     \
    F(DestroyInstance) F(EnumeratePhysicalDevices) F(GetPhysicalDeviceProperties2) F(GetPhysicalDeviceFeatures2)       \
    F(GetPhysicalDeviceMemoryProperties2) F(GetPhysicalDeviceQueueFamilyProperties)                                    \
    F(EnumerateDeviceExtensionProperties) F(CreateDevice) F(GetDeviceProcAddr)

#define CV_DEVICE_FUNCTIONS(F)                                                                                       \
    F(DestroyDevice) F(GetDeviceQueue) F(DeviceWaitIdle) F(CreateBuffer) F(DestroyBuffer) F(GetBufferMemoryRequirements) \
    F(AllocateMemory) F(FreeMemory) F(BindBufferMemory) F(MapMemory) F(GetBufferDeviceAddress) F(CreateShaderModule)   \
    F(DestroyShaderModule) F(CreatePipelineLayout) F(DestroyPipelineLayout) F(CreateComputePipelines)                  \
    F(DestroyPipeline) F(CreatePipelineCache) F(DestroyPipelineCache) F(GetPipelineCacheData) F(CreateCommandPool)     \
    F(DestroyCommandPool) F(AllocateCommandBuffers) F(BeginCommandBuffer) F(EndCommandBuffer) F(CmdBindPipeline)       \
    F(CmdPushConstants) F(CmdDispatch) F(CmdCopyBuffer) F(CmdFillBuffer) F(CmdPipelineBarrier) F(CreateSemaphore)      \
    F(DestroySemaphore) F(WaitSemaphores) F(QueueSubmit)

#define CV_FIELD(name) PFN_vk##name name;

struct cv_instance {
    VkInstance handle;
    PFN_vkGetInstanceProcAddr find;
    CV_INSTANCE_FUNCTIONS(CV_FIELD)
    PFN_cvGetMatrixProperties GetMatrixProperties;                        // NULL without the extension
    PFN_cvGetFlexibleMatrixProperties GetFlexibleMatrixProperties;        // likewise
    PFN_vkDestroyDebugUtilsMessengerEXT DestroyDebugUtilsMessengerEXT;
    VkDebugUtilsMessengerEXT messenger;
    uint32_t count;
    VkPhysicalDevice devices[16];
};

struct cv_device {
    cv_instance *instance;
    VkPhysicalDevice physical;
    VkDevice handle;
    VkQueue queue;
    uint32_t family;
    int has_subgroup_control;
    pthread_mutex_t mutex;  ///< of the queue
    VkPhysicalDeviceMemoryProperties memory;
    VkPipelineLayout layout;
    VkPipelineCache cache;
    CV_DEVICE_FUNCTIONS(CV_FIELD)
};

/// Whether the device offers an extension.
int cv_offers(cv_instance *, VkPhysicalDevice, const char *name);

#endif
