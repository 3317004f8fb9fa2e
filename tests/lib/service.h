/*
 * The service under test: instances on a free port, and checks that do as they are told.
 *
 * Functions fail the cmocka test if the library refuses.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_SERVICE_H
#define TESTS_SERVICE_H

#include <stdatomic.h>
#include <stdbool.h>

#include <health/health.h>

/* What a told check answers next; may be changed at any time from any thread. */
struct told {
    _Atomic(int) status;          /* an enum health_status, or what is none */
    _Atomic(const char *) reason; /* NULL: none */
    atomic_uint runs;             /* how often it was called */
    bool observes;                /* set before adding: whether `value` and `unit` are told too */
    double value;
    const char *unit;
};

/* Makes and starts an instance on 127.0.0.1, any free port.  `options` NULL is the defaults, but
 * that requests wait 10 s for checks: slow machines are not what is tested.  Its `listen` counts if
 * it is set. */
struct health *service_start(const struct health_options *options);

/* Stops, which must succeed within 10 s, and frees. */
void service_end(struct health *h);

int service_port(const struct health *h);

/* The callback of told checks; `arg` is the struct told. */
enum health_status service_told(struct health_result *result, void *arg);

/* Changes what the check answers, and waits until a result from before is too old to be shown. */
void service_tell(struct told *told, enum health_status status, const char *reason);

/* Adds an on-demand check for these probes (0: ready) whose results count for 1 ms, and whose
 * timeout is a minute. */
void service_add(struct health *h, const char *name, struct told *told, unsigned probes);

/* The same, advisory. */
void service_add_advisory(struct health *h, const char *name, struct told *told, unsigned probes);

/* Adds a pushed check: pending until the first health_report(). */
void service_add_pushed(struct health *h, const char *name, unsigned probes);

#endif
