/*
 * Addresses: reading them, and who is on the same host.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_BASE_NET_H
#define HEALTH_BASE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Connections that the kernel keeps for us; it cuts that to net.core.somaxconn. */
#define HEALTH__BACKLOG 4096

struct health__address {
    struct sockaddr_storage socket;
    socklen_t length;
    bool any;       /* "*": every address of both families; `socket` is the IPv6 one */
    unsigned mode;  /* of a unix socket's file: permission bits */
    char text[144]; /* as it was written, for errors */
};

/*
 * Reads the address at the front of a list like "*:8080, 127.0.0.1:8080,[::1]:0",
 * "unix:/run/app.sock" or "unix:/run/app.sock?mode=0660", and moves *list behind it and its comma;
 * *list is NULL after the last.
 *
 * Returns: NULL, or what is wrong with it, in words; *list is untouched then.
 */
const char *health__address_parse(const char **list, struct health__address *ret_address);

/* Reads decimal digits up to the end of the string.  Returns: 0 to 65535; -1 if it is no port. */
int health__address_parse_port(const char *s);

/* Whether there is a file where the unix socket is to be, and no socket. */
bool health__address_is_no_socket(const struct health__address *address);

/* The port of an IPv4 or IPv6 socket address. */
unsigned health__address_port(const struct sockaddr_storage *address);

/* 127.0.0.1, ::1, ::ffff:127.0.0.1 or a unix socket. */
bool health__address_is_local(const struct sockaddr *address, socklen_t length);

/* A number that is the same for what one party controls: an IPv4 address, an IPv6 /64. */
unsigned health__address_source(const struct sockaddr *address, socklen_t length);

/*
 * A socket that listens at the address, non-blocking and close-on-exec; for unix sockets see
 * base/local.h.  "*" takes both families, and IPv4 alone where there is no IPv6.  Connections are
 * handed over once their first bytes, or 3 s, have come.
 *
 * Returns: the descriptor, or -1 with errno.
 */
int health__address_listen(const struct health__address *address);

#endif
