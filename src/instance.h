/*
 * An instance: the rooms, wired.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_INSTANCE_H
#define HEALTH_INSTANCE_H

#include <stdbool.h>

#include <health/health.h>

#include "answer/answer.h"
#include "core/gates.h"
#include "engine/engine.h"
#include "http/http.h"
#include "notify/notify.h"

struct health {
    struct health__engine engine;
    struct health__answers answers; /* for HTTP */
    struct health__answers inside;  /* for health_document() */
    struct health__http http;
    struct health__notifier notifier;
    struct health__gates own_gates; /* of all but the process-wide one */
    struct health__gates *gates;
    char *strings[5]; /* the options' */
};

/* Makes an instance with gates of its own.  Returns: 0 or a HEALTH_E…. */
int health__instance_make(struct health **ret_h, const struct health_options *options);

/* Makes the process-wide one.  Returns: HEALTH_EEXIST if it is there already. */
int health__instance_make_process(const struct health_options *options);

/* The instance that `h` means, which NULL makes where there is none; NULL, with *ret_error, if that
 * could not be. */
struct health *health__instance(struct health *h, int *ret_error);

/* Sets a gate; of the process-wide instance also before there is one.  Async-signal-safe. */
void health__instance_set_gate(struct health *h, unsigned bit, bool on);

/* Frees it, as health__engine_free() does. */
int health__instance_free(struct health *h);

#endif
