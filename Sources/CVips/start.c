#define _GNU_SOURCE
#include "CVips.h"

#include <pthread.h>
#include <string.h>
#include <vips/vips.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int status = -1;

static void ignore_log(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
    (void)domain, (void)level, (void)message, (void)data;
}

// libvips sizes the buffers between operations for 128-row tiles: hundreds of rows in all. Whole rows in order need a
// tenth of that. The sizes can only be set the way its own command does.
static int use_short_strips(void)
{
    char *arguments[] = { "enlarger", "--vips-tile-height=8", "--vips-fatstrip-height=8", "--vips-thinstrip-height=1", NULL };
    char **pointer = arguments;
    int count = 4;
    GOptionContext *context = g_option_context_new(NULL);
    GOptionGroup *group = g_option_group_new("vips", "", "", NULL, NULL);
    vips_add_option_entries(group);
    g_option_context_set_main_group(context, group);
    int result = g_option_context_parse(context, &count, &pointer, NULL) ? 0 : -1;
    g_option_context_free(context);
    return result;
}

static void start(void)
{
    // Warnings of the codecs end up in GLib's log; what matters comes back as an error.
    g_log_set_default_handler(ignore_log, NULL);
    if (vips_init("enlarger") || use_short_strips())
        return;
    vips_cache_set_max(0);
    vips_concurrency_set(1);
    vips_block_untrusted_set(TRUE);
    vips_operation_block_set("VipsForeignLoadPpm", FALSE);
    status = 0;
}

int ev_start(void)
{
    pthread_once(&once, start);
    return status;
}

void ev_take_error(char *text, size_t capacity)
{
    char *pending = vips_error_buffer_copy();
    g_strstrip(pending);
    // The codecs repeat themselves: one sentence is enough.
    size_t used = 0;
    char *state = NULL;
    text[0] = 0;
    for (char *line = strtok_r(pending, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
        if (strstr(text, line))
            continue;
        size_t length = strlen(line);
        if (used + length + 3 > capacity)
            break;
        if (used) {
            memcpy(text + used, "; ", 2);
            used += 2;
        }
        memcpy(text + used, line, length + 1);
        used += length;
    }
    g_free(pending);
}

static int has(const char *name)
{
    return ev_start() == 0 && vips_type_find("VipsOperation", name) != 0;
}

int ev_can_write(int format)
{
    switch (format) {
    case EV_PNG: return has("pngsave_target");
    case EV_JPEG: return has("jpegsave_target");
    case EV_WEBP: return has("webpsave_target");
    case EV_TIFF: return has("tiffsave_target");
    case EV_HEIF: return has("heifsave_target");
    case EV_SZI: return has("pngsave_buffer");
    default: return 0;
    }
}

int ev_can_read(int format)
{
    switch (format) {
    case EV_PNG: return has("pngload_source");
    case EV_JPEG: return has("jpegload_source");
    case EV_WEBP: return has("webpload_source");
    case EV_TIFF: return has("tiffload_source");
    case EV_HEIF: return has("heifload_source");
    case EV_GIF: return has("gifload_source");
    case EV_PNM: return has("ppmload_source");
    default: return 0;
    }
}
