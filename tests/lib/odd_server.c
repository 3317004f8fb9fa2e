/*
 * A server that answers as a test tells it to.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "odd_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FLOOD_BYTES 16384
#define FULL_MS     150 /* no connection within that time: the queue is full */

/* ---- Listening ---- */

/* Returns: the length of the address; 0 if it is none. */
static socklen_t address_of(struct sockaddr_storage *to, const char *at, int port)
{
    struct sockaddr_in *four = (struct sockaddr_in *)to;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;
    struct sockaddr_un *un = (struct sockaddr_un *)to;

    memset(to, 0, sizeof(*to));
    if (at[0] == '/') {
        if (strlen(at) >= sizeof(un->sun_path))
            return 0;
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, at, strlen(at) + 1);
        return sizeof(*un);
    }
    if (inet_pton(AF_INET, at, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        return sizeof(*four);
    }
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)port);
    return inet_pton(AF_INET6, at, &six->sin6_addr) == 1 ? sizeof(*six) : 0;
}

int odd_listen(const char *at, int *port, int places)
{
    struct sockaddr_storage address;
    socklen_t length = address_of(&address, at, *port);
    int fd, error, yes = 1;

    errno = EINVAL;
    if (length == 0)
        return -1;
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (address.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
    if (bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, places) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    if (address.ss_family == AF_INET)
        *port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    else if (address.ss_family == AF_INET6)
        *port = ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return fd;
}

/* ---- Serving ---- */

/* Waits for the events of the connection.  Returns: false when it is time to stop. */
static bool wait_for(const struct odd_server *s, int fd, short events, int timeout_ms)
{
    struct pollfd p[2] = {{.fd = s->stop[0], .events = POLLIN}, {.fd = fd, .events = events}};

    while (poll(p, 2, timeout_ms) < 0 && errno == EINTR)
        ;
    return p[0].revents == 0;
}

static void hear(struct odd_server *s, int fd)
{
    size_t length = 0;
    ssize_t n;

    while (length < sizeof(s->request) - 1 && wait_for(s, fd, POLLIN, -1)) {
        n = recv(fd, s->request + length, sizeof(s->request) - 1 - length, 0);
        if (n <= 0)
            return;
        length += (size_t)n;
        s->request[length] = '\0';
        if (length == (size_t)n)
            atomic_fetch_add(&s->heard, 1);
        if (strstr(s->request, "\r\n\r\n") != NULL)
            return;
    }
}

/* Returns: false if the peer is gone, or it is time to stop. */
static bool say(struct odd_server *s, int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (n < 0 && !wait_for(s, fd, POLLOUT, -1))
            return false;
        if (n > 0) {
            text += n;
            length -= (size_t)n;
            atomic_fetch_add(&s->sent, n);
        }
    }
    return true;
}

static bool trickle(struct odd_server *s, int fd, const char *text, size_t length, int interval_ms)
{
    while (length-- > 0)
        if (!say(s, fd, text++, 1) || !wait_for(s, -1, 0, interval_ms))
            return false;
    return true;
}

static void flood(struct odd_server *s, int fd, const char *text, size_t length, long long total)
{
    char block[FLOOD_BYTES];
    size_t size = 0, count;
    long long done;

    for (; size + length <= sizeof(block); size += length)
        /* Who floods has something to say.
         * NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
        memcpy(block + size, text, length);
    for (done = 0; total == 0 || done < total; done += (long long)count) {
        count = total > 0 && total - done < (long long)size ? (size_t)(total - done) : size;
        if (!say(s, fd, block, count))
            return;
    }
}

static void hang(struct odd_server *s, int fd)
{
    char ignored[1024];
    ssize_t n;

    do {
        if (!wait_for(s, fd, POLLRDHUP, -1))
            return;
        n = recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT);
    } while (n > 0);
}

static void serve(struct odd_server *s, int fd)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    size_t i;

    for (i = 0; i < ODD_STEPS; i++) {
        const struct odd_step *step = &s->steps[i];
        size_t length = step->length > 0     ? step->length
                        : step->text != NULL ? strlen(step->text)
                                             : 0;

        switch (step->what) {
        case ODD_CLOSE:
            return;
        case ODD_RESET:
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
            return;
        case ODD_HEAR:
            hear(s, fd);
            break;
        case ODD_SAY:
            (void)say(s, fd, step->text, length);
            break;
        case ODD_TRICKLE:
            (void)trickle(s, fd, step->text, length, (int)step->number);
            break;
        case ODD_FLOOD:
            flood(s, fd, step->text, length, step->number);
            break;
        case ODD_END:
            (void)shutdown(fd, SHUT_WR);
            break;
        case ODD_HANG:
            hang(s, fd);
            break;
        }
    }
}

static void *run(void *arg)
{
    struct odd_server *s = arg;

    while (wait_for(s, s->fd, POLLIN, -1)) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            continue;
        serve(s, fd);
        (void)close(fd);
    }
    return NULL;
}

int odd_server_start(struct odd_server *s)
{
    s->request[0] = '\0';
    s->fd = odd_listen(s->at != NULL ? s->at : "127.0.0.1", &s->port, 64);
    if (s->fd < 0)
        return -1;
    if (pipe(s->stop) != 0) {
        (void)close(s->fd);
        return -1;
    }
    errno = pthread_create(&s->thread, NULL, run, s);
    if (errno == 0)
        return 0;
    (void)close(s->stop[0]);
    (void)close(s->stop[1]);
    (void)close(s->fd);
    return -1;
}

void odd_server_stop(struct odd_server *s)
{
    (void)close(s->stop[1]);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->stop[0]);
    (void)close(s->fd);
    if (s->at != NULL && s->at[0] == '/')
        (void)unlink(s->at);
}

/* ---- Holes ---- */

int odd_hole_start(struct odd_hole *h, const char *at, int *port)
{
    struct sockaddr_storage address;
    socklen_t length;

    h->count = 0;
    h->fd = odd_listen(at, port, 0);
    if (h->fd < 0)
        return -1;
    length = address_of(&address, at, *port);
    while (h->count < (int)(sizeof(h->fillers) / sizeof(h->fillers[0]))) {
        int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct pollfd p = {.fd = fd, .events = POLLOUT};

        if (fd < 0)
            break;
        h->fillers[h->count++] = fd;
        if (connect(fd, (struct sockaddr *)&address, length) == 0)
            continue;
        if (errno == EAGAIN || (errno == EINPROGRESS && poll(&p, 1, FULL_MS) == 0))
            return 0;
    }
    odd_hole_stop(h);
    errno = ENOTSUP;
    return -1;
}

void odd_hole_open(struct odd_hole *h)
{
    while (h->count > 0)
        (void)close(h->fillers[--h->count]);
    for (;;) {
        int fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct pollfd p = {.fd = h->fd, .events = POLLIN};

        if (fd >= 0)
            (void)close(fd);
        if (poll(&p, 1, 0) <= 0)
            return;
    }
}

void odd_hole_stop(struct odd_hole *h)
{
    while (h->count > 0)
        (void)close(h->fillers[--h->count]);
    (void)close(h->fd);
}
