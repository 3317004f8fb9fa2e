/*
 * Who is told of changes: the service's on_change, and systemd.
 *
 * An observer of the engine.  It compares what is with what it last told of, so that nothing is
 * lost and nothing needs to be kept: a change that is not told of yet is a difference that is still
 * there.
 *
 * All of it is the loop's, but for `change` and what it points to while a worker has it.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_NOTIFY_NOTIFY_H
#define HEALTH_NOTIFY_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include <health/health.h>

#include "core/endpoint.h"
#include "core/read.h"
#include "core/reason.h"
#include "engine/engine.h"
#include "notify/systemd.h"

/* A name, ": ", and a reason, each byte of which may have become U+FFFD. */
#define HEALTH__NOTIFY_REASON_BYTES (HEALTH__NAME_BYTES + 2 + 3 * HEALTH__REASON_BYTES)

#define HEALTH__NOTIFY_STATUS_BYTES (HEALTH__NOTIFY_REASON_BYTES + 32)

/* An endpoint that is asked so that its on-demand checks are run. */
struct health__inquiry {
    struct health__waiter waiter;
    int64_t at;    /* when to ask next; NEVER: it is not asked */
    bool asking;   /* runs are waited for */
    bool answered; /* since it was last looked at */
};

struct health__notifier {
    struct health__observer observer; /* what the engine knows of it */

    /* Set once. */
    struct health__engine *engine;
    bool use_systemd;

    /* The service's; for the loop, or, where none runs, whoever holds the instance's mutex. */
    health_change_fn *fn; /* NULL: none */
    void *arg;

    enum health_status told[HEALTH__ENDPOINTS]; /* of the probes */

    /* The change that is being told of. */
    struct health__job job;
    bool telling;
    bool overdue; /* it takes its time: another worker has its place */
    int64_t told_at;
    health_change_fn *told_fn;
    void *told_arg;
    struct health_change change;
    char name[HEALTH__NAME_BYTES];
    char reason[HEALTH__NOTIFY_REASON_BYTES];

    struct health__systemd systemd;
    struct health__inquiry ready;
    struct health__inquiry live;
    bool is_ready;      /* READY=1 was sent */
    bool is_stopping;   /* STOPPING=1 was sent */
    bool owes_watchdog; /* WATCHDOG=1 is due and could not be sent */
    bool has_status;    /* `status` was sent, for `status_version` and `status_gates` */
    uint64_t status_version;
    unsigned status_gates;
    char status[HEALTH__NOTIFY_STATUS_BYTES];
};

void health__notifier_init(
    struct health__notifier *n, struct health__engine *engine, bool use_systemd);

/* See health_on_change(). */
int health__notifier_set(struct health__notifier *n, health_change_fn *fn, void *arg);

#endif
