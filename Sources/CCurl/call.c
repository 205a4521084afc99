#define _GNU_SOURCE
#include "CCurl.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "start.h"

struct ECSession {
    CURL *handle;
};

typedef struct {
    const ECCall *call;
    ECResponse *response;
    CURL *handle;
    size_t sent;
} Exchange;

ECSession *ec_session_open(void) {
    ec_start();
    ECSession *session = malloc(sizeof *session);
    if (!session) return NULL;
    session->handle = curl_easy_init();
    if (session->handle) return session;
    free(session);
    return NULL;
}

void ec_session_close(ECSession *session) {
    curl_easy_cleanup(session->handle);
    free(session);
}

static size_t take_header(char *bytes, size_t size, size_t count, void *context) {
    Exchange *exchange = context;
    return exchange->call->header(exchange->call->context, bytes, size * count) == 0 ? size * count : 0;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *context) {
    Exchange *exchange = context;
    long status = 0;
    curl_easy_getinfo(exchange->handle, CURLINFO_RESPONSE_CODE, &status);
    if (exchange->call->received(exchange->call->context, status, bytes, size * count) == 0) return size * count;
    exchange->response->stopped = 1;
    return 0;
}

static size_t give_body(char *room, size_t size, size_t count, void *context) {
    Exchange *exchange = context;
    const ECCall *call = exchange->call;
    size_t rest = call->body_count - exchange->sent, wanted = size * count < rest ? size * count : rest;
    if (!wanted) return 0;
    ssize_t got = (ssize_t)wanted;
    if (call->descriptor >= 0)
        got = pread(call->descriptor, room, wanted, (off_t)(call->body_offset + (int64_t)exchange->sent));
    else
        memcpy(room, (const char *)call->body + exchange->sent, wanted);
    if (got <= 0) return CURL_READFUNC_ABORT;
    exchange->sent += (size_t)got;
    return (size_t)got;
}

// A connection that was kept and is gone needs the body again from its beginning.
static int seek_body(void *context, curl_off_t offset, int origin) {
    if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
    ((Exchange *)context)->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

int ec_call(ECSession *session, const ECCall *call, ECResponse *response) {
    memset(response, 0, sizeof *response);
    CURL *handle = session->handle;
    curl_easy_reset(handle); // connections stay open
    Exchange exchange = {call, response, handle, 0};
    char reason[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "enlarge");
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, (long)call->connect_seconds);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (long)call->stall_seconds);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &exchange);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, &exchange);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS, CURLPROTO_HTTPS | CURLPROTO_HTTP);
#endif
    // A key may hold segments that mean something in addresses of the web.
    curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
    if (call->authority) curl_easy_setopt(handle, CURLOPT_CAINFO, call->authority);
    if (call->body_count > 0 || !strcmp(call->method, "PUT")) {
        curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(handle, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(handle, CURLOPT_READDATA, &exchange);
        curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, seek_body);
        curl_easy_setopt(handle, CURLOPT_SEEKDATA, &exchange);
        curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->body_count);
    } else if (!strcmp(call->method, "HEAD")) {
        curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    } else if (!strcmp(call->method, "POST")) {
        curl_easy_setopt(handle, CURLOPT_POST, 1L);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDS, "");
    }
    if (strcmp(call->method, "HEAD")) curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, call->method);
    CURLcode code = CURLE_OK;
    if (call->user) {
        code = curl_easy_setopt(handle, CURLOPT_AWS_SIGV4, call->signing);
        curl_easy_setopt(handle, CURLOPT_USERNAME, call->user);
        curl_easy_setopt(handle, CURLOPT_PASSWORD, call->secret);
    }
    // "Expect:" would keep large bodies from waiting for a 100, but libcurl 7.88 signs it and does not send it.
    curl_easy_setopt(handle, CURLOPT_EXPECT_100_TIMEOUT_MS, 200L);
    struct curl_slist *headers = NULL;
    for (size_t i = 0; i < call->header_count && code == CURLE_OK; i++) {
        struct curl_slist *longer = curl_slist_append(headers, call->headers[i]);
        if (!longer) code = CURLE_OUT_OF_MEMORY;
        else headers = longer;
    }
    if (code == CURLE_OK) code = curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    if (code == CURLE_OK) code = curl_easy_setopt(handle, CURLOPT_URL, call->url);
    if (code == CURLE_OK) code = curl_easy_perform(handle);
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &response->status);
    if (code != CURLE_OK) snprintf(response->message, sizeof response->message, "%s", reason[0] ? reason : curl_easy_strerror(code));
    curl_slist_free_all(headers);
    return code == CURLE_OK ? 0 : -1;
}

int64_t ec_date(const char *text) {
    time_t moment = curl_getdate(text, NULL);
    return moment < 0 ? 0 : (int64_t)moment;
}
