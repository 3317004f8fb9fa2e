/*
 * The engine of an instance: its checks, the thread that judges them, the threads that run them.
 *
 * Three kinds of threads come here, each with functions of its own below: the service's, which add,
 * remove, report, start and stop; the loop, which answers, and on which the server runs; and the
 * workers, which only the pool knows.
 *
 * Who guards what, in the order in which locks are taken:
 *   fork's      (base/fork.c)
 *   turn        held by the loop whenever it is awake, and by a fork() while it happens
 *   mutex       life cycle, registry, mail.  Held for a few instructions, but for a start
 *   pool.mutex  jobs
 * What is "the loop's" belongs, while no loop runs, to whoever holds the mutex.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_ENGINE_ENGINE_H
#define HEALTH_ENGINE_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <health/health.h>

#include "base/fd.h"
#include "base/fork.h"
#include "base/list.h"
#include "base/poller.h"
#include "base/thread.h"
#include "base/timers.h"
#include "core/registry.h"
#include "engine/check.h"
#include "core/gates.h"
#include "engine/pool.h"

/* The probes, as bits and as numbers. */
#define HEALTH__PROBES 4

/*
 * What the engine needs of a server, which runs on the loop thread: all but `start` and `forget`
 * are called by the loop, with `turn` held.
 */
struct health__server {
    /* Opens the listeners and adds what is to be waited on to the poller.  `listen`: the list of
     * addresses; NULL: as was configured.  Returns: 0, or a HEALTH_E… having undone everything. */
    int (*start)(struct health__server *server, struct health__poller *poller, const char *listen);

    /* Undoes `start`; connections that are left are cut.  Also when the loop could not be started.
     */
    void (*stop)(struct health__server *server);

    /* Whether `source`, which may be anything the host has, is one that the server waits on: by its
     * address alone. */
    bool (*owns)(const struct health__server *server, const void *source);

    /* Runs: what was ready has been told so.  Returns: when to be called again at the latest. */
    int64_t (*run)(struct health__server *server, int64_t now);

    /* The engine is stopping: takes no new request, and sends what is left to send.  Called before
     * `run` in each turn from then on. */
    void (*drain)(struct health__server *server);

    /* Whether nothing is left to send. */
    bool (*drained)(struct health__server *server);

    /* Forgets what `start` has made, as far as memory goes, and closes the descriptors, as far as
     * they are known to be ours.  Where they are `lost`, the host has closed some of them. */
    void (*forget)(struct health__server *server, bool lost);
};

/* Who is told of changes, on the loop; see engine.h's `observed`. */
struct health__observer {
    /* Called in each turn, when all is known that there is to know in it.  Returns: when to be
     * called again at the latest. */
    int64_t (*turn)(struct health__observer *observer, int64_t now);

    /* Whether it has nothing to tell. */
    bool (*idle)(struct health__observer *observer);

    /* The engine is being started, or its loop has ended: nobody else calls meanwhile. */
    void (*begin)(struct health__observer *observer, int64_t now);
    void (*end)(struct health__observer *observer);

    /* In the child of a fork. */
    void (*forget)(struct health__observer *observer);
};

/* How many of a probe's checks have which status. */
struct health__tally {
    size_t of[1 + HEALTH_FAIL + 1]; /* by 1 + status; the first is of no check */
};

/* Something to be done on the loop for a thread that waits for it.  Its memory is that thread's. */
struct health__errand {
    /* Returns: whether it is done; if not, health__errand_done() says so later. */
    bool (*run)(struct health__errand *errand);
    struct health__link link; /* in the engine's `errands` */
    bool done;
    bool refused; /* the loop has ended */
};

/* What a request is about. */
struct health__question {
    unsigned probes;      /* the checks of any of these; HEALTH_ALL: all checks */
    const char *only;     /* not NULL: the one of this name, whatever its probes */
    const char *excludes; /* but not those of these names, each with its NUL; NULL: none */
    size_t exclude_count;
};

/* A request that waits for runs.  Its memory is the server's. */
struct health__waiter {
    void (*ready)(struct health__waiter *waiter); /* it need not wait any more */
    struct health__question question;
    int64_t deadline;         /* of the response */
    uint64_t seq;             /* runs after this one are none of its business */
    struct health__link link; /* in the engine's `waiters` */
    struct health__link on;   /* in the `waiters` of the run that it waits for next */
};

/* How long descriptors that were found to be ours are taken to be so: to look costs two system
 * calls, and the answer to a request four. */
#define HEALTH__TRUST_MS 10

enum health__life {
    HEALTH__STOPPED,
    HEALTH__STARTED,
    HEALTH__STOPPING, /* someone is in health_stop() */
    HEALTH__STUCK     /* the loop is gone, a callback still runs */
};

struct health__engine {
    /* Set once. */
    int64_t response_ms;
    struct health__gates *gates;
    struct health__server *server;
    struct health__observer *observer;
    struct health__thread loop;
    void (*gone)(void *arg); /* see health__engine_free() */
    void *gone_arg;

    pthread_mutex_t turn;
    pthread_mutex_t mutex;
    pthread_cond_t ended; /* the loop has, or an errand */

    /* Guarded by the mutex. */
    enum health__life life;
    bool loop_ended;
    bool leaked; /* a loop that cannot be woken is left, and needs this memory */
    struct health__registry registry;
    struct health__check *mail, **mail_end; /* of checks, the oldest first */
    struct health__link errands;
    struct health__fd
        wake_send; /* the end to wake the loop by; open while a thread of ours lives */
    pthread_t thread;
    int64_t stop_by; /* the deadline of the stop under way */

    /* Hints from any thread, without a lock. */
    atomic_bool has_mail;
    atomic_bool has_errands;
    atomic_bool observed; /* changes, also those that time alone makes, are to be seen at once */
    atomic_uint wakers;   /* gates being set, whose caller is about to wake the loop */
    atomic_bool stopping;
    atomic_bool woken; /* what was sent has not been received */

    /* The loop's. */
    struct health__poller poller;
    struct health__fd wake_receive;
    struct health__source wake;   /* that the loop waits on */
    struct health__timers timers; /* of checks */
    struct health__link checks;   /* registered ones, in the order in which they were */
    struct health__link leaving;  /* removed ones of which the pool has something */
    struct health__link dead;     /* removed ones that can be released */
    struct health__link runs;     /* runs of on-demand checks in progress that may be waited for, by
                                     `run`, in the order in which they were queued */
    struct health__link missed;   /* heartbeats that fail, by `missed` */
    struct health__link waiters;  /* by deadline */
    bool gone_run;                /* one of `leaving` is in `runs`; see health__mail_let_go() */
    size_t jobs;                  /* in the pool's hands */
    uint64_t seq;                 /* of the last run */
    uint64_t random;              /* state of the jitter */
    int64_t now;                  /* the time, as of the turn's beginning */
    unsigned generation;          /* of the loop: one of another is to end */
    int64_t wall_offset_ms;       /* see health__engine_wall_offset_ms() */
    bool lost;                    /* the host has closed our descriptors: the loop ends */
    int64_t looked_at;            /* when it was last looked whether it has */
    int64_t fresh_until[HEALTH__PROBES]; /* until then no on-demand check of the probe need be run,
                                            those in progress aside */
    uint64_t results[HEALTH__PROBES];    /* counts what changes a list of all its checks */
    uint64_t troubles[HEALTH__PROBES];   /* counts what changes a list of those not passing */
    struct health__tally tallies[HEALTH__PROBES];         /* as /ready counts: pending is a fail */
    struct health__tally lenient_tallies[HEALTH__PROBES]; /* as /live counts: pending is a pass */
    struct health__link
        changed;       /* checks that the observer is to look at, the oldest change first */
    int64_t settle_at; /* while observed: when time alone may change something */

    struct health__pool pool;
    struct health__fork_part fork;
};

/* ---- The service's threads ---- */

/* `workers`, `response_ms`: their options, defaults put in.  Returns: 0 or a HEALTH_E…. */
int health__engine_init(struct health__engine *e, struct health__gates *gates,
    struct health__server *server, struct health__observer *observer, int64_t response_ms,
    unsigned workers);

/*
 * Stops, and frees the checks.  Then, on this thread or on the worker whose callback returns last,
 * calls gone(arg), after which the engine is no more.
 *
 * Returns: 0, or HEALTH_EDEADLK on a thread of ours: nothing was done then.
 */
int health__engine_free(struct health__engine *e, void (*gone)(void *arg), void *arg);

/* The public functions of these names, whose documentation holds.  `listen` is the server's. */
int health__engine_start(struct health__engine *e, const char *listen);
int health__engine_stop(struct health__engine *e, unsigned timeout_ms);
int health__engine_add(struct health__engine *e, const struct health_check *check);
int health__engine_add_heartbeat(struct health__engine *e, const char *name, unsigned max_age_ms,
    unsigned probes, struct health_heartbeat **ret_heartbeat);
int health__engine_remove(struct health__engine *e, const char *name);
int health__engine_report(struct health__engine *e, const char *name, enum health_status status,
    const struct health_result *said);

/* Whether it is started, so that what the server says of its listeners holds. */
bool health__engine_is_started(struct health__engine *e);

/*
 * Has the errand run on the loop, or, where no loop runs and `stopped_too`, here and now, and waits
 * until it is done.  On the loop itself it must not be called.
 *
 * Returns: 0, or HEALTH_ESTOPPED.
 */
int health__engine_do(struct health__engine *e, struct health__errand *errand, bool stopped_too);

/* Sets a gate, and wakes the loop if it is observed.  Async-signal-safe. */
void health__engine_set_gate(struct health__engine *e, unsigned bit, bool on);

/* ---- The loop ---- */

/* The server has found that the host has closed its descriptors: this turn is the last. */
static inline void health__engine_lose(struct health__engine *e)
{
    e->lost = true;
}

/* The errand that was begun is done. */
void health__errand_done(struct health__engine *e, struct health__errand *errand);

/* Whether changes are to be seen at once; the observer looks at every check then. */
void health__engine_observe(struct health__engine *e, bool observed);

/* Queues a job of the observer's. */
void health__engine_queue(struct health__engine *e, struct health__job *job);

/*
 * A request has come: reads the mail and the beats, and starts the runs that it needs, unless the
 * loop is about to end.
 *
 * Returns: whether it has to wait for runs.  Then `waiter->ready` will be called, once, at
 * `response_ms` from now at the latest, unless health__engine_leave() is.
 */
bool health__engine_ask(struct health__engine *e, struct health__waiter *waiter);

/* The waiter waits no more, and is not called. */
void health__engine_leave(struct health__waiter *waiter);

/* Folds in what time, and a heartbeat's beats, have done to the check.  Returns: when to do so
 * again at the latest for a document that shows it. */
int64_t health__engine_settle(struct health__engine *e, struct health__check *check);

/* What to add to a moment to get ms since 1970, for whoever tells of it: the same for all, for as
 * long as the wall clock is not set, so that what stays the same looks the same. */
int64_t health__engine_wall_offset_ms(struct health__engine *e);

/* Whether the question is about the check. */
bool health__question_covers(
    const struct health__question *question, const struct health__check *check);

/* The check of the name, if the loop knows it; else NULL. */
struct health__check *health__engine_find(struct health__engine *e, const char *name);

/* A number that changes with everything that may change a document on these probes: all of their
 * checks, or those not passing. */
uint64_t health__engine_version(const struct health__engine *e, unsigned probes, bool all);

#endif
