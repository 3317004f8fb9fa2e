/*
 * Start and stop, which move `life`, under the mutex:
 *
 *     STOPPED --start--> STARTED --stop--> STOPPING --all callbacks have returned--> STOPPED
 *                                             ^                  |
 *                                             +------stop----- STUCK  (a callback still runs)
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/life.h"

#include <errno.h>
#include <sched.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "engine/loop.h"
#include "engine/runs.h"

#define LOOP_STACK_BYTES ((size_t)128 << 10)

bool health__life_loop_runs(const struct health__engine *e)
{
    return e->life == HEALTH__STARTED || (e->life == HEALTH__STOPPING && !e->loop_ended);
}

int health__life_still_running(const char *name)
{
    return health__fail(HEALTH_EBUSY, EBUSY, "the callback of '%.128s' is still running", name);
}

static void wake_ready(struct health__source *source, unsigned what)
{
    struct health__engine *e = health__container(source, struct health__engine, wake);

    (void)what;
    /* In this order: what is sent from now on is received the next time.  And whoever found `woken`
     * set, and sent nothing, is heard: the exchange sees what he has left for the loop, as a store
     * would not. */
    health__fd_take_wake(&e->wake_receive);
    (void)atomic_exchange_explicit(&e->woken, false, memory_order_acq_rel);
}

/* With the mutex held: what the loop waits on. */
static int open_poller(struct health__engine *e)
{
    int cause;

    if (health__poller_open(&e->poller) != 0)
        goto err0;
    if (health__fd_pair(&e->wake_send, &e->wake_receive) != 0)
        goto err1;
    e->wake = (struct health__source){.ready = wake_ready, .fd = e->wake_receive.fd};
    if (health__poller_add(&e->poller, &e->wake, HEALTH__READABLE) != 0)
        goto err2;
    atomic_store(&e->woken, false);
    return 0;

err2:
    cause = errno;
    health__fd_close(&e->wake_send);
    health__fd_close(&e->wake_receive);
    errno = cause;
err1:
    cause = errno;
    health__poller_close(&e->poller);
    errno = cause;
err0:
    return health__fail_errno(HEALTH_ESYSTEM, errno, "no descriptors to wait on");
}

bool health__life_is_whole(struct health__engine *e)
{
    /* In this order: the host may have both numbers, and a set of its own with the other in it,
     * which is not to be changed. */
    return health__fd_is_ours(&e->wake_receive) && health__poller_has(&e->poller, &e->wake);
}

bool health__life_can_wake(const struct health__engine *e)
{
    return health__fd_is_ours(&e->wake_send) && health__fd_is_ours(&e->wake_receive);
}

void health__life_close_poller(struct health__engine *e)
{
    if (!health__life_is_whole(e))
        e->poller.fd = -1;
    /* Whoever sets a gate, in a signal handler perhaps, may be about to wake the loop. */
    atomic_store(&e->observed, false);
    while (atomic_load(&e->wakers) > 0)
        (void)sched_yield();
    health__fd_close(&e->wake_send);
    health__fd_close(&e->wake_receive);
    health__poller_close(&e->poller);
}

/* With the mutex held. */
static int start(struct health__engine *e, const char *listen)
{
    int error, cause;

    error = open_poller(e);
    if (error != 0)
        goto err0;
    error = e->server->start(e->server, &e->poller, listen);
    if (error != 0)
        goto err1;

    e->now = health__now_ms();
    e->loop_ended = e->lost = false;
    atomic_store(&e->stopping, false);
    health__mail_read_locked(e);
    health__runs_begin(e);
    e->observer->begin(e->observer, e->now);
    cause = health__thread_start(&e->thread, &e->loop, LOOP_STACK_BYTES);
    if (cause != 0) {
        error = health__fail_errno(HEALTH_ESYSTEM, cause, "no thread to answer on");
        goto err2;
    }
    e->life = HEALTH__STARTED;
    return 0;

err2:
    e->observer->end(e->observer);
    e->server->stop(e->server);
    health__runs_forget(e);
    errno = cause;
err1:
    cause = errno;
    health__life_close_poller(e);
    errno = cause;
err0:
    return error;
}

int health__engine_start(struct health__engine *e, const char *listen)
{
    int error;

    (void)pthread_mutex_lock(&e->mutex);
    switch (e->life) {
    case HEALTH__STOPPED:
        error = start(e, listen);
        break;
    case HEALTH__STARTED:
        error = health__fail(HEALTH_EALREADY, EALREADY, "the instance is started already");
        break;
    default:
        error = health__fail(HEALTH_EBUSY, EBUSY,
            "the instance is being stopped: health_stop() has not returned 0 yet");
    }
    (void)pthread_mutex_unlock(&e->mutex);
    return error;
}

void health__life_forget_server(struct health__engine *e, bool lost)
{
    e->server->forget(e->server, lost);
}

/*
 * With the mutex held: the host has closed our descriptors, and the loop may sleep for ever in a
 * set that has nothing in it any more.  It is left behind; should it wake, it ends without touching
 * a thing.
 *
 * Returns: false if it has found that out by itself, and is about to end, or has.
 */
static bool abandon_loop(struct health__engine *e)
{
    (void)pthread_mutex_unlock(&e->mutex);
    (void)pthread_mutex_lock(&e->turn);
    (void)pthread_mutex_lock(&e->mutex);
    if (e->lost) {
        (void)pthread_mutex_unlock(&e->turn);
        return false;
    }
    e->generation++;
    e->leaked = e->loop_ended = true;
    health__errands_refuse(e);
    (void)pthread_cond_broadcast(&e->ended);
    e->now = health__now_ms();
    health__life_forget_server(e, true);
    health__runs_answer(e, true);
    (void)pthread_mutex_unlock(&e->turn);
    (void)pthread_detach(e->thread);
    return true;
}

/* With the mutex held: ends the loop, for which the mutex is given up meanwhile. */
static void stop_loop(struct health__engine *e, int64_t deadline)
{
    e->stop_by = deadline;
    atomic_store_explicit(&e->stopping, true, memory_order_release);
    if (!health__life_can_wake(e) && abandon_loop(e))
        return;
    while (!e->loop_ended) {
        /* Again and again: the kernel may have no memory for it. */
        health__loop_wake(e);
        (void)health__cond_wait(&e->ended, &e->mutex, health__now_ms() + HEALTH__REWAKE_MS);
    }
    (void)pthread_mutex_unlock(&e->mutex);
    (void)pthread_join(e->thread, NULL);
    (void)pthread_mutex_lock(&e->mutex);
}

void health__life_become_stopped(struct health__engine *e, struct health__link *ret_dead)
{
    e->now = health__now_ms();
    health__runs_collect(e);
    health__mail_read_locked(e);
    health__runs_forget(e);
    health__mail_exhume(e, ret_dead);
    e->observer->end(e->observer);
    health__life_close_poller(e);
    health__gates_set(e->gates, HEALTH__DRAINING, false);
    e->life = HEALTH__STOPPED;
}

/* With the mutex held: what keeps the engine from stopping. */
static int stuck(struct health__engine *e)
{
    struct health__link *lists[] = {&e->checks, &e->leaving}, *link, *rest;
    size_t i;

    for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        health__list_each (link, rest, lists[i]) {
            struct health__check *check = HEALTH__LISTED(link);

            if (health__state_running(&check->state))
                return health__life_still_running(check->name);
            if (check->releasing)
                return health__fail(
                    HEALTH_EBUSY, EBUSY, "the release of '%.128s' is still running", check->name);
        }
    return health__fail(HEALTH_EBUSY, EBUSY, "the function of health_on_change() is still running");
}

/* With the mutex held, which is given up meanwhile: ends the workers.  Returns: false if one is
 * still in the host's code when the deadline has come. */
static bool stop_workers(struct health__engine *e, int64_t deadline)
{
    bool stopped;

    do {
        (void)pthread_mutex_unlock(&e->mutex);
        stopped = health__pool_stop(&e->pool, deadline);
        (void)pthread_mutex_lock(&e->mutex);
        /* Those that have returned in the last moment are not in anyone's way. */
        e->now = health__now_ms();
        health__runs_collect(e);
    } while (!stopped && e->jobs == 0);
    return stopped;
}

int health__engine_stop(struct health__engine *e, unsigned timeout_ms)
{
    int64_t deadline = health__now_ms() + timeout_ms;
    struct health__link dead;
    int error = 0;

    if (health__thread_is_ours())
        return health__fail(HEALTH_EDEADLK, EDEADLK,
            "a callback cannot stop the instance: it would wait for itself");
    health__list_init(&dead);
    (void)pthread_mutex_lock(&e->mutex);
    if (e->life == HEALTH__STOPPED) {
        error = health__fail(HEALTH_ESTOPPED, EINVAL, "the instance is not started");
        goto out;
    }
    if (e->life == HEALTH__STOPPING) {
        error = health__fail(HEALTH_EBUSY, EBUSY, "the instance is being stopped already");
        goto out;
    }
    if (e->life == HEALTH__STARTED) {
        e->life = HEALTH__STOPPING;
        stop_loop(e, deadline);
    }
    e->life = HEALTH__STOPPING;

    if (stop_workers(e, deadline)) {
        health__life_become_stopped(e, &dead);
    } else {
        e->life = HEALTH__STUCK;
        error = stuck(e);
    }
out:
    (void)pthread_mutex_unlock(&e->mutex);
    health__checks_release(&dead);
    return error;
}

bool health__engine_is_started(struct health__engine *e)
{
    bool started;

    (void)pthread_mutex_lock(&e->mutex);
    started = e->life == HEALTH__STARTED;
    (void)pthread_mutex_unlock(&e->mutex);
    return started;
}

/* ---- Gates ---- */

void health__engine_set_gate(struct health__engine *e, unsigned bit, bool on)
{
    unsigned wakers;

    health__gates_set(e->gates, bit, on);
    (void)atomic_fetch_add(&e->wakers, 1);
    if (atomic_load(&e->observed))
        health__loop_wake(e);
    /* Not below 0: a signal handler may have forked in between, and this be the child. */
    wakers = atomic_load(&e->wakers);
    while (wakers > 0 && !atomic_compare_exchange_weak(&e->wakers, &wakers, wakers - 1))
        ;
}
