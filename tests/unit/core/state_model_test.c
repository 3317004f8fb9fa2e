/*
 * All that can happen to a check, in every order, up to a depth; and at random, far beyond: after
 * each step it is what the model of it says.
 *
 * The state machine is settled now and then, as events have it; the model in every millisecond.
 * That they agree shows as well that it does not matter how late time is folded in.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* timeout: 120 */
#include "core/state.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model.h"

enum event {
    QUEUE,
    PASS,
    WARN,
    FAIL,
    SEVEN,
    CANCEL,
    REPORT_PASS,
    REPORT_WARN,
    REPORT_FAIL,
    BEAT,
    LAGGING_BEAT, /* by a coarse clock, 1 ms behind */
    IDLE,
    THAW,
    DOUBT, /* perhaps a thaw */
    START,
    LATER_START, /* 20 ms after it was stopped */
    SETTLE,
    STEP_1,
    STEP_3,
    STEP_8,
    EVENTS
};

static const char *const names[EVENTS] = {"queue", "pass", "warn", "fail", "seven", "cancel",
    "report pass", "report warn", "report fail", "beat", "lagging beat", "idle", "thaw", "doubt",
    "start", "later start", "settle", "1 ms", "3 ms", "8 ms"};

/* A check, its model, and the time. */
struct world {
    const struct health__policy *p;
    struct health__state s;
    struct model m;
    int64_t beat_at; /* what a heartbeat's reader finds */
    int64_t now;
};

/* What led here, for the complaint. */
static enum event path[64];
static unsigned depth;

static void begin(struct world *w, const struct health__policy *p)
{
    w->p = p;
    w->now = 100;
    w->beat_at = w->now;
    health__state_init(&w->s, p, w->now);
    model_init(&w->m, p, w->now);
}

static bool may_happen(const struct world *w, enum event event)
{
    enum health__kind kind = w->p->kind;
    bool run = kind == HEALTH__ON_DEMAND || kind == HEALTH__PERIODIC;

    if (event == QUEUE)
        return run && !w->m.running;
    if (event <= CANCEL)
        return run && w->m.running;
    if (event <= REPORT_FAIL)
        return kind == HEALTH__PUSHED;
    if (event <= IDLE)
        return kind == HEALTH__HEARTBEAT;
    return true;
}

/* Looks at the check: a heartbeat's last beat, and what time has done. */
static bool look(struct world *w)
{
    if (w->p->kind == HEALTH__HEARTBEAT) {
        health__state_beat(&w->s, w->beat_at, w->now);
        model_look(&w->m, w->beat_at, w->now);
    }
    return health__state_settle(&w->s, w->p, w->now);
}

static void pass_time(struct world *w, int ms)
{
    while (ms-- > 0) {
        w->now++;
        if (w->p->kind != HEALTH__HEARTBEAT)
            model_tick(&w->m, w->now);
    }
}

/* It may have stood still; once, until there is a sign of life, that is believed. */
static void doubt(struct world *w)
{
    int64_t asleep_at = w->now;
    bool believed;

    if (w->p->kind == HEALTH__HEARTBEAT)
        (void)look(w);
    believed = !w->m.doubted;
    if (believed)
        w->now += 20;
    else
        pass_time(w, 20);
    health__state_thaw(&w->s, w->p, asleep_at, w->now, false);
    if (believed)
        model_thaw(&w->m, w->now);
}

static void end_run(struct world *w, int returned)
{
    health__state_finish(&w->s, w->p, returned, w->now);
    model_finish(&w->m, returned, w->now);
}

static void tell(struct world *w, enum health_status said)
{
    health__state_report(&w->s, w->p, said, w->now);
    model_report(&w->m, said, w->now);
}

static void happen(struct world *w, enum event event)
{
    switch (event) {
    case QUEUE:
        health__state_queue(&w->s, w->p, w->now);
        model_queue(&w->m, w->now);
        break;
    case PASS:
    case WARN:
    case FAIL:
        end_run(w, HEALTH_PASS + (int)event - PASS);
        break;
    case SEVEN:
        end_run(w, 7);
        break;
    case CANCEL:
        (void)look(w);
        health__state_cancel(&w->s);
        model_cancel(&w->m, w->now);
        break;
    case REPORT_PASS:
    case REPORT_WARN:
    case REPORT_FAIL:
        tell(w, (enum health_status)(HEALTH_PASS + (int)event - REPORT_PASS));
        break;
    case BEAT:
        w->beat_at = w->now;
        break;
    case LAGGING_BEAT:
        w->beat_at = w->now - 1;
        break;
    case IDLE:
        w->beat_at = HEALTH__NEVER;
        break;
    case THAW:
        if (w->p->kind == HEALTH__HEARTBEAT)
            (void)look(w);
        w->now += 20;
        health__state_thaw(&w->s, w->p, w->now - 20, w->now, true);
        model_thaw(&w->m, w->now);
        break;
    case DOUBT:
        doubt(w);
        break;
    case START:
    case LATER_START:
        (void)look(w);
        w->now += event == START ? 0 : 20;
        health__state_start(&w->s, w->p, w->now);
        model_start(&w->m, w->now);
        break;
    case SETTLE:
        (void)look(w);
        break;
    case STEP_1:
        pass_time(w, 1);
        break;
    case STEP_3:
        pass_time(w, 3);
        break;
    case STEP_8:
        pass_time(w, 8);
        break;
    case EVENTS:
        break;
    }
}

/* Whether the state, settled, is what the model is. */
static bool agrees(const struct health__state *s, const struct world *w)
{
    const struct model_entry *last = model_last(&w->m);
    bool bad = last->said == HEALTH_FAIL;

    if (s->status != last->status || s->pending != last->pending || s->since != w->m.since ||
        s->cause != last->cause || s->result_at != w->m.heard_at ||
        health__state_running(s) != w->m.running || s->overdue != w->m.overdue)
        return false;
    /* What the reason will tell. */
    if (last->forced && s->cause_at != last->cause_at)
        return false;
    if ((last->cause == HEALTH__TOOK_LONG || last->cause == HEALTH__NO_STATUS) &&
        s->detail != last->detail)
        return false;
    if (w->m.count > 1 && !last->forced) {
        if (s->said != last->said)
            return false;
        if (bad && last->status != HEALTH_FAIL && s->bad != model_row(&w->m))
            return false;
        if (!bad && last->status == HEALTH_FAIL && s->good != model_row(&w->m))
            return false;
    }
    return true;
}

/* The invariants of core/state.h. */
static bool is_sound(const struct health__state *s, const struct world *w)
{
    if (s->since > w->now)
        return false;
    if (s->pending && s->status != HEALTH_PASS)
        return false;
    if (w->m.running && w->now - w->m.queued >= w->p->timeout_ms && s->status != HEALTH_FAIL)
        return false;
    return true;
}

/* Whether the settled state knows how long it will stay as it is. */
static bool knows_its_end(const struct health__state *s, const struct world *w)
{
    int64_t until = health__state_until(s, w->p);
    struct health__state then = *s;

    if (health__state_settle(&then, w->p, w->now) || until <= w->now)
        return false;
    if (health__state_settle(&then, w->p, until == HEALTH__NEVER ? INT64_MAX / 2 : until - 1))
        return false;
    return until == HEALTH__NEVER || health__state_settle(&then, w->p, until);
}

/* Whether a request is content with the last result for as long as it should. */
static bool is_as_fresh(const struct health__state *s, const struct world *w)
{
    int64_t fresh_until = health__state_fresh_until(s, w->p);

    if (w->p->kind != HEALTH__ON_DEMAND)
        return fresh_until == HEALTH__NEVER;
    if (w->m.heard_at == HEALTH__NOT_YET)
        return fresh_until == HEALTH__NOT_YET;
    return fresh_until == w->m.heard_at + w->p->max_age_ms + 1;
}

static bool is_told_right(const struct health__state *s, const struct world *w)
{
    const struct model_entry *last = model_last(&w->m);
    struct health__policy advisory = *w->p;
    struct health__verdict v = health__state_verdict(s, w->p), a;
    enum health_status soft =
        last->status == HEALTH_PASS && !last->pending ? HEALTH_PASS : HEALTH_WARN;

    advisory.advisory = true;
    a = health__state_verdict(s, &advisory);
    return v.pending == last->pending && v.status == last->status &&
           v.strict == (last->pending ? HEALTH_FAIL : last->status) && a.pending == v.pending &&
           a.status == soft && a.strict == soft;
}

static void complain(const struct world *w, const struct health__state *s)
{
    const struct model_entry *last = model_last(&w->m);
    unsigned i;

    print_error(
        "kind %d, failures %u, successes %u:", (int)w->p->kind, w->p->failures, w->p->successes);
    for (i = 0; i < depth; i++)
        print_error(" %s,", names[path[i]]);
    print_error("\nat %" PRId64 " state: status %d pending %d since %" PRId64
                " cause %d result_at %" PRId64 " overdue %d\n",
        w->now, (int)s->status, s->pending, s->since, (int)s->cause, s->result_at, s->overdue);
    print_error("model: status %d pending %d since %" PRId64 " cause %d heard_at %" PRId64
                " overdue %d\n",
        (int)last->status, last->pending, w->m.since, (int)last->cause, w->m.heard_at,
        w->m.overdue);
    fail();
}

/* Looks at a copy of the world: the world itself goes on as it was, not looked at. */
static void check(const struct world *w)
{
    struct world copy = *w;
    struct health__state before;
    bool changed;

    if (w->p->kind == HEALTH__HEARTBEAT)
        health__state_beat(&copy.s, w->beat_at, w->now);
    before = copy.s;
    if (w->p->kind == HEALTH__HEARTBEAT)
        model_look(&copy.m, w->beat_at, w->now);
    changed = health__state_settle(&copy.s, w->p, w->now);
    if (changed != (before.cause != copy.s.cause || before.overdue != copy.s.overdue) ||
        !agrees(&copy.s, &copy) || !is_sound(&copy.s, &copy) || !knows_its_end(&copy.s, &copy) ||
        !is_as_fresh(&copy.s, &copy) || !is_told_right(&copy.s, &copy))
        complain(&copy, &copy.s);
}

/* Everything that may happen next, `levels` deep.  Returns: how many sequences that were. */
static unsigned long every_sequence(const struct world *w, unsigned levels)
{
    unsigned long sequences = 0;
    int event;

    for (event = 0; levels > 0 && event < EVENTS; event++) {
        struct world next;

        if (!may_happen(w, (enum event)event))
            continue;
        next = *w;
        path[depth++] = (enum event)event;
        happen(&next, (enum event)event);
        check(&next);
        sequences += 1 + every_sequence(&next, levels - 1);
        depth--;
    }
    return sequences;
}

/* Under tools that make everything many times as slow, less is tried. */
static bool is_slow(void)
{
#ifdef __SANITIZE_THREAD__
    return true;
#else
    return getenv("HEALTH_TEST_SLOW") != NULL;
#endif
}

static void all_sequences_of_events(void **unused)
{
    static const struct health__policy policies[] = {
        {.kind = HEALTH__ON_DEMAND,
            .timeout_ms = 3,
            .max_age_ms = 2,
            .failures = 1,
            .successes = 1},
        {.kind = HEALTH__ON_DEMAND,
            .timeout_ms = 4,
            .max_age_ms = 2,
            .failures = 2,
            .successes = 2},
        {.kind = HEALTH__PERIODIC,
            .timeout_ms = 3,
            .interval_ms = 2,
            .failures = 1,
            .successes = 1},
        {.kind = HEALTH__PERIODIC,
            .timeout_ms = 1,
            .interval_ms = 1,
            .failures = 2,
            .successes = 2},
        {.kind = HEALTH__PUSHED, .max_age_ms = 3, .failures = 1, .successes = 1},
        {.kind = HEALTH__PUSHED, .max_age_ms = HEALTH__ANY_AGE, .failures = 1, .successes = 1},
        {.kind = HEALTH__HEARTBEAT, .max_age_ms = 1, .failures = 1, .successes = 1},
        {.kind = HEALTH__HEARTBEAT, .max_age_ms = 3, .failures = 1, .successes = 1},
    };
    unsigned levels = is_slow() ? 4 : 6;
    unsigned long sequences = 0;
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct world w;

        begin(&w, &policies[i]);
        check(&w);
        sequences += every_sequence(&w, levels);
    }
    print_message("%lu sequences\n", sequences);
    if (levels == 6)
        assert_true(sequences > 1000000);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 8;
}

static void long_sequences_at_random(void **unused)
{
    unsigned walks = is_slow() ? 500 : 100000, walk;
    uint64_t random = UINT64_C(0x9E3779B97F4A7C15);

    (void)unused;
    for (walk = 0; walk < walks; walk++) {
        struct health__policy p = {
            .timeout_ms = 1 + (int64_t)(next_random(&random) % 8),
            .max_age_ms = 1 + (int64_t)(next_random(&random) % 8),
            .interval_ms = 1 + (int64_t)(next_random(&random) % 8),
            .failures = 1 + (unsigned)(next_random(&random) % 3),
            .successes = 1 + (unsigned)(next_random(&random) % 3),
            .kind = (enum health__kind)(next_random(&random) % 4),
        };
        struct world w;

        if (p.kind == HEALTH__PUSHED || p.kind == HEALTH__HEARTBEAT)
            p.failures = p.successes = 1;
        begin(&w, &p);
        for (depth = 0; depth < sizeof(path) / sizeof(path[0]);) {
            enum event event = (enum event)(next_random(&random) % EVENTS);

            if (!may_happen(&w, event))
                continue;
            path[depth++] = event;
            happen(&w, event);
            check(&w);
        }
    }
    depth = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sequences_of_events),
        cmocka_unit_test(long_sequences_at_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
