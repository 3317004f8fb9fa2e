/*
 * What a service under stress may be told as: a model that knows, for every name and gate, what it
 * may be shown as at which moments, and judges answers by it.
 *
 * Whoever changes something says so before the call and after it: in between, both what was and
 * what will be may be shown; before and after only the one.  Whoever asks notes the moment before
 * the request and the one after the answer, and the answer must be right for a moment in between:
 * in one and the same moment for all names that it lists or leaves out, and all reports.
 *
 * Moments are in ns of the monotonic clock.  All functions may be called from any thread.  The
 * first answer that is wrong ends the process, with words: what comes after it tells nothing new.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_STRESS_MODEL_H
#define TESTS_STRESS_MODEL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <health/health.h>

#define STRESS_NAMES   32
#define STRESS_PENDING 3 /* beside an enum health_status: not judged yet */

/* What is said too late by more than this is wrong, if nothing stood still meanwhile. */
#define STRESS_SLACK_MS 2000

#define STRESS_MS INT64_C(1000000)

struct stress_life;

/* What a name, gate or heartbeat may be known as: from when the call that made it so was begun,
 * until the one that has made it something else had returned. */
struct stress_version {
    int64_t from, until;
    struct stress_life *life; /* of a name: its check; NULL: there is none */
    int value;                /* of a gate: open or shut; of a pushed check: the status; of a
                                 heartbeat: whether it is idle; of the instance: the number of the
                                 start, or 0 while it is stopped */
    unsigned report;          /* of a pushed check: the number of the report */
};

struct stress_history {
    pthread_mutex_t mutex;
    struct stress_version *versions;
    size_t count, room;
};

enum stress_kind { STRESS_ON_DEMAND, STRESS_PERIODIC, STRESS_PUSHED, STRESS_HEARTBEAT };

/* A call of a callback. */
struct stress_run {
    int64_t begun, ended; /* 0: it has not */
    int64_t seen;         /* when an answer with its result had come; INT64_MAX: none has */
    int status;           /* of the check, once its result counts; or STRESS_PENDING */
    int session;          /* the number of the start */
};

/* A check, from when it is added until all is over; of its own since its name may be used again. */
struct stress_life {
    struct stress_world *world;
    const char *name;
    enum stress_kind kind;
    unsigned probes;
    bool advisory;
    bool slow; /* may take longer than its timeout; all others have a minute */
    unsigned timeout_ms, max_age_ms, interval_ms, failures, successes;
    struct health_heartbeat *heartbeat;
    struct stress_history beats;
    struct stress_life *next;
    _Atomic int64_t left;  /* when it is about to be removed; INT64_MAX: it is not */
    _Atomic int64_t added; /* when adding it had returned; far away: it has not */

    /* The service's thread's alone. */
    int64_t silent_until;

    /* Guarded by the mutex. */
    pthread_mutex_t mutex;
    struct stress_run *runs;
    size_t run_count, run_room;
    unsigned bad, good; /* in a row, in this session */
    int session, status;
    bool running;      /* a callback is */
    bool removed;      /* health_remove() has returned ... */
    bool gone;         /* ... 0 */
    bool begun_late;   /* a run was begun after it had returned */
    unsigned released; /* calls of `release` */
};

/* A gate. */
enum { STRESS_STARTED, STRESS_READY, STRESS_DRAINING, STRESS_GATES };

struct stress_world {
    char names[STRESS_NAMES][32];
    struct stress_history histories[STRESS_NAMES];
    struct stress_history gates[STRESS_GATES];
    struct stress_history session;
    bool patient; /* requests wait for whatever they need */

    _Atomic int64_t stalled_at; /* when the loop was last late, so that time may have been given */
    _Atomic int64_t latched_at; /* when an answer had come that shows that startup has passed */
    atomic_int number;          /* of the last start that was begun */
    atomic_bool down;           /* stopped, and not about to be started */
    atomic_int calling;         /* callbacks in progress */
    atomic_ulong judged, shown; /* answers, and checks in them */
};

enum stress_endpoint {
    STRESS_AT_LIVE,
    STRESS_AT_READY,
    STRESS_AT_STARTUP,
    STRESS_AT_HEALTH,
    STRESS_AT_NAME
};

struct stress_answer {
    enum stress_endpoint endpoint;
    bool verbose;
    int subject;      /* the number of the name that is excluded, or asked for alone; -1: none */
    int64_t from;     /* when it was asked for, */
    int64_t until;    /* and when it was there */
    int code;         /* 404: there is no document */
    json_t *doc;      /* NULL: only the code is known */
    const char *text; /* for words */
};

int64_t stress_now(void);

/* A number below `below`, by xorshift64, whose state is not 0. */
unsigned stress_random(uint64_t *state, unsigned below);

/* Lets time pass: 0 to `most` µs. */
void stress_linger(uint64_t *random, unsigned most_us);

/* Ends the process with these words. */
void stress_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Makes room for one more of this size. */
void *stress_grown(void *items, size_t count, size_t *ret_room, size_t size);

void stress_world_init(struct stress_world *w, bool patient);
void stress_world_done(struct stress_world *w);

/* ---- Histories ---- */

void stress_history_init(struct stress_history *h, struct stress_version first);
void stress_history_done(struct stress_history *h);

/* Before, and after, a call that changes something. */
void stress_begin(struct stress_history *h, struct stress_version next);
void stress_end(struct stress_history *h);

/* The one version that there may have been in all of the interval.  Returns: false if there may
 * have been several. */
bool stress_sole(
    struct stress_history *h, int64_t from, int64_t until, struct stress_version *ret_version);

/* Whether the instance was started, and not about to be stopped, in all of the interval; whether it
 * was stopped. */
bool stress_is_up(struct stress_world *w, int64_t from, int64_t until);
bool stress_is_down(struct stress_world *w, int64_t from, int64_t until);

/* ---- Lives ---- */

/* One of any kind and any policy; `calm`: whose failures are advisory, if it has a callback or is
 * pushed. */
struct stress_life *stress_life_new(
    struct stress_world *w, const char *name, bool calm, uint64_t *random);
void stress_life_free(struct stress_life *life);

/* A callback is begun; has said `returned`, which may be no status.  Returns: the number of the
 * run. */
size_t stress_run_begin(struct stress_life *life);
void stress_run_end(struct stress_life *life, size_t run, int returned);

/* ---- Answers ---- */

void stress_judge(struct stress_world *w, const struct stress_answer *a);

/* Of stress_verdicts.c: why the name, as of this version, may not be shown so; NULL: it may.
 * `item` NULL: it is not listed. */
const char *stress_wrong(const struct stress_world *w, const struct stress_answer *a,
    const struct stress_version *version, const json_t *item);

/* The item can be of no other life: what it shows has been seen. */
void stress_note_seen(const struct stress_answer *a, struct stress_life *life, const json_t *item);

/* What an endpoint says of a status. */
int stress_told(const struct stress_life *life, int status, bool lenient);

/* Whether the endpoint asks for the check; for ready, startup's are until it has passed. */
enum stress_covers { STRESS_NO, STRESS_PERHAPS, STRESS_YES };
enum stress_covers stress_covers(
    const struct stress_world *w, const struct stress_answer *a, const struct stress_life *life);

#endif
