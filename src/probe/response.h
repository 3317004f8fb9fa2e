/*
 * Reading an HTTP response, byte by byte, whoever sent it.
 *
 * Nothing is kept but the beginning of the body, and nothing is believed that is not there to the
 * end.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_PROBE_RESPONSE_H
#define HEALTH_PROBE_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Two hundred checks of a document of ours. */
#define HEALTH__RESPONSE_KEPT_BYTES 32768

enum health__response_part {
    HEALTH__IN_STATUS,
    HEALTH__IN_HEADER,
    HEALTH__IN_BODY,
    HEALTH__COMPLETE,
    HEALTH__TOO_LONG, /* it has more than we read */
    HEALTH__MALFORMED
};

struct health__response {
    enum health__response_part part;
    unsigned code;     /* 0: not known yet */
    bool has_head;     /* the head was there, and well-formed */
    bool after_cr;     /* in it */
    const char *wrong; /* if it is MALFORMED: what is wrong, or NULL: this or that */
    size_t head_bytes;
    size_t line_length; /* of the line at hand */
    char line[128];     /* its beginning */
    int64_t length;     /* of the body, as announced; -1: until the end */
    int64_t body_bytes;
    size_t kept;
    char body[HEALTH__RESPONSE_KEPT_BYTES]; /* its beginning */
};

void health__response_init(struct health__response *r);

/* What has come.  No more is wanted when the part is COMPLETE, TOO_LONG or MALFORMED. */
void health__response_feed(struct health__response *r, const char *bytes, size_t count);

/* The peer has closed its side.  COMPLETE if that may be the end, TOO_LONG if it was, else
 * MALFORMED. */
void health__response_end(struct health__response *r);

#endif
