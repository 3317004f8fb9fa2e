/*
 * The end of jobs that are removed, and of the workers.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/pool.h"

#include "base/clock.h"

int64_t health__pool_remove(struct health__pool *pool, struct health__job *job, bool *ended)
{
    int64_t queued_at = HEALTH__NOT_YET;

    (void)pthread_mutex_lock(&pool->mutex);
    job->removed = true;
    if (job->state == HEALTH__JOB_BEGUN) {
        job->watch = ended;
        queued_at = job->queued_at;
    } else if (job->state == HEALTH__JOB_QUEUED) {
        health__list_remove(&job->link);
        health__pool_put_done(pool, job, HEALTH__JOB_CANCELLED);
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    return queued_at;
}

bool health__pool_watch(
    struct health__pool *pool, struct health__job *job, const bool *ended, int64_t deadline_ms)
{
    bool result;

    (void)pthread_mutex_lock(&pool->mutex);
    while (!*ended && health__cond_wait(&pool->ended, &pool->mutex, deadline_ms))
        ;
    result = *ended;
    /* A job that has not ended cannot be gone. */
    if (!result)
        job->watch = NULL;
    (void)pthread_mutex_unlock(&pool->mutex);
    return result;
}

/* Gives back what is queued: all of it, or what is not sure. */
static void cancel(struct health__pool *pool, struct health__link *queue, bool all)
{
    struct health__link *link, *rest;

    health__list_each (link, rest, queue) {
        if (!all && health__job_of(link)->task->sure)
            continue;
        health__list_remove(link);
        health__pool_put_done(pool, health__job_of(link), HEALTH__JOB_CANCELLED);
    }
}

static void cancel_queued(struct health__pool *pool, bool all)
{
    cancel(pool, &pool->urgent, all);
    cancel(pool, &pool->queue, all);
}

/* With the mutex held: whether some worker is in the host's code, or will be, and may take any time
 * to come back.  The others end by themselves. */
static bool may_take_long(const struct health__pool *pool)
{
    return pool->calling > 0 || !health__list_empty(&pool->urgent) ||
           !health__list_empty(&pool->queue);
}

bool health__pool_stop(struct health__pool *pool, int64_t deadline_ms)
{
    bool stopped, join = false;
    pthread_t last;

    (void)pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    cancel_queued(pool, false);
    (void)pthread_cond_broadcast(&pool->work);
    while (pool->workers > 0 && health__cond_wait(&pool->ended, &pool->mutex,
                                    may_take_long(pool) ? deadline_ms : HEALTH__NEVER))
        ;
    stopped = pool->workers == 0;
    if (stopped) {
        /* What no worker could be started for. */
        cancel_queued(pool, true);
        join = pool->has_last;
        last = pool->last;
        pool->has_last = pool->stopping = pool->quiet = false;
        pool->begun_at = HEALTH__NOT_YET;
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    if (join)
        (void)pthread_join(last, NULL);
    return stopped;
}

bool health__pool_abandon(struct health__pool *pool)
{
    bool running;

    (void)pthread_mutex_lock(&pool->mutex);
    running = pool->workers > 0;
    pool->abandoned = running;
    (void)pthread_mutex_unlock(&pool->mutex);
    return running;
}
