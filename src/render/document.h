/*
 * The document: verdicts as application/health+json (draft-inadarei-api-health-check-06).
 *
 * It is written front to back: begin, a check after the other, end.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_RENDER_DOCUMENT_H
#define HEALTH_RENDER_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <health/health.h>

#include "base/buffer.h"

/* What stands before the checks.  Strings that are NULL are left out; any bytes may be in them. */
struct health__head {
    enum health_status status;
    const char *version;
    const char *release_id;
    const char *service_id;
    const char *description;
    const char *notes; /* texts, each with its NUL */
    size_t note_count;
    bool started;
    bool ready;
    bool draining;
};

/* One check.  Moments are in ms since 1970. */
struct health__item {
    const char *name; /* UTF-8 */
    enum health_status status;
    const char *output;  /* NULL: none; any bytes */
    const double *value; /* observed; NULL: none */
    const char *unit;    /* of the value; "": none; any bytes */
    int64_t time;        /* of the last result; negative: none */
    int64_t since;       /* when the status last changed */
    int64_t duration_us; /* of the last run; negative: none */
};

void health__document_begin(struct health__buffer *to, const struct health__head *head);

/* `first`: no check has been added yet. */
void health__document_add(struct health__buffer *to, const struct health__item *item, bool first);
void health__document_end(struct health__buffer *to);

#endif
