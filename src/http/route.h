/*
 * What a request target asks for: paths and queries, read byte for byte as they came.
 *
 * Nothing is decoded but names, and these by us: MHD's own decoding would end a name at %00.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_HTTP_ROUTE_H
#define HEALTH_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "answer/answer.h"

struct health__route {
    enum health__endpoint endpoint;
    const char *name; /* "/health/NAME": NAME as it came, in the path; else NULL */
};

/*
 * Reads a path, without its query.  An absolute-form target (RFC 9112, section 3.2.2) is read
 * without its scheme and authority.
 *
 * Returns: false if it is no path of ours.
 */
bool health__route_path(const char *path, struct health__route *ret_route);

/* Room for any name, the final NUL included. */
#define HEALTH__ROUTE_NAME_BYTES (3 * HEALTH_NAME_MAX_BYTES + 1)

/*
 * Decodes a name (RFC 3986, section 2.1), with U+FFFD for what is not UTF-8.  A slash at its end is
 * no part of it.
 *
 * Returns: false if there is a bad escape, %00, another slash or %2F in it, or it is longer than
 * any name.
 */
bool health__route_name(const char *from, char ret_name[HEALTH__ROUTE_NAME_BYTES]);

#endif
