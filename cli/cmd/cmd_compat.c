#include "compat_tell.h"
#include "listing.h"
#include "named_limits.h"
#include "placeholder.h"
#include "revisions.h"
#include "run.h"
#include "schema_source.h"
#include "session.h"

#include <string.h>

enum { EXIT_USED = 3 };

/* The command at work. */
typedef struct Compat {
    CommandContext *context;
    Revisions revisions;
    TakenList taken;
    StrList own; /* fingerprints */
    uint64_t watch_ms;
    CompatReport report;
    CompatSample before;
    CompatSample now;
} Compat;

/* --- which revisions -------------------------------------------------------------------------- */

static ErrCode take(Compat *compat, const Script *script, Error *err)
{
    const Script *bound;
    Arena *arena = compat->context->arena;
    ErrCode code = script_bind(arena, script, &compat->revisions.assignments, &bound, err);
    return code == ERR_OK ? takes_read(arena, bound, &compat->taken, err) : code;
}

/* What the database has not run yet. */
static ErrCode take_pending(Compat *compat, Error *err)
{
    StrList rows;
    GraphSteps steps = {0};
    ErrCode code = listing_rows(compat->context, &rows, err);
    if (code == ERR_OK)
        code = graph_upgrade(compat->context->arena, compat->revisions.map, &rows, "heads", &steps,
                             err);
    for (size_t i = 0; code == ERR_OK && i < steps.count; i++)
        code = take(compat, steps.items[i].script, err);
    if (code == ERR_OK && steps.count == 0)
        note(compat->context, "the database is at the heads: no revision is pending");
    return code;
}

static ErrCode take_named(Compat *compat, const char *wanted, Error *err)
{
    CommandContext *context = compat->context;
    const RevisionMap *map = compat->revisions.map;
    const Script **scripts;
    const StrList *rows = NULL;
    size_t count = 0;
    bool range = strchr(wanted, ':') != NULL;
    ErrCode code = range ? graph_range(context->arena, map, NULL, wanted, &scripts, &count, err)
                         : listing_find(context, map, wanted, &scripts, &count, &rows, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) /* newest first */
        code = take(compat, scripts[range ? count - 1 - i : i], err);
    return code;
}

static ErrCode take_all(Compat *compat, Error *err)
{
    const StrList *wanted = &compat->context->arguments;
    ErrCode code = ERR_OK;
    if (wanted->count == 0)
        return take_pending(compat, err);
    for (size_t i = 0; code == ERR_OK && i < wanted->count; i++)
        code = take_named(compat, wanted->items[i], err);
    return code;
}

static void add_own(Compat *compat, const StatementList *statements)
{
    Arena *arena = compat->context->arena;
    for (size_t i = 0; i < statements->count; i++) {
        const char *fingerprint = compat_fingerprint(arena, statements->items[i].text);
        if (fingerprint[0] != '\0')
            strlist_add(arena, &compat->own, fingerprint);
    }
}

/* Revisions that have run here before are no application. */
static void read_own(Compat *compat)
{
    const RevisionMap *map = compat->revisions.map;
    for (size_t i = 0; i < graph_count(map); i++) {
        const Script *script = graph_script_at(map, i);
        add_own(compat, &script->upgrade.statements);
        add_own(compat, &script->downgrade.statements);
        add_own(compat, &script->verify.statements);
    }
}

/* --- the database ----------------------------------------------------------------------------- */

/* One question's answer on its way out of its callback. */
typedef struct Answer {
    Arena *arena;
    CompatRows rows;
} Answer;

/* The last but one is what is asked; COMMIT comes behind. */
static void keep_rows(const PgReply *reply, void *data)
{
    Answer *answer = data;
    const PgResult *result = &reply->results[reply->count - 2];
    size_t columns = pg_columns(result);
    size_t rows = pg_rows(result);
    const char **values = ARENA_ARRAY(answer->arena, const char *, rows *columns + 1);
    for (size_t i = 0; i < rows * columns; i++) {
        if (!pg_is_null(result, i / columns, (int)(i % columns)))
            values[i] =
                arena_strdup(answer->arena, pg_text(result, i / columns, (int)(i % columns)));
    }
    answer->rows = (CompatRows){rows, columns, values};
}

static ErrCode ask(Compat *compat, Session *session, const char *sql, CompatRows *ret_rows,
                   Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    Answer answer = {.arena = compat->context->arena};
    PgBatch batch = pg_batch(arena);
    pg_batch_add(&batch, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY");
    pg_batch_add(&batch, compat_path_sql);
    pg_batch_add(&batch, sql);
    pg_batch_add(&batch, "COMMIT");
    ErrCode code = session_batch(session, &batch, keep_rows, &answer, err);
    if (code == ERR_OK)
        *ret_rows = answer.rows;
    return code;
}

static void keep_missing(const PgReply *reply, void *data)
{
    *(bool *)data = pg_rows(&reply->results[0]) == 0;
}

/* Where names that are not qualified are looked for, as steps on the shard have it. */
static ErrCode enter_schema(Compat *compat, Session *session, Error *err)
{
    CommandContext *context = compat->context;
    const char *schema = context_option(context, "schema");
    if (schema == NULL || schema[0] == '\0')
        return ERR_OK;
    StrList path = {0};
    StrList shared = context_options(context, "shared-schema");
    strlist_add(context->arena, &path, schema);
    for (size_t i = 0; i < shared.count; i++)
        strlist_add(context->arena, &path, shared.items[i]);
    if (shared.count == 0)
        strlist_add(context->arena, &path, "public");
    const char *names = pg_array_format(context->arena, &path);
    bool missing = false;
    PgBatch batch = pg_batch(context->arena);
    pg_batch_add_params(&batch, "SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1", 1,
                        &schema);
    pg_batch_add_params(&batch,
                        "SELECT pg_catalog.set_config('search_path', (SELECT"
                        " pg_catalog.string_agg(pg_catalog.quote_ident(n), ', ' ORDER BY o)"
                        " FROM pg_catalog.unnest($1::pg_catalog.text[]) WITH ORDINALITY u (n, o)),"
                        " false)",
                        1, &names);
    ErrCode code = session_batch(session, &batch, keep_missing, &missing, err);
    if (code == ERR_OK && missing)
        code = err_set(err, ERR_NOT_FOUND, "there is no schema \"%s\"", schema);
    return code;
}

static ErrCode sample(Compat *compat, Session *session, CompatSample *ret_sample, Error *err)
{
    CompatRows rows;
    ErrCode code = ask(compat, session, compat_statements_sql(&compat->report), &rows, err);
    return code == ERR_OK ? compat_sample_read(compat->context->arena, &rows, ret_sample, err)
                          : code;
}

static ErrCode look(Compat *compat, Wait *wait, Session *session, Error *err)
{
    CompatRows rows;
    ErrCode code = enter_schema(compat, session, err);
    if (code == ERR_OK)
        code = ask(compat, session, compat_objects_sql(&compat->report), &rows, err);
    if (code == ERR_OK)
        code = compat_read_objects(&compat->report, &rows, err);
    if (code != ERR_OK || compat->report.untold != NULL)
        return code;
    if (compat->watch_ms > 0) {
        code = sample(compat, session, &compat->before, err);
        if (code == ERR_OK)
            code = wait_pause(wait, compat->watch_ms, err);
    }
    if (code == ERR_OK)
        code = sample(compat, session, &compat->now, err);
    return code;
}

static ErrCode ask_database(Compat *compat, Error *err)
{
    CommandContext *context = compat->context;
    const PgKeyword *conninfo;
    size_t count;
    ErrCode code = schema_source_url(context, &conninfo, &count, err);
    if (code != ERR_OK)
        return code;
    Wait wait;
    Session *session = NULL;
    wait_open(&wait);
    code = session_open(&wait, conninfo, count, NULL, &session, err);
    if (code == ERR_OK)
        code = look(compat, &wait, session, err);
    session_close(session);
    wait_close(&wait);
    return code;
}

/* --- the command ------------------------------------------------------------------------------ */

static void tell(Compat *compat)
{
    CommandContext *context = compat->context;
    CompatReport *report = &compat->report;
    bool told = report->untold == NULL;
    StrList ignore = context_options(context, "ignore-user");
    const CompatJudgeArgs args = {.before = compat->watch_ms > 0 && told ? &compat->before : NULL,
                                  .now = told ? &compat->now : NULL,
                                  .ignore = &ignore,
                                  .own = &compat->own};
    read_own(compat);
    compat_judge(report, &args);
    if (compat_tell(context, report, compat->now.since, told ? compat->watch_ms : 0))
        context->exit_status = EXIT_USED;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Compat compat = {.context = context};
    ErrCode code = context_duration(context, "watch", 0, &compat.watch_ms, err);
    if (code == ERR_OK && compat.watch_ms > LIMIT_COMPAT_WATCH_MS)
        code = err_set(err, ERR_USAGE, "--watch: at most a day");
    if (code == ERR_OK)
        code = revisions_open(context, &compat.revisions, err);
    if (code == ERR_OK)
        code = take_all(&compat, err);
    if (code != ERR_OK)
        return code;
    compat.report = compat_report(context->arena, &compat.taken);
    if (takes_anything(&compat.taken))
        code = ask_database(&compat, err);
    else
        compat.report.untold = "nothing is taken away: the database was not asked";
    if (code == ERR_OK)
        tell(&compat);
    return code;
}

static const CommandOption options[] = {
    RUN_ONE_OPTIONS,
    {"watch", 0, "TIME", "tell only of statements that are called meanwhile"},
    {"ignore-user", 0, "ROLE", "statements of this role do not count (repeatable)"},
    REVISIONS_OPTION,
    {0},
};

const CliCommand cmd_compat = {
    .words = "compat",
    .arguments = "[REVISION|A:B ...]",
    .arguments_max = 64,
    .summary = "tell who in a database still uses what revisions take away",
    .details =
        "What the revisions (by default those that the database has not run) drop, rename or "
        "change the type of, and behind each who uses it: views, functions, triggers, policies, "
        "rules, defaults, publications, foreign keys, and the statements in pg_stat_statements, "
        "with their role and calls. Bodies of functions are only searched for the names, which "
        "is said: by name. Nothing is changed, and no value of a statement is shown. "
        "docs/compat.md "
        "has what is looked at, and what is assumed.\n\n"
        "Where pg_stat_statements is not to be had it says that it cannot tell. Statements of the "
        "project's own revisions and COPY ... TO, run by the role that it logs in as, do not "
        "count.\n\n"
        "Exit status: 0 nothing that it can see uses it; 3 something does, or may; 2 wrong use, "
        "project or revision; 6 the server can't be reached.",
    .options = options,
    .run = run,
};
