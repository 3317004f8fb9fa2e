/*
 * The ready-made checks: a mutex that can be taken, an address that accepts connections, and in
 * time what is said where not.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: pthread_mutex_clocklock pthread_mutex_timedlock */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/checks.h>
#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "document.h"
#include "refused.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define TIMEOUT_MS 400

/* Of this three quarters are waited for. */
#define WAIT_MS (TIMEOUT_MS / 4 * 3)

static void add(struct health *h, health_check_fn *fn, void *arg, unsigned timeout_ms)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = "it";
    check.fn = fn;
    check.arg = arg;
    check.timeout_ms = timeout_ms;
    check.max_age_ms = 1;
    assert_accepted(health_add_check(h, &check));
}

/* Runs the check now.  Returns: its document; *ret_ms: how long it took. */
static json_t *look(struct health *h, const char *status, int *ret_ms)
{
    json_t *doc;
    int code;

    asking_pause(ROUNDING_MS); /* or the last result would do */
    *ret_ms = asking_takes(service_port(h), "/health/it", &code, &doc);
    assert_int_equal(code, strcmp(status, "fail") == 0 ? 503 : 200);
    if (strcmp(document_check_status(doc, "it"), status) != 0)
        fail_msg("it is not %s: %s", status, document_output(doc, "it"));
    return doc;
}

static void assert_passes(struct health *h)
{
    int ms;

    document_free(look(h, "pass", &ms));
}

/* ---- health_check_mutex ---- */

static atomic_int wrong_clocks;
static atomic_bool refuses; /* as for mutexes that inherit priority, where it cannot */

/* Weak: not every C library has it. */
int __real_pthread_mutex_clocklock(
    pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until) __attribute__((weak));
int __wrap_pthread_mutex_clocklock(
    pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until);

int __wrap_pthread_mutex_clocklock(
    pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
    if (clock != CLOCK_MONOTONIC)
        (void)atomic_fetch_add(&wrong_clocks, 1);
    return atomic_load(&refuses) ? EINVAL : __real_pthread_mutex_clocklock(mutex, clock, until);
}

/* It waits by the wall clock. */
int __real_pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until);
int __wrap_pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until);

int __wrap_pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
    (void)atomic_fetch_add(&wrong_clocks, 1);
    return __real_pthread_mutex_timedlock(mutex, until);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void a_free_mutex_passes_and_stays_free(void **state)
{
    struct health *h = service_start(NULL);
    pthread_mutexattr_t attributes;
    pthread_mutex_t strict;
    int i;

    (void)state;
    assert_int_equal(pthread_mutexattr_init(&attributes), 0);
    assert_int_equal(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK), 0);
    assert_int_equal(pthread_mutex_init(&strict, &attributes), 0);
    for (i = 0; i < 2; i++) {
        pthread_mutex_t *m = i ? &strict : &mutex;

        add(h, health_check_mutex, m, TIMEOUT_MS);
        assert_passes(h);
        assert_passes(h);
        assert_int_equal(pthread_mutex_trylock(m), 0);
        assert_int_equal(pthread_mutex_unlock(m), 0);
        assert_accepted(health_remove(h, "it"));
    }
    assert_int_equal(pthread_mutex_destroy(&strict), 0);
    assert_int_equal(pthread_mutexattr_destroy(&attributes), 0);
    service_end(h);
}

static void a_mutex_held_for_ever_fails_in_time(void **state)
{
    static const char before[] = "the mutex could not be taken within ";
    struct health *h = service_start(NULL);
    const char *output;
    unsigned waited;
    json_t *doc;
    int i, ms;

    (void)state;
    add(h, health_check_mutex, &mutex, TIMEOUT_MS);
    assert_int_equal(pthread_mutex_lock(&mutex), 0);
    for (i = 0; i < 3; i++) {
        doc = look(h, "fail", &ms);
        output = document_output(doc, "it");
        /* On a machine so busy that even the last quarter was not enough, it is overdue. */
        if (ms < TIMEOUT_MS) {
            assert_int_equal(strncmp(output, before, strlen(before)), 0);
            assert_int_equal(sscanf(output + strlen(before), "%u ms", &waited), 1);
            assert_between(waited, 0, (int64_t)WAIT_MS);
            assert_between(ms, (int)waited - ROUNDING_MS, TIMEOUT_MS);
        }
        assert_between(ms, 0, TIMEOUT_MS + SLACK_MS);
        document_free(doc);
    }
    assert_int_equal(pthread_mutex_unlock(&mutex), 0);
    document_free(asking_until(service_port(h), "/health/it", "it", "pass", LONG_MS));
    assert_int_equal(pthread_mutex_trylock(&mutex), 0);
    assert_int_equal(pthread_mutex_unlock(&mutex), 0);
    service_end(h);
}

struct holder {
    int hold_ms, pause_ms;
    atomic_bool holds, enough;
    pthread_t thread;
};

static void *hold(void *arg)
{
    struct holder *holder = arg;

    do {
        (void)pthread_mutex_lock(&mutex);
        atomic_store(&holder->holds, true);
        asking_pause(holder->hold_ms);
        (void)pthread_mutex_unlock(&mutex);
        asking_pause(holder->pause_ms);
    } while (!atomic_load(&holder->enough));
    return NULL;
}

static void begin_to_hold(struct holder *holder)
{
    assert_int_equal(pthread_create(&holder->thread, NULL, hold, holder), 0);
    while (!atomic_load(&holder->holds))
        asking_pause(1);
}

static void one_held_briefly_is_waited_for(void **state)
{
    struct holder holder = {.hold_ms = 150, .enough = true};
    struct health *h = service_start(NULL);
    int ms;

    (void)state;
    add(h, health_check_mutex, &mutex, LONG_MS);
    begin_to_hold(&holder);
    document_free(look(h, "pass", &ms));
    assert_between(ms, 0, 150 + SLACK_MS);
    assert_int_equal(pthread_join(holder.thread, NULL), 0);
    service_end(h);
}

static void one_taken_again_and_again_is_had_in_between(void **state)
{
    struct holder holders[3] = {{.hold_ms = 3, .pause_ms = 10}, {.hold_ms = 5, .pause_ms = 15},
        {.hold_ms = 1, .pause_ms = 1}};
    struct health *h = service_start(NULL);
    size_t i;

    (void)state;
    add(h, health_check_mutex, &mutex, LONG_MS);
    for (i = 0; i < COUNT(holders); i++)
        begin_to_hold(&holders[i]);
    for (i = 0; i < 10; i++)
        assert_passes(h);
    for (i = 0; i < COUNT(holders); i++)
        atomic_store(&holders[i].enough, true);
    for (i = 0; i < COUNT(holders); i++)
        assert_int_equal(pthread_join(holders[i].thread, NULL), 0);
    service_end(h);
}

static void where_the_clock_is_refused_it_is_tried(void **state)
{
    (void)state;
    atomic_store(&refuses, true);
    a_free_mutex_passes_and_stays_free(NULL);
    a_mutex_held_for_ever_fails_in_time(NULL);
    one_held_briefly_is_waited_for(NULL);
    atomic_store(&refuses, false);
}

/* A timeout so short that there is no time to wait. */
static void without_time_a_free_one_passes(void **state)
{
    struct health *h = service_start(NULL);
    int i, passed = 0;

    (void)state;
    add(h, health_check_mutex, &mutex, 3);
    for (i = 0; i < 200 && passed == 0; i++) {
        asking_pause(ROUNDING_MS);
        passed += client_status(service_port(h), "/health/it") == 200;
    }
    assert_int_equal(passed, 1);
    service_end(h);
}

static void no_mutex_fails(void **state)
{
    struct health *h = service_start(NULL);
    json_t *doc;
    int ms;

    (void)state;
    add(h, health_check_mutex, NULL, TIMEOUT_MS);
    doc = look(h, "fail", &ms);
    assert_check(doc, "it", "fail", "there is no mutex");
    document_free(doc);
    service_end(h);
}

/* A clock that can be set would make it wait for hours, or not at all. */
static void it_waits_by_the_monotonic_clock(void **state)
{
    (void)state;
    assert_int_equal(atomic_load(&wrong_clocks), 0);
}

/* ---- health_check_connect ---- */

/* A listener on any free port; -1 if there is no such family here. */
static int listen_on(int family, int backlog, int *ret_port)
{
    struct sockaddr_storage any = {.ss_family = (sa_family_t)family};
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&any;
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)&any;
    socklen_t length = family == AF_INET6 ? sizeof(*six) : sizeof(*four);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (family == AF_INET6)
        six->sin6_addr = in6addr_loopback;
    else
        four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&any, length) != 0 || listen(fd, backlog) != 0 ||
        getsockname(fd, (struct sockaddr *)&any, &length) != 0) {
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    /* getsockname() has filled it in.  NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) */
    *ret_port = ntohs(family == AF_INET6 ? six->sin6_port : four->sin_port);
    return fd;
}

static void one_that_accepts_passes(void **state)
{
    static const struct {
        int family;
        const char *host;
    } ways[] = {
        {AF_INET, "127.0.0.1"},
        {AF_INET, "localhost"},
        {AF_INET6, "[::1]"},
        {AF_INET6, "[0:0:0:0:0:0:0:1]"},
    };
    struct health *h = service_start(NULL);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(ways); i++) {
        char address[64], byte;
        int port, fd = listen_on(ways[i].family, 10, &port), accepted;
        json_t *doc;
        int ms;

        if (fd < 0) {
            assert_int_equal(ways[i].family, AF_INET6);
            print_message("SKIPPED: no IPv6 here\n");
            continue;
        }
        (void)snprintf(address, sizeof(address), "%s:%d", ways[i].host, port);
        add(h, health_check_connect, address, LONG_MS);
        assert_passes(h);
        /* The connection is closed at once. */
        accepted = accept(fd, NULL, NULL);
        assert_true(accepted >= 0);
        assert_int_equal(recv(accepted, &byte, 1, 0), 0);
        (void)close(accepted);

        (void)close(fd);
        doc = look(h, "fail", &ms);
        assert_non_null(strstr(document_output(doc, "it"), address));
        assert_non_null(strstr(document_output(doc, "it"), ": Connection refused"));
        document_free(doc);
        assert_accepted(health_remove(h, "it"));
    }
    service_end(h);
}

static void it_can_be_asked_of_our_own_port(void **state)
{
    struct health *h = service_start(NULL);
    char address[64];

    (void)state;
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", service_port(h));
    add(h, health_check_connect, address, LONG_MS);
    assert_passes(h);
    service_end(h);
}

/* Connects without waiting.  Returns: the descriptor; *ret_done: whether it is connected. */
static int connect_soon(int port, bool *ret_done)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct pollfd wait = {.fd = fd, .events = POLLOUT};

    assert_true(fd >= 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *ret_done = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || poll(&wait, 1, 100) == 1;
    return fd;
}

static atomic_bool calm;

/* As a service that gives up its rights for a moment, again and again: the C library interrupts
 * each thread of the process, whatever signals it blocks. */
static void *disturb(void *unused)
{
    while (!atomic_load(&calm)) {
        (void)seteuid(geteuid());
        asking_pause(20);
    }
    return unused;
}

/* An accept loop that is stuck: the backlog is full. */
static void one_that_accepts_no_more_fails_in_time(void **state)
{
    pthread_t thread;
    struct health *h = service_start(NULL);
    int port = 0, fd = listen_on(AF_INET, 1, &port), fds[16], ms;
    size_t count = 0, i;
    char address[64], expected[128];
    bool done = true;
    json_t *doc;

    (void)state;
    assert_true(fd >= 0);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    add(h, health_check_connect, address, TIMEOUT_MS);
    while (done && count < COUNT(fds))
        fds[count++] = connect_soon(port, &done);
    assert_false(done);
    atomic_store(&calm, false);
    assert_int_equal(pthread_create(&thread, NULL, disturb, NULL), 0);
    doc = look(h, "fail", &ms);
    atomic_store(&calm, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_between(ms, WAIT_MS - SLACK_MS / 4, TIMEOUT_MS + SLACK_MS);
    (void)snprintf(expected, sizeof(expected), "%s: Connection timed out", address);
    if (ms < TIMEOUT_MS)
        assert_check(doc, "it", "fail", expected);
    document_free(doc);
    for (i = 0; i < count; i++)
        (void)close(fds[i]);
    (void)close(fd);
    service_end(h);
}

static void what_is_no_address_is_said_so(void **state)
{
    static const char *const no_ports[] = {NULL, "", ":", "80", "localhost", "127.0.0.1",
        "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:00000", "127.0.0.1:65536", "127.0.0.1:99999",
        "127.0.0.1:18446744073709551697", "127.0.0.1:000080", "127.0.0.1:8x", "127.0.0.1:-1",
        "127.0.0.1: 80", "127.0.0.1:80 ", "[::1]", "[::1]80", "unix:/run/it.sock"};
    static const char *const no_hosts[] = {":80", " 127.0.0.1:80", "127.1:80", "1.2.3.4.5:80",
        "256.0.0.1:80", "::1:80", "[::1:80", "::1]:80", "[]:80", "[:80", "[127.0.0.1]:80",
        "[::1%lo]:80", "[[::1]]:80", "example.com:80", "LOCALHOST:80", "*:80",
        "http://127.0.0.1:80", "db.example.com:5432",
        "0000000000000000000000000000000000000000000000000000000000000000000000000000127.0.0.1:80"};
    struct health *h = service_start(NULL);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(no_ports) + COUNT(no_hosts); i++) {
        bool no_port = i < COUNT(no_ports);
        const char *address = no_port ? no_ports[i] : no_hosts[i - COUNT(no_ports)];
        char expected[160];
        json_t *doc;
        int ms;

        (void)snprintf(expected, sizeof(expected), "'%.64s': %s",
            address != NULL ? address : "NULL",
            no_port ? "there is no port from 1 to 65535"
                    : "the host is no IP address and not localhost; names are not resolved");
        add(h, health_check_connect, (void *)(uintptr_t)address, LONG_MS);
        doc = look(h, "fail", &ms);
        assert_check(doc, "it", "fail", expected);
        document_free(doc);
        assert_accepted(health_remove(h, "it"));
    }
    service_end(h);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, refused_count, refused_recount)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_free_mutex_passes_and_stays_free),
        TEST(a_mutex_held_for_ever_fails_in_time),
        TEST(one_held_briefly_is_waited_for),
        TEST(one_taken_again_and_again_is_had_in_between),
        TEST(where_the_clock_is_refused_it_is_tried),
        TEST(without_time_a_free_one_passes),
        TEST(no_mutex_fails),
        TEST(it_waits_by_the_monotonic_clock),
        TEST(one_that_accepts_passes),
        TEST(it_can_be_asked_of_our_own_port),
        TEST(one_that_accepts_no_more_fails_in_time),
        TEST(what_is_no_address_is_said_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
