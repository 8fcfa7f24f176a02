/* What the request for a plan says: its policy, windows, gates, budgets and waves. */
#include "planning_parts.h"

#include "codec_common.h"
#include "contract_codec.h"
#include "digest.h"
#include "gates.h"
#include "named_limits.h"
#include "rehearsal_codec.h"

#include <string.h>

enum {
    DEFAULT_LOCK_TIMEOUT_MS = 500,
    DEFAULT_LOCK_ATTEMPTS = 30,
    DEFAULT_ROLLBACK_UNTIL_MS = 24 * 3600 * 1000,
};

/* --- policy ----------------------------------------------------------------------------------- */

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
    if (out->lock_budget_ms == 0)
        out->lock_budget_ms = LOCK_BUDGET_DEFAULT_MS;
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
    for (size_t i = 0; i < request->n_gates && code == ERR_OK; i++) {
        if (header->gates[i].kind == GATE_KIND_COMPAT && header->direction != DIRECTION_UPGRADE)
            code = err_set(err, ERR_CONFIG,
                           "gate '%s': `compat` looks at what upgrades take away, and this is a %s",
                           header->gates[i].name, direction_name(header->direction));
    }
    return code;
}

ErrCode planning_read_header(Planning *planning, const Pgtide__V1__MakePlan *request,
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
    if (code == ERR_OK)
        code = contract_decode(planning->arena, request->contract, planning->header.gates,
                               planning->header.gate_count, &planning->header.contract, err);
    if (code == ERR_OK)
        code =
            rehearsal_decode(planning->arena, request->rehearsal, &planning->header.rehearsal, err);
    if (code != ERR_OK)
        return code;
    return read_policy(coordinator, request->policy, &planning->header.policy, err);
}

/* --- waves ------------------------------------------------------------------------------------ */

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

ErrCode planning_read_waves(Planning *planning, const Pgtide__V1__MakePlan *request,
                            PlannerRequest *planner, Error *err)
{
    ErrCode code = read_order(request, &planner->order, err);
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
    planner->budget_wave = read_budget(request->budget_wave);
    planner->budget_fleet = read_budget(request->budget_fleet);
    planner->seed = draw_seed(request);
    planner->waves = waves;
    planner->wave_count = request->n_waves;
    planning->header.seed = uses_seed(planner) ? planner->seed : 0;
    planning->header.notes.order = order_name(planner->order);
    return ERR_OK;
}
