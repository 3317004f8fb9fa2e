/*
 * health_document: a service that has a server of its own is told what a request from the same host
 * would be, by the same runs, in the same time.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "asking.h"
#include "assertions.h"
#include "client.h"
#include "document.h"
#include "process.h"
#include "puppet.h"
#include "refused.h"
#include "service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    unsigned probe;
    const char *target;
} probes[] = {
    {HEALTH_LIVE, "/live"},
    {HEALTH_READY, "/ready"},
    {HEALTH_STARTUP, "/startup"},
    {HEALTH_ALL, "/health"},
};

/* An instance that listens nowhere. */
static struct health *start_alone(unsigned response_ms)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;

    options.response_ms = response_ms;
    assert_accepted(health_new(&h, &options));
    assert_accepted(health_start(h));
    return h;
}

/* The document of the probe; *ret_status as told beside it. */
static json_t *ask(struct health *h, unsigned probe, enum health_status *ret_status)
{
    char bytes[8192], why[256];
    size_t length = 0;
    json_t *doc;

    assert_accepted(health_document(h, probe, bytes, sizeof(bytes), &length, ret_status));
    assert_int_equal(strlen(bytes), length);
    doc = document_parse(bytes, length, why);
    if (doc == NULL)
        fail_msg("%s: %s", why, bytes);
    document_validate(doc);
    return doc;
}

static enum health_status status_of(struct health *h, unsigned probe)
{
    enum health_status status = (enum health_status)99;

    assert_accepted(health_document(h, probe, NULL, 0, NULL, &status));
    return status;
}

/* ---- As a request from the same host ---- */

/* What stands in the document is the same to the byte.  On-demand checks that are run between the
 * two answers would tell other times. */
static void assert_same(struct health *h)
{
    size_t i;

    for (i = 0; i < COUNT(probes); i++) {
        enum health_status status = (enum health_status)99;
        char bytes[8192];
        size_t length = 0;
        struct response r;

        client_get(service_port(h), probes[i].target, &r);
        memset(bytes, '#', sizeof(bytes));
        assert_accepted(
            health_document(h, probes[i].probe, bytes, sizeof(bytes), &length, &status));
        if (length != r.body_length || memcmp(bytes, r.body, length) != 0)
            fail_msg("%s: not the same:\n%s\n%s", probes[i].target, bytes, r.body);
        assert_int_equal(bytes[length], '\0');
        assert_int_equal(bytes[length + 1], '#');
        assert_int_equal(r.status, status == HEALTH_FAIL ? 503 : 200);
        response_free(&r);
    }
}

static void it_is_what_a_request_is_told(void **state)
{
    static struct told told;
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;
    struct health_heartbeat *beat;
    struct health *h;
    int i;

    (void)state;
    options.service_id = "shop";
    options.version = "1";
    options.release_id = "1.2.3";
    options.description = "a \"shop\"";
    options.response_ms = LONG_MS;
    h = service_start(&options);
    assert_same(h);
    told = (struct told){.observes = true, .value = 0.1, .unit = "s"};
    check.name = "db";
    check.fn = service_told;
    check.arg = &told;
    check.probes = HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP;
    check.max_age_ms = 3600000;
    check.timeout_ms = 60000;
    service_add_pushed(h, "queue", HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP);
    service_add_pushed(h, "pending", HEALTH_READY);
    assert_accepted(health_add_heartbeat(h, "loop", 1, 0, &beat));
    document_free(asking_until(service_port(h), "/live", "loop", "fail", LONG_MS));
    for (i = 0; i < 3; i++) {
        service_tell(&told, (enum health_status)i, "of the database");
        assert_accepted(health_add_check(h, &check));
        assert_accepted(health_report(h, "queue", (enum health_status)(2 - i), "%d left", i));
        assert_same(h);
        assert_accepted(health_remove(h, "db"));
    }
    health_set_ready(h, false);
    assert_same(h);
    health_set_started(h, false);
    assert_same(h);
    health_drain(h);
    assert_same(h);
    service_end(h);
}

static void details_are_told_as_to_the_same_host(void **state)
{
    static const unsigned details[] = {
        HEALTH_DETAILS_LOCAL, HEALTH_DETAILS_ALL, HEALTH_DETAILS_NONE};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(details); i++) {
        struct health_options options = HEALTH_OPTIONS_INIT;
        enum health_status status;
        struct health *h;
        json_t *doc;

        options.details = details[i];
        h = service_start(&options);
        service_add_pushed(h, "queue", 0);
        assert_accepted(health_report(h, "queue", HEALTH_FAIL, "secret"));
        doc = ask(h, HEALTH_READY, &status);
        assert_check(doc, "queue", "fail", details[i] == HEALTH_DETAILS_NONE ? NULL : "secret");
        document_free(doc);
        assert_same(h);
        service_end(h);
    }
}

static void it_needs_no_listener(void **state)
{
    struct health *h = start_alone(0);
    enum health_status status;
    json_t *doc;

    (void)state;
    assert_int_equal(health_port(h), 0);
    service_add_pushed(h, "queue", HEALTH_READY);
    doc = ask(h, HEALTH_READY, &status);
    assert_int_equal(status, HEALTH_FAIL);
    assert_check(doc, "queue", "fail", "no result yet");
    document_free(doc);
    assert_int_equal(status_of(h, HEALTH_LIVE), HEALTH_PASS);
    assert_int_equal(status_of(h, HEALTH_STARTUP), HEALTH_PASS);
    assert_int_equal(status_of(h, HEALTH_ALL), HEALTH_FAIL);
    assert_accepted(health_report(h, "queue", HEALTH_WARN, "so so"));
    doc = ask(h, HEALTH_ALL, &status);
    assert_int_equal(status, HEALTH_WARN);
    assert_check(doc, "queue", "warn", "so so");
    document_free(doc);
    assert_int_equal(status_of(h, HEALTH_READY), HEALTH_WARN);
    health_drain(h);
    assert_int_equal(status_of(h, HEALTH_READY), HEALTH_FAIL);
    assert_int_equal(status_of(h, HEALTH_LIVE), HEALTH_PASS);
    service_end(h);
}

static void it_latches_startup(void **state)
{
    struct health *h = start_alone(0);

    (void)state;
    service_add_pushed(h, "boot", HEALTH_STARTUP);
    assert_int_equal(status_of(h, HEALTH_STARTUP), HEALTH_FAIL);
    assert_accepted(health_report(h, "boot", HEALTH_PASS, NULL));
    assert_int_equal(status_of(h, HEALTH_READY), HEALTH_PASS);
    health_set_started(h, false);
    assert_accepted(health_report(h, "boot", HEALTH_FAIL, NULL));
    assert_int_equal(status_of(h, HEALTH_STARTUP), HEALTH_PASS);
    assert_int_equal(status_of(h, HEALTH_READY), HEALTH_PASS);
    service_end(h);
}

/* ---- What is given, and what is not ---- */

static void each_output_may_be_left_out(void **state)
{
    struct health *h = start_alone(0);
    enum health_status status = (enum health_status)99;
    char bytes[1024] = "", again[1024] = "";
    size_t length = 4711;

    (void)state;
    assert_accepted(health_document(h, HEALTH_ALL, NULL, 0, NULL, NULL));
    assert_accepted(health_document(h, HEALTH_ALL, NULL, 0, NULL, &status));
    assert_int_equal(status, HEALTH_PASS);
    assert_accepted(health_document(h, HEALTH_ALL, NULL, 100, &length, NULL));
    assert_int_equal(length, 4711); /* of a document that nobody wants */
    assert_accepted(health_document(h, HEALTH_ALL, bytes, sizeof(bytes), NULL, NULL));
    assert_accepted(health_document(h, HEALTH_ALL, again, sizeof(again), &length, NULL));
    assert_int_equal(length, strlen(bytes));
    assert_string_equal(bytes, again);
    service_end(h);
}

static void a_buffer_too_small_is_left_alone(void **state)
{
    struct health *h = start_alone(0);
    enum health_status status;
    char whole[1024], bytes[1024];
    size_t length = 0, needed, size, i;

    (void)state;
    health_set_ready(h, false);
    assert_accepted(health_document(h, HEALTH_READY, whole, sizeof(whole), &needed, NULL));
    for (size = 0; size <= needed + 1; size++) {
        memset(bytes, '#', sizeof(bytes));
        status = (enum health_status)99;
        length = 4711;
        if (size == needed + 1) {
            assert_accepted(health_document(h, HEALTH_READY, bytes, size, &length, &status));
            assert_string_equal(bytes, whole);
        } else {
            assert_refused(health_document(h, HEALTH_READY, bytes, size, &length, &status),
                HEALTH_ENOBUFS, ENOBUFS, NULL);
        }
        assert_int_equal(length, needed);
        assert_int_equal(status, HEALTH_FAIL);
        for (i = size < needed + 1 ? 0 : size; i < sizeof(bytes); i++)
            assert_int_equal(bytes[i], '#');
    }
    assert_refused(
        health_document(h, HEALTH_READY, bytes, 1, NULL, NULL), HEALTH_ENOBUFS, ENOBUFS, NULL);
    service_end(h);
}

static void only_a_probe_can_be_asked(void **state)
{
    struct health *h = start_alone(0);
    unsigned probe;

    (void)state;
    for (probe = 0; probe < 40; probe++) {
        enum health_status status = (enum health_status)99;
        char bytes[1024] = "#";
        size_t length = 4711;

        if (probe == 1 || probe == 2 || probe == 4 || probe == 8)
            continue;
        assert_refused(health_document(h, probe, bytes, sizeof(bytes), &length, &status),
            HEALTH_EINVAL, EINVAL, NULL);
        assert_int_equal(status, 99);
        assert_int_equal(length, 4711);
        assert_string_equal(bytes, "#");
    }
    assert_refused(
        health_document(h, 0x80000001U, NULL, 0, NULL, NULL), HEALTH_EINVAL, EINVAL, NULL);
    service_end(h);
}

static void one_that_is_not_started_is_not_asked(void **state)
{
    enum health_status status = (enum health_status)99;
    struct health *h = NULL;
    char bytes[64] = "#";
    size_t length = 4711;
    int i;

    (void)state;
    assert_accepted(health_new(&h, NULL));
    for (i = 0; i < 3; i++) {
        assert_refused(health_document(h, HEALTH_LIVE, bytes, sizeof(bytes), &length, &status),
            HEALTH_ESTOPPED, EINVAL, NULL);
        assert_int_equal(status, 99);
        assert_int_equal(length, 4711);
        assert_string_equal(bytes, "#");
        assert_accepted(health_start(h));
        assert_int_equal(status_of(h, HEALTH_LIVE), HEALTH_PASS);
        assert_accepted(health_stop(h, LONG_MS));
    }
    health_free(h);
}

/* ---- Runs are waited for ---- */

static void add(struct health *h, struct puppet *p, const char *name, unsigned timeout_ms)
{
    struct health_check check;

    puppet_init(p);
    check = puppet_check(p, name);
    check.timeout_ms = timeout_ms;
    check.max_age_ms = 1;
    assert_accepted(health_add_check(h, &check));
}

static void it_waits_for_runs_for_the_response_time(void **state)
{
    static struct puppet quick, hung;
    struct health *h = start_alone(300);
    enum health_status status;
    int64_t begin;
    json_t *doc;
    int i;

    (void)state;
    add(h, &quick, "quick", 60000);
    puppet_says(&quick, HEALTH_WARN, "so so");
    puppet_takes(&quick, 50);
    begin = client_now_ms();
    doc = ask(h, HEALTH_READY, &status);
    assert_between(client_now_ms() - begin, 50 - ROUNDING_MS, 300 + SLACK_MS);
    assert_check(doc, "quick", "warn", "so so");
    document_free(doc);

    add(h, &hung, "hung", 1000);
    puppet_hold(&hung);
    for (i = 0; i < 2; i++) {
        begin = client_now_ms();
        doc = ask(h, HEALTH_ALL, &status);
        assert_between(client_now_ms() - begin, 300 - ROUNDING_MS, 300 + SLACK_MS);
        assert_int_equal(status, HEALTH_FAIL);
        assert_check(doc, "hung", "fail", "no result yet");
        document_free(doc);
    }
    /* Once it is overdue, nobody waits for it. */
    while (status_of(h, HEALTH_ALL) == HEALTH_FAIL) {
        doc = ask(h, HEALTH_ALL, &status);
        if (strcmp(document_output(doc, "hung"), "no result yet") != 0)
            break;
        document_free(doc);
    }
    document_free(doc);
    begin = client_now_ms();
    assert_int_equal(status_of(h, HEALTH_READY), HEALTH_FAIL);
    assert_between(client_now_ms() - begin, 0, 300 + SLACK_MS);
    puppet_let_go(&hung);
    service_end(h);
    assert_int_equal(puppet_most(&hung), 1);
}

/* Whoever asks in whatever way waits for the same run. */
static struct health *shared;

static void *ask_ready(void *arg)
{
    enum health_status *status = arg;

    if (health_document(shared, HEALTH_READY, NULL, 0, NULL, status) != 0)
        *status = (enum health_status)99;
    return NULL;
}

static void the_run_is_that_of_the_requests(void **state)
{
    static struct puppet p;
    enum health_status statuses[4];
    pthread_t threads[COUNT(statuses)];
    struct client c;
    size_t i;

    (void)state;
    shared = service_start(NULL);
    add(shared, &p, "db", 60000);
    puppet_hold(&p);
    puppet_says(&p, HEALTH_WARN, NULL);
    asking_begin(&c, service_port(shared), "/ready");
    assert_true(puppet_wait_begun(&p, 1, LONG_MS));
    for (i = 0; i < COUNT(threads); i++) {
        statuses[i] = (enum health_status)99;
        assert_int_equal(pthread_create(&threads[i], NULL, ask_ready, &statuses[i]), 0);
    }
    asking_pause(50);
    assert_int_equal(puppet_begun(&p), 1);
    puppet_let_go(&p);
    assert_int_equal(asking_end(&c, LONG_MS, NULL), 200);
    for (i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(statuses[i], HEALTH_WARN);
    }
    assert_int_equal(puppet_most(&p), 1);
    service_end(shared);
}

/* ---- From callbacks ---- */

static struct {
    struct health *h;
    int result;
    enum health_status status;
    int64_t took_ms;
    char bytes[2048];
} inside;

static void ask_inside(struct health_result *result, void *arg)
{
    int64_t begin = client_now_ms();
    size_t length;

    (void)result;
    inside.result = health_document(
        inside.h, *(unsigned *)arg, inside.bytes, sizeof(inside.bytes), &length, &inside.status);
    inside.took_ms = client_now_ms() - begin;
}

/* It is asked for by the very check that has to be waited for. */
static void a_callback_may_ask(void **state)
{
    static struct puppet p;
    static unsigned probe;
    struct health *h = inside.h = start_alone(200);
    struct health_check check;

    (void)state;
    add(h, &p, "self", 60000);
    probe = HEALTH_READY;
    puppet_calls(&p, ask_inside, &probe);
    (void)status_of(h, HEALTH_READY);
    assert_true(puppet_wait_ended(&p, 1, LONG_MS));
    assert_int_equal(inside.result, 0);
    assert_int_equal(inside.status, HEALTH_FAIL); /* pending */
    assert_between(inside.took_ms, 0, 200 + SLACK_MS);
    assert_non_null(strstr(inside.bytes, "\"self\""));

    /* Of a probe that is none of its own. */
    probe = HEALTH_LIVE;
    asking_pause(ROUNDING_MS); /* or the last result would do */
    (void)status_of(h, HEALTH_READY);
    assert_true(puppet_wait_ended(&p, 2, LONG_MS));
    assert_int_equal(inside.result, 0);
    assert_int_equal(inside.status, HEALTH_PASS);
    assert_accepted(health_remove(h, "self"));
    assert_true(puppet_wait_released(&p, 1, LONG_MS));

    puppet_init(&p);
    check = puppet_check(&p, "periodic");
    check.interval_ms = 3600000;
    probe = HEALTH_READY;
    puppet_calls(&p, ask_inside, &probe);
    inside.result = 99;
    assert_accepted(health_add_check(h, &check));
    assert_true(puppet_wait_ended(&p, 1, LONG_MS));
    assert_int_equal(inside.result, 0);
    service_end(h);
}

static void a_callback_may_ask_while_it_is_stopped(void **state)
{
    static struct puppet p;
    static unsigned probe = HEALTH_READY;
    int i;

    (void)state;
    for (i = 0; i < 10; i++) {
        struct health *h = inside.h = start_alone(LONG_MS);
        struct health_check check;

        puppet_init(&p);
        check = puppet_check(&p, "self");
        check.interval_ms = 1;
        check.timeout_ms = 60000;
        puppet_takes(&p, i);
        puppet_calls(&p, ask_inside, &probe);
        inside.result = 99;
        assert_accepted(health_add_check(h, &check));
        assert_true(puppet_wait_begun(&p, 1, LONG_MS));
        asking_pause(i);
        assert_accepted(health_stop(h, LONG_MS));
        assert_true(inside.result == 0 || inside.result == HEALTH_ESTOPPED);
        health_free(h);
    }
}

/* ---- Many, while it comes and goes ---- */

static atomic_bool enough;
static atomic_ulong answered, stopped;

static void *ask_on(void *arg)
{
    unsigned seed = (unsigned)(intptr_t)arg;
    intptr_t failed = 0;

    while (!atomic_load(&enough)) {
        enum health_status status = (enum health_status)99;
        char bytes[2048];
        size_t length = 0;
        int64_t begin = client_now_ms();
        int error = health_document(shared, probes[(unsigned)rand_r(&seed) % 4].probe, bytes,
            (unsigned)rand_r(&seed) % 4 ? sizeof(bytes) : 10, &length, &status);

        if (error == HEALTH_ESTOPPED) {
            (void)atomic_fetch_add(&stopped, 1);
            asking_pause(1);
        } else {
            (void)atomic_fetch_add(&answered, 1);
            failed |= error != 0 && error != HEALTH_ENOBUFS;
            failed |= status > HEALTH_FAIL || length < 20;
            failed |= error == 0 && (bytes[0] != '{' || strlen(bytes) != length);
        }
        failed |= client_now_ms() - begin > LONG_MS;
    }
    return (void *)failed;
}

static void many_may_ask_while_it_comes_and_goes(void **state)
{
    static struct puppet quick, slow;
    pthread_t threads[32];
    void *failed;
    size_t i;

    (void)state;
    shared = service_start(NULL);
    add(shared, &quick, "quick", 60000);
    add(shared, &slow, "slow", 60000);
    puppet_takes(&slow, 5);
    atomic_store(&enough, false);
    atomic_store(&answered, 0);
    atomic_store(&stopped, 0);
    for (i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_on, (void *)(intptr_t)(i + 1)), 0);
    for (i = 0; i < 60; i++) {
        asking_pause((int)(i % 7) * 3);
        assert_accepted(health_stop(shared, LONG_MS));
        asking_pause((int)(i % 3));
        assert_accepted(health_start(shared));
    }
    atomic_store(&enough, true);
    for (i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_true(atomic_load(&answered) > 0);
    assert_true(atomic_load(&stopped) > 0);
    service_end(shared);
    assert_int_equal(puppet_most(&slow), 1);
}

static void who_waits_is_answered_when_the_check_is_removed(void **state)
{
    static struct puppet p;
    enum health_status status = HEALTH_FAIL;
    pthread_t thread;

    (void)state;
    shared = start_alone(60000);
    add(shared, &p, "slow", 200);
    puppet_hold(&p);
    assert_int_equal(pthread_create(&thread, NULL, ask_ready, &status), 0);
    assert_true(puppet_wait_begun(&p, 1, LONG_MS));
    assert_refused(health_remove(shared, "slow"), HEALTH_EBUSY, EBUSY, "slow");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(status, HEALTH_PASS);
    puppet_let_go(&p);
    assert_true(puppet_wait_released(&p, 1, LONG_MS));
    service_end(shared);
}

/* Who waits when it is stopped is told how things stand; also while the callback is stuck. */
static void who_waits_is_answered_at_a_stop(void **state)
{
    static struct puppet p;
    enum health_status status = (enum health_status)99;
    pthread_t thread;
    int64_t begin;

    (void)state;
    shared = start_alone(60000);
    add(shared, &p, "hung", 60000);
    puppet_hold(&p);
    assert_int_equal(pthread_create(&thread, NULL, ask_ready, &status), 0);
    assert_true(puppet_wait_begun(&p, 1, LONG_MS));
    begin = client_now_ms();
    assert_int_equal(health_stop(shared, 100), HEALTH_EBUSY);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_between(client_now_ms() - begin, 0, 100 + SLACK_MS);
    assert_int_equal(status, HEALTH_FAIL);
    assert_refused(
        health_document(shared, HEALTH_LIVE, NULL, 0, NULL, NULL), HEALTH_ESTOPPED, EINVAL, NULL);
    puppet_let_go(&p);
    service_end(shared);
}

/* ---- A host that closes every descriptor ---- */

static int lose_descriptors(struct process *self, void *arg)
{
    static struct puppet p;
    struct health_options options = HEALTH_OPTIONS_INIT;
    bool waiting = *(bool *)arg;
    enum health_status status = (enum health_status)99;
    struct health_check check;
    pthread_t thread;
    int64_t begin;
    int fd;

    options.response_ms = 60000;
    PROCESS_CHECK(health_new(&shared, &options) == 0);
    PROCESS_CHECK(health_start(shared) == 0);
    puppet_init(&p);
    puppet_hold(&p);
    check = puppet_check(&p, "hung");
    check.timeout_ms = 60000;
    PROCESS_CHECK(health_add_check(shared, &check) == 0);
    if (waiting) {
        PROCESS_CHECK(pthread_create(&thread, NULL, ask_ready, &status) == 0);
        PROCESS_CHECK(puppet_wait_begun(&p, 1, LONG_MS));
    }
    for (fd = 3; fd < 100; fd++)
        if (fd != self->fd)
            (void)close(fd);
    begin = client_now_ms();
    PROCESS_CHECK(health_document(shared, HEALTH_LIVE, NULL, 0, NULL, NULL) == HEALTH_ESTOPPED);
    (void)health_on_change(shared, NULL, NULL);
    PROCESS_CHECK(client_now_ms() - begin < LONG_MS);
    PROCESS_CHECK(health_stop(shared, 100) == (waiting ? HEALTH_EBUSY : 0));
    if (waiting) {
        PROCESS_CHECK(pthread_join(thread, NULL) == 0);
        PROCESS_CHECK(status == HEALTH_FAIL);
    }
    PROCESS_CHECK(client_now_ms() - begin < LONG_MS);
    puppet_let_go(&p);
    if (waiting)
        PROCESS_CHECK(health_stop(shared, LONG_MS) == 0);
    _exit(0); /* the loop that was left behind is a leak that is meant */
}

static void without_descriptors_nobody_waits_for_ever(void **state)
{
    struct process child;
    int i;

    (void)state;
    if (PROCESS_THREAD_SANITIZED) {
        print_message("SKIPPED: that a thread still has them is a race, as it is meant to be\n");
        skip();
    }
    for (i = 0; i < 2; i++) {
        bool waiting = i == 1;

        assert_int_equal(process_start(&child, lose_descriptors, &waiting), 0);
        assert_int_equal(process_end(&child), 0);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, refused_count, refused_recount)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_what_a_request_is_told),
        TEST(details_are_told_as_to_the_same_host),
        TEST(it_needs_no_listener),
        TEST(it_latches_startup),
        TEST(each_output_may_be_left_out),
        TEST(a_buffer_too_small_is_left_alone),
        TEST(only_a_probe_can_be_asked),
        TEST(one_that_is_not_started_is_not_asked),
        TEST(it_waits_for_runs_for_the_response_time),
        TEST(the_run_is_that_of_the_requests),
        TEST(a_callback_may_ask),
        TEST(a_callback_may_ask_while_it_is_stopped),
        TEST(many_may_ask_while_it_comes_and_goes),
        TEST(who_waits_is_answered_when_the_check_is_removed),
        TEST(who_waits_is_answered_at_a_stop),
        TEST(without_descriptors_nobody_waits_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
