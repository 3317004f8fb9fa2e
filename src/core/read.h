/*
 * What programs hand in: structs of other versions' headers, and names, read and refused.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_CORE_READ_H
#define HEALTH_CORE_READ_H

#include <stdbool.h>
#include <stddef.h>

#include <health/health.h>

/*
 * Copies a struct that grows at its end, and whose first member is its size, from a program built
 * with another header: `theirs` to `ours`, which has `size` bytes; `first_size` is what version 0.1
 * had.  What an older program does not have is zero, the default.
 *
 * Returns: 0; HEALTH_EINVAL if theirs is shorter than `first_size`, or has a size that no struct
 * has; HEALTH_ENOTSUP if it is longer than ours and not zero there.  `what` is for the sentence.
 */
int health__struct_read(
    void *ours, size_t size, size_t first_size, const void *theirs, const char *what);

/* Room for any name as it is kept: each of its bytes may have become U+FFFD. */
#define HEALTH__NAME_BYTES (3 * HEALTH_NAME_MAX_BYTES + 1)

/* Reads a name: 1 to 128 bytes, no control characters, no '/'.  What is not UTF-8 is kept, known
 * and shown with U+FFFD in its place.  Returns: 0 or HEALTH_EINVAL. */
int health__name_read(char ret_name[HEALTH__NAME_BYTES], const char *name);

/* The name under which something may be known, for looking it up.  Returns: false if it is too long
 * to be one. */
bool health__name_clean(char ret_name[HEALTH__NAME_BYTES], const char *name);

#endif
