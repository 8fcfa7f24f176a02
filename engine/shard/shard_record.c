#include "shard_record.h"

#include "named_limits.h"

#include <string.h>

ReadArgs shard_record_args(void)
{
    return (ReadArgs){.history_limit = LIMIT_HISTORY_TOLD, .with_record = true, .with_size = true};
}

static void write_entry(JsonWriter *json, const HistoryEntry *entry)
{
    json_object_begin(json);
    json_field_int(json, "seq", entry->seq);
    json_field_string(json, "direction", entry->direction);
    json_field_string(json, "revision", entry->revision);
    json_field_string(json, "outcome", entry->outcome);
    json_field_strings(json, "rows_before", &entry->rows_before);
    json_field_strings(json, "rows_after", &entry->rows_after);
    json_field_string(json, "rollout", entry->rollout);
    json_field_uint(json, "attempt", entry->attempt);
    json_field_string(json, "who", entry->who);
    json_field_string(json, "sqlstate", entry->sqlstate);
    json_field_string(json, "message", entry->message);
    json_field_time(json, "started", entry->started_unix_ms);
    json_field_time(json, "finished", entry->finished_unix_ms);
    uint64_t ms = entry->finished_unix_ms - entry->started_unix_ms;
    json_field_uint(json, "duration_ms", entry->finished_unix_ms > entry->started_unix_ms ? ms : 0);
    if (entry->facts[0] != '\0') {
        json_key(json, "facts");
        json_raw(json, entry->facts, strlen(entry->facts));
    }
    json_object_end(json);
}

static void write_unit(JsonWriter *json, const UnitRecord *unit)
{
    json_object_begin(json);
    json_field_string(json, "revision", unit->revision);
    json_field_string(json, "direction", unit->direction);
    json_field_uint(json, "unit", unit->unit);
    json_field_string(json, "kind", unit->kind);
    json_field_string(json, "what", unit->what);
    json_field_time(json, "started", unit->started_unix_ms);
    json_field_time(json, "finished", unit->finished_unix_ms);
    json_field_uint(json, "rows", unit->rows);
    json_field_uint(json, "rows_total", unit->rows_total);
    json_field_bool(json, "at_work", unit->at_work);
    json_object_end(json);
}

void shard_record_write(JsonWriter *json, const DatabaseReading *reading)
{
    const ShardReading *shard = &reading->shards[0];
    json_object_begin(json);
    json_field_string(json, "database", reading->database);
    json_field_string(json, "schema", shard->schema);
    json_field_uint(json, "size_bytes", reading->size_bytes);
    json_field_strings(json, "rows", &shard->rows);
    json_field_bool(json, "adopted", shard->adopted);
    json_field_bool(json, "trusted", shard->trusted);
    json_field_string(json, "distrust", shard->trusted ? "" : shard->message);
    json_field_bool(json, "identity_mismatch", shard->identity_mismatch);
    json_field_uuid(json, "fleet", &shard->fleet_id);
    json_field_array(json, "units");
    for (size_t i = 0; i < reading->unit_count; i++)
        write_unit(json, &reading->units[i]);
    json_array_end(json);
    json_field_array(json, "history"); /* newest first */
    for (size_t i = reading->history_count; i-- > 0;)
        write_entry(json, &reading->history[i]);
    json_array_end(json);
    json_object_end(json);
}
