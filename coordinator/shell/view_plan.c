#include "planning.h"

void view_scope_budgets(const PlanHeader *header, JsonWriter *json)
{
    json_field_array(json, "budgets");
    for (size_t i = 0; i < header->budget_count; i++) {
        const ScopeBudget *budget = &header->budgets[i];
        json_object_begin(json);
        json_field_string(json, "scope", budget->label[0] == '\0' ? "host" : "label");
        json_field_string(json, "label", budget->label[0] == '\0' ? NULL : budget->label);
        json_field_bool(json, "percent", budget->percent);
        json_field_uint(json, "value", budget->value);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_digest(JsonWriter *json, const char *key, const Digest *digest)
{
    char text[DIGEST_TEXT_SIZE];
    digest_format(digest, text);
    json_field_string(json, key, text);
}

static void write_uuid(JsonWriter *json, const char *key, const Uuid *uuid)
{
    char text[UUID_TEXT_SIZE];
    uuid_format(uuid, text);
    json_field_string(json, key, uuid_is_nil(uuid) ? NULL : text);
}

static void write_waves(const PlanSummary *summary, JsonWriter *json)
{
    const PlanHeader *header = summary->header;
    AUTO_ARENA Arena *arena = arena_new();
    size_t first = 0;
    json_field_array(json, "waves");
    for (size_t i = 0; i < header->wave_count; i++) {
        const WavePlan *wave = &header->waves[i];
        const PlanShard *shard = &summary->shards[first];
        json_object_begin(json);
        json_field_uint(json, "number", i + 1);
        json_field_string(json, "name", wave->name);
        json_field_uint(json, "shards", wave->shard_count);
        json_field_uint(json, "bake_ms", wave->bake_ms);
        json_field_uint(json, "budget", wave->budget);
        json_field_uint(json, "worst_case", summary->worst_case_wave[i]);
        json_field_string(
            json, "first",
            shard_display_name(arena, shard->cluster, shard->database, shard->schema));
        json_object_end(json);
        first += wave->shard_count;
    }
    json_array_end(json);
}

/* The distinct lists of steps. There are few: one for each place where shards stand. */
static void write_steps(const PlanSummary *summary, JsonWriter *json)
{
    AUTO_ARENA Arena *arena = arena_new();
    uint32_t count = summary->header->shard_count;
    const StrList **lists = ARENA_ARRAY(arena, const StrList *, count);
    uint64_t *shards = ARENA_ARRAY(arena, uint64_t, count);
    size_t distinct = 0;
    for (uint32_t i = 0; i < count; i++) {
        const StrList *steps = &summary->shards[i].steps;
        size_t at = 0;
        while (at < distinct && !strlist_equal(lists[at], steps))
            at++;
        if (at == distinct)
            lists[distinct++] = steps;
        shards[at]++;
    }
    json_field_array(json, "steps");
    for (size_t i = 0; i < distinct; i++) {
        json_object_begin(json);
        json_field_strings(json, "revisions", lists[i]);
        json_field_uint(json, "shards", shards[i]);
        json_object_end(json);
    }
    json_array_end(json);
}

void view_plan_summary(const PlanSummary *summary, JsonWriter *json)
{
    const PlanHeader *header = summary->header;
    json_object_begin(json);
    write_digest(json, "plan_blob_digest", &summary->plan_blob);
    write_digest(json, "plan_digest", &summary->plan_digest);
    write_uuid(json, "rollout", &header->rollout_id);
    json_field_string(json, "name", header->name);
    json_field_string(json, "bundle", header->bundle_name);
    write_digest(json, "bundle_digest", &header->bundle_digest);
    write_digest(json, "bundle_blob_digest", &summary->bundle_blob);
    json_field_string(json, "direction", direction_name(header->direction));
    json_field_string(json, "target", header->target);
    write_uuid(json, "rollback_of", &header->rollback_of);
    json_field_uint(json, "shards", header->shard_count);
    json_field_uint(json, "already_there", summary->already_there);
    json_field_uint(json, "left_out", summary->left_out);
    view_scope_budgets(header, json);
    if (summary->seed != 0)
        json_field_uint(json, "seed", summary->seed);
    else
        json_field_null(json, "seed");
    json_field_uint(json, "budget_fleet", header->policy.budget_fleet);
    json_field_uint(json, "worst_case", summary->worst_case_fleet);
    json_field_uint(json, "approvals", header->policy.approvals);
    json_field_time(json, "expires", header->expires_unix_ms);
    write_waves(summary, json);
    write_steps(summary, json);
    json_object_end(json);
}
