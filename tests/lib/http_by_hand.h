/*
 * The server without sockets: one connection, on which MHD, played by the test, hands over
 * requests; and the engine by hand behind it.
 *
 * For unit tests, which have the insides in reach; see by_hand.h and mhd_by_hand.h for what they
 * wrap.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_HTTP_BY_HAND_H
#define TESTS_HTTP_BY_HAND_H

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "by_hand.h"
#include "http/http.h"
#include "mhd_by_hand.h"
#include "polling.h"

#define SERVED_LIMIT 4

static struct {
    struct hand hand;
    struct health__answers answers;
    struct health__http http;
    struct health__poller poller;
    struct health__connection *connection; /* from 127.0.0.1 */
    int client;                            /* its other end */
    char document[4096];                   /* that was rendered last */
    bool no_reply;                         /* there is no memory for one */
    int takes_ms;                          /* so long it takes to make one */
    bool same_turn;                        /* requests do not each come in a turn of its own */
} served;

static struct health__reply *served_make(char *bytes, size_t length)
{
    assert_true(length < sizeof(served.document));
    memcpy(served.document, bytes, length);
    served.document[length] = '\0';
    if (served.takes_ms > 0)
        fake_clock_set(health__now_ms() + served.takes_ms);
    if (!served.no_reply)
        return health__reply_maker.make(bytes, length);
    free(bytes);
    return NULL;
}

static void served_drop(struct health__reply *reply)
{
    health__reply_maker.drop(reply);
}

/* A connection, whose client is at the address. */
static inline struct health__connection *served_connect(uint32_t address, int *ret_client)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = 1, .sin_addr.s_addr = htonl(address)};
    struct health__connection *c;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    *ret_client = ends[1];
    c = health__connection_add(&served.http.connections, ends[0],
        (const struct sockaddr *)(const void *)&in, sizeof(in), served.hand.engine.now);
    health__connections_know(&served.http.connections);
    return c;
}

static inline void served_open(int64_t now)
{
    static const struct health__reply_maker maker = {served_make, served_drop};
    struct health__http *http = &served.http;

    memset(&served, 0, sizeof(served));
    hand_open(&served.hand, now);
    assert_int_equal(
        health__fd_pair(&served.hand.engine.wake_send, &served.hand.engine.wake_receive), 0);
    served.answers = (struct health__answers){
        .engine = &served.hand.engine, .gates = &served.hand.gates, .maker = &maker};
    health__http_init(
        http, &served.hand.engine, &served.answers, NULL, HEALTH_DETAILS_LOCAL, SERVED_LIMIT);
    served.hand.engine.server = &http->server;
    assert_int_equal(health__connections_init(&http->connections, http, SERVED_LIMIT), 0);
    assert_int_equal(health__replies_init(&http->replies), 0);
    assert_int_equal(health__poller_open(&served.poller), 0);
    http->poller = &served.poller;
    http->daemon = (struct MHD_Daemon *)(void *)&served; /* there is one; nobody looks into it */
    served.connection = served_connect(INADDR_LOOPBACK, &served.client);
}

static inline void served_close(void)
{
    (void)close(served.client);
    (void)close(served.connection->fd.fd);
    health__answers_clear(&served.answers);
    health__replies_done(&served.http.replies);
    health__connections_done(&served.http.connections);
    health__poller_close(&served.poller);
    health__fd_close(&served.hand.engine.wake_send);
    health__fd_close(&served.hand.engine.wake_receive);
    hand_close(&served.hand);
}

/* Tells what is ready, without waiting. */
static inline void served_poll(void)
{
    poll_until(&served.poller, 0, 0);
}

/* Hands over a request of the connection: MHD's part of it. */
static inline void served_handle(struct MHD_Connection *r)
{
    if (!served.same_turn)
        served.http.began_us = health__now_us();
    if (r->of == NULL)
        r->of = served.connection;
    mhd_run(&served.http, r);
}

#endif
