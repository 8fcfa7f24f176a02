#include "shard_queries.h"

const char shard_sql_enter[] =
    "SELECT pg_catalog.set_config('pgtide.schemas',"
    " pg_catalog.current_schemas(false)::pg_catalog.text, true),"
    " pg_catalog.set_config('pgtide.path', pg_catalog.current_setting('search_path'), true),"
    " pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),"
    " pg_catalog.set_config('lock_timeout', $1, true),"
    " pg_catalog.set_config('client_min_messages', 'warning', true)";

/* Raw columns and few operators: each function and operator a query names is looked up in the
 * catalogs by every new backend. The cold look at a shard is most of what a small step costs. */
const char shard_sql_identity[] =
    "SELECT (pg_control_system()).system_identifier, d.oid, d.datname, pg_backend_pid(),"
    " extract(epoch FROM clock_timestamp()), pg_is_in_recovery(),"
    " CASE WHEN NOT pg_is_in_recovery() THEN pg_walfile_name(pg_current_wal_lsn()) END,"
    " to_regnamespace(quote_ident($1))::oid, (current_setting('pgtide.schemas')::name[])[1],"
    " current_setting('pgtide.path'), p.oid IS NOT NULL, p.nspowner, p.nspowner::regrole,"
    " p.nspacl, quote_ident(current_user)::regrole::oid,"
    " CASE WHEN $2 THEN pg_database_size(d.oid) END, d.datdba"
    " FROM pg_database d LEFT JOIN pg_namespace p ON p.nspname = 'pgtide'"
    " WHERE d.datname = current_database()";

/* Every new backend pays for each catalog, function and operator that a query names, so the usual
 * case is decided by shard_relation.c from raw columns and few of the others: what it suspects is
 * looked at again, and exactly, by shard_sql_relations. */
#define QUICK_COLUMNS                                                                              \
    "SELECT n.nspname, c.relname, c.relnamespace, has_table_privilege(c.oid, 'SELECT'),"           \
    " CASE WHEN c.relname = 'alembic_version' THEN (SELECT CASE WHEN NOT a.atthasdef"              \
    "   AND a.attinhcount = 0 AND a.atttypid < 16384 THEN greatest(a.atttypmod - 4, 0) END"        \
    "  FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = 1) END,"                        \
    " c.relkind, c.relpersistence, c.relispartition OR c.relrowsecurity OR c.relforcerowsecurity"  \
    "  OR c.relhastriggers OR c.relhasrules OR c.relhassubclass, c.relacl IS NOT NULL,"            \
    " c.relchecks, c.relnatts, c.relowner,"                                                        \
    " (SELECT o.nspowner FROM pg_namespace o WHERE o.oid = c.relnamespace),"                       \
    " EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid"                                     \
    "  AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))"

#define RELATION_COLUMNS                                                                           \
    "SELECT n.nspname, c.relname, n.oid::bigint,"                                                  \
    " c.relkind = 'r' AND NOT c.relrowsecurity AND has_table_privilege(c.oid, 'SELECT'),"          \
    " coalesce((SELECT greatest(a.atttypmod - 4, 0) FROM pg_attribute a"                           \
    "  WHERE a.attrelid = c.oid AND a.attname = 'version_num'), 0),"                               \
    " CASE WHEN c.relkind <> 'r' OR c.relispartition THEN 'is not an ordinary table'"              \
    " WHEN c.relpersistence <> 'p' THEN 'is not a permanent table'"                                \
    " WHEN c.relrowsecurity OR c.relforcerowsecurity THEN 'has row security'"                      \
    " WHEN c.relhastriggers AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid)"         \
    "  THEN 'has triggers'"                                                                        \
    " WHEN c.relhasrules AND EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)"           \
    "  THEN 'has rules'"                                                                           \
    " WHEN EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) OR (c.relhassubclass"       \
    "  AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid))"                          \
    "  THEN 'takes part in inheritance'"                                                           \
    " WHEN c.relowner NOT IN (SELECT oid FROM pg_roles WHERE rolname = current_user OR rolsuper)"  \
    "  AND (n.nspname = 'pgtide' OR c.relowner NOT IN (SELECT datdba FROM pg_database"             \
    "   WHERE datname = current_database()) AND c.relowner <> n.nspowner)"                         \
    "  THEN 'belongs to another role'"                                                             \
    " WHEN n.nspname = 'pgtide' AND (EXISTS (SELECT FROM aclexplode(c.relacl) a"                   \
    "  WHERE a.grantee <> c.relowner AND a.privilege_type <> 'SELECT')"                            \
    "  OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL))"  \
    "  THEN 'can be written by other roles'"                                                       \
    " WHEN n.nspname <> 'pgtide' AND (c.relchecks > 0"                                             \
    "  OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0"            \
    "   AND NOT a.attisdropped AND (a.atthasdef OR a.atttypid >= 16384))"                          \
    "  OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid"                                 \
    "   AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)))"                                   \
    "  THEN 'has checks, defaults, expressions or types of its own' END"                           \
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"

#define RELATIONS_WHERE                                                                            \
    " WHERE c.relname IN ('alembic_version', 'meta', 'shard', 'history', 'progress')"              \
    " AND CASE WHEN n.nspname = 'pgtide' THEN c.relname <> 'alembic_version'"                      \
    "  ELSE c.relname = 'alembic_version' AND (n.nspname LIKE $2 OR n.nspname = ANY("              \
    "   CASE WHEN $1 = '' THEN current_setting('pgtide.schemas')::name[]"                          \
    "    ELSE ARRAY[$1::name] END)) END"                                                           \
    " ORDER BY array_position(CASE WHEN $1 = '' THEN current_setting('pgtide.schemas')::name[]"    \
    "  ELSE ARRAY[$1::name] END, n.nspname), n.nspname COLLATE \"C\", c.relname COLLATE \"C\""

/* One index lookup a schema, however many schemas have a version table. */
const char shard_sql_quick_relations[] =
    QUICK_COLUMNS " FROM unnest(array_append(CASE WHEN $1 = '' THEN"
                  "   array_remove(current_setting('pgtide.schemas')::name[], 'pgtide')"
                  "   ELSE ARRAY[$1::name] END, 'pgtide')) WITH ORDINALITY n (nspname, at)"
                  " JOIN pg_class c ON c.relnamespace = to_regnamespace(quote_ident(n.nspname))"
                  " WHERE c.relname IN ('alembic_version', 'meta', 'shard', 'history', 'progress')"
                  " AND (c.relname = 'alembic_version') = (n.nspname <> 'pgtide') ORDER BY n.at";
const char shard_sql_quick_relations_like[] =
    QUICK_COLUMNS " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace" RELATIONS_WHERE;
const char shard_sql_relations[] = RELATION_COLUMNS RELATIONS_WHERE;

const char shard_sql_ledger[] =
    "SELECT CASE WHEN p.nspowner NOT IN (SELECT oid FROM pg_roles"
    "   WHERE rolname = current_user OR rolsuper) THEN 'belongs to another role'"
    "  WHEN EXISTS (SELECT FROM aclexplode(p.nspacl) a WHERE a.grantee <> p.nspowner"
    "   AND a.privilege_type = 'CREATE') THEN 'lets other roles create objects' END"
    " FROM pg_namespace p WHERE p.nspname = 'pgtide'";

const char shard_sql_relation[] =
    RELATION_COLUMNS " WHERE c.relname = 'alembic_version' AND n.nspname = $1::name";

const char shard_sql_schemas[] =
    "SELECT nspname, oid::bigint FROM pg_namespace WHERE nspname LIKE $1"
    " AND nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('pgtide', 'information_schema')"
    " ORDER BY nspname COLLATE \"C\"";

/* The orphan held its pid at that moment: a process of that pid which started later is another. */
const char shard_sql_terminate[] =
    "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
    " WHERE pid OPERATOR(pg_catalog.=) $1::pg_catalog.int4 AND backend_start"
    "  OPERATOR(pg_catalog.<=) pg_catalog.to_timestamp($2::pg_catalog.float8)"
    " AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()";

/* --- run lock --------------------------------------------------------------------------------- */

/* These run before the search path is closed. */
const char shard_sql_lock[] =
    "SELECT CASE WHEN pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) $1::pg_catalog.int4"
    " THEN pg_catalog.pg_try_advisory_lock($2::pg_catalog.int4, $3::pg_catalog.int4) END";
const char shard_sql_unlock[] =
    "SELECT pg_catalog.pg_advisory_unlock($1::pg_catalog.int4, $2::pg_catalog.int4)";

/* An oid is an integer without a sign. */
const char shard_sql_lock_holder[] =
    "SELECT a.pid, CASE WHEN a.application_name OPERATOR(pg_catalog.=) '' THEN 'another session'"
    "  ELSE a.application_name END, a.usename, pg_catalog.to_char(pg_catalog.timezone('UTC',"
    "  a.backend_start), 'YYYY-MM-DD HH24:MI:SS \"UTC\"'), a.state"
    " FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a"
    "  ON a.pid OPERATOR(pg_catalog.=) l.pid JOIN pg_catalog.pg_database d"
    "  ON d.oid OPERATOR(pg_catalog.=) l.database"
    " WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.granted"
    " AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()"
    " AND l.classid OPERATOR(pg_catalog.=) $1::pg_catalog.oid"
    " AND l.objid OPERATOR(pg_catalog.=) $2::pg_catalog.oid"
    " AND l.objsubid OPERATOR(pg_catalog.=) 2";

/* --- claim ------------------------------------------------------------------------------------ */

/* Identity, epoch and fleet as the row must have them for us to take it. */
#define CLAIM_CONDITIONS                                                                           \
    " s.epoch <= greatest($4::bigint, CASE WHEN $3::uuid IS NULL THEN s.epoch ELSE 0 END)"         \
    " AND ($8::bool OR (s.system_identifier = $5::bigint AND s.database_oid = $6::bigint"          \
    "  AND s.schema_oid = $7::bigint AND (s.uuid = $2::uuid OR s.uuid IS NULL"                     \
    "  OR $2::uuid IS NULL)))"

#define CLAIM_SET                                                                                  \
    " fence = s.fence + 1, epoch = greatest(s.epoch, $4::bigint),"                                 \
    " fleet_id = coalesce($3::uuid, s.fleet_id),"                                                  \
    " uuid = coalesce($2::uuid, s.uuid), system_identifier = $5::bigint,"                          \
    " database_oid = $6::bigint, schema_oid = $7::bigint"

const char shard_sql_claim_adopt[] =
    "INSERT INTO pgtide.shard AS s (schema_name, uuid, fleet_id, fence, epoch,"
    " system_identifier, database_oid, schema_oid)"
    " VALUES ($1, $2::uuid, $3::uuid, 1, $4::bigint, $5::bigint, $6::bigint, $7::bigint)"
    " ON CONFLICT (schema_name) DO UPDATE SET" CLAIM_SET " WHERE" CLAIM_CONDITIONS
    " AND (s.fleet_id IS NULL OR s.fleet_id = $3::uuid OR ($3::uuid IS NULL AND $9::bool))"
    " RETURNING s.fence, s.xmax = 0";

const char shard_sql_claim[] =
    "UPDATE pgtide.shard s SET" CLAIM_SET " WHERE s.schema_name = $1 AND" CLAIM_CONDITIONS
    " AND (s.fleet_id IS NOT DISTINCT FROM $3::uuid OR ($3::uuid IS NULL AND $9::bool))"
    " RETURNING s.fence, false";

const char shard_sql_adopt_renamed[] =
    "WITH moved AS (UPDATE pgtide.shard s SET schema_name = $1 WHERE s.schema_name = $2"
    "  AND s.uuid = $3::uuid AND s.schema_oid = $4::bigint RETURNING 1),"
    " h AS (UPDATE pgtide.history SET schema_name = $1 WHERE schema_name = $2"
    "  AND EXISTS (SELECT 1 FROM moved)),"
    " p AS (UPDATE pgtide.progress SET schema_name = $1 WHERE schema_name = $2"
    "  AND EXISTS (SELECT 1 FROM moved)) SELECT count(*) FROM moved";

const char shard_sql_adopt_row[] =
    "UPDATE pgtide.shard s SET fence = s.fence + 1, uuid = $2::uuid, fleet_id = $3::uuid,"
    " epoch = CASE WHEN s.fleet_id = $9::uuid THEN $4::bigint"
    "  ELSE greatest(s.epoch, $4::bigint) END,"
    " system_identifier = $5::bigint, database_oid = $6::bigint, schema_oid = $7::bigint"
    " WHERE s.schema_name = $1 AND s.uuid IS NOT DISTINCT FROM $8::uuid"
    " AND (s.fleet_id IS NULL OR s.fleet_id = $3::uuid OR s.fleet_id = $9::uuid)"
    " AND (s.epoch <= $4::bigint OR s.fleet_id = $9::uuid)";

#define ROW_COLUMNS                                                                                \
    "SELECT s.schema_name, s.uuid, s.fleet_id, s.fence, s.epoch, s.system_identifier,"             \
    " s.database_oid, s.schema_oid, encode(s.last_operation, 'hex'),"                              \
    " (SELECT max(format) FROM pgtide.meta),"                                                      \
    " EXISTS (SELECT 1 FROM pg_database d WHERE d.oid = s.database_oid),"                          \
    " s.schema_oid = 0 OR EXISTS (SELECT 1 FROM pg_namespace n WHERE n.oid = s.schema_oid)"        \
    " FROM pgtide.shard s"

const char shard_sql_row[] = ROW_COLUMNS " WHERE s.schema_name = ANY($1::text[])";

const char shard_sql_assert_claim[] = "SELECT 1 / count(*) FROM pgtide.shard WHERE schema_name = $1"
                                      " AND xmin = pg_current_xact_id()::xid"
                                      " AND (SELECT max(format) FROM pgtide.meta) BETWEEN 1 AND 2";

const char shard_sql_create_version[] =
    "CREATE TABLE %s (version_num varchar(255) NOT NULL,"
    " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))";

const char shard_sql_may_alter[] =
    "SELECT pg_has_role(c.relowner, 'USAGE'), c.relowner::regrole FROM pg_class c"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relname = 'alembic_version' AND n.nspname = $1::name";
const char shard_sql_widen[] = "ALTER TABLE %s ALTER COLUMN version_num TYPE varchar(255)";

const char shard_sql_stay[] = "SET idle_session_timeout = 0";
const char shard_sql_no_transaction_timeout[] = "SET transaction_timeout = 0";

/* Whoever set less is left alone. 0 is a unix socket. */
const char shard_sql_keepalive[] =
    "SELECT pg_catalog.set_config('tcp_keepalives_idle', '30', false),"
    " pg_catalog.set_config('tcp_keepalives_interval', '10', false),"
    " pg_catalog.set_config('tcp_keepalives_count', '3', false)"
    " WHERE pg_catalog.current_setting('tcp_keepalives_idle')::pg_catalog.int4"
    " OPERATOR(pg_catalog.>) 30";

#define ROWS_ARRAY "ARRAY(SELECT version_num::text FROM ONLY %s ORDER BY version_num COLLATE \"C\")"

const char shard_sql_rows[] = "SELECT " ROWS_ARRAY;

const char shard_sql_note_outside[] =
    "INSERT INTO pgtide.history (schema_name, rollout, direction, rows_before, rows_after, who,"
    " outcome) SELECT $1, $3::uuid, CASE WHEN l.rows_after IS NULL THEN 'adopt' ELSE 'external'"
    " END, coalesce(l.rows_after, r.now), r.now, $2, 'succeeded'"
    " FROM (SELECT " ROWS_ARRAY " AS now) r LEFT JOIN LATERAL (SELECT h.rows_after"
    "  FROM pgtide.history h WHERE h.schema_name = $1 AND h.outcome = 'succeeded'"
    "  ORDER BY h.seq DESC LIMIT 1) l ON true"
    " WHERE l.rows_after IS DISTINCT FROM r.now RETURNING direction";

/* Without statistics both indexes of the history seem as good. No index can serve IS NOT DISTINCT
 * FROM, so the one of operations is left. */
#define OPERATION_IS(operation)                                                                    \
    "operation = decode(" operation ", 'hex') AND outcome = 'succeeded'"                           \
    " AND schema_name IS NOT DISTINCT FROM $1"

const char shard_sql_note_adopted[] =
    "INSERT INTO pgtide.history (schema_name, operation, direction, rows_before, rows_after, who,"
    " outcome, message) SELECT $1, decode($2, 'hex'), 'adopt', r.now, r.now, $3, 'succeeded', $4"
    " FROM (SELECT " ROWS_ARRAY " AS now) r WHERE NOT EXISTS (SELECT 1 FROM pgtide.history h"
    "  WHERE " OPERATION_IS("$2") ")";

const char shard_sql_note_unmanaged[] =
    "INSERT INTO pgtide.history (schema_name, direction, rows_before, rows_after, who, outcome,"
    " message) SELECT $1, 'external', r.now, r.now, $2, 'succeeded', 'unmanaged: ' || $3"
    " FROM (SELECT " ROWS_ARRAY " AS now) r";

#define HISTORY_COLUMNS                                                                            \
    "SELECT seq, encode(operation, 'hex'), rollout, generation, attempt, revision, direction,"     \
    " rows_before, rows_after, who, outcome, sqlstate, message,"                                   \
    " (extract(epoch FROM started) * 1000)::bigint, (extract(epoch FROM finished) * 1000)::bigint" \
    " FROM pgtide.history"

const char shard_sql_history_of_rollout[] =
    HISTORY_COLUMNS " WHERE schema_name = $1 AND rollout = $2::uuid ORDER BY seq";

/* A row of format 1 has no facts: a column that may not be there can't be named. */
const char shard_sql_history_record[] =
    "SELECT * FROM (SELECT seq, encode(operation, 'hex'), rollout, generation, attempt, revision,"
    "  direction, rows_before, rows_after, who, outcome, sqlstate, message,"
    "  (extract(epoch FROM started) * 1000)::bigint, (extract(epoch FROM finished) * 1000)::bigint,"
    "  to_jsonb(h) -> 'facts' FROM (SELECT * FROM pgtide.history WHERE schema_name = $1"
    "   ORDER BY seq DESC LIMIT $2::int) h) l ORDER BY seq";

const char shard_sql_units[] =
    "SELECT coalesce(position ->> 'revision', ''), coalesce(position ->> 'direction', ''),"
    " coalesce(position ->> 'what', ''), unit, kind, (extract(epoch FROM started) * 1000)::bigint,"
    " (extract(epoch FROM finished) * 1000)::bigint, coalesce((position #>> '{batch,done}')::int8, "
    "0),"
    " coalesce((position #>> '{batch,total}')::int8, 0),"
    " EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = (position ->> 'pid')::int"
    "  AND a.backend_start <= p.started)"
    " FROM pgtide.progress p WHERE schema_name = $1 ORDER BY position ->> 'revision', unit"
    " LIMIT $2::int";

const char shard_sql_history_last[] =
    "SELECT * FROM (" HISTORY_COLUMNS
    " WHERE schema_name = $1 ORDER BY seq DESC LIMIT $2::int) l ORDER BY seq";

/* --- step ------------------------------------------------------------------------------------- */

/* A success that is reported must outlive the server: not by the database's settings, nor by a
 * revision's, is COMMIT answered before it is on disk. */
#define DURABLE                                                                                    \
    " CASE WHEN pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off'"     \
    " THEN pg_catalog.set_config('synchronous_commit', 'on', true) END"

#define ENTER_STEP                                                                                 \
    "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),"                    \
    " pg_catalog.set_config('lock_timeout', $1, true),"                                            \
    " pg_catalog.set_config('statement_timeout', '0', true),"                                      \
    " pg_catalog.set_config('idle_in_transaction_session_timeout', '60s', true),"                  \
    " pg_catalog.set_config('client_min_messages', 'warning', true),"                              \
    " pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)," DURABLE

const char shard_sql_enter_step[] = ENTER_STEP;
const char shard_sql_enter_step_checked[] =
    ENTER_STEP ", pg_catalog.set_config('client_connection_check_interval', '1s', true)";

const char shard_sql_fence[] =
    "UPDATE pgtide.shard SET last_operation = coalesce(decode($2, 'hex'), last_operation)"
    " WHERE schema_name = $1 AND fence = $3::bigint AND epoch = $4::bigint"
    " AND fleet_id IS NOT DISTINCT FROM $5::uuid";

#define STAND_OF(operation)                                                                        \
    "(SELECT rows_after FROM pgtide.history WHERE " OPERATION_IS(operation) ")"

/* The version table's width and then its rows. CASE keeps it from being read unless it is what it
 * seems, in the very snapshot that it would be read in: what was a table may be a view by now. */
#define GUARDED_TABLE(schema, role, owner)                                                         \
    " (SELECT CASE WHEN c.relkind = 'r' AND c.relpersistence = 'p'"                                \
    "   AND NOT (c.relispartition OR c.relrowsecurity OR c.relforcerowsecurity"                    \
    "    OR c.relhastriggers OR c.relhasrules OR c.relhassubclass)"                                \
    "   AND c.relchecks = 0 AND c.relnatts = 1"                                                    \
    "   AND (c.relowner IN (10, " role "::oid, " owner "::oid)"                                    \
    "    OR c.relowner = (SELECT n.nspowner FROM pg_namespace n WHERE n.oid = c.relnamespace))"    \
    "   AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid"                           \
    "    AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))"                                   \
    "  THEN (SELECT array_prepend(greatest(a.atttypmod - 4, 0)::text, " ROWS_ARRAY ")"             \
    "   FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = 1 AND NOT a.atthasdef"         \
    "    AND a.attinhcount = 0 AND a.atttypid < 16384) END"                                        \
    "  FROM pg_class c WHERE c.relname = 'alembic_version'"                                        \
    "   AND c.relnamespace = to_regnamespace(quote_ident(" schema ")))"

const char shard_sql_stand[] = "SELECT pg_current_xact_id(), " STAND_OF("$2") ", " STAND_OF(
    "$3") "," GUARDED_TABLE("$4", "$5", "$6");

/* Author statements say what they have to say. */
#define ENTER_AUTHOR                                                                               \
    "SELECT pg_catalog.set_config('lock_timeout', $2, true),"                                      \
    " pg_catalog.set_config('statement_timeout', $3, true),"                                       \
    " pg_catalog.set_config('client_min_messages', NULL, true),"                                   \
    " pg_catalog.set_config('plan_cache_mode', NULL, true),"                                       \
    " pg_catalog.set_config('search_path', $1, true)"
#define LEAVE_AUTHOR                                                                               \
    " pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),"                          \
    " pg_catalog.set_config('statement_timeout', '0', true),"                                      \
    " pg_catalog.set_config('client_min_messages', 'warning', true),"                              \
    " pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)," DURABLE

const char shard_sql_enter_author[] = ENTER_AUTHOR;
const char shard_sql_leave_author[] = "SELECT" LEAVE_AUTHOR;

/* Select lists are worked through from left to right: the clock is read last where the author's
 * statements begin, and first where they have ended. */
#define MARK                                                                                       \
    " extract(epoch FROM pg_catalog.clock_timestamp()), pg_catalog.pg_current_wal_insert_lsn()"

const char shard_sql_mark[] = "SELECT" MARK;
const char shard_sql_enter_author_mark[] = ENTER_AUTHOR "," MARK;
const char shard_sql_leave_author_mark[] = "SELECT" MARK "," LEAVE_AUTHOR;

const char shard_sql_version_update[] =
    "UPDATE ONLY %s SET version_num = $2 WHERE version_num = $1";
const char shard_sql_version_delete[] = "DELETE FROM ONLY %s WHERE version_num = ANY($1::text[])";
const char shard_sql_version_insert[] = "INSERT INTO %s (version_num) SELECT unnest($1::text[])";

#define HISTORY_INTO                                                                               \
    "INSERT INTO pgtide.history (schema_name, operation, rollout, generation, attempt, revision,"  \
    " direction, rows_before, rows_after, source_sha256, token_digest, who, outcome, "
#define HISTORY_VALUES                                                                             \
    " $1, decode($2, 'hex'), $3::uuid, $4::int, $5::int, $6, $7, $8::text[], $9::text[],"          \
    " decode($10, 'hex'), $11, $12,"

const char shard_sql_history_insert[] =
    HISTORY_INTO "message) SELECT" HISTORY_VALUES " 'succeeded', $13";

#define HISTORY_WHILE_OURS                                                                         \
    " FROM pgtide.shard s WHERE s.schema_name = $1 AND s.fence = $15::bigint"                      \
    " AND s.epoch = $16::bigint"

const char shard_sql_history_failed[] = HISTORY_INTO "sqlstate, message) SELECT" HISTORY_VALUES
                                                     " 'failed', $13, $14" HISTORY_WHILE_OURS;
const char shard_sql_history_failed_facts[] =
    HISTORY_INTO "sqlstate, message, facts) SELECT" HISTORY_VALUES
                 " 'failed', $13, $14, $17::jsonb" HISTORY_WHILE_OURS;

/* The newest row of a shard whose row this transaction holds is its own. */
const char shard_sql_history_facts[] =
    "UPDATE pgtide.history SET facts = $2::jsonb"
    " WHERE seq = (SELECT max(seq) FROM pgtide.history WHERE schema_name = $1)";

const char shard_sql_take_up_format[] =
    "ALTER TABLE pgtide.history ADD COLUMN IF NOT EXISTS facts jsonb";
const char shard_sql_note_format[] = "UPDATE pgtide.meta SET format = 2 WHERE format = 1";

const char shard_sql_reassert[] =
    "SELECT (SELECT count(*) FROM pgtide.shard WHERE schema_name = $1 AND fence = $3::bigint"
    " AND epoch = $4::bigint AND fleet_id IS NOT DISTINCT FROM $5::uuid"
    " AND ($2::text IS NULL OR last_operation = decode($2, 'hex'))), " ROWS_ARRAY
    ", pg_current_xact_id()";

const char shard_sql_after[] =
    "SELECT" GUARDED_TABLE("$3", "$4", "$5") ", CASE WHEN $2::text IS NOT NULL THEN " STAND_OF(
        "$2") " ELSE (SELECT rows_after FROM pgtide.history WHERE schema_name = $1"
              " AND outcome = 'succeeded' ORDER BY seq DESC LIMIT 1) END";

/* A name that means several constraints, not all of which begin deferred, is left out. */
const char shard_sql_deferred[] =
    "SELECT string_agg(format('%I.%I', n.nspname, c.conname), ', ') FROM"
    " (SELECT connamespace, conname FROM pg_constraint GROUP BY connamespace, conname"
    "  HAVING bool_and(condeferred)) c JOIN pg_namespace n ON n.oid = c.connamespace";

const char shard_sql_applied[] =
    "SELECT revision, token_digest, (extract(epoch FROM finished) * 1000)::bigint"
    " FROM (SELECT DISTINCT ON (revision) revision, token_digest, finished, direction"
    "  FROM pgtide.history WHERE schema_name = $1 AND outcome = 'succeeded'"
    "  AND direction IN ('upgrade', 'downgrade') AND revision IS NOT NULL"
    "  ORDER BY revision, seq DESC) h WHERE direction = 'upgrade' ORDER BY revision";

const char shard_sql_path[] = "SELECT pg_catalog.current_setting('search_path')";
