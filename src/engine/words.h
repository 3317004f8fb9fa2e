/*
 * What a callback or a report says beside a status: a reason, an observed value.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_ENGINE_WORDS_H
#define HEALTH_ENGINE_WORDS_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <health/health.h>

#define HEALTH__UNIT_MAX_BYTES 31

/* As kept: one block of memory, in which there is room for what was said, and for nothing else. */
struct health__words {
    bool observed;  /* the value comes next, and then its unit with a NUL */
    bool explained; /* the reason, with a NUL, comes last */
};

/* As being said, on the stack of the worker that runs the callback. */
struct health_result {
    int64_t deadline_ms;                    /* of the run, unless */
    const _Atomic int64_t *moving_deadline; /* is not NULL: it moves when the process was frozen */
    double value;
    size_t length; /* of the reason */
    bool observed;
    bool explained;
    char unit[HEALTH__UNIT_MAX_BYTES + 1];
    char reason[HEALTH_REASON_MAX_BYTES + 1];
};

/* Makes a result in which nothing is said yet. */
void health__result_init(struct health_result *r, int64_t deadline_ms);

/* Sets the reason; `format` NULL: none. */
void health__result_explain(struct health_result *r, const char *format, va_list arguments)
    HEALTH_PRINTF(2, 0);

/*
 * Keeps what was said, to be given to health__words_free().
 *
 * Returns: NULL if nothing was said; without memory, words that say that.
 */
struct health__words *health__words_keep(const struct health_result *r);
void health__words_free(struct health__words *words);

/* Both of words that may be NULL.  Returns: the reason, or NULL; whether there is a value. */
const char *health__words_reason(const struct health__words *words);
bool health__words_value(
    const struct health__words *words, double *ret_value, const char **ret_unit);

#endif
