/*
 * Callbacks that return when the test lets them.
 *
 * One mutex guards all counts and flags, one condition tells of all that happens: there is little,
 * and few wait.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "jobs.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#define PATIENCE_S 20

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static struct timespec deadline(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    t.tv_sec += PATIENCE_S;
    return t;
}

/* With the mutex held.  Returns: whether it was told of something in time. */
static bool wait_change(const struct timespec *until)
{
    return pthread_cond_timedwait(&changed, &mutex, until) != ETIMEDOUT;
}

void count_up(int *counter)
{
    (void)pthread_mutex_lock(&mutex);
    ++*counter;
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&mutex);
}

int count_of(const int *counter)
{
    int count;

    (void)pthread_mutex_lock(&mutex);
    count = *counter;
    (void)pthread_mutex_unlock(&mutex);
    return count;
}

void count_wait(const int *counter, int at_least)
{
    struct timespec until = deadline(CLOCK_REALTIME);
    int count;

    (void)pthread_mutex_lock(&mutex);
    while (*counter < at_least && wait_change(&until))
        ;
    count = *counter;
    (void)pthread_mutex_unlock(&mutex);
    if (count < at_least)
        fail_msg("waited in vain: %d, not %d", count, at_least);
}

void flag_set(bool *flag)
{
    (void)pthread_mutex_lock(&mutex);
    *flag = true;
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&mutex);
}

void flag_wait(const bool *flag)
{
    struct timespec until = deadline(CLOCK_REALTIME);
    bool set;

    (void)pthread_mutex_lock(&mutex);
    while (!*flag && wait_change(&until))
        ;
    set = *flag;
    (void)pthread_mutex_unlock(&mutex);
    if (!set)
        fail_msg("waited in vain for a flag");
}

void wait_until(bool (*is)(void *arg), void *arg)
{
    struct timespec until = deadline(CLOCK_MONOTONIC), now;

    while (!is(arg)) {
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > until.tv_sec)
            fail_msg("waited in vain");
        (void)sched_yield();
    }
}

/* With the mutex held: waits to be let, which never fails, as a callback is not where a test can:
 * after a while it goes on. */
static void wait_to_be_let(const struct job *job)
{
    struct timespec until = deadline(CLOCK_REALTIME);

    until.tv_sec += PATIENCE_S;
    while (!job->let && wait_change(&until))
        ;
}

enum health_status job_run(struct health_result *result, void *arg)
{
    struct job *job = arg;
    enum health_status status;

    (void)pthread_mutex_lock(&mutex);
    job->begun++;
    (void)pthread_cond_broadcast(&changed);
    wait_to_be_let(job);
    status = job->returns;
    if (job->says != NULL)
        (void)health_explain(result, status, "%s", job->says);
    job->ended++;
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&mutex);
    return status;
}

void job_release(void *arg)
{
    struct job *job = arg;

    (void)pthread_mutex_lock(&mutex);
    job->releasing++;
    (void)pthread_cond_broadcast(&changed);
    if (job->hold_release)
        wait_to_be_let(job);
    job->released++;
    (void)pthread_cond_broadcast(&changed);
    (void)pthread_mutex_unlock(&mutex);
}

void job_let(struct job *job)
{
    flag_set(&job->let);
}

static void *do_nothing(void *arg)
{
    return arg;
}

void jobs_first_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, do_nothing, NULL) == 0)
        (void)pthread_join(thread, NULL);
}

void jobs_forget(void)
{
    (void)pthread_mutex_init(&mutex, NULL);
    (void)pthread_cond_init(&changed, NULL);
}
