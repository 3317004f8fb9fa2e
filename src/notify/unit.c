/*
 * The service as systemd's unit.
 *
 * On-demand checks are run only for those who ask.  So that a unit need not wait for a stranger,
 * the loop itself asks: /ready until it has passed once, and /live before the watchdog is to be
 * fed.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "notify/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "notify/status.h"

#define ASK_MS   500 /* between two questions whether it is ready */
#define RETRY_MS 100 /* after a line that could not be sent */

/* ---- Asking ---- */

static void inquiry_answered(struct health__waiter *waiter)
{
    struct health__inquiry *inquiry = health__container(waiter, struct health__inquiry, waiter);

    inquiry->asking = false;
    inquiry->answered = true;
}

/* Asks if it is time to.  Returns: whether there is an answer now. */
static bool inquire(struct health__notifier *n, struct health__inquiry *inquiry,
    enum health__endpoint endpoint, unsigned gates, int64_t every_ms, int64_t now)
{
    if (!inquiry->asking && !inquiry->answered && inquiry->at <= now) {
        inquiry->waiter.ready = inquiry_answered;
        inquiry->waiter.question =
            (struct health__question){.probes = health__endpoint_probes(endpoint, gates)};
        inquiry->at = now + every_ms;
        inquiry->asking = health__engine_ask(n->engine, &inquiry->waiter);
        inquiry->answered = !inquiry->asking;
    }
    if (!inquiry->answered)
        return false;
    inquiry->answered = false;
    return true;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- Telling ---- */

/* Sends the line unless it was sent.  Returns: when to try again; NEVER if it was. */
static int64_t send_once(struct health__notifier *n, bool *sent, const char *line, int64_t now)
{
    if (!*sent)
        *sent = health__systemd_send(&n->systemd, line);
    return *sent ? HEALTH__NEVER : now + RETRY_MS;
}

static int64_t tell_ready(struct health__notifier *n, unsigned gates, int64_t now)
{
    if (n->is_ready)
        return HEALTH__NEVER;
    (void)inquire(n, &n->ready, HEALTH__AT_READY, gates, ASK_MS, now);
    if (health__notifier_status(n, HEALTH__AT_READY, gates) == HEALTH_FAIL)
        return n->ready.asking ? HEALTH__NEVER : n->ready.at;
    return send_once(n, &n->is_ready, "READY=1", now);
}

/*
 * How long before it is to be fed /live is asked, so that what is asked is known by then: as long
 * as an answer may take, but never so long that it is old news.
 */
static int64_t lead_ms(const struct health__notifier *n)
{
    return earlier(n->engine->response_ms, n->systemd.watchdog_ms / 2);
}

/* How long after a question the next is asked: where /live has failed when the watchdog was to be
 * fed, there is half of the unit's time left for it to pass again. */
static int64_t ask_every_ms(const struct health__notifier *n, int64_t now)
{
    int64_t half_ms = n->systemd.watchdog_ms;

    if (n->feed_at > now)
        return half_ms;
    return half_ms >= 4 ? half_ms / 4 : 1;
}

/* Fed is by what is known, be it that an answer is still waited for: a run that hangs makes /live
 * fail by itself. */
static int64_t feed_watchdog(struct health__notifier *n, unsigned gates, int64_t now)
{
    int64_t asks_at;
    bool fed = false;

    if (n->systemd.watchdog_ms == 0)
        return HEALTH__NEVER;
    /* The first time there is no need to wait. */
    if (inquire(n, &n->live, HEALTH__AT_LIVE, gates, ask_every_ms(n, now), now) && !n->is_fed)
        n->feed_at = earlier(n->feed_at, now);
    asks_at = n->live.asking ? HEALTH__NEVER : n->live.at;
    if (health__notifier_status(n, HEALTH__AT_LIVE, gates) == HEALTH_FAIL)
        return asks_at;
    if (n->feed_at > now)
        return earlier(n->feed_at, asks_at);
    if (send_once(n, &fed, "WATCHDOG=1", now) != HEALTH__NEVER)
        return now + RETRY_MS;
    n->is_fed = true;
    n->feed_at = now + n->systemd.watchdog_ms;
    n->live.at = n->feed_at - lead_ms(n);
    return n->live.asking ? n->feed_at : n->live.at;
}

/* STATUS= is a line: what would end it is a blank. */
static void make_line(char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < 0x20)
            *s = ' ';
}

static int64_t tell_status(struct health__notifier *n, unsigned gates, int64_t now)
{
    uint64_t version = health__engine_version(n->engine, HEALTH_ALL, false);
    enum health_status ready = health__notifier_status(n, HEALTH__AT_READY, gates);
    bool alive = health__notifier_status(n, HEALTH__AT_LIVE, gates) != HEALTH_FAIL;
    char reason[HEALTH__NOTIFY_REASON_BYTES], line[HEALTH__NOTIFY_STATUS_BYTES];
    const char *word = ready == HEALTH_FAIL ? "not ready" : "ready";

    if (n->has_status && n->status_version == version && n->status_gates == gates)
        return HEALTH__NEVER;
    if (alive) {
        health__notifier_explain(n, HEALTH__AT_READY, gates, ready, reason);
    } else {
        /* Why the watchdog is not fed. */
        word = "not alive";
        health__notifier_explain(n, HEALTH__AT_LIVE, gates, HEALTH_FAIL, reason);
    }
    (void)snprintf(
        line, sizeof(line), "STATUS=%s%s%s", word, reason[0] != '\0' ? ": " : "", reason);
    make_line(line);
    /* Much changes that does not show here. */
    if (!n->has_status || strcmp(line, n->status) != 0) {
        n->has_status = health__systemd_send(&n->systemd, line);
        memcpy(n->status, line, sizeof(line));
    }
    n->status_version = version;
    n->status_gates = gates;
    return n->has_status ? HEALTH__NEVER : now + RETRY_MS;
}

int64_t health__unit_turn(struct health__notifier *n, unsigned gates, int64_t now)
{
    int64_t next = tell_ready(n, gates, now);

    next = earlier(next, tell_status(n, gates, now));
    next = earlier(next, feed_watchdog(n, gates, now));
    if (gates & HEALTH__DRAINING)
        next = earlier(next, send_once(n, &n->is_stopping, "STOPPING=1", now));
    return next;
}

bool health__unit_owes(const struct health__notifier *n, unsigned gates)
{
    return health__systemd_listens(&n->systemd) && (gates & HEALTH__DRAINING) && !n->is_stopping;
}

void health__unit_begin(struct health__notifier *n, int64_t now)
{
    health__systemd_begin(&n->systemd);
    n->ready = n->live = (struct health__inquiry){.at = now};
    n->is_ready = n->is_stopping = n->is_fed = n->has_status = false;
    n->feed_at = now + n->systemd.watchdog_ms;
}
