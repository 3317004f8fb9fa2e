/*
 * What a callback says beside a status: kept, cut, and lost where there is no memory.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: malloc clock_gettime */
#include "engine/words.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);

static bool no_memory;
static size_t asked_bytes; /* the last time */

void *__wrap_malloc(size_t size)
{
    asked_bytes = size;
    return no_memory ? NULL : __real_malloc(size);
}

/* The time it is. */
static int64_t now_ms;

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    assert_int_equal(id, CLOCK_MONOTONIC);
    t->tv_sec = (time_t)(now_ms / 1000);
    t->tv_nsec = (long)(now_ms % 1000) * 1000000;
    return 0;
}

static void said_nothing_keeps_nothing(void **unused)
{
    struct health_result r;

    (void)unused;
    memset(&r, 0x5A, sizeof(r));
    health__result_init(&r, 0);
    assert_null(health__words_keep(&r));
    assert_string_equal(r.reason, "");
    assert_int_equal(r.length, 0);
    health__words_free(NULL);
    assert_null(health__words_reason(NULL));
}

static double value_of(const struct health__words *words)
{
    const char *unit;
    double value = 0;

    assert_true(health__words_value(words, &value, &unit));
    return value;
}

static const char *unit_of(const struct health__words *words)
{
    const char *unit = NULL;
    double value;

    assert_true(health__words_value(words, &value, &unit));
    return unit;
}

static void a_reason_is_kept(void **unused)
{
    struct health_result r;
    struct health__words *words;
    const char *unit = NULL;
    double value = 17;

    (void)unused;
    health__result_init(&r, 0);
    assert_int_equal(health_explain(&r, HEALTH_WARN, "%s: %d of %d", "disk", 9, 10), HEALTH_WARN);
    words = health__words_keep(&r);
    assert_non_null(words);
    assert_string_equal(health__words_reason(words), "disk: 9 of 10");
    assert_false(health__words_value(words, &value, &unit));
    assert_true(value == 17);
    assert_null(unit);
    health__words_free(words);
}

static void the_status_comes_back_whatever_it_is(void **unused)
{
    struct health_result r;

    (void)unused;
    health__result_init(&r, 0);
    assert_int_equal(health_explain(&r, HEALTH_PASS, "x"), HEALTH_PASS);
    assert_int_equal(health_explain(&r, HEALTH_FAIL, "x"), HEALTH_FAIL);
    assert_int_equal(health_explain(&r, (enum health_status)7, "x"), 7);
    assert_int_equal(health_explain(NULL, HEALTH_FAIL, "x"), HEALTH_FAIL);
}

static void the_last_reason_counts(void **unused)
{
    struct health_result r;
    struct health__words *words;
    /* Under another name, compilers let it have no format. */
    enum health_status (*explain)(struct health_result *, enum health_status, const char *, ...) =
        health_explain;

    (void)unused;
    health__result_init(&r, 0);
    (void)health_explain(&r, HEALTH_FAIL, "%s", "a long first reason");
    (void)health_explain(&r, HEALTH_FAIL, "short");
    words = health__words_keep(&r);
    assert_string_equal(health__words_reason(words), "short");
    health__words_free(words);

    (void)health_explain(&r, HEALTH_FAIL, "%s", "");
    words = health__words_keep(&r);
    assert_string_equal(health__words_reason(words), "");
    health__words_free(words);

    /* Taken back. */
    (void)health_explain(&r, HEALTH_FAIL, "longer than none");
    (void)explain(&r, HEALTH_FAIL, NULL);
    assert_int_equal(r.length, 0);
    assert_string_equal(r.reason, "");
    assert_null(health__words_keep(&r));
}

static void the_last_value_counts(void **unused)
{
    struct health_result r;
    struct health__words *words;

    (void)unused;
    health__result_init(&r, 0);
    health_observe(&r, 1.5, "percent");
    health_observe(&r, -0.25, "s");
    words = health__words_keep(&r);
    assert_non_null(words);
    assert_true(value_of(words) == -0.25);
    assert_string_equal(unit_of(words), "s");
    assert_null(health__words_reason(words));
    health__words_free(words);

    health_observe(&r, (double)NAN, NULL);
    words = health__words_keep(&r);
    assert_true(isnan(value_of(words)));
    assert_string_equal(unit_of(words), "");
    health__words_free(words);

    health_observe(NULL, 1, "s"); /* nothing */
}

static void there_is_room_for_what_was_said_and_for_nothing_else(void **unused)
{
    struct health_result r;

    (void)unused;
    health__result_init(&r, 0);
    (void)health_explain(&r, HEALTH_WARN, "tight");
    health__words_free(health__words_keep(&r));
    assert_int_equal(asked_bytes, sizeof(struct health__words) + sizeof("tight"));
    health_observe(&r, 97, "percent");
    health__words_free(health__words_keep(&r));
    assert_int_equal(asked_bytes,
        sizeof(struct health__words) + sizeof(double) + sizeof("percent") + sizeof("tight"));
    health__result_init(&r, 0);
    health_observe(&r, 97, NULL);
    health__words_free(health__words_keep(&r));
    assert_int_equal(asked_bytes, sizeof(struct health__words) + sizeof(double) + sizeof(""));
}

static void both_are_kept_together(void **unused)
{
    struct health_result r;
    struct health__words *words;

    (void)unused;
    health__result_init(&r, 0);
    health_observe(&r, 97, "%");
    (void)health_explain(&r, HEALTH_FAIL, "disk full");
    words = health__words_keep(&r);
    assert_true(value_of(words) == 97);
    assert_string_equal(unit_of(words), "%");
    assert_string_equal(health__words_reason(words), "disk full");

    /* And are a copy: the next run says other things. */
    health__result_init(&r, 0);
    (void)health_explain(&r, HEALTH_FAIL, "other");
    health_observe(&r, 1, "?");
    assert_true(value_of(words) == 97);
    assert_string_equal(health__words_reason(words), "disk full");
    health__words_free(words);
}

/* A reason of `length` times `a` and then `tail`, as it was kept. */
static void expect_kept(size_t length, const char *tail, size_t kept_length, const char *kept_tail)
{
    char text[2 * HEALTH_REASON_MAX_BYTES];
    struct health_result r;
    struct health__words *words;

    memset(text, 'a', length);
    memcpy(text + length, tail, strlen(tail) + 1);
    health__result_init(&r, 0);
    (void)health_explain(&r, HEALTH_FAIL, "%s", text);
    words = health__words_keep(&r);
    assert_non_null(words);
    memcpy(text + length, kept_tail, strlen(kept_tail) + 1);
    assert_string_equal(health__words_reason(words), text);
    assert_int_equal(strlen(health__words_reason(words)), kept_length);
    health__words_free(words);
}

static void a_reason_is_cut_at_512_bytes(void **unused)
{
    (void)unused;
    expect_kept(511, "b", 512, "b");
    expect_kept(512, "b", 512, "");
    expect_kept(512, "bcd", 512, "");
    expect_kept(512, "bcde", 512, "");
    expect_kept(512, "a long way too long", 512, "");
}

static void a_reason_is_cut_between_characters(void **unused)
{
    static const char *const characters[] = {"\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    size_t i, length, before;

    (void)unused;
    for (i = 0; i < 3; i++) {
        char tail[8];

        length = strlen(characters[i]);
        (void)strcpy(tail, characters[i]);
        /* It just fits, at the end of the text or not. */
        expect_kept(512 - length, tail, 512, tail);
        (void)strcat(tail, "b");
        expect_kept(512 - length, tail, 512, characters[i]);
        /* It does not, by one byte up to all but one. */
        for (before = 512 - length + 1; before <= 512; before++) {
            expect_kept(before, characters[i], before, "");
            expect_kept(before, tail, before, "");
        }
    }
}

static void a_unit_is_cut_at_31_bytes_between_characters(void **unused)
{
    static const struct {
        const char *unit, *kept;
    } units[] = {
        {"0123456789012345678901234567890", "0123456789012345678901234567890"},
        {"01234567890123456789012345678901", "0123456789012345678901234567890"},
        {"01234567890123456789012345678901234567890", "0123456789012345678901234567890"},
        {"01234567890123456789012345678\xC3\xA4", "01234567890123456789012345678\xC3\xA4"},
        {"01234567890123456789012345678\xC3\xA4x", "01234567890123456789012345678\xC3\xA4"},
        {"012345678901234567890123456789\xC3\xA4", "012345678901234567890123456789"},
        {"01234567890123456789012345678\xF0\x9F\x98\x80", "01234567890123456789012345678"},
    };
    struct health_result r;
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        health__result_init(&r, 0);
        health_observe(&r, 0, units[i].unit);
        assert_string_equal(r.unit, units[i].kept);
    }
}

static void a_reason_that_cannot_be_written_is_its_format(void **unused)
{
    /* No character of the C locale. */
    static const wchar_t wide[] = {0xFFFF, 0};
    static const char mine[] = "the user %ls has no quota";
    enum health_status (*explain)(struct health_result *, enum health_status, const char *, ...) =
        health_explain;
    char format[HEALTH_REASON_MAX_BYTES + 8];
    struct health_result r;
    struct health__words *words;

    (void)unused;
    health__result_init(&r, 0);
    (void)health_explain(&r, HEALTH_FAIL, "before");
    assert_int_equal(health_explain(&r, HEALTH_FAIL, mine, wide), HEALTH_FAIL);
    words = health__words_keep(&r);
    assert_string_equal(health__words_reason(words), mine);
    health__words_free(words);

    /* It is cut as well. */
    memset(format, 'x', sizeof(format));
    memcpy(format, "%ls", 3);
    format[sizeof(format) - 1] = '\0';
    assert_int_equal(explain(&r, HEALTH_FAIL, format, wide), HEALTH_FAIL);
    words = health__words_keep(&r);
    assert_int_equal(strlen(health__words_reason(words)), HEALTH_REASON_MAX_BYTES);
    assert_memory_equal(health__words_reason(words), format, HEALTH_REASON_MAX_BYTES);
    health__words_free(words);
}

static void without_memory_the_words_say_so(void **unused)
{
    struct health_result r;
    struct health__words *words;
    const char *unit;
    double value;

    (void)unused;
    health__result_init(&r, 0);
    no_memory = true;
    assert_null(health__words_keep(&r)); /* nothing was said, nothing is lost */
    (void)health_explain(&r, HEALTH_FAIL, "disk full");
    words = health__words_keep(&r);
    no_memory = false;
    assert_non_null(words);
    assert_string_equal(health__words_reason(words), "out of memory: the reason could not be kept");
    assert_false(health__words_value(words, &value, &unit));
    health__words_free(words);
    health__words_free(words);
}

static void what_remains_of_the_timeout(void **unused)
{
    struct health_result r;

    (void)unused;
    health__result_init(&r, 5000);
    now_ms = 4000;
    assert_int_equal(health_remaining_ms(&r), 1000);
    now_ms = 4999;
    assert_int_equal(health_remaining_ms(&r), 1);
    now_ms = 5000;
    assert_int_equal(health_remaining_ms(&r), 0);
    now_ms = 100000;
    assert_int_equal(health_remaining_ms(&r), 0);
    assert_int_equal(health_remaining_ms(NULL), 0);

    /* The longest there is. */
    health__result_init(&r, now_ms + HEALTH_DURATION_MAX_MS);
    assert_true(health_remaining_ms(&r) == HEALTH_DURATION_MAX_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(said_nothing_keeps_nothing),
        cmocka_unit_test(a_reason_is_kept),
        cmocka_unit_test(the_status_comes_back_whatever_it_is),
        cmocka_unit_test(the_last_reason_counts),
        cmocka_unit_test(the_last_value_counts),
        cmocka_unit_test(there_is_room_for_what_was_said_and_for_nothing_else),
        cmocka_unit_test(both_are_kept_together),
        cmocka_unit_test(a_reason_is_cut_at_512_bytes),
        cmocka_unit_test(a_reason_is_cut_between_characters),
        cmocka_unit_test(a_unit_is_cut_at_31_bytes_between_characters),
        cmocka_unit_test(a_reason_that_cannot_be_written_is_its_format),
        cmocka_unit_test(without_memory_the_words_say_so),
        cmocka_unit_test(what_remains_of_the_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
