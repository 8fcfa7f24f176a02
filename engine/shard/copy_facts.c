#include "copy_facts.h"

#include "named_limits.h"

#include <string.h>

enum { ANSWER_SETTINGS, ANSWER_TABLES };
enum { SETTING_PATH, SETTING_ZONE, SETTING_ROLES };
enum { TABLE_NAME, TABLE_BYTES };

ReadArgs copy_facts_args(void)
{
    return (ReadArgs){.with_size = true};
}

/* A tenant's schema is searched first, the shared ones behind it, pg_temp last. */
static const char settings_query[] =
    "SELECT CASE WHEN $1 = '' THEN pg_catalog.current_setting('search_path') ELSE"
    "  pg_catalog.concat_ws(', ', pg_catalog.quote_ident($1), (SELECT"
    "   pg_catalog.string_agg(pg_catalog.quote_ident(s), ', ' ORDER BY n)"
    "   FROM pg_catalog.unnest($2::pg_catalog.text[]) WITH ORDINALITY u (s, n)), 'pg_temp')"
    " END, pg_catalog.current_setting('TimeZone'),"
    " ARRAY(SELECT rolname::pg_catalog.text FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_')";

static const char tables_query[] =
    "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) COLLATE \"C\","
    " pg_catalog.pg_relation_size(c.oid) FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_'"
    " AND n.nspname <> 'information_schema' ORDER BY 1";

void copy_facts_queries(PgBatch *batch, const char *schema, const StrList *shared)
{
    const char *params[] = {schema, pg_array_format(batch->arena, shared)};
    pg_batch_add_params(batch, settings_query, 2, params);
    pg_batch_add(batch, tables_query);
}

ErrCode copy_facts_answer(Arena *arena, const PgReply *reply, CopyFacts *facts, Error *err)
{
    const PgResult *settings = &reply->results[ANSWER_SETTINGS];
    const PgResult *tables = &reply->results[ANSWER_TABLES];
    size_t count = pg_rows(tables);
    if (count > LIMIT_SCHEMA_OBJECTS)
        return err_set(err, ERR_LIMIT, "it has more than %d tables", LIMIT_SCHEMA_OBJECTS);
    facts->search_path = arena_strdup(arena, pg_text(settings, 0, SETTING_PATH));
    facts->time_zone = arena_strdup(arena, pg_text(settings, 0, SETTING_ZONE));
    if (!pg_array_parse(arena, pg_text(settings, 0, SETTING_ROLES), &facts->roles))
        return err_set(err, ERR_PROTOCOL, "the server's list of roles can't be read");
    facts->bytes = ARENA_ARRAY(arena, uint64_t, count + 1);
    for (size_t row = 0; row < count; row++) {
        strlist_add(arena, &facts->tables, pg_text(tables, row, TABLE_NAME));
        facts->bytes[row] = pg_u64(tables, row, TABLE_BYTES);
    }
    return ERR_OK;
}

void copy_facts_reading(Arena *arena, const DatabaseReading *reading, CopyFacts *facts)
{
    facts->rows = strlist_copy(arena, &reading->shards[0].rows);
    facts->database = arena_strdup(arena, reading->database);
    facts->size_bytes = reading->size_bytes;
    facts->server_version = reading->server_version;
}

void copy_facts_write(JsonWriter *json, const CopyFacts *facts)
{
    json_field_string(json, "database", facts->database);
    json_field_uint(json, "size_bytes", facts->size_bytes);
    json_field_uint(json, "server_version", facts->server_version);
    json_field_strings(json, "rows", &facts->rows);
    json_field_string(json, "search_path", facts->search_path);
    json_field_string(json, "time_zone", facts->time_zone);
    json_field_strings(json, "roles", &facts->roles);
    json_key(json, "tables");
    json_object_begin(json);
    for (size_t i = 0; i < facts->tables.count; i++)
        json_field_uint(json, facts->tables.items[i], facts->bytes[i]);
    json_object_end(json);
}
