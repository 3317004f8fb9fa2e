/*
 * Callbacks that return when the test lets them, and counts of what happens on other threads, which
 * it can wait for.
 *
 * Whoever waits in vain for 20 s fails the cmocka test of its thread.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_JOBS_H
#define TESTS_JOBS_H

#include <stdbool.h>

#include <health/health.h>

/* Counts one more, for who waits. */
void count_up(int *counter);
int count_of(const int *counter);
void count_wait(const int *counter, int at_least);

/* One that any thread may set, and others wait for. */
void flag_set(bool *flag);
void flag_wait(const bool *flag);

/* Waits until the function says so, which is called again and again. */
void wait_until(bool (*is)(void *arg), void *arg);

/* What a callback does, for `arg`.  Zeroed memory is one that waits to be let. */
struct job {
    bool let;                   /* it may return */
    enum health_status returns; /* what */
    const char *says;           /* its reason; NULL: none */
    int begun, ended;           /* how often it has */
    bool hold_release;          /* the release waits for `let`, too */
    int releasing, released;    /* how often its release was begun and has ended */
};

/* The callback, and the release. */
enum health_status job_run(struct health_result *result, void *job);
void job_release(void *job);

/* Lets it return, now and from now on. */
void job_let(struct job *job);

/* For who counts threads: with the first that there is, a sanitizer starts one of its own. */
void jobs_first_thread(void);

/* In the child of a fork: nobody waits here. */
void jobs_forget(void);

#endif
