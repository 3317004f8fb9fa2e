/*
 * A response is the same however it comes in pieces, and complete exactly if a reader that has all
 * of it before its eyes says so.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "probe/response.h"

#include <ctype.h>
#include <strings.h>

#include "fuzz.h"

#define MAX_HEAD  16384
#define MAX_BODY  ((size_t)1 << 20)
#define LINE_KEPT 127

/* ---- The reader that has all of it ---- */

struct whole {
    const char *at, *end;
    unsigned code;
    long long length; /* -1: none said */
};

/* Takes the next line, without its end.  Returns: false if it has none. */
static bool take_line(struct whole *w, const char **ret_line, size_t *ret_length, bool *ret_long)
{
    const char *newline = w->at < w->end ? memchr(w->at, '\n', (size_t)(w->end - w->at)) : NULL;

    if (newline == NULL)
        return false;
    *ret_line = w->at;
    *ret_length = (size_t)(newline - w->at);
    if (*ret_length > 0 && newline[-1] == '\r')
        --*ret_length;
    *ret_long = *ret_length > LINE_KEPT;
    w->at = newline + 1;
    return true;
}

static bool status_is_fine(struct whole *w, const char *line, size_t length)
{
    char text[16] = "";
    size_t i;

    memcpy(text, line, length < 13 ? length : 13);
    /* Digits become 0, so that one comparison is left. */
    if (text[7] == '1')
        text[7] = '0';
    for (i = 9; i < 12; i++)
        if (isdigit((unsigned char)text[i])) {
            w->code = w->code * 10 + (unsigned)(text[i] - '0');
            text[i] = '0';
        }
    return (strcmp(text, "HTTP/1.0 000") == 0 || strcmp(text, "HTTP/1.0 000 ") == 0) &&
           w->code >= 200 && w->code < 600;
}

static bool length_is_fine(struct whole *w, const char *value, size_t count, bool is_long)
{
    char text[LINE_KEPT + 1], *first = text, *end;
    long long number;

    if (is_long)
        return false;
    memcpy(text, value, count);
    text[count] = '\0';
    first += strspn(first, " \t");
    if (strspn(first, "0123456789") == 0 || strspn(first, "0123456789") > 18)
        return false;
    number = strtoll(first, &end, 10);
    end += strspn(end, " \t");
    if (*end != '\0' || (w->length >= 0 && w->length != number))
        return false;
    w->length = number;
    return true;
}

static bool header_is_fine(struct whole *w, const char *line, size_t length, bool is_long)
{
    size_t kept = length < LINE_KEPT ? length : LINE_KEPT, name = 0;

    while (name < kept && (isalnum((unsigned char)line[name]) ||
                              (line[name] != '\0' && strchr("!#$%&'*+-.^_`|~", line[name]))))
        name++;
    if (name == 0 || name == kept || line[name] != ':')
        return false;
    if (name == 17 && strncasecmp(line, "transfer-encoding", name) == 0)
        return false;
    if (name == 14 && strncasecmp(line, "content-length", name) == 0)
        return length_is_fine(w, line + name + 1, length - name - 1, is_long);
    return true;
}

/* Whether there is nothing but lines of text. */
static bool is_text(const char *bytes, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++)
        if (bytes[i] == '\r'
                ? bytes[i + 1] != '\n'
                : iscntrl((unsigned char)bytes[i]) && bytes[i] != '\t' && bytes[i] != '\n')
            return false;
    return true;
}

/* Whether the bytes, at the end of the connection or not, are a complete response. */
static bool is_complete(const char *bytes, size_t size, bool at_end, unsigned *ret_code)
{
    struct whole w = {bytes, bytes + size, 0, -1};
    const char *line;
    size_t length, head;
    bool is_long;

    if (!take_line(&w, &line, &length, &is_long) || !status_is_fine(&w, line, length))
        return false;
    do {
        if (!take_line(&w, &line, &length, &is_long))
            return false;
        if (length > 0 && !header_is_fine(&w, line, length, is_long))
            return false;
    } while (length > 0);
    head = (size_t)(w.at - bytes);
    if (head > MAX_HEAD || !is_text(bytes, head))
        return false;
    *ret_code = w.code;
    if (w.code == 204 || w.code == 304)
        return true;
    if (w.length >= 0)
        return (size_t)w.length <= MAX_BODY && size - head >= (size_t)w.length;
    return at_end && size - head <= MAX_BODY;
}

/* ---- The reader by pieces ---- */

static void feed(struct health__response *r, const char *bytes, size_t size, size_t piece)
{
    size_t at, count;

    health__response_init(r);
    for (at = 0; at < size; at += count) {
        count = size - at < piece ? size - at : piece;
        health__response_feed(r, bytes + at, count);
    }
}

static void check_same(const struct health__response *a, const struct health__response *b)
{
    FUZZ_CHECK(a->part == b->part);
    if (a->part == HEALTH__MALFORMED)
        return;
    FUZZ_CHECK(a->code == b->code && a->length == b->length);
    FUZZ_CHECK(a->kept == b->kept && memcmp(a->body, b->body, a->kept) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct health__response whole, parts;
    const char *bytes = (const char *)data;
    static const size_t pieces[] = {1, 37, 2048};
    unsigned code = 0;
    size_t i;

    feed(&whole, bytes, size, size);
    FUZZ_CHECK(whole.kept <= sizeof(whole.body));
    FUZZ_CHECK((whole.part == HEALTH__COMPLETE) == is_complete(bytes, size, false, &code));
    FUZZ_CHECK(whole.part != HEALTH__COMPLETE || whole.code == code);
    /* Byte by byte takes its time. */
    for (i = size > 4096 ? 1 : 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        feed(&parts, bytes, size, pieces[i]);
        check_same(&whole, &parts);
    }
    health__response_end(&whole);
    FUZZ_CHECK(whole.part >= HEALTH__COMPLETE);
    FUZZ_CHECK((whole.part == HEALTH__COMPLETE) == is_complete(bytes, size, true, &code));
    FUZZ_CHECK(whole.part != HEALTH__COMPLETE || whole.code == code);
    return 0;
}
