/*
 * A day of a service in a few minutes: so many probes over so many seconds of a clock that is set
 * by hand, while checks pass, fail, are slow, hang, are removed and added again, and heartbeats
 * stop and go on.
 *
 *   soak-day [PROBES [SECONDS [SEED]]]
 *
 * The engine and its documents are as they are; the program is the loop's thread, the workers, the
 * service and those who ask.  Each answer is compared with a model that is simple: what was last
 * said, and when.  Afterwards there is as much memory in use as before, and all the time not more
 * than in the first tenth; descriptors and threads stay as many.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "day.h"
#include "process.h"
#include "reply_by_hand.h"

#define REQUESTS     1024
#define WALL_MS      1795508100000
#define GROWTH_BYTES 131072

struct asked {
    struct health__waiter waiter;
    struct health__request request;
    bool used;
    int64_t by;
};

struct day day;

static struct health__engine *const e = &day.h.engine;
static struct health__answers answers;
static struct asked requests[REQUESTS];

unsigned day_random(unsigned below)
{
    uint64_t x = day.random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    day.random = x;
    return (unsigned)((x >> 11) % below);
}

/* ---- Answers ---- */

/* What does not pass is listed, and what passes where all is. */
static void compare_items(const struct health__request *q, const char *bytes)
{
    static const char *const words[] = {"pass", "warn", "fail"};
    bool all = q->verbose || q->only != NULL || q->endpoint == HEALTH__AT_HEALTH;
    char item[64];
    size_t i;

    for (i = 0; i < DAY_SLOTS; i++) {
        struct day_slot *s = &day.slots[i];
        bool counts = day_counts(s, q);
        enum health_status status = counts ? day_told(s, q->endpoint) : HEALTH_PASS;

        (void)snprintf(item, sizeof(item), "\"%s\":[{\"status\":\"%s\"", s->name, words[status]);
        day_must((strstr(bytes, item) != NULL) == (counts && (all || status != HEALTH_PASS)));
    }
}

static void complain(const struct health__request *q, enum health_status status, const char *bytes)
{
    size_t i;

    (void)fprintf(stderr, "endpoint %d, excluded %s: %s\n", (int)q->endpoint,
        q->exclude_count > 0 ? q->excludes : "none", bytes);
    (void)fprintf(stderr, "it should be %d:", (int)status);
    for (i = 0; i < DAY_SLOTS; i++)
        if (day_counts(&day.slots[i], q))
            (void)fprintf(
                stderr, " %s %d", day.slots[i].name, (int)day_told(&day.slots[i], q->endpoint));
    (void)fputc('\n', stderr);
    day_must(!"the status of the model");
}

static void compare(const struct health__request *q)
{
    struct health__answer answer = health__answer(&answers, q);
    enum health_status status = day_expected(q);

    if (q->only != NULL && !answer.found) {
        size_t i;

        for (i = 0; i < DAY_SLOTS; i++)
            day_must(day.slots[i].check == NULL || strcmp(day.slots[i].name, q->only) != 0);
        return;
    }
    day_must(answer.found && answer.reply != NULL);
    if (answer.status != status)
        complain(q, status, answer.reply->bytes);
    day.fails += status == HEALTH_FAIL;
    day.warns += status == HEALTH_WARN;
    compare_items(q, answer.reply->bytes);
    if (!answer.kept)
        replies_drop((struct health__reply *)(uintptr_t)answer.reply);
}

static void waited(struct health__waiter *waiter)
{
    struct asked *a = health__container(waiter, struct asked, waiter);

    day_must(a->used && day.now <= a->by);
    a->used = false;
    compare(&a->request);
}

/* What was asked for is run if, and only if, what there is is too old. */
static void compare_runs(const struct health__request *q)
{
    size_t i;

    health__pool_hand_over(&day.h.engine.pool);
    for (i = 0; i < DAY_SLOTS; i++) {
        struct day_slot *s = &day.slots[i];
        bool wanted =
            day_counts(s, q) && s->policy.kind == HEALTH__ON_DEMAND && !s->running &&
            (s->heard_at == HEALTH__NOT_YET || day.now - s->heard_at > s->policy.max_age_ms);

        if (s->check != NULL && s->policy.kind == HEALTH__ON_DEMAND && !s->running)
            day_must((s->check->job.state == HEALTH__JOB_QUEUED) == wanted);
    }
}

/* ---- Time ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When something happens next by itself. */
static int64_t next_event(void)
{
    int64_t next = health__timers_next(&e->timers);
    size_t i;

    for (i = 0; i < DAY_SLOTS; i++)
        if (day.slots[i].running)
            next = earlier(next, day.slots[i].ends_at);
    for (i = 0; i < DAY_GHOSTS; i++)
        if (day.ghosts[i].check != NULL)
            next = earlier(next, day.ghosts[i].ends_at);
    if (!health__list_empty(&e->waiters))
        next = earlier(
            next, health__container(e->waiters.next, struct health__waiter, link)->deadline);
    return next;
}

static void live_until(int64_t end)
{
    int64_t next;

    while ((next = next_event()) <= end) {
        day_must(next >= day.now);
        day.now = next;
        hand_at(&day.h, day.now);
        day_end_runs();
        day_turn();
    }
    day.now = end;
    hand_at(&day.h, day.now);
}

/* ---- Those who ask ---- */

static struct asked *ask_for(void)
{
    static const enum health__endpoint endpoints[] = {HEALTH__AT_LIVE, HEALTH__AT_LIVE,
        HEALTH__AT_LIVE, HEALTH__AT_READY, HEALTH__AT_READY, HEALTH__AT_READY, HEALTH__AT_STARTUP,
        HEALTH__AT_HEALTH};
    struct asked *a = requests;
    unsigned other = day_random(32);

    while (a < requests + REQUESTS && a->used)
        a++;
    day_must(a < requests + REQUESTS);
    memset(a, 0, sizeof(*a));
    a->request.endpoint = endpoints[day_random(8)];
    a->request.details = day_random(2);
    a->request.verbose = other == 0;
    if (other == 1) {
        a->request.excludes = day.slots[day_random(DAY_SLOTS)].name;
        a->request.exclude_count = 1;
    } else if (other == 2) {
        a->request.endpoint = HEALTH__AT_HEALTH;
        a->request.only = day.slots[day_random(DAY_SLOTS)].name;
    }
    return a;
}

static void probe(void)
{
    struct asked *a = ask_for();
    /* Once startup has passed nothing is run for it. */
    bool runs = a->request.endpoint != HEALTH__AT_STARTUP || !day.latched;

    health__answer_question(&answers, &a->request, &a->waiter.question);
    day.probes++;
    a->by = day.now + HAND_RESPONSE_MS;
    a->waiter.ready = waited;
    a->used = true;
    if (health__engine_ask(e, &a->waiter)) {
        day.waited++;
        compare_runs(&a->request);
    } else {
        a->used = false;
        if (runs)
            compare_runs(&a->request);
        compare(&a->request);
    }
    day_begin_runs();
}

/* ---- The day ---- */

static void begin_day(uint64_t seed)
{
    size_t i;

    day.random = seed;
    day.now = DAY_BEGIN_MS;
    day.started = day.ready = true;
    hand_open(&day.h, day.now);
    fake_clock_set_wall(WALL_MS);
    answers_open(&answers, &day.h);
    for (i = 0; i < DAY_SLOTS; i++) {
        (void)snprintf(day.slots[i].name, sizeof(day.slots[i].name), "check-%zu", i);
        day_add(&day.slots[i]);
    }
    day_turn();
}

/* Everything goes, and has gone. */
static void end_day(void)
{
    size_t i;

    for (i = 0; i < DAY_SLOTS; i++)
        if (day.slots[i].check != NULL)
            day_remove(&day.slots[i]);
    day_turn();
    live_until(day.now + 1000000);
    day_must(day.removed == day.added && day.released == day.removed);
    for (i = 0; i < REQUESTS; i++)
        day_must(!requests[i].used);
    answers_close(&answers);
    hand_close(&day.h);
}

static void print_line(unsigned long probes, int64_t ms)
{
    (void)printf("%3d h %2d min: %lu probes, %zu bytes, %d descriptors, %d threads\n",
        (int)(ms / 3600000), (int)(ms / 60000 % 60), probes, day_bytes(), process_descriptors(0),
        process_threads(0));
    (void)fflush(stdout);
}

static void live(unsigned long probes, int64_t ms)
{
    int descriptors = process_descriptors(0), threads = process_threads(0);
    unsigned long i, tenth = probes / 10;
    size_t warm = 0, bytes;

    for (i = 0; i < probes; i++) {
        live_until(DAY_BEGIN_MS + (int64_t)((double)ms * ((double)i + day_random(1000) / 1000.0) /
                                            (double)probes));
        day_serve();
        probe();
        if (i % 64 == 0) {
            bytes = day_bytes();
            if (i < tenth && bytes > warm)
                warm = bytes;
            day_must(i < tenth || bytes <= warm + GROWTH_BYTES);
        }
        if (tenth > 0 && i % tenth == 0) {
            day_must(process_descriptors(0) == descriptors && process_threads(0) == threads);
            print_line(i, day.now - DAY_BEGIN_MS);
        }
    }
    print_line(probes, day.now - DAY_BEGIN_MS);
}

static uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
    return argc > i ? strtoull(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    unsigned long probes = (unsigned long)argument(argc, argv, 1, 100000);
    int64_t seconds = (int64_t)argument(argc, argv, 2, 7200);
    uint64_t seed = argument(argc, argv, 3, 1);
    size_t before;

    (void)setvbuf(stdout, NULL, _IOLBF, 1024);
    (void)printf("%lu probes in %" PRId64 " s, seed %" PRIu64 "\n", probes, seconds, seed);
    /* What is made at the first use stays. */
    begin_day(seed);
    end_day();
    before = day_bytes();
    memset(&day, 0, sizeof(day));
    begin_day(seed);
    live(probes, seconds * 1000);
    end_day();
    (void)printf(
        "%lu probes, of which %lu waited; %lu times fail, %lu warn; %lu runs, %lu too slow; "
        "%lu checks added; %lu beats missed; %zu bytes more than before\n",
        day.probes, day.waited, day.fails, day.warns, day.runs, day.hung, day.added, day.misses,
        day_bytes() - before);
    day_must(day_bytes() == before);
    day_must(probes < 10000 || (day.waited > 0 && day.fails > 0 && day.hung > 0 && day.misses > 0));
    return 0;
}
