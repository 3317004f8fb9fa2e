/*
 * Memory that runs out when a test wants it to.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *s);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *s);
void __wrap_free(void *block);

static atomic_long live;
static atomic_size_t allocations, failing;

void memory_begin(size_t fail_at)
{
    atomic_store(&live, 0);
    atomic_store(&allocations, 0);
    atomic_store(&failing, fail_at);
}

bool memory_end(void)
{
    size_t fail_at = atomic_exchange(&failing, 0);

    return fail_at != 0 && atomic_load(&allocations) >= fail_at;
}

long memory_live(void)
{
    return atomic_load(&live);
}

size_t memory_allocations(void)
{
    return atomic_load(&allocations);
}

static bool fails(void)
{
    if (atomic_fetch_add(&allocations, 1) + 1 != atomic_load(&failing))
        return false;
    errno = ENOMEM;
    return true;
}

/* Counts a block that is new. */
static void *counted(void *block)
{
    if (block != NULL)
        atomic_fetch_add(&live, 1);
    return block;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    void *moved;

    if (fails())
        return NULL;
    moved = __real_realloc(block, size);
    return block == NULL ? counted(moved) : moved;
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : counted(__real_strdup(s));
}

void __wrap_free(void *block)
{
    if (block != NULL)
        atomic_fetch_sub(&live, 1);
    __real_free(block);
}
