/*
 * Gates as the service sets them: the loop is woken where a change of theirs is to be seen at once.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* wrap: clock_gettime health__loop_wake */
#include "engine/life.h"

#include <sys/socket.h>

#include "by_hand.h"
#include "engine/loop.h"

void __real_health__loop_wake(struct health__engine *e);
void __wrap_health__loop_wake(struct health__engine *e);

#define T 10000 /* when it begins */

static struct hand h;
static struct health__engine *const e = &h.engine;

static unsigned wakers; /* as of the last wake */

void __wrap_health__loop_wake(struct health__engine *engine)
{
    wakers = atomic_load(&engine->wakers);
    __real_health__loop_wake(engine);
}

static int open_hand(void **unused)
{
    (void)unused;
    hand_open(&h, T);
    assert_int_equal(health__fd_pair(&e->wake_send, &e->wake_receive), 0);
    return 0;
}

static int close_hand(void **unused)
{
    (void)unused;
    health__fd_close(&e->wake_send);
    health__fd_close(&e->wake_receive);
    hand_close(&h);
    return 0;
}

/* Whether the loop was woken since the last time. */
static bool was_woken(void)
{
    char byte;

    atomic_store(&e->woken, false);
    return recv(e->wake_receive.fd, &byte, 1, 0) == 1;
}

static void a_gate_is_set_and_nobody_is_woken(void **unused)
{
    (void)unused;
    health__engine_set_gate(e, HEALTH__NOT_READY, true);
    assert_int_equal(atomic_load(&h.gates.bits), HEALTH__NOT_READY);
    health__engine_set_gate(e, HEALTH__DRAINING, true);
    health__engine_set_gate(e, HEALTH__NOT_READY, false);
    assert_int_equal(atomic_load(&h.gates.bits), HEALTH__DRAINING);
    assert_false(was_woken());
    assert_int_equal(atomic_load(&e->wakers), 0);
}

static void while_observed_the_loop_is(void **unused)
{
    (void)unused;
    health__engine_observe(e, true);
    health__engine_set_gate(e, HEALTH__NOT_READY, true);
    assert_true(was_woken());
    /* Whoever closes what it is woken by has waited meanwhile. */
    assert_int_equal(wakers, 1);
    health__engine_set_gate(e, HEALTH__NOT_READY, false);
    assert_true(was_woken());
    assert_int_equal(atomic_load(&h.gates.bits), 0);
    assert_int_equal(atomic_load(&e->wakers), 0);
    health__engine_observe(e, false);
    health__engine_set_gate(e, HEALTH__NOT_READY, true);
    assert_false(was_woken());
}

/* So is it by what is added and reported, which else can wait for a request. */
static void and_by_checks(void **unused)
{
    (void)unused;
    health__engine_observe(e, true);
    (void)hand_add_pushed(&h, .name = "p");
    assert_true(was_woken());
    hand_report(&h, "p", HEALTH_WARN, NULL);
    assert_true(was_woken());
    (void)hand_add_heartbeat(&h, "b", 100, 0);
    assert_true(was_woken());
}

/* After a stop there is nothing to wake. */
static void a_set_that_is_closed_is_not_observed(void **unused)
{
    (void)unused;
    assert_int_equal(health__poller_open(&e->poller), 0);
    e->wake.fd = e->wake_receive.fd;
    assert_int_equal(health__poller_add(&e->poller, &e->wake, HEALTH__READABLE), 0);
    health__engine_observe(e, true);
    health__life_close_poller(e);
    assert_false(atomic_load(&e->observed));
    assert_int_equal(e->wake_send.fd, -1);
    assert_int_equal(e->wake_receive.fd, -1);
    assert_int_equal(e->poller.fd, -1);
    health__engine_set_gate(e, HEALTH__NOT_READY, true);
    assert_int_equal(atomic_load(&h.gates.bits), HEALTH__NOT_READY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_hand, close_hand)
    const struct CMUnitTest tests[] = {
        TEST(a_gate_is_set_and_nobody_is_woken),
        TEST(while_observed_the_loop_is),
        TEST(and_by_checks),
        TEST(a_set_that_is_closed_is_not_observed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
