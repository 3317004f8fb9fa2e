/*
 * Memory that runs out when a test wants it to, and that is counted.
 *
 * The test asks for it in its head: "wrap: malloc calloc realloc strdup free".  Then what the
 * library and the test call is counted here; other libraries have the real functions, unless their
 * hooks are set to these.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_MEMORY_H
#define TESTS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* From now on blocks are counted, and the `fail_at`th allocation fails; 0: none does. */
void memory_begin(size_t fail_at);

/* Nothing fails from now on.  Returns: whether the one that was to fail has come. */
bool memory_end(void);

/* How many blocks of those allocated since memory_begin() are not freed. */
long memory_live(void);

/* How many allocations there have been since memory_begin(). */
size_t memory_allocations(void);

#endif
