/*
 * What the library is measured against; each on one thread beside main:
 *
 *   bare mhd BYTES
 *       libmicrohttpd as the library drives it: an epoll of ours, accept4(), MHD_add_connection(),
 *       MHD_run(); one ready-made response of so many bytes
 *   bare fast BYTES
 *       libmicrohttpd by itself, in the mode that is its fastest
 *   bare raw BYTES
 *       no HTTP library: reads until an empty line, sends a ready-made answer
 *
 * Prints its port, and serves until SIGTERM.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADERS                                                                                    \
    "Content-Type: application/health+json\r\nCache-Control: no-store\r\n"                         \
    "X-Content-Type-Options: nosniff\r\n"

#define CONNECTIONS 288u /* as many as the library has room for */

static void die(const char *what)
{
    (void)fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *allocate(size_t bytes)
{
    void *p = calloc(1, bytes + 1);

    if (p == NULL)
        die("memory");
    return p;
}

static int listener;

static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);

    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* As the library does: who is accepted has asked. */
    (void)setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &(int){3}, sizeof(int));
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 ||
        listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        die("listen");
    return ntohs(address.sin_port);
}

static void start_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, run, arg) != 0)
        die("thread");
}

/* A document of so many bytes. */
static char *make_body(size_t bytes)
{
    char *body = allocate(bytes);

    memset(body, 'x', bytes);
    return body;
}

static struct MHD_Response *make_response(size_t bytes)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(bytes, make_body(bytes), MHD_RESPMEM_PERSISTENT);

    if (response == NULL)
        die("response");
    (void)MHD_add_response_header(response, "Content-Type", "application/health+json");
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    return response;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *data, size_t *data_size, void **state)
{
    (void)path, (void)method, (void)version, (void)data, (void)data_size;
    /* Answered on the first call the connection would be closed, as there may be a body to come. */
    if (*state == NULL) {
        *state = arg;
        return MHD_YES;
    }
    return MHD_queue_response(connection, 200, arg);
}

static size_t leave_escaped(void *arg, struct MHD_Connection *connection, char *s)
{
    (void)arg, (void)connection;
    return strlen(s);
}

static void set_ready(int set, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

static void say_nothing(void *arg, const char *format, va_list arguments)
{
    (void)arg, (void)format, (void)arguments;
}

/* The same calls, flags and options as in src/http/, with none of what is in between. */
static void *run_mhd(void *arg)
{
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, handle, arg, MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, 0u,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)4096, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_escaped, NULL, MHD_OPTION_END);
    int set = epoll_create1(EPOLL_CLOEXEC), timeout = -1;

    if (daemon == NULL || set < 0)
        die("MHD");
    set_ready(set, listener);
    set_ready(set, MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    for (;;) {
        MHD_UNSIGNED_LONG_LONG ms;
        struct epoll_event events[64];
        int count = epoll_wait(set, events, 64, timeout), i;

        for (i = 0; i < count; i++) {
            struct sockaddr_storage address;
            socklen_t length = sizeof(address);
            int fd;

            if (events[i].data.fd != listener)
                continue;
            while ((fd = accept4(listener, (struct sockaddr *)&address, &length,
                        SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                (void)MHD_add_connection(daemon, fd, (struct sockaddr *)&address, length);
                length = sizeof(address);
            }
        }
        (void)MHD_run(daemon);
        timeout = MHD_get_timeout(daemon, &ms) == MHD_YES ? (int)ms : -1;
    }
    return NULL;
}

static int serve_mhd(size_t bytes)
{
    int port = listen_anywhere();

    start_thread(run_mhd, make_response(bytes));
    return port;
}

static int serve_mhd_fast(size_t bytes)
{
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO, 0, NULL, NULL, handle,
            make_response(bytes), MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_END);

    if (daemon == NULL)
        die("MHD");
    return MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

struct answer {
    char *bytes;
    size_t length;
};

/* One read and one write for each request. */
static void *run_raw(void *arg)
{
    const struct answer *answer = arg;
    int set = epoll_create1(EPOLL_CLOEXEC);

    set_ready(set, listener);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(set, events, 64, -1), i;

        for (i = 0; i < count; i++) {
            char request[4096];
            int fd = events[i].data.fd;
            ssize_t got;

            if (fd == listener) {
                while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
                    set_ready(set, fd);
                continue;
            }
            got = recv(fd, request, sizeof(request) - 1, 0);
            if (got <= 0) {
                (void)close(fd);
                continue;
            }
            request[got] = '\0';
            if (strstr(request, "\r\n\r\n") != NULL)
                (void)send(fd, answer->bytes, answer->length, MSG_NOSIGNAL);
            if (strstr(request, "onnection: close") != NULL)
                (void)close(fd);
        }
    }
    return NULL;
}

static int serve_raw(size_t bytes)
{
    static struct answer answer;
    int port = listen_anywhere();

    answer.bytes = allocate(bytes + 512);
    answer.length = (size_t)sprintf(answer.bytes,
        "HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 07:20:34 GMT\r\n" HEADERS
        "Content-Length: %zu\r\n\r\n",
        bytes);
    memset(answer.bytes + answer.length, 'x', bytes);
    answer.length += bytes;
    start_thread(run_raw, &answer);
    return port;
}

/* ---- */

int main(int argc, char **argv)
{
    size_t bytes;
    sigset_t ends;
    int port, number;

    if (argc != 3)
        return 2;
    bytes = strtoul(argv[2], NULL, 10);
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
    if (strcmp(argv[1], "mhd") == 0)
        port = serve_mhd(bytes);
    else if (strcmp(argv[1], "fast") == 0)
        port = serve_mhd_fast(bytes);
    else
        port = serve_raw(bytes);
    (void)printf("%d\n", port);
    (void)fflush(stdout);
    (void)sigwait(&ends, &number);
    /* Nothing is tidied up: of a whole process, that would be measured too. */
    _exit(0);
}
