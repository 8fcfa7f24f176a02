/*
 * goose: VERSION_NAME.sql with annotations, comments in column 1 whatever their case: +goose Up,
 * Down, StatementBegin, StatementEnd, NO TRANSACTION, ENVSUB ON and OFF. What stands between
 * StatementBegin and StatementEnd is one statement and may lack its semicolon. VERSION_NAME.go is a
 * migration too, which nothing but goose can run. The table has a row for each move; the newest of
 * a version counts.
 */
#include "import.h"

#include "file.h"
#include "split.h"

#include <stdlib.h>
#include <string.h>

typedef struct GooseFile {
    const char *name;
    const char *digits;
    const char *title;
} GooseFile;

typedef enum Side { SIDE_NONE, SIDE_UP, SIDE_DOWN } Side;

typedef struct GooseParser {
    Import *import;
    const char *file;
    Side side;
    Str text[3]; /* per side; annotations are blank lines there, so that lines can be counted */
    int first_line[3];
    bool no_transaction;
    bool in_statement;
    size_t statement_at; /* where in the side's text it begins */
    int statement_line;
    bool substitutes; /* ENVSUB ON */
    bool failed;
} GooseParser;

static const char *const subdirectories[] = {"migrations",          "db/migrations", "db/migration",
                                             "database/migrations", "sql",           NULL};

static bool name_read(Arena *arena, const char *name, const char *extension, GooseFile *ret)
{
    size_t digits = strspn(name, "0123456789");
    size_t length = strlen(name);
    size_t tail = strlen(extension);
    if (digits == 0 || name[digits] != '_' || !str_ends_with(name, extension))
        return false;
    ret->name = name;
    ret->digits = arena_strndup(arena, name, digits);
    ret->title = arena_strndup(arena, name + digits + 1,
                               length - digits - 1 > tail ? length - digits - 1 - tail : 0);
    return true;
}

/* What a line annotates, blanks made one: "goose up"; NULL = it is none. */
static const char *annotation(Arena *arena, const ImportLine *line)
{
    const char *text;
    size_t length;
    if (!import_line_comment(line, &text, &length) || length < 6 ||
        strncasecmp(text, "+goose", 6) != 0 || (length > 6 && strchr(" \t", text[6]) == NULL))
        return NULL;
    text += 6;
    length -= 6;
    while (length > 0 && strchr(" \t", *text) != NULL) {
        text++;
        length--;
    }
    return arena_strndup(arena, text, length);
}

static bool is_one(Arena *arena, const char *directory, const char *name)
{
    GooseFile ignored;
    if (!name_read(arena, name, ".sql", &ignored))
        return false;
    Import probe = {.arena = arena};
    const char *text;
    if (!import_read(&probe, path_join(arena, directory, name), &text))
        return false;
    for (ImportLine line = {.next = text}; import_line(&line);) {
        const char *word = annotation(arena, &line);
        if (word != NULL && strcasecmp(word, "Up") == 0)
            return true;
    }
    return false;
}

static bool recognise(Arena *arena, const char *path)
{
    return import_find(arena, path, subdirectories, is_one) != NULL;
}

static void refuse(GooseParser *parser, int line, const char *text)
{
    import_problem(parser->import, parser->file, line, "%s", text);
    parser->failed = true;
}

static void side_begin(GooseParser *parser, Side side, int line)
{
    if (side == SIDE_UP && parser->side != SIDE_NONE) {
        refuse(parser, line, "a second '-- +goose Up'");
    } else if (side == SIDE_DOWN && parser->side != SIDE_UP) {
        refuse(parser, line, "'-- +goose Down' does not follow '-- +goose Up'");
    } else if (parser->in_statement) {
        refuse(parser, parser->statement_line, "'-- +goose StatementBegin' has no StatementEnd");
    } else {
        parser->side = side;
        parser->first_line[side] = line + 1;
    }
}

/* Whether the last statement of `sql` lacks its semicolon. What can't be split is told later. */
static bool lacks_semicolon(Arena *arena, const char *sql)
{
    StatementList list;
    if (sql_split(arena, "", sql, strlen(sql), 1, &list, NULL) != ERR_OK || list.count == 0)
        return false;
    StatementList longer;
    const char *closed = arena_printf(arena, "%s\nSELECT", sql);
    return sql_split(arena, "", closed, strlen(closed), 1, &longer, NULL) == ERR_OK &&
           longer.count == list.count;
}

static void statement_end(GooseParser *parser, int line)
{
    Str *text = &parser->text[parser->side];
    if (!parser->in_statement) {
        refuse(parser, line, "'-- +goose StatementEnd' without StatementBegin");
        return;
    }
    parser->in_statement = false;
    if (lacks_semicolon(parser->import->arena, str_text(text) + parser->statement_at))
        str_append_char(text, ';');
    str_append_char(text, '\n');
}

static void annotate(GooseParser *parser, const char *word, int line)
{
    Str *text = &parser->text[parser->side];
    if (strcasecmp(word, "Up") == 0) {
        side_begin(parser, SIDE_UP, line);
    } else if (strcasecmp(word, "Down") == 0) {
        side_begin(parser, SIDE_DOWN, line);
    } else if (strcasecmp(word, "StatementEnd") == 0) {
        statement_end(parser, line);
    } else if (strcasecmp(word, "StatementBegin") == 0) {
        if (parser->side == SIDE_NONE || parser->in_statement)
            refuse(parser, line, "'-- +goose StatementBegin' is not in its place");
        str_append_char(text, '\n');
        parser->in_statement = true;
        parser->statement_at = text->length;
        parser->statement_line = line;
    } else if (strcasecmp(word, "NO TRANSACTION") == 0) {
        parser->no_transaction = true;
        str_append_char(text, '\n');
    } else if (strcasecmp(word, "ENVSUB ON") == 0 || strcasecmp(word, "ENVSUB OFF") == 0) {
        parser->substitutes = strcasecmp(word, "ENVSUB ON") == 0;
        str_append_char(text, '\n');
    } else {
        refuse(parser, line, "an annotation of goose's that is not known");
    }
}

/* $NAME and ${NAME...} are what ENVSUB replaces; "$1" and "$$" are not. */
static bool has_variable(const ImportLine *line)
{
    for (size_t i = 0; i + 1 < line->length; i++) {
        char next = line->text[i + 1];
        bool quote = i > 0 && line->text[i - 1] == '$';
        bool name = (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z') || next == '_';
        if (line->text[i] == '$' && !quote && (next == '{' || name))
            return true;
    }
    return false;
}

static void lines_read(GooseParser *parser, const char *text)
{
    for (ImportLine line = {.next = text}; !parser->failed && import_line(&line);) {
        const char *word = annotation(parser->import->arena, &line);
        const char *ignored;
        size_t length;
        if (word != NULL) {
            annotate(parser, word, line.number);
        } else if (parser->side != SIDE_NONE) {
            if (parser->substitutes && has_variable(&line))
                refuse(parser, line.number,
                       "takes a value from the environment (ENVSUB ON): write it out");
            str_append_bytes(&parser->text[parser->side], line.text, line.length);
            str_append_char(&parser->text[parser->side], '\n');
        } else if (!import_line_blank(&line) && !import_line_comment(&line, &ignored, &length)) {
            refuse(parser, line.number, "SQL before '-- +goose Up'");
        }
    }
    if (!parser->failed && parser->side == SIDE_NONE)
        refuse(parser, 0, "no '-- +goose Up'");
    if (!parser->failed && parser->in_statement)
        refuse(parser, parser->statement_line, "'-- +goose StatementBegin' has no StatementEnd");
}

static const char *taken(Arena *arena, Str *text)
{
    const char *copy = arena_strndup(arena, str_text(text), text->length);
    str_free(text);
    return copy;
}

static void file_add(Import *import, const char *path, const GooseFile *file)
{
    Arena *arena = import->arena;
    const char *text;
    if (import_number_compare(file->digits, "0") == 0 ||
        import_number_compare(file->digits, "9223372036854775807") > 0) {
        import_problem(import, path, 0, "version %s is not one that goose allows", file->digits);
        return;
    }
    if (!import_read(import, path, &text))
        return;
    GooseParser parser = {.import = import, .file = path};
    lines_read(&parser, text);
    const char *up = taken(arena, &parser.text[SIDE_UP]);
    const char *down = taken(arena, &parser.text[SIDE_DOWN]);
    str_free(&parser.text[SIDE_NONE]);
    if (parser.failed)
        return;
    ImportedRevision *item = import_add(import);
    item->id = file->digits;
    item->origin_key = import_number(arena, file->digits);
    item->file = path;
    item->message = import_message(arena, file->title);
    item->created = import_created(arena, file->digits);
    item->up = up;
    item->up_line = parser.first_line[SIDE_UP];
    item->no_transaction = item->down_no_transaction = parser.no_transaction;
    if (parser.side == SIDE_DOWN) {
        item->down = down;
        item->down_line = parser.first_line[SIDE_DOWN];
    } else {
        item->irreversible = "no Down section in the imported project";
    }
}

static int compare_files(const void *a, const void *b)
{
    const GooseFile *one = a;
    const GooseFile *other = b;
    int order = import_number_compare(one->digits, other->digits);
    return order != 0 ? order : strcmp(one->name, other->name);
}

static ErrCode read(Import *import, Error *err)
{
    Arena *arena = import->arena;
    const char *directory = import_find(arena, import->path, subdirectories, is_one);
    if (directory == NULL) {
        err_set(err, ERR_NOT_FOUND, "no goose files in %.200s", import->path);
        err_hint(err, "They are named VERSION_NAME.sql and hold a line `-- +goose Up`; name their "
                      "directory.");
        return ERR_NOT_FOUND;
    }
    StrList names;
    ErrCode code = import_list(arena, directory, &names, err);
    if (code != ERR_OK)
        return code;
    GooseFile *files = ARENA_ARRAY(arena, GooseFile, names.count);
    size_t count = 0;
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.items[i];
        if (name_read(arena, name, ".sql", &files[count]) ||
            (!str_ends_with(name, "_test.go") && name_read(arena, name, ".go", &files[count])))
            count++;
    }
    if (count > 1)
        qsort(files, count, sizeof *files, compare_files);
    for (size_t i = 0; i < count; i++) {
        const char *path = path_join(arena, directory, files[i].name);
        if (i > 0 && import_number_compare(files[i].digits, files[i - 1].digits) == 0)
            import_problem(import, path, 0, "a second file for version %s, which goose refuses",
                           files[i].digits);
        else if (str_ends_with(files[i].name, ".go"))
            import_problem(import, path, 0,
                           "a migration written in Go: write what it does as SQL, in its place");
        else
            file_add(import, path, &files[i]);
    }
    return ERR_OK;
}

const ImportTool import_tool_goose = {
    .name = "goose",
    .summary = "VERSION_NAME.sql with `-- +goose Up` and `-- +goose Down`",
    .recognise = recognise,
    .read = read,
    .table = "goose_db_version",
    .table_exists_sql = "SELECT count(*) = 2 FROM pg_catalog.pg_attribute"
                        " WHERE attrelid = pg_catalog.to_regclass('goose_db_version')"
                        " AND NOT attisdropped AND attname IN ('version_id', 'is_applied')",
    .applied_sql = "SELECT version_id::text FROM (SELECT DISTINCT ON (version_id) version_id,"
                   " is_applied FROM goose_db_version ORDER BY version_id, id DESC) newest"
                   " WHERE is_applied AND version_id > 0",
};
