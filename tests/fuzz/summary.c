/*
 * Whatever the document is, its summary is one line of UTF-8 that is not too long, and tells of no
 * failure that is not in it.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "probe/summary.h"

#include "fuzz.h"
#include "one_line.h"

#define BEFORE "http://localhost:8080/health: 503"

/* Whether the text is made of what is said of gates alone. */
static bool is_of_gates(const char *text)
{
    static const char *const gates[] = {"not started", "not ready", "draining"};
    const char *separator = ": ";
    size_t i;

    for (i = 0; i < 3; i++) {
        size_t length = strlen(separator);

        if (strncmp(text, separator, length) != 0 ||
            strncmp(text + length, gates[i], strlen(gates[i])) != 0)
            continue;
        text += length + strlen(gates[i]);
        separator = "; ";
    }
    return *text == '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct health__line line;

    health__line_clear(&line);
    health__line_add(&line, BEFORE);
    health__summary_add(&line, bytes, size);
    FUZZ_CHECK(line.length <= HEALTH_PROBE_REASON_MAX_BYTES);
    FUZZ_CHECK(line.text[line.length] == '\0' && strlen(line.text) == line.length);
    FUZZ_CHECK(one_line_is(line.text, line.length));
    FUZZ_CHECK(strncmp(line.text, BEFORE, strlen(BEFORE)) == 0);
    if (memmem(bytes, size, "\"fail\"", 6) == NULL ||
        memmem(bytes, size, "\"status\"", 8) == NULL ||
        memmem(bytes, size, "\"checks\"", 8) == NULL)
        FUZZ_CHECK(is_of_gates(line.text + strlen(BEFORE)));
    return 0;
}
