/*
 * Reading an HTTP response.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "probe/response.h"

#include <string.h>
#include <strings.h>

#define MAX_HEAD_BYTES 16384
#define MAX_BODY_BYTES ((int64_t)1 << 20)

void health__response_init(struct health__response *r)
{
    memset(r, 0, offsetof(struct health__response, body));
    r->length = -1;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum health__response_part malformed(struct health__response *r, const char *wrong)
{
    r->wrong = wrong;
    return HEALTH__MALFORMED;
}

/* "HTTP/1.1 200 OK" (RFC 9112, section 4). */
static enum health__response_part read_status(struct health__response *r)
{
    const char *s = r->line;

    if (r->line_length < 12 || strncmp(s, "HTTP/1.", 7) != 0 || (s[7] != '0' && s[7] != '1') ||
        s[8] != ' ' || s[9] < '1' || s[9] > '5' || !is_digit(s[10]) || !is_digit(s[11]) ||
        (s[12] != ' ' && s[12] != '\0'))
        return HEALTH__MALFORMED;
    if (s[9] == '1')
        return malformed(r, "an interim answer to HTTP/1.0");
    r->code = (unsigned)(s[9] - '0') * 100 + (unsigned)(s[10] - '0') * 10 + (unsigned)(s[11] - '0');
    return HEALTH__IN_HEADER;
}

/* Whether a name may have it (RFC 9110, section 5.6.2). */
static bool is_token(char c)
{
    return c > ' ' && c < 0x7F && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
}

/* Whether the line has a name before its colon.  Where one reader of HTTP sees a header, the other
 * must not see none: "Content-Length : 5", or a line that goes on with the one before. */
static bool has_name(const struct health__response *r)
{
    size_t length = 0;

    while (is_token(r->line[length]))
        length++;
    return length > 0 && r->line[length] == ':';
}

/* Returns: -1 if it is no length. */
static int64_t read_length(const char *s)
{
    int64_t value = 0;
    size_t i;

    while (*s == ' ' || *s == '\t')
        s++;
    for (i = 0; is_digit(s[i]); i++) {
        if (i == 18)
            return -1;
        value = value * 10 + (s[i] - '0');
    }
    if (i == 0)
        return -1;
    s += i;
    while (*s == ' ' || *s == '\t')
        s++;
    return *s == '\0' ? value : -1;
}

static enum health__response_part read_header(struct health__response *r)
{
    static const char length[] = "content-length:", encoding[] = "transfer-encoding:";
    int64_t value;

    /* 204 and 304 have no body, whatever they say. */
    r->has_head = r->line_length == 0;
    if (r->has_head)
        return r->length == 0 || r->code == 204 || r->code == 304 ? HEALTH__COMPLETE
                                                                  : HEALTH__IN_BODY;
    if (!has_name(r))
        return HEALTH__MALFORMED;
    if (strncasecmp(r->line, encoding, sizeof(encoding) - 1) == 0)
        return malformed(r, "a chunked answer to HTTP/1.0");
    if (strncasecmp(r->line, length, sizeof(length) - 1) != 0)
        return HEALTH__IN_HEADER;
    value = read_length(r->line + sizeof(length) - 1);
    if (value < 0 || r->line_length >= sizeof(r->line) || (r->length >= 0 && r->length != value))
        return HEALTH__MALFORMED;
    r->length = value;
    return HEALTH__IN_HEADER;
}

/* What is in no line of text. */
static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7F;
}

static void feed_head(struct health__response *r, char c)
{
    /* A CR alone ends a line for some. */
    if (++r->head_bytes > MAX_HEAD_BYTES || is_control(c) || (r->after_cr && c != '\n')) {
        r->part = HEALTH__MALFORMED;
        return;
    }
    r->after_cr = c == '\r';
    if (r->after_cr)
        return;
    if (c != '\n') {
        if (r->line_length < sizeof(r->line) - 1)
            r->line[r->line_length] = c;
        r->line_length++;
        return;
    }
    r->line[r->line_length < sizeof(r->line) ? r->line_length : sizeof(r->line) - 1] = '\0';
    r->part = r->part == HEALTH__IN_STATUS ? read_status(r) : read_header(r);
    r->line_length = 0;
}

static void feed_body(struct health__response *r, const char *bytes, size_t count)
{
    size_t room = sizeof(r->body) - r->kept;

    if (r->length >= 0 && (int64_t)count > r->length - r->body_bytes)
        count = (size_t)(r->length - r->body_bytes);
    memcpy(r->body + r->kept, bytes, count < room ? count : room);
    r->kept += count < room ? count : room;
    r->body_bytes += (int64_t)count;
    if (r->body_bytes > MAX_BODY_BYTES)
        r->part = HEALTH__TOO_LONG;
    else if (r->body_bytes == r->length)
        r->part = HEALTH__COMPLETE;
}

void health__response_feed(struct health__response *r, const char *bytes, size_t count)
{
    size_t i;

    for (i = 0; i < count && (r->part == HEALTH__IN_STATUS || r->part == HEALTH__IN_HEADER); i++)
        feed_head(r, bytes[i]);
    if (r->part == HEALTH__IN_BODY)
        feed_body(r, bytes + i, count - i);
}

void health__response_end(struct health__response *r)
{
    if (r->part == HEALTH__IN_BODY && r->length < 0)
        r->part = HEALTH__COMPLETE;
    else if (r->part < HEALTH__COMPLETE)
        r->part = HEALTH__MALFORMED;
}
