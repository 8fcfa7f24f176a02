/*
 * Each kind of statement is one of three: asked (the catalogs know whether there is something to
 * do), run each time, or refused because a second run fails or does more. Where the parser does
 * not know the syntax (it is PostgreSQL 15's), a statement is run each time.
 */
#include "safe_forms.h"

#include "safe_tree.h"

#include <string.h>

#define IN_A_REVISION "Put it into a revision, or guard it with a DO block."

static SafeQuestion *ask_made(FormReader *reader, SafeForm form, const char *kind, TreeName name)
{
    SafeQuestion *question = form_ask(reader, form, false, kind, tree_plain(reader->arena, name));
    question->schema = arena_strdup(reader->arena, name.schema);
    question->name = arena_strdup(reader->arena, name.name);
    return question;
}

/* CREATE … of a relation. A temporary one is made for nobody, but does no harm. */
static ErrCode make_relation(FormReader *reader, const char *kind,
                             const PgQuery__RangeVar *relation, bool if_not_exists)
{
    if (!if_not_exists)
        return form_refuse(reader, arena_printf(reader->arena, "CREATE %s", kind),
                           "Write CREATE ... IF NOT EXISTS.");
    if (strcmp(relation->relpersistence, "t") != 0)
        ask_made(reader, SAFE_FORM_RELATION, "relation", tree_range(relation));
    return ERR_OK;
}

static ErrCode make_index(FormReader *reader, const PgQuery__IndexStmt *index)
{
    if (!index->if_not_exists)
        return form_refuse(reader, "CREATE INDEX", "Write CREATE INDEX IF NOT EXISTS.");
    form_ask_of(reader, SAFE_FORM_INDEX, false, "index", index->relation, index->idxname, false);
    reader->safe->what = arena_printf(reader->arena, "index %s on %s", index->idxname,
                                      tree_plain(reader->arena, tree_range(index->relation)));
    return ERR_OK;
}

static ErrCode make_named(FormReader *reader, SafeForm form, const char *kind, TreeName name,
                          bool if_not_exists)
{
    if (!if_not_exists)
        return form_refuse(reader, arena_printf(reader->arena, "CREATE %s", kind),
                           "Write CREATE ... IF NOT EXISTS.");
    if (name.name[0] != '\0')
        ask_made(reader, form, kind, name);
    return ERR_OK;
}

static ErrCode make_replaced(FormReader *reader, const char *kind, bool replace)
{
    return replace ? ERR_OK
                   : form_refuse(reader, arena_printf(reader->arena, "CREATE %s", kind),
                                 "Write CREATE OR REPLACE.");
}

static ErrCode define(FormReader *reader, const PgQuery__DefineStmt *stmt)
{
    if (stmt->kind == PG_QUERY__OBJECT_TYPE__OBJECT_COLLATION)
        return make_named(reader, SAFE_FORM_COLLATION, "collation",
                          tree_name(stmt->defnames, stmt->n_defnames), stmt->if_not_exists);
    if (stmt->kind == PG_QUERY__OBJECT_TYPE__OBJECT_AGGREGATE)
        return make_replaced(reader, "AGGREGATE", stmt->replace);
    return form_refuse(reader, "CREATE of this kind", IN_A_REVISION);
}

static ErrCode alter_enum(FormReader *reader, const PgQuery__AlterEnumStmt *stmt)
{
    TreeName type = tree_name(stmt->type_name, stmt->n_type_name);
    if (!stmt->skip_if_new_val_exists)
        return form_refuse(reader, "ALTER TYPE ... ADD or RENAME VALUE",
                           "Write ADD VALUE IF NOT EXISTS.");
    SafeQuestion *question = form_ask(
        reader, SAFE_FORM_ENUM_VALUE, false, "value",
        arena_printf(reader->arena, "%s of %s", stmt->new_val, tree_plain(reader->arena, type)));
    question->name = arena_strdup(reader->arena, stmt->new_val);
    question->detail = tree_quoted(reader->arena, type);
    return ERR_OK;
}

/* ALTER TABLE IF EXISTS a RENAME TO b, or SET SCHEMA: done when there is no a any more. */
static ErrCode move_away(FormReader *reader, const PgQuery__RangeVar *relation, bool whole,
                         bool missing_ok)
{
    if (relation == NULL || !whole || !missing_ok)
        return form_refuse(reader, "RENAME or SET SCHEMA without IF EXISTS", IN_A_REVISION);
    form_ask_of(reader, SAFE_FORM_NO_RELATION, true, "relation", relation, "", true);
    reader->safe->what =
        arena_printf(reader->arena, "relation %s", tree_plain(reader->arena, tree_range(relation)));
    return ERR_OK;
}

static bool renames_relation(const PgQuery__RenameStmt *stmt)
{
    switch (stmt->rename_type) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX:
    case PG_QUERY__OBJECT_TYPE__OBJECT_FOREIGN_TABLE:
        return true;
    default:
        return false;
    }
}

/* --- relations and what else CREATE makes ----------------------------------------------------- */

static ErrCode read_create(FormReader *reader, const PgQuery__Node *node)
{
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_CREATE_STMT:
        return make_relation(reader, "TABLE", node->create_stmt->relation,
                             node->create_stmt->if_not_exists);
    case PG_QUERY__NODE__NODE_CREATE_FOREIGN_TABLE_STMT:
        return make_relation(reader, "FOREIGN TABLE",
                             node->create_foreign_table_stmt->base_stmt->relation,
                             node->create_foreign_table_stmt->base_stmt->if_not_exists);
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
        return make_relation(reader, "TABLE AS or MATERIALIZED VIEW",
                             node->create_table_as_stmt->into->rel,
                             node->create_table_as_stmt->if_not_exists);
    case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
        return make_relation(reader, "SEQUENCE", node->create_seq_stmt->sequence,
                             node->create_seq_stmt->if_not_exists);
    case PG_QUERY__NODE__NODE_INDEX_STMT:
        return make_index(reader, node->index_stmt);
    case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT:
        return make_named(reader, SAFE_FORM_SCHEMA, "schema",
                          (TreeName){"", node->create_schema_stmt->schemaname},
                          node->create_schema_stmt->if_not_exists);
    case PG_QUERY__NODE__NODE_CREATE_EXTENSION_STMT:
        return make_named(reader, SAFE_FORM_EXTENSION, "extension",
                          (TreeName){"", node->create_extension_stmt->extname},
                          node->create_extension_stmt->if_not_exists);
    case PG_QUERY__NODE__NODE_CREATE_FOREIGN_SERVER_STMT:
        return make_named(reader, SAFE_FORM_SERVER, "server",
                          (TreeName){"", node->create_foreign_server_stmt->servername},
                          node->create_foreign_server_stmt->if_not_exists);
    case PG_QUERY__NODE__NODE_CREATE_STATS_STMT:
        return make_named(
            reader, SAFE_FORM_STATISTICS, "statistics",
            tree_name(node->create_stats_stmt->defnames, node->create_stats_stmt->n_defnames),
            node->create_stats_stmt->if_not_exists);
    case PG_QUERY__NODE__NODE_DEFINE_STMT:
        return define(reader, node->define_stmt);
    default:
        return ERR_OK;
    }
}

static ErrCode read_replace(FormReader *reader, const PgQuery__Node *node)
{
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT:
        if (node->create_function_stmt->replace)
            form_function(reader, node->create_function_stmt);
        return make_replaced(reader, "FUNCTION or PROCEDURE", node->create_function_stmt->replace);
    case PG_QUERY__NODE__NODE_VIEW_STMT:
        return make_replaced(reader, "VIEW", node->view_stmt->replace);
    case PG_QUERY__NODE__NODE_CREATE_TRIG_STMT:
        return make_replaced(reader, "TRIGGER", node->create_trig_stmt->replace);
    case PG_QUERY__NODE__NODE_RULE_STMT:
        return make_replaced(reader, "RULE", node->rule_stmt->replace);
    case PG_QUERY__NODE__NODE_CREATE_TRANSFORM_STMT:
        return make_replaced(reader, "TRANSFORM", node->create_transform_stmt->replace);
    case PG_QUERY__NODE__NODE_CREATE_PLANG_STMT:
        return make_replaced(reader, "LANGUAGE", node->create_plang_stmt->replace);
    case PG_QUERY__NODE__NODE_CREATE_USER_MAPPING_STMT:
        return node->create_user_mapping_stmt->if_not_exists
                   ? ERR_OK
                   : form_refuse(reader, "CREATE USER MAPPING", "Write IF NOT EXISTS.");
    default:
        return ERR_OK;
    }
}

/* What has no form that may run twice. */
static const char *refused_kind(const PgQuery__Node *node)
{
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
    case PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT:
    case PG_QUERY__NODE__NODE_CREATE_RANGE_STMT:
        return "CREATE TYPE";
    case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT:
        return "CREATE DOMAIN";
    case PG_QUERY__NODE__NODE_CREATE_POLICY_STMT:
        return "CREATE POLICY";
    case PG_QUERY__NODE__NODE_CREATE_ROLE_STMT:
        return "CREATE ROLE";
    case PG_QUERY__NODE__NODE_CREATE_CAST_STMT:
        return "CREATE CAST";
    case PG_QUERY__NODE__NODE_CREATE_CONVERSION_STMT:
        return "CREATE CONVERSION";
    case PG_QUERY__NODE__NODE_CREATE_OP_CLASS_STMT:
    case PG_QUERY__NODE__NODE_CREATE_OP_FAMILY_STMT:
        return "CREATE OPERATOR CLASS or FAMILY";
    case PG_QUERY__NODE__NODE_CREATE_EVENT_TRIG_STMT:
        return "CREATE EVENT TRIGGER";
    case PG_QUERY__NODE__NODE_CREATE_FDW_STMT:
        return "CREATE FOREIGN DATA WRAPPER";
    case PG_QUERY__NODE__NODE_CREATE_AM_STMT:
        return "CREATE ACCESS METHOD";
    case PG_QUERY__NODE__NODE_CREATE_PUBLICATION_STMT:
        return "CREATE PUBLICATION";
    case PG_QUERY__NODE__NODE_IMPORT_FOREIGN_SCHEMA_STMT:
        return "IMPORT FOREIGN SCHEMA";
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
        return "TRUNCATE";
    case PG_QUERY__NODE__NODE_COPY_STMT:
        return "COPY";
    case PG_QUERY__NODE__NODE_CLUSTER_STMT:
        return "CLUSTER";
    default:
        return NULL;
    }
}

static ErrCode read_node(FormReader *reader, const PgQuery__Node *node)
{
    const char *refused = refused_kind(node);
    if (refused != NULL)
        return form_refuse(reader, refused, IN_A_REVISION);
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
        return form_alter_table(reader, node->alter_table_stmt);
    case PG_QUERY__NODE__NODE_DROP_STMT:
        return form_drop(reader, node->drop_stmt);
    case PG_QUERY__NODE__NODE_DROP_ROLE_STMT:
        return node->drop_role_stmt->missing_ok
                   ? ERR_OK
                   : form_refuse(reader, "DROP without IF EXISTS", "Write IF EXISTS.");
    case PG_QUERY__NODE__NODE_ALTER_ENUM_STMT:
        return alter_enum(reader, node->alter_enum_stmt);
    case PG_QUERY__NODE__NODE_RENAME_STMT:
        return move_away(reader, node->rename_stmt->relation, renames_relation(node->rename_stmt),
                         node->rename_stmt->missing_ok);
    case PG_QUERY__NODE__NODE_ALTER_OBJECT_SCHEMA_STMT:
        return move_away(reader, node->alter_object_schema_stmt->relation, true,
                         node->alter_object_schema_stmt->missing_ok);
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
        return form_refuse(reader, "SET",
                           "Each safe statement runs in a transaction of its own, without it.");
    default:
        break;
    }
    ErrCode code = read_create(reader, node);
    return code == ERR_OK ? read_replace(reader, node) : code;
}

/* --- a statement ------------------------------------------------------------------------------ */

static ErrCode refuse_plainly(FormReader *reader)
{
    const Statement *statement = reader->safe->statement;
    ErrCode code = ERR_OK;
    if (statement_is_transaction_control(statement)) {
        code = err_set(reader->err, ERR_SCRIPT, "%s: transaction control is pgtide's business",
                       statement->first_keyword);
        err_hint(reader->err, "Remove it: each safe statement runs in a transaction of its own.");
    } else if (statement_needs_no_transaction(statement)) {
        code = err_set(reader->err, ERR_SCRIPT, "%s %s can't be a safe statement",
                       statement->first_keyword, statement->second_keyword);
        err_detail(reader->err, "it can't run inside a transaction");
        err_hint(reader->err, "Put it into a revision that says `transaction: none`.");
    } else if (strcmp(statement->first_keyword, "COPY") == 0) {
        return form_refuse(reader, "COPY", IN_A_REVISION);
    }
    if (code != ERR_OK)
        err_at(reader->err, reader->safe->file, statement->line);
    return code;
}

/* The beginning of the text, on one line. */
static const char *abridged(Arena *arena, const char *text)
{
    enum { SHOWN = 60 };
    AUTO_STR Str out = {0};
    const char *at = text;
    for (; *at != '\0' && out.length < SHOWN; at++) {
        bool space = *at == ' ' || *at == '\n' || *at == '\t' || *at == '\r';
        if (!space)
            str_append_char(&out, *at);
        else if (out.length > 0 && out.data[out.length - 1] != ' ')
            str_append_char(&out, ' ');
    }
    while (*at != '\0' && ((unsigned char)*at & 0xC0) == 0x80) /* not in the middle of a letter */
        str_append_char(&out, *at++);
    if (*at != '\0')
        str_append(&out, "...");
    return arena_strdup(arena, str_text(&out));
}

ErrCode safe_form_read(SafeQuestions *questions, size_t index, SafeStatement *safe, Error *err)
{
    FormReader reader = {.arena = questions->arena,
                         .questions = questions,
                         .index = index,
                         .safe = safe,
                         .err = err};
    size_t before = questions->count;
    safe->what = abridged(questions->arena, safe->statement->text);
    safe->relation = "";
    ErrCode code = refuse_plainly(&reader);
    if (code != ERR_OK)
        return code;
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(safe->statement->text);
    PgQuery__ParseResult *tree =
        parsed.error != NULL
            ? NULL
            : pg_query__parse_result__unpack(NULL, parsed.parse_tree.len,
                                             (const uint8_t *)parsed.parse_tree.data);
    if (tree != NULL && tree->n_stmts == 1 && tree->stmts[0]->stmt != NULL)
        code = read_node(&reader, tree->stmts[0]->stmt);
    if (tree != NULL)
        pg_query__parse_result__free_unpacked(tree, NULL);
    pg_query_free_protobuf_parse_result(parsed);
    if (code == ERR_OK && !safe->asked)
        questions->count = before;
    return code;
}
