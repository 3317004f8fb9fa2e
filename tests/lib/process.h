/*
 * Processes: what one has open, uses and takes, and children that tests run parts of themselves in.
 *
 * Functions return errors and never fail a test.  `pid` 0 is the calling process.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_PROCESS_H
#define TESTS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Whether we run under valgrind (HEALTH_TEST_SLOW), where everything is slow, and whether a
 * sanitizer is built in, which keeps what was freed and takes its time. */
bool process_is_slow(void);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PROCESS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PROCESS_SANITIZED 1
#endif
#endif
#ifndef PROCESS_SANITIZED
#define PROCESS_SANITIZED 0
#endif

/* Whether ThreadSanitizer is, which knows no threads that the child of a fork() starts. */
#if defined(__SANITIZE_THREAD__)
#define PROCESS_THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PROCESS_THREAD_SANITIZED 1
#endif
#endif
#ifndef PROCESS_THREAD_SANITIZED
#define PROCESS_THREAD_SANITIZED 0
#endif

/* ---- What /proc tells; -1 with errno if it does not ---- */

int process_descriptors(pid_t pid);
int process_threads(pid_t pid);
long process_resident_kib(pid_t pid);

/* The processor time that all its threads have used, in µs. */
int64_t process_cpu_us(pid_t pid);

/* Writes the open descriptors of this process, rising, to `fds`.  Returns: how many; -1 if there
 * are more than `size`. */
int process_list(int *fds, int size);

/* Waits until the process has at most so many descriptors, or threads.  Returns: whether it came to
 * that before the deadline of client_now_ms(). */
bool process_wait_descriptors(pid_t pid, int most, int64_t deadline);
bool process_wait_threads(pid_t pid, int most, int64_t deadline);

/* ---- Limits ---- */

/* Makes RLIMIT_NOFILE at least `want`, or as high as it may be.  Returns: what it is. */
int process_raise_descriptors(int want);

/* Opens descriptors (of the null device, close-on-exec) into `fds` until there are `size` or no
 * more can be had.  Returns: how many.  process_spill() closes them. */
int process_fill(int *fds, int size);
void process_spill(const int *fds, int count);

/* ---- Children ---- */

/* The two sides of a channel, each in its process. */
struct process {
    pid_t pid; /* the child's; 0 in the child */
    int fd;    /* -1: closed */
};

/*
 * Forks a child that ends with what run(self, arg) returns, by exit(); it is killed if its parent
 * dies.
 *
 * Returns: 0, or -1 with errno.
 */
int process_start(struct process *p, int (*run)(struct process *self, void *arg), void *arg);

/* Says a number to the other side; hears one from it.  Returns: whether the other side is there,
 * and spoke in time. */
bool process_say(struct process *p, int64_t number);
bool process_hear(struct process *p, int64_t *ret_number, int timeout_ms);

/* Says and hears. */
bool process_ask(struct process *p, int64_t number, int64_t *ret_number, int timeout_ms);

/* Ends the channel, which the child hears, and waits for its end; kills it after 30 s.  Returns:
 * its exit status; -1 if it was killed by a signal or is not there. */
int process_end(struct process *p);

/* In a function of a child that returns 0 if all is well: returns 1 from it with words if not. */
#define PROCESS_CHECK(condition)                                                                   \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(                                                                         \
                stderr, "%s:%d: in the child: not so: %s\n", __FILE__, __LINE__, #condition);      \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

#endif
