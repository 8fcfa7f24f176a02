/*
 * What must hold when a rollout starts, and what its commands are made of.
 */
#include "coordinator.h"
#include "drifting.h"

#include "named_limits.h"
#include "phases.h"
#include "requirements.h"

#include <string.h>

enum {
    ORDER_OVERHEAD_BYTES = 64,
    COMMAND_OVERHEAD_BYTES = 4096, /* everything of a command but its orders, and its envelope */
};

/* --- approvals -------------------------------------------------------------------------------- */

const char *rollout_start_flaw(const Coordinator *coordinator, const RolloutEntry *entry,
                               const PlanApproval *given)
{
    const TrustOperator *signer = trust_find_operator(coordinator->trust, given->keyid);
    if (given->approval.verdict != VERDICT_APPROVED)
        return "a rejection";
    if (signer == NULL)
        return "the trust file does not know the key any more";
    if (!operator_role_covers(signer->role, OPERATOR_ROLE_APPROVER))
        return "the operator may not approve any more";
    if (strcmp(given->keyid, entry->header.author) == 0)
        return "by the author";
    if (given->approval.expires_unix_ms != 0 &&
        given->approval.expires_unix_ms <= coordinator->unix_ms)
        return "expired";
    return NULL;
}

uint32_t rollout_start_approvals(const Coordinator *coordinator, const RolloutEntry *entry)
{
    uint32_t count = 0;
    if (entry->started)
        return rollout_entry_approved(entry);
    for (size_t i = 0; i < entry->approval_count; i++)
        count += rollout_start_flaw(coordinator, entry, &entry->approvals[i]) == NULL;
    return count;
}

static ErrCode check_approvals(const Coordinator *coordinator, const RolloutEntry *entry,
                               Error *err)
{
    uint32_t needed = entry->header.policy.approvals;
    uint32_t given = rollout_start_approvals(coordinator, entry);
    if (rollout_entry_rejected(entry) > 0)
        return err_set(err, ERR_APPROVAL, "rollout %s was rejected; one rejection vetoes",
                       entry->header.name);
    if (given >= needed)
        return ERR_OK;
    err_set(err, ERR_APPROVAL, "rollout %s has %u of %u approvals", entry->header.name, given,
            needed);
    for (size_t i = 0; i < entry->approval_count; i++) {
        const char *flaw = rollout_start_flaw(coordinator, entry, &entry->approvals[i]);
        if (flaw != NULL)
            err_detail(err, "that of %s does not count: %s", entry->approvals[i].keyid, flaw);
    }
    err_hint(err, "Have another operator with role approver run `pgtide rollout approve`.");
    return ERR_APPROVAL;
}

/* --- shards ----------------------------------------------------------------------------------- */

static ErrCode refuse_shard(const PlanShard *shard, ErrCode code, const char *why, Error *err)
{
    err_set(err, code, "shard %s/%s%s%s %s", shard->cluster, shard->database,
            shard->schema[0] != '\0' ? "/" : "", shard->schema, why);
    err_hint(err, "Make a new plan.");
    return code;
}

static ErrCode check_shard(const Coordinator *coordinator, const PlanShard *shard, Error *err)
{
    uint32_t index;
    const RolloutEntry *holder = rollouts_holder(coordinator->rollouts, &shard->uuid, &index);
    if (holder != NULL && rollout_entry_is_open(holder)) {
        refuse_shard(shard, ERR_STATE, "is held by a rollout that is not over", err);
        err_detail(err, "rollout %s is %s", holder->header.name,
                   rollout_state_name(rollout_entry_state(holder)));
        err_hint(err, "Wait until that rollout is over, or abort it.");
        return ERR_STATE;
    }
    const Quarantined *quarantined = quarantine_find(coordinator->quarantine, &shard->uuid);
    if (quarantined != NULL)
        return refuse_shard(shard, ERR_REFUSED, "has been quarantined since", err);
    const FleetShard *now = inventory_find(coordinator->inventory, &shard->uuid);
    if (now == NULL) {
        refuse_shard(shard, ERR_BUSY, "is not listed by any agent now", err);
        err_hint(err, "Wait until its agent has reported (`pgtide fleet agents`); if the shard is "
                      "gone, make a new plan.");
        return ERR_BUSY;
    }
    if (now->fault != SHARD_FAULT_NONE) {
        refuse_shard(shard, ERR_REFUSED, "can't be told from another one", err);
        err_detail(err, "%s", now->fault_text);
        return ERR_REFUSED;
    }
    if (strcmp(now->agent, shard->agent) != 0)
        return refuse_shard(shard, ERR_REFUSED, "is another agent's now", err);
    if (now->reachable && !strlist_equal(&now->rows, &shard->rows_before))
        return refuse_shard(shard, ERR_OVERTAKEN, "has moved since the plan was made", err);
    return ERR_OK;
}

static ErrCode check_drift(const Coordinator *coordinator, const PlanHeader *header,
                           const PlanShard *shard, Error *err)
{
    const FleetShard *now = inventory_find(coordinator->inventory, &shard->uuid);
    if (header->policy.drift != DRIFT_POLICY_REFUSE ||
        drifting_judge(coordinator, now).verdict != DRIFT_DRIFTED)
        return ERR_OK;
    refuse_shard(shard, ERR_REFUSED, "has drifted since the plan was made", err);
    err_hint(err, "Look with `pgtide fleet drift`; repair or accept it.");
    return ERR_REFUSED;
}

ErrCode rollout_start_check(Coordinator *coordinator, RolloutEntry *entry, Error *err)
{
    if (entry->header.expires_unix_ms <= coordinator->unix_ms) {
        err_set(err, ERR_STALE, "the plan of rollout %s has expired", entry->header.name);
        err_hint(err, "Make a new plan.");
        return ERR_STALE;
    }
    ErrCode code = check_approvals(coordinator, entry, err);
    if (code == ERR_OK)
        code = requirements_check(coordinator, &entry->header, err);
    for (uint32_t i = 0; code == ERR_OK && i < entry->header.shard_count; i++)
        code = check_shard(coordinator, &entry->shards[i], err);
    for (uint32_t i = 0; code == ERR_OK && i < entry->header.shard_count; i++)
        code = check_drift(coordinator, &entry->header, &entry->shards[i], err);
    if (code == ERR_OK && !blob_has(coordinator->blobs, &entry->bundle_blob))
        code = err_set(err, ERR_NOT_FOUND, "the bundle of rollout %s is gone", entry->header.name);
    if (code == ERR_OK)
        code = phases_check_bundle(coordinator, &entry->bundle_blob, &entry->header.contract, err);
    return code;
}

/* The same bytes after a restart: approvals come before the start and in the journal's order. */
static ErrCode put_dossier(Coordinator *coordinator, RolloutEntry *entry, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    PlanDossier dossier = {
        .header_envelope = entry->header_envelope,
        .approvals = ARENA_ARRAY(arena, ByteSpan, entry->approval_count + 1),
        .approval_count = entry->approval_count,
    };
    for (size_t i = 0; i < entry->approval_count; i++)
        dossier.approvals[i] = entry->approvals[i].envelope;
    uint8_t *bytes;
    size_t length;
    ErrCode code = plan_dossier_encode(arena, &dossier, &bytes, &length, err);
    if (code == ERR_OK)
        code = blob_put(coordinator->blobs, bytes, length, &entry->dossier, err);
    return code;
}

ErrCode rollout_start_prepare(Coordinator *coordinator, RolloutEntry *entry, Error *err)
{
    uint32_t count = entry->header.shard_count;
    if (entry->tree == NULL) {
        AUTO_ARENA Arena *arena = arena_new();
        Digest *leaves = ARENA_ARRAY(arena, Digest, count);
        for (uint32_t i = 0; i < count; i++)
            leaves[i] = merkle_leaf(entry->shard_bytes[i].bytes, entry->shard_bytes[i].length);
        entry->tree = merkle_tree_new(leaves, count);
    }
    return put_dossier(coordinator, entry, err);
}

/* --- commands --------------------------------------------------------------------------------- */

static ShardOrder make_order(const RolloutEntry *entry, uint32_t index, Arena *arena)
{
    RolloutShardView view;
    rollout_shard(entry->core, index, &view);
    Digest *path = ARENA_ARRAY(arena, Digest, LIMIT_MERKLE_DEPTH);
    return (ShardOrder){
        .plan_shard = entry->shard_bytes[index],
        .audit_path = path,
        .audit_path_count = merkle_tree_path(entry->tree, index, path),
        .generation = view.generation,
        .direction = view.direction,
        .attempt = view.attempt,
    };
}

static size_t order_bytes(const ShardOrder *order)
{
    return order->plan_shard.length + order->audit_path_count * (sizeof(Digest) + 4) +
           ORDER_OVERHEAD_BYTES;
}

/* What of the orders from `first` on fits into one command: at least one. */
static size_t orders_fitting(const ShardOrder *orders, size_t first, size_t count)
{
    size_t bytes = COMMAND_OVERHEAD_BYTES;
    size_t end = first;
    while (end < count && end - first < LIMIT_SHARD_ORDERS_PER_COMMAND &&
           (end == first || bytes + order_bytes(&orders[end]) <= LIMIT_COMMAND_BYTES))
        bytes += order_bytes(&orders[end++]);
    return end - first;
}

static RunShards orders_of(const RolloutEntry *entry, ShardOrder *orders, size_t count)
{
    return (RunShards){.rollout_id = entry->header.rollout_id,
                       .plan_digest = entry->plan_digest,
                       .dossier_digest = entry->dossier,
                       .bundle_digest = entry->header.bundle_digest,
                       .bundle_blob_digest = entry->bundle_blob,
                       .orders = orders,
                       .order_count = count};
}

size_t rollout_send_look(Coordinator *coordinator, const RolloutEntry *entry, const GatePage *page,
                         uint32_t gate, uint64_t token, Arena *arena)
{
    ShardOrder *orders = ARENA_ARRAY(arena, ShardOrder, page->count);
    for (size_t i = 0; i < page->count; i++)
        orders[i] = make_order(entry, page->shards[i], arena);
    size_t count = orders_fitting(orders, 0, page->count);
    Command command = {
        .kind = COMMAND_LOOK,
        .look = {orders_of(entry, orders, count), gate, token, page->page},
    };
    if (coordinator->sink.send != NULL)
        coordinator->sink.send(coordinator->sink.context,
                               rollout_agent_name(entry->core, page->agent), &command);
    return count;
}

void rollout_send_orders(Coordinator *coordinator, const RolloutEntry *entry, const char *agent,
                         const uint32_t *shards, size_t count, Arena *arena)
{
    ShardOrder *orders = ARENA_ARRAY(arena, ShardOrder, count);
    for (size_t i = 0; i < count; i++)
        orders[i] = make_order(entry, shards[i], arena);
    size_t first = 0;
    while (first < count && coordinator->sink.send != NULL) {
        size_t part = orders_fitting(orders, first, count);
        Command command = {.kind = COMMAND_RUN, .run = orders_of(entry, &orders[first], part)};
        coordinator->sink.send(coordinator->sink.context, agent, &command);
        first += part;
    }
}
