/*
 * The server.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "http/arrivals.h"
#include "http/request.h"

/* At its default, 1.0 refuses a request without Host, which load balancers send. */
#define STRICTNESS (MHD_VERSION >= 0x01000000 ? -1 : 0)

#define LAST_TURNS 3 /* MHD takes a connection in in one, and reads from it in the next */

static struct health__http *http_of(struct health__server *server)
{
    return health__container(server, struct health__http, server);
}

/* ---- MHD's callbacks ---- */

/* What MHD has to say is no business of the host's. */
static void say_nothing(void *arg, const char *format, va_list arguments)
{
    (void)arg;
    (void)format;
    (void)arguments;
}

/* Targets are read as they came. */
static size_t leave_escaped(void *arg, struct MHD_Connection *connection, char *s)
{
    (void)arg;
    (void)connection;
    return strlen(s);
}

/* Which of ours it is that MHD begins with: one of the last to come. */
static struct health__connection *arrived(
    struct health__http *http, struct MHD_Connection *connection)
{
    struct health__link *reading = &http->connections.phases[HEALTH__READING], *link;
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

    for (link = reading->prev; link != reading; link = link->prev) {
        struct health__connection *c = health__container(link, struct health__connection, in_phase);

        if (!c->known && c->fd.fd == fd)
            return c;
    }
    return NULL;
}

/* MHD says that it begins with a connection when it is handed over (0.9.75), or when it runs next
 * (1.0). */
static void notify_connection(void *arg, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode what)
{
    struct health__http *http = arg;
    struct health__connection *c;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        c = arrived(http, connection);
        *context = c;
        if (c != NULL) {
            c->known = true;
            http->arriving--;
        }
    } else if (*context != NULL) {
        health__connection_remove(&http->connections, *context);
        *context = NULL;
    }
}

/* ---- Start and stop ---- */

static struct MHD_Daemon *start_daemon(struct health__http *http)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, health__request_handle, http,
        /* First: what comes after it may already have something to say. */
        MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL,
        /* We have limits of our own; MHD's must not come before them.  Of time it has none. */
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)http->connections.room,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, HEALTH__POOL_BYTES, MHD_OPTION_URI_LOG_CALLBACK,
        health__request_begins, http, MHD_OPTION_STRICT_FOR_CLIENT, STRICTNESS,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        notify_connection, http, MHD_OPTION_NOTIFY_COMPLETED, health__request_completed, http,
        MHD_OPTION_END);
}

static void daemon_ready(struct health__source *source, unsigned what)
{
    (void)what;
    health__container(source, struct health__http, ready)->due_at = HEALTH__NOT_YET;
}

static int start(struct health__server *server, struct health__poller *poller, const char *listen)
{
    struct health__http *http = http_of(server);
    int error, cause;

    http->poller = poller;
    http->daemon = NULL;
    http->due_at = HEALTH__NEVER;
    http->draining = http->ending = false;
    http->arriving = 0;
    http->full_turns = 0;
    if (listen == NULL)
        listen = http->listen;
    error = health__listeners_open(&http->listeners, poller, listen);
    if (error != 0 || http->listeners.count == 0)
        return error;

    if (health__connections_init(&http->connections, http, http->limit) != 0 ||
        health__replies_init(&http->replies) != 0) {
        error = health__fail_memory();
        goto err;
    }
    http->daemon = start_daemon(http);
    if (http->daemon == NULL) {
        error = health__fail_errno(HEALTH_ESYSTEM, errno, "the HTTP server does not start");
        goto err;
    }
    http->ready = (struct health__source){
        daemon_ready, MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd};
    if (health__poller_add(poller, &http->ready, HEALTH__READABLE) != 0) {
        error = health__fail_errno(HEALTH_ESYSTEM, errno, "the HTTP server cannot be waited on");
        goto err;
    }
    atomic_store(&http->port, http->listeners.port);
    return 0;

err:
    cause = errno;
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    http->daemon = NULL;
    health__replies_done(&http->replies);
    health__connections_done(&http->connections);
    health__listeners_close(&http->listeners);
    errno = cause;
    return error;
}

/* Nobody of this phase waits any more.  Returns: whether anybody did. */
static bool hurry_all(struct health__link *phase)
{
    bool any = !health__list_empty(phase);

    while (!health__list_empty(phase))
        health__request_hurry(health__container(phase->next, struct health__connection, in_phase));
    return any;
}

/* A suspended connection would make MHD_stop_daemon() abort. */
static void resume_all(struct health__http *http)
{
    bool waited = hurry_all(&http->connections.phases[HEALTH__WAITING]);
    bool put_off = hurry_all(&http->connections.phases[HEALTH__PUT_OFF]);

    if (waited || put_off)
        (void)MHD_run(http->daemon);
}

/* Whether MHD's epoll is still there: no other descriptor can be the one that we wait on, as long
 * as what we wait on is ours, for which the loop looks. */
static bool has_epoll(struct health__http *http)
{
    return health__poller_has(http->poller, &http->ready);
}

/* Whether all of MHD's is: it aborts if a descriptor is not there any more. */
static bool is_whole(struct health__http *http)
{
    size_t i;

    for (i = 0; i < http->connections.used; i++)
        if (http->connections.all[i].phase != HEALTH__FREE &&
            !health__fd_is_ours(&http->connections.all[i].fd))
            return false;
    return has_epoll(http);
}

/* MHD's memory is left alone: it may be half changed, in the child of a fork, and MHD aborts where
 * something of it is lost. */
static void forget(struct health__server *server, bool lost)
{
    struct health__http *http = http_of(server);
    size_t i;

    atomic_store(&http->port, 0);
    health__listeners_forget(&http->listeners);
    if (http->daemon == NULL)
        return;
    for (i = 0; i < http->connections.used; i++) {
        struct health__connection *c = &http->connections.all[i];

        /* What has not been looked at may be the host's by now. */
        if (c->phase != HEALTH__FREE && !(lost && c->fd.inode == 0))
            health__fd_close(&c->fd);
    }
    if (!lost && has_epoll(http))
        (void)close(http->ready.fd);
    http->daemon = NULL;
    memset(http->answers->kept, 0, sizeof(http->answers->kept));
}

static void stop(struct health__server *server)
{
    struct health__http *http = http_of(server);

    atomic_store(&http->port, 0);
    health__listeners_close(&http->listeners);
    if (http->daemon == NULL)
        return;
    http->draining = http->ending = true;
    if (!is_whole(http)) {
        forget(server, true);
        return;
    }
    resume_all(http);
    health__poller_remove(http->poller, &http->ready);
    MHD_stop_daemon(http->daemon);
    http->daemon = NULL;
    health__answers_clear(http->answers);
    health__replies_done(&http->replies);
    health__connections_done(&http->connections);
}

/* ---- Each turn ---- */

static bool lies_in(const void *what, const void *from, size_t bytes)
{
    return (uintptr_t)what - (uintptr_t)from < bytes;
}

static bool owns(const struct health__server *server, const void *source)
{
    const struct health__http *http = health__container(server, struct health__http, server);
    const struct health__connections *t = &http->connections;

    return http->daemon != NULL &&
           (source == &http->ready || lies_in(source, &http->listeners, sizeof(http->listeners)) ||
               lies_in(source, t->all, t->used * sizeof(*t->all)));
}

static void run_daemon(struct health__http *http)
{
    struct health__connections *t = &http->connections;
    size_t i;

    http->due_at = HEALTH__NEVER;
    (void)MHD_run(http->daemon);
    /* Those that it has not begun with by now it could not, and has closed. */
    for (i = 0; http->arriving > 0 && i < t->used; i++) {
        if (t->all[i].phase == HEALTH__FREE || t->all[i].known)
            continue;
        health__connection_remove(t, &t->all[i]);
        http->arriving--;
    }
}

/* Runs MHD, once for each that was put off while there is time: so they go on in order, and a turn
 * does not last, whatever they are. */
static void run_in_turn(struct health__http *http, int64_t now)
{
    struct health__link *put_off = &http->connections.phases[HEALTH__PUT_OFF];

    if (http->due_at > now && health__list_empty(put_off))
        return;
    http->began_us = health__now_us();
    do {
        if (!health__list_empty(put_off))
            health__request_go_on(
                health__container(put_off->next, struct health__connection, in_phase));
        if (http->due_at <= now && !http->engine->lost)
            run_daemon(http);
    } while (!health__list_empty(put_off) && !http->engine->lost &&
             health__now_us() - http->began_us < HEALTH__ALONE_US);
}

static int64_t run(struct health__server *server, int64_t now)
{
    struct health__http *http = http_of(server);
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    int64_t next;

    if (http->daemon == NULL)
        return HEALTH__NEVER;
    health__listeners_tend(&http->listeners, now);
    if ((http->due_at <= now || health__listeners_ready(&http->listeners)) &&
        now >= http->looked_at + HEALTH__TRUST_MS) {
        http->looked_at = now;
        if (!has_epoll(http))
            health__engine_lose(http->engine);
    }
    if (http->engine->lost)
        return now;
    health__arrivals_accept(http, now);
    run_in_turn(http, now);
    health__connections_know(&http->connections);

    next = health__connections_expire(&http->connections, now);
    if (http->listeners.paused_to != HEALTH__NOT_YET && http->listeners.paused_to < next)
        next = http->listeners.paused_to;
    if (MHD_get_timeout(http->daemon, &timeout_ms) == MHD_YES &&
        now + (int64_t)timeout_ms < http->due_at)
        http->due_at = now + (int64_t)timeout_ms;
    if (http->due_at < next)
        next = http->due_at;
    /* Once drained there is nothing to wait for, and those who have not asked by now are shut down
     * in the next turn. */
    if (http->draining && (http->connections.count == 0 ||
                              !health__list_empty(&http->connections.phases[HEALTH__READING])))
        return now;
    if (!health__list_empty(&http->connections.phases[HEALTH__PUT_OFF]))
        return now;
    return health__listeners_ready(&http->listeners) ? now : next;
}

static void drain(struct health__server *server)
{
    struct health__http *http = http_of(server);
    struct health__link *reading = &http->connections.phases[HEALTH__READING], *link, *rest;

    if (http->daemon == NULL)
        return;
    if (!http->draining) {
        http->draining = true;
        http->last_turns = LAST_TURNS;
        health__arrivals_accept_the_last(http, http->engine->now);
        health__listeners_close(&http->listeners);
    }
    http->due_at = HEALTH__NOT_YET;
    if (http->last_turns > 0)
        http->last_turns--;
    else
        health__list_each (link, rest, reading)
            health__connection_shut(
                &http->connections, health__container(link, struct health__connection, in_phase));
}

static bool drained(struct health__server *server)
{
    struct health__http *http = http_of(server);

    return http->daemon == NULL || http->connections.count == 0;
}

void health__http_init(struct health__http *http, struct health__engine *engine,
    struct health__answers *answers, const char *listen, enum health_details details, size_t limit)
{
    http->server = (struct health__server){start, stop, owns, run, drain, drained, forget};
    http->engine = engine;
    http->answers = answers;
    http->listen = listen;
    http->details = details;
    http->limit = limit;
    atomic_init(&http->port, 0);
}
