/*
 * What a service under stress may be told as: checks, and what is promised of their callbacks.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "stress_model.h"

#include <stdlib.h>

static struct stress_life *life_new(struct stress_world *w, const char *name)
{
    struct stress_life *life = calloc(1, sizeof(*life));

    if (life == NULL)
        stress_fail("no memory for a check");
    life->world = w;
    life->name = name;
    atomic_store(&life->left, INT64_MAX);
    atomic_store(&life->added, INT64_MAX / 2);
    life->status = STRESS_PENDING;
    (void)pthread_mutex_init(&life->mutex, NULL);
    return life;
}

struct stress_life *stress_life_new(
    struct stress_world *w, const char *name, bool calm, uint64_t *random)
{
    static const unsigned probes[] = {HEALTH_READY, HEALTH_READY, HEALTH_LIVE, HEALTH_ALL,
        HEALTH_STARTUP, HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP};
    struct stress_life *life = life_new(w, name);
    bool called;

    life->kind = (enum stress_kind)stress_random(random, 4);
    life->probes = probes[stress_random(random, 6)];
    called = life->kind == STRESS_ON_DEMAND || life->kind == STRESS_PERIODIC;
    life->slow = called && stress_random(random, 4) == 0;
    life->advisory = life->kind != STRESS_HEARTBEAT && (stress_random(random, 4) == 0 || calm);
    life->failures = life->successes = 1;
    if (called) {
        life->timeout_ms = life->slow ? 100 : 60000;
        life->failures = life->slow ? 1 : 1 + stress_random(random, 2);
        life->successes = life->slow ? 1 : 1 + stress_random(random, 2);
    }
    if (life->kind == STRESS_ON_DEMAND)
        life->max_age_ms = stress_random(random, 2) ? 1 : 100;
    else if (life->kind == STRESS_PERIODIC)
        life->interval_ms = 10 + stress_random(random, 100);
    else if (life->kind == STRESS_PUSHED)
        life->max_age_ms = stress_random(random, 2) ? 0 : 1000;
    else
        life->max_age_ms = 300;
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
    /* Where the removal did not come to an end, a worker may have been on its way to it. */
    if (life->gone || life->begun_late || life->released > 0)
        stress_fail("%s: a run is begun after the removal", life->name);
    life->begun_late = life->removed;
    life->running = true;
    life->runs = stress_grown(life->runs, life->run_count, &life->run_room, sizeof(*life->runs));
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
