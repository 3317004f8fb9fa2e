/*
 * For the tests of core/state.c: one check, what happens to it, and how it is then.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_TEST_ONE_CHECK_H
#define HEALTH_TEST_ONE_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/state.h"

struct check {
    struct health__policy p;
    struct health__state s;
};

/* A policy of this kind and maximum age; timeout 1,000, interval 5,000, no thresholds. */
#define POLICY(kind_, max_age)                                                                     \
    {                                                                                              \
        .timeout_ms = 1000, .max_age_ms = (max_age), .interval_ms = 5000, .failures = 1,           \
        .successes = 1, .kind = (kind_)                                                            \
    }

/* A check of the policy, registered at 100. */
static inline struct check registered(const struct health__policy *policy)
{
    struct check c = {.p = *policy};

    health__state_init(&c.s, &c.p, 100);
    return c;
}

static inline bool settle(struct check *c, int64_t now)
{
    return health__state_settle(&c->s, &c->p, now);
}

static inline int64_t until(const struct check *c)
{
    return health__state_until(&c->s, &c->p);
}

static inline int64_t fresh_until(const struct check *c)
{
    return health__state_fresh_until(&c->s, &c->p);
}

static inline void queue(struct check *c, int64_t now)
{
    health__state_queue(&c->s, &c->p, now);
}

static inline void finish(struct check *c, int returned, int64_t now)
{
    health__state_finish(&c->s, &c->p, returned, now);
}

/* A run of 10 ms that ends at `now`. */
static inline void run(struct check *c, int returned, int64_t now)
{
    queue(c, now - 10);
    finish(c, returned, now);
}

static inline void report(struct check *c, enum health_status said, int64_t now)
{
    health__state_report(&c->s, &c->p, said, now);
}

/* Reads the heartbeat, whose last beat was at `beat_at`, and settles, as the engine does. */
static inline void read_beat(struct check *c, int64_t beat_at, int64_t now)
{
    health__state_beat(&c->s, beat_at, now);
    (void)settle(c, now);
}

static inline void thaw(struct check *c, int64_t asleep_at, int64_t now)
{
    health__state_thaw(&c->s, &c->p, asleep_at, now, true);
}

static inline void start(struct check *c, int64_t now)
{
    health__state_start(&c->s, &c->p, now);
}

/* How it is.  Macros, so that a failure names the test's own line. */
#define is(c, status_, since_)                                                                     \
    do {                                                                                           \
        assert_int_equal((c).s.status, status_);                                                   \
        assert_false((c).s.pending);                                                               \
        assert_true((c).s.since == (since_));                                                      \
    } while (0)

#define is_pending(c, since_)                                                                      \
    do {                                                                                           \
        assert_int_equal((c).s.status, HEALTH_PASS);                                               \
        assert_true((c).s.pending);                                                                \
        assert_true((c).s.since == (since_));                                                      \
    } while (0)

#define is_caused_by(c, cause_, at)                                                                \
    do {                                                                                           \
        assert_int_equal((c).s.cause, cause_);                                                     \
        assert_true((c).s.cause_at == (at));                                                       \
    } while (0)

#endif
