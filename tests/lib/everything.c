/*
 * All that the library has, called once.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "everything.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <health/checks.h>
#include <health/health.h>
#include <health/probe.h>

#include "client.h"

#define MAX_FUNCTIONS 64
#define TIMEOUT_MS    20000

static void (*before_call)(const char *function);
static void (*after_call)(const char *function);

/* The functions that were called, each once. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const char *called[MAX_FUNCTIONS];
static size_t called_count;

static bool was_called(const char *function)
{
    size_t i;

    for (i = 0; i < called_count; i++)
        if (strcmp(called[i], function) == 0)
            return true;
    return false;
}

static void begin(const char *function)
{
    (void)pthread_mutex_lock(&mutex);
    if (!was_called(function) && called_count < MAX_FUNCTIONS)
        called[called_count++] = function;
    (void)pthread_mutex_unlock(&mutex);
    before_call(function);
}

/* A call of a function without a result, or with one that says nothing. */
#define CALL(function, arguments)                                                                  \
    do {                                                                                           \
        begin(#function);                                                                          \
        (void)function arguments;                                                                  \
        after_call(#function);                                                                     \
    } while (0)

/* A call of one that returns an error, on the test's thread. */
#define MUST(function, arguments)                                                                  \
    do {                                                                                           \
        int result_;                                                                               \
        begin(#function);                                                                          \
        result_ = function arguments;                                                              \
        after_call(#function);                                                                     \
        if (result_ < 0)                                                                           \
            fail_msg("%s: %d: %s", #function, result_, health_last_error());                       \
    } while (0)

static enum health_status check(struct health_result *result, void *lock)
{
    char address[32];

    CALL(health_explain, (result, HEALTH_WARN, "%d of %s", 3, "these"));
    CALL(health_observe, (result, 1.5, "%"));
    CALL(health_remaining_ms, (result));
    CALL(health_check_mutex, (result, lock));
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", health_port(NULL));
    CALL(health_check_connect, (result, address));
    return health_explain(result, HEALTH_WARN, "so it is");
}

static void changed(const struct health_change *change, void *arg)
{
    (void)change;
    (void)arg;
}

static void use_gates(struct health *h)
{
    CALL(health_set_started, (h, true));
    CALL(health_set_ready, (h, false));
    CALL(health_set_ready, (h, true));
}

static void use_heartbeat(struct health *h)
{
    struct health_heartbeat *beat = NULL;

    MUST(health_add_heartbeat, (h, "loop", 10000, 0, &beat));
    CALL(health_beat, (beat));
    CALL(health_idle, (beat));
    CALL(health_beat, (NULL));
    CALL(health_idle, (NULL));
    MUST(health_remove, (h, "loop"));
}

static void use_checks(struct health *h, pthread_mutex_t *lock)
{
    struct health_check pushed = HEALTH_CHECK_INIT, called_one = HEALTH_CHECK_INIT;

    pushed.name = "pushed";
    MUST(health_add_check, (h, &pushed));
    MUST(health_report, (h, "pushed", HEALTH_WARN, "%s", "well"));
    called_one.name = "called";
    called_one.fn = check;
    called_one.arg = lock;
    called_one.timeout_ms = TIMEOUT_MS;
    MUST(health_add_check, (h, &called_one));
}

static void ask(struct health *h)
{
    char document[8192], url[64], reason[HEALTH_PROBE_REASON_MAX_BYTES + 1];
    char program[] = "health-probe", timeout[] = "--timeout", ms[] = "20000";
    char *arguments[] = {program, timeout, ms, url, NULL};
    enum health_status status;
    size_t length;
    int port;

    begin("health_port");
    port = health_port(h);
    after_call("health_port");
    assert_in_range(port, 1, 65535);
    assert_int_equal(client_status(port, "/health"), 200);
    MUST(health_document, (h, HEALTH_ALL, document, sizeof(document), &length, &status));
    MUST(health_document, (h, HEALTH_LIVE, NULL, 0, NULL, &status));
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/health", port);
    MUST(health_probe, (url, TIMEOUT_MS, reason, sizeof(reason)));
    begin("health_probe_main");
    assert_int_equal(health_probe_main(4, arguments), 0);
    after_call("health_probe_main");
}

static void use(struct health *h, pthread_mutex_t *lock)
{
    use_gates(h);
    use_heartbeat(h);
    use_checks(h, lock);
    MUST(health_on_change, (h, changed, NULL));
    if (h != NULL)
        MUST(health_start, (h));
    else
        MUST(health_serve, (0));
    use_gates(h);
    use_heartbeat(h);
    ask(h);
    CALL(health_drain, (h));
    MUST(health_stop, (h, TIMEOUT_MS));
    use_gates(h);
    MUST(health_on_change, (h, NULL, NULL));
    MUST(health_remove, (h, "called"));
    MUST(health_remove, (h, "pushed"));
}

/* Each line of the map that is a name alone. */
static void assert_all_called(void)
{
    const char *root = getenv("SOURCE_DIR");
    char path[4096], line[256], name[256];
    int known = 0;
    FILE *map;

    if (root == NULL)
        return;
    (void)snprintf(path, sizeof(path), "%s/src/health.map", root);
    map = fopen(path, "re");
    assert_non_null(map);
    while (fgets(line, sizeof(line), map) != NULL) {
        if (sscanf(line, " %255[a-z_];", name) != 1 || strncmp(name, "health_", 7) != 0)
            continue;
        known++;
        if (!was_called(name))
            fail_msg("%s was not called", name);
    }
    (void)fclose(map);
    assert_true(known > 20);
}

void everything_call(void (*before)(const char *function), void (*after)(const char *function))
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct health *h = NULL;

    before_call = before;
    after_call = after;
    called_count = 0;
    CALL(health_strerror, (HEALTH_EINVAL));
    CALL(health_last_error, ());
    options.listen = "127.0.0.1:0";
    options.response_ms = TIMEOUT_MS;
    MUST(health_new, (&h, &options));
    use(h, &lock);
    CALL(health_free, (h));
    CALL(health_free, (NULL));

    MUST(health_register_check, ("short", check, &lock));
    use(NULL, &lock);
    MUST(health_remove, (NULL, "short"));
    assert_all_called();
}
