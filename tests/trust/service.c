/*
 * A service as many are: a loop that beats, a queue that reports, a database that is asked on
 * demand and a disk that is looked at at intervals, all for every probe.
 *
 * Prints its port, and serves until SIGTERM.  At SIGUSR1 it uses up its descriptors; at SIGUSR2 it
 * has them again.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <health/health.h>

#define EVERY_PROBE (HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP)
#define SIGN_MS     100  /* between beats, and reports */
#define OLD_MS      5000 /* what is heard of less often is dead */
#define DESCRIPTORS 256

static void must(int result, const char *what)
{
    if (result == 0)
        return;
    (void)fprintf(stderr, "service: %s: %s\n", what, health_last_error());
    exit(1);
}

static void pause_ms(int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    (void)nanosleep(&t, NULL);
}

/* A few ms, as a query takes. */
static enum health_status ask(struct health_result *result, void *arg)
{
    (void)arg;
    pause_ms(3);
    return health_explain(result, HEALTH_PASS, "answers");
}

static enum health_status look(struct health_result *result, void *arg)
{
    (void)arg;
    health_observe(result, 42, "%");
    return HEALTH_PASS;
}

static void add(const char *name, health_check_fn *fn, unsigned interval_ms, unsigned max_age_ms)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = name;
    check.fn = fn;
    check.probes = EVERY_PROBE;
    check.interval_ms = interval_ms;
    check.max_age_ms = max_age_ms;
    must(health_add_check(NULL, &check), name);
}

/* The service's own loop. */
static void *live(void *beat)
{
    for (;;) {
        health_beat(beat);
        must(health_report(NULL, "queue", HEALTH_PASS, NULL), "report");
        pause_ms(SIGN_MS);
    }
    return NULL;
}

static int fds[DESCRIPTORS];
static int filled;

static void fill(void)
{
    while (filled < DESCRIPTORS && (fds[filled] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        filled++;
}

static void spill(void)
{
    while (filled > 0)
        (void)close(fds[--filled]);
}

int main(void)
{
    struct rlimit few = {DESCRIPTORS, DESCRIPTORS};
    struct health_heartbeat *beat;
    pthread_t thread;
    sigset_t told;
    int number = 0;

    (void)sigemptyset(&told);
    (void)sigaddset(&told, SIGTERM);
    (void)sigaddset(&told, SIGUSR1);
    (void)sigaddset(&told, SIGUSR2);
    (void)pthread_sigmask(SIG_BLOCK, &told, NULL);
    must(setrlimit(RLIMIT_NOFILE, &few), "limit");
    must(health_add_heartbeat(NULL, "loop", OLD_MS, EVERY_PROBE, &beat), "loop");
    add("queue", NULL, 0, OLD_MS);
    must(health_report(NULL, "queue", HEALTH_PASS, NULL), "report");
    add("database", ask, 0, 1000);
    add("disk", look, 1000, 0);
    must(health_serve(0), "serve");
    if (pthread_create(&thread, NULL, live, beat) != 0)
        return 1;
    (void)printf("%d\n", health_port(NULL));
    (void)fflush(stdout);
    while (number != SIGTERM && sigwait(&told, &number) == 0) {
        if (number == SIGUSR1)
            fill();
        else
            spill();
    }
    return health_stop(NULL, 5000) == 0 ? 0 : 1;
}
