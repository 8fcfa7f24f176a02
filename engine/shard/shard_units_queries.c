#include "shard_units_queries.h"

#define OF_REVISION                                                                                \
    " p.schema_name = $1 AND p.position ->> 'revision' = $3 AND p.position ->> 'direction' = $4"

/* What ran for this revision is still there as long as the shard has moved in no other way than
 * on: a step back (or forth), a stamp, a restore and another tool's move make it void. */
const char units_sql_forget_void[] =
    "DELETE FROM pgtide.progress p WHERE" OF_REVISION " AND EXISTS (SELECT FROM pgtide.history h"
    " WHERE h.schema_name = $1 AND h.outcome = 'succeeded' AND h.seq > (p.position ->> 'seq')::int8"
    " AND (h.revision = $3 OR h.direction = $5 OR h.direction IN ('stamp', 'restore', 'external')"
    "  AND h.rows_before IS DISTINCT FROM h.rows_after)) AND $2::text IS NOT NULL";

const char units_sql_take_over[] = "UPDATE pgtide.progress p SET operation = decode($2, 'hex')"
                                   " WHERE" OF_REVISION " AND p.operation <> decode($2, 'hex')";

const char units_sql_read[] =
    "SELECT unit, kind, encode(digest, 'hex'), finished IS NOT NULL, position ->> 'what',"
    " position ->> 'statement', position ->> 'probe', position ->> 'facts', position ->> 'pid',"
    " started FROM pgtide.progress WHERE schema_name = $1 AND operation = decode($2, 'hex')"
    " ORDER BY unit";

const char units_sql_insert[] =
    "INSERT INTO pgtide.progress (schema_name, operation, unit, kind, digest, finished, position)"
    " SELECT $1, decode($2, 'hex'), coalesce(max(unit), 0) + 1, $3, decode($4, 'hex'),"
    "  CASE WHEN $5::bool THEN clock_timestamp() END, jsonb_strip_nulls(jsonb_build_object("
    "  'revision', $6::text, 'direction', $7::text, 'what', $8::text, 'statement', $9::text,"
    "  'probe', $10::text, 'facts', $11::jsonb, 'pid', pg_backend_pid(), 'seq',"
    "  (SELECT coalesce(max(seq), 0) FROM pgtide.history WHERE schema_name = $1)))"
    " FROM pgtide.progress WHERE schema_name = $1 AND operation = decode($2, 'hex')"
    " RETURNING unit";

const char units_sql_update[] =
    "UPDATE pgtide.progress SET finished = CASE WHEN $4::bool THEN clock_timestamp() END,"
    " started = CASE WHEN $4::bool THEN started ELSE now() END,"
    " position = jsonb_set(CASE WHEN $5::jsonb IS NULL THEN position"
    "  ELSE jsonb_set(position, '{facts}', $5::jsonb) END, '{pid}', to_jsonb(pg_backend_pid()))"
    " WHERE schema_name = $1 AND operation = decode($2, 'hex') AND unit = $3::int RETURNING unit";

const char units_sql_delete[] = "DELETE FROM pgtide.progress WHERE schema_name = $1"
                                " AND operation = decode($2, 'hex') AND unit = $3::int";

const char units_sql_clear[] =
    "DELETE FROM pgtide.progress WHERE schema_name = $1 AND operation = decode($2, 'hex')";

/* Under the fence nobody but an orphan can still be at work for this shard. */
const char units_sql_end_backend[] =
    "SELECT pg_catalog.pg_terminate_backend(pid), pg_catalog.pg_sleep(0.1)"
    " FROM pg_catalog.pg_stat_activity WHERE pid OPERATOR(pg_catalog.=) $1::pg_catalog.int4"
    " AND backend_start OPERATOR(pg_catalog.<=) $2::pg_catalog.timestamptz"
    " AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()";

const char units_sql_enter[] = "SELECT pg_catalog.set_config('lock_timeout', $2, false),"
                               " pg_catalog.set_config('statement_timeout', $3, false),"
                               " pg_catalog.set_config('search_path', $1, false)";
