/*
 * Reading without writing: one read-only transaction of two round trips. First what is there and
 * whether it may be believed, then the rows; a relation that is not a plain table is not read, as
 * reading it could run its owner's code as us.
 */
#include "named_limits.h"
#include "shard_queries.h"
#include "shard_session.h"

#include <stdlib.h>
#include <string.h>

enum {
    READ_DEADLINE_DEFAULT_MS = 30000,
    READ_LOCK_TIMEOUT_MS = 5000,
};

typedef struct ReadOp {
    ShardSession *session;
    ReadArgs args;
    ShardReadCb *cb;
    void *data;
    ShardLook look;
    DatabaseReading result;
    const ShardRelation **versions; /* of each shard; NULL = none */
    size_t *row_answers; /* for each shard: index of its rows' answer + 1; 0 = not asked */
    size_t at_look;
    size_t at_schemas; /* where in the first batch the schemas' answer is; 0 = not asked */
    bool ledger_asked;
    size_t at_applied; /* 0 = not asked */
    size_t at_units;   /* likewise */
} ReadOp;

static void finish(ReadOp *op)
{
    ShardSession *session = op->session;
    shard_end(session);
    bool failed = session->error.code != ERR_OK;
    op->cb(session, failed ? NULL : &op->result, failed ? &session->error : NULL, op->data);
}

static void on_rolled_back(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    (void)reply;
    finish(data);
}

static void fail(ReadOp *op)
{
    if (!pg_is_connected(op->session->conn) || !pg_in_transaction(op->session->conn)) {
        finish(op);
        return;
    }
    PgBatch batch = pg_batch(op->session->arena);
    pg_batch_add(&batch, "ROLLBACK");
    shard_send(op->session, &batch, on_rolled_back, op);
}

static int compare_schema(const void *key, const void *item)
{
    return strcmp(key, ((const ShardReading *)item)->schema);
}

/* The shard of a schema other than the session's own; they are sorted. */
static ShardReading *find_shard(ReadOp *op, const char *schema)
{
    if (op->result.shard_count < 2)
        return NULL;
    return bsearch(schema, op->result.shards + 1, op->result.shard_count - 1,
                   sizeof *op->result.shards, compare_schema);
}

static void fill_from_row(const ReadOp *op, ShardReading *shard, const PgResult *rows, size_t row)
{
    if (shard == NULL)
        return;
    shard->adopted = true;
    if (!uuid_parse(pg_text(rows, row, 1), &shard->shard_uuid))
        shard->shard_uuid = (Uuid){0};
    if (!uuid_parse(pg_text(rows, row, 2), &shard->fleet_id))
        shard->fleet_id = (Uuid){0};
    shard->fence = pg_u64(rows, row, 3);
    shard->epoch = pg_u64(rows, row, 4);
    shard->row_system_identifier = pg_u64(rows, row, 5);
    shard->row_database_oid = (uint32_t)pg_u64(rows, row, 6);
    shard->row_schema_oid = (uint32_t)pg_u64(rows, row, 7);
    bool same_server = shard->row_system_identifier == op->look.system_identifier;
    bool same_database = same_server && shard->row_database_oid == op->look.database_oid;
    shard->identity_mismatch = !same_database || shard->row_schema_oid != shard->schema_oid;
    shard->origin_present =
        same_server && (same_database ? pg_bool(rows, row, 11) : pg_bool(rows, row, 10));
}

static void take_applied(ReadOp *op, const PgResult *rows)
{
    Arena *arena = op->session->arena;
    size_t count = pg_rows(rows);
    AppliedRevision *applied = ARENA_ARRAY(arena, AppliedRevision, count + 1);
    for (size_t row = 0; row < count; row++)
        applied[row] = (AppliedRevision){
            .revision = arena_strdup(arena, pg_text(rows, row, 0)),
            .token_digest = arena_strdup(arena, pg_text(rows, row, 1)),
            .finished_unix_ms = pg_u64(rows, row, 2),
        };
    op->result.applied = applied;
    op->result.applied_count = count;
}

static void take_units(ReadOp *op, const PgResult *rows)
{
    Arena *arena = op->session->arena;
    size_t count = pg_rows(rows);
    UnitRecord *units = ARENA_ARRAY(arena, UnitRecord, count + 1);
    for (size_t row = 0; row < count; row++)
        units[row] = (UnitRecord){
            .revision = arena_strdup(arena, pg_text(rows, row, 0)),
            .direction = arena_strdup(arena, pg_text(rows, row, 1)),
            .what = arena_strdup(arena, pg_text(rows, row, 2)),
            .unit = (uint32_t)pg_u64(rows, row, 3),
            .kind = arena_strdup(arena, pg_text(rows, row, 4)),
            .started_unix_ms = pg_u64(rows, row, 5),
            .finished_unix_ms = pg_u64(rows, row, 6),
            .rows = pg_u64(rows, row, 7),
            .rows_total = pg_u64(rows, row, 8),
            .at_work = pg_bool(rows, row, 9),
        };
    op->result.units = units;
    op->result.unit_count = count;
}

static void on_read(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    ReadOp *op = data;
    ShardSession *session = op->session;
    if (reply->error != NULL) {
        shard_reply_error(session, reply);
        fail(op);
        return;
    }
    for (size_t i = 0; i < op->result.shard_count; i++) {
        ShardReading *shard = &op->result.shards[i];
        if (op->row_answers[i] == 0)
            continue;
        const PgResult *rows = &reply->results[op->row_answers[i] - 1];
        if (!shard_rows_parse(session, pg_text(rows, 0, 0), &shard->rows))
            shard->message = "the version rows can't be read";
    }
    if (op->at_units != 0)
        take_units(op, &reply->results[op->at_units]);
    if (op->at_applied != 0)
        take_applied(op, &reply->results[op->at_applied]);
    if (op->ledger_asked) {
        const PgResult *rows = &reply->results[0];
        for (size_t row = 0; row < pg_rows(rows); row++) {
            const char *schema = pg_text(rows, row, 0);
            if (strcmp(schema, shard_schema(session)) == 0)
                fill_from_row(op, &op->result.shards[0], rows, row);
            fill_from_row(op, find_shard(op, schema), rows, row);
        }
        shard_history_read(session, &reply->results[1], &op->result.history,
                           &op->result.history_count);
    }
    finish(op);
}

static const char *relation_table(ShardSession *session, const ShardRelation *relation)
{
    const char *schema = pg_identifier(session->conn, session->arena, relation->schema);
    return schema == NULL ? NULL : arena_printf(session->arena, "%s.alembic_version", schema);
}

/* Rows of one shard's version table, under whatever name it has. */
static void add_rows(ReadOp *op, PgBatch *batch, const ShardRelation *relation, size_t shard)
{
    ShardSession *session = op->session;
    const char *table = relation_table(session, relation);
    if (table == NULL)
        return;
    pg_batch_add(batch, shard_query_of(session, table, shard_sql_rows));
    op->row_answers[shard] = batch->count;
}

static bool ledger_is_trusted(ReadOp *op, const char **ret_why)
{
    ShardSession *session = op->session;
    bool trusted = shard_look_check_ledger(session, &op->look) == ERR_OK;
    *ret_why = arena_strdup(session->arena, session->error.message);
    err_clear(&session->error);
    return trusted;
}

static void send_reads(ReadOp *op)
{
    ShardSession *session = op->session;
    PgBatch batch = pg_batch(session->arena);
    if (op->ledger_asked) {
        StrList schemas = {0};
        for (size_t i = 0; i < op->result.shard_count; i++)
            strlist_add(session->arena, &schemas, op->result.shards[i].schema);
        const char *array = pg_array_format(session->arena, &schemas);
        pg_batch_add_params(&batch, shard_sql_row, 1, &array);
        const char *tail[] = {shard_schema(session),
                              shard_u64_param(session, op->args.history_limit)};
        pg_batch_add_params(
            &batch, op->args.with_record ? shard_sql_history_record : shard_sql_history_last, 2,
            tail);
        if (op->args.with_record) {
            const char *most[] = {tail[0], shard_u64_param(session, LIMIT_UNITS_TOLD)};
            op->at_units = batch.count;
            pg_batch_add_params(&batch, shard_sql_units, 2, most);
        }
        if (op->args.with_applied) {
            op->at_applied = batch.count;
            pg_batch_add_params(&batch, shard_sql_applied, 1, tail);
        }
    }
    for (size_t i = 0; i < op->result.shard_count; i++) {
        const ShardRelation *version = op->versions[i];
        if (version != NULL && version->readable)
            add_rows(op, &batch, version, i);
    }
    pg_batch_add(&batch, "COMMIT");
    shard_send(session, &batch, on_read, op);
}

static void judge(ReadOp *op, size_t shard, bool trusted, const char *why)
{
    ShardReading *reading = &op->result.shards[shard];
    const ShardRelation *version = op->versions[shard];
    reading->rows_unread = version != NULL && !version->readable;
    reading->message = why;
    reading->trusted = trusted && (version == NULL || version->verdict[0] == '\0');
    if (trusted && !reading->trusted)
        reading->message = arena_printf(op->session->arena, "%s.alembic_version %s",
                                        version->schema, version->verdict);
}

/* The session's own shard, then the schemas that match, each with its version table. */
static void list_shards(ReadOp *op, bool trusted, const char *why)
{
    Arena *arena = op->session->arena;
    size_t count = op->result.shard_count;
    op->versions = ARENA_ARRAY(arena, const ShardRelation *, count);
    op->row_answers = ARENA_ARRAY(arena, size_t, count);
    op->versions[0] = op->look.version;
    for (size_t i = 0; i < op->look.relation_count; i++) {
        const ShardRelation *relation = &op->look.relations[i];
        ShardReading *shard = find_shard(op, relation->schema);
        if (shard != NULL && strcmp(relation->name, "alembic_version") == 0)
            op->versions[shard - op->result.shards] = relation;
    }
    for (size_t i = 0; i < count; i++)
        judge(op, i, trusted, why);
}

static void go_on(ReadOp *op)
{
    const ShardLook *look = &op->look;
    const char *why = "";
    bool trusted = ledger_is_trusted(op, &why);
    op->ledger_asked = trusted && look->has_ledger;
    list_shards(op, trusted, why);
    send_reads(op);
}

static void on_looked_exactly(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    ReadOp *op = data;
    if (reply->error != NULL) {
        shard_reply_error(op->session, reply);
        fail(op);
        return;
    }
    shard_look_exactly_read(op->session, reply->results, &op->look);
    go_on(op);
}

/* The schemas outlive their reply: the exact look may come between. */
static void keep_schemas(ReadOp *op, const PgResult *schemas)
{
    Arena *arena = op->session->arena;
    size_t matching = schemas == NULL ? 0 : pg_rows(schemas);
    op->result.shards = ARENA_ARRAY(arena, ShardReading, matching + 1);
    op->result.shard_count = matching + 1;
    op->result.shards[0].schema = shard_schema(op->session);
    op->result.shards[0].schema_oid = op->look.schema_oid;
    for (size_t i = 0; i < matching; i++) {
        op->result.shards[i + 1].schema = arena_strdup(arena, pg_text(schemas, i, 0));
        op->result.shards[i + 1].schema_oid = (uint32_t)pg_u64(schemas, i, 1);
    }
}

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    ReadOp *op = data;
    ShardSession *session = op->session;
    if (reply->error != NULL) {
        shard_reply_error(session, reply);
        fail(op);
        return;
    }
    ShardLook *look = &op->look;
    shard_look_read(session, &reply->results[op->at_look], look);
    if (!look->has_schema) {
        err_set(&session->error, ERR_NOT_FOUND, "there is no schema \"%s\"", shard_schema(session));
        fail(op);
        return;
    }
    op->result = (DatabaseReading){
        .system_identifier = look->system_identifier,
        .database_oid = look->database_oid,
        .database = look->database,
        .size_bytes = look->size_bytes,
        .server_version = (uint32_t)pg_server_version(session->conn),
        .timeline = look->timeline,
        .in_recovery = look->in_recovery,
        .pooled = look->backend_pid != pg_backend_pid(session->conn),
    };
    keep_schemas(op, op->at_schemas == 0 ? NULL : &reply->results[op->at_schemas]);
    if (!look->suspect) {
        go_on(op);
        return;
    }
    PgBatch batch = pg_batch(session->arena);
    shard_look_exactly_add(session, &batch, op->args.schema_like);
    shard_send(session, &batch, on_looked_exactly, op);
}

void shard_read(ShardSession *session, const ReadArgs *args, ShardReadCb *cb, void *data)
{
    uint32_t deadline = args->deadline_ms == 0 ? READ_DEADLINE_DEFAULT_MS : args->deadline_ms;
    Arena *old = shard_begin(session, deadline);
    ReadOp *op = ARENA_NEW(session->arena, ReadOp);
    op->session = session;
    op->args = *args;
    op->args.schema_like = arena_strdup(session->arena, args->schema_like);
    op->cb = cb;
    op->data = data;
    arena_free(old);
    PgBatch batch = pg_batch(session->arena);
    shard_abandon_add(session, &batch);
    pg_batch_add(&batch, "BEGIN READ ONLY");
    op->at_look = batch.count;
    shard_look_add(session, &batch, op->args.schema_like, op->args.with_size, READ_LOCK_TIMEOUT_MS);
    if (op->args.schema_like != NULL) {
        op->at_schemas = batch.count;
        pg_batch_add_params(&batch, shard_sql_schemas, 1, &op->args.schema_like);
    }
    shard_send(session, &batch, on_looked, op);
}
