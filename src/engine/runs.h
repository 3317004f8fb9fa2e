/*
 * Runs, what they change, and who waits for them: what the loop does with its checks.  A file for
 * each part.
 *
 * All of it is the loop's, or, where no loop runs, of whoever holds the instance's mutex.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_ENGINE_RUNS_H
#define HEALTH_ENGINE_RUNS_H

#include "engine/engine.h"

#define HEALTH__RUN(l)    health__container(l, struct health__check, run)
#define HEALTH__LISTED(l) health__container(l, struct health__check, link)

/* ---- runs.c: runs begin, end, and are late ---- */

/* The instance is being started: nothing has been run yet. */
void health__runs_begin(struct health__engine *e);

/* Queues a run of the check, of which none is in progress. */
void health__runs_queue(struct health__engine *e, struct health__check *check);

/* Starts the runs of periodic checks that are due, and gives up on those that are overdue. */
void health__runs_tick(struct health__engine *e);

/* Takes back what the pool has done with: judges runs, frees what is released. */
void health__runs_collect(struct health__engine *e);

/* Nobody is left to run or to wait, as in the child of a fork: no run is in progress any more. */
void health__runs_forget(struct health__engine *e);

/* When something is to count as having happened that another thread says was at `at`: the check may
 * have been judged since, and the turn may have begun before. */
int64_t health__runs_moment(
    const struct health__engine *e, const struct health__check *check, int64_t at);

/* ---- errands.c: what other threads have done on the loop ---- */

/* Runs the errands there are. */
void health__errands_run(struct health__engine *e);

/* With the mutex held, the loop having ended: refuses them. */
void health__errands_refuse(struct health__engine *e);

/* ---- changes.c: what changes, by events and by time alone ---- */

/* Whether a list of what is not passing leaves the check out. */
bool health__check_passing(const struct health__check *check);

/* Something that is shown of the check has changed. */
void health__changes_note(struct health__engine *e, struct health__check *check, bool was_passing);

/* While observed: folds in what time alone has done, if that may be anything. */
void health__changes_settle(struct health__engine *e);

/* From `at` on the check may have to be run. */
void health__changes_wanted_from(
    struct health__engine *e, const struct health__check *check, int64_t at);

/* The process stood still from `asleep_at` until now, or perhaps; see health__state_thaw(). */
void health__changes_thaw(struct health__engine *e, int64_t asleep_at, bool certain);

/* ---- waiters.c: requests that wait ---- */

/* Nobody waits for the check's run in progress any more. */
void health__runs_let_go(struct health__engine *e, struct health__check *check);

/* Answers the waiters whose deadline has come; with `all`, every waiter. */
void health__runs_answer(struct health__engine *e, bool all);

/* ---- mail.c: checks come and go ---- */

/* Reads the mail if there is some.  Takes the mutex: for the loop. */
void health__mail_read(struct health__engine *e);

/* The same with the mutex held.  Where the loop runs, health__mail_let_go() is to follow. */
void health__mail_read_locked(struct health__engine *e);

/* Nobody waits for a check that is gone.  Without the mutex, which a thread that has asked from
 * inside is told under that it has its answer. */
void health__mail_let_go(struct health__engine *e);

/* The check, gone and with no run in progress, is dead. */
void health__checks_die(struct health__engine *e, struct health__check *check);

/* Hands the dead checks to the workers to be released. */
void health__mail_bury(struct health__engine *e);

/* Where there are no workers: takes the dead checks out, for health__checks_release(). */
void health__mail_exhume(struct health__engine *e, struct health__link *ret_dead);

/* Calls `release` of the checks in the list, and frees them.  Without any lock: it is the host's
 * code. */
void health__checks_release(struct health__link *dead);

#endif
