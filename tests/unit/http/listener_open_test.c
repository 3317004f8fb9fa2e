/*
 * Listening: lists of addresses, read and refused, opened all or none, and closed again, also where
 * a child or the host has its hands on the sockets.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: epoll_ctl getsockname */
#include "http/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <health/health.h>

#include "base/clock.h"
#include "polling.h"
#include "refused.h"

int __real_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
int __real_getsockname(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *length);

static int adds_left = -1; /* how many descriptors can be added to the poller; negative: any */
static bool no_name;       /* getsockname() fails */

int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD && adds_left == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (operation == EPOLL_CTL_ADD)
        adds_left--;
    return __real_epoll_ctl(set, operation, fd, event);
}

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    if (!no_name)
        return __real_getsockname(fd, address, length);
    errno = ENOBUFS;
    return -1;
}

#define T 10000

static struct health__poller poller;
static struct health__listeners listeners;

static int open_poller(void **state)
{
    adds_left = -1;
    no_name = false;
    if (refused_count(state) != 0)
        return -1;
    memset(&listeners, 0x5A, sizeof(listeners));
    return health__poller_open(&poller);
}

static int close_poller(void **state)
{
    adds_left = -1;
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
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(
        __real_getsockname(listeners.listeners[i].fd.fd, (struct sockaddr *)&address, &length), 0);
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

/* ---- Lists ---- */

static void lists_are_checked(void **unused)
{
    static const char *const good[] = {"*:0", "*:8080", "127.0.0.1:80,[::1]:80",
        " *:1 , 0.0.0.0:65535", "*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1"};
    static const struct {
        const char *list;
        const char *mentions;
    } bad[] = {
        {"", "an empty address in ''"},
        {",", "an empty address in ','"},
        {"*:1,", "an empty address in '*:1,'"},
        {"*:1,,*:2", "an empty address in '*:1,,*:2'"},
        {"*:1, ,*:2", "an empty address"},
        {"*", "'*': the port is missing"},
        {"8080", "'8080'"},
        {"*:65536",
            "listen: '*:65536': the port is no number from 0 to 65535 (it is like \"*:8080\""},
        {"127.0.0.1:70000", "'127.0.0.1:70000': the port is no number from 0 to 65535"},
        {"*:1, unix:relative.sock,*:2",
            "'unix:relative.sock': the socket's path does not begin with a slash"},
        {"unix:/x?mode=9", "'unix:/x?mode=9': the mode is not one to four octal digits"},
        {"unix:/x?mod=0600", "'unix:/x?mod=0600': only ?mode= can follow the socket's path"},
        {"unix:/"
         "123456789012345678901234567890123456789012345678901234567890"
         "123456789012345678901234567890123456789012345678901234567890",
            "the socket's path is longer than the kernel's 107 bytes (it is like"},
        {"*:-1", "'*:-1'"},
        {"localhost:80", "'localhost:80': the host is no IP address and not *"},
        {"127.0.0.1:1,x:2", "'x:2'"},
        {"x:2,127.0.0.1:1", "'x:2'"},
        {"::1:80", "'::1:80'"},
        {"*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1,*:1", "16"},
    };
    size_t i;

    (void)unused;
    assert_accepted(health__listeners_check(NULL));
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_accepted(health__listeners_check(good[i]));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_refused(
            health__listeners_check(bad[i].list), HEALTH_EINVAL, EINVAL, bad[i].mentions);
}

static void an_empty_list_opens_nothing(void **unused)
{
    struct sockaddr_storage address;
    socklen_t length;

    (void)unused;
    listen_at(NULL);
    assert_int_equal(listeners.count, 0);
    assert_int_equal(listeners.port, 0);
    assert_int_equal(reserves(), 0);
    health__listeners_tend(&listeners, T);
    assert_int_equal(reserves(), 0);
    assert_false(health__listeners_ready(&listeners));
    assert_int_equal(health__listeners_accept(&listeners, &address, &length, T), -1);
    health__listeners_close(&listeners);
    health__listeners_forget(&listeners);
}

static void the_first_address_names_the_port(void **unused)
{
    (void)unused;
    listen_at("127.0.0.1:0,127.0.0.2:0");
    assert_int_equal(listeners.count, 2);
    assert_in_range(listeners.port, 1, 65535);
    assert_int_equal(reserves(), HEALTH__RESERVE);
    health__listeners_close(&listeners);
    assert_int_equal(listeners.count, 0);
    assert_int_equal(listeners.port, 0);
    assert_int_equal(reserves(), 0);

    /* One that nobody could tell is of no use. */
    no_name = true;
    assert_refused(health__listeners_open(&listeners, &poller, "127.0.0.1:0"), HEALTH_ESYSTEM,
        ENOBUFS, "what port");
    assert_int_equal(listeners.count, 0);
}

static void an_address_that_is_taken_undoes_all(void **unused)
{
    char list[64];

    (void)unused;
    listen_at("127.0.0.1:0");
    (void)snprintf(list, sizeof(list), "127.0.0.2:0,127.0.0.1:%u", listeners.port);
    {
        struct health__listeners other;

        assert_refused(health__listeners_open(&other, &poller, list), HEALTH_ELISTEN, EADDRINUSE,
            strchr(list, ',') + 1);
        assert_int_equal(other.count, 0);
    }
    health__listeners_close(&listeners);
}

/* The error is the same as where someone listens, the sentence is not. */
static void a_file_that_is_no_socket_is_said_to_be_none(void **unused)
{
    char path[] = "/tmp/health-XXXXXX", list[64];
    int file = mkstemp(path);

    (void)unused;
    assert_true(file >= 0);
    (void)close(file);
    (void)snprintf(list, sizeof(list), "unix:%s", path);
    assert_refused(health__listeners_open(&listeners, &poller, list), HEALTH_ELISTEN, EADDRINUSE,
        ", which is no socket: Address already in use");
    assert_int_equal(access(path, F_OK), 0);
    (void)unlink(path);
    listen_at(list);
    {
        struct health__listeners other;

        assert_refused(health__listeners_open(&other, &poller, list), HEALTH_ELISTEN, EADDRINUSE,
            "cannot listen on unix:/tmp/");
        assert_null(strstr(health_last_error(), "no socket"));
    }
    health__listeners_close(&listeners);
}

static void one_that_cannot_be_waited_on_undoes_all(void **unused)
{
    (void)unused;
    adds_left = 1;
    assert_refused(health__listeners_open(&listeners, &poller, "127.0.0.1:0,127.0.0.2:0"),
        HEALTH_ESYSTEM, ENOSPC, "127.0.0.2:0");
    assert_int_equal(listeners.count, 0);
}

/* ---- Others' hands ---- */

/* A host that closed our descriptor, and has its number again: it is the host's. */
static void what_is_no_longer_ours_is_left_alone(void **unused)
{
    int fd, other;

    (void)unused;
    listen_at("127.0.0.1:0");
    fd = listeners.listeners[0].fd.fd;
    other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(dup2(other, fd), fd);
    health__listeners_close(&listeners);
    assert_int_equal(listeners.count, 0);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    (void)close(fd);
    (void)close(other);
}

/* In the child, closing does not shut down what the parent goes on to listen on. */
static void a_child_forgets(void **unused)
{
    pid_t pid;
    int status = -1, client, fd;

    (void)unused;
    listen_at("127.0.0.1:0");
    fd = listeners.listeners[0].fd.fd;
    pid = fork();
    if (pid == 0) {
        health__listeners_forget(&listeners);
        _exit(listeners.count == 0 && reserves() == 0 && fcntl(fd, F_GETFD) < 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    client = connect_to(0);
    wait_ready();
    fd = accept_at(T);
    assert_true(fd >= 0);
    (void)close(fd);
    (void)close(client);
    health__listeners_close(&listeners);
}

/* The port is free after a close, even where a child holds the socket. */
static void a_closed_port_is_free(void **unused)
{
    int held;
    char list[32];

    (void)unused;
    listen_at("127.0.0.1:0");
    (void)snprintf(list, sizeof(list), "127.0.0.1:%u", listeners.port);
    held = dup(listeners.listeners[0].fd.fd);
    health__listeners_close(&listeners);
    listen_at(list);
    health__listeners_close(&listeners);
    (void)close(held);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_poller, close_poller)
    const struct CMUnitTest tests[] = {
        TEST(lists_are_checked),
        TEST(an_empty_list_opens_nothing),
        TEST(the_first_address_names_the_port),
        TEST(an_address_that_is_taken_undoes_all),
        TEST(a_file_that_is_no_socket_is_said_to_be_none),
        TEST(one_that_cannot_be_waited_on_undoes_all),
        TEST(what_is_no_longer_ours_is_left_alone),
        TEST(a_child_forgets),
        TEST(a_closed_port_is_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
