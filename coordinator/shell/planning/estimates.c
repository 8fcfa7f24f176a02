#include "estimates.h"

#include "names.h"
#include "uuid_map.h"

#include <stdlib.h>

typedef struct Mean {
    double sum_ms;
    double count;
} Mean;

typedef struct LastBackup {
    double of_bytes; /* the shard's size then */
    double bytes;
} LastBackup;

struct Estimates {
    Names *revisions;
    Mean *steps; /* by the revision's number */
    size_t step_capacity;
    UuidMap *shards;
    LastBackup *last; /* by the shard's number */
    size_t last_count;
    size_t last_capacity;
    double backed_up_bytes; /* of shards, whose backups took so long and became so large */
    double backup_bytes;
    double backup_ms;
};

static void add_steps(Estimates *estimates, const StrList *steps, uint64_t took_ms)
{
    for (size_t i = 0; i < steps->count; i++) {
        uint32_t number = names_add(estimates->revisions, steps->items[i], "");
        if (number >= estimates->step_capacity) {
            size_t capacity = estimates->step_capacity == 0 ? 64 : estimates->step_capacity * 2;
            estimates->steps = xrealloc(estimates->steps, capacity * sizeof *estimates->steps);
            for (size_t k = estimates->step_capacity; k < capacity; k++)
                estimates->steps[k] = (Mean){0, 0};
            estimates->step_capacity = capacity;
        }
        estimates->steps[number].sum_ms += (double)took_ms / (double)steps->count;
        estimates->steps[number].count++;
    }
}

static void add_backup(Estimates *estimates, const PlanShard *plan, const BackupInfo *backup)
{
    if (plan->size_bytes == 0 || backup->path[0] == '\0' || backup->size_bytes == 0)
        return;
    estimates->backed_up_bytes += (double)plan->size_bytes;
    estimates->backup_bytes += (double)backup->size_bytes;
    estimates->backup_ms += (double)backup->duration_ms;
    LastBackup last = {(double)plan->size_bytes, (double)backup->size_bytes};
    uint64_t number;
    if (uuid_map_get(estimates->shards, &plan->uuid, &number)) {
        estimates->last[number] = last;
        return;
    }
    if (estimates->last_count == estimates->last_capacity) {
        estimates->last_capacity =
            estimates->last_capacity == 0 ? 64 : estimates->last_capacity * 2;
        estimates->last =
            xrealloc(estimates->last, estimates->last_capacity * sizeof *estimates->last);
    }
    uuid_map_put(estimates->shards, &plan->uuid, estimates->last_count);
    estimates->last[estimates->last_count++] = last;
}

static void add_shard(Estimates *estimates, const RolloutEntry *entry, uint32_t index,
                      Direction direction)
{
    RolloutShardView view;
    rollout_shard(entry->core, index, &view);
    uint64_t backup_ms = 0;
    if (view.backup != NULL) {
        backup_ms = view.backup->duration_ms;
        add_backup(estimates, view.plan, view.backup);
    }
    bool whole = view.outcome == OUTCOME_SUCCEEDED && view.direction == direction &&
                 entry->header.direction == direction && view.attempt <= 1;
    if (whole && view.duration_ms >= backup_ms)
        add_steps(estimates, &view.plan->steps, view.duration_ms - backup_ms);
}

Estimates *estimates_new(const Rollouts *rollouts, Direction direction)
{
    Estimates *estimates = xcalloc(1, sizeof *estimates);
    estimates->revisions = names_new();
    estimates->shards = uuid_map_new();
    for (size_t i = 0; i < rollouts_count(rollouts); i++) {
        const RolloutEntry *entry = rollouts_at(rollouts, i);
        for (uint32_t k = 0; entry->started && k < entry->header.shard_count; k++)
            add_shard(estimates, entry, k, direction);
    }
    return estimates;
}

void estimates_free(Estimates *estimates)
{
    if (estimates == NULL)
        return;
    names_free(estimates->revisions);
    uuid_map_free(estimates->shards);
    free(estimates->steps);
    free(estimates->last);
    free(estimates);
}

/* False: one of them was never seen. */
static bool steps_ms(const Estimates *estimates, const StrList *steps, double *ret_ms)
{
    double sum = 0;
    for (size_t i = 0; i < steps->count; i++) {
        uint32_t number = names_find(estimates->revisions, steps->items[i], "");
        if (number == NAMES_NONE)
            return false;
        sum += estimates->steps[number].sum_ms / estimates->steps[number].count;
    }
    *ret_ms = sum;
    return true;
}

static double backup_bytes(const Estimates *estimates, const PlanShard *shard)
{
    double size = (double)shard->size_bytes;
    uint64_t number;
    if (uuid_map_get(estimates->shards, &shard->uuid, &number))
        return size * estimates->last[number].bytes / estimates->last[number].of_bytes;
    if (estimates->backed_up_bytes > 0)
        return size * estimates->backup_bytes / estimates->backed_up_bytes;
    return size;
}

void estimates_fill(const Estimates *estimates, const BackupPolicy *backup, PlanShard *shard)
{
    bool backs_up = backup->method != BACKUP_METHOD_NONE;
    double took_ms;
    shard->backup_bytes = backs_up ? (uint64_t)backup_bytes(estimates, shard) : 0;
    shard->estimated_ms = 0;
    if ((backs_up && estimates->backed_up_bytes <= 0) ||
        !steps_ms(estimates, &shard->steps, &took_ms))
        return;
    if (backs_up)
        took_ms += (double)shard->size_bytes * estimates->backup_ms / estimates->backed_up_bytes;
    shard->estimated_ms = took_ms < 1 ? 1 : (uint64_t)took_ms;
}
