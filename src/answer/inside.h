/*
 * Asking from inside: the document for a thread of the service's own.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_ANSWER_INSIDE_H
#define HEALTH_ANSWER_INSIDE_H

#include "answer/answer.h"

/* Makes replies that are the documents' bytes. */
extern const struct health__reply_maker health__bytes_maker;

/* See health_document(); `a` makes its replies with health__bytes_maker.  `details`: tell reasons.
 */
int health__answer_inside(struct health__answers *a, unsigned probe, bool details, char *buf,
    size_t size, size_t *ret_len, enum health_status *ret_status);

#endif
