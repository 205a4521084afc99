// CPU kernels of Enlarger. They do not allocate, lock, start threads or print.
//
// A map is stored in rows. A blocked row is float[ceil(C/16)][columns][16], channels above C zero;
// a planar row (maps of at most 4 channels) is float[C][columns]. `columns` includes `pad` zero columns on
// each side; a column index below counts from the start of the row, pads included.
// Rows are addressed through arrays of row pointers; a row outside the picture is a shared row of zeros.
#ifndef ENLARGER_CKERNELS_H
#define ENLARGER_CKERNELS_H
#include <stddef.h>
#include <stdint.h>

enum ek_isa { EK_SCALAR = 0, EK_AVX2 = 1, EK_AVX512 = 2, EK_AVX512_BF16 = 3 };

/// The best instruction set this processor has, in order of the enumeration.
enum ek_isa ek_best_isa(void);
const char *ek_isa_name(enum ek_isa isa);

/// Makes the calling thread take subnormal numbers for zero, in and out: they would cost a hundred times as much as others.
/// Returns the mode from before, for ek_restore_mode. What kernels compute is stated for this mode.
unsigned ek_flush_subnormals(void);
void ek_restore_mode(unsigned mode);

/// For the body of a loop that waits for another thread.
static inline void ek_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

enum ek_element { EK_F32 = 0, EK_F16 = 1, EK_BF16 = 2, EK_U8 = 3 };

/// Where rows of a map are and how they are laid out.
typedef struct {
    float *const *rows;      ///< pointers to the starts of rows
    size_t block_stride;     ///< floats between channel blocks (blocked) or planes (planar)
    int planar;              ///< 1: planar, 0: blocks of 16 channels
    int channels;            ///< real channels
} ek_map;

/// What happens between a convolution's sum and its store.
/// y = sum + bias; residual.rows: y = residual + residual_scale * y; slope: y = y > 0 ? y : slope * y (ReLU: zeros).
/// bias and slope hold ceil(Cout/16)*16 floats (bias never NULL; slope NULL: none).
typedef struct {
    const float *bias;
    const float *slope;
    ek_map residual;         ///< rows NULL: none. May alias the output rows exactly.
    float residual_scale;
} ek_epilogue;

/// A k x k convolution, stride 1, any channels, direct. Output blocked. The residual has the output's columns.
typedef struct {
    ek_map in;               ///< in.rows[i], i in 0 ..< rows + dilation*(kh-1): input row (first output row - pad_top + i)
    ek_map out;              ///< out.rows[i]: output row i; blocked; NULL: dropped
    int rows;                ///< output rows
    int col0, col1;          ///< output columns [col0, col1) to compute and store; nothing outside is written
    int kh, kw, dilation;
    int pad_left;            ///< tap column t of output column c is input column c - pad_left + t * dilation
    const float *weights;    ///< float[ceil(Cout/16)][kh][kw][Cin][16]
    ek_epilogue epilogue;
} ek_direct;

/// Computes output rows [row0, row1) of every output channel. Tasks over disjoint rows may run at once.
/// Each output sums its taps in the same order wherever it stands, so any split gives the same bytes.
void ek_direct_run(const ek_direct *p, enum ek_isa isa, int row0, int row1);

/// A 3x3 convolution through Winograd F(4x4,3x3): input and output blocked, any Cin, Cout (padded to 16 / 32 inside).
///
/// The tile grid is given by the caller: tile (i, j) makes output rows 4i ..< 4i+4 of `out.rows` and columns
/// tile_col + 4j ..< tile_col + 4j + 4 for j in 0 ..< tiles_x. out.rows[r] NULL: that row is dropped. Columns outside
/// [col0, col1) are not stored. Reads in.rows[0 ..< 4*tiles_y + 2] (row r of the input is one above output row r),
/// columns tile_col - 1 ..< tile_col + 4*tiles_x + 1, all of which exist in the row (pads included).
typedef struct {
    ek_map in, out;
    int tiles_y, tiles_x, tile_col, col0, col1;
    const void *weights;     ///< packed by ek_winograd_pack: element[ceil(Cout/32)][Cin16][9][32]
    enum ek_element element;
    float step;              ///< EK_U8: value = (q + zero) * step
    int32_t zero;
    int bf16;                ///< 1: products in bf16 with fp32 sums (EK_AVX512_BF16; others compute in fp32, without speed)
    ek_epilogue epilogue;
} ek_winograd;

/// Bytes of packed weights for ek_winograd: ceil(Cout/32)*32 * ceil(Cin/16)*16 * 9 * element size.
size_t ek_winograd_packed_bytes(int cin, int cout, enum ek_element element);
/// Packs HWIO weights [3][3][cin][cout]. `src` may be unaligned. Padding holds values that dequantize to exactly 0
/// (for EK_U8 the kernel ignores padded channels instead when -zero is not in 0...255).
void ek_winograd_pack(const void *src, enum ek_element element, int32_t zero, int cin, int cout, void *dst);

/// Bytes of scratch (64-byte aligned) for one ek_winograd of cin -> cout with at most `tiles` tiles, run by `threads` threads.
size_t ek_winograd_scratch_bytes(int cin, int cout, int tiles, int threads, int bf16);

/// How often every filter is transformed for one ek_winograd over `tiles` tiles (by each thread, where output channels are few).
int ek_winograd_filter_passes(int cin, int cout, int tiles);

/// Work is a sequence of stages; the stages run one after another, the tasks of a stage in any order and at once.
/// A task's result does not depend on who runs it or how many tasks there are.
int ek_winograd_stages(const ek_winograd *p, int threads);
int ek_winograd_tasks(const ek_winograd *p, int threads, int stage);
/// `thread` in 0 ..< threads picks the private scratch.
void ek_winograd_task(const ek_winograd *p, enum ek_isa isa, void *scratch, int threads, int stage, int task, int thread);

/// Transposed convolution; see NetworkGraph's TransposedConvolution. out.rows[i] is output row out_row0 + i (blocked; NULL: dropped);
/// in.rows[i] is input row in_row0 + i, zero rows outside the picture included. Output columns [col0, col1) (pads included) of rows
/// [row0, row1) of `out`; output column c stands over picture column c - out_pad + out_x0, input likewise.
/// Every column of the input that a tap falls on must exist: pads of ceil((k - 1) / stride) columns suffice.
typedef struct {
    ek_map in, out;
    int out_row0, in_row0;
    int col0, col1, out_pad, in_pad, out_x0, in_x0;
    int kh, kw, stride, pad_top, pad_left;
    const float *weights;    ///< float[ceil(Cout/16)][kh][kw][Cin][16]
    ek_epilogue epilogue;
} ek_transposed;
void ek_transposed_run(const ek_transposed *p, enum ek_isa isa, int row0, int row1);

/// Elementwise over whole rows, [col0, col1) of every channel; in and out have one layout unless said. In place is allowed.
enum ek_unary { EK_TANH, EK_SIGMOID, EK_ABS, EK_CLIP, EK_PRELU, EK_AFFINE };
/// a, b: per channel (padded to 16 with zeros): PRELU slope a; AFFINE x*a+b; CLIP lower a[0], upper b[0].
void ek_unary_run(enum ek_unary op, const float *a, const float *b, ek_map in, ek_map out, int rows, int col0, int col1);
enum ek_binary { EK_ADD, EK_SUB, EK_MUL };
/// A one-channel operand broadcasts over the other's channels; layouts may differ.
void ek_binary_run(enum ek_binary op, ek_map x, ek_map y, ek_map out, int rows, int col0, int col1);
/// Copies channels [c0, c0+n) of `in` to channels [d0, d0+n) of `out`; layouts may differ. Padding channels of `out` in the
/// last block are zeroed when d0 + n == out.channels.
void ek_copy_channels(ek_map in, int c0, ek_map out, int d0, int n, int rows, int col0, int col1);
/// Copies column `from` of `in` to column `to` of `out`, every channel.
void ek_copy_column(ek_map in, int from, ek_map out, int to, int rows);
/// sums[c] += the row's sum, for channels c in [c0, c1) and each row in turn; a row's sum starts at nothing and goes from left to
/// right. c0 is a multiple of 16. Calls over other channels may run at once.
void ek_sum_channels(ek_map in, int c0, int c1, int rows, int col0, int col1, double *sums);
/// out.rows[s*i + dy]: order 0: input channel (dy*s + dx)*C + c; order 1: c*s*s + dy*s + dx. out column (col - in_pad)*s + dx + out_pad.
void ek_depth_to_space(ek_map in, ek_map out, int s, int order, int rows, int col0, int col1, int in_pad, int out_pad);
/// Resize by s / divisor (the divisor is 1 for methods 0 and 4), half-pixel centres, edges repeated. method 0 nearest, 1 bilinear, 2 bicubic (Keys, a = -0.5),
/// 3 bicubic with a = -0.75, 4 bilinear from the corner: output position x stands at x / s of the input.
/// in.rows[i] is picture row clamp(in_row0 + i) as the caller arranged (edge rows repeated by pointer); output rows are picture rows
/// out_row0 + i; out.rows[i] NULL: dropped. Layouts may differ. Rows and columns without weight are not read. Columns: output picture column x in [x0, x1); input columns are clamped to [0, width).
/// in column = x_in - in_x0 + in_pad, out column = x - out_x0 + out_pad.
typedef struct {
    ek_map in, out;
    int method, s, divisor, out_row0, in_row0, rows, x0, x1, width, in_x0, in_pad, out_x0, out_pad;
} ek_resize;
void ek_resize_run(const ek_resize *p, int row0, int row1);

/// plane[k][x] = (p - mean[k]) * scale, p being channel source_channel[k] of pixel x on a scale of 0...255 (16 bits: v / 257).
/// `pixels`: `width` pixels of pixel_channels interleaved channels of 8 or 16 bits. mean NULL: zeros.
void ek_pixels_to_planes(
    const void *pixels, int bits, int pixel_channels, const int *source_channel, int n, const float *mean, float scale,
    float *const *planes, int width);
/// The reverse: plane * inverse_scale + mean, rounded half to even and saturated. Channels that are no target stay.
/// *bad becomes 1 when any value is NaN or infinite, and is left alone otherwise.
void ek_planes_to_pixels(
    const float *const *planes, int n, const float *mean, float inverse_scale, void *pixels, int bits, int pixel_channels,
    const int *target_channel, int width, int *bad);
/// Full-range YCrCb on 0...255 as OpenCV's COLOR_RGB2YCrCb and back, in floats that are not rounded. In place is allowed.
void ek_rgb_to_ycc(const float *r, const float *g, const float *b, float *y, float *cr, float *cb, int n);
void ek_ycc_to_rgb(const float *y, const float *cr, const float *cb, float *r, float *g, float *b, int n);

#endif
