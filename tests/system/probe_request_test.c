/*
 * How the probe's request goes out: in one piece, as there are servers that take what one read()
 * gives for all of it; whole, however little the kernel takes at a time; and without SIGPIPE to one
 * that is gone.  And one deadline for connecting, sending and reading together.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: send sendmsg */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/probe.h>

#include "assertions.h"
#include "odd_server.h"
#include "probing.h"
#include "process.h"

#define PATIENT_MS 10000
#define REQUEST                                                                                    \
    "GET /ready HTTP/1.0\r\nHost: localhost\r\nUser-Agent: health-probe\r\nAccept: */*\r\n"        \
    "Connection: close\r\n\r\n"
#define ANSWERS                                                                                    \
    {                                                                                              \
        ODD_STEP(ODD_HEAR), ODD_STEP_OF(ODD_SAY, "HTTP/1.1 204 No Content\r\n\r\n", 0),            \
            ODD_STEP(ODD_HANG)                                                                     \
    }

ssize_t __real_send(int fd, const void *bytes, size_t count, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t count, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);

static _Thread_local bool is_probe;
static int calls; /* of the thread that asks */
static size_t taken_at_most;
static bool waits_for_the_end; /* of the other side, before it sends */

static ssize_t take(int fd, const char *bytes, size_t count, int flags)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    calls++;
    if (waits_for_the_end)
        while ((p.revents & POLLHUP) == 0)
            assert_true(poll(&p, 1, PATIENT_MS) == 1);
    return __real_send(fd, bytes, count < taken_at_most ? count : taken_at_most, flags);
}

ssize_t __wrap_send(int fd, const void *bytes, size_t count, int flags)
{
    return is_probe ? take(fd, bytes, count, flags) : __real_send(fd, bytes, count, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
    char all[1024];
    size_t count = 0, i;

    for (i = 0; i < m->msg_iovlen; i++) {
        assert_true(count + m->msg_iov[i].iov_len <= sizeof(all));
        memcpy(all + count, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
        count += m->msg_iov[i].iov_len;
    }
    return take(fd, all, count, flags);
}

static char directory[64], path[80], url[128];

static int begin(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof(directory), "/tmp/health-request-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/socket", directory);
    (void)snprintf(url, sizeof(url), "unix:%s:/ready", path);
    calls = 0;
    taken_at_most = 1024;
    waits_for_the_end = false;
    return 0;
}

static int end(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory);
}

static int ask(unsigned timeout_ms, char reason[400])
{
    int result;

    is_probe = true;
    result = probing_ask(url, timeout_ms, reason, NULL);
    is_probe = false;
    return result;
}

static void it_goes_out_in_one_piece(void **state)
{
    struct odd_server s = {.at = path, .steps = ANSWERS};
    char reason[400];

    (void)state;
    assert_int_equal(odd_server_start(&s), 0);
    assert_int_equal(ask(PATIENT_MS, reason), 0);
    odd_server_stop(&s);
    assert_int_equal(calls, 1);
    assert_string_equal(s.request, REQUEST);
}

static void whatever_the_kernel_takes_it_goes_out_whole(void **state)
{
    size_t length = strlen(REQUEST);

    (void)state;
    for (taken_at_most = 1; taken_at_most <= length; taken_at_most++) {
        struct odd_server s = {.at = path, .steps = ANSWERS};
        char reason[400];

        calls = 0;
        assert_int_equal(odd_server_start(&s), 0);
        assert_int_equal(ask(PATIENT_MS, reason), 0);
        odd_server_stop(&s);
        assert_int_equal(calls, (length + taken_at_most - 1) / taken_at_most);
        assert_string_equal(s.request, REQUEST);
    }
}

/* As in most programs: SIGPIPE kills. */
static int ask_one_that_is_gone(struct process *self, void *arg)
{
    struct odd_server s = {.at = path, .steps = {ODD_STEP(ODD_CLOSE)}};
    char reason[400];

    (void)self;
    (void)arg;
    PROCESS_CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    PROCESS_CHECK(odd_server_start(&s) == 0);
    waits_for_the_end = true;
    PROCESS_CHECK(ask(PATIENT_MS, reason) == 1);
    PROCESS_CHECK(strstr(reason, ": connection reset") != NULL);
    PROCESS_CHECK(calls == 1);
    odd_server_stop(&s);
    return 0;
}

static void who_is_gone_kills_nobody(void **state)
{
    struct process child;

    (void)state;
    assert_int_equal(process_start(&child, ask_one_that_is_gone, NULL), 0);
    assert_int_equal(process_end(&child), 0);
}

/* ---- One deadline ---- */

#define STEP_MS 700 /* more than half of the timeout */
#define ALL_MS  1000

/* Takes what fills the queue after a while, and answers whoever then asks after another. */
static void *be_slow_twice(void *arg)
{
    struct odd_hole *hole = arg;
    char request[1024];
    bool asked = false;

    (void)poll(NULL, 0, STEP_MS);
    while (hole->count > 0)
        (void)close(hole->fillers[--hole->count]);
    while (!asked) {
        struct pollfd p = {.fd = hole->fd, .events = POLLIN};
        int fd;

        if (poll(&p, 1, PATIENT_MS) != 1)
            break;
        fd = accept(hole->fd, NULL, NULL);
        asked = fd >= 0 && recv(fd, request, sizeof(request), 0) > 0;
        if (asked) {
            (void)poll(NULL, 0, STEP_MS);
            (void)send(fd, "HTTP/1.1 204 No Content\r\n\r\n", 27, MSG_NOSIGNAL);
        }
        if (fd >= 0)
            (void)close(fd);
    }
    return NULL;
}

static void connecting_and_reading_share_one_deadline(void **state)
{
    static const struct {
        unsigned timeout_ms;
        int result;
    } asked[] = {{PATIENT_MS, 0}, {ALL_MS, 1}};
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        struct odd_hole hole;
        char reason[400];
        pthread_t thread;
        int port = 0;

        assert_int_equal(odd_hole_start(&hole, path, &port), 0);
        assert_int_equal(pthread_create(&thread, NULL, be_slow_twice, &hole), 0);
        assert_int_equal(ask(asked[i].timeout_ms, reason), asked[i].result);
        assert_int_equal(pthread_join(thread, NULL), 0);
        odd_hole_stop(&hole);
        assert_int_equal(unlink(path), 0);
        /* It had got through. */
        assert_int_equal(calls, i + 1);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(it_goes_out_in_one_piece),
        TEST(whatever_the_kernel_takes_it_goes_out_whole),
        TEST(who_is_gone_kills_nobody),
        TEST(connecting_and_reading_share_one_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
