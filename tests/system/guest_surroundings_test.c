/*
 * What a host changes about its process does not matter: its locale, its directory, its umask, its
 * user; before the start or after.
 *
 * Locales are made with localedef, where there is one.  What changes something that cannot be taken
 * back happens in a child.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "client.h"
#include "document.h"
#include "process.h"
#include "service.h"
#include "tasks.h"

#define TIMEOUT_MS 20000
#define NOBODY     65534
#define BODY_BYTES 4096

static char directory[] = "/tmp/guest-surroundings-XXXXXX";

/* ---- Locales ---- */

/* Makes a locale in the directory, as localedef(1).  Returns: whether it is there. */
static bool make_locale(const char *input, const char *charmap, const char *name)
{
    char path[256];
    int status;
    pid_t pid;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        (void)close(1);
        (void)close(2);
        (void)execlp("localedef", "localedef", "-c", "--no-archive", "-i", input, "-f", charmap,
            path, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           access(path, R_OK) == 0;
}

/* Everything that has a number, a time or a letter in it. */
static enum health_status tell(struct health_result *result, void *arg)
{
    (void)arg;
    health_observe(result, 1234567.875, "I/s");
    return health_explain(result, HEALTH_WARN, "IiIi: %d", 1234567);
}

static struct health *start(struct health *started)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;
    struct health *h = started;

    options.listen = "127.0.0.1:0";
    options.response_ms = TIMEOUT_MS;
    options.version = "1.5";
    if (h == NULL)
        h = service_start(&options);
    check.name = "IiIi";
    check.fn = tell;
    check.timeout_ms = TIMEOUT_MS;
    assert_int_equal(health_add_check(h, &check), 0);
    service_add_pushed(h, "pushed", 0);
    assert_int_equal(health_report(h, "pushed", HEALTH_WARN, "%s", "well"), 0);
    return h;
}

/* The body of an answer with each digit of a time, and of how long it took, as 0. */
static void read_body(int port, const struct client_request *asked, char body[BODY_BYTES])
{
    struct client_request q = *asked;
    struct response r;
    char *p;

    q.port = port;
    client_ask(&q, &r);
    assert_true(strlen(r.body) < BODY_BYTES);
    (void)strcpy(body, r.body);
    response_free(&r);
    for (p = body; (p = strstr(p, "20")) != NULL; p++)
        if (p[4] == '-')
            for (; *p != '"'; p++)
                *p = (char)(*p >= '0' && *p <= '9' ? '0' : *p);
    p = strstr(body, "\"durationMs\":");
    for (p = p != NULL ? p + 13 : body + strlen(body); *p != '\0' && *p != ',' && *p != '}';)
        memmove(p, p + 1, strlen(p));
}

/* What is asked: the plain thing, and headers in which letters are as no client writes them, but
 * may.  That they say something of who asks must be seen in every language. */
static const struct client_request asked[] = {
    {.target = "/health"},
    {.target = "/health", .headers = "VIA: 1.1 somewhere\r\n"},
    {.target = "/health", .headers = "via: 1.1 somewhere\r\n"},
    {.target = "/health", .headers = "X-FORWARDED-FOR: 10.0.0.1\r\n"},
    {.target = "/health", .headers = "x-forwarded-client-identity: 1\r\n"},
    {.target = "/health", .headers = "TRANSFER-ENCODING: chunked\r\nCONTENT-LENGTH: 1\r\n"},
    {.target = "/health", .headers = "transfer-encoding: chunked\r\ncontent-length: 1\r\n"},
    {.target = "/health/IiIi?VERBOSE&exclude=pushed"},
    {.target = "/HEALTH"},
};
#define ASKED (sizeof(asked) / sizeof(asked[0]))

static char expected[ASKED][BODY_BYTES];

static void read_expected(void)
{
    struct health *h;
    size_t i;

    assert_non_null(setlocale(LC_ALL, "C"));
    h = start(NULL);
    for (i = 0; i < ASKED; i++)
        read_body(service_port(h), &asked[i], expected[i]);
    /* Two spellings of the same say the same. */
    assert_string_equal(expected[1], expected[2]);
    assert_string_equal(expected[5], expected[6]);
    assert_string_not_equal(expected[0], expected[1]);
    service_end(h);
}

static void assert_as_expected(struct health *h)
{
    char body[BODY_BYTES];
    size_t i;

    for (i = 0; i < ASKED; i++) {
        read_body(service_port(h), &asked[i], body);
        if (strcmp(body, expected[i]) != 0)
            fail_msg("in %s: %zu: %s instead of %s", setlocale(LC_ALL, NULL), i, body, expected[i]);
    }
}

static void in_the_locale(const char *input, const char *charmap)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    char name[64];
    struct health *h;

    (void)snprintf(name, sizeof(name), "%s.%s", input, charmap);
    if (!make_locale(input, charmap, name)) {
        print_message("NOT TESTED: localedef cannot make %s here\n", name);
        skip();
    }
    assert_int_equal(setenv("LOCPATH", directory, 1), 0);
    read_expected();

    /* Before it starts. */
    assert_non_null(setlocale(LC_ALL, name));
    h = start(NULL);
    assert_as_expected(h);
    service_end(h);

    /* After. */
    assert_non_null(setlocale(LC_ALL, "C"));
    options.listen = "127.0.0.1:0";
    options.response_ms = TIMEOUT_MS;
    options.version = "1.5";
    h = service_start(&options);
    assert_non_null(setlocale(LC_ALL, name));
    (void)start(h);
    assert_as_expected(h);
    service_end(h);
    assert_non_null(setlocale(LC_ALL, "C"));
}

static void numbers_are_as_json_has_them(void **state)
{
    char text[16];

    (void)state;
    in_the_locale("de_DE", "UTF-8");
    assert_non_null(setlocale(LC_ALL, "de_DE.UTF-8"));
    (void)snprintf(text, sizeof(text), "%.1f", 0.5);
    assert_string_equal(text, "0,5");
    assert_non_null(setlocale(LC_ALL, "C"));
}

/* There i and I are two letters. */
static void letters_are_as_http_has_them(void **state)
{
    (void)state;
    in_the_locale("tr_TR", "ISO-8859-9");
    assert_non_null(setlocale(LC_ALL, "tr_TR.ISO-8859-9"));
    assert_int_not_equal(tolower('I'), 'i');
    assert_non_null(setlocale(LC_ALL, "C"));
}

/* ---- Directories and masks ---- */

static int ask_unix(const char *path)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct client c = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct response r;
    int status = 0;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (connect(c.fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        fcntl(c.fd, F_SETFL, O_NONBLOCK) == 0 &&
        client_send(&c, request, sizeof(request) - 1) == 0 &&
        client_read(&c, false, &r, client_deadline(TIMEOUT_MS)) == CLIENT_OK) {
        status = r.status;
        response_free(&r);
    }
    client_close(&c);
    return status;
}

static struct health *start_unix(const char *name, const char *query, char path[64])
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    char listen[128];

    (void)snprintf(path, 64, "%s/%s", directory, name);
    (void)snprintf(listen, sizeof(listen), "unix:%s%s", path, query);
    options.listen = listen;
    return service_start(&options);
}

static void another_directory_is_as_good(void **state)
{
    char path[64], before[4096];
    struct health *h, *tcp = service_start(NULL);

    (void)state;
    assert_non_null(getcwd(before, sizeof(before)));
    h = start_unix("chdir", "", path);
    assert_int_equal(ask_unix(path), 200);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(ask_unix(path), 200);
    assert_int_equal(client_status(service_port(tcp), "/health"), 200);
    service_end(h);
    /* It was cleaned up all the same. */
    assert_int_equal(access(path, F_OK), -1);
    service_end(tcp);
    assert_int_equal(chdir(before), 0);
}

static void the_mode_of_a_socket_is_what_was_asked_for(void **state)
{
    static const struct {
        mode_t umask, mode;
        const char *query;
    } cases[] = {
        {0, 0600, ""},
        {0777, 0600, ""},
        {0, 0666, "?mode=0666"},
        {0777, 0660, "?mode=0660"},
        {0022, 0777, "?mode=777"},
        {0077, 0620, "?mode=620"},
    };
    char path[64];
    struct stat s;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mode_t before = umask(cases[i].umask);
        struct health *h = start_unix("umask", cases[i].query, path);

        assert_int_equal(umask(0), cases[i].umask); /* and it is still the host's */
        assert_int_equal(stat(path, &s), 0);
        assert_int_equal(s.st_mode & 07777, cases[i].mode);
        assert_int_equal(ask_unix(path), 200);
        service_end(h);
        assert_int_equal(access(path, F_OK), -1);
        (void)umask(before);
    }
}

/* ---- Users ---- */

/* Whether all threads, ours too, are of the user. */
static bool all_are(uid_t user)
{
    char text[64];
    pid_t tids[32];
    int count = tasks_list(tids, 32), i;

    for (i = 0; i < count; i++)
        if (!tasks_status(tids[i], "Uid", text, sizeof(text)) || strtoul(text, NULL, 10) != user)
            return false;
    return count > 0;
}

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    return HEALTH_PASS;
}

static int add_periodic(struct health *h)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = "often";
    check.fn = pass;
    check.interval_ms = 20;
    check.timeout_ms = TIMEOUT_MS;
    return health_add_check(h, &check);
}

static int become_nobody(struct process *self, void *arg)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;
    struct client c;
    struct response r;
    int i;

    (void)self;
    (void)arg;
    options.listen = "127.0.0.1:0";
    PROCESS_CHECK(health_new(&h, &options) == 0);
    PROCESS_CHECK(add_periodic(h) == 0);
    PROCESS_CHECK(health_start(h) == 0);
    PROCESS_CHECK(client_open(&c, "127.0.0.1", health_port(h)) == 0);
    PROCESS_CHECK(client_print(&c, "GET /live HTTP/1.1\r\nHost: test\r\n\r\n") == 0);
    PROCESS_CHECK(client_read(&c, false, &r, client_deadline(TIMEOUT_MS)) == CLIENT_OK);
    response_free(&r);

    PROCESS_CHECK(setgid(NOBODY) == 0);
    PROCESS_CHECK(setuid(NOBODY) == 0);
    /* libc tells each thread by a signal of its own, which ours have open. */
    PROCESS_CHECK(all_are(NOBODY));
    for (i = 0; i < 20; i++)
        PROCESS_CHECK(client_try_status(health_port(h), "/live") == 200);
    PROCESS_CHECK(client_print(&c, "GET /live HTTP/1.1\r\nHost: test\r\n\r\n") == 0);
    PROCESS_CHECK(client_read(&c, false, &r, client_deadline(TIMEOUT_MS)) == CLIENT_OK);
    response_free(&r);
    client_close(&c);
    PROCESS_CHECK(health_stop(h, TIMEOUT_MS) == 0);
    PROCESS_CHECK(health_start(h) == 0);
    PROCESS_CHECK(client_try_status(health_port(h), "/live") == 200);
    PROCESS_CHECK(health_stop(h, TIMEOUT_MS) == 0);
    health_free(h);

    /* As nobody from the start. */
    options.listen = "unix:/root/no/place.sock";
    PROCESS_CHECK(health_new(&h, &options) == 0);
    PROCESS_CHECK(health_start(h) == HEALTH_ELISTEN);
    PROCESS_CHECK(errno == EACCES || errno == ENOENT);
    health_free(h);
    options.listen = "127.0.0.1:0";
    PROCESS_CHECK(health_new(&h, &options) == 0);
    PROCESS_CHECK(health_start(h) == 0);
    PROCESS_CHECK(client_try_status(health_port(h), "/health") == 200);
    PROCESS_CHECK(health_stop(h, TIMEOUT_MS) == 0);
    health_free(h);
    return 0;
}

static void another_user_is_as_good(void **state)
{
    struct process p;

    (void)state;
    if (geteuid() != 0) {
        print_message("NOT TESTED: only root may become another user\n");
        skip();
    }
    assert_int_equal(process_start(&p, become_nobody, NULL), 0);
    assert_int_equal(process_end(&p), 0);
}

/* ---- All ---- */

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    return system(command); /* NOLINT(cert-env33-c): a name of our own */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_as_json_has_them),
        cmocka_unit_test(letters_are_as_http_has_them),
        cmocka_unit_test(another_directory_is_as_good),
        cmocka_unit_test(the_mode_of_a_socket_is_what_was_asked_for),
        cmocka_unit_test(another_user_is_as_good),
    };

    return cmocka_run_group_tests_name(
        "guest_surroundings", tests, make_directory, remove_directory);
}
