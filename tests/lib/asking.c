/*
 * Asking in steps.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "asking.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PACE_MS 5

void asking_begin(struct client *c, int port, const char *target)
{
    if (client_open(c, "127.0.0.1", port) != 0 ||
        client_print(c, "GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", target) != 0)
        fail_msg("%s of port %d: %s", target, port, strerror(errno));
}

int asking_end(struct client *c, int timeout_ms, json_t **ret_doc)
{
    struct response r;
    enum client_end end;
    int code;

    end = client_read(c, false, &r, client_deadline(timeout_ms));
    client_close(c);
    if (end != CLIENT_OK)
        fail_msg("no answer within %d ms: enum client_end %d", timeout_ms, (int)end);
    code = r.status;
    if (ret_doc != NULL)
        *ret_doc = document_of(&r);
    response_free(&r);
    return code;
}

int asking_takes(int port, const char *target, int *ret_code, json_t **ret_doc)
{
    int64_t begin = client_now_ms();
    struct client c;

    asking_begin(&c, port, target);
    *ret_code = asking_end(&c, CLIENT_TIMEOUT_MS, ret_doc);
    return (int)(client_now_ms() - begin);
}

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

json_t *asking_until(
    int port, const char *target, const char *name, const char *status, int timeout_ms)
{
    int64_t deadline = client_deadline(timeout_ms);
    struct response r;
    json_t *doc;

    for (;;) {
        client_get(port, target, &r);
        doc = document_of(&r);
        if (same(document_check_status(doc, name), status))
            break;
        if (client_now_ms() >= deadline)
            fail_msg("%s is not %s after %d ms: %s", name, status != NULL ? status : "gone",
                timeout_ms, r.body);
        document_free(doc);
        response_free(&r);
        asking_pause(PACE_MS);
    }
    response_free(&r);
    return doc;
}

void asking_pause(int ms)
{
    (void)poll(NULL, 0, ms);
}
