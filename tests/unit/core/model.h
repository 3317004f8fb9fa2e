/*
 * A second opinion on core/state.c: a model of one check, written from the sentences of the design,
 * "How a check is judged", with whatever is simple and slow.
 *
 * It keeps the last of what has counted and judges from that list, and it lives every millisecond,
 * so that nothing is ever found out late.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_TEST_MODEL_H
#define HEALTH_TEST_MODEL_H

#include <string.h>

#include "core/state.h"

#define MODEL_ENTRIES 32

/* What counts: a result, report or beat; or that time alone has made the check fail. */
struct model_entry {
    bool forced;             /* by time alone */
    enum health_status said; /* where it was not */
    enum health__cause cause;
    int64_t cause_at;
    int64_t detail;

    /* What the check is from here on. */
    enum health_status status;
    bool pending;
};

struct model {
    const struct health__policy *p;
    int64_t since;
    int64_t word;     /* from when on age counts; NOT_YET: there is nothing to be old */
    int64_t floor;    /* what was said before counts as said at this moment */
    int64_t heard_at; /* when the last word really came; NOT_YET */
    int64_t queued;
    bool running;
    bool overdue;
    bool idle;
    bool doubted;                /* a thaw since the last word, or the beginning of the run */
    enum health_status reported; /* the last report */
    unsigned count;
    struct model_entry entries[MODEL_ENTRIES];
};

static inline const struct model_entry *model_last(const struct model *m)
{
    return &m->entries[m->count - 1];
}

/* How many words there are at the end of the last one's sort, bad or good. */
static inline unsigned model_row(const struct model *m)
{
    bool bad = model_last(m)->said == HEALTH_FAIL;
    unsigned row = 0;

    /* The first entry is how it began, and no word. */
    while (row + 1 < m->count && !m->entries[m->count - 1 - row].forced &&
           (m->entries[m->count - 1 - row].said == HEALTH_FAIL) == bad)
        row++;
    return row;
}

/* Adds to what counts, at `at`, and says what the check is from there on. */
static inline void model_add(struct model *m, struct model_entry entry, int64_t at)
{
    struct model_entry before, *e;

    if (m->count == MODEL_ENTRIES) {
        /* Thresholds look back over a few words only. */
        memmove(m->entries, m->entries + MODEL_ENTRIES / 2, sizeof(m->entries) / 2);
        m->count = MODEL_ENTRIES / 2;
    }
    before = *model_last(m);
    e = &m->entries[m->count++];
    *e = entry;
    e->status = before.status;
    e->pending = before.pending;

    if (e->forced || (e->said == HEALTH_FAIL && model_row(m) >= m->p->failures)) {
        e->status = HEALTH_FAIL;
        e->pending = false;
    } else if (e->said != HEALTH_FAIL &&
               (before.status != HEALTH_FAIL || model_row(m) >= m->p->successes)) {
        e->status = e->said;
        e->pending = false;
    }
    if (e->status != before.status || e->pending != before.pending)
        m->since = at;
}

static inline void model_begin(struct model *m, const struct health__policy *p, int64_t now)
{
    bool told = p->kind == HEALTH__PUSHED || p->kind == HEALTH__HEARTBEAT;

    m->p = p;
    m->floor = now;
    m->word = told ? now : HEALTH__NOT_YET;
    m->running = m->overdue = m->doubted = false;
    m->count = 1;
    m->entries[0] = (struct model_entry){
        .said = HEALTH_PASS,
        .cause = HEALTH__SAID,
        .status = HEALTH_PASS,
        .pending = p->kind != HEALTH__HEARTBEAT,
    };
}

static inline void model_init(struct model *m, const struct health__policy *p, int64_t now)
{
    memset(m, 0, sizeof(*m));
    m->heard_at = HEALTH__NOT_YET;
    m->since = now;
    model_begin(m, p, now);
}

/* The age beyond which a word is not believed any more. */
static inline int64_t model_limit(const struct model *m)
{
    if (m->p->kind == HEALTH__PERIODIC)
        return 2 * (int64_t)m->p->interval_ms + m->p->timeout_ms;
    if (m->p->kind == HEALTH__ON_DEMAND)
        return HEALTH__NEVER;
    return m->p->max_age_ms == HEALTH__ANY_AGE ? HEALTH__NEVER : m->p->max_age_ms;
}

static inline bool model_is_too_old(const struct model *m)
{
    enum health__cause cause = model_last(m)->cause;

    return cause == HEALTH__STALE || cause == HEALTH__NEVER_REPORTED ||
           cause == HEALTH__MISSED_BEAT;
}

/* It has become `now`, a millisecond later than before. */
static inline void model_tick(struct model *m, int64_t now)
{
    if (m->running && !m->overdue && now - m->queued >= m->p->timeout_ms) {
        m->overdue = true;
        model_add(m,
            (struct model_entry){.forced = true, .cause = HEALTH__OVERDUE, .cause_at = m->queued},
            now);
    }
    if (!m->overdue && m->word != HEALTH__NOT_YET && !m->idle && !model_is_too_old(m) &&
        model_limit(m) != HEALTH__NEVER && now - m->word > model_limit(m)) {
        struct model_entry e = {.forced = true, .cause = HEALTH__STALE, .cause_at = m->word};

        if (m->p->kind == HEALTH__HEARTBEAT)
            e.cause = HEALTH__MISSED_BEAT;
        else if (m->heard_at == HEALTH__NOT_YET)
            e.cause = HEALTH__NEVER_REPORTED;
        /* A heartbeat is not looked at in every millisecond: it tells when it would have been. */
        model_add(m, e, m->p->kind == HEALTH__HEARTBEAT ? m->word + model_limit(m) + 1 : now);
    }
}

static inline void model_queue(struct model *m, int64_t now)
{
    m->running = true;
    m->doubted = false;
    m->queued = now;
}

static inline void model_cancel(struct model *m, int64_t now)
{
    m->running = m->overdue = false;
    /* What being overdue has hidden may show. */
    model_tick(m, now);
}

static inline void model_word(struct model *m, struct model_entry e, int64_t at, int64_t now)
{
    m->heard_at = at;
    m->doubted = false;
    m->word = at < m->floor ? m->floor : at;
    model_add(m, e, at < now ? at : now);
}

static inline void model_finish(struct model *m, int returned, int64_t now)
{
    struct model_entry e = {.said = HEALTH_FAIL};

    if (m->overdue) {
        e.cause = HEALTH__TOOK_LONG;
        e.detail = now - m->queued;
    } else if (returned == HEALTH_PASS || returned == HEALTH_WARN || returned == HEALTH_FAIL) {
        e.cause = HEALTH__SAID;
        e.said = (enum health_status)returned;
    } else {
        e.cause = HEALTH__NO_STATUS;
        e.detail = returned;
    }
    m->running = m->overdue = false;
    model_word(m, e, now, now);
}

static inline void model_report(struct model *m, enum health_status said, int64_t now)
{
    m->reported = said;
    model_word(m, (struct model_entry){.said = said, .cause = HEALTH__SAID}, now, now);
}

/* A heartbeat is looked at: its last beat was at `beat_at`; NEVER: it is idle. */
static inline void model_look(struct model *m, int64_t beat_at, int64_t now)
{
    if (beat_at != m->heard_at) {
        m->idle = beat_at == HEALTH__NEVER;
        model_word(
            m, (struct model_entry){.said = HEALTH_PASS, .cause = HEALTH__SAID}, beat_at, now);
    }
    model_tick(m, now);
}

/* The process goes on after it stood still. */
static inline void model_thaw(struct model *m, int64_t now)
{
    m->floor = now;
    m->doubted = true;
    if (m->word != HEALTH__NOT_YET)
        m->word = now;
    if (m->running && !m->overdue)
        m->queued = now;
}

/* The instance is started. */
static inline void model_start(struct model *m, int64_t now)
{
    struct model_entry before = *model_last(m);
    int64_t since = m->since, heard_at = m->heard_at;

    model_begin(m, m->p, now);
    m->heard_at = HEALTH__NOT_YET;
    if (m->p->kind == HEALTH__PUSHED && heard_at != HEALTH__NOT_YET)
        model_report(m, m->reported, now);
    if (m->p->kind == HEALTH__PUSHED || m->p->kind == HEALTH__HEARTBEAT)
        m->heard_at = heard_at;
    m->since = model_last(m)->status == before.status && model_last(m)->pending == before.pending
                   ? since
                   : now;
}

#endif
