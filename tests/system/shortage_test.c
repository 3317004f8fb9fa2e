/*
 * A system without threads or descriptors to give: what cannot be done says so and leaves nothing
 * behind, and is done once there are some again.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: pthread_create */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

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

static atomic_bool no_threads;

/* How often a thread was wanted in vain. */
static atomic_uint in_vain;

int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);

int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg)
{
    if (!atomic_load(&no_threads))
        return __real_pthread_create(thread, attributes, run, arg);
    atomic_fetch_add(&in_vain, 1);
    return EAGAIN;
}

static struct health *make(void)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;

    options.listen = "127.0.0.1:0";
    options.response_ms = 200;
    assert_accepted(health_new(&h, &options));
    return h;
}

static void without_a_thread_it_does_not_start(void **state)
{
    struct health *h = make();
    int descriptors = process_descriptors(0);

    (void)state;
    atomic_store(&no_threads, true);
    assert_refused(health_start(h), HEALTH_ESYSTEM, EAGAIN, NULL);
    assert_refused(health_start(h), HEALTH_ESYSTEM, EAGAIN, NULL);
    atomic_store(&no_threads, false);
    assert_int_equal(process_descriptors(0), descriptors);
    assert_int_equal(health_port(h), HEALTH_ESTOPPED);
    assert_refused(health_stop(h, 0), HEALTH_ESTOPPED, 0, NULL);
    assert_accepted(health_start(h));
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    service_end(h);
}

static void without_descriptors_it_does_not_start(void **state)
{
    struct rlimit before, none;
    struct health *h = make();
    int descriptors = process_descriptors(0), left;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    /* One more each time, until there are enough. */
    for (left = 0; left < 20; left++) {
        none.rlim_cur = (rlim_t)descriptors + (rlim_t)left;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        errno = 0;
        if (health_start(h) == 0)
            break;
        assert_int_equal(errno, EMFILE);
        assert_true(health_last_error()[0] != '\0');
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(process_descriptors(0), descriptors);
        assert_int_equal(health_port(h), HEALTH_ESTOPPED);
    }
    assert_between(left, 3, 19);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    service_end(h);
}

static void without_a_worker_checks_say_so_until_there_is_one(void **state)
{
    static struct puppet p;
    struct health_check check;
    struct health *h = make();
    unsigned tried;
    int64_t used;
    json_t *doc;

    (void)state;
    puppet_init(&p);
    check = puppet_check(&p, "db");
    check.timeout_ms = 1000;
    assert_accepted(health_add_check(h, &check));
    assert_accepted(health_start(h));
    atomic_store(&no_threads, true);
    atomic_store(&in_vain, 0);

    doc = document_get(service_port(h), "/ready", 503);
    assert_check(doc, "db", "fail", "no result yet");
    document_free(doc);
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    asking_pause(1000);
    doc = document_get(service_port(h), "/ready", 503);
    assert_output_since(doc, "db", "not started since ", ": no free worker");
    document_free(doc);

    /* It tries again, and again is not all the time. */
    used = process_cpu_us(0);
    tried = atomic_load(&in_vain);
    asking_pause(500);
    assert_true(atomic_load(&in_vain) > tried);
    assert_true(atomic_load(&in_vain) < tried + 100);
    if (!process_is_slow())
        assert_between(process_cpu_us(0) - used, 0, 250000);

    atomic_store(&no_threads, false);
    document_free(asking_until(service_port(h), "/ready?verbose", "db", "pass", LONG_MS));
    service_end(h);
    assert_int_equal(puppet_released(&p), 1);
    assert_int_equal(puppet_most(&p), 1);
}

static void without_a_worker_release_is_left_to_the_stop(void **state)
{
    static struct puppet p, other;
    struct health_check check;
    struct health *h = make();

    (void)state;
    puppet_init(&p);
    puppet_init(&other);
    check = puppet_check(&p, "db");
    assert_accepted(health_add_check(h, &check));
    check = puppet_check(&other, "queue");
    assert_accepted(health_add_check(h, &check));
    assert_accepted(health_start(h));
    atomic_store(&no_threads, true);
    assert_int_equal(client_status(service_port(h), "/ready"), 503);
    /* One that waits for its run, which is taken back. */
    assert_accepted(health_remove(h, "db"));
    document_free(asking_until(service_port(h), "/health", "db", NULL, LONG_MS));
    assert_int_equal(puppet_released(&p), 0);
    assert_accepted(health_stop(h, LONG_MS));
    assert_int_equal(puppet_released(&p), 1);
    assert_int_equal(puppet_released(&other), 0);
    health_free(h);
    atomic_store(&no_threads, false);
    assert_int_equal(puppet_released(&p), 1);
    assert_int_equal(puppet_released(&other), 1);
    assert_int_equal(puppet_begun(&p) + puppet_begun(&other), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, refused_count, refused_recount)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_thread_it_does_not_start),
        TEST(without_descriptors_it_does_not_start),
        TEST(without_a_worker_checks_say_so_until_there_is_one),
        TEST(without_a_worker_release_is_left_to_the_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
