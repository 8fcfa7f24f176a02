/*
 * What must hold for any text that is read as SQL or as a revision file. Shared by fuzz_text and by
 * the unit test that feeds it changed seeds.
 */
#pragma once

#include "placeholder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum TextReader { TEXT_SPLIT, TEXT_SCRIPT, TEXT_BIND, TEXT_READER_COUNT } TextReader;

#define TEXT_REQUIRE(holds)                                                                        \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #holds);                            \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* An error points into the text. */
static void text_check_error(const Error *err)
{
    TEXT_REQUIRE(err->code == ERR_SCRIPT || err->code == ERR_LIMIT || err->code == ERR_USAGE);
    TEXT_REQUIRE(err->message[0] != '\0');
    if (err->code != ERR_SCRIPT)
        return;
    TEXT_REQUIRE(err->file[0] != '\0' && err->line >= 1 && err->column >= 0);
    TEXT_REQUIRE(err->source_column <= (int)strlen(err->source) + 1);
}

static void text_check_rows(const Statement *statement)
{
    const char *at = statement->copy_data;
    const char *end = at + statement->copy_length;
    TEXT_REQUIRE(statement->copy_length == 0 || end[-1] == '\n');
    TEXT_REQUIRE(end[0] == '\\' && end[1] == '.');
    while (at < end) {
        TEXT_REQUIRE(strncmp(at, "\\.\n", 3) != 0 && strncmp(at, "\\.\r\n", 4) != 0);
        at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
    }
}

/* Alone, a statement is the same statement. */
static void text_check_alone(Arena *arena, const Statement *statement)
{
    StatementList again = {0};
    bool rows = statement->copy_data != NULL;
    const char *sql = arena_printf(arena, "%s%s", statement->text, rows ? "\n;\n\\.\n" : "");
    Error err;
    if (sql_split(arena, "again.sql", sql, strlen(sql), 1, &again, &err) != ERR_OK) {
        fprintf(stderr, "%s: %s\n", err.message, sql);
        abort();
    }
    const char *text = statement->text + strspn(statement->text, " "); /* before a bound E'...' */
    if (again.count != 1 || strcmp(again.items[0].text, text) != 0) {
        fprintf(stderr, "%zu statements, not one: %s\n", again.count, statement->text);
        abort();
    }
    TEXT_REQUIRE((again.items[0].copy_data != NULL) == rows);
    TEXT_REQUIRE(strcmp(again.items[0].first_keyword, statement->first_keyword) == 0);
}

static void text_check_statements(Arena *arena, const StatementList *list, int first_line)
{
    int line = first_line;
    for (size_t i = 0; i < list->count; i++) {
        const Statement *statement = &list->items[i];
        Error err;
        TEXT_REQUIRE(statement->text[0] != '\0' && statement->line >= line);
        TEXT_REQUIRE(statement->column >= 1);
        if (statement->replaced_count == 0)
            TEXT_REQUIRE(strncmp(statement->source, statement->text, strlen(statement->text)) == 0);
        for (int position = 0; position < 3; position++) {
            err_set(&err, ERR_SCRIPT, "x");
            statement_place_error(&err, "a.sql", statement, position * position * 7);
            TEXT_REQUIRE(err.line >= statement->line);
            text_check_error(&err);
        }
        if (statement->copy_data != NULL)
            text_check_rows(statement);
        if (i < 16)
            text_check_alone(arena, statement);
        line = statement->line;
    }
}

static void text_check_script(Arena *arena, const Script *script)
{
    TEXT_REQUIRE(script->id[0] != '\0' && script->upgrade.present);
    TEXT_REQUIRE(script->kind == SCRIPT_REVISION || !script->downgrade.present);
    text_check_statements(arena, &script->upgrade.statements, 1);
    text_check_statements(arena, &script->downgrade.statements, 1);
    text_check_statements(arena, &script->verify.statements, 1);
}

static void text_check_bound(Arena *arena, const Script *script)
{
    static const char *const values[] = {"a=1", "b=it's \\ \"x\"", "c=SELECT", "d=; '", "e=:a"};
    StrList assignments = {0};
    const Script *bound = NULL;
    Error err;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        strlist_add(arena, &assignments, values[i]);
    if (script_bind(arena, script, &assignments, &bound, &err) != ERR_OK) {
        text_check_error(&err);
        return;
    }
    TEXT_REQUIRE(bound->upgrade.statements.count == script->upgrade.statements.count);
    text_check_script(arena, bound);
}

/* `bytes` are read as they stand. */
static inline void text_check(TextReader reader, const uint8_t *bytes, size_t length)
{
    AUTO_ARENA Arena *arena = arena_new();
    Script *script = NULL;
    StatementList list = {0};
    Error err;
    if (reader == TEXT_SPLIT) {
        if (!str_is_utf8((const char *)bytes, length))
            return;
        if (sql_split(arena, "a.sql", (const char *)bytes, length, 1, &list, &err) == ERR_OK)
            text_check_statements(arena, &list, 1);
        else
            text_check_error(&err);
    } else if (script_parse(arena, "1_a.sql", bytes, length, &script, &err) != ERR_OK) {
        text_check_error(&err);
    } else if (reader == TEXT_SCRIPT) {
        text_check_script(arena, script);
    } else {
        text_check_bound(arena, script);
    }
}
