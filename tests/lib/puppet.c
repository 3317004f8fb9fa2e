/*
 * A check that does as the test says.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "puppet.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "client.h"

static void lock(struct puppet *p)
{
    (void)pthread_mutex_lock(&p->mutex);
}

static void unlock(struct puppet *p)
{
    (void)pthread_mutex_unlock(&p->mutex);
}

/* With the mutex held: something has changed. */
static void tell(struct puppet *p)
{
    (void)pthread_cond_broadcast(&p->changed);
}

/* With the mutex held: waits for a change.  Returns: false once the deadline has passed. */
static bool wait_by(struct puppet *p, int64_t deadline)
{
    struct timespec when = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};

    if (client_now_ms() >= deadline)
        return false;
    (void)pthread_cond_timedwait(&p->changed, &p->mutex, &when);
    return true;
}

void puppet_init(struct puppet *p)
{
    pthread_condattr_t attributes;

    memset(p, 0, sizeof(*p));
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&p->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    p->returns = HEALTH_PASS;
}

/* With the mutex held. */
static void begin(struct puppet *p)
{
    if (p->begun < PUPPET_TIMES)
        p->begun_at[p->begun] = client_now_ms();
    p->begun++;
    if (p->begun - p->ended > p->most)
        p->most = p->begun - p->ended;
    if (p->released > 0)
        p->late = true;
    tell(p);
}

/* With the mutex held. */
static void end(struct puppet *p)
{
    if (p->ended < PUPPET_TIMES)
        p->ended_at[p->ended] = client_now_ms();
    p->ended++;
    if (p->released > 0)
        p->late = true;
    tell(p);
}

static enum health_status run(struct health_result *result, void *arg)
{
    struct puppet *p = arg;
    void (*inside)(struct health_result * result, void *arg);
    void *inside_arg;
    const char *says;
    int64_t until;
    int returns;

    lock(p);
    begin(p);
    until = client_deadline(p->takes_ms);
    inside = p->inside;
    inside_arg = p->inside_arg;
    unlock(p);
    if (inside != NULL)
        inside(result, inside_arg);

    lock(p);
    while (p->held || wait_by(p, until)) {
        if (p->held)
            (void)pthread_cond_wait(&p->changed, &p->mutex);
    }
    returns = p->returns;
    says = p->says;
    if (says != NULL)
        (void)health_explain(result, HEALTH_PASS, "%s", says);
    end(p);
    unlock(p);
    return (enum health_status)returns;
}

static void release(void *arg)
{
    struct puppet *p = arg;

    lock(p);
    p->released++;
    if (p->begun != p->ended)
        p->late = true;
    tell(p);
    unlock(p);
}

struct health_check puppet_check(struct puppet *p, const char *name)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = name;
    check.fn = run;
    check.arg = p;
    check.release = release;
    return check;
}

/* ---- What it does ---- */

void puppet_says(struct puppet *p, int returns, const char *says)
{
    lock(p);
    p->returns = returns;
    p->says = says;
    unlock(p);
}

void puppet_takes(struct puppet *p, int ms)
{
    lock(p);
    p->takes_ms = ms;
    unlock(p);
}

void puppet_calls(
    struct puppet *p, void (*inside)(struct health_result *result, void *arg), void *arg)
{
    lock(p);
    p->inside = inside;
    p->inside_arg = arg;
    unlock(p);
}

void puppet_hold(struct puppet *p)
{
    lock(p);
    p->held = true;
    unlock(p);
}

void puppet_let_go(struct puppet *p)
{
    lock(p);
    p->held = false;
    tell(p);
    unlock(p);
}

/* ---- What happened ---- */

static unsigned read_count(struct puppet *p, const unsigned *count)
{
    unsigned value;

    lock(p);
    value = *count;
    unlock(p);
    return value;
}

unsigned puppet_begun(struct puppet *p)
{
    return read_count(p, &p->begun);
}

unsigned puppet_ended(struct puppet *p)
{
    return read_count(p, &p->ended);
}

unsigned puppet_most(struct puppet *p)
{
    return read_count(p, &p->most);
}

unsigned puppet_released(struct puppet *p)
{
    return read_count(p, &p->released);
}

bool puppet_late(struct puppet *p)
{
    bool late;

    lock(p);
    late = p->late;
    unlock(p);
    return late;
}

static int64_t read_time(struct puppet *p, const int64_t *times, unsigned run_number)
{
    int64_t at;

    lock(p);
    at = run_number < PUPPET_TIMES ? times[run_number] : 0;
    unlock(p);
    return at;
}

int64_t puppet_begun_at(struct puppet *p, unsigned run_number)
{
    return read_time(p, p->begun_at, run_number);
}

int64_t puppet_ended_at(struct puppet *p, unsigned run_number)
{
    return read_time(p, p->ended_at, run_number);
}

static bool wait_count(struct puppet *p, const unsigned *count, unsigned least, int timeout_ms)
{
    int64_t deadline = client_deadline(timeout_ms);
    bool reached;

    lock(p);
    while (*count < least && wait_by(p, deadline))
        ;
    reached = *count >= least;
    unlock(p);
    return reached;
}

bool puppet_wait_begun(struct puppet *p, unsigned count, int timeout_ms)
{
    return wait_count(p, &p->begun, count, timeout_ms);
}

bool puppet_wait_ended(struct puppet *p, unsigned count, int timeout_ms)
{
    return wait_count(p, &p->ended, count, timeout_ms);
}

bool puppet_wait_released(struct puppet *p, unsigned count, int timeout_ms)
{
    return wait_count(p, &p->released, count, timeout_ms);
}
