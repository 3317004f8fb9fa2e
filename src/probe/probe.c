/*
 * Asking whether something is healthy: one deadline for everything, one buffer, one connection.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <health/probe.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "probe/connect.h"
#include "probe/line.h"
#include "probe/response.h"
#include "probe/summary.h"
#include "probe/url.h"

#define FUTURE_MS       2000 /* that clocks may differ */
#define SHOWN_URL_BYTES 120  /* so that there is room for the reason */

enum { HEALTHY = 0, UNHEALTHY = 1 };

/* ---- Words ---- */

static void say(struct health__line *line, const char *words)
{
    health__line_add(line, ": ");
    health__line_add(line, words);
}

static int pass(struct health__line *line, const char *how)
{
    say(line, how);
    return HEALTHY;
}

static int fail(struct health__line *line, const char *why)
{
    say(line, why);
    return UNHEALTHY;
}

/* strerror() would bring its tables, and the locale. */
static const char *words_for(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "connection refused";
    case ECONNRESET:
    case EPIPE:
        return "connection reset";
    case ETIMEDOUT:
    case EAGAIN:
        return "no answer in time";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "unreachable";
    case ENOENT:
    case ENOTDIR:
        return "it is not there";
    case EACCES:
    case EPERM:
        return "permission denied";
    case EMFILE:
    case ENFILE:
        return "no descriptor left";
    case EAFNOSUPPORT:
    case EADDRNOTAVAIL:
        return "no such address here, or no port left";
    default:
        return NULL;
    }
}

static int fail_errno(struct health__line *line, int error)
{
    const char *words = words_for(error);

    if (words != NULL)
        return fail(line, words);
    say(line, "error ");
    health__line_add_number(line, (unsigned)error);
    return UNHEALTHY;
}

/* ---- HTTP ---- */

/* Takes what was sent off the front. */
static void advance(struct msghdr *m, size_t sent)
{
    while (m->msg_iovlen > 0 && sent >= m->msg_iov->iov_len) {
        sent -= m->msg_iov->iov_len;
        m->msg_iov++;
        m->msg_iovlen--;
    }
    if (m->msg_iovlen > 0) {
        m->msg_iov->iov_base = (char *)m->msg_iov->iov_base + sent;
        m->msg_iov->iov_len -= sent;
    }
}

static struct iovec part(const char *bytes, size_t count)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = count};
}

/* HTTP/1.0, so that the answer comes in one piece, and ends with the connection.  In one piece as
 * well: there are servers that take what one read() gives for all of it.
 *
 * Returns: 0, or an error number. */
static int send_request(int fd, const struct health__url *url, int64_t deadline)
{
    static const char rest[] = "\r\nUser-Agent: health-probe\r\nAccept: */*\r\n"
                               "Connection: close\r\n\r\n";
    struct iovec parts[] = {
        part("GET ", 4),
        part(url->path, url->path_length),
        part(" HTTP/1.0\r\nHost: ", 17),
        part(url->host, strlen(url->host)),
        part(rest, sizeof(rest) - 1),
    };
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = sizeof(parts) / sizeof(parts[0])};

    while (m.msg_iovlen > 0) {
        ssize_t sent = sendmsg(fd, &m, MSG_NOSIGNAL);

        if (sent >= 0) {
            advance(&m, (size_t)sent);
        } else if (errno == EAGAIN) {
            struct pollfd waiting = {.fd = fd, .events = POLLOUT};

            if (health__connect_left_ms(deadline) == 0)
                return ETIMEDOUT;
            (void)poll(&waiting, 1, health__connect_left_ms(deadline));
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* Returns: 0, or an error number: what was read may be enough all the same. */
static int receive(int fd, struct health__response *r, int64_t deadline)
{
    char bytes[2048];

    while (r->part < HEALTH__COMPLETE) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        ssize_t count = 0;

        if (health__connect_left_ms(deadline) == 0)
            return ETIMEDOUT;
        if (poll(&waiting, 1, health__connect_left_ms(deadline)) <= 0)
            continue;
        count = recv(fd, bytes, sizeof(bytes), 0);
        if (count > 0)
            health__response_feed(r, bytes, (size_t)count);
        else if (count == 0)
            health__response_end(r);
        else if (errno != EAGAIN && errno != EINTR)
            return errno;
    }
    return 0;
}

static int judge(const struct health__response *r, struct health__line *line)
{
    health__line_add(line, ": ");
    health__line_add_number(line, r->code);
    if (r->code >= 300 && r->code < 400)
        return fail(line, "a redirect, which is not followed");
    if (r->code >= 300) {
        health__summary_add(line, r->body, r->kept);
        return UNHEALTHY;
    }
    return r->part == HEALTH__COMPLETE ? HEALTHY : fail(line, "the answer is longer than 1 MiB");
}

/* Of an answer that does not end: that it is a failure is known all the same, and why perhaps. */
static int judge_beginning(const struct health__response *r, int error, struct health__line *line)
{
    const char *words = error == ETIMEDOUT ? "no end in time" : words_for(error);

    health__line_add(line, ": ");
    health__line_add_number(line, r->code);
    health__line_add(line, ", but ");
    health__line_add(line, error == 0 || words == NULL ? "cut short" : words);
    health__summary_add(line, r->body, r->kept);
    return UNHEALTHY;
}

static int ask_http(
    int fd, const struct health__url *url, int64_t deadline, struct health__line *line)
{
    struct health__response response;
    int error;

    health__response_init(&response);
    error = send_request(fd, url, deadline);
    if (error == 0)
        error = receive(fd, &response, deadline);
    if (response.part == HEALTH__COMPLETE || response.part == HEALTH__TOO_LONG)
        return judge(&response, line);
    if (response.code >= 300 && (response.has_head || response.part == HEALTH__IN_HEADER))
        return judge_beginning(&response, error, line);
    if (response.part != HEALTH__MALFORMED)
        return fail_errno(line, error);
    if (response.head_bytes == 0)
        return fail(line, "closed without an answer");
    return fail(
        line, response.wrong != NULL ? response.wrong : "the answer is malformed, or cut short");
}

/* ---- Files ---- */

/* Negative for a time to come.  A file can be dated at any time: not one that cannot be counted. */
static int64_t age_of(const struct timespec *touched)
{
    static const int64_t far_s = (int64_t)1 << 40;
    struct timespec now = {0, 0};
    int64_t age_s;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    age_s = touched->tv_sec < 0 ? now.tv_sec : now.tv_sec - (int64_t)touched->tv_sec;
    if (age_s < -far_s)
        age_s = -far_s;
    return age_s * 1000 + (now.tv_nsec - touched->tv_nsec) / 1000000;
}

static int ask_file(const struct health__url *url, struct health__line *line)
{
    char path[1024];
    struct stat s;
    int64_t age_ms;
    bool fresh;

    if (url->path_length >= sizeof(path))
        return fail(line, "the path is too long");
    memcpy(path, url->path, url->path_length);
    path[url->path_length] = '\0';
    if (stat(path, &s) != 0)
        return fail_errno(line, errno);
    if (url->max_age_ms < 0)
        return pass(line, "it is there");
    age_ms = age_of(&s.st_mtim);
    /* A clock that was set back must not make it fresh for as long. */
    if (age_ms < -FUTURE_MS)
        return fail(line, "touched in the future");
    fresh = age_ms <= url->max_age_ms;
    say(line, fresh ? "touched " : "not touched for ");
    health__line_add_number(line, age_ms > 0 ? (unsigned)(age_ms / 1000) : 0);
    health__line_add(line, fresh ? " s ago" : " s");
    return fresh ? HEALTHY : UNHEALTHY;
}

/* ---- All together ---- */

static int ask(const struct health__url *url, int64_t deadline, struct health__line *line)
{
    int fd, error, result;

    if (url->scheme == HEALTH__FILE)
        return ask_file(url, line);
    fd = health__connect_to(url, deadline, &error);
    if (fd < 0)
        return fail_errno(line, error);
    result =
        url->scheme == HEALTH__HTTP ? ask_http(fd, url, deadline, line) : pass(line, "accepts");
    (void)close(fd);
    return result;
}

static void copy(char *to, size_t size, const struct health__line *line)
{
    size_t length = line->length;

    if (to == NULL || size == 0)
        return;
    if (length >= size) {
        /* Not within a character. */
        length = size - 1;
        while (length > 0 && ((unsigned char)line->text[length] & 0xC0) == 0x80)
            length--;
    }
    memcpy(to, line->text, length);
    to[length] = '\0';
}

static void add_url(struct health__line *line, const char *url)
{
    size_t length = strnlen(url, SHOWN_URL_BYTES + 1);

    if (length <= SHOWN_URL_BYTES) {
        health__line_add(line, url);
        return;
    }
    /* Not within a character. */
    while (length > 0 && ((unsigned char)url[--length] & 0xC0) == 0x80)
        ;
    health__line_add_bytes(line, url, length);
    health__line_add(line, "...");
}

int health_probe(const char *url, unsigned timeout_ms, char *reason, size_t reason_size)
{
    int before = errno, result;
    int64_t deadline =
        health__connect_now_ms() + (timeout_ms != 0 ? timeout_ms : HEALTH__CONNECT_DEFAULT_MS);
    const char *wrong = "the URL is NULL";
    struct health__url read;
    struct health__line line;

    health__line_clear(&line);
    if (url != NULL) {
        add_url(&line, url);
        wrong = health__url_read(&read, url);
    }
    if (wrong != NULL) {
        health__line_add(&line, url != NULL ? ": " : "");
        health__line_add(&line, wrong);
        copy(reason, reason_size, &line);
        errno = EINVAL;
        return HEALTH_EINVAL;
    }
    result = ask(&read, deadline, &line);
    copy(reason, reason_size, &line);
    errno = before;
    return result;
}
