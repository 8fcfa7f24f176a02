#include "split.h"

#include "named_limits.h"

#include "postgres_fe.h"

#include "fe_utils/psqlscan.h"
#include "mb/pg_wchar.h"

#include <string.h>

/* --- tokens, as far as forms of statements need them ------------------------------------------ */

enum { WORD_SIZE = 32 }; /* longer than any keyword; longer words are cut */

typedef struct Words {
    const char *at;
    int depth;            /* of parentheses */
    char word[WORD_SIZE]; /* upper case; '' for what is no unquoted word */
} Words;

static bool is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_word_part(char c)
{
    return is_word_start(c) || (c >= '0' && c <= '9') || c == '$';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static const char *skip_line_comment(const char *at)
{
    while (*at != '\0' && *at != '\n' && *at != '\r')
        at++;
    return at;
}

static const char *skip_block_comment(const char *at)
{
    int depth = 0;
    while (*at != '\0') {
        if (at[0] == '/' && at[1] == '*') {
            depth++;
            at += 2;
        } else if (at[0] == '*' && at[1] == '/') {
            at += 2;
            if (--depth == 0)
                break;
        } else {
            at++;
        }
    }
    return at;
}

static const char *skip_blank(const char *at)
{
    for (;;) {
        if (is_space(*at))
            at++;
        else if (at[0] == '-' && at[1] == '-')
            at = skip_line_comment(at);
        else if (at[0] == '/' && at[1] == '*')
            at = skip_block_comment(at);
        else
            return at;
    }
}

static const char *skip_quoted(const char *at, bool backslashes)
{
    char quote = *at++;
    while (*at != '\0') {
        if (backslashes && at[0] == '\\' && at[1] != '\0')
            at += 2;
        else if (at[0] == quote && at[1] == quote)
            at += 2;
        else if (*at++ == quote)
            break;
    }
    return at;
}

/* "$tag$ ... $tag$"; NULL when no dollar quote begins here. */
static const char *skip_dollar_quoted(const char *at)
{
    const char *end = at + 1;
    if (is_word_start(*end)) {
        while (is_word_part(*end) && *end != '$')
            end++;
    }
    if (*end != '$')
        return NULL;
    size_t length = (size_t)(end + 1 - at);
    for (const char *close = end + 1; (close = strchr(close, '$')) != NULL; close++) {
        if (strncmp(close, at, length) == 0)
            return close + length;
    }
    return at + strlen(at);
}

static void word_take(Words *words)
{
    size_t length = 0;
    const char *at = words->at;
    for (; is_word_part(*at); at++) {
        if (length + 1 < WORD_SIZE)
            words->word[length++] = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
    }
    words->word[length] = '\0';
    if (*at == '\'' && (strcmp(words->word, "E") == 0))
        at = skip_quoted(at, true);
    words->at = at;
}

/* The next token; `word` stays empty for quoted things, numbers and punctuation. */
static bool words_next(Words *words)
{
    const char *at = skip_blank(words->at);
    words->at = at;
    words->word[0] = '\0';
    if (*at == '\0')
        return false;
    const char *after = *at == '$' ? skip_dollar_quoted(at) : NULL;
    if (after != NULL) {
        words->at = after;
    } else if (is_word_start(*at)) {
        word_take(words);
    } else if (*at == '\'' || *at == '"') {
        words->at = skip_quoted(at, false);
    } else if (*at >= '0' && *at <= '9') {
        while (is_word_part(*words->at) || *words->at == '.')
            words->at++;
    } else {
        words->depth += *at == '(' ? 1 : (*at == ')' ? -1 : 0);
        words->at++;
    }
    return true;
}

static bool word_is(const char *word, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strcmp(word, *list) == 0)
            return true;
    }
    return false;
}

/* `first` directly followed by `second`, outside of parentheses. */
static bool has_pair(const char *text, const char *first, const char *second)
{
    Words words = {.at = text};
    bool after_first = false;
    while (words_next(&words)) {
        if (after_first && strcmp(words.word, second) == 0)
            return true;
        after_first = words.depth == 0 && strcmp(words.word, first) == 0;
    }
    return false;
}

static bool has_word(const char *text, const char *word)
{
    Words words = {.at = text};
    while (words_next(&words)) {
        if (strcmp(words.word, word) == 0)
            return true;
    }
    return false;
}

/* --- forms ------------------------------------------------------------------------------------ */

bool statement_is_transaction_control(const Statement *statement)
{
    static const char *const words[] = {"BEGIN",     "COMMIT",  "END",   "ROLLBACK", "ABORT",
                                        "SAVEPOINT", "RELEASE", "START", NULL};
    return word_is(statement->first_keyword, words) ||
           (strcmp(statement->first_keyword, "PREPARE") == 0 &&
            strcmp(statement->second_keyword, "TRANSACTION") == 0);
}

bool statement_is_concurrent(const Statement *statement)
{
    const char *first = statement->first_keyword;
    const char *second = statement->second_keyword;
    if (strcmp(first, "CREATE") == 0 && strcmp(second, "INDEX") != 0 &&
        strcmp(second, "UNIQUE") != 0)
        return false;
    if (strcmp(first, "CREATE") == 0 ||
        (strcmp(first, "DROP") == 0 && strcmp(second, "INDEX") == 0))
        return has_pair(statement->text, "INDEX", "CONCURRENTLY");
    if (strcmp(first, "REINDEX") == 0)
        return has_word(statement->text, "CONCURRENTLY");
    return strcmp(first, "ALTER") == 0 && strcmp(second, "TABLE") == 0 &&
           has_pair(statement->text, "DETACH", "PARTITION") &&
           has_word(statement->text, "CONCURRENTLY");
}

/* REINDEX SCHEMA, DATABASE and SYSTEM commit table by table. */
static bool reindexes_many(const Statement *statement)
{
    static const char *const kinds[] = {"SCHEMA", "DATABASE", "SYSTEM", NULL};
    Words words = {.at = statement->text};
    words_next(&words);
    while (words_next(&words)) {
        if (words.depth == 0 && words.word[0] != '\0')
            return word_is(words.word, kinds);
    }
    return false;
}

bool statement_needs_no_transaction(const Statement *statement)
{
    static const char *const objects[] = {"DATABASE", "TABLESPACE", "SUBSCRIPTION", NULL};
    const char *first = statement->first_keyword;
    const char *second = statement->second_keyword;
    if (statement_is_concurrent(statement) || strcmp(first, "VACUUM") == 0)
        return true;
    if (strcmp(first, "REINDEX") == 0)
        return reindexes_many(statement);
    if (strcmp(first, "CREATE") == 0 || strcmp(first, "DROP") == 0)
        return word_is(second, objects);
    if (strcmp(first, "ALTER") == 0)
        return strcmp(second, "SYSTEM") == 0 ||
               (strcmp(second, "DATABASE") == 0 && has_pair(statement->text, "SET", "TABLESPACE"));
    if (strcmp(first, "DISCARD") == 0)
        return strcmp(second, "ALL") == 0;
    return strcmp(first, "CLUSTER") == 0 && second[0] == '\0' &&
           *skip_blank(statement->text + strlen("CLUSTER")) == '\0';
}

/* --- splitting -------------------------------------------------------------------------------- */

static const PsqlScanCallbacks no_variables;

typedef struct Splitter {
    Arena *arena;
    const char *file;
    const char *at; /* where the present statement's text begins */
    const char *counted;
    int line; /* of `counted` */
    PsqlScanState scan;
    PQExpBufferData buffer; /* what the scanner made of it */
    StatementList list;
    size_t capacity;
    Error *err;
} Splitter;

static int line_of(Splitter *splitter, const char *place)
{
    for (; splitter->counted < place; splitter->counted++)
        splitter->line += *splitter->counted == '\n';
    return splitter->line;
}

static ErrCode refuse(Splitter *splitter, const char *place, const char *what, const char *hint)
{
    err_set(splitter->err, ERR_SCRIPT, "%s", what);
    if (hint != NULL)
        err_hint(splitter->err, "%s", hint);
    err_at(splitter->err, splitter->file, line_of(splitter, place));
    return ERR_SCRIPT;
}

static ErrCode refuse_backslash(Splitter *splitter, const char *place)
{
    char what[96];
    size_t length = *place == '\\' && place[1] == ';' ? 2 : strcspn(place, " \t\r\n;");
    snprintf(what, sizeof what, "psql command %.*s can't be used in a revision",
             (int)(length < 30 ? length : 30), place);
    return refuse(splitter, place, what, "Only SQL runs on shards; put what it did into SQL.");
}

static ErrCode statement_check(Splitter *splitter, const Statement *statement, const char *place)
{
    if (strcmp(statement->first_keyword, "COPY") != 0)
        return ERR_OK;
    if (has_pair(statement->text, "FROM", "STDIN"))
        return refuse(splitter, place, "COPY ... FROM STDIN can't be used in a revision yet",
                      "Write the rows as INSERT statements.");
    return ERR_OK;
}

/* Adds sql[begin, end) when there is more in it than blanks, comments and a semicolon. */
static ErrCode statement_add(Splitter *splitter, const char *begin, const char *end)
{
    if (end > begin && end[-1] == ';')
        end--;
    while (end > begin && is_space(end[-1]))
        end--;
    const char *first = skip_blank(begin);
    if (first >= end)
        return ERR_OK;
    if (splitter->list.count == LIMIT_STATEMENTS_PER_SECTION)
        return err_set(splitter->err, ERR_LIMIT, "more than %d statements in one section of %s",
                       LIMIT_STATEMENTS_PER_SECTION, splitter->file);
    Statement statement = {
        .text = arena_strndup(splitter->arena, first, (size_t)(end - first)),
        .line = line_of(splitter, first),
        .first_keyword = "",
        .second_keyword = "",
    };
    Words words = {.at = statement.text};
    if (words_next(&words) && words.word[0] != '\0') {
        statement.first_keyword = arena_strdup(splitter->arena, words.word);
        words_next(&words);
        statement.second_keyword = arena_strdup(splitter->arena, words.word);
    }
    ErrCode code = statement_check(splitter, &statement, first);
    if (code != ERR_OK)
        return code;
    if (splitter->list.count == splitter->capacity) {
        size_t capacity = splitter->capacity == 0 ? 8 : 2 * splitter->capacity;
        splitter->list.items = arena_grow(splitter->arena, splitter->list.items,
                                          splitter->list.count, capacity, sizeof statement);
        splitter->capacity = capacity;
    }
    splitter->list.items[splitter->list.count++] = statement;
    return ERR_OK;
}

static ErrCode unterminated(Splitter *splitter, promptStatus_t prompt)
{
    static const char *const open[] = {
        [PROMPT_SINGLEQUOTE] = "a quoted string is not closed",
        [PROMPT_DOUBLEQUOTE] = "a quoted identifier is not closed",
        [PROMPT_DOLLARQUOTE] = "a dollar-quoted string is not closed",
        [PROMPT_COMMENT] = "a comment is not closed",
        [PROMPT_PAREN] = "a parenthesis is not closed",
    };
    const char *what = (size_t)prompt < sizeof open / sizeof open[0] ? open[prompt] : NULL;
    if (what == NULL)
        return ERR_OK;
    /* a comment that is never closed is blank to its end: name where it begins instead */
    const char *place = prompt == PROMPT_COMMENT ? splitter->at : skip_blank(splitter->at);
    return refuse(splitter, place, what, NULL);
}

/*
 * The scanner gives its text verbatim but for leading blanks and line comments, which it drops, and
 * for psql's own escapes (\; and :{?name}), which it rewrites. So skipping those blanks finds the
 * statement's place in the source, and a difference there is such an escape.
 */
static ErrCode scanned(Splitter *splitter, const char **ret_end)
{
    const char *at = splitter->at;
    for (;;) {
        if (is_space(*at))
            at++;
        else if (at[0] == '-' && at[1] == '-')
            at = skip_line_comment(at);
        else
            break;
    }
    size_t length = splitter->buffer.len;
    size_t same = 0;
    while (same < length && at[same] == splitter->buffer.data[same])
        same++;
    if (same < length)
        return refuse_backslash(splitter, at + same);
    splitter->at = at;
    *ret_end = at + length;
    return ERR_OK;
}

static ErrCode split_all(Splitter *splitter)
{
    for (;;) {
        promptStatus_t prompt = PROMPT_READY;
        resetPQExpBuffer(&splitter->buffer);
        PsqlScanResult result = psql_scan(splitter->scan, &splitter->buffer, &prompt);
        if (PQExpBufferDataBroken(splitter->buffer))
            die_out_of_memory();
        const char *end;
        ErrCode code = scanned(splitter, &end);
        if (code != ERR_OK)
            return code;
        if (result == PSCAN_BACKSLASH)
            return refuse_backslash(splitter, end);
        bool last = result != PSCAN_SEMICOLON;
        if (last)
            code = unterminated(splitter, prompt);
        if (code == ERR_OK)
            code = statement_add(splitter, splitter->at, end);
        if (code != ERR_OK || last)
            return code;
        splitter->at = end;
    }
}

ErrCode sql_split(Arena *arena, const char *file, const char *sql, size_t length, int first_line,
                  StatementList *ret_list, Error *err)
{
    const char *copy = arena_strndup(arena, sql, length);
    Splitter splitter = {
        .arena = arena,
        .file = file,
        .at = copy,
        .counted = copy,
        .line = first_line,
        .scan = psql_scan_create(&no_variables),
        .err = err,
    };
    initPQExpBuffer(&splitter.buffer);
    psql_scan_setup(splitter.scan, copy, (int)length, PG_UTF8, true);
    ErrCode code = split_all(&splitter);
    psql_scan_finish(splitter.scan);
    psql_scan_destroy(splitter.scan);
    termPQExpBuffer(&splitter.buffer);
    if (code == ERR_OK)
        *ret_list = splitter.list;
    return code;
}

/* --- piece by piece --------------------------------------------------------------------------- */

struct SqlLines {
    PsqlScanState scan;
    PQExpBufferData buffer;
    promptStatus_t prompt;
};

SqlLines *sql_lines_new(void)
{
    SqlLines *lines = xcalloc(1, sizeof *lines);
    lines->scan = psql_scan_create(&no_variables);
    lines->prompt = PROMPT_READY;
    initPQExpBuffer(&lines->buffer);
    return lines;
}

void sql_lines_free(SqlLines *lines)
{
    if (lines == NULL)
        return;
    psql_scan_destroy(lines->scan);
    termPQExpBuffer(&lines->buffer);
    free(lines);
}

void sql_lines_feed(SqlLines *lines, const char *text, size_t length)
{
    PsqlScanResult result;
    psql_scan_setup(lines->scan, text, (int)length, PG_UTF8, true);
    do {
        resetPQExpBuffer(&lines->buffer);
        result = psql_scan(lines->scan, &lines->buffer, &lines->prompt);
    } while (result == PSCAN_SEMICOLON || result == PSCAN_BACKSLASH);
    psql_scan_finish(lines->scan);
}

bool sql_lines_in_text(const SqlLines *lines)
{
    return lines->prompt == PROMPT_SINGLEQUOTE || lines->prompt == PROMPT_DOUBLEQUOTE ||
           lines->prompt == PROMPT_DOLLARQUOTE || lines->prompt == PROMPT_COMMENT;
}

void sql_lines_reset(SqlLines *lines)
{
    psql_scan_reset(lines->scan);
    lines->prompt = PROMPT_READY;
}
