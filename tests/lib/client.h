/*
 * An HTTP client for tests: sends whatever bytes it is told to, waits for nothing longer than it is
 * told to, and takes what comes back apart strictly.
 *
 * Functions return errors and never fail a test, so that any thread or child may use them, but for
 * the last ones, which say so.  Deadlines are absolute, in ms of client_now_ms().
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef TESTS_CLIENT_H
#define TESTS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long the functions without a deadline wait at most, in ms. */
#define CLIENT_TIMEOUT_MS 10000

/* A connection, and what has come on it that was not taken yet. */
struct client {
    int fd; /* non-blocking; -1: none */
    char *data;
    size_t length; /* of what is in `data` */
    size_t size;   /* of the room behind `data` */
    bool ended;    /* the server has closed its side, or reset the connection */
    bool reset;
};

/* How reading a response went. */
enum client_end {
    CLIENT_OK,
    CLIENT_CLOSED,  /* closed by the server (or reset) before a byte of the response came */
    CLIENT_CUT,     /* closed by the server (or reset) in the middle of it */
    CLIENT_TIMEOUT, /* the deadline has passed */
    CLIENT_GARBAGE, /* what came is no HTTP response */
    CLIENT_ERROR    /* no connection, or no memory: errno */
};

/* A response; to be given to response_free(). */
struct response {
    int status;
    int minor;  /* of "HTTP/1.minor" */
    char *head; /* all of the head with its empty line */
    char *body; /* "" for none; a NUL behind it is not of its length */
    size_t body_length;
};

/* A request of the usual form; what is NULL or 0 is as said there. */
struct client_request {
    int port;
    const char *to;      /* an IP literal, or the path of a unix socket; "127.0.0.1" */
    const char *from;    /* an IP literal to bind to; any */
    const char *method;  /* "GET" */
    const char *target;  /* "/health" */
    const char *version; /* "HTTP/1.1" */
    const char *headers; /* further lines, each ended by \r\n; none */
    bool no_host;        /* without "Host: test" */
    bool keep_alive;     /* without "Connection: close" */
    int timeout_ms;      /* for everything together; CLIENT_TIMEOUT_MS */
};

/* The monotonic clock in ms. */
int64_t client_now_ms(void);

/* The deadline that is so many ms from now. */
int64_t client_deadline(int ms);

/* ---- A connection ---- */

/*
 * Connects to the port of an address, an IP literal without brackets, or to a unix socket, a path;
 * `from` NULL is any local address.  `c` need not be initialised, and may be given to
 * client_close() in any case.
 *
 * Returns: 0, or -1 with errno.
 */
int client_open(struct client *c, const char *to, int port);
int client_open_from(struct client *c, const char *from, const char *to, int port);

/* Sends all of it.  Returns: 0, or -1 with errno, such as EPIPE, ECONNRESET, ETIMEDOUT. */
int client_send_by(struct client *c, const void *bytes, size_t length, int64_t deadline);

/* The same within CLIENT_TIMEOUT_MS. */
int client_send(struct client *c, const void *bytes, size_t length);
int client_print(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes the next response; `to_head` tells that it answers a HEAD request, and so has no body.
 * Without a Content-Length the body goes to the end of the connection; there is no other length
 * (chunked is garbage to us: the library never sends it).  `ret` is set only with CLIENT_OK. */
enum client_end client_read(struct client *c, bool to_head, struct response *ret, int64_t deadline);

/* Waits until the server has closed.  Returns: whether it did so with nothing more having come. */
bool client_at_end(struct client *c, int64_t deadline);

/* The same with whatever more comes, which is left in `data`.  Returns: whether it has closed. */
bool client_drain(struct client *c, int64_t deadline);

/* Whether nothing comes and nothing is closed until the deadline.  For what is to be proven not to
 * happen only: it takes as long as it is told. */
bool client_is_silent(struct client *c, int64_t deadline);

/* Closes our sending side. */
void client_shutdown(struct client *c);

/* Closes; closes with a reset. */
void client_close(struct client *c);
void client_reset(struct client *c);

/* ---- Responses ---- */

/* The value of the first header of this name in any letter case, without blanks around it, in a
 * static buffer of the calling thread's; NULL if there is none. */
const char *response_header(const struct response *r, const char *name);

/* How many headers of this name there are. */
int response_header_count(const struct response *r, const char *name);

void response_free(struct response *r);

/* ---- A request and its response ---- */

/* Writes the request to `to`, as snprintf() would. */
size_t client_format(char *to, size_t size, const struct client_request *q);

/* Connects, asks, reads the one response, and closes.  `ret` is set only with CLIENT_OK. */
enum client_end client_try(const struct client_request *q, struct response *ret);

/* GETs the target from 127.0.0.1.  Returns: the status; or the negative of an enum client_end. */
int client_try_status(int port, const char *target);

/* The same two, failing the cmocka test (of this thread) if there is no response. */
void client_ask(const struct client_request *q, struct response *ret);
void client_get(int port, const char *target, struct response *ret);
int client_status(int port, const char *target);

#endif
