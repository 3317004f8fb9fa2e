/*
 * Heartbeats: a loop that beats is alive, one that does not is named, and the first request after
 * its beat is told that it is back.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "document.h"
#include "refused.h"
#include "service.h"

/* How old a beat may be. */
#define AGE_MS 400

static struct health_heartbeat *add(struct health *h, unsigned max_age_ms, unsigned probes)
{
    struct health_heartbeat *beat = NULL;

    assert_accepted(health_add_heartbeat(h, "loop", max_age_ms, probes, &beat));
    assert_non_null(beat);
    return beat;
}

/* Waits until its beat is missed, and no longer than that may take. */
static void wait_missed(struct health *h, const char *target, const char *after)
{
    int64_t begin = client_now_ms();
    json_t *doc = asking_until(service_port(h), target, "loop", "fail", LONG_MS);

    assert_between(client_now_ms() - begin, 0, AGE_MS + QUICK_MS);
    assert_output_since(doc, "loop", "no beat since ", after);
    document_free(doc);
}

/* Beats, asks, and is told that it is alive.  Only where the answer came too late to be about that
 * beat, because of the machine, the same is tried again. */
static void beat_and_ask(struct health *h, struct health_heartbeat *beat, const char *target)
{
    int64_t begin;
    int status;

    do {
        begin = client_now_ms();
        health_beat(beat);
        status = client_status(service_port(h), target);
    } while (status == 503 && client_now_ms() - begin >= AGE_MS - 20);
    assert_int_equal(status, 200);
}

static void adding_it_is_a_beat_and_a_missed_one_fails_live(void **state)
{
    struct health *h = service_start(NULL);
    int64_t added_at = client_now_ms();
    json_t *doc;

    (void)state;
    (void)add(h, AGE_MS, 0);
    doc = document_get(service_port(h), "/live?verbose", 200);
    assert_check(doc, "loop", "pass", NULL);
    assert_null(json_object_get(document_check(doc, "loop"), "durationMs"));
    document_free(doc);
    wait_missed(h, "/live", " (limit 400 ms)");
    assert_true(client_now_ms() - added_at >= AGE_MS - 15); /* the clock is a coarse one */
    assert_int_equal(client_status(service_port(h), "/live"), 503);
    assert_int_equal(client_status(service_port(h), "/health"), 503);
    assert_int_equal(client_status(service_port(h), "/health/loop"), 503);
    /* It is registered for /live alone. */
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    assert_int_equal(client_status(service_port(h), "/startup"), 200);
    service_end(h);
}

static void it_heals_at_the_first_request_after_its_beat(void **state)
{
    struct health *h = service_start(NULL);
    struct health_heartbeat *beat = add(h, AGE_MS, 0);
    int i;

    (void)state;
    for (i = 0; i < 4; i++) {
        wait_missed(h, i % 2 ? "/live" : "/health", " (limit 400 ms)");
        assert_int_equal(client_status(service_port(h), "/live"), 503);
        beat_and_ask(h, beat, i / 2 ? "/live" : "/health/loop");
    }
    service_end(h);
}

static void beats_in_time_keep_it_passing(void **state)
{
    struct health *h = service_start(NULL);
    struct health_heartbeat *beat = add(h, AGE_MS, HEALTH_LIVE | HEALTH_READY);
    int64_t begin = client_now_ms();

    (void)state;
    do {
        beat_and_ask(h, beat, "/live");
        beat_and_ask(h, beat, "/ready");
        asking_pause(20);
    } while (client_now_ms() < begin + INT64_C(3) * AGE_MS);
    wait_missed(h, "/ready", " (limit 400 ms)");
    service_end(h);
}

static void an_idle_one_is_not_judged_until_its_next_beat(void **state)
{
    struct health *h = service_start(NULL);
    struct health_heartbeat *beat = add(h, AGE_MS, 0);

    (void)state;
    health_idle(beat);
    asking_pause(AGE_MS + 50);
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    asking_pause(AGE_MS);
    assert_int_equal(client_status(service_port(h), "/live"), 200);

    beat_and_ask(h, beat, "/live");
    wait_missed(h, "/live", " (limit 400 ms)");

    /* It has been late, and now has nothing to do. */
    health_idle(beat);
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    service_end(h);
}

static void whole_seconds_are_told_as_such(void **state)
{
    struct health *h = service_start(NULL);

    (void)state;
    (void)add(h, 1000, HEALTH_READY);
    document_free(asking_until(service_port(h), "/ready", "loop", "fail", LONG_MS));
    wait_missed(h, "/ready", " (limit 1 s)");
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    service_end(h);
}

static void it_goes_when_it_is_removed(void **state)
{
    struct health *h = service_start(NULL);

    (void)state;
    (void)add(h, AGE_MS, 0);
    wait_missed(h, "/live", " (limit 400 ms)");
    assert_accepted(health_remove(h, "loop"));
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    assert_int_equal(client_status(service_port(h), "/health/loop"), 404);
    health_beat(add(h, 60000, 0));
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    service_end(h);
}

static void starting_counts_as_a_beat(void **state)
{
    struct health *h = service_start(NULL);
    int64_t begin;
    int status;

    (void)state;
    (void)add(h, AGE_MS, 0);
    do {
        assert_accepted(health_stop(h, LONG_MS));
        asking_pause(AGE_MS + 50);
        begin = client_now_ms();
        assert_accepted(health_start(h));
        status = client_status(service_port(h), "/live");
        /* As in beat_and_ask(). */
    } while (status == 503 && client_now_ms() - begin >= AGE_MS - 20);
    assert_int_equal(status, 200);
    wait_missed(h, "/live", " (limit 400 ms)");
    service_end(h);
}

static struct health_heartbeat *of_the_handler;

static void beat_in_a_handler(int signal_number)
{
    (void)signal_number;
    health_beat(of_the_handler);
}

static void a_signal_handler_may_beat(void **state)
{
    struct health *h = service_start(NULL);
    struct sigaction action = {.sa_handler = beat_in_a_handler}, before;

    (void)state;
    of_the_handler = add(h, AGE_MS, 0);
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    wait_missed(h, "/live", " (limit 400 ms)");
    errno = 4242;
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(errno, 4242);
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    service_end(h);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, refused_count, refused_recount)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(adding_it_is_a_beat_and_a_missed_one_fails_live),
        TEST(it_heals_at_the_first_request_after_its_beat),
        TEST(beats_in_time_keep_it_passing),
        TEST(an_idle_one_is_not_judged_until_its_next_beat),
        TEST(whole_seconds_are_told_as_such),
        TEST(it_goes_when_it_is_removed),
        TEST(starting_counts_as_a_beat),
        TEST(a_signal_handler_may_beat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
