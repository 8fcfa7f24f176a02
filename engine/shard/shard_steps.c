/* Several steps in one transaction: one preamble, one COMMIT; shard_body.c runs one after another.
 */
#include "shard_step.h"

static void refuse_outside(StepOp *op, const Script *script)
{
    Error *err = &op->session->error;
    const StatementList *statements = &script->upgrade.statements;
    err_set(err, ERR_SCRIPT, "revision %s says `transaction: none`: it can't share one with others",
            script->id);
    err_at(err, script->file, statements->count == 0 ? 0 : statements->items[0].line);
    err_hint(err, "Run these steps in transactions of their own.");
}

static void check_items(StepOp *op)
{
    Error *err = &op->session->error;
    for (size_t i = 0; i < op->count && err->code == ERR_OK; i++) {
        const StepItem *item = &op->items[i];
        if (!item->args.script->transactional)
            refuse_outside(op, item->args.script);
        else if (i > 0 &&
                 !strlist_equal(&op->items[i - 1].args.rows_after, &item->args.rows_before))
            err_set(err, ERR_INTERNAL, "step %s does not begin where the one before ends",
                    item->args.revision);
    }
}

void shard_steps(ShardSession *session, const StepsArgs *args, ShardStepsCb *cb, void *data)
{
    StepOp *op = step_new(session, args->items, args->count, NULL);
    op->rehearse = args->rehearse;
    op->plain = op->plain || op->rehearse; /* nothing could be opened again */
    op->steps_cb = cb;
    op->data = data;
    check_items(op);
    step_begin(op, step_body_if_needed);
}
