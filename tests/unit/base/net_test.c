/*
 * Addresses: which lists are read and how, who is local, who counts as one party.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "base/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

/* "FAMILY HOST PORT" of an address that was read. */
static const char *shown(const struct health__address *a)
{
    static char text[INET6_ADDRSTRLEN + 32];
    char host[INET6_ADDRSTRLEN] = "?";
    const void *bytes;

    if (a->socket.ss_family == AF_INET) {
        assert_int_equal(a->length, sizeof(struct sockaddr_in));
        bytes = &((const struct sockaddr_in *)(const void *)&a->socket)->sin_addr;
    } else {
        assert_int_equal(a->socket.ss_family, AF_INET6);
        assert_int_equal(a->length, sizeof(struct sockaddr_in6));
        bytes = &((const struct sockaddr_in6 *)(const void *)&a->socket)->sin6_addr;
    }
    assert_non_null(inet_ntop(a->socket.ss_family, bytes, host, sizeof(host)));
    (void)snprintf(
        text, sizeof(text), "%s%s %u", a->any ? "* " : "", host, health__address_port(&a->socket));
    return text;
}

static void each_form_is_read(void **unused)
{
    static const struct {
        const char *text, *means;
    } forms[] = {
        {"*:8080", "* :: 8080"},
        {"*:0", "* :: 0"},
        {"127.0.0.1:8080", "127.0.0.1 8080"},
        {"0.0.0.0:1", "0.0.0.0 1"},
        {"255.255.255.255:65535", "255.255.255.255 65535"},
        {"[::1]:8080", "::1 8080"},
        {"[::]:0", ":: 0"},
        {"[2001:db8:0:0:1::ffff]:00080", "2001:db8::1:0:0:ffff 80"},
        {"[::ffff:192.0.2.1]:443", "::ffff:192.0.2.1 443"},
        {"[abcd:ef01:2345:6789:abcd:ef01:255.255.255.255]:65535",
            "abcd:ef01:2345:6789:abcd:ef01:ffff:ffff 65535"},
    };
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct health__address a;
        const char *list = forms[i].text;

        assert_null(health__address_parse(&list, &a));
        assert_null(list);
        assert_string_equal(shown(&a), forms[i].means);
        assert_string_equal(a.text, forms[i].text);
    }
}

static void unix_sockets_are_read_with_their_mode(void **unused)
{
    static const struct {
        const char *text, *path;
        unsigned mode;
    } forms[] = {
        {"unix:/run/health.sock", "/run/health.sock", 0600},
        {"unix:/x", "/x", 0600},
        {"unix:/run/a:b@c", "/run/a:b@c", 0600},
        {"unix:/run/health.sock?mode=0660", "/run/health.sock", 0660},
        {"unix:/run/health.sock?mode=666", "/run/health.sock", 0666},
        {"unix:/run/health.sock?mode=0", "/run/health.sock", 0},
        {"unix:/run/health.sock?mode=0777", "/run/health.sock", 0777},
    };
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct health__address a;
        const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&a.socket;
        const char *list = forms[i].text;

        assert_null(health__address_parse(&list, &a));
        assert_null(list);
        assert_int_equal(a.socket.ss_family, AF_UNIX);
        assert_string_equal(un->sun_path, forms[i].path);
        assert_int_equal(
            a.length, offsetof(struct sockaddr_un, sun_path) + strlen(forms[i].path) + 1);
        assert_int_equal(a.mode, forms[i].mode);
        assert_string_equal(a.text, forms[i].text);
        assert_int_equal(health__address_port(&a.socket), 0);
        assert_false(a.any);
    }
}

/* As long as the kernel takes, with its final NUL, and no longer. */
static void the_path_of_a_unix_socket_has_its_length(void **unused)
{
    struct health__address a;
    char text[256] = "unix:/";
    const char *list = text;
    size_t longest = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

    (void)unused;
    memset(text + 6, 'x', longest - 1);
    assert_null(health__address_parse(&list, &a));
    (void)strcat(text, "?mode=0660");
    list = text;
    assert_null(health__address_parse(&list, &a));
    assert_string_equal(a.text, text);
    text[5 + longest] = 'x';
    text[5 + longest + 1] = '\0';
    list = text;
    assert_non_null(health__address_parse(&list, &a));
}

static void a_list_is_read_from_the_front(void **unused)
{
    const char *list = "  *:8080 ,127.0.0.1:81,  [::1]:82  ";
    struct health__address a;

    (void)unused;
    assert_null(health__address_parse(&list, &a));
    assert_string_equal(shown(&a), "* :: 8080");
    assert_string_equal(a.text, "*:8080");
    assert_string_equal(list, "127.0.0.1:81,  [::1]:82  ");
    assert_null(health__address_parse(&list, &a));
    assert_string_equal(shown(&a), "127.0.0.1 81");
    assert_null(health__address_parse(&list, &a));
    assert_string_equal(shown(&a), "::1 82");
    assert_string_equal(a.text, "[::1]:82");
    assert_null(list);
}

static void what_is_no_address_is_refused_and_touches_nothing(void **unused)
{
    static const char *const bad[] = {
        "",
        " ",
        ",",
        ",*:80",
        " ,*:80",
        "*",
        "*:",
        ":80",
        ":",
        "80",
        "*:65536",
        "*:99999",
        "*:000080",
        "*:-1",
        "*:+80",
        "*: 80",
        "* :80",
        "*:80x",
        "*:0x50",
        "**:80",
        "localhost:80",
        "example.com:80",
        "127.0.0.1",
        "127.0.0.1.:80",
        "127.0.0:80",
        "127.1:80",
        "256.0.0.1:80",
        "127.0.0.01:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1]:",
        "[::1:80",
        "::1]:80",
        "[]:80",
        "[:80",
        "]:80",
        "[127.0.0.1]:80",
        "[*]:80",
        "[::g]:80",
        "[fe80::1%lo]:80",
        "[1:2:3:4:5:6:7]:80",
        "http://127.0.0.1:80",
        "unix:",
        "unix:run/health.sock",
        "unix:@health",
        "unix:?mode=0660",
        "unix:/run/health.sock?",
        "unix:/run/health.sock?mode=",
        "unix:/run/health.sock?mode=0680",
        "unix:/run/health.sock?mode=1777",
        "unix:/run/health.sock?mode=00660",
        "unix:/run/health.sock?mode=660x",
        "unix:/run/health.sock?mode=-1",
        "unix:/run/health.sock?group=0660",
        "unix:/run/health.sock?mode=0660?mode=0660",
        "UNIX:/run/health.sock",
        "*:80\n",
        "\t*:80",
        "*:80;*:81",
        "*:80 *:81",
        "0123456789012345678901234567890123456789012345678901234567890123456789:80",
    };
    struct health__address a, before;
    size_t i;

    (void)unused;
    memset(&a, 0x5A, sizeof(a));
    memcpy(&before, &a, sizeof(a));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *list = bad[i];

        if (health__address_parse(&list, &a) == NULL)
            fail_msg("read: %s", bad[i]);
        assert_ptr_equal(list, bad[i]);
        assert_memory_equal(&a, &before, sizeof(a));
    }
}

/* Of what is wrong, the sentence names the part. */
static void what_is_wrong_is_said(void **unused)
{
#define TEN     "1234567890"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
    static const char port[] = "the port is no number from 0 to 65535",
                      no_port[] = "the port is missing",
                      host[] = "the host is no IP address and not *: names are not resolved",
                      brackets[] = "an IPv6 address wants brackets: [::1]:80",
                      slash[] = "the socket's path does not begin with a slash",
                      mode[] = "the mode is not one to four octal digits, 0777 at most",
                      query[] = "only ?mode= can follow the socket's path",
                      path[] = "the socket's path is longer than the kernel's 107 bytes";
    static const struct {
        const char *text, *wrong;
    } bad[] = {
        {"127.0.0.1:70000", port},
        {"127.0.0.1:", port},
        {"*:-1", port},
        {"127.0.0.1", no_port},
        {"8080", no_port},
        {"[::1]", no_port},
        {"[::1]80", no_port},
        {"db.example.com:5432", host},
        {"localhost:80", host},
        {":80", host},
        {"[::g]:80", host},
        {"256.0.0.1:80", host},
        {"::1:80", brackets},
        {"unix:relative.sock", slash},
        {"unix:", slash},
        {"unix:/x?mode=9", mode},
        {"unix:/x?mode=1777", mode},
        {"unix:/x?mode=00660", mode},
        {"unix:/x?mode=", mode},
        {"unix:/x?mod=0600", query},
        {"unix:/x?", query},
        {"unix:/" HUNDRED "1234567", path},
        {"unix:/" HUNDRED HUNDRED, "it is too long"},
    };
    struct health__address a;
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *list = bad[i].text, *wrong = health__address_parse(&list, &a);

        assert_non_null(wrong);
        assert_string_equal(wrong, bad[i].wrong);
    }
    assert_int_equal(sizeof(((struct sockaddr_un *)0)->sun_path) - 1, 107);
}

static void ports_are_read(void **unused)
{
    (void)unused;
    assert_int_equal(health__address_parse_port("0"), 0);
    assert_int_equal(health__address_parse_port("00080"), 80);
    assert_int_equal(health__address_parse_port("65535"), 65535);
    assert_int_equal(health__address_parse_port("65536"), -1);
    assert_int_equal(health__address_parse_port("000080"), -1);
    assert_int_equal(health__address_parse_port("80 "), -1);
    assert_int_equal(health__address_parse_port(""), -1);
}

static void a_file_that_is_no_socket_is_known(void **unused)
{
    struct health__address a;
    const char *list = "unix:/dev/null";

    (void)unused;
    assert_null(health__address_parse(&list, &a));
    assert_true(health__address_is_no_socket(&a));
    list = "unix:/dev/null/x";
    assert_null(health__address_parse(&list, &a));
    assert_false(health__address_is_no_socket(&a));
    list = "*:80";
    assert_null(health__address_parse(&list, &a));
    assert_false(health__address_is_no_socket(&a));
}

static void no_length_of_text_is_too_much(void **unused)
{
    struct health__address a;
    char text[200] = "";
    size_t length;

    (void)unused;
    for (length = 1; length < sizeof(text); length++) {
        const char *list = text;

        text[length - 1] = '1';
        assert_non_null(health__address_parse(&list, &a));
    }
}

static void a_comma_wants_another_address(void **unused)
{
    const char *list = "*:80,";
    struct health__address a;

    (void)unused;
    assert_null(health__address_parse(&list, &a));
    assert_non_null(list);
    assert_non_null(health__address_parse(&list, &a));
}

static void blanks_around_an_address_do_not_count(void **unused)
{
    struct health__address a;
    char text[2 * sizeof(a.text) + 8];
    const char *list = text;

    (void)unused;
    (void)snprintf(
        text, sizeof(text), "%*s%-*s", (int)sizeof(a.text), "", (int)sizeof(a.text), "*:80");
    assert_null(health__address_parse(&list, &a));
    assert_null(list);
    assert_string_equal(a.text, "*:80");
}

/* The socket address that a peer at "HOST", IPv4 or IPv6, would have. */
static socklen_t peer(struct sockaddr_storage *to, const char *host)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)to;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)to;

    memset(to, 0, sizeof(*to));
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(40000);
        return sizeof(*in);
    }
    assert_int_equal(inet_pton(AF_INET6, host, &in6->sin6_addr), 1);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(40000);
    return sizeof(*in6);
}

static void the_same_host_is_local_and_no_other(void **unused)
{
    static const char *const local[] = {"127.0.0.1", "::1", "::ffff:127.0.0.1"};
    static const char *const other[] = {"127.0.0.2", "127.1.0.1", "0.0.0.0", "10.0.0.1",
        "1.0.0.127", "::", "::2", "::127.0.0.1", "::ffff:127.0.0.2", "::ffff:10.0.0.1",
        "0:0:1::ffff:127.0.0.1", "0:0:1::1", "::1:0:0:1", "64:ff9b::127.0.0.1", "fe80::1",
        "2001:db8::1"};
    struct sockaddr_storage s;
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
        socklen_t length = peer(&s, local[i]);

        assert_true(health__address_is_local((struct sockaddr *)&s, length));
        /* No address at all: what accept() leaves of a peer without one. */
        assert_false(health__address_is_local((struct sockaddr *)&s, 0));
        assert_false(health__address_is_local((struct sockaddr *)&s, 1));
    }
    for (i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        socklen_t length = peer(&s, other[i]);

        if (health__address_is_local((struct sockaddr *)&s, length))
            fail_msg("local: %s", other[i]);
    }
    assert_true(health__address_is_local((struct sockaddr *)&un, sizeof(un)));
    un.sun_family = AF_UNSPEC;
    assert_false(health__address_is_local((struct sockaddr *)&un, sizeof(un)));
    un.sun_family = AF_UNIX;
    /* What accept() leaves of a client that has no name, as it has bound none. */
    assert_true(health__address_is_local((struct sockaddr *)&un, sizeof(sa_family_t)));
}

static unsigned source(const char *host)
{
    struct sockaddr_storage s;
    socklen_t length = peer(&s, host);

    return health__address_source((struct sockaddr *)&s, length);
}

static void a_source_is_an_ipv4_address_or_an_ipv6_64(void **unused)
{
    struct sockaddr_storage s;
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
    unsigned seen[256];
    unsigned i, j;

    (void)unused;
    assert_int_equal(source("192.0.2.1"), source("::ffff:192.0.2.1"));
    assert_int_equal(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_int_not_equal(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
    assert_int_not_equal(source("2001:db8:1:2::1"), source("2001:db9:1:2::1"));
    assert_int_not_equal(source("192.0.2.1"), source("193.0.2.1"));
    for (i = 0; i < 256; i++) {
        char host[16];

        (void)snprintf(host, sizeof(host), "192.0.2.%u", i);
        seen[i] = source(host);
        for (j = 0; j < i; j++)
            assert_int_not_equal(seen[i], seen[j]);
    }

    /* The port does not matter. */
    (void)peer(&s, "192.0.2.7");
    ((struct sockaddr_in *)(void *)&s)->sin_port = 0;
    assert_int_equal(
        health__address_source((struct sockaddr *)&s, sizeof(struct sockaddr_in)), seen[7]);

    /* All without an address are one. */
    assert_int_equal(health__address_source((struct sockaddr *)&s, 0), 0);
    (void)health__address_source((struct sockaddr *)&un, sizeof(un));
}

static void the_port_is_that_of_either_family(void **unused)
{
    struct sockaddr_storage s;

    (void)unused;
    (void)peer(&s, "192.0.2.1");
    assert_int_equal(health__address_port(&s), 40000);
    (void)peer(&s, "2001:db8::1");
    assert_int_equal(health__address_port(&s), 40000);
    s.ss_family = AF_UNIX;
    assert_int_equal(health__address_port(&s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_read),
        cmocka_unit_test(unix_sockets_are_read_with_their_mode),
        cmocka_unit_test(the_path_of_a_unix_socket_has_its_length),
        cmocka_unit_test(a_list_is_read_from_the_front),
        cmocka_unit_test(what_is_no_address_is_refused_and_touches_nothing),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(ports_are_read),
        cmocka_unit_test(a_file_that_is_no_socket_is_known),
        cmocka_unit_test(no_length_of_text_is_too_much),
        cmocka_unit_test(a_comma_wants_another_address),
        cmocka_unit_test(blanks_around_an_address_do_not_count),
        cmocka_unit_test(the_same_host_is_local_and_no_other),
        cmocka_unit_test(a_source_is_an_ipv4_address_or_an_ipv6_64),
        cmocka_unit_test(the_port_is_that_of_either_family),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
