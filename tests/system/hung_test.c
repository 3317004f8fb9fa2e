/*
 * Hung callbacks: a probe that comes again and again is told of one within the check's timeout and
 * one more period of its own; and however many hang, /live is answered at once.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* serial */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "document.h"
#include "process.h"
#include "puppet.h"
#include "refused.h"
#include "service.h"

#define TIMEOUT_MS 600
#define PERIOD_MS  200
#define LATE_MS    (process_is_slow() || PROCESS_SANITIZED ? SLACK_MS : 100)
#define MANY       40 /* more than there are workers */
#define PROBES     200
#define P99_MS     50
#define TRIES      5 /* whatever else runs on this machine makes times longer */

/* ---- From the hang to the 503 ---- */

/* Asks every PERIOD_MS, as the kubelet does, until it is told 503.  Returns: when it was. */
static int64_t wait_for_503(int port)
{
    int64_t next = client_now_ms();

    while (client_status(port, "/ready") == 200) {
        next += PERIOD_MS;
        asking_pause((int)(next - client_now_ms()));
    }
    return client_now_ms();
}

/* Lets it hang.  Returns: how long it was until the 503, in ms. */
static int64_t hang_until_503(struct health *h, struct puppet *p)
{
    int64_t took_ms;
    unsigned runs;

    document_free(asking_until(service_port(h), "/ready?verbose", "db", "pass", LONG_MS));
    runs = puppet_begun(p);
    puppet_hold(p);
    took_ms = wait_for_503(service_port(h));
    /* Those that had begun before have returned. */
    while (puppet_ended(p) > runs)
        runs++;
    assert_int_equal(puppet_begun(p), runs + 1);
    took_ms -= puppet_begun_at(p, runs);
    puppet_let_go(p);
    print_message("from the hang to the 503: %" PRId64 " ms, with a timeout of %d and a probe "
                  "every %d\n",
        took_ms, TIMEOUT_MS, PERIOD_MS);
    assert_true(took_ms >= TIMEOUT_MS - ROUNDING_MS);
    return took_ms;
}

static void assert_told_in_time(unsigned interval_ms)
{
    static struct puppet p;
    struct health_options options = HEALTH_OPTIONS_INIT;
    int64_t took_ms = 0, most_ms = TIMEOUT_MS + PERIOD_MS + LATE_MS;
    struct health_check check;
    struct health *h;
    int tries = 0;

    options.response_ms = PERIOD_MS / 2;
    h = service_start(&options);
    puppet_init(&p);
    check = puppet_check(&p, "db");
    check.timeout_ms = TIMEOUT_MS;
    check.max_age_ms = interval_ms > 0 ? 0 : 100;
    check.interval_ms = interval_ms;
    assert_accepted(health_add_check(h, &check));
    do {
        took_ms = hang_until_503(h, &p);
    } while (took_ms > most_ms && ++tries < TRIES);
    assert_between(took_ms, 0, most_ms);
    service_end(h);
}

static void one_asked_on_demand_is_told_of_in_time(void **state)
{
    (void)state;
    assert_told_in_time(0);
}

static void a_periodic_one_is_told_of_in_time(void **state)
{
    (void)state;
    assert_told_in_time(100);
}

/* ---- /live ---- */

static int by_size(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return x < y ? -1 : x > y;
}

/* Lets the first `count` hang, and probes /live meanwhile.  Returns: the 99th percentile, in ms. */
static int probe_live(struct health *h, struct puppet *puppets, int count)
{
    int took_ms[PROBES], code, i;
    struct client waits;

    for (i = 0; i < count; i++)
        puppet_hold(&puppets[i]);
    /* Theirs is the first request; others come in the middle of it. */
    asking_pause(5);
    asking_begin(&waits, service_port(h), "/ready");
    for (i = 0; i < PROBES; i++) {
        took_ms[i] = asking_takes(service_port(h), "/live", &code, NULL);
        assert_int_equal(code, 200);
        if (i % 4 == 0)
            asking_pause(5);
    }
    (void)asking_end(&waits, LONG_MS, NULL);
    document_free(asking_until(service_port(h), "/ready", "hung-00", "fail", LONG_MS));
    for (i = 0; i < count; i++)
        puppet_let_go(&puppets[i]);
    document_free(asking_until(service_port(h), "/ready?verbose", "hung-00", "pass", LONG_MS));
    qsort(took_ms, PROBES, sizeof(*took_ms), by_size);
    print_message("%d of %d callbacks hung: /live p99 %d ms, longest %d ms\n", count, MANY,
        took_ms[PROBES * 99 / 100], took_ms[PROBES - 1]);
    return took_ms[PROBES * 99 / 100];
}

static void however_many_hang_live_is_answered_at_once(void **state)
{
    static const int counts[] = {1, 8, 16, MANY};
    static struct puppet puppets[MANY];
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_heartbeat *beat;
    struct health_check check;
    struct health *h;
    char name[32];
    int p99_ms, tries;
    size_t i;

    (void)state;
    options.response_ms = 300;
    h = service_start(&options);
    assert_accepted(health_add_heartbeat(h, "loop", 60000, HEALTH_LIVE, &beat));
    for (i = 0; i < MANY; i++) {
        puppet_init(&puppets[i]);
        (void)snprintf(name, sizeof(name), "hung-%02zu", i);
        check = puppet_check(&puppets[i], name);
        check.timeout_ms = 500;
        check.max_age_ms = 1;
        assert_accepted(health_add_check(h, &check));
    }
    for (i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        tries = 0;
        do {
            p99_ms = probe_live(h, puppets, counts[i]);
        } while (p99_ms > P99_MS && ++tries < TRIES);
        if (!process_is_slow() && !PROCESS_SANITIZED)
            assert_between(p99_ms, 0, P99_MS);
    }
    service_end(h);
}

/* A check that decides on restarts has a worker, long before the others' timeouts. */
static void a_check_of_live_is_run_whatever_hangs(void **state)
{
    static struct puppet puppets[MANY], alive;
    struct health_options options = HEALTH_OPTIONS_INIT;
    int64_t end = client_now_ms() + 2500; /* the timeout of one that is not run is 1000 */
    struct health_check check;
    struct client waits;
    struct health *h;
    char name[32];
    int code, i;

    (void)state;
    options.response_ms = 300;
    h = service_start(&options);
    for (i = 0; i < MANY; i++) {
        puppet_init(&puppets[i]);
        puppet_hold(&puppets[i]);
        (void)snprintf(name, sizeof(name), "hung-%02d", i);
        check = puppet_check(&puppets[i], name);
        check.timeout_ms = LONG_MS;
        assert_accepted(health_add_check(h, &check));
    }
    puppet_init(&alive);
    check = puppet_check(&alive, "alive");
    check.probes = HEALTH_LIVE;
    check.max_age_ms = 1;
    assert_accepted(health_add_check(h, &check));
    asking_begin(&waits, service_port(h), "/ready");
    assert_true(puppet_wait_begun(&puppets[14], 1, LONG_MS));
    do {
        (void)asking_takes(service_port(h), "/live", &code, NULL);
        assert_int_equal(code, 200);
        asking_pause(20);
    } while (client_now_ms() < end);
    assert_true(puppet_ended(&alive) > 10);
    assert_int_equal(puppet_begun(&puppets[15]), 0);
    for (i = 0; i < MANY; i++)
        puppet_let_go(&puppets[i]);
    (void)asking_end(&waits, LONG_MS, NULL);
    service_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_asked_on_demand_is_told_of_in_time),
        cmocka_unit_test(a_periodic_one_is_told_of_in_time),
        cmocka_unit_test(however_many_hang_live_is_answered_at_once),
        cmocka_unit_test(a_check_of_live_is_run_whatever_hangs),
    };

    return cmocka_run_group_tests_name("hung", tests, NULL, NULL);
}
