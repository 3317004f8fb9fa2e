/*
 * The service as systemd's unit: what it is told, and when.
 *
 * All of it is the loop's.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_NOTIFY_UNIT_H
#define HEALTH_NOTIFY_UNIT_H

#include "notify/notify.h"

void health__unit_begin(struct health__notifier *n, int64_t now);

/* Tells what there is to tell.  Returns: when to be called again at the latest. */
int64_t health__unit_turn(struct health__notifier *n, unsigned gates, int64_t now);

/* ---- notify.c ---- */

/* What the endpoint would answer. */
enum health_status health__notifier_status(
    const struct health__notifier *n, enum health__endpoint endpoint, unsigned gates);

/* Why: the gate, or the first check, that makes it so. */
void health__notifier_explain(const struct health__notifier *n, enum health__endpoint endpoint,
    unsigned gates, enum health_status status, char to[HEALTH__NOTIFY_REASON_BYTES]);

#endif
