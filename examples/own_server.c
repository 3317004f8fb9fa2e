/*
 * own_server: a service that has an HTTP server already answers its probes there.
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 *
 * The library listens nowhere here: its loop runs the checks and judges, and health_document()
 * tells what a request would have been told.  The server is libmicrohttpd's; with any other, and
 * with the statuses of gRPC's health service, it is the same call.
 */
#include <health/health.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    DOCUMENT_BYTES = 16384,
    SERVER_THREADS = 4 /* each may wait for checks, as long as the option response_ms says */
};

/* ---- Health ------------------------------------------------------------------------------ */

static enum health_status check_load(struct health_result *result, void *arg)
{
    double load[1];
    (void)arg;
    if (getloadavg(load, 1) != 1)
        return health_explain(result, HEALTH_FAIL, "no load average");
    health_observe(result, load[0], "runnable threads");
    return load[0] < 1000 ? HEALTH_PASS : HEALTH_WARN;
}

static const char internal[] = "/internal/"; /* what is behind it is for probes */

/* Returns the probe of this name; 0: none. */
static unsigned find_probe(const char *name)
{
    if (strcmp(name, "live") == 0)
        return HEALTH_LIVE;
    if (strcmp(name, "startup") == 0)
        return HEALTH_STARTUP;
    return strcmp(name, "ready") == 0 ? HEALTH_READY : 0;
}

/* ---- The service's own server ------------------------------------------------------------ */

static enum MHD_Result answer(
    struct MHD_Connection *connection, unsigned code, const char *type, const char *body, size_t n)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(n, (void *)(size_t)body, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    enum MHD_Result queued = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result answer_probe(struct MHD_Connection *connection, unsigned probe)
{
    static const char none[] = "not found\n";
    char document[DOCUMENT_BYTES];
    enum health_status status = HEALTH_FAIL;
    size_t length = 0;
    if (probe == 0)
        return answer(connection, 404, "text/plain", none, sizeof(none) - 1);
    /* Where only the document fails, for want of room or memory, the status is there all the same:
     * the code is what a probe reads. */
    if (health_document(NULL, probe, document, sizeof(document), &length, &status) != 0)
        length = 0;
    return answer(
        connection, status == HEALTH_FAIL ? 503 : 200, "application/health+json", document, length);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *data, size_t *data_size, void **state)
{
    static const char hello[] = "hello\n";
    const size_t prefix = sizeof(internal) - 1;
    (void)arg, (void)method, (void)version, (void)data, (void)data_size, (void)state;
    if (strncmp(path, internal, prefix) == 0)
        return answer_probe(connection, find_probe(path + prefix));
    return answer(connection, 200, "text/plain", hello, sizeof(hello) - 1);
}

/* ---- From start to end ------------------------------------------------------------------- */

static void fail(const char *what)
{
    fprintf(stderr, "own_server: %s\n", what);
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    unsigned long port = argc > 1 ? strtoul(argv[1], NULL, 10) : 8000;
    sigset_t ends;
    int number;
    if (port > 65535)
        fail("the port is above 65535");
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL);

    if (health_register_check("load", check_load, NULL) != 0 || health_start(NULL) != 0)
        fail(health_last_error());
    struct MHD_Daemon *server =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)port, NULL, NULL, handle, NULL,
            MHD_OPTION_THREAD_POOL_SIZE, (unsigned)SERVER_THREADS, MHD_OPTION_END);
    if (server == NULL)
        fail("cannot listen");
    printf("service and health on port %u\n",
        (unsigned)MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT)->port);
    (void)fflush(stdout);

    (void)sigwait(&ends, &number);
    health_drain(NULL);
    MHD_stop_daemon(server);
    return health_stop(NULL, 1000) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
