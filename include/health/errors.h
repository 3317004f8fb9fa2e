/*
 * libhealth: the errors, each named once.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_ERRORS_H
#define HEALTH_ERRORS_H

/*
 * HEALTH_ERRORS(X): every error as X(name, value, text).
 *
 * The enum below and health_strerror() are made from this list.  Values never change meaning and
 * are never used again; new ones are added at the end.  errno, set beside the error, tells the
 * cause.
 */
#define HEALTH_ERRORS(X)                                                                           \
    X(HEALTH_EINVAL, -1, "an argument is not valid")                                               \
    X(HEALTH_ENOMEM, -2, "out of memory")                                                          \
    X(HEALTH_EEXIST, -3, "there is one of this name already")                                      \
    X(HEALTH_ENOENT, -4, "there is none of this name")                                             \
    X(HEALTH_EBUSY, -5, "a callback is still running, or the instance is being stopped")           \
    X(HEALTH_EDEADLK, -6, "a thread of the library cannot wait for itself")                        \
    X(HEALTH_ENOTSUP, -7, "a newer header asks for what this library does not know")               \
    X(HEALTH_EALREADY, -8, "the instance is started already")                                      \
    X(HEALTH_ESTOPPED, -9, "the instance is not started")                                          \
    X(HEALTH_ELISTEN, -10, "an address cannot be listened on")                                     \
    X(HEALTH_ESYSTEM, -11, "the system has no thread or descriptor to give")                       \
    X(HEALTH_ENOBUFS, -12, "the document is longer than the buffer")

enum {
#define HEALTH_ERROR_ENUM(name, value, text) name = (value),
    HEALTH_ERRORS(HEALTH_ERROR_ENUM)
#undef HEALTH_ERROR_ENUM
};

#endif
