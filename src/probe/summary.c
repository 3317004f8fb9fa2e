/*
 * What matters in a document.
 *
 * A reader of JSON (RFC 8259) that goes through the text once, knows where it is by depth and by
 * the keys it has come by, and stops at the first thing that is wrong.  It has no stack: of what
 * lies deeper than a check's members it only counts the brackets.
 *
 *     depth 1   {"status": …, "gates": {…}, "checks": {…}}
 *     depth 2   "gates": {"started": false, …}      "checks": {"name": […], …}
 *     depth 4   "name": [{"status": "fail", "output": "…"}]
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "probe/summary.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A part of the document: a string's inside, escapes and all. */
struct span {
    const char *at;
    size_t length;
};

enum section { ELSEWHERE, GATES, CHECKS };

struct reader {
    struct health__line *line;
    const char *at, *end;
    unsigned depth;
    enum section section; /* at depth 2 and deeper */
    bool is_value;        /* a ':' was the last thing at this depth */
    struct span key;      /* the last one */
    struct span name;     /* of the check */
    struct span output;
    bool fails;
    bool not_started, not_ready, draining;
    unsigned told;
};

static bool is(const struct span *s, const char *text)
{
    return s->length == strlen(text) && memcmp(s->at, text, s->length) == 0;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads the four digits of \uXXXX.  Returns: -1 if they are none. */
static int32_t code_unit(const char *at, const char *end)
{
    int32_t value = 0;
    int i;

    if (end - at < 4)
        return -1;
    for (i = 0; i < 4; i++) {
        if (hex(at[i]) < 0)
            return -1;
        value = value * 16 + hex(at[i]);
    }
    return value;
}

static void add_code_point(struct health__line *line, uint32_t c)
{
    char utf8[4];

    if (c < 0x80) {
        utf8[0] = (char)c;
        health__line_add_bytes(line, utf8, 1);
    } else if (c < 0x800) {
        utf8[0] = (char)(0xC0 | c >> 6);
        utf8[1] = (char)(0x80 | (c & 0x3F));
        health__line_add_bytes(line, utf8, 2);
    } else if (c < 0x10000) {
        utf8[0] = (char)(0xE0 | c >> 12);
        utf8[1] = (char)(0x80 | (c >> 6 & 0x3F));
        utf8[2] = (char)(0x80 | (c & 0x3F));
        health__line_add_bytes(line, utf8, 3);
    } else {
        utf8[0] = (char)(0xF0 | c >> 18);
        utf8[1] = (char)(0x80 | (c >> 12 & 0x3F));
        utf8[2] = (char)(0x80 | (c >> 6 & 0x3F));
        utf8[3] = (char)(0x80 | (c & 0x3F));
        health__line_add_bytes(line, utf8, 4);
    }
}

/* Adds what the escape behind a backslash stands for.  Returns: how long it was. */
static size_t add_escape(struct health__line *line, const char *at, const char *end)
{
    int32_t high, low;

    if (*at != 'u') {
        /* \n and the like would be blanks anyway. */
        health__line_add_bytes(line, strchr("\"\\/", *at) != NULL ? at : " ", 1);
        return 1;
    }
    high = code_unit(at + 1, end);
    if (high < 0) {
        health__line_add(line, "?");
        return 1;
    }
    if (high < 0xD800 || high > 0xDFFF) {
        add_code_point(line, (uint32_t)high);
        return 5;
    }
    low = end - at > 6 && at[5] == '\\' && at[6] == 'u' ? code_unit(at + 7, end) : -1;
    if (high > 0xDBFF || low < 0xDC00 || low > 0xDFFF) {
        health__line_add(line, "?");
        return 5;
    }
    add_code_point(line, 0x10000u + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00));
    return 11;
}

static void add_span(struct health__line *line, const struct span *s)
{
    const char *at = s->at, *end = at + s->length;

    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));

        if (escape == NULL)
            escape = end;
        health__line_add_bytes(line, at, (size_t)(escape - at));
        at = escape;
        if (end - at >= 2)
            at += 1 + add_escape(line, at + 1, end);
        else
            at = end;
    }
}

/* Begins to tell of something. */
static void next_item(struct reader *r)
{
    health__line_add(r->line, r->told++ == 0 ? ": " : "; ");
}

static void tell_check(struct reader *r)
{
    next_item(r);
    add_span(r->line, &r->name);
    if (r->output.length > 0) {
        health__line_add(r->line, ": ");
        add_span(r->line, &r->output);
    }
}

static void look_at_gate(struct reader *r, bool is_true)
{
    if (is(&r->key, "started"))
        r->not_started = !is_true;
    else if (is(&r->key, "ready"))
        r->not_ready = !is_true;
    else if (is(&r->key, "draining"))
        r->draining = is_true;
}

static void tell_gate(struct reader *r, bool is_so, const char *text)
{
    if (!is_so)
        return;
    next_item(r);
    health__line_add(r->line, text);
}

/* Reads the string whose quote is at hand.  Returns: false if it does not end. */
static bool read_string(struct reader *r, struct span *ret)
{
    const char *at = r->at + 1;

    ret->at = at;
    while (at < r->end && *at != '"')
        at += *at == '\\' && r->end - at > 1 ? 2 : 1;
    if (at >= r->end)
        return false;
    ret->length = (size_t)(at - ret->at);
    r->at = at + 1;
    return true;
}

static bool string(struct reader *r)
{
    struct span s;

    if (!read_string(r, &s))
        return false;
    if (!r->is_value) {
        r->key = s;
        if (r->depth == 2 && r->section == CHECKS)
            r->name = s;
        return true;
    }
    r->is_value = false;
    if (r->depth == 4 && r->section == CHECKS) {
        if (is(&r->key, "status"))
            r->fails = is(&s, "fail");
        else if (is(&r->key, "output"))
            r->output = s;
    }
    return true;
}

static void open(struct reader *r)
{
    if (r->depth == 1)
        r->section = is(&r->key, "checks") ? CHECKS : is(&r->key, "gates") ? GATES : ELSEWHERE;
    r->depth++;
    r->is_value = false;
    if (r->depth == 4) {
        r->fails = false;
        r->output.length = 0;
    }
}

static void close(struct reader *r)
{
    if (r->depth == 4 && r->section == CHECKS && r->fails)
        tell_check(r);
    r->depth--;
}

/* A number or a word. */
static void scalar(struct reader *r)
{
    if (r->depth == 2 && r->section == GATES && r->is_value)
        look_at_gate(r, *r->at == 't');
    r->is_value = false;
    /* A NUL is none of them.  NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
    while (r->at < r->end && memchr(",]} \t\r\n:{[\"", *r->at, 11) == NULL)
        r->at++;
}

/* Reads the next thing.  Returns: false at the end, or where it goes wrong. */
static bool step(struct reader *r)
{
    switch (*r->at) {
    case '"':
        return string(r);
    case '{':
    case '[':
        open(r);
        break;
    case '}':
    case ']':
        close(r);
        if (r->depth == 0)
            return false;
        break;
    case ':':
        r->is_value = true;
        break;
    case ',':
        r->is_value = false;
        break;
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        break;
    default:
        scalar(r);
        return r->depth > 0;
    }
    r->at++;
    return true;
}

void health__summary_add(struct health__line *line, const char *document, size_t length)
{
    const struct span none = {document, 0};
    struct reader r = {.line = line,
        .at = document,
        .end = document + length,
        .key = none,
        .name = none,
        .output = none};

    if (length == 0 || document[0] != '{')
        return;
    while (r.at < r.end && step(&r))
        ;
    /* Gates count for some endpoints only: they are the reason where no check is. */
    if (r.told > 0)
        return;
    tell_gate(&r, r.not_started, "not started");
    tell_gate(&r, r.not_ready, "not ready");
    tell_gate(&r, r.draining, "draining");
}
