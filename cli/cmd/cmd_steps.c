#include "command.h"
#include "project.h"

#include <string.h>

static const CommandOption options[] = {
    {"from", 0, "ROW[,ROW]", "the version rows to begin with (default: none)"},
    {"purge", 0, NULL, "stamp: forget the rows first"},
    {0},
};

static StrList rows_read(CommandContext *context)
{
    StrList rows = {0};
    StrList given = context_options(context, "from");
    for (size_t i = 0; i < given.count; i++) {
        char *rest = arena_strdup(context->arena, given.items[i]);
        char *row;
        while ((row = strsep(&rest, ",")) != NULL) {
            if (row[0] != '\0' && strcmp(row, "base") != 0 && !strlist_has(&rows, row))
                strlist_add(context->arena, &rows, row);
        }
    }
    strlist_sort(&rows);
    return rows;
}

static ErrCode steps_compute(CommandContext *context, const RevisionMap *map, GraphSteps *ret_steps,
                             Error *err)
{
    const char *what = context_argument(context, 0);
    const char *target = context_argument(context, 1);
    StrList rows = rows_read(context);
    if (strcmp(what, "upgrade") == 0)
        return graph_upgrade(context->arena, map, &rows, target, ret_steps, err);
    if (strcmp(what, "downgrade") == 0)
        return graph_downgrade(context->arena, map, &rows, target, ret_steps, err);
    if (strcmp(what, "stamp") != 0) {
        err_set(err, ERR_USAGE, "steps of what? '%s' is none of upgrade, downgrade, stamp", what);
        return ERR_USAGE;
    }
    StrList targets = {0};
    for (size_t i = 1; i < context->arguments.count; i++)
        strlist_add(context->arena, &targets, context->arguments.items[i]);
    *ret_steps = (GraphSteps){0};
    return graph_stamp(context->arena, map, &rows, &targets, context_has(context, "purge"),
                       &ret_steps->rows_after, err);
}

static ErrCode run(CommandContext *context, Error *err)
{
    Project project;
    RevisionMap *map;
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    GraphSteps steps;
    if (code == ERR_OK)
        code = steps_compute(context, map, &steps, err);
    if (code != ERR_OK)
        return code;
    if (steps.warning != NULL)
        note(context, "%s", steps.warning);
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_array(&json, "steps");
    for (size_t i = 0; i < steps.count; i++) {
        const char *direction = direction_name(steps.items[i].direction);
        json_array_begin(&json);
        json_text(&json, direction);
        json_text(&json, steps.items[i].revision);
        json_array_end(&json);
        const char *phase = script_phase_name(steps.items[i].script->phase);
        say(context, "%s %s%s%s%s", direction, steps.items[i].revision,
            phase[0] == '\0' ? "" : " (", phase, phase[0] == '\0' ? "" : ")");
    }
    json_array_end(&json);
    json_field_strings(&json, "rows", &steps.rows_after);
    json_object_end(&json);
    say(context, "rows: %s",
        steps.rows_after.count == 0 ? "(none)"
                                    : strlist_join(context->arena, &steps.rows_after, ", "));
    return ERR_OK;
}

const CliCommand cmd_steps = {
    .words = "steps",
    .arguments = "upgrade|downgrade|stamp TARGET",
    .arguments_min = 2,
    .arguments_max = 65,
    .summary = "print which steps lead to a target, without a database",
    .options = options,
    .run = run,
};
