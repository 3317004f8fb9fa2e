/*
 * No descriptor of ours survives an exec, whichever way a program is started, in whatever state we
 * are, and while descriptors come and go.
 *
 * Programs are counted in what they were given: this one is run again for that.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/checks.h>
#include <health/health.h>
#include <health/probe.h>

#include "client.h"
#include "process.h"
#include "puppet.h"

#define TIMEOUT_MS 20000
#define CLIENTS    3 /* of each kind */

/* This program with this argument ends with the number of descriptors that it was given. */
#define COUNT_ARGUMENT "--count-descriptors"
static char argument[] = COUNT_ARGUMENT;
static char *program; /* not /proc/self/exe, which is valgrind under valgrind */
static char *arguments[] = {NULL, argument, NULL};

/* ---- Ways to start a program ---- */

static pid_t by_fork(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)execv(program, arguments);
        _exit(127);
    }
    return pid;
}

static pid_t by_vfork(void)
{
    /* It is what hosts do.  NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork) */
    pid_t pid = vfork();

    if (pid == 0) {
        (void)execv(program, arguments);
        _exit(127);
    }
    return pid;
}

static pid_t by_spawn(void)
{
    pid_t pid;

    return posix_spawn(&pid, program, NULL, NULL, arguments, environ) == 0 ? pid : -1;
}

static pid_t (*const ways[])(void) = {by_fork, by_vfork, by_spawn};
#define WAYS 3

/* How many descriptors a program has that is started this way; -1 for an error. */
static int given(unsigned way)
{
    pid_t pid = ways[way]();
    int status;

    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

/* ---- The host ---- */

static struct puppet hung;
static char directory[] = "/tmp/guest-exec-XXXXXX";
static char notify_path[64], unix_path[64];
static int notified = -1;

/* Where systemd would listen. */
static int open_notify_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    PROCESS_CHECK(mkdtemp(directory) != NULL);
    (void)snprintf(notify_path, sizeof(notify_path), "%s/notify", directory);
    (void)snprintf(unix_path, sizeof(unix_path), "%s/health", directory);
    (void)strcpy(address.sun_path, notify_path);
    notified = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    PROCESS_CHECK(notified >= 0);
    PROCESS_CHECK(bind(notified, (struct sockaddr *)&address, sizeof(address)) == 0);
    PROCESS_CHECK(setenv("NOTIFY_SOCKET", notify_path, 1) == 0);
    return 0;
}

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    return HEALTH_PASS;
}

/* Two listeners, one of them a unix socket; systemd; a check that hangs, one that passes. */
static int start(struct health **ret_h)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;
    char listen[128];

    (void)snprintf(listen, sizeof(listen), "127.0.0.1:0,unix:%s", unix_path);
    options.listen = listen;
    options.systemd = 1;
    options.response_ms = TIMEOUT_MS;
    PROCESS_CHECK(health_new(ret_h, &options) == 0);
    puppet_init(&hung);
    puppet_hold(&hung);
    check = puppet_check(&hung, "hung");
    check.probes = HEALTH_ALL;
    check.timeout_ms = 60000;
    PROCESS_CHECK(health_add_check(*ret_h, &check) == 0);
    check = (struct health_check)HEALTH_CHECK_INIT;
    check.name = "quick";
    check.fn = pass;
    check.max_age_ms = 1;
    PROCESS_CHECK(health_add_check(*ret_h, &check) == 0);
    PROCESS_CHECK(health_start(*ret_h) == 0);
    PROCESS_CHECK(client_try_status(health_port(*ret_h), "/ready") == 200);
    return 0;
}

static int open_clients(struct client *staying, struct client *waiting, int port)
{
    struct response answer;
    int i;

    for (i = 0; i < CLIENTS; i++) {
        PROCESS_CHECK(client_open(&staying[i], "127.0.0.1", port) == 0);
        PROCESS_CHECK(client_print(&staying[i], "GET /live HTTP/1.1\r\nHost: test\r\n\r\n") == 0);
        PROCESS_CHECK(
            client_read(&staying[i], false, &answer, client_deadline(TIMEOUT_MS)) == CLIENT_OK);
        response_free(&answer);
        PROCESS_CHECK(client_open(&waiting[i], "127.0.0.1", port) == 0);
        PROCESS_CHECK(client_print(&waiting[i], "GET /health HTTP/1.1\r\nHost: test\r\n\r\n") == 0);
    }
    PROCESS_CHECK(puppet_wait_begun(&hung, 1, TIMEOUT_MS));
    return 0;
}

static void close_clients(struct client *clients)
{
    int i;

    for (i = 0; i < CLIENTS; i++)
        client_close(&clients[i]);
}

static int finish(struct health *h)
{
    puppet_let_go(&hung);
    PROCESS_CHECK(health_stop(h, TIMEOUT_MS) == 0);
    health_free(h);
    (void)close(notified);
    (void)unlink(notify_path);
    PROCESS_CHECK(rmdir(directory) == 0);
    return 0;
}

/* ---- In each state ---- */

static int start_programs(struct process *self, void *arg)
{
    struct client staying[CLIENTS], waiting[CLIENTS];
    int before[WAYS];
    struct health *h = NULL;
    unsigned i;

    (void)self;
    (void)arg;
    PROCESS_CHECK(open_notify_socket() == 0);
    for (i = 0; i < WAYS; i++) {
        before[i] = given(i);
        PROCESS_CHECK(before[i] >= 3 && before[i] < 100);
    }
    PROCESS_CHECK(start(&h) == 0);
    for (i = 0; i < WAYS; i++)
        PROCESS_CHECK(given(i) == before[i]);
    PROCESS_CHECK(open_clients(staying, waiting, health_port(h)) == 0);
    for (i = 0; i < WAYS; i++)
        PROCESS_CHECK(given(i) == before[i]);
    PROCESS_CHECK(client_try_status(health_port(h), "/ready") == 200);

    /* A stop that a callback keeps from its end. */
    PROCESS_CHECK(health_stop(h, 0) == HEALTH_EBUSY);
    for (i = 0; i < WAYS; i++)
        PROCESS_CHECK(given(i) == before[i]);
    puppet_let_go(&hung);
    PROCESS_CHECK(health_stop(h, TIMEOUT_MS) == 0);
    for (i = 0; i < WAYS; i++)
        PROCESS_CHECK(given(i) == before[i]);
    PROCESS_CHECK(health_start(h) == 0);
    close_clients(staying);
    close_clients(waiting);
    return finish(h);
}

static void none_survives_in_any_state(void **state)
{
    struct process p;

    (void)state;
    assert_int_equal(process_start(&p, start_programs, NULL), 0);
    assert_int_equal(process_end(&p), 0);
}

/* ---- From a callback ---- */

static atomic_int given_inside[WAYS];

static void start_inside(struct health_result *result, void *arg)
{
    unsigned i;

    (void)result;
    (void)arg;
    for (i = 0; i < WAYS; i++)
        atomic_store(&given_inside[i], given(i));
}

static int start_in_a_callback(struct process *self, void *arg)
{
    struct client staying[CLIENTS], waiting[CLIENTS];
    static struct puppet starter;
    struct health_check check;
    struct health *h = NULL;
    int before[WAYS];
    unsigned i;

    (void)self;
    (void)arg;
    PROCESS_CHECK(open_notify_socket() == 0);
    for (i = 0; i < WAYS; i++)
        before[i] = given(i);
    PROCESS_CHECK(start(&h) == 0);
    PROCESS_CHECK(open_clients(staying, waiting, health_port(h)) == 0);
    puppet_init(&starter);
    puppet_calls(&starter, start_inside, NULL);
    check = puppet_check(&starter, "starter");
    check.timeout_ms = TIMEOUT_MS;
    PROCESS_CHECK(health_add_check(h, &check) == 0);
    PROCESS_CHECK(client_try_status(health_port(h), "/health/starter") == 200);
    for (i = 0; i < WAYS; i++)
        PROCESS_CHECK(atomic_load(&given_inside[i]) == before[i]);
    close_clients(staying);
    close_clients(waiting);
    return finish(h);
}

static void none_survives_from_a_callback(void **state)
{
    struct process p;

    (void)state;
    assert_int_equal(process_start(&p, start_in_a_callback, NULL), 0);
    assert_int_equal(process_end(&p), 0);
}

/* ---- While descriptors come and go ---- */

static atomic_bool over;
static atomic_int rounds;

static void *ask_on(void *h)
{
    while (!atomic_load(&over)) {
        (void)client_try_status(health_port(h), "/live");
        atomic_fetch_add(&rounds, 1);
    }
    return NULL;
}

static void *probe_on(void *h)
{
    char url[64];

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/live", health_port(h));
    while (!atomic_load(&over)) {
        (void)health_probe(url, 1000, NULL, 0);
        atomic_fetch_add(&rounds, 1);
    }
    return NULL;
}

static void *start_and_stop(void *arg)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;
    char address[32];

    options.listen = "127.0.0.1:0";
    while (!atomic_load(&over)) {
        struct health *h = NULL;

        (void)snprintf(address, sizeof(address), "127.0.0.1:%d", health_port(arg));
        check.name = "connect";
        check.fn = health_check_connect;
        check.arg = address;
        check.interval_ms = 10;
        if (health_new(&h, &options) == 0 && health_add_check(h, &check) == 0)
            (void)health_start(h);
        (void)client_try_status(health_port(h), "/ready");
        (void)health_stop(h, TIMEOUT_MS);
        health_free(h);
        atomic_fetch_add(&rounds, 1);
    }
    return NULL;
}

static int start_meanwhile(struct process *self, void *arg)
{
    void *(*const does[])(void *) = {ask_on, probe_on, start_and_stop};
    const int times = process_is_slow() || PROCESS_SANITIZED ? 6 : 60;
    int i, before, most = 0, now;
    struct health *h = NULL;
    pthread_t threads[3];

    (void)arg;
    PROCESS_CHECK(open_notify_socket() == 0);
    before = given(2);
    PROCESS_CHECK(start(&h) == 0);
    for (i = 0; i < 3; i++)
        PROCESS_CHECK(pthread_create(&threads[i], NULL, does[i], h) == 0);
    for (i = 0; i < times; i++) {
        now = given((unsigned)i % WAYS);
        PROCESS_CHECK(now > 0);
        most = now > most ? now : most;
    }
    atomic_store(&over, true);
    for (i = 0; i < 3; i++)
        PROCESS_CHECK(pthread_join(threads[i], NULL) == 0);
    PROCESS_CHECK(process_say(self, atomic_load(&rounds)));
    PROCESS_CHECK(most == before);
    return finish(h);
}

static void none_survives_while_they_come_and_go(void **state)
{
    struct process p;
    int64_t times = 0;

    (void)state;
    assert_int_equal(process_start(&p, start_meanwhile, NULL), 0);
    (void)process_hear(&p, &times, 100000);
    assert_int_equal(process_end(&p), 0);
    print_message("%d times while programs were started\n", (int)times);
    assert_true(times > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_survives_in_any_state),
        cmocka_unit_test(none_survives_from_a_callback),
        cmocka_unit_test(none_survives_while_they_come_and_go),
    };

    program = arguments[0] = argv[0];
    if (argc == 2 && strcmp(argv[1], COUNT_ARGUMENT) == 0)
        return process_descriptors(0);
    return cmocka_run_group_tests_name("guest_exec", tests, NULL, NULL);
}
