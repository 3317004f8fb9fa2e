/*
 * An engine without threads: the test is its loop, its workers and its clock.
 *
 * For unit tests, which have the insides in reach, and which wrap clock_gettime (fake_clock.h).
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_BY_HAND_H
#define TESTS_BY_HAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine/runs.h"
#include "fake_clock.h"
#include "mutexes.h"

#define HAND_RESPONSE_MS 800

struct hand {
    struct health__engine engine;
    struct health__gates gates;
    struct health__server server;     /* never called */
    struct health__observer observer; /* nor is it */
    bool gone;
};

/* The time is `now`, for the clock and in the loop's turn. */
static inline void hand_at(struct hand *h, int64_t now)
{
    /* The turn that was has come to its end. */
    health__pool_hand_over(&h->engine.pool);
    fake_clock_set(now);
    h->engine.now = now;
}

/* An engine that counts as started at `now`. */
static inline void hand_open(struct hand *h, int64_t now)
{
    memset(h, 0, sizeof(*h));
    fake_clock_set(now);
    assert_int_equal(
        health__engine_init(&h->engine, &h->gates, &h->server, &h->observer, HAND_RESPONSE_MS, 16),
        0);
    hand_at(h, now);
    health__runs_begin(&h->engine);
    h->engine.life = HEALTH__STARTED;
}

static inline void hand_gone(void *arg)
{
    ((struct hand *)arg)->gone = true;
}

/* Frees it with its checks, whatever is in progress. */
static inline void hand_close(struct hand *h)
{
    h->engine.life = HEALTH__STOPPED;
    assert_true(mutex_in_order(&h->engine.turn));
    assert_true(mutex_in_order(&h->engine.mutex));
    assert_true(mutex_in_order(&h->engine.pool.mutex));
    assert_int_equal(health__engine_free(&h->engine, hand_gone, h), 0);
    assert_true(h->gone);
}

/* A callback that nobody calls: the test says what it returns. */
static inline enum health_status hand_fn(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    fail_msg("a callback was called");
    return HEALTH_FAIL;
}

static inline struct health__check *hand_find(struct hand *h, const char *name)
{
    struct health__entry *entry = health__registry_find(&h->engine.registry, name);

    return entry != NULL ? health__container(entry, struct health__check, entry) : NULL;
}

/* Adds a check, as the loop gets to know it at once. */
static inline struct health__check *hand_add_check(struct hand *h, const struct health_check *check)
{
    assert_int_equal(health__engine_add(&h->engine, check), 0);
    health__mail_read(&h->engine);
    return hand_find(h, check->name);
}

/* The same of designated fields: one with a callback, and a pushed one. */
#define hand_add(h, ...)                                                                           \
    hand_add_check((h), &(const struct health_check){                                              \
                            .size = sizeof(struct health_check), .fn = hand_fn, __VA_ARGS__})
#define hand_add_pushed(h, ...)                                                                    \
    hand_add_check(                                                                                \
        (h), &(const struct health_check){.size = sizeof(struct health_check), __VA_ARGS__})

static inline struct health__check *hand_add_heartbeat(
    struct hand *h, const char *name, unsigned max_age_ms, unsigned probes)
{
    struct health_heartbeat *heartbeat;

    assert_int_equal(
        health__engine_add_heartbeat(&h->engine, name, max_age_ms, probes, &heartbeat), 0);
    health__mail_read(&h->engine);
    return hand_find(h, name);
}

/* The service reports a status, with a reason; NULL: with none. */
static inline void hand_report(
    struct hand *h, const char *name, enum health_status status, const char *reason)
{
    struct health_result said;

    health__result_init(&said, HEALTH__NEVER);
    if (reason != NULL)
        (void)health_explain(&said, status, "%s", reason);
    assert_int_equal(health__engine_report(&h->engine, name, status, &said), 0);
}

/* A worker begins the run that is queued. */
static inline void hand_begin(struct hand *h, struct health__check *check)
{
    health__pool_hand_over(&h->engine.pool);
    assert_int_equal(check->job.state, HEALTH__JOB_QUEUED);
    health__list_remove(&check->job.link);
    check->job.state = HEALTH__JOB_BEGUN;
    atomic_store(&check->job.tid, 4711);
    if (check->job.overdue) {
        h->engine.pool.overdue++;
        h->engine.pool.begun_late = true;
    }
}

/* The worker has done with the job. */
static inline void hand_end(struct hand *h, struct health__check *check)
{
    check->job.state = HEALTH__JOB_ENDED;
    if (check->job.overdue)
        h->engine.pool.overdue--;
    if (check->job.watch != NULL)
        *check->job.watch = true;
    check->job.watch = NULL;
    health__list_append(&h->engine.pool.done, &check->job.link);
}

/* A worker begins the run that is queued, and calls the callback that the check really has. */
static inline void hand_call(struct hand *h, struct health__check *check)
{
    hand_begin(h, check);
    check->job.task->call(&check->job);
    hand_end(h, check);
}

/* The callback returns: what, with which reason, NULL: none. */
static inline void hand_return(
    struct hand *h, struct health__check *check, int returned, const char *reason)
{
    struct health_result said;

    health__pool_hand_over(&h->engine.pool);
    /* A test hands in what it has added.  NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    if (check->job.state == HEALTH__JOB_QUEUED)
        hand_begin(h, check);
    assert_int_equal(check->job.state, HEALTH__JOB_BEGUN);
    health__result_init(&said, HEALTH__NEVER);
    if (reason != NULL)
        (void)health_explain(&said, HEALTH_PASS, "%s", reason);
    check->outcome = returned;
    check->outcome_us = 1500;
    check->outcome_words = health__words_keep(&said);
    hand_end(h, check);
}

/* One turn of the loop at `now`, but for the server and the workers. */
static inline void hand_turn(struct hand *h, int64_t now)
{
    struct health__engine *e = &h->engine;

    hand_at(h, now);
    health__runs_collect(e);
    health__mail_read(e);
    health__runs_tick(e);
    health__runs_answer(e, false);
    health__mail_bury(e);
    health__pool_hand_over(&e->pool);
}

/* A run of the check, queued and ended now. */
static inline void hand_run(
    struct hand *h, struct health__check *check, int returned, const char *reason)
{
    /* A request may have begun it. */
    if (!health__state_running(&check->state))
        health__runs_queue(&h->engine, check);
    hand_return(h, check, returned, reason);
    health__runs_collect(&h->engine);
}

/* ---- Requests ---- */

struct hand_request {
    struct health__waiter waiter;
    int ready; /* how often it was told so */
};

static inline void hand_ready(struct health__waiter *waiter)
{
    health__container(waiter, struct hand_request, waiter)->ready++;
}

/* Asks of these probes, or of the one check.  Returns: whether it has to wait. */
static inline bool hand_ask(
    struct hand *h, struct hand_request *r, unsigned probes, const char *only)
{
    *r = (struct hand_request){
        .waiter = {.ready = hand_ready, .question = {.probes = probes, .only = only}}};
    return health__engine_ask(&h->engine, &r->waiter);
}

#endif
