#include "stamp_from_tool.h"

#include "applied.h"
#include "named_limits.h"

#include <string.h>

/* What is known of one database's tools so far. */
typedef struct Taking {
    StrList tools; /* to be asked for, by name */
    size_t asked;
    const ImportTool *tool; /* whose table is there */
    StatementList statements;
    StrList *keys; /* where the answer of the statement goes */
    AppliedKeys found;
    AppliedState state;
    StrList before; /* rows */
} Taking;

static Taking *taking_of(const Run *run)
{
    return run->data;
}

static const char *tool_table(const Run *run)
{
    return context_option(run_context(run), "tool-table");
}

/* Sends one of a tool's statements. */
static void ask(Run *run, const ImportTool *tool, const char *sql, RunNext *next)
{
    Taking *taking = taking_of(run);
    const char *file = arena_printf(run->arena, "%s's table", tool->name);
    Error err;
    ErrCode code = applied_statement(run->arena, tool, sql, tool_table(run), &sql, &err);
    if (code == ERR_OK)
        code = sql_split(run->arena, file, sql, strlen(sql), 1, &taking->statements, &err);
    if (code != ERR_OK) {
        run_fail(run, &err);
        return;
    }
    const ShardSqlArgs args = {
        .statements = &taking->statements,
        .file = file,
        .lock_timeout_ms = run_settings(run)->lock_timeout_ms,
        .read_only = true,
        .all_rows = true,
    };
    run_sql(run, &args, next);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void tell_ignored(Run *run)
{
    const Taking *taking = taking_of(run);
    size_t ignored = taking->state.ignored.count;
    if (ignored > 0)
        run_note(run, "%zu migration%s of other projects in %s's table %s passed over", ignored,
                 ignored == 1 ? "" : "s", taking->tool->name, ignored == 1 ? "is" : "are");
    if (graph_repeatable_count(run_map(run)) > 0)
        run_note(run, "repeatables are not in the version rows: the next upgrade runs them");
}

static void act(Run *run)
{
    Taking *taking = taking_of(run);
    tell_ignored(run);
    if (strlist_equal(&taking->before, &taking->state.rows)) {
        run->outcome = RUN_NOTHING_TO_DO;
        run_end(run);
        return;
    }
    run_stamp(run, &taking->before, &taking->state.rows, run_end);
}

static bool solve(Run *run)
{
    Taking *taking = taking_of(run);
    bool purge = context_has(run_context(run), "purge");
    Error err;
    taking->before = strlist_copy(run->arena, &run->rows);
    if (applied_rows(run->arena, taking->tool, run_map(run), &taking->found, &taking->before, purge,
                     &taking->state, &err) == ERR_OK)
        return true;
    run_fail(run, &err);
    return false;
}

static void on_claimed(Run *run)
{
    const Taking *taking = taking_of(run);
    if (strlist_equal(&taking->before, &run->rows) || solve(run))
        act(run);
}

static void on_keys_complete(Run *run)
{
    const Taking *taking = taking_of(run);
    size_t width = 0;
    if (!solve(run))
        return;
    for (size_t i = 0; i < taking->state.rows.count; i++) {
        size_t length = strlen(taking->state.rows.items[i]);
        width = length > width ? length : width;
    }
    if (strlist_equal(&taking->before, &taking->state.rows))
        act(run);
    else
        run_claim(run, (uint32_t)width, on_claimed);
}

/* --- what the tool's table holds -------------------------------------------------------------- */

static bool take_keys(Run *run)
{
    const Taking *taking = taking_of(run);
    const ShardSqlResult *result = run->sql;
    if (result->row_count > LIMIT_REVISIONS) {
        Error err;
        err_set(&err, ERR_LIMIT, "%s's table holds more than %d migrations", taking->tool->name,
                LIMIT_REVISIONS);
        run_fail(run, &err);
        return false;
    }
    for (size_t i = 0; i < result->row_count; i++) {
        const char *key = result->values[i * result->column_count];
        if (key != NULL)
            strlist_add(run->arena, taking->keys, key);
    }
    return true;
}

static void on_half_done(Run *run)
{
    if (take_keys(run))
        on_keys_complete(run);
}

static void on_applied(Run *run)
{
    Taking *taking = taking_of(run);
    if (!take_keys(run))
        return;
    taking->keys = &taking->found.half_done;
    if (taking->tool->half_done_sql == NULL)
        on_keys_complete(run);
    else
        ask(run, taking->tool, taking->tool->half_done_sql, on_half_done);
}

/* --- which tool ------------------------------------------------------------------------------- */

static void on_exists(Run *run);

static void ask_next(Run *run)
{
    Taking *taking = taking_of(run);
    if (taking->asked < taking->tools.count) {
        const ImportTool *tool = import_tool(taking->tools.items[taking->asked]);
        ask(run, tool, tool->table_exists_sql, on_exists);
        return;
    }
    if (taking->tool != NULL) {
        taking->keys = &taking->found.applied;
        ask(run, taking->tool, taking->tool->applied_sql, on_applied);
        return;
    }
    Error err;
    err_set(&err, ERR_NOT_FOUND, "the database has no table of %s's",
            strlist_join(run->arena, &taking->tools, ", "));
    err_hint(&err,
             "If it is elsewhere, say --tool-table SCHEMA.NAME; if nothing was applied, there "
             "is nothing to stamp.");
    run_fail(run, &err);
}

static void on_exists(Run *run)
{
    Taking *taking = taking_of(run);
    const ShardSqlResult *result = run->sql;
    const char *there = result->row_count == 1 ? result->values[0] : NULL;
    const ImportTool *tool = import_tool(taking->tools.items[taking->asked++]);
    if (there != NULL && there[0] == 't' && taking->tool != NULL) {
        Error err;
        err_set(&err, ERR_USAGE, "the database has tables of %s and of %s", taking->tool->name,
                tool->name);
        err_hint(&err, "Say which one counts with --from-tool.");
        run_fail(run, &err);
        return;
    }
    if (there != NULL && there[0] == 't')
        taking->tool = tool;
    ask_next(run);
}

/* The tools that revisions of this project were imported from and that keep a table. */
static StrList tools_of_origin(Arena *arena, const RevisionMap *map)
{
    StrList tools = {0};
    for (const ImportTool *const *at = import_tools(); *at != NULL; at++) {
        size_t length = strlen((*at)->name);
        bool named = false;
        for (size_t i = 0; i < graph_count(map) && !named && (*at)->applied_sql != NULL; i++) {
            const char *origin = graph_script_at(map, i)->origin;
            named = strncmp(origin, (*at)->name, length) == 0 && origin[length] == ' ';
        }
        if (named)
            strlist_add(arena, &tools, (*at)->name);
    }
    return tools;
}

static void on_read(Run *run)
{
    Taking *taking = taking_of(run);
    const char *name = context_option(run_context(run), "from-tool");
    if (strcmp(name, "auto") != 0)
        strlist_add(run->arena, &taking->tools, name);
    else
        taking->tools = tools_of_origin(run->arena, run_map(run));
    if (taking->tools.count > 0) {
        ask_next(run);
        return;
    }
    Error err;
    err_set(&err, ERR_NOT_FOUND, "no revision of this project was imported from another tool");
    err_hint(&err,
             "Run `pgtide import PATH` first; an Alembic-managed database needs no stamping.");
    run_fail(run, &err);
}

static void begin(Run *run)
{
    static const ReadArgs args = {.history_limit = 1};
    run->data = ARENA_NEW(run->arena, Taking);
    run_read(run, &args, on_read);
}

/* --- the result ------------------------------------------------------------------------------- */

static void say_result(Run *run)
{
    const Taking *taking = taking_of(run);
    const char *rows = run_rows_text(run->arena, &run->rows);
    if (run->outcome == RUN_NOTHING_TO_DO)
        run_say(run, "nothing to do: at %s, as %s's table says", rows, taking->tool->name);
    else
        run_say(run, "stamped %s: %s has applied %zu revision%s", rows, taking->tool->name,
                taking->state.count, taking->state.count == 1 ? "" : "s");
}

static void write_result(Run *run, JsonWriter *json)
{
    const Taking *taking = taking_of(run);
    if (taking == NULL)
        return;
    json_field_string(json, "tool", taking->tool == NULL ? NULL : taking->tool->name);
    json_field_uint(json, "applied", taking->state.count);
    json_field_strings(json, "ignored", &taking->state.ignored);
    json_field_strings(json, "rows_before", &taking->before);
}

static ErrCode options_check(const CommandContext *context, Error *err)
{
    const char *name = context_option(context, "from-tool");
    if (context->arguments.count > 0) {
        err_set(err, ERR_USAGE, "--from-tool takes the revision from the tool's table");
        err_hint(err, "Leave out '%.80s', or --from-tool.", context->arguments.items[0]);
        return ERR_USAGE;
    }
    if (context_has(context, "sql"))
        return err_set(err, ERR_USAGE, "--from-tool asks the database, --sql asks none");
    if (strcmp(name, "auto") == 0 && context_has(context, "tool-table"))
        return err_set(err, ERR_USAGE, "--tool-table needs the name of its tool, not auto");
    if (strcmp(name, "auto") == 0)
        return ERR_OK;
    const ImportTool *tool = import_tool(name);
    if (tool != NULL && tool->applied_sql != NULL)
        return ERR_OK;
    StrList names = {0};
    for (const ImportTool *const *at = import_tools(); *at != NULL; at++) {
        if ((*at)->applied_sql != NULL)
            strlist_add(context->arena, &names, (*at)->name);
    }
    err_set(err, ERR_USAGE, tool == NULL ? "no tool is called '%.80s'" : "%.80s keeps no table",
            name);
    err_hint(err, "There are: %s, and auto.", strlist_join(context->arena, &names, ", "));
    return ERR_USAGE;
}

ErrCode stamp_from_tool(CommandContext *context, Error *err)
{
    static const RunWork work = {
        .project = RUN_PROJECT_NEEDED,
        .begin = begin,
        .stamps = true,
        .say = say_result,
        .json = write_result,
    };
    ErrCode code = options_check(context, err);
    return code == ERR_OK ? run_databases(context, &work, err) : code;
}
