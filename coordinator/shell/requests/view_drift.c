/* Which shards are what they should be, in classes; or how one of them stands. */
#include "coordinator.h"
#include "drifting.h"
#include "standing.h"
#include "view.h"

#include <string.h>

enum { GROUPS_TOLD = 500, CLASSES_TOLD = 100 };

static void write_fingerprint(JsonWriter *json, const char *key, const Digest *fingerprint)
{
    char text[FINGERPRINT_TEXT_SIZE];
    fingerprint_format(fingerprint, text);
    json_field_string(json, key, digest_is_zero(fingerprint) ? NULL : text);
}

static void write_place(JsonWriter *json, const DriftPlace *place)
{
    json_field_strings(json, "rows", &place->rows);
    json_field_string(json, "scope", place->in_schema ? "schema" : "database");
    json_field_uint(json, "server_major", place->major);
}

static void write_expectation(JsonWriter *json, const DriftExpectation *expectation)
{
    static const Digest none;
    char blob[DIGEST_TEXT_SIZE];
    if (expectation != NULL)
        digest_format(&expectation->dump, blob);
    write_fingerprint(json, "expected", expectation == NULL ? &none : &expectation->fingerprint);
    json_field_string(json, "dump_blob_digest", expectation == NULL ? NULL : blob);
    json_field_string(json, "expected_by", expectation == NULL ? NULL : expectation->who);
    json_field_time(json, "expected_at", expectation == NULL ? 0 : expectation->at_unix_ms);
}

static void write_acceptance(JsonWriter *json, const DriftAcceptance *acceptance)
{
    json_field_string(json, "accepted_by", acceptance == NULL ? NULL : acceptance->who);
    json_field_string(json, "accepted_reason", acceptance == NULL ? NULL : acceptance->reason);
    json_field_time(json, "accepted_at", acceptance == NULL ? 0 : acceptance->at_unix_ms);
}

static void write_class(JsonWriter *json, const DriftClass *class)
{
    json_object_begin(json);
    json_field_string(json, "verdict", drift_verdict_name(class->verdict));
    write_fingerprint(json, "fingerprint", &class->fingerprint);
    json_field_string(json, "why", class->why);
    json_field_uint(json, "shards", class->count);
    json_field_array(json, "names");
    for (size_t i = 0; i < class->named; i++)
        json_text(json, class->names[i]);
    json_array_end(json);
    write_acceptance(json, class->acceptance);
    json_object_end(json);
}

static void write_group(JsonWriter *json, const DriftGroup *group)
{
    json_object_begin(json);
    write_place(json, &group->place);
    json_field_uint(json, "shards", group->count);
    write_expectation(json, group->expectation);
    json_field_array(json, "classes");
    for (size_t i = 0; i < group->class_count && i < CLASSES_TOLD; i++)
        write_class(json, &group->classes[i]);
    json_array_end(json);
    json_field_uint(json, "classes_untold",
                    group->class_count > CLASSES_TOLD ? group->class_count - CLASSES_TOLD : 0);
    json_object_end(json);
}

static ErrCode render_groups(const Coordinator *coordinator, const ViewRequest *request,
                             Arena *arena, JsonWriter *json, Error *err)
{
    size_t total = inventory_shard_count(coordinator->inventory);
    DriftShard *shards = ARENA_ARRAY(arena, DriftShard, total + 1);
    size_t count = 0;
    const Selection *selection;
    ErrCode code =
        select_parse(request->select == NULL ? "" : request->select, arena, &selection, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < total; i++) {
        const FleetShard *shard = inventory_shard_at(coordinator->inventory, i);
        SelectTarget target = standing_select_target(coordinator, shard);
        if (!shard->standby && select_matches(selection, &target))
            shards[count++] = drifting_shard(coordinator, shard);
    }
    DriftGroups groups = drift_group(arena, coordinator->drift, shards, count);
    json_field_object(json, "counts");
    for (int verdict = 0; verdict < DRIFT_VERDICT_COUNT; verdict++)
        json_field_uint(json, drift_verdict_name((DriftVerdict)verdict), groups.shards[verdict]);
    json_object_end(json);
    json_field_array(json, "groups");
    for (size_t i = 0; i < groups.count && i < GROUPS_TOLD; i++)
        write_group(json, &groups.items[i]);
    json_array_end(json);
    json_field_uint(json, "groups_untold",
                    groups.count > GROUPS_TOLD ? groups.count - GROUPS_TOLD : 0);
    return ERR_OK;
}

static ErrCode render_shard(const Coordinator *coordinator, const char *name, JsonWriter *json,
                            Error *err)
{
    const FleetShard *shard;
    ErrCode code = view_find_shard(coordinator, name, &shard, err);
    if (code != ERR_OK)
        return code;
    DriftShard seen = drifting_shard(coordinator, shard);
    DriftJudgement judgement = drift_judge(coordinator->drift, &seen);
    json_field_object(json, "shard");
    json_field_string(json, "name", shard->name);
    json_field_uuid(json, "uuid", &shard->uuid);
    json_field_string(json, "cluster", shard->cluster);
    json_field_string(json, "database", shard->database);
    json_field_string(json, "schema", shard->schema);
    write_place(json, &seen.place);
    json_field_string(json, "verdict", drift_verdict_name(judgement.verdict));
    json_field_string(json, "why", judgement.why);
    write_fingerprint(json, "fingerprint", &seen.fingerprint);
    json_field_time(json, "seen", shard->fingerprint_unix_ms);
    write_expectation(json, judgement.expectation);
    write_acceptance(json, judgement.acceptance);
    json_object_end(json);
    return ERR_OK;
}

ErrCode view_drift(const Coordinator *coordinator, const ViewRequest *request, Arena *arena,
                   JsonWriter *json, Error *err)
{
    bool is_one = request->shard != NULL && request->shard[0] != '\0';
    return is_one ? render_shard(coordinator, request->shard, json, err)
                  : render_groups(coordinator, request, arena, json, err);
}
