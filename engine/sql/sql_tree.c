#include "sql_tree.h"

#include <ctype.h>
#include <string.h>

/* --- reading and writing ---------------------------------------------------------------------- */

static void *tree_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void tree_free(void *arena, void *block)
{
    (void)arena;
    (void)block;
}

PgQuery__ParseResult *sql_tree(Arena *arena, const char *text)
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

const char *sql_deparse(Arena *arena, PgQuery__ParseResult *tree)
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

const char *sql_expression(Arena *arena, PgQuery__Node *expression)
{
    static const char select[] = "SELECT ";
    PgQuery__ParseResult *tree = sql_tree(arena, "SELECT 1");
    tree->stmts[0]->stmt->select_stmt->target_list[0]->res_target->val = expression;
    const char *text = sql_deparse(arena, tree);
    return text != NULL && str_starts_with(text, select) ? text + sizeof select - 1 : NULL;
}

/* --- tokens ----------------------------------------------------------------------------------- */

static void tokens_take(Arena *arena, const PgQuery__ScanResult *scanned, SqlTokens *tokens)
{
    size_t length = strlen(tokens->text);
    tokens->items = ARENA_ARRAY(arena, SqlToken, scanned->n_tokens + 1);
    for (size_t i = 0; i < scanned->n_tokens; i++) {
        const PgQuery__ScanToken *token = scanned->tokens[i];
        /* The scanner gives too short an end for some; between tokens there is only white space. */
        size_t to = i + 1 < scanned->n_tokens ? (size_t)scanned->tokens[i + 1]->start : length;
        while (to > 0 && isspace((unsigned char)tokens->text[to - 1]))
            to--;
        if (token->token != PG_QUERY__TOKEN__SQL_COMMENT &&
            token->token != PG_QUERY__TOKEN__C_COMMENT)
            tokens->items[tokens->count++] = (SqlToken){(size_t)token->start, to, token->token};
    }
}

SqlTokens sql_tokens(Arena *arena, const char *text)
{
    SqlTokens tokens = {.text = text};
    PgQueryScanResult scanned = pg_query_scan(text);
    PgQuery__ScanResult *list = NULL;
    if (scanned.error == NULL)
        list = pg_query__scan_result__unpack(NULL, scanned.pbuf.len,
                                             (const uint8_t *)scanned.pbuf.data);
    if (list != NULL) {
        tokens_take(arena, list, &tokens);
        pg_query__scan_result__free_unpacked(list, NULL);
    }
    pg_query_free_scan_result(scanned);
    return tokens;
}

const char *sql_slice(Arena *arena, const SqlTokens *tokens, size_t first, size_t end)
{
    if (first >= end)
        return "";
    size_t from = tokens->items[first].from;
    return arena_strndup(arena, tokens->text + from, tokens->items[end - 1].to - from);
}

size_t sql_token_at(const SqlTokens *tokens, size_t at)
{
    size_t index = 0;
    while (index < tokens->count && tokens->items[index].from < at)
        index++;
    return index;
}

bool sql_token_names(const char *token, const char *name)
{
    if (token[0] != '"')
        return strcasecmp(token, name) == 0;
    for (token++; *token != '\0' && *token == *name; token++, name++)
        token += *token == '"';
    return *name == '\0' && strcmp(token, "\"") == 0;
}

/* --- the tree --------------------------------------------------------------------------------- */

/* Of a field that holds messages: the first one and how many. */
static ProtobufCMessage *const *
field_messages(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, size_t *ret_count)
{
    char *base = (char *)message;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        *ret_count = *(size_t *)(void *)(base + field->quantifier_offset);
        return *(ProtobufCMessage ***)(void *)(base + field->offset);
    }
    bool chosen = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
                  *(uint32_t *)(void *)(base + field->quantifier_offset) == field->id;
    ProtobufCMessage *const *one = (ProtobufCMessage **)(void *)(base + field->offset);
    *ret_count = chosen && *one != NULL;
    return one;
}

void sql_walk(ProtobufCMessage *message, SqlVisit *visit, void *data)
{
    visit(message, data);
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        size_t count;
        ProtobufCMessage *const *items = field_messages(message, field, &count);
        for (size_t k = 0; k < count; k++)
            sql_walk(items[k], visit, data);
    }
}

const char *sql_string(const PgQuery__Node *node)
{
    return node != NULL && node->node_case == PG_QUERY__NODE__NODE_STRING ? node->string->sval : "";
}

SqlName sql_range_name(const PgQuery__RangeVar *range)
{
    return range == NULL ? (SqlName){"", ""} : (SqlName){range->schemaname, range->relname};
}

bool sql_name_equal(SqlName a, SqlName b)
{
    return strcmp(a.schema, b.schema) == 0 && strcmp(a.name, b.name) == 0;
}

/* --- columns ---------------------------------------------------------------------------------- */

typedef struct Columns {
    Arena *arena;
    StrList *found;
    const char *from;
    const char *to;
} Columns;

static void column_collect(ProtobufCMessage *message, void *data)
{
    const Columns *columns = data;
    if (message->descriptor != &pg_query__column_ref__descriptor)
        return;
    const PgQuery__ColumnRef *ref = (PgQuery__ColumnRef *)message;
    const char *name = ref->n_fields == 0 ? "" : sql_string(ref->fields[ref->n_fields - 1]);
    if (name[0] != '\0' && !strlist_has(columns->found, name))
        strlist_add(columns->arena, columns->found, name);
}

void sql_columns(Arena *arena, PgQuery__Node *expression, StrList *columns)
{
    Columns context = {.arena = arena, .found = columns};
    if (expression != NULL)
        sql_walk(&expression->base, column_collect, &context);
}

static void string_rename(const Columns *columns, PgQuery__Node *node)
{
    if (strcmp(sql_string(node), columns->from) == 0)
        node->string->sval = arena_strdup(columns->arena, columns->to);
}

static void column_rename(ProtobufCMessage *message, void *data)
{
    const Columns *columns = data;
    if (message->descriptor == &pg_query__column_ref__descriptor) {
        PgQuery__ColumnRef *ref = (PgQuery__ColumnRef *)message;
        if (ref->n_fields > 0)
            string_rename(columns, ref->fields[ref->n_fields - 1]);
    } else if (message->descriptor == &pg_query__index_elem__descriptor) {
        PgQuery__IndexElem *element = (PgQuery__IndexElem *)message;
        if (strcmp(element->name, columns->from) == 0)
            element->name = arena_strdup(columns->arena, columns->to);
    } else if (message->descriptor == &pg_query__constraint__descriptor) {
        PgQuery__Constraint *constraint = (PgQuery__Constraint *)message;
        for (size_t i = 0; i < constraint->n_fk_attrs; i++)
            string_rename(columns, constraint->fk_attrs[i]);
        for (size_t i = 0; i < constraint->n_fk_del_set_cols; i++)
            string_rename(columns, constraint->fk_del_set_cols[i]);
    }
}

void sql_rename_column(Arena *arena, PgQuery__ParseResult *tree, const char *from, const char *to)
{
    Columns context = {.arena = arena, .from = from, .to = to};
    sql_walk(&tree->base, column_rename, &context);
}

/* --- names ------------------------------------------------------------------------------------ */

static bool is_plain(const char *name)
{
    if (name[0] != '_' && !islower((unsigned char)name[0]))
        return false;
    for (const char *at = name; *at != '\0'; at++) {
        if (!islower((unsigned char)*at) && !isdigit((unsigned char)*at) && *at != '_')
            return false;
    }
    PgQueryScanResult scanned = pg_query_scan(name);
    bool plain = false;
    if (scanned.error == NULL) {
        PgQuery__ScanResult *list = pg_query__scan_result__unpack(
            NULL, scanned.pbuf.len, (const uint8_t *)scanned.pbuf.data);
        plain = list != NULL && list->n_tokens == 1 &&
                (list->tokens[0]->keyword_kind == PG_QUERY__KEYWORD_KIND__NO_KEYWORD ||
                 list->tokens[0]->keyword_kind == PG_QUERY__KEYWORD_KIND__UNRESERVED_KEYWORD);
        pg_query__scan_result__free_unpacked(list, NULL);
    }
    pg_query_free_scan_result(scanned);
    return plain;
}

static const char *quoted(Arena *arena, const char *text, char quote)
{
    AUTO_STR Str out = {0};
    if (quote == '\'' && strchr(text, '\\') != NULL)
        str_append_char(&out, 'E');
    str_append_char(&out, quote);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == quote || (quote == '\'' && *at == '\\'))
            str_append_char(&out, *at);
        str_append_char(&out, *at);
    }
    str_append_char(&out, quote);
    return arena_strdup(arena, str_text(&out));
}

const char *sql_ident(Arena *arena, const char *name)
{
    return is_plain(name) ? arena_strdup(arena, name) : quoted(arena, name, '"');
}

const char *sql_qualified(Arena *arena, SqlName name)
{
    return name.schema[0] == '\0' ? sql_ident(arena, name.name)
                                  : arena_printf(arena, "%s.%s", sql_ident(arena, name.schema),
                                                 sql_ident(arena, name.name));
}

const char *sql_literal(Arena *arena, const char *text)
{
    return quoted(arena, text, '\'');
}
