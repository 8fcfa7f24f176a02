#include "rehearse.h"

#include "schema_canon.h"
#include "schema_read.h"
#include "shard_facts.h"
#include "units.h"

#include <string.h>

/* Answers of a traced statement's batch. */
enum { AT_LOUD, AT_BEGIN, AT_STATEMENT, AT_END, AT_QUIET, AT_LOOK };

static const char mark_sql[] = "SELECT extract(epoch FROM pg_catalog.clock_timestamp()), "
                               "pg_catalog.pg_current_wal_insert_lsn()";

typedef struct Answer {
    Rehearsal *rehearsal;
    bool alone;
    ErrCode code;
    Error *err;
} Answer;

static void on_notice(const char *severity, const char *message, void *data)
{
    trace_notice(data, severity, message);
}

static void add_statement(PgBatch *batch, const Statement *statement)
{
    if (statement->copy_data == NULL)
        pg_batch_add_foreign(batch, statement->text);
    else
        pg_batch_add_copy(batch, statement->text, statement->copy_data, statement->copy_length);
}

/* --- one statement in the transaction --------------------------------------------------------- */

static void take(Answer *answer, const PgResult *begin, const PgResult *statement,
                 const PgResult *end, const PgResult *look)
{
    FactsMark from = facts_mark(begin, 0), to = facts_mark(end, 0);
    StatementFacts cost = {.rows = pg_affected(statement)};
    facts_between(&from, &to, &cost);
    trace_take(&answer->rehearsal->trace, &cost, look);
}

static void on_statement(const PgReply *reply, void *data)
{
    const PgResult *results = reply->results;
    take(data, &results[AT_BEGIN], &results[AT_STATEMENT], &results[AT_END], &results[AT_LOOK]);
}

static ErrCode place(const Rehearsal *rehearsal, const char *file, const Statement *statement,
                     size_t at, ErrCode code, Error *err)
{
    SessionFailure failure = session_failure(rehearsal->session);
    if (code == ERR_OK || code == ERR_INTERRUPTED || failure.statement != at)
        return code;
    if (statement->copy_data != NULL && failure.copy_line > 0)
        statement_place_row(err, file, statement, failure.copy_line);
    else
        statement_place_error(err, file, statement, failure.position);
    return code;
}

static ErrCode run_one(Rehearsal *rehearsal, const Script *script, const Statement *statement,
                       Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    PgBatch batch = pg_batch(arena);
    add_statement(&batch, statement);
    ErrCode code = session_batch(rehearsal->session, &batch, NULL, NULL, err);
    return place(rehearsal, script->file, statement, 0, code, err);
}

static ErrCode trace_one(Rehearsal *rehearsal, const Script *script, const Statement *statement,
                         Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    PgBatch batch = pg_batch(arena);
    Answer answer = {.rehearsal = rehearsal};
    pg_batch_add(&batch, "SET LOCAL client_min_messages = debug1");
    pg_batch_add(&batch, mark_sql);
    add_statement(&batch, statement);
    pg_batch_add(&batch, mark_sql);
    pg_batch_add(&batch, "SET LOCAL client_min_messages = warning");
    pg_batch_add(&batch, trace_sql_look(&rehearsal->trace, arena));
    trace_statement(&rehearsal->trace, script->id, statement);
    ErrCode code = session_batch(rehearsal->session, &batch, on_statement, &answer, err);
    return place(rehearsal, script->file, statement, AT_STATEMENT, code, err);
}

/* --- a transaction ---------------------------------------------------------------------------- */

static void on_snapshot(const PgReply *reply, void *data)
{
    Answer *answer = data;
    const PgResult *snapshot = &reply->results[answer->alone ? 0 : 2];
    answer->code = trace_begin(&answer->rehearsal->trace, snapshot, answer->err);
}

static void add_settings(const Rehearsal *rehearsal, PgBatch *batch, bool local)
{
    const char *params[] = {rehearsal->path, rehearsal->time_zone, local ? "t" : "f"};
    pg_batch_add_params(batch,
                        "SELECT pg_catalog.set_config('search_path', $1, $3::pg_catalog.bool),"
                        " pg_catalog.set_config('TimeZone', $2, $3::pg_catalog.bool)",
                        3, params);
}

static ErrCode begin(Rehearsal *rehearsal, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    PgBatch batch = pg_batch(arena);
    Answer answer = {.rehearsal = rehearsal, .err = err};
    pg_batch_add(&batch, "BEGIN ISOLATION LEVEL READ COMMITTED");
    add_settings(rehearsal, &batch, true);
    if (rehearsal->untraced)
        return session_batch(rehearsal->session, &batch, NULL, NULL, err);
    pg_batch_add(&batch, trace_sql_snapshot);
    ErrCode code = session_batch(rehearsal->session, &batch, on_snapshot, &answer, err);
    return code == ERR_OK ? answer.code : code;
}

static ErrCode commit(Rehearsal *rehearsal, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    PgBatch batch = pg_batch(arena);
    pg_batch_add(&batch, "SET CONSTRAINTS ALL IMMEDIATE");
    pg_batch_add(&batch, "COMMIT");
    pg_batch_add(&batch, "RESET SESSION AUTHORIZATION");
    pg_batch_add(&batch, "RESET ROLE");
    pg_batch_add(&batch, "RESET ALL");
    return session_batch(rehearsal->session, &batch, NULL, NULL, err);
}

static ErrCode run_transaction(Rehearsal *rehearsal, const Script *script,
                               const StatementList *settings, size_t setting_count,
                               const StatementList *statements, Error *err)
{
    ErrCode code = begin(rehearsal, err);
    for (size_t i = 0; i < setting_count && code == ERR_OK; i++)
        code = session_statement(rehearsal->session, script->file, &settings->items[i], err);
    for (size_t i = 0; i < statements->count && code == ERR_OK; i++)
        code = (rehearsal->untraced ? run_one : trace_one)(rehearsal, script, &statements->items[i],
                                                           err);
    return code == ERR_OK ? commit(rehearsal, err) : code;
}

/* --- outside a transaction -------------------------------------------------------------------- */

typedef struct Alone {
    Rehearsal *rehearsal;
    FactsMark from;
    FactsMark to;
    uint64_t rows;
} Alone;

static void on_from(const PgReply *reply, void *data)
{
    Alone *alone = data;
    alone->from = facts_mark(&reply->results[reply->count - 1], 0);
}

static void on_alone(const PgReply *reply, void *data)
{
    Alone *alone = data;
    alone->rows = pg_affected(&reply->results[0]);
}

static void on_to(const PgReply *reply, void *data)
{
    Alone *alone = data;
    alone->to = facts_mark(&reply->results[0], 0);
}

/* CONCURRENTLY and VACUUM hold up only their like; VACUUM FULL and CLUSTER everybody. */
static int known_strength(const Unit *unit)
{
    const Statement *statement = &unit->statements.items[0];
    bool full = strcasestr(statement->text, "full") != NULL;
    if (strcmp(statement->first_keyword, "CLUSTER") == 0 ||
        (strcmp(statement->first_keyword, "VACUUM") == 0 && full))
        return TRACE_STOPS_READS;
    return TRACE_STOPS_WRITES - 1;
}

static const char *known_table(const Unit *unit)
{
    const StrList *name = unit->probe == NULL ? NULL : &unit->probe->relation;
    return name == NULL || name->count == 0 ? NULL : name->items[name->count - 1];
}

static ErrCode snapshot(Rehearsal *rehearsal, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    PgBatch batch = pg_batch(arena);
    Answer answer = {.rehearsal = rehearsal, .alone = true, .err = err};
    pg_batch_add(&batch, trace_sql_snapshot);
    ErrCode code = session_batch(rehearsal->session, &batch, on_snapshot, &answer, err);
    return code == ERR_OK ? answer.code : code;
}

static ErrCode enter_alone(Rehearsal *rehearsal, const UnitList *list, const Unit *unit,
                           Alone *alone, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    PgBatch batch = pg_batch(arena);
    add_settings(rehearsal, &batch, false);
    for (size_t i = 0; i < unit->setting_count; i++)
        pg_batch_add(&batch, list->settings.items[i].text);
    pg_batch_add(&batch, "SET client_min_messages = debug1");
    pg_batch_add(&batch, mark_sql);
    return session_batch(rehearsal->session, &batch, on_from, alone, err);
}

static ErrCode leave_alone(Rehearsal *rehearsal, Alone *alone, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    PgBatch batch = pg_batch(arena);
    pg_batch_add(&batch, mark_sql);
    pg_batch_add(&batch, "RESET SESSION AUTHORIZATION");
    pg_batch_add(&batch, "RESET ROLE");
    pg_batch_add(&batch, "RESET ALL");
    return session_batch(rehearsal->session, &batch, on_to, alone, err);
}

static ErrCode run_alone(Rehearsal *rehearsal, const Script *script, const UnitList *list,
                         const Unit *unit, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    const Statement *statement = &unit->statements.items[0];
    Alone alone = {.rehearsal = rehearsal};
    ErrCode code = snapshot(rehearsal, err);
    if (code == ERR_OK)
        code = enter_alone(rehearsal, list, unit, &alone, err);
    if (code != ERR_OK)
        return code;
    PgBatch batch = pg_batch(arena);
    pg_batch_add_foreign(&batch, statement->text);
    trace_statement(&rehearsal->trace, script->id, statement);
    trace_alone(&rehearsal->trace, known_table(unit), known_strength(unit));
    code = session_batch(rehearsal->session, &batch, on_alone, &alone, err);
    code = place(rehearsal, script->file, statement, 0, code, err);
    if (code == ERR_OK)
        code = leave_alone(rehearsal, &alone, err);
    if (code != ERR_OK)
        return code;
    StatementFacts cost = {.rows = alone.rows};
    facts_between(&alone.from, &alone.to, &cost);
    trace_take(&rehearsal->trace, &cost, NULL);
    return ERR_OK;
}

static ErrCode run_units(Rehearsal *rehearsal, const Script *script, const StatementList *author,
                         Error *err)
{
    UnitList list;
    ErrCode code = units_make(rehearsal->trace.arena, script->file, author, &list, err);
    for (size_t i = 0; code == ERR_OK && i < list.count; i++) {
        const Unit *unit = &list.items[i];
        bool together = unit->kind == UNIT_TRANSACTION || unit->kind == UNIT_BATCH;
        code = together ? run_transaction(rehearsal, script, &list.settings, unit->setting_count,
                                          &unit->statements, err)
                        : run_alone(rehearsal, script, &list, unit, err);
    }
    return code;
}

/* --- a step that only some shards need -------------------------------------------------------- */

typedef struct NowRead {
    SchemaReadArgs args;
    char fingerprint[FINGERPRINT_TEXT_SIZE];
    ErrCode code;
    Error *err;
} NowRead;

static void on_schema(const PgReply *reply, void *data)
{
    NowRead *now = data;
    AUTO_ARENA Arena *arena = arena_new();
    SchemaModel model;
    now->code = schema_read_answer(arena, reply, &now->args, &model, now->err);
    if (now->code == ERR_OK)
        schema_fingerprint(&model, now->fingerprint);
}

ErrCode rehearse_fingerprint(Rehearsal *rehearsal, const char **ret_fingerprint, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *schema = rehearsal->schema;
    bool whole = schema == NULL || schema[0] == '\0';
    NowRead now = {.args = {.schema = whole ? NULL : schema}, .err = err};
    PgBatch batch = pg_batch(arena);
    schema_read_queries(&batch, &now.args);
    ErrCode code = session_batch(rehearsal->session, &batch, on_schema, &now, err);
    if (code == ERR_OK)
        code = now.code;
    if (code == ERR_OK)
        *ret_fingerprint = arena_strdup(rehearsal->trace.arena, now.fingerprint);
    return code;
}

static bool same_text(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* As long as nothing has changed the copy, it stands for the database itself. */
static ErrCode ask_needed(Rehearsal *rehearsal, const GraphStep *step, bool *ret_needed, Error *err)
{
    const char *wanted = step->script->when_fingerprint, *now;
    *ret_needed = true;
    if (wanted == NULL || step->direction != DIRECTION_UPGRADE)
        return ERR_OK;
    ErrCode code = rehearse_fingerprint(rehearsal, &now, err);
    if (code != ERR_OK)
        return code;
    *ret_needed = same_text(now, wanted) || (same_text(now, rehearsal->copy_fingerprint) &&
                                             same_text(rehearsal->source_fingerprint, wanted));
    if (!*ret_needed)
        strlist_add(rehearsal->trace.arena, &rehearsal->not_tried, step->revision);
    return ERR_OK;
}

ErrCode rehearse_step(Rehearsal *rehearsal, const GraphStep *step, Error *err)
{
    const Script *script = step->script;
    bool needed;
    ErrCode code = ask_needed(rehearsal, step, &needed, err);
    if (code != ERR_OK || !needed)
        return code;
    const StatementList *author = step->direction == DIRECTION_UPGRADE
                                      ? &script->upgrade.statements
                                      : &script->downgrade.statements;
    static const StatementList none;
    session_on_notice(rehearsal->session, on_notice, &rehearsal->trace);
    return script->transactional ? run_transaction(rehearsal, script, &none, 0, author, err)
                                 : run_units(rehearsal, script, author, err);
}
