#include "plan_view.h"

#include "digest.h"
#include "names.h"
#include "rehearsal_codec.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SHARDS = 3 };

static void write_or_null(JsonWriter *json, const char *key, bool known, uint64_t number)
{
    if (known)
        json_field_uint(json, key, number);
    else
        json_field_null(json, key);
}

static const char *display_name(Arena *arena, const PlanShard *shard)
{
    return shard_display_name(arena, shard->cluster, shard->database, shard->schema);
}

/* --- budgets: at worst, where ----------------------------------------------------------------- */

static const char *group_of(const PlanShard *shard, const char *label)
{
    if (label[0] == '\0')
        return shard->host;
    return label_value(&shard->labels, label);
}

static void write_worst_group(const PlanHeader *header, const PlanShard *shards,
                              const ScopeBudget *budget, JsonWriter *json)
{
    Names *names = names_new();
    uint32_t *sizes = xcalloc((size_t)header->shard_count + 1, sizeof *sizes);
    for (uint32_t i = 0; i < header->shard_count; i++) {
        const char *group = group_of(&shards[i], budget->label);
        if (group != NULL)
            sizes[names_add(names, group, "")]++;
    }
    const Concurrency *caps = &header->policy.concurrency;
    uint32_t flying = caps->fleet;
    if (budget->label[0] == '\0' && caps->host != 0 && (flying == 0 || caps->host < flying))
        flying = caps->host;
    uint32_t worst = 0;
    const char *where = NULL;
    for (uint32_t i = 0; i < names_count(names); i++) {
        uint64_t allowed =
            budget->percent ? (uint64_t)sizes[i] * budget->value / 100 : budget->value;
        uint32_t at_worst = plan_worst_case(allowed, flying, sizes[i]);
        if (where == NULL || at_worst > worst) {
            worst = at_worst;
            where = names_first(names, i);
        }
    }
    json_field_uint(json, "worst_case", worst);
    json_field_string(json, "worst_at", where);
    free(sizes);
    names_free(names);
}

void plan_view_budgets(const PlanHeader *header, const PlanShard *shards, const uint32_t *limits,
                       JsonWriter *json)
{
    json_field_array(json, "budgets");
    for (size_t i = 0; i < header->budget_count; i++) {
        const ScopeBudget *budget = &header->budgets[i];
        json_object_begin(json);
        json_field_string(json, "scope", budget->label[0] == '\0' ? "host" : "label");
        json_field_string(json, "label", budget->label[0] == '\0' ? NULL : budget->label);
        json_field_bool(json, "percent", budget->percent);
        json_field_uint(json, "value", budget->value);
        if (limits != NULL)
            json_field_uint(json, "limit", limits[i]);
        if (shards != NULL)
            write_worst_group(header, shards, budget, json);
        json_object_end(json);
    }
    json_array_end(json);
}

/* --- how long, how much ----------------------------------------------------------------------- */

/* The largest of the groups' times, each divided by how many may run in it. */
static uint64_t slowest_group(const PlanShard *shards, uint32_t count, bool by_host, uint32_t cap)
{
    if (cap == 0)
        return 0;
    Names *names = names_new();
    uint64_t *sums = xcalloc((size_t)count + 1, sizeof *sums);
    uint64_t slowest = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t group = by_host ? names_add(names, shards[i].host, "")
                                 : names_add(names, shards[i].agent, shards[i].cluster);
        sums[group] += shards[i].estimated_ms;
        if (sums[group] / cap > slowest)
            slowest = sums[group] / cap;
    }
    free(sums);
    names_free(names);
    return slowest;
}

/* At least: no retries, no waiting for locks, gates, windows or people. False: not known. */
static bool estimate_wave(const PlanHeader *header, const PlanShard *shards, uint32_t count,
                          uint64_t *ret_ms)
{
    const Concurrency *caps = &header->policy.concurrency;
    uint64_t sum = 0;
    uint64_t longest = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (shards[i].estimated_ms == 0)
            return false;
        sum += shards[i].estimated_ms;
        if (shards[i].estimated_ms > longest)
            longest = shards[i].estimated_ms;
    }
    uint64_t bounds[] = {longest, caps->fleet == 0 ? 0 : sum / caps->fleet,
                         slowest_group(shards, count, true, caps->host),
                         slowest_group(shards, count, false, caps->cluster)};
    *ret_ms = 0;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        *ret_ms = bounds[i] > *ret_ms ? bounds[i] : *ret_ms;
    return true;
}

static void write_estimate(const PlanHeader *header, const PlanShard *shards, JsonWriter *json)
{
    uint64_t known = 0;
    uint64_t total = 0;
    bool all = true;
    uint32_t first = 0;
    for (uint32_t i = 0; i < header->shard_count; i++)
        known += shards[i].estimated_ms > 0;
    for (size_t i = 0; i < header->wave_count; i++) {
        uint64_t wave_ms = 0;
        all = estimate_wave(header, &shards[first], header->waves[i].shard_count, &wave_ms) && all;
        total += wave_ms + header->waves[i].bake_ms;
        first += header->waves[i].shard_count;
    }
    json_field_uint(json, "estimated", known);
    write_or_null(json, "estimate_ms", all, total);
}

static void write_backup(const PlanHeader *header, const PlanShard *shards, JsonWriter *json)
{
    const BackupPolicy *backup = &header->policy.backup;
    Names *names = names_new();
    uint64_t *sums = xcalloc((size_t)header->shard_count + 1, sizeof *sums);
    uint64_t total = 0;
    uint32_t worst = 0;
    for (uint32_t i = 0; i < header->shard_count; i++) {
        uint32_t host = names_add(names, shards[i].host, "");
        sums[host] += shards[i].backup_bytes;
        total += shards[i].backup_bytes;
        if (sums[host] > sums[worst])
            worst = host;
    }
    json_field_object(json, "backup");
    json_field_string(json, "method", backup_method_name(backup->method));
    json_field_uint(json, "compress", backup->compress);
    json_field_bool(json, "verify", backup->verify);
    json_field_uint(json, "keep", backup->keep);
    json_field_uint(json, "bytes", total);
    json_field_string(json, "worst_host", total == 0 ? NULL : names_first(names, worst));
    json_field_uint(json, "worst_host_bytes", sums[worst]);
    json_object_end(json);
    free(sums);
    names_free(names);
}

/* --- waves, steps ----------------------------------------------------------------------------- */

static void write_waves(const PlanHeader *header, const PlanShard *shards, JsonWriter *json)
{
    AUTO_ARENA Arena *arena = arena_new();
    json_field_array(json, "waves");
    for (size_t i = 0; i < header->wave_count; i++) {
        const WavePlan *wave = &header->waves[i];
        uint64_t estimate = 0;
        bool known = estimate_wave(header, shards, wave->shard_count, &estimate);
        json_object_begin(json);
        json_field_uint(json, "number", i + 1);
        json_field_string(json, "name", wave->name);
        json_field_uint(json, "shards", wave->shard_count);
        json_field_uint(json, "bake_ms", wave->bake_ms);
        json_field_uint(json, "budget", wave->budget);
        json_field_uint(
            json, "worst_case",
            plan_worst_case(wave->budget,
                            plan_flying_max(&header->policy.concurrency, shards, wave->shard_count),
                            wave->shard_count));
        write_or_null(json, "estimate_ms", known, estimate);
        json_field_string(json, "first", display_name(arena, &shards[0]));
        json_field_array(json, "first_shards");
        for (uint32_t k = 0; k < wave->shard_count && k < FIRST_SHARDS; k++)
            json_text(json, display_name(arena, &shards[k]));
        json_array_end(json);
        json_object_end(json);
        shards += wave->shard_count;
    }
    json_array_end(json);
}

/* The distinct lists of steps. There are few: one for each place where shards stand. */
static void write_steps(const PlanHeader *header, const PlanShard *shards, JsonWriter *json)
{
    uint32_t count = header->shard_count;
    const StrList **lists = xcalloc((size_t)count + 1, sizeof *lists);
    uint64_t *taken = xcalloc((size_t)count + 1, sizeof *taken);
    size_t distinct = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < distinct && !strlist_equal(lists[at], &shards[i].steps))
            at++;
        if (at == distinct)
            lists[distinct++] = &shards[i].steps;
        taken[at]++;
    }
    json_field_array(json, "steps");
    for (size_t i = 0; i < distinct; i++) {
        json_object_begin(json);
        json_field_strings(json, "revisions", lists[i]);
        json_field_uint(json, "shards", taken[i]);
        json_object_end(json);
    }
    json_array_end(json);
    json_field_array(json, "irreversible");
    for (size_t k = 0; k < header->notes.irreversible_count; k++) {
        const Irreversible *item = &header->notes.irreversible[k];
        uint64_t having = 0;
        for (size_t i = 0; i < distinct; i++)
            having += strlist_has(lists[i], item->revision) ? taken[i] : 0;
        json_object_begin(json);
        json_field_string(json, "revision", item->revision);
        json_field_string(json, "reason", item->reason);
        json_field_uint(json, "shards", having);
        json_object_end(json);
    }
    json_array_end(json);
    free(lists);
    free(taken);
}

static void write_shards(const PlanHeader *header, const PlanShard *shards, JsonWriter *json)
{
    AUTO_ARENA Arena *arena = arena_new();
    json_field_array(json, "shard_list");
    for (uint32_t i = 0; i < header->shard_count; i++) {
        const PlanShard *shard = &shards[i];
        json_object_begin(json);
        json_field_uint(json, "index", i);
        json_field_uint(json, "wave", shard->wave + 1);
        json_field_string(json, "name", display_name(arena, shard));
        json_field_uuid(json, "uuid", &shard->uuid);
        json_field_string(json, "host", shard->host);
        json_field_string(json, "cluster", shard->cluster);
        json_field_string(json, "agent", shard->agent);
        json_field_strings(json, "rows_before", &shard->rows_before);
        json_field_strings(json, "steps", &shard->steps);
        json_field_strings(json, "rows_after", &shard->rows_after);
        json_field_uint(json, "size_bytes", shard->size_bytes);
        write_or_null(json, "estimated_ms", shard->estimated_ms > 0, shard->estimated_ms);
        json_field_uint(json, "backup_bytes", shard->backup_bytes);
        json_field_string(json, "restore_from",
                          plan_shard_restores(shard) ? shard->restore.path : NULL);
        json_object_end(json);
        arena_reset(arena);
    }
    json_array_end(json);
}

/* --- windows, gates --------------------------------------------------------------------------- */

void plan_view_windows(const PlanHeader *header, JsonWriter *json)
{
    json_field_array(json, "windows");
    for (size_t i = 0; i < header->window_count; i++) {
        const WindowPlan *window = &header->windows[i];
        json_object_begin(json);
        json_field_uint(json, "days", window->days);
        json_field_uint(json, "from_minute", window->from_minute);
        json_field_uint(json, "to_minute", window->to_minute);
        json_field_string(json, "zone", window->zone);
        json_field_uint(json, "cutoff_ms", window->cutoff_ms);
        json_object_end(json);
    }
    json_array_end(json);
}

static void view_required_evidence(const RequiredEvidence *evidence, JsonWriter *json)
{
    if (evidence == NULL) {
        json_field_null(json, "evidence");
        return;
    }
    json_field_object(json, "evidence");
    json_field_digest(json, "sha256", &evidence->sha256);
    json_field_digest(json, "trust_sha256", &evidence->trust_sha256);
    json_field_uuid(json, "fleet", &evidence->fleet_id);
    json_field_uuid(json, "rollout_id", &evidence->rollout_id);
    json_field_digest(json, "bundle_digest", &evidence->bundle_digest);
    json_field_string(json, "target", evidence->target);
    json_object_end(json);
}

void plan_view_requires(const PlanHeader *header, JsonWriter *json)
{
    json_field_array(json, "requires");
    for (size_t i = 0; i < header->require_count; i++) {
        const Requirement *required = &header->requires[i];
        json_object_begin(json);
        json_field_string(json, "rollout", required->rollout[0] == '\0' ? NULL : required->rollout);
        json_field_object(json, "labels");
        for (size_t k = 0; k < required->labels.count; k++)
            json_field_string(json, required->labels.items[k].key, required->labels.items[k].value);
        json_object_end(json);
        view_required_evidence(required->evidence, json);
        json_object_end(json);
    }
    json_array_end(json);
}

void plan_view_contract(const PlanHeader *header, JsonWriter *json)
{
    const ContractPlan *contract = &header->contract;
    if (contract->contracts.count == 0) {
        json_field_null(json, "contract");
        return;
    }
    json_field_object(json, "contract");
    json_field_string(json, "gate", contract->gate);
    json_field_string(json, "shards", contract->shards[0] == '\0' ? NULL : contract->shards);
    json_field_strings(json, "contracts", &contract->contracts);
    json_field_strings(json, "expands", &contract->expands);
    json_object_end(json);
}

void plan_view_gates(const PlanHeader *header, JsonWriter *json)
{
    static const char *const moments[] = {"before", "during", "after"};
    json_field_array(json, "gates");
    for (size_t i = 0; i < header->gate_count; i++) {
        const GatePlan *gate = &header->gates[i];
        json_object_begin(json);
        json_field_string(json, "name", gate->name);
        json_field_string(json, "kind", gate_kind_name(gate->kind));
        json_field_array(json, "when");
        for (size_t k = 0; k < sizeof moments / sizeof *moments; k++) {
            if ((gate->when & (1U << k)) != 0)
                json_text(json, moments[k]);
        }
        json_array_end(json);
        json_field_string(json, "text", gate->text);
        json_field_string(json, "success", gate->success);
        json_field_string(json, "failure", gate->failure);
        json_field_uint(json, "limit", gate->limit);
        json_field_uint(json, "waiting_max", gate->waiting_max);
        json_field_strings(json, "ignore", &gate->ignore);
        json_field_uint(json, "interval_ms", gate->interval_ms);
        json_field_uint(json, "attempts", gate->attempts);
        json_field_uint(json, "timeout_ms", gate->timeout_ms);
        json_object_end(json);
    }
    json_array_end(json);
}

/* --- the whole -------------------------------------------------------------------------------- */

static void write_identity(const PlanHeader *header, const Digest *digest, JsonWriter *json)
{
    json_field_digest(json, "plan_digest", digest);
    json_field_uuid(json, "rollout", &header->rollout_id);
    json_field_string(json, "name", header->name);
    json_field_string(json, "author_keyid", header->author);
    json_field_time(json, "created", header->created_unix_ms);
    json_field_time(json, "expires", header->expires_unix_ms);
    json_field_string(json, "bundle", header->bundle_name);
    json_field_digest(json, "bundle_digest", &header->bundle_digest);
    json_field_string(json, "direction", direction_name(header->direction));
    json_field_string(json, "target", header->target);
    json_field_uuid(json, "rollback_of", &header->rollback_of);
    json_field_bool(json, "accept_data_loss", header->accept_data_loss);
}

static void write_choice(const PlanHeader *header, JsonWriter *json)
{
    const PlanNotes *notes = &header->notes;
    json_field_string(json, "select", notes->select);
    json_field_string(json, "order", notes->order);
    write_or_null(json, "seed", header->seed != 0, header->seed);
    json_field_uint(json, "shards", header->shard_count);
    json_field_uint(json, "already_there", notes->already_there);
    json_field_uint(json, "left_out", notes->left_out_count);
    json_field_array(json, "left_out_shards");
    for (size_t i = 0; i < notes->left_out_named; i++) {
        json_object_begin(json);
        json_field_string(json, "shard", notes->left_out[i].shard);
        json_field_string(json, "reason", notes->left_out[i].reason);
        json_object_end(json);
    }
    json_array_end(json);
    json_field_string(json, "drift", drift_policy_name(header->policy.drift));
    json_field_uint(json, "drifted", notes->drifted_count);
    json_field_strings(json, "drifted_shards", &notes->drifted);
}

void plan_view_lock_budget(const Policy *policy, JsonWriter *json)
{
    if (policy->lock_budget_ms == LOCK_BUDGET_NONE)
        json_field_null(json, "lock_budget_ms");
    else
        json_field_uint(json, "lock_budget_ms",
                        policy->lock_budget_ms == 0 ? LOCK_BUDGET_DEFAULT_MS
                                                    : policy->lock_budget_ms);
}

static void write_backfill(const BackfillPolicy *backfill, JsonWriter *json)
{
    json_field_object(json, "backfill");
    json_field_uint(json, "target_ms", backfill->target_ms);
    json_field_uint(json, "replica_lag_ms", backfill->replica_lag_ms);
    json_field_uint(json, "wal_bytes_per_s", backfill->wal_bytes_per_s);
    json_field_uint(json, "archive_files", backfill->archive_files);
    json_field_uint(json, "sessions", backfill->sessions);
    json_field_string(json, "vacuum", backfill->ignore_vacuum ? "ignore" : "wait");
    json_field_string(json, "query", backfill->query[0] == '\0' ? NULL : backfill->query);
    json_object_end(json);
}

static void write_policy(const PlanHeader *header, const PlanShard *shards, JsonWriter *json)
{
    const Policy *policy = &header->policy;
    json_field_uint(json, "approvals", policy->approvals);
    json_field_object(json, "concurrency");
    json_field_uint(json, "fleet", policy->concurrency.fleet);
    json_field_uint(json, "host", policy->concurrency.host);
    json_field_uint(json, "cluster", policy->concurrency.cluster);
    json_field_uint(json, "database", policy->concurrency.database);
    json_field_object(json, "labels");
    for (size_t i = 0; i < policy->concurrency.label_count; i++)
        json_field_uint(json, policy->concurrency.labels[i].label,
                        policy->concurrency.labels[i].cap);
    json_object_end(json);
    json_object_end(json);
    json_field_uint(json, "budget_fleet", policy->budget_fleet);
    json_field_uint(
        json, "worst_case",
        plan_worst_case(policy->budget_fleet,
                        plan_flying_max(&policy->concurrency, shards, header->shard_count),
                        header->shard_count));
    json_field_string(json, "on_shard_failure", on_shard_failure_name(policy->on_shard_failure));
    json_field_string(json, "on_failure", on_failure_name(policy->on_failure));
    json_field_uint(json, "rollback_until_ms", policy->rollback_until_ms);
    json_field_uint(json, "unknown_deadline_ms", policy->unknown_deadline_ms);
    json_field_uint(json, "progress_deadline_ms", policy->progress_deadline_ms);
    json_field_uint(json, "lock_timeout_ms", policy->lock_timeout_ms);
    json_field_uint(json, "lock_attempts", policy->lock_attempts);
    plan_view_lock_budget(policy, json);
    json_field_uint(json, "statement_timeout_ms", policy->statement_timeout_ms);
    json_field_null(json, "locks_expected"); /* nobody can tell yet */
    write_backfill(&policy->backfill, json);
}

void plan_view_fields(const PlanHeader *header, const PlanShard *shards, const Digest *digest,
                      bool with_shards, JsonWriter *json)
{
    write_identity(header, digest, json);
    write_choice(header, json);
    write_policy(header, shards, json);
    plan_view_budgets(header, shards, NULL, json);
    write_backup(header, shards, json);
    write_estimate(header, shards, json);
    write_waves(header, shards, json);
    write_steps(header, shards, json);
    plan_view_windows(header, json);
    plan_view_gates(header, json);
    plan_view_requires(header, json);
    plan_view_contract(header, json);
    rehearsal_view(header, shards, json);
    if (with_shards)
        write_shards(header, shards, json);
}

void plan_view_write(const PlanHeader *header, const PlanShard *shards, const Digest *digest,
                     bool with_shards, JsonWriter *json)
{
    json_object_begin(json);
    plan_view_fields(header, shards, digest, with_shards, json);
    json_object_end(json);
}
