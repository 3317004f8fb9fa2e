/*
 * Listening: on both families, on IPv4 alone where there is no IPv6, and addresses that cannot be
 * had: the cause in errno, the address in the sentence, and nothing left behind.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: socket */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "assertions.h"
#include "client.h"
#include "process.h"
#include "refused.h"
#include "service.h"

#define SKIPPED 77

/* Not 0: what socket() says to IPv6. */
static atomic_int no_ipv6;

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);

int __wrap_socket(int domain, int type, int protocol)
{
    int cause = atomic_load(&no_ipv6);

    if (domain == AF_INET6 && cause != 0) {
        errno = cause;
        return -1;
    }
    return __real_socket(domain, type, protocol);
}

/* The status of /live by the address; negative without an answer. */
static int live(const char *to, int port)
{
    struct response r;
    int status;

    if (client_try(&(struct client_request){.to = to, .port = port, .target = "/live"}, &r) !=
        CLIENT_OK)
        return -1;
    status = r.status;
    response_free(&r);
    return status;
}

static bool has_ipv6(void)
{
    struct sockaddr_in6 local = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&local, sizeof(local)) == 0;

    if (fd >= 0)
        (void)close(fd);
    return has;
}

static struct health *make(const char *addresses)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;

    options.listen = addresses;
    assert_accepted(health_new(&h, &options));
    return h;
}

/* Runs it in a child, as it uses the process-wide instance or changes the process. */
static void in_a_child(int (*run)(struct process *self, void *arg), void *arg)
{
    struct process child;
    int status;

    assert_int_equal(process_start(&child, run, arg), 0);
    status = process_end(&child);
    if (status == SKIPPED)
        skip();
    assert_int_equal(status, 0);
}

/* ---- Both families ---- */

static int serve_both(struct process *self, void *arg)
{
    (void)self;
    (void)arg;
    PROCESS_CHECK(health_serve(0) == 0);
    PROCESS_CHECK(live("127.0.0.1", health_port(NULL)) == 200);
    PROCESS_CHECK(live("::1", health_port(NULL)) == 200);
    PROCESS_CHECK(health_stop(NULL, LONG_MS) == 0);
    return 0;
}

static void serve_listens_on_both_families(void **state)
{
    (void)state;
    if (!has_ipv6())
        skip();
    in_a_child(serve_both, NULL);
}

static int serve_ipv4(struct process *self, void *arg)
{
    int descriptors = process_descriptors(0), port;

    (void)self;
    (void)arg;
    PROCESS_CHECK(health_serve(0) == 0);
    port = health_port(NULL);
    PROCESS_CHECK(port > 0);
    PROCESS_CHECK(live("127.0.0.1", port) == 200);
    PROCESS_CHECK(health_stop(NULL, LONG_MS) == 0);
    PROCESS_CHECK(process_descriptors(0) <= descriptors);

    /* And with the port said. */
    PROCESS_CHECK(health_serve((unsigned)port) == 0);
    PROCESS_CHECK(live("127.0.0.1", port) == 200);
    PROCESS_CHECK(health_stop(NULL, LONG_MS) == 0);
    return 0;
}

static void without_ipv6_in_the_kernel_ipv4_alone(void **state)
{
    (void)state;
    atomic_store(&no_ipv6, EAFNOSUPPORT);
    in_a_child(serve_ipv4, NULL);
    atomic_store(&no_ipv6, 0);
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        (void)close(fd);
    return written;
}

static bool raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up;

    request.ifr_flags = IFF_UP | IFF_RUNNING;
    up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (fd >= 0)
        (void)close(fd);
    return up;
}

/* A network of its own, with IPv6 switched off as administrators do. */
static int serve_with_ipv6_off(struct process *self, void *arg)
{
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return SKIPPED;
    if (!write_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1") || !raise_loopback())
        return SKIPPED;
    PROCESS_CHECK(!has_ipv6());
    return serve_ipv4(self, arg);
}

static void with_ipv6_switched_off_ipv4_alone(void **state)
{
    (void)state;
    in_a_child(serve_with_ipv6_off, NULL);
}

static void only_the_lack_of_ipv6_is_forgiven(void **state)
{
    struct health *h;

    (void)state;
    /* Nobody asked for IPv4. */
    atomic_store(&no_ipv6, EAFNOSUPPORT);
    h = make("[::1]:0");
    assert_refused(health_start(h), HEALTH_ELISTEN, EAFNOSUPPORT, "[::1]:0");
    health_free(h);

    /* Half of what was asked for, for another reason, would be a surprise. */
    atomic_store(&no_ipv6, EACCES);
    h = make("*:0");
    assert_refused(health_start(h), HEALTH_ELISTEN, EACCES, "*:0");
    atomic_store(&no_ipv6, 0);
    assert_accepted(health_start(h));
    service_end(h);
}

/* ---- Lists ---- */

static void each_address_of_a_list_is_listened_on(void **state)
{
    struct health *h;
    int port;

    (void)state;
    h = make("127.0.0.1:0");
    assert_accepted(health_start(h));
    port = health_port(h);
    assert_int_equal(live("127.0.0.1", port), 200);
    assert_int_equal(live("127.0.0.2", port), -1);
    assert_int_equal(live("::1", port), -1);
    service_end(h);

    h = make("127.0.0.2:0, 127.0.0.1:0");
    assert_accepted(health_start(h));
    port = health_port(h);
    assert_int_equal(live("127.0.0.2", port), 200);
    service_end(h);

    if (!has_ipv6())
        return;
    h = make("[::1]:0");
    assert_accepted(health_start(h));
    assert_int_equal(live("::1", health_port(h)), 200);
    assert_int_equal(live("127.0.0.1", health_port(h)), -1);
    service_end(h);
}

static void two_addresses_may_have_one_port(void **state)
{
    char list[64];
    struct health *h;
    int port;

    (void)state;
    if (!has_ipv6())
        skip();
    /* A port that was free a moment ago. */
    h = make("*:0");
    assert_accepted(health_start(h));
    port = health_port(h);
    service_end(h);
    (void)snprintf(list, sizeof(list), "127.0.0.1:%d,[::1]:%d,127.0.0.2:%d", port, port, port);
    h = make(list);
    assert_accepted(health_start(h));
    assert_int_equal(health_port(h), port);
    assert_int_equal(live("127.0.0.1", port), 200);
    assert_int_equal(live("::1", port), 200);
    assert_int_equal(live("127.0.0.2", port), 200);
    service_end(h);
}

/* ---- What cannot be had ---- */

static void a_port_in_use_is_named(void **state)
{
    char address[32], list[64];
    struct health *first = service_start(NULL), *second;

    (void)state;
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", service_port(first));
    second = make(address);
    assert_refused(health_start(second), HEALTH_ELISTEN, EADDRINUSE, address);
    assert_refused(health_start(second), HEALTH_ELISTEN, EADDRINUSE, address);
    assert_int_equal(health_port(second), HEALTH_ESTOPPED);
    assert_int_equal(live("127.0.0.1", service_port(first)), 200);
    health_free(second);

    /* The second of a list: the first is given back. */
    (void)snprintf(list, sizeof(list), "127.0.0.2:%d,%s", service_port(first), address);
    second = make(list);
    assert_refused(health_start(second), HEALTH_ELISTEN, EADDRINUSE, address);
    assert_int_equal(live("127.0.0.2", service_port(first)), -1);
    /* It starts when the address is free. */
    assert_accepted(health_stop(first, LONG_MS));
    assert_accepted(health_start(second));
    assert_int_equal(live("127.0.0.1", health_port(second)), 200);
    service_end(second);
    health_free(first);
}

static int serve_a_port_in_use(struct process *self, void *arg)
{
    unsigned port = *(const unsigned *)arg;
    char named[16];

    (void)self;
    (void)snprintf(named, sizeof(named), ":%u", port);
    PROCESS_CHECK(health_serve(port) == HEALTH_ELISTEN && errno == EADDRINUSE);
    PROCESS_CHECK(strstr(health_last_error(), named) != NULL);
    PROCESS_CHECK(health_port(NULL) == HEALTH_ESTOPPED);
    PROCESS_CHECK(health_serve(0) == 0);
    PROCESS_CHECK(live("127.0.0.1", health_port(NULL)) == 200);
    PROCESS_CHECK(health_stop(NULL, LONG_MS) == 0);
    return 0;
}

/* Listens without the library's help.  Returns: the descriptor. */
static int listen_on_any_port(unsigned *ret_port)
{
    struct sockaddr_in local = {.sin_family = AF_INET};
    socklen_t length = sizeof(local);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&local, length), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&local, &length), 0);
    *ret_port = ntohs(local.sin_port);
    return fd;
}

static void serve_names_a_port_in_use(void **state)
{
    unsigned port;
    int fd = listen_on_any_port(&port);

    (void)state;
    in_a_child(serve_a_port_in_use, &port);
    (void)close(fd);
}

static void an_address_that_is_not_ours_is_named(void **state)
{
    struct health *h;

    (void)state;
    /* TEST-NET-1 of RFC 5737. */
    h = make("192.0.2.1:0");
    assert_refused(health_start(h), HEALTH_ELISTEN, EADDRNOTAVAIL, "192.0.2.1:0");
    health_free(h);
    h = make("127.0.0.1:0,192.0.2.1:0");
    assert_refused(health_start(h), HEALTH_ELISTEN, EADDRNOTAVAIL, "192.0.2.1:0");
    health_free(h);
}

/* The first port that needs no permission. */
static unsigned first_free_port(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    unsigned port = 1024;

    if (file != NULL) {
        if (fscanf(file, "%u", &port) != 1)
            port = 1024;
        (void)fclose(file);
    }
    return port;
}

/* By someone without any. */
static int serve_without_permission(struct process *self, void *arg)
{
    unsigned port = first_free_port() - 1;
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;
    char address[32], named[16];
    int descriptors;

    (void)self;
    (void)arg;
    if (port == 0 || port > 65535)
        return SKIPPED;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return SKIPPED;
    (void)prctl(PR_SET_DUMPABLE, 1); /* /proc/self is ours again */
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    (void)snprintf(named, sizeof(named), ":%u", port);
    options.listen = address;
    descriptors = process_descriptors(0);
    PROCESS_CHECK(health_new(&h, &options) == 0);
    PROCESS_CHECK(health_start(h) == HEALTH_ELISTEN && errno == EACCES);
    PROCESS_CHECK(strstr(health_last_error(), address) != NULL);
    health_free(h);
    PROCESS_CHECK(health_serve(port) == HEALTH_ELISTEN && errno == EACCES);
    PROCESS_CHECK(strstr(health_last_error(), named) != NULL);
    PROCESS_CHECK(process_descriptors(0) == descriptors);
    return 0;
}

static void a_port_without_permission_is_named(void **state)
{
    (void)state;
    in_a_child(serve_without_permission, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, refused_count, refused_recount)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(serve_listens_on_both_families),
        TEST(without_ipv6_in_the_kernel_ipv4_alone),
        TEST(with_ipv6_switched_off_ipv4_alone),
        TEST(only_the_lack_of_ipv6_is_forgiven),
        TEST(each_address_of_a_list_is_listened_on),
        TEST(two_addresses_may_have_one_port),
        TEST(a_port_in_use_is_named),
        TEST(serve_names_a_port_in_use),
        TEST(an_address_that_is_not_ours_is_named),
        TEST(a_port_without_permission_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
