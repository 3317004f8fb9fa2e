/*
 * The server's start, which undoes all of itself if a part of it fails; and its end, in the parent
 * and in the child of a fork.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: MHD_start_daemon MHD_stop_daemon MHD_get_daemon_info MHD_add_connection MHD_run */
/* wrap: MHD_get_timeout MHD_resume_connection MHD_get_connection_info */
/* wrap: MHD_create_response_from_buffer clock_gettime epoll_ctl malloc */
#include "http/http.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon_by_hand.h"
#include "refused.h"

int __real_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
struct MHD_Response *__real_MHD_create_response_from_buffer(
    size_t size, void *buffer, enum MHD_ResponseMemoryMode mode);
struct MHD_Response *__wrap_MHD_create_response_from_buffer(
    size_t size, void *buffer, enum MHD_ResponseMemoryMode mode);

static int adds_left = -1; /* how many descriptors can be added to a poller; negative: any */
static bool no_memory;     /* for a table of connections */
static bool no_responses;  /* no memory for responses */

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

void *__wrap_malloc(size_t size)
{
    return no_memory ? NULL : __real_malloc(size);
}

struct MHD_Response *__wrap_MHD_create_response_from_buffer(
    size_t size, void *buffer, enum MHD_ResponseMemoryMode mode)
{
    return no_responses ? NULL : __real_MHD_create_response_from_buffer(size, buffer, mode);
}

#define T          10000
#define LIMIT      4
#define PATIENCE_S 40 /* whatever waits longer, waits in vain, and ends the test */

static struct hand h;
static struct health__answers answers;
static struct health__http http;
static struct health__poller poller;
static int dropped;

static struct health__reply *never_make(char *bytes, size_t length)
{
    (void)bytes;
    (void)length;
    return NULL;
}

static void count_drop(struct health__reply *reply)
{
    assert_non_null(reply);
    dropped++;
}

static int open_http(void **state)
{
    static const struct health__reply_maker maker = {never_make, count_drop};

    adds_left = -1;
    no_memory = no_responses = false;
    mhd_start_error = 0;
    dropped = 0;
    if (refused_count(state) != 0)
        return -1;
    (void)alarm(PATIENCE_S);
    hand_open(&h, T);
    memset(&http, 0, sizeof(http));
    answers = (struct health__answers){.engine = &h.engine, .gates = &h.gates, .maker = &maker};
    health__http_init(&http, &h.engine, &answers, "127.0.0.1:0", HEALTH_DETAILS_LOCAL, LIMIT);
    return health__poller_open(&poller);
}

static int close_http(void **state)
{
    (void)alarm(0);
    health__poller_close(&poller);
    hand_close(&h);
    return refused_recount(state);
}

static int start(const char *listen)
{
    return http.server.start(&http.server, &poller, listen);
}

static void it_listens_and_starts_mhd_as_it_has_to_be(void **unused)
{
    char text[] = "%2F%00";

    (void)unused;
    assert_accepted(start(NULL));
    assert_in_range(atomic_load(&http.port), 1, 65535);
    assert_int_equal(atomic_load(&http.port), http.listeners.port);
    assert_int_equal(mhd.flags,
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG);
    assert_true(mhd.logger_first);
    assert_int_equal(mhd.limit, LIMIT + HEALTH__CONNECTIONS_MARGIN);
    assert_int_equal(mhd.timeout_s, 0);
    /* A request without Host is a request. */
    assert_int_equal(mhd.strictness, MHD_VERSION >= 0x01000000 ? -1 : 0);
    assert_int_equal(mhd.pool_bytes, 4096);
    assert_ptr_equal(mhd.notify_arg, &http);
    assert_true(mhd.has_begins);
    assert_true(mhd.has_completed);
    /* Targets are left as they came. */
    assert_int_equal(mhd.unescape(NULL, NULL, text), 6);
    assert_string_equal(text, "%2F%00");
    assert_int_equal(http.ready.fd, mhd.epoll);
    http.server.stop(&http.server);
    assert_int_equal(atomic_load(&http.port), 0);
    assert_false(mhd.started);
}

static void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    mhd.log(mhd.log_arg, format, arguments);
    va_end(arguments);
}

static void what_mhd_has_to_say_is_said_to_nobody(void **unused)
{
    (void)unused;
    assert_accepted(start(NULL));
    say("%s\n", "a word that would be seen");
    http.server.stop(&http.server);
}

static void it_takes_the_list_that_is_given(void **unused)
{
    (void)unused;
    assert_accepted(start("127.0.0.2:0,127.0.0.3:0"));
    assert_int_equal(http.listeners.count, 2);
    http.server.stop(&http.server);
    assert_accepted(start(NULL));
    assert_int_equal(http.listeners.count, 1);
    http.server.stop(&http.server);
}

static void without_an_address_there_is_no_daemon(void **unused)
{
    (void)unused;
    http.listen = NULL;
    assert_accepted(start(NULL));
    assert_null(http.daemon);
    assert_int_equal(atomic_load(&http.port), 0);
    assert_int_equal(http.server.run(&http.server, T), HEALTH__NEVER);
    http.server.drain(&http.server);
    assert_true(http.server.drained(&http.server));
    http.server.forget(&http.server, false);
    http.server.stop(&http.server);
}

/* Fails, and leaves nothing behind; the next does better. */
static void fails(int error, int cause, const char *mentions)
{
    assert_refused(start(NULL), error, cause, mentions);
    assert_null(http.daemon);
    assert_int_equal(atomic_load(&http.port), 0);
    assert_false(mhd.started);
    adds_left = -1;
    no_memory = no_responses = false;
    mhd_start_error = 0;
    assert_accepted(start(NULL));
    http.server.stop(&http.server);
}

static void a_part_that_fails_undoes_all(void **unused)
{
    (void)unused;
    no_memory = true;
    fails(HEALTH_ENOMEM, ENOMEM, "memory");
    no_responses = true;
    fails(HEALTH_ENOMEM, ENOMEM, "memory");
    mhd_start_error = EMFILE;
    fails(HEALTH_ESYSTEM, EMFILE, "does not start");
    adds_left = 0;
    fails(HEALTH_ESYSTEM, ENOSPC, "127.0.0.1:0");
    adds_left = 1;
    fails(HEALTH_ESYSTEM, ENOSPC, "waited on");
}

static void an_address_that_is_taken_is_told(void **unused)
{
    struct health__http other;
    char list[32];

    (void)unused;
    assert_accepted(start(NULL));
    (void)snprintf(list, sizeof(list), "127.0.0.1:%u", atomic_load(&http.port));
    memset(&other, 0, sizeof(other));
    health__http_init(&other, &h.engine, &answers, list, HEALTH_DETAILS_LOCAL, LIMIT);
    assert_refused(
        other.server.start(&other.server, &poller, NULL), HEALTH_ELISTEN, EADDRINUSE, list);
    http.server.stop(&http.server);
}

static void what_was_kept_goes_with_a_stop(void **unused)
{
    (void)unused;
    assert_accepted(start(NULL));
    answers.kept[HEALTH__AT_READY][1][0].reply = (struct health__reply *)(void *)&h;
    http.server.stop(&http.server);
    assert_int_equal(dropped, 1);
    assert_null(answers.kept[HEALTH__AT_READY][1][0].reply);
}

/* Nothing of MHD's is called or freed: it may be half changed. */
static void a_child_only_closes(void **unused)
{
    int listener, epoll, ends[2];
    struct sockaddr address = {.sa_family = AF_UNIX};

    (void)unused;
    assert_accepted(start(NULL));
    listener = http.listeners.listeners[0].fd.fd;
    epoll = http.ready.fd;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    (void)health__connection_add(&http.connections, ends[0], &address, sizeof(address), T);
    answers.kept[HEALTH__AT_READY][1][0].reply = (struct health__reply *)(void *)&h;

    http.server.forget(&http.server, false);
    assert_true(mhd.started);
    assert_int_equal(dropped, 0);
    assert_null(answers.kept[HEALTH__AT_READY][1][0].reply);
    assert_null(http.daemon);
    assert_int_equal(atomic_load(&http.port), 0);
    assert_int_equal(fcntl(listener, F_GETFD), -1);
    assert_int_equal(fcntl(epoll, F_GETFD), -1);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1);
    (void)close(ends[1]);
    /* What the parent had is not given back here: it is the test that does. */
    health__replies_done(&http.replies);
    health__connections_done(&http.connections);
    assert_accepted(start(NULL));
    http.server.stop(&http.server);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_http, close_http)
    const struct CMUnitTest tests[] = {
        TEST(it_listens_and_starts_mhd_as_it_has_to_be),
        TEST(what_mhd_has_to_say_is_said_to_nobody),
        TEST(it_takes_the_list_that_is_given),
        TEST(without_an_address_there_is_no_daemon),
        TEST(a_part_that_fails_undoes_all),
        TEST(an_address_that_is_taken_is_told),
        TEST(what_was_kept_goes_with_a_stop),
        TEST(a_child_only_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
