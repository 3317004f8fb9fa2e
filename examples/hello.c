/* hello: a program with a health endpoint: one check, and one call that answers for it.
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT */
#include <err.h>
#include <health/health.h>
#include <sys/statvfs.h>
#include <unistd.h>

static enum health_status check_disk(struct health_result *result, void *path)
{
    struct statvfs disk;
    if (statvfs(path, &disk) != 0)
        return health_explain(result, HEALTH_FAIL, "no answer from the file system");
    double left = 100.0 * (double)disk.f_bavail / (double)disk.f_blocks;
    health_observe(result, left, "%");
    enum health_status status = left < 2 ? HEALTH_FAIL : left < 10 ? HEALTH_WARN : HEALTH_PASS;
    return health_explain(result, status, "only %.0f %% left", left);
}

int main(void)
{
    static char root[] = "/";
    if (health_register_check("disk", check_disk, root) != 0 || health_serve(8080) != 0)
        errx(1, "%s", health_last_error());
    pause(); /* your program goes here */
}
