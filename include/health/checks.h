/*
 * libhealth: ready-made checks.
 *
 * Each is a callback for health_register_check() or struct health_check, and says what its `arg`
 * is. They are on top of the public API alone: what they do, a callback of your own can.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_CHECKS_H
#define HEALTH_CHECKS_H

#include <health/health.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * health_check_mutex(result, mutex): Can this mutex, a pthread_mutex_t, be taken within what is
 * left of the check's timeout?  If so it is given back at once.  A deadlock, or a thread that is
 * stuck while it holds the mutex, becomes visible: in /live, where a restart is what helps.
 *
 *     static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
 *     struct health_check check = HEALTH_CHECK_INIT;
 *
 *     check.name = "table lock";
 *     check.fn = health_check_mutex;
 *     check.arg = &table_lock;
 *     check.probes = HEALTH_LIVE;
 *     check.timeout_ms = 5000;
 *     health_add_check(NULL, &check);
 *
 * It waits for three quarters of the time, on the monotonic clock, so that it can still say why it
 * fails.  It fails too where the mutex is only busy: held for that long at a stretch, or, as
 * mutexes are not fair, taken again and again by others; give the check a timeout well above what
 * is usual. The mutex must live until the check is removed, and not be a robust one.
 *
 * Returns: HEALTH_PASS or HEALTH_FAIL.  Since: 0.1.
 */
HEALTH_PUBLIC enum health_status health_check_mutex(struct health_result *result, void *mutex);

/*
 * health_check_connect(result, address): Does someone accept connections at this address, a string
 * "HOST:PORT" where HOST is an IPv4 address, an IPv6 address in brackets, or "localhost"
 * (127.0.0.1)? Ask it of the service's own main port: the kernel completes connections while the
 * backlog has room, so an accept loop that is stuck shows once the backlog is full; a heartbeat in
 * the loop shows it sooner.  Asked of a dependency it belongs in /ready, never in /live.
 *
 * No name is resolved: that can take longer than any timeout, and a check whose host is a name
 * always fails.  For "db.example.com:5432" call getaddrinfo() once, when the service starts, and
 * have a callback of your own connect to what it found, as check_upstream() in examples/service.c.
 *
 * The connection is closed at once.  It waits for three quarters of what is left of the time.
 *
 * Returns: HEALTH_PASS or HEALTH_FAIL.  Since: 0.1.
 */
HEALTH_PUBLIC enum health_status health_check_connect(struct health_result *result, void *address);

#ifdef __cplusplus
}
#endif

#endif
