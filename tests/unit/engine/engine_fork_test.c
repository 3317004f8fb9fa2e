/*
 * fork(), with an engine in every state of its life: in the child it is stopped, with its checks
 * kept, and may be started; in the parent nothing has happened.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: health__check_free */
#include "engine/engine.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/thread.h"
#include "engine_alive.h"
#include "process.h"

void __real_health__check_free(struct health__check *check);
void __wrap_health__check_free(struct health__check *check);

#define PATIENCE_S 40

static int descriptors; /* that a child has of others */

static atomic_int checks_freed; /* in this process, and before it in its parent */

void __wrap_health__check_free(struct health__check *check)
{
    atomic_fetch_add(&checks_freed, 1);
    __real_health__check_free(check);
}

/* Before there is an engine: a tool that watches may have some of its own in a child. */
static int count_in_child(void)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0)
        _exit(process_descriptors(0));
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int open_one(void **state)
{
    /* AddressSanitizer takes no care of a fork() while another thread is born or dies: it locks up
     * in the child.  So there is one worker, and it is there by then. */
    workers = 1;
    descriptors = count_in_child();
    return open_engine(state);
}

/* ---- In the child ---- */

/* Ends the child, unless it is so. */
#define child_expects(condition)                                                                   \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: in the child: %s\n", __FILE__, __LINE__, #condition);    \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* Forks a child that does this and ends. */
static void in_child(void (*does)(void))
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        (void)alarm(PATIENCE_S);
        jobs_forget();
        does();
        /* What threads had that are not here is lost, and is no leak for a tool to report. */
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, SIGKILL);
}

/* It is stopped here, nothing of it is open, and it says what one that is stopped does. */
static void is_stopped(void)
{
    child_expects(!health__engine_is_started(e));
    child_expects(process_descriptors(0) == descriptors);
    child_expects(e->poller.fd == -1 && e->wake_send.fd == -1 && e->wake_receive.fd == -1);
    child_expects(health__engine_stop(e, 0) == HEALTH_ESTOPPED);
}

/* It is started and stopped, more than once, and freed with its check. */
static void starts_again(void)
{
    int round, ended = count_of(&a.ended), starts = server.starts, stops = server.stops;

    is_stopped();
    server.drains_empty = 0;
    job_let(&a);
    for (round = 1; round <= 3; round++) {
        child_expects(health__engine_start(e, NULL) == 0);
        count_wait(&a.ended, ended + round);
        child_expects(health__engine_stop(e, 20000) == 0);
        child_expects(server.starts == starts + round && server.stops == stops + round);
    }
    child_expects(health__engine_free(e, be_gone, &gone) == 0);
    child_expects(gone == 1 && a.released == 1);
}

static void forgets_and_starts_again(void)
{
    child_expects(server.forgets == 1);
    starts_again();
}

static void forgets_nothing_and_starts_again(void)
{
    child_expects(server.forgets == 0);
    starts_again();
}

static void forgets_once_in_each_generation(void)
{
    int ended;

    child_expects(server.forgets == 1);
    in_child(forgets_and_starts_again);
    ended = count_of(&a.ended);
    child_expects(health__engine_start(e, NULL) == 0);
    count_wait(&a.ended, ended + 1);
    server.forgets = 0;
    in_child(forgets_and_starts_again);
    child_expects(health__engine_stop(e, 20000) == 0);
    starts_again();
}

static void frees(void)
{
    is_stopped();
    child_expects(health__engine_free(e, be_gone, &gone) == 0);
    child_expects(gone == 1 && a.released == 1);
}

/* ---- In the parent ---- */

/* It runs as if nothing had been. */
static void goes_on(void)
{
    int ended = count_of(&a.ended);

    assert_int_equal(server.forgets, 0);
    count_wait(&a.ended, ended + 2);
    assert_refused(health__engine_start(e, NULL), HEALTH_EALREADY, 0, NULL);
    assert_accepted(health__engine_stop(e, 20000));
    assert_int_equal(server.stops, 1);
}

static void one_that_was_never_started(void **unused)
{
    (void)unused;
    add("a", &a, 1, 0);
    in_child(forgets_nothing_and_starts_again);
    in_child(frees);
    assert_int_equal(a.released, 0);
}

static void one_whose_gate_is_being_set(void **unused)
{
    (void)unused;
    add("a", &a, 20, 0);
    /* By a thread that the child has not. */
    atomic_store(&e->wakers, 1);
    in_child(forgets_nothing_and_starts_again);
    atomic_store(&e->wakers, 0);
}

static void is_not_draining(void)
{
    child_expects(atomic_load(&gates.bits) == 0);
}

static void one_that_is_draining(void **unused)
{
    (void)unused;
    start();
    health__engine_set_gate(e, HEALTH__DRAINING, true);
    /* As after a stop. */
    in_child(is_not_draining);
    assert_int_equal(atomic_load(&gates.bits), HEALTH__DRAINING);
    assert_accepted(health__engine_stop(e, 20000));
}

static void one_that_is_started(void **unused)
{
    int round;

    (void)unused;
    job_let(&a);
    add("a", &a, 1, 0);
    start();
    count_wait(&a.ended, 1);
    /* At any moment of its turns and runs. */
    for (round = 0; round < (process_is_slow() ? 6 : 30); round++)
        in_child(round % 2 == 0 ? forgets_and_starts_again : frees);
    goes_on();
}

static void one_in_a_callback(void **unused)
{
    (void)unused;
    add("a", &a, 1, 0);
    start();
    count_wait(&a.begun, 1);
    in_child(forgets_and_starts_again);
    in_child(frees);
    job_let(&a);
    goes_on();
}

static void the_child_of_a_child(void **unused)
{
    (void)unused;
    job_let(&a);
    add("a", &a, 1, 0);
    start();
    count_wait(&a.ended, 1);
    in_child(forgets_once_in_each_generation);
    goes_on();
}

static void one_that_is_stopped(void **unused)
{
    (void)unused;
    job_let(&a);
    add("a", &a, 1, 0);
    start();
    count_wait(&a.ended, 1);
    assert_accepted(health__engine_stop(e, 20000));
    in_child(forgets_nothing_and_starts_again);
    start();
    count_wait(&a.ended, 2);
}

/* Its loop is gone, and with it what the server had. */
static void one_that_is_stuck(void **unused)
{
    (void)unused;
    add("a", &a, 1, 0);
    start();
    count_wait(&a.begun, 1);
    assert_refused(health__engine_stop(e, 0), HEALTH_EBUSY, EBUSY, NULL);
    in_child(forgets_nothing_and_starts_again);
    job_let(&a);
    assert_accepted(health__engine_stop(e, 20000));
}

static void *stop_long(void *arg)
{
    *(int *)arg = health__engine_stop(e, 20000);
    return NULL;
}

/* Someone waits for the loop to end: not in the child, where he must be in nobody's way. */
static void one_that_is_being_stopped(void **unused)
{
    pthread_t thread;
    int result = 1;

    (void)unused;
    job_let(&a);
    add("a", &a, 1, 0);
    server.drains_empty = 1000000000;
    start();
    count_wait(&a.ended, 1);
    assert_int_equal(pthread_create(&thread, NULL, stop_long, &result), 0);
    count_wait(&server.drains, 1);
    in_child(forgets_and_starts_again);
    (void)pthread_mutex_lock(&e->turn);
    server.drains_empty = 0;
    (void)pthread_mutex_unlock(&e->turn);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(result, 0);
}

/* ---- Removed checks ---- */

static void has_released_a(void)
{
    job_let(&a);
    is_stopped();
    child_expects(health__engine_start(e, NULL) == 0);
    count_wait(&a.released, 1);
    child_expects(health__engine_stop(e, 20000) == 0);
    child_expects(health__engine_free(e, be_gone, &gone) == 0);
    child_expects(a.released == 1);
}

/* The run ends in the parent alone: each has its own release to do. */
static void a_removed_check_is_released_on_both_sides(void **unused)
{
    (void)unused;
    add("a", &a, 1, 0);
    start();
    count_wait(&a.begun, 1);
    assert_int_equal(health__engine_remove(e, "a"), HEALTH_EBUSY);
    in_child(has_released_a);
    in_child(frees);
    assert_int_equal(a.released, 0);
    job_let(&a);
    count_wait(&a.released, 1);
    in_child(frees);
    assert_accepted(health__engine_stop(e, 20000));
    assert_int_equal(a.released, 1);
}

static void does_not_release_a(void)
{
    int freed_before = atomic_load(&checks_freed);

    is_stopped();
    child_expects(health__engine_start(e, NULL) == 0);
    child_expects(health__engine_stop(e, 20000) == 0);
    child_expects(health__engine_free(e, be_gone, &gone) == 0);
    child_expects(a.released == 0 && a.releasing == 1);
    /* Its memory is of this process as well. */
    child_expects(atomic_load(&checks_freed) == freed_before + 1);
}

static void a_release_that_was_begun_is_the_parents(void **unused)
{
    (void)unused;
    a.hold_release = true;
    add("a", &a, 0, 0);
    start();
    assert_accepted(health__engine_remove(e, "a"));
    count_wait(&a.releasing, 1);
    in_child(does_not_release_a);
    job_let(&a);
    count_wait(&a.released, 1);
}

static void is_nobodys(void)
{
    child_expects(!health__thread_is_ours());
}

static void *fork_on_our_own(void *arg)
{
    int *is_ours = arg;

    in_child(is_nobodys);
    *is_ours = health__thread_is_ours();
    return NULL;
}

static void on_a_thread_of_ours(void **unused)
{
    int is_ours = 0;
    const struct health__thread forks = {"forks", fork_on_our_own, &is_ours};
    pthread_t thread;

    (void)unused;
    add("a", &a, 0, 0);
    assert_int_equal(health__thread_start(&thread, &forks, 0), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(is_ours);
}

int main(void)
{
#ifdef __SANITIZE_THREAD__
    /* "dup thread with used id": it knows of no threads that the child of a fork() starts. */
    (void)fprintf(
        stderr, "not tested: ThreadSanitizer takes no threads in the child of a fork()\n");
    return 77;
#endif
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_engine)
    const struct CMUnitTest tests[] = {
        TEST(one_that_was_never_started),
        TEST(one_whose_gate_is_being_set),
        TEST(one_that_is_draining),
        TEST(one_that_is_started),
        TEST(one_in_a_callback),
        TEST(on_a_thread_of_ours),
        TEST(the_child_of_a_child),
        TEST(one_that_is_stopped),
        TEST(one_that_is_stuck),
        TEST(one_that_is_being_stopped),
        TEST(a_removed_check_is_released_on_both_sides),
        TEST(a_release_that_was_begun_is_the_parents),
    };

    jobs_first_thread();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
