/*
 * Documents that are made for one request alone, by many who ask for nothing else, of a service
 * with very many checks: a probe beside them is answered in time, and so are they, rightly.
 *
 * The service is one child process, they are another; this one probes.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* timeout: 180 */
/* serial */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <health/health.h>

#include "assertions.h"
#include "client.h"
#include "process.h"

#define CHECKS   (process_is_slow() ? 1000 : 10000)
#define CLIENTS  200
#define PROBE_MS 5000 /* for so long */
#define ROUND_MS 60000
#define WORST_MS (process_is_slow() || PROCESS_SANITIZED ? 4000 : 500)

/* ---- The service ---- */

static int serve(struct process *self, void *arg)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *h;
    char name[32];
    int64_t ignored;
    int i, count = CHECKS;

    (void)arg;
    options.listen = "127.0.0.1:0";
    PROCESS_CHECK(health_new(&h, &options) == 0);
    for (i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "check%05d", i);
        check.name = name;
        check.probes = HEALTH_READY;
        PROCESS_CHECK(health_add_check(h, &check) == 0);
        /* The first makes /ready fail for those who do not exclude it. */
        PROCESS_CHECK(health_report(h, name, i == 0 ? HEALTH_FAIL : HEALTH_PASS, NULL) == 0);
    }
    PROCESS_CHECK(health_start(h) == 0);
    PROCESS_CHECK(process_say(self, health_port(h)));
    (void)process_hear(self, &ignored, 150000);
    /* They are in the middle of it. */
    PROCESS_CHECK(health_stop(h, 10000) == 0);
    health_free(h);
    return 0;
}

/* ---- Those who ask for what is for them alone ---- */

struct crowd {
    int port;
    bool until_cut; /* goes on until the server ends their connections */
};

static struct client clients[CLIENTS];

/* The more of them, the longer it takes. */
#define EXCLUDES                                                                                   \
    "exclude=check00000&exclude=check00001&exclude=check00002&exclude=check00003&"                 \
    "exclude=check00004&exclude=check00005&exclude=check00006&exclude=check00007"

static int ask(struct client *c, int i)
{
    if (i % 2 == 0)
        return client_print(c, "GET /ready?" EXCLUDES " HTTP/1.1\r\nHost: x\r\n\r\n");
    return client_print(c, "GET /health/check%05d HTTP/1.1\r\nHost: x\r\n\r\n", i);
}

/* Returns: whether the answer is to what it asked for. */
static bool is_right(const struct response *r, int i)
{
    char name[32];

    if (r->status != 200 || strstr(r->body, "\"status\":\"pass\"") == NULL)
        return false;
    if (i % 2 == 0)
        return strstr(r->body, "check") != NULL && strstr(r->body, "\"check0") == NULL;
    (void)snprintf(name, sizeof(name), "\"check%05d\":[", i);
    return strstr(r->body, name) != NULL;
}

/* Until the channel ends: all ask at the same time, and are all answered, again and again.  Says
 * how often each was. */
static int hammer(struct process *self, void *arg)
{
    const struct crowd *crowd = arg;
    int64_t ignored, rounds = 0;
    bool goes_on = true;
    int i;

    for (i = 0; i < CLIENTS; i++)
        PROCESS_CHECK(client_open(&clients[i], "127.0.0.1", crowd->port) == 0);
    PROCESS_CHECK(process_say(self, 0));
    while (goes_on) {
        int64_t deadline = client_deadline(ROUND_MS);

        for (i = 0; i < CLIENTS && goes_on; i++)
            goes_on = ask(&clients[i], i) == 0;
        for (i = 0; i < CLIENTS && goes_on; i++) {
            struct response r;
            enum client_end end = client_read(&clients[i], false, &r, deadline);

            if (crowd->until_cut && end == CLIENT_CLOSED) {
                goes_on = false;
                continue;
            }
            PROCESS_CHECK(end == CLIENT_OK);
            PROCESS_CHECK(is_right(&r, i));
            response_free(&r);
        }
        rounds++;
        if (!crowd->until_cut)
            goes_on = process_hear(self, &ignored, 0) ? false : goes_on;
    }
    for (i = 0; i < CLIENTS; i++)
        client_close(&clients[i]);
    (void)process_say(self, rounds);
    return crowd->until_cut || rounds > 0 ? 0 : 1;
}

/* ---- The tests ---- */

static struct process service, others;
static struct crowd crowd;

static void begin(bool until_cut)
{
    int64_t said;

    assert_int_equal(process_start(&service, serve, NULL), 0);
    assert_true(process_hear(&service, &said, 60000));
    crowd = (struct crowd){(int)said, until_cut};
    assert_int_equal(client_status(crowd.port, "/ready"), 503);
    assert_int_equal(process_start(&others, hammer, &crowd), 0);
    assert_true(process_hear(&others, &said, 60000));
}

static int end_all(void **state)
{
    (void)state;
    (void)process_end(&others);
    (void)process_end(&service);
    return 0;
}

static void a_probe_beside_them_is_in_time(void **state)
{
    int64_t end_ms = client_deadline(PROBE_MS), worst_ms = 0, rounds;
    int probes = 0;

    (void)state;
    begin(false);
    while (client_now_ms() < end_ms) {
        int64_t began_ms = client_now_ms(), took_ms;

        assert_int_equal(client_status(crowd.port, "/live"), 200);
        took_ms = client_now_ms() - began_ms;
        worst_ms = took_ms > worst_ms ? took_ms : worst_ms;
        probes++;
        (void)poll(NULL, 0, 20);
    }
    assert_true(process_say(&others, 0));
    assert_true(process_hear(&others, &rounds, ROUND_MS));
    print_message("worst of %d probes %d ms; each of %d others answered %d times\n", probes,
        (int)worst_ms, CLIENTS, (int)rounds);
    assert_between(worst_ms, 0, WORST_MS - 1);
    assert_int_equal(process_end(&others), 0);
    assert_int_equal(process_end(&service), 0);
}

/* Whatever is put off then, the server ends in time, and without an abort. */
static void a_stop_in_the_middle_of_it(void **state)
{
    int64_t rounds, began_ms;

    (void)state;
    begin(true);
    (void)poll(NULL, 0, 300);
    began_ms = client_now_ms();
    assert_int_equal(process_end(&service), 0);
    assert_between(client_now_ms() - began_ms, 0, LONG_MS + SLACK_MS);
    assert_true(process_hear(&others, &rounds, ROUND_MS));
    assert_int_equal(process_end(&others), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_probe_beside_them_is_in_time, end_all),
        cmocka_unit_test_teardown(a_stop_in_the_middle_of_it, end_all),
    };

    return cmocka_run_group_tests_name("alone", tests, NULL, NULL);
}
