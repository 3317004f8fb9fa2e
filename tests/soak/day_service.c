/*
 * A day of a service: its workers, its threads, and what it does.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "day.h"

#define QUIET_MS 600000

static struct health__engine *const e = &day.h.engine;

bool __wrap_health__thread_is_ours(void);

/* Who removes a check does not wait, as it is on the threads of the library. */
static bool is_ours;

bool __wrap_health__thread_is_ours(void)
{
    return is_ours;
}

/* ---- The workers ---- */

/* Every other ten minutes little happens but that heartbeats come, beat, stop and go: so that
 * documents are kept for long. */
static bool is_quiet(void)
{
    return (day.now - DAY_BEGIN_MS) / QUIET_MS % 2 == 1;
}

/* Takes what is queued, and decides how it will go. */
void day_begin_runs(void)
{
    size_t i;

    health__pool_hand_over(&day.h.engine.pool);
    for (i = 0; i < DAY_SLOTS; i++) {
        struct day_slot *s = &day.slots[i];

        if (s->check == NULL || s->running || s->check->job.state != HEALTH__JOB_QUEUED)
            continue;
        s->running = true;
        s->queued_at = day.now;
        s->ends_at = day.now + 1 + day_random(8);
        if (day_random(200) == 0)
            s->ends_at = day.now + day_random((unsigned)(2 * s->policy.timeout_ms));
        else if (day_random(2000) == 0)
            s->ends_at = day.now + 1000 + day_random(300000);
        s->returns = !is_quiet() && day_random(20) == 0 ? (int)day_random(5) : HEALTH_PASS;
        day.runs++;
        day.hung += s->ends_at - day.now > s->policy.timeout_ms;
        hand_begin(&day.h, s->check);
    }
}

static void release(void *arg)
{
    (void)arg;
    day.released++;
}

/* Releases are the workers', too. */
static void call_releases(void)
{
    struct health__link *link, *rest;
    bool called = false;

    health__list_each (link, rest, &e->leaving) {
        struct health__check *check = HEALTH__LISTED(link);

        if (!check->releasing || check->job.state != HEALTH__JOB_QUEUED)
            continue;
        hand_call(&day.h, check);
        called = true;
    }
    if (called)
        hand_turn(&day.h, day.now);
}

void day_turn(void)
{
    hand_turn(&day.h, day.now);
    day_begin_runs();
    if (!health__list_empty(&e->leaving))
        call_releases();
}

void day_end_runs(void)
{
    size_t i;

    for (i = 0; i < DAY_SLOTS; i++) {
        struct day_slot *s = &day.slots[i];

        if (!s->running || s->ends_at > day.now)
            continue;
        hand_return(&day.h, s->check, s->returns, s->returns == HEALTH_PASS ? NULL : "so it is");
        day_hear(s, day_is_late(s) ? HEALTH_FAIL : s->returns);
        s->running = false;
        day_turn();
    }
    for (i = 0; i < DAY_GHOSTS; i++) {
        struct day_ghost *g = &day.ghosts[i];

        if (g->check == NULL || g->ends_at > day.now)
            continue;
        hand_return(&day.h, g->check, HEALTH_FAIL, "too late");
        g->check = NULL;
        day_turn();
    }
}

/* ---- The service ---- */

void day_add(struct day_slot *s)
{
    static const unsigned probes[] = {
        HEALTH_READY, HEALTH_LIVE, HEALTH_STARTUP, HEALTH_ALL, HEALTH_LIVE | HEALTH_READY};
    struct health_check check = HEALTH_CHECK_INIT;
    unsigned kind = is_quiet() ? HEALTH__HEARTBEAT : day_random(4);

    check.name = s->name;
    check.probes = probes[day_random(5)];
    check.advisory = day_random(2);
    check.release = release;
    if (kind == HEALTH__ON_DEMAND || kind == HEALTH__PERIODIC) {
        check.fn = hand_fn;
        check.timeout_ms = 50 + day_random(2000);
        check.failures = 1 + day_random(3);
        check.successes = 1 + day_random(3);
    }
    if (kind == HEALTH__ON_DEMAND)
        check.max_age_ms = 1 + day_random(3000);
    if (kind == HEALTH__PERIODIC)
        check.interval_ms = 100 + day_random(20000);
    if (kind == HEALTH__PUSHED)
        check.max_age_ms = day_random(2) ? 0 : 1000 + day_random(20000);
    s->check = kind == HEALTH__HEARTBEAT
                   ? hand_add_heartbeat(&day.h, s->name, 500 + day_random(5000), check.probes)
                   : hand_add_check(&day.h, &check);
    day.added += kind != HEALTH__HEARTBEAT;
    s->policy = s->check->policy;
    s->advisory = kind != HEALTH__HEARTBEAT && check.advisory != 0;
    s->running = s->idle = s->forced = false;
    s->heard_at = kind == HEALTH__PUSHED || kind == HEALTH__HEARTBEAT ? day.now : HEALTH__NOT_YET;
    s->next_word_at = day_random(4) == 0 ? day.now + day_random(20000) : day.now;
    s->status = HEALTH_PASS;
    s->pending = kind != HEALTH__HEARTBEAT;
    s->bad = s->good = 0;
}

void day_remove(struct day_slot *s)
{
    size_t i;

    if (s->running) {
        for (i = 0; i < DAY_GHOSTS && day.ghosts[i].check != NULL; i++)
            ;
        if (i == DAY_GHOSTS)
            return;
        day.ghosts[i] = (struct day_ghost){s->check, s->ends_at};
    }
    is_ours = true;
    day_must(health__engine_remove(e, s->name) == (s->running ? HEALTH_EBUSY : 0));
    is_ours = false;
    day.removed += s->policy.kind != HEALTH__HEARTBEAT;
    s->check = NULL;
    s->running = false;
}

static void speak(struct day_slot *s)
{
    int said = !is_quiet() && day_random(4) == 0 ? (int)day_random(3) : HEALTH_PASS;

    s->next_word_at = day.now + 100 + day_random(400);
    if (day_random(500) == 0)
        s->next_word_at = day.now + day_random(60000);
    if (s->policy.kind == HEALTH__PUSHED) {
        hand_report(&day.h, s->name, (enum health_status)said, said ? "so they say" : NULL);
        day_hear(s, said);
        return;
    }
    s->idle = day_random(200) == 0;
    if (s->idle)
        health_idle(&s->check->heartbeat);
    else
        health_beat(&s->check->heartbeat);
    day.misses += day_is_too_old(s);
    s->status = HEALTH_PASS;
    s->heard_at = day.now;
}

void day_serve(void)
{
    struct day_slot *s = &day.slots[day_random(DAY_SLOTS)];
    size_t i;

    for (i = 0; i < DAY_SLOTS; i++)
        if (day.slots[i].check != NULL && day.slots[i].next_word_at <= day.now &&
            (day.slots[i].policy.kind == HEALTH__PUSHED ||
                day.slots[i].policy.kind == HEALTH__HEARTBEAT))
            speak(&day.slots[i]);
    if (s->check == NULL && day_random(20) == 0)
        day_add(s);
    else if (s->check != NULL && day_random(is_quiet() ? 100 : 300) == 0)
        day_remove(s);
    if (day_random(1000) == 0) {
        day.ready = day_random(4) != 0;
        health__gates_set(&day.h.gates, HEALTH__NOT_READY, !day.ready);
    }
    day_turn();
}
