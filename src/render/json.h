/*
 * The parts of the document as JSON.  The one file behind it is the only one that knows cJSON.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_RENDER_JSON_H
#define HEALTH_RENDER_JSON_H

#include "render/document.h"

/* The document's root without its `checks` and its last brace. */
void health__json_head(struct health__buffer *to, const struct health__head *head);

/* The member of `checks` for the check. */
void health__json_item(struct health__buffer *to, const struct health__item *item);

#endif
