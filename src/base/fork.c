/*
 * fork().
 *
 * `parts` is guarded by `lock`, which is the first in the order of locks: a fork() holds it from
 * before the first `prepare` until after the last `parent` or `child`.  `waiting` counts the forks
 * that want the parts' locks, for health__fork_yield().
 *
 * The handlers are registered late, with the first part: so that ours take their locks before those
 * of the host's allocator do, which a thread that holds ours may be waiting for.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/fork.h"

#include <pthread.h>
#include <stdatomic.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct health__link parts = {&parts, &parts};
static atomic_uint waiting;

static struct health__fork_part *part_of(struct health__link *link)
{
    return health__container(link, struct health__fork_part, link);
}

static void prepare(void)
{
    struct health__link *link, *rest;

    (void)pthread_mutex_lock(&lock);
    atomic_fetch_add(&waiting, 1);
    health__list_each (link, rest, &parts)
        part_of(link)->prepare(part_of(link));
}

static void in_parent(void)
{
    struct health__link *link, *rest;

    health__list_each (link, rest, &parts)
        part_of(link)->parent(part_of(link));
    atomic_fetch_sub(&waiting, 1);
    (void)pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
    struct health__link *link, *rest;

    health__list_each (link, rest, &parts)
        part_of(link)->child(part_of(link));
    atomic_store(&waiting, 0);
    /* The one thread that is left took the lock, so it may give it back. */
    (void)pthread_mutex_unlock(&lock);
}

int health__fork_join(struct health__fork_part *part)
{
    static bool registered;
    int error = 0;

    (void)pthread_mutex_lock(&lock);
    if (!registered)
        error = pthread_atfork(prepare, in_parent, in_child);
    if (error == 0) {
        registered = true;
        health__list_append(&parts, &part->link);
    }
    (void)pthread_mutex_unlock(&lock);
    return error;
}

void health__fork_leave(struct health__fork_part *part)
{
    (void)pthread_mutex_lock(&lock);
    health__list_remove(&part->link);
    (void)pthread_mutex_unlock(&lock);
}

void health__fork_yield(void)
{
    if (atomic_load_explicit(&waiting, memory_order_relaxed) == 0)
        return;
    /* Held by the fork until it is done. */
    (void)pthread_mutex_lock(&lock);
    (void)pthread_mutex_unlock(&lock);
}
