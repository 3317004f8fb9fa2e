/*
 * A load that repeats itself exactly: so many requests, over so many connections at once.
 *
 *   load PORT TARGET REQUESTS CONNECTIONS keep|new [PAUSE_MS [HOLD_MS]]
 *
 * keep: each connection asks again and again; new: each request has a connection of its own, which
 * the server closes, as the kubelet does it.  Between an answer and the next request it pauses so
 * long, and at the end it keeps its connections open so long.  One line comes out: how many were
 * answered with 200, how many were not, the bytes of the last body, and the median, the 99th
 * percentile and the longest latency in µs.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES  65536
#define PATIENCE_MS 60000

struct slot {
    int fd; /* -1: none */
    int64_t began_us;
    int64_t pauses_to_us; /* 0: it does not pause */
    char head[1024];      /* what has come of the head */
    size_t head_length;
    size_t left; /* of the body, once the head is whole */
    bool in_body;
};

static struct sockaddr_in address = {.sin_family = AF_INET};
static char request[512];
static size_t request_length;
static bool keep;
static int64_t pause_us;
static int set;
static long begun, wanted, answered, failed;
static size_t body_bytes;
static uint32_t *latencies_us;

static int64_t now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void ask(struct slot *s)
{
    begun++;
    s->head_length = 0;
    s->in_body = false;
    if (keep)
        s->began_us = now_us();
    if (send(s->fd, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length)
        die("send");
}

static void open_slot(struct slot *s)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};

    s->began_us = now_us();
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect");
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (epoll_ctl(set, EPOLL_CTL_ADD, s->fd, &event) != 0)
        die("epoll_ctl");
    ask(s);
}

static void go_on(struct slot *s)
{
    s->pauses_to_us = 0;
    if (begun == wanted)
        return;
    if (s->fd < 0)
        open_slot(s);
    else
        ask(s);
}

static void go_on_later(struct slot *s)
{
    if (pause_us == 0)
        go_on(s);
    else
        s->pauses_to_us = now_us() + pause_us;
}

static void close_slot(struct slot *s)
{
    (void)close(s->fd);
    s->fd = -1;
    go_on_later(s);
}

static void count(struct slot *s, bool ok)
{
    latencies_us[answered + failed] = (uint32_t)(now_us() - s->began_us);
    *(ok ? &answered : &failed) += 1;
}

/* The answer is there; where the connection is not kept, the server closes. */
static void done(struct slot *s)
{
    count(s, strncmp(s->head, "HTTP/1.1 200", 12) == 0);
    if (keep)
        go_on_later(s);
}

/* Takes what has come.  Returns: false if it is no answer. */
static bool take(struct slot *s, const char *data, size_t length)
{
    char *end, *field;
    size_t take;

    if (!s->in_body) {
        take = sizeof(s->head) - 1 - s->head_length;
        take = length < take ? length : take;
        memcpy(s->head + s->head_length, data, take);
        s->head[s->head_length + take] = '\0';
        end = strstr(s->head, "\r\n\r\n");
        if (end == NULL) {
            s->head_length += take;
            return take == length;
        }
        take = (size_t)(end + 4 - s->head) - s->head_length;
        length -= take;
        field = strcasestr(s->head, "\r\nContent-Length:");
        if (field == NULL)
            return false;
        s->left = body_bytes = strtoul(field + 17, NULL, 10);
        s->in_body = true;
    }
    if (length > s->left)
        return false;
    s->left -= length;
    if (s->left == 0)
        done(s);
    return true;
}

static void read_slot(struct slot *s)
{
    static char data[READ_BYTES];
    ssize_t got = recv(s->fd, data, sizeof(data), 0);

    if (got > 0 && take(s, data, (size_t)got))
        return;
    /* The end, in place of an answer or behind it. */
    if (got < 0 || !s->in_body || s->left > 0)
        count(s, false);
    close_slot(s);
}

/* Lets those go on whose pause is over.  Returns: for how many ms there is none. */
static int end_pauses(struct slot *slots, long connections)
{
    int64_t next = PATIENCE_MS * INT64_C(1000), left;
    long i;

    for (i = 0; pause_us > 0 && i < connections; i++) {
        if (slots[i].pauses_to_us == 0)
            continue;
        left = slots[i].pauses_to_us - now_us();
        if (left <= 0)
            go_on(&slots[i]);
        else
            next = left < next ? left : next;
    }
    return (int)((next + 999) / 1000);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    struct slot *slots;
    long connections, i;

    if (argc < 6)
        return 2;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(argv[1]));
    wanted = atol(argv[3]);
    connections = atol(argv[4]);
    keep = strcmp(argv[5], "keep") == 0;
    pause_us = argc > 6 ? atol(argv[6]) * 1000 : 0;
    request_length = (size_t)snprintf(request, sizeof(request),
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nUser-Agent: kube-probe/1.28\r\nAccept: */*\r\n"
        "Connection: %s\r\n\r\n",
        argv[2], argv[1], keep ? "keep-alive" : "close");
    slots = calloc((size_t)connections, sizeof(*slots));
    latencies_us = calloc((size_t)wanted + 1, sizeof(*latencies_us));
    set = epoll_create1(EPOLL_CLOEXEC);
    if (slots == NULL || latencies_us == NULL || set < 0)
        die("memory");
    for (i = 0; i < connections && begun < wanted; i++)
        open_slot(&slots[i]);
    while (answered + failed < wanted) {
        struct epoll_event events[64];
        int pause_ms = end_pauses(slots, connections);
        int ready = epoll_wait(set, events, 64, pause_ms), n;

        if (ready == 0 && pause_ms == PATIENCE_MS)
            die("no answer");
        for (n = 0; n < ready; n++)
            read_slot(events[n].data.ptr);
    }
    qsort(latencies_us, (size_t)wanted, sizeof(*latencies_us), by_size);
    (void)printf("%ld %ld %zu %u %u %u\n", answered, failed, body_bytes, latencies_us[wanted / 2],
        latencies_us[wanted * 99 / 100], latencies_us[wanted - 1]);
    (void)fflush(stdout);
    if (argc > 7)
        (void)usleep((useconds_t)atol(argv[7]) * 1000);
    free(slots);
    free(latencies_us);
    return failed == 0 ? 0 : 1;
}
