/*
 * What goes by which name: many, few, and with no memory to grow.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: calloc */
#include "core/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

/* How many calls succeed before they fail. */
static size_t callocs_left = SIZE_MAX;

void *__wrap_calloc(size_t count, size_t size)
{
    if (callocs_left == 0)
        return NULL;
    callocs_left--;
    return __real_calloc(count, size);
}

struct named {
    struct health__entry entry;
    char name[32];
};

static struct named *make_named(size_t count)
{
    struct named *all = __real_calloc(count, sizeof(*all));
    size_t i;

    assert_non_null(all);
    for (i = 0; i < count; i++) {
        (void)snprintf(all[i].name, sizeof(all[i].name), "check-%zu", i);
        all[i].entry.name = all[i].name;
    }
    return all;
}

/* Whether it is found by another string that reads the same. */
static bool found(const struct health__registry *r, const struct named *n)
{
    char name[sizeof(n->name)];

    memcpy(name, n->name, sizeof(name));
    return health__registry_find(r, name) == &n->entry;
}

/* Adds them, removes every other one, and so on, looking everything up in between. */
static void come_and_go(size_t count)
{
    struct named *all = make_named(count);
    struct health__registry r;
    size_t i, bad = 0;

    assert_int_equal(health__registry_init(&r), 0);
    for (i = 0; i < count; i++) {
        bad += health__registry_find(&r, all[i].name) != NULL;
        health__registry_add(&r, &all[i].entry);
        bad += !found(&r, &all[i]);
    }
    assert_int_equal(r.count, count);
    for (i = 0; i < count; i++)
        bad += !found(&r, &all[i]);
    for (i = 0; i < count; i += 2)
        health__registry_remove(&r, &all[i].entry);
    assert_int_equal(r.count, count / 2);
    for (i = 0; i < count; i++)
        bad += found(&r, &all[i]) != (i % 2 == 1);
    for (i = 0; i < count; i += 2)
        health__registry_add(&r, &all[i].entry);
    for (i = 0; i < count; i++)
        bad += !found(&r, &all[i]);
    for (i = count; i-- > 0;) {
        health__registry_remove(&r, &all[i].entry);
        bad += health__registry_find(&r, all[i].name) != NULL || all[i].entry.next != NULL;
    }
    assert_int_equal(r.count, 0);
    assert_int_equal(bad, 0);
    health__registry_done(&r);
    free(all);
}

static void a_hundred_thousand_names(void **unused)
{
    (void)unused;
    come_and_go(100000);
}

static void without_memory_it_just_does_not_grow(void **unused)
{
    size_t left;

    (void)unused;
    /* The first table, and as many times that it grows. */
    for (left = 1; left < 6; left++) {
        callocs_left = left;
        come_and_go(1000);
        callocs_left = SIZE_MAX;
    }
}

static void it_grows_later_when_it_could_not_at_first(void **unused)
{
    struct named *all = make_named(100);
    struct health__registry r;
    size_t i, small;

    (void)unused;
    assert_int_equal(health__registry_init(&r), 0);
    small = r.mask;
    callocs_left = 0;
    for (i = 0; i < 99; i++)
        health__registry_add(&r, &all[i].entry);
    assert_int_equal(r.mask, small);
    callocs_left = SIZE_MAX;
    health__registry_add(&r, &all[99].entry);
    assert_true(r.mask > small);
    for (i = 0; i < 100; i++)
        assert_true(found(&r, &all[i]));
    health__registry_done(&r);
    free(all);
}

static void it_grows_with_what_it_holds(void **unused)
{
    enum { COUNT = 5000 };
    struct named *all = make_named(COUNT);
    struct health__registry r;
    size_t i, longest = 0;

    (void)unused;
    assert_int_equal(health__registry_init(&r), 0);
    for (i = 0; i < COUNT; i++) {
        health__registry_add(&r, &all[i].entry);
        assert_true(r.count <= r.mask + 1);
        assert_int_equal(r.mask & (r.mask + 1), 0);
    }
    /* So no bucket is long. */
    for (i = 0; i <= r.mask; i++) {
        const struct health__entry *entry;
        size_t length = 0;

        for (entry = r.buckets[i]; entry != NULL; entry = entry->next)
            length++;
        longest = length > longest ? length : longest;
    }
    assert_true(longest <= 10);
    health__registry_done(&r);
    health__registry_done(&r);
    free(all);
}

static void names_are_compared_to_their_ends(void **unused)
{
    static const char *const names[] = {"a", "A", "a ", "ab", "b", "\xC3\xA4", "\xC3", " "};
    enum { COUNT = sizeof(names) / sizeof(names[0]) };
    struct health__entry entries[COUNT];
    struct health__registry r;
    size_t i;

    (void)unused;
    memset(entries, 0, sizeof(entries));
    assert_int_equal(health__registry_init(&r), 0);
    for (i = 0; i < COUNT; i++) {
        entries[i].name = names[i];
        health__registry_add(&r, &entries[i]);
    }
    for (i = 0; i < COUNT; i++)
        assert_ptr_equal(health__registry_find(&r, names[i]), &entries[i]);
    assert_null(health__registry_find(&r, ""));
    assert_null(health__registry_find(&r, "abc"));
    health__registry_done(&r);
}

/* Two names of one bucket, and two of one hash: whichever is asked for is found. */
static void names_that_collide_are_told_apart(void **unused)
{
    struct named *all = make_named(4);
    struct health__registry r;
    size_t i;

    (void)unused;
    assert_int_equal(health__registry_init(&r), 0);
    for (i = 0; i < 4; i++)
        health__registry_add(&r, &all[i].entry);
    /* No two short names have the same 64 bits, so one is made to: in front of `all[0]`, in its
     * bucket, with its hash. */
    all[3].entry.hash = all[0].entry.hash;
    for (i = 0; i <= r.mask; i++)
        r.buckets[i] = NULL;
    all[3].entry.next = &all[0].entry;
    all[0].entry.next = NULL;
    r.buckets[all[0].entry.hash & r.mask] = &all[3].entry;
    assert_ptr_equal(health__registry_find(&r, all[0].name), &all[0].entry);
    health__registry_done(&r);
    free(all);
}

static void without_memory_there_is_none(void **unused)
{
    struct health__registry r;

    (void)unused;
    callocs_left = 0;
    assert_int_equal(health__registry_init(&r), -1);
    callocs_left = SIZE_MAX;
    health__registry_done(&r);
    health__registry_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_thousand_names),
        cmocka_unit_test(without_memory_it_just_does_not_grow),
        cmocka_unit_test(it_grows_later_when_it_could_not_at_first),
        cmocka_unit_test(it_grows_with_what_it_holds),
        cmocka_unit_test(names_are_compared_to_their_ends),
        cmocka_unit_test(names_that_collide_are_told_apart),
        cmocka_unit_test(without_memory_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
