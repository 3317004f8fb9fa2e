/*
 * What a request target asks for.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/route.h"

#include <string.h>

#include "base/utf8.h"

#define PATH(path, endpoint)                                                                       \
    {                                                                                              \
        path, sizeof(path) - 1, endpoint                                                           \
    }

/* Without pointers there is nothing in it for the dynamic linker to do. */
static const struct {
    char path[sizeof("/startupz")];
    unsigned char length;
    enum health__endpoint endpoint : 8;
} paths[] = {
    PATH("/live", HEALTH__AT_LIVE),
    PATH("/ready", HEALTH__AT_READY),
    PATH("/health", HEALTH__AT_HEALTH),
    PATH("/startup", HEALTH__AT_STARTUP),
    PATH("/livez", HEALTH__AT_LIVE),
    PATH("/readyz", HEALTH__AT_READY),
    PATH("/healthz", HEALTH__AT_HEALTH),
    PATH("/startupz", HEALTH__AT_STARTUP),
};

/* Behind "http://host:port"; the same if there is none.  A target without a path is "/". */
static const char *skip_authority(const char *target)
{
    size_t scheme;

    if (*target == '/')
        return target;
    scheme = strcspn(target, ":/");
    if (scheme == 0 || strncmp(target + scheme, "://", 3) != 0)
        return target;
    target += scheme + 3;
    target += strcspn(target, "/");
    return *target != '\0' ? target : "/";
}

bool health__route_path(const char *target, struct health__route *ret_route)
{
    const char *path = skip_authority(target);
    size_t i;

    ret_route->name = NULL;
    ret_route->endpoint = HEALTH__AT_READY;
    if (strcmp(path, "/") == 0)
        return true;
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *rest = path + paths[i].length;

        if (strncmp(path, paths[i].path, paths[i].length) != 0 || (*rest != '\0' && *rest != '/'))
            continue;
        ret_route->endpoint = paths[i].endpoint;
        if (*rest == '\0' || rest[1] == '\0')
            return true;
        ret_route->name = rest + 1;
        return paths[i].endpoint == HEALTH__AT_HEALTH;
    }
    return false;
}

/* The value of a hexadecimal digit; -1 if it is none. */
static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes the escape that `from` begins with.  Returns: its byte; 0 if it is none that may be. */
static char unescape(const char *from)
{
    int high = digit(from[1]), low = high >= 0 ? digit(from[2]) : -1, byte = high * 16 + low;

    return (char)(low < 0 || byte == '/' ? '\0' : byte);
}

bool health__route_name(const char *from, char ret_name[HEALTH__ROUTE_NAME_BYTES])
{
    char decoded[HEALTH__ROUTE_NAME_BYTES], *to = decoded;

    for (; *from != '\0'; from++) {
        char byte = *from;

        if (byte == '/' && from[1] == '\0')
            break;
        if (byte == '%') {
            byte = unescape(from);
            from += 2;
        }
        if (byte == '\0' || byte == '/' || to == decoded + sizeof(decoded) - 1)
            return false;
        *to++ = byte;
    }
    *to = '\0';
    if (health__utf8_clean_length(decoded) >= HEALTH__ROUTE_NAME_BYTES)
        return false;
    health__utf8_clean(ret_name, decoded);
    return true;
}
