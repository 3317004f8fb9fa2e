/*
 * Why a check is not passing, in words.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_CORE_REASON_H
#define HEALTH_CORE_REASON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/state.h"

/* Room for what we say, in front of or instead of the callback's own words. */
#define HEALTH__REASON_BYTES (HEALTH_REASON_MAX_BYTES + 128)

/*
 * Writes the reason to `to`, which has HEALTH__REASON_BYTES.  `own` is what the callback or the
 * service said last, NULL if nothing; `tid` is that of the worker that
 * has begun the run in progress, 0 if none has;
 * `wall_offset_ms` makes moments of the monotonic clock ms since 1970.
 *
 * Returns: its length; 0 if there is nothing to say.
 */
size_t health__reason(char *to, const struct health__state *s, const struct health__policy *p,
    const char *own, int tid, int64_t wall_offset_ms);

#endif
