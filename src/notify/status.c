/*
 * How things are, for whoever is told of changes.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "notify/status.h"

#include <stdio.h>

#include "base/utf8.h"

enum health_status health__notifier_status(
    const struct health__notifier *n, enum health__endpoint endpoint, unsigned gates)
{
    const struct health__tally *tallies =
        health__endpoint_lenient(endpoint) ? n->engine->lenient_tallies : n->engine->tallies;
    unsigned probes = health__endpoint_probes(endpoint, gates), i;
    enum health_status status = HEALTH_PASS;

    if (health__endpoint_latched(endpoint, gates))
        return HEALTH_PASS;
    if (health__endpoint_shut(endpoint, gates))
        return HEALTH_FAIL;
    for (i = 0; i < HEALTH__PROBES; i++) {
        if (!(probes >> i & 1))
            continue;
        if (tallies[i].of[1 + HEALTH_FAIL] > 0)
            return HEALTH_FAIL;
        if (tallies[i].of[1 + HEALTH_WARN] > 0)
            status = HEALTH_WARN;
    }
    return status;
}

/* The gate that makes the endpoint fail, in words; NULL if none does. */
static const char *shut_by(enum health__endpoint endpoint, unsigned gates)
{
    if (!health__endpoint_shut(endpoint, gates))
        return NULL;
    if (gates & HEALTH__NOT_STARTED)
        return "not started";
    return gates & HEALTH__DRAINING ? "draining" : "not ready";
}

enum health_status health__notifier_check_status(
    const struct health__check *check, enum health__endpoint endpoint)
{
    struct health__verdict v = health__state_verdict(&check->state, &check->policy);

    return health__endpoint_lenient(endpoint) ? v.status : v.strict;
}

void health__notifier_reason(const struct health__notifier *n, const struct health__check *check,
    char to[3 * HEALTH__REASON_BYTES])
{
    char reason[HEALTH__REASON_BYTES];

    (void)health__check_reason(reason, check, health__engine_wall_offset_ms(n->engine));
    health__utf8_clean(to, reason);
}

void health__notifier_explain(const struct health__notifier *n, enum health__endpoint endpoint,
    unsigned gates, enum health_status status, char to[HEALTH__NOTIFY_REASON_BYTES])
{
    unsigned probes = health__endpoint_probes(endpoint, gates);
    const char *gate = shut_by(endpoint, gates);
    struct health__link *link, *rest;
    size_t length;

    to[0] = '\0';
    if (status == HEALTH_PASS)
        return;
    if (gate != NULL) {
        (void)snprintf(to, HEALTH__NOTIFY_REASON_BYTES, "%s", gate);
        return;
    }
    health__list_each (link, rest, &n->engine->checks) {
        const struct health__check *check = health__container(link, struct health__check, link);

        if ((check->policy.probes & probes) == 0 ||
            health__notifier_check_status(check, endpoint) != status)
            continue;
        length = (size_t)snprintf(to, HEALTH__NOTIFY_REASON_BYTES, "%s: ", check->name);
        health__notifier_reason(n, check, to + length);
        if (to[length] == '\0')
            to[length - 2] = '\0';
        return;
    }
}
