/*
 * What the probe is asked to ask.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_PROBE_URL_H
#define HEALTH_PROBE_URL_H

#include <stdint.h>

#include "base/net.h"

enum health__scheme {
    HEALTH__HTTP, /* also over a unix socket */
    HEALTH__TCP,
    HEALTH__FILE
};

struct health__url {
    enum health__scheme scheme;
    struct health__address addresses[2]; /* to be tried at the same time */
    unsigned address_count;
    char host[72];    /* for the Host header, and for people */
    const char *path; /* in the text that was read, up to its end or a '#'; of a file up to '?' */
    size_t path_length;
    int64_t max_age_ms; /* of a file; -1: any */
};

/* Reads a URL.  Returns: NULL, or what is wrong with it, in words. */
const char *health__url_read(struct health__url *ret_url, const char *text);

#endif
