/*
 * The loop: one turn after another, until the engine is stopped.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_ENGINE_LOOP_H
#define HEALTH_ENGINE_LOOP_H

#include "engine/engine.h"

/* After which a thread that waits for the loop wakes it once more, if it was not heard. */
#define HEALTH__REWAKE_MS 100

/* The loop thread's main; `arg` is the engine. */
void *health__loop(void *arg);

/* Wakes the loop; nothing if it has been woken and has not come round yet.  To be called while a
 * thread of ours lives: with the mutex held and the engine started, or by a worker. */
void health__loop_wake(struct health__engine *e);

#endif
