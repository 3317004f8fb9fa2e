/*
 * The loop, turn by turn: how long it sleeps, what it does when it wakes, how it tells that the
 * process stood still or has lost its descriptors, and how it ends; in the test's own thread,
 * asleep when the test says so.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: clock_gettime epoll_wait pthread_create */
#include "engine/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "by_hand.h"
#include "fake_observer.h"
#include "fake_server.h"

int __wrap_epoll_wait(int fd, struct epoll_event *events, int size, int timeout_ms);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg);

#define T 10000 /* when it begins */

static struct hand h;
static struct health__engine *const e = &h.engine;
static struct fake_server server;
static struct fake_observer observer;

/* A sleep: how long it is to be, and what happens then. */
struct sleep {
    int timeout_ms;     /* that is to be asked for */
    int64_t until;      /* when it wakes */
    int ready;          /* what epoll_wait() returns; negative: it fails with this errno */
    void (*then)(void); /* NULL: nothing else */
};

static void *tells_of; /* what a set of the host's does; NULL: it is ours, which has the wake-up */
static const struct sleep *sleeps; /* those to come */
static size_t sleeps_left;

static void stop(int64_t by)
{
    e->stop_by = by;
    atomic_store(&e->stopping, true);
}

int __wrap_epoll_wait(int fd, struct epoll_event *events, int size, int timeout_ms)
{
    const struct sleep *sleep = sleeps;

    (void)fd;
    (void)size;
    if (sleeps_left == 0)
        fail_msg("it sleeps once too often, for %d ms", timeout_ms);
    if (timeout_ms != sleep->timeout_ms)
        fail_msg("%zu before the end it sleeps for %d ms, not %d", sleeps_left, timeout_ms,
            sleep->timeout_ms);
    /* Whoever forks may have its turn now. */
    assert_int_equal(pthread_mutex_trylock(&e->turn), 0);
    assert_int_equal(pthread_mutex_unlock(&e->turn), 0);
    fake_clock_set(sleep->until);
    sleeps++;
    sleeps_left--;
    if (sleep->then != NULL)
        sleep->then();
    if (sleeps_left == 0 && !e->lost && !atomic_load(&e->stopping))
        stop(sleep->until);
    if (sleep->ready > 0)
        events[0] = (struct epoll_event){
            .events = EPOLLIN, .data.ptr = tells_of != NULL ? tells_of : &e->wake};
    errno = -sleep->ready;
    return sleep->ready < 0 ? -1 : sleep->ready;
}

int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *), void *arg)
{
    (void)thread;
    (void)attributes;
    (void)main;
    (void)arg;
    return EAGAIN;
}

static int told; /* how often the wake-up was */

static void be_told(struct health__source *source, unsigned what)
{
    assert_ptr_equal(source, &e->wake);
    assert_int_equal(what, HEALTH__READABLE);
    told++;
}

static int open_loop(void **unused)
{
    (void)unused;
    hand_open(&h, T);
    fake_server_init(&server);
    fake_observer_init(&observer);
    e->server = &server.server;
    e->observer = &observer.observer;
    assert_int_equal(health__poller_open(&e->poller), 0);
    assert_int_equal(health__fd_pair(&e->wake_send, &e->wake_receive), 0);
    e->wake = (struct health__source){be_told, e->wake_receive.fd};
    assert_int_equal(health__poller_add(&e->poller, &e->wake, HEALTH__READABLE), 0);
    told = 0;
    return 0;
}

static int close_loop(void **unused)
{
    (void)unused;
    health__fd_close(&e->wake_send);
    health__fd_close(&e->wake_receive);
    health__poller_close(&e->poller);
    hand_close(&h);
    return 0;
}

/* Runs the loop through the sleeps, after the last of which it ends. */
static void run_loop(const struct sleep *script, size_t count)
{
    sleeps = script;
    sleeps_left = count;
    assert_null(health__loop(e));
    assert_int_equal(sleeps_left, 0);
}

/* The same, as it is to stop then. */
static void loop(const struct sleep *script, size_t count)
{
    run_loop(script, count);
    assert_true(e->loop_ended);
    assert_false(e->lost);
    assert_int_equal(server.stops, 1);
    assert_int_equal(server.forgets, 0);
}

/* The same, as it has lost its descriptors then: nothing of the host's is touched. */
static void lose(const struct sleep *script, size_t count)
{
    run_loop(script, count);
    assert_true(e->loop_ended);
    assert_true(e->lost);
    assert_int_equal(server.losses, 1);
    assert_int_equal(server.forgets, 1);
    assert_int_equal(server.drains, 0);
    assert_int_equal(server.stops, 0);
    assert_int_equal(told, 0);
}

#define SLEEPS(...)                                                                                \
    (const struct sleep[]){__VA_ARGS__},                                                           \
        sizeof((const struct sleep[]){__VA_ARGS__}) / sizeof(struct sleep)
#define LOOP(...) loop(SLEEPS(__VA_ARGS__))
#define LOSE(...) lose(SLEEPS(__VA_ARGS__))

/* ---- How long it sleeps ---- */

static void with_nothing_to_do_it_sleeps_without_end(void **unused)
{
    (void)unused;
    LOOP({-1, T + 100000, 0, NULL}, {-1, T + 200000, 0, NULL});
    /* Two turns, and the last. */
    assert_int_equal(server.runs, 3);
    assert_int_equal(server.now, T + 200000);
}

static void it_wakes_when_the_server_wants_it(void **unused)
{
    (void)unused;
    server.next = T + 250;
    LOOP({250, T + 100, 0, NULL}, {150, T + 250, 0, NULL}, {0, T + 251, 0, NULL});
}

/* At its beginning, the deadline would be as far away as the machine has been up. */
static void a_clock_that_cannot_be_read_has_stood_still(void **unused)
{
    (void)unused;
    server.next = T + 250;
    LOOP({250, 0, 0, NULL}, {250, T + 100, 0, NULL}, {150, T + 250, 0, NULL});
    assert_int_equal(server.now, T + 250);
}

static void it_wakes_for_timers(void **unused)
{
    (void)unused;
    server.next = T + 5000;
    (void)hand_add_pushed(&h, .name = "p");
    health__timer_set(&e->timers, &hand_find(&h, "p")->timer, T + 700);
    LOOP({700, T + 10, 0, NULL}, {690, T + 20, 0, NULL});
}

static void it_tends_the_workers_while_they_have_something(void **unused)
{
    (void)unused;
    health__runs_queue(e, hand_add(&h, .name = "c"));
    /* No thread is to be had: it tries again. */
    LOOP({100, T + 60, 0, NULL}, {40, T + 100, 0, NULL}, {100, T + 150, 0, NULL});
}

static struct hand_request request;

static void ask(void)
{
    assert_true(hand_ask(&h, &request, HEALTH_READY, NULL));
}

static void it_wakes_for_whoever_waits(void **unused)
{
    (void)unused;
    (void)hand_add(&h, .name = "c", .timeout_ms = 5000);
    e->pool.workers = 16; /* enough of them */
    ask();
    LOOP({800, T + 799, 0, NULL}, {1, T + 800, 0, NULL}, {4200, T + 900, 0, NULL});
    assert_int_equal(request.ready, 1);
    e->pool.workers = 0;
}

/* ---- What it does ---- */

static void let_return(void)
{
    hand_return(&h, hand_find(&h, "c"), HEALTH_PASS, NULL);
}

static void it_judges_what_has_come_before_it_gives_up(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .timeout_ms = 500);

    (void)unused;
    e->pool.workers = 16;
    ask();
    LOOP({500, T + 490, 1, let_return}, {-1, T + 600, 0, NULL});
    assert_int_equal(request.ready, 1);
    assert_int_equal(c->state.status, HEALTH_PASS);
    assert_int_equal(c->state.result_at, T + 490);
    e->pool.workers = 0;
}

static void it_gives_up_on_what_is_late(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .timeout_ms = 500);

    (void)unused;
    e->pool.workers = 16;
    ask();
    LOOP({500, T + 500, 0, NULL}, {-1, T + 600, 0, NULL});
    assert_int_equal(request.ready, 1);
    assert_int_equal(c->state.cause, HEALTH__OVERDUE);
    e->pool.workers = 0;
}

static void remove_p(void)
{
    assert_int_equal(health__engine_remove(e, "p"), 0);
}

static void it_reads_its_mail_and_buries_the_dead(void **unused)
{
    (void)unused;
    (void)hand_add_pushed(&h, .name = "p");
    hand_report(&h, "p", HEALTH_WARN, "tight");
    LOOP({-1, T + 1, 1, NULL}, {-1, T + 2, 1, remove_p}, {-1, T + 3, 0, NULL});
    assert_true(health__list_empty(&e->checks));
    assert_true(health__list_empty(&e->dead) && health__list_empty(&e->leaving));
}

static void it_tells_what_is_ready(void **unused)
{
    (void)unused;
    LOOP({-1, T + 1, 1, NULL}, {-1, T + 2, 0, NULL}, {-1, T + 3, 1, NULL});
    assert_int_equal(told, 2);
}

static void a_wake_is_sent_once_until_it_is_received(void **unused)
{
    char bytes[4];

    (void)unused;
    health__loop_wake(e);
    health__loop_wake(e);
    assert_int_equal(recv(e->wake_receive.fd, bytes, sizeof(bytes), 0), 1);
    assert_int_equal(recv(e->wake_receive.fd, bytes, sizeof(bytes), 0), -1);
    atomic_store(&e->woken, false);
    health__loop_wake(e);
    assert_int_equal(recv(e->wake_receive.fd, bytes, sizeof(bytes), 0), 1);
}

/* ---- When the process stood still ---- */

/* When the check was last made young by a thaw, or by its registration. */
static int64_t thawed_at(void)
{
    return hand_find(&h, "p")->state.not_before;
}

static void an_interrupted_sleep_is_a_thaw(void **unused)
{
    (void)unused;
    (void)hand_add_pushed(&h, .name = "p", .max_age_ms = 100);
    hand_report(&h, "p", HEALTH_PASS, NULL);
    LOOP({-1, T + 50, 0, NULL}, {-1, T + 60000, -EINTR, NULL}, {-1, T + 60050, 0, NULL});
    assert_int_equal(thawed_at(), T + 60000);
    assert_int_equal(hand_find(&h, "p")->state.status, HEALTH_PASS);
    assert_int_equal(health__engine_settle(e, hand_find(&h, "p")), T + 60101);
}

/* What was true when it fell asleep stays true. */
static void a_thaw_is_from_when_it_fell_asleep(void **unused)
{
    (void)unused;
    (void)hand_add_pushed(&h, .name = "p", .max_age_ms = 100);
    hand_report(&h, "p", HEALTH_PASS, NULL);
    LOOP({-1, T + 101, 0, NULL}, {-1, T + 60000, -EINTR, NULL});
    assert_int_equal(hand_find(&h, "p")->state.status, HEALTH_FAIL);
    assert_int_equal(hand_find(&h, "p")->state.since, T + 101);
}

/* A host that changes its user interrupts as well. */
static void one_that_is_interrupted_soon_is_none(void **unused)
{
    (void)unused;
    (void)hand_add_pushed(&h, .name = "p", .max_age_ms = 300);
    LOOP({-1, T + 200, -EINTR, NULL}, {-1, T + 1200, -EINTR, NULL});
    assert_int_equal(thawed_at(), T);
}

static void of_two_without_a_word_in_between_one_is(void **unused)
{
    (void)unused;
    (void)hand_add_pushed(&h, .name = "p", .max_age_ms = 100);
    hand_report(&h, "p", HEALTH_PASS, NULL);
    LOOP({-1, T + 50, 0, NULL}, {-1, T + 5000, -EINTR, NULL}, {-1, T + 9000, -EINTR, NULL});
    assert_int_equal(thawed_at(), T + 5000);
    (void)health__engine_settle(e, hand_find(&h, "p"));
    assert_int_equal(hand_find(&h, "p")->state.status, HEALTH_FAIL);
    assert_int_equal(hand_find(&h, "p")->state.since, T + 5101);
}

static void add_late(void)
{
    static struct health_check check = HEALTH_CHECK_INIT;

    check.name = "late";
    check.max_age_ms = 100;
    fake_clock_set(T + 100);
    assert_int_equal(health__engine_add(e, &check), 0);
    fake_clock_set(T + 60000);
}

/* While the loop sleeps, and the process is about to. */
static void what_was_added_before_a_freeze_is_thawed_too(void **unused)
{
    (void)unused;
    LOOP({-1, T + 60000, -EINTR, add_late});
    assert_int_equal(hand_find(&h, "late")->state.not_before, T + 60000);
}

static void a_wake_up_that_is_late_is_a_thaw(void **unused)
{
    (void)unused;
    (void)hand_add_pushed(&h, .name = "p", .max_age_ms = 300);
    hand_report(&h, "p", HEALTH_PASS, NULL);
    server.next = T + 250;
    /* By the machine's weather. */
    LOOP({250, T + 250 + 1000, 0, NULL});
    assert_int_equal(thawed_at(), T);
}

static void by_more_than_a_second_it_is_one(void **unused)
{
    (void)unused;
    (void)hand_add_pushed(&h, .name = "p", .max_age_ms = 300);
    hand_report(&h, "p", HEALTH_PASS, NULL);
    server.next = T + 250;
    LOOP({250, T + 250 + 1001, 1, NULL});
    assert_int_equal(thawed_at(), T + 1251);
    /* From its deadline on it stood still: what was true until then counts. */
    assert_int_equal(hand_find(&h, "p")->state.status, HEALTH_PASS);
}

static void so_it_is_where_it_did_not_want_to_sleep(void **unused)
{
    (void)unused;
    (void)hand_add_pushed(&h, .name = "p", .max_age_ms = 300);
    server.next = T - 5000;
    LOOP({0, T + 1000, 0, NULL});
    assert_int_equal(thawed_at(), T);
    server = (struct fake_server){.server = server.server, .next = T - 5000};
    atomic_store(&e->stopping, false);
    e->loop_ended = false;
    LOOP({0, T + 2001, 0, NULL});
    assert_int_equal(thawed_at(), T + 2001);
}

static void a_long_sleep_without_a_deadline_is_none(void **unused)
{
    (void)unused;
    (void)hand_add_pushed(&h, .name = "p", .max_age_ms = 300);
    hand_report(&h, "p", HEALTH_PASS, NULL);
    LOOP({-1, T + 3600000, 1, NULL});
    assert_int_equal(thawed_at(), T);
}

/* ---- Who is told of changes ---- */

static void while_observed_the_observer_has_its_turns(void **unused)
{
    (void)unused;
    health__engine_observe(e, true);
    server.next = T + 5000;
    observer.next = T + 250;
    LOOP({250, T + 100, 0, NULL}, {150, T + 240, 0, NULL});
    /* One for each of the loop's, the last included. */
    assert_int_equal(observer.turns, 3);
    assert_int_equal(server.runs, 3);
}

static void while_observed_it_wakes_for_what_time_alone_does(void **unused)
{
    struct health__check *c = hand_add_pushed(&h, .name = "p", .max_age_ms = 100);

    (void)unused;
    hand_report(&h, "p", HEALTH_PASS, NULL);
    health__mail_read(e);
    health__engine_observe(e, true);
    LOOP({101, T + 101, 0, NULL}, {-1, T + 5000, 0, NULL});
    assert_int_equal(c->state.status, HEALTH_FAIL);
    assert_int_equal(c->state.since, T + 101);
    assert_ptr_equal(e->changed.next, &c->changed);
}

static void unobserved_it_does_neither(void **unused)
{
    struct health__check *c = hand_add_pushed(&h, .name = "p", .max_age_ms = 100);

    (void)unused;
    hand_report(&h, "p", HEALTH_PASS, NULL);
    health__mail_read(e);
    observer.next = T + 250;
    LOOP({-1, T + 5000, 0, NULL});
    assert_int_equal(c->state.status, HEALTH_PASS);
    assert_int_equal(observer.turns, 0);
    assert_true(health__list_empty(&e->changed));
}

/* ---- When the host closes its descriptors ---- */

static void a_set_that_is_closed_is_the_end(void **unused)
{
    (void)unused;
    (void)hand_add(&h, .name = "c", .timeout_ms = 5000);
    e->pool.workers = 16;
    ask();
    LOSE({800, T + 50, -EBADF, NULL});
    /* Whoever waits is told what is known. */
    assert_int_equal(request.ready, 1);
    e->pool.workers = 0;
}

static void close_wake(void)
{
    assert_int_equal(close(e->wake_receive.fd), 0);
}

static void what_wakes_it_is_closed(void **unused)
{
    (void)unused;
    LOSE({-1, T + 50, 0, close_wake});
}

/* There is nothing left that could wake it. */
static void what_time_wakes_looks(void **unused)
{
    (void)unused;
    server.next = T + 5;
    LOSE({5, T + 3, 0, NULL}, {2, T + 5, 0, close_wake});
}

static void one_that_does_not_sleep_looks_every_10_ms(void **unused)
{
    (void)unused;
    server.next = T;
    LOSE(
        {0, T + 3, 0, NULL}, {0, T + 4, 0, close_wake}, {0, T + 12, 0, NULL}, {0, T + 13, 0, NULL});
}

static int hosts; /* a descriptor of the host's, which gets the numbers of ours */

static void take_wake(void)
{
    assert_int_equal(dup2(hosts, e->wake_receive.fd), e->wake_receive.fd);
}

static void take_set(void)
{
    assert_int_equal(dup2(hosts, e->poller.fd), e->poller.fd);
}

static void what_a_number_of_the_hosts_tells_is_not_read(void **unused)
{
    int wake = e->wake_receive.fd;

    (void)unused;
    hosts = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    LOSE({-1, T + 50, 1, take_wake});
    (void)close(hosts);
    (void)close(wake);
}

/* It has been looked at only just now, and nothing else tells. */
static void a_set_of_the_hosts_tells_of_what_is_not_ours(void **unused)
{
    (void)unused;
    server.next = T;
    tells_of = &hosts;
    LOSE({0, T + 3, 0, NULL}, {0, T + 4, 1, NULL});
    tells_of = NULL;
}

static void nor_what_a_set_of_the_hosts_does(void **unused)
{
    (void)unused;
    hosts = epoll_create1(EPOLL_CLOEXEC);
    LOSE({-1, T + 50, 1, take_set});
    (void)close(hosts);
}

static void lose_it(void)
{
    health__engine_lose(e);
}

static void the_server_has_found_out(void **unused)
{
    (void)unused;
    LOSE({-1, T + 50, 0, lose_it});
}

static void abandon(void)
{
    e->generation++;
}

/* Someone has done its work meanwhile, and perhaps started another. */
static void one_that_was_abandoned_touches_nothing(void **unused)
{
    (void)unused;
    run_loop(SLEEPS({-1, T + 50, 1, abandon}));
    assert_false(e->loop_ended || e->lost);
    assert_int_equal(server.runs, 1);
    assert_int_equal(server.stops + server.drains + server.forgets, 0);
    assert_int_equal(told, 0);
}

/* ---- How it ends ---- */

static void stopped_before_it_began(void **unused)
{
    (void)unused;
    stop(T);
    loop(NULL, 0);
    assert_int_equal(server.drains, 1);
    assert_int_equal(server.runs, 1);
}

static void stop_soon(void)
{
    stop(T + 1100);
}

static void stop_in_a_second(void)
{
    (void)hand_add(&h, .name = "late", .timeout_ms = 5000);
    assert_true(hand_ask(&h, &request, HEALTH_READY, NULL));
    stop_soon();
}

static void it_sends_what_is_left_before_it_ends(void **unused)
{
    (void)unused;
    server.drains_empty = 3;
    server.next = T + 130;
    e->pool.workers = 16;
    LOOP({130, T + 100, 1, stop_in_a_second}, {30, T + 120, 1, NULL}, {10, T + 125, 0, NULL});
    /* Whoever waited is answered with what is known. */
    assert_int_equal(request.ready, 1);
    assert_int_equal(server.drains, 3);
    /* Once before the stop, and after each drain. */
    assert_int_equal(server.runs, 4);
    e->pool.workers = 0;
}

static void but_not_for_longer_than_it_may(void **unused)
{
    (void)unused;
    server.drains_empty = 1000;
    server.next = T + 90000;
    e->pool.workers = 16;
    LOOP({90000, T + 100, 1, stop_in_a_second}, {1000, T + 700, 0, NULL}, {400, T + 1100, 0, NULL});
    assert_int_equal(request.ready, 1);
    assert_int_equal(server.drains, 3);
    e->pool.workers = 0;
}

static void tell(void)
{
    observer.busy = false;
}

static void it_waits_for_what_the_observer_has_to_tell(void **unused)
{
    (void)unused;
    health__engine_observe(e, true);
    observer.busy = true;
    LOOP({-1, T + 100, 1, stop_soon}, {1000, T + 120, 1, tell});
    assert_int_equal(server.drains, 2);
}

static void nor_for_that_longer_than_it_may(void **unused)
{
    (void)unused;
    health__engine_observe(e, true);
    observer.busy = true;
    LOOP({-1, T + 100, 1, stop_soon}, {1000, T + 1100, 0, NULL});
    assert_int_equal(server.drains, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_loop, close_loop)
    const struct CMUnitTest tests[] = {
        TEST(with_nothing_to_do_it_sleeps_without_end),
        TEST(it_wakes_when_the_server_wants_it),
        TEST(a_clock_that_cannot_be_read_has_stood_still),
        TEST(it_wakes_for_timers),
        TEST(it_tends_the_workers_while_they_have_something),
        TEST(it_wakes_for_whoever_waits),
        TEST(it_judges_what_has_come_before_it_gives_up),
        TEST(it_gives_up_on_what_is_late),
        TEST(it_reads_its_mail_and_buries_the_dead),
        TEST(it_tells_what_is_ready),
        TEST(a_wake_is_sent_once_until_it_is_received),
        TEST(an_interrupted_sleep_is_a_thaw),
        TEST(a_thaw_is_from_when_it_fell_asleep),
        TEST(one_that_is_interrupted_soon_is_none),
        TEST(of_two_without_a_word_in_between_one_is),
        TEST(what_was_added_before_a_freeze_is_thawed_too),
        TEST(a_wake_up_that_is_late_is_a_thaw),
        TEST(by_more_than_a_second_it_is_one),
        TEST(so_it_is_where_it_did_not_want_to_sleep),
        TEST(a_long_sleep_without_a_deadline_is_none),
        TEST(while_observed_the_observer_has_its_turns),
        TEST(while_observed_it_wakes_for_what_time_alone_does),
        TEST(unobserved_it_does_neither),
        TEST(a_set_that_is_closed_is_the_end),
        TEST(what_wakes_it_is_closed),
        TEST(what_time_wakes_looks),
        TEST(one_that_does_not_sleep_looks_every_10_ms),
        TEST(what_a_number_of_the_hosts_tells_is_not_read),
        TEST(nor_what_a_set_of_the_hosts_does),
        TEST(a_set_of_the_hosts_tells_of_what_is_not_ours),
        TEST(the_server_has_found_out),
        TEST(one_that_was_abandoned_touches_nothing),
        TEST(stopped_before_it_began),
        TEST(it_sends_what_is_left_before_it_ends),
        TEST(but_not_for_longer_than_it_may),
        TEST(it_waits_for_what_the_observer_has_to_tell),
        TEST(nor_for_that_longer_than_it_may),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
