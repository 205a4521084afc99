/*
 * libenlarger: enlarges pictures x2, x3, x4 and x8 with super-resolution networks, in memory that is known before the run.
 *
 *     cc program.c $(pkg-config --cflags --libs enlarger)
 *
 * Functions that can fail return an enlarger_status; enlarger_message() then has the sentence. Functions that ask for a
 * string or a number of a handle return NULL or 0 when the handle is none. Strings are UTF-8.
 *
 * Handles are made by enlarger_options_create and enlarger_open, and given back by enlarger_options_destroy and
 * enlarger_close. NULL, a handle that was given back, and a handle of the other kind are never touched: they make
 * ENLARGER_USAGE. Giving back NULL or a handle that was given back already does nothing. Pointers to memory are the
 * caller's promise.
 *
 * Threads: every function may be called from any thread. Calls on one upscaler wait for each other; upscalers do not wait for
 * others. A callback that calls its own upscaler gets ENLARGER_USAGE; enlarger_cancel alone may be called there, or from
 * anywhere. After fork() the child must not use handles of the parent.
 *
 * The library starts no process, handles no signal and prints nothing. Functions on files use libvips, which has settings
 * for the whole process: its cache is emptied and off, its pipelines have one thread, and loaders that libvips does not
 * trust are blocked from then on.
 */
#ifndef ENLARGER_H
#define ENLARGER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a call came to. The numbers stay; new ones may be added. */
typedef enum enlarger_status {
    ENLARGER_OK = 0,
    ENLARGER_USAGE = 1, /* wrong arguments, or a scale that the model does not have */
    ENLARGER_MODEL_NOT_FOUND = 2,
    ENLARGER_MODEL_INVALID = 3,     /* a model file that contradicts itself */
    ENLARGER_MODEL_UNSUPPORTED = 4, /* an operation that is not read, by its node's name */
    ENLARGER_PICTURE_NOT_FOUND = 5,
    ENLARGER_PICTURE_INVALID = 6,
    ENLARGER_PICTURE_TOO_LARGE = 7,
    ENLARGER_PICTURE_UNSUPPORTED = 8,
    ENLARGER_OUTPUT_FAILED = 9,
    ENLARGER_DOES_NOT_FIT = 10, /* into the memory that is allowed: enlarger_needed_bytes() */
    ENLARGER_NO_DEVICE = 11,
    ENLARGER_ALLOCATION_FAILED = 12,
    ENLARGER_BAD_RESULT = 13, /* the network made values that are not finite */
    ENLARGER_DOWNLOAD_FAILED = 14,
    ENLARGER_DISK_FULL = 15,
    ENLARGER_QUEUE_FULL = 16,
    ENLARGER_DATA_UNUSABLE = 17,
    ENLARGER_CANCELLED = 18, /* by a callback or enlarger_cancel */
    ENLARGER_DEVICE_LOST = 19 /* a GPU's driver gave up */
} enlarger_status;

/* The library's version, "0.1.0". */
const char *enlarger_version(void);
/* "does_not_fit" and the like; "ok"; NULL for a number that is no status. */
const char *enlarger_status_name(enlarger_status status);
/* The sentence of the last call on this thread that failed; "" when none has. Valid until the next that fails. */
const char *enlarger_message(void);
/* The bytes that the last ENLARGER_DOES_NOT_FIT on this thread asked for; 0 when there was none. */
int64_t enlarger_needed_bytes(void);

/* Options: which model, and how it runs. A handle may serve any number of enlarger_open. */
typedef struct enlarger_options enlarger_options;

/* NULL when there is no memory. */
enlarger_options *enlarger_options_create(void);
void enlarger_options_destroy(enlarger_options *options);

/* A shipped or fetched model's name ("lite-x3"; "lite" takes the scale's), or a file: safetensors, .onnx, .param, .pb. "lite" */
enlarger_status enlarger_options_set_model(enlarger_options *options, const char *model);
/* Enlargements: one, or several for networks with several outputs, all made in one pass. Count 0: the model's own (x2 for a
   name without one). */
enlarger_status enlarger_options_set_scales(enlarger_options *options, const int32_t *scales, int32_t count);
/* Hard cap on planned bytes; 0: none, as it is at first. */
enlarger_status enlarger_options_set_memory(enlarger_options *options, int64_t bytes);
/* 1...256; 0: as many as the process may use, as it is at first. */
enlarger_status enlarger_options_set_threads(enlarger_options *options, int32_t threads);
/* "auto" (as it is at first), "cpu", "vulkan" or "vulkan:N". */
enlarger_status enlarger_options_set_device(enlarger_options *options, const char *device);
/* "auto" (as it is at first), "fp32", "bf16" or "fp16". */
enlarger_status enlarger_options_set_precision(enlarger_options *options, const char *precision);
/* How colour is resized around networks of luma alone: "bicubic" (as it is at first), or "bilinear", which with 8 bits also
   rounds as OpenCV's dnn_superres does. */
enlarger_status enlarger_options_set_chroma(enlarger_options *options, const char *chroma);
/* Test-time augmentation: 1 averages the network over eight orientations; 0 at first. */
enlarger_status enlarger_options_set_augmentation(enlarger_options *options, int32_t on);
/* Adds a folder that is searched for models before all others. */
enlarger_status enlarger_options_add_model_folder(enlarger_options *options, const char *folder);
/* File type of results: "png", "jpg", "webp", "tiff", "avif" or "szi" (a Deep Zoom pyramid, zipped); NULL: by the file's name, as it is at first. */
enlarger_status enlarger_options_set_format(enlarger_options *options, const char *format);

/* A model that is read, and ready to enlarge pictures. */
typedef struct enlarger_upscaler enlarger_upscaler;

/* Reads the model. `options` may be NULL, and may be destroyed afterwards. `*result` is NULL after a failure. */
enlarger_status enlarger_open(const enlarger_options *options, enlarger_upscaler **result);
/* A call that still runs on another thread goes on to its end. */
void enlarger_close(enlarger_upscaler *upscaler);

/* How many results a picture has, and the enlargement of each, in the order of the options. */
int32_t enlarger_scale_count(enlarger_upscaler *upscaler);
int32_t enlarger_scale(enlarger_upscaler *upscaler, int32_t index);
/* Valid until the upscaler is closed: "lite-x3"; "edsr" and the like; "cpu"; "fp32". */
const char *enlarger_model_name(enlarger_upscaler *upscaler);
const char *enlarger_algorithm(enlarger_upscaler *upscaler);
const char *enlarger_device(enlarger_upscaler *upscaler);
const char *enlarger_precision(enlarger_upscaler *upscaler);
/* What the last enlarger_open or enlarger_upscale_file would tell a user: what was assumed of the model's pixels, a profile
   that was converted. A note is valid until the next such call. */
int32_t enlarger_note_count(enlarger_upscaler *upscaler);
const char *enlarger_note(enlarger_upscaler *upscaler, int32_t index);

/* Pixels lie interleaved, rows from the top: colour first, then alpha. */
typedef enum enlarger_order { ENLARGER_GREY = 1, ENLARGER_RGB = 2, ENLARGER_BGR = 3 } enlarger_order;
typedef struct enlarger_format {
    int32_t order; /* enlarger_order */
    int32_t alpha; /* 1: a sample of alpha behind the colour; 0: none */
    int32_t bits;  /* 8, or 16 in native byte order */
} enlarger_format;

/* What a picture takes, known before it is enlarged. */
typedef struct enlarger_plan_info {
    int64_t planned_bytes; /* weights to io together: what a cap on memory caps */
    int64_t minimum_bytes; /* the least of any plan for this picture */
    int64_t weights_bytes;
    int64_t activation_bytes;
    int64_t scratch_bytes;
    int64_t io_bytes;        /* rows on their way in and out */
    int64_t temporary_bytes; /* the most that temporary files hold of values between passes; not memory */
    int32_t band_rows;
    int32_t strips; /* 1: at full width */
    int32_t passes; /* 1: the network in one go */
    double expected_seconds;
} enlarger_plan_info;

/* Plans a picture of `width` x `height`. ENLARGER_DOES_NOT_FIT when the cap is too small; then `*plan` has minimum_bytes, and
   zeros. */
enlarger_status enlarger_plan(
    enlarger_upscaler *upscaler, enlarger_format format, int32_t width, int32_t height, enlarger_plan_info *plan);

/* Told the finished part, 0...1, after every band of rows. Anything but 0 ends the call with ENLARGER_CANCELLED. */
typedef int32_t (*enlarger_progress)(void *context, double done);
/* Ends the call that runs on this upscaler, if there is one, with ENLARGER_CANCELLED, after the band at hand. */
void enlarger_cancel(enlarger_upscaler *upscaler);

/* What an enlarged file came to. */
typedef struct enlarger_result {
    int32_t width, height; /* of the result */
    double seconds;
    int64_t planned_bytes;
    int64_t codec_bytes; /* the most that the picture libraries held beside the plan */
} enlarger_result;

/*
 * Enlarges a picture file with everything it comes with: alpha, 16 bits, profile, orientation, metadata.
 * outputs: `output_count` paths, one for each scale. Each appears when it is complete; after a failure, none does.
 * progress, results (one for each output): may be NULL.
 */
enlarger_status enlarger_upscale_file(
    enlarger_upscaler *upscaler, const char *input, const char *const *outputs, int32_t output_count, enlarger_progress progress,
    void *context, enlarger_result *results);

/* A picture in memory. */
typedef struct enlarger_picture {
    void *pixels; /* the top left pixel */
    int32_t width, height;
    int64_t row_bytes; /* from a row to the next; 0: rows without gaps; negative: the top row lies last */
} enlarger_picture;

/*
 * Enlarges a picture in memory; all pictures have the format. The input is not changed.
 * outputs: one for each scale, of scale times the input's width and height, which do not overlap it or each other. After a
 * failure their pixels are undefined. progress may be NULL.
 */
enlarger_status enlarger_upscale_pixels(
    enlarger_upscaler *upscaler, enlarger_format format, const enlarger_picture *input, const enlarger_picture *outputs,
    int32_t output_count, enlarger_progress progress, void *context);

/* Writes rows row ..< row + count of the input, without gaps, to `rows`. Rows are asked for in order, each once.
   Anything but 0 ends the call with ENLARGER_CANCELLED. */
typedef int32_t (*enlarger_source)(void *context, void *rows, int32_t row, int32_t count);
/* Takes the rows row ..< row + count of the result `output`, without gaps; they come in order. Anything but 0 ends the call. */
typedef int32_t (*enlarger_sink)(void *context, int32_t output, const void *rows, int32_t row, int32_t count);

/* Enlarges a picture that is read and delivered by rows, in memory that does not grow with its height. progress may be NULL;
   all callbacks have the same context and run on the calling thread. */
enlarger_status enlarger_upscale_rows(
    enlarger_upscaler *upscaler, enlarger_format format, int32_t width, int32_t height, enlarger_source source, enlarger_sink sink,
    enlarger_progress progress, void *context);

#ifdef __cplusplus
}
#endif

#endif
