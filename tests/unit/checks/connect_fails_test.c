/*
 * A connection that cannot even be tried: why not is said, and nothing is left open.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: socket connect poll close __xpg_strerror_r */
#include <health/checks.h>

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/words.h"

#define FD 77 /* what socket() returns; nobody's */

static int socket_error, connect_error, poll_errors, nameless;
static int opened, polled;

int __wrap_socket(int domain, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_poll(struct pollfd *all, nfds_t count, int timeout_ms);
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap___xpg_strerror_r(int error, char *to, size_t size);

int __wrap_socket(int domain, int type, int protocol)
{
    assert_true(domain == AF_INET || domain == AF_INET6);
    assert_int_equal(type, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_int_equal(protocol, 0);
    errno = socket_error;
    if (socket_error != 0)
        return -1;
    opened++;
    return FD;
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    assert_int_equal(fd, FD);
    assert_true(length >= sizeof(*address));
    errno = connect_error;
    return connect_error != 0 ? -1 : 0;
}

/* Interrupted so often, and then out of order. */
int __wrap_poll(struct pollfd *all, nfds_t count, int timeout_ms)
{
    assert_int_equal(all->fd, FD);
    assert_int_equal(count, 1);
    assert_true(timeout_ms > 0);
    polled++;
    errno = polled <= poll_errors ? EINTR : ENOMEM;
    return -1;
}

int __wrap_close(int fd)
{
    if (fd != FD)
        return __real_close(fd);
    opened--;
    errno = EIO;
    return -1;
}

int __wrap___xpg_strerror_r(int error, char *to, size_t size)
{
    (void)snprintf(to, size, "error %d", error);
    return nameless ? ERANGE : 0;
}

/* Asks; what is said is to be as expected. */
static void fails(const char *expected)
{
    struct health_result result;

    health__result_init(&result, health__now_ms() + 60000);
    errno = ENOTTY;
    assert_int_equal(health_check_connect(&result, "127.0.0.1:80"), HEALTH_FAIL);
    assert_int_equal(errno, ENOTTY);
    assert_string_equal(result.reason, expected);
    assert_int_equal(opened, 0);
}

static int reset(void **state)
{
    (void)state;
    socket_error = connect_error = poll_errors = nameless = polled = 0;
    return 0;
}

static void there_is_no_socket(void **state)
{
    char expected[64];

    (void)state;
    socket_error = EMFILE;
    (void)snprintf(expected, sizeof(expected), "127.0.0.1:80: error %d", EMFILE);
    fails(expected);
}

static void it_is_refused_at_once(void **state)
{
    char expected[64];

    (void)state;
    connect_error = ENETUNREACH;
    (void)snprintf(expected, sizeof(expected), "127.0.0.1:80: error %d", ENETUNREACH);
    fails(expected);
    assert_int_equal(polled, 0);
}

static void it_cannot_be_waited_for(void **state)
{
    char expected[64];

    (void)state;
    connect_error = EINPROGRESS;
    poll_errors = 3;
    (void)snprintf(expected, sizeof(expected), "127.0.0.1:80: error %d", ENOMEM);
    fails(expected);
    assert_int_equal(polled, 4);
}

static void an_error_that_has_no_name_is_none(void **state)
{
    (void)state;
    connect_error = ENETUNREACH;
    nameless = 1;
    fails("127.0.0.1:80: ");
}

static void it_is_connected_at_once(void **state)
{
    struct health_result result;

    (void)state;
    health__result_init(&result, health__now_ms() + 60000);
    assert_int_equal(health_check_connect(&result, "[::1]:80"), HEALTH_PASS);
    assert_int_equal(result.length, 0);
    assert_int_equal(opened, 0);
    assert_int_equal(polled, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(there_is_no_socket, reset),
        cmocka_unit_test_setup(it_is_refused_at_once, reset),
        cmocka_unit_test_setup(it_cannot_be_waited_for, reset),
        cmocka_unit_test_setup(an_error_that_has_no_name_is_none, reset),
        cmocka_unit_test_setup(it_is_connected_at_once, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
