/*
 * Timers, against an array that is searched from end to end.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

#define TIMERS     200
#define OPERATIONS 100000

/* xorshift64 */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void no_timer_is_set_at_first(void **unused)
{
    struct health__timers t = {0};
    struct health__timer timer = {0};

    (void)unused;
    assert_false(health__timer_is_set(&timer));
    assert_true(health__timers_next(&t) == HEALTH__NEVER);
    assert_null(health__timers_take(&t, HEALTH__NEVER));
    health__timer_clear(&t, &timer);
    assert_false(health__timer_is_set(&timer));
}

static void a_timer_is_due_from_its_moment_on(void **unused)
{
    struct health__timers t = {0};
    struct health__timer timer = {0};

    (void)unused;
    health__timer_set(&t, &timer, 100);
    assert_true(health__timer_is_set(&timer));
    assert_true(health__timers_next(&t) == 100);
    assert_null(health__timers_take(&t, 99));
    assert_ptr_equal(health__timers_take(&t, 100), &timer);
    assert_false(health__timer_is_set(&timer));
    assert_null(health__timers_take(&t, 100));

    health__timer_set(&t, &timer, 100);
    assert_ptr_equal(health__timers_take(&t, 5000), &timer);
}

static void setting_anew_moves_it(void **unused)
{
    struct health__timers t = {0};
    struct health__timer a = {0}, b = {0};

    (void)unused;
    health__timer_set(&t, &a, 100);
    health__timer_set(&t, &b, 200);
    health__timer_set(&t, &a, 300);
    assert_true(health__timers_next(&t) == 200);
    health__timer_set(&t, &a, 50);
    assert_true(health__timers_next(&t) == 50);
    health__timer_set(&t, &a, 50);
    assert_ptr_equal(health__timers_take(&t, 1000), &a);
    assert_ptr_equal(health__timers_take(&t, 1000), &b);
    assert_null(health__timers_take(&t, 1000));
}

static void any_moment_will_do(void **unused)
{
    static const int64_t moments[] = {HEALTH__NOT_YET, -1, 0, 1, HEALTH__NEVER};
    struct health__timers t = {0};
    struct health__timer timers[5] = {{0}};
    int i;

    (void)unused;
    for (i = 4; i >= 0; i--)
        health__timer_set(&t, &timers[i], moments[i]);
    for (i = 0; i < 5; i++) {
        assert_true(health__timers_next(&t) == moments[i]);
        if (i > 0)
            assert_null(health__timers_take(&t, moments[i] - 1));
        assert_ptr_equal(health__timers_take(&t, moments[i]), &timers[i]);
    }
}

/* What the model has: whether and when each timer is set. */
static const struct health__timer *first_of(
    const struct health__timer *timers, const bool *set, const int64_t *at)
{
    const struct health__timer *first = NULL;
    size_t i;

    for (i = 0; i < TIMERS; i++)
        if (set[i] && (first == NULL || at[i] < at[first - timers]))
            first = &timers[i];
    return first;
}

/* Random operations; with few different moments, so that many are equal, if `range` is small. */
static void random_operations(uint64_t random, unsigned range)
{
    static struct health__timer timers[TIMERS];
    bool set[TIMERS] = {false};
    int64_t at[TIMERS] = {0}, now = 0;
    struct health__timers t = {0};
    int operation;

    for (operation = 0; operation < OPERATIONS; operation++) {
        size_t i = (size_t)(next_random(&random) % TIMERS);
        const struct health__timer *first;

        switch (next_random(&random) % 4) {
        case 0:
        case 1:
            at[i] = now + (int64_t)(next_random(&random) % range);
            set[i] = true;
            health__timer_set(&t, &timers[i], at[i]);
            break;
        case 2:
            set[i] = false;
            health__timer_clear(&t, &timers[i]);
            break;
        default: {
            const struct health__timer *taken;

            now += (int64_t)(next_random(&random) % (range / 16 + 1));
            while ((taken = health__timers_take(&t, now)) != NULL) {
                first = first_of(timers, set, at);
                assert_true(set[taken - timers]);
                assert_true(at[taken - timers] == at[first - timers]);
                set[taken - timers] = false;
            }
        }
        }
        assert_int_equal(health__timer_is_set(&timers[i]), set[i]);
        first = first_of(timers, set, at);
        assert_true(
            health__timers_next(&t) == (first != NULL ? at[first - timers] : HEALTH__NEVER));
    }

    while (health__timers_take(&t, HEALTH__NEVER) != NULL)
        continue;
}

static void random_operations_agree_with_the_model(void **unused)
{
    (void)unused;
    random_operations(UINT64_C(0x9E3779B97F4A7C15), 1000);
    random_operations(UINT64_C(0xD1B54A32D192ED03), 8);
    random_operations(UINT64_C(0x8CB92BA72F3D8DD7), 1);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* More than any recursion would survive, in the orders that are hard for some heaps. */
static void very_many_come_out_in_order(void **unused)
{
    enum { COUNT = 200000 };
    struct health__timer *timers = calloc(COUNT, sizeof(*timers));
    int64_t *sorted = calloc(COUNT, sizeof(*sorted));
    struct health__timers t = {0};
    uint64_t random = 88172645463325252u;
    int order;

    (void)unused;
    assert_non_null(timers);
    assert_non_null(sorted);
    for (order = 0; order < 3; order++) {
        int64_t i;

        for (i = 0; i < COUNT; i++) {
            sorted[i] = order == 0 ? i : order == 1 ? -i : (int64_t)(next_random(&random) >> 2);
            health__timer_set(&t, &timers[i], sorted[i]);
        }
        qsort(sorted, COUNT, sizeof(*sorted), compare);
        for (i = 0; i < COUNT; i++) {
            struct health__timer *timer = health__timers_take(&t, HEALTH__NEVER);

            assert_non_null(timer);
            assert_true(timer->at == sorted[i]);
        }
        assert_null(health__timers_take(&t, HEALTH__NEVER));
    }
    free(sorted);
    free(timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_timer_is_set_at_first),
        cmocka_unit_test(a_timer_is_due_from_its_moment_on),
        cmocka_unit_test(setting_anew_moves_it),
        cmocka_unit_test(any_moment_will_do),
        cmocka_unit_test(random_operations_agree_with_the_model),
        cmocka_unit_test(very_many_come_out_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
