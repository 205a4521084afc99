// Shim over libcurl, for model downloads (ec_get) and for S3 (ec_call): libcurl's variadic setters do not import into Swift.
#ifndef CCURL_H
#define CCURL_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *url;
    int64_t from;             // first byte that is wanted; above 0 it is asked for with a Range header
    int32_t allow_http;       // 0: https alone, for the address and for every redirect
    int32_t connect_seconds;
    int32_t stall_seconds;    // give up when less than a byte a second came for so long
    // Told every piece of the body with the response's status; anything but 0 ends the transfer.
    int (*body)(void *context, long status, const void *bytes, size_t count);
    void *context;
} ECRequest;

typedef struct {
    long status;              // of the last response; 0 when there was none
    int32_t stopped;          // 1: `body` ended the transfer
    char message[256];        // why it failed; empty for success
} ECResponse;

// One GET. 0 when a response came whole, whatever its status; -1 otherwise, with the reason in `response->message`.
int ec_get(const ECRequest *request, ECResponse *response);

// ---- call.c

// A handle of libcurl with its open connections; one thread at a time uses it.
typedef struct ECSession ECSession;
ECSession *ec_session_open(void);
void ec_session_close(ECSession *session);

typedef struct {
    const char *method;
    const char *url;          // sent and signed as it stands: percent-encoded, parameters sorted
    const char *const *headers; // "Name: value"; all of them are signed
    size_t header_count;
    // The body: `body`, or `body_count` bytes of the file `descriptor` from `body_offset` on where that is not -1.
    const void *body;
    size_t body_count;
    int descriptor;
    int64_t body_offset;
    // libcurl signs (AWS Signature Version 4) where `user` is not NULL. `signing` is "aws:amz:REGION:SERVICE".
    const char *signing, *user, *secret;
    const char *authority;    // PEM file of certificates to trust, or NULL
    int32_t connect_seconds;
    int32_t stall_seconds;
    void *context;
    int (*header)(void *context, const char *line, size_t count);
    int (*received)(void *context, long status, const void *bytes, size_t count);
} ECCall;

// One request of any method. As ec_get.
int ec_call(ECSession *session, const ECCall *call, ECResponse *response);

// Seconds since 1970 of a date as HTTP writes it; 0 for what is none.
int64_t ec_date(const char *text);

#endif
