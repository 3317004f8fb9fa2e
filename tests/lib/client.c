/*
 * An HTTP client for tests.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define REQUEST_BYTES 16384
#define VALUE_BYTES   1024

int64_t client_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t client_deadline(int ms)
{
    return client_now_ms() + ms;
}

/* ---- A connection ---- */

/* Waits for the events.  Returns: whether they, or an error, came before the deadline. */
static bool wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left;
    int n;

    do {
        left = deadline - client_now_ms();
        if (left < 0)
            left = 0;
        n = poll(&p, 1, left > 1000000 ? 1000000 : (int)left);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

/* Reads an IP literal, or the path of a unix socket.  Returns: the length of the address, or 0 with
 * errno. */
static socklen_t address(struct sockaddr_storage *to, const char *text, int port)
{
    struct sockaddr_in *four = (struct sockaddr_in *)to;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;
    struct sockaddr_un *un = (struct sockaddr_un *)to;

    memset(to, 0, sizeof(*to));
    if (text[0] == '/' && strlen(text) < sizeof(un->sun_path)) {
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, text, strlen(text) + 1);
        return sizeof(*un);
    }
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        return sizeof(*four);
    }
    if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        return sizeof(*six);
    }
    errno = EINVAL;
    return 0;
}

/* The rest of a connect() that has begun. */
static int finish_connect(int fd, int64_t deadline)
{
    int error = 0;
    socklen_t length = sizeof(error);

    if (!wait_for(fd, POLLOUT, deadline)) {
        errno = ETIMEDOUT;
        return -1;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return -1;
    errno = error;
    return error == 0 ? 0 : -1;
}

static int open_by(struct client *c, const char *from, const char *to, int port, int64_t deadline)
{
    struct sockaddr_storage local, remote;
    socklen_t local_length = 0, remote_length;
    int saved;

    memset(c, 0, sizeof(*c));
    c->fd = -1;
    remote_length = address(&remote, to, port);
    if (remote_length == 0)
        return -1;
    if (from != NULL) {
        local_length = address(&local, from, 0);
        if (local_length == 0)
            return -1;
    }
    c->fd = socket(remote.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -1;
    if (from != NULL && bind(c->fd, (struct sockaddr *)&local, local_length) < 0)
        goto err;
    if (connect(c->fd, (struct sockaddr *)&remote, remote_length) < 0) {
        if (errno != EINPROGRESS || finish_connect(c->fd, deadline) < 0)
            goto err;
    }
    return 0;
err:
    saved = errno;
    client_close(c);
    errno = saved;
    return -1;
}

int client_open(struct client *c, const char *to, int port)
{
    return open_by(c, NULL, to, port, client_deadline(CLIENT_TIMEOUT_MS));
}

int client_open_from(struct client *c, const char *from, const char *to, int port)
{
    return open_by(c, from, to, port, client_deadline(CLIENT_TIMEOUT_MS));
}

int client_send_by(struct client *c, const void *bytes, size_t length, int64_t deadline)
{
    const char *p = bytes;
    ssize_t n;

    while (length > 0) {
        n = send(c->fd, p, length, MSG_NOSIGNAL);
        if (n >= 0) {
            p += n;
            length -= (size_t)n;
        } else if (errno == EAGAIN) {
            if (!wait_for(c->fd, POLLOUT, deadline)) {
                errno = ETIMEDOUT;
                return -1;
            }
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

int client_send(struct client *c, const void *bytes, size_t length)
{
    return client_send_by(c, bytes, length, client_deadline(CLIENT_TIMEOUT_MS));
}

int client_print(struct client *c, const char *format, ...)
{
    char text[REQUEST_BYTES];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(text)) {
        errno = EMSGSIZE;
        return -1;
    }
    return client_send(c, text, (size_t)n);
}

/* Reads once what there is, without waiting.  Returns: whether something was learned. */
static bool read_some(struct client *c)
{
    ssize_t n;

    if (c->size - c->length < 4096) {
        size_t size = c->size + c->size / 2 + 8192;
        char *data = realloc(c->data, size);

        if (data == NULL)
            return false;
        c->data = data;
        c->size = size;
    }
    do {
        n = recv(c->fd, c->data + c->length, c->size - c->length, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        c->length += (size_t)n;
    } else if (n == 0) {
        c->ended = true;
    } else if (errno == EAGAIN) {
        return false;
    } else {
        c->ended = true;
        c->reset = true;
    }
    return true;
}

/* Waits for more; what has come already is read even with the deadline passed. */
static bool read_more(struct client *c, int64_t deadline)
{
    while (!read_some(c)) {
        if (!wait_for(c->fd, POLLIN, deadline))
            return false;
    }
    return true;
}

static void take(struct client *c, size_t length)
{
    memmove(c->data, c->data + length, c->length - length);
    c->length -= length;
}

/* The value of the nth header (from 0) of this name in a head; NULL if there are no more. */
static const char *find_header(const char *head, const char *name, int nth, size_t *ret_length)
{
    const char *line = strstr(head, "\r\n");
    size_t length = strlen(name);

    while (line != NULL && line[2] != '\0') {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':' && nth-- == 0) {
            const char *value = line + length + 1 + strspn(line + length + 1, " \t");

            *ret_length = strcspn(value, "\r");
            return value;
        }
        line = strstr(line, "\r\n");
    }
    return NULL;
}

/* Whether it is "HTTP/1.x NNN text" and then lines "name: value", each ended by CR LF. */
static bool head_is_good(const char *head, struct response *r)
{
    const char *p = head, *end;
    int i;

    if (strncmp(p, "HTTP/1.", 7) != 0 || (p[7] != '0' && p[7] != '1') || p[8] != ' ')
        return false;
    r->minor = p[7] - '0';
    r->status = 0;
    for (i = 9; i < 12; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        r->status = r->status * 10 + (p[i] - '0');
    }
    if (r->status < 100 || p[12] != ' ')
        return false;
    for (;;) {
        end = p + strcspn(p, "\r\n");
        if (end[0] != '\r' || end[1] != '\n')
            return false;
        p = end + 2;
        if (p[0] == '\r' && p[1] == '\n')
            return p[2] == '\0';
        i = (int)strcspn(p, ": \t\r\n");
        if (i == 0 || p[i] != ':')
            return false;
    }
}

/* The length that the head announces.  Returns: 0 with -1 for none; -1 if it announces nonsense. */
static int body_length(const char *head, int64_t *ret_length)
{
    size_t length, ignored;
    const char *value;
    char *end;

    *ret_length = -1;
    if (find_header(head, "Transfer-Encoding", 0, &ignored) != NULL)
        return -1;
    value = find_header(head, "Content-Length", 0, &length);
    if (value == NULL)
        return 0;
    if (find_header(head, "Content-Length", 1, &ignored) != NULL || *value < '0' || *value > '9')
        return -1;
    *ret_length = strtoll(value, &end, 10);
    return end == value + length && *ret_length < 1000000000 ? 0 : -1;
}

/* Reads until the head is there.  Its end's offset is set with CLIENT_OK. */
static enum client_end read_head(struct client *c, size_t *ret_length, int64_t deadline)
{
    const char *end;

    for (;;) {
        end = c->length >= 4 ? memmem(c->data, c->length, "\r\n\r\n", 4) : NULL;
        if (end != NULL) {
            *ret_length = (size_t)(end - c->data) + 4;
            return CLIENT_OK;
        }
        if (c->length >= 5 && memcmp(c->data, "HTTP/", 5) != 0)
            return CLIENT_GARBAGE;
        if (c->ended)
            return c->length == 0 ? CLIENT_CLOSED : CLIENT_CUT;
        if (!read_more(c, deadline))
            return CLIENT_TIMEOUT;
    }
}

static char *copy_text(const char *from, size_t length)
{
    char *text = malloc(length + 1);

    if (text != NULL) {
        memcpy(text, from, length);
        text[length] = '\0';
    }
    return text;
}

enum client_end client_read(struct client *c, bool to_head, struct response *ret, int64_t deadline)
{
    struct response r = {0};
    enum client_end end;
    size_t head_length = 0, want;
    int64_t announced;
    char *head;

    if (c->fd < 0)
        return CLIENT_ERROR;
    end = read_head(c, &head_length, deadline);
    if (end != CLIENT_OK)
        return end;
    head = copy_text(c->data, head_length);
    end = CLIENT_ERROR;
    if (head == NULL)
        goto err;
    end = CLIENT_GARBAGE;
    if (strlen(head) != head_length || !head_is_good(head, &r) || body_length(head, &announced) < 0)
        goto err;
    if (to_head || r.status < 200 || r.status == 204 || r.status == 304)
        announced = 0;
    end = CLIENT_CUT;
    want = announced < 0 ? SIZE_MAX : head_length + (size_t)announced;
    while (c->length < want && !c->ended) {
        if (!read_more(c, deadline)) {
            end = CLIENT_TIMEOUT;
            goto err;
        }
    }
    if (announced < 0 && !c->reset)
        want = c->length;
    if (c->length < want)
        goto err;
    end = CLIENT_ERROR;
    r.body_length = want - head_length;
    r.body = copy_text(c->data + head_length, r.body_length);
    if (r.body == NULL)
        goto err;
    take(c, want);
    r.head = head;
    *ret = r;
    return CLIENT_OK;
err:
    free(head);
    return end;
}

bool client_at_end(struct client *c, int64_t deadline)
{
    while (!c->ended && c->length == 0) {
        if (!read_more(c, deadline))
            return false;
    }
    return c->length == 0;
}

bool client_drain(struct client *c, int64_t deadline)
{
    while (!c->ended) {
        if (!read_more(c, deadline))
            return false;
    }
    return true;
}

bool client_is_silent(struct client *c, int64_t deadline)
{
    return c->length == 0 && !c->ended && !read_more(c, deadline);
}

void client_shutdown(struct client *c)
{
    (void)shutdown(c->fd, SHUT_WR);
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    free(c->data);
    c->data = NULL;
    c->length = c->size = 0;
}

void client_reset(struct client *c)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (c->fd >= 0)
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    client_close(c);
}

/* ---- Responses ---- */

const char *response_header(const struct response *r, const char *name)
{
    static _Thread_local char text[VALUE_BYTES];
    size_t length;
    const char *value = find_header(r->head, name, 0, &length);

    if (value == NULL)
        return NULL;
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
        length--;
    if (length >= sizeof(text))
        length = sizeof(text) - 1;
    memcpy(text, value, length);
    text[length] = '\0';
    return text;
}

int response_header_count(const struct response *r, const char *name)
{
    size_t ignored;
    int n = 0;

    while (find_header(r->head, name, n, &ignored) != NULL)
        n++;
    return n;
}

void response_free(struct response *r)
{
    free(r->head);
    free(r->body);
    memset(r, 0, sizeof(*r));
}

/* ---- A request and its response ---- */

static const char *or_else(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

size_t client_format(char *to, size_t size, const struct client_request *q)
{
    int n = snprintf(to, size, "%s %s %s\r\n%s%s%s\r\n", or_else(q->method, "GET"),
        or_else(q->target, "/health"), or_else(q->version, "HTTP/1.1"),
        q->no_host ? "" : "Host: test\r\n", q->keep_alive ? "" : "Connection: close\r\n",
        or_else(q->headers, ""));

    return n < 0 ? 0 : (size_t)n;
}

enum client_end client_try(const struct client_request *q, struct response *ret)
{
    int64_t deadline = client_deadline(q->timeout_ms > 0 ? q->timeout_ms : CLIENT_TIMEOUT_MS);
    bool to_head = q->method != NULL && strcmp(q->method, "HEAD") == 0;
    enum client_end end = CLIENT_ERROR;
    size_t length = client_format(NULL, 0, q);
    char *text = malloc(length + 1);
    struct client c = {.fd = -1};
    int saved;

    if (text == NULL)
        return CLIENT_ERROR;
    (void)client_format(text, length + 1, q);
    if (open_by(&c, q->from, or_else(q->to, "127.0.0.1"), q->port, deadline) == 0) {
        /* An answer may come, and the connection close, before all of a request was sent. */
        (void)client_send_by(&c, text, length, deadline);
        end = client_read(&c, to_head, ret, deadline);
    }
    saved = errno;
    client_close(&c);
    free(text);
    errno = saved;
    return end;
}

int client_try_status(int port, const char *target)
{
    const struct client_request q = {.port = port, .target = target};
    struct response r;
    enum client_end end = client_try(&q, &r);
    int status;

    if (end != CLIENT_OK)
        return -(int)end;
    status = r.status;
    response_free(&r);
    return status;
}

static const char *end_text(enum client_end end)
{
    switch (end) {
    case CLIENT_OK:
        return "answered";
    case CLIENT_CLOSED:
        return "closed without an answer";
    case CLIENT_CUT:
        return "closed in the middle of the answer";
    case CLIENT_TIMEOUT:
        return "no answer in time";
    case CLIENT_GARBAGE:
        return "an answer that is not HTTP";
    case CLIENT_ERROR:
        return strerror(errno);
    }
    return "?";
}

void client_ask(const struct client_request *q, struct response *ret)
{
    enum client_end end = client_try(q, ret);

    if (end != CLIENT_OK)
        fail_msg("%s %s of port %d: %s", or_else(q->method, "GET"), or_else(q->target, "/health"),
            q->port, end_text(end));
}

void client_get(int port, const char *target, struct response *ret)
{
    client_ask(&(struct client_request){.port = port, .target = target}, ret);
}

int client_status(int port, const char *target)
{
    struct response r = {0};
    int status;

    client_get(port, target, &r);
    status = r.status;
    response_free(&r);
    return status;
}
