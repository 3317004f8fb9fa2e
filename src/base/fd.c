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

void health__fd_init(struct health__fd *f, int fd)
{
    struct stat s = {.st_ino = 0};

    f->fd = fd;
    if (fd >= 0)
        (void)fstat(fd, &s);
    f->device = s.st_dev;
    f->inode = s.st_ino;
}

bool health__fd_is_ours(const struct health__fd *f)
{
    struct stat s;

    return f->fd >= 0 && fstat(f->fd, &s) == 0 && s.st_dev == f->device && s.st_ino == f->inode;
}

void health__fd_close(struct health__fd *f)
{
    if (health__fd_is_ours(f))
        (void)close(f->fd);
    f->fd = -1;
}

int health__fd_pair(struct health__fd *ret_send, struct health__fd *ret_receive)
{
    int ends[2];

    /* Datagrams: a wake is received whole, and none is kept waiting behind another. */
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    health__fd_init(ret_send, ends[0]);
    health__fd_init(ret_receive, ends[1]);
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

void health__fd_drain(const struct health__fd *receive_end)
{
    char byte;

    while (recv(receive_end->fd, &byte, sizeof(byte), MSG_DONTWAIT) > 0)
        ;
}
