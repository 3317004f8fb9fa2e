/*
 * The probe under test: the function, and the program of BUILD_DIR.
 *
 * All fail the cmocka test (of this thread) if the program cannot be run, or what it says is no
 * line as it should be.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_PROBING_H
#define TESTS_PROBING_H

#include <stdbool.h>
#include <stdint.h>

/* How a run of the program went. */
struct probing {
    int status; /* of its exit */
    char out[2048];
    char err[2048];
    int64_t took_ms;
};

/* What a run may take beyond its timeout: SLACK_MS, and more under a tool, which the start of a
 * process takes long under. */
int64_t probing_slack_ms(void);

/* Whether the program was built. */
bool probing_has_program(void);

/*
 * Runs the program with these arguments and these variables ("NAME=VALUE") alone in its
 * environment; both end with NULL, and NULL is none.  Where no tool is in the way it has 8 MiB of
 * address space.
 */
void probing_run(struct probing *ret, const char *const *arguments, const char *const *environment);

/*
 * Calls health_probe(), which must leave errno alone, write one line of text, and come to an end
 * within `timeout_ms` and the slack.  `ret_took_ms` may be NULL.  Returns: what it returns.
 */
int probing_ask(const char *url, unsigned timeout_ms, char ret_reason[400], int64_t *ret_took_ms);

/*
 * Asks by the function, and, if it was built, by the program, which must agree: by exit status, by
 * what they say, and in time.  Fails the test unless the result is `result` and the reason the URL
 * and `behind` ("…" at the end of which stands for any more).
 */
void probing_expect(const char *url, unsigned timeout_ms, int result, const char *behind);

#endif
