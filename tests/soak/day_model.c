/*
 * A day of a service: the model, by which answers are compared.  It knows what was last said of
 * each check, and when.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "day.h"

bool day_is_late(const struct day_slot *s)
{
    return s->running && day.now >= s->queued_at + s->policy.timeout_ms;
}

bool day_is_too_old(const struct day_slot *s)
{
    int64_t limit = s->policy.max_age_ms;

    if (s->heard_at == HEALTH__NOT_YET || s->idle || s->policy.kind == HEALTH__ON_DEMAND)
        return false;
    if (s->policy.kind == HEALTH__PERIODIC)
        limit = 2 * s->policy.interval_ms + s->policy.timeout_ms;
    return limit != HEALTH__NEVER && day.now - s->heard_at > limit;
}

/* What time alone has done. */
static void age(struct day_slot *s)
{
    if (!day_is_late(s) && !day_is_too_old(s))
        return;
    s->forced = true;
    s->status = HEALTH_FAIL;
    s->pending = false;
    s->good = 0;
}

void day_hear(struct day_slot *s, int said)
{
    bool good = said == HEALTH_PASS || said == HEALTH_WARN;

    age(s);
    s->forced = false;
    s->heard_at = day.now;
    s->good = good ? s->good + 1 : 0;
    s->bad = good ? 0 : s->bad + 1;
    if (good && (s->status != HEALTH_FAIL || s->good >= s->policy.successes))
        s->status = (enum health_status)said;
    else if (!good && s->bad >= s->policy.failures)
        s->status = HEALTH_FAIL;
    else
        return;
    s->pending = false;
}

enum health_status day_told(struct day_slot *s, enum health__endpoint endpoint)
{
    enum health_status status;

    age(s);
    status = s->status;
    if (s->pending)
        status = endpoint == HEALTH__AT_LIVE && !s->advisory ? HEALTH_PASS : HEALTH_FAIL;
    return s->advisory && status == HEALTH_FAIL ? HEALTH_WARN : status;
}

bool day_counts(const struct day_slot *s, const struct health__request *q)
{
    static const unsigned bits[] = {
        [HEALTH__AT_LIVE] = HEALTH_LIVE,
        [HEALTH__AT_READY] = HEALTH_READY,
        [HEALTH__AT_STARTUP] = HEALTH_STARTUP,
    };

    if (s->check == NULL)
        return false;
    if (q->only != NULL)
        return strcmp(q->only, s->name) == 0;
    if (q->exclude_count > 0 && strcmp(q->excludes, s->name) == 0)
        return false;
    if (q->endpoint == HEALTH__AT_HEALTH)
        return true;
    if (q->endpoint == HEALTH__AT_READY && !day.latched && (s->policy.probes & HEALTH_STARTUP))
        return true;
    return (s->policy.probes & bits[q->endpoint]) != 0;
}

static bool startup_passes(void)
{
    size_t i;

    for (i = 0; i < DAY_SLOTS; i++)
        if (day.slots[i].check != NULL && (day.slots[i].policy.probes & HEALTH_STARTUP) &&
            day_told(&day.slots[i], HEALTH__AT_STARTUP) == HEALTH_FAIL)
            return false;
    return day.started;
}

enum health_status day_expected(const struct health__request *q)
{
    enum health_status worst = HEALTH_PASS;
    size_t i;

    if ((q->endpoint == HEALTH__AT_READY || q->endpoint == HEALTH__AT_STARTUP) &&
        health__request_is_plain(q) && startup_passes())
        day.latched = true;
    for (i = 0; i < DAY_SLOTS; i++)
        if (day_counts(&day.slots[i], q) && day_told(&day.slots[i], q->endpoint) > worst)
            worst = day_told(&day.slots[i], q->endpoint);
    if (q->endpoint == HEALTH__AT_STARTUP && day.latched)
        worst = HEALTH_PASS;
    if (q->only != NULL || q->endpoint == HEALTH__AT_LIVE)
        return worst;
    return day.started && (day.ready || q->endpoint != HEALTH__AT_READY) ? worst : HEALTH_FAIL;
}
