/*
 * The library, as it is measured:
 *
 *   server COUNT [due | slow | sleep HOW_MANY MS TIMEOUT_MS]
 *
 * COUNT on-demand checks, which are run once and stay fresh.
 *   due     they are run every 100 ms instead
 *   slow    and a periodic one that takes 200 ms, and an on-demand one that hangs
 *   sleep   and so many on-demand ones that take so long; they are run for every request
 *
 * Prints its port, and serves until SIGTERM; then it says on standard error how often those that
 * take long were run.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <health/health.h>

#define A_MONTH_MS 2678400000u
#define FOR_EVER   3600000

static atomic_uint runs;

static void die(const char *what)
{
    (void)fprintf(stderr, "server: %s: %s\n", what, health_last_error());
    exit(1);
}

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    return HEALTH_PASS;
}

/* Takes as many ms as its argument says. */
static enum health_status slow(struct health_result *result, void *arg)
{
    int ms = *(int *)arg;
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    (void)result;
    atomic_fetch_add(&runs, 1);
    (void)nanosleep(&t, NULL);
    return HEALTH_PASS;
}

static void add(const char *name, health_check_fn *fn, void *arg, unsigned max_age_ms,
    unsigned interval_ms, unsigned timeout_ms)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = name;
    check.fn = fn;
    check.arg = arg;
    check.probes = HEALTH_LIVE | HEALTH_READY;
    check.max_age_ms = max_age_ms;
    check.interval_ms = interval_ms;
    check.timeout_ms = timeout_ms;
    if (health_add_check(NULL, &check) != 0)
        die("add");
}

static void add_checks(int count, bool due)
{
    char name[32];
    int i;

    for (i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "check-%06d", i);
        add(name, pass, NULL, due ? 0 : A_MONTH_MS, due ? 100 : 0, 0);
    }
}

static void add_sleepers(int count, int *ms, unsigned timeout_ms)
{
    char name[32];
    int i;

    for (i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "sleeper-%d", i);
        add(name, slow, ms, 1, 0, timeout_ms);
    }
}

int main(int argc, char **argv)
{
    static int ms_200 = 200, for_ever = FOR_EVER, ms;
    struct health_options options = HEALTH_OPTIONS_INIT;
    const char *also = argc > 2 ? argv[2] : "";
    sigset_t ends;
    int number;

    if (argc < 2 || (strcmp(also, "sleep") == 0 && argc != 6))
        return 2;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &ends, NULL);
    options.listen = "127.0.0.1:0";
    if (health_new(NULL, &options) != 0)
        die("new");
    add_checks(atoi(argv[1]), strcmp(also, "due") == 0);
    if (strcmp(also, "slow") == 0) {
        add("periodic", slow, &ms_200, 0, 250, 1000);
        add("hung", slow, &for_ever, 1, 0, 100);
    } else if (strcmp(also, "sleep") == 0) {
        ms = atoi(argv[4]);
        add_sleepers(atoi(argv[3]), &ms, (unsigned)atoi(argv[5]));
    }
    if (health_start(NULL) != 0)
        die("start");
    (void)printf("%d\n", health_port(NULL));
    (void)fflush(stdout);
    (void)sigwait(&ends, &number);
    (void)fprintf(stderr, "runs: %u\n", atomic_load(&runs));
    /* Nothing is tidied up: of a whole process, that would be measured too. */
    _exit(0);
}
