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

/* Takes the mutex.  Returns: 0, ETIMEDOUT, or what is wrong with it. */
static int take(pthread_mutex_t *mutex, unsigned timeout_ms)
{
    int64_t until_ms = now_ms() + timeout_ms;
#ifdef HEALTH_HAVE_CLOCKLOCK
    struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000};

    return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);
#else
    int error;

    /* pthread_mutex_timedlock() would wait by a clock that can be set. */
    while ((error = pthread_mutex_trylock(mutex)) == EBUSY && now_ms() < until_ms)
        (void)poll(NULL, 0, TRY_EVERY_MS);
    return error == EBUSY ? ETIMEDOUT : error;
#endif
}

enum health_status health_check_mutex(struct health_result *result, void *mutex)
{
    unsigned timeout_ms = health_remaining_ms(result) / 4 * 3;
    int error;

    if (mutex == NULL)
        return health_explain(result, HEALTH_FAIL, "there is no mutex");
    error = take(mutex, timeout_ms);
    if (error == ETIMEDOUT)
        return health_explain(
            result, HEALTH_FAIL, "the mutex could not be taken within %u ms", timeout_ms);
    if (error != 0)
        return health_explain(result, HEALTH_FAIL, "the mutex cannot be taken: error %d", error);
    (void)pthread_mutex_unlock(mutex);
    return HEALTH_PASS;
}
