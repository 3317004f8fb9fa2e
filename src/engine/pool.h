/*
 * The workers: threads that do nothing but call the host's code.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_ENGINE_POOL_H
#define HEALTH_ENGINE_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "engine/check.h"

struct health__pool {
    /* Set by health__pool_init(). */
    unsigned limit;             /* runs at once, overdue ones not counted */
    void (*notify)(void *arg);  /* `done` has something; called with the mutex held */
    void (*abandon)(void *arg); /* see health__pool_abandon(); called without it */
    void *arg;

    pthread_mutex_t mutex;
    pthread_cond_t work;  /* there is something in `queue`, or the pool is stopping */
    pthread_cond_t ended; /* a watched run, or a worker, has ended */

    /* Guarded by the mutex. */
    struct health__link queue; /* of checks: runs and releases to begin, the oldest first */
    struct health__link done;  /* of checks: what has ended, for the loop */
    unsigned workers;          /* threads that have not ended */
    unsigned idle;             /* of these, those who wait for work */
    unsigned calling;          /* of these, those in the host's code */
    unsigned overdue;          /* of these, those in an overdue run */
    int64_t begun_at;          /* when the last worker was started, or could not be */
    pthread_t last;            /* the worker that ended last, to be joined */
    bool has_last;
    bool begun_late; /* an overdue run was begun, which the loop has not heard of */
    bool stopping;   /* workers end when there is nothing left to release */
    bool abandoned;  /* the last worker to end calls `abandon` */
};

/* Returns: 0 or an error number. */
int health__pool_init(struct health__pool *pool, unsigned limit, void (*notify)(void *),
    void (*abandon)(void *), void *arg);

/* The pool must be stopped. */
void health__pool_done(struct health__pool *pool);

/* Queues a run, or the release, of the check; a removed check's run is cancelled at once. */
void health__pool_run(struct health__pool *pool, struct health__check *check, int64_t now);
void health__pool_release(struct health__pool *pool, struct health__check *check, int64_t now);

/* The run in progress of the check is overdue: another worker may take its place. */
void health__pool_overdue(struct health__pool *pool, struct health__check *check);

/*
 * Starts the workers that are needed: the first at once, a further one when what is queued has
 * waited for 10 ms.
 *
 * Returns: when to call again at the latest.
 */
int64_t health__pool_tend(struct health__pool *pool, int64_t now);

/* Moves what has ended to the end of `list`, linked by `job_link`.  Returns: whether a run was
 * begun that was overdue already. */
bool health__pool_collect(struct health__pool *pool, struct health__link *list);

/*
 * The check is removed: none of its runs is begun from now on.  If one is in progress, *ended will
 * be set when it ends; until then the caller must be in health__pool_watch(), or *ended is given up
 * with ended NULL from the start.  To be called with the instance's mutex held, so that the check
 * is still there.
 *
 * Returns: when the run in progress becomes overdue; HEALTH__NOT_YET if there is none.
 */
int64_t health__pool_remove(struct health__pool *pool, struct health__check *check, bool *ended);

/* Waits until the run that health__pool_remove() found has ended, or the deadline.  Returns:
 * whether it has; the check may be gone then. */
bool health__pool_watch(
    struct health__pool *pool, struct health__check *check, const bool *ended, int64_t deadline_ms);

/*
 * Cancels what is queued, but for releases, and waits for the workers to end: until the deadline
 * for those that are in the host's code.
 *
 * Returns: whether all have ended.  If not, call it again.
 */
bool health__pool_stop(struct health__pool *pool, int64_t deadline_ms);

/* After health__pool_stop() returned false: the last worker to end calls `abandon`, after which the
 * pool is gone.  Returns: false if all have ended meanwhile, and nothing will be called. */
bool health__pool_abandon(struct health__pool *pool);

/* In the child of a fork, with the mutex held, which is given back: there are no workers here. */
void health__pool_forget(struct health__pool *pool);

#endif
