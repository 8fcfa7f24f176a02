#include "trial.h"

#include "digest.h"
#include "fill_rows_sql.h"

#include <stdlib.h>
#include <string.h>

struct Trial {
    Scratch *scratch;
    Wait *wait;
    ShardTarget target;
    ShardSession *shard; /* steps */
    Session *session;    /* everything else */
    bool needed;         /* the last step */
    uint64_t fence;
    uint64_t epoch;
    Uuid fleet_id;
    uint32_t server_version;
};

/* --- opening ---------------------------------------------------------------------------------- */

static void on_open(ShardSession *session, const Error *err, void *data)
{
    (void)session;
    Trial *trial = data;
    wait_settle(trial->wait, err);
}

static void on_claim(ShardSession *session, const ClaimResult *result, const Error *err, void *data)
{
    (void)session;
    Trial *trial = data;
    if (err == NULL) {
        trial->fence = result->fence;
        trial->epoch = result->epoch;
        trial->fleet_id = result->fleet_id;
        trial->server_version = result->server_version;
    }
    wait_settle(trial->wait, err);
}

static void cancel_shard(void *data)
{
    Trial *trial = data;
    shard_cancel(trial->shard);
}

static ErrCode open_shard(Trial *trial, Error *err)
{
    wait_begin(trial->wait, NULL, NULL);
    trial->shard = shard_open(&trial->wait->loop, &trial->target, on_open, trial);
    ErrCode code = wait_end(trial->wait, err);
    if (code == ERR_OK)
        code = wait_check(trial->wait, err);
    if (code != ERR_OK)
        return code;
    ClaimArgs args = {.who = "pgtide scratch", .adopt = true};
    wait_begin(trial->wait, cancel_shard, trial);
    shard_claim(trial->shard, &args, on_claim, trial);
    return wait_end(trial->wait, err);
}

static ErrCode prepare(Trial *trial, Error *err);

static ErrCode make_schema(Trial *trial, const char *schema, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    PgBatch batch = pg_batch(arena);
    pg_batch_add_params(&batch, "SELECT pg_catalog.set_config('pgtide.schema', $1, true)", 1,
                        &schema);
    pg_batch_add(&batch, "DO $$BEGIN EXECUTE pg_catalog.format('CREATE SCHEMA %I', "
                         "pg_catalog.current_setting('pgtide.schema')); END$$");
    trial->target.schema = schema;
    return session_batch(trial->session, &batch, NULL, NULL, err);
}

ErrCode trial_open_schema(Scratch *scratch, const char *schema, Trial **ret_trial, Error *err)
{
    Trial *trial = xcalloc(1, sizeof *trial);
    trial->scratch = scratch;
    trial->wait = scratch_wait(scratch);
    ErrCode code = scratch_make(scratch, &trial->target, err);
    if (code == ERR_OK)
        code = session_open(trial->wait, trial->target.conninfo, trial->target.conninfo_count,
                            trial->target.database, &trial->session, err);
    if (code == ERR_OK && schema != NULL)
        code = make_schema(trial, schema, err);
    if (code == ERR_OK)
        code = open_shard(trial, err);
    if (code == ERR_OK)
        code = prepare(trial, err);
    if (code != ERR_OK) {
        trial_close(trial);
        return code;
    }
    *ret_trial = trial;
    return ERR_OK;
}

ErrCode trial_open(Scratch *scratch, Trial **ret_trial, Error *err)
{
    return trial_open_schema(scratch, NULL, ret_trial, err);
}

static void disconnect(Trial *trial)
{
    shard_close(trial->shard);
    session_close(trial->session);
    wait_drain(trial->wait);
}

void trial_close(Trial *trial)
{
    if (trial == NULL)
        return;
    disconnect(trial);
    if (trial->target.database != NULL)
        scratch_drop(trial->scratch, trial->target.database);
    free(trial);
}

void trial_leave(Trial *trial)
{
    if (trial == NULL)
        return;
    disconnect(trial);
    free(trial);
}

uint32_t trial_server_version(const Trial *trial)
{
    return trial->server_version;
}

const char *trial_database(const Trial *trial)
{
    return trial->target.database;
}

/* --- steps and questions ---------------------------------------------------------------------- */

static void on_step(ShardSession *session, const StepResult *result, const Error *err, void *data)
{
    (void)session;
    Trial *trial = data;
    trial->needed = result == NULL || result->not_needed.count == 0;
    wait_settle(trial->wait, err);
}

ErrCode trial_step(Trial *trial, const GraphStep *step, Error *err)
{
    ErrCode code = wait_check(trial->wait, err);
    if (code != ERR_OK)
        return code;
    Uuid random = uuid_random();
    StepArgs args = {
        .revision = step->revision,
        .direction = step->direction,
        .script = step->script,
        .rows_before = step->rows_before,
        .rows_after = step->rows_after,
        .fence = trial->fence,
        .epoch = trial->epoch,
        .fleet_id = trial->fleet_id,
        .who = "pgtide scratch",
        .attempt = 1,
        .run_verify = true,
    };
    memcpy(args.operation.bytes, random.bytes, sizeof args.operation.bytes);
    wait_begin(trial->wait, cancel_shard, trial);
    shard_step(trial->shard, &args, on_step, trial);
    return wait_end(trial->wait, err);
}

bool trial_was_needed(const Trial *trial)
{
    return trial->needed;
}

typedef struct TextRead {
    Arena *arena;
    SchemaText text;
    const char *unfilled;
} TextRead;

static void on_text(const PgReply *reply, void *data)
{
    TextRead *read = data;
    read->text = schema_text_read(read->arena, &reply->results[reply->count - 1]);
}

/* Once for a session: planning costs more than running. */
static ErrCode prepare(Trial *trial, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    PgBatch batch = pg_batch(arena);
    pg_batch_add(&batch, fill_rows_sql);
    pg_batch_add(&batch, "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)");
    pg_batch_add(&batch, arena_printf(arena, "PREPARE pgtide_schema AS %s", schema_text_query()));
    pg_batch_add(&batch, arena_printf(arena, "PREPARE pgtide_data AS %s", data_text_query()));
    return session_batch(trial->session, &batch, NULL, NULL, err);
}

static ErrCode read_text(Trial *trial, Arena *arena, const char *execute, SchemaText *ret_text,
                         Error *err)
{
    AUTO_ARENA Arena *scratch = arena_new();
    TextRead read = {.arena = arena};
    PgBatch batch = pg_batch(scratch);
    pg_batch_add(&batch, "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)");
    pg_batch_add(&batch, execute);
    ErrCode code = session_batch(trial->session, &batch, on_text, &read, err);
    if (code == ERR_OK)
        *ret_text = read.text;
    return code;
}

ErrCode trial_schema(Trial *trial, Arena *arena, SchemaText *ret_text, Error *err)
{
    return read_text(trial, arena, "EXECUTE pgtide_schema", ret_text, err);
}

ErrCode trial_data(Trial *trial, Arena *arena, SchemaText *ret_text, Error *err)
{
    return read_text(trial, arena, "EXECUTE pgtide_data", ret_text, err);
}

static void on_filled(const PgReply *reply, void *data)
{
    TextRead *read = data;
    read->unfilled = arena_strdup(read->arena, pg_text(&reply->results[reply->count - 1], 0, 0));
}

ErrCode trial_fill(Trial *trial, Arena *arena, const char **ret_unfilled, Error *err)
{
    AUTO_ARENA Arena *scratch = arena_new();
    TextRead read = {.arena = arena};
    PgBatch batch = pg_batch(scratch);
    pg_batch_add(&batch, "SELECT pg_temp.pgtide_fill_rows()");
    ErrCode code = session_batch(trial->session, &batch, on_filled, &read, err);
    if (code != ERR_OK)
        return code == ERR_INTERRUPTED ? code : err_wrap(err, "generating rows");
    *ret_unfilled = read.unfilled;
    return ERR_OK;
}

ErrCode trial_statement(Trial *trial, const char *file, const Statement *statement, Error *err)
{
    return session_statement(trial->session, file, statement, err);
}

ErrCode trial_query(Trial *trial, const char *sql, SessionRead *read, void *data, Error *err)
{
    AUTO_ARENA Arena *scratch = arena_new();
    PgBatch batch = pg_batch(scratch);
    pg_batch_add(&batch, sql);
    return session_batch(trial->session, &batch, read, data, err);
}

ErrCode trial_model(Trial *trial, CommandContext *context, const SchemaReadArgs *args,
                    SchemaModel *ret_model, Error *err)
{
    return schema_source_session(context, trial->session, args, ret_model, err);
}
