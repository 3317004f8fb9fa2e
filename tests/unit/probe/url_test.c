/*
 * URLs of the probe: what each kind means, every refusal with its words, and that nothing that is
 * taken can end a line of the request early.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "probe/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#define NO_ADDRESS "the host is no IP address and not localhost; names are not resolved"
#define NO_PORT    "the port is no number from 1 to 65535"
#define NO_ZONE    "a zone (%) is not supported"
#define BRACKETS   "an IPv6 address wants brackets: [::1]:80"
#define NO_MODE    "?mode= is for who listens: leave it out"
#define NO_SCHEME  "it begins with none of http://, unix:, tcp: and file:"
#define NO_AGE     "only ?max-age= with a time such as 30s can follow the file"
#define NO_BLANK   "there is a blank or a control character in the path"
#define TEN        "/123456789"
#define HUNDRED    TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct {
    const char *text;
    enum health__scheme scheme;
    const char *addresses; /* of each "ADDRESS PORT," or the path of a unix socket */
    const char *host;
    const char *path;
} taken[] = {
    /* http: the port, the path and a query in it. */
    {"http://127.0.0.1:8080/health", HEALTH__HTTP, "127.0.0.1 8080,", "127.0.0.1:8080", "/health"},
    {"http://127.0.0.1", HEALTH__HTTP, "127.0.0.1 80,", "127.0.0.1", "/health"},
    {"http://127.0.0.1/", HEALTH__HTTP, "127.0.0.1 80,", "127.0.0.1", "/"},
    {"http://10.1.2.3:65535", HEALTH__HTTP, "10.1.2.3 65535,", "10.1.2.3:65535", "/health"},
    {"http://0.0.0.0:1/x", HEALTH__HTTP, "0.0.0.0 1,", "0.0.0.0:1", "/x"},
    {"http://[::1]:8080/ready?verbose&x=y", HEALTH__HTTP, "::1 8080,", "[::1]:8080",
        "/ready?verbose&x=y"},
    {"http://[::1]", HEALTH__HTTP, "::1 80,", "[::1]", "/health"},
    {"http://[2001:db8::1]/", HEALTH__HTTP, "2001:db8::1 80,", "[2001:db8::1]", "/"},
    {"http://[::ffff:127.0.0.1]:81/", HEALTH__HTTP, "::ffff:127.0.0.1 81,", "[::ffff:127.0.0.1]:81",
        "/"},
    {"http://[1111:2222:3333:4444:5555:6666:7777:8888]:12345/", HEALTH__HTTP,
        "1111:2222:3333:4444:5555:6666:7777:8888 12345,",
        "[1111:2222:3333:4444:5555:6666:7777:8888]:12345", "/"},
    /* localhost is both. */
    {"http://localhost:8080/health", HEALTH__HTTP, "127.0.0.1 8080,::1 8080,", "localhost:8080",
        "/health"},
    {"http://localhost", HEALTH__HTTP, "127.0.0.1 80,::1 80,", "localhost", "/health"},
    /* A fragment is not sent; what else is in the path is, as it is. */
    {"http://127.0.0.1/a#b", HEALTH__HTTP, "127.0.0.1 80,", "127.0.0.1", "/a"},
    {"http://127.0.0.1#b", HEALTH__HTTP, "127.0.0.1 80,", "127.0.0.1", "/health"},
    {"http://127.0.0.1/a# b\r\n", HEALTH__HTTP, "127.0.0.1 80,", "127.0.0.1", "/a"},
    {"http://127.0.0.1//a/../%0d%0a:@\xC3\xA4", HEALTH__HTTP, "127.0.0.1 80,", "127.0.0.1",
        "//a/../%0d%0a:@\xC3\xA4"},
    /* unix: the first ":/" is where the path begins. */
    {"unix:/run/app.sock", HEALTH__HTTP, "/run/app.sock", "localhost", "/health"},
    {"unix:/run/app.sock:/ready?verbose", HEALTH__HTTP, "/run/app.sock", "localhost",
        "/ready?verbose"},
    {"unix:/run/app.sock:/", HEALTH__HTTP, "/run/app.sock", "localhost", "/"},
    {"unix:/run/a:b:/c:/d", HEALTH__HTTP, "/run/a:b", "localhost", "/c:/d"},
    {"unix:/run/a?b:/c?mode=1", HEALTH__HTTP, "/run/a?b", "localhost", "/c?mode=1"},
    {"unix:/run/a b:/c#d", HEALTH__HTTP, "/run/a b", "localhost", "/c"},
    {"unix://run/x", HEALTH__HTTP, "//run/x", "localhost", "/health"},
    {"unix:" HUNDRED "/12345:/x", HEALTH__HTTP, HUNDRED "/12345", "localhost", "/x"},
    {"unix:" HUNDRED "/123456", HEALTH__HTTP, HUNDRED "/123456", "localhost", "/health"},
    /* tcp: */
    {"tcp:127.0.0.1:5432", HEALTH__TCP, "127.0.0.1 5432,", "127.0.0.1:5432", NULL},
    {"tcp:[::1]:5432", HEALTH__TCP, "::1 5432,", "[::1]:5432", NULL},
    {"tcp:localhost:5432", HEALTH__TCP, "127.0.0.1 5432,::1 5432,", "localhost:5432", NULL},
};

static const struct {
    const char *text, *why;
} refused[] = {
    {"", NO_SCHEME},
    {"localhost:8080", NO_SCHEME},
    {"/health", NO_SCHEME},
    {"http:/127.0.0.1/", NO_SCHEME},
    {"HTTP://127.0.0.1/", NO_SCHEME},
    {" http://127.0.0.1/", NO_SCHEME},
    {"ftp://127.0.0.1/", NO_SCHEME},
    {"https://127.0.0.1/", "https is not spoken here: probe the service on its own host"},
    {"http://", "the host is missing"},
    {"http:///health", "the host is missing"},
    {"http://#x", "the host is missing"},
    {"http://127.0.0.1?x", "a query needs a path before it"},
    {"http://?x", "a query needs a path before it"},
    {"http://user@127.0.0.1/", "no user can be given"},
    {"http://user:secret@127.0.0.1/", "no user can be given"},
    {"http://" HUNDRED, "the host is missing"},
    {"http://"
     "1234567890123456789012345678901234567890123456789012345678901234567890123/",
        "the host is too long"},
    {"http://example.com/", NO_ADDRESS},
    {"http://localhost.:80/", NO_ADDRESS},
    {"http://LOCALHOST/", NO_ADDRESS},
    {"http://localhostx/", NO_ADDRESS},
    {"http://*:80/", NO_ADDRESS},
    {"http://*/", NO_ADDRESS},
    {"http://127.1/", NO_ADDRESS},
    {"http://2130706433/", NO_ADDRESS},
    {"http://0x7f.0.0.1/", NO_ADDRESS},
    {"http://127.0.0.1.:80/", NO_ADDRESS},
    {"http://127.0.0.256/", NO_ADDRESS},
    {"http://127.0.0.1:/", NO_PORT},
    {"http://127.0.0.1:0/", NO_PORT},
    {"http://127.0.0.1:65536/", NO_PORT},
    {"http://127.0.0.1:080808/", NO_PORT},
    {"http://127.0.0.1:42949672960080/", NO_PORT},
    {"http://127.0.0.1:+80/", NO_PORT},
    {"http://127.0.0.1:-1/", NO_PORT},
    {"http://127.0.0.1:80:80/", NO_ADDRESS},
    {"http://127.0.0.1:http/", NO_PORT},
    {"http://:80/", NO_ADDRESS},
    {"http://localhost:0/", NO_PORT},
    {"http://localhost:/", NO_PORT},
    {"http://localhost:80:80/", NO_ADDRESS},
    {"http://::1/", BRACKETS},
    {"http://[::1/", NO_ADDRESS},
    {"http://[]/", NO_ADDRESS},
    {"http://[:80/", NO_ADDRESS},
    {"http://[127.0.0.1]/", NO_ADDRESS},
    {"http://[fe80::1%25lo]/", NO_ZONE},
    {"http://[fe80::1%lo]:80/", NO_ZONE},
    {"http://fe80::1%lo/", NO_ZONE},
    {"tcp:[fe80::1%2]:80", NO_ZONE},
    {"http://a%62c/", NO_ADDRESS},
    {"http://fe80::1/", BRACKETS},
    {"http://2001:db8::1:8080/", BRACKETS},
    {"tcp:127.0.0.1:99999", NO_PORT},
    {"tcp:db.example:https", NO_PORT},
    {"http://[::1]80/", NO_ADDRESS},
    {"http://[localhost]/", NO_ADDRESS},
    {"http://unix:/x", NO_PORT},
    /* No list, though addresses are read as one of those that are listened on. */
    {"http://127.0.0.1:80,127.0.0.2:80/", NO_ADDRESS},
    {"http://127.0.0.1:80,/", NO_PORT},
    {"http://,127.0.0.1:80/", NO_ADDRESS},
    {"http:// 127.0.0.1:80/", "there is a blank in the host"},
    {"http://127.0.0.1:80 /", "there is a blank in the host"},
    {"http://localhost /", "there is a blank in the host"},
    {"http://127.0.0.1:80 ,/", "there is a blank in the host"},
    {"http://127.0.0.1\r\n/", NO_ADDRESS},
    {"http://127.0.0.1:80\t/", NO_PORT},
    {"http://127.0.0.1/ ", NO_BLANK},
    {"http://127.0.0.1/a b", NO_BLANK},
    {"http://127.0.0.1/\r\nX: y", NO_BLANK},
    {"http://127.0.0.1/\n", NO_BLANK},
    {"http://127.0.0.1/\x7F", NO_BLANK},
    {"http://127.0.0.1/\x01#", NO_BLANK},
    {"unix:", "the socket's path does not begin with a slash"},
    {"unix:run/app.sock", "the socket's path does not begin with a slash"},
    {"unix::/health", "the socket's path does not begin with a slash"},
    {"unix:" HUNDRED "/1234567", "the socket's path is too long"},
    {"unix:" HUNDRED HUNDRED HUNDRED ":/health", "the socket's path is too long"},
    {"unix:/run/app.sock:/a b", NO_BLANK},
    {"unix:/run/app.sock:/a\n", NO_BLANK},
    {"unix:/run/app.sock?mode=0660", NO_MODE},
    {"unix:/run/app.sock?mode=", NO_MODE},
    {"unix:/run/app.sock?mode=0660:/live", NO_MODE},
    {"tcp:", "the host is missing"},
    {"tcp:127.0.0.1", "the port is missing"},
    {"tcp:localhost", "the port is missing"},
    {"tcp:[::1]", "the port is missing"},
    {"tcp:127.0.0.1:80/", NO_PORT},
    {"tcp://127.0.0.1:80", NO_ADDRESS},
    {"tcp:::1:80", BRACKETS},
    {"tcp:unix:/run/app.sock", NO_PORT},
    {"tcp:*:80", NO_ADDRESS},
    {"tcp:db.example:5432", NO_ADDRESS},
    {"tcp:127.0.0.1:80 ", "there is a blank in the host"},
    {"file:", "the file's path does not begin with a slash"},
    {"file:alive", "the file's path does not begin with a slash"},
    {"file:?max-age=3s", "the file's path does not begin with a slash"},
    {"file:/run/alive?", NO_AGE},
    {"file:/run/alive?x", NO_AGE},
    {"file:/run/alive?max-age", NO_AGE},
    {"file:/run/alive?max-age=", NO_AGE},
    {"file:/run/alive?max-age=30", NO_AGE},
    {"file:/run/alive?max-age=s", NO_AGE},
    {"file:/run/alive?max-age=-1s", NO_AGE},
    {"file:/run/alive?max-age=1.5s", NO_AGE},
    {"file:/run/alive?max-age=30S", NO_AGE},
    {"file:/run/alive?max-age=30 s", NO_AGE},
    {"file:/run/alive?max-age=30s ", NO_AGE},
    {"file:/run/alive?max-age=30s&x", NO_AGE},
    {"file:/run/alive?max-age=1d", NO_AGE},
    {"file:/run/alive?max-age=1234567890s", NO_AGE},
    {"file:/run/alive?max-age=99999999999999999999ms", NO_AGE},
};

static const struct {
    const char *text, *path;
    int64_t max_age_ms;
} files[] = {
    {"file:/run/alive", "/run/alive", -1},
    {"file:/run/a b#c:d", "/run/a b#c:d", -1},
    {"file:/run/alive?max-age=0ms", "/run/alive", 0},
    {"file:/run/alive?max-age=250ms", "/run/alive", 250},
    {"file:/run/alive?max-age=30s", "/run/alive", 30000},
    {"file:/run/alive?max-age=5m", "/run/alive", 300000},
    {"file:/run/alive?max-age=2h", "/run/alive", 7200000},
    {"file:/run/alive?max-age=999999999h", "/run/alive", 999999999 * (int64_t)3600000},
};

/* The addresses of the URL as the table above has them. */
static void show(const struct health__url *url, char *to, size_t size)
{
    size_t length = 0;
    unsigned i;

    to[0] = '\0';
    for (i = 0; i < url->address_count; i++) {
        const struct sockaddr_storage *s = &url->addresses[i].socket;
        char text[INET6_ADDRSTRLEN];

        if (s->ss_family == AF_UNIX) {
            (void)snprintf(to, size, "%s", ((const struct sockaddr_un *)(const void *)s)->sun_path);
            assert_int_equal(
                url->addresses[i].length, offsetof(struct sockaddr_un, sun_path) + strlen(to) + 1);
            return;
        }
        if (s->ss_family == AF_INET)
            assert_non_null(inet_ntop(AF_INET,
                &((const struct sockaddr_in *)(const void *)s)->sin_addr, text, sizeof(text)));
        else
            assert_non_null(inet_ntop(AF_INET6,
                &((const struct sockaddr_in6 *)(const void *)s)->sin6_addr, text, sizeof(text)));
        length +=
            (size_t)snprintf(to + length, size - length, "%s %u,", text, health__address_port(s));
    }
}

static void what_is_asked_is_read(void **unused)
{
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        struct health__url url;
        char addresses[256];
        const char *why = health__url_read(&url, taken[i].text);

        if (why != NULL)
            fail_msg("'%s': %s", taken[i].text, why);
        assert_int_equal(url.scheme, taken[i].scheme);
        show(&url, addresses, sizeof(addresses));
        assert_string_equal(addresses, taken[i].addresses);
        assert_string_equal(url.host, taken[i].host);
        if (taken[i].path == NULL)
            continue;
        assert_int_equal(url.path_length, strlen(taken[i].path));
        assert_memory_equal(url.path, taken[i].path, url.path_length);
    }
}

static void files_are_read_with_their_age(void **unused)
{
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct health__url url;

        assert_null(health__url_read(&url, files[i].text));
        assert_int_equal(url.scheme, HEALTH__FILE);
        assert_int_equal(url.max_age_ms, files[i].max_age_ms);
        assert_int_equal(url.path_length, strlen(files[i].path));
        assert_memory_equal(url.path, files[i].path, url.path_length);
    }
}

static void what_is_wrong_is_said(void **unused)
{
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct health__url url;
        const char *why = health__url_read(&url, refused[i].text);

        if (why == NULL)
            fail_msg("'%s' is taken", refused[i].text);
        /* fail_msg() does not return.  NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
        if (strcmp(why, refused[i].why) != 0)
            fail_msg("'%s': %s", refused[i].text, why);
    }
}

static void assert_no_line_ends(const struct health__url *url)
{
    size_t i;

    assert_non_null(memchr(url->host, '\0', sizeof(url->host)));
    for (i = 0; url->host[i] != '\0'; i++)
        assert_true((unsigned char)url->host[i] > ' ' && url->host[i] != 0x7F);
    if (url->scheme != HEALTH__HTTP)
        return;
    assert_true(url->path_length > 0);
    assert_int_equal(url->path[0], '/');
    for (i = 0; i < url->path_length; i++)
        assert_true((unsigned char)url->path[i] > ' ' && url->path[i] != 0x7F);
}

/* Each of the URLs with each byte put at each place, and in place of each. */
static void no_byte_ends_a_line_of_the_request(void **unused)
{
    size_t i, at;
    unsigned c, taken_count = 0;

    (void)unused;
    for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        size_t length = strlen(taken[i].text);

        for (at = 0; at <= length; at++)
            for (c = 1; c < 512; c++) {
                char text[512];
                size_t instead = c >= 256 && at < length ? 1 : 0;
                struct health__url url;

                if (c % 256 == 0)
                    continue;
                memcpy(text, taken[i].text, at);
                text[at] = (char)(c % 256);
                memcpy(text + at + 1, taken[i].text + at + instead, length - at - instead + 1);
                if (health__url_read(&url, text) != NULL)
                    continue;
                taken_count++;
                assert_no_line_ends(&url);
            }
    }
    assert_true(taken_count > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_is_read),
        cmocka_unit_test(files_are_read_with_their_age),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(no_byte_ends_a_line_of_the_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
