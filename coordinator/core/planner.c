#include "planner.h"

#include "coverage.h"
#include "draw.h"
#include "named_limits.h"

#include <stdlib.h>
#include <string.h>

/* A candidate that has something to do. */
typedef struct Item {
    const ShardCandidate *candidate;
    uint32_t position; /* among those */
    bool placed;
} Item;

typedef struct Planner {
    const PlannerRequest *request;
    Arena *arena;
    Item *items;
    size_t item_count;
    PlannerResult result;
} Planner;

static const char *schema_mark(const PlanShard *shard)
{
    return shard->schema != NULL && shard->schema[0] != '\0' ? "/" : "";
}

static ErrCode refuse(const PlanShard *shard, const char *why, Error *err)
{
    err_set(err, ERR_REFUSED, "%s/%s%s%s is %s", shard->cluster, shard->database,
            schema_mark(shard), schema_mark(shard)[0] != '\0' ? shard->schema : "", why);
    err_hint(err, "Leave such shards out on purpose, or mend them first.");
    return ERR_REFUSED;
}

static ErrCode take_candidates(Planner *planner, Error *err)
{
    const PlannerRequest *request = planner->request;
    if (request->candidate_count == 0)
        return err_set(err, ERR_EMPTY_SELECTION, "the selection matches no shard");
    if (request->candidate_count > LIMIT_PLAN_SHARDS)
        return err_set(err, ERR_LIMIT, "a plan has at most %d shards, %zu are selected",
                       LIMIT_PLAN_SHARDS, request->candidate_count);
    planner->items = ARENA_ARRAY(planner->arena, Item, request->candidate_count);
    for (size_t i = 0; i < request->candidate_count; i++) {
        const ShardCandidate *candidate = &request->candidates[i];
        if (!candidate->reachable) { /* its rows, and so its steps, are not known */
            if (!request->leave_out_unreachable)
                return refuse(&candidate->shard, "unreachable", err);
            planner->result.left_out++;
        } else if (candidate->shard.steps.count == 0) {
            planner->result.already_there++;
        } else if (candidate->quarantined) {
            if (!request->leave_out_quarantined)
                return refuse(&candidate->shard, "quarantined", err);
            planner->result.left_out++;
        } else {
            uint32_t position = (uint32_t)planner->item_count;
            planner->items[planner->item_count++] = (Item){candidate, position, false};
        }
    }
    if (planner->item_count == 0)
        return err_set(err, ERR_EMPTY_SELECTION,
                       "none of the %zu selected shards has a step to do: %u at the target, "
                       "%u left out",
                       request->candidate_count, planner->result.already_there,
                       planner->result.left_out);
    return ERR_OK;
}

static int compare_sizes(const void *left, const void *right)
{
    const Item *a = left;
    const Item *b = right;
    if (a->candidate->size_bytes != b->candidate->size_bytes)
        return a->candidate->size_bytes < b->candidate->size_bytes ? -1 : 1;
    return a->position < b->position ? -1 : a->position > b->position;
}

static void put_in_order(Planner *planner)
{
    if (planner->request->order == PLANNER_ORDER_SMALLEST_FIRST)
        qsort(planner->items, planner->item_count, sizeof *planner->items, compare_sizes);
    if (planner->request->order != PLANNER_ORDER_RANDOM)
        return;
    uint64_t state = planner->request->seed;
    for (size_t i = planner->item_count; i > 1; i--) {
        size_t other = draw_next(&state) % i;
        Item item = planner->items[i - 1];
        planner->items[i - 1] = planner->items[other];
        planner->items[other] = item;
    }
}

static bool has_labels(const PlanShard *shard, const LabelList *wanted)
{
    for (size_t i = 0; i < wanted->count; i++) {
        bool found = false;
        for (size_t j = 0; j < shard->labels.count && !found; j++)
            found = strcmp(shard->labels.items[j].key, wanted->items[i].key) == 0 &&
                    strcmp(shard->labels.items[j].value, wanted->items[i].value) == 0;
        if (!found)
            return false;
    }
    return true;
}

static size_t percent_of(size_t count, uint32_t percent)
{
    return count * percent / 100;
}

static uint32_t resolve_budget(const PlannerBudget *budget, size_t count)
{
    return budget->percent ? (uint32_t)percent_of(count, budget->value) : budget->value;
}

static size_t wave_size(const Planner *planner, const PlannerWave *wave)
{
    size_t size;
    switch (wave->kind) {
    case PLANNER_WAVE_COUNT:
        return wave->amount;
    case PLANNER_WAVE_LABELS:
        return wave->amount > 0 ? wave->amount : planner->item_count;
    case PLANNER_WAVE_PERCENT:
        size = percent_of(planner->item_count, wave->amount);
        return size > 0 ? size : 1;
    default:
        return planner->item_count;
    }
}

static void place_item(PlannerResult *result, Item *item)
{
    item->placed = true;
    PlanShard *shard = &result->shards[result->shard_count];
    *shard = item->candidate->shard;
    shard->index = (uint32_t)result->shard_count++;
    shard->wave = (uint32_t)result->wave_count;
}

/* Those chosen stand in the plan's order, as in every wave. */
static void place_covering(Planner *planner, const PlannerWave *wave)
{
    size_t count = planner->item_count;
    const ShardCandidate **candidates = ARENA_ARRAY(planner->arena, const ShardCandidate *, count);
    bool *taken = ARENA_ARRAY(planner->arena, bool, count);
    for (size_t i = 0; i < count; i++) {
        candidates[i] = planner->items[i].candidate;
        taken[i] = planner->items[i].placed;
    }
    coverage_choose(candidates, count, wave->amount, planner->request->seed, taken);
    for (size_t i = 0; i < count; i++) {
        if (taken[i] && !planner->items[i].placed)
            place_item(&planner->result, &planner->items[i]);
    }
}

/* "20%", and "20%-2" when the same entry comes again. */
static const char *wave_name(const Planner *planner, const PlannerWave *wave, size_t number,
                             size_t round)
{
    if (wave->name == NULL)
        return arena_printf(planner->arena, "wave-%zu", number + round - 1);
    return round == 1 ? wave->name : arena_printf(planner->arena, "%s-%zu", wave->name, round);
}

/* Moves the wave's shards to the end of the plan. `round`: of an entry that repeats, from 1. */
static void place_wave(Planner *planner, const PlannerWave *wave, size_t number, size_t round)
{
    PlannerResult *result = &planner->result;
    size_t size = wave->kind == PLANNER_WAVE_COVERAGE ? 0 : wave_size(planner, wave);
    size_t before = result->shard_count;
    if (wave->kind == PLANNER_WAVE_COVERAGE)
        place_covering(planner, wave);
    for (size_t i = 0; i < planner->item_count && result->shard_count - before < size; i++) {
        Item *item = &planner->items[i];
        if (!item->placed && (wave->kind != PLANNER_WAVE_LABELS ||
                              has_labels(&item->candidate->shard, &wave->labels)))
            place_item(result, item);
    }
    size_t count = result->shard_count - before;
    if (count == 0)
        return;
    uint32_t budget = resolve_budget(&planner->request->budget_wave, count);
    result->worst_case_wave[result->wave_count] = plan_worst_case(
        budget, plan_flying_max(&planner->request->concurrency, &result->shards[before], count),
        count);
    result->waves[result->wave_count++] =
        (WavePlan){.name = wave_name(planner, wave, number, round),
                   .shard_count = (uint32_t)count,
                   .bake_ms = wave->bake_ms,
                   .budget = budget};
}

static ErrCode check_wave(const PlannerWave *wave, size_t number, Error *err)
{
    switch (wave->kind) {
    case PLANNER_WAVE_LABELS:
        if (wave->labels.count == 0)
            return err_set(err, ERR_CONFIG, "wave %zu has no labels", number);
        return ERR_OK;
    case PLANNER_WAVE_COUNT:
    case PLANNER_WAVE_COVERAGE:
        if (wave->amount == 0)
            return err_set(err, ERR_CONFIG, "wave %zu has no shards", number);
        return ERR_OK;
    case PLANNER_WAVE_PERCENT:
        if (wave->amount == 0 || wave->amount > 100)
            return err_set(err, ERR_CONFIG, "wave %zu: %u%% is not from 1%% to 100%%", number,
                           wave->amount);
        return ERR_OK;
    case PLANNER_WAVE_REST:
        return ERR_OK;
    case PLANNER_WAVE_UNSPECIFIED:
        break;
    }
    return err_set(err, ERR_CONFIG, "wave %zu has no kind", number);
}

static bool is_repeated(const PlannerWave *wave)
{
    return wave->kind == PLANNER_WAVE_COUNT || wave->kind == PLANNER_WAVE_PERCENT;
}

/* The last entry of a list repeats until nothing is left. */
static ErrCode place_again(Planner *planner, const PlannerWave *wave, size_t number, Error *err)
{
    PlannerResult *result = &planner->result;
    for (size_t round = 2; result->shard_count < planner->item_count; round++) {
        if (result->wave_count == LIMIT_PLAN_WAVES) {
            err_set(err, ERR_LIMIT,
                    "wave %zu, repeated, makes more than %d waves: %zu of %zu "
                    "shards are left",
                    number, LIMIT_PLAN_WAVES, planner->item_count - result->shard_count,
                    planner->item_count);
            err_hint(err, "Make the last wave larger, or end the list with `rest`.");
            return ERR_LIMIT;
        }
        place_wave(planner, wave, number, round);
    }
    return ERR_OK;
}

static ErrCode check_order(const PlannerWave *waves, size_t count, Error *err)
{
    for (size_t i = 0; i + 1 < count; i++) {
        if (waves[i].kind == PLANNER_WAVE_REST)
            return err_set(err, ERR_CONFIG, "wave %zu comes after `rest`, which leaves nothing",
                           i + 2);
    }
    return ERR_OK;
}

static ErrCode place_all(Planner *planner, Error *err)
{
    static const PlannerWave everything = {.name = "rest", .kind = PLANNER_WAVE_REST};
    const PlannerRequest *request = planner->request;
    const PlannerWave *waves = request->wave_count > 0 ? request->waves : &everything;
    size_t wave_count = request->wave_count > 0 ? request->wave_count : 1;
    if (wave_count > LIMIT_PLAN_WAVES)
        return err_set(err, ERR_LIMIT, "a plan has at most %d waves", LIMIT_PLAN_WAVES);
    PlannerResult *result = &planner->result;
    result->shards = ARENA_ARRAY(planner->arena, PlanShard, planner->item_count);
    result->waves = ARENA_ARRAY(planner->arena, WavePlan, LIMIT_PLAN_WAVES);
    result->worst_case_wave = ARENA_ARRAY(planner->arena, uint32_t, LIMIT_PLAN_WAVES);
    ErrCode code = check_order(waves, wave_count, err);
    for (size_t i = 0; i < wave_count && code == ERR_OK; i++) {
        code = check_wave(&waves[i], i + 1, err);
        if (code != ERR_OK)
            return code;
        size_t before = result->wave_count;
        place_wave(planner, &waves[i], i + 1, 1);
        /* A canary that is not there must not pass silently. */
        if (result->wave_count == before && waves[i].kind == PLANNER_WAVE_LABELS)
            return err_set(err, ERR_CONFIG, "no shard left has the labels of wave %zu", i + 1);
    }
    if (code == ERR_OK && is_repeated(&waves[wave_count - 1]))
        code = place_again(planner, &waves[wave_count - 1], wave_count, err);
    if (code != ERR_OK || result->shard_count == planner->item_count)
        return code;
    err_set(err, ERR_CONFIG, "%zu of %zu shards are in no wave",
            planner->item_count - result->shard_count, planner->item_count);
    err_hint(err, "End the list of waves with `rest`, or with a size: the last one repeats.");
    return ERR_CONFIG;
}

static ErrCode check_budget(const PlannerBudget *budget, const char *name, Error *err)
{
    if (budget->percent && budget->value > 100)
        return err_set(err, ERR_CONFIG, "the %s budget of %u%% is more than 100%%", name,
                       budget->value);
    return ERR_OK;
}

ErrCode planner_plan(const PlannerRequest *request, Arena *arena, PlannerResult *ret_result,
                     Error *err)
{
    Planner planner = {.request = request, .arena = arena};
    ErrCode code = check_budget(&request->budget_wave, "wave", err);
    if (code == ERR_OK)
        code = check_budget(&request->budget_fleet, "fleet", err);
    if (code == ERR_OK)
        code = take_candidates(&planner, err);
    if (code != ERR_OK)
        return code;
    put_in_order(&planner);
    code = place_all(&planner, err);
    if (code != ERR_OK)
        return code;
    PlannerResult *result = &planner.result;
    result->budget_fleet = resolve_budget(&request->budget_fleet, result->shard_count);
    result->worst_case_fleet =
        plan_worst_case(result->budget_fleet,
                        plan_flying_max(&request->concurrency, result->shards, result->shard_count),
                        result->shard_count);
    *ret_result = *result;
    return ERR_OK;
}
