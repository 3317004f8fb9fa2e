/*
 * What the probe is asked to ask.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "probe/url.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#define DEFAULT_PATH "/health"

/* If the text begins with the prefix: what is behind it; else NULL. */
static const char *behind(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

/* Where `part` begins in the text; NULL: nowhere.  strstr() would be as large as all of this. */
static const char *find(const char *text, const char *part)
{
    while (*text != '\0' && behind(text, part) == NULL)
        text++;
    return *text != '\0' ? text : NULL;
}

/* What is wrong with a host and its port (":80"; NULL: none), of which there is something. */
static const char *why_none(const char *host, const char *port)
{
    const char *colon = strchr(host, ':');

    if (colon != NULL && strchr(host, '%') > colon)
        return "a zone (%) is not supported";
    if (colon != NULL && strchr(colon + 1, ':') != NULL &&
        host[strspn(host, "0123456789abcdefABCDEF:")] == '\0')
        return "an IPv6 address wants brackets: [::1]:80";
    if (port != NULL && health__address_parse_port(port + 1) <= 0)
        return "the port is no number from 1 to 65535";
    return "the host is no IP address and not localhost; names are not resolved";
}

/* Reads "HOST:PORT" of the given length, with `default_port` (such as ":80") where there is none.
 */
static const char *read_host(
    struct health__url *url, const char *text, size_t length, const char *default_port)
{
    static const char *const loopback[] = {"127.0.0.1", "[::1]"};
    const char *port, *given, *list;
    size_t host_length;
    unsigned count, i;
    bool is_localhost;

    if (length == 0)
        return "the host is missing";
    if (length >= sizeof(url->host))
        return "the host is too long";
    memcpy(url->host, text, length);
    url->host[length] = '\0';
    /* In a list of addresses there may be some around each. */
    if (strchr(url->host, ' ') != NULL)
        return "there is a blank in the host";

    port = strrchr(url->host, ':');
    if (port != NULL && strchr(port, ']') != NULL)
        port = NULL; /* a colon of an IPv6 address */
    given = port;
    host_length = port != NULL ? (size_t)(port - url->host) : length;
    if (port == NULL && default_port == NULL)
        return "the port is missing";
    if (port == NULL)
        port = default_port;
    is_localhost = host_length == 9 && strncmp(url->host, "localhost", 9) == 0;
    url->address_count = count = is_localhost ? 2 : 1;
    for (i = 0; i < count; i++) {
        char one[sizeof(url->host) + 8];
        const char *host = is_localhost ? loopback[i] : url->host;
        size_t n = is_localhost ? strlen(host) : host_length;

        if (n + strlen(port) >= sizeof(one))
            return "the host is too long";
        /* The port has the NUL.  NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
        memcpy(one, host, n);
        memcpy(one + n, port, strlen(port) + 1);
        list = one;
        if (health__address_parse(&list, &url->addresses[i]) != NULL || list != NULL ||
            url->addresses[i].any || health__address_port(&url->addresses[i].socket) == 0)
            return why_none(url->host, given);
    }
    return NULL;
}

static void set_path(struct health__url *url, const char *path)
{
    /* A fragment is never sent. */
    url->path = *path == '/' ? path : DEFAULT_PATH;
    url->path_length = strcspn(url->path, "#");
}

/* A request line is a line: nothing may end it early. */
static const char *check_path(const struct health__url *url)
{
    size_t i;

    for (i = 0; i < url->path_length; i++)
        if ((unsigned char)url->path[i] <= 0x20 || url->path[i] == 0x7F)
            return "there is a blank or a control character in the path";
    return NULL;
}

static const char *read_http(struct health__url *url, const char *text)
{
    size_t length = strcspn(text, "/?#");
    const char *wrong;

    if (text[length] == '?')
        return "a query needs a path before it";
    if (memchr(text, '@', length) != NULL)
        return "no user can be given";
    wrong = read_host(url, text, length, ":80");
    if (wrong != NULL)
        return wrong;
    set_path(url, text + length);
    return check_path(url);
}

/* "/run/app/health.sock:/health" */
static const char *read_unix(struct health__url *url, const char *text)
{
    const char *colon = find(text, ":/"), *mode;
    size_t length = colon != NULL ? (size_t)(colon - text) : strlen(text);
    struct sockaddr_un *address = (struct sockaddr_un *)&url->addresses[0].socket;

    if (text[0] != '/')
        return "the socket's path does not begin with a slash";
    mode = find(text, "?mode=");
    if (mode != NULL && mode < text + length)
        return "?mode= is for who listens: leave it out";
    if (length >= sizeof(address->sun_path))
        return "the socket's path is too long";
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, text, length);
    url->addresses[0].length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    url->address_count = 1;
    memcpy(url->host, "localhost", sizeof("localhost"));
    set_path(url, colon != NULL ? colon + 1 : "");
    return check_path(url);
}

/* "30s".  Returns: -1 if it is none. */
static int64_t read_duration(const char *s)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    int64_t value = 0;
    size_t i, digits = strspn(s, "0123456789");

    if (digits == 0 || digits > 9)
        return -1;
    for (i = 0; i < digits; i++)
        value = value * 10 + (s[i] - '0');
    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(s + digits, units[i].unit) == 0)
            return value * units[i].ms;
    return -1;
}

static const char *read_file(struct health__url *url, const char *text)
{
    const char *age;

    url->path = text;
    url->path_length = strcspn(text, "?");
    url->max_age_ms = -1;
    if (text[0] != '/')
        return "the file's path does not begin with a slash";
    if (text[url->path_length] == '\0')
        return NULL;
    age = behind(text + url->path_length, "?max-age=");
    url->max_age_ms = age != NULL ? read_duration(age) : -1;
    return url->max_age_ms < 0 ? "only ?max-age= with a time such as 30s can follow the file"
                               : NULL;
}

const char *health__url_read(struct health__url *ret_url, const char *text)
{
    const char *rest;

    memset(ret_url, 0, sizeof(*ret_url));
    if ((rest = behind(text, "http://")) != NULL)
        return read_http(ret_url, rest);
    if ((rest = behind(text, "unix:")) != NULL)
        return read_unix(ret_url, rest);
    if ((rest = behind(text, "tcp:")) != NULL) {
        ret_url->scheme = HEALTH__TCP;
        return read_host(ret_url, rest, strlen(rest), NULL);
    }
    if ((rest = behind(text, "file:")) != NULL) {
        ret_url->scheme = HEALTH__FILE;
        return read_file(ret_url, rest);
    }
    if (behind(text, "https://") != NULL)
        return "https is not spoken here: probe the service on its own host";
    return "it begins with none of http://, unix:, tcp: and file:";
}
