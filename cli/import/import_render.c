/*
 * The text of a section put together again from its parts.
 */
#include "import_parts.h"

#include <stdlib.h>
#include <string.h>

static bool blank_between(const char *begin, const char *end)
{
    for (; begin < end; begin++) {
        if (*begin != ' ' && *begin != '\t' && *begin != '\r')
            return false;
    }
    return true;
}

static size_t line_begin(const SqlParts *parts, size_t at)
{
    while (at > 0 && parts->text[at - 1] != '\n')
        at--;
    return at;
}

/* Takes a part out, and its line where nothing else is on it. */
static void part_drop(SqlParts *parts, const Part *part)
{
    size_t begin = line_begin(parts, part->begin);
    size_t end = part->end + strcspn(parts->text + part->end, "\n");
    bool whole = blank_between(parts->text + begin, parts->text + part->begin) &&
                 blank_between(parts->text + part->end, parts->text + end);
    if (whole)
        parts_edit(parts, begin, end + (parts->text[end] == '\n'), "", EDIT_TAKES);
    else
        parts_edit(parts, part->begin, part->end + strspn(parts->text + part->end, " \t"), "",
                   EDIT_TAKES);
}

/* Puts a line before a part: where its line begins, when it is the first on it. */
static void line_before(SqlParts *parts, const Part *part, const char *line)
{
    size_t begin = line_begin(parts, part->begin);
    bool first = blank_between(parts->text + begin, parts->text + part->begin);
    Arena *arena = parts->import->arena;
    if (first)
        parts_edit(parts, begin, begin, arena_printf(arena, "%s\n", line), EDIT_OPENS);
    else
        parts_edit(parts, part->begin, part->begin, arena_printf(arena, "\n%s\n", line),
                   EDIT_OPENS);
}

/* Whether a remark may stand at the end of a text's last statement: a semicolon there may be part
 * of it. */
static bool may_end_in_remark(const SqlParts *parts, const Part *part)
{
    const char *line = strrchr(part->statement->text, '\n');
    return part == &parts->items[parts->count - 1] &&
           strstr(line == NULL ? part->statement->text : line, "--") != NULL;
}

static void commit_after(SqlParts *parts, const Part *part)
{
    const char *text = part->end > part->last ? "\nCOMMIT;" : ";\nCOMMIT;";
    if (part->statement->copy_data != NULL)
        text = "COMMIT;\n";
    else if (may_end_in_remark(parts, part))
        text = "\n;\nCOMMIT;";
    parts_edit(parts, part->end, part->end, text, EDIT_CLOSES);
}

static bool sets(const Part *part)
{
    const Statement *statement = part->statement;
    return strcmp(statement->first_keyword, "SET") == 0 &&
           strcmp(statement->second_keyword, "LOCAL") != 0 &&
           strcmp(statement->second_keyword, "CONSTRAINTS") != 0;
}

/* BEGIN and COMMIT around what runs in one transaction, when that is more than one statement. SETs
 * at its beginning stay before it, so that they hold for what follows it, too. */
static void blocks_enclose(SqlParts *parts)
{
    size_t i = 0;
    while (i < parts->count) {
        const Part *first = NULL;
        const Part *last = NULL;
        size_t count = 0;
        int block = parts->items[i].block;
        for (; i < parts->count &&
               (parts->items[i].block == block || parts->items[i].fate == PART_DROPPED);
             i++) {
            const Part *part = &parts->items[i];
            if (part->fate == PART_DROPPED || (first == NULL && sets(part)))
                continue;
            first = first == NULL ? part : first;
            last = part;
            count++;
        }
        if (block == 0 || count < 2)
            continue;
        line_before(parts, first, "BEGIN;");
        commit_after(parts, last);
    }
}

static int compare_edits(const void *a, const void *b)
{
    const TextEdit *one = a;
    const TextEdit *other = b;
    if (one->begin != other->begin)
        return one->begin < other->begin ? -1 : 1;
    return one->rank - other->rank;
}

const char *parts_render(SqlParts *parts, bool units)
{
    for (size_t i = 0; i < parts->count; i++) {
        const Part *part = &parts->items[i];
        if (part->fate == PART_DROPPED)
            part_drop(parts, part);
        else if (part->fate == PART_RERUNNABLE)
            line_before(parts, part, "-- +rerunnable");
    }
    if (units)
        blocks_enclose(parts);
    if (parts->edit_count > 1)
        qsort(parts->edits, parts->edit_count, sizeof *parts->edits, compare_edits);
    AUTO_STR Str out = {0};
    size_t at = 0;
    for (size_t i = 0; i < parts->edit_count; i++) {
        const TextEdit *edit = &parts->edits[i];
        if (edit->begin > at)
            str_append_bytes(&out, parts->text + at, edit->begin - at);
        str_append(&out, edit->insert);
        at = edit->end > at ? edit->end : at;
        at = edit->begin > at ? edit->begin : at;
    }
    str_append(&out, parts->text + at);
    return arena_strndup(parts->import->arena, str_text(&out), out.length);
}
