/*
 * How a function of ours fails: the error, errno, and a sentence for health_last_error().
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_BASE_ERROR_H
#define HEALTH_BASE_ERROR_H

#include <health/health.h>

#define HEALTH__SENTENCE_BYTES 384

/* Keeps the sentence for this thread, sets errno to `cause`, and returns `error`.  Where the cause
 * is one that strerror() explains better, the sentence ends with its words: see
 * health__fail_errno(). Arguments may point into the last sentence. */
int health__fail(int error, int cause, const char *format, ...) HEALTH_PRINTF(3, 4);

/* The same, with ": " and the system's words for `cause` behind the sentence. */
int health__fail_errno(int error, int cause, const char *format, ...) HEALTH_PRINTF(3, 4);

/* HEALTH_ENOMEM, with its sentence. */
int health__fail_memory(void);

/* For what fails on the way to a success: keeps the last sentence, and brings it back. */
void health__error_keep(char ret_kept[HEALTH__SENTENCE_BYTES]);
void health__error_restore(const char kept[HEALTH__SENTENCE_BYTES]);

#endif
