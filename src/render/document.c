/*
 * The document.
 *
 * Each check is rendered by itself and put behind the others as text: a tree of all of them would
 * cost more than in proportion.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "render/document.h"

#include "render/json.h"

static void text(struct health__buffer *to, const char *s, size_t length)
{
    health__buffer_append(to, s, length);
}
#define TEXT(to, literal) text(to, literal, sizeof(literal) - 1)

void health__document_begin(struct health__buffer *to, const struct health__head *head)
{
    health__json_head(to, head);
    TEXT(to, ",\"checks\":{");
}

void health__document_add(struct health__buffer *to, const struct health__item *item, bool first)
{
    if (!first)
        TEXT(to, ",");
    health__json_item(to, item);
}

void health__document_end(struct health__buffer *to)
{
    TEXT(to, "}}");
}
