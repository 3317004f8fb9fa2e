/*
 * The server, turn by turn: who is accepted, who has to make room, and when it wants its next turn;
 * with MHD played by the test.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: MHD_start_daemon MHD_stop_daemon MHD_get_daemon_info MHD_add_connection MHD_run */
/* wrap: MHD_get_timeout MHD_resume_connection MHD_get_connection_info accept4 fstat */
#include "http/http.h"

#include <sys/stat.h>

#include "server_by_hand.h"

int __real_fstat(int fd, struct stat *ret);
int __wrap_fstat(int fd, struct stat *ret);

static int looks;     /* at descriptors */
static bool is_blind; /* there is no memory for one */

int __wrap_fstat(int fd, struct stat *ret)
{
    looks++;
    if (!is_blind)
        return __real_fstat(fd, ret);
    errno = ENOMEM;
    return -1;
}

/* ---- Accepting ---- */

static void whoever_connects_is_handed_to_mhd(void **unused)
{
    (void)unused;
    accept_clients(1, T);
    assert_int_equal(connection(0)->fd.fd, mhd.connections[0].fd);
    assert_int_equal(connection(0)->phase, HEALTH__READING);
    assert_int_equal(connection(0)->since, T);
    assert_true(connection(0)->local);
    assert_ptr_equal(connection(0)->http, &http);
    assert_int_equal(mhd.runs, 1);
    assert_true(http.due_at > T);
    accept_clients(LIMIT - 1, T + 1);
    assert_int_equal(http.connections.count, LIMIT);
    mhd_close(&mhd.connections[1]);
    assert_int_equal(http.connections.count, LIMIT - 1);
}

/* ---- Knowing them again ---- */

/* Someone has come, and is accepted in a turn of its own, at whose end nothing is lost. */
static void accept_in_a_turn(void (*does)(void))
{
    connect_one();
    wait_ready();
    mhd_does = does;
    looks = 0;
    (void)run(T);
    mhd_does = NULL;
}

static void who_stays_is_looked_at_once(void **unused)
{
    struct stat s;

    (void)unused;
    accept_in_a_turn(NULL);
    assert_true(health__list_empty(&http.connections.unseen));
    assert_int_equal(__real_fstat(mhd.connections[0].fd, &s), 0);
    assert_int_equal(connection(0)->fd.inode, s.st_ino);
    assert_int_equal(connection(0)->fd.device, s.st_dev);
    looks = 0;
    (void)run(T);
    assert_int_equal(looks, 0);
}

static void close_the_last(void)
{
    mhd_close(&mhd.connections[mhd.count - 1]);
}

/* A probe comes and goes in one turn. */
static void who_goes_in_the_same_turn_is_not_looked_at(void **unused)
{
    (void)unused;
    accept_in_a_turn(close_the_last);
    assert_int_equal(looks, 0);
    assert_int_equal(http.connections.count, 0);
    assert_true(health__list_empty(&http.connections.unseen));
    accept_in_a_turn(NULL);
    assert_true(looks > 0);
}

static void without_memory_he_is_looked_at_in_the_next_turn(void **unused)
{
    (void)unused;
    is_blind = true;
    accept_in_a_turn(NULL);
    is_blind = false;
    assert_false(h.engine.lost);
    assert_false(health__list_empty(&http.connections.unseen));
    assert_true(health__fd_is_ours(&connection(0)->fd));
    (void)run(T);
    assert_true(health__list_empty(&http.connections.unseen));
    assert_int_not_equal(connection(0)->fd.inode, 0);
}

/* MHD 1.0 begins with it when it runs next. */
static void whoever_mhd_begins_with_later_is_known_then(void **unused)
{
    (void)unused;
    mhd_begins_late = true;
    accept_clients(1, T);
    accept_clients(2, T + 1);
    assert_int_equal(http.arriving, 0);
    assert_int_equal(http.connections.count, 3);
    assert_int_equal(connection(0)->fd.fd, mhd.connections[0].fd);
    assert_int_equal(connection(2)->fd.fd, mhd.connections[2].fd);
    assert_true(connection(0)->known && connection(1)->known && connection(2)->known);
    mhd_close(&mhd.connections[1]);
    assert_int_equal(http.connections.count, 2);
}

static void in_a_crowd_those_who_have_left_cost_nobody_his_place(void **unused)
{
    int i;

    (void)unused;
    /* Where there is none, MHD finds out. */
    leaves_at_once = true;
    accept_clients(1, T);
    assert_int_equal(http.connections.count, 1);
    connect_one();
    wait_ready();
    (void)run(T + 100);
    assert_int_equal(mhd.count, 1);
    leaves_at_once = false;
    accept_clients(LIMIT - 1, T + 100);
    leaves_at_once = true;
    connect_one();
    connect_one();
    for (i = 0; i < 2; i++) {
        wait_ready();
        (void)run(T + 200);
    }
    assert_int_equal(mhd.count, LIMIT);
    assert_int_equal(http.connections.count, LIMIT);
    assert_int_equal(queued(), 0);
}

/* Others are not to wait while very many come; one that comes alone is not worth a second look. */
static void only_so_many_are_accepted_in_a_turn(void **unused)
{
    static const size_t there[] = {1, 2, 3, 35, 67, 99};
    size_t i;

    (void)unused;
    http.server.stop(&http.server);
    http.limit = 120;
    assert_int_equal(http.server.start(&http.server, &poller, NULL), 0);
    for (i = 0; i < 99; i++)
        connect_one();
    for (i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
        /* The poller tells again that there are more. */
        wait_ready();
        assert_int_equal(run(T), T + 5000);
        assert_int_equal(mhd.count, there[i]);
        assert_int_equal(http.connections.count, there[i]);
    }
    /* Then there are not as many, and from then on it is one again. */
    for (i = 0; i < 2; i++) {
        connect_one();
        connect_one();
        wait_ready();
        assert_int_equal(run(T), T + 5000);
        assert_int_equal(mhd.count, i == 0 ? 101 : 102);
    }
}

/* It was told of the end before it was told that there is none. */
static void whom_mhd_closes_at_once_is_forgotten_once(void **unused)
{
    (void)unused;
    mhd_closes = true;
    connect_one();
    wait_ready();
    (void)run(T);
    assert_int_equal(http.connections.count, 0);
    assert_int_equal(http.arriving, 0);
}

static void whom_mhd_does_not_take_is_forgotten(void **unused)
{
    (void)unused;
    mhd_refuses = true;
    connect_one();
    wait_ready();
    (void)run(T);
    assert_int_equal(http.connections.count, 0);
    assert_int_equal(http.arriving, 0);
    mhd_refuses = false;
    accept_clients(1, T);
}

static void at_the_limit_the_oldest_makes_room(void **unused)
{
    (void)unused;
    accept_clients(LIMIT, T);
    connect_one();
    (void)run_twice(T + HEALTH__FAIR_MS);
    /* It came, and the first was closed in the same turn. */
    assert_int_equal(mhd.count, LIMIT + 1);
    assert_int_equal(mhd.connections[0].fd, -1);
    assert_int_equal(http.connections.count, LIMIT);
    assert_int_equal(http.connections.leaving, 0);
}

static void but_not_one_that_has_only_just_come(void **unused)
{
    int64_t next;

    (void)unused;
    accept_clients(LIMIT, T);
    connect_one();
    /* It is looked for again when the first of them is no longer young. */
    next = run(T + HEALTH__FAIR_MS - 1);
    assert_int_equal(mhd.count, LIMIT);
    assert_int_equal(next, T + HEALTH__FAIR_MS);
    assert_int_equal(http.listeners.paused_to, next);
    (void)run_twice(next);
    assert_int_equal(mhd.count, LIMIT + 1);
    assert_int_equal(mhd.connections[0].fd, -1);
}

/* That the limit is reached costs nobody his place: who comes next does. */
static void nobody_goes_before_someone_comes(void **unused)
{
    int64_t now;

    (void)unused;
    accept_clients(LIMIT, T);
    for (now = T; now <= T + 1000; now += 10)
        (void)run(now);
    assert_int_equal(http.connections.count, LIMIT);
    assert_int_equal(http.connections.leaving, 0);
    assert_int_equal(connection(0)->phase, HEALTH__READING);
}

/* One that waits for a check is answered at once, and closed when that is sent. */
static void one_that_waits_is_answered_first(void **unused)
{
    struct health__connection *c;

    (void)unused;
    accept_clients(LIMIT, T);
    c = connection(0);
    c->mhd = &mhd.connections[0];
    c->gone.fd = -1;
    mhd.connections[0].suspended = true;
    health__connection_enter(&http.connections, c, HEALTH__WAITING, T);
    connect_one();
    (void)run_twice(T + 100);
    assert_int_equal(mhd.resumes, 1);
    assert_true(c->makes_way);
    assert_int_equal(c->phase, HEALTH__SENDING);
    assert_int_equal(http.connections.count, LIMIT + 1);
    assert_int_equal(mhd.count, LIMIT + 1);
}

static void one_that_was_put_off_makes_room(void **unused)
{
    struct health__connection *c;

    (void)unused;
    accept_clients(LIMIT, T);
    /* The pause that the last of them began is over. */
    (void)run(T + 99);
    c = put_off(0, T);
    connect_one();
    wait_ready();
    (void)run(T + 100);
    assert_int_equal(mhd.resumes, 1);
    assert_true(c->makes_way);
    assert_false(c->its_turn);
    assert_int_equal(c->phase, HEALTH__SENDING);
    assert_int_equal(mhd.count, LIMIT + 1);
}

static void there_are_never_more_than_there_is_room_for(void **unused)
{
    struct sockaddr address = {.sa_family = AF_INET};
    size_t i;

    (void)unused;
    accept_clients(LIMIT, T);
    /* All who can be are leaving, and MHD has not come to close one of them. */
    for (i = LIMIT; i < ROOM; i++)
        health__connection_shut(&http.connections,
            health__connection_add(&http.connections,
                socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), &address, sizeof(address), T));
    connect_one();
    (void)run_twice(T + 100);
    assert_int_equal(mhd.count, LIMIT);
    assert_int_equal(http.connections.count, ROOM);
    assert_int_equal(queued(), 1);
    assert_false(h.engine.lost);
    while (http.connections.count > LIMIT) {
        struct health__connection *c = health__container(
            http.connections.phases[HEALTH__LEAVING].next, struct health__connection, in_phase);

        (void)close(c->fd.fd);
        health__connection_remove(&http.connections, c);
    }
}

static void without_descriptors_someone_makes_room_as_well(void **unused)
{
    (void)unused;
    accept_clients(2, T);
    no_descriptors = true;
    connect_one();
    wait_ready();
    assert_int_equal(run(T + 100), T + 101);
    assert_true(http.listeners.starved);
    assert_int_equal(http.connections.count, 2);
    assert_int_equal(http.connections.leaving, 1);
    assert_int_equal(connection(0)->phase, HEALTH__LEAVING);
    /* Young ones do not. */
    connection(1)->came = T + 101;
    assert_int_equal(run_twice(T + 101), T + 101 + HEALTH__FAIR_MS);
    no_descriptors = false;
    (void)run_twice(T + 101 + HEALTH__FAIR_MS);
    assert_int_equal(mhd.count, 3);
}

static void where_nobody_is_it_tries_again_later(void **unused)
{
    (void)unused;
    no_descriptors = true;
    connect_one();
    wait_ready();
    assert_int_equal(run(T), T + 100);
    assert_int_equal(run(T + 99), T + 100);
    no_descriptors = false;
    (void)run_twice(T + 100);
    assert_int_equal(mhd.count, 1);
}

/* accept4() says so before it looks whether anyone has come. */
static void nobody_goes_for_nobody(void **unused)
{
    (void)unused;
    accept_clients(1, T);
    no_descriptors = true;
    http.listeners.listeners[0].ready = true;
    (void)run(T + 100);
    assert_int_equal(connection(0)->phase, HEALTH__READING);
    assert_int_equal(http.listeners.paused_to, HEALTH__NOT_YET);
    assert_false(health__listeners_ready(&http.listeners));
    no_descriptors = false;
}

/* ---- Turns ---- */

static void mhd_is_run_when_it_has_something_to_do(void **unused)
{
    struct epoll_event event = {.events = EPOLLOUT};
    int ends[2];

    (void)unused;
    assert_int_equal(run(T), HEALTH__NEVER);
    assert_int_equal(mhd.runs, 0);
    /* Something is ready. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(epoll_ctl(mhd.epoll, EPOLL_CTL_ADD, ends[0], &event), 0);
    poll_until(&poller, 0, 0);
    assert_true(http.due_at <= T);
    assert_int_equal(run(T), HEALTH__NEVER);
    assert_int_equal(mhd.runs, 1);
    /* It wants to be run again, at once or later. */
    mhd_has_timeout = true;
    mhd_timeout_ms = 0;
    assert_int_equal(run(T), T);
    assert_int_equal(mhd.runs, 1);
    mhd_timeout_ms = 70;
    assert_int_equal(run(T), T + 70);
    assert_int_equal(mhd.runs, 2);
    /* Not before: it would spin. */
    mhd_has_timeout = false;
    assert_int_equal(run(T + 69), T + 70);
    assert_int_equal(mhd.runs, 2);
    assert_int_equal(run(T + 70), HEALTH__NEVER);
    assert_int_equal(mhd.runs, 3);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void use_10_ms(void)
{
    http.began_us -= 10000;
}

/* Each has MHD run, which then answers it; until the time for that is used up. */
static void those_put_off_go_on_in_order(void **unused)
{
    struct health__connection *c[LIMIT];
    size_t i;

    (void)unused;
    accept_clients(LIMIT, T);
    (void)run(T + 99);
    for (i = 0; i < LIMIT; i++)
        c[i] = put_off(LIMIT - 1 - i, T);
    mhd.runs = 0;
    mhd_does = use_10_ms;
    assert_int_equal(run(T + 100), T + 100);
    assert_int_equal(mhd.runs, 2);
    for (i = 0; i < LIMIT; i++)
        assert_int_equal(c[i]->its_turn, i < 2);
    assert_int_equal(c[2]->phase, HEALTH__PUT_OFF);
    /* The next turn has as much; then there is none any more. */
    mhd_does = NULL;
    assert_int_equal(run(T + 101), T + 100 + 10000);
    assert_int_equal(mhd.runs, LIMIT);
    assert_int_equal(mhd.resumes, LIMIT);
    assert_true(c[LIMIT - 1]->its_turn);
}

/* What a set of the host's may tell of is none of it, whatever it is. */
static void what_it_waits_on_is_its_own(void **unused)
{
    const struct health__connection *nobodys;

    (void)unused;
    accept_clients(2, T);
    nobodys = &http.connections.all[http.connections.used];
    assert_true(http.server.owns(&http.server, &http.ready));
    assert_true(http.server.owns(&http.server, &http.listeners.listeners[0].source));
    assert_true(http.server.owns(&http.server, &http.listeners.listeners[15].source));
    assert_true(http.server.owns(&http.server, &connection(0)->gone));
    assert_true(http.server.owns(&http.server, &connection(1)->gone));
    assert_false(http.server.owns(&http.server, &nobodys->gone));
    assert_false(http.server.owns(&http.server, &http));
    assert_false(http.server.owns(&http.server, &http.listeners + 1));
    assert_false(http.server.owns(&http.server, NULL));
    assert_false(http.server.owns(&http.server, (const void *)(uintptr_t)UINTPTR_MAX));
    http.server.stop(&http.server);
    assert_false(http.server.owns(&http.server, &http.ready));
    assert_false(http.server.owns(&http.server, (const void *)(uintptr_t)5));
    assert_int_equal(http.server.start(&http.server, &poller, NULL), 0);
}

static void who_says_nothing_is_shut_down_in_time(void **unused)
{
    (void)unused;
    accept_clients(1, T);
    assert_int_equal(run(T), T + 5000);
    assert_int_equal(run(T + 4999), T + 5000);
    assert_int_equal(connection(0)->phase, HEALTH__READING);
    assert_int_equal(run(T + 5000), HEALTH__NEVER);
    assert_int_equal(connection(0)->phase, HEALTH__LEAVING);
}

static void the_reserve_is_kept_full(void **unused)
{
    (void)unused;
    health__fd_close(&http.listeners.reserve[1]);
    (void)run(T);
    assert_true(http.listeners.reserve[1].fd >= 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_http, close_http)
    const struct CMUnitTest tests[] = {
        TEST(whoever_connects_is_handed_to_mhd),
        TEST(who_stays_is_looked_at_once),
        TEST(who_goes_in_the_same_turn_is_not_looked_at),
        TEST(without_memory_he_is_looked_at_in_the_next_turn),
        TEST(whoever_mhd_begins_with_later_is_known_then),
        TEST(in_a_crowd_those_who_have_left_cost_nobody_his_place),
        TEST(only_so_many_are_accepted_in_a_turn),
        TEST(whom_mhd_closes_at_once_is_forgotten_once),
        TEST(whom_mhd_does_not_take_is_forgotten),
        TEST(at_the_limit_the_oldest_makes_room),
        TEST(but_not_one_that_has_only_just_come),
        TEST(nobody_goes_before_someone_comes),
        TEST(one_that_waits_is_answered_first),
        TEST(one_that_was_put_off_makes_room),
        TEST(there_are_never_more_than_there_is_room_for),
        TEST(without_descriptors_someone_makes_room_as_well),
        TEST(where_nobody_is_it_tries_again_later),
        TEST(nobody_goes_for_nobody),
        TEST(mhd_is_run_when_it_has_something_to_do),
        TEST(those_put_off_go_on_in_order),
        TEST(what_it_waits_on_is_its_own),
        TEST(who_says_nothing_is_shut_down_in_time),
        TEST(the_reserve_is_kept_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
