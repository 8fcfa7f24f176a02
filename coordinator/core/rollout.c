/*
 * The rollout machine's door.
 *
 * States, and what is true in each:
 *   approved      nothing was dispatched
 *   running       one wave is open, baking or just done; the waves before it are done
 *   paused        an operator stopped dispatch; jobs in flight finish their step; resume goes on
 *   halted        no forward dispatch ever again; either jobs in flight finish their step and then
 *                 the policy (or an abort) acts, or the policy was `pause`, or it could not take
 *                 everything back
 *   rolling-back  only jobs that take back are dispatched
 *   rolled-back, succeeded, aborted   the end; no record follows
 *
 * The law: a decision is a record. It changes the state as it is made (rollout_apply.c), is asked
 * to be journalled in the same step, and lets SENDs out only when PERSISTED has come for it
 * (rollout_send.c). A crash in between forgets the decision and nothing that was done because of
 * it. Every SEND may be repeated: an order's effect happens once.
 *
 * Invariants (numbers as in ARCHITECTURE.md):
 *   I1   a shard has at most one job in flight; generation and attempt only rise
 *   I3   a forward order goes only to a shard of a wave that was opened
 *   I4   an order or a stop leaves only when the record that allows it is durable
 *   I5   after a stop or an abort is decided no forward job is dispatched
 *   I6   a wave opens only when the end of the one before is durable
 *   I12  state is the fold of the records: what is decided can be replayed
 *   I15  each shard is counted in exactly one state of its wave
 *   I24  a rollout at work in which nothing gets on stops when its progress deadline has run out
 *   I25  of shards that share a value of a capped label no more are in flight than the cap
 */
#include "named_limits.h"
#include "rollout_state.h"

#include <stdlib.h>
#include <string.h>

/* --- making one ----------------------------------------------------------------------------- */

static ErrCode check_plan(const PlanHeader *header, const PlanShard *shards, size_t count,
                          Error *err)
{
    if (count == 0 || count > LIMIT_PLAN_SHARDS || count != header->shard_count)
        return err_set(err, ERR_PROTOCOL, "a plan of %u shards came with %zu", header->shard_count,
                       count);
    if (header->direction == DIRECTION_UNSPECIFIED || header->direction >= DIRECTION_COUNT)
        return err_set(err, ERR_PROTOCOL, "a plan without a direction");
    if (header->direction == DIRECTION_RESTORE &&
        (header->policy.on_shard_failure != ON_SHARD_FAILURE_STAY ||
         header->policy.on_failure != ON_FAILURE_PAUSE))
        return err_set(err, ERR_PROTOCOL, "what was restored can't be taken back by a policy");
    if (header->wave_count == 0 || header->wave_count > LIMIT_PLAN_WAVES)
        return err_set(err, ERR_PROTOCOL, "a plan of %zu waves", header->wave_count);
    size_t index = 0;
    for (uint32_t wave = 0; wave < header->wave_count; wave++)
        for (uint32_t i = 0; i < header->waves[wave].shard_count; i++, index++)
            if (index >= count || shards[index].index != index || shards[index].wave != wave)
                return err_set(err, ERR_PROTOCOL, "the plan's shards are not in wave order at %zu",
                               index);
    if (index != count)
        return err_set(err, ERR_PROTOCOL, "the plan's waves hold %zu of its %zu shards", index,
                       count);
    return ERR_OK;
}

static void make_shards(Rollout *r)
{
    Names *hosts = names_new();
    Names *clusters = names_new();
    Names *databases = names_new();
    r->agent_names = names_new();
    for (uint32_t i = 0; i < r->shard_count; i++) {
        const PlanShard *plan = &r->plan[i];
        RolloutShard *shard = &r->shards[i];
        shard->state = SHARD_PENDING;
        shard->direction = (uint8_t)r->header->direction;
        shard->agent = names_add(r->agent_names, plan->agent, "");
        shard->host = names_add(hosts, plan->host, "");
        shard->cluster = names_add(clusters, plan->cluster, "");
        shard->database = names_add(databases, plan->cluster, plan->database);
    }
    r->agents = xcalloc(names_count(r->agent_names), sizeof *r->agents);
    r->host_load = xcalloc(names_count(hosts), sizeof *r->host_load);
    r->cluster_load = xcalloc(names_count(clusters), sizeof *r->cluster_load);
    r->database_load = xcalloc(names_count(databases), sizeof *r->database_load);
    names_free(hosts);
    names_free(clusters);
    names_free(databases);
}

static void make_waves(Rollout *r)
{
    uint32_t first = 0;
    for (uint32_t i = 0; i < r->wave_count; i++) {
        RolloutWave *wave = &r->waves[i];
        wave->first = first;
        wave->count = r->header->waves[i].shard_count;
        wave->by_state[SHARD_PENDING] = wave->count;
        first += wave->count;
    }
}

ErrCode rollout_new(const PlanHeader *header, const PlanShard *shards, size_t shard_count,
                    Rollout **ret_rollout, Error *err)
{
    ErrCode code = check_plan(header, shards, shard_count, err);
    if (code != ERR_OK)
        return code;
    Rollout *r = xcalloc(1, sizeof *r);
    r->header = header;
    r->plan = shards;
    r->arena = arena_new();
    r->shard_count = (uint32_t)shard_count;
    r->wave_count = (uint32_t)header->wave_count;
    r->shards = xcalloc(shard_count, sizeof *r->shards);
    r->waves = xcalloc(header->wave_count, sizeof *r->waves);
    r->flying = xcalloc(shard_count, sizeof *r->flying);
    r->state = r->shown_state = ROLLOUT_APPROVED;
    r->who = r->reason = r->shown_who = r->shown_reason = "";
    rollout_settings_make(r);
    make_shards(r);
    make_waves(r);
    rollout_scopes_make(r);
    rollout_caps_make(r);
    r->gates = xcalloc(header->gate_count + 1, sizeof *r->gates);
    *ret_rollout = r;
    return ERR_OK;
}

void rollout_free(Rollout *rollout)
{
    if (rollout == NULL)
        return;
    arena_free(rollout->arena);
    names_free(rollout->agent_names);
    free(rollout->shards);
    free(rollout->waves);
    free(rollout->agents);
    free(rollout->host_load);
    free(rollout->cluster_load);
    free(rollout->database_load);
    rollout_scopes_free(rollout);
    rollout_caps_free(rollout);
    free(rollout->gates);
    free(rollout->flying);
    free(rollout->due);
    free(rollout);
}

/* --- commands ------------------------------------------------------------------------------- */

static ErrCode refuse(const Rollout *r, const char *what, Error *err)
{
    err_set(err, ERR_STATE, "a rollout that is %s can't be %s", rollout_state_name(r->state), what);
    if (r->state == ROLLOUT_HALTED && !r->aborting)
        err_hint(err, "It stopped itself; abort it, or plan a rollback of it.");
    return ERR_STATE;
}

static void decide_state(RolloutStep *step, RolloutRecordKind kind, RolloutState state,
                         const RolloutCommand *command)
{
    rollout_decide(step, (RolloutRecord){.kind = kind,
                                         .wave = step->rollout->wave,
                                         .state = state,
                                         .who = command->who,
                                         .reason = command->reason});
}

static ErrCode on_start(RolloutStep *step, const RolloutEvent *event, Error *err)
{
    if (step->rollout->state != ROLLOUT_APPROVED)
        return refuse(step->rollout, "started", err);
    decide_state(step, ROLLOUT_RECORD_STARTED, ROLLOUT_RUNNING, &event->command);
    return ERR_OK;
}

static ErrCode on_pause(RolloutStep *step, const RolloutEvent *event, Error *err)
{
    if (step->rollout->state != ROLLOUT_RUNNING)
        return refuse(step->rollout, "paused", err);
    decide_state(step, ROLLOUT_RECORD_STATE, ROLLOUT_PAUSED, &event->command);
    rollout_begin_drain(step, false);
    return ERR_OK;
}

static ErrCode on_resume(RolloutStep *step, const RolloutEvent *event, Error *err)
{
    if (step->rollout->state != ROLLOUT_PAUSED)
        return refuse(step->rollout, "resumed", err);
    rollout_gates_resume(step, &event->command);
    decide_state(step, ROLLOUT_RECORD_STATE, ROLLOUT_RUNNING, &event->command);
    step->rollout->stop_due = false;
    return ERR_OK;
}

static ErrCode on_abort(RolloutStep *step, const RolloutEvent *event, Error *err)
{
    Rollout *r = step->rollout;
    if (r->state == ROLLOUT_APPROVED) {
        decide_state(step, ROLLOUT_RECORD_STATE, ROLLOUT_ABORTED, &event->command);
        return ERR_OK;
    }
    if (r->aborting && !rollout_state_is_terminal(r->state))
        return err_set(err, ERR_STATE, "the rollout is being aborted already");
    if (rollout_state_is_terminal(r->state))
        return refuse(r, "aborted", err);
    decide_state(step, ROLLOUT_RECORD_ABORT_DECIDED, ROLLOUT_HALTED, &event->command);
    rollout_begin_drain(step, false);
    return ERR_OK;
}

/* --- agents --------------------------------------------------------------------------------- */

static int compare_indices(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* The agent's shards in flight that were sent, or not, in plan order. */
static size_t flying_on(const RolloutStep *step, uint32_t agent, bool sent, uint32_t **ret_shards)
{
    const Rollout *r = step->rollout;
    uint32_t *shards = ARENA_ARRAY(step->effects->arena, uint32_t, r->agents[agent].in_flight);
    size_t count = 0;
    for (uint32_t i = 0; i < r->in_flight; i++) {
        const RolloutShard *shard = &r->shards[r->flying[i]];
        if (shard->agent == agent && shard->sent == sent)
            shards[count++] = r->flying[i];
    }
    qsort(shards, count, sizeof *shards, compare_indices);
    *ret_shards = shards;
    return count;
}

static void on_agent_up(RolloutStep *step, uint32_t agent)
{
    Rollout *r = step->rollout;
    if (agent >= names_count(r->agent_names))
        return;
    r->agents[agent].up = true;
    uint32_t *shards;
    size_t count = flying_on(step, agent, true, &shards);
    rollout_decide_shards(step, ROLLOUT_RECORD_RESENT, shards, count);
    for (size_t i = 0; i < count; i++)
        rollout_send_later(r, shards[i], r->decided);
}

static void on_agent_down(RolloutStep *step, uint32_t agent)
{
    Rollout *r = step->rollout;
    if (agent >= names_count(r->agent_names))
        return;
    r->agents[agent].up = false;
    uint32_t *shards;
    size_t count = flying_on(step, agent, false, &shards);
    rollout_decide_shards(step, ROLLOUT_RECORD_RECALLED, shards, count);
}

/* --- jobs ----------------------------------------------------------------------------------- */

RolloutShardRecord rollout_shard_record(const JobReport *report)
{
    return (RolloutShardRecord){.index = report->index,
                                .generation = report->generation,
                                .direction = report->direction,
                                .attempt = report->attempt,
                                .outcome = report->outcome,
                                .steps_done = report->steps_done,
                                .revision = report->revision,
                                .code = report->code,
                                .sqlstate = report->sqlstate,
                                .message = report->message,
                                .has_backup = report->has_backup,
                                .backup = report->backup,
                                .duration_ms = report->duration_ms,
                                .rows = report->rows};
}

static void decide_one(RolloutStep *step, RolloutRecordKind kind, const JobReport *report)
{
    RolloutShardRecord *item = ARENA_NEW(step->effects->arena, RolloutShardRecord);
    *item = rollout_shard_record(report);
    rollout_decide(step, (RolloutRecord){.kind = kind,
                                         .wave = step->rollout->plan[report->index].wave,
                                         .shards = item,
                                         .shard_count = 1});
}

/* Is it about the job that is in flight there now, and from the one who may say so? */
static bool is_current(const Rollout *r, const RolloutJobEvent *job)
{
    const JobReport *report = job->report;
    if (report->index >= r->shard_count)
        return false;
    const RolloutShard *shard = &r->shards[report->index];
    return shard->in_flight && shard->sent && shard->agent == job->agent &&
           report->generation == shard->generation && report->attempt == shard->attempt &&
           report->direction == (Direction)shard->direction &&
           uuid_equal(&report->shard, &r->plan[report->index].uuid) &&
           report->outcome < OUTCOME_COUNT;
}

static const char *plan_text(const PlanShard *plan, const char *revision)
{
    if (revision != NULL)
        for (size_t i = 0; i < plan->steps.count; i++)
            if (strcmp(plan->steps.items[i], revision) == 0)
                return plan->steps.items[i];
    return NULL;
}

static void on_progress(RolloutStep *step, RolloutShard *shard, const JobReport *report)
{
    shard->phase = (uint8_t)report->phase;
    shard->steps_done = report->steps_done;
    shard->revision = plan_text(&step->rollout->plan[report->index], report->revision);
    rollout_progress_reported(step->rollout, shard);
    step->changed = true;
    bool unknown = report->outcome == OUTCOME_UNKNOWN || report->phase == PHASE_PROBING;
    if (unknown && !shard->known_to_probe) {
        shard->known_to_probe = true;
        shard->probing_ms = step->now_ms;
    }
    if (unknown && shard->state != SHARD_UNKNOWN)
        decide_one(step, ROLLOUT_RECORD_SHARD_UNKNOWN, report);
    /* Phases that come after the shard has been read. */
    if (!unknown && (report->phase == PHASE_STEP || report->phase == PHASE_BACKUP)) {
        shard->known_to_probe = false;
        if (shard->state == SHARD_UNKNOWN) {
            decide_one(step, ROLLOUT_RECORD_SHARD_KNOWN, report);
            if (step->rollout->state == ROLLOUT_ROLLING_BACK && !shard->back)
                step->rollout->stop_due = true; /* it went on, and must not */
        }
    }
}

static void on_job(RolloutStep *step, const RolloutJobEvent *job)
{
    Rollout *r = step->rollout;
    if (!is_current(r, job))
        return;
    const JobReport *report = job->report;
    RolloutShard *shard = &r->shards[report->index];
    shard->heard_ms = step->now_ms;
    if (report->outcome == OUTCOME_UNSPECIFIED || report->outcome == OUTCOME_UNKNOWN) {
        on_progress(step, shard, report);
        return;
    }
    decide_one(step, ROLLOUT_RECORD_SHARD_ENDED, report);
    rollout_after_end(step, report->index);
}

/* --- steps ---------------------------------------------------------------------------------- */

static void on_persisted(RolloutStep *step, uint64_t number)
{
    Rollout *r = step->rollout;
    if (number <= r->durable || number > r->decided)
        return;
    r->durable = number;
    if (r->durable >= r->state_number) {
        r->shown_state = r->state;
        r->shown_who = r->who;
        r->shown_reason = r->reason;
    }
    step->changed = true;
}

static ErrCode take_event(RolloutStep *step, const RolloutEvent *event, Error *err)
{
    bool over = rollout_state_is_terminal(step->rollout->state);
    switch (event->kind) {
    case ROLLOUT_EVENT_START:
        return on_start(step, event, err);
    case ROLLOUT_EVENT_PAUSE:
        return on_pause(step, event, err);
    case ROLLOUT_EVENT_RESUME:
        return on_resume(step, event, err);
    case ROLLOUT_EVENT_ABORT:
        return on_abort(step, event, err);
    case ROLLOUT_EVENT_RETRY:
        return rollout_on_retry(step, &event->command, err);
    case ROLLOUT_EVENT_SKIP:
        return rollout_on_skip(step, &event->command, err);
    case ROLLOUT_EVENT_SET:
        return rollout_on_set(step, &event->command, err);
    case ROLLOUT_EVENT_BRAKE:
        if (!over)
            rollout_on_brake(step, event->brake);
        return ERR_OK;
    case ROLLOUT_EVENT_GATE:
        if (!over)
            rollout_on_gate(step, &event->gate);
        return ERR_OK;
    case ROLLOUT_EVENT_WINDOW:
        if (!over)
            rollout_on_window(step, event->window);
        return ERR_OK;
    case ROLLOUT_EVENT_AGENT_UP:
        if (!over)
            on_agent_up(step, event->agent);
        return ERR_OK;
    case ROLLOUT_EVENT_AGENT_DOWN:
        if (!over)
            on_agent_down(step, event->agent);
        return ERR_OK;
    case ROLLOUT_EVENT_JOB:
        if (!over)
            on_job(step, &event->job);
        return ERR_OK;
    case ROLLOUT_EVENT_PERSISTED:
        on_persisted(step, event->persisted);
        return ERR_OK;
    case ROLLOUT_EVENT_TICK:
        step->rollout->timer_ms = UINT64_MAX; /* it has gone off: say anew what is wanted */
        if (!over)
            rollout_look_at_flying(step);
        return ERR_OK;
    case ROLLOUT_EVENT_UNSPECIFIED:
    case ROLLOUT_EVENT_COUNT:
        break;
    }
    return err_set(err, ERR_INTERNAL, "no such rollout event: %u", (unsigned)event->kind);
}

static void finish_step(RolloutStep *step)
{
    rollout_advance(step);
    rollout_progress_look(step->rollout);
    rollout_flush_sends(step);
    rollout_set_timer(step);
    if (step->changed)
        rollout_effect_add(step->effects, (RolloutEffect){.kind = ROLLOUT_EFFECT_CHANGED});
}

ErrCode rollout_step(Rollout *rollout, const RolloutEvent *event, RolloutEffects *effects,
                     Error *err)
{
    RolloutStep step = {
        .rollout = rollout, .now_ms = event->now_ms, .unix_ms = event->unix_ms, .effects = effects};
    rollout_progress_count(rollout, event->now_ms);
    ErrCode code = take_event(&step, event, err);
    if (code == ERR_OK)
        finish_step(&step);
    return code;
}

ErrCode rollout_replay(Rollout *rollout, const RolloutRecord *record, Error *err)
{
    ErrCode code = rollout_apply(rollout, record, err);
    if (code != ERR_OK)
        return err_wrap(err, "rollout record %llu (%s)", (unsigned long long)rollout->decided + 1,
                        rollout_record_kind_name(record->kind));
    rollout->durable = rollout->decided;
    rollout->shown_state = rollout->state;
    rollout->shown_who = rollout->who;
    rollout->shown_reason = rollout->reason;
    return ERR_OK;
}

void rollout_set_brake(Rollout *rollout, bool braked)
{
    rollout->braked = braked;
}

void rollout_set_window(Rollout *rollout, RolloutWindow window)
{
    rollout->window = window;
}

void rollout_recover(Rollout *rollout, uint64_t now_ms, uint64_t unix_ms, RolloutEffects *effects)
{
    Rollout *r = rollout;
    RolloutStep step = {.rollout = r, .now_ms = now_ms, .unix_ms = unix_ms, .effects = effects};
    for (uint32_t i = 0; i < r->in_flight; i++) {
        RolloutShard *shard = &r->shards[r->flying[i]];
        shard->sent = true; /* nobody remembers */
        shard->heard_ms = now_ms;
        shard->sent_ms = now_ms;
    }
    r->rolling_since_ms = now_ms;
    r->progress_at_ms = now_ms;
    r->stop_after = r->decided;
    r->stop_sent_ms = now_ms;
    RolloutWave *wave = &r->waves[r->wave];
    if (r->wave_opened && wave->state == WAVE_BAKING) {
        uint64_t bake_ms = rollout_wave_bake_ms(r, r->wave);
        uint64_t gone_ms = unix_ms > wave->baking_unix_ms ? unix_ms - wave->baking_unix_ms : 0;
        wave->bake_until_ms = now_ms + (gone_ms < bake_ms ? bake_ms - gone_ms : 0);
    }
    /* The crash may have come between an end and what follows from it. */
    for (uint32_t i = 0; i < r->shard_count && r->wave_opened && r->plan[i].wave <= r->wave; i++)
        rollout_after_end(&step, i);
    finish_step(&step);
}
