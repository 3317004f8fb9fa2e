/*
 * The workers.
 *
 * The loop queues and hands over, workers begin and end, the loop collects: a job goes through
 * `incoming`, a queue, one worker's hands and `done`, and is in one of the four at a time.  All
 * but the first is guarded by the pool's mutex, which is never held while the host's code runs, and
 * is the last in the order of locks.  A worker takes it once for the end of one job and the begin
 * of the next.
 *
 * While runs end one after the other and more are queued, the loop is not woken for each: it looks
 * by itself, a millisecond later (`quiet`), unless one ends before then and nothing is queued.
 *
 * Where there may be more than one worker, urgent jobs have one of them for themselves, and go
 * first: whatever others wait for, they are begun.
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
#define NAP_MS      1   /* how long results are gathered while more are on their way */

/* ---- With the mutex held ---- */

/* The first of those that are not urgent; NULL if there is none, or no place for it.  Once the pool
 * is stopping only sure ones are left, which have any. */
static struct health__link *first_plain(const struct health__pool *pool)
{
    unsigned kept = pool->limit > 1 ? 1 : 0;

    if (health__list_empty(&pool->queue) || (pool->plain + kept >= pool->limit && !pool->stopping))
        return NULL;
    return pool->queue.next;
}

/* The next to begin; NULL if there is none now. */
static struct health__link *first_of(const struct health__pool *pool)
{
    return health__list_empty(&pool->urgent) ? first_plain(pool) : pool->urgent.next;
}

/* Whoever has nothing to do may have something now. */
static void wake_idle(struct health__pool *pool)
{
    if (pool->idle > 0 && first_of(pool) != NULL)
        (void)pthread_cond_signal(&pool->work);
}

void health__pool_put_done(
    struct health__pool *pool, struct health__job *job, enum health__job_state state)
{
    bool first = health__list_empty(&pool->done);

    job->state = state;
    health__list_append(&pool->done, &job->link);
    if (pool->quiet ? first_of(pool) == NULL : first) {
        pool->quiet = false;
        pool->notify(pool->arg);
    }
}

static void begin(struct health__pool *pool, struct health__job *job, int tid)
{
    job->state = HEALTH__JOB_BEGUN;
    atomic_store_explicit(&job->tid, tid, memory_order_relaxed);
    if (job->overdue) {
        pool->overdue++;
        pool->begun_late = true;
        pool->notify(pool->arg);
        /* It has not taken the place that was free. */
        wake_idle(pool);
    } else if (!job->task->urgent) {
        pool->plain++;
    }
}

static void end(struct health__pool *pool, struct health__job *job)
{
    if (job->overdue)
        pool->overdue--;
    else if (!job->task->urgent)
        pool->plain--;
    if (job->watch != NULL) {
        /* Once told, whoever waited may be gone, and the job may be used again. */
        *job->watch = true;
        job->watch = NULL;
        (void)pthread_cond_broadcast(&pool->ended);
    }
    health__pool_put_done(pool, job, HEALTH__JOB_ENDED);
}

/* ---- Workers ---- */

/* With the mutex held: waits for a job.  Returns: NULL if the worker is to end. */
static struct health__job *next(struct health__pool *pool)
{
    struct health__link *link;

    while ((link = first_of(pool)) == NULL) {
        if (pool->stopping || pool->idle > 0)
            return NULL;
        pool->idle++;
        (void)health__cond_wait(&pool->work, &pool->mutex, HEALTH__NEVER);
        pool->idle--;
    }
    health__list_remove(link);
    return health__job_of(link);
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
    struct health__job *job;
    int tid = (int)syscall(SYS_gettid);

    (void)pthread_mutex_lock(&pool->mutex);
    while ((job = next(pool)) != NULL) {
        begin(pool, job, tid);
        pool->calling++;
        (void)pthread_mutex_unlock(&pool->mutex);
        job->task->call(job);
        /* The child of a fork() that comes back from it has no place in the pool. */
        if (!health__thread_is_ours())
            return NULL;
        (void)pthread_mutex_lock(&pool->mutex);
        pool->calling--;
        end(pool, job);
    }
    leave(pool);
    return NULL;
}

/* ---- The loop, and whoever stops ---- */

/* Nothing is queued, and nobody works. */
static void clear(struct health__pool *pool)
{
    health__list_init(&pool->incoming);
    health__list_init(&pool->urgent);
    health__list_init(&pool->queue);
    health__list_init(&pool->done);
    pool->workers = pool->idle = pool->calling = pool->overdue = pool->plain = 0;
    pool->has_last = pool->stopping = pool->begun_late = pool->quiet = false;
    pool->begun_at = HEALTH__NOT_YET;
}

int health__pool_init(struct health__pool *pool, unsigned limit, void (*notify)(void *),
    void (*abandon)(void *), void *arg)
{
    int error;

    *pool = (struct health__pool){
        .limit = limit,
        .notify = notify,
        .abandon = abandon,
        .arg = arg,
        .worker = {"health-worker", work, pool},
    };
    clear(pool);
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

void health__pool_forget(struct health__pool *pool)
{
    (void)health__cond_init(&pool->work);
    (void)health__cond_init(&pool->ended);
    clear(pool);
    (void)pthread_mutex_unlock(&pool->mutex);
}

void health__pool_queue(struct health__pool *pool, struct health__job *job, int64_t now)
{
    job->queued_at = now;
    health__list_append(&pool->incoming, &job->link);
}

void health__pool_hand_over(struct health__pool *pool)
{
    struct health__link *link;

    if (health__list_empty(&pool->incoming))
        return;
    (void)pthread_mutex_lock(&pool->mutex);
    while ((link = health__list_take(&pool->incoming)) != NULL) {
        struct health__job *job = health__job_of(link);

        job->overdue = false;
        atomic_store_explicit(&job->tid, 0, memory_order_relaxed);
        if (job->removed && !job->task->sure) {
            health__pool_put_done(pool, job, HEALTH__JOB_CANCELLED);
            continue;
        }
        job->state = HEALTH__JOB_QUEUED;
        health__list_append(job->task->urgent ? &pool->urgent : &pool->queue, link);
    }
    wake_idle(pool);
    (void)pthread_mutex_unlock(&pool->mutex);
}

void health__pool_overdue(struct health__pool *pool, struct health__job *job)
{
    (void)pthread_mutex_lock(&pool->mutex);
    if (job->state == HEALTH__JOB_BEGUN && !job->overdue) {
        pool->overdue++;
        if (!job->task->urgent)
            pool->plain--;
        wake_idle(pool);
    }
    if (job->state == HEALTH__JOB_BEGUN || job->state == HEALTH__JOB_QUEUED)
        job->overdue = true;
    (void)pthread_mutex_unlock(&pool->mutex);
}

/* When a further worker is to be started, as things stand. */
static int64_t needed_at(const struct health__pool *pool)
{
    struct health__link *first = first_of(pool), *plain = first_plain(pool);
    int64_t since;

    if (first == NULL || pool->workers - pool->overdue >= pool->limit)
        return HEALTH__NEVER;
    if (pool->workers == 0 && pool->begun_at == HEALTH__NOT_YET)
        return HEALTH__NOT_YET;
    since = health__job_of(first)->queued_at;
    /* However many urgent ones go before it, it has waited for as long as it has. */
    if (plain != NULL && health__job_of(plain)->queued_at < since)
        since = health__job_of(plain)->queued_at;
    if (since < pool->begun_at)
        since = pool->begun_at;
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
        } else if (health__thread_start(
                       &thread, &pool->worker, health__thread_host_stack_bytes()) == 0) {
            pool->workers++;
        } else {
            pool->begun_at = now + RETRY_MS;
        }
        at = needed_at(pool);
    }
    if (pool->quiet && now + NAP_MS < at)
        at = now + NAP_MS;
    (void)pthread_mutex_unlock(&pool->mutex);
    return at;
}

size_t health__pool_collect(struct health__pool *pool, void *arg, bool *ret_begun_late)
{
    struct health__link done, *link;
    size_t count = 0;

    health__list_init(&done);
    (void)pthread_mutex_lock(&pool->mutex);
    pool->quiet = !health__list_empty(&pool->done) && first_of(pool) != NULL;
    health__list_splice(&done, &pool->done);
    *ret_begun_late = pool->begun_late;
    pool->begun_late = false;
    (void)pthread_mutex_unlock(&pool->mutex);

    while ((link = health__list_take(&done)) != NULL) {
        count++;
        health__job_of(link)->task->ended(health__job_of(link), arg);
    }
    return count;
}
