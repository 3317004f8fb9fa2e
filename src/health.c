/*
 * The public functions: each finds its instance, and leaves the work to a room.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <health/health.h>

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "answer/inside.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "core/read.h"
#include "instance.h"

#define MAX_PORT 65535

/* What version 0.1 had of the struct: never more, so that programs built with it go on working. */
#define FIRST_CHECK_BYTES (offsetof(struct health_check, reserved) + sizeof(unsigned))

/* A call of a public function. */
struct call {
    int errno_before;
    int shield;
};

static struct call enter(void)
{
    int before = errno;

    return (struct call){before, health__thread_shield()};
}

/* On success errno is as it was. */
static int leave(struct call call, int error)
{
    if (error >= 0)
        errno = call.errno_before;
    health__thread_unshield(call.shield);
    return error;
}

int health_new(struct health **ret_h, const struct health_options *options)
{
    struct call call = enter();
    int error;

    if (ret_h != NULL)
        error = health__instance_make(ret_h, options);
    else
        error = health__instance_make_process(options);
    return leave(call, error);
}

void health_free(struct health *h)
{
    char kept[HEALTH__SENTENCE_BYTES];
    struct call call;

    if (h == NULL)
        return;
    call = enter();
    /* Stopping what is not started, or cannot be stopped yet, is part of it. */
    health__error_keep(kept);
    if (health__instance_free(h) == 0)
        health__error_restore(kept);
    (void)leave(call, 0);
}

/* ---- Life ---- */

static int start(struct health *h, const char *listen)
{
    struct call call = enter();
    int error = 0;

    h = health__instance(h, &error);
    if (h != NULL)
        error = health__engine_start(&h->engine, listen);
    return leave(call, error);
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
    struct call call = enter();
    int error = 0;

    h = health__instance(h, &error);
    if (h != NULL)
        error = health__engine_stop(&h->engine, timeout_ms);
    return leave(call, error);
}

int health_port(const struct health *h)
{
    struct call call = enter();
    int error = 0;
    /* Only its lock is changed. */
    struct health *of = health__instance((struct health *)(uintptr_t)h, &error);

    if (of == NULL)
        return leave(call, error);
    if (!health__engine_is_started(&of->engine))
        return leave(call, health__fail(HEALTH_ESTOPPED, EINVAL, "the instance is not started"));
    return leave(call, (int)atomic_load(&of->http.port));
}

/* ---- Checks ---- */

int health_add_check(struct health *h, const struct health_check *check)
{
    struct call call = enter();
    int error = 0;
    struct health_check read;

    if (check == NULL)
        return leave(call, health__fail(HEALTH_EINVAL, EINVAL, "the check is NULL"));
    error =
        health__struct_read(&read, sizeof(read), FIRST_CHECK_BYTES, check, "struct health_check");
    if (error != 0)
        return leave(call, error);
    h = health__instance(h, &error);
    if (h != NULL)
        error = health__engine_add(&h->engine, &read);
    return leave(call, error);
}

int health_register_check(const char *name, health_check_fn *fn, void *arg)
{
    struct health_check check = HEALTH_CHECK_INIT;

    if (fn == NULL)
        return health__fail(HEALTH_EINVAL, EINVAL, "the callback is NULL");
    check.name = name;
    check.fn = fn;
    check.arg = arg;
    return health_add_check(NULL, &check);
}

int health_remove(struct health *h, const char *name)
{
    struct call call = enter();
    int error = 0;

    if (name == NULL)
        return leave(call, health__fail(HEALTH_EINVAL, EINVAL, "the name is NULL"));
    h = health__instance(h, &error);
    if (h != NULL)
        error = health__engine_remove(&h->engine, name);
    return leave(call, error);
}

int health_report(
    struct health *h, const char *name, enum health_status status, const char *format, ...)
{
    struct call call = enter();
    int error = 0;
    struct health_result said;
    va_list arguments;

    if (name == NULL)
        return leave(call, health__fail(HEALTH_EINVAL, EINVAL, "the name is NULL"));
    if (status != HEALTH_PASS && status != HEALTH_WARN && status != HEALTH_FAIL)
        return leave(call,
            health__fail(HEALTH_EINVAL, EINVAL, "'%.128s': %d is no status", name, (int)status));
    health__result_init(&said, HEALTH__NEVER);
    va_start(arguments, format);
    health__result_explain(&said, format, arguments);
    va_end(arguments);
    h = health__instance(h, &error);
    if (h != NULL)
        error = health__engine_report(&h->engine, name, status, &said);
    return leave(call, error);
}

/* ---- Heartbeats ---- */

int health_add_heartbeat(struct health *h, const char *name, unsigned max_age_ms, unsigned probes,
    struct health_heartbeat **ret_b)
{
    struct call call = enter();
    int error = 0;

    if (ret_b == NULL)
        return leave(
            call, health__fail(HEALTH_EINVAL, EINVAL, "there is no place for the heartbeat"));
    h = health__instance(h, &error);
    if (h != NULL)
        error = health__engine_add_heartbeat(&h->engine, name, max_age_ms, probes, ret_b);
    return leave(call, error);
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

void health_set_started(struct health *h, bool started)
{
    health__instance_set_gate(h, HEALTH__NOT_STARTED, !started);
}

void health_set_ready(struct health *h, bool ready)
{
    health__instance_set_gate(h, HEALTH__NOT_READY, !ready);
}

void health_drain(struct health *h)
{
    health__instance_set_gate(h, HEALTH__DRAINING, true);
}

/* ---- Asking from inside ---- */

int health_document(struct health *h, unsigned probe, char *buf, size_t size, size_t *ret_len,
    enum health_status *ret_status)
{
    struct call call = enter();
    int error = 0;

    h = health__instance(h, &error);
    if (h != NULL)
        error = health__answer_inside(&h->inside, probe, h->http.details != HEALTH_DETAILS_NONE,
            buf, size, ret_len, ret_status);
    return leave(call, error);
}

int health_on_change(struct health *h, health_change_fn *fn, void *arg)
{
    struct call call = enter();
    int error = 0;

    h = health__instance(h, &error);
    if (h != NULL)
        error = health__notifier_set(&h->notifier, fn, arg);
    return leave(call, error);
}
