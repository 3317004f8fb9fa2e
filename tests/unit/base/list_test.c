/*
 * Lists, against an array that does the same the slow way.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 12

struct item {
    int before;
    struct health__link link;
};

/* What a list should be. */
struct model {
    struct item *items[ITEMS];
    size_t count;
};

static void check_list(struct health__link *head, const struct model *m)
{
    struct health__link *link, *rest, *last = head;
    size_t i = 0;

    assert_int_equal(health__list_empty(head), m->count == 0);
    health__list_each (link, rest, head) {
        assert_true(i < m->count);
        assert_ptr_equal(health__container(link, struct item, link), m->items[i]);
        assert_ptr_equal(link->prev, last);
        assert_true(health__list_linked(link));
        last = link;
        i++;
    }
    assert_int_equal(i, m->count);
    assert_ptr_equal(head->prev, last);
}

static void model_append(struct model *m, struct item *item)
{
    m->items[m->count++] = item;
}

static void model_remove(struct model *m, const struct item *item)
{
    size_t i, j = 0;

    for (i = 0; i < m->count; i++)
        if (m->items[i] != item)
            m->items[j++] = m->items[i];
    m->count = j;
}

static void zeroed_memory_is_in_no_list(void **unused)
{
    struct item item = {0};

    (void)unused;
    assert_false(health__list_linked(&item.link));
    health__list_remove(&item.link);
    assert_false(health__list_linked(&item.link));
}

static void an_empty_list_has_nothing_to_take_or_move(void **unused)
{
    struct health__link a, b, *link, *rest;
    struct model none = {.count = 0};

    (void)unused;
    health__list_init(&a);
    health__list_init(&b);
    assert_null(health__list_take(&a));
    health__list_splice(&a, &b);
    check_list(&a, &none);
    check_list(&b, &none);
    health__list_each (link, rest, &a)
        fail();
}

static void the_walk_may_lose_the_link_at_hand(void **unused)
{
    struct item items[5] = {{0}};
    struct health__link head, *link, *rest;
    struct model left = {.count = 0};
    int i = 0;

    (void)unused;
    health__list_init(&head);
    for (i = 0; i < 5; i++)
        health__list_append(&head, &items[i].link);
    i = 0;
    health__list_each (link, rest, &head) {
        assert_ptr_equal(link, &items[i].link);
        if (i++ % 2 == 0) {
            health__list_remove(link);
            /* As if it had been freed. */
            memset(link, 0xFF, sizeof(*link));
        }
    }
    assert_int_equal(i, 5);
    model_append(&left, &items[1]);
    model_append(&left, &items[3]);
    check_list(&head, &left);
}

static void any_order_of_operations_keeps_the_order_of_elements(void **unused)
{
    struct item items[ITEMS] = {{0}};
    struct health__link heads[2];
    struct model models[2] = {{.count = 0}, {.count = 0}};
    uint32_t random = 1;
    int round;

    (void)unused;
    health__list_init(&heads[0]);
    health__list_init(&heads[1]);
    for (round = 0; round < 100000; round++) {
        struct item *item;
        struct health__link *link;
        unsigned to;
        size_t i;

        random = random * 1664525u + 1013904223u;
        item = &items[(random >> 8) % ITEMS];
        to = random >> 16 & 1;
        switch ((random >> 20) % 8) {
        case 0: /* all of the other list */
            health__list_splice(&heads[to], &heads[1 - to]);
            for (i = 0; i < models[1 - to].count; i++)
                model_append(&models[to], models[1 - to].items[i]);
            models[1 - to].count = 0;
            break;
        case 1: /* the first */
            link = health__list_take(&heads[to]);
            assert_int_equal(link == NULL, models[to].count == 0);
            if (link != NULL) {
                assert_ptr_equal(link, &models[to].items[0]->link);
                assert_false(health__list_linked(link));
                model_remove(&models[to], models[to].items[0]);
            }
            break;
        default: /* this one: into a list, or out of the one that it is in */
            if (health__list_linked(&item->link)) {
                health__list_remove(&item->link);
                assert_false(health__list_linked(&item->link));
                model_remove(&models[0], item);
                model_remove(&models[1], item);
            } else {
                health__list_append(&heads[to], &item->link);
                model_append(&models[to], item);
            }
        }
        check_list(&heads[0], &models[0]);
        check_list(&heads[1], &models[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_memory_is_in_no_list),
        cmocka_unit_test(an_empty_list_has_nothing_to_take_or_move),
        cmocka_unit_test(the_walk_may_lose_the_link_at_hand),
        cmocka_unit_test(any_order_of_operations_keeps_the_order_of_elements),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
