/*
 * The probe and servers that mean ill: whatever one does, and at whatever moment, the probe comes
 * to its end in time, with little memory, and never with health that is not there.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* timeout: 240 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include <health/probe.h>

#include "assertions.h"
#include "client.h"
#include "odd_server.h"
#include "probing.h"
#include "process.h"

#define TIMEOUT_MS 200
#define PATIENT_MS 10000
#define OK         "HTTP/1.1 200 OK\r\n"
#define LATE       ": no answer in time"
#define RESET      ": connection reset"
#define MALFORMED  ": the answer is malformed, or cut short"
#define TOO_LONG   ": 200: the answer is longer than 1 MiB"
#define CHUNKED    ": a chunked answer to HTTP/1.0"
#define INTERIM    ": an interim answer to HTTP/1.0"
#define HEAR       ODD_STEP(ODD_HEAR)
#define HANG       ODD_STEP(ODD_HANG)
#define SAYS(text) ODD_STEP_OF(ODD_SAY, text, 0)

static void start(struct odd_server *s, const struct odd_step *steps)
{
    *s = (struct odd_server){.port = 0};
    memcpy(s->steps, steps, sizeof(s->steps));
    assert_int_equal(odd_server_start(s), 0);
}

static void expect(const struct odd_server *s, unsigned timeout_ms, int result, const char *behind)
{
    char url[64];

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/health", s->port);
    probing_expect(url, timeout_ms, result, behind);
}

/* ---- Slowness ---- */

#define LONG                                                                                       \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define SLOWLY(text, interval_ms) ODD_STEP_OF(ODD_TRICKLE, text, interval_ms)

/* Those that are not done in time, however much they say until then. */
static const struct odd_step slow[][ODD_STEPS] = {
    {HANG},
    {HEAR, HANG},
    {HEAR, SAYS("HTTP/1.1 200 OK"), HANG},
    {HEAR, SAYS(OK), HANG},
    {HEAR, SAYS(OK "Content-Length: 2\r\n"), HANG},
    {HEAR, SAYS(OK "Content-Length: 2\r\n\r\n"), HANG},
    {HEAR, SAYS(OK "Content-Length: 2\r\n\r\no"), HANG},
    {HEAR, SAYS(OK "\r\nok"), HANG},
    /* A byte a second: one is all that comes. */
    {HEAR, SLOWLY(OK "\r\n", 1000), HANG},
    {HEAR, SAYS(OK), SLOWLY("Content-Length: 0\r\n\r\n", 1000), HANG},
    {HEAR, SAYS(OK "Content-Length: 3\r\n\r\n"), SLOWLY("abc", 1000), HANG},
    {HEAR, SAYS(OK "\r\n"), SLOWLY("abc", 1000), HANG},
    /* Many, each of which comes soon after the one before. */
    {HEAR, SLOWLY("HTTP/1.1 200 " LONG LONG LONG, 5), HANG},
    {HEAR, SAYS(OK), SLOWLY("X: " LONG LONG LONG, 5), HANG},
    {HEAR, SAYS(OK), SLOWLY("A:b\nC:d\nE:f\nG:h\nI:j\nK:l\nM:n\nO:p\nQ:r\nS:t\nU:v\n", 10), HANG},
    {HEAR, SAYS(OK "Content-Length: 999\r\n\r\n"), SLOWLY(LONG LONG LONG, 5), HANG},
    {HEAR, SAYS(OK "\r\n"), SLOWLY(LONG LONG LONG, 5), HANG},
};

static void who_is_slow_is_not_waited_for(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(slow) / sizeof(slow[0]); i++) {
        struct odd_server s;
        char url[64], reason[400];
        int64_t took;

        start(&s, slow[i]);
        expect(&s, TIMEOUT_MS, 1, LATE);
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", s.port);
        assert_int_equal(probing_ask(url, TIMEOUT_MS, reason, &took), 1);
        assert_true(took >= TIMEOUT_MS - ROUNDING_MS);
        odd_server_stop(&s);
    }
}

/* That it is a failure is known by then, and why perhaps. */
static void a_failure_that_does_not_end_is_told(void **state)
{
#define FAILURE "HTTP/1.1 503 No\r\n"
#define REASON  "{\"checks\":{\"db\":[{\"status\":\"fail\",\"output\":\"gone\"}]"
    static const struct {
        struct odd_step steps[ODD_STEPS];
        unsigned timeout_ms;
        const char *behind;
    } failures[] = {
        {{HEAR, SAYS(FAILURE), HANG}, TIMEOUT_MS, ": 503, but no end in time"},
        {{HEAR, SAYS(FAILURE "X: y\r\n\r\n"), HANG}, TIMEOUT_MS, ": 503, but no end in time"},
        {{HEAR, SAYS(FAILURE "\r\n" REASON), HANG}, TIMEOUT_MS,
            ": 503, but no end in time: db: gone"},
        {{HEAR, SAYS(FAILURE "Content-Length: 99\r\n\r\n" REASON), HANG}, TIMEOUT_MS,
            ": 503, but no end in time: db: gone"},
        {{HEAR, SAYS(FAILURE "Content-Length: 99\r\n\r\n" REASON)}, PATIENT_MS,
            ": 503, but cut short: db: gone"},
        {{HEAR, SAYS("HTTP/1.1 302 No\r\nContent-Length: 9\r\n\r\n")}, PATIENT_MS,
            ": 302, but cut short"},
        /* Of a head that is none nothing is believed. */
        {{HEAR, SAYS(FAILURE "nonsense\r\n\r\n" REASON)}, PATIENT_MS, MALFORMED},
        {{HEAR, SAYS(FAILURE "X: y\r\n")}, PATIENT_MS, MALFORMED},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        struct odd_server s;

        start(&s, failures[i].steps);
        expect(&s, failures[i].timeout_ms, 1, failures[i].behind);
        odd_server_stop(&s);
    }
}

static void who_is_slow_but_in_time_is_heard(void **state)
{
    static const struct odd_step steps[ODD_STEPS] = {
        HEAR, SLOWLY("HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno", 2), HANG};
    struct odd_server s;

    (void)state;
    start(&s, steps);
    expect(&s, PATIENT_MS, 1, ": 503");
    odd_server_stop(&s);
}

static void the_shortest_timeout_is_kept(void **state)
{
    static const struct odd_step steps[ODD_STEPS] = {HANG};
    struct odd_server s;

    (void)state;
    start(&s, steps);
    expect(&s, 1, 1, LATE);
    odd_server_stop(&s);
}

static void the_default_is_two_seconds(void **state)
{
    static const struct odd_step steps[ODD_STEPS] = {HANG};
    char url[64], reason[400];
    struct odd_server s;
    int64_t took;

    (void)state;
    start(&s, steps);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", s.port);
    assert_int_equal(probing_ask(url, 0, reason, &took), 1);
    assert_true(took >= 2000 - ROUNDING_MS);
    odd_server_stop(&s);
}

/* Requests longer than what the kernel keeps for a server that reads nothing. */
static void a_server_that_reads_nothing_is_not_waited_for(void **state)
{
    static const struct odd_step hangs[ODD_STEPS] = {SLOWLY("", 1), SLOWLY("x", 30000)},
                                 resets[ODD_STEPS] = {SLOWLY("x", 50), ODD_STEP(ODD_RESET)};
    const size_t size = (size_t)(PROCESS_SANITIZED ? 12 : 32) << 20;
    char *url = malloc(size + 64), reason[400];
    struct odd_server s;
    int64_t took;

    (void)state;
    assert_non_null(url);
    start(&s, hangs);
    memset(url, 'x', size + 64);
    url[snprintf(url, 64, "http://127.0.0.1:%d/", s.port)] = 'x';
    url[size] = '\0';
    assert_int_equal(probing_ask(url, TIMEOUT_MS, reason, &took), 1);
    assert_true(took >= TIMEOUT_MS - ROUNDING_MS);
    assert_non_null(strstr(reason, "xxx...: no answer in time"));
    odd_server_stop(&s);

    start(&s, resets);
    url[snprintf(url, 64, "http://127.0.0.1:%d/", s.port)] = 'x';
    assert_int_equal(probing_ask(url, PATIENT_MS, reason, &took), 1);
    assert_non_null(strstr(reason, "xxx...: connection reset"));
    odd_server_stop(&s);
    free(url);
}

/* ---- Endlessness ---- */

#define ENDLESS(text) ODD_STEP_OF(ODD_FLOOD, text, 0)
#define TEN_GB(text)  ODD_STEP_OF(ODD_FLOOD, text, 10000000000)

static const struct {
    struct odd_step steps[ODD_STEPS];
    int result;
    const char *behind;
} endless[] = {
    /* Heads. */
    {{HEAR, ENDLESS("x")}, 1, MALFORMED},
    {{HEAR, ENDLESS("\r\n")}, 1, MALFORMED},
    {{HEAR, ENDLESS("\0")}, 1, MALFORMED},
    {{HEAR, SAYS("HTTP/1.1 200 "), ENDLESS("x")}, 1, MALFORMED},
    {{HEAR, SAYS(OK), ENDLESS("X: y\r\n")}, 1, MALFORMED},
    {{HEAR, SAYS(OK "X: "), ENDLESS("y")}, 1, MALFORMED},
    {{HEAR, SAYS(OK), ENDLESS("Content-Length: 1\r\n")}, 1, MALFORMED},
    {{HEAR, ENDLESS(OK)}, 1, MALFORMED},
    {{HEAR, ENDLESS("HTTP/1.1 100 Continue\r\n\r\n")}, 1, INTERIM},
    /* Bodies: of a failure, as much of the reason as it takes. */
    {{HEAR, SAYS(OK "Content-Length: 10000000000\r\n\r\n"), TEN_GB("x")}, 1, TOO_LONG},
    {{HEAR, SAYS(OK "\r\n"), TEN_GB("x")}, 1, TOO_LONG},
    {{HEAR, SAYS("HTTP/1.1 503 No\r\n\r\n"), ENDLESS("x")}, 1, ": 503"},
    {{HEAR, SAYS("HTTP/1.1 503 No\r\nContent-Length: 10000000000\r\n\r\n"), TEN_GB("[{\"a\":")}, 1,
        ": 503"},
    {{HEAR, SAYS("HTTP/1.1 503 No\r\n\r\n{\"checks\":{\"n\":["), TEN_GB("{\"status\":\"fail\"},")},
        1, ": 503: n; n; n\xE2\x80\xA6"},
    {{HEAR, SAYS(OK "Transfer-Encoding: chunked\r\n\r\n"), ENDLESS("1\r\nx\r\n")}, 1, CHUNKED},
    {{HEAR, SAYS("HTTP/1.1 204 No Content\r\n\r\n"), ENDLESS("x")}, 0, ": 204"},
};

static void who_does_not_end_is_ended(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(endless) / sizeof(endless[0]); i++) {
        struct odd_server s;

        start(&s, endless[i].steps);
        expect(&s, PATIENT_MS, endless[i].result, endless[i].behind);
        odd_server_stop(&s);
        /* Asked twice, by function and program; the rest lay in the kernel's buffers. */
        assert_true(atomic_load(&s.sent) < 100000000);
    }
}

/* What the function needs for any of these: less than 64 KiB of stack, and no heap.  A thread with
 * little more than that would not survive anything else. */
static void *ask_on_a_small_stack(void *arg)
{
    char reason[100];

    (void)snprintf(arg, 64, "%d", health_probe(arg, PATIENT_MS, reason, sizeof(reason)));
    return NULL;
}

static void a_small_stack_is_enough(void **state)
{
    pthread_attr_t attributes;
    size_t i;

    (void)state;
    if (PROCESS_SANITIZED || process_is_slow())
        skip(); /* they need a stack of their own */
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, 64 << 10), 0);
    for (i = 0; i < sizeof(endless) / sizeof(endless[0]); i++) {
        struct odd_server s;
        char url[64], expected[16];
        pthread_t thread;

        start(&s, endless[i].steps);
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/health", s.port);
        (void)snprintf(expected, sizeof(expected), "%d", endless[i].result);
        assert_int_equal(pthread_create(&thread, &attributes, ask_on_a_small_stack, url), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        odd_server_stop(&s);
        assert_string_equal(url, expected);
    }
    (void)pthread_attr_destroy(&attributes);
}

/* ---- Resets and ends ---- */

#define RESETS ODD_STEP(ODD_RESET)

static void a_reset_at_any_stage_is_no_answer(void **state)
{
    static const struct odd_step stages[][ODD_STEPS] = {
        {RESETS},
        {HEAR, RESETS},
        {HEAR, SAYS("H"), RESETS},
        {HEAR, SAYS("HTTP/1.1 200 OK"), RESETS},
        {HEAR, SAYS(OK), RESETS},
        {HEAR, SAYS(OK "Content-Length: 2\r\n\r\n"), RESETS},
        {HEAR, SAYS(OK "Content-Length: 2\r\n\r\no"), RESETS},
        /* Whose end would be the end of the connection. */
        {HEAR, SAYS(OK "\r\n"), RESETS},
        {HEAR, SAYS(OK "\r\nok"), RESETS},
        /* Some time later. */
        {HEAR, SLOWLY(OK "\r\nok", 2), RESETS},
        {SLOWLY(OK "\r\nok", 2), RESETS},
    };
    size_t i, again;

    (void)state;
    for (i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
        for (again = 0; again < 5; again++) {
            struct odd_server s;

            start(&s, stages[i]);
            expect(&s, PATIENT_MS, 1, RESET);
            odd_server_stop(&s);
        }
}

static void what_was_whole_before_the_reset_counts(void **state)
{
    static const struct odd_step steps[ODD_STEPS] = {
        HEAR, SAYS("HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno"), RESETS};
    struct odd_server s;

    (void)state;
    start(&s, steps);
    expect(&s, PATIENT_MS, 1, ": 503");
    odd_server_stop(&s);
}

/* A response cut at every byte, by an end and by a reset. */
static void cut_anywhere_it_is_no_health(void **state)
{
    static const char whole[] = OK "Server: x\r\nContent-Length: 9\r\n\r\n{\"a\":\"b\"}";
    size_t cut;

    (void)state;
    for (cut = 0; cut < sizeof(whole) - 1; cut++) {
        struct odd_step steps[ODD_STEPS] = {
            HEAR, {.what = ODD_SAY, .text = cut > 0 ? whole : "", .length = cut}, RESETS};
        struct odd_server s;
        char url[64], reason[400];

        start(&s, steps);
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", s.port);
        assert_int_equal(probing_ask(url, PATIENT_MS, reason, NULL), 1);
        odd_server_stop(&s);
        steps[2] = (struct odd_step)ODD_STEP(ODD_CLOSE);
        start(&s, steps);
        (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", s.port);
        assert_int_equal(probing_ask(url, PATIENT_MS, reason, NULL), 1);
        odd_server_stop(&s);
    }
}

/* ---- Our own side ---- */

static void nothing_is_left_open(void **state)
{
    int before = process_descriptors(0);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(endless) / sizeof(endless[0]); i++) {
        struct odd_server s;
        char url[64], reason[400];

        start(&s, endless[i].steps);
        (void)snprintf(url, sizeof(url), "http://localhost:%d/", s.port);
        assert_int_equal(probing_ask(url, PATIENT_MS, reason, NULL), endless[i].result);
        odd_server_stop(&s);
    }
    assert_int_equal(process_descriptors(0), before);
}

static int ask_without_descriptors(struct process *self, void *arg)
{
    const struct odd_server *s = arg;
    struct rlimit limit;
    char url[64], reason[400];
    int fds[64], count;

    (void)self;
    PROCESS_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 64;
    PROCESS_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    count = process_fill(fds, 64);
    (void)snprintf(url, sizeof(url), "http://localhost:%d/", s->port);
    PROCESS_CHECK(health_probe(url, PATIENT_MS, reason, sizeof(reason)) == 1);
    PROCESS_CHECK(strstr(reason, ": no descriptor left") != NULL);
    (void)snprintf(url, sizeof(url), "tcp:127.0.0.1:%d", s->port);
    PROCESS_CHECK(health_probe(url, PATIENT_MS, reason, sizeof(reason)) == 1);
    PROCESS_CHECK(strstr(reason, ": no descriptor left") != NULL);
    PROCESS_CHECK(health_probe("unix:/run/nothing", PATIENT_MS, reason, sizeof(reason)) == 1);
    PROCESS_CHECK(strstr(reason, ": no descriptor left") != NULL);

    /* A file needs none, and of two addresses one descriptor is enough for one. */
    PROCESS_CHECK(health_probe("file:/?max-age=99999h", PATIENT_MS, NULL, 0) >= 0);
    process_spill(fds + --count, 1);
    (void)snprintf(url, sizeof(url), "http://localhost:%d/", s->port);
    PROCESS_CHECK(health_probe(url, PATIENT_MS, reason, sizeof(reason)) == 0);
    process_spill(fds, count);
    return 0;
}

static void without_descriptors_it_says_so(void **state)
{
    static const struct odd_step steps[ODD_STEPS] = {
        HEAR, SAYS(OK "Content-Length: 0\r\n\r\n"), HANG};
    struct process child;
    struct odd_server s;

    (void)state;
    start(&s, steps);
    assert_int_equal(process_start(&child, ask_without_descriptors, &s), 0);
    assert_int_equal(process_end(&child), 0);
    odd_server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_slow_is_not_waited_for),
        cmocka_unit_test(a_failure_that_does_not_end_is_told),
        cmocka_unit_test(who_is_slow_but_in_time_is_heard),
        cmocka_unit_test(the_shortest_timeout_is_kept),
        cmocka_unit_test(the_default_is_two_seconds),
        cmocka_unit_test(a_server_that_reads_nothing_is_not_waited_for),
        cmocka_unit_test(who_does_not_end_is_ended),
        cmocka_unit_test(a_small_stack_is_enough),
        cmocka_unit_test(a_reset_at_any_stage_is_no_answer),
        cmocka_unit_test(what_was_whole_before_the_reset_counts),
        cmocka_unit_test(cut_anywhere_it_is_no_health),
        cmocka_unit_test(nothing_is_left_open),
        cmocka_unit_test(without_descriptors_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
