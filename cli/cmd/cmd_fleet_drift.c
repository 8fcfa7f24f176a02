/* Which shards are what they should be, and where the others differ. */
#include "drift_client.h"

#include <stdlib.h>
#include <string.h>

enum { EXIT_DIFFERENT = 3, OBJECTS_ASKED = 20 };

/* --- telling ---------------------------------------------------------------------------------- */

static void say_plain(CommandContext *context, const char *text)
{
    say(context, "%s", plain_text(context->arena, text));
}

static void say_sql(CommandContext *context, const json_t *operation)
{
    const json_t *sql = json_object_get(operation, "sql");
    for (size_t i = 0; i < json_array_size(sql); i++) {
        const char *text = json_string_value(json_array_get(sql, i));
        for (const char *at = text; at != NULL && *at != '\0';) {
            size_t length = strcspn(at, "\n");
            bool last = at[length] == '\0';
            say_plain(context, arena_printf(context->arena, "        %.*s%s", (int)length, at,
                                            last ? ";" : ""));
            at += length + (last ? 0 : 1);
        }
    }
}

/* What has happened to it, by objects, with the SQL that would do so. */
static void say_operations(CommandContext *context, const json_t *differences)
{
    const json_t *operations = json_object_get(differences, "drift");
    for (size_t i = 0; i < json_array_size(operations); i++) {
        const json_t *operation = json_array_get(operations, i);
        const char *reason = answer_text(operation, "reason");
        say_plain(context,
                  arena_printf(context->arena, "    %s %s %s%s%s", answer_text(operation, "change"),
                               answer_text(operation, "kind"), answer_text(operation, "name"),
                               reason[0] == '\0' ? "" : ": ", reason));
        say_sql(context, operation);
    }
    int64_t untold = answer_int(differences, "drift_untold");
    if (untold > 0)
        say(context, "    and %lld more, which are not told", (long long)untold);
    int64_t cannot = answer_int(differences, "cannot");
    if (cannot > 0)
        say(context, "    the way back has %lld difference%s that SQL can't say", (long long)cannot,
            cannot == 1 ? "" : "s");
}

static const char *names_text(Arena *arena, const json_t *class)
{
    AUTO_STR Str text = {0};
    const json_t *names = json_object_get(class, "names");
    size_t shown = json_array_size(names);
    int64_t count = answer_int(class, "shards");
    for (size_t i = 0; i < shown; i++)
        str_printf(&text, "%s%s", i == 0 ? "" : ", ", json_string_value(json_array_get(names, i)));
    if (count > (int64_t)shown)
        str_printf(&text, " and %lld more", (long long)count - (long long)shown);
    return arena_strdup(arena, str_text(&text));
}

static void say_class(CommandContext *context, const json_t *class)
{
    Arena *arena = context->arena;
    const char *verdict = answer_text(class, "verdict");
    bool expected = strcmp(verdict, "expected") == 0;
    const char *what = strcmp(verdict, "unknown") == 0
                           ? answer_text(class, "why")
                           : drift_short(arena, answer_text(class, "fingerprint"));
    const char *by = answer_text(class, "accepted_by");
    say_plain(context,
              arena_printf(arena, "  %-8s %5lld  %s%s%s%s%s%s%s", verdict,
                           (long long)answer_int(class, "shards"), what, expected ? "" : ": ",
                           expected ? "" : names_text(arena, class),
                           by[0] == '\0' ? "" : "; accepted by ", by, by[0] == '\0' ? "" : ": ",
                           answer_text(class, "accepted_reason")));
}

/* Without an expectation the largest class is a guess, and only that. */
static void say_group(CommandContext *context, const json_t *group)
{
    const json_t *classes = json_object_get(group, "classes");
    say_plain(context, arena_printf(context->arena, "%s: %lld shard%s",
                                    drift_place_text(context->arena, group),
                                    (long long)answer_int(group, "shards"),
                                    answer_int(group, "shards") == 1 ? "" : "s"));
    for (size_t i = 0; i < json_array_size(classes); i++)
        say_class(context, json_array_get(classes, i));
    int64_t untold = answer_int(group, "classes_untold");
    if (untold > 0)
        say(context, "  and %lld more classes", (long long)untold);
    if (answer_text(group, "expected")[0] == '\0')
        say(context,
            "  nothing is expected here yet: pgtide drift expect, with a scratch server of "
            "PostgreSQL %lld",
            (long long)answer_int(group, "server_major"));
}

/* --- objects ---------------------------------------------------------------------------------- */

/* `name`'s differences are put to `into` under that key, or why they could not be had. */
static ErrCode ask_objects(CommandContext *context, Client *client, const char *name, json_t *into,
                           Error *err)
{
    json_t *shard = NULL;
    json_t *differences = NULL;
    Error failure;
    ErrCode code = drift_view_shard(client, name, &shard, &failure);
    if (code == ERR_OK)
        code = drift_differences(client, shard, &differences, &failure);
    json_decref(shard);
    if (code == ERR_INTERRUPTED) {
        *err = failure;
        return code;
    }
    say_plain(context, arena_printf(context->arena, "%s", name));
    if (code != ERR_OK)
        say_plain(context, arena_printf(context->arena, "    not read: %s", failure.message));
    else
        say_operations(context, differences);
    json_object_set_new(
        into, name, code == ERR_OK ? differences : json_pack("{s:s}", "error", failure.message));
    return ERR_OK;
}

/* Of the first shard of each class that has drifted. */
static ErrCode ask_classes(CommandContext *context, Client *client, const json_t *view,
                           json_t *into, Error *err)
{
    const json_t *groups = json_object_get(view, "groups");
    size_t asked = 0;
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *classes = json_object_get(json_array_get(groups, i), "classes");
        for (size_t j = 0; j < json_array_size(classes); j++) {
            const json_t *class = json_array_get(classes, j);
            if (strcmp(answer_text(class, "verdict"), "drifted") != 0)
                continue;
            if (asked++ == OBJECTS_ASKED) {
                note(context, "of %d classes objects are told; name a shard for others",
                     OBJECTS_ASKED);
                return ERR_OK;
            }
            const char *name =
                json_string_value(json_array_get(json_object_get(class, "names"), 0));
            ErrCode code = ask_objects(context, client, name, into, err);
            if (code != ERR_OK)
                return code;
        }
    }
    return ERR_OK;
}

/* --- the command ------------------------------------------------------------------------------ */

static void put(CommandContext *context, const json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    str_append(&context->json_result, text);
    free(text);
}

static ErrCode run_fleet(CommandContext *context, Client *client, Error *err)
{
    json_t *view;
    ErrCode code = drift_view(client, context_option(context, "select"), &view, err);
    if (code != ERR_OK)
        return code;
    const json_t *groups = json_object_get(view, "groups");
    for (size_t i = 0; i < json_array_size(groups); i++)
        say_group(context, json_array_get(groups, i));
    int64_t untold = answer_int(view, "groups_untold");
    if (untold > 0)
        say(context, "and %lld group%s more: --select tells of fewer shards", (long long)untold,
            untold == 1 ? "" : "s");
    const json_t *counts = json_object_get(view, "counts");
    int64_t drifted = answer_int(counts, "drifted");
    if (context_has(context, "objects")) {
        json_t *objects = json_object();
        code = ask_classes(context, client, view, objects, err);
        json_object_set_new(view, "objects", objects);
    }
    if (code == ERR_OK) {
        say(context, "%lld drifted, %lld accepted, %lld as expected, %lld unknown",
            (long long)drifted, (long long)answer_int(counts, "accepted"),
            (long long)answer_int(counts, "expected"), (long long)answer_int(counts, "unknown"));
        put(context, view);
        context->exit_status = drifted > 0 ? EXIT_DIFFERENT : 0;
    }
    json_decref(view);
    return code;
}

static ErrCode run_shard(CommandContext *context, Client *client, const char *name, Error *err)
{
    json_t *shard;
    json_t *differences;
    ErrCode code = drift_view_shard(client, name, &shard, err);
    if (code != ERR_OK)
        return code;
    const char *verdict = answer_text(shard, "verdict");
    const char *why = answer_text(shard, "why");
    say_plain(context, arena_printf(context->arena, "%s at %s: %s%s%s", answer_text(shard, "name"),
                                    drift_place_text(context->arena, shard), verdict,
                                    why[0] == '\0' ? "" : ", ", why));
    code = drift_differences(client, shard, &differences, err);
    if (code == ERR_OK) {
        bool same =
            strcmp(answer_text(differences, "fingerprint"), answer_text(shard, "expected")) == 0;
        say(context, "  it is       %s now", answer_text(differences, "fingerprint"));
        say(context, "  expected is %s", answer_text(shard, "expected"));
        say_operations(context, differences);
        if (same)
            say(context, "  there is no difference");
        context->exit_status = same || strcmp(verdict, "accepted") == 0 ? 0 : EXIT_DIFFERENT;
        json_object_set_new(shard, "differences", differences);
        put(context, shard);
    }
    json_decref(shard);
    return code;
}

static ErrCode run(CommandContext *context, Error *err)
{
    AUTO_CLIENT Client *client = NULL;
    const char *name = context_argument(context, 0);
    if (name != NULL && context_has(context, "select"))
        return err_set(err, ERR_USAGE, "a shard is named, or --select given, not both");
    ErrCode code = client_open_for(context, 90000, &client, err);
    if (code != ERR_OK)
        return code;
    return name == NULL ? run_fleet(context, client, err) : run_shard(context, client, name, err);
}

static const CommandOption options[] = {
    {"select", 0, "EXPRESSION", "only these shards, as in a rollout's select"},
    {"objects", 0, NULL, "ask one shard of each class where it differs"},
    CLIENT_OPTIONS_FOR("90s"),
    {0},
};

const CliCommand cmd_fleet_drift = {
    .words = "fleet drift",
    .arguments = "[SHARD]",
    .arguments_max = 1,
    .summary = "tell which shards' schemas are not what they should be",
    .details =
        "Shards at the same revisions, with schemas that have the same fingerprint, are one class: "
        "as expected, drifted, or accepted; or unknown, with the reason. What is expected is said "
        "by `pgtide drift expect`. Agents look now and then (fingerprint.every in agent.yaml), and "
        "after each job.\n\n"
        "With SHARD its agent reads it now, and tells the objects that differ, each with the SQL "
        "that would have made it so. Nothing is written. Role viewer.\n\n"
        "Exit status: 0 nothing has drifted; 3 something has; 2 wrong use; 6 the coordinator can't "
        "be reached.",
    .options = options,
    .run = run,
};
