/*
 * Mutexes that the library destroys: where one is not in order, see mutexes.h, the test is aborted.
 *
 * The test asks for it in its head: "wrap: pthread_mutex_destroy".
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_MUTEXES_DESTROYED_H
#define TESTS_MUTEXES_DESTROYED_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

int __real_pthread_mutex_destroy(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex);

int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    /* On any thread: the last worker may be the one. */
    if (__real_pthread_mutex_destroy(mutex) != 0) {
        (void)fprintf(stderr, "a mutex at its end is held, or was given back too often\n");
        abort();
    }
    return 0;
}

#endif
