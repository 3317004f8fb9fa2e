/*
 * Calls a fuzz target with each file of a directory, and with every beginning of each: what was
 * found stays found, without libFuzzer.
 *
 *     fuzz-x DIRECTORY
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <dirent.h>
#include <err.h>

#include "fuzz.h"

#define MAX_BYTES ((size_t)1 << 20)
#define MAX_CUTS  2000 /* of a longer file only the ends are cut */

/* Calls it with a copy of exactly these bytes, so that a tool sees what is read beyond. */
static void call(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL)
        err(1, "malloc");
    memcpy(copy, bytes, size);
    if (LLVMFuzzerTestOneInput(copy, size) != 0)
        errx(1, "the target does not return 0");
    free(copy);
}

static void replay(const char *directory, const char *name)
{
    static uint8_t bytes[MAX_BYTES];
    char path[4096];
    size_t size, cut;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    file = fopen(path, "re");
    if (file == NULL)
        err(1, "%s", path);
    size = fread(bytes, 1, sizeof(bytes), file);
    if (ferror(file) || size == sizeof(bytes))
        errx(1, "%s cannot be read, or is too long", path);
    (void)fclose(file);

    /* Said first, so that it is known which one it was. */
    (void)fprintf(stderr, "%s: %zu bytes\n", name, size);
    for (cut = size > MAX_CUTS ? size - MAX_CUTS : 0; cut <= size; cut++)
        call(bytes, cut);
}

int main(int argc, char **argv)
{
    struct dirent *entry;
    unsigned count = 0;
    DIR *directory;

    if (argc != 2)
        errx(2, "usage: %s DIRECTORY", argv[0]);
    directory = opendir(argv[1]);
    if (directory == NULL)
        err(1, "%s", argv[1]);
    while ((entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.') {
            replay(argv[1], entry->d_name);
            count++;
        }
    (void)closedir(directory);
    if (count == 0)
        errx(1, "%s is empty", argv[1]);
    return 0;
}
