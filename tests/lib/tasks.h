/*
 * The library's threads in this process, as /proc shows them: known by their names.
 *
 * Functions return errors and never fail a test.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_TASKS_H
#define TESTS_TASKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Writes the ids of our threads to `tids`.  Returns: how many; -1 if there are more than `size`, or
 * /proc does not tell. */
int tasks_list(pid_t *tids, int size);

/* Waits until there are at least so many of our threads.  Returns: whether it came to that before
 * the deadline of client_now_ms(). */
bool tasks_wait(int least, int64_t deadline);

/* The text behind "name:" in the status of a thread.  Returns: false if there is none. */
bool tasks_status(pid_t tid, const char *name, char *text, int size);

/* The signals that a thread has blocked: bit n - 1 stands for signal n.  0 if /proc does not tell.
 */
uint64_t tasks_blocked(pid_t tid);

/* The calling thread. */
pid_t tasks_self(void);

#endif
