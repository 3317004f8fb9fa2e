/*
 * Unix sockets that listen: the file behind one is made, and taken away again.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_BASE_LOCAL_H
#define HEALTH_BASE_LOCAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/net.h"

/* The file of a socket that listens. */
struct health__local {
    char path[112]; /* "": none */
    dev_t device;
    ino_t inode;
};

/*
 * Listens at the address of a unix socket, whose file gets the address's mode whatever the umask
 * is. The file that a process left behind which is gone is replaced; one at which someone listens,
 * or that is no socket, is EADDRINUSE.  Of several who try at the same time, in whatever processes,
 * one gets it: meanwhile the directory is locked, by flock(), where it can be.
 *
 * Returns: the descriptor, or -1 with errno.
 */
int health__local_listen(const struct health__address *address);

/* Remembers the file of the address, at which a socket of ours listens; none if it is no unix
 * socket. */
void health__local_init(struct health__local *local, const struct health__address *address);

/* Removes the file if it is still the same. */
void health__local_remove(struct health__local *local);

#endif
