/*
 * A doubly linked list whose links live in its elements: nothing to allocate, nothing that can
 * fail.
 *
 * The list's head is a link too; an empty list is a head that points to itself.  An element that is
 * in no list has links of NULL, which zeroed memory has from the start.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_BASE_LIST_H
#define HEALTH_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct health__link {
    struct health__link *next;
    struct health__link *prev;
};

/* The struct of type `type` that has `pointer` as its member `member`. */
#define health__container(pointer, type, member)                                                   \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Goes through the links of a list, which may lose the one at hand in the body. */
#define health__list_each(link, rest, head)                                                        \
    for ((link) = (head)->next; (rest) = (link)->next, (link) != (head); (link) = (rest))

void health__list_init(struct health__link *head);

static inline bool health__list_empty(const struct health__link *head)
{
    return head->next == head;
}

static inline bool health__list_linked(const struct health__link *link)
{
    return link->next != NULL;
}

static inline void health__list_append(struct health__link *head, struct health__link *link)
{
    link->next = head;
    link->prev = head->prev;
    head->prev->next = link;
    head->prev = link;
}

static inline void health__list_prepend(struct health__link *head, struct health__link *link)
{
    health__list_append(head->next, link);
}

/* Takes the link out of its list; nothing if it is in none. */
void health__list_remove(struct health__link *link);

/* Takes out the first link; NULL if the list is empty. */
static inline struct health__link *health__list_take(struct health__link *head)
{
    struct health__link *link = head->next;

    if (link == head)
        return NULL;
    health__list_remove(link);
    return link;
}

/* Moves all elements of `from` to the end of `to`. */
void health__list_splice(struct health__link *to, struct health__link *from);

#endif
