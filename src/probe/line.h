/*
 * A line of text of limited length: it ends before the first character that does not fit.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_PROBE_LINE_H
#define HEALTH_PROBE_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include <health/probe.h>

struct health__line {
    size_t length;
    bool full;                                    /* something was left out */
    char text[HEALTH_PROBE_REASON_MAX_BYTES + 1]; /* with a final NUL */
};

static inline void health__line_clear(struct health__line *line)
{
    line->length = 0;
    line->full = false;
    line->text[0] = '\0';
}

/* Adds a string of any bytes: control characters and what else ends a line become blanks, what is
 * not UTF-8 '?'. */
void health__line_add(struct health__line *line, const char *s);
void health__line_add_bytes(struct health__line *line, const char *bytes, size_t count);
void health__line_add_number(struct health__line *line, unsigned number);

#endif
