/*
 * An engine with its threads, by the clock, with a server that serves nobody and an observer that
 * tells nobody; and jobs for the checks of a test, which have them to the end, whatever it leaves
 * running.
 *
 * For unit tests, which have the insides in reach.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_ENGINE_ALIVE_H
#define TESTS_ENGINE_ALIVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "fake_observer.h"
#include "fake_server.h"
#include "jobs.h"
#include "refused.h"

static struct health__engine engine;
static struct health__engine *const e = &engine;
static struct health__gates gates;
static struct fake_server server;
static struct fake_observer observer;
static bool freed;
static int gone; /* how often it was told so */

static struct job a, b, c;

static unsigned workers = 4; /* at most */

static inline int open_engine(void **state)
{
    memset(e, 0, sizeof(*e));
    memset(&gates, 0, sizeof(gates));
    fake_server_init(&server);
    fake_observer_init(&observer);
    gone = 0;
    freed = false;
    a = b = c = (struct job){.let = false};
    if (refused_count(state) != 0)
        return -1;
    return health__engine_init(e, &gates, &server.server, &observer.observer, 800, workers);
}

static inline void be_gone(void *arg)
{
    count_up(arg);
}

static inline void free_engine(void)
{
    freed = true;
    assert_int_equal(health__engine_free(e, be_gone, &gone), 0);
}

/* Nothing is left of it. */
static inline int close_engine(void **state)
{
    job_let(&a);
    job_let(&b);
    job_let(&c);
    if (!freed)
        free_engine();
    count_wait(&gone, 1);
    return refused_recount(state);
}

static inline void start(void)
{
    assert_accepted(health__engine_start(e, NULL));
}

/* Whether an errand waits for the loop. */
static inline bool has_errand(void *arg)
{
    bool is;

    (void)arg;
    (void)pthread_mutex_lock(&e->mutex);
    is = !health__list_empty(&e->errands);
    (void)pthread_mutex_unlock(&e->mutex);
    return is;
}

/* Adds a check with this job. */
static inline void add(const char *name, struct job *job, unsigned interval_ms, unsigned timeout_ms)
{
    struct health_check check = {.size = sizeof(check),
        .name = name,
        .fn = job_run,
        .arg = job,
        .release = job_release,
        .interval_ms = interval_ms,
        .timeout_ms = timeout_ms};

    assert_int_equal(health__engine_add(e, &check), 0);
}

#endif
