/*
 * Startup: what lets it pass, that it stays so, and what counts from then on.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: clock_gettime */
#include "answer/answer.h"

#include "reply_by_hand.h"

#define T 10000 /* when it begins */

static struct hand h;
static struct health__engine *const e = &h.engine;
static struct health__answers answers;
static struct health__check *startup; /* a check of /startup, pending at first */

static int open_answers(void **unused)
{
    (void)unused;
    hand_open(&h, T);
    answers_open(&answers, &h);
    startup = hand_add(&h, .name = "s", .probes = HEALTH_STARTUP, .max_age_ms = 3600000);
    return 0;
}

static int close_answers(void **unused)
{
    (void)unused;
    answers_close(&answers);
    hand_close(&h);
    return 0;
}

static enum health_status ask(enum health__endpoint endpoint)
{
    const struct health__request request = {.endpoint = endpoint};

    return answers_ask(&answers, &h, &request).status;
}

static bool is_latched(void)
{
    return (health__gates_read(&h.gates) & HEALTH__LATCHED) != 0;
}

static void startup_passes_when_its_checks_do(void **unused)
{
    (void)unused;
    assert_int_equal(ask(HEALTH__AT_STARTUP), HEALTH_FAIL);
    assert_int_equal(ask(HEALTH__AT_READY), HEALTH_FAIL);
    hand_return(&h, startup, HEALTH_FAIL, NULL);
    health__runs_collect(e);
    assert_int_equal(ask(HEALTH__AT_STARTUP), HEALTH_FAIL);
    assert_int_equal(ask(HEALTH__AT_READY), HEALTH_FAIL);
    assert_false(is_latched());
    hand_run(&h, startup, HEALTH_WARN, NULL);
    assert_int_equal(ask(HEALTH__AT_STARTUP), HEALTH_PASS);
    assert_true(is_latched());
}

static void ready_lets_it_pass_as_well(void **unused)
{
    struct health__check *ready = hand_add(&h, .name = "r", .max_age_ms = 3600000);

    (void)unused;
    hand_run(&h, startup, HEALTH_PASS, NULL);
    hand_run(&h, ready, HEALTH_FAIL, NULL);
    assert_int_equal(ask(HEALTH__AT_READY), HEALTH_FAIL);
    assert_true(is_latched());
}

static void live_and_health_do_not(void **unused)
{
    (void)unused;
    hand_run(&h, startup, HEALTH_PASS, NULL);
    assert_int_equal(ask(HEALTH__AT_LIVE), HEALTH_PASS);
    assert_int_equal(ask(HEALTH__AT_HEALTH), HEALTH_PASS);
    assert_false(is_latched());
}

static void nor_does_one_who_leaves_out_what_counts(void **unused)
{
    static const struct health__request requests[] = {
        {.endpoint = HEALTH__AT_STARTUP, .excludes = "s", .exclude_count = 1},
        {.endpoint = HEALTH__AT_READY, .excludes = "s", .exclude_count = 1},
        {.endpoint = HEALTH__AT_READY, .excludes = "none", .exclude_count = 1},
        {.endpoint = HEALTH__AT_STARTUP, .only = "s"},
    };
    size_t i;

    (void)unused;
    hand_run(&h, startup, HEALTH_PASS, NULL);
    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct health__answer answer = answers_ask(&answers, &h, &requests[i]);

        assert_int_equal(answer.status, HEALTH_PASS);
        answers.maker->drop(answer.reply);
        assert_false(is_latched());
    }
}

static void a_service_that_has_not_started_does_not_pass(void **unused)
{
    (void)unused;
    hand_run(&h, startup, HEALTH_PASS, NULL);
    health__gates_set(&h.gates, HEALTH__NOT_STARTED, true);
    assert_int_equal(ask(HEALTH__AT_STARTUP), HEALTH_FAIL);
    assert_int_equal(ask(HEALTH__AT_READY), HEALTH_FAIL);
    assert_int_equal(ask(HEALTH__AT_HEALTH), HEALTH_FAIL);
    assert_int_equal(ask(HEALTH__AT_LIVE), HEALTH_PASS);
    assert_false(is_latched());
    health__gates_set(&h.gates, HEALTH__NOT_STARTED, false);
    assert_int_equal(ask(HEALTH__AT_STARTUP), HEALTH_PASS);
    assert_true(is_latched());
    /* From then on it is started, whatever it says. */
    health__gates_set(&h.gates, HEALTH__NOT_STARTED, true);
    assert_int_equal(ask(HEALTH__AT_STARTUP), HEALTH_PASS);
    assert_int_equal(ask(HEALTH__AT_READY), HEALTH_PASS);
    assert_int_equal(ask(HEALTH__AT_HEALTH), HEALTH_PASS);
}

static void draining_and_not_ready_do_not_keep_it_from_passing(void **unused)
{
    (void)unused;
    hand_run(&h, startup, HEALTH_PASS, NULL);
    health__gates_set(&h.gates, HEALTH__NOT_READY | HEALTH__DRAINING, true);
    assert_int_equal(ask(HEALTH__AT_READY), HEALTH_FAIL);
    assert_true(is_latched());
    assert_int_equal(ask(HEALTH__AT_STARTUP), HEALTH_PASS);
}

static void once_passed_its_checks_count_for_health_alone(void **unused)
{
    struct health__request verbose = {.endpoint = HEALTH__AT_STARTUP, .verbose = true};
    struct health__question question;
    struct health__answer answer;

    (void)unused;
    hand_run(&h, startup, HEALTH_PASS, NULL);
    assert_int_equal(ask(HEALTH__AT_STARTUP), HEALTH_PASS);
    hand_run(&h, startup, HEALTH_FAIL, NULL);
    assert_int_equal(ask(HEALTH__AT_STARTUP), HEALTH_PASS);
    assert_int_equal(ask(HEALTH__AT_READY), HEALTH_PASS);
    assert_int_equal(ask(HEALTH__AT_HEALTH), HEALTH_FAIL);
    /* They are shown as last known, and not run for it. */
    health__answer_question(&answers, &verbose, &question);
    assert_int_equal(question.probes, 0);
    answer = answers_ask(&answers, &h, &verbose);
    assert_int_equal(answer.status, HEALTH_PASS);
    assert_non_null(strstr(answer.reply->bytes, "{\"status\":\"pass\""));
    assert_non_null(strstr(answer.reply->bytes, "\"s\":[{\"status\":\"fail\""));
    verbose.endpoint = HEALTH__AT_READY;
    answer = answers_ask(&answers, &h, &verbose);
    assert_null(strstr(answer.reply->bytes, "\"s\""));
}

static void once_passed_it_still_knows_what_comes_and_goes(void **unused)
{
    const struct health__request verbose = {.endpoint = HEALTH__AT_STARTUP, .verbose = true};
    struct health_check late = HEALTH_CHECK_INIT;

    (void)unused;
    hand_run(&h, startup, HEALTH_PASS, NULL);
    assert_int_equal(ask(HEALTH__AT_STARTUP), HEALTH_PASS);
    late.name = "late";
    late.probes = HEALTH_STARTUP;
    assert_int_equal(health__engine_add(e, &late), 0);
    assert_non_null(strstr(answers_ask(&answers, &h, &verbose).reply->bytes, "\"late\""));
    assert_int_equal(health__engine_remove(e, "late"), 0);
    assert_null(strstr(answers_ask(&answers, &h, &verbose).reply->bytes, "\"late\""));
}

/* What is rendered in the very request that lets it pass is what counts from then on. */
static void the_request_that_lets_it_pass_is_answered_so(void **unused)
{
    const struct health__request verbose = {.endpoint = HEALTH__AT_READY, .verbose = true};
    struct health__answer answer;

    (void)unused;
    hand_run(&h, startup, HEALTH_WARN, NULL);
    answer = answers_ask(&answers, &h, &verbose);
    assert_int_equal(answer.status, HEALTH_PASS);
    assert_null(strstr(answer.reply->bytes, "\"s\""));
    assert_ptr_equal(answers_ask(&answers, &h, &verbose).reply, answer.reply);
}

static void what_is_asked_follows_from_it(void **unused)
{
    static const struct {
        enum health__endpoint endpoint;
        unsigned before, after;
    } table[] = {
        {HEALTH__AT_LIVE, HEALTH_LIVE, HEALTH_LIVE},
        {HEALTH__AT_READY, HEALTH_READY | HEALTH_STARTUP, HEALTH_READY},
        {HEALTH__AT_STARTUP, HEALTH_STARTUP, 0},
        {HEALTH__AT_HEALTH, HEALTH_ALL, HEALTH_ALL},
    };
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct health__request request = {
            .endpoint = table[i].endpoint, .only = "one", .excludes = "a\0b", .exclude_count = 2};
        struct health__question q;

        health__gates_set(&h.gates, HEALTH__LATCHED, false);
        health__answer_question(&answers, &request, &q);
        assert_int_equal(q.probes, table[i].before);
        assert_ptr_equal(q.only, request.only);
        assert_ptr_equal(q.excludes, request.excludes);
        assert_int_equal(q.exclude_count, 2);
        health__gates_set(&h.gates, HEALTH__LATCHED, true);
        health__answer_question(&answers, &request, &q);
        assert_int_equal(q.probes, table[i].after);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_answers, close_answers)
    const struct CMUnitTest tests[] = {
        TEST(startup_passes_when_its_checks_do),
        TEST(ready_lets_it_pass_as_well),
        TEST(live_and_health_do_not),
        TEST(nor_does_one_who_leaves_out_what_counts),
        TEST(a_service_that_has_not_started_does_not_pass),
        TEST(draining_and_not_ready_do_not_keep_it_from_passing),
        TEST(once_passed_its_checks_count_for_health_alone),
        TEST(once_passed_it_still_knows_what_comes_and_goes),
        TEST(the_request_that_lets_it_pass_is_answered_so),
        TEST(what_is_asked_follows_from_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
