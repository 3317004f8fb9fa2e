/*
 * Who is told of changes.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "notify/notify.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "notify/unit.h"

#define PATIENCE_MS 1000 /* how long a call may take before another worker has its place */

/* How long a heartbeat that fails is not looked at: half its age, but no less and no more. */
#define LOOK_MIN_MS 50
#define LOOK_MAX_MS 1000

static struct health__notifier *notifier_of(struct health__observer *observer)
{
    return health__container(observer, struct health__notifier, observer);
}

/* ---- How things are ---- */

enum health_status health__notifier_status(
    const struct health__notifier *n, enum health__endpoint endpoint, unsigned gates)
{
    const struct health__tally *tallies =
        health__endpoint_lenient(endpoint) ? n->engine->lenient_tallies : n->engine->tallies;
    unsigned probes = health__endpoint_probes(endpoint, gates), i;
    enum health_status status = HEALTH_PASS;

    if (health__endpoint_latched(endpoint, gates))
        return HEALTH_PASS;
    if (health__endpoint_shut(endpoint, gates))
        return HEALTH_FAIL;
    for (i = 0; i < HEALTH__PROBES; i++) {
        if (!(probes >> i & 1))
            continue;
        if (tallies[i].fails > 0)
            return HEALTH_FAIL;
        if (tallies[i].warns > 0)
            status = HEALTH_WARN;
    }
    return status;
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

/* The gate that makes the endpoint fail, in words; NULL if none does. */
static const char *shut_by(enum health__endpoint endpoint, unsigned gates)
{
    if (!health__endpoint_shut(endpoint, gates))
        return NULL;
    if (gates & HEALTH__NOT_STARTED)
        return "not started";
    return gates & HEALTH__DRAINING ? "draining" : "not ready";
}

static enum health_status status_of(
    const struct health__check *check, enum health__endpoint endpoint)
{
    struct health__verdict v = health__state_verdict(&check->state, &check->policy);

    return health__endpoint_lenient(endpoint) ? v.status : v.strict;
}

/* Why it is not passing, as in the document: what is not UTF-8 replaced. */
static void append_reason(const struct health__notifier *n, char to[3 * HEALTH__REASON_BYTES],
    const struct health__check *check)
{
    char reason[HEALTH__REASON_BYTES];

    (void)health__check_reason(reason, check, health__engine_wall_offset_ms(n->engine));
    health__utf8_clean(to, reason);
}

void health__notifier_explain(const struct health__notifier *n, enum health__endpoint endpoint,
    unsigned gates, enum health_status status, char to[HEALTH__NOTIFY_REASON_BYTES])
{
    unsigned probes = health__endpoint_probes(endpoint, gates);
    const char *gate = shut_by(endpoint, gates);
    struct health__link *link, *rest;
    size_t length;

    to[0] = '\0';
    if (status == HEALTH_PASS)
        return;
    if (gate != NULL) {
        (void)snprintf(to, HEALTH__NOTIFY_REASON_BYTES, "%s", gate);
        return;
    }
    health__list_each (link, rest, &n->engine->checks) {
        const struct health__check *check = health__container(link, struct health__check, link);

        if (((check->policy.probes | HEALTH_ALL) & probes) == 0 ||
            status_of(check, endpoint) != status)
            continue;
        length = (size_t)snprintf(to, HEALTH__NOTIFY_REASON_BYTES, "%s: ", check->name);
        append_reason(n, to + length, check);
        if (to[length] == '\0')
            to[length - 2] = '\0';
        return;
    }
}

/* ---- on_change ---- */

static void call(struct health__job *job)
{
    struct health__notifier *n = health__container(job, struct health__notifier, job);

    n->told_fn(&n->change, n->told_arg);
}

static void ended(struct health__job *job, void *arg)
{
    (void)arg;
    health__container(job, struct health__notifier, job)->telling = false;
}

/* Hands the change, whose name and reason are set, to a worker. */
static void tell(struct health__notifier *n, unsigned probe, enum health_status before,
    enum health_status after, int64_t at)
{
    n->change = (struct health_change){
        .size = sizeof(n->change),
        .name = n->name,
        .reason = n->reason,
        .time_ms = at + health__engine_wall_offset_ms(n->engine),
        .probe = probe,
        .before = before,
        .after = after,
    };
    n->told_fn = n->fn;
    n->told_arg = n->arg;
    n->telling = true;
    n->overdue = false;
    n->told_at = n->engine->now;
    health__engine_queue(n->engine, &n->job);
}

/* Returns: whether there was something to tell of the check. */
static bool tell_check(struct health__notifier *n, struct health__check *check)
{
    enum health_status before = check->told, after = status_of(check, HEALTH__AT_HEALTH);

    if (check->state.pending || before == after)
        return false;
    check->told = after;
    (void)snprintf(n->name, sizeof(n->name), "%s", check->name);
    n->reason[0] = '\0';
    if (after != HEALTH_PASS)
        append_reason(n, n->reason, check);
    tell(n, 0, before, after, check->state.since);
    return true;
}

static bool tell_probe(struct health__notifier *n, enum health__endpoint endpoint, unsigned gates)
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
    enum health_status before = n->told[endpoint],
                       after = health__notifier_status(n, endpoint, gates);

    if (before == after)
        return false;
    n->told[endpoint] = after;
    (void)snprintf(n->name, sizeof(n->name), "%s", probes[endpoint].name);
    health__notifier_explain(n, endpoint, gates, after, n->reason);
    tell(n, probes[endpoint].probe, before, after, n->engine->now);
    return true;
}

/* Tells the next change there is.  Checks first: what they do to the probes comes after. */
static void tell_next(struct health__notifier *n, unsigned gates)
{
    struct health__link *link;
    unsigned i;

    while ((link = health__list_take(&n->engine->changed)) != NULL)
        if (tell_check(n, health__container(link, struct health__check, changed)))
            return;
    for (i = 0; i < HEALTH__ENDPOINTS; i++)
        if (tell_probe(n, (enum health__endpoint)i, gates))
            return;
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

static int64_t turn(struct health__observer *observer, int64_t now)
{
    struct health__notifier *n = notifier_of(observer);
    int64_t next = look_at_missed(n, now);
    unsigned gates = read_gates(n);

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

/* Nobody has been told of anything. */
static void tell_anew(struct health__notifier *n)
{
    struct health__link *link, *rest;
    size_t i;

    for (i = 0; i < HEALTH__ENDPOINTS; i++)
        n->told[i] = i == HEALTH__AT_LIVE ? HEALTH_PASS : HEALTH_FAIL;
    health__list_each (link, rest, &n->engine->checks)
        health__container(link, struct health__check, link)->told = HEALTH_PASS;
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
    tell_anew(n);
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
        .job = {.call = call, .ended = ended, .sure = true},
    };
    tell_anew(n);
    n->systemd.fd.fd = -1;
}
