/*
 * The parts of the document as JSON.
 *
 * cJSON says NULL where memory is out; adding NULL to an object fails, and what has failed once is
 * remembered in the buffer.  Numbers are handed to it as text: its own lose digits.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "render/json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "core/timestamp.h"
#include "render/number.h"

/* cJSON_PrintPreallocated() wants a little more than what it writes. */
#define PRINT_BYTES     512
#define MAX_PRINT_BYTES ((size_t)1 << 30)

/* Adds the member, whose name is a literal, and which is the object's from then on.  Returns: false
 * without memory. */
static bool add(cJSON *object, const char *name, cJSON *member)
{
    if (cJSON_AddItemToObjectCS(object, name, member))
        return true;
    cJSON_Delete(member);
    return false;
}

static bool add_literal(cJSON *object, const char *name, const char *value)
{
    return add(object, name, cJSON_CreateStringReference(value));
}

/* A string of any bytes.  NULL: no memory. */
static cJSON *make_text(const char *value)
{
    char *clean = malloc(health__utf8_clean_length(value) + 1);
    cJSON *made;

    if (clean == NULL)
        return NULL;
    health__utf8_clean(clean, value);
    made = cJSON_CreateString(clean);
    free(clean);
    return made;
}

static bool add_text(cJSON *object, const char *name, const char *value)
{
    return value == NULL || add(object, name, make_text(value));
}

static bool add_number(cJSON *object, const char *name, double value)
{
    char text[HEALTH__NUMBER_BYTES];

    health__number(text, value);
    return add(object, name, cJSON_CreateRaw(text));
}

static bool add_time(cJSON *object, const char *name, int64_t wall_ms)
{
    char text[HEALTH__TIMESTAMP_BYTES];

    health__timestamp(text, wall_ms);
    return add(object, name, cJSON_CreateString(text));
}

static bool add_flag(cJSON *object, const char *name, bool value)
{
    return add(object, name, cJSON_CreateBool(value));
}

/* Appends the object without its outer braces: the `open` first and `close` last bytes. */
static void print(struct health__buffer *to, cJSON *object, size_t open, size_t close)
{
    size_t room = PRINT_BYTES, length;
    char *place;

    while ((place = health__buffer_reserve(to, room)) != NULL &&
           !cJSON_PrintPreallocated(object, place, (int)room, false)) {
        room *= 2;
        if (room > MAX_PRINT_BYTES)
            to->failed = true;
    }
    if (place == NULL)
        return;
    length = strlen(place) - open - close;
    memmove(place, place + open, length);
    to->length += length;
}

static const char *status_text(enum health_status status)
{
    return status == HEALTH_PASS ? "pass" : status == HEALTH_WARN ? "warn" : "fail";
}

static bool add_notes(cJSON *root, const struct health__head *head)
{
    const char *note = head->notes;
    cJSON *array;
    size_t i;

    if (head->note_count == 0)
        return true;
    array = cJSON_CreateArray();
    if (!add(root, "notes", array))
        return false;
    for (i = 0; i < head->note_count; i++, note += strlen(note) + 1) {
        cJSON *text = make_text(note);

        if (!cJSON_AddItemToArray(array, text)) {
            cJSON_Delete(text);
            return false;
        }
    }
    return true;
}

static bool add_gates(cJSON *root, const struct health__head *head)
{
    cJSON *gates = cJSON_CreateObject();

    return add(root, "gates", gates) && add_flag(gates, "started", head->started) &&
           add_flag(gates, "ready", head->ready) && add_flag(gates, "draining", head->draining);
}

void health__json_head(struct health__buffer *to, const struct health__head *head)
{
    cJSON *root = cJSON_CreateObject();

    if (add_literal(root, "status", status_text(head->status)) &&
        add_text(root, "version", head->version) && add_text(root, "releaseId", head->release_id) &&
        add_text(root, "serviceId", head->service_id) &&
        add_text(root, "description", head->description) && add_notes(root, head) &&
        add_gates(root, head))
        print(to, root, 0, 1);
    else
        to->failed = true;
    cJSON_Delete(root);
}

static bool add_item(cJSON *object, const struct health__item *item)
{
    return add_literal(object, "status", status_text(item->status)) &&
           (item->time < 0 || add_time(object, "time", item->time)) &&
           (item->value == NULL || add_number(object, "observedValue", *item->value)) &&
           (item->value == NULL || item->unit[0] == '\0' ||
               add_text(object, "observedUnit", item->unit)) &&
           add_text(object, "output", item->output) &&
           (item->duration_us < 0 ||
               add_number(object, "durationMs", (double)item->duration_us / 1000)) &&
           add_time(object, "since", item->since);
}

void health__json_item(struct health__buffer *to, const struct health__item *item)
{
    cJSON *root = cJSON_CreateObject(), *array = cJSON_CreateArray(),
          *object = cJSON_CreateObject();
    bool ok = false;

    /* The draft has an array for each name, for measurements by more than one node. */
    if (!cJSON_AddItemToArray(array, object))
        cJSON_Delete(object);
    else
        ok = add_item(object, item);
    if (!add(root, item->name, array) || !ok)
        to->failed = true;
    else
        print(to, root, 1, 1);
    cJSON_Delete(root);
}
