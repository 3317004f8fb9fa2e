/*
 * Errors: the sentences.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */

/* For the strerror_r() of POSIX; glibc's own returns something else under the same name. */
#undef _GNU_SOURCE
/* POSIX has it defined.
 * NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
#define _POSIX_C_SOURCE 200809L

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SYSTEM_BYTES 96
#define OWN_BYTES    (HEALTH__SENTENCE_BYTES - SYSTEM_BYTES)

/* The last failure of this thread. */
static _Thread_local char last[HEALTH__SENTENCE_BYTES];

HEALTH_PRINTF(2, 0) static void say(int cause, const char *format, va_list arguments)
{
    char own[OWN_BYTES], system[SYSTEM_BYTES - 2];

    /* Into a buffer of its own first: an argument may point into `last`. */
    if (vsnprintf(own, sizeof(own), format, arguments) < 0)
        own[0] = '\0';
    if (cause == 0 || strerror_r(cause, system, sizeof(system)) != 0)
        (void)snprintf(last, sizeof(last), "%s", own);
    else
        (void)snprintf(last, sizeof(last), "%s: %s", own, system);
}

int health__fail(int error, int cause, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(0, format, arguments);
    va_end(arguments);
    errno = cause;
    return error;
}

int health__fail_errno(int error, int cause, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(cause, format, arguments);
    va_end(arguments);
    errno = cause;
    return error;
}

int health__fail_memory(void)
{
    return health__fail(HEALTH_ENOMEM, ENOMEM, "out of memory");
}

void health__error_keep(char ret_kept[HEALTH__SENTENCE_BYTES])
{
    memcpy(ret_kept, last, sizeof(last));
}

void health__error_restore(const char kept[HEALTH__SENTENCE_BYTES])
{
    memcpy(last, kept, sizeof(last));
}

const char *health_last_error(void)
{
    return last;
}

const char *health_strerror(int error)
{
    switch (error) {
    case 0:
        return "success";
#define HEALTH_ERROR_TEXT(name, value, text)                                                       \
    case name:                                                                                     \
        return text;
        HEALTH_ERRORS(HEALTH_ERROR_TEXT)
#undef HEALTH_ERROR_TEXT
    default:
        return "no error of libhealth's";
    }
}
