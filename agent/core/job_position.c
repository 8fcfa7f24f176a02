#include "job_position.h"

#include <string.h>

static bool is_of(const JobHistory *row, const Uuid *rollout, uint32_t generation,
                  Direction direction)
{
    return row->succeeded && row->direction == direction && row->generation == generation &&
           uuid_equal(&row->rollout, rollout);
}

static void judge(Arena *arena, JobPosition *out, JobOutcome verdict, const StrList *expected,
                  const StrList *found, const char *message)
{
    ErrCode code = verdict == OUTCOME_DIVERGED ? ERR_DIVERGED : ERR_OVERTAKEN;
    out->verdict = verdict;
    err_set(&out->err, code, "%s", message);
    err_detail(&out->err, "expected rows {%s}, found {%s}", strlist_join(arena, expected, ", "),
               strlist_join(arena, found, ", "));
}

/* How many leading steps have their history row, in order. A row that is none of them, or whose
 * rows are others, means that history is not this job's. */
static void match_done(Arena *arena, const JobSpec *spec, const JobClaimed *claimed,
                       JobPosition *out)
{
    for (size_t i = 0; i < claimed->history_count; i++) {
        const JobHistory *row = &claimed->history[i];
        if (!is_of(row, &spec->rollout_id, spec->generation, spec->direction))
            continue;
        if (out->done == out->step_count ||
            strcmp(row->revision, out->steps[out->done].revision) != 0) {
            out->verdict = OUTCOME_DIVERGED;
            err_set(&out->err, ERR_DIVERGED, "history has a step '%s' that is not the next one",
                    row->revision);
            return;
        }
        const JobStep *step = &out->steps[out->done];
        if (!strlist_equal(&row->rows_before, &step->rows_before) ||
            !strlist_equal(&row->rows_after, &step->rows_after)) {
            judge(arena, out, OUTCOME_DIVERGED, &step->rows_after, &row->rows_after,
                  "history of a step is not what the plan projects");
            return;
        }
        out->done++;
    }
}

/* "Already done" needs the history row and its rows after to be the rows now. */
static void check_rows(Arena *arena, const JobSpec *spec, const JobClaimed *claimed,
                       JobPosition *out)
{
    const StrList *expected = out->step_count == 0 ? &spec->plan_rows_before
                              : out->done == 0     ? &out->steps[0].rows_before
                                                   : &out->steps[out->done - 1].rows_after;
    if (!strlist_equal(expected, &claimed->rows))
        judge(arena, out, OUTCOME_OVERTAKEN, expected, &claimed->rows,
              out->done == 0 ? "something else moved the shard since the plan was made"
                             : "something else moved the shard since its last step");
}

static void find_forward(Arena *arena, const JobSpec *spec, const JobClaimed *claimed,
                         JobPosition *out)
{
    out->step_count = spec->step_count;
    out->steps = ARENA_ARRAY(arena, JobStep, spec->step_count + 1);
    for (size_t i = 0; i < spec->step_count; i++)
        out->steps[i] = spec->steps[i];
    match_done(arena, spec, claimed, out);
    if (out->verdict == OUTCOME_UNSPECIFIED)
        check_rows(arena, spec, claimed, out);
}

/* The generation whose steps are taken back: the one before in one's own rollout, the newest of
 * another rollout. */
static uint32_t source_generation(const JobSpec *spec, const JobClaimed *claimed)
{
    if (uuid_equal(&spec->source_rollout, &spec->rollout_id))
        return spec->generation - 1;
    uint32_t newest = 0;
    for (size_t i = 0; i < claimed->history_count; i++) {
        const JobHistory *row = &claimed->history[i];
        if (row->succeeded && uuid_equal(&row->rollout, &spec->source_rollout) &&
            row->generation > newest)
            newest = row->generation;
    }
    return newest;
}

/* The inverse of each row, newest first, setting rows to that row's rows before. */
static void invert(Arena *arena, const JobSpec *spec, const JobClaimed *claimed, JobPosition *out,
                   const JobHistory **ret_first)
{
    uint32_t generation = source_generation(spec, claimed);
    Direction inverse =
        spec->direction == DIRECTION_DOWNGRADE ? DIRECTION_UPGRADE : DIRECTION_DOWNGRADE;
    out->steps = ARENA_ARRAY(arena, JobStep, claimed->history_count + 1);
    for (size_t i = claimed->history_count; i-- > 0;) {
        const JobHistory *row = &claimed->history[i];
        if (!is_of(row, &spec->source_rollout, generation, inverse))
            continue;
        out->steps[out->step_count++] = (JobStep){
            .revision = row->revision,
            .rows_before = row->rows_after,
            .rows_after = row->rows_before,
        };
        *ret_first = row;
    }
}

/* A plan that takes another rollout back was approved for a list of steps: it is that or nothing.
 */
static bool is_approved_list(const JobSpec *spec, const JobPosition *position)
{
    if (position->step_count != spec->step_count || spec->step_count == 0)
        return false;
    for (size_t i = 0; i < spec->step_count; i++) {
        const JobStep *a = &spec->steps[i];
        const JobStep *b = &position->steps[i];
        if (strcmp(a->revision, b->revision) != 0)
            return false;
    }
    return strlist_equal(&position->steps[spec->step_count - 1].rows_after, &spec->plan_rows_after);
}

/* Each step starts where the one before it leads; history comes from the shard's server, and need
 * not make sense. */
static bool is_chain(const JobPosition *position)
{
    for (size_t i = 1; i < position->step_count; i++)
        if (!strlist_equal(&position->steps[i].rows_before, &position->steps[i - 1].rows_after))
            return false;
    return true;
}

static void find_take_back(Arena *arena, const JobSpec *spec, const JobClaimed *claimed,
                           uint64_t unix_ms, JobPosition *out)
{
    bool own = uuid_equal(&spec->source_rollout, &spec->rollout_id);
    const JobHistory *first = NULL;
    invert(arena, spec, claimed, out, &first);
    if (out->step_count == 0 && (own || strlist_equal(&claimed->rows, &spec->plan_rows_after)))
        return; /* nothing of it is left to take back */
    if (!own && !is_approved_list(spec, out)) {
        out->verdict = OUTCOME_OVERTAKEN;
        err_set(&out->err, ERR_OVERTAKEN,
                "the steps to take back are not those the plan was approved for");
        return;
    }
    if (own && !strlist_equal(&first->rows_before, &spec->plan_rows_before)) {
        judge(arena, out, OUTCOME_DIVERGED, &spec->plan_rows_before, &first->rows_before,
              "the rollout's first step did not start at the plan's rows");
        return;
    }
    if (!is_chain(out)) {
        out->verdict = OUTCOME_DIVERGED;
        err_set(&out->err, ERR_DIVERGED, "the steps in the history do not follow one another");
        return;
    }
    match_done(arena, spec, claimed, out);
    if (out->verdict == OUTCOME_UNSPECIFIED)
        check_rows(arena, spec, claimed, out);
    if (out->verdict != OUTCOME_UNSPECIFIED || out->done > 0)
        return; /* what has been begun is finished: halfway is worse than late */
    if (spec->take_back_within_ms != 0 &&
        unix_ms > first->started_unix_ms + spec->take_back_within_ms) {
        out->verdict = OUTCOME_REFUSED;
        err_set(&out->err, ERR_REFUSED, "the plan's time for taking steps back is over");
        err_hint(&out->err, "Make a rollback plan with `pgtide rollout rollback`.");
    }
}

/* One step, whose history row is only in what was restored. */
static void find_restore(Arena *arena, const JobSpec *spec, const JobClaimed *claimed,
                         JobPosition *out)
{
    out->step_count = 1;
    out->steps = ARENA_ARRAY(arena, JobStep, 1);
    out->steps[0] = (JobStep){
        .revision = "", .rows_before = spec->plan_rows_before, .rows_after = spec->plan_rows_after};
    match_done(arena, spec, claimed, out);
    if (out->verdict == OUTCOME_UNSPECIFIED && claimed->elsewhere && out->done == 0) {
        out->verdict = OUTCOME_REFUSED;
        err_set(&out->err, ERR_CLONE,
                "this is not the database that was meant, and the plan did not restore it");
        return;
    }
    if (out->verdict == OUTCOME_UNSPECIFIED)
        check_rows(arena, spec, claimed, out);
}

void job_position_find(Arena *arena, const JobSpec *spec, const JobClaimed *claimed,
                       uint64_t unix_ms, JobPosition *out)
{
    *out = (JobPosition){0};
    if (spec->kind == JOB_RESTORE)
        find_restore(arena, spec, claimed, out);
    else if (spec->kind == JOB_TAKE_BACK)
        find_take_back(arena, spec, claimed, unix_ms, out);
    else
        find_forward(arena, spec, claimed, out);
}
