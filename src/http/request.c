/*
 * A request, from its head to its answer.
 *
 * MHD calls when the target is there: one that it would have no room for is refused then, past MHD.
 * It calls once when the head is there, and again when the body is.  An answer on the first call
 * closes the connection, as there may be a body to come: so where none is announced we answer on
 * the second, and where one is, on the first, and it is never read.
 *
 * A request that has to wait is suspended in between.  MHD does not look at its socket then: we do,
 * for the client's end of it alone.  When the wait is over MHD calls once more.
 *
 * A document that is for one request alone may take long to make where there are very many checks.
 * So there is a limit to what these may take in a turn of the loop; the requests beyond it are put
 * off, and go on in the next turns, in the order in which they came.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/request.h"

#include <string.h>

#include "base/clock.h"
#include "http/head.h"
#include "http/http.h"
#include "http/route.h"

#define PARAMETERS_MAX  30
#define PARAMETER_BYTES 64  /* of the pool, which has a record of each */
#define OTHER_BYTES     496 /* of the pool: for the rest of the line, and what is read behind it */

/* ---- What is asked for ---- */

static bool tells_details(const struct health__connection *c)
{
    switch (c->http->details) {
    case HEALTH_DETAILS_ALL:
        return true;
    case HEALTH_DETAILS_NONE:
        return false;
    default:
        return c->local && !c->proxied;
    }
}

/* Returns: false if there is nothing there. */
static bool read_target(struct health__connection *c, const char *url)
{
    struct health__route route;
    size_t only;

    if (!health__route_path(url, &route))
        return false;
    c->request.endpoint = route.endpoint;
    c->request.details = tells_details(c);
    only = c->names.length;
    if (route.name != NULL)
        health__head_keep_name(c, route.name);
    /* The buffer has moved while it grew. */
    c->request.excludes = c->names.bytes;
    if (route.name != NULL && !c->bad_name)
        c->request.only = c->names.bytes + only;
    return !c->bad_name;
}

static bool is_allowed(const char *method)
{
    return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0 ||
           strcmp(method, MHD_HTTP_METHOD_OPTIONS) == 0;
}

/* ---- Whether there is room for it ---- */

static struct health__connection *connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* Whether all of the target's parameters have room in MHD's pool, however much of what is behind
 * its line is there as well by now: where one has none, 0.9.75 forgets the request, without a word.
 */
static bool has_room(const char *target)
{
    size_t bytes = strlen(target), parameters = 0;
    const char *at;

    for (at = strchr(target, '?'); at != NULL; at = strchr(at + 1, '&'))
        parameters++;
    return parameters <= PARAMETERS_MAX &&
           bytes + parameters * PARAMETER_BYTES <= HEALTH__POOL_BYTES - OTHER_BYTES;
}

void *health__request_begins(void *arg, const char *target, struct MHD_Connection *connection)
{
    static const char refusal[] = "HTTP/1.1 414 URI Too Long\r\n"
                                  "Cache-Control: no-store\r\n"
                                  "X-Content-Type-Options: nosniff\r\n"
                                  "Connection: close\r\n"
                                  "Content-Length: 0\r\n\r\n";
    struct health__connection *c;

    (void)arg;
    if (!has_room(target)) {
        c = connection_of(connection);
        if (health__fd_is_ours(&c->fd))
            (void)sendto(
                c->fd.fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
        health__connection_shut(&c->http->connections, c);
    }
    return NULL;
}

/* ---- Waiting ---- */

static void stop_watching(struct health__connection *c)
{
    if (c->gone.fd >= 0)
        health__poller_remove(c->http->poller, &c->gone);
    c->gone.fd = -1;
}

/* The wait is over: MHD calls again. */
static void resume(struct health__waiter *waiter)
{
    struct health__connection *c = health__container(waiter, struct health__connection, waiter);

    /* The server has been forgotten. */
    if (c->http->daemon == NULL)
        return;
    stop_watching(c);
    c->waited |= c->phase != HEALTH__PUT_OFF;
    health__connection_enter(&c->http->connections, c, HEALTH__SENDING, c->http->engine->now);
    if (!health__fd_is_ours(&c->fd)) {
        health__engine_lose(c->http->engine);
        return;
    }
    MHD_resume_connection(c->mhd);
    c->http->due_at = HEALTH__NOT_YET;
}

void health__request_hurry(struct health__connection *c)
{
    health__engine_leave(&c->waiter);
    resume(&c->waiter);
}

void health__request_go_on(struct health__connection *c)
{
    c->its_turn = true;
    resume(&c->waiter);
}

/* The client has closed its side, and perhaps waits for the answer. */
static void client_gone(struct health__source *source, unsigned what)
{
    (void)what;
    health__request_hurry(health__container(source, struct health__connection, gone));
}

static void suspend(struct health__connection *c, struct MHD_Connection *connection,
    enum health__phase phase, int fd)
{
    MHD_suspend_connection(connection);
    c->mhd = connection;
    c->gone = (struct health__source){client_gone, fd};
    health__connection_enter(&c->http->connections, c, phase, c->http->engine->now);
}

/* Returns: whether the request has to wait. */
static bool begin_to_wait(struct health__connection *c, struct MHD_Connection *connection)
{
    struct health__http *http = c->http;

    health__answer_question(http->answers, &c->request, &c->waiter.question);
    c->waiter.ready = resume;
    if (!health__engine_ask(http->engine, &c->waiter))
        return false;

    suspend(c, connection, HEALTH__WAITING, c->fd.fd);
    /* Without it the wait is as long as it is. */
    if (health__poller_add(http->poller, &c->gone, HEALTH__HANGUP) != 0)
        c->gone.fd = -1;
    return true;
}

/* ---- Answering ---- */

static enum MHD_Result send_reply(struct health__connection *c, struct MHD_Connection *connection,
    unsigned code, struct MHD_Response *response)
{
    health__connection_enter(&c->http->connections, c, HEALTH__SENDING, c->http->engine->now);
    return MHD_queue_response(connection, code, response);
}

static enum MHD_Result send_answer(struct health__connection *c, struct MHD_Connection *connection)
{
    struct health__http *http = c->http;
    struct health__answer answer = health__answer(http->answers, &c->request);
    struct MHD_Response *response = http->replies.no_memory[answer.status];
    enum MHD_Result result;

    if (!answer.found)
        return send_reply(c, connection, MHD_HTTP_NOT_FOUND, http->replies.not_found);
    if (answer.reply != NULL)
        response = health__reply_response(answer.reply);
    result = send_reply(c, connection,
        answer.status == HEALTH_FAIL ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, response);
    if (answer.reply != NULL && !answer.kept)
        health__reply_maker.drop(answer.reply);
    return result;
}

static enum MHD_Result answer_now(struct health__connection *c, struct MHD_Connection *connection)
{
    if (!c->waited && !c->makes_way && begin_to_wait(c, connection))
        return MHD_YES;
    return send_answer(c, connection);
}

/* Whether there is no time left in this turn, or others are before it. */
static bool is_early(const struct health__connection *c)
{
    const struct health__http *http = c->http;

    return !c->its_turn && (!health__list_empty(&http->connections.phases[HEALTH__PUT_OFF]) ||
                               health__now_us() - http->began_us >= HEALTH__ALONE_US);
}

/* The same for a document that nobody else can have. */
static enum MHD_Result answer_alone(struct health__connection *c, struct MHD_Connection *connection)
{
    if (is_early(c)) {
        if (c->makes_way || c->http->ending)
            return MHD_NO;
        suspend(c, connection, HEALTH__PUT_OFF, -1);
        return MHD_YES;
    }
    c->its_turn = false;
    return answer_now(c, connection);
}

static enum MHD_Result respond(struct health__connection *c, struct MHD_Connection *connection,
    const char *url, const char *method)
{
    struct health__replies *replies = &c->http->replies;

    /* It has been shut down: nothing is begun for it. */
    if (c->phase == HEALTH__LEAVING)
        return MHD_NO;
    if (!c->targeted) {
        if (!read_target(c, url))
            return send_reply(c, connection, MHD_HTTP_NOT_FOUND, replies->not_found);
        if (c->names.failed)
            return MHD_NO; /* no memory for the names; the connection is closed */
        if (!is_allowed(method))
            return send_reply(c, connection, MHD_HTTP_METHOD_NOT_ALLOWED, replies->not_allowed);
        c->targeted = true;
    }
    return health__request_is_plain(&c->request) ? answer_now(c, connection)
                                                 : answer_alone(c, connection);
}

enum MHD_Result health__request_handle(void *arg, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version, const char *upload_data,
    size_t *upload_data_size, void **request)
{
    struct health__connection *c = *request;

    (void)arg;
    (void)version;
    (void)upload_data;
    if (c == NULL) {
        c = connection_of(connection);
        *request = c;
        health__head_read(c, connection);
        if (c->framing & HEALTH__UNCLEAR)
            return send_reply(c, connection, MHD_HTTP_BAD_REQUEST, c->http->replies.bad_request);
        if (!(c->framing & HEALTH__BODY))
            return MHD_YES;
    }
    *upload_data_size = 0;
    return respond(c, connection, url, method);
}

void health__request_completed(void *arg, struct MHD_Connection *connection, void **request,
    enum MHD_RequestTerminationCode how)
{
    struct health__connection *c = *request;

    (void)arg;
    (void)connection;
    (void)how;
    if (c == NULL)
        return;
    *request = NULL;
    health__buffer_done(&c->names);
    health__connection_enter(&c->http->connections, c, HEALTH__READING, c->http->engine->now);
    if (c->makes_way)
        health__connection_shut(&c->http->connections, c);
}
