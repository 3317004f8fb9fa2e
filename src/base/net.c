/*
 * Addresses.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/local.h"

#define DEFER_ACCEPT_S 3
#define DEFAULT_MODE   0600u /* of a unix socket */

/* Reads decimal digits up to the end of the string.  Returns: -1 if it is no port. */
static int parse_port(const char *s)
{
    int port = 0;
    size_t i;

    for (i = 0; s[i] >= '0' && s[i] <= '9' && i < 5; i++)
        port = port * 10 + (s[i] - '0');
    return i > 0 && s[i] == '\0' && port <= 65535 ? port : -1;
}

static void set_any(struct health__address *a, uint16_t port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->socket;

    in6->sin6_family = AF_INET6;
    in6->sin6_port = port;
    in6->sin6_addr = in6addr_any;
    a->length = sizeof(*in6);
}

static int set_ipv6(struct health__address *a, const char *host, uint16_t port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->socket;

    in6->sin6_family = AF_INET6;
    in6->sin6_port = port;
    a->length = sizeof(*in6);
    return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? 0 : -1;
}

static int set_ipv4(struct health__address *a, const char *host, uint16_t port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&a->socket;

    in->sin_family = AF_INET;
    in->sin_port = port;
    a->length = sizeof(*in);
    return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -1;
}

/* Reads "/PATH" or "/PATH?mode=0660", which it takes apart. */
static int parse_unix(char *text, struct health__address *a)
{
    static const char mode[] = "?mode=";
    struct sockaddr_un *un = (struct sockaddr_un *)&a->socket;
    char *query = strchr(text, '?');
    size_t i;

    a->mode = DEFAULT_MODE;
    if (query != NULL) {
        if (strncmp(query, mode, sizeof(mode) - 1) != 0)
            return -1;
        *query = '\0';
        query += sizeof(mode) - 1;
        a->mode = 0;
        for (i = 0; query[i] >= '0' && query[i] <= '7' && i < 4; i++)
            a->mode = a->mode * 8 + (unsigned)(query[i] - '0');
        if (i == 0 || query[i] != '\0' || a->mode > 0777)
            return -1;
    }
    if (text[0] != '/' || strlen(text) >= sizeof(un->sun_path))
        return -1;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, text, strlen(text) + 1);
    a->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text) + 1);
    return 0;
}

/* Reads "HOST:PORT" or "unix:/PATH", which it takes apart. */
static int parse_one(char *text, struct health__address *a)
{
    char *colon = strrchr(text, ':');
    size_t length;
    uint16_t port;
    int number;

    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, a);
    if (colon == NULL)
        return -1;
    number = parse_port(colon + 1);
    if (number < 0)
        return -1;
    port = htons((uint16_t)number);
    *colon = '\0';
    length = (size_t)(colon - text);

    if (strcmp(text, "*") == 0) {
        a->any = true;
        set_any(a, port);
        return 0;
    }
    if (text[0] == '[' && text[length - 1] == ']') {
        text[length - 1] = '\0';
        return set_ipv6(a, text + 1, port);
    }
    return set_ipv4(a, text, port);
}

int health__address_parse(const char **list, struct health__address *ret_address)
{
    struct health__address a;
    const char *start = *list, *comma, *end;
    char text[sizeof(a.text)];

    while (*start == ' ')
        start++;
    comma = strchr(start, ',');
    end = comma != NULL ? comma : start + strlen(start);
    while (end > start && end[-1] == ' ')
        end--;
    if (end == start || (size_t)(end - start) >= sizeof(text))
        return -1;

    memset(&a, 0, sizeof(a));
    memcpy(text, start, (size_t)(end - start));
    text[end - start] = '\0';
    memcpy(a.text, text, sizeof(a.text));
    if (parse_one(text, &a) != 0)
        return -1;
    *ret_address = a;
    *list = comma != NULL ? comma + 1 : NULL;
    return 0;
}

unsigned health__address_port(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
    if (address->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)address)->sin_port);
    return 0;
}

/* The IPv4 address that the socket address holds, also as ::ffff:a.b.c.d; NULL if it holds none. */
static const uint8_t *ipv4(const struct sockaddr *address)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

    if (address->sa_family == AF_INET)
        return (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
    if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        return in6->sin6_addr.s6_addr + 12;
    return NULL;
}

bool health__address_is_local(const struct sockaddr *address, socklen_t length)
{
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    const uint8_t *four;

    if (length < sizeof(sa_family_t))
        return false;
    four = ipv4(address);
    if (four != NULL)
        return memcmp(four, loopback, sizeof(loopback)) == 0;
    if (address->sa_family == AF_UNIX)
        return true;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

unsigned health__address_source(const struct sockaddr *address, socklen_t length)
{
    const uint8_t *bytes;
    uint32_t hash = 2166136261u; /* FNV-1a */
    size_t count = 4, i;

    if (length < sizeof(sa_family_t))
        return 0;
    bytes = ipv4(address);
    if (bytes == NULL && address->sa_family == AF_INET6) {
        bytes = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr;
        count = 8;
    }
    for (i = 0; bytes != NULL && i < count; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value));
}

static int listen_at(const struct sockaddr_storage *address, socklen_t length, bool both_families)
{
    int fd, error;

    fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    /* Without it a restart would have to wait for connections in TIME_WAIT. */
    if (set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0)
        goto err;
    if (address->ss_family == AF_INET6 &&
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, both_families ? 0 : 1) != 0)
        goto err;
    /* A wish: who connects and says nothing costs no descriptor. */
    (void)set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_ACCEPT_S);
    if (bind(fd, (const struct sockaddr *)address, length) != 0)
        goto err;
    if (listen(fd, HEALTH__BACKLOG) != 0)
        goto err;
    return fd;

err:
    error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

int health__address_listen(const struct health__address *address)
{
    struct health__address four;
    uint16_t port;
    int fd;

    if (address->socket.ss_family == AF_UNIX)
        return health__local_listen(address);
    fd = listen_at(&address->socket, address->length, address->any);
    if (fd >= 0 || !address->any || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
        return fd;
    /* No IPv6 in this kernel, or none switched on. */
    memset(&four, 0, sizeof(four));
    port = htons((uint16_t)health__address_port(&address->socket));
    (void)set_ipv4(&four, "0.0.0.0", port);
    return listen_at(&four.socket, four.length, false);
}
