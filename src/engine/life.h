/*
 * The life of an engine: what its other files need to know of it.
 *
 * All of it with the mutex held, or `turn` by the loop.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_ENGINE_LIFE_H
#define HEALTH_ENGINE_LIFE_H

#include "engine/engine.h"

/* Whether the loop runs.  Where it does not, its work is done by whoever holds the mutex. */
bool health__life_loop_runs(const struct health__engine *e);

/* HEALTH_EBUSY, with its sentence. */
int health__life_still_running(const char *name);

/* After the last thread of ours has ended. */
void health__life_become_stopped(struct health__engine *e, struct health__link *ret_dead);

/* Whether what the loop waits on is still ours: no set of the host's can have our socket in it. */
bool health__life_is_whole(struct health__engine *e);

/* Whether the loop can be woken. */
bool health__life_can_wake(const struct health__engine *e);

/* Forgets what the server has made; leaves alone what is `lost`, as the host has closed it. */
void health__life_forget_server(struct health__engine *e, bool lost);

/* Closes what the loop waits on, as far as it is ours. */
void health__life_close_poller(struct health__engine *e);

#endif
