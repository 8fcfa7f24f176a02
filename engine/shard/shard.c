#include "shard.h"

#include "shard_queries.h"
#include "shard_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOCK_TIMEOUT_DEFAULT_MS = 500,
    VERSION_WITH_IDLE_SESSION_TIMEOUT = 140000,
    VERSION_WITH_TRANSACTION_TIMEOUT = 170000,
};

/* --- life ------------------------------------------------------------------------------------- */

static ShardTarget copy_target(Arena *arena, const ShardTarget *from)
{
    ShardTarget to = *from;
    PgKeyword *keywords = ARENA_ARRAY(arena, PgKeyword, from->conninfo_count + 2);
    size_t count = 0;
    for (size_t i = 0; i < from->conninfo_count; i++) {
        keywords[count].name = arena_strdup(arena, from->conninfo[i].name);
        keywords[count++].value = arena_strdup(arena, from->conninfo[i].value);
    }
    /* libpq takes the last of a name. */
    if (from->database != NULL)
        keywords[count++] =
            (PgKeyword){.name = "dbname", .value = arena_strdup(arena, from->database)};
    to.application_name =
        arena_strdup(arena, from->application_name == NULL ? "pgtide" : from->application_name);
    keywords[count++] = (PgKeyword){.name = "application_name", .value = to.application_name};
    to.conninfo = keywords;
    to.conninfo_count = count;
    to.database = arena_strdup(arena, from->database);
    to.schema = from->schema == NULL ? "" : arena_strdup(arena, from->schema);
    to.shared_schemas = strlist_copy(arena, &from->shared_schemas);
    return to;
}

static void on_connected(PgConn *conn, const Error *err, void *data)
{
    (void)conn;
    ShardSession *session = data;
    session->running = false;
    session->backend.pid = pg_backend_pid(session->conn);
    if (err != NULL)
        session->error = *err;
    session->open_cb(session, err == NULL ? NULL : &session->error, session->open_data);
}

ShardSession *shard_open(uv_loop_t *loop, const ShardTarget *target, ShardOpenCb *cb, void *data)
{
    ShardSession *session = xcalloc(1, sizeof *session);
    session->loop = loop;
    session->own = arena_new();
    session->arena = arena_new();
    session->target = copy_target(session->own, target);
    session->open_cb = cb;
    session->open_data = data;
    session->running = true;
    session->conn = pg_conn_new(loop);
    pg_use_passwords(session->conn, target->passwords);
    pg_connect(session->conn, session->target.conninfo, session->target.conninfo_count,
               target->connect_timeout_ms, on_connected, session);
    return session;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void shard_close(ShardSession *session)
{
    if (session == NULL)
        return;
    shard_watch_free(session->watch);
    server_pace_leave(session->ticket);
    pg_close(session->conn);
    if (session->timer != NULL)
        uv_close((uv_handle_t *)session->timer, on_timer_closed);
    arena_free(session->arena);
    arena_free(session->own);
    free(session);
}

BackendId shard_backend(const ShardSession *session)
{
    return session->backend;
}

bool shard_is_alive(const ShardSession *session)
{
    return pg_is_connected(session->conn);
}

static void end_pause(ShardSession *session)
{
    if (session->timer != NULL && uv_is_active((uv_handle_t *)session->timer))
        uv_timer_start(session->timer, session->timer->timer_cb, 0, 0);
}

bool shard_stop_soon(ShardSession *session)
{
    if (!session->running)
        return false;
    session->stop_soon = true;
    if (session->backfilling)
        end_pause(session);
    return session->backfilling;
}

void shard_cancel(ShardSession *session)
{
    if (!session->running || session->committing)
        return;
    session->cancelled = true;
    end_pause(session);
    pg_cancel(session->conn);
}

static void on_notice(const char *severity, const char *message, void *data)
{
    ShardSession *session = data;
    if (session->notice_cb != NULL)
        session->notice_cb(session, severity, message, session->notice_data);
}

void shard_on_notice(ShardSession *session, ShardNoticeCb *cb, void *data)
{
    session->notice_cb = cb;
    session->notice_data = data;
    pg_on_notice(session->conn, on_notice, session);
}

bool shard_has_sent_commit(const ShardSession *session)
{
    return session->commit_sent;
}

/* --- what operations share -------------------------------------------------------------------- */

Arena *shard_begin(ShardSession *session, uint32_t deadline_ms)
{
    Arena *old = session->arena;
    session->arena = arena_new();
    session->running = true;
    session->cancelled = false;
    session->backfilling = session->stop_soon = false;
    session->committing = false;
    session->commit_sent = false;
    err_clear(&session->error);
    uv_update_time(session->loop);
    session->deadline_ms = deadline_ms == 0 ? 0 : uv_now(session->loop) + deadline_ms;
    return old;
}

void shard_end(ShardSession *session)
{
    server_pace_leave(session->ticket);
    session->ticket = NULL;
    session->backfilling = false;
    session->running = false;
    session->committing = false;
}

void shard_send(ShardSession *session, const PgBatch *batch, PgBatchCb *cb, void *op)
{
    uint32_t left = 0;
    if (session->deadline_ms != 0) {
        uint64_t now = uv_now(session->loop);
        left = now < session->deadline_ms ? (uint32_t)(session->deadline_ms - now) : 1;
    }
    if (!shard_watch_is_on(session) || batch->never_cancel) {
        pg_send(session->conn, batch, left, cb, op);
        return;
    }
    shard_watch_sent(session, cb, op);
    pg_send(session->conn, batch, left, shard_watch_answered, session);
}

void shard_timer_start(ShardSession *session, uint32_t pause_ms, uv_timer_cb cb, void *data)
{
    if (session->timer == NULL) {
        session->timer = xcalloc(1, sizeof *session->timer);
        uv_timer_init(session->loop, session->timer);
    }
    session->timer->data = data;
    bool at_once = session->cancelled || (session->backfilling && session->stop_soon);
    uv_timer_start(session->timer, cb, at_once ? 0 : pause_ms, 0);
}

void shard_stay_add(const PgConn *conn, PgBatch *batch)
{
    if (pg_server_version(conn) >= VERSION_WITH_IDLE_SESSION_TIMEOUT)
        pg_batch_add(batch, shard_sql_stay);
    if (pg_server_version(conn) >= VERSION_WITH_TRANSACTION_TIMEOUT)
        pg_batch_add(batch, shard_sql_no_transaction_timeout);
    if (pg_is_remote(conn))
        pg_batch_add(batch, shard_sql_keepalive);
}

void shard_discard_add(ShardSession *session, PgBatch *batch)
{
    static const char *const statements[] = {"CLOSE ALL", "UNLISTEN *", "DISCARD TEMP",
                                             "DISCARD SEQUENCES"};
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        pg_batch_add(batch, statements[i]);
    if (session->strangers) {
        pg_batch_add(batch, "DEALLOCATE ALL");
        pg_forget_prepared(session->conn);
    }
    session->used = session->strangers = false;
}

void shard_reset_add(ShardSession *session, PgBatch *batch)
{
    pg_batch_add(batch, "RESET ALL");
    shard_stay_add(session->conn, batch);
}

void shard_abandon_add(ShardSession *session, PgBatch *batch)
{
    if (!session->is_ahead)
        return;
    session->is_ahead = false;
    pg_batch_add(batch, "ROLLBACK");
    shard_reset_add(session, batch); /* that was rolled back too */
}

ErrCode shard_reply_error(ShardSession *session, const PgReply *reply)
{
    Error *err = &session->error;
    *err = *reply->error;
    bool stopped = !reply->lost && strcmp(err->sqlstate, "57014") == 0;
    if (stopped && session->cancelled)
        err_set(err, ERR_INTERRUPTED, "interrupted; the transaction was rolled back");
    else if (stopped && reply->timed_out)
        err_set(err, ERR_TIMEOUT, "not done before its deadline; the transaction was rolled back");
    else
        shard_watch_explain(session, reply);
    return err->code;
}

static const char *write_query(Arena *arena, const char *version_table, const char *query)
{
    AUTO_STR Str out = {0};
    for (const char *at = query; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 's') {
            str_append(&out, version_table);
            at++;
        } else {
            str_append_char(&out, *at);
        }
    }
    return arena_strndup(arena, str_text(&out), out.length);
}

const char *shard_query(ShardSession *session, const char *query)
{
    for (size_t i = 0; i < session->query_count; i++) {
        if (session->query_forms[i] == query)
            return session->query_texts[i];
    }
    if (session->query_count == SHARD_QUERIES_KEPT)
        return write_query(session->arena, session->version_table, query);
    session->query_forms[session->query_count] = query;
    session->query_texts[session->query_count] =
        write_query(session->own, session->version_table, query);
    return session->query_texts[session->query_count++];
}

const char *shard_query_of(const ShardSession *session, const char *version_table,
                           const char *query)
{
    return write_query(session->arena, version_table, query);
}

bool shard_rows_parse(ShardSession *session, const char *text, StrList *out)
{
    if (!pg_array_parse(session->arena, text, out))
        return false;
    strlist_sort(out);
    return true;
}

const char *shard_uuid_param(ShardSession *session, const Uuid *uuid)
{
    if (uuid_is_nil(uuid))
        return NULL;
    char text[UUID_TEXT_SIZE];
    uuid_format(uuid, text);
    return arena_strdup(session->arena, text);
}

const char *shard_u64_param(ShardSession *session, uint64_t number)
{
    return arena_printf(session->arena, "%lld", (long long)number);
}

const char *shard_ms_param(ShardSession *session, uint64_t ms)
{
    return arena_printf(session->arena, "%llums", (unsigned long long)ms);
}

const char *shard_schema(const ShardSession *session)
{
    return session->target.schema;
}

const char *shard_text_or_null(const char *text)
{
    return text == NULL || *text == '\0' ? NULL : text;
}

static void set_version_schema(ShardSession *session, const char *schema)
{
    if (session->version_schema != NULL && strcmp(session->version_schema, schema) == 0)
        return;
    session->version_schema = arena_strdup(session->own, schema);
    const char *quoted = pg_identifier(session->conn, session->own, schema);
    session->version_table =
        arena_printf(session->own, "%s.alembic_version", quoted == NULL ? "\"\"" : quoted);
    session->query_count = 0;
}

/* --- history ---------------------------------------------------------------------------------- */

static bool operation_parse(const char *hex, OperationId *out)
{
    return hex_decode(hex, out->bytes, sizeof out->bytes);
}

static const char *copy_text(ShardSession *session, const PgResult *result, size_t row, int column)
{
    return arena_strdup(session->arena, pg_text(result, row, column));
}

static HistoryEntry history_entry(ShardSession *session, const PgResult *result, size_t row)
{
    HistoryEntry entry = {
        .seq = pg_i64(result, row, 0),
        .rollout = copy_text(session, result, row, 2),
        .generation = (uint32_t)pg_u64(result, row, 3),
        .attempt = (uint32_t)pg_u64(result, row, 4),
        .revision = copy_text(session, result, row, 5),
        .direction = copy_text(session, result, row, 6),
        .who = copy_text(session, result, row, 9),
        .outcome = copy_text(session, result, row, 10),
        .sqlstate = copy_text(session, result, row, 11),
        .message = copy_text(session, result, row, 12),
        .started_unix_ms = pg_u64(result, row, 13),
        .finished_unix_ms = pg_u64(result, row, 14),
        .facts = pg_columns(result) > 15 ? copy_text(session, result, row, 15) : "",
    };
    entry.has_operation = operation_parse(pg_text(result, row, 1), &entry.operation);
    /* Our own table: an array that does not parse stays empty and matches nothing. */
    (void)shard_rows_parse(session, pg_text(result, row, 7), &entry.rows_before);
    (void)shard_rows_parse(session, pg_text(result, row, 8), &entry.rows_after);
    return entry;
}

void shard_history_read(ShardSession *session, const PgResult *result, const HistoryEntry **ret,
                        size_t *ret_count)
{
    size_t count = pg_rows(result);
    HistoryEntry *entries = ARENA_ARRAY(session->arena, HistoryEntry, count + 1);
    for (size_t row = 0; row < count; row++)
        entries[row] = history_entry(session, result, row);
    *ret = entries;
    *ret_count = count;
}

/* --- identity and ledger ---------------------------------------------------------------------- */

void shard_look_add(ShardSession *session, PgBatch *batch, const char *schema_like, bool with_size,
                    uint32_t lock_timeout_ms)
{
    uint32_t lock_ms = lock_timeout_ms == 0 ? LOCK_TIMEOUT_DEFAULT_MS : lock_timeout_ms;
    const char *lock = shard_ms_param(session, lock_ms);
    pg_batch_add_params(batch, shard_sql_enter, 1, &lock);
    const char *schema = shard_schema(session);
    const char *identity[] = {shard_text_or_null(schema), with_size ? "t" : "f"};
    pg_batch_add_params(batch, shard_sql_identity, 2, identity);
    const char *relations[] = {schema, schema_like};
    if (schema_like == NULL)
        pg_batch_add_params(batch, shard_sql_quick_relations, 1, relations);
    else
        pg_batch_add_params(batch, shard_sql_quick_relations_like, 2, relations);
}

typedef ShardRelation RelationReader(ShardSession *session, const PgResult *result, size_t row);

static void read_relations(ShardSession *session, const PgResult *relations, RelationReader *reader,
                           ShardLook *look)
{
    look->relation_count = pg_rows(relations);
    look->relations = ARENA_ARRAY(session->arena, ShardRelation, look->relation_count + 1);
    const char *own = shard_schema(session);
    for (size_t row = 0; row < look->relation_count; row++) {
        ShardRelation *relation = &look->relations[row];
        *relation = reader(session, relations, row);
        look->suspect = look->suspect || relation->suspect;
        /* Rows of a whole database come in the order of its search path. */
        bool is_version = strcmp(relation->name, "alembic_version") == 0;
        bool is_own = *own == '\0' ? row == 0 : strcmp(relation->schema, own) == 0;
        if (look->version == NULL && is_version && is_own)
            look->version = relation;
    }
}

void shard_look_exactly_add(ShardSession *session, PgBatch *batch, const char *schema_like)
{
    const char *params[] = {shard_schema(session), schema_like};
    pg_batch_add_params(batch, shard_sql_relations, 2, params);
    pg_batch_add(batch, shard_sql_ledger);
}

void shard_look_exactly_read(ShardSession *session, const PgResult *results, ShardLook *look)
{
    look->version = NULL;
    look->suspect = false;
    read_relations(session, &results[0], shard_relation_read, look);
    look->ledger_verdict = copy_text(session, &results[1], 0, 0);
}

/* The first 8 digits of a WAL file's name; 0 on a standby. */
static uint32_t timeline_of(const char *walfile)
{
    char digits[9];
    snprintf(digits, sizeof digits, "%.8s", walfile);
    return (uint32_t)strtoul(digits, NULL, 16);
}

/* Schema pgtide belongs to the bootstrap superuser (10) or to us, and nobody else was given
 * anything in it. Whatever else is found is looked at exactly. */
static bool ledger_is_suspect(ShardSession *session, const PgResult *identity)
{
    if (!pg_bool(identity, 0, 10))
        return false;
    uint64_t owner = pg_u64(identity, 0, 11);
    const char *name = pg_text(identity, 0, 12);
    const char *own_only = arena_printf(session->arena, "{%s=UC/%s}", name, name);
    bool ours = owner == 10 || owner == pg_u64(identity, 0, 14);
    return !ours ||
           (!pg_is_null(identity, 0, 13) && strcmp(pg_text(identity, 0, 13), own_only) != 0);
}

void shard_look_read(ShardSession *session, const PgResult *results, ShardLook *look)
{
    const PgResult *identity = &results[1];
    const char *own = shard_schema(session);
    *look = (ShardLook){
        .system_identifier = pg_u64(identity, 0, 0),
        .database_oid = (uint32_t)pg_u64(identity, 0, 1),
        .database = copy_text(session, identity, 0, 2),
        .backend_pid = (int)pg_i64(identity, 0, 3),
        .in_recovery = pg_bool(identity, 0, 5),
        .timeline = timeline_of(pg_text(identity, 0, 6)),
        .has_schema = *own == '\0' || !pg_is_null(identity, 0, 7),
        .schema_oid = (uint32_t)pg_u64(identity, 0, 7),
        .home = *own == '\0' ? copy_text(session, identity, 0, 8) : own,
        .has_ledger = pg_bool(identity, 0, 10),
        .ledger_verdict = "",
        .suspect = ledger_is_suspect(session, identity),
        .size_bytes = pg_u64(identity, 0, 15),
    };
    snprintf(session->backend.start, sizeof session->backend.start, "%s", pg_text(identity, 0, 4));
    session->path = arena_strdup(session->own, pg_text(identity, 0, 9));
    session->role_oid = (uint32_t)pg_u64(identity, 0, 14);
    session->system_identifier = look->system_identifier;
    session->database_owner_oid = (uint32_t)pg_u64(identity, 0, 16);
    read_relations(session, &results[2], shard_quick_relation_read, look);
    set_version_schema(session, look->version != NULL ? look->version->schema : look->home);
}

ErrCode shard_look_check_relation(ShardSession *session, const ShardRelation *relation)
{
    if (relation->verdict[0] == '\0')
        return ERR_OK;
    return err_set(&session->error, ERR_UNTRUSTED_LEDGER, "%s.%s %s", relation->schema,
                   relation->name, relation->verdict);
}

ErrCode shard_look_check_ledger(ShardSession *session, const ShardLook *look)
{
    if (look->has_ledger && look->ledger_verdict[0] != '\0')
        return err_set(&session->error, ERR_UNTRUSTED_LEDGER, "schema pgtide %s",
                       look->ledger_verdict);
    size_t found = 0;
    for (size_t i = 0; i < look->relation_count; i++) {
        const ShardRelation *relation = &look->relations[i];
        bool ours = strcmp(relation->schema, "pgtide") == 0;
        if (!ours && relation != look->version)
            continue;
        found += ours;
        ErrCode code = shard_look_check_relation(session, relation);
        if (code != ERR_OK)
            return code;
    }
    if (look->has_ledger && found != 4)
        return err_set(&session->error, ERR_UNTRUSTED_LEDGER,
                       "schema pgtide does not hold the tables of pgtide");
    return ERR_OK;
}
