/*
 * The server with real clients and listeners, but MHD, and the loop, played by the test.
 *
 * For unit tests, which have the insides in reach, and which wrap accept4 and what daemon_by_hand.h
 * names.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_SERVER_BY_HAND_H
#define TESTS_SERVER_BY_HAND_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>

#include "base/clock.h"
#include "daemon_by_hand.h"
#include "polling.h"
#include "refused.h"

int __real_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);

static bool no_descriptors;

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    if (no_descriptors) {
        errno = EMFILE;
        return -1;
    }
    /* One that is not there yet would be waited for. */
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    return __real_accept4(fd, address, length, flags);
}

#define T     10000
#define LIMIT 4
#define ROOM  (LIMIT + HEALTH__CONNECTIONS_MARGIN)

static struct hand h;
static struct health__answers answers;
static struct health__http http;
static struct health__poller poller;
static int clients[DAEMON_CONNECTIONS];
static size_t client_count;
static bool leaves_at_once; /* whoever connects, without a word */

static inline int open_http(void **state)
{
    mhd_start_error = 0;
    mhd_does = NULL;
    mhd_begins_late = mhd_refuses = mhd_closes = mhd_has_timeout = no_descriptors = false;
    client_count = 0;
    leaves_at_once = false;
    if (refused_count(state) != 0)
        return -1;
    memset(&h, 0, sizeof(h));
    assert_int_equal(
        health__engine_init(&h.engine, &h.gates, &http.server, &h.observer, HAND_RESPONSE_MS, 16),
        0);
    assert_int_equal(health__fd_pair(&h.engine.wake_send, &h.engine.wake_receive), 0);
    h.engine.now = T;
    memset(&http, 0, sizeof(http));
    answers = (struct health__answers){.engine = &h.engine, .gates = &h.gates};
    health__http_init(&http, &h.engine, &answers, "127.0.0.1:0", HEALTH_DETAILS_LOCAL, LIMIT);
    assert_int_equal(health__poller_open(&poller), 0);
    return http.server.start(&http.server, &poller, NULL);
}

static inline int close_http(void **state)
{
    size_t i;

    http.server.stop(&http.server);
    for (i = 0; i < client_count; i++)
        (void)close(clients[i]);
    health__poller_close(&poller);
    health__fd_close(&h.engine.wake_send);
    health__fd_close(&h.engine.wake_receive);
    hand_close(&h);
    return refused_recount(state);
}

/* How many can be accepted. */
static inline unsigned queued(void)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof(info);

    assert_int_equal(
        getsockopt(http.listeners.listeners[0].fd.fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    return info.tcpi_unacked;
}

/* A client connects and says something, and can be accepted. */
static inline void connect_one(void)
{
    unsigned before = queued();
    int64_t deadline = health__now_ms() + polling_patience_ms;
    struct sockaddr_in in = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)http.listeners.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&in, sizeof(in)), 0);
    if (leaves_at_once)
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
    else
        assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
    clients[client_count++] = fd;
    while (queued() == before && health__now_ms() < deadline)
        (void)sched_yield();
    assert_true(polling_result(queued() == before + 1));
}

static inline int64_t run(int64_t now)
{
    h.engine.now = now;
    return http.server.run(&http.server, now);
}

/* Waits until the server knows that someone is there. */
static inline void wait_ready(void)
{
    int64_t deadline = health__now_ms() + polling_patience_ms;

    while (!http.listeners.listeners[0].ready && health__now_ms() < deadline)
        poll_until(&poller, deadline, health__now_ms());
    assert_true(polling_result(http.listeners.listeners[0].ready));
}

/* Two turns at `now`: at the end of a pause the poller is to say anew who waits.  Returns: when the
 * server wants the next. */
static inline int64_t run_twice(int64_t now)
{
    (void)run(now);
    poll_until(&poller, 0, 0);
    return run(now);
}

/* So many clients connect, and are accepted at `now`. */
static inline void accept_clients(size_t count, int64_t now)
{
    size_t all = mhd.count + count;
    int64_t deadline = health__now_ms() + polling_patience_ms;

    for (; count > 0; count--)
        connect_one();
    while (mhd.count < all && health__now_ms() < deadline) {
        wait_ready();
        (void)run(now);
    }
    (void)polling_result(mhd.count == all);
    assert_int_equal(mhd.count, all);
}

static inline struct health__connection *connection(size_t i)
{
    return mhd.connections[i].context;
}

/* Its request is put off. */
static inline struct health__connection *put_off(size_t i, int64_t now)
{
    struct health__connection *c = connection(i);

    c->mhd = &mhd.connections[i];
    c->gone.fd = -1;
    mhd.connections[i].suspended = true;
    health__connection_enter(&http.connections, c, HEALTH__PUT_OFF, now);
    return c;
}

#endif
