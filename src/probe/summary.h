/*
 * What matters in a document: the names and reasons of what fails.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_PROBE_SUMMARY_H
#define HEALTH_PROBE_SUMMARY_H

#include <stddef.h>

#include "probe/line.h"

/* Adds ": name: reason; name: reason" for what fails by the document, which may be cut short, or be
 * none at all: then as much as was found. */
void health__summary_add(struct health__line *line, const char *document, size_t length);

#endif
