/*
 * The server: libmicrohttpd in the engine's loop.
 *
 * MHD has no thread and no listening socket of its own: the loop waits on our listeners and on
 * MHD's epoll descriptor, accepts, hands over, and lets MHD run.  So there is one thread, a request
 * that has to wait is suspended and resumed by the same thread that ends its wait, and who gets a
 * connection is for us to say.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_HTTP_HTTP_H
#define HEALTH_HTTP_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "answer/answer.h"
#include "engine/engine.h"
#include "http/connection.h"
#include "http/listener.h"
#include "http/reply.h"

struct MHD_Daemon;

/* MHD's room for a request's head and the answer's; it clears all of it for each request. */
#define HEALTH__POOL_BYTES ((size_t)4096)

struct health__http {
    struct health__server server; /* what the engine knows of it */

    /* Set once. */
    struct health__engine *engine;
    struct health__answers *answers;
    const char *listen; /* addresses; NULL: none */
    enum health_details details;
    size_t limit; /* of connections */

    /* The port of the first listener, 0: none; while started, for any thread. */
    atomic_uint port;

    /* The loop's, while started. */
    struct health__poller *poller;
    struct MHD_Daemon *daemon; /* NULL: no address to listen on, and nothing of what follows */
    struct health__source ready;
    struct health__listeners listeners;
    struct health__connections connections;
    struct health__replies replies;
    size_t arriving;     /* connections that MHD has not begun with */
    unsigned full_turns; /* one after the other, without an end of those who come */
    int64_t due_at;      /* when MHD has something to do */
    int64_t looked_at;   /* when it was last looked whether MHD's epoll is there */
    int64_t began_us;    /* when MHD was first run in this turn */
    bool draining;       /* no new requests */
    bool ending;         /* this is the last turn */
    unsigned last_turns; /* while draining: before those who have not asked are shut down */
};

/* `listen` has been checked; the strings stay the caller's, and must last. */
void health__http_init(struct health__http *http, struct health__engine *engine,
    struct health__answers *answers, const char *listen, enum health_details details, size_t limit);

#endif
