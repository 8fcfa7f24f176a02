#include "entangled.h"
#include "rewrite_forms.h"

#include "table_facts_sql.h"

#include <string.h>

/* A section's statements with what became of them. */
typedef struct Part {
    const ScriptSection *section;
    Direction direction;
    Changes *statements;
    Rewrite **rewrites; /* of each statement's changes; form NONE has none */
    const char **gaps;  /* what stands before each statement: comments and annotations */
    const char *tail;
} Part;

/* A change of the downgrade that belongs to one of the upgrade. */
typedef struct Taken {
    const Rewrite *by;
    bool moved; /* it goes to the contract revision's downgrade */
} Taken;

typedef struct Rewriter {
    Arena *arena;
    const Script *script;
    const FactsList *facts;
    Part up;
    Part down;
    Taken **taken; /* by change of the downgrade */
    Rewritten *out;
    Error *err;
} Rewriter;

/* --- reading ---------------------------------------------------------------------------------- */

/* A line of a section; statements are looked for in their order. */
typedef struct Cursor {
    const char *line_begin; /* NULL: it could not be followed */
    int line;
} Cursor;

/* Where the statement stands, by line and column; NULL when another text stands there. */
static const char *place_of(Cursor *cursor, const Statement *statement)
{
    for (; cursor->line < statement->line && cursor->line_begin != NULL; cursor->line++) {
        const char *end = strchr(cursor->line_begin, '\n');
        cursor->line_begin = end == NULL ? NULL : end + 1;
    }
    const char *at = cursor->line_begin;
    for (int column = 1; at != NULL && column < statement->column && *at != '\0'; column++) {
        at++;
        while (((unsigned char)*at & 0xC0) == 0x80)
            at++;
    }
    bool same = at != NULL && statement->copy_data == NULL &&
                strncmp(at, statement->text, strlen(statement->text)) == 0;
    return same ? at : NULL;
}

static const char *without_semicolon(const char *at)
{
    const char *next = at + strspn(at, " \t\r\n");
    return *next == ';' ? next + 1 : at;
}

/* Comments before a statement begin on a line of their own: those behind the statement before stay
 * with it by standing in front of the next. */
static const char *gap_text(Arena *arena, const char *from, const char *to)
{
    while (from < to && (*from == '\n' || *from == ' ' || *from == '\t' || *from == '\r'))
        from++;
    while (to > from && (to[-1] == '\n' || to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r'))
        to--;
    return from == to ? "" : arena_printf(arena, "%.*s\n", (int)(to - from), from);
}

static Part part_read(Rewriter *rewriter, const ScriptSection *section, Direction direction)
{
    Arena *arena = rewriter->arena;
    size_t count = section->statements.count;
    Part part = {
        .section = section,
        .direction = direction,
        .statements = ARENA_ARRAY(arena, Changes, count + 1),
        .rewrites = ARENA_ARRAY(arena, Rewrite *, count + 1),
        .gaps = ARENA_ARRAY(arena, const char *, count + 1),
        .tail = "",
    };
    NewTables made = {0};
    const char *at = section->sql;
    Cursor cursor = {section->sql, section->first_line};
    for (size_t i = 0; i < count; i++) {
        const Statement *statement = &section->statements.items[i];
        const char *place = place_of(&cursor, statement);
        part.statements[i] = changes_read(arena, statement, &made);
        part.rewrites[i] = ARENA_ARRAY(arena, Rewrite, part.statements[i].count);
        part.gaps[i] = at == NULL || place == NULL ? "" : gap_text(arena, at, place);
        at = place == NULL ? NULL : without_semicolon(place + strlen(statement->text));
    }
    if (at != NULL)
        part.tail = gap_text(arena, at, section->sql + section->length);
    return part;
}

/* --- facts ------------------------------------------------------------------------------------ */

FactsList rewrite_tables(Arena *arena, const Script *script)
{
    FactsList list = {0};
    size_t capacity = 0;
    const StatementList *lists[] = {&script->upgrade.statements, &script->downgrade.statements};
    for (size_t l = 0; l < 2; l++) {
        NewTables made = {0};
        for (size_t i = 0; i < lists[l]->count; i++) {
            Changes changes = changes_read(arena, &lists[l]->items[i], &made);
            for (size_t k = 0; k < changes.count; k++) {
                SqlName table = changes.items[k].table;
                size_t at = 0;
                while (
                    at < list.count &&
                    !sql_name_equal((SqlName){list.items[at].schema, list.items[at].name}, table))
                    at++;
                if (changes.items[k].form == HAZARD_NONE || table.name[0] == '\0' ||
                    at < list.count)
                    continue;
                if (list.count == capacity) {
                    capacity = capacity == 0 ? 8 : capacity * 2;
                    list.items =
                        arena_grow(arena, list.items, list.count, capacity, sizeof *list.items);
                }
                list.items[list.count++] = (TableFacts){.schema = table.schema, .name = table.name};
            }
        }
    }
    return list;
}

const char *rewrite_facts_query(Arena *arena, const TableFacts *table)
{
    const char *name = sql_qualified(arena, (SqlName){table->schema, table->name});
    return arena_printf(arena, "WITH asked AS (SELECT pg_catalog.to_regclass(%s) AS oid)%s",
                        sql_literal(arena, name), table_facts_sql);
}

static const TableFacts *facts_of(const Rewriter *rewriter, SqlName table)
{
    for (size_t i = 0; i < rewriter->facts->count; i++) {
        const TableFacts *facts = &rewriter->facts->items[i];
        if (sql_name_equal((SqlName){facts->schema, facts->name}, table) && facts->count > 0)
            return facts;
    }
    return NULL;
}

static bool is_relation(const TableFacts *facts, char kind)
{
    const TableFact *table = facts == NULL ? NULL : fact_find(facts, "table", NULL, NULL);
    return table != NULL && table->a[0] == kind;
}

/* --- one change ------------------------------------------------------------------------------- */

static bool is_inverse(const Change *change, const Change *other)
{
    switch (change->form) {
    case HAZARD_RENAME_COLUMN:
        return other->form == HAZARD_RENAME_COLUMN && sql_name_equal(change->table, other->table) &&
               strcmp(change->column, other->to) == 0 && strcmp(change->to, other->column) == 0;
    case HAZARD_RENAME_TABLE:
        return other->form == HAZARD_RENAME_TABLE && strcmp(change->to, other->table.name) == 0 &&
               strcmp(change->table.name, other->to) == 0 &&
               strcmp(change->table.schema, other->table.schema) == 0;
    case HAZARD_COLUMN_TYPE:
        return other->form == HAZARD_COLUMN_TYPE && sql_name_equal(change->table, other->table) &&
               strcmp(change->column, other->column) == 0;
    case HAZARD_DROP_COLUMN:
        return other->command != NULL &&
               other->command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn &&
               sql_name_equal(change->table, other->table) &&
               strcmp(change->column, other->column) == 0;
    case HAZARD_DROP_TABLE:
        return sql_name_equal(change->table, other->table);
    default:
        return false;
    }
}

/* Marks what takes the change back. Of a dropped table that is all that the downgrade does to it.
 */
static void inverse_take(Rewriter *rewriter, Rewrite *rewrite)
{
    const Part *down = &rewriter->down;
    for (size_t i = 0; i < down->section->statements.count; i++) {
        const Changes *changes = &down->statements[i];
        for (size_t k = 0; k < changes->count; k++) {
            if (rewriter->taken[i][k].by != NULL ||
                !is_inverse(rewrite->change, &changes->items[k]))
                continue;
            bool first = rewrite->inverse == NULL;
            if (!first && rewrite->change->form != HAZARD_DROP_TABLE)
                continue;
            rewriter->taken[i][k] = (Taken){rewrite, change_is_drop(rewrite->change)};
            if (first) {
                rewrite->inverse = &changes->items[k];
                rewrite->inverse_of = changes;
            }
        }
    }
}

static void inverse_release(Rewriter *rewriter, const Rewrite *rewrite)
{
    for (size_t i = 0; i < rewriter->down.section->statements.count; i++) {
        for (size_t k = 0; k < rewriter->down.statements[i].count; k++) {
            if (rewriter->taken[i][k].by == rewrite)
                rewriter->taken[i][k].by = NULL;
        }
    }
}

static void rewrite_drop(Rewrite *rewrite)
{
    const Change *change = rewrite->change;
    unit_add(rewrite->arena, &rewrite->contract, "%s%s%s", change->head,
             change->head[0] == '\0' ? "" : " ", change->text);
}

static void phased(Rewriter *rewriter, Rewrite *rewrite)
{
    bool drop = change_is_drop(rewrite->change);
    if (rewrite->change->lenient && !drop) {
        rewrite->left = "IF EXISTS: what has two phases must be there";
        return;
    }
    if (rewrite->facts == NULL && !drop) {
        rewrite->left = rewriter->facts->count == 0 ? "the table must be known: say --url"
                                                    : "the database does not have the table";
        return;
    }
    const Part *up = &rewriter->up;
    if (change_is_entangled(rewriter->arena, up->statements, up->section->statements.count,
                            rewrite->change)) {
        rewrite->left = "other statements have to do with it: give it a revision of its own";
        return;
    }
    inverse_take(rewriter, rewrite);
    if (rewrite->inverse == NULL && rewriter->script->irreversible == NULL) {
        rewrite->left = "nothing in its downgrade takes it back";
        return;
    }
    switch (rewrite->change->form) {
    case HAZARD_RENAME_COLUMN:
        rewrite_rename_column(rewrite);
        break;
    case HAZARD_RENAME_TABLE:
        rewrite_rename_table(rewrite);
        break;
    case HAZARD_COLUMN_TYPE:
        rewrite_column_type(rewrite);
        break;
    default:
        rewrite_drop(rewrite);
        break;
    }
    if (rewrite->left != NULL)
        inverse_release(rewriter, rewrite);
}

/* As far as the facts tell, or what makes it in this revision: DROP INDEX CONCURRENTLY takes none
 * of a partitioned table. */
static bool is_partitioned_index(const Rewriter *rewriter, const Rewrite *rewrite)
{
    const Part *parts[] = {&rewriter->up, &rewriter->down};
    const char *wanted = sql_ident(rewriter->arena, rewrite->change->table.name);
    const TableFacts *facts = rewrite->facts;
    for (size_t p = 0; p < 2 && !is_relation(facts, 'I'); p++) {
        for (size_t i = 0; i < parts[p]->section->statements.count; i++) {
            const PgQuery__Node *node = parts[p]->statements[i].node;
            if (node == NULL || node->node_case != PG_QUERY__NODE__NODE_INDEX_STMT ||
                strcmp(name_index(rewriter->arena, node->index_stmt), wanted) != 0)
                continue;
            const TableFacts *table =
                facts_of(rewriter, sql_range_name(node->index_stmt->relation));
            if (is_relation(table, 'p'))
                return true;
        }
    }
    return is_relation(facts, 'I');
}

static void drop_index(const Rewriter *rewriter, Rewrite *rewrite)
{
    if (is_partitioned_index(rewriter, rewrite))
        rewrite->left = "DROP INDEX CONCURRENTLY takes no index of a partitioned table";
    else
        rewrite_drop_index(rewrite);
}

static void sequence(const Rewriter *rewriter, Rewrite *rewrite)
{
    switch (rewrite->change->form) {
    case HAZARD_CREATE_INDEX:
        rewrite_create_index(rewrite);
        break;
    case HAZARD_DROP_INDEX:
        drop_index(rewriter, rewrite);
        break;
    case HAZARD_REINDEX:
        rewrite_reindex(rewrite);
        break;
    case HAZARD_DETACH_PARTITION:
        rewrite_detach(rewrite);
        break;
    case HAZARD_SET_NOT_NULL:
        rewrite_set_not_null(rewrite);
        break;
    case HAZARD_ADD_CHECK:
    case HAZARD_ADD_FOREIGN_KEY:
    case HAZARD_ADD_UNIQUE:
        rewrite_constraint(rewrite);
        break;
    case HAZARD_UPDATE_ALL:
        rewrite_update(rewrite);
        break;
    default:
        rewrite_add_column(rewrite);
        break;
    }
}

static void note_add(Rewriter *rewriter, const Part *part, const Rewrite *rewrite)
{
    rewriter->out->notes[rewriter->out->note_count++] = (RewriteNote){
        .form = rewrite->change->form,
        .direction = part->direction,
        .line = rewrite->changes->statement->line,
        .what = change_describe(rewriter->arena, rewrite->change),
        .left = rewrite->left,
        .phased = rewrite->left == NULL && rewrite->contract.count > 0,
        .caution = rewrite->caution,
        .change = rewrite->change,
    };
}

static void note_unknown(Rewriter *rewriter, const Part *part, const Statement *statement)
{
    rewriter->out->notes[rewriter->out->note_count++] = (RewriteNote){
        .form = HAZARD_NONE,
        .direction = part->direction,
        .line = statement->line,
        .what = arena_printf(rewriter->arena, "%s", statement->first_keyword),
        .left = "the parser does not know this statement",
    };
}

static bool is_written(const Rewrite *rewrite)
{
    return rewrite->change != NULL && rewrite->left == NULL;
}

static bool gives_values(const Changes *changes, const Change *own)
{
    const PgQuery__Node *node = changes->node;
    if (node == NULL || node->node_case != PG_QUERY__NODE__NODE_UPDATE_STMT ||
        !sql_name_equal(sql_range_name(node->update_stmt->relation), own->table))
        return false;
    for (size_t i = 0; i < node->update_stmt->n_target_list; i++) {
        if (strcmp(node->update_stmt->target_list[i]->res_target->name, own->column) == 0)
            return true;
    }
    return false;
}

/* Whether new rows have a value behind the change, of which they had one before it or not. */
static bool has_default(const Change *change, const Change *own, bool before)
{
    if (change->command == NULL || !sql_name_equal(change->table, own->table) ||
        strcmp(change->column, own->column) != 0)
        return before;
    if (change->command->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_ColumnDefault)
        return change->command->def != NULL;
    if (change->command->subtype != PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn)
        return before;
    const PgQuery__ColumnDef *column = change->command->def->column_def;
    return column_constraint(column, PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT) != NULL ||
           serial_type(column->type_name) != NULL;
}

/* A backfill ends at the rows that were there when it began: what an application of before writes
 * behind them, without the column, is nobody's. */
static void not_null_caution(const Part *part, size_t at, Rewrite *rewrite)
{
    Arena *arena = rewrite->arena;
    const Change *own = rewrite->change;
    const TableFact *column =
        rewrite->facts == NULL ? NULL : fact_find(rewrite->facts, "column", own->column, NULL);
    bool given = column != NULL && column->b[0] != '\0';
    bool filled = false;
    for (size_t i = 0; i <= at; i++) {
        filled = filled || gives_values(&part->statements[i], own);
        for (size_t k = 0; k < part->statements[i].count; k++)
            given = has_default(&part->statements[i].items[k], own, given);
    }
    if (!filled || given)
        return;
    rewrite->caution =
        arena_printf(arena,
                     "rows that are written meanwhile without %s make VALIDATE fail: give it a "
                     "default before they are filled in, or a trigger",
                     own->column);
    rewrite->units.items[0] =
        arena_printf(arena, "-- Take care: %s.\n%s", rewrite->caution, rewrite->units.items[0]);
}

/* In an explicit block of `transaction: none` everything stays. */
static void part_rewrite(Rewriter *rewriter, Part *part)
{
    bool up = part->direction == DIRECTION_UPGRADE;
    bool block = false;
    for (size_t i = 0; i < part->section->statements.count; i++) {
        const Changes *changes = &part->statements[i];
        if (statement_begins_block(changes->statement) || statement_ends_block(changes->statement))
            block = statement_begins_block(changes->statement);
        if (changes->node == NULL && changes->statement->copy_data == NULL)
            note_unknown(rewriter, part, changes->statement);
        for (size_t k = 0; k < changes->count; k++) {
            const Change *change = &changes->items[k];
            if (change->form == HAZARD_NONE)
                continue;
            HazardHelp help = hazard_info(change->form)->help;
            bool taken = !up && rewriter->taken[i][k].by != NULL;
            if (taken || (!up && help != HAZARD_HELP_SEQUENCE))
                continue;
            Rewrite *rewrite = &part->rewrites[i][k];
            *rewrite = (Rewrite){
                .arena = rewriter->arena,
                .facts = facts_of(rewriter, change->table),
                .changes = changes,
                .change = change,
            };
            if (block)
                rewrite->left = "it stands in BEGIN ... COMMIT";
            else if (help == HAZARD_HELP_ADVICE)
                rewrite->left = hazard_info(change->form)->safe;
            else if (help == HAZARD_HELP_PHASES)
                phased(rewriter, rewrite);
            else
                sequence(rewriter, rewrite);
            if (change->form == HAZARD_SET_NOT_NULL && is_written(rewrite))
                not_null_caution(part, i, rewrite);
            rewriter->out->changed = rewriter->out->changed || is_written(rewrite);
            note_add(rewriter, part, rewrite);
        }
    }
}

/* --- text ------------------------------------------------------------------------------------- */

/* Statements that stay as they are, next to each other: they were one transaction, and still are.
 */
typedef struct Kept {
    Str text;
    size_t count;
} Kept;

static void kept_flush(const Rewriter *rewriter, Kept *kept, Str *out)
{
    bool block = kept->count > 1 && rewriter->script->transactional;
    if (block)
        str_append(out, "BEGIN;\n");
    str_append(out, str_text(&kept->text));
    if (block)
        str_append(out, "COMMIT;\n");
    str_free(&kept->text);
    kept->count = 0;
}

static void kept_statement(Kept *kept, const char *gap, const Statement *statement)
{
    str_printf(&kept->text, "%s%s;\n", gap, statement->text);
    if (statement->copy_data != NULL) {
        str_append_bytes(&kept->text, statement->copy_data, statement->copy_length);
        str_append(&kept->text, "\\.\n");
    }
    kept->count++;
}

static void append_units(Str *out, const StrList *units)
{
    for (size_t i = 0; i < units->count; i++)
        str_append(out, units->items[i]);
}

/* Of a statement that is written anew in parts: subcommands that stay are one statement. */
static void kept_change(Kept *kept, const Change *change, bool follows)
{
    if (follows && change->head[0] != '\0') {
        kept->text.length -= 2; /* ";\n" */
        str_printf(&kept->text, ",\n    %s;\n", change->text);
        return;
    }
    str_printf(&kept->text, "%s%s%s;\n", change->head, change->head[0] == '\0' ? "" : " ",
               change->text);
    kept->count++;
}

static const Taken *taken_of(const Rewriter *rewriter, const Part *part, size_t i, size_t k)
{
    static const Taken none;
    return part->direction == DIRECTION_UPGRADE ? &none : &rewriter->taken[i][k];
}

static bool is_as_it_was(const Rewriter *rewriter, const Part *part, size_t i)
{
    for (size_t k = 0; k < part->statements[i].count; k++) {
        if (is_written(&part->rewrites[i][k]) || taken_of(rewriter, part, i, k)->by != NULL)
            return false;
    }
    return true;
}

/* Annotations hold for the statement that is there no more. */
static const char *gap_without_annotations(Arena *arena, const char *gap)
{
    AUTO_STR Str out = {0};
    for (const char *at = gap; *at != '\0';) {
        size_t length = strcspn(at, "\n") + 1;
        if (strncmp(at, "-- +", 4) != 0)
            str_append_bytes(&out, at, length);
        at += length;
    }
    return arena_strdup(arena, str_text(&out));
}

static void changes_text(const Rewriter *rewriter, const Part *part, size_t i, Kept *kept, Str *out)
{
    const Changes *changes = &part->statements[i];
    bool follows = false;
    const char *gap = gap_without_annotations(rewriter->arena, part->gaps[i]);
    str_append(kept->count > 0 ? &kept->text : out, gap);
    for (size_t k = 0; k < changes->count; k++) {
        const Rewrite *rewrite = &part->rewrites[i][k];
        const Taken *taken = taken_of(rewriter, part, i, k);
        if (is_written(rewrite) || taken->by != NULL) {
            kept_flush(rewriter, kept, out);
            if (taken->by == NULL)
                append_units(out, &rewrite->units);
            else if (!taken->moved)
                append_units(out, &taken->by->undo);
            follows = false;
        } else {
            kept_change(kept, &changes->items[k], follows);
            follows = true;
        }
    }
}

/* Outside of blocks it holds for all that follows, also where that is gone on with. */
static bool is_setting(const Statement *statement)
{
    return strcmp(statement->first_keyword, "SET") == 0 ||
           strcmp(statement->first_keyword, "RESET") == 0;
}

static const char *part_text(const Rewriter *rewriter, const Part *part)
{
    AUTO_STR Str out = {0};
    Kept kept = {0};
    for (size_t i = 0; i < part->section->statements.count; i++) {
        const Statement *statement = part->statements[i].statement;
        bool set = is_setting(statement);
        if (set)
            kept_flush(rewriter, &kept, &out);
        if (is_as_it_was(rewriter, part, i))
            kept_statement(&kept, part->gaps[i], statement);
        else
            changes_text(rewriter, part, i, &kept, &out);
        if (set)
            kept_flush(rewriter, &kept, &out);
    }
    kept_flush(rewriter, &kept, &out);
    str_append(&out, part->tail);
    str_free(&kept.text);
    return arena_strdup(rewriter->arena, str_text(&out));
}

/* --- the contract revision -------------------------------------------------------------------- */

/* What the downgrade did to take back a drop, as it would be done alone. */
static void moved_text(const Rewriter *rewriter, const Rewrite *by, Str *out)
{
    const Part *down = &rewriter->down;
    for (size_t i = 0; i < down->section->statements.count; i++) {
        const Changes *changes = &down->statements[i];
        for (size_t k = 0; k < changes->count; k++) {
            const Change *change = &changes->items[k];
            if (rewriter->taken[i][k].by != by)
                continue;
            Rewrite alone = {.arena = rewriter->arena,
                             .facts = facts_of(rewriter, change->table),
                             .changes = changes,
                             .change = change};
            if (change->form != HAZARD_NONE &&
                hazard_info(change->form)->help == HAZARD_HELP_SEQUENCE)
                sequence(rewriter, &alone);
            if (alone.units.count > 0 && alone.left == NULL)
                append_units(out, &alone.units);
            else
                str_printf(out, "%s%s%s;\n", change->head, change->head[0] == '\0' ? "" : " ",
                           change->text);
        }
    }
}

static void contract_make(Rewriter *rewriter)
{
    AUTO_STR Str up = {0};
    AUTO_STR Str down = {0};
    const Part *part = &rewriter->up;
    for (size_t i = 0; i < part->section->statements.count; i++) {
        for (size_t k = 0; k < part->statements[i].count; k++) {
            const Rewrite *rewrite = &part->rewrites[i][k];
            if (is_written(rewrite))
                append_units(&up, &rewrite->contract);
        }
    }
    for (size_t i = part->section->statements.count; i-- > 0;) {
        for (size_t k = part->statements[i].count; k-- > 0;) {
            const Rewrite *rewrite = &part->rewrites[i][k];
            if (!is_written(rewrite))
                continue;
            append_units(&down, &rewrite->contract_undo);
            if (change_is_drop(rewrite->change))
                moved_text(rewriter, rewrite, &down);
        }
    }
    rewriter->out->has_contract = up.length > 0;
    rewriter->out->contract = (RewriteText){
        .upgrade = arena_strdup(rewriter->arena, str_text(&up)),
        .downgrade = arena_strdup(rewriter->arena, str_text(&down)),
    };
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool word_is(const char *word, const char *const *list)
{
    while (*list != NULL && strcmp(word, *list) != 0)
        list++;
    return *list != NULL;
}

/* What holds for the rest of a transaction can't hold where each statement commits alone. */
static ErrCode transaction_check(const Rewriter *rewriter, const Part *part)
{
    static const char *const settings[] = {"LOCAL", "CONSTRAINTS", "TRANSACTION", NULL};
    static const char *const temporary[] = {"TEMP", "TEMPORARY", NULL};
    for (size_t i = 0; i < part->section->statements.count; i++) {
        const Statement *statement = part->statements[i].statement;
        const char *first = statement->first_keyword;
        const char *second = statement->second_keyword;
        bool lock = strcmp(first, "LOCK") == 0;
        bool set = strcmp(first, "SET") == 0 && word_is(second, settings);
        bool make = strcmp(first, "CREATE") == 0 && word_is(second, temporary);
        if (!rewriter->script->transactional || !(lock || set || make))
            continue;
        err_set(rewriter->err, ERR_SCRIPT, "%s%s%s is for one %s, and the safe form has several",
                first, lock ? "" : " ", lock ? "" : second, make ? "session" : "transaction");
        err_hint(rewriter->err,
                 "Take it out (SET without LOCAL holds for all of them), or give the "
                 "statements that need it a revision of their own.");
        statement_place_error(rewriter->err, rewriter->script->file, statement, 0);
        return ERR_SCRIPT;
    }
    return ERR_OK;
}

static size_t change_count(const Part *part)
{
    size_t count = 0;
    for (size_t i = 0; i < part->section->statements.count; i++)
        count += part->statements[i].count;
    return count;
}

/* Nothing but what the contract does: then the revision itself is it. */
static void contract_settle(Rewriter *rewriter)
{
    Rewritten *out = rewriter->out;
    if (!out->has_contract || out->text.upgrade[strspn(out->text.upgrade, " \t\r\n")] != '\0')
        return;
    if (out->text.downgrade[0] != '\0')
        out->contract.downgrade =
            arena_printf(rewriter->arena, "%s%s", out->contract.downgrade, out->text.downgrade);
    out->contracts = true;
    out->has_contract = false;
    out->text = out->contract;
}

ErrCode rewrite_script(Arena *arena, const Script *script, const FactsList *facts,
                       Rewritten *ret_rewritten, Error *err)
{
    Rewritten out = {0};
    Rewriter rewriter = {.arena = arena, .script = script, .facts = facts, .out = &out, .err = err};
    rewriter.up = part_read(&rewriter, &script->upgrade, DIRECTION_UPGRADE);
    rewriter.down = part_read(&rewriter, &script->downgrade, DIRECTION_DOWNGRADE);
    size_t down_count = script->downgrade.statements.count;
    rewriter.taken = ARENA_ARRAY(arena, Taken *, down_count + 1);
    for (size_t i = 0; i < down_count; i++)
        rewriter.taken[i] = ARENA_ARRAY(arena, Taken, rewriter.down.statements[i].count);
    out.notes = ARENA_ARRAY(arena, RewriteNote,
                            change_count(&rewriter.up) + change_count(&rewriter.down) + 1);
    part_rewrite(&rewriter, &rewriter.up);
    part_rewrite(&rewriter, &rewriter.down);
    if (!out.changed) {
        *ret_rewritten = out;
        return ERR_OK;
    }
    ErrCode code = transaction_check(&rewriter, &rewriter.up);
    if (code == ERR_OK)
        code = transaction_check(&rewriter, &rewriter.down);
    if (code != ERR_OK)
        return code;
    out.text.upgrade = part_text(&rewriter, &rewriter.up);
    out.text.downgrade = part_text(&rewriter, &rewriter.down);
    contract_make(&rewriter);
    contract_settle(&rewriter);
    *ret_rewritten = out;
    return ERR_OK;
}

const Statement *rewrite_meets(Arena *arena, const Rewritten *rewritten, const Script *script,
                               const char **ret_what)
{
    NewTables made = {0};
    const StatementList *list = &script->upgrade.statements;
    for (size_t i = 0; i < list->count; i++) {
        Changes changes = changes_read(arena, &list->items[i], &made);
        for (size_t k = 0; k < rewritten->note_count; k++) {
            const RewriteNote *item = &rewritten->notes[k];
            if (!item->phased || !change_is_met(arena, &changes, item->change))
                continue;
            *ret_what = item->what;
            return &list->items[i];
        }
    }
    return NULL;
}
