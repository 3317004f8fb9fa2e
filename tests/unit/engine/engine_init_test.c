/*
 * An engine that cannot be made, for want of memory, locks or a way to be told of forks: it says
 * so, and leaves nothing behind.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: calloc pthread_mutex_init pthread_cond_init pthread_cond_destroy health__fork_join */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_observer.h"
#include "fake_server.h"
#include "jobs.h"
#include "refused.h"

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __real_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes);
int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes);
int __real_pthread_cond_destroy(pthread_cond_t *cond);
int __wrap_pthread_cond_destroy(pthread_cond_t *cond);
int __real_health__fork_join(struct health__fork_part *part);
int __wrap_health__fork_join(struct health__fork_part *part);

static bool no_memory;
static int fork_error;
static int lock_error;      /* with what one is not made */
static int locks_left = -1; /* how many locks can be made; negative: any */
static int conds;           /* condition variables made, and not destroyed */

void *__wrap_calloc(size_t count, size_t size)
{
    return no_memory ? NULL : __real_calloc(count, size);
}

int __wrap_health__fork_join(struct health__fork_part *part)
{
    return fork_error != 0 ? fork_error : __real_health__fork_join(part);
}

static bool no_lock(void)
{
    if (locks_left == 0)
        return true;
    locks_left--;
    return false;
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    return no_lock() ? lock_error : __real_pthread_mutex_init(mutex, attributes);
}

int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes)
{
    if (no_lock())
        return lock_error;
    conds++;
    return __real_pthread_cond_init(cond, attributes);
}

int __wrap_pthread_cond_destroy(pthread_cond_t *cond)
{
    conds--;
    return __real_pthread_cond_destroy(cond);
}

static struct health__engine engine;
static struct health__gates gates;
static struct fake_server server;
static struct fake_observer observer;
static int gone;

static int init(void)
{
    memset(&engine, 0, sizeof(engine));
    fake_server_init(&server);
    fake_observer_init(&observer);
    gone = 0;
    return health__engine_init(&engine, &gates, &server.server, &observer.observer, 800, 4);
}

static void be_gone(void *arg)
{
    count_up(arg);
}

static void without_knowing_of_forks_there_is_none(void **unused)
{
    (void)unused;
    fork_error = ENOMEM;
    assert_refused(init(), HEALTH_ENOMEM, ENOMEM, "memory");
    fork_error = EAGAIN;
    assert_refused(init(), HEALTH_ESYSTEM, EAGAIN, "locks");
    fork_error = 0;
    assert_int_equal(conds, 0);
}

static void without_memory_there_is_none(void **unused)
{
    (void)unused;
    no_memory = true;
    assert_refused(init(), HEALTH_ENOMEM, ENOMEM, "memory");
    no_memory = false;
    assert_int_equal(conds, 0);
}

static void without_locks_there_is_none(void **unused)
{
    int left;

    (void)unused;
    /* turn, mutex, ended, and the pool's three. */
    for (left = 0; left < 6; left++) {
        locks_left = left;
        lock_error = EAGAIN;
        assert_refused(init(), HEALTH_ESYSTEM, EAGAIN, "locks");
        assert_int_equal(conds, 0);
        locks_left = left;
        lock_error = ENOMEM;
        assert_refused(init(), HEALTH_ENOMEM, ENOMEM, "memory");
        assert_int_equal(conds, 0);
    }
    locks_left = 6;
    assert_accepted(init());
    assert_int_equal(conds, 3);
    locks_left = -1;
    assert_int_equal(health__engine_free(&engine, be_gone, &gone), 0);
    assert_int_equal(gone, 1);
    assert_int_equal(conds, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, refused_count, refused_recount)
    const struct CMUnitTest tests[] = {
        TEST(without_knowing_of_forks_there_is_none),
        TEST(without_memory_there_is_none),
        TEST(without_locks_there_is_none),
    };

    jobs_first_thread();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
