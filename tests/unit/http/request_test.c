/*
 * Requests: what a head asks for, who is told what, and with which code it is answered; with MHD
 * played by the test.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: MHD_get_connection_values_n MHD_get_connection_info MHD_queue_response */
/* wrap: MHD_suspend_connection MHD_resume_connection */
/* wrap: clock_gettime malloc calloc realloc strdup free */
#include "http/request.h"

#include "http_by_hand.h"
#include "memory.h"

#define T 10000 /* when it begins */

static const struct health__replies *const replies = &served.http.replies;

static int open_http(void **unused)
{
    (void)unused;
    served_open(T);
    (void)hand_add_pushed(&served.hand, .name = "bad", .probes = HEALTH_LIVE);
    hand_report(&served.hand, "bad", HEALTH_FAIL, "secret");
    (void)hand_add_pushed(&served.hand, .name = "good", .probes = HEALTH_READY);
    hand_report(&served.hand, "good", HEALTH_PASS, NULL);
    return 0;
}

static int close_http(void **unused)
{
    (void)unused;
    served_close();
    return 0;
}

#define HEADER(name, value)                                                                        \
    {                                                                                              \
        MHD_HEADER_KIND, name, value, 0                                                            \
    }
#define ARGUMENT(name, value)                                                                      \
    {                                                                                              \
        MHD_GET_ARGUMENT_KIND, name, value, 0                                                      \
    }

/* Hands over a request, which is answered with the code after so many calls.  Returns: the
 * response. */
static struct MHD_Response *answered(struct MHD_Connection request, int calls, unsigned code)
{
    served_handle(&request);
    if (request.result != MHD_YES || request.code != code || request.calls != calls)
        fail_msg("%s: %u after %d calls", request.url, request.code, request.calls);
    assert_int_equal(served.connection->phase, HEALTH__SENDING);
    mhd_complete(&served.http, &request);
    assert_int_equal(served.connection->phase, HEALTH__READING);
    assert_null(served.connection->names.bytes);
    return request.response;
}
#define ANSWERED(calls, code, ...) answered((struct MHD_Connection){__VA_ARGS__}, (calls), (code))

/* Whether the last document has the text in it. */
static bool shows(const char *text)
{
    return strstr(served.document, text) != NULL;
}

/* ---- Targets and methods ---- */

static void each_endpoint_is_answered_by_its_status(void **unused)
{
    (void)unused;
    (void)ANSWERED(2, 503, .url = "/live");
    assert_true(shows("\"bad\":[{\"status\":\"fail\""));
    (void)ANSWERED(2, 200, .url = "/ready");
    (void)ANSWERED(2, 200, .url = "/");
    (void)ANSWERED(2, 200, .url = "/startup");
    (void)ANSWERED(2, 503, .url = "/health");
    assert_true(shows("\"good\""));
    (void)ANSWERED(2, 200, .url = "/health/good");
    assert_true(shows("\"good\"") && !shows("\"bad\""));
    (void)ANSWERED(2, 503, .url = "/healthz/bad/");
    (void)ANSWERED(2, 503, .url = "http://host/livez");
    hand_report(&served.hand, "bad", HEALTH_WARN, NULL);
    (void)ANSWERED(2, 200, .url = "/live");
}

static void what_is_not_there_is_not_found(void **unused)
{
    static const char *const urls[] = {"/x", "*", "/live/good", "/health/none", "/health/a%2Fb",
        "/health/a%00", "/health/%zz", "/health/a/b"};
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        assert_ptr_equal(ANSWERED(2, 404, .url = urls[i]), replies->not_found);
    assert_ptr_equal(ANSWERED(2, 404, .url = "/health", .values = {ARGUMENT("exclude", "%2F")}),
        replies->not_found);
    assert_ptr_equal(ANSWERED(2, 404, .url = "/health",
                         .values = {ARGUMENT("exclude", "good"), ARGUMENT("exclude", "%")}),
        replies->not_found);
}

static void other_methods_are_not_allowed(void **unused)
{
    static const char *const others[] = {
        "POST", "PUT", "DELETE", "get", "HEADS", "TRACE", "CONNECT", ""};
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_ptr_equal(
            ANSWERED(2, 405, .url = "/live", .method = others[i]), replies->not_allowed);
        assert_ptr_equal(ANSWERED(2, 404, .url = "/none", .method = others[i]), replies->not_found);
    }
    (void)ANSWERED(2, 503, .url = "/live", .method = "HEAD");
    (void)ANSWERED(2, 503, .url = "/live", .method = "OPTIONS");
}

/* ---- Targets that MHD would not have room for ---- */

#define PARAMETERS                                                                                 \
    "/live?1&2&3&4&5&6&7&8&9&10&11&12&13&14&15&16&17&18&19&20&21&22&23&24&25&26&27&28&29&30"

/* Begins with a request.  Returns: whether its target is refused: said so, and shut down. */
static bool is_refused(const char *target)
{
    struct MHD_Connection request = {.of = served.connection};
    char said[256];
    ssize_t count;

    assert_null(health__request_begins(NULL, target, &request));
    if (served.connection->phase != HEALTH__LEAVING) {
        assert_int_equal(recv(served.client, said, sizeof(said), MSG_DONTWAIT), -1);
        return false;
    }
    count = recv(served.client, said, sizeof(said) - 1, MSG_DONTWAIT);
    assert_true(count > 0);
    said[count] = '\0';
    assert_non_null(strstr(said, "HTTP/1.1 414 "));
    assert_non_null(strstr(said, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(said, "\r\nCache-Control: no-store\r\n"));
    assert_non_null(strstr(said, "\r\nX-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(said, "\r\nContent-Length: 0\r\n\r\n"));
    assert_int_equal(recv(served.client, said, sizeof(said), MSG_DONTWAIT), 0);
    return true;
}

/* A target of so many bytes, that begins with the text. */
static const char *long_target(const char *text, size_t bytes)
{
    static char target[4096];

    memset(target, 'x', bytes);
    memcpy(target, text, strlen(text));
    target[bytes] = '\0';
    return target;
}

static void a_target_with_room_is_left_to_mhd(void **unused)
{
    (void)unused;
    assert_false(is_refused(""));
    assert_false(is_refused(PARAMETERS));
    assert_false(is_refused(long_target("/", 3600)));
    assert_false(is_refused(long_target("/?", 3600 - 64)));
    assert_false(is_refused(long_target(PARAMETERS, 3600 - 30 * 64)));
}

static void too_many_parameters_are_refused(void **unused)
{
    (void)unused;
    assert_true(is_refused(PARAMETERS "&"));
}

static void parameters_that_are_too_long_are_refused(void **unused)
{
    (void)unused;
    assert_true(is_refused(long_target(PARAMETERS, 3600 - 30 * 64 + 1)));
}

static void a_target_that_is_too_long_is_refused(void **unused)
{
    struct MHD_Connection request = {.of = served.connection, .url = "/live"};

    (void)unused;
    assert_true(is_refused(long_target("/", 3601)));
    /* MHD may go on with it all the same. */
    served_handle(&request);
    assert_int_equal(request.result, MHD_NO);
    assert_int_equal(request.code, 0);
}

/* Under the number is the host's. */
static void nothing_is_said_to_a_stranger(void **unused)
{
    struct MHD_Connection request = {.of = served.connection};
    int host[2];
    char byte;

    (void)unused;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, host), 0);
    assert_int_equal(dup2(host[0], served.connection->fd.fd), served.connection->fd.fd);
    assert_null(health__request_begins(NULL, long_target("/", 3601), &request));
    assert_int_equal(recv(host[1], &byte, sizeof(byte), MSG_DONTWAIT), -1);
    assert_true(served.hand.engine.lost);
    (void)close(host[0]);
    (void)close(host[1]);
}

/* ---- Bodies ---- */

static void a_body_is_not_waited_for(void **unused)
{
    (void)unused;
    (void)ANSWERED(1, 503, .url = "/live", .values = {HEADER("Content-Length", "5")});
    (void)ANSWERED(1, 503, .url = "/live", .values = {HEADER("content-length", "00001")});
    /* Who knows what whoever is before us has read. */
    (void)ANSWERED(1, 503, .url = "/live", .values = {HEADER("Content-Length", "0")});
    (void)ANSWERED(1, 503, .url = "/live", .values = {HEADER("TRANSFER-ENCODING", "chunked")});
    (void)ANSWERED(
        1, 405, .url = "/live", .method = "POST", .values = {HEADER("Content-Length", "5")});
    (void)ANSWERED(1, 404, .url = "/none", .values = {HEADER("Content-Length", "5")});
    /* Nor is leave given to send one. */
    (void)ANSWERED(1, 503, .url = "/live", .values = {HEADER("Expect", "100-continue")});
    (void)ANSWERED(2, 503, .url = "/live", .values = {HEADER("Expected", "100-continue")});
    (void)ANSWERED(2, 503, .url = "/live", .values = {HEADER("Early-Data", "1")});
    /* None is announced. */
    (void)ANSWERED(
        2, 503, .url = "/live", .values = {HEADER("Content-Type", "5"), HEADER("TE", "x")});
}

static void a_length_that_is_not_clear_is_refused(void **unused)
{
    static const struct mhd_value heads[][2] = {
        {HEADER("Content-Length", "0"), HEADER("Content-Length", "0")},
        {HEADER("Content-Length", "5"), HEADER("content-length", "6")},
        {HEADER("Content-Length", "0"), HEADER("Transfer-Encoding", "chunked")},
        {HEADER("Transfer-Encoding", "chunked"), HEADER("Content-Length", "5")},
        {HEADER("Transfer-Encoding", "chunked"), HEADER("transfer-encoding", "identity")},
        {HEADER("Content-Length", "")},
        {HEADER("Content-Length", NULL)},
        {HEADER("Content-Length", "x")},
        {HEADER("Content-Length", "-1")},
        {HEADER("Content-Length", "5, 5")},
        {HEADER("Content-Length", "5 ")},
        {{MHD_HEADER_KIND, "Content-Length", "0\00033", 4}},
        {{MHD_HEADER_KIND, "Content-Length", "0\0", 2}},
        /* Folded, as MHD 0.9.75 has it. */
        {HEADER("Content-Length33", "")},
        {HEADER("transfer-encodingchunked", "")},
    };
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        assert_ptr_equal(ANSWERED(1, 400, .url = "/live", .values = {heads[i][0], heads[i][1]}),
            replies->bad_request);
        assert_ptr_equal(ANSWERED(1, 400, .url = "/none", .method = "POST",
                             .values = {heads[i][0], heads[i][1]}),
            replies->bad_request);
    }
}

static void a_header_that_not_all_would_see_is_refused(void **unused)
{
    static const char *const names[] = {"Content-Length ", "Content-Length\t", "Transfer-Encoding ",
        "X-Forwarded-For ", "Via\t", " Via", "X Y", "X\x01", "\x1FX", "X\x7F", "X\r",
        "Via1.1 proxy"};
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_ptr_equal(ANSWERED(1, 400, .url = "/live",
                             .values = {HEADER("Host", "x"), HEADER(names[i], "0")}),
            replies->bad_request);
    assert_ptr_equal(ANSWERED(1, 400, .url = "/live", .values = {HEADER("X", "y\rVia: z")}),
        replies->bad_request);
    assert_ptr_equal(ANSWERED(1, 400, .url = "/live", .values = {{MHD_HEADER_KIND, "X", "\0y", 2}}),
        replies->bad_request);
    /* The next is one of its own. */
    (void)ANSWERED(2, 503, .url = "/live", .values = {HEADER("!#$%&'*+-.^_`|~9", "\x01 \x7F")});
}

/* ---- Who is told what ---- */

/* Whether a request of this connection with the header is told reasons. */
static bool is_told(struct health__connection *c, enum health_details details, const char *header)
{
    struct MHD_Connection request = {
        .of = c, .url = "/health/bad", .values = {HEADER("Host", "x"), HEADER(header, "y")}};

    served.http.details = details;
    served_handle(&request);
    assert_int_equal(request.code, 503);
    mhd_complete(&served.http, &request);
    return shows("secret");
}

static void reasons_are_for_who_is_on_the_same_host(void **unused)
{
    static const char *const proxies[] = {"Forwarded", "FORWARDED", "Via", "via", "X-Forwarded-For",
        "Viaproxy", "Forwardedfor=x", /* folded, as MHD 0.9.75 has them */
        "x-forwarded-proto", "X-Forwarded-", "X-Envoy-Original-Path", "x-envoy-external-address"};
    static const char *const others[] = {"From", "Vie", "Forward-For", "X-Forwarded", "X-Envoy",
        "X-Forward", "X-Real", "X", "Vi", "", "C", "T"};
    struct health__connection *remote;
    int client;
    size_t i;

    (void)unused;
    remote = served_connect(0x0A000001, &client);
    for (i = 0; i < sizeof(proxies) / sizeof(proxies[0]); i++) {
        assert_false(is_told(served.connection, HEALTH_DETAILS_LOCAL, proxies[i]));
        assert_false(is_told(remote, HEALTH_DETAILS_LOCAL, proxies[i]));
        assert_true(is_told(remote, HEALTH_DETAILS_ALL, proxies[i]));
        assert_false(is_told(served.connection, HEALTH_DETAILS_NONE, proxies[i]));
    }
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_true(is_told(served.connection, HEALTH_DETAILS_LOCAL, others[i]));
        assert_false(is_told(remote, HEALTH_DETAILS_LOCAL, others[i]));
        assert_true(is_told(remote, HEALTH_DETAILS_ALL, others[i]));
        assert_false(is_told(served.connection, HEALTH_DETAILS_NONE, others[i]));
    }
    /* What the one before was is nothing to the next. */
    assert_false(is_told(served.connection, HEALTH_DETAILS_LOCAL, "Via"));
    assert_true(is_told(served.connection, HEALTH_DETAILS_LOCAL, "Host"));
    (void)close(client);
    (void)close(remote->fd.fd);
}

/* ---- Queries ---- */

static void what_passes_is_listed_if_verbose(void **unused)
{
    (void)unused;
    (void)ANSWERED(2, 200, .url = "/ready");
    assert_false(shows("\"good\""));
    (void)ANSWERED(2, 200, .url = "/ready", .values = {ARGUMENT("verbose", NULL)});
    assert_true(shows("\"good\""));
    served.document[0] = '\0';
    health__answers_clear(&served.answers);
    (void)ANSWERED(2, 200, .url = "/ready", .values = {ARGUMENT("verbose", "0")});
    assert_true(shows("\"good\""));
    health__answers_clear(&served.answers);
    (void)ANSWERED(2, 200, .url = "/ready",
        .values = {ARGUMENT("Verbose", NULL), ARGUMENT("verbose2", ""), ARGUMENT("", ""),
            ARGUMENT(NULL, NULL), HEADER("verbose", "1")});
    assert_false(shows("\"good\""));
}

static void what_is_excluded_does_not_count(void **unused)
{
    (void)unused;
    (void)ANSWERED(2, 200, .url = "/live", .values = {ARGUMENT("exclude", "bad")});
    (void)ANSWERED(2, 200, .url = "/live", .values = {ARGUMENT("exclude", "%62ad/")});
    (void)ANSWERED(2, 503, .url = "/live", .values = {ARGUMENT("exclude", "good")});
    assert_false(shows("notes"));
    (void)ANSWERED(2, 503, .url = "/live", .values = {ARGUMENT("exclude", NULL)});
    (void)ANSWERED(2, 503, .url = "/live", .values = {ARGUMENT("exclude", "")});
    assert_true(shows("\"notes\":[\"exclude: no check \"]"));
    (void)ANSWERED(2, 200, .url = "/health",
        .values = {
            ARGUMENT("exclude", "no\xFF"), ARGUMENT("exclude", "bad"), ARGUMENT("verbose", "")});
    assert_true(shows("\"notes\":[\"exclude: no check no\xEF\xBF\xBD\"]"));
    assert_true(shows("\"good\"") && !shows("\"bad\""));
}

/* More names than there is room for at first: all of them move. */
static void many_names_are_kept_together(void **unused)
{
    char name[4][300], url[320];
    size_t i;

    (void)unused;
    for (i = 0; i < 4; i++) {
        memset(name[i], (char)('a' + i), sizeof(name[i]) - 1);
        name[i][sizeof(name[i]) - 1] = '\0';
    }
    (void)ANSWERED(2, 200, .url = "/health/good",
        .values = {ARGUMENT("exclude", name[0]), ARGUMENT("exclude", name[1]),
            ARGUMENT("exclude", name[2]), ARGUMENT("exclude", name[3])});
    assert_true(shows("no check aaa") && shows("no check bbb") && shows("no check ddd"));
    assert_true(shows("\"good\""));
    (void)strcat(strcpy(url, "/health/"), name[3]);
    assert_ptr_equal(
        ANSWERED(2, 404, .url = url, .values = {ARGUMENT("exclude", name[0])}), replies->not_found);
}

/* ---- Out of memory ---- */

static void without_memory_for_the_names_the_connection_ends(void **unused)
{
    struct MHD_Connection request = {.of = served.connection, .url = "/health/good"};

    (void)unused;
    memory_begin(1);
    served_handle(&request);
    assert_true(memory_end());
    assert_int_equal(request.result, MHD_NO);
    assert_int_equal(request.code, 0);
    mhd_complete(&served.http, &request);
    (void)ANSWERED(2, 200, .url = "/health/good");
}

static void without_memory_for_the_document_the_code_is_right(void **unused)
{
    (void)unused;
    served.no_reply = true;
    assert_ptr_equal(ANSWERED(2, 503, .url = "/live"), replies->no_memory[HEALTH_FAIL]);
    assert_ptr_equal(ANSWERED(2, 503, .url = "/health/bad"), replies->no_memory[HEALTH_FAIL]);
    assert_ptr_equal(ANSWERED(2, 200, .url = "/ready"), replies->no_memory[HEALTH_PASS]);
    hand_report(&served.hand, "bad", HEALTH_WARN, NULL);
    assert_ptr_equal(ANSWERED(2, 200, .url = "/live"), replies->no_memory[HEALTH_WARN]);
    served.no_reply = false;
    assert_ptr_not_equal(ANSWERED(2, 200, .url = "/live"), replies->no_memory[HEALTH_WARN]);
}

/* MHD tells of the end of requests that never began. */
static void what_never_began_ends_without_a_trace(void **unused)
{
    struct MHD_Connection request = {.of = served.connection};

    (void)unused;
    mhd_complete(&served.http, &request);
    assert_int_equal(served.connection->phase, HEALTH__READING);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_http, close_http)
    const struct CMUnitTest tests[] = {
        TEST(each_endpoint_is_answered_by_its_status),
        TEST(what_is_not_there_is_not_found),
        TEST(other_methods_are_not_allowed),
        TEST(a_target_with_room_is_left_to_mhd),
        TEST(parameters_that_are_too_long_are_refused),
        TEST(too_many_parameters_are_refused),
        TEST(a_target_that_is_too_long_is_refused),
        TEST(nothing_is_said_to_a_stranger),
        TEST(a_body_is_not_waited_for),
        TEST(a_length_that_is_not_clear_is_refused),
        TEST(a_header_that_not_all_would_see_is_refused),
        TEST(reasons_are_for_who_is_on_the_same_host),
        TEST(what_passes_is_listed_if_verbose),
        TEST(what_is_excluded_does_not_count),
        TEST(many_names_are_kept_together),
        TEST(without_memory_for_the_names_the_connection_ends),
        TEST(without_memory_for_the_document_the_code_is_right),
        TEST(what_never_began_ends_without_a_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
