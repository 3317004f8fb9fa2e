/*
 * The public functions: each finds its instance, and leaves the work to a room.
 *
 * The process-wide instance is made by whoever first needs it, and never freed.  Its gates are here
 * from the start, so that a signal handler need not make anything.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <health/health.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/answer.h"
#include "answer/inside.h"
#include "base/clock.h"
#include "base/error.h"
#include "core/read.h"
#include "engine/engine.h"
#include "http/http.h"
#include "notify/notify.h"

#define DEFAULT_RESPONSE_MS 800
#define DEFAULT_CONNECTIONS 256
#define DEFAULT_WORKERS     16
#define MAX_RESPONSE_MS     60000
#define MAX_CONNECTIONS     65536
#define MAX_WORKERS         1024
#define MAX_PORT            65535

/* What version 0.1 had of each struct: never more, so that programs built with it go on working. */
#define FIRST_OPTIONS_BYTES (offsetof(struct health_options, reserved) + sizeof(unsigned))
#define FIRST_CHECK_BYTES   (offsetof(struct health_check, reserved) + sizeof(unsigned))

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

static struct health__gates process_gates;
static struct health *_Atomic process_instance;

/* ---- Instances ---- */

static int check_limit(const char *name, unsigned value, unsigned max)
{
    if (value <= max)
        return 0;
    return health__fail(HEALTH_EINVAL, EINVAL, "options: %s is %u, more than %u", name, value, max);
}

/* Reads options of any header's version, and puts the defaults in. */
static int read_options(struct health_options *ret_options, const struct health_options *options)
{
    static const struct health_options defaults = HEALTH_OPTIONS_INIT;
    struct health_options o;
    int error;

    error = health__struct_read(&o, sizeof(o), FIRST_OPTIONS_BYTES,
        options != NULL ? options : &defaults, "struct health_options");
    if (error == 0)
        error = health__listeners_check(o.listen);
    if (error == 0)
        error = check_limit("details", o.details, HEALTH_DETAILS_NONE);
    if (error == 0)
        error = check_limit("response_ms", o.response_ms, MAX_RESPONSE_MS);
    if (error == 0)
        error = check_limit("connections", o.connections, MAX_CONNECTIONS);
    if (error == 0)
        error = check_limit("workers", o.workers, MAX_WORKERS);
    if (error == 0)
        error = check_limit("reserved", o.reserved, 0);
    if (error != 0)
        return error;
    if (o.response_ms == 0)
        o.response_ms = DEFAULT_RESPONSE_MS;
    if (o.connections == 0)
        o.connections = DEFAULT_CONNECTIONS;
    if (o.workers == 0)
        o.workers = DEFAULT_WORKERS;
    *ret_options = o;
    return 0;
}

/* Frees what is left of an instance when its engine is gone, or never was. */
static void gone(void *arg)
{
    struct health *h = arg;
    size_t i;

    health__answers_clear(&h->inside);
    for (i = 0; i < sizeof(h->strings) / sizeof(h->strings[0]); i++)
        free(h->strings[i]);
    free(h);
}

static int copy_strings(struct health *h, const struct health_options *o)
{
    const char *const from[] = {
        o->listen, o->service_id, o->version, o->release_id, o->description};
    size_t i;

    for (i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
        if (from[i] == NULL)
            continue;
        h->strings[i] = strdup(from[i]);
        if (h->strings[i] == NULL)
            return health__fail_memory();
    }
    return 0;
}

/* Makes an instance; `gates` NULL: with its own. */
static int make(
    struct health **ret_h, const struct health_options *options, struct health__gates *gates)
{
    struct health_options o;
    struct health *h;
    int error;

    error = read_options(&o, options);
    if (error != 0)
        return error;
    h = calloc(1, sizeof(*h));
    if (h == NULL)
        return health__fail_memory();
    h->gates = gates != NULL ? gates : &h->own_gates;
    error = copy_strings(h, &o);
    if (error == 0)
        error = health__engine_init(
            &h->engine, h->gates, &h->http.server, &h->notifier.observer, o.response_ms, o.workers);
    if (error != 0) {
        int cause = errno;

        gone(h);
        errno = cause;
        return error;
    }
    health__notifier_init(&h->notifier, &h->engine, o.systemd != 0);
    health__http_init(&h->http, &h->engine, &h->answers, h->strings[0],
        (enum health_details)o.details, o.connections);
    h->answers = (struct health__answers){
        .engine = &h->engine,
        .gates = h->gates,
        .maker = &health__reply_maker,
        .service_id = h->strings[1],
        .version = h->strings[2],
        .release_id = h->strings[3],
        .description = h->strings[4],
    };
    h->inside = h->answers;
    h->inside.maker = &health__bytes_maker;
    *ret_h = h;
    return 0;
}

/* Makes the process-wide instance.  Returns: HEALTH_EEXIST if another thread was quicker. */
static int make_process_instance(const struct health_options *options)
{
    struct health *expected = NULL, *h;
    int error;

    error = make(&h, options, &process_gates);
    if (error != 0)
        return error;
    if (atomic_compare_exchange_strong(&process_instance, &expected, h))
        return 0;
    (void)health__engine_free(&h->engine, gone, h);
    return health__fail(HEALTH_EEXIST, EEXIST, "the process-wide instance is there already");
}

/* The instance that `h` means; NULL, with *ret_error, if it could not be made. */
static struct health *instance(struct health *h, int *ret_error)
{
    char kept[HEALTH__SENTENCE_BYTES];

    if (h != NULL)
        return h;
    h = atomic_load(&process_instance);
    if (h != NULL)
        return h;
    health__error_keep(kept);
    *ret_error = make_process_instance(NULL);
    if (*ret_error == HEALTH_EEXIST) {
        *ret_error = 0;
        health__error_restore(kept);
    }
    return *ret_error == 0 ? atomic_load(&process_instance) : NULL;
}

/* On success errno is as it was. */
static int result(int error, int errno_before)
{
    if (error >= 0)
        errno = errno_before;
    return error;
}

int health_new(struct health **ret_h, const struct health_options *options)
{
    int before = errno, error;

    if (ret_h != NULL)
        error = make(ret_h, options, NULL);
    else if (atomic_load(&process_instance) != NULL)
        error = health__fail(HEALTH_EEXIST, EEXIST, "the process-wide instance is there already");
    else
        error = make_process_instance(options);
    return result(error, before);
}

void health_free(struct health *h)
{
    char kept[HEALTH__SENTENCE_BYTES];
    int before = errno;

    if (h == NULL)
        return;
    /* Stopping what is not started, or cannot be stopped yet, is part of it. */
    health__error_keep(kept);
    if (health__engine_free(&h->engine, gone, h) == 0)
        health__error_restore(kept);
    errno = before;
}

/* ---- Life ---- */

static int start(struct health *h, const char *listen)
{
    int before = errno, error = 0;

    h = instance(h, &error);
    if (h != NULL)
        error = health__engine_start(&h->engine, listen);
    return result(error, before);
}

int health_start(struct health *h)
{
    return start(h, NULL);
}

int health_serve(unsigned port)
{
    char listen[16];

    if (port > MAX_PORT)
        return health__fail(
            HEALTH_EINVAL, EINVAL, "port %u: there are ports from 0 to %d", port, MAX_PORT);
    (void)snprintf(listen, sizeof(listen), "*:%u", port);
    return start(NULL, listen);
}

int health_stop(struct health *h, unsigned timeout_ms)
{
    int before = errno, error = 0;

    h = instance(h, &error);
    if (h != NULL)
        error = health__engine_stop(&h->engine, timeout_ms);
    return result(error, before);
}

int health_port(const struct health *h)
{
    int before = errno, error = 0;
    /* Only its lock is changed. */
    struct health *of = instance((struct health *)(uintptr_t)h, &error);

    if (of == NULL)
        return error;
    if (!health__engine_is_started(&of->engine))
        return health__fail(HEALTH_ESTOPPED, EINVAL, "the instance is not started");
    return result((int)atomic_load(&of->http.port), before);
}

/* ---- Checks ---- */

int health_add_check(struct health *h, const struct health_check *check)
{
    int before = errno, error = 0;
    struct health_check read;

    if (check == NULL)
        return health__fail(HEALTH_EINVAL, EINVAL, "the check is NULL");
    error =
        health__struct_read(&read, sizeof(read), FIRST_CHECK_BYTES, check, "struct health_check");
    if (error != 0)
        return error;
    h = instance(h, &error);
    if (h != NULL)
        error = health__engine_add(&h->engine, &read);
    return result(error, before);
}

int health_register_check(const char *name, health_check_fn *fn, void *arg)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = name;
    check.fn = fn;
    check.arg = arg;
    return health_add_check(NULL, &check);
}

int health_remove(struct health *h, const char *name)
{
    int before = errno, error = 0;

    if (name == NULL)
        return health__fail(HEALTH_EINVAL, EINVAL, "the name is NULL");
    h = instance(h, &error);
    if (h != NULL)
        error = health__engine_remove(&h->engine, name);
    return result(error, before);
}

int health_report(
    struct health *h, const char *name, enum health_status status, const char *format, ...)
{
    int before = errno, error = 0;
    struct health_result said;
    va_list arguments;

    if (name == NULL)
        return health__fail(HEALTH_EINVAL, EINVAL, "the name is NULL");
    if (status != HEALTH_PASS && status != HEALTH_WARN && status != HEALTH_FAIL)
        return health__fail(HEALTH_EINVAL, EINVAL, "'%.128s': %d is no status", name, (int)status);
    health__result_init(&said, HEALTH__NEVER);
    va_start(arguments, format);
    health__result_explain(&said, format, arguments);
    va_end(arguments);
    h = instance(h, &error);
    if (h != NULL)
        error = health__engine_report(&h->engine, name, status, &said);
    return result(error, before);
}

/* ---- Heartbeats ---- */

int health_add_heartbeat(struct health *h, const char *name, unsigned max_age_ms, unsigned probes,
    struct health_heartbeat **ret_b)
{
    int before = errno, error = 0;

    if (ret_b == NULL)
        return health__fail(HEALTH_EINVAL, EINVAL, "there is no place for the heartbeat");
    h = instance(h, &error);
    if (h != NULL)
        error = health__engine_add_heartbeat(&h->engine, name, max_age_ms, probes, ret_b);
    return result(error, before);
}

void health_beat(struct health_heartbeat *b)
{
    if (b != NULL)
        atomic_store_explicit(&b->beat_at, health__coarse_ms(), memory_order_relaxed);
}

void health_idle(struct health_heartbeat *b)
{
    if (b != NULL)
        atomic_store_explicit(&b->beat_at, HEALTH__NEVER, memory_order_relaxed);
}

/* ---- Gates ---- */

/* Of the process-wide instance the gates are there before it is.  In a signal handler errno is that
 * of whom it has interrupted. */
static void set_gate(struct health *h, unsigned bit, bool on)
{
    int before = errno;

    if (h == NULL)
        h = atomic_load(&process_instance);
    if (h != NULL)
        health__engine_set_gate(&h->engine, bit, on);
    else
        health__gates_set(&process_gates, bit, on);
    errno = before;
}

void health_set_started(struct health *h, bool started)
{
    set_gate(h, HEALTH__NOT_STARTED, !started);
}

void health_set_ready(struct health *h, bool ready)
{
    set_gate(h, HEALTH__NOT_READY, !ready);
}

void health_drain(struct health *h)
{
    set_gate(h, HEALTH__DRAINING, true);
}

/* ---- Asking from inside ---- */

int health_document(struct health *h, unsigned probe, char *buf, size_t size, size_t *ret_len,
    enum health_status *ret_status)
{
    int before = errno, error = 0;

    h = instance(h, &error);
    if (h != NULL)
        error = health__answer_inside(&h->inside, probe, h->http.details != HEALTH_DETAILS_NONE,
            buf, size, ret_len, ret_status);
    return result(error, before);
}

int health_on_change(struct health *h, health_change_fn *fn, void *arg)
{
    int before = errno, error = 0;

    h = instance(h, &error);
    if (h != NULL)
        error = health__notifier_set(&h->notifier, fn, arg);
    return result(error, before);
}
