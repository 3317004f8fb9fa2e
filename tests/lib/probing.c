/*
 * The probe under test.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "probing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/probe.h>

#include "assertions.h"
#include "client.h"
#include "one_line.h"
#include "process.h"

#define SPACE_BYTES   ((rlim_t)8 << 20)
#define RUN_MS        30000 /* the longest that a run may take before it is killed */
#define ARGUMENTS     16
#define SHOWN_URL_MAX 120

int64_t probing_slack_ms(void)
{
    return PROCESS_SANITIZED || process_is_slow() ? 10 * SLACK_MS : SLACK_MS;
}

static void program_path(char path[4096])
{
    const char *directory = getenv("BUILD_DIR");

    (void)snprintf(path, 4096, "%s/health-probe", directory != NULL ? directory : ".");
}

bool probing_has_program(void)
{
    char path[4096];

    program_path(path);
    return access(path, X_OK) == 0;
}

/* In the child. */
static void execute(const char *const *arguments, const char *const *environment, int out, int err)
{
    static const char *const nothing[] = {NULL};
    const struct rlimit space = {.rlim_cur = SPACE_BYTES, .rlim_max = SPACE_BYTES};
    const char *argv[ARGUMENTS] = {"health-probe"};
    char path[4096];
    size_t i;

    for (i = 0; arguments != NULL && arguments[i] != NULL && i < ARGUMENTS - 2; i++)
        argv[i + 1] = arguments[i];
    program_path(path);
    if (dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
        _exit(126);
    if (!PROCESS_SANITIZED && !process_is_slow())
        (void)setrlimit(RLIMIT_AS, &space);
    (void)execve(path, (char *const *)(uintptr_t)argv,
        (char *const *)(uintptr_t)(environment != NULL ? environment : nothing));
    _exit(127);
}

/* Reads what there is behind what was read.  Returns: false at the end. */
static bool read_more(int fd, char *to, size_t size)
{
    size_t length = strlen(to);
    ssize_t n = read(fd, to + length, size - 1 - length);

    if (n <= 0)
        return false;
    to[length + (size_t)n] = '\0';
    return length + (size_t)n < size - 1;
}

void probing_run(struct probing *ret, const char *const *arguments, const char *const *environment)
{
    int64_t begun = client_now_ms(), left = RUN_MS;
    int out[2], err[2], status = 0;
    struct pollfd p[2];
    pid_t pid;

    memset(ret, 0, sizeof(*ret));
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        execute(arguments, environment, out[1], err[1]);
    (void)close(out[1]);
    (void)close(err[1]);
    p[0] = (struct pollfd){.fd = out[0], .events = POLLIN};
    p[1] = (struct pollfd){.fd = err[0], .events = POLLIN};
    while ((p[0].fd >= 0 || p[1].fd >= 0) && left > 0) {
        if (poll(p, 2, (int)left) > 0) {
            if (p[0].revents != 0 && !read_more(out[0], ret->out, sizeof(ret->out)))
                p[0].fd = -1;
            if (p[1].revents != 0 && !read_more(err[0], ret->err, sizeof(ret->err)))
                p[1].fd = -1;
        }
        left = begun + RUN_MS - client_now_ms();
    }
    if (left <= 0)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    ret->took_ms = client_now_ms() - begun;
    (void)close(out[0]);
    (void)close(err[0]);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
        fail_msg("health-probe: status %x, '%s', '%s'", (unsigned)status, ret->out, ret->err);
    ret->status = WEXITSTATUS(status);
}

int probing_ask(const char *url, unsigned timeout_ms, char ret_reason[400], int64_t *ret_took_ms)
{
    int64_t begun = client_now_ms(), took;
    int result;

    memset(ret_reason, 0x55, 400);
    errno = ENOTTY;
    result = health_probe(url, timeout_ms, ret_reason, 400);
    took = client_now_ms() - begun;
    assert_int_equal(errno, result == HEALTH_EINVAL ? EINVAL : ENOTTY);
    assert_non_null(memchr(ret_reason, '\0', 400));
    assert_true(one_line_is(ret_reason, strlen(ret_reason)));
    assert_true(took <= (timeout_ms != 0 ? timeout_ms : 2000) + probing_slack_ms());
    if (ret_took_ms != NULL)
        *ret_took_ms = took;
    return result;
}

static void assert_said(const char *said, const char *url, const char *behind)
{
    size_t length = strlen(behind), expected_length = strlen(url) + length;
    char expected[1024];
    bool open = length >= 3 && strcmp(behind + length - 3, "\xE2\x80\xA6") == 0;

    assert_true(strlen(url) <= SHOWN_URL_MAX);
    (void)snprintf(expected, sizeof(expected), "%s%s", url, behind);
    if (open ? strncmp(said, expected, expected_length - 3) != 0 : strcmp(said, expected) != 0)
        fail_msg("'%s' is said, not '%s'", said, expected);
}

void probing_expect(const char *url, unsigned timeout_ms, int result, const char *behind)
{
    char reason[400], timeout[16];
    const char *const arguments[] = {"--timeout", timeout, url, NULL};
    struct probing run;
    int got = probing_ask(url, timeout_ms, reason, NULL);

    if (got != result)
        fail_msg("%s: %d, '%s'", url, got, reason);
    assert_said(reason, url, behind);
    if (!probing_has_program())
        return;
    (void)snprintf(timeout, sizeof(timeout), "%u", timeout_ms != 0 ? timeout_ms : 2000);
    probing_run(&run, arguments, NULL);
    assert_true(run.took_ms <= (timeout_ms != 0 ? timeout_ms : 2000) + probing_slack_ms());
    assert_int_equal(run.status, result == 0 ? 0 : 1);
    if (result == 0) {
        assert_string_equal(run.out, "");
        assert_string_equal(run.err, "");
        return;
    }
    if (result > 0) {
        size_t length = strlen(run.out);

        assert_string_equal(run.err, "");
        assert_true(length > 0 && length <= 400);
        assert_int_equal(run.out[length - 1], '\n');
        run.out[length - 1] = '\0';
        assert_said(run.out, url, behind);
    } else {
        assert_string_equal(run.out, "");
        assert_non_null(strstr(run.err, reason));
    }
}
