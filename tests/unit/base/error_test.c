/*
 * Errors: what a failing function leaves behind, in errno and as a sentence, for each thread alone.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include <cmocka.h>

/* Room that base/error.c has for our own words. */
#define OWN_BYTES 288

static void a_failure_leaves_error_errno_and_sentence(void **unused)
{
    (void)unused;
    assert_string_equal(health_last_error(), "");
    errno = 0;
    assert_int_equal(health__fail(HEALTH_EINVAL, EDOM, "%s is %d", "x", 7), HEALTH_EINVAL);
    assert_int_equal(errno, EDOM);
    assert_string_equal(health_last_error(), "x is 7");

    assert_int_equal(health__fail_memory(), HEALTH_ENOMEM);
    assert_int_equal(errno, ENOMEM);
    assert_string_equal(health_last_error(), "out of memory");
}

static void the_systems_words_stand_behind_ours(void **unused)
{
    (void)unused;
    errno = 0;
    assert_int_equal(
        health__fail_errno(HEALTH_ELISTEN, EADDRINUSE, "listen %s", "*:80"), HEALTH_ELISTEN);
    assert_int_equal(errno, EADDRINUSE);
    assert_string_equal(health_last_error(), "listen *:80: Address already in use");

    /* Where the system has none, ours stand alone. */
    assert_int_equal(health__fail_errno(HEALTH_ESYSTEM, 0, "alone"), HEALTH_ESYSTEM);
    assert_int_equal(errno, 0);
    assert_string_equal(health_last_error(), "alone");
    (void)health__fail_errno(HEALTH_ESYSTEM, 123456, "alone again");
    assert_int_equal(errno, 123456);
    assert_string_equal(health_last_error(), "alone again");
}

static void an_argument_may_be_the_last_sentence(void **unused)
{
    (void)unused;
    (void)health__fail(HEALTH_EINVAL, EINVAL, "first");
    (void)health__fail(HEALTH_EINVAL, EINVAL, "second, then %s", health_last_error());
    assert_string_equal(health_last_error(), "second, then first");
    (void)health__fail_errno(HEALTH_EINVAL, ENOENT, "third, %s", health_last_error());
    assert_string_equal(
        health_last_error(), "third, second, then first: No such file or directory");
}

static void a_long_sentence_is_cut_but_keeps_its_cause(void **unused)
{
    char text[1000], expected[OWN_BYTES];

    (void)unused;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memset(expected, 'x', sizeof(expected) - 1);
    expected[sizeof(expected) - 1] = '\0';

    (void)health__fail(HEALTH_EINVAL, EINVAL, "%s", text);
    assert_string_equal(health_last_error(), expected);
    (void)health__fail_errno(HEALTH_EINVAL, EACCES, "%s", text);
    assert_memory_equal(health_last_error(), expected, sizeof(expected) - 1);
    assert_string_equal(health_last_error() + sizeof(expected) - 1, ": Permission denied");
}

static void words_that_cannot_be_written_leave_none(void **unused)
{
    /* No character of the C locale. */
    static const wchar_t wide[] = {0xFFFF, 0};

    (void)unused;
    assert_int_equal(health__fail(HEALTH_EINVAL, EINVAL, "%ls", wide), HEALTH_EINVAL);
    assert_int_equal(errno, EINVAL);
    assert_string_equal(health_last_error(), "");
}

static void *fail_elsewhere(void *arg)
{
    const char **ret_before = arg;

    *ret_before = health_last_error()[0] == '\0' ? "none" : "some";
    (void)health__fail(HEALTH_EBUSY, EBUSY, "elsewhere");
    return NULL;
}

static void each_thread_has_its_own(void **unused)
{
    const char *before = NULL;
    pthread_t thread;

    (void)unused;
    (void)health__fail(HEALTH_EINVAL, EINVAL, "here");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &before), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(before, "none");
    assert_string_equal(health_last_error(), "here");
}

static void every_error_has_a_text_of_its_own(void **unused)
{
    static const int errors[] = {
#define NUMBER(name, value, text) value,
        HEALTH_ERRORS(NUMBER)
#undef NUMBER
    };
    size_t count = sizeof(errors) / sizeof(errors[0]), i, j;

    (void)unused;
    for (i = 0; i < count; i++) {
        assert_true(errors[i] < 0);
        assert_true(health_strerror(errors[i])[0] != '\0');
        for (j = 0; j < i; j++) {
            assert_int_not_equal(errors[i], errors[j]);
            assert_string_not_equal(health_strerror(errors[i]), health_strerror(errors[j]));
        }
    }
    assert_string_equal(health_strerror(HEALTH_ENOMEM), "out of memory");
    assert_string_equal(health_strerror(0), "success");
    assert_string_equal(health_strerror(1), "no error of libhealth's");
    assert_string_equal(health_strerror(-4096), "no error of libhealth's");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_leaves_error_errno_and_sentence), /* first: none was before */
        cmocka_unit_test(the_systems_words_stand_behind_ours),
        cmocka_unit_test(an_argument_may_be_the_last_sentence),
        cmocka_unit_test(a_long_sentence_is_cut_but_keeps_its_cause),
        cmocka_unit_test(words_that_cannot_be_written_leave_none),
        cmocka_unit_test(each_thread_has_its_own),
        cmocka_unit_test(every_error_has_a_text_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
