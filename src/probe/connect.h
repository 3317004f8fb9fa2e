/*
 * Connecting before a deadline: to the two addresses of "localhost" side by side, so that the one
 * is there as soon as it would be without the other.
 *
 * Deadlines are absolute, in ms of health__connect_now_ms().
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_PROBE_CONNECT_H
#define HEALTH_PROBE_CONNECT_H

#include <stdint.h>

#include "probe/url.h"

/* The time for everything where none is given. */
#define HEALTH__CONNECT_DEFAULT_MS 2000

/* The monotonic clock. */
int64_t health__connect_now_ms(void);

/* What poll() may wait; 0 when the time is up. */
int health__connect_left_ms(int64_t deadline);

/* Connects to whichever address is there.  Returns: the descriptor, non-blocking and close-on-exec,
 * or -1 with *ret_error, an error number. */
int health__connect_to(const struct health__url *url, int64_t deadline, int *ret_error);

#endif
