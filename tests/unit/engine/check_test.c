/*
 * A check as the engine keeps it: made of what is known before anyone has asked, in one block.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: calloc */
#include "engine/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

static bool no_memory;
static size_t asked_bytes; /* the last time */

void *__wrap_calloc(size_t count, size_t size)
{
    asked_bytes = count * size;
    return no_memory ? NULL : __real_calloc(count, size);
}

static const struct health__policy policy = {.kind = HEALTH__PUSHED, .probes = HEALTH_LIVE};

static void it_has_room_for_its_name(void **unused)
{
    static const char *const names[] = {"a", "db", "a name of many words", "01234567"};
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct health__check *check = health__check_new(names[i], &policy, 5000);

        assert_non_null(check);
        assert_true(asked_bytes > offsetof(struct health__check, name) + strlen(names[i]));
        assert_string_equal(check->name, names[i]);
        assert_ptr_equal(check->entry.name, check->name);
        health__check_free(check);
    }
}

static void it_is_of_all_and_was_never_run(void **unused)
{
    struct health__check *check = health__check_new("c", &policy, 5000);

    (void)unused;
    assert_non_null(check);
    assert_int_equal(check->policy.probes, HEALTH_LIVE | HEALTH_ALL);
    assert_int_equal(check->duration_us, -1);
    assert_true(check->state.pending);
    assert_true(health__list_empty(&check->waiters));
    /* To be added counts as a beat. */
    assert_int_equal(atomic_load(&check->heartbeat.beat_at), 5000);
    health__check_free(check);
}

static void without_memory_there_is_none(void **unused)
{
    (void)unused;
    no_memory = true;
    assert_null(health__check_new("c", &policy, 5000));
    no_memory = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_room_for_its_name),
        cmocka_unit_test(it_is_of_all_and_was_never_run),
        cmocka_unit_test(without_memory_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
