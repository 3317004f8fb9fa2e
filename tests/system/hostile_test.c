/*
 * Hostile clients cannot keep probes from their answers: 1,200 of them at a time, in each of eleven
 * ways.  Meanwhile every probe is answered, quickly; descriptors and memory stay bounded, and come
 * back.
 *
 * The service is one child process, the attackers are another; this one probes as the kubelet does.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* timeout: 300 */
/* serial */
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <health/health.h>

#include "attackers.h"
#include "client.h"
#include "process.h"

#define CONNECTIONS   256 /* the default of the option */
#define RESERVE       32  /* what is above it while evicted ones end */
#define ATTACKERS     1200
#define ATTACK_MS     7000 /* from when all have connected */
#define PROBE_MS      250  /* from one probe to the next */
#define LIMIT_MS      1000 /* as long as the kubelet waits */
#define WORST_MS      500
#define MANY_CHECKS   600 /* so that /health takes more than a socket's buffers */
#define BACK_LIMIT_MS 12000

/* What a service of this size may take more under attack: 288 connections of 8 KiB, and slack. */
#define GROWTH_KIB (PROCESS_SANITIZED || process_is_slow() ? 400 * 1024 : 12 * 1024)

/* What was seen of the service. */
struct seen {
    struct process service;
    int port;
    int limit_ms; /* of a probe */
    int probes, worst_ms;
    int fds_before, fds_most;
    long kib_before, kib_most;
};

/* Of the running test, for its teardown. */
static struct seen seen;
static struct attack attack;

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)arg;
    return health_explain(result, HEALTH_PASS, "fine");
}

/* Makes the answer to /health about 100 KB. */
static int add_many(void)
{
    char name[HEALTH_NAME_MAX_BYTES + 1];
    struct health_check check = HEALTH_CHECK_INIT;
    int i;

    check.fn = pass;
    check.probes = HEALTH_ALL;
    check.max_age_ms = 3600000;
    for (i = 0; i < MANY_CHECKS; i++) {
        (void)snprintf(name, sizeof(name), "%0100d", i);
        check.name = name;
        PROCESS_CHECK(health_add_check(NULL, &check) == 0);
    }
    return 0;
}

/* The service: says its port, and ends when it is told to. */
static int serve(struct process *self, void *arg)
{
    const bool *many = arg;
    struct health_check live = HEALTH_CHECK_INIT;
    int64_t ignored;

    live.name = "loop";
    live.fn = pass;
    live.probes = HEALTH_LIVE;
    PROCESS_CHECK(health_register_check("database", pass, NULL) == 0);
    PROCESS_CHECK(health_add_check(NULL, &live) == 0);
    PROCESS_CHECK(!*many || add_many() == 0);
    PROCESS_CHECK(health_serve(0) == 0);
    PROCESS_CHECK(process_say(self, health_port(NULL)));
    (void)process_hear(self, &ignored, 280000);
    PROCESS_CHECK(health_stop(NULL, 10000) == 0);
    return 0;
}

static void look(void)
{
    int fds = process_descriptors(seen.service.pid);
    long kib = process_resident_kib(seen.service.pid);

    assert_true(fds > 0 && kib > 0);
    if (fds > seen.fds_most)
        seen.fds_most = fds;
    if (kib > seen.kib_most)
        seen.kib_most = kib;
}

static void probe(void)
{
    struct client_request request = {.port = seen.port,
        .target = seen.probes % 2 == 0 ? "/live" : "/ready",
        .headers = "User-Agent: kube-probe/1.31\r\nAccept: */*\r\n",
        .timeout_ms = seen.limit_ms};
    int64_t began_ms = client_now_ms();
    struct response answer;
    enum client_end end = client_try(&request, &answer);
    int took_ms = (int)(client_now_ms() - began_ms);

    seen.probes++;
    if (took_ms > seen.worst_ms)
        seen.worst_ms = took_ms;
    if (end != CLIENT_OK)
        fail_msg("probe %d, GET %s: failed (%d) after %d ms", seen.probes, request.target, (int)end,
            took_ms);
    if (answer.status != 200)
        fail_msg("GET %s: %d %s", request.target, answer.status, answer.body);
    assert_non_null(strstr(answer.body, "\"pass\""));
    response_free(&answer);
}

/* Probes for so long, and looks in between. */
static void probe_for(int ms)
{
    int64_t end_ms = client_deadline(ms), next_ms = client_now_ms();

    while (client_now_ms() < end_ms) {
        probe();
        next_ms += PROBE_MS;
        do {
            look();
            (void)poll(NULL, 0, 50);
        } while (client_now_ms() < next_ms);
    }
}

static void start_service(bool many)
{
    int64_t port;
    int i;

    seen.limit_ms = process_is_slow() ? 10 * LIMIT_MS : LIMIT_MS;
    assert_int_equal(process_start(&seen.service, serve, &many), 0);
    assert_true(process_hear(&seen.service, &port, 60000));
    seen.port = (int)port;

    seen.fds_before = process_descriptors(seen.service.pid);
    /* What is made at the first use is no growth. */
    for (i = 0; i < 10; i++) {
        assert_int_equal(client_status(seen.port, "/live"), 200);
        assert_int_equal(client_status(seen.port, "/ready"), 200);
        assert_int_equal(client_status(seen.port, "/health"), 200);
    }
    assert_true(process_wait_descriptors(seen.service.pid, seen.fds_before, client_deadline(5000)));
    look();
    seen.kib_before = seen.kib_most;
}

/* All of them have connected at least once. */
static void wait_for_attackers(void)
{
    int64_t deadline = client_deadline(process_is_slow() ? 60000 : 10000);

    while (atomic_load(&attack.figures->made) < attack.count && client_now_ms() < deadline)
        (void)poll(NULL, 0, 10);
    if (atomic_load(&attack.figures->made) < attack.count)
        fail_msg("only %ld of %d attackers could connect", atomic_load(&attack.figures->made),
            attack.count);
}

static void under_attack(enum attack_way way, const char *name, bool many_sources)
{
    int64_t stopped_ms;
    int back_ms;
    long kib_after;

    start_service(way == ATTACK_SLOW_READ);
    attack.way = way;
    attack.many_sources = many_sources;
    attack.port = seen.port;
    attack.count = process_is_slow() ? ATTACKERS / 3 : ATTACKERS;
    /* Those who come back at once queue before a probe, behind a service that a tool makes slow. */
    if (PROCESS_SANITIZED && !process_is_slow() && way == ATTACK_BUSY)
        attack.count = ATTACKERS / 2;
    assert_int_equal(attackers_start(&attack), 0);
    probe_for(500);
    wait_for_attackers();
    probe_for(ATTACK_MS);
    assert_int_equal(attackers_stop(&attack), 0);
    stopped_ms = client_now_ms();
    if (!process_wait_descriptors(
            seen.service.pid, seen.fds_before, client_deadline(BACK_LIMIT_MS)))
        fail_msg("%d descriptors before, %d still %d ms after", seen.fds_before,
            process_descriptors(seen.service.pid), BACK_LIMIT_MS);
    back_ms = (int)(client_now_ms() - stopped_ms);
    probe_for(1);
    kib_after = process_resident_kib(seen.service.pid);

    print_message(
        "%s: worst of %d probes %d ms; descriptors %d, at most %d, back after %d ms; "
        "resident %ld KiB, at most +%ld, +%ld after; %d held at a time, %ld in all, %ld ended "
        "by us, %ld unmet, %ld KiB received\n",
        name, seen.probes, seen.worst_ms, seen.fds_before, seen.fds_most, back_ms, seen.kib_before,
        seen.kib_most - seen.kib_before, kib_after - seen.kib_before,
        atomic_load(&attack.figures->most), atomic_load(&attack.figures->made),
        atomic_load(&attack.figures->lost), atomic_load(&attack.figures->unmet),
        atomic_load(&attack.figures->bytes) / 1024);

    /* Where a tool makes everything slow, and where it is not known who attacks: none fails. */
    if (!PROCESS_SANITIZED && !process_is_slow() && !many_sources)
        assert_in_range(seen.worst_ms, 0, WORST_MS);
    assert_in_range(seen.fds_most, 1, seen.fds_before + CONNECTIONS + RESERVE + 8);
    assert_in_range(seen.kib_most, 1, seen.kib_before + GROWTH_KIB);
    assert_in_range(kib_after, 1, seen.kib_before + GROWTH_KIB);
    /* It was an attack. */
    if (way == ATTACK_RESET || way == ATTACK_STORM)
        assert_in_range(atomic_load(&attack.figures->made), 5 * attack.count, LONG_MAX);
    else if (!process_is_slow())
        assert_in_range(atomic_load(&attack.figures->most), CONNECTIONS * 3 / 2, ATTACKERS);

    assert_int_equal(process_end(&seen.service), 0);
}

/* Also after a failure: nothing of one test goes on in the next. */
static int end_all(void **state)
{
    (void)state;
    (void)attackers_stop(&attack);
    attackers_free(&attack);
    (void)process_end(&seen.service);
    memset(&seen, 0, sizeof(seen));
    memset(&attack, 0, sizeof(attack));
    return 0;
}

static void connected_and_idle(void **state)
{
    (void)state;
    under_attack(ATTACK_IDLE, "connected and idle", false);
}

static void header_a_byte_a_second(void **state)
{
    (void)state;
    under_attack(ATTACK_SLOW_HEAD, "header a byte a second", false);
}

static void body_a_byte_a_second(void **state)
{
    (void)state;
    under_attack(ATTACK_SLOW_BODY, "body a byte a second", false);
}

static void huge_announced_body(void **state)
{
    (void)state;
    under_attack(ATTACK_HUGE_BODY, "a huge announced body", false);
}

static void answer_read_a_byte_a_second(void **state)
{
    (void)state;
    under_attack(ATTACK_SLOW_READ, "answer read a byte a second", false);
}

static void kept_alive_idle(void **state)
{
    (void)state;
    under_attack(ATTACK_KEPT_ALIVE, "kept alive idle", false);
}

static void reset_at_once(void **state)
{
    (void)state;
    under_attack(ATTACK_RESET, "reset at once", false);
}

static void half_closed(void **state)
{
    (void)state;
    under_attack(ATTACK_HALF_CLOSED, "half-closed", false);
}

static void connect_and_leave_in_a_storm(void **state)
{
    (void)state;
    under_attack(ATTACK_STORM, "connect and leave in a storm", false);
}

static void reconnect_as_soon_as_evicted(void **state)
{
    (void)state;
    under_attack(ATTACK_RECONNECT, "reconnect as soon as evicted", false);
}

/* Each is always at something that it has only just begun with. */
static void kept_alive_and_busy(void **state)
{
    (void)state;
    under_attack(ATTACK_BUSY, "kept alive and busy", false);
}

/* With none that holds more connections than the probe has. */
static void reconnect_from_many_addresses(void **state)
{
    (void)state;
    under_attack(ATTACK_RECONNECT, "reconnect, each from its own address", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(connected_and_idle, end_all),
        cmocka_unit_test_teardown(header_a_byte_a_second, end_all),
        cmocka_unit_test_teardown(body_a_byte_a_second, end_all),
        cmocka_unit_test_teardown(huge_announced_body, end_all),
        cmocka_unit_test_teardown(answer_read_a_byte_a_second, end_all),
        cmocka_unit_test_teardown(kept_alive_idle, end_all),
        cmocka_unit_test_teardown(reset_at_once, end_all),
        cmocka_unit_test_teardown(half_closed, end_all),
        cmocka_unit_test_teardown(connect_and_leave_in_a_storm, end_all),
        cmocka_unit_test_teardown(reconnect_as_soon_as_evicted, end_all),
        cmocka_unit_test_teardown(kept_alive_and_busy, end_all),
        cmocka_unit_test_teardown(reconnect_from_many_addresses, end_all),
    };

    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
