/*
 * Hostile clients: a process that holds many connections to a port of this host, all of which
 * misbehave in one way, and that makes new ones for those that it loses.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_ATTACKERS_H
#define TESTS_ATTACKERS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "process.h"

enum attack_way {
    ATTACK_IDLE,        /* connect and say nothing */
    ATTACK_SLOW_HEAD,   /* a request's head, a byte a second */
    ATTACK_SLOW_BODY,   /* a head that announces a body, and then its bytes, one a second */
    ATTACK_HUGE_BODY,   /* a head that announces a terabyte, and then as much as is taken */
    ATTACK_SLOW_READ,   /* read the answer to GET /health a byte a second */
    ATTACK_KEPT_ALIVE,  /* read an answer, and then stay */
    ATTACK_RESET,       /* reset at once, half of them with a request on its way */
    ATTACK_HALF_CLOSED, /* shut the sending side, half of them after a request, and stay */
    ATTACK_STORM,       /* connect and leave, again and again */
    ATTACK_RECONNECT,   /* the beginning of a head; reconnect as soon as evicted */
    ATTACK_BUSY         /* ask again as soon as answered; reconnect as soon as evicted */
};

/* What is to be done, and what is being done; for attackers_start() to fill. */
struct attack {
    enum attack_way way;
    int port;
    int count;         /* connections at a time */
    bool many_sources; /* each from an address of its own, 127.1.x.y, instead of all from 127.0.0.1
                        */

    /* Shared with the process of the attackers. */
    struct attack_figures {
        atomic_int open;   /* connected now */
        atomic_int most;   /* at a time until now */
        atomic_long made;  /* connections, ever */
        atomic_long lost;  /* of these, ended by the server */
        atomic_long unmet; /* connects that failed */
        atomic_long bytes; /* received */
    } * figures;
    struct process process;
};

/* Begins the attack.  Returns: 0, or -1 with errno. */
int attackers_start(struct attack *a);

/* Ends it: all its connections are closed when this returns.  The figures stay until
 * attackers_free().  Returns: 0, or -1 if the attackers failed. */
int attackers_stop(struct attack *a);
void attackers_free(struct attack *a);

#endif
