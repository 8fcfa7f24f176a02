#include "single.h"

#include "clock.h"

#include <string.h>

static const CommandOption options[] = {
    SINGLE_OPTIONS,
    {"verbose", 'v', NULL, "also what pgtide keeps in the shard, and its history"},
    {0},
};

enum { HISTORY_SHOWN = 20 };

/* Heads of the project, when there is one to look at; `current` works without. */
static StrList project_heads(CommandContext *context)
{
    Project project;
    RevisionMap *map;
    if (project_open(context->arena, context->config, &project, &map, NULL) != ERR_OK)
        return (StrList){0};
    return graph_heads(context->arena, map);
}

static void write_history(JsonWriter *json, const DatabaseReading *reading)
{
    json_field_array(json, "history");
    for (size_t i = 0; i < reading->history_count; i++) {
        const HistoryEntry *entry = &reading->history[i];
        json_object_begin(json);
        json_field_int(json, "seq", entry->seq);
        json_field_string(json, "direction", entry->direction);
        json_field_string(json, "revision", entry->revision);
        json_field_strings(json, "rows_before", &entry->rows_before);
        json_field_strings(json, "rows_after", &entry->rows_after);
        json_field_string(json, "outcome", entry->outcome);
        json_field_string(json, "who", entry->who);
        json_field_string(json, "sqlstate", entry->sqlstate);
        json_field_string(json, "message", entry->message);
        json_field_time(json, "finished", entry->finished_unix_ms);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_json(CommandContext *context, const DatabaseReading *reading)
{
    const ShardReading *shard = &reading->shards[0];
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_strings(&json, "rows", &shard->rows);
    json_field_string(&json, "database", reading->database);
    json_field_string(&json, "schema", shard->schema);
    json_field_bool(&json, "adopted", shard->adopted);
    json_field_bool(&json, "trusted", shard->trusted);
    json_field_bool(&json, "identity_mismatch", shard->identity_mismatch);
    char fleet[UUID_TEXT_SIZE];
    uuid_format(&shard->fleet_id, fleet);
    json_field_string(&json, "fleet", uuid_is_nil(&shard->fleet_id) ? NULL : fleet);
    json_field_uint(&json, "fence", shard->fence);
    json_field_uint(&json, "epoch", shard->epoch);
    write_history(&json, reading);
    json_object_end(&json);
}

static void say_verbose(CommandContext *context, const DatabaseReading *reading)
{
    const ShardReading *shard = &reading->shards[0];
    char fleet[UUID_TEXT_SIZE];
    uuid_format(&shard->fleet_id, fleet);
    say(context, "database: %s%s%s", reading->database, shard->schema[0] == '\0' ? "" : ", schema ",
        shard->schema);
    say(context, "adopted: %s", shard->adopted ? "yes" : "no");
    if (shard->adopted)
        say(context, "fleet: %s, fence %llu, epoch %llu",
            uuid_is_nil(&shard->fleet_id) ? "none" : fleet, (unsigned long long)shard->fence,
            (unsigned long long)shard->epoch);
    for (size_t i = 0; i < reading->history_count; i++) {
        const HistoryEntry *entry = &reading->history[i];
        char when[TIME_TEXT_SIZE];
        time_format_rfc3339(entry->finished_unix_ms, when);
        say(context, "%s %s %s %s -> %s by %s%s%s", when, entry->outcome, entry->direction,
            single_rows_text(context->arena, &entry->rows_before),
            single_rows_text(context->arena, &entry->rows_after), entry->who,
            entry->message[0] == '\0' ? "" : ": ", entry->message);
    }
}

static ErrCode current(CommandContext *context, Single *single, Error *err)
{
    bool verbose = context_has(context, "verbose");
    ReadArgs args = {.history_limit = verbose ? HISTORY_SHOWN : 0};
    ErrCode code = single_read(single, &args, err);
    if (code != ERR_OK)
        return code;
    const ShardReading *shard = &single->reading->shards[0];
    write_json(context, single->reading);
    StrList heads = project_heads(context);
    for (size_t i = 0; i < shard->rows.count; i++)
        say(context, "%s%s", shard->rows.items[i],
            strlist_has(&heads, shard->rows.items[i]) ? " (head)" : "");
    if (!shard->trusted)
        note(context, "pgtide will not write here: %s", shard->message);
    if (shard->identity_mismatch)
        note(context, "the shard was adopted at another server, database or schema");
    if (verbose)
        say_verbose(context, single->reading);
    return ERR_OK;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Single single;
    ErrCode code = single_open(&single, context, err);
    if (code == ERR_OK)
        code = current(context, &single, err);
    single_close(&single);
    return code;
}

const CliCommand cmd_current = {
    .words = "current",
    .arguments = "",
    .summary = "print the version rows of one database",
    .options = options,
    .run = run,
};
