/*
 * health_on_change: the service is told of each change of a check and of a probe, in order, by
 * whatever it was made, and of how things are at the end, however slow it is to listen.
 *
 * Nobody asks in these tests, but where it is about that: most instances listen nowhere.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "document.h"
#include "process.h"
#include "puppet.h"
#include "refused.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define P            HEALTH_PASS
#define W            HEALTH_WARN
#define F            HEALTH_FAIL

/* ---- A receiver that writes down what it is told ---- */

#define NOTES_MAX 4096

struct note {
    char name[HEALTH_NAME_MAX_BYTES + 1];
    char reason[HEALTH_REASON_MAX_BYTES + 256];
    unsigned probe, before, after;
    int64_t time_ms, told_at; /* wall clock */
};

struct receiver {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct note notes[NOTES_MAX];
    size_t count;
    int at_once;      /* calls in progress */
    bool wrong;       /* something about a call was not as it must be */
    bool held;        /* calls do not end */
    unsigned slow_ms; /* each takes from nothing to so long */
    unsigned seed;
    void (*inside)(const struct health_change *change); /* each calls this */
    pthread_t main;
};

static struct receiver receivers[2];
static struct receiver *const r = &receivers[0];

static void receiver_init(struct receiver *x)
{
    pthread_condattr_t attributes;

    memset(x, 0, sizeof(*x));
    (void)pthread_mutex_init(&x->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&x->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    x->main = pthread_self();
}

/* On the thread that tells: whether it is one that may. */
static bool is_worker(const struct receiver *x)
{
    char name[16] = "";
    sigset_t blocked;

    return pthread_equal(pthread_self(), x->main) == 0 &&
           pthread_getname_np(pthread_self(), name, sizeof(name)) == 0 &&
           strcmp(name, "health-worker") == 0 && pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0 &&
           sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGUSR1) == 1;
}

static bool is_well_formed(const struct health_change *c)
{
    return c->size == sizeof(*c) && c->reserved == 0 && c->name != NULL && c->reason != NULL &&
           c->before != c->after && c->before <= HEALTH_FAIL && c->after <= HEALTH_FAIL &&
           (c->after != HEALTH_PASS || c->reason[0] == '\0') && c->name[0] != '\0';
}

static void receive(const struct health_change *c, void *arg)
{
    struct receiver *x = arg;
    void (*inside)(const struct health_change *change);
    unsigned pause_ms;
    struct note *note;

    (void)pthread_mutex_lock(&x->mutex);
    x->wrong |= ++x->at_once != 1 || !is_worker(x) || !is_well_formed(c) || x->count == NOTES_MAX;
    if (x->count < NOTES_MAX) {
        note = &x->notes[x->count++];
        (void)snprintf(note->name, sizeof(note->name), "%s", c->name);
        (void)snprintf(note->reason, sizeof(note->reason), "%s", c->reason);
        note->probe = c->probe;
        note->before = c->before;
        note->after = c->after;
        note->time_ms = c->time_ms;
        note->told_at = document_now_ms();
    }
    (void)pthread_cond_broadcast(&x->changed);
    while (x->held)
        (void)pthread_cond_wait(&x->changed, &x->mutex);
    pause_ms = x->slow_ms > 0 ? (unsigned)rand_r(&x->seed) % x->slow_ms : 0;
    inside = x->inside;
    (void)pthread_mutex_unlock(&x->mutex);
    if (pause_ms > 0)
        asking_pause((int)pause_ms);
    if (inside != NULL)
        inside(c);
    (void)pthread_mutex_lock(&x->mutex);
    x->at_once--;
    (void)pthread_mutex_unlock(&x->mutex);
}

static void hold(struct receiver *x, bool held)
{
    (void)pthread_mutex_lock(&x->mutex);
    x->held = held;
    (void)pthread_cond_broadcast(&x->changed);
    (void)pthread_mutex_unlock(&x->mutex);
}

static void let_call(struct receiver *x, void (*inside)(const struct health_change *change))
{
    (void)pthread_mutex_lock(&x->mutex);
    x->inside = inside;
    (void)pthread_mutex_unlock(&x->mutex);
}

static void slow_down(struct receiver *x, unsigned slow_ms)
{
    (void)pthread_mutex_lock(&x->mutex);
    x->slow_ms = slow_ms;
    (void)pthread_mutex_unlock(&x->mutex);
}

static size_t count_of(struct receiver *x)
{
    size_t count;

    (void)pthread_mutex_lock(&x->mutex);
    count = x->count;
    (void)pthread_mutex_unlock(&x->mutex);
    return count;
}

static bool is_wrong(struct receiver *x)
{
    bool wrong;

    (void)pthread_mutex_lock(&x->mutex);
    wrong = x->wrong;
    (void)pthread_mutex_unlock(&x->mutex);
    return wrong;
}

/* With the mutex held: what the name was told to be last; `otherwise` if nothing was. */
static unsigned last_of(const struct receiver *x, const char *name, bool probe, unsigned otherwise)
{
    size_t i;

    for (i = x->count; i > 0; i--)
        if (strcmp(x->notes[i - 1].name, name) == 0 && (x->notes[i - 1].probe != 0) == probe)
            return x->notes[i - 1].after;
    return otherwise;
}

static void print_notes(const struct receiver *x)
{
    size_t i;

    for (i = 0; i < x->count; i++)
        print_message("  %zu: %s (%u): %u -> %u \"%s\"\n", i, x->notes[i].name, x->notes[i].probe,
            x->notes[i].before, x->notes[i].after, x->notes[i].reason);
}

/* The reason that the name was told with last, of a check. */
static const char *reason_of(struct receiver *x, const char *name)
{
    const char *reason = NULL;
    size_t i;

    (void)pthread_mutex_lock(&x->mutex);
    for (i = 0; i < x->count; i++)
        if (strcmp(x->notes[i].name, name) == 0 && x->notes[i].probe == 0)
            reason = x->notes[i].reason;
    (void)pthread_mutex_unlock(&x->mutex);
    assert_non_null(reason);
    return reason;
}

/* Its reason is "<before>08:15:02Z<after>...". */
static void assert_reason_of(
    struct receiver *x, const char *name, const char *before, const char *after)
{
    const char *reason = reason_of(x, name);
    int hour, minute, second;

    if (strncmp(reason, before, strlen(before)) != 0 ||
        sscanf(reason + strlen(before), "%2d:%2d:%2dZ", &hour, &minute, &second) != 3 ||
        strncmp(reason + strlen(before) + 9, after, strlen(after)) != 0)
        fail_msg("%s: \"%s\" is not \"%s08:15:02Z%s\"", name, reason, before, after);
}

/* With the mutex held: waits for a note.  Returns: false if the deadline has passed. */
static bool await_note(struct receiver *x, int64_t deadline)
{
    struct timespec when = {.tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000};

    return pthread_cond_timedwait(&x->changed, &x->mutex, &when) == 0;
}

/* Waits until there are so many notes. */
static void wait_count(struct receiver *x, size_t count)
{
    int64_t deadline = client_deadline(LONG_MS);

    (void)pthread_mutex_lock(&x->mutex);
    while (x->count < count)
        if (!await_note(x, deadline)) {
            print_notes(x);
            (void)pthread_mutex_unlock(&x->mutex);
            fail_msg("%zu changes were told of, not %zu", x->count, count);
        }
    (void)pthread_mutex_unlock(&x->mutex);
}

/* Waits until the last that was told of a check, or a probe, is this. */
static void wait_last_of(struct receiver *x, const char *name, bool probe, unsigned after)
{
    int64_t deadline = client_deadline(LONG_MS);

    (void)pthread_mutex_lock(&x->mutex);
    while (last_of(x, name, probe, 99) != after)
        if (!await_note(x, deadline)) {
            print_notes(x);
            (void)pthread_mutex_unlock(&x->mutex);
            fail_msg("%s was not told to be %u", name, after);
        }
    (void)pthread_mutex_unlock(&x->mutex);
}

/* The same of a check, of the first receiver. */
static void wait_last(const char *name, unsigned after)
{
    wait_last_of(r, name, false, after);
}

/* The next note, from `*at` on, is this. */
static const struct note *assert_note(size_t *at, const char *name, unsigned probe, unsigned before,
    unsigned after, const char *reason)
{
    const struct note *note = &r->notes[*at];

    wait_count(r, *at + 1);
    if (strcmp(note->name, name) != 0 || note->probe != probe || note->before != before ||
        note->after != after || (reason != NULL && strcmp(note->reason, reason) != 0)) {
        print_notes(r);
        fail_msg("note %zu is not %s (%u): %u -> %u \"%s\"", *at, name, probe, before, after,
            reason != NULL ? reason : "");
    }
    (*at)++;
    return note;
}

/* Whoever is told of begins as it must, and each change begins where the one before has ended. */
static void assert_chains(struct receiver *x)
{
    size_t i, j, count = count_of(x);

    for (i = 0; i < count; i++) {
        const struct note *n = &x->notes[i];
        unsigned before = n->probe == 0 || n->probe == HEALTH_LIVE ? P : F;

        for (j = 0; j < i; j++)
            if (strcmp(x->notes[j].name, n->name) == 0 && x->notes[j].probe == n->probe)
                before = x->notes[j].after;
        if (n->before != before) {
            print_notes(x);
            fail_msg("change %zu of %s begins at %u, not %u", i, n->name, n->before, before);
        }
    }
    assert_false(is_wrong(x));
}

/* ---- The service ---- */

/* An instance that nobody can ask, not started; its receiver is there already. */
static struct health *make(unsigned workers)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;

    receiver_init(&receivers[0]);
    receiver_init(&receivers[1]);
    options.workers = workers;
    assert_accepted(health_new(&h, &options));
    assert_accepted(health_on_change(h, receive, r));
    return h;
}

static struct health *make_started(unsigned workers)
{
    struct health *h = make(workers);

    assert_accepted(health_start(h));
    return h;
}

static void add_pushed(struct health *h, const char *name, unsigned probes, unsigned max_age_ms)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = name;
    check.probes = probes;
    check.max_age_ms = max_age_ms;
    assert_accepted(health_add_check(h, &check));
}

static void report(struct health *h, const char *name, enum health_status s, const char *reason)
{
    assert_accepted(health_report(h, name, s, reason != NULL ? "%s" : NULL, reason));
}

/* What nobody has told of within this time is not told. */
#define QUIET_MS 150

static void assert_quiet(struct receiver *x, size_t count)
{
    asking_pause(QUIET_MS);
    (void)pthread_mutex_lock(&x->mutex);
    if (x->count != count)
        print_notes(x);
    assert_int_equal(x->count, count);
    (void)pthread_mutex_unlock(&x->mutex);
}

/* ---- What is told ---- */

static void each_change_is_told_in_order(void **state)
{
    struct health *h = make_started(0);
    int64_t reported_at;
    size_t at = 0, i;

    (void)state;
    /* Nothing registered: all pass, and live does from the start. */
    assert_note(&at, "ready", HEALTH_READY, F, P, "");
    assert_note(&at, "startup", HEALTH_STARTUP, F, P, "");
    assert_note(&at, "health", HEALTH_ALL, F, P, "");

    /* Pending is no change of a check. */
    add_pushed(h, "db", HEALTH_READY | HEALTH_LIVE, 0);
    assert_note(&at, "ready", HEALTH_READY, P, F, "db: no result yet");
    assert_note(&at, "health", HEALTH_ALL, P, F, "db: no result yet");

    /* Nor is it that it passes, once judged. */
    report(h, "db", P, NULL);
    assert_note(&at, "ready", HEALTH_READY, F, P, "");
    assert_note(&at, "health", HEALTH_ALL, F, P, "");

    for (i = 0; i < 3; i++) {
        reported_at = document_now_ms();
        report(h, "db", W, "is slow");
        assert_between(assert_note(&at, "db", 0, P, W, "is slow")->time_ms,
            reported_at - ROUNDING_MS, document_now_ms() + ROUNDING_MS);
        assert_note(&at, "live", HEALTH_LIVE, P, W, "db: is slow");
        assert_note(&at, "ready", HEALTH_READY, P, W, "db: is slow");
        assert_note(&at, "health", HEALTH_ALL, P, W, "db: is slow");
        reported_at = document_now_ms();
        report(h, "db", F, NULL);
        assert_note(&at, "db", 0, W, F, "");
        assert_between(assert_note(&at, "live", HEALTH_LIVE, W, F, "db")->time_ms,
            reported_at - ROUNDING_MS, document_now_ms() + ROUNDING_MS);
        assert_note(&at, "ready", HEALTH_READY, W, F, "db");
        assert_note(&at, "health", HEALTH_ALL, W, F, "db");

        /* Another reason alone is no change. */
        report(h, "db", F, "is gone");
        assert_quiet(r, at);
        report(h, "db", P, NULL);
        assert_note(&at, "db", 0, F, P, "");
        assert_note(&at, "live", HEALTH_LIVE, F, P, "");
        assert_note(&at, "ready", HEALTH_READY, F, P, "");
        assert_note(&at, "health", HEALTH_ALL, F, P, "");
    }
    assert_chains(r);
    service_end(h);
    assert_int_equal(count_of(r), at);
}

static void gates_change_probes(void **state)
{
    struct health *h = make(0);
    size_t at = 0;

    (void)state;
    health_set_started(h, false);
    assert_accepted(health_start(h));
    assert_quiet(r, 0);
    health_set_started(h, true);
    assert_note(&at, "ready", HEALTH_READY, F, P, "");
    assert_note(&at, "startup", HEALTH_STARTUP, F, P, "");
    assert_note(&at, "health", HEALTH_ALL, F, P, "");
    health_set_ready(h, false);
    assert_note(&at, "ready", HEALTH_READY, P, F, "not ready");
    health_set_ready(h, true);
    assert_note(&at, "ready", HEALTH_READY, F, P, "");
    /* Startup has passed: once told of, that stays. */
    health_set_started(h, false);
    assert_quiet(r, at);
    health_drain(h);
    assert_note(&at, "ready", HEALTH_READY, P, F, "draining");
    assert_accepted(health_stop(h, LONG_MS));
    assert_accepted(health_start(h));
    assert_note(&at, "ready", HEALTH_READY, F, P, "");
    assert_chains(r);
    service_end(h);
}

static void probes_are_as_their_checks_make_them(void **state)
{
    struct health *h = make(0);
    struct health_check check = HEALTH_CHECK_INIT;
    size_t at = 0;

    (void)state;
    add_pushed(h, "boot", HEALTH_STARTUP, 0);
    add_pushed(h, "loop", HEALTH_LIVE, 0);
    add_pushed(h, "all", HEALTH_ALL, 0);
    check.name = "advice";
    check.advisory = 1;
    assert_accepted(health_add_check(h, &check));
    assert_accepted(health_start(h));
    /* Pending passes in /live, and fails in the others. */
    assert_quiet(r, 0);
    report(h, "boot", P, NULL);
    assert_note(&at, "ready", HEALTH_READY, F, W, "advice: no result yet");
    assert_note(&at, "startup", HEALTH_STARTUP, F, P, "");
    report(h, "loop", P, NULL);
    assert_quiet(r, at);
    report(h, "all", P, NULL);
    assert_note(&at, "health", HEALTH_ALL, F, W, "advice: no result yet");
    report(h, "advice", F, "be careful");
    assert_note(&at, "advice", 0, P, W, "be careful");
    assert_quiet(r, at);
    /* Startup has passed, and stays so. */
    report(h, "boot", F, "cold");
    assert_note(&at, "boot", 0, P, F, "cold");
    assert_note(&at, "health", HEALTH_ALL, W, F, "boot: cold");
    assert_quiet(r, at);
    assert_chains(r);
    service_end(h);
}

/* Beats as a loop does, until that was told of it. */
static void keep_beating_until(struct health_heartbeat *beat, unsigned after)
{
    int64_t deadline = client_deadline(LONG_MS);
    unsigned told;

    do {
        assert_true(client_now_ms() < deadline);
        health_beat(beat);
        asking_pause(5);
        (void)pthread_mutex_lock(&r->mutex);
        told = last_of(r, "loop", false, 99);
        (void)pthread_mutex_unlock(&r->mutex);
    } while (told != after);
}

static void what_time_alone_makes_is_told(void **state)
{
    static struct puppet hung;
    struct health *h = make_started(0);
    struct health_heartbeat *beat;
    struct health_check check;
    const struct note *note;
    int64_t begin;
    size_t i;

    (void)state;
    begin = document_now_ms();
    assert_accepted(health_add_heartbeat(h, "loop", 150, 0, &beat));
    wait_last("loop", F);
    wait_last_of(r, "live", true, F);
    assert_between(document_now_ms() - begin, 150 - 15, 150 + SLACK_MS);
    for (i = 0; strcmp(r->notes[i].name, "loop") != 0; i++)
        ;
    note = &r->notes[i];
    assert_reason_of(r, "loop", "no beat since ", " (limit 150 ms)");
    assert_between(note->time_ms, begin + 150 - 15, note->told_at + ROUNDING_MS);
    /* Back again: nobody asks, and yet it is seen. */
    for (i = 0; i < 3; i++) {
        keep_beating_until(beat, P);
        wait_last_of(r, "live", true, P);
        wait_last("loop", F);
        wait_last_of(r, "live", true, F);
    }
    health_idle(beat);
    wait_last("loop", P);

    add_pushed(h, "never", 0, 150);
    wait_last("never", F);
    assert_reason_of(r, "never", "no report since ", "");
    add_pushed(h, "stale", 0, 150);
    report(h, "stale", W, "once");
    wait_last("stale", W);
    wait_last("stale", F);
    assert_reason_of(r, "stale", "no result since ", "");

    puppet_init(&hung);
    puppet_hold(&hung);
    check = puppet_check(&hung, "hung");
    check.interval_ms = 50;
    check.timeout_ms = 150;
    assert_accepted(health_add_check(h, &check));
    wait_last("hung", F);
    assert_reason_of(r, "hung", "no answer since ", " (thread ");
    puppet_let_go(&hung);
    wait_last("hung", P);
    assert_chains(r);
    service_end(h);
}

static void on_demand_ones_change_when_they_are_asked(void **state)
{
    static struct told told;
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h;
    size_t at = 0;

    (void)state;
    receiver_init(r);
    options.response_ms = LONG_MS;
    h = service_start(&options);
    assert_accepted(health_on_change(h, receive, r));
    assert_note(&at, "ready", HEALTH_READY, F, P, "");
    assert_note(&at, "startup", HEALTH_STARTUP, F, P, "");
    assert_note(&at, "health", HEALTH_ALL, F, P, "");
    service_add(h, "db", &told, 0);
    assert_note(&at, "ready", HEALTH_READY, P, F, "db: no result yet");
    assert_note(&at, "health", HEALTH_ALL, P, F, "db: no result yet");
    assert_quiet(r, at);
    service_tell(&told, HEALTH_PASS, NULL);
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    assert_note(&at, "ready", HEALTH_READY, F, P, "");
    assert_note(&at, "health", HEALTH_ALL, F, P, "");
    service_tell(&told, HEALTH_FAIL, "refused");
    assert_quiet(r, at);
    assert_int_equal(client_status(service_port(h), "/health/db"), 503);
    assert_note(&at, "db", 0, P, F, "refused");
    assert_note(&at, "ready", HEALTH_READY, P, F, "db: refused");
    assert_note(&at, "health", HEALTH_ALL, P, F, "db: refused");
    service_end(h);
}

static void it_says_what_the_document_says(void **state)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h;
    size_t at = 5;
    json_t *doc;

    (void)state;
    receiver_init(r);
    h = service_start(&options);
    assert_accepted(health_on_change(h, receive, r));
    wait_count(r, 3);
    /* Bytes that are no UTF-8, in the name and in the reason. */
    add_pushed(h, "d\xff\x62", 0, 0);
    wait_count(r, 5);
    report(h, "d\xff\x62", F, "not \xc3 text");
    assert_note(&at, "d\xef\xbf\xbd\x62", 0, P, F, "not \xef\xbf\xbd text");
    doc = document_get(service_port(h), "/health", 503);
    assert_check(doc, "d\xef\xbf\xbd\x62", "fail", r->notes[5].reason);
    assert_between(
        document_time_ms(document_text(document_check(doc, "d\xef\xbf\xbd\x62"), "since")),
        r->notes[5].time_ms - ROUNDING_MS, r->notes[5].time_ms + ROUNDING_MS);
    document_free(doc);
    /* Ready and health failed before already, as it was pending. */
    assert_quiet(r, 6);
    service_end(h);
}

/* ---- Whom ---- */

static void a_new_receiver_is_told_what_is_not_as_it_begins(void **state)
{
    struct health *h = make_started(0);
    struct receiver *second = &receivers[1];

    (void)state;
    add_pushed(h, "db", HEALTH_READY | HEALTH_LIVE, 0);
    add_pushed(h, "fine", HEALTH_READY, 0);
    add_pushed(h, "pending", HEALTH_READY, 0);
    report(h, "fine", P, NULL);
    report(h, "db", F, "down");
    wait_last("db", F);
    wait_last_of(r, "live", true, F);
    /* Those of whom nothing is told are as they begin. */
    assert_accepted(health_on_change(h, receive, second));
    wait_last_of(second, "db", false, F);
    wait_last_of(second, "live", true, F);
    wait_last_of(second, "startup", true, P);
    assert_quiet(second, 3);
    assert_chains(second);
    report(h, "db", P, NULL);
    wait_last_of(second, "db", false, P);
    wait_last_of(second, "live", true, P);
    wait_last("db", F); /* to the first, for ever */

    assert_accepted(health_on_change(h, NULL, NULL));
    report(h, "db", F, "again");
    assert_quiet(second, 5);
    assert_accepted(health_on_change(h, receive, second));
    wait_count(second, 8);
    wait_last_of(second, "db", false, F);
    service_end(h);
}

static void without_one_nothing_is_told(void **state)
{
    struct health *h = make(0);

    (void)state;
    assert_accepted(health_on_change(h, NULL, r));
    assert_accepted(health_start(h));
    add_pushed(h, "db", 0, 0);
    report(h, "db", F, NULL);
    assert_quiet(r, 0);
    service_end(h);
    assert_int_equal(count_of(r), 0);
}

static void it_stays_over_a_stop_and_a_start(void **state)
{
    struct health *h = make_started(0);
    int i;

    (void)state;
    add_pushed(h, "db", 0, 0);
    for (i = 0; i < 5; i++) {
        report(h, "db", i % 2 ? P : F, "so");
        assert_accepted(health_stop(h, LONG_MS));
        assert_int_equal(last_of(r, "health", true, F), i % 2 ? P : F);
        assert_accepted(health_start(h));
    }
    /* Set while it is stopped, it is told from the start on. */
    assert_accepted(health_stop(h, LONG_MS));
    assert_chains(r);
    assert_accepted(health_on_change(h, receive, &receivers[1]));
    assert_accepted(health_start(h));
    wait_last_of(&receivers[1], "db", false, F);
    service_end(h);
    assert_chains(&receivers[1]);
}

static void what_is_removed_is_told_of_no_more(void **state)
{
    struct health *h = make_started(0);
    size_t before;

    (void)state;
    add_pushed(h, "other", HEALTH_ALL, 0);
    report(h, "other", P, NULL);
    wait_last_of(r, "health", true, P);
    add_pushed(h, "db", HEALTH_READY, 0);
    report(h, "db", F, "down");
    wait_last("db", F);
    wait_last_of(r, "health", true, F);
    assert_accepted(health_remove(h, "db"));
    wait_last_of(r, "ready", true, P);
    wait_last_of(r, "health", true, P);
    before = count_of(r);
    assert_quiet(r, before);
    wait_last("db", F);
    /* Another of the name is another. */
    add_pushed(h, "db", HEALTH_READY, 0);
    report(h, "db", W, "so so");
    wait_last("db", W);
    service_end(h);
    for (before = count_of(r); strcmp(r->notes[before - 1].name, "db") != 0; before--)
        ;
    assert_int_equal(r->notes[before - 1].before, P);
}

/* ---- Slow receivers ---- */

#define TOGGLED 4

static struct health *toggled;
static atomic_bool enough;
static unsigned final_status[TOGGLED];
static atomic_ulong reports;

static void *toggle(void *arg)
{
    unsigned i = (unsigned)(intptr_t)arg, seed = i + 1;
    intptr_t failed = 0;
    char name[8];

    (void)snprintf(name, sizeof(name), "c%u", i);
    while (!atomic_load(&enough)) {
        final_status[i] = (unsigned)rand_r(&seed) % 3;
        failed |= health_report(toggled, name, (enum health_status)final_status[i], "%s", name);
        (void)atomic_fetch_add(&reports, 1);
        if (rand_r(&seed) % 16 == 0)
            asking_pause(rand_r(&seed) % 4);
    }
    return (void *)failed;
}

static unsigned worst_of(unsigned from)
{
    unsigned worst = P, i;

    for (i = from; i < TOGGLED; i += 2)
        worst = final_status[i] > worst ? final_status[i] : worst;
    return worst;
}

/* c0 and c2 are of /live too. */
static void toggle_for(struct health *h, int ms)
{
    pthread_t threads[TOGGLED];
    void *failed;
    unsigned i;

    toggled = h;
    atomic_store(&enough, false);
    atomic_store(&reports, 0);
    for (i = 0; i < TOGGLED; i++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "c%u", i);
        add_pushed(h, name, i % 2 ? HEALTH_READY : HEALTH_LIVE, 0);
    }
    for (i = 0; i < TOGGLED; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, toggle, (void *)(intptr_t)i), 0);
    asking_pause(ms);
    atomic_store(&enough, true);
    for (i = 0; i < TOGGLED; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static void assert_told_the_end(void)
{
    unsigned i;

    for (i = 1; i < count_of(r); i++)
        assert_true(r->notes[i].time_ms >= r->notes[i - 1].time_ms);
    for (i = 0; i < TOGGLED; i++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "c%u", i);
        assert_int_equal(last_of(r, name, false, P), final_status[i]);
    }
    assert_int_equal(last_of(r, "live", true, P), worst_of(0));
    assert_int_equal(last_of(r, "ready", true, F), worst_of(1));
    assert_int_equal(
        last_of(r, "health", true, F), worst_of(0) > worst_of(1) ? worst_of(0) : worst_of(1));
    assert_int_equal(last_of(r, "startup", true, F), P);
    assert_chains(r);
    assert_true(count_of(r) < atomic_load(&reports));
}

/* In order, and in the end: what is told last is how it is. */
static void a_slow_one_is_told_the_end(void **state)
{
    int64_t deadline = 0;
    struct health *h = make_started(0);
    size_t count = 0;

    (void)state;
    slow_down(r, 20);
    toggle_for(h, 1000);
    /* Until nothing has come for a while: longer than any call takes. */
    while (deadline == 0 || client_now_ms() < deadline) {
        size_t now = count_of(r);

        if (now != count || deadline == 0)
            deadline = client_deadline(SLACK_MS);
        count = now;
        asking_pause(5);
    }
    service_end(h);
    assert_told_the_end();
    assert_int_equal(count_of(r), count);
}

static void a_stop_waits_until_the_end_is_told(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < 5; i++) {
        struct health *h = make_started(0);
        size_t count;

        slow_down(r, 20);
        toggle_for(h, 60);
        assert_accepted(health_stop(h, LONG_MS));
        count = count_of(r);
        assert_told_the_end();
        health_free(h);
        assert_int_equal(count_of(r), count);
    }
}

static void it_is_told_once_at_a_time(void **state)
{
    struct health *h = make_started(8);
    int i;

    (void)state;
    slow_down(r, 10);
    add_pushed(h, "db", HEALTH_ALL, 0);
    for (i = 0; i < 20; i++) {
        report(h, "db", i % 2 ? P : F, NULL);
        asking_pause(3);
    }
    service_end(h);
    assert_chains(r);
}

/* As of when it changed, and in that order, however late it is told. */
static void a_slow_one_is_told_when_it_was(void **state)
{
    struct health *h = make(0);
    int64_t failed_at, warned_at, seen_by;
    size_t at = 0;

    (void)state;
    add_pushed(h, "a", HEALTH_LIVE, 0);
    add_pushed(h, "b", HEALTH_ALL, 0);
    report(h, "a", P, NULL);
    report(h, "b", P, NULL);
    hold(r, true);
    assert_accepted(health_start(h));
    assert_note(&at, "ready", HEALTH_READY, F, P, "");
    asking_pause(50);
    failed_at = document_now_ms();
    report(h, "a", F, NULL);
    asking_pause(100);
    report(h, "b", W, NULL);
    asking_pause(100);
    warned_at = document_now_ms();
    report(h, "a", W, NULL);
    /* The loop has seen it when it has come round. */
    assert_accepted(health_document(h, HEALTH_LIVE, NULL, 0, NULL, NULL));
    assert_accepted(health_document(h, HEALTH_LIVE, NULL, 0, NULL, NULL));
    seen_by = document_now_ms();
    asking_pause(100);
    hold(r, false);
    assert_note(&at, "startup", HEALTH_STARTUP, F, P, "");
    /* The others change with the first, or the last. */
    assert_between(assert_note(&at, "b", 0, P, W, "")->time_ms, failed_at + 100 - ROUNDING_MS,
        warned_at + ROUNDING_MS);
    assert_between(assert_note(&at, "a", 0, P, W, "")->time_ms, warned_at - ROUNDING_MS,
        seen_by + ROUNDING_MS);
    assert_between(assert_note(&at, "live", HEALTH_LIVE, P, W, "a")->time_ms,
        warned_at - ROUNDING_MS, seen_by + ROUNDING_MS);
    assert_note(&at, "health", HEALTH_ALL, F, W, "a");
    assert_quiet(r, at);
    service_end(h);
    assert_chains(r);
}

/* A call that no worker has begun is not made once another has taken the place, or none. */
static void one_that_is_replaced_is_not_called(void **state)
{
    static struct puppet p;
    struct health_check check;
    int i;

    (void)state;
    for (i = 0; i < 2; i++) {
        struct health *h = make(1);
        size_t before;

        /* The only worker is busy. */
        puppet_init(&p);
        puppet_hold(&p);
        check = puppet_check(&p, "busy");
        check.interval_ms = 60000;
        check.timeout_ms = 60000;
        assert_accepted(health_add_check(h, &check));
        assert_accepted(health_on_change(h, NULL, NULL));
        assert_accepted(health_start(h));
        assert_true(puppet_wait_begun(&p, 1, LONG_MS));
        assert_accepted(health_on_change(h, receive, r));
        add_pushed(h, "db", HEALTH_LIVE, 0);
        report(h, "db", F, NULL);
        asking_pause(50);
        before = count_of(r);
        if (i == 0)
            assert_accepted(health_on_change(h, NULL, NULL));
        else
            assert_accepted(health_on_change(h, receive, &receivers[1]));
        puppet_let_go(&p);
        if (i == 1) {
            wait_last_of(&receivers[1], "db", false, F);
            wait_last_of(&receivers[1], "live", true, F);
            assert_chains(&receivers[1]);
        }
        assert_quiet(r, before);
        service_end(h);
        assert_int_equal(count_of(r), before);
    }
}

/* ---- Hung receivers ---- */

static void a_hung_one_holds_up_no_check(void **state)
{
    static struct puppet p;
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check;
    struct health *h;
    char said[256];
    int64_t begin;
    unsigned begun;
    int error;

    (void)state;
    receiver_init(r);
    hold(r, true);
    options.workers = 1;
    h = service_start(&options);
    puppet_init(&p);
    check = puppet_check(&p, "db");
    check.max_age_ms = 1;
    assert_accepted(health_add_check(h, &check));
    assert_accepted(health_on_change(h, receive, r));
    wait_count(r, 1);
    document_free(asking_until(service_port(h), "/health", "db", "pass", LONG_MS));
    begun = puppet_begun(&p);
    puppet_says(&p, HEALTH_FAIL, "down");
    document_free(asking_until(service_port(h), "/health", "db", "fail", LONG_MS));
    puppet_says(&p, HEALTH_PASS, NULL);
    document_free(asking_until(service_port(h), "/health", "db", "pass", LONG_MS));
    assert_true(puppet_begun(&p) > begun + 1);
    assert_int_equal(count_of(r), 1);

    begin = client_now_ms();
    errno = 0;
    error = health_stop(h, 200);
    assert_int_equal(errno, EBUSY);
    assert_int_equal(error, HEALTH_EBUSY);
    assert_between(client_now_ms() - begin, 200 - ROUNDING_MS, 200 + SLACK_MS);
    (void)snprintf(said, sizeof(said), "%s", health_last_error());
    assert_refused(health_start(h), HEALTH_EBUSY, EBUSY, NULL);
    hold(r, false);
    assert_accepted(health_stop(h, LONG_MS));
    assert_accepted(health_start(h));
    service_end(h);
    assert_chains(r);
    if (strstr(said, "health_on_change") == NULL)
        fail_msg("it names another culprit: %s", said);
}

static void freeing_leaves_the_rest_to_a_hung_one(void **state)
{
    /* Of no other test: nobody is told when the last thread is done with it. */
    static struct receiver own;
    struct health *h = make(0);

    (void)state;
    receiver_init(&own);
    hold(&own, true);
    assert_accepted(health_on_change(h, receive, &own));
    assert_accepted(health_start(h));
    wait_count(&own, 1);
    health_free(h);
    hold(&own, false);
    /* That all is freed then, the recount and a sanitizer will see. */
    assert_int_equal(count_of(&own), 1);
}

/* ---- Inside ---- */

static struct health *of_the_inside;
static int results[16];
static enum health_status told_inside;
static char document_inside[4096];

static void use_all(const struct health_change *change)
{
    struct health_check check = HEALTH_CHECK_INIT;
    struct health_heartbeat *beat;
    struct health *h = of_the_inside;
    size_t length;
    int i = 0;

    if (strcmp(change->name, "db") != 0 || change->after != HEALTH_FAIL)
        return;
    let_call(r, NULL);
    check.name = "inner";
    results[i++] = health_add_check(h, &check);
    results[i++] = health_report(h, "inner", HEALTH_WARN, "%s", "from inside");
    results[i++] = health_add_heartbeat(h, "beat", 60000, 0, &beat);
    results[i++] = health_document(
        h, HEALTH_ALL, document_inside, sizeof(document_inside), &length, &told_inside);
    results[i++] = health_remove(h, "beat");
    results[i++] = health_remove(h, "db");
    results[i++] = health_on_change(h, receive, &receivers[1]);
    health_set_ready(h, false);
    results[i++] = health_stop(h, 100);
    results[i++] = health_start(h);
    results[i++] = health_port(h);
    health_free(h);
    results[i] = 4242;
}

static void inside_all_may_be_called(void **state)
{
    static const int expected[] = {0, 0, 0, 0, 0, 0, 0, HEALTH_EDEADLK, HEALTH_EALREADY, 0, 4242};
    struct health *h = of_the_inside = make_started(1);
    size_t i;

    (void)state;
    memset(results, 0, sizeof(results));
    let_call(r, use_all);
    add_pushed(h, "db", 0, 0);
    report(h, "db", F, "down");
    wait_last("db", F);
    /* The new one takes over. */
    wait_last_of(&receivers[1], "inner", false, W);
    for (i = 0; i < COUNT(expected); i++)
        assert_int_equal(results[i], expected[i]);
    assert_int_equal(told_inside, HEALTH_FAIL);
    assert_non_null(strstr(document_inside, "from inside"));
    service_end(h);
    assert_chains(&receivers[1]);
    assert_false(is_wrong(r));
}

static atomic_int set_again;

static void set_it_again(const struct health_change *change)
{
    if (change->probe == 0 && atomic_fetch_sub(&set_again, 1) > 0)
        (void)health_on_change(of_the_inside, receive, r);
}

/* Each time it is a new one, that is told what is not as it begins. */
static void it_may_set_itself(void **state)
{
    struct health *h = of_the_inside = make_started(0);
    int64_t deadline = client_deadline(LONG_MS);
    int told = 0;
    size_t i;

    (void)state;
    atomic_store(&set_again, 3);
    let_call(r, set_it_again);
    add_pushed(h, "db", 0, 0);
    report(h, "db", W, "so so");
    while (atomic_load(&set_again) >= 0 && client_now_ms() < deadline)
        asking_pause(5);
    report(h, "db", P, NULL);
    wait_last("db", P);
    service_end(h);
    for (i = 0; i < count_of(r); i++)
        told += strcmp(r->notes[i].name, "db") == 0 && r->notes[i].before == P;
    assert_int_equal(told, 4);
}

/* ---- fork() ---- */

static int be_told_in_the_child(struct process *self, void *arg)
{
    struct health *h = arg;

    (void)self;
    /* Here it is stopped, whatever was being told there; and may be started. */
    receiver_init(r);
    PROCESS_CHECK(health_report(h, "db", HEALTH_WARN, NULL) == 0);
    asking_pause(50);
    PROCESS_CHECK(count_of(r) == 0);
    PROCESS_CHECK(health_start(h) == 0);
    PROCESS_CHECK(health_report(h, "db", HEALTH_PASS, NULL) == 0);
    PROCESS_CHECK(health_stop(h, LONG_MS) == 0);
    PROCESS_CHECK(count_of(r) > 0 && last_of(r, "db", false, 99) == P);
    PROCESS_CHECK(last_of(r, "ready", true, P) == P);
    return 0;
}

static void in_a_child_it_is_there_for_its_start(void **state)
{
    struct process child;
    struct health *h;
    int i;

    (void)state;
    if (PROCESS_THREAD_SANITIZED) {
        print_message("SKIPPED: the sanitizer knows no threads in the child of a fork\n");
        skip();
    }
    h = make_started(0);
    add_pushed(h, "db", 0, 0);
    for (i = 0; i < 3; i++) {
        report(h, "db", P, NULL);
        wait_last_of(r, "health", true, P);
        report(h, "db", F, "down");
        wait_last_of(r, "health", true, F);
        /* The second is made while a call is under way. */
        hold(r, i == 1);
        if (i == 1) {
            report(h, "db", W, "so so");
            wait_last("db", W);
        }
        assert_int_equal(process_start(&child, be_told_in_the_child, h), 0);
        assert_int_equal(process_end(&child), 0);
        hold(r, false);
    }
    service_end(h);
    assert_chains(r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, refused_count, refused_recount)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_change_is_told_in_order),
        TEST(gates_change_probes),
        TEST(probes_are_as_their_checks_make_them),
        TEST(what_time_alone_makes_is_told),
        TEST(on_demand_ones_change_when_they_are_asked),
        TEST(it_says_what_the_document_says),
        TEST(a_new_receiver_is_told_what_is_not_as_it_begins),
        TEST(without_one_nothing_is_told),
        TEST(it_stays_over_a_stop_and_a_start),
        TEST(what_is_removed_is_told_of_no_more),
        TEST(a_slow_one_is_told_the_end),
        TEST(a_stop_waits_until_the_end_is_told),
        TEST(a_slow_one_is_told_when_it_was),
        TEST(it_is_told_once_at_a_time),
        TEST(one_that_is_replaced_is_not_called),
        TEST(a_hung_one_holds_up_no_check),
        TEST(freeing_leaves_the_rest_to_a_hung_one),
        TEST(inside_all_may_be_called),
        TEST(it_may_set_itself),
        TEST(in_a_child_it_is_there_for_its_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
