/*
 * What a service under stress may be told as: histories, and what all parts of it use.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "stress_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

void *stress_grown(void *items, size_t count, size_t *ret_room, size_t size)
{
    if (count < *ret_room)
        return items;
    *ret_room = *ret_room * 2 + 16;
    items = realloc(items, *ret_room * size);
    if (items == NULL)
        stress_fail("no memory for what has happened");
    return items;
}

/* ---- Histories ---- */

void stress_history_init(struct stress_history *h, struct stress_version first)
{
    memset(h, 0, sizeof(*h));
    (void)pthread_mutex_init(&h->mutex, NULL);
    h->versions = stress_grown(h->versions, 0, &h->room, sizeof(*h->versions));
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
    h->versions = stress_grown(h->versions, h->count, &h->room, sizeof(*h->versions));
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
