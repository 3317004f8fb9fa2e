/*
 * A check as the engine keeps it.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "engine/check.h"

#include <stdlib.h>
#include <string.h>

struct health__check *health__check_new(
    const char *name, const struct health__policy *policy, int64_t now)
{
    size_t length = strlen(name);
    struct health__check *check = calloc(1, sizeof(*check) + length + 1);

    if (check == NULL)
        return NULL;
    memcpy(check->name, name, length + 1);
    check->entry.name = check->name;
    check->policy = *policy;
    check->policy.probes |= HEALTH_ALL; /* as every check is */
    check->duration_us = -1;
    health__list_init(&check->waiters);
    health__state_init(&check->state, policy, now);
    atomic_init(&check->heartbeat.beat_at, now);
    return check;
}

size_t health__check_reason(
    char to[HEALTH__REASON_BYTES], const struct health__check *check, int64_t wall_offset_ms)
{
    return health__reason(to, &check->state, &check->policy, health__words_reason(check->words),
        atomic_load_explicit(&check->job.tid, memory_order_relaxed), wall_offset_ms);
}

void health__check_free(struct health__check *check)
{
    health__words_free(check->words);
    health__words_free(check->reported_words);
    free(check);
}
