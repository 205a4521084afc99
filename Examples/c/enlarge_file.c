/*
 * Enlarges a picture file three times in a budget, and prints what was planned and how far it is.
 *
 *     cc enlarge_file.c $(pkg-config --cflags --libs enlarger) -o enlarge_file
 *     ./enlarge_file photo.jpg photo_x3.png 256
 */
#include <enlarger.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int32_t progress(void *context, double done)
{
    (void)context;
    fprintf(stderr, "\r%3.0f %%", 100 * done);
    return 0; /* anything else stops */
}

int main(int count, char **words)
{
    if (count != 4) {
        fprintf(stderr, "enlarge_file INPUT OUTPUT MEBIBYTES\n");
        return 2;
    }
    const int32_t scale = 3;
    enlarger_options *options = enlarger_options_create();
    enlarger_options_set_model(options, "lite");
    enlarger_options_set_scales(options, &scale, 1);
    enlarger_options_set_memory(options, (int64_t)atoi(words[3]) << 20);

    enlarger_upscaler *upscaler;
    enlarger_result result;
    enlarger_status status = enlarger_open(options, &upscaler);
    enlarger_options_destroy(options);
    if (status == ENLARGER_OK) {
        const char *output = words[2];
        status = enlarger_upscale_file(upscaler, words[1], &output, 1, progress, NULL, &result);
    }
    if (status == ENLARGER_OK)
        printf("\n%s: %" PRId32 " x %" PRId32 ", planned %" PRId64 " bytes, %.2f s\n", enlarger_model_name(upscaler), result.width,
               result.height, result.planned_bytes, result.seconds);
    else
        fprintf(stderr, "%s: %s\n", enlarger_status_name(status), enlarger_message());
    enlarger_close(upscaler);
    return status != ENLARGER_OK;
}
