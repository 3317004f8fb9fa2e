/*
 * A loop that is held up, and comes late to see what has happened: what has returned in time has
 * returned in time.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* serial */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "document.h"
#include "puppet.h"
#include "refused.h"
#include "service.h"

/* A callback's time, what it may take, and how long the loop is held up meanwhile. */
#define TAKES_MS 50
#define LIMIT_MS 400
#define HELD_MS  800

/* ---- fork() ---- */

/* In a fork() the loop waits, so that nothing in the child is half done.  This one takes long: it
 * was registered before the library's handlers, and so is called when they have been. */
static atomic_int hold_ms;

static void prepare(void)
{
    asking_pause(atomic_load(&hold_ms));
}

__attribute__((constructor(101))) static void come_first(void)
{
    (void)pthread_atfork(prepare, NULL, NULL);
}

static void fork_for(int ms)
{
    int status;
    pid_t child;

    atomic_store(&hold_ms, ms);
    child = fork();
    if (child == 0)
        _exit(0);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    atomic_store(&hold_ms, 0);
}

static struct health *start(void)
{
    struct health_options options = HEALTH_OPTIONS_INIT;

    options.response_ms = 60000;
    return service_start(&options);
}

static void add(struct health *h, struct puppet *p, const char *name, unsigned timeout_ms)
{
    struct health_check check;

    puppet_init(p);
    check = puppet_check(p, name);
    check.timeout_ms = timeout_ms;
    check.max_age_ms = 60000;
    assert_accepted(health_add_check(h, &check));
}

static void a_run_takes_until_its_callback_returns(void **state)
{
    static struct puppet p;
    struct health *h = start();
    struct client waiting;
    json_t *doc;

    (void)state;
    add(h, &p, "db", LIMIT_MS);
    puppet_takes(&p, TAKES_MS);
    asking_begin(&waiting, service_port(h), "/health");
    assert_true(puppet_wait_begun(&p, 1, LONG_MS));
    fork_for(HELD_MS);
    assert_int_equal(asking_end(&waiting, LONG_MS, &doc), 200);
    assert_check(doc, "db", "pass", NULL);
    document_free(doc);
    service_end(h);
}

static void one_that_takes_too_long_has_taken_too_long(void **state)
{
    static struct puppet p;
    struct health *h = start();
    struct client waiting;
    json_t *doc;

    (void)state;
    add(h, &p, "db", TAKES_MS);
    puppet_takes(&p, LIMIT_MS);
    asking_begin(&waiting, service_port(h), "/health");
    assert_true(puppet_wait_begun(&p, 1, LONG_MS));
    fork_for(HELD_MS);
    assert_int_equal(asking_end(&waiting, LONG_MS, &doc), 503);
    document_free(doc);
    service_end(h);
}

/* ---- health_stop() ---- */

static void *let_go_soon(void *arg)
{
    asking_pause(100);
    puppet_let_go(arg);
    return NULL;
}

/* The loop has ended, and nobody but health_stop() itself looks who has returned. */
static void a_stop_names_a_callback_that_runs(void **state)
{
    static struct puppet first, second;
    struct client waiting;
    struct health *h = start();
    pthread_t thread;

    (void)state;
    add(h, &first, "first", 60000);
    add(h, &second, "second", 60000);
    puppet_hold(&first);
    puppet_hold(&second);
    asking_begin(&waiting, service_port(h), "/health");
    assert_true(puppet_wait_begun(&first, 1, LONG_MS));
    assert_true(puppet_wait_begun(&second, 1, LONG_MS));
    assert_int_equal(pthread_create(&thread, NULL, let_go_soon, &first), 0);
    assert_refused(health_stop(h, 2000), HEALTH_EBUSY, EBUSY, "'second'");
    assert_int_equal(pthread_join(thread, NULL), 0);
    client_close(&waiting);
    puppet_let_go(&second);
    assert_accepted(health_stop(h, LONG_MS));
    health_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_takes_until_its_callback_returns),
        cmocka_unit_test(one_that_takes_too_long_has_taken_too_long),
        cmocka_unit_test(a_stop_names_a_callback_that_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
