/*
 * Unix sockets that listen: their file's mode whatever the umask is, files that are in the way, and
 * that only our own is taken away.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: bind chmod flock listen unlink */
#include "base/local.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "refused.h"

int __real_bind(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t length);
int __real_chmod(const char *path, mode_t mode);
int __wrap_chmod(const char *path, mode_t mode);
int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);

static bool no_chmod, no_listen, no_flock;
static mode_t bound_mode; /* of the file, at the moment it is there */

/* The other starter: it begins when the first comes to this call, and the first goes on when the
 * other is at its end, or waits. */
static enum call { NO_CALL, LISTEN, UNLINK } other_begins_at;
static pthread_t other_thread;
static sem_t other_is_through;
static int other_fd, other_error;
static _Thread_local bool is_other;

static void *start_other(void *unused);

static void come_to(enum call call)
{
    if (call != other_begins_at || is_other)
        return;
    other_begins_at = NO_CALL;
    assert_int_equal(pthread_create(&other_thread, NULL, start_other, NULL), 0);
    while (sem_wait(&other_is_through) != 0)
        assert_int_equal(errno, EINTR);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    struct stat s;
    int result = __real_bind(fd, address, length), error = errno;

    if (result == 0 &&
        lstat(((const struct sockaddr_un *)(const void *)address)->sun_path, &s) == 0)
        bound_mode = s.st_mode & 07777;
    errno = error;
    return result;
}

int __wrap_chmod(const char *path, mode_t mode)
{
    if (no_chmod) {
        errno = EPERM;
        return -1;
    }
    return __real_chmod(path, mode);
}

int __wrap_flock(int fd, int operation)
{
    int result;

    if (no_flock) {
        errno = ENOLCK;
        return -1;
    }
    result = __real_flock(fd, operation);
    if (result != 0 && is_other) {
        (void)sem_post(&other_is_through);
        errno = EWOULDBLOCK;
    }
    return result;
}

int __wrap_listen(int fd, int backlog)
{
    if (no_listen) {
        errno = EOPNOTSUPP;
        return -1;
    }
    come_to(LISTEN);
    return __real_listen(fd, backlog);
}

int __wrap_unlink(const char *path)
{
    come_to(UNLINK);
    return __real_unlink(path);
}

static char directory[] = "/tmp/local_test.XXXXXX";
static char path[64]; /* of the socket */

static int make_directory(void **unused)
{
    (void)unused;
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/socket", directory);
    return 0;
}

static int remove_directory(void **unused)
{
    (void)unused;
    return rmdir(directory);
}

static int begin(void **state)
{
    no_chmod = no_listen = no_flock = false;
    other_begins_at = NO_CALL;
    return refused_count(state);
}

static int end(void **state)
{
    (void)unlink(path);
    return refused_recount(state);
}

/* The address of the socket, with a mode. */
static struct health__address address(unsigned mode)
{
    char text[128];
    const char *list = text;
    struct health__address a;

    (void)snprintf(text, sizeof(text), "unix:%s?mode=%o", path, mode);
    assert_null(health__address_parse(&list, &a));
    return a;
}

static int listen_with(unsigned mode)
{
    struct health__address a = address(mode);

    return health__local_listen(&a);
}

static bool is_there(void)
{
    struct stat s;

    return lstat(path, &s) == 0;
}

/* Fails unless nobody can be listened for there, and all stays as it is. */
static void refuses(int error)
{
    struct stat before, after;
    bool was_there = lstat(path, &before) == 0;

    assert_int_equal(listen_with(0600), -1);
    assert_int_equal(errno, error);
    assert_true(is_there() == was_there);
    if (was_there) {
        assert_int_equal(lstat(path, &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        assert_int_equal(before.st_mode, after.st_mode);
    }
}

/* Whether a client gets through to it. */
static bool connects(void)
{
    struct health__address a = address(0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), result;

    assert_true(fd >= 0);
    result = connect(fd, (const struct sockaddr *)&a.socket, a.length);
    (void)close(fd);
    return result == 0;
}

/* ---- Listening ---- */

static void it_listens_and_does_not_block(void **unused)
{
    int fd = listen_with(0600), client;
    struct health__address a = address(0600);

    (void)unused;
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    assert_true(connects());
    client = accept(fd, NULL, NULL);
    assert_true(client >= 0);
    (void)close(client);
    (void)close(fd);
    /* As does any that listens at an address. */
    (void)unlink(path);
    fd = health__address_listen(&a);
    assert_true(fd >= 0);
    assert_true(connects());
    (void)close(fd);
}

static void the_file_has_the_mode_whatever_the_umask_is(void **unused)
{
    static const mode_t umasks[] = {0, 022, 077, 0177, 0777};
    static const unsigned modes[] = {0600, 0660, 0666, 0777, 0400, 0};
    size_t i, k;

    (void)unused;
    for (i = 0; i < sizeof(umasks) / sizeof(umasks[0]); i++)
        for (k = 0; k < sizeof(modes) / sizeof(modes[0]); k++) {
            mode_t before = umask(umasks[i]);
            struct stat s;
            int fd = listen_with(modes[k]);

            (void)umask(before);
            assert_true(fd >= 0);
            assert_int_equal(lstat(path, &s), 0);
            assert_true(S_ISSOCK(s.st_mode));
            assert_int_equal(s.st_mode & 07777, modes[k]);
            /* Nor was it open to more for a moment. */
            assert_int_equal(bound_mode & ~modes[k], 0);
            (void)close(fd);
            (void)unlink(path);
        }
}

/* ---- What is in the way ---- */

static void what_a_process_that_is_gone_has_left_is_replaced(void **unused)
{
    int fd = listen_with(0600);

    (void)unused;
    assert_true(fd >= 0);
    (void)close(fd);
    assert_true(is_there());
    assert_false(connects());
    fd = listen_with(0600);
    assert_true(fd >= 0);
    assert_true(connects());
    (void)close(fd);
}

static void where_someone_listens_it_is_taken(void **unused)
{
    int fd = listen_with(0600);

    (void)unused;
    assert_true(fd >= 0);
    refuses(EADDRINUSE);
    assert_true(connects());
    (void)close(fd);
}

static void what_is_no_socket_stays(void **unused)
{
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640);

    (void)unused;
    assert_true(fd >= 0);
    (void)close(fd);
    refuses(EADDRINUSE);
    (void)unlink(path);
    /* Nor is what a link points to looked at. */
    assert_int_equal(symlink("/dev/null", path), 0);
    refuses(EADDRINUSE);
    (void)unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    refuses(EADDRINUSE);
    assert_int_equal(rmdir(path), 0);
}

static void what_fails_on_the_way_leaves_nothing(void **unused)
{
    (void)unused;
    no_chmod = true;
    refuses(EPERM);
    no_chmod = false;
    no_listen = true;
    refuses(EOPNOTSUPP);
    assert_false(is_there());
}

static void without_its_directory_it_is_refused(void **unused)
{
    char full[sizeof(path)];

    (void)unused;
    memcpy(full, path, sizeof(full));
    (void)snprintf(path, sizeof(path), "%s/none/socket", directory);
    refuses(ENOENT);
    memcpy(path, full, sizeof(path));
}

/* ---- Two at the same time ---- */

static void *start_other(void *unused)
{
    (void)unused;
    is_other = true;
    other_fd = listen_with(0600);
    other_error = errno;
    (void)sem_post(&other_is_through);
    return NULL;
}

/* Fails unless the one that came first has it, and the other is told that it is taken. */
static void one_of_two_gets_it(enum call call)
{
    int fd;

    assert_int_equal(sem_init(&other_is_through, 0, 0), 0);
    other_begins_at = call;
    fd = listen_with(0600);
    assert_int_equal(other_begins_at, NO_CALL);
    assert_int_equal(pthread_join(other_thread, NULL), 0);
    (void)sem_destroy(&other_is_through);
    assert_true(fd >= 0);
    assert_int_equal(other_fd, -1);
    assert_int_equal(other_error, EADDRINUSE);
    assert_true(connects());
    (void)close(fd);
}

/* It refuses like one whose process is gone. */
static void who_does_not_listen_yet_is_not_replaced(void **unused)
{
    (void)unused;
    one_of_two_gets_it(LISTEN);
}

static void of_two_who_replace_the_same_one_gets_it(void **unused)
{
    int fd = listen_with(0600);

    (void)unused;
    assert_true(fd >= 0);
    (void)close(fd);
    one_of_two_gets_it(UNLINK);
}

/* Where there are no locks, and where somebody keeps it for something else. */
static void without_the_lock_it_listens_all_the_same(void **unused)
{
    int fd, directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)unused;
    assert_true(directory_fd >= 0);
    assert_int_equal(flock(directory_fd, LOCK_SH), 0);
    fd = listen_with(0600);
    assert_true(fd >= 0);
    assert_true(connects());
    (void)close(fd);
    (void)close(directory_fd);
    no_flock = true;
    fd = listen_with(0600);
    assert_true(fd >= 0);
    (void)close(fd);
}

/* ---- Taken away ---- */

static void our_own_file_is_removed(void **unused)
{
    struct health__address a = address(0600);
    struct health__local local;
    int fd = health__local_listen(&a);

    (void)unused;
    assert_true(fd >= 0);
    health__local_init(&local, &a);
    assert_string_equal(local.path, path);
    health__local_remove(&local);
    assert_false(is_there());
    assert_string_equal(local.path, "");
    health__local_remove(&local); /* nothing */
    (void)close(fd);
}

/* Another process has taken the path since. */
static void anothers_is_not(void **unused)
{
    struct health__address a = address(0600);
    struct health__local local;
    int fd = health__local_listen(&a), other;

    (void)unused;
    assert_true(fd >= 0);
    health__local_init(&local, &a);
    assert_int_equal(unlink(path), 0);
    other = listen_with(0600);
    assert_true(other >= 0);
    health__local_remove(&local);
    assert_true(is_there());
    assert_true(connects());
    assert_string_equal(local.path, "");
    (void)close(fd);
    (void)close(other);
}

static void of_what_is_no_unix_socket_there_is_no_file(void **unused)
{
    const char *list = "127.0.0.1:80";
    struct health__address a;
    struct health__local local = {.path = "x"};

    (void)unused;
    assert_null(health__address_parse(&list, &a));
    health__local_init(&local, &a);
    assert_string_equal(local.path, "");
    health__local_remove(&local);
    /* Nor of one that is not there. */
    a = address(0600);
    health__local_init(&local, &a);
    assert_string_equal(local.path, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(it_listens_and_does_not_block),
        TEST(the_file_has_the_mode_whatever_the_umask_is),
        TEST(what_a_process_that_is_gone_has_left_is_replaced),
        TEST(where_someone_listens_it_is_taken),
        TEST(what_is_no_socket_stays),
        TEST(what_fails_on_the_way_leaves_nothing),
        TEST(without_its_directory_it_is_refused),
        TEST(who_does_not_listen_yet_is_not_replaced),
        TEST(of_two_who_replace_the_same_one_gets_it),
        TEST(without_the_lock_it_listens_all_the_same),
        TEST(our_own_file_is_removed),
        TEST(anothers_is_not),
        TEST(of_what_is_no_unix_socket_there_is_no_file),
    };

    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
