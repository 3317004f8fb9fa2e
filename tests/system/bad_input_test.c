/*
 * Bad input: each call that is wrong gives its documented error, a cause and a sentence, changes
 * nothing and leaves nothing behind; each that is right leaves errno alone.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <health/health.h>

#include "assertions.h"
#include "client.h"
#include "document.h"
#include "process.h"
#include "refused.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct health_options default_options = HEALTH_OPTIONS_INIT;
static const struct health_check default_check = HEALTH_CHECK_INIT;

/* What no output may be changed from. */
static char untouched;
#define UNTOUCHED_INSTANCE ((struct health *)(void *)&untouched)
#define UNTOUCHED_BEAT     ((struct health_heartbeat *)(void *)&untouched)

static unsigned releases;

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    return HEALTH_PASS;
}

static void count_release(void *arg)
{
    (void)arg;
    releases++;
}

/* A name of so many bytes. */
static const char *long_name(size_t length)
{
    static char name[512];

    memset(name, 'x', length);
    name[length] = '\0';
    return name;
}

/* Names that are none. */
static const char *const bad_names[] = {
    NULL, "", "a/b", "/", "a\nb", "a\tb", "\x01", "\x1f", "a\x7f", "a\r", "db/", "\xc3\xa4/"};

/* ---- health_new() ---- */

static void refuse_options(const struct health_options *options, const char *mentions)
{
    struct health *h = UNTOUCHED_INSTANCE;

    assert_refused(health_new(&h, options), HEALTH_EINVAL, EINVAL, mentions);
    assert_ptr_equal(h, UNTOUCHED_INSTANCE);
}

static void accept_options(const struct health_options *options)
{
    struct health *h = NULL;

    assert_accepted(health_new(&h, options));
    assert_non_null(h);
    health_free(h);
}

static void options_have_limits(void **state)
{
    struct health_options o = default_options;

    (void)state;
    accept_options(NULL);
    accept_options(&o);
    o.details = HEALTH_DETAILS_NONE;
    o.response_ms = 60000;
    o.connections = 65536;
    o.workers = 1024;
    accept_options(&o);
    o.response_ms = o.connections = o.workers = 1;
    accept_options(&o);

    o = default_options;
    o.details = HEALTH_DETAILS_NONE + 1;
    refuse_options(&o, "details");
    o.details = UINT_MAX;
    refuse_options(&o, "details");
    o = default_options;
    o.response_ms = 60001;
    refuse_options(&o, "response_ms");
    o.response_ms = UINT_MAX;
    refuse_options(&o, "response_ms");
    o = default_options;
    o.connections = 65537;
    refuse_options(&o, "connections");
    o = default_options;
    o.workers = 1025;
    refuse_options(&o, "workers");
}

static void listen_is_a_list_of_addresses(void **state)
{
    static const char *const good[] = {"*:0", "*:8080", "127.0.0.1:65535", "[::1]:8080", "[::]:0",
        "0.0.0.0:1", "127.0.0.1:8080,[::1]:8080", "127.0.0.1:1, 127.0.0.1:2"};
    static const char *const bad[] = {"", " ", ",", "*", "*:", ":8080", "8080", "127.0.0.1",
        "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:80x", "127.0.0.1:-1", "127.0.0.1:+80",
        "127.0.0.1: 80", "127.0.0.1:65536", "127.0.0.1:70000", "127.0.0.1:4294967376",
        "256.0.0.1:80", "127.0.0:80", "127.0.0.1.1:80", "localhost:80", "example.com:80", "::1:80",
        "[::1]", "[::1]80", "[::1:80", "::1]:80", "[]:80", "[127.0.0.1]:80", "[::1]:80:80",
        "127.0.0.1:80,", ",127.0.0.1:80", "127.0.0.1:80,,127.0.0.1:81", "127.0.0.1:80;[::1]:80",
        "127.0.0.1:80,nonsense", "*:80 *:81", "http://127.0.0.1:80"};
    struct health_options o = default_options;
    char endless[4096];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(good); i++) {
        o.listen = good[i];
        accept_options(&o);
    }
    for (i = 0; i < COUNT(bad); i++) {
        o.listen = bad[i];
        refuse_options(&o, NULL);
    }
    o.listen = "127.0.0.1:80,nonsense:1";
    refuse_options(&o, "nonsense:1");
    memset(endless, '1', sizeof(endless));
    endless[sizeof(endless) - 1] = '\0';
    o.listen = endless;
    refuse_options(&o, NULL);
}

/* Structs as programs have them that were built with other headers. */
static void options_of_other_headers(void **state)
{
    struct {
        struct health_options known;
        unsigned char tail[64];
    } newer = {.known = HEALTH_OPTIONS_INIT};
    struct health *h = UNTOUCHED_INSTANCE;
    struct health_options o = default_options;

    (void)state;
    /* Older than the first. */
    o.size = 0;
    refuse_options(&o, "size");
    o.size = sizeof(size_t);
    refuse_options(&o, "size");
    o.size = sizeof(o) - 1;
    refuse_options(&o, "size");

    /* Newer: as long as nothing is asked for that we do not know. */
    newer.known.size = sizeof(newer);
    newer.known.workers = 3;
    accept_options(&newer.known);
    newer.tail[sizeof(newer.tail) - 1] = 1;
    assert_refused(health_new(&h, &newer.known), HEALTH_ENOTSUP, ENOTSUP, NULL);
    assert_ptr_equal(h, UNTOUCHED_INSTANCE);
    newer.tail[sizeof(newer.tail) - 1] = 0;
    newer.tail[0] = 1;
    assert_refused(health_new(&h, &newer.known), HEALTH_ENOTSUP, ENOTSUP, NULL);
    assert_ptr_equal(h, UNTOUCHED_INSTANCE);

    /* What we do know is read first, or not: either is an error. */
    newer.tail[0] = 0;
    newer.known.workers = 5000;
    refuse_options(&newer.known, "workers");
}

/* ---- health_add_check() ---- */

/* An instance with one check, the document of which tells whether anything has changed. */
static struct health *with_one(char **ret_body)
{
    struct health *h = service_start(NULL);
    struct health_check check = default_check;
    struct response r;

    releases = 0;
    check.name = "db";
    check.fn = pass;
    check.max_age_ms = 60000;
    assert_accepted(health_add_check(h, &check));
    client_get(service_port(h), "/health", &r);
    assert_int_equal(r.status, 200);
    *ret_body = strdup(r.body);
    assert_non_null(*ret_body);
    response_free(&r);
    return h;
}

static void assert_unchanged(struct health *h, char *body)
{
    struct response r;

    client_get(service_port(h), "/health", &r);
    assert_string_equal(r.body, body);
    response_free(&r);
    assert_int_equal(releases, 0);
    free(body);
    service_end(h);
}

/* A check to spoil. */
static struct health_check usual(const char *name)
{
    struct health_check check = default_check;

    check.name = name;
    check.fn = pass;
    check.release = count_release;
    return check;
}

static void refuse_check(struct health *h, const struct health_check *check, const char *mentions)
{
    assert_refused(health_add_check(h, check), HEALTH_EINVAL, EINVAL, mentions);
}

static void names_are_1_to_128_bytes_without_some(void **state)
{
    static const char *const good[] = {
        "x", "a b", "\xc3\xa4", "db:connections", "a\\b", "\"", "%2F", "?", "..", "\xff\xfe", " "};
    struct health_check check = usual(NULL);
    struct health_heartbeat *beat = UNTOUCHED_BEAT;
    char *body;
    struct health *h = with_one(&body);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(bad_names); i++) {
        check.name = bad_names[i];
        refuse_check(h, &check, "name");
        assert_refused(
            health_add_heartbeat(h, bad_names[i], 1000, 0, &beat), HEALTH_EINVAL, EINVAL, "name");
    }
    for (i = 129; i < 300; i += 85) {
        check.name = long_name(i);
        refuse_check(h, &check, "name");
        assert_refused(
            health_add_heartbeat(h, check.name, 1000, 0, &beat), HEALTH_EINVAL, EINVAL, "name");
    }
    assert_ptr_equal(beat, UNTOUCHED_BEAT);
    assert_unchanged(h, body);

    assert_accepted(health_new(&h, NULL));
    for (i = 0; i < COUNT(good); i++) {
        check.name = good[i];
        assert_accepted(health_add_check(h, &check));
    }
    check.name = long_name(128);
    assert_accepted(health_add_check(h, &check));
    assert_refused(health_add_check(h, &check), HEALTH_EEXIST, EEXIST, NULL);
    health_free(h);
    assert_int_equal(releases, COUNT(good) + 1);
}

static void a_name_is_used_once(void **state)
{
    struct health_check check = usual("db");
    struct health_heartbeat *beat = UNTOUCHED_BEAT, *other = UNTOUCHED_BEAT;
    char *body;
    struct health *h = with_one(&body);

    (void)state;
    assert_refused(health_add_check(h, &check), HEALTH_EEXIST, EEXIST, "db");
    check.fn = NULL;
    assert_refused(health_add_check(h, &check), HEALTH_EEXIST, EEXIST, "db");
    assert_refused(health_add_heartbeat(h, "db", 1000, 0, &beat), HEALTH_EEXIST, EEXIST, "db");
    assert_ptr_equal(beat, UNTOUCHED_BEAT);
    assert_unchanged(h, body);

    assert_accepted(health_new(&h, NULL));
    assert_accepted(health_add_heartbeat(h, "loop", 1000, 0, &beat));
    assert_refused(health_add_heartbeat(h, "loop", 1000, 0, &other), HEALTH_EEXIST, EEXIST, "loop");
    assert_ptr_equal(other, UNTOUCHED_BEAT);
    check.name = "loop";
    assert_refused(health_add_check(h, &check), HEALTH_EEXIST, EEXIST, "loop");
    health_free(h);
}

static void checks_have_limits(void **state)
{
    struct health_check check;
    char *body;
    struct health *h = with_one(&body);

    (void)state;
    refuse_check(h, NULL, NULL);
    check = usual("x");
    check.probes = 16;
    refuse_check(h, &check, "x");
    check.probes = HEALTH_READY | 0x80000000u;
    refuse_check(h, &check, "x");

    check = usual("x");
    check.timeout_ms = HEALTH_DURATION_MAX_MS + 1;
    refuse_check(h, &check, "timeout_ms");
    check = usual("x");
    check.max_age_ms = UINT_MAX;
    refuse_check(h, &check, "max_age_ms");
    check = usual("x");
    check.interval_ms = HEALTH_DURATION_MAX_MS + 1;
    refuse_check(h, &check, "interval_ms");
    check = usual("x");
    check.reserved = 1;
    refuse_check(h, &check, "reserved");

    /* Fields that do not go together. */
    check = usual("x");
    check.interval_ms = 1000;
    check.max_age_ms = 1000;
    refuse_check(h, &check, "max_age_ms");
    assert_unchanged(h, body);

    /* The most there may be. */
    assert_accepted(health_new(&h, NULL));
    check = usual("x");
    check.probes = HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP | HEALTH_ALL;
    check.advisory = UINT_MAX;
    check.timeout_ms = HEALTH_DURATION_MAX_MS;
    check.max_age_ms = HEALTH_DURATION_MAX_MS;
    check.failures = UINT_MAX;
    check.successes = UINT_MAX;
    assert_accepted(health_add_check(h, &check));
    check = usual("y");
    check.interval_ms = HEALTH_DURATION_MAX_MS;
    assert_accepted(health_add_check(h, &check));
    health_free(h);
}

static void without_a_callback_it_is_pushed_and_has_nothing_that_is_run(void **state)
{
    struct health_check check;
    char *body;
    struct health *h = with_one(&body);

    (void)state;
    check = usual("x");
    check.fn = NULL;
    check.timeout_ms = 1;
    refuse_check(h, &check, "timeout_ms");
    check = usual("x");
    check.fn = NULL;
    check.interval_ms = 1;
    refuse_check(h, &check, "interval_ms");
    check = usual("x");
    check.fn = NULL;
    check.failures = 1;
    refuse_check(h, &check, "failures");
    check = usual("x");
    check.fn = NULL;
    check.successes = 1;
    refuse_check(h, &check, "successes");
    assert_unchanged(h, body);

    assert_accepted(health_new(&h, NULL));
    check = usual("x");
    check.fn = NULL;
    check.max_age_ms = 1;
    assert_accepted(health_add_check(h, &check));
    health_free(h);
}

static void checks_of_other_headers(void **state)
{
    struct {
        struct health_check known;
        unsigned char tail[64];
    } newer = {.known = HEALTH_CHECK_INIT};
    char *body;
    struct health *h = with_one(&body);
    struct health_check check = usual("x");

    (void)state;
    check.size = 0;
    refuse_check(h, &check, "size");
    check.size = sizeof(size_t);
    refuse_check(h, &check, "size");
    check.size = sizeof(check) - 1;
    refuse_check(h, &check, "size");

    newer.known.name = "x";
    newer.known.fn = pass;
    newer.known.size = sizeof(newer);
    newer.tail[0] = 1;
    assert_refused(health_add_check(h, &newer.known), HEALTH_ENOTSUP, ENOTSUP, NULL);
    newer.tail[0] = 0;
    newer.tail[63] = 0x80;
    assert_refused(health_add_check(h, &newer.known), HEALTH_ENOTSUP, ENOTSUP, NULL);
    assert_unchanged(h, body);

    newer.tail[63] = 0;
    assert_accepted(health_new(&h, NULL));
    assert_accepted(health_add_check(h, &newer.known));
    assert_accepted(health_remove(h, "x"));
    health_free(h);
}

/* ---- The others ---- */

static void heartbeats_have_limits(void **state)
{
    struct health_heartbeat *beat = UNTOUCHED_BEAT;
    char *body;
    struct health *h = with_one(&body);

    (void)state;
    assert_refused(health_add_heartbeat(h, "x", 0, 0, &beat), HEALTH_EINVAL, EINVAL, "x");
    assert_refused(health_add_heartbeat(h, "x", HEALTH_DURATION_MAX_MS + 1, 0, &beat),
        HEALTH_EINVAL, EINVAL, "x");
    assert_refused(health_add_heartbeat(h, "x", 1000, 16, &beat), HEALTH_EINVAL, EINVAL, "x");
    assert_refused(health_add_heartbeat(h, "x", 1000, 0, NULL), HEALTH_EINVAL, EINVAL, NULL);
    assert_ptr_equal(beat, UNTOUCHED_BEAT);
    health_beat(NULL);
    health_idle(NULL);
    assert_unchanged(h, body);

    assert_accepted(health_new(&h, NULL));
    assert_accepted(health_add_heartbeat(h, "x", 1, HEALTH_ALL, &beat));
    assert_accepted(health_add_heartbeat(h, "y", HEALTH_DURATION_MAX_MS, 0, &beat));
    health_free(h);
}

static void only_what_is_there_is_removed(void **state)
{
    char *body;
    struct health *h = with_one(&body);

    (void)state;
    assert_refused(health_remove(h, NULL), HEALTH_EINVAL, EINVAL, NULL);
    assert_refused(health_remove(h, ""), HEALTH_ENOENT, ENOENT, NULL);
    assert_refused(health_remove(h, "none"), HEALTH_ENOENT, ENOENT, "none");
    assert_refused(health_remove(h, "d"), HEALTH_ENOENT, ENOENT, NULL);
    assert_refused(health_remove(h, "db/"), HEALTH_ENOENT, ENOENT, "db/");
    assert_refused(health_remove(h, long_name(128)), HEALTH_ENOENT, ENOENT, NULL);
    assert_refused(health_remove(h, long_name(500)), HEALTH_ENOENT, ENOENT, NULL);
    assert_unchanged(h, body);
}

static void only_pushed_checks_are_reported(void **state)
{
    struct health_heartbeat *beat = NULL;
    struct health *h = service_start(NULL);
    struct health_check check = usual("db");
    json_t *doc;

    (void)state;
    releases = 0;
    assert_accepted(health_add_check(h, &check));
    assert_accepted(health_add_heartbeat(h, "loop", 60000, 0, &beat));
    service_add_pushed(h, "pushed", 0);
    assert_accepted(health_report(h, "pushed", HEALTH_WARN, "%s", "first"));

    assert_refused(health_report(h, "none", HEALTH_FAIL, "x"), HEALTH_ENOENT, ENOENT, "none");
    assert_refused(health_report(h, "", HEALTH_FAIL, "x"), HEALTH_ENOENT, ENOENT, NULL);
    assert_refused(health_report(h, long_name(129), HEALTH_FAIL, "x"), HEALTH_ENOENT, ENOENT, NULL);
    assert_refused(health_report(h, NULL, HEALTH_FAIL, "x"), HEALTH_EINVAL, EINVAL, NULL);
    assert_refused(health_report(h, "db", HEALTH_FAIL, "x"), HEALTH_EINVAL, EINVAL, "db");
    assert_refused(health_report(h, "loop", HEALTH_FAIL, "x"), HEALTH_EINVAL, EINVAL, "loop");
    assert_refused(
        health_report(h, "pushed", (enum health_status)3, "x"), HEALTH_EINVAL, EINVAL, "pushed");
    assert_refused(
        health_report(h, "pushed", (enum health_status)(-1), "x"), HEALTH_EINVAL, EINVAL, "pushed");

    doc = document_get(service_port(h), "/health", 200);
    assert_int_equal(document_count(doc), 3);
    assert_check(doc, "pushed", "warn", "first");
    assert_check(doc, "db", "pass", NULL);
    assert_check(doc, "loop", "pass", NULL);
    document_free(doc);
    service_end(h);
}

static void start_and_stop_are_told_when_there_is_nothing_to_do(void **state)
{
    struct health_options o = default_options;
    struct health *h = NULL;
    int port;

    (void)state;
    o.listen = "127.0.0.1:0";
    assert_accepted(health_new(&h, &o));
    assert_refused(health_stop(h, 0), HEALTH_ESTOPPED, 0, NULL);
    errno = 0;
    assert_int_equal(health_port(h), HEALTH_ESTOPPED);
    assert_int_not_equal(errno, 0);
    assert_accepted(health_start(h));
    port = service_port(h);
    assert_refused(health_start(h), HEALTH_EALREADY, EALREADY, NULL);
    assert_int_equal(health_port(h), port);
    assert_int_equal(client_status(port, "/live"), 200);
    assert_accepted(health_stop(h, LONG_MS));
    assert_refused(health_stop(h, LONG_MS), HEALTH_ESTOPPED, 0, NULL);
    assert_refused(health_stop(h, 0), HEALTH_ESTOPPED, 0, NULL);
    health_free(h);
}

static void what_is_stopped_may_be_used(void **state)
{
    struct health_heartbeat *beat = NULL;
    struct health_check check = usual("db");
    struct health *h = service_start(NULL);

    (void)state;
    releases = 0;
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    assert_accepted(health_stop(h, LONG_MS));

    assert_accepted(health_add_check(h, &check));
    assert_refused(health_add_check(h, &check), HEALTH_EEXIST, EEXIST, "db");
    service_add_pushed(h, "pushed", 0);
    assert_accepted(health_report(h, "pushed", HEALTH_PASS, NULL));
    assert_accepted(health_add_heartbeat(h, "loop", 1000, 0, &beat));
    health_beat(beat);
    health_idle(beat);
    assert_accepted(health_remove(h, "loop"));
    health_set_ready(h, false);
    health_set_ready(h, true);
    health_drain(h);
    assert_int_equal(health_port(h), HEALTH_ESTOPPED);
    assert_accepted(health_remove(h, "db"));
    assert_int_equal(releases, 1);
    health_free(h);
}

/* The process-wide instance, and the short way. */
static int misuse_the_short_way(struct process *self, void *arg)
{
    struct health_options o = default_options;
    size_t i;

    (void)self;
    (void)arg;
    PROCESS_CHECK(strcmp(health_last_error(), "") == 0);
    /* A failed health_new() makes none. */
    o.workers = 1025;
    PROCESS_CHECK(health_new(NULL, &o) == HEALTH_EINVAL);
    o.workers = 2;
    PROCESS_CHECK(health_new(NULL, &o) == 0);
    PROCESS_CHECK(health_new(NULL, &o) == HEALTH_EEXIST && errno == EEXIST);

    for (i = 0; i < COUNT(bad_names); i++) {
        errno = 0;
        PROCESS_CHECK(health_register_check(bad_names[i], pass, NULL) == HEALTH_EINVAL);
        PROCESS_CHECK(errno == EINVAL && health_last_error()[0] != '\0');
    }
    PROCESS_CHECK(health_register_check(long_name(129), pass, NULL) == HEALTH_EINVAL);
    PROCESS_CHECK(health_register_check("db", pass, NULL) == 0);
    PROCESS_CHECK(health_register_check("db", pass, NULL) == HEALTH_EEXIST);

    PROCESS_CHECK(health_serve(65536) == HEALTH_EINVAL && errno == EINVAL);
    PROCESS_CHECK(health_serve(70000) == HEALTH_EINVAL);
    PROCESS_CHECK(strstr(health_last_error(), "70000") != NULL);
    PROCESS_CHECK(health_serve(UINT_MAX) == HEALTH_EINVAL);
    PROCESS_CHECK(health_port(NULL) == HEALTH_ESTOPPED);
    PROCESS_CHECK(health_stop(NULL, 0) == HEALTH_ESTOPPED);

    errno = 4242;
    PROCESS_CHECK(health_serve(0) == 0);
    PROCESS_CHECK(errno == 4242);
    PROCESS_CHECK(health_serve(0) == HEALTH_EALREADY && errno == EALREADY);
    PROCESS_CHECK(health_serve(70000) == HEALTH_EINVAL);
    PROCESS_CHECK(health_start(NULL) == HEALTH_EALREADY);
    PROCESS_CHECK(client_try_status(health_port(NULL), "/health") == 200);
    errno = 4242;
    PROCESS_CHECK(health_stop(NULL, LONG_MS) == 0);
    PROCESS_CHECK(errno == 4242);
    PROCESS_CHECK(health_stop(NULL, LONG_MS) == HEALTH_ESTOPPED);
    return 0;
}

static void the_short_way_refuses_the_same(void **state)
{
    struct process child;

    (void)state;
    assert_int_equal(process_start(&child, misuse_the_short_way, NULL), 0);
    assert_int_equal(process_end(&child), 0);
}

/* Failures of every kind, many times: the fixture counts what is left. */
static void nothing_is_left_of_many_failures(void **state)
{
    struct health_options o = default_options;
    struct health *first = service_start(NULL), *second = NULL;
    char address[32];
    int i, descriptors, threads;

    (void)state;
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", service_port(first));
    o.listen = address;
    assert_accepted(health_new(&second, &o));
    descriptors = process_descriptors(0);
    threads = process_threads(0);
    for (i = 0; i < 100; i++) {
        assert_int_equal(health_start(second), HEALTH_ELISTEN);
        assert_int_equal(health_start(first), HEALTH_EALREADY);
        assert_int_equal(health_stop(second, 0), HEALTH_ESTOPPED);
    }
    assert_int_equal(process_descriptors(0), descriptors);
    assert_true(process_wait_threads(0, threads, client_deadline(LONG_MS)));
    health_free(second);
    service_end(first);
}

/* ---- errno, and the sentences ---- */

static void what_returns_nothing_leaves_errno_alone(void **state)
{
    struct health_heartbeat *beat = NULL;
    struct health *h = service_start(NULL);

    (void)state;
    assert_accepted(health_add_heartbeat(h, "loop", 1000, 0, &beat));
    errno = 4242;
    health_beat(beat);
    health_idle(beat);
    health_set_started(h, false);
    health_set_started(h, true);
    health_set_ready(h, false);
    health_set_ready(h, true);
    health_drain(h);
    assert_true(health_port(h) > 0);
    (void)health_strerror(HEALTH_EINVAL);
    (void)health_last_error();
    assert_int_equal(errno, 4242);
    service_end(h);
    assert_int_equal(errno, 4242);
}

static void every_error_has_a_sentence_of_its_own(void **state)
{
#define ERROR_VALUE(name, value, text) name,
    static const int errors[] = {HEALTH_ERRORS(ERROR_VALUE)};
#undef ERROR_VALUE
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(errors); i++) {
        assert_true(errors[i] < 0);
        assert_non_null(strchr(health_strerror(errors[i]), ' '));
        for (j = 0; j < i; j++)
            assert_string_not_equal(health_strerror(errors[i]), health_strerror(errors[j]));
        assert_string_not_equal(health_strerror(errors[i]), health_strerror(1));
    }
    assert_true(health_strerror(0)[0] != '\0');
    assert_true(health_strerror(INT_MIN)[0] != '\0');
    assert_true(health_strerror(INT_MAX)[0] != '\0');
}

static void *last_error_of_a_thread(void *arg)
{
    struct health_options odd = default_options;
    struct health *none = NULL;
    char **texts = arg;

    odd.workers = 5000;
    texts[0] = strdup(health_last_error());
    (void)health_new(&none, &odd);
    texts[1] = strdup(health_last_error());
    return NULL;
}

static void the_last_error_is_the_threads_own(void **state)
{
    struct health *h = service_start(NULL);
    char *texts[2], *before;
    pthread_t thread;

    (void)state;
    assert_int_equal(health_remove(h, "a name that is not there"), HEALTH_ENOENT);
    before = strdup(health_last_error());
    assert_non_null(strstr(before, "a name that is not there"));
    assert_int_equal(pthread_create(&thread, NULL, last_error_of_a_thread, texts), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(texts[0], "");
    assert_string_not_equal(texts[1], "");
    assert_string_equal(health_last_error(), before);
    free(texts[0]);
    free(texts[1]);
    free(before);
    service_end(h);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, refused_count, refused_recount)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_short_way_refuses_the_same), /* before any error */
        TEST(options_have_limits),
        TEST(listen_is_a_list_of_addresses),
        TEST(options_of_other_headers),
        TEST(names_are_1_to_128_bytes_without_some),
        TEST(a_name_is_used_once),
        TEST(checks_have_limits),
        TEST(without_a_callback_it_is_pushed_and_has_nothing_that_is_run),
        TEST(checks_of_other_headers),
        TEST(heartbeats_have_limits),
        TEST(only_what_is_there_is_removed),
        TEST(only_pushed_checks_are_reported),
        TEST(start_and_stop_are_told_when_there_is_nothing_to_do),
        TEST(what_is_stopped_may_be_used),
        TEST(nothing_is_left_of_many_failures),
        TEST(what_returns_nothing_leaves_errno_alone),
        TEST(every_error_has_a_sentence_of_its_own),
        TEST(the_last_error_is_the_threads_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
