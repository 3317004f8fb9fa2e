/*
 * The workers: threads that do nothing but call the host's code.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_ENGINE_POOL_H
#define HEALTH_ENGINE_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/thread.h"

struct health__job;

enum health__job_state {
    HEALTH__JOB_NONE, /* not handed over, as are the last two once they have been collected */
    HEALTH__JOB_QUEUED,
    HEALTH__JOB_BEGUN,
    HEALTH__JOB_ENDED,
    HEALTH__JOB_CANCELLED /* given back before it was begun */
};

/* What is done, whatever it is done to. */
struct health__task {
    void (*call)(struct health__job *job);             /* on a worker */
    void (*ended)(struct health__job *job, void *arg); /* on the loop; also if it was cancelled */
    bool sure;                                         /* never cancelled */
    bool urgent;                                       /* goes before those that are not */
};

/* A call of the host's code.  Its memory is whoever's it is a part of. */
struct health__job {
    const struct health__task *task; /* set before it is queued */
    atomic_int tid; /* of the worker that has begun it last; 0: none, since it was handed over */

    /* Guarded by the pool's mutex; until it is handed over, `link` and `queued_at` are the loop's.
     */
    enum health__job_state state : 8;
    bool removed;             /* it is not begun any more */
    bool overdue;             /* it does not count as one of the `limit` */
    struct health__link link; /* in `incoming`, `urgent` or `queue`, or `done` */
    bool *watch;              /* set when it has ended: of whoever is in health__pool_watch() */
    int64_t queued_at;
};

struct health__pool {
    /* Set by health__pool_init(). */
    unsigned limit;             /* runs at once, overdue ones not counted */
    void (*notify)(void *arg);  /* `done` has something; called with the mutex held */
    void (*abandon)(void *arg); /* see health__pool_abandon(); called without it */
    void *arg;
    struct health__thread worker;

    struct health__link incoming; /* the loop's: of jobs that it has queued and not handed over */

    pthread_mutex_t mutex;
    pthread_cond_t work;  /* there is something to begin, or the pool is stopping */
    pthread_cond_t ended; /* a watched job, or a worker, has ended */

    /* Guarded by the mutex. */
    struct health__link urgent; /* of urgent jobs to begin, the oldest first */
    struct health__link queue;  /* of the others */
    struct health__link done;   /* of jobs that have ended, for the loop */
    unsigned workers;           /* threads that have not ended */
    unsigned idle;              /* of these, those who wait for work */
    unsigned calling;           /* of these, those in the host's code */
    unsigned overdue;           /* of these, those in an overdue job */
    unsigned plain;             /* of these, those in one that is neither overdue nor urgent */
    int64_t begun_at;           /* when the last worker was started, or could not be */
    pthread_t last;             /* the worker that ended last, to be joined */
    bool has_last;
    bool begun_late; /* an overdue job was begun, which the loop has not heard of */
    bool quiet;      /* the loop looks by itself: while more is queued it is not told of an end */
    bool stopping;   /* workers end when nothing sure is left */
    bool abandoned;  /* the last worker to end calls `abandon` */
};

/* Returns: 0 or an error number. */
int health__pool_init(struct health__pool *pool, unsigned limit, void (*notify)(void *),
    void (*abandon)(void *), void *arg);

/* The pool must be stopped. */
void health__pool_done(struct health__pool *pool);

/* Queues the job, which must be none of the pool's, to be handed over with others. */
void health__pool_queue(struct health__pool *pool, struct health__job *job, int64_t now);

/* Hands over what was queued; a job that has been removed is cancelled, unless it is sure. */
void health__pool_hand_over(struct health__pool *pool);

/* The job is overdue: another worker may take the place of the one that has it. */
void health__pool_overdue(struct health__pool *pool, struct health__job *job);

/*
 * Starts the workers that are needed: the first at once, a further one when what is queued has
 * waited for 10 ms.
 *
 * Returns: when to call again at the latest, having called health__pool_collect() before.
 */
int64_t health__pool_tend(struct health__pool *pool, int64_t now);

/* Calls `ended` of the jobs that have, with `arg`, and gives them back.  Returns: how many.
 * *ret_begun_late: whether one was begun meanwhile that was overdue already. */
size_t health__pool_collect(struct health__pool *pool, void *arg, bool *ret_begun_late);

/*
 * The job is not begun from now on.  If it has been, *ended will be set when it ends; until then
 * the caller must be in health__pool_watch(), or `ended` is NULL.  To be called with the instance's
 * mutex held, so that the job is still there.
 *
 * Returns: when it was queued, if it has been begun and has not ended; else HEALTH__NOT_YET.
 */
int64_t health__pool_remove(struct health__pool *pool, struct health__job *job, bool *ended);

/* Waits until the job that health__pool_remove() found has ended, or the deadline.  Returns:
 * whether it has; the job may be gone then. */
bool health__pool_watch(
    struct health__pool *pool, struct health__job *job, const bool *ended, int64_t deadline_ms);

/*
 * Cancels what is queued, but for what is sure, and waits for the workers to end: until the
 * deadline for those that are in the host's code.
 *
 * Returns: whether all have ended.  If not, call it again.
 */
bool health__pool_stop(struct health__pool *pool, int64_t deadline_ms);

/* After health__pool_stop() returned false: the last worker to end calls `abandon`, after which the
 * pool is gone.  Returns: false if all have ended meanwhile, and nothing will be called. */
bool health__pool_abandon(struct health__pool *pool);

/* In the child of a fork, with the mutex held, which is given back: there are no workers here. */
void health__pool_forget(struct health__pool *pool);

/* ---- With the mutex held, between the pool's own files ---- */

static inline struct health__job *health__job_of(struct health__link *link)
{
    return health__container(link, struct health__job, link);
}

/* Leaves a job for the loop, which is told if it does not know that there is something. */
void health__pool_put_done(
    struct health__pool *pool, struct health__job *job, enum health__job_state state);

#endif
