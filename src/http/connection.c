/*
 * Connections.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/connection.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/net.h"
#include "http/http.h"

#define READING_MS 5000  /* for a whole request, or until the next */
#define SENDING_MS 10000 /* for the client to take the answer */
#define LOOK_AT    64    /* how many of a source are looked at for one that can go */

static struct health__connection *by_phase(struct health__link *link)
{
    return health__container(link, struct health__connection, in_phase);
}

int health__connections_init(struct health__connections *t, struct health__http *http, size_t limit)
{
    size_t i;

    *t = (struct health__connections){
        .http = http, .room = limit + HEALTH__CONNECTIONS_MARGIN, .limit = limit};
    t->all = malloc(t->room * sizeof(*t->all));
    if (t->all == NULL)
        return -1;
    health__list_init(&t->unseen);
    for (i = 0; i < HEALTH__PHASES; i++)
        health__list_init(&t->phases[i]);
    for (i = 0; i < HEALTH__SOURCES; i++)
        health__list_init(&t->sources[i].connections);
    return 0;
}

void health__connections_done(struct health__connections *t)
{
    size_t i;

    for (i = 0; t->all != NULL && i < t->used; i++)
        health__buffer_done(&t->all[i].names);
    free(t->all);
    t->all = NULL;
}

static void move(
    struct health__connections *t, struct health__connection *c, enum health__phase phase)
{
    c->phase = phase;
    health__list_remove(&c->in_phase);
    health__list_append(&t->phases[phase], &c->in_phase);
}

static void leave_source(struct health__connections *t, struct health__connection *c)
{
    if (!health__list_linked(&c->in_source))
        return;
    health__list_remove(&c->in_source);
    t->sources[c->from].count--;
}

/* The one that was left last; else one that nobody has had, so that few are touched if there are
 * few. */
static struct health__connection *find_free(struct health__connections *t)
{
    struct health__link *left = &t->phases[HEALTH__FREE];
    struct health__connection *c;

    if (!health__list_empty(left))
        return by_phase(left->next);
    c = &t->all[t->used++];
    *c = (struct health__connection){.http = t->http};
    return c;
}

struct health__connection *health__connection_add(struct health__connections *t, int fd,
    const struct sockaddr *address, socklen_t length, int64_t now)
{
    struct health__connection *c = find_free(t);

    c->fd = (struct health__fd){.fd = fd};
    c->known = false;
    c->since = c->came = now;
    c->answered = c->makes_way = false;
    c->local = health__address_is_local(address, length);
    c->from = health__address_source(address, length) % HEALTH__SOURCES;
    health__list_append(&t->sources[c->from].connections, &c->in_source);
    t->sources[c->from].count++;
    t->count++;
    health__list_append(&t->unseen, &c->unseen);
    move(t, c, HEALTH__READING);
    return c;
}

void health__connections_know(struct health__connections *t)
{
    struct health__engine *e = t->http->engine;
    struct health__link *link, *rest;

    health__list_each (link, rest, &t->unseen) {
        struct health__connection *c = health__container(link, struct health__connection, unseen);
        bool seen = health__fd_know(&c->fd) == 0;

        if (!seen && errno == ENOMEM)
            continue;
        health__list_remove(link);
        /* Who has closed all since it came has closed what wakes the loop as well: what has been
         * looked at is then another's. */
        if (!seen || !health__fd_is_ours(&e->wake_receive)) {
            c->fd.fd = -1;
            health__engine_lose(e);
        }
    }
}

void health__connection_remove(struct health__connections *t, struct health__connection *c)
{
    health__buffer_done(&c->names);
    leave_source(t, c);
    t->count--;
    health__list_remove(&c->unseen);
    if (c->phase == HEALTH__LEAVING)
        t->leaving--;
    c->phase = HEALTH__FREE;
    health__list_remove(&c->in_phase);
    health__list_prepend(&t->phases[HEALTH__FREE], &c->in_phase);
}

void health__connection_enter(struct health__connections *t, struct health__connection *c,
    enum health__phase phase, int64_t now)
{
    if (c->phase == HEALTH__LEAVING)
        return;
    c->answered |= c->phase == HEALTH__SENDING && phase == HEALTH__READING;
    c->since = now;
    move(t, c, phase);
}

void health__connection_shut(struct health__connections *t, struct health__connection *c)
{
    if (c->phase == HEALTH__LEAVING)
        return;
    if (health__fd_is_ours(&c->fd))
        (void)shutdown(c->fd.fd, SHUT_RDWR);
    else
        health__engine_lose(c->http->engine);
    leave_source(t, c);
    t->leaving++;
    move(t, c, HEALTH__LEAVING);
}

/* Shuts down what has been in this phase for `limit_ms`.  Returns: when the next will have been. */
static int64_t expire(
    struct health__connections *t, struct health__link *phase, int64_t limit_ms, int64_t now)
{
    while (!health__list_empty(phase)) {
        struct health__connection *c = by_phase(phase->next);

        if (c->since + limit_ms > now)
            return c->since + limit_ms;
        health__connection_shut(t, c);
    }
    return HEALTH__NEVER;
}

int64_t health__connections_expire(struct health__connections *t, int64_t now)
{
    int64_t reading = expire(t, &t->phases[HEALTH__READING], READING_MS, now);
    int64_t sending = expire(t, &t->phases[HEALTH__SENDING], SENDING_MS, now);

    return reading < sending ? reading : sending;
}

/* Who keeps a connection busy enters one phase after the other, and has always only just done so:
 * what counts is when it came, and whether it has had its turn.  Who was asked to go already goes
 * once it is answered. */
static bool can_go(const struct health__connection *c, int64_t now)
{
    return !c->makes_way && (c->answered || now - c->came >= HEALTH__FAIR_MS);
}

static bool has_begun_to_send(const struct health__connection *c, int64_t now)
{
    return c->phase == HEALTH__SENDING && now - c->since < HEALTH__FAIR_MS;
}

struct health__connection *health__connections_victim(struct health__connections *t, int64_t now)
{
    struct health__source_count *busiest = &t->sources[0];
    struct health__connection *second_best = NULL;
    struct health__link *link, *rest;
    size_t i;

    for (i = 1; i < HEALTH__SOURCES; i++)
        if (t->sources[i].count > busiest->count)
            busiest = &t->sources[i];
    i = 0;
    health__list_each (link, rest, &busiest->connections) {
        struct health__connection *c =
            health__container(link, struct health__connection, in_source);

        if (can_go(c, now)) {
            if (!has_begun_to_send(c, now))
                return c;
            if (second_best == NULL)
                second_best = c;
        }
        if (++i == LOOK_AT)
            break;
    }
    return second_best;
}
