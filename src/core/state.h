/*
 * The state machine of one check: pure functions over (state, event, now).
 *
 * No lock, no clock, no thread and no text in here: moments come in as arguments, in ms of the
 * monotonic clock, and never go backwards from call to call.  What happens to a check are its
 * events; that time passes is none: what time alone causes (a run overdue, a result stale, a beat
 * missed) is folded in by health__state_settle(), with the moment at which it became true, however
 * late that is called.
 *
 *                     good result
 *          pending ----------------------------------> pass or warn <----+
 *             |                                             |            |
 *             | `failures` bad results,                     | the same   | `successes` good results
 *             | or time alone                               v            | (a beat, a report: one)
 *             +-----------------------------------------> fail ----------+
 *
 * Invariants, after any event and settled at any moment:
 *   - pending implies that no result was good and time has forced nothing.
 *   - status is what the last good result said, or fail.
 *   - a run in progress for longer than the timeout implies fail.
 *   - `since` is the moment of the last change of (status, pending), and never in the future.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_CORE_STATE_H
#define HEALTH_CORE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <health/health.h>

#include "base/clock.h"

/* How the service's word on a check comes to us. */
enum health__kind {
    HEALTH__ON_DEMAND, /* run when a request finds the last result too old */
    HEALTH__PERIODIC,  /* run by a timer */
    HEALTH__PUSHED,    /* reported by the service */
    HEALTH__HEARTBEAT  /* a sign of life, or its absence */
};

#define HEALTH__ANY_AGE UINT32_MAX

/* How a check is judged; made once, by core/policy.c.  Durations are added up as int64_t. */
struct health__policy {
    uint32_t timeout_ms;  /* a run's, from when it was queued */
    uint32_t max_age_ms;  /* on demand: of a result before it is run again; pushed and heartbeat: of
                             the last word before it fails; HEALTH__ANY_AGE */
    uint32_t interval_ms; /* periodic */
    unsigned failures;    /* bad results in a row that make it fail */
    unsigned successes;   /* good ones that heal it */
    unsigned char probes; /* HEALTH_LIVE and so on, or'ed */
    enum health__kind kind : 8;
    bool advisory; /* at worst a warn */
};

/* Why the status is what it is: what the reason will tell. */
enum health__cause {
    HEALTH__SAID,           /* the callback or the service said so, in its own words */
    HEALTH__NO_STATUS,      /* the callback returned `detail`, which is no status */
    HEALTH__TOOK_LONG,      /* it returned after its timeout, `detail` ms from when it was queued */
    HEALTH__OVERDUE,        /* the run queued at `cause_at` has not returned in time */
    HEALTH__STALE,          /* the last word, of `cause_at`, is too old */
    HEALTH__NEVER_REPORTED, /* there was none since `cause_at`, when the check was added */
    HEALTH__MISSED_BEAT     /* the last beat, of `cause_at`, is too old */
};

struct health__state {
    int64_t heard_at;   /* the last sign of life, by which age is judged: the last result, report or
                           beat; of pushed checks and heartbeats at first their registration; after
                           a freeze the thaw.  NOT_YET: none.  NEVER: an idle heartbeat */
    int64_t queued_at;  /* of the run in progress, or a thaw since; NOT_YET: none */
    int64_t result_at;  /* when the last result or report came, or the beat last seen; NOT_YET */
    int64_t not_before; /* a word older than this is judged as if it were of this moment: of the
                           registration, or a start or thaw since */
    int64_t since;      /* when (status, pending) last changed */
    int64_t cause_at;   /* see the causes */
    int64_t detail;
    unsigned bad;  /* bad results in a row, up to `failures` */
    unsigned good; /* good ones, up to `successes` */
    enum health_status status : 8;
    enum health_status said : 8; /* by the last result; what is no status is a fail */
    enum health__cause cause : 8;
    bool pending; /* not judged yet; status is pass meanwhile */
    bool doubted; /* had the benefit of a doubt since the last sign of life; see
                     health__state_thaw() */
    bool overdue; /* the run in progress has been judged so */
};

/* What a probe is told of a check at one moment. */
struct health__verdict {
    enum health_status status; /* as /live counts it, where pending is no failure */
    enum health_status strict; /* as the others count it, where it is */
    bool pending;
};

/* A check registered at `now`. */
void health__state_init(struct health__state *s, const struct health__policy *p, int64_t now);

/* The instance is started (again): runs become never run, and what the service said counts as said
 * now. */
void health__state_start(struct health__state *s, const struct health__policy *p, int64_t now);

/* A run is queued.  There must be none in progress. */
void health__state_queue(struct health__state *s, const struct health__policy *p, int64_t now);

/* Of a settled state: the run in progress was taken back before it was begun. */
void health__state_cancel(struct health__state *s);

/* The run in progress has returned `returned`. */
void health__state_finish(
    struct health__state *s, const struct health__policy *p, int returned, int64_t now);

/* The service has reported a status for a pushed check. */
void health__state_report(
    struct health__state *s, const struct health__policy *p, enum health_status said, int64_t now);

/* The last beat of a heartbeat is that of `beat_at`, as read at `now`; HEALTH__NEVER: idle.  Read
 * it before settling: beats that were not read are not missed, as long as the last is young. */
void health__state_beat(struct health__state *s, int64_t beat_at, int64_t now);

/* The process stood still from `asleep_at` until `now`, or, where that is not `certain`, perhaps:
 * then a check has the benefit of the doubt once, until it gives a sign of life.  Whatever was said
 * before, the last beat too, is best told before: at `asleep_at` the state is settled. */
void health__state_thaw(struct health__state *s, const struct health__policy *p, int64_t asleep_at,
    int64_t now, bool certain);

/* Folds in what time alone has caused until `now`.  Returns: whether anything changed. */
bool health__state_settle(struct health__state *s, const struct health__policy *p, int64_t now);

/* Of a settled state: when time alone will change it next; HEALTH__NEVER. */
int64_t health__state_until(const struct health__state *s, const struct health__policy *p);

/* When a request may not be content with the last result of an on-demand check any more, and has
 * it run again; NOT_YET: there is none.  NEVER: not an on-demand check. */
int64_t health__state_fresh_until(const struct health__state *s, const struct health__policy *p);

/* Of a settled state: what a probe is told. */
struct health__verdict health__state_verdict(
    const struct health__state *s, const struct health__policy *p);

static inline bool health__state_running(const struct health__state *s)
{
    return s->queued_at != HEALTH__NOT_YET;
}

#endif
