/*
 * The gates: what the service says of itself, in one atomic word, so that any thread and any signal
 * handler may set them and every request reads them together.
 *
 * Zero is how it begins: started, ready, not draining, startup not passed.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_CORE_GATES_H
#define HEALTH_CORE_GATES_H

#include <stdatomic.h>
#include <stdbool.h>

enum {
    HEALTH__NOT_STARTED = 1, /* means nothing once LATCHED */
    HEALTH__NOT_READY = 2,
    HEALTH__DRAINING = 4,
    HEALTH__LATCHED = 8, /* startup has passed; never taken back */
    HEALTH__GATES = 16   /* the number of states */
};

struct health__gates {
    atomic_uint bits;
};

static inline unsigned health__gates_read(const struct health__gates *g)
{
    unsigned bits = atomic_load_explicit(&g->bits, memory_order_acquire);

    return bits & HEALTH__LATCHED ? bits & ~(unsigned)HEALTH__NOT_STARTED : bits;
}

static inline void health__gates_set(struct health__gates *g, unsigned bit, bool on)
{
    if (on)
        (void)atomic_fetch_or_explicit(&g->bits, bit, memory_order_acq_rel);
    else
        (void)atomic_fetch_and_explicit(&g->bits, ~bit, memory_order_acq_rel);
}

#endif
