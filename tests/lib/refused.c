/*
 * How functions of the library fail and succeed.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "refused.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client.h"
#include "process.h"

#define NO_ERRNO  4242 /* no system has so many */
#define SETTLE_MS 10000

/* What health_last_error() says before a call: nothing that another call would say. */
static char before[64];

static int descriptors, threads;

void refused_begin(void)
{
    static unsigned count;
    struct health *none = NULL;
    struct health_options odd = HEALTH_OPTIONS_INIT;
    char listen[48];

    /* An address that no other call has. */
    (void)snprintf(listen, sizeof(listen), "mark-%u", ++count);
    odd.listen = listen;
    (void)health_new(&none, &odd);
    if (strstr(health_last_error(), listen) == NULL)
        fail_msg("\"%s\" does not name %s", health_last_error(), listen);
    (void)snprintf(before, sizeof(before), "%s", listen);
    errno = NO_ERRNO;
}

/* "a sentence": some words, and not the answer for what is no error. */
static bool is_sentence(const char *text)
{
    return strchr(text, ' ') != NULL && strcmp(text, health_strerror(0)) != 0 &&
           strcmp(text, health_strerror(1)) != 0;
}

void refused_check(int got, int error, int cause, const char *mentions, const char *call,
    const char *file, int line)
{
    int got_cause = errno;
    const char *says = health_last_error();

    if (got != error)
        fail_msg("%s:%d: %s returned %d, not %d: %s", file, line, call, got, error, says);
    if (cause == 0 ? got_cause == 0 || got_cause == NO_ERRNO : got_cause != cause)
        fail_msg("%s:%d: %s: errno is %d (%s), not %d", file, line, call, got_cause,
            strerror(got_cause), cause);
    if (says[0] == '\0' || strstr(says, before) != NULL)
        fail_msg("%s:%d: %s says nothing", file, line, call);
    if (mentions != NULL && strstr(says, mentions) == NULL)
        fail_msg("%s:%d: %s says \"%s\", not \"%s\"", file, line, call, says, mentions);
    if (!is_sentence(health_strerror(got)))
        fail_msg("%s:%d: %s: \"%s\" is no sentence", file, line, call, health_strerror(got));
}

void refused_accepted(int got, const char *call, const char *file, int line)
{
    int got_cause = errno;

    if (got != 0)
        fail_msg("%s:%d: %s returned %d: %s", file, line, call, got, health_last_error());
    if (got_cause != NO_ERRNO)
        fail_msg(
            "%s:%d: %s changed errno to %d (%s)", file, line, call, got_cause, strerror(got_cause));
    if (strstr(health_last_error(), before) == NULL)
        fail_msg("%s:%d: %s succeeded and says \"%s\"", file, line, call, health_last_error());
}

static void *do_nothing(void *arg)
{
    return arg;
}

int refused_count(void **state)
{
    static bool begun;
    pthread_t thread;

    (void)state;
    /* ThreadSanitizer starts a thread of its own with the first. */
    if (!begun && pthread_create(&thread, NULL, do_nothing, NULL) == 0) {
        (void)pthread_join(thread, NULL);
        (void)process_wait_threads(0, PROCESS_SANITIZED ? 2 : 1, client_deadline(SETTLE_MS));
    }
    begun = true;
    descriptors = process_descriptors(0);
    threads = process_threads(0);
    return 0;
}

int refused_recount(void **state)
{
    /* One that was waited for in vain is enough. */
    static int settle_ms = SETTLE_MS;
    int64_t deadline = client_deadline(settle_ms);

    (void)state;
    if (process_wait_descriptors(0, descriptors, deadline) &&
        process_wait_threads(0, threads, deadline))
        return 0;
    settle_ms = 0;
    print_error("%d descriptors, %d before; %d threads, %d before\n", process_descriptors(0),
        descriptors, process_threads(0), threads);
    return -1;
}
