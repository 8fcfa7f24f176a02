#include "shard_batch_queries.h"

/* An index that serves a row comparison: these columns, each in the column's own collation and its
 * type's usual order, all of them up or all of them down. */
#define KEY_INDEX                                                                                  \
    " i AS (SELECT i.indexrelid, i.indclass FROM pg_index i JOIN pg_class c ON c.oid = "           \
    "i.indexrelid"                                                                                 \
    "  JOIN pg_am m ON m.oid = c.relam WHERE i.indrelid = (SELECT oid FROM t)"                     \
    "  AND m.amname = 'btree' AND i.indisunique AND i.indisvalid AND i.indpred IS NULL"            \
    "  AND i.indexprs IS NULL AND i.indnkeyatts = (SELECT count(*) FROM k)"                        \
    "  AND NOT EXISTS (SELECT FROM k JOIN pg_opclass o ON o.oid = i.indclass[k.at - 1]"            \
    "   WHERE k.attnum IS DISTINCT FROM i.indkey[k.at - 1] OR NOT o.opcdefault"                    \
    "   OR i.indcollation[k.at - 1] <> k.attcollation"                                             \
    "   OR i.indoption[k.at - 1] & 1 <> i.indoption[0] & 1) LIMIT 1)"

/* Where > of each column's order lives. */
#define KEY_OPERATORS                                                                              \
    " p AS (SELECT DISTINCT n.nspname FROM i, k JOIN LATERAL (SELECT i.indclass[k.at - 1] AS oid)" \
    "   x ON true JOIN pg_opclass o ON o.oid = x.oid JOIN pg_amop a ON a.amopfamily = o.opcfamily" \
    "  AND a.amoplefttype = o.opcintype AND a.amoprighttype = o.opcintype AND a.amopstrategy = 5"  \
    "  JOIN pg_operator r ON r.oid = a.amopopr JOIN pg_namespace n ON n.oid = r.oprnamespace)"

/* Columns of the key that may be NULL, in the table or in what inherits from it: children need not
 * have the parent's NOT NULL, and since 18 there are some that are not validated. */
#define KEY_NULLS                                                                                  \
    " d AS (SELECT oid FROM t"                                                                     \
    "  UNION SELECT h.inhrelid FROM pg_inherits h JOIN d ON h.inhparent = d.oid),"                 \
    " n AS (SELECT k.name, d.oid AS heir FROM d, k JOIN pg_attribute a ON a.attname = k.name"      \
    "  WHERE a.attrelid = d.oid AND a.attnum > 0 AND NOT a.attisdropped"                           \
    "  AND (NOT a.attnotnull OR EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = d.oid"      \
    "   AND c.contype = 'n' AND NOT c.convalidated AND c.conkey = ARRAY[a.attnum])))"

const char batch_sql_table[] =
    "WITH RECURSIVE t AS (SELECT c.oid, c.relkind, c.relname, n.nspname, c.reltuples FROM pg_class "
    "c"
    "  JOIN pg_namespace n ON n.oid = c.relnamespace"
    "  WHERE c.oid = nullif(current_setting('pgtide.relation'), '')::oid),"
    " k AS (SELECT u.name, u.at::int AS at, a.attnum, a.attnotnull, a.attcollation,"
    "  format_type(a.atttypid, -1) AS type, y.typcategory = 'D' AS is_time"
    "  FROM unnest($1::text[]) WITH ORDINALITY u (name, at) LEFT JOIN pg_attribute a"
    "   ON a.attrelid = (SELECT oid FROM t) AND a.attname = u.name AND a.attnum > 0"
    "   AND NOT a.attisdropped LEFT JOIN pg_type y ON y.oid = a.atttypid)," KEY_INDEX
    "," KEY_OPERATORS "," KEY_NULLS
    " SELECT CASE WHEN t.oid IS NULL THEN 'there is no such table on the search path'"
    "  WHEN t.relkind NOT IN ('r', 'p') THEN 'it is no table'"
    "  WHEN EXISTS (SELECT FROM k WHERE attnum IS NULL) THEN format('it has no column %s',"
    "   (SELECT min(name) FROM k WHERE attnum IS NULL))"
    "  WHEN EXISTS (SELECT FROM n) THEN (SELECT format('column %s may be NULL%s', name,"
    "   CASE WHEN heir <> t.oid THEN ' in ' || heir::regclass::text END) FROM n ORDER BY heir, "
    "name "
    "LIMIT 1)"
    "  WHEN EXISTS (SELECT FROM k) AND NOT EXISTS (SELECT FROM i)"
    "   THEN 'it has no unique btree index on exactly this key'"
    "  WHEN (SELECT count(*) FROM p) > 1 THEN 'the types of its key order by operators of several"
    " schemas' ELSE '' END,"
    " CASE WHEN t.oid IS NOT NULL THEN format('%I.%I', t.nspname, t.relname) END,"
    " ARRAY(SELECT quote_ident(name) FROM k ORDER BY at),"
    " ARRAY(SELECT coalesce(type, '') FROM k ORDER BY at),"
    " ARRAY(SELECT format(CASE WHEN is_time"
    "   THEN '(pg_catalog.to_jsonb(%I) OPERATOR(pg_catalog.#>>) ''{}'')'"
    "   ELSE '%I::pg_catalog.text' END, name) FROM k ORDER BY at),"
    " quote_ident(coalesce((SELECT min(nspname) FROM p), 'pg_catalog')),"
    " CASE WHEN t.relkind = 'p' THEN (SELECT sum(greatest(c.reltuples, 0))"
    "  FROM pg_partition_tree(t.oid) l JOIN pg_class c ON c.oid = l.relid WHERE l.isleaf)"
    "  ELSE greatest(t.reltuples, 0) END::int8, t.oid::int8"
    " FROM (SELECT) one LEFT JOIN t ON true";

#define LIST(field)                                                                                \
    "(SELECT array_agg(e.item ORDER BY e.at)::text FROM jsonb_array_elements_text("                \
    "position #> '{batch," field "}') WITH ORDINALITY e (item, at))"

const char batch_sql_read[] =
    "SELECT position #>> '{batch,table}', " LIST("key") ", " LIST("bound") ", " LIST(
        "last") ", position #>> '{batch,done}', position #>> '{batch,changed}',"
                " position #>> '{batch,batches}', position #>> '{batch,total}',"
                " position #>> '{batch,rows}' FROM pgtide.progress WHERE schema_name = $1"
                " AND operation = decode($2, 'hex') AND unit = $3::int AND position ? 'batch'";

/* Of others only VACUUM, ANALYZE and changes of the table's kind hold this lock. */
const char batch_sql_vacuum[] =
    "SELECT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'relation' AND l.granted"
    " AND (l.relation = $1::oid OR l.relation IN (SELECT relid FROM pg_partition_tree($1::oid)))"
    " AND l.mode = 'ShareUpdateExclusiveLock'"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND l.pid <> pg_backend_pid())";

const char batch_sql_path[] = "SELECT pg_catalog.set_config('search_path', $1, true)";

/* As engine/shard/shard_watch.c counts them: of those who wait at most so many are asked about, as
 * that stops the lock manager for a moment; not who waits for our transaction to be over, as CREATE
 * INDEX CONCURRENTLY does, nor for the version table, as other runs do. */
const char batch_sql_waiting[] =
    "WITH w AS MATERIALIZED (SELECT l.pid FROM pg_locks l WHERE NOT l.granted"
    "  AND l.locktype <> 'virtualxid' AND NOT coalesce(l.relation = to_regclass($1)::oid, false)"
    "  GROUP BY l.pid LIMIT 200)"
    " SELECT count(*) FROM w WHERE pg_backend_pid() = ANY (pg_blocking_pids(w.pid))";

const char batch_sql_write[] =
    "UPDATE pgtide.progress SET finished = CASE WHEN $13::bool THEN clock_timestamp() END,"
    " position = position || jsonb_build_object('pid', pg_backend_pid(), 'batch',"
    "  jsonb_strip_nulls(jsonb_build_object('table', $4::text, 'key', to_jsonb($5::text[]),"
    "   'bound', to_jsonb($6::text[]), 'last', to_jsonb($7::text[]), 'done', $8::int8,"
    "   'changed', $9::int8, 'batches', $10::int8, 'total', $11::int8, 'rows', $12::int8)))"
    " WHERE schema_name = $1 AND operation = decode($2, 'hex') AND unit = $3::int RETURNING unit";
