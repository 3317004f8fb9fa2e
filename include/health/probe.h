/*
 * libhealth: asking a health endpoint, for images without a shell or curl.
 *
 * The program health-probe is health_probe_main() alone; a service can be its own health check:
 *
 *     if (argc > 1 && strcmp(argv[1], "--health-probe") == 0)
 *         return health_probe_main(argc - 1, argv + 1);
 *
 *     HEALTHCHECK CMD ["/service", "--health-probe", "http://localhost:8080/live"]
 *
 * Nothing of this starts an instance, a thread or a resolver, or allocates memory.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_PROBE_H
#define HEALTH_PROBE_H

#include <health/health.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The longest reason, in bytes without the final NUL. */
#define HEALTH_PROBE_REASON_MAX_BYTES 399

/*
 * health_probe(url, timeout_ms, reason, reason_size): Asks whether what is behind `url` is healthy:
 *
 *     http://HOST[:PORT][/PATH]    it answers GET with 2xx; redirects are not followed
 *     unix:/SOCKET[:/PATH]         the same over a unix socket
 *     tcp:HOST:PORT                it accepts a connection
 *     file:/PATH[?max-age=30s]     the file is there, and was touched within that time
 *
 * HOST is an IPv4 address, an IPv6 address in brackets and without a zone, or "localhost", which is
 * 127.0.0.1 and ::1, whichever is there; other names would need a resolver.  PATH is /health where
 * there is none.  An age is a number with ms, s, m or h behind it; a file of the future, by more
 * than 2 s, is not fresh.
 *
 * It asks with HTTP/1.0.  An answer that is cut short, malformed or not there in time is unhealthy;
 * so is one of more than 1 MiB, which is not read to its end, and one in chunks or with an interim
 * answer (1xx) before it, which HTTP/1.0 does not have.
 *
 * `timeout_ms` is for everything together; 0 is 2,000.  But for a file there is none: stat() on a
 * network mount that hangs, hangs.
 *
 * Why, in one line of UTF-8 without control characters, goes into `reason` (may be NULL): the code
 * and, from a document like ours, the names and reasons of what fails, as far as they are within
 * its first 32 KiB: about two hundred checks.  Where it is healthy, what was asked, and the code,
 * that it accepts, or when the file was touched.
 *
 * Returns: 0 if healthy; 1 if not; HEALTH_EINVAL if `url` is none of these or NULL, with `reason`
 * saying why (health_last_error() does not).  errno is left alone but for that.
 * Threads: any, with 64 KiB of stack; it uses no instance.  Since: 0.1.
 */
HEALTH_PUBLIC int health_probe(
    const char *url, unsigned timeout_ms, char *reason, size_t reason_size);

/*
 * health_probe_main(argc, argv): health_probe() as a program's main, which prints: on failure one
 * line of at most 400 bytes to stdout, and with -v on success too; wrong usage goes to stderr.
 * Where nobody reads that, it raises no SIGPIPE and waits no longer than the timeout.
 *
 *     health-probe [-v] [--timeout MS] [URL]
 *     health-probe --help
 *
 * URL is by default $HEALTH_PROBE_URL, else http://localhost:8080/health.  No proxy is used.
 *
 * Returns: the exit status: 0 healthy, 1 unhealthy or wrong usage; never 2, which Docker reserves.
 * Since: 0.1.
 */
HEALTH_PUBLIC int health_probe_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif
