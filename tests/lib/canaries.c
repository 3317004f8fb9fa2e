/*
 * Descriptors that tell who has used them.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "canaries.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ABOVE   200
#define COUNTED 5 /* in an eventfd */

/* An address that is none: whoever takes what an epoll gives for one of its own touches it. */
#define NOT_YOURS ((void *)(uintptr_t)0x10)

/* Two behind an epoll is what it has, as what wakes our loop is two behind what it waits on. */
#define WATCHED 2

enum kind { A_FILE, PIPE_OUT, PIPE_IN, STREAM, AN_EPOLL, LISTENER, DATAGRAM, AN_EVENTFD };

static const char content[] = "the host's";

/* Moves one end of a pair out of the way. */
static int above(int fd)
{
    int to = fcntl(fd, F_DUPFD_CLOEXEC, ABOVE);

    (void)close(fd);
    return to;
}

static int open_file(void)
{
    int fd = memfd_create("canary", MFD_CLOEXEC);

    if (fd >= 0 && write(fd, content, sizeof(content)) != (ssize_t)sizeof(content))
        return -1;
    return fd;
}

static int open_pipe(int mine, int *ret_other)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    *ret_other = above(ends[1 - mine]);
    return ends[mine];
}

/* With something to receive, and something that was not received. */
static int open_pair(int type, int *ret_other)
{
    int ends[2];

    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return -1;
    *ret_other = above(ends[1]);
    if (send(*ret_other, content, sizeof(content), MSG_NOSIGNAL) < 0)
        return -1;
    return ends[0];
}

/* With a connection that waits to be accepted. */
static int open_listener(int *ret_other)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, 4) != 0 || getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return -1;
    *ret_other = above(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(*ret_other, (struct sockaddr *)&address, sizeof(address)) != 0)
        return -1;
    return fd;
}

/* Has the epoll tell, once, that the descriptor is readable. */
static int watch(int epoll, int operation, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NOT_YOURS};

    return epoll_ctl(epoll, operation, fd, &event);
}

static int open_epoll(int *ret_other)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    *ret_other = above(eventfd(COUNTED, EFD_CLOEXEC | EFD_NONBLOCK));
    if (fd < 0 || watch(fd, EPOLL_CTL_ADD, *ret_other) != 0)
        return -1;
    return fd;
}

static int open_kind(int kind, int *ret_other)
{
    *ret_other = -1;
    switch ((enum kind)kind) {
    case A_FILE:
        return open_file();
    case PIPE_OUT:
        return open_pipe(0, ret_other);
    case PIPE_IN:
        return open_pipe(1, ret_other);
    case STREAM:
        return open_pair(SOCK_STREAM, ret_other);
    case DATAGRAM:
        return open_pair(SOCK_DGRAM, ret_other);
    case LISTENER:
        return open_listener(ret_other);
    case AN_EPOLL:
        return open_epoll(ret_other);
    case AN_EVENTFD:
        return eventfd(COUNTED, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    return -1;
}

/* Has each epoll watch the canary that is behind it. */
static int watch_others(struct canaries *c)
{
    int i, j;

    for (i = 0; i < c->count; i++)
        for (j = 0; j < c->count; j++)
            if (c->all[i].kind == AN_EPOLL && c->all[j].fd == c->all[i].fd + WATCHED) {
                c->all[i].watched = c->all[j].fd;
                if (watch(c->all[i].fd, EPOLL_CTL_ADD, c->all[i].watched) != 0)
                    return -1;
            }
    return 0;
}

int canaries_plant(struct canaries *c, int first, int last, int shift)
{
    int fd, made;
    struct stat s;

    c->count = 0;
    for (fd = first; fd <= last && c->count < CANARY_MAX; fd++) {
        struct canary *canary = &c->all[c->count];

        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        canary->fd = fd;
        canary->kind = (fd + shift) % CANARY_KINDS;
        made = open_kind(canary->kind, &canary->other);
        if (made < 0)
            return -1;
        if (made != fd && dup3(made, fd, O_CLOEXEC) != fd)
            return -1;
        if (made != fd)
            (void)close(made);
        if (fstat(fd, &s) != 0)
            return -1;
        canary->device = s.st_dev;
        canary->inode = s.st_ino;
        canary->watched = -1;
        c->count++;
    }
    return watch_others(c);
}

/* What has been sent to us by whom, or read from us: nothing. */
static const char *look_at_pair(const struct canary *c)
{
    char bytes[64];

    if (recv(c->other, bytes, sizeof(bytes), MSG_DONTWAIT) >= 0)
        return "was written to, or shut down";
    if (errno != EAGAIN)
        return "has lost its other end";
    if (recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_PEEK) != (ssize_t)sizeof(content))
        return "was read from, or shut down";
    return NULL;
}

static const char *look_at_pipe(const struct canary *c)
{
    int from = c->kind == PIPE_OUT ? c->fd : c->other;
    char byte;

    return read(from, &byte, 1) == 0 ? "has lost its other end"
           : errno == EAGAIN         ? NULL
                                     : "was written to";
}

static const char *look_at_listener(const struct canary *c)
{
    struct pollfd waiting = {.fd = c->fd, .events = POLLIN};

    return poll(&waiting, 1, 0) == 1 && waiting.revents == POLLIN
               ? NULL
               : "was accepted from, or shut down";
}

static const char *look_at_epoll(const struct canary *c)
{
    struct epoll_event events[4];
    int expected = c->watched >= 0 ? 2 : 1, i;

    if (epoll_wait(c->fd, events, 4, 0) != expected)
        return "was waited on, or has another descriptor";
    for (i = 0; i < expected; i++)
        if (events[i].data.ptr != NOT_YOURS)
            return "has another's in it";
    /* They are told of once. */
    if (epoll_wait(c->fd, events, 4, 0) != 0)
        return "was changed";
    if (watch(c->fd, EPOLL_CTL_MOD, c->other) != 0)
        return "has lost a descriptor";
    return c->watched < 0 || watch(c->fd, EPOLL_CTL_MOD, c->watched) == 0
               ? NULL
               : "has lost what it watched";
}

static const char *look_at_eventfd(const struct canary *c)
{
    uint64_t count = 0;

    if (read(c->fd, &count, sizeof(count)) < 0)
        return "was read from";
    (void)eventfd_write(c->fd, COUNTED);
    return count == COUNTED ? NULL : "was written to";
}

static const char *look_at_file(const struct canary *c)
{
    struct stat s;

    if (fstat(c->fd, &s) != 0 || s.st_size != (off_t)sizeof(content) ||
        lseek(c->fd, 0, SEEK_CUR) != (off_t)sizeof(content))
        return "was written to, or read from";
    return NULL;
}

static const char *look_at(const struct canary *c)
{
    struct stat s;

    if (fstat(c->fd, &s) != 0)
        return "was closed";
    if (s.st_dev != c->device || s.st_ino != c->inode)
        return "is another";
    switch ((enum kind)c->kind) {
    case A_FILE:
        return look_at_file(c);
    case PIPE_OUT:
    case PIPE_IN:
        return look_at_pipe(c);
    case STREAM:
    case DATAGRAM:
        return look_at_pair(c);
    case LISTENER:
        return look_at_listener(c);
    case AN_EPOLL:
        return look_at_epoll(c);
    case AN_EVENTFD:
        return look_at_eventfd(c);
    }
    return "?";
}

const char *canaries_look(const struct canaries *c)
{
    static const char *const kinds[CANARY_KINDS] = {
        "file", "pipe", "pipe", "stream", "datagram socket", "listener", "epoll", "eventfd"};
    static _Thread_local char text[96];
    const char *what;
    int i;

    for (i = 0; i < c->count; i++) {
        what = look_at(&c->all[i]);
        if (what != NULL) {
            (void)snprintf(text, sizeof(text), "descriptor %d, a %s, %s", c->all[i].fd,
                kinds[c->all[i].kind], what);
            return text;
        }
    }
    return NULL;
}

void canaries_remove(struct canaries *c)
{
    int i;

    for (i = 0; i < c->count; i++) {
        (void)close(c->all[i].fd);
        if (c->all[i].other >= 0)
            (void)close(c->all[i].other);
    }
    c->count = 0;
}
