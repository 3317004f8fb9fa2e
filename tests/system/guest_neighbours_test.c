/*
 * Side by side with others in one process: several instances, a second copy of the library that is
 * loaded and unloaded, a host that serves by libmicrohttpd itself and has its own idea of a panic,
 * and a host that gives cJSON its own memory, and changes its mind about it.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* forgets */
#include <dlfcn.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include <health/health.h>

#include "client.h"
#include "document.h"
#include "process.h"
#include "service.h"

#define TIMEOUT_MS 20000
#define ASKERS     3
#define ASK_MS     (process_is_slow() ? 3000 : 700)

/* ---- The host's memory for cJSON ---- */

/* Two allocators, which know their own. */
struct block {
    uint64_t mark;
    size_t size;
};
#define MARK_A 0xA110CA7E0000000AULL
#define MARK_B 0xA110CA7E0000000BULL
#define GONE   0xDEADDEADDEADDEADULL

static atomic_long live; /* blocks */
static atomic_int mixed; /* given back to the other, or twice */

static void *take(size_t size, uint64_t mark)
{
    struct block *b = malloc(sizeof(*b) + size);

    if (b == NULL)
        return NULL;
    *b = (struct block){mark, size};
    atomic_fetch_add(&live, 1);
    return b + 1;
}

static void give(void *p, uint64_t mark)
{
    struct block *b = p;

    if (p == NULL)
        return;
    b--;
    if (b->mark != mark) {
        atomic_fetch_add(&mixed, 1);
        return;
    }
    b->mark = GONE;
    atomic_fetch_sub(&live, 1);
    free(b);
}

static void *malloc_a(size_t size)
{
    return take(size, MARK_A);
}

static void free_a(void *p)
{
    give(p, MARK_A);
}

static void *malloc_b(size_t size)
{
    return take(size, MARK_B);
}

static void free_b(void *p)
{
    give(p, MARK_B);
}

static void use_a(void)
{
    cJSON_Hooks hooks = {malloc_a, free_a};

    cJSON_InitHooks(&hooks);
}

static void use_b(void)
{
    cJSON_Hooks hooks = {malloc_b, free_b};

    cJSON_InitHooks(&hooks);
}

static void use_libcs(void)
{
    cJSON_InitHooks(NULL);
}

static void forget_memory(void)
{
    atomic_store(&live, 0);
    atomic_store(&mixed, 0);
}

/* ---- Whoever asks ---- */

struct asker {
    pthread_t thread;
    int port;
    const char *target;
    const char *has; /* what is in every answer */
    int answers, odd;
};

static atomic_bool over;

static void *ask_on(void *arg)
{
    struct asker *a = arg;
    const struct client_request q = {.port = a->port, .target = a->target};
    struct response r;

    while (!atomic_load(&over)) {
        if (client_try(&q, &r) != CLIENT_OK) {
            a->odd++;
            continue;
        }
        if (r.status != 200 || strstr(r.body, a->has) == NULL)
            a->odd++;
        a->answers++;
        response_free(&r);
    }
    return NULL;
}

static void begin_to_ask(struct asker *a, int port, const char *target, const char *has)
{
    *a = (struct asker){.port = port, .target = target, .has = has};
    assert_int_equal(pthread_create(&a->thread, NULL, ask_on, a), 0);
}

static void end_asking(struct asker *a)
{
    assert_int_equal(pthread_join(a->thread, NULL), 0);
    assert_true(a->answers > 0);
    assert_int_equal(a->odd, 0);
}

/* ---- cJSON ---- */

static atomic_uint calls;

/* Says something else each time, so that what is rendered is not kept. */
static enum health_status differ(struct health_result *result, void *arg)
{
    unsigned n = atomic_fetch_add(&calls, 1);

    health_observe(result, n, "times");
    return health_explain(result, HEALTH_WARN, "%s %u", (const char *)arg, n);
}

static void add_differing(struct health *h, const char *name)
{
    static char words[] = "it is different now: \"\\\xC3\xA4\xFF";
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = name;
    check.fn = differ;
    check.arg = words;
    check.max_age_ms = 1;
    check.timeout_ms = TIMEOUT_MS;
    assert_int_equal(health_add_check(h, &check), 0);
}

static struct health *start_differing(void)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h;
    char name[24];
    int i;

    options.listen = "127.0.0.1:0";
    options.response_ms = TIMEOUT_MS;
    options.version = "1.2";
    options.description = "of many";
    h = service_start(&options);
    for (i = 0; i < 10; i++) {
        (void)snprintf(name, sizeof(name), "d%d", i);
        add_differing(h, name);
    }
    return h;
}

static void ask_all(int port)
{
    const char *targets[] = {"/health", "/ready?verbose&exclude=none", "/health/d3", "/live"};
    size_t i;

    for (i = 0; i < 4; i++) {
        json_t *doc = document_get(port, targets[i], 200);

        document_free(doc);
        (void)poll(NULL, 0, 2);
    }
}

static void memory_of_the_hosts_from_the_start(void **state)
{
    struct health *h;
    cJSON *hosts;
    long before;

    (void)state;
    forget_memory();
    use_a();
    hosts = cJSON_Parse("{\"a\":[1,2,3]}");
    assert_non_null(hosts);
    before = atomic_load(&live);
    h = start_differing();
    ask_all(service_port(h));
    service_end(h);
    assert_int_equal(atomic_load(&live), before);
    cJSON_Delete(hosts);
    assert_int_equal(atomic_load(&live), 0);
    assert_int_equal(atomic_load(&mixed), 0);
    use_libcs();
}

/* The documents that are kept are of one time, and end in another. */
static void memory_that_is_changed_between_two_documents(void **state)
{
    static void (*const uses[])(void) = {use_a, use_b, use_libcs, use_b, use_a, use_libcs};
    struct health *h = start_differing();
    size_t i;

    (void)state;
    forget_memory();
    for (i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        uses[i]();
        ask_all(service_port(h));
        assert_int_equal(atomic_load(&mixed), 0);
    }
    service_end(h);
    assert_int_equal(atomic_load(&mixed), 0);
    assert_int_equal(atomic_load(&live), 0);
    use_libcs();
}

static void memory_that_is_changed_while_we_render(void **state)
{
    struct asker askers[ASKERS];
    struct health *h = start_differing();
    int64_t until;
    int i;

    (void)state;
    forget_memory();
    use_a();
    atomic_store(&over, false);
    for (i = 0; i < ASKERS; i++)
        begin_to_ask(&askers[i], service_port(h), i == 0 ? "/health/d1" : "/health", "\"warn\"");
    until = client_deadline(ASK_MS);
    while (client_now_ms() < until)
        for (i = 0; i < 100; i++) {
            use_b();
            use_a();
        }
    atomic_store(&over, true);
    for (i = 0; i < ASKERS; i++)
        end_asking(&askers[i]);
    service_end(h);
    use_libcs();
    assert_int_equal(atomic_load(&mixed), 0);
    assert_int_equal(atomic_load(&live), 0);
}

/* ---- A host that serves by libmicrohttpd ---- */

#define HOSTS_ANSWER "the host's own"

static enum MHD_Result answer_as_host(void *arg, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *size, void **context)
{
    static int seen;
    struct MHD_Response *response;
    enum MHD_Result result;

    (void)url;
    (void)method;
    (void)version;
    (void)data;
    (void)size;
    if (*context == NULL) {
        *context = &seen;
        return MHD_YES;
    }
    /* Not what this daemon was made for: it panics. */
    if (arg != NULL)
        MHD_resume_connection(connection);
    response = MHD_create_response_from_buffer(
        strlen(HOSTS_ANSWER), (void *)(uintptr_t)HOSTS_ANSWER, MHD_RESPMEM_PERSISTENT);
    result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static struct MHD_Daemon *start_host(void *panic, int *ret_port)
{
    struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL,
        answer_as_host, panic, MHD_OPTION_CONNECTION_TIMEOUT, 10u, MHD_OPTION_END);

    if (d != NULL)
        *ret_port = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port;
    return d;
}

#define PANICKED 42

static void panic(void *arg, const char *file, unsigned line, const char *reason)
{
    (void)arg;
    (void)file;
    (void)line;
    (void)reason;
    _exit(PANICKED);
}

/* The host's hook is the host's, before, while and after we serve. */
static int panic_as_host(struct process *self, void *arg)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;
    struct MHD_Daemon *d;
    int port = 0;

    (void)self;
    MHD_set_panic_func(panic, NULL);
    options.listen = "127.0.0.1:0";
    PROCESS_CHECK(health_new(&h, &options) == 0);
    PROCESS_CHECK(health_start(h) == 0);
    PROCESS_CHECK(client_try_status(health_port(h), "/health") == 200);
    if (*(bool *)arg) {
        PROCESS_CHECK(health_stop(h, TIMEOUT_MS) == 0);
        health_free(h);
    }
    d = start_host(h, &port);
    PROCESS_CHECK(d != NULL);
    (void)client_try_status(port, "/");
    return 1;
}

static void the_hosts_panic_is_the_hosts(void **state)
{
    struct process p;
    bool after_us;

    (void)state;
    for (after_us = false;; after_us = true) {
        assert_int_equal(process_start(&p, panic_as_host, &after_us), 0);
        assert_int_equal(process_end(&p), PANICKED);
        if (after_us)
            break;
    }
}

/* ---- A second copy of the library ---- */

/* What is used of it. */
struct copy {
    void *handle;
    int (*new_one)(struct health **, const struct health_options *);
    int (*start)(struct health *);
    int (*stop)(struct health *, unsigned);
    void (*end)(struct health *);
    int (*port)(const struct health *);
    int (*add)(struct health *, const struct health_check *);
    int (*serve)(unsigned);
    enum health_status (*explain)(struct health_result *, enum health_status, const char *, ...);
};

static const char *library_path(void)
{
    static char path[4096];
    const char *build = getenv("BUILD_DIR");

    (void)snprintf(path, sizeof(path), "%s/libhealth.so", build != NULL ? build : ".");
    return path;
}

static void skip_without_library(void)
{
    if (access(library_path(), R_OK) != 0) {
        print_message("NOT TESTED: there is no %s\n", library_path());
        skip();
    }
}

/* Function pointers are objects of their own kind in C. */
static void look_up(void *handle, const char *name, void *to)
{
    void *found = dlsym(handle, name);

    memcpy(to, &found, sizeof(found));
}

static int use_copy(struct copy *c, void *handle)
{
    PROCESS_CHECK(handle != NULL);
    c->handle = handle;
    look_up(handle, "health_new", &c->new_one);
    look_up(handle, "health_start", &c->start);
    look_up(handle, "health_stop", &c->stop);
    look_up(handle, "health_free", &c->end);
    look_up(handle, "health_port", &c->port);
    look_up(handle, "health_add_check", &c->add);
    look_up(handle, "health_serve", &c->serve);
    look_up(handle, "health_explain", &c->explain);
    PROCESS_CHECK(c->new_one != NULL && c->new_one != health_new && c->explain != NULL);
    return 0;
}

static int load_copy(struct copy *c)
{
    return use_copy(c, dlopen(library_path(), RTLD_NOW | RTLD_LOCAL));
}

static enum health_status say_copy(struct health_result *result, void *arg)
{
    struct copy *c = arg;

    return c->explain(result, HEALTH_WARN, "the copy's");
}

static int start_copy(struct copy *c, struct health **ret_h)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check check = HEALTH_CHECK_INIT;

    options.listen = "127.0.0.1:0";
    options.response_ms = TIMEOUT_MS;
    PROCESS_CHECK(c->new_one(ret_h, &options) == 0);
    check.name = "copy";
    check.fn = say_copy;
    check.arg = c;
    check.max_age_ms = 1;
    check.timeout_ms = TIMEOUT_MS;
    PROCESS_CHECK(c->add(*ret_h, &check) == 0);
    PROCESS_CHECK(c->start(*ret_h) == 0);
    PROCESS_CHECK(client_try_status(c->port(*ret_h), "/health/copy") == 200);
    return 0;
}

/* Loads it, starts, unloads: the threads go on, and find their code.  Once more, and stops. */
static int load_and_unload(struct process *self, void *arg)
{
    static struct copy c;
    struct health *h = NULL;
    int i, port, status;
    pid_t pid;

    (void)self;
    (void)arg;
    for (i = 0; i < 20; i++) {
        PROCESS_CHECK(load_copy(&c) == 0);
        PROCESS_CHECK(dlclose(c.handle) == 0);
    }
    PROCESS_CHECK(load_copy(&c) == 0);
    PROCESS_CHECK(start_copy(&c, &h) == 0);
    port = c.port(h);
    PROCESS_CHECK(dlclose(c.handle) == 0);
    for (i = 0; i < 20; i++) {
        PROCESS_CHECK(client_try_status(port, "/health/copy") == 200);
        (void)poll(NULL, 0, 2);
    }
    /* Nor does a fork() find a hole where the handlers were. */
    pid = fork();
    if (pid == 0)
        _exit(0);
    PROCESS_CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);

    PROCESS_CHECK(dlopen(library_path(), RTLD_NOW | RTLD_NOLOAD) != NULL);
    PROCESS_CHECK(load_copy(&c) == 0);
    PROCESS_CHECK(c.port(h) == port);
    PROCESS_CHECK(c.stop(h, TIMEOUT_MS) == 0);
    c.end(h);
    PROCESS_CHECK(dlclose(c.handle) == 0);

    /* And one that is left running: the process ends all the same. */
    PROCESS_CHECK(load_copy(&c) == 0);
    PROCESS_CHECK(c.serve(0) == 0);
    PROCESS_CHECK(client_try_status(c.port(NULL), "/health") == 200);
    PROCESS_CHECK(dlclose(c.handle) == 0);
    return 0;
}

static void a_library_that_is_unloaded_goes_on(void **state)
{
    struct process p;

    (void)state;
    skip_without_library();
    assert_int_equal(process_start(&p, load_and_unload, NULL), 0);
    assert_int_equal(process_end(&p), 0);
}

/* In a name space of its own, with a libc of its own. */
static int load_apart(struct process *self, void *arg)
{
    void *handle = dlmopen(LM_ID_NEWLM, library_path(), RTLD_NOW | RTLD_LOCAL);
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *h = NULL;
    static struct copy c;
    int i;

    (void)arg;
    if (handle == NULL) {
        (void)process_say(self, 0);
        return 0;
    }
    PROCESS_CHECK(use_copy(&c, handle) == 0);
    options.listen = "127.0.0.1:0";
    for (i = 0; i < 3; i++) {
        PROCESS_CHECK(c.new_one(&h, &options) == 0);
        PROCESS_CHECK(c.start(h) == 0);
        PROCESS_CHECK(client_try_status(c.port(h), "/health") == 200);
        PROCESS_CHECK(c.stop(h, TIMEOUT_MS) == 0);
        c.end(h);
    }
    PROCESS_CHECK(process_say(self, 1));
    return 0;
}

static void a_library_in_a_name_space_of_its_own_serves(void **state)
{
    struct process p;
    int64_t could = -1;

    (void)state;
    skip_without_library();
    if (PROCESS_SANITIZED || process_is_slow()) {
        print_message("NOT TESTED: sanitizers and valgrind know of one libc alone\n");
        skip();
    }
    assert_int_equal(process_start(&p, load_apart, NULL), 0);
    (void)process_hear(&p, &could, TIMEOUT_MS);
    assert_int_equal(process_end(&p), 0);
    if (could == 0) {
        print_message("NOT TESTED: dlmopen() does not work here\n");
        skip();
    }
}

/* ---- All at once ---- */

static enum health_status say(struct health_result *result, void *words)
{
    return health_explain(result, HEALTH_WARN, "%s", (const char *)words);
}

static int add_saying(struct health *h, char *words)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = "who";
    check.fn = say;
    check.arg = words;
    check.max_age_ms = 1;
    check.timeout_ms = TIMEOUT_MS;
    return health_add_check(h, &check);
}

static int live_together(struct process *self, void *arg)
{
    static char first[] = "the first", second[] = "the second", common[] = "everyone's";
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *a, *b, *other = NULL;
    static struct copy copy;
    struct asker askers[5];
    struct MHD_Daemon *d;
    cJSON *hosts = NULL;
    int port = 0, i;
    int64_t until;

    (void)self;
    (void)arg;
    options.response_ms = TIMEOUT_MS;
    a = service_start(&options);
    b = service_start(&options);
    PROCESS_CHECK(health_new(NULL, &options) == 0);
    MHD_set_panic_func(panic, NULL);
    forget_memory();
    use_a();
    d = start_host(NULL, &port);
    PROCESS_CHECK(d != NULL);
    PROCESS_CHECK(add_saying(a, first) == 0 && add_saying(b, second) == 0);
    PROCESS_CHECK(add_saying(NULL, common) == 0 && health_serve(0) == 0);
    PROCESS_CHECK(load_copy(&copy) == 0 && start_copy(&copy, &other) == 0);

    atomic_store(&over, false);
    begin_to_ask(&askers[0], service_port(a), "/health/who", first);
    begin_to_ask(&askers[1], service_port(b), "/health/who", second);
    begin_to_ask(&askers[2], service_port(NULL), "/health/who", common);
    begin_to_ask(&askers[3], copy.port(other), "/health/copy", "the copy's");
    begin_to_ask(&askers[4], port, "/", HOSTS_ANSWER);
    until = client_deadline(ASK_MS);
    while (client_now_ms() < until) {
        hosts = cJSON_Parse("{\"the\":[\"host's\", {\"own\": 1.5}]}");
        PROCESS_CHECK(hosts != NULL);
        cJSON_Delete(hosts);
    }
    atomic_store(&over, true);
    for (i = 0; i < 5; i++) {
        PROCESS_CHECK(pthread_join(askers[i].thread, NULL) == 0);
        PROCESS_CHECK(askers[i].odd == 0);
        PROCESS_CHECK(askers[i].answers > 0);
    }
    PROCESS_CHECK(health_stop(a, TIMEOUT_MS) == 0);
    PROCESS_CHECK(client_try_status(port, "/") == 200);
    PROCESS_CHECK(client_try_status(service_port(b), "/health") == 200);
    PROCESS_CHECK(copy.stop(other, TIMEOUT_MS) == 0);
    PROCESS_CHECK(client_try_status(service_port(NULL), "/health") == 200);
    MHD_stop_daemon(d);
    PROCESS_CHECK(client_try_status(service_port(b), "/health") == 200);
    PROCESS_CHECK(health_stop(b, TIMEOUT_MS) == 0);
    PROCESS_CHECK(health_stop(NULL, TIMEOUT_MS) == 0);
    health_free(a);
    health_free(b);
    copy.end(other);
    PROCESS_CHECK(dlclose(copy.handle) == 0);
    PROCESS_CHECK(atomic_load(&mixed) == 0);
    PROCESS_CHECK(atomic_load(&live) == 0);
    return 0;
}

static void all_live_together(void **state)
{
    struct process p;

    (void)state;
    skip_without_library();
    assert_int_equal(process_start(&p, live_together, NULL), 0);
    assert_int_equal(process_end(&p), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_of_the_hosts_from_the_start),
        cmocka_unit_test(memory_that_is_changed_between_two_documents),
        cmocka_unit_test(memory_that_is_changed_while_we_render),
        cmocka_unit_test(the_hosts_panic_is_the_hosts),
        cmocka_unit_test(a_library_that_is_unloaded_goes_on),
        cmocka_unit_test(a_library_in_a_name_space_of_its_own_serves),
        cmocka_unit_test(all_live_together),
    };

    return cmocka_run_group_tests_name("guest_neighbours", tests, NULL, NULL);
}
