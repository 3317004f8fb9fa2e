/*
 * Asking from inside.
 *
 * The thread that asks waits while the loop does what it does for any request: so the same runs are
 * waited for, and the same documents kept.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "answer/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* ---- Replies that are bytes ---- */

struct bytes {
    char *bytes;
    size_t length;
};

static struct health__reply *make(char *text, size_t length)
{
    struct bytes *b = malloc(sizeof(*b));

    if (b == NULL) {
        free(text);
        return NULL;
    }
    *b = (struct bytes){text, length};
    return (struct health__reply *)(void *)b;
}

static void drop(struct health__reply *reply)
{
    struct bytes *b = (struct bytes *)(void *)reply;

    free(b->bytes);
    free(b);
}

const struct health__reply_maker health__bytes_maker = {make, drop};

/* ---- Asking ---- */

struct asking {
    struct health__errand errand;
    struct health__waiter waiter;
    struct health__answers *answers;
    struct health__request request;
    char *buf;
    size_t size;

    /* What came of it. */
    int error;
    size_t length;
    enum health_status status;
};

static void answer(struct asking *asking)
{
    struct health__answer answer = health__answer(asking->answers, &asking->request);
    const struct bytes *b = (const struct bytes *)(const void *)answer.reply;

    asking->status = answer.status;
    asking->error = 0;
    if (asking->buf == NULL)
        return;
    if (b == NULL) {
        asking->error = HEALTH_ENOMEM;
        return;
    }
    asking->length = b->length;
    if (b->length >= asking->size) {
        asking->error = HEALTH_ENOBUFS;
        return;
    }
    memcpy(asking->buf, b->bytes, b->length);
    asking->buf[b->length] = '\0';
}

static void waited(struct health__waiter *waiter)
{
    struct asking *asking = health__container(waiter, struct asking, waiter);

    answer(asking);
    health__errand_done(asking->answers->engine, &asking->errand);
}

static bool ask(struct health__errand *errand)
{
    struct asking *asking = health__container(errand, struct asking, errand);

    asking->waiter.ready = waited;
    health__answer_question(asking->answers, &asking->request, &asking->waiter.question);
    if (health__engine_ask(asking->answers->engine, &asking->waiter))
        return false;
    answer(asking);
    return true;
}

static bool endpoint_of(unsigned probe, enum health__endpoint *ret_endpoint)
{
    switch (probe) {
    case HEALTH_LIVE:
        *ret_endpoint = HEALTH__AT_LIVE;
        return true;
    case HEALTH_READY:
        *ret_endpoint = HEALTH__AT_READY;
        return true;
    case HEALTH_STARTUP:
        *ret_endpoint = HEALTH__AT_STARTUP;
        return true;
    case HEALTH_ALL:
        *ret_endpoint = HEALTH__AT_HEALTH;
        return true;
    default:
        return false;
    }
}

int health__answer_inside(struct health__answers *a, unsigned probe, bool details, char *buf,
    size_t size, size_t *ret_len, enum health_status *ret_status)
{
    struct asking asking = {.errand = {.run = ask}, .answers = a, .buf = buf, .size = size};
    int error;

    if (!endpoint_of(probe, &asking.request.endpoint))
        return health__fail(HEALTH_EINVAL, EINVAL, "probe 0x%X is not one probe", probe);
    asking.request.details = details;
    error = health__engine_do(a->engine, &asking.errand, false);
    if (error != 0)
        return error;
    if (ret_status != NULL)
        *ret_status = asking.status;
    if (ret_len != NULL && buf != NULL && asking.error != HEALTH_ENOMEM)
        *ret_len = asking.length;
    if (asking.error == HEALTH_ENOMEM)
        return health__fail_memory();
    if (asking.error != 0)
        return health__fail(asking.error, ENOBUFS,
            "the document has %zu bytes and a NUL, the buffer %zu", asking.length, size);
    return 0;
}
