/*
 * The process-wide instance is made by whoever first needs it: also by many threads at once.  Each
 * round is a process of its own, this program again, as that happens once in each.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "client.h"
#include "document.h"
#include "process.h"

#define THREADS 8
#define ROUNDS  (process_is_slow() ? 2 : 20)

static char *program; /* not /proc/self/exe, which is valgrind under valgrind */
static pthread_barrier_t all_are_there;

static enum health_status passes(struct health_result *result, void *arg)
{
    (void)result;
    (void)arg;
    return HEALTH_PASS;
}

/* Returns: NULL if all went well. */
static void *use(void *arg)
{
    char name[16];

    (void)snprintf(name, sizeof(name), "%d", *(int *)arg);
    (void)pthread_barrier_wait(&all_are_there);
    if (health_register_check(name, passes, NULL) != 0)
        return arg;
    /* That another was quicker is nobody's error. */
    return health_last_error()[0] == '\0' ? NULL : arg;
}

/* One round.  Returns: the exit status. */
static int use_at_once(void)
{
    pthread_t threads[THREADS];
    int numbers[THREADS], i, failed = 0;
    struct response response;
    json_t *doc;

    if (pthread_barrier_init(&all_are_there, NULL, THREADS) != 0)
        return 2;
    for (i = 0; i < THREADS; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, use, &numbers[i]) != 0)
            return 3;
    }
    for (i = 0; i < THREADS; i++) {
        void *wrong;

        if (pthread_join(threads[i], &wrong) != 0 || wrong != NULL)
            failed++;
    }
    if (failed > 0 || health_serve(0) != 0)
        return 4;
    if (client_try(&(struct client_request){.port = health_port(NULL)}, &response) != CLIENT_OK)
        return 5;
    doc = document_parse(response.body, response.body_length, NULL);
    if (response.status != 200 || json_object_size(json_object_get(doc, "checks")) != THREADS)
        return 6;
    document_free(doc);
    response_free(&response);
    return health_stop(NULL, 10000) == 0 ? 0 : 7;
}

static void there_is_one_for_all_threads(void **state)
{
    static char once[] = "once";
    char *arguments[] = {program, once, NULL};
    int i, status;

    (void)state;
    for (i = 0; i < ROUNDS; i++) {
        pid_t child = fork();

        if (child == 0) {
            (void)execv(program, arguments);
            _exit(1);
        }
        assert_true(child > 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_one_for_all_threads),
    };

    program = argv[0];
    if (argc > 1 && strcmp(argv[1], "once") == 0)
        return use_at_once();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
