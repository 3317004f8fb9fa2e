/*
 * The server's last turns: whoever has come in time is served, and nobody is waited for in vain.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: MHD_start_daemon MHD_stop_daemon MHD_get_daemon_info MHD_add_connection MHD_run */
/* wrap: MHD_get_timeout MHD_resume_connection MHD_get_connection_info accept4 */
#include "http/http.h"

#include "server_by_hand.h"

/* Begins a turn.  Returns: whether nothing is left to send. */
static bool drain(void)
{
    http.server.drain(&http.server);
    return http.server.drained(&http.server);
}

static void it_drains_at_once_where_nobody_is(void **unused)
{
    (void)unused;
    assert_true(drain());
    assert_int_equal(http.listeners.count, 0);
    assert_int_equal(run(T), T);
}

static void whoever_came_in_time_is_still_served(void **unused)
{
    int turn;

    (void)unused;
    accept_clients(1, T);
    health__connection_enter(&http.connections, connection(0), HEALTH__SENDING, T);
    connect_one();
    connect_one();
    /* Nobody has told of them yet. */
    assert_false(http.listeners.listeners[0].ready);
    assert_false(drain());
    assert_int_equal(mhd.count, 3);
    assert_int_equal(http.listeners.count, 0);
    /* They have a few turns to ask in. */
    for (turn = 1; turn < 3; turn++) {
        assert_int_equal(run(T), T);
        assert_false(drain());
        assert_int_equal(connection(1)->phase, HEALTH__READING);
    }
    health__connection_enter(&http.connections, connection(2), HEALTH__SENDING, T);
    (void)run(T);
    assert_false(drain());
    assert_int_equal(connection(1)->phase, HEALTH__LEAVING);
    /* Whose answers are on their way are waited for. */
    assert_int_equal(connection(0)->phase, HEALTH__SENDING);
    assert_int_equal(connection(2)->phase, HEALTH__SENDING);
    assert_int_equal(run(T), T + 10000);
    assert_false(drain());
    mhd_close(&mhd.connections[0]);
    /* One whose answer is sent may ask no more. */
    health__connection_enter(&http.connections, connection(2), HEALTH__READING, T);
    assert_int_equal(run(T), T);
    assert_false(drain());
    (void)run(T);
    assert_true(drain());
}

static void a_stop_resumes_whoever_waits(void **unused)
{
    struct health__connection *c;

    (void)unused;
    accept_clients(3, T);
    (void)put_off(2, T);
    c = connection(1);
    c->mhd = &mhd.connections[1];
    c->gone.fd = -1;
    mhd.connections[1].suspended = true;
    health__connection_enter(&http.connections, c, HEALTH__WAITING, T);
    mhd.runs = 0;
    http.server.stop(&http.server);
    assert_int_equal(mhd.resumes, 2);
    assert_int_equal(mhd.runs, 1);
    assert_false(mhd.started);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_http, close_http)
    const struct CMUnitTest tests[] = {
        TEST(it_drains_at_once_where_nobody_is),
        TEST(whoever_came_in_time_is_still_served),
        TEST(a_stop_resumes_whoever_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
