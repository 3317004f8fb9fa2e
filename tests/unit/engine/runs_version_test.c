/*
 * Versions: they change with what is shown, and only with that; each probe's with its own checks.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: clock_gettime */
#include "engine/runs.h"

#include "by_hand.h"

#define T 10000

static struct hand h;
static struct health__engine *const e = &h.engine;

/* The versions as last looked at, by probe's number: of all checks, and of those not passing. */
static uint64_t all[HEALTH__PROBES], troubles[HEALTH__PROBES];

static int open_hand(void **unused)
{
    (void)unused;
    hand_open(&h, T);
    memset(all, 0, sizeof(all));
    memset(troubles, 0, sizeof(troubles));
    return 0;
}

static int close_hand(void **unused)
{
    (void)unused;
    hand_close(&h);
    return 0;
}

/* Fails unless, since the last time, the versions of just these probes have changed. */
static void changed(unsigned all_of, unsigned troubles_of)
{
    unsigned i, all_now = 0, troubles_now = 0;

    for (i = 0; i < HEALTH__PROBES; i++) {
        uint64_t a = health__engine_version(e, 1u << i, true),
                 t = health__engine_version(e, 1u << i, false);

        all_now |= a != all[i] ? 1u << i : 0;
        troubles_now |= t != troubles[i] ? 1u << i : 0;
        all[i] = a;
        troubles[i] = t;
    }
    if (all_now != all_of || troubles_now != troubles_of)
        fail_msg("changed: all %u and troubles %u, not %u and %u", all_now, troubles_now, all_of,
            troubles_of);
}

enum {
    LIVE = HEALTH_LIVE | HEALTH_ALL,
    READY = HEALTH_READY | HEALTH_ALL,
    EVERY = HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP | HEALTH_ALL
};

static void a_result_changes_its_own_probes(void **unused)
{
    static const unsigned probes[] = {HEALTH_LIVE, HEALTH_READY, HEALTH_STARTUP, HEALTH_ALL,
        HEALTH_LIVE | HEALTH_STARTUP, HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP};
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
        char name[2] = {(char)('a' + i), '\0'};
        unsigned own = probes[i] | HEALTH_ALL;
        struct health__check *c = hand_add(&h, .name = name, .probes = probes[i]);

        /* Pending is to be told. */
        changed(own, own);
        health__runs_queue(e, c);
        changed(0, 0);
        hand_return(&h, c, HEALTH_PASS, NULL);
        changed(0, 0);
        health__runs_collect(e);
        changed(own, own);
        /* When it was run is shown where all are. */
        hand_run(&h, c, HEALTH_PASS, NULL);
        changed(own, 0);
        hand_run(&h, c, HEALTH_WARN, NULL);
        changed(own, own);
        hand_run(&h, c, HEALTH_WARN, "other words");
        changed(own, own);
        hand_run(&h, c, HEALTH_PASS, NULL);
        changed(own, own);
    }
}

static void sums_are_of_their_probes(void **unused)
{
    uint64_t before;

    (void)unused;
    (void)hand_add(&h, .name = "live", .probes = HEALTH_LIVE);
    (void)hand_add(&h, .name = "startup", .probes = HEALTH_STARTUP);
    before = health__engine_version(e, HEALTH_READY | HEALTH_STARTUP, true);
    hand_run(&h, hand_find(&h, "live"), HEALTH_PASS, NULL);
    assert_true(before == health__engine_version(e, HEALTH_READY | HEALTH_STARTUP, true));
    hand_run(&h, hand_find(&h, "startup"), HEALTH_PASS, NULL);
    assert_true(before != health__engine_version(e, HEALTH_READY | HEALTH_STARTUP, true));
}

static void asking_and_waiting_change_nothing(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .max_age_ms = 100);
    struct hand_request r;

    (void)unused;
    hand_run(&h, c, HEALTH_FAIL, "down");
    changed(READY, READY);
    assert_false(hand_ask(&h, &r, HEALTH_READY, NULL));
    changed(0, 0);
    hand_at(&h, T + 101);
    assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
    changed(0, 0);
    health__engine_leave(&r.waiter);
    hand_turn(&h, T + 900);
    changed(0, 0);
    (void)health__engine_settle(e, c);
    changed(0, 0);
}

static void lateness_changes_once(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .timeout_ms = 300);

    (void)unused;
    hand_run(&h, c, HEALTH_PASS, NULL);
    changed(READY, READY);
    health__runs_queue(e, c);
    hand_turn(&h, T + 300);
    changed(READY, READY);
    hand_turn(&h, T + 600);
    (void)health__engine_settle(e, c);
    changed(0, 0);
    /* "not started" becomes "no answer": whose it is, the pool does not say. */
    hand_begin(&h, c);
    changed(0, 0);
    hand_turn(&h, T + 601);
    changed(EVERY, EVERY);
    hand_turn(&h, T + 602);
    changed(0, 0);
    hand_return(&h, c, HEALTH_PASS, NULL);
    hand_turn(&h, T + 603);
    changed(READY, READY);
}

/* Of two changes that come at once, neither takes back the other. */
static void one_that_begins_late_beside_one_that_ends_changes_all(void **unused)
{
    struct health__check *late = hand_add(&h, .name = "late", .timeout_ms = 300),
                         *ends = hand_add(&h, .name = "ends", .probes = EVERY);

    (void)unused;
    health__runs_queue(e, late);
    hand_turn(&h, T + 300);
    health__runs_queue(e, ends);
    changed(EVERY, EVERY);
    hand_begin(&h, late);
    hand_return(&h, ends, HEALTH_FAIL, "down");
    health__runs_collect(e);
    changed(EVERY, EVERY);
}

static void what_is_late_when_settled_has_changed(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .timeout_ms = 300);

    (void)unused;
    hand_run(&h, c, HEALTH_FAIL, "down");
    changed(READY, READY);
    health__runs_queue(e, c);
    hand_at(&h, T + 300);
    /* The status is the same, the reason is not. */
    assert_int_equal(health__engine_settle(e, c), HEALTH__NEVER);
    changed(READY, READY);
}

static void mail_changes_when_it_is_read(void **unused)
{
    (void)unused;
    (void)hand_add_pushed(&h, .name = "p", .probes = HEALTH_LIVE);
    changed(LIVE, LIVE);
    hand_report(&h, "p", HEALTH_PASS, NULL);
    changed(0, 0);
    health__mail_read(e);
    changed(LIVE, LIVE);
    hand_report(&h, "p", HEALTH_PASS, NULL);
    health__mail_read(e);
    changed(LIVE, 0);
    health__mail_read(e);
    changed(0, 0);
    assert_int_equal(health__engine_remove(e, "p"), 0);
    changed(0, 0);
    health__mail_read(e);
    changed(LIVE, 0);

    (void)hand_add_pushed(&h, .name = "q", .probes = HEALTH_LIVE);
    changed(LIVE, LIVE);
    assert_int_equal(health__engine_remove(e, "q"), 0);
    health__mail_read(e);
    changed(LIVE, LIVE);
}

static void a_heartbeat_changes_when_it_is_missed_or_heals(void **unused)
{
    struct health__check *b = hand_add_heartbeat(&h, "b", 100, 0);

    (void)unused;
    /* A list that leaves it out is good only until it can be missed. */
    changed(LIVE, LIVE);
    assert_int_equal(health__engine_settle(e, b), T + 101);
    changed(0, 0);
    hand_at(&h, T + 90);
    atomic_store(&b->heartbeat.beat_at, T + 90);
    assert_int_equal(health__engine_settle(e, b), T + 191);
    changed(0, 0);
    atomic_store(&b->heartbeat.beat_at, HEALTH__NEVER);
    assert_int_equal(health__engine_settle(e, b), T + 191);
    changed(0, 0);
    atomic_store(&b->heartbeat.beat_at, T + 90);
    hand_at(&h, T + 191);
    assert_int_equal(health__engine_settle(e, b), HEALTH__NEVER);
    changed(LIVE, LIVE);
    assert_int_equal(health__engine_settle(e, b), HEALTH__NEVER);
    changed(0, 0);
    /* It has beaten and was missed again, all unseen: the reason names another beat. */
    atomic_store(&b->heartbeat.beat_at, T + 250);
    hand_at(&h, T + 500);
    assert_int_equal(health__engine_settle(e, b), HEALTH__NEVER);
    changed(LIVE, LIVE);
    atomic_store(&b->heartbeat.beat_at, T + 500);
    assert_int_equal(health__engine_settle(e, b), T + 601);
    changed(LIVE, LIVE);
}

static void a_thaw_changes_every_check(void **unused)
{
    (void)unused;
    (void)hand_add(&h, .name = "live", .probes = HEALTH_LIVE);
    (void)hand_add(&h, .name = "ready", .probes = HEALTH_READY);
    hand_run(&h, hand_find(&h, "live"), HEALTH_PASS, NULL);
    hand_run(&h, hand_find(&h, "ready"), HEALTH_FAIL, NULL);
    changed(LIVE | READY, LIVE | READY);
    hand_at(&h, T + 9000);
    health__changes_thaw(e, T, true);
    changed(LIVE | READY, READY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_hand, close_hand)
    const struct CMUnitTest tests[] = {
        TEST(a_result_changes_its_own_probes),
        TEST(sums_are_of_their_probes),
        TEST(asking_and_waiting_change_nothing),
        TEST(lateness_changes_once),
        TEST(one_that_begins_late_beside_one_that_ends_changes_all),
        TEST(what_is_late_when_settled_has_changed),
        TEST(mail_changes_when_it_is_read),
        TEST(a_heartbeat_changes_when_it_is_missed_or_heals),
        TEST(a_thaw_changes_every_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
