/*
 * A clock that stands still until a test sets it.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "fake_clock.h"

#include <stdatomic.h>
#include <time.h>

int __wrap_clock_gettime(clockid_t id, struct timespec *t);

static _Atomic int64_t now, wall_offset;

void fake_clock_set(int64_t now_ms)
{
    atomic_store(&now, now_ms);
}

void fake_clock_set_wall(int64_t offset_ms)
{
    atomic_store(&wall_offset, offset_ms);
}

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    int64_t ms = atomic_load(&now) + (id == CLOCK_REALTIME ? atomic_load(&wall_offset) : 0);

    t->tv_sec = (time_t)(ms / 1000);
    t->tv_nsec = (long)(ms % 1000) * 1000000;
    return 0;
}
