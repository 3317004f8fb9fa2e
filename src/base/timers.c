/*
 * Timers: a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986).
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/timers.h"

/* Of two heaps makes one: the later root becomes the first child of the earlier.  Either may be
 * NULL.  The result's `next` and `prev` are the caller's to set. */
static struct health__timer *meld(struct health__timer *a, struct health__timer *b)
{
    struct health__timer *first, *second;

    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    first = b->at < a->at ? b : a;
    second = first == a ? b : a;

    second->next = first->child;
    if (second->next != NULL)
        second->next->prev = &second->next;
    first->child = second;
    second->prev = &first->child;
    return first;
}

/* Of a row of siblings makes one heap, in two passes: pairs from the left, then all from the right.
 * Without recursion: a row may be as long as there are timers. */
static struct health__timer *meld_row(struct health__timer *row)
{
    struct health__timer *pairs = NULL, *heap = NULL;

    while (row != NULL) {
        struct health__timer *a = row, *b = row->next, *pair;

        row = b != NULL ? b->next : NULL;
        a->next = NULL;
        if (b != NULL)
            b->next = NULL;
        pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs != NULL) {
        struct health__timer *pair = pairs;

        pairs = pair->next;
        pair->next = NULL;
        heap = meld(heap, pair);
    }
    return heap;
}

static void set_root(struct health__timers *t, struct health__timer *root)
{
    t->first = root;
    if (root != NULL) {
        root->next = NULL;
        root->prev = &t->first;
    }
}

void health__timer_clear(struct health__timers *t, struct health__timer *timer)
{
    struct health__timer *below;

    if (!health__timer_is_set(timer))
        return;
    *timer->prev = timer->next;
    if (timer->next != NULL)
        timer->next->prev = timer->prev;
    below = meld_row(timer->child);
    timer->child = timer->next = NULL;
    timer->prev = NULL;
    set_root(t, meld(t->first, below));
}

void health__timer_set(struct health__timers *t, struct health__timer *timer, int64_t at)
{
    health__timer_clear(t, timer);
    timer->at = at;
    set_root(t, meld(t->first, timer));
}

struct health__timer *health__timers_take(struct health__timers *t, int64_t now)
{
    struct health__timer *first = t->first;

    if (first == NULL || first->at > now)
        return NULL;
    health__timer_clear(t, first);
    return first;
}
