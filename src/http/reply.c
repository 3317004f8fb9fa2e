/*
 * Replies.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/reply.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#define DOCUMENT_TYPE "application/health+json"

static bool add_header(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

/* Takes the response, which may be NULL.  Returns: it; NULL, having destroyed it, without memory.
 */
static struct MHD_Response *with_headers(struct MHD_Response *response, const char *type)
{
    if (response == NULL)
        return NULL;
    if (add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) &&
        add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") &&
        add_header(response, "X-Content-Type-Options", "nosniff"))
        return response;
    MHD_destroy_response(response);
    return NULL;
}

static struct health__reply *make(char *bytes, size_t length)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(length, bytes, free);

    if (response == NULL)
        free(bytes);
    return (struct health__reply *)with_headers(response, DOCUMENT_TYPE);
}

/* MHD counts: whoever is still sending it has it too. */
static void drop(struct health__reply *reply)
{
    MHD_destroy_response(health__reply_response(reply));
}

const struct health__reply_maker health__reply_maker = {make, drop};

static struct MHD_Response *fixed(const char *type, const char *body)
{
    return with_headers(MHD_create_response_from_buffer(
                            strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT),
        type);
}

int health__replies_init(struct health__replies *r)
{
    static const char text[] = "text/plain; charset=utf-8";

    *r = (struct health__replies){
        .no_memory =
            {
                [HEALTH_PASS] = fixed(DOCUMENT_TYPE, "{\"status\":\"pass\",\"checks\":{}}"),
                [HEALTH_WARN] = fixed(DOCUMENT_TYPE, "{\"status\":\"warn\",\"checks\":{}}"),
                [HEALTH_FAIL] = fixed(DOCUMENT_TYPE, "{\"status\":\"fail\",\"checks\":{}}"),
            },
        .not_found = fixed(text, "Not found. There are /health, /health/NAME, /ready, /live and "
                                 "/startup.\n"),
        .not_allowed = fixed(text, "GET, HEAD or OPTIONS only.\n"),
        .bad_request =
            fixed(text, "The request is not clear: a header, or the length of its body.\n"),
    };
    if (r->no_memory[0] != NULL && r->no_memory[1] != NULL && r->no_memory[2] != NULL &&
        r->not_found != NULL && r->bad_request != NULL && r->not_allowed != NULL &&
        add_header(r->not_allowed, MHD_HTTP_HEADER_ALLOW, "GET, HEAD, OPTIONS") &&
        add_header(r->bad_request, MHD_HTTP_HEADER_CONNECTION, "close"))
        return 0;
    health__replies_done(r);
    return -1;
}

static void destroy(struct MHD_Response *response)
{
    if (response != NULL)
        MHD_destroy_response(response);
}

void health__replies_done(struct health__replies *r)
{
    size_t i;

    for (i = 0; i < sizeof(r->no_memory) / sizeof(r->no_memory[0]); i++)
        destroy(r->no_memory[i]);
    destroy(r->not_found);
    destroy(r->not_allowed);
    destroy(r->bad_request);
    *r = (struct health__replies){.not_found = NULL};
}
