/*
 * What the system refuses while a unix socket is made: its errno is told, and neither a descriptor
 * nor a file is left.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: socket fchmod bind unlink chmod listen close */
#include "base/local.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum what { NOTHING, SOCKET, FCHMOD, BIND, UNLINK, CHMOD, LISTEN };

static enum what refused;
static int before; /* so many calls of it succeed first */
static int open_sockets;

/* Whether this call is the one. */
static bool is_refused(enum what what)
{
    if (refused != what || before-- > 0)
        return false;
    errno = EPERM;
    return true;
}

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __real_bind(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t length);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __real_chmod(const char *path, mode_t mode);
int __wrap_chmod(const char *path, mode_t mode);
int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);
int __real_close(int fd);
int __wrap_close(int fd);

int __wrap_socket(int domain, int type, int protocol)
{
    int fd = is_refused(SOCKET) ? -1 : __real_socket(domain, type, protocol);

    open_sockets += fd >= 0;
    return fd;
}

int __wrap_fchmod(int fd, mode_t mode)
{
    return is_refused(FCHMOD) ? -1 : __real_fchmod(fd, mode);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    return is_refused(BIND) ? -1 : __real_bind(fd, address, length);
}

int __wrap_unlink(const char *path)
{
    return is_refused(UNLINK) ? -1 : __real_unlink(path);
}

int __wrap_chmod(const char *path, mode_t mode)
{
    return is_refused(CHMOD) ? -1 : __real_chmod(path, mode);
}

int __wrap_listen(int fd, int backlog)
{
    return is_refused(LISTEN) ? -1 : __real_listen(fd, backlog);
}

int __wrap_close(int fd)
{
    struct stat s;

    if (fstat(fd, &s) == 0 && S_ISSOCK(s.st_mode))
        open_sockets--;
    return __real_close(fd);
}

static char directory[] = "/tmp/local-fails-XXXXXX", path[64];
static struct health__address address;

static int make_directory(void **state)
{
    char text[80];
    const char *list = text;

    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/socket", directory);
    (void)snprintf(text, sizeof(text), "unix:%s", path);
    return health__address_parse(&list, &address) != NULL;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

/* Leaves the file of a socket that nobody listens at any more. */
static void leave_file(void)
{
    int fd;

    refused = NOTHING;
    fd = health__local_listen(&address);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(access(path, F_OK), 0);
}

/* Of so many calls the next is refused: `error` is told, and the file is there afterwards or not.
 */
static void fails(enum what what, int after, int error, bool file_stays)
{
    refused = what;
    before = after;
    assert_int_equal(health__local_listen(&address), -1);
    assert_int_equal(errno, error);
    assert_int_equal(open_sockets, 0);
    refused = NOTHING;
    assert_int_equal(access(path, F_OK), file_stays ? 0 : -1);
    (void)unlink(path);
}

static void a_new_file_is_not_left(void **state)
{
    (void)state;
    fails(SOCKET, 0, EPERM, false);
    fails(FCHMOD, 0, EPERM, false);
    fails(BIND, 0, EPERM, false);
    fails(CHMOD, 0, EPERM, false);
    fails(LISTEN, 0, EPERM, false);
}

static void a_file_that_is_there_is_taken_over_or_stays(void **state)
{
    (void)state;
    leave_file();
    fails(UNLINK, 0, EPERM, true);
    leave_file();
    fails(BIND, 1, EPERM, false);
    leave_file();
    fails(LISTEN, 0, EPERM, false);
    /* Without a socket to look with, somebody may be there. */
    leave_file();
    fails(SOCKET, 1, EADDRINUSE, true);
}

static void in_the_root_there_is_a_directory_too(void **state)
{
    const char *list = "unix:/local-fails";
    struct health__address in_root;

    (void)state;
    assert_null(health__address_parse(&list, &in_root));
    refused = BIND;
    before = 0;
    assert_int_equal(health__local_listen(&in_root), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(open_sockets, 0);
    refused = NOTHING;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_file_is_not_left),
        cmocka_unit_test(a_file_that_is_there_is_taken_over_or_stays),
        cmocka_unit_test(in_the_root_there_is_a_directory_too),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
