/*
 * The head of a request: what it says of a body, who speaks, and what its query asks for.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_HTTP_HEAD_H
#define HEALTH_HTTP_HEAD_H

#include "http/connection.h"

/* What a head says of its body: a connection's `framing`. */
enum {
    HEALTH__LENGTH = 1,   /* there is a Content-Length */
    HEALTH__ENCODING = 2, /* there is a Transfer-Encoding */
    HEALTH__BODY = 4,     /* there is a body */
    HEALTH__UNCLEAR = 8   /* two readers could read it differently (RFC 9112, sections 5 and 6.3) */
};

/* Begins with a request: reads its headers and its query. */
void health__head_read(struct health__connection *c, struct MHD_Connection *connection);

/* Adds a name, which is decoded, to those of the request. */
void health__head_keep_name(struct health__connection *c, const char *name);

#endif
