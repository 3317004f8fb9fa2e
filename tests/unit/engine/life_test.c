/*
 * The life of an engine: started and stopped, and not by its own threads.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: pthread_mutex_destroy */
#include "engine/life.h"

#include <sys/socket.h>

#include "engine/loop.h"
#include "engine/runs.h"
#include "engine_alive.h"
#include "mutexes_destroyed.h"

/* ---- Start and stop ---- */

static void what_is_started_is_stopped(void **unused)
{
    int round;

    (void)unused;
    for (round = 1; round <= 3; round++) {
        assert_false(health__engine_is_started(e));
        assert_refused(health__engine_stop(e, 0), HEALTH_ESTOPPED, 0, "not started");
        assert_accepted(health__engine_start(e, "somewhere"));
        assert_true(health__engine_is_started(e));
        assert_string_equal(server.listen, "somewhere");
        assert_ptr_equal(server.poller, &e->poller);
        assert_refused(health__engine_start(e, NULL), HEALTH_EALREADY, 0, "already");
        count_wait(&server.runs, 1);
        assert_accepted(health__engine_stop(e, 1000));
        assert_int_equal(server.starts, round);
        assert_int_equal(server.drains, round);
        assert_int_equal(server.stops, round);
        assert_int_equal(server.forgets, 0);
    }
}

static void a_server_that_does_not_start_is_the_engines_error(void **unused)
{
    (void)unused;
    server.start_error = HEALTH_ELISTEN;
    assert_refused(health__engine_start(e, NULL), HEALTH_ELISTEN, EDOM, "does not start");
    assert_false(health__engine_is_started(e));
    assert_int_equal(server.stops, 0);
    assert_int_equal(e->poller.fd, -1);
    server.start_error = 0;
    start();
}

static void a_stop_waits_for_answers_only_so_long(void **unused)
{
    (void)unused;
    server.drains_empty = 1000000000;
    start();
    assert_accepted(health__engine_stop(e, 20));
    assert_true(server.drains >= 1);
    assert_int_equal(server.stops, 1);
}

static void a_stop_takes_back_draining_and_nothing_else(void **unused)
{
    (void)unused;
    health__gates_set(&gates, 15, true);
    start();
    assert_int_equal(atomic_load(&gates.bits), 15);
    assert_accepted(health__engine_stop(e, 1000));
    assert_int_equal(atomic_load(&gates.bits), 15 & ~(unsigned)HEALTH__DRAINING);
}

static void periodic_checks_run_while_it_is_started(void **unused)
{
    (void)unused;
    job_let(&a);
    job_let(&b);
    add("a", &a, 1, 0);
    start();
    count_wait(&a.ended, 3);
    assert_accepted(health__engine_stop(e, 20000));
    assert_int_equal(a.released, 0);
    a.begun = a.ended = 0;
    start();
    count_wait(&a.ended, 3);
    /* One more while it is started. */
    add("b", &b, 1, 0);
    count_wait(&b.ended, 2);
    assert_accepted(health__engine_stop(e, 20000));
    assert_int_equal(a.begun, a.ended);
}

/* However long ago a heartbeat was added, it has its time to beat from the start on. */
static void what_is_started_is_as_young_as_the_start(void **unused)
{
    struct health_heartbeat *heartbeat;
    int64_t before, heard_at;

    (void)unused;
    assert_int_equal(health__engine_add_heartbeat(e, "b", 60000, 0, &heartbeat), 0);
    before = health__now_ms();
    start();
    (void)pthread_mutex_lock(&e->turn);
    heard_at = HEALTH__LISTED(e->checks.next)->state.heard_at;
    (void)pthread_mutex_unlock(&e->turn);
    assert_true(heard_at >= before);
}

/* Else it would not sleep any more, or not be woken. */
static void what_wakes_the_loop_is_received(void **unused)
{
    bool sent, received, again;
    char byte;

    (void)unused;
    start();
    /* In the loop's place. */
    (void)pthread_mutex_lock(&e->turn);
    health__loop_wake(e);
    sent = recv(e->wake_receive.fd, &byte, 1, MSG_PEEK) == 1;
    e->wake.ready(&e->wake, HEALTH__READABLE);
    received = recv(e->wake_receive.fd, &byte, 1, MSG_PEEK) == -1;
    health__loop_wake(e);
    again = recv(e->wake_receive.fd, &byte, 1, MSG_PEEK) == 1;
    (void)pthread_mutex_unlock(&e->turn);
    assert_true(sent);
    assert_true(received);
    assert_true(again);
}

/* ---- From threads of ours ---- */

static int stop_result, free_result; /* in a callback */

static enum health_status stop_and_free(struct health_result *result, void *arg)
{
    (void)result;
    stop_result = health__engine_stop(e, 0);
    free_result = health__engine_free(e, be_gone, &gone);
    count_up(arg);
    return HEALTH_PASS;
}

static void a_callback_cannot_stop_or_free(void **unused)
{
    static int calls;
    struct health_check check = {.size = sizeof(check),
        .name = "c",
        .fn = stop_and_free,
        .arg = &calls,
        .interval_ms = 60000};

    (void)unused;
    assert_int_equal(health__engine_add(e, &check), 0);
    start();
    count_wait(&calls, 1);
    assert_int_equal(stop_result, HEALTH_EDEADLK);
    assert_int_equal(free_result, HEALTH_EDEADLK);
    assert_true(health__engine_is_started(e));
    assert_int_equal(gone, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_engine, close_engine)
    const struct CMUnitTest tests[] = {
        TEST(what_is_started_is_stopped),
        TEST(a_server_that_does_not_start_is_the_engines_error),
        TEST(a_stop_waits_for_answers_only_so_long),
        TEST(a_stop_takes_back_draining_and_nothing_else),
        TEST(periodic_checks_run_while_it_is_started),
        TEST(what_is_started_is_as_young_as_the_start),
        TEST(what_wakes_the_loop_is_received),
        TEST(a_callback_cannot_stop_or_free),
    };

    jobs_first_thread();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
