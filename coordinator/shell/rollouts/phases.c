#include "phases.h"

#include "bundle.h"
#include "select.h"
#include "standing.h"

#include <string.h>

/* --- what a plan contracts -------------------------------------------------------------------- */

static void add_once(Arena *arena, StrList *list, const char *item)
{
    if (!strlist_has(list, item))
        strlist_add(arena, list, item);
}

static ErrCode add_expands(Arena *arena, const RevisionMap *map, const char *contract,
                           StrList *expands, Error *err)
{
    StrList from = {0};
    StrList below;
    strlist_add(arena, &from, contract);
    ErrCode code = graph_applied(arena, map, &from, &below, err);
    for (size_t i = 0; code == ERR_OK && i < below.count; i++) {
        if (graph_find(map, below.items[i])->phase == SCRIPT_PHASE_EXPAND)
            add_once(arena, expands, below.items[i]);
    }
    return code;
}

ErrCode phases_find(Arena *arena, const RevisionMap *map, const PlanShard *shards, size_t count,
                    ContractPlan *contract, Error *err)
{
    contract->contracts = contract->expands = (StrList){0};
    const char *const *last = NULL; /* shards with the same rows share their list of steps */
    for (size_t i = 0; i < count; i++) {
        const StrList *steps = &shards[i].steps;
        if ((const char *const *)steps->items == last)
            continue;
        last = (const char *const *)steps->items;
        for (size_t k = 0; k < steps->count; k++) {
            const Script *script = graph_find(map, steps->items[k]);
            if (script != NULL && script->phase == SCRIPT_PHASE_CONTRACT)
                add_once(arena, &contract->contracts, script->id);
        }
    }
    strlist_sort(&contract->contracts);
    if (contract->contracts.count == 0)
        return ERR_OK;
    if (contract->gate[0] == '\0') {
        err_set(err, ERR_REFUSED,
                "%s is a contract step: it takes away what an older application uses",
                contract->contracts.items[0]);
        err_hint(err,
                 "Add a gate that says that this application is gone, with `when: before`, and "
                 "name it: `contract: {gate: NAME}`.");
        return ERR_REFUSED;
    }
    ErrCode code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < contract->contracts.count; i++)
        code = add_expands(arena, map, contract->contracts.items[i], &contract->expands, err);
    strlist_sort(&contract->expands);
    return code;
}

/* --- whether everything has expanded ---------------------------------------------------------- */

/* Of shards with the same rows, why they have not; '' = they have. */
typedef struct RowsJudged {
    const StrList *rows;
    const char *flaw;
} RowsJudged;

typedef struct Survey {
    Arena *arena;
    const RevisionMap *map;
    const ContractPlan *contract;
    RowsJudged *judged;
    size_t count;
    size_t capacity;
    size_t missing;
    const char *first;
    const char *why;
} Survey;

static const char *judge_rows(const Survey *survey, const StrList *rows)
{
    StrList applied;
    Error err;
    if (rows->count == 0)
        return "";
    if (graph_applied(survey->arena, survey->map, rows, &applied, &err) != ERR_OK)
        return arena_printf(survey->arena, "it stands at %s, which the bundle does not know",
                            strlist_join(survey->arena, rows, ", "));
    for (size_t i = 0; i < survey->contract->expands.count; i++) {
        if (!strlist_has(&applied, survey->contract->expands.items[i]))
            return arena_printf(survey->arena, "it stands at %s and has not expanded by %s",
                                strlist_join(survey->arena, rows, ", "),
                                survey->contract->expands.items[i]);
    }
    return "";
}

static const char *judge(Survey *survey, const StrList *rows)
{
    for (size_t i = 0; i < survey->count; i++) {
        if (strlist_equal(survey->judged[i].rows, rows))
            return survey->judged[i].flaw;
    }
    if (survey->count == survey->capacity) {
        size_t capacity = survey->capacity == 0 ? 16 : survey->capacity * 2;
        survey->judged = arena_grow(survey->arena, survey->judged, survey->count, capacity,
                                    sizeof *survey->judged);
        survey->capacity = capacity;
    }
    const char *flaw = judge_rows(survey, rows);
    survey->judged[survey->count++] = (RowsJudged){rows, flaw};
    return flaw;
}

static void note(Survey *survey, const char *shard, const char *flaw)
{
    if (flaw[0] == '\0')
        return;
    if (survey->missing++ == 0) {
        survey->first = shard;
        survey->why = flaw;
    }
}

static void survey_listed(const Coordinator *coordinator, const Selection *selection,
                          Survey *survey)
{
    for (size_t i = 0; i < inventory_shard_count(coordinator->inventory); i++) {
        const FleetShard *shard = inventory_shard_at(coordinator->inventory, i);
        SelectTarget target = standing_select_target(coordinator, shard);
        if (shard->standby || !select_matches(selection, &target))
            continue;
        bool read = shard->reachable || shard->rows.count > 0;
        note(survey, shard->name,
             read ? judge(survey, &shard->rows) : "it can't be reached, and was never read");
    }
}

/* Known, and listed by nobody now. */
static void survey_missing(const Coordinator *coordinator, const Selection *selection,
                           Survey *survey)
{
    for (size_t i = 0; i < shard_memory_count(coordinator->memory); i++) {
        const KnownShard *known = shard_memory_at(coordinator->memory, i);
        if (known == NULL || inventory_find(coordinator->inventory, &known->uuid) != NULL)
            continue;
        const char *name =
            shard_display_name(survey->arena, known->cluster, known->database, known->schema);
        SelectTarget target = standing_select_missing(known, name);
        if (select_matches(selection, &target))
            note(survey, name,
                 "no agent lists it now; `pgtide fleet forget` says that it is gone for good");
    }
}

ErrCode phases_check(const Coordinator *coordinator, const RevisionMap *map,
                     const ContractPlan *contract, Error *err)
{
    if (contract->contracts.count == 0 || contract->expands.count == 0)
        return ERR_OK;
    AUTO_ARENA Arena *arena = arena_new();
    Survey survey = {.arena = arena, .map = map, .contract = contract};
    const Selection *selection;
    ErrCode code = select_parse(contract->shards, arena, &selection, err);
    if (code != ERR_OK)
        return err_wrap(err, "shards of `contract`");
    survey_listed(coordinator, selection, &survey);
    survey_missing(coordinator, selection, &survey);
    if (survey.missing == 0)
        return ERR_OK;
    err_set(err, ERR_REFUSED, "%s takes away what %zu shard%s not replaced yet",
            contract->contracts.items[0], survey.missing, survey.missing == 1 ? " has" : "s have");
    err_detail(err, "first %s: %s", survey.first, survey.why);
    err_hint(
        err,
        "Bring every shard to %s by a rollout of its own first; `contract: {shards: ...}` says "
        "which shards count, if others have nothing to do with it.",
        contract->expands.items[contract->expands.count - 1]);
    return ERR_REFUSED;
}

ErrCode phases_check_bundle(const Coordinator *coordinator, const Digest *bundle_blob,
                            const ContractPlan *contract, Error *err)
{
    if (contract->contracts.count == 0)
        return ERR_OK;
    AUTO_ARENA Arena *arena = arena_new();
    Bundle bundle;
    uint8_t *bytes;
    size_t length;
    ErrCode code = blob_read(coordinator->blobs, arena, bundle_blob, &bytes, &length, err);
    if (code == ERR_OK)
        code = bundle_open(arena, bytes, length, coordinator->trust, &bundle, err);
    return code == ERR_OK ? phases_check(coordinator, bundle.map, contract, err)
                          : err_wrap(err, "bundle");
}
