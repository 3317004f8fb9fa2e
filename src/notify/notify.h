/*
 * Who is told of changes: the service's on_change, and systemd.
 *
 * An observer of the engine.  It compares what is with what it last told of, so that nothing is
 * lost and nothing needs to be kept: a change that is not told of yet is a difference that is still
 * there.
 *
 * All of it is the loop's, but for `told_fn`, which whoever takes it out has, and, from then until
 * the job has ended, `told_arg`, `change` and what it points to, which are the worker's.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_NOTIFY_NOTIFY_H
#define HEALTH_NOTIFY_NOTIFY_H

#include <stdatomic.h>
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

    /* Of the probes: what was last told, what was last seen, and since when that is so. */
    enum health_status told[HEALTH__ENDPOINTS];
    enum health_status seen[HEALTH__ENDPOINTS];
    int64_t seen_at[HEALTH__ENDPOINTS];

    /* The change that is being told of. */
    struct health__job job;
    bool telling;
    bool overdue; /* it takes its time: another worker has its place */
    int64_t told_at;
    int64_t changed_at; /* the moment that was last told of: the next is none before */
    _Atomic(health_change_fn *) told_fn; /* whom; NULL: it was called, or is not to be any more */
    void *told_arg;
    struct health_change change;
    char name[HEALTH__NAME_BYTES];
    char reason[HEALTH__NOTIFY_REASON_BYTES];

    struct health__systemd systemd;
    struct health__inquiry ready;
    struct health__inquiry live;
    bool is_ready;    /* READY=1 was sent */
    bool is_stopping; /* STOPPING=1 was sent */
    bool is_fed;      /* WATCHDOG=1 was sent once */
    bool has_status;  /* `status` was sent, for `status_version` and `status_gates` */
    int64_t
        feed_at; /* when to send WATCHDOG=1 next, or, if /live fails then, as soon as it passes */
    uint64_t status_version;
    unsigned status_gates;
    char status[HEALTH__NOTIFY_STATUS_BYTES];
};

void health__notifier_init(
    struct health__notifier *n, struct health__engine *engine, bool use_systemd);

/* See health_on_change(). */
int health__notifier_set(struct health__notifier *n, health_change_fn *fn, void *arg);

#endif
