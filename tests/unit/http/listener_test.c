/*
 * Connections that come: taken one after the other, and taken all the same when the process has no
 * descriptor left, as far as the reserve goes.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: accept4 epoll_ctl socket */
#include "http/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "polling.h"
#include "refused.h"

int __real_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __real_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);

/* What accept4() does, call by call: an error, or 0 for what it really does; the last for ever. */
static const int *accepts;
static size_t accepts_left;
static int accept_calls;

static int changes;           /* how often the poller was told to watch for something else */
static bool no_changes;       /* it refuses */
static uint32_t watched_for;  /* what, the last time */
static int sockets_left = -1; /* how many sockets can be made; negative: any */

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    int error = accepts_left > 0 ? *accepts : 0;

    if (accepts_left > 1) {
        accepts++;
        accepts_left--;
    }
    accept_calls++;
    if (accept_calls > 1000)
        fail_msg("accept4() is called for ever");
    /* One that is not there yet would be waited for. */
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(flags, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_int_equal(*length, sizeof(struct sockaddr_storage));
    if (error == 0)
        return __real_accept4(fd, address, length, flags);
    *length = 3;
    errno = error;
    return -1;
}

int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_MOD) {
        changes++;
        if (no_changes) {
            errno = ENOMEM;
            return -1;
        }
        watched_for = event->events;
    }
    return __real_epoll_ctl(set, operation, fd, event);
}

int __wrap_socket(int domain, int type, int protocol)
{
    if (sockets_left == 0) {
        errno = EMFILE;
        return -1;
    }
    sockets_left--;
    return __real_socket(domain, type, protocol);
}

#define T          10000
#define PATIENCE_S 40 /* whatever waits longer, waits in vain, and ends the test */

static struct health__poller poller;
static struct health__listeners listeners;

static int open_poller(void **state)
{
    accepts_left = 0;
    accept_calls = changes = 0;
    sockets_left = -1;
    if (refused_count(state) != 0)
        return -1;
    (void)alarm(PATIENCE_S);
    memset(&listeners, 0x5A, sizeof(listeners));
    return health__poller_open(&poller);
}

static int close_poller(void **state)
{
    sockets_left = -1;
    (void)alarm(0);
    health__poller_close(&poller);
    return refused_recount(state);
}

static void listen_at(const char *list)
{
    assert_accepted(health__listeners_open(&listeners, &poller, list));
}

/* Connects to the listener.  Returns: the client's end. */
static int connect_to(size_t i)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    int fd = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(
        getsockname(listeners.listeners[i].fd.fd, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, length), 0);
    /* TCP_DEFER_ACCEPT: it is handed over with its first bytes. */
    assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
    return fd;
}

/* Waits until someone is to be accepted. */
static void wait_ready(void)
{
    int64_t deadline = health__now_ms() + polling_patience_ms;

    while (!health__listeners_ready(&listeners) && health__now_ms() < deadline)
        poll_until(&poller, deadline, health__now_ms());
    assert_true(polling_result(health__listeners_ready(&listeners)));
}

static int accept_at(int64_t now)
{
    struct sockaddr_storage address;
    socklen_t length;
    int fd = health__listeners_accept(&listeners, &address, &length, now);

    if (fd >= 0) {
        assert_int_equal(address.ss_family, AF_INET);
        assert_int_equal(length, sizeof(struct sockaddr_in));
    }
    return fd;
}

static size_t reserves(void)
{
    size_t i, count = 0;

    for (i = 0; i < HEALTH__RESERVE; i++)
        count += listeners.reserve[i].fd >= 0;
    return count;
}

/* ---- Connections ---- */

static void whoever_connects_is_accepted(void **unused)
{
    int clients[2], fd;

    (void)unused;
    listen_at("127.0.0.1:0,127.0.0.2:0");
    clients[0] = connect_to(0);
    wait_ready();
    fd = accept_at(T);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    (void)close(fd);
    /* There is no other: that is known, and not asked again. */
    assert_int_equal(accept_at(T), -1);
    assert_false(health__listeners_ready(&listeners));
    accept_calls = 0;
    assert_int_equal(accept_at(T), -1);
    assert_int_equal(accept_calls, 0);
    /* The other listener. */
    clients[1] = connect_to(1);
    wait_ready();
    fd = accept_at(T);
    assert_true(fd >= 0);
    (void)close(fd);
    (void)close(clients[0]);
    (void)close(clients[1]);
    health__listeners_close(&listeners);
}

static void one_that_is_gone_already_is_passed_over(void **unused)
{
    static const int gone[] = {ECONNABORTED, EPROTO, EPERM, EINTR, ENETDOWN, 0};
    int client, fd;

    (void)unused;
    listen_at("127.0.0.1:0");
    client = connect_to(0);
    wait_ready();
    accepts = gone;
    accepts_left = sizeof(gone) / sizeof(gone[0]);
    fd = accept_at(T);
    assert_true(fd >= 0);
    assert_int_equal(accept_calls, 6);
    assert_int_equal(listeners.paused_to, HEALTH__NOT_YET);
    (void)close(fd);
    (void)close(client);
    health__listeners_close(&listeners);
}

static void but_not_for_ever(void **unused)
{
    static const int gone[] = {ECONNABORTED};

    (void)unused;
    listen_at("127.0.0.1:0");
    listeners.listeners[0].ready = true;
    accepts = gone;
    accepts_left = 1;
    assert_int_equal(accept_at(T), -1);
    assert_int_equal(accept_calls, 64);
    assert_int_equal(listeners.paused_to, T + 100);
    health__listeners_close(&listeners);
}

/* ---- Without descriptors ---- */

static void the_reserve_is_given_up_for_a_connection(void **unused)
{
    static const int errors[] = {EMFILE, ENFILE, 0};
    int client, fd;

    (void)unused;
    listen_at("127.0.0.1:0");
    client = connect_to(0);
    wait_ready();
    accepts = errors;
    accepts_left = 3;
    fd = accept_at(T);
    assert_true(fd >= 0);
    assert_int_equal(reserves(), HEALTH__RESERVE - 2);
    assert_false(listeners.starved);
    assert_int_equal(listeners.paused_to, HEALTH__NOT_YET);
    /* While there is none for it, it stays as it is; then it is full again. */
    sockets_left = 0;
    health__listeners_tend(&listeners, T + 1);
    assert_int_equal(reserves(), HEALTH__RESERVE - 2);
    sockets_left = 1;
    health__listeners_tend(&listeners, T + 2);
    assert_int_equal(reserves(), HEALTH__RESERVE - 1);
    sockets_left = -1;
    health__listeners_tend(&listeners, T + 3);
    assert_int_equal(reserves(), HEALTH__RESERVE);
    (void)close(fd);
    (void)close(client);
    health__listeners_close(&listeners);
}

static void without_a_reserve_it_pauses(void **unused)
{
    static const int none[] = {EMFILE};
    int client, fd;

    (void)unused;
    listen_at("127.0.0.1:0,127.0.0.2:0");
    client = connect_to(0);
    wait_ready();
    accepts = none;
    accepts_left = 1;
    assert_int_equal(accept_at(T), -1);
    assert_int_equal(accept_calls, HEALTH__RESERVE + 1);
    assert_int_equal(reserves(), 0);
    assert_true(listeners.starved);
    assert_int_equal(listeners.paused_to, T + 100);
    /* Meanwhile nobody is listened for, or the loop would spin. */
    assert_int_equal(changes, 2);
    assert_int_equal(watched_for, 0);
    assert_false(health__listeners_ready(&listeners));
    assert_int_equal(accept_at(T + 50), -1);
    assert_int_equal(accept_calls, HEALTH__RESERVE + 1);
    health__listeners_tend(&listeners, T + 99);
    assert_int_equal(listeners.paused_to, T + 100);
    health__listeners_tend(&listeners, T + 100);
    assert_int_equal(listeners.paused_to, HEALTH__NOT_YET);
    assert_int_equal(changes, 4);
    assert_int_equal(watched_for, EPOLLIN);
    /* Whoever waited is still there, and is told of anew: what was known is old. */
    accepts_left = 0;
    assert_false(health__listeners_ready(&listeners));
    wait_ready();
    fd = accept_at(T + 100);
    assert_true(fd >= 0);
    assert_false(listeners.starved);
    (void)close(fd);
    (void)close(client);
    health__listeners_close(&listeners);
}

static void other_wants_of_the_kernel_take_nothing_from_the_reserve(void **unused)
{
    static const int errors[] = {ENOBUFS, ENOMEM, EBADF, EINVAL, ENOTSOCK};
    size_t i;

    (void)unused;
    listen_at("127.0.0.1:0");
    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        listeners.listeners[0].ready = true;
        accept_calls = 0;
        accepts = &errors[i];
        accepts_left = 1;
        assert_int_equal(accept_at(T), -1);
        assert_int_equal(accept_calls, 1);
        assert_int_equal(listeners.paused_to, T + 100);
        assert_false(listeners.starved);
        health__listeners_tend(&listeners, T + 100);
    }
    assert_int_equal(reserves(), HEALTH__RESERVE);
    health__listeners_close(&listeners);
}

static void a_pause_is_as_long_as_was_said_last(void **unused)
{
    int client;

    (void)unused;
    listen_at("127.0.0.1:0");
    client = connect_to(0);
    wait_ready();
    health__listeners_pause(&listeners, T + 20);
    assert_false(health__listeners_ready(&listeners));
    health__listeners_pause(&listeners, T + 1);
    assert_int_equal(changes, 1);
    health__listeners_tend(&listeners, T + 1);
    assert_int_equal(listeners.paused_to, HEALTH__NOT_YET);
    assert_int_equal(changes, 2);
    wait_ready();
    (void)close(client);
    health__listeners_close(&listeners);
}

static void a_pause_lasts_until_the_poller_has_heard_of_its_end(void **unused)
{
    int client;

    (void)unused;
    listen_at("127.0.0.1:0");
    client = connect_to(0);
    health__listeners_pause(&listeners, T + 20);
    no_changes = true;
    health__listeners_tend(&listeners, T + 20);
    no_changes = false;
    assert_int_equal(listeners.paused_to, T + 120);
    health__listeners_tend(&listeners, T + 120);
    assert_int_equal(listeners.paused_to, HEALTH__NOT_YET);
    wait_ready();
    (void)close(client);
    health__listeners_close(&listeners);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_poller, close_poller)
    const struct CMUnitTest tests[] = {
        TEST(whoever_connects_is_accepted),
        TEST(one_that_is_gone_already_is_passed_over),
        TEST(but_not_for_ever),
        TEST(the_reserve_is_given_up_for_a_connection),
        TEST(without_a_reserve_it_pauses),
        TEST(other_wants_of_the_kernel_take_nothing_from_the_reserve),
        TEST(a_pause_is_as_long_as_was_said_last),
        TEST(a_pause_lasts_until_the_poller_has_heard_of_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
