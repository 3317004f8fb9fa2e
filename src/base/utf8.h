/*
 * UTF-8 (RFC 3629): where a text may be cut, and what to show for bytes that are none.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_BASE_UTF8_H
#define HEALTH_BASE_UTF8_H

#include <stddef.h>

/* The length of the first `max` bytes of the string at most, without a character cut in half at
 * its end. */
size_t health__utf8_cut(const char *s, size_t length, size_t max);

/* How many bytes health__utf8_clean() would write for the string, without the final NUL; the
 * string's own length if every byte of it is fine. */
size_t health__utf8_clean_length(const char *s);

/* Copies the string to `to`, which has room for health__utf8_clean_length() + 1 bytes, with U+FFFD
 * for each maximal sequence that is not UTF-8 (as the Unicode Standard recommends, section 3.9). */
void health__utf8_clean(char *to, const char *s);

#endif
