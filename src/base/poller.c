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

int health__poller_wait(struct health__poller *p, int64_t deadline_ms, int64_t now_ms)
{
    int timeout = -1;

    if (deadline_ms <= now_ms)
        timeout = 0;
    else if (deadline_ms != HEALTH__NEVER)
        timeout = deadline_ms - now_ms > INT_MAX ? INT_MAX : (int)(deadline_ms - now_ms);
    return epoll_wait(p->fd, p->found, (int)(sizeof(p->found) / sizeof(p->found[0])), timeout);
}

void health__poller_dispatch(struct health__poller *p, int ready)
{
    int i;

    for (i = 0; i < ready; i++) {
        struct health__source *source = p->found[i].data.ptr;
        uint32_t events = p->found[i].events;
        unsigned what = 0;

        if (events & EPOLLIN)
            what |= HEALTH__READABLE;
        if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            what |= HEALTH__HANGUP;
        source->ready(source, what);
    }
}
