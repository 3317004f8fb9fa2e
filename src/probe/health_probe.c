/*
 * health-probe: health_probe_main() alone.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <health/probe.h>

int main(int argc, char **argv)
{
    return health_probe_main(argc, argv);
}
