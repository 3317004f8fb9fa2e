/*
 * What each endpoint asks of the checks, and makes of the gates: the table "What each endpoint
 * answers" of docs/design.md, as pure functions.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_CORE_ENDPOINT_H
#define HEALTH_CORE_ENDPOINT_H

#include <stdbool.h>

#include <health/health.h>

enum health__endpoint {
    HEALTH__AT_LIVE,
    HEALTH__AT_READY,
    HEALTH__AT_STARTUP,
    HEALTH__AT_HEALTH,
    HEALTH__ENDPOINTS /* how many there are */
};

/* Which checks count, as the bits of a question; `gates` are those of core/gates.h. */
unsigned health__endpoint_probes(enum health__endpoint endpoint, unsigned gates);

/* Whether the gates alone make it fail. */
bool health__endpoint_shut(enum health__endpoint endpoint, unsigned gates);

/* Whether a pending check is no failure. */
static inline bool health__endpoint_lenient(enum health__endpoint endpoint)
{
    return endpoint == HEALTH__AT_LIVE;
}

/* Whether it passes whatever the checks say: startup, once it has. */
bool health__endpoint_latched(enum health__endpoint endpoint, unsigned gates);

/* Whether asking it can make startup pass. */
bool health__endpoint_latches(enum health__endpoint endpoint, unsigned gates);

/* Whether it lists the checks that pass without being asked to. */
static inline bool health__endpoint_lists_all(enum health__endpoint endpoint)
{
    return endpoint == HEALTH__AT_HEALTH;
}

#endif
