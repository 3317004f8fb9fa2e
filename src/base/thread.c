/*
 * Threads of a guest.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/thread.h"

#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define MIN_HOST_STACK_BYTES ((size_t)1 << 20)

struct start {
    void *(*main)(void *);
    void *arg;
    char name[16];
};

static _Thread_local bool ours;

static void *run(void *p)
{
    struct start start = *(struct start *)p;

    free(p);
    ours = true;
    (void)pthread_setname_np(pthread_self(), start.name);
    return start.main(start.arg);
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

static int create(pthread_t *ret_thread, size_t stack_bytes, struct start *start)
{
    pthread_attr_t attributes;
    int error;

    if (stack_bytes == 0)
        return pthread_create(ret_thread, NULL, run, start);
    error = pthread_attr_init(&attributes);
    if (error != 0)
        return error;
    error = pthread_attr_setstacksize(&attributes, rounded(stack_bytes + tls_bytes));
    if (error == 0)
        error = pthread_create(ret_thread, &attributes, run, start);
    (void)pthread_attr_destroy(&attributes);
    /* The libc wants more, for reasons of its own. */
    if (error == EINVAL)
        error = pthread_create(ret_thread, NULL, run, start);
    return error;
}

int health__thread_start(
    pthread_t *ret_thread, const char *name, size_t stack_bytes, void *(*main)(void *), void *arg)
{
    struct start *start;
    sigset_t old;
    size_t i;
    int error;

    start = calloc(1, sizeof(*start));
    if (start == NULL)
        return ENOMEM;
    start->main = main;
    start->arg = arg;
    for (i = 0; i < sizeof(start->name) - 1 && name[i] != '\0'; i++)
        start->name[i] = name[i];

    /* A thread inherits the mask of its creator, which gets its own back. */
    block_signals(&old);
    error = create(ret_thread, stack_bytes, start);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error != 0)
        free(start);
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
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
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
