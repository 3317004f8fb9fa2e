/*
 * How functions of the library fail and succeed: with errno, a sentence, and nothing left behind.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_REFUSED_H
#define TESTS_REFUSED_H

/*
 * Fails the test unless the call returns the error with errno the cause (0: any but none), a
 * sentence of health_last_error() that is the call's own and has `mentions` in it (NULL: whatever
 * it says), and one of health_strerror().
 */
#define assert_refused(call, error, cause, mentions)                                               \
    do {                                                                                           \
        refused_begin();                                                                           \
        refused_check((call), (error), (cause), (mentions), #call, __FILE__, __LINE__);            \
    } while (0)

/* Fails the test unless the call returns 0 and leaves errno and health_last_error() as they were.
 */
#define assert_accepted(call)                                                                      \
    do {                                                                                           \
        refused_begin();                                                                           \
        refused_accepted((call), #call, __FILE__, __LINE__);                                       \
    } while (0)

/* Of the macros above. */
void refused_begin(void);
void refused_check(int got, int error, int cause, const char *mentions, const char *call,
    const char *file, int line);
void refused_accepted(int got, const char *call, const char *file, int line);

/*
 * Setup and teardown of a test after which there must be no more descriptors and threads than
 * before. Threads that have been joined may take a moment to leave /proc.
 */
int refused_count(void **state);
int refused_recount(void **state);

#endif
