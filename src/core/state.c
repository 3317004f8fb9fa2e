/*
 * The state machine of one check.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/state.h"

/* When `at`, which may never come, will be more than `ms` ago. */
static int64_t past(int64_t at, int64_t ms)
{
    return at == HEALTH__NEVER ? HEALTH__NEVER : at + ms + 1;
}

static int64_t past_age(const struct health__state *s, const struct health__policy *p)
{
    return p->max_age_ms == HEALTH__ANY_AGE ? HEALTH__NEVER : past(s->heard_at, p->max_age_ms);
}

/* Enters (status, pending) at `at`. */
static void enter(struct health__state *s, enum health_status status, int64_t at)
{
    if (s->pending || s->status != status)
        s->since = at;
    s->status = status;
    s->pending = false;
}

/* When the run in progress becomes overdue. */
static int64_t overdue_at(const struct health__state *s, const struct health__policy *p)
{
    if (!health__state_running(s) || s->overdue)
        return HEALTH__NEVER;
    return s->queued_at + p->timeout_ms;
}

/* When the last sign of life becomes too old to be believed: "older than" its limit. */
static int64_t too_old_at(const struct health__state *s, const struct health__policy *p)
{
    if (s->heard_at == HEALTH__NOT_YET || s->cause == HEALTH__STALE ||
        s->cause == HEALTH__NEVER_REPORTED || s->cause == HEALTH__MISSED_BEAT || s->overdue)
        return HEALTH__NEVER;
    switch (p->kind) {
    case HEALTH__PERIODIC:
        return past(s->heard_at, 2 * (int64_t)p->interval_ms + p->timeout_ms);
    case HEALTH__PUSHED:
    case HEALTH__HEARTBEAT:
        return past_age(s, p);
    case HEALTH__ON_DEMAND:
        break;
    }
    return HEALTH__NEVER;
}

/* Time alone makes the check fail at `at`: no threshold holds that up, and healing begins anew. */
static void force(struct health__state *s, enum health__cause cause, int64_t cause_at, int64_t at)
{
    enter(s, HEALTH_FAIL, at);
    s->cause = cause;
    s->cause_at = cause_at;
    s->good = 0;
}

static void force_too_old(struct health__state *s, const struct health__policy *p, int64_t at)
{
    enum health__cause cause = HEALTH__STALE;

    if (p->kind == HEALTH__HEARTBEAT)
        cause = HEALTH__MISSED_BEAT;
    else if (s->result_at == HEALTH__NOT_YET)
        cause = HEALTH__NEVER_REPORTED;
    force(s, cause, s->heard_at, at);
}

bool health__state_settle(struct health__state *s, const struct health__policy *p, int64_t now)
{
    int64_t overdue = overdue_at(s, p), too_old = too_old_at(s, p);
    bool changed = false;

    /* Both may have come true since: in the order in which they did, so that `since` is right. */
    if (too_old <= now && too_old < overdue) {
        force_too_old(s, p, too_old);
        changed = true;
    }
    if (overdue <= now) {
        force(s, HEALTH__OVERDUE, s->queued_at, overdue);
        s->overdue = true;
        changed = true;
    }
    return changed;
}

int64_t health__state_until(const struct health__state *s, const struct health__policy *p)
{
    int64_t overdue = overdue_at(s, p), too_old = too_old_at(s, p);

    return overdue < too_old ? overdue : too_old;
}

int64_t health__state_fresh_until(const struct health__state *s, const struct health__policy *p)
{
    if (p->kind != HEALTH__ON_DEMAND)
        return HEALTH__NEVER;
    if (s->heard_at == HEALTH__NOT_YET)
        return HEALTH__NOT_YET;
    return past_age(s, p);
}

void health__state_init(struct health__state *s, const struct health__policy *p, int64_t now)
{
    bool from_now = p->kind == HEALTH__PUSHED || p->kind == HEALTH__HEARTBEAT;

    *s = (struct health__state){
        .heard_at = from_now ? now : HEALTH__NOT_YET,
        .queued_at = HEALTH__NOT_YET,
        .result_at = HEALTH__NOT_YET,
        .not_before = now,
        .since = now,
        .cause_at = now,
        .status = HEALTH_PASS,
        .said = HEALTH_PASS,
        .cause = HEALTH__SAID,
        /* Adding a heartbeat is a beat. */
        .pending = p->kind != HEALTH__HEARTBEAT,
    };
}

void health__state_start(struct health__state *s, const struct health__policy *p, int64_t now)
{
    struct health__state old = *s;

    health__state_init(s, p, now);
    if (p->kind == HEALTH__PUSHED && old.result_at != HEALTH__NOT_YET)
        health__state_report(s, p, old.said, now);
    else if (p->kind == HEALTH__HEARTBEAT && old.heard_at == HEALTH__NEVER)
        s->heard_at = HEALTH__NEVER;
    /* That it counts as said now does not make it said now; and what was seen is no new beat. */
    if (p->kind == HEALTH__PUSHED || p->kind == HEALTH__HEARTBEAT)
        s->result_at = old.result_at;
    if (s->status == old.status && s->pending == old.pending)
        s->since = old.since;
}

void health__state_queue(struct health__state *s, const struct health__policy *p, int64_t now)
{
    (void)health__state_settle(s, p, now);
    s->queued_at = now;
    s->overdue = s->doubted = false;
}

void health__state_cancel(struct health__state *s)
{
    s->queued_at = HEALTH__NOT_YET;
    s->overdue = false;
}

/* A word of `at` has come. */
static void hear(struct health__state *s, int64_t at)
{
    s->result_at = at;
    s->heard_at = at > s->not_before ? at : s->not_before;
    s->doubted = false;
}

/* A result or report: counts it, and changes the status where the thresholds allow. */
static void judge(struct health__state *s, const struct health__policy *p, enum health_status said,
    enum health__cause cause, int64_t now)
{
    s->said = said;
    s->cause = cause;
    s->cause_at = now;
    hear(s, now);
    if (said == HEALTH_FAIL) {
        s->good = 0;
        if (s->bad < p->failures)
            s->bad++;
        if (s->bad >= p->failures)
            enter(s, HEALTH_FAIL, now);
    } else {
        s->bad = 0;
        if (s->good < p->successes)
            s->good++;
        if (s->status != HEALTH_FAIL || s->good >= p->successes)
            enter(s, said, now);
    }
}

void health__state_finish(
    struct health__state *s, const struct health__policy *p, int returned, int64_t now)
{
    int64_t took;

    (void)health__state_settle(s, p, now);
    took = now - s->queued_at;
    if (s->overdue) {
        s->detail = took;
        judge(s, p, HEALTH_FAIL, HEALTH__TOOK_LONG, now);
    } else if (returned != HEALTH_PASS && returned != HEALTH_WARN && returned != HEALTH_FAIL) {
        s->detail = returned;
        judge(s, p, HEALTH_FAIL, HEALTH__NO_STATUS, now);
    } else {
        judge(s, p, (enum health_status)returned, HEALTH__SAID, now);
    }
    s->queued_at = HEALTH__NOT_YET;
    s->overdue = false;
}

void health__state_report(
    struct health__state *s, const struct health__policy *p, enum health_status said, int64_t now)
{
    (void)health__state_settle(s, p, now);
    judge(s, p, said, HEALTH__SAID, now);
}

void health__state_beat(struct health__state *s, int64_t beat_at, int64_t now)
{
    /* Seen before: it may have been made young again by a thaw. */
    if (beat_at == s->result_at)
        return;
    /* Not settled before: it may have beaten all the time since it was looked at. */
    hear(s, beat_at);
    s->cause = HEALTH__SAID;
    enter(s, HEALTH_PASS, beat_at < now ? beat_at : now);
}

void health__state_thaw(struct health__state *s, const struct health__policy *p, int64_t asleep_at,
    int64_t now, bool certain)
{
    /* What was true before it fell asleep stays true. */
    (void)health__state_settle(s, p, asleep_at);
    if (s->doubted && !certain)
        return;
    s->doubted = true;
    s->not_before = now;
    if (s->heard_at != HEALTH__NOT_YET && s->heard_at < now && p->kind != HEALTH__ON_DEMAND)
        s->heard_at = now;
    if (health__state_running(s) && !s->overdue)
        s->queued_at = now;
}

struct health__verdict health__state_verdict(
    const struct health__state *s, const struct health__policy *p)
{
    struct health__verdict v = {s->status, s->pending ? HEALTH_FAIL : s->status, s->pending};

    if (p->advisory) {
        if (s->pending || s->status == HEALTH_FAIL)
            v.status = HEALTH_WARN;
        v.strict = v.status;
    }
    return v;
}
