/*
 * fork(): the child answers for nobody, and is no burden for the parent, whose port is free when it
 * is gone; in the child an instance is stopped with its checks kept, and may be started or freed
 * there.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* forgets */
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
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <microhttpd.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "document.h"
#include "jobs.h"
#include "process.h"
#include "puppet.h"
#include "service.h"
#include "tasks.h"

#define TIMEOUT_MS 20000
#define FORKS      (process_is_slow() ? 20 : 200)
#define WORKERS    4

/*
 * In a child that is forked while threads are busy, AddressSanitizer's heap has locks that nobody
 * lets go any more: there, such a child must not start an instance, and others are forked when our
 * threads have come to rest.  ThreadSanitizer knows no threads that a child starts at all.
 */
#define MAY_START (!PROCESS_SANITIZED)

static void let_rest(void)
{
    if (PROCESS_SANITIZED)
        asking_pause(100);
}

/* What libmicrohttpd 1.0 keeps for itself, in a child too: an eventfd that is close-on-exec. */
#define OF_MHD (MHD_VERSION >= 0x01000000 ? 1 : 0)

/* ---- Children ---- */

/* Forks a child that ends with what `run` returns. */
static pid_t begin_child(int (*run)(void *arg), void *arg)
{
    pid_t parent = getpid(), pid = fork();

    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    _exit(run(arg));
}

/* Returns: its exit status; -1 if it was killed, also by us after a while. */
static int end_child(pid_t pid)
{
    int64_t deadline = client_deadline(2 * TIMEOUT_MS);
    pid_t ended;
    int status;

    while ((ended = waitpid(pid, &status, WNOHANG)) == 0 || (ended < 0 && errno == EINTR)) {
        if (client_now_ms() >= deadline) {
            (void)fprintf(stderr, "child %d hangs\n", (int)pid);
            (void)kill(pid, SIGKILL);
        }
        (void)poll(NULL, 0, 1);
    }
    return ended == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int in_child(int (*run)(void *arg), void *arg)
{
    pid_t pid = begin_child(run, arg);

    return pid < 0 ? -1 : end_child(pid);
}

/* Ends a child whose parent has served: of what MHD had there, the child has a copy that is left
 * alone, and is no leak to be told of. */
static _Noreturn void leave(void)
{
    _exit(0);
}

/* ---- Who answers ---- */

static enum health_status tell_pid(struct health_result *result, void *arg)
{
    (void)arg;
    health_observe(result, (double)getpid(), "pid");
    return HEALTH_PASS;
}

static int add_pid(struct health *h)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = "pid";
    check.fn = tell_pid;
    check.max_age_ms = 1;
    check.timeout_ms = TIMEOUT_MS;
    return health_add_check(h, &check);
}

/* The value in an answer of /health/pid; 0 if there is none. */
static int pid_in(const char *body)
{
    const char *value = strstr(body, "\"observedValue\":");
    int pid = 0;

    return value != NULL && sscanf(value, "\"observedValue\":%d", &pid) == 1 ? pid : 0;
}

/* Who answers at the port: the pid; 0 if nobody does. */
static int who_answers(int port)
{
    const struct client_request q = {.port = port, .target = "/health/pid"};
    struct response r;
    int pid;

    if (client_try(&q, &r) != CLIENT_OK)
        return 0;
    pid = pid_in(r.body);
    response_free(&r);
    return pid;
}

/* The same over a connection that is there. */
static int who_answers_on(struct client *c)
{
    struct response r;
    int pid;

    if (client_print(c, "GET /health/pid HTTP/1.1\r\nHost: test\r\n\r\n") != 0 ||
        client_read(c, false, &r, client_deadline(TIMEOUT_MS)) != CLIENT_OK)
        return 0;
    pid = pid_in(r.body);
    response_free(&r);
    return pid;
}

static bool refuses_connections(int port)
{
    struct client c;
    bool refused = client_open(&c, "127.0.0.1", port) != 0 && errno == ECONNREFUSED;

    client_close(&c);
    return refused;
}

/* ---- The child answers for nobody ---- */

struct still {
    struct health *h;
    int descriptors; /* that are none of ours */
    int told_by;     /* the child's end of a pipe: it ends with the other */
    int other_end;
};

static int stand_still(void *arg)
{
    const struct still *still = arg;
    pid_t tids[8];
    char byte;

    (void)close(still->other_end);
    PROCESS_CHECK(health_port(still->h) == HEALTH_ESTOPPED);
    PROCESS_CHECK(tasks_list(tids, 8) == 0);
    PROCESS_CHECK(process_descriptors(0) == still->descriptors - 1 + OF_MHD);
    PROCESS_CHECK(read(still->told_by, &byte, 1) == 0);
    PROCESS_CHECK(health_port(still->h) == HEALTH_ESTOPPED);
    return 0;
}

static void the_child_answers_for_nobody(void **state)
{
    int i, pipe_fds[2], port, before = process_descriptors(0);
    struct health *h = service_start(NULL);
    struct still still;
    struct client c;
    pid_t child;

    (void)state;
    assert_int_equal(add_pid(h), 0);
    port = service_port(h);
    assert_int_equal(client_open(&c, "127.0.0.1", port), 0);
    assert_int_equal(who_answers_on(&c), getpid());
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    still = (struct still){h, before + 3, pipe_fds[0], pipe_fds[1]};
    child = begin_child(stand_still, &still);
    for (i = 0; i < 200; i++)
        assert_int_equal(who_answers(port), getpid());
    for (i = 0; i < 10; i++)
        assert_int_equal(who_answers_on(&c), getpid());
    (void)close(pipe_fds[1]);
    assert_int_equal(end_child(child), 0);
    (void)close(pipe_fds[0]);
    assert_int_equal(who_answers_on(&c), getpid());
    client_close(&c);
    service_end(h);
}

/* ---- The parent is unharmed ---- */

static atomic_bool over;

struct asker {
    pthread_t thread;
    int port;
    const char *target;
    int answers;
    int odd; /* answers that are none */
};

static void *ask_on(void *arg)
{
    struct asker *a = arg;

    while (!atomic_load(&over)) {
        if (client_try_status(a->port, a->target) == 200)
            a->answers++;
        else
            a->odd++;
    }
    return NULL;
}

static void begin_to_ask(struct asker *askers, int count, int port, const char *target)
{
    int i;

    atomic_store(&over, false);
    for (i = 0; i < count; i++) {
        askers[i] = (struct asker){.port = port, .target = target};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_on, &askers[i]), 0);
    }
}

static void end_asking(struct asker *askers, int count)
{
    int i;

    atomic_store(&over, true);
    for (i = 0; i < count; i++) {
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        assert_int_equal(askers[i].odd, 0);
        assert_true(askers[i].answers > 0);
        print_message("%d answers meanwhile\n", askers[i].answers);
    }
}

/* Periodic ones that come often, so that callbacks run all the time; and one on demand. */
static void add_busy_checks(struct health *h)
{
    struct health_check check = HEALTH_CHECK_INIT;
    char name[24];
    int i;

    assert_int_equal(add_pid(h), 0);
    for (i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), "busy-%d", i);
        check.name = name;
        check.fn = tell_pid;
        check.interval_ms = 10;
        check.timeout_ms = TIMEOUT_MS;
        assert_int_equal(health_add_check(h, &check), 0);
    }
    assert_int_equal(client_status(service_port(h), "/health/pid"), 200);
    document_free(asking_until(service_port(h), "/health", "busy-2", "pass", LONG_MS));
}

static int is_stopped(void *h)
{
    PROCESS_CHECK(health_port(h) == HEALTH_ESTOPPED);
    PROCESS_CHECK(health_stop(h, 0) == HEALTH_ESTOPPED);
    return 0;
}

static void forking_under_load_harms_nobody(void **state)
{
    struct health *h = service_start(NULL);
    struct asker askers[2];
    int i;

    (void)state;
    add_busy_checks(h);
    begin_to_ask(askers, 2, service_port(h), "/health");
    for (i = 0; i < FORKS; i++)
        assert_int_equal(in_child(is_stopped, h), 0);
    end_asking(askers, 2);
    service_end(h);
}

static atomic_int bad_children;

static void *fork_on(void *h)
{
    int i;

    for (i = 0; i < FORKS / WORKERS; i++)
        if (in_child(is_stopped, h) != 0)
            atomic_fetch_add(&bad_children, 1);
    return NULL;
}

static void several_threads_may_fork_at_once(void **state)
{
    struct health *h = service_start(NULL), *other = service_start(NULL);
    pthread_t forkers[WORKERS];
    struct asker askers[2];
    int i;

    (void)state;
    add_busy_checks(h);
    add_busy_checks(other);
    begin_to_ask(askers, 2, service_port(h), "/health");
    for (i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&forkers[i], NULL, fork_on, i % 2 ? h : other), 0);
    for (i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(forkers[i], NULL), 0);
    assert_int_equal(atomic_load(&bad_children), 0);
    end_asking(askers, 2);
    service_end(other);
    service_end(h);
}

/* ---- From a callback ---- */

static int start_here(void *arg)
{
    struct health *h = arg;

    PROCESS_CHECK(health_port(h) == HEALTH_ESTOPPED);
    PROCESS_CHECK(health_start(h) == 0);
    PROCESS_CHECK(who_answers(health_port(h)) == getpid());
    PROCESS_CHECK(health_stop(h, TIMEOUT_MS) == 0);
    PROCESS_CHECK(health_port(h) == HEALTH_ESTOPPED);
    health_free(h);
    return 0;
}

static atomic_int forked_inside;

static void fork_inside(struct health_result *result, void *h)
{
    (void)result;
    if (in_child(is_stopped, h) != 0 || (MAY_START && in_child(start_here, h) != 0))
        atomic_fetch_add(&bad_children, 1);
    atomic_fetch_add(&forked_inside, 1);
}

static void a_callback_may_fork(void **state)
{
    static struct puppet p;
    struct health *h = service_start(NULL);
    struct asker askers[2];
    struct health_check check;
    int i;

    (void)state;
    atomic_store(&bad_children, 0);
    assert_int_equal(add_pid(h), 0);
    puppet_init(&p);
    puppet_calls(&p, fork_inside, h);
    check = puppet_check(&p, "forks");
    check.probes = HEALTH_LIVE; /* not what is asked in the child */
    check.max_age_ms = 1;
    check.timeout_ms = 60000;
    assert_int_equal(health_add_check(h, &check), 0);
    begin_to_ask(askers, 2, service_port(h), "/ready");
    for (i = 0; i < FORKS / 20; i++)
        assert_int_equal(client_status(service_port(h), "/health/forks"), 200);
    end_asking(askers, 2);
    assert_true(atomic_load(&forked_inside) > 0);
    assert_int_equal(atomic_load(&bad_children), 0);
    service_end(h);
}

static pid_t _Atomic returned_child;

/* The child goes back from where it came. */
static void fork_and_return(struct health_result *result, void *arg)
{
    pid_t pid = fork();

    (void)result;
    (void)arg;
    if (pid == 0)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    else
        atomic_store(&returned_child, pid);
}

static void a_child_that_returns_from_a_callback_ends(void **state)
{
    static struct puppet p;
    struct health *h = service_start(NULL);
    struct health_check check;
    int status;

    (void)state;
    puppet_init(&p);
    puppet_calls(&p, fork_and_return, NULL);
    check = puppet_check(&p, "forks");
    check.timeout_ms = 60000;
    assert_int_equal(health_add_check(h, &check), 0);
    assert_int_equal(client_status(service_port(h), "/health/forks"), 200);
    /* Its only thread has nothing to do any more.  A sanitizer takes what the others had for lost.
     */
    status = end_child(atomic_load(&returned_child));
    assert_true(status == 0 || (PROCESS_SANITIZED && status > 0));
    service_end(h);
    assert_int_equal(puppet_begun(&p), 1);
    assert_int_equal(puppet_ended(&p), 1);
}

/* ---- While it starts and stops ---- */

static void *start_and_stop(void *h)
{
    intptr_t odd = 0;

    while (!atomic_load(&over)) {
        odd += health_start(h) != 0;
        odd += who_answers(health_port(h)) != getpid();
        odd += health_stop(h, TIMEOUT_MS) != 0;
    }
    return (void *)odd;
}

static int free_here(void *h)
{
    PROCESS_CHECK(is_stopped(h) == 0);
    if (MAY_START)
        health_free(h);
    return 0;
}

static void forking_while_it_starts_and_stops_harms_nobody(void **state)
{
    struct health *h = service_start(NULL);
    pthread_t thread;
    void *odd = NULL;
    int i;

    (void)state;
    assert_int_equal(add_pid(h), 0);
    assert_int_equal(health_stop(h, TIMEOUT_MS), 0);
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&thread, NULL, start_and_stop, h), 0);
    for (i = 0; i < FORKS; i++)
        assert_int_equal(in_child(i % 2 ? free_here : MAY_START ? start_here : is_stopped, h), 0);
    atomic_store(&over, true);
    assert_int_equal(pthread_join(thread, &odd), 0);
    assert_int_equal((intptr_t)odd, 0);
    health_free(h);
}

/* ---- The port ---- */

/* A port that is free now. */
static int find_port(void)
{
    struct health *h = service_start(NULL);
    int port = service_port(h);

    service_end(h);
    return port;
}

struct survivor {
    int port;
    int pipe_fds[2]; /* what is left of the family ends with the test's end */
};

/* Serves, forks a child that outlives it, and waits for its own end. */
static int leave_a_child(struct process *self, void *arg)
{
    const struct survivor *s = arg;
    char byte;
    pid_t pid;

    (void)close(s->pipe_fds[1]);
    PROCESS_CHECK(add_pid(NULL) == 0);
    PROCESS_CHECK(health_serve((unsigned)s->port) == 0);
    PROCESS_CHECK(who_answers(s->port) == getpid());
    pid = fork();
    if (pid == 0) {
        (void)read(s->pipe_fds[0], &byte, 1);
        _exit(0);
    }
    PROCESS_CHECK(pid > 0);
    PROCESS_CHECK(process_say(self, pid));
    (void)read(s->pipe_fds[0], &byte, 1);
    return 1;
}

static void the_port_is_free_when_the_parent_was_killed(void **state)
{
    struct survivor s = {.port = find_port()};
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h;
    struct process p;
    char listen[32];
    int64_t child, killed_at;

    (void)state;
    assert_int_equal(pipe2(s.pipe_fds, O_CLOEXEC), 0);
    assert_int_equal(process_start(&p, leave_a_child, &s), 0);
    assert_true(process_hear(&p, &child, TIMEOUT_MS));
    assert_int_equal(who_answers(s.port), p.pid);
    killed_at = client_now_ms();
    assert_int_equal(kill(p.pid, SIGKILL), 0);
    assert_int_equal(process_end(&p), -1);

    assert_int_equal(kill((pid_t)child, 0), 0);
    assert_true(refuses_connections(s.port));
    print_message("connections are refused %d ms after the parent was killed\n",
        (int)(client_now_ms() - killed_at));
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%d", s.port);
    options.listen = listen;
    h = service_start(&options);
    assert_int_equal(add_pid(h), 0);
    assert_int_equal(who_answers(s.port), getpid());
    assert_int_equal(kill((pid_t)child, 0), 0);
    service_end(h);
    (void)close(s.pipe_fds[1]);
    (void)close(s.pipe_fds[0]);
}

/* A child that no handler of fork() knows of: its descriptors are copies of all of ours. */
static pid_t fork_unheard(int told_by)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    char byte;

    if (pid == 0) {
        (void)syscall(SYS_read, told_by, &byte, 1);
        (void)syscall(SYS_exit_group, 0);
    }
    return pid;
}

static void the_port_is_free_after_a_stop_whoever_holds_it(void **state)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    int port = find_port(), pipe_fds[2];
    struct health *h;
    char listen[32];
    pid_t child;

    (void)state;
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%d", port);
    options.listen = listen;
    h = service_start(&options);
    assert_int_equal(add_pid(h), 0);
    assert_int_equal(who_answers(port), getpid());
    assert_int_equal(pipe(pipe_fds), 0);
    child = fork_unheard(pipe_fds[0]);
    assert_true(child > 0);
    assert_int_equal(who_answers(port), getpid());
    assert_int_equal(health_stop(h, TIMEOUT_MS), 0);
    assert_true(refuses_connections(port));
    assert_int_equal(health_start(h), 0);
    assert_int_equal(who_answers(port), getpid());
    service_end(h);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(end_child(child), -1);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
}

/* ---- In the child ---- */

static int find_all_kept(void *arg)
{
    struct health *h = arg;
    const struct client_request q = {
        .target = "/health", .port = health_start(h) == 0 ? health_port(h) : 0};
    struct response r;

    PROCESS_CHECK(q.port > 0);
    PROCESS_CHECK(who_answers(q.port) == getpid());
    PROCESS_CHECK(client_try(&q, &r) == CLIENT_OK);
    PROCESS_CHECK(r.status == 200);
    PROCESS_CHECK(strstr(r.body, "\"pid\":[{\"status\":\"pass\"") != NULL);
    PROCESS_CHECK(strstr(r.body, "\"loop\":[{\"status\":\"pass\"") != NULL);
    PROCESS_CHECK(strstr(r.body, "\"queue\":[{\"status\":\"warn\"") != NULL);
    PROCESS_CHECK(strstr(r.body, "\"output\":\"half full\"") != NULL);
    PROCESS_CHECK(strstr(r.body, "\"ready\":false") != NULL);
    response_free(&r);
    PROCESS_CHECK(client_try_status(q.port, "/ready") == 503);
    health_set_ready(h, true);
    PROCESS_CHECK(client_try_status(q.port, "/ready") == 200);
    PROCESS_CHECK(health_remove(h, "loop") == 0);
    PROCESS_CHECK(health_report(h, "queue", HEALTH_PASS, NULL) == 0);
    PROCESS_CHECK(client_try_status(q.port, "/health/queue") == 200);
    PROCESS_CHECK(client_try_status(q.port, "/health/loop") == 404);
    PROCESS_CHECK(health_stop(h, TIMEOUT_MS) == 0);
    health_free(h);
    return 0;
}

/* And its child as well. */
static int find_all_kept_twice(void *h)
{
    PROCESS_CHECK(in_child(find_all_kept, h) == 0);
    return find_all_kept(h);
}

static void checks_and_gates_are_kept(void **state)
{
    struct health *h = service_start(NULL);
    struct health_heartbeat *beat = NULL;

    (void)state;
    assert_int_equal(add_pid(h), 0);
    service_add_pushed(h, "queue", 0);
    assert_int_equal(health_add_heartbeat(h, "loop", 60000, 0, &beat), 0);
    assert_int_equal(health_report(h, "queue", HEALTH_WARN, "half full"), 0);
    health_set_ready(h, false);
    assert_int_equal(client_status(service_port(h), "/health"), 200);
    let_rest();
    assert_int_equal(in_child(find_all_kept_twice, h), 0);
    assert_int_equal(client_status(service_port(h), "/ready"), 503);
    assert_int_equal(client_status(service_port(h), "/health/loop"), 200);
    service_end(h);
}

/* Waits until nobody answers at the port, and starts there. */
static int take_over(void *arg)
{
    int64_t deadline = client_deadline(TIMEOUT_MS);
    int port = *(int *)arg;

    while (!refuses_connections(port)) {
        PROCESS_CHECK(client_now_ms() < deadline);
        (void)poll(NULL, 0, 1);
    }
    PROCESS_CHECK(health_serve((unsigned)port) == 0);
    PROCESS_CHECK(who_answers(port) == getpid());
    PROCESS_CHECK(health_stop(NULL, TIMEOUT_MS) == 0);
    return 0;
}

static int hand_over(struct process *self, void *arg)
{
    int port = *(int *)arg;
    pid_t child;

    (void)self;
    PROCESS_CHECK(add_pid(NULL) == 0);
    PROCESS_CHECK(health_serve((unsigned)port) == 0);
    PROCESS_CHECK(who_answers(port) == getpid());
    let_rest();
    child = begin_child(take_over, &port);
    PROCESS_CHECK(who_answers(port) == getpid());
    PROCESS_CHECK(health_stop(NULL, TIMEOUT_MS) == 0);
    PROCESS_CHECK(end_child(child) == 0);
    /* And back. */
    PROCESS_CHECK(health_serve((unsigned)port) == 0);
    PROCESS_CHECK(who_answers(port) == getpid());
    PROCESS_CHECK(health_stop(NULL, TIMEOUT_MS) == 0);
    leave();
}

static void the_child_may_take_the_port_over(void **state)
{
    struct process p;
    int port = find_port();

    (void)state;
    assert_int_equal(process_start(&p, hand_over, &port), 0);
    assert_int_equal(process_end(&p), 0);
}

/* Several generations, of which each forks, ends, and so leaves the port to the next. */
static int become_a_daemon(struct process *self, void *arg)
{
    int64_t deadline = client_deadline(TIMEOUT_MS);
    int port = *(int *)arg, error, generation;

    PROCESS_CHECK(add_pid(NULL) == 0);
    PROCESS_CHECK(health_serve((unsigned)port) == 0);
    PROCESS_CHECK(who_answers(port) == getpid());
    for (generation = 0; generation < 2; generation++) {
        pid_t before = getpid();

        let_rest();
        PROCESS_CHECK(daemon(0, 1) == 0);
        PROCESS_CHECK(getpid() != before);
        PROCESS_CHECK(health_port(NULL) == HEALTH_ESTOPPED);
    }
    /* The one before may not have ended yet. */
    while ((error = health_serve((unsigned)port)) == HEALTH_ELISTEN && client_now_ms() < deadline)
        (void)poll(NULL, 0, 1);
    PROCESS_CHECK(error == 0);
    PROCESS_CHECK(who_answers(port) == getpid());
    PROCESS_CHECK(process_say(self, getpid()));
    /* The test asks, and then closes its end. */
    (void)process_hear(self, &deadline, TIMEOUT_MS);
    PROCESS_CHECK(health_stop(NULL, TIMEOUT_MS) == 0);
    leave();
}

static void a_daemon_serves(void **state)
{
    struct process p;
    int port = find_port();
    int64_t daemon_pid = 0;
    int64_t deadline;

    (void)state;
    assert_int_equal(process_start(&p, become_a_daemon, &port), 0);
    assert_true(process_hear(&p, &daemon_pid, 2 * TIMEOUT_MS));
    assert_true(daemon_pid != p.pid);
    assert_int_equal(who_answers(port), daemon_pid);
    assert_int_equal(process_end(&p), 0);
    deadline = client_deadline(TIMEOUT_MS);
    while (!refuses_connections(port) && client_now_ms() < deadline)
        (void)poll(NULL, 0, 5);
    assert_true(refuses_connections(port));
}

/* ---- Pre-fork servers ---- */

struct worker {
    struct health *h;
    struct process process;
};

static int work(struct process *self, void *arg)
{
    struct worker *w = arg;
    int64_t end;

    PROCESS_CHECK(health_start(w->h) == 0);
    PROCESS_CHECK(process_say(self, health_port(w->h)));
    (void)process_hear(self, &end, 3 * TIMEOUT_MS);
    PROCESS_CHECK(health_stop(w->h, TIMEOUT_MS) == 0);
    health_free(w->h);
    leave();
}

static void serve_in_workers(struct health *h)
{
    static struct worker workers[WORKERS];
    int64_t ports[WORKERS];
    int i;

    let_rest();
    for (i = 0; i < WORKERS; i++) {
        workers[i].h = h;
        assert_int_equal(process_start(&workers[i].process, work, &workers[i]), 0);
    }
    for (i = 0; i < WORKERS; i++) {
        assert_true(process_hear(&workers[i].process, &ports[i], TIMEOUT_MS));
        assert_true(ports[i] > 0);
    }
    for (i = 0; i < 5 * WORKERS; i++)
        assert_int_equal(who_answers((int)ports[i % WORKERS]), workers[i % WORKERS].process.pid);
    for (i = 0; i < WORKERS; i++)
        assert_int_equal(process_end(&workers[i].process), 0);
}

static void workers_forked_before_serve(void **state)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;

    (void)state;
    options.listen = "127.0.0.1:0";
    options.response_ms = TIMEOUT_MS;
    assert_int_equal(health_new(&h, &options), 0);
    assert_int_equal(add_pid(h), 0);
    serve_in_workers(h);
    /* Afterwards the parent, and workers of one that has served. */
    assert_int_equal(health_start(h), 0);
    assert_int_equal(who_answers(health_port(h)), getpid());
    serve_in_workers(h);
    assert_int_equal(who_answers(health_port(h)), getpid());
    service_end(h);
}

/* ---- What ends in the child ---- */

/* A job's check, asked for by a request that is given up, so that it is in its callback. */
static void hang(struct health *h, struct job *job)
{
    struct health_check check = HEALTH_CHECK_INIT;
    struct client c;

    check.name = "hung";
    check.fn = job_run;
    check.arg = job;
    check.release = job_release;
    check.timeout_ms = 100;
    assert_int_equal(health_add_check(h, &check), 0);
    asking_begin(&c, service_port(h), "/health/hung");
    count_wait(&job->begun, 1);
    client_close(&c);
}

struct ending {
    struct health *h;
    struct job *job;
    int released; /* how often it has to be, in the end */
};

static int free_with_a_job(void *arg)
{
    const struct ending *e = arg;

    jobs_forget();
    PROCESS_CHECK(is_stopped(e->h) == 0);
    e->job->let = true;
    health_free(e->h);
    PROCESS_CHECK(e->job->released == e->released);
    PROCESS_CHECK(e->job->ended == 0);
    return 0;
}

static int run_again_with_a_job(void *arg)
{
    const struct ending *e = arg;
    int begun = e->job->begun;

    jobs_forget();
    e->job->let = true;
    PROCESS_CHECK(health_start(e->h) == 0);
    PROCESS_CHECK(client_try_status(health_port(e->h), "/health/hung") == 200);
    PROCESS_CHECK(health_stop(e->h, TIMEOUT_MS) == 0);
    PROCESS_CHECK(e->job->begun == begun + 1);
    health_free(e->h);
    PROCESS_CHECK(e->job->released == 1);
    return 0;
}

static void what_hangs_in_the_parent_does_not_in_the_child(void **state)
{
    static struct job job = {.returns = HEALTH_PASS};
    struct health *h = service_start(NULL);
    struct ending e = {h, &job, 1};

    (void)state;
    hang(h, &job);
    let_rest();
    assert_int_equal(in_child(free_with_a_job, &e), 0);
    assert_int_equal(in_child(run_again_with_a_job, &e), 0);
    job_let(&job);
    service_end(h);
    assert_int_equal(job.begun, 1);
    assert_int_equal(job.released, 1);
}

static void one_removed_while_it_runs_is_released_once(void **state)
{
    static struct job job = {.returns = HEALTH_PASS};
    struct health *h = service_start(NULL);
    struct ending e = {h, &job, 1};

    (void)state;
    hang(h, &job);
    let_rest();
    assert_int_equal(health_remove(h, "hung"), HEALTH_EBUSY);
    assert_int_equal(in_child(free_with_a_job, &e), 0);
    assert_int_equal(count_of(&job.released), 0);
    job_let(&job);
    count_wait(&job.released, 1);
    /* The child of one in which it is over has nothing left to do. */
    assert_int_equal(in_child(is_stopped, h), 0);
    service_end(h);
    assert_int_equal(job.released, 1);
}

static int free_with_a_release(void *arg)
{
    const struct ending *e = arg;

    jobs_forget();
    health_free(e->h);
    PROCESS_CHECK(e->job->releasing == 1);
    return 0;
}

static void a_release_that_was_begun_is_not_begun_again(void **state)
{
    static struct job job = {.returns = HEALTH_PASS, .let = true, .hold_release = true};
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *h = service_start(NULL);
    struct ending e = {h, &job, 0};

    (void)state;
    check.name = "hung";
    check.fn = job_run;
    check.arg = &job;
    check.release = job_release;
    assert_int_equal(health_add_check(h, &check), 0);
    assert_int_equal(client_status(service_port(h), "/health/hung"), 200);
    job.let = false;
    assert_int_equal(health_remove(h, "hung"), 0);
    count_wait(&job.releasing, 1);
    let_rest();
    assert_int_equal(in_child(free_with_a_release, &e), 0);
    job_let(&job);
    count_wait(&job.released, 1);
    service_end(h);
    assert_int_equal(job.releasing, 1);
    assert_int_equal(job.released, 1);
}

/* ---- Whoever waits in the parent ---- */

static void *wait_for_a_document(void *h)
{
    enum health_status status = HEALTH_PASS;
    int error = health_document(h, HEALTH_READY, NULL, 0, NULL, &status);

    return (void *)(intptr_t)(error == 0 && status == HEALTH_PASS);
}

static atomic_int changes;

static void count_change(const struct health_change *change, void *arg)
{
    (void)change;
    (void)arg;
    atomic_fetch_add(&changes, 1);
}

static int ask_inside(void *arg)
{
    const struct ending *e = arg;
    enum health_status status = HEALTH_FAIL;

    jobs_forget();
    e->job->let = true;
    atomic_store(&changes, 0);
    PROCESS_CHECK(health_start(e->h) == 0);
    PROCESS_CHECK(health_document(e->h, HEALTH_READY, NULL, 0, NULL, &status) == 0);
    PROCESS_CHECK(status == HEALTH_PASS);
    PROCESS_CHECK(health_stop(e->h, TIMEOUT_MS) == 0);
    PROCESS_CHECK(atomic_load(&changes) > 0);
    health_free(e->h);
    return 0;
}

static void who_waits_inside_waits_in_the_parent_alone(void **state)
{
    static struct job job = {.returns = HEALTH_PASS};
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *h = service_start(NULL);
    struct ending e = {h, &job, 1};
    pthread_t thread;
    void *passed = NULL;

    (void)state;
    assert_int_equal(health_on_change(h, count_change, NULL), 0);
    check.name = "hung";
    check.fn = job_run;
    check.arg = &job;
    check.timeout_ms = 60000;
    assert_int_equal(health_add_check(h, &check), 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_a_document, h), 0);
    count_wait(&job.begun, 1);
    let_rest();
    assert_int_equal(in_child(ask_inside, &e), 0);
    job_let(&job);
    assert_int_equal(pthread_join(thread, &passed), 0);
    assert_true((intptr_t)passed == 1);
    service_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_child_answers_for_nobody),
        cmocka_unit_test(forking_under_load_harms_nobody),
        cmocka_unit_test(several_threads_may_fork_at_once),
        cmocka_unit_test(the_port_is_free_after_a_stop_whoever_holds_it),
        cmocka_unit_test(one_removed_while_it_runs_is_released_once),
        cmocka_unit_test(a_release_that_was_begun_is_not_begun_again),
    };
    const struct CMUnitTest starting[] = {
        cmocka_unit_test(a_callback_may_fork),
        cmocka_unit_test(a_child_that_returns_from_a_callback_ends),
        cmocka_unit_test(forking_while_it_starts_and_stops_harms_nobody),
        cmocka_unit_test(the_port_is_free_when_the_parent_was_killed),
        cmocka_unit_test(checks_and_gates_are_kept),
        cmocka_unit_test(the_child_may_take_the_port_over),
        cmocka_unit_test(a_daemon_serves),
        cmocka_unit_test(workers_forked_before_serve),
        cmocka_unit_test(what_hangs_in_the_parent_does_not_in_the_child),
        cmocka_unit_test(who_waits_inside_waits_in_the_parent_alone),
    };
    int failed = cmocka_run_group_tests_name("guest_fork", tests, NULL, NULL);

    if (PROCESS_THREAD_SANITIZED) {
        print_message("NOT TESTED: ThreadSanitizer takes no threads in the child of a fork()\n");
        return failed;
    }
    return failed + cmocka_run_group_tests_name("guest_fork, starting", starting, NULL, NULL);
}
