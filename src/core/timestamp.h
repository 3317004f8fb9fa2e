/*
 * Moments as text, in UTC.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_CORE_TIMESTAMP_H
#define HEALTH_CORE_TIMESTAMP_H

#include <stdint.h>

/* Room for either text, with the final NUL. */
#define HEALTH__TIMESTAMP_BYTES 32

/* "2026-11-24T08:15:02.250Z" (ISO 8601, RFC 3339), for a moment in ms since 1970.  Years before
 * 1970 and after 9999 are shown as the nearest moment within. */
void health__timestamp(char *to, int64_t wall_ms);

/* "08:15:02Z": the time of day alone, for people. */
void health__timestamp_short(char *to, int64_t wall_ms);

#endif
