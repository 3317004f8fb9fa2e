/*
 * service: a small TCP service that says how it is: the kind of program libhealth is made for.
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 *
 * A client sends lines; each is appended to the file `requests` in the data directory and answered
 * "ok".  The main thread accepts connections and puts them into a queue, WORKERS threads take them
 * out and serve them, and the library's own threads run the checks:
 *
 *     accept-loop  live            the main thread goes round; only a restart helps if it does not
 *     data         startup, ready  the data directory can be written
 *     queue        ready           there is room for more requests
 *     upstream     ready           the service that this one depends on accepts connections
 *
 * No dependency is in live: restarting this service would heal no other one.
 */
#define _GNU_SOURCE 1 /* ppoll, accept4, mkostemp */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <health/health.h>
#include <health/probe.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    WORKERS = 4,
    QUEUE_PLACES = 64,
    LINE_MAX_BYTES = 4096,
    CLIENT_PATIENCE_MS = 5000, /* how long a silent client may keep a worker */
    CLOSING_LOOK_MS = 200,     /* how soon a waiting worker sees that the service ends */
    BEAT_MS = 500,             /* how often the accept loop beats when nobody comes */
    BEAT_MAX_AGE_MS = 5000     /* ten beats: a busy machine is no reason for a restart */
};

struct service {
    /* Options; constant once parsed. */
    unsigned port;
    unsigned health_port;
    unsigned drain_ms;
    const char *data;
    const char *upstream_name; /* "HOST:PORT", or NULL: depends on nothing */

    struct addrinfo *upstream;
    struct health_heartbeat *heartbeat;
    int requests; /* the file that lines are appended to */
    int listener;
    pthread_t workers[WORKERS];

    /* The queue, a ring of connections.  `lock` guards all of it; `closing`, set once when no more
     * connections will come, is also read without. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int queue[QUEUE_PLACES];
    unsigned first;
    unsigned length;
    atomic_bool closing;
};

/* Not on main's stack: a check that hangs when the service ends may still look at it. */
static struct service service = {
    .port = 7000,
    .health_port = 8080,
    .drain_ms = 1000,
    .data = ".",
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .changed = PTHREAD_COND_INITIALIZER,
};

/* ---- Checks ------------------------------------------------------------------------------ */

static enum health_status check_data(struct health_result *result, void *arg)
{
    const struct service *s = arg;
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/.health-XXXXXX", s->data);
    int file = mkostemp(path, O_CLOEXEC);
    if (file < 0)
        return health_explain(result, HEALTH_FAIL, "cannot create a file: %s", strerror(errno));

    /* The name goes first, so that a crash in between leaves nothing behind.  On a bad disk fsync()
     * may hang: then the library says so in our place, and no request waits for it. */
    const char *failed = NULL;
    if (unlink(path) != 0)
        failed = "remove";
    else if (write(file, "ok\n", 3) != 3)
        failed = "write";
    else if (fsync(file) != 0)
        failed = "sync";
    int error = errno;
    (void)close(file);
    if (failed != NULL)
        return health_explain(result, HEALTH_FAIL, "cannot %s a file: %s", failed, strerror(error));
    return HEALTH_PASS;
}

static enum health_status check_queue(struct health_result *result, void *arg)
{
    struct service *s = arg;
    (void)pthread_mutex_lock(&s->lock);
    unsigned length = s->length;
    (void)pthread_mutex_unlock(&s->lock);

    health_observe(result, length, "items");
    if (length == QUEUE_PLACES)
        return health_explain(result, HEALTH_FAIL, "the queue is full");
    if (length > QUEUE_PLACES / 2)
        return health_explain(result, HEALTH_WARN, "the queue is more than half full");
    return HEALTH_PASS;
}

/* Returns 0 if `address` accepts a connection in half of what is left of the time, else an errno.
 */
static int try_to_connect(const struct addrinfo *address, const struct health_result *result)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    struct pollfd connecting = {.fd = fd, .events = POLLOUT};
    const unsigned keep_ms = health_remaining_ms(result) / 2;
    int error = 0;
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0)
        error = errno;
    while (error == EINPROGRESS) {
        /* A signal is no answer: a setuid() interrupts every thread of the process. */
        unsigned left_ms = health_remaining_ms(result);
        int count = poll(&connecting, 1, left_ms > keep_ms ? (int)(left_ms - keep_ms) : 0);
        if (count == 0)
            error = ETIMEDOUT;
        else if (count > 0)
            (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
        else if (errno != EINTR)
            error = errno;
    }
    (void)close(fd);
    return error;
}

static enum health_status check_upstream(struct health_result *result, void *arg)
{
    const struct service *s = arg;
    int error = 0;
    for (const struct addrinfo *a = s->upstream; a != NULL; a = a->ai_next) {
        /* Not all of the time, so that the next address, and our own words, have theirs. */
        error = try_to_connect(a, result);
        if (error == 0)
            return HEALTH_PASS;
    }
    return health_explain(result, HEALTH_FAIL, "%s: %s", s->upstream_name, strerror(error));
}

static void require(int outcome)
{
    if (outcome == 0)
        return;
    fprintf(stderr, "service: %s\n", health_last_error());
    exit(EXIT_FAILURE);
}

/* From here on probes are answered; until the gate opens, /startup and /ready with 503. */
static void start_health(struct service *s)
{
    struct health_options about = HEALTH_OPTIONS_INIT;
    about.service_id = "example-service";
    require(health_new(NULL, &about));
    health_set_started(NULL, false);

    struct health_check data = HEALTH_CHECK_INIT;
    data.name = "data";
    data.fn = check_data;
    data.arg = s;
    data.probes = HEALTH_STARTUP | HEALTH_READY;
    require(health_add_check(NULL, &data));
    require(health_register_check("queue", check_queue, s));
    if (s->upstream != NULL)
        require(health_register_check("upstream", check_upstream, s));
    require(health_add_heartbeat(NULL, "accept-loop", BEAT_MAX_AGE_MS, HEALTH_LIVE, &s->heartbeat));
    require(health_serve(s->health_port));
}

/* ---- The queue and the workers ----------------------------------------------------------- */

/* Returns false if the queue is full. */
static bool queue_connection(struct service *s, int connection)
{
    (void)pthread_mutex_lock(&s->lock);
    bool room = s->length < QUEUE_PLACES;
    if (room)
        s->queue[(s->first + s->length++) % QUEUE_PLACES] = connection;
    (void)pthread_cond_signal(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
    return room;
}

static void close_queue(struct service *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->closing = true;
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
}

/* Waits for a connection.  Returns -1 when there will be none. */
static int take_connection(struct service *s)
{
    int connection = -1;
    (void)pthread_mutex_lock(&s->lock);
    while (s->length == 0 && !s->closing)
        (void)pthread_cond_wait(&s->changed, &s->lock);
    if (s->length > 0) {
        connection = s->queue[s->first];
        s->first = (s->first + 1) % QUEUE_PLACES;
        s->length--;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return connection;
}

/* Waits for bytes while the client has our patience; when closing, takes only what is there. */
static ssize_t receive(struct service *s, int connection, char *buffer, size_t size)
{
    struct pollfd client = {.fd = connection, .events = POLLIN};
    for (int waited_ms = 0; waited_ms < CLIENT_PATIENCE_MS; waited_ms += CLOSING_LOOK_MS) {
        bool closing = s->closing;
        if (poll(&client, 1, closing ? 0 : CLOSING_LOOK_MS) == 1)
            return recv(connection, buffer, size, 0);
        if (closing)
            break;
    }
    return 0;
}

/* Returns false if the client is gone, or does not read its answers. */
static bool answer(int connection, const char *text)
{
    return send(connection, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

/* Stores and answers the whole lines in `buffer`, moves the rest to its front.  Returns false if
 * the connection is over. */
static bool serve_lines(const struct service *s, int connection, char *buffer, size_t *filled)
{
    for (char *end; (end = memchr(buffer, '\n', *filled)) != NULL;) {
        size_t size = (size_t)(end + 1 - buffer);
        /* One write, to a file opened with O_APPEND: lines of different workers do not mix. */
        bool stored = write(s->requests, buffer, size) == (ssize_t)size;
        if (!answer(connection, stored ? "ok\n" : "error: not stored\n"))
            return false;
        *filled -= size;
        memmove(buffer, end + 1, *filled);
    }
    return *filled < LINE_MAX_BYTES;
}

static void *work(void *arg)
{
    struct service *s = arg;
    for (int connection; (connection = take_connection(s)) >= 0;) {
        char buffer[LINE_MAX_BYTES];
        size_t filled = 0;
        ssize_t got;
        do {
            got = receive(s, connection, buffer + filled, sizeof(buffer) - filled);
            filled += got > 0 ? (size_t)got : 0;
        } while (got > 0 && serve_lines(s, connection, buffer, &filled) && !s->closing);
        (void)close(connection);
    }
    return NULL;
}

/* ---- The accept loop --------------------------------------------------------------------- */

/* Waits up to `timeout_ms` for a connection and queues it.  `signals` is the mask meanwhile: only
 * here can a signal come, so that none is missed between looking for it and waiting. */
static void accept_one(struct service *s, long timeout_ms, const sigset_t *signals)
{
    struct pollfd listener = {.fd = s->listener, .events = POLLIN};
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000};
    health_beat(s->heartbeat);
    if (ppoll(&listener, 1, &timeout, signals) <= 0)
        return;
    int connection = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    if (connection < 0) {
        if (errno != EAGAIN && errno != ECONNABORTED)
            (void)poll(NULL, 0, 100); /* out of descriptors: it will still be there, do not spin */
    } else if (!queue_connection(s, connection)) {
        (void)answer(connection, "error: busy\n");
        (void)close(connection);
    }
}

static long now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Signals ----------------------------------------------------------------------------- */

static volatile sig_atomic_t stop_requested;

/* The first one ends the service in good order, the second at once. */
static void handle_signal(int number)
{
    if (stop_requested)
        _exit(128 + number);
    stop_requested = 1;
    health_drain(NULL);
}

/* Blocks them, here and so in the threads started from here; *ret_before is the mask before. */
static void handle_signals(sigset_t *ret_before)
{
    struct sigaction action = {.sa_handler = handle_signal};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaddset(&action.sa_mask, SIGINT);
    (void)sigaddset(&action.sa_mask, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &action.sa_mask, ret_before);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* ---- Options ----------------------------------------------------------------------------- */

static const char usage[] =
    "Usage: service [OPTION]...\n"
    "Stores the lines that clients send, and says how it is.\n\n"
    "  --port N              where clients connect; 0: any free port (7000)\n"
    "  --health-port N       where /live, /ready, /startup and /health are; 0: any (8080)\n"
    "  --upstream HOST:PORT  a service that this one depends on (none)\n"
    "  --data DIR            where lines are stored (the current directory)\n"
    "  --drain-ms N          how long to go on serving after SIGTERM (1000)\n"
    "  --help                this\n\n"
    "  --health-probe ...    asks a service that runs how it is, for Docker's HEALTHCHECK;\n"
    "                        --health-probe --help says more\n";

static _Noreturn void hint_and_exit(void)
{
    fputs("Try 'service --help'.\n", stderr);
    exit(2);
}

static _Noreturn void refuse(const char *option, const char *value, const char *why)
{
    fprintf(stderr, "service: %s '%s': %s\n", option, value, why);
    hint_and_exit();
}

static unsigned parse_number(const char *option, const char *text, unsigned long max)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    char why[64];
    (void)snprintf(why, sizeof(why), "not a number from 0 to %lu", max);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || number > max)
        refuse(option, text, why);
    return (unsigned)number;
}

/* Looks the name up now: a check that did it would take as long as the resolver likes. */
static struct addrinfo *find_upstream(const char *text)
{
    static const char option[] = "--upstream";
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char host[NI_MAXHOST];
    int length = snprintf(host, sizeof(host), "%s", text);
    char *colon = strrchr(host, ':');
    if (colon == NULL || colon == host || (size_t)length >= sizeof(host))
        refuse(option, text, "not HOST:PORT");
    bool brackets = host[0] == '[' && colon[-1] == ']';
    colon[brackets ? -1 : 0] = '\0';
    if (parse_number("--upstream port", colon + 1, 65535) == 0)
        refuse(option, text, "port 0 is nobody's");
    int error = getaddrinfo(host + brackets, colon + 1, &hints, &found);
    if (error != 0)
        refuse(option, text, gai_strerror(error));
    return found;
}

static int open_requests(const char *directory)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/requests", directory);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0)
        refuse("--data", directory, strerror(errno));
    return file;
}

static void parse_options(struct service *s, int argc, char **argv)
{
    static const struct option known[] = {{"port", 1, NULL, 'p'}, {"health-port", 1, NULL, 'H'},
        {"upstream", 1, NULL, 'u'}, {"data", 1, NULL, 'd'}, {"drain-ms", 1, NULL, 'D'},
        {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'p')
            s->port = parse_number("--port", optarg, 65535);
        else if (c == 'H')
            s->health_port = parse_number("--health-port", optarg, 65535);
        else if (c == 'D')
            s->drain_ms = parse_number("--drain-ms", optarg, 3600000);
        else if (c == 'u')
            s->upstream_name = optarg;
        else if (c == 'd')
            s->data = optarg;
        else if (c == 'h')
            exit(fputs(usage, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        else
            hint_and_exit(); /* getopt_long() has said what is wrong */
    }
    if (optind < argc)
        refuse("argument", argv[optind], "there are only options");
    s->requests = open_requests(s->data);
    if (s->upstream_name != NULL)
        s->upstream = find_upstream(s->upstream_name);
}

/* ---- From start to end ------------------------------------------------------------------- */

/* Listens on every IPv4 address.  Returns the port. */
static unsigned start_listening(struct service *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)};
    socklen_t size = sizeof(address);
    struct sockaddr *any = (struct sockaddr *)&address;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(s->listener, any, size) != 0 || listen(s->listener, SOMAXCONN) != 0 ||
        getsockname(s->listener, any, &size) != 0) {
        fprintf(stderr, "service: port %u: %s\n", s->port, strerror(errno));
        exit(EXIT_FAILURE);
    }
    return ntohs(address.sin_port);
}

static void start_workers(struct service *s)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        int error = pthread_create(&s->workers[i], NULL, work, s);
        if (error != 0) {
            fprintf(stderr, "service: cannot start a thread: %s\n", strerror(error));
            exit(EXIT_FAILURE);
        }
    }
}

/* After a signal it goes on for a while: whoever sends clients here has to see /ready at 503. */
static void accept_until_stopped(struct service *s, const sigset_t *signals)
{
    while (!stop_requested)
        accept_one(s, BEAT_MS, signals);
    const long end_ms = now_ms() + (long)s->drain_ms;
    for (long left; (left = end_ms - now_ms()) > 0;)
        accept_one(s, left < BEAT_MS ? left : BEAT_MS, signals);
    health_idle(s->heartbeat);
}

/* Answers what clients have sent, then ends; probes are answered to the last. */
static void stop(struct service *s)
{
    (void)close(s->listener);
    close_queue(s);
    for (unsigned i = 0; i < WORKERS; i++)
        (void)pthread_join(s->workers[i], NULL);
    (void)close(s->requests);
    if (health_stop(NULL, 1000) != 0)
        fprintf(stderr, "service: %s\n", health_last_error());
    else if (s->upstream != NULL)
        freeaddrinfo(s->upstream);
}

int main(int argc, char **argv)
{
    struct service *s = &service;
    sigset_t signals;
    /* Its own health check: where there is no shell and no curl there is still this program. */
    if (argc > 1 && strcmp(argv[1], "--health-probe") == 0)
        return health_probe_main(argc - 1, argv + 1);
    parse_options(s, argc, argv);
    handle_signals(&signals);
    start_health(s);
    unsigned port = start_listening(s);
    start_workers(s);
    health_set_started(NULL, true);
    printf("service on port %u, health on port %d\n", port, health_port(NULL));
    (void)fflush(stdout);

    accept_until_stopped(s, &signals);
    (void)pthread_sigmask(SIG_SETMASK, &signals, NULL);
    stop(s);
    return EXIT_SUCCESS;
}
