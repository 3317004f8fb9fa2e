/*
 * health_check_mutex where the C library cannot wait for a mutex by the monotonic clock: it tries
 * again and again instead.
 *
 * The source is compiled here a second time, without what other C libraries do not have.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#undef HEALTH_HAVE_CLOCKLOCK
#define health_check_mutex second_check_mutex
/* As said above.  NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "checks/mutex.c"
#undef health_check_mutex

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/words.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct health_result result;

/* Runs the check with so much time left.  Returns: what it does; *ret_ms how long it took. */
static enum health_status run(void *m, int64_t timeout_ms, int64_t *ret_ms)
{
    int64_t begin = health__now_ms();
    enum health_status status;

    health__result_init(&result, begin + timeout_ms);
    status = second_check_mutex(&result, m);
    *ret_ms = health__now_ms() - begin;
    return status;
}

static void a_free_one_passes_and_stays_free(void **unused)
{
    int64_t ms, timeout_ms;

    (void)unused;
    /* Also if there is no time left. */
    for (timeout_ms = -5; timeout_ms < 1000; timeout_ms += 100) {
        assert_int_equal(run(&mutex, timeout_ms, &ms), HEALTH_PASS);
        assert_int_equal(pthread_mutex_trylock(&mutex), 0);
        assert_int_equal(pthread_mutex_unlock(&mutex), 0);
    }
}

static void one_that_is_held_fails_within_the_time(void **unused)
{
    static const int64_t timeouts[] = {0, 1, 40, 200};
    char expected[80];
    unsigned waited;
    int64_t ms;
    size_t i;

    (void)unused;
    assert_int_equal(pthread_mutex_lock(&mutex), 0);
    for (i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
        assert_int_equal(run(&mutex, timeouts[i], &ms), HEALTH_FAIL);
        assert_int_equal(
            sscanf(result.reason, "the mutex could not be taken within %u ms", &waited), 1);
        (void)snprintf(
            expected, sizeof(expected), "the mutex could not be taken within %u ms", waited);
        assert_string_equal(result.reason, expected);
        assert_true(waited <= timeouts[i] / 4 * 3);
        assert_true(ms >= waited);
        assert_true(ms < waited + 1000); /* a busy machine's */
    }
    assert_int_equal(pthread_mutex_unlock(&mutex), 0);
}

static atomic_bool holds;

static void *hold_for_a_while(void *unused)
{
    (void)pthread_mutex_lock(&mutex);
    atomic_store(&holds, true);
    (void)poll(NULL, 0, 100);
    (void)pthread_mutex_unlock(&mutex);
    return unused;
}

static void one_that_becomes_free_passes(void **unused)
{
    pthread_t thread;
    int64_t ms;

    (void)unused;
    assert_int_equal(pthread_create(&thread, NULL, hold_for_a_while, NULL), 0);
    while (!atomic_load(&holds))
        (void)poll(NULL, 0, 1);
    assert_int_equal(run(&mutex, 20000, &ms), HEALTH_PASS);
    assert_true(ms < 10000);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void no_mutex_fails(void **unused)
{
    int64_t ms;

    (void)unused;
    assert_int_equal(run(NULL, 1000, &ms), HEALTH_FAIL);
    assert_string_equal(result.reason, "there is no mutex");
}

/* A mutex that its owner has died with can be told from one that is held. */
static void *die_with_it(void *robust)
{
    (void)pthread_mutex_lock(robust);
    return NULL;
}

static void what_is_wrong_with_it_is_said(void **unused)
{
    pthread_mutexattr_t attributes;
    pthread_mutex_t robust;
    char expected[64];
    pthread_t thread;
    int64_t ms;

    (void)unused;
    assert_int_equal(pthread_mutexattr_init(&attributes), 0);
    assert_int_equal(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
    assert_int_equal(pthread_mutex_init(&robust, &attributes), 0);
    assert_int_equal(pthread_create(&thread, NULL, die_with_it, &robust), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(run(&robust, 1000, &ms), HEALTH_FAIL);
    (void)snprintf(expected, sizeof(expected), "the mutex cannot be taken: error %d", EOWNERDEAD);
    assert_string_equal(result.reason, expected);
    assert_int_equal(pthread_mutexattr_destroy(&attributes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_one_passes_and_stays_free),
        cmocka_unit_test(one_that_is_held_fails_within_the_time),
        cmocka_unit_test(one_that_becomes_free_passes),
        cmocka_unit_test(no_mutex_fails),
        cmocka_unit_test(what_is_wrong_with_it_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
