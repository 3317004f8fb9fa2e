/*
 * Runs, and who waits for them.
 *
 * A waiter waits for one run at a time: the first in progress, in the order in which they were
 * queued, that its question is about and that was queued when it asked.  When that run ends or is
 * overdue, it looks for the next from there on, until none is left.  So neither asking nor ending
 * costs more than one step along the runs in progress, and nothing is allocated.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/runs.h"

#include <stdlib.h>
#include <string.h>

#define RUN(l)    health__container(l, struct health__check, run)
#define LISTED(l) health__container(l, struct health__check, link)
#define MAILED(l) health__container(l, struct health__check, mail)
#define DONE(l)   health__container(l, struct health__check, job_link)

/* ---- What changes, and for which probes ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Whether a list of what is not passing leaves the check out. */
static bool passing(const struct health__check *check)
{
    return health__state_verdict(&check->state, &check->policy).strict == HEALTH_PASS;
}

/* Something that is shown of the check has changed. */
static void note(struct health__engine *e, const struct health__check *check, bool was_passing)
{
    bool trouble = !was_passing || !passing(check);
    unsigned i;

    for (i = 0; i < HEALTH__PROBES; i++)
        if ((check->policy.probes | HEALTH_ALL) >> i & 1) {
            e->results[i]++;
            e->troubles[i] += trouble;
        }
}

/* From `at` on the check may have to be run. */
static void wanted_from(struct health__engine *e, const struct health__check *check, int64_t at)
{
    unsigned i;

    for (i = 0; i < HEALTH__PROBES; i++)
        if ((check->policy.probes | HEALTH_ALL) >> i & 1)
            e->fresh_until[i] = earlier(e->fresh_until[i], at);
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

void health__engine_settle(struct health__engine *e, struct health__check *check)
{
    bool was_passing = passing(check), changed = false, missed;
    enum health_status before = check->state.status;
    int64_t beat_at;

    if (check->policy.kind == HEALTH__HEARTBEAT) {
        beat_at = atomic_load_explicit(&check->heartbeat.beat_at, memory_order_relaxed);
        health__state_beat(&check->state, &check->policy, beat_at, e->now);
        changed = check->state.status != before;
    }
    changed |= health__state_settle(&check->state, &check->policy, e->now);
    if (!changed)
        return;
    note(e, check, was_passing);
    missed = check->state.cause == HEALTH__MISSED_BEAT;
    if (missed && !health__list_linked(&check->missed))
        health__list_append(&e->missed, &check->missed);
    else if (!missed)
        health__list_remove(&check->missed);
}

/* ---- Waiting ---- */

bool health__question_covers(
    const struct health__question *question, const struct health__check *check)
{
    size_t i;

    if (question->only != NULL)
        return strcmp(question->only, check->name) == 0;
    if (((check->policy.probes | HEALTH_ALL) & question->probes) == 0)
        return false;
    for (i = 0; i < question->exclude_count; i++)
        if (strcmp(question->excludes[i], check->name) == 0)
            return false;
    return true;
}

/* Lets the waiter wait for the first run, from `from` on, that it has to.  Returns: false if there
 * is none. */
static bool hang(
    struct health__engine *e, struct health__waiter *waiter, struct health__link *from)
{
    struct health__link *link;

    for (link = from; link != &e->runs; link = link->next) {
        struct health__check *check = RUN(link);

        if (check->seq > waiter->seq)
            break;
        if (check->policy.kind != HEALTH__ON_DEMAND || check->state.overdue || check->gone ||
            !health__question_covers(&waiter->question, check))
            continue;
        health__list_append(&check->waiters, &waiter->on);
        return true;
    }
    return false;
}

void health__engine_leave(struct health__engine *e, struct health__waiter *waiter)
{
    (void)e;
    health__list_remove(&waiter->link);
    health__list_remove(&waiter->on);
}

static void ready(struct health__engine *e, struct health__waiter *waiter)
{
    health__engine_leave(e, waiter);
    waiter->ready(waiter);
}

/* Nobody waits for this run any more. */
static void let_go(struct health__engine *e, struct health__check *check)
{
    struct health__link *rest = check->run.next, *link;

    while ((link = health__list_take(&check->waiters)) != NULL) {
        struct health__waiter *waiter = health__container(link, struct health__waiter, on);

        if (!hang(e, waiter, rest))
            ready(e, waiter);
    }
}

void health__runs_answer(struct health__engine *e, bool all)
{
    struct health__link *link, *rest;

    health__list_each (link, rest, &e->waiters) {
        struct health__waiter *waiter = health__container(link, struct health__waiter, link);

        if (!all && waiter->deadline > e->now)
            break;
        ready(e, waiter);
    }
}

/* ---- Running ---- */

static void queue(struct health__engine *e, struct health__check *check)
{
    bool was_passing = passing(check);

    health__state_queue(&check->state, &check->policy, e->now);
    if (was_passing != passing(check))
        note(e, check, was_passing);
    check->seq = ++e->seq;
    health__list_append(&e->runs, &check->run);
    health__timer_set(&e->timers, &check->timer, e->now + check->policy.timeout_ms);
    e->jobs++;
    health__pool_run(&e->pool, check, e->now);
}

/* The interval, give or take a tenth, so that what was started together does not stay together. */
static int64_t jittered(struct health__engine *e, int64_t interval_ms)
{
    uint64_t x = e->random; /* xorshift64, George Marsaglia, "Xorshift RNGs" */

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    e->random = x;
    return interval_ms - interval_ms / 10 + (int64_t)(x % (uint64_t)(interval_ms / 5 + 1));
}

/* When the check is to be run next without being asked. */
static void schedule(struct health__engine *e, struct health__check *check, int64_t last)
{
    if (check->policy.kind == HEALTH__PERIODIC)
        health__timer_set(
            &e->timers, &check->timer, last + jittered(e, check->policy.interval_ms));
}

static void overdue(struct health__engine *e, struct health__check *check)
{
    health__engine_settle(e, check);
    if (!check->state.overdue) {
        /* A thaw has put it off. */
        health__timer_set(
            &e->timers, &check->timer, health__state_until(&check->state, &check->policy));
        return;
    }
    health__pool_overdue(&e->pool, check);
    let_go(e, check);
}

void health__runs_tick(struct health__engine *e)
{
    struct health__timer *timer;

    while ((timer = health__timers_take(&e->timers, e->now)) != NULL) {
        struct health__check *check = health__container(timer, struct health__check, timer);

        if (health__state_running(&check->state))
            overdue(e, check);
        else
            queue(e, check);
    }
}

static void start_if_stale(struct health__engine *e, struct health__check *check)
{
    if (!health__state_running(&check->state) &&
        health__state_fresh_until(&check->state, &check->policy) <= e->now)
        queue(e, check);
}

/* Starts the stale checks that the question is about, and learns when to look again. */
static void start_stale(struct health__engine *e, const struct health__question *question)
{
    struct health__link *link, *rest;
    unsigned i;

    for (i = 0; i < HEALTH__PROBES; i++)
        e->fresh_until[i] = HEALTH__NEVER;
    health__list_each (link, rest, &e->checks) {
        struct health__check *check = LISTED(link);

        if (health__question_covers(question, check))
            start_if_stale(e, check);
        if (!health__state_running(&check->state))
            wanted_from(e, check, health__state_fresh_until(&check->state, &check->policy));
    }
}

static bool all_fresh(const struct health__engine *e, unsigned probes)
{
    unsigned i;

    for (i = 0; i < HEALTH__PROBES; i++)
        if ((probes >> i & 1) && e->fresh_until[i] <= e->now)
            return false;
    return true;
}

struct health__check *health__engine_find(struct health__engine *e, const char *name)
{
    struct health__entry *entry;
    struct health__check *check = NULL;

    (void)pthread_mutex_lock(&e->mutex);
    health__runs_read_mail_locked(e);
    entry = health__registry_find(&e->registry, name);
    if (entry != NULL)
        check = health__container(entry, struct health__check, entry);
    (void)pthread_mutex_unlock(&e->mutex);
    return check;
}

bool health__engine_ask(struct health__engine *e, struct health__waiter *waiter)
{
    struct health__link *link, *rest;
    struct health__check *check;

    health__runs_read_mail(e);
    health__list_each (link, rest, &e->missed)
        health__engine_settle(e, health__container(link, struct health__check, missed));

    if (waiter->question.only != NULL) {
        check = health__engine_find(e, waiter->question.only);
        if (check != NULL)
            start_if_stale(e, check);
    } else if (!all_fresh(e, waiter->question.probes)) {
        start_stale(e, &waiter->question);
    }

    if (health__list_empty(&e->runs))
        return false;
    waiter->seq = e->seq;
    if (!hang(e, waiter, e->runs.next))
        return false;
    waiter->deadline = e->now + e->response_ms;
    health__list_append(&e->waiters, &waiter->link);
    return true;
}

/* ---- What comes back ---- */

static void bury(
    struct health__engine *e, struct health__check *check, struct health__link *buried)
{
    if (buried != NULL) {
        health__list_append(buried, &check->link);
    } else if (check->release != NULL) {
        e->jobs++;
        health__pool_release(&e->pool, check, e->now);
    } else {
        free_check(check);
    }
}
