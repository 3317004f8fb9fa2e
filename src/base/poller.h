/*
 * What a thread waits on: an epoll set whose members say themselves what is to be done.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_BASE_POLLER_H
#define HEALTH_BASE_POLLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

enum {
    HEALTH__READABLE = 1,
    HEALTH__HANGUP = 2 /* the peer has shut its side, or all of it */
};

/* One descriptor of the set.  Lives until health__poller_remove(), and, as it may stand in a batch
 * of events already, until the call of health__poller_wait() that this happens in returns. */
struct health__source {
    void (*ready)(struct health__source *source, unsigned what);
    int fd;
};

struct health__poller {
    int fd; /* -1: not open */
};

/* What a wait has found. */
struct health__ready {
    int count; /* how many; or one of the following */
    struct epoll_event events[64];
};
enum {
    HEALTH__INTERRUPTED = -1, /* the process was stopped and goes on, or changes its user: all other
                                 asynchronous signals are blocked in the threads that wait; or the
                                 kernel had no memory */
    HEALTH__CLOSED = -2       /* the set is no more: the host has closed its descriptor */
};

/* Returns: 0, or -1 with errno. */
int health__poller_open(struct health__poller *p);
void health__poller_close(struct health__poller *p);

/* Watches the source for `what`; level-triggered.  Returns: 0, or -1 with errno. */
int health__poller_add(struct health__poller *p, struct health__source *source, unsigned what);

/* Watches it for something else from now on; 0 for nothing, which still wakes for errors. */
int health__poller_change(struct health__poller *p, struct health__source *source, unsigned what);
void health__poller_remove(struct health__poller *p, struct health__source *source);

/* Whether the set is still there with the source in it, which is watched for being readable: the
 * host may have closed either, and have others under their numbers. */
bool health__poller_has(struct health__poller *p, struct health__source *source);

/* Waits until `deadline_ms` (HEALTH__NEVER: without end; past: not at all) for sources to be ready.
 */
void health__poller_wait(
    struct health__poller *p, int64_t deadline_ms, int64_t now_ms, struct health__ready *ret_ready);

/* Calls `ready` of what a wait has found. */
void health__poller_dispatch(const struct health__ready *found);

#endif
