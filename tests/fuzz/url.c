/*
 * Of a URL that is taken nothing can end a line of the request early, and there is an address to
 * connect to or the path of a file.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "probe/url.h"

#include <stdbool.h>
#include <sys/un.h>

#include "fuzz.h"

static void check_visible(const char *text, size_t length)
{
    size_t i;

    for (i = 0; i < length; i++)
        FUZZ_CHECK((unsigned char)text[i] > ' ' && text[i] != 0x7F);
}

static void check_address(const struct health__url *url, const struct health__address *a)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&a->socket;

    FUZZ_CHECK(!a->any);
    FUZZ_CHECK(a->length > sizeof(sa_family_t) && a->length <= sizeof(a->socket));
    if (a->socket.ss_family == AF_UNIX) {
        FUZZ_CHECK(url->scheme == HEALTH__HTTP && url->address_count == 1);
        FUZZ_CHECK(un->sun_path[0] == '/');
        FUZZ_CHECK(memchr(un->sun_path, '\0', sizeof(un->sun_path)) != NULL);
        return;
    }
    FUZZ_CHECK(a->socket.ss_family == AF_INET || a->socket.ss_family == AF_INET6);
    FUZZ_CHECK(health__address_port(&a->socket) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);
    struct health__url url;
    const char *why = health__url_read(&url, text);
    unsigned i;

    if (why != NULL) {
        FUZZ_CHECK(why[0] != '\0');
        free(text);
        return 0;
    }
    if (url.scheme != HEALTH__FILE) {
        FUZZ_CHECK(url.address_count == 1 || url.address_count == 2);
        for (i = 0; i < url.address_count; i++)
            check_address(&url, &url.addresses[i]);
        FUZZ_CHECK(memchr(url.host, '\0', sizeof(url.host)) != NULL);
        FUZZ_CHECK(url.host[0] != '\0');
        check_visible(url.host, strlen(url.host));
    }
    if (url.scheme == HEALTH__HTTP)
        check_visible(url.path, url.path_length);
    if (url.scheme != HEALTH__TCP) {
        FUZZ_CHECK(url.path_length > 0 && url.path[0] == '/');
        FUZZ_CHECK(strnlen(url.path, url.path_length) == url.path_length);
    }
    FUZZ_CHECK(url.scheme != HEALTH__FILE || url.max_age_ms >= -1);
    free(text);
    return 0;
}
