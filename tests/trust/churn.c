/*
 * Checks that come and go while others ask, so many times in all, a quarter of them in callbacks
 * and the rest in eight threads:
 *
 *   churn TIMES
 *
 * Prints its port, and, once it is done, how many were added and removed in threads and in
 * callbacks, and how often somebody else's removal was in the way.  Ends with 0 if each was
 * released once.  To be built with ThreadSanitizer.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <health/health.h>

#define THREADS   8
#define CALLBACKS 4  /* checks that add and remove others */
#define AT_ONCE   50 /* others in each of their runs */

/* How many are still to come, in threads and in callbacks, and what became of them. */
static atomic_long left, left_inside, in_threads, in_callbacks, busy, released, strange;

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)arg;
    return health_explain(result, HEALTH_PASS, "fine");
}

static void count_release(void *arg)
{
    (void)arg;
    atomic_fetch_add(&released, 1);
}

static void pause_ms(int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    (void)nanosleep(&t, NULL);
}

/* Adds one and removes it, some when they have been run, or are just then, and counts it. */
static void come_and_go(const char *name, long i, atomic_long *counted)
{
    static const unsigned probes[] = {HEALTH_READY, HEALTH_LIVE, HEALTH_ALL};
    struct health_check check = HEALTH_CHECK_INIT;
    int removed;

    check.name = name;
    check.fn = i % 3 == 0 ? NULL : pass;
    check.probes = probes[i % 3];
    check.interval_ms = i % 3 == 1 ? 100 : 0;
    check.release = count_release;
    if (health_add_check(NULL, &check) != 0) {
        atomic_fetch_add(&strange, 1);
        return;
    }
    if (i % 3 == 0)
        (void)health_report(NULL, name, i % 2 ? HEALTH_FAIL : HEALTH_PASS, "%ld", i);
    if (i % 96 == 1)
        pause_ms(1);
    /* It is gone in any case; on our own threads removal does not wait for a run. */
    removed = health_remove(NULL, name);
    if (removed == HEALTH_EBUSY)
        atomic_fetch_add(&busy, 1);
    else if (removed != 0)
        atomic_fetch_add(&strange, 1);
    atomic_fetch_add(counted, 1);
}

static void *churn(void *arg)
{
    char name[32];
    long i;

    (void)snprintf(name, sizeof(name), "thread-%d", (int)(intptr_t)arg);
    for (i = 0; atomic_fetch_sub(&left, 1) > 0; i++)
        come_and_go(name, i, &in_threads);
    return NULL;
}

static enum health_status churn_inside(struct health_result *result, void *arg)
{
    char name[32];
    long i;

    (void)snprintf(name, sizeof(name), "callback-%d", (int)(intptr_t)arg);
    for (i = 0; i < AT_ONCE && atomic_fetch_sub(&left_inside, 1) > 0; i++)
        come_and_go(name, i, &in_callbacks);
    return pass(result, NULL);
}

static void add_insiders(void)
{
    struct health_check check = HEALTH_CHECK_INIT;
    char name[32];
    int i;

    check.name = name;
    check.fn = churn_inside;
    check.interval_ms = 10;
    check.timeout_ms = 60000;
    for (i = 0; i < CALLBACKS; i++) {
        (void)snprintf(name, sizeof(name), "insider-%d", i);
        check.arg = (void *)(intptr_t)i;
        if (health_add_check(NULL, &check) != 0)
            atomic_fetch_add(&strange, 1);
    }
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    long added;
    int i, stopped;

    if (argc != 2)
        return 2;
    atomic_store(&left_inside, atol(argv[1]) / 4);
    atomic_store(&left, atol(argv[1]) - atol(argv[1]) / 4);
    add_insiders();
    if (health_serve(0) != 0) {
        (void)fprintf(stderr, "churn: %s\n", health_last_error());
        return 1;
    }
    (void)printf("%d\n", health_port(NULL));
    (void)fflush(stdout);
    for (i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, churn, (void *)(intptr_t)i) != 0)
            return 1;
    for (i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    while (atomic_load(&left_inside) > 0)
        pause_ms(10);
    stopped = health_stop(NULL, 60000);
    added = atomic_load(&in_threads) + atomic_load(&in_callbacks);
    (void)fprintf(stderr,
        "threads %ld callbacks %ld busy %ld released %ld strange %ld stopped %d\n",
        atomic_load(&in_threads), atomic_load(&in_callbacks), atomic_load(&busy),
        atomic_load(&released), atomic_load(&strange), stopped);
    return stopped == 0 && atomic_load(&strange) == 0 && atomic_load(&released) == added ? 0 : 1;
}
