/*
 * How a check is judged: read from what the service asks for.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/policy.h"

#include <errno.h>

#include "base/error.h"

#define DEFAULT_TIMEOUT_MS 1000
#define DEFAULT_MAX_AGE_MS 1000
#define ALL_PROBES         (HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP | HEALTH_ALL)

static int check_probes(const char *name, unsigned probes)
{
    if (probes & ~(unsigned)ALL_PROBES)
        return health__fail(
            HEALTH_EINVAL, EINVAL, "%s: probes 0x%X has bits that are no probe", name, probes);
    return 0;
}

static int check_duration(const char *name, const char *field, unsigned ms)
{
    if (ms > HEALTH_DURATION_MAX_MS)
        return health__fail(HEALTH_EINVAL, EINVAL, "%s: %s is %u, more than %u", name, field, ms,
            HEALTH_DURATION_MAX_MS);
    return 0;
}

static int refuse(const char *name, const char *field, unsigned value, const char *with)
{
    if (value == 0)
        return 0;
    return health__fail(HEALTH_EINVAL, EINVAL, "%s: %s does not go with %s", name, field, with);
}

/* A pushed check has nothing that is run. */
static int check_pushed(const char *name, const struct health_check *c)
{
    static const char with[] = "a pushed check, one without fn";
    int error;

    error = refuse(name, "timeout_ms", c->timeout_ms, with);
    if (error == 0)
        error = refuse(name, "interval_ms", c->interval_ms, with);
    if (error == 0)
        error = refuse(name, "failures", c->failures, with);
    if (error == 0)
        error = refuse(name, "successes", c->successes, with);
    return error;
}

static int check_fields(const char *name, const struct health_check *c)
{
    int error;

    error = check_probes(name, c->probes);
    if (error == 0)
        error = check_duration(name, "timeout_ms", c->timeout_ms);
    if (error == 0)
        error = check_duration(name, "max_age_ms", c->max_age_ms);
    if (error == 0)
        error = check_duration(name, "interval_ms", c->interval_ms);
    if (error == 0 && c->fn == NULL)
        error = check_pushed(name, c);
    if (error == 0 && c->interval_ms != 0)
        error = refuse(name, "max_age_ms", c->max_age_ms, "interval_ms");
    if (error == 0)
        error = refuse(name, "reserved", c->reserved, "this version: it must be 0");
    return error;
}

static unsigned or_default(unsigned value, unsigned otherwise)
{
    return value != 0 ? value : otherwise;
}

int health__policy_read(
    struct health__policy *ret_policy, const char *name, const struct health_check *c)
{
    struct health__policy p = {
        .timeout_ms = or_default(c->timeout_ms, DEFAULT_TIMEOUT_MS),
        .max_age_ms = or_default(c->max_age_ms, DEFAULT_MAX_AGE_MS),
        .interval_ms = c->interval_ms,
        .failures = c->failures != 0 ? c->failures : 1,
        .successes = c->successes != 0 ? c->successes : 1,
        .probes = (unsigned char)(c->probes != 0 ? c->probes : HEALTH_READY),
        .kind = c->interval_ms != 0 ? HEALTH__PERIODIC : HEALTH__ON_DEMAND,
        .advisory = c->advisory != 0,
    };
    int error;

    error = check_fields(name, c);
    if (error != 0)
        return error;
    if (c->fn == NULL) {
        p.kind = HEALTH__PUSHED;
        if (c->max_age_ms == 0)
            p.max_age_ms = HEALTH__ANY_AGE;
    }
    *ret_policy = p;
    return 0;
}

int health__policy_heartbeat(
    struct health__policy *ret_policy, const char *name, unsigned max_age_ms, unsigned probes)
{
    int error;

    error = check_probes(name, probes);
    if (error == 0)
        error = check_duration(name, "max_age_ms", max_age_ms);
    if (error == 0 && max_age_ms == 0)
        error = health__fail(HEALTH_EINVAL, EINVAL, "%s: a heartbeat needs a max_age_ms", name);
    if (error != 0)
        return error;
    *ret_policy = (struct health__policy){
        .timeout_ms = DEFAULT_TIMEOUT_MS,
        .max_age_ms = max_age_ms,
        .failures = 1,
        .successes = 1,
        .probes = (unsigned char)(probes != 0 ? probes : HEALTH_LIVE),
        .kind = HEALTH__HEARTBEAT,
    };
    return 0;
}
