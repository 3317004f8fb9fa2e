/*
 * A line of text of limited length: what does not fit is left out, and it is never left half a
 * character.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_PROBE_LINE_H
#define HEALTH_PROBE_LINE_H

#include <stddef.h>

#include <health/probe.h>

struct health__line {
    size_t length;
    char text[HEALTH_PROBE_REASON_MAX_BYTES + 1]; /* with a final NUL */
};

void health__line_clear(struct health__line *line);

/* Adds a string of any bytes: control characters become blanks, what is not UTF-8 '?'. */
void health__line_add(struct health__line *line, const char *s);
void health__line_add_bytes(struct health__line *line, const char *bytes, size_t count);
void health__line_add_number(struct health__line *line, unsigned number);

#endif
