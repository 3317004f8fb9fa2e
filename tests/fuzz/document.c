/*
 * Whatever checks are called and say, and whatever the service is: the document is read back by
 * another JSON library, and has it all.
 *
 * An input is a byte with two statuses, eight with an observed value, and texts, each ended by a
 * NUL: the name of a pushed check and its reason; the name of one with a callback, its reason and
 * the unit of its value; version, releaseId, serviceId, description, and notes.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <jansson.h>
#include <math.h>

#include "fuzz.h"
#include "render/document.h"
#include "texts.h"

#define MAX_NOTES      4
#define MAX_UNIT_BYTES 31

/* What a check is, and says. */
struct said {
    char *name;
    char *reason;
    char *unit; /* NULL: no value was observed */
    double value;
    enum health_status status;
};

static enum health_status say(struct health_result *result, void *arg)
{
    const struct said *said = arg;

    health_observe(result, said->value, said->unit);
    return health_explain(result, said->status, "%s", said->reason);
}

static json_t *parse(const char *text, size_t length)
{
    json_error_t why;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &why);

    if (root == NULL)
        (void)fprintf(stderr, "%s at %d\n%.*s\n", why.text, why.position, (int)length, text);
    FUZZ_CHECK(root != NULL && json_is_object(root));
    return root;
}

/* ---- What stands before the checks ---- */

static void check_member(const json_t *root, const char *member, const char *given)
{
    const json_t *value = json_object_get(root, member);

    FUZZ_CHECK(json_is_string(value));
    FUZZ_CHECK(strlen(json_string_value(value)) == json_string_length(value));
    texts_check_shown(json_string_value(value), given, SIZE_MAX);
}

static void check_head(struct fuzz_input *in)
{
    char *version = fuzz_take(in), *release_id = fuzz_take(in), *service_id = fuzz_take(in),
         *description = fuzz_take(in);
    struct health__head head = {HEALTH_WARN, version, release_id, service_id, description,
        (const char *)in->at, 0, true, false, true};
    struct health__buffer buffer = {0};
    const char *note;
    json_t *root;
    size_t i;

    /* What is behind the last NUL is none. */
    for (i = 0; i < in->left; i++)
        head.note_count += in->at[i] == '\0' && head.note_count < MAX_NOTES;
    health__document_begin(&buffer, &head);
    health__document_end(&buffer);
    FUZZ_CHECK(!buffer.failed);
    root = parse(buffer.bytes, buffer.length);
    check_member(root, "version", version);
    check_member(root, "releaseId", release_id);
    check_member(root, "serviceId", service_id);
    check_member(root, "description", description);
    FUZZ_CHECK(json_array_size(json_object_get(root, "notes")) == head.note_count);
    for (i = 0, note = head.notes; i < head.note_count; i++, note += strlen(note) + 1)
        texts_check_shown(
            json_string_value(json_array_get(json_object_get(root, "notes"), i)), note, SIZE_MAX);
    json_decref(root);
    health__buffer_done(&buffer);
    free(version);
    free(release_id);
    free(service_id);
    free(description);
}

/* ---- The checks ---- */

static const char *const words[] = {"pass", "warn", "fail"};

static void check_value(const json_t *item, const struct said *said)
{
    const json_t *value = json_object_get(item, "observedValue"),
                 *unit = json_object_get(item, "observedUnit");

    if (said->unit == NULL) {
        FUZZ_CHECK(value == NULL && unit == NULL);
        return;
    }
    if (isnan(said->value))
        FUZZ_CHECK(strcmp(json_string_value(value), "NaN") == 0);
    else if (isinf(said->value))
        FUZZ_CHECK(
            strcmp(json_string_value(value), said->value < 0 ? "-Infinity" : "Infinity") == 0);
    else
        FUZZ_CHECK(json_is_number(value) && json_number_value(value) == said->value);
    if (said->unit[0] != '\0')
        texts_check_shown(json_string_value(unit), said->unit, MAX_UNIT_BYTES);
    else
        FUZZ_CHECK(unit == NULL);
}

static void check_said(const json_t *checks, const struct said *said)
{
    char *name = malloc(strlen(said->name) + 1), *other = malloc(3 * HEALTH_NAME_MAX_BYTES + 1);
    const json_t *item = NULL, *output;
    const char *key;
    json_t *list;

    FUZZ_CHECK(name != NULL && other != NULL);
    texts_characters(name, said->name);
    json_object_foreach((json_t *)(uintptr_t)checks, key, list)
    {
        FUZZ_CHECK(strlen(key) <= (size_t)3 * HEALTH_NAME_MAX_BYTES);
        texts_characters(other, key);
        if (texts_is_utf8(said->name) ? strcmp(key, said->name) == 0 : strcmp(other, name) == 0)
            item = json_array_get(list, 0);
    }
    FUZZ_CHECK(item != NULL);
    /* Two names that are no UTF-8 may look the same. */
    if (texts_is_utf8(said->name)) {
        FUZZ_CHECK(
            strcmp(json_string_value(json_object_get(item, "status")), words[said->status]) == 0);
        output = json_object_get(item, "output");
        if (said->status == HEALTH_PASS)
            FUZZ_CHECK(output == NULL);
        else if (output != NULL)
            texts_check_shown(json_string_value(output), said->reason, HEALTH_REASON_MAX_BYTES);
        else
            FUZZ_CHECK(said->reason[0] == '\0');
        check_value(item, said);
    }
    free(name);
    free(other);
}

static bool add(struct health *h, const struct said *said, bool first)
{
    struct health_check check = HEALTH_CHECK_INIT;
    int error;

    check.name = said->name;
    check.fn = said->unit != NULL ? say : NULL;
    check.arg = (void *)(uintptr_t)said;
    error = health_add_check(h, &check);
    FUZZ_CHECK((error == HEALTH_EINVAL) == !texts_is_name(said->name));
    FUZZ_CHECK(error == 0 || error == HEALTH_EINVAL || (error == HEALTH_EEXIST && !first));
    return error == 0;
}

static void check_checks(struct health *h, const struct said *pushed, const struct said *asked)
{
    static char text[1 << 16];
    bool has_pushed = add(h, pushed, true), has_asked = add(h, asked, !has_pushed);
    enum health_status status = HEALTH_PASS, worst = HEALTH_PASS;
    size_t length = 0;
    json_t *root;

    if (has_pushed) {
        FUZZ_CHECK(health_report(h, pushed->name, pushed->status, "%s", pushed->reason) == 0);
        worst = pushed->status;
    }
    if (has_asked && asked->status > worst)
        worst = asked->status;
    FUZZ_CHECK(health_document(h, HEALTH_ALL, text, sizeof(text), &length, &status) == 0);
    FUZZ_CHECK(length == strlen(text));
    FUZZ_CHECK((status == HEALTH_FAIL) == (worst == HEALTH_FAIL));
    root = parse(text, length);
    FUZZ_CHECK(strcmp(json_string_value(json_object_get(root, "status")), words[worst]) == 0);
    FUZZ_CHECK(json_object_size(json_object_get(root, "checks")) ==
               (size_t)has_pushed + (size_t)has_asked);
    if (has_pushed)
        check_said(json_object_get(root, "checks"), pushed);
    if (has_asked)
        check_said(json_object_get(root, "checks"), asked);
    json_decref(root);
    FUZZ_CHECK(!has_pushed || health_remove(h, pushed->name) == 0);
    FUZZ_CHECK(!has_asked || health_remove(h, asked->name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct health *h; /* for all inputs */
    struct fuzz_input in = {data, size};
    unsigned statuses = fuzz_byte(&in);
    struct said pushed = {.status = statuses % 3}, asked = {.status = statuses / 3 % 3};

    if (h == NULL) {
        struct health_options options = HEALTH_OPTIONS_INIT;

        options.response_ms = 60000;
        FUZZ_CHECK(health_new(&h, &options) == 0 && health_start(h) == 0);
    }
    fuzz_bytes(&in, &asked.value, sizeof(asked.value));
    pushed.name = fuzz_take(&in);
    pushed.reason = fuzz_take(&in);
    asked.name = fuzz_take(&in);
    asked.reason = fuzz_take(&in);
    asked.unit = fuzz_take(&in);
    check_checks(h, &pushed, &asked);
    check_head(&in);
    free(pushed.name);
    free(pushed.reason);
    free(asked.name);
    free(asked.reason);
    free(asked.unit);
    return 0;
}
