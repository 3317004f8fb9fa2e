/*
 * Whatever is asked of a server, it answers or closes, tells the truth, and answers the next one.
 *
 * An input's first byte says what the rest is: where it is even, a request target; else the bytes
 * of a connection.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <health/health.h>

#include "fuzz.h"
#include "paths.h"

#define WAIT_MS        10000
#define MAX_PARAMETERS 30
#define MUCH_BYTES     1000
#define PLAIN_BYTES    400 /* of a target: so much always has room in what libmicrohttpd has */

static struct health *health;
static char directory[] = "/tmp/fuzz-server-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int kept = -1; /* a connection that is open */

static void end(void)
{
    (void)health_stop(health, WAIT_MS);
    health_free(health);
    (void)rmdir(directory);
}

static void begin(void)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;
    char listen[sizeof(address.sun_path) + 8];

    FUZZ_CHECK(mkdtemp(directory) != NULL);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
    (void)snprintf(listen, sizeof(listen), "unix:%s", address.sun_path);
    options.listen = listen;
    FUZZ_CHECK(health_new(&health, &options) == 0);
    check.name = "up";
    check.probes = HEALTH_LIVE | HEALTH_READY | HEALTH_STARTUP;
    FUZZ_CHECK(health_add_check(health, &check) == 0);
    check.name = "down";
    check.probes = HEALTH_ALL;
    FUZZ_CHECK(health_add_check(health, &check) == 0);
    FUZZ_CHECK(health_report(health, "up", HEALTH_PASS, NULL) == 0);
    FUZZ_CHECK(health_report(health, "down", HEALTH_FAIL, "it is \"down\"") == 0);
    FUZZ_CHECK(health_start(health) == 0);
    (void)atexit(end);
}

static int open_connection(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    FUZZ_CHECK(fd >= 0);
    FUZZ_CHECK(connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

/* Sends as much of it as the server takes.  Returns: false if it has closed. */
static bool send_all(int fd, const void *bytes, size_t size)
{
    size_t sent = 0;

    while (sent < size) {
        ssize_t count = send(fd, (const char *)bytes + sent, size - sent, MSG_NOSIGNAL);

        if (count < 0)
            return false;
        sent += (size_t)count;
    }
    return true;
}

/* Reads what comes next.  Returns: 0 at the end. */
static size_t receive(int fd, char *to, size_t size)
{
    struct pollfd source = {fd, POLLIN, 0};
    ssize_t count;
    int ready;

    /* libFuzzer has an alarm. */
    do {
        ready = poll(&source, 1, WAIT_MS);
    } while (ready < 0 && errno == EINTR);
    FUZZ_CHECK(ready == 1);
    count = recv(fd, to, size, 0);
    FUZZ_CHECK(count >= 0 || errno == ECONNRESET);
    return count > 0 ? (size_t)count : 0;
}

/* ---- One request, of which all is known ---- */

static char response[1 << 16]; /* the last, with a NUL */

/* Reads the whole response.  Returns: its code; 0 if the connection was closed instead. */
static int read_response(int fd, const char **ret_body, size_t *ret_length)
{
    size_t have = 0, length = 0, count;
    char *body = NULL, *field;
    int code = 0;

    do {
        count = receive(fd, response + have, sizeof(response) - 1 - have);
        if (count == 0) {
            FUZZ_CHECK(have == 0);
            return 0;
        }
        have += count;
        response[have] = '\0';
        if (body == NULL && (body = strstr(response, "\r\n\r\n")) != NULL) {
            body += 4;
            FUZZ_CHECK(sscanf(response, "HTTP/1.1 %3d ", &code) == 1);
            field = strstr(response, "\r\nContent-Length: ");
            FUZZ_CHECK(field != NULL && field < body);
            length = strtoul(field + 18, NULL, 10);
        }
    } while (body == NULL || have < (size_t)(body - response) + length);
    /* Nothing is behind it. */
    FUZZ_CHECK(have == (size_t)(body - response) + length);
    *ret_body = body;
    *ret_length = length;
    return code;
}

static int ask(const char *target, const char **ret_body, size_t *ret_length)
{
    static char request[1 << 15];
    int length = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target),
        code = 0, tries;

    FUZZ_CHECK(length > 0 && (size_t)length < sizeof(request));
    /* It may have closed the connection after the last answer. */
    for (tries = 0; code == 0 && tries < 2; tries++) {
        if (kept < 0)
            kept = open_connection();
        if (send_all(kept, request, (size_t)length))
            code = read_response(kept, ret_body, ret_length);
        if (code == 0 || strcasestr(response, "\r\nConnection: close\r\n") != NULL) {
            (void)close(kept);
            kept = -1;
        }
    }
    return code;
}

static void check_document(
    const char *body, size_t length, int code, enum health__endpoint endpoint)
{
    json_t *root = json_loadb(body, length, JSON_REJECT_DUPLICATES, NULL), *checks;
    const char *status;

    FUZZ_CHECK(root != NULL);
    status = json_string_value(json_object_get(root, "status"));
    FUZZ_CHECK(status != NULL && strcmp(status, code == 200 ? "pass" : "fail") == 0);
    FUZZ_CHECK(strstr(response, "\r\nContent-Type: application/health+json\r\n") != NULL);
    checks = json_object_get(root, "checks");
    if (json_object_get(checks, "down") != NULL)
        FUZZ_CHECK(code == 503);
    else
        FUZZ_CHECK(code == 200);
    FUZZ_CHECK(endpoint == HEALTH__AT_HEALTH || code == 200);
    json_decref(root);
}

/* ---- What the code should be ---- */

enum { LONGER_THAN_NAMES = 64 };

struct excludes {
    bool down, bad;
    bool unsure; /* there may be a limit */
};

static void exclude(const char *value, struct excludes *e)
{
    char *name = malloc(strlen(value) + 1);

    FUZZ_CHECK(name != NULL);
    if (!paths_decode(value, name)) {
        e->bad = true;
    } else {
        e->down |= strcmp(name, "down") == 0;
        e->unsure |= strlen(name) > LONGER_THAN_NAMES;
    }
    free(name);
}

/* What a query excludes; libmicrohttpd makes a blank of each plus. */
static struct excludes excludes_of(const char *query)
{
    struct excludes e = {.down = false};
    char *copy = strdup(query), *rest = copy, *one, *value;

    FUZZ_CHECK(copy != NULL);
    for (one = copy; *one != '\0'; one++)
        if (*one == '+')
            *one = ' ';
    while ((one = strsep(&rest, "&")) != NULL) {
        value = strchr(one, '=');
        if (value == NULL)
            continue;
        *value++ = '\0';
        if (strcmp(one, "exclude") == 0)
            exclude(value, &e);
    }
    free(copy);
    return e;
}

/* `name`: the one check that is asked for, or NULL. */
static int code_of(enum health__endpoint endpoint, const char *name, const struct excludes *e)
{
    bool passes = name != NULL ? strcmp(name, "up") == 0 : e->down;

    if (e->bad)
        return 404;
    return endpoint != HEALTH__AT_HEALTH || passes ? 200 : 503;
}

static size_t parameters_of(const char *target)
{
    const char *at = strchr(target, '?');
    size_t count = 0;

    for (; at != NULL; at = strchr(at + 1, '&'))
        count++;
    return count;
}

/* Whether it is more than docs/limits.md allows. */
static bool is_too_long(const char *target)
{
    size_t length = strlen(target), parameters = parameters_of(target);

    return parameters > MAX_PARAMETERS || length + 64 * parameters > 3600;
}

static void check_target(const char *target)
{
    size_t length = strlen(target), path_length = strcspn(target, "?"), body_length = 0;
    char *path = strndup(target, path_length), *name = malloc(length + 1);
    const char *asked, *body = NULL;
    enum health__endpoint endpoint;
    struct excludes excludes =
        excludes_of(target[path_length] == '?' ? target + path_length + 1 : "");
    bool ours, known = true;
    int code = ask(target, &body, &body_length);

    FUZZ_CHECK(path != NULL && name != NULL);
    ours = paths_is_ours(paths_path_of(path), &endpoint, &asked);
    if (ours && asked != NULL)
        known = paths_decode(asked, name) && (strcmp(name, "up") == 0 || strcmp(name, "down") == 0);
    if (is_too_long(target))
        FUZZ_CHECK(code == 414);
    else if (length > PLAIN_BYTES && code != 200 && code != 503 && code != 404)
        FUZZ_CHECK(code == 0 || code == 413 || code == 414 || code == 431);
    else if (!ours || !known)
        FUZZ_CHECK(code == 404);
    else if (!excludes.unsure)
        FUZZ_CHECK(code == code_of(endpoint, asked != NULL ? name : NULL, &excludes));
    if (code == 200 || code == 503)
        check_document(body, body_length, code, endpoint);
    free(path);
    free(name);
}

/* ---- Bytes of which nothing is known ---- */

static void check_connection(const uint8_t *bytes, size_t size)
{
    /* So that every head has an end, and every connection: what is begun is waited for. */
    static const char last[] = "\r\n\r\nGET /live HTTP/1.0\r\n\r\n";
    static char some[1 << 16];
    int fd = open_connection();
    size_t have = 0, count;

    if (send_all(fd, bytes, size) && send_all(fd, last, strlen(last)))
        (void)shutdown(fd, SHUT_WR);
    /* What it answers is looked at only in its first bytes. */
    while ((count = receive(fd, some + have, sizeof(some) - have)) > 0)
        have = have + count < sizeof(some) / 2 ? have + count : sizeof(some) / 2;
    FUZZ_CHECK(have < 9 || strncmp(some, "HTTP/1.", 7) == 0);
    (void)close(fd);
}

/* Whether libmicrohttpd may forget a request until its time is up: what stands before the target,
 * or behind a NUL, we do not see; see docs/limits.md. */
static bool is_forgotten(const uint8_t *bytes, size_t size)
{
    const uint8_t *query = memchr(bytes, '?', size);
    size_t count = 1, i;

    if (query == NULL)
        return false;
    for (i = (size_t)(query - bytes); i < size; i++)
        count += bytes[i] == '&';
    return query - bytes > MUCH_BYTES ||
           (count > MAX_PARAMETERS && memchr(bytes, '\0', size) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char live[] = "/live";
    struct fuzz_input in = {data, size};
    unsigned first = fuzz_byte(&in);
    char *target;
    size_t i;

    if (health == NULL)
        begin();
    if (first % 2 != 0) {
        if (is_forgotten(in.at, in.left))
            return 0;
        check_connection(in.at, in.left);
        check_target(live);
        return 0;
    }
    target = fuzz_string(in.at, in.left);
    for (i = 0; target[i] > ' ' && target[i] < 0x7F; i++)
        continue;
    if (i > 0 && target[i] == '\0' && i < 1 << 14)
        check_target(target);
    free(target);
    return 0;
}
