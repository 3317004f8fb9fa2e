/*
 * Faults on purpose: the Nth allocation fails, or the Nth call of one of the system's functions,
 * for every N until none is left, through a story that has every public function in it.
 *
 * Each time: no crash and no leak; what fails says one of the documented errors; and when the fault
 * is over the endpoint answers as it should.
 *
 * Calls are counted that the library makes on its own threads, and those on ours while we are in
 * it.  What libmicrohttpd and cJSON call by themselves is not seen here.  Not made to fail is what
 * cannot: clock_gettime(), fstat(), and epoll_ctl() of what is in the set already.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: malloc calloc realloc strdup */
/* wrap: socket bind listen accept4 setsockopt getsockname socketpair recv syscall */
/* wrap: epoll_create1 epoll_ctl epoll_wait */
/* wrap: pthread_create pthread_mutex_init pthread_cond_init pthread_attr_init */
/* timeout: 300 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/checks.h>
#include <health/health.h>

#include "asking.h"
#include "client.h"
#include "process.h"

/* ---- The faults ---- */

enum what {
    MEMORY,
    SOCKET,
    BIND,
    LISTEN,
    ACCEPT,
    SETSOCKOPT,
    GETSOCKNAME,
    SOCKETPAIR,
    RECV,
    SENDTO,
    EPOLL_CREATE,
    EPOLL_ADD,
    EPOLL_WAIT,
    THREAD,
    MUTEX,
    COND,
    ATTR,
    WHATS
};

static const struct {
    const char *name;
    int error;
} faults[WHATS] = {{"an allocation", ENOMEM}, {"socket()", EMFILE}, {"bind()", EADDRINUSE},
    {"listen()", EADDRINUSE}, {"accept4()", EMFILE}, {"setsockopt()", ENOBUFS},
    {"getsockname()", ENOBUFS}, {"socketpair()", EMFILE}, {"recv()", ENOMEM}, {"sendto()", ENOBUFS},
    {"epoll_create1()", EMFILE}, {"epoll_ctl()", ENOSPC}, {"epoll_wait()", EINTR},
    {"pthread_create()", EAGAIN}, {"pthread_mutex_init()", EAGAIN}, {"pthread_cond_init()", EAGAIN},
    {"pthread_attr_init()", ENOMEM}};

static atomic_int what; /* fails next; -1: nothing */
static atomic_long countdown;
static atomic_bool fired;
static _Thread_local bool outside; /* this thread is in no function of the library's */

/* Whether this call is the one. */
static bool fails(enum what called)
{
    if (outside || atomic_load(&what) != (int)called || atomic_fetch_sub(&countdown, 1) != 1)
        return false;
    atomic_store(&fired, true);
    errno = faults[called].error;
    return true;
}

static void arm(enum what next, long n)
{
    atomic_store(&fired, false);
    atomic_store(&countdown, n);
    atomic_store(&what, (int)next);
}

/* Nothing fails from now on. */
static void disarm(void)
{
    atomic_store(&what, -1);
}

#define WRAP(type, name, parameters, arguments, which, failure)                                    \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fails(which) ? (failure) : __real_##name arguments;                                 \
    }

WRAP(void *, malloc, (size_t n), (n), MEMORY, NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), MEMORY, NULL)
WRAP(void *, realloc, (void *p, size_t n), (p, n), MEMORY, NULL)
WRAP(char *, strdup, (const char *s), (s), MEMORY, NULL)
WRAP(int, socket, (int d, int t, int p), (d, t, p), SOCKET, -1)
WRAP(int, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), BIND, -1)
WRAP(int, listen, (int fd, int n), (fd, n), LISTEN, -1)
WRAP(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int f), (fd, a, n, f), ACCEPT, -1)
WRAP(int, setsockopt, (int fd, int l, int o, const void *v, socklen_t n), (fd, l, o, v, n),
    SETSOCKOPT, -1)
WRAP(int, getsockname, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n), GETSOCKNAME, -1)
WRAP(int, socketpair, (int d, int t, int p, int *fds), (d, t, p, fds), SOCKETPAIR, -1)
WRAP(ssize_t, recv, (int fd, void *to, size_t n, int f), (fd, to, n, f), RECV, -1)
WRAP(int, epoll_create1, (int f), (f), EPOLL_CREATE, -1)
WRAP(
    int, epoll_wait, (int fd, struct epoll_event *e, int n, int ms), (fd, e, n, ms), EPOLL_WAIT, -1)
WRAP(int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*run)(void *), void *arg),
    (t, a, run, arg), THREAD, EAGAIN)
WRAP(int, pthread_mutex_init, (pthread_mutex_t * m, const pthread_mutexattr_t *a), (m, a), MUTEX,
    EAGAIN)
WRAP(
    int, pthread_cond_init, (pthread_cond_t * c, const pthread_condattr_t *a), (c, a), COND, EAGAIN)
WRAP(int, pthread_attr_init, (pthread_attr_t * a), (a), ATTR, ENOMEM)

int __real_epoll_ctl(int fd, int operation, int of, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int operation, int of, struct epoll_event *event);

int __wrap_epoll_ctl(int fd, int operation, int of, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD && fails(EPOLL_ADD))
        return -1;
    return __real_epoll_ctl(fd, operation, of, event);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
    va_list arguments;
    long a[6];
    int i;

    if (number != SYS_sendto)
        return __real_syscall(number);
    if (fails(SENDTO))
        return -1;
    va_start(arguments, number);
    for (i = 0; i < 6; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- The story ---- */

#define IN_IT(call) (outside = false, in_it((call)))

/* We are out of the library again. */
static int in_it(int result)
{
    outside = true;
    return result;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_int released;

static enum health_status pass(struct health_result *result, void *arg)
{
    bool before = outside;

    (void)arg;
    outside = false;
    health_observe(result, 1.5, "s");
    (void)health_explain(result, HEALTH_PASS, "%u ms left", health_remaining_ms(result));
    outside = before;
    return HEALTH_PASS;
}

static void release(void *arg)
{
    (void)arg;
    atomic_fetch_add(&released, 1);
}

static void told(const struct health_change *change, void *arg)
{
    (void)change;
    (void)arg;
}

/* One of the errors that the headers name. */
static void is_documented(int error, const char *call)
{
    static const int errors[] = {
        0, HEALTH_ENOMEM, HEALTH_ESYSTEM, HEALTH_ELISTEN, HEALTH_ENOENT, HEALTH_ESTOPPED};
    size_t i;

    for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (error == errors[i] && (error == 0 || health_last_error()[0] != '\0'))
            return;
    fail_msg("%s: %d (%s)", call, error, health_last_error());
}

#define TRY(call)                                                                                  \
    do {                                                                                           \
        int e = IN_IT(call);                                                                       \
        is_documented(e, #call);                                                                   \
    } while (0)

static int add(
    struct health *h, const char *name, health_check_fn *fn, unsigned interval_ms, unsigned probes)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = name;
    check.fn = fn;
    check.arg = &mutex;
    check.release = release;
    check.interval_ms = interval_ms;
    check.max_age_ms = fn != NULL && interval_ms == 0 ? 1 : 0;
    check.probes = probes;
    return health_add_check(h, &check);
}

/* Asks, whatever comes of it. */
static void ask(struct health *h, const char *target)
{
    int port = IN_IT(health_port(h));

    if (port > 0)
        (void)client_try_status(port, target);
}

static void live(struct health *h)
{
    static const char *const targets[] = {"/live", "/ready", "/startup", "/health?verbose",
        "/health?exclude=a&exclude=none", "/health/a", "/none"};
    struct health_heartbeat *b = NULL;
    enum health_status status;
    char document[4096];
    size_t i, length;

    TRY(add(h, "a", pass, 0, HEALTH_READY | HEALTH_STARTUP));
    TRY(add(h, "b", health_check_mutex, 0, HEALTH_LIVE));
    TRY(add(h, "c", pass, 20, HEALTH_READY));
    TRY(add(h, "d", NULL, 0, HEALTH_ALL));
    TRY(health_add_heartbeat(h, "e", 60000, 0, &b));
    health_beat(b);
    TRY(health_report(h, "d", HEALTH_WARN, "%s", "slow"));
    TRY(health_on_change(h, told, NULL));
    TRY(health_start(h));
    outside = false;
    health_set_started(h, true);
    health_set_ready(h, false);
    health_set_ready(h, true);
    outside = true;
    for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        ask(h, targets[i]);
    TRY(health_report(h, "d", HEALTH_PASS, NULL));
    TRY(health_document(h, HEALTH_ALL, document, sizeof(document), &length, &status));
    TRY(health_remove(h, "c"));
    health_idle(b);
    asking_pause(30);
}

/* When the fault is over all is as if it had not been: what failed can be done again. */
static void is_well(struct health *h)
{
    struct health_heartbeat *b;
    int error, port;

    error = health_start(h);
    if (error != 0 && error != HEALTH_EALREADY)
        fail_msg("does not start: %s", health_last_error());
    (void)add(h, "a", pass, 0, HEALTH_READY | HEALTH_STARTUP);
    (void)add(h, "d", NULL, 0, HEALTH_ALL);
    (void)health_add_heartbeat(h, "e", 60000, 0, &b);
    assert_int_equal(health_report(h, "d", HEALTH_PASS, NULL), 0);
    port = health_port(h);
    assert_true(port > 0);
    assert_int_equal(client_status(port, "/live"), 200);
    document_free(asking_until(port, "/health", "a", "pass", 10000));
    assert_int_equal(client_status(port, "/ready"), 200);
    assert_int_equal(health_report(h, "d", HEALTH_FAIL, "down"), 0);
    assert_int_equal(client_status(port, "/health"), 503);
    health_drain(h);
    assert_int_equal(client_status(port, "/ready"), 503);
    assert_int_equal(client_status(port, "/live"), 200);
}

/* Tells the story with this fault.  Returns: whether it came to pass. */
static bool tell(enum what next, long n)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;
    int error;

    options.listen = "127.0.0.1:0,[::1]:0";
    options.service_id = "faults";
    options.version = "1";
    options.release_id = "2";
    options.description = "fails";
    options.connections = 8;
    arm(next, n);
    error = IN_IT(health_new(&h, &options));
    is_documented(error, "health_new()");
    if (error == 0)
        live(h);
    disarm();
    if (error != 0) {
        assert_null(h);
        assert_int_equal(health_new(&h, &options), 0);
    }
    is_well(h);
    error = health_stop(h, 10000);
    if (error != 0)
        fail_msg("%s, %ld: does not stop: %s", faults[next].name, n, health_last_error());
    health_free(h);
    return atomic_load(&fired);
}

static void every_one_fails(enum what next)
{
    int descriptors = -1;
    long n;

    for (n = 1; tell(next, n); n++) {
        int now = process_descriptors(0);

        if (descriptors >= 0 && now > descriptors)
            fail_msg("%s, %ld: %d descriptors more", faults[next].name, n, now - descriptors);
        descriptors = now;
    }
    print_message("%s failed %ld times\n", faults[next].name, n - 1);
    assert_true(n > 1);
}

#define FAULT(name, which)                                                                         \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        every_one_fails(which);                                                                    \
    }

FAULT(each_allocation, MEMORY)
FAULT(each_socket, SOCKET)
FAULT(each_bind, BIND)
FAULT(each_listen, LISTEN)
FAULT(each_accept, ACCEPT)
FAULT(each_setsockopt, SETSOCKOPT)
FAULT(each_getsockname, GETSOCKNAME)
FAULT(each_socketpair, SOCKETPAIR)
FAULT(each_recv, RECV)
FAULT(each_sendto, SENDTO)
FAULT(each_epoll_create, EPOLL_CREATE)
FAULT(each_epoll_add, EPOLL_ADD)
FAULT(each_epoll_wait, EPOLL_WAIT)
FAULT(each_thread, THREAD)
FAULT(each_mutex, MUTEX)
FAULT(each_condition, COND)
FAULT(each_attribute, ATTR)

/* As it is without any. */
static void none(void **state)
{
    (void)state;
    assert_false(tell(MEMORY, 1000000));
    assert_true(atomic_load(&released) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none),
        cmocka_unit_test(each_allocation),
        cmocka_unit_test(each_socket),
        cmocka_unit_test(each_bind),
        cmocka_unit_test(each_listen),
        cmocka_unit_test(each_accept),
        cmocka_unit_test(each_setsockopt),
        cmocka_unit_test(each_getsockname),
        cmocka_unit_test(each_socketpair),
        cmocka_unit_test(each_recv),
        cmocka_unit_test(each_sendto),
        cmocka_unit_test(each_epoll_create),
        cmocka_unit_test(each_epoll_add),
        cmocka_unit_test(each_epoll_wait),
        cmocka_unit_test(each_thread),
        cmocka_unit_test(each_mutex),
        cmocka_unit_test(each_condition),
        cmocka_unit_test(each_attribute),
    };

    outside = true;
    atomic_store(&what, -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
