/*
 * The line of a reason: its length, where it may end, and what becomes of bytes that must not be in
 * it.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "probe/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "one_line.h"

#define MAX HEALTH_PROBE_REASON_MAX_BYTES

static size_t encode(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xC0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xE0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3F));
        to[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (char)(0xF0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3F));
    to[2] = (char)(0x80 | (c >> 6 & 0x3F));
    to[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* A line of so many letters. */
static void fill(struct health__line *line, size_t length)
{
    health__line_clear(line);
    while (length-- > 0)
        health__line_add(line, "a");
}

static void assert_sound(const struct health__line *line)
{
    assert_true(line->length <= MAX);
    assert_int_equal(strlen(line->text), line->length);
    assert_true(one_line_is(line->text, line->length));
}

static void texts_and_numbers_follow_each_other(void **unused)
{
    struct health__line line;

    (void)unused;
    memset(&line, 'x', sizeof(line));
    health__line_clear(&line);
    assert_string_equal(line.text, "");
    assert_int_equal(line.length, 0);
    health__line_add(&line, "");
    health__line_add_bytes(&line, "abc", 2);
    health__line_add_number(&line, 0);
    health__line_add(&line, ",");
    health__line_add_number(&line, 10);
    health__line_add(&line, ",");
    health__line_add_number(&line, 4294967295u);
    assert_string_equal(line.text, "ab0,10,4294967295");
    assert_sound(&line);
}

static void every_character_stays_but_those_that_end_lines(void **unused)
{
    uint32_t c;

    (void)unused;
    for (c = 0; c <= 0x10FFFF; c++) {
        struct health__line line;
        char text[5] = "";
        size_t length = encode(text, c);

        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        health__line_clear(&line);
        health__line_add_bytes(&line, text, length);
        if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029)
            assert_string_equal(line.text, " ");
        else
            assert_string_equal(line.text, text);
    }
}

/* All of one to three bytes, and those of four that differ at the edges. */
static void what_is_no_character_is_shown_as_such(void **unused)
{
    static const unsigned char edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
        0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF};
    const size_t count = sizeof(edges);
    size_t i;

    (void)unused;
    for (i = 0; i < count * count * count * count; i++) {
        const char bytes[4] = {(char)edges[i % count], (char)edges[i / count % count],
            (char)edges[i / count / count % count], (char)edges[i / count / count / count]};
        struct health__line line;
        size_t length;

        for (length = 1; length <= 4; length++) {
            health__line_clear(&line);
            health__line_add_bytes(&line, bytes, length);
            assert_sound(&line);
            assert_true(line.length > 0 && line.length <= length);
        }
    }
}

static void bytes_that_are_none_are_told_one_by_one(void **unused)
{
    static const struct {
        const char *bytes, *shown;
    } lines[] = {
        {"\xFF", "?"},
        {"a\xC3", "a?"},
        {"\xE2\x82", "??"},
        {"\xE2\x82z", "??z"},
        {"\xF0\x9F\x98", "???"},
        {"\xC0\x80", "??"},           /* a NUL, longer than need be */
        {"\xED\xA0\x80", "???"},      /* a surrogate */
        {"\xF4\x90\x80\x80", "????"}, /* beyond U+10FFFF */
        {"\x80", "?"},
        {"\xC3\xA4\xC3", "\xC3\xA4?"},
        {"a\tb\r\nc\x1B[2Jd", "a b  c [2Jd"},
        {"\xC2\x9B"
         "2J",
            " 2J"}, /* what begins an escape sequence in one character */
        {"\xC2\x85\xE2\x80\xA8\xE2\x80\xA9", "   "},
    };
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct health__line line;

        health__line_clear(&line);
        health__line_add(&line, lines[i].bytes);
        assert_string_equal(line.text, lines[i].shown);
    }
}

static void it_ends_before_the_character_that_does_not_fit(void **unused)
{
    static const char *const characters[] = {"b", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    size_t i, before;

    (void)unused;
    for (i = 0; i < 4; i++)
        for (before = MAX - 6; before <= MAX; before++) {
            struct health__line line;
            size_t length = i + 1;

            fill(&line, before);
            health__line_add(&line, characters[i]);
            assert_sound(&line);
            assert_int_equal(line.length, before + length <= MAX ? before + length : before);
            /* And nothing comes behind the gap, however short. */
            if (before + length > MAX) {
                health__line_add(&line, "c");
                health__line_add_number(&line, 1);
                health__line_add_bytes(&line, "", 1);
                assert_int_equal(line.length, before);
            }
        }
}

static void more_than_fits_is_left_out(void **unused)
{
    char text[3 * MAX];
    struct health__line line;

    (void)unused;
    memset(text, 'x', sizeof(text));
    health__line_clear(&line);
    health__line_add_bytes(&line, text, sizeof(text));
    assert_sound(&line);
    assert_int_equal(line.length, MAX);
    assert_memory_equal(line.text, text, MAX);
    health__line_clear(&line);
    health__line_add(&line, "again");
    assert_string_equal(line.text, "again");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_numbers_follow_each_other),
        cmocka_unit_test(every_character_stays_but_those_that_end_lines),
        cmocka_unit_test(what_is_no_character_is_shown_as_such),
        cmocka_unit_test(bytes_that_are_none_are_told_one_by_one),
        cmocka_unit_test(it_ends_before_the_character_that_does_not_fit),
        cmocka_unit_test(more_than_fits_is_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
