#include "gate_sql.h"

#include "arena.h"
#include "str.h"

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

static void *tree_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void tree_free(void *arena, void *block)
{
    (void)arena;
    (void)block;
}

static ErrCode check_tree(const char *what, const PgQuery__ParseResult *tree, Error *err)
{
    if (tree == NULL || tree->n_stmts != 1)
        return err_set(err, ERR_CONFIG, "%s is %zu statements, not one", what,
                       tree == NULL ? 0 : tree->n_stmts);
    const PgQuery__Node *node = tree->stmts[0]->stmt;
    if (node == NULL || node->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
        return err_set(err, ERR_CONFIG, "%s is no SELECT", what);
    if (node->select_stmt->into_clause != NULL)
        return err_set(err, ERR_CONFIG, "%s makes a table", what);
    return ERR_OK;
}

ErrCode select_sql_check(const char *what, const char *text, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    ProtobufCAllocator allocator = {tree_alloc, tree_free, arena};
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(text);
    ErrCode code = ERR_OK;
    if (parsed.error != NULL) {
        code = err_set(err, ERR_CONFIG, "%s: %.150s", what, parsed.error->message);
        err_detail(err, "at character %d", parsed.error->cursorpos);
    } else {
        code = check_tree(what,
                          pg_query__parse_result__unpack(&allocator, parsed.parse_tree.len,
                                                         (const uint8_t *)parsed.parse_tree.data),
                          err);
    }
    pg_query_free_protobuf_parse_result(parsed);
    return code;
}

ErrCode gate_sql_check(const char *name, const char *text, Error *err)
{
    AUTO_STR Str what = {0};
    str_printf(&what, "gate '%s': its sql", name);
    return select_sql_check(str_text(&what), text, err);
}
