/*
 * A revision with `when-fingerprint` is for shards whose schema is that one. It is read in the
 * step's own transaction, under the version table's lock and behind the fence, before the first
 * author statement: whatever other steps of the same transaction have done counts.
 */
#include "schema_canon.h"
#include "schema_read.h"
#include "shard_step.h"

#include <string.h>

static void on_schema(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    ShardSession *session = op->session;
    StepItem *item = step_item(op);
    SchemaReadArgs args = {.schema = shard_schema(session), .inside = true};
    SchemaModel model;
    Error err;
    if (reply->error != NULL) {
        shard_reply_error(session, reply);
        err_wrap(&session->error, "reading the schema for 'when-fingerprint'");
        step_fail(op);
        return;
    }
    if (schema_read_answer(session->arena, reply, &args, &model, &err) != ERR_OK) {
        session->error = err;
        step_fail(op);
        return;
    }
    char now[FINGERPRINT_TEXT_SIZE];
    schema_fingerprint(&model, now);
    if (strcmp(now, item->script.script->when_fingerprint) == 0) {
        step_body(op);
        return;
    }
    strlist_add(session->arena, &op->result.not_needed, item->args.revision);
    item->message = arena_printf(session->arena, "not needed here: the schema is %s", now);
    step_record(op);
}

void step_body_if_needed(StepOp *op)
{
    StepItem *item = step_item(op);
    const Script *script = item->script.script;
    if (script == NULL || script->when_fingerprint == NULL ||
        item->args.direction != DIRECTION_UPGRADE) {
        step_body(op);
        return;
    }
    item->message = item->args.message; /* of a second attempt, too */
    PgBatch batch = pg_batch(op->session->arena);
    SchemaReadArgs args = {.schema = shard_schema(op->session), .inside = true};
    schema_read_queries(&batch, &args);
    shard_send(op->session, &batch, on_schema, op);
}
