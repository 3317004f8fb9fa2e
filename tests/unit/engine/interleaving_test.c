/*
 * States and gates as a model: every order, up to a bound, in which requests, runs, time, beats,
 * reports, gates, removals and freezes can follow each other, on the engine and its documents as
 * they are, and after each event what must hold.
 *
 * Beside the engine goes an oracle: docs/design.md in a few lines, which knows nothing of how the
 * engine does it.  The test is the loop's thread, the workers and the clock: time passes from one
 * moment at which the loop wants to be woken to the next, and jobs of the pool are begun and ended
 * as events.  Orders that lead to a state that has been seen are not followed further.
 *
 * Shown after each event, and at each moment the loop wakes at:
 *   - an answer is given at once, or by its deadline, once; and the loop would wake for it;
 *   - it says of each check, and of the whole, exactly what the oracle does, so that:
 *     a pass is never shown for a check whose last word was fail, or whose run is slow or hung,
 *     a failing heartbeat heals at the first request after its beat, and
 *     startup, once it has passed, has passed;
 *   - a run is begun when, and only when, a request needs it; never a second beside a first;
 *   - after a removal that returned 0 no callback is running, or will;
 *   - an observer knows all that a request would be told, without one;
 *   - the loop does not spin.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* timeout: 300 */
/* wrap: clock_gettime health__thread_start */
/* What is static in it is what is tried.  NOLINTNEXTLINE(bugprone-suspicious-include) */
#include "engine/loop.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "answer/answer.h"
#include "answer/inside.h"
#include "base/thread.h"
#include "fake_clock.h"
#include "notify/notify.h"
#include "process.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* In ms.  Small, so that all of them are passed within a few steps. */
#define BEGIN       1000
#define RESPONSE    20
#define TIMEOUT     30
#define MAX_AGE     10 /* of a result */
#define BEAT_AGE    25
#define REPORT_AGE  40
#define SHORT_STEP  11
#define LONG_STEP   31
#define FROZEN      2000
#define LONG_AGO    500 /* older is all the same */
#define MAX_WAITERS 2
#define MAX_DEPTH   16

/* ---- What there is ---- */

/* The checks; which of them there are, and what for, differs from scenario to scenario. */
enum { ONE, TWO, PUSHED, BEAT, CHECKS };

struct scenario {
    const char *name;
    unsigned probes[CHECKS]; /* 0: it is not there */
    const unsigned char *events;
    size_t event_count;
    int depth;
    bool observed;
};

enum event {
    ASK_LIVE,
    ASK_READY,
    ASK_STARTUP,
    ASK_HEALTH,
    BEGIN_RUN,
    PASS_ONE,
    WARN_ONE,
    FAIL_ONE,
    PASS_TWO,
    FAIL_TWO,
    STEP,
    STEP_FAR,
    FREEZE,
    SEND_BEAT,
    SEND_IDLE,
    REPORT_PASS,
    REPORT_FAIL,
    STARTED,
    NOT_STARTED,
    READY,
    NOT_READY,
    DRAIN,
    REMOVE_ONE,
    EVENTS
};

static const char *const event_names[EVENTS] = {"/live", "/ready", "/startup", "/health", "begin",
    "one passes", "one warns", "one fails", "two passes", "two fails", "step", "step far", "freeze",
    "beat", "idle", "report pass", "report fail", "started", "not started", "ready", "not ready",
    "drain", "remove one"};

static const char *const check_names[CHECKS] = {"one", "two", "pushed", "beat"};

/* What the oracle knows of a check. */
struct truth {
    bool there;
    bool running; /* queued, or begun */
    bool begun;
    bool late;            /* the run in progress has been so before a freeze */
    bool judged;          /* there is a last word, or its absence is one */
    bool too_old;         /* before a freeze the last word was too old */
    int64_t queued_at;    /* of the run in progress, or a freeze since */
    int64_t heard_at;     /* of the last word, or what counts as its time; NEVER: idle */
    enum health_status s; /* the last word */
};

struct request {
    struct health__waiter waiter;
    struct health__request request;
    bool active, is_ready;
    int64_t by; /* its deadline, or the end of a freeze since */
};

static struct {
    const struct scenario *scenario;
    struct health__engine e;
    struct health__gates gates;
    struct health__server server;
    struct health__answers answers;
    struct health__notifier notifier;
    struct health__check *checks[CHECKS];
    struct health_heartbeat *beat;
    struct request requests[MAX_WAITERS];
    int64_t now, next; /* and when the loop wants to be woken */

    /* The oracle's. */
    struct truth truths[CHECKS];
    bool started, ready, draining, latched;

    /* What is going on, for words on failure. */
    unsigned char path[MAX_DEPTH];
    int length;
} m;

static void print_path(void)
{
    int i;

    print_message("%s:", m.scenario->name);
    for (i = 0; i < m.length; i++)
        print_message(" %s%s", event_names[m.path[i]], i + 1 < m.length ? "," : "\n");
}

#define must(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_path();                                                                          \
            fail_msg("at %lld: not so: %s", (long long)m.now, #condition);                         \
        }                                                                                          \
    } while (0)

/* ---- The oracle ---- */

static bool is_late(const struct truth *t)
{
    return t->running && (t->late || m.now >= t->queued_at + TIMEOUT);
}

static bool is_too_old(const struct truth *t, int check)
{
    if (check == ONE || check == TWO || t->heard_at == HEALTH__NEVER)
        return false;
    return t->too_old || m.now - t->heard_at > (check == BEAT ? BEAT_AGE : REPORT_AGE);
}

/* As /live counts, or the others. */
static enum health_status true_status(int check, bool live)
{
    const struct truth *t = &m.truths[check];

    if (is_late(t) || is_too_old(t, check))
        return HEALTH_FAIL;
    if (!t->judged)
        return live ? HEALTH_PASS : HEALTH_FAIL;
    return t->s;
}

static enum health_status true_worst(unsigned probes, bool live)
{
    enum health_status worst = HEALTH_PASS;
    int i;

    for (i = 0; i < CHECKS; i++)
        if (m.truths[i].there && ((m.scenario->probes[i] | HEALTH_ALL) & probes) &&
            true_status(i, live) > worst)
            worst = true_status(i, live);
    return worst;
}

/* What the endpoint answers; with `asked`, and startup passing, that latches it. */
static enum health_status true_answer(enum health__endpoint endpoint, bool asked)
{
    bool may_latch = endpoint == HEALTH__AT_READY || endpoint == HEALTH__AT_STARTUP;

    if (asked && may_latch && m.started && true_worst(HEALTH_STARTUP, false) != HEALTH_FAIL)
        m.latched = true;
    switch (endpoint) {
    case HEALTH__AT_LIVE:
        return true_worst(HEALTH_LIVE, true);
    case HEALTH__AT_STARTUP:
        if (m.latched)
            return HEALTH_PASS;
        return m.started ? true_worst(HEALTH_STARTUP, false) : HEALTH_FAIL;
    case HEALTH__AT_READY:
        if ((!m.started && !m.latched) || !m.ready || m.draining)
            return HEALTH_FAIL;
        return true_worst(m.latched ? HEALTH_READY : HEALTH_READY | HEALTH_STARTUP, false);
    default:
        return m.started || m.latched ? true_worst(HEALTH_ALL, false) : HEALTH_FAIL;
    }
}

/* The run of a check that a request of these probes finds too old begins now. */
static void true_ask(unsigned probes)
{
    int i;

    for (i = ONE; i <= TWO; i++) {
        struct truth *t = &m.truths[i];

        if (!t->there || t->running || !((m.scenario->probes[i] | HEALTH_ALL) & probes))
            continue;
        if (t->judged && m.now - t->heard_at <= MAX_AGE)
            continue;
        t->running = true;
        t->begun = t->late = false;
        t->queued_at = m.now;
    }
}

/* ---- The loop ---- */

int __wrap_health__thread_start(
    pthread_t *ret_thread, const struct health__thread *thread, size_t stack_bytes);

/* The workers are us. */
int __wrap_health__thread_start(
    pthread_t *ret_thread, const struct health__thread *thread, size_t stack_bytes)
{
    (void)thread;
    (void)stack_bytes;
    *ret_thread = pthread_self();
    return 0;
}

static void set_now(int64_t now)
{
    m.now = now;
    fake_clock_set(now);
}

static void told(const struct health_change *change, void *arg)
{
    (void)arg;
    must(change->before != change->after);
}

static void end_job(struct health__job *job)
{
    struct health__pool *pool = &m.e.pool;

    pool->calling--;
    if (job->overdue)
        pool->overdue--;
    if (job->watch != NULL)
        *job->watch = true;
    job->state = HEALTH__JOB_ENDED;
    health__list_append(&pool->done, &job->link);
}

static void begin_job(struct health__job *job)
{
    struct health__pool *pool = &m.e.pool;

    health__list_remove(&job->link);
    pool->calling++;
    job->state = HEALTH__JOB_BEGUN;
    atomic_store(&job->tid, 4711);
    if (job->overdue) {
        pool->overdue++;
        pool->begun_late = true;
    }
}

/* Has the observer's function called, if it is to be.  Returns: whether it was. */
static bool run_observer(void)
{
    struct health__job *job = &m.notifier.job;

    if (!m.scenario->observed || job->state != HEALTH__JOB_QUEUED)
        return false;
    begin_job(job);
    job->task->call(job);
    end_job(job);
    return true;
}

static void check_answers(void);

/* Turns until there is nothing more to do now. */
static void turn_now(void)
{
    int i;

    m.e.now = m.now;
    for (i = 0; i < 40; i++) {
        m.next = turn(&m.e);
        if (m.next > m.now && !run_observer() && health__list_empty(&m.e.pool.done))
            break;
    }
    must(i < 40); /* or it spins */
    /* An observer lets startup pass as soon as it does. */
    m.latched |=
        m.scenario->observed && m.started && true_worst(HEALTH_STARTUP, false) != HEALTH_FAIL;
    check_answers();
}

/* The loop sleeps, and wakes when it wants to. */
static void pass_time(int64_t ms)
{
    int64_t until = m.now + ms;

    while (m.next <= until) {
        set_now(m.next > m.now ? m.next : m.now);
        turn_now();
    }
    set_now(until);
}

/* ---- Answers ---- */

static void is_ready(struct health__waiter *waiter)
{
    struct request *r = health__container(waiter, struct request, waiter);

    must(r->active && !r->is_ready);
    r->is_ready = true;
}

/* The status of the check in a document with all of them; -1: it is not there. */
static int shown(const char *document, int check)
{
    static const char *const statuses[] = {"pass", "warn", "fail"};
    char prefix[64];
    const char *at;
    int i;

    (void)snprintf(prefix, sizeof(prefix), "\"%s\":[{\"status\":\"", check_names[check]);
    at = strstr(document, prefix);
    for (i = 0; at != NULL && i < 3; i++)
        if (strncmp(at + strlen(prefix), statuses[i], 4) == 0)
            return i;
    return -1;
}

/* What health__bytes_maker makes. */
struct bytes {
    char *bytes;
    size_t length;
};

static void check_answer(const struct health__request *request)
{
    enum health_status expected = true_answer(request->endpoint, true);
    struct health__request verbose = *request;
    struct health__answer answer = health__answer(&m.answers, request);
    char document[4096];
    int i;

    must(answer.reply != NULL);
    must(answer.status == expected);
    verbose.verbose = true;
    answer = health__answer(&m.answers, &verbose);
    must(answer.reply != NULL);
    must(answer.status == expected);
    must(m.latched == ((health__gates_read(&m.gates) & HEALTH__LATCHED) != 0));
    /* must() does not return.  NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    must(((struct bytes *)(void *)answer.reply)->length < sizeof(document));
    memcpy(document, ((struct bytes *)(void *)answer.reply)->bytes,
        ((struct bytes *)(void *)answer.reply)->length);
    document[((struct bytes *)(void *)answer.reply)->length] = '\0';
    for (i = 0; i < CHECKS; i++) {
        bool listed = m.truths[i].there && ((m.scenario->probes[i] | HEALTH_ALL) &
                                               health__endpoint_probes(request->endpoint,
                                                   m.latched ? HEALTH__LATCHED : 0));

        if (listed)
            must(shown(document, i) == (int)true_status(i, request->endpoint == HEALTH__AT_LIVE));
        else
            must(shown(document, i) == -1);
    }
}

static void check_answers(void)
{
    size_t i;

    for (i = 0; i < MAX_WAITERS; i++) {
        struct request *r = &m.requests[i];

        if (!r->active)
            continue;
        if (r->is_ready) {
            must(m.now <= r->by);
            check_answer(&r->request);
            r->active = false;
        } else {
            must(m.now < r->by);
            must(m.next <= r->by);
        }
    }
}

static bool ask(enum health__endpoint endpoint)
{
    struct request *r = NULL;
    size_t i;

    for (i = 0; i < MAX_WAITERS; i++)
        if (!m.requests[i].active)
            r = &m.requests[i];
    if (r == NULL)
        return false;
    turn_now();
    *r = (struct request){
        .waiter = {.ready = is_ready},
        .request = {.endpoint = endpoint, .details = true},
        .active = true,
        .by = m.now + RESPONSE,
    };
    health__answer_question(&m.answers, &r->request, &r->waiter.question);
    if (endpoint != HEALTH__AT_STARTUP || !m.latched)
        true_ask(health__endpoint_probes(endpoint, m.latched ? HEALTH__LATCHED : 0));
    r->is_ready = !health__engine_ask(&m.e, &r->waiter);
    must(r->is_ready || endpoint != HEALTH__AT_STARTUP || !m.latched);
    if (r->is_ready) {
        check_answer(&r->request);
        r->active = false;
    }
    turn_now();
    return true;
}

/* ---- Events; each returns whether it can happen ---- */

static bool begin_run(void)
{
    struct health__pool *pool = &m.e.pool;
    int i;

    if (health__list_empty(&pool->queue) || pool->workers <= pool->calling)
        return false;
    for (i = ONE; i <= TWO; i++)
        if (m.truths[i].running && !m.truths[i].begun &&
            pool->queue.next == &m.checks[i]->job.link) {
            m.truths[i].begun = true;
            begin_job(&m.checks[i]->job);
            /* One that is begun late tells so. */
            if (pool->begun_late)
                turn_now();
            return true;
        }
    must(false); /* what is queued is a run that there must not be */
    return false;
}

static bool end_run(int i, enum health_status s)
{
    struct truth *t = &m.truths[i];

    if (!t->begun)
        return false;
    must(m.checks[i]->job.state == HEALTH__JOB_BEGUN);
    m.checks[i]->outcome = (int)s;
    m.checks[i]->outcome_us = 1;
    t->s = is_late(t) ? HEALTH_FAIL : s;
    t->running = t->begun = t->late = false;
    t->judged = true;
    t->heard_at = m.now;
    end_job(&m.checks[i]->job);
    turn_now();
    return true;
}

static bool freeze(void)
{
    int64_t asleep_at = m.e.now, now = m.now;
    size_t i;

    for (i = 0; i < CHECKS; i++) {
        struct truth *t = &m.truths[i];

        if (!t->there)
            continue;
        m.now = asleep_at;
        t->late = is_late(t);
        t->too_old = is_too_old(t, (int)i);
        if (!t->late)
            t->queued_at = now + FROZEN;
        if (i >= PUSHED && !t->too_old && t->heard_at != HEALTH__NEVER)
            t->heard_at = now + FROZEN;
    }
    for (i = 0; i < MAX_WAITERS; i++)
        m.requests[i].by = now + FROZEN;
    set_now(now + FROZEN);
    m.e.now = m.now;
    health__mail_read(&m.e);
    health__changes_thaw(&m.e, asleep_at, true);
    turn_now();
    return true;
}

static bool beat(bool idle)
{
    struct truth *t = &m.truths[BEAT];

    atomic_store(&m.beat->beat_at, idle ? HEALTH__NEVER : m.now);
    t->heard_at = idle ? HEALTH__NEVER : m.now;
    t->too_old = false;
    return true;
}

static bool report(enum health_status s)
{
    struct truth *t = &m.truths[PUSHED];
    struct health_result said;

    health__result_init(&said, HEALTH__NEVER);
    must(health__engine_report(&m.e, "pushed", s, &said) == 0);
    t->judged = true;
    t->too_old = false;
    t->heard_at = m.now;
    t->s = s;
    if (m.scenario->observed)
        turn_now();
    return true;
}

static bool set_gate(unsigned bit, bool on, bool *of_the_oracle, bool to)
{
    *of_the_oracle = to;
    health__engine_set_gate(&m.e, bit, on);
    if (m.scenario->observed)
        turn_now();
    return true;
}

static bool remove_one(void)
{
    struct truth *t = &m.truths[ONE];
    bool begun = t->begun;
    int error;

    if (!t->there)
        return false;
    t->there = false;
    error = health__engine_remove(&m.e, "one");
    must(error == (begun ? HEALTH_EBUSY : 0));
    /* What was only queued will not be begun: begin_run() would find it. */
    t->running = begun;
    turn_now();
    return true;
}

static bool happen(enum event event)
{
    switch (event) {
    case ASK_LIVE:
        return ask(HEALTH__AT_LIVE);
    case ASK_READY:
        return ask(HEALTH__AT_READY);
    case ASK_STARTUP:
        return ask(HEALTH__AT_STARTUP);
    case ASK_HEALTH:
        return ask(HEALTH__AT_HEALTH);
    case BEGIN_RUN:
        return begin_run();
    case PASS_ONE:
        return end_run(ONE, HEALTH_PASS);
    case WARN_ONE:
        return end_run(ONE, HEALTH_WARN);
    case FAIL_ONE:
        return end_run(ONE, HEALTH_FAIL);
    case PASS_TWO:
        return end_run(TWO, HEALTH_PASS);
    case FAIL_TWO:
        return end_run(TWO, HEALTH_FAIL);
    case STEP:
        pass_time(SHORT_STEP);
        return true;
    case STEP_FAR:
        pass_time(LONG_STEP);
        return true;
    case FREEZE:
        return freeze();
    case SEND_BEAT:
        return beat(false);
    case SEND_IDLE:
        return beat(true);
    case REPORT_PASS:
        return report(HEALTH_PASS);
    case REPORT_FAIL:
        return report(HEALTH_FAIL);
    case STARTED:
        return set_gate(HEALTH__NOT_STARTED, false, &m.started, true);
    case NOT_STARTED:
        return set_gate(HEALTH__NOT_STARTED, true, &m.started, false);
    case READY:
        return set_gate(HEALTH__NOT_READY, false, &m.ready, true);
    case NOT_READY:
        return set_gate(HEALTH__NOT_READY, true, &m.ready, false);
    case DRAIN:
        return set_gate(HEALTH__DRAINING, true, &m.draining, true);
    case REMOVE_ONE:
        return remove_one();
    default:
        return false;
    }
}

/* ---- What must hold at any time ---- */

/* What is queued is begun in time, by a further worker if need be: one that is late holds up
 * nobody. */
static void check_workers(void)
{
    const struct health__pool *pool = &m.e.pool;
    int i, busy = 0;

    for (i = ONE; i <= TWO; i++)
        busy += m.truths[i].begun && !is_late(&m.truths[i]);
    if (!health__list_empty(&pool->queue) && busy == 0)
        must(pool->workers > pool->calling || m.next <= m.now + 10);
}

static void check_runs(void)
{
    int i;

    check_workers();

    for (i = ONE; i <= TWO; i++) {
        const struct truth *t = &m.truths[i];
        const struct health__check *c = m.checks[i];

        if (!t->there)
            continue;
        must(health__state_running(&c->state) == t->running);
        must(!t->running || c->job.state == (t->begun ? HEALTH__JOB_BEGUN : HEALTH__JOB_QUEUED));
        must(!t->running || c->state.queued_at == t->queued_at);
    }
}

/* What was told of is what would be answered: at the end of each event nothing is left to tell.
 * That a heartbeat is back is seen only when it is looked at. */
static void check_observer(void)
{
    int i;

    if (!m.scenario->observed)
        return;
    must(m.latched == ((health__gates_read(&m.gates) & HEALTH__LATCHED) != 0));
    must(health__list_empty(&m.e.changed));
    for (i = 0; i < HEALTH__ENDPOINTS; i++)
        must(m.notifier.told[i] == true_answer((enum health__endpoint)i, false));
    for (i = 0; i < CHECKS; i++)
        if (m.truths[i].there &&
            (m.truths[i].judged || is_late(&m.truths[i]) || is_too_old(&m.truths[i], i)))
            must(m.checks[i]->told == true_status(i, false));
}

/* ---- A world ---- */

static int64_t run_server(struct health__server *server, int64_t now)
{
    (void)server;
    (void)now;
    return HEALTH__NEVER;
}

static enum health_status never_called(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    fail_msg("a callback was called");
    return HEALTH_FAIL;
}

static void add(int i)
{
    struct health_check check = HEALTH_CHECK_INIT;
    struct health__entry *entry;
    int error;

    check.name = check_names[i];
    check.probes = m.scenario->probes[i];
    check.fn = i == PUSHED ? NULL : never_called;
    check.timeout_ms = i == PUSHED ? 0 : TIMEOUT;
    check.max_age_ms = i == PUSHED ? REPORT_AGE : MAX_AGE;
    if (i == BEAT)
        error = health__engine_add_heartbeat(&m.e, "beat", BEAT_AGE, check.probes, &m.beat);
    else
        error = health__engine_add(&m.e, &check);
    must(error == 0);
    entry = health__registry_find(&m.e.registry, check_names[i]);
    m.checks[i] = health__container(entry, struct health__check, entry);
    m.truths[i] = (struct truth){.there = true, .judged = i == BEAT, .heard_at = m.now};
}

static void open_world(const struct scenario *scenario)
{
    int i;

    memset(&m, 0, sizeof(m));
    m.scenario = scenario;
    m.started = m.ready = true;
    set_now(BEGIN);
    m.server.run = run_server;
    must(health__engine_init(&m.e, &m.gates, &m.server, &m.notifier.observer, RESPONSE, 1) == 0);
    health__notifier_init(&m.notifier, &m.e, false);
    m.answers =
        (struct health__answers){.engine = &m.e, .gates = &m.gates, .maker = &health__bytes_maker};
    m.e.now = m.now;
    for (i = 0; i < CHECKS; i++)
        if (scenario->probes[i] != 0)
            add(i);
    health__mail_read(&m.e);
    health__runs_begin(&m.e);
    if (scenario->observed) {
        m.notifier.fn = told;
        m.notifier.observer.begin(&m.notifier.observer, m.now);
    }
    m.e.life = HEALTH__STARTED;
    turn_now();
    check_observer();
}

static void gone(void *arg)
{
    *(bool *)arg = true;
}

static void close_world(void)
{
    bool is_gone = false;

    health__answers_clear(&m.answers);
    m.e.life = HEALTH__STOPPED;
    m.e.pool.workers = 0;
    assert_int_equal(health__engine_free(&m.e, gone, &is_gone), 0);
    assert_true(is_gone);
}

/* ---- States that have been seen ---- */

static uint64_t hash;

static void mix(uint64_t value)
{
    hash = (hash ^ value) * 0x100000001b3U;
    hash ^= hash >> 29;
}

/* A moment, as how far it is from now. */
static void mix_time(int64_t at)
{
    if (at == HEALTH__NEVER || at == HEALTH__NOT_YET)
        mix(at == HEALTH__NEVER ? 1 : 2);
    else if (at < m.now - LONG_AGO)
        mix(3);
    else
        mix((uint64_t)(at - m.now + 1000));
}

static void mix_check(int i)
{
    const struct truth *t = &m.truths[i];
    const struct health__check *c = m.checks[i];

    mix((uint64_t)t->there | (uint64_t)t->running << 1 | (uint64_t)t->begun << 2 |
        (uint64_t)t->late << 3 | (uint64_t)t->judged << 4 | (uint64_t)t->too_old << 5);
    mix_time(t->heard_at);
    mix((uint64_t)t->s);
    if (t->running)
        mix_time(t->queued_at);
    if (!t->there)
        return;
    mix_time(c->state.heard_at);
    mix_time(c->state.result_at);
    mix((uint64_t)c->state.status | (uint64_t)c->state.cause << 4 | (uint64_t)c->state.said << 8);
    mix((uint64_t)c->state.pending | (uint64_t)c->state.overdue << 1 | (uint64_t)c->told << 2);
    mix(c->mail_flags | (uint64_t)c->reported << 4);
    mix(health__list_linked(&c->missed));
    mix_time(health__timer_is_set(&c->timer) ? c->timer.at : HEALTH__NEVER);
}

static uint64_t state_of_the_world(void)
{
    const struct health__kept *kept = &m.answers.kept[0][0][0];
    size_t i;

    hash = 0xcbf29ce484222325U;
    for (i = 0; i < CHECKS; i++)
        if (m.scenario->probes[i] != 0)
            mix_check((int)i);
    mix(atomic_load(&m.gates.bits) | (uint64_t)m.started << 5);
    mix_time(m.next);
    mix_time(m.e.settle_at);
    mix_time(m.e.pool.begun_at);
    mix(m.e.pool.workers | m.e.pool.calling << 4 | m.e.pool.overdue << 8);
    for (i = 0; i < HEALTH__PROBES; i++)
        mix_time(m.e.fresh_until[i]);
    for (i = 0; i < MAX_WAITERS; i++)
        if (m.requests[i].active) {
            mix_time(m.requests[i].by);
            mix((uint64_t)m.requests[i].request.endpoint);
        } else {
            mix(99);
        }
    for (i = 0; i < sizeof(m.answers.kept) / sizeof(*kept); i++) {
        mix(kept[i].reply != NULL ? 1 + (uint64_t)kept[i].status : 0);
        if (kept[i].reply != NULL) {
            mix(kept[i].gates);
            mix_time(kept[i].until);
        }
    }
    return hash;
}

/* A set, open addressing. */
#define SEEN_ROOM ((size_t)1 << 21)

static uint64_t *seen;
static size_t seen_count;

/* Returns: whether it is new. */
static bool see(uint64_t state)
{
    size_t i = (size_t)(state % SEEN_ROOM);

    if (state == 0)
        state = 1;
    for (; seen[i] != 0; i = (i + 1) % SEEN_ROOM)
        if (seen[i] == state)
            return false;
    seen[i] = state;
    seen_count++;
    assert_true(seen_count < SEEN_ROOM / 2);
    return true;
}

/* ---- All orders ---- */

struct node {
    size_t parent;
    unsigned char event;
    unsigned char depth;
};

static struct node *nodes;
static size_t node_count;

/* The world after the events up to the node. */
static void replay(const struct scenario *scenario, size_t node)
{
    unsigned char path[MAX_DEPTH];
    int i, length = nodes[node].depth;

    for (i = length; i > 0; i--) {
        path[i - 1] = nodes[node].event;
        node = nodes[node].parent;
    }
    open_world(scenario);
    for (i = 0; i < length; i++) {
        m.path[m.length++] = path[i];
        (void)happen((enum event)path[i]);
    }
}

static void explore(const struct scenario *scenario)
{
    size_t at, i, orders = 0;
    int depth = scenario->depth - (PROCESS_SANITIZED || process_is_slow() ? 2 : 0);

    memset(seen, 0, SEEN_ROOM * sizeof(*seen));
    seen_count = 0;
    node_count = 1;
    nodes[0] = (struct node){0, 0, 0};
    for (at = 0; at < node_count && nodes[at].depth < depth; at++)
        for (i = 0; i < scenario->event_count; i++) {
            replay(scenario, at);
            m.path[m.length++] = scenario->events[i];
            if (happen((enum event)scenario->events[i])) {
                orders++;
                check_runs();
                check_observer();
                if (see(state_of_the_world())) {
                    assert_true(node_count < SEEN_ROOM);
                    nodes[node_count++] = (struct node){
                        at, scenario->events[i], (unsigned char)(nodes[at].depth + 1)};
                }
            }
            close_world();
        }
    print_message(
        "%s: %zu states, %zu steps, to a depth of %d\n", scenario->name, seen_count, orders, depth);
}

static int open_all(void **unused)
{
    (void)unused;
    seen = calloc(SEEN_ROOM, sizeof(*seen));
    nodes = calloc(SEEN_ROOM, sizeof(*nodes));
    return seen != NULL && nodes != NULL ? 0 : -1;
}

static int close_all(void **unused)
{
    (void)unused;
    free(seen);
    free(nodes);
    return 0;
}

/* ---- The scenarios ---- */

#define ALL_PROBES (HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP)

static const unsigned char of_runs[] = {ASK_LIVE, ASK_READY, ASK_HEALTH, BEGIN_RUN, PASS_ONE,
    WARN_ONE, FAIL_ONE, STEP, STEP_FAR, FREEZE, REMOVE_ONE};
static const unsigned char of_two_runs[] = {
    ASK_LIVE, ASK_READY, BEGIN_RUN, PASS_ONE, PASS_TWO, FAIL_TWO, STEP, STEP_FAR, REMOVE_ONE};
static const unsigned char of_words[] = {ASK_LIVE, ASK_READY, ASK_HEALTH, SEND_BEAT, SEND_IDLE,
    REPORT_PASS, REPORT_FAIL, STEP, STEP_FAR, FREEZE};
static const unsigned char of_gates[] = {ASK_LIVE, ASK_READY, ASK_STARTUP, ASK_HEALTH, BEGIN_RUN,
    PASS_ONE, FAIL_ONE, STEP, STARTED, NOT_STARTED, READY, NOT_READY, DRAIN};
static const unsigned char of_all[] = {ASK_LIVE, ASK_READY, ASK_STARTUP, ASK_HEALTH, BEGIN_RUN,
    PASS_ONE, WARN_ONE, FAIL_ONE, PASS_TWO, FAIL_TWO, STEP, STEP_FAR, FREEZE, SEND_BEAT, SEND_IDLE,
    REPORT_PASS, REPORT_FAIL, STARTED, NOT_STARTED, READY, NOT_READY, DRAIN, REMOVE_ONE};
static const unsigned char of_told[] = {ASK_READY, ASK_HEALTH, BEGIN_RUN, PASS_ONE, WARN_ONE,
    FAIL_ONE, STEP, STEP_FAR, FREEZE, REPORT_PASS, REPORT_FAIL, NOT_STARTED, STARTED, READY,
    NOT_READY, DRAIN, REMOVE_ONE};

#define OF(events) events, COUNT(events)

static void a_check_that_is_run(void **unused)
{
    static const struct scenario s = {"runs", {ALL_PROBES, 0, 0, 0}, OF(of_runs), 8, false};

    (void)unused;
    explore(&s);
}

static void two_checks_and_one_worker(void **unused)
{
    static const struct scenario s = {
        "two runs", {HEALTH_READY, HEALTH_LIVE | HEALTH_READY, 0, 0}, OF(of_two_runs), 9, false};

    (void)unused;
    explore(&s);
}

static void words_of_the_service(void **unused)
{
    static const struct scenario s = {"words",
        {0, 0, HEALTH_LIVE | HEALTH_READY, HEALTH_LIVE | HEALTH_READY}, OF(of_words), 7, false};

    (void)unused;
    explore(&s);
}

static void gates_and_startup(void **unused)
{
    static const struct scenario s = {"gates", {HEALTH_STARTUP, 0, 0, 0}, OF(of_gates), 8, false};

    (void)unused;
    explore(&s);
}

static void all_together(void **unused)
{
    static const struct scenario s = {"all",
        {ALL_PROBES, HEALTH_READY, HEALTH_LIVE | HEALTH_STARTUP, HEALTH_LIVE}, OF(of_all), 5,
        false};

    (void)unused;
    explore(&s);
}

static void what_an_observer_is_told(void **unused)
{
    static const struct scenario s = {
        "told", {ALL_PROBES, 0, HEALTH_LIVE | HEALTH_READY, 0}, OF(of_told), 6, true};

    (void)unused;
    explore(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_that_is_run),
        cmocka_unit_test(two_checks_and_one_worker),
        cmocka_unit_test(words_of_the_service),
        cmocka_unit_test(gates_and_startup),
        cmocka_unit_test(all_together),
        cmocka_unit_test(what_an_observer_is_told),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
