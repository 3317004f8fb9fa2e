/*
 * How a check is judged: read from what the service asks for, or refused.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_CORE_POLICY_H
#define HEALTH_CORE_POLICY_H

#include <health/health.h>

#include "core/state.h"

/* Makes a policy of a check that was read; `name` is for the sentence.  Returns: 0 or
 * HEALTH_EINVAL. */
int health__policy_read(
    struct health__policy *ret_policy, const char *name, const struct health_check *check);

/* The same of a heartbeat. */
int health__policy_heartbeat(
    struct health__policy *ret_policy, const char *name, unsigned max_age_ms, unsigned probes);

#endif
