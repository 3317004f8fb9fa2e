/*
 * The engine, from the first to the last, and across a fork().
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/engine.h"

#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "engine/life.h"
#include "engine/loop.h"
#include "engine/runs.h"

/* The wall clock is set and slewed; by less than this it has not moved. */
#define SAME_OFFSET_MS 10

/* ---- fork() ---- */

static struct health__engine *engine_of(struct health__fork_part *part)
{
    return health__container(part, struct health__engine, fork);
}

static void prepare(struct health__fork_part *part)
{
    struct health__engine *e = engine_of(part);

    (void)pthread_mutex_lock(&e->turn);
    (void)pthread_mutex_lock(&e->mutex);
    (void)pthread_mutex_lock(&e->pool.mutex);
}

static void in_parent(struct health__fork_part *part)
{
    struct health__engine *e = engine_of(part);

    (void)pthread_mutex_unlock(&e->pool.mutex);
    (void)pthread_mutex_unlock(&e->mutex);
    (void)pthread_mutex_unlock(&e->turn);
}

/* There is no thread of ours here: the instance is stopped, with its checks kept. */
static void in_child(struct health__fork_part *part)
{
    struct health__engine *e = engine_of(part);

    /* Whoever was setting a gate is not here. */
    atomic_store(&e->wakers, 0);
    if (e->life != HEALTH__STOPPED) {
        if (health__life_loop_runs(e))
            health__life_forget_server(e, !health__fd_is_ours(&e->wake_receive));
        health__runs_forget(e);
        e->observer->forget(e->observer);
        health__list_init(&e->errands);
        atomic_store(&e->has_errands, false);
        health__life_close_poller(e);
        health__gates_set(e->gates, HEALTH__DRAINING, false);
        e->life = HEALTH__STOPPED;
    }
    health__pool_forget(&e->pool);
    /* Whoever waited for the loop's end is not here; told all the same, it would be waited for. */
    (void)health__cond_init(&e->ended);
    /* A callback that forks is in no thread of ours here. */
    health__thread_forget();
    (void)pthread_mutex_unlock(&e->mutex);
    (void)pthread_mutex_unlock(&e->turn);
}

/* ---- From the first to the last ---- */

static void notify(void *arg)
{
    health__loop_wake(arg);
}

/* No thread of ours is left. */
static void destroy(struct health__engine *e)
{
    struct health__link dead, *link;

    health__fork_leave(&e->fork);
    health__mail_exhume(e, &dead);
    health__list_splice(&dead, &e->checks);
    health__checks_release(&dead);
    /* Those whose release a fork() has cut in two. */
    while ((link = health__list_take(&e->leaving)) != NULL)
        health__check_free(HEALTH__LISTED(link));
    health__registry_done(&e->registry);
    health__pool_done(&e->pool);
    if (e->leaked)
        return;
    (void)pthread_cond_destroy(&e->ended);
    (void)pthread_mutex_destroy(&e->mutex);
    (void)pthread_mutex_destroy(&e->turn);
    e->gone(e->gone_arg);
}

/* On the worker that ends last. */
static void abandoned(void *arg)
{
    struct health__engine *e = arg;
    struct health__link dead;

    (void)pthread_mutex_lock(&e->mutex);
    health__life_become_stopped(e, &dead);
    (void)pthread_mutex_unlock(&e->mutex);
    health__checks_release(&dead);
    destroy(e);
}

int health__engine_init(struct health__engine *e, struct health__gates *gates,
    struct health__server *server, struct health__observer *observer, int64_t response_ms,
    unsigned workers)
{
    int cause;

    e->response_ms = response_ms;
    e->gates = gates;
    e->server = server;
    e->observer = observer;
    e->settle_at = HEALTH__NEVER;
    e->life = HEALTH__STOPPED;
    e->poller.fd = e->wake_send.fd = e->wake_receive.fd = -1;
    e->mail_end = &e->mail;
    health__list_init(&e->errands);
    health__list_init(&e->changed);
    health__list_init(&e->checks);
    health__list_init(&e->leaving);
    health__list_init(&e->dead);
    health__list_init(&e->runs);
    health__list_init(&e->missed);
    health__list_init(&e->waiters);
    e->random = (uint64_t)health__now_us() | 1;
    e->loop = (struct health__thread){"health", health__loop, e};

    cause = ENOMEM;
    if (health__registry_init(&e->registry) != 0)
        goto err0;
    cause = pthread_mutex_init(&e->turn, NULL);
    if (cause != 0)
        goto err1;
    cause = pthread_mutex_init(&e->mutex, NULL);
    if (cause != 0)
        goto err2;
    cause = health__cond_init(&e->ended);
    if (cause != 0)
        goto err3;
    cause = health__pool_init(&e->pool, workers, notify, abandoned, e);
    if (cause != 0)
        goto err4;
    e->fork = (struct health__fork_part){prepare, in_parent, in_child, {NULL, NULL}};
    cause = health__fork_join(&e->fork);
    if (cause != 0)
        goto err5;
    return 0;

err5:
    health__pool_done(&e->pool);
err4:
    (void)pthread_cond_destroy(&e->ended);
err3:
    (void)pthread_mutex_destroy(&e->mutex);
err2:
    (void)pthread_mutex_destroy(&e->turn);
err1:
    health__registry_done(&e->registry);
err0:
    if (cause == ENOMEM)
        return health__fail_memory();
    return health__fail_errno(HEALTH_ESYSTEM, cause, "no locks to be had");
}

int health__engine_free(struct health__engine *e, void (*gone)(void *arg), void *arg)
{
    int error;

    e->gone = gone;
    e->gone_arg = arg;
    do {
        error = health__engine_stop(e, 0);
        if (error == HEALTH_EDEADLK)
            return error;
        if (error == HEALTH_EBUSY && health__pool_abandon(&e->pool))
            return 0;
    } while (error == HEALTH_EBUSY);
    (void)pthread_mutex_lock(&e->mutex);
    health__mail_read_locked(e);
    (void)pthread_mutex_unlock(&e->mutex);
    destroy(e);
    return 0;
}

/* ---- The loop ---- */

int64_t health__engine_wall_offset_ms(struct health__engine *e)
{
    int64_t offset = health__wall_offset_ms(), moved = offset - e->wall_offset_ms;

    if (moved >= SAME_OFFSET_MS || moved <= -SAME_OFFSET_MS)
        e->wall_offset_ms = offset;
    return e->wall_offset_ms;
}
