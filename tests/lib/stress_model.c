/*
 * What a service under stress may be told as: histories, and answers as a whole.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "stress_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "document.h"

int64_t stress_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

unsigned stress_random(uint64_t *state, unsigned below)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return (unsigned)((x >> 11) % below);
}

void stress_linger(uint64_t *random, unsigned most_us)
{
    int64_t ns = (int64_t)stress_random(random, most_us + 1) * 1000;
    struct timespec pause = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    (void)nanosleep(&pause, NULL);
}

void stress_fail(const char *format, ...)
{
    static atomic_flag failing = ATOMIC_FLAG_INIT;
    va_list args;

    /* One alone is to be heard. */
    while (atomic_flag_test_and_set(&failing))
        (void)pause();
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    (void)fflush(NULL);
    _exit(1);
}

/* Makes room for one more. */
static void *grown(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room * 2 + 16;
    items = realloc(items, *room * size);
    if (items == NULL)
        stress_fail("no memory for what has happened");
    return items;
}

/* ---- Histories ---- */

void stress_history_init(struct stress_history *h, struct stress_version first)
{
    memset(h, 0, sizeof(*h));
    (void)pthread_mutex_init(&h->mutex, NULL);
    h->versions = grown(h->versions, 0, &h->room, sizeof(*h->versions));
    h->versions[h->count++] = first;
    h->versions[0].until = INT64_MAX;
}

void stress_history_done(struct stress_history *h)
{
    if (h->versions != NULL)
        (void)pthread_mutex_destroy(&h->mutex);
    free(h->versions);
    h->versions = NULL;
}

void stress_begin(struct stress_history *h, struct stress_version next)
{
    (void)pthread_mutex_lock(&h->mutex);
    h->versions = grown(h->versions, h->count, &h->room, sizeof(*h->versions));
    next.from = stress_now();
    next.until = INT64_MAX;
    h->versions[h->count++] = next;
    (void)pthread_mutex_unlock(&h->mutex);
}

void stress_end(struct stress_history *h)
{
    (void)pthread_mutex_lock(&h->mutex);
    h->versions[h->count - 2].until = stress_now();
    (void)pthread_mutex_unlock(&h->mutex);
}

bool stress_sole(
    struct stress_history *h, int64_t from, int64_t until, struct stress_version *ret_version)
{
    unsigned found = 0;
    size_t i;

    (void)pthread_mutex_lock(&h->mutex);
    for (i = h->count; i-- > 0 && h->versions[i].until >= from;) {
        if (h->versions[i].from > until)
            continue;
        *ret_version = h->versions[i];
        found++;
    }
    (void)pthread_mutex_unlock(&h->mutex);
    return found == 1;
}

bool stress_is_up(struct stress_world *w, int64_t from, int64_t until)
{
    struct stress_version v;

    return stress_sole(&w->session, from, until, &v) && v.value != 0;
}

bool stress_is_down(struct stress_world *w, int64_t from, int64_t until)
{
    struct stress_version v;

    return stress_sole(&w->session, from, until, &v) && v.value == 0;
}

void stress_world_init(struct stress_world *w, bool patient)
{
    const struct stress_version since_ever = {.from = INT64_MIN};
    size_t i;

    memset(w, 0, sizeof(*w));
    for (i = 0; i < STRESS_NAMES; i++) {
        (void)snprintf(w->names[i], sizeof(w->names[i]), "thread-%zu:%zu", i / 4, i % 4);
        stress_history_init(&w->histories[i], since_ever);
    }
    for (i = 0; i < STRESS_GATES; i++)
        stress_history_init(&w->gates[i],
            (struct stress_version){.from = INT64_MIN, .value = i != STRESS_DRAINING});
    stress_history_init(&w->session, since_ever);
    w->patient = patient;
    atomic_store(&w->stalled_at, INT64_MIN);
    atomic_store(&w->latched_at, INT64_MAX);
    atomic_store(&w->down, true);
}

void stress_world_done(struct stress_world *w)
{
    size_t i;

    for (i = 0; i < STRESS_NAMES; i++)
        stress_history_done(&w->histories[i]);
    for (i = 0; i < STRESS_GATES; i++)
        stress_history_done(&w->gates[i]);
    stress_history_done(&w->session);
}

/* ---- Lives ---- */

struct stress_life *stress_life_new(struct stress_world *w, const char *name)
{
    struct stress_life *life = calloc(1, sizeof(*life));

    if (life == NULL)
        stress_fail("no memory for a check");
    life->world = w;
    life->name = name;
    life->added = INT64_MAX;
    life->status = STRESS_PENDING;
    (void)pthread_mutex_init(&life->mutex, NULL);
    return life;
}

void stress_life_free(struct stress_life *life)
{
    stress_history_done(&life->beats);
    (void)pthread_mutex_destroy(&life->mutex);
    free(life->runs);
    free(life);
}

size_t stress_run_begin(struct stress_life *life)
{
    struct stress_world *w = life->world;
    size_t run;

    (void)atomic_fetch_add(&w->calling, 1);
    if (atomic_load(&w->down))
        stress_fail("%s: a run is begun after the stop", life->name);
    (void)pthread_mutex_lock(&life->mutex);
    if (life->running)
        stress_fail("%s: a second run beside a first", life->name);
    if (life->removed || life->released > 0)
        stress_fail("%s: a run is begun after the removal", life->name);
    life->running = true;
    life->runs = grown(life->runs, life->run_count, &life->run_room, sizeof(*life->runs));
    run = life->run_count++;
    life->runs[run] = (struct stress_run){
        .begun = stress_now(), .seen = INT64_MAX, .session = atomic_load(&w->number)};
    (void)pthread_mutex_unlock(&life->mutex);
    return run;
}

/* Counts a result, and says what the check is from there on. */
static int count(struct stress_life *life, int returned)
{
    bool good = returned == HEALTH_PASS || returned == HEALTH_WARN;

    life->good = good ? life->good + 1 : 0;
    life->bad = good ? 0 : life->bad + 1;
    if (good && (life->status != HEALTH_FAIL || life->good >= life->successes))
        life->status = returned;
    else if (!good && life->bad >= life->failures)
        life->status = HEALTH_FAIL;
    return life->status;
}

void stress_run_end(struct stress_life *life, size_t run, int returned)
{
    (void)pthread_mutex_lock(&life->mutex);
    if (life->gone || life->released > 0)
        stress_fail("%s: a run goes on after the removal", life->name);
    if (atomic_load(&life->world->down))
        stress_fail("%s: a run goes on after the stop", life->name);
    if (life->session != life->runs[run].session) {
        life->session = life->runs[run].session;
        life->bad = life->good = 0;
        life->status = STRESS_PENDING;
    }
    life->runs[run].status = count(life, returned);
    life->runs[run].ended = stress_now();
    life->running = false;
    (void)pthread_mutex_unlock(&life->mutex);
    (void)atomic_fetch_sub(&life->world->calling, 1);
}

/* ---- Answers ---- */

/* Moments at which an answer would be wrong about a name, but for the ends. */
struct gap {
    int64_t from, until;
};

struct judging {
    struct stress_world *w;
    const struct stress_answer *a;
    struct gap gaps[256];
    size_t gap_count;
};

static void complain(const struct judging *j, const char *name, const char *wrong)
{
    char *text = j->a->doc != NULL ? json_dumps(j->a->doc, 0) : NULL;

    stress_fail("%s, from %lld to %lld µs: %s: %s\n%d %s", j->a->text,
        (long long)(j->a->from / 1000), (long long)(j->a->until / 1000), name, wrong, j->a->code,
        text != NULL ? text : "");
}

static void add_gap(struct judging *j, int64_t from, int64_t until)
{
    if (j->gap_count == sizeof(j->gaps) / sizeof(j->gaps[0]))
        complain(j, "the test", "too much has happened meanwhile");
    j->gaps[j->gap_count++] = (struct gap){from, until};
}

static void judge_name(struct judging *j, size_t number, const json_t *item)
{
    struct stress_history *h = &j->w->histories[number];
    int64_t good_until = j->a->from - 1;
    const char *wrong = NULL;
    bool right = false;
    size_t i;

    (void)pthread_mutex_lock(&h->mutex);
    for (i = h->count; i > 0 && h->versions[i - 1].until >= j->a->from;)
        i--;
    for (; i < h->count && h->versions[i].from <= j->a->until; i++) {
        const struct stress_version *v = &h->versions[i];
        const char *said = stress_wrong(j->w, j->a, v, item);

        if (said != NULL) {
            wrong = said;
            continue;
        }
        if (v->from > good_until)
            add_gap(j, good_until, v->from);
        if (v->until > good_until)
            good_until = v->until;
        right = true;
    }
    (void)pthread_mutex_unlock(&h->mutex);
    if (!right)
        complain(j, j->w->names[number], wrong != NULL ? wrong : "?");
    if (good_until <= j->a->until)
        add_gap(j, good_until, j->a->until + 1);
}

static bool in_a_gap(const struct judging *j, int64_t at)
{
    size_t i;

    for (i = 0; i < j->gap_count; i++)
        if (j->gaps[i].from < at && at < j->gaps[i].until)
            return true;
    return false;
}

/* Whether there is a moment that is in no gap: if there is, the first, or the end of one, is. */
static bool has_a_moment(const struct judging *j)
{
    size_t i;

    if (!in_a_gap(j, j->a->from))
        return true;
    for (i = 0; i < j->gap_count; i++)
        if (j->gaps[i].until <= j->a->until && !in_a_gap(j, j->gaps[i].until))
            return true;
    return false;
}

static void judge_checks(struct judging *j)
{
    json_t *checks = json_object_get(j->a->doc, "checks");
    size_t i, listed = 0;

    for (i = 0; i < STRESS_NAMES; i++) {
        const json_t *item = json_array_get(json_object_get(checks, j->w->names[i]), 0);
        bool is_subject = (int)i == j->a->subject;

        listed += item != NULL;
        if (is_subject != (j->a->endpoint == STRESS_AT_NAME) && j->a->subject >= 0) {
            if (item != NULL)
                complain(j, j->w->names[i], "it is not asked for");
            continue;
        }
        judge_name(j, i, item);
    }
    if (listed != json_object_size(checks))
        complain(j, "checks", "there is one of a name that never was");
    if (!has_a_moment(j))
        complain(j, "checks", "at no moment were all of them so");
    (void)atomic_fetch_add(&j->w->shown, listed);
}

static void latched(struct stress_world *w, int64_t at)
{
    int64_t before = atomic_load(&w->latched_at);

    while (at < before && !atomic_compare_exchange_weak(&w->latched_at, &before, at))
        ;
}

static void judge_gate(struct judging *j, unsigned gate, const char *name)
{
    const struct stress_answer *a = j->a;
    bool shown = document_gate(a->doc, name);
    bool has_passed = atomic_load(&j->w->latched_at) < a->from;
    struct stress_version v;

    if (gate == STRESS_STARTED && has_passed && !shown)
        complain(j, name, "it is shut, though startup has passed");
    if (!stress_sole(&j->w->gates[gate], a->from, a->until, &v) || shown == (v.value != 0))
        return;
    /* Once startup has passed the gate is not shut any more: and so it must have. */
    if (gate == STRESS_STARTED && shown)
        latched(j->w, a->until);
    else
        complain(j, name, "it is the other way round");
}

/* Of all that is listed: what is not passes. */
static int worst_listed(const struct stress_answer *a)
{
    json_t *checks = json_object_get(a->doc, "checks"), *items;
    int worst = HEALTH_PASS;
    const char *name;

    json_object_foreach(checks, name, items)
    {
        const char *status = document_check_status(a->doc, name);

        (void)items;
        if (strcmp(status, "fail") == 0)
            worst = HEALTH_FAIL;
        else if (strcmp(status, "warn") == 0 && worst == HEALTH_PASS)
            worst = HEALTH_WARN;
    }
    return worst;
}

static void judge_whole(struct judging *j)
{
    static const char *const statuses[] = {"pass", "warn", "fail"};
    const struct stress_answer *a = j->a;
    bool started = document_gate(a->doc, "started"), ready = document_gate(a->doc, "ready"),
         draining = document_gate(a->doc, "draining"), passed;
    const char *status = document_status(a->doc);
    int worst = worst_listed(a);

    judge_gate(j, STRESS_STARTED, "started");
    judge_gate(j, STRESS_READY, "ready");
    judge_gate(j, STRESS_DRAINING, "draining");
    if (a->code != (strcmp(status, "fail") == 0 ? 503 : 200))
        complain(j, status, "another code");
    if (a->endpoint == STRESS_AT_READY && (!started || !ready || draining))
        worst = HEALTH_FAIL;
    if ((a->endpoint == STRESS_AT_STARTUP || a->endpoint == STRESS_AT_HEALTH) && !started)
        worst = HEALTH_FAIL;
    /* Once startup has passed it is that, whatever is listed. */
    passed = a->endpoint == STRESS_AT_STARTUP &&
             (atomic_load(&j->w->latched_at) < a->from || strcmp(status, "pass") == 0);
    if (passed)
        worst = HEALTH_PASS;
    if (strcmp(status, statuses[worst]) != 0)
        complain(j, status, "that is not the worst of what counts");
}

void stress_judge(struct stress_world *w, const struct stress_answer *a)
{
    struct judging j = {.w = w, .a = a};

    (void)atomic_fetch_add(&w->judged, 1);
    if (stress_is_down(w, a->from, a->until))
        complain(&j, "the answer", "it was stopped");
    if (a->subject < 0 && a->code == 200 &&
        (a->endpoint == STRESS_AT_STARTUP || a->endpoint == STRESS_AT_READY))
        latched(w, a->until);
    if (a->code == 404) {
        if (a->endpoint != STRESS_AT_NAME)
            complain(&j, "the path", "it is there");
        judge_name(&j, (size_t)a->subject, NULL);
    } else if (a->doc != NULL) {
        document_validate(a->doc);
        judge_checks(&j);
        judge_whole(&j);
    } else if (a->code == 503 && a->endpoint == STRESS_AT_STARTUP &&
               atomic_load(&w->latched_at) < a->from) {
        complain(&j, "startup", "it has passed before");
    }
}
