#include "rewrite_sync.h"

#include <string.h>

/* --- columns ---------------------------------------------------------------------------------- */

typedef struct Renaming {
    Rewrite *rewrite;
    const TableFact *column;
    Sync sync;
    const char *from; /* quoted */
    const char *to;
    const char *swap; /* a name in between */
} Renaming;

/* The application before knows only the original, the next one only the copy. What the statement
 * gave the copy counts; where it gave it nothing new, the original does. Values are compared as
 * they are stored: many types have values that are equal and yet differ, and some can't be
 * compared. */
static const char *both_ways(const Renaming *renaming, const char *original, const char *copy)
{
    return arena_printf(renaming->rewrite->arena,
                        "    IF TG_OP = 'INSERT' THEN\n"
                        "        IF NEW.%1$s IS NULL THEN\n"
                        "            NEW.%1$s := NEW.%2$s;\n"
                        "        ELSE\n"
                        "            NEW.%2$s := NEW.%1$s;\n"
                        "        END IF;\n"
                        "    ELSIF ROW(NEW.%1$s)::record OPERATOR(pg_catalog.*<>) "
                        "ROW(OLD.%1$s)::record THEN\n"
                        "        NEW.%2$s := NEW.%1$s;\n"
                        "    ELSE\n"
                        "        NEW.%1$s := NEW.%2$s;\n"
                        "    END IF;\n",
                        copy, original);
}

/* The copy, its trigger, its rows and its indexes. */
static void copy_make(const Renaming *renaming, const char *original, const char *copy,
                      StrList *units)
{
    Rewrite *rewrite = renaming->rewrite;
    Arena *arena = rewrite->arena;
    const Change *change = rewrite->change;
    StrList block = {0};
    unit_statement(arena, &block, "ALTER TABLE %s ADD COLUMN %s %s", change->relation, copy,
                   renaming->column->a);
    sync_create(rewrite, &renaming->sync, both_ways(renaming, original, copy), &block);
    unit_block(arena, units, &block);
    (void)unit_backfill(
        rewrite, units,
        arena_printf(arena, "UPDATE %s SET %s = %s", change->relation, copy, original),
        arena_printf(arena, "%s IS NULL AND %s IS NOT NULL", copy, original));
}

static void copy_indexes(Rewrite *rewrite, const char *to, StrList *units)
{
    Arena *arena = rewrite->arena;
    const Change *change = rewrite->change;
    const TableFact *index = NULL;
    while ((index = fact_find(rewrite->facts, "index", NULL, index)) != NULL) {
        if (!definition_has(arena, index->a, change->column))
            continue;
        const char *text =
            index_copy(arena, index->a, change->table,
                       name_made(arena, change->table, index->name, "copy"), change->column, to);
        if (text == NULL)
            rewrite->left =
                arena_printf(arena, "the parser can't write index %s again", index->name);
        else
            unit_add(arena, units, "%s", text);
    }
}

/* A trigger of UPDATE OF the original would not fire for what is written to the copy. */
static const char *trigger_of(const Rewrite *rewrite)
{
    const TableFact *found = NULL;
    while ((found = fact_find(rewrite->facts, "obstacle", rewrite->change->column, found)) !=
           NULL) {
        if (str_starts_with(found->a, "trigger "))
            return arena_printf(rewrite->arena, "%s hangs on the column", found->a);
    }
    return NULL;
}

static bool can_rename(Rewrite *rewrite)
{
    const Change *change = rewrite->change;
    const TableFact *table = fact_find(rewrite->facts, "table", NULL, NULL);
    const TableFact *column = fact_find(rewrite->facts, "column", change->column, NULL);
    if (column == NULL)
        rewrite->left = "the database does not have the column";
    else if (fact_find(rewrite->facts, "column", change->to, NULL) != NULL)
        rewrite->left = "the database has a column of the new name";
    else if (fact_has(column, 'g'))
        rewrite->left = "the column is generated";
    else if (fact_has(column, 'p'))
        rewrite->left = "the column has rights of its own";
    else if (table->a[0] != 'r' || fact_has(table, 'i'))
        rewrite->left = "the table is partitioned, or has to do with inheritance";
    else
        rewrite->left = trigger_of(rewrite);
    return rewrite->left == NULL;
}

void rewrite_rename_column(Rewrite *rewrite)
{
    if (!can_rename(rewrite))
        return;
    Arena *arena = rewrite->arena;
    const Change *change = rewrite->change;
    Renaming renaming = {
        .rewrite = rewrite,
        .column = fact_find(rewrite->facts, "column", change->column, NULL),
        .sync = sync_name(rewrite, change->column),
        .from = sql_ident(arena, change->column),
        .to = sql_ident(arena, change->to),
        .swap = name_made(arena, change->table, change->column, "swap"),
    };
    const char *head = arena_printf(arena, "ALTER TABLE %s", change->relation);
    StrList undo = {0}, contract = {0}, swap = {0};

    copy_make(&renaming, renaming.from, renaming.to, &rewrite->units);
    copy_indexes(rewrite, change->to, &rewrite->units);

    sync_drop(rewrite, &renaming.sync, &undo);
    unit_statement(arena, &undo, "%s DROP COLUMN %s", head, renaming.to);
    unit_block(arena, &rewrite->undo, &undo);

    /* The original column keeps all that hangs on it: it is the copy that goes. */
    sync_drop(rewrite, &renaming.sync, &contract);
    unit_statement(arena, &contract, "%s DROP COLUMN %s", head, renaming.to);
    unit_statement(arena, &contract, "%s RENAME COLUMN %s TO %s", head, renaming.from, renaming.to);
    unit_block(arena, &rewrite->contract, &contract);

    rewrite->key_from = renaming.from;
    rewrite->key_to = renaming.to;
    copy_make(&renaming, renaming.to, renaming.from, &rewrite->contract_undo);
    copy_indexes(rewrite, change->column, &rewrite->contract_undo);
    sync_replace(rewrite, &renaming.sync, both_ways(&renaming, renaming.from, renaming.to), &swap);
    unit_statement(arena, &swap, "%s RENAME COLUMN %s TO %s", head, renaming.to, renaming.swap);
    unit_statement(arena, &swap, "%s RENAME COLUMN %s TO %s", head, renaming.from, renaming.to);
    unit_statement(arena, &swap, "%s RENAME COLUMN %s TO %s", head, renaming.swap, renaming.from);
    unit_block(arena, &rewrite->contract_undo, &swap);
}

/* --- tables ----------------------------------------------------------------------------------- */

/* The old name as a view that can be written, with the table's owner and rights. */
static void view_make(Rewrite *rewrite, const char *renamed, StrList *statements)
{
    const TableFact *grant = NULL;
    unit_statement(rewrite->arena, statements, "CREATE VIEW %s AS SELECT * FROM %s",
                   rewrite->change->relation, renamed);
    unit_owner(rewrite->arena, statements, "VIEW", rewrite->change->relation, renamed);
    while ((grant = fact_find(rewrite->facts, "grant", NULL, grant)) != NULL)
        unit_statement(rewrite->arena, statements, "GRANT %s ON %s TO %s%s", grant->a,
                       rewrite->change->relation, grant->name, grant->b);
}

void rewrite_rename_table(Rewrite *rewrite)
{
    Arena *arena = rewrite->arena;
    const Change *change = rewrite->change;
    const TableFact *table = fact_find(rewrite->facts, "table", NULL, NULL);
    if (table->a[0] != 'r' && table->a[0] != 'p')
        rewrite->left = "it is no table";
    else if (fact_has(table, 's'))
        rewrite->left =
            "the table has row security, which a view under its old name would go round";
    for (const TableFact *column = NULL;
         (column = fact_find(rewrite->facts, "column", NULL, column)) != NULL;) {
        if (fact_has(column, 'p'))
            rewrite->left = arena_printf(arena, "column %s has rights of its own", column->name);
    }
    if (rewrite->left != NULL)
        return;
    const char *renamed = sql_qualified(arena, (SqlName){change->table.schema, change->to});
    StrList expand = {0}, undo = {0}, again = {0};
    unit_statement(arena, &expand, "ALTER TABLE %s RENAME TO %s", change->relation,
                   sql_ident(arena, change->to));
    view_make(rewrite, renamed, &expand);
    unit_block(arena, &rewrite->units, &expand);

    unit_statement(arena, &undo, "DROP VIEW %s", change->relation);
    unit_statement(arena, &undo, "ALTER TABLE %s RENAME TO %s", renamed,
                   sql_ident(arena, change->table.name));
    unit_block(arena, &rewrite->undo, &undo);

    unit_add(arena, &rewrite->contract, "DROP VIEW %s", change->relation);
    view_make(rewrite, renamed, &again);
    unit_block(arena, &rewrite->contract_undo, &again);
}
