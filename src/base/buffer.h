/*
 * Bytes that become more.
 *
 * Running out of memory is remembered, not returned: append what there is to append, and look at
 * `failed` once, at the end.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_BASE_BUFFER_H
#define HEALTH_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory is an empty buffer. */
struct health__buffer {
    char *bytes; /* of malloc() */
    size_t length;
    size_t room;
    bool failed; /* there was no memory for some of it */
};

/* Makes room for `count` more bytes.  Returns: where they begin; NULL without memory. */
char *health__buffer_reserve(struct health__buffer *b, size_t count);

void health__buffer_append(struct health__buffer *b, const char *bytes, size_t count);

/* Frees the bytes; an empty buffer is left. */
void health__buffer_done(struct health__buffer *b);

/* Hands out the bytes, the caller's to free; an empty buffer is left.  Returns: NULL if it failed.
 */
char *health__buffer_take(struct health__buffer *b, size_t *ret_length);

#endif
