#include "planning_parts.h"

#include "backup_gate.h"
#include "digest.h"
#include "estimates.h"
#include "gates.h"
#include "named_limits.h"
#include "phases.h"
#include "proto_read.h"
#include "select.h"
#include "standing.h"

#include <string.h>

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

ErrCode planning_check_reversible(const Script *script, Error *err)
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
            code = planning_check_reversible(steps.items[i].script, err);
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
    for (size_t i = 0; i < shard_memory_count(memory); i++) {
        const KnownShard *known = shard_memory_at(memory, i);
        if (known == NULL || inventory_find(coordinator->inventory, &known->uuid) != NULL)
            continue;
        const char *name =
            shard_display_name(planning->arena, known->cluster, known->database, known->schema);
        SelectTarget target = standing_select_missing(known, name);
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
        if (code == ERR_OK && candidate->shard.steps.count > 0 &&
            !planning_keeps_drifted(planning, shard))
            count--;
    }
    if (code == ERR_OK)
        code = planning_check_drifted(planning, err);
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

static ErrCode check_phases(Planning *planning, Error *err)
{
    const PlannerResult *result = &planning->result;
    ContractPlan *contract = &planning->header.contract;
    if (planning->header.direction != DIRECTION_UPGRADE) {
        *contract = (ContractPlan){0};
        return ERR_OK;
    }
    ErrCode code = phases_find(planning->arena, planning->bundle.map, result->shards,
                               result->shard_count, contract, err);
    if (code == ERR_OK)
        code = phases_check(planning->coordinator, planning->bundle.map, contract, err);
    return code;
}

static ErrCode run_planner(Planning *planning, const Pgtide__V1__MakePlan *request, Error *err)
{
    PlannerRequest planner = {.concurrency = planning->header.policy.concurrency};
    ShardCandidate *candidates;
    ErrCode code =
        select_candidates(planning, request->select, &candidates, &planner.candidate_count, err);
    if (code == ERR_OK)
        code = check_backups(planning, candidates, planner.candidate_count, err);
    if (code == ERR_OK)
        code = planning_read_waves(planning, request, &planner, err);
    if (code != ERR_OK)
        return code;
    planner.candidates = candidates;
    planning->header.notes.select = request->select;
    code = planner_plan(&planner, planning->arena, &planning->result, err);
    if (code == ERR_OK)
        code = planning_check_rehearsal(planning, err);
    return code == ERR_OK ? check_phases(planning, err) : code;
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
        code = planning_read_header(&planning, request, author, err);
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
