/*
 * How long a process takes from its start to its first answer with 200, in turns with another:
 *
 *   first ROUNDS PROGRAM ARGUMENTS... -- PROGRAM ARGUMENTS...
 *
 * Each prints its port.  A line comes out for each round: the µs of the first, and of the other.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
    (void)fprintf(stderr, "first: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Starts the program.  Returns: where its port is to be read. */
static int start(char **program, pid_t *ret_pid)
{
    int ends[2];

    if (pipe(ends) != 0)
        die("pipe");
    *ret_pid = fork();
    if (*ret_pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        /* main() has looked whether there is one.
         * NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
        (void)execv(program[0], program);
        _exit(127);
    }
    if (*ret_pid < 0)
        die("fork");
    (void)close(ends[1]);
    return ends[0];
}

static void ask(int port)
{
    static const char request[] =
        "GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: kube-probe/1.28\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char answer[1024];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_port = htons((uint16_t)port);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1)
        die("ask");
    if (recv(fd, answer, sizeof(answer), 0) < 12 || memcmp(answer, "HTTP/1.1 200", 12) != 0)
        die("it is not answered with 200");
    (void)close(fd);
}

static int64_t us_to_first_answer(char **program)
{
    int64_t begin = now_us();
    char port[16];
    ssize_t got;
    pid_t pid;
    int fd = start(program, &pid);

    got = read(fd, port, sizeof(port) - 1);
    if (got <= 0)
        die(program[0]);
    port[got] = '\0';
    ask(atoi(port));
    begin = now_us() - begin;
    (void)close(fd);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return begin;
}

int main(int argc, char **argv)
{
    char **other = argv + 2;
    int rounds, i;

    while (other < argv + argc && strcmp(*other, "--") != 0)
        other++;
    if (argc < 5 || other + 1 >= argv + argc)
        return 2;
    *other++ = NULL;
    rounds = atoi(argv[1]);
    for (i = 0; i < rounds; i++) {
        int64_t first = us_to_first_answer(argv + 2);

        (void)printf("%lld %lld\n", (long long)first, (long long)us_to_first_answer(other));
    }
    return 0;
}
