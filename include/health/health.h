/*
 * libhealth: a health endpoint for C services.
 *
 * The service registers callbacks and calls health_serve(port).  From then on one background thread
 * answers /health, /ready, /live and /startup over HTTP, whatever the callbacks do:
 *
 *     health_register_check("database", check_database, db);
 *     health_serve(8080);
 *
 * Conventions, which hold for every function unless it says otherwise:
 *   - Returns 0, or a negative HEALTH_E… with errno set to the cause and health_last_error() to a
 *     sentence.  On failure nothing has changed and outputs are untouched; on success errno is as
 *     it was.
 *   - Every function may be called from any thread, and from inside callbacks.
 *   - Strings and structs that are passed in are copied; the caller keeps its own.
 *   - `h` NULL is the process-wide instance, made on first use and never freed.  Where that fails
 *     it is HEALTH_ENOMEM or HEALTH_ESYSTEM.
 *   - Durations are milliseconds of the monotonic clock.  In options zero is the default.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_HEALTH_H
#define HEALTH_HEALTH_H

#include <stdbool.h>
#include <stddef.h>

#include <health/errors.h>

/* The version of this header.  CMakeLists.txt reads it from here. */
#define HEALTH_VERSION_MAJOR 0
#define HEALTH_VERSION_MINOR 1
#define HEALTH_VERSION_PATCH 0

#if defined(__GNUC__)
#define HEALTH_PUBLIC              __attribute__((visibility("default")))
#define HEALTH_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define HEALTH_PUBLIC
#define HEALTH_PRINTF(text, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* An instance: its checks, gates, listeners and threads. */
struct health;

/* A sign of life of one loop of the service; see health_add_heartbeat(). */
struct health_heartbeat;

/* What a callback says beside its status; valid until the callback returns. */
struct health_result;

/* The words of the IETF health-check draft (draft-inadarei-api-health-check-06, section 3.1). */
enum health_status {
    HEALTH_PASS, /* healthy */
    HEALTH_WARN, /* healthy, with a concern: still 200 */
    HEALTH_FAIL  /* unhealthy: 503 */
};

/* Which probes a check counts for, as bits.  Every check is shown in, and counts for, /health.
 * HEALTH_ALL is that, and not all probes: a check with it alone counts for no other one.  One that
 * is to count for all says HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP. */
enum {
    HEALTH_LIVE = 1,    /* /live: a failure gets the process restarted; no dependencies here */
    HEALTH_READY = 2,   /* /ready: a failure keeps requests away */
    HEALTH_STARTUP = 4, /* /startup, and /ready until startup has passed once */
    HEALTH_ALL = 8      /* /health; alone: no other probe */
};

/* Who is told reasons (`output`) and observed values.  Names and statuses are for everyone.  Local
 * are callers at 127.0.0.1, ::1 or ::ffff:127.0.0.1, or over a unix socket; one at another address
 * of the same host is not. */
enum health_details {
    HEALTH_DETAILS_LOCAL, /* local callers that no proxy speaks for */
    HEALTH_DETAILS_ALL,
    HEALTH_DETAILS_NONE
};

/* Longest name of a check or heartbeat, and longest reason kept, in bytes without the final NUL. */
#define HEALTH_NAME_MAX_BYTES   128
#define HEALTH_REASON_MAX_BYTES 512

/*
 * A check's callback: looks at one thing and says how it is.  It may block; when it takes longer
 * than its timeout the check fails until it returns.  It holds up no request for longer than
 * `response_ms` of the options, and no other check as long as fewer than `workers` - 1 hang within
 * their timeouts; where `workers` are more than one, checks of HEALTH_LIVE are held up by others of
 * HEALTH_LIVE alone.  It runs on a worker thread of the library that has every asynchronous signal
 * blocked, never twice at a time for one check, and must not throw or longjmp out.  A return value
 * that is no status is a fail.
 */
typedef enum health_status health_check_fn(struct health_result *result, void *arg);

/* ---- The short way ----------------------------------------------------------------------- */

/*
 * health_register_check(name, fn, arg): Adds to the process-wide instance a check for /ready and
 * /health that is asked on demand and judged with the defaults.  The same as health_add_check()
 * with these three set.
 *
 * Returns: as health_add_check(); HEALTH_EINVAL for `fn` NULL.  Since: 0.1.
 */
HEALTH_PUBLIC int health_register_check(const char *name, health_check_fn *fn, void *arg);

/*
 * health_serve(port): Starts the process-wide instance on `port`, 0 to 65535, of every address,
 * IPv6 and IPv4; 0 takes any free port, which health_port() tells.  Takes the place of the option
 * `listen`.  Call it once what must be registered from the start has been.
 *
 * Returns: as health_start(); HEALTH_EINVAL for a port above 65535.  Since: 0.1.
 */
HEALTH_PUBLIC int health_serve(unsigned port);

/*
 * health_stop(h, timeout_ms): Stops listening, answers the requests that wait, lets answers be
 * sent and callbacks return for up to `timeout_ms`, and ends the instance's threads.  Checks,
 * their last reports, and the gates stay, but for draining, which is cleared; the instance may be
 * started again.
 *
 * Returns: HEALTH_EBUSY if a callback is still running when the time is up: the listeners are
 * gone, and health_start() is refused until a later health_stop() returns 0; also while another
 * thread is in health_stop().  HEALTH_ESTOPPED if it is not started.  HEALTH_EDEADLK from a
 * callback or another thread of the library. Since: 0.1.
 */
HEALTH_PUBLIC int health_stop(struct health *h, unsigned timeout_ms);

/* ---- The long way ------------------------------------------------------------------------ */

/*
 * How an instance is to be.  Start from HEALTH_OPTIONS_INIT; fields are added at the end only, so
 * that programs built with an older or a newer header work.
 */
struct health_options {
    /* sizeof(struct health_options) of the header that the program was built with. */
    size_t size;

    /*
     * Where to listen: addresses with ports, separated by commas: "*:8080" (every address of both
     * families), "127.0.0.1:8080", "[::1]:8080".  Hosts are IP literals or "*".  Port 0 is any
     * free one.  "unix:/run/app/health.sock" is a unix socket, whose file has mode 0600, or
     * another: "unix:/run/app/health.sock?mode=0660"; the file of a process that is gone is
     * replaced, one at which someone listens is an error.  At most 16.  NULL: nowhere.
     */
    const char *listen;

    /* What the document says of the service (serviceId, version, releaseId, description of the
     * IETF draft).  NULL: not said. */
    const char *service_id;
    const char *version;
    const char *release_id;
    const char *description;

    /* Who is told reasons and values: an enum health_details. */
    unsigned details;

    /* The longest that a request may wait for checks, in ms; default 800, at most 60,000.  The
     * kubelet gives up after 1 s. */
    unsigned response_ms;

    /* How many connections may be open at once; default 256, at most 65,536.  At this limit the
     * oldest connection of the address that holds most of them makes room. */
    unsigned connections;

    /* For how many callbacks at once threads are started, those past their timeout not counted, and
     * `release` with them; default 16, at most 1,024.  Where there are more than one, one is kept
     * for the checks of HEALTH_LIVE: those decide on restarts, and do not wait for others that
     * hang.  So 2 leaves one for all others. */
    unsigned workers;

    /* Not 0: tell systemd (sd_notify(3), over $NOTIFY_SOCKET as it is at health_start()): READY=1
     * when /ready first passes, STATUS= with what fails, STOPPING=1 at health_drain(), and, where
     * the unit has WatchdogSec=, WATCHDOG=1 twice in that time, but only while /live passes, and as
     * soon as it passes again.  The library asks both probes by itself for that. */
    unsigned systemd;

    /* Must be 0. */
    unsigned reserved;
};
#define HEALTH_OPTIONS_INIT                                                                        \
    {                                                                                              \
        sizeof(struct health_options), NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0              \
    }

/* A check and how it is judged.  Start from HEALTH_CHECK_INIT. */
struct health_check {
    /* sizeof(struct health_check) of the header that the program was built with. */
    size_t size;

    /* 1 to 128 bytes without control characters and '/'; unique in the instance, heartbeats
     * included.  By the IETF draft: "component" or "component:measurement". */
    const char *name;

    /* The callback; NULL makes it a pushed check, whose status health_report() tells. */
    health_check_fn *fn;

    /* Handed to `fn` and `release`. */
    void *arg;

    /* Called exactly once with `arg`, when `fn` can never run again: on a worker thread, or, where
     * the instance is not started or just stopped, by the caller of health_remove(), health_stop()
     * or health_free().  It may call whatever `fn` may.  It has no timeout: while it hangs it keeps
     * one of the `workers`.  NULL: nothing to release. */
    void (*release)(void *arg);

    /* HEALTH_LIVE, HEALTH_READY, HEALTH_STARTUP, HEALTH_ALL, or'ed; default HEALTH_READY. */
    unsigned probes;

    /* Not 0: whatever would be a fail counts as a warn. */
    unsigned advisory;

    /* From when the run is queued on, the check fails if the callback has not returned; default
     * 1,000.  Refused with a pushed check. */
    unsigned timeout_ms;

    /* On demand: how old a result may be before a request runs the check again; default 1,000.
     * Pushed: how old a report may be before the check fails; default: any age.  Refused with
     * `interval_ms`. */
    unsigned max_age_ms;

    /* Not 0: run in the background at this interval (±10 %), at once the first time, whoever asks.
     * Refused with a pushed check. */
    unsigned interval_ms;

    /* Consecutive bad results before the check fails, and good ones before it passes again;
     * default 1.  Refused with a pushed check. */
    unsigned failures;
    unsigned successes;

    /* Must be 0. */
    unsigned reserved;
};
#define HEALTH_CHECK_INIT                                                                          \
    {                                                                                              \
        sizeof(struct health_check), NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0                \
    }

/* Durations in options and checks are at most this: 31 days. */
#define HEALTH_DURATION_MAX_MS 2678400000u

/*
 * health_new(ret_h, options): Makes an instance, not yet started; `options` NULL is all defaults.
 * With `ret_h` NULL it makes the process-wide one with these options; call it before anything else
 * then.  *ret_h is the caller's, to be given to health_free().
 *
 * Returns: HEALTH_EINVAL for options out of their limits or a `listen` that is no list of
 * addresses; HEALTH_ENOTSUP if a newer header's option is set that this library does not know;
 * HEALTH_EEXIST if `ret_h` is NULL and the process-wide instance is there; HEALTH_ESYSTEM if the
 * system has no locks to give; HEALTH_ENOMEM.
 * Since: 0.1.
 */
HEALTH_PUBLIC int health_new(struct health **ret_h, const struct health_options *options);

/*
 * health_start(h): Listens, and starts the thread that answers.  Addresses are bound when it
 * returns, and periodic checks are on their way.
 *
 * Returns: HEALTH_EALREADY if it is started; HEALTH_EBUSY while it is being stopped;
 * HEALTH_ELISTEN if an address cannot be had, with errno the cause (EADDRINUSE, EACCES, …) and
 * health_last_error() naming it; HEALTH_ESYSTEM without a thread or descriptors; HEALTH_ENOMEM.
 * Since: 0.1.
 */
HEALTH_PUBLIC int health_start(struct health *h);

/*
 * health_free(h): Stops an instance with a timeout of 0 and frees it with its checks.  If a
 * callback is still running, the last one to return frees everything.  NULL: nothing.  Heartbeats
 * of the instance must not be used any more.
 *
 * From a callback or another thread of the library it does nothing but set health_last_error().
 * Since: 0.1.
 */
HEALTH_PUBLIC void health_free(struct health *h);

/*
 * health_port(h): The port that a started instance listens on: the first of `listen`.
 *
 * Returns: 1 to 65535; 0 if that is no TCP port, or it listens nowhere; HEALTH_ESTOPPED if it is
 * not started.  Since: 0.1.
 */
HEALTH_PUBLIC int health_port(const struct health *h);

/*
 * health_add_check(h, check): Adds a check, also while the instance is started: the next request
 * knows it.  On success `check->arg` is the library's to hand out until `release` was called; a
 * failed call takes nothing.
 *
 * Returns: HEALTH_EINVAL for a bad name, probes or durations, or fields that do not go together;
 * HEALTH_EEXIST for a name in use; HEALTH_ENOTSUP as health_new(); HEALTH_ENOMEM.  Since: 0.1.
 */
HEALTH_PUBLIC int health_add_check(struct health *h, const struct health_check *check);

/*
 * health_remove(h, name): Removes a check or heartbeat.  From then on it is shown nowhere, its
 * name is free, and no new run starts.  Waits for a run in progress until its timeout; from
 * callbacks and other threads of the library it never waits.
 *
 * Returns: 0 if the callback will never run again; HEALTH_EBUSY if it is still running: the check
 * is removed all the same, and `release` tells when it is over.  HEALTH_ENOENT; HEALTH_EINVAL for
 * NULL.  Since: 0.1.
 */
HEALTH_PUBLIC int health_remove(struct health *h, const char *name);

/* ---- Inside a callback ------------------------------------------------------------------- */

/*
 * health_explain(result, status, format, …): Keeps a reason, shown where the status is not pass,
 * and returns `status`, so that a callback can end with it.  The last call counts.  Any bytes may
 * be in it; it is cut at 512 bytes, and what is not UTF-8 is replaced when it is shown.  Tell
 * causes, not ages: unchanged reasons are cheaper.
 *
 * Returns: `status`, always.  Threads: the callback's own.  Since: 0.1.
 */
HEALTH_PUBLIC enum health_status health_explain(struct health_result *result,
    enum health_status status, const char *format, ...) HEALTH_PRINTF(3, 4);

/*
 * health_observe(result, value, unit): Keeps the value that the check saw, shown as observedValue
 * and observedUnit.  `unit` is cut at 31 bytes; NULL: none.  The last call counts.
 *
 * Threads: the callback's own.  Since: 0.1.
 */
HEALTH_PUBLIC void health_observe(struct health_result *result, double value, const char *unit);

/*
 * health_remaining_ms(result): What is left of the check's timeout, to hand to poll() or a client
 * library, so that the callback returns in time by itself.
 *
 * Returns: 0 when it has passed.  Threads: the callback's own.  Since: 0.1.
 */
HEALTH_PUBLIC unsigned health_remaining_ms(const struct health_result *result);

/* ---- What the service says of itself ----------------------------------------------------- */

/*
 * health_set_started(h, started): Opens or shuts the started gate, which is open at first: a
 * service that has to warm up shuts it before it serves and opens it when it is ready to be
 * judged.  Once /startup has passed, false is ignored.
 *
 * health_set_ready(h, ready): Opens or shuts the ready gate, which is open at first.  Shut, it
 * keeps requests away (/ready is 503) and restarts nothing.
 *
 * health_drain(h): Says that the service is going away: /ready is 503 from now on, /live is not
 * touched.  Cleared by a health_stop() that returns 0.
 *
 * Threads: wait-free and async-signal-safe; a request that arrives after the return sees it.
 * With NULL valid before anything else was called.  Since: 0.1.
 */
HEALTH_PUBLIC void health_set_started(struct health *h, bool started);
HEALTH_PUBLIC void health_set_ready(struct health *h, bool ready);
HEALTH_PUBLIC void health_drain(struct health *h);

/*
 * health_add_heartbeat(h, name, max_age_ms, probes, ret_b): Adds a sign of life that one loop of
 * the service gives by health_beat(); older than `max_age_ms` (at least 1) it fails.  Adding it
 * counts as a beat.  `probes` 0 is HEALTH_LIVE.  *ret_b is valid until health_remove() of its name
 * or health_free().
 *
 * Beats are kept by the kernel's coarse clock, which may be 10 ms late: a `max_age_ms` below 100
 * makes no sense.
 *
 * Returns: as health_add_check(); HEALTH_EINVAL for `max_age_ms` 0 or `ret_b` NULL.  Since: 0.1.
 */
HEALTH_PUBLIC int health_add_heartbeat(struct health *h, const char *name, unsigned max_age_ms,
    unsigned probes, struct health_heartbeat **ret_b);

/*
 * health_beat(b): "I am alive": one relaxed atomic store of a coarse clock.
 * health_idle(b): "I have nothing to do": not judged until the next beat.
 * NULL: nothing.
 *
 * Threads: wait-free and async-signal-safe.  Since: 0.1.
 */
HEALTH_PUBLIC void health_beat(struct health_heartbeat *b);
HEALTH_PUBLIC void health_idle(struct health_heartbeat *b);

/*
 * health_report(h, name, status, format, …): Tells the status of a pushed check, with a reason as
 * in health_explain(); `format` NULL: none.  The last report counts.
 *
 * Returns: HEALTH_ENOENT if there is no check of this name; HEALTH_EINVAL if it is not a pushed
 * one, or `status` is none.  Without memory for the reason the status counts all the same.
 * Since: 0.1.
 */
HEALTH_PUBLIC int health_report(struct health *h, const char *name, enum health_status status,
    const char *format, ...) HEALTH_PRINTF(4, 5);

/* ---- Asking from inside ------------------------------------------------------------------ */

/*
 * health_document(h, probe, buf, size, ret_len, ret_status): What a request from 127.0.0.1 would
 * be told: for a service with an HTTP or gRPC server of its own.  `probe` is HEALTH_LIVE,
 * HEALTH_READY, HEALTH_STARTUP or HEALTH_ALL (/health).  Waits for checks that have to be run, at
 * most `response_ms`.
 *
 * The document, JSON with a final NUL, goes into `buf`, of `size` bytes, and its length without the
 * NUL into *ret_len; `buf` NULL: only the status is wanted.  *ret_status is HEALTH_FAIL where the
 * answer would be 503.  `ret_len` and `ret_status` may be NULL.
 *
 * Returns: HEALTH_EINVAL for no or several probes; HEALTH_ESTOPPED if the instance is not started;
 * HEALTH_ENOBUFS if the document does not fit: *ret_len tells its length then, *ret_status is set,
 * and `buf` is untouched; HEALTH_ENOMEM, *ret_status being set.  Since: 0.1.
 */
HEALTH_PUBLIC int health_document(struct health *h, unsigned probe, char *buf, size_t size,
    size_t *ret_len, enum health_status *ret_status);

/* What has changed; valid until the function returns. */
struct health_change {
    /* sizeof(struct health_change) of the library: what is beyond it is not there. */
    size_t size;

    /* Of the check or heartbeat; of a probe: "live", "ready", "startup" or "health". */
    const char *name;

    /* Why it is not passing, as in the document; "" if there is nothing to say. */
    const char *reason;

    /* When it became what it is now, in ms since 1970; never before that of the change told before,
     * as long as the clock is not set. */
    long long time_ms;

    /* HEALTH_LIVE, HEALTH_READY, HEALTH_STARTUP or HEALTH_ALL (/health): what has changed is the
     * status of that probe.  0: of a check. */
    unsigned probe;

    /* Each an enum health_status.  Checks begin as pass and are told of once they have been judged;
     * probes begin as fail, but for live. */
    unsigned before;
    unsigned after;

    /* 0. */
    unsigned reserved;
};

/* Told of changes; on a worker thread, one change at a time, in the order of their `time_ms`; of a
 * check before what it does to a probe. */
typedef void health_change_fn(const struct health_change *change, void *arg);

/*
 * health_on_change(h, fn, arg): Has `fn` called for each change of a check's or a probe's status,
 * also those that time alone makes; at first for each that is not as it begins (see
 * struct health_change).  While `fn` is slow changes are taken together: it may not see a status
 * that has gone again, but always the last one, as of when it came.  It takes the place of the one
 * set before, which is not called again, though a call may still be under way: over it is, at the
 * latest, when `fn` is called, or health_stop() has returned 0.  `fn` NULL: none.
 *
 * On-demand checks change only when they are asked.
 *
 * Returns: HEALTH_ENOMEM.  Since: 0.1.
 */
HEALTH_PUBLIC int health_on_change(struct health *h, health_change_fn *fn, void *arg);

/* ---- Errors ------------------------------------------------------------------------------ */

/*
 * health_strerror(error): A HEALTH_E… in words.
 *
 * Returns: a static string, also for 0 and for what is no error of ours.  Threads: any;
 * async-signal-safe.  Since: 0.1.
 */
HEALTH_PUBLIC const char *health_strerror(int error);

/*
 * health_last_error(): The last failure of a function of ours on this thread in a sentence, with
 * the address or name concerned; "" before the first.
 *
 * Returns: a string of the calling thread's, valid until its next failure.  Since: 0.1.
 */
HEALTH_PUBLIC const char *health_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
