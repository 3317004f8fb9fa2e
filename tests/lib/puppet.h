/*
 * A check that does as the test says, holds its run for as long as it says, and tells what happened
 * to it.
 *
 * Any thread may call any of these at any time.  None fails a test: the waiting ones return false
 * when the time is up.  A puppet must outlive its check; let it be static, as a test that fails
 * leaves its checks behind.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_PUPPET_H
#define TESTS_PUPPET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <health/health.h>

/* How many runs' times are kept. */
#define PUPPET_TIMES 64

struct puppet {
    pthread_mutex_t mutex;
    pthread_cond_t changed;

    /* Guarded by the mutex: what it does, ... */
    int returns;      /* an enum health_status, or what is none */
    const char *says; /* its reason; NULL: none */
    int takes_ms;     /* how long each run takes */
    bool held;        /* runs do not end */
    void (*inside)(struct health_result *result, void *arg); /* called in each run; NULL */
    void *inside_arg;

    /* ... and what happened. */
    unsigned begun;                 /* runs */
    unsigned ended;                 /* of these */
    unsigned most;                  /* that were in progress at a time */
    unsigned released;              /* calls of `release` */
    bool late;                      /* a run was in progress at, or begun after, the release */
    int64_t begun_at[PUPPET_TIMES]; /* of the first runs, by client_now_ms() */
    int64_t ended_at[PUPPET_TIMES];
};

/* Makes a puppet that passes at once. */
void puppet_init(struct puppet *p);

/* The check of the puppet: of this name, with all else as its default but `release`. */
struct health_check puppet_check(struct puppet *p, const char *name);

/* ---- What it does, from its next run on ---- */

/* What it returns and says; `says` must stay. */
void puppet_says(struct puppet *p, int returns, const char *says);

/* How long it takes. */
void puppet_takes(struct puppet *p, int ms);

/* What it calls; NULL: nothing. */
void puppet_calls(
    struct puppet *p, void (*inside)(struct health_result *result, void *arg), void *arg);

/* Runs do not end from now on; they may again, and what hangs does. */
void puppet_hold(struct puppet *p);
void puppet_let_go(struct puppet *p);

/* ---- What happened ---- */

unsigned puppet_begun(struct puppet *p);
unsigned puppet_ended(struct puppet *p);
unsigned puppet_most(struct puppet *p);
unsigned puppet_released(struct puppet *p);
bool puppet_late(struct puppet *p);
int64_t puppet_begun_at(struct puppet *p, unsigned run_number);
int64_t puppet_ended_at(struct puppet *p, unsigned run_number);

/* Waits until so many runs were begun, have ended, releases were called. */
bool puppet_wait_begun(struct puppet *p, unsigned count, int timeout_ms);
bool puppet_wait_ended(struct puppet *p, unsigned count, int timeout_ms);
bool puppet_wait_released(struct puppet *p, unsigned count, int timeout_ms);

#endif
