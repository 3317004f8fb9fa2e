/*
 * Instances.
 *
 * The process-wide one is made by whoever first needs it, and never freed.  Its gates are here from
 * the start, so that a signal handler need not make anything.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "instance.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "answer/inside.h"
#include "base/error.h"
#include "core/read.h"

#define DEFAULT_RESPONSE_MS 800
#define DEFAULT_CONNECTIONS 256
#define DEFAULT_WORKERS     16
#define MAX_RESPONSE_MS     60000
#define MAX_CONNECTIONS     65536
#define MAX_WORKERS         1024

/* What version 0.1 had of the struct: never more, so that programs built with it go on working. */
#define FIRST_OPTIONS_BYTES (offsetof(struct health_options, reserved) + sizeof(unsigned))

static struct health__gates process_gates;
static struct health *_Atomic process_instance;

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

/* `gates` NULL: with its own. */
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

int health__instance_free(struct health *h)
{
    return health__engine_free(&h->engine, gone, h);
}

int health__instance_make(struct health **ret_h, const struct health_options *options)
{
    return make(ret_h, options, NULL);
}

static int there_is_one(void)
{
    return health__fail(HEALTH_EEXIST, EEXIST, "the process-wide instance is there already");
}

int health__instance_make_process(const struct health_options *options)
{
    struct health *expected = NULL, *h = NULL;
    int error;

    if (atomic_load(&process_instance) != NULL)
        return there_is_one();
    error = make(&h, options, &process_gates);
    if (error != 0)
        return error;
    if (atomic_compare_exchange_strong(&process_instance, &expected, h))
        return 0;
    /* Another thread was quicker. */
    (void)health__instance_free(h);
    return there_is_one();
}

struct health *health__instance(struct health *h, int *ret_error)
{
    char kept[HEALTH__SENTENCE_BYTES];

    if (h != NULL)
        return h;
    h = atomic_load(&process_instance);
    if (h != NULL)
        return h;
    health__error_keep(kept);
    *ret_error = health__instance_make_process(NULL);
    if (*ret_error == HEALTH_EEXIST) {
        *ret_error = 0;
        health__error_restore(kept);
    }
    return *ret_error == 0 ? atomic_load(&process_instance) : NULL;
}

/* In a signal handler errno is that of whom it has interrupted. */
void health__instance_set_gate(struct health *h, unsigned bit, bool on)
{
    int before = errno;

    if (h == NULL)
        h = atomic_load(&process_instance);
    if (h == NULL) {
        health__gates_set(&process_gates, bit, on);
        /* It may have come meanwhile, and know only the gates from before. */
        h = atomic_load(&process_instance);
    }
    if (h != NULL)
        health__engine_set_gate(&h->engine, bit, on);
    errno = before;
}
