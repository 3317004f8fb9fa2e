/*
 * What the service's threads do with their checks.
 *
 * Adding, removing and reporting happen at once, under the mutex; what the loop must know of it is
 * left in the check's mail.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "core/policy.h"
#include "core/read.h"
#include "engine/engine.h"
#include "engine/life.h"
#include "engine/loop.h"
#include "engine/runs.h"

static struct health__check *find(struct health__engine *e, const char *name)
{
    struct health__entry *entry = health__registry_find(&e->registry, name);

    return entry != NULL ? health__container(entry, struct health__check, entry) : NULL;
}

/* With the mutex held: leaves something for the loop. */
static void send_mail(struct health__engine *e, struct health__check *check, unsigned char flag)
{
    if (check->mail_flags == 0) {
        check->mail = NULL;
        *e->mail_end = check;
        e->mail_end = &check->mail;
    }
    check->mail_flags |= flag;
    atomic_store_explicit(&e->has_mail, true, memory_order_release);
}

/* Adds the check, which is the engine's from then on; on failure it is freed. */
static int add(struct health__engine *e, struct health__check *check)
{
    int error = 0;

    (void)pthread_mutex_lock(&e->mutex);
    if (find(e, check->name) == NULL) {
        health__registry_add(&e->registry, &check->entry);
        send_mail(e, check, HEALTH__MAIL_ADDED);
        /* The others are looked at when a request comes. */
        if (e->life == HEALTH__STARTED &&
            (check->policy.kind == HEALTH__PERIODIC || atomic_load(&e->observed)))
            health__loop_wake(e);
    } else {
        error = health__fail(
            HEALTH_EEXIST, EEXIST, "there is a check named '%.128s' already", check->name);
    }
    (void)pthread_mutex_unlock(&e->mutex);
    if (error != 0)
        health__check_free(check);
    return error;
}

int health__engine_add(struct health__engine *e, const struct health_check *asked)
{
    char name[HEALTH__NAME_BYTES];
    struct health__policy policy;
    struct health__check *check;
    int error;

    error = health__name_read(name, asked->name);
    if (error == 0)
        error = health__policy_read(&policy, name, asked);
    if (error != 0)
        return error;
    check = health__check_new(name, &policy, health__now_ms());
    if (check == NULL)
        return health__fail_memory();
    check->fn = asked->fn;
    check->arg = asked->arg;
    check->release = asked->release;
    return add(e, check);
}

int health__engine_add_heartbeat(struct health__engine *e, const char *asked, unsigned max_age_ms,
    unsigned probes, struct health_heartbeat **ret_heartbeat)
{
    char name[HEALTH__NAME_BYTES];
    struct health__policy policy;
    struct health__check *check;
    int error;

    error = health__name_read(name, asked);
    if (error == 0)
        error = health__policy_heartbeat(&policy, name, max_age_ms, probes);
    if (error != 0)
        return error;
    check = health__check_new(name, &policy, health__now_ms());
    if (check == NULL)
        return health__fail_memory();
    error = add(e, check);
    if (error == 0)
        *ret_heartbeat = &check->heartbeat;
    return error;
}

/* With the mutex held: what is known by the name; NULL, having said so, if there is nothing. */
static struct health__check *look_up(struct health__engine *e, const char *asked)
{
    char name[HEALTH__NAME_BYTES];
    struct health__check *check = NULL;

    if (health__name_clean(name, asked))
        check = find(e, name);
    if (check == NULL)
        (void)health__fail(HEALTH_ENOENT, ENOENT, "there is no check named '%.128s'", asked);
    return check;
}

int health__engine_remove(struct health__engine *e, const char *name)
{
    struct health__link dead;
    struct health__check *check;
    int64_t queued_at = HEALTH__NOT_YET, timeout_ms = 0;
    bool wait = !health__thread_is_ours(), ended = false;

    health__list_init(&dead);
    (void)pthread_mutex_lock(&e->mutex);
    check = look_up(e, name);
    if (check != NULL) {
        health__registry_remove(&e->registry, &check->entry);
        timeout_ms = check->policy.timeout_ms;
        queued_at = health__pool_remove(&e->pool, &check->job, wait ? &ended : NULL);
        send_mail(e, check, HEALTH__MAIL_REMOVED);
        if (health__life_loop_runs(e)) {
            health__loop_wake(e);
        } else {
            e->now = health__now_ms();
            health__runs_collect(e);
            health__mail_read_locked(e);
            health__mail_exhume(e, &dead);
        }
    }
    (void)pthread_mutex_unlock(&e->mutex);
    if (check == NULL)
        return HEALTH_ENOENT;
    health__checks_release(&dead);
    if (queued_at == HEALTH__NOT_YET)
        return 0;
    if (wait && health__pool_watch(&e->pool, &check->job, &ended, queued_at + timeout_ms))
        return 0;
    return health__life_still_running(name);
}

int health__engine_report(struct health__engine *e, const char *name, enum health_status status,
    const struct health_result *said)
{
    struct health__words *words = health__words_keep(said);
    struct health__check *check;
    int error = 0;

    (void)pthread_mutex_lock(&e->mutex);
    check = look_up(e, name);
    if (check == NULL) {
        error = HEALTH_ENOENT;
    } else if (check->policy.kind != HEALTH__PUSHED) {
        error = health__fail(HEALTH_EINVAL, EINVAL,
            "'%.128s' is no pushed check: it has a callback, or is a heartbeat", name);
    } else {
        struct health__words *before = check->reported_words;

        check->reported = status;
        check->reported_at = health__now_ms();
        check->reported_words = words;
        words = before;
        send_mail(e, check, HEALTH__MAIL_REPORTED);
        if (e->life == HEALTH__STARTED && atomic_load(&e->observed))
            health__loop_wake(e);
    }
    (void)pthread_mutex_unlock(&e->mutex);
    health__words_free(words);
    return error;
}
