#include "lint_run.h"

#include "rehearse.h"
#include "scratch.h"

#include "lint_keys_sql.h"

#include <string.h>

/* Some changes of type write nothing where it is UTC: what is found should hold anywhere. */
static const char time_zone[] = "Etc/GMT-1";
static const char path[] = "\"$user\", public";

static const char tables_sql[] =
    "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f')";

/* What there is before or behind a revision. */
typedef struct Look {
    Arena *arena;
    StrList tables;
    StrList key_oids;
    LintKey *keys;
    size_t key_count;
} Look;

static void on_look(const PgReply *reply, void *data)
{
    enum { AT_PATH, AT_TABLES, AT_KEYS };
    Look *look = data;
    const PgResult *tables = &reply->results[AT_TABLES], *keys = &reply->results[AT_KEYS];
    for (size_t i = 0; i < pg_rows(tables); i++)
        strlist_add(look->arena, &look->tables, pg_text(tables, i, 0));
    look->keys = ARENA_ARRAY(look->arena, LintKey, pg_rows(keys) + 1);
    look->key_count = pg_rows(keys);
    for (size_t i = 0; i < look->key_count; i++) {
        strlist_add(look->arena, &look->key_oids, pg_text(keys, i, 0));
        look->keys[i].table = arena_strdup(look->arena, pg_text(keys, i, 1));
        look->keys[i].what = arena_strdup(look->arena, pg_text(keys, i, 2));
    }
}

static ErrCode look_at(Session *session, Arena *arena, Look *ret_look, Error *err)
{
    AUTO_ARENA Arena *scratch = arena_new();
    PgBatch batch = pg_batch(scratch);
    Look look = {.arena = arena};
    pg_batch_add(&batch, "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)");
    pg_batch_add(&batch, tables_sql);
    pg_batch_add(&batch, lint_keys_sql);
    ErrCode code = session_batch(session, &batch, on_look, &look, err);
    if (code == ERR_OK) {
        strlist_sort(&look.tables);
        *ret_look = look;
    }
    return code;
}

/* --- a revision ------------------------------------------------------------------------------- */

static void take_keys(Arena *arena, const Look *before, const Look *after, LintTraced *traced)
{
    LintKey *keys = ARENA_ARRAY(arena, LintKey, after->key_count + 1);
    for (size_t i = 0; i < after->key_count; i++) {
        if (!strlist_has(&before->key_oids, after->key_oids.items[i]))
            keys[traced->key_count++] = after->keys[i];
    }
    traced->keys = keys;
}

static ErrCode run_wanted(CommandContext *context, Rehearsal *rehearsal, LintRun *run, Error *err)
{
    Arena *arena = context->arena;
    Look *before = ARENA_NEW(arena, Look), after;
    size_t first = rehearsal->trace.count;
    Error failure = {0};
    ErrCode code = look_at(rehearsal->session, arena, before, err);
    if (code != ERR_OK)
        return code;
    ErrCode outcome = rehearse_step(rehearsal, run->step, &failure);
    if (outcome != ERR_OK && outcome != ERR_SQL) {
        *err = failure;
        return outcome;
    }
    /* The statement that failed has nothing to tell. */
    size_t end = rehearsal->trace.count - (outcome != ERR_OK && rehearsal->trace.in_statement);
    run->done = true;
    run->traced = (LintTraced){.items = arena_memdup(arena, rehearsal->trace.items + first,
                                                     (end - first) * sizeof(TracedStatement)),
                               .count = end - first,
                               .known = &before->tables};
    if (outcome != ERR_OK) {
        run->traced.failure = arena_memdup(arena, &failure, sizeof failure);
        return ERR_OK;
    }
    code = look_at(rehearsal->session, arena, &after, err);
    if (code == ERR_OK)
        take_keys(arena, before, &after, &run->traced);
    return code;
}

static ErrCode run_all(CommandContext *context, Session *session, LintRun *runs, size_t count,
                       Error *err)
{
    Rehearsal rehearsal = {.session = session,
                           .trace = {.arena = context->arena},
                           .path = path,
                           .time_zone = time_zone};
    for (size_t i = 0; i < count; i++) {
        rehearsal.untraced = !runs[i].wanted;
        ErrCode code = runs[i].wanted ? run_wanted(context, &rehearsal, &runs[i], err)
                                      : rehearse_step(&rehearsal, runs[i].step, err);
        if (code != ERR_OK)
            return code == ERR_INTERRUPTED ? code : err_wrap(err, "%.200s", runs[i].step->revision);
        if (runs[i].traced.failure == NULL)
            continue;
        if (i + 1 < count)
            note(context, "%s fails: what comes behind it was not run", runs[i].step->revision);
        return ERR_OK;
    }
    return ERR_OK;
}

ErrCode lint_run(CommandContext *context, LintRun *runs, size_t count, Error *err)
{
    while (count > 0 && !runs[count - 1].wanted)
        count--;
    Wait wait;
    Scratch *scratch = NULL;
    ShardTarget target;
    Session *session = NULL;
    if (count == 0)
        return ERR_OK;
    wait_open(&wait);
    ErrCode code = scratch_open(context, &wait, &scratch, err);
    if (code == ERR_OK)
        code = scratch_make(scratch, &target, err);
    if (code == ERR_OK)
        code = session_open(&wait, target.conninfo, target.conninfo_count, target.database,
                            &session, err);
    if (code == ERR_OK)
        code = run_all(context, session, runs, count, err);
    session_close(session);
    wait_drain(&wait);
    scratch_close(scratch);
    wait_close(&wait);
    return code;
}
