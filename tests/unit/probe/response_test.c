/*
 * Responses: what is one to its end and what is not, however it comes in pieces.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "probe/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEN       "aaaaaaaaaa"
#define HUNDRED   TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define MIB       ((size_t)1 << 20)
#define HEAD_MAX  16384 /* bytes of a head */
#define OK        "HTTP/1.1 200 OK\r\n"
#define COMPLETE  HEALTH__COMPLETE
#define TOO_LONG  HEALTH__TOO_LONG
#define MALFORMED HEALTH__MALFORMED
#define IN_STATUS HEALTH__IN_STATUS
#define IN_HEADER HEALTH__IN_HEADER
#define IN_BODY   HEALTH__IN_BODY

/* Before and after the end of the connection.  Of what is malformed the code does not matter. */
#define RESPONSE(bytes, before, after, code, body)                                                 \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, before, after, code, body, sizeof(body) - 1                      \
    }

static const struct {
    const char *bytes;
    size_t length;
    enum health__response_part before, after;
    unsigned code;
    const char *body;
    size_t body_length;
} responses[] = {
    /* With a length: complete without the end of the connection. */
    RESPONSE(OK "Content-Length: 2\r\n\r\n{}", COMPLETE, COMPLETE, 200, "{}"),
    RESPONSE("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", COMPLETE, COMPLETE, 200, "{}"),
    RESPONSE(OK "content-length:2\r\n\r\n{}", COMPLETE, COMPLETE, 200, "{}"),
    RESPONSE(OK "CONTENT-LENGTH: \t 2\t \r\n\r\n{}", COMPLETE, COMPLETE, 200, "{}"),
    RESPONSE(OK "Content-Length: 0000000000000002\r\n\r\n{}", COMPLETE, COMPLETE, 200, "{}"),
    RESPONSE(OK "Content-Length: 0\r\n\r\n", COMPLETE, COMPLETE, 200, ""),
    RESPONSE(OK "Content-Length: 2\r\n\r\n{}more", COMPLETE, COMPLETE, 200, "{}"),
    RESPONSE(OK "Content-Length: 0\r\n\r\nmore", COMPLETE, COMPLETE, 200, ""),
    RESPONSE(OK "Content-Length: 4\r\n\r\n\0\r\n\xFF", COMPLETE, COMPLETE, 200, "\0\r\n\xFF"),
    RESPONSE(OK "A: b\r\nContent-Length: 2\r\nC: \t\xFF d\r\nE:\r\n\r\n{}", COMPLETE, COMPLETE, 200,
        "{}"),
    RESPONSE(OK "X-Content-Length: 9\r\nContent-Length-X: 9\r\nContent-Length: 2\r\n\r\n{}",
        COMPLETE, COMPLETE, 200, "{}"),
    RESPONSE("HTTP/1.1 200 OK\nContent-Length: 2\n\n{}", COMPLETE, COMPLETE, 200, "{}"),
    RESPONSE(
        OK "X: " HUNDRED HUNDRED "\r\nContent-Length: 1\r\n\r\nx", COMPLETE, COMPLETE, 200, "x"),
    RESPONSE("HTTP/1.1 503 " HUNDRED HUNDRED "\r\nContent-Length: 1\r\n\r\nx", COMPLETE, COMPLETE,
        503, "x"),
    /* Said twice, the same. */
    RESPONSE(OK "Content-Length: 2\r\nContent-Length: 02\r\n\r\n{}", COMPLETE, COMPLETE, 200, "{}"),
    /* Without: up to the end of the connection. */
    RESPONSE(OK "\r\n{}", IN_BODY, COMPLETE, 200, "{}"),
    RESPONSE(OK "\r\n", IN_BODY, COMPLETE, 200, ""),
    RESPONSE("HTTP/1.0 503 Service Unavailable\r\n\r\nno", IN_BODY, COMPLETE, 503, "no"),
    RESPONSE("HTTP/1.1 200\r\n\r\n{}", IN_BODY, COMPLETE, 200, "{}"),
    RESPONSE("HTTP/1.1 200 \r\n\r\n{}", IN_BODY, COMPLETE, 200, "{}"),
    RESPONSE("HTTP/1.0 599 \t?\xFF\r\n\r\n", IN_BODY, COMPLETE, 599, ""),
    RESPONSE(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", IN_BODY, COMPLETE, 302, ""),
    /* Codes without a body: complete at the empty line, whatever they say. */
    RESPONSE("HTTP/1.1 204 No Content\r\n\r\n", COMPLETE, COMPLETE, 204, ""),
    RESPONSE("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", COMPLETE, COMPLETE, 204, ""),
    RESPONSE("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", COMPLETE, COMPLETE, 304, ""),
    RESPONSE("HTTP/1.1 204 No Content\r\n", IN_HEADER, MALFORMED, 0, ""),
    /* Cut short. */
    RESPONSE("", IN_STATUS, MALFORMED, 0, ""),
    RESPONSE("H", IN_STATUS, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 200 OK", IN_STATUS, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 200 OK\r", IN_STATUS, MALFORMED, 0, ""),
    RESPONSE(OK, IN_HEADER, MALFORMED, 0, ""),
    RESPONSE(OK "\r", IN_HEADER, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 3", IN_HEADER, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 3\r\n", IN_HEADER, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 3\r\n\r\n", IN_BODY, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 3\r\n\r\n{}", IN_BODY, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 999999999999999999\r\n\r\n{}", IN_BODY, MALFORMED, 0, ""),
    /* Lengths that are none, or several. */
    RESPONSE(OK "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 0\r\nContent-Length: 2\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 2, 2\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 2;\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: +2\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: -2\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 0x2\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 2.0\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 1 2\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length:\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: \r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: two\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 9999999999999999999\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 18446744073709551618\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: " HUNDRED HUNDRED "\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 2                                                              "
                "                                                                               "
                "9\r\n\r\n{}",
        MALFORMED, MALFORMED, 0, ""),
    /* What one reader takes for a length, and another does not. */
    RESPONSE(OK "Content-Length : 2\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length\t: 2\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK " Content-Length: 2\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 1\r\n 2\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK ": 2\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    /* Chunks were not asked for. */
    RESPONSE(
        OK "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "transfer-encoding: identity\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", MALFORMED, MALFORMED,
        0, ""),
    /* No status line of the one kind: HTTP/0.9, 1xx, other protocols, garbage. */
    RESPONSE("{\"status\":\"pass\"}", IN_STATUS, MALFORMED, 0, ""),
    RESPONSE("{\"status\":\"pass\"}\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("<html>200 OK</html>\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("\r\n" OK "\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 100 Continue\r\n\r\n" OK "\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 101 Switching Protocols\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 103 Early Hints\r\n\r\n" OK "\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 000 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 600 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 20 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 2000 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 200OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 2x0 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 +20 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1  200 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1\t200 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(" HTTP/1.1 200 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("http/1.1 200 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.x 200 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.9 200 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.2 200 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/2.0 200 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/11 200 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("ICY 200 OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("SSH-2.0-OpenSSH_9.2p1\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("\x15\x03\x01\0\x02\x02\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("GET /health HTTP/1.0\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    /* Names that are none, and lines that have none where we look. */
    RESPONSE(OK "garbage\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "<html>: x\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "\xFF:garbage\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "a\"b: x\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK HUNDRED HUNDRED "\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK HUNDRED HUNDRED ": x\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK HUNDRED "aaaaaaaaaaaaaaaaaaaaaaaaaaa xx yy\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    /* Control characters anywhere in the head. */
    RESPONSE("HTTP/1.1 200 \x01OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 200 \x7F\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 200 \x1B[2J\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "\x01\xFF:garbage\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "\vTransfer-Encoding: chunked\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "X: a\fb\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    /* A CR that ends no line. */
    RESPONSE("HTTP/1.1 200 OK\rX: y\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 200\r\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "X: a\rContent-Length: 9\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "X: a\r\n\r\r\n", MALFORMED, MALFORMED, 0, ""),
    /* NUL anywhere in the head. */
    RESPONSE("\0" OK "\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE("HTTP/1.1 200\0OK\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "X: \0\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "Content-Length: 2\0\r\n\r\n{}", MALFORMED, MALFORMED, 0, ""),
    RESPONSE(OK "\0\r\n\r\n", MALFORMED, MALFORMED, 0, ""),
};

/* On the heap, so that a tool sees every byte beyond. */
static struct health__response *begin(void)
{
    struct health__response *r = malloc(sizeof(*r));

    assert_non_null(r);
    memset(r, 0xA5, sizeof(*r));
    health__response_init(r);
    return r;
}

/* Feeds a copy of exactly these bytes. */
static void feed(struct health__response *r, const char *bytes, size_t length)
{
    char *copy = malloc(length + 1);

    assert_non_null(copy);
    memcpy(copy + 1, bytes, length);
    health__response_feed(r, copy + 1, length);
    free(copy);
}

static void check(size_t i, const struct health__response *r, const char *how, bool at_end)
{
    enum health__response_part part = at_end ? responses[i].after : responses[i].before;

    if (r->part != part)
        fail_msg("%zu %s, '%s': part %d", i, how, responses[i].bytes, (int)r->part);
    if (responses[i].after != COMPLETE || (!at_end && part != COMPLETE))
        return;
    assert_int_equal(r->code, responses[i].code);
    assert_int_equal(r->kept, responses[i].body_length);
    assert_memory_equal(r->body, responses[i].body, r->kept);
}

static void end(size_t i, struct health__response *r, const char *how)
{
    check(i, r, how, false);
    health__response_end(r);
    check(i, r, how, true);
    free(r);
}

static void at_once(void **unused)
{
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
        struct health__response *r = begin();

        feed(r, responses[i].bytes, responses[i].length);
        end(i, r, "at once");
    }
}

static void byte_by_byte(void **unused)
{
    size_t i, at;

    (void)unused;
    for (i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
        struct health__response *r = begin();

        for (at = 0; at < responses[i].length; at++) {
            feed(r, responses[i].bytes + at, 1);
            feed(r, "", 0);
        }
        end(i, r, "byte by byte");
    }
}

static void in_two_parts(void **unused)
{
    size_t i, at;

    (void)unused;
    for (i = 0; i < sizeof(responses) / sizeof(responses[0]); i++)
        for (at = 0; at <= responses[i].length; at++) {
            struct health__response *r = begin();

            feed(r, responses[i].bytes, at);
            feed(r, responses[i].bytes + at, responses[i].length - at);
            end(i, r, "in two parts");
        }
}

/* Of one that says its length, no part is one; of one that does not, only the body is missed. */
static void cut_at_every_byte(void **unused)
{
    static const char with[] = OK "Server: x\r\nContent-Length: 16\r\nA: b\r\n\r\n"
                                  "{\"status\":\"fail\"";
    static const char without[] = OK "Server: x\r\n\r\n{}";
    size_t at;

    (void)unused;
    for (at = 0; at < sizeof(with) - 1; at++) {
        struct health__response *r = begin();

        feed(r, with, at);
        assert_true(r->part < COMPLETE);
        health__response_end(r);
        assert_int_equal(r->part, MALFORMED);
        free(r);
    }
    for (at = 0; at < sizeof(without) - 1; at++) {
        struct health__response *r = begin();

        feed(r, without, at);
        assert_true(r->part < COMPLETE);
        health__response_end(r);
        assert_int_equal(r->part, at < sizeof(without) - 3 ? MALFORMED : COMPLETE);
        free(r);
    }
}

/* What comes behind changes nothing. */
static void what_is_over_is_over(void **unused)
{
    struct health__response *r = begin();

    (void)unused;
    feed(r, "HTTP/1.1 503 x\r\nContent-Length: 1\r\n\r\na", 38);
    assert_int_equal(r->part, COMPLETE);
    feed(r, OK "Content-Length: 1\r\n\r\nb", 39);
    health__response_end(r);
    health__response_end(r);
    assert_int_equal(r->part, COMPLETE);
    assert_int_equal(r->code, 503);
    assert_int_equal(r->kept, 1);
    free(r);

    r = begin();
    feed(r, "x\n", 2);
    assert_int_equal(r->part, MALFORMED);
    feed(r, OK "Content-Length: 1\r\n\r\nb", 39);
    health__response_end(r);
    assert_int_equal(r->part, MALFORMED);
    free(r);
}

/* A head of exactly so many bytes, by one endless line or by many. */
static enum health__response_part head_of(size_t bytes, const char *line)
{
    struct health__response *r = begin();
    enum health__response_part part;
    size_t count = strlen(OK), length = strlen(line), i;

    feed(r, OK, count);
    for (i = 0; count < bytes - 4; count++, i++)
        feed(r, line + i % length, 1);
    feed(r, "\r\n\r\n", 4);
    part = r->part;
    free(r);
    return part;
}

static void heads_end(void **unused)
{
    (void)unused;
    assert_int_equal(head_of(HEAD_MAX, "A: bcdefg\r\n"), IN_BODY);
    assert_int_equal(head_of(HEAD_MAX + 1, "A: bcdefg\r\n"), MALFORMED);
    assert_int_equal(head_of((size_t)HEAD_MAX * 5, "A: b\r\n"), MALFORMED);
    assert_int_equal(head_of(HEAD_MAX, "A:"), IN_BODY);
    assert_int_equal(head_of(HEAD_MAX + 1, "A:"), MALFORMED);
    assert_int_equal(head_of((size_t)HEAD_MAX * 5, "A:"), MALFORMED);
}

/* Feeds a body of so many bytes.  Returns: how many were taken until no more was wanted. */
static size_t feed_body(struct health__response *r, size_t bytes, size_t piece)
{
    char *block = malloc(piece);
    size_t fed = 0;

    assert_non_null(block);
    memset(block, 'b', piece);
    while (fed < bytes && r->part == IN_BODY) {
        size_t count = bytes - fed < piece ? bytes - fed : piece;

        health__response_feed(r, block, count);
        fed += count;
    }
    free(block);
    return fed;
}

/* Of what is longer than we read it is not known whether there is an end. */
static void bodies_end(void **unused)
{
    static const char *const heads[] = {OK "\r\n", OK "Content-Length: 1048577\r\n\r\n",
        OK "Content-Length: 999999999999999999\r\n\r\n", OK "Content-Length: 10000000000\r\n\r\n"};
    static const size_t pieces[] = {1, 2048, 4096, 3 * MIB};
    size_t i, k;

    (void)unused;
    for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        for (k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
            struct health__response *r = begin();
            size_t fed;

            feed(r, heads[i], strlen(heads[i]));
            fed = feed_body(r, 10 * MIB, pieces[k]);
            assert_int_equal(r->part, TOO_LONG);
            assert_int_equal(r->code, 200);
            assert_true(fed <= MIB + 1 + pieces[k]);
            assert_int_equal(r->kept, HEALTH__RESPONSE_KEPT_BYTES);
            health__response_end(r);
            assert_int_equal(r->part, TOO_LONG);
            free(r);
        }
}

/* Cut short where we would stop reading. */
static void a_body_as_long_as_may_be_has_an_end(void **unused)
{
    static const struct {
        const char *head;
        enum health__response_part before, after;
    } bodies[] = {
        {OK "\r\n", IN_BODY, COMPLETE},
        {OK "Content-Length: 1048576\r\n\r\n", COMPLETE, COMPLETE},
        {OK "Content-Length: 1048577\r\n\r\n", IN_BODY, MALFORMED},
    };
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct health__response *r = begin();

        feed(r, bodies[i].head, strlen(bodies[i].head));
        assert_int_equal(feed_body(r, MIB, 2048), MIB);
        assert_int_equal(r->part, bodies[i].before);
        health__response_end(r);
        assert_int_equal(r->part, bodies[i].after);
        free(r);
    }
}

/* What is wrong is said where it is no accident. */
static void what_http_1_0_has_not_is_named(void **unused)
{
    static const char *const answers[][2] = {
        {OK "Transfer-Encoding: chunked\r\n", "a chunked answer to HTTP/1.0"},
        {"HTTP/1.1 100 Continue\r\n", "an interim answer to HTTP/1.0"},
    };
    struct health__response *r;
    size_t i;

    (void)unused;
    for (i = 0; i < 2; i++) {
        r = begin();
        feed(r, answers[i][0], strlen(answers[i][0]));
        assert_int_equal(r->part, MALFORMED);
        assert_string_equal(r->wrong, answers[i][1]);
        free(r);
    }
    r = begin();
    feed(r, "x\n", 2);
    assert_int_equal(r->part, MALFORMED);
    assert_null(r->wrong);
    free(r);
}

/* Bodies about as long as what is kept of them. */
static void the_beginning_of_a_body_is_kept(void **unused)
{
    size_t length, piece;

    (void)unused;
    for (length = HEALTH__RESPONSE_KEPT_BYTES - 2; length <= HEALTH__RESPONSE_KEPT_BYTES + 2;
         length++)
        for (piece = 1; piece <= 4096; piece *= 16) {
            struct health__response *r = begin();
            char head[64];

            (void)snprintf(head, sizeof(head), OK "Content-Length: %zu\r\n\r\n", length);
            feed(r, head, strlen(head));
            assert_int_equal(feed_body(r, length - 1, piece), length - 1);
            assert_int_equal(r->part, IN_BODY);
            feed(r, "e", 1);
            assert_int_equal(r->part, COMPLETE);
            assert_int_equal(r->kept,
                length < HEALTH__RESPONSE_KEPT_BYTES ? length : HEALTH__RESPONSE_KEPT_BYTES);
            free(r);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_once),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(in_two_parts),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(what_is_over_is_over),
        cmocka_unit_test(heads_end),
        cmocka_unit_test(bodies_end),
        cmocka_unit_test(a_body_as_long_as_may_be_has_an_end),
        cmocka_unit_test(what_http_1_0_has_not_is_named),
        cmocka_unit_test(the_beginning_of_a_body_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
