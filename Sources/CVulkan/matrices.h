// VK_KHR_cooperative_matrix and VK_NV_cooperative_matrix2, which headers of before 2024 do not have. Values and layouts are
// those of the Vulkan registry.
#ifndef ENLARGER_CVULKAN_MATRICES_H
#define ENLARGER_CVULKAN_MATRICES_H
#include <vulkan/vulkan.h>

#define CV_MATRIX_EXTENSION "VK_KHR_cooperative_matrix"
#define CV_MATRIX2_EXTENSION "VK_NV_cooperative_matrix2"

enum {
    CV_STRUCTURE_MATRIX_FEATURES = 1000506000,
    CV_STRUCTURE_MATRIX_PROPERTIES = 1000506001,
    CV_STRUCTURE_MATRIX2_FEATURES = 1000593000,
    CV_STRUCTURE_FLEXIBLE_PROPERTIES = 1000593001,
};
enum { CV_COMPONENT_FLOAT16 = 0, CV_COMPONENT_FLOAT32 = 1 };
enum { CV_SCOPE_WORKGROUP = 2, CV_SCOPE_SUBGROUP = 3 };

/// VkPhysicalDeviceCooperativeMatrixFeaturesKHR
struct cv_matrix_features {
    VkStructureType type;
    void *next;
    VkBool32 matrix, robust_access;
};

/// VkCooperativeMatrixPropertiesKHR
struct cv_matrix_properties {
    VkStructureType type;
    void *next;
    uint32_t m, n, k;
    int32_t a, b, c, result;
    VkBool32 saturates;
    int32_t scope;
};

/// VkPhysicalDeviceCooperativeMatrix2FeaturesNV
struct cv_matrix2_features {
    VkStructureType type;
    void *next;
    VkBool32 workgroup_scope, flexible_dimensions, reductions, conversions, per_element, tensor_addressing, block_loads;
};

/// VkCooperativeMatrixFlexibleDimensionsPropertiesNV
struct cv_flexible_properties {
    VkStructureType type;
    void *next;
    uint32_t m, n, k;
    int32_t a, b, c, result;
    VkBool32 saturates;
    int32_t scope;
    uint32_t invocations;
};

typedef VkResult(VKAPI_PTR *PFN_cvGetMatrixProperties)(VkPhysicalDevice, uint32_t *, struct cv_matrix_properties *);
typedef VkResult(VKAPI_PTR *PFN_cvGetFlexibleMatrixProperties)(VkPhysicalDevice, uint32_t *, struct cv_flexible_properties *);

#endif
