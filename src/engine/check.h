/*
 * A check as the engine keeps it, from health_add_check() until its memory is given back.
 *
 * Its fields belong to different threads, group by group.  The life of a check is in the loop's
 * hands alone (where no loop runs: in the hands of whoever holds the instance's mutex); others only
 * ask for its end:
 *
 *   added       into the registry: the caller, under the mutex;  into `checks`: the loop, once it
 *               has read the mail
 *   run         queued by the loop, begun and ended by a worker, which puts it into `done`, and
 *               judged by the loop
 *   removed     out of the registry, `removed`: the caller, under the mutex;  out of `checks`, into
 *               `leaving` while a run is in progress, then into `dead`: the loop
 *   released    a dead check is handed to a worker, which calls `release` and puts it into `done`;
 *               the loop frees it
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_ENGINE_CHECK_H
#define HEALTH_ENGINE_CHECK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <health/health.h>

#include "base/list.h"
#include "base/timers.h"
#include "core/reason.h"
#include "core/registry.h"
#include "core/state.h"
#include "engine/pool.h"
#include "engine/words.h"

/* The service's side of a heartbeat. */
struct health_heartbeat {
    _Atomic int64_t beat_at; /* by the coarse clock; HEALTH__NEVER: idle */
};

/* What stands in a check's mail. */
enum { HEALTH__MAIL_ADDED = 1, HEALTH__MAIL_REPORTED = 2, HEALTH__MAIL_REMOVED = 4 };

struct health__check {
    /* Guarded by the instance's mutex.  The first, so that whoever looks for leaks finds a pointer
     * to the beginning of each check. */
    struct health__entry entry; /* its name is `name` */

    /* Set before it is added, and only read from then on. */
    struct health__policy policy;
    health_check_fn *fn;
    void *arg;
    void (*release)(void *arg);

    /*
     * What the service said last, until the loop has judged it.
     *
     *   a heartbeat's     the beat, which anyone may look at
     *   a pushed check's  the report, guarded by the instance's mutex
     *   another's         the run's outcome, the worker's until it has ended; but for when the
     *                     callback returned, which anyone may look at; NEVER: it has not
     */
    union {
        struct health_heartbeat heartbeat;
        int64_t reported_at;
        _Atomic int64_t returned_at;
    };
    union {
        struct health__words *reported_words;
        struct health__words *outcome_words;
    };
    union {
        enum health_status reported;
        int outcome;
    };

    /* Guarded by the instance's mutex. */
    unsigned char mail_flags;

    /* The loop's: in short. */
    bool gone;                   /* not in `checks` any more */
    bool releasing;              /* handed to the pool to be released */
    enum health_status told : 2; /* the observer's: the status that it last told of */
    unsigned counted : 2;        /* as what it stands in the tallies, see there; 0: not */
    unsigned counted_lenient : 2;

    /* Guarded by the instance's mutex. */
    struct health__check *mail; /* the next of the engine's, while `mail_flags` has something */

    /* The loop's. */
    struct health__link link;   /* in the engine's `checks`, `leaving` or `dead` */
    struct health__timer timer; /* a run's timeout, or when a periodic check is next due */
    struct health__state state;
    struct health__words *words; /* of the last result; NULL: none */
    union {
        struct health__link run;    /* in the engine's `runs` while a run is waited for */
        struct health__link missed; /* in the engine's `missed` while a heartbeat fails */
    };
    struct health__link waiters; /* those who wait for this run before others */
    uint64_t seq;                /* of the run in progress */
    int64_t duration_us;         /* of the last run; negative: none */
    struct health__link changed; /* in the engine's `changed` while the observer has not seen it */

    struct health__job job;   /* a run or the release */
    _Atomic int64_t deadline; /* of the run: the loop moves it, the callback looks */
    int64_t outcome_us;       /* how long the run took: as the outcome */

    char name[];
};

/* Makes a check that nobody knows yet, added at `now`.  Returns: NULL without memory. */
struct health__check *health__check_new(
    const char *name, const struct health__policy *policy, int64_t now);

/* Why the check is not passing: see health__reason(). */
size_t health__check_reason(
    char to[HEALTH__REASON_BYTES], const struct health__check *check, int64_t wall_offset_ms);

/* Whether it has a callback. */
static inline bool health__check_is_run(const struct health__check *check)
{
    return check->policy.kind == HEALTH__ON_DEMAND || check->policy.kind == HEALTH__PERIODIC;
}

/* Of a check that is being run: when its callback returned; HEALTH__NEVER. */
static inline int64_t health__check_returned_at(const struct health__check *check)
{
    return atomic_load_explicit(&check->returned_at, memory_order_relaxed);
}

/* Whether a run is in progress whose callback has returned, so that its worker is on the way to say
 * so.  That may take its time, as in a fork(), and counts for nobody. */
static inline bool health__check_has_returned(const struct health__check *check)
{
    return health__state_running(&check->state) &&
           health__check_returned_at(check) != HEALTH__NEVER;
}

/* Frees the check, which nobody must know any more. */
void health__check_free(struct health__check *check);

#endif
