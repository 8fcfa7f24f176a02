#include "revision_safe.h"

#include "file.h"
#include "named_limits.h"
#include "revision_file.h"
#include "rewrite.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The command at work. */
typedef struct Safe {
    CommandContext *context;
    Project project;
    RevisionMap *map;
    const Script *script;
    FactsList facts;
    size_t asked; /* tables so far */
    StrList rows; /* of the database that was asked */
    bool has_database;
    Rewritten rewritten;
    const char *text;
    const char *contract_id;
    const char *contract_path;
    const char *contract_text;
} Safe;

/* --- what the database knows ------------------------------------------------------------------ */

static void ask_next(Run *run);

static void on_facts(Run *run)
{
    Safe *safe = run_shared(run);
    Arena *arena = safe->context->arena;
    TableFacts *facts = &safe->facts.items[safe->asked++];
    const ShardSqlResult *result = run->sql;
    facts->items = ARENA_ARRAY(arena, TableFact, result->row_count + 1);
    for (size_t row = 0; row < result->row_count && result->column_count == TABLE_FACT_COLUMNS;
         row++) {
        const char *const *values = result->values + row * TABLE_FACT_COLUMNS;
        facts->items[facts->count++] = (TableFact){
            .kind = arena_strdup(arena, values[0]),
            .name = arena_strdup(arena, values[1]),
            .a = arena_strdup(arena, values[2]),
            .b = arena_strdup(arena, values[3]),
            .c = arena_strdup(arena, values[4]),
        };
    }
    ask_next(run);
}

static void ask_next(Run *run)
{
    Safe *safe = run_shared(run);
    Arena *arena = safe->context->arena;
    if (safe->asked == safe->facts.count) {
        run_end(run);
        return;
    }
    Statement *question = ARENA_NEW(arena, Statement);
    StatementList *statements = ARENA_NEW(arena, StatementList);
    statement_set_text(arena, question,
                       rewrite_facts_query(arena, &safe->facts.items[safe->asked]));
    *statements = (StatementList){question, 1};
    const ShardSqlArgs args = {
        .statements = statements, .file = "", .read_only = true, .all_rows = true};
    run_sql(run, &args, on_facts);
}

static void on_rows(Run *run)
{
    Safe *safe = run_shared(run);
    safe->rows = strlist_copy(safe->context->arena, &run->rows);
    ask_next(run);
}

static void begin(Run *run)
{
    run_read(run, &(ReadArgs){0}, on_rows);
}

/* Without a database being named none is asked: libpq's own default could be any. */
static ErrCode ask(Safe *safe, Error *err)
{
    const char *url = getenv("PGTIDE_URL");
    FactsList tables = rewrite_tables(safe->context->arena, safe->script);
    safe->has_database = context_has(safe->context, "url") || (url != NULL && url[0] != '\0');
    if (!safe->has_database)
        return ERR_OK;
    safe->facts = tables;
    const RunWork work = {.begin = begin, .shared = safe};
    return run_databases(safe->context, &work, err);
}

/* --- which text ------------------------------------------------------------------------------- */

static ErrCode stdin_read(Arena *arena, char **ret_text, size_t *ret_length, Error *err)
{
    AUTO_STR Str text = {0};
    char buffer[4096];
    size_t got;
    while (text.length <= LIMIT_REVISION_FILE_BYTES &&
           (got = fread(buffer, 1, sizeof buffer, stdin)) > 0)
        str_append_bytes(&text, buffer, got);
    if (ferror(stdin))
        return err_set(err, ERR_IO, "standard input can't be read");
    if (text.length > LIMIT_REVISION_FILE_BYTES)
        return err_set(err, ERR_LIMIT, "standard input has more than %d bytes",
                       LIMIT_REVISION_FILE_BYTES);
    if (!str_is_utf8(str_text(&text), text.length))
        return err_set(err, ERR_SCRIPT, "standard input is no UTF-8 text");
    *ret_length = text.length;
    *ret_text = arena_strndup(arena, str_text(&text), text.length);
    return ERR_OK;
}

/* Statements that are in no revision yet: as one whose downgrade nobody has written. */
static ErrCode statements_open(Safe *safe, const char *path, Error *err)
{
    Arena *arena = safe->context->arena;
    Script *script = ARENA_NEW(arena, Script);
    bool is_stdin = strcmp(path, "-") == 0;
    char *text = NULL;
    size_t length = 0;
    ErrCode code =
        is_stdin ? stdin_read(arena, &text, &length, err)
                 : file_read_text(arena, path, LIMIT_REVISION_FILE_BYTES, &text, &length, err);
    if (code != ERR_OK)
        return code;
    *script = (Script){.file = is_stdin ? "standard input" : path,
                       .id = "",
                       .message = "",
                       .irreversible = "",
                       .upgrade = {true, text, length, 1, {0}},
                       .downgrade = {.sql = ""}};
    code = sql_split(arena, script->file, text, length, 1, &script->upgrade.statements, err);
    safe->script = script;
    return code;
}

static ErrCode revision_open(Safe *safe, const char *wanted, Error *err)
{
    CommandContext *context = safe->context;
    const char *id;
    ErrCode code = project_open(context->arena, context->config, &safe->project, &safe->map, err);
    if (code == ERR_OK)
        code = graph_resolve_one(context->arena, safe->map, wanted, &id, err);
    if (code != ERR_OK)
        return code;
    safe->script = graph_find(safe->map, id);
    if (safe->script == NULL)
        return err_set(err, ERR_REVISION_UNKNOWN, "'%.200s' is no revision", wanted);
    if (safe->script->phase == SCRIPT_PHASE_NONE)
        return ERR_OK;
    err_set(err, ERR_STATE, "revision %s is one phase of a change already", id);
    err_at(err, safe->script->file, 0);
    err_hint(err, "Write further changes as a revision of their own.");
    return ERR_STATE;
}

/* A revision that ran somewhere must stay what it was. */
static ErrCode applied_check(const Safe *safe, Error *err)
{
    StrList applied = {0};
    if (safe->map == NULL || !safe->has_database)
        return ERR_OK;
    ErrCode code = graph_applied(safe->context->arena, safe->map, &safe->rows, &applied, err);
    if (code != ERR_OK || !strlist_has(&applied, safe->script->id))
        return code;
    err_set(err, ERR_STATE, "revision %s is applied in this database", safe->script->id);
    err_hint(err, "What has run stays as it is written. Make a new revision for what is to come.");
    return ERR_STATE;
}

/* --- the contract revision -------------------------------------------------------------------- */

/* It follows whatever follows the revision already. */
static ErrCode parent_find(const Safe *safe, const char **ret_parent, Error *err)
{
    Arena *arena = safe->context->arena;
    StrList heads = graph_heads(arena, safe->map);
    StrList found = {0};
    for (size_t i = 0; i < heads.count; i++) {
        StrList row = {0};
        StrList applied = {0};
        strlist_add(arena, &row, heads.items[i]);
        ErrCode code = graph_applied(arena, safe->map, &row, &applied, err);
        if (code != ERR_OK)
            return code;
        if (strlist_has(&applied, safe->script->id))
            strlist_add(arena, &found, heads.items[i]);
    }
    if (found.count == 1) {
        *ret_parent = found.items[0];
        return ERR_OK;
    }
    err_set(err, ERR_MULTIPLE_HEADS, "revision %s is below %zu heads: %s", safe->script->id,
            found.count, strlist_join(arena, &found, ", "));
    err_hint(err, "Join them with `pgtide merge heads`: the contract revision follows the last.");
    return ERR_MULTIPLE_HEADS;
}

/* Of revisions that run behind this one and before its contract none may build on what that takes
 * away, or take it away itself. */
static ErrCode between_check(const Safe *safe, const char *parent, Error *err)
{
    Arena *arena = safe->context->arena;
    StrList last = {0}, own = {0}, below_last = {0}, below_own = {0};
    strlist_add(arena, &last, parent);
    strlist_add(arena, &own, safe->script->id);
    ErrCode code = graph_applied(arena, safe->map, &last, &below_last, err);
    if (code == ERR_OK)
        code = graph_applied(arena, safe->map, &own, &below_own, err);
    for (size_t i = 0; i < below_last.count && code == ERR_OK; i++) {
        const Script *script = graph_find(safe->map, below_last.items[i]);
        const char *what;
        if (script == NULL || strlist_has(&below_own, script->id))
            continue;
        const Statement *met = rewrite_meets(arena, &safe->rewritten, script, &what);
        if (met == NULL)
            continue;
        code = err_set(err, ERR_STATE,
                       "revision %.100s runs before the contract of %.100s, and has to do with: %s",
                       script->id, safe->script->id, what);
        err_hint(err,
                 "Make the change in a new revision behind %.100s, or move that statement into one "
                 "that is to follow the contract.",
                 script->id);
        statement_place_error(err, script->file, met, 0);
    }
    return code;
}

static ErrCode contract_make(Safe *safe, Error *err)
{
    Arena *arena = safe->context->arena;
    const char *parent;
    const char *about = safe->script->message[0] == '\0' ? safe->script->id : safe->script->message;
    const char *message = arena_printf(arena, "contract %s", about);
    ErrCode code = parent_find(safe, &parent, err);
    if (code == ERR_OK)
        code = between_check(safe, parent, err);
    if (code == ERR_OK)
        code = revision_id_make(arena, &safe->project, safe->map, message, &safe->contract_id, err);
    if (code != ERR_OK)
        return code;
    const RewriteText *text = &safe->rewritten.contract;
    safe->contract_path = path_join(arena, path_dirname(arena, safe->script->file),
                                    arena_printf(arena, "%s.sql", safe->contract_id));
    const char *reason = safe->script->irreversible;
    safe->contract_text = arena_printf(
        arena,
        "-- revision: %s\n-- revises: %s\n-- message: %s\n-- transaction: none\n"
        "-- phase: contract\n%s%s%s--\n-- The other half of %s: for when no application of before "
        "it runs any more.\n\n-- +upgrade\n%s%s%s",
        safe->contract_id, parent, message,
        reason == NULL ? "" : "-- irreversible: ", reason == NULL ? "" : reason,
        reason == NULL ? "" : "\n", safe->script->id, text->upgrade,
        reason == NULL ? "\n-- +downgrade\n" : "", reason == NULL ? text->downgrade : "");
    return ERR_OK;
}

/* The new files in the place of the old one must be a sound project. */
static ErrCode files_check(const Safe *safe, Error *err)
{
    Arena *arena = safe->context->arena;
    size_t count = graph_count(safe->map);
    Script **scripts = ARENA_ARRAY(arena, Script *, count + 1);
    RevisionMap *map;
    ErrCode code = ERR_OK;
    for (size_t i = 0; i < count && code == ERR_OK; i++) {
        const Script *script = graph_script_at(safe->map, i);
        if (script == safe->script)
            code = script_parse(arena, script->file, (const uint8_t *)safe->text,
                                strlen(safe->text), &scripts[i], err);
        else
            scripts[i] = arena_memdup(arena, script, sizeof *script);
    }
    if (code == ERR_OK && safe->contract_text != NULL)
        code = script_parse(arena, safe->contract_path, (const uint8_t *)safe->contract_text,
                            strlen(safe->contract_text), &scripts[count++], err);
    return code == ERR_OK ? graph_build(arena, scripts, count, &map, err) : code;
}

static ErrCode files_make(Safe *safe, Error *err)
{
    if (!safe->rewritten.changed)
        return ERR_OK;
    safe->text = rewrite_file(safe->context->arena, safe->script, &safe->rewritten);
    ErrCode code = safe->rewritten.has_contract ? contract_make(safe, err) : ERR_OK;
    return code == ERR_OK ? files_check(safe, err) : code;
}

static ErrCode files_write(const Safe *safe, Error *err)
{
    ErrCode code = ERR_OK;
    if (safe->contract_text != NULL)
        code = file_write_new(safe->contract_path, safe->contract_text, strlen(safe->contract_text),
                              0666, err);
    if (code != ERR_OK)
        return code;
    code = file_write_atomic(safe->script->file, safe->text, strlen(safe->text), 0666, err);
    if (code != ERR_OK && safe->contract_text != NULL)
        (void)unlink(safe->contract_path);
    return code;
}

/* --- what it says ----------------------------------------------------------------------------- */

static void tell_statements(const Safe *safe)
{
    for (size_t i = 0; i < safe->rewritten.note_count; i++) {
        const RewriteNote *item = &safe->rewritten.notes[i];
        if (item->left == NULL)
            note(safe->context, "%s:%d: %s: written anew%s", safe->script->file, item->line,
                 item->what, item->phased ? ", in two phases" : "");
        else
            note(safe->context, "%s:%d: %s: left as it is: %s", safe->script->file, item->line,
                 item->what, item->left);
        if (item->caution != NULL)
            note(safe->context, "%s:%d: %s: take care: %s", safe->script->file, item->line,
                 item->what, item->caution);
    }
    if (!safe->has_database && safe->rewritten.note_count > 0)
        note(safe->context, "no database was asked: with --url primary keys and columns are known, "
                            "and whether the revision has run there");
}

static void tell_file(CommandContext *context, const char *path, const char *text)
{
    say(context, "==> %s <==\n%s", path, text);
}

static void tell(const Safe *safe, bool written)
{
    CommandContext *context = safe->context;
    tell_statements(safe);
    if (!safe->rewritten.changed)
        say(context, "%s: nothing is written anew", safe->script->file);
    else if (written && safe->contract_text != NULL)
        say(context, "wrote %s\nwrote %s", safe->script->file, safe->contract_path);
    else if (written)
        say(context, "wrote %s", safe->script->file);
    else if (safe->map == NULL) {
        say(context, "%s", safe->rewritten.text.upgrade);
        if (safe->rewritten.has_contract)
            tell_file(context, "contract", safe->rewritten.contract.upgrade);
    } else {
        tell_file(context, safe->script->file, safe->text);
        if (safe->contract_text != NULL)
            tell_file(context, safe->contract_path, safe->contract_text);
    }
}

static void write_file(JsonWriter *json, const char *revision, const char *path, const char *phase,
                       const char *text)
{
    json_object_begin(json);
    json_field_string(json, "revision", revision);
    json_field_string(json, "file", path);
    json_field_string(json, "phase", phase[0] == '\0' ? NULL : phase);
    json_field_string(json, "text", text);
    json_object_end(json);
}

static void write_result(const Safe *safe, bool written)
{
    const Rewritten *rewritten = &safe->rewritten;
    JsonWriter json = context_json(safe->context);
    json_object_begin(&json);
    json_field_bool(&json, "written", written);
    json_field_array(&json, "statements");
    for (size_t i = 0; i < rewritten->note_count; i++) {
        const RewriteNote *item = &rewritten->notes[i];
        json_object_begin(&json);
        json_field_uint(&json, "line", (uint64_t)item->line);
        json_field_string(&json, "direction", direction_name(item->direction));
        json_field_string(&json, "what", item->what);
        bool known = item->form != HAZARD_NONE;
        json_field_string(&json, "lock", known ? hazard_info(item->form)->lock : NULL);
        json_field_string(&json, "cost",
                          known ? hazard_cost_name(hazard_info(item->form)->cost) : NULL);
        json_field_bool(&json, "phased", item->phased);
        json_field_string(&json, "left", item->left);
        json_field_string(&json, "caution", item->caution);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_field_array(&json, "files");
    if (rewritten->changed) {
        bool plain = safe->map == NULL;
        const char *phase = rewritten->contracts      ? "contract"
                            : rewritten->has_contract ? "expand"
                                                      : "";
        write_file(&json, safe->script->id, safe->script->file, phase,
                   plain ? rewritten->text.upgrade : safe->text);
        if (rewritten->has_contract)
            write_file(&json, plain ? "" : safe->contract_id, plain ? "" : safe->contract_path,
                       "contract", plain ? rewritten->contract.upgrade : safe->contract_text);
    }
    json_array_end(&json);
    json_object_end(&json);
}

/* --- the command ------------------------------------------------------------------------------ */

static ErrCode options_check(const CommandContext *context, Error *err)
{
    static const char *const others[] = {"message", "head",         "splice",     "version-path",
                                         "rev-id",  "branch-label", "depends-on", "autogenerate",
                                         "model",   "rename",       "safe-forms", "scratch-url",
                                         "set"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (context_has(context, others[i]))
            return err_set(err, ERR_USAGE, "--%s is for a new revision, and goes with no --safe",
                           others[i]);
    }
    if (context_has(context, "safe") && context_has(context, "sql"))
        return err_set(err, ERR_USAGE, "--safe takes a revision, --sql a file: say one of them");
    if (context_has(context, "write") && !context_has(context, "safe"))
        return err_set(err, ERR_USAGE, "--write goes with --safe");
    return ERR_OK;
}

ErrCode revision_safe(CommandContext *context, Error *err)
{
    Safe safe = {.context = context};
    bool write = context_has(context, "write");
    ErrCode code = options_check(context, err);
    if (code == ERR_OK)
        code = context_has(context, "safe")
                   ? revision_open(&safe, context_option(context, "safe"), err)
                   : statements_open(&safe, context_option(context, "sql"), err);
    if (code == ERR_OK)
        code = ask(&safe, err);
    if (code == ERR_OK)
        code = applied_check(&safe, err);
    if (code == ERR_OK)
        code = rewrite_script(context->arena, safe.script, &safe.facts, &safe.rewritten, err);
    if (code == ERR_OK && safe.map != NULL)
        code = files_make(&safe, err);
    if (code == ERR_OK && write && safe.rewritten.changed)
        code = files_write(&safe, err);
    if (code != ERR_OK)
        return code;
    tell(&safe, write && safe.rewritten.changed);
    write_result(&safe, write && safe.rewritten.changed);
    return ERR_OK;
}
