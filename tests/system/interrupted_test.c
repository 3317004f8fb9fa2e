/*
 * What interrupts the loop's sleep, and is no freeze: the host changes its user, which glibc has
 * every thread do, or is stopped for moments (a CPU limiter).  What is dead does not live by it.
 * And a wake-up for which the kernel has no memory is not the last.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: syscall */
/* timeout: 180 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "process.h"
#include "puppet.h"
#include "refused.h"
#include "service.h"

/* ---- A kernel without memory ---- */

static atomic_int failing; /* how many of the next wake-ups fail */
static atomic_int failed;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
    va_list arguments;
    long a[6];
    int i;

    if (number == SYS_sendto && atomic_load(&failing) > 0) {
        atomic_fetch_sub(&failing, 1);
        atomic_fetch_add(&failed, 1);
        errno = ENOBUFS;
        return -1;
    }
    va_start(arguments, number);
    for (i = 0; i < 6; i++)
        a[i] = number == SYS_gettid ? 0 : va_arg(arguments, long);
    va_end(arguments);
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void a_wake_that_fails_is_not_the_last(void **state)
{
    struct health_check check = HEALTH_CHECK_INIT;
    static struct puppet p;
    struct health *h = service_start(NULL);

    (void)state;
    puppet_init(&p);
    check = puppet_check(&p, "periodic");
    check.interval_ms = 60000;
    asking_pause(50);
    atomic_store(&failed, 0);
    atomic_store(&failing, 1);
    service_add_pushed(h, "other", 0);
    assert_accepted(health_remove(h, "other"));
    assert_int_equal(atomic_load(&failed), 1);
    /* The next wakes it: nobody asks here. */
    assert_accepted(health_add_check(h, &check));
    assert_true(puppet_wait_begun(&p, 1, LONG_MS));

    /* Until there is memory again. */
    atomic_store(&failing, 3);
    assert_accepted(health_stop(h, LONG_MS));
    atomic_store(&failing, 0);
    health_free(h);
}

static void nor_is_one_for_a_document(void **state)
{
    enum health_status status = HEALTH_FAIL;
    struct health *h = service_start(NULL);

    (void)state;
    asking_pause(50);
    atomic_store(&failing, 2);
    assert_accepted(health_document(h, HEALTH_LIVE, NULL, 0, NULL, &status));
    assert_int_equal(status, HEALTH_PASS);
    service_end(h);
}

/* ---- Interruptions ---- */

static atomic_bool over;

static void *change_user(void *arg)
{
    while (!atomic_load(&over)) {
        asking_pause(*(int *)arg);
        if (seteuid(geteuid()) != 0)
            break;
    }
    return NULL;
}

/* What is dead: a heartbeat, a hung check, a pushed one. */
static struct health *make_dead(struct puppet *hung)
{
    struct health_check check = HEALTH_CHECK_INIT;
    struct health_heartbeat *b;
    struct health *h = service_start(NULL);

    assert_accepted(health_add_heartbeat(h, "loop", 1500, HEALTH_LIVE, &b));
    puppet_init(hung);
    puppet_hold(hung);
    check = puppet_check(hung, "hung");
    check.interval_ms = 60000;
    check.timeout_ms = 1500;
    check.probes = HEALTH_STARTUP;
    assert_accepted(health_add_check(h, &check));
    check = (struct health_check)HEALTH_CHECK_INIT;
    check.name = "pushed";
    check.max_age_ms = 1500;
    check.probes = HEALTH_ALL;
    assert_accepted(health_add_check(h, &check));
    assert_accepted(health_report(h, "pushed", HEALTH_PASS, NULL));
    return h;
}

static void all_are_dead(struct health *h)
{
    assert_int_equal(client_status(service_port(h), "/live"), 503);
    assert_int_equal(client_status(service_port(h), "/startup"), 503);
    assert_int_equal(client_status(service_port(h), "/health/hung"), 503);
    assert_int_equal(client_status(service_port(h), "/health/pushed"), 503);
}

/* The host changes its user, that often, and nobody asks meanwhile. */
static void outlives(int period_ms)
{
    static struct puppet hung;
    struct health *h = make_dead(&hung);
    pthread_t thread;
    int64_t end;

    atomic_store(&over, false);
    assert_int_equal(pthread_create(&thread, NULL, change_user, &period_ms), 0);
    end = client_now_ms() + 5500;
    /* It is interrupted as well. */
    while (client_now_ms() < end)
        asking_pause((int)(end - client_now_ms()));
    all_are_dead(h);
    atomic_store(&over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    puppet_let_go(&hung);
    service_end(h);
}

static void a_host_that_changes_its_user_often(void **state)
{
    (void)state;
    outlives(100);
}

/* More seldom than what is taken for a freeze. */
static void a_host_that_changes_its_user_now_and_then(void **state)
{
    (void)state;
    outlives(1200);
}

/* A process that is stopped for 20 ms of each 200. */
static int be_limited(struct process *self, void *arg)
{
    static struct puppet hung;
    struct health *h = make_dead(&hung);
    int64_t number;

    (void)arg;
    PROCESS_CHECK(process_say(self, 1));
    PROCESS_CHECK(process_hear(self, &number, 60000));
    PROCESS_CHECK(client_try_status(health_port(h), "/live") == 503);
    PROCESS_CHECK(client_try_status(health_port(h), "/startup") == 503);
    PROCESS_CHECK(client_try_status(health_port(h), "/health/pushed") == 503);
    puppet_let_go(&hung);
    PROCESS_CHECK(health_stop(h, 10000) == 0);
    health_free(h);
    return 0;
}

static void a_process_that_is_limited(void **state)
{
    struct process child;
    int64_t number, end;

    (void)state;
    assert_int_equal(process_start(&child, be_limited, NULL), 0);
    assert_true(process_hear(&child, &number, LONG_MS));
    end = client_now_ms() + 4000;
    while (client_now_ms() < end) {
        asking_pause(180);
        assert_int_equal(kill(child.pid, SIGSTOP), 0);
        asking_pause(20);
        assert_int_equal(kill(child.pid, SIGCONT), 0);
    }
    assert_true(process_say(&child, 1));
    assert_int_equal(process_end(&child), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_that_is_limited),
        cmocka_unit_test(a_wake_that_fails_is_not_the_last),
        cmocka_unit_test(nor_is_one_for_a_document),
        cmocka_unit_test(a_host_that_changes_its_user_often),
        cmocka_unit_test(a_host_that_changes_its_user_now_and_then),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
