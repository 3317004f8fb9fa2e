/*
 * Connecting before a deadline.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "probe/connect.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_FULL_MS 10 /* until a unix socket is tried again */

int64_t health__connect_now_ms(void)
{
    struct timespec t = {0, 0};

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int health__connect_left_ms(int64_t deadline)
{
    int64_t left = deadline - health__connect_now_ms();

    return left <= 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

struct attempt {
    int fd; /* -1: none, or no longer */
    int error;
    bool connected;
};

static void give_up(struct attempt *a, int error)
{
    if (a->fd >= 0)
        (void)close(a->fd);
    a->fd = -1;
    a->error = error;
}

static void begin(struct attempt *a, const struct health__address *address)
{
    *a = (struct attempt){.fd = -1};
    a->fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->fd < 0)
        a->error = errno;
    else if (connect(a->fd, (const struct sockaddr *)&address->socket, address->length) == 0)
        a->connected = true;
    else if (errno != EINPROGRESS)
        give_up(a, errno);
}

/* Begins, and as the queue of a unix socket that is full is no news that poll() would wait for,
 * begins again until the deadline. */
static void begin_patiently(
    struct attempt *a, const struct health__address *address, int64_t deadline)
{
    int left;

    begin(a, address);
    while (a->error == EAGAIN && (left = health__connect_left_ms(deadline)) > 0) {
        (void)poll(NULL, 0, left < QUEUE_FULL_MS ? left : QUEUE_FULL_MS);
        begin(a, address);
    }
}

/* Where nobody listens the kernel may happen to choose for our own port the one that we connect to:
 * then we are connected to ourselves. */
static bool is_itself(int fd)
{
    struct sockaddr_storage ours, theirs;
    socklen_t length = sizeof(ours), their_length = sizeof(theirs);

    return getsockname(fd, (struct sockaddr *)&ours, &length) == 0 &&
           getpeername(fd, (struct sockaddr *)&theirs, &their_length) == 0 &&
           length == their_length && memcmp(&ours, &theirs, length) == 0;
}

/* Looks at what has become of an attempt that poll() has something to say of. */
static void look(struct attempt *a)
{
    socklen_t size = sizeof(int);
    int error = 0;

    if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error == 0 && is_itself(a->fd))
        error = ECONNREFUSED;
    if (error != 0)
        give_up(a, error);
    else
        a->connected = true;
}

int health__connect_to(const struct health__url *url, int64_t deadline, int *ret_error)
{
    struct attempt attempts[2] = {{.fd = -1}, {.fd = -1}};
    bool any;
    int fd = -1;
    unsigned i;

    for (i = 0; i < url->address_count; i++)
        begin_patiently(&attempts[i], &url->addresses[i], deadline);
    for (;;) {
        struct pollfd waiting[2];

        any = false;
        for (i = 0; i < url->address_count && fd < 0; i++)
            if (attempts[i].connected) {
                fd = attempts[i].fd;
                attempts[i].fd = -1;
            }
        for (i = 0; i < 2; i++) {
            /* poll() passes over those that are negative. */
            waiting[i] = (struct pollfd){.fd = attempts[i].fd, .events = POLLOUT};
            any |= attempts[i].fd >= 0;
        }
        if (fd >= 0 || !any || health__connect_left_ms(deadline) == 0)
            break;
        if (poll(waiting, 2, health__connect_left_ms(deadline)) <= 0)
            continue;
        for (i = 0; i < 2; i++)
            if (attempts[i].fd >= 0 && waiting[i].revents != 0)
                look(&attempts[i]);
    }
    /* One that is still waited for tells more than one that is not there, and that more than one
     * that cannot be. */
    *ret_error = any ? ETIMEDOUT : attempts[0].error;
    if (!any && attempts[1].error == ECONNREFUSED)
        *ret_error = ECONNREFUSED;
    for (i = 0; i < 2; i++)
        give_up(&attempts[i], 0);
    return fd;
}
