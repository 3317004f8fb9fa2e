/*
 * Request targets: which path is which endpoint, and which name is meant, against readers of our
 * own that go about it another way, for every target that can be put together of some pieces.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/route.h"

#include <ctype.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"

/* ---- Paths ---- */

#define NO_ENDPOINT HEALTH__ENDPOINTS

static const struct {
    const char *path;
    enum health__endpoint endpoint;
    const char *name;
} table[] = {
    {"/", HEALTH__AT_READY, NULL},
    {"/live", HEALTH__AT_LIVE, NULL},
    {"/livez", HEALTH__AT_LIVE, NULL},
    {"/livez/", HEALTH__AT_LIVE, NULL},
    {"/ready", HEALTH__AT_READY, NULL},
    {"/readyz", HEALTH__AT_READY, NULL},
    {"/ready/", HEALTH__AT_READY, NULL},
    {"/startup", HEALTH__AT_STARTUP, NULL},
    {"/startupz/", HEALTH__AT_STARTUP, NULL},
    {"/health", HEALTH__AT_HEALTH, NULL},
    {"/health/", HEALTH__AT_HEALTH, NULL},
    {"/healthz", HEALTH__AT_HEALTH, NULL},
    {"/health/db", HEALTH__AT_HEALTH, "db"},
    {"/healthz/db", HEALTH__AT_HEALTH, "db"},
    {"/health/db/", HEALTH__AT_HEALTH, "db/"},
    {"/health/a/b", HEALTH__AT_HEALTH, "a/b"},
    {"/health//", HEALTH__AT_HEALTH, "/"},
    {"/health/%2e", HEALTH__AT_HEALTH, "%2e"},
    {"http://host/live", HEALTH__AT_LIVE, NULL},
    {"HTTPS://[::1]:8080/health/db", HEALTH__AT_HEALTH, "db"},
    {"http://user@host:80/", HEALTH__AT_READY, NULL},
    {"http://host", HEALTH__AT_READY, NULL},
    {"http:///ready", HEALTH__AT_READY, NULL},
    {"", NO_ENDPOINT, NULL},
    {"*", NO_ENDPOINT, NULL},
    {"live", NO_ENDPOINT, NULL},
    {"//", NO_ENDPOINT, NULL},
    {"//live", NO_ENDPOINT, NULL},
    {"/Live", NO_ENDPOINT, NULL},
    {"/liv", NO_ENDPOINT, NULL},
    {"/livezz", NO_ENDPOINT, NULL},
    {"/live2", NO_ENDPOINT, NULL},
    {"/live/db", NO_ENDPOINT, NULL},
    {"/ready//", NO_ENDPOINT, NULL},
    {"/healthdb", NO_ENDPOINT, NULL},
    {"/%68ealth", NO_ENDPOINT, NULL},
    {"/live%00", NO_ENDPOINT, NULL},
    {"/live;x", NO_ENDPOINT, NULL},
    {"/x/../live", NO_ENDPOINT, NULL},
    {"://host/live", NO_ENDPOINT, NULL},
    {"http:/live", NO_ENDPOINT, NULL},
    {"http:live", NO_ENDPOINT, NULL},
    {"http://host//live", NO_ENDPOINT, NULL},
    {"a/b://host/live", NO_ENDPOINT, NULL},
    {"/x://host/live", NO_ENDPOINT, NULL},
};

static void each_path_is_its_endpoint(void **unused)
{
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct health__route route;
        bool found = health__route_path(table[i].path, &route);

        if (found != (table[i].endpoint != NO_ENDPOINT))
            fail_msg("%s is %sfound", table[i].path, found ? "" : "not ");
        if (!found)
            continue;
        assert_int_equal(route.endpoint, table[i].endpoint);
        if (table[i].name == NULL)
            assert_null(route.name);
        else
            assert_string_equal(route.name, table[i].name);
    }
}

static regex_t absolute, path_of_ours;

/* The same by regular expressions: RFC 3986, appendix B, and what we have. */
static bool refer(const char *target, struct health__route *ret_route)
{
    static const char *const words[] = {"live", "ready", "startup", "health"};
    regmatch_t m[5];
    size_t i;

    if (target[0] != '/' && regexec(&absolute, target, 1, m, 0) == 0)
        target = target[m[0].rm_eo] != '\0' ? target + m[0].rm_eo : "/";
    ret_route->endpoint = HEALTH__AT_READY;
    ret_route->name = NULL;
    if (strcmp(target, "/") == 0)
        return true;
    if (regexec(&path_of_ours, target, 5, m, 0) != 0)
        return false;
    for (i = 0; i < 4; i++)
        if (strncmp(target + m[1].rm_so, words[i], strlen(words[i])) == 0)
            break;
    ret_route->endpoint = (enum health__endpoint[]){
        HEALTH__AT_LIVE, HEALTH__AT_READY, HEALTH__AT_STARTUP, HEALTH__AT_HEALTH}[i];
    if (m[3].rm_so >= 0 && m[3].rm_eo > m[3].rm_so)
        ret_route->name = target + m[3].rm_so;
    return ret_route->name == NULL || i == 3;
}

static void compare_path(const char *target)
{
    struct health__route route, other;
    bool found = health__route_path(target, &route), expected = refer(target, &other);

    if (found != expected)
        fail_msg("'%s' is %sfound", target, found ? "" : "not ");
    if (found &&
        (route.endpoint != other.endpoint || (route.name == NULL) != (other.name == NULL) ||
            (route.name != NULL && strcmp(route.name, other.name) != 0)))
        fail_msg("'%s' is endpoint %d with name %s", target, (int)route.endpoint,
            route.name != NULL ? route.name : "none");
}

/* Calls the function with every text of `least` to `most` of the pieces. */
static void for_each_text(const char *const *pieces, size_t count, size_t least, size_t most,
    void (*does)(const char *text))
{
    size_t at[8] = {0}, length, i;

    for (length = least; length <= most; length++) {
        memset(at, 0, sizeof(at));
        do {
            char text[128] = "";

            for (i = 0; i < length; i++)
                (void)strcat(text, pieces[at[i]]);
            does(text);
            for (i = 0; i < length && ++at[i] == count; i++)
                at[i] = 0;
        } while (i < length);
    }
}

static void every_target_of_a_few_words(void **unused)
{
    static const char *const words[] = {
        "/", "//", "live", "ready", "health", "startup", "z", "http:", "h", "%2F", "."};
    static const char *const letters[] = {"/", ":", "z", "%", "h"};

    (void)unused;
    assert_int_equal(regcomp(&absolute, "^[^:/?#]+://[^/]*", REG_EXTENDED), 0);
    assert_int_equal(
        regcomp(&path_of_ours, "^/(live|ready|health|startup)z?(/(.*))?$", REG_EXTENDED), 0);
    for_each_text(words, sizeof(words) / sizeof(words[0]), 0, 5, compare_path);
    for_each_text(letters, sizeof(letters) / sizeof(letters[0]), 0, 7, compare_path);
    regfree(&absolute);
    regfree(&path_of_ours);
}

/* ---- Names ---- */

static const struct {
    const char *from;
    const char *name; /* NULL: bad */
} names[] = {
    {"db", "db"},
    {"db/", "db"},
    {"", ""},
    {"/", ""},
    {"a%20b", "a b"},
    {"a+b", "a+b"},
    {"%41%4a%4A", "AJJ"},
    {"%25", "%"},
    {"%2541", "%41"},
    {"caf%C3%A9", "caf\xC3\xA9"},
    {"caf\xC3\xA9", "caf\xC3\xA9"},
    {"%C3", "\xEF\xBF\xBD"},
    {"%FF%FE", "\xEF\xBF\xBD\xEF\xBF\xBD"},
    {"\xC3%A9", "\xC3\xA9"},
    {"%01%7f", "\x01\x7F"},
    {"disk:free", "disk:free"},
    {"a?b#c&d=e", "a?b#c&d=e"},
    {"%", NULL},
    {"%4", NULL},
    {"%4/", NULL},
    {"%zz", NULL},
    {"%4z", NULL},
    {"%z4", NULL},
    {"% 4", NULL},
    {"%+4", NULL},
    {"%-1", NULL},
    {"%0x", NULL},
    {"%00", NULL},
    {"a%00b", NULL},
    {"%2F", NULL},
    {"%2f", NULL},
    {"a/b", NULL},
    {"/a", NULL},
    {"a//", NULL},
    {"//", NULL},
    {"a%2F", NULL},
    {"a%", NULL},
};

static void each_name_is_decoded(void **unused)
{
    char name[HEALTH__ROUTE_NAME_BYTES];
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        bool good = health__route_name(names[i].from, name);

        if (good != (names[i].name != NULL))
            fail_msg("'%s' is %s", names[i].from, good ? name : "bad");
        if (good)
            assert_string_equal(name, names[i].name);
    }
}

/* The same by the C library's means.  Returns: false if it is bad. */
static bool decode(const char *from, char *to)
{
    char copy[128], clean[128], *slash, *p;

    (void)strcpy(copy, from);
    slash = strrchr(copy, '/');
    if (slash != NULL && slash[1] == '\0')
        *slash = '\0';
    if (strchr(copy, '/') != NULL)
        return false;
    for (p = strchr(copy, '%'); p != NULL; p = strchr(p + 1, '%')) {
        char digits[3] = {0};
        long byte;

        if (!isxdigit((unsigned char)p[1]) || !isxdigit((unsigned char)p[2]))
            return false;
        memcpy(digits, p + 1, 2);
        byte = strtol(digits, NULL, 16);
        if (byte == 0 || byte == '/')
            return false;
        *p = (char)byte;
        memmove(p + 1, p + 3, strlen(p + 3) + 1);
    }
    health__utf8_clean(clean, copy);
    (void)strcpy(to, clean);
    return true;
}

static void compare_name(const char *from)
{
    char name[HEALTH__ROUTE_NAME_BYTES], expected[128];
    bool good = health__route_name(from, name), other = decode(from, expected);

    if (good != other || (good && strcmp(name, expected) != 0))
        fail_msg("'%s' is %s, not %s", from, good ? name : "bad", other ? expected : "bad");
}

static void every_name_of_a_few_letters(void **unused)
{
    static const char *const letters[] = {
        "%", "0", "2", "F", "f", "5", "/", "g", "C3", "A9", "\xC3", "\xA9"};

    (void)unused;
    for_each_text(letters, sizeof(letters) / sizeof(letters[0]), 0, 5, compare_name);
}

static void every_escape(void **unused)
{
    int high, low;

    (void)unused;
    for (high = 1; high < 256; high++)
        for (low = 1; low < 256; low++) {
            const char from[] = {'x', '%', (char)high, (char)low, 'y', '\0'};

            compare_name(from);
        }
}

/* A name of so many of the text, and whether it may be one. */
static void repeat(const char *text, size_t count, bool good, size_t expected_length)
{
    char from[8 * HEALTH_NAME_MAX_BYTES] = "", name[HEALTH__ROUTE_NAME_BYTES];
    size_t i;

    for (i = 0; i < count; i++)
        (void)strcat(from, text);
    memset(name, '#', sizeof(name));
    assert_int_equal(health__route_name(from, name), good);
    if (good)
        assert_int_equal(strlen(name), expected_length);
}

static void names_are_as_long_as_any_may_be(void **unused)
{
    (void)unused;
    repeat("a", 384, true, 384);
    repeat("a", 385, false, 0);
    repeat("%41", 200, true, 200);
    repeat("\xFF", 128, true, 384);
    repeat("\xFF", 129, false, 0);
    repeat("%FF", 128, true, 384);
    repeat("%FF", 129, false, 0);
    repeat("\xC3\xA9", 192, true, 384);
    repeat("\xC3\xA9", 193, false, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_path_is_its_endpoint),
        cmocka_unit_test(every_target_of_a_few_words),
        cmocka_unit_test(each_name_is_decoded),
        cmocka_unit_test(every_name_of_a_few_letters),
        cmocka_unit_test(every_escape),
        cmocka_unit_test(names_are_as_long_as_any_may_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
