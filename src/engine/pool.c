/*
 * The workers.
 *
 * The loop queues, workers begin and end, the loop collects: a check's job goes through the queue,
 * one worker's hands and `done`, and is in one of the three at a time.  All of it is guarded by the
 * pool's mutex, which is never held while the host's code runs, and is the last in the order of
 * locks.  A worker takes it once for the end of one job and the begin of the next.
 *
 * One idle worker stays, asleep; any that finds another idle ends.  Threads that end cannot join
 * themselves: each joins the one that ended before it, and the last is left in `last` for the next
 * to end, or for health__pool_stop().
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/pool.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"

#define PATIENCE_MS 10  /* how long a job waits before another worker is started for it */
#define RETRY_MS    100 /* after a thread could not be started */

static struct health__check *check_of(struct health__link *link)
{
    return health__container(link, struct health__check, job_link);
}

/* ---- With the mutex held ---- */

static void enqueue(struct health__pool *pool, struct health__check *check)
{
    health__list_append(&pool->queue, &check->job_link);
    if (pool->idle > 0)
        (void)pthread_cond_signal(&pool->work);
}

static void put_done(struct health__pool *pool, struct health__check *check, enum health__job job)
{
    bool first = health__list_empty(&pool->done);

    check->job = job;
    health__list_append(&pool->done, &check->job_link);
    if (first)
        pool->notify(pool->arg);
}

static void begin(struct health__pool *pool, struct health__check *check, int tid)
{
    if (check->job == HEALTH__JOB_RELEASE) {
        check->job = HEALTH__JOB_RELEASING;
        return;
    }
    check->job = HEALTH__JOB_BEGUN;
    atomic_store_explicit(&check->tid, tid, memory_order_relaxed);
    if (check->overdue) {
        pool->overdue++;
        pool->begun_late = true;
        pool->notify(pool->arg);
    }
}

static void end(struct health__pool *pool, struct health__check *check)
{
    if (check->job == HEALTH__JOB_RELEASING) {
        put_done(pool, check, HEALTH__JOB_RELEASED);
        return;
    }
    if (check->overdue)
        pool->overdue--;
    if (check->watch != NULL) {
        *check->watch = true;
        (void)pthread_cond_broadcast(&pool->ended);
    }
    put_done(pool, check, HEALTH__JOB_ENDED);
}

/* ---- Workers ---- */

/* Calls the host's code, without the mutex. */
static void call(struct health__check *check, bool release)
{
    struct health_result result;
    int64_t begun_us;

    if (release) {
        check->release(check->arg);
        return;
    }
    health__result_init(&result, check->queued_at + check->policy.timeout_ms);
    begun_us = health__now_us();
    check->outcome = (int)check->fn(&result, check->arg);
    check->outcome_us = health__now_us() - begun_us;
    check->outcome_words = health__words_keep(&result);
}

/* With the mutex held: waits for a job.  Returns: NULL if the worker is to end. */
static struct health__check *next(struct health__pool *pool)
{
    struct health__link *link;

    while ((link = health__list_take(&pool->queue)) == NULL) {
        if (pool->stopping || pool->idle > 0)
            return NULL;
        pool->idle++;
        (void)health__cond_wait(&pool->work, &pool->mutex, HEALTH__NEVER);
        pool->idle--;
    }
    return check_of(link);
}

/* With the mutex held, which is given back: the worker's last deeds. */
static void leave(struct health__pool *pool)
{
    bool join = pool->has_last, abandon;
    pthread_t before = pool->last;

    pool->last = pthread_self();
    pool->has_last = true;
    pool->workers--;
    abandon = pool->abandoned && pool->workers == 0;
    if (abandon) {
        /* Nobody is left to join it. */
        pool->has_last = false;
        (void)pthread_detach(pthread_self());
    }
    (void)pthread_cond_broadcast(&pool->ended);
    (void)pthread_mutex_unlock(&pool->mutex);
    /* Once unlocked, the pool may be gone: but for whom it was left to. */
    if (join)
        (void)pthread_join(before, NULL);
    if (abandon)
        pool->abandon(pool->arg);
}

static void *work(void *arg)
{
    struct health__pool *pool = arg;
    struct health__check *check;
    int tid = (int)syscall(SYS_gettid);

    (void)pthread_mutex_lock(&pool->mutex);
    while ((check = next(pool)) != NULL) {
        bool release = check->job == HEALTH__JOB_RELEASE;

        begin(pool, check, tid);
        pool->calling++;
        (void)pthread_mutex_unlock(&pool->mutex);
        call(check, release);
        (void)pthread_mutex_lock(&pool->mutex);
        pool->calling--;
        end(pool, check);
    }
    leave(pool);
    return NULL;
}

/* ---- The loop, and whoever stops ---- */

int health__pool_init(struct health__pool *pool, unsigned limit, void (*notify)(void *),
    void (*abandon)(void *), void *arg)
{
    int error;

    *pool = (struct health__pool){
        .limit = limit,
        .notify = notify,
        .abandon = abandon,
        .arg = arg,
        .begun_at = HEALTH__NOT_YET,
    };
    health__list_init(&pool->queue);
    health__list_init(&pool->done);
    error = pthread_mutex_init(&pool->mutex, NULL);
    if (error != 0)
        goto err0;
    error = health__cond_init(&pool->work);
    if (error != 0)
        goto err1;
    error = health__cond_init(&pool->ended);
    if (error != 0)
        goto err2;
    return 0;

err2:
    (void)pthread_cond_destroy(&pool->work);
err1:
    (void)pthread_mutex_destroy(&pool->mutex);
err0:
    return error;
}

void health__pool_done(struct health__pool *pool)
{
    (void)pthread_cond_destroy(&pool->ended);
    (void)pthread_cond_destroy(&pool->work);
    (void)pthread_mutex_destroy(&pool->mutex);
}

void health__pool_run(struct health__pool *pool, struct health__check *check, int64_t now)
{
    (void)pthread_mutex_lock(&pool->mutex);
    check->queued_at = now;
    check->overdue = false;
    atomic_store_explicit(&check->tid, 0, memory_order_relaxed);
    if (check->removed) {
        put_done(pool, check, HEALTH__JOB_CANCELLED);
    } else {
        check->job = HEALTH__JOB_QUEUED;
        enqueue(pool, check);
    }
    (void)pthread_mutex_unlock(&pool->mutex);
}

void health__pool_release(struct health__pool *pool, struct health__check *check, int64_t now)
{
    (void)pthread_mutex_lock(&pool->mutex);
    check->queued_at = now;
    check->job = HEALTH__JOB_RELEASE;
    enqueue(pool, check);
    (void)pthread_mutex_unlock(&pool->mutex);
}

void health__pool_overdue(struct health__pool *pool, struct health__check *check)
{
    (void)pthread_mutex_lock(&pool->mutex);
    if (check->job == HEALTH__JOB_BEGUN && !check->overdue)
        pool->overdue++;
    if (check->job == HEALTH__JOB_BEGUN || check->job == HEALTH__JOB_QUEUED)
        check->overdue = true;
    (void)pthread_mutex_unlock(&pool->mutex);
}

/* When a further worker is to be started, as things stand. */
static int64_t needed_at(const struct health__pool *pool)
{
    const struct health__check *head;
    int64_t since;

    if (health__list_empty(&pool->queue) || pool->workers - pool->overdue >= pool->limit)
        return HEALTH__NEVER;
    if (pool->workers == 0 && pool->begun_at == HEALTH__NOT_YET)
        return HEALTH__NOT_YET;
    head = check_of(pool->queue.next);
    since = head->queued_at > pool->begun_at ? head->queued_at : pool->begun_at;
    return pool->workers == 0 ? since : since + PATIENCE_MS;
}

int64_t health__pool_tend(struct health__pool *pool, int64_t now)
{
    pthread_t thread;
    int64_t at;

    (void)pthread_mutex_lock(&pool->mutex);
    at = needed_at(pool);
    if (at <= now) {
        pool->begun_at = now;
        if (pool->idle > 0) {
            /* One was woken and has not come yet: give it the same time again. */
            (void)pthread_cond_signal(&pool->work);
        } else if (health__thread_start(&thread, "health-worker", health__thread_host_stack_bytes(),
                       work, pool) == 0) {
            pool->workers++;
        } else {
            pool->begun_at = now + RETRY_MS;
        }
        at = needed_at(pool);
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    return at;
}

bool health__pool_collect(struct health__pool *pool, struct health__link *list)
{
    bool begun_late;

    (void)pthread_mutex_lock(&pool->mutex);
    health__list_splice(list, &pool->done);
    begun_late = pool->begun_late;
    pool->begun_late = false;
    (void)pthread_mutex_unlock(&pool->mutex);
    return begun_late;
}

int64_t health__pool_remove(struct health__pool *pool, struct health__check *check, bool *ended)
{
    int64_t overdue_at = HEALTH__NOT_YET;

    (void)pthread_mutex_lock(&pool->mutex);
    check->removed = true;
    if (check->job == HEALTH__JOB_QUEUED) {
        health__list_remove(&check->job_link);
        put_done(pool, check, HEALTH__JOB_CANCELLED);
    } else if (check->job == HEALTH__JOB_BEGUN) {
        check->watch = ended;
        overdue_at = check->queued_at + check->policy.timeout_ms;
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    return overdue_at;
}

bool health__pool_watch(
    struct health__pool *pool, struct health__check *check, const bool *ended, int64_t deadline_ms)
{
    bool result;

    (void)pthread_mutex_lock(&pool->mutex);
    while (!*ended && health__cond_wait(&pool->ended, &pool->mutex, deadline_ms))
        ;
    result = *ended;
    /* A check whose run has not ended cannot have been freed. */
    if (!result)
        check->watch = NULL;
    (void)pthread_mutex_unlock(&pool->mutex);
    return result;
}

static void cancel_queued(struct health__pool *pool)
{
    struct health__link *link, *rest;

    health__list_each (link, rest, &pool->queue) {
        struct health__check *check = check_of(link);

        if (check->job != HEALTH__JOB_QUEUED)
            continue;
        health__list_remove(link);
        put_done(pool, check, HEALTH__JOB_CANCELLED);
    }
}

/* With the mutex held: whether some worker is in the host's code, or will be, and may take any time
 * to come back.  The others end by themselves. */
static bool may_take_long(const struct health__pool *pool)
{
    return pool->calling > 0 || !health__list_empty(&pool->queue);
}

bool health__pool_stop(struct health__pool *pool, int64_t deadline_ms)
{
    bool stopped, join = false;
    pthread_t last;

    (void)pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    cancel_queued(pool);
    (void)pthread_cond_broadcast(&pool->work);
    while (pool->workers > 0 && health__cond_wait(&pool->ended, &pool->mutex,
                                    may_take_long(pool) ? deadline_ms : HEALTH__NEVER))
        ;
    stopped = pool->workers == 0;
    if (stopped) {
        /* Releases that no worker could be started for: the caller's, as they stand. */
        health__list_splice(&pool->done, &pool->queue);
        join = pool->has_last;
        last = pool->last;
        pool->has_last = pool->stopping = false;
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

void health__pool_forget(struct health__pool *pool)
{
    (void)health__cond_init(&pool->work);
    (void)health__cond_init(&pool->ended);
    health__list_init(&pool->queue);
    health__list_init(&pool->done);
    pool->workers = pool->idle = pool->calling = pool->overdue = 0;
    pool->has_last = pool->stopping = pool->begun_late = false;
    pool->begun_at = HEALTH__NOT_YET;
    (void)pthread_mutex_unlock(&pool->mutex);
}
