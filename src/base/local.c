/*
 * Unix sockets that listen.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/local.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

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

int health__local_listen(const struct health__address *address)
{
    int fd, cause;

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
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
    if (chmod(path_of(address), address->mode) != 0 || listen(fd, BACKLOG) != 0) {
        cause = errno;
        (void)unlink(path_of(address));
        errno = cause;
        goto err;
    }
    return fd;

err:
    cause = errno;
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
