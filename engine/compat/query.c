#include "query.h"

#include "sql_tree.h"

#include <ctype.h>
#include <string.h>

enum { SHOWN_BYTES = 160 };

struct Query {
    Arena *arena;
    const char *text;
    PgQuery__Node *node; /* NULL: can't be read */
    SqlTokens tokens;
    PgQuery__RangeVar **ranges;
    size_t range_count;
    size_t range_capacity;
    StrList made; /* names of WITH and of tables in FROM that the statement makes itself */
};

/* One look at a statement for one take. */
typedef struct Search {
    const Query *query;
    const Taken *taken;
    const CompatFound *found;
    StrList mine;   /* what the statement calls the table */
    StrList others; /* and what it calls other tables */
    bool rival;     /* another table in it has a column of that name */
    bool calls;     /* a function that returns its rows */
    bool unsure;    /* which table of that name is meant is not known */
    CompatSure sure;
    const char *why;
} Search;

static void note(Search *search, CompatSure sure, const char *why)
{
    if (sure == COMPAT_USES && search->unsure) {
        sure = COMPAT_MAY;
        why = "another of that name may be meant";
    }
    if (sure <= search->sure)
        return;
    search->sure = sure;
    search->why = why;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void add_range(Query *query, PgQuery__RangeVar *range)
{
    if (query->range_count == query->range_capacity) {
        size_t capacity = query->range_capacity == 0 ? 8 : query->range_capacity * 2;
        query->ranges = arena_grow(query->arena, query->ranges, query->range_count, capacity,
                                   sizeof(PgQuery__RangeVar *));
        query->range_capacity = capacity;
    }
    query->ranges[query->range_count++] = range;
}

static void collect(ProtobufCMessage *message, void *data)
{
    Query *query = data;
    if (message->descriptor == &pg_query__range_var__descriptor) {
        add_range(query, (PgQuery__RangeVar *)message);
    } else if (message->descriptor == &pg_query__common_table_expr__descriptor) {
        strlist_add(query->arena, &query->made, ((PgQuery__CommonTableExpr *)message)->ctename);
    }
}

/* Only the tables that it is made after: LIKE, INHERITS, PARTITION OF. */
static void collect_create(Query *query, const PgQuery__CreateStmt *create)
{
    for (size_t i = 0; i < create->n_inh_relations; i++)
        add_range(query, create->inh_relations[i]->range_var);
    for (size_t i = 0; i < create->n_table_elts; i++) {
        if (create->table_elts[i]->node_case == PG_QUERY__NODE__NODE_TABLE_LIKE_CLAUSE)
            add_range(query, create->table_elts[i]->table_like_clause->relation);
    }
}

Query *query_read(Arena *arena, const char *text)
{
    Query *query = ARENA_NEW(arena, Query);
    query->arena = arena;
    query->text = text;
    query->tokens = sql_tokens(arena, text);
    PgQuery__ParseResult *tree = sql_tree(arena, text);
    query->node = tree == NULL ? NULL : tree->stmts[0]->stmt;
    if (query->node != NULL && query->node->node_case == PG_QUERY__NODE__NODE_CREATE_STMT)
        collect_create(query, query->node->create_stmt);
    else if (query->node != NULL)
        sql_walk(&query->node->base, collect, query);
    return query;
}

bool query_is_copy_out(const Query *query)
{
    return query->node != NULL && query->node->node_case == PG_QUERY__NODE__NODE_COPY_STMT &&
           !query->node->copy_stmt->is_from;
}

/* Those that read or write rows, call something, or are written after a table. */
static bool is_use(const Query *query)
{
    switch (query->node->node_case) {
    case PG_QUERY__NODE__NODE_CREATE_STMT:
        return query->range_count > 0;
    case PG_QUERY__NODE__NODE_LOCK_STMT:
    case PG_QUERY__NODE__NODE_SELECT_STMT:
    case PG_QUERY__NODE__NODE_INSERT_STMT:
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
    case PG_QUERY__NODE__NODE_DELETE_STMT:
    case PG_QUERY__NODE__NODE_MERGE_STMT:
    case PG_QUERY__NODE__NODE_COPY_STMT:
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
    case PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT:
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
    case PG_QUERY__NODE__NODE_PREPARE_STMT:
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
    case PG_QUERY__NODE__NODE_CALL_STMT:
        return true;
    default:
        return false;
    }
}

/* --- names in a text -------------------------------------------------------------------------- */

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* How much of the text's beginning is the word, in any case, its quotes doubled or not; 0 = it is
 * another. */
static size_t word_size(const char *text, size_t length, const char *word)
{
    size_t at = 0;
    for (; *word != '\0'; word++, at++) {
        if (at >= length || tolower((unsigned char)text[at]) != tolower((unsigned char)*word))
            return 0;
        if (*word == '"' && at + 1 < length && text[at + 1] == '"')
            at++;
    }
    return at;
}

/* As a whole word. */
static bool has_word(const char *text, size_t length, const char *word)
{
    for (size_t at = 0; at < length; at++) {
        size_t size = word_size(text + at, length - at, word);
        if (size > 0 && (at == 0 || !is_word_byte(text[at - 1])) &&
            (at + size == length || !is_word_byte(text[at + size])))
            return true;
    }
    return false;
}

static bool is_string(const SqlTokens *tokens, const SqlToken *token)
{
    return token->token == PG_QUERY__TOKEN__SCONST || token->token == PG_QUERY__TOKEN__USCONST ||
           tokens->text[token->from] == '$';
}

/* Comments are not looked into. Where the lexer understands nothing, the whole text is one token.
 */
static bool names(Arena *arena, const SqlTokens *tokens, const char *word, bool *ret_in_string)
{
    for (size_t i = 0; i < tokens->count; i++) {
        const SqlToken *token = &tokens->items[i];
        if (is_string(tokens, token) &&
            has_word(tokens->text + token->from, token->to - token->from, word)) {
            *ret_in_string = true;
            return true;
        }
        if (!is_string(tokens, token) && sql_token_names(sql_slice(arena, tokens, i, i + 1), word))
            return true;
    }
    return tokens->count == 0 && has_word(tokens->text, strlen(tokens->text), word);
}

CompatSure body_uses(Arena *arena, const char *body, const Taken *taken, bool about,
                     const char **ret_why)
{
    SqlTokens tokens = sql_tokens(arena, body);
    bool in_string = false;
    bool part = taken->part[0] == '\0' || names(arena, &tokens, taken->part, &in_string);
    bool whole = taken->kind == TAKEN_LABEL || (about && taken->kind == TAKEN_COLUMN) ||
                 names(arena, &tokens, taken->name, &in_string);
    if (!part || !whole)
        return COMPAT_NOT;
    *ret_why = in_string && taken->kind != TAKEN_LABEL ? "its body has the name in a string"
                                                       : "its body has the name";
    return COMPAT_BY_NAME;
}

/* --- names in a tree -------------------------------------------------------------------------- */

static bool schema_fits(const Search *search, const char *schema)
{
    return schema[0] == '\0' || strlist_has(&search->found->schemas, schema);
}

static bool is_child(const CompatFound *found, const PgQuery__RangeVar *range)
{
    for (size_t i = 0; i < found->children.count; i++) {
        if (strcmp(range->relname, found->children.items[i]) == 0 &&
            (range->schemaname[0] == '\0' || strcmp(range->schemaname, found->homes.items[i]) == 0))
            return true;
    }
    return false;
}

static bool is_mine(const Search *search, const PgQuery__RangeVar *range)
{
    if (range == NULL)
        return false;
    return (strcmp(range->relname, search->taken->name) == 0 &&
            schema_fits(search, range->schemaname)) ||
           is_child(search->found, range);
}

static void read_ranges(Search *search)
{
    const Query *query = search->query;
    for (size_t i = 0; i < query->range_count; i++) {
        const PgQuery__RangeVar *range = query->ranges[i];
        const char *called = range->alias == NULL ? range->relname : range->alias->aliasname;
        if (!is_mine(search, range)) {
            strlist_add(query->arena, &search->others, called);
            search->rival = search->rival || strlist_has(&search->found->rivals, range->relname);
            continue;
        }
        strlist_add(query->arena, &search->mine, called);
        if (range->schemaname[0] == '\0' &&
            (search->found->twins || strlist_has(&query->made, range->relname)))
            search->unsure = true;
    }
}

static bool is_part(const Search *search, const PgQuery__Node *node)
{
    return strcmp(sql_string(node), search->taken->part) == 0;
}

static void see_column(Search *search, const PgQuery__ColumnRef *ref)
{
    if (ref->n_fields == 0)
        return;
    const PgQuery__Node *last = ref->fields[ref->n_fields - 1];
    const char *of = ref->n_fields > 1 ? sql_string(ref->fields[ref->n_fields - 2]) : "";
    bool mine = strlist_has(&search->mine, of);
    bool other = strlist_has(&search->others, of);
    if (last->node_case == PG_QUERY__NODE__NODE_A_STAR) {
        if (ref->n_fields == 1 || mine)
            note(search, COMPAT_MAY, "takes every column");
        return;
    }
    if (ref->n_fields == 1 && strlist_has(&search->mine, sql_string(last)))
        note(search, COMPAT_MAY, "takes whole rows");
    if (!is_part(search, last))
        return;
    if (ref->n_fields == 1 && search->rival)
        note(search, COMPAT_MAY, "another table in it has a column of that name");
    else if (ref->n_fields == 1 || (mine && !other) || strcmp(of, "excluded") == 0)
        note(search, COMPAT_USES, "names it");
    else if (mine || !other)
        note(search, COMPAT_MAY, "names a column like it");
}

static void see_targets(Search *search, PgQuery__Node *const *targets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (targets[i]->node_case == PG_QUERY__NODE__NODE_RES_TARGET &&
            strcmp(targets[i]->res_target->name, search->taken->part) == 0)
            note(search, COMPAT_USES, "writes it");
    }
}

static void see_insert(Search *search, const PgQuery__InsertStmt *insert)
{
    if (!is_mine(search, insert->relation))
        return;
    see_targets(search, insert->cols, insert->n_cols);
    if (insert->n_cols == 0 && insert->select_stmt != NULL)
        note(search, COMPAT_MAY, "inserts without a list of columns");
    const PgQuery__OnConflictClause *conflict = insert->on_conflict_clause;
    if (conflict == NULL)
        return;
    if (conflict->infer != NULL && conflict->infer->conname[0] != '\0')
        note(search, COMPAT_MAY, "names a constraint, which may be on it");
    see_targets(search, conflict->target_list, conflict->n_target_list);
    for (size_t i = 0; conflict->infer != NULL && i < conflict->infer->n_index_elems; i++) {
        const PgQuery__Node *element = conflict->infer->index_elems[i];
        if (element->node_case == PG_QUERY__NODE__NODE_INDEX_ELEM &&
            strcmp(element->index_elem->name, search->taken->part) == 0)
            note(search, COMPAT_USES, "names it");
    }
}

static void see_copy(Search *search, const PgQuery__CopyStmt *copy)
{
    if (!is_mine(search, copy->relation))
        return;
    if (copy->n_attlist == 0)
        note(search, COMPAT_MAY, "copies every column");
    for (size_t i = 0; i < copy->n_attlist; i++) {
        if (is_part(search, copy->attlist[i]))
            note(search, COMPAT_USES, "copies it");
    }
}

static void see_join(Search *search, const PgQuery__JoinExpr *join)
{
    if (join->is_natural)
        note(search, COMPAT_MAY, "joins by every column that has the same name");
    for (size_t i = 0; i < join->n_using_clause; i++) {
        if (is_part(search, join->using_clause[i]))
            note(search, search->query->range_count > 2 ? COMPAT_MAY : COMPAT_USES, "joins by it");
    }
}

/* A partition names none of its parent's columns. */
static void see_create(Search *search, const PgQuery__CreateStmt *create)
{
    if (create->partbound == NULL)
        note(search, COMPAT_MAY, "copies every column");
}

static void see_field(Search *search, const PgQuery__AIndirection *part)
{
    for (size_t i = 0; i < part->n_indirection; i++) {
        if (is_part(search, part->indirection[i]))
            note(search, COMPAT_MAY, "names a field like it");
    }
}

/* Of a function's rows, where no table of it is named. */
static void see_for_source(ProtobufCMessage *message, void *data)
{
    Search *search = data;
    if (message->descriptor != &pg_query__func_call__descriptor)
        return;
    const PgQuery__FuncCall *call = (PgQuery__FuncCall *)message;
    if (call->n_funcname > 0 &&
        strlist_has(&search->found->sources, sql_string(call->funcname[call->n_funcname - 1])))
        search->calls = true;
}

static void see_for_row(ProtobufCMessage *message, void *data)
{
    static const char why[] = "takes it from rows of a function, maybe";
    Search *search = data;
    const PgQuery__Node *last = NULL;
    if (message->descriptor == &pg_query__column_ref__descriptor) {
        const PgQuery__ColumnRef *ref = (PgQuery__ColumnRef *)message;
        last = ref->n_fields > 0 ? ref->fields[ref->n_fields - 1] : NULL;
    } else if (message->descriptor == &pg_query__a__indirection__descriptor) {
        const PgQuery__AIndirection *part = (PgQuery__AIndirection *)message;
        last = part->n_indirection > 0 ? part->indirection[0] : NULL;
    }
    if (last != NULL && (last->node_case == PG_QUERY__NODE__NODE_A_STAR || is_part(search, last)))
        note(search, COMPAT_MAY, why);
}

/* Which values are of the type only the database knows: whatever is called like its attribute. */
static void see_for_attribute(ProtobufCMessage *message, void *data)
{
    Search *search = data;
    const ProtobufCMessageDescriptor *type = message->descriptor;
    if (type == &pg_query__a__indirection__descriptor) {
        see_field(search, (PgQuery__AIndirection *)message);
    } else if (type == &pg_query__column_ref__descriptor) {
        const PgQuery__ColumnRef *ref = (PgQuery__ColumnRef *)message;
        if (ref->n_fields > 0 && is_part(search, ref->fields[ref->n_fields - 1]))
            note(search, COMPAT_MAY, "names a field like it");
    } else if (type == &pg_query__res_target__descriptor) {
        const PgQuery__ResTarget *target = (PgQuery__ResTarget *)message;
        for (size_t i = 0; i < target->n_indirection; i++) {
            if (is_part(search, target->indirection[i]))
                note(search, COMPAT_MAY, "writes a field like it");
        }
    } else if (type == &pg_query__type_name__descriptor) {
        const PgQuery__TypeName *name = (PgQuery__TypeName *)message;
        if (name->n_names > 0 &&
            strcmp(sql_string(name->names[name->n_names - 1]), search->taken->name) == 0)
            note(search, COMPAT_MAY, "names its type");
    }
}

static void see_for_column(ProtobufCMessage *message, void *data)
{
    Search *search = data;
    const ProtobufCMessageDescriptor *type = message->descriptor;
    if (type == &pg_query__column_ref__descriptor) {
        see_column(search, (PgQuery__ColumnRef *)message);
    } else if (type == &pg_query__insert_stmt__descriptor) {
        see_insert(search, (PgQuery__InsertStmt *)message);
    } else if (type == &pg_query__update_stmt__descriptor) {
        const PgQuery__UpdateStmt *update = (PgQuery__UpdateStmt *)message;
        if (is_mine(search, update->relation))
            see_targets(search, update->target_list, update->n_target_list);
    } else if (type == &pg_query__merge_when_clause__descriptor) {
        const PgQuery__MergeWhenClause *when = (PgQuery__MergeWhenClause *)message;
        see_targets(search, when->target_list, when->n_target_list);
    } else if (type == &pg_query__copy_stmt__descriptor) {
        see_copy(search, (PgQuery__CopyStmt *)message);
    } else if (type == &pg_query__join_expr__descriptor) {
        see_join(search, (PgQuery__JoinExpr *)message);
    } else if (type == &pg_query__a__indirection__descriptor) {
        see_field(search, (PgQuery__AIndirection *)message);
    }
}

static void see_name(Search *search, PgQuery__Node *const *items, size_t count, const char *why)
{
    if (count == 0)
        return;
    const char *schema = count > 1 ? sql_string(items[count - 2]) : "";
    if (search->taken->kind == TAKEN_SCHEMA) {
        if (strcmp(schema, search->taken->name) == 0)
            note(search, COMPAT_USES, why);
        return;
    }
    if (strcmp(sql_string(items[count - 1]), search->taken->name) != 0 ||
        !schema_fits(search, schema))
        return;
    if (search->found->twins)
        note(search, COMPAT_MAY, "another of that name may be meant");
    else
        note(search, COMPAT_USES, why);
}

static void see_for_name(ProtobufCMessage *message, void *data)
{
    Search *search = data;
    TakenKind kind = search->taken->kind;
    const ProtobufCMessageDescriptor *type = message->descriptor;
    bool schema = kind == TAKEN_SCHEMA;
    if (type == &pg_query__func_call__descriptor && (kind == TAKEN_FUNCTION || schema)) {
        const PgQuery__FuncCall *call = (PgQuery__FuncCall *)message;
        see_name(search, call->funcname, call->n_funcname, "calls it");
    } else if (type == &pg_query__type_name__descriptor && (kind == TAKEN_TYPE || schema)) {
        const PgQuery__TypeName *name = (PgQuery__TypeName *)message;
        see_name(search, name->names, name->n_names, "names it");
    } else if (type == &pg_query__range_var__descriptor && schema) {
        if (strcmp(((PgQuery__RangeVar *)message)->schemaname, search->taken->name) == 0)
            note(search, COMPAT_USES, "names it");
    } else if (type == &pg_query__a__const__descriptor && kind == TAKEN_LABEL) {
        const PgQuery__AConst *value = (PgQuery__AConst *)message;
        if (value->val_case == PG_QUERY__A__CONST__VAL_SVAL && value->sval != NULL &&
            strcmp(value->sval->sval, search->taken->part) == 0)
            note(search, COMPAT_MAY, "has a text like it");
    }
}

CompatSure query_uses(const Query *query, const Taken *taken, const CompatFound *found,
                      const char **ret_why)
{
    bool in_string = false;
    bool opaque = query->node == NULL || query->node->node_case == PG_QUERY__NODE__NODE_DO_STMT;
    if (opaque) {
        if ((!taken_is_attribute(taken) &&
             !names(query->arena, &query->tokens, taken->name, &in_string)) ||
            (taken->part[0] != '\0' &&
             !names(query->arena, &query->tokens, taken->part, &in_string)))
            return COMPAT_NOT;
        *ret_why = "pgtide's parser can't read it, and the name is in it";
        return COMPAT_UNKNOWN;
    }
    if (!is_use(query))
        return COMPAT_NOT;
    Search search = {.query = query, .taken = taken, .found = found};
    read_ranges(&search);
    if (taken->kind == TAKEN_RELATION || taken->kind == TAKEN_SEQUENCE) {
        if (search.mine.count > 0)
            note(&search, COMPAT_USES, "names it");
    } else if (taken->kind == TAKEN_COLUMN) {
        if (taken_is_attribute(taken))
            sql_walk(&query->node->base, see_for_attribute, &search);
        else if (search.mine.count > 0 &&
                 query->node->node_case == PG_QUERY__NODE__NODE_CREATE_STMT)
            see_create(&search, query->node->create_stmt);
        else if (search.mine.count > 0)
            sql_walk(&query->node->base, see_for_column, &search);
        else if (found->sources.count > 0)
            sql_walk(&query->node->base, see_for_source, &search);
        if (search.calls)
            sql_walk(&query->node->base, see_for_row, &search);
    } else {
        sql_walk(&query->node->base, see_for_name, &search);
    }
    *ret_why = search.why;
    return search.sure;
}

/* --- words ------------------------------------------------------------------------------------ */

static bool is_constant(const SqlTokens *tokens, const SqlToken *token)
{
    switch (token->token) {
    case PG_QUERY__TOKEN__SCONST:
    case PG_QUERY__TOKEN__USCONST:
    case PG_QUERY__TOKEN__BCONST:
    case PG_QUERY__TOKEN__XCONST:
    case PG_QUERY__TOKEN__FCONST:
    case PG_QUERY__TOKEN__ICONST:
        return true;
    default:
        return tokens->text[token->from] == '$' &&
               !isdigit((unsigned char)tokens->text[token->from + 1]);
    }
}

const char *query_shown(const Query *query)
{
    AUTO_STR Str shown = {0};
    const SqlTokens *tokens = &query->tokens;
    if (query->node == NULL || !is_use(query) || tokens->count == 0)
        return NULL;
    for (size_t i = 0; i < tokens->count; i++) {
        const SqlToken *token = &tokens->items[i];
        if (is_constant(tokens, token))
            return NULL;
        if (i > 0 && tokens->items[i - 1].to < token->from)
            str_append_char(&shown, ' ');
        if (shown.length < SHOWN_BYTES)
            str_append_bytes(&shown, tokens->text + token->from, token->to - token->from);
    }
    if (shown.length <= SHOWN_BYTES)
        return arena_strdup(query->arena, str_text(&shown));
    char *cut = arena_strndup(query->arena, str_text(&shown), SHOWN_BYTES);
    str_mend_utf8(cut);
    return arena_printf(query->arena, "%s...", cut);
}

const char *compat_sure_name(CompatSure sure)
{
    static const char *const names_of[COMPAT_SURE_COUNT] = {[COMPAT_NOT] = "does not use",
                                                            [COMPAT_UNKNOWN] = "unknown",
                                                            [COMPAT_MAY] = "may use",
                                                            [COMPAT_BY_NAME] = "by name",
                                                            [COMPAT_USES] = "uses"};
    return names_of[sure];
}
