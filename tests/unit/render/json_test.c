/*
 * The document as another JSON library reads it, whatever bytes are in its strings; and what is
 * left when there is no memory for one or the other part of it: nothing.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: malloc calloc realloc strdup free */
#include "render/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <jansson.h>

#include "memory.h"
#include "render/document.h"

/* Renders a document of one check. */
static char *render(
    const struct health__head *head, const struct health__item *item, size_t *ret_length)
{
    struct health__buffer b = {0};

    health__document_begin(&b, head);
    health__document_add(&b, item, true);
    health__document_end(&b);
    return health__buffer_take(&b, ret_length);
}

/* Reads it, strictly. */
static json_t *load(const char *bytes, size_t length)
{
    json_error_t error;
    json_t *root = json_loadb(bytes, length, JSON_REJECT_DUPLICATES, &error);

    if (root == NULL)
        fail_msg("%s in %.*s", error.text, (int)length, bytes);
    return root;
}

static void assert_string(const json_t *value, const char *expected)
{
    assert_true(json_is_string(value));
    assert_int_equal(json_string_length(value), strlen(expected));
    assert_string_equal(json_string_value(value), expected);
}

/* Fails unless each text of the document, given `text`, is read back as `expected`; so is a name,
 * which comes clean. */
static void reads_back(const char *text, const char *expected)
{
    static const char *const members[] = {"version", "releaseId", "serviceId", "description"};
    static const double value = 1;
    struct health__head head = {.status = HEALTH_PASS,
        .version = text,
        .release_id = text,
        .service_id = text,
        .description = text,
        .note_count = 2};
    struct health__item item = {.name = expected,
        .status = HEALTH_FAIL,
        .output = text,
        .value = &value,
        .unit = text,
        .time = -1,
        .duration_us = -1};
    char notes[64], *bytes;
    size_t length, i;
    json_t *root;
    const json_t *got;

    (void)snprintf(notes, sizeof(notes), "%s%c%s", text, '\0', text);
    head.notes = notes;
    bytes = render(&head, &item, &length);
    assert_non_null(bytes);
    root = load(bytes, length);
    free(bytes);

    for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        assert_string(json_object_get(root, members[i]), expected);
    got = json_object_get(root, "notes");
    assert_int_equal(json_array_size(got), 2);
    assert_string(json_array_get(got, 0), expected);
    assert_string(json_array_get(got, 1), expected);
    got = json_object_get(root, "checks");
    assert_int_equal(json_object_size(got), 1);
    got = json_array_get(json_object_get(got, expected), 0);
    assert_string(json_object_get(got, "output"), expected);
    assert_string(json_object_get(got, "observedUnit"), expected);
    json_decref(root);
}

#define REPLACEMENT "\xEF\xBF\xBD"

/* Each byte alone, between others, and in front of each other. */
static void every_byte_may_be_in_every_text(void **unused)
{
    int a;

    (void)unused;
    for (a = 1; a < 256; a++) {
        char text[4] = {(char)a, '\0'}, expected[16];
        const char *shown = a < 0x80 ? text : REPLACEMENT;

        reads_back(text, shown);
        (void)snprintf(expected, sizeof(expected), "x%sz", shown);
        text[1] = (char)a;
        text[0] = 'x';
        text[2] = 'z';
        reads_back(text, expected);
    }
}

static void pairs_of_bytes_may_be_in_every_text(void **unused)
{
    int a, b;

    (void)unused;
    for (a = 1; a < 256; a += 3)
        for (b = 1; b < 256; b += 5) {
            const char text[3] = {(char)a, (char)b, '\0'};
            const char first[2] = {(char)a, '\0'}, second[2] = {(char)b, '\0'};
            char expected[16];

            if (a >= 0xC2 && a < 0xE0 && b >= 0x80 && b < 0xC0) /* one character */
                (void)snprintf(expected, sizeof(expected), "%s", text);
            else if (((a >= 0xE1 && a < 0xF0 && a != 0xED) || (a >= 0xF1 && a < 0xF4)) &&
                     b >= 0x80 && b < 0xC0) /* the beginning of one */
                /* The same comes of what is none.  NOLINTNEXTLINE(bugprone-branch-clone) */
                (void)snprintf(expected, sizeof(expected), REPLACEMENT);
            else if ((a == 0xE0 && b >= 0xA0 && b < 0xC0) || (a == 0xED && b >= 0x80 && b < 0xA0) ||
                     (a == 0xF0 && b >= 0x90 && b < 0xC0) || (a == 0xF4 && b >= 0x80 && b < 0x90))
                (void)snprintf(expected, sizeof(expected), REPLACEMENT);
            else
                (void)snprintf(expected, sizeof(expected), "%s%s", a < 0x80 ? first : REPLACEMENT,
                    b < 0x80 ? second : REPLACEMENT);
            reads_back(text, expected);
        }
}

static void characters_of_every_length_are_kept(void **unused)
{
    static const char text[] = "$\xC2\xA2\xE2\x82\xAC\xF0\x90\x8D\x88";

    (void)unused;
    reads_back(text, text);
}

/* A whole reason of what takes the most room: each byte becomes six. */
static void the_longest_reason_fits(void **unused)
{
    const struct health__head head = {.status = HEALTH_PASS};
    struct health__item item = {.name = "a", .status = HEALTH_FAIL, .time = -1, .duration_us = -1};
    char reason[HEALTH_REASON_MAX_BYTES + 1], *bytes;
    size_t length;
    json_t *root;

    (void)unused;
    memset(reason, 0x01, sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    item.output = reason;
    bytes = render(&head, &item, &length);
    assert_non_null(bytes);
    root = load(bytes, length);
    assert_string(
        json_object_get(
            json_array_get(json_object_get(json_object_get(root, "checks"), "a"), 0), "output"),
        reason);
    json_decref(root);
    free(bytes);
}

/* ---- Out of memory ---- */

/* All there can be in a document, texts that have to be cleaned among it. */
static char *render_all(size_t *ret_length)
{
    static const double value = 0.1;
    static const struct health__head head = {.status = HEALTH_WARN,
        .version = "1",
        .release_id = "\xFF",
        .service_id = "3",
        .description = "4",
        .notes = "5\0\xFE",
        .note_count = 2};
    static const struct health__item item = {"name", HEALTH_FAIL, "why\xFD", &value, "%", 1, 2, 3};

    return render(&head, &item, ret_length);
}

/* The host's memory for cJSON is not used: it may be another's at any time. */
static void *no_malloc(size_t size)
{
    fail_msg("cJSON takes %zu bytes", size);
    return NULL;
}

static void no_free(void *p)
{
    if (p != NULL)
        fail_msg("cJSON gives something back");
}

static void no_memory_for_any_part_leaves_nothing(void **unused)
{
    size_t whole, length, n;
    char *expected, *bytes;
    cJSON_Hooks hooks = {no_malloc, no_free};

    (void)unused;
    cJSON_InitHooks(&hooks);
    expected = render_all(&whole);
    assert_non_null(expected);
    for (n = 1;; n++) {
        memory_begin(n);
        length = 12345;
        bytes = render_all(&length);
        if (!memory_end())
            break;
        assert_null(bytes);
        assert_int_equal(length, 12345);
        assert_int_equal(memory_live(), 0);
    }
    /* The buffer, 6 texts, 2 notes and room for them. */
    assert_true(n > 10);
    assert_non_null(bytes);
    assert_int_equal(length, whole);
    assert_memory_equal(bytes, expected, whole);
    free(bytes);
    assert_int_equal(memory_live(), 0);
    free(expected);
    cJSON_InitHooks(NULL);
}

/* The parts alone: what was in the buffer is still there, and it is known to have failed. */
static void no_memory_for_a_part_is_remembered(void **unused)
{
    static const struct health__item item = {"name", HEALTH_FAIL, "why", NULL, "", 1, 2, 3};
    static const struct health__head head = {.status = HEALTH_PASS};
    cJSON_Hooks hooks = {no_malloc, no_free};
    size_t n, part;

    (void)unused;
    cJSON_InitHooks(&hooks);
    for (part = 0; part < 2; part++)
        for (n = 1;; n++) {
            struct health__buffer b = {0};
            bool failed;

            health__buffer_append(&b, "before", 6);
            memory_begin(n);
            if (part == 0)
                health__json_head(&b, &head);
            else
                health__json_item(&b, &item);
            failed = memory_end();
            assert_int_equal(memory_live(), 0);
            assert_true(b.failed == failed);
            assert_memory_equal(b.bytes, "before", 6);
            if (failed)
                assert_int_equal(b.length, 6);
            else
                assert_true(b.length > 20);
            health__buffer_done(&b);
            if (!failed)
                break;
        }
    cJSON_InitHooks(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_may_be_in_every_text),
        cmocka_unit_test(pairs_of_bytes_may_be_in_every_text),
        cmocka_unit_test(characters_of_every_length_are_kept),
        cmocka_unit_test(the_longest_reason_fits),
        cmocka_unit_test(no_memory_for_any_part_leaves_nothing),
        cmocka_unit_test(no_memory_for_a_part_is_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
