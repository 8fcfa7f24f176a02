/*
 * Plans that restore: each shard's record names one backup, by path and digest, as its agent has
 * reported it. They are approved and started like any other; no policy makes one by itself.
 */
#include "planning_parts.h"

#include <string.h>

static ErrCode refuse_shard(const FleetShard *shard, ErrCode code, const char *why, Error *err)
{
    return err_set(err, code, "shard %s %s", shard->name, why);
}

/* Where the shard stands now, and whether that is this rollout's doing. What it has not changed is
 * not wanted, unless it was named. */
static ErrCode check_standing(Planning *planning, const RolloutEntry *of, const PlanShard *planned,
                              const FleetShard *now, bool *ret_wanted, Error *err)
{
    const RestoreChoice *choice = planning->restore;
    size_t steps;
    *ret_wanted = true;
    if (choice->only == NULL && strlist_equal(&now->rows, &planned->rows_before))
        *ret_wanted = false;
    if (choice->accept_data_loss || !*ret_wanted)
        return ERR_OK;
    ErrCode code = planning_steps_done(planning, of, planned, &now->rows, &steps, err);
    if (code != ERR_OK || steps > 0 || strlist_equal(&now->rows, &planned->rows_before))
        return code;
    refuse_shard(now, ERR_OVERTAKEN, "was moved by something else since that rollout", err);
    err_detail(err, "its rows are {%s}", strlist_join(planning->arena, &now->rows, ", "));
    err_hint(err, "A plan made with --accept-data-loss restores it all the same.");
    return ERR_OVERTAKEN;
}

static ErrCode refuse_elsewhere(const FleetShard *now, const char *agent, Error *err)
{
    refuse_shard(now, ERR_REFUSED, "is another agent's now than the one that has its backup", err);
    err_detail(err, "the backup is with agent %s", agent);
    return ERR_REFUSED;
}

static ErrCode check_backup(const RolloutEntry *of, const PlanShard *planned, const FleetShard *now,
                            const BackupInfo *backup, Error *err)
{
    if (backup == NULL || backup->path[0] == '\0') {
        refuse_shard(now, ERR_NOT_FOUND, "has no backup of that rollout", err);
        err_detail(err, "rollout %s made none of it", of->header.name);
        return ERR_NOT_FOUND;
    }
    if (strcmp(now->agent, planned->agent) != 0)
        return refuse_elsewhere(now, planned->agent, err);
    return ERR_OK;
}

static ErrCode restore_shard(Planning *planning, const RolloutEntry *of, uint32_t index,
                             PlanShard *out, bool *ret_wanted, Error *err)
{
    const Coordinator *coordinator = planning->coordinator;
    const RestoreChoice *choice = planning->restore;
    const PlanShard *planned = &of->shards[index];
    const FleetShard *now = inventory_find(coordinator->inventory, &planned->uuid);
    RolloutShardView view;
    *ret_wanted = false;
    rollout_shard(of->core, index, &view);
    bool named = choice->only != NULL && uuid_equal(&choice->only->uuid, &planned->uuid);
    if ((choice->only != NULL && !named) || view.generation == 0 || (view.rolled_back && !named))
        return ERR_OK;
    const char *name =
        shard_display_name(planning->arena, planned->cluster, planned->database, planned->schema);
    ShardBarrier barrier =
        now == NULL ? SHARD_BARRIER_UNLISTED : standing_barrier(coordinator, now);
    if (barrier != SHARD_BARRIER_NONE) {
        const char *reason = standing_reason(coordinator, planning->arena, now, barrier);
        if (named)
            return err_set(err, ERR_REFUSED, "shard %s can't be restored now: %s", name, reason);
        planning_leave_out(planning, name, reason);
        return ERR_OK;
    }
    bool wanted;
    ErrCode code = check_standing(planning, of, planned, now, &wanted, err);
    if (code == ERR_OK && wanted)
        code = check_backup(of, planned, now, view.backup, err);
    if (code != ERR_OK || !wanted)
        return code;
    *out = planning_shard_of(now);
    out->rows_after = planned->rows_before;
    out->restore = (RestoreFrom){.path = view.backup->path,
                                 .sha256 = view.backup->sha256,
                                 .size_bytes = view.backup->size_bytes};
    *ret_wanted = true;
    return ERR_OK;
}

/* What was there before is kept, so no backup of it is made. `of`: whose policy it goes by. */
static void fill_header(Planning *planning, const RolloutEntry *of, const char *author)
{
    PlanHeader *header = &planning->header;
    header->name = arena_printf(planning->arena, "%.55s-restore", of->header.name);
    header->author = author;
    header->direction = DIRECTION_RESTORE;
    header->target = arena_printf(planning->arena, "before %s", of->header.name);
    header->rollback_of = of->header.rollout_id;
    header->notes.select =
        planning->restore->only == NULL
            ? arena_printf(planning->arena, "what %s has changed", of->header.name)
            : planning->restore->only->name;
    header->notes.order = "reverse";
    header->accept_data_loss = planning->restore->accept_data_loss;
    header->policy = of->header.policy;
    header->policy.on_shard_failure = ON_SHARD_FAILURE_STAY;
    header->policy.on_failure = ON_FAILURE_PAUSE;
    header->policy.backup = (BackupPolicy){.method = BACKUP_METHOD_NONE, .command = ""};
    planning->result.budget_fleet = of->header.policy.budget_fleet;
}

ErrCode planning_make_restore(Coordinator *coordinator, const RolloutEntry *of,
                              const RestoreChoice *choice, const char *author, Arena *arena,
                              PlanSummary *ret_summary, Error *err)
{
    Planning planning = {.coordinator = coordinator, .arena = arena, .restore = choice};
    ErrCode code = planning_check_over(of, err);
    if (code != ERR_OK)
        return code;
    fill_header(&planning, of, author);
    code = planning_open_bundle(&planning, &of->bundle_blob, err);
    if (code == ERR_OK)
        code = planning_take_waves(&planning, of, restore_shard, err);
    if (code == ERR_OK && planning.result.shard_count == 0)
        code = err_set(err, ERR_EMPTY_SELECTION,
                       "rollout %s has changed no shard that could be restored", of->header.name);
    return code == ERR_OK ? planning_finish(&planning, ret_summary, err) : code;
}

/* --- one shard -------------------------------------------------------------------------------- */

static ErrCode find_shard(const Coordinator *coordinator, const char *name,
                          const FleetShard **ret_shard, Error *err)
{
    Uuid uuid;
    bool is_uuid = uuid_parse(name, &uuid);
    for (size_t i = 0; i < inventory_shard_count(coordinator->inventory); i++) {
        const FleetShard *shard = inventory_shard_at(coordinator->inventory, i);
        if (is_uuid ? uuid_equal(&shard->uuid, &uuid) : strcmp(shard->name, name) == 0) {
            *ret_shard = shard;
            return ERR_OK;
        }
    }
    err_set(err, ERR_NOT_FOUND, "the fleet has no shard %.200s", name);
    err_hint(err, "`pgtide fleet shards` lists them.");
    return ERR_NOT_FOUND;
}

/* "<shard uuid>/<operation>.dump" */
static bool is_operation(const BackupInfo *backup, const char *operation)
{
    if (backup == NULL || backup->path[0] == '\0')
        return false;
    const char *slash = strrchr(backup->path, '/');
    size_t length = strlen(operation);
    return length == 0 || (slash != NULL && strncmp(slash + 1, operation, length) == 0 &&
                           slash[1 + length] == '.');
}

static bool has_backup(const RolloutEntry *entry, const Uuid *shard, const char *operation)
{
    for (uint32_t i = 0; entry->started && i < entry->header.shard_count; i++) {
        RolloutShardView view;
        if (!uuid_equal(&entry->shards[i].uuid, shard))
            continue;
        rollout_shard(entry->core, i, &view);
        return is_operation(view.backup, operation);
    }
    return false;
}

/* The newest whole one of that name ('' = of any) that its agent has listed. */
static const FleetBackup *find_listed(const Coordinator *coordinator, const FleetShard *shard,
                                      const char *operation)
{
    Backups *backups = coordinator->backups;
    for (size_t i = backups_count(backups); i-- > 0;) {
        const FleetBackup *backup = backups_at(backups, i);
        if (uuid_equal(&backup->entry.shard, &shard->uuid) && backup->entry.damage[0] == '\0' &&
            is_operation(&backup->entry.info, operation))
            return backup;
    }
    return NULL;
}

/* Whose policy and bundle a plan can have that no rollout of the journal made the backup for: the
 * rollout that made it, or else the newest that had the shard. */
static const RolloutEntry *find_carrier(const Coordinator *coordinator, const FleetBackup *backup)
{
    const RolloutEntry *maker = rollouts_find_id(coordinator->rollouts, &backup->entry.rollout_id);
    if (maker != NULL && maker->started)
        return maker;
    for (size_t i = rollouts_count(coordinator->rollouts); i-- > 0;) {
        const RolloutEntry *entry = rollouts_at(coordinator->rollouts, i);
        for (uint32_t k = 0; entry->started && k < entry->header.shard_count; k++)
            if (uuid_equal(&entry->shards[k].uuid, &backup->entry.shard))
                return entry;
    }
    return NULL;
}

/* A plan of one shard. Whether the shard was written since, its agent finds out. */
static ErrCode take_listed(Planning *planning, const FleetBackup *backup, Error *err)
{
    const FleetShard *shard = planning->restore->only;
    const BackupEntry *entry = &backup->entry;
    PlannerResult *result = &planning->result;
    ShardBarrier barrier = standing_barrier(planning->coordinator, shard);
    if (barrier != SHARD_BARRIER_NONE)
        return err_set(err, ERR_REFUSED, "shard %s can't be restored now: %s", shard->name,
                       standing_reason(planning->coordinator, planning->arena, shard, barrier));
    if (strcmp(shard->agent, backup->agent) != 0)
        return refuse_elsewhere(shard, backup->agent, err);
    result->shards = ARENA_NEW(planning->arena, PlanShard);
    result->shards[0] = planning_shard_of(shard);
    result->shards[0].rows_after = strlist_copy(planning->arena, &entry->rows);
    result->shards[0].restore =
        (RestoreFrom){.path = arena_strdup(planning->arena, entry->info.path),
                      .sha256 = entry->info.sha256,
                      .size_bytes = entry->info.size_bytes};
    result->shard_count = 1;
    result->waves = ARENA_NEW(planning->arena, WavePlan);
    result->waves[0] = (WavePlan){.name = "the shard", .shard_count = 1};
    result->wave_count = 1;
    return ERR_OK;
}

static ErrCode make_from_listed(Coordinator *coordinator, const FleetBackup *backup,
                                const RestoreChoice *choice, const char *author, Arena *arena,
                                PlanSummary *ret_summary, Error *err)
{
    Planning planning = {.coordinator = coordinator, .arena = arena, .restore = choice};
    const RolloutEntry *carrier = find_carrier(coordinator, backup);
    char operation[OPERATION_TEXT_SIZE];
    if (carrier == NULL) {
        err_set(err, ERR_NOT_FOUND, "no rollout of this coordinator has had shard %.200s",
                choice->only->name);
        err_hint(err,
                 "A restore goes by a rollout's policy and bundle: run one that has the shard, "
                 "or restore it by hand (docs/operations.md).");
        return ERR_NOT_FOUND;
    }
    fill_header(&planning, carrier, author);
    operation_format(&backup->entry.operation, operation);
    planning.header.target = arena_printf(arena, "backup %s", operation);
    planning.header.rollback_of = backup->entry.rollout_id;
    ErrCode code = planning_open_bundle(&planning, &carrier->bundle_blob, err);
    if (code == ERR_OK)
        code = take_listed(&planning, backup, err);
    return code == ERR_OK ? planning_finish(&planning, ret_summary, err) : code;
}

ErrCode planning_make_restore_one(Coordinator *coordinator, const char *shard,
                                  const char *operation, bool accept_data_loss, const char *author,
                                  Arena *arena, PlanSummary *ret_summary, Error *err)
{
    RestoreChoice choice = {.accept_data_loss = accept_data_loss};
    ErrCode code = find_shard(coordinator, shard, &choice.only, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = rollouts_count(coordinator->rollouts); i-- > 0;) {
        const RolloutEntry *entry = rollouts_at(coordinator->rollouts, i);
        if (has_backup(entry, &choice.only->uuid, operation))
            return planning_make_restore(coordinator, entry, &choice, author, arena, ret_summary,
                                         err);
    }
    const FleetBackup *listed = find_listed(coordinator, choice.only, operation);
    if (listed != NULL)
        return make_from_listed(coordinator, listed, &choice, author, arena, ret_summary, err);
    err_set(err, ERR_NOT_FOUND, "no rollout and no agent knows of %s of shard %.200s",
            operation[0] == '\0' ? "a backup" : "that backup", choice.only->name);
    err_hint(err, "`pgtide backup list` shows those that the agents have.");
    return ERR_NOT_FOUND;
}
