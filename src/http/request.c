/*
 * A request, from its head to its answer.
 *
 * MHD calls once when the head is there, and again when the body is.  An answer on the first call
 * closes the connection, as there may be a body to come: so where none is announced we answer on
 * the second, and where one is, on the first, and it is never read.
 *
 * A request that has to wait is suspended in between.  MHD does not look at its socket then: we do,
 * for the client's end of it alone.  When the wait is over MHD calls once more.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/request.h"

#include <string.h>

#include "http/http.h"
#include "http/route.h"

/* What a head says of its body. */
enum {
    LENGTH = 1,   /* there is a Content-Length */
    ENCODING = 2, /* there is a Transfer-Encoding */
    BODY = 4,     /* there is a body */
    UNCLEAR = 8   /* two readers could read it differently (RFC 9112, sections 5 and 6.3) */
};

/* ---- The head ---- */

/* Whatever it is, the connection ends with the answer: MHD 0.9.75 ends a value at its first NUL,
 * and "0" may be the beginning of another length to whoever is before us. */
static void note_length(struct health__connection *c, const char *value, size_t length)
{
    if ((c->framing & (LENGTH | ENCODING)) || length == 0 || strspn(value, "0123456789") != length)
        c->framing |= UNCLEAR;
    c->framing |= LENGTH | BODY;
}

static void note_encoding(struct health__connection *c)
{
    if (c->framing & (LENGTH | ENCODING))
        c->framing |= UNCLEAR;
    c->framing |= ENCODING | BODY;
}

/* Letters are those of ASCII, whatever the host's locale: in Turkish strcasecmp() takes VIA for
 * another name than Via. */
static bool starts(const char *name, const char *prefix)
{
    for (; *prefix != '\0'; name++, prefix++) {
        unsigned char a = (unsigned char)*name, b = (unsigned char)*prefix;

        if (a != b && ((a | 0x20) != (b | 0x20) || (a | 0x20) < 'a' || (a | 0x20) > 'z'))
            return false;
    }
    return true;
}

static bool is(const char *name, const char *other)
{
    return strlen(name) == strlen(other) && starts(name, other);
}

/* A blank in front of the colon hides a header from one reader and not from the other. */
static bool is_name(const char *name, size_t length)
{
    size_t i;

    for (i = 0; i < length; i++)
        if ((unsigned char)name[i] <= ' ' || name[i] == 0x7F)
            return false;
    return true;
}

/* A line may end there for one reader and not for the other (RFC 9110, section 5.5). */
static bool is_value(const char *value, size_t length)
{
    size_t i;

    for (i = 0; i < length; i++)
        if (value[i] == '\r' || value[i] == '\n' || value[i] == '\0')
            return false;
    return true;
}

/* What is folded MHD 0.9.75 has at the end of the name, so it may be longer than what it is. */
static void note_header(
    struct health__connection *c, const char *name, const char *value, size_t length)
{
    switch (name[0] | 0x20) {
    case 'c':
        if (is(name, "Content-Length"))
            note_length(c, value, length);
        else if (starts(name, "Content-Length"))
            c->framing |= UNCLEAR;
        break;
    case 't':
        if (is(name, "Transfer-Encoding"))
            note_encoding(c);
        else if (starts(name, "Transfer-Encoding"))
            c->framing |= UNCLEAR;
        break;
    case 'e':
        /* MHD says "100 Continue" before the second call, body or not. */
        if (is(name, "Expect"))
            c->framing |= BODY;
        break;
    case 'f':
        c->proxied |= starts(name, "Forwarded");
        break;
    case 'v':
        c->proxied |= starts(name, "Via");
        break;
    case 'x':
        c->proxied |= starts(name, "X-Forwarded-") || starts(name, "X-Envoy-");
        break;
    default:
        break;
    }
}

/* Adds a decoded name to those of the request. */
static void keep_name(struct health__connection *c, const char *name)
{
    char clean[HEALTH__ROUTE_NAME_BYTES];

    if (health__route_name(name, clean))
        health__buffer_append(&c->names, clean, strlen(clean) + 1);
    else
        c->bad_name = true;
}

static void note_argument(struct health__connection *c, const char *name, const char *value)
{
    if (strcmp(name, "verbose") == 0) {
        c->request.verbose = true;
    } else if (strcmp(name, "exclude") == 0 && value != NULL) {
        keep_name(c, value);
        c->request.exclude_count++;
    }
}

static enum MHD_Result note(void *arg, enum MHD_ValueKind kind, const char *name,
    size_t name_length, const char *value, size_t value_length)
{
    struct health__connection *c = arg;

    if (name == NULL)
        return MHD_YES;
    if (kind != MHD_HEADER_KIND)
        note_argument(c, name, value);
    else if (is_name(name, name_length) && is_value(value, value_length))
        note_header(c, name, value, value_length);
    else
        c->framing |= UNCLEAR;
    return MHD_YES;
}

static void read_head(struct health__connection *c, struct MHD_Connection *connection)
{
    c->request = (struct health__request){.endpoint = HEALTH__AT_READY};
    c->framing = 0;
    c->proxied = c->waited = c->bad_name = false;
    (void)MHD_get_connection_values_n(
        connection, (enum MHD_ValueKind)(MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND), note, c);
}

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
        keep_name(c, route.name);
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
    c->waited = true;
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

/* The client has closed its side, and perhaps waits for the answer. */
static void client_gone(struct health__source *source, unsigned what)
{
    (void)what;
    health__request_hurry(health__container(source, struct health__connection, gone));
}

/* Returns: whether the request has to wait. */
static bool begin_to_wait(struct health__connection *c, struct MHD_Connection *connection)
{
    struct health__http *http = c->http;

    if (http->draining || !health__answer_question(http->answers, &c->request, &c->waiter.question))
        return false;
    c->waiter.ready = resume;
    if (!health__engine_ask(http->engine, &c->waiter))
        return false;

    MHD_suspend_connection(connection);
    c->mhd = connection;
    c->gone = (struct health__source){client_gone, c->fd.fd};
    /* Without it the wait is as long as it is. */
    if (health__poller_add(http->poller, &c->gone, HEALTH__HANGUP) != 0)
        c->gone.fd = -1;
    health__connection_enter(&http->connections, c, HEALTH__WAITING, http->engine->now);
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

static enum MHD_Result respond(struct health__connection *c, struct MHD_Connection *connection,
    const char *url, const char *method)
{
    struct health__replies *replies = &c->http->replies;

    if (!c->waited) {
        if (!read_target(c, url))
            return send_reply(c, connection, MHD_HTTP_NOT_FOUND, replies->not_found);
        if (c->names.failed)
            return MHD_NO; /* no memory for the names; the connection is closed */
        if (!is_allowed(method))
            return send_reply(c, connection, MHD_HTTP_METHOD_NOT_ALLOWED, replies->not_allowed);
        if (begin_to_wait(c, connection))
            return MHD_YES;
    }
    return send_answer(c, connection);
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
        c = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
        *request = c;
        read_head(c, connection);
        if (c->framing & UNCLEAR)
            return send_reply(c, connection, MHD_HTTP_BAD_REQUEST, c->http->replies.bad_request);
        if (!(c->framing & BODY))
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
