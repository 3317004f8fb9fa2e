/*
 * fork(): parts that must stand still while the host forks, and know of it in the child.
 *
 * fork() copies the memory as it stands and of all threads only the one that called it.  So each
 * part takes its locks before, and gives them back after, in the parent and in the child.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_BASE_FORK_H
#define HEALTH_BASE_FORK_H

#include "base/list.h"

struct health__fork_part {
    void (*prepare)(struct health__fork_part *part); /* takes every lock */
    void (*parent)(struct health__fork_part *part);  /* gives them back */
    void (*child)(struct health__fork_part *part);   /* the same in the child, which has no thread
                                                        of ours; must not allocate */
    struct health__link link;
};

/* From now on, until health__fork_leave(), the part is told.  Returns: 0 or an error number. */
int health__fork_join(struct health__fork_part *part);
void health__fork_leave(struct health__fork_part *part);

/*
 * For a thread that holds one of its part's locks nearly always: called without it, now and then,
 * it lets a fork() that waits for the lock go first.
 */
void health__fork_yield(void);

#endif
