/* Plans that take a rollout back, by downgrades; planning_restore.c uses its parts. */
#include "planning_parts.h"

#include <string.h>

/* The rows after one more upgrade step: it replaces its parents. */
static ErrCode advance_rows(const Planning *planning, const StrList *rows, const char *revision,
                            StrList *ret_rows, Error *err)
{
    const Script *script = graph_find(planning->bundle.map, revision);
    StrList gone = {0};
    StrList out = {0};
    if (script == NULL)
        return err_set(err, ERR_REVISION_UNKNOWN, "the bundle has no revision %s", revision);
    for (size_t i = 0; i < script->parents.count; i++)
        strlist_add(planning->arena, &gone, script->parents.items[i]);
    for (size_t i = 0; i < script->depends_on.count; i++) {
        const char *id;
        ErrCode code = graph_resolve_one(planning->arena, planning->bundle.map,
                                         script->depends_on.items[i], &id, err);
        if (code != ERR_OK)
            return code;
        strlist_add(planning->arena, &gone, id);
    }
    for (size_t i = 0; i < rows->count; i++) {
        if (!strlist_has(&gone, rows->items[i]))
            strlist_add(planning->arena, &out, rows->items[i]);
    }
    strlist_add(planning->arena, &out, revision);
    strlist_sort(&out);
    *ret_rows = out;
    return ERR_OK;
}

ErrCode planning_steps_done(const Planning *planning, const RolloutEntry *of,
                            const PlanShard *shard, const StrList *rows_now, size_t *ret_steps,
                            Error *err)
{
    *ret_steps = 0;
    if (strlist_equal(rows_now, &shard->rows_after)) {
        *ret_steps = shard->steps.count;
        return ERR_OK;
    }
    if (of->header.direction != DIRECTION_UPGRADE)
        return ERR_OK;
    StrList rows = shard->rows_before;
    for (size_t i = 0; i < shard->steps.count; i++) {
        ErrCode code = advance_rows(planning, &rows, shard->steps.items[i], &rows, err);
        if (code != ERR_OK)
            return code;
        if (strlist_equal(&rows, rows_now)) {
            *ret_steps = i + 1;
            return ERR_OK;
        }
    }
    return ERR_OK;
}

static ErrCode take_back_shard(Planning *planning, const RolloutEntry *of, uint32_t index,
                               PlanShard *out, bool *ret_wanted, Error *err)
{
    const Coordinator *coordinator = planning->coordinator;
    const PlanShard *shard = &of->shards[index];
    const FleetShard *now = inventory_find(coordinator->inventory, &shard->uuid);
    RolloutShardView view;
    size_t steps = 0;
    *ret_wanted = false;
    rollout_shard(of->core, index, &view);
    if (view.generation == 0 || view.rolled_back)
        return ERR_OK;
    const char *name =
        shard_display_name(planning->arena, shard->cluster, shard->database, shard->schema);
    ShardBarrier barrier =
        now == NULL ? SHARD_BARRIER_UNLISTED : standing_barrier(coordinator, now);
    if (barrier != SHARD_BARRIER_NONE) {
        planning_leave_out(planning, name,
                           standing_reason(coordinator, planning->arena, now, barrier));
        return ERR_OK;
    }
    ErrCode code = planning_steps_done(planning, of, shard, &now->rows, &steps, err);
    if (code == ERR_OK && steps == 0 && !strlist_equal(&now->rows, &shard->rows_before))
        planning_leave_out(planning, name, "moved by something else since");
    if (code != ERR_OK || steps == 0)
        return code;
    *out = planning_shard_of(now);
    out->rows_after = shard->rows_before;
    for (size_t i = steps; i > 0; i--) {
        const char *revision = shard->steps.items[i - 1];
        if (planning->header.direction == DIRECTION_DOWNGRADE) {
            const StrList *after = i == 1 ? &shard->rows_before : &now->rows;
            const Script *script;
            code = graph_step_script(planning->bundle.map, revision, DIRECTION_DOWNGRADE,
                                     &now->rows, after, &script, err);
            if (code == ERR_OK)
                code = planning_check_reversible(script, err);
            if (code == ERR_REFUSED)
                err_hint(err, "Take it back from its backups: pgtide rollout rollback %s --restore",
                         of->header.name);
            if (code != ERR_OK)
                return code;
        }
        strlist_add(planning->arena, &out->steps, revision);
    }
    *ret_wanted = true;
    return ERR_OK;
}

ErrCode planning_take_waves(Planning *planning, const RolloutEntry *of, PlanningTake *take,
                            Error *err)
{
    PlannerResult *result = &planning->result;
    size_t waves = of->header.wave_count;
    uint32_t end = of->header.shard_count;
    result->shards = ARENA_ARRAY(planning->arena, PlanShard, end + 1);
    result->waves = ARENA_ARRAY(planning->arena, WavePlan, waves + 1);
    for (size_t w = waves; w > 0; w--) {
        const WavePlan *from = &of->header.waves[w - 1];
        uint32_t first = end - from->shard_count;
        uint32_t count = 0;
        for (uint32_t i = first; i < end; i++) {
            PlanShard *out = &result->shards[result->shard_count];
            bool wanted;
            ErrCode code = take(planning, of, i, out, &wanted, err);
            if (code != ERR_OK)
                return code;
            if (!wanted)
                continue;
            out->index = (uint32_t)result->shard_count++;
            out->wave = (uint32_t)result->wave_count;
            count++;
        }
        end = first;
        if (count == 0)
            continue;
        result->waves[result->wave_count++] =
            (WavePlan){.name = from->name, .shard_count = count, .budget = from->budget};
    }
    return ERR_OK;
}

static void rollback_header(Planning *planning, const RolloutEntry *of, const char *author)
{
    PlanHeader *header = &planning->header;
    header->name = arena_printf(planning->arena, "%.54s-rollback", of->header.name);
    header->author = author;
    header->direction =
        of->header.direction == DIRECTION_UPGRADE ? DIRECTION_DOWNGRADE : DIRECTION_UPGRADE;
    header->target = arena_printf(planning->arena, "before %s", of->header.name);
    header->rollback_of = of->header.rollout_id;
    header->notes.select = arena_printf(planning->arena, "what %s has changed", of->header.name);
    header->notes.order = "reverse";
    header->policy = of->header.policy;
    header->policy.on_shard_failure = ON_SHARD_FAILURE_STAY;
    header->policy.on_failure = ON_FAILURE_PAUSE; /* back and forth helps nobody */
    planning->result.budget_fleet = of->header.policy.budget_fleet;
}

ErrCode planning_check_over(const RolloutEntry *of, Error *err)
{
    if (of->started && !rollout_entry_is_open(of))
        return ERR_OK;
    err_set(err, ERR_STATE, "rollout %s is %s", of->header.name,
            rollout_state_name(rollout_entry_state(of)));
    err_hint(err, of->started ? "Abort it first; what it has changed can be taken back then."
                              : "It has changed nothing.");
    return ERR_STATE;
}

ErrCode planning_make_rollback(Coordinator *coordinator, const RolloutEntry *of, const char *author,
                               Arena *arena, PlanSummary *ret_summary, Error *err)
{
    Planning planning = {.coordinator = coordinator, .arena = arena};
    ErrCode code = planning_check_over(of, err);
    if (code != ERR_OK)
        return code;
    if (of->header.direction == DIRECTION_RESTORE)
        return err_set(err, ERR_REFUSED, "rollout %s has restored its shards from backups",
                       of->header.name);
    rollback_header(&planning, of, author);
    code = planning_open_bundle(&planning, &of->bundle_blob, err);
    if (code == ERR_OK)
        code = planning_take_waves(&planning, of, take_back_shard, err);
    if (code == ERR_OK && planning.result.shard_count == 0)
        code = err_set(err, ERR_EMPTY_SELECTION,
                       "no shard stands where rollout %s has left it, so nothing can be taken back",
                       of->header.name);
    if (code != ERR_OK)
        return code;
    return planning_finish(&planning, ret_summary, err);
}
