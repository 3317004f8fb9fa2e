/*
 * Gates: what the service says of itself is what the next request is told, whoever says it: any
 * thread, a signal handler, and also before there is an instance.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "document.h"
#include "process.h"
#include "puppet.h"
#include "refused.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Asking on a connection that stays ---- */

static void keep(struct client *c, struct health *h)
{
    assert_int_equal(client_open(c, "127.0.0.1", service_port(h)), 0);
}

static int status_on(struct client *c, const char *target)
{
    struct response r;
    int status;

    assert_int_equal(client_print(c, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", target), 0);
    assert_int_equal(client_read(c, false, &r, client_deadline(LONG_MS)), CLIENT_OK);
    status = r.status;
    response_free(&r);
    return status;
}

/* ---- At once ---- */

#define ALTERNATIONS 1000

static void the_next_request_sees_the_ready_gate(void **state)
{
    struct health *h = service_start(NULL);
    struct client c;
    int i;

    (void)state;
    keep(&c, h);
    for (i = 0; i < ALTERNATIONS; i++) {
        int code = i % 2 ? 200 : 503;

        health_set_ready(h, i % 2 != 0);
        assert_int_equal(status_on(&c, "/ready"), code);
        if (i % 5 == 0 || i % 5 == 3)
            assert_int_equal(client_status(service_port(h), i % 5 ? "/" : "/ready"), code);
        if (i % 100 < 2) {
            assert_int_equal(status_on(&c, "/live"), 200);
            assert_int_equal(status_on(&c, "/health"), 200);
            assert_int_equal(status_on(&c, "/startup"), 200);
        }
    }
    client_close(&c);
    service_end(h);
}

/* /health counts the started gate, and latches nothing. */
static void the_next_request_sees_the_started_gate(void **state)
{
    struct health *h = service_start(NULL);
    struct client c;
    int i;

    (void)state;
    keep(&c, h);
    for (i = 0; i < ALTERNATIONS; i++) {
        int code = i % 2 ? 200 : 503;

        health_set_started(h, i % 2 != 0);
        assert_int_equal(status_on(&c, "/health"), code);
        if (i % 5 == 0 || i % 5 == 3)
            assert_int_equal(client_status(service_port(h), "/health"), code);
        if (i % 100 == 0) {
            assert_int_equal(status_on(&c, "/startup"), 503);
            assert_int_equal(status_on(&c, "/ready"), 503);
            assert_int_equal(status_on(&c, "/live"), 200);
        }
    }
    client_close(&c);
    service_end(h);
}

static void draining_is_seen_at_once_and_ends_with_a_stop(void **state)
{
    struct health *h = service_start(NULL);
    struct client c;
    int i, port;

    (void)state;
    for (i = 0; i < 25; i++) {
        port = service_port(h);
        keep(&c, h);
        assert_int_equal(status_on(&c, "/ready"), 200);
        health_drain(h);
        assert_int_equal(i % 2 ? status_on(&c, "/ready") : client_status(port, "/ready"), 503);
        assert_int_equal(i % 2 ? client_status(port, "/") : status_on(&c, "/"), 503);
        assert_int_equal(status_on(&c, "/live"), 200);
        assert_int_equal(client_status(port, "/live"), 200);
        client_close(&c);
        assert_accepted(health_stop(h, LONG_MS));
        assert_accepted(health_start(h));
    }
    service_end(h);
}

static void the_listener_answers_until_the_stop(void **state)
{
    struct health *h = service_start(NULL);
    int port = service_port(h), i;
    struct client c;
    json_t *doc;

    (void)state;
    health_drain(h);
    for (i = 0; i < 20; i++) {
        assert_int_equal(client_status(port, "/ready"), 503);
        assert_int_equal(client_status(port, "/live"), 200);
        doc = document_get(port, "/health", 200);
        assert_true(document_gate(doc, "draining"));
        document_free(doc);
        asking_pause(10);
    }
    /* No word of the others takes it back. */
    health_set_ready(h, true);
    health_set_started(h, true);
    assert_int_equal(client_status(port, "/ready"), 503);
    assert_accepted(health_stop(h, LONG_MS));
    assert_int_equal(client_open(&c, "127.0.0.1", port), -1);
    assert_int_equal(errno, ECONNREFUSED);
    client_close(&c);
    health_free(h);
}

static struct puppet slow;

static void who_waits_meanwhile_sees_it_too(void **state)
{
    struct health *h = service_start(NULL);
    struct client ready, live;
    struct health_check check;
    json_t *doc;

    (void)state;
    puppet_init(&slow);
    puppet_hold(&slow);
    check = puppet_check(&slow, "slow");
    check.probes = HEALTH_READY | HEALTH_LIVE;
    check.timeout_ms = 60000;
    assert_accepted(health_add_check(h, &check));
    asking_begin(&ready, service_port(h), "/ready");
    asking_begin(&live, service_port(h), "/live");
    assert_true(puppet_wait_begun(&slow, 1, LONG_MS));
    health_drain(h);
    puppet_let_go(&slow);
    assert_int_equal(asking_end(&ready, LONG_MS, &doc), 503);
    assert_true(document_gate(doc, "draining"));
    document_free(doc);
    assert_int_equal(asking_end(&live, LONG_MS, NULL), 200);
    service_end(h);
}

/* ---- All states ---- */

static int code(bool passes)
{
    return passes ? 200 : 503;
}

/* What is answered, by the table of docs/design.md; `boot` is the one check, for startup. */
static void assert_answers(
    struct health *h, bool started, bool ready, bool draining, bool latched, bool boot)
{
    static const char *const targets[] = {"/live", "/startup", "/ready", "/", "/health"};
    int codes[5], port = service_port(h);
    size_t i;

    started |= latched;
    codes[0] = 200;
    codes[1] = code(latched || (started && boot));
    codes[2] = codes[3] = code(started && ready && !draining && (latched || boot));
    codes[4] = code(started && boot);
    for (i = 0; i < COUNT(targets); i++) {
        json_t *doc = document_get(port, targets[i], codes[i]);

        assert_int_equal(document_gate(doc, "started"), started);
        assert_int_equal(document_gate(doc, "ready"), ready);
        assert_int_equal(document_gate(doc, "draining"), draining);
        document_free(doc);
    }
}

static void all_states_of_the_gates(void **state)
{
    unsigned bits;

    (void)state;
    for (bits = 0; bits < 16; bits++) {
        struct health *h = service_start(NULL);
        bool started = bits & 1, ready = bits & 2, draining = bits & 4, latched = bits & 8;

        service_add_pushed(h, "boot", HEALTH_STARTUP);
        if (latched) {
            assert_accepted(health_report(h, "boot", HEALTH_PASS, NULL));
            assert_int_equal(client_status(service_port(h), bits % 2 ? "/startup" : "/ready"), 200);
        }
        health_set_ready(h, ready);
        health_set_started(h, started);
        if (draining)
            health_drain(h);
        assert_accepted(health_report(h, "boot", HEALTH_FAIL, "cold"));
        assert_answers(h, started, ready, draining, latched, false);
        /* Where the gate is open, this is what latches it. */
        if (!started || latched) {
            assert_accepted(health_report(h, "boot", HEALTH_PASS, NULL));
            assert_answers(h, started, ready, draining, latched, true);
        }
        service_end(h);
    }
}

static void the_latch_holds_whoever_shakes_it(void **state)
{
    struct health *h = service_start(NULL);
    int i;

    (void)state;
    health_set_started(h, false);
    service_add_pushed(h, "boot", HEALTH_STARTUP);
    assert_accepted(health_report(h, "boot", HEALTH_PASS, NULL));
    assert_int_equal(client_status(service_port(h), "/startup"), 503);
    health_set_started(h, true);
    assert_int_equal(client_status(service_port(h), "/startup"), 200);
    for (i = 0; i < 50; i++) {
        health_set_started(h, i % 2 != 0);
        assert_accepted(health_report(h, "boot", (enum health_status)(i % 3), NULL));
        assert_int_equal(client_status(service_port(h), "/startup"), 200);
        assert_int_equal(client_status(service_port(h), "/ready"), 200);
        if (i == 25) {
            assert_accepted(health_stop(h, LONG_MS));
            assert_accepted(health_start(h));
        }
    }
    service_end(h);
}

/* ---- From signal handlers ---- */

static struct health *of_the_handler;
static _Atomic(bool) said_by_the_handler;

static void set_in_a_handler(int signal_number)
{
    (void)signal_number;
    health_set_ready(of_the_handler, atomic_load(&said_by_the_handler));
    health_set_started(of_the_handler, true);
}

static void drain_in_a_handler(int signal_number)
{
    (void)signal_number;
    health_drain(of_the_handler);
}

static void handle(int signal_number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    assert_int_equal(sigaction(signal_number, &action, NULL), 0);
}

static void observe_nothing(const struct health_change *change, void *arg)
{
    (void)change;
    (void)arg;
}

#define RAISES 300

static void *raise_often(void *arg)
{
    intptr_t failed = 0;
    int i;

    (void)arg;
    for (i = 0; i < RAISES; i++) {
        errno = 4242;
        failed |= raise(SIGUSR1) != 0 || errno != 4242;
    }
    return (void *)failed;
}

/* With `observed`, the handlers wake the loop. */
static void raise_in_threads(bool observed)
{
    struct health *h = of_the_handler = service_start(NULL);
    pthread_t threads[6];
    void *failed;
    size_t i;

    if (observed)
        assert_accepted(health_on_change(h, observe_nothing, NULL));
    handle(SIGUSR1, set_in_a_handler);
    for (i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, raise_often, NULL), 0);
    for (i = 0; i < 50; i++) {
        int got;

        atomic_store(&said_by_the_handler, i % 2 == 0);
        got = client_status(service_port(h), "/ready");
        assert_true(got == 200 || got == 503);
    }
    for (i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    for (i = 0; i < 100; i++) {
        atomic_store(&said_by_the_handler, i % 2 == 0);
        assert_int_equal(raise(SIGUSR1), 0);
        assert_int_equal(client_status(service_port(h), "/ready"), i % 2 ? 503 : 200);
    }
    handle(SIGUSR1, SIG_DFL);
    service_end(h);
}

static void a_handler_in_any_thread_may_set_them(void **state)
{
    (void)state;
    raise_in_threads(false);
}

static void a_handler_may_wake_the_loop(void **state)
{
    (void)state;
    raise_in_threads(true);
}

static atomic_bool enough;

/* Is inside of the library most of the time, with its locks. */
static void *use_the_library(void *arg)
{
    struct health_check check = HEALTH_CHECK_INIT;
    intptr_t failed = 0;

    (void)arg;
    check.name = "comes and goes";
    check.probes = HEALTH_ALL;
    while (!atomic_load(&enough)) {
        failed |= health_add_check(of_the_handler, &check) != 0;
        failed |= health_report(of_the_handler, check.name, HEALTH_WARN, "%s", "so") != 0;
        failed |= health_document(of_the_handler, HEALTH_READY, NULL, 0, NULL, NULL) != 0;
        failed |= health_remove(of_the_handler, check.name) != 0;
    }
    return (void *)failed;
}

static void a_handler_may_interrupt_the_library(void **state)
{
    struct health *h = of_the_handler = service_start(NULL);
    pthread_t thread;
    void *failed;
    int i;

    (void)state;
    assert_accepted(health_on_change(h, observe_nothing, NULL));
    handle(SIGUSR1, set_in_a_handler);
    atomic_store(&enough, false);
    assert_int_equal(pthread_create(&thread, NULL, use_the_library, NULL), 0);
    for (i = 0; i < 2000; i++) {
        atomic_store(&said_by_the_handler, i % 2 != 0);
        assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
        if (i % 20 == 0)
            asking_pause(1);
    }
    atomic_store(&enough, true);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    handle(SIGUSR1, drain_in_a_handler);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(client_status(service_port(h), "/ready"), 503);
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    handle(SIGUSR1, SIG_DFL);
    service_end(h);
}

/* ---- Before there is an instance: in children, as there is only one process-wide one ---- */

enum first { FIRST_STARTED, FIRST_READY, FIRST_DRAIN, FIRST_HANDLER, FIRSTS };

static int say_first(struct process *self, void *arg)
{
    enum first first = *(enum first *)arg;
    struct sigaction action = {.sa_handler = drain_in_a_handler};
    int port;

    (void)self;
    of_the_handler = NULL;
    if (first == FIRST_STARTED)
        health_set_started(NULL, false);
    else if (first == FIRST_READY)
        health_set_ready(NULL, false);
    else if (first == FIRST_DRAIN)
        health_drain(NULL);
    else
        PROCESS_CHECK(sigaction(SIGTERM, &action, NULL) == 0 && raise(SIGTERM) == 0);

    PROCESS_CHECK(health_serve(0) == 0);
    port = health_port(NULL);
    PROCESS_CHECK(client_try_status(port, "/ready") == 503);
    PROCESS_CHECK(client_try_status(port, "/live") == 200);
    PROCESS_CHECK(client_try_status(port, "/startup") == (first == FIRST_STARTED ? 503 : 200));
    PROCESS_CHECK(client_try_status(port, "/health") == (first == FIRST_STARTED ? 503 : 200));
    health_set_started(NULL, true);
    health_set_ready(NULL, true);
    PROCESS_CHECK(client_try_status(port, "/ready") == (first >= FIRST_DRAIN ? 503 : 200));
    PROCESS_CHECK(health_stop(NULL, LONG_MS) == 0);
    PROCESS_CHECK(health_serve(0) == 0);
    PROCESS_CHECK(client_try_status(health_port(NULL), "/ready") == 200);
    PROCESS_CHECK(health_stop(NULL, LONG_MS) == 0);
    return 0;
}

static void they_are_there_before_the_instance(void **state)
{
    struct process child;
    int first;

    (void)state;
    for (first = 0; first < FIRSTS; first++) {
        enum first arg = (enum first)first;

        assert_int_equal(process_start(&child, say_first, &arg), 0);
        assert_int_equal(process_end(&child), 0);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, refused_count, refused_recount)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_are_there_before_the_instance),
        TEST(the_next_request_sees_the_ready_gate),
        TEST(the_next_request_sees_the_started_gate),
        TEST(draining_is_seen_at_once_and_ends_with_a_stop),
        TEST(the_listener_answers_until_the_stop),
        TEST(who_waits_meanwhile_sees_it_too),
        TEST(all_states_of_the_gates),
        TEST(the_latch_holds_whoever_shakes_it),
        TEST(a_handler_in_any_thread_may_set_them),
        TEST(a_handler_may_wake_the_loop),
        TEST(a_handler_may_interrupt_the_library),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
