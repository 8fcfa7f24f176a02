/*
 * The script keeps what it learns in psql's variables (pgtide_...), which no statement of an
 * author's can reach, and hands them to the server's settings at the beginning of each transaction,
 * where DO can read them.
 */
#include "offline_script.h"

#include "offline_text.h"
#include "shard_lock.h"
#include "shard_queries.h"
#include "shard_script.h"
#include "shard_sql.h"

#include "digest.h"

#include <string.h>

#define ROWS_QUERY                                                                                 \
    "SELECT ARRAY(SELECT version_num::text FROM ONLY %s ORDER BY version_num COLLATE \"C\")"

typedef struct Writer {
    Arena *arena;
    const OfflineArgs *args;
    Str *out;
    const char *schema; /* a literal */
} Writer;

/* What is recorded of one step. */
typedef struct Record {
    const char *revision; /* NULL: a stamp */
    const char *direction;
    const Script *script;
    const char *rows_before; /* an expression */
    const StrList *rows_after;
    const char *message; /* NULL = none */
} Record;

/* --- checks ----------------------------------------------------------------------------------- */

/* What \if leaves out psql still reads as SQL, and rows are none. */
static ErrCode rows_check(const Script *script, Error *err)
{
    const StatementList *lists[] = {&script->upgrade.statements, &script->verify.statements};
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < lists[i]->count; j++) {
            if (lists[i]->items[j].copy_data == NULL)
                continue;
            err_set(err, ERR_SCRIPT, "a script can't leave out a repeatable revision with rows");
            err_hint(err, "Write them as INSERT statements, or run it without --sql.");
            statement_place_error(err, script->file, &lists[i]->items[j], 0);
            return ERR_SCRIPT;
        }
    }
    return ERR_OK;
}

ErrCode offline_check(const OfflineArgs *args, Error *err)
{
    ErrCode code = ERR_OK;
    for (size_t i = 0; i < args->step_count && code == ERR_OK; i++)
        code = shard_step_check(args->steps[i].script, args->steps[i].direction, true, err);
    for (size_t i = 0; i < args->repeatable_count && code == ERR_OK; i++) {
        code = shard_step_check(args->repeatables[i], DIRECTION_UPGRADE, true, err);
        if (code == ERR_OK)
            code = rows_check(args->repeatables[i], err);
    }
    return code;
}

/* --- small parts ------------------------------------------------------------------------------ */

static void line(Writer *writer, const char *text)
{
    str_append(writer->out, text);
    str_append_char(writer->out, '\n');
}

static const char *query(Writer *writer, const char *sql, const char *const *params, size_t count)
{
    return offline_query(writer->arena, sql, params, count);
}

/* A query whose answer is kept and not shown. */
static void ask(Writer *writer, const char *sql)
{
    str_printf(writer->out, "%s \\gset pgtide_\n", sql);
}

static const char *milliseconds(Writer *writer, uint64_t ms)
{
    return arena_printf(writer->arena, "'%llums'", (unsigned long long)ms);
}

static const char *lock_timeout(Writer *writer, const Script *script)
{
    bool own = script != NULL && script->lock_timeout_ms >= 0;
    return milliseconds(writer,
                        own ? (uint64_t)script->lock_timeout_ms : writer->args->lock_timeout_ms);
}

static const char *statement_timeout(Writer *writer, const Script *script)
{
    bool own = script->statement_timeout_ms >= 0;
    return milliseconds(writer, own ? (uint64_t)script->statement_timeout_ms : 0);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static void write_head(Writer *writer)
{
    const OfflineArgs *args = writer->args;
    str_printf(writer->out,
               "-- pgtide " PGTIDE_VERSION ": %s, written for %s\n"
               "-- Run it with: psql -X -v ON_ERROR_STOP=1 -f FILE\n",
               offline_remark(writer->arena, args->title),
               offline_remark(writer->arena, args->who));
    line(writer, "\\set ON_ERROR_STOP on\n"
                 "\\set ON_ERROR_ROLLBACK off\n"
                 "\\set AUTOCOMMIT on\n"
                 "\\encoding UTF8\n");
}

/* Where the version table is, or would be made. */
static const char *version_schema(Writer *writer)
{
    if (writer->args->schema[0] != '\0')
        return writer->schema;
    return "coalesce((SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n"
           " ON n.oid = c.relnamespace WHERE c.relname = 'alembic_version'"
           " AND n.nspname = ANY (current_setting('pgtide.schemas')::name[])"
           " ORDER BY array_position(current_setting('pgtide.schemas')::name[], n.nspname) LIMIT "
           "1),"
           " (current_setting('pgtide.schemas')::name[])[1]::text, '')";
}

/* Stops, before anything is written, unless the shard is one that the run would go on with. */
static void write_look(Writer *writer)
{
    Arena *arena = writer->arena;
    ShardLockKey key = shard_lock_key(writer->args->schema);
    const char *params[] = {writer->schema, "NULL"};
    AUTO_STR Str body = {0};
    str_printf(&body,
               "DECLARE\n"
               "    home text := current_setting('pgtide.version_schema');\n"
               "    relation record;\n"
               "    shard_rows text[] := '{}';\n"
               "BEGIN\n"
               "    IF NOT pg_try_advisory_lock(%d, %d) THEN\n"
               "        RAISE EXCEPTION 'pgtide: another run is at work on this shard'\n"
               "            USING HINT = 'Wait for it to end, and run the script again.';\n"
               "    END IF;\n"
               "    IF home = '' OR to_regnamespace(quote_ident(home)) IS NULL THEN\n"
               "        RAISE EXCEPTION 'pgtide: there is no schema \"%%\" for the version table',"
               " home;\n"
               "    END IF;\n"
               "    FOR relation IN SELECT * FROM (%s)\n"
               "        AS r (schema_name, name, schema_oid, readable, width, problem)\n"
               "        WHERE problem IS NOT NULL LOOP\n"
               "        RAISE EXCEPTION 'pgtide: %%.%% %%', relation.schema_name, relation.name,"
               " relation.problem\n"
               "            USING HINT = 'Run the script as the role that owns it.';\n"
               "    END LOOP;\n"
               "    FOR relation IN SELECT * FROM (%s) AS r (problem) WHERE problem IS NOT NULL"
               " LOOP\n"
               "        RAISE EXCEPTION 'pgtide: schema pgtide %%', relation.problem\n"
               "            USING HINT = 'Run the script as the role that owns it.';\n"
               "    END LOOP;\n",
               key.class, key.object, query(writer, shard_sql_relations, params, 2),
               shard_sql_ledger);
    if (writer->args->rows_before != NULL)
        str_printf(
            &body,
            "    IF to_regclass(format('%%I.alembic_version', home)) IS NOT NULL THEN\n"
            "        EXECUTE format('" ROWS_QUERY "',\n"
            "            format('%%I.alembic_version', home)) INTO shard_rows;\n"
            "    END IF;\n"
            "    IF shard_rows IS DISTINCT FROM %s THEN\n"
            "        RAISE EXCEPTION 'pgtide: the shard is at %%, this script begins at %%',"
            "\n"
            "            coalesce(nullif(array_to_string(shard_rows, ', '), ''), 'base'),"
            " %s\n"
            "            USING HINT = 'Nothing was changed. Write the script again for the"
            " rows that the shard has.';\n"
            "    END IF;\n",
            "%s", offline_array(arena, writer->args->rows_before),
            offline_literal(arena, writer->args->rows_before->count == 0
                                       ? "base"
                                       : strlist_join(arena, writer->args->rows_before, ", ")));
    str_append(&body, "END");
    offline_do(writer->out, str_text(&body));
}

static size_t id_width(const Writer *writer)
{
    const OfflineArgs *args = writer->args;
    size_t width = 0;
    for (size_t i = 0; i <= args->step_count; i++) {
        const StrList *rows = i < args->step_count ? &args->steps[i].rows_after : &args->rows_after;
        for (size_t j = 0; j < rows->count; j++)
            width = strlen(rows->items[j]) > width ? strlen(rows->items[j]) : width;
    }
    return width;
}

/* What psql's variables need to be told of the server. */
static void write_learn(Writer *writer)
{
    const OfflineArgs *args = writer->args;
    AUTO_STR Str path = {0};
    if (args->schema[0] != '\0') {
        str_printf(&path, "%s, ", offline_identifier(writer->arena, args->schema));
        for (size_t i = 0; i < args->shared_schemas.count; i++)
            str_printf(&path, "%s, ",
                       offline_identifier(writer->arena, args->shared_schemas.items[i]));
        str_append(&path, "pg_temp");
    }
    const char *author_path =
        args->schema[0] != '\0'
            ? offline_literal(writer->arena, str_text(&path))
            : "CASE WHEN strpos(current_setting('pgtide.path'), 'pg_temp') > 0 THEN"
              " current_setting('pgtide.path') WHEN btrim(current_setting('pgtide.path')) = '' THEN"
              " 'pg_temp' ELSE current_setting('pgtide.path') || ', pg_temp' END";
    ask(writer,
        arena_printf(
            writer->arena,
            "SELECT format('%%I.alembic_version', v.home) AS version, %s AS author_path,"
            " pg_backend_pid() AS pid, to_regnamespace('pgtide') IS NULL AS creates_ledger,"
            " to_regclass(format('%%I.alembic_version', v.home)) IS NULL AS creates_version,"
            " EXISTS (SELECT FROM pg_attribute a WHERE a.attname = 'version_num'"
            " AND a.attrelid = to_regclass(format('%%I.alembic_version', v.home))"
            " AND a.atttypmod - 4 BETWEEN 1 AND %zu) AS widens"
            " FROM (SELECT current_setting('pgtide.version_schema') AS home) v",
            author_path, id_width(writer) == 0 ? (size_t)0 : id_width(writer) - 1));
}

static void write_row(Writer *writer)
{
    const char *params[] = {
        writer->schema,
        "NULL",
        "NULL",
        "0",
        "(SELECT system_identifier FROM pg_control_system())",
        "(SELECT oid FROM pg_database WHERE datname = current_database())",
        writer->args->schema[0] == '\0'
            ? "0"
            : arena_printf(writer->arena, "to_regnamespace(quote_ident(%s))::oid", writer->schema),
        "false",
        writer->args->unmanaged_reason != NULL ? "true" : "false",
    };
    offline_do(
        writer->out,
        arena_printf(
            writer->arena,
            "DECLARE\n"
            "    claimed_fence bigint;\n"
            "    claimed_new boolean;\n"
            "BEGIN\n"
            "    %s\n"
            "        INTO claimed_fence, claimed_new;\n"
            "    IF NOT FOUND THEN\n"
            "        RAISE EXCEPTION 'pgtide: this shard is a fleet''s, or was adopted at another "
            "server, database or schema'\n"
            "            USING HINT = '`pgtide current --verbose` says which. A fleet''s shard"
            " takes a script written with --unmanaged REASON.';\n"
            "    END IF;\n"
            "    IF (SELECT max(format) FROM pgtide.meta) NOT IN (1, 2) THEN\n"
            "        RAISE EXCEPTION 'pgtide: the bookkeeping has another format than this script "
            "knows';\n"
            "    END IF;\n"
            "END",
            query(writer, shard_sql_claim_adopt, params, 9)));
}

/* The same as a claim: bookkeeping and version table are made where they are missing, a move by
 * another tool is noted. */
static void write_claim(Writer *writer)
{
    Arena *arena = writer->arena;
    const char *lock = lock_timeout(writer, NULL);
    const char *who = offline_literal(arena, writer->args->who);
    line(writer, "-- the bookkeeping\nBEGIN ISOLATION LEVEL READ COMMITTED;");
    ask(writer, query(writer, shard_sql_enter, &lock, 1));
    ask(writer,
        arena_printf(arena, "SELECT pg_catalog.set_config('pgtide.version_schema', %s, true)",
                     version_schema(writer)));
    write_look(writer);
    write_learn(writer);
    line(writer, "\\if :pgtide_creates_ledger");
    str_append(writer->out, shard_sql);
    line(writer, "\\endif");
    write_row(writer);
    str_printf(writer->out, "\\if :pgtide_creates_version\n%s;\n\\endif\n",
               query(writer, shard_sql_create_version, NULL, 0));
    str_printf(writer->out, "\\if :pgtide_widens\n%s;\n\\endif\n",
               query(writer, shard_sql_widen, NULL, 0));
    const char *noted[] = {writer->schema, who, "NULL"};
    ask(writer, arena_printf(arena, "WITH noted AS (%s) SELECT count(*) AS moved FROM noted",
                             query(writer, shard_sql_note_outside, noted, 3)));
    if (writer->args->unmanaged_reason != NULL) {
        const char *params[] = {writer->schema, who,
                                offline_literal(arena, writer->args->unmanaged_reason)};
        str_printf(writer->out, "%s;\n", query(writer, shard_sql_note_unmanaged, params, 3));
    }
    ask(writer, arena_printf(arena,
                             "SELECT fence, epoch, coalesce(fleet_id::text, '') AS fleet"
                             " FROM pgtide.shard WHERE schema_name = %s",
                             writer->schema));
    line(writer, "COMMIT;");
}

/* --- one transaction -------------------------------------------------------------------------- */

static void hand_over(Writer *writer)
{
    static const char *const names[] = {"version", "pid", "fence", "epoch", "fleet", "operation"};
    AUTO_STR Str sql = {0};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        str_printf(&sql, "%s pg_catalog.set_config('pgtide.%s', :'pgtide_%s', true)",
                   i == 0 ? "SELECT" : ",", names[i], names[i]);
    ask(writer, str_text(&sql));
}

static void append_rows_check(Writer *writer, Str *body, const StrList *rows, const char *message,
                              const char *hint)
{
    str_printf(body,
               "    EXECUTE format('" ROWS_QUERY "',\n"
               "        current_setting('pgtide.version')) INTO shard_rows;\n"
               "    IF shard_rows IS DISTINCT FROM %s THEN\n"
               "        RAISE EXCEPTION 'pgtide: %s',\n"
               "            coalesce(nullif(array_to_string(shard_rows, ', '), ''), 'base')\n"
               "            USING HINT = '%s';\n"
               "    END IF;\n",
               "%s", offline_array(writer->arena, rows), message, hint);
}

/* Locks the version table, takes the fence and makes sure of the rows; NULL: at any. */
static void begin_transaction(Writer *writer, const StrList *rows)
{
    const char *lock = lock_timeout(writer, NULL);
    line(writer, "BEGIN ISOLATION LEVEL READ COMMITTED;");
    ask(writer, query(writer, shard_sql_enter_step, &lock, 1));
    hand_over(writer);
    line(writer, "LOCK TABLE :pgtide_version IN SHARE ROW EXCLUSIVE MODE;");
    const char *params[] = {
        writer->schema,
        "current_setting('pgtide.operation')",
        "current_setting('pgtide.fence')",
        "current_setting('pgtide.epoch')",
        "nullif(current_setting('pgtide.fleet'), '')",
    };
    AUTO_STR Str body = {0};
    str_printf(&body,
               "DECLARE\n"
               "    shard_rows text[];\n"
               "BEGIN\n"
               "    %s;\n"
               "    IF NOT FOUND OR pg_backend_pid()::text <> current_setting('pgtide.pid') THEN\n"
               "        RAISE EXCEPTION 'pgtide: somebody else has claimed the shard since, or the "
               "connection is another one now'\n"
               "            USING HINT = 'Look with `pgtide current`, and connect without a "
               "pooler.';\n"
               "    END IF;\n",
               query(writer, shard_sql_fence, params, 5));
    if (rows != NULL)
        append_rows_check(writer, &body, rows,
                          "the shard is at %, which is not where this step begins",
                          "Nothing was changed by this step. Write the script again for the rows "
                          "that the shard has.");
    str_append(&body, "END");
    offline_do(writer->out, str_text(&body));
    ask(writer, "SELECT pg_current_xact_id() AS transaction");
}

static void write_version_rows(Writer *writer, const StrList *before, const StrList *after)
{
    Arena *arena = writer->arena;
    StrList gone = {0};
    StrList come = {0};
    for (size_t i = 0; i < before->count; i++) {
        if (!strlist_has(after, before->items[i]))
            strlist_add(arena, &gone, before->items[i]);
    }
    for (size_t i = 0; i < after->count; i++) {
        if (!strlist_has(before, after->items[i]))
            strlist_add(arena, &come, after->items[i]);
    }
    if (gone.count == 1 && come.count == 1) {
        const char *params[] = {offline_literal(arena, gone.items[0]),
                                offline_literal(arena, come.items[0])};
        str_printf(writer->out, "%s;\n", query(writer, shard_sql_version_update, params, 2));
        return;
    }
    const char *params[] = {offline_array(arena, &gone)};
    if (gone.count > 0)
        str_printf(writer->out, "%s;\n", query(writer, shard_sql_version_delete, params, 1));
    params[0] = offline_array(arena, &come);
    if (come.count > 0)
        str_printf(writer->out, "%s;\n", query(writer, shard_sql_version_insert, params, 1));
}

static void write_history(Writer *writer, const Record *record)
{
    Arena *arena = writer->arena;
    const Script *script = record->script;
    char digest[DIGEST_HEX_SIZE] = "";
    if (script != NULL)
        digest_hex(&script->source_sha256, digest);
    const char *params[] = {
        writer->schema,
        ":'pgtide_operation'",
        "NULL",
        "0",
        script == NULL ? "0" : "1",
        offline_literal(arena, record->revision),
        offline_literal(arena, record->direction),
        record->rows_before,
        offline_array(arena, record->rows_after),
        script == NULL ? "NULL" : offline_literal(arena, digest),
        offline_literal(arena, script == NULL ? NULL : script->token_digest),
        offline_literal(arena, writer->args->who),
        offline_literal(arena, record->message),
    };
    str_printf(writer->out, "%s;\n", query(writer, shard_sql_history_insert, params, 13));
}

/* Makes sure once more, and commits. */
static void end_transaction(Writer *writer, const StrList *rows_after)
{
    hand_over(writer);
    ask(writer, "SELECT pg_catalog.set_config('pgtide.transaction', :'pgtide_transaction', true)");
    line(writer, "SET CONSTRAINTS ALL IMMEDIATE;");
    AUTO_STR Str body = {0};
    str_printf(
        &body,
        "DECLARE\n"
        "    shard_rows text[];\n"
        "BEGIN\n"
        "    IF pg_current_xact_id()::text <> current_setting('pgtide.transaction')\n"
        "        OR NOT EXISTS (SELECT FROM pgtide.shard WHERE schema_name = %s\n"
        "            AND fence = current_setting('pgtide.fence')::bigint\n"
        "            AND last_operation = decode(current_setting('pgtide.operation'), 'hex'))"
        " THEN\n"
        "        RAISE EXCEPTION 'pgtide: the revision left its transaction or wrote to "
        "schema pgtide itself';\n"
        "    END IF;\n",
        writer->schema);
    append_rows_check(writer, &body, rows_after,
                      "the version rows are % at the end, which is not where this step leads",
                      "Remove what writes alembic_version from the revision.");
    str_append(&body, "END");
    offline_do(writer->out, str_text(&body));
    line(writer, "COMMIT;");
}

/* --- steps ------------------------------------------------------------------------------------ */

static void enter_author(Writer *writer, const Script *script, bool local)
{
    const char *params[] = {":'pgtide_author_path'", lock_timeout(writer, script),
                            statement_timeout(writer, script)};
    if (local) {
        ask(writer, query(writer, shard_sql_enter_author, params, 3));
        return;
    }
    ask(writer, arena_printf(writer->arena,
                             "SELECT pg_catalog.set_config('search_path', %s, false),"
                             " pg_catalog.set_config('lock_timeout', %s, false),"
                             " pg_catalog.set_config('statement_timeout', %s, false)",
                             params[0], params[1], params[2]));
}

static void leave_author(Writer *writer)
{
    line(writer, "RESET SESSION AUTHORIZATION;\nRESET ROLE;");
    ask(writer, shard_sql_leave_author);
}

static void write_statements(Writer *writer, const StatementList *list)
{
    for (size_t i = 0; i < list->count; i++)
        offline_statement(writer->arena, &list->items[i], writer->out);
}

static void new_operation(Writer *writer)
{
    ask(writer, "SELECT pg_catalog.replace(pg_catalog.gen_random_uuid()::pg_catalog.text, '-', '')"
                " AS operation");
}

static void write_transactional(Writer *writer, const GraphStep *step, const StatementList *author)
{
    const Script *script = step->script;
    begin_transaction(writer, &step->rows_before);
    enter_author(writer, script, true);
    write_statements(writer, author);
    line(writer, "SET CONSTRAINTS ALL IMMEDIATE;");
    if (step->direction == DIRECTION_UPGRADE && script->when_fingerprint == NULL &&
        script->verify.statements.count > 0) {
        line(writer, "SAVEPOINT pgtide_verify;");
        offline_verify(writer->arena, script, writer->out);
        line(writer, "ROLLBACK TO SAVEPOINT pgtide_verify;");
    }
    leave_author(writer);
}

/* CONCURRENTLY waits for whatever is old: no lock timeout ends that wait, which would leave
 * debris. */
static void write_outside(Writer *writer, const StatementList *list)
{
    for (size_t i = 0; i < list->count; i++) {
        bool concurrent = statement_is_concurrent(&list->items[i]);
        if (concurrent)
            ask(writer, "SELECT pg_catalog.current_setting('lock_timeout') AS lock_timeout,"
                        " pg_catalog.set_config('lock_timeout', '0', false)");
        if (list->items[i].batch != NULL)
            offline_batch(writer->arena, &list->items[i], writer->out);
        else
            offline_statement(writer->arena, &list->items[i], writer->out);
        if (concurrent)
            ask(writer,
                "SELECT pg_catalog.set_config('lock_timeout', :'pgtide_lock_timeout', false)");
    }
}

static void write_units(Writer *writer, const GraphStep *step, const StatementList *author)
{
    const Script *script = step->script;
    begin_transaction(writer, &step->rows_before);
    line(writer, "COMMIT;");
    enter_author(writer, script, false);
    write_outside(writer, author);
    line(writer, "RESET SESSION AUTHORIZATION;\nRESET ROLE;\nRESET ALL;\n\\encoding UTF8");
    if (step->direction == DIRECTION_UPGRADE && script->verify.statements.count > 0) {
        line(writer, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;");
        enter_author(writer, script, true);
        line(writer, "SAVEPOINT pgtide_verify;");
        offline_verify(writer->arena, script, writer->out);
        line(writer, "ROLLBACK TO SAVEPOINT pgtide_verify;\nROLLBACK;");
    }
    begin_transaction(writer, &step->rows_before);
}

bool offline_leaves_out(const GraphStep *step)
{
    return step->script->when_fingerprint != NULL && step->direction == DIRECTION_UPGRADE;
}

static void write_step(Writer *writer, const GraphStep *step)
{
    static const StatementList none;
    const Script *script = step->script;
    const StatementList *author = step->direction == DIRECTION_UPGRADE
                                      ? &script->upgrade.statements
                                      : &script->downgrade.statements;
    const char *message = writer->args->message;
    if (offline_leaves_out(step)) {
        str_printf(writer->out, "-- Not run by this script: it is for shards whose schema is %s.\n",
                   script->when_fingerprint);
        message = arena_printf(writer->arena,
                               "not run by this script, which can't know whether the "
                               "schema is %s",
                               script->when_fingerprint);
        author = &none;
    }
    new_operation(writer);
    if (script->transactional)
        write_transactional(writer, step, author);
    else
        write_units(writer, step, author);
    write_version_rows(writer, &step->rows_before, &step->rows_after);
    Record record = {
        .revision = step->revision,
        .direction = direction_name(step->direction),
        .script = script,
        .rows_before = offline_array(writer->arena, &step->rows_before),
        .rows_after = &step->rows_after,
        .message = message,
    };
    write_history(writer, &record);
    end_transaction(writer, &step->rows_after);
}

/* Runs when it has never run as it is now. */
static void write_repeatable(Writer *writer, const Script *script)
{
    str_printf(writer->out, "\n-- %s (%s), if it is new or has changed\n", script->id,
               offline_remark(writer->arena, script->file));
    ask(writer,
        arena_printf(writer->arena,
                     "SELECT NOT EXISTS (SELECT FROM (SELECT token_digest FROM pgtide.history"
                     " WHERE schema_name OPERATOR(pg_catalog.=) %s"
                     " AND revision OPERATOR(pg_catalog.=) %s"
                     " AND outcome OPERATOR(pg_catalog.=) 'succeeded'"
                     " AND direction OPERATOR(pg_catalog.=) 'upgrade' ORDER BY seq DESC LIMIT 1) h"
                     " WHERE h.token_digest OPERATOR(pg_catalog.=) %s) AS due",
                     writer->schema, offline_literal(writer->arena, script->id),
                     offline_literal(writer->arena, script->token_digest)));
    line(writer, "\\if :pgtide_due");
    GraphStep step = {
        .revision = script->id,
        .script = script,
        .direction = DIRECTION_UPGRADE,
        .rows_before = writer->args->rows_after,
        .rows_after = writer->args->rows_after,
    };
    write_step(writer, &step);
    line(writer, "\\endif");
}

/* From known rows to others. */
static void write_stamp(Writer *writer)
{
    const OfflineArgs *args = writer->args;
    Record record = {
        .direction = "stamp",
        .rows_before = offline_array(writer->arena, args->rows_before),
        .rows_after = args->stamp,
        .message = args->message,
    };
    new_operation(writer);
    begin_transaction(writer, args->rows_before);
    write_version_rows(writer, args->rows_before, args->stamp);
    write_history(writer, &record);
    end_transaction(writer, args->stamp);
}

/* From whatever rows there are. */
static void write_purge(Writer *writer)
{
    Arena *arena = writer->arena;
    const StrList *stamp = writer->args->stamp;
    const char *rows = query(writer, shard_sql_rows, NULL, 0);
    Record record = {.direction = "stamp",
                     .rows_before = ":'pgtide_rows'",
                     .rows_after = stamp,
                     .message = writer->args->message};
    ask(writer, arena_printf(arena, "SELECT (%s) OPERATOR(pg_catalog.<>) %s AS moves", rows,
                             offline_array(arena, stamp)));
    line(writer, "\\if :pgtide_moves");
    new_operation(writer);
    begin_transaction(writer, NULL);
    ask(writer, arena_printf(arena, "SELECT (%s) AS rows", rows));
    line(writer, "DELETE FROM ONLY :pgtide_version;");
    write_version_rows(writer, &(StrList){0}, stamp);
    write_history(writer, &record);
    end_transaction(writer, stamp);
    line(writer, "\\endif");
}

void offline_write(Arena *arena, const OfflineArgs *args, Str *out)
{
    Writer writer = {
        .arena = arena,
        .args = args,
        .out = out,
        .schema = offline_literal(arena, args->schema),
    };
    write_head(&writer);
    write_claim(&writer);
    for (size_t i = 0; i < args->step_count; i++) {
        const GraphStep *step = &args->steps[i];
        str_printf(out, "\n-- %zu of %zu: %s %s (%s)\n", i + 1, args->step_count,
                   direction_name(step->direction), step->revision,
                   offline_remark(arena, step->script->file));
        write_step(&writer, step);
    }
    for (size_t i = 0; i < args->repeatable_count; i++)
        write_repeatable(&writer, args->repeatables[i]);
    if (args->stamp != NULL)
        str_append(out, "\n-- the version rows\n");
    if (args->stamp != NULL && args->rows_before == NULL)
        write_purge(&writer);
    else if (args->stamp != NULL && !strlist_equal(args->rows_before, args->stamp))
        write_stamp(&writer);
    ShardLockKey key = shard_lock_key(args->schema);
    ask(&writer, arena_printf(arena, "\nSELECT pg_catalog.pg_advisory_unlock(%d, %d)", key.class,
                              key.object));
}
