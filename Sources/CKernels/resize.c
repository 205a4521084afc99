// Resizing by a whole factor, or by a fraction: down the columns into a short buffer, then along the row.
#include "elementwise.h"

enum { TAPS = 4, CHUNK = 60 };

/// Weights of four neighbours of an output position; neighbour 1 is `base`. They depend on the position modulo s alone.
struct taps {
    int base;
    float weight[TAPS];
};

/// Keys' cubic convolution (IEEE Trans. ASSP 29, 1981) at a distance, with its parameter.
static double keys(double a, double d) {
    const double x = d < 0 ? -d : d;
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static int floor_divided(int x, int s) { return x >= 0 ? x / s : -((-x + s - 1) / s); }

static struct taps taps_at(const ek_resize *p, int position) {
    const int s = p->s, method = p->method;
    struct taps t = {floor_divided(position, s), {0, 1, 0, 0}};
    if (method == 0) return t;
    // The source position is place / parts.
    const int64_t place = method == 4 ? position : (2 * (int64_t)position + 1) * p->divisor - s;
    const int parts = method == 4 ? s : 2 * s;
    t.base = (int)(place >= 0 ? place / parts : -((-place + parts - 1) / parts));
    const double f = (double)(place - (int64_t)t.base * parts) / parts;
    for (int i = 0; i < TAPS; i++) {
        const double d = f - (i - 1), tent = 1 - (d < 0 ? -d : d);
        t.weight[i] = (float)(method == 2 ? keys(-0.5, d) : method == 3 ? keys(-0.75, d) : tent > 0 ? tent : 0);
    }
    return t;
}

/// Weighs four rows, columns lo ..< lo + n of the picture with the edge columns repeated, `lanes` channels of a column.
EK_INLINE void weigh_rows(const ek_resize *p, const int lanes, int channel, struct taps y, int lo, int n, float *sums) {
    const int step = column_step(&p->in), shift = p->in_pad - p->in_x0;
    const int first = lo < 0 ? -lo : 0, last = lo + n > p->width ? p->width - lo : n;
    const float *in[TAPS];
    for (int i = 0; i < TAPS; i++) {
        // A neighbour without weight need not exist.
        const int row = y.weight[i] != 0 ? y.base - 1 + i : y.base + (y.weight[1] == 0);
        in[i] = at(&p->in, row - p->in_row0, channel, lo + shift);
    }
    for (int x = first; x < last; x++)
        for (int l = 0; l < lanes; l++) {
            const int k = x * step + l;
            sums[x * lanes + l] = y.weight[0] * in[0][k] + y.weight[1] * in[1][k] + y.weight[2] * in[2][k] + y.weight[3] * in[3][k];
        }
    for (int l = 0; l < lanes; l++) {
        for (int x = 0; x < first; x++) sums[x * lanes + l] = sums[first * lanes + l];
        for (int x = last; x < n; x++) sums[x * lanes + l] = sums[(last - 1) * lanes + l];
    }
}

EK_INLINE void resize_row(const ek_resize *p, const int lanes, int channel, int row) {
    const struct taps y = taps_at(p, p->out_row0 + row);
    // s columns of the result stand over `divisor` columns of the input.
    const int step = column_step(&p->out), chunk = CHUNK / p->divisor * p->s;
    float sums[(CHUNK + 2 * TAPS) * 16];
    for (int x0 = p->x0; x0 < p->x1; x0 += chunk) {
        const int x1 = x0 + chunk < p->x1 ? x0 + chunk : p->x1;
        const int lo = taps_at(p, x0).base - 1, hi = taps_at(p, x1 - 1).base + TAPS - 1;
        weigh_rows(p, lanes, channel, y, lo, hi - lo, sums);
        for (int phase = 0; phase < p->s && x0 + phase < x1; phase++) {
            const struct taps t = taps_at(p, x0 + phase);
            const float *in = sums + (t.base - 1 - lo) * lanes;
            float *out = at(&p->out, row, channel, x0 + phase - p->out_x0 + p->out_pad);
            for (int x = x0 + phase; x < x1; x += p->s, in += p->divisor * lanes, out += p->s * step)
                for (int l = 0; l < lanes; l++)
                    out[l] = t.weight[0] * in[l] + t.weight[1] * in[lanes + l] + t.weight[2] * in[2 * lanes + l]
                        + t.weight[3] * in[3 * lanes + l];
        }
    }
}

/// Bilinear: along two rows, then between them, each time fma(f, b - a, a). So does Intel's IPP, which OpenCV resizes with
/// on x86: halves of a level round the same way there and here.
EK_INLINE void lerp_row(const ek_resize *p, const int lanes, int channel, int row) {
    const struct taps y = taps_at(p, p->out_row0 + row);
    const int step = column_step(&p->out), in_step = column_step(&p->in), shift = p->in_pad - p->in_x0, last = p->width - 1;
    // A neighbour without weight need not exist.
    const int below = y.weight[2] != 0 ? y.base + 1 : y.base, above = y.weight[1] != 0 ? y.base : below;
    const float *top = at(&p->in, above - p->in_row0, channel, shift), *bottom = at(&p->in, below - p->in_row0, channel, shift);
    const float down = y.weight[2];
    for (int phase = 0; phase < p->s && p->x0 + phase < p->x1; phase++) {
        const struct taps t = taps_at(p, p->x0 + phase);
        const float right = t.weight[2];
        float *out = at(&p->out, row, channel, p->x0 + phase - p->out_x0 + p->out_pad);
        for (int x = p->x0 + phase, base = t.base; x < p->x1; x += p->s, base += p->divisor, out += p->s * step) {
            const int a = (base < 0 ? 0 : base > last ? last : base) * in_step, b = (base + 1 > last ? last : base + 1) * in_step;
            for (int l = 0; l < lanes; l++) {
                const float u = __builtin_fmaf(right, top[b + l] - top[a + l], top[a + l]);
                const float v = __builtin_fmaf(right, bottom[b + l] - bottom[a + l], bottom[a + l]);
                out[l] = __builtin_fmaf(down, v - u, u);
            }
        }
    }
}

EK_CLONES void ek_resize_run(const ek_resize *p, int row0, int row1) {
    const int blocked = !p->in.planar && !p->out.planar;
    for (int row = row0; row < row1; row++) {
        if (!p->out.rows[row]) continue;
        for (int c = 0; c < p->out.channels; c += blocked ? 16 : 1) {
            if (p->method == 1 && blocked) lerp_row(p, 16, c, row);
            else if (p->method == 1) lerp_row(p, 1, c, row);
            else if (blocked) resize_row(p, 16, c, row);
            else resize_row(p, 1, c, row);
        }
        if (!blocked) zero_padding(&p->out, row, p->x0 - p->out_x0 + p->out_pad, p->x1 - p->out_x0 + p->out_pad);
    }
}
