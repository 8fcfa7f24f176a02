#include "rewrite_sync.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/*
 * A column's type, changed by a second column: kept equal by a trigger, filled in in batches, given
 * the first one's indexes and constraints, and then given its name, in one short transaction. The
 * first one stays beside it, without its default, constraints and indexes, until the contract
 * revision drops it. Going back is the same with the types exchanged.
 */
typedef struct Retyping {
    Rewrite *rewrite;
    const TableFact *column;
    const char *head;  /* "ALTER TABLE t" */
    const char *name;  /* quoted */
    const char *new;   /* quoted: the name of the new column until the swap */
    const char *old;   /* quoted: the name of the old one behind it */
    const char *plain; /* `new` without quotes */
    const char *type;  /* to this one */
    const char *value; /* what USING says; NULL = the column itself */
    StrList *units;
    StrList locked; /* tables whose foreign keys refer to it */
    StrList swap;   /* before the names are exchanged, and behind */
    StrList behind;
} Retyping;

/* --- what is not done ------------------------------------------------------------------------- */

typedef struct PlainType {
    const char *base;
    const char *collation; /* COLLATE and all behind it, as it is written; '' = the type's own */
    long size;             /* -1 = none */
    long scale;            /* of numeric */
} PlainType;

/* In small letters outside of quotes, with one blank for several and none at the ends. */
static void words_add(Str *out, const char *from, size_t length)
{
    bool in_quotes = false, blank = false;
    for (size_t i = 0; i < length; i++) {
        char character = from[i];
        if (character == '"')
            in_quotes = !in_quotes;
        if (!in_quotes && isspace((unsigned char)character)) {
            blank = true;
            continue;
        }
        if (blank && out->length > 0)
            str_append_char(out, ' ');
        blank = false;
        str_append_char(out, in_quotes ? character : (char)tolower((unsigned char)character));
    }
}

/* As the server writes it, or as people do. What stands in parentheses is apart: in
 * "timestamp(3) with time zone" the type goes on behind them. */
static PlainType plain_type(Arena *arena, const char *text)
{
    static const char *const others[][2] = {
        {"varchar", "character varying"},
        {"varbit", "bit varying"},
        {"decimal", "numeric"},
        {"int", "integer"},
        {"int4", "integer"},
        {"int8", "bigint"},
        {"int2", "smallint"},
        {"timestamp", "timestamp without time zone"},
        {"timestamptz", "timestamp with time zone"},
    };
    AUTO_STR Str base = {0};
    const char *collation = strcasestr(text, " collate ");
    PlainType type = {.collation = collation == NULL ? "" : collation, .size = -1, .scale = -1};
    size_t end = collation == NULL ? strlen(text) : (size_t)(collation - text);
    size_t open = strcspn(text, "(");
    if (open < end) {
        char *after;
        size_t close = open + strcspn(text + open, ")");
        type.size = strtol(text + open + 1, &after, 10);
        type.scale = *after == ',' ? strtol(after + 1, NULL, 10) : 0;
        words_add(&base, text, open);
        if (close + 1 < end)
            words_add(&base, text + close + 1, end - close - 1);
    } else {
        words_add(&base, text, end);
    }
    type.base = arena_strdup(arena, str_text(&base));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(type.base, others[i][0]) == 0)
            type.base = others[i][1];
    }
    return type;
}

static bool is_text(const PlainType *type)
{
    return strcmp(type->base, "text") == 0 ||
           (strcmp(type->base, "character varying") == 0 && type->size < 0);
}

/* The values stay as they are on disk: PostgreSQL changes the catalog only. */
static bool is_instant(Arena *arena, const char *from, const char *to)
{
    const PlainType a = plain_type(arena, from), b = plain_type(arena, to);
    bool same = strcmp(a.base, b.base) == 0;
    bool wider = b.size < 0 || (a.size >= 0 && a.size <= b.size);
    if (strcmp(a.collation, b.collation) != 0)
        return false; /* indexes are built anew */
    if (same && a.size == b.size && a.scale == b.scale)
        return true;
    if (strcmp(a.base, "character varying") == 0 || strcmp(a.base, "text") == 0)
        return is_text(&b) || (same && wider);
    if (strcmp(a.base, "numeric") == 0)
        return same && wider && (b.size < 0 || a.scale == b.scale);
    if (strcmp(a.base, "bit varying") == 0)
        return same && wider;
    return strcmp(a.base, "cidr") == 0 && strcmp(b.base, "inet") == 0;
}

static const char *obstacle(Rewrite *rewrite)
{
    Arena *arena = rewrite->arena;
    const Change *change = rewrite->change;
    const TableFact *table = fact_find(rewrite->facts, "table", NULL, NULL);
    const TableFact *column = fact_find(rewrite->facts, "column", change->column, NULL);
    const TableFact *found;
    if (column == NULL)
        return "the database does not have the column";
    if (table->a[0] != 'r' || fact_has(table, 'i'))
        return "the table is partitioned, or has to do with inheritance";
    if (fact_has(column, 'g'))
        return "the column is generated";
    if (fact_has(column, 'p'))
        return "the column has rights of its own";
    found = fact_find(rewrite->facts, "obstacle", change->column, NULL);
    if (found != NULL)
        return arena_printf(arena, "%s hangs on the column", found->a);
    found = fact_find(rewrite->facts, "sequence", change->column, NULL);
    if (found != NULL && fact_has(found, 'i') && fact_has(found, 'o'))
        return "its identity has options, or its sequence rights of its own, which another would "
               "not have";
    for (found = NULL; (found = fact_find(rewrite->facts, "index", NULL, found)) != NULL;) {
        if ((found->c[0] != '\0' || found->b[0] == 'x') &&
            definition_has(arena, found->a, change->column))
            return arena_printf(arena,
                                "index %s is INVALID, of an exclusion constraint, or what "
                                "CLUSTER or replication goes by",
                                found->name);
    }
    for (found = NULL; (found = fact_find(rewrite->facts, "referenced", NULL, found)) != NULL;) {
        if (found->c[0] != '\0' && reference_has(arena, found->a, change->column))
            return arena_printf(arena,
                                "foreign key %s refers to it from the same table, or from a "
                                "partitioned one",
                                found->name);
    }
    return NULL;
}

/* --- the column ------------------------------------------------------------------------------- */

static void column_make(Retyping *retyping)
{
    Rewrite *rewrite = retyping->rewrite;
    Arena *arena = rewrite->arena;
    Sync sync = sync_name(rewrite, rewrite->change->column);
    StrList block = {0};
    const char *relation = rewrite->change->relation;
    const char *value = retyping->value;
    unit_statement(arena, &block, "%s ADD COLUMN %s %s", retyping->head, retyping->new,
                   retyping->type);
    sync_create(rewrite, &sync,
                value == NULL
                    ? arena_printf(arena, "    NEW.%s := NEW.%s;\n", retyping->new, retyping->name)
                    : arena_printf(arena, "    SELECT %s INTO NEW.%s FROM (SELECT NEW.*) AS %s;\n",
                                   value, retyping->new,
                                   sql_ident(arena, rewrite->change->table.name)),
                &block);
    unit_block(arena, retyping->units, &block);
    (void)unit_backfill(rewrite, retyping->units,
                        arena_printf(arena, "UPDATE %s SET %s = %s", relation, retyping->new,
                                     value == NULL ? retyping->name : value),
                        value == NULL ? arena_printf(arena, "%s IS NULL AND %s IS NOT NULL",
                                                     retyping->new, retyping->name)
                                      : arena_printf(arena, "%s IS NULL", retyping->new));
    if (fact_has(retyping->column, 'n'))
        units_not_null(rewrite, retyping->units, retyping->head, retyping->plain,
                       rewrite->change->column);
    sync_drop(rewrite, &sync, &retyping->swap);
}

/* --- what hangs on it ------------------------------------------------------------------------- */

static void constraint_by_index(Retyping *retyping, const TableFact *index, const char *made)
{
    Arena *arena = retyping->rewrite->arena;
    const char *name = sql_ident(arena, index->name);
    unit_statement(arena, &retyping->swap, "%s DROP CONSTRAINT %s", retyping->head, name);
    unit_statement(arena, &retyping->swap, "%s ADD CONSTRAINT %s %s USING INDEX %s%s",
                   retyping->head, name, index->b[0] == 'p' ? "PRIMARY KEY" : "UNIQUE", made,
                   index->b + 1);
}

static void indexes_copy(Retyping *retyping)
{
    Rewrite *rewrite = retyping->rewrite;
    Arena *arena = rewrite->arena;
    const Change *change = rewrite->change;
    const TableFact *index = NULL;
    while ((index = fact_find(rewrite->facts, "index", NULL, index)) != NULL) {
        if (!definition_has(arena, index->a, change->column))
            continue;
        const char *made = name_made(arena, change->table, index->name, "new");
        const char *text =
            index_copy(arena, index->a, change->table, made, change->column, retyping->plain);
        const char *beside = sql_qualified(arena, (SqlName){change->table.schema, index->name});
        if (text == NULL) {
            rewrite->left =
                arena_printf(arena, "the parser can't write index %s again", index->name);
            return;
        }
        unit_add(arena, retyping->units, "%s", text);
        if (index->b[0] != '\0') {
            constraint_by_index(retyping, index, made);
            continue;
        }
        unit_statement(arena, &retyping->swap, "DROP INDEX %s", beside);
        unit_statement(
            arena, &retyping->swap, "ALTER INDEX %s%s%s RENAME TO %s",
            change->table.schema[0] == '\0' ? "" : sql_ident(arena, change->table.schema),
            change->table.schema[0] == '\0' ? "" : ".", made, sql_ident(arena, index->name));
    }
}

/* CHECK and FOREIGN KEY of the table. */
static void constraints_copy(Retyping *retyping, const char *kind)
{
    Rewrite *rewrite = retyping->rewrite;
    Arena *arena = rewrite->arena;
    const Change *change = rewrite->change;
    const TableFact *fact = NULL;
    while ((fact = fact_find(rewrite->facts, kind, NULL, fact)) != NULL) {
        if (!definition_has(arena, fact->a, change->column))
            continue;
        const char *made = name_made(arena, change->table, fact->name, "new");
        const char *text = constraint_copy(arena, fact->a, change->column, retyping->plain);
        const char *name = sql_ident(arena, fact->name);
        if (text == NULL) {
            rewrite->left =
                arena_printf(arena, "the parser can't write constraint %s again", fact->name);
            return;
        }
        if (fact_has(fact, 'v'))
            unit_add(arena, retyping->units, "%s ADD CONSTRAINT %s %s NOT VALID", retyping->head,
                     made, text);
        else
            units_validated(arena, retyping->units, retyping->head, made, text);
        unit_statement(arena, &retyping->swap, "%s DROP CONSTRAINT %s", retyping->head, name);
        unit_statement(arena, &retyping->swap, "%s RENAME CONSTRAINT %s TO %s", retyping->head,
                       made, name);
    }
}

/* Foreign keys of other tables hold on to the new column before the old one lets them go. */
static void references_copy(Retyping *retyping)
{
    Rewrite *rewrite = retyping->rewrite;
    Arena *arena = rewrite->arena;
    const Change *change = rewrite->change;
    const TableFact *fact = NULL;
    StrList drops = {0};
    while ((fact = fact_find(rewrite->facts, "referenced", NULL, fact)) != NULL) {
        if (!reference_has(arena, fact->a, change->column))
            continue;
        const char *head = arena_printf(arena, "ALTER TABLE %s", fact->b);
        const char *made = name_made(arena, (SqlName){"", fact->b}, fact->name, "new");
        const char *text = reference_copy(arena, fact->a, change->column, retyping->plain);
        const char *name = sql_ident(arena, fact->name);
        if (text == NULL) {
            rewrite->left =
                arena_printf(arena, "the parser can't write constraint %s again", fact->name);
            return;
        }
        units_validated(arena, retyping->units, head, made, text);
        unit_statement(arena, &drops, "%s DROP CONSTRAINT %s", head, name);
        unit_statement(arena, &retyping->behind, "%s RENAME CONSTRAINT %s TO %s", head, made, name);
        if (!strlist_has(&retyping->locked, fact->b))
            strlist_add(arena, &retyping->locked, fact->b);
    }
    units_append(arena, &drops, &retyping->swap); /* they hold the old primary key */
    retyping->swap = drops;
}

/* --- the swap --------------------------------------------------------------------------------- */

static const char *integer_type(const char *type)
{
    static const char *const types[] = {"smallint", "integer", "bigint"};
    static const char *const others[] = {"int2", "int4", "int8"};
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(type, types[i]) == 0 || strcmp(type, others[i]) == 0)
            return types[i];
    }
    return strcmp(type, "int") == 0 ? "integer" : NULL;
}

/* The column's own sequence goes over; one of IDENTITY can't, so another takes its place. */
static void sequence_move(Retyping *retyping, const TableFact *sequence)
{
    Rewrite *rewrite = retyping->rewrite;
    Arena *arena = rewrite->arena;
    const char *integer = integer_type(retyping->type);
    if (sequence->c[0] == 'a') {
        unit_statement(arena, &retyping->behind, "ALTER SEQUENCE %s OWNED BY %s.%s", sequence->a,
                       rewrite->change->relation, retyping->name);
        if (integer != NULL)
            unit_statement(arena, &retyping->behind, "ALTER SEQUENCE %s AS %s", sequence->a,
                           integer);
        return;
    }
    SqlName place = {rewrite->change->table.schema, ""};
    place.name = arena_printf(arena, "%.50s_pgtide_new", sequence->b);
    const char *next = sql_qualified(arena, place);
    unit_statement(arena, &retyping->behind,
                   "%s ALTER COLUMN %s ADD GENERATED %s AS IDENTITY (SEQUENCE NAME %s)",
                   retyping->head, retyping->name,
                   fact_has(retyping->column, 'a') ? "ALWAYS" : "BY DEFAULT", next);
    unit_statement(arena, &retyping->behind, "SELECT setval(%s, last_value, is_called) FROM %s",
                   sql_literal(arena, next), sequence->a);
    unit_statement(arena, &retyping->behind, "%s ALTER COLUMN %s DROP IDENTITY", retyping->head,
                   retyping->old);
    unit_statement(arena, &retyping->behind, "ALTER SEQUENCE %s RENAME TO %s", next,
                   sql_ident(arena, sequence->b));
}

static void properties_move(Retyping *retyping)
{
    Rewrite *rewrite = retyping->rewrite;
    Arena *arena = rewrite->arena;
    const TableFact *column = retyping->column;
    const TableFact *comment = fact_find(rewrite->facts, "comment", column->name, NULL);
    const TableFact *sequence = fact_find(rewrite->facts, "sequence", column->name, NULL);
    const char *statistics = strchr(column->c, ' ');
    if (column->b[0] != '\0') {
        unit_statement(arena, &retyping->behind, "%s ALTER COLUMN %s SET DEFAULT %s",
                       retyping->head, retyping->name, column->b);
        unit_statement(arena, &retyping->behind, "%s ALTER COLUMN %s DROP DEFAULT", retyping->head,
                       retyping->old);
    }
    if (sequence != NULL)
        sequence_move(retyping, sequence);
    if (fact_has(column, 'n'))
        unit_statement(arena, &retyping->behind, "%s ALTER COLUMN %s DROP NOT NULL", retyping->head,
                       retyping->old);
    if (statistics != NULL)
        unit_statement(arena, &retyping->behind, "%s ALTER COLUMN %s SET STATISTICS %s",
                       retyping->head, retyping->name, statistics + 1);
    if (comment != NULL)
        unit_statement(arena, &retyping->behind, "COMMENT ON COLUMN %s.%s IS %s",
                       rewrite->change->relation, retyping->name, sql_literal(arena, comment->a));
}

static void names_swap(Retyping *retyping)
{
    Arena *arena = retyping->rewrite->arena;
    const char *relation = retyping->rewrite->change->relation;
    StrList block = {0};
    unit_statement(arena, &block, "LOCK TABLE %s%s%s IN ACCESS EXCLUSIVE MODE", relation,
                   retyping->locked.count > 0 ? ", " : "",
                   strlist_join(arena, &retyping->locked, ", "));
    units_append(arena, &block, &retyping->swap);
    unit_statement(arena, &block, "%s RENAME COLUMN %s TO %s", retyping->head, retyping->name,
                   retyping->old);
    unit_statement(arena, &block, "%s RENAME COLUMN %s TO %s", retyping->head, retyping->new,
                   retyping->name);
    units_append(arena, &block, &retyping->behind);
    unit_add(arena, retyping->units, "ANALYZE %s (%s)", relation, retyping->new);
    unit_block(arena, retyping->units, &block);
}

/* --- both directions -------------------------------------------------------------------------- */

static const char *value_of(Arena *arena, const Change *change)
{
    PgQuery__Node *value = change->command->def->column_def->raw_default;
    return value == NULL ? NULL : sql_expression(arena, value);
}

static void retype(Rewrite *rewrite, const char *type, const char *value, StrList *units)
{
    Arena *arena = rewrite->arena;
    const Change *change = rewrite->change;
    Retyping retyping = {
        .rewrite = rewrite,
        .column = fact_find(rewrite->facts, "column", change->column, NULL),
        .head = arena_printf(arena, "ALTER TABLE %s", change->relation),
        .name = sql_ident(arena, change->column),
        .plain = name_plain(arena, change->table, change->column, "new"),
        .old = name_made(arena, change->table, change->column, "old"),
        .type = type,
        .value = value,
        .units = units,
    };
    retyping.new = sql_ident(arena, retyping.plain);
    column_make(&retyping);
    indexes_copy(&retyping);
    constraints_copy(&retyping, "check");
    constraints_copy(&retyping, "fk");
    references_copy(&retyping);
    properties_move(&retyping);
    names_swap(&retyping);
}

/* The type as it is written between TYPE and USING. */
static const char *type_text(const Rewrite *rewrite, const Changes *changes, const Change *change)
{
    const SqlTokens *tokens = &changes->tokens;
    size_t first = change->first + 1;
    first += tokens->items[first].token == PG_QUERY__TOKEN__COLUMN;
    first++; /* behind the name, which may be `type` */
    while (first < change->end && tokens->items[first].token != PG_QUERY__TOKEN__TYPE_P)
        first++;
    size_t end = ++first;
    while (end < change->end && tokens->items[end].token != PG_QUERY__TOKEN__USING)
        end++;
    return sql_slice(rewrite->arena, tokens, first, end);
}

void rewrite_column_type(Rewrite *rewrite)
{
    Arena *arena = rewrite->arena;
    const Change *change = rewrite->change;
    const TableFact *column = fact_find(rewrite->facts, "column", change->column, NULL);
    const char *type = type_text(rewrite, rewrite->changes, change);
    const char *value = value_of(arena, change);
    rewrite->left = obstacle(rewrite);
    if (rewrite->left == NULL && value == NULL && is_instant(arena, column->a, type))
        rewrite->left = arena_printf(arena, "%s to %s changes no row", column->a, type);
    if (rewrite->left != NULL)
        return;
    const char *head = arena_printf(arena, "ALTER TABLE %s", change->relation);
    const char *old = name_made(arena, change->table, change->column, "old");
    const char *back = rewrite->inverse == NULL
                           ? column->a
                           : type_text(rewrite, rewrite->inverse_of, rewrite->inverse);
    retype(rewrite, type, value, &rewrite->units);
    unit_add(arena, &rewrite->undo, "%s DROP COLUMN %s", head, old);
    retype(rewrite, back, rewrite->inverse == NULL ? NULL : value_of(arena, rewrite->inverse),
           &rewrite->undo);
    unit_add(arena, &rewrite->undo, "%s DROP COLUMN %s", head, old);
    unit_add(arena, &rewrite->contract, "%s DROP COLUMN %s", head, old);
    unit_add(arena, &rewrite->contract_undo, "%s ADD COLUMN %s %s", head, old, column->a);
}
