/*
 * Answers without HTTP: replies are their bytes, and are counted.
 *
 * For unit tests, which have the insides in reach; see by_hand.h for the engine that is asked.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_REPLY_BY_HAND_H
#define TESTS_REPLY_BY_HAND_H

#include <stdlib.h>

#include "answer/answer.h"
#include "by_hand.h"

struct health__reply {
    size_t length;
    char bytes[]; /* with a final NUL */
};

/* What became of them. */
struct replies {
    int made, dropped;
    bool fail; /* there is no memory for one */
};

static struct replies replies;

static struct health__reply *replies_make(char *bytes, size_t length)
{
    struct health__reply *reply = replies.fail ? NULL : malloc(sizeof(*reply) + length + 1);

    if (reply != NULL) {
        reply->length = length;
        memcpy(reply->bytes, bytes, length);
        reply->bytes[length] = '\0';
    }
    free(bytes);
    if (reply == NULL)
        return NULL;
    replies.made++;
    return reply;
}

static void replies_drop(struct health__reply *reply)
{
    free(reply);
    replies.dropped++;
}

static const struct health__reply_maker replies_maker = {replies_make, replies_drop};

/* Answers by an engine by hand. */
static inline void answers_open(struct health__answers *a, struct hand *h)
{
    replies = (struct replies){.fail = false};
    *a =
        (struct health__answers){.engine = &h->engine, .gates = &h->gates, .maker = &replies_maker};
}

/* Nothing is left. */
static inline void answers_close(struct health__answers *a)
{
    health__answers_clear(a);
    assert_int_equal(replies.made, replies.dropped);
}

/* Asks: first the engine, as a server does, then for the answer. */
static inline struct health__answer answers_ask(
    struct health__answers *a, struct hand *h, const struct health__request *request)
{
    struct hand_request r = {.waiter = {.ready = hand_ready}};

    health__answer_question(a, request, &r.waiter.question);
    if (health__engine_ask(&h->engine, &r.waiter))
        health__engine_leave(&r.waiter);
    return health__answer(a, request);
}

#endif
