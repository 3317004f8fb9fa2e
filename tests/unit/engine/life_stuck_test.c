/*
 * An engine that cannot stop, as a callback does not return: it says which, goes on when it has,
 * and is left to it if it is freed meanwhile.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: pthread_mutex_destroy */
#include "engine/life.h"

#include "engine_alive.h"
#include "mutexes_destroyed.h"

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

static void so_it_is_where_one_was_stuck(void **unused)
{
    static int result;
    pthread_t thread;

    (void)unused;
    result = 1;
    add("stuck", &a, 60000, 0);
    start();
    count_wait(&a.begun, 1);
    assert_refused(health__engine_stop(e, 0), HEALTH_EBUSY, EBUSY, "'stuck'");
    assert_int_equal(pthread_create(&thread, NULL, stop_long, &result), 0);
    wait_until(is_stopping, NULL);
    assert_refused(health__engine_stop(e, 0), HEALTH_EBUSY, EBUSY, "already");
    job_let(&a);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(result, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_engine, close_engine)
    const struct CMUnitTest tests[] = {
        TEST(a_callback_that_runs_keeps_it_from_stopping),
        TEST(so_does_one_of_a_removed_check),
        TEST(and_a_release),
        TEST(a_stuck_one_takes_and_gives_checks),
        TEST(one_stop_is_enough),
        TEST(so_it_is_where_one_was_stuck),
    };

    jobs_first_thread();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
