/*
 * What systemd is told.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "notify/systemd.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A path, or "@name" in the abstract name space; anything else is not for us. */
static void read_address(struct health__systemd *s, const char *socket_name)
{
    size_t length = socket_name != NULL ? strlen(socket_name) : 0;

    if (length < 2 || length >= sizeof(s->address.sun_path) ||
        (socket_name[0] != '/' && socket_name[0] != '@'))
        return;
    s->address.sun_family = AF_UNIX;
    memcpy(s->address.sun_path, socket_name, length);
    if (socket_name[0] == '@')
        s->address.sun_path[0] = '\0';
    s->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* Half of the time that the unit gives us, if it is us that it waits for. */
static int64_t read_watchdog(const char *usec, const char *pid)
{
    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    return (int64_t)(strtoull(usec, NULL, 10) / 2000);
}

void health__systemd_begin(struct health__systemd *s)
{
    *s = (struct health__systemd){.length = 0};
    s->fd.fd = -1;
    /* A host that changes its environment beside a health_start() has a race with itself.
     * NOLINTBEGIN(concurrency-mt-unsafe) */
    read_address(s, getenv("NOTIFY_SOCKET"));
    if (s->length > 0)
        s->watchdog_ms = read_watchdog(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
    /* NOLINTEND(concurrency-mt-unsafe) */
}

void health__systemd_end(struct health__systemd *s)
{
    health__fd_close(&s->fd);
    s->length = 0;
}

bool health__systemd_send(struct health__systemd *s, const char *line)
{
    if (!health__fd_is_ours(&s->fd) &&
        health__fd_init(&s->fd, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) != 0)
        return false;
    if (sendto(s->fd.fd, line, strlen(line), MSG_NOSIGNAL, (struct sockaddr *)&s->address,
            s->length) >= 0)
        return true;
    /* Where there is nobody any more, there will be nobody soon. */
    return errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM;
}
