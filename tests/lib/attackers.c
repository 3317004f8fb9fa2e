/*
 * Hostile clients.  One thread drives all of them with epoll, and looks every 10 ms for those whose
 * time has come.
 *
 * Each client is a slot: resting until `due_ms`, then connecting, then open, and resting again when
 * its connection has ended.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "attackers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

#define TICK_MS     10
#define SECOND_MS   1000
#define STORM_MS    (PROCESS_SANITIZED ? 300 : 100)
#define BATCH       512
#define FLOOD_BYTES 16384

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

struct slot {
    int fd;
    int number;
    int sips; /* so many bytes of its answer it has read */
    enum { RESTING, CONNECTING, OPEN } state;
    int64_t due_ms;
};

struct crowd {
    const struct attack *attack;
    const struct way *way;
    struct attack_figures *figures;
    struct slot *slots;
    int poller;
    int64_t now_ms;
};

/* What makes one way of attack; NULL for nothing. */
struct way {
    void (*connected)(struct crowd *c, struct slot *s);
    void (*due)(struct crowd *c, struct slot *s);
    void (*heard)(struct crowd *c, struct slot *s); /* something has come */
    int period_ms;                                  /* from one `due` to the next */
    int rest_ms; /* between the end of a connection and the next one */
    bool deaf;   /* does not read what comes */
};

static char flood[FLOOD_BYTES];

/* ---- What a slot can do ---- */

static void rest(struct crowd *c, struct slot *s, int ms)
{
    if (s->state == OPEN)
        atomic_fetch_sub(&c->figures->open, 1);
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = -1;
    s->state = RESTING;
    s->due_ms = c->now_ms + ms;
}

/* The server has ended the connection. */
static void lose(struct crowd *c, struct slot *s)
{
    atomic_fetch_add(&c->figures->lost, 1);
    rest(c, s, c->way->rest_ms);
}

static void say_bytes(struct crowd *c, struct slot *s, const char *bytes, size_t length)
{
    if (s->state == OPEN && send(s->fd, bytes, length, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
        lose(c, s);
}

static void say(struct crowd *c, struct slot *s, const char *text)
{
    say_bytes(c, s, text, strlen(text));
}

/* Reads at most so many bytes. */
static void hear(struct crowd *c, struct slot *s, size_t most)
{
    char bytes[4096];
    ssize_t n;

    if (most > sizeof(bytes))
        most = sizeof(bytes);
    n = recv(s->fd, bytes, most, 0);
    if (n > 0) {
        atomic_fetch_add(&c->figures->bytes, n);
        if (c->way->heard != NULL)
            c->way->heard(c, s);
    } else if (n == 0 || errno != EAGAIN) {
        lose(c, s);
    }
}

static bool is_odd(const struct slot *s)
{
    return s->number % 2 != 0;
}

/* ---- The ways ---- */

static void slow_head(struct crowd *c, struct slot *s)
{
    say(c, s, is_odd(s) ? "G" : "GET /health HTTP/1.1\r\nHost: test\r\nX-Slow: ");
}

static void drip(struct crowd *c, struct slot *s)
{
    say(c, s, "x");
}

static void slow_body(struct crowd *c, struct slot *s)
{
    say(c, s,
        is_odd(s) ? "POST /health HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n"
                  : "GET /ready HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n");
}

static void huge_body(struct crowd *c, struct slot *s)
{
    say(c, s,
        is_odd(s) ? "POST /health HTTP/1.1\r\nHost: test\r\nContent-Length: 1099511627776\r\n\r\n"
                  : "GET /ready HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "10000000000\r\n");
}

static void pour(struct crowd *c, struct slot *s)
{
    say_bytes(c, s, flood, sizeof(flood));
}

static void ask(struct crowd *c, struct slot *s)
{
    s->sips = 0;
    say(c, s, "GET /health HTTP/1.1\r\nHost: test\r\n\r\n");
}

/* Who does not read is not told of its end, and has to suspect it. */
static void sip(struct crowd *c, struct slot *s)
{
    hear(c, s, 1);
    if (s->state == OPEN && ++s->sips == 3 + s->number % 3)
        rest(c, s, 0);
}

static void ask_live(struct crowd *c, struct slot *s)
{
    say(c, s, "GET /live HTTP/1.1\r\nHost: test\r\n\r\n");
}

static void reset(struct crowd *c, struct slot *s)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    if (is_odd(s))
        ask(c, s);
    if (s->state == OPEN)
        rest(c, s, c->way->rest_ms);
}

static void half_close(struct crowd *c, struct slot *s)
{
    if (is_odd(s))
        say(c, s, "GET /ready HTTP/1.1\r\nHost: test\r\n\r\n");
    if (s->state == OPEN)
        (void)shutdown(s->fd, SHUT_WR);
}

static void leave(struct crowd *c, struct slot *s)
{
    rest(c, s, c->way->rest_ms);
}

static void begin(struct crowd *c, struct slot *s)
{
    say(c, s, "GET /health HTTP/1.1\r\n");
}

static const struct way ways[] = {
    [ATTACK_IDLE] = {.rest_ms = SECOND_MS},
    [ATTACK_SLOW_HEAD] = {slow_head, drip, NULL, SECOND_MS, SECOND_MS, false},
    [ATTACK_SLOW_BODY] = {slow_body, drip, NULL, SECOND_MS, SECOND_MS, true},
    [ATTACK_HUGE_BODY] = {huge_body, pour, NULL, 100, SECOND_MS, true},
    [ATTACK_SLOW_READ] = {ask, sip, NULL, SECOND_MS, SECOND_MS, true},
    [ATTACK_KEPT_ALIVE] = {ask_live, NULL, NULL, 0, SECOND_MS, false},
    [ATTACK_RESET] = {reset, NULL, NULL, 0, STORM_MS, false},
    [ATTACK_HALF_CLOSED] = {half_close, NULL, NULL, 0, 200, false},
    [ATTACK_STORM] = {leave, NULL, NULL, 0, STORM_MS, false},
    [ATTACK_RECONNECT] = {begin, NULL, NULL, 0, 0, false},
    [ATTACK_BUSY] = {ask_live, NULL, ask_live, 0, 0, false},
};

/* ---- The crowd ---- */

static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

static int open_socket(const struct crowd *c, const struct slot *s)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (c->attack->many_sources) {
        from.sin_addr.s_addr = htonl(0x7f010000u + (uint32_t)s->number);
        set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        (void)bind(fd, (struct sockaddr *)&from, sizeof(from));
    }
    if (c->attack->way == ATTACK_SLOW_READ) {
        /* Small segments, or the sender's buffer has room for all of the answer from the start. */
        set_option(fd, SOL_SOCKET, SO_RCVBUF, 2048);
        set_option(fd, IPPROTO_TCP, TCP_MAXSEG, 536);
    }
    return fd;
}

/* All are on their way from 127.0.0.1 (unless many_sources) to 127.0.0.2 and on: eight times as
 * many ports to leave from, and none of them taken from those who ask 127.0.0.1. */
static void connect_slot(struct crowd *c, struct slot *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->attack->port)};
    struct epoll_event event = {.events = EPOLLOUT, .data = {.ptr = s}};

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)s->number % 8);
    s->fd = open_socket(c, s);
    if (s->fd < 0)
        goto err;
    if (connect(s->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)
        goto err;
    if (epoll_ctl(c->poller, EPOLL_CTL_ADD, s->fd, &event) != 0)
        goto err;
    s->state = CONNECTING;
    return;

err:
    atomic_fetch_add(&c->figures->unmet, 1);
    rest(c, s, 100);
}

static void connected(struct crowd *c, struct slot *s)
{
    struct epoll_event event = {.events = c->way->deaf ? 0u : EPOLLIN, .data = {.ptr = s}};
    int open, error = 0;
    socklen_t length = sizeof(error);

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0) {
        atomic_fetch_add(&c->figures->unmet, 1);
        rest(c, s, 100);
        return;
    }
    s->state = OPEN;
    s->due_ms = c->now_ms + c->way->period_ms;
    atomic_fetch_add(&c->figures->made, 1);
    open = atomic_fetch_add(&c->figures->open, 1) + 1;
    if (open > atomic_load(&c->figures->most))
        atomic_store(&c->figures->most, open);
    (void)epoll_ctl(c->poller, EPOLL_CTL_MOD, s->fd, &event);
    if (c->way->connected != NULL)
        c->way->connected(c, s);
}

static void happened(struct crowd *c, struct slot *s, unsigned what)
{
    if (s->state == CONNECTING)
        connected(c, s);
    else if (s->state == OPEN && (what & EPOLLIN) != 0)
        hear(c, s, SIZE_MAX);
    else if (s->state == OPEN && (what & (EPOLLERR | EPOLLHUP)) != 0)
        lose(c, s);
}

static void look(struct crowd *c, struct slot *s)
{
    if (c->now_ms < s->due_ms)
        return;
    if (s->state == RESTING) {
        connect_slot(c, s);
    } else if (s->state == OPEN && c->way->due != NULL) {
        s->due_ms += c->way->period_ms;
        c->way->due(c, s);
    }
}

/* Until the parent ends the channel. */
static void drive(struct crowd *c)
{
    struct epoll_event events[BATCH];
    int64_t next_look_ms = 0;
    int found, i;

    for (;;) {
        found = epoll_wait(c->poller, events, BATCH, TICK_MS);
        c->now_ms = client_now_ms();
        for (i = 0; i < found; i++) {
            if (events[i].data.ptr == NULL)
                return;
            happened(c, events[i].data.ptr, events[i].events);
        }
        if (c->way->rest_ms > 0 && c->now_ms < next_look_ms)
            continue;
        next_look_ms = c->now_ms + TICK_MS;
        for (i = 0; i < c->attack->count; i++)
            look(c, &c->slots[i]);
    }
}

static int attack(struct process *self, void *arg)
{
    struct attack *a = arg;
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
    struct crowd c = {.attack = a, .way = &ways[a->way], .figures = a->figures};
    int i;

    PROCESS_CHECK(process_raise_descriptors(a->count + 64) >= a->count + 64);
    memset(flood, 'x', sizeof(flood));
    c.slots = calloc((size_t)a->count, sizeof(*c.slots));
    PROCESS_CHECK(c.slots != NULL);
    c.poller = epoll_create1(EPOLL_CLOEXEC);
    /* It ends the process.  NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    PROCESS_CHECK(c.poller >= 0 && epoll_ctl(c.poller, EPOLL_CTL_ADD, self->fd, &event) == 0);
    for (i = 0; i < a->count; i++) {
        c.slots[i].fd = -1;
        c.slots[i].number = i;
    }
    drive(&c);
    for (i = 0; i < a->count; i++)
        rest(&c, &c.slots[i], 0);
    (void)close(c.poller);
    free(c.slots);
    return 0;
}

int attackers_start(struct attack *a)
{
    a->process.pid = -1;
    a->figures =
        mmap(NULL, sizeof(*a->figures), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (a->figures == MAP_FAILED) {
        a->figures = NULL;
        return -1;
    }
    return process_start(&a->process, attack, a);
}

int attackers_stop(struct attack *a)
{
    return process_end(&a->process) == 0 ? 0 : -1;
}

void attackers_free(struct attack *a)
{
    if (a->figures != NULL)
        (void)munmap(a->figures, sizeof(*a->figures));
    a->figures = NULL;
}
