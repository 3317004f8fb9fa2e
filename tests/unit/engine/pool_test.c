/*
 * The workers: when one more is started and when not, and what becomes of what they are given; by a
 * clock of the test's own.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: pthread_create */
#include "engine/pool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"
#include "jobs.h"
#include "mutexes.h"

int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg);

static int create_error, creates; /* what pthread_create() fails with, and how often it was tried */

int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg)
{
    creates++;
    if (create_error != 0)
        return create_error;
    return __real_pthread_create(thread, attributes, main, arg);
}

#define CALLS 8
#define LIMIT 4
#define PLAIN (LIMIT - 1) /* of jobs that are not urgent */

/* What the pool is given: it does what a job of the test's does. */
struct call {
    struct health__job job;
    bool was_ours; /* the thread that called it */
    int tid;       /* its number */
};

static struct health__pool pool;
static struct job jobs[CALLS];
static struct call calls[CALLS];
static struct health__link done; /* what was collected */
static int notified;

static void call(struct health__job *job)
{
    struct call *c = health__container(job, struct call, job);

    c->was_ours = health__thread_is_ours();
    c->tid = (int)syscall(SYS_gettid);
    (void)job_run(NULL, &jobs[c - calls]);
}

static void ended(struct health__job *job, void *arg)
{
    health__list_append(arg, &job->link);
}

static const struct health__task task = {.call = call, .ended = ended};
static const struct health__task urgent_task = {.call = call, .ended = ended, .urgent = true};

static void hand_over(struct health__job *job, int64_t now)
{
    health__pool_queue(&pool, job, now);
    health__pool_hand_over(&pool);
}

static void notify(void *arg)
{
    count_up(arg);
}

static void never(void *arg)
{
    (void)arg;
    abort();
}

static int open_pool(void **unused)
{
    size_t i;

    (void)unused;
    create_error = creates = notified = 0;
    health__list_init(&done);
    for (i = 0; i < CALLS; i++) {
        jobs[i] = (struct job){.let = false};
        calls[i] = (struct call){.job = {.task = &task}};
    }
    return health__pool_init(&pool, LIMIT, notify, never, &notified);
}

static int close_pool(void **unused)
{
    size_t i;

    (void)unused;
    for (i = 0; i < CALLS; i++)
        job_let(&jobs[i]);
    if (!health__pool_stop(&pool, HEALTH__NEVER))
        return -1;
    /* Nobody is anywhere. */
    assert_int_equal(pool.workers + pool.idle + pool.calling + pool.overdue + pool.plain, 0);
    assert_true(mutex_in_order(&pool.mutex));
    health__pool_done(&pool);
    return 0;
}

/* How things stand. */
static unsigned workers(void)
{
    unsigned count;

    (void)pthread_mutex_lock(&pool.mutex);
    count = pool.workers;
    (void)pthread_mutex_unlock(&pool.mutex);
    return count;
}

static bool is_resting(void *arg)
{
    const unsigned *count = arg;
    bool is;

    (void)pthread_mutex_lock(&pool.mutex);
    is = pool.idle == 1 && pool.workers == *count;
    (void)pthread_mutex_unlock(&pool.mutex);
    return is;
}

/* Waits until so many workers are left, one of which has nothing to do. */
static void wait_resting(unsigned count)
{
    wait_until(is_resting, &count);
}

static void run(size_t i, int64_t now)
{
    hand_over(&calls[i].job, now);
}

static void run_urgent(size_t i, int64_t now)
{
    calls[i].job.task = &urgent_task;
    run(i, now);
}

/* Takes what has ended.  Returns: whether something was begun late. */
static bool collect(void)
{
    bool begun_late;

    (void)health__pool_collect(&pool, &done, &begun_late);
    return begun_late;
}

static bool is_collected(void *arg)
{
    struct health__link *link, *rest;

    (void)collect();
    health__list_each (link, rest, &done)
        if (health__container(link, struct health__job, link) == arg)
            return true;
    return false;
}

/* Waits until the pool gives it back. */
static void wait_collected(size_t i)
{
    wait_until(is_collected, &calls[i].job);
    health__list_remove(&calls[i].job.link);
}

/* ---- Who is started when ---- */

static void without_work_no_worker(void **unused)
{
    (void)unused;
    assert_int_equal(health__pool_tend(&pool, 100), HEALTH__NEVER);
    assert_int_equal(health__pool_tend(&pool, 100000), HEALTH__NEVER);
    assert_int_equal(creates, 0);
}

static void the_first_is_started_at_once(void **unused)
{
    (void)unused;
    run(0, 100);
    assert_int_equal(health__pool_tend(&pool, 100), 110);
    assert_int_equal(creates, 1);
    count_wait(&jobs[0].begun, 1);
    assert_int_equal(health__pool_tend(&pool, 100), HEALTH__NEVER);
    assert_int_equal(workers(), 1);
}

static void the_next_when_something_has_waited_for_10_ms(void **unused)
{
    (void)unused;
    run(0, 100);
    (void)health__pool_tend(&pool, 100);
    count_wait(&jobs[0].begun, 1);
    run(1, 200);
    assert_int_equal(health__pool_tend(&pool, 200), 210);
    assert_int_equal(health__pool_tend(&pool, 209), 210);
    assert_int_equal(creates, 1);
    (void)health__pool_tend(&pool, 210);
    assert_int_equal(creates, 2);
    count_wait(&jobs[1].begun, 1);
    assert_int_equal(workers(), 2);
}

/* What has waited long when a worker is started leaves it 10 ms before there is one more. */
static void each_is_given_10_ms(void **unused)
{
    (void)unused;
    run(0, 100);
    (void)health__pool_tend(&pool, 100);
    count_wait(&jobs[0].begun, 1);
    run(1, 100);
    run(2, 100);
    (void)health__pool_tend(&pool, 150);
    count_wait(&jobs[1].begun, 1);
    assert_int_equal(health__pool_tend(&pool, 150), 160);
    assert_int_equal(creates, 2);
    assert_int_equal(health__pool_tend(&pool, 159), 160);
    (void)health__pool_tend(&pool, 160);
    assert_int_equal(creates, 3);
    count_wait(&jobs[2].begun, 1);
}

/* Makes as many workers as may be where nothing is urgent, with a run each. */
static void fill(void)
{
    size_t i;

    for (i = 0; i < PLAIN; i++) {
        run(i, 0);
        (void)health__pool_tend(&pool, 10 * (int64_t)i);
        count_wait(&jobs[i].begun, 1);
    }
    assert_int_equal(creates, PLAIN);
}

static void there_are_never_more_than_the_limit(void **unused)
{
    (void)unused;
    fill();
    run(3, 100);
    assert_int_equal(health__pool_tend(&pool, 100000), HEALTH__NEVER);
    assert_int_equal(creates, PLAIN);
    assert_int_equal(workers(), PLAIN);
    /* It is begun by the next that is free. */
    job_let(&jobs[1]);
    count_wait(&jobs[3].begun, 1);
}

static void but_for_those_that_are_overdue(void **unused)
{
    size_t i;

    (void)unused;
    fill();
    for (i = 0; i < PLAIN; i++) {
        run(PLAIN + i, 200);
        assert_int_equal(health__pool_tend(&pool, 1000 + 10 * (int64_t)i), HEALTH__NEVER);
        health__pool_overdue(&pool, &calls[i].job);
        health__pool_overdue(&pool, &calls[i].job); /* once is enough */
        (void)health__pool_tend(&pool, 1000 + 10 * (int64_t)i);
        count_wait(&jobs[PLAIN + i].begun, 1);
        assert_int_equal(creates, PLAIN + 1 + (int)i);
    }
    run(6, 2000);
    assert_int_equal(health__pool_tend(&pool, 3000), HEALTH__NEVER);
    /* Those who have returned count again, and the surplus ends. */
    for (i = 0; i < PLAIN; i++)
        job_let(&jobs[i]);
    wait_resting(PLAIN + 1);
    assert_int_equal(pool.overdue, 0);
    assert_int_equal(count_of(&jobs[6].begun), 0);
    for (i = 0; i < PLAIN; i++)
        job_let(&jobs[PLAIN + i]);
    job_let(&jobs[6]);
    wait_collected(6);
    wait_resting(1);
}

static void one_idle_worker_stays_and_is_enough(void **unused)
{
    int round;

    (void)unused;
    fill();
    job_let(&jobs[0]);
    job_let(&jobs[1]);
    job_let(&jobs[2]);
    wait_resting(1);
    for (round = 1; round <= 50; round++) {
        wait_collected(0);
        run(0, 1000);
        count_wait(&jobs[0].ended, round + 1);
        wait_resting(1);
    }
    assert_int_equal(creates, PLAIN);
    assert_int_equal(health__pool_tend(&pool, 2000), HEALTH__NEVER);
}

/* Someone was woken for it and has not come yet. */
static void while_one_is_idle_no_other_is_started(void **unused)
{
    (void)unused;
    pool.workers = pool.idle = 1; /* nobody is there: it will not come */
    run(0, 100);
    assert_int_equal(health__pool_tend(&pool, 109), 110);
    assert_int_equal(health__pool_tend(&pool, 110), 120);
    assert_int_equal(health__pool_tend(&pool, 120), 130);
    assert_int_equal(creates, 0);
    pool.workers = pool.idle = 0;
}

/* ---- What is urgent ---- */

static void urgent_ones_go_first(void **unused)
{
    (void)unused;
    run(0, 0);
    (void)health__pool_tend(&pool, 0);
    count_wait(&jobs[0].begun, 1);
    run(1, 1);
    run_urgent(2, 2);
    run_urgent(3, 3);
    job_let(&jobs[0]);
    count_wait(&jobs[2].begun, 1);
    job_let(&jobs[2]);
    count_wait(&jobs[3].begun, 1);
    assert_int_equal(count_of(&jobs[1].begun), 0);
    job_let(&jobs[3]);
    count_wait(&jobs[1].begun, 1);
    assert_int_equal(creates, 1);
}

static void one_worker_is_kept_for_them(void **unused)
{
    (void)unused;
    fill();
    run(3, 100);
    assert_int_equal(health__pool_tend(&pool, 100000), HEALTH__NEVER);
    run_urgent(4, 100000);
    assert_int_equal(health__pool_tend(&pool, 100000), 100010);
    assert_int_equal(health__pool_tend(&pool, 100010), HEALTH__NEVER);
    assert_int_equal(creates, LIMIT);
    count_wait(&jobs[4].begun, 1);
    /* There are no more than the limit for them either. */
    run_urgent(5, 100020);
    assert_int_equal(health__pool_tend(&pool, 200000), HEALTH__NEVER);
    job_let(&jobs[4]);
    count_wait(&jobs[5].begun, 1);
    job_let(&jobs[5]);
    wait_resting(LIMIT);
    assert_int_equal(count_of(&jobs[3].begun), 0);
    /* Whoever has nothing to do is woken for one, and for nothing else. */
    run_urgent(6, 200000);
    count_wait(&jobs[6].begun, 1);
    job_let(&jobs[6]);
    wait_resting(LIMIT);
    assert_int_equal(count_of(&jobs[3].begun), 0);
    job_let(&jobs[0]);
    count_wait(&jobs[3].begun, 1);
}

/* Each that is urgent has only just come. */
static void those_that_are_not_do_not_wait_for_ever(void **unused)
{
    (void)unused;
    run_urgent(0, 100);
    (void)health__pool_tend(&pool, 100);
    count_wait(&jobs[0].begun, 1);
    run(1, 200);
    run_urgent(2, 209);
    assert_int_equal(health__pool_tend(&pool, 209), 210);
    (void)health__pool_tend(&pool, 210);
    assert_int_equal(creates, 2);
    count_wait(&jobs[2].begun, 1);
    assert_int_equal(health__pool_tend(&pool, 219), 220);
    (void)health__pool_tend(&pool, 220);
    count_wait(&jobs[1].begun, 1);
}

static void an_urgent_one_that_is_overdue_has_no_place_to_leave(void **unused)
{
    (void)unused;
    run_urgent(0, 0);
    (void)health__pool_tend(&pool, 0);
    count_wait(&jobs[0].begun, 1);
    health__pool_overdue(&pool, &calls[0].job);
    assert_int_equal(pool.overdue, 1);
    assert_int_equal(pool.plain, 0);
    job_let(&jobs[0]);
    wait_collected(0);
    run(1, 100);
    count_wait(&jobs[1].begun, 1);
}

/* One that is overdue before it is begun takes no place: there is one for the next. */
static void whoever_is_idle_is_woken_for_a_place_that_stays_free(void **unused)
{
    (void)unused;
    pool.limit = 2;
    run(0, 0);
    (void)health__pool_tend(&pool, 0);
    count_wait(&jobs[0].begun, 1);
    run_urgent(1, 0);
    (void)health__pool_tend(&pool, 10);
    job_let(&jobs[1]);
    wait_resting(2);
    run(2, 100);
    health__pool_overdue(&pool, &calls[2].job);
    run(3, 100);
    job_let(&jobs[0]);
    count_wait(&jobs[2].begun, 1);
    count_wait(&jobs[3].begun, 1);
}

/* Nothing is on its way while all places are taken: the loop is told of what has ended. */
static void it_does_not_look_for_what_has_no_place(void **unused)
{
    (void)unused;
    fill();
    run(3, 100);
    run_urgent(4, 100);
    (void)health__pool_tend(&pool, 110);
    job_let(&jobs[4]);
    wait_resting(LIMIT);
    assert_false(collect());
    assert_int_equal(health__pool_tend(&pool, 120), HEALTH__NEVER);
    assert_false(pool.quiet);
}

/* It was the last that those which are not urgent may have. */
static void an_overdue_one_leaves_its_place_to_whoever_is_idle(void **unused)
{
    (void)unused;
    fill();
    run_urgent(6, 100);
    (void)health__pool_tend(&pool, 110);
    job_let(&jobs[6]);
    wait_resting(LIMIT);
    run(3, 200);
    assert_int_equal(count_of(&jobs[3].begun), 0);
    health__pool_overdue(&pool, &calls[0].job);
    count_wait(&jobs[3].begun, 1);
    assert_int_equal(creates, LIMIT);
}

static void of_two_one_is_kept(void **unused)
{
    (void)unused;
    pool.limit = 2;
    run(0, 0);
    (void)health__pool_tend(&pool, 0);
    count_wait(&jobs[0].begun, 1);
    run(1, 0);
    assert_int_equal(health__pool_tend(&pool, 1000), HEALTH__NEVER);
    assert_int_equal(creates, 1);
    run_urgent(2, 1000);
    (void)health__pool_tend(&pool, 1010);
    count_wait(&jobs[2].begun, 1);
    assert_int_equal(count_of(&jobs[1].begun), 0);
}

static void urgent_or_not_all_have_the_only_one(void **unused)
{
    (void)unused;
    pool.limit = 1;
    run(0, 0);
    (void)health__pool_tend(&pool, 0);
    count_wait(&jobs[0].begun, 1);
    run(1, 0);
    run_urgent(2, 0);
    assert_int_equal(health__pool_tend(&pool, 1000), HEALTH__NEVER);
    job_let(&jobs[0]);
    count_wait(&jobs[2].begun, 1);
    job_let(&jobs[2]);
    count_wait(&jobs[1].begun, 1);
    assert_int_equal(creates, 1);
}

static void a_thread_that_cannot_be_started_is_tried_again(void **unused)
{
    (void)unused;
    create_error = EAGAIN;
    run(0, 100);
    assert_int_equal(health__pool_tend(&pool, 100), 200);
    assert_int_equal(creates, 1);
    assert_int_equal(health__pool_tend(&pool, 199), 200);
    assert_int_equal(creates, 1);
    assert_int_equal(health__pool_tend(&pool, 200), 300);
    assert_int_equal(creates, 2);
    assert_int_equal(workers(), 0);
    create_error = 0;
    assert_int_equal(health__pool_tend(&pool, 299), 300);
    (void)health__pool_tend(&pool, 300);
    count_wait(&jobs[0].begun, 1);

    /* And so is a further one. */
    create_error = ENOMEM;
    run(1, 400);
    assert_int_equal(health__pool_tend(&pool, 410), 520);
    assert_int_equal(workers(), 1);
    create_error = 0;
    (void)health__pool_tend(&pool, 520);
    count_wait(&jobs[1].begun, 1);
}

/* ---- What becomes of jobs ---- */

static void a_job_is_called_by_a_worker_and_given_back(void **unused)
{
    (void)unused;
    run(0, 100);
    assert_int_equal(calls[0].job.state, HEALTH__JOB_QUEUED);
    assert_int_equal(calls[0].job.queued_at, 100);
    assert_int_equal(atomic_load(&calls[0].job.tid), 0);
    (void)health__pool_tend(&pool, 100);
    count_wait(&jobs[0].begun, 1);
    assert_int_equal(calls[0].job.state, HEALTH__JOB_BEGUN);
    assert_int_equal(atomic_load(&calls[0].job.tid), calls[0].tid);
    assert_int_not_equal(calls[0].tid, getpid());
    job_let(&jobs[0]);
    wait_collected(0);
    assert_int_equal(calls[0].job.state, HEALTH__JOB_ENDED);
    assert_int_equal(jobs[0].ended, 1);
    assert_true(calls[0].was_ours);
}

static void it_is_told_how_many_are_given_back(void **unused)
{
    bool begun_late = true;

    (void)unused;
    job_let(&jobs[0]);
    job_let(&jobs[1]);
    run(0, 0);
    run(1, 0);
    assert_int_equal(health__pool_collect(&pool, &done, &begun_late), 0);
    (void)health__pool_tend(&pool, 0);
    count_wait(&jobs[1].ended, 1);
    wait_resting(1);
    assert_int_equal(health__pool_collect(&pool, &done, &begun_late), 2);
    assert_false(begun_late);
    assert_ptr_equal(done.next, &calls[0].job.link);
    assert_ptr_equal(done.prev, &calls[1].job.link);
    assert_int_equal(health__pool_collect(&pool, &done, &begun_late), 0);
}

static void what_is_queued_is_begun_in_order(void **unused)
{
    size_t i;

    (void)unused;
    for (i = 0; i < CALLS; i++)
        run(i, 0);
    (void)health__pool_tend(&pool, 0);
    for (i = 0; i < CALLS; i++) {
        count_wait(&jobs[i].begun, 1);
        if (i + 1 < CALLS)
            assert_int_equal(count_of(&jobs[i + 1].begun), 0);
        job_let(&jobs[i]);
    }
    wait_collected(CALLS - 1);
}

/* One notice is enough for all that is there. */
static void the_loop_is_told_when_there_is_something_again(void **unused)
{
    (void)unused;
    fill();
    job_let(&jobs[0]);
    count_wait(&notified, 1);
    job_let(&jobs[1]);
    job_let(&jobs[2]);
    wait_resting(1);
    assert_int_equal(count_of(&notified), 1);
    assert_false(collect());
    assert_false(health__list_empty(&done));
    assert_true(health__list_empty(&pool.done));
    run(3, 0);
    job_let(&jobs[3]);
    count_wait(&notified, 2);
}

/* While more is queued it looks by itself; but whoever waits for all of it is not to wait for that.
 */
static void the_loop_is_told_of_the_last_that_was_queued(void **unused)
{
    size_t i;

    (void)unused;
    for (i = 0; i < 4; i++)
        run(i, 0);
    (void)health__pool_tend(&pool, 0);
    job_let(&jobs[0]);
    count_wait(&jobs[1].begun, 1);
    assert_int_equal(count_of(&notified), 1);
    assert_false(collect());
    assert_int_equal(health__pool_tend(&pool, 5), 6);
    job_let(&jobs[1]);
    job_let(&jobs[2]);
    count_wait(&jobs[3].begun, 1);
    assert_int_equal(count_of(&notified), 1);
    job_let(&jobs[3]);
    count_wait(&notified, 2);
    assert_int_equal(health__pool_tend(&pool, 5), HEALTH__NEVER);
}

static void a_run_that_is_begun_late_is_told(void **unused)
{
    (void)unused;
    run(0, 0);
    health__pool_overdue(&pool, &calls[0].job);
    assert_int_equal(pool.overdue, 0);
    assert_false(collect());
    (void)health__pool_tend(&pool, 2000);
    count_wait(&notified, 1);
    count_wait(&jobs[0].begun, 1);
    assert_int_equal(pool.overdue, 1);
    assert_true(collect());
    assert_false(collect());
    job_let(&jobs[0]);
    wait_collected(0);
    assert_int_equal(pool.overdue, 0);
    /* The next is not. */
    run(0, 3000);
    wait_collected(0);
    assert_int_equal(pool.overdue, 0);
}

/* What has returned already is not overdue, whatever the loop thought. */
static void what_has_ended_cannot_be_overdue(void **unused)
{
    (void)unused;
    job_let(&jobs[0]);
    run(0, 0);
    (void)health__pool_tend(&pool, 0);
    count_wait(&notified, 1);
    wait_resting(1);
    health__pool_overdue(&pool, &calls[0].job);
    assert_int_equal(pool.overdue, 0);
    assert_false(calls[0].job.overdue);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pool, close_pool)
    const struct CMUnitTest tests[] = {
        TEST(without_work_no_worker),
        TEST(the_first_is_started_at_once),
        TEST(the_next_when_something_has_waited_for_10_ms),
        TEST(each_is_given_10_ms),
        TEST(there_are_never_more_than_the_limit),
        TEST(but_for_those_that_are_overdue),
        TEST(one_idle_worker_stays_and_is_enough),
        TEST(while_one_is_idle_no_other_is_started),
        TEST(urgent_ones_go_first),
        TEST(one_worker_is_kept_for_them),
        TEST(those_that_are_not_do_not_wait_for_ever),
        TEST(an_urgent_one_that_is_overdue_has_no_place_to_leave),
        TEST(whoever_is_idle_is_woken_for_a_place_that_stays_free),
        TEST(it_does_not_look_for_what_has_no_place),
        TEST(an_overdue_one_leaves_its_place_to_whoever_is_idle),
        TEST(of_two_one_is_kept),
        TEST(urgent_or_not_all_have_the_only_one),
        TEST(a_thread_that_cannot_be_started_is_tried_again),
        TEST(a_job_is_called_by_a_worker_and_given_back),
        TEST(it_is_told_how_many_are_given_back),
        TEST(what_is_queued_is_begun_in_order),
        TEST(the_loop_is_told_when_there_is_something_again),
        TEST(the_loop_is_told_of_the_last_that_was_queued),
        TEST(a_run_that_is_begun_late_is_told),
        TEST(what_has_ended_cannot_be_overdue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
