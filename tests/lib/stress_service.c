/*
 * The service under stress.
 *
 * Each thread has names of its own, so that it knows what becomes of them; gates, start and stop
 * are for one thread at a time.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "stress_service.h"

#include <string.h>

#include "client.h"
#include "document.h"

#define DOCUMENT_BYTES 65536

static void must(int got, int want, const char *what)
{
    if (got != want)
        stress_fail("%s: %d, not %d: %s", what, got, want, health_last_error());
}

static struct stress_service *service_of(struct stress_world *w)
{
    return (struct stress_service *)(void *)((char *)w - offsetof(struct stress_service, world));
}

static unsigned below(struct stress_service_thread *t, unsigned n)
{
    return stress_random(&t->random, n);
}

static enum health_status run(struct health_result *result, void *arg)
{
    struct stress_life *life = arg;
    struct stress_service *s = service_of(life->world);
    size_t number = stress_run_begin(life);
    uint64_t random = atomic_fetch_add(&s->seed, 1);
    int returned = (int)stress_random(&random, s->calm ? 100 : 6);

    if (life->slow && stress_random(&random, 200) == 0)
        stress_linger(&random, 3500000);
    else if (stress_random(&random, 16) == 0)
        stress_linger(&random, life->slow ? 200000 : 60000);
    else
        stress_linger(&random, 2000);
    returned = returned == 5 ? 7 : returned > HEALTH_FAIL ? HEALTH_PASS : returned;
    (void)health_explain(result, HEALTH_PASS, "run %zu", number);
    health_observe(result, (double)number, "run");
    (void)atomic_fetch_add(&s->runs, 1);
    stress_run_end(life, number, returned);
    return (enum health_status)returned;
}

static void release(void *arg)
{
    struct stress_life *life = arg;

    (void)pthread_mutex_lock(&life->mutex);
    if (life->running)
        stress_fail("%s: released while its callback runs", life->name);
    if (++life->released > 1)
        stress_fail("%s: released twice", life->name);
    (void)pthread_mutex_unlock(&life->mutex);
}

static void changed(const struct health_change *change, void *arg)
{
    struct stress_service *s = arg;
    uint64_t random = atomic_fetch_add(&s->seed, 1);

    if (atomic_fetch_add(&s->telling, 1) != 0)
        stress_fail("%s: told of beside another change", change->name);
    if (atomic_load(&s->world.down))
        stress_fail("%s: told of after the stop", change->name);
    if (stress_random(&random, 16) == 0)
        stress_linger(&random, 5000);
    (void)atomic_fetch_add(&s->changes, 1);
    (void)atomic_fetch_sub(&s->telling, 1);
}

/* ---- Names ---- */

static int add(struct stress_service_thread *t, struct stress_life *life)
{
    struct health_check check = HEALTH_CHECK_INIT;

    if (life->kind == STRESS_HEARTBEAT)
        return health_add_heartbeat(
            t->service->h, life->name, life->max_age_ms, life->probes, &life->heartbeat);
    check.name = life->name;
    check.arg = life;
    check.release = release;
    check.probes = life->probes;
    check.advisory = life->advisory;
    check.max_age_ms = life->max_age_ms;
    check.interval_ms = life->interval_ms;
    if (life->kind != STRESS_PUSHED) {
        check.fn = run;
        check.timeout_ms = life->timeout_ms;
        check.failures = life->failures;
        check.successes = life->successes;
    }
    return health_add_check(t->service->h, &check);
}

static struct stress_history *history_of(const struct stress_service_thread *t, unsigned i)
{
    return &t->service->world.histories[t->number * STRESS_NAMES_EACH + i];
}

static const char *name_of(const struct stress_service_thread *t, unsigned i)
{
    return t->service->world.names[t->number * STRESS_NAMES_EACH + i];
}

static void bear(struct stress_service_thread *t, unsigned i)
{
    struct stress_life *life =
        stress_life_new(&t->service->world, name_of(t, i), t->service->calm, &t->random);

    life->next = t->all;
    t->all = t->lives[i] = life;
    stress_history_init(&life->beats, (struct stress_version){.from = stress_now()});
    stress_begin(history_of(t, i), (struct stress_version){.life = life, .value = STRESS_PENDING});
    must(add(t, life), 0, "add");
    atomic_store(&life->added, stress_now());
    stress_end(history_of(t, i));
}

static void remove_life(struct stress_service_thread *t, unsigned i)
{
    struct stress_life *life = t->lives[i];
    int error;

    stress_begin(history_of(t, i), (struct stress_version){.life = NULL});
    atomic_store(&life->left, stress_now());
    error = health_remove(t->service->h, life->name);
    if (error != HEALTH_EBUSY || !life->slow)
        must(error, 0, "remove");
    (void)pthread_mutex_lock(&life->mutex);
    life->removed = true;
    life->gone = error == 0;
    if (life->gone && life->running)
        stress_fail("%s: removed, and a callback runs", life->name);
    (void)pthread_mutex_unlock(&life->mutex);
    stress_end(history_of(t, i));
    t->lives[i] = NULL;
    (void)atomic_fetch_add(&t->service->removes, 1);
    (void)atomic_fetch_add(&t->service->busy_removes, error != 0);
}

static void report(struct stress_service_thread *t, unsigned i)
{
    struct stress_life *life = t->lives[i];
    int status = (int)below(t, t->service->calm ? 50 : 3);

    status = status > HEALTH_FAIL ? HEALTH_PASS : status;

    t->reports++;
    stress_begin(history_of(t, i),
        (struct stress_version){.life = life, .value = status, .report = t->reports});
    must(health_report(
             t->service->h, life->name, (enum health_status)status, "report %u", t->reports),
        0, "report");
    stress_end(history_of(t, i));
}

static void beat(struct stress_service_thread *t, struct stress_life *life)
{
    bool idle = below(t, 100) == 0;
    int64_t now = stress_now();

    if (now < life->silent_until)
        return;
    life->silent_until = now + 10 * STRESS_MS;
    if (below(t, 100) == 0)
        life->silent_until = now + (100 + below(t, 700)) * STRESS_MS;
    else if (below(t, 400) == 0)
        life->silent_until = now + (STRESS_SLACK_MS + 1500) * STRESS_MS;
    stress_begin(&life->beats, (struct stress_version){.value = idle});
    if (idle)
        health_idle(life->heartbeat);
    else
        health_beat(life->heartbeat);
    stress_end(&life->beats);
}

/* What there is no name for, and what does not go with the one there is, is refused. */
static void be_refused(struct stress_service_thread *t, unsigned i)
{
    struct stress_life *life = t->lives[i];

    if (life == NULL) {
        must(health_remove(t->service->h, name_of(t, i)), HEALTH_ENOENT, "remove nothing");
        must(health_report(t->service->h, name_of(t, i), HEALTH_PASS, NULL), HEALTH_ENOENT,
            "report on nothing");
        return;
    }
    must(add(t, life), HEALTH_EEXIST, "add again");
    if (life->kind != STRESS_PUSHED)
        must(health_report(t->service->h, life->name, HEALTH_FAIL, NULL), HEALTH_EINVAL,
            "report on what is not pushed");
}

static void do_something(struct stress_service_thread *t, unsigned i)
{
    unsigned what = below(t, 64);

    if (what == 0)
        be_refused(t, i);
    else if (t->lives[i] == NULL)
        bear(t, i);
    else if (what < 3)
        remove_life(t, i);
    else if (t->lives[i]->kind == STRESS_PUSHED && what < 24)
        report(t, i);
}

/* ---- Gates, stop and start, queries ---- */

static void set_gate(struct stress_service_thread *t)
{
    unsigned gate = below(t, STRESS_GATES);
    bool on = below(t, 4) != 0;

    stress_begin(&t->service->world.gates[gate],
        (struct stress_version){.value = gate == STRESS_DRAINING ? 1 : on});
    if (gate == STRESS_STARTED)
        health_set_started(t->service->h, on);
    else if (gate == STRESS_READY)
        health_set_ready(t->service->h, on);
    else
        health_drain(t->service->h);
    stress_end(&t->service->world.gates[gate]);
}

void stress_start(struct stress_service *s)
{
    int number = atomic_fetch_add(&s->world.number, 1) + 1;

    atomic_store(&s->world.down, false);
    stress_begin(&s->world.session, (struct stress_version){.value = number});
    must(health_start(s->h), 0, "start");
    stress_end(&s->world.session);
    must(health_start(s->h), HEALTH_EALREADY, "start again");
}

void stress_stop(struct stress_service *s, unsigned timeout_ms)
{
    int error;

    stress_begin(&s->world.gates[STRESS_DRAINING], (struct stress_version){.value = 0});
    stress_begin(&s->world.session, (struct stress_version){.value = 0});
    error = health_stop(s->h, timeout_ms);
    stress_end(&s->world.session);
    (void)atomic_fetch_add(&s->stuck, error != 0);
    while (error == HEALTH_EBUSY) {
        must(health_start(s->h), HEALTH_EBUSY, "start what is stuck");
        error = health_stop(s->h, 1000);
    }
    must(error, 0, "stop");
    if (atomic_load(&s->world.calling) != 0)
        stress_fail("stopped, and a callback runs");
    if (atomic_load(&s->telling) != 0)
        stress_fail("stopped, and a change is being told of");
    atomic_store(&s->world.down, true);
    stress_end(&s->world.gates[STRESS_DRAINING]);
    must(health_stop(s->h, 0), HEALTH_ESTOPPED, "stop again");
}

static void restart(struct stress_service_thread *t)
{
    static const unsigned timeouts[] = {0, 20, 10000};

    stress_stop(t->service, timeouts[below(t, 3)]);
    stress_linger(&t->random, below(t, 4) == 0 ? 200000 : 20000);
    stress_start(t->service);
    (void)atomic_fetch_add(&t->service->restarts, 1);
}

static void control(struct stress_service_thread *t)
{
    if (pthread_mutex_trylock(&t->service->mutex) != 0)
        return;
    if (t->service->restless && below(t, 16) == 0)
        restart(t);
    else
        set_gate(t);
    (void)pthread_mutex_unlock(&t->service->mutex);
}

static void query(struct stress_service_thread *t)
{
    static const unsigned probes[] = {HEALTH_LIVE, HEALTH_READY, HEALTH_STARTUP, HEALTH_ALL};
    static _Thread_local char text[DOCUMENT_BYTES];
    struct stress_answer a = {.subject = -1, .text = "a question from inside"};
    char *buf = below(t, 4) != 0 ? text : NULL;
    enum health_status status = HEALTH_PASS;
    size_t length = 0;
    int error;

    a.endpoint = (enum stress_endpoint)below(t, 4);
    a.from = stress_now();
    error = health_document(
        t->service->h, probes[a.endpoint], buf, buf != NULL ? sizeof(text) : 0, &length, &status);
    a.until = stress_now();
    if (error == HEALTH_ESTOPPED && !stress_is_up(&t->service->world, a.from, a.until))
        return;
    must(error, 0, "ask from inside");
    a.code = status == HEALTH_FAIL ? 503 : 200;
    if (buf != NULL)
        a.doc = document_parse(text, length, NULL);
    if (buf != NULL && a.doc == NULL)
        stress_fail("no document: %s", text);
    stress_judge(&t->service->world, &a);
    document_free(a.doc);
}

void *stress_serve(void *arg)
{
    struct stress_service_thread *t = arg;
    unsigned i;

    while (!atomic_load(&t->service->ending)) {
        for (i = 0; i < STRESS_NAMES_EACH; i++)
            if (t->lives[i] != NULL && t->lives[i]->kind == STRESS_HEARTBEAT)
                beat(t, t->lives[i]);
        do_something(t, below(t, STRESS_NAMES_EACH));
        if (below(t, 64) == 0)
            control(t);
        if (below(t, 32) == 0)
            query(t);
        if (below(t, 512) == 0)
            must(health_on_change(t->service->h, below(t, 2) ? changed : NULL, t->service), 0,
                "on_change");
        (void)atomic_fetch_add(&t->service->steps, 1);
        stress_linger(&t->random, below(t, 32) == 0 ? 50000 : 4000);
    }
    return NULL;
}

/* ---- The first and the last ---- */

void stress_service_init(struct stress_service *s, uint64_t seed, unsigned round)
{
    unsigned i;

    memset(s, 0, sizeof(*s));
    stress_world_init(&s->world, round % 2 == 0);
    s->calm = round % 4 >= 2;
    s->restless = round % 3 == 0;
    (void)pthread_mutex_init(&s->mutex, NULL);
    atomic_store(&s->seed, seed + 100000);
    for (i = 0; i < STRESS_THREADS; i++) {
        s->threads[i].service = s;
        s->threads[i].number = i;
        s->threads[i].random = seed + i;
    }
}

static void await_release(struct stress_life *life, uint64_t *random, int64_t deadline)
{
    bool released = life->kind == STRESS_HEARTBEAT;

    while (!released) {
        (void)pthread_mutex_lock(&life->mutex);
        released = life->released > 0;
        (void)pthread_mutex_unlock(&life->mutex);
        if (!released && client_now_ms() > deadline)
            stress_fail("%s: never released", life->name);
        if (!released)
            stress_linger(random, 2000);
    }
}

void stress_service_done(struct stress_service *s, int timeout_ms)
{
    int64_t deadline = client_deadline(timeout_ms);
    struct stress_life *life;
    unsigned i;

    for (i = 0; i < STRESS_THREADS; i++)
        while ((life = s->threads[i].all) != NULL) {
            await_release(life, &s->threads[i].random, deadline);
            s->threads[i].all = life->next;
            stress_life_free(life);
        }
    (void)pthread_mutex_destroy(&s->mutex);
    stress_world_done(&s->world);
}
