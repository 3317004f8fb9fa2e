/*
 * Assertions on times and on what a document tells.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_ASSERTIONS_H
#define TESTS_ASSERTIONS_H

#include <stdint.h>

#include "document.h"

/* What a busy machine and a sanitizer may add to a time.  What is not there at all takes longer. */
#define SLACK_MS 400

/* Clocks are read in whole ms, before or after the moment itself. */
#define ROUNDING_MS 3

/* A time that nothing comes near to, unless something is wrong. */
#define LONG_MS 10000

void assert_between(int64_t value, int64_t least, int64_t most);

/* The check is listed with the status and the output; NULL: with none. */
void assert_check(const json_t *doc, const char *name, const char *status, const char *output);

/* The output of the check is "<before>08:15:02Z<after>", with a time of the last 30 s. */
void assert_output_since(
    const json_t *doc, const char *name, const char *before, const char *after);

#endif
