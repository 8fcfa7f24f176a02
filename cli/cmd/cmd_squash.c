#include "baseline.h"

#include "clock.h"
#include "file.h"

#include <string.h>
#include <time.h>

/* The command at work. */
typedef struct Squash {
    CommandContext *context;
    Revisions revisions;
    const char *id;
    const char *message;
    const char *path;
    /* Of the attempt in hand. */
    const char *text;
    size_t statements;
    Str difference;
} Squash;

static ErrCode prepare(Squash *squash, Error *err)
{
    CommandContext *context = squash->context;
    ErrCode code = revisions_open(context, &squash->revisions, err);
    if (code == ERR_OK)
        code = graph_resolve_one(context->arena, squash->revisions.map,
                                 context_argument(context, 0), &squash->id, err);
    if (code != ERR_OK)
        return code;
    if (strcmp(squash->id, "base") == 0 || graph_find(squash->revisions.map, squash->id) == NULL)
        return err_set(err, ERR_REVISION_UNKNOWN, "'%.200s' is no revision",
                       context_argument(context, 0));
    const Script *there = graph_baseline(squash->revisions.map, squash->id);
    if (there != NULL) {
        err_set(err, ERR_EXISTS, "revision %s has a baseline already", squash->id);
        err_at(err, there->file, 0);
        err_hint(err, "Remove that file first if it is to be made anew.");
        return ERR_EXISTS;
    }
    squash->message = context_option(context, "message");
    if (squash->message == NULL)
        squash->message = arena_printf(context->arena, "all up to %s", squash->id);
    if (strpbrk(squash->message, "\r\n") != NULL)
        return err_set(err, ERR_USAGE, "--message: one line");
    const StrList *versions = &squash->revisions.project.versions;
    squash->path = path_join(context->arena, versions->items[versions->count - 1],
                             arena_printf(context->arena, "baseline_%s.sql", squash->id));
    return ERR_OK;
}

static const char *file_text(Squash *squash, const char *sql)
{
    char created[32];
    time_t now = (time_t)(clock_unix_ms() / 1000);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(created, sizeof created, "%Y-%m-%d %H:%M:%S UTC", &utc);
    return arena_printf(squash->context->arena,
                        "-- baseline: %s\n-- created: %s\n-- message: %s\n\n-- +upgrade\n%s",
                        squash->id, created, squash->message, sql);
}

/* Dumps, and proves on a second database what came out. */
static ErrCode attempt(Squash *squash, Scratch *scratch, Trial *reference, bool unqualify,
                       Error *err)
{
    CommandContext *context = squash->context;
    const char *sql;
    Script *baseline;
    str_clear(&squash->difference);
    ErrCode code =
        baseline_dump(context, scratch, reference, unqualify, &sql, &squash->statements, err);
    if (code != ERR_OK)
        return code;
    squash->text = file_text(squash, sql);
    code = script_parse(context->arena, squash->path, (const uint8_t *)squash->text,
                        strlen(squash->text), &baseline, err);
    if (code == ERR_OK)
        code = baseline_compare(context, scratch, reference, baseline, &squash->difference, err);
    return code;
}

/* Names that follow the search path serve databases and tenants' schemas alike. Where they do not
 * lead to the same, names stay as pg_dump writes them. */
static ErrCode make(Squash *squash, Scratch *scratch, Trial *reference, Error *err)
{
    ErrCode code = attempt(squash, scratch, reference, true, err);
    bool proven = code == ERR_OK && squash->difference.length == 0;
    if (proven || code == ERR_INTERRUPTED || code == ERR_CONNECT || code == ERR_LIMIT ||
        code == ERR_IO)
        return code;
    code = attempt(squash, scratch, reference, false, err);
    if (code == ERR_OK && squash->difference.length == 0)
        note(squash->context, "names in public are written with their schema: the file does not "
                              "serve tenants' schemas");
    return code;
}

static ErrCode tell_difference(Squash *squash, Error *err)
{
    say(squash->context, "%s", str_text(&squash->difference));
    err_set(err, ERR_DIFFERENCE, "the baseline would not make the same database; nothing written");
    err_detail(err, "%.500s", str_text(&squash->difference));
    err_hint(err, "Lines with '-' are missing from what pg_dump writes, lines with '+' are new.");
    return ERR_DIFFERENCE;
}

static ErrCode squash_run(Squash *squash, Scratch *scratch, Error *err)
{
    CommandContext *context = squash->context;
    Trial *reference;
    ErrCode code =
        baseline_reference(context, &squash->revisions, scratch, squash->id, &reference, err);
    if (code != ERR_OK)
        return code;
    code = make(squash, scratch, reference, err);
    trial_leave(reference);
    if (code != ERR_OK)
        return code;
    return squash->difference.length > 0 ? tell_difference(squash, err) : ERR_OK;
}

static void tell(Squash *squash)
{
    StrList rows = {0};
    StrList below = {0};
    strlist_add(squash->context->arena, &rows, squash->id);
    size_t count = graph_applied(squash->context->arena, squash->revisions.plain, &rows, &below,
                                 NULL) == ERR_OK
                       ? below.count
                       : 0;
    JsonWriter json = context_json(squash->context);
    json_object_begin(&json);
    json_field_string(&json, "baseline", squash->id);
    json_field_string(&json, "file", squash->path);
    json_field_uint(&json, "revisions", count);
    json_field_uint(&json, "statements", squash->statements);
    json_object_end(&json);
    say(squash->context,
        "wrote %s: %zu revision%s as one step of %zu statements, for new databases", squash->path,
        count, count == 1 ? "" : "s", squash->statements);
}

static ErrCode run(CommandContext *context, Error *err)
{
    Squash squash = {.context = context};
    ErrCode code = prepare(&squash, err);
    if (code != ERR_OK)
        return code;
    Wait wait;
    Scratch *scratch;
    wait_open(&wait);
    code = scratch_open(context, &wait, &scratch, err);
    if (code == ERR_OK) {
        code = squash_run(&squash, scratch, err);
        scratch_close(scratch);
    }
    wait_close(&wait);
    if (code == ERR_OK)
        code = file_write_new(squash.path, squash.text, strlen(squash.text), 0666, err);
    if (code == ERR_OK)
        tell(&squash);
    str_free(&squash.difference);
    return code;
}

static const CommandOption options[] = {
    {"message", 'm', "TEXT", "what the file says of itself"},
    SCRATCH_OPTIONS,
    REVISIONS_OPTION,
    {0},
};

const CliCommand cmd_squash = {
    .words = "squash",
    .arguments = "REVISION",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "write a baseline: one step for new databases instead of all revisions up to one",
    .details = SCRATCH_DETAILS
    "\n\nThe revisions up to REVISION are run on one scratch database, pg_dump writes what they "
    "made, schema and rows, and that is run on another one: the file is written only when both are "
    "the same. Revisions stay as they are. A database without any row begins with the newest "
    "baseline on its way; one that has rows goes on by the revisions, and both go back by their "
    "downgrades.\n\n"
    "Exit status: 0 written; 1 a revision failed; 2 wrong use or project, or a baseline is there; "
    "3 the baseline would make another database, which is shown; 6 the server can't be reached; "
    "130, 143 interrupted.",
    .options = options,
    .run = run,
};
