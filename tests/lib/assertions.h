/*
 * Assertions on times and on what a document tells.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_ASSERTIONS_H
#define TESTS_ASSERTIONS_H

#include <stdint.h>

#include "document.h"
#include "process.h"

/* What a busy machine and a sanitizer may add to a time: little, where there is little between
 * right and wrong; more, where what is wrong takes 5 s and more. */
#define SLACK_MS (process_is_slow() ? 4000 : 500)
#define QUICK_MS (process_is_slow() ? 4000 : 2000)

/* Clocks are read in whole ms, and a little before or after the moment itself. */
#define ROUNDING_MS 20

/* A time that nothing comes near to, unless something is wrong. */
#define LONG_MS 10000

void assert_between(int64_t value, int64_t least, int64_t most);

/* The check is listed with the status and the output; NULL: with none. */
void assert_check(const json_t *doc, const char *name, const char *status, const char *output);

/* The output of the check is "<before>08:15:02Z<after>", with a time of the last 30 s; `after` may
 * be " (thread N)", whatever its number. */
void assert_output_since(
    const json_t *doc, const char *name, const char *before, const char *after);

#endif
