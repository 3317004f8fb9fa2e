/*
 * What the probe connects to, and what it is told where it cannot: "localhost" with one address
 * there, both, or one that swallows everything; unix sockets, plain TCP, and files with their ages.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>
#include <health/probe.h>

#include "assertions.h"
#include "client.h"
#include "odd_server.h"
#include "probing.h"
#include "process.h"
#include "service.h"

#define TIMEOUT_MS 300
#define PATIENT_MS 10000
#define SKIPPED    77
#define LATE       ": no answer in time"
#define REFUSED    ": connection refused"
#define NO_ADDRESS ": no such address here, or no port left"
#define ANSWERS                                                                                    \
    {                                                                                              \
        ODD_STEP(ODD_HEAR), ODD_STEP_OF(ODD_SAY, "HTTP/1.1 204 No Content\r\n\r\n", 0),            \
            ODD_STEP(ODD_HANG)                                                                     \
    }

static char directory[64];

static int make_directory(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof(directory), "/tmp/health-probe-XXXXXX");
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

/* The path of a file in the directory, in a static buffer. */
static const char *in_directory(const char *name)
{
    static char path[96];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static const char *url_of(const char *format, int port)
{
    static char url[128];
    const char *mark = strchr(format, '#');

    (void)snprintf(url, sizeof(url), "%.*s%d%s", (int)(mark - format), format, port, mark + 1);
    return url;
}

static bool has_ipv6(void)
{
    int port = 0, fd = odd_listen("::1", &port, 1);

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

/* A port at which nobody listens. */
static int free_port(void)
{
    int port = 0, fd = odd_listen("127.0.0.1", &port, 1);

    assert_true(fd >= 0);
    (void)close(fd);
    return port;
}

/* Runs it in a child, as it changes the process. */
static void in_a_child(int (*run)(struct process *self, void *arg), void *arg)
{
    struct process child;
    int status;

    assert_int_equal(process_start(&child, run, arg), 0);
    status = process_end(&child);
    if (status == SKIPPED)
        skip();
    assert_int_equal(status, 0);
}

/* ---- localhost ---- */

static void either_address_is_enough(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"};
    size_t i;

    (void)state;
    for (i = 0; i < (has_ipv6() ? 2 : 1); i++) {
        struct odd_server s = {.at = addresses[i], .steps = ANSWERS};

        assert_int_equal(odd_server_start(&s), 0);
        probing_expect(url_of("http://localhost:#/", s.port), PATIENT_MS, 0, ": 204");
        probing_expect(url_of("tcp:localhost:#", s.port), PATIENT_MS, 0, ": accepts");
        odd_server_stop(&s);
        probing_expect(url_of("http://localhost:#/", s.port), PATIENT_MS, 1, REFUSED);
        probing_expect(url_of("tcp:localhost:#", s.port), PATIENT_MS, 1, REFUSED);
    }
}

static void with_both_it_is_asked_once(void **state)
{
    struct odd_server four = {.at = "127.0.0.1", .steps = ANSWERS};
    struct odd_server six = {.at = "::1", .steps = ANSWERS};
    char reason[400];

    (void)state;
    if (!has_ipv6())
        skip();
    assert_int_equal(odd_server_start(&four), 0);
    six.port = four.port;
    assert_int_equal(odd_server_start(&six), 0);
    assert_int_equal(
        probing_ask(url_of("http://localhost:#/", four.port), PATIENT_MS, reason, NULL), 0);
    odd_server_stop(&four);
    odd_server_stop(&six);
    assert_int_equal(atomic_load(&four.heard) + atomic_load(&six.heard), 1);
}

/* The other address neither takes nor refuses: it is not waited for. */
static void one_that_swallows_does_not_hold_up_the_other(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"};
    size_t i;

    (void)state;
    if (!has_ipv6())
        skip();
    for (i = 0; i < 2; i++) {
        struct odd_server s = {.at = addresses[1 - i], .steps = ANSWERS};
        struct odd_hole hole;
        char reason[400];
        int64_t took;

        assert_int_equal(odd_hole_start(&hole, addresses[i], &s.port), 0);
        assert_int_equal(odd_server_start(&s), 0);
        probing_expect(url_of("http://localhost:#/", s.port), PATIENT_MS, 0, ": 204");
        assert_int_equal(
            probing_ask(url_of("http://localhost:#/", s.port), PATIENT_MS, reason, &took), 0);
        assert_true(took < 900); /* a SYN is sent again after 1 s */
        odd_server_stop(&s);

        /* With the other one refused, it is what matters. */
        probing_expect(url_of("http://localhost:#/", s.port), TIMEOUT_MS, 1, LATE);
        probing_expect(url_of("tcp:localhost:#", s.port), TIMEOUT_MS, 1, LATE);
        odd_hole_stop(&hole);
    }
}

static void a_connect_is_not_waited_for_longer(void **state)
{
    struct odd_hole hole;
    char reason[400];
    int64_t took;
    int port = 0;

    (void)state;
    assert_int_equal(odd_hole_start(&hole, "127.0.0.1", &port), 0);
    probing_expect(url_of("http://127.0.0.1:#/", port), TIMEOUT_MS, 1, LATE);
    probing_expect(url_of("tcp:127.0.0.1:#", port), TIMEOUT_MS, 1, LATE);
    assert_int_equal(probing_ask(url_of("tcp:127.0.0.1:#", port), TIMEOUT_MS, reason, &took), 1);
    assert_true(took >= TIMEOUT_MS - ROUNDING_MS);
    odd_hole_stop(&hole);
}

static void an_address_is_only_that_one(void **state)
{
    struct odd_server s = {.at = "127.0.0.1", .steps = ANSWERS};

    (void)state;
    assert_int_equal(odd_server_start(&s), 0);
    probing_expect(url_of("http://127.0.0.1:#", s.port), PATIENT_MS, 0, ": 204");
    probing_expect(url_of("http://127.0.0.2:#", s.port), PATIENT_MS, 1, REFUSED);
    probing_expect(url_of("http://[::ffff:127.0.0.1]:#", s.port), PATIENT_MS, 0, ": 204");
    if (has_ipv6())
        probing_expect(url_of("http://[::1]:#", s.port), PATIENT_MS, 1, REFUSED);
    odd_server_stop(&s);
}

/* ---- Networks of their own ---- */

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        (void)close(fd);
    return written;
}

static bool raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up;

    request.ifr_flags = IFF_UP | IFF_RUNNING;
    up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (fd >= 0)
        (void)close(fd);
    return up;
}

/* A kernel that has but one port to give makes of a connect to that port one to itself. */
static int ask_ourselves(struct process *self, void *arg)
{
    char reason[400];

    (void)self;
    (void)arg;
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return SKIPPED;
    if (!raise_loopback() || !write_file("/proc/sys/net/ipv4/ip_local_port_range", "40001 40001"))
        return SKIPPED;
    PROCESS_CHECK(health_probe("tcp:127.0.0.1:40001", TIMEOUT_MS, reason, 400) == 1);
    PROCESS_CHECK(strcmp(reason, "tcp:127.0.0.1:40001" REFUSED) == 0);
    PROCESS_CHECK(health_probe("tcp:[::1]:40001", TIMEOUT_MS, reason, 400) == 1);
    PROCESS_CHECK(strcmp(reason, "tcp:[::1]:40001" REFUSED) == 0);
    /* Now the port is taken by what is left of these, and there is no other. */
    PROCESS_CHECK(health_probe("tcp:localhost:40001", TIMEOUT_MS, reason, 400) == 1);
    PROCESS_CHECK(strcmp(reason, "tcp:localhost:40001" NO_ADDRESS) == 0);
    return 0;
}

static void it_does_not_answer_itself(void **state)
{
    (void)state;
    in_a_child(ask_ourselves, NULL);
}

/* Without IPv6, by a kernel that has switched it off; without any network at all. */
static int ask_without_ipv6(struct process *self, void *arg)
{
    struct odd_server s = {.at = "127.0.0.1", .steps = ANSWERS};
    char reason[400];

    (void)self;
    (void)arg;
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return SKIPPED;
    PROCESS_CHECK(health_probe("http://localhost:8080/", PATIENT_MS, reason, 400) == 1);
    PROCESS_CHECK(strcmp(reason, "http://localhost:8080/: unreachable") == 0 ||
                  strcmp(reason, "http://localhost:8080/" NO_ADDRESS) == 0);
    if (!write_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1") || !raise_loopback())
        return SKIPPED;
    PROCESS_CHECK(odd_server_start(&s) == 0);
    PROCESS_CHECK(
        health_probe(url_of("http://localhost:#/", s.port), PATIENT_MS, reason, 400) == 0);
    odd_server_stop(&s);
    PROCESS_CHECK(
        health_probe(url_of("http://localhost:#/", s.port), PATIENT_MS, reason, 400) == 1);
    PROCESS_CHECK(strstr(reason, REFUSED) != NULL);
    PROCESS_CHECK(health_probe("http://[::1]:80/", PATIENT_MS, reason, 400) == 1);
    PROCESS_CHECK(strstr(reason, NO_ADDRESS) != NULL || strstr(reason, ": unreachable") != NULL);
    return 0;
}

static void without_ipv6_ipv4_is_asked(void **state)
{
    (void)state;
    in_a_child(ask_without_ipv6, NULL);
}

/* ---- TCP ---- */

static void tcp_succeeds_if_it_connects(void **state)
{
    struct odd_server silent = {.steps = {ODD_STEP(ODD_HANG)}};
    struct probing run;
    const char *arguments[] = {"-v", NULL, NULL};
    char line[128];
    int port = free_port();

    (void)state;
    assert_int_equal(odd_server_start(&silent), 0);
    probing_expect(url_of("tcp:127.0.0.1:#", silent.port), PATIENT_MS, 0, ": accepts");
    probing_expect(url_of("tcp:127.0.0.1:#", port), PATIENT_MS, 1, REFUSED);
    if (probing_has_program()) {
        arguments[1] = url_of("tcp:127.0.0.1:#", silent.port);
        probing_run(&run, arguments, NULL);
        assert_int_equal(run.status, 0);
        (void)snprintf(line, sizeof(line), "%s: accepts\n", arguments[1]);
        assert_string_equal(run.out, line);
    }
    odd_server_stop(&silent);
    assert_int_equal(atomic_load(&silent.heard), 0);
}

/* ---- Unix sockets ---- */

static void a_unix_socket_is_asked_for_a_path(void **state)
{
    struct odd_server s = {.at = in_directory("socket"), .steps = ANSWERS};
    char url[256];

    (void)state;
    assert_int_equal(odd_server_start(&s), 0);
    (void)snprintf(url, sizeof(url), "unix:%s", s.at);
    probing_expect(url, PATIENT_MS, 0, ": 204");
    (void)snprintf(url, sizeof(url), "unix:%s:/ready?verbose", s.at);
    probing_expect(url, PATIENT_MS, 0, ": 204");
    odd_server_stop(&s);
    assert_string_equal(s.request, "GET /ready?verbose HTTP/1.0\r\nHost: localhost\r\n"
                                   "User-Agent: health-probe\r\nAccept: */*\r\n"
                                   "Connection: close\r\n\r\n");
    probing_expect(url, PATIENT_MS, 1, ": it is not there");
}

static void our_own_over_a_unix_socket_gives_reasons(void **state)
{
    static struct told db = {.status = HEALTH_FAIL, .reason = "gone"};
    struct health_options options = HEALTH_OPTIONS_INIT;
    char listen[128], url[160];
    struct health *h = NULL;

    (void)state;
    (void)snprintf(listen, sizeof(listen), "unix:%s", in_directory("socket"));
    options.listen = listen;
    options.response_ms = PATIENT_MS;
    h = service_start(&options);
    service_add(h, "db", &db, 0);
    probing_expect(listen, PATIENT_MS, 1, ": 503: db: gone");
    (void)snprintf(url, sizeof(url), "%s:/live", listen);
    probing_expect(url, PATIENT_MS, 0, ": 200");
    service_end(h);
}

static void what_a_dead_process_left_is_refused(void **state)
{
    const char *path = in_directory("socket");
    int port = 0, fd = odd_listen(path, &port, 1);
    char url[128];

    (void)state;
    assert_true(fd >= 0);
    (void)close(fd);
    (void)snprintf(url, sizeof(url), "unix:%s", path);
    probing_expect(url, PATIENT_MS, 1, REFUSED);
    assert_int_equal(unlink(path), 0);

    /* A file that is no socket, a directory, and no directory. */
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    probing_expect(url, PATIENT_MS, 1, REFUSED);
    (void)snprintf(url, sizeof(url), "unix:%s/x", path);
    probing_expect(url, PATIENT_MS, 1, ": it is not there");
    assert_int_equal(unlink(path), 0);
    (void)snprintf(url, sizeof(url), "unix:%s", directory);
    probing_expect(url, PATIENT_MS, 1, REFUSED);
}

static void *open_later(void *hole)
{
    (void)poll(NULL, 0, 100);
    odd_hole_open(hole);
    return NULL;
}

/* A unix socket says that its queue is full, and nothing when it no longer is. */
static void a_full_queue_is_waited_for(void **state)
{
    const char *path = in_directory("socket");
    struct odd_hole hole;
    char url[128], reason[400];
    pthread_t thread;
    int64_t took;
    int port = 0;

    (void)state;
    assert_int_equal(odd_hole_start(&hole, path, &port), 0);
    (void)snprintf(url, sizeof(url), "unix:%s", path);
    probing_expect(url, TIMEOUT_MS, 1, LATE);
    assert_int_equal(probing_ask(url, TIMEOUT_MS, reason, &took), 1);
    assert_true(took >= TIMEOUT_MS - ROUNDING_MS);

    /* It connects as soon as there is room; there, nobody answers. */
    assert_int_equal(pthread_create(&thread, NULL, open_later, &hole), 0);
    assert_int_equal(probing_ask(url, TIMEOUT_MS, reason, &took), 1);
    assert_true(took >= 100);
    assert_int_equal(pthread_join(thread, NULL), 0);
    odd_hole_stop(&hole);
    assert_int_equal(unlink(path), 0);
}

/* ---- Files ---- */

static void date(const char *path, int64_t seconds)
{
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void make_file(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    (void)close(fd);
}

static void a_file_is_healthy_while_it_is_touched(void **state)
{
    const char *path = in_directory("alive");
    char url[128], old[128], hour[128], now[128], reason[400];

    (void)state;
    (void)snprintf(url, sizeof(url), "file:%s", path);
    (void)snprintf(old, sizeof(old), "file:%s?max-age=50s", path);
    (void)snprintf(hour, sizeof(hour), "file:%s?max-age=1h", path);
    (void)snprintf(now, sizeof(now), "file:%s?max-age=0ms", path);
    probing_expect(url, 0, 1, ": it is not there");
    probing_expect(hour, 0, 1, ": it is not there");
    make_file(path);
    probing_expect(url, 0, 0, ": it is there");
    probing_expect(old, 0, 0, ": touched \xE2\x80\xA6");
    date(path, time(NULL) - 100);
    probing_expect(url, 0, 0, ": it is there");
    probing_expect(old, 0, 1, ": not touched for 10\xE2\x80\xA6");
    probing_expect(now, 0, 1, ": not touched for 10\xE2\x80\xA6");
    probing_expect(hour, 0, 0, ": touched 10\xE2\x80\xA6");
    date(path, 0);
    probing_expect(hour, 0, 1, ": not touched for 1\xE2\x80\xA6");
    probing_expect(url, 0, 0, ": it is there");
    assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
    probing_expect(old, 0, 0, ": touched \xE2\x80\xA6");
    assert_int_equal(probing_ask(old, 0, reason, NULL), 0);
    assert_string_equal(reason + strlen(reason) - 6, " s ago");
    assert_int_equal(unlink(path), 0);
}

/* A clock that was set back, and dates that are none: not fresh for as long as it takes. */
static void a_file_of_the_future_is_not_fresh(void **state)
{
    static const int64_t dates[] = {INT64_MAX, INT64_MAX / 2, INT64_MIN, INT64_MIN / 2, -1};
    const char *path = in_directory("alive");
    char url[128], hour[128], reason[400];
    size_t i;

    (void)state;
    (void)snprintf(url, sizeof(url), "file:%s?max-age=30s", path);
    (void)snprintf(hour, sizeof(hour), "file:%s?max-age=1h", path);
    make_file(path);
    /* Clocks may differ a little. */
    date(path, time(NULL) + 1);
    probing_expect(url, 0, 0, ": touched 0 s ago");
    date(path, time(NULL) + 10);
    probing_expect(url, 0, 1, ": touched in the future");
    probing_expect(hour, 0, 1, ": touched in the future");
    date(path, time(NULL) + 1000);
    probing_expect(hour, 0, 1, ": touched in the future");
    /* The file system may know no such times, and cut them. */
    for (i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        date(path, dates[i]);
        assert_int_equal(probing_ask(url, 0, reason, NULL), 1);
    }
    assert_int_equal(unlink(path), 0);
}

static void any_kind_of_file_will_do(void **state)
{
    const char *path = in_directory("alive");
    char url[128], reason[400];
    static char too_long[5000];

    (void)state;
    (void)snprintf(url, sizeof(url), "file:%s", directory);
    probing_expect(url, 0, 0, ": it is there");
    (void)snprintf(url, sizeof(url), "file:%s", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    probing_expect(url, 0, 0, ": it is there");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/nowhere", path), 0);
    probing_expect(url, 0, 1, ": it is not there");
    assert_int_equal(unlink(path), 0);

    memset(too_long, 'x', sizeof(too_long) - 1);
    memcpy(too_long, "file:/", 6);
    assert_int_equal(probing_ask(too_long, 0, reason, NULL), 1);
    assert_non_null(strstr(reason, "xxx...: the path is too long"));
    too_long[5 + 1023] = '\0';
    assert_int_equal(probing_ask(too_long, 0, reason, NULL), 1);
    assert_non_null(strstr(reason, "xxx...: error 36")); /* ENAMETOOLONG: 255 are too many */
}

/* ---- Permission ---- */

static int ask_without_permission(struct process *self, void *arg)
{
    char url[128], reason[400], expected[256];
    const char *const *paths = arg;

    (void)self;
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
        return SKIPPED;
    if (access(paths[0], F_OK) == 0)
        return SKIPPED;
    (void)snprintf(url, sizeof(url), "file:%s", paths[0]);
    (void)snprintf(expected, sizeof(expected), "%s: permission denied", url);
    PROCESS_CHECK(health_probe(url, PATIENT_MS, reason, 400) == 1);
    PROCESS_CHECK(strcmp(reason, expected) == 0);
    (void)snprintf(url, sizeof(url), "unix:%s", paths[1]);
    (void)snprintf(expected, sizeof(expected), "%s: permission denied", url);
    PROCESS_CHECK(health_probe(url, PATIENT_MS, reason, 400) == 1);
    PROCESS_CHECK(strcmp(reason, expected) == 0);
    _exit(0); /* who became another may not look for leaks */
}

static void permission_denied_is_said(void **state)
{
    char closed[128], file[160], socket_path[160];
    const char *paths[] = {file, socket_path};
    struct odd_server s = {.at = socket_path, .steps = ANSWERS};

    (void)state;
    if (geteuid() != 0)
        skip(); /* root has to become someone else */
    (void)snprintf(closed, sizeof(closed), "%s", in_directory("closed"));
    (void)snprintf(file, sizeof(file), "%s/alive", closed);
    (void)snprintf(socket_path, sizeof(socket_path), "%s", in_directory("socket"));
    assert_int_equal(chmod(directory, 0755), 0);
    assert_int_equal(mkdir(closed, 0700), 0);
    make_file(file);
    assert_int_equal(odd_server_start(&s), 0);
    assert_int_equal(chmod(socket_path, 0600), 0);
    in_a_child(ask_without_permission, (void *)paths);
    odd_server_stop(&s);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(closed), 0);
}

#define IN_DIRECTORY(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(either_address_is_enough),
        cmocka_unit_test(with_both_it_is_asked_once),
        cmocka_unit_test(one_that_swallows_does_not_hold_up_the_other),
        cmocka_unit_test(a_connect_is_not_waited_for_longer),
        cmocka_unit_test(an_address_is_only_that_one),
        cmocka_unit_test(it_does_not_answer_itself),
        cmocka_unit_test(without_ipv6_ipv4_is_asked),
        cmocka_unit_test(tcp_succeeds_if_it_connects),
        IN_DIRECTORY(a_unix_socket_is_asked_for_a_path),
        IN_DIRECTORY(our_own_over_a_unix_socket_gives_reasons),
        IN_DIRECTORY(what_a_dead_process_left_is_refused),
        IN_DIRECTORY(a_full_queue_is_waited_for),
        IN_DIRECTORY(a_file_is_healthy_while_it_is_touched),
        IN_DIRECTORY(a_file_of_the_future_is_not_fresh),
        IN_DIRECTORY(any_kind_of_file_will_do),
        IN_DIRECTORY(permission_denied_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
