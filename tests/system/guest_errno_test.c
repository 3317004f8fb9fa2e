/*
 * errno of the host's threads is not disturbed: every function that succeeds, or that has no
 * result, leaves it as it was, whatever it had to do, and those for signal handlers do so even
 * where what they need is gone.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
/* forgets */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include <health/health.h>

#include "client.h"
#include "everything.h"
#include "process.h"
#include "service.h"

#define CANARY 4242 /* no system has so many */

static atomic_int disturbed, seen;
static const char *_Atomic disturbed_by;

static void set(const char *function)
{
    (void)function;
    errno = CANARY;
}

static void look(const char *function)
{
    int now = errno;

    atomic_fetch_add(&seen, 1);
    if (now != CANARY) {
        atomic_fetch_add(&disturbed, 1);
        atomic_store(&disturbed_by, function);
    }
    errno = now;
}

static void success_leaves_it_alone(void **state)
{
    (void)state;
    everything_call(set, look);
    if (atomic_load(&disturbed) > 0)
        fail_msg("%s disturbs errno", atomic_load(&disturbed_by));
    assert_true(atomic_load(&seen) > 50);
}

static void changed(const struct health_change *change, void *arg)
{
    (void)change;
    (void)arg;
}

#define UNDISTURBED(call)                                                                          \
    do {                                                                                           \
        errno = CANARY;                                                                            \
        call;                                                                                      \
        PROCESS_CHECK(errno == CANARY);                                                            \
    } while (0)

static int use_what_has_no_result(struct health *h, struct health_heartbeat *beat)
{
    int i;

    for (i = 0; i < 1000; i++) {
        UNDISTURBED(health_set_ready(h, i % 2 != 0));
        UNDISTURBED(health_set_started(h, true));
        UNDISTURBED(health_drain(h));
        UNDISTURBED(health_beat(beat));
        UNDISTURBED(health_idle(beat));
        UNDISTURBED((void)health_last_error());
        UNDISTURBED((void)health_strerror(i));
    }
    return 0;
}

/* Each gate wakes the loop, as changes are to be told of; then the host closes what it wakes it by.
 */
static int use_gates(struct process *self, void *arg)
{
    struct health_options options = HEALTH_OPTIONS_INIT;
    struct health_heartbeat *beat = NULL;
    struct health *h = NULL;
    int fd;

    (void)self;
    (void)arg;
    options.listen = "127.0.0.1:0";
    PROCESS_CHECK(health_new(&h, &options) == 0);
    PROCESS_CHECK(health_add_heartbeat(h, "loop", 1000, 0, &beat) == 0);
    PROCESS_CHECK(health_on_change(h, changed, NULL) == 0);
    PROCESS_CHECK(use_what_has_no_result(h, beat) == 0);
    PROCESS_CHECK(use_what_has_no_result(NULL, NULL) == 0);
    PROCESS_CHECK(health_start(h) == 0);
    PROCESS_CHECK(use_what_has_no_result(h, beat) == 0);
    (void)poll(NULL, 0, 100); /* until the loop sleeps, and the next gate has to wake it */
    /* To ThreadSanitizer that is a data race. */
    for (fd = 3; fd < 64 && !PROCESS_THREAD_SANITIZED; fd++)
        (void)close(fd);
    PROCESS_CHECK(use_what_has_no_result(h, beat) == 0);
    UNDISTURBED(PROCESS_CHECK(health_stop(h, 1000) == 0));
    UNDISTURBED(health_free(NULL));
    /* The memory of a loop that cannot be woken is left: see guest_closefrom_test.c. */
    _exit(0);
}

static void gates_and_beats_leave_it_alone(void **state)
{
    struct process p;

    (void)state;
    assert_int_equal(process_start(&p, use_gates, NULL), 0);
    assert_int_equal(process_end(&p), 0);
}

/* health_free() of an instance that was stopped before, and of one that was not. */
static void freeing_leaves_it_alone(void **state)
{
    struct health *h = service_start(NULL);

    (void)state;
    assert_int_equal(client_status(service_port(h), "/health"), 200);
    errno = CANARY;
    health_free(h);
    assert_int_equal(errno, CANARY);

    h = service_start(NULL);
    assert_int_equal(health_stop(h, 10000), 0);
    errno = CANARY;
    health_free(h);
    assert_int_equal(errno, CANARY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_leaves_it_alone),
        cmocka_unit_test(gates_and_beats_leave_it_alone),
        cmocka_unit_test(freeing_leaves_it_alone),
    };

    return cmocka_run_group_tests_name("guest_errno", tests, NULL, NULL);
}
