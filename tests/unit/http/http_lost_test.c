/*
 * The server when the host has closed descriptors of ours: that is found out before MHD, which
 * would abort the program, and what is the host's by now is left alone.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: MHD_start_daemon MHD_stop_daemon MHD_get_daemon_info MHD_add_connection MHD_run */
/* wrap: MHD_get_timeout MHD_resume_connection MHD_get_connection_info accept4 */
#include "http/http.h"

#include <fcntl.h>

#include "server_by_hand.h"

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* The host closes the descriptor, and has its number for something of its own. */
static void take(int fd)
{
    int hosts = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(hosts >= 0);
    assert_int_equal(dup2(hosts, fd), fd);
    (void)close(hosts);
}

/* What the library leaves behind of a daemon that it has forgotten. */
static void clean_up(void)
{
    health__replies_done(&http.replies);
    health__connections_done(&http.connections);
    mhd.started = false;
}

static void without_its_set_mhd_is_not_run(void **unused)
{
    int epoll = http.ready.fd, runs = mhd.runs;

    (void)unused;
    take(epoll);
    http.due_at = HEALTH__NOT_YET;
    assert_false(h.engine.lost);
    assert_int_equal(run(T), T);
    assert_true(h.engine.lost);
    assert_int_equal(mhd.runs, runs);
    http.server.forget(&http.server, true);
    assert_true(is_open(epoll));
    (void)close(epoll);
    clean_up();
}

static void and_nobody_is_accepted(void **unused)
{
    int epoll = http.ready.fd;

    (void)unused;
    connect_one();
    wait_ready();
    (void)close(epoll);
    assert_int_equal(run(T), T);
    assert_true(h.engine.lost);
    assert_int_equal(mhd.count, 0);
    http.server.forget(&http.server, true);
    clean_up();
}

/* ---- In the turn in which somebody comes ---- */

static int hosts; /* a descriptor of the host's */

static void take_the_connection(void)
{
    hosts = mhd.connections[0].fd;
    take(hosts);
}

static void close_the_connection(void)
{
    (void)close(mhd.connections[0].fd);
}

static void take_all(void)
{
    take(h.engine.wake_receive.fd);
    take_the_connection();
}

/* Someone comes, and this happens before the turn is over. */
static void accept_while(void (*does)(void))
{
    connect_one();
    wait_ready();
    mhd_does = does;
    (void)run(T);
    mhd_does = NULL;
    assert_int_equal(mhd.count, 1);
    assert_true(h.engine.lost);
}

/* What was looked at at its end is the host's. */
static void whoever_closes_all_may_use_a_number_again(void **unused)
{
    int epoll = http.ready.fd, wake = h.engine.wake_receive.fd;

    (void)unused;
    accept_while(take_all);
    http.server.forget(&http.server, true);
    assert_true(is_open(hosts));
    (void)close(hosts);
    (void)close(wake);
    (void)close(epoll);
    clean_up();
}

/* Nor is MHD asked to close it. */
static void what_was_closed_by_its_end_is_not_closed_again(void **unused)
{
    int epoll = http.ready.fd;

    (void)unused;
    accept_while(close_the_connection);
    hosts = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(hosts, mhd.connections[0].fd);
    http.server.stop(&http.server);
    assert_true(mhd.started);
    assert_true(is_open(hosts));
    (void)close(hosts);
    (void)close(epoll);
    clean_up();
}

static void and_what_was_not_looked_at_is_left_alone(void **unused)
{
    int epoll = http.ready.fd, fd;
    struct health__connection *c;

    (void)unused;
    accept_clients(1, T);
    fd = mhd.connections[0].fd;
    c = connection(0);
    c->fd = (struct health__fd){.fd = fd};
    http.server.forget(&http.server, true);
    assert_true(is_open(fd));
    (void)close(fd);
    (void)close(epoll);
    clean_up();
}

/* ---- At any time ---- */

/* Closes what is ours still, and nothing else. */
static void what_is_lost_is_left_alone(void **unused)
{
    int listener = http.listeners.listeners[0].fd.fd, reserve = http.listeners.reserve[0].fd;
    int first, second, epoll = http.ready.fd;

    (void)unused;
    accept_clients(2, T);
    first = mhd.connections[0].fd;
    second = mhd.connections[1].fd;
    take(listener);
    take(first);
    answers.kept[HEALTH__AT_READY][1][0].reply = (struct health__reply *)(void *)&h;
    http.server.forget(&http.server, true);
    assert_null(http.daemon);
    assert_null(answers.kept[HEALTH__AT_READY][1][0].reply);
    assert_int_equal(atomic_load(&http.port), 0);
    assert_true(mhd.started);
    assert_true(is_open(listener));
    assert_true(is_open(first));
    assert_false(is_open(second));
    assert_false(is_open(reserve));
    /* MHD's own: where all is lost, whose it is is not known. */
    assert_true(is_open(epoll));
    (void)close(listener);
    (void)close(first);
    (void)close(epoll);
    clean_up();
}

static void a_stop_that_finds_out_does_not_stop_mhd(void **unused)
{
    int fd, epoll = http.ready.fd;

    (void)unused;
    accept_clients(1, T);
    fd = mhd.connections[0].fd;
    take(fd);
    http.server.stop(&http.server);
    assert_true(mhd.started);
    assert_null(http.daemon);
    assert_true(is_open(fd));
    (void)close(fd);
    (void)close(epoll);
    clean_up();
}

/* Nor is what waits resumed, but the loop told. */
static void a_connection_that_is_lost_is_not_resumed(void **unused)
{
    struct health__connection *c;
    int fd, epoll = http.ready.fd;

    (void)unused;
    accept_clients(1, T);
    fd = mhd.connections[0].fd;
    c = connection(0);
    c->mhd = &mhd.connections[0];
    c->gone.fd = -1;
    mhd.connections[0].suspended = true;
    health__connection_enter(&http.connections, c, HEALTH__WAITING, T);
    take(fd);
    health__request_hurry(c);
    assert_int_equal(mhd.resumes, 0);
    assert_true(h.engine.lost);
    http.server.forget(&http.server, true);
    assert_true(is_open(fd));
    (void)close(fd);
    (void)close(epoll);
    clean_up();
}

/* The engine answers those who wait after the server has forgotten: that is nothing to it. */
static void nor_is_one_that_was_put_off(void **unused)
{
    int fd, runs, epoll = http.ready.fd;

    (void)unused;
    accept_clients(2, T);
    runs = mhd.runs;
    fd = put_off(0, T)->fd.fd;
    (void)put_off(1, T);
    take(fd);
    (void)run(T + 1);
    assert_true(h.engine.lost);
    assert_int_equal(mhd.resumes, 0);
    assert_int_equal(mhd.runs, runs);
    http.server.forget(&http.server, true);
    assert_true(is_open(fd));
    (void)close(fd);
    (void)close(epoll);
    clean_up();
}

static void what_was_forgotten_is_not_resumed(void **unused)
{
    struct health__connection *c;
    int epoll = http.ready.fd;

    (void)unused;
    accept_clients(1, T);
    c = connection(0);
    c->mhd = &mhd.connections[0];
    c->gone.fd = -1;
    mhd.connections[0].suspended = true;
    health__connection_enter(&http.connections, c, HEALTH__WAITING, T);
    http.server.forget(&http.server, true);
    health__request_hurry(c);
    assert_int_equal(mhd.resumes, 0);
    assert_false(h.engine.lost);
    (void)close(epoll);
    clean_up();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_http, close_http)
    const struct CMUnitTest tests[] = {
        TEST(without_its_set_mhd_is_not_run),
        TEST(and_nobody_is_accepted),
        TEST(whoever_closes_all_may_use_a_number_again),
        TEST(what_was_closed_by_its_end_is_not_closed_again),
        TEST(and_what_was_not_looked_at_is_left_alone),
        TEST(what_is_lost_is_left_alone),
        TEST(a_stop_that_finds_out_does_not_stop_mhd),
        TEST(a_connection_that_is_lost_is_not_resumed),
        TEST(nor_is_one_that_was_put_off),
        TEST(what_was_forgotten_is_not_resumed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
