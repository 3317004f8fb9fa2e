/*
 * Life cycles: of checks, which come and go while the service runs, and of instances, which start,
 * stop, start again and end, also while a callback is stuck.  Nothing is left behind by any.
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
#include <string.h>

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

/* An instance on a free port of 127.0.0.1, not started. */
static struct health *make(void)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;

    options.listen = "127.0.0.1:0";
    options.response_ms = 5000;
    assert_accepted(health_new(&h, &options));
    assert_non_null(h);
    return h;
}

static struct health *start(void)
{
    struct health *h = make();

    assert_accepted(health_start(h));
    return h;
}

/* Adds an on-demand check of the puppet, which begins anew. */
static void add(struct health *h, struct puppet *p, const char *name, unsigned timeout_ms)
{
    struct health_check check;

    puppet_init(p);
    check = puppet_check(p, name);
    check.timeout_ms = timeout_ms;
    check.max_age_ms = 1;
    assert_accepted(health_add_check(h, &check));
}

/* Lets a run of the check hang, and a request, which is given up, ask for it. */
static void hang(struct health *h, struct puppet *p, const char *name)
{
    unsigned begun = puppet_begun(p);
    struct client c;
    char target[64];

    puppet_hold(p);
    asking_pause(5); /* its last result is old by now */
    (void)snprintf(target, sizeof(target), "/health/%s", name);
    asking_begin(&c, service_port(h), target);
    assert_true(puppet_wait_begun(p, begun + 1, LONG_MS));
    client_close(&c);
}

static bool refuses_connections(int port)
{
    struct client c;
    bool refused = client_open(&c, "127.0.0.1", port) != 0 && errno == ECONNREFUSED;

    client_close(&c);
    return refused;
}

/* ---- Checks come and go ---- */

static void checks_come_and_go_while_it_runs(void **state)
{
    static struct puppet one, two;
    struct health *h = start();
    int port = service_port(h);
    json_t *doc;

    (void)state;
    doc = document_get(port, "/health", 200);
    assert_int_equal(document_count(doc), 0);
    document_free(doc);
    assert_int_equal(client_status(port, "/health/one"), 404);

    add(h, &one, "one", 0);
    puppet_says(&one, HEALTH_FAIL, "down");
    doc = document_get(port, "/health", 503);
    assert_check(doc, "one", "fail", "down");
    document_free(doc);
    assert_int_equal(client_status(port, "/health/one"), 503);

    add(h, &two, "two", 0);
    doc = document_get(port, "/health", 503);
    assert_int_equal(document_count(doc), 2);
    document_free(doc);

    assert_accepted(health_remove(h, "one"));
    doc = document_get(port, "/health", 200);
    assert_int_equal(document_count(doc), 1);
    assert_check(doc, "two", "pass", NULL);
    document_free(doc);
    assert_int_equal(client_status(port, "/health/one"), 404);
    assert_true(puppet_wait_released(&one, 1, LONG_MS));
    assert_refused(health_remove(h, "one"), HEALTH_ENOENT, ENOENT, "one");

    /* The name is free. */
    add(h, &one, "one", 0);
    doc = document_get(port, "/health", 200);
    assert_check(doc, "one", "pass", NULL);
    document_free(doc);
    service_end(h);
    assert_int_equal(puppet_released(&one), 1);
    assert_int_equal(puppet_released(&two), 1);
    assert_false(puppet_late(&one));
}

static void removing_waits_for_the_run_in_progress(void **state)
{
    static struct puppet p;
    struct client c;
    struct health *h = start();
    json_t *doc;

    (void)state;
    add(h, &p, "db", LONG_MS);
    puppet_takes(&p, 300);
    asking_begin(&c, service_port(h), "/ready?verbose");
    assert_true(puppet_wait_begun(&p, 1, LONG_MS));
    assert_accepted(health_remove(h, "db"));
    assert_int_equal(puppet_ended(&p), 1);
    assert_true(puppet_wait_released(&p, 1, LONG_MS));
    assert_false(puppet_late(&p));

    /* Who waited for it is answered without it. */
    assert_int_equal(asking_end(&c, LONG_MS, &doc), 200);
    assert_int_equal(document_count(doc), 0);
    document_free(doc);
    service_end(h);
    assert_int_equal(puppet_begun(&p), 1);
    assert_int_equal(puppet_released(&p), 1);
}

static void removing_a_hung_one_gives_up_at_its_timeout(void **state)
{
    static struct puppet hung, other;
    struct client c;
    struct health *h = start();
    int64_t begin;
    json_t *doc;

    (void)state;
    add(h, &hung, "db", 300);
    puppet_hold(&hung);
    begin = client_now_ms();
    asking_begin(&c, service_port(h), "/ready");
    assert_true(puppet_wait_begun(&hung, 1, LONG_MS));
    assert_refused(health_remove(h, "db"), HEALTH_EBUSY, EBUSY, "db");
    assert_between(client_now_ms() - begin, 300 - ROUNDING_MS, 300 + 2 * SLACK_MS);
    (void)asking_end(&c, LONG_MS, NULL);

    /* It is gone all the same, */
    doc = document_get(service_port(h), "/health", 200);
    assert_int_equal(document_count(doc), 0);
    document_free(doc);
    assert_int_equal(client_status(service_port(h), "/health/db"), 404);
    assert_refused(health_remove(h, "db"), HEALTH_ENOENT, ENOENT, "db");

    /* its name is free, and another of that name is not touched by the end of the first. */
    add(h, &other, "db", LONG_MS);
    doc = document_get(service_port(h), "/health", 200);
    assert_check(doc, "db", "pass", NULL);
    document_free(doc);
    assert_int_equal(puppet_released(&hung), 0);
    puppet_let_go(&hung);
    assert_true(puppet_wait_released(&hung, 1, LONG_MS));
    assert_false(puppet_late(&hung));
    assert_int_equal(puppet_begun(&hung), 1);
    doc = document_get(service_port(h), "/health", 200);
    assert_check(doc, "db", "pass", NULL);
    document_free(doc);

    service_end(h);
    assert_int_equal(puppet_released(&hung), 1);
    assert_int_equal(puppet_released(&other), 1);
}

static void removing_an_overdue_one_does_not_wait(void **state)
{
    static struct puppet p;
    struct health *h = start();
    int64_t begin;

    (void)state;
    add(h, &p, "db", 200);
    puppet_hold(&p);
    assert_int_equal(client_status(service_port(h), "/ready"), 503);
    begin = client_now_ms();
    assert_refused(health_remove(h, "db"), HEALTH_EBUSY, EBUSY, "db");
    assert_between(client_now_ms() - begin, 0, 150);
    assert_int_equal(puppet_released(&p), 0);
    puppet_let_go(&p);
    assert_true(puppet_wait_released(&p, 1, LONG_MS));
    service_end(h);
}

/* Several callers may remove at once: one is told that it did. */
struct remover {
    pthread_t thread;
    struct health *h;
    int result;
};

static void *remove_it(void *arg)
{
    struct remover *r = arg;

    r->result = health_remove(r->h, "db");
    return NULL;
}

static void one_of_many_who_remove_it_has_done_it(void **state)
{
    static struct puppet p;
    struct remover removers[4];
    struct health *h = start();
    unsigned i, removed = 0;

    (void)state;
    add(h, &p, "db", LONG_MS);
    hang(h, &p, "db");
    for (i = 0; i < COUNT(removers); i++) {
        removers[i] = (struct remover){.h = h};
        assert_int_equal(pthread_create(&removers[i].thread, NULL, remove_it, &removers[i]), 0);
    }
    document_free(asking_until(service_port(h), "/health", "db", NULL, LONG_MS));
    assert_int_equal(puppet_released(&p), 0);
    puppet_let_go(&p);
    for (i = 0; i < COUNT(removers); i++) {
        assert_int_equal(pthread_join(removers[i].thread, NULL), 0);
        removed += removers[i].result == 0;
        assert_true(removers[i].result == 0 || removers[i].result == HEALTH_ENOENT);
    }
    assert_int_equal(removed, 1);
    service_end(h);
    assert_int_equal(puppet_released(&p), 1);
}

/* What a callback does to its instance, and what it is told. */
struct inside {
    struct health *h;
    struct health *other;
    struct puppet *puppet; /* for what it adds */
    int results[8];
    int causes[8];
    char said[8][128];
    int64_t took_ms;
};

static void keep(struct inside *in, unsigned i, int result)
{
    in->results[i] = result;
    in->causes[i] = errno;
    (void)snprintf(in->said[i], sizeof(in->said[i]), "%s", health_last_error());
}

static void remove_inside(struct health_result *result, void *arg)
{
    struct inside *in = arg;
    int64_t begin = client_now_ms();

    (void)result;
    keep(in, 0, health_remove(in->h, "self"));
    keep(in, 1, health_remove(in->h, "hung"));
    keep(in, 2, health_remove(in->h, "idle"));
    keep(in, 3, health_remove(in->h, "none"));
    in->took_ms = client_now_ms() - begin;
}

static void removing_from_a_callback_never_waits(void **state)
{
    static struct puppet self, hung, idle;
    static struct inside in;
    struct health *h = start();
    json_t *doc;

    (void)state;
    in = (struct inside){.h = h};
    add(h, &self, "self", LONG_MS);
    add(h, &hung, "hung", LONG_MS);
    add(h, &idle, "idle", LONG_MS);
    puppet_calls(&self, remove_inside, &in);
    hang(h, &hung, "hung");
    (void)client_status(service_port(h), "/health/self");
    assert_true(puppet_wait_ended(&self, 1, LONG_MS));

    assert_int_equal(in.results[0], HEALTH_EBUSY);
    assert_int_equal(in.causes[0], EBUSY);
    assert_int_equal(in.results[1], HEALTH_EBUSY);
    assert_int_equal(in.results[2], 0);
    assert_int_equal(in.results[3], HEALTH_ENOENT);
    assert_between(in.took_ms, 0, SLACK_MS);
    doc = document_get(service_port(h), "/health", 200);
    assert_int_equal(document_count(doc), 0);
    document_free(doc);

    assert_true(puppet_wait_released(&self, 1, LONG_MS));
    assert_true(puppet_wait_released(&idle, 1, LONG_MS));
    assert_int_equal(puppet_released(&hung), 0);
    puppet_let_go(&hung);
    assert_true(puppet_wait_released(&hung, 1, LONG_MS));
    assert_false(puppet_late(&self) || puppet_late(&hung) || puppet_late(&idle));
    service_end(h);
}

/* ---- release ---- */

static atomic_int releases;

static void count_release(void *arg)
{
    (void)arg;
    atomic_fetch_add(&releases, 1);
}

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    return HEALTH_PASS;
}

static void what_was_not_added_is_not_released(void **state)
{
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *h = start();

    (void)state;
    atomic_store(&releases, 0);
    check.fn = pass;
    check.release = count_release;
    assert_refused(health_add_check(h, &check), HEALTH_EINVAL, EINVAL, NULL);
    check.name = "db";
    check.probes = 0x80;
    assert_refused(health_add_check(h, &check), HEALTH_EINVAL, EINVAL, "db");
    check.probes = 0;
    assert_accepted(health_add_check(h, &check));
    assert_refused(health_add_check(h, &check), HEALTH_EEXIST, EEXIST, "db");
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    assert_int_equal(atomic_load(&releases), 0);
    service_end(h);
    assert_int_equal(atomic_load(&releases), 1);
}

static void without_threads_the_caller_releases(void **state)
{
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *h = make();

    (void)state;
    atomic_store(&releases, 0);
    check.fn = pass;
    check.release = count_release;
    check.name = "one";
    assert_accepted(health_add_check(h, &check));
    check.name = "two";
    assert_accepted(health_add_check(h, &check));
    check.name = "pushed";
    check.fn = NULL;
    assert_accepted(health_add_check(h, &check));
    assert_accepted(health_remove(h, "one"));
    assert_int_equal(atomic_load(&releases), 1);
    health_free(h);
    assert_int_equal(atomic_load(&releases), 3);

    /* The same once it is stopped again. */
    h = start();
    check.name = "db";
    check.fn = pass;
    assert_accepted(health_add_check(h, &check));
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    assert_accepted(health_stop(h, LONG_MS));
    assert_int_equal(atomic_load(&releases), 3);
    assert_accepted(health_remove(h, "db"));
    assert_int_equal(atomic_load(&releases), 4);
    health_free(h);
    assert_int_equal(atomic_load(&releases), 4);
}

/* May call whatever a callback may. */
static void release_and_add(void *arg)
{
    struct inside *in = arg;
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = "after";
    check.fn = pass;
    check.release = count_release;
    keep(in, 0, health_add_check(in->h, &check));
    keep(in, 1, health_remove(in->h, "db"));
    keep(in, 2, health_stop(in->h, 0));
    atomic_fetch_add(&releases, 1);
}

static void release_may_use_the_instance(void **state)
{
    static struct inside in;
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *h = start();

    (void)state;
    atomic_store(&releases, 0);
    in = (struct inside){.h = h};
    check.name = "db";
    check.fn = pass;
    check.arg = &in;
    check.release = release_and_add;
    assert_accepted(health_add_check(h, &check));
    assert_accepted(health_remove(h, "db"));
    document_free(asking_until(service_port(h), "/health", "after", "pass", LONG_MS));
    service_end(h);
    assert_int_equal(in.results[0], 0);
    assert_int_equal(in.results[1], HEALTH_ENOENT);
    assert_int_equal(in.results[2], HEALTH_EDEADLK);
    assert_int_equal(atomic_load(&releases), 2);
}

/* Comings and goings, while others ask. */
struct asker {
    pthread_t thread;
    int port;
    atomic_bool over;
    unsigned answers;
    int odd; /* an answer that is none */
};

static void *ask_on(void *arg)
{
    struct asker *a = arg;
    int status;

    while (!atomic_load(&a->over)) {
        status = client_try_status(a->port, "/health");
        /* A periodic check without a result is not passing. */
        if (status == 200 || status == 503)
            a->answers++;
        else
            a->odd = status;
    }
    return NULL;
}

static void checks_come_and_go_while_others_ask(void **state)
{
    struct health_check check = HEALTH_CHECK_INIT;
    static struct asker askers[3];
    struct health *h = start();
    const int rounds = 500;
    char name[16];
    size_t i;
    int round;

    (void)state;
    atomic_store(&releases, 0);
    check.fn = pass;
    check.release = count_release;
    check.max_age_ms = 1;
    for (i = 0; i < COUNT(askers); i++) {
        askers[i].port = service_port(h);
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_on, &askers[i]), 0);
    }
    for (round = 0; round < rounds; round++) {
        (void)snprintf(name, sizeof(name), "c%d", round % 7);
        check.name = name;
        check.interval_ms = round % 3 == 0;
        check.max_age_ms = round % 3 != 0;
        assert_int_equal(health_add_check(h, &check), 0);
        if (round % 5 == 0)
            asking_pause(1);
        if (round >= 3) {
            (void)snprintf(name, sizeof(name), "c%d", (round - 3) % 7);
            assert_int_equal(health_remove(h, name), 0);
        }
    }
    for (i = 0; i < COUNT(askers); i++) {
        atomic_store(&askers[i].over, true);
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        assert_true(askers[i].answers > 0);
        assert_int_equal(askers[i].odd, 0);
    }
    service_end(h);
    assert_int_equal(atomic_load(&releases), rounds);
}

/* ---- Instances ---- */

/* In a process of its own, as there is but one. */
static int use_the_process_wide_one(struct process *self, void *arg)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;
    struct response r;

    (void)self;
    (void)arg;
    /* Its gates are valid before it is there. */
    health_set_ready(NULL, false);
    options.listen = "127.0.0.1:0";
    options.service_id = "the-one";
    PROCESS_CHECK(health_new(NULL, &options) == 0);
    PROCESS_CHECK(health_new(NULL, &options) == HEALTH_EEXIST && errno == EEXIST);
    PROCESS_CHECK(health_port(NULL) == HEALTH_ESTOPPED);
    PROCESS_CHECK(health_register_check("db", pass, NULL) == 0);
    PROCESS_CHECK(health_register_check("db", pass, NULL) == HEALTH_EEXIST);
    PROCESS_CHECK(health_start(NULL) == 0);
    PROCESS_CHECK(health_port(NULL) > 0);
    PROCESS_CHECK(client_try_status(health_port(NULL), "/live") == 200);
    PROCESS_CHECK(client_try_status(health_port(NULL), "/ready") == 503);
    health_set_ready(NULL, true);
    PROCESS_CHECK(client_try_status(health_port(NULL), "/ready") == 200);
    PROCESS_CHECK(client_try(&(struct client_request){.port = health_port(NULL)}, &r) == CLIENT_OK);
    PROCESS_CHECK(strstr(r.body, "\"serviceId\":\"the-one\"") != NULL);
    PROCESS_CHECK(strstr(r.body, "\"db\"") != NULL);
    response_free(&r);
    health_free(NULL);
    PROCESS_CHECK(client_try_status(health_port(NULL), "/health") == 200);

    /* Another has nothing to do with it. */
    PROCESS_CHECK(health_new(&h, NULL) == 0);
    PROCESS_CHECK(health_remove(h, "db") == HEALTH_ENOENT);
    health_free(h);
    PROCESS_CHECK(health_remove(NULL, "db") == 0);
    PROCESS_CHECK(health_stop(NULL, LONG_MS) == 0);
    PROCESS_CHECK(health_stop(NULL, LONG_MS) == HEALTH_ESTOPPED);
    return 0;
}

/* The short way: no health_new(), no options. */
static int use_the_short_way(struct process *self, void *arg)
{
    int port;

    (void)self;
    (void)arg;
    health_drain(NULL);
    PROCESS_CHECK(health_register_check("db", pass, NULL) == 0);
    PROCESS_CHECK(health_new(NULL, NULL) == HEALTH_EEXIST);
    PROCESS_CHECK(health_serve(0) == 0);
    PROCESS_CHECK(health_serve(0) == HEALTH_EALREADY && errno == EALREADY);
    port = health_port(NULL);
    PROCESS_CHECK(port > 0);
    PROCESS_CHECK(client_try_status(port, "/ready") == 503);
    PROCESS_CHECK(client_try_status(port, "/health") == 200);
    PROCESS_CHECK(health_stop(NULL, LONG_MS) == 0);

    /* And again, on the same port: it is free, and what was registered is there. */
    PROCESS_CHECK(health_serve((unsigned)port) == 0);
    PROCESS_CHECK(health_port(NULL) == port);
    PROCESS_CHECK(client_try_status(port, "/ready") == 200);
    PROCESS_CHECK(client_try_status(port, "/health/db") == 200);
    PROCESS_CHECK(health_stop(NULL, LONG_MS) == 0);
    return 0;
}

static void null_is_the_process_wide_one(void **state)
{
    struct process child;

    (void)state;
    assert_int_equal(process_start(&child, use_the_process_wide_one, NULL), 0);
    assert_int_equal(process_end(&child), 0);
    assert_int_equal(process_start(&child, use_the_short_way, NULL), 0);
    assert_int_equal(process_end(&child), 0);
}

static void instances_know_nothing_of_each_other(void **state)
{
    static struct puppet puppets[3];
    struct health *instances[3];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(instances); i++) {
        instances[i] = start();
        add(instances[i], &puppets[i], "db", 0);
    }
    puppet_says(&puppets[1], HEALTH_FAIL, "down");
    health_set_ready(instances[2], false);
    assert_int_equal(client_status(service_port(instances[0]), "/health"), 200);
    assert_int_equal(client_status(service_port(instances[1]), "/health"), 503);
    assert_int_equal(client_status(service_port(instances[2]), "/health"), 200);
    assert_int_equal(client_status(service_port(instances[0]), "/ready"), 200);
    assert_int_equal(client_status(service_port(instances[2]), "/ready"), 503);

    /* One that hangs or ends is nothing to the others. */
    puppet_takes(&puppets[1], 1000);
    hang(instances[1], &puppets[1], "db");
    assert_int_equal(client_status(service_port(instances[0]), "/ready"), 200);
    service_end(instances[0]);
    assert_int_equal(client_status(service_port(instances[2]), "/health"), 200);
    puppet_let_go(&puppets[1]);
    service_end(instances[1]);
    assert_int_equal(client_status(service_port(instances[2]), "/health"), 200);
    service_end(instances[2]);
}

static void one_without_listeners_runs_its_checks(void **state)
{
    static struct puppet p;
    struct health_check check;
    struct health *h = NULL;

    (void)state;
    assert_accepted(health_new(&h, NULL));
    puppet_init(&p);
    check = puppet_check(&p, "db");
    check.interval_ms = 20;
    assert_accepted(health_add_check(h, &check));
    assert_accepted(health_start(h));
    assert_int_equal(health_port(h), 0);
    assert_true(puppet_wait_ended(&p, 3, LONG_MS));
    service_end(h);
    assert_int_equal(puppet_released(&p), 1);
}

/* ---- Stop, and start again ---- */

static void what_was_said_outlives_a_stop(void **state)
{
    static struct puppet p;
    struct health *h = start();
    json_t *doc;

    (void)state;
    add(h, &p, "db", 0);
    service_add_pushed(h, "pushed", 0);
    service_add_pushed(h, "never", HEALTH_ALL);
    assert_accepted(health_report(h, "pushed", HEALTH_WARN, "running %s", "low"));
    doc = document_get(service_port(h), "/health", 503);
    assert_check(doc, "pushed", "warn", "running low");
    document_free(doc);
    assert_int_equal(client_status(service_port(h), "/ready"), 200);

    assert_accepted(health_stop(h, LONG_MS));
    assert_int_equal(puppet_released(&p), 0);
    /* A report that comes meanwhile counts. */
    assert_accepted(health_report(h, "never", HEALTH_FAIL, "while stopped"));
    assert_accepted(health_start(h));
    doc = document_get(service_port(h), "/health", 503);
    assert_int_equal(document_count(doc), 3);
    assert_check(doc, "db", "pass", NULL);
    assert_check(doc, "pushed", "warn", "running low");
    assert_check(doc, "never", "fail", "while stopped");
    document_free(doc);
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    service_end(h);
}

static void gates_outlive_a_stop_but_for_draining(void **state)
{
    static struct puppet p;
    struct health_check check;
    struct health *h = make();
    json_t *doc;

    (void)state;
    puppet_init(&p);
    check = puppet_check(&p, "warm");
    check.probes = HEALTH_STARTUP;
    check.max_age_ms = 1;
    assert_accepted(health_add_check(h, &check));
    health_set_started(h, false);
    assert_accepted(health_start(h));
    assert_int_equal(client_status(service_port(h), "/startup"), 503);
    assert_accepted(health_stop(h, LONG_MS));
    assert_accepted(health_start(h));
    assert_int_equal(client_status(service_port(h), "/startup"), 503);
    assert_int_equal(client_status(service_port(h), "/ready"), 503);
    health_set_started(h, true);
    assert_int_equal(client_status(service_port(h), "/startup"), 200);

    /* The latch. */
    puppet_says(&p, HEALTH_FAIL, "cold");
    asking_pause(5);
    assert_int_equal(client_status(service_port(h), "/startup"), 200);
    health_drain(h);
    health_set_ready(h, false);
    doc = document_get(service_port(h), "/ready", 503);
    assert_true(document_gate(doc, "draining"));
    document_free(doc);
    assert_accepted(health_stop(h, LONG_MS));
    assert_accepted(health_start(h));
    assert_int_equal(client_status(service_port(h), "/startup"), 200);
    doc = document_get(service_port(h), "/ready", 503);
    assert_false(document_gate(doc, "draining"));
    assert_false(document_gate(doc, "ready"));
    assert_true(document_gate(doc, "started"));
    document_free(doc);
    health_set_ready(h, true);
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    service_end(h);
}

static void a_stuck_callback_keeps_it_from_starting_again(void **state)
{
    static struct puppet p;
    struct health *h = start();
    int port = service_port(h);
    int64_t begin;

    (void)state;
    add(h, &p, "db", 200);
    hang(h, &p, "db");
    health_drain(h);
    begin = client_now_ms();
    assert_refused(health_stop(h, 300), HEALTH_EBUSY, EBUSY, NULL);
    assert_between(client_now_ms() - begin, 300 - ROUNDING_MS, 300 + SLACK_MS);
    assert_true(refuses_connections(port));
    assert_refused(health_start(h), HEALTH_EBUSY, EBUSY, NULL);
    assert_int_equal(health_port(h), HEALTH_ESTOPPED);
    assert_refused(health_stop(h, 0), HEALTH_EBUSY, EBUSY, NULL);
    assert_int_equal(puppet_released(&p), 0);

    puppet_let_go(&p);
    assert_accepted(health_stop(h, LONG_MS));
    assert_refused(health_stop(h, LONG_MS), HEALTH_ESTOPPED, 0, NULL);
    assert_int_equal(puppet_released(&p), 0);
    assert_accepted(health_start(h));
    document_free(asking_until(service_port(h), "/ready?verbose", "db", "pass", LONG_MS));
    assert_int_equal(puppet_most(&p), 1);
    service_end(h);
    assert_int_equal(puppet_released(&p), 1);
}

static void stop_waits_for_a_callback_that_ends_in_time(void **state)
{
    static struct puppet p;
    struct health *h = start();
    struct client c;

    (void)state;
    add(h, &p, "db", LONG_MS);
    puppet_takes(&p, 300);
    asking_begin(&c, service_port(h), "/ready");
    assert_true(puppet_wait_begun(&p, 1, LONG_MS));
    assert_accepted(health_stop(h, LONG_MS));
    assert_int_equal(puppet_ended(&p), 1);
    (void)asking_end(&c, LONG_MS, NULL);
    health_free(h);
    assert_int_equal(puppet_released(&p), 1);
    assert_false(puppet_late(&p));
}

static void without_a_callback_running_a_stop_needs_no_time(void **state)
{
    static struct puppet p;
    struct health *h;
    int i;

    (void)state;
    for (i = 0; i < 20; i++) {
        h = start();
        add(h, &p, "db", LONG_MS);
        assert_int_equal(client_status(service_port(h), "/ready"), 200);
        assert_accepted(health_stop(h, 0));
        assert_accepted(health_start(h));
        assert_int_equal(client_status(service_port(h), "/ready"), 200);
        health_free(h);
        assert_int_equal(puppet_released(&p), 1);
    }
}

static void connections_do_not_hold_up_a_stop(void **state)
{
    struct client idle, silent, halfway, answered, pipelined;
    struct response r;
    struct health *h = start();
    int port = service_port(h), code;
    int64_t begin;

    (void)state;
    assert_int_equal(client_open(&silent, "127.0.0.1", port), 0);
    assert_int_equal(client_open(&halfway, "127.0.0.1", port), 0);
    assert_int_equal(client_print(&halfway, "GET /health HTTP/1.1\r\nHost: "), 0);
    assert_int_equal(client_open(&idle, "127.0.0.1", port), 0);
    assert_int_equal(client_print(&idle, "GET /health HTTP/1.1\r\nHost: test\r\n\r\n"), 0);
    assert_int_equal(client_read(&idle, false, &r, client_deadline(LONG_MS)), CLIENT_OK);
    response_free(&r);
    assert_int_equal(client_open(&pipelined, "127.0.0.1", port), 0);
    assert_int_equal(client_print(&pipelined,
                         "GET /live HTTP/1.1\r\nHost: test\r\n\r\nGET /live HTTP/1.1\r\nHo"),
        0);
    assert_int_equal(client_read(&pipelined, false, &r, client_deadline(LONG_MS)), CLIENT_OK);
    response_free(&r);
    asking_begin(&answered, port, "/health");
    (void)asking_takes(port, "/health", &code, NULL);

    begin = client_now_ms();
    assert_accepted(health_stop(h, LONG_MS));
    assert_between(client_now_ms() - begin, 0, SLACK_MS);
    assert_int_equal(asking_end(&answered, SLACK_MS, NULL), 200);
    assert_true(client_at_end(&idle, client_deadline(SLACK_MS)));
    client_close(&idle);
    client_close(&silent);
    client_close(&halfway);
    client_close(&pipelined);
    health_free(h);
}

static void who_has_asked_is_answered_at_stop(void **state)
{
    static struct client clients[60];
    struct health *h;
    size_t i, count;

    (void)state;
    /* More than are accepted in one turn of the loop, and few. */
    for (count = COUNT(clients); count > 0; count /= 4) {
        h = start();
        for (i = 0; i < count; i++)
            asking_begin(&clients[i], service_port(h), "/health");
        assert_accepted(health_stop(h, LONG_MS));
        for (i = 0; i < count; i++)
            assert_int_equal(asking_end(&clients[i], SLACK_MS, NULL), 200);
        health_free(h);
    }
}

static void who_waits_is_answered_at_stop(void **state)
{
    static struct puppet p;
    static struct client clients[10];
    struct health *h = start();
    json_t *doc;
    size_t i;

    (void)state;
    add(h, &p, "db", LONG_MS);
    puppet_hold(&p);
    for (i = 0; i < COUNT(clients); i++)
        asking_begin(&clients[i], service_port(h), "/ready");
    assert_true(puppet_wait_begun(&p, 1, LONG_MS));
    /* All have been taken in when one that came after them is answered. */
    assert_int_equal(client_status(service_port(h), "/live"), 200);
    assert_refused(health_stop(h, 500), HEALTH_EBUSY, EBUSY, NULL);
    for (i = 0; i < COUNT(clients); i++) {
        assert_int_equal(asking_end(&clients[i], SLACK_MS, &doc), 503);
        assert_check(doc, "db", "fail", "no result yet");
        document_free(doc);
    }
    puppet_let_go(&p);
    service_end(h);
}

static void who_waits_is_answered_without_time_too(void **state)
{
    static struct puppet p;
    struct client c;
    struct health *h = start();

    (void)state;
    add(h, &p, "db", LONG_MS);
    puppet_hold(&p);
    asking_begin(&c, service_port(h), "/ready");
    assert_true(puppet_wait_begun(&p, 1, LONG_MS));
    assert_refused(health_stop(h, 0), HEALTH_EBUSY, EBUSY, "db");
    assert_int_equal(asking_end(&c, SLACK_MS, NULL), 503);
    puppet_let_go(&p);
    service_end(h);
}

static void the_port_is_free_after_a_stop(void **state)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *first = start(), *second = NULL;
    char address[32];
    int port = service_port(first), i;

    (void)state;
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    options.listen = address;
    assert_accepted(health_new(&second, &options));
    assert_refused(health_start(second), HEALTH_ELISTEN, EADDRINUSE, address);
    assert_int_equal(client_status(port, "/live"), 200);

    assert_accepted(health_stop(first, LONG_MS));
    assert_true(refuses_connections(port));

    /* Connections that were closed by us do not hold it either. */
    for (i = 0; i < 5; i++) {
        assert_accepted(health_start(second));
        assert_int_equal(health_port(second), port);
        assert_int_equal(client_status(port, "/live"), 200);
        assert_accepted(health_stop(second, LONG_MS));
    }
    health_free(first);
    health_free(second);
}

/* Starts and stops, while others stop, start, ask and change things: only the documented refusals,
 * and an end. */
struct meddler {
    pthread_t thread;
    struct health *h;
    atomic_bool *over;
    int odd;
};

static void *meddle(void *arg)
{
    struct meddler *m = arg;
    int result;

    while (!atomic_load(m->over)) {
        result = health_start(m->h);
        if (result != 0 && result != HEALTH_EALREADY && result != HEALTH_EBUSY)
            m->odd = result;
        result = health_report(m->h, "pushed", HEALTH_PASS, NULL);
        if (result != 0)
            m->odd = result;
        result = health_port(m->h);
        if (result <= 0 && result != HEALTH_ESTOPPED)
            m->odd = result;
        else if (result > 0)
            (void)client_try_status(result, "/health");
        result = health_stop(m->h, LONG_MS);
        if (result != 0 && result != HEALTH_ESTOPPED && result != HEALTH_EBUSY)
            m->odd = result;
    }
    return NULL;
}

static void many_may_start_and_stop_at_once(void **state)
{
    static struct puppet p;
    static atomic_bool over;
    struct meddler meddlers[4];
    struct health_check check;
    struct health *h = make();
    size_t i;
    int result;

    (void)state;
    atomic_store(&over, false);
    puppet_init(&p);
    check = puppet_check(&p, "db");
    check.interval_ms = 1;
    assert_accepted(health_add_check(h, &check));
    service_add_pushed(h, "pushed", 0);
    for (i = 0; i < COUNT(meddlers); i++) {
        meddlers[i] = (struct meddler){.h = h, .over = &over};
        assert_int_equal(pthread_create(&meddlers[i].thread, NULL, meddle, &meddlers[i]), 0);
    }
    asking_pause(1000);
    atomic_store(&over, true);
    for (i = 0; i < COUNT(meddlers); i++) {
        assert_int_equal(pthread_join(meddlers[i].thread, NULL), 0);
        assert_int_equal(meddlers[i].odd, 0);
    }
    result = health_start(h);
    assert_true(result == 0 || result == HEALTH_EALREADY);
    document_free(asking_until(service_port(h), "/ready?verbose", "db", "pass", LONG_MS));
    service_end(h);
    assert_int_equal(puppet_most(&p), 1);
    assert_int_equal(puppet_released(&p), 1);
}

/* ---- From inside ---- */

static void end_inside(struct health_result *result, void *arg)
{
    struct inside *in = arg;

    (void)result;
    keep(in, 0, health_stop(in->h, 1000));
    keep(in, 1, health_stop(in->other, 1000));
    keep(in, 2, health_start(in->h));
    (void)health_remove(in->h, "a name for the last error");
    health_free(in->h);
    keep(in, 3, 0);
    (void)health_remove(in->h, "a name for the last error");
    health_free(in->other);
    keep(in, 4, 0);
}

static void from_a_callback_nothing_is_stopped_or_freed(void **state)
{
    static struct puppet p;
    static struct inside in;
    struct health *h = start(), *other = start();

    (void)state;
    in = (struct inside){.h = h, .other = other};
    add(h, &p, "db", LONG_MS);
    puppet_calls(&p, end_inside, &in);
    assert_int_equal(client_status(service_port(h), "/ready"), 200);

    assert_int_equal(in.results[0], HEALTH_EDEADLK);
    assert_int_equal(in.causes[0], EDEADLK);
    assert_true(in.said[0][0] != '\0');
    assert_int_equal(in.results[1], HEALTH_EDEADLK);
    assert_int_equal(in.results[2], HEALTH_EALREADY);
    assert_true(in.said[3][0] != '\0');
    assert_null(strstr(in.said[3], "a name for"));
    assert_null(strstr(in.said[4], "a name for"));

    puppet_calls(&p, NULL, NULL);
    asking_pause(5);
    assert_int_equal(client_status(service_port(h), "/ready"), 200);
    assert_int_equal(client_status(service_port(other), "/ready"), 200);
    service_end(h);
    service_end(other);
}

static void use_inside(struct health_result *result, void *arg)
{
    struct health_check check = HEALTH_CHECK_INIT;
    struct health_heartbeat *beat = NULL;
    struct inside *in = arg;
    struct health *made = NULL;

    (void)result;
    check.name = "pushed";
    keep(in, 0, health_add_check(in->h, &check));
    keep(in, 1, health_report(in->h, "pushed", HEALTH_WARN, "from inside"));
    keep(in, 2, health_add_heartbeat(in->h, "loop", 60000, 0, &beat));
    health_beat(beat);
    keep(in, 3, health_port(in->h));
    keep(in, 4, health_new(&made, NULL));
    in->other = made;
    health_set_ready(in->h, false);
    health_set_ready(in->h, true);
    puppet_init(in->puppet);
    check = puppet_check(in->puppet, "more");
    keep(in, 5, health_add_check(in->h, &check));
}

static void from_a_callback_everything_else_may_be_done(void **state)
{
    static struct puppet p, more;
    static struct inside in;
    struct health *h = start();
    json_t *doc;

    (void)state;
    in = (struct inside){.h = h, .puppet = &more};
    add(h, &p, "db", LONG_MS);
    puppet_calls(&p, use_inside, &in);
    assert_int_equal(client_status(service_port(h), "/health/db"), 200);
    puppet_calls(&p, NULL, NULL);
    assert_int_equal(in.results[0], 0);
    assert_int_equal(in.results[1], 0);
    assert_int_equal(in.results[2], 0);
    assert_int_equal(in.results[3], service_port(h));
    assert_int_equal(in.results[4], 0);
    assert_int_equal(in.results[5], 0);
    doc = document_get(service_port(h), "/health", 200);
    assert_int_equal(document_count(doc), 4);
    assert_check(doc, "pushed", "warn", "from inside");
    assert_check(doc, "loop", "pass", NULL);
    assert_check(doc, "more", "pass", NULL);
    document_free(doc);
    health_free(in.other);
    service_end(h);
}

/* ---- free ---- */

static void free_stops(void **state)
{
    static struct puppet p;
    struct health *h = start();
    int port = service_port(h);

    (void)state;
    health_free(NULL);
    add(h, &p, "db", LONG_MS);
    assert_int_equal(client_status(port, "/ready"), 200);
    health_free(h);
    assert_true(refuses_connections(port));
    assert_int_equal(puppet_released(&p), 1);

    h = make();
    health_free(h);
}

static void free_leaves_the_rest_to_the_last_stuck_callback(void **state)
{
    static struct puppet stuck[2], idle;
    struct health *h = start();
    int port = service_port(h);
    int64_t begin;

    (void)state;
    add(h, &stuck[0], "one", 100);
    add(h, &stuck[1], "two", LONG_MS);
    add(h, &idle, "idle", 0);
    service_add_pushed(h, "pushed", 0);
    assert_int_equal(client_status(port, "/health/idle"), 200);
    hang(h, &stuck[0], "one");
    hang(h, &stuck[1], "two");
    begin = client_now_ms();
    health_free(h);
    assert_between(client_now_ms() - begin, 0, SLACK_MS);
    assert_true(refuses_connections(port));
    assert_int_equal(puppet_released(&stuck[0]), 0);
    assert_int_equal(puppet_released(&stuck[1]), 0);

    puppet_let_go(&stuck[0]);
    assert_true(puppet_wait_ended(&stuck[0], 1, LONG_MS));
    asking_pause(20);
    assert_int_equal(puppet_released(&stuck[1]), 0);
    puppet_let_go(&stuck[1]);
    assert_true(puppet_wait_released(&stuck[0], 1, LONG_MS));
    assert_true(puppet_wait_released(&stuck[1], 1, LONG_MS));
    assert_true(puppet_wait_released(&idle, 1, LONG_MS));
    assert_int_equal(puppet_released(&stuck[0]), 1);
    assert_int_equal(puppet_released(&stuck[1]), 1);
    assert_int_equal(puppet_released(&idle), 1);
    assert_false(puppet_late(&stuck[0]) || puppet_late(&stuck[1]) || puppet_late(&idle));
}

static void free_after_a_stop_that_gave_up(void **state)
{
    static struct puppet p;
    struct health *h = start();

    (void)state;
    add(h, &p, "db", 100);
    hang(h, &p, "db");
    assert_refused(health_stop(h, 50), HEALTH_EBUSY, EBUSY, NULL);
    health_free(h);
    assert_int_equal(puppet_released(&p), 0);
    puppet_let_go(&p);
    assert_true(puppet_wait_released(&p, 1, LONG_MS));
    assert_false(puppet_late(&p));
}

static void free_with_a_removed_one_still_running(void **state)
{
    static struct puppet p;
    struct health *h = start();

    (void)state;
    add(h, &p, "db", 100);
    hang(h, &p, "db");
    assert_refused(health_remove(h, "db"), HEALTH_EBUSY, EBUSY, "db");
    health_free(h);
    assert_int_equal(puppet_released(&p), 0);
    puppet_let_go(&p);
    assert_true(puppet_wait_released(&p, 1, LONG_MS));
    assert_false(puppet_late(&p));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, refused_count, refused_recount)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(checks_come_and_go_while_it_runs),
        TEST(removing_waits_for_the_run_in_progress),
        TEST(removing_a_hung_one_gives_up_at_its_timeout),
        TEST(removing_an_overdue_one_does_not_wait),
        TEST(one_of_many_who_remove_it_has_done_it),
        TEST(removing_from_a_callback_never_waits),
        TEST(what_was_not_added_is_not_released),
        TEST(without_threads_the_caller_releases),
        TEST(release_may_use_the_instance),
        TEST(checks_come_and_go_while_others_ask),
        TEST(null_is_the_process_wide_one),
        TEST(instances_know_nothing_of_each_other),
        TEST(one_without_listeners_runs_its_checks),
        TEST(what_was_said_outlives_a_stop),
        TEST(gates_outlive_a_stop_but_for_draining),
        TEST(a_stuck_callback_keeps_it_from_starting_again),
        TEST(stop_waits_for_a_callback_that_ends_in_time),
        TEST(without_a_callback_running_a_stop_needs_no_time),
        TEST(connections_do_not_hold_up_a_stop),
        TEST(who_has_asked_is_answered_at_stop),
        TEST(who_waits_is_answered_at_stop),
        TEST(who_waits_is_answered_without_time_too),
        TEST(the_port_is_free_after_a_stop),
        TEST(many_may_start_and_stop_at_once),
        TEST(from_a_callback_nothing_is_stopped_or_freed),
        TEST(from_a_callback_everything_else_may_be_done),
        TEST(free_stops),
        TEST(free_leaves_the_rest_to_the_last_stuck_callback),
        TEST(free_after_a_stop_that_gave_up),
        TEST(free_with_a_removed_one_still_running),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
