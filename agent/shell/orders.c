#include "orders.h"

#include "clock.h"
#include "compat_gate.h"
#include "gate_sql.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

enum {
    ORDERS_PENDING_MAX = 1024,
    ORDERS_PLANS_MAX = 8, /* verified ones kept without a job */
};

/* A command that waits for blobs. */
typedef struct Pending {
    Arena *arena;
    RunShards run;
    bool is_look;
    Looked look; /* what is to be answered */
} Pending;

struct Orders {
    OrdersSettings settings;
    bool listed; /* which shards are ours is known */
    Pending *pending;
    size_t pending_count;
    SharedPlan **plans; /* the last used one last */
    size_t plan_count;
    size_t plan_capacity;
};

Orders *orders_new(const OrdersSettings *settings)
{
    Orders *orders = xcalloc(1, sizeof(*orders));
    orders->settings = *settings;
    orders->pending = xcalloc(ORDERS_PENDING_MAX, sizeof(*orders->pending));
    return orders;
}

static void free_plan(SharedPlan *plan)
{
    arena_free(plan->arena);
    free(plan);
}

void orders_free(Orders *orders)
{
    if (orders == NULL)
        return;
    for (size_t i = 0; i < orders->pending_count; i++)
        arena_free(orders->pending[i].arena);
    for (size_t i = 0; i < orders->plan_count; i++)
        free_plan(orders->plans[i]);
    free(orders->pending);
    free(orders->plans);
    free(orders);
}

/* --- refusing --------------------------------------------------------------------------------- */

static void refuse_order(Orders *orders, const RunShards *run, const ShardOrder *order,
                         const Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    PlanShard shard;
    /* Unverified: only to say which order is meant. */
    bool named = plan_shard_decode(arena, order->plan_shard.bytes, order->plan_shard.length, &shard,
                                   NULL) == ERR_OK;
    /* One that was let in goes on, whatever has expired or been withdrawn since: that it is refused
     * would be taken for its end. */
    ExecOrder known = {order->generation, order->attempt, order->direction};
    if (named && jobs_answer(orders->settings.jobs, &run->rollout_id, &shard.uuid, &known))
        return;
    log_failure(LOG_WARN, "order.refused", err, NULL);
    if (!named)
        return;
    JobReport report = {
        .rollout_id = run->rollout_id,
        .shard = shard.uuid,
        .index = shard.index,
        .generation = order->generation,
        .direction = order->direction,
        .attempt = order->attempt,
        .phase = PHASE_DONE,
        .outcome = OUTCOME_REFUSED,
        .revision = "",
        .code = err_code_name(err->code),
        .sqlstate = "",
        .message = err->message,
        .hint = err->hint,
    };
    orders->settings.world->report(orders->settings.world->context, &report);
}

static void refuse_all(Orders *orders, const RunShards *run, const Error *err)
{
    for (size_t i = 0; i < run->order_count; i++)
        refuse_order(orders, run, &run->orders[i], err);
}

/* --- plans ------------------------------------------------------------------------------------ */

/* Plans whose bundle nobody runs any more, the longest unused first. */
static void drop_plans(Orders *orders, size_t keep)
{
    size_t idle = 0;
    for (size_t i = 0; i < orders->plan_count; i++)
        idle += orders->plans[i]->users == 0;
    size_t kept = 0;
    for (size_t i = 0; i < orders->plan_count; i++) {
        if (orders->plans[i]->users == 0 && idle > keep) {
            free_plan(orders->plans[i]);
            idle--;
        } else {
            orders->plans[kept++] = orders->plans[i];
        }
    }
    orders->plan_count = kept;
}

static SharedPlan *find_plan(Orders *orders, const Digest *digest)
{
    /* With an expired trust file nothing is known any more; opening the plan says so. */
    bool expired = trust_is_expired(orders->settings.trust, clock_unix_ms());
    for (size_t i = orders->plan_count; i-- > 0;)
        if (!orders->plans[i]->outdated && !expired &&
            digest_equal(&orders->plans[i]->order.digest, digest))
            return orders->plans[i];
    return NULL;
}

static void keep_plan(Orders *orders, SharedPlan *plan)
{
    drop_plans(orders, ORDERS_PLANS_MAX);
    if (orders->plan_count == orders->plan_capacity) {
        orders->plan_capacity = orders->plan_capacity == 0 ? 16 : orders->plan_capacity * 2;
        orders->plans = xrealloc(orders->plans, orders->plan_capacity * sizeof(*orders->plans));
    }
    orders->plans[orders->plan_count++] = plan;
}

static ErrCode read_blobs(Orders *orders, SharedPlan *plan, const RunShards *run,
                          ByteSpan *ret_dossier, ByteSpan *ret_bundle, Error *err)
{
    uint8_t *bytes;
    ErrCode code = blob_read(orders->settings.blobs, plan->arena, &run->dossier_digest, &bytes,
                             &ret_dossier->length, err);
    if (code != ERR_OK)
        return code;
    ret_dossier->bytes = bytes;
    code = blob_read(orders->settings.blobs, plan->arena, &run->bundle_blob_digest, &bytes,
                     &ret_bundle->length, err);
    if (code == ERR_OK)
        ret_bundle->bytes = bytes;
    return code;
}

static ErrCode open_plan(Orders *orders, const RunShards *run, SharedPlan **ret_plan, Error *err)
{
    SharedPlan *plan = xcalloc(1, sizeof(*plan));
    plan->arena = arena_new();
    ByteSpan dossier, bundle;
    ErrCode code = read_blobs(orders, plan, run, &dossier, &bundle, err);
    if (code == ERR_OK)
        code = order_plan_open(plan->arena, orders->settings.trust, run, dossier, bundle,
                               clock_unix_ms(), &plan->order, err);
    if (code == ERR_OK && plan->order.approval_count < orders->settings.approvals_min)
        code = err_set(err, ERR_APPROVAL, "this agent wants %zu approvals, the plan has %zu",
                       orders->settings.approvals_min, plan->order.approval_count);
    if (code != ERR_OK) {
        free_plan(plan);
        return code;
    }
    keep_plan(orders, plan);
    log_event(LOG_INFO, "plan.verified", "name", plan->order.header.name, "bundle",
              plan->order.header.bundle_name, NULL);
    *ret_plan = plan;
    return ERR_OK;
}

void orders_set_trust(Orders *orders, const Trust *trust)
{
    orders->settings.trust = trust;
    for (size_t i = 0; i < orders->plan_count; i++)
        orders->plans[i]->outdated = true; /* found no more; jobs at work go on with it */
    drop_plans(orders, 0);
}

/* --- running ---------------------------------------------------------------------------------- */

static ErrCode check_known(const Orders *orders, const PlanShard *shard, Error *err)
{
    const ExecWorld *world = orders->settings.world;
    if (agent_settings_find_cluster(world->settings, shard->cluster) == NULL)
        return err_set(err, ERR_REFUSED, "this agent has no cluster '%s'", shard->cluster);
    if (shards_find(world->shards, shard->cluster, shard->database, shard->schema) == NULL)
        return err_set(err, ERR_REFUSED, "this agent looks after no database '%s' of that cluster",
                       shard->database);
    return ERR_OK;
}

static ErrCode check_configured(const Orders *orders, const PlanShard *shard, Error *err)
{
    ErrCode code = check_known(orders, shard, err);
    if (code == ERR_OK &&
        agent_settings_find_cluster(orders->settings.world->settings, shard->cluster)->pooled)
        code = err_set(err, ERR_POOLED_CONNECTION, "cluster '%s' is reached through a pooler",
                       shard->cluster);
    return code;
}

static void run_order(Orders *orders, SharedPlan *plan, const RunShards *run,
                      const ShardOrder *order)
{
    AUTO_ARENA Arena *arena = arena_new();
    OrderShard shard;
    Error err;
    ErrCode code = order_shard_open(arena, &plan->order, orders->settings.world->settings->name,
                                    order, clock_unix_ms(), &shard, &err);
    if (code == ERR_OK)
        code = check_configured(orders, &shard.shard, &err);
    if (code != ERR_OK) {
        refuse_order(orders, run, order, &err);
        return;
    }
    ExecOrder exec = {order->generation, order->attempt, order->direction};
    jobs_order(orders->settings.jobs, plan, &shard, &exec);
}

static ErrCode check_contradiction(const OrderPlan *plan, const RunShards *run, Error *err)
{
    if (uuid_equal(&plan->header.rollout_id, &run->rollout_id) &&
        digest_equal(&plan->header.bundle_digest, &run->bundle_digest))
        return ERR_OK;
    return err_set(err, ERR_DIGEST_MISMATCH, "the order contradicts its plan");
}

static void run_now(Orders *orders, const RunShards *run)
{
    Error err;
    SharedPlan *plan = find_plan(orders, &run->plan_digest);
    if ((plan == NULL && open_plan(orders, run, &plan, &err) != ERR_OK) ||
        check_contradiction(&plan->order, run, &err) != ERR_OK) {
        refuse_all(orders, run, &err);
        return;
    }
    for (size_t i = 0; i < run->order_count; i++)
        run_order(orders, plan, run, &run->orders[i]);
}

/* --- looking ---------------------------------------------------------------------------------- */

/* Only what a look reads is in it: no job, no change, whatever its text says. */
static ErrCode check_gate(const PlanHeader *header, uint32_t number, Error *err)
{
    const GatePlan *gate = number < header->gate_count ? &header->gates[number] : NULL;
    bool ours = gate != NULL && (gate->kind == GATE_KIND_SQL || gate->kind == GATE_KIND_LAG ||
                                 gate->kind == GATE_KIND_LOAD || gate->kind == GATE_KIND_COMPAT);
    if (!ours)
        return err_set(err, ERR_REFUSED, "the plan has no such gate for an agent");
    if (gate->kind == GATE_KIND_COMPAT && header->direction != DIRECTION_UPGRADE)
        return err_set(err, ERR_REFUSED, "the gate looks at what upgrades take away");
    if (gate->kind == GATE_KIND_COMPAT)
        return compat_gate_check(gate, err);
    return gate->kind == GATE_KIND_SQL ? gate_sql_check(gate->name, gate->text, err) : ERR_OK;
}

static ErrCode open_look_shards(Orders *orders, Arena *arena, const SharedPlan *plan,
                                const RunShards *run, PlanShard *shards, Error *err)
{
    const ExecWorld *world = orders->settings.world;
    for (size_t i = 0; i < run->order_count; i++) {
        ErrCode code = order_look_open(arena, &plan->order, world->settings->name, &run->orders[i],
                                       &shards[i], err);
        if (code == ERR_OK)
            code = check_known(orders, &shards[i], err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static ErrCode look_at_shards(Orders *orders, const RunShards *run, const Looked *what, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    SharedPlan *plan = find_plan(orders, &run->plan_digest);
    PlanShard *shards = ARENA_ARRAY(arena, PlanShard, run->order_count);
    ErrCode code = ERR_OK;
    if (plan == NULL)
        code = open_plan(orders, run, &plan, err);
    if (code == ERR_OK)
        code = check_contradiction(&plan->order, run, err);
    if (code == ERR_OK)
        code = check_gate(&plan->order.header, what->gate, err);
    if (code == ERR_OK)
        code = open_look_shards(orders, arena, plan, run, shards, err);
    if (code == ERR_OK)
        code = looks_add(orders->settings.looks, what, &plan->order.header.gates[what->gate],
                         plan->order.bundle.map, shards, run->order_count, err);
    return code;
}

static void look_now(Orders *orders, const RunShards *run, const Looked *what)
{
    Error err;
    if (look_at_shards(orders, run, what, &err) == ERR_OK)
        return;
    log_failure(LOG_WARN, "look.refused", &err, NULL);
    looks_refuse(orders->settings.looks, what, &err);
}

/* --- waiting for blobs ------------------------------------------------------------------------ */

/* Everything is there to verify it; what is missing is asked for. */
static bool is_ready(Orders *orders, const RunShards *run)
{
    if (find_plan(orders, &run->plan_digest) != NULL)
        return true;
    const Digest *needed[] = {&run->dossier_digest, &run->bundle_blob_digest};
    bool ready = true;
    for (size_t i = 0; i < 2; i++) {
        if (blob_has(orders->settings.blobs, needed[i]))
            continue;
        fetch_want(orders->settings.fetch, needed[i]);
        ready = false;
    }
    return ready;
}

static Pending copy_run(const RunShards *run)
{
    Pending pending = {.arena = arena_new(), .run = *run};
    pending.run.orders = ARENA_ARRAY(pending.arena, ShardOrder, run->order_count + 1);
    for (size_t i = 0; i < run->order_count; i++) {
        const ShardOrder *from = &run->orders[i];
        ShardOrder *to = &pending.run.orders[i];
        *to = *from;
        to->plan_shard.bytes =
            arena_memdup(pending.arena, from->plan_shard.bytes, from->plan_shard.length);
        to->audit_path =
            arena_memdup(pending.arena, from->audit_path, from->audit_path_count * sizeof(Digest));
    }
    return pending;
}

static bool same_order(const ShardOrder *a, const ShardOrder *b)
{
    return a->generation == b->generation && a->attempt == b->attempt &&
           a->plan_shard.length == b->plan_shard.length &&
           memcmp(a->plan_shard.bytes, b->plan_shard.bytes, a->plan_shard.length) == 0;
}

/* The coordinator repeats what it has not heard of. */
static bool is_pending(const Orders *orders, const RunShards *run)
{
    for (size_t i = 0; i < orders->pending_count; i++) {
        const RunShards *other = &orders->pending[i].run;
        bool same = !orders->pending[i].is_look && other->order_count == run->order_count &&
                    digest_equal(&other->plan_digest, &run->plan_digest);
        for (size_t j = 0; same && j < run->order_count; j++)
            same = same_order(&other->orders[j], &run->orders[j]);
        if (same)
            return true;
    }
    return false;
}

void orders_run(Orders *orders, const RunShards *run)
{
    if (is_ready(orders, run) && orders->listed) {
        run_now(orders, run);
        return;
    }
    if (is_pending(orders, run) || orders->pending_count == ORDERS_PENDING_MAX)
        return;
    orders->pending[orders->pending_count++] = copy_run(run);
}

void orders_look(Orders *orders, const LookAtGate *look)
{
    Looked what = {.rollout_id = look->run.rollout_id,
                   .gate = look->gate,
                   .token = look->token,
                   .page = look->page,
                   .message = ""};
    if (is_ready(orders, &look->run) && orders->listed) {
        look_now(orders, &look->run, &what);
        return;
    }
    if (orders->pending_count == ORDERS_PENDING_MAX)
        return; /* it is asked again */
    Pending pending = copy_run(&look->run);
    pending.is_look = true;
    pending.look = what;
    orders->pending[orders->pending_count++] = pending;
}

static void pending_refuse(Orders *orders, const Pending *pending, const Error *err)
{
    if (pending->is_look)
        looks_refuse(orders->settings.looks, &pending->look, err);
    else
        refuse_all(orders, &pending->run, err);
}

static void pending_run(Orders *orders, const Pending *pending)
{
    if (pending->is_look)
        look_now(orders, &pending->run, &pending->look);
    else
        run_now(orders, &pending->run);
}

static bool needs(const RunShards *run, const Digest *digest)
{
    return digest_equal(&run->dossier_digest, digest) ||
           digest_equal(&run->bundle_blob_digest, digest);
}

/* Runs or refuses what waits for this blob (NULL: for nothing but the first listing). */
static void run_pending(Orders *orders, const Digest *digest, const Error *err)
{
    size_t count = orders->pending_count;
    Pending *pending = xcalloc(ORDERS_PENDING_MAX, sizeof(*pending));
    memcpy(pending, orders->pending, count * sizeof(*pending));
    orders->pending_count = 0;
    for (size_t i = 0; i < count; i++) {
        bool concerned = digest == NULL || needs(&pending[i].run, digest);
        if (concerned && err != NULL) {
            pending_refuse(orders, &pending[i], err);
        } else if (concerned && orders->listed && is_ready(orders, &pending[i].run)) {
            pending_run(orders, &pending[i]);
        } else {
            orders->pending[orders->pending_count++] = pending[i];
            continue;
        }
        arena_free(pending[i].arena);
    }
    free(pending);
}

void orders_blob(Orders *orders, const Digest *digest, const Error *err)
{
    run_pending(orders, digest, err);
}

void orders_listed(Orders *orders)
{
    if (orders->listed)
        return;
    orders->listed = true;
    run_pending(orders, NULL, NULL);
}

void orders_stop(Orders *orders, const Uuid *rollout)
{
    size_t kept = 0;
    for (size_t i = 0; i < orders->pending_count; i++) {
        Pending *pending = &orders->pending[i];
        if (uuid_is_nil(rollout) || uuid_equal(&pending->run.rollout_id, rollout))
            arena_free(pending->arena);
        else
            orders->pending[kept++] = *pending;
    }
    orders->pending_count = kept;
}
