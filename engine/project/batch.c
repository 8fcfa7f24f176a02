#include "batch.h"

#include "clock.h"
#include "named_limits.h"

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char mark_comment[] = "/*+batch*/";

/* --- the annotation --------------------------------------------------------------------------- */

typedef struct Option {
    const char *name;
    const char *value; /* NULL = none */
} Option;

typedef struct OptionReader {
    Arena *arena;
    BatchOptions *options;
    Error *err;
} OptionReader;

/* One word of the annotation; blanks within double quotes belong to it. */
static bool next_option(Arena *arena, const char **at, Option *ret_option)
{
    const char *begin = *at + strspn(*at, " \t\r");
    const char *end = begin;
    for (bool quoted = false; *end != '\0' && (quoted || !isspace((unsigned char)*end)); end++)
        quoted = quoted != (*end == '"');
    *at = end;
    if (end == begin)
        return false;
    char *word = arena_strndup(arena, begin, (size_t)(end - begin));
    char *sign = strchr(word, '=');
    if (sign != NULL)
        *sign = '\0';
    *ret_option = (Option){.name = word, .value = sign == NULL ? NULL : sign + 1};
    return true;
}

/* An identifier as PostgreSQL reads it; NULL when there is none. */
static const char *read_identifier(Arena *arena, const char **at)
{
    AUTO_STR Str out = {0};
    const char *from = *at;
    if (*from == '"') {
        for (from++; *from != '\0' && (*from != '"' || from[1] == '"'); from++) {
            str_append_char(&out, *from);
            from += *from == '"';
        }
        if (*from != '"')
            return NULL;
        from++;
    } else {
        if (isdigit((unsigned char)*from))
            return NULL;
        for (; isalnum((unsigned char)*from) || *from == '_' || *from == '$' || (*from & 0x80);
             from++)
            str_append_char(&out, (char)tolower((unsigned char)*from));
    }
    *at = from;
    bool fits = out.length > 0 && out.length <= LIMIT_NAME_BYTES;
    return fits ? arena_strdup(arena, str_text(&out)) : NULL;
}

/* Identifiers with a separator between them, to the end of the text. */
static bool read_identifiers(Arena *arena, const char *text, char separator, StrList *ret)
{
    StrList list = {0};
    for (const char *at = text;; at++) {
        const char *name = read_identifier(arena, &at);
        if (name == NULL || (*at != '\0' && *at != separator))
            return false;
        strlist_add(arena, &list, name);
        if (*at == '\0')
            break;
    }
    *ret = list;
    return true;
}

static bool read_number(const char *text, uint64_t max, uint64_t *ret)
{
    char *end;
    if (!isdigit((unsigned char)*text) || strlen(text) > 19)
        return false;
    *ret = strtoull(text, &end, 10);
    return *end == '\0' && *ret > 0 && *ret <= max;
}

static bool read_size(const OptionReader *reader, const char *text)
{
    uint64_t size;
    bool valid = read_number(text, LIMIT_BATCH_ROWS, &size);
    if (valid)
        reader->options->size = (uint32_t)size;
    return valid;
}

static bool read_target(const OptionReader *reader, const char *text)
{
    uint64_t ms = 0;
    bool valid = strcmp(text, "none") == 0 ||
                 (duration_parse(text, &ms) && ms >= 1 && ms <= LIMIT_BATCH_TARGET_MS);
    if (valid)
        reader->options->target_ms = (int64_t)ms;
    return valid;
}

static bool read_pause(const OptionReader *reader, const char *text)
{
    uint64_t ms;
    bool valid = duration_parse(text, &ms) && ms <= LIMIT_BATCH_PAUSE_MS;
    if (valid)
        reader->options->pause_ms = (uint32_t)ms;
    return valid;
}

static bool read_batches(const OptionReader *reader, const char *text)
{
    return read_number(text, UINT32_MAX, &reader->options->batches_max);
}

static bool read_key(const OptionReader *reader, const char *text)
{
    StrList *key = &reader->options->key;
    bool valid = read_identifiers(reader->arena, text, ',', key) && key->count <= LIMIT_BATCH_KEY;
    for (size_t i = 0; valid && i < key->count; i++) {
        for (size_t k = 0; k < i; k++)
            valid = valid && strcmp(key->items[i], key->items[k]) != 0;
    }
    return valid;
}

static bool read_table(const OptionReader *reader, const char *text)
{
    StrList *table = &reader->options->table;
    return read_identifiers(reader->arena, text, '.', table) && table->count <= 2;
}

static bool read_alias(const OptionReader *reader, const char *text)
{
    StrList names;
    bool valid = read_identifiers(reader->arena, text, '.', &names) && names.count == 1;
    if (valid)
        reader->options->alias = names.items[0];
    return valid;
}

static bool read_until(const OptionReader *reader, const char *text)
{
    reader->options->form = BATCH_UNTIL_NO_ROWS;
    return strcmp(text, "no-rows") == 0;
}

typedef struct OptionRule {
    const char *name;
    bool (*read)(const OptionReader *reader, const char *text);
    const char *takes;
} OptionRule;

static const OptionRule rules[] = {
    {"key", read_key, "columns such as key=id or key=tenant,id"},
    {"table", read_table, "a table such as table=messages or table=app.messages"},
    {"alias", read_alias, "what the statement calls the table, such as alias=m"},
    {"size", read_size, "how many rows, from 1 to 10000000"},
    {"target", read_target, "a duration such as 200ms, up to 10m, or none"},
    {"pause", read_pause, "a duration such as 50ms, up to 1h"},
    {"until", read_until, "no-rows"},
    {"batches", read_batches, "how many batches at most, such as batches=5000"},
};
enum { RULE_COUNT = sizeof rules / sizeof rules[0] };

static ErrCode unknown_option(const OptionReader *reader, const char *name)
{
    const char *names[RULE_COUNT];
    for (size_t i = 0; i < RULE_COUNT; i++)
        names[i] = rules[i].name;
    const char *nearest = str_nearest(name, names, RULE_COUNT);
    err_set(reader->err, ERR_SCRIPT, "'-- +batch' has no '%.40s'", name);
    if (nearest != NULL)
        err_hint(reader->err, "Did you mean '%s='?", nearest);
    else
        err_hint(reader->err, "It takes key, table, alias, size, target, pause, until, batches.");
    return ERR_SCRIPT;
}

static ErrCode read_option(const OptionReader *reader, const Option *option, bool given[])
{
    size_t i = 0;
    while (i < RULE_COUNT && strcmp(rules[i].name, option->name) != 0)
        i++;
    if (i == RULE_COUNT)
        return unknown_option(reader, option->name);
    if (given[i])
        return err_set(reader->err, ERR_SCRIPT, "'%s=' stands twice in '-- +batch'", option->name);
    given[i] = true;
    if (option->value == NULL || !rules[i].read(reader, option->value)) {
        err_set(reader->err, ERR_SCRIPT, "'%s=%.60s' can't be read in '-- +batch'", option->name,
                option->value == NULL ? "" : option->value);
        err_hint(reader->err, "It takes %s.", rules[i].takes);
        return ERR_SCRIPT;
    }
    return ERR_OK;
}

static ErrCode check_options(const OptionReader *reader)
{
    const BatchOptions *options = reader->options;
    bool until = options->form == BATCH_UNTIL_NO_ROWS;
    if (until && (options->key.count > 0 || options->alias[0] != '\0')) {
        err_set(reader->err, ERR_SCRIPT, "'-- +batch' takes key= or until=, not both");
        err_hint(reader->err, "With a key each row is visited once; until=no-rows repeats the "
                              "statement as it stands.");
    } else if (!until && options->batches_max > 0) {
        err_set(reader->err, ERR_SCRIPT, "'batches=' belongs to until=no-rows");
        err_hint(reader->err, "Batches over a key end with the last key.");
    } else if (!until && (options->key.count == 0 || options->table.count == 0)) {
        err_set(reader->err, ERR_SCRIPT,
                "'-- +batch' needs %s=", options->key.count == 0 ? "key" : "table");
        err_hint(reader->err, "Write `-- +batch key=COLUMN table=TABLE`, with a unique key of the "
                              "table, or `-- +batch until=no-rows`.");
    } else {
        return ERR_OK;
    }
    return ERR_SCRIPT;
}

ErrCode batch_options_parse(Arena *arena, const char *text, const BatchOptions **ret_options,
                            Error *err)
{
    BatchOptions *options = ARENA_NEW(arena, BatchOptions);
    options->alias = "";
    options->target_ms = -1;
    OptionReader reader = {.arena = arena, .options = options, .err = err};
    bool given[RULE_COUNT] = {false};
    Option option;
    while (next_option(arena, &text, &option)) {
        ErrCode code = read_option(&reader, &option, given);
        if (code != ERR_OK)
            return code;
    }
    ErrCode code = check_options(&reader);
    if (code == ERR_OK)
        *ret_options = options;
    return code;
}

/* --- the mark --------------------------------------------------------------------------------- */

typedef struct BatchMaker {
    Arena *arena;
    const char *file;
    const Statement *statement;
    Batch *batch;
    Error *err;
} BatchMaker;

static ErrCode refuse(const BatchMaker *maker, const char *hint)
{
    err_hint(maker->err, "%s", hint);
    statement_place_error(maker->err, maker->file, maker->statement, 0);
    return ERR_SCRIPT;
}

static bool token_is(const PgQuery__ScanToken *token, const char *sql, const char *text)
{
    size_t length = strlen(text);
    return (size_t)(token->end - token->start) == length &&
           strncasecmp(sql + token->start, text, length) == 0;
}

/* Finds the marks and keeps the first; false when a mark is not before what it must stand before.
 */
static bool find_marks(const BatchMaker *maker, const PgQuery__ScanResult *tokens,
                       size_t *ret_count)
{
    Batch *batch = maker->batch;
    const char *sql = maker->statement->text;
    bool ranges = batch->options->form == BATCH_RANGES;
    *ret_count = 0;
    for (size_t i = 0; i < tokens->n_tokens; i++) {
        if (tokens->tokens[i]->token != PG_QUERY__TOKEN__C_COMMENT ||
            !token_is(tokens->tokens[i], sql, mark_comment))
            continue;
        const PgQuery__ScanToken *next = i + 1 < tokens->n_tokens ? tokens->tokens[i + 1] : NULL;
        bool right = next != NULL && (ranges ? token_is(next, sql, "true")
                                             : next->token == PG_QUERY__TOKEN__ICONST);
        if (!right)
            return false;
        if ((*ret_count)++ > 0)
            continue;
        batch->has_mark = true;
        batch->mark_at = (size_t)tokens->tokens[i]->start;
        batch->mark_length = (size_t)next->end - batch->mark_at;
        if (!ranges)
            batch->size = (uint32_t)strtoul(sql + next->start, NULL, 10);
    }
    return true;
}

static ErrCode check_marks(const BatchMaker *maker, bool well_placed, size_t count)
{
    const Batch *batch = maker->batch;
    bool ranges = batch->options->form == BATCH_RANGES;
    if (!well_placed) {
        err_set(maker->err, ERR_SCRIPT, "%s must stand before %s", mark_comment,
                ranges ? "true" : "the number of its LIMIT");
    } else if (count > 1 || (ranges && count == 0)) {
        err_set(maker->err, ERR_SCRIPT, "the statement has %s%s",
                count == 0 ? "no " : "more than one ", mark_comment);
    } else if (count > 0 && !ranges && (batch->size == 0 || batch->size > LIMIT_BATCH_ROWS)) {
        err_set(maker->err, ERR_SCRIPT, "a batch has from 1 to %d rows", LIMIT_BATCH_ROWS);
    } else if (!ranges && batch->options->size > 0) {
        err_set(maker->err, ERR_SCRIPT, "with until=no-rows the statement's LIMIT is its size");
    } else {
        return ERR_OK;
    }
    return refuse(maker, ranges ? "Write it once into the WHERE clause: `WHERE /*+batch*/ true AND "
                                  "...`. The range of keys of each batch takes its place."
                                : "Write the size there: `LIMIT /*+batch*/ 10000`, where it is to "
                                  "adapt, or `LIMIT 10000`.");
}

static ErrCode take_mark(const BatchMaker *maker)
{
    PgQueryScanResult scanned = pg_query_scan(maker->statement->text);
    PgQuery__ScanResult *tokens = NULL;
    size_t count = 0;
    bool well_placed = true;
    if (scanned.error == NULL)
        tokens = pg_query__scan_result__unpack(NULL, scanned.pbuf.len,
                                               (const uint8_t *)scanned.pbuf.data);
    if (tokens != NULL) {
        well_placed = find_marks(maker, tokens, &count);
        pg_query__scan_result__free_unpacked(tokens, NULL);
    }
    pg_query_free_scan_result(scanned);
    return check_marks(maker, well_placed, count);
}

/* --- the table in the statement --------------------------------------------------------------- */

enum { TREE_DEPTH_MAX = 500 };

typedef struct TableSearch {
    Arena *arena;
    const StrList *table;
    StrList names; /* what the table is called where it stands, each once */
} TableSearch;

static void search_tree(TableSearch *search, const ProtobufCMessage *message, int depth);

/* As far as the statement tells: names without a schema may be those of any. */
static bool is_table(const PgQuery__RangeVar *range, const StrList *table)
{
    const char *schema = table->count > 1 ? table->items[0] : "";
    return strcmp(range->relname, table->items[table->count - 1]) == 0 &&
           (schema[0] == '\0' || range->schemaname[0] == '\0' ||
            strcmp(range->schemaname, schema) == 0);
}

static const char *range_called(const PgQuery__RangeVar *range)
{
    return range->alias != NULL ? range->alias->aliasname : range->relname;
}

static void take_range(TableSearch *search, const PgQuery__RangeVar *range)
{
    const char *called = range_called(range);
    if (is_table(range, search->table) && !strlist_has(&search->names, called))
        strlist_add(search->arena, &search->names, called);
}

static void search_field(TableSearch *search, const ProtobufCFieldDescriptor *field,
                         const uint8_t *at, const uint8_t *quantifier, int depth)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        search_tree(search, *(const ProtobufCMessage *const *)(const void *)at, depth);
        return;
    }
    size_t count = *(const size_t *)(const void *)quantifier;
    const ProtobufCMessage *const *items =
        *(const ProtobufCMessage *const *const *)(const void *)at;
    for (size_t i = 0; i < count; i++)
        search_tree(search, items[i], depth);
}

static void search_tree(TableSearch *search, const ProtobufCMessage *message, int depth)
{
    if (message == NULL || depth > TREE_DEPTH_MAX)
        return;
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    const uint8_t *base = (const uint8_t *)message;
    if (descriptor == &pg_query__range_var__descriptor)
        take_range(search, (const PgQuery__RangeVar *)(const void *)message);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const uint8_t *quantifier = base + field->quantifier_offset;
        bool oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE ||
            (oneof && *(const uint32_t *)(const void *)quantifier != field->id))
            continue;
        search_field(search, field, base + field->offset, quantifier, depth + 1);
    }
}

/* What the statement changes; NULL when it changes no rows of a table. */
static const PgQuery__RangeVar *target_of(const PgQuery__Node *node)
{
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
        return node->update_stmt->relation;
    case PG_QUERY__NODE__NODE_DELETE_STMT:
        return node->delete_stmt->relation;
    case PG_QUERY__NODE__NODE_INSERT_STMT:
        return node->insert_stmt->relation;
    default:
        return NULL;
    }
}

static const char *quote(Arena *arena, const char *name)
{
    AUTO_STR Str out = {0};
    str_append_char(&out, '"');
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '"')
            str_append_char(&out, '"');
        str_append_char(&out, *at);
    }
    str_append_char(&out, '"');
    return arena_strdup(arena, str_text(&out));
}

/* The one name that the table has in the statement goes before the key's columns. */
static ErrCode find_alias(const BatchMaker *maker, const PgQuery__Node *node)
{
    Batch *batch = maker->batch;
    TableSearch search = {.arena = maker->arena, .table = &batch->options->table};
    search_tree(&search, &node->base, 0);
    if (search.names.count == 1) {
        batch->alias = quote(maker->arena, search.names.items[0]);
        return ERR_OK;
    }
    const char *table = strlist_join(maker->arena, &batch->options->table, ".");
    if (search.names.count == 0) {
        err_set(maker->err, ERR_SCRIPT, "table %.100s is not in the statement", table);
        return refuse(maker, "`table=` names the one whose rows are visited: it stands in the "
                             "statement, beside /*+batch*/ true.");
    }
    err_set(maker->err, ERR_SCRIPT, "table %.100s is in the statement as %.80s", table,
            strlist_join(maker->arena, &search.names, " and "));
    return refuse(maker, "Say which one's rows are visited: `alias=NAME`.");
}

/* A row whose key moves ahead of the batches would be changed by them again. */
static ErrCode check_key(const BatchMaker *maker, const PgQuery__Node *node)
{
    const BatchOptions *options = maker->batch->options;
    if (node->node_case != PG_QUERY__NODE__NODE_UPDATE_STMT)
        return ERR_OK;
    const PgQuery__UpdateStmt *update = node->update_stmt;
    const char *called = quote(maker->arena, range_called(update->relation));
    if (!is_table(update->relation, &options->table) && strcmp(called, maker->batch->alias) != 0)
        return ERR_OK;
    for (size_t i = 0; i < update->n_target_list; i++) {
        const char *column = update->target_list[i]->res_target->name;
        if (!strlist_has(&options->key, column))
            continue;
        err_set(maker->err, ERR_SCRIPT, "the statement changes %.80s, the key of its batches",
                column);
        return refuse(maker, "Rows that it moves ahead would be changed again. Go by another "
                             "unique key, or write it as one statement without '-- +batch'.");
    }
    return ERR_OK;
}

static ErrCode take_tables(const BatchMaker *maker, const PgQuery__ParseResult *tree)
{
    Batch *batch = maker->batch;
    bool ranges = batch->options->form == BATCH_RANGES;
    const PgQuery__Node *node = tree->n_stmts == 1 ? tree->stmts[0]->stmt : NULL;
    const PgQuery__RangeVar *target = node == NULL ? NULL : target_of(node);
    if (target == NULL) {
        err_set(maker->err, ERR_SCRIPT, "'-- +batch' takes an UPDATE, DELETE or INSERT");
        return refuse(maker, "What is to happen once needs no batches.");
    }
    if (ranges) {
        ErrCode code = batch->alias == NULL ? find_alias(maker, node) : ERR_OK;
        return code == ERR_OK ? check_key(maker, node) : code;
    }
    if (batch->table.count == 0) {
        if (target->schemaname[0] != '\0')
            strlist_add(maker->arena, &batch->table, target->schemaname);
        strlist_add(maker->arena, &batch->table, target->relname);
    }
    return ERR_OK;
}

/* libpg_query may be older than the server: then what it would tell must be said. */
static ErrCode check_unread(const BatchMaker *maker)
{
    static const char *const keywords[] = {"UPDATE", "DELETE", "INSERT", "WITH", NULL};
    const Batch *batch = maker->batch;
    const char *keyword = maker->statement->first_keyword;
    size_t i = 0;
    while (keywords[i] != NULL && strcmp(keywords[i], keyword) != 0)
        i++;
    bool told =
        batch->options->form == BATCH_RANGES ? batch->alias != NULL : batch->table.count > 0;
    if (keywords[i] != NULL && told)
        return ERR_OK;
    err_set(maker->err, ERR_SCRIPT, "the statement of '-- +batch' can't be read");
    return refuse(maker, "If PostgreSQL takes it, say what can't be found out: `alias=NAME`, what "
                         "it calls its table, or with until=no-rows `table=NAME`.");
}

static ErrCode read_tables(const BatchMaker *maker)
{
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(maker->statement->text);
    PgQuery__ParseResult *tree = NULL;
    if (parsed.error == NULL)
        tree = pg_query__parse_result__unpack(NULL, parsed.parse_tree.len,
                                              (const uint8_t *)parsed.parse_tree.data);
    pg_query_free_protobuf_parse_result(parsed);
    ErrCode code = tree == NULL ? check_unread(maker) : take_tables(maker, tree);
    if (tree != NULL)
        pg_query__parse_result__free_unpacked(tree, NULL);
    return code;
}

ErrCode batch_make(Arena *arena, const char *file, const Statement *statement,
                   const Batch **ret_batch, Error *err)
{
    enum { SIZE_DEFAULT = 1000 };
    const BatchOptions *options = statement->batch;
    Batch *batch = ARENA_NEW(arena, Batch);
    batch->options = options;
    batch->statement = statement;
    batch->table = strlist_copy(arena, &options->table);
    batch->alias = options->alias[0] == '\0' ? NULL : quote(arena, options->alias);
    BatchMaker maker = {
        .arena = arena, .file = file, .statement = statement, .batch = batch, .err = err};
    ErrCode code = take_mark(&maker);
    if (code == ERR_OK)
        code = read_tables(&maker);
    if (code != ERR_OK)
        return code;
    if (options->form == BATCH_RANGES)
        batch->size = options->size > 0 ? options->size : SIZE_DEFAULT;
    *ret_batch = batch;
    return ERR_OK;
}

/* --- what is sent ----------------------------------------------------------------------------- */

static void append_columns(Str *out, const char *alias, const BatchRange *range)
{
    str_append(out, "(");
    for (size_t i = 0; i < range->column_count; i++)
        str_printf(out, "%s%s%s%s", i == 0 ? "" : ", ", alias == NULL ? "" : alias,
                   alias == NULL ? "" : ".", range->columns[i].name);
    str_append(out, ")");
}

static void append_values(Str *out, const BatchRange *range, const char *const *values)
{
    str_append(out, "(");
    for (size_t i = 0; i < range->column_count; i++)
        str_printf(out, "%s%s::%s", i == 0 ? "" : ", ", values[i], range->columns[i].type);
    str_append(out, ")");
}

const char *batch_condition(Arena *arena, const char *alias, const BatchRange *range)
{
    AUTO_STR Str out = {0};
    str_append(&out, "(");
    if (range->from != NULL) {
        append_columns(&out, alias, range);
        str_printf(&out, " OPERATOR(%s.>) ", range->operators);
        append_values(&out, range, range->from);
        str_append(&out, " AND ");
    }
    append_columns(&out, alias, range);
    str_printf(&out, " OPERATOR(%s.<=) ", range->operators);
    append_values(&out, range, range->to);
    str_append(&out, ")");
    return arena_strdup(arena, str_text(&out));
}

Statement batch_statement(Arena *arena, const Batch *batch, const char *replacement)
{
    Statement made = *batch->statement;
    if (!batch->has_mark)
        return made;
    const char *text = made.text;
    size_t length = strlen(replacement);
    made.text = arena_printf(arena, "%.*s%s%s", (int)batch->mark_at, text, replacement,
                             text + batch->mark_at + batch->mark_length);
    Replaced *parts = ARENA_ARRAY(arena, Replaced, made.replaced_count + 1);
    size_t count = 0;
    size_t i = 0;
    for (; i < made.replaced_count && made.replaced[i].at < batch->mark_at; i++)
        parts[count++] = made.replaced[i];
    parts[count++] = (Replaced){batch->mark_at, length, batch->mark_length};
    for (; i < made.replaced_count; i++) {
        parts[count] = made.replaced[i];
        parts[count++].at += length - batch->mark_length;
    }
    made.replaced = parts;
    made.replaced_count = count;
    return made;
}
