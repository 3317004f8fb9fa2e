/*
 * A host with much thread-local data, which glibc has in the stack of each thread: also of ours.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <health/health.h>

#include "client.h"
#include "refused.h"
#include "service.h"

/* Not so much that the loop's stack could not hold it at all, but nearly so. */
static _Thread_local char data[116 << 10];

static enum health_status fill(struct health_result *result, void *arg)
{
    (void)result;
    memset(data, *(int *)arg, sizeof(data));
    return data[sizeof(data) - 1] == *(int *)arg ? HEALTH_PASS : HEALTH_FAIL;
}

static void our_threads_have_a_stack_beside_it(void **state)
{
    static int value = 'x';
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *h = service_start(NULL);

    (void)state;
    check.name = "fill";
    check.fn = fill;
    check.arg = &value;
    assert_accepted(health_add_check(h, &check));
    assert_int_equal(client_status(service_port(h), "/health?verbose&exclude=none"), 200);
    service_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_threads_have_a_stack_beside_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
