/* Asking the catalog whether a known statement has happened: the queries of probe.h. */
#include "probe.h"

#include <string.h>

#define FIND(setting, parameter)                                                                   \
    "pg_catalog.set_config('" setting "', coalesce(pg_catalog.to_regclass("                        \
    "nullif(pg_catalog.array_to_string(ARRAY(SELECT pg_catalog.quote_ident(part)"                  \
    " FROM pg_catalog.unnest(" parameter "::pg_catalog.text[]) part), '.'), ''))"                  \
    "::pg_catalog.oid::pg_catalog.text, ''), true)"

const char probe_find_sql[] =
    "SELECT " FIND("pgtide.relation", "$1") ", " FIND("pgtide.partition", "$2");

#define ASKED                                                                                      \
    "WITH p AS (SELECT $1::name AS name, $2::jsonb AS facts, $3::bool AS missing_ok,"              \
    " nullif(current_setting('pgtide.relation'), '')::oid AS relation,"                            \
    " nullif(current_setting('pgtide.partition'), '')::oid AS partition)"

/* Facts: the table. An INVALID index is a leftover of ours only where the name was free on this
 * very table when the statement was first tried; on a partitioned table it is one that lacks
 * partitions. */
static const char create_index[] = ASKED
    " SELECT CASE WHEN c.oid IS NULL THEN CASE t.relkind WHEN 'p' THEN 'partitioned' ELSE 'absent' "
    "END"
    "  WHEN i.indexrelid IS NULL OR i.indrelid <> t.oid"
    "   THEN 'refused' WHEN i.indisvalid AND i.indisready AND i.indislive THEN 'same'"
    "  WHEN p.facts ->> 'table' = t.oid::text"
    "   THEN CASE t.relkind WHEN 'p' THEN 'partitioned' ELSE 'leftover' END ELSE 'refused' END,"
    " jsonb_build_object('table', t.oid::text),"
    " CASE WHEN i.indexrelid IS NULL THEN format('%I.%I exists and is no index', n.nspname, p.name)"
    "  WHEN i.indrelid <> t.oid THEN format('index %I.%I exists on another table, %s', n.nspname,"
    "   p.name, i.indrelid::regclass)"
    "  ELSE format('index %I.%I exists, is INVALID, and was not left by this revision', n.nspname,"
    "   p.name) END,"
    " ARRAY[format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, p.name)], c.oid"
    " FROM p LEFT JOIN pg_class t ON t.oid = p.relation"
    " LEFT JOIN pg_namespace n ON n.oid = t.relnamespace"
    " LEFT JOIN pg_class c ON c.relname = p.name AND c.relnamespace = t.relnamespace"
    " LEFT JOIN pg_index i ON i.indexrelid = c.oid";

/* A partition's index is called after both; a name too long keeps what tells it apart. */
#define PIECE_NAME                                                                                 \
    "(CASE WHEN octet_length(c.relname || '_' || p.name) < 64 THEN c.relname || '_' || p.name"     \
    " ELSE left(p.name::text, 12) || '_' || left(md5(c.relname || '_' || p.name), 12) END)::name"

/*
 * `node`: the table's tree with the index that each partition has, which may not be attached yet to
 * the one above it. First all are built, those cut off anew; then they are attached, the lowest
 * first, as an index is valid when all below it are attached.
 */
const char probe_piece_sql[] =
    "WITH RECURSIVE p AS (SELECT $1::name AS name,"
    "  nullif(current_setting('pgtide.relation'), '')::oid AS relation),"
    " root AS (SELECT i.indrelid, i.indexrelid, c.reltablespace,"
    "   CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END AS words,"
    "   substr(d.text, strpos(d.text, ' USING ' || quote_ident(m.amname) || ' (') + 1) AS "
    "definition"
    "  FROM p JOIN pg_class t ON t.oid = p.relation"
    "  JOIN pg_class c ON c.relname = p.name AND c.relnamespace = t.relnamespace"
    "  JOIN pg_index i ON i.indexrelid = c.oid AND i.indrelid = t.oid"
    "  JOIN pg_am m ON m.oid = c.relam, pg_get_indexdef(i.indexrelid) AS d(text)),"
    " node AS (SELECT indrelid AS heap, indexrelid AS index, true AS attached, true AS valid,"
    "   NULL::oid AS above, 0 AS level, NULL::name AS piece FROM root"
    "  UNION ALL SELECT h.inhrelid, f.index, coalesce(f.attached, false), coalesce(f.valid, false),"
    "   node.index, node.level + 1, " PIECE_NAME "  FROM node JOIN pg_inherits h ON h.inhparent = "
    "node.heap JOIN pg_class c ON c.oid = h.inhrelid"
    "  CROSS JOIN p LEFT JOIN LATERAL (SELECT x.indexrelid AS index, a.inhrelid IS NOT NULL AS "
    "attached,"
    "    x.indisvalid AND x.indisready AND x.indislive AS valid"
    "   FROM pg_index x JOIN pg_class xc ON xc.oid = x.indexrelid"
    "   LEFT JOIN pg_inherits a ON a.inhrelid = x.indexrelid WHERE x.indrelid = h.inhrelid"
    "    AND (a.inhparent = node.index OR a.inhrelid IS NULL AND xc.relname = " PIECE_NAME ")"
    "   ORDER BY 2 DESC LIMIT 1) f ON true),"
    " step AS (SELECT node.level, node.heap, CASE"
    "   WHEN node.index IS NULL THEN format('CREATE %sINDEX %s%I ON %s%I.%I %s', root.words,"
    "     CASE c.relkind WHEN 'p' THEN '' ELSE 'CONCURRENTLY ' END, node.piece,"
    "     CASE c.relkind WHEN 'p' THEN 'ONLY ' ELSE '' END, n.nspname, c.relname, root.definition)"
    "   WHEN NOT node.attached AND NOT node.valid AND c.relkind <> 'p'"
    "    THEN format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, node.piece)"
    "   WHEN NOT node.attached THEN format('ALTER INDEX %I.%I ATTACH PARTITION %I.%I', an.nspname,"
    "     ac.relname, n.nspname, ic.relname) END AS statement,"
    "   node.attached AS done, NOT node.attached AND node.index IS NOT NULL"
    "    AND (node.valid OR c.relkind = 'p') AS attaches,"
    "   c.relkind = 'p' OR node.valid AS brief,"
    "   CASE c.relkind WHEN 'f' THEN format('partition %I.%I is a foreign table', n.nspname, "
    "c.relname)"
    "    ELSE CASE WHEN root.reltablespace <> 0 THEN 'the tablespace of an index on a partitioned"
    " table can''t be given to its partitions' END END AS refusal"
    "  FROM node CROSS JOIN root JOIN pg_class c ON c.oid = node.heap"
    "  JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class ic ON ic.oid = node.index"
    "  LEFT JOIN pg_class ac ON ac.oid = node.above LEFT JOIN pg_namespace an ON an.oid = "
    "ac.relnamespace"
    "  WHERE node.level > 0)"
    " SELECT next.statement, next.brief, (SELECT count(*) FROM step WHERE done),"
    "  (SELECT count(*) FROM step), (SELECT min(refusal) FROM step) FROM root"
    " LEFT JOIN LATERAL (SELECT * FROM step WHERE statement IS NOT NULL"
    "  ORDER BY attaches, CASE WHEN attaches THEN -level ELSE level END, heap LIMIT 1) next ON "
    "true";

/* Facts: the index. */
static const char drop_index[] =
    ASKED " SELECT CASE WHEN p.facts IS NOT NULL THEN CASE WHEN EXISTS (SELECT FROM pg_class"
          "   WHERE oid = (p.facts ->> 'index')::oid) THEN 'absent' ELSE 'there' END"
          "  WHEN p.relation IS NULL AND p.missing_ok THEN 'there' ELSE 'absent' END,"
          " jsonb_build_object('index', p.relation::text), '', ARRAY[]::text[], NULL FROM p";

/* Facts: the indexes to be rebuilt with their names, and all that their tables had. A rebuilt index
 * has another oid; the old one is called ..._ccold until it is dropped, and a new one ..._ccnew
 * until it takes its place. */
#define REINDEX(ROOTS, SKIPPED)                                                                    \
    ASKED                                                                                          \
    ", tree AS (SELECT p.relation AS oid FROM p UNION"                                             \
    "  SELECT t.relid FROM p, pg_partition_tree(p.relation) t),"                                   \
    " heap AS (" ROOTS "), heaps AS (SELECT oid FROM heap UNION SELECT c.reltoastrelid"            \
    "  FROM pg_class c JOIN heap ON heap.oid = c.oid WHERE c.reltoastrelid <> 0),"                 \
    " ours AS (SELECT c.oid, c.relname, n.nspname, i.indisvalid,"                                  \
    "   c.oid::text AS key, " SKIPPED " AS skipped"                                                \
    "  FROM pg_index i JOIN heaps ON heaps.oid = i.indrelid JOIN pg_class c ON c.oid = "           \
    "i.indexrelid"                                                                                 \
    "  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'i'),"                      \
    " debris AS (SELECT o.* FROM ours o, p WHERE NOT o.indisvalid AND p.facts IS NOT NULL"         \
    "  AND CASE WHEN p.facts -> 'indexes' ? o.key THEN p.facts -> 'indexes' ->> o.key <> "         \
    "o.relname"                                                                                    \
    "    AND o.relname ~ '_ccold[0-9]*$'"                                                          \
    "   ELSE NOT p.facts -> 'known' ? o.key AND o.relname ~ '_ccnew[0-9]*$' END)"                  \
    " SELECT CASE WHEN EXISTS (SELECT FROM debris) THEN 'leftover'"                                \
    "  WHEN p.facts IS NULL OR p.relation IS NULL"                                                 \
    "   OR EXISTS (SELECT FROM ours o WHERE p.facts -> 'indexes' ->> o.key = o.relname)"           \
    "  THEN 'absent' ELSE 'there' END,"                                                            \
    " jsonb_build_object('indexes', (SELECT coalesce(jsonb_object_agg(key, relname), '{}')"        \
    "   FROM ours WHERE NOT skipped),"                                                             \
    "  'known', (SELECT coalesce(jsonb_object_agg(key, relname), '{}') FROM ours)),"               \
    " '', ARRAY(SELECT format('DROP INDEX CONCURRENTLY %I.%I', nspname, relname) FROM debris),"    \
    " NULL FROM p"

static const char reindex_index[] =
    REINDEX("SELECT i.indrelid AS oid FROM pg_index i JOIN tree ON tree.oid = i.indexrelid",
            "NOT EXISTS (SELECT FROM tree WHERE tree.oid = c.oid)");
/* It leaves out what it can't rebuild. */
static const char reindex_table[] =
    REINDEX("SELECT oid FROM tree WHERE oid IS NOT NULL", "NOT i.indisvalid OR i.indisexclusion");

/* Facts: both tables. The column indhetachpending is younger than the oldest server. */
static const char detach_partition[] =
    ASKED " SELECT CASE WHEN p.facts IS NULL THEN CASE WHEN p.relation IS NULL AND p.missing_ok"
          "   THEN 'there' ELSE 'absent' END"
          "  WHEN h.inhrelid IS NULL THEN 'there'"
          "  WHEN to_jsonb(h) ->> 'inhdetachpending' = 'true' THEN 'leftover' ELSE 'absent' END,"
          " jsonb_build_object('table', p.relation::text, 'partition', p.partition::text), '',"
          " ARRAY[format('ALTER TABLE %s DETACH PARTITION %s FINALIZE', h.inhparent::regclass,"
          "  h.inhrelid::regclass)], NULL"
          " FROM p LEFT JOIN pg_inherits h ON h.inhrelid = (p.facts ->> 'partition')::oid"
          "  AND h.inhparent = (p.facts ->> 'table')::oid";

/* Facts: what is dropped; of what is created, that the name was free. */
#define CREATE_SHARED(CATALOG, COLUMN)                                                             \
    ASKED " SELECT CASE WHEN p.facts IS NOT NULL AND c.oid IS NOT NULL THEN 'there'"               \
          " ELSE 'absent' END, CASE WHEN c.oid IS NULL THEN '{}'::jsonb END, '',"                  \
          " ARRAY[]::text[], NULL FROM p LEFT JOIN " CATALOG " c ON c." COLUMN " = p.name"
#define DROP_SHARED(CATALOG, COLUMN)                                                               \
    ASKED " SELECT CASE WHEN p.facts IS NOT NULL THEN CASE WHEN EXISTS (SELECT FROM " CATALOG      \
          "   WHERE oid = (p.facts ->> 'oid')::oid) THEN 'absent' ELSE 'there' END"                \
          "  WHEN c.oid IS NULL AND p.missing_ok THEN 'there' ELSE 'absent' END,"                  \
          " jsonb_build_object('oid', c.oid::text), '', ARRAY[]::text[], NULL"                     \
          " FROM p LEFT JOIN " CATALOG " c ON c." COLUMN " = p.name"

static const char create_database[] = CREATE_SHARED("pg_database", "datname");
static const char drop_database[] = DROP_SHARED("pg_database", "datname");
static const char create_tablespace[] = CREATE_SHARED("pg_tablespace", "spcname");
static const char drop_tablespace[] = DROP_SHARED("pg_tablespace", "spcname");

const char *probe_query(ProbeForm form)
{
    static const char *const queries[PROBE_FORM_COUNT] = {
        [PROBE_CREATE_INDEX] = create_index,         [PROBE_DROP_INDEX] = drop_index,
        [PROBE_REINDEX_INDEX] = reindex_index,       [PROBE_REINDEX_TABLE] = reindex_table,
        [PROBE_DETACH_PARTITION] = detach_partition, [PROBE_CREATE_DATABASE] = create_database,
        [PROBE_DROP_DATABASE] = drop_database,       [PROBE_CREATE_TABLESPACE] = create_tablespace,
        [PROBE_DROP_TABLESPACE] = drop_tablespace,
    };
    return queries[form];
}

ProbeState probe_state_from_name(const char *name)
{
    static const char *const names[PROBE_STATE_COUNT] = {
        [PROBE_STATE_ABSENT] = "absent",
        [PROBE_STATE_THERE] = "there",
        [PROBE_STATE_SAME] = "same",
        [PROBE_STATE_LEFTOVER] = "leftover",
        [PROBE_STATE_PARTITIONED] = "partitioned",
        [PROBE_STATE_REFUSED] = "refused",
    };
    for (int state = PROBE_STATE_ABSENT; state < PROBE_STATE_COUNT; state++) {
        if (strcmp(names[state], name) == 0)
            return (ProbeState)state;
    }
    return PROBE_STATE_UNSPECIFIED;
}

/* What pg_get_indexdef() says behind the names, which differ. */
#define DEFINITION(INDEX)                                                                          \
    "(SELECT CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || substr(d.text,"                 \
    "   strpos(d.text, ' USING ' || quote_ident(m.amname) || ' (') + 1) AS text,"                  \
    "  coalesce(nullif(c.reltablespace, 0), (SELECT dattablespace FROM pg_database"                \
    "   WHERE datname = current_database())) AS tablespace"                                        \
    "  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam,"   \
    "   pg_get_indexdef(i.indexrelid) AS d(text) WHERE " INDEX ")"

const char probe_compare_sql[] =
    "SELECT now.text = twin.text AND (NOT $2::bool OR now.tablespace = twin.tablespace), now.text, "
    "twin.text"
    " FROM " DEFINITION("i.indexrelid = $1::oid") " now, " DEFINITION(
        "c.relname = 'pgtide_twin' AND c.relnamespace = pg_my_temp_schema()") " twin";
