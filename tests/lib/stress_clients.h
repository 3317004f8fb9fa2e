/*
 * The clients of a service under stress, each thread of which has eight connections.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_STRESS_CLIENTS_H
#define TESTS_STRESS_CLIENTS_H

#include "stress_model.h"

#define STRESS_CONNECTIONS 8

/* What all threads share. */
struct stress_clients {
    struct stress_world *world;
    int port;
    int limit_ms; /* until an answer has to be there */
    uint64_t seed;
    atomic_bool ending;

    atomic_uint threads; /* that were begun */
    atomic_int open;     /* connections */
    atomic_int most;     /* of these at a time */
    atomic_ulong made, refused, lost;
};

/* A thread; `arg` is the struct above. */
void *stress_client(void *arg);

#endif
