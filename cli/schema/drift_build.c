#include "drift_build.h"

#include "bundle.h"
#include "clock.h"
#include "file.h"
#include "named_limits.h"
#include "placeholder.h"
#include "safe_trial.h"

#include <stdlib.h>
#include <string.h>

#define TENANT_SCHEMA "pgtide_tenant"

/* --- sources ---------------------------------------------------------------------------------- */

static ErrCode open_bundle(CommandContext *context, const char *path, DriftSource *source,
                           Error *err)
{
    uint8_t *bytes;
    size_t length;
    AUTO_TRUST Trust *trust = NULL;
    Bundle *bundle = ARENA_NEW(context->arena, Bundle);
    const char *trust_path = context_option(context, "trust");
    if (trust_path == NULL)
        trust_path = getenv("PGTIDE_TRUST");
    if (trust_path == NULL)
        return err_set(err, ERR_USAGE, "--bundle needs --trust FILE, or PGTIDE_TRUST");
    ErrCode code = trust_load(trust_path, clock_unix_ms(), &trust, err);
    if (code == ERR_OK)
        code = file_read_all(context->arena, path, LIMIT_BUNDLE_BYTES, &bytes, &length, err);
    if (code == ERR_OK)
        code = bundle_open(context->arena, bytes, length, trust, bundle, err);
    if (code != ERR_OK)
        return code;
    source->map = bundle->map;
    source->safe = bundle->safe;
    return ERR_OK;
}

static ErrCode open_project(CommandContext *context, DriftSource *source, Error *err)
{
    Revisions revisions;
    ErrCode code = revisions_open(context, &revisions, err);
    if (code != ERR_OK)
        return code;
    source->map = revisions.plain;
    source->assignments = revisions.assignments;
    SafeFiles files;
    if (revisions.project.safe == NULL || !dir_exists(revisions.project.safe))
        return ERR_OK;
    code = safe_files_load(context->arena, revisions.project.safe, &files, err);
    return code == ERR_OK
               ? safe_list_read(context->arena, revisions.project.safe, &files, &source->safe, err)
               : code;
}

ErrCode drift_source_open(CommandContext *context, DriftSource *ret_source, Error *err)
{
    DriftSource source = {0};
    const char *path = context_option(context, "bundle");
    ErrCode code = path == NULL ? open_project(context, &source, err)
                                : open_bundle(context, path, &source, err);
    if (context_has(context, "no-safe"))
        source.safe = (SafeList){0};
    if (code == ERR_OK)
        *ret_source = source;
    return code;
}

/* --- building --------------------------------------------------------------------------------- */

/* From nothing to all of the rows, one after the other: a later one goes on from the first. */
static ErrCode make_steps(CommandContext *context, const DriftSource *source, const StrList *rows,
                          GraphSteps *ret_steps, size_t count, StrList *ret_rows, Error *err)
{
    StrList at = {0};
    for (size_t i = 0; i < count; i++) {
        ErrCode code =
            graph_upgrade(context->arena, source->map, &at, rows->items[i], &ret_steps[i], err);
        for (size_t k = 0; code == ERR_OK && k < ret_steps[i].count; k++)
            code = script_bind(context->arena, ret_steps[i].items[k].script, &source->assignments,
                               &ret_steps[i].items[k].script, err);
        if (code != ERR_OK)
            return code;
        at = ret_steps[i].rows_after;
    }
    *ret_rows = at;
    return ERR_OK;
}

static ErrCode run_safe(CommandContext *context, Trial *trial, const DriftSource *source,
                        StrList *not_counted, Error *err)
{
    SafeResult *results;
    size_t count = 0;
    if (source->safe.count == 0)
        return ERR_OK;
    ErrCode code = safe_trial_run(trial, context->arena, &source->safe, &results, &count, err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        if (results[i].error.code != ERR_OK)
            strlist_add(
                context->arena, not_counted,
                arena_printf(context->arena, "%s: %s", results[i].file, results[i].error.message));
    }
    return code;
}

static ErrCode run(CommandContext *context, Trial *trial, const DriftSource *source,
                   const GraphSteps *steps, size_t count, DriftBuilt *built, bool in_schema,
                   Error *err)
{
    SchemaReadArgs args = {.schema = in_schema ? TENANT_SCHEMA : NULL};
    ErrCode code = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; code == ERR_OK && k < steps[i].count; k++)
            code = trial_step(trial, &steps[i].items[k], err);
    }
    if (code == ERR_OK && !in_schema)
        code = run_safe(context, trial, source, &built->not_counted, err);
    if (code == ERR_OK)
        code = trial_model(trial, context, &args, &built->model, err);
    built->server_major = trial_server_version(trial) / 10000;
    return code;
}

ErrCode drift_build(CommandContext *context, Scratch *scratch, const DriftSource *source,
                    const StrList *rows, bool in_schema, DriftBuilt *ret_built, Error *err)
{
    GraphSteps *steps = ARENA_ARRAY(context->arena, GraphSteps, rows->count + 1);
    StrList lead_to = {0};
    DriftBuilt built = {0};
    ErrCode code = make_steps(context, source, rows, steps, rows->count, &lead_to, err);
    if (code == ERR_OK && !strlist_equal(&lead_to, rows))
        code = err_set(err, ERR_NOT_FOUND, "the revisions lead to %s, and not to %s",
                       strlist_join(context->arena, &lead_to, ", "),
                       strlist_join(context->arena, rows, ", "));
    if (code != ERR_OK)
        return code;
    Trial *trial;
    code = in_schema ? trial_open_schema(scratch, TENANT_SCHEMA, &trial, err)
                     : trial_open(scratch, &trial, err);
    if (code != ERR_OK)
        return code;
    code = run(context, trial, source, steps, rows->count, &built, in_schema, err);
    trial_close(trial);
    if (code == ERR_OK)
        *ret_built = built;
    return code;
}
