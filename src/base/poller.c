/*
 * What a thread waits on: epoll.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/poller.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/clock.h"

static uint32_t mask(unsigned what)
{
    return (what & HEALTH__READABLE ? (uint32_t)EPOLLIN : 0) |
           (what & HEALTH__HANGUP ? (uint32_t)EPOLLRDHUP : 0);
}

int health__poller_open(struct health__poller *p)
{
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    return p->fd < 0 ? -1 : 0;
}

void health__poller_close(struct health__poller *p)
{
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
}

static int control(
    struct health__poller *p, int operation, struct health__source *source, unsigned what)
{
    struct epoll_event event = {.events = mask(what), .data.ptr = source};

    return epoll_ctl(p->fd, operation, source->fd, &event);
}

int health__poller_add(struct health__poller *p, struct health__source *source, unsigned what)
{
    return control(p, EPOLL_CTL_ADD, source, what);
}

int health__poller_change(struct health__poller *p, struct health__source *source, unsigned what)
{
    return control(p, EPOLL_CTL_MOD, source, what);
}

void health__poller_remove(struct health__poller *p, struct health__source *source)
{
    /* Fails only where there is nothing to remove. */
    (void)control(p, EPOLL_CTL_DEL, source, 0);
}

bool health__poller_has(struct health__poller *p, struct health__source *source)
{
    /* Without memory in the kernel nothing is known, and so nothing lost. */
    return health__poller_change(p, source, HEALTH__READABLE) == 0 || errno == ENOMEM;
}

void health__poller_wait(
    struct health__poller *p, int64_t deadline_ms, int64_t now_ms, struct health__ready *ret_ready)
{
    int timeout = -1;

    if (deadline_ms <= now_ms)
        timeout = 0;
    else if (deadline_ms != HEALTH__NEVER)
        timeout = deadline_ms - now_ms > INT_MAX ? INT_MAX : (int)(deadline_ms - now_ms);
    ret_ready->count = epoll_wait(p->fd, ret_ready->events,
        (int)(sizeof(ret_ready->events) / sizeof(ret_ready->events[0])), timeout);
    if (ret_ready->count < 0)
        ret_ready->count = errno == EINTR || errno == ENOMEM ? HEALTH__INTERRUPTED : HEALTH__CLOSED;
}

void health__poller_dispatch(const struct health__ready *found)
{
    int i;

    for (i = 0; i < found->count; i++) {
        struct health__source *source = found->events[i].data.ptr;
        uint32_t events = found->events[i].events;
        unsigned what = 0;

        if (events & EPOLLIN)
            what |= HEALTH__READABLE;
        if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            what |= HEALTH__HANGUP;
        source->ready(source, what);
    }
}
