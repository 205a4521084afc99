// Written by scripts/build-shaders.
#include "include/CVulkan.h"

#include <stdalign.h>

static alignas(4) const unsigned char convolution_f32[] = {
#embed "spirv/convolution.f32.spv"
};
static alignas(4) const unsigned char convolution_f16[] = {
#embed "spirv/convolution.f16.spv"
};
static alignas(4) const unsigned char transposed_f32[] = {
#embed "spirv/transposed.f32.spv"
};
static alignas(4) const unsigned char transposed_f16[] = {
#embed "spirv/transposed.f16.spv"
};
static alignas(4) const unsigned char unary_f32[] = {
#embed "spirv/unary.f32.spv"
};
static alignas(4) const unsigned char unary_f16[] = {
#embed "spirv/unary.f16.spv"
};
static alignas(4) const unsigned char binary_f32[] = {
#embed "spirv/binary.f32.spv"
};
static alignas(4) const unsigned char binary_f16[] = {
#embed "spirv/binary.f16.spv"
};
static alignas(4) const unsigned char copy_f32[] = {
#embed "spirv/copy.f32.spv"
};
static alignas(4) const unsigned char copy_f16[] = {
#embed "spirv/copy.f16.spv"
};
static alignas(4) const unsigned char depth_to_space_f32[] = {
#embed "spirv/depth_to_space.f32.spv"
};
static alignas(4) const unsigned char depth_to_space_f16[] = {
#embed "spirv/depth_to_space.f16.spv"
};
static alignas(4) const unsigned char resize_f32[] = {
#embed "spirv/resize.f32.spv"
};
static alignas(4) const unsigned char resize_f16[] = {
#embed "spirv/resize.f16.spv"
};
static alignas(4) const unsigned char planes_in_f32[] = {
#embed "spirv/planes_in.f32.spv"
};
static alignas(4) const unsigned char planes_in_f16[] = {
#embed "spirv/planes_in.f16.spv"
};
static alignas(4) const unsigned char planes_out_f32[] = {
#embed "spirv/planes_out.f32.spv"
};
static alignas(4) const unsigned char planes_out_f16[] = {
#embed "spirv/planes_out.f16.spv"
};
static alignas(4) const unsigned char pixels_in_f32[] = {
#embed "spirv/pixels_in.f32.spv"
};
static alignas(4) const unsigned char pixels_in_f16[] = {
#embed "spirv/pixels_in.f16.spv"
};
static alignas(4) const unsigned char pixels_out_f32[] = {
#embed "spirv/pixels_out.f32.spv"
};
static alignas(4) const unsigned char pixels_out_f16[] = {
#embed "spirv/pixels_out.f16.spv"
};
static alignas(4) const unsigned char convolution_matrix_16x32[] = {
#embed "spirv/convolution_matrix.16x32.spv"
};
static alignas(4) const unsigned char convolution_matrix_8x8[] = {
#embed "spirv/convolution_matrix.8x8.spv"
};

static const struct cv_shader shaders[] = {
    {"convolution.f32", convolution_f32, sizeof convolution_f32},
    {"convolution.f16", convolution_f16, sizeof convolution_f16},
    {"transposed.f32", transposed_f32, sizeof transposed_f32},
    {"transposed.f16", transposed_f16, sizeof transposed_f16},
    {"unary.f32", unary_f32, sizeof unary_f32},
    {"unary.f16", unary_f16, sizeof unary_f16},
    {"binary.f32", binary_f32, sizeof binary_f32},
    {"binary.f16", binary_f16, sizeof binary_f16},
    {"copy.f32", copy_f32, sizeof copy_f32},
    {"copy.f16", copy_f16, sizeof copy_f16},
    {"depth_to_space.f32", depth_to_space_f32, sizeof depth_to_space_f32},
    {"depth_to_space.f16", depth_to_space_f16, sizeof depth_to_space_f16},
    {"resize.f32", resize_f32, sizeof resize_f32},
    {"resize.f16", resize_f16, sizeof resize_f16},
    {"planes_in.f32", planes_in_f32, sizeof planes_in_f32},
    {"planes_in.f16", planes_in_f16, sizeof planes_in_f16},
    {"planes_out.f32", planes_out_f32, sizeof planes_out_f32},
    {"planes_out.f16", planes_out_f16, sizeof planes_out_f16},
    {"pixels_in.f32", pixels_in_f32, sizeof pixels_in_f32},
    {"pixels_in.f16", pixels_in_f16, sizeof pixels_in_f16},
    {"pixels_out.f32", pixels_out_f32, sizeof pixels_out_f32},
    {"pixels_out.f16", pixels_out_f16, sizeof pixels_out_f16},
    {"convolution_matrix.16x32", convolution_matrix_16x32, sizeof convolution_matrix_16x32},
    {"convolution_matrix.8x8", convolution_matrix_8x8, sizeof convolution_matrix_8x8},
    {0},
};

const struct cv_shader *cv_shaders(void) { return shaders; }
