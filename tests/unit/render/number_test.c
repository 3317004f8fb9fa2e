/*
 * Numbers: each reads back as exactly what it was, is JSON, and does not know of the host's locale.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* timeout: 300 */
#include "render/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "process.h"

/* Of the C locale, whatever the program's is. */
static locale_t c_locale;

static const char *skip_digits(const char *s)
{
    return s + strspn(s, "0123456789");
}

/* Whether the text is a number of JSON (RFC 8259, section 6). */
static bool is_json(const char *s)
{
    const char *end;

    s += *s == '-';
    end = skip_digits(s);
    if (end == s || (*s == '0' && end > s + 1))
        return false;
    if (*end == '.') {
        s = end + 1;
        end = skip_digits(s);
        if (end == s)
            return false;
    }
    if (*end == 'e' || *end == 'E') {
        s = end + 1;
        s += *s == '+' || *s == '-';
        end = skip_digits(s);
        if (end == s)
            return false;
    }
    return *end == '\0';
}

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static double of_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Fails unless the number reads back, bit for bit. */
static void reads_back(double value)
{
    char text[HEALTH__NUMBER_BYTES], *end;
    double back;

    memset(text, 'x', sizeof(text));
    health__number(text, value);
    if (memchr(text, '\0', sizeof(text)) == NULL)
        fail_msg("%a has no end", value);
    if (!is_json(text))
        fail_msg("%a is no JSON: %s", value, text);
    back = strtod_l(text, &end, c_locale);
    if (*end != '\0' || bits_of(back) != bits_of(value))
        fail_msg("%a reads back as %a: %s", value, back, text);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state ^ *state >> 29;
}

static void read_back_random(int count)
{
    uint64_t state = UINT64_C(20261124);
    int i;

    for (i = 0; i < count; i++) {
        double value = of_bits(next_random(&state) ^ next_random(&state) << 32);

        if (isfinite(value))
            reads_back(value);
    }
}

static void read_back_special(void)
{
    static const double values[] = {0.0, -0.0, 1, -1, 0.1, 1.0 / 3, 9007199254740991.0,
        -9007199254740991.0, 9007199254740992.0, 9007199254740994.0, 1.7e15, 1e15, 1e16, 1e17, 1e21,
        1e22, 1e23, 123456789012345678.0, 18446744073709551615.0, DBL_MAX, -DBL_MAX, DBL_MIN,
        -DBL_MIN, DBL_EPSILON, 1 + DBL_EPSILON, 5e-324, -5e-324, 2.2250738585072011e-308,
        2.2250738585072009e-308, 1e-310, 4.35, 0.3, 2.5, 1e-5, 1e-4, 12345.678901234567};
    size_t i;
    int e;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        reads_back(values[i]);
    for (e = -1074; e < 1024; e++) {
        uint64_t power = bits_of(ldexp(1, e));

        reads_back(of_bits(power));
        reads_back(of_bits(power - 1));
        reads_back(-of_bits(power + 1));
    }
}

static void every_number_reads_back(void **unused)
{
    (void)unused;
    read_back_special();
    read_back_random(process_is_slow() ? 20000 : 1000000);
}

static const struct {
    double value;
    const char *text;
} plain[] = {
    {0, "0"},
    {-0.0, "-0"},
    {1, "1"},
    {-42, "-42"},
    {0.1, "0.1"},
    {0.3, "0.3"},
    {0.1 + 0.2, "0.30000000000000004"},
    {1.5, "1.5"},
    {-2.25, "-2.25"},
    {99.9, "99.9"},
    {100000, "100000"},
    {1e15, "1e+15"},
    {1.7e15, "1.7e+15"},
    {1700000000000001, "1700000000000001"},
    {9007199254740991, "9007199254740991"},
    {1e-7, "1e-07"},
    {1.0 / 3, "0.3333333333333333"},
    {DBL_MAX, "1.7976931348623157e+308"},
    {-DBL_MIN, "-2.2250738585072014e-308"},
    /* The least: fourteen would do. */
    {5e-324, "4.94065645841247e-324"},
};

static void show_plain(void)
{
    char text[HEALTH__NUMBER_BYTES];
    size_t i;

    for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        health__number(text, plain[i].value);
        assert_string_equal(text, plain[i].text);
    }
}

static void no_more_digits_than_needed(void **unused)
{
    (void)unused;
    show_plain();
}

static void what_json_has_no_number_for_is_a_string(void **unused)
{
    char text[HEALTH__NUMBER_BYTES];

    (void)unused;
    health__number(text, (double)NAN);
    assert_string_equal(text, "\"NaN\"");
    health__number(text, -(double)NAN);
    assert_string_equal(text, "\"NaN\"");
    /* Signalling, with a payload. */
    health__number(text, of_bits(UINT64_C(0x7FF0000000000BAD)));
    assert_string_equal(text, "\"NaN\"");
    health__number(text, (double)INFINITY);
    assert_string_equal(text, "\"Infinity\"");
    health__number(text, -(double)INFINITY);
    assert_string_equal(text, "\"-Infinity\"");
}

/* ---- Locales ---- */

/* Makes and sets a locale of which the decimal point is as expected.  Returns: false, having said
 * why, if there is none to be had here. */
static bool set_locale(const char *source, const char *point)
{
    char directory[] = "/tmp/health-locale-XXXXXX", command[256];
    bool made;

    if (mkdtemp(directory) == NULL)
        return false;
    (void)snprintf(command, sizeof(command),
        "localedef -i %s -f UTF-8 %s/%s.UTF-8 >%s/log 2>&1 || test -d %s/%s.UTF-8", source,
        directory, source, directory, directory, source);
    made = system(command) == 0;
    if (made) {
        (void)setenv("LOCPATH", directory, 1);
        (void)snprintf(command, sizeof(command), "%s.UTF-8", source);
        made = setlocale(LC_ALL, command) != NULL;
    }
    (void)unsetenv("LOCPATH");
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    (void)system(command);
    if (!made) {
        print_message("no locale %s: localedef(1) or its sources are missing\n", source);
        return false;
    }
    assert_string_equal(localeconv()->decimal_point, point);
    return true;
}

static void check_in_locale(const char *source, const char *point)
{
    char text[HEALTH__NUMBER_BYTES];

    if (!set_locale(source, point))
        skip();
    (void)snprintf(text, sizeof(text), "%.1f", 0.5);
    assert_string_not_equal(text, "0.5");

    show_plain();
    read_back_special();
    read_back_random(process_is_slow() ? 2000 : 100000);
    /* The host's locale is as it was. */
    assert_string_equal(localeconv()->decimal_point, point);
}

static void a_comma_in_the_locale_does_not_matter(void **unused)
{
    (void)unused;
    check_in_locale("de_DE", ",");
}

static void nor_does_a_point_of_two_bytes(void **unused)
{
    (void)unused;
    check_in_locale("ps_AF", "\xD9\xAB"); /* U+066B */
}

static int back_to_c(void **unused)
{
    (void)unused;
    return setlocale(LC_ALL, "C") != NULL ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_reads_back),
        cmocka_unit_test(no_more_digits_than_needed),
        cmocka_unit_test(what_json_has_no_number_for_is_a_string),
        cmocka_unit_test_teardown(a_comma_in_the_locale_does_not_matter, back_to_c),
        cmocka_unit_test_teardown(nor_does_a_point_of_two_bytes, back_to_c),
    };
    int failed;

    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    freelocale(c_locale);
    return failed;
}
