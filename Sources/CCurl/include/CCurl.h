// Shim over libcurl for model downloads: libcurl's variadic setters do not import into Swift.
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

#endif
