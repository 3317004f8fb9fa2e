/*
 * The probe and what answers it: this library's own documents in one line, and any server's codes,
 * with the request that they are asked by.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>
#include <health/probe.h>

#include "assertions.h"
#include "odd_server.h"
#include "one_line.h"
#include "probing.h"
#include "service.h"

#define PATIENT_MS 10000
#define OK         "HTTP/1.1 200 OK\r\n"
#define MALFORMED  ": the answer is malformed, or cut short"

static void expect_at(int port, const char *path, int result, const char *behind)
{
    char url[128];

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
    probing_expect(url, PATIENT_MS, result, behind);
}

/* ---- Our own documents ---- */

static void what_fails_is_named_with_its_reason(void **state)
{
    static struct told db = {.status = HEALTH_PASS}, disk = {.status = HEALTH_PASS},
                       loop = {.status = HEALTH_PASS}, extra = {.status = HEALTH_PASS};
    struct health *h = service_start(NULL);
    int port = service_port(h);

    (void)state;
    service_add(h, "db", &db, 0);
    service_add(h, "disk", &disk, 0);
    service_add(h, "loop", &loop, HEALTH_LIVE);
    service_add_advisory(h, "extra", &extra, 0);
    expect_at(port, "/health", 0, ": 200");
    expect_at(port, "", 0, ": 200");
    expect_at(port, "/", 0, ": 200");
    expect_at(port, "/ready?verbose", 0, ": 200");

    service_tell(&extra, HEALTH_FAIL, "only a warning");
    service_tell(&disk, HEALTH_WARN, "90 %");
    expect_at(port, "/health", 0, ": 200");

    service_tell(&db, HEALTH_FAIL, "connection refused");
    expect_at(port, "/health", 1, ": 503: db: connection refused");
    expect_at(port, "/ready", 1, ": 503: db: connection refused");
    expect_at(port, "/health/db", 1, ": 503: db: connection refused");
    expect_at(port, "/health/disk", 0, ": 200");
    expect_at(port, "/live", 0, ": 200");
    expect_at(port, "/startup", 0, ": 200");
    expect_at(port, "/health?exclude=db", 0, ": 200");

    service_tell(&disk, HEALTH_FAIL, "\"full\"\n\\ \xC3\xA4\x01");
    service_tell(&loop, HEALTH_FAIL, NULL);
    expect_at(
        port, "/health", 1, ": 503: db: connection refused; disk: \"full\" \\ \xC3\xA4 ; loop");
    expect_at(port, "/live", 1, ": 503: loop");
    expect_at(port, "/nonsense", 1, ": 404");
    expect_at(port, "/health/nobody", 1, ": 404");
    service_end(h);
}

static void gates_are_the_reason_where_no_check_is(void **state)
{
    struct health *h = service_start(NULL);
    int port = service_port(h);

    (void)state;
    health_set_ready(h, false);
    expect_at(port, "/ready", 1, ": 503: not ready");
    expect_at(port, "/health", 0, ": 200");
    health_set_ready(h, true);
    expect_at(port, "/ready", 0, ": 200");
    health_drain(h);
    expect_at(port, "/ready", 1, ": 503: draining");
    expect_at(port, "/live", 0, ": 200");
    service_add_pushed(h, "pushed", 0);
    expect_at(port, "/ready", 1, ": 503: pushed: no result yet");
    service_end(h);
}

static void a_service_that_has_not_started_says_so(void **state)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;

    (void)state;
    options.listen = "127.0.0.1:0";
    assert_int_equal(health_new(&h, &options), 0);
    health_set_started(h, false);
    assert_int_equal(health_start(h), 0);
    expect_at(service_port(h), "/health", 1, ": 503: not started");
    expect_at(service_port(h), "/startup", 1, ": 503: not started");
    health_set_started(h, true);
    expect_at(service_port(h), "/startup", 0, ": 200");
    service_end(h);
}

/* Whoever may not see reasons is told the names. */
static void without_details_there_are_the_names(void **state)
{
    static struct told db = {.status = HEALTH_FAIL, .reason = "secret"};
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h;

    (void)state;
    options.details = HEALTH_DETAILS_NONE;
    h = service_start(&options);
    service_add(h, "db", &db, 0);
    expect_at(service_port(h), "/health", 1, ": 503: db");
    service_end(h);
}

/* Ten checks with the longest reasons, and one with characters of every length. */
static void a_line_is_not_longer_than_it_may_be(void **state)
{
    static struct told told[11];
    static char long_reason[HEALTH_REASON_MAX_BYTES + 1], wide_reason[HEALTH_REASON_MAX_BYTES + 1];
    static const char wide[] = "z\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80";
    struct health *h = service_start(NULL);
    char url[64], reason[400], small[64], name[16];
    int64_t took;
    size_t i;

    (void)state;
    memset(long_reason, 'r', sizeof(long_reason) - 1);
    while (strlen(wide_reason) + strlen(wide) < sizeof(wide_reason))
        strcat(wide_reason, wide);
    for (i = 0; i < 11; i++) {
        told[i] =
            (struct told){.status = HEALTH_FAIL, .reason = i == 0 ? wide_reason : long_reason};
        (void)snprintf(name, sizeof(name), "check-%zu", i);
        service_add(h, name, &told[i], 0);
    }
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", service_port(h));
    probing_expect(
        url, PATIENT_MS, 1, ": 503: check-0: z\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z\xE2\x80\xA6");
    assert_int_equal(probing_ask(url, PATIENT_MS, reason, &took), 1);
    assert_true(strlen(reason) > HEALTH_PROBE_REASON_MAX_BYTES - 4);

    /* Less room, down to none; never half a character. */
    for (i = 1; i <= sizeof(small); i++) {
        memset(small, 'x', sizeof(small));
        assert_int_equal(health_probe(url, PATIENT_MS, small, i), 1);
        assert_true(strlen(small) < i);
        assert_true(i < 4 || strlen(small) >= i - 4);
        assert_int_equal(strncmp(small, reason, strlen(small)), 0);
        assert_true(one_line_is(small, strlen(small)));
    }
    assert_int_equal(health_probe(url, PATIENT_MS, small, 0), 1);
    assert_int_equal(health_probe(url, PATIENT_MS, NULL, 99), 1);
    service_end(h);
}

static void what_is_no_url_is_shown_and_refused(void **state)
{
    char url[1024], reason[HEALTH_PROBE_REASON_MAX_BYTES + 1];

    (void)state;
    errno = 0;
    assert_int_equal(health_probe(NULL, PATIENT_MS, reason, sizeof(reason)), HEALTH_EINVAL);
    assert_int_equal(errno, EINVAL);
    assert_string_equal(reason, "the URL is NULL");
    /* It may be all that a character goes on with. */
    memset(url, 0x80, sizeof(url));
    url[sizeof(url) - 1] = '\0';
    assert_int_equal(health_probe(url, PATIENT_MS, reason, sizeof(reason)), HEALTH_EINVAL);
    assert_int_equal(strncmp(reason, "...: ", 5), 0);
    /* However long one may wait. */
    assert_int_equal(health_probe("tcp:127.0.0.1:1", 4294967295u, reason, sizeof(reason)), 1);
}

/* ---- Anybody's answers ---- */

/* An answer, by one that then stays, or closes. */
#define STAYS(literal)                                                                             \
    {                                                                                              \
        ODD_STEP(ODD_HEAR), ODD_STEP_OF(ODD_SAY, literal, 0), ODD_STEP(ODD_HANG)                   \
    }
#define CLOSES(literal)                                                                            \
    {                                                                                              \
        ODD_STEP(ODD_HEAR), ODD_STEP_OF(ODD_SAY, literal, 0), ODD_STEP(ODD_END),                   \
            ODD_STEP(ODD_HANG)                                                                     \
    }

static const struct {
    struct odd_step steps[ODD_STEPS];
    int result;
    const char *behind;
} answers[] = {
    {STAYS(OK "Content-Length: 2\r\n\r\nok"), 0, ": 200"},
    {CLOSES(OK "\r\nok"), 0, ": 200"},
    {CLOSES("HTTP/1.0 200\n\n"), 0, ": 200"},
    {STAYS("HTTP/1.1 204 No Content\r\n\r\n"), 0, ": 204"},
    {STAYS("HTTP/1.1 299 ?\r\nContent-Length: 0\r\n\r\n"), 0, ": 299"},
    /* A document that fails, with 200, is somebody else's: the code counts. */
    {STAYS(OK "Content-Length: 17\r\n\r\n{\"status\":\"fail\"}"), 0, ": 200"},
    {STAYS("HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"), 1,
        ": 301: a redirect, which is not followed"},
    {CLOSES("HTTP/1.1 302 Found\r\nLocation: /ready\r\n\r\n"), 1,
        ": 302: a redirect, which is not followed"},
    {STAYS("HTTP/1.1 304 Not Modified\r\n\r\n"), 1, ": 304: a redirect, which is not followed"},
    {STAYS("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), 1, ": 401"},
    {STAYS("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found"), 1, ": 404"},
    {CLOSES("HTTP/1.1 500 Oh\r\n\r\n<html>{\"checks\""), 1, ": 500"},
    {STAYS("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 57\r\n\r\n"
           "{\"checks\":{\"n\":[{\"status\":\"fail\",\"output\":\"the\\u0020reason"),
        1, ": 503"},
    {STAYS("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 65\r\n\r\n"
           "{\"checks\":{\"a\":[{\"status\":\"fail\",\"output\":\"\\u001b[2J\\nx\\u0085\"}]}}"),
        1, ": 503: a:  [2J x "},
    {CLOSES("HTTP/1.1 599 ?\r\n\r\n{\"gates\":{\"started\":false}}"), 1, ": 599: not started"},
    /* Not to be believed. */
    {{ODD_STEP(ODD_HEAR), ODD_STEP(ODD_END), ODD_STEP(ODD_HANG)}, 1, ": closed without an answer"},
    {CLOSES("H"), 1, MALFORMED},
    {CLOSES("HTTP/1.1 200 OK"), 1, MALFORMED},
    {CLOSES(OK), 1, MALFORMED},
    {CLOSES(OK "Content-Length: 3\r\n\r\nok"), 1, MALFORMED},
    {CLOSES(OK "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!"), 1, MALFORMED},
    {CLOSES(OK "Content-Length: 18446744073709551618\r\n\r\nok"), 1, MALFORMED},
    {CLOSES(OK "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), 1,
        ": a chunked answer to HTTP/1.0"},
    {CLOSES("HTTP/1.1 100 Continue\r\n\r\n" OK "\r\nok"), 1, ": an interim answer to HTTP/1.0"},
    {CLOSES("{\"status\":\"pass\"}\n"), 1, MALFORMED},
    {CLOSES("200 OK\r\n\r\n"), 1, MALFORMED},
    {CLOSES("\0" OK "Content-Length: 2\r\n\r\nok"), 1, MALFORMED},
    {CLOSES(OK "X: \0\r\nContent-Length: 2\r\n\r\nok"), 1, MALFORMED},
    {CLOSES("SSH-2.0-OpenSSH_9.2p1\r\n"), 1, MALFORMED},
    {CLOSES("\x15\x03\x01\0\x02\x02\x32\n"), 1, MALFORMED},
};

static void any_answer_is_judged(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct odd_server s = {.port = 0};

        memcpy(s.steps, answers[i].steps, sizeof(s.steps));
        assert_int_equal(odd_server_start(&s), 0);
        expect_at(s.port, "/health", answers[i].result, answers[i].behind);
        odd_server_stop(&s);
    }
}

/* ---- The request ---- */

#define REST "User-Agent: health-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n"

static void assert_request(const char *at, const char *url_format, const char *request_format)
{
    struct odd_server s = {.at = at, .steps = STAYS(OK "Content-Length: 2\r\n\r\nok")};
    char url[256], request[512], reason[400];

    assert_int_equal(odd_server_start(&s), 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(url, sizeof(url), url_format, s.port);
    (void)snprintf(request, sizeof(request), request_format, s.port);
#pragma GCC diagnostic pop
    assert_int_equal(probing_ask(url, PATIENT_MS, reason, NULL), 0);
    odd_server_stop(&s);
    assert_int_equal(atomic_load(&s.heard), 1);
    assert_string_equal(s.request, request);
}

static void it_asks_as_simply_as_can_be(void **state)
{
    (void)state;
    assert_request("127.0.0.1", "http://127.0.0.1:%d/ready?verbose&x#y",
        "GET /ready?verbose&x HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n" REST);
    assert_request(
        "127.0.0.1", "http://localhost:%d", "GET /health HTTP/1.0\r\nHost: localhost:%d\r\n" REST);
    assert_request("::1", "http://[::1]:%d/", "GET / HTTP/1.0\r\nHost: [::1]:%d\r\n" REST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fails_is_named_with_its_reason),
        cmocka_unit_test(gates_are_the_reason_where_no_check_is),
        cmocka_unit_test(a_service_that_has_not_started_says_so),
        cmocka_unit_test(without_details_there_are_the_names),
        cmocka_unit_test(a_line_is_not_longer_than_it_may_be),
        cmocka_unit_test(what_is_no_url_is_shown_and_refused),
        cmocka_unit_test(any_answer_is_judged),
        cmocka_unit_test(it_asks_as_simply_as_can_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
