#include "gate_sql.h"

#include "arena.h"

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

static ErrCode check_tree(const char *name, const PgQuery__ParseResult *tree, Error *err)
{
    if (tree == NULL || tree->n_stmts != 1)
        return err_set(err, ERR_CONFIG, "gate '%s': its sql is %zu statements, not one", name,
                       tree == NULL ? 0 : tree->n_stmts);
    const PgQuery__Node *node = tree->stmts[0]->stmt;
    if (node == NULL || node->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
        return err_set(err, ERR_CONFIG, "gate '%s': its sql is no SELECT", name);
    if (node->select_stmt->into_clause != NULL)
        return err_set(err, ERR_CONFIG, "gate '%s': its sql makes a table", name);
    return ERR_OK;
}

ErrCode gate_sql_check(const char *name, const char *text, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    ProtobufCAllocator allocator = {tree_alloc, tree_free, arena};
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(text);
    ErrCode code = ERR_OK;
    if (parsed.error != NULL) {
        code = err_set(err, ERR_CONFIG, "gate '%s': %.150s", name, parsed.error->message);
        err_detail(err, "at character %d of its sql", parsed.error->cursorpos);
    } else {
        code = check_tree(name,
                          pg_query__parse_result__unpack(&allocator, parsed.parse_tree.len,
                                                         (const uint8_t *)parsed.parse_tree.data),
                          err);
    }
    pg_query_free_protobuf_parse_result(parsed);
    return code;
}
