/*
 * The paths that there are.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_FUZZ_PATHS_H
#define TESTS_FUZZ_PATHS_H

#include <ctype.h>

#include "core/endpoint.h"
#include "fuzz.h"

static const struct {
    const char *word;
    enum health__endpoint endpoint;
} paths_words[] = {
    {"live", HEALTH__AT_LIVE},
    {"ready", HEALTH__AT_READY},
    {"health", HEALTH__AT_HEALTH},
    {"startup", HEALTH__AT_STARTUP},
};

/* What the path is behind a scheme and an authority, if there are these. */
static inline const char *paths_path_of(const char *text)
{
    const char *scheme_end = strpbrk(text, ":/"), *path;

    /* A scheme has no colon in it, nor a slash. */
    if (scheme_end == NULL || scheme_end == text || strncmp(scheme_end, "://", 3) != 0)
        return text;
    path = strchr(scheme_end + 3, '/');
    return path != NULL ? path : "/";
}

/* Whether it is one of ours; *ret_name is NULL, or the name in it. */
static inline bool paths_is_ours(
    const char *path, enum health__endpoint *ret_endpoint, const char **ret_name)
{
    size_t i;

    *ret_name = NULL;
    *ret_endpoint = HEALTH__AT_READY;
    if (path[0] != '/')
        return false;
    if (path[1] == '\0')
        return true;
    for (i = 0; i < sizeof(paths_words) / sizeof(paths_words[0]); i++) {
        const char *rest = path + 1 + strlen(paths_words[i].word);

        if (strncmp(path + 1, paths_words[i].word, strlen(paths_words[i].word)) != 0)
            continue;
        rest += *rest == 'z';
        if (*rest != '\0' && *rest != '/')
            return false;
        *ret_endpoint = paths_words[i].endpoint;
        if (rest[0] == '\0' || rest[1] == '\0')
            return true;
        *ret_name = rest + 1;
        return paths_words[i].endpoint == HEALTH__AT_HEALTH;
    }
    return false;
}

/* Decodes a name into `to`, which has room for all of it.  Returns: false if it may not be. */
static inline bool paths_decode(const char *from, char *to)
{
    size_t length = strlen(from), at = 0;

    if (length > 0 && from[length - 1] == '/')
        length--;
    while (at < length) {
        unsigned byte = (unsigned char)from[at++];

        if (byte == '%') {
            char digits[3] = {from[at], from[at] != '\0' ? from[at + 1] : '\0', '\0'};

            if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1]))
                return false;
            byte = (unsigned)strtoul(digits, NULL, 16);
            at += 2;
        }
        if (byte == 0 || byte == '/')
            return false;
        *to++ = (char)byte;
    }
    *to = '\0';
    return true;
}

#endif
