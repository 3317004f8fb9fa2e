/*
 * The head of a request.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/head.h"

#include <microhttpd.h>
#include <stdint.h>
#include <string.h>

#include "http/route.h"

/* Whatever it is, the connection ends with the answer: MHD 0.9.75 ends a value at its first NUL,
 * and "0" may be the beginning of another length to whoever is before us. */
static void note_length(struct health__connection *c, const char *value, size_t length)
{
    if ((c->framing & (HEALTH__LENGTH | HEALTH__ENCODING)) || length == 0 ||
        strspn(value, "0123456789") != length)
        c->framing |= HEALTH__UNCLEAR;
    c->framing |= HEALTH__LENGTH | HEALTH__BODY;
}

static void note_encoding(struct health__connection *c)
{
    if (c->framing & (HEALTH__LENGTH | HEALTH__ENCODING))
        c->framing |= HEALTH__UNCLEAR;
    c->framing |= HEALTH__ENCODING | HEALTH__BODY;
}

/* What comes behind the prefix; NULL if the name does not begin with it.  Letters are those of
 * ASCII, whatever the host's locale: in Turkish strcasecmp() takes VIA for another name than Via.
 */
static const char *behind(const char *name, const char *prefix)
{
    for (; *prefix != '\0'; name++, prefix++) {
        unsigned char a = (unsigned char)*name, b = (unsigned char)*prefix;

        if (a != b && ((a | 0x20) != (b | 0x20) || (a | 0x20) < 'a' || (a | 0x20) > 'z'))
            return NULL;
    }
    return name;
}

static bool word_has_below(const char *bytes, unsigned char limit)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones * 0x80;
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return ((word - ones * limit) & ~word & tops) != 0;
}

/* Whether there is a byte below `limit`, of at most 128: eight at a time (Sean Anderson, "Bit
 * Twiddling Hacks", hasless), the last eight perhaps twice, as every byte of every head is asked.
 */
static bool has_below(const char *bytes, size_t length, unsigned char limit)
{
    const char *end = bytes + length;

    if (length >= sizeof(uint64_t)) {
        for (; bytes < end - sizeof(uint64_t); bytes += sizeof(uint64_t))
            if (word_has_below(bytes, limit))
                return true;
        return word_has_below(end - sizeof(uint64_t), limit);
    }
    for (; bytes < end; bytes++)
        if ((unsigned char)*bytes < limit)
            return true;
    return false;
}

/* A blank in front of the colon hides a header from one reader and not from the other. */
static bool is_name(const char *name, size_t length)
{
    return !has_below(name, length, ' ' + 1) && memchr(name, 0x7F, length) == NULL;
}

/* A line may end there for one reader and not for the other (RFC 9110, section 5.5). */
static bool is_value(const char *value, size_t length)
{
    return length == 0 || !has_below(value, length, '\r' + 1) || strcspn(value, "\r\n") == length;
}

static void note_header(
    struct health__connection *c, const char *name, const char *value, size_t length)
{
    const char *rest;

    switch (name[0] | 0x20) {
    case 'c':
    case 't':
        rest = behind(name, (name[0] | 0x20) == 'c' ? "Content-Length" : "Transfer-Encoding");
        if (rest == NULL)
            break;
        /* What is folded MHD 0.9.75 has at the end of the name. */
        if (*rest != '\0')
            c->framing |= HEALTH__UNCLEAR;
        else if ((name[0] | 0x20) == 'c')
            note_length(c, value, length);
        else
            note_encoding(c);
        break;
    case 'e':
        /* MHD says "100 Continue" before the second call, body or not. */
        rest = behind(name, "Expect");
        if (rest != NULL && *rest == '\0')
            c->framing |= HEALTH__BODY;
        break;
    case 'f':
        c->proxied |= behind(name, "Forwarded") != NULL;
        break;
    case 'v':
        c->proxied |= behind(name, "Via") != NULL;
        break;
    case 'x':
        c->proxied |= behind(name, "X-Forwarded-") != NULL || behind(name, "X-Envoy-") != NULL;
        break;
    default:
        break;
    }
}

void health__head_keep_name(struct health__connection *c, const char *name)
{
    char clean[HEALTH__ROUTE_NAME_BYTES];

    if (health__route_name(name, clean))
        health__buffer_append(&c->names, clean, strlen(clean) + 1);
    else
        c->bad_name = true;
}

static void note_argument(struct health__connection *c, const char *name, const char *value)
{
    if (strcmp(name, "verbose") == 0) {
        c->request.verbose = true;
    } else if (strcmp(name, "exclude") == 0 && value != NULL) {
        health__head_keep_name(c, value);
        c->request.exclude_count++;
    }
}

static enum MHD_Result note(void *arg, enum MHD_ValueKind kind, const char *name,
    size_t name_length, const char *value, size_t value_length)
{
    struct health__connection *c = arg;

    if (name == NULL)
        return MHD_YES;
    if (kind != MHD_HEADER_KIND)
        note_argument(c, name, value);
    else if (is_name(name, name_length) && is_value(value, value_length))
        note_header(c, name, value, value_length);
    else
        c->framing |= HEALTH__UNCLEAR;
    return MHD_YES;
}

void health__head_read(struct health__connection *c, struct MHD_Connection *connection)
{
    c->request = (struct health__request){.endpoint = HEALTH__AT_READY};
    c->framing = 0;
    c->proxied = c->bad_name = false;
    c->targeted = c->waited = c->its_turn = false;
    (void)MHD_get_connection_values_n(
        connection, (enum MHD_ValueKind)(MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND), note, c);
}
