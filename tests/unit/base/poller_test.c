/*
 * The poller: how long it waits, what it hands to whom, and what wakes it.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: epoll_wait epoll_create1 epoll_ctl */
#include "base/poller.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

int __real_epoll_wait(int fd, struct epoll_event *events, int count, int timeout);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int count, int timeout);
int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __real_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);

/* Instead of waiting: keeps the timeout and looks once. */
static int waited_ms;
static int wait_error;    /* not 0: what it fails with */
static int control_error; /* the same of what changes a set */
static bool out_of_descriptors;

int __wrap_epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
    waited_ms = timeout;
    if (wait_error != 0) {
        errno = wait_error;
        return -1;
    }
    return __real_epoll_wait(fd, events, count, 0);
}

int __wrap_epoll_create1(int flags)
{
    if (out_of_descriptors) {
        errno = EMFILE;
        return -1;
    }
    return __real_epoll_create1(flags);
}

int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    if (control_error != 0) {
        errno = control_error;
        return -1;
    }
    return __real_epoll_ctl(set, operation, fd, event);
}

/* A source that remembers what it was told. */
struct told {
    struct health__source source;
    unsigned what;
    int times;
};

static void remember(struct health__source *source, unsigned what)
{
    struct told *told = (struct told *)(void *)source;

    told->what = what;
    told->times++;
}

struct pair {
    struct told told; /* watches ends[0] */
    int ends[2];
};

static void pair_open(struct pair *p)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->ends), 0);
    p->told = (struct told){{remember, p->ends[0]}, 0, 0};
}

static void pair_close(struct pair *p)
{
    (void)close(p->ends[0]);
    if (p->ends[1] >= 0)
        (void)close(p->ends[1]);
}

/* Looks once.  Returns: how many sources were told. */
static int look(struct health__poller *p)
{
    struct health__ready found;

    health__poller_wait(p, 0, 0, &found);
    assert_true(found.count >= 0);
    health__poller_dispatch(&found);
    return found.count;
}

static void it_waits_until_the_deadline(void **unused)
{
    struct health__poller p;
    struct health__ready found;

    (void)unused;
    assert_int_equal(health__poller_open(&p), 0);
    assert_int_equal(fcntl(p.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);

    health__poller_wait(&p, 1500, 1000, &found);
    assert_int_equal(found.count, 0);
    assert_int_equal(waited_ms, 500);
    health__poller_wait(&p, 1001, 1000, &found);
    assert_int_equal(waited_ms, 1);
    health__poller_wait(&p, 1000, 1000, &found);
    assert_int_equal(waited_ms, 0);
    health__poller_wait(&p, 999, 1000, &found);
    assert_int_equal(waited_ms, 0);
    health__poller_wait(&p, HEALTH__NOT_YET, 1000, &found);
    assert_int_equal(waited_ms, 0);
    health__poller_wait(&p, HEALTH__NEVER, 1000, &found);
    assert_int_equal(waited_ms, -1);
    /* Further away than an int: rather wakes once for nothing. */
    health__poller_wait(&p, 1000 + (int64_t)INT_MAX, 1000, &found);
    assert_int_equal(waited_ms, INT_MAX);
    health__poller_wait(&p, 1001 + (int64_t)INT_MAX, 1000, &found);
    assert_int_equal(waited_ms, INT_MAX);
    health__poller_wait(&p, HEALTH__NEVER - 1, 1000, &found);
    assert_int_equal(waited_ms, INT_MAX);
    health__poller_close(&p);
}

/* So is that there was no memory: the set is no less there for it. */
static void an_interruption_is_told(void **unused)
{
    static const int errors[] = {EINTR, ENOMEM};
    struct health__poller p;
    struct health__ready found;
    size_t i;

    (void)unused;
    assert_int_equal(health__poller_open(&p), 0);
    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        wait_error = errors[i];
        health__poller_wait(&p, HEALTH__NEVER, 1000, &found);
        wait_error = 0;
        assert_int_equal(found.count, HEALTH__INTERRUPTED);
        /* Nothing to tell anyone. */
        health__poller_dispatch(&found);
    }
    health__poller_close(&p);
}

/* The host has closed the source, or the set; or their numbers are those of something else. */
static void a_set_has_what_was_added_to_it(void **unused)
{
    struct health__poller p, other;
    struct pair a;
    int end;

    (void)unused;
    assert_int_equal(health__poller_open(&p), 0);
    assert_int_equal(health__poller_open(&other), 0);
    pair_open(&a);
    assert_false(health__poller_has(&p, &a.told.source));
    assert_int_equal(health__poller_add(&p, &a.told.source, HEALTH__READABLE), 0);
    assert_true(health__poller_has(&p, &a.told.source));
    assert_false(health__poller_has(&other, &a.told.source));
    control_error = ENOMEM;
    assert_true(health__poller_has(&p, &a.told.source));
    control_error = 0;
    health__poller_close(&other);

    end = a.told.source.fd;
    a.told.source.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_false(health__poller_has(&p, &a.told.source));
    (void)close(a.told.source.fd);
    assert_false(health__poller_has(&p, &a.told.source));
    a.told.source.fd = end;

    other.fd = a.ends[1];
    assert_false(health__poller_has(&other, &a.told.source));
    other = p;
    health__poller_close(&p);
    assert_false(health__poller_has(&other, &a.told.source));
    pair_close(&a);
}

/* The host has closed it, and the number is nobody's, or that of something else. */
static void a_set_that_is_no_more_is_told(void **unused)
{
    struct health__poller p, closed;
    struct health__ready found;
    int fd;

    (void)unused;
    assert_int_equal(health__poller_open(&p), 0);
    closed = p;
    health__poller_close(&p);
    health__poller_wait(&closed, HEALTH__NEVER, 1000, &found);
    assert_int_equal(found.count, HEALTH__CLOSED);
    health__poller_dispatch(&found);

    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    closed.fd = fd;
    health__poller_wait(&closed, HEALTH__NEVER, 1000, &found);
    assert_int_equal(found.count, HEALTH__CLOSED);
    health__poller_dispatch(&found);
    (void)close(fd);
}

static void a_source_is_told_while_it_is_readable(void **unused)
{
    struct health__poller p;
    struct pair a, b;
    char byte;

    (void)unused;
    assert_int_equal(health__poller_open(&p), 0);
    pair_open(&a);
    pair_open(&b);
    assert_int_equal(health__poller_add(&p, &a.told.source, HEALTH__READABLE), 0);
    assert_int_equal(health__poller_add(&p, &b.told.source, HEALTH__READABLE), 0);
    assert_int_equal(look(&p), 0);

    assert_int_equal(write(a.ends[1], "x", 1), 1);
    assert_int_equal(look(&p), 1);
    assert_int_equal(look(&p), 1); /* until it was read */
    assert_int_equal(a.told.times, 2);
    assert_int_equal(a.told.what, HEALTH__READABLE);
    assert_int_equal(b.told.times, 0);
    assert_int_equal(read(a.ends[0], &byte, 1), 1);
    assert_int_equal(look(&p), 0);

    assert_int_equal(write(a.ends[1], "x", 1), 1);
    assert_int_equal(write(b.ends[1], "x", 1), 1);
    assert_int_equal(look(&p), 2);
    assert_int_equal(a.told.times, 3);
    assert_int_equal(b.told.times, 1);

    health__poller_remove(&p, &a.told.source);
    health__poller_remove(&p, &a.told.source); /* nothing */
    assert_int_equal(look(&p), 1);
    assert_int_equal(a.told.times, 3);
    assert_int_equal(b.told.times, 2);
    pair_close(&a);
    pair_close(&b);
    health__poller_close(&p);
}

static void it_is_told_what_it_watches_for(void **unused)
{
    struct health__poller p;
    struct pair a;

    (void)unused;
    assert_int_equal(health__poller_open(&p), 0);
    pair_open(&a);
    assert_int_equal(health__poller_add(&p, &a.told.source, HEALTH__HANGUP), 0);
    assert_int_equal(write(a.ends[1], "x", 1), 1);
    assert_int_equal(look(&p), 0);

    /* The peer says that nothing more will come. */
    assert_int_equal(shutdown(a.ends[1], SHUT_WR), 0);
    assert_int_equal(look(&p), 1);
    assert_int_equal(a.told.what, HEALTH__HANGUP);
    assert_int_equal(
        health__poller_change(&p, &a.told.source, HEALTH__READABLE | HEALTH__HANGUP), 0);
    assert_int_equal(look(&p), 1);
    assert_int_equal(a.told.what, HEALTH__READABLE | HEALTH__HANGUP);

    /* Nothing is watched for: the half that is shut does not wake, the end of it all does. */
    assert_int_equal(health__poller_change(&p, &a.told.source, 0), 0);
    assert_int_equal(look(&p), 0);
    (void)close(a.ends[1]);
    a.ends[1] = -1;
    assert_int_equal(look(&p), 1);
    assert_int_equal(a.told.what, HEALTH__HANGUP);
    pair_close(&a);
    health__poller_close(&p);
}

static void more_than_fit_at_once_come_later(void **unused)
{
    enum { PAIRS = 100 };
    static struct pair pairs[PAIRS];
    struct health__poller p;
    int batch = (int)(sizeof(((struct health__ready *)0)->events) / sizeof(struct epoll_event)), i,
        told;

    (void)unused;
    assert_int_equal(health__poller_open(&p), 0);
    for (i = 0; i < PAIRS; i++) {
        pair_open(&pairs[i]);
        assert_int_equal(health__poller_add(&p, &pairs[i].told.source, HEALTH__READABLE), 0);
        assert_int_equal(write(pairs[i].ends[1], "x", 1), 1);
    }
    assert_int_equal(look(&p), batch);
    /* epoll goes round. */
    assert_int_equal(look(&p), batch);
    for (told = 0, i = 0; i < PAIRS; i++) {
        told += pairs[i].told.times > 0;
        pair_close(&pairs[i]);
    }
    assert_int_equal(told, PAIRS);
    health__poller_close(&p);
}

static void what_cannot_be_watched_is_told(void **unused)
{
    struct health__poller p;
    struct told nothing = {{remember, -1}, 0, 0};
    struct pair a;
    int fd;

    (void)unused;
    out_of_descriptors = true;
    errno = 0;
    assert_int_equal(health__poller_open(&p), -1);
    assert_int_equal(errno, EMFILE);
    out_of_descriptors = false;
    health__poller_close(&p); /* not open: nothing */

    assert_int_equal(health__poller_open(&p), 0);
    assert_int_equal(health__poller_add(&p, &nothing.source, HEALTH__READABLE), -1);
    assert_int_equal(errno, EBADF);
    pair_open(&a);
    assert_int_equal(health__poller_change(&p, &a.told.source, HEALTH__READABLE), -1);
    assert_int_equal(errno, ENOENT);
    pair_close(&a);
    fd = p.fd;
    health__poller_close(&p);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(p.fd, -1);
    health__poller_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_waits_until_the_deadline),
        cmocka_unit_test(an_interruption_is_told),
        cmocka_unit_test(a_set_has_what_was_added_to_it),
        cmocka_unit_test(a_set_that_is_no_more_is_told),
        cmocka_unit_test(a_source_is_told_while_it_is_readable),
        cmocka_unit_test(it_is_told_what_it_watches_for),
        cmocka_unit_test(more_than_fit_at_once_come_later),
        cmocka_unit_test(what_cannot_be_watched_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
