/*
 * Descriptors: a host may have 65,000 of them open, or all that it may have; ours are
 * close-on-exec, few, and gone when we have stopped.
 *
 * Each test has its host in a child process, so that limits are nobody else's.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* timeout: 180 */
/* serial */
/* forgets */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <microhttpd.h>

#include <health/health.h>

#include "client.h"
#include "process.h"

/* What libmicrohttpd 1.0 keeps for itself, in a child too: an eventfd that is close-on-exec. */
#define OF_MHD (MHD_VERSION >= 0x01000000 ? 1 : 0)

#define MANY       65000
#define FEW        256 /* the limit of the host that uses it up */
#define ROOM       64  /* what the library may need to start, at most */
#define TIMEOUT_MS 20000
#define PROBES     5
#define PROBE_MS   200
#define IDLE_PERCENT                                                                               \
    10 /* of a processor, where there is nothing to do but a probe now and then                    \
        */

/* This program with this argument ends with the number of descriptors that it was given. */
#define COUNT_ARGUMENT "--count-descriptors"
static char *program;

/* Of the running test, for its teardown. */
static struct process host = {.pid = -1, .fd = -1};

static int fds[MANY + 1000];

/* What the test tells its host to do; it answers with a number. */
enum order {
    FILL = 1,  /* use up the descriptors: how many were left */
    SPILL,     /* give them back */
    COUNT,     /* how many there are */
    INHERITED, /* of those that are ours: how many an exec() would pass on */
    SPAWN,     /* run programs by posix_spawn(): the most descriptors that one of them was given */
    FORK,      /* the descriptors that are left in a forked child */
    STOP       /* health_stop(): what it returned */
};

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)arg;
    return health_explain(result, HEALTH_PASS, "fine");
}

/* Takes 100 ms. */
static enum health_status slow(struct health_result *result, void *arg)
{
    (void)arg;
    (void)poll(NULL, 0, 100);
    return health_explain(result, HEALTH_PASS, "fine");
}

/* Hangs until the other end of the pipe is closed. */
static enum health_status hung(struct health_result *result, void *arg)
{
    struct pollfd wait = {.fd = *(int *)arg, .events = POLLIN};

    (void)poll(&wait, 1, -1);
    return health_explain(result, HEALTH_PASS, "fine");
}

static int add(struct health *h, const char *name, health_check_fn *fn, void *arg, unsigned probes)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = name;
    check.fn = fn;
    check.arg = arg;
    check.probes = probes;
    check.timeout_ms = 60000;
    check.max_age_ms = 1;
    return health_add_check(h, &check);
}

/* ---- Very many ---- */

/* Opens clients that all wait for the slow check, and then reads their answers. */
static int ask_all_at_once(int port)
{
    static const char request[] = "GET /ready HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    struct client clients[20];
    struct response answer;
    size_t i;

    for (i = 0; i < sizeof(clients) / sizeof(*clients); i++) {
        PROCESS_CHECK(client_open(&clients[i], "127.0.0.1", port) == 0);
        PROCESS_CHECK(client_send(&clients[i], request, sizeof(request) - 1) == 0);
    }
    for (i = 0; i < sizeof(clients) / sizeof(*clients); i++) {
        PROCESS_CHECK(
            client_read(&clients[i], false, &answer, client_deadline(TIMEOUT_MS)) == CLIENT_OK);
        PROCESS_CHECK(answer.status == 200);
        response_free(&answer);
        client_close(&clients[i]);
    }
    return 0;
}

static int ask_everything(int port)
{
    static const char *const targets[] = {"/live", "/ready", "/startup", "/health", "/health/slow"};
    size_t i;

    for (i = 0; i < sizeof(targets) / sizeof(*targets); i++)
        PROCESS_CHECK(client_try_status(port, targets[i]) == 200);
    return ask_all_at_once(port);
}

/* Says how many it had open; what it does is checked in here. */
static int have_many(struct process *self, void *arg)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *before = NULL, *after = NULL;
    int want, filled, limit, none;

    (void)arg;
    options.listen = "127.0.0.1:0";
    limit = process_raise_descriptors(MANY + 1000);
    want = limit >= MANY + 1000 ? MANY : limit - 1000;
    PROCESS_CHECK(process_say(self, want));
    if (want < MANY / 10)
        return 0;
    none = process_descriptors(0);
    PROCESS_CHECK(health_new(&before, &options) == 0);
    PROCESS_CHECK(add(before, "slow", slow, NULL, HEALTH_READY) == 0);
    PROCESS_CHECK(health_start(before) == 0);
    PROCESS_CHECK(ask_everything(health_port(before)) == 0);

    filled = process_fill(fds, want);
    PROCESS_CHECK(filled == want);
    PROCESS_CHECK(ask_everything(health_port(before)) == 0);

    PROCESS_CHECK(health_new(&after, &options) == 0);
    PROCESS_CHECK(add(after, "slow", slow, NULL, HEALTH_READY) == 0);
    PROCESS_CHECK(health_start(after) == 0);
    PROCESS_CHECK(ask_everything(health_port(after)) == 0);
    PROCESS_CHECK(ask_everything(health_port(before)) == 0);

    /* Started again above all of the host's. */
    PROCESS_CHECK(health_stop(before, TIMEOUT_MS) == 0);
    PROCESS_CHECK(health_start(before) == 0);
    PROCESS_CHECK(ask_everything(health_port(before)) == 0);

    PROCESS_CHECK(health_stop(before, TIMEOUT_MS) == 0);
    PROCESS_CHECK(health_stop(after, TIMEOUT_MS) == 0);
    health_free(before);
    health_free(after);
    PROCESS_CHECK(process_descriptors(0) == none + filled);
    process_spill(fds, filled);
    return 0;
}

static void works_with_65000_open(void **state)
{
    int64_t count = 0;

    (void)state;
    assert_int_equal(process_start(&host, have_many, NULL), 0);
    assert_true(process_hear(&host, &count, TIMEOUT_MS));
    if (count < MANY)
        print_message(
            "ONLY %d of %d descriptors: RLIMIT_NOFILE allows no more here\n", (int)count, MANY);
    assert_int_equal(process_end(&host), 0);
    if (count < MANY / 10)
        skip();
}

/* ---- None left ---- */

/* How many of ours (those not in `known`) lack FD_CLOEXEC. */
static int inherited(const int *known, int known_count)
{
    int open[1024], count, i, k = 0, found = 0;

    count = process_list(open, 1024);
    for (i = 0; i < count; i++) {
        while (k < known_count && known[k] < open[i])
            k++;
        if ((k == known_count || known[k] != open[i]) &&
            (fcntl(open[i], F_GETFD) & FD_CLOEXEC) == 0)
            found++;
    }
    return count < 0 ? -1 : found;
}

/* Runs this program so many times by posix_spawn(), which calls no fork handlers.  Returns: the
 * most descriptors that one of them was given; -1 for an error. */
static int spawn_counters(int times)
{
    char argument[] = COUNT_ARGUMENT;
    char *const arguments[] = {program, argument, NULL};
    int status, most = 0;
    pid_t pid;

    for (; times > 0; times--) {
        if (posix_spawn(&pid, program, NULL, NULL, arguments, environ) != 0 ||
            waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
            return -1;
        if (WEXITSTATUS(status) > most)
            most = WEXITSTATUS(status);
    }
    return most;
}

static int fork_and_count(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(process_descriptors(0));
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

/* A host that does as it is told.  Says its port, the descriptors before the start, and how many a
 * spawned program was given then. */
static int obey(struct process *self, void *arg)
{
    struct rlimit limit;
    int known[1024], known_count, pipe_fds[2], filled = 0, result;
    int64_t order;

    (void)arg;
    PROCESS_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = FEW;
    PROCESS_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    PROCESS_CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
    known_count = process_list(known, 1024);
    PROCESS_CHECK(known_count > 0);
    PROCESS_CHECK(add(NULL, "quick", pass, NULL, HEALTH_READY | HEALTH_LIVE) == 0);
    PROCESS_CHECK(add(NULL, "hung", hung, &pipe_fds[0], HEALTH_ALL) == 0);
    PROCESS_CHECK(process_say(self, spawn_counters(1)));
    PROCESS_CHECK(health_serve(0) == 0);
    PROCESS_CHECK(process_say(self, health_port(NULL)));
    PROCESS_CHECK(process_say(self, known_count));

    while (process_hear(self, &order, 170000)) {
        result = 0;
        switch ((enum order)order) {
        case FILL:
            filled = process_fill(fds, FEW);
            result = filled;
            break;
        case SPILL:
            process_spill(fds, filled);
            filled = 0;
            break;
        case COUNT:
            result = process_descriptors(0);
            break;
        case INHERITED:
            result = inherited(known, known_count);
            break;
        case SPAWN:
            result = spawn_counters(process_is_slow() ? 5 : 50);
            break;
        case FORK:
            result = fork_and_count();
            break;
        case STOP:
            (void)close(pipe_fds[1]);
            (void)poll(NULL, 0, 50);
            result = health_stop(NULL, TIMEOUT_MS);
            break;
        }
        PROCESS_CHECK(process_say(self, result));
    }
    return 0;
}

/* What the host says when it has started. */
static int host_port, host_before, host_spawned;

static void start_host(void)
{
    int64_t spawned, port, before;

    assert_int_equal(process_start(&host, obey, NULL), 0);
    assert_true(process_hear(&host, &spawned, TIMEOUT_MS));
    assert_true(process_hear(&host, &port, TIMEOUT_MS));
    assert_true(process_hear(&host, &before, TIMEOUT_MS));
    host_spawned = (int)spawned;
    host_port = (int)port;
    host_before = (int)before;
    assert_in_range(host_spawned, 3, 100);
}

static int tell(enum order order)
{
    int64_t answer;

    if (!process_ask(&host, (int64_t)order, &answer, TIMEOUT_MS))
        fail_msg("the host does not answer order %d", (int)order);
    return (int)answer;
}

/* Valgrind has a limit of its own beside the kernel's: accept() fails at it, but takes and closes
 * the connection, and some other calls succeed. */
static void skip_if_slow(void)
{
    if (process_is_slow()) {
        print_message("not tested here: valgrind's descriptor limit is not the kernel's\n");
        skip();
    }
}

static int end_host(void **state)
{
    (void)state;
    (void)process_end(&host);
    return 0;
}

static void probe(const char *target)
{
    struct client_request request = {.port = host_port,
        .target = target,
        .headers = "User-Agent: kube-probe/1.31\r\n",
        .timeout_ms = process_is_slow() ? 10000 : 1000};
    struct response answer;

    client_ask(&request, &answer);
    assert_int_equal(answer.status, 200);
    response_free(&answer);
}

/* That the host uses no more than IDLE_PERCENT from `cpu_us` and `began_ms` on. */
static void assert_idle(const char *when, int64_t cpu_us, int64_t began_ms)
{
    int64_t used_us = process_cpu_us(host.pid) - cpu_us;
    int64_t wall_ms = client_now_ms() - began_ms;

    print_message("%s: %d µs of processor time in %d ms\n", when, (int)used_us, (int)wall_ms);
    if (!process_is_slow())
        assert_in_range(used_us, 0, wall_ms * 10 * IDLE_PERCENT);
}

static void answers_from_its_reserve(void **state)
{
    int64_t cpu_us, began_ms;
    int i, idle;

    (void)state;
    skip_if_slow();
    start_host();
    idle = tell(COUNT);
    assert_in_range(idle, host_before + 1, host_before + ROOM);
    probe("/live");
    probe("/ready");
    assert_true(process_wait_descriptors(host.pid, idle, client_deadline(5000)));
    assert_in_range(tell(FILL), 1, FEW);

    cpu_us = process_cpu_us(host.pid);
    began_ms = client_now_ms();
    for (i = 0; i < PROBES; i++) {
        probe("/live");
        (void)poll(NULL, 0, PROBE_MS);
    }
    for (i = 0; i < PROBES; i++) {
        probe("/ready");
        (void)poll(NULL, 0, PROBE_MS);
    }
    assert_idle("no descriptor left, probed", cpu_us, began_ms);

    (void)tell(SPILL);
    for (i = 0; i < PROBES; i++)
        probe("/live");
    assert_true(process_wait_descriptors(host.pid, idle, client_deadline(5000)));
    assert_int_equal(tell(STOP), 0);
    assert_int_equal(process_end(&host), 0);
}

/* More come than it has a reserve for: those that hold on to theirs make room, as at the limit of
 * connections, and nothing spins. */
static void does_not_spin(void **state)
{
    struct client clients[20];
    const size_t count = sizeof(clients) / sizeof(*clients);
    int64_t cpu_us, began_ms, deadline;
    int answered = 0, tries, idle;
    size_t i;

    (void)state;
    skip_if_slow();
    start_host();
    idle = tell(COUNT);
    probe("/live");
    assert_true(process_wait_descriptors(host.pid, idle, client_deadline(5000)));
    assert_in_range(tell(FILL), 1, FEW);
    for (i = 0; i < count; i++) {
        assert_int_equal(client_open(&clients[i], "127.0.0.1", host_port), 0);
        assert_int_equal(client_print(&clients[i], "GET /live HTTP/1.1\r\n"), 0);
    }
    cpu_us = process_cpu_us(host.pid);
    began_ms = client_now_ms();
    for (tries = 0; tries < PROBES; tries++) {
        struct client_request request = {.port = host_port, .target = "/live", .timeout_ms = 1000};
        struct response answer;

        if (client_try(&request, &answer) == CLIENT_OK) {
            answered++;
            response_free(&answer);
        }
        (void)poll(NULL, 0, PROBE_MS);
    }
    assert_idle("no descriptor left, 20 hold on to theirs", cpu_us, began_ms);
    print_message("meanwhile %d of %d probes were answered\n", answered, tries);
    if (!process_is_slow())
        assert_int_equal(answered, tries);

    for (i = 0; i < count; i++)
        client_close(&clients[i]);
    deadline = client_deadline(5000);
    while (client_try_status(host_port, "/live") != 200 && client_now_ms() < deadline)
        (void)poll(NULL, 0, 10);
    for (i = 0; i < PROBES; i++)
        probe("/live");
    (void)tell(SPILL);
    probe("/live");
    assert_true(process_wait_descriptors(host.pid, idle, client_deadline(5000)));
    assert_int_equal(tell(STOP), 0);
    assert_int_equal(process_end(&host), 0);
}

/* ---- Too few to start ---- */

/* With `room` descriptors left: the start fails as documented and leaks nothing, or works.
 * Returns: 0; 1 for a failed check; -1 if it works. */
static int start_with(int room)
{
    struct rlimit limit;
    int filled, result, cause, none, threads;

    none = process_descriptors(0);
    threads = process_threads(0);
    PROCESS_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    filled = process_fill(fds, FEW);
    PROCESS_CHECK(filled > room);
    process_spill(fds + filled - room, room);
    filled -= room;

    errno = 0;
    result = health_serve(0);
    cause = errno;
    if (result != 0) {
        PROCESS_CHECK(result == HEALTH_ESYSTEM || result == HEALTH_ELISTEN);
        PROCESS_CHECK(cause == EMFILE);
        PROCESS_CHECK(health_last_error()[0] != '\0');
        PROCESS_CHECK(health_port(NULL) == HEALTH_ESTOPPED);
        /* As many are left as before. */
        PROCESS_CHECK(process_fill(fds + filled, FEW) == room);
        process_spill(fds + filled, room);
    }
    process_spill(fds, filled);
    if (result == 0) {
        PROCESS_CHECK(client_try_status(health_port(NULL), "/ready") == 200);
        PROCESS_CHECK(health_stop(NULL, TIMEOUT_MS) == 0);
    }
    PROCESS_CHECK(process_descriptors(0) == none);
    PROCESS_CHECK(process_wait_threads(0, threads, client_deadline(5000)));
    return result == 0 ? -1 : 0;
}

static void *do_nothing(void *arg)
{
    return arg;
}

static int start_poorly(struct process *self, void *arg)
{
    struct rlimit limit;
    pthread_t thread;
    int room, result = 0;

    (void)arg;
    /* ThreadSanitizer has a thread of its own from the first of others on. */
    PROCESS_CHECK(pthread_create(&thread, NULL, do_nothing, NULL) == 0);
    PROCESS_CHECK(pthread_join(thread, NULL) == 0);
    PROCESS_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = FEW;
    PROCESS_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    PROCESS_CHECK(add(NULL, "quick", pass, NULL, HEALTH_READY) == 0);
    for (room = 0; room < ROOM && result == 0; room++)
        result = start_with(room);
    PROCESS_CHECK(result == -1);
    PROCESS_CHECK(process_say(self, room - 1));

    /* And again, with all that it wants. */
    PROCESS_CHECK(health_serve(0) == 0);
    PROCESS_CHECK(client_try_status(health_port(NULL), "/ready") == 200);
    PROCESS_CHECK(health_stop(NULL, TIMEOUT_MS) == 0);
    return 0;
}

static void says_when_there_are_too_few_to_start(void **state)
{
    int64_t needed = 0;
    bool said;

    (void)state;
    skip_if_slow();
    assert_int_equal(process_start(&host, start_poorly, NULL), 0);
    said = process_hear(&host, &needed, 120000);
    assert_int_equal(process_end(&host), 0);
    assert_true(said);
    print_message("it starts with %d descriptors and no fewer\n", (int)needed);
    assert_in_range(needed, 1, ROOM);
}

/* ---- None of ours is anyone else's ---- */

static void none_is_inherited(void **state)
{
    static const char waits[] = "GET /health HTTP/1.1\r\nHost: test\r\n\r\n";
    static const char stays[] = "GET /live HTTP/1.1\r\nHost: test\r\n\r\n";
    struct client waiting[3], staying[3];
    struct response answer;
    int64_t given, order = SPAWN;
    int running, asked = 0;
    size_t i;

    (void)state;
    start_host();
    probe("/ready");
    for (i = 0; i < 3; i++) {
        assert_int_equal(client_open(&staying[i], "127.0.0.1", host_port), 0);
        assert_int_equal(client_send(&staying[i], stays, sizeof(stays) - 1), 0);
        assert_int_equal(
            client_read(&staying[i], false, &answer, client_deadline(TIMEOUT_MS)), CLIENT_OK);
        response_free(&answer);
        assert_int_equal(client_open(&waiting[i], "127.0.0.1", host_port), 0);
        assert_int_equal(client_send(&waiting[i], waits, sizeof(waits) - 1), 0);
    }
    running = tell(COUNT);
    print_message("%d descriptors of ours, with 6 connections\n", running - host_before);
    assert_in_range(running - host_before, 4, ROOM);
    assert_int_equal(tell(INHERITED), 0);
    assert_int_equal(tell(FORK), host_before + OF_MHD);

    /* While connections come and go. */
    assert_true(process_say(&host, order));
    while (!process_hear(&host, &given, 0)) {
        assert_int_equal(client_status(host_port, "/live"), 200);
        asked++;
    }
    print_message("%d connections while programs were spawned\n", asked);
    assert_int_equal(given, host_spawned);

    for (i = 0; i < 3; i++) {
        client_close(&staying[i]);
        client_close(&waiting[i]);
    }
    assert_int_equal(tell(STOP), 0);
    /* One of the host's was the pipe's, which is closed by now. */
    assert_int_equal(tell(COUNT), host_before - 1);
    assert_int_equal(process_end(&host), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(works_with_65000_open, end_host),
        cmocka_unit_test_teardown(answers_from_its_reserve, end_host),
        cmocka_unit_test_teardown(does_not_spin, end_host),
        cmocka_unit_test_teardown(says_when_there_are_too_few_to_start, end_host),
        cmocka_unit_test_teardown(none_is_inherited, end_host),
    };

    program = argv[0];
    if (argc == 2 && strcmp(argv[1], COUNT_ARGUMENT) == 0)
        return process_descriptors(0);
    return cmocka_run_group_tests_name("descriptors", tests, NULL, NULL);
}
