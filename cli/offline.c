#include "offline.h"

#include "named_limits.h"
#include "offline_script.h"
#include "placeholder.h"
#include "project.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOCK_TIMEOUT_DEFAULT_MS = 500 };

/* A run that is only written down. */
typedef struct Offline {
    CommandContext *context;
    RevisionMap *map; /* NULL: ensure-version, which needs no project */
    OfflineArgs args;
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

static ErrCode read_text(const CommandContext *context, const char *option, const char **ret_text,
                         Error *err)
{
    const char *text = context_option(context, option);
    if (text != NULL && *text == '\0')
        return err_set(err, ERR_USAGE, "--%s needs a text: it is kept in the shard", option);
    if (text != NULL && (strlen(text) > LIMIT_TEXT_BYTES || !str_is_utf8(text, strlen(text))))
        return err_set(err, ERR_USAGE, "--%s: UTF-8 text of at most %d bytes", option,
                       LIMIT_TEXT_BYTES);
    *ret_text = text;
    return ERR_OK;
}

static ErrCode read_schemas(CommandContext *context, OfflineArgs *args, Error *err)
{
    args->schema = context_option(context, "schema");
    args->schema = args->schema == NULL ? "" : args->schema;
    args->shared_schemas = context_options(context, "shared-schema");
    if (args->shared_schemas.count == 0)
        strlist_add(context->arena, &args->shared_schemas, "public");
    for (size_t i = 0; i <= args->shared_schemas.count; i++) {
        const char *name = i == 0 ? args->schema : args->shared_schemas.items[i - 1];
        if (strlen(name) > LIMIT_NAME_BYTES || !str_is_utf8(name, strlen(name)))
            return err_set(err, ERR_USAGE, "--schema, --shared-schema: a name has at most %d bytes",
                           LIMIT_NAME_BYTES);
    }
    return ERR_OK;
}

static ErrCode read_options(CommandContext *context, OfflineArgs *args, Error *err)
{
    char host[256] = "localhost";
    uint64_t lock_ms = LOCK_TIMEOUT_DEFAULT_MS;
    (void)gethostname(host, sizeof host - 1);
    const struct passwd *user = getpwuid(getuid());
    args->who =
        arena_printf(context->arena, "%s@%s", user == NULL ? "unknown" : user->pw_name, host);
    ErrCode code = refuse_others(context, err);
    if (code == ERR_OK)
        code = read_schemas(context, args, err);
    if (code == ERR_OK)
        code = read_text(context, "tag", &args->message, err);
    if (code == ERR_OK)
        code = read_text(context, "unmanaged", &args->unmanaged_reason, err);
    if (code == ERR_OK)
        code = context_duration(context, "lock-timeout", lock_ms, &lock_ms, err);
    if (code == ERR_OK && (lock_ms == 0 || lock_ms > LIMIT_LOCK_TIMEOUT_MS))
        code = err_set(err, ERR_USAGE, "--lock-timeout: 1ms to %d s", LIMIT_LOCK_TIMEOUT_MS / 1000);
    args->lock_timeout_ms = (uint32_t)lock_ms;
    return code;
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

static ErrCode bind_all(Offline *offline, GraphSteps *steps, const Script **repeatables, Error *err)
{
    Arena *arena = offline->context->arena;
    StrList assignments = context_options(offline->context, "set");
    ErrCode code = ERR_OK;
    for (size_t i = 0; i < steps->count && code == ERR_OK; i++)
        code =
            script_bind(arena, steps->items[i].script, &assignments, &steps->items[i].script, err);
    for (size_t i = 0; i < offline->args.repeatable_count && code == ERR_OK; i++)
        code = script_bind(arena, repeatables[i], &assignments, &repeatables[i], err);
    return code;
}

/* Names given with -x that no file of the project declares. */
static void warn_unknown(const Offline *offline)
{
    Arena *arena = offline->context->arena;
    const RevisionMap *map = offline->map;
    StrList assignments = context_options(offline->context, "set");
    const Script **scripts =
        ARENA_ARRAY(arena, const Script *, 2 * graph_count(map) + graph_repeatable_count(map) + 1);
    size_t count = 0;
    for (size_t i = 0; i < graph_count(map); i++) {
        const Script *script = graph_script_at(map, i);
        const Script *baseline = graph_baseline(map, script->id);
        scripts[count++] = script;
        if (baseline != NULL)
            scripts[count++] = baseline;
    }
    for (size_t i = 0; i < graph_repeatable_count(map); i++)
        scripts[count++] = graph_repeatable_at(map, i);
    StrList unknown = placeholders_unknown(arena, scripts, count, &assignments);
    if (unknown.count > 0)
        note(offline->context, "no file has a placeholder %s", strlist_join(arena, &unknown, ", "));
}

static ErrCode reaches_all_heads(Offline *offline, const StrList *rows, bool *ret_all, Error *err)
{
    Arena *arena = offline->context->arena;
    StrList applied;
    StrList heads = graph_heads(arena, offline->map);
    ErrCode code = graph_applied(arena, offline->map, rows, &applied, err);
    *ret_all = code == ERR_OK;
    for (size_t i = 0; i < heads.count && *ret_all; i++)
        *ret_all = strlist_has(&applied, heads.items[i]);
    return code;
}

/* At the heads the repeatables follow. */
static ErrCode add_repeatables(Offline *offline, const Script ***ret_scripts, Error *err)
{
    bool all;
    size_t count = graph_repeatable_count(offline->map);
    ErrCode code = reaches_all_heads(offline, &offline->args.rows_after, &all, err);
    const Script **scripts = ARENA_ARRAY(offline->context->arena, const Script *, count + 1);
    for (size_t i = 0; i < count; i++)
        scripts[i] = graph_repeatable_at(offline->map, i);
    offline->args.repeatables = scripts;
    offline->args.repeatable_count = code == ERR_OK && all ? count : 0;
    *ret_scripts = scripts;
    return code;
}

static ErrCode take_steps(Offline *offline, GraphSteps *steps, bool up, Error *err)
{
    const Script **repeatables = NULL;
    offline->args.rows_after = steps->rows_after;
    ErrCode code = up ? add_repeatables(offline, &repeatables, err) : ERR_OK;
    if (code == ERR_OK)
        code = bind_all(offline, steps, repeatables, err);
    if (code != ERR_OK)
        return code;
    offline->args.steps = steps->items;
    offline->args.step_count = steps->count;
    if (steps->warning != NULL)
        note(offline->context, "%s", steps->warning);
    warn_unknown(offline);
    return ERR_OK;
}

/* --- printing --------------------------------------------------------------------------------- */

static const char *rows_text(const Offline *offline, const StrList *rows)
{
    return rows->count == 0 ? "base" : strlist_join(offline->context->arena, rows, ", ");
}

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

/* The whole script, once it is known to be right. */
static ErrCode print_script(Offline *offline, Error *err)
{
    AUTO_STR Str out = {0};
    ErrCode code = offline_check(&offline->args, err);
    if (code != ERR_OK)
        return code;
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
    ErrCode code = read_options(context, &offline->args, err);
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
    offline.args.title = arena_printf(
        context->arena, "%s from %s to %s", up ? "upgrade" : "downgrade",
        rows_text(&offline, &offline.rows_before), rows_text(&offline, &offline.args.rows_after));
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
                     purge ? "any rows" : rows_text(&offline, &offline.rows_before),
                     rows_text(&offline, &offline.stamp));
    return print_script(&offline, err);
}

ErrCode offline_ensure_version(CommandContext *context, Error *err)
{
    Offline offline = {.context = context};
    ErrCode code = read_options(context, &offline.args, err);
    offline.args.title = "ensure-version";
    return code == ERR_OK ? print_script(&offline, err) : code;
}
