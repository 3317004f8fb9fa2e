/*
 * What goes by which name: a hash table whose links live in its entries.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_CORE_REGISTRY_H
#define HEALTH_CORE_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

struct health__entry {
    struct health__entry *next; /* in the same bucket */
    const char *name;           /* the owner's */
    uint64_t hash;              /* of the name */
};

struct health__registry {
    struct health__entry **buckets;
    size_t mask;  /* buckets - 1, which are a power of two */
    size_t count; /* entries */
};

/* Returns: 0, or -1 without memory. */
int health__registry_init(struct health__registry *r);
void health__registry_done(struct health__registry *r);

/* The entry of the name; NULL if there is none. */
struct health__entry *health__registry_find(const struct health__registry *r, const char *name);

/* Adds the entry, whose name must not be there.  Never fails: without memory the table just does
 * not grow. */
void health__registry_add(struct health__registry *r, struct health__entry *entry);

/* Removes the entry, which must be there. */
void health__registry_remove(struct health__registry *r, struct health__entry *entry);

#endif
