/*
 * Kept documents: rendered again when something that they show has changed, and not otherwise; each
 * for its own kind of request.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: clock_gettime */
#include "answer/answer.h"

#include "reply_by_hand.h"

#define T    10000         /* when it begins */
#define WALL 1795508100000 /* 2026-11-24T08:15:00Z */

static struct hand h;
static struct health__engine *const e = &h.engine;
static struct health__answers answers;
static int made_before; /* documents */

static int open_answers(void **unused)
{
    (void)unused;
    hand_open(&h, T);
    fake_clock_set_wall(WALL - T);
    answers_open(&answers, &h);
    made_before = 0;
    return 0;
}

static int close_answers(void **unused)
{
    (void)unused;
    answers_close(&answers);
    hand_close(&h);
    return 0;
}

static struct health__answer ask(enum health__endpoint endpoint)
{
    const struct health__request request = {.endpoint = endpoint};

    return answers_ask(&answers, &h, &request);
}

static struct health__answer ask_verbose(enum health__endpoint endpoint)
{
    const struct health__request request = {.endpoint = endpoint, .verbose = true, .details = true};

    return answers_ask(&answers, &h, &request);
}

/* Fails unless the endpoint is answered so, from a document that is kept. */
static void is(enum health__endpoint endpoint, enum health_status status, const char *document)
{
    struct health__answer answer = ask(endpoint);

    assert_true(answer.found);
    assert_true(answer.kept);
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.reply->bytes, document);
}

/* Fails unless since the last time so many documents were rendered. */
static void rendered(int count)
{
    int made = replies.made - made_before;

    made_before = replies.made;
    assert_int_equal(made, count);
}

#define GATES(started, ready, draining)                                                            \
    ",\"gates\":{\"started\":" started ",\"ready\":" ready ",\"draining\":" draining "}"
#define OPEN        GATES("true", "true", "false")
#define CHECKS(all) ",\"checks\":{" all "}}"

/* ---- What is shown ---- */

static void an_engine_without_checks_passes(void **unused)
{
    static const char pass[] = "{\"status\":\"pass\"" OPEN CHECKS("");

    (void)unused;
    is(HEALTH__AT_LIVE, HEALTH_PASS, pass);
    is(HEALTH__AT_READY, HEALTH_PASS, pass);
    is(HEALTH__AT_STARTUP, HEALTH_PASS, pass);
    is(HEALTH__AT_HEALTH, HEALTH_PASS, pass);
}

static void a_heartbeat_that_is_new_is_missed_as_well(void **unused)
{
    (void)unused;
    is(HEALTH__AT_LIVE, HEALTH_PASS, "{\"status\":\"pass\"" OPEN CHECKS(""));
    (void)hand_add_heartbeat(&h, "loop", 1000, 0);
    is(HEALTH__AT_LIVE, HEALTH_PASS, "{\"status\":\"pass\"" OPEN CHECKS(""));
    hand_at(&h, T + 1000);
    assert_int_equal(ask(HEALTH__AT_LIVE).status, HEALTH_PASS);
    hand_at(&h, T + 1001);
    assert_int_equal(ask(HEALTH__AT_LIVE).status, HEALTH_FAIL);
}

static void the_service_says_who_it_is(void **unused)
{
    (void)unused;
    answers.version = "1";
    answers.release_id = "2";
    answers.service_id = "3";
    answers.description = "4";
    is(HEALTH__AT_LIVE, HEALTH_PASS,
        "{\"status\":\"pass\",\"version\":\"1\",\"releaseId\":\"2\",\"serviceId\":\"3\","
        "\"description\":\"4\"" OPEN CHECKS(""));
}

static void checks_are_shown_as_the_endpoint_counts_them(void **unused)
{
    struct health__check *bad = hand_add(&h, .name = "bad", .probes = HEALTH_LIVE | HEALTH_READY);

    (void)unused;
    (void)hand_add(&h, .name = "soft", .probes = HEALTH_READY | HEALTH_STARTUP, .advisory = 1);
    (void)hand_add(&h, .name = "good");
    hand_run(&h, hand_find(&h, "good"), HEALTH_PASS, NULL);
    is(HEALTH__AT_LIVE, HEALTH_PASS, "{\"status\":\"pass\"" OPEN CHECKS(""));
    hand_run(&h, bad, HEALTH_FAIL, "words");
    hand_at(&h, T + 3000);
#define BAD                                                                                        \
    "\"bad\":[{\"status\":\"fail\",\"time\":\"2026-11-24T08:15:00.000Z\",\"durationMs\":1.5,"      \
    "\"since\":\"2026-11-24T08:15:00.000Z\"}]"
#define SOFT "\"soft\":[{\"status\":\"warn\",\"since\":\"2026-11-24T08:15:00.000Z\"}]"
#define GOOD                                                                                       \
    "\"good\":[{\"status\":\"pass\",\"time\":\"2026-11-24T08:15:00.000Z\",\"durationMs\":1.5,"     \
    "\"since\":\"2026-11-24T08:15:00.000Z\"}]"
    is(HEALTH__AT_LIVE, HEALTH_FAIL, "{\"status\":\"fail\"" OPEN CHECKS(BAD));
    is(HEALTH__AT_READY, HEALTH_FAIL, "{\"status\":\"fail\"" OPEN CHECKS(BAD "," SOFT));
    /* It has passed, though not without a word. */
    is(HEALTH__AT_STARTUP, HEALTH_PASS, "{\"status\":\"pass\"" OPEN CHECKS(SOFT));
    is(HEALTH__AT_HEALTH, HEALTH_FAIL, "{\"status\":\"fail\"" OPEN CHECKS(BAD "," SOFT "," GOOD));
}

static void details_are_told_to_whom_they_are_for(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c");
    struct health_result said;
    struct health__request request = {.endpoint = HEALTH__AT_HEALTH};
    struct health__answer remote, local;

    (void)unused;
    health__runs_queue(e, c);
    health__result_init(&said, HEALTH__NEVER);
    (void)health_explain(&said, HEALTH_FAIL, "words");
    health_observe(&said, 0.5, "%");
    hand_return(&h, c, HEALTH_FAIL, NULL);
    c->outcome_words = health__words_keep(&said);
    health__runs_collect(e);

    remote = answers_ask(&answers, &h, &request);
    request.details = true;
    local = answers_ask(&answers, &h, &request);
#define TIMES "\"durationMs\":1.5,\"since\":\"2026-11-24T08:15:00.000Z\"}]"
    assert_string_equal(
        local.reply->bytes, "{\"status\":\"fail\"" OPEN CHECKS(
                                "\"c\":[{\"status\":\"fail\",\"time\":\"2026-11-24T08:15:"
                                "00.000Z\",\"observedValue\":0.5,\"observedUnit\":\"%\","
                                "\"output\":\"words\"," TIMES));
    assert_string_equal(remote.reply->bytes,
        "{\"status\":\"fail\"" OPEN CHECKS(
            "\"c\":[{\"status\":\"fail\",\"time\":\"2026-11-24T08:15:00.000Z\"," TIMES));
    /* Each is kept for itself. */
    rendered(2);
    assert_ptr_equal(answers_ask(&answers, &h, &request).reply, local.reply);
    request.details = false;
    assert_ptr_equal(answers_ask(&answers, &h, &request).reply, remote.reply);
    rendered(0);

    /* A reason is told where there is trouble, a value always. */
    health__runs_queue(e, c);
    hand_return(&h, c, HEALTH_PASS, NULL);
    c->outcome_words = health__words_keep(&said);
    health__runs_collect(e);
    request.details = true;
    local = answers_ask(&answers, &h, &request);
    assert_non_null(strstr(local.reply->bytes, "observedValue\":0.5"));
    assert_null(strstr(local.reply->bytes, "output"));
}

/* Why, where the callback has not said it, or has said nothing. */
static void reasons_are_as_things_are(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .timeout_ms = 500);

    (void)unused;
    assert_non_null(
        strstr(ask_verbose(HEALTH__AT_READY).reply->bytes, "\"output\":\"no result yet\""));
    assert_null(strstr(ask_verbose(HEALTH__AT_LIVE).reply->bytes, "output"));
    hand_return(&h, c, HEALTH_FAIL, NULL);
    health__runs_collect(e);
    assert_null(strstr(ask_verbose(HEALTH__AT_READY).reply->bytes, "output"));
    health__runs_queue(e, c);
    hand_turn(&h, T + 500);
    assert_non_null(strstr(ask_verbose(HEALTH__AT_READY).reply->bytes,
        "\"output\":\"not started since 08:15:00Z: no free worker\""));
    hand_begin(&h, c);
    hand_turn(&h, T + 501);
    assert_non_null(strstr(ask_verbose(HEALTH__AT_READY).reply->bytes,
        "\"output\":\"no answer since 08:15:00Z (thread 4711)\""));
}

static void each_kind_of_request_has_its_own(void **unused)
{
    const struct health__reply *seen[HEALTH__ENDPOINTS * 4];
    size_t count = 0, i, round;

    (void)unused;
    (void)hand_add_pushed(&h, .name = "p");
    hand_report(&h, "p", HEALTH_PASS, NULL);
    (void)ask(HEALTH__AT_READY); /* startup passes */
    health__answers_clear(&answers);
    rendered(1);
    for (round = 0; round < 2; round++)
        for (i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
            const struct health__request request = {
                .endpoint = (enum health__endpoint)(i / 4), .verbose = i & 1, .details = i & 2};
            struct health__answer answer = answers_ask(&answers, &h, &request);

            assert_true(answer.kept);
            if (round == 0)
                seen[count++] = answer.reply;
            else
                assert_ptr_equal(answer.reply, seen[i]);
        }
    rendered(HEALTH__ENDPOINTS * 4);
}

static void what_passes_is_listed_when_asked_for(void **unused)
{
    (void)unused;
    (void)hand_add_pushed(&h, .name = "p", .probes = HEALTH_LIVE);
    hand_report(&h, "p", HEALTH_PASS, "words");
    assert_null(strstr(ask(HEALTH__AT_LIVE).reply->bytes, "\"p\""));
    assert_non_null(
        strstr(ask_verbose(HEALTH__AT_LIVE).reply->bytes, "\"p\":[{\"status\":\"pass\""));
    assert_null(strstr(ask_verbose(HEALTH__AT_LIVE).reply->bytes, "words"));
}

/* ---- What is kept, and for how long ---- */

static void while_nothing_changes_nothing_is_rendered(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c", .probes = HEALTH_LIVE | HEALTH_READY);
    int i;

    (void)unused;
    hand_run(&h, c, HEALTH_FAIL, "down");
    (void)ask(HEALTH__AT_LIVE);
    rendered(1);
    for (i = 0; i < 100; i++) {
        hand_at(&h, T + i * 5);
        (void)ask(HEALTH__AT_LIVE);
    }
    rendered(0);
}

static void a_result_renders_what_shows_it(void **unused)
{
    struct health__check *c = hand_add(&h, .name = "c");

    (void)unused;
    hand_run(&h, c, HEALTH_PASS, NULL);
    (void)ask(HEALTH__AT_READY); /* startup passes */
    (void)ask(HEALTH__AT_LIVE);
    (void)ask_verbose(HEALTH__AT_LIVE);
    (void)ask(HEALTH__AT_STARTUP);
    (void)ask_verbose(HEALTH__AT_READY);
    (void)ask(HEALTH__AT_HEALTH);
    rendered(6);
    /* The same again: shown are the times. */
    hand_run(&h, c, HEALTH_PASS, NULL);
    (void)ask(HEALTH__AT_LIVE);
    (void)ask_verbose(HEALTH__AT_LIVE);
    (void)ask(HEALTH__AT_STARTUP);
    (void)ask(HEALTH__AT_READY);
    rendered(0);
    (void)ask_verbose(HEALTH__AT_READY);
    rendered(1);
    (void)ask(HEALTH__AT_HEALTH);
    rendered(1);
    /* Now it is trouble. */
    hand_run(&h, c, HEALTH_WARN, NULL);
    (void)ask(HEALTH__AT_LIVE);
    (void)ask_verbose(HEALTH__AT_LIVE);
    (void)ask(HEALTH__AT_STARTUP);
    rendered(0);
    (void)ask(HEALTH__AT_READY);
    (void)ask(HEALTH__AT_HEALTH);
    rendered(2);
}

static void gates_are_read_every_time(void **unused)
{
    (void)unused;
    (void)ask(HEALTH__AT_READY);
    is(HEALTH__AT_READY, HEALTH_PASS, "{\"status\":\"pass\"" OPEN CHECKS(""));
    is(HEALTH__AT_LIVE, HEALTH_PASS, "{\"status\":\"pass\"" OPEN CHECKS(""));
    health__gates_set(&h.gates, HEALTH__NOT_READY, true);
    is(HEALTH__AT_READY, HEALTH_FAIL,
        "{\"status\":\"fail\"" GATES("true", "false", "false") CHECKS(""));
    /* Shown everywhere, and counted where they count. */
    is(HEALTH__AT_LIVE, HEALTH_PASS,
        "{\"status\":\"pass\"" GATES("true", "false", "false") CHECKS(""));
    health__gates_set(&h.gates, HEALTH__DRAINING, true);
    is(HEALTH__AT_HEALTH, HEALTH_PASS,
        "{\"status\":\"pass\"" GATES("true", "false", "true") CHECKS(""));
    health__gates_set(&h.gates, HEALTH__NOT_READY, false);
    is(HEALTH__AT_READY, HEALTH_FAIL,
        "{\"status\":\"fail\"" GATES("true", "true", "true") CHECKS(""));
    health__gates_set(&h.gates, HEALTH__DRAINING, false);
    is(HEALTH__AT_READY, HEALTH_PASS, "{\"status\":\"pass\"" OPEN CHECKS(""));
}

static void mail_is_seen_by_the_next_request(void **unused)
{
    const struct health_check late = {.size = sizeof(late), .name = "late"};

    (void)unused;
    is(HEALTH__AT_HEALTH, HEALTH_PASS, "{\"status\":\"pass\"" OPEN CHECKS(""));
    assert_int_equal(health__engine_add(e, &late), 0);
    assert_int_equal(ask(HEALTH__AT_HEALTH).status, HEALTH_FAIL);
    hand_report(&h, "late", HEALTH_WARN, NULL);
    assert_int_equal(ask(HEALTH__AT_HEALTH).status, HEALTH_WARN);
    assert_int_equal(health__engine_remove(e, "late"), 0);
    is(HEALTH__AT_HEALTH, HEALTH_PASS, "{\"status\":\"pass\"" OPEN CHECKS(""));
}

/* Time passes, and a look finds that it has changed nothing. */
static void a_look_in_vain_renders_nothing(void **unused)
{
    struct health__check *b = hand_add_heartbeat(&h, "b", 100, 0);
    const struct health__kept *kept = &answers.kept[HEALTH__AT_LIVE][0][0];

    (void)unused;
    (void)ask(HEALTH__AT_LIVE);
    rendered(1);
    assert_int_equal(kept->until, T + 101);
    atomic_store(&b->heartbeat.beat_at, T + 90);
    hand_at(&h, T + 100);
    (void)ask(HEALTH__AT_LIVE);
    assert_int_equal(kept->until, T + 101);
    hand_at(&h, T + 101);
    (void)ask(HEALTH__AT_LIVE);
    assert_int_equal(kept->until, T + 191);
    rendered(0);
    hand_at(&h, T + 191);
    assert_int_equal(ask(HEALTH__AT_LIVE).status, HEALTH_FAIL);
    assert_int_equal(kept->until, HEALTH__NEVER);
    rendered(1);
    atomic_store(&b->heartbeat.beat_at, T + 200);
    hand_at(&h, T + 200);
    assert_int_equal(ask(HEALTH__AT_LIVE).status, HEALTH_PASS);
    rendered(1);
}

static void until_is_the_earliest_of_all(void **unused)
{
    (void)unused;
    (void)hand_add_pushed(&h, .name = "a", .max_age_ms = 500);
    (void)hand_add_pushed(&h, .name = "b", .max_age_ms = 300);
    (void)hand_add_pushed(&h, .name = "c");
    hand_report(&h, "a", HEALTH_PASS, NULL);
    hand_report(&h, "b", HEALTH_PASS, NULL);
    hand_report(&h, "c", HEALTH_PASS, NULL);
    assert_int_equal(ask(HEALTH__AT_HEALTH).status, HEALTH_PASS);
    assert_int_equal(answers.kept[HEALTH__AT_HEALTH][0][0].until, T + 301);
    rendered(1);
    hand_at(&h, T + 301);
    assert_int_equal(ask(HEALTH__AT_HEALTH).status, HEALTH_FAIL);
    assert_int_equal(answers.kept[HEALTH__AT_HEALTH][0][0].until, T + 501);
    rendered(1);
    hand_at(&h, T + 500);
    (void)ask(HEALTH__AT_HEALTH);
    rendered(0);
    hand_at(&h, T + 501);
    (void)ask(HEALTH__AT_HEALTH);
    rendered(1);
    assert_int_equal(answers.kept[HEALTH__AT_HEALTH][0][0].until, HEALTH__NEVER);
}

/* What fails by time alone fails for every endpoint that counts it, whichever is asked first. */
static void who_looks_first_looks_for_all(void **unused)
{
    (void)unused;
    (void)hand_add_heartbeat(&h, "b", 100, HEALTH_LIVE | HEALTH_READY);
    assert_int_equal(ask(HEALTH__AT_READY).status, HEALTH_PASS);
    assert_int_equal(ask(HEALTH__AT_LIVE).status, HEALTH_PASS);
    hand_at(&h, T + 101);
    assert_int_equal(ask(HEALTH__AT_READY).status, HEALTH_FAIL);
    assert_int_equal(ask(HEALTH__AT_LIVE).status, HEALTH_FAIL);
    assert_int_equal(ask(HEALTH__AT_HEALTH).status, HEALTH_FAIL);
}

/* ---- The wall clock ---- */

static void a_wall_clock_that_is_slewed_changes_no_byte(void **unused)
{
    const struct health__reply *before;

    (void)unused;
    (void)hand_add_pushed(&h, .name = "p");
    before = ask(HEALTH__AT_HEALTH).reply;
    assert_non_null(strstr(before->bytes, "\"since\":\"2026-11-24T08:15:00.000Z\""));
    fake_clock_set_wall(WALL - T + 9);
    hand_report(&h, "p", HEALTH_FAIL, NULL);
    assert_non_null(
        strstr(ask(HEALTH__AT_HEALTH).reply->bytes, "\"since\":\"2026-11-24T08:15:00.000Z\""));
    fake_clock_set_wall(WALL - T + 10);
    hand_report(&h, "p", HEALTH_FAIL, NULL);
    assert_non_null(
        strstr(ask(HEALTH__AT_HEALTH).reply->bytes, "\"since\":\"2026-11-24T08:15:00.010Z\""));
    fake_clock_set_wall(WALL - T + 1);
    hand_report(&h, "p", HEALTH_FAIL, NULL);
    assert_non_null(
        strstr(ask(HEALTH__AT_HEALTH).reply->bytes, "\"since\":\"2026-11-24T08:15:00.010Z\""));
    fake_clock_set_wall(WALL - T);
    hand_report(&h, "p", HEALTH_FAIL, NULL);
    assert_non_null(
        strstr(ask(HEALTH__AT_HEALTH).reply->bytes, "\"since\":\"2026-11-24T08:15:00.000Z\""));
}

static void an_idle_heartbeat_has_no_time(void **unused)
{
    struct health__check *b = hand_add_heartbeat(&h, "b", 100, 0);

    (void)unused;
    /* To add it was a beat. */
    assert_non_null(
        strstr(ask(HEALTH__AT_HEALTH).reply->bytes, "\"time\":\"2026-11-24T08:15:00.000Z\""));
    hand_at(&h, T + 101);
    atomic_store(&b->heartbeat.beat_at, T + 50);
    (void)ask(HEALTH__AT_HEALTH);
    health__answers_clear(&answers);
    assert_non_null(
        strstr(ask(HEALTH__AT_HEALTH).reply->bytes, "\"time\":\"2026-11-24T08:15:00.050Z\""));
    atomic_store(&b->heartbeat.beat_at, HEALTH__NEVER);
    hand_at(&h, T + 151);
    (void)ask(HEALTH__AT_HEALTH);
    health__answers_clear(&answers);
    assert_null(strstr(ask(HEALTH__AT_HEALTH).reply->bytes, "\"time\""));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_answers, close_answers)
    const struct CMUnitTest tests[] = {
        TEST(an_engine_without_checks_passes),
        TEST(a_heartbeat_that_is_new_is_missed_as_well),
        TEST(the_service_says_who_it_is),
        TEST(checks_are_shown_as_the_endpoint_counts_them),
        TEST(details_are_told_to_whom_they_are_for),
        TEST(reasons_are_as_things_are),
        TEST(each_kind_of_request_has_its_own),
        TEST(what_passes_is_listed_when_asked_for),
        TEST(while_nothing_changes_nothing_is_rendered),
        TEST(a_result_renders_what_shows_it),
        TEST(gates_are_read_every_time),
        TEST(mail_is_seen_by_the_next_request),
        TEST(a_look_in_vain_renders_nothing),
        TEST(until_is_the_earliest_of_all),
        TEST(who_looks_first_looks_for_all),
        TEST(a_wall_clock_that_is_slewed_changes_no_byte),
        TEST(an_idle_heartbeat_has_no_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
