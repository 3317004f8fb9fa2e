/*
 * What a service under stress may be told as: the verdict on one check.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "stress_model.h"

#include <stdio.h>
#include <string.h>

#define SLACK (STRESS_SLACK_MS * STRESS_MS)

/* How far the coarse clock may be behind, with what rounding to ms adds; and the clock of a turn of
 * the loop, at the beginning of which a report counts as made that comes while it goes on. */
#define COARSE (20 * STRESS_MS)
#define TURN   (500 * STRESS_MS)

/* What an answer shows of a check. */
struct shown {
    bool listed;
    int status; /* PASS if it is not listed */
    const char *output;
    bool has_run;
    size_t run;
};

static bool begins(const char *text, const char *with)
{
    return text != NULL && strncmp(text, with, strlen(with)) == 0;
}

static bool ends_with_number(const char *text, const char *word, size_t number)
{
    char want[64];
    size_t length;

    (void)snprintf(want, sizeof(want), "%s %zu", word, number);
    length = strlen(want);
    return text != NULL && strlen(text) >= length &&
           strcmp(text + strlen(text) - length, want) == 0;
}

static int status_of(const char *text)
{
    if (strcmp(text, "pass") == 0)
        return HEALTH_PASS;
    return strcmp(text, "warn") == 0 ? HEALTH_WARN : HEALTH_FAIL;
}

static struct shown read_item(const json_t *item)
{
    struct shown s = {.listed = item != NULL, .status = HEALTH_PASS};
    const json_t *value;

    if (item == NULL)
        return s;
    s.status = status_of(json_string_value(json_object_get(item, "status")));
    s.output = json_string_value(json_object_get(item, "output"));
    value = json_object_get(item, "observedValue");
    s.has_run = value != NULL;
    s.run = s.has_run ? (size_t)json_number_value(value) : 0;
    return s;
}

int stress_told(const struct stress_life *life, int status, bool lenient)
{
    if (life->advisory && status != HEALTH_PASS)
        return HEALTH_WARN;
    if (status == STRESS_PENDING)
        return lenient ? HEALTH_PASS : HEALTH_FAIL;
    return status;
}

static int told(const struct stress_answer *a, const struct stress_life *life, int status)
{
    return stress_told(life, status, a->endpoint == STRESS_AT_LIVE);
}

enum stress_covers stress_covers(
    const struct stress_world *w, const struct stress_answer *a, const struct stress_life *life)
{
    switch (a->endpoint) {
    case STRESS_AT_LIVE:
        return life->probes & HEALTH_LIVE ? STRESS_YES : STRESS_NO;
    case STRESS_AT_READY:
        if (life->probes & HEALTH_READY)
            return STRESS_YES;
        if (!(life->probes & HEALTH_STARTUP))
            return STRESS_NO;
        return atomic_load(&w->latched_at) < a->from ? STRESS_NO : STRESS_PERHAPS;
    case STRESS_AT_STARTUP:
        return life->probes & HEALTH_STARTUP ? STRESS_YES : STRESS_NO;
    default:
        return STRESS_YES;
    }
}

/* The latest of the moments from which on time counts: whatever the check last said, a start, and
 * when the loop was last late and may have taken it for a freeze. */
static int64_t counts_from(
    const struct stress_world *w, int64_t said, const struct stress_version *up)
{
    int64_t stalled_at = atomic_load(&w->stalled_at);

    if (up->from > said)
        said = up->from;
    return stalled_at > said ? stalled_at : said;
}

/* The start that all of the answer was after.  Returns: false if there may have been none. */
static bool session_of(
    struct stress_world *w, const struct stress_answer *a, struct stress_version *ret)
{
    return stress_sole(&w->session, a->from, a->until, ret) && ret->value != 0;
}

/* ---- Runs ---- */

static bool is_over(struct stress_world *w, int number, int64_t by)
{
    bool over = true;
    size_t i;

    (void)pthread_mutex_lock(&w->session.mutex);
    for (i = w->session.count; i-- > 0;)
        if (w->session.versions[i].value == number)
            over = w->session.versions[i].until < by;
    (void)pthread_mutex_unlock(&w->session.mutex);
    return over;
}

/* Until when a result is shown at the latest, if nothing is late. */
static int64_t fresh_for(const struct stress_life *life)
{
    if (life->kind == STRESS_ON_DEMAND)
        return (int64_t)life->max_age_ms * STRESS_MS + SLACK;
    return INT64_C(2) * life->interval_ms * STRESS_MS + 2 * SLACK;
}

/* Why this run's result may not be what is shown. */
static const char *run_wrong(struct stress_world *w, const struct stress_answer *a,
    const struct stress_life *life, size_t number)
{
    const struct stress_run *run;
    struct stress_version up;
    size_t i;

    if (number >= life->run_count)
        return "a run that there was not";
    run = &life->runs[number];
    if (run->ended == 0 || run->ended > a->until)
        return "a result before its callback had returned";
    if (is_over(w, run->session, a->from))
        return "a result of before it was stopped";
    for (i = number + 1; i < life->run_count; i++)
        if (life->runs[i].seen < a->from)
            return "an older result than was shown before";
    if (session_of(w, a, &up) && up.value == run->session && !life->slow &&
        (w->patient || life->kind == STRESS_PERIODIC) &&
        counts_from(w, run->ended, &up) + fresh_for(life) < a->from)
        return "a result that is too old";
    return NULL;
}

/* Why it may not be shown as not judged yet. */
static const char *pending_wrong(
    struct stress_world *w, const struct stress_answer *a, const struct stress_life *life)
{
    struct stress_version up;
    size_t i;

    if (!session_of(w, a, &up))
        return NULL;
    for (i = life->run_count; i-- > 0 && life->runs[i].session == up.value;)
        if (life->runs[i].seen < a->from)
            return "no result, where one was shown before";
    /* A removal takes back the run that is waited for, before the check itself goes. */
    if (life->slow || atomic_load(&life->left) <= a->until)
        return NULL;
    if (life->kind == STRESS_ON_DEMAND && w->patient && atomic_load(&life->added) < a->from)
        return "no result, where the request would have waited for one";
    if (life->kind == STRESS_PERIODIC &&
        counts_from(w, atomic_load(&life->added), &up) + 2 * SLACK < a->from)
        return "no result for too long";
    return NULL;
}

/* Whether a run has hung for so long that it must be shown. */
static bool must_be_overdue(
    struct stress_world *w, const struct stress_answer *a, const struct stress_life *life)
{
    const struct stress_run *last;
    struct stress_version up;

    if (life->run_count == 0 || !session_of(w, a, &up))
        return false;
    last = &life->runs[life->run_count - 1];
    if (up.value != last->session)
        return false;
    return counts_from(w, last->begun, &up) + life->timeout_ms * STRESS_MS + SLACK < a->from &&
           (last->ended == 0 || last->ended > a->until);
}

static const char *callback_wrong(struct stress_world *w, const struct stress_answer *a,
    struct stress_life *life, const struct shown *s)
{
    bool overdue = begins(s->output, "no answer since ") || begins(s->output, "not started since ");
    bool took = begins(s->output, "took ");
    const struct stress_run *run;
    const char *wrong = NULL;
    size_t i;

    if (s->has_run && s->run >= life->run_count)
        return "a run that there was not";
    if (overdue || took || begins(s->output, "no result since ")) {
        if (!life->slow)
            return "late, with a timeout of a minute";
        return s->status == told(a, life, HEALTH_FAIL) ? NULL : "late, and no fail";
    }
    if (must_be_overdue(w, a, life))
        return "its callback hangs, and that is not told";
    if (begins(s->output, "no result yet") || (!s->has_run && s->listed && s->output == NULL)) {
        if (s->status != told(a, life, STRESS_PENDING))
            return "not judged, and not counted as that";
        return pending_wrong(w, a, life);
    }
    if (!s->listed) {
        /* That of any run that passed and may be the last, or that there was none. */
        if (told(a, life, STRESS_PENDING) == HEALTH_PASS && pending_wrong(w, a, life) == NULL)
            return NULL;
        for (i = life->run_count; i-- > 0;) {
            if (told(a, life, life->runs[i].status) != HEALTH_PASS)
                continue;
            wrong = run_wrong(w, a, life, i);
            if (wrong == NULL)
                return NULL;
            /* Those before are older still. */
            if (life->runs[i].ended != 0 && life->runs[i].ended <= a->until)
                break;
        }
        return "not listed, and no run that passed can be the last";
    }
    if (!s->has_run)
        return "an output, and no value";
    wrong = run_wrong(w, a, life, s->run);
    if (wrong != NULL)
        return wrong;
    run = &life->runs[s->run];
    if (told(a, life, run->status) != s->status)
        return "another status than the run's";
    if (s->status == HEALTH_PASS ? s->output != NULL : !ends_with_number(s->output, "run", s->run))
        return "another reason than the run's";
    if (life->slow && atomic_load(&w->stalled_at) < run->begun &&
        run->ended - run->begun > (life->timeout_ms + 5) * STRESS_MS)
        return "it took too long, and that is not told";
    return NULL;
}

void stress_note_seen(const struct stress_answer *a, struct stress_life *life, const json_t *item)
{
    struct shown s = read_item(item);

    (void)pthread_mutex_lock(&life->mutex);
    if (s.has_run && s.run < life->run_count && a->until < life->runs[s.run].seen)
        life->runs[s.run].seen = a->until;
    (void)pthread_mutex_unlock(&life->mutex);
}

/* ---- What the service says ---- */

/* What is only as good as its age: `word` is what was said last, which the next one follows. */
static bool may_be_too_old(const struct stress_answer *a, const struct stress_version *word,
    int64_t max_age_ms, int64_t early)
{
    int64_t too_old = word->from + max_age_ms * STRESS_MS - early;

    return too_old <= a->until && too_old <= word->until && word->until >= a->from;
}

static bool must_be_too_old(struct stress_world *w, const struct stress_answer *a,
    const struct stress_version *word, int64_t said, int64_t max_age_ms)
{
    struct stress_version up;

    return said < a->from && word->until >= a->until && session_of(w, a, &up) &&
           counts_from(w, said, &up) + max_age_ms * STRESS_MS + SLACK < a->from;
}

static const char *heartbeat_wrong(struct stress_world *w, const struct stress_answer *a,
    struct stress_life *life, const struct shown *s)
{
    const char *wrong = s->status == HEALTH_PASS ? NULL : "no beat was missed";
    const struct stress_version *beats;
    size_t i;

    if (s->status != HEALTH_PASS && !begins(s->output, "no beat since "))
        return "another reason than a heartbeat's";
    if (s->status == HEALTH_WARN)
        return "a heartbeat does not warn";
    (void)pthread_mutex_lock(&life->beats.mutex);
    beats = life->beats.versions;
    for (i = life->beats.count; i-- > 0;) {
        if (beats[i].until < a->from)
            break;
        if (beats[i].value)
            continue;
        if (s->status == HEALTH_FAIL && may_be_too_old(a, &beats[i], life->max_age_ms, COARSE))
            wrong = NULL;
        if (s->status == HEALTH_PASS && i + 1 == life->beats.count &&
            must_be_too_old(w, a, &beats[i], i > 0 ? beats[i - 1].until : atomic_load(&life->added),
                life->max_age_ms))
            wrong = "no beat for too long, and that is not told";
    }
    (void)pthread_mutex_unlock(&life->beats.mutex);
    return wrong;
}

static const char *pushed_wrong(struct stress_world *w, const struct stress_answer *a,
    const struct stress_life *life, const struct stress_version *version, const struct shown *s)
{
    if (begins(s->output, "no result since ") || begins(s->output, "no report since ")) {
        if (life->max_age_ms == 0 || s->status != told(a, life, HEALTH_FAIL))
            return "too old, though any age will do";
        return may_be_too_old(a, version, life->max_age_ms, TURN) ||
                       atomic_load(&w->stalled_at) >= version->from
                   ? NULL
                   : "too old too early";
    }
    if (life->max_age_ms != 0 &&
        must_be_too_old(w, a, version, version->from + SLACK, life->max_age_ms))
        return "the report is too old, and that is not told";
    if (s->status != told(a, life, version->value))
        return "another status than was reported";
    if (s->status == HEALTH_PASS || !s->listed)
        return s->output == NULL ? NULL : "a reason to pass";
    if (version->value == STRESS_PENDING)
        return begins(s->output, "no result yet") ? NULL : "another reason than no report";
    return ends_with_number(s->output, "report", version->report) ? NULL
                                                                  : "another report's reason";
}

/* ---- Of all kinds ---- */

const char *stress_wrong(const struct stress_world *world, const struct stress_answer *a,
    const struct stress_version *version, const json_t *item)
{
    struct stress_world *w = (struct stress_world *)(uintptr_t)world;
    struct stress_life *life = version->life;
    struct shown s = read_item(item);
    enum stress_covers covers;
    const char *wrong;

    if (life == NULL)
        return s.listed ? "there is none" : NULL;
    covers = stress_covers(w, a, life);
    if (covers == STRESS_NO)
        return s.listed ? "it is none of this endpoint's" : NULL;
    if (!s.listed) {
        if (covers == STRESS_PERHAPS)
            return NULL;
        if (a->verbose || a->endpoint >= STRESS_AT_HEALTH)
            return "it is not listed";
    }
    /* Once startup has passed nobody asks how its checks are. */
    if (a->endpoint == STRESS_AT_STARTUP && atomic_load(&w->latched_at) <= a->until)
        return NULL;
    if (life->kind == STRESS_PUSHED)
        return pushed_wrong(w, a, life, version, &s);
    if (life->kind == STRESS_HEARTBEAT)
        return heartbeat_wrong(w, a, life, &s);
    (void)pthread_mutex_lock(&life->mutex);
    wrong = callback_wrong(w, a, life, &s);
    (void)pthread_mutex_unlock(&life->mutex);
    return wrong;
}
