/*
 * Where connections come from: the listening sockets, and the descriptors kept in reserve for them.
 *
 * When the process has no descriptor left, accept() fails and the connection stays in the queue: a
 * probe would find no answer just when the service is in trouble.  So a few descriptors are held
 * for nothing else, and one is given up for each connection that comes then.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_HTTP_LISTENER_H
#define HEALTH_HTTP_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/local.h"
#include "base/net.h"
#include "base/poller.h"

#define HEALTH__LISTENERS_MAX 16
#define HEALTH__RESERVE       4

struct health__listener {
    struct health__source source;
    struct health__fd fd;
    struct health__local local; /* the file of a unix socket */
    bool ready;                 /* there is someone to accept */
};

struct health__listeners {
    struct health__poller *poller;
    struct health__listener listeners[HEALTH__LISTENERS_MAX];
    size_t count;
    struct health__fd reserve[HEALTH__RESERVE];
    unsigned port;     /* of the first; 0: none */
    bool starved;      /* the last accept had no descriptor, not even one in reserve */
    int64_t paused_to; /* nothing is accepted until then; NOT_YET: it is */
};

/* Reads a list of addresses; NULL is an empty one.  Returns: 0 or HEALTH_EINVAL. */
int health__listeners_check(const char *list);

/* Listens at each address of the list, which was checked.  Returns: 0, or a HEALTH_E… having undone
 * everything. */
int health__listeners_open(
    struct health__listeners *l, struct health__poller *poller, const char *list);

/* Whoever is still in the queue is refused. */
void health__listeners_close(struct health__listeners *l);

/* Whether someone may be waiting to be accepted. */
bool health__listeners_ready(const struct health__listeners *l);

/* Until the poller tells again that someone is. */
void health__listeners_rest(struct health__listeners *l);

/*
 * Accepts the next connection of any listener.
 *
 * Returns: its descriptor, non-blocking and close-on-exec; -1: there is none now, or no descriptor
 * for it, and accepting is paused.
 */
int health__listeners_accept(struct health__listeners *l, struct sockaddr_storage *ret_address,
    socklen_t *ret_length, int64_t now);

/* Accepts nothing until then. */
void health__listeners_pause(struct health__listeners *l, int64_t until);

/* Goes on if the pause is over, and makes the reserve full again if there are descriptors. */
void health__listeners_tend(struct health__listeners *l, int64_t now);

/* In the child of a fork: closes the descriptors. */
void health__listeners_forget(struct health__listeners *l);

#endif
