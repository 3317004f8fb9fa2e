/*
 * A service for programs that read health endpoints, told by a file how it is:
 *
 *     service FILE [ADDRESSES]
 *
 * The first word of FILE is what its check answers: pass, warn or fail; with "unready" the check
 * passes and the ready gate is shut, and with "drain" the service says that it is going away.  It
 * listens on any port, or at ADDRESSES, prints its port, and goes on until a signal ends it or its
 * input does.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <health/health.h>

#define LOOK_MS 20

/* Reads the word; "" if there is none. */
static void read_word(const char *path, char word[16])
{
    FILE *file = fopen(path, "re");

    word[0] = '\0';
    if (file == NULL)
        return;
    if (fscanf(file, "%15s", word) != 1)
        word[0] = '\0';
    (void)fclose(file);
}

static enum health_status check_file(struct health_result *result, void *path)
{
    char word[16];

    read_word(path, word);
    if (strcmp(word, "fail") == 0)
        return health_explain(result, HEALTH_FAIL, "the file says so");
    if (strcmp(word, "warn") == 0)
        return health_explain(result, HEALTH_WARN, "the file says so");
    return HEALTH_PASS;
}

/* With NULL on any port. */
static int serve(const char *addresses)
{
    struct health_options options = HEALTH_OPTIONS_INIT;

    if (addresses == NULL)
        return health_serve(0);
    options.listen = addresses;
    return health_new(NULL, &options) == 0 ? health_start(NULL) : -1;
}

int main(int argc, char **argv)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    struct health_check check = HEALTH_CHECK_INIT;
    char word[16], ignored[256];

    if (argc != 2 && argc != 3)
        errx(2, "usage: %s FILE [ADDRESSES]", argv[0]);
    check.name = "file";
    check.fn = check_file;
    check.arg = argv[1];
    check.max_age_ms = 1;
    if (argc == 3 && serve(argv[2]) != 0)
        errx(1, "%s", health_last_error());
    if (health_add_check(NULL, &check) != 0 || (argc == 2 && serve(NULL) != 0))
        errx(1, "%s", health_last_error());
    (void)printf("%d\n", health_port(NULL));
    (void)fflush(stdout);

    for (;;) {
        read_word(argv[1], word);
        health_set_ready(NULL, strcmp(word, "unready") != 0);
        if (strcmp(word, "drain") == 0)
            health_drain(NULL);
        if (poll(&input, 1, LOOK_MS) > 0 && read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0)
            break;
    }
    if (health_stop(NULL, 5000) != 0)
        errx(1, "%s", health_last_error());
    return 0;
}
