/*
 * A server that serves nobody: it counts what the engine asks of it, and fails when it is told to.
 *
 * For unit tests, which have the insides in reach.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_FAKE_SERVER_H
#define TESTS_FAKE_SERVER_H

#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/engine.h"
#include "jobs.h"

struct fake_server {
    struct health__server server;

    /* How often each was called: see count_of() where a loop runs. */
    int starts, stops, runs, drains, forgets;
    int losses; /* times that `forget` was told that descriptors are lost */

    /* What it does. */
    int start_error;  /* returned by `start` */
    int drains_empty; /* the how manyeth `drain` leaves nothing to send */
    int64_t next;     /* returned by `run` */

    /* What it was given. */
    const char *listen;
    struct health__poller *poller;
    int64_t now; /* by the last `run` */
};

static inline struct fake_server *fake_server_of(struct health__server *server)
{
    return health__container(server, struct fake_server, server);
}

static inline int fake_server_start(
    struct health__server *server, struct health__poller *poller, const char *listen)
{
    struct fake_server *s = fake_server_of(server);

    count_up(&s->starts);
    s->poller = poller;
    s->listen = listen;
    if (s->start_error != 0)
        return health__fail(s->start_error, EDOM, "the fake server does not start");
    return 0;
}

/* As any that closes and frees, it leaves errno as it comes. */
static inline void fake_server_stop(struct health__server *server)
{
    count_up(&fake_server_of(server)->stops);
    errno = ERANGE;
}

static inline bool fake_server_owns(const struct health__server *server, const void *source)
{
    (void)server;
    (void)source;
    return false;
}

static inline int64_t fake_server_run(struct health__server *server, int64_t now)
{
    struct fake_server *s = fake_server_of(server);

    s->now = now;
    count_up(&s->runs);
    return s->next;
}

static inline void fake_server_drain(struct health__server *server)
{
    count_up(&fake_server_of(server)->drains);
}

static inline bool fake_server_drained(struct health__server *server)
{
    struct fake_server *s = fake_server_of(server);

    return count_of(&s->drains) >= s->drains_empty;
}

static inline void fake_server_forget(struct health__server *server, bool lost)
{
    if (lost)
        count_up(&fake_server_of(server)->losses);
    count_up(&fake_server_of(server)->forgets);
}

static inline void fake_server_init(struct fake_server *s)
{
    *s = (struct fake_server){
        .server = {fake_server_start, fake_server_stop, fake_server_owns, fake_server_run,
            fake_server_drain, fake_server_drained, fake_server_forget},
        .next = HEALTH__NEVER,
    };
}

#endif
