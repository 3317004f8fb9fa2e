/*
 * Errands: done on the loop while their thread waits, refused where none runs, or done by the
 * thread itself.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: health__cond_wait pthread_mutex_destroy */
#include "engine/engine.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "engine/loop.h"
#include "engine/runs.h"
#include "engine_alive.h"
#include "mutexes_destroyed.h"

bool __real_health__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms);
bool __wrap_health__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms);

static int64_t asleep_until; /* by the last wait for an errand; under the mutex */

bool __wrap_health__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms)
{
    if (cond == &e->ended)
        asleep_until = deadline_ms;
    return __real_health__cond_wait(cond, mutex, deadline_ms);
}

/* An errand, and what became of it. */
struct trip {
    struct health__errand errand;
    int runs;
    bool was_ours; /* the thread that ran it */
    bool later;    /* it is not done at once */
    bool stopped_too;
    int result; /* of health__engine_do() */
};

static struct trip *trip_of(struct health__errand *errand)
{
    return health__container(errand, struct trip, errand);
}

static bool travel(struct health__errand *errand)
{
    struct trip *trip = trip_of(errand);

    trip->was_ours = health__thread_is_ours();
    count_up(&trip->runs);
    return !trip->later;
}

static void trip_init(struct trip *trip)
{
    *trip = (struct trip){.errand = {.run = travel}, .result = 1};
}

static int go(struct trip *trip)
{
    trip->result = health__engine_do(e, &trip->errand, trip->stopped_too);
    return trip->result;
}

static void *go_alone(void *arg)
{
    (void)go(arg);
    return NULL;
}

/* ---- Where a loop runs ---- */

static void the_loop_runs_it(void **unused)
{
    struct trip trip;
    int i;

    (void)unused;
    start();
    for (i = 1; i <= 3; i++) {
        trip_init(&trip);
        trip.stopped_too = i == 2;
        assert_accepted(go(&trip));
        assert_int_equal(trip.runs, 1);
        assert_true(trip.was_ours);
        assert_true(trip.errand.done);
        assert_false(trip.errand.refused);
    }
}

static struct trip *finished_by_another; /* on the loop */

static bool finish_it(struct health__errand *errand)
{
    health__errand_done(e, &finished_by_another->errand);
    return travel(errand);
}

static void one_that_takes_long_is_waited_for(void **unused)
{
    struct trip slow, other;
    pthread_t thread;

    (void)unused;
    start();
    trip_init(&slow);
    slow.later = true;
    assert_int_equal(pthread_create(&thread, NULL, go_alone, &slow), 0);
    count_wait(&slow.runs, 1);
    /* Others are not kept by it. */
    trip_init(&other);
    assert_accepted(go(&other));
    assert_false(slow.errand.done);
    trip_init(&other);
    other.errand.run = finish_it;
    finished_by_another = &slow;
    assert_accepted(go(&other));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(slow.result, 0);
    assert_int_equal(slow.runs, 1);
}

/* ---- Where none does ---- */

static void without_a_loop_it_is_refused_or_done_here(void **unused)
{
    struct trip trip;
    int round;

    (void)unused;
    /* Never started; and stopped. */
    for (round = 0; round < 2; round++) {
        trip_init(&trip);
        assert_refused(go(&trip), HEALTH_ESTOPPED, EINVAL, "not started");
        assert_int_equal(trip.runs, 0);
        trip.stopped_too = true;
        e->now = 0;
        assert_accepted(go(&trip));
        assert_int_equal(trip.runs, 1);
        assert_false(trip.was_ours);
        /* It may look at the time. */
        assert_true(e->now > 0);
        start();
        assert_accepted(health__engine_stop(e, 1000));
    }
}

static void nor_where_one_is_stuck(void **unused)
{
    struct trip trip;

    (void)unused;
    add("stuck", &a, 60000, 0);
    start();
    count_wait(&a.begun, 1);
    assert_refused(health__engine_stop(e, 0), HEALTH_EBUSY, EBUSY, "'stuck'");
    trip_init(&trip);
    assert_refused(go(&trip), HEALTH_ESTOPPED, EINVAL, NULL);
    trip.stopped_too = true;
    assert_accepted(go(&trip));
    assert_int_equal(trip.runs, 1);
}

/* ---- Where one ends meanwhile ---- */

/* The loop, played by the test, ends without having taken it. */
static void bring_and_end(struct trip *trip)
{
    int64_t begun_at = health__now_ms(), until;
    pthread_t thread;

    e->life = HEALTH__STARTED;
    e->loop_ended = false;
    assert_int_equal(pthread_create(&thread, NULL, go_alone, trip), 0);
    wait_until(has_errand, NULL);
    assert_true(atomic_load(&e->woken));
    (void)pthread_mutex_lock(&e->mutex);
    until = asleep_until;
    e->loop_ended = true;
    health__errands_refuse(e);
    (void)pthread_cond_broadcast(&e->ended);
    (void)pthread_mutex_unlock(&e->mutex);
    assert_int_equal(pthread_join(thread, NULL), 0);
    e->life = HEALTH__STOPPED;
    /* Nor was it waited for busily. */
    assert_true(until >= begun_at + HEALTH__REWAKE_MS);
}

static void a_loop_that_ends_refuses_what_it_has_not_taken(void **unused)
{
    struct trip trip;

    (void)unused;
    assert_int_equal(health__fd_pair(&e->wake_send, &e->wake_receive), 0);
    trip_init(&trip);
    bring_and_end(&trip);
    assert_int_equal(trip.result, HEALTH_ESTOPPED);
    assert_int_equal(trip.runs, 0);
    trip_init(&trip);
    trip.stopped_too = true;
    bring_and_end(&trip);
    assert_int_equal(trip.result, 0);
    assert_int_equal(trip.runs, 1);
    assert_false(trip.was_ours);
    assert_true(health__list_empty(&e->errands));
    health__fd_close(&e->wake_send);
    health__fd_close(&e->wake_receive);
}

/* The host has closed what would wake it: it might never hear of it. */
static void one_that_cannot_be_woken_is_not_asked(void **unused)
{
    struct trip trip;

    (void)unused;
    assert_int_equal(health__fd_pair(&e->wake_send, &e->wake_receive), 0);
    e->life = HEALTH__STARTED;
    (void)close(e->wake_receive.fd);
    trip_init(&trip);
    trip.stopped_too = true;
    assert_refused(go(&trip), HEALTH_ESTOPPED, EINVAL, NULL);
    assert_int_equal(trip.runs, 0);
    assert_true(health__list_empty(&e->errands));
    health__fd_close(&e->wake_send);
    e->wake_receive.fd = -1;
    e->life = HEALTH__STOPPED;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_engine, close_engine)
    const struct CMUnitTest tests[] = {
        TEST(the_loop_runs_it),
        TEST(one_that_takes_long_is_waited_for),
        TEST(without_a_loop_it_is_refused_or_done_here),
        TEST(nor_where_one_is_stuck),
        TEST(a_loop_that_ends_refuses_what_it_has_not_taken),
        TEST(one_that_cannot_be_woken_is_not_asked),
    };

    jobs_first_thread();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
