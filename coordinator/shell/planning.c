#include "planning_parts.h"

#include "backup_gate.h"
#include "codec_common.h"
#include "digest.h"
#include "estimates.h"
#include "gates.h"
#include "named_limits.h"
#include "select.h"
#include "standing.h"

#include <string.h>

enum {
    DEFAULT_LOCK_TIMEOUT_MS = 500,
    DEFAULT_LOCK_ATTEMPTS = 30,
    DEFAULT_ROLLBACK_UNTIL_MS = 24 * 3600 * 1000,
};

/* Shards with the same rows have the same steps. */
typedef struct StepsCache {
    struct StepsCacheItem {
        const StrList *rows;
        StrList steps;
        StrList rows_after;
    } * items;
    size_t count;
    size_t capacity;
} StepsCache;

/* --- the bundle ------------------------------------------------------------------------------- */

ErrCode planning_open_bundle(Planning *planning, const Digest *blob, Error *err)
{
    const Coordinator *coordinator = planning->coordinator;
    uint8_t *bytes;
    size_t length;
    ErrCode code = blob_read(coordinator->blobs, planning->arena, blob, &bytes, &length, err);
    if (code == ERR_OK)
        code =
            bundle_open(planning->arena, bytes, length, coordinator->trust, &planning->bundle, err);
    if (code != ERR_OK)
        return err_wrap(err, "bundle");
    planning->bundle_blob = *blob;
    planning->header.bundle_digest = planning->bundle.digest;
    planning->header.bundle_name = planning->bundle.name;
    return ERR_OK;
}

/* --- what is told to people ------------------------------------------------------------------- */

void planning_leave_out(Planning *planning, const char *shard, const char *reason)
{
    PlanNotes *notes = &planning->header.notes;
    notes->left_out_count++;
    if (notes->left_out_named == LIMIT_PLAN_LEFT_OUT)
        return;
    if (notes->left_out == NULL)
        notes->left_out = ARENA_ARRAY(planning->arena, LeftOut, LIMIT_PLAN_LEFT_OUT);
    notes->left_out[notes->left_out_named++] =
        (LeftOut){arena_strdup(planning->arena, shard), arena_strdup(planning->arena, reason)};
}

/* The revisions among the shards' steps that have no way back, each once, in order of id. */
static void note_irreversible(Planning *planning)
{
    const PlannerResult *result = &planning->result;
    StrList found = {0};
    const char *const *last = NULL; /* shards with the same rows share their list of steps */
    for (size_t i = 0; i < result->shard_count; i++) {
        const StrList *steps = &result->shards[i].steps;
        if ((const char *const *)steps->items == last)
            continue;
        last = (const char *const *)steps->items;
        for (size_t k = 0; k < steps->count; k++) {
            const Script *script = graph_find(planning->bundle.map, steps->items[k]);
            if (script != NULL && script->irreversible != NULL &&
                !strlist_has(&found, steps->items[k]))
                strlist_add(planning->arena, &found, steps->items[k]);
        }
    }
    strlist_sort(&found);
    PlanNotes *notes = &planning->header.notes;
    notes->irreversible = ARENA_ARRAY(planning->arena, Irreversible, found.count + 1);
    for (size_t i = 0; i < found.count; i++) {
        const Script *script = graph_find(planning->bundle.map, found.items[i]);
        notes->irreversible[notes->irreversible_count++] =
            (Irreversible){found.items[i], script->irreversible};
    }
}

static void note_estimates(Planning *planning)
{
    PlannerResult *result = &planning->result;
    Estimates *estimates =
        estimates_new(planning->coordinator->rollouts, planning->header.direction);
    for (size_t i = 0; i < result->shard_count; i++)
        estimates_fill(estimates, &planning->header.policy.backup, &result->shards[i]);
    estimates_free(estimates);
}

static ErrCode check_reversible(const Script *script, Error *err)
{
    if (script->irreversible == NULL)
        return ERR_OK;
    err_set(err, ERR_REFUSED, "revision %s can't be downgraded", script->id);
    err_detail(err, "irreversible: %s", script->irreversible);
    return ERR_REFUSED;
}

/* --- steps of one shard ----------------------------------------------------------------------- */

static ErrCode resolve_steps(const Planning *planning, const StrList *rows, StrList *ret_steps,
                             StrList *ret_rows_after, Error *err)
{
    GraphSteps steps;
    bool down = planning->header.direction == DIRECTION_DOWNGRADE;
    ErrCode code = down ? graph_downgrade(planning->arena, planning->bundle.map, rows,
                                          planning->header.target, &steps, err)
                        : graph_upgrade(planning->arena, planning->bundle.map, rows,
                                        planning->header.target, &steps, err);
    if (code != ERR_OK)
        return code;
    *ret_steps = (StrList){0};
    for (size_t i = 0; i < steps.count; i++) {
        if (down) {
            code = check_reversible(steps.items[i].script, err);
            if (code != ERR_OK)
                return code;
        }
        strlist_add(planning->arena, ret_steps, steps.items[i].revision);
    }
    *ret_rows_after = steps.rows_after;
    return ERR_OK;
}

static ErrCode cached_steps(const Planning *planning, StepsCache *cache, const FleetShard *shard,
                            PlanShard *out, Error *err)
{
    for (size_t i = 0; i < cache->count; i++) {
        if (strlist_equal(cache->items[i].rows, &shard->rows)) {
            out->steps = cache->items[i].steps;
            out->rows_after = cache->items[i].rows_after;
            return ERR_OK;
        }
    }
    ErrCode code = resolve_steps(planning, &shard->rows, &out->steps, &out->rows_after, err);
    if (code != ERR_OK)
        return err_wrap(err, "shard %s", shard->name);
    if (cache->count == cache->capacity) {
        size_t capacity = cache->capacity == 0 ? 16 : cache->capacity * 2;
        cache->items =
            arena_grow(planning->arena, cache->items, cache->count, capacity, sizeof *cache->items);
        cache->capacity = capacity;
    }
    cache->items[cache->count++] =
        (struct StepsCacheItem){&shard->rows, out->steps, out->rows_after};
    return ERR_OK;
}

PlanShard planning_shard_of(const FleetShard *shard)
{
    return (PlanShard){
        .uuid = shard->uuid,
        .agent = shard->agent,
        .host = shard->host,
        .cluster = shard->cluster,
        .database = shard->database,
        .schema = shard->schema,
        .system_identifier = shard->system_identifier,
        .database_oid = shard->database_oid,
        .rows_before = shard->rows,
        .labels = shard->labels,
        .size_bytes = shard->size_bytes,
    };
}

static const ClusterInfo *find_cluster(const Coordinator *coordinator, const char *name,
                                       const char *agent)
{
    for (size_t i = 0; i < inventory_cluster_count(coordinator->inventory); i++) {
        const FleetCluster *cluster = inventory_cluster_at(coordinator->inventory, i);
        if (strcmp(cluster->info.name, name) == 0 && strcmp(cluster->agent, agent) == 0)
            return &cluster->info;
    }
    return NULL;
}

/* Of every cluster on which there is something to do. */
static ErrCode check_backups(const Planning *planning, const ShardCandidate *candidates,
                             size_t count, Error *err)
{
    const ClusterInfo *checked = NULL;
    ErrCode code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        const PlanShard *shard = &candidates[i].shard;
        if (!candidates[i].reachable || shard->steps.count == 0)
            continue;
        const ClusterInfo *cluster =
            find_cluster(planning->coordinator, shard->cluster, shard->agent);
        if (cluster != NULL && cluster != checked)
            code = backup_gate_check(&planning->header.policy.backup, cluster, err);
        checked = cluster;
    }
    return code;
}

/* Known, listed by nobody, and selected by what is known: labels are not. */
static void add_missing(Planning *planning, const Selection *selection)
{
    const Coordinator *coordinator = planning->coordinator;
    const ShardMemory *memory = coordinator->memory;
    const LabelList no_labels = {NULL, 0};
    const StrList no_rows = {0};
    for (size_t i = 0; i < shard_memory_count(memory); i++) {
        const KnownShard *known = shard_memory_at(memory, i);
        if (known == NULL || inventory_find(coordinator->inventory, &known->uuid) != NULL)
            continue;
        const char *name =
            shard_display_name(planning->arena, known->cluster, known->database, known->schema);
        SelectTarget target = {
            .name = name,
            .host = "",
            .cluster = known->cluster,
            .database = known->database,
            .schema = known->schema,
            .agent = "",
            .role = "primary",
            .state = SHARD_UNREACHABLE,
            .rows = &no_rows,
            .labels = &no_labels,
        };
        if (!select_matches(selection, &target))
            continue;
        ShardBarrier barrier = standing_missing(coordinator, known);
        if (shard_barrier_is_passing(barrier))
            passing_add(planning->arena, &planning->passing, barrier, name);
        else
            planning_leave_out(planning, name,
                               standing_reason(coordinator, planning->arena, NULL, barrier));
    }
}

static ErrCode select_candidates(Planning *planning, const char *select_text,
                                 ShardCandidate **ret_candidates, size_t *ret_count, Error *err)
{
    Coordinator *coordinator = planning->coordinator;
    size_t total = inventory_shard_count(coordinator->inventory);
    ShardCandidate *candidates = ARENA_ARRAY(planning->arena, ShardCandidate, total + 1);
    size_t count = 0;
    StepsCache cache = {0};
    const Selection *selection;
    ErrCode code = select_parse(select_text, planning->arena, &selection, err);
    for (size_t i = 0; code == ERR_OK && i < total; i++) {
        const FleetShard *shard = inventory_shard_at(coordinator->inventory, i);
        SelectTarget target = standing_select_target(coordinator, shard);
        if (!select_matches(selection, &target))
            continue;
        ShardBarrier barrier = standing_barrier(coordinator, shard);
        if (shard_barrier_is_passing(barrier))
            passing_add(planning->arena, &planning->passing, barrier, shard->name);
        else if (barrier != SHARD_BARRIER_NONE)
            planning_leave_out(planning, shard->name,
                               standing_reason(coordinator, planning->arena, shard, barrier));
        if (barrier != SHARD_BARRIER_NONE)
            continue;
        ShardCandidate *candidate = &candidates[count++];
        *candidate = (ShardCandidate){.shard = planning_shard_of(shard),
                                      .size_bytes = shard->size_bytes,
                                      .server_version = shard->server_version / 10000,
                                      .reachable = true};
        code = cached_steps(planning, &cache, shard, &candidate->shard, err);
    }
    if (code == ERR_OK)
        add_missing(planning, selection);
    if (code == ERR_OK)
        code = passing_refuse(&planning->passing, err);
    if (code != ERR_OK)
        return code;
    uint32_t left_out = planning->header.notes.left_out_count;
    if (count == 0 && left_out > 0) {
        err_set(err, ERR_EMPTY_SELECTION, "all %u selected shards are left out", left_out);
        err_detail(err, "%s: %s", planning->header.notes.left_out[0].shard,
                   planning->header.notes.left_out[0].reason);
        return ERR_EMPTY_SELECTION;
    }
    *ret_candidates = candidates;
    *ret_count = count;
    return ERR_OK;
}

/* --- what the request says about waves and policy --------------------------------------------- */

static ErrCode read_wave(const Pgtide__V1__WaveSpec *in, Arena *arena, PlannerWave *out, Error *err)
{
    *out = (PlannerWave){.name = in->name[0] != '\0' ? in->name : NULL, .bake_ms = in->bake_ms};
    int sizes = (in->count > 0) + (in->percent > 0) + (in->rest != 0) + (in->coverage > 0);
    bool some_of_labels = in->n_labels > 0 && sizes == 1 && in->count > 0;
    if ((in->n_labels > 0) + sizes != 1 && !some_of_labels)
        return err_set(err, ERR_CONFIG,
                       "a wave is one of: labels, a count, a percentage, coverage, the rest");
    if (in->n_labels > 0) {
        out->kind = PLANNER_WAVE_LABELS;
        out->amount = in->count;
        return labels_decode(arena, in->labels, in->n_labels, &out->labels, err);
    }
    if (in->percent > 100)
        return err_set(err, ERR_CONFIG, "a wave of %u percent", in->percent);
    out->kind = in->rest           ? PLANNER_WAVE_REST
                : in->coverage > 0 ? PLANNER_WAVE_COVERAGE
                : in->count > 0    ? PLANNER_WAVE_COUNT
                                   : PLANNER_WAVE_PERCENT;
    out->amount = in->coverage > 0 ? in->coverage : in->count > 0 ? in->count : in->percent;
    return ERR_OK;
}

static PlannerBudget read_budget(const Pgtide__V1__BudgetSpec *in)
{
    if (in == NULL)
        return (PlannerBudget){false, 0};
    return (PlannerBudget){in->is_percent, in->is_percent ? in->percent : in->count};
}

static ErrCode read_policy(const Coordinator *coordinator, const Pgtide__V1__Policy *in,
                           Policy *out, Error *err)
{
    ErrCode code = policy_decode(in, out, err);
    if (code != ERR_OK)
        return code;
    if (out->approvals < (uint32_t)coordinator->settings.approvals_min) {
        err_set(err, ERR_REFUSED, "a plan needs at least %u approvals here, this one asks for %u",
                (unsigned)coordinator->settings.approvals_min, out->approvals);
        err_hint(err, "Say `approvals: %u` in the rollout's file.",
                 (unsigned)coordinator->settings.approvals_min);
        return ERR_REFUSED;
    }
    if (out->approvals > LIMIT_SIGNATURES)
        return err_set(err, ERR_LIMIT, "at most %d approvals", LIMIT_SIGNATURES);
    if (out->lock_timeout_ms == 0)
        out->lock_timeout_ms = DEFAULT_LOCK_TIMEOUT_MS;
    if (out->lock_attempts == 0)
        out->lock_attempts = DEFAULT_LOCK_ATTEMPTS;
    if (out->rollback_until_ms == 0)
        out->rollback_until_ms = DEFAULT_ROLLBACK_UNTIL_MS;
    return ERR_OK;
}

static ErrCode read_windows(Planning *planning, const Pgtide__V1__MakePlan *request, Error *err)
{
    PlanHeader *header = &planning->header;
    WindowLook look;
    ErrCode code = windows_decode(planning->arena, request->windows, request->n_windows,
                                  &header->windows, err);
    header->window_count = request->n_windows;
    if (code == ERR_OK)
        code = window_look(header->windows, header->window_count, planning->coordinator->unix_ms,
                           &look, err);
    if (code == ERR_OK && look.opens_unix_ms == 0)
        code = err_set(err, ERR_CONFIG, "the windows are never open in the next eight days");
    return code;
}

static ErrCode read_gates(Planning *planning, const Pgtide__V1__MakePlan *request, Error *err)
{
    PlanHeader *header = &planning->header;
    ErrCode code =
        gates_decode(planning->arena, request->gates, request->n_gates, &header->gates, err);
    header->gate_count = request->n_gates;
    for (size_t i = 0; i < request->n_gates && code == ERR_OK; i++)
        code = gates_check(planning->coordinator, &header->gates[i], err);
    return code;
}

static ErrCode read_header(Planning *planning, const Pgtide__V1__MakePlan *request,
                           const char *author, Error *err)
{
    Coordinator *coordinator = planning->coordinator;
    if (!name_is_valid(request->name))
        return err_set(err, ERR_CONFIG, "a rollout's name is [a-z0-9][a-z0-9_-]{0,62}");
    if ((unsigned)request->direction == 0 || (unsigned)request->direction > DIRECTION_DOWNGRADE)
        return err_set(err, ERR_PROTOCOL, "a plan needs a direction");
    planning->header.name = request->name;
    planning->header.author = author;
    planning->header.direction = (Direction)request->direction;
    planning->header.target = request->target;
    planning->header.budget_count = request->n_budgets;
    ErrCode code = budgets_decode(planning->arena, request->budgets, request->n_budgets,
                                  &planning->header.budgets, err);
    if (code == ERR_OK)
        code = read_windows(planning, request, err);
    if (code == ERR_OK)
        code = read_gates(planning, request, err);
    planning->header.require_count = request->n_requires;
    if (code == ERR_OK)
        code = requires_decode(planning->arena, request->requires, request->n_requires,
                               &planning->header.requires, err);
    if (code != ERR_OK)
        return code;
    return read_policy(coordinator, request->policy, &planning->header.policy, err);
}

static ErrCode read_order(const Pgtide__V1__MakePlan *request, PlannerOrder *ret_order, Error *err)
{
    switch (request->order) {
    case PGTIDE__V1__ORDER__ORDER_INVENTORY:
        *ret_order = PLANNER_ORDER_INVENTORY;
        return ERR_OK;
    case PGTIDE__V1__ORDER__ORDER_SMALLEST_FIRST:
        *ret_order = PLANNER_ORDER_SMALLEST_FIRST;
        return ERR_OK;
    case PGTIDE__V1__ORDER__ORDER_RANDOM:
        *ret_order = PLANNER_ORDER_RANDOM;
        return ERR_OK;
    default:
        return err_set(err, ERR_PROTOCOL, "a plan needs an order");
    }
}

static const char *order_name(PlannerOrder order)
{
    switch (order) {
    case PLANNER_ORDER_RANDOM:
        return "random";
    case PLANNER_ORDER_SMALLEST_FIRST:
        return "smallest-first";
    default:
        return "inventory";
    }
}

/* Small enough to be typed again. */
static uint64_t draw_seed(const Pgtide__V1__MakePlan *request)
{
    Uuid random = uuid_random();
    uint32_t seed = 0;
    memcpy(&seed, random.bytes, sizeof seed);
    return request->seed != 0 ? request->seed : seed % 1000000 + 1;
}

/* Whether chance has had a part in the plan. */
static bool uses_seed(const PlannerRequest *planner)
{
    bool used = planner->order == PLANNER_ORDER_RANDOM;
    for (size_t i = 0; i < planner->wave_count; i++)
        used = used || planner->waves[i].kind == PLANNER_WAVE_COVERAGE;
    return used;
}

static ErrCode run_planner(Planning *planning, const Pgtide__V1__MakePlan *request, Error *err)
{
    PlannerRequest planner = {
        .budget_wave = read_budget(request->budget_wave),
        .budget_fleet = read_budget(request->budget_fleet),
        .concurrency = planning->header.policy.concurrency,
    };
    ShardCandidate *candidates;
    ErrCode code =
        select_candidates(planning, request->select, &candidates, &planner.candidate_count, err);
    if (code == ERR_OK)
        code = check_backups(planning, candidates, planner.candidate_count, err);
    if (code == ERR_OK)
        code = read_order(request, &planner.order, err);
    if (code == ERR_OK)
        code = proto_count(request->n_waves, LIMIT_PLAN_WAVES, "waves", err);
    if (code != ERR_OK)
        return code;
    PlannerWave *waves = ARENA_ARRAY(planning->arena, PlannerWave, request->n_waves + 1);
    for (size_t i = 0; i < request->n_waves; i++) {
        code = read_wave(request->waves[i], planning->arena, &waves[i], err);
        if (code != ERR_OK)
            return code;
    }
    planner.seed = draw_seed(request);
    planner.candidates = candidates;
    planner.waves = waves;
    planner.wave_count = request->n_waves;
    planning->header.seed = uses_seed(&planner) ? planner.seed : 0;
    planning->header.notes.select = request->select;
    planning->header.notes.order = order_name(planner.order);
    return planner_plan(&planner, planning->arena, &planning->result, err);
}

/* --- the plan's bytes ------------------------------------------------------------------------- */

static ErrCode encode_shards(Planning *planning, PlanFile *file, Error *err)
{
    const PlannerResult *result = &planning->result;
    Digest *leaves = ARENA_ARRAY(planning->arena, Digest, result->shard_count);
    file->shard_count = result->shard_count;
    file->shards = ARENA_ARRAY(planning->arena, ByteSpan, result->shard_count);
    for (size_t i = 0; i < result->shard_count; i++) {
        uint8_t *bytes;
        size_t length;
        ErrCode code = plan_shard_encode(planning->arena, &result->shards[i], &bytes, &length, err);
        if (code != ERR_OK)
            return code;
        file->shards[i] = (ByteSpan){bytes, length};
        leaves[i] = merkle_leaf(bytes, length);
    }
    planning->header.shards_root = merkle_root(leaves, result->shard_count);
    return ERR_OK;
}

static void complete_header(Planning *planning)
{
    const Coordinator *coordinator = planning->coordinator;
    PlanHeader *header = &planning->header;
    header->fleet_id = *trust_fleet_id(coordinator->trust);
    header->rollout_id = uuid_random();
    header->created_unix_ms = coordinator->unix_ms;
    header->expires_unix_ms = coordinator->unix_ms + coordinator->settings.plan_ttl_ms;
    header->shard_count = (uint32_t)planning->result.shard_count;
    header->waves = planning->result.waves;
    header->wave_count = planning->result.wave_count;
    header->policy.budget_fleet = planning->result.budget_fleet;
    header->notes.already_there = planning->result.already_there;
    note_irreversible(planning);
    note_estimates(planning);
}

/* What was encoded is decoded once more: whoever gets the plan will check it so. */
static ErrCode store_plan(Planning *planning, PlanSummary *ret_summary, Error *err)
{
    Coordinator *coordinator = planning->coordinator;
    Arena *arena = planning->arena;
    PlanFile file = {0};
    PlanHeader *header = ARENA_NEW(arena, PlanHeader);
    uint8_t *header_bytes;
    size_t header_length;
    uint8_t *envelope;
    uint8_t *bytes;
    size_t length;
    complete_header(planning);
    ErrCode code = encode_shards(planning, &file, err);
    if (code == ERR_OK)
        code = plan_header_encode(arena, &planning->header, &header_bytes, &header_length, err);
    if (code == ERR_OK)
        code = plan_header_decode(arena, header_bytes, header_length, header, err);
    if (code == ERR_OK)
        code = plan_file_check(arena, &file, header, NULL, err);
    if (code == ERR_OK)
        code = envelope_sign(arena, MESSAGE_PLAN, header_bytes, header_length, NULL, 0, &envelope,
                             &file.header_envelope.length, err);
    if (code != ERR_OK)
        return code;
    file.header_envelope.bytes = envelope;
    code = plan_file_encode(arena, &file, &bytes, &length, err);
    if (code == ERR_OK && length > LIMIT_PLAN_BYTES)
        code = err_set(err, ERR_LIMIT, "the plan is larger than %d bytes", LIMIT_PLAN_BYTES);
    if (code == ERR_OK)
        code = blob_put(coordinator->blobs, bytes, length, &ret_summary->plan_blob, err);
    if (code != ERR_OK)
        return code;
    ret_summary->header = header;
    ret_summary->plan_digest = sha256_bytes(header_bytes, header_length);
    coordinator->made[coordinator->made_count++ % COORDINATOR_MADE_PLANS] =
        (MadePlan){ret_summary->plan_blob, planning->bundle_blob};
    return ERR_OK;
}

ErrCode planning_finish(Planning *planning, PlanSummary *ret_summary, Error *err)
{
    PlanSummary summary = {0};
    ErrCode code = store_plan(planning, &summary, err);
    if (code != ERR_OK)
        return code;
    summary.shards = planning->result.shards;
    summary.bundle_blob = planning->bundle_blob;
    *ret_summary = summary;
    return ERR_OK;
}

ErrCode planning_make(Coordinator *coordinator, const Pgtide__V1__MakePlan *request,
                      const char *author, Arena *arena, PlanSummary *ret_summary, Error *err)
{
    Planning planning = {.coordinator = coordinator, .arena = arena};
    Digest bundle_blob;
    ErrCode code = proto_digest(&request->bundle_blob_digest, "bundle", &bundle_blob, err);
    if (code == ERR_OK)
        code = read_header(&planning, request, author, err);
    if (code == ERR_OK)
        code = planning_open_bundle(&planning, &bundle_blob, err);
    if (code == ERR_OK)
        code = run_planner(&planning, request, err);
    if (code == ERR_OK)
        code = planning_finish(&planning, ret_summary, err);
    return code;
}

ErrCode planning_bundle_of(const Coordinator *coordinator, const Digest *plan_blob,
                           Digest *ret_bundle_blob, Error *err)
{
    for (size_t i = 0; i < coordinator->made_count && i < COORDINATOR_MADE_PLANS; i++) {
        if (digest_equal(&coordinator->made[i].plan_blob, plan_blob)) {
            *ret_bundle_blob = coordinator->made[i].bundle_blob;
            return ERR_OK;
        }
    }
    err_set(err, ERR_STATE, "this coordinator does not remember having made the plan");
    err_hint(err, "Make the plan again: plans in flight are forgotten by a restart.");
    return ERR_STATE;
}

/* --- rollbacks -------------------------------------------------------------------------------- */

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
                code = check_reversible(script, err);
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
