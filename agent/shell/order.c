#include "order.h"

#include "digest.h"
#include "merkle.h"

#include <stdio.h>
#include <string.h>

/* --- plan ------------------------------------------------------------------------------------- */

static ErrCode open_header(Arena *arena, const Trust *trust, const RunShards *run,
                           ByteSpan envelope, OrderPlan *plan, Error *err)
{
    const uint8_t *payload;
    size_t length;
    Signers *signers = ARENA_NEW(arena, Signers);
    ErrCode code =
        envelope_open(arena, envelope.bytes, envelope.length, MESSAGE_PLAN, trust_lookup_operator,
                      (void *)trust, &payload, &length, signers, err);
    if (code != ERR_OK)
        return err_wrap(err, "plan");
    plan->digest = sha256_bytes(payload, length);
    if (!digest_equal(&plan->digest, &run->plan_digest))
        return err_set(err, ERR_DIGEST_MISMATCH, "the plan is not the one that was ordered");
    code = plan_header_decode(arena, payload, length, &plan->header, err);
    if (code != ERR_OK)
        return err_wrap(err, "plan");
    for (size_t i = 0; i < signers->count; i++) {
        const TrustOperator *author = trust_find_operator(trust, signers->items[i].keyid);
        if (strcmp(signers->items[i].keyid, plan->header.author) == 0 && author != NULL &&
            operator_role_covers(author->role, OPERATOR_ROLE_OPERATOR))
            return ERR_OK;
    }
    return err_set(err, ERR_KEY_UNKNOWN, "the plan's author may not write plans, or did not sign");
}

static ErrCode check_header(const Trust *trust, const RunShards *run, const PlanHeader *header,
                            Error *err)
{
    if (!uuid_equal(&header->fleet_id, trust_fleet_id(trust)))
        return err_set(err, ERR_REFUSED, "the plan is for another fleet");
    if (!uuid_equal(&header->rollout_id, &run->rollout_id))
        return err_set(err, ERR_REFUSED, "the plan is of another rollout");
    if (!digest_equal(&header->bundle_digest, &run->bundle_digest))
        return err_set(err, ERR_DIGEST_MISMATCH, "the plan names another bundle");
    return ERR_OK;
}

/* Operators who approved, each once by key and by name, the author left out by both. */
typedef struct Approvers {
    const TrustOperator *items[LIMIT_TRUST_KEYS];
    size_t count;
    uint64_t until_unix_ms;
} Approvers;

static bool is_same_person(const TrustOperator *a, const TrustOperator *b)
{
    return strcmp(a->key.keyid, b->key.keyid) == 0 || strcmp(a->key.name, b->key.name) == 0;
}

static void count_approver(Approvers *approvers, const TrustOperator *approver,
                           const Approval *approval)
{
    for (size_t i = 0; i < approvers->count; i++)
        if (is_same_person(approvers->items[i], approver))
            return;
    if (approvers->count == LIMIT_TRUST_KEYS)
        return;
    approvers->items[approvers->count++] = approver;
    if (approval->expires_unix_ms < approvers->until_unix_ms)
        approvers->until_unix_ms = approval->expires_unix_ms;
}

/* A single approval. One that does not hold counts for nothing; a veto that holds ends it all. */
static ErrCode look_at_approval(Arena *arena, const Trust *trust, const OrderPlan *plan,
                                ByteSpan envelope, uint64_t now_unix_ms, Approvers *approvers,
                                Error *err)
{
    const uint8_t *payload;
    size_t length;
    Approval approval;
    Signers *signers = ARENA_NEW(arena, Signers);
    if (envelope_open(arena, envelope.bytes, envelope.length, MESSAGE_APPROVAL,
                      trust_lookup_operator, (void *)trust, &payload, &length, signers,
                      NULL) != ERR_OK ||
        approval_decode(arena, payload, length, &approval, NULL) != ERR_OK ||
        !digest_equal(&approval.plan_digest, &plan->digest) || signers->count != 1)
        return ERR_OK;
    const TrustOperator *approver = trust_find_operator(trust, signers->items[0].keyid);
    const TrustOperator *author = trust_find_operator(trust, plan->header.author);
    if (approver == NULL || !operator_role_covers(approver->role, OPERATOR_ROLE_APPROVER))
        return ERR_OK;
    if (approval.verdict == VERDICT_REJECTED)
        return err_set(err, ERR_APPROVAL, "%s rejected the plan", approver->key.name);
    if (author == NULL || is_same_person(approver, author) ||
        approval.expires_unix_ms <= now_unix_ms)
        return ERR_OK;
    count_approver(approvers, approver, &approval);
    return ERR_OK;
}

static ErrCode check_approvals(Arena *arena, const Trust *trust, const PlanDossier *dossier,
                               uint64_t now_unix_ms, OrderPlan *plan, Error *err)
{
    Approvers *approvers = ARENA_NEW(arena, Approvers);
    approvers->until_unix_ms = plan->header.expires_unix_ms;
    for (size_t i = 0; i < dossier->approval_count; i++) {
        ErrCode code = look_at_approval(arena, trust, plan, dossier->approvals[i], now_unix_ms,
                                        approvers, err);
        if (code != ERR_OK)
            return code;
    }
    if (approvers->count < plan->header.policy.approvals)
        return err_set(err, ERR_APPROVAL, "the plan needs %u approvals and has %zu",
                       plan->header.policy.approvals, approvers->count);
    plan->approval_count = approvers->count;
    plan->approved_until_unix_ms = approvers->until_unix_ms;
    return ERR_OK;
}

ErrCode order_plan_open(Arena *arena, const Trust *trust, const RunShards *run, ByteSpan dossier,
                        ByteSpan bundle, uint64_t now_unix_ms, OrderPlan *ret_plan, Error *err)
{
    if (trust_is_expired(trust, now_unix_ms)) {
        err_set(err, ERR_KEY_UNKNOWN, "the trust file has expired");
        err_hint(err, "Install its successor on this host.");
        return ERR_KEY_UNKNOWN;
    }
    OrderPlan plan = {0};
    PlanDossier parts;
    ErrCode code = plan_dossier_decode(arena, dossier.bytes, dossier.length, &parts, err);
    if (code == ERR_OK)
        code = open_header(arena, trust, run, parts.header_envelope, &plan, err);
    if (code == ERR_OK)
        code = check_header(trust, run, &plan.header, err);
    if (code == ERR_OK)
        code = check_approvals(arena, trust, &parts, now_unix_ms, &plan, err);
    if (code != ERR_OK)
        return code;
    code = bundle_open(arena, bundle.bytes, bundle.length, trust, &plan.bundle, err);
    if (code != ERR_OK)
        return err_wrap(err, "bundle");
    if (!digest_equal(&plan.bundle.digest, &plan.header.bundle_digest))
        return err_set(err, ERR_DIGEST_MISMATCH, "the bundle is not the plan's");
    *ret_plan = plan;
    return ERR_OK;
}

/* --- shard ------------------------------------------------------------------------------------ */

static ErrCode check_place(const OrderPlan *plan, const char *agent, const ShardOrder *order,
                           const PlanShard *shard, Error *err)
{
    Digest leaf = merkle_leaf(order->plan_shard.bytes, order->plan_shard.length);
    if (!merkle_verify(&leaf, shard->index, plan->header.shard_count, order->audit_path,
                       order->audit_path_count, &plan->header.shards_root))
        return err_set(err, ERR_DIGEST_MISMATCH, "the shard is not the plan's");
    if (strcmp(shard->agent, agent) != 0)
        return err_set(err, ERR_REFUSED, "the shard is agent '%s''s", shard->agent);
    return ERR_OK;
}

ErrCode order_look_open(Arena *arena, const OrderPlan *plan, const char *agent,
                        const ShardOrder *order, PlanShard *ret_shard, Error *err)
{
    PlanShard shard;
    ErrCode code =
        plan_shard_decode(arena, order->plan_shard.bytes, order->plan_shard.length, &shard, err);
    if (code == ERR_OK)
        code = check_place(plan, agent, order, &shard, err);
    if (code == ERR_OK)
        *ret_shard = shard;
    return code;
}

static Direction inverse_of(Direction direction)
{
    return direction == DIRECTION_UPGRADE ? DIRECTION_DOWNGRADE : DIRECTION_UPGRADE;
}

static bool policy_takes_back(const Policy *policy)
{
    return policy->on_shard_failure == ON_SHARD_FAILURE_ROLLBACK ||
           policy->on_failure == ON_FAILURE_ROLLBACK_WAVE ||
           policy->on_failure == ON_FAILURE_ROLLBACK_ROLLOUT;
}

static ErrCode check_direction(const OrderPlan *plan, const ShardOrder *order, OrderShard *out,
                               Error *err)
{
    const PlanHeader *header = &plan->header;
    out->source_rollout = header->rollout_id;
    if (order->generation == 0)
        return err_set(err, ERR_PROTOCOL, "an order without a generation");
    if (header->direction == DIRECTION_RESTORE || order->direction == DIRECTION_RESTORE) {
        if (header->direction != order->direction || order->generation != 1)
            return err_set(err, ERR_REFUSED, "the plan does not go in that direction");
        out->kind = JOB_RESTORE;
        return ERR_OK;
    }
    if (order->direction == header->direction) {
        out->kind = uuid_is_nil(&header->rollback_of) ? JOB_FORWARD : JOB_TAKE_BACK;
        if (out->kind == JOB_TAKE_BACK) {
            out->source_rollout = header->rollback_of;
            out->take_back_allowed = true; /* it is what was approved */
        }
        return ERR_OK;
    }
    if (order->direction != inverse_of(header->direction) || order->generation < 2)
        return err_set(err, ERR_REFUSED, "the plan does not go in that direction");
    if (!policy_takes_back(&header->policy)) {
        err_set(err, ERR_REFUSED, "the plan's policy does not let its steps be taken back");
        err_hint(err, "Make a rollback plan with `pgtide rollout rollback`.");
        return ERR_REFUSED;
    }
    out->kind = JOB_TAKE_BACK;
    out->take_back_allowed = true;
    out->take_back_within_ms = header->policy.rollback_until_ms;
    return ERR_OK;
}

/* Only what changes a shard for the first time needs the approvals to hold still; taking back has
 * a limit of its own. */
static ErrCode check_expiry(const OrderPlan *plan, const OrderShard *order, uint64_t now_unix_ms,
                            Error *err)
{
    bool own_inverse = order->kind == JOB_TAKE_BACK &&
                       uuid_equal(&order->source_rollout, &plan->header.rollout_id);
    if (!own_inverse && now_unix_ms >= plan->approved_until_unix_ms)
        return err_set(err, ERR_APPROVAL, "the plan or its approvals have expired");
    return ERR_OK;
}

/* The rows between the steps are not in the plan: the bundle's graph gives them, and the steps
 * themselves once more. */
static ErrCode project_steps(Arena *arena, const OrderPlan *plan, OrderShard *out, Error *err)
{
    const PlanShard *shard = &out->shard;
    GraphSteps steps;
    ErrCode code = plan->header.direction == DIRECTION_UPGRADE
                       ? graph_upgrade(arena, plan->bundle.map, &shard->rows_before,
                                       plan->header.target, &steps, err)
                       : graph_downgrade(arena, plan->bundle.map, &shard->rows_before,
                                         plan->header.target, &steps, err);
    if (code != ERR_OK)
        return err_wrap(err, "the bundle does not lead there");
    bool same =
        steps.count == shard->steps.count && strlist_equal(&steps.rows_after, &shard->rows_after);
    for (size_t i = 0; same && i < steps.count; i++)
        same = strcmp(steps.items[i].revision, shard->steps.items[i]) == 0;
    if (!same)
        return err_set(err, ERR_REFUSED, "the plan's steps are not those the bundle leads by");
    out->step_count = steps.count;
    out->steps = ARENA_ARRAY(arena, JobStep, steps.count + 1);
    for (size_t i = 0; i < steps.count; i++)
        out->steps[i] = (JobStep){steps.items[i].revision, steps.items[i].rows_before,
                                  steps.items[i].rows_after};
    return ERR_OK;
}

/* The approved list of a plan that takes another rollout back; history gives the rows. */
static ErrCode list_steps(Arena *arena, const OrderPlan *plan, OrderShard *out, Error *err)
{
    const StrList *steps = &out->shard.steps;
    out->step_count = steps->count;
    out->steps = ARENA_ARRAY(arena, JobStep, steps->count + 1);
    for (size_t i = 0; i < steps->count; i++) {
        if (graph_find(plan->bundle.map, steps->items[i]) == NULL)
            return err_set(err, ERR_REVISION_UNKNOWN, "the bundle has no revision '%s'",
                           steps->items[i]);
        out->steps[i].revision = steps->items[i];
    }
    return ERR_OK;
}

/* What a backup's path ends in; a command's has but its manifest. */
static bool is_backup_ending(const char *ending)
{
    static const char *const endings[] = {".dump", ".dump.age", ".dir", ".manifest"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (strcmp(ending, endings[i]) == 0)
            return true;
    return false;
}

/* The path is made of the shard's own name and an operation's: it leads nowhere else. */
static ErrCode check_restore(const PlanHeader *header, const PlanShard *shard, Error *err)
{
    bool restores = header->direction == DIRECTION_RESTORE;
    if (restores != plan_shard_restores(shard))
        return err_set(err, ERR_REFUSED, "the plan %s a backup",
                       restores ? "restores without" : "names");
    if (!restores)
        return ERR_OK;
    char uuid[UUID_TEXT_SIZE];
    uuid_format(&shard->uuid, uuid);
    size_t length = strlen(uuid);
    const char *path = shard->restore.path;
    OperationId operation;
    char hex[OPERATION_TEXT_SIZE] = "";
    bool fine = strncmp(path, uuid, length) == 0 && path[length] == '/';
    if (fine)
        snprintf(hex, sizeof hex, "%s", path + length + 1);
    if (!fine || !hex_decode(hex, operation.bytes, sizeof operation.bytes) ||
        !is_backup_ending(path + length + sizeof hex))
        return err_set(err, ERR_REFUSED, "'%.120s' is no backup of this shard",
                       shard->restore.path);
    return ERR_OK;
}

ErrCode order_shard_open(Arena *arena, const OrderPlan *plan, const char *agent,
                         const ShardOrder *order, uint64_t now_unix_ms, OrderShard *ret_shard,
                         Error *err)
{
    OrderShard out = {0};
    ErrCode code = plan_shard_decode(arena, order->plan_shard.bytes, order->plan_shard.length,
                                     &out.shard, err);
    if (code == ERR_OK)
        code = check_place(plan, agent, order, &out.shard, err);
    if (code == ERR_OK)
        code = check_direction(plan, order, &out, err);
    if (code == ERR_OK)
        code = check_restore(&plan->header, &out.shard, err);
    if (code == ERR_OK)
        code = check_expiry(plan, &out, now_unix_ms, err);
    if (code == ERR_OK && out.kind == JOB_FORWARD)
        code = project_steps(arena, plan, &out, err);
    else if (code == ERR_OK && out.kind == JOB_TAKE_BACK &&
             !uuid_equal(&out.source_rollout, &plan->header.rollout_id))
        code = list_steps(arena, plan, &out, err);
    if (code != ERR_OK)
        return code;
    *ret_shard = out;
    return ERR_OK;
}

OrderShard order_shard_copy(Arena *arena, const OrderShard *from)
{
    OrderShard order = *from;
    PlanShard *shard = &order.shard;
    shard->agent = arena_strdup(arena, shard->agent);
    shard->host = arena_strdup(arena, shard->host);
    shard->cluster = arena_strdup(arena, shard->cluster);
    shard->database = arena_strdup(arena, shard->database);
    shard->schema = arena_strdup(arena, shard->schema);
    shard->rows_before = strlist_copy(arena, &from->shard.rows_before);
    shard->rows_after = strlist_copy(arena, &from->shard.rows_after);
    shard->steps = strlist_copy(arena, &from->shard.steps);
    shard->restore.path = arena_strdup(arena, from->shard.restore.path);
    shard->labels = (LabelList){0};
    return order;
}
