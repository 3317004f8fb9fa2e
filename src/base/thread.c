/*
 * Threads of a guest.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/thread.h"

#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define MIN_HOST_STACK_BYTES ((size_t)1 << 20)

static _Thread_local bool ours;

/* Nothing is handed over that would have to be freed: with its first free() a thread gets a heap of
 * its own from glibc, which a worker may never need. */
static void *run(void *arg)
{
    const struct health__thread *thread = arg;

    ours = true;
    (void)pthread_setname_np(pthread_self(), thread->name);
    return thread->main(thread->arg);
}

bool health__thread_is_ours(void)
{
    return ours;
}

void health__thread_forget(void)
{
    ours = false;
}

int health__thread_shield(void)
{
    int before = PTHREAD_CANCEL_ENABLE;

    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

void health__thread_unshield(int before)
{
    (void)pthread_setcancelstate(before, &before);
}

/* Signals that the kernel raises for what the thread itself did must stay open: blocked, they kill
 * without the host's handler having seen them. */
static void block_signals(sigset_t *ret_old)
{
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t set;
    size_t i;

    (void)sigfillset(&set);
    for (i = 0; i < sizeof(synchronous) / sizeof(synchronous[0]); i++)
        (void)sigdelset(&set, synchronous[i]);
    (void)pthread_sigmask(SIG_SETMASK, &set, ret_old);
}

static int add_tls(struct dl_phdr_info *info, size_t size, void *arg)
{
    size_t i;

    (void)size;
    for (i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS)
            *(size_t *)arg += info->dlpi_phdr[i].p_memsz + info->dlpi_phdr[i].p_align;
    return 0;
}

/* What the host's thread-local data takes: glibc has it in the stack.  Asked once, and early: in
 * the child of a fork() the loader may be locked. */
static size_t tls_bytes;

__attribute__((constructor)) static void measure_tls(void)
{
    (void)dl_iterate_phdr(add_tls, &tls_bytes);
}

/* Whole pages, which some libc's insist on. */
static size_t rounded(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (bytes + page - 1) / page * page;
}

static int create(pthread_t *ret_thread, const struct health__thread *thread, size_t stack_bytes)
{
    void *arg = (void *)(uintptr_t)thread;
    pthread_attr_t attributes;
    int error;

    if (stack_bytes == 0)
        return pthread_create(ret_thread, NULL, run, arg);
    error = pthread_attr_init(&attributes);
    if (error != 0)
        return error;
    error = pthread_attr_setstacksize(&attributes, rounded(stack_bytes + tls_bytes));
    if (error == 0)
        error = pthread_create(ret_thread, &attributes, run, arg);
    (void)pthread_attr_destroy(&attributes);
    /* The libc wants more, for reasons of its own. */
    if (error == EINVAL)
        error = pthread_create(ret_thread, NULL, run, arg);
    return error;
}

int health__thread_start(
    pthread_t *ret_thread, const struct health__thread *thread, size_t stack_bytes)
{
    sigset_t old;
    int error;

    /* A thread inherits the mask of its creator, which gets its own back. */
    block_signals(&old);
    error = create(ret_thread, thread, stack_bytes);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

size_t health__thread_host_stack_bytes(void)
{
    pthread_attr_t attributes;
    size_t bytes = 0;

    if (pthread_attr_init(&attributes) != 0)
        return MIN_HOST_STACK_BYTES;
    (void)pthread_attr_getstacksize(&attributes, &bytes);
    (void)pthread_attr_destroy(&attributes);
    return bytes > MIN_HOST_STACK_BYTES ? bytes : MIN_HOST_STACK_BYTES;
}

int health__cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    int error;

    error = pthread_condattr_init(&attributes);
    if (error != 0)
        return error;
    error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (error == 0)
        error = pthread_cond_init(cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return error;
}

bool health__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms)
{
    struct timespec until;

    if (deadline_ms == HEALTH__NEVER)
        return pthread_cond_wait(cond, mutex) == 0;
    if (deadline_ms < 0)
        deadline_ms = 0;
    until.tv_sec = (time_t)(deadline_ms / 1000);
    until.tv_nsec = (long)(deadline_ms % 1000) * 1000000;
    return pthread_cond_timedwait(cond, mutex, &until) != ETIMEDOUT;
}
