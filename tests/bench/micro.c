/*
 * What is measured inside one process.  A line for each: what|figure|to reach|spread.
 *
 *   micro [PATTERN]      only those whose names hold it as a word does; "." for all
 *
 * Built with SHARED=1, and linked with the shared library, it measures the beats alone: they are so
 * short that the way there counts.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <regex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <health/health.h>

#ifndef SHARED
#define SHARED 0
#endif
#if SHARED
#define BEAT "health_beat() of libhealth.so"
#else
#define BEAT "health_beat()"
#endif

#define ROUNDS 9

static regex_t pattern;

static bool wanted(const char *name)
{
    return regexec(&pattern, name, 0, NULL, 0) == 0;
}

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    (void)fprintf(stderr, "micro: %s: %s\n", what, health_last_error());
    exit(1);
}

static double now_ns(clockid_t clock)
{
    struct timespec t;

    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Of two times, which are told to stderr. */
static double ratio(const char *name, double ours_ns, double theirs_ns)
{
    (void)fprintf(stderr, "%s: %.1f : %.1f ns\n", name, ours_ns, theirs_ns);
    return ours_ns / theirs_ns;
}

static void tell(const char *name, double ratios[ROUNDS], double limit)
{
    qsort(ratios, ROUNDS, sizeof(*ratios), by_size);
    (void)printf("%s|%.3f|%.1f|%.3f to %.3f\n", name, ratios[ROUNDS / 2], limit, ratios[0],
        ratios[ROUNDS - 1]);
    (void)fflush(stdout);
}

/* ---- Checks ---- */

static atomic_uint runs;

static enum health_status pass(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    atomic_fetch_add_explicit(&runs, 1, memory_order_relaxed);
    return HEALTH_PASS;
}

#define NAME_BYTES 13 /* with its NUL */

static void name_of(char name[NAME_BYTES], unsigned i)
{
    (void)snprintf(name, NAME_BYTES, "check-%06u", i % 1000000);
}

static void add(struct health *h, unsigned i, health_check_fn *fn, unsigned interval_ms)
{
    struct health_check check = HEALTH_CHECK_INIT;
    char name[NAME_BYTES];

    name_of(name, i);
    check.name = name;
    check.fn = fn;
    check.interval_ms = interval_ms;
    must(health_add_check(h, &check) == 0, "add");
}

static struct health *make(void)
{
    struct health *h;

    must(health_new(&h, NULL) == 0, "new");
    return h;
}

/* Large blocks, as of the table of names, are mapped, and not in use as malloc counts it. */
static size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

#define REASON "connection refused by the database"
#define UNIT   "ms"

static enum health_status say_all(struct health_result *result, void *arg)
{
    (void)arg;
    health_observe(result, 1.5, UNIT);
    atomic_fetch_add(&runs, 1);
    return health_explain(result, HEALTH_FAIL, "%s", REASON);
}

/* Of pushed ones that were reported, or of periodic ones that have been run and say all there is to
 * be said. */
static void memory_of_a_check(const char *row, bool periodic)
{
    enum { COUNT = 10000, A_DAY_MS = 86400000 };
    struct timespec pause = {0, 20000000};
    struct health *h;
    char name[NAME_BYTES], document[64];
    size_t before, bytes, length, strings = NAME_BYTES + sizeof(REASON);
    enum health_status status;
    unsigned i;

    if (!wanted(row))
        return;
    h = make();
    must(health_start(h) == 0, "start");
    atomic_store(&runs, 0);
    before = bytes_in_use();
    for (i = 0; i < COUNT; i++) {
        add(h, i, periodic ? say_all : NULL, periodic ? A_DAY_MS : 0);
        name_of(name, i);
        must(periodic || health_report(h, name, HEALTH_FAIL, "%s", REASON) == 0, "report");
    }
    if (periodic) {
        strings += sizeof(UNIT);
        while (atomic_load(&runs) < COUNT)
            (void)nanosleep(&pause, NULL);
        /* And for what the last of them have said. */
        (void)nanosleep(&pause, NULL);
    }
    /* The loop knows of all of them now, and of what they say. */
    (void)health_document(h, HEALTH_LIVE, document, sizeof(document), &length, &status);
    bytes = (bytes_in_use() - before) / COUNT - strings;
    (void)printf("%s|%zu|400|%u checks\n", row, bytes, COUNT);
    (void)fflush(stdout);
    must(health_stop(h, 10000) == 0, "stop");
    health_free(h);
}

/* How long the thousand from `first` on take to come, or to go. */
static double ns_of_thousand(struct health *h, unsigned first, bool removed)
{
    double begin = now_ns(CLOCK_THREAD_CPUTIME_ID);
    char name[NAME_BYTES];
    unsigned i;

    for (i = first; i < first + 1000; i++) {
        if (!removed) {
            add(h, i, pass, 0);
            continue;
        }
        name_of(name, i);
        must(health_remove(h, name) == 0, "remove");
    }
    return now_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
}

static void adding_and_removing(void)
{
    static const char adding[] = "adding the 100,000th check : the 1,000th";
    static const char removing[] = "removing the 100,000th check : the 1,000th";
    double added[ROUNDS], removed[ROUNDS];
    int round;

    if (!wanted(adding) && !wanted(removing))
        return;
    /* The system's memory comes in the first round, and stays: it is not what is measured. */
    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX);
    for (round = -1; round < ROUNDS; round++) {
        struct health *h = make();
        double early, late;
        unsigned i;

        early = ns_of_thousand(h, 0, false);
        for (i = 1000; i < 99000; i++)
            add(h, i, pass, 0);
        late = ns_of_thousand(h, 99000, false);
        added[round < 0 ? 0 : round] = ratio(adding, late, early);
        /* What has been added is taken note of with the next that goes. */
        add(h, 999999, pass, 0);
        must(health_remove(h, "check-999999") == 0, "remove");
        late = ns_of_thousand(h, 50000, true);
        for (i = 1000; i < 100000; i++) {
            char name[NAME_BYTES];

            name_of(name, i);
            if (i < 50000 || i >= 51000)
                must(health_remove(h, name) == 0, "remove");
        }
        early = ns_of_thousand(h, 0, true);
        removed[round < 0 ? 0 : round] = ratio(removing, late, early);
        health_free(h);
    }
    if (wanted(adding))
        tell(adding, added, 1.5);
    if (wanted(removing))
        tell(removing, removed, 1.5);
}

/* ---- Dispatch ---- */

/* A bare hand-over: a list of jobs, a thread that takes them one by one, a list of those done. */
struct job {
    struct job *next;
};

/* A job in as much memory as a check has, so that each waits for memory of its own. */
struct roomy_job {
    struct job job;
    char rest[400 - sizeof(struct job)];
};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
    struct job *queue, **queue_end, *ended, **ended_end;
    unsigned left;
    bool stop;
} hand_over = {.mutex = PTHREAD_MUTEX_INITIALIZER,
    .work = PTHREAD_COND_INITIALIZER,
    .done = PTHREAD_COND_INITIALIZER};

static void *worker(void *arg)
{
    struct job *job;

    (void)arg;
    (void)pthread_mutex_lock(&hand_over.mutex);
    while (!hand_over.stop) {
        job = hand_over.queue;
        if (job == NULL) {
            (void)pthread_cond_wait(&hand_over.work, &hand_over.mutex);
            continue;
        }
        hand_over.queue = job->next;
        if (hand_over.queue == NULL)
            hand_over.queue_end = &hand_over.queue;
        (void)pthread_mutex_unlock(&hand_over.mutex);
        (void)pass(NULL, NULL);
        (void)pthread_mutex_lock(&hand_over.mutex);
        job->next = NULL;
        *hand_over.ended_end = job;
        hand_over.ended_end = &job->next;
        if (--hand_over.left == 0)
            (void)pthread_cond_signal(&hand_over.done);
    }
    (void)pthread_mutex_unlock(&hand_over.mutex);
    return NULL;
}

enum { DUE = 10000, TIMES = 20 };

/* The processor time of one hand-over, all due at once, so many times: of jobs `stride` bytes
 * apart. */
static double ns_of_hand_over(size_t stride)
{
    static struct roomy_job memory[DUE];
    pthread_t thread;
    double begin;
    int i, time;

    hand_over.stop = false;
    hand_over.queue = hand_over.ended = NULL;
    hand_over.queue_end = &hand_over.queue;
    must(pthread_create(&thread, NULL, worker, NULL) == 0, "thread");
    begin = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (time = 0; time < TIMES; time++) {
        (void)pthread_mutex_lock(&hand_over.mutex);
        hand_over.left = DUE;
        hand_over.ended = NULL;
        hand_over.ended_end = &hand_over.ended;
        (void)pthread_mutex_unlock(&hand_over.mutex);
        for (i = 0; i < DUE; i++) {
            struct job *job = (struct job *)(void *)((char *)memory + (size_t)i * stride);

            (void)pthread_mutex_lock(&hand_over.mutex);
            job->next = NULL;
            /* A mutex forgets nothing.  NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
            *hand_over.queue_end = job;
            hand_over.queue_end = &job->next;
            (void)pthread_cond_signal(&hand_over.work);
            (void)pthread_mutex_unlock(&hand_over.mutex);
        }
        (void)pthread_mutex_lock(&hand_over.mutex);
        while (hand_over.left > 0)
            (void)pthread_cond_wait(&hand_over.done, &hand_over.mutex);
        (void)pthread_mutex_unlock(&hand_over.mutex);
    }
    begin = now_ns(CLOCK_PROCESS_CPUTIME_ID) - begin;
    (void)pthread_mutex_lock(&hand_over.mutex);
    hand_over.stop = true;
    (void)pthread_cond_signal(&hand_over.work);
    (void)pthread_mutex_unlock(&hand_over.mutex);
    (void)pthread_join(thread, NULL);
    return begin / ((double)DUE * TIMES);
}

/* The same of the library's runs: periodic checks, all due at once at the start. */
static double ns_of_run(void)
{
    struct timespec pause = {0, 20000000};
    struct health *h = make();
    double begin;
    unsigned i;

    for (i = 0; i < DUE; i++)
        add(h, i, pass, 100);
    atomic_store(&runs, 0);
    begin = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    must(health_start(h) == 0, "start");
    while (atomic_load(&runs) < DUE * TIMES)
        (void)nanosleep(&pause, NULL);
    begin = now_ns(CLOCK_PROCESS_CPUTIME_ID) - begin;
    must(health_stop(h, 10000) == 0, "stop");
    i = atomic_load(&runs);
    health_free(h);
    return begin / i;
}

static void dispatch(void)
{
    static const char name[] = "a run of a trivial callback, 10,000 due : a bare hand-over";
    static const char roomy[] =
        "a run of a trivial callback, 10,000 due : one of jobs 400 bytes apart";
    double ratios[ROUNDS], roomy_ratios[ROUNDS];
    int round;

    if (!wanted(name) && !wanted(roomy))
        return;
    for (round = 0; round < ROUNDS; round++) {
        double run = ns_of_run();

        ratios[round] = ratio(name, run, ns_of_hand_over(sizeof(struct job)));
        roomy_ratios[round] = ratio(roomy, run, ns_of_hand_over(sizeof(struct roomy_job)));
    }
    if (wanted(name))
        tell(name, ratios, 2);
    if (wanted(roomy))
        tell(roomy, roomy_ratios, 2);
}

/* ---- Beats ---- */

enum { BEATS = 5000000, THREADS = 64 };

static double ns_of_beats(struct health_heartbeat *b)
{
    double begin = now_ns(CLOCK_THREAD_CPUTIME_ID);
    int i;

    for (i = 0; i < BEATS; i++)
        health_beat(b);
    return (now_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / BEATS;
}

/* What cannot be done without: the clock, and a store. */
static double ns_of_stores(void)
{
    static _Atomic int64_t beat_at;
    double begin = now_ns(CLOCK_THREAD_CPUTIME_ID);
    int i;

    for (i = 0; i < BEATS; i++) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
        atomic_store_explicit(
            &beat_at, (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, memory_order_relaxed);
    }
    return (now_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / BEATS;
}

/* The same in a function that is called, as one of a library is. */
__attribute__((noinline)) static void store(_Atomic int64_t *beat_at)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    atomic_store_explicit(
        beat_at, (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, memory_order_relaxed);
}

static double ns_of_called_stores(void)
{
    static _Atomic int64_t beat_at;
    double begin = now_ns(CLOCK_THREAD_CPUTIME_ID);
    int i;

    for (i = 0; i < BEATS; i++)
        store(&beat_at);
    return (now_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / BEATS;
}

static struct health_heartbeat *heartbeats[THREADS];
static double each_ns[THREADS];

static void *beat(void *arg)
{
    size_t i = (size_t)(uintptr_t)arg;

    each_ns[i] = ns_of_beats(heartbeats[i]);
    return NULL;
}

static void beats(void)
{
    static const char alone[] = BEAT " : the clock and a store";
    static const char called[] = BEAT " : the clock and a store, in a function";
    static const char together[] = BEAT " in 64 threads : in one";
    double ratios[ROUNDS], called_ratios[ROUNDS], flat[ROUNDS];
    struct health *h;
    pthread_t threads[THREADS];
    char name[NAME_BYTES];
    int round;
    size_t i;

    if (!wanted(alone) && !wanted(called) && !wanted(together))
        return;
    h = make();
    for (i = 0; i < THREADS; i++) {
        name_of(name, (unsigned)i);
        must(health_add_heartbeat(h, name, 5000, 0, &heartbeats[i]) == 0, "heartbeat");
    }
    for (round = 0; round < ROUNDS; round++) {
        double one = ns_of_beats(heartbeats[0]);

        ratios[round] = ratio(alone, one, ns_of_stores());
        called_ratios[round] = ratio(called, one, ns_of_called_stores());
        if (!wanted(together))
            continue;
        for (i = 0; i < THREADS; i++)
            must(pthread_create(&threads[i], NULL, beat, (void *)(uintptr_t)i) == 0, "thread");
        for (i = 0; i < THREADS; i++)
            (void)pthread_join(threads[i], NULL);
        qsort(each_ns, THREADS, sizeof(*each_ns), by_size);
        flat[round] = ratio(together, each_ns[THREADS / 2], one);
    }
    if (wanted(alone))
        tell(alone, ratios, 1.1);
    if (wanted(called))
        tell(called, called_ratios, 1.1);
    if (wanted(together))
        tell(together, flat, 1.1);
    health_free(h);
}

int main(int argc, char **argv)
{
    if (regcomp(&pattern, argc > 1 ? argv[1] : ".", REG_EXTENDED | REG_NOSUB) != 0)
        return 2;
    if (!SHARED) {
        memory_of_a_check("memory of a check, its strings aside, bytes", false);
        memory_of_a_check(
            "memory of a periodic check with a value, its strings aside, bytes", true);
        adding_and_removing();
        dispatch();
    }
    beats();
    return 0;
}
