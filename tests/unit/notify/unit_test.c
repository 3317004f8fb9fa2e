/*
 * What systemd is told and when, by a clock of the test's own: the watchdog is fed at half of its
 * time while /live passes, be it that an answer is still waited for, and as soon as it passes
 * again.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: clock_gettime */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "by_hand.h"
#include "notify/notify.h"

#define T       100000
#define HALF_MS 500

static struct hand h;
static struct health__notifier n;
static int manager; /* its socket */
static struct sockaddr_un place;
static socklen_t place_length;

static int open_manager(void **unused)
{
    char name[64];

    (void)unused;
    (void)snprintf(name, sizeof(name), "@libhealth/unit_test/%d", (int)getpid());
    place = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(place.sun_path + 1, name + 1, strlen(name) - 1);
    place_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (manager < 0 || bind(manager, (struct sockaddr *)&place, place_length) != 0 ||
        setenv("NOTIFY_SOCKET", name, 1) != 0 || setenv("WATCHDOG_USEC", "1000000", 1) != 0)
        return -1;
    hand_open(&h, T);
    health__notifier_init(&n, &h.engine, true);
    return 0;
}

static int close_all(void **unused)
{
    (void)unused;
    n.observer.end(&n.observer);
    hand_close(&h);
    return close(manager);
}

/* Takes what was told.  Returns: how often it was this line. */
static int heard(const char *line)
{
    char bytes[4096];
    ssize_t length;
    int count = 0;

    while ((length = recv(manager, bytes, sizeof(bytes) - 1, 0)) >= 0) {
        bytes[length] = '\0';
        count += strcmp(bytes, line) == 0;
    }
    return count;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A turn of the loop.  Returns: when the next is due. */
static int64_t turn(int64_t now)
{
    struct health__engine *e = &h.engine;
    int64_t next;

    hand_turn(&h, now);
    health__changes_settle(e);
    next = earlier(n.observer.turn(&n.observer, now), e->settle_at);
    health__pool_hand_over(&e->pool);
    next = earlier(next, health__timers_next(&e->timers));
    if (!health__list_empty(&e->waiters))
        next = earlier(
            next, health__container(e->waiters.next, struct health__waiter, link)->deadline);
    return next;
}

static int64_t fed_at[32]; /* the times of WATCHDOG=1, from T on */
static int fed;

/* Turns at `now`, and from then on whenever it is due, up to `until`.  A run of the check, NULL:
 * none, that is queued returns this at once; -1: it does not return. */
static void pass_time(int64_t now, int64_t until, struct health__check *check, int returns)
{
    int64_t next;
    int turns = 0;

    fed = 0;
    while (now <= until) {
        next = turn(now);
        if (check != NULL && returns >= 0 && check->job.state == HEALTH__JOB_QUEUED) {
            hand_return(&h, check, returns, NULL);
            next = turn(now);
        }
        if (heard("WATCHDOG=1") > 0)
            fed_at[fed++] = now - T;
        assert_true(++turns < 1000); /* it sleeps in between */
        now = next;
    }
}

static void assert_fed(size_t count, const int64_t *at)
{
    size_t i;

    assert_int_equal(fed, count);
    for (i = 0; i < count; i++)
        assert_int_equal(fed_at[i], at[i]);
}
#define assert_fed_at(...)                                                                         \
    assert_fed(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

static void it_is_fed_at_half_of_its_time(void **unused)
{
    (void)unused;
    n.observer.begin(&n.observer, T);
    pass_time(T, T + 1999, NULL, -1);
    assert_fed_at(0, 500, 1000, 1500);
}

/* A failure at the very moment at which it is to be fed. */
static void it_is_fed_as_soon_as_live_passes_again(void **unused)
{
    (void)unused;
    hand_add_pushed(&h, .name = "loop", .probes = HEALTH_LIVE);
    hand_report(&h, "loop", HEALTH_PASS, NULL);
    n.observer.begin(&n.observer, T);
    pass_time(T, T + 940, NULL, -1);
    assert_fed_at(0, 500);
    fake_clock_set(T + 950);
    hand_report(&h, "loop", HEALTH_FAIL, "moment");
    pass_time(T + 950, T + 1099, NULL, -1);
    assert_int_equal(fed, 0);
    fake_clock_set(T + 1100);
    hand_report(&h, "loop", HEALTH_WARN, "slow");
    pass_time(T + 1100, T + 2200, NULL, -1);
    assert_fed_at(1100, 1600, 2100);

    /* One that is over before it is to be fed changes nothing. */
    hand_report(&h, "loop", HEALTH_FAIL, "moment");
    pass_time(T + 2210, T + 2219, NULL, -1);
    hand_report(&h, "loop", HEALTH_PASS, NULL);
    pass_time(T + 2220, T + 2700, NULL, -1);
    assert_fed_at(2600);
}

static struct health__check *add(unsigned timeout_ms)
{
    return hand_add(
        &h, .name = "slow", .probes = HEALTH_LIVE, .timeout_ms = timeout_ms, .max_age_ms = 1);
}

/* It passes, as far as is known, until it is overdue. */
static void an_answer_that_is_waited_for_holds_up_nothing(void **unused)
{
    struct health__check *check = add(1700);

    (void)unused;
    n.observer.begin(&n.observer, T);
    pass_time(T, T + 1699, check, -1);
    assert_fed_at(500, 1000, 1500);
    pass_time(T + 1700, T + 4000, check, -1);
    assert_int_equal(fed, 0);
    /* That it returns heals nothing; its next run does. */
    hand_return(&h, check, HEALTH_PASS, NULL);
    fed = 0;
    (void)turn(T + 4001);
    assert_int_equal(heard("WATCHDOG=1"), 0);
    pass_time(T + 4001, T + 5300, check, HEALTH_PASS);
    assert_in_range(fed_at[0], 4001, 4001 + HALF_MS / 4);
    assert_int_equal(fed, 3);
}

static void a_new_answer_is_waited_for_where_it_comes_in_time(void **unused)
{
    struct health__check *check = add(1000);

    (void)unused;
    n.observer.begin(&n.observer, T);
    /* Before the first answer nothing is known. */
    (void)turn(T);
    assert_int_equal(heard("WATCHDOG=1"), 0);
    hand_return(&h, check, HEALTH_FAIL, NULL);
    pass_time(T + 10, T + 400, check, HEALTH_FAIL);
    assert_int_equal(fed, 0);
    pass_time(T + 401, T + 1200, check, HEALTH_PASS);
    assert_in_range(fed_at[0], 401, 401 + HALF_MS / 4);
    assert_int_equal(fed, 2);

    /* What has failed since it was last fed is known when it is to be fed. */
    pass_time(T + 1201, T + 6000, check, HEALTH_FAIL);
    assert_int_equal(fed, 0);
    /* It is asked often enough to see in time that it passes again. */
    pass_time(T + 6001, T + 6001 + HALF_MS / 4, check, HEALTH_PASS);
    assert_int_equal(fed, 1);
}

static void what_is_left_to_tell_keeps_it_from_an_end(void **unused)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)unused;
    n.observer.begin(&n.observer, T);
    (void)turn(T);
    assert_true(n.observer.idle(&n.observer));
    assert_int_equal(heard("READY=1"), 1);

    while (sendto(fd, "FILL", 4, 0, (struct sockaddr *)&place, place_length) == 4)
        ;
    assert_int_equal(errno, EAGAIN);
    health__gates_set(&h.gates, HEALTH__DRAINING, true);
    assert_false(n.observer.idle(&n.observer));
    assert_true(turn(T + 10) <= T + 110);
    assert_false(n.observer.idle(&n.observer));
    assert_int_equal(heard("STOPPING=1"), 0);
    (void)turn(T + 110);
    assert_true(n.observer.idle(&n.observer));
    assert_int_equal(heard("STOPPING=1"), 1);
    (void)close(fd);
}

static void where_nobody_listens_nothing_is_left_to_tell(void **unused)
{
    (void)unused;
    n.observer.begin(&n.observer, T);
    (void)turn(T);
    (void)close(manager);
    health__gates_set(&h.gates, HEALTH__DRAINING, true);
    (void)turn(T + 10);
    assert_true(n.observer.idle(&n.observer));
    n.observer.end(&n.observer);
    assert_true(n.observer.idle(&n.observer));
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_manager, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_fed_at_half_of_its_time),
        TEST(it_is_fed_as_soon_as_live_passes_again),
        TEST(an_answer_that_is_waited_for_holds_up_nothing),
        TEST(a_new_answer_is_waited_for_where_it_comes_in_time),
        TEST(what_is_left_to_tell_keeps_it_from_an_end),
        TEST(where_nobody_listens_nothing_is_left_to_tell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
