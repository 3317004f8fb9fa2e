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

/* Whether something is still to be told that an end must not lose. */
bool health__unit_owes(const struct health__notifier *n, unsigned gates);

#endif
