/*
 * Can a mutex be taken?
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <health/checks.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "checks/patience.h"

#define TRY_EVERY_MS 5

/* GCC's ThreadSanitizer does not know pthread_mutex_clocklock(), and believes that nobody has what
 * is unlocked after it. */
#if defined(__SANITIZE_THREAD__)
#undef HEALTH_HAVE_CLOCKLOCK
#endif

static int64_t now_ms(void)
{
    struct timespec t = {0, 0};

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Tries until the mutex is had or it is time.  Returns: 0, EBUSY, or what is wrong with it. */
static int try_until(pthread_mutex_t *mutex, int64_t until_ms)
{
    int error;

    while ((error = pthread_mutex_trylock(mutex)) == EBUSY && now_ms() < until_ms)
        (void)poll(NULL, 0, TRY_EVERY_MS);
    return error;
}

/* Takes the mutex within so long.  Returns: 0, EBUSY, or what is wrong with it. */
static int take_within(pthread_mutex_t *mutex, unsigned timeout_ms)
{
    int64_t until_ms = now_ms() + timeout_ms;
#ifdef HEALTH_HAVE_CLOCKLOCK
    struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000};
    int error = pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);

    /* Some C libraries and kernels wait by that clock for no mutex that inherits priority. */
    if (error != EINVAL)
        return error == ETIMEDOUT ? EBUSY : error;
#endif
    /* pthread_mutex_timedlock() would wait by a clock that can be set. */
    return try_until(mutex, until_ms);
}

/* Takes the mutex.  Returns: as above. */
static int take(
    pthread_mutex_t *mutex, struct health__patience *patience, const struct health_result *result)
{
    unsigned slice_ms;
    int error;

    do {
        slice_ms = health__patience_ms(patience, result);
        error = take_within(mutex, slice_ms);
    } while (error == EBUSY && slice_ms > 0);
    return error;
}

enum health_status health_check_mutex(struct health_result *result, void *mutex)
{
    struct health__patience patience = {0};
    int error;

    if (mutex == NULL)
        return health_explain(result, HEALTH_FAIL, "there is no mutex");
    error = take(mutex, &patience, result);
    if (error == EBUSY)
        return health_explain(
            result, HEALTH_FAIL, "the mutex could not be taken within %u ms", patience.all_ms);
    if (error != 0)
        return health_explain(result, HEALTH_FAIL, "the mutex cannot be taken: error %d", error);
    (void)pthread_mutex_unlock(mutex);
    return HEALTH_PASS;
}
