/*
 * A host may close every descriptor that it has, ours among them, and open others, which have their
 * numbers then: closefrom(3), a late daemon().  We cannot answer any more; but nothing of the
 * host's is touched, nothing aborts or spins, health_stop() returns in time, and the instance can
 * be started again.
 *
 * Each host is a child process; its clients are the test.  Numbers are taken by canaries, in as
 * many orders as there are kinds of them.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* timeout: 240 */
/* forgets */
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
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "canaries.h"
#include "client.h"
#include "process.h"
#include "puppet.h"

#define TIMEOUT_MS  20000
#define FIRST       3  /* what is closed */
#define LAST        60 /* and taken by canaries */
#define STOP_MS     1000
#define SLOWER      (process_is_slow() ? 4 : 1)
#define WATCH_MS    (1500 * SLOWER) /* for how long it is seen what happens; longer than any timer */
#define RESPONSE_MS (2000 * SLOWER)          /* of requests that wait */
#define RUNNING_MS  (INT64_C(1100) * SLOWER) /* of a run under way, for what is seen to happen */
#define OFTEN_MS    (400 * SLOWER)           /* the interval of a periodic check */
#define CPU_PERCENT 5
#define AFTER_MS    (60 * SLOWER) /* what there was to do is done by then */
#define CLIENTS     6
#define HOSTS       16 /* at a time */
#define SHIFTS      8

/* What the service has to do when it happens. */
enum busy {
    IDLE,
    TIMERS,  /* periodic checks, heartbeats that are missed, on_change */
    OPEN,    /* connections that are kept, and one that has not sent all of a request */
    WAITING, /* requests that wait for a check that hangs */
    LOADED   /* requests all the time until just before */
};

/* What is closed. */
enum part {
    ALL,
    THE_LISTENER,
    OUR_EPOLL, /* what the loop waits on */
    ITS_EPOLL, /* what the HTTP server has */
    WAKE_IN,   /* what the loop is woken by: the end that it has, */
    WAKE_OUT,  /* and the other one */
    RESERVE,
    CONNECTIONS
};

/* What one host is to go through. */
struct plan {
    enum busy busy;
    enum part part;
    int shift; /* of the canaries */
    bool held; /* a callback does not return before the host has looked at everything */
};

/* ---- What a descriptor of ours is ---- */

static bool is_epoll_with(int fd, int watched)
{
    char path[64], line[256];
    bool epoll = false, with = false;
    int other;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "tfd: %d", &other) != 1)
            continue;
        epoll = true;
        with |= other == watched;
    }
    if (file != NULL)
        (void)fclose(file);
    return epoll && with;
}

static int option(int fd, int name)
{
    socklen_t length = sizeof(int);
    int value = -1;

    return getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

static enum part part_of(int fd, int listener, int epoll)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);

    if (fd == listener)
        return THE_LISTENER;
    if (option(fd, SO_TYPE) == SOCK_STREAM)
        return CONNECTIONS;
    if (option(fd, SO_TYPE) == SOCK_DGRAM)
        return getpeername(fd, (struct sockaddr *)&peer, &length) != 0 ? RESERVE
               : is_epoll_with(epoll, fd)                              ? WAKE_IN
                                                                       : WAKE_OUT;
    return fd == epoll ? OUR_EPOLL : ITS_EPOLL;
}

/* Closes what is of the part, among all that is there from FIRST on. */
static int close_part(enum part part)
{
    enum part parts[64];
    int fds[64], count = process_list(fds, 64), listener = -1, epoll = -1, closed = 0, i;

    for (i = 0; i < count; i++)
        if (fds[i] >= FIRST && option(fds[i], SO_ACCEPTCONN) == 1)
            listener = fds[i];
    PROCESS_CHECK(listener >= FIRST);
    for (i = 0; i < count; i++)
        if (fds[i] >= FIRST && is_epoll_with(fds[i], listener))
            epoll = fds[i];
    PROCESS_CHECK(epoll >= FIRST);
    for (i = 0; i < count; i++)
        parts[i] = fds[i] < FIRST ? ALL : part_of(fds[i], listener, epoll);
    for (i = 0; i < count; i++)
        if (fds[i] >= FIRST && (part == ALL || part == parts[i])) {
            (void)close(fds[i]);
            closed++;
        }
    PROCESS_CHECK(closed > 0);
    return 0;
}

/* ---- The host ---- */

static struct puppet hung;
static atomic_int changes;

static atomic_uint calls;

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    atomic_fetch_add(&calls, 1);
    return HEALTH_PASS;
}

static void count_change(const struct health_change *change, void *arg)
{
    (void)change;
    (void)arg;
    atomic_fetch_add(&changes, 1);
}

static int add_timers(struct health *h)
{
    struct health_heartbeat *beat;
    struct health_check check = HEALTH_CHECK_INIT;

    PROCESS_CHECK(health_add_heartbeat(h, "loop", 800, 0, &beat) == 0);
    PROCESS_CHECK(health_on_change(h, count_change, NULL) == 0);
    check.name = "often";
    check.fn = pass;
    check.interval_ms = OFTEN_MS;
    PROCESS_CHECK(health_add_check(h, &check) == 0);
    return 0;
}

static int make(struct health **ret_h, const struct plan *plan)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check;

    options.listen = "127.0.0.1:0";
    options.response_ms = plan->busy == WAITING ? RESPONSE_MS : TIMEOUT_MS;
    PROCESS_CHECK(health_new(ret_h, &options) == 0);
    puppet_init(&hung);
    puppet_hold(&hung);
    check = puppet_check(&hung, "hung");
    check.probes = HEALTH_ALL;
    check.timeout_ms = RESPONSE_MS - 300;
    PROCESS_CHECK(health_add_check(*ret_h, &check) == 0);
    check = (struct health_check)HEALTH_CHECK_INIT;
    check.name = "quick";
    check.fn = pass;
    check.max_age_ms = 1;
    check.timeout_ms = TIMEOUT_MS;
    PROCESS_CHECK(health_add_check(*ret_h, &check) == 0);
    if (plan->busy == TIMERS)
        PROCESS_CHECK(add_timers(*ret_h) == 0);
    PROCESS_CHECK(health_start(*ret_h) == 0);
    return 0;
}

static int look(const struct canaries *canaries)
{
    const char *what = canaries_look(canaries);

    if (what != NULL)
        (void)fprintf(stderr, "%s\n", what);
    return what == NULL ? 0 : 1;
}

/* For as long as anything may happen. */
static int watch(const struct canaries *canaries, int ms)
{
    int64_t cpu_us = process_cpu_us(0);

    (void)poll(NULL, 0, ms);
    cpu_us = process_cpu_us(0) - cpu_us;
    PROCESS_CHECK(look(canaries) == 0);
    if (process_is_slow() || PROCESS_SANITIZED)
        return 0;
    if (cpu_us > (int64_t)ms * 1000 * CPU_PERCENT / 100)
        (void)fprintf(stderr, "%d us of processor time in %d ms\n", (int)cpu_us, ms);
    PROCESS_CHECK(cpu_us <= (int64_t)ms * 1000 * CPU_PERCENT / 100);
    return 0;
}

/* What does not need a descriptor goes on; and nobody waits for ever. */
static int use(struct health *h, const struct canaries *canaries)
{
    struct health_check check = HEALTH_CHECK_INIT;
    struct health_heartbeat *beat = NULL;
    enum health_status status;
    int64_t begin = client_now_ms();

    health_set_ready(h, false);
    health_set_ready(h, true);
    PROCESS_CHECK(health_add_heartbeat(h, "late", 60000, 0, &beat) == 0);
    health_beat(beat);
    check.name = "pushed";
    PROCESS_CHECK(health_add_check(h, &check) == 0);
    PROCESS_CHECK(health_report(h, "pushed", HEALTH_PASS, NULL) == 0);
    check.name = "periodic";
    check.fn = pass;
    check.interval_ms = 1000;
    PROCESS_CHECK(health_add_check(h, &check) == 0);
    PROCESS_CHECK(health_remove(h, "periodic") == 0);
    (void)health_document(h, HEALTH_LIVE, NULL, 0, NULL, &status);
    (void)health_on_change(h, NULL, NULL);
    PROCESS_CHECK(client_now_ms() - begin < LONG_MS);
    PROCESS_CHECK(look(canaries) == 0);
    return 0;
}

static int stop(struct health *h, const struct plan *plan, const struct canaries *canaries)
{
    int64_t begin = client_now_ms();
    int error = health_stop(h, STOP_MS);

    PROCESS_CHECK(client_now_ms() - begin < STOP_MS + 2 * SLACK_MS);
    PROCESS_CHECK(look(canaries) == 0);
    if (plan->held) {
        PROCESS_CHECK(error == HEALTH_EBUSY);
        puppet_let_go(&hung);
        PROCESS_CHECK(health_stop(h, TIMEOUT_MS) == 0);
    } else {
        PROCESS_CHECK(error == 0);
    }
    PROCESS_CHECK(health_port(h) == HEALTH_ESTOPPED);
    return 0;
}

static int start_again(struct health *h, const struct canaries *canaries)
{
    int i;

    for (i = 0; i < 2; i++) {
        PROCESS_CHECK(health_start(h) == 0);
        PROCESS_CHECK(client_try_status(health_port(h), "/health/quick") == 200);
        PROCESS_CHECK(client_try_status(health_port(h), "/health/pushed") == 200);
        PROCESS_CHECK(health_stop(h, TIMEOUT_MS) == 0);
        PROCESS_CHECK(look(canaries) == 0);
    }
    return 0;
}

/* The loop is to be asleep when it happens.  A host that does it while we are about to answer
 * someone, or to run a check, takes us by surprise: that is for nobody to prevent, as it could take
 * a number away between any two of our calls. */
static int wait_for_the_moment(const struct plan *plan)
{
    int64_t deadline = client_deadline(TIMEOUT_MS);
    unsigned before = atomic_load(&calls);

    if (plan->busy == WAITING || plan->held)
        PROCESS_CHECK(puppet_wait_begun(&hung, 1, TIMEOUT_MS));
    while (plan->busy == TIMERS && atomic_load(&calls) == before) {
        PROCESS_CHECK(client_now_ms() < deadline);
        (void)poll(NULL, 0, 1);
    }
    (void)poll(NULL, 0, AFTER_MS);
    if (plan->busy == WAITING && client_now_ms() - puppet_begun_at(&hung, 0) > RUNNING_MS) {
        (void)fprintf(stderr, "NOT TESTED: this machine is too slow\n");
        _exit(0);
    }
    return 0;
}

static int be_host(struct process *self, void *arg)
{
    const struct plan *plan = arg;
    struct canaries canaries;
    struct health *h = NULL;
    int64_t go = 0;

    /* A crash is no test's here. */
    (void)signal(SIGSEGV, SIG_DFL);
    (void)signal(SIGABRT, SIG_DFL);
    /* The channel is not among what is closed. */
    PROCESS_CHECK(dup2(self->fd, 0) == 0);
    (void)close(self->fd);
    self->fd = 0;
    PROCESS_CHECK(make(&h, plan) == 0);
    PROCESS_CHECK(process_say(self, health_port(h)));
    PROCESS_CHECK(process_hear(self, &go, TIMEOUT_MS));
    PROCESS_CHECK(wait_for_the_moment(plan) == 0);
    PROCESS_CHECK(close_part(plan->part) == 0);
    PROCESS_CHECK(canaries_plant(&canaries, FIRST, LAST, plan->shift) == 0);
    PROCESS_CHECK(process_say(self, 1));
    if (!plan->held && (plan->shift & 1))
        puppet_let_go(&hung);
    PROCESS_CHECK(watch(&canaries, plan->busy == WAITING ? RESPONSE_MS + 500 : WATCH_MS) == 0);
    PROCESS_CHECK(use(h, &canaries) == 0);
    PROCESS_CHECK(watch(&canaries, 300) == 0);
    if (!plan->held)
        puppet_let_go(&hung);
    PROCESS_CHECK(stop(h, plan, &canaries) == 0);
    PROCESS_CHECK(start_again(h, &canaries) == 0);
    health_free(h);
    PROCESS_CHECK(look(&canaries) == 0);
    canaries_remove(&canaries);
    /* What a loop that cannot be woken has, and what MHD has, is left: no leak to be told of. */
    _exit(0);
}

/* ---- Its clients ---- */

static void open_clients(struct client *clients, enum busy busy, int port)
{
    struct response r;
    int i;

    for (i = 0; i < CLIENTS; i++)
        clients[i] = (struct client){.fd = -1};
    if (busy != OPEN && busy != WAITING)
        return;
    for (i = 0; i < CLIENTS; i++) {
        assert_int_equal(client_open(&clients[i], "127.0.0.1", port), 0);
        if (busy == WAITING) {
            assert_int_equal(
                client_print(&clients[i], "GET /health HTTP/1.1\r\nHost: test\r\n\r\n"), 0);
        } else if (i == 0) {
            assert_int_equal(client_print(&clients[i], "GET /live HTTP/1.1\r\nHo"), 0);
        } else {
            assert_int_equal(
                client_print(&clients[i], "GET /live HTTP/1.1\r\nHost: test\r\n\r\n"), 0);
            assert_int_equal(
                client_read(&clients[i], false, &r, client_deadline(TIMEOUT_MS)), CLIENT_OK);
            response_free(&r);
        }
    }
}

struct asker {
    pthread_t thread;
    int port;
    struct client *client;
    int answers;
    atomic_bool over;
};

/* Over one connection, as fast as it goes, and over new ones; the last one stays open. */
static void *ask_on(void *arg)
{
    struct asker *a = arg;
    struct response r;
    int i;

    while (!atomic_load(&a->over)) {
        client_close(a->client);
        if (client_open(a->client, "127.0.0.1", a->port) != 0)
            break;
        for (i = 0; i < 20 && !atomic_load(&a->over); i++) {
            if (client_print(a->client, "GET /live HTTP/1.1\r\nHost: test\r\n\r\n") != 0 ||
                client_read(a->client, false, &r, client_deadline(TIMEOUT_MS)) != CLIENT_OK)
                break;
            response_free(&r);
            a->answers++;
        }
    }
    return NULL;
}

/* For a while; all is answered when this returns. */
static void load(const int *ports, struct client (*clients)[CLIENTS], int count)
{
    struct asker askers[HOSTS];
    int i;

    for (i = 0; i < count; i++) {
        askers[i].port = ports[i];
        askers[i].client = &clients[i][0];
        askers[i].answers = 0;
        atomic_init(&askers[i].over, false);
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_on, &askers[i]), 0);
    }
    (void)poll(NULL, 0, 200);
    for (i = 0; i < count; i++) {
        atomic_store(&askers[i].over, true);
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        assert_true(askers[i].answers > 0);
    }
}

static bool client_try_within(int port, int timeout_ms)
{
    const struct client_request q = {.port = port, .target = "/live", .timeout_ms = timeout_ms};
    struct response r;

    if (client_try(&q, &r) != CLIENT_OK)
        return false;
    response_free(&r);
    return true;
}

/* ---- All of it ---- */

/* Runs a host for each plan, all at the same time. */
static void run_hosts(const struct plan *plans, int count)
{
    struct client clients[HOSTS][CLIENTS];
    struct process hosts[HOSTS];
    int ports[HOSTS], i, j, bad = 0;
    int64_t port, closed;

    for (i = 0; i < count; i++)
        assert_int_equal(process_start(&hosts[i], be_host, (void *)(uintptr_t)&plans[i]), 0);
    for (i = 0; i < count; i++) {
        assert_true(process_hear(&hosts[i], &port, TIMEOUT_MS));
        open_clients(clients[i], plans[i].busy, (int)port);
        ports[i] = (int)port;
    }
    if (plans[0].busy == LOADED)
        load(ports, clients, count);
    for (i = 0; i < count; i++)
        assert_true(process_say(&hosts[i], 1));
    for (i = 0; i < count; i++) {
        (void)process_hear(&hosts[i], &closed, TIMEOUT_MS);
        /* It may be answered or not. */
        if (plans[i].part != ALL)
            (void)client_try_within(ports[i], 300);
    }
    for (i = 0; i < count; i++) {
        int status = process_end(&hosts[i]);

        if (status != 0) {
            print_error("the host of plan %d (busy %d, part %d, shift %d): %d\n", i,
                (int)plans[i].busy, (int)plans[i].part, plans[i].shift, status);
            bad++;
        }
        for (j = 0; j < CLIENTS; j++)
            client_close(&clients[i][j]);
    }
    assert_int_equal(bad, 0);
}

static void run_shift(struct plan plan)
{
    int i, shifts = process_is_slow() ? 2 : SHIFTS;
    struct plan plans[SHIFTS];

    for (i = 0; i < shifts; i++) {
        plans[i] = plan;
        plans[i].shift = i;
    }
    run_hosts(plans, shifts);
}

/* Two plans at a time: hosts have little to do but to wait. */
static void run_shifts(struct plan one, struct plan other)
{
    int i, shifts = process_is_slow() ? 2 : SHIFTS;
    struct plan plans[HOSTS];

    for (i = 0; i < 2 * shifts; i++) {
        plans[i] = i % 2 == 0 ? one : other;
        plans[i].shift = i / 2;
    }
    run_hosts(plans, 2 * shifts);
}

static void all_while_idle(void **state)
{
    (void)state;
    run_shift((struct plan){.busy = IDLE});
}

static void all_with_connections_or_timers(void **state)
{
    (void)state;
    run_shifts((struct plan){.busy = OPEN}, (struct plan){.busy = TIMERS});
}

static void all_with_requests_that_wait(void **state)
{
    (void)state;
    run_shifts((struct plan){.busy = WAITING}, (struct plan){.busy = WAITING, .held = true});
}

static void all_just_after_many_requests(void **state)
{
    (void)state;
    run_shift((struct plan){.busy = LOADED});
}

/* ---- Parts of it ---- */

static void parts_of(enum part one, enum part other)
{
    static const enum busy busy[] = {IDLE, TIMERS, OPEN, WAITING};
    int i, shifts = process_is_slow() ? 4 : SHIFTS;
    struct plan plans[HOSTS];

    for (i = 0; i < 2 * shifts; i++) {
        struct plan *plan = &plans[i];

        plan->part = i < shifts ? one : other;
        plan->busy = plan->part != CONNECTIONS ? busy[i % 4] : i % 2 ? OPEN : WAITING;
        plan->shift = i % shifts * 3 + (int)plan->part;
        plan->held = false;
    }
    run_hosts(plans, 2 * shifts);
}

static void the_listener_or_the_reserve_alone(void **state)
{
    (void)state;
    parts_of(THE_LISTENER, RESERVE);
}

static void one_epoll_alone(void **state)
{
    (void)state;
    parts_of(OUR_EPOLL, ITS_EPOLL);
}

static void one_end_of_what_wakes_the_loop_alone(void **state)
{
    (void)state;
    parts_of(WAKE_IN, WAKE_OUT);
}

static void the_connections_alone(void **state)
{
    (void)state;
    parts_of(CONNECTIONS, CONNECTIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_while_idle),
        cmocka_unit_test(all_with_connections_or_timers),
        cmocka_unit_test(all_with_requests_that_wait),
        cmocka_unit_test(all_just_after_many_requests),
        cmocka_unit_test(the_listener_or_the_reserve_alone),
        cmocka_unit_test(one_epoll_alone),
        cmocka_unit_test(one_end_of_what_wakes_the_loop_alone),
        cmocka_unit_test(the_connections_alone),
    };

    if (PROCESS_THREAD_SANITIZED) {
        print_message("NOT TESTED: to ThreadSanitizer such a host is a data race\n");
        return 77;
    }
    return cmocka_run_group_tests_name("guest_closefrom", tests, NULL, NULL);
}
