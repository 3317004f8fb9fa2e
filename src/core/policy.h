/*
 * From what the service asks for to what is done: names, checks and options, read and refused.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_CORE_POLICY_H
#define HEALTH_CORE_POLICY_H

#include <stddef.h>

#include <health/health.h>

#include "core/state.h"

/*
 * Copies a struct that grows at its end, and whose first member is its size, from a program built
 * with another header: `theirs` to `ours`, which has `size` bytes; `first_size` is what version 0.1
 * had.  What an older program does not have is zero, the default.
 *
 * Returns: 0; HEALTH_EINVAL if theirs is shorter than `first_size`; HEALTH_ENOTSUP if it is longer
 * than ours and not zero there.  `what` is for the sentence.
 */
int health__struct_read(
    void *ours, size_t size, size_t first_size, const void *theirs, const char *what);

/* Whether the name is one: 1 to 128 bytes, no control characters, no '/'.  Returns: 0 or
 * HEALTH_EINVAL. */
int health__name_check(const char *name);

/* Makes a policy of a check that was read.  Returns: 0 or HEALTH_EINVAL. */
int health__policy_read(struct health__policy *ret_policy, const struct health_check *check);

/* Makes the policy of a heartbeat.  Returns: 0 or HEALTH_EINVAL. */
int health__policy_heartbeat(
    struct health__policy *ret_policy, const char *name, unsigned max_age_ms, unsigned probes);

#endif
