/*
 * The probe as a program.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <health/probe.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_URL "http://localhost:8080/health"

static const char usage[] =
    "Usage: health-probe [-v] [--timeout MS] [URL]\n"
    "Asks whether a service is healthy: exits 0 if it is, else 1, and says why in one line.\n\n"
    "  http://HOST[:PORT][/PATH]    it answers GET with 2xx\n"
    "  unix:/SOCKET[:/PATH]         the same over a unix socket\n"
    "  tcp:HOST:PORT                it accepts a connection\n"
    "  file:/PATH[?max-age=30s]     the file is there, and was touched within that time\n\n"
    "HOST is an IP address or localhost.  URL is by default $HEALTH_PROBE_URL, else\n" DEFAULT_URL
    ".\n\n"
    "  --timeout MS   for everything together (2000)\n"
    "  -v             say so as well if it is healthy\n"
    "  --help         this\n";

struct options {
    const char *url;
    unsigned timeout_ms;
    bool verbose;
    bool help;
};

/* There is nothing to be done if it cannot be said. */
static void say(int fd, const char *text)
{
    size_t length = strlen(text);

    while (length > 0) {
        ssize_t written = write(fd, text, length);

        if (written <= 0)
            return;
        text += written;
        length -= (size_t)written;
    }
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
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            o->help = true;
        } else if (strncmp(argv[i], timeout, sizeof(timeout) - 1) == 0) {
            const char *behind = argv[i] + sizeof(timeout) - 1;

            if (*behind == '=')
                value = behind + 1;
            else if (*behind == '\0' && i + 1 < argc)
                value = argv[++i];
            o->timeout_ms = value != NULL ? read_timeout(value) : 0;
            if (o->timeout_ms == 0)
                return "--timeout wants a number of ms from 1 to 3600000";
        } else if (argv[i][0] == '-') {
            return "there is no such option";
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
    struct options options = {.url = NULL};
    const char *wrong = read_arguments(&options, argc, argv);
    int result;

    if (wrong != NULL) {
        say(STDERR_FILENO, "health-probe: ");
        say(STDERR_FILENO, wrong);
        say(STDERR_FILENO, "\nTry --help.\n");
        return 1;
    }
    if (options.help) {
        say(STDOUT_FILENO, usage);
        return 0;
    }
    if (options.url == NULL)
        options.url = getenv("HEALTH_PROBE_URL");
    if (options.url == NULL || options.url[0] == '\0')
        options.url = DEFAULT_URL;

    result =
        health_probe(options.url, options.timeout_ms, reason, HEALTH_PROBE_REASON_MAX_BYTES + 1);
    strcat(reason, "\n");
    if (result < 0) {
        say(STDERR_FILENO, "health-probe: ");
        say(STDERR_FILENO, reason);
    } else if (result > 0 || options.verbose) {
        say(STDOUT_FILENO, reason);
    }
    return result == 0 ? 0 : 1;
}
