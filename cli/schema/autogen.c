#include "autogen.h"

#include "autogen_safe.h"
#include "built.h"
#include "placeholder.h"
#include "schema_not_null.h"
#include "schema_renames.h"
#include "schema_script.h"
#include "schema_tell.h"

#include <string.h>

enum { EXIT_NOT_ALL_SAID = 3 };

/* What a revision of it is for. */
typedef enum Role { ROLE_LABELS, ROLE_REST, ROLE_CONTRACT, ROLE_COUNT } Role;

/* The command at work. */
typedef struct Autogen {
    CommandContext *context;
    const RevisionDraft *draft;
    Built built;
    SchemaReadArgs built_args;
    SchemaReadArgs model_args;
    SchemaModel before;
    SchemaModel model;
    SchemaRenames renames;
    SchemaDiff up;
    SchemaDiff down;
    Rewritten rewritten;
    const char *ids[ROLE_COUNT]; /* once made they stay: the trial knows them */
    RevisionFile files[ROLE_COUNT];
    size_t file_count;
    RevisionMap *map; /* with the files */
    GraphSteps steps; /* theirs */
} Autogen;

static const char about[] =
    "--\n-- Written by `pgtide revision --autogenerate`. Read it before it runs.\n";

static const char labels_stay[] = "PostgreSQL can't take labels away from an enum";

/* --- the revisions ---------------------------------------------------------------------------- */

static ErrCode file_add(Autogen *autogen, Role role, RevisionDraft *draft, Error *err)
{
    RevisionFile *file = &autogen->files[autogen->file_count];
    if (autogen->ids[role] != NULL)
        draft->id = autogen->ids[role];
    ErrCode code = revision_file_make(autogen->context, &autogen->built.revisions.project,
                                      autogen->map, draft, file, &autogen->map, err);
    if (code != ERR_OK)
        return code;
    autogen->ids[role] = file->id;
    autogen->file_count++;
    return ERR_OK;
}

/* What follows the files so far: its parents are the last of them. */
static RevisionDraft draft_next(Autogen *autogen)
{
    RevisionDraft draft = *autogen->draft;
    draft.about = about;
    if (autogen->file_count == 0)
        return draft;
    draft.parents = (StrList){0};
    draft.depends_on = (StrList){0};
    draft.labels = (StrList){0};
    strlist_add(autogen->context->arena, &draft.parents,
                autogen->files[autogen->file_count - 1].id);
    return draft;
}

static ErrCode add_labels(Autogen *autogen, bool alone, Error *err)
{
    Arena *arena = autogen->context->arena;
    RevisionDraft draft = draft_next(autogen);
    draft.irreversible = labels_stay;
    draft.upgrade = schema_script_section(arena, &autogen->up, SCHEMA_SCRIPT_LABELS, false);
    if (!alone) {
        draft.message =
            arena_printf(arena, "%s%slabels", draft.message, draft.message[0] == '\0' ? "" : ": ");
        draft.id = draft.id == NULL ? NULL : arena_printf(arena, "%s_labels", draft.id);
    }
    return file_add(autogen, ROLE_LABELS, &draft, err);
}

/* Columns that rows which are there would have no value for. */
static StrList without_values(const Autogen *autogen)
{
    StrList names = {0};
    Arena *arena = autogen->context->arena;
    for (size_t i = 0; i < autogen->up.count; i++) {
        const SchemaOperation *operation = &autogen->up.items[i];
        if (operation->change != SCHEMA_CHANGE_CREATE || strcmp(operation->kind, "column") != 0)
            continue;
        const SchemaObject *column = schema_find(&autogen->model, "column", operation->name);
        if (column != NULL && schema_is_not_null(column) &&
            schema_attribute(column, "default") == NULL &&
            schema_attribute(column, "identity") == NULL &&
            schema_attribute(column, "generated") == NULL)
            strlist_add(arena, &names, plain_text(arena, operation->name));
    }
    return names;
}

static const char *about_rest(const Autogen *autogen)
{
    AUTO_STR Str out = {0};
    StrList names = without_values(autogen);
    str_append(&out, about);
    for (size_t i = 0; i < names.count; i++)
        str_printf(&out, "-- Fails where there are rows: %s is NOT NULL without a default.\n",
                   names.items[i]);
    return arena_strdup(autogen->context->arena, str_text(&out));
}

static ErrCode add_rest(Autogen *autogen, bool units, Error *err)
{
    Arena *arena = autogen->context->arena;
    RevisionDraft draft = draft_next(autogen);
    SchemaDiff down = schema_script_without_labels(arena, &autogen->down, &autogen->up);
    draft.units = units;
    draft.about = about_rest(autogen);
    draft.upgrade = schema_script_section(arena, &autogen->up, SCHEMA_SCRIPT_REST, units);
    draft.downgrade = schema_script_section(arena, &down, SCHEMA_SCRIPT_REST, units);
    if (down.cannot > 0 && !schema_script_has(&down, SCHEMA_SCRIPT_REST))
        draft.irreversible = schema_script_not_said(arena, &down);
    return file_add(autogen, ROLE_REST, &draft, err);
}

static const char *phase_of(const Rewritten *rewritten)
{
    return rewritten->contracts ? "contract" : rewritten->has_contract ? "expand" : NULL;
}

static ErrCode add_rewritten(Autogen *autogen, const char *irreversible, Error *err)
{
    Arena *arena = autogen->context->arena;
    const Rewritten *rewritten = &autogen->rewritten;
    RevisionDraft draft = draft_next(autogen);
    draft.units = true;
    draft.phase = phase_of(rewritten);
    draft.irreversible = irreversible;
    draft.upgrade = rewritten->text.upgrade;
    /* What loses anything on the way back takes away what this one adds, not its contract. */
    if (rewritten->text.downgrade != NULL)
        draft.downgrade = arena_printf(arena, "%s%s", schema_script_lost(arena, &autogen->down),
                                       rewritten->text.downgrade);
    const char *lost = schema_script_lost(arena, &autogen->up);
    draft.about =
        arena_printf(arena, "%s%s", about_rest(autogen), rewritten->has_contract ? "" : lost);
    ErrCode code = file_add(autogen, ROLE_REST, &draft, err);
    if (code != ERR_OK || !rewritten->has_contract)
        return code;
    RevisionDraft contract = draft_next(autogen);
    contract.id = draft.id == NULL ? NULL : arena_printf(arena, "%s_contract", draft.id);
    contract.message = arena_printf(arena, "contract %s", draft.message);
    contract.about = arena_printf(arena, "%s%s", about, lost);
    contract.units = true;
    contract.phase = "contract";
    contract.irreversible = irreversible;
    contract.upgrade = rewritten->contract.upgrade;
    contract.downgrade = rewritten->contract.downgrade;
    return file_add(autogen, ROLE_CONTRACT, &contract, err);
}

static ErrCode files_begin(Autogen *autogen, bool *ret_rest, Error *err)
{
    bool rest = schema_script_has(&autogen->up, SCHEMA_SCRIPT_REST);
    autogen->file_count = 0;
    autogen->map = autogen->built.revisions.plain;
    *ret_rest = rest;
    return schema_script_has(&autogen->up, SCHEMA_SCRIPT_LABELS) ? add_labels(autogen, !rest, err)
                                                                 : ERR_OK;
}

static ErrCode files_end(Autogen *autogen, Error *err)
{
    return graph_upgrade(autogen->context->arena, autogen->map, &autogen->built.steps.rows_after,
                         "heads", &autogen->steps, err);
}

static ErrCode files_make(Autogen *autogen, bool units, Error *err)
{
    bool rest;
    ErrCode code = files_begin(autogen, &rest, err);
    if (code == ERR_OK && rest)
        code = add_rest(autogen, units, err);
    return code == ERR_OK ? files_end(autogen, err) : code;
}

/* --- trying them ------------------------------------------------------------------------------ */

/* Nothing but what can't be said may be left. */
static ErrCode check_reached(Autogen *autogen, Trial *trial, const SchemaModel *wanted,
                             Direction direction, SchemaModel *ret_reached, Error *err)
{
    CommandContext *context = autogen->context;
    SchemaDiff left;
    ErrCode code = trial_model(trial, context, &autogen->built_args, ret_reached, err);
    if (code == ERR_OK)
        code = schema_diff(context->arena, ret_reached, wanted, NULL, 0, &left, err);
    if (code != ERR_OK || left.count == left.cannot)
        return code;
    for (size_t i = 0; i < left.count; i++) {
        const SchemaOperation *operation = &left.items[i];
        if (operation->reason == NULL)
            note(context, "left: %s %s %s", schema_change_name(operation->change), operation->kind,
                 plain_text(context->arena, operation->name));
    }
    err_set(err, ERR_STATE, "no revision was written: its %s does not lead to %s",
            direction_name(direction),
            direction == DIRECTION_UPGRADE ? "the model" : "what was there before");
    err_hint(err,
             "Please report this, with what is left and the two dumps of `pgtide schema dump`.");
    return ERR_STATE;
}

static ErrCode try_step(Trial *trial, const GraphStep *step, Direction direction, Error *err)
{
    GraphStep turned = *step;
    if (direction == DIRECTION_DOWNGRADE)
        turned = (GraphStep){.revision = step->revision,
                             .script = step->script,
                             .direction = DIRECTION_DOWNGRADE,
                             .rows_before = step->rows_after,
                             .rows_after = step->rows_before};
    ErrCode code = trial_step(trial, &turned, err);
    if (code == ERR_OK || code == ERR_INTERRUPTED)
        return code;
    return err_wrap(err, "no revision was written: the %s fails", direction_name(direction));
}

/* How many of the steps, from the last on, have a way back. */
static size_t reversible(const Autogen *autogen)
{
    size_t count = 0;
    const GraphSteps *steps = &autogen->steps;
    while (count < steps->count &&
           steps->items[steps->count - 1 - count].script->irreversible == NULL)
        count++;
    return count;
}

static ErrCode try_up(Autogen *autogen, Trial *trial, size_t last, SchemaModel *ret_reached,
                      Error *err)
{
    const GraphSteps *steps = &autogen->steps;
    ErrCode code = ERR_OK;
    for (size_t i = steps->count - last; i < steps->count && code == ERR_OK; i++)
        code = try_step(trial, &steps->items[i], DIRECTION_UPGRADE, err);
    return code == ERR_OK
               ? check_reached(autogen, trial, &autogen->model, DIRECTION_UPGRADE, ret_reached, err)
               : code;
}

static ErrCode try_down(Autogen *autogen, Trial *trial, size_t last, Error *err)
{
    const GraphSteps *steps = &autogen->steps;
    SchemaModel reached;
    ErrCode code = ERR_OK;
    for (size_t i = 0; i < last && code == ERR_OK; i++)
        code = try_step(trial, &steps->items[steps->count - 1 - i], DIRECTION_DOWNGRADE, err);
    return code == ERR_OK && last == steps->count
               ? check_reached(autogen, trial, &autogen->before, DIRECTION_DOWNGRADE, &reached, err)
               : code;
}

/* Down as far as it goes, and up again. */
static ErrCode try_back_and_forth(Autogen *autogen, Trial *trial, Error *err)
{
    SchemaModel reached;
    size_t last = reversible(autogen);
    ErrCode code = try_down(autogen, trial, last, err);
    return code == ERR_OK ? try_up(autogen, trial, last, &reached, err) : code;
}

/* --- from nothing ----------------------------------------------------------------------------- */

static ErrCode run_steps(Autogen *autogen, Trial *trial, const Revisions *with, const char *target,
                         StrList *rows, Error *err)
{
    Arena *arena = autogen->context->arena;
    GraphSteps steps;
    ErrCode code = graph_upgrade(arena, with->plain, rows, target, &steps, err);
    for (size_t i = 0; i < steps.count && code == ERR_OK; i++) {
        GraphStep *step = &steps.items[i];
        code = script_bind(arena, step->script, &with->assignments, &step->script, err);
        if (code == ERR_OK)
            code = trial_step(trial, step, err);
    }
    if (code == ERR_OK)
        *rows = steps.rows_after;
    return code;
}

/* A new database comes to them in another order: before other heads, repeatables and safe
 * statements. */
static ErrCode try_from_nothing(Autogen *autogen, Scratch *scratch, Error *err)
{
    const Built *built = &autogen->built;
    Revisions with = built->revisions;
    StrList rows = {0};
    SchemaModel reached;
    Trial *trial;
    bool other_heads = built->steps.rows_after.count > 1 || autogen->steps.rows_after.count > 1;
    if (graph_repeatable_count(built->revisions.map) == 0 && built->safe.count == 0 && !other_heads)
        return ERR_OK;
    with.plain = autogen->map;
    ErrCode code = trial_open(scratch, &trial, err);
    if (code != ERR_OK)
        return code;
    code = run_steps(autogen, trial, &with, autogen->files[autogen->file_count - 1].id, &rows, err);
    if (code == ERR_OK)
        code = run_steps(autogen, trial, &with, "heads", &rows, err);
    if (code == ERR_OK)
        code = built_finish(built, trial, &rows, err);
    if (code != ERR_OK && code != ERR_INTERRUPTED) {
        code = err_wrap(err, "no revision was written: on a new database it fails");
        err_hint(err, "It needs something that runs behind it there: another head (--depends-on), "
                      "a repeatable or a safe statement, which must be changed by hand.");
    }
    if (code == ERR_OK)
        code = check_reached(autogen, trial, &autogen->model, DIRECTION_UPGRADE, &reached, err);
    trial_close(trial);
    return code;
}

/* --- safe forms ------------------------------------------------------------------------------- */

/* The trial stands behind the plain revisions, and at the end behind the others. */
static ErrCode make_safe(Autogen *autogen, Trial *trial, Error *err)
{
    Arena *arena = autogen->context->arena;
    size_t last = reversible(autogen);
    bool rest;
    if (!context_has(autogen->context, "safe-forms") || last == 0)
        return ERR_OK;
    ErrCode code = try_down(autogen, trial, last, err);
    if (code == ERR_OK)
        code = files_make(autogen, true, err);
    if (code != ERR_OK)
        return code;
    const Script *script = graph_find(autogen->map, autogen->files[autogen->file_count - 1].id);
    code = autogen_safe(trial, arena, script, &autogen->rewritten, err);
    if (code == ERR_OK && autogen->rewritten.changed) {
        code = files_begin(autogen, &rest, err);
        if (code == ERR_OK)
            code = add_rewritten(autogen, script->irreversible, err);
        if (code == ERR_OK)
            code = files_end(autogen, err);
    } else if (code == ERR_OK) {
        code = files_make(autogen, false, err);
    }
    SchemaModel reached;
    last = reversible(autogen);
    if (code == ERR_OK)
        code = try_up(autogen, trial, last, &reached, err);
    return code == ERR_OK ? try_back_and_forth(autogen, trial, err) : code;
}

/* --- the whole -------------------------------------------------------------------------------- */

static ErrCode find_difference(Autogen *autogen, Scratch *scratch, Trial *trial, Error *err)
{
    CommandContext *context = autogen->context;
    ErrCode code = trial_model(trial, context, &autogen->built_args, &autogen->before, err);
    if (code == ERR_OK)
        code = built_model(&autogen->built, scratch, &autogen->model_args, &autogen->model, err);
    if (code == ERR_OK)
        schema_tell_versions(context, &autogen->before, &autogen->model);
    if (code == ERR_OK)
        code = schema_renames_read(context, &autogen->before, &autogen->renames, err);
    return code == ERR_OK
               ? schema_diff(context->arena, &autogen->before, &autogen->model,
                             autogen->renames.items, autogen->renames.count, &autogen->up, err)
               : code;
}

/* The way back begins where the upgrade really leads to. */
static ErrCode find_way_back(Autogen *autogen, const SchemaModel *reached, Error *err)
{
    Arena *arena = autogen->context->arena;
    SchemaRenames back = schema_renames_back(arena, &autogen->renames);
    ErrCode code =
        schema_diff(arena, reached, &autogen->before, back.items, back.count, &autogen->down, err);
    return code == ERR_OK ? files_make(autogen, false, err) : code;
}

static ErrCode generate_on(Autogen *autogen, Scratch *scratch, Trial *trial, Error *err)
{
    SchemaModel reached;
    ErrCode code = find_difference(autogen, scratch, trial, err);
    if (code != ERR_OK || autogen->up.count == autogen->up.cannot)
        return code;
    code = files_make(autogen, false, err);
    if (code == ERR_OK)
        code = try_up(autogen, trial, autogen->steps.count, &reached, err);
    if (code == ERR_OK)
        code = find_way_back(autogen, &reached, err);
    if (code == ERR_OK)
        code = try_back_and_forth(autogen, trial, err);
    if (code == ERR_OK)
        code = make_safe(autogen, trial, err);
    return code == ERR_OK ? try_from_nothing(autogen, scratch, err) : code;
}

static ErrCode generate(Autogen *autogen, Error *err)
{
    Scratch *scratch = NULL;
    Trial *trial = NULL;
    Wait wait;
    wait_open(&wait);
    ErrCode code = scratch_open(autogen->context, &wait, &scratch, err);
    if (code == ERR_OK)
        code = built_run(&autogen->built, scratch, &trial, err);
    if (code == ERR_OK)
        code = generate_on(autogen, scratch, trial, err);
    trial_close(trial);
    scratch_close(scratch);
    wait_unshield(&wait);
    if (code == ERR_OK)
        code = wait_check(&wait, err);
    wait_close(&wait);
    return code;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void tell_operations(Autogen *autogen)
{
    CommandContext *context = autogen->context;
    StrList rebuilt = {0};
    for (size_t i = 0; i < autogen->up.count; i++) {
        const SchemaOperation *operation = &autogen->up.items[i];
        const char *line =
            arena_printf(context->arena, "%s %s %s", schema_change_name(operation->change),
                         operation->kind, plain_text(context->arena, operation->name));
        if (operation->change == SCHEMA_CHANGE_REBUILD) {
            if (strlist_has(&rebuilt, line))
                continue;
            strlist_add(context->arena, &rebuilt, line);
        }
        const char *loss = schema_operation_loss(operation);
        say(context, "%s%s%s%s", line,
            loss == NULL ? "" : arena_printf(context->arena, " (%s)", loss),
            operation->reason == NULL ? "" : ": ",
            operation->reason == NULL ? "" : plain_text(context->arena, operation->reason));
    }
}

static void tell_limits(Autogen *autogen)
{
    CommandContext *context = autogen->context;
    SchemaDiff down = schema_script_without_labels(context->arena, &autogen->down, &autogen->up);
    if (autogen->up.cannot > 0)
        note(context, "%zu difference%s can't be said in SQL: write that by hand",
             autogen->up.cannot, autogen->up.cannot == 1 ? "" : "s");
    if (schema_script_has(&autogen->up, SCHEMA_SCRIPT_LABELS))
        note(context, "no way back from %s: %s", autogen->files[0].id, labels_stay);
    StrList names = without_values(autogen);
    for (size_t i = 0; i < names.count; i++)
        note(context, "fails where there are rows: %s is NOT NULL without a default",
             names.items[i]);
    if (down.cannot > 0)
        note(context, "the way back leaves something out: %s",
             schema_script_not_said(context->arena, &down));
    for (size_t i = 0; i < autogen->rewritten.note_count; i++) {
        const RewriteNote *item = &autogen->rewritten.notes[i];
        if (item->left != NULL)
            note(context, "%s: %s: left as it is: %s", direction_name(item->direction), item->what,
                 item->left);
        if (item->caution != NULL)
            note(context, "%s: %s: take care: %s", direction_name(item->direction), item->what,
                 item->caution);
    }
}

static void tell(Autogen *autogen)
{
    CommandContext *context = autogen->context;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_bool(&json, "different", autogen->up.count > 0);
    json_field_uint(&json, "cannot", autogen->up.cannot);
    schema_tell_json(&json, "upgrade", &autogen->up);
    schema_tell_json(&json, "downgrade", &autogen->down);
    json_field_array(&json, "files");
    for (size_t i = 0; i < autogen->file_count; i++) {
        json_object_begin(&json);
        revision_file_json(&json, &autogen->files[i]);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    if (autogen->up.count == 0) {
        say(context, "nothing to do: the revisions lead to the model");
        return;
    }
    tell_operations(autogen);
    for (size_t i = 0; i < autogen->file_count; i++)
        say(context, "%s", autogen->files[i].path);
    tell_limits(autogen);
    if (autogen->up.cannot > 0)
        context->exit_status = EXIT_NOT_ALL_SAID;
}

/* --- the command ------------------------------------------------------------------------------ */

ErrCode autogen_run(CommandContext *context, const RevisionDraft *draft, Error *err)
{
    Autogen autogen = {.context = context, .draft = draft};
    ErrCode code = schema_source_args(context, &autogen.model_args, err);
    if (code == ERR_OK)
        code = built_open(context, &autogen.built, err);
    /* Names that revisions do not qualify are of the first schema of the search path. */
    autogen.built_args = autogen.model_args;
    if (autogen.model_args.schema != NULL)
        autogen.built_args.schema = "public";
    if (code == ERR_OK)
        code = generate(&autogen, err);
    if (code == ERR_OK)
        code = revision_files_write(autogen.files, autogen.file_count, err);
    if (code == ERR_OK)
        tell(&autogen);
    return code;
}
