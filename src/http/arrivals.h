/*
 * Who comes: accepted, if there is room or someone can be asked to go, and handed to MHD.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_HTTP_ARRIVALS_H
#define HEALTH_HTTP_ARRIVALS_H

#include <stdint.h>

#include "http/http.h"

/* Accepts some of those who have come. */
void health__arrivals_accept(struct health__http *http, int64_t now);

/* Accepts whoever has come in time, whether epoll has told of them yet or not.  Nor has it told of
 * a listener that the host has closed, whose number may be that of one of its own. */
void health__arrivals_accept_the_last(struct health__http *http, int64_t now);

#endif
