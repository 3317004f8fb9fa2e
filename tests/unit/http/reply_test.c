/*
 * Replies: made whole, with their headers, or not at all.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: MHD_create_response_from_buffer MHD_create_response_from_buffer_with_free_callback */
/* wrap: MHD_add_response_header MHD_destroy_response malloc calloc realloc strdup free */
#include "http/reply.h"

#include <microhttpd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "memory.h"

struct MHD_Response *__real_MHD_create_response_from_buffer(
    size_t size, void *buffer, enum MHD_ResponseMemoryMode mode);
struct MHD_Response *__wrap_MHD_create_response_from_buffer(
    size_t size, void *buffer, enum MHD_ResponseMemoryMode mode);
struct MHD_Response *__real_MHD_create_response_from_buffer_with_free_callback(
    size_t size, void *buffer, MHD_ContentReaderFreeCallback callback);
struct MHD_Response *__wrap_MHD_create_response_from_buffer_with_free_callback(
    size_t size, void *buffer, MHD_ContentReaderFreeCallback callback);
enum MHD_Result __real_MHD_add_response_header(
    struct MHD_Response *response, const char *header, const char *content);
enum MHD_Result __wrap_MHD_add_response_header(
    struct MHD_Response *response, const char *header, const char *content);
void __real_MHD_destroy_response(struct MHD_Response *response);
void __wrap_MHD_destroy_response(struct MHD_Response *response);

static int left = -1; /* how many calls have memory; negative: any */
static int calls;     /* that need some */
static int live;      /* responses */
static char bodies[8][128];
static size_t body_count;

static bool fails(void)
{
    calls++;
    if (left == 0)
        return true;
    left--;
    return false;
}

struct MHD_Response *__wrap_MHD_create_response_from_buffer(
    size_t size, void *buffer, enum MHD_ResponseMemoryMode mode)
{
    /* Nobody copies what is there for ever. */
    assert_int_equal(mode, MHD_RESPMEM_PERSISTENT);
    if (fails())
        return NULL;
    live++;
    if (body_count < sizeof(bodies) / sizeof(bodies[0])) {
        assert_true(size < sizeof(bodies[0]));
        memcpy(bodies[body_count], buffer, size);
        bodies[body_count++][size] = '\0';
    }
    return __real_MHD_create_response_from_buffer(size, buffer, mode);
}

struct MHD_Response *__wrap_MHD_create_response_from_buffer_with_free_callback(
    size_t size, void *buffer, MHD_ContentReaderFreeCallback callback)
{
    if (fails())
        return NULL;
    live++;
    return __real_MHD_create_response_from_buffer_with_free_callback(size, buffer, callback);
}

enum MHD_Result __wrap_MHD_add_response_header(
    struct MHD_Response *response, const char *header, const char *content)
{
    return fails() ? MHD_NO : __real_MHD_add_response_header(response, header, content);
}

void __wrap_MHD_destroy_response(struct MHD_Response *response)
{
    assert_non_null(response);
    live--;
    __real_MHD_destroy_response(response);
}

static void has_header(struct MHD_Response *response, const char *name, const char *value)
{
    const char *got = MHD_get_response_header(response, name);

    assert_non_null(got);
    assert_string_equal(got, value);
}

static enum MHD_Result count_header(
    void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    (void)name;
    (void)value;
    ++*(int *)arg;
    return MHD_YES;
}

/* Fails unless it has the headers of every reply, of this type, and so many more. */
static void is_reply(struct MHD_Response *response, const char *type, int others)
{
    int count = 0;

    has_header(response, "Content-Type", type);
    has_header(response, "Cache-Control", "no-store");
    has_header(response, "X-Content-Type-Options", "nosniff");
    (void)MHD_get_response_headers(response, count_header, &count);
    assert_int_equal(count, 3 + others);
}

#define HEALTH_JSON "application/health+json"
#define TEXT        "text/plain; charset=utf-8"

static char *document(size_t length)
{
    char *bytes = malloc(length);

    assert_non_null(bytes);
    memset(bytes, 'x', length);
    return bytes;
}

static void a_document_becomes_a_reply(void **unused)
{
    struct health__reply *reply;

    (void)unused;
    memory_begin(0);
    reply = health__reply_maker.make(document(100), 100);
    assert_non_null(reply);
    is_reply(health__reply_response(reply), HEALTH_JSON, 0);
    assert_int_equal(memory_live(), 1);
    health__reply_maker.drop(reply);
    assert_int_equal(live, 0);
    assert_int_equal(memory_live(), 0);
    (void)memory_end();
}

static void without_memory_it_becomes_none(void **unused)
{
    int n;

    (void)unused;
    for (n = 0; n < 4; n++) {
        memory_begin(0);
        left = n;
        assert_null(health__reply_maker.make(document(100), 100));
        assert_int_equal(live, 0);
        assert_int_equal(memory_live(), 0);
        (void)memory_end();
    }
    left = -1;
}

static void there_are_replies_for_all_that_is_no_document(void **unused)
{
    static const char *const texts[] = {"{\"status\":\"pass\",\"checks\":{}}",
        "{\"status\":\"warn\",\"checks\":{}}", "{\"status\":\"fail\",\"checks\":{}}"};
    struct health__replies r;
    size_t i;

    (void)unused;
    body_count = 0;
    assert_int_equal(health__replies_init(&r), 0);
    for (i = 0; i < 3; i++) {
        is_reply(r.no_memory[i], HEALTH_JSON, 0);
        assert_string_equal(bodies[i], texts[i]);
    }
    is_reply(r.not_found, TEXT, 0);
    is_reply(r.not_allowed, TEXT, 1);
    has_header(r.not_allowed, "Allow", "GET, HEAD, OPTIONS");
    is_reply(r.bad_request, TEXT, 1);
    has_header(r.bad_request, "Connection", "close");
    assert_int_equal(live, 6);
    assert_int_equal(body_count, 6);
    health__replies_done(&r);
    assert_int_equal(live, 0);
    health__replies_done(&r);
}

static void all_of_them_or_none(void **unused)
{
    struct health__replies r;
    int n, all;

    (void)unused;
    calls = 0;
    assert_int_equal(health__replies_init(&r), 0);
    all = calls;
    health__replies_done(&r);
    assert_int_equal(all, 6 * 4 + 2);
    for (n = 0; n < all; n++) {
        left = n;
        assert_int_equal(health__replies_init(&r), -1);
        assert_int_equal(live, 0);
        health__replies_done(&r);
    }
    left = -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_becomes_a_reply),
        cmocka_unit_test(without_memory_it_becomes_none),
        cmocka_unit_test(there_are_replies_for_all_that_is_no_document),
        cmocka_unit_test(all_of_them_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
