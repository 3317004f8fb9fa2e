/*
 * A name is decoded as its escapes say, whole or not at all, and is UTF-8 in the end.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/route.h"

#include "base/utf8.h"
#include "fuzz.h"
#include "paths.h"
#include "texts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size), *decoded = calloc(1, strlen(text) + 1);
    char name[HEALTH__ROUTE_NAME_BYTES], again[HEALTH__ROUTE_NAME_BYTES];
    bool taken = health__route_name(text, name);

    FUZZ_CHECK(decoded != NULL);
    if (!paths_decode(text, decoded)) {
        FUZZ_CHECK(!taken);
    } else if (taken) {
        FUZZ_CHECK(memchr(name, '\0', sizeof(name)) != NULL);
        FUZZ_CHECK(texts_is_utf8(name));
        FUZZ_CHECK(strchr(name, '/') == NULL);
        FUZZ_CHECK(!texts_is_utf8(decoded) || strcmp(name, decoded) == 0);
        FUZZ_CHECK(health__utf8_clean_length(name) == strlen(name));
        health__utf8_clean(again, name);
        FUZZ_CHECK(strcmp(again, name) == 0);
    } else {
        /* No name that there can be is too long for us. */
        FUZZ_CHECK(strlen(decoded) > HEALTH_NAME_MAX_BYTES);
    }
    free(decoded);
    free(text);
    return 0;
}
