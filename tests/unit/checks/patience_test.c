/*
 * How long ready-made checks wait: three quarters of what is left, in slices, and of what the
 * library gives anew after the process stood still.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: health_remaining_ms */
#include "checks/patience.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/checks.h>

#include "base/clock.h"
#include "engine/words.h"

unsigned __wrap_health_remaining_ms(const struct health_result *result);

/* What is left of the time: a number, or, once `until` is set, that; and what is given when so
 * little is left, once. */
static unsigned left_ms;
static int64_t until;
static unsigned anew_at_ms, anew_ms;

unsigned __wrap_health_remaining_ms(const struct health_result *result)
{
    int64_t now = health__now_ms();

    (void)result;
    if (until == 0)
        return left_ms;
    if (anew_ms > 0 && until - now <= anew_at_ms) {
        until = now + anew_ms;
        anew_ms = 0;
    }
    return until > now ? (unsigned)(until - now) : 0;
}

static void give(unsigned ms, unsigned at_ms, unsigned again_ms)
{
    until = health__now_ms() + ms;
    anew_at_ms = at_ms;
    anew_ms = again_ms;
}

/* ---- The numbers ---- */

static struct health__patience p;

static void assert_waits(unsigned left, unsigned ms)
{
    until = 0;
    left_ms = left;
    assert_int_equal(health__patience_ms(&p, NULL), ms);
}

static void it_waits_for_three_quarters_in_slices(void **unused)
{
    unsigned left;

    (void)unused;
    p = (struct health__patience){0};
    for (left = 1000; left >= 450; left -= 50)
        assert_waits(left, 200);
    assert_waits(449, 199);
    assert_waits(251, 1);
    assert_waits(250, 0);
    assert_waits(240, 0);
    assert_int_equal(p.all_ms, 750);

    for (left = 0; left < 4; left++) {
        p = (struct health__patience){0};
        assert_waits(left, 0);
        assert_waits(0, left > 0 ? HEALTH__PATIENCE_GRACE_MS : 0);
        assert_waits(0, 0);
    }
}

static void what_is_given_anew_counts(void **unused)
{
    (void)unused;
    p = (struct health__patience){0};
    assert_waits(40, 30);
    assert_waits(10, 0);
    assert_waits(1000, 200);
    assert_int_equal(p.all_ms, 750);
    assert_waits(300, 50);
    assert_waits(250, 0);
}

/* Whoever was thawed before the library's own thread was. */
static void who_comes_late_looks_once_more(void **unused)
{
    (void)unused;
    p = (struct health__patience){0};
    assert_waits(1000, 200);
    assert_waits(200, HEALTH__PATIENCE_GRACE_MS);
    assert_waits(180, 0);

    p = (struct health__patience){0};
    assert_waits(1000, 200);
    assert_waits(0, HEALTH__PATIENCE_GRACE_MS);
    assert_waits(1000, 200);
    assert_waits(0, HEALTH__PATIENCE_GRACE_MS);
    assert_waits(0, 0);
}

/* ---- The checks ---- */

static struct health_result result;

struct other {
    void *(*does)(void *arg);
    pthread_t thread, first;
    pthread_mutex_t mutex;
    atomic_bool began, enough;
    int fd;
};

static void begin(struct other *o)
{
    o->first = pthread_self();
    assert_int_equal(pthread_create(&o->thread, NULL, o->does, o), 0);
    while (!atomic_load(&o->began))
        (void)poll(NULL, 0, 1);
    health__result_init(&result, HEALTH__NEVER);
}

static void end(struct other *o)
{
    atomic_store(&o->enough, true);
    assert_int_equal(pthread_join(o->thread, NULL), 0);
}

static void *hold(void *arg)
{
    struct other *o = arg;

    (void)pthread_mutex_lock(&o->mutex);
    atomic_store(&o->began, true);
    (void)poll(NULL, 0, 300);
    (void)pthread_mutex_unlock(&o->mutex);
    return NULL;
}

static void a_mutex_is_waited_for_as_long(void **unused)
{
    struct other o = {.does = hold, .mutex = PTHREAD_MUTEX_INITIALIZER};

    (void)unused;
    begin(&o);
    give(80, 30, 60000);
    assert_int_equal(health_check_mutex(&result, &o.mutex), HEALTH_PASS);
    end(&o);
}

/* A listener whose backlog is full; what fills it is in `fds`. */
static int listen_full(char address[32], int fds[4])
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    socklen_t length = sizeof(to);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t i;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, length), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &length), 0);
    (void)snprintf(address, 32, "127.0.0.1:%d", ntohs(to.sin_port));
    for (i = 0; i < 4; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fds[i], (struct sockaddr *)&to, length);
    }
    return fd;
}

static void *accept_late(void *arg)
{
    struct other *o = arg;
    struct pollfd come = {.fd = o->fd, .events = POLLIN};

    atomic_store(&o->began, true);
    (void)poll(NULL, 0, 300);
    while (!atomic_load(&o->enough))
        if (poll(&come, 1, 10) == 1)
            (void)close(accept(o->fd, NULL, NULL));
    return NULL;
}

static void close_all(const int fds[4], int fd)
{
    size_t i;

    for (i = 0; i < 4; i++)
        (void)close(fds[i]);
    (void)close(fd);
}

static void so_is_a_connection(void **unused)
{
    struct other o = {.does = accept_late};
    char address[32];
    int fds[4];

    (void)unused;
    o.fd = listen_full(address, fds);
    begin(&o);
    give(80, 30, 60000);
    assert_int_equal(health_check_connect(&result, address), HEALTH_PASS);
    end(&o);
    close_all(fds, o.fd);
}

static void nothing(int signal_number)
{
    (void)signal_number;
}

static void *interrupt(void *arg)
{
    struct other *o = arg;

    atomic_store(&o->began, true);
    while (!atomic_load(&o->enough)) {
        (void)pthread_kill(o->first, SIGUSR1);
        (void)poll(NULL, 0, 10);
    }
    return NULL;
}

static void an_interruption_is_no_timeout(void **unused)
{
    struct sigaction action = {.sa_handler = nothing}, before;
    struct other o = {.does = interrupt};
    char address[32], expected[64];
    int64_t began_at;
    int fds[4];

    (void)unused;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    o.fd = listen_full(address, fds);
    begin(&o);
    began_at = health__now_ms();
    give(400, 0, 0);
    assert_int_equal(health_check_connect(&result, address), HEALTH_FAIL);
    /* Three quarters, rounded down. */
    assert_true(health__now_ms() - began_at >= 290);
    (void)snprintf(expected, sizeof(expected), "%s: Connection timed out", address);
    assert_string_equal(result.reason, expected);
    end(&o);
    close_all(fds, o.fd);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_waits_for_three_quarters_in_slices),
        cmocka_unit_test(what_is_given_anew_counts),
        cmocka_unit_test(who_comes_late_looks_once_more),
        cmocka_unit_test(a_mutex_is_waited_for_as_long),
        cmocka_unit_test(so_is_a_connection),
        cmocka_unit_test(an_interruption_is_no_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
