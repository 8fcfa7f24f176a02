#include "offline.h"

#include "offline_script.h"
#include "placeholder.h"
#include "run.h"
#include "run_plan.h"

#include <stdio.h>
#include <string.h>

/* A run that is only written down. */
typedef struct Offline {
    CommandContext *context;
    RevisionMap *map; /* NULL: ensure-version, which needs no project */
    OfflineArgs args;
    StrList assignments;
    StrList rows_before;
    StrList stamp;
    const char *target; /* behind the colon of a range */
} Offline;

/* --- options ---------------------------------------------------------------------------------- */

/* Each of these is about a connection or a run. */
static ErrCode refuse_others(const CommandContext *context, Error *err)
{
    static const char *const names[] = {
        "url", "urls", "jobs", "on-failure", "single-transaction", "dry-run", "strict", "wait"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!context_has(context, names[i]))
            continue;
        err_set(err, ERR_USAGE, "--sql and --%s exclude each other", names[i]);
        err_hint(err, "--sql only prints: give the script to psql.");
        return ERR_USAGE;
    }
    return ERR_OK;
}

static ErrCode read_options(Offline *offline, Error *err)
{
    RunSettings settings;
    ErrCode code = refuse_others(offline->context, err);
    if (code == ERR_OK)
        code = run_settings_read(offline->context, &settings, err);
    if (code != ERR_OK)
        return code;
    offline->assignments = settings.assignments;
    offline->args = (OfflineArgs){
        .schema = settings.schema == NULL ? "" : settings.schema,
        .shared_schemas = settings.shared_schemas,
        .who = settings.who,
        .message = settings.tag,
        .unmanaged_reason = settings.unmanaged_reason,
        .lock_timeout_ms = settings.lock_timeout_ms,
    };
    return ERR_OK;
}

/* --- ranges ----------------------------------------------------------------------------------- */

ErrCode offline_refuse_range(const CommandContext *context, Error *err)
{
    for (size_t i = 0; i < context->arguments.count; i++) {
        if (strchr(context->arguments.items[i], ':') == NULL)
            continue;
        err_set(err, ERR_USAGE, "a range (%.80s) is not allowed here", context->arguments.items[i]);
        err_hint(err, "Only --sql takes FROM:TO; otherwise the database says where to begin.");
        return ERR_USAGE;
    }
    return ERR_OK;
}

/* The rows that FROM names, as they would stand in the version table. */
static ErrCode rows_resolve(Offline *offline, const char *text, StrList *ret_rows, Error *err)
{
    StrList targets = {0};
    char *rest = arena_strdup(offline->context->arena, text);
    char *name;
    while ((name = strsep(&rest, ",")) != NULL) {
        if (*name != '\0')
            strlist_add(offline->context->arena, &targets, name);
    }
    *ret_rows = (StrList){0};
    if (targets.count == 0)
        return ERR_OK;
    return graph_stamp(offline->context->arena, offline->map, &(StrList){0}, &targets, true,
                       ret_rows, err);
}

static ErrCode range_read(Offline *offline, const char *argument, Error *err)
{
    const char *colon = strchr(argument, ':');
    offline->target = colon == NULL ? argument : colon + 1;
    if (offline->target[0] == '\0' || strchr(offline->target, ':') != NULL) {
        err_set(err, ERR_USAGE, "'%.80s' is no range", argument);
        err_hint(err, "A range is FROM:TO; :TO begins at base.");
        return ERR_USAGE;
    }
    size_t length = colon == NULL ? 0 : (size_t)(colon - argument);
    return rows_resolve(offline, arena_strndup(offline->context->arena, argument, length),
                        &offline->rows_before, err);
}

/* --- steps ------------------------------------------------------------------------------------ */

/* At the heads the repeatables follow. */
static ErrCode add_repeatables(Offline *offline, Error *err)
{
    Arena *arena = offline->context->arena;
    if (!run_plan_all_heads(arena, offline->map, &offline->args.rows_after))
        return ERR_OK;
    size_t count = graph_repeatable_count(offline->map);
    const Script **scripts = ARENA_ARRAY(arena, const Script *, count + 1);
    for (size_t i = 0; i < count; i++) {
        ErrCode code = script_bind(arena, graph_repeatable_at(offline->map, i),
                                   &offline->assignments, &scripts[i], err);
        if (code != ERR_OK)
            return code;
    }
    offline->args.repeatables = scripts;
    offline->args.repeatable_count = count;
    return ERR_OK;
}

static ErrCode take_steps(Offline *offline, GraphSteps *steps, bool up, Error *err)
{
    CommandContext *context = offline->context;
    offline->args.rows_after = steps->rows_after;
    ErrCode code = run_plan_bind(context->arena, steps, 0, &offline->assignments, err);
    if (code == ERR_OK && up)
        code = add_repeatables(offline, err);
    if (code != ERR_OK)
        return code;
    offline->args.steps = steps->items;
    offline->args.step_count = steps->count;
    if (steps->warning != NULL)
        note(context, "%s", steps->warning);
    run_warn_of_assignments(context, offline->map, &offline->assignments);
    return ERR_OK;
}

/* --- printing --------------------------------------------------------------------------------- */

static void write_json(Offline *offline, const char *sql)
{
    JsonWriter json = context_json(offline->context);
    json_object_begin(&json);
    json_field_array(&json, "steps");
    for (size_t i = 0; i < offline->args.step_count; i++) {
        json_array_begin(&json);
        json_text(&json, direction_name(offline->args.steps[i].direction));
        json_text(&json, offline->args.steps[i].revision);
        json_array_end(&json);
    }
    json_array_end(&json);
    if (offline->args.rows_before != NULL)
        json_field_strings(&json, "rows_before", offline->args.rows_before);
    if (offline->map != NULL)
        json_field_strings(&json, "rows", &offline->args.rows_after);
    json_field_string(&json, "sql", sql);
    json_object_end(&json);
}

static void say_left_out(Offline *offline)
{
    for (size_t i = 0; i < offline->args.step_count; i++) {
        if (offline_leaves_out(&offline->args.steps[i]))
            note(offline->context,
                 "%s is recorded, not run: a script can't know whether the schema is that one",
                 offline->args.steps[i].revision);
    }
}

/* The whole script, once it is known to be right. */
static ErrCode print_script(Offline *offline, Error *err)
{
    AUTO_STR Str out = {0};
    ErrCode code = offline_check(&offline->args, err);
    if (code != ERR_OK)
        return code;
    say_left_out(offline);
    offline_write(offline->context->arena, &offline->args, &out);
    if (offline->context->json)
        write_json(offline, str_text(&out));
    else
        fwrite(out.data, 1, out.length, stdout);
    return ERR_OK;
}

static ErrCode offline_open(Offline *offline, CommandContext *context, Error *err)
{
    Project project;
    *offline = (Offline){.context = context};
    ErrCode code = read_options(offline, err);
    return code == ERR_OK
               ? project_open(context->arena, context->config, &project, &offline->map, err)
               : code;
}

/* --- commands --------------------------------------------------------------------------------- */

static ErrCode migrate(CommandContext *context, const char *argument, bool up, Error *err)
{
    Offline offline;
    GraphSteps steps;
    ErrCode code = offline_open(&offline, context, err);
    if (code == ERR_OK)
        code = range_read(&offline, argument, err);
    if (code == ERR_OK)
        code = up ? graph_upgrade(context->arena, offline.map, &offline.rows_before, offline.target,
                                  &steps, err)
                  : graph_downgrade(context->arena, offline.map, &offline.rows_before,
                                    offline.target, &steps, err);
    if (code == ERR_OK)
        code = take_steps(&offline, &steps, up, err);
    if (code != ERR_OK)
        return code;
    offline.args.rows_before = &offline.rows_before;
    offline.args.title =
        arena_printf(context->arena, "%s from %s to %s", up ? "upgrade" : "downgrade",
                     run_rows_text(context->arena, &offline.rows_before),
                     run_rows_text(context->arena, &offline.args.rows_after));
    return print_script(&offline, err);
}

ErrCode offline_upgrade(CommandContext *context, Error *err)
{
    const char *target = context_argument(context, 0);
    return migrate(context, target == NULL ? "head" : target, true, err);
}

ErrCode offline_downgrade(CommandContext *context, Error *err)
{
    const char *target = context_argument(context, 0);
    if (target == NULL || strchr(target, ':') == NULL) {
        err_set(err, ERR_USAGE, "downgrade with --sql requires <fromrev>:<torev>");
        err_hint(err, "Without a database nobody knows where to begin: name it.");
        return ERR_USAGE;
    }
    return migrate(context, target, false, err);
}

/* FROM stands before the first target: `stamp --sql FROM:TO TO2`. */
static ErrCode stamp_rows(Offline *offline, Error *err)
{
    CommandContext *context = offline->context;
    StrList targets = {0};
    bool purge = context_has(context, "purge");
    ErrCode code = range_read(offline, context_argument(context, 0), err);
    if (code != ERR_OK)
        return code;
    strlist_add(context->arena, &targets, offline->target);
    for (size_t i = 1; i < context->arguments.count; i++)
        strlist_add(context->arena, &targets, context->arguments.items[i]);
    if (purge && strchr(context_argument(context, 0), ':') != NULL)
        return err_set(err, ERR_USAGE, "--purge begins at any rows: it takes no FROM");
    offline->args.rows_before = purge ? NULL : &offline->rows_before;
    return graph_stamp(context->arena, offline->map, &offline->rows_before, &targets, purge,
                       &offline->stamp, err);
}

ErrCode offline_stamp(CommandContext *context, Error *err)
{
    Offline offline;
    ErrCode code = offline_open(&offline, context, err);
    if (code == ERR_OK)
        code = stamp_rows(&offline, err);
    if (code != ERR_OK)
        return code;
    bool purge = offline.args.rows_before == NULL;
    offline.args.stamp = &offline.stamp;
    offline.args.rows_after = offline.stamp;
    offline.args.title =
        arena_printf(context->arena, "stamp from %s to %s",
                     purge ? "any rows" : run_rows_text(context->arena, &offline.rows_before),
                     run_rows_text(context->arena, &offline.stamp));
    return print_script(&offline, err);
}

ErrCode offline_ensure_version(CommandContext *context, Error *err)
{
    Offline offline = {.context = context};
    ErrCode code = read_options(&offline, err);
    offline.args.title = "ensure-version";
    return code == ERR_OK ? print_script(&offline, err) : code;
}
