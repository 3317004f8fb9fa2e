/*
 * A service of eight threads that add, remove, report, beat, gate, query, stop and start at random,
 * under 64 connections that ask; callbacks, threads and locks take random times.  Every answer is
 * judged by a model of what may be told, stress_model.h; and what is promised of callbacks and
 * releases is looked at where they are called.
 *
 * It goes on for HEALTH_STRESS_SECONDS (60; 30 where a tool makes all slow), in rounds, each with
 * an instance of its own, the first of which warms up: after each of the others there is no more
 * memory, and there are no more descriptors and threads, than after that.  HEALTH_STRESS_SEED makes
 * the same choices again.  For more than ctest's time limit: HEALTH_STRESS_SECONDS=3600
 * build/release/tests/system-stress.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* timeout: 300 */
/* serial */
/* wrap: pthread_mutex_lock epoll_wait MHD_run */
#include <arpa/inet.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "client.h"
#include "process.h"
#include "refused.h"
#include "stress_clients.h"
#include "stress_model.h"
#include "stress_service.h"

#define CLIENTS      8 /* threads, with eight connections each */
#define WARM_UP_MS   3000
#define ROUND_MS     10000
#define IMPATIENT_MS 150   /* that requests wait for checks in every other round */
#define PATIENT_MS   30000 /* and in the others: longer than any takes */
#define ANSWER_MS    8000  /* until an answer has to be there, with what waits before it */
#define HURRIED_MS   2000  /* the same in a round without patience, beside what requests wait */
#define RELEASE_MS   30000
#define LATE_MS      400 /* of the loop: less than half of what it takes for a freeze */
#define GROWTH_BYTES 65536

/* ---- Delays ---- */

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_epoll_wait(int fd, struct epoll_event *events, int size, int timeout_ms);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int size, int timeout_ms);

struct MHD_Daemon;
int __real_MHD_run(struct MHD_Daemon *daemon);
int __wrap_MHD_run(struct MHD_Daemon *daemon);

static atomic_bool disturbing;
static atomic_uint turns, stalls;
static struct stress_service service;

/* One call in a few takes a moment longer. */
static void disturb(void)
{
    static _Thread_local uint64_t random;

    if (!atomic_load_explicit(&disturbing, memory_order_relaxed))
        return;
    if (random == 0)
        random = atomic_fetch_add(&service.seed, 1);
    if (stress_random(&random, 64) == 0)
        (void)sched_yield();
    if (stress_random(&random, 2048) == 0)
        stress_linger(&random, 1000);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    int error;

    disturb();
    error = __real_pthread_mutex_lock(mutex);
    if (error == 0)
        disturb();
    return error;
}

/* Between what the loop has read of what the service says and what it reads of requests. */
int __wrap_MHD_run(struct MHD_Daemon *daemon)
{
    static _Thread_local uint64_t random;

    if (random == 0)
        random = atomic_fetch_add(&service.seed, 1);
    if (stress_random(&random, 16) == 0)
        stress_linger(&random, 3000);
    return __real_MHD_run(daemon);
}

static void note_stall(int64_t since, int64_t limit_ms)
{
    int64_t now = stress_now();

    if (now - since > (limit_ms + LATE_MS) * STRESS_MS) {
        atomic_store(&service.world.stalled_at, now);
        (void)atomic_fetch_add(&stalls, 1);
    }
}

/* The loop's: when it is late the library may take that for a freeze, and give checks time. */
int __wrap_epoll_wait(int fd, struct epoll_event *events, int size, int timeout_ms)
{
    static _Thread_local int64_t awake_at;
    int count;

    if (awake_at != 0)
        note_stall(awake_at, 0);
    (void)atomic_fetch_add(&turns, 1);
    disturb();
    awake_at = stress_now();
    count = __real_epoll_wait(fd, events, size, timeout_ms);
    disturb();
    if (timeout_ms >= 0)
        note_stall(awake_at, timeout_ms);
    awake_at = stress_now();
    return count;
}

/* ---- Rounds ---- */

/* A port that stays ours while nobody listens: below those that the kernel gives away. */
static int free_port(uint64_t *random)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd, port = 0, i;

    for (i = 0; port == 0 && i < 100; i++) {
        in.sin_port = htons((uint16_t)(20000 + stress_random(random, 12000)));
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        if (bind(fd, (const struct sockaddr *)(const void *)&in, sizeof(in)) == 0)
            port = ntohs(in.sin_port);
        (void)close(fd);
    }
    assert_int_not_equal(port, 0);
    return port;
}

static size_t memory_in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return PROCESS_SANITIZED ? 0 : info.uordblks + info.hblkhd;
}

/* What there was in all rounds. */
struct figures {
    unsigned long judged, shown, steps, runs, changes, restarts, stuck, removes, busy_removes;
    unsigned long made, refused, lost;
    unsigned rounds;
    int most;
};

static void count_round(struct figures *f, struct stress_clients *c)
{
    f->rounds++;
    f->judged += atomic_load(&service.world.judged);
    f->shown += atomic_load(&service.world.shown);
    f->steps += atomic_load(&service.steps);
    f->runs += atomic_load(&service.runs);
    f->changes += atomic_load(&service.changes);
    f->restarts += atomic_load(&service.restarts);
    f->stuck += atomic_load(&service.stuck);
    f->removes += atomic_load(&service.removes);
    f->busy_removes += atomic_load(&service.busy_removes);
    f->made += atomic_load(&c->made);
    f->refused += atomic_load(&c->refused);
    f->lost += atomic_load(&c->lost);
    if (atomic_load(&c->most) > f->most)
        f->most = atomic_load(&c->most);
}

static void run_threads(struct stress_clients *clients, int ms)
{
    pthread_t servers[STRESS_THREADS], askers[CLIENTS];
    int i;

    for (i = 0; i < STRESS_THREADS; i++)
        assert_int_equal(pthread_create(&servers[i], NULL, stress_serve, &service.threads[i]), 0);
    for (i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&askers[i], NULL, stress_client, clients), 0);
    (void)poll(NULL, 0, ms);
    atomic_store(&service.ending, true);
    for (i = 0; i < STRESS_THREADS; i++)
        assert_int_equal(pthread_join(servers[i], NULL), 0);
    atomic_store(&clients->ending, true);
    for (i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_join(askers[i], NULL), 0);
}

/* An instance, from the first to the last.  In two rounds of three it is freed as it is, with
 * callbacks on their way; the last of them to return takes everything with it. */
static void one_round(struct figures *f, uint64_t seed, int ms)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct stress_clients clients = {.world = &service.world, .seed = seed};
    uint64_t random = seed;
    char listen[32];

    stress_service_init(&service, seed, f->rounds);
    clients.port = free_port(&random);
    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%d", clients.port);
    options.listen = listen;
    options.response_ms = service.world.patient ? PATIENT_MS : IMPATIENT_MS;
    clients.limit_ms = service.world.patient ? ANSWER_MS : IMPATIENT_MS + HURRIED_MS;
    assert_int_equal(health_new(&service.h, &options), 0);
    atomic_store(&disturbing, true);
    stress_start(&service);
    run_threads(&clients, ms);
    if (f->rounds % 3 == 0)
        stress_stop(&service, 10000);
    health_free(service.h);
    atomic_store(&disturbing, false);
    count_round(f, &clients);
    stress_service_done(&service, RELEASE_MS);
}

static long number_of(const char *variable, long otherwise)
{
    const char *text = getenv(variable);

    return text != NULL && text[0] != '\0' ? strtol(text, NULL, 10) : otherwise;
}

static void print_figures(const struct figures *f)
{
    print_message("%u rounds: %lu answers judged, with %lu checks; %lu steps, %lu removals (%lu "
                  "busy), %lu runs, %lu changes, %lu restarts (%lu stuck)\n",
        f->rounds, f->judged, f->shown, f->steps, f->removes, f->busy_removes, f->runs, f->changes,
        f->restarts, f->stuck);
    print_message(
        "%lu connections, %d at a time, %lu refused, %lu lost; the loop was late %u times of %u\n",
        f->made, f->most, f->refused, f->lost, atomic_load(&stalls), atomic_load(&turns));
}

static void under_stress_nothing_wrong_is_told_and_nothing_is_left(void **state)
{
    long seconds = number_of("HEALTH_STRESS_SECONDS", process_is_slow() ? 30 : 60);
    uint64_t seed = (uint64_t)number_of("HEALTH_STRESS_SEED", (long)(stress_now() % 1000000));
    int64_t end = client_now_ms() + seconds * 1000;
    int threads, descriptors;
    struct figures f = {0};
    size_t bytes = 0, now;

    (void)state;
    print_message("%ld s with HEALTH_STRESS_SEED=%llu\n", seconds, (unsigned long long)seed);
    (void)fflush(NULL);
    threads = process_threads(0);
    descriptors = process_descriptors(0);
    while (f.rounds < 2 || client_now_ms() < end) {
        one_round(&f, seed * 1000003 + f.rounds * UINT64_C(7919) + 1,
            f.rounds == 0 ? WARM_UP_MS : ROUND_MS);
        assert_true(process_wait_threads(0, threads, client_deadline(RELEASE_MS)));
        assert_true(process_wait_descriptors(0, descriptors, client_deadline(RELEASE_MS)));
        now = memory_in_use();
        if (f.rounds == 1)
            bytes = now;
        if (now > bytes + GROWTH_BYTES)
            fail_msg("%zu bytes after round %u, %zu after the first", now, f.rounds, bytes);
    }
    print_figures(&f);
    /* It was stress. */
    assert_int_equal(f.most, CLIENTS * STRESS_CONNECTIONS);
    assert_true(f.restarts > 0 && f.refused > 0 && f.runs > 100 && f.changes > 0);
    /* And it was not so much that nothing could be told of what is late. */
    assert_true(atomic_load(&turns) > 20 * atomic_load(&stalls));
    assert_true(f.judged > (unsigned long)seconds * (process_is_slow() ? 10 : 50));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            under_stress_nothing_wrong_is_told_and_nothing_is_left, refused_count, refused_recount),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
