/*
 * Faults on purpose: makes the Nth call of one of the functions fail that the library has from its
 * system, libmicrohttpd or cJSON.  For one test, which has the linker wrap them.
 *
 * Counted are the calls that the library makes on its own threads, and those on a thread of the
 * test's while that is in the library, which it says by `outside`.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* X(which, what it is, the error it fails with) */
#define FAULTS(X)                                                                                  \
    X(MEMORY, "an allocation", ENOMEM)                                                             \
    X(SOCKET, "socket()", EMFILE)                                                                  \
    X(BIND, "bind()", EADDRINUSE)                                                                  \
    X(LISTEN, "listen()", EADDRINUSE)                                                              \
    X(ACCEPT, "accept4()", EMFILE)                                                                 \
    X(CONNECT, "connect()", EAGAIN)                                                                \
    X(SETSOCKOPT, "setsockopt()", ENOBUFS)                                                         \
    X(GETSOCKOPT, "getsockopt()", ENOBUFS)                                                         \
    X(GETSOCKNAME, "getsockname()", ENOBUFS)                                                       \
    X(GETPEERNAME, "getpeername()", ENOBUFS)                                                       \
    X(SOCKETPAIR, "socketpair()", EMFILE)                                                          \
    X(RECV, "recv()", ENOMEM)                                                                      \
    X(SENDTO, "sendto()", ENOBUFS)                                                                 \
    X(SENDMSG, "sendmsg()", ENOBUFS)                                                               \
    X(WAKE, "syscall(SYS_sendto)", ENOBUFS)                                                        \
    X(SHUTDOWN, "shutdown()", ENOBUFS)                                                             \
    X(POLL, "poll()", ENOMEM)                                                                      \
    X(EPOLL_CREATE, "epoll_create1()", EMFILE)                                                     \
    X(EPOLL_ADD, "epoll_ctl(EPOLL_CTL_ADD)", ENOSPC)                                               \
    X(EPOLL_MOD, "epoll_ctl(EPOLL_CTL_MOD)", ENOMEM)                                               \
    X(EPOLL_DEL, "epoll_ctl(EPOLL_CTL_DEL)", ENOMEM)                                               \
    X(EPOLL_WAIT, "epoll_wait(), EINTR", EINTR)                                                    \
    X(EPOLL_WAIT_MEMORY, "epoll_wait(), ENOMEM", ENOMEM)                                           \
    X(OPEN, "open()", EMFILE)                                                                      \
    X(CLOSE, "close()", EINTR)                                                                     \
    X(WRITE, "write()", EIO)                                                                       \
    X(FSTAT, "fstat()", ENOMEM)                                                                    \
    X(LSTAT, "lstat()", EIO)                                                                       \
    X(STAT, "stat()", EIO)                                                                         \
    X(CHMOD, "chmod()", EIO)                                                                       \
    X(FCHMOD, "fchmod()", EIO)                                                                     \
    X(FLOCK, "flock()", ENOLCK)                                                                    \
    X(UNLINK, "unlink()", EIO)                                                                     \
    X(CLOCK, "clock_gettime()", EPERM)                                                             \
    X(SYSCONF, "sysconf()", EINVAL)                                                                \
    X(THREAD, "pthread_create()", EAGAIN)                                                          \
    X(THREAD_NAME, "pthread_setname_np()", ERANGE)                                                 \
    X(ATTR, "pthread_attr_init()", ENOMEM)                                                         \
    X(ATTR_STACK, "pthread_attr_setstacksize()", EINVAL)                                           \
    X(MUTEX, "pthread_mutex_init()", EAGAIN)                                                       \
    X(MUTEX_LOCK, "pthread_mutex_clocklock()", ETIMEDOUT)                                          \
    X(COND, "pthread_cond_init()", EAGAIN)                                                         \
    X(COND_ATTR, "pthread_condattr_init()", ENOMEM)                                                \
    X(COND_CLOCK, "pthread_condattr_setclock()", EINVAL)                                           \
    X(ATFORK, "pthread_atfork()", ENOMEM)                                                          \
    X(MHD_START, "MHD_start_daemon()", ENOMEM)                                                     \
    X(MHD_ADD, "MHD_add_connection()", ENOMEM)                                                     \
    X(MHD_RESPONSE, "MHD_create_response_…()", ENOMEM)                                             \
    X(MHD_HEADER, "MHD_add_response_header()", ENOMEM)                                             \
    X(MHD_QUEUE, "MHD_queue_response()", ENOMEM)                                                   \
    X(CJSON_ADD, "cJSON_AddItemTo…()", ENOMEM)                                                     \
    X(CJSON_PRINT, "cJSON_PrintPreallocated()", ENOMEM)

#define FAULTS_WHICH(which, name, error) which,
enum faults { FAULTS(FAULTS_WHICH) FAULTS_COUNT };
#undef FAULTS_WHICH

#define FAULTS_ENTRY(which, name, error) {name, error},
static const struct {
    const char *name;
    int error;
} faults[FAULTS_COUNT] = {FAULTS(FAULTS_ENTRY)};
#undef FAULTS_ENTRY

static atomic_int faults_next = -1; /* fails next; -1: nothing */
static long faults_n;               /* its number, for words */
static atomic_long faults_countdown;
static atomic_bool faults_fired;
static _Thread_local bool outside; /* this thread is in no function of the library's */

/* Whether this call is the one. */
static bool is_next(enum faults called)
{
    if (outside || atomic_load(&faults_next) != (int)called ||
        atomic_fetch_sub(&faults_countdown, 1) != 1)
        return false;
    atomic_store(&faults_fired, true);
    return true;
}

static bool fails(enum faults called)
{
    bool next = is_next(called);

    if (next)
        errno = faults[called].error;
    return next;
}

/* From now on, of the calls of this kind, the nth fails. */
static void faults_arm(enum faults next, long n)
{
    faults_n = n;
    atomic_store(&faults_fired, false);
    atomic_store(&faults_countdown, n);
    atomic_store(&faults_next, (int)next);
}

/* Nothing fails from now on.  Returns: whether anything has. */
static bool faults_disarm(void)
{
    atomic_store(&faults_next, -1);
    return atomic_load(&faults_fired);
}

/* ---- What fails ---- */

#define FAULTS_WRAP(type, name, parameters)                                                        \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters

/* With errno. */
#define WRAP(type, name, parameters, arguments, which, failure)                                    \
    FAULTS_WRAP(type, name, parameters)                                                            \
    {                                                                                              \
        return fails(which) ? (failure) : __real_##name arguments;                                 \
    }

/* With the error itself. */
#define WRAP_THREADS(name, parameters, arguments, which)                                           \
    FAULTS_WRAP(int, name, parameters)                                                             \
    {                                                                                              \
        return is_next(which) ? faults[which].error : __real_##name arguments;                     \
    }

WRAP(void *, malloc, (size_t n), (n), MEMORY, NULL)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), MEMORY, NULL)
WRAP(void *, realloc, (void *p, size_t n), (p, n), MEMORY, NULL)
WRAP(char *, strdup, (const char *s), (s), MEMORY, NULL)

WRAP(int, socket, (int d, int t, int p), (d, t, p), SOCKET, -1)
WRAP(int, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), BIND, -1)
WRAP(int, listen, (int fd, int n), (fd, n), LISTEN, -1)
WRAP(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int f), (fd, a, n, f), ACCEPT, -1)
WRAP(int, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n), CONNECT, -1)
WRAP(int, setsockopt, (int fd, int l, int o, const void *v, socklen_t n), (fd, l, o, v, n),
    SETSOCKOPT, -1)
WRAP(int, getsockopt, (int fd, int l, int o, void *v, socklen_t *n), (fd, l, o, v, n), GETSOCKOPT,
    -1)
WRAP(int, getsockname, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n), GETSOCKNAME, -1)
WRAP(int, getpeername, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n), GETPEERNAME, -1)
WRAP(int, socketpair, (int d, int t, int p, int *fds), (d, t, p, fds), SOCKETPAIR, -1)
WRAP(ssize_t, recv, (int fd, void *to, size_t n, int f), (fd, to, n, f), RECV, -1)
WRAP(ssize_t, sendto,
    (int fd, const void *from, size_t n, int f, const struct sockaddr *a, socklen_t length),
    (fd, from, n, f, a, length), SENDTO, -1)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int f), (fd, m, f), SENDMSG, -1)
WRAP(int, shutdown, (int fd, int how), (fd, how), SHUTDOWN, -1)
WRAP(int, poll, (struct pollfd * p, nfds_t n, int ms), (p, n, ms), POLL, -1)
WRAP(int, epoll_create1, (int f), (f), EPOLL_CREATE, -1)
WRAP(ssize_t, write, (int fd, const void *from, size_t n), (fd, from, n), WRITE, -1)
WRAP(int, fstat, (int fd, struct stat *s), (fd, s), FSTAT, -1)
WRAP(int, lstat, (const char *path, struct stat *s), (path, s), LSTAT, -1)
WRAP(int, stat, (const char *path, struct stat *s), (path, s), STAT, -1)
WRAP(int, chmod, (const char *path, mode_t mode), (path, mode), CHMOD, -1)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), FCHMOD, -1)
WRAP(int, flock, (int fd, int operation), (fd, operation), FLOCK, -1)
WRAP(int, unlink, (const char *path), (path), UNLINK, -1)
WRAP(int, clock_gettime, (clockid_t id, struct timespec *t), (id, t), CLOCK, -1)
WRAP(long, sysconf, (int name), (name), SYSCONF, -1)

WRAP_THREADS(pthread_create,
    (pthread_t * t, const pthread_attr_t *a, void *(*run)(void *), void *arg), (t, a, run, arg),
    THREAD)
WRAP_THREADS(pthread_setname_np, (pthread_t t, const char *name), (t, name), THREAD_NAME)
WRAP_THREADS(pthread_attr_init, (pthread_attr_t * a), (a), ATTR)
WRAP_THREADS(pthread_attr_setstacksize, (pthread_attr_t * a, size_t n), (a, n), ATTR_STACK)
WRAP_THREADS(pthread_mutex_init, (pthread_mutex_t * m, const pthread_mutexattr_t *a), (m, a), MUTEX)
WRAP_THREADS(pthread_mutex_clocklock,
    (pthread_mutex_t * m, clockid_t id, const struct timespec *until), (m, id, until), MUTEX_LOCK)
WRAP_THREADS(pthread_cond_init, (pthread_cond_t * c, const pthread_condattr_t *a), (c, a), COND)
WRAP_THREADS(pthread_condattr_init, (pthread_condattr_t * a), (a), COND_ATTR)
WRAP_THREADS(pthread_condattr_setclock, (pthread_condattr_t * a, clockid_t id), (a, id), COND_CLOCK)
WRAP_THREADS(pthread_atfork, (void (*prepare)(void), void (*parent)(void), void (*child)(void)),
    (prepare, parent, child), ATFORK)

WRAP(struct MHD_Response *, MHD_create_response_from_buffer,
    (size_t n, void *bytes, enum MHD_ResponseMemoryMode mode), (n, bytes, mode), MHD_RESPONSE, NULL)
WRAP(struct MHD_Response *, MHD_create_response_from_buffer_with_free_callback,
    (size_t n, void *bytes, MHD_ContentReaderFreeCallback done), (n, bytes, done), MHD_RESPONSE,
    NULL)
WRAP(enum MHD_Result, MHD_add_response_header,
    (struct MHD_Response * r, const char *name, const char *value), (r, name, value), MHD_HEADER,
    MHD_NO)
WRAP(enum MHD_Result, MHD_queue_response,
    (struct MHD_Connection * c, unsigned code, struct MHD_Response *r), (c, code, r), MHD_QUEUE,
    MHD_NO)
WRAP(cJSON_bool, cJSON_AddItemToArray, (cJSON * to, cJSON *item), (to, item), CJSON_ADD, 0)
WRAP(cJSON_bool, cJSON_AddItemToObjectCS, (cJSON * to, const char *name, cJSON *item),
    (to, name, item), CJSON_ADD, 0)
WRAP(cJSON_bool, cJSON_PrintPreallocated, (cJSON * from, char *to, int n, cJSON_bool formatted),
    (from, to, n, formatted), CJSON_PRINT, 0)

FAULTS_WRAP(struct MHD_Daemon *, MHD_start_daemon,
    (unsigned flags, uint16_t port, MHD_AcceptPolicyCallback accept, void *accept_arg,
        MHD_AccessHandlerCallback handle, void *handle_arg, ...))
{
    struct MHD_Daemon *daemon = NULL;
    va_list options;

    va_start(options, handle_arg);
    if (!fails(MHD_START))
        daemon = MHD_start_daemon_va(flags, port, accept, accept_arg, handle, handle_arg, options);
    va_end(options);
    return daemon;
}

/* Closed is the connection in any case. */
FAULTS_WRAP(enum MHD_Result, MHD_add_connection,
    (struct MHD_Daemon * d, MHD_socket fd, const struct sockaddr *a, socklen_t n))
{
    if (!is_next(MHD_ADD))
        return __real_MHD_add_connection(d, fd, a, n);
    outside = true;
    (void)close(fd);
    outside = false;
    errno = faults[MHD_ADD].error;
    return MHD_NO;
}

/* Linux closes, whatever it says. */
FAULTS_WRAP(int, close, (int fd))
{
    bool next = is_next(CLOSE);
    int result = __real_close(fd);

    if (!next)
        return result;
    errno = faults[CLOSE].error;
    return -1;
}

FAULTS_WRAP(int, open, (const char *path, int flags, ...))
{
    mode_t mode = 0;
    va_list arguments;

    va_start(arguments, flags);
    if ((flags & O_CREAT) != 0)
        mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return fails(OPEN) ? -1 : __real_open(path, flags, mode);
}

FAULTS_WRAP(int, epoll_ctl, (int fd, int operation, int of, struct epoll_event *event))
{
    enum faults which = operation == EPOLL_CTL_ADD   ? EPOLL_ADD
                        : operation == EPOLL_CTL_MOD ? EPOLL_MOD
                                                     : EPOLL_DEL;

    return fails(which) ? -1 : __real_epoll_ctl(fd, operation, of, event);
}

FAULTS_WRAP(int, epoll_wait, (int fd, struct epoll_event *events, int n, int ms))
{
    if (fails(EPOLL_WAIT) || fails(EPOLL_WAIT_MEMORY))
        return -1;
    return __real_epoll_wait(fd, events, n, ms);
}

/* One that is new here is to be made to fail as well. */
FAULTS_WRAP(long, syscall, (long number, ...))
{
    va_list arguments;
    long a[6];
    int i;

    if (number == SYS_gettid)
        return __real_syscall(number);
    if (number != SYS_sendto)
        abort();
    if (fails(WAKE))
        return -1;
    va_start(arguments, number);
    for (i = 0; i < 6; i++)
        a[i] = va_arg(arguments, long);
    va_end(arguments);
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#endif
