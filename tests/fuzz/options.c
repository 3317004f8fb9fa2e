/*
 * Structs of every size and content are taken or refused as their fields say, and not a byte is
 * read that is not theirs.
 *
 * An input is a byte that chooses the struct and what it points to, two with its size, that many
 * bytes of fields, and texts: the address to listen on, or the name.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stddef.h>

#include "fuzz.h"
#include "texts.h"

#define MAX_STRUCT_BYTES 4096 /* what is longer is no struct */

static unsigned releases;

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    return HEALTH_PASS;
}

static void release(void *arg)
{
    FUZZ_CHECK(arg == &releases);
    releases++;
}

/* The next struct: exactly as many bytes as it says; of one that can be none only its size. */
static void *take_struct(struct fuzz_input *in, size_t *ret_size)
{
    uint8_t low = (uint8_t)fuzz_byte(in);
    size_t size = low | (size_t)fuzz_byte(in) << 8,
           there = size > MAX_STRUCT_BYTES || size < sizeof(size) ? sizeof(size) : size;
    uint8_t *bytes = malloc(there);

    FUZZ_CHECK(bytes != NULL);
    memcpy(bytes, &size, sizeof(size));
    fuzz_bytes(in, bytes + sizeof(size), there - sizeof(size));
    *ret_size = size;
    return bytes;
}

/* Of a struct that has `ours` bytes here: what its size and its tail are refused for. */
static int tail_error(const void *theirs, size_t size, size_t ours)
{
    size_t i;

    if (size < ours || size > MAX_STRUCT_BYTES)
        return HEALTH_EINVAL;
    for (i = ours; i < size; i++)
        if (((const uint8_t *)theirs)[i] != 0)
            return HEALTH_ENOTSUP;
    return 0;
}

/* A failure has its errno and its sentence; a success leaves errno alone. */
static void check_result(int result, int expected)
{
    FUZZ_CHECK(result == expected);
    FUZZ_CHECK((result == 0) == (errno == ERANGE));
    FUZZ_CHECK(result == 0 || health_last_error()[0] != '\0');
    FUZZ_CHECK(texts_is_utf8(health_strerror(result)));
    errno = ERANGE;
}

/* ---- Options ---- */

static int options_error(const struct health_options *o)
{
    if (o->details > HEALTH_DETAILS_NONE || o->response_ms > 60000 || o->connections > 65536 ||
        o->workers > 1024 || o->reserved != 0)
        return HEALTH_EINVAL;
    return 0;
}

static void check_options(struct fuzz_input *in, unsigned choice)
{
    size_t size;
    struct health_options *o = take_struct(in, &size);
    char *texts[5];
    struct health *h = NULL;
    int expected = tail_error(o, size, sizeof(*o)), result;
    size_t i;

    for (i = 0; i < 5; i++)
        texts[i] = fuzz_take(in);
    if (size >= sizeof(*o) && size <= MAX_STRUCT_BYTES) {
        o->listen = choice & 1 ? texts[0] : choice & 2 ? "127.0.0.1:0,[::1]:0" : NULL;
        o->service_id = choice & 4 ? texts[1] : NULL;
        o->version = choice & 8 ? texts[2] : NULL;
        o->release_id = choice & 16 ? texts[3] : NULL;
        o->description = choice & 32 ? texts[4] : NULL;
        if (expected == 0)
            expected = options_error(o);
    }
    result = health_new(&h, o);
    /* What is a list of addresses is not said again here. */
    if (expected == 0 && choice & 1 && result == HEALTH_EINVAL)
        expected = HEALTH_EINVAL;
    FUZZ_CHECK((h != NULL) == (result == 0));
    check_result(result, expected);
    health_free(h);
    for (i = 0; i < 5; i++)
        free(texts[i]);
    free(o);
}

/* ---- Checks ---- */

static int check_error(const struct health_check *c)
{
    if (c->name == NULL || !texts_is_name(c->name) || c->probes > 15 || c->reserved != 0 ||
        c->timeout_ms > HEALTH_DURATION_MAX_MS || c->max_age_ms > HEALTH_DURATION_MAX_MS ||
        c->interval_ms > HEALTH_DURATION_MAX_MS || (c->interval_ms != 0 && c->max_age_ms != 0))
        return HEALTH_EINVAL;
    if (c->fn == NULL &&
        (c->timeout_ms != 0 || c->interval_ms != 0 || c->failures != 0 || c->successes != 0))
        return HEALTH_EINVAL;
    return 0;
}

static void check_check(struct health *h, struct fuzz_input *in, unsigned choice)
{
    size_t size;
    struct health_check *c = take_struct(in, &size);
    char *name = fuzz_take(in);
    int expected = tail_error(c, size, sizeof(*c));
    bool pushed = !(choice & 2);

    releases = 0;
    if (size >= sizeof(*c) && size <= MAX_STRUCT_BYTES) {
        c->name = choice & 1 ? name : NULL;
        c->fn = pushed ? NULL : pass;
        c->release = choice & 4 ? release : NULL;
        c->arg = &releases;
        if (expected == 0)
            expected = check_error(c);
    }
    check_result(health_add_check(h, c), expected);
    FUZZ_CHECK(releases == 0);
    if (expected == 0) {
        check_result(health_add_check(h, c), HEALTH_EEXIST);
        check_result(health_report(h, name, HEALTH_WARN, NULL), pushed ? 0 : HEALTH_EINVAL);
        check_result(
            health_report(h, name, (enum health_status)(choice + 3), "%s", name), HEALTH_EINVAL);
        check_result(health_remove(h, name), 0);
        FUZZ_CHECK(releases == (c->release != NULL));
    }
    check_result(health_remove(h, name), HEALTH_ENOENT);
    free(name);
    free(c);
}

static void check_heartbeat(struct health *h, struct fuzz_input *in, unsigned choice)
{
    struct health_heartbeat *b = NULL;
    unsigned max_age_ms, probes;
    char *name;
    int expected = 0;

    fuzz_bytes(in, &max_age_ms, sizeof(max_age_ms));
    fuzz_bytes(in, &probes, sizeof(probes));
    name = fuzz_take(in);
    if (!texts_is_name(name) || max_age_ms == 0 || max_age_ms > HEALTH_DURATION_MAX_MS ||
        probes > 15)
        expected = HEALTH_EINVAL;
    check_result(health_add_heartbeat(h, name, max_age_ms, probes, choice & 1 ? &b : NULL),
        choice & 1 ? expected : HEALTH_EINVAL);
    FUZZ_CHECK((b != NULL) == (choice & 1 && expected == 0));
    health_beat(b);
    health_idle(b);
    if (b != NULL)
        check_result(health_remove(h, name), 0);
    free(name);
}

/* On an instance that is not started nothing can be asked, whatever is asked. */
static void check_document(struct health *h, struct fuzz_input *in)
{
    enum health_status status = HEALTH_WARN;
    size_t length = 1;
    unsigned probe;
    char text[8];

    fuzz_bytes(in, &probe, sizeof(probe));
    check_result(health_document(h, probe, text, sizeof(text), &length, &status),
        probe == HEALTH_LIVE || probe == HEALTH_READY || probe == HEALTH_STARTUP ||
                probe == HEALTH_ALL
            ? HEALTH_ESTOPPED
            : HEALTH_EINVAL);
    FUZZ_CHECK(status == HEALTH_WARN && length == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct health *h; /* for all inputs; never started */
    struct fuzz_input in = {data, size};
    unsigned first = fuzz_byte(&in), choice = first >> 2;

    if (h == NULL)
        FUZZ_CHECK(health_new(&h, NULL) == 0);
    errno = ERANGE;
    switch (first & 3) {
    case 0:
        check_options(&in, choice);
        break;
    case 1:
        check_check(h, &in, choice);
        break;
    case 2:
        check_heartbeat(h, &in, choice);
        break;
    default:
        check_document(h, &in);
        break;
    }
    return 0;
}
