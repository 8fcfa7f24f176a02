/*
 * What libpg_query tells of one statement: its tree, its tokens, and pieces of its own text.
 * Internal to engine, engine/rewrite and engine/lint.
 */
#pragma once

#include "str.h"

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

typedef struct SqlToken {
    size_t from; /* bytes in the text */
    size_t to;
    PgQuery__Token token;
} SqlToken;

/* Without comments. */
typedef struct SqlTokens {
    const char *text;
    SqlToken *items;
    size_t count;
} SqlTokens;

typedef struct SqlName {
    const char *schema; /* '' = none given */
    const char *name;
} SqlName;

/* The tree of a text that is one statement, in the arena; NULL when libpg_query can't read it. */
PgQuery__ParseResult *sql_tree(Arena *arena, const char *text);
/* NULL when it can't be written. Names of constraints and indexes are written as they are: they
 * must be quoted before. */
const char *sql_deparse(Arena *arena, PgQuery__ParseResult *tree);
/* An expression as SQL; NULL when it can't be written. */
const char *sql_expression(Arena *arena, PgQuery__Node *expression);
/* No tokens when the lexer does not understand it. */
SqlTokens sql_tokens(Arena *arena, const char *text);
/* The text from token `first` up to and without token `end`, without what is around it. */
const char *sql_slice(Arena *arena, const SqlTokens *tokens, size_t first, size_t end);
/* The first token at byte `at` of the text or behind it. */
size_t sql_token_at(const SqlTokens *tokens, size_t at);

/* Whether a token's text is an identifier of that name. */
bool sql_token_names(const char *token, const char *name);

/* Calls `visit` with every message in the tree, parents first. */
typedef void SqlVisit(ProtobufCMessage *message, void *data);
void sql_walk(ProtobufCMessage *message, SqlVisit *visit, void *data);

const char *sql_string(const PgQuery__Node *node); /* '' when it is none */
SqlName sql_range_name(const PgQuery__RangeVar *range);
bool sql_name_equal(SqlName a, SqlName b);
/* The columns that an expression or a list of expressions names, each once, in order. */
void sql_columns(Arena *arena, PgQuery__Node *expression, StrList *columns);
/* Every reference to column `from` becomes one to `to`. */
void sql_rename_column(Arena *arena, PgQuery__ParseResult *tree, const char *from, const char *to);

/* As an identifier, quoted where it must be. */
const char *sql_ident(Arena *arena, const char *name);
const char *sql_qualified(Arena *arena, SqlName name);
const char *sql_literal(Arena *arena, const char *text);
