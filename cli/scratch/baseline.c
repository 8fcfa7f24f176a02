#include "baseline.h"

#include "dump_text.h"
#include "file.h"
#include "named_limits.h"
#include "server_tools.h"
#include "spawn.h"

#include <string.h>

ErrCode baseline_reference(CommandContext *context, const Revisions *revisions, Scratch *scratch,
                           const char *id, Trial **ret_trial, Error *err)
{
    GraphSteps steps;
    Trial *trial = NULL;
    ErrCode code = revisions_steps(context, revisions, id, &steps, err);
    if (code == ERR_OK && steps.rows_after.count != 1) {
        code = err_set(err, ERR_TARGET, "a baseline stands for one revision and all below it");
        err_detail(err, "upgrading to %s leaves the rows %s", id,
                   strlist_join(context->arena, &steps.rows_after, ", "));
    }
    if (code == ERR_OK)
        code = trial_open(scratch, &trial, err);
    for (size_t i = 0; code == ERR_OK && i < steps.count; i++)
        code = trial_step(trial, &steps.items[i], err);
    if (code != ERR_OK) {
        trial_close(trial);
        return code;
    }
    *ret_trial = trial;
    return ERR_OK;
}

static ErrCode diff(Trial *reference, Trial *other, Str *difference, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    SchemaText wanted, found;
    ErrCode code = trial_schema(reference, arena, &wanted, err);
    if (code == ERR_OK)
        code = trial_schema(other, arena, &found, err);
    if (code != ERR_OK)
        return code;
    schema_text_diff(&wanted, &found, difference);
    code = trial_data(reference, arena, &wanted, err);
    if (code == ERR_OK)
        code = trial_data(other, arena, &found, err);
    if (code == ERR_OK)
        schema_text_diff(&wanted, &found, difference);
    return code;
}

ErrCode baseline_compare(CommandContext *context, Scratch *scratch, Trial *reference,
                         const Script *baseline, Str *ret_difference, Error *err)
{
    GraphStep step = {.revision = baseline->id, .script = baseline, .direction = DIRECTION_UPGRADE};
    strlist_add(context->arena, &step.rows_after, baseline->id);
    Trial *other;
    ErrCode code = trial_open(scratch, &other, err);
    if (code != ERR_OK)
        return code;
    code = trial_step(other, &step, err);
    if (code == ERR_OK)
        code = diff(reference, other, ret_difference, err);
    trial_close(other);
    return code;
}

/* --- pg_dump ---------------------------------------------------------------------------------- */

static void on_owner(const PgReply *reply, void *data)
{
    str_append(data, pg_text(&reply->results[0], 0, 0));
}

ErrCode baseline_dump(CommandContext *context, Scratch *scratch, Trial *reference, bool unqualify,
                      const char **ret_sql, size_t *ret_statements, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str dump = {0};
    AUTO_STR Str owner = {0};
    const char *const argv[] = {"pg_dump",
                                "--encoding=UTF8",
                                "--rows-per-insert=1000",
                                "--exclude-schema=pgtide",
                                "--exclude-table=*.alembic_version",
                                "--no-subscriptions",
                                NULL};
    SpawnArgs args = {
        .argv = argv,
        .env = scratch_environment(scratch, arena, trial_database(reference)),
        .output_limit = 2 * LIMIT_REVISION_FILE_BYTES,
    };
    const char *tools;
    ErrCode code = server_tools_find(arena, scratch, trial_server_version(reference), &tools, err);
    if (code == ERR_OK)
        code = trial_query(reference, "SELECT pg_catalog.quote_ident(session_user)", on_owner,
                           &owner, err);
    if (code != ERR_OK)
        return code;
    args.program = server_tools_program(arena, tools, "pg_dump");
    code = spawn_run(scratch_wait(scratch), &args, &dump, err);
    if (code != ERR_OK)
        return code;
    DumpTextArgs text = {
        .text = str_text(&dump),
        .length = dump.length,
        .owner = str_text(&owner),
        .unqualify = unqualify,
    };
    return dump_text_read(context->arena, &text, ret_sql, ret_statements, err);
}
