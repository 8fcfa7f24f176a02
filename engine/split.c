#include "split.h"

#include "limits.h"

#include "postgres_fe.h"

#include "fe_utils/psqlscan.h"
#include "mb/pg_wchar.h"

#include <ctype.h>
#include <string.h>

typedef struct Splitter {
    Arena *arena;
    const char *file;
    const char *sql;
    size_t length;
    int first_line;
    size_t at; /* first byte not yet taken by a statement */
    StatementList list;
    size_t capacity;
} Splitter;

static int line_of(const Splitter *splitter, size_t offset)
{
    int line = splitter->first_line;
    for (size_t i = 0; i < offset; i++)
        line += splitter->sql[i] == '\n';
    return line;
}

/* Behind one run of white space or one comment at `at`; `at` itself when there is neither. */
static size_t skip_one(const char *sql, size_t at, size_t end)
{
    if (at < end && isspace((unsigned char)sql[at])) {
        while (at < end && isspace((unsigned char)sql[at]))
            at++;
    } else if (at + 1 < end && sql[at] == '-' && sql[at + 1] == '-') {
        while (at < end && sql[at] != '\n')
            at++;
    } else if (at + 1 < end && sql[at] == '/' && sql[at + 1] == '*') {
        int depth = 0;
        do {
            bool opens = at + 1 < end && sql[at] == '/' && sql[at + 1] == '*';
            bool closes = at + 1 < end && sql[at] == '*' && sql[at + 1] == '/';
            depth += opens ? 1 : closes ? -1 : 0;
            at += opens || closes ? 2 : 1;
        } while (depth > 0 && at < end);
    }
    return at;
}

static size_t skip_blank(const char *sql, size_t at, size_t end)
{
    size_t next;
    while ((next = skip_one(sql, at, end)) != at)
        at = next;
    return at;
}

/* The next word from `at`, upper case; leaves `at` behind it. */
static const char *word_read(Arena *arena, const char *text, size_t *at)
{
    *at = skip_blank(text, *at, strlen(text));
    size_t from = *at;
    while (isalnum((unsigned char)text[*at]) || text[*at] == '_')
        (*at)++;
    char *word = arena_strndup(arena, text + from, *at - from);
    for (char *c = word; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return word;
}

static bool has_word(const char *text, const char *wanted)
{
    AUTO_ARENA Arena *arena = arena_new();
    size_t at = 0;
    size_t length = strlen(text);
    while (at < length) {
        size_t before = at;
        if (strcmp(word_read(arena, text, &at), wanted) == 0)
            return true;
        if (at == before || !(isalnum((unsigned char)text[before]) || text[before] == '_'))
            at = at > before ? at : before + 1;
    }
    return false;
}

static bool is_copy_from_stdin(const Statement *statement)
{
    return strcmp(statement->first_keyword, "COPY") == 0 && has_word(statement->text, "FROM") &&
           has_word(statement->text, "STDIN");
}

static ErrCode statement_add(Splitter *splitter, size_t end, Error *err)
{
    size_t from = skip_blank(splitter->sql, splitter->at, end);
    size_t to = end;
    while (to > from &&
           (isspace((unsigned char)splitter->sql[to - 1]) || splitter->sql[to - 1] == ';'))
        to--;
    splitter->at = end;
    if (to == from)
        return ERR_OK;
    StatementList *list = &splitter->list;
    if (list->count == LIMIT_STATEMENTS_PER_SECTION)
        return err_set(err, ERR_LIMIT, "more than %d statements in one section",
                       LIMIT_STATEMENTS_PER_SECTION);
    if (list->count == splitter->capacity) {
        splitter->capacity = splitter->capacity == 0 ? 8 : splitter->capacity * 2;
        list->items = arena_grow(splitter->arena, list->items, list->count, splitter->capacity,
                                 sizeof *list->items);
    }
    Statement *statement = &list->items[list->count++];
    statement->text = arena_strndup(splitter->arena, splitter->sql + from, to - from);
    statement->line = line_of(splitter, from);
    size_t at = 0;
    statement->first_keyword = word_read(splitter->arena, statement->text, &at);
    statement->second_keyword = word_read(splitter->arena, statement->text, &at);
    if (is_copy_from_stdin(statement)) {
        err_set(err, ERR_SCRIPT, "COPY ... FROM STDIN can't be used in a revision yet");
        err_hint(err, "Write the rows as INSERT statements.");
        err_at(err, splitter->file, statement->line);
        return ERR_SCRIPT;
    }
    return ERR_OK;
}

/* Where the lexer stopped. It copies a statement's bytes from some place behind dropped blanks on,
 * so the copy is looked for there; nothing else may match. */
static size_t statement_end(const Splitter *splitter, PQExpBuffer copied)
{
    size_t at = splitter->at;
    for (;;) {
        if (at + copied->len <= splitter->length &&
            memcmp(splitter->sql + at, copied->data, copied->len) == 0)
            return at + copied->len;
        size_t next = skip_one(splitter->sql, at, splitter->length);
        if (next == at)
            return splitter->length;
        at = next;
    }
}

static ErrCode command_refuse(const Splitter *splitter, size_t offset, Error *err)
{
    char name[32];
    size_t from = offset;
    while (from < splitter->length && splitter->sql[from] != '\\')
        from++;
    size_t length = from < splitter->length ? strcspn(splitter->sql + from, " \t\r\n;") : 0;
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1),
             splitter->sql + from);
    err_set(err, ERR_SCRIPT, "psql command %s can't be used in a revision", name);
    err_hint(err, "Only SQL runs on shards; put what the command did into SQL.");
    err_at(err, splitter->file, line_of(splitter, from));
    return ERR_SCRIPT;
}

static const char *unterminated_name(promptStatus_t prompt)
{
    switch (prompt) {
    case PROMPT_SINGLEQUOTE:
        return "a quoted string";
    case PROMPT_DOUBLEQUOTE:
        return "a quoted identifier";
    case PROMPT_DOLLARQUOTE:
        return "a dollar-quoted string";
    case PROMPT_COMMENT:
        return "a comment";
    case PROMPT_PAREN:
        return "a parenthesis";
    default:
        return NULL;
    }
}

static ErrCode scan(Splitter *splitter, PsqlScanState state, PQExpBuffer buffer, Error *err)
{
    for (;;) {
        promptStatus_t prompt = PROMPT_READY;
        PsqlScanResult result = psql_scan(state, buffer, &prompt);
        size_t end = statement_end(splitter, buffer);
        if (result == PSCAN_BACKSLASH)
            return command_refuse(splitter, buffer->len == 0 ? splitter->at : end, err);
        if (result != PSCAN_SEMICOLON) {
            const char *open = unterminated_name(prompt);
            if (open != NULL) {
                size_t from = skip_blank(splitter->sql, splitter->at, splitter->length);
                err_set(err, ERR_SCRIPT, "%s is not closed", open);
                err_at(err, splitter->file, line_of(splitter, from));
                return ERR_SCRIPT;
            }
            return statement_add(splitter, splitter->length, err);
        }
        ErrCode code = statement_add(splitter, end, err);
        if (code != ERR_OK)
            return code;
        resetPQExpBuffer(buffer);
        psql_scan_reset(state);
    }
}

ErrCode sql_split(Arena *arena, const char *file, const char *sql, size_t length, int first_line,
                  StatementList *ret_list, Error *err)
{
    static const PsqlScanCallbacks callbacks = {NULL};
    Splitter splitter = {
        .arena = arena, .file = file, .sql = sql, .length = length, .first_line = first_line};
    PsqlScanState state = psql_scan_create(&callbacks);
    PQExpBuffer buffer = createPQExpBuffer();
    psql_scan_setup(state, sql, (int)length, PG_UTF8, true);
    ErrCode code = scan(&splitter, state, buffer, err);
    psql_scan_finish(state);
    psql_scan_destroy(state);
    destroyPQExpBuffer(buffer);
    if (code == ERR_OK)
        *ret_list = splitter.list;
    return code;
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(word, *words) == 0)
            return true;
    }
    return false;
}

bool statement_is_transaction_control(const Statement *statement)
{
    static const char *const words[] = {"BEGIN", "COMMIT",    "END",     "ROLLBACK",
                                        "ABORT", "SAVEPOINT", "RELEASE", NULL};
    if (is_one_of(statement->first_keyword, words))
        return true;
    bool transaction = strcmp(statement->second_keyword, "TRANSACTION") == 0;
    return transaction && (strcmp(statement->first_keyword, "START") == 0 ||
                           strcmp(statement->first_keyword, "PREPARE") == 0);
}

bool statement_needs_no_transaction(const Statement *statement)
{
    static const char *const always[] = {"VACUUM", NULL};
    static const char *const concurrent[] = {"CREATE", "DROP", "REINDEX", "ALTER", NULL};
    static const char *const clusterwide[] = {"DATABASE", "TABLESPACE", "SYSTEM", "SUBSCRIPTION",
                                              NULL};
    const char *first = statement->first_keyword;
    if (is_one_of(first, always))
        return true;
    if (!is_one_of(first, concurrent))
        return false;
    bool alter = strcmp(first, "ALTER") == 0;
    if (alter && strcmp(statement->second_keyword, "SYSTEM") == 0)
        return true;
    if (!alter && is_one_of(statement->second_keyword, clusterwide))
        return true;
    static const char *const indexes[] = {"INDEX", "UNIQUE", "TABLE", "SCHEMA", "DATABASE", NULL};
    bool can_be = is_one_of(statement->second_keyword, indexes) || strcmp(first, "REINDEX") == 0;
    return can_be && has_word(statement->text, "CONCURRENTLY");
}
