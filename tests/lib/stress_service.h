/*
 * The service under stress: threads that add, remove, report, beat, gate, query, stop and start at
 * random, and tell the model; and callbacks that look at what is promised of them.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_STRESS_SERVICE_H
#define TESTS_STRESS_SERVICE_H

#include "stress_model.h"

#define STRESS_THREADS    8
#define STRESS_NAMES_EACH (STRESS_NAMES / STRESS_THREADS)

struct stress_service_thread {
    struct stress_service *service;
    unsigned number;
    uint64_t random;
    struct stress_life *lives[STRESS_NAMES_EACH]; /* NULL: there is none of the name */
    struct stress_life *all;
    unsigned reports;
};

struct stress_service {
    struct health *h;
    struct stress_world world;
    bool calm;     /* most things pass, or warn: so that gates are what makes the difference */
    bool restless; /* it is stopped and started again and again */
    struct stress_service_thread threads[STRESS_THREADS];
    pthread_mutex_t mutex; /* of who sets gates, stops and starts */
    _Atomic uint64_t seed; /* for whoever needs one next */
    atomic_bool ending;
    atomic_int telling; /* of changes, at a time */

    /* What there was, for whoever wants to know that there was something. */
    atomic_ulong steps, runs, changes, restarts, stuck, removes, busy_removes;
};

/* Rounds differ: by patience, calm and restlessness. */
void stress_service_init(struct stress_service *s, uint64_t seed, unsigned round);

/* A thread; `arg` is its struct stress_service_thread. */
void *stress_serve(void *arg);

/* Start, and stop for good, which may take longer than the first try. */
void stress_start(struct stress_service *s);
void stress_stop(struct stress_service *s, unsigned timeout_ms);

/* After the end, once no thread is left: every check that there was has been released, once, or is
 * within `timeout_ms`. */
void stress_service_done(struct stress_service *s, int timeout_ms);

#endif
