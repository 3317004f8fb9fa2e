/*
 * What goes by which name.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/registry.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 16

/* Names that differ in a number at their end, as many do, hang beside each other, where a
 * processor's cache has them; 131 is odd, and beyond ASCII.  Names are the service's own, so that
 * no one can choose them to collide. */
static uint64_t hash(const char *name)
{
    uint64_t h = 0;

    for (; *name != '\0'; name++)
        h = h * 131 + (unsigned char)*name;
    return h;
}

int health__registry_init(struct health__registry *r)
{
    r->buckets = calloc(FIRST_BUCKETS, sizeof(struct health__entry *));
    r->mask = FIRST_BUCKETS - 1;
    r->count = 0;
    return r->buckets != NULL ? 0 : -1;
}

void health__registry_done(struct health__registry *r)
{
    free(r->buckets);
    r->buckets = NULL;
}

/* Where the entry hangs, or would hang. */
static struct health__entry **place(
    const struct health__registry *r, const char *name, uint64_t name_hash)
{
    struct health__entry **at = &r->buckets[name_hash & r->mask];

    while (*at != NULL && ((*at)->hash != name_hash || strcmp((*at)->name, name) != 0))
        at = &(*at)->next;
    return at;
}

struct health__entry *health__registry_find(const struct health__registry *r, const char *name)
{
    return *place(r, name, hash(name));
}

static void grow(struct health__registry *r)
{
    size_t buckets = (r->mask + 1) * 2, i;
    struct health__entry **old = r->buckets, **new;

    new = calloc(buckets, sizeof(struct health__entry *));
    if (new == NULL)
        return;
    for (i = 0; i <= r->mask; i++) {
        struct health__entry *entry, *next;

        for (entry = old[i]; entry != NULL; entry = next) {
            next = entry->next;
            entry->next = new[entry->hash & (buckets - 1)];
            new[entry->hash & (buckets - 1)] = entry;
        }
    }
    r->buckets = new;
    r->mask = buckets - 1;
    free(old);
}

void health__registry_add(struct health__registry *r, struct health__entry *entry)
{
    if (r->count > r->mask)
        grow(r);
    entry->hash = hash(entry->name);
    entry->next = r->buckets[entry->hash & r->mask];
    r->buckets[entry->hash & r->mask] = entry;
    r->count++;
}

void health__registry_remove(struct health__registry *r, struct health__entry *entry)
{
    struct health__entry **at = place(r, entry->name, entry->hash);

    *at = entry->next;
    entry->next = NULL;
    r->count--;
}
