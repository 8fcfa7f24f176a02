#include "shard_schema.h"

#include "schema_stamp.h"
#include "shard_session.h"

enum { STAMP_DEADLINE_MS = 30000, MODEL_DEADLINE_MS = 60000 };

typedef struct SchemaOp {
    ShardSession *session;
    SchemaReadArgs args;
    size_t skipped; /* answers before those to the schema's queries */
    ShardStampCb *stamp_cb;
    ShardModelCb *model_cb;
    void *data;
    char stamp[SCHEMA_STAMP_SIZE];
    SchemaModel model;
} SchemaOp;

static void finish(SchemaOp *op)
{
    ShardSession *session = op->session;
    const Error *err = session->error.code == ERR_OK ? NULL : &session->error;
    shard_end(session);
    if (op->stamp_cb != NULL)
        op->stamp_cb(session, err == NULL ? op->stamp : NULL, err, op->data);
    else
        op->model_cb(session, err == NULL ? &op->model : NULL, err, op->data);
}

static void on_rolled_back(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    (void)reply;
    finish(data);
}

static void end(SchemaOp *op)
{
    ShardSession *session = op->session;
    if (!pg_is_connected(session->conn) || !pg_in_transaction(session->conn)) {
        finish(op);
        return;
    }
    PgBatch batch = pg_batch(session->arena);
    pg_batch_add(&batch, "ROLLBACK");
    shard_send(session, &batch, on_rolled_back, op);
}

static void on_answer(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    SchemaOp *op = data;
    ShardSession *session = op->session;
    PgReply own = *reply;
    if (reply->error != NULL) {
        shard_reply_error(session, reply);
        end(op);
        return;
    }
    own.results = reply->results + op->skipped;
    own.count = reply->count - op->skipped;
    Error err;
    ErrCode code = op->stamp_cb != NULL
                       ? schema_stamp_answer(&own, op->stamp, &err)
                       : schema_read_answer(session->arena, &own, &op->args, &op->model, &err);
    if (code != ERR_OK)
        session->error = err;
    end(op);
}

static SchemaOp *begin(ShardSession *session, uint32_t deadline_ms, const char *schema,
                       PgBatch *batch)
{
    Arena *old = shard_begin(session, deadline_ms);
    SchemaOp *op = ARENA_NEW(session->arena, SchemaOp);
    op->session = session;
    op->args.schema = arena_strdup(session->arena, schema);
    arena_free(old);
    *batch = pg_batch(session->arena);
    shard_abandon_add(session, batch);
    op->skipped = batch->count;
    return op;
}

void shard_read_stamp(ShardSession *session, uint32_t deadline_ms, ShardStampCb *cb, void *data)
{
    PgBatch batch;
    SchemaOp *op = begin(session, deadline_ms == 0 ? STAMP_DEADLINE_MS : deadline_ms, "", &batch);
    op->stamp_cb = cb;
    op->data = data;
    schema_stamp_queries(&batch);
    shard_send(session, &batch, on_answer, op);
}

void shard_read_model(ShardSession *session, const char *schema, uint32_t deadline_ms,
                      ShardModelCb *cb, void *data)
{
    PgBatch batch;
    SchemaOp *op =
        begin(session, deadline_ms == 0 ? MODEL_DEADLINE_MS : deadline_ms, schema, &batch);
    op->model_cb = cb;
    op->data = data;
    schema_read_queries(&batch, &op->args);
    shard_send(session, &batch, on_answer, op);
}
