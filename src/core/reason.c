/*
 * Why a check is not passing, in words.
 *
 * They tell times, not ages: a text that stays true need not be made again.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/reason.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/timestamp.h"

#define NUMBER_BYTES 40

/* "1,500": printf() has this only in locales that the host may not have set. */
static const char *grouped(char *to, int64_t value)
{
    char *p = &to[NUMBER_BYTES - 1];
    int count = 0;

    *p = '\0';
    do {
        if (count > 0 && count % 3 == 0)
            *--p = ',';
        *--p = (char)('0' + value % 10);
        value /= 10;
        count++;
    } while (value > 0);
    return p;
}

/* "5 s" or "1,500 ms" */
static const char *duration(char *to, int64_t ms)
{
    char number[NUMBER_BYTES];
    bool seconds = ms % 1000 == 0;

    (void)snprintf(
        to, NUMBER_BYTES, "%s %s", grouped(number, seconds ? ms / 1000 : ms), seconds ? "s" : "ms");
    return to;
}

/* What is in the way of the result at hand, before its own words.  Returns: its length. */
static int threshold(char *to, const struct health__state *s, const struct health__policy *p)
{
    bool bad = s->said == HEALTH_FAIL;

    if (bad == (s->status == HEALTH_FAIL))
        return 0;
    return snprintf(to, NUMBER_BYTES, "%u of %u %s results", bad ? s->bad : s->good,
        bad ? p->failures : p->successes, bad ? "bad" : "good");
}

/* What is said where the check's own words are not, or not alone, the reason. */
static int ours(char *to, size_t size, const struct health__state *s,
    const struct health__policy *p, int tid, int64_t wall_offset_ms)
{
    static const char nothing[] = "no result yet";
    char when[HEALTH__TIMESTAMP_BYTES], limit[NUMBER_BYTES], number[NUMBER_BYTES];

    health__timestamp_short(when, s->cause_at + wall_offset_ms);
    switch (s->cause) {
    case HEALTH__NO_STATUS:
        return snprintf(to, size, "returned %" PRId64, s->detail);
    case HEALTH__TOOK_LONG:
        return snprintf(to, size, "took %s ms, limit %s", grouped(number, s->detail),
            grouped(limit, p->timeout_ms));
    case HEALTH__OVERDUE:
        if (tid == 0)
            return snprintf(to, size, "not started since %s: no free worker", when);
        return snprintf(to, size, "no answer since %s (thread %d)", when, tid);
    case HEALTH__STALE:
        return snprintf(to, size, "no result since %s", when);
    case HEALTH__NEVER_REPORTED:
        return snprintf(to, size, "no report since %s", when);
    case HEALTH__MISSED_BEAT:
        return snprintf(
            to, size, "no beat since %s (limit %s)", when, duration(limit, p->max_age_ms));
    case HEALTH__SAID:
        break;
    }
    if (!s->pending || s->bad != 0)
        return 0;
    memcpy(to, nothing, sizeof(nothing));
    return sizeof(nothing) - 1;
}

size_t health__reason(char *to, const struct health__state *s, const struct health__policy *p,
    const char *own, int tid, int64_t wall_offset_ms)
{
    /* What time alone has done is nothing that the check said, and counts for no threshold. */
    bool is_result =
        s->cause == HEALTH__SAID || s->cause == HEALTH__NO_STATUS || s->cause == HEALTH__TOOK_LONG;
    size_t length = is_result ? (size_t)threshold(to, s, p) : 0;
    int n;

    to[length] = '\0';
    n = ours(
        to + length + (length > 0 ? 2 : 0), (size_t)NUMBER_BYTES * 2, s, p, tid, wall_offset_ms);
    if (n > 0) {
        if (length > 0) {
            to[length++] = ':';
            to[length++] = ' ';
        }
        length += (size_t)n;
    }
    if (own != NULL && is_result)
        length += (size_t)snprintf(
            to + length, HEALTH__REASON_BYTES - length, "%s%s", length > 0 ? ": " : "", own);
    return length < HEALTH__REASON_BYTES ? length : HEALTH__REASON_BYTES - 1;
}
