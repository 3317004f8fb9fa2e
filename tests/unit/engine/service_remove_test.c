/*
 * A check is removed while its callback runs: by others, who wait, and by itself, which does not.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/engine.h"

#include "engine_alive.h"

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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_engine, close_engine)
    const struct CMUnitTest tests[] = {
        TEST(a_check_removes_itself),
        TEST(a_removal_waits_for_the_run_in_progress),
    };

    jobs_first_thread();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
