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
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/local.h"

#define DEFER_ACCEPT_S 3
#define DEFAULT_MODE   0600u /* of a unix socket */

static const char no_host[] = "the host is no IP address and not *: names are not resolved";

/* Reads digits up to the end of the string.  Returns: -1 if there is another or none, or too many.
 */
static int parse_number(const char *s, int base, size_t most_digits)
{
    int number = 0;
    size_t i;

    for (i = 0; s[i] >= '0' && s[i] < '0' + base && i < most_digits; i++)
        number = number * base + (s[i] - '0');
    return i > 0 && s[i] == '\0' ? number : -1;
}

int health__address_parse_port(const char *s)
{
    int port = parse_number(s, 10, 5);

    return port <= 65535 ? port : -1;
}

/* Returns: NULL, or what is wrong with the host. */
static const char *set_ipv6(struct health__address *a, const char *host, uint16_t port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->socket;

    in6->sin6_family = AF_INET6;
    in6->sin6_port = port;
    a->length = sizeof(*in6);
    return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? NULL : no_host;
}

static const char *set_ipv4(struct health__address *a, const char *host, uint16_t port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&a->socket;

    in->sin_family = AF_INET;
    in->sin_port = port;
    a->length = sizeof(*in);
    return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? NULL : no_host;
}

/* Reads "/PATH" or "/PATH?mode=0660", which it takes apart. */
static const char *parse_unix(char *text, struct health__address *a)
{
    static const char mode[] = "?mode=";
    struct sockaddr_un *un = (struct sockaddr_un *)&a->socket;
    char *query = strchr(text, '?');
    int number;

    a->mode = DEFAULT_MODE;
    if (query != NULL) {
        if (strncmp(query, mode, sizeof(mode) - 1) != 0)
            return "only ?mode= can follow the socket's path";
        *query = '\0';
        query += sizeof(mode) - 1;
        number = parse_number(query, 8, 4);
        if (number < 0 || number > 0777)
            return "the mode is not one to four octal digits, 0777 at most";
        a->mode = (unsigned)number;
    }
    if (text[0] != '/')
        return "the socket's path does not begin with a slash";
    if (strlen(text) >= sizeof(un->sun_path))
        return "the socket's path is longer than the kernel's 107 bytes";
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, text, strlen(text) + 1);
    a->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text) + 1);
    return NULL;
}

/* Reads "HOST:PORT" or "unix:/PATH", which it takes apart. */
static const char *parse_one(char *text, struct health__address *a)
{
    char *colon = strrchr(text, ':');
    size_t length;
    uint16_t port;
    int number;

    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, a);
    if (colon == NULL || strchr(colon, ']') != NULL)
        return "the port is missing";
    number = health__address_parse_port(colon + 1);
    if (number < 0)
        return "the port is no number from 0 to 65535";
    port = htons((uint16_t)number);
    *colon = '\0';
    length = (size_t)(colon - text);

    if (strcmp(text, "*") == 0) {
        a->any = true;
        return set_ipv6(a, "::", port);
    }
    if (text[0] == '[' && text[length - 1] == ']') {
        text[length - 1] = '\0';
        return set_ipv6(a, text + 1, port);
    }
    if (strchr(text, ':') != NULL)
        return "an IPv6 address wants brackets: [::1]:80";
    return set_ipv4(a, text, port);
}

const char *health__address_parse(const char **list, struct health__address *ret_address)
{
    struct health__address a;
    const char *start = *list, *comma, *end, *wrong;
    char text[sizeof(a.text)];

    while (*start == ' ')
        start++;
    comma = strchr(start, ',');
    end = comma != NULL ? comma : start + strlen(start);
    while (end > start && end[-1] == ' ')
        end--;
    if ((size_t)(end - start) >= sizeof(text))
        return "it is too long";

    memset(&a, 0, sizeof(a));
    memcpy(a.text, start, (size_t)(end - start));
    memcpy(text, a.text, sizeof(text));
    wrong = parse_one(text, &a);
    if (wrong != NULL)
        return wrong;
    *ret_address = a;
    *list = comma != NULL ? comma + 1 : NULL;
    return NULL;
}

bool health__address_is_no_socket(const struct health__address *address)
{
    struct stat s;

    return address->socket.ss_family == AF_UNIX &&
           lstat(((const struct sockaddr_un *)&address->socket)->sun_path, &s) == 0 &&
           !S_ISSOCK(s.st_mode);
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
