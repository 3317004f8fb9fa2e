/*
 * What a callback or a report says beside a status.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"

/* Said where there is no memory to keep what was said; never written to. */
static struct health__words lost = {.explained = true};

void health__result_init(struct health_result *r, int64_t deadline_ms)
{
    r->deadline_ms = deadline_ms;
    r->moving_deadline = NULL;
    r->value = 0;
    r->length = 0;
    r->observed = r->explained = false;
    r->unit[0] = r->reason[0] = '\0';
}

void health__result_explain(struct health_result *r, const char *format, va_list arguments)
{
    /* Longer than what is kept, so that a character which does not fit is seen whole. */
    char text[HEALTH_REASON_MAX_BYTES + 4];
    const char *from = text;
    int length;

    r->explained = format != NULL;
    r->length = 0;
    if (r->explained) {
        length = vsnprintf(text, sizeof(text), format, arguments);
        /* A wide character that the locale does not know: better the format than nothing. */
        if (length < 0)
            from = format;
        r->length = strnlen(from, sizeof(text) - 1);
        r->length = health__utf8_cut(from, r->length, HEALTH_REASON_MAX_BYTES);
        memcpy(r->reason, from, r->length);
    }
    r->reason[r->length] = '\0';
}

struct health__words *health__words_keep(const struct health_result *r)
{
    size_t unit_bytes = strlen(r->unit) + 1, bytes = 0;
    struct health__words *words;
    char *to;

    if (!r->observed && !r->explained)
        return NULL;
    if (r->observed)
        bytes += sizeof(r->value) + unit_bytes;
    if (r->explained)
        bytes += r->length + 1;
    words = malloc(sizeof(*words) + bytes);
    if (words == NULL)
        return &lost;
    *words = (struct health__words){r->observed, r->explained};
    to = (char *)(words + 1);
    if (r->observed) {
        memcpy(to, &r->value, sizeof(r->value));
        memcpy(to + sizeof(r->value), r->unit, unit_bytes);
        to += sizeof(r->value) + unit_bytes;
    }
    if (r->explained)
        memcpy(to, r->reason, r->length + 1);
    return words;
}

void health__words_free(struct health__words *words)
{
    if (words != &lost)
        free(words);
}

bool health__words_value(
    const struct health__words *words, double *ret_value, const char **ret_unit)
{
    const char *at;

    if (words == NULL || !words->observed)
        return false;
    at = (const char *)(words + 1);
    memcpy(ret_value, at, sizeof(*ret_value));
    *ret_unit = at + sizeof(*ret_value);
    return true;
}

const char *health__words_reason(const struct health__words *words)
{
    const char *unit;
    double value;

    if (words == &lost)
        return "out of memory: the reason could not be kept";
    if (words == NULL || !words->explained)
        return NULL;
    if (health__words_value(words, &value, &unit))
        return unit + strlen(unit) + 1;
    return (const char *)(words + 1);
}

enum health_status health_explain(
    struct health_result *result, enum health_status status, const char *format, ...)
{
    va_list arguments;

    if (result == NULL)
        return status;
    va_start(arguments, format);
    health__result_explain(result, format, arguments);
    va_end(arguments);
    return status;
}

void health_observe(struct health_result *result, double value, const char *unit)
{
    size_t length = 0;

    if (result == NULL)
        return;
    result->value = value;
    result->observed = true;
    if (unit != NULL) {
        length = strnlen(unit, HEALTH__UNIT_MAX_BYTES + 1);
        length = health__utf8_cut(unit, length, HEALTH__UNIT_MAX_BYTES);
        memcpy(result->unit, unit, length);
    }
    result->unit[length] = '\0';
}

unsigned health_remaining_ms(const struct health_result *result)
{
    int64_t deadline, left;

    if (result == NULL)
        return 0;
    deadline = result->deadline_ms;
    if (result->moving_deadline != NULL)
        deadline = atomic_load_explicit(result->moving_deadline, memory_order_relaxed);
    left = deadline - health__now_ms();
    return left > 0 ? (unsigned)left : 0;
}
