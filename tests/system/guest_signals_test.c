/*
 * Signals are the host's: no asynchronous one is ever delivered to a thread of ours, those that a
 * thread raises itself are, and no function changes the host's mask or what it does with a signal.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "everything.h"
#include "process.h"
#include "puppet.h"
#include "service.h"
#include "tasks.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define STORM        10000 /* signals */
#define MAX_THREADS  64

/* The last one is valgrind's, under valgrind. */
#define LAST_REAL_TIME (process_is_slow() ? SIGRTMAX - 1 : SIGRTMAX)

/* What the kernel raises for what a thread has done itself. */
static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

/* Some of the rest, some of which ends a process that does not expect it. */
static const int asynchronous[] = {
    SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP, SIGALRM, SIGCHLD, SIGPIPE, SIGPROF, SIGURG, SIGIO};

static bool is_synchronous(int number)
{
    size_t i;

    for (i = 0; i < COUNT(synchronous); i++)
        if (synchronous[i] == number)
            return true;
    return false;
}

/* Whether a mask, bit n - 1 being signal n, is that of a thread of ours.  Two of the real-time
 * signals are libc's own, which it blocks for nobody. */
static bool is_guests_mask(uint64_t mask)
{
    int number;

    for (number = 1; number <= 64; number++) {
        bool blocked = mask >> (number - 1) & 1;

        if (number == SIGKILL || number == SIGSTOP || (number >= 32 && number < SIGRTMIN))
            continue;
        if (blocked == is_synchronous(number))
            return false;
    }
    return true;
}

/* ---- As /proc shows it ---- */

static void each_of_our_threads_blocks_them(void **state)
{
    static struct puppet hung[3], idle;
    struct health *h;
    char name[8] = "hung-0";
    struct client clients[3];
    struct health_check check;
    pid_t tids[MAX_THREADS];
    int i, count;

    (void)state;
    if (process_is_slow()) {
        print_message("not tested here: what /proc shows under valgrind are valgrind's masks\n");
        skip();
    }
    h = service_start(NULL);
    puppet_init(&idle);
    check = puppet_check(&idle, "idle");
    assert_int_equal(health_add_check(h, &check), 0);
    for (i = 0; i < 3; i++) {
        puppet_init(&hung[i]);
        puppet_hold(&hung[i]);
        name[5] = (char)('0' + i);
        check = puppet_check(&hung[i], name);
        check.timeout_ms = 60000;
        assert_int_equal(health_add_check(h, &check), 0);
    }
    assert_int_equal(client_status(service_port(h), "/health/idle"), 200);
    for (i = 0; i < 3; i++) {
        char target[24];

        name[5] = (char)('0' + i);
        (void)snprintf(target, sizeof(target), "/health/%s", name);
        asking_begin(&clients[i], service_port(h), target);
        assert_true(puppet_wait_begun(&hung[i], 1, LONG_MS));
    }

    /* The loop, three workers in callbacks. */
    count = tasks_list(tids, MAX_THREADS);
    assert_true(count >= 4);
    for (i = 0; i < count; i++)
        if (!is_guests_mask(tasks_blocked(tids[i])))
            fail_msg("thread %d of %d has the mask %llx", i, count,
                (unsigned long long)tasks_blocked(tids[i]));

    for (i = 0; i < 3; i++) {
        puppet_let_go(&hung[i]);
        assert_int_equal(asking_end(&clients[i], LONG_MS, NULL), 200);
    }
    service_end(h);
}

/* ---- A storm ---- */

static atomic_int tid_of_taker;
static atomic_int taken, strayed; /* signals: by whom they are for, by others */
static atomic_int strayed_to;
static atomic_bool over;

static void take(int number)
{
    pid_t self = tasks_self();

    (void)number;
    if (self == atomic_load(&tid_of_taker)) {
        atomic_fetch_add(&taken, 1);
    } else {
        atomic_fetch_add(&strayed, 1);
        atomic_store(&strayed_to, self);
    }
}

/* The one thread that has them all open. */
static void *take_all(void *arg)
{
    sigset_t none;

    (void)arg;
    atomic_store(&tid_of_taker, tasks_self());
    (void)sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
    while (!atomic_load(&over))
        (void)poll(NULL, 0, 5);
    return NULL;
}

static atomic_int port;

static void *ask_on(void *arg)
{
    int odd = 0;

    (void)arg;
    while (!atomic_load(&over))
        odd += client_try_status(atomic_load(&port), "/health") != 200;
    return (void *)(intptr_t)odd;
}

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    (void)poll(NULL, 0, 1);
    return HEALTH_PASS;
}

/* Checks such that workers come and go all the time. */
static int add_checks(struct health *h)
{
    struct health_check check = HEALTH_CHECK_INIT;
    char name[24];
    int i;

    for (i = 0; i < 8; i++) {
        (void)snprintf(name, sizeof(name), "check-%d", i);
        check.name = name;
        check.fn = pass;
        check.timeout_ms = 60000;
        check.max_age_ms = i % 2 != 0;
        check.interval_ms = i % 2 == 0 ? 20 : 0;
        PROCESS_CHECK(health_add_check(h, &check) == 0);
    }
    return 0;
}

static int catch_all(void)
{
    struct sigaction action = {.sa_handler = take};
    size_t i;

    for (i = 0; i < COUNT(asynchronous); i++)
        PROCESS_CHECK(sigaction(asynchronous[i], &action, NULL) == 0);
    PROCESS_CHECK(sigaction(SIGRTMIN, &action, NULL) == 0);
    PROCESS_CHECK(sigaction(LAST_REAL_TIME, &action, NULL) == 0);
    return 0;
}

/* Says what strayed. */
static int stand_the_storm(struct process *self, void *arg)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    pthread_t taker, asker;
    struct health *h = NULL;
    int i, number;
    sigset_t all;
    void *odd;

    (void)arg;
    PROCESS_CHECK(catch_all() == 0);
    /* Our threads are started from one that has them open, and then nobody has. */
    options.listen = "127.0.0.1:0";
    options.response_ms = 20000;
    PROCESS_CHECK(health_new(&h, &options) == 0);
    PROCESS_CHECK(add_checks(h) == 0);
    PROCESS_CHECK(health_start(h) == 0);
    atomic_store(&port, health_port(h));
    (void)client_try_status(health_port(h), "/health");
    (void)sigfillset(&all);
    PROCESS_CHECK(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
    PROCESS_CHECK(pthread_create(&asker, NULL, ask_on, NULL) == 0);

    /* With nobody to take it, it waits for one. */
    for (i = 0; i < 100; i++)
        PROCESS_CHECK(kill(getpid(), asynchronous[(size_t)i % COUNT(asynchronous)]) == 0);
    (void)poll(NULL, 0, 100);
    PROCESS_CHECK(atomic_load(&strayed) == 0);

    PROCESS_CHECK(pthread_create(&taker, NULL, take_all, NULL) == 0);
    while (atomic_load(&taken) == 0)
        (void)poll(NULL, 0, 1);
    for (i = 0; i < STORM && !(process_is_slow() && i >= STORM / 10); i++) {
        number = i % 13 == 11   ? SIGRTMIN
                 : i % 13 == 12 ? LAST_REAL_TIME
                                : asynchronous[(size_t)i % COUNT(asynchronous)];
        /* Of real-time ones each is kept, up to a limit. */
        while (kill(getpid(), number) != 0 && errno == EAGAIN)
            (void)poll(NULL, 0, 1);
        if (i % 1000 == 500) {
            PROCESS_CHECK(health_stop(h, 20000) == 0);
            PROCESS_CHECK(health_start(h) == 0);
            atomic_store(&port, health_port(h));
        }
    }
    atomic_store(&over, true);
    PROCESS_CHECK(pthread_join(taker, NULL) == 0);
    PROCESS_CHECK(pthread_join(asker, &odd) == 0);
    PROCESS_CHECK(process_say(self, atomic_load(&taken)));
    PROCESS_CHECK(process_say(self, atomic_load(&strayed)));
    PROCESS_CHECK(health_stop(h, 20000) == 0);
    health_free(h);
    return 0;
}

static void none_is_delivered_to_us_in_a_storm(void **state)
{
    struct process p;
    int64_t got = 0, astray = -1;

    (void)state;
    assert_int_equal(process_start(&p, stand_the_storm, NULL), 0);
    (void)process_hear(&p, &got, 100000);
    (void)process_hear(&p, &astray, 10000);
    assert_int_equal(process_end(&p), 0);
    print_message("%d signals taken by the thread that they are for\n", (int)got);
    assert_true(got > 0);
    assert_int_equal(astray, 0);
}

/* ---- Of one's own making ---- */

static atomic_int raised;
static _Thread_local volatile sig_atomic_t raised_here;
static char *forbidden;
static long page_bytes;

static void note(int number)
{
    if (is_synchronous(number)) {
        atomic_fetch_add(&raised, 1);
        raised_here++;
    }
}

/* The host's way of having pages when they are touched. */
static void allow(int number, siginfo_t *info, void *context)
{
    (void)context;
    (void)info;
    note(number);
    (void)mprotect(forbidden, (size_t)page_bytes, PROT_READ | PROT_WRITE);
}

static enum health_status raise_all(struct health_result *result, void *arg)
{
    /* To valgrind such a page is an error. */
    bool touch = !process_is_slow();
    size_t i;

    (void)arg;
    raised_here = 0;
    for (i = 0; i < COUNT(synchronous); i++)
        if (synchronous[i] != SIGSEGV || !touch)
            (void)raise(synchronous[i]);
    if (touch)
        *(volatile char *)forbidden = 1;
    return health_explain(result, raised_here == COUNT(synchronous) ? HEALTH_PASS : HEALTH_FAIL,
        "%d signals", (int)raised_here);
}

static int raise_in_a_callback(struct process *self, void *arg)
{
    struct sigaction action = {.sa_handler = note};
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *h = NULL;
    size_t i;

    (void)self;
    (void)arg;
    page_bytes = sysconf(_SC_PAGESIZE);
    forbidden = mmap(NULL, (size_t)page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    PROCESS_CHECK(forbidden != MAP_FAILED);
    for (i = 0; i < COUNT(synchronous); i++)
        PROCESS_CHECK(sigaction(synchronous[i], &action, NULL) == 0);
    action = (struct sigaction){.sa_sigaction = allow, .sa_flags = SA_SIGINFO};
    PROCESS_CHECK(sigaction(SIGSEGV, &action, NULL) == 0);

    options.listen = "127.0.0.1:0";
    options.response_ms = 20000;
    PROCESS_CHECK(health_new(&h, &options) == 0);
    check.name = "raises";
    check.fn = raise_all;
    check.timeout_ms = 20000;
    PROCESS_CHECK(health_add_check(h, &check) == 0);
    PROCESS_CHECK(health_start(h) == 0);
    PROCESS_CHECK(client_try_status(health_port(h), "/ready") == 200);
    PROCESS_CHECK(atomic_load(&raised) == COUNT(synchronous));
    PROCESS_CHECK(health_stop(h, 20000) == 0);
    health_free(h);
    return 0;
}

static void what_a_callback_raises_is_delivered_to_it(void **state)
{
    struct process p;

    (void)state;
    assert_int_equal(process_start(&p, raise_in_a_callback, NULL), 0);
    assert_int_equal(process_end(&p), 0);
}

/* ---- The host's ---- */

struct signals {
    sigset_t mask;
    struct sigaction actions[65];
};

static _Thread_local struct signals before;
static atomic_int changes;
static const char *_Atomic changed_by;

static void read_signals(struct signals *s)
{
    int number;

    memset(s, 0, sizeof(*s));
    (void)pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
    for (number = 1; number <= 64; number++)
        (void)sigaction(number, NULL, &s->actions[number]);
}

static void read_before(const char *function)
{
    (void)function;
    read_signals(&before);
}

static bool are_equal(const struct signals *a, const struct signals *b)
{
    int number, other;

    for (number = 1; number <= 64; number++) {
        const struct sigaction *x = &a->actions[number], *y = &b->actions[number];

        if (sigismember(&a->mask, number) != sigismember(&b->mask, number) ||
            x->sa_handler != y->sa_handler || x->sa_flags != y->sa_flags)
            return false;
        for (other = 1; other <= 64; other++)
            if (sigismember(&x->sa_mask, other) != sigismember(&y->sa_mask, other))
                return false;
    }
    return true;
}

static void compare_after(const char *function)
{
    struct signals after;

    read_signals(&after);
    if (!are_equal(&before, &after)) {
        atomic_fetch_add(&changes, 1);
        atomic_store(&changed_by, function);
    }
}

static void ignore(int number)
{
    (void)number;
}

static void no_function_changes_what_the_host_has(void **state)
{
    struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_RESTART}, old;
    struct signals at_first, at_last;
    sigset_t mask, old_mask;
    int round;

    (void)state;
    /* SIGPIPE as it is by default, and as some host wants it; some blocked, some not. */
    for (round = 0; round < 2; round++) {
        (void)sigemptyset(&mask);
        if (round == 1) {
            (void)sigaddset(&mask, SIGUSR1);
            (void)sigaddset(&mask, SIGSEGV);
            assert_int_equal(sigaction(SIGPIPE, &action, &old), 0);
        }
        assert_int_equal(pthread_sigmask(SIG_SETMASK, &mask, &old_mask), 0);
        read_signals(&at_first);
        everything_call(read_before, compare_after);
        read_signals(&at_last);
        assert_int_equal(pthread_sigmask(SIG_SETMASK, &old_mask, NULL), 0);
        if (round == 1)
            assert_int_equal(sigaction(SIGPIPE, &old, NULL), 0);
        assert_true(are_equal(&at_first, &at_last));
        if (atomic_load(&changes) > 0)
            fail_msg("%s has changed something", atomic_load(&changed_by));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_our_threads_blocks_them),
        cmocka_unit_test(none_is_delivered_to_us_in_a_storm),
        cmocka_unit_test(what_a_callback_raises_is_delivered_to_it),
        cmocka_unit_test(no_function_changes_what_the_host_has),
    };

    return cmocka_run_group_tests_name("guest_signals", tests, NULL, NULL);
}
