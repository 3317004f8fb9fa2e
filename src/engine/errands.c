/*
 * Errands: what other threads have done on the loop.
 *
 * An errand is put into `errands` under the mutex, and is the loop's from when it takes it out
 * until it is done; the thread that brought it waits for `ended`.  A loop that ends refuses what it
 * has not taken.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "engine/life.h"
#include "engine/loop.h"
#include "engine/runs.h"

static struct health__errand *errand_of(struct health__link *link)
{
    return health__container(link, struct health__errand, link);
}

void health__errand_done(struct health__engine *e, struct health__errand *errand)
{
    /* Whoever does the work of a loop that has ended holds the mutex.  Of one that runs, only the
     * loop itself, or who has its turn, says that it has ended. */
    bool lock = !e->loop_ended;

    if (lock)
        (void)pthread_mutex_lock(&e->mutex);
    errand->done = true;
    (void)pthread_cond_broadcast(&e->ended);
    if (lock)
        (void)pthread_mutex_unlock(&e->mutex);
}

void health__errands_run(struct health__engine *e)
{
    struct health__link taken, *link;

    if (!atomic_load_explicit(&e->has_errands, memory_order_acquire))
        return;
    health__list_init(&taken);
    (void)pthread_mutex_lock(&e->mutex);
    atomic_store_explicit(&e->has_errands, false, memory_order_relaxed);
    health__list_splice(&taken, &e->errands);
    (void)pthread_mutex_unlock(&e->mutex);
    while ((link = health__list_take(&taken)) != NULL)
        if (errand_of(link)->run(errand_of(link)))
            health__errand_done(e, errand_of(link));
}

void health__errands_refuse(struct health__engine *e)
{
    struct health__link *link;

    while ((link = health__list_take(&e->errands)) != NULL)
        errand_of(link)->done = errand_of(link)->refused = true;
}

/* Whether the loop runs and can be told so: the host may have closed our descriptors. */
static bool loop_hears(const struct health__engine *e)
{
    return health__life_loop_runs(e) && !e->loop_ended && health__life_can_wake(e);
}

int health__engine_do(struct health__engine *e, struct health__errand *errand, bool stopped_too)
{
    int error = 0;

    errand->link = (struct health__link){NULL, NULL};
    errand->done = errand->refused = false;
    (void)pthread_mutex_lock(&e->mutex);
    if (loop_hears(e)) {
        health__list_append(&e->errands, &errand->link);
        atomic_store_explicit(&e->has_errands, true, memory_order_release);
        while (!errand->done) {
            /* Until it is heard: the kernel may have no memory for it. */
            if (atomic_load_explicit(&e->has_errands, memory_order_relaxed))
                health__loop_wake(e);
            (void)health__cond_wait(&e->ended, &e->mutex, health__now_ms() + HEALTH__REWAKE_MS);
        }
    } else {
        errand->refused = true;
    }
    if (errand->refused && stopped_too && (e->loop_ended || !health__life_loop_runs(e))) {
        e->now = health__now_ms();
        (void)errand->run(errand);
    } else if (errand->refused) {
        error = health__fail(HEALTH_ESTOPPED, EINVAL, "the instance is not started");
    }
    (void)pthread_mutex_unlock(&e->mutex);
    return error;
}
