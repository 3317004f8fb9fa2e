/*
 * Processes, as /proc shows them.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define END_TIMEOUT_MS 30000

bool process_is_slow(void)
{
    return getenv("HEALTH_TEST_SLOW") != NULL;
}

/* ---- What /proc tells ---- */

static void path_of(char *path, size_t size, pid_t pid, const char *name)
{
    if (pid == 0)
        (void)snprintf(path, size, "/proc/self/%s", name);
    else
        (void)snprintf(path, size, "/proc/%d/%s", (int)pid, name);
}

int process_descriptors(pid_t pid)
{
    char path[64];
    struct dirent *entry;
    int count = 0;
    DIR *dir;

    path_of(path, sizeof(path), pid, "fd");
    dir = opendir(path);
    if (dir == NULL)
        return -1;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            count++;
    }
    (void)closedir(dir);
    return pid == 0 ? count - 1 : count; /* without the directory's own */
}

/* The number behind "name:" in /proc/PID/status. */
static long status_of(pid_t pid, const char *name)
{
    char path[64], line[256];
    size_t length = strlen(name);
    long number = -1;
    FILE *file;

    path_of(path, sizeof(path), pid, "status");
    file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while (number < 0 && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            number = strtol(line + length + 1, NULL, 10);
    }
    (void)fclose(file);
    return number;
}

int process_threads(pid_t pid)
{
    return (int)status_of(pid, "Threads");
}

long process_resident_kib(pid_t pid)
{
    return status_of(pid, "VmRSS");
}

int64_t process_cpu_us(pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    errno = clock_getcpuclockid(pid, &clock);
    if (errno != 0 || clock_gettime(clock, &used) != 0)
        return -1;
    return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

int process_list(int *fds, int size)
{
    struct dirent *entry;
    int count = 0, fd;
    DIR *dir;

    dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return -1;
    while (count >= 0 && (entry = readdir(dir)) != NULL) {
        fd = (int)strtol(entry->d_name, NULL, 10);
        if (entry->d_name[0] == '.' || fd == dirfd(dir))
            continue;
        if (count < size)
            fds[count++] = fd;
        else
            count = -1;
    }
    (void)closedir(dir);
    if (count > 0)
        qsort(fds, (size_t)count, sizeof(*fds), compare);
    return count;
}

static bool wait_until_at_most(int (*count)(pid_t), pid_t pid, int most, int64_t deadline)
{
    int n;

    for (;;) {
        n = count(pid);
        if (n >= 0 && n <= most)
            return true;
        if (client_now_ms() >= deadline)
            return false;
        (void)poll(NULL, 0, 5);
    }
}

bool process_wait_descriptors(pid_t pid, int most, int64_t deadline)
{
    return wait_until_at_most(process_descriptors, pid, most, deadline);
}

bool process_wait_threads(pid_t pid, int most, int64_t deadline)
{
    return wait_until_at_most(process_threads, pid, most, deadline);
}

/* ---- Limits ---- */

int process_raise_descriptors(int want)
{
    struct rlimit limit;
    struct rlimit higher = {.rlim_cur = (rlim_t)want, .rlim_max = (rlim_t)want};

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -1;
    if (limit.rlim_cur < (rlim_t)want) {
        if (limit.rlim_max < (rlim_t)want && setrlimit(RLIMIT_NOFILE, &higher) == 0)
            return want;
        limit.rlim_cur = limit.rlim_max < (rlim_t)want ? limit.rlim_max : (rlim_t)want;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            return -1;
    }
    return limit.rlim_cur > 0x7fffffff ? 0x7fffffff : (int)limit.rlim_cur;
}

int process_fill(int *fds, int size)
{
    int count = 0, fd;

    while (count < size) {
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            break;
        fds[count++] = fd;
    }
    return count;
}

void process_spill(const int *fds, int count)
{
    while (count > 0)
        (void)close(fds[--count]);
}

/* ---- Children ---- */

int process_start(struct process *p, int (*run)(struct process *self, void *arg), void *arg)
{
    pid_t parent = getpid();
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    (void)fflush(NULL); /* or the child would write it as well */
    p->fd = pair[0];
    p->pid = fork();
    if (p->pid < 0) {
        (void)close(pair[0]);
        (void)close(pair[1]);
        return -1;
    }
    if (p->pid > 0) {
        (void)close(pair[1]);
        return 0;
    }
    (void)close(pair[0]);
    p->fd = pair[1];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    exit(run(p, arg));
}

bool process_say(struct process *p, int64_t number)
{
    return send(p->fd, &number, sizeof(number), MSG_NOSIGNAL) == (ssize_t)sizeof(number);
}

bool process_hear(struct process *p, int64_t *ret_number, int timeout_ms)
{
    int64_t deadline = client_deadline(timeout_ms), left;
    struct pollfd wait = {.fd = p->fd, .events = POLLIN};
    int n;

    do {
        left = deadline - client_now_ms();
        n = poll(&wait, 1, left > 0 ? (int)left : 0);
    } while (n < 0 && errno == EINTR);
    return n > 0 && recv(p->fd, ret_number, sizeof(*ret_number), 0) == (ssize_t)sizeof(*ret_number);
}

bool process_ask(struct process *p, int64_t number, int64_t *ret_number, int timeout_ms)
{
    return process_say(p, number) && process_hear(p, ret_number, timeout_ms);
}

int process_end(struct process *p)
{
    int64_t deadline = client_deadline(END_TIMEOUT_MS);
    int status = -1;
    pid_t ended;

    if (p->pid <= 0)
        return -1;
    /* Not close() alone: later children have copies of it. */
    (void)shutdown(p->fd, SHUT_RDWR);
    (void)close(p->fd);
    p->fd = -1;
    while ((ended = waitpid(p->pid, &status, WNOHANG)) == 0) {
        if (client_now_ms() >= deadline) {
            (void)kill(p->pid, SIGKILL);
            ended = waitpid(p->pid, &status, 0);
            break;
        }
        (void)poll(NULL, 0, 5);
    }
    p->pid = -1;
    return ended > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
