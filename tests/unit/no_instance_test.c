/*
 * Where there is no memory for the process-wide instance each function that needs it says so, and
 * leaves everything as it was; the gates are there all the same, and hold once there is one.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: calloc */
#include <health/health.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool poor;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    if (!poor)
        return __real_calloc(count, size);
    errno = ENOMEM;
    return NULL;
}

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    return HEALTH_PASS;
}

static void on_change(const struct health_change *change, void *arg)
{
    (void)change;
    (void)arg;
}

static void fails(int error)
{
    assert_int_equal(error, HEALTH_ENOMEM);
    assert_int_equal(errno, ENOMEM);
    assert_string_equal(health_last_error(), "out of memory");
    errno = 0;
}

static void each_function_says_so(void **state)
{
    struct health_heartbeat *b = NULL;
    struct health_check check = HEALTH_CHECK_INIT;
    enum health_status status = HEALTH_WARN;
    size_t length = 7;
    char text[8] = "text";

    (void)state;
    check.name = "x";
    poor = true;
    fails(health_new(NULL, NULL));
    fails(health_serve(0));
    fails(health_start(NULL));
    fails(health_stop(NULL, 0));
    fails(health_port(NULL));
    fails(health_add_check(NULL, &check));
    fails(health_register_check("x", pass, NULL));
    fails(health_remove(NULL, "x"));
    fails(health_report(NULL, "x", HEALTH_FAIL, "%s", "why"));
    fails(health_add_heartbeat(NULL, "x", 1000, 0, &b));
    fails(health_document(NULL, HEALTH_ALL, text, sizeof(text), &length, &status));
    fails(health_on_change(NULL, on_change, NULL));
    assert_null(b);
    assert_string_equal(text, "text");
    assert_int_equal(length, 7);
    assert_int_equal(status, HEALTH_WARN);
}

static void the_gates_hold_once_there_is_one(void **state)
{
    enum health_status status = HEALTH_PASS;

    (void)state;
    poor = true;
    health_set_ready(NULL, false);
    poor = false;
    assert_int_equal(health_start(NULL), 0);
    assert_int_equal(health_document(NULL, HEALTH_READY, NULL, 0, NULL, &status), 0);
    assert_int_equal(status, HEALTH_FAIL);
    health_set_ready(NULL, true);
    assert_int_equal(health_document(NULL, HEALTH_READY, NULL, 0, NULL, &status), 0);
    assert_int_equal(status, HEALTH_PASS);
    assert_int_equal(health_stop(NULL, 10000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_function_says_so),
        cmocka_unit_test(the_gates_hold_once_there_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
