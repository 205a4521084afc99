#include "CMicroHTTP.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *data, size_t *size, void **request) {
    (void)url;
    const struct hs_callbacks *c = context;
    return c->request(c->context, connection, *request, method, version, data, size) ? MHD_YES : MHD_NO;
}

static void *connection_context(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void *begin_request(void *context, const char *target, struct MHD_Connection *connection) {
    const struct hs_callbacks *c = context;
    return c->request_began(c->context, connection_context(connection), target);
}

static void end_request(void *context, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode code) {
    (void)connection;
    const struct hs_callbacks *c = context;
    if (*request) c->request_ended(c->context, *request, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    *request = NULL;
}

static void write_address(struct MHD_Connection *connection, char *text, socklen_t size) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    *text = 0;
    if (!address) return;
    if (address->sa_family == AF_INET) inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, size);
    if (address->sa_family == AF_INET6) inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text, size);
}

static void change_connection(void *context, struct MHD_Connection *connection, void **kept, enum MHD_ConnectionNotificationCode code) {
    const struct hs_callbacks *c = context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        char address[INET6_ADDRSTRLEN];
        write_address(connection, address, sizeof address);
        *kept = c->connection_began(c->context, info ? info->connect_fd : -1, address);
    } else if (*kept) {
        c->connection_ended(c->context, *kept);
        *kept = NULL;
    }
}

static void write_log(void *context, const char *format, va_list arguments) {
    const struct hs_callbacks *c = context;
    char message[512];
    vsnprintf(message, sizeof message, format, arguments);
    c->log(c->context, message);
}

struct MHD_Daemon *hs_start(const struct hs_options *options, const struct hs_callbacks *callbacks) {
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct hs_callbacks *kept = malloc(sizeof *kept);  // as long as the process: MHD keeps the address
    if (!kept) return NULL;
    *kept = *callbacks;
    struct MHD_OptionItem items[12];
    int n = 0;
#define ITEM(o, v, p) items[n++] = (struct MHD_OptionItem){o, (intptr_t)(v), p}
    ITEM(MHD_OPTION_LISTEN_SOCKET, options->listening_socket, NULL);
    if (options->threads > 1) ITEM(MHD_OPTION_THREAD_POOL_SIZE, options->threads, NULL);
    ITEM(MHD_OPTION_CONNECTION_LIMIT, options->connections, NULL);
    ITEM(MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->connections_per_client, NULL);
    ITEM(MHD_OPTION_CONNECTION_TIMEOUT, options->idle_seconds, NULL);
    ITEM(MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->memory, NULL);
    ITEM(MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL);
    if (options->certificate && options->key) {
        flags |= MHD_USE_TLS;
        ITEM(MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)options->certificate);
        ITEM(MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)options->key);
    }
    ITEM(MHD_OPTION_END, 0, NULL);
#undef ITEM
    return MHD_start_daemon(flags, 0, NULL, NULL, handle, kept, MHD_OPTION_EXTERNAL_LOGGER, write_log, kept, MHD_OPTION_URI_LOG_CALLBACK,
                            begin_request, kept, MHD_OPTION_NOTIFY_COMPLETED, end_request, kept, MHD_OPTION_NOTIFY_CONNECTION,
                            change_connection, kept, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}

int hs_quiesce(struct MHD_Daemon *daemon) { return MHD_quiesce_daemon(daemon); }
void hs_stop(struct MHD_Daemon *daemon) { MHD_stop_daemon(daemon); }

unsigned hs_connection_count(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info ? info->num_connections : 0;
}

struct each_header {
    void *context;
    void (*each)(void *, const char *, size_t, const char *, size_t);
};

static enum MHD_Result give_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size, const char *value, size_t value_size) {
    (void)kind;
    const struct each_header *e = context;
    e->each(e->context, name, name_size, value ? value : "", value ? value_size : 0);
    return MHD_YES;
}

void hs_headers(struct MHD_Connection *connection, void *context, void (*each)(void *, const char *, size_t, const char *, size_t)) {
    struct each_header e = {context, each};
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, give_header, &e);
}

void hs_suspend(struct MHD_Connection *connection) { MHD_suspend_connection(connection); }
void hs_resume(struct MHD_Connection *connection) { MHD_resume_connection(connection); }

struct MHD_Response *hs_response_bytes(const void *bytes, size_t count) {
    return MHD_create_response_from_buffer(count, (void *)bytes, MHD_RESPMEM_MUST_COPY);
}

struct MHD_Response *hs_response_static(const void *bytes, size_t count) {
    return MHD_create_response_from_buffer(count, (void *)bytes, MHD_RESPMEM_PERSISTENT);
}

struct MHD_Response *hs_response_file(int descriptor, uint64_t offset, uint64_t count) {
    return MHD_create_response_from_fd_at_offset64(count, descriptor, offset);
}

struct MHD_Response *hs_response_stream(ssize_t (*read)(void *, uint64_t, char *, size_t), void *context, void (*end)(void *)) {
    _Static_assert(hs_end == MHD_CONTENT_READER_END_OF_STREAM && hs_failure == MHD_CONTENT_READER_END_WITH_ERROR, "as MHD has them");
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 64 << 10, read, context, end);
}

int hs_add_header(struct MHD_Response *response, const char *name, const char *value) { return MHD_add_response_header(response, name, value) == MHD_YES; }
int hs_add_footer(struct MHD_Response *response, const char *name, const char *value) { return MHD_add_response_footer(response, name, value) == MHD_YES; }

int hs_queue(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response) {
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result == MHD_YES;
}

struct hs_form {
    struct MHD_PostProcessor *processor;
    void *context;
    int (*part)(void *, const char *, const char *, const char *, uint64_t, size_t);
};

static enum MHD_Result give_part(void *context, enum MHD_ValueKind kind, const char *name, const char *file_name, const char *type,
                                 const char *encoding, const char *data, uint64_t offset, size_t size) {
    (void)kind, (void)type, (void)encoding;
    const struct hs_form *f = context;
    return f->part(f->context, name, file_name, data, offset, size) ? MHD_YES : MHD_NO;
}

struct hs_form *hs_form_begin(struct MHD_Connection *connection, void *context,
                              int (*part)(void *, const char *, const char *, const char *, uint64_t, size_t)) {
    struct hs_form *f = malloc(sizeof *f);
    if (!f) return NULL;
    f->context = context;
    f->part = part;
    f->processor = MHD_create_post_processor(connection, 16 << 10, give_part, f);
    if (f->processor) return f;
    free(f);
    return NULL;
}

int hs_form_add(struct hs_form *f, const char *data, size_t size) { return MHD_post_process(f->processor, data, size) == MHD_YES; }

int hs_form_end(struct hs_form *f) {
    int result = MHD_destroy_post_processor(f->processor) == MHD_YES;
    free(f);
    return result;
}
