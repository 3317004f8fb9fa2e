/*
 * Which document for whom.
 *
 * A kept document is good while nothing it shows has changed: the gates, which are read each time;
 * the checks, whose changes the engine counts; and, where neither a run nor a report tells, time,
 * which is why it says until when it is good.  When that moment comes the checks are looked at
 * again, and often enough nothing has changed after all.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "answer/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "render/document.h"

/* What a look at the checks has found. */
struct look {
    enum health_status status; /* of the endpoint, gates aside */
    bool started;              /* no startup check fails or is pending */
    int64_t until;
};

/* Which checks an answer is about. */
struct scope {
    struct health__engine *engine;
    struct health__question question;
    struct health__check *only; /* where the question is about one: it, or NULL */
    unsigned gates;
};

/* What else there is to say on the request. */
struct notes {
    struct health__buffer texts; /* each with its NUL */
    size_t count;
};

static enum health_status worse(enum health_status a, enum health_status b)
{
    return a > b ? a : b;
}

static enum health_status told(enum health__endpoint endpoint, const struct health__check *check)
{
    struct health__verdict v = health__state_verdict(&check->state, &check->policy);

    return health__endpoint_lenient(endpoint) ? v.status : v.strict;
}

/* The next check, after `check`, that the question is about; NULL: the first, or no more. */
static struct health__check *next(const struct scope *scope, const struct health__check *check)
{
    const struct health__link *link = check != NULL ? &check->link : &scope->engine->checks;

    if (scope->question.only != NULL)
        return check == NULL ? scope->only : NULL;
    while ((link = link->next) != &scope->engine->checks) {
        struct health__check *at = health__container(link, struct health__check, link);

        if (health__question_covers(&scope->question, at))
            return at;
    }
    return NULL;
}

static struct look look(const struct scope *scope, const struct health__request *request)
{
    struct look result = {HEALTH_PASS, true, HEALTH__NEVER};
    struct health__check *check = NULL;

    while ((check = next(scope, check)) != NULL) {
        int64_t until = health__engine_settle(scope->engine, check);
        enum health_status status = told(request->endpoint, check);

        result.until = until < result.until ? until : result.until;
        result.status = worse(result.status, status);
        if ((check->policy.probes & HEALTH_STARTUP) && status == HEALTH_FAIL)
            result.started = false;
    }
    return result;
}

/* ---- Rendering ---- */

static void render_check(const struct health__request *request, const struct health__check *check,
    int64_t wall_offset_ms, struct health__buffer *to, bool first)
{
    char reason[HEALTH__REASON_BYTES];
    struct health__item item = {
        .name = check->name,
        .status = told(request->endpoint, check),
        .time = -1,
        .since = check->state.since + wall_offset_ms,
        .duration_us = check->duration_us,
    };
    int64_t time = check->state.result_at;
    double value;

    if (time != HEALTH__NOT_YET && time != HEALTH__NEVER)
        item.time = time + wall_offset_ms;
    if (request->details && health__words_value(check->words, &value, &item.unit))
        item.value = &value;
    if (request->details && item.status != HEALTH_PASS &&
        health__check_reason(reason, check, wall_offset_ms) > 0)
        item.output = reason;
    health__document_add(to, &item, first);
}

static void render_checks(struct health__answers *a, const struct health__request *request,
    const struct scope *scope, struct health__buffer *to)
{
    bool all =
        request->verbose || request->only != NULL || health__endpoint_lists_all(request->endpoint);
    int64_t wall_offset_ms = health__engine_wall_offset_ms(a->engine);
    struct health__check *check = NULL;
    bool first = true;

    while ((check = next(scope, check)) != NULL) {
        if (!all && told(request->endpoint, check) == HEALTH_PASS)
            continue;
        render_check(request, check, wall_offset_ms, to, first);
        first = false;
    }
}

/* Returns: NULL without memory. */
static struct health__reply *render(struct health__answers *a,
    const struct health__request *request, const struct scope *scope, enum health_status status,
    const struct notes *notes)
{
    struct health__buffer document = {.failed = notes->texts.failed};
    struct health__head head = {
        .status = status,
        .version = a->version,
        .release_id = a->release_id,
        .service_id = a->service_id,
        .description = a->description,
        .notes = notes->texts.bytes,
        .note_count = notes->count,
        .started = (scope->gates & HEALTH__NOT_STARTED) == 0,
        .ready = (scope->gates & HEALTH__NOT_READY) == 0,
        .draining = (scope->gates & HEALTH__DRAINING) != 0,
    };
    size_t length;
    char *bytes;

    if (!document.failed) {
        health__document_begin(&document, &head);
        render_checks(a, request, scope, &document);
        health__document_end(&document);
    }
    bytes = health__buffer_take(&document, &length);
    return bytes != NULL ? a->maker->make(bytes, length) : NULL;
}

/* ---- Answering ---- */

static struct scope scope_of(const struct health__answers *a, const struct health__request *request)
{
    unsigned gates = health__gates_read(a->gates);

    return (struct scope){
        .engine = a->engine,
        .question =
            {
                .probes = health__endpoint_probes(request->endpoint, gates),
                .only = request->only,
                .excludes = request->excludes,
                .exclude_count = request->exclude_count,
            },
        .gates = gates,
    };
}

void health__answer_question(const struct health__answers *a, const struct health__request *request,
    struct health__question *ret_question)
{
    struct scope scope = scope_of(a, request);

    *ret_question = scope.question;
    if (health__endpoint_latched(request->endpoint, scope.gates))
        ret_question->probes = 0;
}

static uint64_t version(const struct health__answers *a, const struct health__request *request,
    const struct scope *scope)
{
    return health__engine_version(a->engine, scope->question.probes,
        request->verbose || health__endpoint_lists_all(request->endpoint));
}

/* Whether nothing has changed but, perhaps, by time alone. */
static bool is_current(const struct health__answers *a, const struct health__request *request,
    const struct scope *scope, const struct health__kept *kept)
{
    return kept->reply != NULL && kept->gates == scope->gates &&
           kept->version == version(a, request, scope);
}

static void drop(struct health__answers *a, struct health__kept *kept)
{
    if (kept->reply != NULL)
        a->maker->drop(kept->reply);
    kept->reply = NULL;
}

/* Looks at the checks, and lets startup pass if it does: then once more, for what counts has
 * changed. */
static struct look evaluate(
    struct health__answers *a, const struct health__request *request, struct scope *scope)
{
    struct look found = look(scope, request);

    if (health__request_is_plain(request) && found.started &&
        health__endpoint_latches(request->endpoint, scope->gates)) {
        health__gates_set(a->gates, HEALTH__LATCHED, true);
        *scope = scope_of(a, request);
        found = look(scope, request);
    }
    if (health__endpoint_latched(request->endpoint, scope->gates))
        found.status = HEALTH_PASS;
    if (request->only == NULL && health__endpoint_shut(request->endpoint, scope->gates))
        found.status = HEALTH_FAIL;
    return found;
}

/* Notes on excludes that exclude nothing. */
static void note_unknown(
    struct health__answers *a, const struct health__request *request, struct notes *notes)
{
    static const char prefix[] = "exclude: no check ";
    const char *name = request->excludes;
    size_t i;

    for (i = 0; i < request->exclude_count; i++, name += strlen(name) + 1) {
        if (health__engine_find(a->engine, name) != NULL)
            continue;
        health__buffer_append(&notes->texts, prefix, sizeof(prefix) - 1);
        health__buffer_append(&notes->texts, name, strlen(name) + 1);
        notes->count++;
    }
}

/* A document that is for this request alone. */
static struct health__answer answer_once(
    struct health__answers *a, const struct health__request *request, struct scope *scope)
{
    struct health__answer answer = {.found = true};
    struct notes notes = {.count = 0};

    /* First what may read the mail: between the look and the rendering nothing may change. */
    note_unknown(a, request, &notes);
    if (request->only != NULL) {
        scope->only = health__engine_find(a->engine, request->only);
        answer.found = scope->only != NULL;
    }
    answer.status = evaluate(a, request, scope).status;
    if (answer.found)
        answer.reply = render(a, request, scope, answer.status, &notes);
    health__buffer_done(&notes.texts);
    return answer;
}

static struct health__answer answer_kept(
    struct health__answers *a, const struct health__request *request, struct scope *scope)
{
    static const struct notes none;
    struct health__kept *kept = &a->kept[request->endpoint][request->details][request->verbose];

    if (!is_current(a, request, scope, kept) || a->engine->now >= kept->until) {
        struct look found = evaluate(a, request, scope);

        /* Once more: time may have come and changed nothing. */
        if (!is_current(a, request, scope, kept)) {
            drop(a, kept);
            kept->gates = scope->gates;
            kept->version = version(a, request, scope);
            kept->status = found.status;
            kept->reply = render(a, request, scope, found.status, &none);
        }
        kept->until = found.until;
    }
    return (struct health__answer){true, kept->status, kept->reply, true};
}

struct health__answer health__answer(
    struct health__answers *a, const struct health__request *request)
{
    struct scope scope = scope_of(a, request);

    return health__request_is_plain(request) ? answer_kept(a, request, &scope)
                                             : answer_once(a, request, &scope);
}

void health__answers_clear(struct health__answers *a)
{
    struct health__kept *kept = &a->kept[0][0][0];
    size_t i, count = sizeof(a->kept) / sizeof(*kept);

    for (i = 0; i < count; i++)
        drop(a, &kept[i]);
}
