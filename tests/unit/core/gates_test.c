/*
 * The gates: each is opened and shut without the others, and startup, once passed, stays so.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/gates.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void nothing_is_shut_at_first(void **unused)
{
    struct health__gates g = {0};

    (void)unused;
    assert_int_equal(health__gates_read(&g), 0);
}

static void each_is_set_alone(void **unused)
{
    unsigned before, bit;

    (void)unused;
    for (before = 0; before < HEALTH__GATES; before++)
        for (bit = 1; bit < HEALTH__GATES; bit <<= 1) {
            struct health__gates g = {before};

            health__gates_set(&g, bit, true);
            assert_int_equal(atomic_load(&g.bits), before | bit);
            health__gates_set(&g, bit, true);
            assert_int_equal(atomic_load(&g.bits), before | bit);
            health__gates_set(&g, bit, false);
            assert_int_equal(atomic_load(&g.bits), before & ~bit);
            health__gates_set(&g, bit, false);
            assert_int_equal(atomic_load(&g.bits), before & ~bit);
        }
}

static void once_latched_it_is_started(void **unused)
{
    unsigned bits;

    (void)unused;
    for (bits = 0; bits < HEALTH__GATES; bits++) {
        struct health__gates g = {bits};

        assert_int_equal(health__gates_read(&g), bits & HEALTH__LATCHED ? bits & 14 : bits);
    }
}

#define ROUNDS 2001

static struct health__gates shared;

static void *toggle(void *arg)
{
    unsigned bit = *(const unsigned *)arg;
    int i;

    for (i = 0; i < ROUNDS; i++)
        health__gates_set(&shared, bit, i % 2 == 0);
    return NULL;
}

static void threads_do_not_undo_each_other(void **unused)
{
    unsigned bits[] = {HEALTH__NOT_STARTED, HEALTH__NOT_READY, HEALTH__DRAINING};
    pthread_t threads[3];
    size_t i;

    (void)unused;
    for (i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, toggle, &bits[i]), 0);
    for (i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(health__gates_read(&shared), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_shut_at_first),
        cmocka_unit_test(each_is_set_alone),
        cmocka_unit_test(once_latched_it_is_started),
        cmocka_unit_test(threads_do_not_undo_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
