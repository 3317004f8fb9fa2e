/*
 * MHD as the test plays it: requests that it hands over, and what it is asked to do with them.
 *
 * For unit tests, which have the insides in reach; they wrap MHD_get_connection_values_n,
 * MHD_get_connection_info, MHD_queue_response, MHD_suspend_connection and MHD_resume_connection.
 * Responses are MHD's own.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_MHD_BY_HAND_H
#define TESTS_MHD_BY_HAND_H

#include <microhttpd.h>

#include "http/request.h"

/* A header or an argument. */
struct mhd_value {
    enum MHD_ValueKind kind;
    const char *name;
    const char *value;
    size_t value_length; /* 0: as long as it is */
};

#define MHD_VALUES 8

/* A request, and what became of it. */
struct MHD_Connection {
    struct health__connection *of;
    const char *method; /* NULL: GET */
    const char *url;
    struct mhd_value values[MHD_VALUES]; /* up to one without a name */

    void *context;                 /* the request's */
    int calls;                     /* of the handler */
    enum MHD_Result result;        /* of the last */
    bool suspended;                /* now */
    int suspends, resumes;         /* how often it was */
    unsigned code;                 /* 0: none queued yet */
    struct MHD_Response *response; /* if it was queued */
    union MHD_ConnectionInfo info;
};

int __wrap_MHD_get_connection_values_n(struct MHD_Connection *connection, enum MHD_ValueKind kind,
    MHD_KeyValueIteratorN iterator, void *arg);
const union MHD_ConnectionInfo *__wrap_MHD_get_connection_info(
    struct MHD_Connection *connection, enum MHD_ConnectionInfoType type, ...);
enum MHD_Result __wrap_MHD_queue_response(
    struct MHD_Connection *connection, unsigned code, struct MHD_Response *response);
void __wrap_MHD_suspend_connection(struct MHD_Connection *connection);
void __wrap_MHD_resume_connection(struct MHD_Connection *connection);

static size_t mhd_length(const char *text)
{
    return text != NULL ? strlen(text) : 0;
}

int __wrap_MHD_get_connection_values_n(struct MHD_Connection *connection, enum MHD_ValueKind kind,
    MHD_KeyValueIteratorN iterator, void *arg)
{
    int count = 0;

    for (; count < MHD_VALUES; count++) {
        const struct mhd_value *v = &connection->values[count];

        if (v->kind == 0)
            break;
        if ((v->kind & kind) &&
            iterator(arg, v->kind, v->name, mhd_length(v->name), v->value,
                v->value_length != 0 ? v->value_length : mhd_length(v->value)) != MHD_YES)
            break;
    }
    return count;
}

const union MHD_ConnectionInfo *__wrap_MHD_get_connection_info(
    struct MHD_Connection *connection, enum MHD_ConnectionInfoType type, ...)
{
    assert_int_equal(type, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    connection->info.socket_context = connection->of;
    return &connection->info;
}

enum MHD_Result __wrap_MHD_queue_response(
    struct MHD_Connection *connection, unsigned code, struct MHD_Response *response)
{
    assert_non_null(response);
    assert_int_equal(connection->code, 0);
    connection->code = code;
    connection->response = response;
    return MHD_YES;
}

void __wrap_MHD_suspend_connection(struct MHD_Connection *connection)
{
    assert_false(connection->suspended);
    connection->suspended = true;
    connection->suspends++;
}

void __wrap_MHD_resume_connection(struct MHD_Connection *connection)
{
    assert_true(connection->suspended);
    connection->suspended = false;
    connection->resumes++;
}

/* Calls the handler, as MHD does, until the request is answered, refused or suspended. */
static inline void mhd_run(struct health__http *http, struct MHD_Connection *r)
{
    do {
        size_t size = 0;

        r->result = health__request_handle(http, r, r->url, r->method != NULL ? r->method : "GET",
            "HTTP/1.1", NULL, &size, &r->context);
        r->calls++;
        /* Once more without an answer is once too often: MHD would give up. */
        assert_true(r->calls <= 2 + r->suspends);
    } while (r->result == MHD_YES && r->code == 0 && !r->suspended);
}

/* The request is over. */
static inline void mhd_complete(struct health__http *http, struct MHD_Connection *r)
{
    health__request_completed(http, r, &r->context, MHD_REQUEST_TERMINATED_COMPLETED_OK);
    assert_null(r->context);
}

#endif
