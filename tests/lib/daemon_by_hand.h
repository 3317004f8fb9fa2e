/*
 * MHD's daemon as the test plays it: it takes connections, and closes them when it is told to.
 *
 * For unit tests, which have the insides in reach; they wrap MHD_start_daemon, MHD_stop_daemon,
 * MHD_get_daemon_info, MHD_get_connection_info, MHD_add_connection, MHD_run, MHD_get_timeout and
 * MHD_resume_connection.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_DAEMON_BY_HAND_H
#define TESTS_DAEMON_BY_HAND_H

#include <microhttpd.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "by_hand.h"
#include "http/http.h"
#include "http/request.h"

#define DAEMON_CONNECTIONS 128

struct MHD_Connection {
    int fd; /* -1: closed */
    void *context;
    bool begun; /* the server was told so */
    bool suspended;
    union MHD_ConnectionInfo info;
};

struct MHD_Daemon {
    /* As it was started. */
    unsigned flags;
    bool logger_first;
    MHD_LogCallback log;
    void *log_arg;
    unsigned limit, timeout_s;
    int strictness;
    size_t pool_bytes;
    size_t (*unescape)(void *arg, struct MHD_Connection *connection, char *s);
    MHD_NotifyConnectionCallback notify;
    void *notify_arg;
    bool has_begins, has_completed;

    bool started;
    union MHD_DaemonInfo info;
    int epoll; /* what it waits on */
    struct MHD_Connection connections[DAEMON_CONNECTIONS];
    size_t count;
    int runs, resumes;
};

static struct MHD_Daemon mhd;
static int mhd_start_error;     /* not 0: it does not start */
static bool mhd_begins_late;    /* with a connection when it runs, as 1.0 does */
static bool mhd_closes;         /* it takes a connection, closes it, and says that it took none */
static bool mhd_refuses;        /* it takes no connection */
static bool mhd_has_timeout;    /* it wants to be run in time */
static unsigned mhd_timeout_ms; /* in so much */
static void (*mhd_does)(void);  /* what else it does when it runs */

struct MHD_Daemon *__wrap_MHD_start_daemon(unsigned flags, uint16_t port,
    MHD_AcceptPolicyCallback policy, void *policy_arg, MHD_AccessHandlerCallback handler,
    void *handler_arg, ...);
void __wrap_MHD_stop_daemon(struct MHD_Daemon *daemon);
const union MHD_DaemonInfo *__wrap_MHD_get_daemon_info(
    struct MHD_Daemon *daemon, enum MHD_DaemonInfoType type, ...);
const union MHD_ConnectionInfo *__wrap_MHD_get_connection_info(
    struct MHD_Connection *connection, enum MHD_ConnectionInfoType type, ...);
enum MHD_Result __wrap_MHD_add_connection(
    struct MHD_Daemon *daemon, int fd, const struct sockaddr *address, socklen_t length);
enum MHD_Result __wrap_MHD_run(struct MHD_Daemon *daemon);
enum MHD_Result __wrap_MHD_get_timeout(
    struct MHD_Daemon *daemon, MHD_UNSIGNED_LONG_LONG *ret_timeout);
void __wrap_MHD_resume_connection(struct MHD_Connection *connection);

static inline void mhd_read_options(va_list options)
{
    enum MHD_OPTION option;
    bool first = true;

    while ((option = va_arg(options, enum MHD_OPTION)) != MHD_OPTION_END) {
        switch ((int)option) {
        case MHD_OPTION_EXTERNAL_LOGGER:
            mhd.logger_first = first;
            mhd.log = va_arg(options, MHD_LogCallback);
            mhd.log_arg = va_arg(options, void *);
            break;
        case MHD_OPTION_CONNECTION_LIMIT:
            mhd.limit = va_arg(options, unsigned);
            break;
        case MHD_OPTION_STRICT_FOR_CLIENT:
            mhd.strictness = va_arg(options, int);
            break;
        case MHD_OPTION_CONNECTION_TIMEOUT:
            mhd.timeout_s = va_arg(options, unsigned);
            break;
        case MHD_OPTION_CONNECTION_MEMORY_LIMIT:
            mhd.pool_bytes = va_arg(options, size_t);
            break;
        case MHD_OPTION_URI_LOG_CALLBACK:
            mhd.has_begins =
                va_arg(options, void *(*)(void *, const char *, struct MHD_Connection *)) ==
                health__request_begins;
            (void)va_arg(options, void *);
            break;
        case MHD_OPTION_UNESCAPE_CALLBACK:
            mhd.unescape = va_arg(options, size_t(*)(void *, struct MHD_Connection *, char *));
            (void)va_arg(options, void *);
            break;
        case MHD_OPTION_NOTIFY_CONNECTION:
            mhd.notify = va_arg(options, MHD_NotifyConnectionCallback);
            mhd.notify_arg = va_arg(options, void *);
            break;
        case MHD_OPTION_NOTIFY_COMPLETED:
            mhd.has_completed =
                va_arg(options, MHD_RequestCompletedCallback) == health__request_completed;
            (void)va_arg(options, void *);
            break;
        default:
            fail_msg("MHD option %d", (int)option);
        }
        first = false;
    }
}

struct MHD_Daemon *__wrap_MHD_start_daemon(unsigned flags, uint16_t port,
    MHD_AcceptPolicyCallback policy, void *policy_arg, MHD_AccessHandlerCallback handler,
    void *handler_arg, ...)
{
    va_list options;

    assert_int_equal(port, 0);
    assert_null(policy);
    assert_null(policy_arg);
    assert_ptr_equal(handler, health__request_handle);
    assert_non_null(handler_arg);
    if (mhd_start_error != 0) {
        errno = mhd_start_error;
        return NULL;
    }
    memset(&mhd, 0, sizeof(mhd));
    mhd.flags = flags;
    va_start(options, handler_arg);
    mhd_read_options(options);
    va_end(options);
    mhd.epoll = epoll_create1(EPOLL_CLOEXEC);
    mhd.started = true;
    return &mhd;
}

static inline void mhd_begin(struct MHD_Connection *c)
{
    if (c->fd < 0 || c->begun)
        return;
    c->begun = true;
    mhd.notify(mhd.notify_arg, c, &c->context, MHD_CONNECTION_NOTIFY_STARTED);
}

static inline void mhd_close(struct MHD_Connection *c)
{
    if (c->fd < 0)
        return;
    /* MHD aborts the program. */
    assert_false(c->suspended);
    mhd.notify(mhd.notify_arg, c, &c->context, MHD_CONNECTION_NOTIFY_CLOSED);
    (void)close(c->fd);
    c->fd = -1;
}

void __wrap_MHD_stop_daemon(struct MHD_Daemon *daemon)
{
    size_t i;

    assert_ptr_equal(daemon, &mhd);
    assert_true(mhd.started);
    for (i = 0; i < mhd.count; i++)
        mhd_close(&mhd.connections[i]);
    (void)close(mhd.epoll);
    mhd.started = false;
}

const union MHD_DaemonInfo *__wrap_MHD_get_daemon_info(
    struct MHD_Daemon *daemon, enum MHD_DaemonInfoType type, ...)
{
    assert_int_equal(type, MHD_DAEMON_INFO_EPOLL_FD);
    daemon->info.epoll_fd = daemon->epoll;
    return &daemon->info;
}

const union MHD_ConnectionInfo *__wrap_MHD_get_connection_info(
    struct MHD_Connection *connection, enum MHD_ConnectionInfoType type, ...)
{
    assert_int_equal(type, MHD_CONNECTION_INFO_CONNECTION_FD);
    connection->info.connect_fd = connection->fd;
    return &connection->info;
}

enum MHD_Result __wrap_MHD_add_connection(
    struct MHD_Daemon *daemon, int fd, const struct sockaddr *address, socklen_t length)
{
    struct MHD_Connection *c = &daemon->connections[daemon->count];

    assert_non_null(address);
    assert_true(length > 0);
    if (mhd_refuses) {
        (void)close(fd);
        return MHD_NO;
    }
    assert_true(daemon->count < DAEMON_CONNECTIONS);
    daemon->count++;
    c->fd = fd;
    if (mhd_begins_late)
        return MHD_YES;
    mhd_begin(c);
    if (!mhd_closes)
        return MHD_YES;
    mhd_close(c);
    daemon->notify(daemon->notify_arg, c, &c->context, MHD_CONNECTION_NOTIFY_CLOSED);
    return MHD_NO;
}

/* Begins with what has come, closes what was shut down, and does nothing else. */
enum MHD_Result __wrap_MHD_run(struct MHD_Daemon *daemon)
{
    size_t i;

    daemon->runs++;
    if (mhd_does != NULL)
        mhd_does();
    for (i = 0; i < daemon->count; i++) {
        struct health__connection *c;

        mhd_begin(&daemon->connections[i]);
        c = daemon->connections[i].context;
        if (c != NULL && c->phase == HEALTH__LEAVING)
            mhd_close(&daemon->connections[i]);
    }
    return MHD_YES;
}

enum MHD_Result __wrap_MHD_get_timeout(
    struct MHD_Daemon *daemon, MHD_UNSIGNED_LONG_LONG *ret_timeout)
{
    assert_true(daemon->started);
    if (!mhd_has_timeout)
        return MHD_NO;
    *ret_timeout = mhd_timeout_ms;
    return MHD_YES;
}

void __wrap_MHD_resume_connection(struct MHD_Connection *connection)
{
    assert_true(connection->suspended);
    connection->suspended = false;
    mhd.resumes++;
}

#endif
