/*
 * Who is told of changes.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "notify/notify.h"

#include <stdio.h>

#include "base/clock.h"
#include "notify/status.h"
#include "notify/unit.h"

#define PATIENCE_MS 1000 /* how long a call may take before another worker has its place */

/* How long a heartbeat that fails is not looked at: half its age, but no less and no more. */
#define LOOK_MIN_MS 50
#define LOOK_MAX_MS 1000

static struct health__notifier *notifier_of(struct health__observer *observer)
{
    return health__container(observer, struct health__notifier, observer);
}

/* The gates; startup is let pass if it does. */
static unsigned read_gates(struct health__notifier *n)
{
    unsigned gates = health__gates_read(n->engine->gates);

    if (health__endpoint_latches(HEALTH__AT_STARTUP, gates) &&
        health__notifier_status(n, HEALTH__AT_STARTUP, gates) != HEALTH_FAIL) {
        health__gates_set(n->engine->gates, HEALTH__LATCHED, true);
        gates = health__gates_read(n->engine->gates);
    }
    return gates;
}

/* ---- on_change ---- */

static void call(struct health__job *job)
{
    struct health__notifier *n = health__container(job, struct health__notifier, job);
    health_change_fn *fn = atomic_exchange(&n->told_fn, NULL);

    if (fn != NULL)
        fn(&n->change, n->told_arg);
}

static void ended(struct health__job *job, void *arg)
{
    (void)arg;
    health__container(job, struct health__notifier, job)->telling = false;
}

static const struct health__task telling = {.call = call, .ended = ended, .sure = true};

/* Hands the change, whose name and reason are set, to a worker. */
static void tell(struct health__notifier *n, unsigned probe, enum health_status before,
    enum health_status after, int64_t at)
{
    if (n->changed_at < at)
        n->changed_at = at;
    n->change = (struct health_change){
        .size = sizeof(n->change),
        .name = n->name,
        .reason = n->reason,
        .time_ms = n->changed_at + health__engine_wall_offset_ms(n->engine),
        .probe = probe,
        .before = before,
        .after = after,
    };
    n->told_arg = n->arg;
    atomic_store(&n->told_fn, n->fn);
    n->telling = true;
    n->overdue = false;
    n->told_at = n->engine->now;
    health__engine_queue(n->engine, &n->job);
}

static void tell_check(struct health__notifier *n, struct health__check *check)
{
    enum health_status before = check->told,
                       after = health__notifier_check_status(check, HEALTH__AT_HEALTH);

    health__list_remove(&check->changed);
    check->told = after;
    (void)snprintf(n->name, sizeof(n->name), "%s", check->name);
    n->reason[0] = '\0';
    if (after != HEALTH_PASS)
        health__notifier_reason(n, check, n->reason);
    tell(n, 0, before, after, check->state.since);
}

static void tell_probe(struct health__notifier *n, unsigned endpoint, unsigned gates)
{
    static const struct {
        const char *name;
        unsigned probe;
    } probes[] = {
        [HEALTH__AT_LIVE] = {"live", HEALTH_LIVE},
        [HEALTH__AT_READY] = {"ready", HEALTH_READY},
        [HEALTH__AT_STARTUP] = {"startup", HEALTH_STARTUP},
        [HEALTH__AT_HEALTH] = {"health", HEALTH_ALL},
    };
    enum health_status before = n->told[endpoint], after = n->seen[endpoint];

    n->told[endpoint] = after;
    (void)snprintf(n->name, sizeof(n->name), "%s", probes[endpoint].name);
    health__notifier_explain(n, (enum health__endpoint)endpoint, gates, after, n->reason);
    tell(n, probes[endpoint].probe, before, after, n->seen_at[endpoint]);
}

/* The check that has changed first, of those of which there is something to tell; NULL.  Forgets
 * the others.  They come as they are looked at, which is not as they have changed. */
static struct health__check *first_check(struct health__notifier *n)
{
    struct health__check *first = NULL;
    struct health__link *link, *rest;

    health__list_each (link, rest, &n->engine->changed) {
        struct health__check *check = health__container(link, struct health__check, changed);

        if (check->state.pending ||
            check->told == health__notifier_check_status(check, HEALTH__AT_HEALTH))
            health__list_remove(link);
        else if (first == NULL || check->state.since < first->state.since)
            first = check;
    }
    return first;
}

/* The same of the probes; HEALTH__ENDPOINTS: none. */
static unsigned first_probe(const struct health__notifier *n)
{
    unsigned first = HEALTH__ENDPOINTS, i;

    for (i = 0; i < HEALTH__ENDPOINTS; i++)
        if (n->told[i] != n->seen[i] &&
            (first == HEALTH__ENDPOINTS || n->seen_at[i] < n->seen_at[first]))
            first = i;
    return first;
}

/* Tells the first change there is; of a check before what it has done to the probes. */
static void tell_next(struct health__notifier *n, unsigned gates)
{
    struct health__check *check = first_check(n);
    unsigned probe = first_probe(n);

    if (check != NULL && (probe == HEALTH__ENDPOINTS || check->state.since <= n->seen_at[probe]))
        tell_check(n, check);
    else if (probe < HEALTH__ENDPOINTS)
        tell_probe(n, probe, gates);
}

/* ---- The observer ---- */

static bool is_wanted(const struct health__notifier *n)
{
    return n->fn != NULL || health__systemd_listens(&n->systemd);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A beat wakes nobody, and no time tells of it: so the heartbeats that fail are looked at now and
 * then.  Returns: when to do so again at the latest. */
static int64_t look_at_missed(struct health__notifier *n, int64_t now)
{
    struct health__link *link, *rest;
    int64_t next = HEALTH__NEVER;

    health__list_each (link, rest, &n->engine->missed) {
        struct health__check *check = health__container(link, struct health__check, missed);
        int64_t pause_ms = earlier(check->policy.max_age_ms / 2, LOOK_MAX_MS);

        (void)health__engine_settle(n->engine, check);
        next = earlier(next, now + (pause_ms > LOOK_MIN_MS ? pause_ms : LOOK_MIN_MS));
    }
    return next;
}

/* Sees which probes have changed, also while a call is under way. */
static void look_at_probes(struct health__notifier *n, unsigned gates, int64_t now)
{
    unsigned i;

    for (i = 0; i < HEALTH__ENDPOINTS; i++) {
        enum health_status status = health__notifier_status(n, (enum health__endpoint)i, gates);

        if (status == n->seen[i])
            continue;
        n->seen[i] = status;
        n->seen_at[i] = now;
    }
}

static int64_t turn(struct health__observer *observer, int64_t now)
{
    struct health__notifier *n = notifier_of(observer);
    int64_t next = look_at_missed(n, now);
    unsigned gates = read_gates(n);

    look_at_probes(n, gates, now);
    if (health__systemd_listens(&n->systemd))
        next = earlier(next, health__unit_turn(n, gates, now));
    if (n->fn != NULL && !n->telling)
        tell_next(n, gates);
    if (n->telling && !n->overdue) {
        if (n->told_at + PATIENCE_MS <= now) {
            n->overdue = true;
            health__pool_overdue(&n->engine->pool, &n->job);
        } else {
            next = earlier(next, n->told_at + PATIENCE_MS);
        }
    }
    return next;
}

static bool idle(struct health__observer *observer)
{
    struct health__notifier *n = notifier_of(observer);
    unsigned gates = health__gates_read(n->engine->gates), i;

    if (health__unit_owes(n, gates))
        return false;
    if (n->fn == NULL)
        return true;
    if (n->telling || !health__list_empty(&n->engine->changed))
        return false;
    for (i = 0; i < HEALTH__ENDPOINTS; i++)
        if (n->told[i] != health__notifier_status(n, (enum health__endpoint)i, gates))
            return false;
    return true;
}

static void begin(struct health__observer *observer, int64_t now)
{
    struct health__notifier *n = notifier_of(observer);

    if (n->use_systemd)
        health__unit_begin(n, now);
    health__engine_observe(n->engine, is_wanted(n));
}

static void end(struct health__observer *observer)
{
    struct health__notifier *n = notifier_of(observer);

    health__engine_observe(n->engine, false);
    health__systemd_end(&n->systemd);
}

static void forget(struct health__observer *observer)
{
    struct health__notifier *n = notifier_of(observer);

    end(observer);
    n->telling = false;
    n->job.state = HEALTH__JOB_NONE;
    n->job.link = (struct health__link){NULL, NULL};
}

/* ---- The service ---- */

static enum health_status first_status(unsigned endpoint)
{
    return endpoint == HEALTH__AT_LIVE ? HEALTH_PASS : HEALTH_FAIL;
}

/* Nobody has been told of anything. */
static void tell_anew(struct health__notifier *n)
{
    struct health__link *link, *rest;
    unsigned i;

    for (i = 0; i < HEALTH__ENDPOINTS; i++)
        n->told[i] = first_status(i);
    health__list_each (link, rest, &n->engine->checks)
        health__container(link, struct health__check, link)->told = HEALTH_PASS;
    n->changed_at = HEALTH__NOT_YET;
}

/* Nobody has looked at the probes until now. */
static void see_anew(struct health__notifier *n)
{
    unsigned i;

    for (i = 0; i < HEALTH__ENDPOINTS; i++) {
        n->seen[i] = first_status(i);
        n->seen_at[i] = n->engine->now;
    }
}

struct setting {
    struct health__errand errand;
    struct health__notifier *n;
    health_change_fn *fn;
    void *arg;
};

static bool set(struct health__errand *errand)
{
    struct setting *s = health__container(errand, struct setting, errand);
    struct health__notifier *n = s->n;

    n->fn = s->fn;
    n->arg = s->arg;
    /* A call that no worker has begun is none any more. */
    atomic_store(&n->told_fn, NULL);
    tell_anew(n);
    if (!atomic_load(&n->engine->observed))
        see_anew(n);
    /* Of a loop that does not run, `begin` does it. */
    if (!errand->refused)
        health__engine_observe(n->engine, is_wanted(n));
    return true;
}

int health__notifier_set(struct health__notifier *n, health_change_fn *fn, void *arg)
{
    struct setting s = {.errand = {.run = set}, .n = n, .fn = fn, .arg = arg};

    return health__engine_do(n->engine, &s.errand, true);
}

void health__notifier_init(
    struct health__notifier *n, struct health__engine *engine, bool use_systemd)
{
    *n = (struct health__notifier){
        .observer = {turn, idle, begin, end, forget},
        .engine = engine,
        .use_systemd = use_systemd,
        .job = {.task = &telling},
    };
    tell_anew(n);
    see_anew(n);
    n->systemd.fd.fd = -1;
}
