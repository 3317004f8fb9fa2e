/*
 * The clients of a service under stress.
 *
 * A thread asks on all of its connections before it reads the first answer, so that all of them
 * have a request under way at a time.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "stress_clients.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "document.h"

/* After which the server may close a connection on which nothing is asked. */
#define IDLE_MS 3000

struct connection {
    struct client client;
    bool open, asked, last;
    int64_t opened_at, used_at;
    struct stress_answer answer;
    char target[96];
};

struct thread {
    struct stress_clients *all;
    uint64_t random;
    struct connection connections[STRESS_CONNECTIONS];
};

static bool one_in(struct thread *t, unsigned n)
{
    return stress_random(&t->random, n) == 0;
}

static void hang_up(struct thread *t, struct connection *c)
{
    client_close(&c->client);
    (void)atomic_fetch_sub(&t->all->open, 1);
    c->open = c->asked = false;
}

/* Whoever was up all the time answers. */
static void lose(struct thread *t, struct connection *c, const char *how)
{
    int64_t now = stress_now();

    if (c->answer.from - c->used_at < IDLE_MS * STRESS_MS &&
        stress_is_up(t->all->world, c->opened_at, now))
        stress_fail("%s: %s, and it was not stopped", c->target, how);
    (void)atomic_fetch_add(&t->all->lost, 1);
    hang_up(t, c);
}

static void dial(struct thread *t, struct connection *c)
{
    int64_t from = stress_now();
    int open;

    if (client_open(&c->client, "127.0.0.1", t->all->port) != 0) {
        if (stress_is_up(t->all->world, from, stress_now()))
            stress_fail("no connection: %s", strerror(errno));
        (void)atomic_fetch_add(&t->all->refused, 1);
        return;
    }
    if (stress_is_down(t->all->world, from, stress_now()))
        stress_fail("a connection, though it is stopped");
    c->open = true;
    c->opened_at = c->used_at = from;
    (void)atomic_fetch_add(&t->all->made, 1);
    open = atomic_fetch_add(&t->all->open, 1) + 1;
    if (open > atomic_load(&t->all->most))
        atomic_store(&t->all->most, open);
}

static void choose(struct thread *t, struct connection *c)
{
    static const char *const paths[][2] = {{"/live", "/livez"}, {"/ready", "/"},
        {"/startup", "/startupz"}, {"/health", "/healthz"}, {"/health/", "/healthz/"}};
    struct stress_answer *a = &c->answer;
    const char *name = "", *verbose = "", *exclude = "";

    *a = (struct stress_answer){.subject = -1, .text = c->target};
    a->endpoint = (enum stress_endpoint)stress_random(&t->random, 5);
    if (a->endpoint == STRESS_AT_NAME || one_in(t, 8))
        a->subject = (int)stress_random(&t->random, STRESS_NAMES);
    a->verbose = one_in(t, 2);
    if (a->verbose)
        verbose = "verbose&";
    if (a->subject >= 0)
        name = t->all->world->names[a->subject];
    if (a->subject >= 0 && a->endpoint != STRESS_AT_NAME)
        exclude = "exclude=";
    (void)snprintf(c->target, sizeof(c->target), "%s%s?%s%s%s",
        paths[a->endpoint][stress_random(&t->random, 2)], a->endpoint == STRESS_AT_NAME ? name : "",
        verbose, exclude, a->endpoint == STRESS_AT_NAME ? "" : name);
}

static void ask(struct thread *t, struct connection *c)
{
    choose(t, c);
    c->last = one_in(t, 16);
    c->answer.from = stress_now();
    c->asked = true;
    if (client_print(&c->client, "GET %s HTTP/1.1\r\nHost: test\r\n%s\r\n", c->target,
            c->last ? "Connection: close\r\n" : "") != 0)
        lose(t, c, strerror(errno));
}

static void take(struct thread *t, struct connection *c, const struct response *r)
{
    struct stress_answer *a = &c->answer;
    char why[256];

    a->code = r->status;
    if (a->code == 200 || a->code == 503) {
        a->doc = document_parse(r->body, r->body_length, why);
        if (a->doc == NULL)
            stress_fail("%s: %s in %s", c->target, why, r->body);
    } else if (a->code != 404) {
        stress_fail("%s: %d %s", c->target, a->code, r->body);
    }
    stress_judge(t->all->world, a);
    document_free(a->doc);
    if (a->until - a->from > t->all->limit_ms * STRESS_MS &&
        atomic_load(&t->all->world->stalled_at) < a->from)
        stress_fail(
            "%s: an answer after %d ms", c->target, (int)((a->until - a->from) / STRESS_MS));
}

static void hear(struct thread *t, struct connection *c)
{
    enum client_end end;
    struct response r;

    end = client_read(&c->client, false, &r, client_deadline(60000));
    c->answer.until = stress_now();
    c->asked = false;
    if (end == CLIENT_CLOSED || end == CLIENT_CUT) {
        lose(t, c, end == CLIENT_CUT ? "half an answer" : "no answer");
        return;
    }
    if (end != CLIENT_OK)
        stress_fail("%s: neither an answer nor an end (%d)", c->target, (int)end);
    take(t, c, &r);
    response_free(&r);
    c->used_at = c->answer.until;
    if (c->last || one_in(t, 16))
        hang_up(t, c);
}

void *stress_client(void *arg)
{
    struct stress_clients *all = arg;
    struct thread t = {.all = all};
    size_t i;

    t.random = all->seed + 1000 + atomic_fetch_add(&all->threads, 1);
    while (!atomic_load(&all->ending)) {
        for (i = 0; i < STRESS_CONNECTIONS; i++)
            if (!t.connections[i].open)
                dial(&t, &t.connections[i]);
        for (i = 0; i < STRESS_CONNECTIONS; i++)
            if (t.connections[i].open)
                ask(&t, &t.connections[i]);
        for (i = 0; i < STRESS_CONNECTIONS; i++)
            if (t.connections[i].asked)
                hear(&t, &t.connections[i]);
        stress_linger(&t.random, one_in(&t, 8) ? 100000 : 20000);
    }
    for (i = 0; i < STRESS_CONNECTIONS; i++)
        if (t.connections[i].open)
            hang_up(&t, &t.connections[i]);
    return NULL;
}
