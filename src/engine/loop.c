/*
 * The loop.
 *
 * It holds `turn` whenever it is awake.  A fork() takes it, so that in the child nothing is half
 * done; the loop lets it go to sleep, and yields to a fork() that waits.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/loop.h"

#include "base/clock.h"
#include "engine/life.h"
#include "engine/runs.h"

/*
 * A deadline that is missed by more than this, or a turn that takes longer, means that the process
 * stood still; so, perhaps, does a sleep that is longer and is interrupted.  All signals that can
 * be are blocked here, but a host's setuid() interrupts as well: glibc has each thread do it.
 */
#define LATE_MS 1000

void health__loop_wake(struct health__engine *e)
{
    if (!atomic_exchange_explicit(&e->woken, true, memory_order_acq_rel) &&
        !health__fd_wake(&e->wake_send))
        /* Whoever comes next tries again. */
        atomic_store_explicit(&e->woken, false, memory_order_release);
}

/*
 * The host has closed descriptors of ours, and their numbers may be its own by now: nobody can be
 * answered any more.  Whoever waits in this process is told what is known.  Returns: false.
 */
static bool lose(struct health__engine *e)
{
    e->lost = true;
    health__life_forget_server(e, true);
    health__runs_answer(e, true);
    return false;
}

/* The process stood still at some time after `awake_at`: since when, nobody knows, so what would
 * have failed since then has the benefit of the doubt. */
static void thaw(struct health__engine *e, int64_t awake_at, bool certain)
{
    /* What was said before is to be known first. */
    health__mail_read(e);
    health__changes_thaw(e, awake_at, certain);
}

/* Whether a set of the host's, under the number of ours, has told of something: it knows it by
 * another address. */
static bool is_hosts(const struct health__engine *e, const struct health__ready *found)
{
    int i;

    for (i = 0; i < found->count; i++) {
        const void *source = found->events[i].data.ptr;

        if (source != &e->wake && !e->server->owns(e->server, source))
            return true;
    }
    return false;
}

/* Whether what was waited on is gone.  Where all of it went while the loop slept, only time has
 * woken it, and the next wait would be for the host's: so then it looks.  Else a loop that wakes
 * often has better things to do than to look each time. */
static bool is_lost(struct health__engine *e, const struct health__ready *found, bool slept)
{
    if (found->count == HEALTH__CLOSED || is_hosts(e, found))
        return true;
    if ((found->count > 0 || !slept) && e->now < e->looked_at + HEALTH__TRUST_MS)
        return false;
    e->looked_at = e->now;
    return !health__life_is_whole(e);
}

/* What time it is, after `then`.  A clock that cannot be read has stood still: at its beginning,
 * the next deadline would be as far away as the machine has been up. */
static int64_t now_after(int64_t then)
{
    int64_t now = health__now_ms();

    return now > then ? now : then;
}

/*
 * Sleeps until something is ready or the deadline has come, and tells what is ready.
 *
 * Whatever wakes it, first it looks whether what it waits on is still ours, unless it has only just
 * done so: what a set of the host's has to tell is not for us to read.  Where all of ours is gone
 * only time ends the sleep.
 *
 * Returns: false if this loop has come to its end.
 */
static bool wait(struct health__engine *e, unsigned generation, int64_t deadline)
{
    int64_t awake_at = e->now, now = now_after(awake_at);
    /* What `e` has may be another's before it sleeps: see abandon_loop() in life.c. */
    struct health__poller poller = e->poller;
    struct health__ready found;
    bool stood_still, interrupted, slept;

    if (e->lost)
        return lose(e);
    if (deadline < awake_at)
        deadline = awake_at;
    stood_still = now > awake_at + LATE_MS;
    slept = deadline > now;
    (void)pthread_mutex_unlock(&e->turn);
    health__fork_yield();
    health__poller_wait(&poller, deadline, now, &found);
    (void)pthread_mutex_lock(&e->turn);
    if (e->generation != generation)
        return false;
    e->now = now_after(awake_at);
    if (is_lost(e, &found, slept))
        return lose(e);
    stood_still |= deadline != HEALTH__NEVER && e->now > deadline + LATE_MS;
    interrupted = found.count == HEALTH__INTERRUPTED && e->now > awake_at + LATE_MS;
    if (stood_still || interrupted)
        thaw(e, awake_at, stood_still);
    health__poller_dispatch(&found);
    return true;
}

/* Does what is to be done now.  Returns: when there is more to do. */
static int64_t turn(struct health__engine *e)
{
    int64_t next, at;

    if (e->jobs > 0)
        health__runs_collect(e);
    health__mail_read(e);
    health__runs_tick(e);
    health__runs_answer(e, false);
    health__errands_run(e);
    next = e->server->run(e->server, e->now);
    if (atomic_load_explicit(&e->observed, memory_order_relaxed)) {
        health__changes_settle(e);
        at = e->observer->turn(e->observer, e->now);
        at = e->settle_at < at ? e->settle_at : at;
        next = at < next ? at : next;
    }
    if (!health__list_empty(&e->dead))
        health__mail_bury(e);
    if (e->jobs > 0) {
        health__pool_hand_over(&e->pool);
        at = health__pool_tend(&e->pool, e->now);
        next = at < next ? at : next;
    }
    at = health__timers_next(&e->timers);
    next = at < next ? at : next;
    if (!health__list_empty(&e->waiters)) {
        at = health__container(e->waiters.next, struct health__waiter, link)->deadline;
        next = at < next ? at : next;
    }
    return next;
}

/* The last turns: waiters are answered, answers sent and changes told of, while there is time.
 * Returns: as wait(). */
static bool finish(struct health__engine *e, unsigned generation)
{
    for (;;) {
        int64_t next;

        health__runs_answer(e, true);
        e->server->drain(e->server);
        next = turn(e);
        if ((e->server->drained(e->server) && e->observer->idle(e->observer)) ||
            e->now >= e->stop_by)
            break;
        if (!wait(e, generation, next < e->stop_by ? next : e->stop_by))
            return false;
    }
    e->server->stop(e->server);
    return true;
}

void *health__loop(void *arg)
{
    struct health__engine *e = arg;
    unsigned generation;
    bool goes_on = true, abandoned;

    (void)pthread_mutex_lock(&e->turn);
    generation = e->generation;
    e->now = health__now_ms();
    while (goes_on && !atomic_load_explicit(&e->stopping, memory_order_acquire))
        goes_on = wait(e, generation, turn(e));
    if (goes_on)
        (void)finish(e, generation);
    abandoned = e->generation != generation;
    (void)pthread_mutex_unlock(&e->turn);
    if (abandoned)
        return NULL;

    (void)pthread_mutex_lock(&e->mutex);
    e->loop_ended = true;
    health__errands_refuse(e);
    (void)pthread_cond_broadcast(&e->ended);
    (void)pthread_mutex_unlock(&e->mutex);
    return NULL;
}
