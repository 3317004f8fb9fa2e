/*
 * Documents for one request alone: when a turn has had its share of them, the others are put off,
 * and go on in their order.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: MHD_get_connection_values_n MHD_get_connection_info MHD_queue_response */
/* wrap: MHD_suspend_connection MHD_resume_connection clock_gettime */
#include "http/request.h"

#include "http_by_hand.h"

#define T 10000 /* when it begins */

#define ALONE_MS (HEALTH__ALONE_US / 1000)

static struct health__connection *others[2];
static int clients[2];

static int open_http(void **unused)
{
    size_t i;

    (void)unused;
    served_open(T);
    served.same_turn = true;
    served.http.began_us = health__now_us();
    (void)hand_add_pushed(&served.hand, .name = "a", .probes = HEALTH_READY);
    hand_report(&served.hand, "a", HEALTH_PASS, NULL);
    (void)hand_add_pushed(&served.hand, .name = "b", .probes = HEALTH_READY);
    hand_report(&served.hand, "b", HEALTH_FAIL, NULL);
    for (i = 0; i < 2; i++)
        others[i] = served_connect(INADDR_LOOPBACK, &clients[i]);
    return 0;
}

static int close_http(void **unused)
{
    size_t i;

    (void)unused;
    for (i = 0; i < 2; i++) {
        (void)close(clients[i]);
        (void)close(others[i]->fd.fd);
    }
    served_close();
    return 0;
}

/* A request of the connection, handed over. */
static void ask(struct MHD_Connection *r, struct health__connection *of, const char *url)
{
    *r = (struct MHD_Connection){.of = of, .url = url};
    served_handle(r);
}

/* Hands over one that is answered at once. */
static void is_answered(struct health__connection *of, const char *url, unsigned code)
{
    struct MHD_Connection r;

    ask(&r, of, url);
    assert_int_equal(r.suspends, 0);
    assert_int_equal(r.code, code);
    mhd_complete(&served.http, &r);
}

/* The turn has had its share. */
static void use_up(void)
{
    served.takes_ms = ALONE_MS;
    is_answered(served.connection, "/health/a", 200);
    assert_int_equal(health__now_us() - served.http.began_us, HEALTH__ALONE_US);
    served.takes_ms = 0;
}

static void is_put_off(const struct MHD_Connection *r)
{
    assert_true(r->suspended);
    assert_int_equal(r->code, 0);
    assert_int_equal(r->of->phase, HEALTH__PUT_OFF);
    assert_int_equal(r->of->gone.fd, -1);
}

/* It goes on: it is resumed, and handed over once more. */
static void go_on(struct MHD_Connection *r)
{
    health__request_go_on(r->of);
    assert_false(r->suspended);
    assert_int_equal(r->of->phase, HEALTH__SENDING);
    assert_int_equal(served.http.due_at, HEALTH__NOT_YET);
    served_handle(r);
}

static void what_a_turn_has_time_for_is_answered_at_once(void **unused)
{
    (void)unused;
    served.takes_ms = ALONE_MS / 2 - 1;
    is_answered(served.connection, "/health/a", 200);
    is_answered(served.connection, "/health/b", 503);
    is_answered(served.connection, "/health/a", 200);
    assert_int_equal(health__now_us() - served.http.began_us, 3000 * served.takes_ms);
}

static void what_comes_then_is_put_off(void **unused)
{
    struct MHD_Connection only, exclude;

    (void)unused;
    use_up();
    ask(&only, others[0], "/health/b");
    is_put_off(&only);
    exclude = (struct MHD_Connection){
        .of = others[1], .url = "/ready", .values = {{MHD_GET_ARGUMENT_KIND, "exclude", "b", 0}}};
    served_handle(&exclude);
    is_put_off(&exclude);
    assert_ptr_equal(served.http.connections.phases[HEALTH__PUT_OFF].next, &others[0]->in_phase);

    /* They are answered as they were asked. */
    go_on(&only);
    assert_int_equal(only.code, 503);
    assert_non_null(strstr(served.document, "\"b\":["));
    mhd_complete(&served.http, &only);
    go_on(&exclude);
    assert_int_equal(exclude.code, 200);
    mhd_complete(&served.http, &exclude);
}

/* Nor is what there is no check for. */
static void what_is_kept_is_not(void **unused)
{
    struct MHD_Connection first;

    (void)unused;
    use_up();
    ask(&first, others[0], "/health/a");
    is_put_off(&first);
    is_answered(others[1], "/live", 200);
    is_answered(others[1], "/ready", 503);
    is_answered(others[1], "/health/a/b", 404);
    go_on(&first);
    mhd_complete(&served.http, &first);
}

/* Others are before it, though there is time. */
static void whoever_comes_later_is_behind_them(void **unused)
{
    struct MHD_Connection first, second;

    (void)unused;
    use_up();
    ask(&first, others[0], "/health/a");
    served.http.began_us = health__now_us();
    ask(&second, others[1], "/health/a");
    is_put_off(&second);
    go_on(&first);
    assert_int_equal(first.code, 200);
    mhd_complete(&served.http, &first);
    /* The next of the first is behind the second. */
    ask(&first, others[0], "/health/a");
    is_put_off(&first);
    go_on(&second);
    mhd_complete(&served.http, &second);
    go_on(&first);
    mhd_complete(&served.http, &first);
}

/* It has not asked for its check before. */
static void it_waits_for_its_check_then(void **unused)
{
    struct health__check *check = hand_add(&served.hand, .name = "c", .probes = HEALTH_LIVE);
    struct MHD_Connection r;

    (void)unused;
    use_up();
    ask(&r, others[0], "/health/c");
    is_put_off(&r);
    assert_false(health__state_running(&check->state));
    go_on(&r);
    assert_true(r.suspended);
    assert_int_equal(others[0]->phase, HEALTH__WAITING);
    hand_return(&served.hand, check, HEALTH_WARN, "tight");
    hand_turn(&served.hand, T + 50);
    assert_false(r.suspended);
    /* There is no time now either. */
    served_handle(&r);
    is_put_off(&r);
    go_on(&r);
    assert_int_equal(r.code, 200);
    assert_non_null(strstr(served.document, "tight"));
    assert_int_equal(r.suspends, 3);
    mhd_complete(&served.http, &r);
}

/* Whose place is needed is answered if there is time, and else is not. */
static void one_that_makes_way_is_not_put_off_again(void **unused)
{
    struct MHD_Connection r;

    (void)unused;
    use_up();
    ask(&r, others[0], "/health/a");
    others[0]->makes_way = true;
    health__request_hurry(others[0]);
    assert_false(r.suspended);
    served_handle(&r);
    assert_int_equal(r.result, MHD_NO);
    assert_int_equal(r.suspends, 1);
    mhd_complete(&served.http, &r);
    assert_int_equal(others[0]->phase, HEALTH__LEAVING);

    ask(&r, others[1], "/health/a");
    others[1]->makes_way = true;
    health__request_hurry(others[1]);
    served.http.began_us = health__now_us();
    served_handle(&r);
    assert_int_equal(r.code, 200);
    mhd_complete(&served.http, &r);
    assert_int_equal(others[1]->phase, HEALTH__LEAVING);
}

/* MHD would abort. */
static void nobody_is_put_off_in_the_last_turn(void **unused)
{
    struct MHD_Connection r;

    (void)unused;
    use_up();
    served.http.ending = true;
    ask(&r, others[0], "/health/a");
    assert_int_equal(r.suspends, 0);
    assert_int_equal(r.result, MHD_NO);
    mhd_complete(&served.http, &r);
}

/* What was shut down would never be resumed. */
static void nor_is_one_that_leaves(void **unused)
{
    struct MHD_Connection r;

    (void)unused;
    use_up();
    health__connection_shut(&served.http.connections, others[0]);
    ask(&r, others[0], "/health/a");
    assert_int_equal(r.suspends, 0);
    assert_int_equal(r.result, MHD_NO);
    mhd_complete(&served.http, &r);
}

static void where_the_host_has_closed_one_all_is_lost(void **unused)
{
    struct MHD_Connection r;
    int fd = others[0]->fd.fd;

    (void)unused;
    use_up();
    ask(&r, others[0], "/health/a");
    assert_int_equal(dup2(served.poller.fd, fd), fd);
    health__request_go_on(others[0]);
    assert_true(served.hand.engine.lost);
    assert_true(r.suspended);
    r.suspended = false;
    mhd_complete(&served.http, &r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_http, close_http)
    const struct CMUnitTest tests[] = {
        TEST(what_a_turn_has_time_for_is_answered_at_once),
        TEST(what_comes_then_is_put_off),
        TEST(what_is_kept_is_not),
        TEST(whoever_comes_later_is_behind_them),
        TEST(it_waits_for_its_check_then),
        TEST(one_that_makes_way_is_not_put_off_again),
        TEST(nobody_is_put_off_in_the_last_turn),
        TEST(nor_is_one_that_leaves),
        TEST(where_the_host_has_closed_one_all_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
