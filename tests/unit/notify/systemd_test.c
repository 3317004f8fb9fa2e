/*
 * Lines to systemd: whom the environment names, what could not be sent now, and descriptors that
 * the host has closed.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "notify/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "process.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct health__systemd s;

static void set(const char *name, const char *value)
{
    if (value != NULL)
        assert_int_equal(setenv(name, value, 1), 0);
    else
        assert_int_equal(unsetenv(name), 0);
}

static void begin(const char *place, const char *usec, const char *pid)
{
    set("NOTIFY_SOCKET", place);
    set("WATCHDOG_USEC", usec);
    set("WATCHDOG_PID", pid);
    health__systemd_begin(&s);
}

static void end(void)
{
    health__systemd_end(&s);
    assert_false(health__systemd_listens(&s));
    assert_int_equal(s.fd.fd, -1);
    set("NOTIFY_SOCKET", NULL);
    set("WATCHDOG_USEC", NULL);
    set("WATCHDOG_PID", NULL);
}

/* ---- The environment ---- */

static void a_place_is_a_path_or_an_abstract_name(void **unused)
{
    char longest[sizeof(s.address.sun_path)], too_long[sizeof(s.address.sun_path) + 1];
    const char *good[] = {"/x", "@x", "/run/systemd/notify", "@a/b", longest};
    const char *bad[] = {NULL, "", "/", "@", "x", "run/notify", "vsock:2:9999", " /run", too_long};
    size_t i;

    (void)unused;
    memset(longest, 'x', sizeof(longest) - 1);
    memset(too_long, 'x', sizeof(too_long) - 1);
    longest[0] = '/';
    too_long[0] = '@';
    longest[sizeof(longest) - 1] = too_long[sizeof(too_long) - 1] = '\0';
    for (i = 0; i < COUNT(good); i++) {
        size_t length = strlen(good[i]);

        begin(good[i], "1000000", NULL);
        assert_true(health__systemd_listens(&s));
        assert_int_equal(s.watchdog_ms, 500);
        assert_int_equal(s.length, offsetof(struct sockaddr_un, sun_path) + length);
        assert_int_equal(s.address.sun_path[0], good[i][0] == '@' ? '\0' : '/');
        assert_memory_equal(s.address.sun_path + 1, good[i] + 1, length - 1);
        end();
    }
    for (i = 0; i < COUNT(bad); i++) {
        begin(bad[i], "1000000", NULL);
        assert_false(health__systemd_listens(&s));
        assert_int_equal(s.watchdog_ms, 0);
        end();
    }
}

static void the_watchdog_is_half_of_what_is_given(void **unused)
{
    static const struct {
        const char *usec, *pid; /* "me": ours */
        int64_t ms;
    } cases[] = {
        {NULL, NULL, 0},
        {NULL, "me", 0},
        {"30000000", NULL, 15000},
        {"30000000", "me", 15000},
        {"30000000", "1", 0},
        {"30000000", "", 0},
        {"30000000", "x", 0},
        {"0", "me", 0},
        {"", "me", 0},
        {"x", "me", 0},
        {"2000", NULL, 1},
        {"1999", NULL, 0},
        {"18446744073709551615", NULL, 9223372036854775},
        {"99999999999999999999999", NULL, 9223372036854775},
    };
    char me[16];
    size_t i;

    (void)unused;
    (void)snprintf(me, sizeof(me), "%d", (int)getpid());
    for (i = 0; i < COUNT(cases); i++) {
        const char *pid = cases[i].pid;

        begin("@x", cases[i].usec, pid != NULL && strcmp(pid, "me") == 0 ? me : pid);
        assert_int_equal(s.watchdog_ms, cases[i].ms);
        end();
    }
}

/* ---- Sending ---- */

static char place[64];

/* A receiver at `place`. */
static int receive_at(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void)snprintf(place, sizeof(place), "@libhealth/unit/%d", (int)getpid());
    memcpy(a.sun_path + 1, place + 1, strlen(place) - 1);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(place))),
        0);
    return fd;
}

static void assert_received(int fd, const char *line)
{
    char bytes[64] = "";

    assert_int_equal(recv(fd, bytes, sizeof(bytes) - 1, 0), strlen(line));
    assert_string_equal(bytes, line);
}

static void a_full_queue_is_another_time(void **unused)
{
    int fd = receive_at(), sent = 0;

    (void)unused;
    begin(place, NULL, NULL);
    assert_int_equal(s.fd.fd, -1); /* opened when first needed */
    while (health__systemd_send(&s, "STATUS=x"))
        sent++;
    assert_true(sent > 0);
    assert_false(health__systemd_send(&s, "READY=1"));
    for (; sent > 0; sent--)
        assert_received(fd, "STATUS=x");
    assert_true(health__systemd_send(&s, "READY=1"));
    assert_received(fd, "READY=1");
    end();
    (void)close(fd);
}

static void to_nobody_all_is_sent(void **unused)
{
    (void)unused;
    begin("/nowhere/at/all", NULL, NULL);
    assert_true(health__systemd_send(&s, "READY=1"));
    end();
    begin("@libhealth/nobody", NULL, NULL);
    assert_true(health__systemd_send(&s, "READY=1"));
    end();
}

static void a_lost_descriptor_is_another(void **unused)
{
    int fd = receive_at(), pair[2];
    char byte;

    (void)unused;
    begin(place, NULL, NULL);
    assert_true(health__systemd_send(&s, "READY=1"));
    assert_received(fd, "READY=1");

    /* The host closes it, and has the number itself. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(dup2(pair[0], s.fd.fd), s.fd.fd);
    (void)close(pair[0]);
    pair[0] = s.fd.fd;
    assert_true(health__systemd_send(&s, "STOPPING=1"));
    assert_int_not_equal(s.fd.fd, pair[0]);
    assert_received(fd, "STOPPING=1");
    assert_int_equal(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);

    /* And again, just before the end: what is the host's stays open. */
    assert_int_equal(dup2(pair[0], s.fd.fd), s.fd.fd);
    (void)close(pair[0]);
    pair[0] = s.fd.fd;
    end();
    assert_true(fcntl(pair[0], F_GETFD) >= 0);
    (void)close(pair[0]);
    (void)close(pair[1]);
    (void)close(fd);
}

static void without_a_descriptor_it_is_another_time(void **unused)
{
    static int fds[4096];
    struct rlimit before, low;
    int fd = receive_at(), count;

    (void)unused;
    begin(place, NULL, NULL);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    count = process_fill(fds, (int)COUNT(fds));
    assert_false(health__systemd_send(&s, "READY=1"));
    process_spill(fds, count);
    assert_true(health__systemd_send(&s, "READY=1"));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_received(fd, "READY=1");
    assert_true((fcntl(s.fd.fd, F_GETFD) & FD_CLOEXEC) != 0);
    end();
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_a_path_or_an_abstract_name),
        cmocka_unit_test(the_watchdog_is_half_of_what_is_given),
        cmocka_unit_test(a_full_queue_is_another_time),
        cmocka_unit_test(to_nobody_all_is_sent),
        cmocka_unit_test(a_lost_descriptor_is_another),
        cmocka_unit_test(without_a_descriptor_it_is_another_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
