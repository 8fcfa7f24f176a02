#include "exec_spec.h"

#include "clock.h"
#include "file.h"
#include "manifest.h"

#include <string.h>

/* It may have been removed since it was taken. */
static bool backup_is_there(const ExecWorld *world, const OrderPlan *plan, const BackupInfo *backup)
{
    AUTO_ARENA Arena *arena = arena_new();
    Manifest manifest;
    return file_exists(path_join(arena, world->backup_directory, backup->path)) &&
           manifest_read_beside(arena, world->backup_directory, backup->path, &manifest, NULL) ==
               ERR_OK &&
           digest_equal(&manifest.sha256, &backup->sha256) &&
           (manifest.verified_unix_ms != 0 || !plan->header.policy.backup.verify) &&
           manifest.damage[0] == '\0';
}

JobSpec exec_spec(const ExecWorld *world, const OrderPlan *plan, const OrderShard *of,
                  const ExecOrder *order)
{
    const PlanShard *shard = &of->shard;
    const PlanHeader *header = &plan->header;
    const LedgerJob *left = ledger_find_job(world->ledger, &shard->uuid);
    const BackupInfo *backup = ledger_find_backup(world->ledger, &plan->digest, &shard->uuid);
    if (backup != NULL && !backup_is_there(world, plan, backup))
        backup = NULL;
    JobSpec spec = {
        .rollout_id = header->rollout_id,
        .shard = shard->uuid,
        .index = shard->index,
        .generation = order->generation,
        .attempt = order->attempt,
        .direction = order->direction,
        .kind = of->kind,
        .plan_rows_before = shard->rows_before,
        .plan_rows_after = shard->rows_after,
        .steps = of->steps,
        .step_count = of->step_count,
        .source_rollout = of->source_rollout,
        .take_back_allowed = of->take_back_allowed,
        .take_back_within_ms = of->take_back_within_ms,
        .backup_wanted = header->policy.backup.method != BACKUP_METHOD_NONE,
        .has_backup = backup != NULL,
        .in_doubt = left != NULL && digest_equal(&left->plan_digest, &plan->digest) &&
                    left->generation == order->generation,
        .lock_attempts = header->policy.lock_attempts,
    };
    if (backup != NULL)
        spec.backup = *backup;
    memcpy(&spec.seed, shard->uuid.bytes, sizeof spec.seed);
    spec.seed ^= clock_monotonic_ms();
    return spec;
}

uint32_t exec_spec_id_width(const JobSpec *spec)
{
    size_t width = 0;
    for (size_t i = 0; i < spec->step_count; i++) {
        const StrList *rows = &spec->steps[i].rows_after;
        for (size_t k = 0; k < rows->count; k++) {
            size_t length = strlen(rows->items[k]);
            width = length > width ? length : width;
        }
    }
    return (uint32_t)width;
}
