/*
 * Runs, and who waits for them: what the loop does with its checks.
 *
 * All of it is the loop's, or, where no loop runs, of whoever holds the instance's mutex.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_ENGINE_RUNS_H
#define HEALTH_ENGINE_RUNS_H

#include "engine/engine.h"

/* Reads the mail if there is some.  Takes the mutex: for the loop. */
void health__runs_read_mail(struct health__engine *e);

/* The same with the mutex held. */
void health__runs_read_mail_locked(struct health__engine *e);

/*
 * Judges the runs that have ended, and frees the checks that are gone.
 *
 * With `buried` NULL, releases are queued for a worker; otherwise, as there is none, the checks that
 * are gone are put there, by `link`, for health__runs_release().
 */
void health__runs_collect(struct health__engine *e, struct health__link *buried);

/* Puts what the mail took away into `buried`, as health__runs_collect() does: see there. */
void health__runs_bury(
    struct health__engine *e, struct health__check *check, struct health__link *buried);

/* Calls `release` of the checks in the list, and frees them.  Without any lock: it is the host's
 * code. */
void health__runs_release(struct health__link *buried);

/* The instance is being started: nothing has been run yet. */
void health__runs_begin(struct health__engine *e);

/* Runs of periodic checks that are due, and runs that are overdue. */
void health__runs_tick(struct health__engine *e);

/* Waiters whose deadline has come; with `all`, every waiter. */
void health__runs_answer(struct health__engine *e, bool all);

/* The process stood still from `asleep_at` until now. */
void health__runs_thaw(struct health__engine *e, int64_t asleep_at);

/* In the child of a fork: no run is in progress, nobody waits. */
void health__runs_forget(struct health__engine *e);

#endif
