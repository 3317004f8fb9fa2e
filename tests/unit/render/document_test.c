/*
 * The document, byte for byte: which members there are, in which order, and when they are left out.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "render/document.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GATES "\"gates\":{\"started\":true,\"ready\":true,\"draining\":false}"

/* Fails unless the buffer holds the text. */
static void assert_text(struct health__buffer *b, const char *text)
{
    size_t length = 0;
    char *bytes;

    assert_false(b->failed);
    bytes = health__buffer_take(b, &length);
    assert_non_null(bytes);
    assert_int_equal(length, strlen(text));
    assert_memory_equal(bytes, text, length);
    free(bytes);
}

/* ---- The head ---- */

static const struct {
    struct health__head head;
    const char *text;
} heads[] = {
    {{.status = HEALTH_PASS, .started = true, .ready = true}, "{\"status\":\"pass\"," GATES},
    {{.status = HEALTH_WARN, .started = true, .ready = true}, "{\"status\":\"warn\"," GATES},
    {{.status = HEALTH_FAIL}, "{\"status\":\"fail\","
                              "\"gates\":{\"started\":false,\"ready\":false,\"draining\":false}"},
    {{.status = HEALTH_FAIL, .ready = true, .draining = true},
        "{\"status\":\"fail\","
        "\"gates\":{\"started\":false,\"ready\":true,\"draining\":true}"},
    {{.status = HEALTH_PASS, .started = true, .ready = true, .version = "1"},
        "{\"status\":\"pass\",\"version\":\"1\"," GATES},
    {{.status = HEALTH_PASS, .started = true, .ready = true, .release_id = "1.2.2"},
        "{\"status\":\"pass\",\"releaseId\":\"1.2.2\"," GATES},
    {{.status = HEALTH_PASS, .started = true, .ready = true, .service_id = "f03e522f"},
        "{\"status\":\"pass\",\"serviceId\":\"f03e522f\"," GATES},
    {{.status = HEALTH_PASS, .started = true, .ready = true, .description = "health of auth"},
        "{\"status\":\"pass\",\"description\":\"health of auth\"," GATES},
    {{.status = HEALTH_PASS, .started = true, .ready = true, .notes = "one", .note_count = 1},
        "{\"status\":\"pass\",\"notes\":[\"one\"]," GATES},
    {{.status = HEALTH_PASS,
         .version = "",
         .release_id = "2",
         .service_id = "3",
         .description = "4",
         .notes = "5\0\0"
                  "6",
         .note_count = 3,
         .started = true,
         .ready = true},
        "{\"status\":\"pass\",\"version\":\"\",\"releaseId\":\"2\",\"serviceId\":\"3\","
        "\"description\":\"4\",\"notes\":[\"5\",\"\",\"6\"]," GATES},
    /* Notes that are not counted are not there. */
    {{.status = HEALTH_PASS, .started = true, .ready = true, .notes = "one"},
        "{\"status\":\"pass\"," GATES},
    {{.status = HEALTH_PASS, .started = true, .ready = true, .version = "\"\\\n\x7F\xC3\xA9"},
        "{\"status\":\"pass\",\"version\":\"\\\"\\\\\\n\x7F\xC3\xA9\"," GATES},
    {{.status = HEALTH_PASS, .started = true, .ready = true, .description = "a\xFFz"},
        "{\"status\":\"pass\",\"description\":\"a\xEF\xBF\xBDz\"," GATES},
};

static void a_document_without_checks(void **unused)
{
    struct health__buffer b = {0};
    char text[512];
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        health__document_begin(&b, &heads[i].head);
        health__document_end(&b);
        (void)strcpy(text, heads[i].text);
        (void)strcat(text, ",\"checks\":{}}");
        assert_text(&b, text);
    }
}

/* ---- Items ---- */

static const double half = 0.5, big = 1.7e15, nan_value = (double)NAN, inf = (double)INFINITY,
                    minus_inf = -(double)INFINITY;

#define SINCE      ",\"since\":\"2026-11-24T08:15:02.250Z\""
#define SINCE_MS   INT64_C(1795508102250)
#define PASS(name) "\"" name "\":[{\"status\":\"pass\""
#define FAIL(name) "\"" name "\":[{\"status\":\"fail\""

static const struct {
    struct health__item item;
    const char *text;
} items[] = {
    {{"a", HEALTH_PASS, NULL, NULL, "", -1, SINCE_MS, -1}, PASS("a") SINCE "}]"},
    {{"a", HEALTH_WARN, NULL, NULL, "", -1, SINCE_MS, -1},
        "\"a\":[{\"status\":\"warn\"" SINCE "}]"},
    {{"a", HEALTH_FAIL, NULL, NULL, "", -1, SINCE_MS, -1}, FAIL("a") SINCE "}]"},
    {{"a", HEALTH_FAIL, "down", NULL, "", -1, SINCE_MS, -1},
        FAIL("a") ",\"output\":\"down\"" SINCE "}]"},
    {{"a", HEALTH_FAIL, "", NULL, "", -1, SINCE_MS, -1}, FAIL("a") ",\"output\":\"\"" SINCE "}]"},
    {{"a", HEALTH_PASS, NULL, NULL, "", 0, 0, -1},
        PASS("a") ",\"time\":\"1970-01-01T00:00:00.000Z\","
                  "\"since\":\"1970-01-01T00:00:00.000Z\"}]"},
    {{"a", HEALTH_PASS, NULL, &half, "", -1, SINCE_MS, -1},
        PASS("a") ",\"observedValue\":0.5" SINCE "}]"},
    {{"a", HEALTH_PASS, NULL, &half, "%", -1, SINCE_MS, -1},
        PASS("a") ",\"observedValue\":0.5,\"observedUnit\":\"%\"" SINCE "}]"},
    /* A unit of nothing. */
    {{"a", HEALTH_PASS, NULL, NULL, "%", -1, SINCE_MS, -1}, PASS("a") SINCE "}]"},
    {{"a", HEALTH_PASS, NULL, &big, "B", -1, SINCE_MS, -1},
        PASS("a") ",\"observedValue\":1.7e+15,\"observedUnit\":\"B\"" SINCE "}]"},
    {{"a", HEALTH_PASS, NULL, &nan_value, "B", -1, SINCE_MS, -1},
        PASS("a") ",\"observedValue\":\"NaN\",\"observedUnit\":\"B\"" SINCE "}]"},
    {{"a", HEALTH_PASS, NULL, &inf, "", -1, SINCE_MS, -1},
        PASS("a") ",\"observedValue\":\"Infinity\"" SINCE "}]"},
    {{"a", HEALTH_PASS, NULL, &minus_inf, "", -1, SINCE_MS, -1},
        PASS("a") ",\"observedValue\":\"-Infinity\"" SINCE "}]"},
    {{"a", HEALTH_PASS, NULL, NULL, "", -1, SINCE_MS, 0}, PASS("a") ",\"durationMs\":0" SINCE "}]"},
    {{"a", HEALTH_PASS, NULL, NULL, "", -1, SINCE_MS, 1234567},
        PASS("a") ",\"durationMs\":1234.567" SINCE "}]"},
    {{"disk:free", HEALTH_FAIL, "full", &half, "GB", SINCE_MS + 1, SINCE_MS, 12},
        FAIL("disk:free") ",\"time\":\"2026-11-24T08:15:02.251Z\",\"observedValue\":0.5,"
                          "\"observedUnit\":\"GB\",\"output\":\"full\",\"durationMs\":0.012" SINCE
                          "}]"},
    {{"a \"quoted\" \\ name", HEALTH_PASS, NULL, NULL, "", -1, SINCE_MS, -1},
        PASS("a \\\"quoted\\\" \\\\ name") SINCE "}]"},
    {{"caf\xC3\xA9", HEALTH_PASS, NULL, NULL, "", -1, SINCE_MS, -1},
        PASS("caf\xC3\xA9") SINCE "}]"},
};
#define ITEMS (sizeof(items) / sizeof(items[0]))

#define HEAD "{\"status\":\"pass\"," GATES ",\"checks\":{"

static void begin(struct health__buffer *b)
{
    const struct health__head head = {.status = HEALTH_PASS, .started = true, .ready = true};

    health__document_begin(b, &head);
}

static void a_document_of_one_check(void **unused)
{
    struct health__buffer b = {0};
    char text[1024];
    size_t i;

    (void)unused;
    for (i = 0; i < ITEMS; i++) {
        begin(&b);
        health__document_add(&b, &items[i].item, true);
        health__document_end(&b);
        (void)strcpy(text, HEAD);
        (void)strcat(strcat(text, items[i].text), "}}");
        assert_text(&b, text);
    }
}

static void a_document_of_many_checks(void **unused)
{
    struct health__buffer b = {0};
    char text[ITEMS * 512];
    size_t i;

    (void)unused;
    (void)strcpy(text, HEAD);
    begin(&b);
    for (i = 0; i < ITEMS; i++) {
        health__document_add(&b, &items[i].item, i == 0);
        (void)strcat(strcat(text, i == 0 ? "" : ","), items[i].text);
    }
    health__document_end(&b);
    (void)strcat(text, "}}");
    assert_text(&b, text);
}

/* What needs more room than is there at first, of each length around powers of two. */
static void texts_of_any_length(void **unused)
{
    struct health__buffer b = {0};
    struct health__head head = {.status = HEALTH_PASS, .started = true, .ready = true};
    struct health__item item = {"a", HEALTH_FAIL, NULL, NULL, "", -1, SINCE_MS, -1};
    char text[4200], expected[9000];
    size_t length;

    (void)unused;
    for (length = 300; length < 4200; length += length % 512 < 500 && length % 512 > 12 ? 61 : 1) {
        memset(text, 'x', length);
        text[length] = '\0';
        head.description = item.output = text;
        health__document_begin(&b, &head);
        health__document_add(&b, &item, true);
        health__document_end(&b);
        (void)strcpy(expected, "{\"status\":\"pass\",\"description\":\"");
        (void)strcat(
            strcat(expected, text), "\"," GATES ",\"checks\":{" FAIL("a") ",\"output\":\"");
        (void)strcat(strcat(expected, text), "\"" SINCE "}]}}");
        assert_text(&b, expected);
    }
}

/* What has failed stays so, and costs nothing more. */
static void a_buffer_that_failed_stays_empty(void **unused)
{
    struct health__buffer b = {.failed = true};
    size_t length = 7;

    (void)unused;
    begin(&b);
    health__document_add(&b, &items[0].item, true);
    health__document_add(&b, &items[1].item, false);
    health__document_end(&b);
    assert_true(b.failed);
    assert_null(b.bytes);
    assert_null(health__buffer_take(&b, &length));
    assert_int_equal(length, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_without_checks),
        cmocka_unit_test(a_document_of_one_check),
        cmocka_unit_test(a_document_of_many_checks),
        cmocka_unit_test(texts_of_any_length),
        cmocka_unit_test(a_buffer_that_failed_stays_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
