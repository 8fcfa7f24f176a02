#include "shard_batch.h"

#include "gate_sql.h"
#include "named_limits.h"
#include "shard_batch_queries.h"

#include <string.h>

/* Columns of batch_sql_table. */
enum {
    TABLE_PROBLEM,
    TABLE_NAME,
    TABLE_COLUMNS,
    TABLE_TYPES,
    TABLE_READERS,
    TABLE_OPERATORS,
    TABLE_ROWS,
    TABLE_OID,
};
/* Columns of batch_sql_read. */
enum {
    READ_TABLE,
    READ_KEY,
    READ_BOUND,
    READ_LAST,
    READ_DONE,
    READ_CHANGED,
    READ_BATCHES,
    READ_TOTAL,
    READ_ROWS,
};

ShardBatch *batch_of(const StepOp *op)
{
    return units_of(op)->batch;
}

static StrList read_array(const StepOp *op, const PgResult *result, int column)
{
    StrList list = {0};
    if (!pg_is_null(result, 0, column))
        (void)pg_array_parse(op->session->arena, pg_text(result, 0, column), &list);
    return list;
}

bool batch_read_key(StepOp *op, const PgResult *row, int column, StrList *ret_key)
{
    const ShardBatch *backfill = batch_of(op);
    Error *err = &op->session->error;
    *ret_key = read_array(op, row, column);
    if (ret_key->count == backfill->key.count)
        return true;
    err_set(err, ERR_STATE, "table %.80s has a row whose key (%.60s) has a NULL", backfill->table,
            strlist_join(op->session->arena, &backfill->key, ", "));
    err_hint(err, "No range of keys has such a row, so it would be left out. Validate NOT NULL of "
                  "the key's columns, in the tables that inherit from it too, or use another key.");
    return false;
}

const char *const *batch_literals(const StepOp *op, const StrList *values)
{
    Arena *arena = op->session->arena;
    const char **literals = ARENA_ARRAY(arena, const char *, values->count + 1);
    for (size_t i = 0; i < values->count; i++) {
        literals[i] = pg_literal(op->session->conn, arena, values->items[i]);
        if (literals[i] == NULL)
            return NULL;
    }
    return literals;
}

/* --- the position ----------------------------------------------------------------------------- */

static const char *list_param(const StepOp *op, const StrList *list)
{
    return list->count == 0 ? NULL : pg_array_format(op->session->arena, list);
}

void batch_add_position(StepOp *op, PgBatch *batch, const BatchPosition *position, bool finished)
{
    ShardSession *session = op->session;
    const ShardBatch *backfill = batch_of(op);
    const char *params[] = {
        shard_schema(session),
        step_item(op)->operation,
        units_run(op)->row->unit,
        backfill->table,
        pg_array_format(session->arena, &backfill->key),
        list_param(op, &backfill->bound),
        list_param(op, &position->last),
        shard_u64_param(session, position->done),
        shard_u64_param(session, position->changed),
        shard_u64_param(session, position->batches),
        shard_u64_param(session, backfill->total),
        shard_u64_param(session, backfill->rows),
        finished ? "t" : "f",
    };
    step_add(op, batch, batch_sql_write, 13, params);
}

bool batch_position_stands(StepOp *op, const PgResult *answer)
{
    Error *err = &op->session->error;
    if (pg_rows(answer) == 1)
        return true;
    err_set(err, ERR_STATE, "its row of pgtide.progress is gone; the batch was rolled back");
    err_hint(err, "Remove what writes schema pgtide: without its position a batch may run twice.");
    return false;
}

/* What an earlier attempt noted counts only for the same way through the same table. */
static bool takes_position(StepOp *op, const PgResult *result)
{
    ShardBatch *backfill = batch_of(op);
    Error *err = &op->session->error;
    StrList key = read_array(op, result, READ_KEY);
    if (strcmp(pg_text(result, 0, READ_TABLE), backfill->table) != 0 ||
        !strlist_equal(&key, &backfill->key)) {
        err_set(err, ERR_STATE, "it has begun over %.80s with key %.60s, and the file says another",
                pg_text(result, 0, READ_TABLE), strlist_join(op->session->arena, &key, ","));
        err_hint(err,
                 "Put `-- +batch` back as it was: a position means nothing under another key.");
        return false;
    }
    backfill->bound = read_array(op, result, READ_BOUND);
    backfill->position = (BatchPosition){
        .last = read_array(op, result, READ_LAST),
        .done = pg_u64(result, 0, READ_DONE),
        .changed = pg_u64(result, 0, READ_CHANGED),
        .batches = pg_u64(result, 0, READ_BATCHES),
    };
    backfill->total = pg_u64(result, 0, READ_TOTAL);
    uint64_t rows = pg_u64(result, 0, READ_ROWS);
    if (rows > 0 && rows <= LIMIT_BATCH_ROWS && backfill->rows > 0)
        backfill->rows = (uint32_t)rows;
    return true;
}

/* --- the beginning ---------------------------------------------------------------------------- */

static void start(StepOp *op)
{
    ShardSession *session = op->session;
    ShardBatch *backfill = batch_of(op);
    backfill->stand = strlist_copy(session->arena, &op->stand.rows);
    backfill->mark = arena_mark(session->arena);
    backfill->told_done = backfill->position.done;
    session->backfilling = true;
    batch_next(op);
}

static void on_noted(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL) {
        units_fail_reply(op, reply, NULL);
    } else if (!step_reassert_holds(op, reply, &step_item(op)->args.rows_before)) {
        err_set(&op->session->error, ERR_FENCED, "the shard has moved meanwhile");
        step_fail(op);
    } else if (!batch_position_stands(op, &reply->results[0])) {
        step_fail(op);
    } else {
        step_commit(op, start);
    }
}

static void note_position(StepOp *op)
{
    PgBatch batch = pg_batch(op->session->arena);
    batch_add_position(op, &batch, &batch_of(op)->position, false);
    step_add_reassert(op, &batch);
    shard_send(op->session, &batch, on_noted, op);
}

static void on_bound(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardSession *session = op->session;
    ShardBatch *backfill = batch_of(op);
    UnitRun *run = units_run(op);
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL) {
        units_fail_reply(op, reply, run->unit.place);
        return;
    }
    if (run->row == NULL) {
        const PgResult *row = &reply->results[reply->count - 1];
        run->row = ARENA_NEW(session->arena, ProgressRow);
        run->row->unit = arena_strdup(session->arena, pg_text(row, 0, 0));
    }
    const PgResult *bound = &reply->results[0];
    if (backfill->batch->options->form == BATCH_RANGES && pg_rows(bound) == 1 &&
        !batch_read_key(op, bound, 0, &backfill->bound))
        step_fail(op);
    else
        note_position(op);
}

/* The last key: rows behind it come later, and are not the backfill's. */
static void find_bound(StepOp *op)
{
    ShardSession *session = op->session;
    const ShardBatch *backfill = batch_of(op);
    const UnitRun *run = units_run(op);
    PgBatch batch = pg_batch(session->arena);
    AUTO_STR Str sql = {0};
    str_append(&sql, "SELECT ARRAY[");
    for (size_t i = 0; i < backfill->readers.count; i++)
        str_printf(&sql, "%s%s", i == 0 ? "" : ", ", backfill->readers.items[i]);
    str_printf(&sql, "] FROM %s ORDER BY ", backfill->table);
    for (size_t i = 0; i < backfill->readers.count; i++)
        str_printf(&sql, "%s%s DESC", i == 0 ? "" : ", ", backfill->columns[i].name);
    str_append(&sql, " LIMIT 1");
    if (backfill->batch->options->form == BATCH_RANGES)
        pg_batch_add(&batch, arena_strdup(session->arena, str_text(&sql)));
    step_add_own_settings(op, &batch, &units_of(op)->run);
    if (run->row == NULL)
        units_add_row(op, &batch, false);
    else
        pg_batch_add(&batch, "SELECT 1"); /* a row of another kind, which is kept */
    shard_send(session, &batch, on_bound, op);
}

static void on_author(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL)
        units_fail_reply(op, reply, units_failed_setting(op, reply));
    else
        find_bound(op);
}

/* As the author's statement will see the table. */
static void enter_author(StepOp *op)
{
    PgBatch batch = pg_batch(op->session->arena);
    units_add_author(op, &batch);
    shard_send(op->session, &batch, on_author, op);
}

/* --- the table -------------------------------------------------------------------------------- */

static void refuse_table(StepOp *op, const char *problem)
{
    const ShardBatch *backfill = batch_of(op);
    const BatchOptions *options = backfill->batch->options;
    Arena *arena = op->session->arena;
    Error *err = &op->session->error;
    err_set(err, ERR_STATE, "table %.80s: %.150s",
            strlist_join(arena, &backfill->batch->table, "."), problem);
    if (options->key.count > 0) {
        err_detail(err, "key=%s", strlist_join(arena, &options->key, ","));
        err_hint(err,
                 "Name a primary key or another unique, valid btree index: all its columns, in "
                 "its order, each NOT NULL.");
    } else {
        err_hint(err, "Say `table=NAME`, with its schema.");
    }
    step_fail(op);
}

static void take_table(StepOp *op, const PgResult *table)
{
    Arena *arena = op->session->arena;
    ShardBatch *backfill = batch_of(op);
    StrList types = read_array(op, table, TABLE_TYPES);
    backfill->table = arena_strdup(arena, pg_text(table, 0, TABLE_NAME));
    backfill->table_oid = (uint32_t)pg_u64(table, 0, TABLE_OID);
    backfill->readers = read_array(op, table, TABLE_READERS);
    backfill->operators = arena_strdup(arena, pg_text(table, 0, TABLE_OPERATORS));
    backfill->total = pg_u64(table, 0, TABLE_ROWS);
    backfill->key = read_array(op, table, TABLE_COLUMNS);
    backfill->columns = ARENA_ARRAY(arena, BatchColumn, backfill->key.count + 1);
    for (size_t i = 0; i < backfill->key.count && i < types.count; i++)
        backfill->columns[i] =
            (BatchColumn){.name = backfill->key.items[i], .type = types.items[i]};
}

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL) {
        units_fail_reply(op, reply, units_failed_setting(op, reply));
        return;
    }
    const PgResult *table = &reply->results[reply->count - 2];
    const PgResult *position = &reply->results[reply->count - 1];
    const char *problem = pg_text(table, 0, TABLE_PROBLEM);
    if (problem[0] != '\0') {
        refuse_table(op, arena_strdup(op->session->arena, problem));
        return;
    }
    take_table(op, table);
    if (pg_rows(position) == 0)
        enter_author(op);
    else if (takes_position(op, position))
        step_commit(op, start);
    else
        step_fail(op);
}

static void look(StepOp *op)
{
    ShardSession *session = op->session;
    const Batch *statement = batch_of(op)->batch;
    const UnitRun *run = units_run(op);
    PgBatch batch = pg_batch(session->arena);
    units_add_author(op, &batch);
    StrList none = {0};
    const char *find[] = {pg_array_format(session->arena, &statement->table),
                          pg_array_format(session->arena, &none)};
    step_add(op, &batch, probe_find_sql, 2, find);
    step_add_own_settings(op, &batch, &units_of(op)->run);
    const char *key = pg_array_format(session->arena, &statement->options->key);
    step_add(op, &batch, batch_sql_table, 1, &key);
    const char *read[] = {shard_schema(session), step_item(op)->operation,
                          run->row == NULL ? NULL : run->row->unit};
    step_add(op, &batch, batch_sql_read, 3, read);
    shard_send(session, &batch, on_looked, op);
}

void batch_begin(StepOp *op)
{
    ShardSession *session = op->session;
    ShardBatch *backfill = ARENA_NEW(session->arena, ShardBatch);
    const Batch *batch = units_run(op)->unit.batch;
    const BatchOptions *options = batch->options;
    backfill->batch = batch;
    backfill->rows = batch->size;
    const BackfillPolicy usual = BACKFILL_POLICY_DEFAULT;
    const BackfillPolicy *given = step_item(op)->args.backfill;
    backfill->policy = given == NULL ? usual : *given;
    backfill->limits = (PaceLimits){
        .target_ms =
            options->target_ms < 0 ? backfill->policy.target_ms : (uint64_t)options->target_ms,
        .rows_min = 1,
        .rows_max = LIMIT_BATCH_ROWS,
    };
    units_of(op)->batch = backfill;
    units_report(op, "started");
    const char *query = backfill->policy.query;
    if (query[0] != '\0' &&
        select_sql_check("the backfill's query", query, &session->error) != ERR_OK)
        step_fail(op);
    else
        step_open(op, look);
}
