/*
 * Threads: what they block, what they are called, what they know of themselves, and how little a
 * creator notices when there is none to be had.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: pthread_create pthread_attr_init pthread_condattr_init */
#include "base/thread.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "process.h"

int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg);
int __real_pthread_attr_init(pthread_attr_t *attributes);
int __wrap_pthread_attr_init(pthread_attr_t *attributes);
int __real_pthread_condattr_init(pthread_condattr_t *attributes);
int __wrap_pthread_condattr_init(pthread_condattr_t *attributes);

/* What fails, and how; and what pthread_create() was asked. */
static int create_error, attr_error, condattr_error;
static bool small_is_refused;
static int creates;
static size_t asked_stack_bytes; /* 0: the default */

int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg)
{
    creates++;
    asked_stack_bytes = 0;
    if (attributes != NULL)
        (void)pthread_attr_getstacksize(attributes, &asked_stack_bytes);
    if (create_error != 0)
        return create_error;
    if (attributes != NULL && small_is_refused)
        return EINVAL;
    return __real_pthread_create(thread, attributes, main, arg);
}

int __wrap_pthread_attr_init(pthread_attr_t *attributes)
{
    return attr_error != 0 ? attr_error : __real_pthread_attr_init(attributes);
}

int __wrap_pthread_condattr_init(pthread_condattr_t *attributes)
{
    return condattr_error != 0 ? condattr_error : __real_pthread_condattr_init(attributes);
}

/* What a thread sees of itself. */
struct seen {
    sigset_t mask;
    char name[16];
    bool ours;
};

static void *look(void *arg)
{
    struct seen *seen = arg;

    (void)pthread_sigmask(SIG_BLOCK, NULL, &seen->mask);
    (void)pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    seen->ours = health__thread_is_ours();
    return arg;
}

/* Starts a thread that looks at itself, and waits for it. */
static struct seen look_from(const char *name, size_t stack_bytes)
{
    struct seen seen;
    const struct health__thread what = {name, look, &seen};
    pthread_t thread;
    void *returned = NULL;

    memset(&seen, 0, sizeof(seen));
    creates = 0;
    assert_int_equal(health__thread_start(&thread, &what, stack_bytes), 0);
    assert_int_equal(pthread_join(thread, &returned), 0);
    assert_ptr_equal(returned, &seen);
    assert_true(seen.ours);
    return seen;
}

static void check_mask(const sigset_t *mask)
{
    static const int open[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    int signal;

    for (signal = 1; signal < NSIG; signal++) {
        bool blocked = true;
        size_t i;

        /* 32 and 33 are the libc's; those two nobody can block. */
        if ((signal >= 32 && signal < SIGRTMIN) || signal == SIGKILL || signal == SIGSTOP)
            continue;
        for (i = 0; i < sizeof(open) / sizeof(open[0]); i++)
            if (signal == open[i])
                blocked = false;
        if (sigismember(mask, signal) != blocked)
            fail_msg("signal %d is %sblocked", signal, blocked ? "not " : "");
    }
}

static void it_blocks_all_but_the_synchronous_signals(void **unused)
{
    sigset_t host, before, after;
    struct seen seen;

    (void)unused;
    /* Whatever the host blocks, and it gets its own mask back. */
    (void)sigemptyset(&host);
    (void)sigaddset(&host, SIGUSR1);
    (void)sigaddset(&host, SIGFPE);
    (void)pthread_sigmask(SIG_SETMASK, &host, &before);
    seen = look_from("x", 0);
    (void)pthread_sigmask(SIG_SETMASK, &before, &after);
    check_mask(&seen.mask);
    assert_int_equal(sigismember(&after, SIGUSR1), 1);
    assert_int_equal(sigismember(&after, SIGFPE), 1);
    assert_int_equal(sigismember(&after, SIGTERM), 0);
}

static void it_has_its_name(void **unused)
{
    (void)unused;
    assert_string_equal(look_from("health", 0).name, "health");
    assert_string_equal(look_from("fifteen-bytes-1", 0).name, "fifteen-bytes-1");
}

static void *look_as_a_host(void *arg)
{
    *(bool *)arg = health__thread_is_ours();
    return NULL;
}

static void only_ours_are_ours(void **unused)
{
    bool ours = true;
    pthread_t thread;

    (void)unused;
    assert_false(health__thread_is_ours());
    (void)look_from("x", 0);
    assert_false(health__thread_is_ours());
    assert_int_equal(__real_pthread_create(&thread, NULL, look_as_a_host, &ours), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(ours);
}

static void the_stack_is_as_wished(void **unused)
{
    (void)unused;
    (void)look_from("x", 256 << 10);
    assert_int_equal(creates, 1);
    /* And what the host's thread-local data takes, of which this program has little, but
     * ThreadSanitizer much. */
    assert_true(asked_stack_bytes > 256 << 10);
    if (!PROCESS_THREAD_SANITIZED)
        assert_true(asked_stack_bytes <= (256 << 10) + (64 << 10));
    assert_int_equal(asked_stack_bytes % 4096, 0);
    (void)look_from("x", 0);
    assert_int_equal(creates, 1);
    assert_int_equal(asked_stack_bytes, 0);
}

/* How many heaps glibc's malloc has. */
static int heaps(void)
{
    char *info = NULL, *heap;
    size_t length;
    FILE *stream = open_memstream(&info, &length);
    int count = 0;

    assert_non_null(stream);
    assert_int_equal(malloc_info(0, stream), 0);
    assert_int_equal(fclose(stream), 0);
    for (heap = info; (heap = strstr(heap, "<heap ")) != NULL; heap++)
        count++;
    free(info);
    return count;
}

static void it_has_no_heap_before_it_needs_one(void **unused)
{
    int before;

    (void)unused;
    before = heaps();
    (void)look_from("x", 0);
    (void)look_from("x", 256 << 10);
    assert_int_equal(heaps(), before);
}

static void a_stack_that_is_too_small_becomes_the_default(void **unused)
{
    (void)unused;
    /* As glibc does where the host's thread-local data is larger. */
    small_is_refused = true;
    (void)look_from("x", 256 << 10);
    small_is_refused = false;
    assert_int_equal(creates, 2);
    assert_int_equal(asked_stack_bytes, 0);

    /* Less than any libc gives; with ThreadSanitizer's data it is not. */
    if (PROCESS_THREAD_SANITIZED)
        return;
    (void)look_from("x", 1);
    assert_int_equal(creates, 1);
    assert_int_equal(asked_stack_bytes, 0);
}

static void without_a_thread_nothing_has_changed(void **unused)
{
    static const size_t stacks[] = {0, 256 << 10};
    sigset_t before, after;
    struct seen seen;
    const struct health__thread what = {"x", look, &seen};
    pthread_t thread;
    size_t i;
    int signal;

    (void)unused;
    (void)pthread_sigmask(SIG_BLOCK, NULL, &before);
    for (i = 0; i < 2; i++) {
        create_error = EAGAIN;
        assert_int_equal(health__thread_start(&thread, &what, stacks[i]), EAGAIN);
        create_error = EINVAL;
        assert_int_equal(health__thread_start(&thread, &what, stacks[i]), EINVAL);
        create_error = 0;
    }
    attr_error = ENOMEM;
    assert_int_equal(health__thread_start(&thread, &what, stacks[1]), ENOMEM);
    attr_error = 0;
    (void)pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (signal = 1; signal < NSIG; signal++)
        assert_int_equal(sigismember(&before, signal), sigismember(&after, signal));
}

static void a_hosts_stack_is_the_default_but_not_below_1_mib(void **unused)
{
    pthread_attr_t before, attributes;
    size_t host = 0;

    (void)unused;
    assert_int_equal(pthread_getattr_default_np(&before), 0);
    assert_int_equal(__real_pthread_attr_init(&attributes), 0);

    (void)pthread_attr_setstacksize(&attributes, 4 << 20);
    assert_int_equal(pthread_setattr_default_np(&attributes), 0);
    host = health__thread_host_stack_bytes();
    (void)pthread_attr_setstacksize(&attributes, 64 << 10);
    assert_int_equal(pthread_setattr_default_np(&attributes), 0);
    assert_int_equal(health__thread_host_stack_bytes(), 1 << 20);
    assert_int_equal(pthread_setattr_default_np(&before), 0);
    assert_int_equal(host, 4 << 20);

    attr_error = ENOMEM;
    assert_int_equal(health__thread_host_stack_bytes(), 1 << 20);
    attr_error = 0;
    (void)pthread_attr_destroy(&attributes);
    (void)pthread_attr_destroy(&before);
}

/* A condition between two threads. */
struct meeting {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool here;
};

static void *arrive(void *arg)
{
    struct meeting *meeting = arg;

    (void)pthread_mutex_lock(&meeting->mutex);
    meeting->here = true;
    (void)pthread_cond_signal(&meeting->cond);
    (void)pthread_mutex_unlock(&meeting->mutex);
    return NULL;
}

static void a_condition_is_waited_for_until_the_deadline(void **unused)
{
    struct meeting meeting = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    static const int64_t past[] = {HEALTH__NOT_YET, -1, 0, 1};
    int64_t deadline;
    size_t i;

    (void)unused;
    assert_int_equal(health__cond_init(&meeting.cond), 0);
    (void)pthread_mutex_lock(&meeting.mutex);
    for (i = 0; i < sizeof(past) / sizeof(past[0]); i++)
        assert_false(health__cond_wait(&meeting.cond, &meeting.mutex, past[i]));

    /* On our clock: on any other, this moment would be long past. */
    deadline = health__now_ms() + 2;
    while (health__cond_wait(&meeting.cond, &meeting.mutex, deadline))
        continue;
    assert_true(health__now_ms() >= deadline);
    (void)pthread_mutex_unlock(&meeting.mutex);
    (void)pthread_cond_destroy(&meeting.cond);
}

static void who_waits_is_woken(void **unused)
{
    int64_t deadlines[2];
    size_t i;

    (void)unused;
    deadlines[0] = HEALTH__NEVER;
    deadlines[1] = health__now_ms() + 60000;
    for (i = 0; i < 2; i++) {
        struct meeting meeting = {.mutex = PTHREAD_MUTEX_INITIALIZER};
        pthread_t thread;

        assert_int_equal(health__cond_init(&meeting.cond), 0);
        (void)pthread_mutex_lock(&meeting.mutex);
        assert_int_equal(__real_pthread_create(&thread, NULL, arrive, &meeting), 0);
        while (!meeting.here)
            assert_true(health__cond_wait(&meeting.cond, &meeting.mutex, deadlines[i]));
        (void)pthread_mutex_unlock(&meeting.mutex);
        assert_int_equal(pthread_join(thread, NULL), 0);
        (void)pthread_cond_destroy(&meeting.cond);
    }
}

static void a_condition_that_cannot_be_made_is_told(void **unused)
{
    pthread_cond_t cond;

    (void)unused;
    condattr_error = ENOMEM;
    assert_int_equal(health__cond_init(&cond), ENOMEM);
    condattr_error = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_blocks_all_but_the_synchronous_signals),
        cmocka_unit_test(it_has_its_name),
        cmocka_unit_test(only_ours_are_ours),
        cmocka_unit_test(it_has_no_heap_before_it_needs_one),
        cmocka_unit_test(the_stack_is_as_wished),
        cmocka_unit_test(a_stack_that_is_too_small_becomes_the_default),
        cmocka_unit_test(without_a_thread_nothing_has_changed),
        cmocka_unit_test(a_hosts_stack_is_the_default_but_not_below_1_mib),
        cmocka_unit_test(a_condition_is_waited_for_until_the_deadline),
        cmocka_unit_test(who_waits_is_woken),
        cmocka_unit_test(a_condition_that_cannot_be_made_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
