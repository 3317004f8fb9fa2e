/*
 * An observer that tells nobody: it counts what the engine asks of it, and has something to tell
 * when it is told to.
 *
 * For unit tests, which have the insides in reach.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_FAKE_OBSERVER_H
#define TESTS_FAKE_OBSERVER_H

#include "base/clock.h"
#include "engine/engine.h"
#include "jobs.h"

struct fake_observer {
    struct health__observer observer;

    /* How often each was called: see count_of() where a loop runs. */
    int turns, begins, ends, forgets;

    /* What it does. */
    bool busy;    /* there is something to tell */
    int64_t next; /* returned by `turn` */
};

static inline struct fake_observer *fake_observer_of(struct health__observer *observer)
{
    return health__container(observer, struct fake_observer, observer);
}

static inline int64_t fake_observer_turn(struct health__observer *observer, int64_t now)
{
    (void)now;
    count_up(&fake_observer_of(observer)->turns);
    return fake_observer_of(observer)->next;
}

static inline bool fake_observer_idle(struct health__observer *observer)
{
    return !fake_observer_of(observer)->busy;
}

static inline void fake_observer_begin(struct health__observer *observer, int64_t now)
{
    (void)now;
    count_up(&fake_observer_of(observer)->begins);
}

static inline void fake_observer_end(struct health__observer *observer)
{
    count_up(&fake_observer_of(observer)->ends);
}

static inline void fake_observer_forget(struct health__observer *observer)
{
    count_up(&fake_observer_of(observer)->forgets);
}

static inline void fake_observer_init(struct fake_observer *o)
{
    *o = (struct fake_observer){
        .observer = {fake_observer_turn, fake_observer_idle, fake_observer_begin, fake_observer_end,
            fake_observer_forget},
        .next = HEALTH__NEVER,
    };
}

#endif
