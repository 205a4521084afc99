// How a Winograd convolution is divided into stages and tasks.
//
// Many panels of 32 output channels: all threads transform the input of up to `superblock` tiles into shared memory (one
// stage), then each takes panels, transforms the panel's filters privately and runs them over those tiles (next stage).
// Few panels: a task takes columns of the tile grid, transforms all filters for itself and works through its tiles alone.
#include "winograd.h"
#include <string.h>

enum { WIDE_PANELS = 4, SUPERBLOCK = 520, SUPERBLOCK_CHANNELS = 256 };

struct plan {
    int cin, panels, threads, tiles;
    size_t element;       ///< bytes of a transformed value
    int wide;
    int superblocks;      ///< wide: pairs of stages
    int splits;           ///< wide: tasks of a panel, when threads outnumber panels
};

static int smaller(int a, int b) { return a < b ? a : b; }
static int pieces(int n, int most) { return (n + most - 1) / most; }
/// Where piece i of n begins when `total` is cut into near-equal pieces.
static int cut(int total, int i, int n) { return (int)((int64_t)total * i / n); }

/// Most tiles whose transformed input is held at once: bounded in bytes as well as in number.
static int superblock(int cin) {
    const int fit = SUPERBLOCK * SUPERBLOCK_CHANNELS / ek_round_up(cin, 16);
    return fit < EK_TILES ? EK_TILES : smaller(fit, SUPERBLOCK);
}

static struct plan make_plan(int cin, int cout, int tiles, int threads, int bf16) {
    struct plan s = {.cin = cin, .threads = threads, .tiles = tiles, .element = bf16 ? 2 : 4};
    s.panels = pieces(cout, EK_PANEL);
    s.wide = s.panels >= WIDE_PANELS;
    s.superblocks = tiles ? pieces(tiles, superblock(cin)) : 0;
    s.splits = pieces(threads, s.panels);
    return s;
}

static struct plan plan_of(const ek_winograd *p, int threads) {
    return make_plan(p->in.channels, p->out.channels, p->tiles_y * p->tiles_x, threads, p->bf16);
}

/// Blocks of a superblock of `tiles`; a multiple of the threads where that costs little.
static int blocks_of(const struct plan *s, int tiles) {
    const int n = pieces(tiles, EK_TILES);
    return tiles >= 8 * s->threads ? ek_round_up(n, s->threads) : n;
}

static size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }
static size_t input_bytes(const struct plan *s, int tiles, int blocks) {
    const size_t values = (size_t)ek_round_up(s->cin, 16) * (size_t)tiles;
    return aligned(EK_PLANES * (values * s->element + (size_t)blocks * 64));
}
static size_t panel_bytes(const struct plan *s) { return aligned(EK_PLANES * ek_filter_stride(s->cin, s->element) * s->element); }
static size_t product_bytes(int tiles) { return aligned(EK_PLANES * ek_product_stride(tiles) * sizeof(float)); }

/// Scratch is the shared input, then for each thread: filters, products, and (few panels) input.
static size_t shared_bytes(const struct plan *s) {
    if (!s->wide) return 0;
    const int tiles = smaller(s->tiles, superblock(s->cin));
    return input_bytes(s, tiles, pieces(tiles, EK_TILES) + s->threads - 1);
}
static size_t filter_bytes(const struct plan *s) { return panel_bytes(s) * (size_t)(s->wide ? 1 : s->panels); }
static size_t thread_bytes(const struct plan *s) {
    const int tiles = smaller(s->tiles, EK_TILES);
    return filter_bytes(s) + product_bytes(tiles) + (s->wide ? 0 : input_bytes(s, tiles, 1));
}

size_t ek_winograd_scratch_bytes(int cin, int cout, int tiles, int threads, int bf16) {
    const struct plan s = make_plan(cin, cout, tiles, threads, bf16);
    return shared_bytes(&s) + thread_bytes(&s) * (size_t)threads;
}

int ek_winograd_filter_passes(int cin, int cout, int tiles) {
    const struct plan s = make_plan(cin, cout, tiles, 1, 0);
    return s.wide ? s.superblocks : 1;
}

int ek_winograd_stages(const ek_winograd *p, int threads) {
    const struct plan s = plan_of(p, threads);
    return s.wide ? 2 * s.superblocks : s.tiles > 0;
}

int ek_winograd_tasks(const ek_winograd *p, int threads, int stage) {
    const struct plan s = plan_of(p, threads);
    if (!s.wide) return smaller(threads, p->tiles_x);
    if (stage % 2) return s.panels * s.splits;
    const int i = stage / 2;
    return blocks_of(&s, cut(s.tiles, i + 1, s.superblocks) - cut(s.tiles, i, s.superblocks));
}

static const struct ek_winograd_kernels *kernels_for(enum ek_isa isa, int bf16) {
#if defined(__x86_64__)
    if (bf16) return isa == EK_AVX512_BF16 ? &ek_winograd_avx512_bf16 : 0;
    if (isa >= EK_AVX512) return &ek_winograd_avx512;
    if (isa == EK_AVX2) return &ek_winograd_avx2;
#endif
    (void)isa, (void)bf16;
    return 0;
}

/// One task's view of the work: `kernels` NULL means the plain version.
struct job {
    const ek_winograd *p;
    struct plan plan;
    const struct ek_winograd_kernels *kernels;
    char *shared, *filters, *products, *input;
};

/// The private half of a block: products and output of one panel.
static void finish_block(const struct job *j, struct ek_tiles tiles, int panel, const void *v, const void *u) {
    if (!j->kernels) {
        ek_winograd_plain(j->p, tiles, panel);
        return;
    }
    j->kernels->multiply(j->plan.cin, tiles.count, v, u, (float *)j->products);
    j->kernels->transform_output(j->p, tiles, panel, (const float *)j->products);
}

static void run_narrow(const struct job *j, int task) {
    const int tasks = smaller(j->plan.threads, j->p->tiles_x);
    const int x0 = cut(j->p->tiles_x, task, tasks), width = cut(j->p->tiles_x, task + 1, tasks) - x0;
    const int tiles = width * j->p->tiles_y, blocks = pieces(tiles, EK_TILES);
    const size_t panel_size = panel_bytes(&j->plan);
    for (int panel = 0; panel < j->plan.panels && j->kernels; panel++)
        j->kernels->transform_filters(j->p, panel, j->filters + (size_t)panel * panel_size);
    for (int b = 0; b < blocks; b++) {
        const int first = cut(tiles, b, blocks);
        const struct ek_tiles block = {x0, width, first, cut(tiles, b + 1, blocks) - first};
        if (j->kernels) j->kernels->transform_input(j->p, block, j->input);
        for (int panel = 0; panel < j->plan.panels; panel++)
            finish_block(j, block, panel, j->input, j->filters + (size_t)panel * panel_size);
    }
}

static void run_wide(const struct job *j, int stage, int task) {
    const struct plan *s = &j->plan;
    const int start = cut(s->tiles, stage / 2, s->superblocks), tiles = cut(s->tiles, stage / 2 + 1, s->superblocks) - start;
    const int blocks = blocks_of(s, tiles), panel = task / s->splits, split = task % s->splits;
    const int makes_input = stage % 2 == 0;
    const int b0 = makes_input ? task : cut(blocks, split, s->splits);
    const int b1 = makes_input ? task + 1 : cut(blocks, split + 1, s->splits);
    if (b0 == b1 || (makes_input && !j->kernels)) return;
    if (!makes_input && j->kernels) j->kernels->transform_filters(j->p, panel, j->filters);
    for (int b = b0; b < b1; b++) {
        const int first = cut(tiles, b, blocks);
        const struct ek_tiles block = {0, j->p->tiles_x, start + first, cut(tiles, b + 1, blocks) - first};
        const size_t values = (size_t)ek_round_up(s->cin, 16) * (size_t)first;
        char *v = j->shared + EK_PLANES * (values * s->element + (size_t)b * 64);
        if (makes_input) j->kernels->transform_input(j->p, block, v);
        else finish_block(j, block, panel, v, j->filters);
    }
}

void ek_winograd_task(const ek_winograd *p, enum ek_isa isa, void *scratch, int threads, int stage, int task, int thread) {
    struct job j = {.p = p, .plan = plan_of(p, threads), .kernels = kernels_for(isa, p->bf16), .shared = scratch};
    j.filters = j.shared + shared_bytes(&j.plan) + thread_bytes(&j.plan) * (size_t)thread;
    j.products = j.filters + filter_bytes(&j.plan);
    j.input = j.products + product_bytes(smaller(j.plan.tiles, EK_TILES));
    if (j.plan.wide) run_wide(&j, stage, task);
    else run_narrow(&j, task);
}
