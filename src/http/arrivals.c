/*
 * Who comes.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "http/arrivals.h"

#include <errno.h>
#include <microhttpd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/request.h"

#define ACCEPT_AT_ONCE 32 /* in a turn, where there is a crowd */
#define FULL_TURNS     3  /* one after the other, with one each, make a crowd */
#define CLOSE_MS       1  /* until MHD has closed what was shut down */

/* Who waits for a check is answered before he goes, and who was put off if there is time. */
static void ask_to_go(struct health__http *http, struct health__connection *victim)
{
    if (victim->phase == HEALTH__WAITING || victim->phase == HEALTH__PUT_OFF) {
        victim->makes_way = true;
        health__request_hurry(victim);
    } else {
        health__connection_shut(&http->connections, victim);
    }
}

/* Without a descriptor there is as little room as at the limit. */
static void make_descriptor(struct health__http *http, int64_t now)
{
    struct health__connection *victim = health__connections_victim(&http->connections, now);

    if (victim != NULL)
        ask_to_go(http, victim);
    health__listeners_pause(&http->listeners, now + (victim != NULL ? CLOSE_MS : HEALTH__FAIR_MS));
}

/* Whether there is a crowd, and this client has gone, or shut its side, without a word.  MHD would
 * take twice as long over it, and a storm of them fills the kernel's queue.  Where there is no
 * crowd, the question would cost more than it saves. */
static bool has_left(const struct health__connections *t, int fd)
{
    char byte;
    ssize_t count;

    if (t->count < t->limit / 4)
        return false;
    count = recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);
    return count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
}

/* Accepts a connection and hands it to MHD.  Returns: false if there is none, or no room. */
static bool accept_one(struct health__http *http, int64_t now)
{
    struct health__connections *t = &http->connections;
    struct health__connection *victim = NULL;
    struct sockaddr_storage address;
    struct sockaddr *peer = (struct sockaddr *)&address;
    socklen_t length;
    int fd;

    /* Those that leave are gone when MHD has run. */
    if (t->count == t->room)
        return false;
    /* Nobody goes before it is known that someone has come. */
    if (t->count - t->leaving >= t->limit) {
        victim = health__connections_victim(t, now);
        if (victim == NULL) {
            health__listeners_pause(&http->listeners, now + HEALTH__FAIR_MS);
            return false;
        }
    }
    fd = health__listeners_accept(&http->listeners, &address, &length, now);
    if (fd < 0) {
        if (http->listeners.starved && t->count > 0)
            make_descriptor(http, now);
        return false;
    }
    if (has_left(t, fd)) {
        (void)close(fd);
        return true;
    }
    if (victim != NULL)
        ask_to_go(http, victim);
    (void)health__connection_add(t, fd, peer, length, now);
    http->arriving++;
    (void)MHD_add_connection(http->daemon, fd, peer, length);
    http->due_at = HEALTH__NOT_YET;
    return true;
}

/* One that comes alone, as a probe does, is not worth asking whether there is another: the poller
 * tells.  Where it has done so for some turns, there is a crowd, until there is nobody left. */
void health__arrivals_accept(struct health__http *http, int64_t now)
{
    unsigned most = http->full_turns < FULL_TURNS ? 1 : ACCEPT_AT_ONCE, i;

    for (i = 0; i < most && health__listeners_ready(&http->listeners); i++)
        if (!accept_one(http, now))
            break;
    if (i == most) {
        http->full_turns++;
        health__listeners_rest(&http->listeners);
    } else if (!health__listeners_ready(&http->listeners) &&
               http->listeners.paused_to == HEALTH__NOT_YET) {
        http->full_turns = 0;
    }
}

void health__arrivals_accept_the_last(struct health__http *http, int64_t now)
{
    size_t i;

    for (i = 0; i < http->listeners.count; i++)
        http->listeners.listeners[i].ready = health__fd_is_ours(&http->listeners.listeners[i].fd);
    for (i = 0; i < http->connections.room && health__listeners_ready(&http->listeners); i++)
        if (!accept_one(http, now))
            break;
}
