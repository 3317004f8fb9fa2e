/*
 * Assertions on times and on what a document tells.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "assertions.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RECENT_S    30
#define SECONDS_DAY 86400

void assert_between(int64_t value, int64_t least, int64_t most)
{
    if (value < least || value > most)
        fail_msg("%" PRId64 " is not between %" PRId64 " and %" PRId64, value, least, most);
}

void assert_check(const json_t *doc, const char *name, const char *status, const char *output)
{
    const char *got = document_check_status(doc, name), *got_output = document_output(doc, name);

    if (got == NULL)
        fail_msg("%s is not listed", name);
    /* fail_msg() does not return.  NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
    if (strcmp(got, status) != 0)
        fail_msg("%s is %s (%s), not %s", name, got, got_output != NULL ? got_output : "", status);
    if (output == NULL ? got_output != NULL : got_output == NULL || strcmp(got_output, output) != 0)
        fail_msg("%s says \"%s\", not \"%s\"", name, got_output != NULL ? got_output : "",
            output != NULL ? output : "");
}

/* What stands for the number of a thread. */
#define THREAD " (thread N)"

void assert_output_since(const json_t *doc, const char *name, const char *before, const char *after)
{
    const char *output = document_output(doc, name);
    int hour = 0, minute = 0, second = 0, ago;
    char expected[256];

    int tid = 0;

    if (output == NULL)
        fail_msg("%s says nothing", name);
    /* fail_msg() does not return.  NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
    if (strncmp(output, before, strlen(before)) == 0)
        (void)sscanf(output + strlen(before), "%2d:%2d:%2dZ", &hour, &minute, &second);
    (void)snprintf(
        expected, sizeof(expected), "%s%02d:%02d:%02dZ%s", before, hour, minute, second, after);
    if (strcmp(after, THREAD) == 0 && strlen(output) > strlen(expected) - strlen("N)")) {
        (void)sscanf(output + strlen(expected) - strlen("N)"), "%d", &tid);
        (void)snprintf(expected + strlen(expected) - strlen("N)"), 16, "%d)", tid);
    }
    if (strcmp(output, expected) != 0)
        fail_msg("%s says \"%s\", not \"%s\"", name, output, expected);
    ago = (int)(document_now_ms() / 1000 % SECONDS_DAY) - ((hour * 60 + minute) * 60 + second);
    assert_between((ago + SECONDS_DAY) % SECONDS_DAY, 0, RECENT_S);
}
