/*
 * A service for health checks in containers, told by signals how it is, as nothing else reaches
 * into a container that has neither a shell nor a network:
 *
 *     USR2   it is well, and it has started
 *     USR1   its check for ready fails
 *     HUP    that check hangs, also when the service is to end
 *     QUIT   its main loop is stuck, as /live tells
 *     TERM   it drains for two seconds, then ends
 *
 *     service [starting]
 *     service --health-probe ...
 *
 * With "starting" it has not started until USR2; with --health-probe it asks one that runs.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <health/health.h>
#include <health/probe.h>

enum {
    LOOK_MS = 100,
    BEAT_MAX_AGE_MS = 1000,
    CHECK_TIMEOUT_MS = 500, /* less than response_ms: the request that it hangs in says so */
    DRAIN_MS = 2000,
    STOP_MS = 500
};

static atomic_int mode = SIGUSR2;

static enum health_status check_puppet(struct health_result *result, void *arg)
{
    (void)arg;
    while (mode == SIGHUP)
        (void)usleep(LOOK_MS * 1000);
    if (mode == SIGUSR1)
        return health_explain(result, HEALTH_FAIL, "told to fail");
    return HEALTH_PASS;
}

static long long now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
    const struct timespec look = {0, LOOK_MS * 1000000L};
    struct health_check check = HEALTH_CHECK_INIT;
    struct health_heartbeat *loop;
    sigset_t signals;
    long long end_ms = 0;

    if (argc > 1 && strcmp(argv[1], "--health-probe") == 0)
        return health_probe_main(argc - 1, argv + 1);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGQUIT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGUSR1);
    (void)sigaddset(&signals, SIGUSR2);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);

    health_set_started(NULL, argc == 1);
    check.name = "puppet";
    check.fn = check_puppet;
    check.timeout_ms = CHECK_TIMEOUT_MS;
    check.max_age_ms = 1;
    if (health_add_check(NULL, &check) != 0 ||
        health_add_heartbeat(NULL, "loop", BEAT_MAX_AGE_MS, 0, &loop) != 0 ||
        health_serve(8080) != 0)
        errx(1, "%s", health_last_error());

    while (end_ms == 0 || now_ms() < end_ms) {
        int signal = sigtimedwait(&signals, NULL, &look);

        if (signal == SIGTERM && end_ms == 0) {
            health_drain(NULL);
            end_ms = now_ms() + DRAIN_MS;
        } else if (signal > 0 && signal != SIGTERM) {
            mode = signal;
        }
        if (signal == SIGUSR2)
            health_set_started(NULL, true);
        if (mode != SIGQUIT)
            health_beat(loop);
    }
    if (health_stop(NULL, STOP_MS) != 0)
        (void)printf("%s\n", health_last_error());
    return 0;
}
