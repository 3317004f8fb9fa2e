/*
 * Faults on purpose: the Nth allocation fails, or the Nth call of one of the functions that the
 * library has from its system, libmicrohttpd or cJSON, for every N until none is left, through
 * stories that have every public function in them.
 *
 * Each time: no crash, no leak, and no descriptor left; what fails says an error that is documented
 * for it, with the fault as its cause, and leaves its outputs alone; and when the fault is over the
 * endpoint answers as it should.
 *
 * tests/lib/faults.h has the faults.  What is not made to fail, as it cannot, or by whom it is made
 * to fail instead, and that no public function is missing here, is in tests/repo/faults.sh.  What
 * libmicrohttpd and cJSON call by themselves is not seen: that what we have of them fails, is.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: malloc calloc realloc strdup */
/* wrap: socket bind listen accept4 connect setsockopt getsockopt getsockname getpeername */
/* wrap: socketpair recv sendto sendmsg syscall shutdown poll */
/* wrap: epoll_create1 epoll_ctl epoll_wait */
/* wrap: open close write fstat lstat stat chmod fchmod flock unlink */
/* wrap: clock_gettime sysconf */
/* wrap: pthread_create pthread_setname_np pthread_attr_init pthread_attr_setstacksize */
/* wrap: pthread_mutex_init pthread_mutex_clocklock pthread_atfork */
/* wrap: pthread_cond_init pthread_condattr_init pthread_condattr_setclock */
/* wrap: MHD_start_daemon MHD_add_connection MHD_queue_response */
/* wrap: MHD_create_response_from_buffer MHD_create_response_from_buffer_with_free_callback */
/* wrap: MHD_add_response_header */
/* wrap: cJSON_AddItemToArray cJSON_AddItemToObjectCS cJSON_PrintPreallocated */
/* timeout: 300 */
#include "faults.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/un.h>

#include <cmocka.h>

#include <health/checks.h>
#include <health/health.h>
#include <health/probe.h>

#include "asking.h"
#include "client.h"
#include "process.h"

#define PATIENCE_MS 10000
#define NO_ERROR    4711 /* errno of before */

/* ---- What there is around it ---- */

static struct {
    char directory[32], path[64]; /* of the unix socket */
    char listen[128];
    int notified;         /* $NOTIFY_SOCKET */
    int neighbour;        /* listens for health_check_connect() */
    char address[32];     /* of that */
    bool ready, stopping; /* what was notified of in this story */
    bool in_child;
} around;

static struct sockaddr_un unix_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return address;
}

/* A socket bound to the path, which is this process's. */
static int bound(int type, const char *path)
{
    struct sockaddr_un address = unix_address(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    (void)unlink(path);
    assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)), 0);
    return fd;
}

static int set_up(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(in);
    char path[64];

    (void)state;
    (void)snprintf(around.directory, sizeof(around.directory), "/tmp/faults.XXXXXX");
    assert_non_null(mkdtemp(around.directory));
    (void)snprintf(around.path, sizeof(around.path), "%s/health", around.directory);
    (void)snprintf(
        around.listen, sizeof(around.listen), "127.0.0.1:0,[::1]:0,unix:%s?mode=0660", around.path);
    (void)snprintf(path, sizeof(path), "%s/notify", around.directory);
    around.notified = bound(SOCK_DGRAM, path);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);

    around.neighbour = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(around.neighbour, (struct sockaddr *)(void *)&in, sizeof(in)), 0);
    assert_int_equal(listen(around.neighbour, 128), 0);
    assert_int_equal(getsockname(around.neighbour, (struct sockaddr *)(void *)&in, &length), 0);
    (void)snprintf(around.address, sizeof(around.address), "127.0.0.1:%d", (int)ntohs(in.sin_port));
    return 0;
}

static int tear_down(void **state)
{
    char path[64];

    (void)state;
    (void)close(around.notified);
    (void)close(around.neighbour);
    (void)snprintf(path, sizeof(path), "%s/notify", around.directory);
    (void)unlink(path);
    (void)unlink(around.path);
    return rmdir(around.directory);
}

/* Reads what systemd would have been told. */
static void read_notes(void)
{
    char note[1024];
    ssize_t count;

    while ((count = recv(around.notified, note, sizeof(note) - 1, MSG_DONTWAIT)) > 0) {
        note[count] = '\0';
        around.ready |= strstr(note, "READY=1") != NULL;
        around.stopping |= strstr(note, "STOPPING=1") != NULL;
    }
}

static void wait_for_note(const bool *note)
{
    int64_t deadline = client_deadline(PATIENCE_MS);

    while (read_notes(), !*note && client_now_ms() < deadline)
        asking_pause(2);
    assert_true(*note);
}

/* As it is before each story: nobody waits, and where it is to listen there is the socket of a
 * process that is gone. */
static void clear(void)
{
    int fd;

    read_notes();
    around.ready = around.stopping = false;
    while ((fd = accept4(around.neighbour, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        (void)close(fd);
    (void)close(bound(SOCK_STREAM, around.path));
}

/* ---- What is documented ---- */

/* Fails the test; in a child, where there is none, the child. */
static void wrong(const char *call, const char *what, int value)
{
    int next = atomic_load(&faults_next);

    (void)fprintf(stderr, "%s, %ld: %s: %s: %d (%s)\n", next < 0 ? "none" : faults[next].name,
        faults_n, call, what, value, health_last_error());
    if (around.in_child)
        _exit(1);
    fail();
}

/* Whether this errno is the fault's.  Of what is there already it is only known that it is in the
 * way where it cannot be looked at. */
static bool is_cause(int error, int cause)
{
    int next = atomic_load(&faults_next);

    if (!atomic_load(&faults_fired))
        return false;
    if (cause == faults[next].error)
        return true;
    return error == HEALTH_ELISTEN && cause == EADDRINUSE &&
           (next == LSTAT || next == SOCKET || next == CONNECT);
}

static int cause_of_it; /* errno of after the call */

/* The call has returned this: one of the errors, or no error. */
static int judge(const char *call, int error, const int *errors)
{
    if (error >= 0) {
        if (cause_of_it != NO_ERROR)
            wrong(call, "no error, but errno", cause_of_it);
        return error;
    }
    while (*errors != 0 && *errors != error)
        errors++;
    if (*errors == 0)
        wrong(call, "an error that is none of its own", error);
    if (health_last_error()[0] == '\0' || health_strerror(error)[0] == '\0')
        wrong(call, "no words", error);
    if ((error == HEALTH_ENOMEM || error == HEALTH_ESYSTEM || error == HEALTH_ELISTEN) &&
        !is_cause(error, cause_of_it))
        wrong(call, "errno", cause_of_it);
    return error;
}

static void enter(void)
{
    errno = NO_ERROR;
    outside = false;
}

/* We are out of the library again. */
static int in_it(int result)
{
    outside = true;
    cause_of_it = errno;
    return result;
}

/* Calls it, which may fail with these errors (0: none).  Returns: what it has returned. */
#define TRY(call, ...) (enter(), judge(#call, in_it(call), (const int[]){__VA_ARGS__, 0}))

/* The same of what returns nothing, and leaves errno alone. */
#define DO(call) (enter(), (void)(call), (void)judge(#call, in_it(0), (const int[]){0}))

/* ---- The stories ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_int released;

static enum health_status pass(struct health_result *result, void *arg)
{
    bool before = outside;

    (void)arg;
    outside = false;
    health_observe(result, 1.5, "s");
    (void)health_explain(result, HEALTH_PASS, "%u ms left", health_remaining_ms(result));
    outside = before;
    return HEALTH_PASS;
}

static void release(void *arg)
{
    (void)arg;
    atomic_fetch_add(&released, 1);
}

static void told(const struct health_change *change, void *arg)
{
    (void)change;
    (void)arg;
}

static int add(struct health *h, const char *name, health_check_fn *fn, void *arg,
    unsigned interval_ms, unsigned probes)
{
    struct health_check check = HEALTH_CHECK_INIT;

    check.name = name;
    check.fn = fn;
    check.arg = arg;
    check.release = release;
    check.interval_ms = interval_ms;
    check.max_age_ms = fn != NULL && interval_ms == 0 ? 1 : 0;
    /* Without a fault it is in time. */
    check.timeout_ms = fn != NULL && process_is_slow() ? 4000 : 0;
    check.probes = probes;
    return health_add_check(h, &check);
}

/* Adds a heartbeat.  Returns: NULL if that has failed, and nothing was said. */
static struct health_heartbeat *add_heartbeat(struct health *h)
{
    static char nowhere;
    struct health_heartbeat *const untouched = (void *)&nowhere, *b = untouched;
    int error = TRY(health_add_heartbeat(h, "e", 60000, 0, &b), HEALTH_ENOMEM);

    if ((error == 0) != (b != untouched))
        wrong("health_add_heartbeat()", "the heartbeat", error);
    return error == 0 ? b : NULL;
}

static void ask_inside(struct health *h, bool started)
{
    char document[4096] = "untouched";
    size_t length = 4711;
    int status = 4711, error;

    error = TRY(health_document(h, HEALTH_ALL, document, sizeof(document), &length,
                    (enum health_status *)(void *)&status),
        started ? HEALTH_ENOMEM : HEALTH_ESTOPPED);
    if (error == 0 ? strlen(document) != length || document[0] != '{'
                   : strcmp(document, "untouched") != 0 || length != 4711)
        wrong("health_document()", "the document", error);
    if ((error == HEALTH_ESTOPPED) != (status == 4711))
        wrong("health_document()", "the status", status);
}

/* Asks by the probe; healthy is it unless there was a fault. */
static void probe(const char *url)
{
    char reason[HEALTH_PROBE_REASON_MAX_BYTES + 1] = "";
    int result = TRY(health_probe(url, 3000, reason, sizeof(reason)), 0);

    if (result > 1 || reason[0] == '\0' || (result == 1 && !atomic_load(&faults_fired)))
        wrong(url, reason, result);
}

/* The same by the program, whose words nobody reads. */
static void probe_by_program(const char *url)
{
    char *arguments[] = {(char[]){"health-probe"}, (char[]){"-v"}, NULL, NULL};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC), output, result;
    char copy[128];

    (void)snprintf(copy, sizeof(copy), "%s", url);
    arguments[2] = copy;
    (void)fflush(stdout);
    output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    (void)dup2(null, STDOUT_FILENO);
    (void)close(null);
    enter();
    result = in_it(health_probe_main(3, arguments));
    (void)dup2(output, STDOUT_FILENO);
    (void)close(output);
    if (result != 0 && (result != 1 || !atomic_load(&faults_fired)))
        wrong("health_probe_main()", url, result);
}

static void ask_from_outside(int port)
{
    static const char *const targets[] = {"/live", "/ready", "/startup", "/health?verbose",
        "/health?exclude=a&exclude=none", "/health/a", "/none"};
    char url[128];
    size_t i;

    for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        (void)client_try_status(port, targets[i]);
    (void)snprintf(url, sizeof(url), "http://localhost:%d/live", port);
    probe(url);
    (void)snprintf(url, sizeof(url), "unix:%s:/live", around.path);
    probe_by_program(url);
    (void)snprintf(url, sizeof(url), "file:%s?max-age=1h", around.path);
    probe(url);
}

/* Stops what was started.  Without a clock there may be no time to wait in: then once more. */
static void stop(struct health *h, bool started)
{
    int late = atomic_load(&faults_next) == CLOCK ? HEALTH_EBUSY : 0;

    while (TRY(health_stop(h, PATIENCE_MS), started ? late : HEALTH_ESTOPPED) == HEALTH_EBUSY)
        late = 0;
}

/* How far a story goes before the fault is over. */
enum until {
    LIFE,    /* the instance is as it should be */
    STOP,    /* it is stopped, and can be started again */
    FREE,    /* it is freed as it is */
    PROCESS, /* the same as the first two, of the process-wide instance */
    UNTILS
};

static void live(struct health *h, enum until until)
{
    struct health_heartbeat *b;
    bool has_c, has_d, started;
    int port;

    (void)TRY(add(h, "a", pass, NULL, 0, HEALTH_READY | HEALTH_STARTUP), HEALTH_ENOMEM);
    (void)TRY(add(h, "b", health_check_mutex, &mutex, 0, HEALTH_LIVE), HEALTH_ENOMEM);
    has_c = TRY(add(h, "c", pass, NULL, 20, HEALTH_READY), HEALTH_ENOMEM) == 0;
    has_d = TRY(add(h, "d", NULL, NULL, 0, HEALTH_ALL), HEALTH_ENOMEM) == 0;
    b = add_heartbeat(h);
    (void)TRY(add(h, "f", health_check_connect, around.address, 0, HEALTH_READY), HEALTH_ENOMEM);
    enter();
    health_beat(b);
    health_idle(b);
    health_beat(b);
    (void)in_it(0);
    (void)TRY(health_report(h, "d", HEALTH_WARN, "%s", "slow"), has_d ? 0 : HEALTH_ENOENT);
    (void)TRY(health_on_change(h, told, NULL), HEALTH_ENOMEM);
    started = TRY(health_start(h), HEALTH_ELISTEN, HEALTH_ESYSTEM, HEALTH_ENOMEM) == 0;
    DO(health_set_started(h, true));
    DO(health_set_ready(h, false));
    DO(health_set_ready(h, true));
    if (!started)
        (void)TRY(health_stop(h, 0), HEALTH_ESTOPPED);
    port = TRY(health_port(h), started ? 0 : HEALTH_ESTOPPED);
    if (started && port == 0)
        wrong("health_port()", "no port", port);
    if (port > 0)
        ask_from_outside(port);
    (void)TRY(health_report(h, "d", HEALTH_PASS, NULL), has_d ? 0 : HEALTH_ENOENT);
    ask_inside(h, started);
    (void)TRY(health_remove(h, "c"), has_c ? 0 : HEALTH_ENOENT);
    if (until == LIFE)
        return;
    /* Taken back by a stop alone. */
    if (started)
        DO(health_drain(h));
    if (port > 0)
        (void)client_try_status(port, "/ready");
    if (until == STOP)
        stop(h, started);
    else
        DO(health_free(h));
}

static void answers(int port, const char *target, int code)
{
    struct response r;

    client_get(port, target, &r);
    if (r.status != code)
        fail_msg("%s: %d: %s", target, r.status, r.body);
    response_free(&r);
}

/* When the fault is over all is as if it had not been: what failed can be done again. */
static void is_well(struct health *h)
{
    struct health_heartbeat *b;
    int error, port;

    error = health_start(h);
    if (error != 0 && error != HEALTH_EALREADY)
        fail_msg("does not start: %s", health_last_error());
    (void)add(h, "a", pass, NULL, 0, HEALTH_READY | HEALTH_STARTUP);
    (void)add(h, "d", NULL, NULL, 0, HEALTH_ALL);
    (void)health_add_heartbeat(h, "e", 60000, 0, &b);
    (void)add(h, "f", health_check_connect, around.address, 0, HEALTH_READY);
    assert_int_equal(health_report(h, "d", HEALTH_PASS, NULL), 0);
    port = health_port(h);
    assert_true(port > 0);
    answers(port, "/live", 200);
    /* What has just failed may be shown for a moment. */
    document_free(asking_until(port, "/health", "a", "pass", PATIENCE_MS));
    document_free(asking_until(port, "/health", "f", "pass", PATIENCE_MS));
    answers(port, "/ready", 200);
    wait_for_note(&around.ready);
    assert_int_equal(health_report(h, "d", HEALTH_FAIL, "down"), 0);
    answers(port, "/health", 503);
    health_drain(h);
    answers(port, "/ready", 503);
    answers(port, "/live", 200);
    wait_for_note(&around.stopping);
    assert_int_equal(health_stop(h, PATIENCE_MS), 0);
}

/* Tells the story of an instance with this fault.  Returns: whether it came to pass. */
static bool tell(enum faults next, long n, enum until until)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health *const untouched = (void *)&options, *h = untouched;
    int threads = process_threads(0), error;

    options.listen = around.listen;
    options.service_id = "faults";
    options.version = "1";
    options.release_id = "2";
    options.description = "fails";
    options.connections = 8;
    options.systemd = 1;
    clear();
    faults_arm(next, n);
    error = TRY(health_new(&h, &options), HEALTH_ENOMEM, HEALTH_ESYSTEM);
    if ((error == 0) != (h != untouched))
        wrong("health_new()", "the instance", error);
    if (error == 0)
        live(h, until);
    if (error == 0 && until == FREE) {
        /* The last worker frees, if it had not ended before. */
        if (!process_wait_threads(0, threads, client_deadline(PATIENCE_MS)))
            fail_msg("%s, %ld: threads are left", faults[next].name, n);
        return faults_disarm();
    }
    if (!faults_disarm() && until == FREE)
        fail_msg("there is no instance");
    if (error != 0)
        assert_int_equal(health_new(&h, &options), 0);
    is_well(h);
    health_free(h);
    return atomic_load(&faults_fired);
}

/* The same of the process-wide instance, in a child, which has none yet. */
struct story {
    enum faults next;
    long n;
};

/* Whether that is answered by 200: at once, or, where a run may well be late, in the end. */
static bool is_healthy(int port, const char *target)
{
    int64_t deadline = client_deadline(process_is_slow() ? PATIENCE_MS : 0);
    int code;

    do
        code = client_try_status(port, target);
    while (code != 200 && client_now_ms() < deadline);
    return code == 200;
}

static int tell_of_process(struct process *self, void *arg)
{
    const struct story *story = arg;
    int port;
    bool started, fired;

    around.in_child = true;
    faults_arm(story->next, story->n);
    (void)TRY(health_register_check("a", pass, NULL), HEALTH_ENOMEM, HEALTH_ESYSTEM);
    started = TRY(health_serve(0), HEALTH_ELISTEN, HEALTH_ESYSTEM, HEALTH_ENOMEM) == 0;
    port = TRY(health_port(NULL), started ? 0 : HEALTH_ESTOPPED, HEALTH_ENOMEM, HEALTH_ESYSTEM);
    if (port > 0)
        (void)client_try_status(port, "/ready");
    stop(NULL, started);
    fired = faults_disarm();

    (void)health_register_check("a", pass, NULL);
    PROCESS_CHECK(health_serve(0) == 0);
    PROCESS_CHECK(is_healthy(health_port(NULL), "/ready"));
    PROCESS_CHECK(is_healthy(health_port(NULL), "/health/a"));
    health_drain(NULL);
    PROCESS_CHECK(client_try_status(health_port(NULL), "/ready") == 503);
    PROCESS_CHECK(health_stop(NULL, PATIENCE_MS) == 0);
    PROCESS_CHECK(process_say(self, fired));
    return 0;
}

static bool tell_in_child(enum faults next, long n)
{
    struct story story = {next, n};
    struct process child;
    int64_t fired = 0;
    bool heard;

    assert_int_equal(process_start(&child, tell_of_process, &story), 0);
    heard = process_hear(&child, &fired, 3 * PATIENCE_MS);
    if (process_end(&child) != 0 || !heard)
        fail_msg("%s, %ld: the child has failed", faults[next].name, n);
    return fired != 0;
}

/* ---- Every fault ---- */

static long came_to_pass[FAULTS_COUNT][UNTILS]; /* how often */

static void every_one_fails(enum faults next, enum until until)
{
    int descriptors = process_descriptors(0);
    long n;

    for (n = 1; until == PROCESS ? tell_in_child(next, n) : tell(next, n, until); n++) {
        int now = process_descriptors(0);

        /* What the first instance of all opens for good, has been. */
        if (now > descriptors)
            fail_msg("%s, %ld, until %d: %d descriptors more", faults[next].name, n, (int)until,
                now - descriptors);
    }
    came_to_pass[next][until] = n - 1;
}

#define FAULT(which, name, error)                                                                  \
    static void of_process_##which(void **state)                                                   \
    {                                                                                              \
        (void)state;                                                                               \
        every_one_fails(which, PROCESS);                                                           \
    }                                                                                              \
                                                                                                   \
    static void each_##which(void **state)                                                         \
    {                                                                                              \
        int until;                                                                                 \
                                                                                                   \
        (void)state;                                                                               \
        for (until = LIFE; until < PROCESS; until++)                                               \
            every_one_fails(which, (enum until)until);                                             \
    }
FAULTS(FAULT)

/* As it is without any. */
static void none(void **state)
{
    int until;

    (void)state;
    for (until = LIFE; until < PROCESS; until++)
        assert_false(tell(MEMORY, 1000000, (enum until)until));
    assert_true(atomic_load(&released) > 0);
}

static void each_has_come_to_pass(void **state)
{
    int i;

    (void)state;
    print_message("how often each failed: of an instance that lives on, is stopped, is freed; of "
                  "the process's\n");
    for (i = 0; i < FAULTS_COUNT; i++) {
        const long *times = came_to_pass[i];

        print_message("%-28s %4ld %4ld %4ld %4ld\n", faults[i].name, times[LIFE], times[STOP],
            times[FREE], times[PROCESS]);
        /* The one is called in the children alone, the other not at all there. */
        if (PROCESS_THREAD_SANITIZED && (i == ATFORK || i == MUTEX_LOCK))
            continue;
        assert_true(times[LIFE] + times[STOP] + times[FREE] + times[PROCESS] > 0);
    }
}

int main(void)
{
#define IN_CHILDREN(which, name, error) cmocka_unit_test(of_process_##which),
#define HERE(which, name, error)        cmocka_unit_test(each_##which),
    /* In this order: the first instance of a process is another for each child. */
    const struct CMUnitTest tests[] = {
#if !PROCESS_THREAD_SANITIZED
        FAULTS(IN_CHILDREN)
#endif
            cmocka_unit_test(none),
        FAULTS(HERE) cmocka_unit_test(each_has_come_to_pass),
    };

    outside = true;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
