#include "probe.h"

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <string.h>

/* --- the tree --------------------------------------------------------------------------------- */

static void *tree_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void tree_free(void *arena, void *block)
{
    (void)arena;
    (void)block;
}

/* The statement's tree in the arena; NULL when libpg_query can't read it (newer syntax). */
static PgQuery__ParseResult *tree_parse(Arena *arena, const char *text)
{
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(text);
    PgQuery__ParseResult *tree = NULL;
    ProtobufCAllocator allocator = {tree_alloc, tree_free, arena};
    if (parsed.error == NULL)
        tree = pg_query__parse_result__unpack(&allocator, parsed.parse_tree.len,
                                              (const uint8_t *)parsed.parse_tree.data);
    pg_query_free_protobuf_parse_result(parsed);
    return tree != NULL && tree->n_stmts == 1 ? tree : NULL;
}

static const char *tree_deparse(Arena *arena, PgQuery__ParseResult *tree)
{
    size_t length = pg_query__parse_result__get_packed_size(tree);
    uint8_t *bytes = arena_alloc(arena, length + 1);
    pg_query__parse_result__pack(tree, bytes);
    PgQueryDeparseResult deparsed =
        pg_query_deparse_protobuf((PgQueryProtobuf){.len = length, .data = (char *)bytes});
    const char *text = deparsed.error == NULL ? arena_strdup(arena, deparsed.query) : NULL;
    pg_query_free_deparse_result(deparsed);
    return text;
}

static StrList relation_parts(Arena *arena, const PgQuery__RangeVar *relation)
{
    StrList parts = {0};
    if (relation->catalogname[0] != '\0')
        strlist_add(arena, &parts, relation->catalogname);
    if (relation->schemaname[0] != '\0')
        strlist_add(arena, &parts, relation->schemaname);
    strlist_add(arena, &parts, relation->relname);
    return parts;
}

static const char *last_part(const StrList *parts)
{
    return parts->items[parts->count - 1];
}

/* --- forms ------------------------------------------------------------------------------------ */

typedef struct Reading {
    Arena *arena;
    const char *file;
    const Statement *statement;
    PgQuery__ParseResult *tree;
    Probe *probe;
    Error *err;
} Reading;

static ErrCode refuse(const Reading *reading, const char *what, const char *hint)
{
    err_set(reading->err, ERR_SCRIPT, "%s", what);
    err_hint(reading->err, "%s", hint);
    statement_place_error(reading->err, reading->file, reading->statement, 0);
    return ERR_SCRIPT;
}

static void say(const Reading *reading, const char *words, const char *name)
{
    reading->probe->what = arena_printf(reading->arena, "%s %s", words, name);
}

/* The same index on a table of the same name in pg_temp. */
static const char *index_twin(const Reading *reading, PgQuery__IndexStmt *index)
{
    PgQuery__RangeVar *table = index->relation;
    table->catalogname = arena_strdup(reading->arena, "");
    table->schemaname = arena_strdup(reading->arena, "pg_temp");
    table->inh = true;
    index->idxname = arena_strdup(reading->arena, "pgtide_twin"); /* the deparser quotes no name */
    index->concurrent = false;
    index->if_not_exists = false;
    return tree_deparse(reading->arena, reading->tree);
}

static ErrCode read_create_index(const Reading *reading, PgQuery__IndexStmt *index)
{
    Probe *probe = reading->probe;
    if (!index->concurrent)
        return ERR_OK;
    if (index->idxname[0] == '\0')
        return refuse(reading, "an index that is built CONCURRENTLY needs a name",
                      "Name it: by its name an attempt that was cut off is recognised.");
    probe->form = PROBE_CREATE_INDEX;
    probe->name = index->idxname;
    probe->relation = relation_parts(reading->arena, index->relation);
    probe->has_tablespace = index->table_space[0] != '\0';
    say(reading, index->unique ? "CREATE UNIQUE INDEX CONCURRENTLY" : "CREATE INDEX CONCURRENTLY",
        probe->name);
    probe->twin = index_twin(reading, index);
    return ERR_OK;
}

static ErrCode read_drop_index(const Reading *reading, const PgQuery__DropStmt *drop)
{
    Probe *probe = reading->probe;
    if (!drop->concurrent || drop->remove_type != PG_QUERY__OBJECT_TYPE__OBJECT_INDEX)
        return ERR_OK;
    if (drop->n_objects != 1)
        return refuse(reading, "DROP INDEX CONCURRENTLY takes one index",
                      "Write a statement for each index.");
    const PgQuery__Node *object = drop->objects[0];
    for (size_t i = 0; i < object->list->n_items; i++)
        strlist_add(reading->arena, &probe->relation, object->list->items[i]->string->sval);
    probe->form = PROBE_DROP_INDEX;
    probe->missing_ok = drop->missing_ok;
    say(reading, "DROP INDEX CONCURRENTLY", last_part(&probe->relation));
    return ERR_OK;
}

static bool is_off(const PgQuery__Node *value)
{
    if (value == NULL)
        return false;
    if (value->node_case == PG_QUERY__NODE__NODE_STRING)
        return strcasecmp(value->string->sval, "off") == 0 ||
               strcasecmp(value->string->sval, "false") == 0;
    return value->node_case == PG_QUERY__NODE__NODE_INTEGER && value->integer->ival == 0;
}

static bool reindexes_concurrently(const PgQuery__ReindexStmt *reindex)
{
    bool concurrently = false;
    for (size_t i = 0; i < reindex->n_params; i++) {
        const PgQuery__DefElem *param = reindex->params[i]->def_elem;
        if (strcmp(param->defname, "concurrently") == 0)
            concurrently = !is_off(param->arg);
    }
    return concurrently;
}

static ErrCode read_reindex(const Reading *reading, const PgQuery__ReindexStmt *reindex)
{
    Probe *probe = reading->probe;
    bool index = reindex->kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_INDEX;
    bool table = reindex->kind == PG_QUERY__REINDEX_OBJECT_TYPE__REINDEX_OBJECT_TABLE;
    if (!reindexes_concurrently(reindex) || (!index && !table))
        return ERR_OK;
    probe->form = index ? PROBE_REINDEX_INDEX : PROBE_REINDEX_TABLE;
    probe->relation = relation_parts(reading->arena, reindex->relation);
    say(reading, index ? "REINDEX INDEX CONCURRENTLY" : "REINDEX TABLE CONCURRENTLY",
        last_part(&probe->relation));
    return ERR_OK;
}

static ErrCode read_alter_table(const Reading *reading, const PgQuery__AlterTableStmt *alter)
{
    Probe *probe = reading->probe;
    if (alter->n_cmds != 1)
        return ERR_OK;
    const PgQuery__AlterTableCmd *command = alter->cmds[0]->alter_table_cmd;
    if (command->subtype != PG_QUERY__ALTER_TABLE_TYPE__AT_DetachPartition ||
        !command->def->partition_cmd->concurrent)
        return ERR_OK;
    probe->form = PROBE_DETACH_PARTITION;
    probe->relation = relation_parts(reading->arena, alter->relation);
    probe->partition = relation_parts(reading->arena, command->def->partition_cmd->name);
    probe->missing_ok = alter->missing_ok;
    say(reading, "DETACH PARTITION CONCURRENTLY", last_part(&probe->partition));
    return ERR_OK;
}

static ErrCode named(const Reading *reading, ProbeForm form, const char *words, const char *name,
                     bool missing_ok)
{
    reading->probe->form = form;
    reading->probe->name = name;
    reading->probe->missing_ok = missing_ok;
    say(reading, words, name);
    return ERR_OK;
}

static ErrCode read_again(const Reading *reading, const char *what)
{
    reading->probe->form = PROBE_AGAIN;
    reading->probe->what = what;
    return ERR_OK;
}

static ErrCode read_statement(const Reading *reading)
{
    const PgQuery__Node *node = reading->tree->stmts[0]->stmt;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_INDEX_STMT:
        return read_create_index(reading, node->index_stmt);
    case PG_QUERY__NODE__NODE_DROP_STMT:
        return read_drop_index(reading, node->drop_stmt);
    case PG_QUERY__NODE__NODE_REINDEX_STMT:
        return read_reindex(reading, node->reindex_stmt);
    case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
        return read_alter_table(reading, node->alter_table_stmt);
    case PG_QUERY__NODE__NODE_CREATEDB_STMT:
        return named(reading, PROBE_CREATE_DATABASE, "CREATE DATABASE", node->createdb_stmt->dbname,
                     false);
    case PG_QUERY__NODE__NODE_DROPDB_STMT:
        return named(reading, PROBE_DROP_DATABASE, "DROP DATABASE", node->dropdb_stmt->dbname,
                     node->dropdb_stmt->missing_ok);
    case PG_QUERY__NODE__NODE_CREATE_TABLE_SPACE_STMT:
        return named(reading, PROBE_CREATE_TABLESPACE, "CREATE TABLESPACE",
                     node->create_table_space_stmt->tablespacename, false);
    case PG_QUERY__NODE__NODE_DROP_TABLE_SPACE_STMT:
        return named(reading, PROBE_DROP_TABLESPACE, "DROP TABLESPACE",
                     node->drop_table_space_stmt->tablespacename,
                     node->drop_table_space_stmt->missing_ok);
    case PG_QUERY__NODE__NODE_ALTER_SYSTEM_STMT:
        return read_again(reading, "ALTER SYSTEM");
    case PG_QUERY__NODE__NODE_ALTER_DATABASE_STMT:
        return read_again(reading, "ALTER DATABASE");
    default:
        return ERR_OK;
    }
}

ErrCode probe_parse(Arena *arena, const char *file, const Statement *statement,
                    const Probe **ret_probe, Error *err)
{
    Reading reading = {
        .arena = arena,
        .file = file,
        .statement = statement,
        .tree = tree_parse(arena, statement->text),
        .probe = ARENA_NEW(arena, Probe),
        .err = err,
    };
    reading.probe->name = "";
    ErrCode code = reading.tree == NULL ? ERR_OK : read_statement(&reading);
    if (code == ERR_OK)
        *ret_probe = reading.probe->form == PROBE_UNSPECIFIED ? NULL : reading.probe;
    return code;
}

/* --- asking the catalog ----------------------------------------------------------------------- */

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
 * very table when the statement was first tried. */
static const char create_index[] = ASKED
    " SELECT CASE WHEN c.oid IS NULL THEN 'absent' WHEN i.indexrelid IS NULL OR i.indrelid <> t.oid"
    "   THEN 'refused' WHEN i.indisvalid AND i.indisready AND i.indislive THEN 'same'"
    "  WHEN p.facts ->> 'table' = t.oid::text THEN 'leftover' ELSE 'refused' END,"
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
        [PROBE_STATE_ABSENT] = "absent",   [PROBE_STATE_THERE] = "there",
        [PROBE_STATE_SAME] = "same",       [PROBE_STATE_LEFTOVER] = "leftover",
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
