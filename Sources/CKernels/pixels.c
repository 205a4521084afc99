// Interleaved pixels to planes of floats and back, and the full-range YCrCb of OpenCV.
#include "elementwise.h"

/// `n` is the distance between pixels; a constant where inlined, for the common cases.
EK_INLINE void read_plane(const void *pixels, const int bits, const int n, int channel, float mean, float scale, float *plane, int width) {
    const uint8_t *narrow = (const uint8_t *)pixels + channel;
    const uint16_t *wide = (const uint16_t *)pixels + channel;
    for (int x = 0; x < width; x++) {
        const float p = bits == 8 ? (float)narrow[x * n] : (float)wide[x * n] / 257.0f;
        plane[x] = (p - mean) * scale;
    }
}

EK_CLONES void ek_pixels_to_planes(
    const void *pixels, int bits, int pixel_channels, const int *source_channel, int n, const float *mean, float scale,
    float *const *planes, int width
) {
    for (int k = 0; k < n; k++) {
        const float m = mean ? mean[k] : 0;
        const int c = source_channel[k];
        if (bits == 16) read_plane(pixels, 16, pixel_channels, c, m, scale, planes[k], width);
        else if (pixel_channels == 3) read_plane(pixels, 8, 3, c, m, scale, planes[k], width);
        else read_plane(pixels, 8, pixel_channels, c, m, scale, planes[k], width);
    }
}

EK_INLINE int write_plane(
    const float *plane, float mean, float inverse_scale, void *pixels, const int bits, const int n, int channel, int width
) {
    uint8_t *narrow = (uint8_t *)pixels + channel;
    uint16_t *wide = (uint16_t *)pixels + channel;
    const float most = bits == 8 ? 255.0f : 65535.0f, magic = 12582912.0f;
    unsigned bad = 0;
    for (int x = 0; x < width; x++) {
        union { float f; uint32_t u; } raw = {plane[x]};
        bad |= (raw.u & 0x7f800000u) == 0x7f800000u;
        float p = raw.f * inverse_scale + mean;
        if (bits == 16) p = p * 257.0f;
        p = p > 0 ? p : 0;
        p = p < most ? p : most;
        const int q = (int)((p + magic) - magic);  // half to even
        if (bits == 8) narrow[x * n] = (uint8_t)q;
        else wide[x * n] = (uint16_t)q;
    }
    return bad != 0;
}

EK_CLONES void ek_planes_to_pixels(
    const float *const *planes, int n, const float *mean, float inverse_scale, void *pixels, int bits, int pixel_channels,
    const int *target_channel, int width, int *bad
) {
    int any = 0;
    for (int k = 0; k < n; k++) {
        const float m = mean ? mean[k] : 0;
        const int c = target_channel[k];
        if (bits == 16) any |= write_plane(planes[k], m, inverse_scale, pixels, 16, pixel_channels, c, width);
        else if (pixel_channels == 3) any |= write_plane(planes[k], m, inverse_scale, pixels, 8, 3, c, width);
        else any |= write_plane(planes[k], m, inverse_scale, pixels, 8, pixel_channels, c, width);
    }
    if (any) *bad = 1;
}

EK_CLONES void ek_rgb_to_ycc(const float *r, const float *g, const float *b, float *y, float *cr, float *cb, int n) {
    for (int i = 0; i < n; i++) {
        const float red = r[i], blue = b[i], luma = 0.299f * red + 0.587f * g[i] + 0.114f * blue;
        y[i] = luma;
        cr[i] = (red - luma) * 0.713f + 128.0f;
        cb[i] = (blue - luma) * 0.564f + 128.0f;
    }
}

EK_CLONES void ek_ycc_to_rgb(const float *y, const float *cr, const float *cb, float *r, float *g, float *b, int n) {
    for (int i = 0; i < n; i++) {
        const float luma = y[i], v = cr[i] - 128.0f, u = cb[i] - 128.0f;
        r[i] = luma + 1.403f * v;
        g[i] = luma - 0.714f * v - 0.344f * u;
        b[i] = luma + 1.773f * u;
    }
}
