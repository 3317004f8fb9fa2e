/*
 * Mutexes at their end: nobody holds them, and they were given back as often as they were taken.
 *
 * glibc tells when they are destroyed; where a libc does not, all are in order.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_MUTEXES_H
#define TESTS_MUTEXES_H

#include <pthread.h>
#include <stdbool.h>

/* Whether one that nobody uses any more, but who is about to destroy it, is in order. */
static inline bool mutex_in_order(pthread_mutex_t *mutex)
{
    return pthread_mutex_destroy(mutex) == 0 && pthread_mutex_init(mutex, NULL) == 0;
}

#endif
