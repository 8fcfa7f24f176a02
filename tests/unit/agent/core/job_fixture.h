/*
 * A job of three steps (or their inverse) and short ways to tell it what happened.
 */
#pragma once

#include "job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define ROLLOUT ((Uuid){{1}})
#define OTHER_ROLLOUT ((Uuid){{2}})
#define SHARD ((Uuid){{9}})

typedef struct Fixture {
    Arena *arena;
    Job *job;
    JobEffects effects; /* of the last step */
    uint64_t now_ms;
    uint64_t unix_ms;
    JobHistory history[16];
    size_t history_count;
} Fixture;

/* "a,b" */
static inline StrList rows_of(Fixture *f, const char *text)
{
    StrList list = {0};
    char *copy = arena_strdup(f->arena, text);
    char *save = NULL;
    for (char *word = strtok_r(copy, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save))
        strlist_add(f->arena, &list, word);
    return list;
}

static inline JobStep step_of(Fixture *f, const char *revision, const char *before,
                              const char *after)
{
    return (JobStep){revision, rows_of(f, before), rows_of(f, after)};
}

static inline JobSpec forward_spec(Fixture *f)
{
    JobStep *steps = ARENA_ARRAY(f->arena, JobStep, 3);
    steps[0] = step_of(f, "r2", "r1", "r2");
    steps[1] = step_of(f, "r3", "r2", "r3");
    steps[2] = step_of(f, "r4", "r3", "r4");
    return (JobSpec){
        .rollout_id = ROLLOUT,
        .shard = SHARD,
        .index = 7,
        .generation = 1,
        .attempt = 1,
        .direction = DIRECTION_UPGRADE,
        .kind = JOB_FORWARD,
        .plan_rows_before = rows_of(f, "r1"),
        .plan_rows_after = rows_of(f, "r4"),
        .steps = steps,
        .step_count = 3,
        .source_rollout = ROLLOUT,
        .lock_attempts = 3,
        .connect_attempts = 2,
        .seed = 42,
    };
}

static inline JobSpec take_back_spec(Fixture *f)
{
    JobSpec spec = forward_spec(f);
    spec.kind = JOB_TAKE_BACK;
    spec.direction = DIRECTION_DOWNGRADE;
    spec.generation = 2;
    spec.steps = NULL;
    spec.step_count = 0;
    spec.take_back_allowed = true;
    return spec;
}

static inline int fixture_setup(void **state)
{
    Fixture *f = xcalloc(1, sizeof(*f));
    f->arena = arena_new();
    f->now_ms = 1000;
    f->unix_ms = 1000000;
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    Fixture *f = *state;
    job_free(f->job);
    arena_free(f->arena);
    free(f);
    return 0;
}

static inline void make_job(Fixture *f, JobSpec spec)
{
    job_free(f->job);
    f->job = job_new(&spec);
}

static inline ErrCode give(Fixture *f, JobEvent event)
{
    Error err;
    f->effects = (JobEffects){.arena = f->arena};
    event.now_ms = f->now_ms;
    event.unix_ms = f->unix_ms;
    return job_step(f->job, &event, &f->effects, &err);
}

static inline void tell(Fixture *f, JobEventKind kind)
{
    assert_int_equal(give(f, (JobEvent){.kind = kind}), ERR_OK);
}

static inline void add_history(Fixture *f, uint32_t generation, Direction direction,
                               const char *revision, const char *before, const char *after)
{
    f->history[f->history_count++] = (JobHistory){
        .rollout = ROLLOUT,
        .generation = generation,
        .direction = direction,
        .revision = revision,
        .rows_before = rows_of(f, before),
        .rows_after = rows_of(f, after),
        .succeeded = true,
        .started_unix_ms = 1000000 + f->history_count,
    };
}

static inline void tell_claimed(Fixture *f, const char *rows)
{
    JobEvent event = {.kind = JOB_EVENT_CLAIMED};
    event.claimed = (JobClaimed){
        .fence = 5,
        .rows = rows_of(f, rows),
        .history = f->history,
        .history_count = f->history_count,
    };
    assert_int_equal(give(f, event), ERR_OK);
}

static inline void tell_failed(Fixture *f, JobEventKind kind, JobFailureClass failure_class,
                               ErrCode code, bool session_dead)
{
    Error error;
    err_set(&error, code, "made up");
    JobEvent event = {.kind = kind};
    event.failed =
        (JobFailure){.failure_class = failure_class, .session_dead = session_dead, .error = &error};
    assert_int_equal(give(f, event), ERR_OK);
}

static inline void tell_step_done(Fixture *f, const char *rows)
{
    JobEvent event = {.kind = JOB_EVENT_STEP_DONE};
    event.step_done.rows = rows_of(f, rows);
    assert_int_equal(give(f, event), ERR_OK);
}

static inline const JobEffect *effect_of(const Fixture *f, JobEffectKind kind)
{
    for (size_t i = 0; i < f->effects.count; i++)
        if (f->effects.items[i].kind == kind)
            return &f->effects.items[i];
    return NULL;
}

#define assert_effect(f, kind) assert_non_null(effect_of((f), (kind)))
#define assert_no_effect(f, kind) assert_null(effect_of((f), (kind)))

static inline const JobReport *report_of(const Fixture *f)
{
    const JobEffect *effect = effect_of(f, JOB_EFFECT_REPORT);
    assert_non_null(effect);
    return effect->report;
}

static inline void assert_step(const Fixture *f, uint32_t number, const char *revision)
{
    const JobEffect *effect = effect_of(f, JOB_EFFECT_STEP);
    assert_non_null(effect);
    assert_int_equal(effect->step.number, number);
    assert_string_equal(effect->step.revision, revision);
}

static inline void assert_ended(const Fixture *f, JobOutcome outcome)
{
    assert_int_equal(job_state(f->job), JOB_DONE);
    assert_string_equal(outcome_name(job_outcome(f->job)), outcome_name(outcome));
    assert_int_equal(report_of(f)->outcome, outcome);
    assert_int_equal(report_of(f)->phase, PHASE_DONE);
}

/* To where the claim's answer is awaited. */
static inline void run_to_claim(Fixture *f)
{
    tell(f, JOB_EVENT_START);
    assert_effect(f, JOB_EFFECT_CONNECT);
    tell(f, JOB_EVENT_CONNECTED);
    assert_effect(f, JOB_EFFECT_CLAIM);
}

/* To the first step (or the backup). */
static inline void run_to_step(Fixture *f, const char *rows)
{
    run_to_claim(f);
    tell_claimed(f, rows);
    assert_effect(f, JOB_EFFECT_LEDGER_OPENED);
    tell(f, JOB_EVENT_RECORDED);
}

/* Lets the pause pass. */
static inline void pass_pause(Fixture *f)
{
    const JobEffect *timer = effect_of(f, JOB_EFFECT_TIMER);
    assert_non_null(timer);
    assert_true(timer->at_ms > f->now_ms);
    f->now_ms = timer->at_ms;
    tell(f, JOB_EVENT_TIMER);
}
