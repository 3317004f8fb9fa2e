/*
 * What the service's threads do with their checks: added, removed and reported at once, refused
 * with a word why, and left for the loop as mail.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: malloc calloc realloc strdup free clock_gettime */
#include "engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "by_hand.h"
#include "core/policy.h"
#include "core/read.h"
#include "memory.h"
#include "refused.h"

#define T 10000 /* when it begins */

static struct hand h;
static struct health__engine *const e = &h.engine;
static int released;

static int open_hand(void **unused)
{
    (void)unused;
    hand_open(&h, T);
    assert_int_equal(health__fd_pair(&e->wake_send, &e->wake_receive), 0);
    released = 0;
    return 0;
}

static int close_hand(void **unused)
{
    (void)unused;
    health__fd_close(&e->wake_send);
    health__fd_close(&e->wake_receive);
    hand_close(&h);
    return 0;
}

static void release(void *arg)
{
    ++*(int *)arg;
}

/* Whether the loop was woken since the last time. */
static bool was_woken(void)
{
    char byte;

    atomic_store(&e->woken, false);
    return recv(e->wake_receive.fd, &byte, 1, 0) == 1;
}

static int add(const char *name, unsigned interval_ms)
{
    struct health_check check = {.size = sizeof(check),
        .name = name,
        .fn = hand_fn,
        .arg = &released,
        .release = release,
        .interval_ms = interval_ms};

    return health__engine_add(e, &check);
}

/* ---- Adding ---- */

static void what_is_added_is_known_and_left_for_the_loop(void **unused)
{
    struct health__check *c;

    (void)unused;
    hand_at(&h, T + 5);
    assert_accepted(add("a", 0));
    c = hand_find(&h, "a");
    assert_non_null(c);
    assert_string_equal(c->name, "a");
    assert_ptr_equal(c->fn, hand_fn);
    assert_ptr_equal(c->arg, &released);
    assert_ptr_equal(c->release, release);
    assert_int_equal(c->state.since, T + 5);
    assert_true(c->state.pending);
    assert_true(atomic_load(&e->has_mail));
    assert_ptr_equal(e->mail, c);
    assert_int_equal(c->mail_flags, HEALTH__MAIL_ADDED);
    /* The next request will see it. */
    assert_false(was_woken());
}

static void a_periodic_one_wakes_the_loop(void **unused)
{
    (void)unused;
    assert_accepted(add("a", 1000));
    assert_true(was_woken());
    e->life = HEALTH__STOPPED;
    assert_accepted(add("b", 1000));
    assert_false(was_woken());
    e->life = HEALTH__STARTED;
}

static void what_is_refused_is_not_there(void **unused)
{
    struct health_check bad = {.size = sizeof(bad), .name = "a", .fn = hand_fn, .probes = 16};
    struct health_heartbeat *heartbeat = NULL;

    (void)unused;
    assert_refused(add("", 0), HEALTH_EINVAL, EINVAL, "empty");
    assert_refused(add(NULL, 0), HEALTH_EINVAL, EINVAL, "NULL");
    assert_refused(health__engine_add(e, &bad), HEALTH_EINVAL, EINVAL, "probes");
    assert_refused(
        health__engine_add_heartbeat(e, "a/b", 1, 0, &heartbeat), HEALTH_EINVAL, EINVAL, "0x2F");
    assert_refused(
        health__engine_add_heartbeat(e, "a", 0, 0, &heartbeat), HEALTH_EINVAL, EINVAL, "max_age");
    assert_null(heartbeat);
    assert_false(atomic_load(&e->has_mail));
    assert_int_equal(e->registry.count, 0);
}

static void a_name_is_there_once(void **unused)
{
    struct health_heartbeat *heartbeat = NULL;

    (void)unused;
    assert_accepted(add("a", 0));
    assert_refused(add("a", 0), HEALTH_EEXIST, EEXIST, "'a'");
    assert_refused(
        health__engine_add_heartbeat(e, "a", 1, 0, &heartbeat), HEALTH_EEXIST, EEXIST, "'a'");
    assert_null(heartbeat);
    /* As it is known: cleaned. */
    assert_accepted(add("x\xFF", 0));
    assert_refused(add("x\xFE", 0), HEALTH_EEXIST, EEXIST, "'x\xEF\xBF\xBD'");
    assert_int_equal(e->registry.count, 2);
    /* A failed add takes nothing. */
    assert_int_equal(released, 0);
}

static void a_heartbeat_is_handed_out(void **unused)
{
    struct health_heartbeat *heartbeat = NULL;
    struct health__check *c;

    (void)unused;
    hand_at(&h, T + 5);
    assert_accepted(health__engine_add_heartbeat(e, "b", 100, HEALTH_READY, &heartbeat));
    c = hand_find(&h, "b");
    assert_ptr_equal(heartbeat, &c->heartbeat);
    assert_int_equal(atomic_load(&heartbeat->beat_at), T + 5);
    assert_int_equal(c->policy.kind, HEALTH__HEARTBEAT);
    assert_int_equal(c->policy.probes, HEALTH_READY | HEALTH_ALL);
    assert_int_equal(c->policy.max_age_ms, 100);
    assert_false(was_woken());
}

static int try_add(void)
{
    return add("a", 0);
}

static int try_add_heartbeat(void)
{
    struct health_heartbeat *heartbeat;

    return health__engine_add_heartbeat(e, "b", 1, 0, &heartbeat);
}

static void without_memory_nothing_is_added(void **unused)
{
    static int (*const tries[])(void) = {try_add, try_add_heartbeat};
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        memory_begin(1);
        assert_refused(tries[i](), HEALTH_ENOMEM, ENOMEM, "memory");
        assert_true(memory_end());
        assert_int_equal(memory_live(), 0);
        assert_int_equal(e->registry.count, i);
        /* It is one block. */
        memory_begin(2);
        assert_accepted(tries[i]());
        assert_false(memory_end());
    }
}

static void many_are_found_again(void **unused)
{
    char name[32];
    int i;

    (void)unused;
    for (i = 0; i < 500; i++) {
        (void)snprintf(name, sizeof(name), "check %d", i);
        assert_int_equal(add(name, 0), 0);
    }
    for (i = 0; i < 500; i += 2) {
        (void)snprintf(name, sizeof(name), "check %d", i);
        assert_int_equal(health__engine_remove(e, name), 0);
    }
    for (i = 0; i < 500; i++) {
        (void)snprintf(name, sizeof(name), "check %d", i);
        assert_true((hand_find(&h, name) != NULL) == (i % 2 == 1));
    }
}

/* ---- Removing ---- */

static void what_is_removed_is_known_no_more(void **unused)
{
    struct health__check *c;

    (void)unused;
    assert_accepted(add("a", 0));
    health__mail_read(e);
    c = hand_find(&h, "a");
    assert_accepted(health__engine_remove(e, "a"));
    assert_null(hand_find(&h, "a"));
    assert_true(c->job.removed);
    assert_int_equal(c->mail_flags, HEALTH__MAIL_REMOVED);
    assert_int_equal(released, 0);
    assert_true(was_woken());
    assert_refused(health__engine_remove(e, "a"), HEALTH_ENOENT, ENOENT, "'a'");
}

static void what_is_not_there_cannot_be_removed(void **unused)
{
    char longer[2 * HEALTH__NAME_BYTES];

    (void)unused;
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    assert_refused(health__engine_remove(e, "a"), HEALTH_ENOENT, ENOENT, "'a'");
    assert_refused(health__engine_remove(e, ""), HEALTH_ENOENT, ENOENT, "''");
    assert_refused(health__engine_remove(e, longer), HEALTH_ENOENT, ENOENT, "xxx'");
    /* By the name under which it is shown, or by any that is cleaned to it. */
    assert_accepted(add("x\xFF", 0));
    assert_accepted(health__engine_remove(e, "x\xC1"));
    assert_accepted(add("x\xFF", 0));
    assert_accepted(health__engine_remove(e, "x\xEF\xBF\xBD"));
}

static void where_no_loop_runs_the_caller_releases(void **unused)
{
    (void)unused;
    e->life = HEALTH__STOPPED;
    assert_accepted(add("a", 1000));
    assert_accepted(health__engine_remove(e, "a"));
    assert_int_equal(released, 1);
    /* As does whoever comes while a stop waits for the last callback. */
    e->life = HEALTH__STOPPING;
    e->loop_ended = true;
    assert_accepted(add("b", 1000));
    assert_accepted(health__engine_remove(e, "b"));
    assert_int_equal(released, 2);
    assert_false(was_woken());
    e->loop_ended = false;
    assert_accepted(add("c", 1000));
    assert_accepted(health__engine_remove(e, "c"));
    assert_int_equal(released, 2);
    assert_true(was_woken());
    e->life = HEALTH__STARTED;
}

static void a_run_that_is_overdue_is_not_waited_for(void **unused)
{
    struct health__check *c;

    (void)unused;
    assert_accepted(add("a", 0));
    health__mail_read(e);
    c = hand_find(&h, "a");
    health__runs_queue(e, c);
    hand_begin(&h, c);
    hand_at(&h, T + 5000);
    assert_refused(health__engine_remove(e, "a"), HEALTH_EBUSY, EBUSY, "'a'");
    assert_null(hand_find(&h, "a"));
    assert_null(c->job.watch);
}

/* ---- Reporting ---- */

static void a_report_is_left_for_the_loop(void **unused)
{
    struct health__check *c = hand_add_pushed(&h, .name = "p");

    (void)unused;
    hand_at(&h, T + 5);
    hand_report(&h, "p", HEALTH_WARN, "tight");
    assert_int_equal(c->mail_flags, HEALTH__MAIL_REPORTED);
    assert_int_equal(c->reported, HEALTH_WARN);
    assert_int_equal(c->reported_at, T + 5);
    assert_string_equal(health__words_reason(c->reported_words), "tight");
    assert_null(c->words);
    assert_false(was_woken());
}

static int report(const char *name)
{
    struct health_result said;

    health__result_init(&said, HEALTH__NEVER);
    (void)health_explain(&said, HEALTH_WARN, "words that are kept");
    return health__engine_report(e, name, HEALTH_WARN, &said);
}

static void a_report_of_what_is_not_pushed_is_refused(void **unused)
{
    long live;

    (void)unused;
    assert_accepted(add("run", 0));
    (void)hand_add_heartbeat(&h, "beat", 100, 0);
    memory_begin(0);
    assert_refused(report("none"), HEALTH_ENOENT, ENOENT, "'none'");
    assert_refused(report("run"), HEALTH_EINVAL, EINVAL, "'run'");
    assert_refused(report("beat"), HEALTH_EINVAL, EINVAL, "'beat'");
    live = memory_live();
    (void)memory_end();
    assert_int_equal(live, 0);
    assert_null(hand_find(&h, "run")->reported_words);
    assert_int_equal(hand_find(&h, "run")->mail_flags, 0);
}

static void words_that_were_not_read_are_replaced(void **unused)
{
    (void)unused;
    (void)hand_add_pushed(&h, .name = "p");
    memory_begin(0);
    assert_accepted(report("p"));
    assert_accepted(report("p"));
    assert_accepted(report("p"));
    assert_int_equal(memory_live(), 1);
    health__mail_read(e);
    assert_accepted(report("p"));
    assert_int_equal(memory_live(), 2);
    health__mail_read(e);
    assert_int_equal(memory_live(), 1);
    hand_report(&h, "p", HEALTH_PASS, NULL);
    health__mail_read(e);
    assert_int_equal(memory_live(), 0);
    (void)memory_end();
}

static void without_memory_the_status_is_kept(void **unused)
{
    struct health__check *c = hand_add_pushed(&h, .name = "p");

    (void)unused;
    memory_begin(1);
    assert_int_equal(report("p"), 0);
    assert_true(memory_end());
    health__mail_read(e);
    assert_int_equal(c->state.status, HEALTH_WARN);
    assert_string_equal(
        health__words_reason(c->words), "out of memory: the reason could not be kept");
    assert_accepted(report("p"));
    health__mail_read(e);
    assert_string_equal(health__words_reason(c->words), "words that are kept");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_hand, close_hand)
    const struct CMUnitTest tests[] = {
        TEST(what_is_added_is_known_and_left_for_the_loop),
        TEST(a_periodic_one_wakes_the_loop),
        TEST(what_is_refused_is_not_there),
        TEST(a_name_is_there_once),
        TEST(a_heartbeat_is_handed_out),
        TEST(without_memory_nothing_is_added),
        TEST(many_are_found_again),
        TEST(what_is_removed_is_known_no_more),
        TEST(what_is_not_there_cannot_be_removed),
        TEST(where_no_loop_runs_the_caller_releases),
        TEST(a_run_that_is_overdue_is_not_waited_for),
        TEST(a_report_is_left_for_the_loop),
        TEST(a_report_of_what_is_not_pushed_is_refused),
        TEST(words_that_were_not_read_are_replaced),
        TEST(without_memory_the_status_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
