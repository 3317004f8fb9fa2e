/*
 * Idle: a service that nobody asks makes no system call at all, for as long as it lasts, whatever
 * was registered or has run before; and connections that are left open cost one wake-up each, when
 * they time out.
 *
 * The service is a child.  System calls are strace's to tell; wake-ups are the times that a thread
 * has gone to sleep, as /proc tells.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* timeout: 180 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "client.h"
#include "process.h"
#include "tasks.h"

#define TIMEOUT_MS  20000
#define IDLE_MS     (process_is_slow() ? 5000 : 30000)
#define AGE_MS      3000 /* of what is heard of: long enough to be asked before */
#define CONNECTIONS 5
#define APART_MS    200
#define TIMED_OUT   12000 /* by then a connection that is left is gone, by far */
#define OURS        2     /* threads: the loop, and the worker that stays */

/* ---- The service ---- */

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    return HEALTH_PASS;
}

/* Nothing of it comes at an interval; all of it has been used. */
static int serve(struct process *self, void *arg)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;
    struct health_heartbeat *beat = NULL;
    struct health *h = NULL;
    pid_t tids[OURS];
    int64_t end;
    int i;

    (void)arg;
    options.listen = "127.0.0.1:0,[::1]:0";
    if (access("/proc/net/if_inet6", F_OK) != 0)
        options.listen = "127.0.0.1:0";
    options.response_ms = TIMEOUT_MS;
    PROCESS_CHECK(health_new(&h, &options) == 0);
    check.name = "called";
    check.fn = pass;
    check.timeout_ms = TIMEOUT_MS;
    PROCESS_CHECK(health_add_check(h, &check) == 0);
    check.name = "pushed";
    check.fn = NULL;
    check.timeout_ms = 0;
    check.max_age_ms = AGE_MS;
    PROCESS_CHECK(health_add_check(h, &check) == 0);
    PROCESS_CHECK(health_report(h, "pushed", HEALTH_PASS, NULL) == 0);
    PROCESS_CHECK(health_add_heartbeat(h, "loop", AGE_MS, 0, &beat) == 0);
    PROCESS_CHECK(health_start(h) == 0);
    PROCESS_CHECK(client_try_status(health_port(h), "/health") == 200);
    PROCESS_CHECK(process_say(self, health_port(h)));
    PROCESS_CHECK(tasks_wait(OURS, client_deadline(TIMEOUT_MS)));
    PROCESS_CHECK(tasks_list(tids, OURS) == OURS);
    for (i = 0; i < OURS; i++)
        PROCESS_CHECK(process_say(self, tids[i]));
    /* The host sleeps as well. */
    (void)process_hear(self, &end, 170000);
    PROCESS_CHECK(health_stop(h, TIMEOUT_MS) == 0);
    health_free(h);
    return 0;
}

static struct process service = {.pid = -1, .fd = -1};
static int port;
static pid_t ours[OURS];

static int start(void **state)
{
    int64_t said = 0;
    int i;

    (void)state;
    if (process_start(&service, serve, NULL) != 0 || !process_hear(&service, &said, TIMEOUT_MS))
        return -1;
    port = (int)said;
    for (i = 0; i < OURS; i++) {
        if (!process_hear(&service, &said, TIMEOUT_MS))
            return -1;
        ours[i] = (pid_t)said;
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    return process_end(&service) == 0 ? 0 : -1;
}

/* How often our threads have gone to sleep. */
static long sleeps(void)
{
    static const char name[] = "voluntary_ctxt_switches:";
    long all = 0;
    char path[64], line[256];
    FILE *file;
    int i;

    for (i = 0; i < OURS; i++) {
        (void)snprintf(
            path, sizeof(path), "/proc/%d/task/%d/status", (int)service.pid, (int)ours[i]);
        file = fopen(path, "re");
        assert_non_null(file);
        while (fgets(line, sizeof(line), file) != NULL)
            if (strncmp(line, name, sizeof(name) - 1) == 0)
                all += strtol(line + sizeof(name) - 1, NULL, 10);
        (void)fclose(file);
    }
    return all;
}

/* Waits until they have slept for a while, all connections being gone. */
static void wait_for_sleep(void)
{
    int64_t deadline = client_deadline(TIMED_OUT);
    long before;

    do {
        before = sleeps();
        asking_pause(500);
        assert_true(client_now_ms() < deadline);
    } while (sleeps() != before);
}

/* ---- Wake-ups ---- */

static void a_connection_that_times_out_is_one_wake_up(void **state)
{
    struct client clients[CONNECTIONS];
    struct response r;
    long before;
    int i;

    (void)state;
    for (i = 0; i < CONNECTIONS; i++) {
        assert_int_equal(client_open(&clients[i], "127.0.0.1", port), 0);
        assert_int_equal(client_print(&clients[i], "GET /live HTTP/1.1\r\nHost: test\r\n\r\n"), 0);
        assert_int_equal(
            client_read(&clients[i], false, &r, client_deadline(TIMEOUT_MS)), CLIENT_OK);
        response_free(&r);
        asking_pause(APART_MS);
    }
    before = sleeps();
    for (i = 0; i < CONNECTIONS; i++)
        assert_true(client_at_end(&clients[i], client_deadline(TIMED_OUT)));
    asking_pause(300);
    print_message("%ld wake-ups for %d connections\n", sleeps() - before, CONNECTIONS);
    assert_true(sleeps() - before <= CONNECTIONS);
    for (i = 0; i < CONNECTIONS; i++)
        client_close(&clients[i]);
}

/* ---- System calls ---- */

static char trace[] = "/tmp/guest-idle-XXXXXX";

/* Runs strace with these arguments.  Returns: its pid. */
static pid_t run_strace(char *const *arguments)
{
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        (void)dup2(null, 1);
        (void)dup2(null, 2);
        (void)execvp("strace", arguments);
        _exit(127);
    }
    return pid;
}

/* Whether it is there, and may do what it does. */
static bool strace_works(void)
{
    static char name[] = "strace", o[] = "-o", null[] = "/dev/null", program[] = "true";
    char *arguments[] = {name, o, null, program, NULL};
    pid_t pid = run_strace(arguments);
    int status = -1;

    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool is_traced(pid_t tid)
{
    char path[64], line[256];
    long tracer = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)service.pid, (int)tid);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "TracerPid:", 10) == 0)
            tracer = strtol(line + 10, NULL, 10);
    (void)fclose(file);
    return tracer > 0;
}

/* How many lines, from the offset on, are of our threads.  With `show` the first ones are shown. */
static int count_calls(long from, bool show)
{
    FILE *file = fopen(trace, "re");
    char line[512];
    int count = 0, i;

    assert_non_null(file);
    assert_int_equal(fseek(file, from, SEEK_SET), 0);
    while (fgets(line, sizeof(line), file) != NULL)
        for (i = 0; i < OURS; i++)
            if (strtol(line, NULL, 10) == (long)ours[i] && ++count <= 20 && show)
                print_message("%s", line);
    (void)fclose(file);
    return count;
}

/* Waits until all of ours are traced, and strace has said what it found them in. */
static void wait_for_strace(void)
{
    int64_t deadline = client_deadline(TIMEOUT_MS);
    int i, before;

    for (i = 0; i < OURS; i++)
        while (!is_traced(ours[i])) {
            assert_true(client_now_ms() < deadline);
            asking_pause(5);
        }
    do {
        before = count_calls(0, false);
        asking_pause(1000);
        assert_true(client_now_ms() < deadline);
    } while (count_calls(0, false) != before);
}

static void idle_it_calls_the_system_for_nothing(void **state)
{
    static char name[] = "strace", f[] = "-f", o[] = "-o", p[] = "-p", pid_text[16];
    char *arguments[] = {name, f, o, trace, p, pid_text, NULL};
    int status, calls, asked;
    struct stat s;
    long before;
    pid_t pid;

    (void)state;
    wait_for_sleep();
    (void)snprintf(pid_text, sizeof(pid_text), "%d", (int)service.pid);
    pid = run_strace(arguments);
    assert_true(pid > 0);
    wait_for_strace();
    assert_int_equal(stat(trace, &s), 0);

    asking_pause(IDLE_MS);
    calls = count_calls((long)s.st_size, true);

    /* And it would have told of them. */
    before = (long)s.st_size;
    assert_int_equal(client_status(port, "/live"), 503);
    asking_pause(300);
    asked = count_calls(before, false) - calls;
    assert_int_equal(kill(pid, SIGINT), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    print_message("%d system calls in %d s; %d for one request\n", calls, IDLE_MS / 1000, asked);
    assert_int_equal(calls, 0);
    assert_true(asked > 5);
}

/* The same by what /proc tells, for where strace may not look. */
static void idle_it_does_not_wake(void **state)
{
    long before;

    (void)state;
    wait_for_sleep();
    before = sleeps();
    asking_pause(IDLE_MS / 6);
    assert_int_equal(sleeps() - before, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_connection_that_times_out_is_one_wake_up, start, end),
        cmocka_unit_test_setup_teardown(idle_it_does_not_wake, start, end),
    };
    const struct CMUnitTest by_strace[] = {
        cmocka_unit_test_setup_teardown(idle_it_calls_the_system_for_nothing, start, end),
    };
    int failed = cmocka_run_group_tests_name("guest_idle", tests, NULL, NULL), fd;

    if (failed != 0)
        return failed;
    if (!strace_works()) {
        print_message("NOT TESTED: there is no strace, or it may not trace here\n");
        return 77;
    }
    fd = mkstemp(trace);
    if (fd < 0)
        return 1;
    (void)close(fd);
    failed = cmocka_run_group_tests_name("guest_idle", by_strace, NULL, NULL);
    (void)unlink(trace);
    return failed;
}
