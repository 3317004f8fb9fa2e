/*
 * A day of a service: what its parts share.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef SOAK_DAY_H
#define SOAK_DAY_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "answer/answer.h"
#include "by_hand.h"

#define DAY_SLOTS    24
#define DAY_GHOSTS   256 /* runs of checks that are gone */
#define DAY_BEGIN_MS 100000000

/* A check, and what the model knows of it. */
struct day_slot {
    char name[16];
    struct health__check *check; /* NULL: there is none */
    struct health__policy policy;
    bool advisory;

    bool running;
    int64_t queued_at, ends_at;
    int returns;

    bool idle;        /* a heartbeat is */
    int64_t heard_at; /* the last word; the registration of what has to speak by itself; NOT_YET */
    int64_t silent_until, next_word_at;
    bool forced; /* by time: until the next word */
    enum health_status status;
    bool pending;
    unsigned bad, good;
};

/* A run that goes on without its check. */
struct day_ghost {
    struct health__check *check; /* NULL: none */
    int64_t ends_at;
};

extern struct day {
    struct hand h;
    int64_t now;
    uint64_t random;
    struct day_slot slots[DAY_SLOTS];
    struct day_ghost ghosts[DAY_GHOSTS];
    bool started, ready, latched;

    /* What there was. */
    unsigned long probes, waited, runs, hung, added, removed, released, fails, warns, misses;
} day;

#define day_must(condition)                                                                        \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: after %lu probes, at %" PRId64 ": not so: %s\n",         \
                __FILE__, __LINE__, day.probes, day.now - DAY_BEGIN_MS, #condition);               \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* A number below `below`. */
unsigned day_random(unsigned below);

/* ---- day_model.c: what answers have to be ---- */

/* Whether the run in progress is late; whether the last word is too old. */
bool day_is_late(const struct day_slot *s);
bool day_is_too_old(const struct day_slot *s);

/* A result or report has come. */
void day_hear(struct day_slot *s, int said);

/* What a request is told of a check, and of the whole, now. */
enum health_status day_told(struct day_slot *s, enum health__endpoint endpoint);
bool day_counts(const struct day_slot *s, const struct health__request *q);
enum health_status day_expected(const struct health__request *q);

/* ---- day_service.c: what happens ---- */

/* Takes what is queued, and decides how it will go; what the loop does in one turn, and the
 * workers behind it; ends what is due. */
void day_begin_runs(void);
void day_turn(void);
void day_end_runs(void);

void day_add(struct day_slot *s);
void day_remove(struct day_slot *s);

/* Something, at random. */
void day_serve(void);

/* ---- day_memory.c ---- */

/* How many bytes the library, and this program, have in use. */
size_t day_bytes(void);

#endif
