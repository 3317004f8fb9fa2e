/*
 * What a service under stress may be told as: answers as a whole.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#include "stress_model.h"

#include <stdlib.h>
#include <string.h>

#include "document.h"

/* Moments at which an answer would be wrong about a name, but for the ends. */
struct gap {
    int64_t from, until;
};

struct judging {
    struct stress_world *w;
    const struct stress_answer *a;
    struct gap gaps[256];
    size_t gap_count;
};

static void complain(const struct judging *j, const char *name, const char *wrong)
{
    char *text = j->a->doc != NULL ? json_dumps(j->a->doc, 0) : NULL;

    stress_fail("%s, from %lld to %lld µs%s: %s: %s\n%d %s", j->a->text,
        (long long)(j->a->from / 1000), (long long)(j->a->until / 1000),
        stress_is_up(j->w, j->a->from, j->a->until) ? "" : ", while it stops or starts", name,
        wrong, j->a->code, text != NULL ? text : "");
}

static void add_gap(struct judging *j, int64_t from, int64_t until)
{
    if (j->gap_count == sizeof(j->gaps) / sizeof(j->gaps[0]))
        complain(j, "the test", "too much has happened meanwhile");
    j->gaps[j->gap_count++] = (struct gap){from, until};
}

static void judge_name(struct judging *j, size_t number, const json_t *item)
{
    struct stress_history *h = &j->w->histories[number];
    int64_t good_until = j->a->from - 1;
    struct stress_life *life = NULL;
    const char *wrong = NULL;
    bool right = false, several = false;
    size_t i;

    (void)pthread_mutex_lock(&h->mutex);
    for (i = h->count; i > 0 && h->versions[i - 1].until >= j->a->from;)
        i--;
    for (; i < h->count && h->versions[i].from <= j->a->until; i++) {
        const struct stress_version *v = &h->versions[i];
        const char *said = stress_wrong(j->w, j->a, v, item);

        if (said != NULL) {
            if (v->life != NULL || wrong == NULL)
                wrong = said;
            continue;
        }
        several |= right && v->life != life;
        life = v->life;
        if (v->from > good_until)
            add_gap(j, good_until, v->from);
        if (v->until > good_until)
            good_until = v->until;
        right = true;
    }
    (void)pthread_mutex_unlock(&h->mutex);
    if (item != NULL && right && !several)
        stress_note_seen(j->a, life, item);
    if (!right)
        complain(j, j->w->names[number], wrong != NULL ? wrong : "?");
    if (good_until <= j->a->until)
        add_gap(j, good_until, j->a->until + 1);
}

static bool in_a_gap(const struct judging *j, int64_t at)
{
    size_t i;

    for (i = 0; i < j->gap_count; i++)
        if (j->gaps[i].from < at && at < j->gaps[i].until)
            return true;
    return false;
}

/* Whether there is a moment that is in no gap: if there is, the first, or the end of one, is. */
static bool has_a_moment(const struct judging *j)
{
    size_t i;

    if (!in_a_gap(j, j->a->from))
        return true;
    for (i = 0; i < j->gap_count; i++)
        if (j->gaps[i].until <= j->a->until && !in_a_gap(j, j->gaps[i].until))
            return true;
    return false;
}

static void judge_checks(struct judging *j)
{
    json_t *checks = json_object_get(j->a->doc, "checks");
    size_t i, listed = 0;

    for (i = 0; i < STRESS_NAMES; i++) {
        const json_t *item = json_array_get(json_object_get(checks, j->w->names[i]), 0);
        bool is_subject = (int)i == j->a->subject;

        listed += item != NULL;
        if (is_subject != (j->a->endpoint == STRESS_AT_NAME) && j->a->subject >= 0) {
            if (item != NULL)
                complain(j, j->w->names[i], "it is not asked for");
            continue;
        }
        judge_name(j, i, item);
    }
    if (listed != json_object_size(checks))
        complain(j, "checks", "there is one of a name that never was");
    if (!has_a_moment(j))
        complain(j, "checks", "at no moment were all of them so");
    (void)atomic_fetch_add(&j->w->shown, listed);
}

static void latched(struct stress_world *w, int64_t at)
{
    int64_t before = atomic_load(&w->latched_at);

    while (at < before && !atomic_compare_exchange_weak(&w->latched_at, &before, at))
        ;
}

static void judge_gate(struct judging *j, unsigned gate, const char *name)
{
    const struct stress_answer *a = j->a;
    bool shown = document_gate(a->doc, name);
    bool has_passed = atomic_load(&j->w->latched_at) < a->from;
    struct stress_version v;

    if (gate == STRESS_STARTED && has_passed && !shown)
        complain(j, name, "it is shut, though startup has passed");
    if (!stress_sole(&j->w->gates[gate], a->from, a->until, &v) || shown == (v.value != 0))
        return;
    /* Once startup has passed the gate is not shut any more: and so it must have. */
    if (gate == STRESS_STARTED && shown)
        latched(j->w, a->until);
    else
        complain(j, name, "it is the other way round");
}

/* Of all that is listed: what is not passes. */
static int worst_listed(const struct stress_answer *a)
{
    json_t *checks = json_object_get(a->doc, "checks"), *items;
    int worst = HEALTH_PASS;
    const char *name;

    json_object_foreach(checks, name, items)
    {
        const char *status = document_check_status(a->doc, name);

        (void)items;
        if (strcmp(status, "fail") == 0)
            worst = HEALTH_FAIL;
        else if (strcmp(status, "warn") == 0 && worst == HEALTH_PASS)
            worst = HEALTH_WARN;
    }
    return worst;
}

static void judge_whole(struct judging *j)
{
    static const char *const statuses[] = {"pass", "warn", "fail"};
    const struct stress_answer *a = j->a;
    bool started = document_gate(a->doc, "started"), ready = document_gate(a->doc, "ready"),
         draining = document_gate(a->doc, "draining"), passed;
    const char *status = document_status(a->doc);
    int worst = worst_listed(a);

    judge_gate(j, STRESS_STARTED, "started");
    judge_gate(j, STRESS_READY, "ready");
    judge_gate(j, STRESS_DRAINING, "draining");
    if (a->code != (strcmp(status, "fail") == 0 ? 503 : 200))
        complain(j, status, "another code");
    if (a->endpoint == STRESS_AT_READY && (!started || !ready || draining))
        worst = HEALTH_FAIL;
    if ((a->endpoint == STRESS_AT_STARTUP || a->endpoint == STRESS_AT_HEALTH) && !started)
        worst = HEALTH_FAIL;
    /* Once startup has passed it is that, whatever is listed. */
    passed = a->endpoint == STRESS_AT_STARTUP &&
             (atomic_load(&j->w->latched_at) < a->from || strcmp(status, "pass") == 0);
    if (passed)
        worst = HEALTH_PASS;
    if (strcmp(status, statuses[worst]) != 0)
        complain(j, status, "that is not the worst of what counts");
}

void stress_judge(struct stress_world *w, const struct stress_answer *a)
{
    struct judging j = {.w = w, .a = a};

    (void)atomic_fetch_add(&w->judged, 1);
    if (stress_is_down(w, a->from, a->until))
        complain(&j, "the answer", "it was stopped");
    if (a->subject < 0 && a->code == 200 &&
        (a->endpoint == STRESS_AT_STARTUP || a->endpoint == STRESS_AT_READY))
        latched(w, a->until);
    /* Nor would it pass otherwise, with what is listed. */
    if (a->endpoint == STRESS_AT_STARTUP && a->doc != NULL && worst_listed(a) != HEALTH_PASS &&
        strcmp(document_status(a->doc), "pass") == 0)
        latched(w, a->until);
    if (a->code == 404) {
        if (a->endpoint != STRESS_AT_NAME)
            complain(&j, "the path", "it is there");
        judge_name(&j, (size_t)a->subject, NULL);
    } else if (a->doc != NULL) {
        document_validate(a->doc);
        judge_checks(&j);
        judge_whole(&j);
    } else if (a->code == 503 && a->endpoint == STRESS_AT_STARTUP &&
               atomic_load(&w->latched_at) < a->from) {
        complain(&j, "startup", "it has passed before");
    }
}
