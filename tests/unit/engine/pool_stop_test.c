/*
 * The workers' end: a job that is removed while it is called, a pool that is stopped, left
 * to its last worker, or forgotten.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: pthread_create pthread_join */
#include "engine/pool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"
#include "jobs.h"
#include "mutexes.h"

int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg);
int __real_pthread_join(pthread_t thread, void **ret_result);
int __wrap_pthread_join(pthread_t thread, void **ret_result);

static int create_error;
static atomic_int unjoined; /* threads of the pool's */

int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg)
{
    int error = create_error;

    if (error == 0)
        error = __real_pthread_create(thread, attributes, main, arg);
    if (error == 0)
        atomic_fetch_add(&unjoined, 1);
    return error;
}

int __wrap_pthread_join(pthread_t thread, void **ret_result)
{
    int error = __real_pthread_join(thread, ret_result);

    if (error == 0)
        atomic_fetch_sub(&unjoined, 1);
    return error;
}

#define CALLS 4
#define LIMIT 3

static struct health__pool pool;
static struct job jobs[CALLS];
static struct health__job calls[CALLS];
static struct health__link done; /* what was collected */
static int abandoned;            /* how often the pool was left to its last worker */
static bool abandoned_by_worker;

static int notified; /* how often the loop was told that something has ended */

static void notify(void *arg)
{
    (void)arg;
    count_up(&notified);
}

static void abandon(void *arg)
{
    abandoned_by_worker = health__thread_is_ours();
    count_up(arg);
}

static void call(struct health__job *job)
{
    (void)job_run(NULL, &jobs[job - calls]);
}

static void ended(struct health__job *job, void *arg)
{
    health__list_append(arg, &job->link);
}

static const struct health__task task = {.call = call, .ended = ended};
static const struct health__task sure_task = {.call = call, .ended = ended, .sure = true};
static const struct health__task urgent_task = {.call = call, .ended = ended, .urgent = true};

static void hand_over(struct health__job *job, int64_t now)
{
    health__pool_queue(&pool, job, now);
    health__pool_hand_over(&pool);
}

static int open_pool(void **unused)
{
    size_t i;

    (void)unused;
    create_error = abandoned = notified = 0;
    atomic_store(&unjoined, 0);
    health__list_init(&done);
    for (i = 0; i < CALLS; i++) {
        jobs[i] = (struct job){.let = false};
        calls[i] = (struct health__job){.task = &task};
    }
    return health__pool_init(&pool, LIMIT, notify, abandon, &abandoned);
}

static int close_pool(void **unused)
{
    size_t i;

    (void)unused;
    for (i = 0; i < CALLS; i++)
        job_let(&jobs[i]);
    /* One that was left to its last worker is not there any more. */
    if (count_of(&abandoned) == 0 && !health__pool_stop(&pool, HEALTH__NEVER))
        return -1;
    /* That worker is joined by nobody. */
    assert_int_equal(atomic_load(&unjoined), count_of(&abandoned));
    assert_true(mutex_in_order(&pool.mutex));
    health__pool_done(&pool);
    return 0;
}

/* Queues one that is never cancelled, and that returns at once. */
static void queue_sure(size_t i)
{
    job_let(&jobs[i]);
    calls[i].task = &sure_task;
    hand_over(&calls[i], 0);
}

/* Begins it with a worker of its own. */
static void begin(size_t i)
{
    static int64_t now;

    now += 100;
    hand_over(&calls[i], now);
    (void)health__pool_tend(&pool, now + 10);
    count_wait(&jobs[i].begun, 1);
}

static bool rests(void *arg)
{
    bool does;

    (void)arg;
    (void)pthread_mutex_lock(&pool.mutex);
    does = pool.idle == 1;
    (void)pthread_mutex_unlock(&pool.mutex);
    return does;
}

static void collect(void)
{
    bool begun_late;

    (void)health__pool_collect(&pool, &done, &begun_late);
}

/* ---- Removed ---- */

static void of_what_does_not_run_there_is_nothing_to_wait_for(void **unused)
{
    bool has_ended = false;

    (void)unused;
    assert_int_equal(health__pool_remove(&pool, &calls[0], &has_ended), HEALTH__NOT_YET);
    assert_true(calls[0].removed);
    assert_null(calls[0].watch);
    /* Not begun yet. */
    hand_over(&calls[1], 100);
    assert_int_equal(health__pool_remove(&pool, &calls[1], &has_ended), HEALTH__NOT_YET);
    assert_int_equal(calls[1].state, HEALTH__JOB_CANCELLED);
    assert_true(health__list_empty(&pool.queue));
    collect();
    assert_ptr_equal(done.next, &calls[1].link);
    /* Ended, but the loop has not heard of it. */
    job_let(&jobs[2]);
    begin(2);
    assert_true(health__pool_stop(&pool, HEALTH__NEVER));
    assert_int_equal(calls[2].state, HEALTH__JOB_ENDED);
    assert_int_equal(health__pool_remove(&pool, &calls[2], &has_ended), HEALTH__NOT_YET);
    assert_false(has_ended);
}

static void a_removed_job_is_not_begun(void **unused)
{
    (void)unused;
    assert_int_equal(health__pool_remove(&pool, &calls[0], NULL), HEALTH__NOT_YET);
    hand_over(&calls[0], 100);
    assert_int_equal(health__pool_tend(&pool, 1000), HEALTH__NEVER);
    assert_int_equal(calls[0].state, HEALTH__JOB_CANCELLED);
    collect();
    assert_ptr_equal(done.next, &calls[0].link);
    assert_int_equal(jobs[0].begun, 0);
    /* But for what is sure, such as a release. */
    assert_int_equal(health__pool_remove(&pool, &calls[1], NULL), HEALTH__NOT_YET);
    queue_sure(1);
    assert_int_equal(calls[1].state, HEALTH__JOB_QUEUED);
    (void)health__pool_tend(&pool, 1000);
    count_wait(&jobs[1].ended, 1);
}

struct removal {
    bool ended;
    bool seen;
    int64_t deadline;
};

static void *watch(void *arg)
{
    struct removal *r = arg;

    r->seen = health__pool_watch(&pool, &calls[0], &r->ended, r->deadline);
    return NULL;
}

static void who_watches_sees_the_end(void **unused)
{
    struct removal r = {.deadline = HEALTH__NEVER};
    pthread_t thread;

    (void)unused;
    begin(0);
    assert_int_equal(health__pool_remove(&pool, &calls[0], &r.ended), calls[0].queued_at);
    assert_int_equal(__real_pthread_create(&thread, NULL, watch, &r), 0);
    job_let(&jobs[0]);
    assert_int_equal(__real_pthread_join(thread, NULL), 0);
    assert_true(r.seen);
    assert_true(r.ended);
    /* Others that end do not wake whoever watches this one. */
    r.ended = false;
    assert_false(health__pool_watch(&pool, &calls[0], &r.ended, 0));
}

/* The job of a removed check is queued once more, for its release: whoever watched has gone. */
static void who_has_seen_the_end_is_not_told_again(void **unused)
{
    struct removal r = {.deadline = HEALTH__NEVER};

    (void)unused;
    begin(0);
    (void)health__pool_remove(&pool, &calls[0], &r.ended);
    job_let(&jobs[0]);
    (void)watch(&r);
    assert_true(r.seen);
    collect();
    health__list_remove(&calls[0].link);
    r.ended = false;
    queue_sure(0);
    assert_true(health__pool_stop(&pool, HEALTH__NEVER));
    assert_int_equal(jobs[0].ended, 2);
    assert_false(r.ended);
}

static void who_watches_in_vain_is_not_told_later(void **unused)
{
    struct removal r = {.deadline = 1};

    (void)unused;
    begin(0);
    (void)health__pool_remove(&pool, &calls[0], &r.ended);
    assert_ptr_equal(calls[0].watch, &r.ended);
    (void)watch(&r);
    assert_false(r.seen);
    assert_null(calls[0].watch);
    job_let(&jobs[0]);
    assert_true(health__pool_stop(&pool, HEALTH__NEVER));
    assert_false(r.ended);
    /* It had ended before anyone looked. */
    r.ended = true;
    assert_true(health__pool_watch(&pool, &calls[0], &r.ended, 1));
}

/* ---- Stopped ---- */

static void what_is_queued_is_cancelled_by_a_stop(void **unused)
{
    (void)unused;
    hand_over(&calls[1], 0);
    calls[0].task = &urgent_task;
    hand_over(&calls[0], 0);
    assert_true(health__pool_stop(&pool, 0));
    assert_int_equal(calls[0].state, HEALTH__JOB_CANCELLED);
    assert_int_equal(calls[1].state, HEALTH__JOB_CANCELLED);
    collect();
    assert_ptr_equal(done.next, &calls[0].link);
    assert_ptr_equal(done.prev, &calls[1].link);
    assert_int_equal(jobs[0].begun, 0);
    assert_false(pool.stopping);
}

static void a_stop_waits_for_callbacks(void **unused)
{
    (void)unused;
    begin(0);
    begin(1);
    hand_over(&calls[2], 0);
    assert_false(health__pool_stop(&pool, 0));
    assert_int_equal(calls[2].state, HEALTH__JOB_CANCELLED);
    assert_int_equal(pool.workers, 2);
    job_let(&jobs[0]);
    assert_false(health__pool_stop(&pool, health__now_ms()));
    job_let(&jobs[1]);
    assert_true(health__pool_stop(&pool, HEALTH__NEVER));
    assert_int_equal(pool.workers, 0);
    assert_int_equal(pool.idle, 0);
    assert_false(pool.has_last);
    collect();
    assert_int_equal(calls[0].state, HEALTH__JOB_ENDED);
    assert_int_equal(calls[1].state, HEALTH__JOB_ENDED);
}

static void a_worker_that_rests_ends(void **unused)
{
    (void)unused;
    job_let(&jobs[0]);
    begin(0);
    count_wait(&notified, 1);
    /* However little time there is: it is not in the host's code. */
    assert_true(health__pool_stop(&pool, 0));
    assert_int_equal(pool.workers, 0);
}

/* After a stop it may go on, and the first worker is started at once again. */
static void a_stopped_pool_goes_on(void **unused)
{
    (void)unused;
    job_let(&jobs[0]);
    begin(0);
    assert_true(health__pool_stop(&pool, HEALTH__NEVER));
    assert_int_equal(pool.begun_at, HEALTH__NOT_YET);
    hand_over(&calls[1], 50);
    (void)health__pool_tend(&pool, 50);
    count_wait(&jobs[1].begun, 1);
}

static void what_is_sure_survives_a_stop(void **unused)
{
    (void)unused;
    begin(0);
    queue_sure(1);
    hand_over(&calls[2], 0);
    queue_sure(3);
    assert_false(health__pool_stop(&pool, 0));
    /* The worker that is left does them, and not the other. */
    job_let(&jobs[0]);
    assert_true(health__pool_stop(&pool, HEALTH__NEVER));
    assert_int_equal(jobs[1].ended, 1);
    assert_int_equal(jobs[3].ended, 1);
    assert_int_equal(jobs[2].begun, 0);
    assert_int_equal(calls[1].state, HEALTH__JOB_ENDED);
    assert_int_equal(calls[2].state, HEALTH__JOB_CANCELLED);
    assert_int_equal(calls[3].state, HEALTH__JOB_ENDED);
}

/* Nobody else comes for it. */
static void whoever_rests_does_it_in_any_place(void **unused)
{
    (void)unused;
    begin(0);
    begin(1);
    calls[2].task = &urgent_task;
    job_let(&jobs[2]);
    begin(2);
    wait_until(rests, NULL);
    pool.limit = 2; /* so many have a place, and one that was overdue has come back */
    queue_sure(3);
    assert_false(health__pool_stop(&pool, 0));
    count_wait(&jobs[3].ended, 1);
}

/* One that nobody has begun yet may take as long as any. */
static void a_stop_waits_for_what_is_sure_no_longer_than_it_may(void **unused)
{
    (void)unused;
    pool.workers = 1; /* nobody is there: it will not come */
    queue_sure(0);
    assert_false(health__pool_stop(&pool, 0));
    assert_int_equal(calls[0].state, HEALTH__JOB_QUEUED);
    pool.workers = 0;
    assert_true(health__pool_stop(&pool, 0));
    assert_int_equal(calls[0].state, HEALTH__JOB_CANCELLED);
}

static void what_is_sure_and_has_no_worker_is_given_back(void **unused)
{
    (void)unused;
    create_error = EAGAIN;
    queue_sure(0);
    (void)health__pool_tend(&pool, 0);
    assert_true(health__pool_stop(&pool, 0));
    collect();
    assert_ptr_equal(done.next, &calls[0].link);
    assert_int_equal(calls[0].state, HEALTH__JOB_CANCELLED);
    assert_int_equal(jobs[0].begun, 0);
}

/* ---- Left to the last worker ---- */

static void the_last_worker_takes_leave_of_an_abandoned_pool(void **unused)
{
    (void)unused;
    begin(0);
    begin(1);
    assert_false(health__pool_stop(&pool, 0));
    assert_true(health__pool_abandon(&pool));
    job_let(&jobs[1]);
    count_wait(&jobs[1].ended, 1);
    assert_int_equal(count_of(&abandoned), 0);
    job_let(&jobs[0]);
    count_wait(&abandoned, 1);
    assert_true(abandoned_by_worker);
    collect();
    assert_int_equal(calls[0].state, HEALTH__JOB_ENDED);
    assert_int_equal(calls[1].state, HEALTH__JOB_ENDED);
    assert_int_equal(pool.workers, 0);
}

static void it_does_what_is_sure_first(void **unused)
{
    (void)unused;
    begin(0);
    queue_sure(1);
    assert_false(health__pool_stop(&pool, 0));
    assert_true(health__pool_abandon(&pool));
    job_let(&jobs[0]);
    count_wait(&abandoned, 1);
    assert_int_equal(count_of(&jobs[1].ended), 1);
}

static void without_a_worker_there_is_nobody_to_leave_it_to(void **unused)
{
    (void)unused;
    assert_true(health__pool_stop(&pool, 0));
    assert_false(health__pool_abandon(&pool));
    assert_false(pool.abandoned);
}

/* ---- Forgotten ---- */

/* As in the child of a fork: the locks are held by nobody who is there, the workers are not. */
static void a_forgotten_pool_begins_anew(void **unused)
{
    bool begun_late = true;

    (void)unused;
    hand_over(&calls[1], 0);
    calls[2].task = &urgent_task;
    hand_over(&calls[2], 0);
    (void)pthread_mutex_lock(&pool.mutex);
    pool.workers = 3;
    pool.plain = LIMIT;
    pool.idle = pool.calling = 1;
    pool.overdue = 2;
    pool.has_last = pool.stopping = pool.begun_late = true;
    pool.begun_at = 5;
    health__pool_forget(&pool);
    calls[1].link = calls[2].link = (struct health__link){NULL, NULL};

    assert_int_equal(pool.workers, 0);
    assert_int_equal(health__pool_collect(&pool, &done, &begun_late), 0);
    assert_false(begun_late);
    assert_true(health__list_empty(&done));
    hand_over(&calls[0], 1);
    (void)health__pool_tend(&pool, 1);
    count_wait(&jobs[0].begun, 1);
    job_let(&jobs[0]);
    assert_true(health__pool_stop(&pool, HEALTH__NEVER));
    collect();
    assert_ptr_equal(done.next, &calls[0].link);
    assert_int_equal(jobs[1].begun + jobs[2].begun, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pool, close_pool)
    const struct CMUnitTest tests[] = {
        TEST(of_what_does_not_run_there_is_nothing_to_wait_for),
        TEST(a_removed_job_is_not_begun),
        TEST(who_watches_sees_the_end),
        TEST(who_has_seen_the_end_is_not_told_again),
        TEST(who_watches_in_vain_is_not_told_later),
        TEST(what_is_queued_is_cancelled_by_a_stop),
        TEST(a_stop_waits_for_callbacks),
        TEST(a_worker_that_rests_ends),
        TEST(a_stopped_pool_goes_on),
        TEST(what_is_sure_survives_a_stop),
        TEST(whoever_rests_does_it_in_any_place),
        TEST(a_stop_waits_for_what_is_sure_no_longer_than_it_may),
        TEST(what_is_sure_and_has_no_worker_is_given_back),
        TEST(the_last_worker_takes_leave_of_an_abandoned_pool),
        TEST(it_does_what_is_sure_first),
        TEST(without_a_worker_there_is_nobody_to_leave_it_to),
        TEST(a_forgotten_pool_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
