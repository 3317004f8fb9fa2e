/*
 * The parts of the document as JSON.
 *
 * cJSON's memory is whose hooks the host has set, and it may set others at any time, also while we
 * render on another thread: then what one has allocated would be freed by the other.  So the nodes
 * are ours, in a struct tree, as are the texts that they point to; cJSON links them, which takes no
 * memory, and prints them into ours.  Numbers are handed to it as text: its own lose digits.
 *
 * What has failed once is remembered in the tree, and then in the buffer.
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

/* What the head has at most, without its notes, and more than an item has. */
#define NODES 12

#define WORDS      4 /* numbers and times of an item */
#define WORD_BYTES 40

_Static_assert(WORD_BYTES >= HEALTH__NUMBER_BYTES, "a number is a word");
_Static_assert(WORD_BYTES >= HEALTH__TIMESTAMP_BYTES, "a time is a word");

/* An object that is made, and all that is in it. */
struct tree {
    cJSON *nodes; /* `few`, or `room` that were allocated */
    char **texts; /* of each node: a text to be freed, or NULL */
    size_t room;
    size_t count;
    bool failed; /* there was no memory for some of it */

    cJSON few[NODES];
    char *few_texts[NODES];
    char words[WORDS][WORD_BYTES];
    size_t word_count;
};

/* Prepares for the nodes that there are always, and so many more. */
static void begin(struct tree *t, size_t more)
{
    t->nodes = t->few;
    t->texts = t->few_texts;
    t->room = NODES;
    t->count = t->word_count = 0;
    t->failed = false;
    if (more == 0)
        return;
    t->nodes = calloc(NODES + more, sizeof(*t->nodes));
    t->texts = calloc(NODES + more, sizeof(*t->texts));
    t->room += more;
    t->failed = t->nodes == NULL || t->texts == NULL;
}

static void end(struct tree *t)
{
    while (t->count > 0)
        free(t->texts[--t->count]);
    if (t->nodes == t->few)
        return;
    free(t->nodes);
    free(t->texts);
}

/* A node of the type, with this for a text; it stays the caller's.  NULL: it has failed. */
static cJSON *make(struct tree *t, int type, const char *text)
{
    cJSON *node;

    if (t->failed || t->count == t->room) {
        t->failed = true;
        return NULL;
    }
    node = &t->nodes[t->count];
    t->texts[t->count++] = NULL;
    *node = (cJSON){.type = type, .valuestring = (char *)(uintptr_t)text};
    return node;
}

/* Adds the member, whose name must last.  Returns: the member. */
static cJSON *add(struct tree *t, cJSON *object, const char *name, cJSON *member)
{
    if (!t->failed && !cJSON_AddItemToObjectCS(object, name, member))
        t->failed = true;
    return member;
}

static void add_literal(struct tree *t, cJSON *object, const char *name, const char *value)
{
    (void)add(t, object, name, make(t, cJSON_String, value));
}

/* A string of any bytes. */
static cJSON *make_text(struct tree *t, const char *value)
{
    cJSON *node = make(t, cJSON_String, NULL);
    char *clean;

    if (node == NULL)
        return NULL;
    clean = malloc(health__utf8_clean_length(value) + 1);
    if (clean == NULL) {
        t->failed = true;
        return NULL;
    }
    health__utf8_clean(clean, value);
    t->texts[t->count - 1] = clean;
    node->valuestring = clean;
    return node;
}

static void add_text(struct tree *t, cJSON *object, const char *name, const char *value)
{
    if (value != NULL)
        (void)add(t, object, name, make_text(t, value));
}

static void add_number(struct tree *t, cJSON *object, const char *name, double value)
{
    char *word = t->words[t->word_count++];

    health__number(word, value);
    (void)add(t, object, name, make(t, cJSON_Raw, word));
}

static void add_time(struct tree *t, cJSON *object, const char *name, int64_t wall_ms)
{
    char *word = t->words[t->word_count++];

    health__timestamp(word, wall_ms);
    (void)add(t, object, name, make(t, cJSON_String, word));
}

static void add_flag(struct tree *t, cJSON *object, const char *name, bool value)
{
    (void)add(t, object, name, make(t, value ? cJSON_True : cJSON_False, NULL));
}

/* Appends the object without its outer braces: the `open` first and `close` last bytes. */
static void print(
    struct health__buffer *to, struct tree *t, cJSON *object, size_t open, size_t close)
{
    size_t room = PRINT_BYTES, length;
    char *place;

    if (t->failed) {
        to->failed = true;
        return;
    }
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

static void add_to_array(struct tree *t, cJSON *array, cJSON *item)
{
    if (!t->failed && !cJSON_AddItemToArray(array, item))
        t->failed = true;
}

static void add_notes(struct tree *t, cJSON *root, const struct health__head *head)
{
    const char *note = head->notes;
    cJSON *array;
    size_t i;

    if (head->note_count == 0)
        return;
    array = add(t, root, "notes", make(t, cJSON_Array, NULL));
    for (i = 0; i < head->note_count; i++, note += strlen(note) + 1)
        add_to_array(t, array, make_text(t, note));
}

static void add_gates(struct tree *t, cJSON *root, const struct health__head *head)
{
    cJSON *gates = add(t, root, "gates", make(t, cJSON_Object, NULL));

    add_flag(t, gates, "started", head->started);
    add_flag(t, gates, "ready", head->ready);
    add_flag(t, gates, "draining", head->draining);
}

void health__json_head(struct health__buffer *to, const struct health__head *head)
{
    struct tree t;
    cJSON *root;

    begin(&t, head->note_count);
    root = make(&t, cJSON_Object, NULL);
    add_literal(&t, root, "status", status_text(head->status));
    add_text(&t, root, "version", head->version);
    add_text(&t, root, "releaseId", head->release_id);
    add_text(&t, root, "serviceId", head->service_id);
    add_text(&t, root, "description", head->description);
    add_notes(&t, root, head);
    add_gates(&t, root, head);
    print(to, &t, root, 0, 1);
    end(&t);
}

static void add_item(struct tree *t, cJSON *object, const struct health__item *item)
{
    add_literal(t, object, "status", status_text(item->status));
    if (item->time >= 0)
        add_time(t, object, "time", item->time);
    if (item->value != NULL)
        add_number(t, object, "observedValue", *item->value);
    if (item->value != NULL && item->unit[0] != '\0')
        add_text(t, object, "observedUnit", item->unit);
    add_text(t, object, "output", item->output);
    if (item->duration_us >= 0)
        add_number(t, object, "durationMs", (double)item->duration_us / 1000);
    add_time(t, object, "since", item->since);
}

void health__json_item(struct health__buffer *to, const struct health__item *item)
{
    cJSON *root, *array, *object;
    struct tree t;

    begin(&t, 0);
    root = make(&t, cJSON_Object, NULL);
    /* The draft has an array for each name, for measurements by more than one node. */
    array = add(&t, root, item->name, make(&t, cJSON_Array, NULL));
    object = make(&t, cJSON_Object, NULL);
    add_to_array(&t, array, object);
    add_item(&t, object, item);
    print(to, &t, root, 1, 1);
    end(&t);
}
