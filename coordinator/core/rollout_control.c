/*
 * What operators ask of a rollout that is at work: retry, skip and set, each a record of its own;
 * and what holds it from outside: the fleet's brake and its windows. Nothing here can make a
 * rollout that has stopped go on.
 */
#include "rollout_state.h"

enum { SHARDS_PER_RECORD = 1000 };

static ErrCode check_at_work(const Rollout *r, const char *what, bool also_back, Error *err)
{
    bool stopped = r->state == ROLLOUT_HALTED || r->state == ROLLOUT_ROLLING_BACK;
    if (r->state == ROLLOUT_RUNNING || r->state == ROLLOUT_PAUSED || (also_back && stopped))
        return ERR_OK;
    err_set(err, ERR_STATE, "in a rollout that is %s nothing can be %s",
            rollout_state_name(r->state), what);
    if (rollout_state_is_terminal(r->state) || stopped)
        err_hint(err, "Plan a new rollout for what is left.");
    return ERR_STATE;
}

static ErrCode check_shards(const Rollout *r, const RolloutCommand *command,
                            bool (*can)(const Rollout *, uint32_t), const char *what, Error *err)
{
    for (size_t i = 0; i < command->shard_count; i++) {
        uint32_t index = command->shards[i];
        if (index >= r->shard_count)
            return err_set(err, ERR_NOT_FOUND, "the plan has no shard %u", index);
        if (can(r, index))
            continue;
        const PlanShard *plan = &r->plan[index];
        const RolloutShard *shard = &r->shards[index];
        const char *is = shard->skipped ? "skipped already"
                         : shard->back  ? "being taken back, or was"
                         : shard->changed && shard->state == SHARD_PENDING
                             ? "begun"
                             : shard_state_name((ShardState)shard->state);
        err_set(err, ERR_STATE, "%s/%s%s%s can't be %s: it is %s", plan->cluster, plan->database,
                plan->schema[0] == '\0' ? "" : "/", plan->schema, what, is);
        return ERR_STATE;
    }
    return ERR_OK;
}

/* Every shard that a retry without names means. */
static size_t all_failed(const RolloutStep *step, uint32_t **ret_shards)
{
    const Rollout *r = step->rollout;
    uint32_t *shards = ARENA_ARRAY(step->effects->arena, uint32_t, r->failures + 1);
    size_t count = 0;
    for (uint32_t i = 0; i < r->shard_count && count < r->failures; i++) {
        if (r->shards[i].failed && rollout_can_retry(r, i))
            shards[count++] = i;
    }
    *ret_shards = shards;
    return count;
}

static void decide_listed(RolloutStep *step, RolloutRecordKind kind, const uint32_t *shards,
                          size_t count, const RolloutCommand *command, const char *message)
{
    for (size_t at = 0; at < count; at += SHARDS_PER_RECORD) {
        size_t part = count - at < SHARDS_PER_RECORD ? count - at : SHARDS_PER_RECORD;
        RolloutShardRecord *items = ARENA_ARRAY(step->effects->arena, RolloutShardRecord, part);
        for (size_t i = 0; i < part; i++) {
            const RolloutShard *shard = &step->rollout->shards[shards[at + i]];
            items[i] = (RolloutShardRecord){.index = shards[at + i],
                                            .generation = shard->generation,
                                            .direction = (Direction)shard->direction,
                                            .attempt = shard->attempt,
                                            .message = message};
        }
        rollout_decide(step, (RolloutRecord){.kind = kind,
                                             .wave = step->rollout->wave,
                                             .who = command->who,
                                             .reason = command->reason,
                                             .shards = items,
                                             .shard_count = part});
    }
}

ErrCode rollout_on_retry(RolloutStep *step, const RolloutCommand *command, Error *err)
{
    ErrCode code = check_at_work(step->rollout, "retried", false, err);
    if (code == ERR_OK)
        code = check_shards(step->rollout, command, rollout_can_retry, "retried", err);
    if (code != ERR_OK)
        return code;
    uint32_t *failed = NULL;
    const uint32_t *shards = command->shards;
    size_t count = command->shard_count;
    if (count == 0) {
        count = all_failed(step, &failed);
        shards = failed;
    }
    if (count == 0)
        return err_set(err, ERR_STATE, "no shard of this rollout has failed");
    decide_listed(step, ROLLOUT_RECORD_RETRIED, shards, count, command, "");
    return ERR_OK;
}

ErrCode rollout_on_skip(RolloutStep *step, const RolloutCommand *command, Error *err)
{
    ErrCode code = check_at_work(step->rollout, "skipped", false, err);
    if (code == ERR_OK && command->shard_count == 0)
        code = err_set(err, ERR_USAGE, "skip which shards?");
    if (code == ERR_OK && command->reason[0] == '\0')
        code = err_set(err, ERR_USAGE, "a shard is skipped with a reason");
    if (code == ERR_OK)
        code = check_shards(step->rollout, command, rollout_can_skip, "skipped", err);
    if (code != ERR_OK)
        return code;
    const char *message =
        arena_printf(step->effects->arena, "skipped by %s: %s", command->who, command->reason);
    decide_listed(step, ROLLOUT_RECORD_SKIPPED, command->shards, command->shard_count, command,
                  message);
    return ERR_OK;
}

ErrCode rollout_on_set(RolloutStep *step, const RolloutCommand *command, Error *err)
{
    Rollout *r = step->rollout;
    if (!rollout_setting_exists(r, command->setting))
        return err_set(err, ERR_USAGE, "no such setting");
    ErrCode code = check_at_work(r, "set", true, err);
    if (code != ERR_OK)
        return code;
    SettingRange range = rollout_setting_range(r, command->setting);
    if (command->value < range.min || command->value > range.max) {
        Arena *arena = step->effects->arena;
        uint32_t max = range.max == UINT32_MAX ? r->shard_count : range.max;
        err_set(err, ERR_REFUSED, "%s can be %s to %s",
                rollout_setting_name(arena, r, command->setting),
                rollout_setting_value(arena, command->setting, range.min),
                rollout_setting_value(arena, command->setting, max));
        err_hint(err, "What is bolder than the approved plan needs a plan of its own; to start "
                      "nothing, pause the rollout.");
        return ERR_REFUSED;
    }
    uint32_t bake_ms = rollout_wave_bake_ms(r, r->wave);
    rollout_decide(step, (RolloutRecord){.kind = ROLLOUT_RECORD_SET,
                                         .wave = r->wave,
                                         .who = command->who,
                                         .reason = command->reason,
                                         .setting = (uint32_t)command->setting,
                                         .value = command->value});
    /* A wave that bakes has begun when it has: what is left changes by the difference. */
    RolloutWave *wave = &r->waves[r->wave];
    if (r->wave_opened && wave->state == WAVE_BAKING)
        wave->bake_until_ms += (uint64_t)rollout_wave_bake_ms(r, r->wave) - bake_ms;
    return ERR_OK;
}

void rollout_on_brake(RolloutStep *step, bool braked)
{
    Rollout *r = step->rollout;
    if (r->braked == braked)
        return;
    r->braked = braked;
    step->changed = true;
    if (braked)
        rollout_begin_drain(step, false);
    else if (!rollout_is_draining(r))
        r->stop_due = false;
}

void rollout_on_window(RolloutStep *step, RolloutWindow window)
{
    Rollout *r = step->rollout;
    if (r->window == window)
        return;
    r->window = window;
    step->changed = true;
    if (window == ROLLOUT_WINDOW_CLOSED)
        rollout_begin_drain(step, true);
    else if (!rollout_is_draining(r))
        r->stop_due = false;
}
