#include "apply.h"

#include "backoff.h"

#include <stdlib.h>
#include <string.h>

enum { APPLY_PAUSE_MS = 250, APPLY_PAUSE_MS_MAX = 5000 };

struct Apply {
    CommandContext *context;
    Wait *wait;
    const RunSettings *settings;
    ShardSession *session;
    bool has_rows;
    uint64_t random;
};

/* --- looking ---------------------------------------------------------------------------------- */

static void on_open(ShardSession *session, const Error *err, void *data)
{
    (void)session;
    Apply *apply = data;
    wait_settle(apply->wait, err);
}

static ErrCode look(Apply *apply, const DatabaseReading *reading, Error *err)
{
    if (reading->pooled)
        return err_set(err, ERR_POOLED_CONNECTION, "the server is reached through a pooler");
    if (reading->in_recovery)
        return err_set(err, ERR_STATE, "the server is a standby");
    apply->has_rows = reading->shards[0].rows.count > 0 || reading->shards[0].rows_unread;
    for (size_t i = 0; i < reading->shard_count; i++) {
        const ShardReading *shard = &reading->shards[i];
        if (uuid_is_nil(&shard->fleet_id))
            continue;
        char fleet[UUID_TEXT_SIZE];
        uuid_format(&shard->fleet_id, fleet);
        err_set(err, ERR_FLEET_MANAGED, "fleet %s manages %s%s", fleet,
                shard->schema[0] == '\0' ? "this shard" : "schema ", shard->schema);
        err_hint(err, "Write a revision (`pgtide revision --autogenerate`), and use a rollout.");
        return ERR_FLEET_MANAGED;
    }
    return ERR_OK;
}

static void on_read(ShardSession *session, const DatabaseReading *reading, const Error *err,
                    void *data)
{
    (void)session;
    Apply *apply = data;
    Error seen = {0};
    bool good = err == NULL && look(apply, reading, &seen) == ERR_OK;
    wait_settle(apply->wait, good ? NULL : err != NULL ? err : &seen);
}

static void cancel(void *data)
{
    Apply *apply = data;
    shard_cancel(apply->session);
}

ErrCode apply_open(CommandContext *context, Wait *wait, const ShardTarget *target,
                   const RunSettings *settings, Apply **ret_apply, Error *err)
{
    ErrCode code = wait_check(wait, err);
    if (code != ERR_OK)
        return code;
    Apply *apply = xcalloc(1, sizeof *apply);
    *apply = (Apply){.context = context, .wait = wait, .settings = settings, .random = uv_hrtime()};
    wait_begin(wait, NULL, NULL);
    apply->session = shard_open(&wait->loop, target, on_open, apply);
    code = wait_end(wait, err);
    if (code == ERR_OK)
        code = wait_check(wait, err);
    if (code == ERR_OK) {
        bool whole = target->schema == NULL || target->schema[0] == '\0';
        const ReadArgs args = {.schema_like = whole ? "%" : NULL};
        wait_begin(wait, cancel, apply);
        shard_read(apply->session, &args, on_read, apply);
        code = wait_end(wait, err);
    }
    if (code == ERR_OK)
        *ret_apply = apply;
    else
        apply_close(apply);
    return code;
}

void apply_close(Apply *apply)
{
    if (apply == NULL)
        return;
    shard_close(apply->session);
    wait_drain(apply->wait);
    free(apply);
}

bool apply_has_rows(const Apply *apply)
{
    return apply->has_rows;
}

/* --- running ---------------------------------------------------------------------------------- */

static void on_ran(ShardSession *session, const ShardSqlResult *result, const Error *err,
                   void *data)
{
    (void)session;
    (void)result;
    Apply *apply = data;
    wait_settle(apply->wait, err);
}

static ErrCode run_once(Apply *apply, const ShardSqlArgs *args, Error *err)
{
    ErrCode code = wait_check(apply->wait, err);
    if (code != ERR_OK)
        return code;
    wait_begin(apply->wait, cancel, apply);
    shard_run_sql(apply->session, args, on_ran, apply);
    return wait_end(apply->wait, err);
}

ErrCode apply_sql(Apply *apply, const char *name, const char *text, Error *err)
{
    StatementList statements;
    ErrCode code = sql_split(apply->context->arena, name, text, strlen(text), 1, &statements, err);
    if (code != ERR_OK || statements.count == 0)
        return code;
    const ShardSqlArgs args = {.statements = &statements,
                               .file = name,
                               .lock_timeout_ms = apply->settings->lock_timeout_ms};
    for (uint32_t tries = 1;; tries++) {
        code = run_once(apply, &args, err);
        if (code != ERR_LOCK_TIMEOUT || tries >= apply->settings->lock_attempts)
            return code;
        note(apply->context, "%s: trying again (%u of %u)", err->message, tries + 1,
             apply->settings->lock_attempts);
        code =
            wait_pause(apply->wait,
                       backoff_ms(APPLY_PAUSE_MS, APPLY_PAUSE_MS_MAX, tries, &apply->random), err);
        if (code != ERR_OK)
            return code;
    }
}
