#include "requirements.h"

#include <string.h>

static bool was_taken_back(const Coordinator *coordinator, const RolloutEntry *entry)
{
    for (size_t i = 0; i < rollouts_count(coordinator->rollouts); i++) {
        const RolloutEntry *other = rollouts_at(coordinator->rollouts, i);
        if (other->started && uuid_equal(&other->header.rollback_of, &entry->header.rollout_id))
            return true;
    }
    return false;
}

/* It has succeeded with this very bundle, and what it did was left there. */
static bool counts(const Coordinator *coordinator, const RolloutEntry *entry,
                   const PlanHeader *header, const Requirement *required)
{
    return entry->started && rollout_state(entry->core) == ROLLOUT_SUCCEEDED &&
           entry->header.direction == header->direction &&
           uuid_is_nil(&entry->header.rollback_of) &&
           digest_equal(&entry->header.bundle_digest, &header->bundle_digest) &&
           (required->rollout[0] == '\0' || strcmp(required->rollout, entry->header.name) == 0) &&
           !was_taken_back(coordinator, entry);
}

static bool has_labels(const LabelList *labels, const LabelList *wanted)
{
    for (size_t i = 0; i < wanted->count; i++) {
        const char *value = label_value(labels, wanted->items[i].key);
        if (value == NULL || strcmp(value, wanted->items[i].value) != 0)
            return false;
    }
    return true;
}

/* The rollout has brought it there, or it stands where the rollout has led others: it had nothing
 * to do. */
static bool covers(const RolloutEntry *entry, const FleetShard *shard)
{
    for (uint32_t i = 0; i < entry->header.shard_count; i++) {
        if (!strlist_equal(&shard->rows, &entry->shards[i].rows_after))
            continue;
        RolloutShardView view;
        rollout_shard(entry->core, i, &view);
        if (view.state == SHARD_CURRENT)
            return true;
    }
    return false;
}

static const char *words_of(Arena *arena, const Requirement *required)
{
    AUTO_STR Str words = {0};
    if (required->rollout[0] != '\0')
        str_printf(&words, "rollout %s", required->rollout);
    else
        str_append(&words, "a rollout");
    for (size_t i = 0; i < required->labels.count; i++)
        str_printf(&words, "%s%s=%s", i == 0 ? " on every shard with " : ", ",
                   required->labels.items[i].key, required->labels.items[i].value);
    return arena_strdup(arena, str_text(&words));
}

static bool is_covered(const Coordinator *coordinator, const PlanHeader *header,
                       const Requirement *required, const FleetShard *shard)
{
    for (size_t i = 0; i < rollouts_count(coordinator->rollouts); i++) {
        const RolloutEntry *entry = rollouts_at(coordinator->rollouts, i);
        if (counts(coordinator, entry, header, required) && covers(entry, shard))
            return true;
    }
    return false;
}

static ErrCode refuse(const Requirement *required, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    err_set(err, ERR_REFUSED, "the plan requires that %.200s has succeeded with the same bundle",
            words_of(arena, required));
    err_hint(err, "Carry that rollout out first; `pgtide rollout list` shows what has succeeded.");
    return ERR_REFUSED;
}

static ErrCode check_some(const Coordinator *coordinator, const PlanHeader *header,
                          const Requirement *required, Error *err)
{
    for (size_t i = 0; i < rollouts_count(coordinator->rollouts); i++) {
        if (counts(coordinator, rollouts_at(coordinator->rollouts, i), header, required))
            return ERR_OK;
    }
    return refuse(required, err);
}

static ErrCode check_labels(const Coordinator *coordinator, const PlanHeader *header,
                            const Requirement *required, Error *err)
{
    size_t found = 0;
    size_t missing = 0;
    const char *first = "";
    for (size_t i = 0; i < inventory_shard_count(coordinator->inventory); i++) {
        const FleetShard *shard = inventory_shard_at(coordinator->inventory, i);
        if (!has_labels(&shard->labels, &required->labels))
            continue;
        found++;
        if (is_covered(coordinator, header, required, shard))
            continue;
        first = missing++ == 0 ? shard->name : first;
    }
    if (found > 0 && missing == 0)
        return ERR_OK;
    ErrCode code = refuse(required, err);
    if (found == 0)
        err_detail(err, "no shard of the fleet has these labels");
    else
        err_detail(err, "%zu of %zu shards are missing, first %s", missing, found, first);
    return code;
}

ErrCode requirements_check(const Coordinator *coordinator, const PlanHeader *header, Error *err)
{
    for (size_t i = 0; i < header->require_count; i++) {
        const Requirement *required = &header->requires[i];
        if (required->evidence != NULL)
            continue; /* what its author has verified is in what the approvers have signed */
        ErrCode code = required->labels.count == 0
                           ? check_some(coordinator, header, required, err)
                           : check_labels(coordinator, header, required, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}
