/*
 * A day of a service: its memory, counted where it is asked for, so that what the C library keeps
 * for the next time is no part of it.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <malloc.h>
#include <string.h>

#include "day.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);

static size_t in_use;

static void *counted(void *p)
{
    if (p != NULL)
        in_use += malloc_usable_size(p);
    return p;
}

void *__wrap_malloc(size_t size)
{
    return counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *p, size_t size)
{
    size_t before = p != NULL ? malloc_usable_size(p) : 0;
    void *moved = __real_realloc(p, size);

    if (moved != NULL)
        in_use -= before;
    return counted(moved);
}

void __wrap_free(void *p)
{
    if (p != NULL)
        in_use -= malloc_usable_size(p);
    __real_free(p);
}

size_t day_bytes(void)
{
    return in_use;
}
