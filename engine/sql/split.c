#include "split.h"

#include "named_limits.h"
#include "split_scan.h"
#include "split_words.h"

#include <ctype.h>
#include <string.h>

typedef struct Splitter {
    Arena *arena;
    const char *file;
    const char *text; /* NUL-terminated, in the arena */
    int first_line;
    const char *counted; /* a place whose line and column are known */
    int line;
    int column;
    Scanner scanner;
    StatementList list;
    size_t capacity;
    Error *err;
} Splitter;

static void count_to(Splitter *splitter, const char *place)
{
    for (; splitter->counted < place; splitter->counted++) {
        if (*splitter->counted == '\n') {
            splitter->line++;
            splitter->column = 1;
        } else {
            splitter->column += ((unsigned char)*splitter->counted & 0xC0) != 0x80;
        }
    }
}

static ErrCode refuse(Splitter *splitter, const char *place, const char *what, const char *hint)
{
    err_set(splitter->err, ERR_SCRIPT, "%s", what);
    if (hint != NULL)
        err_hint(splitter->err, "%s", hint);
    err_place(splitter->err, splitter->file, splitter->text, splitter->first_line, place);
    return ERR_SCRIPT;
}

static ErrCode refuse_escape(Splitter *splitter)
{
    char what[96];
    const char *place = splitter->scanner.end;
    size_t length = *place == '\\' && place[1] == ';' ? 2 : strcspn(place, " \t\r\n;");
    snprintf(what, sizeof what, "psql command %.*s can't be used in a revision",
             (int)(length < 30 ? length : 30), place);
    return refuse(splitter, place, what, "Only SQL runs on shards; put what it did into SQL.");
}

/* The lexer here and the server's must agree on where a string ends. */
static bool turns_standard_strings_off(const Statement *statement)
{
    static const char *const on[] = {"on", "true", "yes", "1", "default", NULL};
    Words words = {.at = statement->text};
    if (strcmp(statement->first_keyword, "SET") != 0)
        return false;
    while (strcmp(words.word, "STANDARD_CONFORMING_STRINGS") != 0) {
        if (!words_next(&words))
            return false;
    }
    const char *value = words_skip_blank(words.at);
    if (*value == '=')
        value++;
    else if (strncasecmp(value, "to", 2) == 0)
        value += 2;
    value = words_skip_blank(value);
    value += *value == '\'';
    for (size_t i = 0; on[i] != NULL; i++) {
        size_t length = strlen(on[i]);
        if (strncasecmp(value, on[i], length) == 0 && !isalnum((unsigned char)value[length]))
            return false;
    }
    return true;
}

/* Behind the semicolon only blanks and remarks may follow on its line. */
static ErrCode rows_check(Splitter *splitter, const Statement *statement)
{
    const Scanner *scanner = &splitter->scanner;
    const char *rest = scanner->end;
    while (*rest == ' ' || *rest == '\t' || *rest == '\r')
        rest++;
    if (rest[0] != '\n' && rest[0] != '\0' && (rest[0] != '-' || rest[1] != '-'))
        return refuse(splitter, rest, "COPY ... FROM STDIN must be the last on its line",
                      "Its rows begin on the next line and end with a line \\. alone.");
    if (words_have(statement->text, "BINARY"))
        return refuse(splitter, statement->source, "binary rows can't stand in a revision",
                      "Use the text or the csv format.");
    return ERR_OK;
}

static ErrCode statement_check(Splitter *splitter, const Statement *statement)
{
    if (turns_standard_strings_off(statement))
        return refuse(splitter, statement->source,
                      "standard_conforming_strings can't be turned off in a revision",
                      "Write strings with backslashes as E'...'.");
    return ERR_OK;
}

void statement_set_text(Arena *arena, Statement *statement, const char *text)
{
    Words words = {.at = text};
    statement->text = text;
    statement->first_keyword = statement->second_keyword = "";
    if (words_next(&words) && words.word[0] != '\0') {
        statement->first_keyword = arena_strdup(arena, words.word);
        words_next(&words);
        statement->second_keyword = arena_strdup(arena, words.word);
    }
}

/* A statement from `first` to the scanner's end, without its semicolon. */
static Statement statement_make(Splitter *splitter, const char *first, const char *end)
{
    count_to(splitter, first);
    Statement statement = {
        .source = first,
        .line = splitter->line,
        .column = splitter->column,
    };
    statement_set_text(splitter->arena, &statement,
                       arena_strndup(splitter->arena, first, (size_t)(end - first)));
    return statement;
}

/* Adds what stands between the scanner's beginning and `end` when there is more in it than blanks
 * and comments; `ret_added` is NULL otherwise. */
static ErrCode statement_add(Splitter *splitter, const char *end, Statement **ret_added)
{
    const char *begin = splitter->scanner.begin;
    while (end > begin && words_is_space(end[-1]))
        end--;
    *ret_added = NULL;
    const char *first = words_skip_blank(begin);
    if (first >= end)
        return ERR_OK;
    if (splitter->list.count == LIMIT_STATEMENTS_PER_SECTION)
        return err_set(splitter->err, ERR_LIMIT, "more than %d statements in one section of %s",
                       LIMIT_STATEMENTS_PER_SECTION, splitter->file);
    Statement statement = statement_make(splitter, first, end);
    ErrCode code = statement_check(splitter, &statement);
    if (code != ERR_OK)
        return code;
    if (splitter->list.count == splitter->capacity) {
        size_t capacity = splitter->capacity == 0 ? 8 : 2 * splitter->capacity;
        splitter->list.items = arena_grow(splitter->arena, splitter->list.items,
                                          splitter->list.count, capacity, sizeof statement);
        splitter->capacity = capacity;
    }
    *ret_added = &splitter->list.items[splitter->list.count++];
    **ret_added = statement;
    return ERR_OK;
}

static ErrCode unterminated(Splitter *splitter)
{
    static const char *const open[] = {
        [PROMPT_SINGLEQUOTE] = "a quoted string is not closed",
        [PROMPT_DOUBLEQUOTE] = "a quoted identifier is not closed",
        [PROMPT_DOLLARQUOTE] = "a dollar-quoted string is not closed",
        [PROMPT_COMMENT] = "a comment is not closed",
        [PROMPT_PAREN] = "a parenthesis is not closed",
    };
    promptStatus_t prompt = splitter->scanner.prompt;
    const char *what = (size_t)prompt < sizeof open / sizeof open[0] ? open[prompt] : NULL;
    if (what == NULL)
        return ERR_OK;
    /* a comment that is never closed is blank to its end: name where it begins instead */
    const char *begin = splitter->scanner.begin;
    return refuse(splitter, prompt == PROMPT_COMMENT ? begin : words_skip_blank(begin), what, NULL);
}

static ErrCode rows_unterminated(Splitter *splitter, const Statement *copy)
{
    return refuse(splitter, copy->source, "the rows behind COPY ... FROM STDIN do not end",
                  "End them with a line \\. alone.");
}

static ErrCode last_add(Splitter *splitter)
{
    if (scanner_rest(&splitter->scanner) == FOUND_ESCAPE)
        return refuse_escape(splitter);
    Statement *added;
    ErrCode code = unterminated(splitter);
    if (code == ERR_OK)
        code = statement_add(splitter, splitter->scanner.end, &added);
    if (code == ERR_OK && added != NULL && words_take_rows(added->text))
        code = rows_unterminated(splitter, added);
    return code;
}

static ErrCode split_all(Splitter *splitter, const char *end)
{
    Scanner *scanner = &splitter->scanner;
    Statement *copy = NULL; /* whose rows come next */
    for (;;) {
        Found found = scanner_next(scanner, end);
        if (copy != NULL && found == FOUND_STOP && scanner->rows != NULL)
            return rows_unterminated(splitter, copy);
        if (copy != NULL) {
            copy->copy_length = (size_t)(scanner->rows_end - copy->copy_data);
            copy = NULL;
        }
        Statement *added;
        ErrCode code = ERR_OK;
        if (found == FOUND_ESCAPE)
            return refuse_escape(splitter);
        if (found == FOUND_STOP)
            return last_add(splitter);
        code = statement_add(splitter, scanner->end - 1, &added); /* without the semicolon */
        if (code == ERR_OK && found == FOUND_COPY) {
            copy = added;
            copy->copy_data = scanner->rows;
            code = rows_check(splitter, copy);
        }
        if (code != ERR_OK)
            return code;
    }
}

ErrCode sql_split(Arena *arena, const char *file, const char *sql, size_t length, int first_line,
                  StatementList *ret_list, Error *err)
{
    const char *copy = arena_strndup(arena, sql, length);
    Splitter splitter = {
        .arena = arena,
        .file = file,
        .text = copy,
        .first_line = first_line,
        .counted = copy,
        .line = first_line,
        .column = 1,
        .err = err,
    };
    scanner_begin(&splitter.scanner, copy);
    ErrCode code = split_all(&splitter, copy + length);
    scanner_free(&splitter.scanner);
    if (code == ERR_OK)
        *ret_list = splitter.list;
    return code;
}

/* --- places in statements --------------------------------------------------------------------- */

/* Where byte `at` of a statement's text comes from, as an offset from its source. */
static size_t source_offset(const Statement *statement, size_t at)
{
    size_t shift = 0; /* source offset - text offset, modulo 2^n */
    for (size_t i = 0; i < statement->replaced_count; i++) {
        const Replaced *part = &statement->replaced[i];
        if (at < part->at)
            break;
        if (at < part->at + part->length)
            return part->at + shift;
        shift += part->source_length - part->length;
    }
    return at + shift;
}

/* Where the line that the statement begins in begins. */
static const char *first_line_of(const Statement *statement)
{
    const char *line = statement->source;
    for (int column = statement->column; column > 1;) {
        line--;
        column -= ((unsigned char)*line & 0xC0) != 0x80;
    }
    return line;
}

void statement_place_error(Error *err, const char *file, const Statement *statement, int position)
{
    size_t at = 0;
    if (statement->source == NULL) { /* of no file's text */
        err_at(err, file, statement->line);
        return;
    }
    for (int seen = 1; seen < position && statement->text[at] != '\0'; seen++) {
        at++;
        while (((unsigned char)statement->text[at] & 0xC0) == 0x80)
            at++;
    }
    err_place(err, file, first_line_of(statement), statement->line,
              statement->source + source_offset(statement, at));
}

void statement_place_row(Error *err, const char *file, const Statement *statement, uint32_t row)
{
    const char *at = statement->copy_data;
    const char *end = at + statement->copy_length;
    for (uint32_t line = 1; line < row && at < end; line++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        at = feed == NULL ? end : feed + 1;
    }
    err_place(err, file, first_line_of(statement), statement->line, at);
}

/* --- piece by piece --------------------------------------------------------------------------- */

struct SqlLines {
    Scanner scanner;
    bool begun;
};

SqlLines *sql_lines_new(void) /* returns owned */
{
    return xcalloc(1, sizeof(SqlLines));
}

void sql_lines_free(SqlLines *lines)
{
    if (lines == NULL)
        return;
    sql_lines_reset(lines);
    free(lines);
}

void sql_lines_feed(SqlLines *lines, const char *text, size_t length)
{
    if (!lines->begun)
        scanner_begin(&lines->scanner, text);
    lines->begun = true;
    while (scanner_next(&lines->scanner, text + length) != FOUND_STOP)
        continue;
}

bool sql_lines_in_text(const SqlLines *lines)
{
    promptStatus_t prompt = lines->begun ? lines->scanner.prompt : PROMPT_READY;
    return prompt == PROMPT_SINGLEQUOTE || prompt == PROMPT_DOUBLEQUOTE ||
           prompt == PROMPT_DOLLARQUOTE || prompt == PROMPT_COMMENT ||
           (lines->begun && lines->scanner.rows != NULL);
}

bool sql_lines_in_statement(const SqlLines *lines)
{
    return lines->begun && scanner_in_statement(&lines->scanner);
}

void sql_lines_reset(SqlLines *lines)
{
    if (lines->begun)
        scanner_free(&lines->scanner);
    lines->begun = false;
}
