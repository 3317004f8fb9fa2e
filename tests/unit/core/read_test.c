/*
 * What a program may hand in, and what it is told where it may not: structs of any age, and names.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/read.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A call failed, and this is what it left. */
#define expect_failure(call, error, cause, sentence)                                               \
    do {                                                                                           \
        errno = 0;                                                                                 \
        assert_int_equal(call, error);                                                             \
        assert_int_equal(errno, cause);                                                            \
        assert_string_equal(health_last_error(), sentence);                                        \
    } while (0)

#define expect_invalid(call, sentence) expect_failure(call, HEALTH_EINVAL, EINVAL, sentence)

/* ---- Structs of another header ---- */

/* As the library knows it, and as version 1 had it: up to `second`. */
struct ours {
    size_t size;
    uint64_t first, second, third;
};
#define FIRST_SIZE offsetof(struct ours, third)

/* As a newer header has it. */
struct newer {
    size_t size;
    uint64_t first, second, third, fourth;
    unsigned char fifth[8];
};

static int read_ours(struct ours *ret, const void *theirs)
{
    return health__struct_read(ret, sizeof(*ret), FIRST_SIZE, theirs, "struct ours");
}

static void the_same_header_is_copied(void **unused)
{
    struct ours theirs = {sizeof(theirs), 1, 2, 3}, read;

    (void)unused;
    memset(&read, 0x5A, sizeof(read));
    assert_int_equal(read_ours(&read, &theirs), 0);
    assert_memory_equal(&read, &theirs, sizeof(read));
}

static void what_an_older_header_has_not_is_zero(void **unused)
{
    struct ours theirs = {FIRST_SIZE, 1, 2, 3}, read;
    size_t size;

    (void)unused;
    for (size = FIRST_SIZE; size < sizeof(theirs); size++) {
        memset(&read, 0x5A, sizeof(read));
        theirs.size = size;
        theirs.third = UINT64_MAX;
        assert_int_equal(read_ours(&read, &theirs), 0);
        assert_true(read.first == 1 && read.second == 2);
        /* Of a field that is there in part, that part. */
        assert_int_equal(((unsigned char *)&read)[sizeof(read) - 1], 0);
        if (size == FIRST_SIZE)
            assert_true(read.third == 0);
    }
}

static void what_a_newer_header_has_must_be_zero(void **unused)
{
    struct newer theirs = {sizeof(theirs), 1, 2, 3, 0, {0}};
    struct ours read, before;
    size_t i;

    (void)unused;
    assert_int_equal(read_ours(&read, &theirs), 0);
    assert_true(read.first == 1 && read.second == 2 && read.third == 3);
    assert_true(read.size == sizeof(theirs));

    memset(&read, 0x5A, sizeof(read));
    memcpy(&before, &read, sizeof(read));
    for (i = sizeof(struct ours); i < sizeof(theirs); i++) {
        char sentence[128];

        ((unsigned char *)&theirs)[i] = 1;
        (void)snprintf(sentence, sizeof(sentence),
            "struct ours: a newer header's field at byte %zu is set, which this library does not "
            "know",
            i);
        expect_failure(read_ours(&read, &theirs), HEALTH_ENOTSUP, EOPNOTSUPP, sentence);
        ((unsigned char *)&theirs)[i] = 0;
        assert_memory_equal(&read, &before, sizeof(read));
    }
}

static void what_is_too_short_for_version_1_is_refused(void **unused)
{
    struct ours theirs = {0, 1, 2, 3}, read, before;

    (void)unused;
    memset(&read, 0x5A, sizeof(read));
    memcpy(&before, &read, sizeof(read));
    expect_invalid(read_ours(&read, &theirs),
        "struct ours: size is 0, not from 24 to 4096: begin with its HEALTH_*_INIT");
    theirs.size = FIRST_SIZE - 1;
    expect_invalid(read_ours(&read, &theirs),
        "struct ours: size is 23, not from 24 to 4096: begin with its HEALTH_*_INIT");
    /* What was never set. */
    theirs.size = 4097;
    expect_invalid(read_ours(&read, &theirs),
        "struct ours: size is 4097, not from 24 to 4096: begin with its HEALTH_*_INIT");
    theirs.size = SIZE_MAX;
    assert_int_equal(read_ours(&read, &theirs), HEALTH_EINVAL);
    assert_memory_equal(&read, &before, sizeof(read));
}

/* ---- Names ---- */

static void a_name_has_1_to_128_bytes(void **unused)
{
    char name[HEALTH_NAME_MAX_BYTES + 2], read[HEALTH__NAME_BYTES];

    (void)unused;
    assert_int_equal(health__name_read(read, "a"), 0);
    assert_string_equal(read, "a");
    memset(name, 'n', sizeof(name));
    name[HEALTH_NAME_MAX_BYTES] = '\0';
    assert_int_equal(health__name_read(read, name), 0);
    assert_string_equal(read, name);

    name[HEALTH_NAME_MAX_BYTES] = 'n';
    name[HEALTH_NAME_MAX_BYTES + 1] = '\0';
    expect_invalid(health__name_read(read, name),
        "the name is longer than 128 bytes: nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...");
    expect_invalid(health__name_read(read, ""), "the name is empty");
    expect_invalid(health__name_read(read, NULL), "the name is NULL");
}

static void a_name_has_no_control_characters_and_no_slash(void **unused)
{
    char name[] = "ab?", read[HEALTH__NAME_BYTES], sentence[128];
    unsigned c;

    (void)unused;
    for (c = 1; c < 0x80; c++) {
        name[2] = (char)c;
        if (c >= 0x20 && c != 0x7F && c != '/') {
            assert_int_equal(health__name_read(read, name), 0);
            assert_string_equal(read, name);
            continue;
        }
        (void)snprintf(sentence, sizeof(sentence),
            "the name has a byte 0x%02X at 2: no control characters and no '/'", c);
        expect_invalid(health__name_read(read, name), sentence);
    }
    for (c = 0x80; c < 0xC0; c++) {
        char wide[] = "a\xC2?b";

        wide[2] = (char)c;
        if (c >= 0xA0) {
            assert_int_equal(health__name_read(read, wide), 0);
            assert_string_equal(read, wide);
            continue;
        }
        expect_invalid(health__name_read(read, wide),
            "the name has a byte 0xC2 at 1: no control characters and no '/'");
    }
    /* What is cut off, or of another character, is none. */
    assert_int_equal(health__name_read(read, "a\xC2"), 0);
    assert_string_equal(read, "a\xEF\xBF\xBD");
    assert_int_equal(health__name_read(read, "\xC3\x84"), 0);
    expect_invalid(health__name_read(read, "/"),
        "the name has a byte 0x2F at 0: no control characters and no '/'");
}

static void a_name_is_known_by_its_utf8(void **unused)
{
    char bad[HEALTH_NAME_MAX_BYTES + 1], read[HEALTH__NAME_BYTES], again[HEALTH__NAME_BYTES];

    (void)unused;
    assert_int_equal(health__name_read(read, "gr\xC3\xBC\xC3\x9F"), 0);
    assert_string_equal(read, "gr\xC3\xBC\xC3\x9F");
    assert_int_equal(health__name_read(read, "gr\xFC\xDF"), 0);
    assert_string_equal(read, "gr\xEF\xBF\xBD\xEF\xBF\xBD");

    /* The longest: each byte has become three.  And what it became is found. */
    memset(bad, 0xFF, sizeof(bad));
    bad[sizeof(bad) - 1] = '\0';
    assert_int_equal(health__name_read(read, bad), 0);
    assert_int_equal(strlen(read), HEALTH__NAME_BYTES - 1);
    assert_true(health__name_clean(again, bad));
    assert_string_equal(again, read);
    assert_true(health__name_clean(again, read));
    assert_string_equal(again, read);
}

static void a_name_that_nothing_can_have_is_not_looked_up(void **unused)
{
    char name[HEALTH__NAME_BYTES + 1], clean[HEALTH__NAME_BYTES];

    (void)unused;
    memset(name, 'n', sizeof(name));
    name[HEALTH__NAME_BYTES] = '\0';
    assert_false(health__name_clean(clean, name));
    name[HEALTH__NAME_BYTES - 1] = '\0';
    assert_true(health__name_clean(clean, name));
    assert_string_equal(clean, name);

    /* Too long once it is UTF-8: by one byte, and not. */
    name[HEALTH__NAME_BYTES - 2] = '\0';
    name[0] = '\xFF';
    assert_false(health__name_clean(clean, name));
    name[HEALTH__NAME_BYTES - 3] = '\0';
    assert_true(health__name_clean(clean, name));
    assert_int_equal(strlen(clean), HEALTH__NAME_BYTES - 1);
    assert_true(health__name_clean(clean, ""));
    assert_string_equal(clean, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_header_is_copied),
        cmocka_unit_test(what_an_older_header_has_not_is_zero),
        cmocka_unit_test(what_a_newer_header_has_must_be_zero),
        cmocka_unit_test(what_is_too_short_for_version_1_is_refused),
        cmocka_unit_test(a_name_has_1_to_128_bytes),
        cmocka_unit_test(a_name_has_no_control_characters_and_no_slash),
        cmocka_unit_test(a_name_is_known_by_its_utf8),
        cmocka_unit_test(a_name_that_nothing_can_have_is_not_looked_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
