/*
 * fork(): which parts are told what, in which order, on which side, and that a thread which keeps
 * its lock most of the time lets a fork through.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: pthread_atfork pthread_mutex_lock */
#include "base/fork.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

int __real_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);

static int atfork_error, atforks;

int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    if (atfork_error != 0)
        return atfork_error;
    atforks++;
    return __real_pthread_atfork(prepare, parent, child);
}

static atomic_int locks;

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    atomic_fetch_add(&locks, 1);
    return __real_pthread_mutex_lock(mutex);
}

/* What the parts were told, one letter each: a part's name, and before it `<`, `=` or `>` for
 * prepare, parent and child. */
static char story[64];

static void tell(char what, char name)
{
    size_t length = strlen(story);

    story[length] = what;
    story[length + 1] = name;
    story[length + 2] = '\0';
}

struct part {
    struct health__fork_part fork;
    char name;
};

static char name_of(struct health__fork_part *fork)
{
    return ((struct part *)(void *)fork)->name;
}

static void prepare(struct health__fork_part *fork)
{
    tell('<', name_of(fork));
}

static void parent(struct health__fork_part *fork)
{
    tell('=', name_of(fork));
}

static void child(struct health__fork_part *fork)
{
    tell('>', name_of(fork));
}

#define PART(name)                                                                                 \
    {                                                                                              \
        {prepare, parent, child, {NULL, NULL}}, name                                               \
    }

/* Waits for a child, which has to end with 0. */
static void expect_success(pid_t pid)
{
    int status = -1;

    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Forks, and sees what was told: here, and in the child. */
static void fork_and_expect(const char *here, const char *there)
{
    pid_t pid;

    story[0] = '\0';
    pid = fork();
    if (pid == 0)
        _exit(strcmp(story, there) == 0 ? 0 : 1);
    expect_success(pid);
    assert_string_equal(story, here);
}

static void a_part_that_cannot_be_told_is_refused(void **unused)
{
    struct part a = PART('a');

    (void)unused;
    /* Not before it is needed. */
    assert_int_equal(atforks, 0);
    atfork_error = ENOMEM;
    assert_int_equal(health__fork_join(&a.fork), ENOMEM);
    atfork_error = 0;
    assert_false(health__list_linked(&a.fork.link));
    /* Leaving what was never joined is nothing. */
    health__fork_leave(&a.fork);
    fork_and_expect("", "");
}

static void every_part_is_told_in_order(void **unused)
{
    struct part a = PART('a'), b = PART('b'), c = PART('c');

    (void)unused;
    assert_int_equal(health__fork_join(&a.fork), 0);
    fork_and_expect("<a=a", "<a>a");
    assert_int_equal(health__fork_join(&b.fork), 0);
    assert_int_equal(health__fork_join(&c.fork), 0);
    fork_and_expect("<a<b<c=a=b=c", "<a<b<c>a>b>c");

    health__fork_leave(&b.fork);
    fork_and_expect("<a<c=a=c", "<a<c>a>c");
    health__fork_leave(&b.fork);
    assert_int_equal(health__fork_join(&b.fork), 0);
    fork_and_expect("<a<c<b=a=c=b", "<a<c<b>a>c>b");

    health__fork_leave(&a.fork);
    health__fork_leave(&b.fork);
    health__fork_leave(&c.fork);
    fork_and_expect("", "");
    /* Handlers cannot be taken back, so they are given once. */
    assert_int_equal(atforks, 1);
}

static void a_child_may_join_leave_and_fork(void **unused)
{
    struct part a = PART('a'), b = PART('b');
    pid_t pid;

    (void)unused;
    assert_int_equal(health__fork_join(&a.fork), 0);
    pid = fork();
    if (pid == 0) {
        pid_t grandchild;
        int status = -1;

        atomic_store(&locks, 0);
        health__fork_yield(); /* no fork is under way here */
        if (atomic_load(&locks) != 0)
            _exit(6);
        health__fork_leave(&a.fork);
        if (health__fork_join(&b.fork) != 0)
            _exit(2);
        story[0] = '\0';
        grandchild = fork();
        if (grandchild == 0)
            _exit(strcmp(story, "<b>b") == 0 ? 0 : 3);
        if (waitpid(grandchild, &status, 0) != grandchild || status != 0)
            _exit(4);
        _exit(strcmp(story, "<b=b") == 0 ? 0 : 5);
    }
    expect_success(pid);
    health__fork_leave(&a.fork);
}

static void without_a_fork_there_is_nothing_to_yield_to(void **unused)
{
    (void)unused;
    fork_and_expect("", "");
    atomic_store(&locks, 0);
    health__fork_yield();
    assert_int_equal(atomic_load(&locks), 0);
}

/* A part whose lock a thread gives up for a moment only. */
struct busy {
    struct health__fork_part fork;
    pthread_mutex_t mutex;
    atomic_bool held;    /* by the thread */
    atomic_bool wanted;  /* by a fork */
    atomic_bool over;    /* that fork is */
    bool over_on_return; /* it was when health__fork_yield() returned */
};

static struct busy *busy_of(struct health__fork_part *fork)
{
    return health__container(fork, struct busy, fork);
}

static void busy_prepare(struct health__fork_part *fork)
{
    atomic_store(&busy_of(fork)->wanted, true);
    (void)pthread_mutex_lock(&busy_of(fork)->mutex);
}

static void busy_parent(struct health__fork_part *fork)
{
    atomic_store(&busy_of(fork)->over, true);
    (void)pthread_mutex_unlock(&busy_of(fork)->mutex);
}

static void busy_child(struct health__fork_part *fork)
{
    (void)pthread_mutex_unlock(&busy_of(fork)->mutex);
}

static void *be_busy(void *arg)
{
    struct busy *busy = arg;

    (void)pthread_mutex_lock(&busy->mutex);
    atomic_store(&busy->held, true);
    while (!atomic_load(&busy->wanted))
        (void)sched_yield();
    (void)pthread_mutex_unlock(&busy->mutex);
    health__fork_yield();
    busy->over_on_return = atomic_load(&busy->over);
    return NULL;
}

static void who_yields_lets_a_whole_fork_through(void **unused)
{
    int round;

    (void)unused;
    for (round = 0; round < 20; round++) {
        struct busy busy = {
            .fork = {busy_prepare, busy_parent, busy_child, {NULL, NULL}},
            .mutex = PTHREAD_MUTEX_INITIALIZER,
        };
        pthread_t thread;
        pid_t pid;

        assert_int_equal(health__fork_join(&busy.fork), 0);
        assert_int_equal(pthread_create(&thread, NULL, be_busy, &busy), 0);
        while (!atomic_load(&busy.held))
            (void)sched_yield();
        pid = fork();
        if (pid == 0) /* the lock is free here, and nobody else is left to hold it */
            _exit(pthread_mutex_trylock(&busy.mutex) == 0 ? 0 : 1);
        expect_success(pid);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(busy.over_on_return);
        health__fork_leave(&busy.fork);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_that_cannot_be_told_is_refused), /* first: handlers stay */
        cmocka_unit_test(every_part_is_told_in_order),
        cmocka_unit_test(a_child_may_join_leave_and_fork),
        cmocka_unit_test(without_a_fork_there_is_nothing_to_yield_to),
        cmocka_unit_test(who_yields_lets_a_whole_fork_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
