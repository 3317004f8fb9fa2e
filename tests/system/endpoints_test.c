/*
 * What each endpoint answers: the codes, which checks and gates count where, the paths by which it
 * is known, methods, headers, and connections.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <health/health.h>

#include "client.h"
#include "document.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How a check is. */
enum is { ABSENT, PASSING, WARNING, FAILING, PENDING };

enum { LIVE, STARTUP, READY, HEALTH, ENDPOINTS };

static const char *const paths[ENDPOINTS] = {"/live", "/startup", "/ready", "/health"};

/* Every path by which an endpoint is known, alone and with a trailing slash. */
static const struct {
    const char *path;
    int endpoint;
} names[] = {{"/live", LIVE}, {"/live/", LIVE}, {"/livez", LIVE}, {"/livez/", LIVE},
    {"/startup", STARTUP}, {"/startup/", STARTUP}, {"/startupz", STARTUP}, {"/startupz/", STARTUP},
    {"/ready", READY}, {"/ready/", READY}, {"/readyz", READY}, {"/readyz/", READY}, {"/", READY},
    {"/health", HEALTH}, {"/health/", HEALTH}, {"/healthz", HEALTH}, {"/healthz/", HEALTH}};

/* ---- What counts where ---- */

struct scenario {
    const char *what;
    struct {
        enum is is;
        unsigned probes;
        unsigned advisory;
    } checks[3];
    bool shut_started, shut_ready, draining;
    int codes[ENDPOINTS]; /* live, startup, ready, health: each asked of a fresh instance */
};

#define S HEALTH_STARTUP
#define R HEALTH_READY
#define L HEALTH_LIVE
#define A HEALTH_ALL
static const struct scenario scenarios[] = {
    {"no checks", {{0}}, 0, 0, 0, {200, 200, 200, 200}},
    {"all passing", {{PASSING, L, 0}, {PASSING, R, 0}, {PASSING, S, 0}}, 0, 0, 0,
        {200, 200, 200, 200}},
    {"a warning is no failure", {{WARNING, L, 0}, {WARNING, R, 0}, {WARNING, S, 0}}, 0, 0, 0,
        {200, 200, 200, 200}},

    {"live failing", {{FAILING, L, 0}}, 0, 0, 0, {503, 200, 200, 503}},
    {"ready failing", {{FAILING, R, 0}}, 0, 0, 0, {200, 200, 503, 503}},
    {"ready failing by default", {{FAILING, 0, 0}}, 0, 0, 0, {200, 200, 503, 503}},
    {"startup failing", {{FAILING, S, 0}}, 0, 0, 0, {200, 503, 503, 503}},
    {"shown in health alone, failing", {{FAILING, A, 0}}, 0, 0, 0, {200, 200, 200, 503}},
    {"all failing", {{FAILING, L | R | S, 0}}, 0, 0, 0, {503, 503, 503, 503}},
    {"one of three failing", {{PASSING, R, 0}, {FAILING, R, 0}, {PASSING, R, 0}}, 0, 0, 0,
        {200, 200, 503, 503}},

    {"live pending", {{PENDING, L, 0}}, 0, 0, 0, {200, 200, 200, 503}},
    {"ready pending", {{PENDING, R, 0}}, 0, 0, 0, {200, 200, 503, 503}},
    {"startup pending", {{PENDING, S, 0}}, 0, 0, 0, {200, 503, 503, 503}},
    {"shown in health alone, pending", {{PENDING, A, 0}}, 0, 0, 0, {200, 200, 200, 503}},
    {"all pending", {{PENDING, L | R | S, 0}}, 0, 0, 0, {200, 503, 503, 503}},

    {"advisory failing", {{FAILING, L | R | S, 1}}, 0, 0, 0, {200, 200, 200, 200}},
    {"advisory pending", {{PENDING, L | R | S, 1}}, 0, 0, 0, {200, 200, 200, 200}},
    {"advisory does not excuse others", {{FAILING, R, 1}, {FAILING, R, 0}}, 0, 0, 0,
        {200, 200, 503, 503}},

    {"not started", {{PASSING, L | R | S, 0}}, 1, 0, 0, {200, 503, 503, 503}},
    {"not started, no checks", {{0}}, 1, 0, 0, {200, 503, 503, 503}},
    {"not ready", {{PASSING, L | R | S, 0}}, 0, 1, 0, {200, 200, 503, 200}},
    {"draining", {{PASSING, L | R | S, 0}}, 0, 0, 1, {200, 200, 503, 200}},
    {"all gates", {{0}}, 1, 1, 1, {200, 503, 503, 503}},
    {"draining and live failing", {{FAILING, L, 0}}, 0, 0, 1, {503, 200, 503, 503}},
};
#undef S
#undef R
#undef L
#undef A

static void add_pushed(
    struct health *h, const char *name, enum is is, unsigned probes, unsigned advisory)
{
    struct health_check check = HEALTH_CHECK_INIT;

    if (is == ABSENT)
        return;
    check.name = name;
    check.probes = probes;
    check.advisory = advisory;
    assert_int_equal(health_add_check(h, &check), 0);
    if (is != PENDING)
        assert_int_equal(health_report(h, name, (enum health_status)(is - PASSING), "as told"), 0);
}

static struct health *scenario_start(const struct scenario *s)
{
    struct health *h = service_start(NULL);
    char name[2] = "a";
    size_t i;

    for (i = 0; i < COUNT(s->checks); i++, name[0]++)
        add_pushed(h, name, s->checks[i].is, s->checks[i].probes, s->checks[i].advisory);
    health_set_started(h, !s->shut_started);
    health_set_ready(h, !s->shut_ready);
    if (s->draining)
        health_drain(h);
    return h;
}

static void the_table_holds(void **state)
{
    size_t i, n;

    (void)state;
    for (i = 0; i < COUNT(scenarios); i++) {
        for (n = 0; n < COUNT(names); n++) {
            const struct scenario *s = &scenarios[i];
            struct health *h = scenario_start(s);
            struct response r;
            json_t *doc;

            client_get(service_port(h), names[n].path, &r);
            if (r.status != s->codes[names[n].endpoint])
                fail_msg("%s: %s is %d, not %d: %s", s->what, names[n].path, r.status,
                    s->codes[names[n].endpoint], r.body);
            doc = document_of(&r);
            assert_int_equal(document_gate(doc, "started"), !s->shut_started);
            assert_int_equal(document_gate(doc, "ready"), !s->shut_ready);
            assert_int_equal(document_gate(doc, "draining"), s->draining);
            document_free(doc);
            response_free(&r);
            service_end(h);
        }
    }
}

/* What one check of these probes makes of the endpoint; NULL: pass or warn. */
static const char *expected(int endpoint, enum is is, unsigned probes, bool advisory)
{
    unsigned counted = probes != 0 ? probes : (unsigned)HEALTH_READY;

    if (endpoint == LIVE)
        counted &= HEALTH_LIVE;
    else if (endpoint == STARTUP)
        counted &= HEALTH_STARTUP;
    else if (endpoint == READY)
        counted &= HEALTH_STARTUP | HEALTH_READY;
    if (counted == 0 || is == PASSING)
        return "pass";
    if (is == PENDING && endpoint == LIVE)
        return advisory ? NULL : "pass";
    if ((is == PENDING || is == FAILING) && !advisory)
        return "fail";
    /* Once it has passed, startup has nothing to warn of, and be it by this request. */
    return endpoint == STARTUP || counted == HEALTH_STARTUP ? NULL : "warn";
}

static void check_one(struct health *h, int endpoint, enum is is, unsigned probes, bool advisory)
{
    const char *want = expected(endpoint, is, probes, advisory);
    int code = want != NULL && strcmp(want, "fail") == 0 ? 503 : 200;
    json_t *doc = document_get(service_port(h), paths[endpoint], code);

    if (want != NULL && strcmp(document_status(doc), want) != 0)
        fail_msg("%s: %s, not %s, with probes %u, is %d, advisory %d", paths[endpoint],
            document_status(doc), want, probes, (int)is, advisory);
    document_free(doc);
}

/* One check on an instance of its own, asked by each endpoint.  /startup and /ready, which set the
 * latch, get an instance each. */
static void every_kind(enum is is, unsigned probes, bool advisory, bool pushed)
{
    static const enum health_status statuses[] = {
        HEALTH_PASS, HEALTH_PASS, HEALTH_WARN, HEALTH_FAIL};
    struct told told = {.status = 0};
    int last;

    for (last = STARTUP; last <= READY; last++) {
        struct health *h = service_start(NULL);

        if (pushed) {
            add_pushed(h, "x", is, probes, advisory);
        } else {
            atomic_store(&told.status, (int)statuses[is]);
            (advisory ? service_add_advisory : service_add)(h, "x", &told, probes);
        }
        check_one(h, LIVE, is, probes, advisory);
        check_one(h, HEALTH, is, probes, advisory);
        check_one(h, last, is, probes, advisory);
        service_end(h);
    }
}

static void every_kind_of_check_counts_where_it_should(void **state)
{
    unsigned probes;
    int is, advisory;

    (void)state;
    for (probes = 0; probes < 16; probes++) {
        for (advisory = 0; advisory < 2; advisory++) {
            for (is = PASSING; is <= PENDING; is++) {
                every_kind((enum is)is, probes, advisory, true);
                if (is != PENDING)
                    every_kind((enum is)is, probes, advisory, false);
            }
        }
    }
}

/* A callback that waits until it may go on. */
static enum health_status hanging(struct health_result *result, void *arg)
{
    (void)result;
    while (sem_wait(arg) != 0)
        ;
    return HEALTH_PASS;
}

static void an_unanswered_check_is_pending(void **state)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *h;
    json_t *doc;
    sem_t sem;
    int port;

    (void)state;
    assert_int_equal(sem_init(&sem, 0, 0), 0);
    options.response_ms = 50;
    h = service_start(&options);
    port = service_port(h);
    check.name = "slow";
    check.fn = hanging;
    check.arg = &sem;
    check.probes = HEALTH_LIVE | HEALTH_READY;
    check.timeout_ms = 60000;
    check.max_age_ms = 60000;
    assert_int_equal(health_add_check(h, &check), 0);

    doc = document_get(port, "/ready", 503);
    assert_string_equal(document_check_status(doc, "slow"), "fail");
    assert_string_equal(document_output(doc, "slow"), "no result yet");
    document_free(doc);
    doc = document_get(port, "/live?verbose", 200);
    assert_string_equal(document_check_status(doc, "slow"), "pass");
    assert_null(document_output(doc, "slow"));
    document_free(doc);

    /* Its first result, once it has one, is the same request's or the next one's. */
    assert_int_equal(sem_post(&sem), 0);
    int64_t deadline = client_deadline(CLIENT_TIMEOUT_MS);
    while (client_status(port, "/ready") != 200)
        assert_true(client_now_ms() < deadline);
    service_end(h);
    (void)sem_destroy(&sem);
}

/* ---- Startup ---- */

static void startup_once_passed_stays_passed(void **state)
{
    struct health *h = service_start(NULL);
    int port = service_port(h);

    (void)state;
    service_add_pushed(h, "warm", HEALTH_STARTUP);
    assert_int_equal(client_status(port, "/startup"), 503);
    assert_int_equal(client_status(port, "/ready"), 503);
    assert_int_equal(health_report(h, "warm", HEALTH_FAIL, NULL), 0);
    assert_int_equal(client_status(port, "/startup"), 503);
    assert_int_equal(health_report(h, "warm", HEALTH_PASS, NULL), 0);
    /* /health looks, and latches nothing. */
    assert_int_equal(client_status(port, "/health"), 200);
    assert_int_equal(health_report(h, "warm", HEALTH_FAIL, NULL), 0);
    assert_int_equal(client_status(port, "/startup"), 503);

    assert_int_equal(health_report(h, "warm", HEALTH_PASS, NULL), 0);
    assert_int_equal(client_status(port, "/startup"), 200);
    assert_int_equal(health_report(h, "warm", HEALTH_FAIL, NULL), 0);
    assert_int_equal(client_status(port, "/startup"), 200);
    assert_int_equal(client_status(port, "/ready"), 200);
    assert_int_equal(client_status(port, "/health"), 503);

    /* Also through a stop, and with a new check that never passed. */
    service_add_pushed(h, "new", HEALTH_STARTUP);
    assert_int_equal(client_status(port, "/startup"), 200);
    assert_int_equal(client_status(port, "/ready"), 200);
    assert_int_equal(health_stop(h, 10000), 0);
    assert_int_equal(health_start(h), 0);
    port = service_port(h);
    assert_int_equal(client_status(port, "/startup"), 200);
    assert_int_equal(client_status(port, "/ready"), 200);
    service_end(h);
}

static void ready_latches_startup_too(void **state)
{
    struct health *h = service_start(NULL);
    int port = service_port(h);

    (void)state;
    add_pushed(h, "warm", PASSING, HEALTH_STARTUP, 0);
    add_pushed(h, "db", FAILING, HEALTH_READY, 0);
    assert_int_equal(client_status(port, "/ready"), 503);
    assert_int_equal(health_report(h, "warm", HEALTH_FAIL, NULL), 0);
    assert_int_equal(client_status(port, "/startup"), 200);
    assert_int_equal(health_report(h, "db", HEALTH_PASS, NULL), 0);
    assert_int_equal(client_status(port, "/ready"), 200);
    service_end(h);
}

/* A check of both goes on to count for ready. */
static void a_check_of_startup_and_ready(void **state)
{
    struct health *h = service_start(NULL);
    int port = service_port(h);

    (void)state;
    add_pushed(h, "both", PASSING, HEALTH_STARTUP | HEALTH_READY, 0);
    assert_int_equal(client_status(port, "/startup"), 200);
    assert_int_equal(health_report(h, "both", HEALTH_FAIL, NULL), 0);
    assert_int_equal(client_status(port, "/startup"), 200);
    assert_int_equal(client_status(port, "/ready"), 503);
    service_end(h);
}

static void the_started_gate(void **state)
{
    struct health *h = NULL;
    struct health_options options = HEALTH_OPTIONS_INIT;
    json_t *doc;
    int port;

    (void)state;
    options.listen = "127.0.0.1:0";
    assert_int_equal(health_new(&h, &options), 0);
    health_set_started(h, false);
    assert_int_equal(health_start(h), 0);
    port = service_port(h);
    assert_int_equal(client_status(port, "/startup"), 503);
    assert_int_equal(client_status(port, "/ready"), 503);
    assert_int_equal(client_status(port, "/health"), 503);
    assert_int_equal(client_status(port, "/live"), 200);

    /* Without anyone having asked between, there is no latch. */
    health_set_started(h, true);
    health_set_started(h, false);
    assert_int_equal(client_status(port, "/startup"), 503);
    health_set_started(h, true);
    assert_int_equal(client_status(port, "/live"), 200);
    assert_int_equal(client_status(port, "/health"), 200);
    health_set_started(h, false);
    assert_int_equal(client_status(port, "/health"), 503);

    health_set_started(h, true);
    assert_int_equal(client_status(port, "/startup"), 200);
    health_set_started(h, false);
    assert_int_equal(client_status(port, "/startup"), 200);
    assert_int_equal(client_status(port, "/ready"), 200);
    doc = document_get(port, "/health", 200);
    assert_true(document_gate(doc, "started"));
    document_free(doc);
    service_end(h);
}

/* After the latch /startup asks nobody, and tells what was known last. */
static void a_passed_startup_runs_nothing(void **state)
{
    struct health *h = service_start(NULL);
    int port = service_port(h);
    struct told told = {.status = HEALTH_PASS};
    unsigned runs;
    json_t *doc;
    int i;

    (void)state;
    service_add(h, "warm", &told, HEALTH_STARTUP);
    assert_int_equal(client_status(port, "/startup"), 200);
    runs = atomic_load(&told.runs);
    assert_int_equal(runs, 1);
    service_tell(&told, HEALTH_FAIL, "cold");
    for (i = 0; i < 20; i++)
        assert_int_equal(client_status(port, "/startup"), 200);
    doc = document_get(port, "/startup?verbose", 200);
    assert_string_equal(document_status(doc), "pass");
    assert_string_equal(document_check_status(doc, "warm"), "pass");
    document_free(doc);
    assert_int_equal(client_status(port, "/ready"), 200);
    assert_int_equal(atomic_load(&told.runs), runs);
    service_end(h);
}

static void gates_are_read_at_every_request(void **state)
{
    struct health *h = service_start(NULL);
    int port = service_port(h), i;

    (void)state;
    for (i = 0; i < 50; i++) {
        health_set_ready(h, false);
        assert_int_equal(client_status(port, "/ready"), 503);
        assert_int_equal(client_status(port, "/live"), 200);
        health_set_ready(h, true);
        assert_int_equal(client_status(port, "/ready"), 200);
    }
    health_drain(h);
    health_set_ready(h, true);
    assert_int_equal(client_status(port, "/ready"), 503);
    assert_int_equal(client_status(port, "/live"), 200);
    assert_int_equal(health_stop(h, 10000), 0);
    assert_int_equal(health_start(h), 0);
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    service_end(h);
}

/* ---- Paths ---- */

static void any_query_will_do(void **state)
{
    static const char *const queries[] = {"?", "?x", "?x=1", "?probe=kubelet&ts=123", "?=", "?&&&",
        "?%", "?%zz=%00", "?x=%2F", "?a=b?c=d", "?/", "?verbosely=1", "?excluded=x", "?a;b"};
    struct health *h = service_start(NULL);
    char target[128];
    size_t i, n;

    (void)state;
    for (i = 0; i < COUNT(queries); i++) {
        for (n = 0; n < COUNT(names); n++) {
            (void)snprintf(target, sizeof(target), "%s%s", names[n].path, queries[i]);
            document_free(document_get(service_port(h), target, 200));
        }
    }
    service_end(h);
}

static void absolute_targets(void **state)
{
    static const struct {
        const char *target;
        int status;
    } cases[] = {{"http://test/live", 200}, {"http://test/ready", 503},
        {"http://test:80/ready", 503}, {"http://test/health?verbose", 503},
        {"HTTP://TEST/live", 200}, {"http://[::1]:8080/livez", 200}, {"http://test/", 503},
        {"http://test", 503}, {"http://test/live/", 200}, {"http://test/nope", 404},
        {"http://test/health/nope", 404}, {"http://test/health/a", 503}};
    struct health *h = service_start(NULL);
    size_t i;

    (void)state;
    add_pushed(h, "a", FAILING, HEALTH_READY, 0);
    for (i = 0; i < COUNT(cases); i++) {
        int status = client_status(service_port(h), cases[i].target);

        if (status != cases[i].status)
            fail_msg("%s: %d, not %d", cases[i].target, status, cases[i].status);
    }
    service_end(h);
}

/* A 404, 405 or 400: a short sentence. */
static void check_sentence(const struct response *r)
{
    const char *type = response_header(r, "Content-Type");

    assert_non_null(type);
    assert_int_equal(strncmp(type, "text/plain", 10), 0);
    assert_int_equal(response_header_count(r, "Content-Length"), 1);
    assert_in_range(r->body_length, 5, 300);
}

static void unknown_paths(void **state)
{
    static const char *const targets[] = {"/nope", "/Health", "/LIVE", "//health", "/health2",
        "/healthzz", "/liv", "/live/x", "/ready/x", "/startup/x", "/livez/x", "/metrics",
        "/favicon.ico", "/health/none", "/healthz/none", "/index.html?verbose", "/..", "/./health",
        "/x/../health", "/%00", "/health%00", "/live%2F", "/live;x", "/ready//"};
    struct health *h = service_start(NULL);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(targets); i++) {
        struct response r;

        client_get(service_port(h), targets[i], &r);
        if (r.status != 404)
            fail_msg("%s: %d, not 404", targets[i], r.status);
        check_sentence(&r);
        response_free(&r);
    }
    service_end(h);
}

/* ---- Methods and versions ---- */

static void head_is_get_without_the_body(void **state)
{
    static const char *const targets[] = {"/live", "/ready", "/startup", "/health", "/",
        "/health/a", "/health?verbose", "/live?verbose&exclude=b", "/nope", "/health/nope"};
    struct health *h = service_start(NULL);
    int port = service_port(h);
    size_t i;

    (void)state;
    add_pushed(h, "a", FAILING, HEALTH_READY, 0);
    add_pushed(h, "b", PASSING, HEALTH_LIVE, 0);
    for (i = 0; i < COUNT(targets); i++) {
        const struct client_request head = {.port = port, .method = "HEAD", .target = targets[i]};
        const struct client_request get = {.port = port, .target = targets[i]};
        const char *const same[] = {"Content-Length", "Content-Type", "Cache-Control",
            "X-Content-Type-Options", "Connection", "Allow"};
        struct response headed, got;
        char value[256];
        size_t n;

        client_ask(&get, &got);
        client_ask(&head, &headed);
        assert_int_equal(headed.status, got.status);
        assert_int_equal(headed.body_length, 0);
        assert_int_equal(
            strtol(response_header(&headed, "Content-Length"), NULL, 10), got.body_length);
        for (n = 0; n < COUNT(same); n++) {
            const char *text = response_header(&got, same[n]);

            (void)snprintf(value, sizeof(value), "%s", text != NULL ? text : "none");
            text = response_header(&headed, same[n]);
            assert_string_equal(text != NULL ? text : "none", value);
        }
        response_free(&headed);
        response_free(&got);
    }
    service_end(h);
}

/* Nothing of a body follows on the connection. */
static void head_leaves_the_connection_clean(void **state)
{
    struct health *h = service_start(NULL);
    int64_t deadline = client_deadline(CLIENT_TIMEOUT_MS);
    struct client c;
    struct response r;
    int i;

    (void)state;
    assert_int_equal(client_open(&c, "127.0.0.1", service_port(h)), 0);
    for (i = 0; i < 10; i++) {
        assert_int_equal(client_print(&c, "HEAD /health HTTP/1.1\r\nHost: test\r\n\r\n"), 0);
        assert_int_equal(client_read(&c, true, &r, deadline), CLIENT_OK);
        assert_int_equal(r.status, 200);
        response_free(&r);
        assert_int_equal(client_print(&c, "GET /nope HTTP/1.1\r\nHost: test\r\n\r\n"), 0);
        assert_int_equal(client_read(&c, false, &r, deadline), CLIENT_OK);
        assert_int_equal(r.status, 404);
        response_free(&r);
    }
    client_close(&c);
    service_end(h);
}

static void options_is_as_get(void **state)
{
    struct health *h = service_start(NULL);
    int port = service_port(h);
    struct response got, opted;
    size_t i;

    (void)state;
    add_pushed(h, "a", FAILING, HEALTH_READY, 0);
    for (i = 0; i < COUNT(names); i++) {
        const struct client_request q = {
            .port = port, .method = "OPTIONS", .target = names[i].path};

        client_get(port, names[i].path, &got);
        client_ask(&q, &opted);
        assert_int_equal(opted.status, got.status);
        assert_string_equal(opted.body, got.body);
        document_free(document_of(&opted));
        response_free(&got);
        response_free(&opted);
    }
    service_end(h);
}

/* To the byte what HAProxy's `option httpchk` sends. */
static void haproxy(void **state)
{
    struct health *h = service_start(NULL);
    int64_t deadline = client_deadline(CLIENT_TIMEOUT_MS);
    struct client c;
    struct response r;
    int i;

    (void)state;
    for (i = 0; i < 2; i++) {
        assert_int_equal(client_open(&c, "127.0.0.1", service_port(h)), 0);
        assert_int_equal(client_print(&c, "OPTIONS / HTTP/1.0\r\n\r\n"), 0);
        assert_int_equal(client_read(&c, false, &r, deadline), CLIENT_OK);
        assert_int_equal(r.status, i == 0 ? 200 : 503);
        assert_true(client_at_end(&c, deadline));
        response_free(&r);
        client_close(&c);
        health_drain(h);
    }
    service_end(h);
}

static void other_methods(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT",
        "PROPFIND", "FOO", "get", "Get", "HEADER", "GETS", "options"};
    struct health *h = service_start(NULL);
    size_t i, n;

    (void)state;
    for (i = 0; i < COUNT(methods); i++) {
        for (n = 0; n < COUNT(names); n++) {
            const struct client_request q = {
                .port = service_port(h), .method = methods[i], .target = names[n].path};
            struct response r;

            client_ask(&q, &r);
            if (r.status != 405)
                fail_msg("%s %s: %d, not 405", methods[i], names[n].path, r.status);
            assert_int_equal(response_header_count(&r, "Allow"), 1);
            assert_string_equal(response_header(&r, "Allow"), "GET, HEAD, OPTIONS");
            check_sentence(&r);
            response_free(&r);
        }
    }
    service_end(h);
}

static void other_methods_with_bodies(void **state)
{
    static const char *const headers[] = {"Content-Length: 0\r\n", "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n", "Content-Length: 1000000000\r\nExpect: 100-continue\r\n"};
    struct health *h = service_start(NULL);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(headers); i++) {
        const struct client_request q = {
            .port = service_port(h), .method = "POST", .target = "/health", .headers = headers[i]};
        struct response r;

        client_ask(&q, &r);
        assert_int_equal(r.status, 405);
        response_free(&r);
    }
    service_end(h);
}

static void versions_and_hosts(void **state)
{
    static const char *const versions[] = {"HTTP/1.0", "HTTP/1.1"};
    static const char *const accepts[] = {NULL, "Accept: */*\r\n", "Accept: text/html\r\n",
        "Accept: image/png;q=0\r\nAccept-Encoding: gzip, br\r\n", "Accept:\r\n",
        "Range: bytes=0-3\r\nIf-None-Match: *\r\nIf-Modified-Since: x\r\n"};
    struct health *h = service_start(NULL);
    size_t i, n;
    int no_host, keep_alive;

    (void)state;
    for (i = 0; i < COUNT(versions); i++) {
        for (n = 0; n < COUNT(accepts); n++) {
            for (no_host = 0; no_host < 2; no_host++) {
                for (keep_alive = 0; keep_alive < 2; keep_alive++) {
                    const struct client_request q = {.port = service_port(h),
                        .version = versions[i],
                        .headers = accepts[n],
                        .no_host = no_host,
                        .keep_alive = keep_alive};

                    document_free(document_ask(&q, 200));
                }
            }
        }
    }
    service_end(h);
}

/* ---- Headers and connections ---- */

static void headers(void **state)
{
    static const char *const unwanted[] = {"Transfer-Encoding", "Content-Encoding", "Location",
        "WWW-Authenticate", "Set-Cookie", "Server"};
    struct health *h = service_start(NULL);
    size_t i, n;

    (void)state;
    add_pushed(h, "a", FAILING, HEALTH_READY, 0);
    for (i = 0; i < COUNT(names); i++) {
        struct response r;

        client_get(service_port(h), names[i].path, &r);
        document_free(document_of(&r));
        assert_int_equal(strtol(response_header(&r, "Content-Length"), NULL, 10), r.body_length);
        for (n = 0; n < COUNT(unwanted); n++)
            assert_null(response_header(&r, unwanted[n]));
        response_free(&r);
    }
    service_end(h);
}

static void connections_are_kept(void **state)
{
    struct health *h = service_start(NULL);
    int64_t deadline = client_deadline(CLIENT_TIMEOUT_MS);
    struct told told = {.status = HEALTH_PASS};
    struct response r;
    struct client c;
    int i;

    (void)state;
    service_add(h, "a", &told, HEALTH_READY);
    assert_int_equal(client_open(&c, "127.0.0.1", service_port(h)), 0);
    for (i = 0; i < 200; i++) {
        assert_int_equal(client_print(&c, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n",
                             names[(size_t)i % COUNT(names)].path),
            0);
        assert_int_equal(client_read(&c, false, &r, deadline), CLIENT_OK);
        document_free(document_of(&r));
        response_free(&r);
    }
    assert_int_equal(client_print(&c, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), 0);
    assert_int_equal(client_read(&c, false, &r, deadline), CLIENT_OK);
    assert_string_equal(response_header(&r, "Connection"), "close");
    assert_true(client_at_end(&c, deadline));
    response_free(&r);
    client_close(&c);
    service_end(h);
}

static void old_clients_may_keep_theirs(void **state)
{
    struct health *h = service_start(NULL);
    int64_t deadline = client_deadline(CLIENT_TIMEOUT_MS);
    struct response r;
    struct client c;
    int i;

    (void)state;
    assert_int_equal(client_open(&c, "127.0.0.1", service_port(h)), 0);
    for (i = 0; i < 3; i++) {
        assert_int_equal(client_print(&c, "GET /live HTTP/1.0\r\n%s\r\n",
                             i < 2 ? "Connection: keep-alive\r\n" : ""),
            0);
        assert_int_equal(client_read(&c, false, &r, deadline), CLIENT_OK);
        assert_int_equal(r.status, 200);
        response_free(&r);
    }
    assert_true(client_at_end(&c, deadline));
    client_close(&c);
    service_end(h);
}

/* A kubelet that reads a head and then waits for the body throws the result away: both are sent at
 * once, and so can be received at once. */
static void answers_come_in_one_piece(void **state)
{
    struct health *h = service_start(NULL);
    struct response r;
    struct client c;
    char text[65536];
    int i;

    (void)state;
    add_pushed(h, "a", FAILING, HEALTH_READY, 0);
    for (i = 0; i < 50; i++) {
        struct pollfd p = {.events = POLLIN};
        ssize_t n;

        client_get(service_port(h), names[(size_t)i % COUNT(names)].path, &r);
        assert_int_equal(client_open(&c, "127.0.0.1", service_port(h)), 0);
        assert_int_equal(client_print(&c, "GET %s HTTP/1.1\r\nConnection: close\r\n\r\n",
                             names[(size_t)i % COUNT(names)].path),
            0);
        p.fd = c.fd;
        assert_int_equal(poll(&p, 1, CLIENT_TIMEOUT_MS), 1);
        n = recv(c.fd, text, sizeof(text), 0);
        assert_true(n > 0);
        assert_true((size_t)n >= r.body_length);
        assert_memory_equal(text + (size_t)n - r.body_length, r.body, r.body_length);
        response_free(&r);
        client_close(&c);
    }
    service_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_holds),
        cmocka_unit_test(every_kind_of_check_counts_where_it_should),
        cmocka_unit_test(an_unanswered_check_is_pending),
        cmocka_unit_test(startup_once_passed_stays_passed),
        cmocka_unit_test(ready_latches_startup_too),
        cmocka_unit_test(a_check_of_startup_and_ready),
        cmocka_unit_test(the_started_gate),
        cmocka_unit_test(a_passed_startup_runs_nothing),
        cmocka_unit_test(gates_are_read_at_every_request),
        cmocka_unit_test(any_query_will_do),
        cmocka_unit_test(absolute_targets),
        cmocka_unit_test(unknown_paths),
        cmocka_unit_test(head_is_get_without_the_body),
        cmocka_unit_test(head_leaves_the_connection_clean),
        cmocka_unit_test(options_is_as_get),
        cmocka_unit_test(haproxy),
        cmocka_unit_test(other_methods),
        cmocka_unit_test(other_methods_with_bodies),
        cmocka_unit_test(versions_and_hosts),
        cmocka_unit_test(headers),
        cmocka_unit_test(connections_are_kept),
        cmocka_unit_test(old_clients_may_keep_theirs),
        cmocka_unit_test(answers_come_in_one_piece),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
