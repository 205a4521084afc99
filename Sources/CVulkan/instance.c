// The loader, the instance, and the messages of the validation layer.
#include "functions.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int messages;

int cv_validation_messages(void) { return messages; }

static VKAPI_ATTR VkBool32 VKAPI_CALL report(
    VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT type,
    const VkDebugUtilsMessengerCallbackDataEXT *data, void *user
) {
    (void)severity, (void)type, (void)user;
    messages++;
    fprintf(stderr, "vulkan validation: %s\n", data->pMessage);
    return VK_FALSE;
}

static const char layer[] = "VK_LAYER_KHRONOS_validation";

static int has_layer(PFN_vkGetInstanceProcAddr find) {
    PFN_vkEnumerateInstanceLayerProperties list =
        (PFN_vkEnumerateInstanceLayerProperties)find(NULL, "vkEnumerateInstanceLayerProperties");
    uint32_t count = 0;
    if (!list || list(&count, NULL) != VK_SUCCESS) return 0;
    VkLayerProperties *all = calloc(count + 1, sizeof *all);
    int found = 0;
    if (all && list(&count, all) == VK_SUCCESS)
        for (uint32_t i = 0; i < count; i++) found |= strcmp(all[i].layerName, layer) == 0;
    free(all);
    return found;
}

static int load(cv_instance *self) {
#define CV_LOAD(name)                                                                  \
    self->name = (PFN_vk##name)self->find(self->handle, "vk" #name);                   \
    if (!self->name) return 0;
    CV_INSTANCE_FUNCTIONS(CV_LOAD)
#undef CV_LOAD
    self->GetMatrixProperties =
        (PFN_cvGetMatrixProperties)self->find(self->handle, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    self->GetFlexibleMatrixProperties = (PFN_cvGetFlexibleMatrixProperties)self->find(
        self->handle, "vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV");
    return 1;
}

static int create(cv_instance *self, int validates) {
    PFN_vkCreateInstance make = (PFN_vkCreateInstance)self->find(NULL, "vkCreateInstance");
    PFN_vkEnumerateInstanceVersion version = (PFN_vkEnumerateInstanceVersion)self->find(NULL, "vkEnumerateInstanceVersion");
    uint32_t offered = 0;
    // Loaders of before Vulkan 1.1 have no such function.
    if (!make || !version || version(&offered) != VK_SUCCESS || offered < VK_API_VERSION_1_2) return CV_NO_LOADER;
    validates = validates && has_layer(self->find);
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .pApplicationName = "enlarge", .pEngineName = "Enlarger",
        .apiVersion = offered < VK_API_VERSION_1_3 ? VK_API_VERSION_1_2 : VK_API_VERSION_1_3};
    const VkDebugUtilsMessengerCreateInfoEXT messenger = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
        .pfnUserCallback = report};
    const char *layers[] = {layer}, *extensions[] = {VK_EXT_DEBUG_UTILS_EXTENSION_NAME};
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pNext = validates ? &messenger : NULL, .pApplicationInfo = &application,
        .enabledLayerCount = validates ? 1 : 0, .ppEnabledLayerNames = layers, .enabledExtensionCount = validates ? 1 : 0,
        .ppEnabledExtensionNames = extensions};
    VkResult result = make(&info, NULL, &self->handle);
    if (result != VK_SUCCESS) return result;
    if (!load(self)) return CV_NO_LOADER;
    if (validates) {
        PFN_vkCreateDebugUtilsMessengerEXT attach =
            (PFN_vkCreateDebugUtilsMessengerEXT)self->find(self->handle, "vkCreateDebugUtilsMessengerEXT");
        self->DestroyDebugUtilsMessengerEXT =
            (PFN_vkDestroyDebugUtilsMessengerEXT)self->find(self->handle, "vkDestroyDebugUtilsMessengerEXT");
        if (attach) attach(self->handle, &messenger, NULL, &self->messenger);
    }
    self->count = sizeof self->devices / sizeof *self->devices;
    result = self->EnumeratePhysicalDevices(self->handle, &self->count, self->devices);
    return result == VK_INCOMPLETE ? VK_SUCCESS : result;
}

int cv_instance_create(int validates, cv_instance **out) {
    *out = NULL;
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return CV_NO_LOADER;
    cv_instance *self = calloc(1, sizeof *self);
    if (!self) return CV_OUT_OF_HOST_MEMORY;
    *(void **)&self->find = dlsym(library, "vkGetInstanceProcAddr");
    const int result = self->find ? create(self, validates) : CV_NO_LOADER;
    if (result == VK_SUCCESS) *out = self;
    else cv_instance_destroy(self);
    return result;
}

void cv_instance_destroy(cv_instance *self) {
    if (self->messenger && self->DestroyDebugUtilsMessengerEXT)
        self->DestroyDebugUtilsMessengerEXT(self->handle, self->messenger, NULL);
    if (self->handle && self->DestroyInstance) self->DestroyInstance(self->handle, NULL);
    free(self);  // the library stays open: drivers do not like to be unloaded
}

int cv_instance_validates(const cv_instance *self) { return self->messenger != VK_NULL_HANDLE; }
