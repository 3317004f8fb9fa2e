/*
 * Descriptors that know themselves.
 *
 * A host may close descriptors that are none of its own: closefrom(3), a late daemon().  Their
 * numbers are then given out again, and what we did to them we would do to the host.  So each of
 * ours is a socket, whose inode is its own, and is looked at before it is written to or closed.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_BASE_FD_H
#define HEALTH_BASE_FD_H

#include <stdbool.h>
#include <sys/types.h>

/* Zeroed memory is descriptor 0, and not none. */
struct health__fd {
    int fd; /* -1: none */
    dev_t device;
    ino_t inode; /* 0: not looked at yet, and taken for ours */
};

/* Takes over a socket, -1 for none.  Returns: 0; or -1 with errno as it was for none, or as the
 * cause why it cannot be known again, and has been closed: there is none then. */
int health__fd_init(struct health__fd *f, int fd);

/* Looks at a socket, so that it is known again.  Returns: 0, or -1 with errno. */
int health__fd_know(struct health__fd *f);

/* Whether there is one, and it is still the socket that was taken over, as far as can be told: one
 * that was never looked at is, and the kernel may have no memory to tell. */
bool health__fd_is_ours(const struct health__fd *f);

/* Closes it if it is still ours; it is none from then on. */
void health__fd_close(struct health__fd *f);

/* A pair of sockets, non-blocking and close-on-exec, to wake a thread by: what is sent on one can
 * be received on the other.  Returns: 0, or -1 with errno. */
int health__fd_pair(struct health__fd *ret_send, struct health__fd *ret_receive);

/* Makes the other end readable.  Async-signal-safe, and no point of cancellation.  Returns: false
 * if it is not, for want of memory in the kernel. */
bool health__fd_wake(const struct health__fd *send);

/* Receives what one wake has sent; nothing if there is none. */
void health__fd_take_wake(const struct health__fd *receive);

#endif
