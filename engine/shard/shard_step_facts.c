/* A step's side of the flight recorder (shard_facts.h). */
#include "shard_queries.h"
#include "shard_step.h"

enum { FORMAT_WITH_FACTS = 2 };

static void add_mark(void *data, PgBatch *batch)
{
    step_add(data, batch, shard_sql_mark, 0, NULL);
}

void step_add_measured(StepOp *op, PgBatch *batch, const StatementList *statements, FactsRun *run)
{
    facts_run_add(run, batch, statements, add_mark, op);
}

void step_take_facts(StepOp *op, const PgReply *reply, const FactsRun *run)
{
    ShardSession *session = op->session;
    FactsRead read = {
        .revision = step_item(op)->args.revision,
        .now_ms = uv_now(session->loop),
        .arena = session->arena,
    };
    read.waits = shard_watch_waits(session, &read.wait_count);
    facts_run_read(run, reply, &read, &op->facts);
}

/* Of the item in hand. */
static FactList own_facts(const StepOp *op)
{
    return (FactList){.items = op->facts.items + op->fact_from,
                      .count = op->facts.count - op->fact_from};
}

const char *step_facts_text(const StepOp *op)
{
    FactList own = op->facts.count == op->fact_from ? (FactList){0} : own_facts(op);
    return op->session->ledger_format < FORMAT_WITH_FACTS ? NULL
                                                          : facts_format(op->session->arena, &own);
}

static void on_kept(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    StepOp *op = data;
    if (step_reopen(op, reply))
        return;
    if (reply->error != NULL)
        step_fail_reply(op, reply);
    else
        op->kept(op);
}

void step_keep_facts(StepOp *op, StepNext *next)
{
    FactList own = own_facts(op);
    const char *text = op->rehearse || !facts_are_slow(&own) ? NULL : step_facts_text(op);
    op->fact_from = op->facts.count;
    if (text == NULL) {
        next(op);
        return;
    }
    op->kept = next;
    PgBatch batch = pg_batch(op->session->arena);
    const char *params[] = {shard_schema(op->session), text};
    step_add(op, &batch, shard_sql_history_facts, 2, params);
    shard_send(op->session, &batch, on_kept, op);
}
