/*
 * On-demand checks: when they are run, how long a request waits for them, and that one which hangs
 * costs nobody anything, is named, and heals when it comes back.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* serial */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct health *start(unsigned response_ms, unsigned workers)
{
    struct health_options options = HEALTH_OPTIONS_INIT;

    options.response_ms = response_ms;
    options.workers = workers;
    return service_start(&options);
}

/* Adds an on-demand check of the puppet, which begins anew. */
static void add(struct health *h, struct puppet *p, const char *name, unsigned probes,
    unsigned timeout_ms, unsigned max_age_ms)
{
    struct health_check check;

    puppet_init(p);
    check = puppet_check(p, name);
    check.probes = probes;
    check.timeout_ms = timeout_ms;
    check.max_age_ms = max_age_ms;
    assert_accepted(health_add_check(h, &check));
}

/* How long the request takes, which must be answered with the code. */
static int takes(int port, const char *target, int code)
{
    int got, ms;

    ms = asking_takes(port, target, &got, NULL);
    assert_int_equal(got, code);
    return ms;
}

/* Has a check that is old after 1 ms run once more.  Returns: the document of the answer that has
 * waited for it. */
static json_t *run_again(struct puppet *p, int port, const char *target)
{
    unsigned before = puppet_begun(p);
    int64_t deadline = client_deadline(LONG_MS);
    json_t *doc;
    int code;

    for (;;) {
        (void)asking_takes(port, target, &code, &doc);
        if (puppet_begun(p) > before)
            return doc;
        document_free(doc);
        assert_true(client_now_ms() < deadline);
        asking_pause(2);
    }
}

/* The number of ms in "took 1,234 ms, limit 300"; -1 if the check says something else. */
static int64_t took(const json_t *doc, const char *name, int limit)
{
    const char *output = document_output(doc, name);
    char expected[64];
    int64_t ms;

    if (output == NULL || strncmp(output, "took ", 5) != 0)
        return -1;
    ms = strtol(output + 5, NULL, 10);
    if (strchr(output, ',') == output + 6)
        ms = ms * 1000 + strtol(output + 7, NULL, 10);
    if (ms < 1000)
        (void)snprintf(expected, sizeof(expected), "took %d ms, limit %d", (int)ms, limit);
    else
        (void)snprintf(expected, sizeof(expected), "took %d,%03d ms, limit %d", (int)(ms / 1000),
            (int)(ms % 1000), limit);
    assert_string_equal(output, expected);
    return ms;
}

/* Asks until the check passes, which it must not before it has told how long it took. */
static int64_t comes_back(int port, const char *target, const char *name, int limit)
{
    int64_t deadline = client_deadline(LONG_MS), ms = -1, seen;
    bool passes = false;
    json_t *doc;
    int code;

    while (!passes) {
        assert_true(client_now_ms() < deadline);
        (void)asking_takes(port, target, &code, &doc);
        seen = took(doc, name, limit);
        if (seen >= 0)
            ms = seen;
        else if (ms >= 0)
            assert_string_equal(document_check_status(doc, name), "pass");
        passes = strcmp(document_check_status(doc, name), "pass") == 0;
        document_free(doc);
        asking_pause(5);
    }
    assert_true(ms >= 0);
    return ms;
}

/* ---- When it is run ---- */

static void a_fresh_result_is_not_run_again(void **state)
{
    static const char *const targets[] = {
        "/ready", "/health", "/", "/health/db", "/readyz?verbose"};
    static struct puppet p;
    struct health *h = service_start(NULL);
    size_t i;

    (void)state;
    add(h, &p, "db", 0, LONG_MS, 60000);
    for (i = 0; i < 25; i++)
        assert_int_equal(client_status(service_port(h), targets[i % COUNT(targets)]), 200);
    assert_int_equal(puppet_begun(&p), 1);
    service_end(h);
}

static void nobody_asks_and_nothing_is_run(void **state)
{
    static struct puppet ready, live;
    struct health *h = service_start(NULL);

    (void)state;
    add(h, &ready, "ready", HEALTH_READY, LONG_MS, 1);
    add(h, &live, "live", HEALTH_LIVE, LONG_MS, 1);
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    assert_int_equal(client_status(service_port(h), "/health/live"), 200);
    assert_int_equal(puppet_begun(&ready), 0);
    service_end(h);
}

/* The shortest time between the end of a run and the begin of the next. */
static int64_t shortest_gap(struct puppet *p, unsigned runs)
{
    int64_t shortest = INT64_MAX, gap;
    unsigned run;

    for (run = 1; run < runs && run < PUPPET_TIMES; run++) {
        gap = puppet_begun_at(p, run) - puppet_ended_at(p, run - 1);
        shortest = gap < shortest ? gap : shortest;
    }
    return shortest;
}

static void a_result_older_than_max_age_is_run_again(void **state)
{
    static struct puppet usual, sooner;
    struct health *h = service_start(NULL);
    int64_t deadline = client_deadline(LONG_MS);

    (void)state;
    add(h, &usual, "usual", 0, LONG_MS, 0);
    add(h, &sooner, "sooner", 0, LONG_MS, 200);
    while (puppet_ended(&usual) < 2) {
        assert_true(client_now_ms() < deadline);
        assert_int_equal(client_status(service_port(h), "/ready"), 200);
        asking_pause(2);
    }
    assert_between(shortest_gap(&usual, 2), 1000 - ROUNDING_MS, 1000 + QUICK_MS);
    assert_between(shortest_gap(&sooner, puppet_ended(&sooner)), 200 - ROUNDING_MS, 200 + SLACK_MS);
    service_end(h);
}

static void all_who_ask_at_once_share_one_run(void **state)
{
    static struct puppet p;
    static struct client clients[50];
    struct health *h = service_start(NULL);
    int64_t begin;
    size_t i;

    (void)state;
    add(h, &p, "db", 0, LONG_MS, 0);
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    asking_pause(1010);
    puppet_takes(&p, 200);

    begin = client_now_ms();
    for (i = 0; i < COUNT(clients); i++)
        asking_begin(&clients[i], service_port(h), i % 2 == 0 ? "/ready" : "/health");
    for (i = 0; i < COUNT(clients); i++)
        assert_int_equal(asking_end(&clients[i], LONG_MS, NULL), 200);
    assert_between(client_now_ms() - begin, 200 - ROUNDING_MS, 200 + QUICK_MS);
    assert_int_equal(puppet_begun(&p), 2);
    service_end(h);
}

/* ---- How long a request waits ---- */

static void the_deadline_is_800_ms_by_itself(void **state)
{
    static struct puppet p;
    struct health *h = start(0, 0);
    int code, first, second;
    json_t *doc;

    (void)state;
    add(h, &p, "db", HEALTH_LIVE | HEALTH_READY, LONG_MS, 60000);
    puppet_hold(&p);
    first = asking_takes(service_port(h), "/ready", &code, &doc);
    assert_int_equal(code, 503);
    assert_check(doc, "db", "fail", "no result yet");
    document_free(doc);

    /* Pending is no failure of /live. */
    second = takes(service_port(h), "/live", 200);
    assert_between(first < second ? first : second, 800 - ROUNDING_MS, 800 + SLACK_MS);
    assert_between(first < second ? second : first, 800 - ROUNDING_MS, 800 + QUICK_MS);

    puppet_let_go(&p);
    doc = asking_until(service_port(h), "/health", "db", "pass", LONG_MS);
    document_free(doc);
    assert_int_equal(puppet_begun(&p), 1);
    service_end(h);
}

static void after_the_deadline_the_previous_result_is_shown(void **state)
{
    static struct puppet good, bad;
    struct health *h = start(500, 0);
    char *time_of_good;
    json_t *doc;
    int code;

    (void)state;
    add(h, &good, "good", HEALTH_READY, LONG_MS, 1);
    add(h, &bad, "bad", HEALTH_ALL, LONG_MS, 1);
    puppet_says(&bad, HEALTH_FAIL, "down");
    doc = document_get(service_port(h), "/health", 503);
    time_of_good = strdup(document_text(document_check(doc, "good"), "time"));
    assert_non_null(time_of_good);
    document_free(doc);

    puppet_hold(&good);
    puppet_hold(&bad);
    asking_pause(5);
    assert_between(
        asking_takes(service_port(h), "/health", &code, &doc), 500 - ROUNDING_MS, 500 + QUICK_MS);
    assert_int_equal(code, 503);
    assert_int_equal(puppet_begun(&good), 2);
    assert_int_equal(puppet_begun(&bad), 2);
    assert_string_equal(document_check_status(doc, "good"), "pass");
    assert_string_equal(document_text(document_check(doc, "good"), "time"), time_of_good);
    assert_check(doc, "bad", "fail", "down");
    document_free(doc);
    assert_int_equal(client_status(service_port(h), "/ready"), 200);

    free(time_of_good);
    puppet_let_go(&good);
    puppet_let_go(&bad);
    service_end(h);
}

static void the_option_makes_the_deadline_shorter(void **state)
{
    static struct puppet p;
    struct health *h = start(200, 0);

    (void)state;
    add(h, &p, "db", 0, LONG_MS, 0);
    puppet_hold(&p);
    assert_between(takes(service_port(h), "/ready", 503), 200 - ROUNDING_MS, 200 + SLACK_MS);
    puppet_let_go(&p);
    service_end(h);
}

static void the_option_makes_the_deadline_longer(void **state)
{
    static struct puppet p;
    struct health *h = start(3000, 0);

    (void)state;
    add(h, &p, "db", 0, LONG_MS, 0);
    puppet_takes(&p, 1200);
    assert_between(takes(service_port(h), "/ready", 200), 1200 - ROUNDING_MS, 2900);
    service_end(h);
}

static void each_request_has_its_own_deadline(void **state)
{
    static struct puppet p;
    struct client first, second;
    struct health *h = start(2000, 0);
    int64_t begin;

    (void)state;
    add(h, &p, "db", 0, LONG_MS, 0);
    puppet_hold(&p);
    asking_begin(&first, service_port(h), "/ready");
    asking_pause(1200);
    begin = client_now_ms();
    asking_begin(&second, service_port(h), "/ready");
    assert_int_equal(asking_end(&first, LONG_MS, NULL), 503);
    assert_between(client_now_ms() - begin, 0, 800 + SLACK_MS);
    assert_int_equal(asking_end(&second, LONG_MS, NULL), 503);
    assert_between(client_now_ms() - begin, 2000 - ROUNDING_MS, 2000 + QUICK_MS);
    puppet_let_go(&p);
    service_end(h);
}

static void a_request_waits_for_its_own_checks_alone(void **state)
{
    static struct puppet slow, quick;
    struct client waiting;
    struct health *h = start(60000, 0);
    json_t *doc;
    int i;

    (void)state;
    add(h, &slow, "slow", HEALTH_READY, LONG_MS, 0);
    add(h, &quick, "quick", HEALTH_LIVE, LONG_MS, 1);
    puppet_hold(&slow);
    asking_begin(&waiting, service_port(h), "/ready");
    assert_true(puppet_wait_begun(&slow, 1, LONG_MS));
    for (i = 0; i < 10; i++) {
        assert_between(takes(service_port(h), "/live", 200), 0, QUICK_MS);
        assert_between(takes(service_port(h), "/health/quick", 200), 0, QUICK_MS);
        assert_between(takes(service_port(h), "/health?exclude=slow", 200), 0, QUICK_MS);
    }
    puppet_let_go(&slow);
    assert_int_equal(asking_end(&waiting, QUICK_MS, &doc), 200);
    assert_string_equal(document_status(doc), "pass");
    document_free(doc);
    service_end(h);
}

static void ten_checks_of_100_ms_are_answered_together(void **state)
{
    static struct puppet puppets[10];
    struct health *h = start(60000, 0);
    const int enough = process_is_slow() ? SLACK_MS : 300;
    int ms = LONG_MS, code, round;
    char name[8];
    json_t *doc;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(puppets); i++) {
        (void)snprintf(name, sizeof(name), "c%zu", i);
        add(h, &puppets[i], name, 0, LONG_MS, 1);
        puppet_takes(&puppets[i], 100);
    }
    /* One after the other they would take 1,000 ms.  The best of some is the library's own time. */
    for (round = 1; round <= 20 && ms > enough; round++) {
        ms = asking_takes(service_port(h), "/health", &code, &doc);
        assert_int_equal(code, 200);
        assert_int_equal(document_count(doc), COUNT(puppets));
        for (i = 0; i < COUNT(puppets); i++)
            assert_int_equal(puppet_begun(&puppets[i]), round);
        document_free(doc);
        asking_pause(5);
    }
    assert_between(ms, 100 - ROUNDING_MS, enough);
    service_end(h);
}

/* ---- A callback that hangs ---- */

static void a_request_waits_until_the_timeout_and_not_for_an_overdue_run(void **state)
{
    static struct puppet p;
    struct health *h = start(60000, 0);
    int i;

    (void)state;
    add(h, &p, "db", 0, 200, 1);
    puppet_hold(&p);
    assert_between(takes(service_port(h), "/ready", 503), 200 - ROUNDING_MS, 200 + QUICK_MS);
    for (i = 0; i < 10; i++)
        assert_between(takes(service_port(h), "/ready", 503), 0, QUICK_MS);
    puppet_let_go(&p);
    service_end(h);
}

static void note_thread(struct health_result *result, void *tid)
{
    (void)result;
    atomic_store((atomic_long *)tid, syscall(SYS_gettid));
}

static void a_hung_check_is_named_and_hurts_no_other(void **state)
{
    static struct puppet hung, disk, loop;
    static atomic_long tid;
    struct health *h = service_start(NULL);
    char thread[32];
    int64_t ms;
    json_t *doc;
    int i, code;

    (void)state;
    add(h, &hung, "db", HEALTH_READY, 300, 1000);
    add(h, &disk, "disk", HEALTH_READY, LONG_MS, 1);
    add(h, &loop, "loop", HEALTH_LIVE, LONG_MS, 1);
    puppet_hold(&hung);
    puppet_calls(&hung, note_thread, &tid);
    assert_between(
        asking_takes(service_port(h), "/health", &code, &doc), 300 - ROUNDING_MS, 300 + QUICK_MS);
    assert_int_equal(code, 503);
    assert_string_equal(document_check_status(doc, "db"), "fail");
    assert_output_since(doc, "db", "no answer since ", " (thread N)");
    /* Its own, for a debugger. */
    (void)snprintf(thread, sizeof(thread), " (thread %ld)", atomic_load(&tid));
    assert_non_null(strstr(document_output(doc, "db"), thread));
    assert_string_equal(document_check_status(doc, "disk"), "pass");
    assert_string_equal(document_check_status(doc, "loop"), "pass");
    document_free(doc);

    for (i = 0; i < 5; i++) {
        asking_pause(3);
        assert_between(takes(service_port(h), "/ready", 503), 0, QUICK_MS);
        assert_between(takes(service_port(h), "/live", 200), 0, QUICK_MS);
        assert_between(takes(service_port(h), "/health/disk", 200), 0, QUICK_MS);
    }
    assert_true(puppet_begun(&disk) >= 5);
    doc = document_get(service_port(h), "/ready", 503);
    assert_int_equal(document_count(doc), 1);
    assert_output_since(doc, "db", "no answer since ", " (thread N)");
    document_free(doc);

    /* Long enough for "took 1,…". */
    asking_pause((int)(puppet_begun_at(&hung, 0) + 1050 - client_now_ms()));
    puppet_let_go(&hung);
    ms = comes_back(service_port(h), "/health", "db", 300);
    assert_between(ms, 1050 - ROUNDING_MS, client_now_ms() - puppet_begun_at(&hung, 0));
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    service_end(h);
}

static void a_run_past_its_timeout_is_a_fail_whatever_it_returned(void **state)
{
    static struct puppet p;
    struct health *h = start(200, 0);
    json_t *doc;
    int64_t ms;

    (void)state;
    add(h, &p, "db", 0, 300, 60000);
    puppet_takes(&p, 500);
    assert_int_equal(client_status(service_port(h), "/ready"), 503);
    assert_true(puppet_wait_ended(&p, 1, LONG_MS));
    do {
        doc = document_get(service_port(h), "/ready", 503);
        ms = took(doc, "db", 300);
        document_free(doc);
        assert_true(client_now_ms() < puppet_ended_at(&p, 0) + LONG_MS);
    } while (ms < 0);
    assert_between(ms, 500 - ROUNDING_MS, 500 + QUICK_MS);
    assert_int_equal(puppet_begun(&p), 1);
    service_end(h);
}

static void there_is_no_second_run_beside_the_first(void **state)
{
    static const char *const targets[] = {"/ready", "/health", "/health/db", "/live", "/startup"};
    static struct puppet p;
    static struct client clients[20];
    struct health *h = service_start(NULL);
    size_t i, round;

    (void)state;
    add(h, &p, "db", HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP, 100, 1);
    puppet_hold(&p);
    assert_int_equal(client_status(service_port(h), "/ready"), 503);
    for (round = 0; round < 5; round++) {
        for (i = 0; i < COUNT(clients); i++)
            asking_begin(&clients[i], service_port(h), targets[i % COUNT(targets)]);
        for (i = 0; i < COUNT(clients); i++)
            assert_int_equal(asking_end(&clients[i], LONG_MS, NULL), 503);
    }
    assert_int_equal(puppet_begun(&p), 1);

    puppet_let_go(&p);
    document_free(asking_until(service_port(h), "/health", "db", "pass", LONG_MS));
    assert_true(puppet_begun(&p) >= 2);
    assert_int_equal(puppet_most(&p), 1);
    service_end(h);
}

static void a_callback_knows_what_is_left(struct health_result *result, void *arg)
{
    unsigned *left = arg;
    int64_t begin = client_now_ms();

    left[0] = health_remaining_ms(result);
    while (health_remaining_ms(result) > 0 && client_now_ms() < begin + LONG_MS)
        asking_pause(1);
    left[1] = (unsigned)(client_now_ms() - begin);
    left[2] = health_remaining_ms(result);
}

static void what_is_left_of_the_timeout_goes_down_to_zero(void **state)
{
    static struct puppet p;
    static unsigned left[3];
    struct health *h = service_start(NULL);

    (void)state;
    add(h, &p, "db", 0, 1000, 60000);
    puppet_calls(&p, a_callback_knows_what_is_left, left);
    assert_int_equal(client_status(service_port(h), "/ready"), 503);
    assert_true(puppet_wait_ended(&p, 1, LONG_MS));
    assert_between(left[0], 1, 1000);
    assert_between(left[1], (int64_t)left[0] - ROUNDING_MS, left[0] + QUICK_MS);
    assert_int_equal(left[2], 0);
    service_end(h);
}

/* ---- How it is judged ---- */

/* Runs the check once more with this result, and checks what is shown. */
static void run_and_check(struct puppet *p, int port, int returns, const char *says,
    const char *status, const char *output)
{
    json_t *doc;

    puppet_says(p, returns, says);
    doc = run_again(p, port, "/health");
    assert_check(doc, "db", status, output);
    document_free(doc);
}

static void thresholds_count_results_in_a_row(void **state)
{
    static struct puppet p;
    struct health_check check;
    struct health *h = service_start(NULL);
    int port = service_port(h);

    (void)state;
    puppet_init(&p);
    check = puppet_check(&p, "db");
    check.max_age_ms = 1;
    check.timeout_ms = LONG_MS;
    check.failures = 3;
    check.successes = 2;
    assert_accepted(health_add_check(h, &check));

    /* Pending until the first good one. */
    run_and_check(&p, port, HEALTH_FAIL, "down", "fail", "1 of 3 bad results: down");
    run_and_check(&p, port, HEALTH_PASS, NULL, "pass", NULL);

    run_and_check(&p, port, HEALTH_FAIL, "down", "pass", NULL);
    run_and_check(&p, port, HEALTH_FAIL, "down", "pass", NULL);
    run_and_check(&p, port, HEALTH_PASS, NULL, "pass", NULL);
    run_and_check(&p, port, HEALTH_FAIL, "down", "pass", NULL);
    run_and_check(&p, port, HEALTH_FAIL, "down", "pass", NULL);
    run_and_check(&p, port, HEALTH_FAIL, "down", "fail", "down");

    run_and_check(&p, port, HEALTH_PASS, NULL, "fail", "1 of 2 good results");
    run_and_check(&p, port, HEALTH_FAIL, "again", "fail", "again");
    run_and_check(&p, port, HEALTH_PASS, NULL, "fail", "1 of 2 good results");
    run_and_check(&p, port, HEALTH_WARN, "slow", "warn", "slow");
    run_and_check(&p, port, HEALTH_PASS, NULL, "pass", NULL);
    service_end(h);
}

static void a_hung_check_fails_at_once_whatever_its_threshold(void **state)
{
    static struct puppet p;
    struct health_check check;
    struct health *h = service_start(NULL);
    int port = service_port(h);
    json_t *doc;

    (void)state;
    puppet_init(&p);
    check = puppet_check(&p, "db");
    check.max_age_ms = 1;
    check.timeout_ms = 300;
    check.failures = 5;
    check.successes = 2;
    assert_accepted(health_add_check(h, &check));
    run_and_check(&p, port, HEALTH_PASS, NULL, "pass", NULL);

    puppet_hold(&p);
    doc = run_again(&p, port, "/health");
    assert_string_equal(document_check_status(doc, "db"), "fail");
    assert_output_since(doc, "db", "no answer since ", " (thread N)");
    document_free(doc);

    puppet_let_go(&p);
    assert_true(puppet_wait_ended(&p, 2, LONG_MS));
    run_and_check(&p, port, HEALTH_PASS, NULL, "fail", "1 of 2 good results");
    run_and_check(&p, port, HEALTH_PASS, NULL, "pass", NULL);
    service_end(h);
}

static void what_is_no_status_is_a_fail(void **state)
{
    static struct puppet p;
    struct health *h = service_start(NULL);
    int port = service_port(h);

    (void)state;
    add(h, &p, "db", 0, LONG_MS, 1);
    run_and_check(&p, port, 7, NULL, "fail", "returned 7");
    run_and_check(&p, port, HEALTH_PASS, NULL, "pass", NULL);
    run_and_check(&p, port, 3, NULL, "fail", "returned 3");
    run_and_check(&p, port, -1, NULL, "fail", "returned -1");
    run_and_check(&p, port, 7, "odd", "fail", "returned 7: odd");
    assert_int_equal(client_status(port, "/ready"), 503);
    service_end(h);
}

static void an_advisory_check_warns_at_worst(void **state)
{
    static struct puppet p;
    struct health_check check;
    struct health *h = start(200, 0);
    int port = service_port(h);
    json_t *doc;

    (void)state;
    puppet_init(&p);
    check = puppet_check(&p, "db");
    check.probes = HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP;
    check.advisory = 1;
    check.max_age_ms = 1;
    check.timeout_ms = 500;
    assert_accepted(health_add_check(h, &check));

    /* Pending, */
    puppet_hold(&p);
    doc = document_get(port, "/ready", 200);
    assert_string_equal(document_status(doc), "warn");
    assert_check(doc, "db", "warn", "no result yet");
    document_free(doc);
    assert_int_equal(client_status(port, "/live"), 200);
    assert_int_equal(client_status(port, "/startup"), 200);

    /* overdue, */
    asking_pause((int)(puppet_begun_at(&p, 0) + 520 - client_now_ms()));
    doc = document_get(port, "/health", 200);
    assert_string_equal(document_check_status(doc, "db"), "warn");
    assert_output_since(doc, "db", "no answer since ", " (thread N)");
    document_free(doc);
    assert_int_equal(client_status(port, "/live"), 200);

    /* and failing. */
    puppet_let_go(&p);
    assert_true(puppet_wait_ended(&p, 1, LONG_MS));
    run_and_check(&p, port, HEALTH_FAIL, "down", "warn", "down");
    run_and_check(&p, port, 7, NULL, "warn", "returned 7");
    run_and_check(&p, port, HEALTH_PASS, NULL, "pass", NULL);
    service_end(h);
}

/* ---- Workers ---- */

/* Checks that hang for longer than anybody waits, in all workers that there may be. */
static void occupy(struct health *h, struct puppet *puppets, unsigned count)
{
    char name[16];
    unsigned i;

    for (i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "long%u", i);
        add(h, &puppets[i], name, HEALTH_STARTUP | HEALTH_LIVE, 60000, 60000);
        puppet_hold(&puppets[i]);
    }
    assert_int_equal(client_status(service_port(h), "/startup"), 503);
    for (i = 0; i < count; i++)
        assert_true(puppet_wait_begun(&puppets[i], 1, LONG_MS));
}

static void check_no_free_worker(unsigned workers)
{
    static struct puppet longs[2], quick;
    struct health *h = start(200, workers);
    json_t *doc;
    unsigned i;

    occupy(h, longs, workers);
    add(h, &quick, "quick", HEALTH_LIVE, 150, 1000);
    doc = document_get(service_port(h), "/health/quick", 503);
    assert_output_since(doc, "quick", "not started since ", ": no free worker");
    document_free(doc);
    assert_int_equal(puppet_begun(&quick), 0);

    puppet_let_go(&longs[0]);
    (void)comes_back(service_port(h), "/health/quick", "quick", 150);
    assert_true(puppet_begun(&quick) >= 2);
    for (i = 1; i < workers; i++)
        puppet_let_go(&longs[i]);
    service_end(h);
}

static void without_a_free_worker_the_check_says_so(void **state)
{
    (void)state;
    check_no_free_worker(1);
    check_no_free_worker(2);
}

/* Of many checks only so many are run at once, with two workers. */
static void check_run_at_once(unsigned probes, unsigned most)
{
    static struct puppet puppets[6];
    struct health *h = start(300, 2);
    unsigned i, begun = 0;
    char name[16];

    for (i = 0; i < COUNT(puppets); i++) {
        (void)snprintf(name, sizeof(name), "c%u", i);
        add(h, &puppets[i], name, probes, 60000, 60000);
        puppet_hold(&puppets[i]);
    }
    assert_int_equal(client_status(service_port(h), "/ready"), 503);
    for (i = 0; i < most; i++)
        assert_true(puppet_wait_begun(&puppets[i], 1, LONG_MS));
    /* Long enough for one more. */
    asking_pause(100);
    for (i = 0; i < COUNT(puppets); i++)
        begun += puppet_begun(&puppets[i]);
    assert_int_equal(begun, most);
    for (i = 0; i < COUNT(puppets); i++)
        puppet_let_go(&puppets[i]);
    for (i = 0; i < COUNT(puppets); i++)
        assert_true(puppet_wait_ended(&puppets[i], 1, LONG_MS));
    service_end(h);
}

static void no_more_run_at_once_than_workers(void **state)
{
    (void)state;
    check_run_at_once(HEALTH_LIVE | HEALTH_READY, 2);
    /* The other worker is kept for /live. */
    check_run_at_once(HEALTH_READY, 1);
}

static void overdue_runs_leave_their_workers_to_others(void **state)
{
    static struct puppet hung[20], good;
    struct health *h;
    int threads = process_threads(0);
    char name[16];
    json_t *doc;
    unsigned i;
    int code;

    (void)state;
    h = start(60000, 1);
    for (i = 0; i < COUNT(hung); i++) {
        (void)snprintf(name, sizeof(name), "hung%u", i);
        add(h, &hung[i], name, HEALTH_STARTUP, 150, 60000);
        puppet_hold(&hung[i]);
    }
    add(h, &good, "good", HEALTH_READY, LONG_MS, 60000);
    assert_int_equal(client_status(service_port(h), "/startup"), 503);

    /* Behind all those that have not begun. */
    assert_between(
        asking_takes(service_port(h), "/health/good", &code, &doc), 0, INT64_C(4) * QUICK_MS);
    assert_int_equal(code, 200);
    document_free(doc);
    for (i = 0; i < COUNT(hung); i++)
        assert_true(puppet_wait_begun(&hung[i], 1, LONG_MS));
    doc = document_get(service_port(h), "/health", 503);
    assert_int_equal(document_count(doc), COUNT(hung) + 1);
    for (i = 0; i < COUNT(hung); i++) {
        (void)snprintf(name, sizeof(name), "hung%u", i);
        assert_output_since(doc, name, "no answer since ", " (thread N)");
    }
    document_free(doc);

    /* When they come back, their threads go: but for the loop and a worker. */
    for (i = 0; i < COUNT(hung); i++)
        puppet_let_go(&hung[i]);
    assert_true(process_wait_threads(0, threads + 2, client_deadline(LONG_MS)));
    service_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_result_is_not_run_again),
        cmocka_unit_test(nobody_asks_and_nothing_is_run),
        cmocka_unit_test(a_result_older_than_max_age_is_run_again),
        cmocka_unit_test(all_who_ask_at_once_share_one_run),
        cmocka_unit_test(the_deadline_is_800_ms_by_itself),
        cmocka_unit_test(after_the_deadline_the_previous_result_is_shown),
        cmocka_unit_test(the_option_makes_the_deadline_shorter),
        cmocka_unit_test(the_option_makes_the_deadline_longer),
        cmocka_unit_test(each_request_has_its_own_deadline),
        cmocka_unit_test(a_request_waits_for_its_own_checks_alone),
        cmocka_unit_test(ten_checks_of_100_ms_are_answered_together),
        cmocka_unit_test(a_request_waits_until_the_timeout_and_not_for_an_overdue_run),
        cmocka_unit_test(a_hung_check_is_named_and_hurts_no_other),
        cmocka_unit_test(a_run_past_its_timeout_is_a_fail_whatever_it_returned),
        cmocka_unit_test(there_is_no_second_run_beside_the_first),
        cmocka_unit_test(what_is_left_of_the_timeout_goes_down_to_zero),
        cmocka_unit_test(thresholds_count_results_in_a_row),
        cmocka_unit_test(a_hung_check_fails_at_once_whatever_its_threshold),
        cmocka_unit_test(what_is_no_status_is_a_fail),
        cmocka_unit_test(an_advisory_check_warns_at_worst),
        cmocka_unit_test(without_a_free_worker_the_check_says_so),
        cmocka_unit_test(no_more_run_at_once_than_workers),
        cmocka_unit_test(overdue_runs_leave_their_workers_to_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
