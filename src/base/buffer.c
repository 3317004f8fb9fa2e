/*
 * Bytes that become more.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 512

char *health__buffer_reserve(struct health__buffer *b, size_t count)
{
    size_t room = b->room > 0 ? b->room : FIRST_BYTES;
    char *bytes;

    if (b->failed)
        return NULL;
    while (room - b->length < count)
        room *= 2;
    if (room != b->room) {
        bytes = realloc(b->bytes, room);
        if (bytes == NULL) {
            b->failed = true;
            return NULL;
        }
        b->bytes = bytes;
        b->room = room;
    }
    return b->bytes + b->length;
}

void health__buffer_append(struct health__buffer *b, const char *bytes, size_t count)
{
    char *to = health__buffer_reserve(b, count);

    if (to == NULL)
        return;
    memcpy(to, bytes, count);
    b->length += count;
}

void health__buffer_done(struct health__buffer *b)
{
    free(b->bytes);
    *b = (struct health__buffer){0};
}

char *health__buffer_take(struct health__buffer *b, size_t *ret_length)
{
    char *bytes = b->bytes;

    if (b->failed) {
        health__buffer_done(b);
        return NULL;
    }
    *ret_length = b->length;
    *b = (struct health__buffer){0};
    return bytes;
}
