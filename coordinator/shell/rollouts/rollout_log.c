#include "rollout_log.h"

#include "named_limits.h"
#include "rollout.h"

#include <stdlib.h>

static const char *some_shards(Arena *arena, const char *verb, const PlanShard *shards,
                               const RolloutRecord *record)
{
    if (record->shard_count == 0)
        return verb;
    const PlanShard *first = &shards[record->shards[0].index];
    const char *name = shard_display_name(arena, first->cluster, first->database, first->schema);
    return record->shard_count == 1
               ? arena_printf(arena, "%s %s", verb, name)
               : arena_printf(arena, "%s %s and %zu more", verb, name, record->shard_count - 1);
}

/* NULL: nothing that anybody did. */
static const char *words_of(Arena *arena, const Rollout *core, const PlanHeader *header,
                            const PlanShard *shards, const RolloutRecord *record)
{
    bool by_somebody = record->who != NULL && record->who[0] != '\0';
    switch (record->kind) {
    case ROLLOUT_RECORD_STARTED:
        return "started";
    case ROLLOUT_RECORD_ABORT_DECIDED:
        return "aborted";
    case ROLLOUT_RECORD_STOP_DECIDED:
        return "stopped";
    case ROLLOUT_RECORD_STATE:
        return record->state == ROLLOUT_RUNNING ? "resumed" : rollout_state_name(record->state);
    case ROLLOUT_RECORD_RETRIED:
        return some_shards(arena, "retried", shards, record);
    case ROLLOUT_RECORD_SKIPPED:
        return some_shards(arena, "skipped", shards, record);
    case ROLLOUT_RECORD_SET:
        return arena_printf(
            arena, "set %s=%s", rollout_setting_name(arena, core, (RolloutSetting)record->setting),
            rollout_setting_value(arena, (RolloutSetting)record->setting, record->value));
    case ROLLOUT_RECORD_GATE_PASSED:
        if (!by_somebody || record->value >= header->gate_count)
            return NULL;
        return arena_printf(arena, "passed gate %s of wave %u", header->gates[record->value].name,
                            record->wave + 1);
    default:
        return NULL;
    }
}

void rollout_log_note(RolloutLog *log, Arena *arena, const Rollout *core, const PlanHeader *header,
                      const PlanShard *shards, const RolloutRecord *record)
{
    if (log->count == LIMIT_ROLLOUT_DEEDS) {
        log->untold++;
        return;
    }
    const char *what = words_of(arena, core, header, shards, record);
    if (what == NULL)
        return;
    if (log->count == log->capacity) {
        log->capacity = log->capacity == 0 ? 8 : log->capacity * 2;
        log->items = xrealloc(log->items, log->capacity * sizeof *log->items);
    }
    log->items[log->count++] =
        (Deed){.at_unix_ms = record->at_unix_ms,
               .who = arena_strdup(arena, record->who == NULL ? "" : record->who),
               .what = what,
               .reason = arena_strdup(arena, record->reason == NULL ? "" : record->reason)};
}

void rollout_log_free(RolloutLog *log)
{
    free(log->items);
}
