/*
 * Endpoints and gates: the table of docs/design.md, state by state, against one that is written
 * out.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "core/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/gates.h"

/*
 * By the bits as they are set: a letter for each of the 16 states, of which the bits are, from the
 * left, latched, draining, not ready, not started:
 *
 *   latched        0000000011111111
 *   draining       0000111100001111
 *   not ready      0011001100110011
 *   not started    0101010101010101
 */
static const struct {
    enum health__endpoint endpoint;
    const char *shut;    /* `x`: fails by the gates alone */
    const char *latched; /* `x`: passes whatever the checks say */
    const char *latches; /* `x`: asking it can make startup pass */
    const char *startup; /* `x`: counts startup checks */
    unsigned probes;     /* that it counts always */
    bool lenient;
    bool lists_all;
} table[] = {
    {HEALTH__AT_LIVE, "................", "................", "................",
        "................", HEALTH_LIVE, true, false},
    {HEALTH__AT_READY, ".xxxxxxx..xxxxxx", "................", "x.x.x.x.........",
        "xxxxxxxx........", HEALTH_READY, false, false},
    {HEALTH__AT_STARTUP, ".x.x.x.x........", "........xxxxxxxx", "x.x.x.x.........",
        "xxxxxxxxxxxxxxxx", HEALTH_STARTUP, false, false},
    {HEALTH__AT_HEALTH, ".x.x.x.x........", "................", "................",
        "................", HEALTH_ALL, false, true},
};

static void every_state_of_the_gates_at_every_endpoint(void **unused)
{
    size_t i;
    unsigned state;

    (void)unused;
    assert_int_equal(sizeof(table) / sizeof(table[0]), HEALTH__ENDPOINTS);
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        for (state = 0; state < HEALTH__GATES; state++) {
            enum health__endpoint at = table[i].endpoint;
            struct health__gates g = {state};
            unsigned gates = health__gates_read(&g), probes = table[i].probes;

            if (table[i].startup[state] == 'x')
                probes |= HEALTH_STARTUP;
            if (health__endpoint_shut(at, gates) != (table[i].shut[state] == 'x') ||
                health__endpoint_latched(at, gates) != (table[i].latched[state] == 'x') ||
                health__endpoint_latches(at, gates) != (table[i].latches[state] == 'x') ||
                health__endpoint_probes(at, gates) != probes)
                fail_msg("endpoint %zu in state %u", i, state);
        }
}

static void what_does_not_depend_on_gates(void **unused)
{
    size_t i;

    (void)unused;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(health__endpoint_lenient(table[i].endpoint), table[i].lenient);
        assert_int_equal(health__endpoint_lists_all(table[i].endpoint), table[i].lists_all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_of_the_gates_at_every_endpoint),
        cmocka_unit_test(what_does_not_depend_on_gates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
