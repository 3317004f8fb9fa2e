/*
 * Unix sockets that listen.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOCK_TRIES   200 /* 1 s in all, of what others hold for microseconds */
#define LOCK_WAIT_MS 5

static const char *path_of(const struct health__address *address)
{
    return ((const struct sockaddr_un *)&address->socket)->sun_path;
}

static int bind_to(int fd, const struct health__address *address)
{
    return bind(fd, (const struct sockaddr *)&address->socket, address->length);
}

/* Whether the file is a socket at which nobody listens any more. */
static bool is_stale(const struct health__address *address)
{
    struct stat s;
    bool refused;
    int fd;

    if (lstat(path_of(address), &s) != 0 || !S_ISSOCK(s.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    refused = connect(fd, (const struct sockaddr *)&address->socket, address->length) != 0 &&
              errno == ECONNREFUSED;
    (void)close(fd);
    return refused;
}

/*
 * Locks the directory of the address, so that of those who start at the same time one after the
 * other looks whether somebody listens there: a socket that is bound and does not listen yet
 * refuses like one whose process is gone, and between a look at a file and its removal somebody
 * else may have put another in its place.  The kernel lets go of the lock for who dies.
 *
 * Returns: a descriptor, or -1: the directory cannot be read, has no locks, or is locked for good
 * by someone who means something else by it.
 */
static int lock_directory(const struct health__address *address)
{
    char directory[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    const char *slash = strrchr(path_of(address), '/');
    size_t length = slash > path_of(address) ? (size_t)(slash - path_of(address)) : 1;
    int fd, tries;

    memcpy(directory, path_of(address), length);
    directory[length] = '\0';
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    for (tries = 0; tries < LOCK_TRIES; tries++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        if (errno != EWOULDBLOCK)
            break;
        (void)poll(NULL, 0, LOCK_WAIT_MS);
    }
    (void)close(fd);
    return -1;
}

static void unlock_directory(int fd)
{
    if (fd < 0)
        return;
    /* Not by close() alone: a child that was forked meanwhile has the descriptor too. */
    (void)flock(fd, LOCK_UN);
    (void)close(fd);
}

int health__local_listen(const struct health__address *address)
{
    int fd, lock, cause;

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    lock = lock_directory(address);
    /* Before bind(), which gives the file the socket's mode, less the umask: never more than was
     * asked for.  What the umask has taken is put back after. */
    if (fchmod(fd, address->mode) != 0)
        goto err;
    if (bind_to(fd, address) != 0) {
        if (errno != EADDRINUSE)
            goto err;
        if (!is_stale(address)) {
            errno = EADDRINUSE;
            goto err;
        }
        if (unlink(path_of(address)) != 0 || bind_to(fd, address) != 0)
            goto err;
    }
    if (chmod(path_of(address), address->mode) != 0 || listen(fd, HEALTH__BACKLOG) != 0) {
        cause = errno;
        (void)unlink(path_of(address));
        errno = cause;
        goto err;
    }
    unlock_directory(lock);
    return fd;

err:
    cause = errno;
    unlock_directory(lock);
    (void)close(fd);
    errno = cause;
    return -1;
}

void health__local_init(struct health__local *local, const struct health__address *address)
{
    struct stat s;

    local->path[0] = '\0';
    if (address->socket.ss_family != AF_UNIX || lstat(path_of(address), &s) != 0)
        return;
    memcpy(local->path, path_of(address), strlen(path_of(address)) + 1);
    local->device = s.st_dev;
    local->inode = s.st_ino;
}

void health__local_remove(struct health__local *local)
{
    struct stat s;

    if (local->path[0] != '\0' && lstat(local->path, &s) == 0 && s.st_dev == local->device &&
        s.st_ino == local->inode)
        (void)unlink(local->path);
    local->path[0] = '\0';
}
