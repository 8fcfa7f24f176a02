#include "schema_script.h"

#include "command.h"

#include <string.h>

static bool is_in(const SchemaOperation *operation, SchemaScriptPart part)
{
    return operation->reason == NULL && operation->alone == (part == SCHEMA_SCRIPT_LABELS);
}

bool schema_script_has(const SchemaDiff *diff, SchemaScriptPart part)
{
    for (size_t i = 0; i < diff->count; i++) {
        if (is_in(&diff->items[i], part))
            return true;
    }
    return false;
}

/* --- statements that belong together ---------------------------------------------------------- */

static bool makes_routine(const SchemaOperation *operation)
{
    if (strcmp(operation->kind, "function") != 0 && strcmp(operation->kind, "procedure") != 0)
        return false;
    for (size_t i = 0; i < operation->sql.count; i++) {
        if (str_starts_with(operation->sql.items[i], "CREATE "))
            return true;
    }
    return false;
}

/* An application must never find it gone. Keys and indexes have forms of their own. */
static bool is_seen(const SchemaOperation *operation)
{
    return operation->change == SCHEMA_CHANGE_REBUILD &&
           strcmp(operation->kind, "constraint") != 0 && strcmp(operation->kind, "index") != 0;
}

typedef enum Together { TOGETHER_NOT, TOGETHER, TOGETHER_ROUTINE } Together;

/* For each operation whether it is in a block: from the first to the last that rebuilds what is
 * seen, and routines, which need a setting. */
static Together *together(Arena *arena, const SchemaDiff *diff, SchemaScriptPart part)
{
    Together *found = ARENA_ARRAY(arena, Together, diff->count + 1);
    size_t first = diff->count, end = 0;
    for (size_t i = 0; i < diff->count; i++) {
        if (is_in(&diff->items[i], part) && is_seen(&diff->items[i])) {
            first = i < first ? i : first;
            end = i + 1;
        }
    }
    for (size_t i = 0; i < diff->count; i++) {
        if (is_in(&diff->items[i], part) && makes_routine(&diff->items[i]))
            found[i] = TOGETHER_ROUTINE;
        else if (i >= first && i < end)
            found[i] = TOGETHER;
    }
    return found;
}

/* Whether a routine is made from there on, to the end of the block. */
static bool has_routine(const Together *marks, size_t at)
{
    while (marks[at] == TOGETHER)
        at++;
    return marks[at] == TOGETHER_ROUTINE;
}

static bool any_routine(const Together *marks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (marks[i] == TOGETHER_ROUTINE)
            return true;
    }
    return false;
}

static const char bodies_off[] = "SET LOCAL check_function_bodies = off;\n\n";

/* --- the section ------------------------------------------------------------------------------ */

static bool has_lines(const SchemaOperation *operation)
{
    for (size_t i = 0; i < operation->sql.count; i++) {
        if (strchr(operation->sql.items[i], '\n') != NULL)
            return true;
    }
    return false;
}

static void append_lost(Arena *arena, const SchemaOperation *operation, Str *out)
{
    const char *loss = schema_operation_loss(operation);
    if (loss != NULL)
        str_printf(out, "-- %s: %s %s %s\n", loss, schema_change_name(operation->change),
                   operation->kind, plain_text(arena, operation->name));
}

static void append(const SchemaOperation *operation, Str *out)
{
    for (size_t i = 0; i < operation->sql.count; i++)
        str_printf(out, "%s;\n", operation->sql.items[i]);
}

static void append_not_done(Arena *arena, const SchemaDiff *diff, Str *out)
{
    for (size_t i = 0; i < diff->count; i++) {
        const SchemaOperation *operation = &diff->items[i];
        if (operation->reason != NULL)
            str_printf(out, "-- NOT DONE: %s %s: %s\n", operation->kind,
                       plain_text(arena, operation->name), plain_text(arena, operation->reason));
    }
}

const char *schema_script_section(Arena *arena, const SchemaDiff *diff, SchemaScriptPart part,
                                  bool units)
{
    AUTO_STR Str out = {0};
    const Together *marks = together(arena, diff, part);
    bool long_before = false;
    if (!units && any_routine(marks, diff->count))
        str_append(&out, bodies_off);
    for (size_t i = 0; i < diff->count; i++) {
        const SchemaOperation *operation = &diff->items[i];
        if (units && marks[i] != TOGETHER_NOT && (i == 0 || marks[i - 1] == TOGETHER_NOT))
            str_printf(&out, "BEGIN;\n%s", has_routine(marks, i) ? bodies_off : "");
        if (is_in(operation, part)) {
            bool is_long = has_lines(operation);
            if ((is_long || long_before) && out.length > 1 && out.data[out.length - 2] != '\n')
                str_append_char(&out, '\n');
            if (!units)
                append_lost(arena, operation, &out);
            append(operation, &out);
            long_before = is_long;
        }
        if (units && marks[i] != TOGETHER_NOT && marks[i + 1] == TOGETHER_NOT)
            str_append(&out, "COMMIT;\n");
    }
    if (part == SCHEMA_SCRIPT_REST)
        append_not_done(arena, diff, &out);
    return arena_strdup(arena, str_text(&out));
}

const char *schema_script_lost(Arena *arena, const SchemaDiff *diff)
{
    AUTO_STR Str out = {0};
    for (size_t i = 0; i < diff->count; i++)
        append_lost(arena, &diff->items[i], &out);
    return arena_strdup(arena, str_text(&out));
}

const char *schema_script_not_said(Arena *arena, const SchemaDiff *diff)
{
    for (size_t i = 0; i < diff->count; i++) {
        const SchemaOperation *operation = &diff->items[i];
        if (operation->reason == NULL)
            continue;
        const char *more =
            diff->cannot == 1 ? "" : arena_printf(arena, " (and %zu more)", diff->cannot - 1);
        enum { NAME_BYTES = 100 };
        const char *name = plain_text(arena, operation->name);
        char *start = arena_strndup(arena, name, strnlen(name, NAME_BYTES));
        str_mend_utf8(start);
        return arena_printf(arena, "%s %s: %s%s", operation->kind, start,
                            plain_text(arena, operation->reason), more);
    }
    return "";
}

SchemaDiff schema_script_without_labels(Arena *arena, const SchemaDiff *diff, const SchemaDiff *up)
{
    SchemaDiff kept = {.items = ARENA_ARRAY(arena, SchemaOperation, diff->count + 1)};
    for (size_t i = 0; i < diff->count; i++) {
        const SchemaOperation *operation = &diff->items[i];
        bool left = false;
        for (size_t k = 0; operation->reason != NULL && k < up->count && !left; k++)
            left = up->items[k].alone && strcmp(up->items[k].name, operation->name) == 0;
        if (left)
            continue;
        kept.items[kept.count++] = *operation;
        kept.cannot += operation->reason != NULL;
    }
    return kept;
}

const char *schema_script_whole(Arena *arena, const SchemaDiff *diff)
{
    const char *labels = schema_script_section(arena, diff, SCHEMA_SCRIPT_LABELS, false);
    const char *rest = schema_script_section(arena, diff, SCHEMA_SCRIPT_REST, false);
    return schema_script_has(diff, SCHEMA_SCRIPT_REST)
               ? arena_printf(arena, "%sBEGIN;\n%sCOMMIT;\n", labels, rest)
               : arena_printf(arena, "%s%s", labels, rest);
}
