/*
 * Connections: their phases and how long each may take, whose turn it is to make room, and that the
 * table's counts are right after whatever may happen.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: shutdown malloc health__fd_is_ours */
#include "http/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "http/http.h"

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
int __wrap_shutdown(int fd, int how);
bool __wrap_health__fd_is_ours(const struct health__fd *f);

#define T          10000
#define LIMIT      8
#define ROOM       (LIMIT + HEALTH__CONNECTIONS_MARGIN)
#define READING_MS 5000
#define SENDING_MS 10000
#define UNTOUCHED  0xA5 /* the bytes of memory that nobody has written to */

static bool no_memory;
static int lost = -1;  /* the descriptor that the host has closed */
static int shut[4096]; /* descriptors that were shut down, in order */
static size_t shut_count;

void *__wrap_malloc(size_t size)
{
    void *memory = no_memory ? NULL : __real_malloc(size);

    return memory != NULL ? memset(memory, UNTOUCHED, size) : NULL;
}

int __wrap_shutdown(int fd, int how)
{
    assert_int_equal(how, SHUT_RDWR);
    if (shut_count < sizeof(shut) / sizeof(shut[0]))
        shut[shut_count++] = fd;
    return 0;
}

bool __wrap_health__fd_is_ours(const struct health__fd *f)
{
    return f->fd != lost;
}

static struct health__connections table;
static struct health__engine engine;
static struct health__http http = {.engine = &engine};

static int open_table(void **unused)
{
    (void)unused;
    shut_count = 0;
    lost = -1;
    engine.lost = false;
    return health__connections_init(&table, &http, LIMIT);
}

static int close_table(void **unused)
{
    (void)unused;
    health__connections_done(&table);
    return 0;
}

static struct health__connection *add_from(const char *host, int fd, int64_t now)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(1000 + fd))};

    assert_int_equal(inet_pton(AF_INET, host, &in.sin_addr), 1);
    return health__connection_add(
        &table, fd, (const struct sockaddr *)(const void *)&in, sizeof(in), now);
}

static struct health__connection *add6(const char *host, int fd, int64_t now)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(1)};

    assert_int_equal(inet_pton(AF_INET6, host, &in6.sin6_addr), 1);
    return health__connection_add(
        &table, fd, (const struct sockaddr *)(const void *)&in6, sizeof(in6), now);
}

/* Fails unless just these were shut down since the last time. */
static void were_shut(size_t count, const int *fds)
{
    assert_int_equal(shut_count, count);
    if (count > 0)
        assert_memory_equal(shut, fds, count * sizeof(*fds));
    shut_count = 0;
}

static struct health__connection *victim(int64_t now)
{
    return health__connections_victim(&table, now);
}

/* ---- Phases ---- */

static void one_that_comes_begins_to_read(void **unused)
{
    struct health__connection *c = add_from("127.0.0.1", 7, T);

    (void)unused;
    assert_int_equal(c->phase, HEALTH__READING);
    assert_int_equal(c->fd.fd, 7);
    assert_int_equal(c->since, T);
    assert_true(c->local);
    assert_false(c->makes_way);
    assert_int_equal(table.count, 1);
    assert_int_equal(table.leaving, 0);
    assert_false(add_from("10.0.0.1", 8, T)->local);
    assert_true(add6("::1", 9, T)->local);
    assert_true(add6("::ffff:127.0.0.1", 10, T)->local);
    assert_false(add6("2001:db8::1", 11, T)->local);
    assert_int_equal(table.count, 5);
}

static void one_that_goes_leaves_its_place(void **unused)
{
    struct health__connection *first = add_from("10.0.0.1", 7, T), *second;

    (void)unused;
    health__buffer_append(&first->names, "name", 5);
    first->makes_way = true;
    health__connection_remove(&table, first);
    assert_int_equal(first->phase, HEALTH__FREE);
    assert_null(first->names.bytes);
    assert_int_equal(table.count, 0);
    /* Few places are used where there are few connections. */
    second = add_from("10.0.0.2", 8, T + 1);
    assert_ptr_equal(first, second);
    assert_int_equal(second->since, T + 1);
    assert_false(second->makes_way);
}

/* Its number may be the host's by now: MHD would wait for an end that never comes. */
static void where_the_host_has_closed_one_all_is_lost(void **unused)
{
    struct health__connection *first = add_from("10.0.0.1", 7, T),
                              *second = add_from("10.0.0.1", 8, T);
    static const int shut_down[] = {7};

    (void)unused;
    health__connection_shut(&table, first);
    were_shut(1, shut_down);
    assert_false(engine.lost);
    lost = 8;
    health__connection_shut(&table, second);
    were_shut(0, NULL);
    assert_true(engine.lost);
    assert_int_equal(second->phase, HEALTH__LEAVING);
    assert_int_equal(table.leaving, 2);
}

static void each_phase_has_its_limit(void **unused)
{
    struct health__connection *reading = add_from("10.0.0.1", 1, T),
                              *waiting = add_from("10.0.0.1", 2, T),
                              *sending = add_from("10.0.0.1", 3, T);

    (void)unused;
    health__connection_enter(&table, waiting, HEALTH__WAITING, T);
    health__connection_enter(&table, sending, HEALTH__SENDING, T);
    assert_int_equal(health__connections_expire(&table, T), T + READING_MS);
    assert_int_equal(health__connections_expire(&table, T + READING_MS - 1), T + READING_MS);
    were_shut(0, NULL);
    assert_int_equal(health__connections_expire(&table, T + READING_MS), T + SENDING_MS);
    were_shut(1, (int[]){1});
    assert_int_equal(reading->phase, HEALTH__LEAVING);
    assert_int_equal(health__connections_expire(&table, T + SENDING_MS - 1), T + SENDING_MS);
    were_shut(0, NULL);
    /* Who waits for a check has a deadline of his own. */
    assert_int_equal(health__connections_expire(&table, T + SENDING_MS), HEALTH__NEVER);
    were_shut(1, (int[]){3});
    assert_int_equal(waiting->phase, HEALTH__WAITING);
    assert_int_equal(table.leaving, 2);
    assert_int_equal(table.count, 3);
}

static void a_phase_begins_when_it_is_entered(void **unused)
{
    struct health__connection *c = add_from("10.0.0.1", 1, T);

    (void)unused;
    health__connection_enter(&table, c, HEALTH__SENDING, T + 4000);
    health__connection_enter(&table, c, HEALTH__READING, T + 9000);
    assert_int_equal(c->since, T + 9000);
    assert_int_equal(
        health__connections_expire(&table, T + 9000 + READING_MS - 1), T + 9000 + READING_MS);
    were_shut(0, NULL);
}

static void they_expire_in_the_order_in_which_they_entered(void **unused)
{
    struct health__connection *c[4];
    int i;

    (void)unused;
    for (i = 0; i < 4; i++)
        c[i] = add_from("10.0.0.1", i, T + i);
    health__connection_enter(&table, c[0], HEALTH__SENDING, T + 10);
    health__connection_enter(&table, c[0], HEALTH__READING, T + 10);
    assert_int_equal(health__connections_expire(&table, T + READING_MS + 2), T + READING_MS + 3);
    were_shut(2, (int[]){1, 2});
    assert_int_equal(health__connections_expire(&table, T + READING_MS + 60), HEALTH__NEVER);
    were_shut(2, (int[]){3, 0});
}

static void one_that_leaves_does_nothing_else(void **unused)
{
    struct health__connection *c = add_from("10.0.0.1", 1, T);

    (void)unused;
    health__connection_shut(&table, c);
    were_shut(1, (int[]){1});
    health__connection_shut(&table, c);
    were_shut(0, NULL);
    health__connection_enter(&table, c, HEALTH__SENDING, T + 1);
    assert_int_equal(c->phase, HEALTH__LEAVING);
    assert_int_equal(c->since, T);
    assert_int_equal(table.leaving, 1);
    assert_int_equal(health__connections_expire(&table, T + 100000), HEALTH__NEVER);
    assert_null(victim(T + 100000));
    health__connection_remove(&table, c);
    assert_int_equal(table.leaving, 0);
    assert_int_equal(table.count, 0);
}

/* ---- Who makes room ---- */

static void nobody_is_asked_who_has_only_just_come(void **unused)
{
    struct health__connection *c;

    (void)unused;
    assert_null(victim(T));
    c = add_from("10.0.0.1", 1, T);
    assert_null(victim(T));
    assert_null(victim(T + HEALTH__FAIR_MS - 1));
    assert_ptr_equal(victim(T + HEALTH__FAIR_MS), c);
    /* Whatever it has been at meanwhile. */
    health__connection_enter(&table, c, HEALTH__WAITING, T + 100);
    assert_ptr_equal(victim(T + 100), c);
}

/* It is always at something that it has only just begun with. */
static void one_that_was_answered_has_had_its_turn(void **unused)
{
    struct health__connection *c = add_from("10.0.0.1", 1, T);

    (void)unused;
    health__connection_enter(&table, c, HEALTH__WAITING, T + 1);
    health__connection_enter(&table, c, HEALTH__SENDING, T + 2);
    assert_null(victim(T + 3));
    health__connection_enter(&table, c, HEALTH__READING, T + 3);
    assert_ptr_equal(victim(T + 3), c);
    health__connection_enter(&table, c, HEALTH__SENDING, T + 4);
    assert_ptr_equal(victim(T + 4), c);
    /* Who gets its place has not. */
    health__connection_remove(&table, c);
    assert_ptr_equal(add_from("10.0.0.1", 2, T + 5), c);
    assert_null(victim(T + 5));
    health__connection_enter(&table, c, HEALTH__READING, T + 6);
    assert_null(victim(T + 6));
}

/* It goes as soon as it is answered. */
static void who_was_asked_to_go_is_not_asked_again(void **unused)
{
    struct health__connection *a = add_from("10.0.0.1", 1, T), *b = add_from("10.0.0.1", 2, T);

    (void)unused;
    a->makes_way = true;
    assert_ptr_equal(victim(T + 100), b);
    b->makes_way = true;
    assert_null(victim(T + 100));
}

/* However many requests a second each of them makes. */
static void busy_ones_make_room(void **unused)
{
    struct health__connection *c[LIMIT];
    int64_t now;
    int i;

    (void)unused;
    for (i = 0; i < LIMIT; i++)
        c[i] = add_from("10.0.0.1", i, T);
    for (now = T + 1; now < T + 1000; now++) {
        for (i = 0; i < LIMIT; i++) {
            health__connection_enter(&table, c[i], HEALTH__SENDING, now);
            /* The first has not taken its answer yet. */
            if (i > 0)
                health__connection_enter(&table, c[i], HEALTH__READING, now);
        }
        assert_ptr_equal(victim(now), c[1]);
    }
    for (i = 0; i < LIMIT; i++)
        health__connection_enter(&table, c[i], HEALTH__SENDING, now);
    assert_ptr_equal(victim(now), c[0]);
}

static void the_oldest_of_the_busiest_source_goes(void **unused)
{
    struct health__connection *one = add_from("10.0.0.1", 1, T),
                              *two = add_from("10.0.0.2", 2, T + 1),
                              *second = add_from("10.0.0.2", 3, T + 2),
                              *third = add_from("10.0.0.2", 4, T + 3);

    (void)unused;
    assert_ptr_equal(victim(T + 100), two);
    health__connection_shut(&table, two);
    assert_ptr_equal(victim(T + 100), second);
    /* One that is busy with an answer since a moment ago is passed over. */
    health__connection_enter(&table, second, HEALTH__SENDING, T + 90);
    assert_ptr_equal(victim(T + 100), third);
    assert_ptr_equal(victim(T + 110), second);
    health__connection_remove(&table, second);
    health__connection_remove(&table, third);
    assert_ptr_equal(victim(T + 110), one);
}

static void who_waits_can_be_asked_as_well(void **unused)
{
    struct health__connection *c = add_from("10.0.0.1", 1, T);

    (void)unused;
    health__connection_enter(&table, c, HEALTH__WAITING, T + 1);
    assert_ptr_equal(victim(T + 100), c);
}

static void one_party_is_one_source(void **unused)
{
    struct health__connection *mapped = add6("::ffff:10.0.0.1", 1, T), *net;

    (void)unused;
    assert_int_equal(mapped->from, add_from("10.0.0.1", 2, T)->from);
    assert_int_equal(table.sources[mapped->from].count, 2);
    net = add6("2001:db8:0:1::1", 3, T);
    assert_int_equal(net->from, add6("2001:db8:0:1:ffff::2", 4, T)->from);
    assert_int_not_equal(net->from, add6("2001:db8:0:2::1", 5, T)->from);
}

/* A source with very many young ones is looked through only so far. */
static void young_ones_are_not_looked_through_for_ever(void **unused)
{
    struct health__connections many;
    struct sockaddr_in in = {.sin_family = AF_INET};
    const struct sockaddr *address = (const struct sockaddr *)(const void *)&in;
    struct health__connection *old = NULL;
    int i;

    (void)unused;
    assert_int_equal(health__connections_init(&many, NULL, 100), 0);
    for (i = 0; i < 65; i++)
        old = health__connection_add(&many, i, address, sizeof(in), T);
    /* The first in the list are the oldest but by the clock. */
    for (i = 0; i < 64; i++)
        many.all[i].came = T + 90;
    assert_null(health__connections_victim(&many, T + 100));
    health__connection_remove(&many, &many.all[0]);
    assert_ptr_equal(health__connections_victim(&many, T + 100), old);
    health__connections_done(&many);
}

static void without_memory_there_is_no_table(void **unused)
{
    struct health__connections none;

    (void)unused;
    no_memory = true;
    assert_int_equal(health__connections_init(&none, NULL, LIMIT), -1);
    no_memory = false;
    health__connections_done(&none);
}

/* Their memory is the process's only once there are so many. */
static void what_nobody_has_had_is_not_touched(void **unused)
{
    struct health__connection untouched, *first;
    size_t i;

    (void)unused;
    first = add_from("10.0.0.1", 1, T);
    assert_ptr_equal(add_from("10.0.0.1", 2, T), &table.all[1]);
    health__connection_remove(&table, first);
    for (i = 0; i < 10; i++) {
        assert_ptr_equal(add_from("10.0.0.1", 3, T), first);
        health__connection_remove(&table, first);
    }
    assert_int_equal(table.used, 2);
    memset(&untouched, UNTOUCHED, sizeof(untouched));
    for (i = table.used; i < ROOM; i++)
        assert_memory_equal(&table.all[i], &untouched, sizeof(untouched));
}

static void places_are_enough_for_those_who_leave(void **unused)
{
    size_t i;

    (void)unused;
    assert_int_equal(table.room, ROOM);
    assert_int_equal(table.limit, LIMIT);
    for (i = 0; i < ROOM; i++)
        (void)add_from("10.0.0.1", (int)i, T);
    assert_true(health__list_empty(&table.phases[HEALTH__FREE]));
    assert_int_equal(table.count, ROOM);
}

/* ---- Whatever may happen ---- */

static size_t length_of(const struct health__link *head)
{
    const struct health__link *link;
    size_t length = 0;

    for (link = head->next; link != head; link = link->next)
        length++;
    return length;
}

/* Counts everything once more. */
static void is_consistent(void)
{
    size_t by_phase[HEALTH__PHASES] = {0}, by_source[HEALTH__SOURCES] = {0}, i;

    for (i = 0; i < table.used; i++) {
        const struct health__connection *c = &table.all[i];
        bool counts = c->phase != HEALTH__FREE && c->phase != HEALTH__LEAVING;

        by_phase[c->phase]++;
        if (counts)
            by_source[c->from]++;
        assert_int_equal(health__list_linked(&c->in_source), counts);
    }
    for (i = 0; i < HEALTH__PHASES; i++)
        assert_int_equal(length_of(&table.phases[i]), by_phase[i]);
    for (i = 0; i < HEALTH__SOURCES; i++) {
        assert_int_equal(table.sources[i].count, by_source[i]);
        assert_int_equal(length_of(&table.sources[i].connections), by_source[i]);
    }
    assert_int_equal(table.count, table.used - by_phase[HEALTH__FREE]);
    assert_int_equal(table.leaving, by_phase[HEALTH__LEAVING]);
}

/* Fails unless the one who is asked is of the busiest and old enough. */
static void is_fair(int64_t now)
{
    const struct health__connection *c = victim(now);
    size_t most = 0, i;
    bool found = false;

    for (i = 0; i < HEALTH__SOURCES; i++)
        most = table.sources[i].count > most ? table.sources[i].count : most;
    if (c != NULL) {
        assert_int_equal(table.sources[c->from].count, most);
        assert_true(c->answered || now - c->came >= HEALTH__FAIR_MS);
        return;
    }
    /* There is a busiest without anyone who could go. */
    for (i = 0; i < HEALTH__SOURCES && !found; i++) {
        size_t young = 0, k;

        for (k = 0; k < table.used; k++)
            young += table.all[k].phase != HEALTH__FREE && table.all[k].phase != HEALTH__LEAVING &&
                     table.all[k].from == i && !table.all[k].answered &&
                     now - table.all[k].came < HEALTH__FAIR_MS;
        found = table.sources[i].count == most && young == most;
    }
    assert_true(found);
}

/* Whether somebody has this place, of any of the table. */
static bool is_taken(const struct health__connection *c)
{
    return c < &table.all[table.used] && c->phase != HEALTH__FREE;
}

static void counts_are_right_whatever_happens(void **unused)
{
    static const enum health__phase phases[] = {HEALTH__READING, HEALTH__WAITING, HEALTH__SENDING};
    uint32_t random = 20261124;
    int64_t now = T;
    int i;

    (void)unused;
    for (i = 0; i < 100000; i++) {
        struct health__connection *c;
        char host[16];

        random = random * 1664525u + 1013904223u;
        c = &table.all[(random >> 8) % ROOM];
        now += random >> 14 & 7;
        switch (random >> 28) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
            if (table.count < ROOM) {
                (void)snprintf(host, sizeof(host), "10.0.0.%u", random >> 20 & 7);
                (void)add_from(host, (int)(random >> 18 & 255), now);
            }
            break;
        case 5:
        case 6:
            if (is_taken(c))
                health__connection_remove(&table, c);
            break;
        case 7:
            if (is_taken(c))
                health__connection_shut(&table, c);
            break;
        case 8:
            (void)health__connections_expire(&table, now);
            break;
        case 9:
            c = victim(now);
            if (c != NULL)
                health__connection_shut(&table, c);
            break;
        default:
            if (is_taken(c))
                health__connection_enter(&table, c, phases[(random >> 20) % 3], now);
        }
        if (i % 16 == 0) {
            is_consistent();
            is_fair(now);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)
    const struct CMUnitTest tests[] = {
        TEST(one_that_comes_begins_to_read),
        TEST(one_that_goes_leaves_its_place),
        TEST(where_the_host_has_closed_one_all_is_lost),
        TEST(each_phase_has_its_limit),
        TEST(a_phase_begins_when_it_is_entered),
        TEST(they_expire_in_the_order_in_which_they_entered),
        TEST(one_that_leaves_does_nothing_else),
        TEST(nobody_is_asked_who_has_only_just_come),
        TEST(one_that_was_answered_has_had_its_turn),
        TEST(who_was_asked_to_go_is_not_asked_again),
        TEST(busy_ones_make_room),
        TEST(the_oldest_of_the_busiest_source_goes),
        TEST(who_waits_can_be_asked_as_well),
        TEST(one_party_is_one_source),
        TEST(young_ones_are_not_looked_through_for_ever),
        TEST(without_memory_there_is_no_table),
        TEST(what_nobody_has_had_is_not_touched),
        TEST(places_are_enough_for_those_who_leave),
        TEST(counts_are_right_whatever_happens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
