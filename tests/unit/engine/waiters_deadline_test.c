/*
 * Requests that wait, until something else comes first: their deadline, a run that is overdue, a
 * check that is removed, the end of all.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: clock_gettime */
#include "engine/runs.h"

#include "by_hand.h"

#define T 10000 /* when it begins */

static struct hand h;
static struct health__engine *const e = &h.engine;

static int open_hand(void **unused)
{
    (void)unused;
    hand_open(&h, T);
    return 0;
}

static int close_hand(void **unused)
{
    (void)unused;
    hand_close(&h);
    return 0;
}

static bool is_running(const struct health__check *c)
{
    return health__state_running(&c->state);
}

/* The callback returns, and the loop comes to know of it. */
static void let_return(struct health__check *c, int returned)
{
    hand_return(&h, c, returned, NULL);
    health__runs_collect(e);
}

static bool waits(const struct hand_request *r)
{
    return health__list_linked(&r->waiter.link) && health__list_linked(&r->waiter.on);
}

/* Fails unless the request was told once, and waits for nothing any more. */
static void is_answered(const struct hand_request *r)
{
    assert_int_equal(r->ready, 1);
    assert_false(health__list_linked(&r->waiter.link));
    assert_false(health__list_linked(&r->waiter.on));
}

static void who_waits_is_answered_at_the_deadline(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c");
    struct hand_request first, second;

    (void)unused;
    assert_true(hand_ask(&h, &first, HEALTH_READY, NULL));
    assert_int_equal(first.waiter.deadline, T + HAND_RESPONSE_MS);
    hand_at(&h, T + 10);
    assert_true(hand_ask(&h, &second, HEALTH_READY, NULL));
    assert_ptr_equal(e->waiters.next, &first.waiter.link);
    hand_turn(&h, T + HAND_RESPONSE_MS - 1);
    assert_true(waits(&first) && waits(&second));
    hand_turn(&h, T + HAND_RESPONSE_MS);
    is_answered(&first);
    assert_true(waits(&second));
    assert_true(is_running(c));
    hand_turn(&h, T + HAND_RESPONSE_MS + 10);
    is_answered(&second);
    /* The run goes on, for others. */
    let_return(c, HEALTH_PASS);
    is_answered(&first);
}

static void overdue_runs_are_not_waited_for(void **unused)
{
    struct health__check *a = hand_add(&h, .name = "a", .timeout_ms = 300),
                         *b = hand_add(&h, .name = "b");
    struct hand_request r;

    (void)unused;
    assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
    let_return(b, HEALTH_PASS);
    hand_turn(&h, T + 299);
    assert_true(waits(&r));
    hand_turn(&h, T + 300);
    is_answered(&r);
    assert_false(hand_ask(&h, &r, HEALTH_READY, NULL));
    assert_false(hand_ask(&h, &r, 0, "a"));
    assert_int_equal(a->seq, 1);
    /* Others are still run and waited for. */
    hand_at(&h, T + 2000);
    assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
    assert_int_equal(b->seq, 3);
    let_return(b, HEALTH_PASS);
    is_answered(&r);
}

static void who_leaves_is_not_told(void **unused)
{
    struct health__check *a = hand_add(&h, .name = "a"), *b = hand_add(&h, .name = "b");
    struct hand_request r[3];
    size_t i;

    (void)unused;
    for (i = 0; i < 3; i++)
        assert_true(hand_ask(&h, &r[i], HEALTH_READY, NULL));
    health__engine_leave(&r[1].waiter);
    health__engine_leave(&r[1].waiter);
    let_return(a, HEALTH_PASS);
    health__engine_leave(&r[0].waiter);
    let_return(b, HEALTH_PASS);
    hand_turn(&h, T + 5000);
    assert_int_equal(r[0].ready, 0);
    assert_int_equal(r[1].ready, 0);
    is_answered(&r[2]);
}

static void at_the_end_everyone_is_answered(void **unused)
{
    struct hand_request r[3];
    size_t i;

    (void)unused;
    (void)hand_add(&h, .name = "a");
    for (i = 0; i < 3; i++)
        assert_true(hand_ask(&h, &r[i], HEALTH_READY, NULL));
    health__runs_answer(e, false);
    assert_int_equal(r[0].ready, 0);
    health__runs_answer(e, true);
    for (i = 0; i < 3; i++)
        is_answered(&r[i]);
    assert_true(health__list_empty(&e->waiters));
}

/* A check that is removed is no check to wait for. */
static void a_removed_check_lets_go(void **unused)
{
    struct health__check *a = hand_add(&h, .name = "a"), *b = hand_add(&h, .name = "b");
    struct hand_request both, one;

    (void)unused;
    assert_true(hand_ask(&h, &both, HEALTH_READY, NULL));
    assert_true(hand_ask(&h, &one, 0, "a"));
    hand_begin(&h, a);
    (void)health__engine_remove(e, "a");
    hand_turn(&h, T + 1);
    is_answered(&one);
    assert_true(waits(&both));
    let_return(b, HEALTH_PASS);
    is_answered(&both);
    hand_return(&h, a, HEALTH_PASS, NULL);
    hand_turn(&h, T + 2);
    is_answered(&one);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_hand, close_hand)
    const struct CMUnitTest tests[] = {
        TEST(who_waits_is_answered_at_the_deadline),
        TEST(overdue_runs_are_not_waited_for),
        TEST(who_leaves_is_not_told),
        TEST(at_the_end_everyone_is_answered),
        TEST(a_removed_check_lets_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
