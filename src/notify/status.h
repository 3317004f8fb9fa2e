/*
 * How things are, for whoever is told of changes: what an endpoint would answer, and why.
 *
 * All of it is the loop's.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_NOTIFY_STATUS_H
#define HEALTH_NOTIFY_STATUS_H

#include "notify/notify.h"

/* What the endpoint would answer. */
enum health_status health__notifier_status(
    const struct health__notifier *n, enum health__endpoint endpoint, unsigned gates);

/* Why: the gate, or the first check, that makes it so. */
void health__notifier_explain(const struct health__notifier *n, enum health__endpoint endpoint,
    unsigned gates, enum health_status status, char to[HEALTH__NOTIFY_REASON_BYTES]);

/* As what the endpoint counts the check. */
enum health_status health__notifier_check_status(
    const struct health__check *check, enum health__endpoint endpoint);

/* Why the check is not passing, as in the document: what is not UTF-8 replaced. */
void health__notifier_reason(const struct health__notifier *n, const struct health__check *check,
    char to[3 * HEALTH__REASON_BYTES]);

#endif
