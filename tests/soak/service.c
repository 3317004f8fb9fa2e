/*
 * A service for a soak: checks of every kind, which come and go, and what it takes itself.
 *
 *   soak-service
 *
 * Prints its port; then, for each line that it reads, its private dirty memory in KiB, its
 * descriptors and its threads.  It goes on until its input ends.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <err.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <health/health.h>

#include "process.h"

#define CHECKS 24

static atomic_bool ending;

static enum health_status look(struct health_result *result, void *arg)
{
    const atomic_uint *turns = arg;

    health_observe(result, (double)atomic_load(turns), "turns");
    if (atomic_load(turns) % 16 == 0)
        return health_explain(result, HEALTH_FAIL, "turn %u", atomic_load(turns));
    (void)poll(NULL, 0, atomic_load(turns) % 4 == 0 ? 5 : 0);
    return HEALTH_PASS;
}

static void must(int result, const char *what)
{
    if (result != 0)
        errx(1, "%s: %s", what, health_last_error());
}

static void add(const char *name, unsigned i, atomic_uint *turns, struct health_heartbeat **beat)
{
    struct health_check check = HEALTH_CHECK_INIT;

    if (i % 4 == 3) {
        must(health_add_heartbeat(NULL, name, 1000, 0, beat), "add a heartbeat");
        return;
    }
    check.name = name;
    check.probes = i % 8 < 4 ? HEALTH_READY : HEALTH_ALL;
    if (i % 4 != 2) {
        check.fn = look;
        check.arg = turns;
        check.max_age_ms = i % 4 == 0 ? 20 : 0;
        check.interval_ms = i % 4 == 1 ? 50 : 0;
    }
    must(health_add_check(NULL, &check), "add a check");
}

/* Removes one and adds it again, reports, beats, and sets a gate, a hundred times a second. */
static void *serve(void *arg)
{
    atomic_uint *turns = arg;
    struct health_heartbeat *beats[CHECKS] = {NULL};
    char name[CHECKS][32];
    unsigned i;

    for (i = 0; i < CHECKS; i++) {
        (void)snprintf(name[i], sizeof(name[i]), "part-%u:state", i);
        add(name[i], i, turns, &beats[i]);
    }
    while (!atomic_load(&ending)) {
        unsigned turn = atomic_fetch_add(turns, 1);

        i = turn % CHECKS;
        must(health_remove(NULL, name[i]), "remove");
        add(name[i], i, turns, &beats[i]);
        for (i = 2; i < CHECKS; i += 4)
            must(health_report(NULL, name[i], turn % 7 == 0 ? HEALTH_WARN : HEALTH_PASS,
                     "report of turn %u", turn),
                "report");
        for (i = 3; i < CHECKS; i += 4)
            health_beat(beats[i]);
        health_set_ready(NULL, turn % 50 != 0);
        (void)poll(NULL, 0, 10);
    }
    return NULL;
}

static long private_dirty_kib(void)
{
    long kib = -1;
    char line[256];
    FILE *file;

    file = fopen("/proc/self/smaps_rollup", "re");
    if (file == NULL)
        return -1;
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "Private_Dirty:", 14) == 0)
            kib = strtol(line + 14, NULL, 10);
    (void)fclose(file);
    return kib;
}

int main(void)
{
    static atomic_uint turns;
    pthread_t thread;
    char line[16];

    must(health_serve(0), "serve");
    if (pthread_create(&thread, NULL, serve, &turns) != 0)
        errx(1, "no thread");
    (void)printf("%d\n", health_port(NULL));
    (void)fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        (void)printf(
            "%ld %d %d\n", private_dirty_kib(), process_descriptors(0), process_threads(0));
        (void)fflush(stdout);
    }
    atomic_store(&ending, true);
    (void)pthread_join(thread, NULL);
    must(health_stop(NULL, 10000), "stop");
    return 0;
}
