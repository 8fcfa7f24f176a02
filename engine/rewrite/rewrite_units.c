#include "rewrite_forms.h"

#include "digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- units ------------------------------------------------------------------------------------ */

/* What vasprintf() made, into the arena. */
static const char *taken(Arena *arena, char *text, int length)
{
    if (length < 0)
        die_out_of_memory();
    const char *copy = arena_strdup(arena, text);
    free(text);
    return copy;
}

void unit_add(Arena *arena, StrList *units, const char *fmt, ...)
{
    char *text;
    va_list args;
    va_start(args, fmt);
    int length = vasprintf(&text, fmt, args);
    va_end(args);
    strlist_add(arena, units, arena_printf(arena, "%s;\n", taken(arena, text, length)));
}

void unit_statement(Arena *arena, StrList *statements, const char *fmt, ...)
{
    char *text;
    va_list args;
    va_start(args, fmt);
    int length = vasprintf(&text, fmt, args);
    va_end(args);
    strlist_add(arena, statements, taken(arena, text, length));
}

void unit_block(Arena *arena, StrList *units, const StrList *statements)
{
    AUTO_STR Str text = {0};
    if (statements->count == 1) {
        unit_add(arena, units, "%s", statements->items[0]);
        return;
    }
    str_append(&text, "BEGIN;\n");
    for (size_t i = 0; i < statements->count; i++)
        str_printf(&text, "%s;\n", statements->items[i]);
    str_append(&text, "COMMIT;\n");
    strlist_add(arena, units, str_text(&text));
}

void units_append(Arena *arena, StrList *units, const StrList *more)
{
    for (size_t i = 0; i < more->count; i++)
        strlist_add(arena, units, more->items[i]);
}

SqlTokens unit_key(const Rewrite *rewrite)
{
    const TableFact *fact =
        rewrite->facts == NULL ? NULL : fact_find(rewrite->facts, "key", NULL, NULL);
    const char *key = rewrite->facts == NULL ? "id" : fact == NULL ? "" : fact->a;
    return sql_tokens(rewrite->arena, key);
}

void unit_owner(Arena *arena, StrList *statements, const char *kind, const char *name,
                const char *table)
{
    unit_statement(arena, statements,
                   "DO $pgtide$BEGIN\n"
                   "    EXECUTE (SELECT pg_catalog.format('ALTER %s %%s OWNER TO %%I', %s,\n"
                   "            pg_catalog.pg_get_userbyid(relowner))\n"
                   "        FROM pg_catalog.pg_class WHERE oid = %s::pg_catalog.regclass);\n"
                   "END$pgtide$",
                   kind, sql_literal(arena, name), sql_literal(arena, table));
}

/* The key's columns, quoted, as they are called at that point. */
static const char *key_text(const Rewrite *rewrite, SqlTokens tokens)
{
    Arena *arena = rewrite->arena;
    StrList columns = {0};
    for (size_t i = 0; i < tokens.count; i += 2) {
        const char *column = sql_slice(arena, &tokens, i, i + 1);
        bool other = rewrite->key_from != NULL && strcmp(column, rewrite->key_from) == 0;
        strlist_add(arena, &columns, other ? rewrite->key_to : column);
    }
    return strlist_join(arena, &columns, ",");
}

bool unit_backfill(Rewrite *rewrite, StrList *units, const char *body, const char *condition)
{
    SqlTokens key = unit_key(rewrite);
    if (key.count == 0) {
        rewrite->left = "its rows can't be filled in in batches: the table has no unique key that "
                        "is NOT NULL";
        return false;
    }
    const char *warning = rewrite->facts != NULL
                              ? ""
                              : "-- The key of the batches is a guess: no database told the "
                                "table's primary key.\n";
    unit_add(rewrite->arena, units,
             "%s-- +batch key=%s size=10000 table=%s\n%s WHERE %s%s/*+batch*/ true", warning,
             key_text(rewrite, key), rewrite->change->relation, body, condition,
             condition[0] == '\0' ? "" : " AND ");
    return true;
}

void units_not_null(Rewrite *rewrite, StrList *units, const char *head, const char *column,
                    const char *about)
{
    Arena *arena = rewrite->arena;
    const char *name = name_made(arena, rewrite->change->table, about, "not_null");
    const char *quoted = sql_ident(arena, column);
    StrList block = {0};
    units_validated(arena, units, head, name,
                    arena_printf(arena, "CHECK (%s IS NOT NULL)", quoted));
    unit_statement(arena, &block, "%s ALTER COLUMN %s SET NOT NULL", head, quoted);
    unit_statement(arena, &block, "%s DROP CONSTRAINT %s", head, name);
    unit_block(arena, units, &block);
}

void units_validated(Arena *arena, StrList *units, const char *head, const char *name,
                     const char *definition)
{
    unit_add(arena, units, "%s ADD CONSTRAINT %s %s NOT VALID", head, name, definition);
    unit_add(arena, units, "%s VALIDATE CONSTRAINT %s", head, name);
}

/* What a primary key makes NOT NULL is made so first, by more than a scan under its lock. */
static void not_null_keys(Rewrite *rewrite, StrList *units, const char *head, const StrList *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        const TableFact *column = rewrite->facts == NULL
                                      ? NULL
                                      : fact_find(rewrite->facts, "column", keys->items[i], NULL);
        if (column == NULL || !fact_has(column, 'n'))
            units_not_null(rewrite, units, head, keys->items[i], keys->items[i]);
    }
}

bool units_unique(Rewrite *rewrite, StrList *units, const PgQuery__Constraint *constraint,
                  const StrList *keys)
{
    Arena *arena = rewrite->arena;
    bool primary = constraint->contype == PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY;
    const TableFact *table =
        rewrite->facts == NULL ? NULL : fact_find(rewrite->facts, "table", NULL, NULL);
    if (constraint->n_options > 0 || rewrite->change->lenient) {
        rewrite->left = rewrite->change->lenient ? "IF EXISTS: an index has no such word"
                                                 : "its index has options (WITH)";
        return false;
    }
    if (table != NULL && table->a[0] == 'p') {
        rewrite->left = "a partitioned table takes no constraint USING INDEX";
        return false;
    }
    const char *head = arena_printf(arena, "ALTER TABLE %s", rewrite->change->relation);
    StrList including = names_of(arena, constraint->including, constraint->n_including);
    StrList all = strlist_copy(arena, keys);
    units_append(arena, &all, &including);
    const char *name = name_constraint(arena, rewrite->change->table, constraint, &all);
    if (primary && rewrite->change->form == HAZARD_ADD_UNIQUE)
        not_null_keys(rewrite, units, head, keys);
    AUTO_STR Str index = {0};
    str_printf(&index, "CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s)", name,
               rewrite->change->relation, names_sql(arena, keys));
    if (including.count > 0)
        str_printf(&index, " INCLUDE (%s)", names_sql(arena, &including));
    if (constraint->nulls_not_distinct)
        str_append(&index, " NULLS NOT DISTINCT");
    if (constraint->indexspace[0] != '\0')
        str_printf(&index, " TABLESPACE %s", sql_ident(arena, constraint->indexspace));
    unit_add(arena, units, "%s", str_text(&index));
    unit_add(arena, units, "%s ADD CONSTRAINT %s %s USING INDEX %s%s%s", head, name,
             primary ? "PRIMARY KEY" : "UNIQUE", name, constraint->deferrable ? " DEFERRABLE" : "",
             constraint->initdeferred ? " INITIALLY DEFERRED" : "");
    return true;
}

/* --- names ------------------------------------------------------------------------------------ */

/* At most so many bytes, cut between characters. */
static int clipped(const char *text, size_t length)
{
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
        length--;
    return (int)length;
}

const char *name_default(Arena *arena, const char *first, const char *second, const char *label)
{
    size_t one = strlen(first), two = strlen(second);
    size_t room = NAME_BYTES_MAX - strlen(label) - 1 - (two > 0);
    while (one + two > room) {
        if (one > two)
            one--;
        else
            two--;
    }
    return arena_printf(arena, "%.*s%s%.*s_%s", clipped(first, one), first, two > 0 ? "_" : "",
                        clipped(second, two), second, label);
}

const char *name_plain(Arena *arena, SqlName table, const char *column, const char *role)
{
    enum { HASH_BYTES = 4, FRAME_BYTES = 17 }; /* "pgtide_", two "_" and the hash */
    Sha256 hash;
    char text[2 * HASH_BYTES + 1];
    const char *const parts[] = {table.schema, table.name, column, role};
    sha256_init(&hash);
    for (size_t i = 0; i < 4; i++)
        sha256_update(&hash, parts[i], strlen(parts[i]) + 1);
    Digest digest = sha256_final(&hash);
    hex_encode(digest.bytes, HASH_BYTES, text);
    size_t room = NAME_BYTES_MAX - FRAME_BYTES - strlen(role);
    size_t length = strlen(column);
    return arena_printf(arena, "pgtide_%.*s_%s_%s",
                        length > room ? clipped(column, room) : (int)length, column, role, text);
}

const char *name_made(Arena *arena, SqlName table, const char *column, const char *role)
{
    return sql_ident(arena, name_plain(arena, table, column, role));
}

StrList names_of(Arena *arena, PgQuery__Node *const *nodes, size_t count)
{
    StrList names = {0};
    for (size_t i = 0; i < count; i++)
        strlist_add(arena, &names, sql_string(nodes[i]));
    return names;
}

const char *names_sql(Arena *arena, const StrList *names)
{
    StrList quoted = {0};
    for (size_t i = 0; i < names->count; i++)
        strlist_add(arena, &quoted, sql_ident(arena, names->items[i]));
    return strlist_join(arena, &quoted, ", ");
}

const char *name_constraint(Arena *arena, SqlName table, const PgQuery__Constraint *constraint,
                            const StrList *keys)
{
    const char *label = "check";
    const char *second = strlist_join(arena, keys, "_");
    if (constraint->conname[0] != '\0')
        return sql_ident(arena, constraint->conname);
    if (constraint->contype == PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN)
        label = "fkey";
    else if (constraint->contype == PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE)
        label = "key";
    else if (constraint->contype == PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY) {
        label = "pkey";
        second = "";
    } else if (keys->count != 1) {
        second = "";
    }
    return sql_ident(arena, name_default(arena, table.name, second, label));
}

/* --- facts ------------------------------------------------------------------------------------ */

const TableFact *fact_find(const TableFacts *facts, const char *kind, const char *name,
                           const TableFact *after)
{
    size_t first = after == NULL ? 0 : (size_t)(after - facts->items) + 1;
    for (size_t i = first; i < facts->count; i++) {
        const TableFact *fact = &facts->items[i];
        if (strcmp(fact->kind, kind) == 0 && (name == NULL || strcmp(fact->name, name) == 0))
            return fact;
    }
    return NULL;
}

bool fact_has(const TableFact *fact, char flag)
{
    return strchr(fact->c, flag) != NULL;
}
