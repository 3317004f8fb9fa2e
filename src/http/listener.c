/*
 * Where connections come from.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/listener.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/list.h"

#define RETRY_MS  100 /* after there was no descriptor, or no memory in the kernel */
#define MAX_TRIES 64  /* connections in a row that are gone before they are accepted */

int health__listeners_check(const char *list)
{
    struct health__address address;
    const char *rest = list;
    size_t count = 0;

    while (rest != NULL) {
        const char *one = rest + strspn(rest, " "), *wrong;

        if (*one == '\0' || *one == ',')
            return health__fail(
                HEALTH_EINVAL, EINVAL, "listen: an empty address in '%.128s'", list);
        wrong = health__address_parse(&rest, &address);
        if (wrong != NULL)
            return health__fail(HEALTH_EINVAL, EINVAL,
                "listen: '%.*s': %s (it is like \"*:8080\", \"127.0.0.1:8080\", \"[::1]:8080\", "
                "\"unix:/run/app.sock?mode=0660\")",
                (int)(strcspn(one, ",") < 128 ? strcspn(one, ",") : 128), one, wrong);
        if (++count > HEALTH__LISTENERS_MAX)
            return health__fail(
                HEALTH_EINVAL, EINVAL, "listen: more than %d addresses", HEALTH__LISTENERS_MAX);
    }
    return 0;
}

static void ready(struct health__source *source, unsigned what)
{
    struct health__listener *listener = health__container(source, struct health__listener, source);

    (void)what;
    listener->ready = true;
}

static int open_one(struct health__listeners *l, const struct health__address *address)
{
    struct health__listener *listener = &l->listeners[l->count];
    int fd = health__address_listen(address), cause = errno;

    if (fd < 0)
        return health__fail_errno(HEALTH_ELISTEN, cause, "cannot listen on %s%s", address->text,
            cause == EADDRINUSE && health__address_is_no_socket(address) ? ", which is no socket"
                                                                         : "");
    *listener = (struct health__listener){.source = {ready, fd}};
    health__local_init(&listener->local, address);
    if (health__fd_init(&listener->fd, fd) != 0 ||
        health__poller_add(l->poller, &listener->source, HEALTH__READABLE) != 0) {
        cause = errno;
        health__fd_close(&listener->fd);
        health__local_remove(&listener->local);
        return health__fail_errno(HEALTH_ESYSTEM, cause, "cannot wait on %s", address->text);
    }
    l->count++;
    return 0;
}

/* What cannot be had is tried again later. */
static void fill(struct health__listeners *l)
{
    size_t i;

    for (i = 0; i < HEALTH__RESERVE; i++)
        if (l->reserve[i].fd < 0)
            (void)health__fd_init(&l->reserve[i], socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

/* Which port the first has got.  Returns: 0 or HEALTH_ESYSTEM. */
static int learn_port(struct health__listeners *l)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);

    if (getsockname(l->listeners[0].fd.fd, (struct sockaddr *)&address, &length) != 0)
        return health__fail_errno(HEALTH_ESYSTEM, errno, "cannot tell what port it listens on");
    l->port = health__address_port(&address);
    return 0;
}

int health__listeners_open(
    struct health__listeners *l, struct health__poller *poller, const char *list)
{
    struct health__address address;
    int error = 0, cause;
    size_t i;

    *l = (struct health__listeners){.poller = poller, .paused_to = HEALTH__NOT_YET};
    for (i = 0; i < HEALTH__RESERVE; i++)
        l->reserve[i].fd = -1;
    while (error == 0 && list != NULL && health__address_parse(&list, &address) == NULL)
        error = open_one(l, &address);
    if (error == 0 && l->count > 0)
        error = learn_port(l);
    if (error != 0) {
        cause = errno;
        health__listeners_close(l);
        errno = cause;
        return error;
    }
    if (l->count > 0)
        fill(l);
    return 0;
}

void health__listeners_close(struct health__listeners *l)
{
    size_t i;

    for (i = 0; i < l->count; i++) {
        struct health__fd *fd = &l->listeners[i].fd;

        health__local_remove(&l->listeners[i].local);
        if (!health__fd_is_ours(fd))
            continue;
        health__poller_remove(l->poller, &l->listeners[i].source);
        /* A child of a fork() may hold it: so that the port is free all the same. */
        (void)shutdown(fd->fd, SHUT_RDWR);
        health__fd_close(fd);
    }
    l->count = 0;
    l->port = 0;
    for (i = 0; i < HEALTH__RESERVE; i++)
        health__fd_close(&l->reserve[i]);
}

void health__listeners_forget(struct health__listeners *l)
{
    size_t i;

    for (i = 0; i < l->count; i++)
        health__fd_close(&l->listeners[i].fd);
    for (i = 0; i < HEALTH__RESERVE; i++)
        health__fd_close(&l->reserve[i]);
    l->count = 0;
}

/* Returns: whether each is watched for it. */
static bool listen_for(struct health__listeners *l, unsigned what)
{
    bool all = true;
    size_t i;

    for (i = 0; i < l->count; i++) {
        all &= health__poller_change(l->poller, &l->listeners[i].source, what) == 0;
        /* It is told again: what was ready once may be the host's by now. */
        l->listeners[i].ready = false;
    }
    return all;
}

void health__listeners_pause(struct health__listeners *l, int64_t until)
{
    if (l->paused_to == HEALTH__NOT_YET)
        (void)listen_for(l, 0);
    l->paused_to = until;
}

void health__listeners_tend(struct health__listeners *l, int64_t now)
{
    if (l->count == 0)
        return;
    fill(l);
    if (l->paused_to != HEALTH__NOT_YET && l->paused_to <= now)
        l->paused_to = listen_for(l, HEALTH__READABLE) ? HEALTH__NOT_YET : now + RETRY_MS;
}

bool health__listeners_ready(const struct health__listeners *l)
{
    size_t i;

    for (i = 0; i < l->count && l->paused_to == HEALTH__NOT_YET; i++)
        if (l->listeners[i].ready)
            return true;
    return false;
}

void health__listeners_rest(struct health__listeners *l)
{
    size_t i;

    for (i = 0; i < l->count; i++)
        l->listeners[i].ready = false;
}

/* One of those held in reserve; NULL if none is left. */
static struct health__fd *find_reserve(struct health__listeners *l)
{
    size_t i;

    for (i = 0; i < HEALTH__RESERVE; i++)
        if (l->reserve[i].fd >= 0)
            return &l->reserve[i];
    return NULL;
}

/* Whether the error is about the one connection alone, so that the next may do better. */
static bool of_connection(int error)
{
    return error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM &&
           error != EBADF && error != EINVAL && error != ENOTSOCK;
}

/* accept4() says that there is no descriptor before it looks whether there is anyone. */
static bool someone_waits(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) != 0;
}

static int accept_from(struct health__listeners *l, struct health__listener *listener,
    struct sockaddr_storage *ret_address, socklen_t *ret_length, int64_t now)
{
    int tries;

    for (tries = 0; tries < MAX_TRIES; tries++) {
        struct health__fd *reserve;
        int fd, error;

        *ret_length = sizeof(*ret_address);
        fd = accept4(listener->fd.fd, (struct sockaddr *)ret_address, ret_length,
            SOCK_NONBLOCK | SOCK_CLOEXEC);
        error = errno;
        l->starved = false;
        if (fd >= 0)
            return fd;
        if (error == EMFILE || error == ENFILE) {
            l->starved = someone_waits(listener->fd.fd);
            if (!l->starved)
                error = EAGAIN;
        }
        if (error == EAGAIN) {
            listener->ready = false;
            return -1;
        }
        if (of_connection(error))
            continue;
        reserve = l->starved ? find_reserve(l) : NULL;
        if (reserve == NULL)
            break;
        health__fd_close(reserve);
    }
    health__listeners_pause(l, now + RETRY_MS);
    return -1;
}

int health__listeners_accept(struct health__listeners *l, struct sockaddr_storage *ret_address,
    socklen_t *ret_length, int64_t now)
{
    int fd = -1;
    size_t i;

    for (i = 0; i < l->count && fd < 0 && l->paused_to == HEALTH__NOT_YET; i++)
        if (l->listeners[i].ready)
            fd = accept_from(l, &l->listeners[i], ret_address, ret_length, now);
    return fd;
}
