/*
 * A server that answers as a test tells it to, however odd that is: for what asks.
 *
 * One thread serves one connection after the other, each by the same steps.  Functions return
 * errors and never fail a test.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_ODD_SERVER_H
#define TESTS_ODD_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

enum odd_do {
    ODD_CLOSE,   /* close; also what is done after the last step */
    ODD_RESET,   /* close with a reset */
    ODD_HEAR,    /* read up to the empty line of a request, or to the peer's end */
    ODD_SAY,     /* send the text */
    ODD_TRICKLE, /* send it a byte at a time, every `number` ms */
    ODD_FLOOD,   /* send it again and again, `number` bytes in all; 0: until the peer is gone */
    ODD_END,     /* shut the sending side */
    ODD_HANG     /* do nothing until the peer is gone */
};

struct odd_step {
    enum odd_do what;
    const char *text;
    size_t length; /* 0: up to the text's NUL */
    long long number;
};

/* Initializers of steps; `literal` may have NUL bytes in it. */
#define ODD_STEP(what_)                                                                            \
    {                                                                                              \
        .what = (what_)                                                                            \
    }
#define ODD_STEP_OF(what_, literal, number_)                                                       \
    {                                                                                              \
        .what = (what_), .text = (literal), .length = sizeof(literal) - 1, .number = (number_)     \
    }

#define ODD_STEPS 6

struct odd_server {
    /* To be set before it starts, all else zero. */
    const char *at; /* "127.0.0.1", "::1", or the path of a unix socket; NULL: "127.0.0.1" */
    int port;       /* 0: any, and then the one it is */
    struct odd_step steps[ODD_STEPS];

    int fd;
    int stop[2]; /* a pipe: closed at the one end, readable at the other */
    pthread_t thread;
    atomic_int heard; /* how many connections said something */
    atomic_llong sent;
    char request[1024]; /* what the last of these said; of the thread until odd_server_stop() */
};

/* A socket that listens at the address (as of `at`; of its port, or any that is then set), whose
 * queue has so many places.  Returns: the descriptor, or -1 with errno. */
int odd_listen(const char *at, int *port, int places);

/* Returns: 0, or -1 with errno. */
int odd_server_start(struct odd_server *s);
void odd_server_stop(struct odd_server *s);

/* An address at which a connection is neither made nor refused: the queue of its socket is full. */
struct odd_hole {
    int fd;
    int fillers[16];
    int count;
};

/* Returns: 0, or -1 with errno. */
int odd_hole_start(struct odd_hole *h, const char *at, int *port);

/* Makes room for those that wait: they are connected, though never answered. */
void odd_hole_open(struct odd_hole *h);
void odd_hole_stop(struct odd_hole *h);

#endif
