/*
 * Runs begin, end, and are late.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/runs.h"

#include "base/clock.h"

/* ---- Begin ---- */

void health__engine_queue(struct health__engine *e, struct health__job *job)
{
    e->jobs++;
    health__pool_queue(&e->pool, job, e->now);
}

static struct health__check *check_of(struct health__job *job)
{
    return health__container(job, struct health__check, job);
}

/* On a worker: calls the callback. */
static void call(struct health__job *job)
{
    struct health__check *check = check_of(job);
    struct health_result result;
    int64_t begun_us, ended_us;

    health__result_init(&result, 0);
    result.moving_deadline = &check->deadline;
    begun_us = health__now_us();
    check->outcome = (int)check->fn(&result, check->arg);
    ended_us = health__now_us();
    atomic_store_explicit(&check->returned_at, ended_us / 1000, memory_order_relaxed);
    check->outcome_us = ended_us - begun_us;
    check->outcome_words = health__words_keep(&result);
}

static void run_ended(struct health__job *job, void *arg);

static const struct health__task run = {.call = call, .ended = run_ended};

/* What decides on restarts is run whatever other checks wait for. */
static const struct health__task run_for_live = {.call = call, .ended = run_ended, .urgent = true};

void health__runs_queue(struct health__engine *e, struct health__check *check)
{
    /* What time alone has caused until now is told first. */
    (void)health__engine_settle(e, check);
    health__state_queue(&check->state, &check->policy, e->now);
    check->seq = ++e->seq;
    if (check->policy.kind == HEALTH__ON_DEMAND)
        health__list_append(&e->runs, &check->run);
    health__timer_set(&e->timers, &check->timer, e->now + check->policy.timeout_ms);
    atomic_store_explicit(
        &check->deadline, e->now + check->policy.timeout_ms, memory_order_relaxed);
    atomic_store_explicit(&check->returned_at, HEALTH__NEVER, memory_order_relaxed);
    check->job.task = check->policy.probes & HEALTH_LIVE ? &run_for_live : &run;
    e->jobs++;
    health__pool_queue(&e->pool, &check->job, e->now);
}

/* The interval, give or take a tenth, so that what was started together does not stay together. */
static int64_t jittered(struct health__engine *e, int64_t interval_ms)
{
    uint64_t x = e->random; /* xorshift64, George Marsaglia, "Xorshift RNGs" */

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    e->random = x;
    return interval_ms - interval_ms / 10 + (int64_t)(x % (uint64_t)(interval_ms / 10 * 2 + 1));
}

/* When the check is to be run next without being asked. */
static void schedule(struct health__engine *e, struct health__check *check, int64_t last)
{
    if (check->policy.kind == HEALTH__PERIODIC)
        health__timer_set(&e->timers, &check->timer, last + jittered(e, check->policy.interval_ms));
}

void health__runs_begin(struct health__engine *e)
{
    struct health__link *link, *rest;
    unsigned i;

    for (i = 0; i < HEALTH__PROBES; i++)
        e->fresh_until[i] = HEALTH__NOT_YET;
    health__list_each (link, rest, &e->checks) {
        struct health__check *check = HEALTH__LISTED(link);
        bool was_passing = health__check_passing(check);

        health__state_start(&check->state, &check->policy, e->now);
        check->duration_us = -1;
        if (check->policy.kind != HEALTH__PUSHED) {
            health__words_free(check->words);
            check->words = NULL;
        }
        health__changes_note(e, check, was_passing);
        if (check->policy.kind == HEALTH__PERIODIC)
            health__timer_set(&e->timers, &check->timer, e->now);
    }
}

/* ---- Late ---- */

static void overdue(struct health__engine *e, struct health__check *check)
{
    (void)health__engine_settle(e, check);
    if (health__check_has_returned(check))
        return;
    if (!check->state.overdue) {
        /* A thaw has put it off. */
        health__timer_set(
            &e->timers, &check->timer, health__state_until(&check->state, &check->policy));
        return;
    }
    health__pool_overdue(&e->pool, &check->job);
    health__runs_let_go(e, check);
}

void health__runs_tick(struct health__engine *e)
{
    struct health__timer *timer;

    while ((timer = health__timers_take(&e->timers, e->now)) != NULL) {
        struct health__check *check = health__container(timer, struct health__check, timer);

        if (health__state_running(&check->state))
            overdue(e, check);
        else
            health__runs_queue(e, check);
    }
}

/* ---- End ---- */

int64_t health__runs_moment(
    const struct health__engine *e, const struct health__check *check, int64_t at)
{
    if (at < check->state.since)
        at = check->state.since;
    return at > e->now ? e->now : at;
}

static void finish(struct health__engine *e, struct health__check *check)
{
    bool was_passing = health__check_passing(check);
    int64_t queued_at = check->state.queued_at;
    /* It took as long as it took, however late we come to look: a loop that was held up is not to
     * make a check fail. */
    int64_t at = health__runs_moment(e, check, health__check_returned_at(check));

    /* A thaw has given it a new beginning. */
    if (at < queued_at)
        at = queued_at;
    health__state_finish(&check->state, &check->policy, check->outcome, at);
    health__words_free(check->words);
    check->words = check->outcome_words;
    check->outcome_words = NULL;
    check->duration_us = check->outcome_us;
    health__changes_note(e, check, was_passing);
    health__changes_wanted_from(e, check, health__state_fresh_until(&check->state, &check->policy));
    schedule(e, check, queued_at);
}

static void run_ended(struct health__job *job, void *arg)
{
    struct health__check *check = check_of(job);
    struct health__engine *e = arg;

    health__timer_clear(&e->timers, &check->timer);
    if (job->state == HEALTH__JOB_ENDED)
        finish(e, check);
    else
        health__state_cancel(&check->state);
    health__runs_let_go(e, check);
    if (check->gone)
        health__checks_die(e, check);
}

void health__runs_collect(struct health__engine *e)
{
    bool begun_late;
    unsigned i;

    e->jobs -= health__pool_collect(&e->pool, e, &begun_late);
    /* A run that is begun late has another reason for being late. */
    for (i = 0; begun_late && i < HEALTH__PROBES; i++) {
        e->results[i]++;
        e->troubles[i]++;
    }
}

/* The pool has forgotten what it had of the check. */
static void forget(struct health__check *check)
{
    health__state_cancel(&check->state);
    if (health__check_is_run(check)) {
        /* What a worker was about to leave is not whole. */
        if (check->job.state == HEALTH__JOB_ENDED)
            health__words_free(check->outcome_words);
        check->outcome_words = NULL;
        check->run = (struct health__link){NULL, NULL};
    }
    check->job.state = HEALTH__JOB_NONE;
    check->job.link = (struct health__link){NULL, NULL};
    check->job.watch = NULL;
    check->timer = (struct health__timer){0};
    health__list_init(&check->waiters);
}

void health__runs_forget(struct health__engine *e)
{
    struct health__link *link, *rest;

    health__list_init(&e->runs);
    health__list_init(&e->waiters);
    e->timers.first = NULL;
    e->jobs = 0;
    health__list_each (link, rest, &e->checks)
        forget(HEALTH__LISTED(link));
    health__list_each (link, rest, &e->leaving) {
        struct health__check *check = HEALTH__LISTED(link);
        bool begun = check->releasing && check->job.state != HEALTH__JOB_QUEUED;

        forget(check);
        /* How far a release has got, nobody knows: it is not called again, and what is left of the
         * check is freed with the engine. */
        if (begun)
            continue;
        check->releasing = false;
        health__list_remove(link);
        health__list_append(&e->dead, link);
    }
}
