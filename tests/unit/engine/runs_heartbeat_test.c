/*
 * Heartbeats as the loop sees them: it looks only now and then, so that what it sees first may have
 * begun, ended and begun again long ago.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: clock_gettime */
#include "engine/runs.h"

#include "by_hand.h"

#define T 10000 /* when it begins */

static struct hand h;
static struct health__engine *const e = &h.engine;
static struct health__check *b; /* a heartbeat of 100 ms */

static int open_hand(void **unused)
{
    (void)unused;
    hand_open(&h, T);
    b = hand_add_heartbeat(&h, "b", 100, 0);
    return 0;
}

static int close_hand(void **unused)
{
    (void)unused;
    hand_close(&h);
    return 0;
}

static void beat_at(int64_t at)
{
    atomic_store(&b->heartbeat.beat_at, at);
}

/* Looks at it.  Returns: until when that holds. */
static int64_t look_at(int64_t now)
{
    hand_at(&h, now);
    return health__engine_settle(e, b);
}

/* A request of probes that it is none of, or that is answered from what is kept. */
static void ask_at(int64_t now)
{
    struct hand_request r;

    hand_at(&h, now);
    assert_false(hand_ask(&h, &r, HEALTH_LIVE, NULL));
}

static void is_passing_since(int64_t since)
{
    assert_int_equal(b->state.status, HEALTH_PASS);
    assert_int_equal(b->state.since, since);
    assert_false(health__list_linked(&b->missed));
}

static void is_missed_since(int64_t since, int64_t last_beat)
{
    assert_int_equal(b->state.status, HEALTH_FAIL);
    assert_int_equal(b->state.cause, HEALTH__MISSED_BEAT);
    assert_int_equal(b->state.since, since);
    assert_int_equal(b->state.cause_at, last_beat);
    assert_ptr_equal(e->missed.next, &b->missed);
}

static void adding_it_is_a_beat(void **unused)
{
    (void)unused;
    assert_int_equal(look_at(T), T + 101);
    is_passing_since(T);
    assert_int_equal(look_at(T + 100), T + 101);
    is_passing_since(T);
    assert_int_equal(look_at(T + 101), HEALTH__NEVER);
    is_missed_since(T + 101, T);
}

static void while_it_beats_nothing_changes(void **unused)
{
    int64_t at;

    (void)unused;
    for (at = T; at < T + 5000; at += 50) {
        beat_at(at);
        assert_int_equal(look_at(at + 3), at + 101);
        is_passing_since(T);
    }
}

static void beats_that_were_not_looked_at_are_not_missed(void **unused)
{
    (void)unused;
    (void)look_at(T);
    beat_at(T + 60000);
    assert_int_equal(look_at(T + 60050), T + 60101);
    /* Whether there was a gap meanwhile nobody knows: it has passed all the time. */
    assert_int_equal(b->state.status, HEALTH_PASS);
    assert_int_equal(b->state.since, T);
}

static void it_fails_from_when_it_was_missed(void **unused)
{
    (void)unused;
    beat_at(T + 3000);
    assert_int_equal(look_at(T + 9999), HEALTH__NEVER);
    is_missed_since(T + 3101, T + 3000);
}

static void a_missed_one_heals_at_the_next_request(void **unused)
{
    (void)unused;
    (void)look_at(T + 200);
    is_missed_since(T + 101, T);
    ask_at(T + 250);
    is_missed_since(T + 101, T);
    beat_at(T + 299);
    ask_at(T + 300);
    is_passing_since(T + 299);
    assert_true(health__list_empty(&e->missed));
    ask_at(T + 399);
    is_passing_since(T + 299);
}

/* One that passes is looked at by whoever shows it, when the time has come. */
static void one_that_passes_costs_a_request_nothing(void **unused)
{
    (void)unused;
    ask_at(T + 500);
    is_passing_since(T);
}

static void an_idle_one_is_not_judged(void **unused)
{
    (void)unused;
    beat_at(HEALTH__NEVER);
    assert_int_equal(look_at(T + 1), T + 102);
    is_passing_since(T);
    assert_int_equal(look_at(T + 90000), T + 90101);
    is_passing_since(T);
    /* A beat, and it is judged again, at the moment that the last look has named at the latest. */
    beat_at(T + 90001);
    assert_int_equal(look_at(T + 90101), T + 90102);
    is_passing_since(T);
    (void)look_at(T + 90102);
    is_missed_since(T + 90102, T + 90001);
}

static void being_idle_heals(void **unused)
{
    (void)unused;
    (void)look_at(T + 500);
    is_missed_since(T + 101, T);
    beat_at(HEALTH__NEVER);
    ask_at(T + 600);
    is_passing_since(T + 600);
}

static void several_are_missed_and_heal_one_by_one(void **unused)
{
    struct health__check *c = hand_add_heartbeat(&h, "c", 200, HEALTH_READY);

    (void)unused;
    hand_at(&h, T + 300);
    (void)health__engine_settle(e, c);
    (void)health__engine_settle(e, b);
    assert_ptr_equal(e->missed.next, &c->missed);
    assert_ptr_equal(e->missed.prev, &b->missed);
    /* Again: it is there once. */
    (void)health__engine_settle(e, c);
    assert_ptr_equal(e->missed.prev, &b->missed);
    beat_at(T + 301);
    ask_at(T + 301);
    is_passing_since(T + 301);
    assert_int_equal(c->state.status, HEALTH_FAIL);
    assert_ptr_equal(e->missed.next, &c->missed);
    atomic_store(&c->heartbeat.beat_at, T + 302);
    ask_at(T + 302);
    assert_true(health__list_empty(&e->missed));
}

/* What time and beats have done, unseen, is seen when someone begins to look. */
static void one_that_has_beaten_unobserved_is_observed_to_pass(void **unused)
{
    (void)unused;
    (void)look_at(T + 200);
    is_missed_since(T + 101, T);
    beat_at(T + 250);
    hand_at(&h, T + 260);
    health__engine_observe(e, true);
    health__changes_settle(e);
    is_passing_since(T + 250);
}

/* By a request: from then on it may beat, and be missed. */
static void one_that_is_found_idle_is_observed_again_in_time(void **unused)
{
    (void)unused;
    hand_at(&h, T + 200);
    health__engine_observe(e, true);
    health__changes_settle(e);
    is_missed_since(T + 101, T);
    assert_int_equal(e->settle_at, HEALTH__NEVER);
    beat_at(HEALTH__NEVER);
    ask_at(T + 300);
    is_passing_since(T + 300);
    assert_int_equal(e->settle_at, T + 401);
}

static void a_removed_one_is_missed_no_more(void **unused)
{
    (void)unused;
    (void)look_at(T + 500);
    assert_int_equal(health__engine_remove(e, "b"), 0);
    health__mail_read(e);
    assert_true(health__list_empty(&e->missed));
}

/* ---- Frozen and thawed ---- */

static void after_a_thaw_the_last_beat_is_young(void **unused)
{
    (void)unused;
    beat_at(T + 5000);
    hand_at(&h, T + 60000);
    health__changes_thaw(e, T + 5050, true);
    is_passing_since(T);
    assert_int_equal(look_at(T + 60100), T + 60101);
    is_passing_since(T);
    (void)look_at(T + 60101);
    is_missed_since(T + 60101, T + 60000);
}

static void what_was_missed_when_it_froze_stays_so(void **unused)
{
    (void)unused;
    beat_at(T + 1000);
    hand_at(&h, T + 60000);
    health__changes_thaw(e, T + 5000, true);
    is_missed_since(T + 1101, T + 1000);
    ask_at(T + 60001);
    is_missed_since(T + 1101, T + 1000);
    beat_at(T + 60010);
    ask_at(T + 60011);
    is_passing_since(T + 60010);
}

static void who_beats_before_the_loop_is_awake_passes(void **unused)
{
    (void)unused;
    beat_at(T + 60000);
    hand_at(&h, T + 60001);
    health__changes_thaw(e, T + 50, true);
    is_passing_since(T);
    assert_int_equal(look_at(T + 60002), T + 60102);
}

static void an_idle_one_stays_idle(void **unused)
{
    (void)unused;
    beat_at(HEALTH__NEVER);
    hand_at(&h, T + 60000);
    health__changes_thaw(e, T + 50, true);
    assert_int_equal(look_at(T + 90000), T + 90101);
    is_passing_since(T);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_hand, close_hand)
    const struct CMUnitTest tests[] = {
        TEST(adding_it_is_a_beat),
        TEST(while_it_beats_nothing_changes),
        TEST(beats_that_were_not_looked_at_are_not_missed),
        TEST(it_fails_from_when_it_was_missed),
        TEST(a_missed_one_heals_at_the_next_request),
        TEST(one_that_passes_costs_a_request_nothing),
        TEST(an_idle_one_is_not_judged),
        TEST(being_idle_heals),
        TEST(several_are_missed_and_heal_one_by_one),
        TEST(one_that_has_beaten_unobserved_is_observed_to_pass),
        TEST(one_that_is_found_idle_is_observed_again_in_time),
        TEST(a_removed_one_is_missed_no_more),
        TEST(after_a_thaw_the_last_beat_is_young),
        TEST(what_was_missed_when_it_froze_stays_so),
        TEST(who_beats_before_the_loop_is_awake_passes),
        TEST(an_idle_one_stays_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
