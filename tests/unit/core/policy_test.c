/*
 * What a service may ask for, and what it is told where it may not: structs of any age, names,
 * checks and heartbeats.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/policy.h"

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
    expect_invalid(
        read_ours(&read, &theirs), "struct ours: size is 0, not at least 24: begin with its _INIT");
    theirs.size = FIRST_SIZE - 1;
    expect_invalid(read_ours(&read, &theirs),
        "struct ours: size is 23, not at least 24: begin with its _INIT");
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

/* ---- Checks ---- */

static enum health_status callback(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    return HEALTH_PASS;
}

static struct health_check a_check(void)
{
    struct health_check c = HEALTH_CHECK_INIT;

    c.fn = callback;
    return c;
}

static struct health_check a_pushed_check(void)
{
    struct health_check c = HEALTH_CHECK_INIT;

    return c;
}

static struct health__policy read_check(const struct health_check *c)
{
    struct health__policy p;

    memset(&p, 0x5A, sizeof(p));
    assert_int_equal(health__policy_read(&p, "db", c), 0);
    return p;
}

static void zero_is_the_default(void **unused)
{
    struct health_check c = a_check();
    struct health__policy p = read_check(&c);

    (void)unused;
    assert_int_equal(p.kind, HEALTH__ON_DEMAND);
    assert_true(p.timeout_ms == 1000);
    assert_true(p.max_age_ms == 1000);
    assert_int_equal(p.failures, 1);
    assert_int_equal(p.successes, 1);
    assert_int_equal(p.probes, HEALTH_READY);
    assert_false(p.advisory);

    c = a_pushed_check();
    p = read_check(&c);
    assert_int_equal(p.kind, HEALTH__PUSHED);
    assert_true(p.max_age_ms == HEALTH__NEVER);
    assert_int_equal(p.failures, 1);
    assert_int_equal(p.successes, 1);
    assert_int_equal(p.probes, HEALTH_READY);
}

static void what_is_set_is_taken(void **unused)
{
    struct health_check c = a_check();
    struct health__policy p;

    (void)unused;
    c.timeout_ms = 2;
    c.max_age_ms = 3;
    c.failures = 4;
    c.successes = 5;
    c.probes = HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP | HEALTH_ALL;
    c.advisory = 2;
    p = read_check(&c);
    assert_int_equal(p.kind, HEALTH__ON_DEMAND);
    assert_true(p.timeout_ms == 2);
    assert_true(p.max_age_ms == 3);
    assert_int_equal(p.failures, 4);
    assert_int_equal(p.successes, 5);
    assert_int_equal(p.probes, 15);
    assert_true(p.advisory);

    c.max_age_ms = 0;
    c.interval_ms = 6;
    p = read_check(&c);
    assert_int_equal(p.kind, HEALTH__PERIODIC);
    assert_true(p.interval_ms == 6);
    assert_true(p.timeout_ms == 2);

    c = a_pushed_check();
    c.max_age_ms = 7;
    c.probes = HEALTH_ALL;
    p = read_check(&c);
    assert_int_equal(p.kind, HEALTH__PUSHED);
    assert_true(p.max_age_ms == 7);
    assert_int_equal(p.probes, HEALTH_ALL);
}

static void durations_go_up_to_31_days(void **unused)
{
    struct health_check c = a_check();
    struct health__policy p;

    (void)unused;
    c.timeout_ms = c.max_age_ms = HEALTH_DURATION_MAX_MS;
    p = read_check(&c);
    assert_true(p.timeout_ms == INT64_C(31) * 24 * 3600 * 1000);
    assert_true(p.max_age_ms == INT64_C(31) * 24 * 3600 * 1000);
    c.max_age_ms = 0;
    c.interval_ms = HEALTH_DURATION_MAX_MS;
    assert_true(read_check(&c).interval_ms == INT64_C(31) * 24 * 3600 * 1000);

    c = a_check();
    c.timeout_ms = HEALTH_DURATION_MAX_MS + 1;
    expect_invalid(
        health__policy_read(&p, "db", &c), "db: timeout_ms is 2678400001, more than 2678400000");
    c = a_check();
    c.max_age_ms = UINT32_MAX;
    expect_invalid(
        health__policy_read(&p, "db", &c), "db: max_age_ms is 4294967295, more than 2678400000");
    c = a_check();
    c.interval_ms = HEALTH_DURATION_MAX_MS + 1;
    expect_invalid(
        health__policy_read(&p, "db", &c), "db: interval_ms is 2678400001, more than 2678400000");
}

static void thresholds_have_no_limit(void **unused)
{
    struct health_check c = a_check();

    (void)unused;
    c.failures = c.successes = UINT32_MAX;
    assert_true(read_check(&c).failures == UINT32_MAX);
    assert_true(read_check(&c).successes == UINT32_MAX);
}

static void probes_are_those_there_are(void **unused)
{
    struct health_check c = a_check();
    struct health__policy p;

    (void)unused;
    for (c.probes = 1; c.probes < 16; c.probes++)
        assert_int_equal(read_check(&c).probes, c.probes);
    expect_invalid(health__policy_read(&p, "db", &c), "db: probes 0x10 has bits that are no probe");
    c.probes = 0x80000001;
    expect_invalid(
        health__policy_read(&p, "db", &c), "db: probes 0x80000001 has bits that are no probe");
}

static void fields_that_do_not_go_together_are_refused(void **unused)
{
    static const struct {
        size_t offset;
        bool pushed;
        const char *sentence;
    } fields[] = {
        {offsetof(struct health_check, timeout_ms), true,
            "db: timeout_ms does not go with a pushed check, one without fn"},
        {offsetof(struct health_check, interval_ms), true,
            "db: interval_ms does not go with a pushed check, one without fn"},
        {offsetof(struct health_check, failures), true,
            "db: failures does not go with a pushed check, one without fn"},
        {offsetof(struct health_check, successes), true,
            "db: successes does not go with a pushed check, one without fn"},
        {offsetof(struct health_check, reserved), true,
            "db: reserved does not go with this version: it must be 0"},
        {offsetof(struct health_check, reserved), false,
            "db: reserved does not go with this version: it must be 0"},
    };
    struct health__policy p, before;
    struct health_check c;
    size_t i;

    (void)unused;
    memset(&p, 0x5A, sizeof(p));
    memcpy(&before, &p, sizeof(p));
    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        unsigned one = 1;

        c = fields[i].pushed ? a_pushed_check() : a_check();
        memcpy((char *)&c + fields[i].offset, &one, sizeof(one));
        expect_invalid(health__policy_read(&p, "db", &c), fields[i].sentence);
    }
    c = a_check();
    c.interval_ms = c.max_age_ms = 1;
    expect_invalid(
        health__policy_read(&p, "db", &c), "db: max_age_ms does not go with interval_ms");
    assert_memory_equal(&p, &before, sizeof(p));
}

/* ---- Heartbeats ---- */

static void a_heartbeat_is_for_live_unless_said(void **unused)
{
    struct health__policy p;

    (void)unused;
    assert_int_equal(health__policy_heartbeat(&p, "loop", 5000, 0), 0);
    assert_int_equal(p.kind, HEALTH__HEARTBEAT);
    assert_int_equal(p.probes, HEALTH_LIVE);
    assert_true(p.max_age_ms == 5000);
    assert_int_equal(p.failures, 1);
    assert_int_equal(p.successes, 1);
    assert_false(p.advisory);
    assert_int_equal(health__policy_heartbeat(&p, "loop", 1, HEALTH_READY | HEALTH_ALL), 0);
    assert_int_equal(p.probes, HEALTH_READY | HEALTH_ALL);
    assert_int_equal(health__policy_heartbeat(&p, "loop", HEALTH_DURATION_MAX_MS, 0), 0);
    assert_true(p.max_age_ms == HEALTH_DURATION_MAX_MS);
}

static void a_heartbeat_has_an_age_to_die_at(void **unused)
{
    struct health__policy p, before;

    (void)unused;
    memset(&p, 0x5A, sizeof(p));
    memcpy(&before, &p, sizeof(p));
    expect_invalid(
        health__policy_heartbeat(&p, "loop", 0, 0), "loop: a heartbeat needs a max_age_ms");
    expect_invalid(health__policy_heartbeat(&p, "loop", HEALTH_DURATION_MAX_MS + 1, 0),
        "loop: max_age_ms is 2678400001, more than 2678400000");
    expect_invalid(health__policy_heartbeat(&p, "loop", 1, 32),
        "loop: probes 0x20 has bits that are no probe");
    assert_memory_equal(&p, &before, sizeof(p));
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
        cmocka_unit_test(zero_is_the_default),
        cmocka_unit_test(what_is_set_is_taken),
        cmocka_unit_test(durations_go_up_to_31_days),
        cmocka_unit_test(thresholds_have_no_limit),
        cmocka_unit_test(probes_are_those_there_are),
        cmocka_unit_test(fields_that_do_not_go_together_are_refused),
        cmocka_unit_test(a_heartbeat_is_for_live_unless_said),
        cmocka_unit_test(a_heartbeat_has_an_age_to_die_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
