#include "probe.h"

#include "sql_tree.h"

#include <string.h>

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
    return sql_deparse(reading->arena, reading->tree);
}

/* The index on the partitioned table alone, from behind its name. */
static const char *index_root_tail(const Reading *reading, PgQuery__IndexStmt *index)
{
    static const char name[] = "pgtide_twin";
    PgQuery__RangeVar *table = index->relation;
    char *own_name = index->idxname;
    if (!table->inh)
        return NULL;
    table->inh = false;
    index->idxname = arena_strdup(reading->arena, name);
    index->concurrent = false;
    const char *text = sql_deparse(reading->arena, reading->tree);
    index->concurrent = true;
    index->idxname = own_name;
    table->inh = true;
    const char *found = text == NULL ? NULL : strstr(text, name);
    return found == NULL ? NULL : found + strlen(name);
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
    probe->is_unique = index->unique;
    say(reading, index->unique ? "CREATE UNIQUE INDEX CONCURRENTLY" : "CREATE INDEX CONCURRENTLY",
        probe->name);
    probe->root_tail = index_root_tail(reading, index);
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
        .tree = sql_tree(arena, statement->text),
        .probe = ARENA_NEW(arena, Probe),
        .err = err,
    };
    reading.probe->name = "";
    ErrCode code = reading.tree == NULL ? ERR_OK : read_statement(&reading);
    if (code == ERR_OK)
        *ret_probe = reading.probe->form == PROBE_UNSPECIFIED ? NULL : reading.probe;
    return code;
}
