#include "coordinator.h"

#include "select.h"

#include <string.h>

bool view_backup_is(const FleetBackup *backup, const char *name)
{
    AUTO_ARENA Arena *arena = arena_new();
    const BackupEntry *entry = &backup->entry;
    char shard[UUID_TEXT_SIZE], operation[OPERATION_TEXT_SIZE];
    uuid_format(&entry->shard, shard);
    operation_format(&entry->operation, operation);
    return strcmp(name, operation) == 0 || strcmp(name, shard) == 0 ||
           strcmp(name,
                  shard_display_name(arena, entry->cluster, entry->database, entry->schema)) == 0;
}

bool view_backup_matches(const Coordinator *coordinator, const FleetBackup *backup,
                         const Selection *selection)
{
    const BackupEntry *entry = &backup->entry;
    const FleetShard *shard = inventory_find(coordinator->inventory, &entry->shard);
    LabelList none = {0};
    SelectTarget target = {
        .host = shard == NULL ? "" : shard->host,
        .cluster = entry->cluster,
        .database = entry->database,
        .schema = entry->schema,
        .labels = shard == NULL ? &none : &shard->labels,
    };
    return select_matches(selection, &target);
}

static const char *state_of(const BackupEntry *entry)
{
    return entry->damage[0] != '\0'       ? "damaged"
           : entry->verified_unix_ms != 0 ? "verified"
                                          : "unverified";
}

static void render_backup(const Coordinator *coordinator, const FleetBackup *backup, Arena *arena,
                          JsonWriter *json)
{
    const BackupEntry *entry = &backup->entry;
    const RolloutEntry *rollout = rollouts_find_id(coordinator->rollouts, &entry->rollout_id);
    char operation[OPERATION_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];
    operation_format(&entry->operation, operation);
    digest_format(&entry->info.sha256, digest);
    json_object_begin(json);
    json_field_string(json, "id", operation);
    json_field_string(json, "shard",
                      shard_display_name(arena, entry->cluster, entry->database, entry->schema));
    json_field_uuid(json, "uuid", &entry->shard);
    json_field_string(json, "agent", backup->agent);
    json_field_uuid(json, "rollout_id", &entry->rollout_id);
    json_field_string(json, "rollout", rollout == NULL ? NULL : rollout->header.name);
    json_field_string(json, "method", backup_method_name(entry->info.method));
    json_field_string(json, "command", entry->command[0] == '\0' ? NULL : entry->command);
    json_field_string(json, "command_id", entry->id[0] == '\0' ? NULL : entry->id);
    json_field_string(json, "path", entry->info.path);
    json_field_string(json, "sha256", digest);
    json_field_uint(json, "size_bytes", entry->info.size_bytes);
    json_field_uint(json, "database_bytes", entry->database_bytes);
    json_field_strings(json, "rows", &entry->rows);
    json_field_bool(json, "encrypted", entry->info.encrypted);
    json_field_uint(json, "duration_ms", entry->info.duration_ms);
    json_field_uint(json, "restore_test_ms", entry->info.restore_test_ms);
    json_field_time(json, "started", entry->started_unix_ms);
    json_field_time(json, "finished", entry->finished_unix_ms);
    json_field_string(json, "state", state_of(entry));
    json_field_time(json, "verified", entry->verified_unix_ms);
    json_field_time(json, "checked", entry->checked_unix_ms);
    json_field_string(json, "damage", entry->damage[0] == '\0' ? NULL : entry->damage);
    json_field_string(json, "kept", entry->kept[0] == '\0' ? NULL : entry->kept);
    json_object_end(json);
}

static void render_agents(const Coordinator *coordinator, JsonWriter *json)
{
    json_field_array(json, "agents");
    for (size_t i = 0; i < roster_count(coordinator->roster); i++) {
        const RosterAgent *agent = roster_at(coordinator->roster, i);
        if (agent->revoked)
            continue;
        json_object_begin(json);
        json_field_string(json, "agent", agent->key.name);
        json_field_bool(json, "connected", agent->connected);
        json_field_uint(json, "listings", backups_listings(coordinator->backups, agent->key.name));
        json_object_end(json);
    }
    json_array_end(json);
}

ErrCode view_backups(const Coordinator *coordinator, const ViewRequest *request, Arena *arena,
                     JsonWriter *json, Error *err)
{
    const Selection *selection;
    const char *name = request->shard == NULL ? "" : request->shard;
    bool found = name[0] == '\0';
    ErrCode code =
        select_parse(request->select == NULL ? "" : request->select, arena, &selection, err);
    if (code != ERR_OK)
        return code;
    json_field_array(json, "backups");
    for (size_t i = 0; i < backups_count(coordinator->backups); i++) {
        const FleetBackup *backup = backups_at(coordinator->backups, i);
        if ((name[0] != '\0' && !view_backup_is(backup, name)) ||
            !view_backup_matches(coordinator, backup, selection))
            continue;
        found = true;
        render_backup(coordinator, backup, arena, json);
    }
    json_array_end(json);
    render_agents(coordinator, json);
    if (found)
        return ERR_OK;
    err_set(err, ERR_NOT_FOUND, "there is no backup of '%.200s'", name);
    err_hint(err, "`pgtide backup list` shows shards and ids.");
    return ERR_NOT_FOUND;
}
