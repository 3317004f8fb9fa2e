/*
 * The program health-probe: its arguments and variables, what it prints where, and that its exit is
 * never anything but 0 and 1.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/probe.h>

#include "assertions.h"
#include "odd_server.h"
#include "probing.h"

#define ARGUMENTS     6
#define TIMEOUT_WORDS "--timeout wants a number of ms from 1 to 3600000"

static struct odd_server good = {
    .steps = {ODD_STEP(ODD_HEAR),
        ODD_STEP_OF(ODD_SAY, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0),
        ODD_STEP(ODD_HANG)}};
static struct odd_server bad = {
    .steps = {ODD_STEP(ODD_HEAR),
        ODD_STEP_OF(ODD_SAY,
            "HTTP/1.1 503 No\r\n\r\n"
            "{\"checks\":{\"db\":[{\"status\":\"fail\",\"output\":\"gone\"}]}}",
            0),
        ODD_STEP(ODD_END), ODD_STEP(ODD_HANG)}};
static struct odd_server mute = {.steps = {ODD_STEP(ODD_HANG)}};
static char good_url[64], bad_url[64], mute_url[64], good_line[80], bad_line[80];

static int start_servers(void **state)
{
    (void)state;
    if (odd_server_start(&good) != 0 || odd_server_start(&bad) != 0 || odd_server_start(&mute) != 0)
        return -1;
    (void)snprintf(good_url, sizeof(good_url), "http://127.0.0.1:%d/health", good.port);
    (void)snprintf(bad_url, sizeof(bad_url), "http://127.0.0.1:%d/health", bad.port);
    (void)snprintf(mute_url, sizeof(mute_url), "http://127.0.0.1:%d/", mute.port);
    (void)snprintf(good_line, sizeof(good_line), "%s: 200\n", good_url);
    (void)snprintf(bad_line, sizeof(bad_line), "%s: 503: db: gone\n", bad_url);
    return 0;
}

static int stop_servers(void **state)
{
    (void)state;
    odd_server_stop(&good);
    odd_server_stop(&bad);
    odd_server_stop(&mute);
    return 0;
}

static void assert_run(const char *const *arguments, const char *const *environment, int status,
    const char *out, const char *err)
{
    struct probing run;

    probing_run(&run, arguments, environment);
    assert_int_equal(run.status, status);
    assert_string_equal(run.out, out);
    assert_string_equal(run.err, err);
}

static void silent_if_healthy_one_line_if_not(void **state)
{
    const char *const asks_good[] = {good_url, NULL}, *const asks_bad[] = {bad_url, NULL};

    (void)state;
    assert_run(asks_good, NULL, 0, "", "");
    assert_run(asks_bad, NULL, 1, bad_line, "");
}

static void v_says_it_if_healthy_as_well(void **state)
{
    const char *const orders[][4] = {
        {"-v", good_url, NULL}, {good_url, "-v", NULL}, {"-v", "--timeout", "5000", good_url}};
    const char *const asks_bad[] = {"-v", bad_url, NULL};
    const char *arguments[5] = {NULL};
    size_t i;

    (void)state;
    for (i = 0; i < 3; i++) {
        memcpy(arguments, orders[i], sizeof(orders[i]));
        assert_run(arguments, NULL, 0, good_line, "");
    }
    assert_run(asks_bad, NULL, 1, bad_line, "");
}

static void the_url_comes_from_the_argument_the_environment_or_neither(void **state)
{
    const char *const nothing[] = {NULL}, *const verbose[] = {"-v", NULL},
                      *const asks_good[] = {"-v", good_url, NULL};
    char variable[96];
    const char *environment[] = {variable, NULL};
    static const char default_url[] = "http://localhost:8080/health: ";
    struct probing run;

    (void)state;
    (void)snprintf(variable, sizeof(variable), "HEALTH_PROBE_URL=%s", good_url);
    assert_run(nothing, environment, 0, "", "");
    assert_run(verbose, environment, 0, good_line, "");
    (void)snprintf(variable, sizeof(variable), "HEALTH_PROBE_URL=%s", bad_url);
    assert_run(nothing, environment, 1, bad_line, "");
    assert_run(asks_good, environment, 0, good_line, "");
    (void)snprintf(variable, sizeof(variable), "HEALTH_PROBE_URL=nonsense");
    assert_run(nothing, environment, 1, "",
        "health-probe: nonsense: it begins with none of http://, unix:, tcp: and file:\n");

    /* Who knows what listens at 8080 here. */
    probing_run(&run, verbose, NULL);
    assert_int_equal(strncmp(run.out, default_url, strlen(default_url)), 0);
    environment[0] = "HEALTH_PROBE_URL=";
    probing_run(&run, verbose, environment);
    assert_int_equal(strncmp(run.out, default_url, strlen(default_url)), 0);
}

static void proxies_are_ignored(void **state)
{
    struct odd_server proxy = {
        .steps = {ODD_STEP(ODD_HEAR), ODD_STEP_OF(ODD_SAY, "HTTP/1.1 200 OK\r\n\r\n", 0)}};
    const char *const asks_bad[] = {bad_url, NULL};
    char variables[4][64];
    const char *const environment[] = {
        variables[0], variables[1], variables[2], variables[3], NULL};
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    size_t i;

    (void)state;
    assert_int_equal(odd_server_start(&proxy), 0);
    for (i = 0; i < 4; i++)
        (void)snprintf(
            variables[i], sizeof(variables[i]), "%s=http://127.0.0.1:%d", names[i], proxy.port);
    assert_run(asks_bad, environment, 1, bad_line, "");
    odd_server_stop(&proxy);
    assert_int_equal(atomic_load(&proxy.heard), 0);
}

static void the_timeout_is_said_in_two_ways(void **state)
{
    const char *const ways[][4] = {{"--timeout", "300", mute_url, NULL},
        {"--timeout=300", mute_url, NULL}, {mute_url, "--timeout", "300", NULL},
        {"--timeout=9", "--timeout=300", mute_url, NULL}};
    char line[96];
    size_t i;

    (void)state;
    (void)snprintf(line, sizeof(line), "%s: no answer in time\n", mute_url);
    for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct probing run;

        probing_run(&run, ways[i], NULL);
        assert_int_equal(run.status, 1);
        assert_string_equal(run.out, line);
        assert_true(run.took_ms >= 300 - ROUNDING_MS && run.took_ms <= 300 + probing_slack_ms());
    }
}

static const struct {
    const char *arguments[ARGUMENTS], *words;
} wrong[] = {
    {{"--timeout"}, TIMEOUT_WORDS},
    {{"--timeout", ""}, TIMEOUT_WORDS},
    {{"--timeout="}, TIMEOUT_WORDS},
    {{"--timeout", "0"}, TIMEOUT_WORDS},
    {{"--timeout", "-1"}, TIMEOUT_WORDS},
    {{"--timeout", "+1"}, TIMEOUT_WORDS},
    {{"--timeout", "1s"}, TIMEOUT_WORDS},
    {{"--timeout", "1.5"}, TIMEOUT_WORDS},
    {{"--timeout", " 1"}, TIMEOUT_WORDS},
    {{"--timeout", "3600001"}, TIMEOUT_WORDS},
    {{"--timeout", "4294967297"}, TIMEOUT_WORDS},
    {{"--timeout", "99999999999999999999"}, TIMEOUT_WORDS},
    {{"--timeout", "http://127.0.0.1/"}, TIMEOUT_WORDS},
    {{"--timeout=1", "--timeout", "x"}, TIMEOUT_WORDS},
    {{"--timeoutx", "1"}, TIMEOUT_WORDS},
    {{"-x"}, "there is no such option"},
    {{"--verbose"}, "there is no such option"},
    {{"-vv"}, "there is no such option"},
    {{"-"}, "there is no such option"},
    {{"-h"}, "there is no such option"},
    {{"http://127.0.0.1/", "-h"}, "there is no such option"},
    {{"--help", "http://127.0.0.1/"}, "--help stands alone"},
    {{"http://127.0.0.1/", "--help"}, "--help stands alone"},
    {{"-v", "--help"}, "--help stands alone"},
    {{"--help", "--help"}, "--help stands alone"},
    {{""}, "the URL is empty"},
    {{"-v", ""}, "the URL is empty"},
    {{"--"}, "there is no such option"},
    {{"http://127.0.0.1/", "http://127.0.0.1/"}, "there is more than one URL"},
    {{"http://example.com/"},
        "http://example.com/: the host is no IP address and not localhost; names are not resolved"},
    {{"https://127.0.0.1/"},
        "https://127.0.0.1/: https is not spoken here: probe the service on its own host"},
    {{"ftp://x"}, "ftp://x: it begins with none of http://, unix:, tcp: and file:"},
    {{"http://127.0.0.1/\r\nX: y"},
        "http://127.0.0.1/  X: y: there is a blank or a control character in the path"},
    {{"\x1B[2J\xFF"}, " [2J?: it begins with none of http://, unix:, tcp: and file:"},
    {{"file:alive"}, "file:alive: the file's path does not begin with a slash"},
};

static void wrong_use_is_told_to_stderr_with_1(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct probing run;
        char expected[512];

        (void)snprintf(expected, sizeof(expected), "health-probe: %s\n", wrong[i].words);
        probing_run(&run, wrong[i].arguments, NULL);
        assert_int_equal(run.status, 1);
        assert_string_equal(run.out, "");
        assert_int_equal(strncmp(run.err, expected, strlen(expected)), 0);
    }
}

/* An argument as long as there can be. */
static void a_long_url_leaves_room_for_the_reason(void **state)
{
    static char url[100000], expected[256];
    const char *const arguments[] = {url, NULL};

    (void)state;
    memset(url, 'x', sizeof(url) - 1);
    /* It goes on with what is there.  NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
    memcpy(url, good_url, strlen(good_url));
    url[500] = ' ';
    (void)snprintf(expected, sizeof(expected),
        "health-probe: %.120s...: there is a blank or a control character in the path\n", url);
    assert_run(arguments, NULL, 1, "", expected);
}

static void help_is_no_failure(void **state)
{
    const char *const arguments[] = {"--help", NULL};
    struct probing run;

    (void)state;
    probing_run(&run, arguments, NULL);
    assert_int_equal(run.status, 0);
    assert_non_null(strstr(run.out, "Usage: health-probe [-v] [--timeout MS] [URL]\n"));
    assert_string_equal(run.err, "");
}

/* Runs the line by a shell, P being the program.  Returns: its exit status. */
static int shell(const char *line)
{
    char command[1024];
    int status;

    (void)snprintf(command, sizeof(command), "P=$BUILD_DIR/health-probe; %s", line);
    status = system(command); /* NOLINT(cert-env33-c) */
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Where there is nobody to hear it. */
static void what_cannot_be_said_changes_no_exit(void **state)
{
    char line[512];

    (void)state;
    if (getenv("BUILD_DIR") == NULL)
        skip();
    (void)snprintf(line, sizeof(line), "\"$P\" -v %s >&- 2>&-", good_url);
    assert_int_equal(shell(line), 0);
    (void)snprintf(line, sizeof(line), "\"$P\" -v %s >/dev/full", good_url);
    assert_int_equal(shell(line), 0);
    (void)snprintf(line, sizeof(line), "\"$P\" %s >&- 2>&- <&-", bad_url);
    assert_int_equal(shell(line), 1);
    (void)snprintf(line, sizeof(line), "\"$P\" %s >/dev/full", bad_url);
    assert_int_equal(shell(line), 1);
    assert_int_equal(shell("\"$P\" nonsense 2>/dev/full"), 1);
    assert_int_equal(shell("\"$P\" nonsense 2>&-"), 1);
}

/* Runs it with one end of a pipe as `to`, whose other end nobody reads: it is shut, or the pipe is
 * full.  Returns: the status of waitpid(). */
static int run_into_a_pipe(int to, bool full, const char *const *arguments)
{
    const char *argv[ARGUMENTS] = {"health-probe"};
    int ends[2], status = -1;
    char path[4096] = ""; /* it is what fills the pipe */
    size_t i;
    pid_t pid;

    (void)snprintf(path, sizeof(path), "%s/health-probe", getenv("BUILD_DIR"));
    for (i = 0; arguments[i] != NULL; i++)
        argv[i + 1] = arguments[i];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    while (full && write(ends[1], path, sizeof(path)) > 0)
        ;
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    if (!full)
        (void)close(ends[0]);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGPIPE, SIG_DFL);
        (void)alarm(20);
        if (dup2(ends[1], to) < 0)
            _exit(126);
        (void)execv(path, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)waitpid(pid, &status, 0);
    (void)close(ends[1]);
    if (full)
        (void)close(ends[0]);
    return status;
}

static void who_no_longer_listens_or_never_does_changes_no_exit(void **state)
{
    const char *const healthy[] = {"-v", "--timeout=300", good_url, NULL},
                      *const failing[] = {"--timeout=300", bad_url, NULL},
                      *const late[] = {"--timeout=300", mute_url, NULL},
                      *const wrong_use[] = {"nonsense", NULL}, *const help[] = {"--help", NULL};
    const struct {
        const char *const *arguments;
        int to, status;
    } runs[] = {{healthy, STDOUT_FILENO, 0}, {failing, STDOUT_FILENO, 1}, {late, STDOUT_FILENO, 1},
        {wrong_use, STDERR_FILENO, 1}, {help, STDOUT_FILENO, 0}};
    size_t i, full;

    (void)state;
    if (getenv("BUILD_DIR") == NULL)
        skip();
    for (full = 0; full < 2; full++)
        for (i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
            int status = run_into_a_pipe(runs[i].to, full == 1, runs[i].arguments);

            if (!WIFEXITED(status) || WEXITSTATUS(status) != runs[i].status)
                fail_msg("%zu, %s: status %x", i, full == 1 ? "full" : "shut", (unsigned)status);
        }
}

static atomic_int broken_pipes;

static void count_broken_pipe(int unused)
{
    (void)unused;
    atomic_fetch_add(&broken_pipes, 1);
}

/* A service that is its own health check has handlers of its own. */
static void the_signals_of_its_host_are_left_alone(void **state)
{
    struct sigaction ours = {.sa_handler = count_broken_pipe}, after;
    char name[] = "x", url[] = "nonsense";
    char *arguments[] = {name, url, NULL};
    int ends[2], saved;
    sigset_t pending, mask;

    (void)state;
    assert_int_equal(sigaction(SIGPIPE, &ours, NULL), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)close(ends[0]);
    saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    assert_int_equal(health_probe_main(2, arguments), 1);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    (void)close(ends[1]);
    assert_int_equal(atomic_load(&broken_pipes), 0);
    assert_int_equal(sigpending(&pending), 0);
    assert_int_equal(sigismember(&pending, SIGPIPE), 0);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGPIPE), 0);
    assert_int_equal(sigaction(SIGPIPE, NULL, &after), 0);
    assert_true(after.sa_handler == count_broken_pipe);
    (void)signal(SIGPIPE, SIG_DFL);
}

static void without_even_a_name_it_works(void **state)
{
    char *nothing[] = {NULL};
    char name[] = "x", url[64];
    char *arguments[] = {name, url, NULL};

    (void)state;
    (void)snprintf(url, sizeof(url), "%s", good_url);
    assert_int_equal(health_probe_main(2, arguments), 0);
    assert_int_equal(setenv("HEALTH_PROBE_URL", good_url, 1), 0);
    assert_int_equal(health_probe_main(0, nothing), 0);
    assert_int_equal(unsetenv("HEALTH_PROBE_URL"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silent_if_healthy_one_line_if_not),
        cmocka_unit_test(v_says_it_if_healthy_as_well),
        cmocka_unit_test(the_url_comes_from_the_argument_the_environment_or_neither),
        cmocka_unit_test(proxies_are_ignored),
        cmocka_unit_test(the_timeout_is_said_in_two_ways),
        cmocka_unit_test(wrong_use_is_told_to_stderr_with_1),
        cmocka_unit_test(a_long_url_leaves_room_for_the_reason),
        cmocka_unit_test(help_is_no_failure),
        cmocka_unit_test(what_cannot_be_said_changes_no_exit),
        cmocka_unit_test(who_no_longer_listens_or_never_does_changes_no_exit),
        cmocka_unit_test(the_signals_of_its_host_are_left_alone),
        cmocka_unit_test(without_even_a_name_it_works),
    };

    if (!probing_has_program()) {
        (void)fprintf(stderr, "not tested: health-probe was not built\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
