/*
 * The service under test.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "service.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void must(int result, const char *what)
{
    if (result < 0)
        fail_msg("%s: %s: %s", what, health_strerror(result), health_last_error());
}

struct health *service_start(const struct health_options *options)
{
    struct health_options o = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;

    o.response_ms = 10000;
    if (options != NULL)
        o = *options;
    if (o.listen == NULL)
        o.listen = "127.0.0.1:0";
    must(health_new(&h, &o), "health_new");
    must(health_start(h), "health_start");
    return h;
}

void service_end(struct health *h)
{
    must(health_stop(h, 10000), "health_stop");
    health_free(h);
}

int service_port(const struct health *h)
{
    int port = health_port(h);

    must(port, "health_port");
    assert_int_not_equal(port, 0);
    return port;
}

enum health_status service_told(struct health_result *result, void *arg)
{
    struct told *told = arg;
    enum health_status status = (enum health_status)atomic_load(&told->status);
    const char *reason = atomic_load(&told->reason);

    atomic_fetch_add(&told->runs, 1);
    if (told->observes)
        health_observe(result, told->value, told->unit);
    return reason != NULL ? health_explain(result, status, "%s", reason) : status;
}

void service_tell(struct told *told, enum health_status status, const char *reason)
{
    atomic_store(&told->reason, reason);
    atomic_store(&told->status, (int)status);
    (void)poll(NULL, 0, 3);
}

static void add(
    struct health *h, const char *name, struct told *told, unsigned probes, unsigned advisory)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = name;
    check.fn = service_told;
    check.arg = told;
    check.probes = probes;
    check.advisory = advisory;
    check.max_age_ms = 1;
    check.timeout_ms = 60000;
    must(health_add_check(h, &check), "health_add_check");
}

void service_add(struct health *h, const char *name, struct told *told, unsigned probes)
{
    add(h, name, told, probes, 0);
}

void service_add_advisory(struct health *h, const char *name, struct told *told, unsigned probes)
{
    add(h, name, told, probes, 1);
}

void service_add_pushed(struct health *h, const char *name, unsigned probes)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = name;
    check.probes = probes;
    must(health_add_check(h, &check), "health_add_check");
}
