/*
 * A request, from its head to its answer.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_HTTP_REQUEST_H
#define HEALTH_HTTP_REQUEST_H

#include <microhttpd.h>
#include <stddef.h>

#include "http/connection.h"

/* MHD's callbacks; `arg` is the server. */
void *health__request_begins(void *arg, const char *target, struct MHD_Connection *connection);
enum MHD_Result health__request_handle(void *arg, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version, const char *upload_data,
    size_t *upload_data_size, void **request);
void health__request_completed(void *arg, struct MHD_Connection *connection, void **request,
    enum MHD_RequestTerminationCode how);

/* What documents for one request alone may take in a turn of the loop; who comes then is put off.
 */
#define HEALTH__ALONE_US 20000

/* The turn of a request that was put off has come. */
void health__request_go_on(struct health__connection *c);

/* The request waits no longer, and is answered with what is known; where it was put off, and there
 * is still no time for it, its connection is closed. */
void health__request_hurry(struct health__connection *c);

#endif
