/*
 * An engine that cannot be started for want of descriptors or threads: it says why, leaves nothing
 * behind, and is started when there are some.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: socketpair epoll_create1 epoll_ctl pthread_create */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "fake_observer.h"
#include "fake_server.h"
#include "jobs.h"
#include "refused.h"

int __real_socketpair(int domain, int type, int protocol, int ret_fds[2]);
int __wrap_socketpair(int domain, int type, int protocol, int ret_fds[2]);
int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __real_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg);

/* Which function fails, of those that set errno, and of those that return it. */
enum failing { NOTHING, SOCKETPAIR, EPOLL_CREATE, EPOLL_CTL, THREAD };

static enum failing failing;
static int cause; /* with what */

static int fails(enum failing function)
{
    if (failing != function)
        return 0;
    errno = cause;
    return -1;
}

int __wrap_socketpair(int domain, int type, int protocol, int ret_fds[2])
{
    return fails(SOCKETPAIR) ? -1 : __real_socketpair(domain, type, protocol, ret_fds);
}

int __wrap_epoll_create1(int flags)
{
    return fails(EPOLL_CREATE) ? -1 : __real_epoll_create1(flags);
}

int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    return fails(EPOLL_CTL) ? -1 : __real_epoll_ctl(set, operation, fd, event);
}

int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg)
{
    return failing == THREAD ? cause : __real_pthread_create(thread, attributes, main, arg);
}

static struct health__engine engine;
static struct health__engine *const e = &engine;
static struct health__gates gates;
static struct fake_server server;
static struct fake_observer observer;
static int gone;

static int init(void)
{
    memset(e, 0, sizeof(*e));
    fake_server_init(&server);
    fake_observer_init(&observer);
    gone = 0;
    return health__engine_init(e, &gates, &server.server, &observer.observer, 800, 4);
}

static void be_gone(void *arg)
{
    count_up(arg);
}

static const struct {
    enum failing what;
    int cause;
    const char *says;
    int starts; /* of the server, by then */
} causes[] = {
    {EPOLL_CREATE, EMFILE, "no descriptors to wait on", 0},
    {EPOLL_CREATE, ENFILE, "no descriptors to wait on", 0},
    {SOCKETPAIR, EMFILE, "no descriptors to wait on", 0},
    {EPOLL_CTL, ENOSPC, "no descriptors to wait on", 0},
    {THREAD, EAGAIN, "no thread to answer on", 1},
    {THREAD, EPERM, "no thread to answer on", 1},
};

static void start_fails(size_t i)
{
    failing = causes[i].what;
    cause = causes[i].cause;
    server.starts = server.stops = 0;
    assert_refused(health__engine_start(e, NULL), HEALTH_ESYSTEM, causes[i].cause, causes[i].says);
    failing = NOTHING;
    assert_int_equal(server.starts, causes[i].starts);
    assert_int_equal(server.stops, causes[i].starts);
    assert_int_equal(e->poller.fd, -1);
    assert_int_equal(e->wake_send.fd, -1);
    assert_int_equal(e->wake_receive.fd, -1);
    assert_false(health__engine_is_started(e));
    assert_refused(health__engine_stop(e, 0), HEALTH_ESTOPPED, 0, NULL);
}

static void what_cannot_be_started_says_why(void **unused)
{
    struct job job = {.let = true};
    struct health_check check = {
        .size = sizeof(check), .name = "c", .fn = job_run, .arg = &job, .interval_ms = 1};
    size_t i;

    (void)unused;
    assert_accepted(init());
    assert_int_equal(health__engine_add(e, &check), 0);
    for (i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
        start_fails(i);
    /* And is started when it can be. */
    assert_accepted(health__engine_start(e, NULL));
    count_wait(&job.ended, 2);
    assert_accepted(health__engine_stop(e, 20000));
    for (i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
        start_fails(i);
    assert_int_equal(health__engine_free(e, be_gone, &gone), 0);
}

/* It was started, and could not: its checks are still there, and those that go do. */
static void checks_go_where_nothing_runs(void **unused)
{
    struct job job = {.let = false};
    struct health_check check = {.size = sizeof(check),
        .name = "c",
        .fn = job_run,
        .arg = &job,
        .release = job_release,
        .interval_ms = 1};

    (void)unused;
    assert_accepted(init());
    assert_int_equal(health__engine_add(e, &check), 0);
    start_fails(4);
    assert_int_equal(health__timers_next(&e->timers), HEALTH__NEVER);
    assert_accepted(health__engine_remove(e, "c"));
    assert_int_equal(job.released, 1);
    assert_int_equal(job.begun, 0);
    assert_int_equal(health__engine_free(e, be_gone, &gone), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, refused_count, refused_recount)
    const struct CMUnitTest tests[] = {
        TEST(what_cannot_be_started_says_why),
        TEST(checks_go_where_nothing_runs),
    };

    jobs_first_thread();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
