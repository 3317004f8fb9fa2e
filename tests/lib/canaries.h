/*
 * Descriptors of a host that can tell whether someone else has used them: read, written, closed,
 * shut down, or waited on.
 *
 * Functions return errors and never fail a test.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_CANARIES_H
#define TESTS_CANARIES_H

#include <stdbool.h>
#include <sys/types.h>

/* Of these kinds there are canaries: files, pipes' ends, sockets that are connected, that listen,
 * epolls, eventfds. */
#define CANARY_KINDS 8
#define CANARY_MAX   64

struct canaries {
    int count;
    struct canary {
        int fd;
        int kind;
        int other;   /* the other end, the one that an epoll has, or -1 */
        int watched; /* another canary that an epoll has as well, or -1 */
        dev_t device;
        ino_t inode;
    } all[CANARY_MAX];
};

/* Puts one at each descriptor from `first` to `last` that is free.  Which kind comes first is
 * `shift`'s choice.  Other ends are put above 200.  Returns: 0, or -1 with errno. */
int canaries_plant(struct canaries *c, int first, int last, int shift);

/* Returns: NULL if all are as they were; else what has happened to one, in words. */
const char *canaries_look(const struct canaries *c);

/* Closes them. */
void canaries_remove(struct canaries *c);

#endif
