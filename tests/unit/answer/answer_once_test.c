/*
 * Documents for one request alone: one check, or all but some; and what is answered when there is
 * no memory for a document: the right status.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: malloc calloc realloc strdup free clock_gettime */
#include "answer/answer.h"

#include <cjson/cJSON.h>

#include "memory.h"
#include "reply_by_hand.h"

#define T 10000 /* when it begins */

static struct hand h;
static struct health__engine *const e = &h.engine;
static struct health__answers answers;

static int open_answers(void **unused)
{
    (void)unused;
    hand_open(&h, T);
    answers_open(&answers, &h);
    return 0;
}

static int close_answers(void **unused)
{
    (void)unused;
    answers_close(&answers);
    hand_close(&h);
    return 0;
}

/* Asks for what is not kept, and fails unless it is answered so.  The text is the part of the
 * document in front of `gates`, and `checks`; times are cut out. */
static void is(const struct health__request *request, enum health_status status, const char *front,
    const char *names)
{
    struct health__answer answer = answers_ask(&answers, &h, request);
    char found[256] = "";
    cJSON *root, *check;

    assert_true(answer.found);
    assert_false(answer.kept);
    assert_int_equal(answer.status, status);
    assert_non_null(answer.reply);
    assert_memory_equal(answer.reply->bytes, front, strlen(front));
    root = cJSON_Parse(answer.reply->bytes);
    assert_non_null(root);
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(root, "checks"))
    {
        (void)strcat(strcat(found, " "), check->string);
        (void)strcat(strcat(found, "="),
            cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(check, 0), "status")));
    }
    assert_string_equal(found, names);
    cJSON_Delete(root);
    answers.maker->drop(answer.reply);
}

static void add_three(void)
{
    hand_run(
        &h, hand_add(&h, .name = "good", .probes = HEALTH_LIVE | HEALTH_READY), HEALTH_PASS, NULL);
    hand_run(&h, hand_add(&h, .name = "fair", .probes = HEALTH_LIVE), HEALTH_WARN, NULL);
    hand_run(&h, hand_add(&h, .name = "bad", .probes = HEALTH_LIVE), HEALTH_FAIL, NULL);
}

static void one_check_is_shown_alone(void **unused)
{
    struct health__request request = {.endpoint = HEALTH__AT_HEALTH, .only = "good"};

    (void)unused;
    add_three();
    (void)hand_add(&h, .name = "new");
    is(&request, HEALTH_PASS, "{\"status\":\"pass\",\"gates\":", " good=pass");
    request.only = "fair";
    is(&request, HEALTH_WARN, "{\"status\":\"warn\",\"gates\":", " fair=warn");
    request.only = "bad";
    is(&request, HEALTH_FAIL, "{\"status\":\"fail\",\"gates\":", " bad=fail");
    request.only = "new";
    is(&request, HEALTH_FAIL, "{\"status\":\"fail\",\"gates\":", " new=fail");
    /* Gates are shown, and are none of its business. */
    health__gates_set(&h.gates, HEALTH__NOT_STARTED | HEALTH__DRAINING, true);
    request.only = "good";
    is(&request, HEALTH_PASS, "{\"status\":\"pass\",\"gates\":{\"started\":false", " good=pass");
}

static void one_that_is_not_there_is_not_found(void **unused)
{
    const struct health__request request = {.endpoint = HEALTH__AT_HEALTH, .only = "none"};
    struct health__answer answer;

    (void)unused;
    add_three();
    answer = answers_ask(&answers, &h, &request);
    assert_false(answer.found);
    assert_false(answer.kept);
    assert_null(answer.reply);
    assert_int_equal(replies.made, 0);
}

/* The server has asked, and another thread removes it before the answer. */
static void one_that_has_gone_meanwhile_is_not_found(void **unused)
{
    const struct health__request request = {.endpoint = HEALTH__AT_HEALTH, .only = "bad"};

    (void)unused;
    add_three();
    assert_int_equal(health__engine_remove(e, "bad"), 0);
    assert_false(health__answer(&answers, &request).found);
}

static void what_is_excluded_is_neither_counted_nor_listed(void **unused)
{
    struct health__request request = {
        .endpoint = HEALTH__AT_HEALTH, .excludes = "bad", .exclude_count = 1};

    (void)unused;
    add_three();
    is(&request, HEALTH_WARN, "{\"status\":\"warn\",\"gates\":", " good=pass fair=warn");
    request.excludes = "bad\0fair\0good";
    request.exclude_count = 2;
    is(&request, HEALTH_PASS, "{\"status\":\"pass\",\"gates\":", " good=pass");
    request.exclude_count = 3;
    is(&request, HEALTH_PASS, "{\"status\":\"pass\",\"gates\":", "");
    request.endpoint = HEALTH__AT_LIVE;
    request.exclude_count = 1;
    is(&request, HEALTH_WARN, "{\"status\":\"warn\",\"gates\":", " fair=warn");
    request.verbose = true;
    is(&request, HEALTH_WARN, "{\"status\":\"warn\",\"gates\":", " good=pass fair=warn");
    /* Gates cannot be. */
    health__gates_set(&h.gates, HEALTH__NOT_STARTED, true);
    request.endpoint = HEALTH__AT_HEALTH;
    request.exclude_count = 3;
    is(&request, HEALTH_FAIL, "{\"status\":\"fail\",\"gates\":", "");
}

static void what_is_excluded_and_is_not_there_is_noted(void **unused)
{
    struct health__request request = {
        .endpoint = HEALTH__AT_HEALTH, .excludes = "no\0bad\0\0\"\xEF\xBF\xBD", .exclude_count = 4};

    (void)unused;
    add_three();
    is(&request, HEALTH_WARN,
        "{\"status\":\"warn\",\"notes\":[\"exclude: no check no\",\"exclude: no check \","
        "\"exclude: no check \\\"\xEF\xBF\xBD\"],\"gates\":",
        " good=pass fair=warn");
    request.only = "bad";
    is(&request, HEALTH_FAIL,
        "{\"status\":\"fail\",\"notes\":[\"exclude: no check no\",\"exclude: no check \","
        "\"exclude: no check \\\"\xEF\xBF\xBD\"],\"gates\":",
        " bad=fail");
}

static void nothing_of_it_is_kept(void **unused)
{
    const struct health__request plain = {.endpoint = HEALTH__AT_HEALTH},
                                 excluding = {.endpoint = HEALTH__AT_HEALTH,
                                     .excludes = "bad",
                                     .exclude_count = 1};
    struct health__answer first, second;

    (void)unused;
    add_three();
    first = answers_ask(&answers, &h, &plain);
    second = answers_ask(&answers, &h, &excluding);
    assert_ptr_not_equal(first.reply, second.reply);
    answers.maker->drop(second.reply);
    second = answers_ask(&answers, &h, &plain);
    assert_true(second.kept);
    assert_ptr_equal(first.reply, second.reply);
    assert_int_equal(second.status, HEALTH_FAIL);
}

/* ---- Out of memory ---- */

static const struct health__request requests[] = {
    {.endpoint = HEALTH__AT_HEALTH, .details = true},
    {.endpoint = HEALTH__AT_LIVE, .verbose = true, .details = true},
    {.endpoint = HEALTH__AT_HEALTH, .only = "bad", .details = true},
    {.endpoint = HEALTH__AT_HEALTH, .excludes = "no\0bad", .exclude_count = 2, .details = true},
};

/* Of the status, as above. */
static const enum health_status statuses[] = {HEALTH_FAIL, HEALTH_FAIL, HEALTH_FAIL, HEALTH_WARN};

static void without_a_reply_the_status_is_right(void **unused)
{
    size_t i;

    (void)unused;
    add_three();
    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct health__answer answer;

        replies.fail = true;
        answer = answers_ask(&answers, &h, &requests[i]);
        assert_true(answer.found);
        assert_int_equal(answer.status, statuses[i]);
        assert_null(answer.reply);
        answer = answers_ask(&answers, &h, &requests[i]);
        assert_int_equal(answer.status, statuses[i]);
        assert_null(answer.reply);
        /* Nothing of it was kept: the next may do better. */
        replies.fail = false;
        answer = answers_ask(&answers, &h, &requests[i]);
        assert_int_equal(answer.status, statuses[i]);
        assert_non_null(answer.reply);
        if (!answer.kept)
            answers.maker->drop(answer.reply);
    }
}

/* The same for each allocation there is. */
static void no_memory_for_any_part_leaves_nothing(void **unused)
{
    cJSON_Hooks hooks = {malloc, free};
    size_t i, n;

    (void)unused;
    add_three();
    cJSON_InitHooks(&hooks);
    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        for (n = 1;; n++) {
            struct health__answer answer;
            bool failed;

            memory_begin(n);
            answer = answers_ask(&answers, &h, &requests[i]);
            failed = memory_end();
            assert_int_equal(answer.status, statuses[i]);
            assert_true(answer.found);
            assert_true((answer.reply == NULL) == failed);
            if (!failed) {
                assert_true(n > 3);
                if (!answer.kept)
                    answers.maker->drop(answer.reply);
                health__answers_clear(&answers);
            }
            assert_int_equal(memory_live(), 0);
            if (!failed)
                break;
        }
    cJSON_InitHooks(NULL);
}

/* A document that is kept is dropped for one that cannot be made: an old one would be wrong. */
static void an_old_document_is_not_shown_instead(void **unused)
{
    struct health__answer answer;

    (void)unused;
    add_three();
    answer = answers_ask(&answers, &h, &requests[0]);
    assert_int_equal(answer.status, HEALTH_FAIL);
    assert_non_null(answer.reply);
    assert_int_equal(health__engine_remove(e, "bad"), 0);
    replies.fail = true;
    answer = answers_ask(&answers, &h, &requests[0]);
    assert_int_equal(answer.status, HEALTH_WARN);
    assert_null(answer.reply);
    assert_int_equal(replies.dropped, 1);
    replies.fail = false;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_answers, close_answers)
    const struct CMUnitTest tests[] = {
        TEST(one_check_is_shown_alone),
        TEST(one_that_is_not_there_is_not_found),
        TEST(one_that_has_gone_meanwhile_is_not_found),
        TEST(what_is_excluded_is_neither_counted_nor_listed),
        TEST(what_is_excluded_and_is_not_there_is_noted),
        TEST(nothing_of_it_is_kept),
        TEST(without_a_reply_the_status_is_right),
        TEST(no_memory_for_any_part_leaves_nothing),
        TEST(an_old_document_is_not_shown_instead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
