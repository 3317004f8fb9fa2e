/*
 * Descriptors that know themselves: what the host has closed, and has the number of again, is not
 * written to, nor closed.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: socketpair fstat */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "refused.h"

int __real_socketpair(int domain, int type, int protocol, int ret_fds[2]);
int __wrap_socketpair(int domain, int type, int protocol, int ret_fds[2]);

int __real_fstat(int fd, struct stat *ret);
int __wrap_fstat(int fd, struct stat *ret);

static bool out_of_descriptors;
static int blind_in; /* after so many looks at a descriptor the next one fails, */
static int blind_by; /* with this; 0: none does */

int __wrap_socketpair(int domain, int type, int protocol, int ret_fds[2])
{
    if (out_of_descriptors) {
        errno = EMFILE;
        return -1;
    }
    return __real_socketpair(domain, type, protocol, ret_fds);
}

int __wrap_fstat(int fd, struct stat *ret)
{
    if (blind_by != 0 && blind_in-- == 0) {
        errno = blind_by;
        return -1;
    }
    return __real_fstat(fd, ret);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static int open_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    return fd;
}

static void what_was_taken_over_is_ours_until_it_is_closed(void **unused)
{
    struct health__fd f;
    int fd = open_socket();

    (void)unused;
    assert_int_equal(health__fd_init(&f, fd), 0);
    assert_int_equal(f.fd, fd);
    assert_true(health__fd_is_ours(&f));
    health__fd_close(&f);
    assert_false(is_open(fd));
    assert_int_equal(f.fd, -1);
    assert_false(health__fd_is_ours(&f));
    health__fd_close(&f); /* nothing */
}

static void none_is_nobodys(void **unused)
{
    struct health__fd f;

    (void)unused;
    assert_int_equal(health__fd_init(&f, -1), -1);
    assert_int_equal(f.fd, -1);
    assert_false(health__fd_is_ours(&f));
    health__fd_wake(&f);
    health__fd_close(&f);
    assert_int_equal(f.fd, -1);
}

static void what_the_host_has_closed_is_not_ours(void **unused)
{
    struct health__fd f;
    int fd = open_socket();

    (void)unused;
    health__fd_init(&f, fd);
    (void)close(fd);
    assert_false(health__fd_is_ours(&f));
    health__fd_close(&f);
    assert_int_equal(f.fd, -1);
}

/* Sockets, files, and whatever else has got the number. */
static void nor_what_has_its_number_now(void **unused)
{
    size_t i;

    (void)unused;
    for (i = 0; i < 3; i++) {
        struct health__fd f;
        int fd = open_socket(), pipes[2] = {-1, -1}, other;

        health__fd_init(&f, fd);
        if (i == 2)
            assert_int_equal(pipe(pipes), 0);
        other = i == 0 ? open_socket() : i == 1 ? open("/dev/null", O_RDWR | O_CLOEXEC) : pipes[0];
        assert_int_equal(dup2(other, fd), fd);
        assert_false(health__fd_is_ours(&f));
        health__fd_close(&f);
        assert_int_equal(f.fd, -1);
        assert_true(is_open(fd));
        (void)close(fd);
        (void)close(other);
        if (i == 2)
            (void)close(pipes[1]);
    }
}

/* Until it is looked at. */
static void what_is_not_known_yet_is_taken_for_ours(void **unused)
{
    struct health__fd f = {.fd = open_socket()}, none = {.fd = -1};
    int other = open_socket();

    (void)unused;
    assert_true(health__fd_is_ours(&f));
    assert_false(health__fd_is_ours(&none));
    assert_int_equal(health__fd_know(&f), 0);
    assert_true(health__fd_is_ours(&f));
    assert_int_equal(dup2(other, f.fd), f.fd);
    assert_false(health__fd_is_ours(&f));
    (void)close(f.fd);
    (void)close(other);
    f = (struct health__fd){.fd = f.fd};
    assert_int_equal(health__fd_know(&f), -1);
    assert_int_equal(errno, EBADF);
    assert_true(health__fd_is_ours(&f));
    f.fd = open_socket();
    health__fd_close(&f);
    assert_int_equal(f.fd, -1);
}

static void what_could_not_be_known_again_is_closed(void **unused)
{
    struct health__fd f;
    int fd = open_socket();

    (void)unused;
    blind_by = ENOMEM;
    blind_in = 0;
    assert_int_equal(health__fd_init(&f, fd), -1);
    assert_int_equal(errno, ENOMEM);
    blind_by = 0;
    assert_int_equal(f.fd, -1);
    assert_false(is_open(fd));
}

/* That the kernel has no memory makes nothing the host's; any other error is none of a socket's. */
static void without_memory_it_stays_ours(void **unused)
{
    struct health__fd f;

    (void)unused;
    assert_int_equal(health__fd_init(&f, open_socket()), 0);
    blind_by = EIO;
    blind_in = 0;
    assert_false(health__fd_is_ours(&f));
    blind_by = ENOMEM;
    blind_in = 0;
    assert_true(health__fd_is_ours(&f));
    blind_by = 0;
    health__fd_close(&f);
}

/* ---- Waking ---- */

static bool is_readable(int fd)
{
    char byte;

    return recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static void a_pair_wakes(void **unused)
{
    struct health__fd send_end, receive_end;
    int i;

    (void)unused;
    assert_int_equal(health__fd_pair(&send_end, &receive_end), 0);
    for (i = 0; i < 2; i++) {
        int fd = i == 0 ? send_end.fd : receive_end.fd;

        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    }
    assert_true(health__fd_is_ours(&send_end));
    assert_true(health__fd_is_ours(&receive_end));
    assert_false(is_readable(receive_end.fd));
    health__fd_take_wake(&receive_end); /* nothing */
    health__fd_wake(&send_end);
    assert_true(is_readable(receive_end.fd));
    assert_false(is_readable(send_end.fd));
    health__fd_wake(&send_end);
    health__fd_take_wake(&receive_end);
    assert_true(is_readable(receive_end.fd));
    health__fd_take_wake(&receive_end);
    assert_false(is_readable(receive_end.fd));
    health__fd_close(&send_end);
    health__fd_close(&receive_end);
}

static void more_wakes_than_there_is_room_for_wake(void **unused)
{
    struct health__fd send_end, receive_end;
    int i;

    (void)unused;
    assert_int_equal(health__fd_pair(&send_end, &receive_end), 0);
    for (i = 0; i < 10000; i++)
        health__fd_wake(&send_end);
    while (is_readable(receive_end.fd))
        health__fd_take_wake(&receive_end);
    health__fd_wake(&send_end);
    assert_true(is_readable(receive_end.fd));
    health__fd_close(&send_end);
    health__fd_close(&receive_end);
}

/* A wake for nobody is none, and raises no signal. */
static void a_wake_without_a_peer_is_lost(void **unused)
{
    struct health__fd send_end, receive_end;
    int other = open_socket(), fd;

    (void)unused;
    assert_int_equal(health__fd_pair(&send_end, &receive_end), 0);
    health__fd_close(&receive_end);
    health__fd_wake(&send_end);
    health__fd_close(&send_end);

    /* What is the host's is not written to. */
    assert_int_equal(health__fd_pair(&send_end, &receive_end), 0);
    fd = send_end.fd;
    {
        int ends[2];

        assert_int_equal(__real_socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
        assert_int_equal(dup2(ends[0], fd), fd);
        health__fd_wake(&send_end);
        assert_false(is_readable(ends[1]));
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
    (void)close(fd);
    (void)close(other);
    health__fd_close(&receive_end);
}

static void without_descriptors_there_is_no_pair(void **unused)
{
    struct health__fd send_end = {.fd = 4711}, receive_end = {.fd = 4712};
    int i;

    (void)unused;
    out_of_descriptors = true;
    assert_int_equal(health__fd_pair(&send_end, &receive_end), -1);
    assert_int_equal(errno, EMFILE);
    out_of_descriptors = false;
    blind_by = ENOMEM;
    for (i = 0; i < 2; i++) {
        int next = open_socket();

        (void)close(next);
        blind_in = i;
        assert_int_equal(health__fd_pair(&send_end, &receive_end), -1);
        assert_int_equal(errno, ENOMEM);
        assert_false(is_open(next));
        assert_false(is_open(next + 1));
    }
    blind_by = 0;
    assert_int_equal(send_end.fd, 4711);
    assert_int_equal(receive_end.fd, 4712);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, refused_count, refused_recount)
    const struct CMUnitTest tests[] = {
        TEST(what_was_taken_over_is_ours_until_it_is_closed),
        TEST(none_is_nobodys),
        TEST(what_the_host_has_closed_is_not_ours),
        TEST(nor_what_has_its_number_now),
        TEST(what_is_not_known_yet_is_taken_for_ours),
        TEST(what_could_not_be_known_again_is_closed),
        TEST(without_memory_it_stays_ours),
        TEST(a_pair_wakes),
        TEST(more_wakes_than_there_is_room_for_wake),
        TEST(a_wake_without_a_peer_is_lost),
        TEST(without_descriptors_there_is_no_pair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
