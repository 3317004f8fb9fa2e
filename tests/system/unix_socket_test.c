/*
 * Listening at unix sockets: the file's mode whatever the umask, files that are in the way, what
 * becomes of it in the end, and who is local.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* forgets */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "assertions.h"
#include "client.h"
#include "document.h"
#include "odd_server.h"
#include "process.h"
#include "refused.h"
#include "service.h"

#define TEN     "/123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static char directory[32]; /* "/tmp/health-unix-XXXXXX" */
static char path[64];      /* of the socket, in it */
static char address[72];   /* "unix:" and that */

/* Every test leaves the directory empty, and no descriptor or thread more than there were. */
static int begin(void **state)
{
    (void)snprintf(directory, sizeof(directory), "/tmp/health-unix-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/socket", directory);
    (void)snprintf(address, sizeof(address), "unix:%s", path);
    return refused_count(state);
}

static int end(void **state)
{
    int recounted = refused_recount(state);

    return rmdir(directory) == 0 ? recounted : -1;
}

static struct health *make(const char *listen)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;

    options.listen = listen;
    options.response_ms = LONG_MS;
    assert_accepted(health_new(&h, &options));
    return h;
}

static struct health *serve(const char *listen)
{
    struct health *h = make(listen);

    assert_accepted(health_start(h));
    return h;
}

/* Whether there is a file of that name, whatever it is. */
static bool is_there(const char *name)
{
    struct stat s;

    return lstat(name, &s) == 0;
}

/* The status of the target by the path or address. */
static int status_of(const char *to, int port, const char *target)
{
    struct response r;
    int status;

    if (client_try(&(struct client_request){.to = to, .port = port, .target = target}, &r) !=
        CLIENT_OK)
        return -1;
    status = r.status;
    response_free(&r);
    return status;
}

/* ---- Answers ---- */

static void it_answers_as_over_tcp(void **state)
{
    static struct told db = {.status = HEALTH_FAIL, .reason = "gone"};
    struct client_request q = {.to = path, .target = "/health"};
    struct health *h = serve(address);
    json_t *doc;
    int i;

    (void)state;
    service_add(h, "db", &db, 0);
    assert_int_equal(status_of(path, 0, "/live"), 200);
    assert_int_equal(status_of(path, 0, "/nonsense"), 404);
    /* Who is there is on this host. */
    doc = document_ask(&q, 503);
    assert_check(doc, "db", "fail", "gone");
    document_free(doc);
    /* Unless somebody else speaks through him. */
    q.headers = "X-Forwarded-For: 192.0.2.1\r\n";
    doc = document_ask(&q, 503);
    assert_check(doc, "db", "fail", NULL);
    document_free(doc);
    for (i = 0; i < 50; i++)
        assert_int_equal(status_of(path, 0, "/ready"), 503);
    service_end(h);
    assert_false(is_there(path));
}

static void it_has_no_port(void **state)
{
    struct health *h = serve(address);
    char list[128];

    (void)state;
    assert_int_equal(health_port(h), 0);
    service_end(h);
    (void)snprintf(list, sizeof(list), "%s,127.0.0.1:0", address);
    h = serve(list);
    assert_int_equal(health_port(h), 0); /* that of the first */
    service_end(h);
}

static void several_are_listened_on_at_once(void **state)
{
    char list[256], other[80];
    struct health *h;

    (void)state;
    (void)snprintf(other, sizeof(other), "%s/other", directory);
    (void)snprintf(list, sizeof(list), "127.0.0.1:0, %s ,unix:%s?mode=0666", address, other);
    h = serve(list);
    assert_int_equal(status_of("127.0.0.1", service_port(h), "/live"), 200);
    assert_int_equal(status_of(path, 0, "/live"), 200);
    assert_int_equal(status_of(other, 0, "/live"), 200);
    assert_accepted(health_stop(h, LONG_MS));
    assert_false(is_there(path));
    assert_false(is_there(other));
    /* And again. */
    assert_accepted(health_start(h));
    assert_int_equal(status_of(path, 0, "/live"), 200);
    assert_int_equal(status_of(other, 0, "/live"), 200);
    service_end(h);
}

/* A connection that is kept is answered until the end, and is then closed. */
static void stopping_ends_its_connections(void **state)
{
    struct health *h = serve(address);
    struct client c;
    struct response r;

    (void)state;
    assert_int_equal(client_open(&c, path, 0), 0);
    assert_int_equal(client_print(&c, "GET /live HTTP/1.1\r\nHost: x\r\n\r\n"), 0);
    assert_int_equal(client_read(&c, false, &r, client_deadline(LONG_MS)), CLIENT_OK);
    assert_int_equal(r.status, 200);
    response_free(&r);
    service_end(h);
    assert_true(client_at_end(&c, client_deadline(LONG_MS)));
    client_close(&c);
    assert_int_equal(client_open(&c, path, 0), -1);
    assert_int_equal(errno, ENOENT);
}

/* ---- The file ---- */

static void its_mode_is_what_was_asked_for(void **state)
{
    static const mode_t masks[] = {0, 022, 077, 0777};
    static const struct {
        const char *query;
        mode_t mode;
    } modes[] = {
        {"", 0600},
        {"?mode=0660", 0660},
        {"?mode=660", 0660},
        {"?mode=0666", 0666},
        {"?mode=0777", 0777},
        {"?mode=0", 0},
        {"?mode=0602", 0602},
    };
    size_t i, k;

    (void)state;
    for (i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
        for (k = 0; k < sizeof(modes) / sizeof(modes[0]); k++) {
            struct health *h;
            struct stat s;
            char listen[128];
            mode_t before;

            (void)snprintf(listen, sizeof(listen), "%s%s", address, modes[k].query);
            h = make(listen);
            before = umask(masks[i]);
            assert_accepted(health_start(h));
            assert_int_equal(umask(before), masks[i]);
            assert_int_equal(lstat(path, &s), 0);
            assert_true(S_ISSOCK(s.st_mode));
            assert_int_equal(s.st_mode & 07777, modes[k].mode);
            service_end(h);
        }
}

/* In a process that is no root and none of the file's. */
static int ask_as_nobody(struct process *self, void *arg)
{
    (void)self;
    (void)arg;
    if (setgid(65534) != 0 || setuid(65534) != 0)
        _exit(77);
    /* At once: who became another may not look for leaks. */
    _exit(status_of(path, 0, "/live") == 200 ? 0 : errno == EACCES ? 1 : 2);
}

static void who_may_not_is_kept_out_by_the_mode(void **state)
{
    static const struct {
        const char *query;
        int result;
    } modes[] = {{"", 1}, {"?mode=0660", 1}, {"?mode=0666", 0}};
    size_t i;

    (void)state;
    if (geteuid() != 0)
        skip(); /* root has to become someone else */
    assert_int_equal(chmod(directory, 0755), 0);
    for (i = 0; i < 3; i++) {
        struct process child;
        struct health *h;
        char listen[128];

        (void)snprintf(listen, sizeof(listen), "%s%s", address, modes[i].query);
        h = serve(listen);
        assert_int_equal(process_start(&child, ask_as_nobody, NULL), 0);
        assert_int_equal(process_end(&child), modes[i].result);
        service_end(h);
    }
}

/* Killed, so that nothing was cleared away. */
static int serve_and_die(struct process *self, void *arg)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;

    (void)arg;
    options.listen = address;
    PROCESS_CHECK(health_new(&h, &options) == 0);
    PROCESS_CHECK(health_start(h) == 0);
    PROCESS_CHECK(process_say(self, 1));
    _exit(7);
}

static void the_file_of_a_dead_process_is_replaced(void **state)
{
    struct process child;
    struct health *h;
    int64_t heard;
    struct stat s;

    (void)state;
    assert_int_equal(process_start(&child, serve_and_die, NULL), 0);
    assert_true(process_hear(&child, &heard, LONG_MS));
    assert_int_equal(process_end(&child), 7);
    assert_true(is_there(path));
    assert_int_equal(status_of(path, 0, "/live"), -1);
    assert_int_equal(chmod(path, 0777), 0);

    h = serve(address);
    assert_int_equal(status_of(path, 0, "/live"), 200);
    assert_int_equal(lstat(path, &s), 0);
    assert_int_equal(s.st_mode & 07777, 0600);
    service_end(h);
    assert_false(is_there(path));
}

static void a_live_one_is_an_error(void **state)
{
    struct health *first = serve(address), *second = make(address);
    char list[128];

    (void)state;
    assert_refused(health_start(second), HEALTH_ELISTEN, EADDRINUSE, address);
    assert_int_equal(status_of(path, 0, "/live"), 200);
    health_free(second);

    /* As the second of a list: the first is given back. */
    (void)snprintf(list, sizeof(list), "unix:%s/other,%s", directory, address);
    second = make(list);
    assert_refused(health_start(second), HEALTH_ELISTEN, EADDRINUSE, address);
    (void)snprintf(list, sizeof(list), "%s/other", directory);
    assert_false(is_there(list));
    assert_int_equal(status_of(path, 0, "/live"), 200);

    /* When it is gone, it can be had. */
    service_end(first);
    assert_accepted(health_start(second));
    assert_int_equal(status_of(path, 0, "/live"), 200);
    service_end(second);
}

/* One so busy that its queue is full is alive; so is one that takes datagrams. */
static void a_busy_one_is_alive(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct health *h = make(address);
    struct odd_hole hole;
    int fd, port = 0;

    (void)state;
    assert_int_equal(odd_hole_start(&hole, path, &port), 0);
    assert_refused(health_start(h), HEALTH_ELISTEN, EADDRINUSE, address);
    assert_true(is_there(path));
    odd_hole_stop(&hole);
    assert_int_equal(unlink(path), 0);

    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(un.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_refused(health_start(h), HEALTH_ELISTEN, EADDRINUSE, address);
    assert_true(is_there(path));
    (void)close(fd);
    assert_int_equal(unlink(path), 0);
    health_free(h);
}

static void what_is_no_socket_is_not_replaced(void **state)
{
    struct health *h = make(address);
    struct stat before, after;
    char target[80];
    int fd;

    (void)state;
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "precious", 8), 8);
    (void)close(fd);
    assert_int_equal(lstat(path, &before), 0);
    assert_refused(health_start(h), HEALTH_ELISTEN, EADDRINUSE, address);
    assert_int_equal(lstat(path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_size, 8);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(unlink(path), 0);

    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused(health_start(h), HEALTH_ELISTEN, EADDRINUSE, address);
    assert_int_equal(rmdir(path), 0);

    /* Nor is a link, dangling or to a socket that nobody listens at. */
    (void)snprintf(target, sizeof(target), "%s/target", directory);
    assert_int_equal(symlink(target, path), 0);
    assert_refused(health_start(h), HEALTH_ELISTEN, EADDRINUSE, address);
    assert_false(is_there(target));
    fd = odd_listen(target, &(int){0}, 1);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_refused(health_start(h), HEALTH_ELISTEN, EADDRINUSE, address);
    assert_true(is_there(target));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(target), 0);

    assert_accepted(health_start(h));
    service_end(h);
}

static void a_directory_that_cannot_be_had_is_named(void **state)
{
    char listen[128];
    struct health *h;

    (void)state;
    (void)snprintf(listen, sizeof(listen), "unix:%s/no/socket", directory);
    h = make(listen);
    assert_refused(health_start(h), HEALTH_ELISTEN, ENOENT, listen);
    health_free(h);
}

/* ---- In the end ---- */

static void at_stop_only_our_own_file_is_removed(void **state)
{
    struct health *first = serve(address), *second;
    struct stat before, after;

    (void)state;
    /* Somebody has put another in its place. */
    assert_int_equal(unlink(path), 0);
    second = serve(address);
    assert_int_equal(lstat(path, &before), 0);
    service_end(first);
    assert_int_equal(lstat(path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(status_of(path, 0, "/live"), 200);
    service_end(second);
    assert_false(is_there(path));

    /* Somebody has taken it away. */
    first = serve(address);
    assert_int_equal(unlink(path), 0);
    service_end(first);
    /* Freed without a stop. */
    first = serve(address);
    health_free(first);
    assert_false(is_there(path));
}

static int stop_in_the_child(struct process *self, void *arg)
{
    struct health *h = arg;

    (void)self;
    PROCESS_CHECK(is_there(path));
    (void)health_stop(h, LONG_MS);
    PROCESS_CHECK(is_there(path));
    health_free(h);
    PROCESS_CHECK(is_there(path));
    _exit(0); /* what was the parent's is a leak that is meant */
}

static int start_in_the_child(struct process *self, void *arg)
{
    struct health *h = arg;

    (void)self;
    PROCESS_CHECK(health_start(h) == HEALTH_ELISTEN && errno == EADDRINUSE);
    PROCESS_CHECK(is_there(path));
    _exit(0);
}

static void a_forked_child_leaves_it_alone(void **state)
{
    struct health *h = serve(address);
    struct process child;

    (void)state;
    assert_int_equal(process_start(&child, stop_in_the_child, h), 0);
    assert_int_equal(process_end(&child), 0);
    assert_int_equal(status_of(path, 0, "/live"), 200);
    assert_int_equal(process_start(&child, start_in_the_child, h), 0);
    assert_int_equal(process_end(&child), 0);
    assert_int_equal(status_of(path, 0, "/live"), 200);
    service_end(h);
    assert_false(is_there(path));
}

/* ---- What is no address ---- */

static void what_is_no_path_or_mode_is_refused(void **state)
{
    static const char *const lists[] = {
        "unix:",
        "unix:run/app.sock",
        "unix:./app.sock",
        "unix:@abstract",
        "unix:" HUNDRED "/1234567",
        "unix:" HUNDRED HUNDRED HUNDRED,
        "unix:/run/x?",
        "unix:/run/x?mode",
        "unix:/run/x?mode=",
        "unix:/run/x?mode=8",
        "unix:/run/x?mode=0668",
        "unix:/run/x?mode=-1",
        "unix:/run/x?mode=rw",
        "unix:/run/x?mode=0x1ff",
        "unix:/run/x?mode=01000",
        "unix:/run/x?mode=1777",
        "unix:/run/x?mode=00600",
        "unix:/run/x?mode=0600&x",
        "unix:/run/x?mode=0600 x",
        "unix:/run/x?user=root",
        "127.0.0.1:0,unix:",
        "unix:/run/x,",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct health_options options = HEALTH_OPTIONS_INIT;
        struct health *h = NULL;

        options.listen = lists[i];
        assert_refused(health_new(&h, &options), HEALTH_EINVAL, EINVAL, "listen");
        assert_null(h);
    }
}

static void the_longest_path_is_taken(void **state)
{
    char listen[160] = "unix:", *name = listen + 5;
    struct health *h;

    (void)state;
    strcat(name, directory);
    strcat(name, "/");
    while (strlen(name) < 107)
        strcat(name, "x");
    h = serve(listen);
    assert_int_equal(status_of(name, 0, "/live"), 200);
    service_end(h);
    assert_false(is_there(name));
    strcat(listen, "?mode=0660");
    h = serve(listen);
    service_end(h);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_answers_as_over_tcp),
        TEST(it_has_no_port),
        TEST(several_are_listened_on_at_once),
        TEST(stopping_ends_its_connections),
        TEST(its_mode_is_what_was_asked_for),
        TEST(who_may_not_is_kept_out_by_the_mode),
        TEST(the_file_of_a_dead_process_is_replaced),
        TEST(a_live_one_is_an_error),
        TEST(a_busy_one_is_alive),
        TEST(what_is_no_socket_is_not_replaced),
        TEST(a_directory_that_cannot_be_had_is_named),
        TEST(at_stop_only_our_own_file_is_removed),
        TEST(a_forked_child_leaves_it_alone),
        TEST(what_is_no_path_or_mode_is_refused),
        TEST(the_longest_path_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
