/*
 * Asking in steps: a request that is on its way while the test does something else, and asking
 * again until an answer is as it should become.
 *
 * All fail the cmocka test (of this thread) if there is no connection or no answer in time.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_ASKING_H
#define TESTS_ASKING_H

#include <stdbool.h>

#include "client.h"
#include "document.h"

/* Connects and asks. */
void asking_begin(struct client *c, int port, const char *target);

/* Reads the answer, within so many ms, and closes.  With ret_doc its document, to be given to
 * document_free().  Returns: its code. */
int asking_end(struct client *c, int timeout_ms, json_t **ret_doc);

/* How long a whole request takes, in ms; *ret_code, *ret_doc (or NULL) as above. */
int asking_takes(int port, const char *target, int *ret_code, json_t **ret_doc);

/* Asks every few ms until the check is listed with the status, or not listed where `status` is
 * NULL. Returns: the document of that answer. */
json_t *asking_until(
    int port, const char *target, const char *name, const char *status, int timeout_ms);

/* Lets time pass: for what is about time and nothing else. */
void asking_pause(int ms);

#endif
