/*
 * Requests that wait.
 *
 * A waiter waits for one run at a time: the first in progress, in the order in which they were
 * queued, that its question is about and that was queued when it asked.  When that run ends or is
 * overdue, it looks for the next from there on, until none is left.  So neither asking nor ending
 * costs more than one step along the runs in progress, and nothing is allocated.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/runs.h"

#include <string.h>

bool health__question_covers(
    const struct health__question *question, const struct health__check *check)
{
    const char *exclude = question->excludes;
    size_t i;

    if (question->only != NULL)
        return strcmp(question->only, check->name) == 0;
    if ((check->policy.probes & question->probes) == 0)
        return false;
    for (i = 0; i < question->exclude_count; i++, exclude += strlen(exclude) + 1)
        if (strcmp(exclude, check->name) == 0)
            return false;
    return true;
}

/* Lets the waiter wait for the first run, from `from` on, that it has to.  Returns: false if there
 * is none. */
static bool hang(struct health__engine *e, struct health__waiter *waiter, struct health__link *from)
{
    struct health__link *link;

    for (link = from; link != &e->runs; link = link->next) {
        struct health__check *check = HEALTH__RUN(link);

        /* Whose run is in no list has no waiter: gcc's analyzer-null-dereference is none. */
        if (check->seq > waiter->seq)
            break;
        if (!health__question_covers(&waiter->question, check))
            continue;
        health__list_append(&check->waiters, &waiter->on);
        return true;
    }
    return false;
}

void health__engine_leave(struct health__waiter *waiter)
{
    health__list_remove(&waiter->link);
    health__list_remove(&waiter->on);
}

static void ready(struct health__waiter *waiter)
{
    health__engine_leave(waiter);
    waiter->ready(waiter);
}

void health__runs_let_go(struct health__engine *e, struct health__check *check)
{
    struct health__link *rest = check->run.next, *link;

    health__list_remove(&check->run);
    while ((link = health__list_take(&check->waiters)) != NULL) {
        struct health__waiter *waiter = health__container(link, struct health__waiter, on);

        if (!hang(e, waiter, rest))
            ready(waiter);
    }
}

void health__runs_answer(struct health__engine *e, bool all)
{
    struct health__link *link, *rest;

    health__list_each (link, rest, &e->waiters) {
        struct health__waiter *waiter = health__container(link, struct health__waiter, link);

        if (!all && waiter->deadline > e->now)
            break;
        ready(waiter);
    }
}

static void start_if_stale(struct health__engine *e, struct health__check *check)
{
    if (!health__state_running(&check->state) &&
        health__state_fresh_until(&check->state, &check->policy) <= e->now)
        health__runs_queue(e, check);
}

/* Starts the stale checks that the question is about, and learns when to look again. */
static void start_stale(struct health__engine *e, const struct health__question *question)
{
    struct health__link *link, *rest;
    unsigned i;

    for (i = 0; i < HEALTH__PROBES; i++)
        e->fresh_until[i] = HEALTH__NEVER;
    health__list_each (link, rest, &e->checks) {
        struct health__check *check = HEALTH__LISTED(link);

        if (health__question_covers(question, check))
            start_if_stale(e, check);
        if (!health__state_running(&check->state))
            health__changes_wanted_from(
                e, check, health__state_fresh_until(&check->state, &check->policy));
    }
}

static bool all_fresh(const struct health__engine *e, unsigned probes)
{
    unsigned i;

    for (i = 0; i < HEALTH__PROBES; i++)
        if ((probes >> i & 1) && e->fresh_until[i] <= e->now)
            return false;
    return true;
}

struct health__check *health__engine_find(struct health__engine *e, const char *name)
{
    struct health__entry *entry;
    struct health__check *check = NULL;

    (void)pthread_mutex_lock(&e->mutex);
    health__mail_read_locked(e);
    entry = health__registry_find(&e->registry, name);
    if (entry != NULL)
        check = health__container(entry, struct health__check, entry);
    (void)pthread_mutex_unlock(&e->mutex);
    health__mail_let_go(e);
    return check;
}

bool health__engine_ask(struct health__engine *e, struct health__waiter *waiter)
{
    struct health__link *link, *rest;
    struct health__check *check;

    health__mail_read(e);
    health__list_each (link, rest, &e->missed)
        (void)health__engine_settle(e, health__container(link, struct health__check, missed));

    /* A loop that is about to end waits for nothing any more. */
    if (atomic_load_explicit(&e->stopping, memory_order_acquire))
        return false;
    if (waiter->question.only != NULL) {
        check = health__engine_find(e, waiter->question.only);
        if (check != NULL)
            start_if_stale(e, check);
    } else if (!all_fresh(e, waiter->question.probes)) {
        start_stale(e, &waiter->question);
    }

    if (health__list_empty(&e->runs))
        return false;
    waiter->seq = e->seq;
    if (!hang(e, waiter, e->runs.next))
        return false;
    waiter->deadline = e->now + e->response_ms;
    health__list_append(&e->waiters, &waiter->link);
    return true;
}
