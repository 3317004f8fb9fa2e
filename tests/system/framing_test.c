/* timeout: 180 */
/*
 * Requests that no honest client sends: each is refused or answered, never both, never twice, and
 * never left hanging; and the server goes on.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
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

/* A whole request is dealt with at once; a head that is not has 5 s. */
#define AT_ONCE_MS   3000
#define HEAD_TIME_MS 5000

/* Statuses that are an answer to nonsense. */
#define REFUSED 400, 413, 414, 431, 501, 505

struct exchange {
    const char *what;
    const char *bytes;
    size_t length;   /* of the bytes; 0: strlen() */
    int allowed[12]; /* what the one response may be, 0 at the end; CLOSED: none at all */
};
#define CLOSED (-1)

static bool allowed(const struct exchange *x, int status)
{
    size_t i;

    for (i = 0; i < COUNT(x->allowed) && x->allowed[i] != 0; i++)
        if (x->allowed[i] == status)
            return true;
    return false;
}

static void expect_alive(int port, const char *after)
{
    int status = client_try_status(port, "/live");

    if (status != 200)
        fail_msg("%s: the server then answers %d", after, status);
}

/* Sends it, as far as the server takes it. */
static void send_exchange(int port, const struct exchange *x, struct client *c)
{
    size_t length = x->length != 0 ? x->length : strlen(x->bytes);

    if (client_open(c, "127.0.0.1", port) != 0)
        fail_msg("%s: no connection", x->what);
    (void)client_send_by(c, x->bytes, length, client_deadline(AT_ONCE_MS));
}

/*
 * Whether the connection is closed behind the response, with no other one on it.
 *
 * MHD 0.9.75 puts the heads of some of its own errors, which have no Content-Type, before their
 * bodies twice: the end of the body is then behind what Content-Length says.
 */
static bool is_last(const struct response *r, struct client *c, int64_t deadline)
{
    if (response_header(r, "Content-Type") != NULL || r->status < 400)
        return client_at_end(c, deadline);
    return client_drain(c, deadline) &&
           (c->length == 0 || memmem(c->data, c->length, "HTTP/", 5) == NULL);
}

/* Expects one allowed response, or none if that is allowed, and then the end. */
static void expect_response(struct client *c, const struct exchange *x, int64_t deadline)
{
    struct response r;
    enum client_end end = client_read(c, false, &r, deadline);

    if (end == CLIENT_CLOSED) {
        if (!allowed(x, CLOSED))
            fail_msg("%s: closed without an answer", x->what);
    } else if (end != CLIENT_OK) {
        fail_msg("%s: no response, client_end %d: %.*s", x->what, (int)end, (int)c->length,
            c->data != NULL ? c->data : "");
    } else {
        if (!allowed(x, r.status))
            fail_msg("%s: %s%s", x->what, r.head, r.body);
        if (r.status == 200 || r.status == 503)
            document_free(document_of(&r));
        if (!is_last(&r, c, deadline))
            fail_msg("%s: %s: %.*s", x->what, c->ended ? "answered twice" : "not closed",
                (int)c->length, c->data != NULL ? c->data : "");
        response_free(&r);
    }
    client_close(c);
}

static void expect_exchange(int port, const struct exchange *x)
{
    int64_t deadline = client_deadline(AT_ONCE_MS);
    struct client c;

    send_exchange(port, x, &c);
    expect_response(&c, x, deadline);
    expect_alive(port, x->what);
}

static void expect_exchanges(const struct exchange *all, size_t count)
{
    struct health *h = service_start(NULL);
    size_t i;

    for (i = 0; i < count; i++)
        expect_exchange(service_port(h), &all[i]);
    service_end(h);
}

/* A text with NULs in it, and its length. */
#define BYTES(text) text, sizeof(text) - 1

#define C       "Connection: close\r\n"
#define INSIDE  "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"
#define INSIDE_ "31"

/* ---- Bodies ---- */

static void bodies_are_not_read(void **state)
{
    static const struct exchange all[] = {
        {"a body", "GET /health HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 0, {200}},
        {"a body, and close", "GET /health HTTP/1.1\r\n" C "Content-Length: 5\r\n\r\nhello", 0,
            {200}},
        {"a body that is not sent", "GET /health HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 0, {200}},
        {"half a body", "GET /health HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe", 0, {200}},
        {"a body that looks like a request",
            "GET /health HTTP/1.1\r\nContent-Length: " INSIDE_ "\r\n\r\n" INSIDE, 0, {200}},
        {"a huge body", "GET /health HTTP/1.1\r\nContent-Length: 1000000000000\r\n\r\nxxxxxxxxxx",
            0, {200}},
        {"a body of HTTP/1.0", "GET /health HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", 0, {200}},
        {"chunks",
            "GET /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 0,
            {200}},
        {"no chunk yet", "GET /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 0, {200}},
        {"half a chunk", "GET /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", 0,
            {200}},
        {"bad chunks", "GET /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
            0, {200}},
        {"a chunk that looks like a request",
            "GET /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" INSIDE, 0, {200}},
        {"a body of OPTIONS", "OPTIONS / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 0, {200}},
        {"a body of POST", "POST /health HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 0, {405}},
        {"a huge body of POST", "POST /health HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nxx", 0,
            {405}},
        {"a body to nowhere", "GET /nope HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 0, {404}},
        {"a body to nowhere that looks like a request",
            "POST /nope HTTP/1.1\r\nContent-Length: " INSIDE_ "\r\n\r\n" INSIDE, 0, {404}},
        {"trailers",
            "GET /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
            "0\r\nX: y\r\n\r\n",
            0, {200}},
    };

    (void)state;
    expect_exchanges(all, COUNT(all));
}

/* No interim response: who waits for one gets the answer. */
static void nothing_is_continued(void **state)
{
    static const struct exchange all[] = {
        {"expectation",
            "GET /health HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
            0, {200}},
        {"expectation with the body",
            "GET /health HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", 0,
            {200}},
        {"expectation of POST",
            "POST /health HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
            0, {405}},
        {"expectation of chunks",
            "GET / HTTP/1.1\r\nExpect: 100-Continue\r\n"
            "Transfer-Encoding: chunked\r\n\r\n",
            0, {200}},
        {"expectation without a body", "GET /health HTTP/1.1\r\n" C "Expect: 100-continue\r\n\r\n",
            0, {200}},
        {"another expectation",
            "GET /health HTTP/1.1\r\n" C "Expect: 200-ok\r\nContent-Length: 5\r\n\r\n", 0,
            {200, 417}},
    };

    (void)state;
    expect_exchanges(all, COUNT(all));
}

static void contradictory_lengths_are_refused(void **state)
{
    static const struct exchange all[] = {
        {"two lengths",
            "GET /health HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 0,
            {400}},
        {"the same length twice",
            "GET /health HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 0,
            {400}},
        {"two lengths, apart and in odd case",
            "GET /health HTTP/1.1\r\ncontent-length: 0\r\nX: y\r\nCONTENT-LENGTH: " INSIDE_
            "\r\n\r\n" INSIDE,
            0, {400}},
        {"no body twice", "GET /health HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
            0, {400}},
        {"length and chunks",
            "GET /health HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            "0\r\n\r\n" INSIDE,
            0, {400}},
        {"chunks and length",
            "GET /health HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n"
            "5\r\nhello\r\n0\r\n\r\n",
            0, {400}},
        {"no length and chunks",
            "GET /health HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: "
            "chunked\r\n\r\n0\r\n\r\n",
            0, {400}},
        {"the same of POST",
            "POST /health HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 0, {400}},
        {"the same to nowhere",
            "GET /nope HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 0, {400, 404}},
        {"a list of lengths", "GET /health HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nhello", 0,
            {REFUSED}},
        {"a negative length", "GET /health HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 0, {REFUSED}},
        {"a signed length", "GET /health HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello", 0,
            {REFUSED}},
        {"a length with a letter", "GET /health HTTP/1.1\r\nContent-Length: 5x\r\n\r\nhello", 0,
            {REFUSED}},
        {"a hexadecimal length", "GET /health HTTP/1.1\r\nContent-Length: 0x5\r\n\r\nhello", 0,
            {REFUSED}},
        {"an empty length", "GET /health HTTP/1.1\r\nContent-Length:\r\n\r\n", 0, {REFUSED}},
        {"a length of 2^64", "GET /health HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
            0, {REFUSED, 200}},
        {"a length of 2^64 - 1",
            "GET /health HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n", 0,
            {REFUSED, 200}},
        {"a length of many digits",
            "GET /health HTTP/1.1\r\nContent-Length: 99999999999999999999999999999999999\r\n\r\n",
            0, {REFUSED, 200}},
        {"two codings",
            "GET /health HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" INSIDE, 0,
            {REFUSED, 200}},
        {"two coding headers",
            "GET /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
            "identity\r\n\r\n"
            "0\r\n\r\n" INSIDE,
            0, {REFUSED, 200}},
        {"an unknown coding", "GET /health HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n" INSIDE,
            0, {REFUSED, 200}},
        {"chunks of HTTP/1.0",
            "GET /health HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" INSIDE, 0,
            {REFUSED, 200}},
    };

    (void)state;
    expect_exchanges(all, COUNT(all));
}

/* A length that another reader may see, and we do not: what is inside is never answered. */
static void hidden_lengths_hide_no_request(void **state)
{
    /* libmicrohttpd 1.0 takes the blank or the fold away, and sees the length that others see. */
    static const struct exchange all[] = {
        {"a blank before the colon",
            "GET /health HTTP/1.1\r\nContent-Length : " INSIDE_ "\r\n\r\n" INSIDE, 0, {400, 200}},
        {"a tabulator before the colon",
            "GET /health HTTP/1.1\r\nContent-Length\t: " INSIDE_ "\r\n\r\n" INSIDE, 0, {400, 200}},
        {"a coding with a blank before the colon",
            "GET /health HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" INSIDE, 0,
            {400, 200}},
        {"a NUL in the length",
            BYTES("GET /health HTTP/1.1\r\nContent-Length: 0\0" INSIDE_ "\r\n\r\n" INSIDE),
            {400, 200}},
        {"NULs in the length",
            BYTES("GET /health HTTP/1.1\r\nContent-Length: 0\0\0\0" INSIDE_
                  "\r\nX: y\r\n\r\n" INSIDE),
            {400, 200}},
        {"a NUL in the name of the length",
            BYTES("GET /health HTTP/1.1\r\nContent-Length\0: " INSIDE_ "\r\n\r\n" INSIDE),
            {REFUSED, CLOSED, 200}},
        {"a folded length",
            "GET /health HTTP/1.1\r\nContent-Length:\r\n " INSIDE_ "\r\n\r\n" INSIDE, 0,
            {400, 200}},
        {"a length folded in the middle",
            "GET /health HTTP/1.1\r\nContent-Length: 0\r\n\t" INSIDE_ "\r\n\r\n" INSIDE, 0,
            {400, 200}},
        {"a folded coding",
            "GET /health HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" INSIDE, 0,
            {400, 200}},
        {"a list of lengths, the first of them 0",
            "GET /health HTTP/1.1\r\nContent-Length: 0, " INSIDE_ "\r\n\r\n" INSIDE, 0, {400}},
        {"an empty length", "GET /health HTTP/1.1\r\nContent-Length:\r\n\r\n" INSIDE, 0, {400}},
        {"a length behind a bare carriage return",
            "GET /health HTTP/1.1\r\nX: y\rContent-Length: " INSIDE_ "\r\n\r\n" INSIDE, 0, {400}},
    };

    (void)state;
    expect_exchanges(all, COUNT(all));
}

/* Who is taken for the host's own is told reasons. */
static void a_proxy_is_not_hidden_by_a_blank(void **state)
{
    static const char *const headers[] = {
        "X-Forwarded-For : 10.0.0.1", "Via\t: proxy", "Via:\r\n proxy", "Forwarded:\r\n for=x"};
    struct health *h = service_start(NULL);
    struct told told = {.status = HEALTH_FAIL, .reason = "secret"};
    size_t i;

    (void)state;
    service_add(h, "db", &told, HEALTH_READY);
    for (i = 0; i < COUNT(headers); i++) {
        struct response r;
        struct client c;

        assert_int_equal(client_open(&c, "127.0.0.1", service_port(h)), 0);
        assert_int_equal(client_print(&c, "GET /ready HTTP/1.1\r\n" C "%s\r\n\r\n", headers[i]), 0);
        assert_int_equal(client_read(&c, false, &r, client_deadline(AT_ONCE_MS)), CLIENT_OK);
        assert_true(r.status == 503 || (i < 2 && r.status == 400));
        assert_null(strstr(r.body, "secret"));
        response_free(&r);
        client_close(&c);
    }
    service_end(h);
}

/* ---- Heads ---- */

static void odd_heads(void **state)
{
    static const struct exchange all[] = {
        {"bare line feeds", "GET /health HTTP/1.1\nHost: x\nConnection: close\n\n", 0,
            {REFUSED, 200, CLOSED}},
        {"a bare carriage return", "GET /health HTTP/1.1\r\nX: a\rb\r\n" C "\r\n", 0, {400}},
        {"a folded header", "GET /health HTTP/1.1\r\nX: a\r\n b\r\n\tc\r\n" C "\r\n", 0,
            {REFUSED, 200, CLOSED}},
        {"a fold before any header", "GET /health HTTP/1.1\r\n X: a\r\n" C "\r\n", 0,
            {REFUSED, 200, CLOSED}},
        {"a NUL in a value", BYTES("GET /health HTTP/1.1\r\nX: a\0b\r\n" C "\r\n"),
            {REFUSED, 200, CLOSED}},
        {"a NUL in a name", BYTES("GET /health HTTP/1.1\r\nX\0Y: ab\r\n" C "\r\n"),
            {REFUSED, 200, CLOSED}},
        {"a NUL in the path", BYTES("GET /health\0x HTTP/1.1\r\n" C "\r\n"),
            {REFUSED, 404, CLOSED, 200}},
        {"a NUL behind the path", BYTES("GET /health\0 HTTP/1.1\r\n" C "\r\n"),
            {REFUSED, 404, CLOSED, 200}},
        {"a NUL in the method", BYTES("GE\0T /health HTTP/1.1\r\n" C "\r\n"),
            {REFUSED, 405, CLOSED}},
        {"a blank before the colon", "GET /health HTTP/1.1\r\nX : a\r\n" C "\r\n", 0, {400, 200}},
        {"no colon", "GET /health HTTP/1.1\r\nXYZ\r\n" C "\r\n", 0, {REFUSED, 200, CLOSED}},
        {"no name", "GET /health HTTP/1.1\r\n: a\r\n" C "\r\n", 0, {REFUSED, 200, CLOSED}},
        {"bytes that are no ASCII", "GET /health HTTP/1.1\r\nX: \xFF\xFE\x80\r\n" C "\r\n", 0,
            {REFUSED, 200, CLOSED}},
        {"two Hosts", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n" C "\r\n", 0,
            {REFUSED, 200, CLOSED}},
        {"a bad Host", "GET /health HTTP/1.1\r\nHost: /../\"\r\n" C "\r\n", 0,
            {REFUSED, 200, CLOSED}},
        {"empty lines in front", "\r\n\r\nGET /health HTTP/1.1\r\n" C "\r\n", 0,
            {REFUSED, 200, CLOSED}},
    };

    (void)state;
    expect_exchanges(all, COUNT(all));
}

static void odd_request_lines(void **state)
{
    static const struct exchange all[] = {
        {"HTTP/0.9", "GET /health\r\n\r\n", 0, {REFUSED, 200, CLOSED}},
        {"no target", "GET\r\n\r\n", 0, {REFUSED, CLOSED, 404, 405}},
        {"a blank for a target", "GET  HTTP/1.1\r\n" C "\r\n", 0, {REFUSED, CLOSED, 404}},
        {"nothing but a version", "HTTP/1.1\r\n" C "\r\n", 0, {REFUSED, CLOSED, 404, 405}},
        {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, {REFUSED, CLOSED, 404, 405}},
        {"HTTP/9.9", "GET /health HTTP/9.9\r\n" C "\r\n", 0, {REFUSED, CLOSED}},
        {"another protocol", "GET /health RTSP/1.0\r\n" C "\r\n", 0, {REFUSED, CLOSED}},
        {"a version in small letters", "GET /health http/1.1\r\n" C "\r\n", 0, {REFUSED, CLOSED}},
        {"many blanks", "GET   /health   HTTP/1.1\r\n" C "\r\n", 0, {REFUSED, CLOSED, 200, 404}},
        {"a tabulator", "GET\t/health\tHTTP/1.1\r\n" C "\r\n", 0, {REFUSED, CLOSED, 200, 404, 405}},
        {"a blank in front", " GET /health HTTP/1.1\r\n" C "\r\n", 0, {REFUSED, CLOSED, 404, 405}},
        {"a blank in the target", "GET /health /x HTTP/1.1\r\n" C "\r\n", 0,
            {REFUSED, CLOSED, 404}},
        {"a blank in the end", "GET /health HTTP/1.1 \r\n" C "\r\n", 0,
            {REFUSED, CLOSED, 200, 404}},
        {"an empty method", " /health HTTP/1.1\r\n" C "\r\n", 0, {REFUSED, CLOSED, 404, 405}},
        {"a target without a slash", "GET health HTTP/1.1\r\n" C "\r\n", 0, {REFUSED, CLOSED, 404}},
        {"an asterisk", "OPTIONS * HTTP/1.1\r\n" C "\r\n", 0, {REFUSED, CLOSED, 404, 405, 200}},
        {"a fragment", "GET /nope#/health HTTP/1.1\r\n" C "\r\n", 0, {REFUSED, CLOSED, 404}},
        {"a scheme of another kind", "GET file:///health HTTP/1.1\r\n" C "\r\n", 0,
            {REFUSED, CLOSED, 404, 200}},
        {"a scheme alone", "GET http:// HTTP/1.1\r\n" C "\r\n", 0, {REFUSED, CLOSED, 404, 200}},
        {"a tunnel", "CONNECT localhost:22 HTTP/1.1\r\n" C "\r\n", 0, {REFUSED, CLOSED, 404, 405}},
        {"an upgrade",
            "GET /health HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
            0, {200}},
        {"TLS", BYTES("\x16\x03\x01\x00\xA5\x01\x00\x00\xA1\x03\x03 0123456789\r\n\r\n"),
            {REFUSED, CLOSED, 404, 405}},
        {"SSH", "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", 0, {REFUSED, CLOSED, 404, 405}},
        {"no text at all", BYTES("\xFF\xFE\x00\x01 \x80\x80 \x90\r\n\r\n"),
            {REFUSED, CLOSED, 404, 405}},
    };

    (void)state;
    expect_exchanges(all, COUNT(all));
}

/* A query may have 30. */
#define TEN        "a&b&c&d&e&f&g&h&i&j"
#define PARAMETERS TEN "&" TEN "&" TEN

static void parameters_have_a_limit(void **state)
{
    static const struct exchange all[] = {
        {"30 parameters", "GET /health?" PARAMETERS " HTTP/1.1\r\n" C "\r\n", 0, {200}},
        {"31 parameters", "GET /health?" PARAMETERS "&i HTTP/1.1\r\n\r\n", 0, {414}},
        {"31 parameters of HEAD", "HEAD /health?" PARAMETERS "&i HTTP/1.0\r\n\r\n", 0, {414}},
        {"31 parameters and no more of the head", "GET /health?" PARAMETERS "&i HTTP/1.1\r\n", 0,
            {414}},
        {"90 parameters",
            "GET /health?" PARAMETERS "&" PARAMETERS "&" PARAMETERS " HTTP/1.1\r\n\r\n", 0, {414}},
    };

    (void)state;
    expect_exchanges(all, COUNT(all));
}

/* `head`, then as much of `fill`, then `tail`. */
static char *long_request(
    const char *head, const char *fill, size_t bytes, const char *tail, size_t *ret_length)
{
    size_t fill_length = strlen(fill), count = bytes / fill_length, i;
    char *text = malloc(strlen(head) + count * fill_length + strlen(tail) + 1), *p = text;

    assert_non_null(text);
    p = stpcpy(p, head);
    for (i = 0; i < count; i++)
        p = stpcpy(p, fill);
    p = stpcpy(p, tail);
    *ret_length = (size_t)(p - text);
    return text;
}

/* Around the size of MHD's memory for a request, where it runs out in this or that moment: none
 * waits until its time is up.  One after the other: each would remind MHD of the one before. */
static void large_heads(void **state)
{
    static const struct {
        const char *what, *head, *fill, *tail;
    } forms[] = {
        {"a long header", "GET /health HTTP/1.1\r\nX: ", "x", "\r\n" C "\r\n"},
        {"many headers", "GET /health HTTP/1.1\r\n" C, "A: b\r\n", "\r\n"},
        {"many empty headers", "GET /health HTTP/1.1\r\n" C, "A:\r\n", "\r\n"},
        {"a long name of a header", "GET /health HTTP/1.1\r\n" C, "x", ": x\r\n\r\n"},
        {"many cookies", "GET /health HTTP/1.1\r\n" C "Cookie: ", "c=d; ", "x=y\r\n\r\n"},
        {"a long path", "GET /", "x", " HTTP/1.1\r\n" C "\r\n"},
        {"a long name", "GET /health/", "%41", " HTTP/1.1\r\n" C "\r\n"},
        {"a long query", "GET /health?", "x", " HTTP/1.1\r\n" C "\r\n"},
        {"many parameters", "GET /health?x", "&a", " HTTP/1.1\r\n" C "\r\n"},
        {"many excludes", "GET /health?x", "&exclude=a", " HTTP/1.1\r\n" C "\r\n"},
        {"a long header behind parameters", "GET /health?" PARAMETERS " HTTP/1.1\r\nX: ", "x",
            "\r\n" C "\r\n"},
        {"a long method", "GET", "T", " /health HTTP/1.1\r\n" C "\r\n"},
        {"a long version", "GET /health HTTP/1.1", "1", "\r\n" C "\r\n"},
        {"many blanks", "GET /health HTTP/1.1\r\nX:", " ", "x\r\n" C "\r\n"},
        {"many folds", "GET /health HTTP/1.1\r\nX: x", "\r\n x", "\r\n" C "\r\n"},
        {"many empty lines", "", "\r\n", "GET /health HTTP/1.1\r\n" C "\r\n"},
    };
    static const size_t sizes[] = {500, 1500, 2500, 3000, 3500, 3700, 3900, 4000, 4096, 5000, 6000,
        7500, 8000, 8192, 20000, 1000000};
    struct exchange x = {.allowed = {REFUSED, CLOSED, 200, 404, 405}};
    struct health *h = service_start(NULL);
    char what[128];
    size_t i, n;

    (void)state;
    for (i = 0; i < COUNT(forms); i++) {
        for (n = 0; n < COUNT(sizes); n++) {
            char *text =
                long_request(forms[i].head, forms[i].fill, sizes[n], forms[i].tail, &x.length);

            (void)snprintf(what, sizeof(what), "%s, %zu bytes", forms[i].what, sizes[n]);
            x.what = what;
            x.bytes = text;
            expect_exchange(service_port(h), &x);
            free(text);
        }
    }
    service_end(h);
}

/* What browsers, meshes and monitors send has to fit. */
static void usual_heads_fit(void **state)
{
    static const struct exchange all[] = {
        {"a browser",
            "GET /health HTTP/1.1\r\nHost: localhost:8080\r\n" C
            "sec-ch-ua: \"Chromium\";v=\"130\", \"Google Chrome\";v=\"130\", "
            "\"Not?A_Brand\";v=\"99\"\r\n"
            "sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\nDNT: 1\r\n"
            "Upgrade-Insecure-Requests: 1\r\n"
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/130.0.0.0 Safari/537.36\r\n"
            "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
            "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\n"
            "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n"
            "Sec-Fetch-Dest: document\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
            "Accept-Language: de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7\r\n"
            "Cookie: _ga=GA1.1.1234567890.1700000000; session=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
            "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U; theme=dark; "
            "grafana_session=9a2e0fd1bc0b3eb1a64a7d6b4c2ff9ba; csrftoken=Xy3kQm2vZ0aB\r\n\r\n",
            0, {200}},
        {"a mesh",
            "GET /health HTTP/1.1\r\nhost: orders.shop.svc.cluster.local:8080\r\n" C
            "user-agent: kube-probe/1.31\r\naccept: */*\r\nx-forwarded-for: "
            "10.244.3.17,10.0.0.4\r\n"
            "x-forwarded-proto: https\r\nx-request-id: 5f7c1cf1-39c6-9a2c-b8f3-3a9c2f0a44ab\r\n"
            "x-envoy-attempt-count: 1\r\nx-envoy-external-address: 10.0.0.4\r\n"
            "x-forwarded-client-cert: "
            "By=spiffe://cluster.local/ns/shop/sa/orders;Hash=9f86d081884c7d"
            "659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08;Subject=\"\";"
            "URI=spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account\r\n"
            "x-b3-traceid: 80f198ee56343ba864fe8b2a57d3eff7\r\nx-b3-spanid: e457b5a2e4d86bd1\r\n"
            "x-b3-parentspanid: 05e3ac9a4f6e3b90\r\nx-b3-sampled: 0\r\n"
            "traceparent: 00-80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-00\r\n"
            "tracestate: vendor=value\r\nvia: 1.1 google\r\n\r\n",
            0, {200}},
    };

    (void)state;
    expect_exchanges(all, COUNT(all));
}

/* A million bytes of a line that never ends, and nothing behind it. */
static void endless_heads(void **state)
{
    static const char *const heads[] = {"GET /", "GET /health HTTP/1.1\r\nX: ", "",
        "GET /health HTTP/1.1\r\n", "GET /health HTTP/1.1\r\nContent-Length: "};
    struct health *h = service_start(NULL);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(heads); i++) {
        struct exchange x = {.what = heads[i], .allowed = {REFUSED, CLOSED}};
        char *text = long_request(heads[i], "1234567890", 1000000, "", &x.length);

        x.bytes = text;
        expect_exchange(service_port(h), &x);
        free(text);
    }
    service_end(h);
}

/* ---- What is not whole ---- */

/* Each is given up within the time that a head has; all of them wait at the same time. */
static void heads_that_never_end(void **state)
{
    static const char *const heads[] = {"G", "GET ", "GET /health", "GET /health HTTP/1.1",
        "GET /health HTTP/1.1\r", "GET /health HTTP/1.1\r\n", "GET /health HTTP/1.1\r\nHost: x",
        "GET /health HTTP/1.1\r\nHost: x\r\n", "GET /health HTTP/1.1\r\nHost: x\r\n\r", "\r\n",
        "\r\n\r\n", "GET / HTTP/1.1\n", "\x16\x03\x01\x02", "a"};
    struct client clients[COUNT(heads)];
    struct health *h = service_start(NULL);
    struct response r;
    int64_t begin = client_now_ms(), deadline = begin + HEAD_TIME_MS + 6000;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(heads); i++) {
        assert_int_equal(client_open(&clients[i], "127.0.0.1", service_port(h)), 0);
        assert_int_equal(client_print(&clients[i], "%s", heads[i]), 0);
    }
    expect_alive(service_port(h), "incomplete heads");
    for (i = 0; i < COUNT(heads); i++) {
        enum client_end end = client_read(&clients[i], false, &r, deadline);

        if (end == CLIENT_OK) {
            assert_in_range(r.status, 400, 499);
            response_free(&r);
            assert_true(client_at_end(&clients[i], deadline));
        } else if (end != CLIENT_CLOSED) {
            fail_msg("%zu: client_end %d", i, (int)end);
        }
        client_close(&clients[i]);
    }
    assert_true(client_now_ms() - begin < HEAD_TIME_MS + 3000);
    service_end(h);
}

/* The same, by clients that have said that no more will come: they are given up at once, or
 * answered if all is there. */
static void half_closed_connections(void **state)
{
    static const char *const heads[] = {"", "G", "GET /health HTTP/1.1\r\nHost: x\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\n\r", "\r\n"};
    struct health *h = service_start(NULL);
    int port = service_port(h);
    struct client c;
    struct response r;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(heads); i++) {
        int64_t deadline = client_deadline(HEAD_TIME_MS + 3000);
        enum client_end end;

        assert_int_equal(client_open(&c, "127.0.0.1", port), 0);
        assert_int_equal(client_send(&c, heads[i], strlen(heads[i])), 0);
        client_shutdown(&c);
        end = client_read(&c, false, &r, deadline);
        if (end == CLIENT_OK) {
            assert_in_range(r.status, 400, 499);
            response_free(&r);
            assert_true(client_at_end(&c, deadline));
        } else if (end != CLIENT_CLOSED) {
            fail_msg("%zu: client_end %d", i, (int)end);
        }
        client_close(&c);
    }
    for (i = 0; i < 20; i++) {
        int64_t deadline = client_deadline(AT_ONCE_MS);

        assert_int_equal(client_open(&c, "127.0.0.1", port), 0);
        assert_int_equal(
            client_print(&c, "GET /health HTTP/1.1\r\nHost: x\r\n%s\r\n", i > 0 ? C : ""), 0);
        client_shutdown(&c);
        assert_int_equal(client_read(&c, false, &r, deadline), CLIENT_OK);
        assert_int_equal(r.status, 200);
        response_free(&r);
        /* Without having been asked to close, it may wait for more until the time for it is over.
         */
        if (i == 0)
            deadline = client_deadline(HEAD_TIME_MS + AT_ONCE_MS);
        assert_true(client_at_end(&c, deadline));
        client_close(&c);
    }
    expect_alive(port, "half-closed connections");
    service_end(h);
}

/* However a request is cut into packets, it is one. */
static void requests_in_pieces(void **state)
{
    static const char request[] = "GET /health?x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const size_t length = sizeof(request) - 1;
    struct health *h = service_start(NULL);
    int port = service_port(h), on = 1;
    struct response r;
    struct client c;
    size_t cut, i;

    (void)state;
    for (cut = 0; cut < length; cut++) {
        int64_t deadline = client_deadline(AT_ONCE_MS);

        assert_int_equal(client_open(&c, "127.0.0.1", port), 0);
        assert_int_equal(setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
        if (cut == 0) {
            /* Each byte alone. */
            for (i = 0; i < length; i++)
                assert_int_equal(client_send(&c, request + i, 1), 0);
        } else {
            assert_int_equal(client_send(&c, request, cut), 0);
            /* So that it is likely to be read before the rest comes. */
            (void)poll(NULL, 0, 2);
            assert_int_equal(client_send(&c, request + cut, length - cut), 0);
        }
        assert_int_equal(client_read(&c, false, &r, deadline), CLIENT_OK);
        document_free(document_of(&r));
        response_free(&r);
        assert_true(client_at_end(&c, deadline));
        client_close(&c);
    }
    service_end(h);
}

/* ---- Pipelines ---- */

/* What goes into pipelines, and what is to come out. */
static const struct {
    const char *method, *target;
    int status;
} pipelined[] = {{"GET", "/live", 200}, {"GET", "/nope", 404}, {"HEAD", "/live?verbose", 200},
    {"GET", "/ready", 503}, {"OPTIONS", "/", 503}, {"GET", "/health/db", 503},
    {"HEAD", "/nope", 404}, {"GET", "/health/%zz", 404}, {"GET", "/startup?exclude=x", 200}};

/* Sends `count` requests at once, cut into pieces.  Each is to be answered, in order; or the
 * connection closed at some point. */
static size_t expect_pipeline(int port, size_t count, size_t piece)
{
    int64_t deadline = client_deadline(20000);
    char *text = malloc(count * 128), *p = text;
    struct response r;
    struct client c;
    size_t i, answered = 0, sent;

    assert_non_null(text);
    for (i = 0; i < count; i++)
        p += sprintf(p, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n",
            pipelined[i % COUNT(pipelined)].method, pipelined[i % COUNT(pipelined)].target,
            i == count - 1 ? C : "");
    assert_int_equal(client_open(&c, "127.0.0.1", port), 0);
    for (sent = 0; sent < (size_t)(p - text); sent += piece) {
        size_t left = (size_t)(p - text) - sent;

        if (client_send_by(&c, text + sent, left < piece ? left : piece, deadline) != 0)
            break;
    }
    for (i = 0; i < count; i++) {
        bool to_head = strcmp(pipelined[i % COUNT(pipelined)].method, "HEAD") == 0;
        enum client_end end = client_read(&c, to_head, &r, deadline);

        if (end == CLIENT_CLOSED)
            break;
        if (end != CLIENT_OK)
            fail_msg("the answer %zu of %zu: client_end %d: %.*s", i, count, (int)end,
                (int)c.length, c.data != NULL ? c.data : "");
        if (r.status != pipelined[i % COUNT(pipelined)].status)
            fail_msg("the answer %zu of %zu is %d", i, count, r.status);
        response_free(&r);
        answered++;
    }
    assert_true(client_at_end(&c, deadline));
    client_close(&c);
    free(text);
    return answered;
}

static void pipelines_are_answered_in_order(void **state)
{
    static const size_t counts[] = {1, 2, 3, 10, 50, 51, 200, 1000};
    static const size_t pieces[] = {1000000, 4096, 1000, 100, 7};
    struct health *h = service_start(NULL);
    struct told told = {.status = HEALTH_FAIL};
    size_t i, n;

    (void)state;
    /* Run for nearly every request, which then waits in the middle of the pipeline. */
    service_add(h, "db", &told, HEALTH_READY);
    for (i = 0; i < COUNT(counts); i++) {
        for (n = 0; n < COUNT(pieces); n++) {
            size_t answered = expect_pipeline(service_port(h), counts[i], pieces[n]);

            /* Nothing in these is a reason to close. */
            if (answered != counts[i])
                fail_msg("%zu of %zu answered", answered, counts[i]);
            expect_alive(service_port(h), "a pipeline");
        }
    }
    service_end(h);
}

static enum health_status waits(struct health_result *result, void *arg)
{
    (void)result;
    while (sem_wait(arg) != 0)
        ;
    return HEALTH_PASS;
}

/* The first of a pipeline waits for its check: the others come after it all the same. */
static void a_pipeline_waits_for_its_first(void **state)
{
    struct health *h = service_start(NULL);
    struct health_check check = HEALTH_CHECK_INIT;
    int64_t deadline = client_deadline(CLIENT_TIMEOUT_MS);
    struct response r;
    struct client c;
    sem_t sem;
    int i;

    (void)state;
    assert_int_equal(sem_init(&sem, 0, 0), 0);
    check.name = "slow";
    check.fn = waits;
    check.arg = &sem;
    check.timeout_ms = 60000;
    check.max_age_ms = 60000;
    assert_int_equal(health_add_check(h, &check), 0);
    assert_int_equal(client_open(&c, "127.0.0.1", service_port(h)), 0);
    assert_int_equal(
        client_print(&c,
            "GET /ready HTTP/1.1\r\n\r\nGET /nope HTTP/1.1\r\n\r\nGET /live HTTP/1.1\r\n" C "\r\n"),
        0);
    assert_true(client_is_silent(&c, client_deadline(100)));
    assert_int_equal(sem_post(&sem), 0);
    for (i = 0; i < 3; i++) {
        assert_int_equal(client_read(&c, false, &r, deadline), CLIENT_OK);
        assert_int_equal(r.status, i == 1 ? 404 : 200);
        response_free(&r);
    }
    assert_true(client_at_end(&c, deadline));
    client_close(&c);
    service_end(h);
    (void)sem_destroy(&sem);
}

/* Behind a request with a body nothing is answered: where the body ends nobody looked. */
static void a_body_ends_a_pipeline(void **state)
{
    static const char *const bodies[] = {"Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "Content-Length: 50\r\n\r\n"};
    struct health *h = service_start(NULL);
    struct response r;
    struct client c;
    size_t i;
    int n;

    (void)state;
    for (i = 0; i < COUNT(bodies); i++) {
        int64_t deadline = client_deadline(AT_ONCE_MS);

        assert_int_equal(client_open(&c, "127.0.0.1", service_port(h)), 0);
        assert_int_equal(client_print(&c,
                             "GET /live HTTP/1.1\r\n\r\nGET /health HTTP/1.1\r\n%s"
                             "GET /nope HTTP/1.1\r\n\r\nGET /live HTTP/1.1\r\n\r\n",
                             bodies[i]),
            0);
        for (n = 0; n < 2; n++) {
            assert_int_equal(client_read(&c, false, &r, deadline), CLIENT_OK);
            assert_int_equal(r.status, 200);
            if (n == 1)
                assert_string_equal(response_header(&r, "Connection"), "close");
            response_free(&r);
        }
        assert_true(client_at_end(&c, deadline));
        client_close(&c);
        expect_alive(service_port(h), "a body in a pipeline");
    }
    service_end(h);
}

/* Bytes by chance, and good requests with one or two bytes changed.  Returns: how many. */
static size_t make_garbage(char *bytes, size_t size, unsigned round, unsigned *seed)
{
    static const char good[] = "GET /health?verbose&exclude=%41 HTTP/1.1\r\nHost: x\r\n"
                               "Content-Length: 3\r\nConnection: close\r\n\r\nabc";
    size_t length = sizeof(good) - 1, i;

    if (round % 3 == 0) {
        length = 1 + (size_t)rand_r(seed) % size;
        for (i = 0; i < length; i++)
            bytes[i] = (char)rand_r(seed);
        return length;
    }
    memcpy(bytes, good, length);
    for (i = 0; i < round % 3; i++)
        bytes[(size_t)rand_r(seed) % length] = (char)rand_r(seed);
    return length;
}

/* Not to be waited for one after the other: what is no whole request has its time. */
static void garbage(void **state)
{
    struct health *h = service_start(NULL);
    struct client clients[200];
    unsigned seed = 4711, round;
    char bytes[512];
    size_t i;

    (void)state;
    for (round = 0; round < 3; round++) {
        int64_t deadline = client_deadline(HEAD_TIME_MS + AT_ONCE_MS);

        for (i = 0; i < COUNT(clients); i++) {
            size_t length = make_garbage(bytes, sizeof(bytes), (unsigned)i, &seed);

            assert_int_equal(client_open(&clients[i], "127.0.0.1", service_port(h)), 0);
            (void)client_send(&clients[i], bytes, length);
            client_shutdown(&clients[i]);
        }
        expect_alive(service_port(h), "garbage");
        for (i = 0; i < COUNT(clients); i++) {
            struct client *c = &clients[i];
            enum client_end end;
            struct response r;
            bool ended = false;

            /* What was cut short by chance may leave another request behind it. */
            while (!ended && (end = client_read(c, false, &r, deadline)) != CLIENT_CLOSED) {
                if (end != CLIENT_OK)
                    fail_msg("%u, %zu: client_end %d: %.*s", round, i, (int)end, (int)c->length,
                        c->data != NULL ? c->data : "");
                if (response_header(&r, "Content-Type") == NULL) {
                    assert_true(is_last(&r, c, deadline));
                    ended = true;
                }
                response_free(&r);
            }
            client_close(c);
        }
        expect_alive(service_port(h), "garbage");
    }
    service_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_are_not_read),
        cmocka_unit_test(nothing_is_continued),
        cmocka_unit_test(contradictory_lengths_are_refused),
        cmocka_unit_test(hidden_lengths_hide_no_request),
        cmocka_unit_test(a_proxy_is_not_hidden_by_a_blank),
        cmocka_unit_test(odd_heads),
        cmocka_unit_test(odd_request_lines),
        cmocka_unit_test(parameters_have_a_limit),
        cmocka_unit_test(large_heads),
        cmocka_unit_test(usual_heads_fit),
        cmocka_unit_test(endless_heads),
        cmocka_unit_test(heads_that_never_end),
        cmocka_unit_test(half_closed_connections),
        cmocka_unit_test(requests_in_pieces),
        cmocka_unit_test(pipelines_are_answered_in_order),
        cmocka_unit_test(a_pipeline_waits_for_its_first),
        cmocka_unit_test(a_body_ends_a_pipeline),
        cmocka_unit_test(garbage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
