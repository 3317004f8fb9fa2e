/*
 * Timers, earliest first: a pairing heap whose links live in the timers, so that setting one never
 * allocates and never fails.
 *
 * Setting is O(1), taking the first O(log n) amortized, clearing any O(log n) amortized.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_BASE_TIMERS_H
#define HEALTH_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

/* Zeroed memory is a timer that is not set. */
struct health__timer {
    int64_t at;                  /* when, in ms of the monotonic clock */
    struct health__timer *child; /* the first of those below, each not earlier than this */
    struct health__timer *next;  /* the next of those below the same timer */
    struct health__timer **prev; /* what points here: NULL while the timer is not set */
};

/* Zeroed memory is a heap without timers. */
struct health__timers {
    struct health__timer *first;
};

/* Sets the timer, or sets it anew. */
void health__timer_set(struct health__timers *t, struct health__timer *timer, int64_t at);

/* Clears the timer; nothing if it is not set. */
void health__timer_clear(struct health__timers *t, struct health__timer *timer);

/* When the first timer is due; HEALTH__NEVER if none is set. */
static inline int64_t health__timers_next(const struct health__timers *t)
{
    return t->first != NULL ? t->first->at : HEALTH__NEVER;
}

/* Takes out and returns the first timer if it is due at `now`; else NULL. */
struct health__timer *health__timers_take(struct health__timers *t, int64_t now);

static inline bool health__timer_is_set(const struct health__timer *timer)
{
    return timer->prev != NULL;
}

#endif
