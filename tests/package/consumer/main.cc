// The same from C++.
//
// Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
#include <cstdio>
#include <string>

#include <health/health.h>

static enum health_status check(struct health_result *result, void *arg)
{
    return health_explain(result, HEALTH_PASS, "%s", static_cast<std::string *>(arg)->c_str());
}

int main()
{
    std::string text = "fine";
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_check what = HEALTH_CHECK_INIT;
    struct health *h = nullptr;

    options.listen = "127.0.0.1:0";
    what.name = "consumer";
    what.fn = check;
    what.arg = &text;
    int error = health_new(&h, &options);
    if (!error)
        error = health_add_check(h, &what);
    if (!error)
        error = health_start(h);
    if (!error)
        error = health_stop(h, 1000);
    if (error)
        std::fprintf(stderr, "%s: %s\n", health_strerror(error), health_last_error());
    health_free(h);
    return error ? 1 : 0;
}
