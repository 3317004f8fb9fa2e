/*
 * The document of an answer, read strictly.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The members that there are, in their order. */
static const char *const root_members[] = {
    "status", "version", "releaseId", "serviceId", "description", "notes", "gates", "checks"};
static const char *const item_members[] = {
    "status", "time", "observedValue", "observedUnit", "output", "durationMs", "since"};
static const char *const gate_members[] = {"started", "ready", "draining"};

json_t *document_parse(const char *text, size_t length, char *ret_why)
{
    json_error_t error;
    json_t *doc = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);

    if (doc != NULL && !json_is_object(doc)) {
        (void)snprintf(error.text, sizeof(error.text), "not an object");
        json_decref(doc);
        doc = NULL;
    }
    if (doc == NULL && ret_why != NULL)
        (void)snprintf(ret_why, 256, "byte %d: %s", error.position, error.text);
    return doc;
}

/* Fails unless all members are of the list, in its order. */
static void check_members(
    const json_t *object, const char *const *members, size_t count, const char *what)
{
    json_t *mutable = (json_t *)(uintptr_t)object;
    const char *key;
    json_t *value;
    size_t i = 0;

    if (!json_is_object(object))
        fail_msg("%s is not an object", what);
    json_object_foreach(mutable, key, value)
    {
        (void)value;
        while (i < count && strcmp(members[i], key) != 0)
            i++;
        if (i++ == count)
            fail_msg("%s: member \"%s\" is unknown or out of order", what, key);
    }
}

static bool is_status(const char *text)
{
    return strcmp(text, "pass") == 0 || strcmp(text, "warn") == 0 || strcmp(text, "fail") == 0;
}

/* The text of a member that must be there. */
static const char *need_text(const json_t *object, const char *member, const char *what)
{
    const char *text = document_text(object, member);

    if (text == NULL)
        fail_msg("%s has no \"%s\"", what, member);
    return text;
}

static void check_time(const json_t *item, const char *member, const char *what)
{
    const char *text = document_text(item, member);

    if (text != NULL && document_time_ms(text) < 0)
        fail_msg("%s: \"%s\" is no time: %s", what, member, text);
}

static void check_observed(const json_t *item, const char *what)
{
    const json_t *value = json_object_get(item, "observedValue");
    const char *text = json_string_value(value);

    if (value == NULL) {
        if (document_text(item, "observedUnit") != NULL)
            fail_msg("%s has a unit without a value", what);
    } else if (text != NULL) {
        if (strcmp(text, "NaN") != 0 && strcmp(text, "Infinity") != 0 &&
            strcmp(text, "-Infinity") != 0)
            fail_msg("%s: observedValue \"%s\"", what, text);
    } else if (!json_is_number(value)) {
        fail_msg("%s: observedValue is neither a number nor one of the three texts", what);
    }
}

static void check_item(const json_t *item, const char *what)
{
    const json_t *duration = json_object_get(item, "durationMs");
    const char *status, *output;

    check_members(item, item_members, COUNT(item_members), what);
    status = need_text(item, "status", what);
    if (!is_status(status))
        fail_msg("%s: status \"%s\"", what, status);
    output = document_text(item, "output");
    if (output != NULL && (strcmp(status, "pass") == 0 || output[0] == '\0'))
        fail_msg("%s: output \"%s\" with status %s", what, output, status);
    (void)need_text(item, "since", what);
    check_time(item, "since", what);
    check_time(item, "time", what);
    check_observed(item, what);
    if (duration != NULL && (!json_is_number(duration) || json_number_value(duration) < 0))
        fail_msg("%s: durationMs is no duration", what);
}

static void check_notes(const json_t *notes)
{
    size_t i;

    if (notes == NULL)
        return;
    if (!json_is_array(notes) || json_array_size(notes) == 0)
        fail_msg("notes is no array of something");
    for (i = 0; i < json_array_size(notes); i++) {
        if (!json_is_string(json_array_get(notes, i)))
            fail_msg("notes[%zu] is no text", i);
    }
}

void document_validate(const json_t *doc)
{
    json_t *checks = json_object_get(doc, "checks");
    const char *name;
    json_t *items;
    size_t i;

    check_members(doc, root_members, COUNT(root_members), "the root");
    if (!is_status(need_text(doc, "status", "the root")))
        fail_msg("status \"%s\"", document_status(doc));
    for (i = 1; i < 5; i++)
        (void)document_text(doc, root_members[i]);
    check_notes(json_object_get(doc, "notes"));
    check_members(json_object_get(doc, "gates"), gate_members, COUNT(gate_members), "gates");
    for (i = 0; i < COUNT(gate_members); i++)
        (void)document_gate(doc, gate_members[i]);
    if (!json_is_object(checks))
        fail_msg("checks is not an object");
    json_object_foreach(checks, name, items)
    {
        if (!json_is_array(items) || json_array_size(items) != 1)
            fail_msg("checks[\"%s\"] is not an array of one", name);
        check_item(json_array_get(items, 0), name);
    }
}

static void check_header(const struct response *r, const char *name, const char *want)
{
    const char *value = response_header(r, name);

    if (response_header_count(r, name) != 1)
        fail_msg("%d headers %s in\n%s", response_header_count(r, name), name, r->head);
    if (want != NULL && strcmp(value, want) != 0)
        fail_msg("%s: %s, not %s", name, value, want);
}

json_t *document_of(const struct response *r)
{
    static const char begin[] = "{\"status\":\"";
    char why[256];
    json_t *doc;
    bool failing;

    check_header(r, "Content-Type", "application/health+json");
    check_header(r, "Cache-Control", "no-store");
    check_header(r, "X-Content-Type-Options", "nosniff");
    check_header(r, "Content-Length", NULL);
    doc = document_parse(r->body, r->body_length, why);
    if (doc == NULL)
        fail_msg("%s in %s", why, r->body);
    if (strncmp(r->body, begin, sizeof(begin) - 1) != 0)
        fail_msg("status is not the first thing in %s", r->body);
    document_validate(doc);
    failing = strcmp(document_status(doc), "fail") == 0;
    if (r->status != (failing ? 503 : 200))
        fail_msg("code %d with status %s", r->status, document_status(doc));
    return doc;
}

json_t *document_ask(const struct client_request *q, int code)
{
    struct response r;
    json_t *doc;

    client_ask(q, &r);
    if (r.status != code)
        fail_msg("%s: %d, not %d: %s", q->target, r.status, code, r.body);
    doc = document_of(&r);
    response_free(&r);
    return doc;
}

json_t *document_get(int port, const char *target, int code)
{
    return document_ask(&(struct client_request){.port = port, .target = target}, code);
}

void document_free(json_t *doc)
{
    json_decref(doc);
}

const char *document_status(const json_t *doc)
{
    return need_text(doc, "status", "the root");
}

size_t document_count(const json_t *doc)
{
    return json_object_size(json_object_get(doc, "checks"));
}

const json_t *document_check(const json_t *doc, const char *name)
{
    return json_array_get(json_object_get(json_object_get(doc, "checks"), name), 0);
}

const char *document_check_status(const json_t *doc, const char *name)
{
    return document_text(document_check(doc, name), "status");
}

const char *document_text(const json_t *object, const char *member)
{
    const json_t *value = object != NULL ? json_object_get(object, member) : NULL;

    if (value != NULL && !json_is_string(value))
        fail_msg("\"%s\" is no text", member);
    return json_string_value(value);
}

const char *document_output(const json_t *doc, const char *name)
{
    return document_text(document_check(doc, name), "output");
}

bool document_gate(const json_t *doc, const char *name)
{
    const json_t *gate = json_object_get(json_object_get(doc, "gates"), name);

    if (!json_is_boolean(gate))
        fail_msg("gate \"%s\" is not there, or no boolean", name);
    return json_is_true(gate);
}

int64_t document_time_ms(const char *text)
{
    static const char form[] = "0000-00-00T00:00:00.000Z";
    struct tm tm = {0};
    size_t i;
    int ms;

    if (strlen(text) != sizeof(form) - 1)
        return -1;
    for (i = 0; i < sizeof(form) - 1; i++) {
        if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return -1;
    }
    /* Digits in all the right places: nothing is left that could go wrong. */
    tm.tm_year = atoi(text) - 1900;
    tm.tm_mon = atoi(text + 5) - 1;
    tm.tm_mday = atoi(text + 8);
    tm.tm_hour = atoi(text + 11);
    tm.tm_min = atoi(text + 14);
    tm.tm_sec = atoi(text + 17);
    ms = atoi(text + 20);
    return (int64_t)timegm(&tm) * 1000 + ms;
}

int64_t document_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
