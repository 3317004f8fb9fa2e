/*
 * Threads of a guest: they take no signal of the host's, have a name, and say that they are ours.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_BASE_THREAD_H
#define HEALTH_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a thread is to do.  For any number of threads; it must be there until they have begun. */
struct health__thread {
    const char *name; /* at most 15 bytes */
    void *(*main)(void *arg);
    void *arg;
};

/*
 * Starts a thread that has every signal blocked but the synchronous ones (SEGV, BUS, FPE, ILL,
 * TRAP, SYS, ABRT).  `stack_bytes` is a wish, to which the host's thread-local data is added; 0 is
 * the default; a libc that wants more gets its default.
 *
 * Returns: 0 or the error number of pthread_create().
 */
int health__thread_start(
    pthread_t *ret_thread, const struct health__thread *thread, size_t stack_bytes);

/* Whether the calling thread was started by health__thread_start(). */
bool health__thread_is_ours(void);

/* In the child of a fork(): the calling thread is the host's from now on. */
void health__thread_forget(void);

/*
 * Keeps pthread_cancel() away from the calling thread for as long as it is in our code: ended
 * there, it would take locks of ours with it.
 *
 * Returns: what it was, for health__thread_unshield().
 */
int health__thread_shield(void);
void health__thread_unshield(int before);

/* A stack for other people's code: the libc's default, but at least 1 MiB. */
size_t health__thread_host_stack_bytes(void);

/* A condition variable that waits on the monotonic clock.  Returns: 0 or an error number. */
int health__cond_init(pthread_cond_t *cond);

/* Waits for the condition until `deadline_ms` (HEALTH__NEVER: without end).  Returns: false if the
 * deadline has passed.  May wake early, as any. */
bool health__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms);

#endif
