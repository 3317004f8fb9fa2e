/*
 * Requests that wait: for which runs, in any order, and that each is told once.
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

static void where_there_is_nothing_to_run_nobody_waits(void **unused)
{
    struct hand_request r;

    (void)unused;
    assert_false(hand_ask(&h, &r, HEALTH_ALL, NULL));
    (void)hand_add_pushed(&h, .name = "pushed");
    (void)hand_add(&h, .name = "periodic", .interval_ms = 1000);
    (void)hand_add_heartbeat(&h, "heartbeat", 100, 0);
    hand_turn(&h, T);
    assert_false(hand_ask(&h, &r, HEALTH_ALL, NULL));
    assert_false(hand_ask(&h, &r, HEALTH_READY, NULL));
    assert_false(hand_ask(&h, &r, 0, "periodic"));
    assert_false(hand_ask(&h, &r, 0, "none"));
    assert_int_equal(r.ready, 0);
}

static void the_first_request_starts_what_it_asks_of(void **unused)
{
    struct health__check *live = hand_add(&h, .name = "l", .probes = HEALTH_LIVE),
                         *ready = hand_add(&h, .name = "r"),
                         *startup = hand_add(&h, .name = "s", .probes = HEALTH_STARTUP),
                         *other = hand_add(&h, .name = "o", .probes = HEALTH_ALL);
    struct hand_request r;

    (void)unused;
    assert_true(hand_ask(&h, &r, HEALTH_LIVE, NULL));
    assert_true(is_running(live));
    assert_false(is_running(ready) || is_running(startup) || is_running(other));
    let_return(live, HEALTH_PASS);
    is_answered(&r);

    assert_true(hand_ask(&h, &r, HEALTH_READY | HEALTH_STARTUP, NULL));
    assert_true(is_running(ready) && is_running(startup));
    assert_false(is_running(live) || is_running(other));
    let_return(startup, HEALTH_PASS);
    assert_true(waits(&r));
    let_return(ready, HEALTH_PASS);
    is_answered(&r);

    assert_true(hand_ask(&h, &r, HEALTH_ALL, NULL));
    assert_true(is_running(other));
    assert_false(is_running(live) || is_running(ready) || is_running(startup));
    let_return(other, HEALTH_PASS);
    is_answered(&r);
}

static void a_result_is_good_for_its_age(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .max_age_ms = 100);
    struct hand_request r;

    (void)unused;
    assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
    let_return(c, HEALTH_FAIL);
    hand_at(&h, T + 100);
    assert_false(hand_ask(&h, &r, HEALTH_READY, NULL));
    assert_false(hand_ask(&h, &r, HEALTH_ALL, NULL));
    assert_false(hand_ask(&h, &r, 0, "c"));
    hand_at(&h, T + 101);
    assert_true(hand_ask(&h, &r, HEALTH_ALL, NULL));
    assert_int_equal(c->seq, 2);
    health__engine_leave(&r.waiter);
}

/* Of several, each has its age, and the oldest does not keep the youngest fresh. */
static void each_result_has_its_own_age(void **unused)
{
    struct health__check *a = hand_add(&h, .name = "a", .max_age_ms = 1000),
                         *b = hand_add(&h, .name = "b", .max_age_ms = 50);
    struct hand_request r;

    (void)unused;
    assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
    let_return(a, HEALTH_PASS);
    let_return(b, HEALTH_PASS);
    hand_at(&h, T + 51);
    assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
    assert_true(is_running(b));
    assert_false(is_running(a));
    let_return(b, HEALTH_PASS);
    is_answered(&r);
    hand_at(&h, T + 102);
    assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
    let_return(b, HEALTH_PASS);
    hand_at(&h, T + 1001);
    assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
    assert_true(is_running(a) && is_running(b));
    health__engine_leave(&r.waiter);
}

/* Until when no check has to be run is known by probe, and they are not gone through before. */
static void while_all_is_fresh_nothing_is_looked_at(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .max_age_ms = 100);
    struct hand_request r;

    (void)unused;
    hand_run(&h, c, HEALTH_PASS, NULL);
    assert_false(hand_ask(&h, &r, HEALTH_READY, NULL));
    assert_true(e->fresh_until[0] == HEALTH__NEVER && e->fresh_until[2] == HEALTH__NEVER);
    assert_true(e->fresh_until[1] == T + 101 && e->fresh_until[3] == T + 101);
    e->fresh_until[0] = T + 7; /* who goes through them says otherwise */
    hand_at(&h, T + 100);
    assert_false(hand_ask(&h, &r, HEALTH_READY | HEALTH_STARTUP, NULL));
    assert_int_equal(e->fresh_until[0], T + 7);
    hand_at(&h, T + 101);
    assert_true(hand_ask(&h, &r, HEALTH_ALL, NULL));
    assert_int_equal(e->fresh_until[0], HEALTH__NEVER);
    /* What is in progress is wanted when it has ended. */
    assert_int_equal(e->fresh_until[1], HEALTH__NEVER);
    let_return(c, HEALTH_PASS);
    assert_int_equal(e->fresh_until[1], T + 202);
    is_answered(&r);
}

static void an_added_check_is_run_by_the_next_request(void **unused)
{
    struct health__check *a = hand_add(&h, .name = "a"), *b;
    struct hand_request r;

    (void)unused;
    assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
    let_return(a, HEALTH_PASS);
    assert_false(hand_ask(&h, &r, HEALTH_READY, NULL));
    b = hand_add(&h, .name = "b");
    assert_false(hand_ask(&h, &r, HEALTH_LIVE, NULL));
    assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
    assert_true(is_running(b));
    assert_false(is_running(a));
    health__engine_leave(&r.waiter);
}

static void all_wait_for_the_same_run(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c");
    struct hand_request r[3];
    size_t i;

    (void)unused;
    assert_true(hand_ask(&h, &r[0], HEALTH_READY, NULL));
    assert_true(hand_ask(&h, &r[1], HEALTH_ALL, NULL));
    assert_true(hand_ask(&h, &r[2], 0, "c"));
    assert_int_equal(e->jobs, 1);
    let_return(c, HEALTH_PASS);
    for (i = 0; i < 3; i++)
        is_answered(&r[i]);
}

static void one_waits_for_all_its_runs_in_any_order(void **unused)
{
    /* The order in which six orders of return go through. */
    static const int orders[6][3] = {
        {0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct health__check *c[3] = {
        hand_add(&h, .name = "a"), hand_add(&h, .name = "b"), hand_add(&h, .name = "c")};
    struct hand_request r;
    size_t i;

    (void)unused;
    for (i = 0; i < 6; i++) {
        hand_at(&h, T + 5000 * (int64_t)i);
        assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
        let_return(c[orders[i][0]], HEALTH_PASS);
        assert_true(waits(&r));
        let_return(c[orders[i][1]], HEALTH_PASS);
        assert_true(waits(&r));
        let_return(c[orders[i][2]], HEALTH_PASS);
        is_answered(&r);
    }
}

static void nobody_waits_for_runs_of_later(void **unused)
{
    struct health__check *a = hand_add(&h, .name = "a"),
                         *b = hand_add(&h, .name = "b", .max_age_ms = 1);
    struct hand_request first, second;

    (void)unused;
    hand_run(&h, b, HEALTH_PASS, NULL);
    assert_true(hand_ask(&h, &first, HEALTH_READY, NULL));
    assert_false(is_running(b));
    hand_at(&h, T + 2);
    assert_true(hand_ask(&h, &second, HEALTH_READY, NULL));
    assert_true(is_running(b));
    let_return(a, HEALTH_PASS);
    is_answered(&first);
    assert_true(waits(&second));
    let_return(b, HEALTH_PASS);
    is_answered(&second);
}

static void nobody_waits_for_what_is_not_asked(void **unused)
{
    struct health__check *live = hand_add(&h, .name = "l", .probes = HEALTH_LIVE),
                         *a = hand_add(&h, .name = "a"), *b = hand_add(&h, .name = "b");
    struct hand_request all, ready, only;

    (void)unused;
    assert_true(hand_ask(&h, &all, HEALTH_ALL, NULL));
    assert_true(hand_ask(&h, &ready, HEALTH_READY, NULL));
    assert_true(hand_ask(&h, &only, 0, "b"));
    assert_ptr_equal(live->waiters.next, &all.waiter.on);
    let_return(a, HEALTH_PASS);
    assert_true(waits(&ready) && waits(&only) && waits(&all));
    let_return(b, HEALTH_PASS);
    is_answered(&ready);
    is_answered(&only);
    assert_true(waits(&all));
    let_return(live, HEALTH_PASS);
    is_answered(&all);
}

static void runs_of_others_are_nothing_to_wait_for(void **unused)
{
    struct health__check *live = hand_add(&h, .name = "l", .probes = HEALTH_LIVE);
    struct hand_request r, other;

    (void)unused;
    assert_true(hand_ask(&h, &r, HEALTH_LIVE, NULL));
    assert_false(hand_ask(&h, &other, HEALTH_READY, NULL));
    assert_false(hand_ask(&h, &other, 0, "none"));
    assert_false(waits(&other));
    let_return(live, HEALTH_PASS);
    assert_int_equal(other.ready, 0);
    is_answered(&r);
}

static void whoever_is_looked_for_is_found_as_things_are(void **unused)
{
    const struct health_check check = {.size = sizeof(check), .name = "a", .fn = hand_fn};

    (void)unused;
    assert_null(health__engine_find(e, "a"));
    assert_int_equal(health__engine_add(e, &check), 0);
    assert_ptr_equal(health__engine_find(e, "a"), hand_find(&h, "a"));
    /* The loop knows it from then on. */
    assert_ptr_equal(e->checks.next, &hand_find(&h, "a")->link);
    assert_int_equal(health__engine_remove(e, "a"), 0);
    assert_null(health__engine_find(e, "a"));
    assert_true(health__list_empty(&e->checks));
}

static void excluded_checks_are_neither_run_nor_waited_for(void **unused)
{
    struct health__check *a = hand_add(&h, .name = "a"), *b = hand_add(&h, .name = "b"),
                         *c = hand_add(&h, .name = "c");
    struct hand_request r = {
        .waiter = {.ready = hand_ready,
            .question = {.probes = HEALTH_READY, .excludes = "a\0none\0b", .exclude_count = 3}}};
    struct hand_request plain;

    (void)unused;
    assert_true(health__engine_ask(e, &r.waiter));
    assert_false(is_running(a) || is_running(b));
    assert_true(is_running(c));
    /* What was left out is still wanted by others. */
    assert_true(hand_ask(&h, &plain, HEALTH_READY, NULL));
    assert_true(is_running(a) && is_running(b));
    let_return(c, HEALTH_PASS);
    is_answered(&r);
    assert_true(waits(&plain));
    let_return(a, HEALTH_PASS);
    let_return(b, HEALTH_PASS);
    is_answered(&plain);

    /* All of them. */
    r.waiter.question.excludes = "c\0b\0a";
    hand_at(&h, T + 9000);
    assert_false(health__engine_ask(e, &r.waiter));
    assert_int_equal(e->jobs, 0);
}

static void the_one_asked_for_is_run_whatever_its_probes(void **unused)
{
    struct health__check *a = hand_add(&h, .name = "a", .probes = HEALTH_LIVE),
                         *b = hand_add(&h, .name = "b");
    struct hand_request r;

    (void)unused;
    assert_true(hand_ask(&h, &r, HEALTH_READY, "a"));
    assert_true(is_running(a));
    assert_false(is_running(b));
    let_return(a, HEALTH_PASS);
    is_answered(&r);
    assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
    assert_true(is_running(b));
    health__engine_leave(&r.waiter);
}

static void a_loop_that_is_about_to_end_runs_nothing_and_knows_all(void **unused)
{
    struct health__check *check = hand_add(&h, .name = "c");
    struct health_check late = HEALTH_CHECK_INIT;
    struct hand_request r;

    (void)unused;
    late.name = "late";
    assert_int_equal(health__engine_add(e, &late), 0);
    atomic_store(&e->stopping, true);
    assert_false(hand_ask(&h, &r, HEALTH_ALL, NULL));
    assert_false(is_running(check));
    assert_true(health__list_linked(&hand_find(&h, "late")->link));
    assert_int_equal(r.ready, 0);
}

static void a_question_covers(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .probes = HEALTH_LIVE | HEALTH_STARTUP);
    struct health__question q = {.probes = HEALTH_LIVE};

    (void)unused;
    assert_true(health__question_covers(&q, c));
    q.probes = HEALTH_READY;
    assert_false(health__question_covers(&q, c));
    q.probes = HEALTH_READY | HEALTH_STARTUP;
    assert_true(health__question_covers(&q, c));
    q.probes = HEALTH_ALL;
    assert_true(health__question_covers(&q, c));
    q.excludes = "b\0cc\0";
    q.exclude_count = 3; /* the last is empty */
    assert_true(health__question_covers(&q, c));
    q.excludes = "b\0c";
    q.exclude_count = 1;
    assert_true(health__question_covers(&q, c));
    q.exclude_count = 2;
    assert_false(health__question_covers(&q, c));
    q.only = "c";
    assert_true(health__question_covers(&q, c));
    q.only = "C";
    assert_false(health__question_covers(&q, c));
    q.only = "";
    assert_false(health__question_covers(&q, c));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_hand, close_hand)
    const struct CMUnitTest tests[] = {
        TEST(where_there_is_nothing_to_run_nobody_waits),
        TEST(the_first_request_starts_what_it_asks_of),
        TEST(a_result_is_good_for_its_age),
        TEST(each_result_has_its_own_age),
        TEST(while_all_is_fresh_nothing_is_looked_at),
        TEST(an_added_check_is_run_by_the_next_request),
        TEST(all_wait_for_the_same_run),
        TEST(one_waits_for_all_its_runs_in_any_order),
        TEST(nobody_waits_for_runs_of_later),
        TEST(nobody_waits_for_what_is_not_asked),
        TEST(runs_of_others_are_nothing_to_wait_for),
        TEST(whoever_is_looked_for_is_found_as_things_are),
        TEST(excluded_checks_are_neither_run_nor_waited_for),
        TEST(the_one_asked_for_is_run_whatever_its_probes),
        TEST(a_loop_that_is_about_to_end_runs_nothing_and_knows_all),
        TEST(a_question_covers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
