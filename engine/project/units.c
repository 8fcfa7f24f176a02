#include "units.h"

#include "digest.h"
#include "token_digest.h"

#include <string.h>

typedef struct Maker {
    Arena *arena;
    const char *file;
    const StatementList *statements;
    size_t at;
    UnitList list;
    Error *err;
} Maker;

const char *unit_kind_name(UnitKind kind)
{
    static const char *const names[UNIT_KIND_COUNT] = {"",           "transaction", "catalog",
                                                       "rerunnable", "probed",      "batch"};
    return (unsigned)kind < UNIT_KIND_COUNT ? names[kind] : "";
}

static bool is(const char *word, const char *wanted)
{
    return strcmp(word, wanted) == 0;
}

static ErrCode refuse(const Maker *maker, const Statement *statement, const char *hint)
{
    err_hint(maker->err, "%s", hint);
    statement_place_error(maker->err, maker->file, statement, 0);
    return ERR_SCRIPT;
}

/* --- describing ------------------------------------------------------------------------------- */

static Digest digest_of(const StatementList *statements)
{
    Sha256 hash;
    sha256_init(&hash);
    for (size_t i = 0; i < statements->count; i++) {
        const Statement *statement = &statements->items[i];
        TokenSection section = {.sql = statement->text};
        char text[TOKEN_DIGEST_TEXT_SIZE];
        token_digest(&section, 1, text);
        sha256_update(&hash, text, sizeof text);
        if (statement->copy_data != NULL)
            sha256_update(&hash, statement->copy_data, statement->copy_length);
    }
    return sha256_final(&hash);
}

static void add_unit(Maker *maker, const Unit *unit)
{
    Unit *added = &maker->list.items[maker->list.count++];
    *added = *unit;
    added->digest = digest_of(&unit->statements);
    added->setting_count = maker->list.settings.count;
}

/* --- blocks ----------------------------------------------------------------------------------- */

static ErrCode check_annotations(const Maker *maker, const Statement *statement)
{
    if (statement->probe == NULL && !statement->rerunnable && statement->batch == NULL)
        return ERR_OK;
    err_set(maker->err, ERR_SCRIPT,
            "+probe, +rerunnable and +batch have no place in BEGIN ... COMMIT");
    return refuse(maker, statement, "A block happens exactly once without them.");
}

static ErrCode check_in_block(const Maker *maker, const Statement *statement)
{
    if (statement_is_transaction_control(statement)) {
        err_set(maker->err, ERR_SCRIPT, "%s can't be used inside BEGIN ... COMMIT",
                statement->first_keyword);
        return refuse(maker, statement, "A block is committed whole or not at all.");
    }
    if (statement_needs_no_transaction(statement)) {
        err_set(maker->err, ERR_SCRIPT, "this %s statement can't run inside BEGIN ... COMMIT",
                statement->first_keyword);
        return refuse(maker, statement, "Put it before the block or behind it.");
    }
    return check_annotations(maker, statement);
}

static ErrCode make_block(Maker *maker)
{
    const Statement *begin = &maker->statements->items[maker->at];
    size_t first = ++maker->at;
    ErrCode code = check_annotations(maker, begin);
    for (; code == ERR_OK && maker->at < maker->statements->count; maker->at++) {
        const Statement *statement = &maker->statements->items[maker->at];
        if (statement_ends_block(statement))
            break;
        code = check_in_block(maker, statement);
    }
    if (code != ERR_OK)
        return code;
    if (maker->at == maker->statements->count) {
        err_set(maker->err, ERR_SCRIPT, "BEGIN without COMMIT");
        return refuse(maker, begin, "End the block with COMMIT.");
    }
    Unit unit = {
        .kind = UNIT_TRANSACTION,
        .statements = {.items = &maker->statements->items[first], .count = maker->at - first},
        .place = begin,
    };
    maker->at++;
    if (unit.statements.count == 0)
        return ERR_OK;
    unit.what = arena_printf(maker->arena, "BEGIN; %s",
                             statement_in_few_words(maker->arena, unit.statements.items[0].text));
    add_unit(maker, &unit);
    return ERR_OK;
}

/* --- lone statements -------------------------------------------------------------------------- */

static ErrCode add_setting(Maker *maker, const Statement *statement)
{
    const char *second = statement->second_keyword;
    if (is(second, "LOCAL") || is(second, "TRANSACTION") || is(second, "CONSTRAINTS")) {
        err_set(maker->err, ERR_SCRIPT, "SET %s has no effect outside BEGIN ... COMMIT", second);
        return refuse(maker, statement, "Put it into a block, or use SET.");
    }
    if (statement->probe != NULL || statement->rerunnable || statement->batch != NULL) {
        err_set(maker->err, ERR_SCRIPT, "SET and RESET take no +probe, +rerunnable or +batch");
        return refuse(maker, statement, "They hold for what is behind them whenever that runs.");
    }
    maker->list.settings.items[maker->list.settings.count++] = *statement;
    return ERR_OK;
}

static ErrCode check_lone(const Maker *maker, const Statement *statement)
{
    if (statement_is_transaction_control(statement)) {
        err_set(maker->err, ERR_SCRIPT, "%s without a BEGIN before it", statement->first_keyword);
        return refuse(maker, statement, "Write BEGIN; ... COMMIT; around what belongs together.");
    }
    if (is(statement->first_keyword, "DISCARD")) {
        err_set(maker->err, ERR_SCRIPT, "DISCARD would let go of the locks that protect the shard");
        return refuse(maker, statement, "Remove the statement.");
    }
    if (statement->copy_data != NULL && (statement->probe != NULL || statement->rerunnable)) {
        err_set(maker->err, ERR_SCRIPT, "COPY with its rows takes no +probe or +rerunnable");
        return refuse(maker, statement, "Remove it: without, it happens exactly once.");
    }
    if (statement->probe != NULL && statement->rerunnable) {
        err_set(maker->err, ERR_SCRIPT, "both +probe and +rerunnable");
        return refuse(maker, statement, "Keep the one that is true.");
    }
    if (statement->probe != NULL && statement->batch != NULL) {
        err_set(maker->err, ERR_SCRIPT, "both +probe and +batch");
        return refuse(maker, statement, "Remove +probe: how far batches have come is noted.");
    }
    return ERR_OK;
}

static ErrCode make_batch(Maker *maker, const Statement *statement, Unit *unit)
{
    ErrCode code = batch_make(maker->arena, maker->file, statement, &unit->batch, maker->err);
    if (code != ERR_OK)
        return code;
    unit->kind = UNIT_BATCH;
    unit->what = statement_in_few_words(maker->arena, statement->text);
    add_unit(maker, unit);
    return ERR_OK;
}

static ErrCode make_known(Maker *maker, const Statement *statement, Unit *unit, const Probe *probe)
{
    if (statement->probe != NULL || statement->rerunnable) {
        err_set(maker->err, ERR_SCRIPT, "%s takes no +probe or +rerunnable", probe->what);
        return refuse(maker, statement, "Remove it: whether this has happened is seen without.");
    }
    unit->kind = probe->form == PROBE_AGAIN ? UNIT_RERUNNABLE : UNIT_CATALOG;
    unit->what = probe->what;
    unit->probe = probe;
    add_unit(maker, unit);
    return ERR_OK;
}

static ErrCode make_lone(Maker *maker, const Statement *statement)
{
    Unit unit = {
        .kind = UNIT_TRANSACTION,
        .statements = {.items = &maker->statements->items[maker->at], .count = 1},
        .place = statement,
    };
    bool outside = statement_needs_no_transaction(statement);
    const Probe *probe = NULL;
    ErrCode code = check_lone(maker, statement);
    if (code == ERR_OK && outside)
        code = probe_parse(maker->arena, maker->file, statement, &probe, maker->err);
    maker->at++;
    if (code != ERR_OK)
        return code;
    if (statement->batch != NULL)
        return make_batch(maker, statement, &unit);
    if (probe != NULL)
        return make_known(maker, statement, &unit, probe);
    if (statement->probe != NULL)
        unit.kind = UNIT_PROBED;
    else if (statement->rerunnable)
        unit.kind = UNIT_RERUNNABLE;
    else if (outside) {
        err_set(maker->err, ERR_SCRIPT,
                "this %s statement can't run in a transaction, and nothing tells whether it has "
                "run",
                statement->first_keyword);
        return refuse(maker, statement,
                      "Put `-- +rerunnable` before it when it may run twice, or `-- +probe SELECT "
                      "...`, which is true when its effect is there.");
    }
    unit.what = statement_in_few_words(maker->arena, statement->text);
    add_unit(maker, &unit);
    return ERR_OK;
}

ErrCode units_make(Arena *arena, const char *file, const StatementList *statements,
                   UnitList *ret_units, Error *err)
{
    Maker maker = {.arena = arena, .file = file, .statements = statements, .err = err};
    maker.list.items = ARENA_ARRAY(arena, Unit, statements->count + 1);
    maker.list.settings.items = ARENA_ARRAY(arena, Statement, statements->count + 1);
    ErrCode code = ERR_OK;
    while (maker.at < statements->count && code == ERR_OK) {
        const Statement *statement = &statements->items[maker.at];
        bool setting = is(statement->first_keyword, "SET") || is(statement->first_keyword, "RESET");
        if (statement_begins_block(statement)) {
            code = make_block(&maker);
        } else if (setting) {
            code = add_setting(&maker, statement);
            maker.at++;
        } else {
            code = make_lone(&maker, statement);
        }
    }
    if (code == ERR_OK)
        *ret_units = maker.list;
    return code;
}
