/*
 * Which document for whom: kept from the last request where nothing has changed, or rendered.
 *
 * All of it is the loop's.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_ANSWER_ANSWER_H
#define HEALTH_ANSWER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <health/health.h>

#include "core/endpoint.h"
#include "engine/engine.h"

/* What is asked for. */
struct health__request {
    enum health__endpoint endpoint;
    bool verbose;         /* list what passes as well */
    bool details;         /* tell reasons and observed values */
    const char *only;     /* this check alone; NULL: all of the endpoint's */
    const char *excludes; /* not these: names, each with its NUL */
    size_t exclude_count;
};

/* Whether all who ask so are given the same document, which is kept; else it is rendered for this
 * request alone. */
static inline bool health__request_is_plain(const struct health__request *request)
{
    return request->only == NULL && request->exclude_count == 0;
}

/* What a document becomes in the hands of whoever sends it: one object, made once, sent often. */
struct health__reply;

struct health__reply_maker {
    /* Makes a reply of the document, whose bytes, of malloc(), are the reply's from then on, also
     * on failure.  Returns: NULL without memory. */
    struct health__reply *(*make)(char *bytes, size_t length);

    /* The reply is not used here any more; whoever is still sending it goes on. */
    void (*drop)(struct health__reply *reply);
};

/* A document that is kept. */
struct health__kept {
    struct health__reply *reply; /* NULL: none */
    uint64_t version;            /* of what it shows, see health__engine_version() */
    int64_t until;               /* when time alone may change it */
    unsigned gates;
    enum health_status status;
};

struct health__answers {
    /* Set once. */
    struct health__engine *engine;
    struct health__gates *gates;
    const struct health__reply_maker *maker;
    const char *version; /* see struct health_options; NULL: not said */
    const char *release_id;
    const char *service_id;
    const char *description;

    struct health__kept kept[HEALTH__ENDPOINTS][2][2]; /* by details and verbose */
};

/* Drops what is kept. */
void health__answers_clear(struct health__answers *a);

/* What the engine is to be asked before the request is answered.  It is asked also where that needs
 * no run: so it knows what the service has said until now. */
void health__answer_question(const struct health__answers *a, const struct health__request *request,
    struct health__question *ret_question);

/* An answer. */
struct health__answer {
    bool found;                  /* false: there is no check of the name asked for */
    enum health_status status;   /* also without memory */
    struct health__reply *reply; /* NULL: no memory for it */
    bool kept;                   /* false: to be dropped by the caller */
};

struct health__answer health__answer(
    struct health__answers *a, const struct health__request *request);

#endif
