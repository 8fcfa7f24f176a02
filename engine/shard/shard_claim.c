/*
 * Claiming a shard, in one transaction of two round trips (more when the bookkeeping is made or
 * brought up to date):
 *
 *   1. BEGIN; the run lock, which outlives the transaction; identity and ledger
 *      checked here before anything is written; without the lock: ROLLBACK, poll, start again
 *   2. (CREATE SCHEMA pgtide ...)
 *   3. take the row and raise its fence; read it; fail unless taken; create the version table;
 *      note a move from outside; read rows and history; COMMIT
 *   4. (bookkeeping of an older format is brought up to date, if nothing stands in the way: what
 *      claims and steps need of it is the same, so that this may wait for another claim)
 *
 * Each statement of the third has a snapshot of its own, taken after the row's lock was granted:
 * what a transaction in flight had done is seen. When the row refuses us the fourth statement
 * fails, so nothing is committed, and the row just read says why.
 */
#include "shard_lock.h"
#include "shard_queries.h"
#include "shard_session.h"
#include "shard_sql.h"

#include <string.h>

enum {
    CLAIM_DEADLINE_DEFAULT_MS = 60000,
    CLAIM_HISTORY_TAIL = 20,
    CLAIM_ORPHAN_WAIT_MS = 10000, /* for the run lock of a backend that was told to go */
    CLAIM_ROLLBACK_DEADLINE_MS = 10000,
    CLAIM_VERSION_WIDTH = 255,
    CLAIM_FORMAT_LOCK_TIMEOUT_MS = 100, /* others wait behind us for the history */
    LEDGER_FORMAT = 2,
};

typedef struct ClaimOp {
    ShardSession *session;
    ClaimArgs args;
    ShardClaimCb *cb;
    void *data;
    ShardLook look;
    ClaimResult result;
    bool retried;      /* a lost race for the bookkeeping is read again, once */
    bool made_version; /* the version table was made */
    uint32_t deadline_ms;
    size_t at_lock; /* where in the first batch the run lock's answer is; 0 = not asked */
    size_t at_look; /* where the look's answers begin */
    /* Where in the third batch each answer is. */
    int at_claim;
    int at_row;
    int at_widen; /* 0 = not asked */
    int at_rows;
    int at_note;
    int at_history;
    int at_source; /* 0 = not asked */
    int at_commit; /* 0 = not asked */
} ClaimOp;

static void start(ClaimOp *op);

static void finish(ClaimOp *op)
{
    ShardSession *session = op->session;
    shard_end(session);
    bool failed = session->error.code != ERR_OK;
    op->cb(session, failed ? NULL : &op->result, failed ? &session->error : NULL, op->data);
}

static void on_rolled_back(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    (void)reply; /* the error that led here is what counts; a lost connection rolls back too */
    finish(data);
}

static void fail(ClaimOp *op)
{
    ShardSession *session = op->session;
    PgBatch batch = pg_batch(session->arena);
    if (pg_in_transaction(session->conn))
        pg_batch_add(&batch, "ROLLBACK");
    shard_lock_release_add(session, &batch);
    session->deadline_ms = uv_now(session->loop) + CLAIM_ROLLBACK_DEADLINE_MS;
    if (batch.count == 0 || !pg_is_connected(session->conn))
        finish(op);
    else
        shard_send(session, &batch, on_rolled_back, op);
}

/* A revision id to come does not fit the version table. */
static bool needs_width(const ClaimOp *op)
{
    const ShardRelation *version = op->look.version;
    return version != NULL && version->width != 0 && version->width < op->args.id_width;
}

/* --- 3: the row ------------------------------------------------------------------------------- */

static bool row_matches_identity(const ClaimOp *op, const PgResult *row)
{
    Uuid uuid = {0};
    bool has_uuid = uuid_parse(pg_text(row, 0, 1), &uuid);
    const Uuid *wanted = &op->session->target.shard_uuid;
    return pg_u64(row, 0, 5) == op->look.system_identifier &&
           pg_u64(row, 0, 6) == op->look.database_oid && pg_u64(row, 0, 7) == op->look.schema_oid &&
           (!has_uuid || uuid_is_nil(wanted) || uuid_equal(&uuid, wanted));
}

/* Why the row did not let us take it. */
static void explain_refusal(ClaimOp *op, const PgReply *reply)
{
    Error *err = &op->session->error;
    const PgResult *row = &reply->results[op->at_row];
    if (pg_rows(row) == 0) {
        err_set(err, ERR_STATE, "the shard has not been adopted");
        err_hint(err, "Run `pgtide ensure-version`, or let a rollout adopt it.");
        return;
    }
    if (pg_i64(row, 0, 9) < 1 || pg_i64(row, 0, 9) > LEDGER_FORMAT) {
        err_set(err, ERR_STATE, "the shard's bookkeeping has format %s, this pgtide knows 1 to %d",
                pg_text(row, 0, 9), LEDGER_FORMAT);
        err_hint(err, "Use the version of pgtide that wrote it.");
        return;
    }
    const Uuid *ours = &op->session->target.fleet_id;
    Uuid fleet = {0};
    bool managed = uuid_parse(pg_text(row, 0, 2), &fleet);
    if (managed && uuid_is_nil(ours) && op->args.unmanaged_reason == NULL)
        err_set(err, ERR_FLEET_MANAGED, "fleet %s manages this shard", pg_text(row, 0, 2));
    else if (managed && !uuid_is_nil(ours) && !uuid_equal(&fleet, ours))
        err_set(err, ERR_REFUSED, "another fleet (%s) manages this shard", pg_text(row, 0, 2));
    else if (op->args.adoption != NULL && !row_matches_identity(op, row))
        err_set(err, ERR_STALE, "the shard's row is not the one that was seen");
    else if (!op->args.accept_identity && !row_matches_identity(op, row))
        err_set(err, ERR_CLONE, "the shard was adopted at another server, database or schema");
    else if (pg_u64(row, 0, 4) > op->args.epoch && !uuid_is_nil(ours))
        err_set(err, ERR_STALE, "the shard has seen epoch %s, this command is of epoch %llu",
                pg_text(row, 0, 4), (unsigned long long)op->args.epoch);
    else
        err_set(err, ERR_STATE, "the shard has not been taken over by this fleet");
}

static void take_row(ClaimOp *op, const PgReply *reply)
{
    ClaimResult *result = &op->result;
    const PgResult *row = &reply->results[op->at_row];
    op->session->ledger_format = (uint32_t)pg_u64(row, 0, 9);
    result->fence = pg_u64(row, 0, 3);
    result->epoch = pg_u64(row, 0, 4);
    if (!uuid_parse(pg_text(row, 0, 2), &result->fleet_id))
        result->fleet_id = (Uuid){0};
    if (!uuid_parse(pg_text(row, 0, 1), &result->shard_uuid))
        result->shard_uuid = (Uuid){0};
    result->adopted_now = pg_bool(&reply->results[op->at_claim], 0, 1);
}

/* Of the rollout that is taken back, then of the one that does it. */
static void take_history(ClaimOp *op, const PgReply *reply)
{
    ShardSession *session = op->session;
    ClaimResult *result = &op->result;
    shard_history_read(session, &reply->results[op->at_history], &result->history,
                       &result->history_count);
    if (op->at_source == 0)
        return;
    const HistoryEntry *source;
    size_t count;
    shard_history_read(session, &reply->results[op->at_source], &source, &count);
    HistoryEntry *both = ARENA_ARRAY(session->arena, HistoryEntry, count + result->history_count);
    for (size_t i = 0; i < count; i++)
        both[i] = source[i];
    for (size_t i = 0; i < result->history_count; i++)
        both[count + i] = result->history[i];
    result->history = both;
    result->history_count += count;
}

static void take_result(ClaimOp *op, const PgReply *reply)
{
    ShardSession *session = op->session;
    ClaimResult *result = &op->result;
    take_row(op, reply);
    const PgResult *note = &reply->results[op->at_note];
    result->moved_outside = pg_rows(note) == 1 && strcmp(pg_text(note, 0, 0), "external") == 0;
    take_history(op, reply);
    result->widened_from = needs_width(op) ? op->look.version->width : 0;
    bool is_ours = op->made_version || result->widened_from != 0;
    result->version_column_width = is_ours ? CLAIM_VERSION_WIDTH : op->look.version->width;
    result->system_identifier = op->look.system_identifier;
    result->database_oid = op->look.database_oid;
    result->schema_oid = op->look.schema_oid;
    result->timeline = op->look.timeline;
    result->server_version = (uint32_t)pg_server_version(session->conn);
    result->version_schema = session->version_schema;
    if (!shard_rows_parse(session, pg_text(&reply->results[op->at_rows], 0, 0), &result->rows))
        err_set(&session->error, ERR_STATE, "the version rows can't be read");
    else if (op->at_commit != 0 && strcmp(pg_tag(&reply->results[op->at_commit]), "COMMIT") != 0)
        err_set(&session->error, ERR_STATE, "the claim was not committed");
}

static void on_format(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    ClaimOp *op = data;
    ShardSession *session = op->session;
    if (reply->error == NULL)
        session->ledger_format = LEDGER_FORMAT;
    else if (!reply->lost && pg_in_transaction(session->conn)) {
        PgBatch batch = pg_batch(session->arena);
        pg_batch_add(&batch, "ROLLBACK");
        shard_send(session, &batch, on_rolled_back, op);
        return;
    }
    finish(op);
}

/* The claim is committed, whatever becomes of this: the bookkeeping may be another role's, or a
 * long step of another shard of this database may be reading it. */
static void take_up_format(ClaimOp *op)
{
    ShardSession *session = op->session;
    PgBatch batch = pg_batch(session->arena);
    const char *lock = shard_ms_param(session, CLAIM_FORMAT_LOCK_TIMEOUT_MS);
    pg_batch_add(&batch, "BEGIN ISOLATION LEVEL READ COMMITTED");
    pg_batch_add_params(&batch, shard_sql_enter_step, 1, &lock);
    pg_batch_add(&batch, shard_sql_take_up_format);
    pg_batch_add(&batch, shard_sql_note_format);
    pg_batch_add(&batch, "COMMIT");
    shard_send(session, &batch, on_format, op);
}

static void on_claimed(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    ClaimOp *op = data;
    ShardSession *session = op->session;
    if (reply->error == NULL) {
        take_result(op, reply);
        if (session->ledger_format < LEDGER_FORMAT && session->error.code == ERR_OK &&
            !op->args.rehearse)
            take_up_format(op);
        else
            finish(op);
        return;
    }
    bool refused = !reply->lost && strcmp(reply->error->sqlstate, "22012") == 0 &&
                   (int)reply->count == op->at_row + 1;
    bool raced = op->made_version && (strcmp(reply->error->sqlstate, "42P07") == 0 ||
                                      strcmp(reply->error->sqlstate, "23505") == 0);
    if (raced && !op->retried) {
        op->retried = true;
        start(op); /* rolls back first */
        return;
    }
    shard_reply_error(session, reply);
    if (refused)
        explain_refusal(op, reply);
    else if (op->at_widen != 0 && !reply->lost && (int)reply->failed == op->at_widen)
        err_wrap(&session->error, "can't widen %s", session->version_table);
    fail(op);
}

static int add(PgBatch *batch, const char *sql, int count, const char *const *params)
{
    pg_batch_add_params(batch, sql, count, params);
    return (int)batch->count - 1;
}

/* Before the claim, which then finds the row as it must be. */
static void add_adoption(ClaimOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    const ShardAdoption *adoption = op->args.adoption;
    const char *row_uuid = shard_uuid_param(session, &adoption->row_uuid);
    const char *former[] = {shard_schema(session), adoption->former_schema, row_uuid,
                            shard_u64_param(session, op->look.schema_oid)};
    if (adoption->former_schema[0] != '\0')
        add(batch, shard_sql_adopt_renamed, 4, former);
    const char *params[] = {
        shard_schema(session),
        shard_uuid_param(session, &session->target.shard_uuid),
        shard_uuid_param(session, &session->target.fleet_id),
        shard_u64_param(session, op->args.epoch),
        shard_u64_param(session, op->look.system_identifier),
        shard_u64_param(session, op->look.database_oid),
        shard_u64_param(session, op->look.schema_oid),
        row_uuid,
        shard_uuid_param(session, &adoption->row_fleet),
    };
    add(batch, shard_sql_adopt_row, 9, params);
}

static void note_adoption(ClaimOp *op, PgBatch *batch)
{
    char operation[OPERATION_TEXT_SIZE];
    ShardSession *session = op->session;
    const ShardAdoption *adoption = op->args.adoption;
    operation_format(&adoption->operation, operation);
    const char *params[] = {shard_schema(session), arena_strdup(session->arena, operation),
                            op->args.who, adoption->message};
    add(batch, shard_query(session, shard_sql_note_adopted), 4, params);
}

static void add_claim(ClaimOp *op, PgBatch *batch)
{
    ShardSession *session = op->session;
    const char *params[] = {
        shard_schema(session),
        shard_uuid_param(session, &session->target.shard_uuid),
        shard_uuid_param(session, &session->target.fleet_id),
        shard_u64_param(session, op->args.epoch),
        shard_u64_param(session, op->look.system_identifier),
        shard_u64_param(session, op->look.database_oid),
        shard_u64_param(session, op->look.schema_oid),
        op->args.accept_identity ? "t" : "f",
        op->args.unmanaged_reason != NULL ? "t" : "f",
    };
    const char *sql = op->args.adopt ? shard_sql_claim_adopt : shard_sql_claim;
    op->at_claim = add(batch, sql, 9, params);
    StrList schemas = {0};
    strlist_add(session->arena, &schemas, shard_schema(session));
    const char *array = pg_array_format(session->arena, &schemas);
    op->at_row = add(batch, shard_sql_row, 1, &array);
    add(batch, shard_sql_assert_claim, 1, params);
}

static void send_claim(ClaimOp *op)
{
    ShardSession *session = op->session;
    PgBatch batch = pg_batch(session->arena);
    if (op->args.adoption != NULL)
        add_adoption(op, &batch);
    add_claim(op, &batch);
    op->made_version = op->look.version == NULL;
    if (op->made_version)
        add(&batch, shard_query(session, shard_sql_create_version), 0, NULL);
    op->at_widen =
        !needs_width(op) ? 0 : add(&batch, shard_query(session, shard_sql_widen), 0, NULL);
    const char *schema = shard_schema(session);
    const char *rollout = shard_text_or_null(op->args.rollout);
    const char *note[] = {schema, op->args.who, rollout};
    /* The first word of a shard's history is this one; later it comes behind what others did. */
    bool is_first = op->args.adoption != NULL && uuid_is_nil(&op->args.adoption->row_uuid);
    if (is_first)
        note_adoption(op, &batch);
    op->at_note = add(&batch, shard_query(session, shard_sql_note_outside), 3, note);
    if (op->args.adoption != NULL && !is_first)
        note_adoption(op, &batch);
    if (op->args.unmanaged_reason != NULL) {
        const char *reason[] = {schema, op->args.who, op->args.unmanaged_reason};
        add(&batch, shard_query(session, shard_sql_note_unmanaged), 3, reason);
    }
    op->at_rows = add(&batch, shard_query(session, shard_sql_rows), 0, NULL);
    const char *tail[] = {schema, shard_u64_param(session, CLAIM_HISTORY_TAIL)};
    const char *own[] = {schema, rollout};
    op->at_history = rollout == NULL ? add(&batch, shard_sql_history_last, 2, tail)
                                     : add(&batch, shard_sql_history_of_rollout, 2, own);
    const char *source[] = {schema, shard_text_or_null(op->args.source_rollout)};
    op->at_source = source[1] == NULL ? 0 : add(&batch, shard_sql_history_of_rollout, 2, source);
    op->at_commit = op->args.rehearse ? 0 : add(&batch, "COMMIT", 0, NULL);
    shard_send(session, &batch, on_claimed, op);
}

/* --- 2: the bookkeeping ----------------------------------------------------------------------- */

static void on_created(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    ClaimOp *op = data;
    if (reply->error == NULL) {
        send_claim(op);
        return;
    }
    /* Somebody else made it meanwhile, or is making it: read theirs. */
    const char *sqlstate = reply->error->sqlstate;
    bool raced = strcmp(sqlstate, "42P06") == 0 || strcmp(sqlstate, "23505") == 0 ||
                 strcmp(sqlstate, "55P03") == 0;
    if (raced && !op->retried) {
        op->retried = true;
        start(op);
        return;
    }
    shard_reply_error(op->session, reply);
    err_wrap(&op->session->error, "can't create schema pgtide");
    fail(op);
}

static void create_ledger(ClaimOp *op)
{
    if (!op->args.adopt) {
        err_set(&op->session->error, ERR_STATE, "the shard has not been adopted");
        err_hint(&op->session->error, "Run `pgtide ensure-version`, or let a rollout adopt it.");
        fail(op);
        return;
    }
    pg_send_simple(op->session->conn, shard_sql, CLAIM_DEADLINE_DEFAULT_MS, on_created, op);
}

/* --- 1: looking ------------------------------------------------------------------------------- */

/* `$user` is read in search_path as the current user's schema, even quoted: steps would run
 * elsewhere. The others are PostgreSQL's and ours. */
static bool may_be_shard(const char *schema)
{
    return strcmp(schema, "$user") != 0 && strcmp(schema, "pgtide") != 0 &&
           strcmp(schema, "information_schema") != 0 && strncmp(schema, "pg_", 3) != 0;
}

static ErrCode check_identity(ClaimOp *op)
{
    ShardSession *session = op->session;
    const ShardLook *look = &op->look;
    const ShardTarget *target = &session->target;
    Error *err = &session->error;
    if (look->backend_pid != pg_backend_pid(session->conn))
        return err_set(err, ERR_POOLED_CONNECTION, "this connection goes through a pooler");
    if (look->in_recovery) {
        err_set(err, ERR_STATE, "the server is a standby");
        err_hint(err, "Connect to the primary.");
        return ERR_STATE;
    }
    if ((target->system_identifier != 0 && target->system_identifier != look->system_identifier) ||
        (target->database_oid != 0 && target->database_oid != look->database_oid))
        return err_set(err, ERR_CLONE, "this is not the server and database that was meant");
    if (op->args.adoption != NULL && op->args.adoption->schema_oid != look->schema_oid)
        return err_set(err, ERR_CLONE, "this is not the schema that was meant");
    if (!may_be_shard(target->schema))
        return err_set(err, ERR_USAGE, "schema \"%s\" can't be a shard", target->schema);
    if (!look->has_schema)
        return err_set(err, ERR_NOT_FOUND, "there is no schema \"%s\"", target->schema);
    if (look->version == NULL && look->home[0] == '\0') {
        err_set(err, ERR_STATE, "no schema of the search path exists");
        err_hint(err, "Create one, or set search_path for the role or the database.");
        return ERR_STATE;
    }
    return shard_look_check_ledger(session, look);
}

static void begin_writing(ClaimOp *op)
{
    if (op->look.has_ledger)
        send_claim(op);
    else
        create_ledger(op);
}

static void on_may_alter(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    ClaimOp *op = data;
    ShardSession *session = op->session;
    Error *err = &session->error;
    if (reply->error != NULL) {
        shard_reply_error(session, reply);
    } else if (!pg_bool(&reply->results[0], 0, 0)) {
        err_set(err, ERR_STATE,
                "revision ids of up to %u characters do not fit alembic_version, which is %u wide",
                op->args.id_width, op->look.version->width);
        err_hint(err,
                 "Run as %s, or have it ALTER TABLE %s ALTER COLUMN version_num TYPE varchar(%d).",
                 pg_text(&reply->results[0], 0, 1), session->version_table, CLAIM_VERSION_WIDTH);
    }
    if (err->code != ERR_OK)
        fail(op);
    else
        begin_writing(op);
}

static void go_on(ClaimOp *op)
{
    ShardSession *session = op->session;
    if (session->cancelled)
        err_set(&session->error, ERR_INTERRUPTED, "interrupted; nothing changed");
    else
        check_identity(op);
    if (session->error.code != ERR_OK) {
        fail(op);
    } else if (needs_width(op)) {
        PgBatch batch = pg_batch(session->arena);
        pg_batch_add_params(&batch, shard_sql_may_alter, 1, &session->version_schema);
        shard_send(session, &batch, on_may_alter, op);
    } else {
        begin_writing(op);
    }
}

static void on_looked_exactly(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    ClaimOp *op = data;
    if (reply->error != NULL) {
        shard_reply_error(op->session, reply);
        fail(op);
        return;
    }
    shard_look_exactly_read(op->session, reply->results, &op->look);
    go_on(op);
}

static void on_run_lock(void *data)
{
    ClaimOp *op = data;
    ShardSession *session = op->session;
    session->deadline_ms = uv_now(session->loop) + op->deadline_ms;
    if (session->error.code != ERR_OK)
        fail(op);
    else
        start(op);
}

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    ClaimOp *op = data;
    ShardSession *session = op->session;
    bool asked = op->at_lock != 0 && reply->count > op->at_lock;
    bool taken = asked && !shard_lock_read(session, &reply->results[op->at_lock]);
    if (reply->error != NULL) {
        shard_reply_error(session, reply);
        fail(op);
        return;
    }
    if (taken) {
        shard_lock_wait(session, op->args.run_lock_wait_ms, on_run_lock, op);
        return;
    }
    shard_look_read(session, &reply->results[op->at_look], &op->look);
    if (!op->look.suspect) {
        go_on(op);
        return;
    }
    PgBatch batch = pg_batch(session->arena);
    shard_look_exactly_add(session, &batch, NULL);
    shard_send(session, &batch, on_looked_exactly, op);
}

static bool has_orphan(const ClaimOp *op)
{
    return op->args.orphan.pid > 0 && op->args.orphan.start[0] != '\0';
}

static void start(ClaimOp *op)
{
    ShardSession *session = op->session;
    PgBatch batch = pg_batch(session->arena);
    if (pg_in_transaction(session->conn) && !session->is_ahead)
        pg_batch_add(&batch, "ROLLBACK");
    shard_abandon_add(session, &batch);
    pg_batch_add(&batch, "BEGIN ISOLATION LEVEL READ COMMITTED");
    const char *orphan[] = {shard_u64_param(session, (uint64_t)op->args.orphan.pid),
                            op->args.orphan.start};
    if (has_orphan(op))
        pg_batch_add_params(&batch, shard_sql_terminate, 2, orphan);
    op->at_lock = session->has_run_lock ? 0 : batch.count;
    if (!session->has_run_lock)
        shard_lock_add(session, &batch);
    op->at_look = batch.count;
    shard_look_add(session, &batch, NULL, false, op->args.lock_timeout_ms);
    shard_stay_add(session->conn, &batch);
    shard_send(session, &batch, on_looked, op);
}

void shard_claim(ShardSession *session, const ClaimArgs *args, ShardClaimCb *cb, void *data)
{
    uint32_t deadline = args->deadline_ms == 0 ? CLAIM_DEADLINE_DEFAULT_MS : args->deadline_ms;
    Arena *old = shard_begin(session, deadline);
    ClaimOp *op = ARENA_NEW(session->arena, ClaimOp);
    op->session = session;
    op->deadline_ms = deadline;
    op->args = *args;
    if (has_orphan(op) && op->args.run_lock_wait_ms < CLAIM_ORPHAN_WAIT_MS)
        op->args.run_lock_wait_ms = CLAIM_ORPHAN_WAIT_MS;
    op->args.rollout = arena_strdup(session->arena, args->rollout);
    op->args.source_rollout = arena_strdup(session->arena, args->source_rollout);
    op->args.who = arena_strdup(session->arena, args->who);
    op->args.unmanaged_reason = arena_strdup(session->arena, args->unmanaged_reason);
    op->cb = cb;
    op->data = data;
    arena_free(old);
    start(op);
}
