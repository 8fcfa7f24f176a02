/*
 * The trial of one revision, from a database where everything before it is applied:
 *
 *   S0 = schema; fill; upgrade; S1 = schema; fill; downgrade; S2 = schema, must be S0;
 *   fill; upgrade; S3 = schema, must be S1
 *
 * What fails inside of its transaction leaves the database as it was, and the walk goes on. After
 * any other failure the database is made anew, up to and with the revision. Generated rows can't
 * know what data means: where one may be at fault the revision is tried again without rows.
 */
#include "walk.h"

#include "clock.h"

#include <string.h>

/* A trial under way. */
typedef struct Turn {
    Walk *walk;
    size_t index;
    const GraphStep *step;
    WalkResult *result;
    Arena *texts; /* of the schemas; S3 outlives the trial as the next one's S0 */
    bool with_rows;
    bool failed;    /* the revision's fault: see `result` */
    bool left_over; /* what it left is not what should be there */
} Turn;

const char *walk_verdict_name(WalkVerdict verdict)
{
    static const char *const names[] = {"passed", "reordered", "irreversible",
                                        "failed", "not-tried", "not-tried"};
    return names[verdict];
}

const char *walk_phase_name(WalkPhase phase)
{
    static const char *const names[] = {"upgrade", "downgrade", "second upgrade"};
    return names[phase];
}

/* Whether a statement may have failed only because of rows that were generated. */
static bool depends_on_rows(const Error *err)
{
    static const char *const states[] = {"23503", "23505", "23514", "23P01", "P0001", "44000"};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(err->sqlstate, states[i]) == 0)
            return true;
    }
    return err->code == ERR_VERIFY || str_starts_with(err->sqlstate, "22") ||
           str_starts_with(err->sqlstate, "21");
}

/* Of the server or of us, not of the revision. */
static bool is_outer_error(ErrCode code)
{
    return code == ERR_INTERRUPTED || code == ERR_CONNECT || code == ERR_AUTH ||
           code == ERR_UNKNOWN || code == ERR_INTERNAL || code == ERR_FENCED;
}

/* --- pieces ----------------------------------------------------------------------------------- */

/* ERR_OK also when the step failed by its own fault: then turn->failed is set. */
static ErrCode run_step(Turn *turn, const GraphStep *step, WalkPhase phase, uint64_t *ret_ms,
                        Error *err)
{
    uint64_t started_ms = clock_monotonic_ms();
    ErrCode code = trial_step(turn->walk->trial, step, err);
    *ret_ms = clock_monotonic_ms() - started_ms;
    if (code == ERR_OK || is_outer_error(code))
        return code;
    turn->failed = true;
    turn->left_over = !step->script->transactional || phase == WALK_SECOND_UPGRADE;
    turn->result->verdict = WALK_FAILED;
    turn->result->phase = phase;
    turn->result->error = *err;
    return ERR_OK;
}

static ErrCode fill(Turn *turn, Error *err)
{
    if (!turn->with_rows)
        return ERR_OK;
    return trial_fill(turn->walk->trial, turn->walk->arena, &turn->result->unfilled, err);
}

static ErrCode compare(Turn *turn, const SchemaText *wanted, WalkPhase phase, SchemaText *ret_text,
                       Error *err)
{
    ErrCode code = trial_schema(turn->walk->trial, turn->texts, ret_text, err);
    if (code != ERR_OK)
        return code;
    SchemaVerdict verdict = schema_text_compare(wanted, ret_text);
    if (verdict == SCHEMA_REORDERED)
        turn->result->verdict = WALK_REORDERED;
    if (verdict == SCHEMA_SAME ||
        (verdict == SCHEMA_REORDERED && turn->result->difference[0] != '\0'))
        return ERR_OK;
    AUTO_STR Str difference = {0};
    schema_text_diff(wanted, ret_text, &difference);
    turn->result->difference = arena_strdup(turn->walk->arena, str_text(&difference));
    if (verdict == SCHEMA_REORDERED)
        return ERR_OK;
    turn->failed = turn->left_over = true;
    turn->result->verdict = WALK_FAILED;
    turn->result->phase = phase;
    return ERR_OK;
}

static GraphStep reversed(const GraphStep *step)
{
    GraphStep back = *step;
    back.direction = DIRECTION_DOWNGRADE;
    back.rows_before = step->rows_after;
    back.rows_after = step->rows_before;
    return back;
}

/* --- a trial ---------------------------------------------------------------------------------- */

static ErrCode back_and_forth(Turn *turn, const SchemaText *before, const SchemaText *after,
                              SchemaText *ret_text, Error *err)
{
    GraphStep back = reversed(turn->step);
    uint64_t ignored;
    SchemaText text;
    ErrCode code = fill(turn, err);
    if (code == ERR_OK)
        code = run_step(turn, &back, WALK_DOWNGRADE, &turn->result->downgrade_ms, err);
    if (code == ERR_OK && !turn->failed)
        code = compare(turn, before, WALK_DOWNGRADE, &text, err);
    if (code == ERR_OK && !turn->failed)
        code = fill(turn, err);
    if (code == ERR_OK && !turn->failed)
        code = run_step(turn, turn->step, WALK_SECOND_UPGRADE, &ignored, err);
    if (code == ERR_OK && !turn->failed)
        code = compare(turn, after, WALK_SECOND_UPGRADE, ret_text, err);
    return code;
}

/* `text` is S0 and becomes the schema at the end. */
static ErrCode try_revision(Turn *turn, SchemaText *text, Error *err)
{
    SchemaText before = *text;
    SchemaText after;
    ErrCode code = fill(turn, err);
    if (code == ERR_OK)
        code = run_step(turn, turn->step, WALK_UPGRADE, &turn->result->upgrade_ms, err);
    if (code != ERR_OK || turn->failed)
        return code;
    bool needed = trial_was_needed(turn->walk->trial);
    code = trial_schema(turn->walk->trial, turn->texts, &after, err);
    *text = after;
    if (code != ERR_OK)
        return code;
    if (!needed) {
        turn->result->verdict = WALK_NOT_NEEDED;
        return ERR_OK;
    }
    if (turn->step->script->irreversible != NULL) {
        turn->result->verdict = WALK_IRREVERSIBLE;
        return ERR_OK;
    }
    return back_and_forth(turn, &before, &after, text, err);
}

/* A new database with the first `count` revisions, without rows. */
static ErrCode rebuild(Walk *walk, size_t count, Error *err)
{
    trial_close(walk->trial);
    walk->trial = NULL;
    ErrCode code = trial_open(walk->scratch, &walk->trial, err);
    for (size_t i = 0; i < count && code == ERR_OK; i++)
        code = trial_step(walk->trial, &walk->steps->items[i], err);
    return code;
}

static ErrCode try_again_without_rows(Turn *turn, SchemaText *text, Error *err)
{
    WalkResult first = *turn->result;
    ErrCode code = rebuild(turn->walk, turn->index, err);
    if (code == ERR_OK)
        code = trial_schema(turn->walk->trial, turn->texts, text, err);
    if (code != ERR_OK)
        return code;
    *turn->result =
        (WalkResult){.script = first.script,
                     .difference = "",
                     .unfilled = "",
                     .without_rows = arena_printf(turn->walk->arena, "%s (%s)", first.error.message,
                                                  walk_phase_name(first.phase))};
    turn->with_rows = turn->failed = turn->left_over = false;
    return try_revision(turn, text, err);
}

static ErrCode turn_run(Turn *turn, SchemaText *text, Error *err)
{
    uint64_t started_ms = clock_monotonic_ms();
    ErrCode code = try_revision(turn, text, err);
    bool rows_at_fault =
        turn->failed && turn->result->error.code != ERR_OK && depends_on_rows(&turn->result->error);
    if (code == ERR_OK && rows_at_fault)
        code = try_again_without_rows(turn, text, err);
    bool stuck = turn->failed && turn->result->phase == WALK_UPGRADE;
    if (code == ERR_OK && turn->left_over && !stuck) {
        code = rebuild(turn->walk, turn->index + 1, err);
        if (code == ERR_OK)
            code = trial_schema(turn->walk->trial, turn->texts, text, err);
    }
    turn->result->duration_ms = clock_monotonic_ms() - started_ms;
    return code;
}

/* --- the walk --------------------------------------------------------------------------------- */

static void tell_not_tried(Walk *walk, size_t from)
{
    for (size_t i = from; i < walk->steps->count; i++) {
        WalkResult result = {.script = walk->steps->items[i].script,
                             .verdict = WALK_NOT_TRIED,
                             .difference = "",
                             .without_rows = "",
                             .unfilled = ""};
        walk->tell(&result, walk->data);
    }
}

ErrCode walk_run(Walk *walk, Error *err)
{
    Arena *texts = arena_new();
    SchemaText text = {0};
    ErrCode code = trial_open(walk->scratch, &walk->trial, err);
    if (code == ERR_OK)
        code = trial_schema(walk->trial, texts, &text, err);
    for (size_t i = 0; i < walk->steps->count && code == ERR_OK; i++) {
        WalkResult result = {.script = walk->steps->items[i].script,
                             .difference = "",
                             .without_rows = "",
                             .unfilled = ""};
        Turn turn = {.walk = walk,
                     .index = i,
                     .step = &walk->steps->items[i],
                     .result = &result,
                     .texts = arena_new(),
                     .with_rows = true};
        code = turn_run(&turn, &text, err);
        if (code == ERR_OK)
            walk->tell(&result, walk->data);
        bool stuck = result.verdict == WALK_FAILED && result.phase == WALK_UPGRADE;
        if (code == ERR_OK && stuck) {
            tell_not_tried(walk, i + 1);
            arena_free(turn.texts);
            break;
        }
        arena_free(texts);
        texts = turn.texts;
    }
    arena_free(texts);
    return code;
}
