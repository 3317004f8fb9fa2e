/*
 * What fuzz targets have in common: the function that is called with each input, and what must
 * hold.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns: 0; what should hold and does not ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The input as a string of its own, up to its first NUL; to be given to free(). */
static inline char *fuzz_string(const uint8_t *data, size_t size)
{
    size_t length = strnlen((const char *)data, size);
    char *text = malloc(length + 1);

    FUZZ_CHECK(text != NULL);
    if (length > 0)
        memcpy(text, data, length);
    text[length] = '\0';
    return text;
}

/* What is left of an input that is taken piece by piece. */
struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

/* The next byte; 0 where there is none. */
static inline unsigned fuzz_byte(struct fuzz_input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

/* The next `size` bytes, with zeros for those that there are not. */
static inline void fuzz_bytes(struct fuzz_input *in, void *to, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++)
        ((uint8_t *)to)[i] = (uint8_t)fuzz_byte(in);
}

/* The next string, up to a NUL, as fuzz_string(). */
static inline char *fuzz_take(struct fuzz_input *in)
{
    char *text = fuzz_string(in->at, in->left);
    size_t length = strlen(text);

    in->at += length;
    in->left -= length;
    (void)fuzz_byte(in);
    return text;
}

#endif
