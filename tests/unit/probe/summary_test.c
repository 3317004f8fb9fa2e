/*
 * The summary of a document: of our own, as they are rendered and cut anywhere, and of whatever
 * else may come.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "probe/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "one_line.h"
#include "render/document.h"

/* The summary of exactly these bytes, in a line that is checked to be sound. */
static struct health__line summary_of(const char *bytes, size_t length)
{
    char *copy = malloc(length + 1);
    struct health__line line;

    assert_non_null(copy);
    memcpy(copy + 1, bytes, length);
    health__line_clear(&line);
    health__summary_add(&line, copy + 1, length);
    free(copy);
    assert_true(line.length <= HEALTH_PROBE_REASON_MAX_BYTES);
    assert_int_equal(strlen(line.text), line.length);
    assert_true(one_line_is(line.text, line.length));
    return line;
}

static void assert_summary(const char *document, const char *expected)
{
    struct health__line line = summary_of(document, strlen(document));

    if (strcmp(line.text, expected) != 0)
        fail_msg("of '%s': '%s', not '%s'", document, line.text, expected);
}

/* ---- Documents of ours ---- */

struct check {
    const char *name;
    enum health_status status;
    const char *output;
};

/* Renders a document as the library does.  Returns: its bytes, to be given to free(). */
static char *document_of(
    const struct health__head *head, const struct check *checks, size_t count, size_t *ret_length)
{
    static const double value = 1.5;
    struct health__buffer buffer = {.bytes = NULL};
    char *bytes;
    size_t i;

    health__document_begin(&buffer, head);
    for (i = 0; i < count; i++)
        health__document_add(&buffer,
            &(struct health__item){.name = checks[i].name,
                .status = checks[i].status,
                .output = checks[i].output,
                .value = &value,
                .unit = "fail",
                .time = 1764000000000,
                .since = 1764000000000,
                .duration_us = 123},
            i == 0);
    health__document_end(&buffer);
    bytes = health__buffer_take(&buffer, ret_length);
    assert_non_null(bytes);
    return bytes;
}

static const struct health__head open_gates = {.status = HEALTH_FAIL,
    .version = "fail",
    .description = "\"checks\":{\"x\":[{\"status\":\"fail\"}]}",
    .notes = "exclude: no check fail",
    .note_count = 1,
    .started = true,
    .ready = true};

static const struct {
    struct check checks[4];
    size_t count;
    const char *summary;
} documents[] = {
    {{{NULL, HEALTH_PASS, NULL}}, 0, ""},
    {{{"db", HEALTH_PASS, NULL}}, 1, ""},
    {{{"db", HEALTH_WARN, "slow"}}, 1, ""},
    {{{"db", HEALTH_FAIL, NULL}}, 1, ": db"},
    {{{"db", HEALTH_FAIL, ""}}, 1, ": db"},
    {{{"db", HEALTH_FAIL, "connection refused"}}, 1, ": db: connection refused"},
    {{{"db", HEALTH_FAIL, "refused"}, {"disk", HEALTH_PASS, NULL}, {"a b:c", HEALTH_FAIL, "full"},
         {"queue", HEALTH_WARN, "long"}},
        4, ": db: refused; a b:c: full"},
    {{{"a", HEALTH_PASS, NULL}, {"b", HEALTH_FAIL, "no result yet"}}, 2, ": b: no result yet"},
    /* Names and reasons that look like something else. */
    {{{"status", HEALTH_FAIL, "fail"}, {"fail", HEALTH_PASS, NULL}}, 2, ": status: fail"},
    {{{"checks", HEALTH_PASS, NULL}, {"output", HEALTH_FAIL, "x"}}, 2, ": output: x"},
    {{{"}]}", HEALTH_FAIL, "\"}],\"x\":[{\"status\":\"fail\""}}, 1,
        ": }]}: \"}],\"x\":[{\"status\":\"fail\""},
    {{{"a\\", HEALTH_FAIL, "\\"}, {"b", HEALTH_FAIL, "\\\""}}, 2, ": a\\: \\; b: \\\""},
    {{{"a", HEALTH_FAIL, "\b\f\n\r\t\x01\x7F."}}, 1, ": a:        ."},
    {{{"\xC3\xA4", HEALTH_FAIL, "\xE2\x82\xAC \xF0\x9F\x98\x80"}}, 1,
        ": \xC3\xA4: \xE2\x82\xAC \xF0\x9F\x98\x80"},
    {{{"a", HEALTH_FAIL, "x\xFFy\xC3"}}, 1, ": a: x\xEF\xBF\xBDy\xEF\xBF\xBD"},
};

static void what_fails_is_told(void **unused)
{
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        size_t length = 0;
        char *bytes = document_of(&open_gates, documents[i].checks, documents[i].count, &length);
        struct health__line line = summary_of(bytes, length);

        if (strcmp(line.text, documents[i].summary) != 0)
            fail_msg("of '%s': '%s'", bytes, line.text);
        free(bytes);
    }
}

/* As much as there is: whole checks, in the same words, and nothing that is not there. */
static void cut_anywhere_the_beginning_is_told(void **unused)
{
    size_t i, cut;

    (void)unused;
    for (i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        size_t length = 0, longest = 0;
        char *bytes = document_of(&open_gates, documents[i].checks, documents[i].count, &length);

        for (cut = 0; cut <= length; cut++) {
            struct health__line line = summary_of(bytes, cut);

            if (strncmp(documents[i].summary, line.text, line.length) != 0)
                fail_msg("of '%.*s': '%s'", (int)cut, bytes, line.text);
            assert_true(line.length >= longest);
            longest = line.length;
        }
        assert_int_equal(longest, strlen(documents[i].summary));
        free(bytes);
    }
}

static void gates_are_told_where_no_check_is(void **unused)
{
    static const struct {
        bool started, ready, draining;
        const char *summary;
    } gates[] = {
        {true, true, false, ""},
        {false, true, false, ": not started"},
        {true, false, false, ": not ready"},
        {true, true, true, ": draining"},
        {false, false, true, ": not started; not ready; draining"},
    };
    static const struct check fails = {"db", HEALTH_FAIL, "gone"},
                              passes = {"a", HEALTH_PASS, NULL};
    size_t i, length = 0;
    char *bytes;

    (void)unused;
    for (i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
        struct health__head head = {.status = HEALTH_FAIL,
            .started = gates[i].started,
            .ready = gates[i].ready,
            .draining = gates[i].draining};
        struct health__line line;

        bytes = document_of(&head, &passes, i % 2, &length);
        line = summary_of(bytes, length);
        assert_string_equal(line.text, gates[i].summary);
        free(bytes);

        bytes = document_of(&head, &fails, 1, &length);
        line = summary_of(bytes, length);
        assert_string_equal(line.text, ": db: gone");
        free(bytes);
    }
}

/* Three hundred checks, the last of which fails. */
static void a_long_document_is_told_to_its_end(void **unused)
{
    struct check checks[300];
    char *bytes;
    size_t i, length = 0;
    struct health__line line;

    (void)unused;
    for (i = 0; i < 300; i++)
        checks[i] = (struct check){"passes", HEALTH_PASS, NULL};
    checks[299] = (struct check){"fails", HEALTH_FAIL, "at last"};
    bytes = document_of(&open_gates, checks, 300, &length);
    line = summary_of(bytes, length);
    assert_string_equal(line.text, ": fails: at last");
    free(bytes);
}

/* ---- The length of the line ---- */

/* Reasons of two-byte characters: the line ends within none, wherever it is full. */
static void it_ends_on_a_character(void **unused)
{
    char reason[2 * 400 + 1], name[9];
    size_t i, name_length;

    (void)unused;
    for (i = 0; i < 400; i++)
        memcpy(reason + 2 * i, "\xC3\xA4", 2);
    reason[800] = '\0';
    for (name_length = 1; name_length <= 8; name_length++) {
        struct check check = {name, HEALTH_FAIL, reason};
        struct health__line line;
        size_t length = 0;
        char *bytes;

        memset(name, 'n', name_length);
        name[name_length] = '\0';
        bytes = document_of(&open_gates, &check, 1, &length);
        line = summary_of(bytes, length);
        /* ": " + name + ": ", and then as many as fit. */
        assert_int_equal(line.length,
            name_length + 4 + (HEALTH_PROBE_REASON_MAX_BYTES - name_length - 4) / 2 * 2);
        free(bytes);
    }
}

/* The same with what is written as two escapes. */
static void escapes_end_as_characters(void **unused)
{
    char document[8192] = "{\"checks\":{\"n\":[{\"status\":\"fail\",\"output\":\"";
    struct health__line line;
    int i;

    (void)unused;
    for (i = 0; i < 200; i++)
        strcat(document, "\\ud83d\\ude00");
    strcat(document, "\"}]}}");
    line = summary_of(document, strlen(document));
    assert_int_equal(line.length, 5 + (HEALTH_PROBE_REASON_MAX_BYTES - 5) / 4 * 4);
}

/* ---- Documents of others ---- */

static void escapes_are_read(void **unused)
{
    static const char *const escapes[][2] = {
        {"a\\\"b", "a\"b"},
        {"a\\\\b", "a\\b"},
        {"a\\/b", "a/b"},
        {"a\\b\\f\\n\\r\\tb", "a     b"},
        {"\\u0041\\u00e4\\u00E4\\u20ac\\u20AC", "A\xC3\xA4\xC3\xA4\xE2\x82\xAC\xE2\x82\xAC"},
        {"\\u0000\\u0001\\u001f\\u007f\\u0085\\u2028.", "      ."},
        {"\\uffff", "\xEF\xBF\xBF"},
        {"\\ud83d\\ude00", "\xF0\x9F\x98\x80"},
        {"\\uD800\\uDC00\\uDBFF\\uDFFF", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"},
        /* Surrogates that are alone, in the wrong order, or cut. */
        {"\\ud83dx", "?x"},
        {"\\ud83d and more", "? and more"},
        {"\\ude00x", "?x"},
        {"\\ude00\\ud83d", "??"},
        {"\\ud83d\\ud83d\\ude00", "?\xF0\x9F\x98\x80"},
        {"\\ud83d\\u0041", "?A"},
        {"\\ud83d\\ue000", "?\xEE\x80\x80"},
        {"\\ud83d\\nabcde", "? abcde"},
        {"\\ud83d\\n", "? "},
        {"\\ud83d\\ude0", "??de0"},
        {"\\ud83d\\u", "??"},
        {"\\ud83d", "?"},
        {"x\\ud83d\\\\", "x?\\"},
        /* None. */
        {"\\u", "?"},
        {"\\u12", "?12"},
        {"\\u12g4", "?12g4"},
        {"\\u-123", "?-123"},
        {"\\x41", " 41"},
        {"\\", NULL}, /* the quote is escaped: it does not end */
        {"\xFF\xC3", "??"},
        {"\x01\x1B[31m", "  [31m"},
    };
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        char document[256] = "", expected[256] = "";

        strcat(document, "{\"checks\":{\"n\":[{\"status\":\"fail\",\"output\":\"");
        strcat(document, escapes[i][0]);
        strcat(document, "\"}]}}");
        if (escapes[i][1] != NULL) {
            strcat(expected, ": n: ");
            strcat(expected, escapes[i][1]);
        }
        assert_summary(document, expected);
    }
}

static void other_shapes_are_told_as_far_as_they_are_ours(void **unused)
{
    static const char *const texts[][2] = {
        {"", ""},
        {"x", ""},
        {"[]", ""},
        {"[{\"checks\":{\"n\":[{\"status\":\"fail\"}]}}]", ""},
        {"Service Unavailable", ""},
        {"<html>{\"checks\":{\"n\":[{\"status\":\"fail\"}]}}", ""},
        {"{}", ""},
        {"{", ""},
        {"}", ""},
        {"{\"status\":\"fail\"}", ""},
        {"{\"status\":\"DOWN\",\"components\":{\"db\":{\"status\":\"DOWN\"}}}", ""},
        {"{\"status\":\"DOWN\",\"checks\":[{\"name\":\"x\",\"status\":\"DOWN\"}]}", ""},
        {"{\"checks\":{\"n\":{\"status\":\"fail\"}}}", ""},
        {"{\"checks\":{\"n\":\"fail\"}}", ""},
        {"{\"checks\":[[[{\"status\":\"fail\"}]]]}", ""},
        {"{\"x\":{\"n\":[{\"status\":\"fail\"}]}}", ""},
        {"{\"x\":{\"checks\":{\"n\":[{\"status\":\"fail\"}]}}}", ""},
        {"{\"checks\":{\"n\":[{\"x\":{\"status\":\"fail\"}}]}}", ""},
        {"{\"checks\":{\"n\":[{\"status\":[\"fail\"]}]}}", ""},
        {"{\"checks\":{\"n\":[{\"status\":\"failed\"}]}}", ""},
        {"{\"checks\":{\"n\":[{\"status\":\"fail\",\"status\":\"pass\"}]}}", ""},
        {"{\"checks\":{\"n\":[{\"output\":\"fail\",\"status\":\"pass\"}]}}", ""},
        /* Blanks and numbers wherever they may be; members in any order; several items. */
        {" {\"checks\":{\"n\":[{\"status\":\"fail\"}]}}", ""},
        {"{ \"checks\" : { \"n\" : [ { \"status\" : \"fail\" } ] } }", ": n"},
        {"{\r\n\t\"checks\":\r\n{\"n\":[{\"a\":-1.5e+9,\"b\":null,\"output\":\"o\",\"status\":"
         "\"fail\",\"c\":[{\"output\":\"no\"}],\"d\":true}]}}",
            ": n: o"},
        {"{\"checks\":{\"n\":[{\"status\":\"fail\",\"output\":\"a\"},{\"status\":\"fail\"},"
         "{\"status\":\"pass\",\"output\":\"b\"}]}}",
            ": n: a; n"},
        {"{\"checks\":{\"\":[{\"status\":\"fail\"}]}}", ": "},
        {"{\"checks\":{\"n\":[{\"status\":\"fail\",\"output\":7}]}}", ": n"},
        {"{\"checks\":{\"n\":[{\"status\":\"fail\"}]},\"checks\":{\"m\":[{\"status\":\"fail\"}]}}",
            ": n; m"},
        {"{\"checks\":{[{\"status\":\"fail\",\"output\":\"o\"}]}}", ": : o"},
        {"{\"gates\":{\"started\":false}}", ": not started"},
        {"{\"gates\":{\"started\":fals", ": not started"},
        {"{\"gates\":{\"other\":true,\"draining\":true}}", ": draining"},
        {"{\"gates\":{\"started\"false}}", ""},
        {"{\"gates\":{\"started\":true},\"x\":{\"started\":false}}", ""},
        {"{\"gates\":[false,false]}", ""},
        {"{\"started\":false,\"draining\":true}", ""},
        /* Nothing behind the end. */
        {"{}{\"checks\":{\"n\":[{\"status\":\"fail\"}]}}", ""},
        {"{\"checks\":{}}}}}{\"checks\":{\"n\":[{\"status\":\"fail\"}]}}", ""},
        /* Not ended. */
        {"{\"checks\":{\"n\":[{\"status\":\"fail\"", ""},
        {"{\"checks\":{\"n\":[{\"status\":\"fail\"}", ": n"},
        {"{\"checks\":{\"n\":[{\"status\":\"fail\",\"output\":\"x", ""},
        {"{\"checks\":{\"n\":[{\"status\":\"fail\",\"output\":\"x\\", ""},
        {"{\"", ""},
        {"{\"\\", ""},
        {"{\"\\\"", ""},
        {"{:::,,,]", ""},
    };
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_summary(texts[i][0], texts[i][1]);
    /* What is not text at all. */
    (void)summary_of("{\0\0\0", 4);
    (void)summary_of("{\"checks\":{\"\0\":[{\"status\":\"fail\",\"output\":\"\0\"}]}}", 48);
}

/* A text of `count` times `unit` behind `before`, with `after` behind it. */
static struct health__line repeated(
    const char *before, const char *unit, size_t count, const char *after)
{
    size_t length = strlen(before), unit_length = strlen(unit), total, i;
    struct health__line line;
    char *text;

    total = length + count * unit_length + strlen(after);
    text = malloc(total + 1);
    assert_non_null(text);
    memcpy(text, before, length);
    for (i = 0; i < count; i++, length += unit_length)
        /* More comes.  NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
        memcpy(text + length, unit, unit_length);
    memcpy(text + length, after, strlen(after) + 1);
    line = summary_of(text, total);
    free(text);
    return line;
}

static void size_and_depth_do_nothing(void **unused)
{
    static const char fails[] = "\"checks\":{\"n\":[{\"status\":\"fail\",\"output\":\"o\"}]}}";
    const size_t million = 1000000;
    struct health__line line;

    (void)unused;
    line = repeated("{\"x\":", "[", million, "");
    assert_string_equal(line.text, "");
    line = repeated("{\"x\":", "{\"checks\":", million, fails);
    assert_string_equal(line.text, "");
    line = repeated("{\"x\":", "[{\"a\":", million, "}]");
    assert_string_equal(line.text, "");
    line = repeated("{\"x\":[", "[],", million, "0],\"checks\":{\"n\":[{\"status\":\"fail\"}]}}");
    assert_string_equal(line.text, ": n");
    line = repeated("{", "]", million, fails);
    assert_string_equal(line.text, "");
    line = repeated("{\"", "a", million, "");
    assert_string_equal(line.text, "");
    line = repeated("{\"", "\\", million, "");
    assert_string_equal(line.text, "");
    line = repeated("{\"x\":", "9", million, ",\"checks\":{\"n\":[{\"status\":\"fail\"}]}}");
    assert_string_equal(line.text, ": n");
    line = repeated("{", " ", million, fails);
    assert_string_equal(line.text, ": n: o");
    line = repeated("{\"checks\":{\"", "n", million, "\":[{\"status\":\"fail\"}]}}");
    assert_int_equal(line.length, HEALTH_PROBE_REASON_MAX_BYTES);
    line = repeated("{\"checks\":{\"n\":[", "{\"status\":\"fail\"},", million, "");
    assert_int_equal(line.length, HEALTH_PROBE_REASON_MAX_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fails_is_told),
        cmocka_unit_test(cut_anywhere_the_beginning_is_told),
        cmocka_unit_test(gates_are_told_where_no_check_is),
        cmocka_unit_test(a_long_document_is_told_to_its_end),
        cmocka_unit_test(it_ends_on_a_character),
        cmocka_unit_test(escapes_end_as_characters),
        cmocka_unit_test(escapes_are_read),
        cmocka_unit_test(other_shapes_are_told_as_far_as_they_are_ours),
        cmocka_unit_test(size_and_depth_do_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
