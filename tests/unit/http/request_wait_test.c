/*
 * Requests that wait for checks: suspended, and resumed by whatever comes first.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: MHD_get_connection_values_n MHD_get_connection_info MHD_queue_response */
/* wrap: MHD_suspend_connection MHD_resume_connection clock_gettime epoll_ctl */
#include "http/request.h"

#include <errno.h>
#include <sys/epoll.h>

#include "http_by_hand.h"

int __real_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);

static bool cannot_watch;
static int removals; /* from the poller */

int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    if (cannot_watch && operation == EPOLL_CTL_ADD) {
        errno = ENOSPC;
        return -1;
    }
    removals += operation == EPOLL_CTL_DEL;
    return __real_epoll_ctl(set, operation, fd, event);
}

#define T 10000 /* when it begins */

static struct health__check *check;
static struct MHD_Connection request;

static int open_http(void **unused)
{
    (void)unused;
    cannot_watch = false;
    removals = 0;
    served_open(T);
    check = hand_add(&served.hand, .name = "c");
    request = (struct MHD_Connection){.of = served.connection, .url = "/ready"};
    return 0;
}

static int close_http(void **unused)
{
    (void)unused;
    served_close();
    return 0;
}

/* The request comes, and has to wait. */
static void begin(void)
{
    served_handle(&request);
    assert_true(request.suspended);
    assert_int_equal(request.calls, 2);
    assert_int_equal(request.code, 0);
    assert_int_equal(served.connection->phase, HEALTH__WAITING);
}

/* It need not wait any more, and is answered when MHD comes round. */
static void end(unsigned code)
{
    assert_false(request.suspended);
    assert_int_equal(request.resumes, 1);
    assert_int_equal(served.http.due_at, HEALTH__NOT_YET);
    assert_int_equal(served.connection->phase, HEALTH__SENDING);
    assert_int_equal(served.connection->gone.fd, -1);
    served_handle(&request);
    assert_int_equal(request.calls, 3);
    assert_int_equal(request.code, code);
    assert_false(health__list_linked(&served.connection->waiter.link));
    assert_false(health__list_linked(&served.connection->waiter.on));
    mhd_complete(&served.http, &request);
}

static void until_the_run_has_ended(void **unused)
{
    (void)unused;
    begin();
    hand_return(&served.hand, check, HEALTH_PASS, NULL);
    assert_true(request.suspended);
    hand_turn(&served.hand, T + 5);
    end(200);
    assert_int_equal(removals, 1);
    assert_int_equal(served.connection->phase, HEALTH__READING);
    assert_int_equal(served.connection->since, T + 5);
    /* The next finds the result. */
    request = (struct MHD_Connection){.of = served.connection, .url = "/ready"};
    served_handle(&request);
    assert_int_equal(request.suspends, 0);
    assert_int_equal(request.code, 200);
    mhd_complete(&served.http, &request);
}

static void until_the_deadline(void **unused)
{
    (void)unused;
    begin();
    hand_turn(&served.hand, T + HAND_RESPONSE_MS - 1);
    assert_true(request.suspended);
    hand_turn(&served.hand, T + HAND_RESPONSE_MS);
    end(503);
}

static void until_the_client_is_gone(void **unused)
{
    (void)unused;
    begin();
    served_poll();
    assert_true(request.suspended);
    (void)shutdown(served.client, SHUT_WR);
    served_poll();
    end(503);
    /* Its end is seen once. */
    served_poll();
    assert_int_equal(removals, 1);
}

/* More bytes, as a pipelined request, are none of its end. */
static void but_not_until_it_says_more(void **unused)
{
    (void)unused;
    begin();
    assert_int_equal(send(served.client, "GET", 3, MSG_NOSIGNAL), 3);
    served_poll();
    assert_true(request.suspended);
    health__request_hurry(served.connection);
    end(503);
}

static void until_its_place_is_needed(void **unused)
{
    (void)unused;
    begin();
    served.connection->makes_way = true;
    health__request_hurry(served.connection);
    end(503);
    assert_int_equal(served.connection->phase, HEALTH__LEAVING);
    assert_int_equal(served.http.connections.leaving, 1);
}

static void who_cannot_be_watched_waits_all_the_same(void **unused)
{
    (void)unused;
    cannot_watch = true;
    begin();
    assert_int_equal(served.connection->gone.fd, -1);
    hand_return(&served.hand, check, HEALTH_WARN, NULL);
    hand_turn(&served.hand, T + 5);
    end(200);
    assert_int_equal(removals, 0);
}

static void one_with_a_body_waits_after_its_head(void **unused)
{
    (void)unused;
    request.values[0] = (struct mhd_value){MHD_HEADER_KIND, "Content-Length", "5", 0};
    served_handle(&request);
    assert_true(request.suspended);
    assert_int_equal(request.calls, 1);
    hand_return(&served.hand, check, HEALTH_PASS, NULL);
    hand_turn(&served.hand, T + 5);
    served_handle(&request);
    assert_int_equal(request.code, 200);
    mhd_complete(&served.http, &request);
}

static void nobody_waits_while_the_server_drains(void **unused)
{
    (void)unused;
    served.http.draining = true;
    atomic_store(&served.hand.engine.stopping, true);
    served_handle(&request);
    assert_int_equal(request.suspends, 0);
    assert_int_equal(request.code, 503);
    assert_false(health__state_running(&check->state));
    mhd_complete(&served.http, &request);
}

static void what_needs_no_check_does_not_wait(void **unused)
{
    static const char *const urls[] = {"/live", "/startup", "/health/none", "/none"};
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        request = (struct MHD_Connection){.of = served.connection, .url = urls[i]};
        served_handle(&request);
        assert_int_equal(request.suspends, 0);
        assert_int_equal(request.calls, 2);
        mhd_complete(&served.http, &request);
    }
    assert_false(health__state_running(&check->state));
    /* Startup has passed: its checks are not run for it. */
    check = hand_add(&served.hand, .name = "s", .probes = HEALTH_STARTUP);
    request = (struct MHD_Connection){.of = served.connection, .url = "/startup"};
    served_handle(&request);
    assert_int_equal(request.code, 200);
    assert_false(health__state_running(&check->state));
    mhd_complete(&served.http, &request);
}

/* The names that it asked with are still there when it is answered. */
static void it_is_answered_as_it_was_asked(void **unused)
{
    (void)unused;
    request.url = "/health/c";
    request.values[0] = (struct mhd_value){MHD_GET_ARGUMENT_KIND, "exclude", "none", 0};
    begin();
    hand_return(&served.hand, check, HEALTH_WARN, "tight");
    hand_turn(&served.hand, T + 5);
    end(200);
    assert_non_null(strstr(served.document, "no check none"));
    assert_non_null(strstr(served.document, "\"c\":[{\"status\":\"warn\""));
    assert_non_null(strstr(served.document, "tight"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_http, close_http)
    const struct CMUnitTest tests[] = {
        TEST(until_the_run_has_ended),
        TEST(until_the_deadline),
        TEST(until_the_client_is_gone),
        TEST(but_not_until_it_says_more),
        TEST(until_its_place_is_needed),
        TEST(who_cannot_be_watched_waits_all_the_same),
        TEST(one_with_a_body_waits_after_its_head),
        TEST(nobody_waits_while_the_server_drains),
        TEST(what_needs_no_check_does_not_wait),
        TEST(it_is_answered_as_it_was_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
