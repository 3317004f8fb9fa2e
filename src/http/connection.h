/*
 * Connections: how many there may be, how long each may take, and who has to go.
 *
 * A connection is in one phase at a time:
 *
 *              whole request            answer queued             answer sent
 *     READING --------------> WAITING ----------------> SENDING -------------> READING, or closed
 *        |                       |                          |
 *        |  5 s, or its place    |  its place is needed     |  10 s, or its place is needed
 *        |  is needed            v                          |
 *        |                 answered at once                 |
 *        +-----------------> LEAVING <----------------------+
 *                    (shut down; MHD closes it)
 *
 * A request whose document is for it alone may be PUT_OFF before it waits and before it is
 * answered: see request.c.  That ends as WAITING does, without a limit, as its turn comes.
 *
 * Each phase has its limit from when it was entered, however much the client does meanwhile.  At
 * the limit of connections the oldest of whoever has most of them makes room.
 *
 * All of it is the loop's.  Nothing is allocated but at the start.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_HTTP_CONNECTION_H
#define HEALTH_HTTP_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "answer/answer.h"
#include "base/buffer.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/poller.h"
#include "engine/engine.h"

struct MHD_Connection;
struct health__http;

enum health__phase {
    HEALTH__FREE,
    HEALTH__READING,
    HEALTH__WAITING, /* for a check; MHD has it suspended */
    HEALTH__PUT_OFF, /* to a later turn of the loop; MHD has it suspended */
    HEALTH__SENDING,
    HEALTH__LEAVING,
    HEALTH__PHASES /* how many there are */
};

struct health__connection {
    struct health__http *http; /* set once */

    enum health__phase phase;
    int64_t since;        /* when the phase was entered */
    int64_t came;         /* when it was accepted */
    bool answered;        /* it has been sent an answer, whatever it is at now */
    struct health__fd fd; /* MHD's */
    bool known;           /* MHD has begun with it */
    bool local;           /* the client is on the same host */
    unsigned from;        /* index into the table's `sources` */

    /* The request at hand. */
    struct MHD_Connection *mhd; /* while suspended */
    struct health__request request;
    struct health__buffer names; /* what the request points to, each with its NUL */
    unsigned framing;            /* what the head says of a body; see head.h */
    bool proxied;                /* someone speaks for the client */
    bool bad_name;               /* a name in the target is none */
    bool targeted;               /* the target has been read */
    bool waited;                 /* its runs have been waited for */
    bool its_turn;               /* it was put off, and is not once more */
    bool makes_way;              /* its place is needed: it is shut down once it is answered */
    struct health__waiter waiter;
    struct health__source gone; /* while waiting: tells that the client is */

    struct health__link in_phase;  /* in the table's list of its phase, the oldest first */
    struct health__link in_source; /* among those from the same source, the oldest first */
    struct health__link unseen;    /* in the table's list of these */
};

#define HEALTH__SOURCES 256

struct health__source_count {
    struct health__link connections; /* by `in_source` */
    size_t count;
};

struct health__connections {
    struct health__http *http;
    struct health__connection *all; /* `room` of them */
    size_t room;
    size_t used;    /* of these, those that have ever been: the others' memory is not touched */
    size_t limit;   /* beyond this, one has to go for each that comes */
    size_t count;   /* not FREE */
    size_t leaving; /* of these, LEAVING */
    struct health__link unseen; /* of these, whose descriptor has not been looked at */
    struct health__link phases[HEALTH__PHASES];
    struct health__source_count sources[HEALTH__SOURCES];
};

/* How many come before those that leave are gone. */
#define HEALTH__CONNECTIONS_MARGIN 32

/* Returns: 0, or -1 without memory. */
int health__connections_init(
    struct health__connections *t, struct health__http *http, size_t limit);
void health__connections_done(struct health__connections *t);

/* A connection that was accepted; it begins to read.  There must be room for it. */
struct health__connection *health__connection_add(struct health__connections *t, int fd,
    const struct sockaddr *address, socklen_t length, int64_t now);

/* Looks at the descriptors of those that were added and are still there, so that they are known
 * again: at the end of a turn, as most of them are gone by then.  Where the host has closed one,
 * all is lost. */
void health__connections_know(struct health__connections *t);

/* MHD has closed it, or never took it. */
void health__connection_remove(struct health__connections *t, struct health__connection *c);

/* It enters the phase; not for LEAVING. */
void health__connection_enter(struct health__connections *t, struct health__connection *c,
    enum health__phase phase, int64_t now);

/* Shuts it down: MHD will close it.  Where the host has closed it MHD will never know: all is lost
 * then. */
void health__connection_shut(struct health__connections *t, struct health__connection *c);

/* Shuts down what has been in its phase for too long.  Returns: when to do so again. */
int64_t health__connections_expire(struct health__connections *t, int64_t now);

/* What was accepted more recently than this, and has not been answered yet, is not asked to go. */
#define HEALTH__FAIR_MS 20

/* Whose turn it is to make room, rather one that was not given an answer only just now; NULL if all
 * have come only just now. */
struct health__connection *health__connections_victim(struct health__connections *t, int64_t now);

#endif
