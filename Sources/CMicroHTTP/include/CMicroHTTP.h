// libmicrohttpd as Swift can call it: no variadic functions, no macros. Names follow <microhttpd.h>.
#ifndef ENLARGER_CMICROHTTP_H
#define ENLARGER_CMICROHTTP_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct MHD_Daemon;
struct MHD_Connection;
struct MHD_Response;

struct hs_options {
    /// Bound and listening; the daemon's from now on.
    int listening_socket;
    unsigned threads;
    unsigned connections;
    unsigned connections_per_client;
    unsigned idle_seconds;
    /// Of a connection: the request's header has to fit, with some room for MHD's own use.
    size_t memory;
    /// PEM texts, both or none: TLS.
    const char *certificate;
    const char *key;
};

struct hs_callbacks {
    void *context;
    /// The result goes with the connection.
    void *(*connection_began)(void *context, int socket, const char *address);
    void (*connection_ended)(void *context, void *connection);
    /// The request line has come. The result goes with the request.
    void *(*request_began)(void *context, void *connection, const char *target);
    /// The header has come (`size` 0, first), a piece of the body (`*size` set to what is left of it), the end (`size` 0).
    /// Result: 0 closes the connection.
    int (*request)(void *context, struct MHD_Connection *, void *request, const char *method, const char *version, const char *data, size_t *size);
    /// `is_complete`: the answer was sent to its end.
    void (*request_ended)(void *context, void *request, int is_complete);
    void (*log)(void *context, const char *message);
};

/// NULL when it cannot start (TLS files that make no sense, no threads).
struct MHD_Daemon *hs_start(const struct hs_options *, const struct hs_callbacks *);
/// Accepts no more connections; the listening socket is the caller's again (-1: there was none).
int hs_quiesce(struct MHD_Daemon *);
/// - Precondition: no connection is suspended.
void hs_stop(struct MHD_Daemon *);
unsigned hs_connection_count(struct MHD_Daemon *);

void hs_headers(struct MHD_Connection *, void *context, void (*each)(void *context, const char *name, size_t name_size, const char *value, size_t value_size));
void hs_suspend(struct MHD_Connection *);
void hs_resume(struct MHD_Connection *);

/// The bytes are copied.
struct MHD_Response *hs_response_bytes(const void *bytes, size_t count);
/// The bytes live as long as the process.
struct MHD_Response *hs_response_static(const void *bytes, size_t count);
/// The descriptor is the response's from now on.
struct MHD_Response *hs_response_file(int descriptor, uint64_t offset, uint64_t count);
enum { hs_end = -1, hs_failure = -2 };
struct MHD_Response *hs_response_stream(ssize_t (*read)(void *context, uint64_t offset, char *bytes, size_t count), void *context, void (*end)(void *context));
/// 0 when a name or value is not allowed in a header.
int hs_add_header(struct MHD_Response *, const char *name, const char *value);
int hs_add_footer(struct MHD_Response *, const char *name, const char *value);
/// Gives the response up, sent or not.
int hs_queue(struct MHD_Connection *, unsigned status, struct MHD_Response *);

/// A multipart/form-data body.
struct hs_form;
/// Calls `part` for pieces of parts, in order; `name` and `file_name` may be NULL. 0 from `part` ends it.
/// NULL where the header does not announce a form.
struct hs_form *hs_form_begin(struct MHD_Connection *, void *context, int (*part)(void *context, const char *name, const char *file_name, const char *data, uint64_t offset, size_t size));
/// 0 when the bytes are no form, or `part` was 0.
int hs_form_add(struct hs_form *, const char *data, size_t size);
/// 0 when the form is not complete.
int hs_form_end(struct hs_form *);

#endif
