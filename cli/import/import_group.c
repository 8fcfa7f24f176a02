/*
 * Which statements run in one transaction, as the tool and the author's own BEGIN and COMMIT have
 * it, and which can't run in one at all.
 */
#include "import_parts.h"

#include "split_words.h"

#include <string.h>

typedef struct Grouping {
    SqlParts *parts;
    int block; /* that the next statement runs in; 0 = none */
    bool failed;
} Grouping;

static bool is_first(const Statement *statement, const char *word)
{
    return strcmp(statement->first_keyword, word) == 0;
}

static bool is_second(const Statement *statement, const char *word)
{
    return strcmp(statement->second_keyword, word) == 0;
}

static void refuse(Grouping *grouping, const Part *part, const char *text)
{
    import_problem(grouping->parts->import, grouping->parts->file, part->statement->line, "%s",
                   text);
    grouping->failed = true;
}

static void block_begin(Grouping *grouping, const Part *part)
{
    SqlParts *parts = grouping->parts;
    if (!statement_begins_block(part->statement))
        parts_note(parts, part,
                   "modes of BEGIN are left out: a step runs in READ COMMITTED, read and write");
    if (grouping->block == 0)
        grouping->block = ++parts->block_count;
}

static void block_end(Grouping *grouping, const Part *part)
{
    const Statement *statement = part->statement;
    if (is_second(statement, "PREPARED")) {
        refuse(grouping, part, "COMMIT PREPARED can't be part of a revision");
        return;
    }
    bool chain = !statement_ends_block(statement) && words_have(statement->text, "CHAIN") &&
                 !words_have(statement->text, "NO");
    grouping->block = chain ? ++grouping->parts->block_count : 0;
}

static void control(Grouping *grouping, Part *part)
{
    const Statement *statement = part->statement;
    bool last = part == &grouping->parts->items[grouping->parts->count - 1];
    part->fate = PART_DROPPED;
    if (is_first(statement, "BEGIN") || is_first(statement, "START"))
        block_begin(grouping, part);
    else if (is_first(statement, "COMMIT") || is_first(statement, "END"))
        block_end(grouping, part);
    else if (is_first(statement, "PREPARE"))
        refuse(grouping, part, "PREPARE TRANSACTION can't be part of a revision");
    else if (is_first(statement, "SAVEPOINT") || is_first(statement, "RELEASE"))
        parts_note(grouping->parts, part, "savepoints are taken off: nothing goes back to them");
    else if (!grouping->parts->takes_back || !last ||
             words_have(statement->text, "TO")) /* ROLLBACK, ABORT */
        refuse(grouping, part, "takes back what the file did before: take out both");
}

static bool has_text(const char *text, const char *part)
{
    return strcasestr(text, part) != NULL;
}

/* A DO block that commits; its body is a text to the lexer. */
static bool body_commits(const Statement *statement)
{
    if (!is_first(statement, "DO"))
        return false;
    for (const char *at = statement->text; (at = strcasestr(at, "commit")) != NULL; at++) {
        const char *after = words_skip_blank(at + strlen("commit"));
        char before = at == statement->text ? ' ' : at[-1];
        if (*after == ';' && (words_is_space(before) || before == ';'))
            return true;
    }
    return false;
}

/* What can't run in a transaction and leaves nothing in the catalog to be recognised by. */
static bool is_rerunnable(const Statement *statement)
{
    static const char *const words[] = {"VACUUM", "REINDEX", "CLUSTER", "DO", NULL};
    return word_is_one_of(statement->first_keyword, words) && !statement_is_concurrent(statement);
}

static void alone(Grouping *grouping, Part *part)
{
    SqlParts *parts = grouping->parts;
    const Statement *statement = part->statement;
    if (is_first(statement, "DISCARD")) {
        part->fate = PART_DROPPED;
        parts_note(parts, part, "DISCARD taken off: the session is reset behind each revision");
        return;
    }
    if (is_second(statement, "SUBSCRIPTION")) {
        refuse(grouping, part,
               "a subscription can't be made or dropped in a transaction, and how to tell that it "
               "has happened is for you to say: write the revision by hand, with `-- +probe`");
        return;
    }
    if (is_rerunnable(statement)) {
        part->fate = PART_RERUNNABLE;
        parts_note(
            parts, part,
            body_commits(statement)
                ? "a DO block that commits is marked `-- +rerunnable`: make sure it may run twice"
                : "what can't run in a transaction is marked `-- +rerunnable`");
    } else {
        parts_note(parts, part, "what can't run in a transaction: `transaction: none`");
    }
    /* What follows is a transaction of its own. */
    if (grouping->block != 0)
        grouping->block = ++parts->block_count;
}

/* SET TRANSACTION is too late in a step, which has read already. */
static bool sets_transaction(const Statement *statement)
{
    return is_first(statement, "SET") &&
           (is_second(statement, "TRANSACTION") ||
            (is_second(statement, "SESSION") && has_text(statement->text, "characteristics")));
}

static void ordinary(Grouping *grouping, Part *part)
{
    SqlParts *parts = grouping->parts;
    const Statement *statement = part->statement;
    if (sets_transaction(statement)) {
        part->fate = PART_DROPPED;
        parts_note(parts, part, "SET TRANSACTION taken off: a step runs in READ COMMITTED");
        return;
    }
    part->block = grouping->block;
    bool sets = is_first(statement, "SET") && !is_second(statement, "LOCAL") &&
                !is_second(statement, "CONSTRAINTS");
    if (sets || (is_first(statement, "SELECT") && has_text(statement->text, "set_config(")))
        parts_note(parts, part,
                   "SET is kept and holds to the end of its revision; the tool may let it live on");
}

/* --- enums ------------------------------------------------------------------------------------ */

typedef struct NewValue {
    const char *quoted; /* 'value', as written */
    int block;
} NewValue;

/* The name behind two words, as written, without its schema. */
static const char *type_name(Arena *arena, const Statement *statement)
{
    Words words = {.at = statement->text};
    words_next(&words);
    words_next(&words);
    const char *begin = words_skip_blank(words.at);
    const char *end = begin;
    while (*end != '\0' && !words_is_space(*end) && *end != '(') {
        const char *dot = *end == '.' ? end : NULL;
        words = (Words){.at = end};
        words_next(&words);
        end = words.at;
        begin = dot != NULL ? end : begin;
        if (dot != NULL) {
            words_next(&words);
            end = words.at;
        }
    }
    return arena_strndup(arena, begin, (size_t)(end - begin));
}

/* 'value' of ALTER TYPE ... ADD VALUE; NULL = it is none. */
static const char *value_added(Arena *arena, const Statement *statement)
{
    if (!is_first(statement, "ALTER") || !is_second(statement, "TYPE"))
        return NULL;
    Words words = {.at = statement->text};
    bool adds = false;
    while (words_next(&words)) {
        adds = adds || strcmp(words.word, "VALUE") == 0;
        const char *next = words_skip_blank(words.at);
        if (!adds || *next != '\'')
            continue;
        words = (Words){.at = next};
        words_next(&words);
        return arena_strndup(arena, next, (size_t)(words.at - next));
    }
    return NULL;
}

/* Values of a type that the same transaction makes may be used at once. */
static bool type_is_new(const SqlParts *parts, size_t index)
{
    Arena *arena = parts->import->arena;
    const char *name = type_name(arena, parts->items[index].statement);
    for (size_t i = 0; i < index; i++) {
        const Statement *statement = parts->items[i].statement;
        if (parts->items[i].block == parts->items[index].block && is_first(statement, "CREATE") &&
            is_second(statement, "TYPE") && strcasecmp(type_name(arena, statement), name) == 0)
            return true;
    }
    return false;
}

static bool uses(const Part *part, const NewValue *values, size_t count, int block)
{
    for (size_t i = 0; i < count; i++) {
        if ((block < 0 || values[i].block == block) &&
            strstr(part->statement->text, values[i].quoted) != NULL)
            return true;
    }
    return false;
}

/* The parts of a transaction from `index` on become another one. */
static void block_cut(SqlParts *parts, size_t index)
{
    int old = parts->items[index].block;
    int new = ++parts->block_count;
    for (size_t i = index; i < parts->count; i++) {
        if (parts->items[i].block == old)
            parts->items[i].block = new;
    }
}

/* A transaction that uses a value which it adds is cut before the use. */
static void enums_cut(SqlParts *parts)
{
    Arena *arena = parts->import->arena;
    NewValue *values = ARENA_ARRAY(arena, NewValue, parts->count);
    size_t count = 0;
    for (size_t i = 0; i < parts->count; i++) {
        Part *part = &parts->items[i];
        if (part->fate != PART_KEPT)
            continue;
        if (uses(part, values, count, -1)) {
            parts->uses_new_value = true;
            if (part->block != 0 && uses(part, values, count, part->block))
                block_cut(parts, i);
            parts_note(parts, part,
                       "uses an enum's value that it adds, which takes a second transaction: "
                       "`transaction: none`");
        }
        const char *quoted = value_added(arena, part->statement);
        if (quoted != NULL && !type_is_new(parts, i)) {
            values[count++] = (NewValue){.quoted = quoted, .block = part->block};
            parts->adds_value = true;
        }
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

static void controls_note(SqlParts *parts)
{
    bool units = parts_need_units(parts);
    for (size_t i = 0; i < parts->count; i++) {
        const Part *part = &parts->items[i];
        if (!statement_is_transaction_control(part->statement))
            continue;
        parts_note(parts, part,
                   units ? "its own transactions are kept as blocks: `transaction: none`"
                         : "BEGIN and COMMIT taken off: the revision is one transaction");
        return;
    }
}

bool parts_group(SqlParts *parts)
{
    Grouping grouping = {.parts = parts};
    if (parts->in_block)
        grouping.block = ++parts->block_count;
    for (size_t i = 0; i < parts->count && !grouping.failed; i++) {
        Part *part = &parts->items[i];
        if (statement_is_transaction_control(part->statement))
            control(&grouping, part);
        else if (statement_needs_no_transaction(part->statement) || body_commits(part->statement))
            alone(&grouping, part);
        else
            ordinary(&grouping, part);
    }
    if (grouping.failed)
        return false;
    enums_cut(parts);
    controls_note(parts);
    return true;
}

bool parts_need_units(const SqlParts *parts)
{
    int block = 0;
    bool lone = false;
    if (parts->uses_new_value)
        return true;
    for (size_t i = 0; i < parts->count; i++) {
        const Part *part = &parts->items[i];
        if (part->fate == PART_DROPPED)
            continue;
        if (part->fate == PART_RERUNNABLE || statement_needs_no_transaction(part->statement))
            return true;
        if (part->block == 0)
            lone = true;
        else if (block != 0 && part->block != block)
            return true;
        else
            block = part->block;
    }
    return lone && !parts->in_block;
}
