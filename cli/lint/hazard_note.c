#include "hazard_note.h"

#include "bundle.h"
#include "hazard.h"

const char *hazard_note(Arena *arena, const Script *script)
{
    HazardList hazards = hazards_find(arena, &script->upgrade.statements);
    const Hazard *first = NULL;
    size_t more = 0;
    bool writable = false;
    for (size_t i = 0; i < hazards.count && script->kind == SCRIPT_REVISION; i++) {
        const Hazard *hazard = &hazards.items[i];
        if (hazard_is_meant(script, hazard))
            continue;
        writable = writable || hazard_info(hazard->form)->help != HAZARD_HELP_ADVICE;
        more += first != NULL;
        first = first == NULL ? hazard : first;
    }
    if (first == NULL)
        return NULL;
    const HazardInfo *info = hazard_info(first->form);
    const char *rest = more == 0 ? "" : arena_printf(arena, " (and %zu more)", more);
    const char *way =
        writable ? arena_printf(arena, "`pgtide revision --safe %s` writes it safe", script->id)
                 : arena_printf(arena, "safe: %s", info->safe);
    return arena_printf(arena, "%s, line %d: %s, under %s: %s%s; %s", script->id,
                        first->statement->line, first->what, info->lock, info->why, rest, way);
}

void hazard_notes_plan(CommandContext *context, const Trust *trust, const uint8_t *bundle,
                       size_t length, const PlanShard *shards, size_t count)
{
    Bundle opened;
    Error err;
    StrList told = {0};
    if (bundle_open(context->arena, bundle, length, trust, &opened, &err) != ERR_OK)
        return; /* the coordinator has made a plan of it; only these notes are lost */
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < shards[i].steps.count; k++) {
            const char *revision = shards[i].steps.items[k];
            const Script *script = graph_find(opened.map, revision);
            if (script == NULL || strlist_has(&told, revision))
                continue;
            strlist_add(context->arena, &told, revision);
            const char *text = hazard_note(context->arena, script);
            if (text != NULL)
                note(context, "%s", text);
        }
    }
}
