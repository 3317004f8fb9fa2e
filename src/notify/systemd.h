/*
 * What systemd is told: the protocol of sd_notify(3), without libsystemd.
 *
 * All of it is the loop's.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_NOTIFY_SYSTEMD_H
#define HEALTH_NOTIFY_SYSTEMD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"

struct health__systemd {
    struct sockaddr_un address;
    socklen_t length;     /* of the address; 0: nobody listens */
    int64_t watchdog_ms;  /* how often to say that all is well; 0: never */
    struct health__fd fd; /* opened when first needed */
};

/* Reads the environment: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
void health__systemd_begin(struct health__systemd *s);
void health__systemd_end(struct health__systemd *s);

/* Whether there is someone to tell. */
static inline bool health__systemd_listens(const struct health__systemd *s)
{
    return s->length > 0;
}

/* Sends a line such as "READY=1".  Returns: false if it could not be sent now. */
bool health__systemd_send(struct health__systemd *s, const char *line);

#endif
