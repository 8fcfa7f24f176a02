#include "revisions.h"

#include "placeholder.h"
#include "shard.h"

ErrCode revisions_open(CommandContext *context, Revisions *ret, Error *err)
{
    Arena *arena = context->arena;
    Revisions revisions = {.assignments = context_options(context, "set")};
    Script **scripts;
    size_t count;
    ErrCode code = project_open(arena, context->config, &revisions.project, &revisions.map, err);
    if (code == ERR_OK)
        code = project_scripts(arena, &revisions.project, &scripts, &count, err);
    if (code != ERR_OK)
        return code;
    Script **plain = ARENA_ARRAY(arena, Script *, count);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (scripts[i]->kind == SCRIPT_REVISION)
            plain[kept++] = scripts[i];
    }
    code = graph_build(arena, plain, kept, &revisions.plain, err);
    if (code != ERR_OK)
        return code;
    StrList unknown =
        placeholders_unknown(arena, (const Script *const *)scripts, count, &revisions.assignments);
    if (unknown.count > 0)
        note(context, "no revision has a placeholder %s", strlist_join(arena, &unknown, ", "));
    *ret = revisions;
    return ERR_OK;
}

/* Both directions can be run, as far as that is known without a server. */
static ErrCode check(const GraphStep *step, Error *err)
{
    ErrCode code = shard_step_check(step->script, DIRECTION_UPGRADE, true, err);
    if (code == ERR_OK && step->script->irreversible == NULL)
        code = shard_step_check(step->script, DIRECTION_DOWNGRADE, false, err);
    return code;
}

ErrCode revisions_steps(CommandContext *context, const Revisions *revisions, const char *target,
                        GraphSteps *ret_steps, Error *err)
{
    StrList none = {0};
    GraphSteps steps = {0};
    ErrCode code = graph_upgrade(context->arena, revisions->plain, &none, target, &steps, err);
    for (size_t i = 0; i < steps.count && code == ERR_OK; i++) {
        GraphStep *step = &steps.items[i];
        code =
            script_bind(context->arena, step->script, &revisions->assignments, &step->script, err);
        if (code == ERR_OK)
            code = check(step, err);
    }
    if (code == ERR_OK)
        *ret_steps = steps;
    return code;
}
