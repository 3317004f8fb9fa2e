/*
 * What each endpoint asks of the checks, and makes of the gates.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/endpoint.h"

#include "core/gates.h"

static bool latched(unsigned gates)
{
    return (gates & HEALTH__LATCHED) != 0;
}

unsigned health__endpoint_probes(enum health__endpoint endpoint, unsigned gates)
{
    switch (endpoint) {
    case HEALTH__AT_LIVE:
        return HEALTH_LIVE;
    case HEALTH__AT_READY:
        return latched(gates) ? HEALTH_READY : HEALTH_READY | HEALTH_STARTUP;
    case HEALTH__AT_STARTUP:
        return HEALTH_STARTUP;
    default:
        return HEALTH_ALL;
    }
}

bool health__endpoint_shut(enum health__endpoint endpoint, unsigned gates)
{
    switch (endpoint) {
    case HEALTH__AT_READY:
        return (gates & (HEALTH__NOT_STARTED | HEALTH__NOT_READY | HEALTH__DRAINING)) != 0;
    case HEALTH__AT_STARTUP:
    case HEALTH__AT_HEALTH:
        return (gates & HEALTH__NOT_STARTED) != 0;
    default:
        return false;
    }
}

bool health__endpoint_latched(enum health__endpoint endpoint, unsigned gates)
{
    return endpoint == HEALTH__AT_STARTUP && latched(gates);
}

bool health__endpoint_latches(enum health__endpoint endpoint, unsigned gates)
{
    return (endpoint == HEALTH__AT_STARTUP || endpoint == HEALTH__AT_READY) &&
           (gates & (HEALTH__LATCHED | HEALTH__NOT_STARTED)) == 0;
}
