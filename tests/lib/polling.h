/*
 * A poller by hand.
 *
 * For unit tests, which have the insides in reach.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_POLLING_H
#define TESTS_POLLING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/poller.h"

/* How long what must come may take.  Once something has not, there is no use in more patience. */
static int64_t polling_patience_ms = 10000;

/* Whether it has come.  Returns: the same. */
static inline bool polling_result(bool has_come)
{
    if (!has_come)
        polling_patience_ms = 100;
    return has_come;
}

/* Tells what is ready, or is so by the deadline: see health__poller_wait(). */
static inline void poll_until(struct health__poller *p, int64_t deadline_ms, int64_t now_ms)
{
    struct health__ready ready;

    health__poller_wait(p, deadline_ms, now_ms, &ready);
    health__poller_dispatch(&ready);
}

#endif
