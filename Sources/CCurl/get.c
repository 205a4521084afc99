#include "CCurl.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "start.h"

typedef struct {
    const ECRequest *request;
    ECResponse *response;
    CURL *handle;
} Transfer;

static size_t take(char *bytes, size_t size, size_t count, void *context) {
    Transfer *transfer = context;
    long status = 0;
    curl_easy_getinfo(transfer->handle, CURLINFO_RESPONSE_CODE, &status);
    if (transfer->request->body(transfer->request->context, status, bytes, size * count) == 0) return size * count;
    transfer->response->stopped = 1;
    return 0;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void start(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }
void ec_start(void) { pthread_once(&once, start); }

int ec_get(const ECRequest *request, ECResponse *response) {
    memset(response, 0, sizeof *response);
    ec_start();
    CURL *handle = curl_easy_init();
    if (!handle) {
        snprintf(response->message, sizeof response->message, "libcurl does not start");
        return -1;
    }
    Transfer transfer = {request, response, handle};
    char reason[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "enlarge");
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(handle, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, (long)request->connect_seconds);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (long)request->stall_seconds);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
    // The names came with 7.85; before it the same are bits.
#if LIBCURL_VERSION_NUM >= 0x075500
    const char *protocols = request->allow_http ? "http,https" : "https";
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, protocols);
    curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
#else
    long protocols = CURLPROTO_HTTPS | (request->allow_http ? CURLPROTO_HTTP : 0);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS, protocols);
    curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS, protocols);
#endif
    // Plain http is for this machine alone, which no proxy reaches.
    if (request->allow_http) curl_easy_setopt(handle, CURLOPT_NOPROXY, "127.0.0.1");
    char range[32];
    if (request->from > 0) {
        snprintf(range, sizeof range, "%lld-", (long long)request->from);
        curl_easy_setopt(handle, CURLOPT_RANGE, range);
    }
    CURLcode code = curl_easy_setopt(handle, CURLOPT_URL, request->url);
    if (code == CURLE_OK) code = curl_easy_perform(handle);
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &response->status);
    if (code != CURLE_OK) snprintf(response->message, sizeof response->message, "%s", reason[0] ? reason : curl_easy_strerror(code));
    curl_easy_cleanup(handle);
    return code == CURLE_OK ? 0 : -1;
}
