/*
 * Checks come and go: what the loop makes of its mail, and that a check is released once, when its
 * callback can never run again.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: clock_gettime health__check_new health__check_free */
#include "engine/runs.h"

#include "by_hand.h"

struct health__check *__real_health__check_new(
    const char *name, const struct health__policy *policy, int64_t now);
struct health__check *__wrap_health__check_new(
    const char *name, const struct health__policy *policy, int64_t now);
void __real_health__check_free(struct health__check *check);
void __wrap_health__check_free(struct health__check *check);

#define T 10000 /* when it begins */

static struct hand h;
static struct health__engine *const e = &h.engine;
static int released;
static int unfreed; /* checks that were made */

struct health__check *__wrap_health__check_new(
    const char *name, const struct health__policy *policy, int64_t now)
{
    unfreed++;
    return __real_health__check_new(name, policy, now);
}

void __wrap_health__check_free(struct health__check *check)
{
    unfreed--;
    __real_health__check_free(check);
}

static int open_hand(void **unused)
{
    (void)unused;
    hand_open(&h, T);
    released = unfreed = 0;
    return 0;
}

static int close_hand(void **unused)
{
    (void)unused;
    hand_close(&h);
    assert_int_equal(unfreed, 0);
    return 0;
}

static void release(void *arg)
{
    ++*(int *)arg;
}

#define add_released(...) hand_add(&h, .arg = &released, .release = release, __VA_ARGS__)

/* A worker begins the release that is first in the queue. */
static struct health__job *begin_release(void)
{
    struct health__link *link = health__list_take(&e->pool.queue);
    struct health__job *job = health__container(link, struct health__job, link);

    assert_int_equal(job->state, HEALTH__JOB_QUEUED);
    assert_true(job->task->sure);
    job->state = HEALTH__JOB_BEGUN;
    return job;
}

/* And does it. */
static void let_release(void)
{
    struct health__job *job = begin_release();

    job->task->call(job);
    job->state = HEALTH__JOB_ENDED;
    health__list_append(&e->pool.done, &job->link);
}

/* ---- Mail ---- */

static void checks_are_known_once_the_mail_is_read(void **unused)
{
    const struct health_check check = {.size = sizeof(check), .name = "a", .fn = hand_fn};

    (void)unused;
    assert_int_equal(health__engine_add(e, &check), 0);
    assert_true(health__list_empty(&e->checks));
    assert_true(atomic_load(&e->has_mail));
    health__mail_read(e);
    assert_false(atomic_load(&e->has_mail));
    assert_ptr_equal(e->checks.next, &hand_find(&h, "a")->link);
    (void)hand_add(&h, .name = "b");
    assert_ptr_equal(e->checks.prev, &hand_find(&h, "b")->link);
}

static void what_was_removed_before_the_mail_was_read_was_never_there(void **unused)
{
    const struct health_check check = {.size = sizeof(check),
        .name = "a",
        .fn = hand_fn,
        .arg = &released,
        .release = release,
        .interval_ms = 1000};

    (void)unused;
    assert_int_equal(health__engine_add(e, &check), 0);
    assert_int_equal(health__engine_remove(e, "a"), 0);
    hand_turn(&h, T);
    assert_true(health__list_empty(&e->checks));
    assert_int_equal(health__timers_next(&e->timers), HEALTH__NEVER);
    let_release();
    hand_turn(&h, T + 1);
    assert_int_equal(released, 1);
    assert_true(health__list_empty(&e->leaving));
    assert_int_equal(e->jobs, 0);
}

/* Nothing waits for a release as it does for a run. */
static void a_release_is_never_urgent(void **unused)
{
    static const struct health__task last = {.urgent = true};
    struct health__check *a = add_released(.name = "a", .probes = HEALTH_LIVE);

    (void)unused;
    a->job.task = &last;
    assert_int_equal(health__engine_remove(e, "a"), 0);
    hand_turn(&h, T);
    assert_true(health__list_empty(&e->pool.urgent));
    let_release();
    hand_turn(&h, T + 1);
    assert_int_equal(released, 1);
}

static void is_counted(const struct health__tally *t, size_t pass, size_t warn, size_t fail)
{
    assert_int_equal(t->of[1 + HEALTH_PASS], pass);
    assert_int_equal(t->of[1 + HEALTH_WARN], warn);
    assert_int_equal(t->of[1 + HEALTH_FAIL], fail);
}

static void a_check_is_counted_while_it_is_there(void **unused)
{
    const struct health__tally *live = &e->tallies[0], *ready = &e->tallies[1],
                               *all = &e->tallies[3], *lenient = &e->lenient_tallies[1];

    (void)unused;
    (void)hand_add_pushed(&h, .name = "p");
    is_counted(ready, 0, 0, 1);
    is_counted(lenient, 1, 0, 0);
    hand_report(&h, "p", HEALTH_WARN, NULL);
    health__mail_read(e);
    is_counted(ready, 0, 1, 0);
    is_counted(lenient, 0, 1, 0);
    (void)hand_add_heartbeat(&h, "b", 100, HEALTH_READY);
    is_counted(ready, 1, 1, 0);
    is_counted(all, 1, 1, 0);
    is_counted(live, 0, 0, 0);
    assert_int_equal(health__engine_remove(e, "p"), 0);
    health__mail_read(e);
    is_counted(ready, 1, 0, 0);
    assert_int_equal(health__engine_remove(e, "b"), 0);
    health__mail_read(e);
    is_counted(ready, 0, 0, 0);
    is_counted(lenient, 0, 0, 0);
    is_counted(all, 0, 0, 0);
}

static void the_name_is_free_at_once(void **unused)
{
    struct health__check *first = hand_add(&h, .name = "a"), *second;

    (void)unused;
    health__runs_queue(e, first);
    hand_begin(&h, first);
    (void)health__engine_remove(e, "a");
    second = hand_add(&h, .name = "a");
    assert_ptr_not_equal(first, second);
    assert_ptr_equal(e->checks.next, &second->link);
    assert_ptr_equal(e->leaving.next, &first->link);
    /* The former's result is none of the latter's business. */
    hand_return(&h, first, HEALTH_FAIL, "old");
    hand_turn(&h, T + 1);
    assert_true(second->state.pending);
}

static void the_last_report_counts(void **unused)
{
    struct health__check *c = hand_add_pushed(&h, .name = "p");

    (void)unused;
    hand_report(&h, "p", HEALTH_FAIL, "first");
    hand_at(&h, T + 1);
    hand_report(&h, "p", HEALTH_WARN, "second");
    assert_true(c->state.pending);
    health__mail_read(e);
    assert_int_equal(c->state.status, HEALTH_WARN);
    assert_string_equal(health__words_reason(c->words), "second");
    assert_int_equal(c->state.result_at, T + 1);
    assert_null(c->reported_words);
    hand_report(&h, "p", HEALTH_PASS, NULL);
    health__mail_read(e);
    assert_null(c->words);
}

/* Time in the loop stands still during a turn; the service's goes on. */
static void a_report_of_after_the_turn_began_is_of_now(void **unused)
{
    struct health__check *c = hand_add_pushed(&h, .name = "p");

    (void)unused;
    fake_clock_set(T + 5);
    hand_report(&h, "p", HEALTH_FAIL, NULL);
    health__mail_read(e);
    assert_int_equal(e->now, T);
    assert_int_equal(c->state.result_at, T);
    assert_int_equal(c->state.since, T);
}

/* A report that is read late: what was judged since was judged without it. */
static void a_report_older_than_a_judgement_counts_from_then(void **unused)
{
    struct health__check *c = hand_add_pushed(&h, .name = "p", .max_age_ms = 100);

    (void)unused;
    hand_report(&h, "p", HEALTH_PASS, NULL);
    hand_turn(&h, T);
    fake_clock_set(T + 90);
    hand_report(&h, "p", HEALTH_PASS, NULL);
    hand_at(&h, T + 150);
    (void)health__engine_settle(e, c);
    assert_int_equal(c->state.status, HEALTH_FAIL);
    assert_int_equal(c->state.since, T + 101);
    health__mail_read(e);
    assert_int_equal(c->state.status, HEALTH_PASS);
    assert_int_equal(c->state.since, T + 101);
    assert_int_equal(health__engine_settle(e, c), T + 202);
}

static void a_report_of_before_a_freeze_is_of_the_thaw(void **unused)
{
    struct health__check *c = hand_add_pushed(&h, .name = "p", .max_age_ms = 100);

    (void)unused;
    hand_report(&h, "p", HEALTH_PASS, NULL);
    hand_at(&h, T + 60000);
    health__changes_thaw(e, T + 10, true);
    health__mail_read(e);
    assert_int_equal(c->state.status, HEALTH_PASS);
    assert_int_equal(health__engine_settle(e, c), T + 60101);
}

/* ---- The end of checks ---- */

static void what_is_not_running_is_released_by_a_worker(void **unused)
{
    (void)unused;
    hand_run(&h, add_released(.name = "a"), HEALTH_PASS, NULL);
    assert_int_equal(health__engine_remove(e, "a"), 0);
    hand_turn(&h, T + 1);
    assert_true(health__list_empty(&e->dead));
    assert_int_equal(released, 0);
    assert_int_equal(e->jobs, 1);
    let_release();
    hand_turn(&h, T + 2);
    assert_int_equal(released, 1);
    assert_int_equal(e->jobs, 0);
    assert_true(health__list_empty(&e->leaving));
}

static void what_has_nothing_to_release_is_freed_at_once(void **unused)
{
    (void)unused;
    (void)hand_add(&h, .name = "a");
    assert_int_equal(health__engine_remove(e, "a"), 0);
    hand_turn(&h, T + 1);
    assert_true(health__list_empty(&e->pool.queue));
    assert_true(health__list_empty(&e->dead) && health__list_empty(&e->leaving));
    assert_int_equal(e->jobs, 0);
}

static void a_running_one_leaves_dies_and_is_released(void **unused)
{
    struct health__check *c = add_released(.name = "a", .timeout_ms = 300);

    (void)unused;
    health__runs_queue(e, c);
    hand_begin(&h, c);
    assert_int_equal(health__engine_remove(e, "a"), HEALTH_EBUSY);
    hand_turn(&h, T + 1);
    assert_true(health__list_empty(&e->checks));
    assert_ptr_equal(e->leaving.next, &c->link);
    /* It is overdue like any other. */
    hand_turn(&h, T + 300);
    assert_true(c->job.overdue);
    assert_int_equal(e->pool.overdue, 1);

    hand_return(&h, c, HEALTH_PASS, "too late");
    hand_at(&h, T + 400);
    health__runs_collect(e);
    assert_true(health__list_empty(&e->leaving));
    assert_ptr_equal(e->dead.next, &c->link);
    assert_int_equal(released, 0);
    hand_turn(&h, T + 401);
    let_release();
    hand_turn(&h, T + 402);
    assert_int_equal(released, 1);
    assert_int_equal(e->jobs, 0);
}

static void a_removed_periodic_one_is_not_run_again(void **unused)
{
    struct health__check *c = add_released(.name = "a", .interval_ms = 10);

    (void)unused;
    hand_turn(&h, T);
    hand_begin(&h, c);
    assert_int_equal(health__engine_remove(e, "a"), HEALTH_EBUSY);
    hand_return(&h, c, HEALTH_PASS, NULL);
    /* In one turn: the result, and the end. */
    hand_turn(&h, T + 50);
    assert_int_equal(health__timers_next(&e->timers), HEALTH__NEVER);
    let_release();
    hand_turn(&h, T + 51);
    assert_int_equal(released, 1);

    /* And one that rests. */
    c = add_released(.name = "b", .interval_ms = 10);
    hand_turn(&h, T + 51);
    hand_return(&h, c, HEALTH_PASS, NULL);
    hand_turn(&h, T + 52);
    assert_int_equal(health__engine_remove(e, "b"), 0);
    hand_turn(&h, T + 53);
    assert_int_equal(health__timers_next(&e->timers), HEALTH__NEVER);
}

/* It was queued, and no worker had it yet. */
static void a_queued_run_is_taken_back(void **unused)
{
    struct health__check *c = add_released(.name = "a");

    (void)unused;
    health__runs_queue(e, c);
    health__pool_hand_over(&e->pool);
    assert_int_equal(health__engine_remove(e, "a"), 0);
    assert_int_equal(c->job.state, HEALTH__JOB_CANCELLED);
    hand_turn(&h, T + 1);
    let_release();
    hand_turn(&h, T + 2);
    assert_int_equal(released, 1);
    assert_int_equal(e->jobs, 0);
    assert_int_equal(health__timers_next(&e->timers), HEALTH__NEVER);
}

/* The service has removed it, and a request comes before the loop has read that. */
static void a_run_queued_after_the_removal_is_cancelled(void **unused)
{
    struct health__check *c = add_released(.name = "a");

    (void)unused;
    assert_int_equal(health__pool_remove(&e->pool, &c->job, NULL), HEALTH__NOT_YET);
    health__runs_queue(e, c);
    health__pool_hand_over(&e->pool);
    assert_int_equal(c->job.state, HEALTH__JOB_CANCELLED);
    hand_at(&h, T + 1);
    health__runs_collect(e);
    assert_false(health__state_running(&c->state));
    assert_true(c->state.pending);
    assert_false(health__list_linked(&c->run));
}

static void what_has_died_where_no_worker_is_left_is_the_callers(void **unused)
{
    struct health__link dead;

    (void)unused;
    hand_run(&h, add_released(.name = "a"), HEALTH_PASS, NULL);
    (void)add_released(.name = "b");
    assert_int_equal(health__engine_remove(e, "a"), 0);
    assert_int_equal(health__engine_remove(e, "b"), 0);
    health__mail_read(e);
    health__mail_exhume(e, &dead);
    assert_true(health__list_empty(&e->dead));
    assert_int_equal(released, 0);
    health__checks_release(&dead);
    assert_int_equal(released, 2);
    assert_true(health__list_empty(&dead));
}

static void releases_that_were_not_begun_are_given_back_by_a_stop(void **unused)
{
    struct health__link dead;

    (void)unused;
    (void)add_released(.name = "a");
    assert_int_equal(health__engine_remove(e, "a"), 0);
    hand_turn(&h, T + 1);
    assert_true(health__pool_stop(&e->pool, 0));
    health__runs_collect(e);
    assert_int_equal(released, 0);
    health__mail_exhume(e, &dead);
    health__checks_release(&dead);
    assert_int_equal(released, 1);
    assert_int_equal(e->jobs, 0);
}

/* ---- In the child of a fork ---- */

/* How far it is with a removed check. */
enum stage { RUN_BEGUN, RUN_ENDED, RELEASE_QUEUED, RELEASE_BEGUN, RELEASE_ENDED };

/* Removes "a", and has its release done, but for what is left out, when the fork comes. */
static void fork_at(enum stage stage)
{
    struct health__link dead;
    struct health__check *c = add_released(.name = "a");

    if (stage < RELEASE_QUEUED) {
        health__runs_queue(e, c);
        hand_begin(&h, c);
        (void)health__engine_remove(e, "a");
        hand_turn(&h, T + 1);
    } else {
        assert_int_equal(health__engine_remove(e, "a"), 0);
        hand_turn(&h, T + 1);
    }
    if (stage == RUN_ENDED)
        hand_return(&h, c, HEALTH_PASS, "lost");
    if (stage == RELEASE_BEGUN)
        (void)begin_release();
    if (stage == RELEASE_ENDED)
        let_release();
    (void)pthread_mutex_lock(&e->pool.mutex);
    health__runs_forget(e);
    health__pool_forget(&e->pool);
    /* Another one in the child. */
    health__runs_forget(e);
    health__mail_exhume(e, &dead);
    health__checks_release(&dead);
    assert_int_equal(e->jobs, 0);
}

static void a_fork_leaves_releases_to_the_child(void **unused)
{
    (void)unused;
    fork_at(RUN_BEGUN);
    assert_int_equal(released, 1);
    fork_at(RUN_ENDED);
    assert_int_equal(released, 2);
    fork_at(RELEASE_QUEUED);
    assert_int_equal(released, 3);
}

static void but_not_those_that_were_begun_or_done(void **unused)
{
    (void)unused;
    fork_at(RELEASE_BEGUN);
    assert_int_equal(released, 0);
    fork_at(RELEASE_ENDED);
    assert_int_equal(released, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_hand, close_hand)
    const struct CMUnitTest tests[] = {
        TEST(checks_are_known_once_the_mail_is_read),
        TEST(what_was_removed_before_the_mail_was_read_was_never_there),
        TEST(a_release_is_never_urgent),
        TEST(a_check_is_counted_while_it_is_there),
        TEST(the_name_is_free_at_once),
        TEST(the_last_report_counts),
        TEST(a_report_of_after_the_turn_began_is_of_now),
        TEST(a_report_older_than_a_judgement_counts_from_then),
        TEST(a_report_of_before_a_freeze_is_of_the_thaw),
        TEST(what_is_not_running_is_released_by_a_worker),
        TEST(what_has_nothing_to_release_is_freed_at_once),
        TEST(a_running_one_leaves_dies_and_is_released),
        TEST(a_removed_periodic_one_is_not_run_again),
        TEST(a_queued_run_is_taken_back),
        TEST(a_run_queued_after_the_removal_is_cancelled),
        TEST(what_has_died_where_no_worker_is_left_is_the_callers),
        TEST(releases_that_were_not_begun_are_given_back_by_a_stop),
        TEST(a_fork_leaves_releases_to_the_child),
        TEST(but_not_those_that_were_begun_or_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
