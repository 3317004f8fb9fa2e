/*
 * Heartbeats of services with many loops and signals: whoever beats, it costs no system call, and
 * what is told of each is right to the second.
 *
 * What one heartbeat is told as is shown in heartbeat_test.c.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "document.h"
#include "process.h"
#include "refused.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How far the coarse clock may be behind. */
#define COARSE_MS 15

static struct health_heartbeat *add(
    struct health *h, const char *name, unsigned max_age_ms, unsigned probes)
{
    struct health_heartbeat *beat = NULL;

    assert_accepted(health_add_heartbeat(h, name, max_age_ms, probes, &beat));
    assert_non_null(beat);
    return beat;
}

/* ---- No system call ---- */

enum { SURVIVED = 0, NO_SECCOMP = 77 };

/* A process that may do nothing from here on but read, write and exit: or it is killed. */
static void beat_in_jail(struct health *h, struct health_heartbeat *beat)
{
    int i;

    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        (void)syscall(SYS_exit, NO_SECCOMP);
    for (i = 0; i < 100000; i++) {
        health_beat(beat);
        health_idle(beat);
    }
    health_beat(NULL);
    /* Nor do gates, where nobody is to be told of them. */
    health_set_ready(h, false);
    health_set_started(h, false);
    health_drain(h);
    (void)syscall(SYS_exit, SURVIVED);
}

static void beats_and_gates_make_no_system_call(void **state)
{
    struct health *h = service_start(NULL);
    struct health_heartbeat *beat = add(h, "loop", 1000, 0);
    int status = -1;
    pid_t child;

    (void)state;
    if (process_is_slow()) {
        print_message("SKIPPED: an emulated processor makes system calls of its own\n");
        service_end(h);
        skip();
    }
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        beat_in_jail(h, beat);
    assert_int_equal(waitpid(child, &status, 0), child);
    service_end(h);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SECCOMP) {
        print_message("SKIPPED: no seccomp here\n");
        skip();
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != SURVIVED)
        fail_msg("it made a system call: wait status 0x%X", (unsigned)status);
}

/* ---- Who beats ---- */

static struct health_heartbeat *shared;
static atomic_bool enough;

static void beat_in_a_handler(int signal_number)
{
    (void)signal_number;
    health_beat(shared);
}

/* `arg` NULL: beats itself; else in a handler. */
static void *go_on_beating(void *arg)
{
    intptr_t failed = 0;

    while (!atomic_load(&enough)) {
        errno = 4242;
        if (arg == NULL)
            health_beat(shared);
        else
            failed |= raise(SIGUSR1) != 0;
        failed |= errno != 4242;
        asking_pause(2);
    }
    return (void *)failed;
}

#define AGE_MS 2000

static void keep_alive_by(void *arg)
{
    struct health *h = service_start(NULL);
    pthread_t threads[4];
    int64_t end;
    void *failed;
    size_t i;

    shared = add(h, "loop", AGE_MS, HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP);
    atomic_store(&enough, false);
    for (i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, go_on_beating, arg), 0);
    for (end = client_deadline(AGE_MS + 500); client_now_ms() < end; asking_pause(20)) {
        assert_int_equal(client_status(service_port(h), "/live"), 200);
        assert_int_equal(client_status(service_port(h), "/health"), 200);
    }
    atomic_store(&enough, true);
    for (i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    service_end(h);
}

static void any_thread_may_beat(void **state)
{
    (void)state;
    keep_alive_by(NULL);
}

static void a_handler_in_any_thread_may_beat(void **state)
{
    struct sigaction action = {.sa_handler = beat_in_a_handler}, before;
    int something;

    (void)state;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    keep_alive_by(&something);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

/* ---- What is told ---- */

static void the_reason_tells_the_second_of_the_last_beat(void **state)
{
    struct health *h = service_start(NULL);
    struct health_heartbeat *beat = add(h, "loop", 5000, 0);
    char earliest[48], latest[48];
    int64_t before, after;
    const char *output;
    json_t *doc;

    (void)state;
    asking_pause(30);
    before = document_now_ms() - COARSE_MS;
    health_beat(beat);
    after = document_now_ms() + ROUNDING_MS;

    doc = asking_until(service_port(h), "/live", "loop", "fail", LONG_MS);
    assert_true(document_now_ms() - before > 5000);
    output = document_output(doc, "loop");
    assert_non_null(output);
    (void)snprintf(earliest, sizeof(earliest), "no beat since %02d:%02d:%02dZ (limit 5 s)",
        (int)(before / 3600000 % 24), (int)(before / 60000 % 60), (int)(before / 1000 % 60));
    (void)snprintf(latest, sizeof(latest), "no beat since %02d:%02d:%02dZ (limit 5 s)",
        (int)(after / 3600000 % 24), (int)(after / 60000 % 60), (int)(after / 1000 % 60));
    if (strcmp(output, earliest) != 0 && strcmp(output, latest) != 0)
        fail_msg("\"%s\" is neither \"%s\" nor \"%s\"", output, earliest, latest);
    /* The time is that of the beat; it fails since the limit. */
    assert_between(
        document_time_ms(document_text(document_check(doc, "loop"), "time")), before, after);
    assert_between(document_time_ms(document_text(document_check(doc, "loop"), "since")),
        before + 5000, after + 5000 + ROUNDING_MS);
    document_free(doc);

    health_beat(beat);
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    service_end(h);
}

static void each_is_told_of_for_itself(void **state)
{
    struct health *h = service_start(NULL);
    struct health_heartbeat *beats[8];
    char names[8][16];
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(beats); i++) {
        (void)snprintf(names[i], sizeof(names[i]), "loop %u", (unsigned)i);
        beats[i] = add(h, names[i], 50, 0);
    }
    for (i = 0; i < COUNT(beats); i++)
        document_free(asking_until(service_port(h), "/live", names[i], "fail", LONG_MS));
    for (i = 0; i < COUNT(beats); i++) {
        json_t *doc;

        /* Idle ones stay as they are for as long as this takes. */
        health_idle(beats[i]);
        doc = document_get(service_port(h), "/live", i + 1 < COUNT(beats) ? 503 : 200);
        assert_int_equal(document_count(doc), COUNT(beats) - 1 - i);
        for (j = i + 1; j < COUNT(beats); j++)
            assert_output_since(doc, names[j], "no beat since ", " (limit 50 ms)");
        document_free(doc);
    }
    service_end(h);
}

/* Missed and back again, and again: no request after the word is told otherwise. */
static void the_first_request_after_its_word_knows_always(void **state)
{
    static const char *const targets[] = {"/live", "/health", "/health/loop", "/live?verbose"};
    struct health *h = service_start(NULL);
    struct health_heartbeat *beat = add(h, "loop", 10, 0);
    int i;

    (void)state;
    for (i = 0; i < 60; i++) {
        health_beat(beat);
        document_free(asking_until(service_port(h), "/live", "loop", "fail", LONG_MS));
        assert_int_equal(client_status(service_port(h), targets[i % 4]), 503);
        health_idle(beat);
        assert_int_equal(client_status(service_port(h), targets[i % 4]), 200);
    }
    service_end(h);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, refused_count, refused_recount)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(beats_and_gates_make_no_system_call),
        TEST(any_thread_may_beat),
        TEST(a_handler_in_any_thread_may_beat),
        TEST(the_reason_tells_the_second_of_the_last_beat),
        TEST(each_is_told_of_for_itself),
        TEST(the_first_request_after_its_word_knows_always),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
