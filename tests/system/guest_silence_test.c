/*
 * Nothing is ever written to stdout or stderr, nor read from stdin, whatever goes wrong: errors of
 * every kind, hostile bytes, checks that hang, no descriptors, children, the end.
 *
 * The host is a child whose three first descriptors are the test's.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* forgets */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>
#include <health/probe.h>

#include "asking.h"
#include "client.h"
#include "everything.h"
#include "process.h"
#include "puppet.h"

#define TIMEOUT_MS 20000

/* What the host ends with: the line at which something was not as it should. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return __LINE__;                                                                       \
    } while (0)

/* ---- What goes wrong ---- */

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)arg;
    return health_explain(result, HEALTH_PASS, "fine");
}

static int make(struct health **ret_h)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;

    options.listen = "127.0.0.1:0";
    options.response_ms = 200;
    options.connections = 16;
    check.name = "quick";
    check.fn = pass;
    check.max_age_ms = 1;
    MUST(health_new(ret_h, &options) == 0);
    MUST(health_add_check(*ret_h, &check) == 0);
    return 0;
}

static int be_refused(void)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *h = NULL, *second = NULL;
    char listen[32], reason[HEALTH_PROBE_REASON_MAX_BYTES + 1];

    options.listen = "nonsense";
    MUST(health_new(&h, &options) == HEALTH_EINVAL);
    MUST(health_start(NULL) == 0);
    MUST(health_start(NULL) == HEALTH_EALREADY);
    MUST(health_stop(NULL, 1000) == 0);
    MUST(health_stop(NULL, 1000) == HEALTH_ESTOPPED);
    MUST(make(&h) == 0);
    MUST(health_port(h) == HEALTH_ESTOPPED);
    MUST(health_add_check(h, &check) == HEALTH_EINVAL);
    MUST(health_remove(h, "none") == HEALTH_ENOENT);
    MUST(health_start(h) == 0);
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%d", health_port(h));
    options.listen = listen;
    MUST(health_new(&second, &options) == 0);
    MUST(health_start(second) == HEALTH_ELISTEN);
    health_free(second);
    MUST(health_stop(h, 1000) == 0);
    health_free(h);
    MUST(health_probe("http://127.0.0.1:1/", 500, reason, sizeof(reason)) == 1);
    MUST(health_probe("nonsense", 500, reason, sizeof(reason)) == HEALTH_EINVAL);
    return 0;
}

/* Bytes that are no requests, and requests that are none of ours. */
static int be_attacked(int port)
{
    static const char *const texts[] = {"\r\n\r\n", "GET", "GET /health HTTP/1.1",
        "GET /health HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02", "POST /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /%00%zz HTTP/1.1\r\nHost: a\r\n\r\n", "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n",
        "BREW /health HTCPCP/1.0\r\n\r\n", "GET /health HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"};
    static char huge[200000];
    struct client c;
    unsigned seed = 1;
    size_t i, j;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        MUST(client_open(&c, "127.0.0.1", port) == 0);
        (void)client_send(&c, texts[i], strlen(texts[i]));
        client_shutdown(&c);
        (void)client_drain(&c, client_deadline(300));
        client_close(&c);
    }
    for (i = 0; i < 30; i++) {
        for (j = 0; j < sizeof(huge); j++)
            huge[j] = (char)(rand_r(&seed) >> 7);
        if (i % 3 == 0)
            memset(huge, 'a', sizeof(huge));
        if (i % 2 == 0)
            /* It goes on with what is there.
             * NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
            memcpy(huge, "GET /", 5);
        MUST(client_open(&c, "127.0.0.1", port) == 0);
        (void)client_send_by(&c, huge, i % 5 == 0 ? sizeof(huge) : i * 20, client_deadline(200));
        client_reset(&c);
    }
    return 0;
}

/* More of them than there is room for. */
static int be_crowded(int port)
{
    struct client clients[60];
    size_t i;

    for (i = 0; i < 60; i++)
        if (client_open(&clients[i], "127.0.0.1", port) == 0)
            (void)client_print(&clients[i], "GET /health HTTP/1.1\r\nHo");
    for (i = 0; i < 60; i++) {
        if (i % 2)
            client_reset(&clients[i]);
        else
            client_close(&clients[i]);
    }
    return 0;
}

/* No descriptor is left, not even one in reserve. */
static int be_starved(int port)
{
    static int fds[4096];
    struct rlimit limit;
    struct client c;
    int count, i;

    MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 128;
    MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    MUST(client_open(&c, "127.0.0.1", port) == 0);
    count = process_fill(fds, 4096);
    (void)client_print(&c, "GET /live HTTP/1.1\r\nHost: test\r\n\r\n");
    for (i = 0; i < 10; i++) {
        (void)close(fds[--count]);
        (void)client_try_status(port, "/live");
    }
    client_close(&c);
    process_spill(fds, count);
    return 0;
}

static struct puppet hung;

static int hang(struct health *h)
{
    struct health_check check;
    struct client c;

    puppet_init(&hung);
    puppet_hold(&hung);
    check = puppet_check(&hung, "hung");
    check.timeout_ms = 50;
    MUST(health_add_check(h, &check) == 0);
    MUST(client_try_status(health_port(h), "/ready") == 503);
    MUST(client_open(&c, "127.0.0.1", health_port(h)) == 0);
    MUST(client_print(&c, "GET /health/hung HTTP/1.1\r\nHost: test\r\n\r\n") == 0);
    MUST(health_remove(h, "hung") == HEALTH_EBUSY);
    MUST(health_stop(h, 50) == HEALTH_EBUSY);
    MUST(health_start(h) == HEALTH_EBUSY);
    puppet_let_go(&hung);
    MUST(health_stop(h, TIMEOUT_MS) == 0);
    client_close(&c);
    return 0;
}

static int fork_some(struct health *h)
{
    int i, status;
    pid_t pid;

    for (i = 0; i < 3; i++) {
        pid = fork();
        if (pid == 0) {
            if (i == 1)
                health_free(h);
            if (i == 2)
                (void)health_start(h);
            _exit(0);
        }
        MUST(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    }
    return 0;
}

static void ignore(const char *function)
{
    (void)function;
}

/* Everything of ours is gone, and the clients are still there. */
static int lose_all(struct health *h)
{
    int fds[256], count, i;
    struct client c;

    MUST(client_open(&c, "127.0.0.1", health_port(h)) == 0);
    MUST(client_print(&c, "GET /live HTTP/1.1\r\nHost: test\r\n\r\n") == 0);
    (void)poll(NULL, 0, 50);
    count = process_list(fds, 256);
    for (i = 0; i < count; i++)
        if (fds[i] > 2 && !PROCESS_THREAD_SANITIZED) /* to which it is a data race */
            (void)close(fds[i]);
    (void)poll(NULL, 0, 100);
    MUST(health_stop(h, 1000) == 0);
    MUST(health_start(h) == 0);
    MUST(client_try_status(health_port(h), "/health") == 200);
    MUST(health_stop(h, 1000) == 0);
    return 0;
}

static int go_through_all(void)
{
    struct health *h = NULL;
    int line;

    everything_call(ignore, ignore);
    line = be_refused();
    MUST(line == 0);
    MUST(make(&h) == 0);
    MUST(health_start(h) == 0);
    line = be_attacked(health_port(h));
    line = line != 0 ? line : be_crowded(health_port(h));
    line = line != 0 ? line : fork_some(h);
    line = line != 0 ? line : be_starved(health_port(h));
    line = line != 0 ? line : hang(h);
    if (line != 0)
        return line;
    MUST(health_start(h) == 0);
    MUST(client_try_status(health_port(h), "/health") == 200);
    line = lose_all(h);
    if (line != 0)
        return line;
    health_free(h);
    return 0;
}

/* ---- The test ---- */

/* Its input never ends, and is not read; its end is told by a pipe that it does not know of. */
static void be_host(int in, int out, int err)
{
    int line;

    (void)fflush(NULL);
    if (dup2(in, 0) != 0 || dup2(out, 1) != 1 || dup2(err, 2) != 2)
        _exit(255);
    line = go_through_all();
    /* The status has eight bits: the line is told otherwise. */
    if (line != 0)
        (void)dprintf(2, "line %d: %s\n", line, health_last_error());
    _exit(line != 0);
}

/* Reads all that was written, as a text. */
static void read_all(int fd, char *text, size_t size)
{
    ssize_t n = read(fd, text, size - 1);

    text[n > 0 ? n : 0] = '\0';
}

static void nothing_is_written_and_nothing_read(void **state)
{
    static const char input[] = "unread";
    char out_text[4096], err_text[4096], left[16];
    int in[2], out[2], err[2], status = -1;
    int64_t deadline = client_deadline(6 * TIMEOUT_MS);
    pid_t pid, ended;

    (void)state;
    assert_int_equal(pipe2(in, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(write(in[1], input, sizeof(input)), sizeof(input));
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0)
        be_host(in[0], out[1], err[1]);
    while ((ended = waitpid(pid, &status, WNOHANG)) == 0 && client_now_ms() < deadline)
        (void)poll(NULL, 0, 10);
    if (ended == 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
    }
    read_all(out[0], out_text, sizeof(out_text));
    read_all(err[0], err_text, sizeof(err_text));
    if (out_text[0] != '\0' || err_text[0] != '\0' || status != 0)
        fail_msg("status 0x%x, said: \"%s\" \"%s\"", (unsigned)status, out_text, err_text);
    assert_int_equal(read(in[0], left, sizeof(left)), sizeof(input));
    (void)close(in[0]);
    (void)close(in[1]);
    (void)close(out[0]);
    (void)close(out[1]);
    (void)close(err[0]);
    (void)close(err[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_and_nothing_read),
    };

    return cmocka_run_group_tests_name("guest_silence", tests, NULL, NULL);
}
