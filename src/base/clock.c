/*
 * The clocks.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/clock.h"

#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec t = {0, 0};

    /* Fails only for a clock that the kernel does not have; these it always has. */
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t health__now_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t health__now_ms(void)
{
    return health__now_us() / 1000;
}

int64_t health__wall_offset_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000 - health__now_ms();
}
