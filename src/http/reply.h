/*
 * Replies: what MHD sends, made once and sent any number of times.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_HTTP_REPLY_H
#define HEALTH_HTTP_REPLY_H

#include "answer/answer.h"

struct MHD_Response;

/* Makes replies of documents. */
extern const struct health__reply_maker health__reply_maker;

/* The replies that are no documents, and those in place of one that there is no memory for. */
struct health__replies {
    struct MHD_Response *no_memory[3]; /* by status */
    struct MHD_Response *not_found;
    struct MHD_Response *not_allowed;
    struct MHD_Response *bad_request;
};

/* Returns: 0, or -1 without memory. */
int health__replies_init(struct health__replies *r);
void health__replies_done(struct health__replies *r);

static inline struct MHD_Response *health__reply_response(struct health__reply *reply)
{
    return (struct MHD_Response *)reply;
}

#endif
