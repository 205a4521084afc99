/* The C interface from a C program: results, misuse, callbacks, threads. Prints what failed and ends with 1, or ends with 0. */
#include <enlarger.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures, checks;
#define CHECK(condition) \
    do { \
        checks++; \
        if (!(condition)) { \
            failures++; \
            printf("line %d: %s (%s)\n", __LINE__, #condition, enlarger_message()); \
        } \
    } while (0)

static const enlarger_format RGB = { ENLARGER_RGB, 0, 8 };

static enlarger_upscaler *opened(const char *model, int32_t scale)
{
    enlarger_options *options = enlarger_options_create();
    enlarger_upscaler *upscaler = NULL;
    CHECK(enlarger_options_set_model(options, model) == ENLARGER_OK);
    CHECK(enlarger_options_set_scales(options, &scale, 1) == ENLARGER_OK);
    CHECK(enlarger_options_set_threads(options, 2) == ENLARGER_OK);
    CHECK(enlarger_open(options, &upscaler) == ENLARGER_OK);
    enlarger_options_destroy(options);
    return upscaler;
}

static void *made(size_t bytes)
{
    uint8_t *pixels = malloc(bytes);
    for (size_t i = 0; i < bytes; i++) pixels[i] = (uint8_t)(i * 7 + i / 97 * 31);
    return pixels;
}

static void options_and_handles(void)
{
    enlarger_options *options = enlarger_options_create();
    enlarger_upscaler *upscaler = (enlarger_upscaler *)options;
    const int32_t twice[] = { 2, 2 }, none[] = { 0 };
    CHECK(!strcmp(enlarger_version(), "0.1.0"));
    CHECK(!strcmp(enlarger_status_name(ENLARGER_OK), "ok"));
    CHECK(!strcmp(enlarger_status_name(ENLARGER_DOES_NOT_FIT), "does_not_fit"));
    CHECK(!strcmp(enlarger_status_name(ENLARGER_CANCELLED), "cancelled"));
    CHECK(enlarger_status_name((enlarger_status)99) == NULL);
    for (int status = 0; status <= ENLARGER_DEVICE_LOST; status++) CHECK(enlarger_status_name((enlarger_status)status) != NULL);

    CHECK(enlarger_options_set_model(NULL, "lite") == ENLARGER_USAGE && strlen(enlarger_message()) > 0);
    CHECK(enlarger_options_set_model(options, NULL) == ENLARGER_USAGE);
    CHECK(enlarger_options_set_model(options, "") == ENLARGER_USAGE);
    CHECK(enlarger_options_set_scales(options, NULL, 1) == ENLARGER_USAGE);
    CHECK(enlarger_options_set_scales(options, twice, 2) == ENLARGER_USAGE);
    CHECK(enlarger_options_set_scales(options, none, 1) == ENLARGER_USAGE);
    CHECK(enlarger_options_set_scales(options, none, -1) == ENLARGER_USAGE);
    CHECK(enlarger_options_set_memory(options, -1) == ENLARGER_USAGE);
    CHECK(enlarger_options_set_threads(options, 257) == ENLARGER_USAGE);
    CHECK(enlarger_options_set_device(options, "toaster") == ENLARGER_USAGE && strstr(enlarger_message(), "toaster"));
    CHECK(enlarger_options_set_precision(options, "fp8") == ENLARGER_USAGE);
    CHECK(enlarger_options_set_chroma(options, "cubic") == ENLARGER_USAGE);
    CHECK(enlarger_options_set_format(options, "exe") == ENLARGER_USAGE);
    CHECK(enlarger_options_set_format(options, NULL) == ENLARGER_OK);
    CHECK(enlarger_options_add_model_folder(options, NULL) == ENLARGER_USAGE);

    CHECK(enlarger_open(options, NULL) == ENLARGER_USAGE);
    /* A handle of the other kind. */
    CHECK(enlarger_open((const enlarger_options *)1000000, &upscaler) == ENLARGER_USAGE && upscaler == NULL);
    CHECK(enlarger_scale_count((enlarger_upscaler *)options) == 0);
    CHECK(enlarger_options_set_model(options, "no-such-model") == ENLARGER_OK);
    CHECK(enlarger_open(options, &upscaler) == ENLARGER_MODEL_NOT_FOUND && upscaler == NULL);
    CHECK(strstr(enlarger_message(), "no-such-model") != NULL);
    enlarger_close((enlarger_upscaler *)options); /* the other kind: still there */
    CHECK(enlarger_options_set_model(options, "lite") == ENLARGER_OK);
    enlarger_options_destroy(options);
    enlarger_options_destroy(options);
    enlarger_options_destroy(NULL);
    CHECK(enlarger_options_set_model(options, "lite") == ENLARGER_USAGE);
    enlarger_close(NULL);
    enlarger_cancel(NULL);
    CHECK(enlarger_scale_count(NULL) == 0 && enlarger_scale(NULL, 0) == 0 && enlarger_model_name(NULL) == NULL);
    CHECK(enlarger_note_count(NULL) == 0 && enlarger_note(NULL, 0) == NULL);
}

static void plans(void)
{
    enlarger_upscaler *upscaler = opened("lite", 3);
    enlarger_plan_info plan;
    CHECK(enlarger_scale_count(upscaler) == 1 && enlarger_scale(upscaler, 0) == 3 && enlarger_scale(upscaler, 1) == 0);
    CHECK(!strcmp(enlarger_model_name(upscaler), "lite-x3") && !strcmp(enlarger_algorithm(upscaler), "edsr"));
    CHECK(!strcmp(enlarger_device(upscaler), "cpu") && !strcmp(enlarger_precision(upscaler), "fp32"));
    CHECK(enlarger_note(upscaler, 99) == NULL);
    CHECK(enlarger_plan(upscaler, RGB, 640, 480, &plan) == ENLARGER_OK);
    CHECK(plan.planned_bytes == plan.weights_bytes + plan.activation_bytes + plan.scratch_bytes + plan.io_bytes);
    CHECK(plan.minimum_bytes <= plan.planned_bytes && plan.band_rows >= 4 && plan.strips == 1 && plan.passes == 1 && plan.expected_seconds > 0);
    CHECK(enlarger_plan(upscaler, RGB, 640, 480, NULL) == ENLARGER_USAGE);
    CHECK(enlarger_plan(upscaler, RGB, 0, 480, &plan) == ENLARGER_USAGE);
    CHECK(enlarger_plan(upscaler, RGB, 640, -1, &plan) == ENLARGER_USAGE);
    CHECK(enlarger_plan(upscaler, RGB, 1 << 30, 1, &plan) == ENLARGER_USAGE);
    const enlarger_format bad[] = { { 0, 0, 8 }, { 9, 0, 8 }, { ENLARGER_RGB, 2, 8 }, { ENLARGER_RGB, 0, 10 } };
    for (int i = 0; i < 4; i++) CHECK(enlarger_plan(upscaler, bad[i], 64, 64, &plan) == ENLARGER_USAGE);
    enlarger_close(upscaler);

    enlarger_options *options = enlarger_options_create();
    enlarger_options_set_memory(options, 1000);
    CHECK(enlarger_open(options, &upscaler) == ENLARGER_OK);
    CHECK(enlarger_plan(upscaler, RGB, 640, 480, &plan) == ENLARGER_DOES_NOT_FIT);
    CHECK(plan.minimum_bytes > 1000 && plan.planned_bytes == 0 && enlarger_needed_bytes() == plan.minimum_bytes);
    enlarger_close(upscaler);
    enlarger_close(upscaler);
    CHECK(enlarger_plan(upscaler, RGB, 64, 64, &plan) == ENLARGER_USAGE);
    enlarger_options_destroy(options);
}

/* Every order, with and without alpha, of 8 and 16 bits, with gaps between rows and upside down: the same picture. */
static void pixels(void)
{
    enum { W = 37, H = 29, S = 2 };
    enlarger_upscaler *upscaler = opened("lite", S);
    for (int bits = 8; bits <= 16; bits += 8)
        for (int alpha = 0; alpha <= 1; alpha++) {
            const int channels = 3 + alpha, step = channels * bits / 8;
            const enlarger_format rgb = { ENLARGER_RGB, alpha, bits }, bgr = { ENLARGER_BGR, alpha, bits };
            uint8_t *input = made(W * H * step), *swapped = malloc(W * H * step), *kept = malloc(W * H * step);
            uint8_t *a = malloc(W * H * S * S * step), *b = malloc(W * H * S * S * step + H * S * 6 + 64);
            const int sample = bits / 8;
            for (int i = 0; i < W * H; i++)
                for (int c = 0; c < channels; c++)
                    memcpy(swapped + i * step + c * sample, input + i * step + (c < 3 ? 2 - c : c) * sample, sample);
            memcpy(kept, swapped, W * H * step);
            enlarger_picture in = { input, W, H, 0 }, out = { a, W * S, H * S, 0 };
            CHECK(enlarger_upscale_pixels(upscaler, rgb, &in, &out, 1, NULL, NULL) == ENLARGER_OK);
            /* Upside down in memory at both ends, with six bytes between rows of the result. */
            uint8_t *flipped = malloc(W * H * step);
            for (int y = 0; y < H; y++) memcpy(flipped + (H - 1 - y) * W * step, swapped + y * W * step, W * step);
            const int gap = W * S * step + 6;
            enlarger_picture in2 = { flipped + (H - 1) * W * step, W, H, -(W * step) }, out2 = { b + (H * S - 1) * gap, W * S, H * S, -gap };
            CHECK(enlarger_upscale_pixels(upscaler, bgr, &in2, &out2, 1, NULL, NULL) == ENLARGER_OK);
            int different = 0;
            for (int y = 0; y < H * S; y++)
                for (int x = 0; x < W * S; x++)
                    for (int c = 0; c < channels; c++)
                        different += !!memcmp(a + (y * W * S + x) * step + c * sample,
                            b + (H * S - 1 - y) * gap + x * step + (c < 3 ? 2 - c : c) * sample, sample);
            CHECK(different == 0);
            CHECK(!memcmp(kept, swapped, W * H * step));
            free(input), free(swapped), free(kept), free(a), free(b), free(flipped);
        }
    uint8_t *grey = made(W * H), *large = malloc(W * H * S * S);
    enlarger_picture in = { grey, W, H, 0 }, out = { large, W * S, H * S, 0 };
    const enlarger_format format = { ENLARGER_GREY, 0, 8 };
    CHECK(enlarger_upscale_pixels(upscaler, format, &in, &out, 1, NULL, NULL) == ENLARGER_OK);

    CHECK(enlarger_upscale_pixels(upscaler, format, NULL, &out, 1, NULL, NULL) == ENLARGER_USAGE);
    CHECK(enlarger_upscale_pixels(upscaler, format, &in, NULL, 1, NULL, NULL) == ENLARGER_USAGE);
    CHECK(enlarger_upscale_pixels(upscaler, format, &in, &out, 2, NULL, NULL) == ENLARGER_USAGE);
    CHECK(enlarger_upscale_pixels(upscaler, format, &in, &out, 0, NULL, NULL) == ENLARGER_USAGE);
    const enlarger_picture bad_inputs[] = { { NULL, W, H, 0 }, { grey, 0, H, 0 }, { grey, W, -1, 0 }, { grey, W, H, W - 1 }, { grey, W, H, INT64_MIN } };
    for (int i = 0; i < 5; i++) CHECK(enlarger_upscale_pixels(upscaler, format, &bad_inputs[i], &out, 1, NULL, NULL) == ENLARGER_USAGE);
    const enlarger_picture bad_outputs[] = {
        { NULL, W * S, H * S, 0 }, { large, W * S, H * S - 1, 0 }, { large, W, H, 0 }, { large, W * S, H * S, 3 }, { grey, W * S, H * S, 0 },
    };
    for (int i = 0; i < 5; i++) CHECK(enlarger_upscale_pixels(upscaler, format, &in, &bad_outputs[i], 1, NULL, NULL) == ENLARGER_USAGE);
    const enlarger_format wide = { ENLARGER_GREY, 0, 16 };
    enlarger_picture odd = { grey + 1, W / 4, H / 4, 0 }, even = { large, W / 4 * S, H / 4 * S, 0 };
    CHECK(enlarger_upscale_pixels(upscaler, wide, &odd, &even, 1, NULL, NULL) == ENLARGER_USAGE);
    free(grey), free(large);
    enlarger_close(upscaler);
}

struct stream {
    enlarger_upscaler *upscaler;
    const uint8_t *input;
    uint8_t *output;
    int32_t width, next_in, next_out, stop_in, stop_out, bands;
    double done, stop_at;
};

static int32_t source(void *context, void *rows, int32_t row, int32_t count)
{
    struct stream *s = context;
    CHECK(row == s->next_in);
    s->next_in += count;
    memcpy(rows, s->input + row * s->width * 3, count * s->width * 3);
    return row >= s->stop_in;
}

static int32_t sink(void *context, int32_t output, const void *rows, int32_t row, int32_t count)
{
    struct stream *s = context;
    CHECK(output == 0 && row == s->next_out);
    s->next_out += count;
    memcpy(s->output + row * s->width * 6, rows, count * s->width * 6);
    return row >= s->stop_out;
}

static int32_t progress(void *context, double done)
{
    struct stream *s = context;
    CHECK(done >= s->done && done <= 1);
    s->done = done;
    s->bands++;
    return done >= s->stop_at;
}

static int32_t comes_back(void *context, double done)
{
    struct stream *s = context;
    enlarger_plan_info plan;
    CHECK(enlarger_plan(s->upscaler, RGB, 8, 8, &plan) == ENLARGER_USAGE);
    if (done > 0.2) enlarger_cancel(s->upscaler);
    return 0;
}

static void rows(void)
{
    enum { W = 60, H = 200 };
    enlarger_upscaler *upscaler = opened("lite", 2);
    uint8_t *input = made(W * H * 3), *streamed = malloc(W * H * 12), *whole = malloc(W * H * 12);
    struct stream s = { upscaler, input, streamed, W, 0, 0, H, 2 * H, 0, 0, 2 };
    CHECK(enlarger_upscale_rows(upscaler, RGB, W, H, source, sink, progress, &s) == ENLARGER_OK);
    CHECK(s.next_in == H && s.next_out == 2 * H && s.done == 1 && s.bands > 1);
    enlarger_picture in = { input, W, H, 0 }, out = { whole, W * 2, H * 2, 0 };
    CHECK(enlarger_upscale_pixels(upscaler, RGB, &in, &out, 1, NULL, NULL) == ENLARGER_OK);
    CHECK(!memcmp(streamed, whole, W * H * 12));

    for (int i = 0; i < 3; i++) {
        struct stream t = { upscaler, input, streamed, W, 0, 0, i == 0 ? 64 : H, i == 1 ? 64 : 2 * H, 0, 0, i == 2 ? 0.3 : 2 };
        CHECK(enlarger_upscale_rows(upscaler, RGB, W, H, source, sink, progress, &t) == ENLARGER_CANCELLED);
        CHECK(t.next_out < 2 * H);
    }
    struct stream back = { upscaler, input, streamed, W, 0, 0, H, 2 * H, 0, 0, 2 };
    CHECK(enlarger_upscale_rows(upscaler, RGB, W, H, source, sink, comes_back, &back) == ENLARGER_CANCELLED);
    CHECK(enlarger_upscale_rows(upscaler, RGB, W, H, NULL, sink, NULL, &back) == ENLARGER_USAGE);
    CHECK(enlarger_upscale_rows(upscaler, RGB, W, H, source, NULL, NULL, &back) == ENLARGER_USAGE);
    CHECK(enlarger_upscale_rows(upscaler, RGB, 0, H, source, sink, NULL, &back) == ENLARGER_USAGE);
    /* And it still works. */
    memset(whole, 0, W * H * 12);
    CHECK(enlarger_upscale_pixels(upscaler, RGB, &in, &out, 1, NULL, NULL) == ENLARGER_OK);
    struct stream again = { upscaler, input, streamed, W, 0, 0, H, 2 * H, 0, 0, 2 };
    CHECK(enlarger_upscale_rows(upscaler, RGB, W, H, source, sink, NULL, &again) == ENLARGER_OK);
    CHECK(!memcmp(streamed, whole, W * H * 12));
    free(input), free(streamed), free(whole);
    enlarger_close(upscaler);
}

static void files(const char *picture, const char *folder)
{
    enlarger_upscaler *upscaler = opened("lite", 3);
    char output[4096], none[4096];
    snprintf(output, sizeof output, "%s/out.png", folder);
    snprintf(none, sizeof none, "%s/missing/out.png", folder);
    const char *path = output, *nowhere = none, *null = NULL;
    enlarger_result result;
    CHECK(enlarger_upscale_file(upscaler, picture, &path, 1, NULL, NULL, &result) == ENLARGER_OK);
    CHECK(result.width % 3 == 0 && result.planned_bytes > 0);
    CHECK(enlarger_upscale_file(upscaler, picture, &path, 1, NULL, NULL, NULL) == ENLARGER_OK);
    CHECK(enlarger_upscale_file(upscaler, "/nonexistent.png", &path, 1, NULL, NULL, NULL) == ENLARGER_PICTURE_NOT_FOUND);
    CHECK(enlarger_upscale_file(upscaler, picture, &nowhere, 1, NULL, NULL, NULL) == ENLARGER_OUTPUT_FAILED);
    CHECK(enlarger_upscale_file(upscaler, NULL, &path, 1, NULL, NULL, NULL) == ENLARGER_USAGE);
    CHECK(enlarger_upscale_file(upscaler, picture, NULL, 1, NULL, NULL, NULL) == ENLARGER_USAGE);
    CHECK(enlarger_upscale_file(upscaler, picture, &null, 1, NULL, NULL, NULL) == ENLARGER_USAGE);
    CHECK(enlarger_upscale_file(upscaler, picture, &path, 2, NULL, NULL, NULL) == ENLARGER_USAGE);
    enlarger_close(upscaler);
}

/* Several threads, each with an upscaler of its own and all with a shared one; messages stay with their threads. */
static enlarger_upscaler *shared;
static uint8_t *shared_input, *shared_expected;

static void *worker(void *argument)
{
    (void)argument;
    uint8_t *result = malloc(48 * 40 * 12);
    enlarger_picture in = { shared_input, 48, 40, 0 }, out = { result, 96, 80, 0 };
    for (int i = 0; i < 4; i++) {
        if (enlarger_upscale_pixels(shared, RGB, &in, &out, 1, NULL, NULL) != ENLARGER_OK || memcmp(result, shared_expected, 48 * 40 * 12)) return "shared";
        enlarger_upscaler *own = NULL;
        if (enlarger_open(NULL, &own) != ENLARGER_OK) return "open";
        if (enlarger_upscale_pixels(own, RGB, &in, &out, 1, NULL, NULL) != ENLARGER_OK || memcmp(result, shared_expected, 48 * 40 * 12)) return "own";
        enlarger_close(own);
    }
    int quiet = enlarger_message()[0] == 0;
    free(result);
    return quiet ? NULL : "message";
}

static void threads(void)
{
    shared = opened("lite", 2);
    shared_input = made(48 * 40 * 3), shared_expected = malloc(48 * 40 * 12);
    enlarger_picture in = { shared_input, 48, 40, 0 }, out = { shared_expected, 96, 80, 0 };
    CHECK(enlarger_upscale_pixels(shared, RGB, &in, &out, 1, NULL, NULL) == ENLARGER_OK);
    pthread_t handles[4];
    for (int i = 0; i < 4; i++) pthread_create(&handles[i], NULL, worker, NULL);
    for (int i = 0; i < 4; i++) {
        void *problem;
        pthread_join(handles[i], &problem);
        CHECK(problem == NULL);
    }
    enlarger_close(shared);
    free(shared_input), free(shared_expected);
}

int main(int count, char **words)
{
    if (count != 3) return 2;
    CHECK(enlarger_message()[0] == 0);
    options_and_handles();
    plans();
    pixels();
    rows();
    files(words[1], words[2]);
    threads();
    printf("%d checks of the C interface, %d failed\n", checks, failures);
    return failures != 0;
}
