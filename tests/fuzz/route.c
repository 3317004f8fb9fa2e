/*
 * A path is ours exactly if it is one of the list, or one with a slash behind it; only /health has
 * names, which lie in the path.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/route.h"

#include "fuzz.h"
#include "paths.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);
    struct health__route route;
    enum health__endpoint endpoint;
    const char *name;
    bool ours = paths_is_ours(paths_path_of(text), &endpoint, &name);

    FUZZ_CHECK(health__route_path(text, &route) == ours);
    if (ours) {
        FUZZ_CHECK(route.endpoint == endpoint);
        FUZZ_CHECK(route.name == name);
        FUZZ_CHECK(name == NULL || (name > text && name < text + strlen(text)));
    }
    free(text);
    return 0;
}
