/*
 * How long a ready-made check waits: for three quarters of the time that is left, so that it can
 * still say why it fails.
 *
 * After the process stood still the library gives a run its time anew.  So it is waited in slices,
 * and looked again what is left before each.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_CHECKS_PATIENCE_H
#define HEALTH_CHECKS_PATIENCE_H

#include <health/health.h>

#define HEALTH__PATIENCE_SLICE_MS 200

/* A slice that takes so much longer means that the process stood still, or nearly; then the library
 * has so long to notice. */
#define HEALTH__PATIENCE_LATE_MS  100
#define HEALTH__PATIENCE_GRACE_MS 20

/* Zeroed at first. */
struct health__patience {
    unsigned left_ms;  /* of the run's time, when it was last looked */
    unsigned all_ms;   /* what is waited of it, since it was given */
    unsigned keep_ms;  /* what is not */
    unsigned slice_ms; /* what was last said */
};

/* Returns: how long to wait now; 0: no more. */
static inline unsigned health__patience_ms(
    struct health__patience *p, const struct health_result *result)
{
    unsigned left_ms = health_remaining_ms(result), wait_ms;
    int late = 0;

    if (left_ms > p->left_ms) {
        p->all_ms = left_ms / 4 * 3;
        p->keep_ms = left_ms - p->all_ms;
    } else {
        late = p->left_ms - left_ms > p->slice_ms + HEALTH__PATIENCE_LATE_MS ||
               (left_ms == 0 && p->left_ms > 0);
    }
    wait_ms = left_ms > p->keep_ms ? left_ms - p->keep_ms : 0;
    if (wait_ms == 0 && late)
        wait_ms = HEALTH__PATIENCE_GRACE_MS;
    p->left_ms = left_ms;
    p->slice_ms = wait_ms < HEALTH__PATIENCE_SLICE_MS ? wait_ms : HEALTH__PATIENCE_SLICE_MS;
    return p->slice_ms;
}

#endif
