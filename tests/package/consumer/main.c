/*
 * What a program that uses libhealth needs of its package: to compile, link, start and end.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include <health/health.h>

static enum health_status check(struct health_result *result, void *arg)
{
    (void)arg;
    return health_explain(result, HEALTH_PASS, "fine");
}

int main(void)
{
    int error = health_register_check("consumer", check, NULL);

    if (error == 0)
        error = health_serve(0);
    if (error == 0 && health_port(NULL) <= 0)
        error = health_port(NULL);
    if (error == 0)
        error = health_stop(NULL, 1000);
    if (error)
        (void)fprintf(stderr, "%s: %s\n", health_strerror(error), health_last_error());
    return error ? 1 : 0;
}
