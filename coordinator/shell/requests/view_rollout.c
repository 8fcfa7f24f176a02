#include "coordinator.h"
#include "newcomers.h"
#include "plan_view.h"

#include <string.h>

enum { NEWCOMERS_NAMED = 20 };

static const char *wave_state_name(WaveState state)
{
    static const char *const names[] = {"waiting", "open", "baking", "done"};
    return names[state];
}

static const char *operator_name(const Coordinator *coordinator, const char *keyid)
{
    const TrustOperator *found = trust_find_operator(coordinator->trust, keyid);
    return found != NULL ? found->key.name : keyid;
}

/* --- summary ---------------------------------------------------------------------------------- */

/* Each shard in one of these. One that was taken back or skipped waits for nothing. */
typedef struct Progress {
    uint32_t done;
    uint32_t running;
    uint32_t waiting;
    uint32_t failed;
    uint32_t unknown;
} Progress;

static Progress progress_of(const RolloutCounts *counts)
{
    uint32_t waiting = counts->by_state[SHARD_NEW] + counts->by_state[SHARD_PENDING];
    uint32_t settled = counts->rolled_back + counts->skipped;
    Progress progress = {
        .done = counts->by_state[SHARD_CURRENT],
        .running = counts->by_state[SHARD_RUNNING],
        .waiting = waiting - (settled < waiting ? settled : waiting),
        .unknown = counts->by_state[SHARD_UNKNOWN],
    };
    progress.failed = counts->total - waiting - progress.done - progress.running - progress.unknown;
    return progress;
}

static void write_progress(const RolloutEntry *entry, JsonWriter *json)
{
    RolloutCounts counts;
    rollout_counts(entry->core, &counts);
    Progress progress = progress_of(&counts);
    json_field_object(json, "progress");
    json_field_uint(json, "total", counts.total);
    json_field_uint(json, "done", progress.done);
    json_field_uint(json, "running", progress.running);
    json_field_uint(json, "waiting", progress.waiting);
    json_field_uint(json, "failed", progress.failed);
    json_field_uint(json, "unknown", progress.unknown);
    json_field_uint(json, "rolled_back", counts.rolled_back);
    json_field_uint(json, "skipped", counts.skipped);
    json_field_uint(json, "failures", counts.failures);
    json_field_uint(json, "budget", rollout_budget_fleet(entry->core));
    json_object_end(json);
}

static uint32_t opened_waves(const RolloutEntry *entry)
{
    RolloutWaveView wave;
    rollout_wave_view(entry->core, 0, &wave);
    return wave.state == WAVE_WAITING ? 0 : rollout_wave(entry->core) + 1;
}

static void write_plan_facts(const Coordinator *coordinator, const RolloutEntry *entry,
                             JsonWriter *json)
{
    const PlanHeader *header = &entry->header;
    json_field_digest(json, "plan_digest", &entry->plan_digest);
    json_field_digest(json, "plan_blob_digest", &entry->plan_blob);
    json_field_string(json, "bundle", header->bundle_name);
    json_field_digest(json, "bundle_digest", &header->bundle_digest);
    json_field_string(json, "direction", direction_name(header->direction));
    json_field_string(json, "target", header->target);
    json_field_uuid(json, "rollback_of", &header->rollback_of);
    json_field_bool(json, "accept_data_loss", header->accept_data_loss);
    json_field_string(json, "author", operator_name(coordinator, header->author));
    json_field_string(json, "author_keyid", header->author);
    json_field_time(json, "created", header->created_unix_ms);
    json_field_time(json, "expires", header->expires_unix_ms);
}

/* Approvals that hold no longer leave a draft. */
static RolloutState shown_state(const Coordinator *coordinator, const RolloutEntry *entry)
{
    RolloutState state = rollout_entry_state(entry);
    bool short_of = state == ROLLOUT_APPROVED && !entry->started &&
                    rollout_start_approvals(coordinator, entry) < entry->header.policy.approvals;
    return short_of ? ROLLOUT_DRAFT : state;
}

static void write_summary_fields(const Coordinator *coordinator, const RolloutEntry *entry,
                                 JsonWriter *json)
{
    RolloutState state = shown_state(coordinator, entry);
    json_field_uuid(json, "id", &entry->header.rollout_id);
    json_field_string(json, "name", entry->header.name);
    json_field_string(json, "state", rollout_state_name(state));
    json_field_string(json, "reason", entry->started ? rollout_reason(entry->core) : "");
    json_field_string(json, "who", entry->started ? rollout_who(entry->core) : "");
    json_field_bool(json, "stopping", entry->started && rollout_is_stopping(entry->core));
    json_field_bool(json, "terminal", rollout_state_is_terminal(state));
    json_field_bool(json, "vetoed", rollout_entry_rejected(entry) > 0);
    write_plan_facts(coordinator, entry, json);
    json_field_time(json, "started", entry->started_unix_ms);
    json_field_time(json, "finished", entry->finished_unix_ms);
    json_field_object(json, "approvals");
    json_field_uint(json, "needed", entry->header.policy.approvals);
    json_field_uint(json, "given", rollout_start_approvals(coordinator, entry));
    json_field_uint(json, "rejected", rollout_entry_rejected(entry));
    json_object_end(json);
    json_field_uint(json, "wave", opened_waves(entry));
    json_field_uint(json, "wave_count", entry->header.wave_count);
    write_progress(entry, json);
}

void view_rollout_summary(const Coordinator *coordinator, const RolloutEntry *entry,
                          JsonWriter *json)
{
    json_object_begin(json);
    write_summary_fields(coordinator, entry, json);
    json_object_end(json);
}

/* --- detail ----------------------------------------------------------------------------------- */

static void write_policy(const Policy *policy, const Rollout *core, JsonWriter *json)
{
    Concurrency caps = rollout_concurrency(core);
    const Concurrency *now = &caps;
    json_field_object(json, "policy");
    json_field_object(json, "concurrency");
    json_field_uint(json, "fleet", now->fleet);
    json_field_uint(json, "host", now->host);
    json_field_uint(json, "cluster", now->cluster);
    json_field_uint(json, "database", now->database);
    json_field_object(json, "labels");
    for (size_t i = 0; i < now->label_count; i++)
        json_field_uint(json, now->labels[i].label, now->labels[i].cap);
    json_object_end(json);
    json_object_end(json);
    json_field_uint(json, "budget_fleet", rollout_budget_fleet(core));
    json_field_string(json, "on_shard_failure", on_shard_failure_name(policy->on_shard_failure));
    json_field_string(json, "on_failure", on_failure_name(policy->on_failure));
    json_field_object(json, "backup");
    json_field_string(json, "method", backup_method_name(policy->backup.method));
    json_field_uint(json, "compress", policy->backup.compress);
    json_field_bool(json, "verify", policy->backup.verify);
    json_field_uint(json, "keep", policy->backup.keep);
    json_field_string(json, "command",
                      policy->backup.command[0] == '\0' ? NULL : policy->backup.command);
    json_field_uint(json, "jobs", policy->backup.jobs);
    json_field_bool(json, "encrypt", policy->backup.encrypt);
    json_field_bool(json, "restore_test", policy->backup.restore_test);
    json_object_end(json);
    json_field_uint(json, "lock_timeout_ms", policy->lock_timeout_ms);
    json_field_uint(json, "lock_attempts", policy->lock_attempts);
    plan_view_lock_budget(policy, json);
    json_field_uint(json, "statement_timeout_ms", policy->statement_timeout_ms);
    json_field_uint(json, "approvals", policy->approvals);
    json_field_uint(json, "rollback_until_ms", policy->rollback_until_ms);
    json_field_uint(json, "progress_deadline_ms", policy->progress_deadline_ms);
    json_object_end(json);
}

/* As the plan has them, and what operators have set since for any one group. */
static void write_budgets(const RolloutEntry *entry, JsonWriter *json)
{
    uint32_t limits[LIMIT_PLAN_BUDGETS];
    for (uint32_t i = 0; i < entry->header.budget_count; i++)
        limits[i] = rollout_budget_scope(entry->core, i);
    plan_view_budgets(&entry->header, NULL, limits, json);
}

static void write_counts(const RolloutCounts *counts, JsonWriter *json)
{
    json_field_object(json, "counts");
    json_field_uint(json, "total", counts->total);
    for (int state = SHARD_UNSPECIFIED + 1; state < SHARD_STATE_COUNT; state++)
        json_field_uint(json, shard_state_name((ShardState)state), counts->by_state[state]);
    json_object_end(json);
}

static void write_waves(const RolloutEntry *entry, uint64_t now_ms, JsonWriter *json)
{
    json_field_array(json, "waves");
    for (uint32_t i = 0; i < entry->header.wave_count; i++) {
        RolloutWaveView wave;
        rollout_wave_view(entry->core, i, &wave);
        bool baking = wave.state == WAVE_BAKING && wave.bake_until_ms > now_ms;
        json_object_begin(json);
        json_field_uint(json, "number", i + 1);
        json_field_string(json, "name", wave.plan->name);
        json_field_string(json, "state", wave_state_name(wave.state));
        json_field_uint(json, "shards", wave.plan->shard_count);
        json_field_uint(json, "bake_ms", rollout_wave_bake_ms(entry->core, i));
        json_field_uint(json, "bake_left_ms", baking ? wave.bake_until_ms - now_ms : 0);
        json_field_uint(json, "budget", rollout_wave_budget(entry->core, i));
        json_field_uint(json, "failures", wave.counts.failures);
        json_field_uint(json, "rolled_back", wave.counts.rolled_back);
        json_field_uint(json, "skipped", wave.counts.skipped);
        json_field_uint(json, "in_flight", wave.counts.in_flight);
        json_field_uint(json, "done", progress_of(&wave.counts).done);
        write_counts(&wave.counts, json);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_approvals(const Coordinator *coordinator, const RolloutEntry *entry,
                            JsonWriter *json)
{
    json_field_array(json, "approval_list");
    for (size_t i = 0; i < entry->approval_count; i++) {
        const PlanApproval *given = &entry->approvals[i];
        bool approved = given->approval.verdict == VERDICT_APPROVED;
        json_object_begin(json);
        json_field_string(json, "operator", operator_name(coordinator, given->keyid));
        json_field_string(json, "keyid", given->keyid);
        json_field_string(json, "verdict", approved ? "approved" : "rejected");
        json_field_time(json, "created", given->approval.created_unix_ms);
        json_field_time(json, "expires", given->approval.expires_unix_ms);
        json_field_string(json, "reason", given->approval.reason);
        json_field_string(json, "flaw",
                          entry->started ? NULL : rollout_start_flaw(coordinator, entry, given));
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_deed(uint64_t at_unix_ms, const char *who, const char *what, const char *reason,
                       JsonWriter *json)
{
    json_object_begin(json);
    json_field_time(json, "time", at_unix_ms);
    json_field_string(json, "who", who);
    json_field_string(json, "what", what);
    json_field_string(json, "reason", reason);
    json_object_end(json);
}

/* Approvals come before the start. */
static void write_log(const Coordinator *coordinator, const RolloutEntry *entry, JsonWriter *json)
{
    json_field_array(json, "log");
    write_deed(entry->header.created_unix_ms, operator_name(coordinator, entry->header.author),
               "planned", "", json);
    for (size_t i = 0; i < entry->approval_count; i++) {
        const PlanApproval *given = &entry->approvals[i];
        bool approved = given->approval.verdict == VERDICT_APPROVED;
        write_deed(given->approval.created_unix_ms, operator_name(coordinator, given->keyid),
                   approved ? "approved" : "rejected", given->approval.reason, json);
    }
    for (size_t i = 0; i < entry->log.count; i++) {
        const Deed *deed = &entry->log.items[i];
        write_deed(deed->at_unix_ms, deed->who, deed->what, deed->reason, json);
    }
    json_array_end(json);
    json_field_uint(json, "log_untold", entry->log.untold);
}

/* They are looked for only while the plan may still be waited for. */
static void write_newcomers(const Coordinator *coordinator, const RolloutEntry *entry, Arena *arena,
                            JsonWriter *json)
{
    StrList names = {0};
    bool over = rollout_state_is_terminal(rollout_entry_state(entry));
    size_t count = over ? 0 : newcomers_find(coordinator, entry, arena, &names);
    json_field_uint(json, "newcomers", count);
    json_field_array(json, "newcomer_names");
    for (size_t i = 0; i < count && i < NEWCOMERS_NAMED; i++)
        json_text(json, names.items[i]);
    json_array_end(json);
}

static void write_backup(const BackupInfo *backup, JsonWriter *json)
{
    if (backup == NULL) {
        json_field_null(json, "backup");
        return;
    }
    json_field_object(json, "backup");
    json_field_string(json, "path", backup->path);
    json_field_digest(json, "sha256", &backup->sha256);
    json_field_uint(json, "size_bytes", backup->size_bytes);
    json_field_uint(json, "duration_ms", backup->duration_ms);
    json_field_string(json, "method", backup_method_name(backup->method));
    json_field_bool(json, "encrypted", backup->encrypted);
    json_field_bool(json, "verified", backup->verified);
    json_field_uint(json, "restore_test_ms", backup->restore_test_ms);
    json_object_end(json);
}

static void write_shard_progress(const RolloutShardView *view, JsonWriter *json)
{
    bool began = view->generation > 0;
    json_field_string(json, "state", shard_state_name(view->state));
    json_field_string(json, "phase",
                      view->in_flight && view->phase != PHASE_UNSPECIFIED ? phase_name(view->phase)
                                                                          : NULL);
    json_field_string(json, "direction", began ? direction_name(view->direction) : NULL);
    json_field_uint(json, "generation", view->generation);
    json_field_uint(json, "attempt", view->attempt);
    json_field_bool(json, "in_flight", view->in_flight);
    json_field_bool(json, "rolled_back", view->rolled_back);
    json_field_bool(json, "skipped", view->skipped);
    json_field_bool(json, "overdue", view->overdue);
    json_field_uint(json, "steps_done", view->steps_done);
    bool restores = plan_shard_restores(view->plan); /* one step of its own kind */
    json_field_uint(json, "steps_total", restores ? 1 : view->plan->steps.count);
    json_field_string(json, "revision", view->revision);
    json_field_string(json, "outcome",
                      view->outcome != OUTCOME_UNSPECIFIED ? outcome_name(view->outcome) : NULL);
    json_field_strings(json, "rows", view->rows);
}

void view_rollout_shard(const RolloutEntry *entry, uint32_t index, Arena *arena, JsonWriter *json)
{
    const Activity *activity = activities_find(&entry->activities, index);
    RolloutShardView view;
    rollout_shard(entry->core, index, &view);
    const PlanShard *plan = view.plan;
    json_object_begin(json);
    json_field_uint(json, "index", index);
    json_field_string(json, "name",
                      shard_display_name(arena, plan->cluster, plan->database, plan->schema));
    json_field_uuid(json, "uuid", &plan->uuid);
    json_field_string(json, "host", plan->host);
    json_field_string(json, "cluster", plan->cluster);
    json_field_string(json, "agent", plan->agent);
    json_field_uint(json, "wave", plan->wave + 1);
    write_shard_progress(&view, json);
    json_field_strings(json, "rows_before", &plan->rows_before);
    json_field_strings(json, "rows_after", &plan->rows_after);
    json_field_string(json, "code", view.code);
    json_field_string(json, "sqlstate", view.sqlstate);
    json_field_string(json, "message", view.message);
    json_field_uint(json, "duration_ms", view.duration_ms);
    activity_write(view.in_flight ? activity : NULL, json);
    longest_write(&entry->longest, index, json);
    write_backup(view.backup, json);
    json_object_end(json);
    arena_reset(arena);
}

static void write_when(uint32_t when, JsonWriter *json)
{
    static const char *const names[] = {"before", "during", "after"};
    json_field_array(json, "when");
    for (uint32_t i = 0; i < 3; i++) {
        if ((when & 1U << i) != 0)
            json_text(json, names[i]);
    }
    json_array_end(json);
}

/* Looks are counted since this coordinator has started. */
static void write_gates(const RolloutEntry *entry, JsonWriter *json)
{
    json_field_array(json, "gates");
    for (uint32_t i = 0; i < entry->header.gate_count; i++) {
        RolloutGateView gate;
        rollout_gate(entry->core, i, &gate);
        bool looked = gate.verdict != GATE_UNSPECIFIED;
        json_object_begin(json);
        json_field_string(json, "name", gate.plan->name);
        json_field_string(json, "kind", gate_kind_name(gate.plan->kind));
        write_when(gate.plan->when, json);
        json_field_bool(json, "waits", gate.waits);
        json_field_bool(json, "looking", gate.asked);
        json_field_string(json, "verdict", looked ? gate_verdict_name(gate.verdict) : NULL);
        json_field_string(json, "message", gate.message);
        json_field_time(json, "looked", gate.looked_unix_ms);
        json_field_uint(json, "wave", looked ? gate.looked_wave + 1 : 0);
        json_field_uint(json, "errors_in_a_row", gate.errors);
        json_field_object(json, "looks");
        for (int k = GATE_UNSPECIFIED + 1; k < GATE_VERDICT_COUNT; k++)
            json_field_uint(json, gate_verdict_name((GateVerdict)k), gate.looks[k]);
        json_object_end(json);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_windows(const RolloutEntry *entry, JsonWriter *json)
{
    const PlanHeader *header = &entry->header;
    bool applies = header->window_count > 0 && rollout_entry_is_open(entry);
    json_field_string(json, "window", applies ? window_state_name(entry->window.state) : NULL);
    json_field_time(json, "window_changes", applies ? entry->window.changes_unix_ms : 0);
    json_field_time(json, "window_opens", applies ? entry->window.opens_unix_ms : 0);
    plan_view_windows(header, json);
}

void view_rollout(const Coordinator *coordinator, const RolloutEntry *entry,
                  const ViewRequest *request, JsonWriter *json)
{
    json_object_begin(json);
    write_summary_fields(coordinator, entry, json);
    write_policy(&entry->header.policy, entry->core, json);
    json_field_bool(json, "braked", rollout_is_braked(entry->core));
    write_windows(entry, json);
    write_gates(entry, json);
    plan_view_requires(&entry->header, json);
    plan_view_contract(&entry->header, json);
    write_budgets(entry, json);
    json_field_uint(json, "worst_case",
                    plan_worst_case(rollout_budget_fleet(entry->core),
                                    plan_flying_max(&entry->header.policy.concurrency,
                                                    entry->shards, entry->header.shard_count),
                                    entry->header.shard_count));
    write_waves(entry, request->now_ms, json);
    activities_write(&entry->activities, entry->core, json);
    write_approvals(coordinator, entry, json);
    write_log(coordinator, entry, json);
    json_field_uint(json, "same_name",
                    rollouts_named(coordinator->rollouts, entry->header.name) - 1);
    if (request->with_shards) {
        AUTO_ARENA Arena *arena = arena_new();
        write_newcomers(coordinator, entry, arena, json);
        json_field_array(json, "shards");
        for (uint32_t i = 0; i < entry->header.shard_count; i++)
            view_rollout_shard(entry, i, arena, json);
        json_array_end(json);
    }
    json_object_end(json);
}
