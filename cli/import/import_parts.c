#include "import_parts.h"

#include "import_command.h"
#include "split_words.h"

#include <ctype.h>
#include <string.h>

void parts_edit(SqlParts *parts, size_t begin, size_t end, const char *insert, int rank)
{
    if (parts->edit_count == parts->edit_capacity) {
        size_t capacity = parts->edit_capacity == 0 ? 8 : 2 * parts->edit_capacity;
        parts->edits = arena_grow(parts->import->arena, parts->edits, parts->edit_count, capacity,
                                  sizeof *parts->edits);
        parts->edit_capacity = capacity;
    }
    parts->edits[parts->edit_count++] =
        (TextEdit){.begin = begin, .end = end, .insert = insert, .rank = rank};
}

void parts_note(SqlParts *parts, const Part *part, const char *text)
{
    Import *import = parts->import;
    for (size_t i = import->note_count; i > 0; i--) {
        const ImportNote *note = &import->notes[i - 1];
        if (strcmp(note->file, parts->file) != 0)
            break;
        if (strcmp(note->text, text) == 0)
            return;
    }
    import_note(import, parts->file, part->statement->line, "%s", text);
}

/* --- psql commands ---------------------------------------------------------------------------- */

/* Where an error of the lexer's is; NULL when it names no place. */
static char *error_place(SqlParts *parts, const Error *err)
{
    char *at = parts->text;
    for (int line = parts->first_line; line < err->line; line++) {
        at = strchr(at, '\n');
        if (at == NULL)
            return NULL;
        at++;
    }
    for (int column = 1; column < err->column && *at != '\0'; column++) {
        at++;
        while (((unsigned char)*at & 0xC0) == 0x80)
            at++;
    }
    return err->line < parts->first_line || err->column < 1 ? NULL : at;
}

static char *line_begin(const SqlParts *parts, char *at)
{
    while (at > parts->text && at[-1] != '\n')
        at--;
    return at;
}

/* A line that is a psql command is blanked. False: a problem was noted. */
static bool command_blank(SqlParts *parts, const Error *err)
{
    Import *import = parts->import;
    char *place = error_place(parts, err);
    if (place == NULL || *place != '\\') {
        import_problem(import, parts->file, err->line, "%s", err->message);
        return false;
    }
    char *begin = line_begin(parts, place);
    size_t length = strcspn(place, "\n");
    const char *rest = place + length;
    bool last = rest[strspn(rest, " \t\r\n")] == '\0';
    const char *refusal = command_refusal(place, length, last);
    for (const char *at = begin; at < place; at++) {
        if (*at != ' ' && *at != '\t')
            refusal = "a psql command behind SQL on its line: only SQL runs on shards";
    }
    if (refusal != NULL) {
        import_problem(import, parts->file, err->line, "%s", refusal);
        return false;
    }
    import_note(import, parts->file, err->line, "psql commands taken out");
    memset(place, ' ', length);
    size_t next = (size_t)(rest - parts->text) + (*rest == '\n');
    parts_edit(parts, (size_t)(begin - parts->text), next, "", EDIT_TAKES);
    return true;
}

/* Several commands of one file are one note: only the first is kept. */
static void command_notes_join(Import *import, size_t first)
{
    size_t kept = first;
    for (size_t i = first; i < import->note_count; i++) {
        if (i == first || import->notes[i].problem)
            import->notes[kept++] = import->notes[i];
    }
    if (import->note_count > first)
        import->note_count = kept;
}

/* --- statements ------------------------------------------------------------------------------- */

/* Behind the line `\.` that ends rows. */
static const char *behind_rows(const Statement *statement)
{
    const char *mark = statement->copy_data + statement->copy_length;
    size_t length = strcspn(mark, "\n");
    return mark + length + (mark[length] == '\n');
}

/* Where the text of the statements begins: they were split from a copy. */
static const char *copy_begin(const SqlParts *parts, const Statement *first)
{
    const char *at = parts->text;
    for (int line = parts->first_line; line < first->line; line++)
        at = strchr(at, '\n') + 1;
    for (int column = 1; column < first->column; column++) {
        at++;
        while (((unsigned char)*at & 0xC0) == 0x80)
            at++;
    }
    return first->source - (at - parts->text);
}

static void parts_place(SqlParts *parts, const StatementList *list)
{
    parts->items = ARENA_ARRAY(parts->import->arena, Part, list->count);
    parts->count = list->count;
    if (list->count == 0)
        return;
    const char *begin = copy_begin(parts, &list->items[0]);
    for (size_t i = 0; i < list->count; i++) {
        const Statement *statement = &list->items[i];
        const char *last = statement->source + strlen(statement->text);
        const char *semicolon = words_skip_blank(last);
        const char *end = *semicolon == ';' ? semicolon + 1 : last;
        if (statement->copy_data != NULL)
            end = behind_rows(statement);
        parts->items[i] = (Part){
            .statement = statement,
            .begin = (size_t)(statement->source - begin),
            .last = (size_t)(last - begin),
            .end = (size_t)(end - begin),
        };
    }
}

static bool looks_like_marker(const char *line)
{
    if (line[0] != '-' || line[1] != '-')
        return false;
    const char *at = line + 2 + strspn(line + 2, " \t");
    return *at == '+' && isalpha((unsigned char)at[1]);
}

/* Remarks that script.c would take for markers are indented; so are those inside of a statement. */
static void markers_indent(SqlParts *parts)
{
    SqlLines *lines = sql_lines_new();
    const char *fed = parts->text;
    int number = parts->first_line;
    bool noted = false;
    for (const char *line = parts->text; *line != '\0'; number++) {
        if (looks_like_marker(line)) {
            sql_lines_feed(lines, fed, (size_t)(line - fed));
            fed = line;
            size_t at = (size_t)(line - parts->text);
            if (!sql_lines_in_text(lines)) {
                parts_edit(parts, at, at, " ", EDIT_OPENS);
                if (!noted)
                    import_note(parts->import, parts->file, number,
                                "remarks that would read as markers are indented");
                noted = true;
            }
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    sql_lines_free(lines);
}

bool parts_read(SqlParts *parts)
{
    enum { COMMANDS_MAX = 1000 };
    Arena *arena = parts->import->arena;
    size_t notes = parts->import->note_count;
    for (int commands = 0; commands < COMMANDS_MAX; commands++) {
        StatementList list;
        Error err = {0};
        ErrCode code = sql_split(arena, parts->file, parts->text, strlen(parts->text),
                                 parts->first_line, &list, &err);
        if (code == ERR_OK) {
            command_notes_join(parts->import, notes);
            parts_place(parts, &list);
            markers_indent(parts);
            return true;
        }
        if (!command_blank(parts, &err))
            return false;
    }
    import_problem(parts->import, parts->file, 0, "more than %d psql commands", COMMANDS_MAX);
    return false;
}
