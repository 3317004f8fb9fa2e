/*
 * Descriptors that know themselves.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/fd.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int health__fd_know(struct health__fd *f)
{
    struct stat s;

    if (fstat(f->fd, &s) != 0)
        return -1;
    f->device = s.st_dev;
    f->inode = s.st_ino;
    return 0;
}

int health__fd_init(struct health__fd *f, int fd)
{
    int cause;

    *f = (struct health__fd){.fd = fd};
    if (fd < 0)
        return -1;
    if (health__fd_know(f) == 0)
        return 0;
    cause = errno;
    (void)close(fd);
    errno = cause;
    f->fd = -1;
    return -1;
}

bool health__fd_is_ours(const struct health__fd *f)
{
    struct stat s;

    if (f->fd < 0 || f->inode == 0)
        return f->fd >= 0;
    if (fstat(f->fd, &s) != 0)
        return errno == ENOMEM;
    return s.st_dev == f->device && s.st_ino == f->inode;
}

void health__fd_close(struct health__fd *f)
{
    if (health__fd_is_ours(f))
        (void)close(f->fd);
    f->fd = -1;
}

int health__fd_pair(struct health__fd *ret_send, struct health__fd *ret_receive)
{
    struct health__fd to_send, to_receive;
    int ends[2], cause;
    bool failed;

    /* Datagrams: a wake is received whole, and none is kept waiting behind another. */
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    failed = health__fd_init(&to_send, ends[0]) != 0;
    failed |= health__fd_init(&to_receive, ends[1]) != 0;
    if (failed) {
        cause = errno;
        health__fd_close(&to_send);
        health__fd_close(&to_receive);
        errno = cause;
        return -1;
    }
    *ret_send = to_send;
    *ret_receive = to_receive;
    return 0;
}

bool health__fd_wake(const struct health__fd *send_end)
{
    int before = errno;
    bool sent;

    if (!health__fd_is_ours(send_end))
        return false;
    /* By itself, as send() is where a thread may be cancelled.  A full queue wakes as well. */
    sent = syscall(SYS_sendto, send_end->fd, "", (size_t)1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0) >=
               0 ||
           errno == EAGAIN;
    errno = before;
    return sent;
}

void health__fd_take_wake(const struct health__fd *receive_end)
{
    char byte;

    (void)recv(receive_end->fd, &byte, sizeof(byte), MSG_DONTWAIT);
}
