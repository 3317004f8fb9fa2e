/*
 * Runs: when they begin, what becomes of their results, when they are late, and what a stop, a thaw
 * or a fork leaves of them; with the test in place of the loop, the workers and the clock.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: clock_gettime health__words_free */
#include "engine/runs.h"

#include "by_hand.h"

void __real_health__words_free(struct health__words *words);
void __wrap_health__words_free(struct health__words *words);

#define T 10000 /* when it begins */

static struct hand h;
static struct health__engine *const e = &h.engine;

static int words_freed; /* how many */

void __wrap_health__words_free(struct health__words *words)
{
    words_freed += words != NULL;
    __real_health__words_free(words);
}

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

/* When the check's timer is due; NEVER if it is not set. */
static int64_t timer_of(const struct health__check *c)
{
    return health__timer_is_set(&c->timer) ? c->timer.at : HEALTH__NEVER;
}

/* ---- Begin and end ---- */

static void a_run_is_queued_with_its_timeout(void **unused)
{
    struct health__check *a = hand_add(&h, .name = "a", .timeout_ms = 300),
                         *b = hand_add(&h, .name = "b");

    (void)unused;
    assert_int_equal(timer_of(a), HEALTH__NEVER);
    health__runs_queue(e, a);
    hand_at(&h, T + 7);
    health__runs_queue(e, b);
    assert_true(is_running(a) && is_running(b));
    health__pool_hand_over(&e->pool);
    assert_int_equal(a->job.state, HEALTH__JOB_QUEUED);
    assert_int_equal(a->job.queued_at, T);
    assert_int_equal(b->job.queued_at, T + 7);
    assert_int_equal(timer_of(a), T + 300);
    assert_int_equal(timer_of(b), T + 1007);
    assert_int_equal(e->jobs, 2);
    assert_true(a->seq == 1 && b->seq == 2);
    /* In the order in which they were queued. */
    assert_ptr_equal(e->runs.next, &a->run);
    assert_ptr_equal(e->runs.prev, &b->run);
    assert_ptr_equal(e->pool.queue.next, &a->job.link);
}

/* What decides on restarts does not wait for what does not. */
static void runs_for_live_are_urgent(void **unused)
{
    struct health__check *a = hand_add(&h, .name = "a");
    struct health__check *b = hand_add(&h, .name = "b", .probes = HEALTH_LIVE | HEALTH_READY);
    struct health__check *c = hand_add(&h, .name = "c", .probes = HEALTH_STARTUP | HEALTH_ALL);

    (void)unused;
    health__runs_queue(e, a);
    health__runs_queue(e, b);
    health__runs_queue(e, c);
    health__pool_hand_over(&e->pool);
    assert_ptr_equal(e->pool.urgent.next, &b->job.link);
    assert_ptr_equal(e->pool.urgent.prev, &b->job.link);
    assert_ptr_equal(e->pool.queue.next, &a->job.link);
    assert_ptr_equal(e->pool.queue.prev, &c->job.link);
}

static int64_t deadline_seen;

static enum health_status see_deadline(struct health_result *result, void *arg)
{
    deadline_seen = health__now_ms() + (int64_t)health_remaining_ms(result);
    fake_clock_set(T + 120);
    ++*(int *)arg;
    return health_explain(result, HEALTH_WARN, "tight");
}

static void a_callback_has_until_the_timeout_from_when_it_was_queued(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .timeout_ms = 300);
    int calls = 0;

    (void)unused;
    c->fn = see_deadline;
    c->arg = &calls;
    health__runs_queue(e, c);
    hand_at(&h, T + 100);
    hand_call(&h, c);
    assert_int_equal(calls, 1);
    assert_int_equal(deadline_seen, T + 300);
    /* What it said is brought back. */
    assert_int_equal(c->outcome, HEALTH_WARN);
    assert_int_equal(c->outcome_us, 20000);
    assert_int_equal(health__check_returned_at(c), T + 120);
    assert_string_equal(health__words_reason(c->outcome_words), "tight");
    hand_turn(&h, T + 121);
    assert_int_equal(c->state.status, HEALTH_WARN);
    assert_string_equal(health__words_reason(c->words), "tight");
}

static void a_result_is_judged_and_kept(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c");

    (void)unused;
    assert_int_equal(c->duration_us, -1);
    health__runs_queue(e, c);
    hand_return(&h, c, HEALTH_FAIL, "down");
    hand_turn(&h, T + 20);
    assert_int_equal(c->state.status, HEALTH_FAIL);
    assert_false(c->state.pending);
    assert_int_equal(c->state.result_at, T + 20);
    assert_string_equal(health__words_reason(c->words), "down");
    assert_int_equal(c->duration_us, 1500);
    assert_null(c->outcome_words);
    assert_int_equal(c->job.state, HEALTH__JOB_ENDED);
    assert_false(is_running(c));
    assert_false(health__list_linked(&c->run));
    assert_int_equal(timer_of(c), HEALTH__NEVER);
    assert_int_equal(e->jobs, 0);

    /* The next takes the place of its words. */
    hand_run(&h, c, HEALTH_PASS, NULL);
    assert_int_equal(c->state.status, HEALTH_PASS);
    assert_null(c->words);
}

static void an_overdue_run_fails_until_it_returns(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .timeout_ms = 300);

    (void)unused;
    hand_run(&h, c, HEALTH_PASS, NULL);
    health__runs_queue(e, c);
    hand_begin(&h, c);
    hand_turn(&h, T + 299);
    assert_int_equal(c->state.status, HEALTH_PASS);
    assert_false(c->job.overdue);
    assert_true(health__list_linked(&c->run));

    hand_turn(&h, T + 300);
    assert_int_equal(c->state.status, HEALTH_FAIL);
    assert_int_equal(c->state.cause, HEALTH__OVERDUE);
    assert_int_equal(c->state.since, T + 300);
    assert_true(is_running(c));
    /* It is no run to wait for, nor one that keeps others from a worker. */
    assert_true(c->job.overdue);
    assert_int_equal(e->pool.overdue, 1);
    assert_false(health__list_linked(&c->run));
    assert_int_equal(timer_of(c), HEALTH__NEVER);

    hand_return(&h, c, HEALTH_PASS, NULL);
    hand_turn(&h, T + 1500);
    assert_int_equal(c->state.status, HEALTH_FAIL);
    assert_int_equal(c->state.cause, HEALTH__TOOK_LONG);
    assert_int_equal(c->state.detail, 1500);
    assert_int_equal(e->pool.overdue, 0);
    assert_false(is_running(c));
}

/* The loop is held up, and so is the worker that would say so. */
static void what_has_returned_in_time_is_not_overdue(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "db", .timeout_ms = 100);

    (void)unused;
    health__runs_queue(e, c);
    hand_begin(&h, c);
    atomic_store(&c->returned_at, T + 50);
    hand_turn(&h, T + 500);
    assert_int_equal(health__engine_settle(e, c), HEALTH__NEVER);
    assert_true(c->state.pending);
    assert_false(c->job.overdue);
    hand_return(&h, c, HEALTH_PASS, NULL);
    hand_turn(&h, T + 600);
    assert_int_equal(c->state.status, HEALTH_PASS);
    assert_false(c->state.pending);
    assert_int_equal(c->state.result_at, T + 50);
    assert_int_equal(c->state.since, T + 50);
}

static void what_has_returned_late_is(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "db", .timeout_ms = 100);

    (void)unused;
    health__runs_queue(e, c);
    hand_begin(&h, c);
    atomic_store(&c->returned_at, T + 130);
    hand_return(&h, c, HEALTH_PASS, NULL);
    hand_turn(&h, T + 500);
    assert_int_equal(c->state.status, HEALTH_FAIL);
    assert_int_equal(c->state.cause, HEALTH__TOOK_LONG);
    assert_int_equal(c->state.detail, 130);
    assert_int_equal(c->state.since, T + 100);
}

/* Whatever the worker's clock says: never before what is known, nor in the future. */
static void what_has_returned_is_in_order(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "db", .timeout_ms = 100);

    (void)unused;
    health__runs_queue(e, c);
    hand_begin(&h, c);
    hand_turn(&h, T + 110);
    assert_true(c->state.overdue);
    atomic_store(&c->returned_at, T + 99);
    hand_return(&h, c, HEALTH_PASS, NULL);
    hand_turn(&h, T + 120);
    assert_int_equal(c->state.result_at, T + 100);
    health__runs_queue(e, c);
    hand_begin(&h, c);
    atomic_store(&c->returned_at, T + 130);
    hand_return(&h, c, HEALTH_PASS, NULL);
    hand_turn(&h, T + 125);
    assert_int_equal(c->state.result_at, T + 125);
}

static void what_was_overdue_before_it_began_is_known_to_be(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .timeout_ms = 300);

    (void)unused;
    health__runs_queue(e, c);
    hand_turn(&h, T + 300);
    assert_true(c->job.overdue);
    assert_int_equal(e->pool.overdue, 0);
    assert_int_equal(c->state.cause, HEALTH__OVERDUE);
    assert_int_equal(atomic_load(&c->job.tid), 0);
    hand_begin(&h, c);
    hand_return(&h, c, HEALTH_PASS, NULL);
    hand_turn(&h, T + 301);
    assert_int_equal(c->state.cause, HEALTH__TOOK_LONG);

    /* The next run begins anew. */
    health__runs_queue(e, c);
    health__pool_hand_over(&e->pool);
    assert_false(c->job.overdue);
    assert_int_equal(atomic_load(&c->job.tid), 0);
    assert_int_equal(timer_of(c), T + 601);
}

/* Several at once, one of them in time: a turn that comes late judges what has come first. */
static void what_has_returned_by_the_turn_is_in_time(void **unused)
{
    struct health__check *a = hand_add(&h, .name = "a", .timeout_ms = 300),
                         *b = hand_add(&h, .name = "b", .timeout_ms = 300);

    (void)unused;
    health__runs_queue(e, a);
    health__runs_queue(e, b);
    hand_return(&h, a, HEALTH_PASS, NULL);
    hand_turn(&h, T + 299);
    assert_int_equal(a->state.status, HEALTH_PASS);
    assert_int_equal(a->state.cause, HEALTH__SAID);
    hand_turn(&h, T + 5000);
    assert_int_equal(b->state.since, T + 300);
    assert_int_equal(a->state.status, HEALTH_PASS);
}

/* ---- Periodic checks ---- */

static void a_periodic_check_is_run_at_once_and_again(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .interval_ms = 1000);
    int64_t next;

    (void)unused;
    assert_int_equal(timer_of(c), T);
    hand_turn(&h, T);
    assert_true(is_running(c));
    assert_int_equal(timer_of(c), T + 1000);
    /* Nobody waits for it. */
    assert_false(health__list_linked(&c->run));
    assert_true(health__list_empty(&e->runs));

    hand_return(&h, c, HEALTH_PASS, NULL);
    hand_turn(&h, T + 500);
    assert_false(is_running(c));
    /* From when the last was queued. */
    next = timer_of(c);
    assert_in_range(next, T + 900, T + 1100);
    hand_turn(&h, next - 1);
    assert_false(is_running(c));
    hand_turn(&h, next);
    assert_true(is_running(c));
}

static void a_periodic_check_is_never_run_beside_itself(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .interval_ms = 100, .timeout_ms = 5000);

    (void)unused;
    hand_turn(&h, T);
    hand_turn(&h, T + 3000);
    assert_int_equal(c->seq, 1);
    assert_int_equal(c->state.status, HEALTH_PASS);
    hand_turn(&h, T + 5000);
    assert_int_equal(c->state.cause, HEALTH__OVERDUE);
    hand_turn(&h, T + 60000);
    assert_int_equal(c->seq, 1);
    /* What is due since long is run as soon as it can be. */
    hand_return(&h, c, HEALTH_PASS, NULL);
    hand_turn(&h, T + 60001);
    assert_int_equal(c->seq, 2);
    assert_true(is_running(c));
}

static void the_jitter_is_a_tenth_at_most(void **unused)
{
    static const int64_t intervals[] = {1, 2, 5, 9, 10, 15, 19, 20, 99, 1000, 60000, 2678400000};
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++) {
        int64_t interval = intervals[i], least = INT64_MAX, most = 0, sum = 0;
        struct health__check *c =
            hand_add(&h, .name = "c", .interval_ms = (unsigned)interval, .timeout_ms = 1);
        int k;

        for (k = 0; k < 2000; k++) {
            int64_t in;

            hand_run(&h, c, HEALTH_PASS, NULL);
            in = timer_of(c) - e->now;
            least = in < least ? in : least;
            most = in > most ? in : most;
            sum += in - interval;
        }
        assert_true(least * 10 >= interval * 9);
        assert_true(most * 10 <= interval * 11);
        /* It is there, and favours neither side. */
        if (interval >= 10)
            assert_true(least < interval && most > interval);
        assert_true(sum / 2000 <= interval / 50 && sum / 2000 >= -interval / 50);
        e->life = HEALTH__STOPPED;
        assert_int_equal(health__engine_remove(e, "c"), 0);
        e->life = HEALTH__STARTED;
    }
}

/* What it said last is too old by when it is run again, as the loop was late: that is told. */
static void what_is_stale_when_it_is_queued_is_told(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .interval_ms = 100, .timeout_ms = 50);
    uint64_t version;

    (void)unused;
    hand_run(&h, c, HEALTH_FAIL, "own words");
    version = health__engine_version(e, HEALTH_READY, false);
    hand_turn(&h, T + 251);
    assert_true(is_running(c));
    assert_int_equal(c->state.cause, HEALTH__STALE);
    assert_true(version != health__engine_version(e, HEALTH_READY, false));
}

/* ---- Frozen and thawed ---- */

static void a_thaw_puts_timeouts_off(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .timeout_ms = 300);

    (void)unused;
    health__runs_queue(e, c);
    hand_begin(&h, c);
    hand_at(&h, T + 9000);
    health__changes_thaw(e, T + 100, true);
    hand_turn(&h, T + 9000);
    assert_int_equal(c->state.status, HEALTH_PASS);
    assert_false(c->job.overdue);
    assert_true(health__list_linked(&c->run));
    /* Its timer was due, and is set again. */
    assert_int_equal(timer_of(c), T + 9300);
    /* And the callback is told. */
    assert_int_equal(c->deadline, T + 9300);
    hand_turn(&h, T + 9300);
    assert_int_equal(c->state.cause, HEALTH__OVERDUE);
    assert_true(c->job.overdue);
}

static void what_was_overdue_when_it_froze_stays_so(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .timeout_ms = 300);

    (void)unused;
    health__runs_queue(e, c);
    hand_at(&h, T + 9000);
    health__changes_thaw(e, T + 301, true);
    assert_int_equal(c->state.cause, HEALTH__OVERDUE);
    assert_int_equal(c->state.since, T + 300);
}

static void after_a_thaw_results_are_young(void **unused)
{
    struct health__check *periodic = hand_add(&h, .name = "c", .interval_ms = 1000),
                         *pushed = hand_add_pushed(&h, .name = "p", .max_age_ms = 500);

    (void)unused;
    hand_run(&h, periodic, HEALTH_PASS, NULL);
    hand_report(&h, "p", HEALTH_PASS, NULL);
    hand_turn(&h, T);
    hand_at(&h, T + 60000);
    health__changes_thaw(e, T + 100, true);
    assert_int_equal(periodic->state.status, HEALTH_PASS);
    assert_int_equal(health__engine_settle(e, pushed), T + 60501);
    assert_int_equal(pushed->state.status, HEALTH_PASS);
    hand_at(&h, T + 60501);
    (void)health__engine_settle(e, pushed);
    assert_int_equal(pushed->state.status, HEALTH_FAIL);
}

/* ---- Started, and forgotten ---- */

static void a_start_begins_anew(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c"),
                         *periodic = hand_add(&h, .name = "i", .interval_ms = 1000),
                         *pushed = hand_add_pushed(&h, .name = "p");
    uint64_t version;

    (void)unused;
    hand_run(&h, c, HEALTH_FAIL, "down");
    hand_run(&h, periodic, HEALTH_FAIL, "down");
    hand_report(&h, "p", HEALTH_WARN, "tight");
    hand_turn(&h, T);
    version = health__engine_version(e, HEALTH_ALL, true);
    hand_at(&h, T + 5000);
    health__runs_begin(e);
    assert_true(c->state.pending);
    assert_null(c->words);
    assert_int_equal(c->duration_us, -1);
    /* The service's last word stays, and its reason. */
    assert_int_equal(pushed->state.status, HEALTH_WARN);
    assert_string_equal(health__words_reason(pushed->words), "tight");
    assert_int_equal(timer_of(periodic), T + 5000);
    assert_int_equal(timer_of(c), HEALTH__NEVER);
    assert_true(version != health__engine_version(e, HEALTH_ALL, true));
}

/* As in the child of a fork, where neither the pool nor anyone who waits is left. */
static void forgetting_leaves_no_run_in_progress(void **unused)
{
    struct health__check *queued = hand_add(&h, .name = "a"), *begun = hand_add(&h, .name = "b"),
                         *idle = hand_add(&h, .name = "c", .interval_ms = 1000);
    struct hand_request r;

    (void)unused;
    hand_run(&h, idle, HEALTH_PASS, NULL);
    assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
    hand_begin(&h, begun);
    hand_turn(&h, T + 1);
    (void)pthread_mutex_lock(&e->pool.mutex);
    health__pool_forget(&e->pool);
    health__runs_forget(e);
    assert_false(is_running(queued) || is_running(begun) || is_running(idle));
    assert_int_equal(begun->job.state, HEALTH__JOB_NONE);
    assert_int_equal(timer_of(queued), HEALTH__NEVER);
    assert_int_equal(timer_of(idle), HEALTH__NEVER);
    assert_int_equal(health__timers_next(&e->timers), HEALTH__NEVER);
    assert_true(health__list_empty(&e->runs) && health__list_empty(&e->waiters));
    assert_true(health__list_empty(&queued->waiters));
    assert_int_equal(e->jobs, 0);
    assert_int_equal(r.ready, 0);

    /* All of them can be run again. */
    health__runs_begin(e);
    assert_true(hand_ask(&h, &r, HEALTH_READY, NULL));
    hand_return(&h, queued, HEALTH_PASS, NULL);
    hand_return(&h, begun, HEALTH_PASS, NULL);
    hand_turn(&h, T + 2);
    assert_int_equal(r.ready, 1);
    assert_true(is_running(idle));
}

/* What a worker was about to leave may be half written, and is left. */
static void forgetting_frees_words_that_are_whole(void **unused)
{
    struct health__check *begun = hand_add(&h, .name = "begun"),
                         *ended = hand_add(&h, .name = "ended");
    struct health__words *half;
    struct health_result said;

    (void)unused;
    health__runs_queue(e, begun);
    health__runs_queue(e, ended);
    hand_begin(&h, begun);
    health__result_init(&said, HEALTH__NEVER);
    (void)health_explain(&said, HEALTH_FAIL, "half");
    half = begun->outcome_words = health__words_keep(&said);
    hand_return(&h, ended, HEALTH_FAIL, "whole");
    words_freed = 0;
    (void)pthread_mutex_lock(&e->pool.mutex);
    health__pool_forget(&e->pool);
    health__runs_forget(e);
    assert_int_equal(words_freed, 1);
    assert_null(begun->outcome_words);
    assert_null(ended->outcome_words);
    __real_health__words_free(half);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_hand, close_hand)
    const struct CMUnitTest tests[] = {
        TEST(a_run_is_queued_with_its_timeout),
        TEST(runs_for_live_are_urgent),
        TEST(a_callback_has_until_the_timeout_from_when_it_was_queued),
        TEST(a_result_is_judged_and_kept),
        TEST(an_overdue_run_fails_until_it_returns),
        TEST(what_has_returned_in_time_is_not_overdue),
        TEST(what_has_returned_late_is),
        TEST(what_has_returned_is_in_order),
        TEST(what_was_overdue_before_it_began_is_known_to_be),
        TEST(what_has_returned_by_the_turn_is_in_time),
        TEST(a_periodic_check_is_run_at_once_and_again),
        TEST(a_periodic_check_is_never_run_beside_itself),
        TEST(the_jitter_is_a_tenth_at_most),
        TEST(what_is_stale_when_it_is_queued_is_told),
        TEST(a_thaw_puts_timeouts_off),
        TEST(what_was_overdue_when_it_froze_stays_so),
        TEST(after_a_thaw_results_are_young),
        TEST(a_start_begins_anew),
        TEST(forgetting_leaves_no_run_in_progress),
        TEST(forgetting_frees_words_that_are_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
