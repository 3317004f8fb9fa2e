/*
 * The library's threads, as /proc shows them.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "tasks.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client.h"

static bool is_ours(const char *tid)
{
    char path[300], name[32] = "";
    bool ours;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%s/comm", tid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    ours = fgets(name, sizeof(name), file) != NULL &&
           (strcmp(name, "health\n") == 0 || strcmp(name, "health-worker\n") == 0);
    (void)fclose(file);
    return ours;
}

int tasks_list(pid_t *tids, int size)
{
    struct dirent *entry;
    int count = 0;
    DIR *dir;

    dir = opendir("/proc/self/task");
    if (dir == NULL)
        return -1;
    while (count >= 0 && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.' || !is_ours(entry->d_name))
            continue;
        if (count < size)
            tids[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
        else
            count = -1;
    }
    (void)closedir(dir);
    return count;
}

bool tasks_wait(int least, int64_t deadline)
{
    pid_t tids[64];

    while (tasks_list(tids, 64) < least) {
        if (client_now_ms() >= deadline)
            return false;
        (void)poll(NULL, 0, 2);
    }
    return true;
}

bool tasks_status(pid_t tid, const char *name, char *text, int size)
{
    size_t length = strlen(name);
    bool found = false;
    char path[64], line[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)tid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, length) != 0 || line[length] != ':')
            continue;
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(
            text, (size_t)size, "%s", line + length + 1 + strspn(line + length + 1, " \t"));
        found = true;
    }
    (void)fclose(file);
    return found;
}

uint64_t tasks_blocked(pid_t tid)
{
    char text[32];

    return tasks_status(tid, "SigBlk", text, sizeof(text)) ? strtoull(text, NULL, 16) : 0;
}

pid_t tasks_self(void)
{
    return (pid_t)syscall(SYS_gettid);
}
