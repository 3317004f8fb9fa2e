/*
 * A process that was stopped, by a signal or by a cgroup's freezer, does not fail everything when
 * it wakes for the time that it slept: not what is heard of, not what comes at intervals, not what
 * is running.  What is really dead is told as such when it would have been, counted from the wake.
 *
 * The service is a child process; whoever asks is the test.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* serial */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "document.h"
#include "process.h"

#define TIMEOUT_MS 20000
#define AGE_MS     (process_is_slow() ? 4000 : 1000) /* of beats, of reports; the timeout */
#define SLEEP_MS   (AGE_MS * 3 / 2)                  /* longer than anything may be old */
#define PAUSE_MS   20                                /* between signs of life */

/* ---- The service ---- */

static atomic_bool dead;      /* no more signs of life */
static atomic_bool suspended; /* the periodic check does not return */
static atomic_bool let_go;    /* the long one may */

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    while (atomic_load(&suspended) && !atomic_load(&let_go))
        (void)poll(NULL, 0, PAUSE_MS);
    return HEALTH_PASS;
}

static enum health_status take_long(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    while (!atomic_load(&let_go))
        (void)poll(NULL, 0, PAUSE_MS);
    return HEALTH_PASS;
}

static void *live(void *beat)
{
    while (!atomic_load(&let_go)) {
        if (!atomic_load(&dead)) {
            health_beat(beat);
            (void)health_report(NULL, "queue", HEALTH_PASS, NULL);
        }
        (void)poll(NULL, 0, PAUSE_MS);
    }
    return NULL;
}

static int add_all(struct health_heartbeat **ret_beat)
{
    struct health_check check = HEALTH_CHECK_INIT;

    PROCESS_CHECK(health_add_heartbeat(NULL, "loop", (unsigned)AGE_MS, 0, ret_beat) == 0);
    check.name = "queue";
    check.max_age_ms = (unsigned)AGE_MS;
    PROCESS_CHECK(health_add_check(NULL, &check) == 0);
    PROCESS_CHECK(health_report(NULL, "queue", HEALTH_PASS, NULL) == 0);
    check = (struct health_check)HEALTH_CHECK_INIT;
    check.name = "periodic";
    check.fn = pass;
    check.interval_ms = 100;
    check.timeout_ms = (unsigned)AGE_MS;
    PROCESS_CHECK(health_add_check(NULL, &check) == 0);
    check.name = "long";
    check.fn = take_long;
    check.interval_ms = 0;
    check.probes = HEALTH_ALL;
    PROCESS_CHECK(health_add_check(NULL, &check) == 0);
    return 0;
}

/* What the test tells the service. */
enum order {
    DIE = 1, /* no more signs of life */
    REVIVE,
    SUSPEND /* the periodic check does not return any more */
};

static void ignore_change(const struct health_change *change, void *arg)
{
    (void)change;
    (void)arg;
}

static int serve(struct process *self, void *arg)
{
    bool observed = *(bool *)arg; /* changes are told of */
    struct health_heartbeat *beat = NULL;
    pthread_t thread;
    int64_t order;

    PROCESS_CHECK(add_all(&beat) == 0);
    if (observed)
        PROCESS_CHECK(health_on_change(NULL, ignore_change, NULL) == 0);
    PROCESS_CHECK(health_serve(0) == 0);
    PROCESS_CHECK(pthread_create(&thread, NULL, live, beat) == 0);
    PROCESS_CHECK(process_say(self, health_port(NULL)));
    while (process_hear(self, &order, 60000)) {
        atomic_store(&dead, order == DIE || order == SUSPEND);
        atomic_store(&suspended, order == SUSPEND);
        (void)poll(NULL, 0, 2 * PAUSE_MS); /* a last sign may be on its way */
        PROCESS_CHECK(process_say(self, order));
    }
    atomic_store(&let_go, true);
    PROCESS_CHECK(pthread_join(thread, NULL) == 0);
    PROCESS_CHECK(health_stop(NULL, TIMEOUT_MS) == 0);
    return 0;
}

/* ---- The freezer ---- */

static void stop_process(pid_t pid)
{
    assert_int_equal(kill(pid, SIGSTOP), 0);
}

static void continue_process(pid_t pid)
{
    assert_int_equal(kill(pid, SIGCONT), 0);
}

/* A cgroup of version 1 or 2, and what freezes it. */
static char group[128], freezer[192], group_procs[192];
static const char *frozen, *thawed;

static bool write_to(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        (void)close(fd);
    return done;
}

static bool try_group(const char *root, const char *file, const char *freeze, const char *thaw)
{
    (void)snprintf(group, sizeof(group), "%s/libhealth-test-%d", root, (int)getpid());
    (void)snprintf(freezer, sizeof(freezer), "%s/%s", group, file);
    (void)snprintf(group_procs, sizeof(group_procs), "%s/cgroup.procs", group);
    frozen = freeze;
    thawed = thaw;
    if (mkdir(group, 0755) != 0)
        return false;
    if (access(freezer, W_OK) == 0 && access(group_procs, W_OK) == 0)
        return true;
    (void)rmdir(group);
    return false;
}

static bool open_group(void)
{
    return try_group("/sys/fs/cgroup/freezer", "freezer.state", "FROZEN", "THAWED") ||
           try_group("/sys/fs/cgroup", "cgroup.freeze", "1", "0") ||
           try_group("/sys/fs/cgroup/unified", "cgroup.freeze", "1", "0");
}

static void freeze_group(pid_t pid)
{
    (void)pid;
    assert_true(write_to(freezer, frozen));
}

static void thaw_group(pid_t pid)
{
    (void)pid;
    assert_true(write_to(freezer, thawed));
}

static void close_group(void)
{
    int64_t deadline = client_deadline(TIMEOUT_MS);

    while (rmdir(group) != 0 && errno == EBUSY && client_now_ms() < deadline)
        (void)poll(NULL, 0, 5);
}

/* ---- The tests ---- */

struct way {
    void (*freeze)(pid_t pid);
    void (*thaw)(pid_t pid);
};

static struct process service = {.pid = -1, .fd = -1};
static int port;

static void start_as(bool observed)
{
    int64_t said = 0;

    assert_int_equal(process_start(&service, serve, &observed), 0);
    assert_true(process_hear(&service, &said, TIMEOUT_MS));
    port = (int)said;
    document_free(asking_until(port, "/health/periodic", "periodic", "pass", LONG_MS));
}

static void start(void)
{
    start_as(false);
}

static int end(void **state)
{
    (void)state;
    if (service.pid > 0) {
        (void)kill(service.pid, SIGCONT);
        (void)kill(service.pid, SIGKILL);
        (void)process_end(&service);
    }
    return 0;
}

static void end_well(void)
{
    assert_int_equal(process_end(&service), 0);
}

static void tell(enum order order)
{
    int64_t done = 0;

    assert_true(process_ask(&service, (int64_t)order, &done, TIMEOUT_MS));
    assert_int_equal(done, order);
}

/* Everything is asked about at once. */
static void assert_passes(const char *target)
{
    struct response r;

    client_get(port, target, &r);
    if (r.status != 200)
        fail_msg("%s: %s", target, r.body);
    response_free(&r);
}

static const char *const targets[] = {
    "/live", "/ready", "/health/loop", "/health/queue", "/health/periodic"};

/* No sign of life is given after the wake, and nothing fails at once; then all does, not before its
 * age. */
static void dies_in_its_sleep(const struct way *way, enum order order)
{
    int64_t awake_at;
    size_t i;

    tell(order);
    way->freeze(service.pid);
    asking_pause(SLEEP_MS);
    awake_at = client_now_ms();
    way->thaw(service.pid);
    for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        assert_passes(targets[i]);

    document_free(asking_until(port, "/health/loop", "loop", "fail", AGE_MS + LONG_MS));
    assert_between(client_now_ms() - awake_at, AGE_MS - 50, AGE_MS + 3 * SLACK_MS);
    document_free(asking_until(port, "/health/queue", "queue", "fail", SLACK_MS));
    assert_int_equal(client_status(port, "/live"), 503);
    tell(REVIVE);
    document_free(asking_until(port, "/health/loop", "loop", "pass", LONG_MS));
    document_free(asking_until(port, "/health/queue", "queue", "pass", LONG_MS));
}

static const struct way by_signal = {stop_process, continue_process};

static void nothing_fails_for_the_time_it_was_stopped(void **state)
{
    (void)state;
    start();
    dies_in_its_sleep(&by_signal, DIE);
    end_well();
}

static void nor_while_changes_are_told(void **state)
{
    (void)state;
    start_as(true);
    dies_in_its_sleep(&by_signal, DIE);
    end_well();
}

/* Asked while it is stopped: the answer is the first thing that it has to do. */
static void who_asks_meanwhile_is_told_the_same(void **state)
{
    struct client c[5];
    size_t i;
    int round;

    (void)state;
    start();
    for (round = 0; round < 2; round++) {
        tell(DIE);
        stop_process(service.pid);
        asking_pause(SLEEP_MS / 2);
        for (i = 0; i < 5; i++)
            asking_begin(&c[i], port, targets[i]);
        asking_pause(SLEEP_MS / 2);
        continue_process(service.pid);
        for (i = 0; i < 5; i++)
            assert_int_equal(asking_end(&c[i], TIMEOUT_MS, NULL), 200);
        tell(REVIVE);
    }
    end_well();
}

/* Stopped in the middle of answering: it is not asleep then, but has something to do in time that
 * is late then. */
static atomic_bool over;
static atomic_int failed;

static void *ask_on(void *arg)
{
    int code;

    (void)arg;
    while (!atomic_load(&over)) {
        code = client_try_status(port, "/health/loop");
        if (code == 503)
            atomic_fetch_add(&failed, 1);
    }
    return NULL;
}

static void nothing_fails_when_it_was_stopped_under_load(void **state)
{
    pthread_t threads[3];
    int i, round;

    (void)state;
    start();
    for (round = 0; round < (process_is_slow() ? 2 : 3); round++) {
        atomic_store(&over, false);
        atomic_store(&failed, 0);
        for (i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, ask_on, NULL), 0);
        asking_pause(50);
        tell(DIE);
        stop_process(service.pid);
        asking_pause(SLEEP_MS);
        continue_process(service.pid);
        asking_pause(AGE_MS / 2);
        atomic_store(&over, true);
        for (i = 0; i < 3; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(atomic_load(&failed), 0);
        tell(REVIVE);
        document_free(asking_until(port, "/health/loop", "loop", "pass", LONG_MS));
    }
    end_well();
}

/* A run in progress has its whole timeout again. */
static void a_run_in_progress_has_its_time_again(void **state)
{
    int64_t awake_at;
    struct client c;
    json_t *doc;

    (void)state;
    start();
    asking_begin(&c, port, "/health/long");
    asking_pause(AGE_MS / 4);
    client_close(&c);
    stop_process(service.pid);
    asking_pause(SLEEP_MS);
    awake_at = client_now_ms();
    continue_process(service.pid);

    /* Whoever asks waits for it: it is not overdue, and has no result.  It becomes so in time. */
    asking_begin(&c, port, "/health/long");
    assert_int_equal(asking_end(&c, TIMEOUT_MS, &doc), 503);
    assert_true(client_now_ms() - awake_at >= 700);
    assert_check(doc, "long", "fail", "no result yet");
    document_free(doc);
    for (;;) {
        doc = document_get(port, "/health/long", 503);
        if (strncmp(document_output(doc, "long"), "no answer since ", 16) == 0)
            break;
        document_free(doc);
        assert_true(client_now_ms() - awake_at < AGE_MS + LONG_MS);
        asking_pause(5);
    }
    document_free(doc);
    assert_between(client_now_ms() - awake_at, AGE_MS - 50, AGE_MS + 3 * SLACK_MS);
    end_well();
}

/* The same of a periodic one, whose last result is old by then. */
static void a_periodic_check_that_hangs_fails_in_time(void **state)
{
    int64_t awake_at;

    (void)state;
    start();
    tell(SUSPEND);
    asking_pause(100);
    stop_process(service.pid);
    asking_pause(SLEEP_MS);
    awake_at = client_now_ms();
    continue_process(service.pid);
    assert_passes("/health/periodic");
    assert_passes("/ready");
    document_free(asking_until(port, "/health/periodic", "periodic", "fail", AGE_MS + LONG_MS));
    assert_between(client_now_ms() - awake_at, AGE_MS - 50, AGE_MS + 3 * SLACK_MS);
    tell(REVIVE);
    document_free(asking_until(port, "/health/periodic", "periodic", "pass", LONG_MS));
    end_well();
}

/* What had failed before is no better for having slept. */
static void what_had_failed_before_still_fails(void **state)
{
    (void)state;
    start();
    tell(DIE);
    document_free(asking_until(port, "/health/loop", "loop", "fail", AGE_MS + LONG_MS));
    document_free(asking_until(port, "/health/queue", "queue", "fail", LONG_MS));
    stop_process(service.pid);
    asking_pause(AGE_MS);
    continue_process(service.pid);
    assert_int_equal(client_status(port, "/live"), 503);
    assert_int_equal(client_status(port, "/health/loop"), 503);
    assert_int_equal(client_status(port, "/health/queue"), 503);
    tell(REVIVE);
    document_free(asking_until(port, "/health/loop", "loop", "pass", LONG_MS));
    end_well();
}

static void the_same_in_a_cgroups_freezer(void **state)
{
    static const struct way by_group = {freeze_group, thaw_group};
    char pid[16];

    (void)state;
    if (!open_group()) {
        print_message("NOT TESTED: no cgroup can be made here, or it has no freezer\n");
        skip();
    }
    start();
    (void)snprintf(pid, sizeof(pid), "%d", (int)service.pid);
    if (!write_to(group_procs, pid)) {
        print_message("NOT TESTED: a process cannot be moved to another cgroup here\n");
        end_well();
        close_group();
        skip();
    }
    dies_in_its_sleep(&by_group, DIE);
    end_well();
    close_group();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_fails_for_the_time_it_was_stopped, end),
        cmocka_unit_test_teardown(nor_while_changes_are_told, end),
        cmocka_unit_test_teardown(who_asks_meanwhile_is_told_the_same, end),
        cmocka_unit_test_teardown(nothing_fails_when_it_was_stopped_under_load, end),
        cmocka_unit_test_teardown(a_run_in_progress_has_its_time_again, end),
        cmocka_unit_test_teardown(a_periodic_check_that_hangs_fails_in_time, end),
        cmocka_unit_test_teardown(what_had_failed_before_still_fails, end),
        cmocka_unit_test_teardown(the_same_in_a_cgroups_freezer, end),
    };

    return cmocka_run_group_tests_name("guest_frozen", tests, NULL, NULL);
}
