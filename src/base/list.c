/*
 * Doubly linked lists: what is too long to be there at every call of it.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/list.h"

void health__list_init(struct health__link *head)
{
    head->next = head->prev = head;
}

void health__list_remove(struct health__link *link)
{
    if (!health__list_linked(link))
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = NULL;
}

void health__list_splice(struct health__link *to, struct health__link *from)
{
    if (health__list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    health__list_init(from);
}
