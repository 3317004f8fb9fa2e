/*
 * The end of an engine: freed where it is started, stopped, or has never been started, and where a
 * callback is stuck.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: health__pool_abandon pthread_mutex_destroy */
/* wrap: malloc calloc realloc strdup free */
#include "engine/engine.h"

#include "engine_alive.h"
#include "memory.h"
#include "mutexes_destroyed.h"

bool __real_health__pool_abandon(struct health__pool *pool);
bool __wrap_health__pool_abandon(struct health__pool *pool);

static int open_counted(void **state)
{
    memory_begin(0);
    return open_engine(state);
}

static int close_counted(void **state)
{
    int result = close_engine(state);

    assert_int_equal(memory_live(), 0);
    return result;
}

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

static bool has_no_workers(void *arg)
{
    struct health__pool *pool = arg;
    bool has;

    (void)pthread_mutex_lock(&pool->mutex);
    has = pool->workers > 0;
    (void)pthread_mutex_unlock(&pool->mutex);
    return !has;
}

/* Not NULL: returns when it is too late to leave anything to its worker. */
static struct job *returns_meanwhile;

bool __wrap_health__pool_abandon(struct health__pool *pool)
{
    if (returns_meanwhile != NULL) {
        job_let(returns_meanwhile);
        wait_until(has_no_workers, pool);
    }
    return __real_health__pool_abandon(pool);
}

static void a_callback_that_returns_in_the_last_moment_is_no_longer_waited_for(void **unused)
{
    (void)unused;
    add("a", &a, 60000, 0);
    start();
    count_wait(&a.begun, 1);
    returns_meanwhile = &a;
    free_engine();
    returns_meanwhile = NULL;
    assert_int_equal(gone, 1);
    assert_int_equal(a.released, 1);
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_counted, close_counted)
    const struct CMUnitTest tests[] = {
        TEST(what_was_never_started_is_freed_with_its_checks),
        TEST(a_free_stops),
        TEST(what_is_freed_while_stuck_goes_with_its_last_callback),
        TEST(a_callback_that_returns_in_the_last_moment_is_no_longer_waited_for),
        TEST(what_was_stuck_may_be_freed),
    };

    jobs_first_thread();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
