#include "run_plan.h"

#include "placeholder.h"

#include <stdlib.h>
#include <string.h>

static const char digest_prefix[] = "t1:";

AppliedList run_applied_copy(Arena *arena, const DatabaseReading *reading)
{
    AppliedRevision *items = ARENA_ARRAY(arena, AppliedRevision, reading->applied_count + 1);
    for (size_t i = 0; i < reading->applied_count; i++) {
        items[i] = reading->applied[i];
        items[i].revision = arena_strdup(arena, items[i].revision);
        items[i].token_digest = arena_strdup(arena, items[i].token_digest);
    }
    return (AppliedList){.items = items, .count = reading->applied_count};
}

static int compare_applied(const void *key, const void *item)
{
    return strcmp(key, ((const AppliedRevision *)item)->revision);
}

/* The digest it was applied with; NULL when there is none to compare. */
static const char *applied_digest(const AppliedList *applied, const char *revision)
{
    const AppliedRevision *found = applied->count == 0
                                       ? NULL
                                       : bsearch(revision, applied->items, applied->count,
                                                 sizeof *applied->items, compare_applied);
    return found == NULL || found->token_digest == NULL || found->token_digest[0] == '\0'
               ? NULL
               : found->token_digest;
}

static StrList known_rows(Arena *arena, const RevisionMap *map, const StrList *rows)
{
    StrList known = {0};
    for (size_t i = 0; i < rows->count; i++) {
        if (graph_find(map, rows->items[i]) != NULL)
            strlist_add(arena, &known, rows->items[i]);
    }
    return known;
}

/* An upgrade from nothing may have gone by the revision's baseline. */
static bool is_as_applied(const RevisionMap *map, const Script *script, const char *digest)
{
    const Script *baseline = graph_baseline(map, script->id);
    return strcmp(digest, script->token_digest) == 0 ||
           (baseline != NULL && strcmp(digest, baseline->token_digest) == 0);
}

ChangedList run_plan_changed(Arena *arena, const RevisionMap *map, const StrList *rows,
                             const AppliedList *applied)
{
    ChangedList list = {0};
    StrList known = known_rows(arena, map, rows);
    StrList all;
    if (graph_applied(arena, map, &known, &all, NULL) != ERR_OK)
        return list;
    list.items = ARENA_ARRAY(arena, ChangedRevision, all.count + 1);
    for (size_t i = 0; i < all.count; i++) {
        const char *digest = applied_digest(applied, all.items[i]);
        const Script *script = graph_find(map, all.items[i]);
        if (digest == NULL || script == NULL || is_as_applied(map, script, digest))
            continue;
        list.items[list.count++] = (ChangedRevision){
            .revision = script->id,
            .file = script->file,
            .comparable = str_starts_with(digest, digest_prefix),
        };
    }
    return list;
}

static bool is_due(const AppliedList *applied, const Script *script)
{
    const char *digest = applied_digest(applied, script->id);
    return digest == NULL || strcmp(digest, script->token_digest) != 0;
}

StrList run_plan_due(Arena *arena, const RevisionMap *map, const AppliedList *applied)
{
    StrList due = {0};
    for (size_t i = 0; i < graph_repeatable_count(map); i++) {
        const Script *script = graph_repeatable_at(map, i);
        if (is_due(applied, script))
            strlist_add(arena, &due, script->id);
    }
    return due;
}

bool run_plan_all_heads(Arena *arena, const RevisionMap *map, const StrList *rows)
{
    StrList all;
    StrList heads = graph_heads(arena, map);
    if (graph_applied(arena, map, rows, &all, NULL) != ERR_OK)
        return false;
    for (size_t i = 0; i < heads.count; i++) {
        if (!strlist_has(&all, heads.items[i]))
            return false;
    }
    return true;
}

void run_plan_add_due(Arena *arena, const RevisionMap *map, const AppliedList *applied,
                      RunPlan *plan)
{
    GraphSteps *steps = &plan->steps;
    size_t most = steps->count + graph_repeatable_count(map);
    if (most == steps->count || !run_plan_all_heads(arena, map, &steps->rows_after))
        return;
    GraphStep *items = ARENA_ARRAY(arena, GraphStep, most);
    if (steps->count > 0)
        memcpy(items, steps->items, steps->count * sizeof *items);
    for (size_t i = 0; i < graph_repeatable_count(map); i++) {
        const Script *script = graph_repeatable_at(map, i);
        if (!is_due(applied, script))
            continue;
        items[steps->count++] = (GraphStep){
            .revision = script->id,
            .script = script,
            .direction = DIRECTION_UPGRADE,
            .rows_before = steps->rows_after,
            .rows_after = steps->rows_after,
        };
    }
    steps->items = items;
}

ErrCode run_plan_bind(Arena *arena, GraphSteps *steps, size_t from, const StrList *assignments,
                      Error *err)
{
    for (size_t i = from; i < steps->count; i++) {
        ErrCode code =
            script_bind(arena, steps->items[i].script, assignments, &steps->items[i].script, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

StrList run_plan_unknown_names(Arena *arena, const RevisionMap *map, const StrList *assignments)
{
    size_t most = 2 * graph_count(map) + graph_repeatable_count(map);
    const Script **scripts = ARENA_ARRAY(arena, const Script *, most + 1);
    size_t count = 0;
    for (size_t i = 0; i < graph_count(map); i++) {
        scripts[count++] = graph_script_at(map, i);
        const Script *baseline = graph_baseline(map, scripts[count - 1]->id);
        if (baseline != NULL)
            scripts[count++] = baseline;
    }
    for (size_t i = 0; i < graph_repeatable_count(map); i++)
        scripts[count++] = graph_repeatable_at(map, i);
    return placeholders_unknown(arena, scripts, count, assignments);
}

ErrCode run_plan_check(const RunPlan *plan, bool single_transaction, Error *err)
{
    for (size_t i = 0; i < plan->steps.count; i++) {
        const GraphStep *step = &plan->steps.items[i];
        ErrCode code = shard_step_check(step->script, step->direction, true, err);
        if (code != ERR_OK)
            return code;
        if (!single_transaction || step->script->transactional)
            continue;
        err_set(err, ERR_USAGE, "--single-transaction: %s is `transaction: none`", step->revision);
        err_at(err, step->script->file, 0);
        err_hint(err, "Leave the option out, or upgrade to the revision before it first.");
        return ERR_USAGE;
    }
    return ERR_OK;
}

uint32_t run_plan_id_width(const RunPlan *plan)
{
    size_t width = 0;
    for (size_t i = 0; i <= plan->steps.count; i++) {
        const StrList *rows =
            i < plan->steps.count ? &plan->steps.items[i].rows_after : &plan->steps.rows_after;
        for (size_t row = 0; row < rows->count; row++) {
            size_t length = strlen(rows->items[row]);
            width = length > width ? length : width;
        }
    }
    return (uint32_t)width;
}
