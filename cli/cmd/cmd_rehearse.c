#include "client.h"
#include "rehearse.h"
#include "rehearse_copy.h"
#include "rehearse_shard.h"
#include "rehearse_tell.h"
#include "revisions.h"
#include "schema_source.h"

#include "bundle.h"
#include "clock.h"
#include "file.h"
#include "named_limits.h"
#include "placeholder.h"
#include "schema_canon.h"

#include <stdlib.h>
#include <string.h>

/* The command at work. */
typedef struct Rehearser {
    CommandContext *context;
    Wait wait;
    RehearsalReport report;
    StrList assignments;
    const RevisionMap *map;
    CopyMethod method;
    bool local; /* the copy is on a server of our own */
} Rehearser;

/* --- what is asked for ------------------------------------------------------------------------ */

static ErrCode check_options(Rehearser *rehearser, Error *err)
{
    const CommandContext *context = rehearser->context;
    bool clone = context_has(context, "clone"), with_data = context_has(context, "dump");
    bool elsewhere = context_has(context, "scratch-url") || context_has(context, "local");
    if (clone && with_data)
        return err_set(err, ERR_USAGE, "--clone and --dump are two ways to the same");
    if (context_has(context, "shard") &&
        (clone || with_data || context_has(context, "url") || context_has(context, "schema") ||
         context_has(context, "shared-schema"))) {
        err_set(err, ERR_USAGE,
                "of a fleet's shard the agent knows where it is and what is "
                "searched, and only its schema is copied");
        err_hint(err, "Leave out --url, --schema, --shared-schema, --dump and --clone.");
        return ERR_USAGE;
    }
    static const char *const fleets[] = {"coordinator", "key", "trust", "timeout"};
    for (size_t i = 0; i < sizeof fleets / sizeof fleets[0]; i++) {
        if (context_has(context, fleets[i]) && !context_has(context, "shard"))
            return err_set(err, ERR_USAGE, "--%s is for --shard, which asks the fleet", fleets[i]);
    }
    if (context_has(context, "scratch-url") && context_has(context, "local"))
        return err_set(err, ERR_USAGE, "--scratch-url and --local are two servers");
    if (clone && elsewhere) {
        err_set(err, ERR_USAGE, "--clone copies within a server");
        err_hint(err, "--dump takes the data to another one.");
        return ERR_USAGE;
    }
    if (context_has(context, "bundle") && context_has(context, "set"))
        return err_set(err, ERR_USAGE, "a bundle has no placeholders to set");
    const char *output = context_option(context, "output");
    if (output != NULL && file_exists(output)) {
        err_set(err, ERR_EXISTS, "%.200s exists", output);
        err_hint(err, "Choose another name, or move the existing file away first.");
        return ERR_EXISTS;
    }
    rehearser->local = context_has(context, "local") ||
                       (context_has(context, "shard") && !context_has(context, "scratch-url"));
    rehearser->method = clone ? COPY_TEMPLATE : with_data ? COPY_DUMP : COPY_SCHEMA;
    return ERR_OK;
}

/* Its digest stands in the report; whether it is signed is asked when it is to run. */
static ErrCode open_bundle(Rehearser *rehearser, const char *path, Error *err)
{
    Arena *arena = rehearser->context->arena;
    uint8_t *bytes;
    size_t length, signatures;
    Bundle bundle;
    ErrCode code = file_read_all(arena, path, LIMIT_BUNDLE_BYTES, &bytes, &length, err);
    if (code == ERR_OK)
        code = bundle_open_unverified(arena, bytes, length, &bundle, &signatures, err);
    if (code != ERR_OK)
        return err_wrap(err, "%.200s", path);
    rehearser->map = bundle.map;
    rehearser->report.has_bundle = true;
    rehearser->report.bundle = bundle.digest;
    rehearser->report.bundle_name = bundle.name;
    return ERR_OK;
}

static ErrCode open_revisions(Rehearser *rehearser, Error *err)
{
    CommandContext *context = rehearser->context;
    const char *bundle = context_option(context, "bundle");
    if (bundle != NULL)
        return open_bundle(rehearser, bundle, err);
    Revisions revisions;
    ErrCode code = revisions_open(context, &revisions, err);
    if (code != ERR_OK)
        return code;
    rehearser->map = revisions.plain;
    rehearser->assignments = revisions.assignments;
    return ERR_OK;
}

static ErrCode find_steps(Rehearser *rehearser, GraphSteps *ret_steps, Error *err)
{
    CommandContext *context = rehearser->context;
    const char *target = context_argument(context, 0);
    ErrCode code =
        graph_upgrade(context->arena, rehearser->map, &rehearser->report.source.facts.rows,
                      target == NULL ? "heads" : target, ret_steps, err);
    for (size_t i = 0; i < ret_steps->count && code == ERR_OK; i++) {
        GraphStep *step = &ret_steps->items[i];
        code =
            script_bind(context->arena, step->script, &rehearser->assignments, &step->script, err);
        if (code == ERR_OK)
            code = shard_step_check(step->script, step->direction, false, err);
    }
    return code;
}

/* --- the rehearsal ---------------------------------------------------------------------------- */

/* For `when-fingerprint`: of a fleet's shard only the copy is there to be read. */
static ErrCode read_fingerprints(Rehearser *rehearser, Rehearsal *rehearsal,
                                 const GraphSteps *steps, Error *err)
{
    CommandContext *context = rehearser->context;
    const CopySource *source = &rehearser->report.source;
    SchemaReadArgs args = {.schema = source->schema[0] == '\0' ? NULL : source->schema};
    SchemaModel model;
    size_t at = 0;
    while (at < steps->count && steps->items[at].script->when_fingerprint == NULL)
        at++;
    if (at == steps->count || context_has(context, "shard"))
        return ERR_OK;
    ErrCode code = schema_source_database(context, &rehearser->wait, source->conninfo,
                                          source->conninfo_count, NULL, &args, &model, err);
    if (code != ERR_OK)
        return code;
    char fingerprint[FINGERPRINT_TEXT_SIZE];
    schema_fingerprint(&model, fingerprint);
    rehearsal->source_fingerprint = arena_strdup(context->arena, fingerprint);
    return rehearse_fingerprint(rehearsal, &rehearsal->copy_fingerprint, err);
}

/* What has run is told, also when the next step fails. */
static ErrCode run_steps(Rehearser *rehearser, Session *session, const GraphSteps *steps,
                         Error *err)
{
    Arena *arena = rehearser->context->arena;
    RehearsalReport *report = &rehearser->report;
    Rehearsal rehearsal = {.session = session,
                           .trace = {.arena = arena},
                           .path = report->source.facts.search_path,
                           .time_zone = report->source.facts.time_zone,
                           .schema = report->source.schema};
    ErrCode code = read_fingerprints(rehearser, &rehearsal, steps, err);
    for (size_t i = 0; i < steps->count && code == ERR_OK; i++) {
        code = rehearse_step(&rehearsal, &steps->items[i], err);
        if (code == ERR_OK)
            report->steps_done++;
    }
    report->trace = rehearsal.trace;
    report->not_tried = rehearsal.not_tried;
    return code;
}

static ErrCode rehearse(Rehearser *rehearser, Scratch *scratch, const GraphSteps *steps, Error *err)
{
    RehearsalReport *report = &rehearser->report;
    ShardTarget target;
    Session *session;
    Error failure = {0};
    ErrCode code =
        copy_make(scratch, &report->source, rehearser->method, rehearser->local, &target, err);
    if (code == ERR_OK)
        code = session_open(&rehearser->wait, target.conninfo, target.conninfo_count,
                            target.database, &session, err);
    if (code != ERR_OK)
        return code;
    ErrCode outcome = run_steps(rehearser, session, steps, &failure);
    session_close(session);
    trace_finish(&report->trace, copy_size, &report->source.facts);
    rehearsal_tell(rehearser->context, report);
    if (outcome != ERR_OK)
        *err = failure;
    return outcome;
}

static ErrCode write_report(Rehearser *rehearser, Error *err)
{
    CommandContext *context = rehearser->context;
    AUTO_STR Str text = {0};
    JsonWriter json = json_writer(&text);
    rehearsal_json(&json, &rehearser->report);
    JsonWriter result = context_json(context);
    json_raw(&result, str_text(&text), text.length);
    const char *path = context_option(context, "output");
    if (path == NULL)
        return ERR_OK;
    str_append_char(&text, '\n');
    ErrCode code = file_write_new(path, str_text(&text), text.length, 0666, err);
    if (code == ERR_OK)
        say(context, "written to %s", path);
    return code;
}

static const char *own_url(const CommandContext *context)
{
    const char *url = context_option(context, "url");
    return url == NULL ? getenv("PGTIDE_URL") : url;
}

static ErrCode read_source(Rehearser *rehearser, Error *err)
{
    CommandContext *context = rehearser->context;
    CopySource *source = &rehearser->report.source;
    const char *shard = context_option(context, "shard");
    if (shard != NULL)
        return copy_source_of_shard(context, shard, source, err);
    StrList shared = context_options(context, "shared-schema");
    if (shared.count == 0)
        strlist_add(context->arena, &shared, "public");
    return copy_source_read(context->arena, &rehearser->wait, own_url(context),
                            context_option(context, "schema"), &shared, source, err);
}

static ErrCode run_on_copy(Rehearser *rehearser, Error *err)
{
    CommandContext *context = rehearser->context;
    RehearsalReport *report = &rehearser->report;
    ErrCode code = read_source(rehearser, err);
    if (code != ERR_OK)
        return code;
    GraphSteps steps = {0};
    code = find_steps(rehearser, &steps, err);
    report->steps = steps.items;
    report->step_count = steps.count;
    report->rows_after = steps.rows_after;
    if (code != ERR_OK || steps.count == 0) {
        if (code == ERR_OK)
            rehearsal_tell(context, report);
        return code;
    }
    Scratch *scratch;
    const char *place = context_option(context, "scratch-url");
    code = scratch_open_on(context, &rehearser->wait,
                           rehearser->local ? NULL
                           : place != NULL  ? place
                                            : own_url(context),
                           &scratch, err);
    if (code != ERR_OK)
        return code;
    code = rehearse(rehearser, scratch, &steps, err);
    scratch_close(scratch);
    return code;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Rehearser rehearser = {.context = context};
    ErrCode code = check_options(&rehearser, err);
    rehearser.report.method = rehearser.method;
    rehearser.report.made_unix_ms = clock_unix_ms();
    if (code == ERR_OK)
        code = open_revisions(&rehearser, err);
    if (code != ERR_OK)
        return code;
    wait_open(&rehearser.wait);
    code = run_on_copy(&rehearser, err);
    wait_close(&rehearser.wait);
    return code == ERR_OK ? write_report(&rehearser, err) : code;
}

static const CommandOption options[] = {
    {"url", 'u', "URL", "the database that is copied (PGTIDE_URL, then libpq's environment)"},
    {"shard", 0, "SHARD",
     "instead: this shard of the fleet, CLUSTER/DATABASE[/SCHEMA] or its uuid; its agent dumps its "
     "schema, and the copy is on a temporary server here, or that of --scratch-url"},
    {"schema", 0, "SCHEMA", "the shard is this schema of the database"},
    {"shared-schema", 0, "SCHEMA", "searched after --schema (default: public; repeatable)"},
    {"bundle", 0, "FILE", "its revisions instead of the project's"},
    REVISIONS_OPTION,
    {"dump", 0, NULL, "copy the data too, by pg_dump"},
    {"clone", 0, NULL, "copy all by CREATE DATABASE ... TEMPLATE: nobody may be connected to it"},
    {"scratch-url", 0, "URL", "the server for the copy, instead of the database's own"},
    {"local", 0, NULL, "copy to a temporary server that is started here"},
    {"output", 'o', "FILE", "write the report there too, as JSON"},
    CLIENT_OPTIONS_FOR("5m"),
    {0},
};

const CliCommand cmd_rehearse = {
    .words = "rehearse",
    .arguments = "[TARGET]",
    .arguments_max = 1,
    .summary = "run the pending steps on a copy of a database and tell what each statement does",
    .details =
        "Copies the database (its schema; with --dump or --clone its data too), runs the steps "
        "from "
        "where it stands to TARGET (default: all) on the copy, and drops the copy. The database "
        "itself is only read.\n\n"
        "Of each statement it tells the locks that it takes and how long they are held, what it "
        "rewrites, scans and builds, its time, WAL and rows; and how long it would take on the "
        "database, from the sizes of its tables and the rate that was measured, or without data a "
        "cautious one (docs/rehearsal.md).\n\n"
        "Exit status: 0 all steps ran; 1 one failed; 2 wrong use, project or target; 6 a server "
        "can't be reached; 130, 143 interrupted.",
    .options = options,
    .run = run,
};
