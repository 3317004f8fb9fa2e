/*
 * An engine whose descriptors the host has closed, and whose numbers it has again: they are the
 * host's, and the engine is stopped, started and freed all the same.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: health__cond_wait health__loop_wake */
#include "engine/life.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/loop.h"
#include "engine_alive.h"
#include "process.h"

bool __real_health__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms);
bool __wrap_health__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms);
void __real_health__loop_wake(struct health__engine *e);
void __wrap_health__loop_wake(struct health__engine *e);

/* The loop hears nothing, and whoever waits for it only what he is told. */
static atomic_bool deaf;

bool __wrap_health__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ms)
{
    bool endless = cond == &e->ended && atomic_load(&deaf);

    return __real_health__cond_wait(cond, mutex, endless ? HEALTH__NEVER : deadline_ms);
}

void __wrap_health__loop_wake(struct health__engine *its)
{
    if (!atomic_load(&deaf))
        __real_health__loop_wake(its);
}

/* A loop that sleeps for ever stays, and so does the memory of its engine: no counts at the end. */
static int open_lost(void **state)
{
    (void)state;
    memset(e, 0, sizeof(*e));
    memset(&gates, 0, sizeof(gates));
    fake_server_init(&server);
    fake_observer_init(&observer);
    gone = 0;
    freed = false;
    a = b = c = (struct job){.let = false};
    return health__engine_init(e, &gates, &server.server, &observer.observer, 800, workers);
}

#define OURS 3

static int numbers[OURS]; /* that were ours */
static int hosts[OURS];   /* what the host has at them, by other numbers */

/* As closefrom() does: whoever uses them is not asked. */
static void close_number(int fd)
{
    assert_int_equal(syscall(SYS_close, fd), 0);
}

/* The host closes what is not its own, and opens something, which gets our numbers. */
static void lose(void)
{
    size_t i;

    numbers[0] = e->poller.fd;
    numbers[1] = e->wake_send.fd;
    numbers[2] = e->wake_receive.fd;
    for (i = 0; i < OURS; i++)
        close_number(numbers[i]);
    for (i = 0; i < OURS; i++) {
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(dup2(fd, numbers[i]), numbers[i]);
        hosts[i] = fd;
    }
}

/* What the host has is still the host's: nothing was closed, nor sent to. */
static void is_the_hosts(void)
{
    size_t i;

    for (i = 0; i < OURS; i++) {
        char byte;

        assert_true(fcntl(numbers[i], F_GETFD) >= 0);
        assert_int_equal(recv(numbers[i], &byte, 1, MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
        if (hosts[i] != numbers[i])
            (void)close(hosts[i]);
        (void)close(numbers[i]);
    }
}

/* It goes on with descriptors of its own. */
static void starts_again(void)
{
    int forgets = server.forgets, stops = server.stops, runs = count_of(&server.runs);

    start();
    count_wait(&server.runs, runs + 1);
    assert_accepted(health__engine_stop(e, 20000));
    assert_int_equal(server.forgets, forgets);
    assert_int_equal(server.stops, stops + 1);
}

/* Whether a thread of this name sleeps. */
static bool sleeps(const char *task, const char *name)
{
    char path[300], comm[32] = "", state = '?';
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%s/stat", task);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    (void)fscanf(file, "%*d (%31[^)]) %c", comm, &state);
    (void)fclose(file);
    return strcmp(comm, name) == 0 && state == 'S';
}

/* Whether the loop does, and in nothing but its wait: it has given its turn away. */
static bool loop_sleeps(void *arg)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;
    bool found = false;

    (void)arg;
    assert_non_null(tasks);
    while (!found && (task = readdir(tasks)) != NULL)
        found = sleeps(task->d_name, "health");
    (void)closedir(tasks);
    if (!found || count_of(&server.runs) < 1 || pthread_mutex_trylock(&e->turn) != 0)
        return false;
    (void)pthread_mutex_unlock(&e->turn);
    return true;
}

static void a_loop_that_sleeps_is_left_behind(void **unused)
{
    (void)unused;
    start();
    wait_until(loop_sleeps, NULL);
    lose();
    assert_accepted(health__engine_stop(e, 20000));
    assert_false(health__engine_is_started(e));
    assert_int_equal(server.losses, 1);
    assert_int_equal(server.forgets, 1);
    assert_int_equal(server.stops, 0);
    assert_int_equal(observer.ends, 1);
    assert_true(e->leaked);
    assert_int_equal(e->poller.fd, -1);
    is_the_hosts();
    starts_again();
    /* Its memory is not given back: the loop that was left would wake in it. */
    free_engine();
    assert_int_equal(gone, 0);
}

/* It may have both numbers, and the one in the other. */
static void a_set_of_the_hosts_stays_as_it_is(void **unused)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 5555};
    int ends[2], set, send_end;

    (void)unused;
    start();
    wait_until(loop_sleeps, NULL);
    lose();
    set = numbers[0];
    (void)close(hosts[0]);
    hosts[0] = epoll_create1(EPOLL_CLOEXEC);
    assert_int_equal(dup2(hosts[0], set), set);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(dup2(ends[0], numbers[2]), numbers[2]);
    send_end = ends[1];
    assert_int_equal(epoll_ctl(set, EPOLL_CTL_ADD, numbers[2], &event), 0);

    assert_accepted(health__engine_stop(e, 20000));
    assert_int_equal(send(send_end, "x", 1, 0), 1);
    assert_int_equal(epoll_wait(set, &event, 1, 0), 1);
    assert_int_equal(event.data.u64, 5555);
    assert_int_equal(epoll_wait(set, &event, 1, 0), 0);
    (void)close(send_end);
    (void)close(ends[0]);
    (void)close(hosts[0]);
    (void)close(set);
    (void)close(numbers[1]);
    (void)close(numbers[2]);
    free_engine();
}

static bool has_ended(void *arg)
{
    bool has;

    (void)arg;
    (void)pthread_mutex_lock(&e->mutex);
    has = e->loop_ended;
    (void)pthread_mutex_unlock(&e->mutex);
    return has;
}

static void a_loop_that_wakes_ends_by_itself(void **unused)
{
    (void)unused;
    job_let(&a);
    add("a", &a, 1, 0);
    start();
    count_wait(&a.ended, 1);
    /* While it is awake, nobody but itself touches them. */
    (void)pthread_mutex_lock(&e->turn);
    lose();
    (void)pthread_mutex_unlock(&e->turn);
    wait_until(has_ended, NULL);
    assert_int_equal(server.losses, 1);
    assert_int_equal(server.stops, 0);
    assert_accepted(health__engine_stop(e, 20000));
    assert_false(e->leaked);
    assert_int_equal(server.stops, 0);
    is_the_hosts();
    starts_again();
    free_engine();
    assert_int_equal(count_of(&gone), 1);
    assert_int_equal(a.released, 1);
}

static void a_callback_that_runs_is_waited_for_all_the_same(void **unused)
{
    (void)unused;
    add("a", &a, 60000, 0);
    start();
    count_wait(&a.begun, 1);
    lose();
    assert_refused(health__engine_stop(e, 0), HEALTH_EBUSY, EBUSY, "'a'");
    job_let(&a);
    assert_accepted(health__engine_stop(e, 20000));
    assert_int_equal(server.losses, 1);
    assert_int_equal(server.stops, 0);
    is_the_hosts();
    starts_again();
    free_engine();
    assert_int_equal(count_of(&a.released), 1);
}

static bool do_nothing(struct health__errand *errand)
{
    (void)errand;
    return true;
}

static int answered, answer;

static void *ask(void *unused)
{
    static struct health__errand errand = {.run = do_nothing};

    (void)unused;
    answer = health__engine_do(e, &errand, false);
    count_up(&answered);
    return NULL;
}

static void whoever_asks_a_loop_that_is_left_behind_is_refused(void **unused)
{
    pthread_t thread;

    (void)unused;
    start();
    wait_until(loop_sleeps, NULL);
    atomic_store(&deaf, true);
    assert_int_equal(pthread_create(&thread, NULL, ask, NULL), 0);
    wait_until(has_errand, NULL);
    lose();
    assert_accepted(health__engine_stop(e, 20000));
    count_wait(&answered, 1);
    atomic_store(&deaf, false);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(answer, HEALTH_ESTOPPED);
    is_the_hosts();
    starts_again();
    free_engine();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, open_lost)
    const struct CMUnitTest tests[] = {
        TEST(a_loop_that_sleeps_is_left_behind),
        TEST(a_set_of_the_hosts_stays_as_it_is),
        TEST(a_loop_that_wakes_ends_by_itself),
        TEST(a_callback_that_runs_is_waited_for_all_the_same),
        TEST(whoever_asks_a_loop_that_is_left_behind_is_refused),
    };

    if (PROCESS_THREAD_SANITIZED) {
        print_message("NOT TESTED: to ThreadSanitizer such a host is a data race\n");
        return 77;
    }
    jobs_first_thread();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
