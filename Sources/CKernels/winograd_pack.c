// Stored weights of a Winograd convolution: element[ceil(Cout/32)][Cin16][9][32].
#include "winograd.h"
#include <string.h>

static size_t size_of(enum ek_element element) { return element == EK_F32 ? 4 : element == EK_U8 ? 1 : 2; }

size_t ek_winograd_packed_bytes(int cin, int cout, enum ek_element element) {
    return (size_t)ek_round_up(cout, EK_PANEL) * (size_t)ek_round_up(cin, 16) * 9 * size_of(element);
}

void ek_winograd_pack(const void *src, enum ek_element element, int32_t zero, int cin, int cout, void *dst) {
    const size_t size = size_of(element), padded = (size_t)ek_round_up(cin, 16);
    const int nothing = element != EK_U8 || zero > 0 ? 0 : zero < -255 ? 255 : -zero;
    memset(dst, nothing, ek_winograd_packed_bytes(cin, cout, element));
    for (size_t tap = 0; tap < 9; tap++)
        for (size_t k = 0; k < (size_t)cin; k++)
            for (size_t c = 0; c < (size_t)cout; c += EK_PANEL) {
                const size_t n = (size_t)cout - c < EK_PANEL ? (size_t)cout - c : EK_PANEL;
                const size_t from = (tap * (size_t)cin + k) * (size_t)cout + c;
                const size_t to = ((c / EK_PANEL * padded + k) * 9 + tap) * EK_PANEL;
                memcpy((char *)dst + to * size, (const char *)src + from * size, n * size);
            }
}
