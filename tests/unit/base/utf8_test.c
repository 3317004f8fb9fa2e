/*
 * UTF-8, against a decoder made the other way round: from an encoder and all there is to encode.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REPLACEMENT "\xEF\xBF\xBD"

/*
 * Of all sequences of one to three bytes: whether it is a character, and whether it begins a longer
 * one.  One of four bytes is a character if its first three begin one and its last is 80 to BF: the
 * encoder below gives each beginning of three all 64 of them.
 */
enum { CHARACTER = 1, BEGINNING = 2 };
static uint8_t one[1 << 8], two[1 << 16], three[1 << 24];

static size_t encode(unsigned char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (unsigned char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (unsigned char)(0xC0 | c >> 6);
        to[1] = (unsigned char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (unsigned char)(0xE0 | c >> 12);
        to[1] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
        to[2] = (unsigned char)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (unsigned char)(0xF0 | c >> 18);
    to[1] = (unsigned char)(0x80 | (c >> 12 & 0x3F));
    to[2] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
    to[3] = (unsigned char)(0x80 | (c & 0x3F));
    return 4;
}

/* The mark of the `length` bytes at `s`. */
static uint8_t *mark(const unsigned char *s, size_t length)
{
    if (length == 1)
        return &one[s[0]];
    if (length == 2)
        return &two[s[0] << 8 | s[1]];
    return &three[s[0] << 16 | s[1] << 8 | s[2]];
}

static int make_marks(void **unused)
{
    uint32_t c;

    (void)unused;
    for (c = 0; c <= 0x10FFFF; c++) {
        unsigned char bytes[4];
        size_t length, i;

        if (c >= 0xD800 && c <= 0xDFFF)
            continue; /* a surrogate */
        length = encode(bytes, c);
        for (i = 1; i < length; i++)
            *mark(bytes, i) |= BEGINNING;
        if (length < 4)
            *mark(bytes, length) |= CHARACTER;
    }
    return 0;
}

/* The length of the character at the front of the `length` bytes at `s`; 0 if there is none. */
static size_t character(const unsigned char *s, size_t length)
{
    size_t i;

    for (i = 1; i <= 3 && i <= length; i++) {
        if (*mark(s, i) & CHARACTER)
            return i;
        if (!(*mark(s, i) & BEGINNING))
            return 0;
    }
    return length >= 4 && (s[3] & 0xC0) == 0x80 ? 4 : 0;
}

/* The length of what is replaced by one U+FFFD where there is no character: "the maximal subpart",
 * the longest beginning of one, or a single byte. */
static size_t subpart(const unsigned char *s, size_t length)
{
    size_t i = 0;

    while (i < 3 && i < length && (*mark(s, i + 1) & BEGINNING))
        i++;
    return i > 0 ? i : 1;
}

static size_t expected_clean(char *to, const unsigned char *s, size_t length)
{
    size_t at = 0, written = 0;

    while (at < length) {
        size_t n = character(s + at, length - at);

        if (n > 0) {
            memcpy(to + written, s + at, n);
            at += n;
            written += n;
        } else {
            memcpy(to + written, REPLACEMENT, 3);
            at += subpart(s + at, length - at);
            written += 3;
        }
    }
    to[written] = '\0';
    return written;
}

/* Only complains: cmocka's asserts are slow where there are millions. */
static bool cleans(const unsigned char *s, size_t length)
{
    char expected[64], got[64];
    size_t n = expected_clean(expected, s, length);

    if (health__utf8_clean_length((const char *)s) != n)
        return false;
    health__utf8_clean(got, (const char *)s);
    return memcmp(got, expected, n + 1) == 0;
}

/* Every cut of the bytes is as long as it can be without halving a character. */
static bool cuts(const unsigned char *s, size_t length)
{
    size_t max;

    for (max = 0; max <= length + 1; max++) {
        size_t cut = health__utf8_cut((const char *)s, length, max), at = 0;

        if (cut > max || cut > length || (max >= length && cut != length))
            return false;
        if (max >= length)
            continue;
        if (max - cut > 3)
            return false;
        /* Of what is whole, nothing is halved, and all that fits is there: text of characters alone
         * is cut behind one. */
        while (at < length) {
            size_t n = character(s + at, length - at);

            if (n == 0)
                break;
            if (cut > at && cut < at + n)
                return false;
            if (at + n <= max && cut < at + n && character(s + at + n, length - at - n) > 0)
                return false;
            at += n;
        }
    }
    return true;
}

/* Under tools that make everything many times as slow, less is tried. */
static bool is_slow(void)
{
#ifdef __SANITIZE_THREAD__
    return true;
#else
    return getenv("HEALTH_TEST_SLOW") != NULL;
#endif
}

static void every_sequence_of_up_to_three_bytes(void **unused)
{
    /* A prime, so that all bytes occur. */
    uint32_t step = is_slow() ? 61 : 1, i;
    unsigned bad = 0;

    (void)unused;
    for (i = 1; i < 1u << 24; i += i < 1u << 16 ? 1 : step) {
        unsigned char s[4] = {0};
        size_t length = 0;

        if (i >> 16 != 0)
            s[length++] = (unsigned char)(i >> 16);
        if (i >> 8 != 0)
            s[length++] = (unsigned char)(i >> 8);
        s[length++] = (unsigned char)i;
        if (memchr(s, 0, length) != NULL)
            continue; /* shorter, and was had */
        bad += !cleans(s, length) || !cuts(s, length);
    }
    assert_int_equal(bad, 0);
}

static void every_character(void **unused)
{
    uint32_t step = is_slow() ? 17 : 1, c;
    unsigned bad = 0;

    (void)unused;
    for (c = 1; c <= 0x10FFFF; c += step) {
        unsigned char s[16];
        size_t n, length = 0;

        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        s[length++] = 'a';
        n = encode(s + length, c);
        length += n;
        length += encode(s + length, c);
        s[length] = '\0';
        bad += !cuts(s, length) || !cleans(s, length);
        bad += health__utf8_clean_length((char *)s) != length;
        bad += health__utf8_cut((char *)s, length, length - 1) != 1 + n;
        bad += health__utf8_cut((char *)s, length, n) != 1;
    }
    assert_int_equal(bad, 0);
}

/* Longer ones, of bytes that mean something to a decoder. */
static void random_sequences_of_telling_bytes(void **unused)
{
    static const unsigned char telling[] = {0x01, 'a', 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
        0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5,
        0xF8, 0xFE, 0xFF};
    int rounds = is_slow() ? 100000 : 2000000, round;
    uint64_t random = 88172645463325252u;
    unsigned bad = 0;

    (void)unused;
    for (round = 0; round < rounds; round++) {
        unsigned char s[9];
        size_t length, i;

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        length = 4 + (size_t)(random >> 60) % 5;
        for (i = 0; i < length; i++)
            s[i] = telling[(random >> (7 * i)) % sizeof(telling)];
        s[length] = '\0';
        bad += !cleans(s, length) || !cuts(s, length);
    }
    assert_int_equal(bad, 0);
}

/* Examples of the Unicode Standard, section 3.9, tables 3-8 to 3-11: so that the decoder above is
 * not all that says so. */
static void the_standards_examples(void **unused)
{
    static const struct {
        const char *text, *clean;
    } examples[] = {
        {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41",
            REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT
                REPLACEMENT "A"},
        {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41",
            REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT
                REPLACEMENT "A"},
        {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42",
            REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT "A" REPLACEMENT REPLACEMENT
                                                                        "B"},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41",
            REPLACEMENT REPLACEMENT REPLACEMENT REPLACEMENT "A"},
        {"", ""},
        {"abc", "abc"},
        {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
    };
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        char got[64];

        health__utf8_clean(got, examples[i].text);
        assert_string_equal(got, examples[i].clean);
        assert_int_equal(health__utf8_clean_length(examples[i].text), strlen(examples[i].clean));
    }
}

static void the_cut_looks_no_further_than_the_byte_behind_it(void **unused)
{
    /* Sized to the byte, for the sanitizers: what is read is what is there. */
    char *text = malloc(3);

    (void)unused;
    assert_non_null(text);
    /* There is to be none.  NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
    memcpy(text, "a\xC3\xA4", 3);
    assert_int_equal(health__utf8_cut(text, 3, 0), 0);
    assert_int_equal(health__utf8_cut(text, 3, 1), 1);
    assert_int_equal(health__utf8_cut(text, 3, 2), 1);
    assert_int_equal(health__utf8_cut(text, 3, 3), 3);
    assert_int_equal(health__utf8_cut(text, 3, SIZE_MAX), 3);
    assert_int_equal(health__utf8_cut(text, 0, 0), 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sequence_of_up_to_three_bytes),
        cmocka_unit_test(every_character),
        cmocka_unit_test(random_sequences_of_telling_bytes),
        cmocka_unit_test(the_standards_examples),
        cmocka_unit_test(the_cut_looks_no_further_than_the_byte_behind_it),
    };

    return cmocka_run_group_tests(tests, make_marks, NULL);
}
