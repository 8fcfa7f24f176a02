#include "change.h"

static const HazardInfo infos[HAZARD_COUNT] = {
#define X(name, what, lock, cost, why, help, safe)                                                 \
    [HAZARD_##name] = {what, lock, why, safe, HAZARD_COST_##cost, HAZARD_HELP_##help},
#include "hazard_forms.def"
#undef X
};

const HazardInfo *hazard_info(HazardForm form)
{
    return &infos[form];
}

const char *hazard_cost_name(HazardCost cost)
{
    static const char *const names[] = {"instant", "scan", "build", "rewrite", "rows"};
    return names[cost];
}

HazardList hazards_find(Arena *arena, const StatementList *statements)
{
    HazardList list = {0};
    NewTables made = {0};
    size_t capacity = 0;
    bool block = false;
    for (size_t i = 0; i < statements->count; i++) {
        if (statement_begins_block(&statements->items[i]) ||
            statement_ends_block(&statements->items[i]))
            block = statement_begins_block(&statements->items[i]);
        Changes changes = changes_read(arena, &statements->items[i], &made);
        for (size_t k = 0; k < changes.count; k++) {
            const Change *change = &changes.items[k];
            if (change->form == HAZARD_NONE)
                continue;
            if (list.count == capacity) {
                capacity = capacity == 0 ? 8 : capacity * 2;
                list.items =
                    arena_grow(arena, list.items, list.count, capacity, sizeof *list.items);
            }
            list.items[list.count++] =
                (Hazard){change->form, changes.statement, change_describe(arena, change), block};
        }
    }
    return list;
}

bool hazard_is_meant(const Script *script, const Hazard *hazard)
{
    if (script->phase != SCRIPT_PHASE_NONE && infos[hazard->form].help == HAZARD_HELP_PHASES)
        return true;
    return !script->transactional &&
           (hazard->in_block || hazard->form == HAZARD_PRIMARY_KEY_USING_INDEX);
}

void hazards_markdown(Str *out)
{
    static const char *const helps[] = {"written", "written, in two phases", "by hand"};
    str_append(out, "| form | lock | meanwhile | what is wrong with it | the safe form | |\n"
                    "|---|---|---|---|---|---|\n");
    for (int form = HAZARD_NONE + 1; form < HAZARD_COUNT; form++) {
        const HazardInfo *info = &infos[form];
        str_printf(out, "| %s | %s | %s | %s | %s | %s |\n", info->what, info->lock,
                   hazard_cost_name(info->cost), info->why, info->safe, helps[info->help]);
    }
}
