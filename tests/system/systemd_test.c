/*
 * systemd is told, by the protocol of sd_notify(3), what it has to know of a unit, when it is asked
 * for, and nothing otherwise.
 *
 * The receiver is a datagram socket as systemd's own is; datagrams are taken apart by hand.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "process.h"
#include "puppet.h"
#include "refused.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How often READY=1 is tried, at the least. */
#define ASK_MS 500

/* ---- The receiver ---- */

struct manager {
    int fd;
    char directory[64]; /* "": an abstract name */
    char address[108];  /* as in NOTIFY_SOCKET */
};

static void bind_to(struct manager *m, const char *address)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t length = strlen(address);

    assert_true(length < sizeof(a.sun_path));
    memcpy(a.sun_path, address, length);
    if (address[0] == '@')
        a.sun_path[0] = '\0';
    m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(m->fd >= 0);
    assert_int_equal(bind(m->fd, (struct sockaddr *)&a,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
        0);
    (void)snprintf(m->address, sizeof(m->address), "%s", address);
    assert_int_equal(setenv("NOTIFY_SOCKET", address, 1), 0);
}

static void open_manager(struct manager *m, bool abstract)
{
    static unsigned count;
    char address[108];

    m->directory[0] = '\0';
    if (abstract) {
        (void)snprintf(address, sizeof(address), "@libhealth/test/%d/%u", (int)getpid(), count++);
    } else {
        (void)snprintf(m->directory, sizeof(m->directory), "/tmp/libhealth-systemd-XXXXXX");
        assert_non_null(mkdtemp(m->directory));
        (void)snprintf(address, sizeof(address), "%s/notify", m->directory);
    }
    bind_to(m, address);
}

static void forget_environment(void)
{
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

static void close_manager(struct manager *m)
{
    (void)close(m->fd);
    if (m->directory[0] != '\0') {
        (void)unlink(m->address);
        (void)rmdir(m->directory);
    }
    forget_environment();
}

/* The next datagram, which must be one assignment in one line; NULL if none comes in time. */
static const char *receive(struct manager *m, int timeout_ms)
{
    static char line[8192];
    struct pollfd wait = {.fd = m->fd, .events = POLLIN};
    ssize_t length;

    if (poll(&wait, 1, timeout_ms) != 1)
        return NULL;
    length = recv(m->fd, line, sizeof(line) - 1, 0);
    assert_true(length > 0 && length < 4096); /* systemd takes no more */
    line[length] = '\0';
    assert_int_equal(strlen(line), length);
    assert_null(strchr(line, '\n'));
    if (strncmp(line, "STATUS=", 7) != 0 && strcmp(line, "READY=1") != 0 &&
        strcmp(line, "WATCHDOG=1") != 0 && strcmp(line, "STOPPING=1") != 0)
        fail_msg("\"%s\" is nothing that systemd is to be told", line);
    return line;
}

/* What has come until now. */
struct told_of {
    int ready, statuses, watchdogs, stoppings;
    char status[4096]; /* the last */
};

static void note(struct told_of *t, const char *line)
{
    /* fail_msg() of who has no line does not return.
     * NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
    t->ready += strcmp(line, "READY=1") == 0;
    t->watchdogs += strcmp(line, "WATCHDOG=1") == 0;
    t->stoppings += strcmp(line, "STOPPING=1") == 0;
    if (strncmp(line, "STATUS=", 7) != 0)
        return;
    /* What is unchanged is not told again. */
    if (t->statuses > 0)
        assert_string_not_equal(t->status, line + 7);
    t->statuses++;
    (void)snprintf(t->status, sizeof(t->status), "%s", line + 7);
}

/* Receives until this line has come. */
static void wait_line(struct manager *m, struct told_of *t, const char *awaited)
{
    int64_t deadline = client_deadline(LONG_MS);
    const char *line;

    do {
        line = receive(m, (int)(deadline - client_now_ms()));
        if (line == NULL)
            fail_msg("\"%s\" has not come; the last status is \"%s\"", awaited, t->status);
        note(t, line);
    } while (strcmp(line, awaited) != 0);
}

/* Receives for so long. */
static void listen_for(struct manager *m, struct told_of *t, int ms)
{
    int64_t deadline = client_deadline(ms);
    const char *line;

    while (client_now_ms() < deadline) {
        line = receive(m, (int)(deadline - client_now_ms()));
        if (line != NULL)
            note(t, line);
    }
}

/* ---- The service ---- */

/* Made, not started: nobody can ask it. */
static struct health *make(void)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;

    options.systemd = 1;
    options.response_ms = 200;
    assert_accepted(health_new(&h, &options));
    return h;
}

static void add(
    struct health *h, struct puppet *p, const char *name, unsigned probes, unsigned timeout_ms)
{
    struct health_check check;

    puppet_init(p);
    check = puppet_check(p, name);
    check.probes = probes;
    check.timeout_ms = timeout_ms;
    check.max_age_ms = 1;
    assert_accepted(health_add_check(h, &check));
}

static void report(struct health *h, const char *name, enum health_status s, const char *reason)
{
    assert_accepted(health_report(h, name, s, reason != NULL ? "%s" : NULL, reason));
}

/* ---- READY=1 ---- */

/* Nobody but the loop asks the check. */
static void become_ready(bool abstract)
{
    static struct puppet p;
    struct told_of t = {0};
    struct manager m;
    struct health *h;
    unsigned asked;

    open_manager(&m, abstract);
    h = make();
    add(h, &p, "db", 0, 60000);
    puppet_says(&p, HEALTH_FAIL, "not there yet");
    assert_accepted(health_start(h));
    wait_line(&m, &t, "STATUS=not ready: db: not there yet");
    listen_for(&m, &t, 2 * ASK_MS);
    assert_int_equal(t.ready, 0);
    assert_true(puppet_begun(&p) >= 2);
    puppet_says(&p, HEALTH_WARN, "slow");
    wait_line(&m, &t, "READY=1");
    if (strcmp(t.status, "ready: db: slow") != 0)
        wait_line(&m, &t, "STATUS=ready: db: slow");

    /* Once, and from then on nobody need be asked. */
    asked = puppet_begun(&p);
    health_set_ready(h, false);
    wait_line(&m, &t, "STATUS=not ready: not ready");
    health_set_ready(h, true);
    wait_line(&m, &t, "STATUS=ready: db: slow");
    listen_for(&m, &t, ASK_MS + 200);
    assert_int_equal(puppet_begun(&p), asked);
    assert_int_equal(t.ready, 1);
    assert_int_equal(t.watchdogs + t.stoppings, 0);
    service_end(h);
    listen_for(&m, &t, 50);
    assert_int_equal(t.ready, 1);
    close_manager(&m);
}

static void ready_is_told_once_at_a_path(void **state)
{
    (void)state;
    become_ready(false);
}

static void ready_is_told_once_at_an_abstract_name(void **state)
{
    (void)state;
    become_ready(true);
}

static void ready_is_what_the_probe_says(void **state)
{
    struct told_of t = {0};
    struct manager m;
    struct health *h;

    (void)state;
    open_manager(&m, true);
    h = make();
    health_set_started(h, false);
    health_set_ready(h, false);
    service_add_pushed(h, "boot", HEALTH_STARTUP);
    service_add_pushed(h, "queue", HEALTH_READY);
    assert_accepted(health_start(h));
    wait_line(&m, &t, "STATUS=not ready: not started");
    report(h, "queue", HEALTH_PASS, NULL);
    report(h, "boot", HEALTH_PASS, NULL);
    listen_for(&m, &t, 100);
    health_set_started(h, true);
    wait_line(&m, &t, "STATUS=not ready: not ready");
    assert_int_equal(t.ready, 0);
    health_set_ready(h, true);
    wait_line(&m, &t, "READY=1");
    service_end(h);
    close_manager(&m);
}

/* Each start is another READY=1: of another unit, for all that we know. */
static void each_start_tells_anew(void **state)
{
    struct told_of t = {0};
    struct manager m;
    struct health *h;
    int i;

    (void)state;
    open_manager(&m, true);
    h = make();
    for (i = 1; i <= 3; i++) {
        t.statuses = 0;
        assert_accepted(health_start(h));
        while (t.ready < i || t.statuses == 0)
            note(&t, receive(&m, LONG_MS));
        assert_string_equal(t.status, "ready");
        assert_accepted(health_stop(h, LONG_MS));
        listen_for(&m, &t, 20);
        assert_int_equal(t.ready, i);
    }
    health_free(h);
    close_manager(&m);
}

/* ---- STATUS= ---- */

static void the_status_names_what_fails(void **state)
{
    struct told_of t = {0};
    struct manager m;
    struct health *h;
    int i;

    (void)state;
    open_manager(&m, true);
    h = make();
    service_add_pushed(h, "queue", HEALTH_READY);
    service_add_pushed(h, "loop", HEALTH_LIVE);
    service_add_pushed(h, "else", HEALTH_ALL);
    assert_accepted(health_start(h));
    wait_line(&m, &t, "STATUS=not ready: queue: no result yet");
    report(h, "queue", HEALTH_PASS, NULL);
    wait_line(&m, &t, "STATUS=ready");
    report(h, "queue", HEALTH_FAIL, NULL);
    wait_line(&m, &t, "STATUS=not ready: queue");
    report(h, "queue", HEALTH_WARN, "filling");
    wait_line(&m, &t, "STATUS=ready: queue: filling");

    /* One line, of UTF-8: systemd takes no other. */
    report(h, "queue", HEALTH_FAIL, "a\nREADY=1\r\tb\x01 \xff");
    wait_line(&m, &t, "STATUS=not ready: queue: a READY=1  b  \xef\xbf\xbd");

    /* What would have the process restarted comes first. */
    report(h, "loop", HEALTH_FAIL, "stuck");
    wait_line(&m, &t, "STATUS=not alive: loop: stuck");
    report(h, "loop", HEALTH_PASS, NULL);
    wait_line(&m, &t, "STATUS=not ready: queue: a READY=1  b  \xef\xbf\xbd");

    /* What does not show is not told. */
    for (i = 0; i < 20; i++) {
        report(h, "queue", HEALTH_FAIL, "a\nREADY=1\r\tb\x01 \xff");
        report(h, "else", (enum health_status)(i % 3), "whatever");
        asking_pause(2);
    }
    i = t.statuses;
    listen_for(&m, &t, 100);
    assert_int_equal(t.statuses, i);
    service_end(h);
    close_manager(&m);
}

static void a_long_status_is_told_whole(void **state)
{
    char name[HEALTH_NAME_MAX_BYTES + 1], reason[HEALTH_REASON_MAX_BYTES + 1], line[4096];
    struct told_of t = {0};
    struct manager m;
    struct health *h;

    (void)state;
    memset(name, 0xff, sizeof(name) - 1);
    memset(reason, 0xfe, sizeof(reason) - 1);
    name[sizeof(name) - 1] = reason[sizeof(reason) - 1] = '\0';
    open_manager(&m, true);
    h = make();
    service_add_pushed(h, name, 0);
    assert_accepted(health_start(h));
    report(h, name, HEALTH_FAIL, reason);
    do {
        (void)snprintf(line, sizeof(line), "%s", receive(&m, LONG_MS));
        note(&t, line);
    } while (strstr(line, "no result yet") != NULL);
    assert_int_equal(strlen(line), 7 + 11 + 3 * (sizeof(name) - 1) + 2 + 3 * (sizeof(reason) - 1));
    service_end(h);
    close_manager(&m);
}

/* ---- WATCHDOG=1 ---- */

#define WATCHDOG_MS 200

static void set_watchdog(const char *usec, const char *pid)
{
    assert_int_equal(setenv("WATCHDOG_USEC", usec, 1), 0);
    if (pid != NULL)
        assert_int_equal(setenv("WATCHDOG_PID", pid, 1), 0);
}

/* Twice in the time, as near as a busy machine comes to it. */
static void assert_fed(struct manager *m, struct told_of *t)
{
    int64_t begin = client_now_ms();
    int before = t->watchdogs, most;

    while (t->watchdogs < before + 6) {
        const char *line = receive(m, LONG_MS);

        assert_non_null(line);
        note(t, line);
    }
    assert_true(client_now_ms() - begin >= 4 * WATCHDOG_MS / 2);
    before = t->watchdogs;
    begin = client_now_ms();
    listen_for(m, t, 3 * WATCHDOG_MS);
    most = (int)((client_now_ms() - begin) * 2 / WATCHDOG_MS) + 2;
    assert_between(t->watchdogs - before, 1, most);
}

static void assert_not_fed(struct manager *m, struct told_of *t)
{
    int before;

    /* One that was on its way. */
    listen_for(m, t, 20);
    before = t->watchdogs;
    listen_for(m, t, 2 * WATCHDOG_MS);
    assert_int_equal(t->watchdogs, before);
}

static void the_watchdog_is_fed_while_live_passes(void **state)
{
    struct told_of t = {0};
    struct manager m;
    struct health *h;
    char pid[16];
    int i;

    (void)state;
    open_manager(&m, true);
    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    set_watchdog("200000", pid);
    h = make();
    service_add_pushed(h, "loop", HEALTH_LIVE);
    service_add_pushed(h, "queue", HEALTH_READY);
    assert_accepted(health_start(h));
    /* Whether it is ready does not matter; nor do the gates, nor a warning. */
    assert_fed(&m, &t);
    assert_int_equal(t.ready, 0);
    for (i = 0; i < 2; i++) {
        report(h, "loop", HEALTH_FAIL, "stuck");
        wait_line(&m, &t, "STATUS=not alive: loop: stuck");
        assert_not_fed(&m, &t);
        report(h, "loop", HEALTH_WARN, "slow");
        assert_fed(&m, &t);
    }
    health_drain(h);
    assert_fed(&m, &t);
    assert_int_equal(t.stoppings, 1);
    service_end(h);
    close_manager(&m);
}

static void a_hung_check_starves_it(void **state)
{
    static struct puppet p;
    struct told_of t = {0};
    struct manager m;
    struct health *h;

    (void)state;
    open_manager(&m, false);
    set_watchdog("200000", NULL);
    h = make();
    add(h, &p, "loop", HEALTH_LIVE, 300);
    assert_accepted(health_start(h));
    assert_fed(&m, &t);
    puppet_hold(&p);
    while (strncmp(t.status, "not alive: loop: no answer since ", 33) != 0)
        note(&t, receive(&m, LONG_MS));
    assert_not_fed(&m, &t);
    puppet_let_go(&p);
    assert_fed(&m, &t);
    assert_int_equal(puppet_most(&p), 1);
    service_end(h);
    close_manager(&m);
}

static void a_missed_beat_starves_it(void **state)
{
    struct health_heartbeat *beat;
    struct told_of t = {0};
    struct manager m;
    struct health *h;

    (void)state;
    open_manager(&m, true);
    set_watchdog("200000", NULL);
    h = make();
    assert_accepted(health_add_heartbeat(h, "loop", 100, 0, &beat));
    assert_accepted(health_start(h));
    while (strncmp(t.status, "not alive: loop: no beat since ", 31) != 0)
        note(&t, receive(&m, LONG_MS));
    assert_not_fed(&m, &t);
    health_idle(beat);
    assert_fed(&m, &t);
    service_end(h);
    close_manager(&m);
}

static void the_watchdog_of_others_is_left_alone(void **state)
{
    static const struct {
        const char *usec, *pid;
    } others[] = {
        {"200000", "1"},
        {"200000", ""},
        {"200000", "me"},
        {"0", NULL},
        {"", NULL},
        {"soon", NULL},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(others); i++) {
        struct told_of t = {0};
        struct manager m;
        struct health *h;

        open_manager(&m, true);
        set_watchdog(others[i].usec, others[i].pid);
        h = make();
        assert_accepted(health_start(h));
        wait_line(&m, &t, "READY=1");
        listen_for(&m, &t, WATCHDOG_MS + 50);
        assert_int_equal(t.watchdogs, 0);
        service_end(h);
        close_manager(&m);
    }
}

/* ---- STOPPING=1 ---- */

static struct health *of_the_handler;

static void drain_in_a_handler(int signal_number)
{
    (void)signal_number;
    health_drain(of_the_handler);
}

static void draining_is_told_at_once(void **state)
{
    struct sigaction action = {.sa_handler = drain_in_a_handler}, before;
    int i;

    (void)state;
    assert_int_equal(sigaction(SIGTERM, &action, &before), 0);
    for (i = 0; i < 4; i++) {
        struct told_of t = {0};
        struct manager m;
        struct health *h;
        int64_t begin;

        open_manager(&m, i % 2);
        h = of_the_handler = make();
        assert_accepted(health_start(h));
        wait_line(&m, &t, "READY=1");
        if (t.statuses == 0)
            wait_line(&m, &t, "STATUS=ready");
        listen_for(&m, &t, 50); /* it is idle */
        begin = client_now_ms();
        if (i < 2)
            health_drain(h);
        else
            assert_int_equal(raise(SIGTERM), 0);
        wait_line(&m, &t, "STOPPING=1");
        assert_between(client_now_ms() - begin, 0, SLACK_MS);
        if (strcmp(t.status, "not ready: draining") != 0)
            wait_line(&m, &t, "STATUS=not ready: draining");
        health_drain(h);
        listen_for(&m, &t, 50);
        assert_int_equal(t.stoppings, 1);
        service_end(h);
        close_manager(&m);
    }
    assert_int_equal(sigaction(SIGTERM, &before, NULL), 0);
}

static void a_drain_just_before_the_stop_is_told(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < 20; i++) {
        struct told_of t = {0};
        struct manager m;
        struct health *h;

        open_manager(&m, true);
        h = make();
        assert_accepted(health_start(h));
        wait_line(&m, &t, "READY=1");
        health_drain(h);
        assert_accepted(health_stop(h, LONG_MS));
        wait_line(&m, &t, "STOPPING=1");
        health_free(h);
        close_manager(&m);
    }
}

/* ---- A receiver that is busy, or gone ---- */

/* Fills its queue.  Returns: with how many datagrams. */
static int fill(struct manager *m)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t length = strlen(m->address);
    int count = 0, fd;

    memcpy(a.sun_path, m->address, length);
    if (m->address[0] == '@')
        a.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    while (sendto(fd, "FILL", 4, 0, (struct sockaddr *)&a,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) == 4)
        count++;
    assert_int_equal(errno, EAGAIN);
    (void)close(fd);
    assert_true(count > 0);
    return count;
}

static void empty(struct manager *m, int count)
{
    char bytes[8] = "";

    for (; count > 0; count--) {
        assert_int_equal(recv(m->fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT), 4);
        assert_string_equal(bytes, "FILL");
    }
}

static void with_its_queue_full_nothing_is_lost(void **state)
{
    struct told_of t = {0};
    struct manager m;
    struct health *h;
    int filled;

    (void)state;
    open_manager(&m, true);
    h = make();
    filled = fill(&m);
    service_add_pushed(h, "queue", 0);
    assert_accepted(health_start(h));
    report(h, "queue", HEALTH_PASS, NULL);
    asking_pause(250);
    /* It is not blocked by that. */
    assert_accepted(health_document(h, HEALTH_READY, NULL, 0, NULL, NULL));
    empty(&m, filled);
    while (t.ready == 0 || strcmp(t.status, "ready") != 0)
        note(&t, receive(&m, LONG_MS));

    filled = fill(&m);
    report(h, "queue", HEALTH_FAIL, "full");
    health_drain(h);
    asking_pause(250);
    empty(&m, filled);
    while (t.stoppings == 0 || strcmp(t.status, "not ready: draining") != 0)
        note(&t, receive(&m, LONG_MS));
    listen_for(&m, &t, 300);
    assert_int_equal(t.ready, 1);
    assert_int_equal(t.stoppings, 1);
    service_end(h);
    close_manager(&m);
}

struct emptying {
    struct manager *m;
    int filled;
};

static void *empty_later(void *arg)
{
    struct emptying *emptying = arg;

    asking_pause(300);
    empty(emptying->m, emptying->filled);
    return NULL;
}

/* The end of a unit, which systemd hears of later, or never. */
static void a_stop_waits_for_room_while_it_has_time(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < 2; i++) {
        struct told_of t = {0};
        struct emptying emptying;
        pthread_t thread;
        struct manager m;
        struct health *h;
        int64_t begin;

        open_manager(&m, true);
        h = make();
        assert_accepted(health_start(h));
        wait_line(&m, &t, "READY=1");
        listen_for(&m, &t, 50);
        emptying = (struct emptying){&m, fill(&m)};
        begin = client_now_ms();
        health_drain(h);
        if (i == 0) {
            assert_int_equal(pthread_create(&thread, NULL, empty_later, &emptying), 0);
            assert_accepted(health_stop(h, LONG_MS));
            assert_between(client_now_ms() - begin, 300, 300 + SLACK_MS);
            assert_int_equal(pthread_join(thread, NULL), 0);
        } else {
            assert_accepted(health_stop(h, 300));
            assert_between(client_now_ms() - begin, 300, 300 + SLACK_MS);
            empty(&m, emptying.filled);
        }
        listen_for(&m, &t, 50);
        assert_int_equal(t.stoppings, i == 0);
        health_free(h);
        close_manager(&m);
    }
}

/* What could not be sent while it passed is not sent when it fails. */
static void a_late_watchdog_is_not_fed_when_live_fails(void **state)
{
    struct told_of t = {0};
    struct manager m;
    struct health *h;
    int filled;

    (void)state;
    open_manager(&m, true);
    set_watchdog("6000000", NULL);
    filled = fill(&m);
    h = make();
    service_add_pushed(h, "loop", HEALTH_LIVE);
    assert_accepted(health_start(h));
    report(h, "loop", HEALTH_PASS, NULL);
    asking_pause(150);
    report(h, "loop", HEALTH_FAIL, "stuck");
    assert_accepted(health_document(h, HEALTH_LIVE, NULL, 0, NULL, NULL));
    empty(&m, filled);
    while (strcmp(t.status, "not alive: loop: stuck") != 0)
        note(&t, receive(&m, LONG_MS));
    listen_for(&m, &t, 300);
    assert_int_equal(t.watchdogs, 0);
    service_end(h);
    close_manager(&m);
}

static void one_that_is_gone_holds_up_nothing(void **state)
{
    struct told_of t = {0};
    struct manager m;
    struct health *h;

    (void)state;
    open_manager(&m, false);
    set_watchdog("100000", NULL);
    h = make();
    service_add_pushed(h, "queue", 0);
    assert_accepted(health_start(h));
    wait_line(&m, &t, "WATCHDOG=1");
    (void)close(m.fd);
    (void)unlink(m.address);
    report(h, "queue", HEALTH_PASS, NULL);
    asking_pause(200);
    assert_accepted(health_document(h, HEALTH_READY, NULL, 0, NULL, NULL));
    /* Another at the same place hears of the watchdog. */
    bind_to(&m, m.address);
    wait_line(&m, &t, "WATCHDOG=1");
    service_end(h);
    close_manager(&m);
}

/* ---- Nobody to tell ---- */

static void without_a_place_to_tell_nothing_is_told(void **state)
{
    char too_long[200];
    const char *places[] = {NULL, "", "/", "@", "notify", "vsock:2:1234", "/nowhere/at/all",
        "@libhealth/nobody", too_long};
    size_t i;

    (void)state;
    memset(too_long, 'x', sizeof(too_long) - 1);
    too_long[0] = '/';
    too_long[sizeof(too_long) - 1] = '\0';
    for (i = 0; i < COUNT(places); i++) {
        struct health_options options = HEALTH_OPTIONS_INIT;
        struct health *h;

        forget_environment();
        set_watchdog("20000", NULL);
        if (places[i] != NULL)
            assert_int_equal(setenv("NOTIFY_SOCKET", places[i], 1), 0);
        options.systemd = 1;
        h = service_start(&options);
        assert_int_equal(client_status(service_port(h), "/ready"), 200);
        health_set_ready(h, false);
        assert_int_equal(client_status(service_port(h), "/ready"), 503);
        health_drain(h);
        assert_int_equal(client_status(service_port(h), "/live"), 200);
        service_end(h);
    }
    forget_environment();
}

static void unless_it_is_asked_for_nothing_is_told(void **state)
{
    struct told_of t = {0};
    struct manager m;
    struct health *h;

    (void)state;
    open_manager(&m, true);
    set_watchdog("20000", NULL);
    h = service_start(NULL);
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    health_drain(h);
    assert_null(receive(&m, 200));
    service_end(h);
    assert_null(receive(&m, 0));
    assert_int_equal(t.ready, 0);
    close_manager(&m);
}

/* ---- A good guest ---- */

static void its_descriptors_do_not_survive_exec(void **state)
{
    struct told_of t = {0};
    struct manager m;
    struct health *h;
    int fds[64], count, i, unix_sockets = 0;

    (void)state;
    open_manager(&m, true);
    h = make();
    assert_accepted(health_start(h));
    wait_line(&m, &t, "READY=1");
    count = process_list(fds, (int)COUNT(fds));
    assert_true(count > 0);
    for (i = 0; i < count; i++) {
        struct sockaddr_un a = {0};
        socklen_t length = sizeof(a);

        if (fds[i] < 3 || fds[i] == m.fd)
            continue;
        if (getsockname(fds[i], (struct sockaddr *)&a, &length) != 0)
            continue;
        assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
        unix_sockets += a.sun_family == AF_UNIX;
    }
    assert_true(unix_sockets >= 3); /* the pair to wake by, and this one */
    service_end(h);
    close_manager(&m);
}

static int be_told_nothing_of(struct process *self, void *arg)
{
    struct health *h = arg;
    int64_t go;

    PROCESS_CHECK(process_say(self, 1));
    PROCESS_CHECK(process_hear(self, &go, LONG_MS));
    PROCESS_CHECK(health_start(h) == 0);
    PROCESS_CHECK(health_stop(h, LONG_MS) == 0);
    return 0;
}

static void the_child_of_a_fork_speaks_for_itself(void **state)
{
    struct told_of t = {0};
    struct process child;
    struct manager m;
    struct health *h;
    int64_t there;

    (void)state;
    if (PROCESS_THREAD_SANITIZED) {
        print_message("SKIPPED: the sanitizer knows no threads in the child of a fork\n");
        skip();
    }
    open_manager(&m, true);
    h = make();
    assert_accepted(health_start(h));
    wait_line(&m, &t, "READY=1");
    if (t.statuses == 0)
        wait_line(&m, &t, "STATUS=ready");
    assert_int_equal(process_start(&child, be_told_nothing_of, h), 0);
    assert_true(process_hear(&child, &there, LONG_MS));
    assert_null(receive(&m, 100));
    /* The parent goes on as before. */
    health_set_ready(h, false);
    wait_line(&m, &t, "STATUS=not ready: not ready");
    health_set_ready(h, true);
    wait_line(&m, &t, "STATUS=ready");
    /* Started there, it says so; by default systemd does not listen to children. */
    t.statuses = 0;
    assert_true(process_say(&child, 1));
    wait_line(&m, &t, "READY=1");
    assert_int_equal(process_end(&child), 0);
    service_end(h);
    close_manager(&m);
}

/* ---- A real systemd ---- */

/* As a unit: this program again.  With "dead" its live fails as soon as it is up. */
static int be_a_unit(bool dead)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *h = NULL;

    options.systemd = 1;
    check.name = "loop";
    check.probes = HEALTH_LIVE;
    if (health_new(&h, &options) != 0 || health_add_check(h, &check) != 0 || health_start(h) != 0)
        return 1;
    (void)health_report(h, "loop", dead ? HEALTH_FAIL : HEALTH_PASS, "of the test");
    asking_pause(5000);
    health_drain(h);
    return health_stop(h, LONG_MS) == 0 ? 0 : 1;
}

static int run_unit(const char *how)
{
    char self[512], command[1024];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

    assert_true(length > 0);
    self[length] = '\0';
    (void)snprintf(command, sizeof(command),
        "systemd-run --quiet --wait --collect -p Type=notify -p NotifyAccess=all -p WatchdogSec=1 "
        "-p TimeoutStartSec=3 %s %s >/dev/null 2>&1",
        self, how);
    return system(command);
}

/* Without READY=1 the unit would not start, and without WATCHDOG=1 it would not live to its end. */
static void a_real_systemd_is_told(void **state)
{
    (void)state;
    if (access("/run/systemd/system", F_OK) != 0 ||
        system("systemd-run --quiet --wait --collect true >/dev/null 2>&1") != 0) {
        print_message("SKIPPED: no systemd for us here: what it makes of it is not shown\n");
        skip();
    }
    assert_int_equal(run_unit("--unit"), 0);
    assert_int_not_equal(run_unit("--dead-unit"), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, refused_count, refused_recount)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(ready_is_told_once_at_a_path),
        TEST(ready_is_told_once_at_an_abstract_name),
        TEST(ready_is_what_the_probe_says),
        TEST(each_start_tells_anew),
        TEST(the_status_names_what_fails),
        TEST(a_long_status_is_told_whole),
        TEST(the_watchdog_is_fed_while_live_passes),
        TEST(a_hung_check_starves_it),
        TEST(a_missed_beat_starves_it),
        TEST(the_watchdog_of_others_is_left_alone),
        TEST(draining_is_told_at_once),
        TEST(a_drain_just_before_the_stop_is_told),
        TEST(with_its_queue_full_nothing_is_lost),
        TEST(a_stop_waits_for_room_while_it_has_time),
        TEST(a_late_watchdog_is_not_fed_when_live_fails),
        TEST(one_that_is_gone_holds_up_nothing),
        TEST(without_a_place_to_tell_nothing_is_told),
        TEST(unless_it_is_asked_for_nothing_is_told),
        TEST(its_descriptors_do_not_survive_exec),
        TEST(the_child_of_a_fork_speaks_for_itself),
        TEST(a_real_systemd_is_told),
    };

    if (argc > 1)
        return be_a_unit(strcmp(argv[1], "--dead-unit") == 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
