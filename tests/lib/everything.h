/*
 * All that the library has, called once.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_EVERYTHING_H
#define TESTS_EVERYTHING_H

/*
 * Calls every public function at least once so that it succeeds: before and after a start, while
 * requests are answered, and, of those for callbacks, in a callback.  `before` and `after` are
 * called around each call, on its thread, which is one of the library's for some; they must not
 * fail a test.
 *
 * Fails the cmocka test if a call fails, or if src/health.map of $SOURCE_DIR, where that is set,
 * has a function that was not called.
 */
void everything_call(void (*before)(const char *function), void (*after)(const char *function));

#endif
