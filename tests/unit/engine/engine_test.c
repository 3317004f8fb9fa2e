/*
 * The life of an engine: made, started, stopped, freed; and what its own threads may do with it.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/engine.h"

#include "engine_alive.h"

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
    is = check->job.watch != NULL;
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
        TEST(a_callback_cannot_stop_or_free),
        TEST(a_check_removes_itself),
        TEST(a_removal_waits_for_the_run_in_progress),
        TEST(what_was_never_started_is_freed_with_its_checks),
    };

    jobs_first_thread();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
