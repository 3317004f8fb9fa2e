/*
 * A clock that stands still until a test sets it.
 *
 * The test asks for it in its head: "wrap: clock_gettime".
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_FAKE_CLOCK_H
#define TESTS_FAKE_CLOCK_H

#include <stdint.h>

/* The monotonic clock, coarse or not. */
void fake_clock_set(int64_t now_ms);

/* The wall clock, by what is to be added to the monotonic one. */
void fake_clock_set_wall(int64_t offset_ms);

#endif
