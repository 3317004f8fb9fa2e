/*
 * What programs hand in.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/read.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"

/* A size beyond this is no struct's, but what was on the stack. */
#define MAX_STRUCT_BYTES 4096

int health__struct_read(
    void *ours, size_t size, size_t first_size, const void *theirs, const char *what)
{
    size_t their_size, i;

    memcpy(&their_size, theirs, sizeof(their_size));
    if (their_size < first_size || their_size > MAX_STRUCT_BYTES)
        return health__fail(HEALTH_EINVAL, EINVAL,
            "%s: size is %zu, not from %zu to %d: begin with its HEALTH_*_INIT", what, their_size,
            first_size, MAX_STRUCT_BYTES);
    for (i = size; i < their_size; i++)
        if (((const unsigned char *)theirs)[i] != 0)
            return health__fail(HEALTH_ENOTSUP, EOPNOTSUPP,
                "%s: a newer header's field at byte %zu is set, which this library does not know",
                what, i);
    memset(ours, 0, size);
    memcpy(ours, theirs, their_size < size ? their_size : size);
    return 0;
}

bool health__name_clean(char ret_name[HEALTH__NAME_BYTES], const char *name)
{
    if (strnlen(name, HEALTH__NAME_BYTES) == HEALTH__NAME_BYTES ||
        health__utf8_clean_length(name) >= HEALTH__NAME_BYTES)
        return false;
    health__utf8_clean(ret_name, name);
    return true;
}

/* Whether a control character begins with this byte: of ASCII, or one of U+0080 to U+009F. */
static bool is_control(const char *at)
{
    unsigned char c = (unsigned char)at[0], second;

    if (c != 0xC2)
        return c < 0x20 || c == 0x7F;
    second = (unsigned char)at[1];
    return second >= 0x80 && second <= 0x9F;
}

int health__name_read(char ret_name[HEALTH__NAME_BYTES], const char *name)
{
    size_t i;

    if (name == NULL)
        return health__fail(HEALTH_EINVAL, EINVAL, "the name is NULL");
    if (name[0] == '\0')
        return health__fail(HEALTH_EINVAL, EINVAL, "the name is empty");
    for (i = 0; name[i] != '\0'; i++) {
        unsigned char c = (unsigned char)name[i];

        if (i == HEALTH_NAME_MAX_BYTES)
            return health__fail(HEALTH_EINVAL, EINVAL, "the name is longer than %d bytes: %.32s...",
                HEALTH_NAME_MAX_BYTES, name);
        if (is_control(name + i) || c == '/')
            return health__fail(HEALTH_EINVAL, EINVAL,
                "the name has a byte 0x%02X at %zu: no control characters and no '/'", c, i);
    }
    health__utf8_clean(ret_name, name);
    return 0;
}
