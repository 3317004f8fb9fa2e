/*
 * pthread_cancel() of the host's threads while they are in the library: what they were about to do
 * is done, no lock stays locked, and probes are answered.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "process.h"
#include "puppet.h"
#include "refused.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct health *h;
static struct puppet slow;

static int open_service(void **state)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check;

    (void)state;
    options.response_ms = 60000;
    h = service_start(&options);
    puppet_init(&slow);
    check = puppet_check(&slow, "slow");
    check.timeout_ms = 60000;
    assert_accepted(health_add_check(h, &check));
    service_add_pushed(h, "queue", 0);
    return 0;
}

static int close_service(void **state)
{
    (void)state;
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    puppet_let_go(&slow);
    service_end(h);
    return 0;
}

/* ---- Cancelled while it waits ---- */

static void *ask_for_document(void *arg)
{
    enum health_status status = HEALTH_FAIL;
    int error = health_document(h, HEALTH_READY, NULL, 0, NULL, &status);

    *(int *)arg = error;
    pthread_testcancel();
    return NULL;
}

static void *remove_slow(void *arg)
{
    *(int *)arg = health_remove(h, "slow");
    pthread_testcancel();
    return NULL;
}

static void *stop_it(void *arg)
{
    *(int *)arg = health_stop(h, 60000);
    pthread_testcancel();
    return NULL;
}

/* It goes on to the end, and is cancelled after it.  Returns: what the function returned. */
static int cancel_in_the_middle(void *(*run)(void *))
{
    struct client waiting;
    pthread_t thread;
    void *ended;
    int returned = 1;

    puppet_hold(&slow);
    asking_begin(&waiting, service_port(h), "/health/slow");
    assert_true(puppet_wait_begun(&slow, 1, LONG_MS));
    assert_int_equal(pthread_create(&thread, NULL, run, &returned), 0);
    asking_pause(100);
    assert_int_equal(pthread_cancel(thread), 0);
    asking_pause(50);
    puppet_let_go(&slow);
    assert_int_equal(pthread_join(thread, &ended), 0);
    assert_ptr_equal(ended, PTHREAD_CANCELED);
    client_close(&waiting);
    return returned;
}

static void while_it_waits_for_a_document(void **state)
{
    (void)state;
    assert_int_equal(cancel_in_the_middle(ask_for_document), 0);
}

static void while_it_waits_for_a_removal(void **state)
{
    (void)state;
    assert_int_equal(cancel_in_the_middle(remove_slow), 0);
    assert_int_equal(client_status(service_port(h), "/health/slow"), 404);
}

static void while_it_stops(void **state)
{
    (void)state;
    assert_int_equal(cancel_in_the_middle(stop_it), 0);
    assert_accepted(health_start(h));
}

/* ---- Cancelled already ---- */

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    return HEALTH_PASS;
}

static void told(const struct health_change *change, void *arg)
{
    (void)change;
    (void)arg;
}

static int add(void)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = "new";
    check.fn = pass;
    check.interval_ms = 60000;
    return health_add_check(h, &check);
}

static int remove_it(void)
{
    return health_remove(h, "new");
}

static int report(void)
{
    return health_report(h, "queue", HEALTH_PASS, NULL);
}

static int observe(void)
{
    return health_on_change(h, told, NULL);
}

static int set_gates(void)
{
    health_set_started(h, true);
    health_set_ready(h, true);
    return 0;
}

static int restart(void)
{
    int error = health_stop(h, LONG_MS);

    return error != 0 ? error : health_start(h);
}

static int make_and_free(void)
{
    struct health *other;
    int error = health_new(&other, NULL);

    if (error == 0)
        health_free(other);
    return error;
}

static void *run_cancelled(void *arg)
{
    int (*run)(void) = *(int (**)(void))arg;

    (void)pthread_cancel(pthread_self());
    return run() == 0 ? NULL : arg;
}

/* The next point of cancellation is none of the library's: each function returns. */
static void before_it_calls_anything(void **state)
{
    static int (*const runs[])(void) = {
        add, remove_it, report, observe, set_gates, report, restart, make_and_free};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(runs); i++) {
        int (*run)(void) = runs[i];
        pthread_t thread;
        void *ended;

        assert_int_equal(pthread_create(&thread, NULL, run_cancelled, &run), 0);
        assert_int_equal(pthread_join(thread, &ended), 0);
        assert_null(ended);
        assert_int_equal(client_status(service_port(h), "/live"), 200);
    }
}

/* What fails leaves the thread as it was, too. */
static void it_may_be_cancelled_afterwards(void **state)
{
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *stopped;
    int before;

    (void)state;
    assert_int_equal(health_new(&stopped, NULL), 0);
#define LEAVES(call)                                                                               \
    do {                                                                                           \
        assert_true((call) < 0);                                                                   \
        assert_int_equal(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before), 0);               \
        if (before != PTHREAD_CANCEL_ENABLE)                                                       \
            fail_msg("not after " #call);                                                          \
    } while (0)
    LEAVES(health_port(stopped));
    LEAVES(health_add_check(h, NULL));
    LEAVES(health_add_check(h, &check));
    check.size = 1;
    LEAVES(health_add_check(h, &check));
    LEAVES(health_register_check("none", NULL, NULL));
    LEAVES(health_remove(h, NULL));
    LEAVES(health_remove(h, "none"));
    LEAVES(health_report(h, NULL, HEALTH_PASS, NULL));
    LEAVES(health_report(h, "queue", (enum health_status)7, NULL));
    LEAVES(health_add_heartbeat(h, "b", 100, 0, NULL));
    LEAVES(health_document(h, 0, NULL, 0, NULL, NULL));
    LEAVES(health_stop(stopped, 0));
    LEAVES(health_start(h));
    LEAVES(health_serve(70000));
    health_free(stopped);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_service, close_service)
    const struct CMUnitTest tests[] = {
        TEST(while_it_waits_for_a_document),
        TEST(while_it_waits_for_a_removal),
        TEST(while_it_stops),
        TEST(before_it_calls_anything),
        TEST(it_may_be_cancelled_afterwards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
