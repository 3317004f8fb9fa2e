/*
 * Names in targets: /health/NAME, ?exclude=NAME, ?verbose.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <health/health.h>

#include "client.h"
#include "document.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How a name is written in a target. */
enum encoding { NEEDED, ALL_UPPER, ALL_LOWER, ENCODINGS };

static const char *const names[] = {"db", "a b", "a+b", "100%", "%41", "%", "%%", "%2F", "%00",
    "what?", "a#b", "disk:usage", "a&b=c", "a=b", "\"quoted\\\"", "..", ".", "health", "~x_y-z.",
    " ", "  ends ", "d\xC3\xBC-bel", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBF\xBD",
    "[x]{y}|z^`", "a;b", "a,b", "http:", "verbose", "exclude", "0"};

static void encode(char *to, const char *name, enum encoding encoding)
{
    static const char unreserved[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (; *name != '\0'; name++) {
        if (encoding == NEEDED && strchr(unreserved, *name) != NULL)
            *to++ = *name;
        else if (encoding == ALL_LOWER)
            to += sprintf(to, "%%%02x", (unsigned char)*name);
        else
            to += sprintf(to, "%%%02X", (unsigned char)*name);
    }
    *to = '\0';
}

static void push(struct health *h, const char *name, unsigned probes, enum health_status status)
{
    service_add_pushed(h, name, probes);
    assert_int_equal(health_report(h, name, status, "as told"), 0);
}

static void expect_code(int port, const char *target, int code)
{
    int status = client_status(port, target);

    if (status != code)
        fail_msg("%s: %d, not %d", target, status, code);
}

/* ---- /health/NAME ---- */

static void one_check_alone(void **state)
{
    static const char *const forms[] = {"/health/%s", "/healthz/%s", "/health/%s/",
        "/health/%s?verbose", "/healthz/%s/?x=y", "http://test/health/%s"};
    struct health *h = service_start(NULL);
    char target[1024], encoded[3 * HEALTH_NAME_MAX_BYTES + 1];
    size_t i, form;
    int encoding;

    (void)state;
    for (i = 0; i < COUNT(names); i++)
        push(h, names[i], i % 2 == 0 ? HEALTH_ALL : HEALTH_LIVE,
            i % 3 == 0 ? HEALTH_FAIL : HEALTH_PASS);
    for (i = 0; i < COUNT(names); i++) {
        for (encoding = 0; encoding < ENCODINGS; encoding++) {
            encode(encoded, names[i], (enum encoding)encoding);
            for (form = 0; form < COUNT(forms); form++) {
                const char *rest = strstr(forms[form], "%s");
                json_t *doc;

                (void)snprintf(target, sizeof(target), "%.*s%s%s", (int)(rest - forms[form]),
                    forms[form], encoded, rest + 2);
                doc = document_get(service_port(h), target, i % 3 == 0 ? 503 : 200);
                assert_int_equal(document_count(doc), 1);
                assert_string_equal(
                    document_check_status(doc, names[i]), i % 3 == 0 ? "fail" : "pass");
                document_free(doc);
            }
        }
    }
    service_end(h);
}

/* Characters that a strict client would encode, and others do not. */
static void names_as_they_are(void **state)
{
    static const char *const plain[] = {"disk:usage", "a+b", "a&b=c", "a;b", "a,b", "\"quoted\\\"",
        "[x]{y}|z^`", "d\xC3\xBC-bel", "\xF0\x9F\x98\x80"};
    struct health *h = service_start(NULL);
    char target[256];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(plain); i++) {
        json_t *doc;

        push(h, plain[i], 0, HEALTH_WARN);
        (void)snprintf(target, sizeof(target), "/health/%s", plain[i]);
        doc = document_get(service_port(h), target, 200);
        assert_string_equal(document_check_status(doc, plain[i]), "warn");
        document_free(doc);
    }
    /* A plus is a blank in queries only. */
    push(h, "x y", 0, HEALTH_PASS);
    expect_code(service_port(h), "/health/x+y", 404);
    service_end(h);
}

static void what_is_no_name_is_not_found(void **state)
{
    static const char *const bad[] = {"%00", "%2F", "%2f", "%zz", "%", "%4", "%4g", "%g4", "db%",
        "db%2", "db%00", "db%00x", "%00db", "db%2Fx", "db%2f", "d%zzb", "%64%", "db%0", "%-1",
        "%+1", "%0x41", "db/x", "db/x/", "/db", "nope", "DB", "db%20", "db.", "d", "dbx", "db%0A",
        "%25", "db%25"};
    struct health *h = service_start(NULL);
    char target[256], name[200];
    size_t i;

    (void)state;
    push(h, "db", 0, HEALTH_PASS);
    push(h, "x", 0, HEALTH_PASS);
    expect_code(service_port(h), "/health/db", 200);
    for (i = 0; i < COUNT(bad); i++) {
        (void)snprintf(target, sizeof(target), "/health/%s", bad[i]);
        expect_code(service_port(h), target, 404);
        (void)snprintf(target, sizeof(target), "/healthz/%s?verbose", bad[i]);
        expect_code(service_port(h), target, 404);
    }
    /* As long as can be, and longer. */
    memset(name, 'n', sizeof(name));
    name[HEALTH_NAME_MAX_BYTES] = '\0';
    push(h, name, 0, HEALTH_PASS);
    (void)snprintf(target, sizeof(target), "/health/%s", name);
    expect_code(service_port(h), target, 200);
    (void)snprintf(target, sizeof(target), "/health/%sn", name);
    expect_code(service_port(h), target, 404);
    service_end(h);
}

/* Neither other checks nor gates count, and nothing else is run. */
static void only_this_check_counts(void **state)
{
    struct health *h = service_start(NULL);
    struct told one = {.status = HEALTH_PASS}, other = {.status = HEALTH_FAIL};
    int port = service_port(h);
    json_t *doc;

    (void)state;
    service_add(h, "one", &one, HEALTH_READY);
    service_add(h, "other", &other, HEALTH_READY);
    service_add_pushed(h, "pending", HEALTH_LIVE);
    health_set_started(h, false);
    health_set_ready(h, false);
    health_drain(h);
    doc = document_get(port, "/health/one", 200);
    assert_string_equal(document_status(doc), "pass");
    assert_int_equal(document_count(doc), 1);
    document_free(doc);
    assert_int_equal(atomic_load(&one.runs), 1);
    assert_int_equal(atomic_load(&other.runs), 0);
    expect_code(port, "/health/other", 503);
    assert_int_equal(atomic_load(&one.runs), 1);
    doc = document_get(port, "/health/pending", 503);
    assert_string_equal(document_output(doc, "pending"), "no result yet");
    document_free(doc);

    service_tell(&one, HEALTH_WARN, "well");
    doc = document_get(port, "/health/one", 200);
    assert_string_equal(document_status(doc), "warn");
    document_free(doc);
    service_end(h);
}

static void names_come_and_go(void **state)
{
    struct health *h = service_start(NULL);
    int port = service_port(h), i;

    (void)state;
    for (i = 0; i < 20; i++) {
        expect_code(port, "/health/guest", 404);
        push(h, "guest", 0, HEALTH_FAIL);
        expect_code(port, "/health/guest", 503);
        expect_code(port, "/ready", 503);
        assert_int_equal(health_remove(h, "guest"), 0);
        expect_code(port, "/ready", 200);
    }
    service_end(h);
}

static void methods_of_one_check(void **state)
{
    struct health *h = service_start(NULL);
    const struct client_request head = {
        .port = service_port(h), .method = "HEAD", .target = "/health/a%20b"};
    const struct client_request options = {
        .port = service_port(h), .method = "OPTIONS", .target = "/health/a%20b"};
    const struct client_request post = {
        .port = service_port(h), .method = "POST", .target = "/health/a%20b"};
    struct response r;

    (void)state;
    push(h, "a b", 0, HEALTH_FAIL);
    client_ask(&head, &r);
    assert_int_equal(r.status, 503);
    assert_int_equal(r.body_length, 0);
    response_free(&r);
    document_free(document_ask(&options, 503));
    client_ask(&post, &r);
    assert_int_equal(r.status, 405);
    assert_string_equal(response_header(&r, "Allow"), "GET, HEAD, OPTIONS");
    response_free(&r);
    service_end(h);
}

/* ---- ?exclude ---- */

static const char *note(const json_t *doc, size_t i)
{
    return json_string_value(json_array_get(json_object_get(doc, "notes"), i));
}

static void excluded_checks_do_not_count(void **state)
{
    struct health *h = service_start(NULL);
    int port = service_port(h);
    json_t *doc;

    (void)state;
    push(h, "good", 0, HEALTH_PASS);
    push(h, "bad", 0, HEALTH_FAIL);
    push(h, "worse", HEALTH_READY | HEALTH_LIVE, HEALTH_FAIL);
    service_add_pushed(h, "never", HEALTH_STARTUP);
    expect_code(port, "/ready", 503);
    expect_code(port, "/ready?exclude=bad", 503);
    expect_code(port, "/ready?exclude=bad&exclude=worse", 503);
    doc = document_get(port, "/ready?exclude=bad&exclude=worse&exclude=never", 200);
    assert_int_equal(document_count(doc), 0);
    assert_null(json_object_get(doc, "notes"));
    document_free(doc);
    doc = document_get(port, "/health?exclude=never&x=y&exclude=worse&exclude=bad", 200);
    assert_int_equal(document_count(doc), 1);
    assert_string_equal(document_check_status(doc, "good"), "pass");
    document_free(doc);
    doc = document_get(port, "/live?verbose&exclude=worse", 200);
    assert_int_equal(document_count(doc), 0);
    document_free(doc);
    expect_code(port, "/?exclude=bad&exclude=bad&exclude=worse&exclude=never", 200);
    expect_code(port, "/readyz/?exclude=bad&exclude=worse&exclude=never", 200);
    /* In a value, a question mark and an equals sign are what they are. */
    push(h, "a=b?c", HEALTH_LIVE, HEALTH_FAIL);
    expect_code(port, "/live?exclude=worse&exclude=a=b?c", 200);
    /* Gates are no checks. */
    health_set_ready(h, false);
    expect_code(port, "/ready?exclude=bad&exclude=worse&exclude=never&exclude=ready", 503);
    service_end(h);
}

/* What one caller leaves out has nothing to do with others. */
static void excluding_passes_no_startup(void **state)
{
    struct health *h = service_start(NULL);
    int port = service_port(h);

    (void)state;
    push(h, "warm", HEALTH_STARTUP, HEALTH_FAIL);
    expect_code(port, "/startup?exclude=warm", 200);
    expect_code(port, "/startup", 503);
    expect_code(port, "/ready?exclude=warm", 200);
    expect_code(port, "/ready", 503);
    expect_code(port, "/startup", 503);
    service_end(h);
}

static void excluded_checks_are_not_run(void **state)
{
    struct health *h = service_start(NULL);
    struct told told = {.status = HEALTH_PASS};

    (void)state;
    service_add(h, "dear", &told, 0);
    expect_code(service_port(h), "/ready?exclude=dear", 200);
    expect_code(service_port(h), "/health?exclude=dear", 200);
    assert_int_equal(atomic_load(&told.runs), 0);
    expect_code(service_port(h), "/ready", 200);
    assert_int_equal(atomic_load(&told.runs), 1);
    service_end(h);
}

static void names_in_excludes(void **state)
{
    struct health *h = service_start(NULL);
    char target[1024], encoded[3 * HEALTH_NAME_MAX_BYTES + 1];
    size_t i;
    int encoding;

    (void)state;
    for (i = 0; i < COUNT(names); i++) {
        push(h, names[i], 0, HEALTH_FAIL);
        for (encoding = 0; encoding < ENCODINGS; encoding++) {
            encode(encoded, names[i], (enum encoding)encoding);
            (void)snprintf(target, sizeof(target), "/ready?exclude=%s", encoded);
            expect_code(service_port(h), target, 200);
        }
        assert_int_equal(health_remove(h, names[i]), 0);
    }
    push(h, "a b+c", 0, HEALTH_FAIL);
    expect_code(service_port(h), "/ready?exclude=a+b%2Bc", 200);
    expect_code(service_port(h), "/ready?exclude=a+b+c", 503);
    service_end(h);
}

static void unknown_excludes_are_noted(void **state)
{
    struct health *h = service_start(NULL);
    int port = service_port(h);
    json_t *doc;

    (void)state;
    push(h, "bad", 0, HEALTH_FAIL);
    doc = document_get(port, "/ready?exclude=nope", 503);
    assert_int_equal(json_array_size(json_object_get(doc, "notes")), 1);
    assert_string_equal(note(doc, 0), "exclude: no check nope");
    assert_string_equal(document_check_status(doc, "bad"), "fail");
    document_free(doc);
    doc = document_get(port, "/ready?exclude=n+1&exclude=bad&exclude=%22n%22+%C3%BC&verbose", 200);
    assert_int_equal(json_array_size(json_object_get(doc, "notes")), 2);
    assert_string_equal(note(doc, 0), "exclude: no check n 1");
    assert_string_equal(note(doc, 1), "exclude: no check \"n\" \xC3\xBC");
    document_free(doc);
    /* What is no UTF-8 is shown as any other text is. */
    doc = document_get(port, "/health?exclude=a%FFz", 503);
    assert_string_equal(note(doc, 0), "exclude: no check a\xEF\xBF\xBDz");
    document_free(doc);
    /* Not kept for the next one who asks. */
    doc = document_get(port, "/ready", 503);
    assert_null(json_object_get(doc, "notes"));
    document_free(doc);
    service_end(h);
}

static void bad_excludes_are_not_found(void **state)
{
    static const char *const bad[] = {
        "%00", "%2F", "%2f", "%zz", "%", "%4", "db%", "db%00", "db%2Fx", "%64%", "%g4"};
    struct health *h = service_start(NULL);
    char target[256];
    size_t i;

    (void)state;
    push(h, "db", 0, HEALTH_PASS);
    for (i = 0; i < COUNT(bad); i++) {
        (void)snprintf(target, sizeof(target), "/ready?exclude=%s", bad[i]);
        expect_code(service_port(h), target, 404);
        (void)snprintf(target, sizeof(target), "/health?verbose&exclude=db&exclude=%s&x", bad[i]);
        expect_code(service_port(h), target, 404);
        (void)snprintf(target, sizeof(target), "/ready?x=%s", bad[i]);
        expect_code(service_port(h), target, 200);
    }
    service_end(h);
}

static void many_excludes(void **state)
{
    struct health *h = service_start(NULL);
    char target[1000] = "/ready?x", name[48];
    json_t *doc;
    int i;

    (void)state;
    for (i = 0; i < 25; i++) {
        (void)snprintf(name, sizeof(name), "c%d", i);
        push(h, name, 0, HEALTH_FAIL);
        (void)snprintf(target + strlen(target), sizeof(target) - strlen(target), "&exclude=c%d", i);
    }
    doc = document_get(service_port(h), target, 200);
    assert_int_equal(document_count(doc), 0);
    document_free(doc);
    for (i = 0; i < 25; i++) {
        (void)snprintf(name, sizeof(name), "c%d", i);
        assert_int_equal(health_remove(h, name), 0);
    }
    doc = document_get(service_port(h), target, 200);
    assert_int_equal(json_array_size(json_object_get(doc, "notes")), 25);
    document_free(doc);
    service_end(h);
}

/* ---- ?verbose ---- */

static void verbose_in_all_its_forms(void **state)
{
    static const struct {
        const char *query;
        size_t count;
    } cases[] = {{"", 1}, {"?", 1}, {"?verbose", 2}, {"?verbose=", 2}, {"?verbose=1", 2},
        {"?verbose=true", 2}, {"?verbose=%zz", 2}, {"?x&verbose", 2}, {"?verbose&x", 2},
        {"?verbose&verbose", 2}, {"?exclude=good&verbose", 1}, {"?verbose&exclude=bad", 1},
        {"?verbose=1&exclude=bad&exclude=good", 0}, {"?verbosex", 1}, {"?xverbose", 1},
        {"?Verbose", 1}, {"?x=verbose", 1}, {"?verbos", 1}, {"?&verbose&", 2}};
    static const char *const paths[] = {"/ready", "/live/", "/startupz", "/"};
    struct health *h = service_start(NULL);
    char target[256];
    size_t i, n;

    (void)state;
    push(h, "good", HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP, HEALTH_PASS);
    push(h, "bad", HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP, HEALTH_WARN);
    for (i = 0; i < COUNT(cases); i++) {
        for (n = 0; n < COUNT(paths); n++) {
            json_t *doc;

            (void)snprintf(target, sizeof(target), "%s%s", paths[n], cases[i].query);
            doc = document_get(service_port(h), target, 200);
            /* /startup is not as the others once it has passed. */
            if (n != 2 && document_count(doc) != cases[i].count)
                fail_msg(
                    "%s lists %zu checks, not %zu", target, document_count(doc), cases[i].count);
            document_free(doc);
        }
    }
    service_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_check_alone),
        cmocka_unit_test(names_as_they_are),
        cmocka_unit_test(what_is_no_name_is_not_found),
        cmocka_unit_test(only_this_check_counts),
        cmocka_unit_test(names_come_and_go),
        cmocka_unit_test(methods_of_one_check),
        cmocka_unit_test(excluded_checks_do_not_count),
        cmocka_unit_test(excluding_passes_no_startup),
        cmocka_unit_test(excluded_checks_are_not_run),
        cmocka_unit_test(names_in_excludes),
        cmocka_unit_test(unknown_excludes_are_noted),
        cmocka_unit_test(bad_excludes_are_not_found),
        cmocka_unit_test(many_excludes),
        cmocka_unit_test(verbose_in_all_its_forms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
