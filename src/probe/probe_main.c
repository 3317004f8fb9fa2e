/*
 * The probe as a program.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <health/probe.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "probe/connect.h"

#define DEFAULT_URL "http://localhost:8080/health"

static const char usage[] =
    "Usage: health-probe [-v] [--timeout MS] [URL]\n"
    "Exits 0 if it is healthy, else 1, and says why in one line.\n\n"
    "  http://HOST[:PORT][/PATH]    it answers GET with 2xx\n"
    "  unix:/SOCKET[:/PATH]         the same over a unix socket\n"
    "  tcp:HOST:PORT                it accepts a connection\n"
    "  file:/PATH[?max-age=30s]     the file is there, and was touched within that time\n\n"
    "HOST is an IP address or localhost.\n"
    "URL is by default $HEALTH_PROBE_URL, else " DEFAULT_URL "\n\n"
    "  --timeout MS   for everything together (2000)\n"
    "  -v             say so if it is healthy\n";

struct options {
    const char *url;
    unsigned timeout_ms;
    bool verbose;
};

/* Writes as much as is taken until the deadline.  What is shorter than PIPE_BUF finds room in any
 * pipe that poll() sees room in. */
static void write_until(int fd, const char *text, int64_t deadline)
{
    size_t length = strlen(text);

    while (length > 0) {
        struct pollfd waiting = {.fd = fd, .events = POLLOUT};
        ssize_t written;

        if (poll(&waiting, 1, health__connect_left_ms(deadline)) < 0 && errno == EINTR)
            continue;
        if ((waiting.revents & POLLOUT) == 0)
            return;
        written = write(fd, text, length);
        if (written < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (written <= 0)
            return;
        text += written;
        length -= (size_t)written;
    }
}

/* There is nothing to be done if it cannot be said: not even to be killed by SIGPIPE, whose handler
 * is the host's.  It is sent to the thread that writes; and of one that was not pending before,
 * nothing is left. */
static void say(int fd, const char *text, int64_t deadline)
{
    static const struct timespec now = {0, 0};
    sigset_t broken, before, pending;

    (void)sigemptyset(&broken);
    (void)sigaddset(&broken, SIGPIPE);
    (void)sigemptyset(&pending);
    (void)sigpending(&pending);
    /* Of Linux, for the calling thread alone.  NOLINTNEXTLINE(concurrency-mt-unsafe) */
    (void)sigprocmask(SIG_BLOCK, &broken, &before);
    write_until(fd, text, deadline);
    if (sigismember(&pending, SIGPIPE) == 0)
        while (sigtimedwait(&broken, NULL, &now) < 0 && errno == EINTR)
            ;
    /* As above.  NOLINTNEXTLINE(concurrency-mt-unsafe) */
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Returns: 0 if it is no number from 1 to an hour. */
static unsigned read_timeout(const char *s)
{
    unsigned value = 0;
    size_t i;

    for (i = 0; s[i] >= '0' && s[i] <= '9' && i < 7; i++)
        value = value * 10 + (unsigned)(s[i] - '0');
    return s[i] == '\0' && value <= 3600000 ? value : 0;
}

/* Reads the arguments.  Returns: NULL, or what is wrong with them. */
static const char *read_arguments(struct options *o, int argc, char **argv)
{
    static const char timeout[] = "--timeout";
    int i;

    for (i = 1; i < argc; i++) {
        const char *value = NULL;

        if (strcmp(argv[i], "-v") == 0) {
            o->verbose = true;
        } else if (strncmp(argv[i], timeout, sizeof(timeout) - 1) == 0) {
            const char *behind = argv[i] + sizeof(timeout) - 1;

            if (*behind == '=')
                value = behind + 1;
            else if (*behind == '\0' && i + 1 < argc)
                value = argv[++i];
            o->timeout_ms = value != NULL ? read_timeout(value) : 0;
            if (o->timeout_ms == 0)
                return "--timeout wants a number of ms from 1 to 3600000";
        } else if (strcmp(argv[i], "--help") == 0) {
            return "--help stands alone"; /* so that no health check succeeds by it */
        } else if (argv[i][0] == '-') {
            return "there is no such option";
        } else if (argv[i][0] == '\0') {
            return "the URL is empty";
        } else if (o->url != NULL) {
            return "there is more than one URL";
        } else {
            o->url = argv[i];
        }
    }
    return NULL;
}

int health_probe_main(int argc, char **argv)
{
    char reason[HEALTH_PROBE_REASON_MAX_BYTES + 2];
    struct options options = {.timeout_ms = HEALTH__CONNECT_DEFAULT_MS};
    int64_t begun = health__connect_now_ms();
    bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
    const char *wrong = help ? NULL : read_arguments(&options, argc, argv);
    int64_t deadline = begun + options.timeout_ms;
    int result;

    if (help) {
        say(STDOUT_FILENO, usage, deadline);
        return 0;
    }
    if (wrong != NULL) {
        deadline = begun + HEALTH__CONNECT_DEFAULT_MS;
        say(STDERR_FILENO, "health-probe: ", deadline);
        say(STDERR_FILENO, wrong, deadline);
        say(STDERR_FILENO, "\nTry --help.\n", deadline);
        return 1;
    }
    if (options.url == NULL)
        /* As of any main().  NOLINTNEXTLINE(concurrency-mt-unsafe) */
        options.url = getenv("HEALTH_PROBE_URL");
    if (options.url == NULL || options.url[0] == '\0')
        options.url = DEFAULT_URL;

    result =
        health_probe(options.url, options.timeout_ms, reason, HEALTH_PROBE_REASON_MAX_BYTES + 1);
    /* It has been left room.  NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.strcpy) */
    strcat(reason, "\n");
    if (result < 0) {
        say(STDERR_FILENO, "health-probe: ", deadline);
        say(STDERR_FILENO, reason, deadline);
    } else if (result > 0 || options.verbose) {
        say(STDOUT_FILENO, reason, deadline);
    }
    return result == 0 ? 0 : 1;
}
