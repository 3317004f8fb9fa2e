/*
 * A path is ours exactly if it is one of the list, or one with a slash behind it; only /health has
 * names, which lie in the path.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/route.h"

#include "fuzz.h"

static const struct {
    const char *word;
    enum health__endpoint endpoint;
} words[] = {
    {"live", HEALTH__AT_LIVE},
    {"ready", HEALTH__AT_READY},
    {"health", HEALTH__AT_HEALTH},
    {"startup", HEALTH__AT_STARTUP},
};

/* What the path is behind a scheme and an authority, if there are these. */
static const char *path_of(const char *text)
{
    const char *scheme_end = strpbrk(text, ":/"), *path;

    /* A scheme has no colon in it, nor a slash. */
    if (scheme_end == NULL || scheme_end == text || strncmp(scheme_end, "://", 3) != 0)
        return text;
    path = strchr(scheme_end + 3, '/');
    return path != NULL ? path : "/";
}

static bool is_ours(const char *path, enum health__endpoint *ret_endpoint, const char **ret_name)
{
    size_t i;

    *ret_name = NULL;
    *ret_endpoint = HEALTH__AT_READY;
    if (path[0] != '/')
        return false;
    if (path[1] == '\0')
        return true;
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const char *rest = path + 1 + strlen(words[i].word);

        if (strncmp(path + 1, words[i].word, strlen(words[i].word)) != 0)
            continue;
        rest += *rest == 'z';
        if (*rest != '\0' && *rest != '/')
            return false;
        *ret_endpoint = words[i].endpoint;
        if (rest[0] == '\0' || rest[1] == '\0')
            return true;
        *ret_name = rest + 1;
        return words[i].endpoint == HEALTH__AT_HEALTH;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);
    struct health__route route;
    enum health__endpoint endpoint;
    const char *name;
    bool ours = is_ours(path_of(text), &endpoint, &name);

    FUZZ_CHECK(health__route_path(text, &route) == ours);
    if (ours) {
        FUZZ_CHECK(route.endpoint == endpoint);
        FUZZ_CHECK(route.name == name);
        FUZZ_CHECK(name == NULL || (name > text && name < text + strlen(text)));
    }
    free(text);
    return 0;
}
