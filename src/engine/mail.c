/*
 * Checks come and go: what the service's threads have left for the loop, and the end of checks.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/runs.h"

static void added(struct health__engine *e, struct health__check *check)
{
    health__list_append(&e->checks, &check->link);
    health__changes_wanted_from(e, check, health__state_fresh_until(&check->state, &check->policy));
    if (check->policy.kind == HEALTH__PERIODIC)
        health__timer_set(&e->timers, &check->timer, e->now);
}

static void reported(struct health__engine *e, struct health__check *check)
{
    int64_t at = health__runs_moment(e, check, check->reported_at);

    health__state_report(&check->state, &check->policy, check->reported, at);
    health__words_free(check->words);
    check->words = check->reported_words;
    check->reported_words = NULL;
}

static void removed(struct health__engine *e, struct health__check *check)
{
    check->gone = true;
    if (check->policy.kind == HEALTH__HEARTBEAT)
        health__list_remove(&check->missed);
    if (health__state_running(&check->state)) {
        /* Who waits for it is let go without the mutex. */
        e->gone_run |= health__list_linked(&check->run);
        health__list_remove(&check->link);
        health__list_append(&e->leaving, &check->link);
    } else {
        health__checks_die(e, check);
    }
}

void health__mail_read_locked(struct health__engine *e)
{
    struct health__check *check;

    atomic_store_explicit(&e->has_mail, false, memory_order_relaxed);
    while ((check = e->mail) != NULL) {
        unsigned flags = check->mail_flags;
        /* A document that leaves it out is to know for how long: a heartbeat passes from the first,
         * and can be missed. */
        bool was_passing = !(flags & HEALTH__MAIL_ADDED) && health__check_passing(check);

        e->mail = check->mail;
        check->mail_flags = 0;
        if (flags & HEALTH__MAIL_ADDED)
            added(e, check);
        if (flags & HEALTH__MAIL_REPORTED)
            reported(e, check);
        if (flags & HEALTH__MAIL_REMOVED)
            removed(e, check);
        health__changes_note(e, check, was_passing);
    }
    e->mail_end = &e->mail;
}

void health__mail_read(struct health__engine *e)
{
    if (!atomic_load_explicit(&e->has_mail, memory_order_acquire))
        return;
    (void)pthread_mutex_lock(&e->mutex);
    health__mail_read_locked(e);
    (void)pthread_mutex_unlock(&e->mutex);
    health__mail_let_go(e);
}

void health__mail_let_go(struct health__engine *e)
{
    struct health__link *link, *rest;

    if (!e->gone_run)
        return;
    e->gone_run = false;
    health__list_each (link, rest, &e->leaving)
        health__runs_let_go(e, HEALTH__LISTED(link));
}

/* ---- The end of checks ---- */

void health__checks_die(struct health__engine *e, struct health__check *check)
{
    health__timer_clear(&e->timers, &check->timer);
    health__list_remove(&check->link);
    health__list_append(&e->dead, &check->link);
}

static struct health__check *check_of(struct health__job *job)
{
    return health__container(job, struct health__check, job);
}

/* On a worker. */
static void release(struct health__job *job)
{
    check_of(job)->release(check_of(job)->arg);
}

static void released(struct health__job *job, void *arg)
{
    struct health__check *check = check_of(job);
    bool ended = job->state == HEALTH__JOB_ENDED;

    health__list_remove(&check->link);
    check->releasing = false;
    if (ended)
        health__check_free(check);
    else
        /* The pool was stopped, and had no worker for it. */
        health__checks_die(arg, check);
}

static const struct health__task releasing = {.call = release, .ended = released, .sure = true};

void health__mail_bury(struct health__engine *e)
{
    struct health__link *link;

    while ((link = health__list_take(&e->dead)) != NULL) {
        struct health__check *check = HEALTH__LISTED(link);

        if (check->release == NULL) {
            health__check_free(check);
            continue;
        }
        check->job.task = &releasing;
        check->releasing = true;
        e->jobs++;
        health__list_append(&e->leaving, link);
        health__pool_queue(&e->pool, &check->job, e->now);
    }
}

void health__mail_exhume(struct health__engine *e, struct health__link *ret_dead)
{
    health__list_init(ret_dead);
    health__list_splice(ret_dead, &e->dead);
}

void health__checks_release(struct health__link *dead)
{
    struct health__link *link;

    while ((link = health__list_take(dead)) != NULL) {
        struct health__check *check = HEALTH__LISTED(link);

        if (check->release != NULL)
            check->release(check->arg);
        health__check_free(check);
    }
}
