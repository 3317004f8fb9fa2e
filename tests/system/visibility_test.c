/*
 * Who is told reasons and values: callers on the same host that no proxy speaks for, whatever the
 * path; names and statuses are for everyone.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "client.h"
#include "document.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Everything that shows the check "db". */
static const char *const targets[] = {"/health", "/healthz/", "/health?verbose", "/health/db",
    "/healthz/db?verbose", "/ready", "/readyz?verbose", "/", "/?verbose", "/live",
    "/livez/?verbose", "/startup", "/startupz?verbose", "/ready?exclude=good",
    "/ready?exclude=nope&verbose", "/health?exclude=good"};

static bool has_ipv6(void)
{
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has;

    has = fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof(loopback)) == 0;
    if (fd >= 0)
        (void)close(fd);
    if (!has)
        print_message("NOT TESTED with IPv6: there is none here\n");
    return has;
}

struct service {
    struct health *h;
    int port;
    struct told db, good;
};

static void start(struct service *s, const char *listen, unsigned details)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    const unsigned probes = HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP;

    memset(s, 0, sizeof(*s));
    options.listen = listen;
    options.details = details;
    options.response_ms = 10000;
    s->h = service_start(&options);
    s->port = service_port(s->h);
    s->db.observes = true;
    s->db.value = 4711;
    s->db.unit = "secret units";
    atomic_store(&s->db.status, HEALTH_FAIL);
    atomic_store(&s->db.reason, "secret reason");
    service_add(s->h, "db", &s->db, probes);
    service_add(s->h, "good", &s->good, probes);
}

/* The document without what is not for everyone, and without what differs from run to run. */
static void strip(json_t *doc)
{
    static const char *const members[] = {
        "output", "observedValue", "observedUnit", "time", "durationMs"};
    json_t *items;
    const char *name;
    size_t i;

    json_object_foreach(json_object_get(doc, "checks"), name, items)
    {
        for (i = 0; i < COUNT(members); i++)
            (void)json_object_del(json_array_get(items, 0), members[i]);
    }
}

/* Asks and checks what is told.  Returns: what everyone may know. */
static json_t *expect(const struct client_request *q, bool told)
{
    struct response r;
    const json_t *item;
    json_t *doc;
    bool secret;

    client_ask(q, &r);
    assert_int_equal(r.status, 503);
    doc = document_of(&r);
    item = document_check(doc, "db");
    assert_string_equal(document_text(item, "status"), "fail");
    assert_non_null(document_text(item, "since"));
    assert_non_null(document_text(item, "time"));
    secret = strstr(r.body, "secret") != NULL || strstr(r.body, "4711") != NULL;
    if (secret != told)
        fail_msg("%s from %s to %s with %s: %s", q->target, q->from != NULL ? q->from : "anywhere",
            q->to != NULL ? q->to : "127.0.0.1", q->headers != NULL ? q->headers : "no header",
            r.body);
    if (told) {
        assert_string_equal(document_text(item, "output"), "secret reason");
        assert_string_equal(document_text(item, "observedUnit"), "secret units");
        assert_true(json_number_value(json_object_get(item, "observedValue")) == 4711);
    } else {
        assert_null(json_object_get(item, "output"));
        assert_null(json_object_get(item, "observedUnit"));
        assert_null(json_object_get(item, "observedValue"));
    }
    response_free(&r);
    strip(doc);
    return doc;
}

/* All targets, as this caller. */
static void expect_everywhere(const struct service *s, struct client_request q, bool told)
{
    size_t i;

    q.port = s->port;
    for (i = 0; i < COUNT(targets); i++) {
        q.target = targets[i];
        document_free(expect(&q, told));
    }
}

static void callers_on_the_same_host_are_told(void **state)
{
    const struct client_request four = {.to = "127.0.0.1"};
    const struct client_request four_from = {.to = "127.0.0.1", .from = "127.0.0.1"};
    const struct client_request six = {.to = "::1"};
    const struct client_request mapped = {.to = "::ffff:127.0.0.1"};
    struct service s;

    (void)state;
    start(&s, "127.0.0.1:0", HEALTH_DETAILS_LOCAL);
    expect_everywhere(&s, four, true);
    service_end(s.h);

    /* Where both families are listened to, the first of these is ::ffff:127.0.0.1 to the server. */
    start(&s, "*:0", HEALTH_DETAILS_LOCAL);
    expect_everywhere(&s, four, true);
    expect_everywhere(&s, four_from, true);
    service_end(s.h);
    if (!has_ipv6())
        return;
    start(&s, "*:0", HEALTH_DETAILS_LOCAL);
    expect_everywhere(&s, six, true);
    expect_everywhere(&s, mapped, true);
    service_end(s.h);
    start(&s, "[::1]:0", HEALTH_DETAILS_LOCAL);
    expect_everywhere(&s, six, true);
    service_end(s.h);
}

/* An address of this machine's that is no loopback one; false if there is none. */
static bool own_address(char *to, size_t size, int family)
{
    struct ifaddrs *all, *a;
    bool found = false;

    if (getifaddrs(&all) != 0)
        return false;
    for (a = all; a != NULL && !found; a = a->ifa_next) {
        if (a->ifa_addr == NULL || a->ifa_addr->sa_family != family)
            continue;
        if (family == AF_INET) {
            const struct sockaddr_in *four = (const struct sockaddr_in *)(void *)a->ifa_addr;

            found = (ntohl(four->sin_addr.s_addr) >> 24) != 127 &&
                    inet_ntop(family, &four->sin_addr, to, (socklen_t)size) != NULL;
        } else {
            const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(void *)a->ifa_addr;

            found = !IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) &&
                    !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr) &&
                    inet_ntop(family, &six->sin6_addr, to, (socklen_t)size) != NULL;
        }
    }
    freeifaddrs(all);
    return found;
}

static void others_are_not_told(void **state)
{
    static const char *const froms[] = {"127.0.0.2", "127.1.2.3", "127.255.255.254"};
    static const int families[] = {AF_INET, AF_INET6};
    static const char *const listens[] = {"127.0.0.1:0", "*:0"};
    char own[INET6_ADDRSTRLEN];
    struct service s;
    size_t i, n;

    (void)state;
    for (n = 0; n < COUNT(listens); n++) {
        start(&s, listens[n], HEALTH_DETAILS_LOCAL);
        for (i = 0; i < COUNT(froms); i++) {
            const struct client_request q = {.from = froms[i]};

            expect_everywhere(&s, q, false);
        }
        service_end(s.h);
    }
    for (i = 0; i < COUNT(families); i++) {
        if (!own_address(own, sizeof(own), families[i]))
            continue;
        start(&s, "*:0", HEALTH_DETAILS_LOCAL);
        expect_everywhere(&s, (struct client_request){.to = own, .from = own}, false);
        service_end(s.h);
    }
}

/* A proxy on the same host speaks for someone else. */
static void proxies_are_not_told(void **state)
{
    static const char *const headers[] = {"Forwarded: for=192.0.2.60;proto=http\r\n",
        "Forwarded: for=127.0.0.1\r\n", "fOrWaRdEd: x\r\n", "FORWARDED:\r\n", "forwarded: \r\n",
        "X-Forwarded-For: 127.0.0.1\r\n", "x-forwarded-for: 10.0.0.1, 10.0.0.2\r\n",
        "X-FORWARDED-FOR:::1\r\n", "X-Forwarded-Proto: https\r\n", "x-FORWARDED-proto: http\r\n",
        "X-Forwarded-Host: a\r\n", "X-Forwarded-Port: 1\r\n", "x-forwarded-x: 1\r\n",
        "Via: 1.1 vegur\r\n", "vIA: 1.0 fred\r\n", "via:\r\n",
        "X-Envoy-External-Address: 10.1.1.1\r\n", "x-envoy-internal: true\r\n",
        "X-ENVOY-EXPECTED-RQ-TIMEOUT-MS: 15000\r\n", "X-eNVOY-x:\r\n",
        "Accept: */*\r\nUser-Agent: x\r\nX-A: b\r\nVia: 1.1 x\r\nX-B: c\r\n",
        "X-Forwarded-For: 127.0.0.1\r\nForwarded: x\r\nVia: y\r\n"};
    struct service s;
    size_t i;

    (void)state;
    start(&s, "*:0", HEALTH_DETAILS_LOCAL);
    for (i = 0; i < COUNT(headers); i++)
        expect_everywhere(&s, (struct client_request){.headers = headers[i]}, false);
    expect_everywhere(
        &s, (struct client_request){.version = "HTTP/1.0", .headers = "via: x\r\n"}, false);
    expect_everywhere(
        &s, (struct client_request){.method = "OPTIONS", .headers = "via: x\r\n"}, false);
    service_end(s.h);
}

/* Headers that only look like it, and whatever the request line and values say. */
static void others_headers_tell_nothing(void **state)
{
    static const char *const headers[] = {"User-Agent: Via Forwarded X-Forwarded-For: x\r\n",
        "Cookie: via=x\r\n", "Forwarde: x\r\n", "X-Via: x\r\n", "Aviary: x\r\n", "Host: via\r\n",
        "X-Forward-For: x\r\n", "X-Envo: x\r\n", "NotForwarded: x\r\n", "X-X-Forwarded-For: x\r\n",
        "Accept: */*\r\nAccept-Encoding: gzip\r\nConnection: Via\r\n"};
    struct service s;
    size_t i;

    (void)state;
    start(&s, "*:0", HEALTH_DETAILS_LOCAL);
    for (i = 0; i < COUNT(headers); i++)
        expect_everywhere(
            &s, (struct client_request){.headers = headers[i], .no_host = true}, true);
    service_end(s.h);
}

static void the_option_decides(void **state)
{
    const struct client_request local = {.to = "127.0.0.1"};
    const struct client_request remote = {.from = "127.0.0.2"};
    const struct client_request proxied = {.headers = "X-Forwarded-For: 10.0.0.1\r\n"};
    struct service s;

    (void)state;
    start(&s, "*:0", HEALTH_DETAILS_ALL);
    expect_everywhere(&s, local, true);
    expect_everywhere(&s, remote, true);
    expect_everywhere(&s, proxied, true);
    service_end(s.h);
    start(&s, "*:0", HEALTH_DETAILS_NONE);
    expect_everywhere(&s, local, false);
    expect_everywhere(&s, remote, false);
    expect_everywhere(&s, proxied, false);
    service_end(s.h);
}

/* Who asked before, on this or another connection, makes no difference. */
static void nothing_is_kept_for_the_wrong_one(void **state)
{
    int64_t deadline = client_deadline(60000);
    struct client local, remote;
    struct service s;
    struct response r;
    size_t i;
    int round;

    (void)state;
    start(&s, "*:0", HEALTH_DETAILS_LOCAL);
    for (i = 0; i < COUNT(targets); i++) {
        assert_int_equal(client_open_from(&local, "127.0.0.1", "127.0.0.1", s.port), 0);
        assert_int_equal(client_open_from(&remote, "127.0.0.2", "127.0.0.1", s.port), 0);
        for (round = 0; round < 6; round++) {
            struct client *c = round % 3 == 1 ? &remote : &local;

            assert_int_equal(client_print(c, "GET %s HTTP/1.1\r\n%s\r\n", targets[i],
                                 round % 3 == 2 ? "Via: 1.1 x\r\n" : ""),
                0);
            assert_int_equal(client_read(c, false, &r, deadline), CLIENT_OK);
            document_free(document_of(&r));
            if ((strstr(r.body, "secret") != NULL) != (round % 3 == 0))
                fail_msg("%s, round %d: %s", targets[i], round, r.body);
            response_free(&r);
        }
        client_close(&local);
        client_close(&remote);
    }
    service_end(s.h);
}

static void names_and_statuses_are_for_everyone(void **state)
{
    struct service s;
    size_t i;

    (void)state;
    start(&s, "*:0", HEALTH_DETAILS_LOCAL);
    service_add_pushed(s.h, "pending", 0);
    for (i = 0; i < COUNT(targets); i++) {
        const struct client_request local = {.port = s.port, .target = targets[i]};
        const struct client_request remote = {
            .port = s.port, .target = targets[i], .from = "127.0.0.2"};
        json_t *told = expect(&local, true), *not_told = expect(&remote, false);

        assert_true(json_equal(told, not_told));
        document_free(told);
        document_free(not_told);
    }
    service_end(s.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(callers_on_the_same_host_are_told),
        cmocka_unit_test(others_are_not_told),
        cmocka_unit_test(proxies_are_not_told),
        cmocka_unit_test(others_headers_tell_nothing),
        cmocka_unit_test(the_option_decides),
        cmocka_unit_test(nothing_is_kept_for_the_wrong_one),
        cmocka_unit_test(names_and_statuses_are_for_everyone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
