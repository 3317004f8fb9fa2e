/*
 * The life of an engine: made, started, stopped, stuck, freed; with a server that serves nobody,
 * and callbacks that return when they are let.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/thread.h"
#include "fake_server.h"
#include "jobs.h"
#include "refused.h"

static struct health__engine engine;
static struct health__engine *const e = &engine;
static struct health__gates gates;
static struct fake_server server;
static bool freed;
static int gone;

/* For the checks of a test: whatever it leaves running has them to the end. */
static struct job a, b, c;

static int open_engine(void **state)
{
    memset(e, 0, sizeof(*e));
    memset(&gates, 0, sizeof(gates));
    fake_server_init(&server);
    gone = 0;
    freed = false;
    a = b = c = (struct job){.let = false};
    if (refused_count(state) != 0)
        return -1;
    return health__engine_init(e, &gates, &server.server, 800, 4);
}

static void be_gone(void *arg)
{
    count_up(arg);
}

static void free_engine(void)
{
    freed = true;
    assert_int_equal(health__engine_free(e, be_gone, &gone), 0);
}

/* Nothing is left of it. */
static int close_engine(void **state)
{
    job_let(&a);
    job_let(&b);
    job_let(&c);
    if (!freed)
        free_engine();
    count_wait(&gone, 1);
    return refused_recount(state);
}

static void start(void)
{
    assert_accepted(health__engine_start(e, NULL));
}

/* Adds a check with this job. */
static void add(const char *name, struct job *job, unsigned interval_ms, unsigned timeout_ms)
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

/* ---- Start and stop ---- */

static void what_is_started_is_stopped(void **unused)
{
    int round;

    (void)unused;
    for (round = 1; round <= 3; round++) {
        assert_false(health__engine_is_started(e));
        assert_refused(health__engine_stop(e, 0), HEALTH_ESTOPPED, 0, "not started");
        assert_accepted(health__engine_start(e, "somewhere"));
        assert_true(health__engine_is_started(e));
        assert_string_equal(server.listen, "somewhere");
        assert_ptr_equal(server.poller, &e->poller);
        assert_refused(health__engine_start(e, NULL), HEALTH_EALREADY, 0, "already");
        count_wait(&server.runs, 1);
        assert_accepted(health__engine_stop(e, 1000));
        assert_int_equal(server.starts, round);
        assert_int_equal(server.drains, round);
        assert_int_equal(server.stops, round);
        assert_int_equal(server.forgets, 0);
    }
}

static void a_free_stops(void **unused)
{
    (void)unused;
    job_let(&a);
    add("a", &a, 1, 0);
    start();
    count_wait(&a.ended, 2);
    free_engine();
    /* At once, or when a run in progress has ended. */
    count_wait(&gone, 1);
    assert_int_equal(server.stops, 1);
    assert_int_equal(count_of(&a.released), 1);
}

static void a_server_that_does_not_start_is_the_engines_error(void **unused)
{
    (void)unused;
    server.start_error = HEALTH_ELISTEN;
    assert_refused(health__engine_start(e, NULL), HEALTH_ELISTEN, EDOM, "does not start");
    assert_false(health__engine_is_started(e));
    assert_int_equal(server.stops, 0);
    assert_int_equal(e->poller.fd, -1);
    server.start_error = 0;
    start();
}

static void a_stop_waits_for_answers_only_so_long(void **unused)
{
    (void)unused;
    server.drains_empty = 1000000000;
    start();
    assert_accepted(health__engine_stop(e, 20));
    assert_true(server.drains >= 1);
    assert_int_equal(server.stops, 1);
}

static void a_stop_takes_back_draining_and_nothing_else(void **unused)
{
    (void)unused;
    health__gates_set(&gates, 15, true);
    start();
    assert_int_equal(atomic_load(&gates.bits), 15);
    assert_accepted(health__engine_stop(e, 1000));
    assert_int_equal(atomic_load(&gates.bits), 15 & ~(unsigned)HEALTH__DRAINING);
}

static void periodic_checks_run_while_it_is_started(void **unused)
{
    (void)unused;
    job_let(&a);
    job_let(&b);
    add("a", &a, 1, 0);
    start();
    count_wait(&a.ended, 3);
    assert_accepted(health__engine_stop(e, 20000));
    assert_int_equal(a.released, 0);
    a.begun = a.ended = 0;
    start();
    count_wait(&a.ended, 3);
    /* One more while it is started. */
    add("b", &b, 1, 0);
    count_wait(&b.ended, 2);
    assert_accepted(health__engine_stop(e, 20000));
    assert_int_equal(a.begun, a.ended);
}

/* ---- Callbacks that do not return ---- */

static void a_callback_that_runs_keeps_it_from_stopping(void **unused)
{
    (void)unused;
    job_let(&b);
    add("free", &b, 60000, 0);
    add("stuck", &a, 60000, 0);
    start();
    count_wait(&a.begun, 1);
    health__gates_set(&gates, HEALTH__DRAINING, true);
    assert_refused(health__engine_stop(e, 0), HEALTH_EBUSY, EBUSY, "'stuck'");
    assert_int_equal(server.stops, 1);
    assert_false(health__engine_is_started(e));
    /* Not stopped: not to be started, and nothing is taken back. */
    assert_refused(health__engine_start(e, NULL), HEALTH_EBUSY, EBUSY, "health_stop()");
    assert_refused(health__engine_stop(e, 1), HEALTH_EBUSY, EBUSY, "'stuck'");
    assert_int_equal(atomic_load(&gates.bits), HEALTH__DRAINING);
    assert_int_equal(a.released, 0);

    job_let(&a);
    assert_accepted(health__engine_stop(e, 20000));
    assert_int_equal(atomic_load(&gates.bits), 0);
    /* What was stopped once is not stopped again. */
    assert_int_equal(server.drains, 1);
    assert_int_equal(server.stops, 1);
    start();
    count_wait(&a.ended, 2);
}

static void so_does_one_of_a_removed_check(void **unused)
{
    (void)unused;
    add("stuck", &a, 60000, 1);
    start();
    count_wait(&a.begun, 1);
    assert_refused(health__engine_remove(e, "stuck"), HEALTH_EBUSY, EBUSY, "'stuck'");
    assert_refused(health__engine_stop(e, 0), HEALTH_EBUSY, EBUSY, "'stuck'");
    job_let(&a);
    assert_accepted(health__engine_stop(e, 20000));
    assert_int_equal(a.released, 1);
}

static void and_a_release(void **unused)
{
    (void)unused;
    a.hold_release = true;
    add("a", &a, 0, 0);
    start();
    assert_accepted(health__engine_remove(e, "a"));
    count_wait(&a.releasing, 1);
    assert_refused(health__engine_stop(e, 0), HEALTH_EBUSY, EBUSY, "release");
    job_let(&a);
    assert_accepted(health__engine_stop(e, 20000));
    assert_int_equal(a.released, 1);
}

/* While it is stuck, checks may come and go. */
static void a_stuck_one_takes_and_gives_checks(void **unused)
{
    (void)unused;
    add("stuck", &a, 60000, 0);
    start();
    count_wait(&a.begun, 1);
    assert_refused(health__engine_stop(e, 0), HEALTH_EBUSY, EBUSY, NULL);
    add("b", &b, 60000, 0);
    assert_accepted(health__engine_remove(e, "b"));
    /* At once: no worker takes anything any more. */
    assert_int_equal(b.released, 1);
    assert_int_equal(b.begun, 0);
    job_let(&a);
    assert_accepted(health__engine_stop(e, 20000));
}

static void *stop_long(void *arg)
{
    *(int *)arg = health__engine_stop(e, 20000);
    return NULL;
}

static bool is_stopping(void *arg)
{
    bool is;

    (void)arg;
    (void)pthread_mutex_lock(&e->mutex);
    is = e->life == HEALTH__STOPPING && e->loop_ended;
    (void)pthread_mutex_unlock(&e->mutex);
    return is;
}

static void one_stop_is_enough(void **unused)
{
    pthread_t thread;
    int result = 1;

    (void)unused;
    add("stuck", &a, 60000, 0);
    start();
    count_wait(&a.begun, 1);
    assert_int_equal(pthread_create(&thread, NULL, stop_long, &result), 0);
    wait_until(is_stopping, NULL);
    assert_refused(health__engine_stop(e, 0), HEALTH_EBUSY, EBUSY, "already");
    assert_refused(health__engine_start(e, NULL), HEALTH_EBUSY, EBUSY, NULL);
    job_let(&a);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(result, 0);
}

static void what_is_freed_while_stuck_goes_with_its_last_callback(void **unused)
{
    (void)unused;
    add("a", &a, 60000, 0);
    add("b", &b, 60000, 1);
    add("c", &c, 0, 0);
    start();
    count_wait(&a.begun, 1);
    count_wait(&b.begun, 1);
    assert_refused(health__engine_remove(e, "b"), HEALTH_EBUSY, EBUSY, NULL);
    free_engine();
    assert_int_equal(count_of(&gone), 0);
    job_let(&b);
    count_wait(&b.ended, 1);
    assert_int_equal(count_of(&gone), 0);
    job_let(&a);
    count_wait(&gone, 1);
    assert_int_equal(count_of(&a.released), 1);
    assert_int_equal(count_of(&b.released), 1);
    assert_int_equal(count_of(&c.released), 1);
    assert_int_equal(count_of(&c.begun), 0);
}

static void what_was_stuck_may_be_freed(void **unused)
{
    (void)unused;
    add("a", &a, 60000, 0);
    start();
    count_wait(&a.begun, 1);
    assert_refused(health__engine_stop(e, 0), HEALTH_EBUSY, EBUSY, NULL);
    job_let(&a);
    free_engine();
    count_wait(&gone, 1);
    assert_int_equal(count_of(&a.released), 1);
}

/* ---- From threads of ours ---- */

static int stop_result, free_result; /* in a callback */

static enum health_status stop_and_free(struct health_result *result, void *arg)
{
    (void)result;
    stop_result = health__engine_stop(e, 0);
    free_result = health__engine_free(e, be_gone, &gone);
    count_up(arg);
    return HEALTH_PASS;
}

static void a_callback_cannot_stop_or_free(void **unused)
{
    static int calls;
    struct health_check check = {.size = sizeof(check),
        .name = "c",
        .fn = stop_and_free,
        .arg = &calls,
        .interval_ms = 60000};

    (void)unused;
    assert_int_equal(health__engine_add(e, &check), 0);
    start();
    count_wait(&calls, 1);
    assert_int_equal(stop_result, HEALTH_EDEADLK);
    assert_int_equal(free_result, HEALTH_EDEADLK);
    assert_true(health__engine_is_started(e));
    assert_int_equal(gone, 0);
}

static int removed_itself;

static enum health_status remove_self(struct health_result *result, void *arg)
{
    (void)result;
    removed_itself = health__engine_remove(e, arg);
    return HEALTH_PASS;
}

static int self_released;

static void release_self(void *arg)
{
    (void)arg;
    count_up(&self_released);
}

static void a_check_removes_itself(void **unused)
{
    static char name[] = "self";
    struct health_check check = {.size = sizeof(check),
        .name = name,
        .fn = remove_self,
        .arg = name,
        .release = release_self,
        .interval_ms = 60000,
        .timeout_ms = 60000};

    (void)unused;
    self_released = 0;
    assert_int_equal(health__engine_add(e, &check), 0);
    start();
    count_wait(&self_released, 1);
    /* It did not wait for itself. */
    assert_int_equal(removed_itself, HEALTH_EBUSY);
    assert_accepted(health__engine_stop(e, 20000));
    assert_int_equal(self_released, 1);
}

/* ---- Removing ---- */

static void *remove_a(void *arg)
{
    *(int *)arg = health__engine_remove(e, "a");
    return NULL;
}

static bool is_watched(void *arg)
{
    struct health__check *check = arg;
    bool is;

    (void)pthread_mutex_lock(&e->pool.mutex);
    is = check->watch != NULL;
    (void)pthread_mutex_unlock(&e->pool.mutex);
    return is;
}

static void a_removal_waits_for_the_run_in_progress(void **unused)
{
    struct health__check *check;
    pthread_t thread;
    int result = 1;

    (void)unused;
    add("a", &a, 60000, 60000);
    check =
        health__container(health__registry_find(&e->registry, "a"), struct health__check, entry);
    start();
    count_wait(&a.begun, 1);
    assert_int_equal(pthread_create(&thread, NULL, remove_a, &result), 0);
    wait_until(is_watched, check);
    job_let(&a);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(result, 0);
    count_wait(&a.released, 1);
    assert_int_equal(a.begun, 1);
}

/* ---- Never started ---- */

static void what_was_never_started_is_freed_with_its_checks(void **unused)
{
    (void)unused;
    add("a", &a, 0, 0);
    add("b", &b, 1000, 0);
    add("c", &c, 0, 0);
    assert_accepted(health__engine_remove(e, "c"));
    assert_int_equal(c.released, 1);
    free_engine();
    assert_int_equal(gone, 1);
    assert_int_equal(a.released, 1);
    assert_int_equal(b.released, 1);
    assert_int_equal(c.released, 1);
    assert_int_equal(server.starts, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_engine, close_engine)
    const struct CMUnitTest tests[] = {
        TEST(what_is_started_is_stopped),
        TEST(a_free_stops),
        TEST(a_server_that_does_not_start_is_the_engines_error),
        TEST(a_stop_waits_for_answers_only_so_long),
        TEST(a_stop_takes_back_draining_and_nothing_else),
        TEST(periodic_checks_run_while_it_is_started),
        TEST(a_callback_that_runs_keeps_it_from_stopping),
        TEST(so_does_one_of_a_removed_check),
        TEST(and_a_release),
        TEST(a_stuck_one_takes_and_gives_checks),
        TEST(one_stop_is_enough),
        TEST(what_is_freed_while_stuck_goes_with_its_last_callback),
        TEST(what_was_stuck_may_be_freed),
        TEST(a_callback_cannot_stop_or_free),
        TEST(a_check_removes_itself),
        TEST(a_removal_waits_for_the_run_in_progress),
        TEST(what_was_never_started_is_freed_with_its_checks),
    };

    jobs_first_thread();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
