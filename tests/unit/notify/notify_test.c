/*
 * Calls of the service's on_change, by a clock of the test's own: what is told in which order, as
 * of when, and which calls are not made any more once another function has taken the place.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: clock_gettime */
#include "notify/notify.h"

#include <stdio.h>

#include "base/clock.h"
#include "by_hand.h"

#define T 100000

static struct hand h;
static struct health__notifier n;

static int open_all(void **unused)
{
    (void)unused;
    hand_open(&h, T);
    /* Nobody brings errands to this loop. */
    h.engine.loop_ended = true;
    health__notifier_init(&n, &h.engine, false);
    return 0;
}

static int close_all(void **unused)
{
    (void)unused;
    n.observer.end(&n.observer);
    hand_close(&h);
    return 0;
}

struct receiver {
    int calls;
    char last[128]; /* "NAME before-after at MS" */
};

static struct receiver first, second;

static void receive(const struct health_change *c, void *arg)
{
    struct receiver *r = arg;

    r->calls++;
    (void)snprintf(r->last, sizeof(r->last), "%s%s %u-%u at %lld", c->probe != 0 ? "/" : "",
        c->name, c->before, c->after, c->time_ms - T);
}

/* Another function, so that they can be told apart. */
static void receive_too(const struct health_change *c, void *arg)
{
    receive(c, arg);
}

static void set(health_change_fn *fn, struct receiver *r)
{
    *r = (struct receiver){.calls = 0};
    assert_int_equal(health__notifier_set(&n, fn, r), 0);
}

static void turn(int64_t now)
{
    hand_turn(&h, now);
    health__changes_settle(&h.engine);
    (void)n.observer.turn(&n.observer, now);
    health__pool_hand_over(&h.engine.pool);
}

/* A worker takes the call that is queued. */
static void work(void)
{
    health__pool_hand_over(&h.engine.pool);
    assert_int_equal(n.job.state, HEALTH__JOB_QUEUED);
    health__list_remove(&n.job.link);
    n.job.state = HEALTH__JOB_BEGUN;
    n.job.task->call(&n.job);
    n.job.state = HEALTH__JOB_ENDED;
    health__list_append(&h.engine.pool.done, &n.job.link);
}

/* The next that the first receiver is told is this; NULL: nothing. */
static void assert_told(int64_t now, const char *what)
{
    int calls = first.calls;

    turn(now);
    if (what == NULL) {
        assert_int_not_equal(n.job.state, HEALTH__JOB_QUEUED);
        assert_true(n.observer.idle(&n.observer));
        return;
    }
    work();
    assert_int_equal(first.calls, calls + 1);
    assert_string_equal(first.last, what);
}

static void report(int64_t now, const char *name, enum health_status status)
{
    fake_clock_set(now);
    hand_report(&h, name, status, NULL);
    turn(now);
}

/* ---- The order ---- */

static void add(const char *name)
{
    hand_add_pushed(&h, .name = name, .probes = HEALTH_LIVE);
    hand_report(&h, name, HEALTH_PASS, NULL);
}

static void changes_come_in_the_order_of_their_times(void **unused)
{
    (void)unused;
    add("a");
    add("b");
    add("c");
    set(receive, &first);
    n.observer.begin(&n.observer, T);
    turn(T);
    /* While /ready is being told of, it goes on. */
    report(T + 100, "a", HEALTH_FAIL);
    report(T + 200, "b", HEALTH_FAIL);
    report(T + 250, "c", HEALTH_FAIL);
    report(T + 300, "a", HEALTH_WARN);
    report(T + 350, "c", HEALTH_PASS);
    work();
    assert_string_equal(first.last, "/ready 2-0 at 0");
    assert_told(T + 1000, "/startup 2-0 at 0");
    assert_told(T + 1100, "/live 0-2 at 100");
    assert_told(T + 1200, "b 0-2 at 200");
    assert_told(T + 1300, "a 0-1 at 300");
    assert_told(T + 1400, NULL);
    report(T + 1500, "b", HEALTH_PASS);
    report(T + 1600, "a", HEALTH_PASS);
    work();
    assert_string_equal(first.last, "b 2-0 at 1500");
    /* Of a probe too the last change counts: it was a warning first. */
    assert_told(T + 2000, "a 1-0 at 1600");
    assert_told(T + 2000, "/live 2-0 at 1600");
    assert_told(T + 2000, "/health 2-0 at 1600");
    assert_told(T + 2000, NULL);
}

static void what_has_changed_at_once_is_told_check_first(void **unused)
{
    (void)unused;
    add("a");
    add("b");
    set(receive, &first);
    n.observer.begin(&n.observer, T);
    assert_told(T, "/ready 2-0 at 0");
    assert_told(T, "/startup 2-0 at 0");
    assert_told(T, "/health 2-0 at 0");
    fake_clock_set(T + 10);
    hand_report(&h, "b", HEALTH_FAIL, NULL);
    hand_report(&h, "a", HEALTH_FAIL, NULL);
    assert_told(T + 10, "b 0-2 at 10");
    assert_told(T + 10, "a 0-2 at 10");
    assert_told(T + 10, "/live 0-2 at 10");
    assert_told(T + 10, "/health 0-2 at 10");
    assert_told(T + 10, NULL);
}

/* A report that was made in time, but read after something else was told of. */
static void no_time_is_before_the_one_that_was_told_before(void **unused)
{
    (void)unused;
    add("a");
    set(receive, &first);
    n.observer.begin(&n.observer, T);
    assert_told(T, "/ready 2-0 at 0");
    assert_told(T, "/startup 2-0 at 0");
    assert_told(T, "/health 2-0 at 0");
    assert_told(T, NULL);
    fake_clock_set(T + 90);
    hand_report(&h, "a", HEALTH_WARN, NULL);
    health__gates_set(&h.gates, HEALTH__NOT_READY, true);
    (void)n.observer.turn(&n.observer, T + 100);
    work();
    assert_string_equal(first.last, "/ready 0-2 at 100");
    assert_told(T + 101, "a 0-1 at 100");

    /* A new one is told as of when it was. */
    set(receive_too, &first);
    health__engine_observe(&h.engine, true);
    assert_told(T + 500, "/startup 2-0 at 0");
    assert_told(T + 500, "a 0-1 at 90");
}

/* ---- Whom ---- */

static void a_call_not_begun_is_taken_back(void **unused)
{
    (void)unused;
    set(receive, &first);
    n.observer.begin(&n.observer, T);
    turn(T);
    assert_int_equal(n.job.state, HEALTH__JOB_QUEUED);
    assert_int_equal(health__notifier_set(&n, NULL, NULL), 0);
    work();
    turn(T + 1);
    assert_int_equal(first.calls, 0);

    /* Nor has who takes the place anything to do with it: he is told from the beginning. */
    set(receive, &first);
    turn(T + 2);
    set(receive_too, &second);
    work();
    assert_int_equal(first.calls + second.calls, 0);
    turn(T + 3);
    work();
    assert_int_equal(first.calls, 0);
    assert_string_equal(second.last, "/ready 2-0 at 0");

    /* Not even if it is the same one. */
    turn(T + 4);
    set(receive_too, &second);
    work();
    assert_int_equal(second.calls, 0);
    turn(T + 5);
    work();
    assert_string_equal(second.last, "/ready 2-0 at 0");
}

static void set_the_second(const struct health_change *change, void *arg)
{
    set(receive_too, &second);
    receive(change, arg);
}

/* It ends as the one that it was begun as. */
static void a_call_under_way_is_made(void **unused)
{
    (void)unused;
    set(set_the_second, &first);
    n.observer.begin(&n.observer, T);
    assert_told(T, "/ready 2-0 at 0");
    assert_int_equal(second.calls, 0);
    turn(T + 1);
    work();
    assert_int_equal(first.calls, 1);
    assert_string_equal(second.last, "/ready 2-0 at 0");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(changes_come_in_the_order_of_their_times),
        TEST(what_has_changed_at_once_is_told_check_first),
        TEST(no_time_is_before_the_one_that_was_told_before),
        TEST(a_call_not_begun_is_taken_back),
        TEST(a_call_under_way_is_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
