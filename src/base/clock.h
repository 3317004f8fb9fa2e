/*
 * The clocks.  Everything is judged by the monotonic one, in ms; the wall clock is only shown.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_BASE_CLOCK_H
#define HEALTH_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Moments before and after all others, for "not yet" and "never". */
#define HEALTH__NEVER   INT64_MAX
#define HEALTH__NOT_YET INT64_MIN

/* The monotonic clock, in ms and in µs; always above 0. */
int64_t health__now_ms(void);
int64_t health__now_us(void);

/* Whole milliseconds in the nanoseconds of a struct timespec.  A compiler that is to save space
 * would divide, with which a beat takes a tenth longer; 2^50 / 10^6, rounded up, is exact for less
 * than 2^30. */
static inline int64_t health__ms_of_ns(long ns)
{
    return (int64_t)((uint64_t)ns * UINT64_C(1125899907) >> 50);
}

/* The monotonic clock as of the last tick: never ahead of health__now_ms(), a few ms behind at
 * most, and cheap.  Async-signal-safe. */
static inline int64_t health__coarse_ms(void)
{
    struct timespec t = {0, 0};

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + health__ms_of_ns(t.tv_nsec);
}

/* What to add to a moment of the monotonic clock to get ms since 1970. */
int64_t health__wall_offset_ms(void);

#endif
