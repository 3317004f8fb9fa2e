/*
 * The wait of a request never outlives its client: one that goes away while a hung check keeps it
 * waiting frees its place at once, and one that only shuts its sending side is answered at once
 * with what is known.
 *
 * The response deadline is 30 s here: whatever happens sooner happens for another reason.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <health/health.h>

#include "client.h"
#include "document.h"
#include "process.h"
#include "service.h"

#define RESPONSE_MS 30000
#define AT_ONCE_MS  (process_is_slow() ? 10000 : 1000)
#define LEAVERS     50
#define CROWD       50
#define FEW         4

static const char request[] = "GET /ready HTTP/1.1\r\nHost: test\r\n\r\n";

/* A check that hangs while it is told to. */
struct gate {
    atomic_bool shut;
    atomic_uint runs;
};

static enum health_status check_gate(struct health_result *result, void *arg)
{
    struct gate *gate = arg;

    atomic_fetch_add(&gate->runs, 1);
    while (atomic_load(&gate->shut))
        (void)poll(NULL, 0, 2);
    return health_explain(result, HEALTH_PASS, "fine");
}

/* The service of the running test. */
static struct health *service;
static struct gate gate;
static int port;
static int descriptors; /* without connections */

static void start(unsigned connections, bool shut)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;

    options.response_ms = RESPONSE_MS;
    options.connections = connections;
    service = service_start(&options);
    port = service_port(service);

    atomic_store(&gate.shut, shut);
    atomic_store(&gate.runs, 0);
    check.name = "gate";
    check.fn = check_gate;
    check.arg = &gate;
    check.timeout_ms = 10 * RESPONSE_MS;
    check.max_age_ms = 1;
    assert_int_equal(health_add_check(service, &check), 0);

    descriptors = process_descriptors(0);
    assert_int_equal(client_status(port, "/live"), 200);
    assert_true(process_wait_descriptors(0, descriptors, client_deadline(5000)));
}

static int end(void **state)
{
    (void)state;
    atomic_store(&gate.shut, false);
    if (service != NULL)
        service_end(service);
    service = NULL;
    return 0;
}

/* Waits until there are so many. */
static void wait_for_descriptors(int count)
{
    int64_t deadline = client_deadline(5000);

    while (process_descriptors(0) < count && client_now_ms() < deadline)
        (void)poll(NULL, 0, 1);
    assert_int_equal(process_descriptors(0), count);
}

/* Connects and asks for what hangs; returns once the service has it. */
static void ask_and_wait(struct client *c)
{
    int before = process_descriptors(0);

    assert_int_equal(client_open(c, "127.0.0.1", port), 0);
    assert_int_equal(client_send(c, request, sizeof(request) - 1), 0);
    wait_for_descriptors(before + 2); /* the client's, and the service's */
    while (atomic_load(&gate.runs) == 0)
        (void)poll(NULL, 0, 1);
}

static void assert_freed_at_once(void)
{
    int64_t began_ms = client_now_ms();

    if (!process_wait_descriptors(0, descriptors, began_ms + AT_ONCE_MS))
        fail_msg("%d descriptors more than before, %d ms after the last client has left",
            process_descriptors(0) - descriptors, (int)(client_now_ms() - began_ms));
}

static void assert_served_at_once(void)
{
    int64_t began_ms = client_now_ms();

    assert_int_equal(client_status(port, "/live"), 200);
    assert_in_range(client_now_ms() - began_ms, 0, AT_ONCE_MS);
}

/* ---- Those who leave ---- */

static void leave_by_closing(struct client *c)
{
    client_close(c);
}

static void leave_by_reset(struct client *c)
{
    client_reset(c);
}

static void leave_by_shutdown(struct client *c)
{
    client_shutdown(c);
    client_close(c);
}

/* With bytes that it has not read yet: a further request, half of one. */
static void leave_with_more(struct client *c)
{
    (void)client_print(c, "GET /live HTTP/1.1\r\nHost:");
    client_close(c);
}

/* One after the other, where only FEW have a place. */
static void each_frees_its_place(void (*leave)(struct client *c))
{
    struct client c;
    int i;

    start(FEW, true);
    for (i = 0; i < LEAVERS; i++) {
        ask_and_wait(&c);
        leave(&c);
        assert_freed_at_once();
    }
    assert_served_at_once();
    /* It was one run all the time. */
    assert_int_equal(atomic_load(&gate.runs), 1);
}

static void a_client_that_closes_frees_its_place(void **state)
{
    (void)state;
    each_frees_its_place(leave_by_closing);
}

static void a_client_that_resets_frees_its_place(void **state)
{
    (void)state;
    each_frees_its_place(leave_by_reset);
}

static void a_client_that_shuts_and_closes_frees_its_place(void **state)
{
    (void)state;
    each_frees_its_place(leave_by_shutdown);
}

static void a_client_that_leaves_with_more_frees_its_place(void **state)
{
    (void)state;
    each_frees_its_place(leave_with_more);
}

static void all_may_leave_at_once(void **state)
{
    static void (*const leave[])(struct client * c) = {
        leave_by_closing, leave_by_reset, leave_by_shutdown, leave_with_more};
    struct client clients[CROWD];
    int i;

    (void)state;
    start(0, true);
    for (i = 0; i < CROWD; i++)
        ask_and_wait(&clients[i]);
    for (i = 0; i < CROWD; i++)
        leave[i % 4](&clients[i]);
    assert_freed_at_once();
    assert_served_at_once();
}

/* Some stay, and get their answer when it is there. */
static void those_who_stay_are_answered(void **state)
{
    struct client clients[10];
    struct response answer;
    int i;

    (void)state;
    start(0, true);
    for (i = 0; i < 10; i++)
        ask_and_wait(&clients[i]);
    for (i = 0; i < 10; i += 2)
        client_reset(&clients[i]);
    if (!process_wait_descriptors(0, descriptors + 10, client_deadline(AT_ONCE_MS)))
        fail_msg("those who have left still have descriptors");
    atomic_store(&gate.shut, false);
    for (i = 1; i < 10; i += 2) {
        assert_int_equal(
            client_read(&clients[i], false, &answer, client_deadline(AT_ONCE_MS)), CLIENT_OK);
        assert_int_equal(answer.status, 200);
        response_free(&answer);
        client_close(&clients[i]);
    }
    assert_freed_at_once();
}

/* At the limit, the clients that wait are answered rather than the new one refused. */
static void waiting_clients_make_room(void **state)
{
    struct client clients[FEW];
    struct response answer;
    json_t *doc;
    int i;

    (void)state;
    start(FEW, true);
    for (i = 0; i < FEW; i++)
        ask_and_wait(&clients[i]);
    (void)poll(NULL, 0, 50); /* longer than the age that none is evicted below */
    for (i = 0; i < 10; i++) {
        assert_served_at_once();
        (void)poll(NULL, 0, 50);
    }
    /* The oldest: with what is known. */
    assert_int_equal(
        client_read(&clients[0], false, &answer, client_deadline(AT_ONCE_MS)), CLIENT_OK);
    assert_int_equal(answer.status, 503);
    doc = document_of(&answer);
    assert_string_equal(document_output(doc, "gate"), "no result yet");
    document_free(doc);
    response_free(&answer);
    for (i = 0; i < FEW; i++)
        client_close(&clients[i]);
    assert_freed_at_once();
}

/* ---- Those who shut their sending side ---- */

/* Asks, shuts its side, and has this answer at once; then the service closes. */
static void half_close_gives(int code, const char *status, const char *output)
{
    struct client c;
    struct response answer;
    int64_t began_ms;
    json_t *doc;

    ask_and_wait(&c);
    (void)poll(NULL, 0, 20);
    client_shutdown(&c);
    began_ms = client_now_ms();
    assert_int_equal(client_read(&c, false, &answer, client_deadline(RESPONSE_MS / 2)), CLIENT_OK);
    assert_in_range(client_now_ms() - began_ms, 0, AT_ONCE_MS);
    assert_int_equal(answer.status, code);
    doc = document_of(&answer);
    assert_string_equal(document_status(doc), status);
    if (output != NULL)
        assert_string_equal(document_output(doc, "gate"), output);
    document_free(doc);
    response_free(&answer);
    assert_true(client_at_end(&c, client_deadline(AT_ONCE_MS)));
    client_close(&c);
    assert_freed_at_once();
}

static void half_closed_is_answered_pending(void **state)
{
    (void)state;
    start(0, true);
    half_close_gives(503, "fail", "no result yet");
    half_close_gives(503, "fail", "no result yet");
}

static void half_closed_is_answered_with_the_last_result(void **state)
{
    (void)state;
    start(0, false);
    assert_int_equal(client_status(port, "/ready"), 200);
    atomic_store(&gate.shut, true);
    (void)poll(NULL, 0, 20); /* older than max_age_ms */
    half_close_gives(200, "pass", NULL);
    assert_true(atomic_load(&gate.runs) >= 2);
}

/* Shut before the service has seen any of it. */
static void half_closed_from_the_start_is_answered(void **state)
{
    struct client c;
    struct response answer;
    int64_t began_ms = client_now_ms();

    (void)state;
    start(0, true);
    assert_int_equal(client_open(&c, "127.0.0.1", port), 0);
    assert_int_equal(client_send(&c, request, sizeof(request) - 1), 0);
    client_shutdown(&c);
    assert_int_equal(client_read(&c, false, &answer, client_deadline(RESPONSE_MS / 2)), CLIENT_OK);
    assert_in_range(client_now_ms() - began_ms, 0, AT_ONCE_MS);
    assert_int_equal(answer.status, 503);
    response_free(&answer);
    client_close(&c);
    assert_freed_at_once();
}

/* ---- Meanwhile ---- */

static void waiting_takes_no_processor_time(void **state)
{
    struct client clients[10];
    int64_t before_us, used_us;
    int i;

    (void)state;
    start(0, true);
    for (i = 0; i < 10; i++)
        ask_and_wait(&clients[i]);
    before_us = process_cpu_us(0);
    (void)poll(NULL, 0, 1000);
    used_us = process_cpu_us(0) - before_us;
    print_message("10 clients wait: %d µs of processor time in 1 s\n", (int)used_us);
    if (!process_is_slow())
        assert_in_range(used_us, 0, 100000);
    for (i = 0; i < 10; i++)
        client_close(&clients[i]);
    assert_freed_at_once();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_client_that_closes_frees_its_place, end),
        cmocka_unit_test_teardown(a_client_that_resets_frees_its_place, end),
        cmocka_unit_test_teardown(a_client_that_shuts_and_closes_frees_its_place, end),
        cmocka_unit_test_teardown(a_client_that_leaves_with_more_frees_its_place, end),
        cmocka_unit_test_teardown(all_may_leave_at_once, end),
        cmocka_unit_test_teardown(those_who_stay_are_answered, end),
        cmocka_unit_test_teardown(waiting_clients_make_room, end),
        cmocka_unit_test_teardown(half_closed_is_answered_pending, end),
        cmocka_unit_test_teardown(half_closed_is_answered_with_the_last_result, end),
        cmocka_unit_test_teardown(half_closed_from_the_start_is_answered, end),
        cmocka_unit_test_teardown(waiting_takes_no_processor_time, end),
    };

    return cmocka_run_group_tests_name("leaving", tests, NULL, NULL);
}
