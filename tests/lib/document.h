/*
 * The document of an answer, read by another JSON library than the one that wrote it, strictly: no
 * member twice, an object at the root, nothing behind it, valid UTF-8.
 *
 * All functions fail the cmocka test (of this thread) where the document is not as the wire format
 * has it, but for document_parse().
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_DOCUMENT_H
#define TESTS_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "client.h"

/* Returns: the document, to be given to document_free(); NULL, with why in ret_why (256 bytes, or
 * NULL), if the text is none. */
json_t *document_parse(const char *text, size_t length, char *ret_why);

/* The document of a response, which is checked to be one: its status 200 or 503 in agreement with
 * "status", which comes first, the headers of every health answer, and the form of all members that
 * we know (document_validate()). */
json_t *document_of(const struct response *r);

/* GETs the target from 127.0.0.1 and checks the code; the document as document_of(). */
json_t *document_get(int port, const char *target, int code);

/* The same with any request. */
json_t *document_ask(const struct client_request *q, int code);

/* Checks the form of the root and of every item: known members alone, of the right types, in the
 * order of the wire format, times as times, `output` only where the status is not pass. */
void document_validate(const json_t *doc);

void document_free(json_t *doc);

/* "pass", "warn" or "fail" of the whole. */
const char *document_status(const json_t *doc);

/* How many checks are listed. */
size_t document_count(const json_t *doc);

/* The item of the check; NULL if it is not listed. */
const json_t *document_check(const json_t *doc, const char *name);

/* Its status; NULL if it is not listed. */
const char *document_check_status(const json_t *doc, const char *name);

/* The text of a member of the root or of an item; NULL if it is not there (or `object` is NULL). */
const char *document_text(const json_t *object, const char *member);

/* The check's `output`; NULL if the check is not listed or has none. */
const char *document_output(const json_t *doc, const char *name);

/* A gate: "started", "ready", "draining". */
bool document_gate(const json_t *doc, const char *name);

/* "2026-11-24T08:15:02.250Z" in ms since 1970; -1 if it is not exactly such a text. */
int64_t document_time_ms(const char *text);

/* Ms since 1970 now. */
int64_t document_now_ms(void);

#endif
