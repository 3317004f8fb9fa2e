/*
 * Does someone accept connections?
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */

/* For the strerror_r() of POSIX; glibc's own returns something else under the same name. */
#undef _GNU_SOURCE
/* POSIX and glibc have them defined.
 * NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE 1
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

#include <health/checks.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "checks/patience.h"

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

/* Reads the digits behind the last colon.  Returns: 0 if they are no port. */
static unsigned read_port(const char *s)
{
    unsigned port = 0;
    size_t i;

    for (i = 0; s[i] >= '0' && s[i] <= '9' && i < 5; i++)
        port = port * 10 + (unsigned)(s[i] - '0');
    return s[i] == '\0' && port <= 65535 ? port : 0;
}

/* Returns: NULL, or what is wrong with the text. */
static const char *read_address(const char *text, union address *ret, socklen_t *ret_length)
{
    const char *no_host = "the host is no IP address and not localhost; names are not resolved";
    const char *colon = strrchr(text, ':');
    unsigned port = colon != NULL ? read_port(colon + 1) : 0;
    char host[INET6_ADDRSTRLEN + 2];
    size_t length;

    if (port == 0)
        return "there is no port from 1 to 65535";
    if ((size_t)(colon - text) >= sizeof(host))
        return no_host;
    length = (size_t)(colon - text);
    memcpy(host, text, length);
    host[length] = '\0';
    memset(ret, 0, sizeof(*ret));
    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        ret->six.sin6_family = AF_INET6;
        ret->six.sin6_port = htons((uint16_t)port);
        *ret_length = sizeof(ret->six);
        return inet_pton(AF_INET6, host + 1, &ret->six.sin6_addr) == 1 ? NULL : no_host;
    }
    ret->four.sin_family = AF_INET;
    ret->four.sin_port = htons((uint16_t)port);
    *ret_length = sizeof(ret->four);
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
               &ret->four.sin_addr) == 1
               ? NULL
               : no_host;
}

/* Waits until the socket is connected or cannot be.  Returns: 0 then, else an error number. */
static int wait_connected(int fd, const struct health_result *result)
{
    struct pollfd connecting = {.fd = fd, .events = POLLOUT};
    struct health__patience patience = {0};
    unsigned slice_ms;
    int count;

    /* Signals that the C library is interrupted by cannot be blocked: a seteuid() of the service's
     * reaches every thread by one. */
    do {
        slice_ms = health__patience_ms(&patience, result);
        count = poll(&connecting, 1, (int)slice_ms);
    } while ((count < 0 && errno == EINTR) || (count == 0 && slice_ms > 0));
    if (count < 0)
        return errno;
    return count > 0 ? 0 : ETIMEDOUT;
}

/* Returns: 0 if the address accepts a connection in time, else an error number. */
static int try_to_connect(
    const union address *address, socklen_t length, const struct health_result *result)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof(int);
    int error = 0;

    if (fd < 0)
        return errno;
    if (connect(fd, &address->any, length) != 0) {
        error = errno;
        if (error == EINPROGRESS)
            error = wait_connected(fd, result);
        if (error == 0)
            (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    (void)close(fd);
    return error;
}

enum health_status health_check_connect(struct health_result *result, void *address)
{
    const char *text = address != NULL ? address : "NULL", *wrong;
    union address to;
    socklen_t length;
    char reason[96];
    int before = errno, error;

    wrong = read_address(text, &to, &length);
    if (wrong != NULL)
        return health_explain(result, HEALTH_FAIL, "'%.64s': %s", text, wrong);
    error = try_to_connect(&to, length, result);
    errno = before;
    if (error == 0)
        return HEALTH_PASS;
    if (strerror_r(error, reason, sizeof(reason)) != 0)
        reason[0] = '\0';
    return health_explain(result, HEALTH_FAIL, "%.64s: %s", text, reason);
}
