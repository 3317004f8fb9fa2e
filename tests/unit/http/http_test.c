/*
 * The server, turn by turn: who is accepted, who has to make room, when it wants its next turn, and
 * how it drains; with MHD played by the test.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: MHD_start_daemon MHD_stop_daemon MHD_get_daemon_info MHD_add_connection MHD_run */
/* wrap: MHD_get_timeout MHD_resume_connection accept4 */
#include "http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>

#include "base/clock.h"
#include "daemon_by_hand.h"
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

static int open_http(void **state)
{
    mhd_start_error = 0;
    mhd_refuses = mhd_closes = mhd_has_timeout = no_descriptors = false;
    client_count = 0;
    if (refused_count(state) != 0)
        return -1;
    memset(&h, 0, sizeof(h));
    assert_int_equal(
        health__engine_init(&h.engine, &h.gates, &http.server, HAND_RESPONSE_MS, 16), 0);
    h.engine.now = T;
    memset(&http, 0, sizeof(http));
    answers = (struct health__answers){.engine = &h.engine, .gates = &h.gates};
    health__http_init(&http, &h.engine, &answers, "127.0.0.1:0", HEALTH_DETAILS_LOCAL, LIMIT);
    assert_int_equal(health__poller_open(&poller), 0);
    return http.server.start(&http.server, &poller, NULL);
}

static int close_http(void **state)
{
    size_t i;

    http.server.stop(&http.server);
    for (i = 0; i < client_count; i++)
        (void)close(clients[i]);
    health__poller_close(&poller);
    hand_close(&h);
    return refused_recount(state);
}

/* How many can be accepted. */
static unsigned queued(void)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof(info);

    assert_int_equal(
        getsockopt(http.listeners.listeners[0].fd.fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    return info.tcpi_unacked;
}

/* A client connects and says something, and can be accepted. */
static void connect_one(void)
{
    unsigned before = queued();
    int64_t deadline = health__now_ms() + 10000;
    struct sockaddr_in in = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)http.listeners.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (const struct sockaddr *)(const void *)&in, sizeof(in)), 0);
    assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
    clients[client_count++] = fd;
    while (queued() == before && health__now_ms() < deadline)
        (void)sched_yield();
    assert_int_equal(queued(), before + 1);
}

static int64_t run(int64_t now)
{
    h.engine.now = now;
    return http.server.run(&http.server, now);
}

/* Waits until the server knows that someone is there. */
static void wait_ready(void)
{
    int64_t deadline = health__now_ms() + 10000;

    while (!http.listeners.listeners[0].ready && health__now_ms() < deadline)
        health__poller_dispatch(&poller, health__poller_wait(&poller, deadline, health__now_ms()));
    assert_true(http.listeners.listeners[0].ready);
}

/* So many clients connect, and are accepted at `now`. */
static void accept_clients(size_t count, int64_t now)
{
    size_t all = mhd.count + count;
    int64_t deadline = health__now_ms() + 10000;

    for (; count > 0; count--)
        connect_one();
    while (mhd.count < all && health__now_ms() < deadline) {
        wait_ready();
        (void)run(now);
    }
    assert_int_equal(mhd.count, all);
}

static struct health__connection *connection(size_t i)
{
    return mhd.connections[i].context;
}

/* ---- Accepting ---- */

static void whoever_connects_is_handed_to_mhd(void **unused)
{
    (void)unused;
    accept_clients(1, T);
    assert_int_equal(connection(0)->fd, mhd.connections[0].fd);
    assert_int_equal(connection(0)->phase, HEALTH__READING);
    assert_int_equal(connection(0)->since, T);
    assert_true(connection(0)->local);
    assert_ptr_equal(connection(0)->http, &http);
    assert_int_equal(mhd.runs, 1);
    assert_false(http.due);
    accept_clients(LIMIT - 1, T + 1);
    assert_int_equal(http.connections.count, LIMIT);
    mhd_close(&mhd.connections[1]);
    assert_int_equal(http.connections.count, LIMIT - 1);
}

/* Others are not to wait while very many come. */
static void only_so_many_are_accepted_in_a_turn(void **unused)
{
    int i;

    (void)unused;
    http.server.stop(&http.server);
    http.limit = 40;
    assert_int_equal(http.server.start(&http.server, &poller, NULL), 0);
    for (i = 0; i < 33; i++)
        connect_one();
    wait_ready();
    assert_int_equal(run(T), T);
    assert_int_equal(mhd.count, 32);
    assert_int_equal(run(T), T + 5000);
    assert_int_equal(mhd.count, 33);
}

/* It was told of the end before it was told that there is none. */
static void whom_mhd_closes_at_once_is_forgotten_once(void **unused)
{
    (void)unused;
    mhd_closes = true;
    connect_one();
    wait_ready();
    (void)run(T);
    assert_int_equal(http.connections.count, 0);
    assert_int_equal(http.arriving, 0);
}

static void whom_mhd_does_not_take_is_forgotten(void **unused)
{
    (void)unused;
    mhd_refuses = true;
    connect_one();
    wait_ready();
    (void)run(T);
    assert_int_equal(http.connections.count, 0);
    assert_int_equal(http.arriving, 0);
    mhd_refuses = false;
    accept_clients(1, T);
}

static void at_the_limit_the_oldest_makes_room(void **unused)
{
    (void)unused;
    accept_clients(LIMIT, T);
    connect_one();
    wait_ready();
    (void)run(T + HEALTH__FAIR_MS);
    /* It came, and the first was closed in the same turn. */
    assert_int_equal(mhd.count, LIMIT + 1);
    assert_int_equal(mhd.connections[0].fd, -1);
    assert_int_equal(http.connections.count, LIMIT);
    assert_int_equal(http.connections.leaving, 0);
}

static void but_not_one_that_has_only_just_come(void **unused)
{
    int64_t next;

    (void)unused;
    accept_clients(LIMIT, T);
    connect_one();
    wait_ready();
    /* It is looked for again when the first of them is no longer young. */
    next = run(T + HEALTH__FAIR_MS - 1);
    assert_int_equal(mhd.count, LIMIT);
    assert_int_equal(next, T + HEALTH__FAIR_MS);
    assert_int_equal(http.listeners.paused_to, next);
    (void)run(next);
    assert_int_equal(mhd.count, LIMIT + 1);
    assert_int_equal(mhd.connections[0].fd, -1);
}

/* That the limit is reached costs nobody his place: who comes next does. */
static void nobody_goes_before_someone_comes(void **unused)
{
    int64_t now;

    (void)unused;
    accept_clients(LIMIT, T);
    for (now = T; now <= T + 1000; now += 10)
        (void)run(now);
    assert_int_equal(http.connections.count, LIMIT);
    assert_int_equal(http.connections.leaving, 0);
    assert_int_equal(connection(0)->phase, HEALTH__READING);
}

/* One that waits for a check is answered at once, and closed when that is sent. */
static void one_that_waits_is_answered_first(void **unused)
{
    struct health__connection *c;

    (void)unused;
    accept_clients(LIMIT, T);
    c = connection(0);
    c->mhd = &mhd.connections[0];
    c->gone.fd = -1;
    mhd.connections[0].suspended = true;
    health__connection_enter(&http.connections, c, HEALTH__WAITING, T);
    connect_one();
    wait_ready();
    (void)run(T + 100);
    assert_int_equal(mhd.resumes, 1);
    assert_true(c->makes_way);
    assert_int_equal(c->phase, HEALTH__SENDING);
    assert_int_equal(http.connections.count, LIMIT + 1);
    assert_int_equal(mhd.count, LIMIT + 1);
}

static void there_are_never_more_than_there_is_room_for(void **unused)
{
    size_t i;

    (void)unused;
    accept_clients(LIMIT, T);
    /* All who can be are leaving, and MHD has not come to close one of them. */
    for (i = LIMIT; i < ROOM; i++) {
        struct sockaddr address = {.sa_family = AF_INET};

        health__connection_shut(&http.connections,
            health__connection_add(&http.connections, -1, &address, sizeof(address), T));
    }
    connect_one();
    wait_ready();
    (void)run(T + 100);
    assert_int_equal(mhd.count, LIMIT);
    assert_int_equal(http.connections.count, ROOM);
    while (http.connections.count > LIMIT)
        health__connection_remove(
            &http.connections, health__container(http.connections.phases[HEALTH__LEAVING].next,
                                   struct health__connection, in_phase));
}

static void without_descriptors_someone_makes_room_as_well(void **unused)
{
    (void)unused;
    accept_clients(2, T);
    no_descriptors = true;
    connect_one();
    wait_ready();
    assert_int_equal(run(T + 100), T + 101);
    assert_true(http.listeners.starved);
    assert_int_equal(http.connections.count, 2);
    assert_int_equal(http.connections.leaving, 1);
    assert_int_equal(connection(0)->phase, HEALTH__LEAVING);
    /* Young ones do not. */
    health__connection_enter(&http.connections, connection(1), HEALTH__READING, T + 101);
    assert_int_equal(run(T + 101), T + 101 + HEALTH__FAIR_MS);
    no_descriptors = false;
    (void)run(T + 101 + HEALTH__FAIR_MS);
    assert_int_equal(mhd.count, 3);
}

static void where_nobody_is_it_tries_again_later(void **unused)
{
    (void)unused;
    no_descriptors = true;
    connect_one();
    wait_ready();
    assert_int_equal(run(T), T + 100);
    assert_int_equal(run(T + 99), T + 100);
    no_descriptors = false;
    (void)run(T + 100);
    assert_int_equal(mhd.count, 1);
}

/* ---- Turns ---- */

static void mhd_is_run_when_it_has_something_to_do(void **unused)
{
    struct epoll_event event = {.events = EPOLLOUT};
    int ends[2];

    (void)unused;
    assert_int_equal(run(T), HEALTH__NEVER);
    assert_int_equal(mhd.runs, 0);
    /* Something is ready. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(epoll_ctl(mhd.epoll, EPOLL_CTL_ADD, ends[0], &event), 0);
    health__poller_dispatch(&poller, health__poller_wait(&poller, 0, 0));
    assert_true(http.due);
    assert_int_equal(run(T), HEALTH__NEVER);
    assert_int_equal(mhd.runs, 1);
    /* It wants to be run again, at once or later. */
    mhd_has_timeout = true;
    mhd_timeout_ms = 0;
    assert_int_equal(run(T), T);
    assert_true(http.due);
    mhd_timeout_ms = 70;
    http.listeners.paused_to = T + 70;
    assert_int_equal(run(T), T);
    http.listeners.paused_to = HEALTH__NOT_YET;
    assert_int_equal(mhd.runs, 2);
    mhd_has_timeout = false;
    assert_int_equal(run(T), HEALTH__NEVER);
    assert_int_equal(mhd.runs, 3);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void who_says_nothing_is_shut_down_in_time(void **unused)
{
    (void)unused;
    accept_clients(1, T);
    assert_int_equal(run(T), T + 5000);
    assert_int_equal(run(T + 4999), T + 5000);
    assert_int_equal(connection(0)->phase, HEALTH__READING);
    assert_int_equal(run(T + 5000), HEALTH__NEVER);
    assert_int_equal(connection(0)->phase, HEALTH__LEAVING);
}

static void the_reserve_is_kept_full(void **unused)
{
    (void)unused;
    health__fd_close(&http.listeners.reserve[1]);
    (void)run(T);
    assert_true(http.listeners.reserve[1].fd >= 0);
}

/* ---- Draining ---- */

static void it_drains_at_once_where_nobody_is(void **unused)
{
    (void)unused;
    assert_true(http.server.drain(&http.server));
    assert_int_equal(http.listeners.count, 0);
    assert_int_equal(run(T), T);
}

static void whoever_came_in_time_is_still_served(void **unused)
{
    int turn;

    (void)unused;
    accept_clients(1, T);
    health__connection_enter(&http.connections, connection(0), HEALTH__SENDING, T);
    connect_one();
    connect_one();
    /* Nobody has told of them yet. */
    assert_false(http.listeners.listeners[0].ready);
    assert_false(http.server.drain(&http.server));
    assert_int_equal(mhd.count, 3);
    assert_int_equal(http.listeners.count, 0);
    /* They have a few turns to ask in. */
    for (turn = 1; turn < 3; turn++) {
        assert_int_equal(run(T), T);
        assert_false(http.server.drain(&http.server));
        assert_int_equal(connection(1)->phase, HEALTH__READING);
    }
    health__connection_enter(&http.connections, connection(2), HEALTH__SENDING, T);
    (void)run(T);
    assert_false(http.server.drain(&http.server));
    assert_int_equal(connection(1)->phase, HEALTH__LEAVING);
    /* Whose answers are on their way are waited for. */
    assert_int_equal(connection(0)->phase, HEALTH__SENDING);
    assert_int_equal(connection(2)->phase, HEALTH__SENDING);
    assert_int_equal(run(T), T + 10000);
    assert_false(http.server.drain(&http.server));
    mhd_close(&mhd.connections[0]);
    /* One whose answer is sent may ask no more. */
    health__connection_enter(&http.connections, connection(2), HEALTH__READING, T);
    assert_int_equal(run(T), T);
    assert_false(http.server.drain(&http.server));
    (void)run(T);
    assert_true(http.server.drain(&http.server));
}

static void a_stop_resumes_whoever_waits(void **unused)
{
    struct health__connection *c;

    (void)unused;
    accept_clients(2, T);
    c = connection(1);
    c->mhd = &mhd.connections[1];
    c->gone.fd = -1;
    mhd.connections[1].suspended = true;
    health__connection_enter(&http.connections, c, HEALTH__WAITING, T);
    mhd.runs = 0;
    http.server.stop(&http.server);
    assert_int_equal(mhd.resumes, 1);
    assert_int_equal(mhd.runs, 1);
    assert_false(mhd.started);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_http, close_http)
    const struct CMUnitTest tests[] = {
        TEST(whoever_connects_is_handed_to_mhd),
        TEST(only_so_many_are_accepted_in_a_turn),
        TEST(whom_mhd_closes_at_once_is_forgotten_once),
        TEST(whom_mhd_does_not_take_is_forgotten),
        TEST(at_the_limit_the_oldest_makes_room),
        TEST(but_not_one_that_has_only_just_come),
        TEST(nobody_goes_before_someone_comes),
        TEST(one_that_waits_is_answered_first),
        TEST(there_are_never_more_than_there_is_room_for),
        TEST(without_descriptors_someone_makes_room_as_well),
        TEST(where_nobody_is_it_tries_again_later),
        TEST(mhd_is_run_when_it_has_something_to_do),
        TEST(who_says_nothing_is_shut_down_in_time),
        TEST(the_reserve_is_kept_full),
        TEST(it_drains_at_once_where_nobody_is),
        TEST(whoever_came_in_time_is_still_served),
        TEST(a_stop_resumes_whoever_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
