/*
 * What changes: the counts by which documents are known to be old, the tallies of what fails, and
 * what time alone has done.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/runs.h"

#include "base/clock.h"

/* Whether a list of what is not passing leaves the check out. */
bool health__check_passing(const struct health__check *check)
{
    return health__state_verdict(&check->state, &check->policy).strict == HEALTH_PASS;
}

static void recount(struct health__tally *t, unsigned before, unsigned after)
{
    t->of[before]--;
    t->of[after]++;
}

/* Counts the check as what it is now. */
static void count(struct health__engine *e, struct health__check *check)
{
    struct health__verdict v = health__state_verdict(&check->state, &check->policy);
    unsigned strict = check->gone ? 0 : 1 + (unsigned)v.strict;
    unsigned lenient = check->gone ? 0 : 1 + (unsigned)v.status;
    unsigned i;

    for (i = 0; i < HEALTH__PROBES; i++) {
        if (!(check->policy.probes >> i & 1))
            continue;
        recount(&e->tallies[i], check->counted, strict);
        recount(&e->lenient_tallies[i], check->counted_lenient, lenient);
    }
    check->counted = strict & 3;
    check->counted_lenient = lenient & 3;
}

/* The observer is to look at the check, unless it is gone. */
static void show(struct health__engine *e, struct health__check *check)
{
    int64_t until = health__state_until(&check->state, &check->policy);

    if (check->gone) {
        health__list_remove(&check->changed);
        return;
    }
    if (!health__list_linked(&check->changed))
        health__list_append(&e->changed, &check->changed);
    if (check->state.heard_at == HEALTH__NEVER)
        until = e->now + check->policy.max_age_ms + 1;
    e->settle_at = until < e->settle_at ? until : e->settle_at;
}

void health__changes_note(struct health__engine *e, struct health__check *check, bool was_passing)
{
    bool trouble = !was_passing || !health__check_passing(check);
    unsigned i;

    for (i = 0; i < HEALTH__PROBES; i++)
        if (check->policy.probes >> i & 1) {
            e->results[i]++;
            e->troubles[i] += trouble;
        }
    count(e, check);
    if (atomic_load_explicit(&e->observed, memory_order_relaxed))
        show(e, check);
}

/* From `at` on the check may have to be run. */
void health__changes_wanted_from(
    struct health__engine *e, const struct health__check *check, int64_t at)
{
    unsigned i;

    for (i = 0; i < HEALTH__PROBES; i++)
        if (check->policy.probes >> i & 1)
            e->fresh_until[i] = at < e->fresh_until[i] ? at : e->fresh_until[i];
}

uint64_t health__engine_version(const struct health__engine *e, unsigned probes, bool all)
{
    const uint64_t *counts = all ? e->results : e->troubles;
    uint64_t version = 0;
    unsigned i;

    for (i = 0; i < HEALTH__PROBES; i++)
        if (probes >> i & 1)
            version += counts[i];
    return version;
}

/* Until when the check, settled now, stays as it is.  Beats are seen only when they are looked for:
 * after one, a heartbeat that is idle now can be missed. */
static int64_t settled_until(const struct health__engine *e, const struct health__check *check)
{
    if (health__check_has_returned(check))
        return HEALTH__NEVER;
    if (check->state.heard_at == HEALTH__NEVER)
        return e->now + check->policy.max_age_ms + 1;
    return health__state_until(&check->state, &check->policy);
}

/* Looks at the last beat of a heartbeat.  Returns: whether the status is another. */
static bool read_beat(struct health__check *check, int64_t now)
{
    enum health_status before = check->state.status;

    if (check->policy.kind != HEALTH__HEARTBEAT)
        return false;
    health__state_beat(
        &check->state, atomic_load_explicit(&check->heartbeat.beat_at, memory_order_relaxed), now);
    return check->state.status != before;
}

static void note_missed(struct health__engine *e, struct health__check *check)
{
    bool missed = check->state.cause == HEALTH__MISSED_BEAT;

    if (missed && !health__list_linked(&check->missed))
        health__list_append(&e->missed, &check->missed);
    else if (!missed)
        health__list_remove(&check->missed);
}

int64_t health__engine_settle(struct health__engine *e, struct health__check *check)
{
    bool was_passing = health__check_passing(check), changed;

    changed = read_beat(check, e->now);
    if (!health__check_has_returned(check))
        changed |= health__state_settle(&check->state, &check->policy, e->now);
    if (changed)
        health__changes_note(e, check, was_passing);
    if (check->policy.kind == HEALTH__HEARTBEAT)
        note_missed(e, check);
    return settled_until(e, check);
}

void health__changes_settle(struct health__engine *e)
{
    struct health__link *link, *rest;

    if (e->now < e->settle_at)
        return;
    e->settle_at = HEALTH__NEVER;
    health__list_each (link, rest, &e->checks) {
        int64_t until = health__engine_settle(e, HEALTH__LISTED(link));

        e->settle_at = until < e->settle_at ? until : e->settle_at;
    }
}

void health__engine_observe(struct health__engine *e, bool observed)
{
    struct health__link *link, *rest;

    atomic_store(&e->observed, observed);
    e->settle_at = observed ? HEALTH__NOT_YET : HEALTH__NEVER;
    health__list_each (link, rest, &e->checks) {
        if (observed)
            show(e, HEALTH__LISTED(link));
        else
            health__list_remove(&HEALTH__LISTED(link)->changed);
    }
}

void health__changes_thaw(struct health__engine *e, int64_t asleep_at, bool certain)
{
    struct health__link *link, *rest;

    health__list_each (link, rest, &e->checks) {
        struct health__check *check = HEALTH__LISTED(link);
        bool was_passing = health__check_passing(check);

        /* It may have beaten since it was looked at, or missed one. */
        (void)read_beat(check, asleep_at);
        health__state_thaw(&check->state, &check->policy, asleep_at, e->now, certain);
        /* What the callback is told is left to it. */
        if (health__state_running(&check->state) && !check->state.overdue)
            atomic_store_explicit(&check->deadline,
                check->state.queued_at + check->policy.timeout_ms, memory_order_relaxed);
        health__changes_note(e, check, was_passing);
        (void)health__engine_settle(e, check);
    }
}
