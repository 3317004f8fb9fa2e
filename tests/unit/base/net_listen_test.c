/*
 * Listening: the socket's properties, addresses that cannot be had, and kernels without IPv6.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: socket setsockopt listen */
#include "base/net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);

/* What a kernel without IPv6 says to a socket of that family; 0: it has it. */
static int no_ipv6;
/* The option that cannot be set; 0: all can. */
static int bad_option;
static int bad_listen;

int __wrap_socket(int domain, int type, int protocol)
{
    if (no_ipv6 != 0 && domain == AF_INET6) {
        errno = no_ipv6;
        return -1;
    }
    return __real_socket(domain, type, protocol);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    if (bad_option != 0 && name == bad_option) {
        errno = ENOPROTOOPT;
        return -1;
    }
    return __real_setsockopt(fd, level, name, value, length);
}

int __wrap_listen(int fd, int backlog)
{
    if (bad_listen != 0) {
        errno = bad_listen;
        return -1;
    }
    return __real_listen(fd, backlog);
}

static int open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    (void)closedir(directory);
    return count;
}

static struct health__address address(const char *text)
{
    struct health__address a;

    assert_null(health__address_parse(&text, &a));
    return a;
}

static int listen_on(const char *text)
{
    struct health__address a = address(text);

    return health__address_listen(&a);
}

static struct sockaddr_storage bound(int fd)
{
    struct sockaddr_storage s;
    socklen_t length = sizeof(s);

    memset(&s, 0, sizeof(s));
    assert_int_equal(getsockname(fd, (struct sockaddr *)&s, &length), 0);
    return s;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);

    assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

/* Whether "HOST:PORT" takes a connection. */
static bool connects(const char *host, unsigned port)
{
    char text[72];
    struct health__address a;
    int fd, result;

    (void)snprintf(text, sizeof(text), "%s:%u", host, port);
    a = address(text);
    fd = __real_socket(a.socket.ss_family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    result = connect(fd, (const struct sockaddr *)&a.socket, a.length);
    (void)close(fd);
    return result == 0;
}

static bool has_ipv6(void)
{
    int fd = listen_on("[::1]:0");

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

static void is_as_promised(int fd)
{
    assert_true(fd >= 0);
    assert_int_equal(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    assert_int_equal(option(fd, SOL_SOCKET, SO_REUSEADDR), 1);
    assert_int_not_equal(option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
}

static void ipv4_is_listened_on_alone(void **unused)
{
    int fd = listen_on("127.0.0.1:0");
    struct sockaddr_storage s;

    (void)unused;
    is_as_promised(fd);
    s = bound(fd);
    assert_int_equal(s.ss_family, AF_INET);
    assert_true(health__address_port(&s) > 0);
    assert_true(connects("127.0.0.1", health__address_port(&s)));
    assert_false(connects("127.0.0.2", health__address_port(&s)));
    (void)close(fd);
}

static void ipv6_is_listened_on_alone(void **unused)
{
    int fd;
    struct sockaddr_storage s;

    (void)unused;
    if (!has_ipv6())
        skip();
    fd = listen_on("[::1]:0");
    is_as_promised(fd);
    s = bound(fd);
    assert_int_equal(s.ss_family, AF_INET6);
    assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    assert_true(connects("[::1]", health__address_port(&s)));
    (void)close(fd);

    /* Also where it is every address of the family. */
    fd = listen_on("[::]:0");
    is_as_promised(fd);
    s = bound(fd);
    assert_false(connects("127.0.0.1", health__address_port(&s)));
    (void)close(fd);
}

static void the_asterisk_is_both_families(void **unused)
{
    int before = open_descriptors(), fd;
    struct sockaddr_storage s;

    (void)unused;
    errno = EAFNOSUPPORT; /* somebody else's */
    fd = listen_on("*:0");
    assert_int_equal(open_descriptors(), before + 1);
    is_as_promised(fd);
    s = bound(fd);
    assert_true(connects("127.0.0.1", health__address_port(&s)));
    if (has_ipv6()) {
        assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
        assert_true(connects("[::1]", health__address_port(&s)));
    }
    (void)close(fd);
}

static void the_asterisk_is_ipv4_where_there_is_no_ipv6(void **unused)
{
    static const int missing[] = {EAFNOSUPPORT, EADDRNOTAVAIL};
    size_t i;

    (void)unused;
    for (i = 0; i < 2; i++) {
        struct health__address a;
        struct sockaddr_storage s;
        int fd, again;

        no_ipv6 = missing[i];
        a = address("*:0");
        fd = health__address_listen(&a);
        is_as_promised(fd);
        s = bound(fd);
        assert_int_equal(s.ss_family, AF_INET);
        assert_true(connects("127.0.0.1", health__address_port(&s)));

        /* The port is that which was asked for. */
        ((struct sockaddr_in6 *)(void *)&a.socket)->sin6_port =
            htons((uint16_t)health__address_port(&s));
        again = health__address_listen(&a);
        assert_int_equal(again, -1);
        assert_int_equal(errno, EADDRINUSE);
        (void)close(fd);

        /* Who asks for IPv6 by name is not given something else. */
        assert_int_equal(listen_on("[::1]:0"), -1);
        assert_int_equal(errno, missing[i]);
    }

    /* A lack of something else is told. */
    no_ipv6 = EMFILE;
    assert_int_equal(listen_on("*:0"), -1);
    assert_int_equal(errno, EMFILE);
    no_ipv6 = 0;
}

static void an_address_in_use_is_told(void **unused)
{
    struct sockaddr_storage s;
    char text[32];
    int fd = listen_on("127.0.0.1:0"), before;

    (void)unused;
    assert_true(fd >= 0);
    s = bound(fd);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", health__address_port(&s));
    before = open_descriptors();
    errno = 0;
    assert_int_equal(listen_on(text), -1);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(open_descriptors(), before);

    /* Free again as soon as it is closed, whatever connections there were. */
    assert_true(connects("127.0.0.1", health__address_port(&s)));
    (void)close(fd);
    fd = listen_on(text);
    assert_true(fd >= 0);
    (void)close(fd);
}

static void an_address_of_another_host_is_told(void **unused)
{
    (void)unused;
    errno = 0;
    assert_int_equal(listen_on("192.0.2.1:0"), -1);
    assert_int_equal(errno, EADDRNOTAVAIL);
}

static void what_fails_on_the_way_leaves_no_descriptor(void **unused)
{
    bool ipv6 = has_ipv6();
    int before = open_descriptors(), fd;

    (void)unused;
    bad_option = SO_REUSEADDR;
    assert_int_equal(listen_on("127.0.0.1:0"), -1);
    assert_int_equal(errno, ENOPROTOOPT);
    if (ipv6) {
        bad_option = IPV6_V6ONLY;
        assert_int_equal(listen_on("*:0"), -1);
        assert_int_equal(errno, ENOPROTOOPT);
    }
    bad_option = 0;
    bad_listen = EADDRINUSE;
    assert_int_equal(listen_on("127.0.0.1:0"), -1);
    assert_int_equal(errno, EADDRINUSE);
    bad_listen = 0;
    assert_int_equal(open_descriptors(), before);

    /* Only a wish. */
    bad_option = TCP_DEFER_ACCEPT;
    fd = listen_on("127.0.0.1:0");
    assert_true(fd >= 0);
    (void)close(fd);
    bad_option = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_is_listened_on_alone),
        cmocka_unit_test(ipv6_is_listened_on_alone),
        cmocka_unit_test(the_asterisk_is_both_families),
        cmocka_unit_test(the_asterisk_is_ipv4_where_there_is_no_ipv6),
        cmocka_unit_test(an_address_in_use_is_told),
        cmocka_unit_test(an_address_of_another_host_is_told),
        cmocka_unit_test(what_fails_on_the_way_leaves_no_descriptor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
