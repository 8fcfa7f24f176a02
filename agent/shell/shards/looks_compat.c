/*
 * Who on a shard uses what its steps take away. Objects are asked for once. Statements take two
 * rounds: all shards are visited, and when the gate's window is over once more; what was called in
 * between counts. No session is held meanwhile.
 */
#include "clock.h"
#include "compat_gate.h"
#include "looks_parts.h"

struct LookCompat {
    TakenList *taken;     /* by target */
    CompatSample *before; /* by target, in the second round */
    size_t *parked;       /* targets, as they were parked */
    size_t parked_count;
    bool second;
    uint64_t due_ms;
};

/* --- what is taken away ----------------------------------------------------------------------- */

static ErrCode read_steps(Look *look, const RevisionMap *map, const StrList *steps,
                          TakenList *taken, Error *err)
{
    ErrCode code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < steps->count; i++) {
        const Script *script = graph_find(map, steps->items[i]);
        if (script != NULL)
            code = takes_read(look->arena, script, taken, err);
    }
    return code;
}

ErrCode look_compat_new(Look *look, const RevisionMap *map, const PlanShard *shards, Error *err)
{
    LookCompat *compat = ARENA_NEW(look->arena, LookCompat);
    compat->taken = ARENA_ARRAY(look->arena, TakenList, look->count + 1);
    compat->before = ARENA_ARRAY(look->arena, CompatSample, look->count + 1);
    compat->parked = ARENA_ARRAY(look->arena, size_t, look->count + 1);
    look->compat = compat;
    ErrCode code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < look->count; i++) {
        if (i > 0 && strlist_equal(&shards[i].steps, &shards[i - 1].steps))
            compat->taken[i] = compat->taken[i - 1];
        else
            code = read_steps(look, map, &shards[i].steps, &compat->taken[i], err);
    }
    return code;
}

/* --- rounds ----------------------------------------------------------------------------------- */

bool look_compat_has_parked(const Look *look)
{
    return look->compat != NULL && look->compat->parked_count > 0;
}

bool look_compat_begins(Look *look, uint64_t *ret_wait_ms)
{
    LookCompat *compat = look->compat;
    uint64_t now_ms = clock_monotonic_ms();
    if (now_ms < compat->due_ms) {
        *ret_wait_ms = compat->due_ms - now_ms;
        return false;
    }
    size_t count = compat->parked_count;
    PlanShard *targets = ARENA_ARRAY(look->arena, PlanShard, count);
    TakenList *taken = ARENA_ARRAY(look->arena, TakenList, count);
    CompatSample *before = ARENA_ARRAY(look->arena, CompatSample, count);
    for (size_t i = 0; i < count; i++) {
        targets[i] = look->targets[compat->parked[i]];
        taken[i] = compat->taken[compat->parked[i]];
        before[i] = compat->before[compat->parked[i]];
    }
    *compat = (LookCompat){.taken = taken, .before = before, .second = true};
    look->targets = targets;
    look->count = count;
    look->at = 0;
    return true;
}

static void park(Visit *visit, const CompatSample *sample)
{
    Look *look = visit->look;
    LookCompat *compat = look->compat;
    compat->before[visit->target] = compat_sample_keep(look->arena, sample);
    compat->parked[compat->parked_count++] = visit->target;
    compat->due_ms = clock_monotonic_ms() + look->gate.limit;
    look_park(visit);
}

/* --- the verdict ------------------------------------------------------------------------------ */

static const char *describe(Visit *visit, const CompatUse *use)
{
    Arena *arena = visit->arena;
    const CompatReport *report = &visit->report;
    const Taken *taken = &report->taken->items[use->taken];
    const char *what = report->found[use->taken].name;
    const char *sure = use->sure == COMPAT_USES || use->sure == COMPAT_BY_NAME ? "uses" : "may use";
    if (use->user == NULL)
        return arena_printf(
            arena, "%s %s %s %s%s, which revision %s takes away", use->kind, use->name, sure, what,
            use->sure == COMPAT_BY_NAME ? " (its body has the name)" : "", taken->revision);
    return arena_printf(arena,
                        "role %s %s %s, which revision %s takes away: %llu call%s of query %s",
                        use->user, sure, what, taken->revision, (unsigned long long)use->calls,
                        use->calls == 1 ? "" : "s", use->name);
}

static void judge(Visit *visit)
{
    const CompatReport *report = &visit->report;
    CompatGateDepth depth = compat_gate_depth(&visit->look->gate);
    const CompatUse *worst = NULL;
    for (size_t i = 0; i < report->use_count; i++) {
        if (worst == NULL || report->uses[i].sure > worst->sure)
            worst = &report->uses[i];
    }
    if (worst != NULL && worst->sure >= COMPAT_BY_NAME)
        look_end(visit, GATE_FAILED, describe(visit, worst));
    else if (worst != NULL && depth == COMPAT_GATE_STRICT)
        look_end(visit, GATE_INCONCLUSIVE, describe(visit, worst));
    else if (report->notes.count > 0 && (depth == COMPAT_GATE_STRICT || report->forgotten))
        look_end(visit, GATE_INCONCLUSIVE, report->notes.items[report->notes.count - 1]);
    else if (worst != NULL)
        look_end(visit, GATE_SUCCEEDED,
                 arena_printf(visit->arena,
                              "nobody is known to use what its steps take away, but %s",
                              describe(visit, worst)));
    else
        look_end(visit, GATE_SUCCEEDED, "nobody is known to use what its steps take away");
}

/* --- one visit -------------------------------------------------------------------------------- */

static CompatRows rows_of(const ShardSqlResult *result)
{
    return (CompatRows){result->row_count, result->column_count, result->values};
}

static void ask(Visit *visit, const char *sql, ShardSqlCb *cb)
{
    visit->statements = (StatementList){0};
    look_add_statement(visit, compat_path_sql);
    look_add_statement(visit, sql);
    look_run(visit, true, cb);
}

static void judge_statements(Visit *visit, const CompatSample *now)
{
    const LookCompat *compat = visit->look->compat;
    const CompatJudgeArgs args = {
        .before = &compat->before[visit->target], .now = now, .ignore = &visit->look->gate.ignore};
    if (!compat->second) {
        park(visit, now);
        return;
    }
    compat_judge(&visit->report, &args);
    judge(visit);
}

static void on_statements(ShardSession *session, const ShardSqlResult *result, const Error *err,
                          void *data)
{
    (void)session;
    Visit *visit = data;
    Looks *looks = visit->looks;
    CompatSample now;
    Error error;
    CompatRows rows = err == NULL ? rows_of(result) : (CompatRows){0};
    if (err != NULL)
        look_error(visit, err);
    else if (compat_sample_read(visit->arena, &rows, &now, &error) != ERR_OK)
        look_error(visit, &error);
    else
        judge_statements(visit, &now);
    look_go_on(looks);
}

static void judge_objects(Visit *visit)
{
    const CompatReport *report = &visit->report;
    if (report->use_count > 0 || compat_gate_depth(&visit->look->gate) == COMPAT_GATE_OBJECTS)
        judge(visit);
    else if (report->untold != NULL)
        look_end(visit, GATE_INCONCLUSIVE,
                 arena_printf(visit->arena,
                              "cannot tell which statements use what its steps take away: %s",
                              report->untold));
    else
        ask(visit, compat_statements_sql(report), on_statements);
}

static void on_objects(ShardSession *session, const ShardSqlResult *result, const Error *err,
                       void *data)
{
    (void)session;
    Visit *visit = data;
    Looks *looks = visit->looks;
    Error error;
    CompatRows rows = err == NULL ? rows_of(result) : (CompatRows){0};
    if (err != NULL)
        look_error(visit, err);
    else if (compat_read_objects(&visit->report, &rows, &error) != ERR_OK)
        look_error(visit, &error);
    else
        judge_objects(visit);
    look_go_on(looks);
}

void look_compat_visit(Visit *visit)
{
    const TakenList *taken = &visit->look->compat->taken[visit->target];
    if (!takes_anything(taken)) {
        look_end(visit, GATE_SUCCEEDED, "its steps take nothing away");
        return;
    }
    visit->report = compat_report(visit->arena, taken);
    ask(visit, compat_objects_sql(&visit->report), on_objects);
}
