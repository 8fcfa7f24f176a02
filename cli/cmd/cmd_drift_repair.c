/* The way back from what was changed by hand, as a revision for the shards that need it. */
#include "drift_client.h"
#include "revision_file.h"
#include "revisions.h"
#include "schema_script.h"

#include <string.h>

/* The command at work. */
typedef struct Repair {
    CommandContext *context;
    Client *client;
    Revisions revisions;
    StrList heads;
    const char *fingerprint; /* of the schema that is led back */
    json_t *differences;     /* of the first shard */
    SchemaDiff diff;
} Repair;

/* --- which shards ----------------------------------------------------------------------------- */

/* It comes behind the last revision: a shard that is not there would be another schema by then. */
static ErrCode check_rows(const Repair *repair, const char *name, const json_t *shard, Error *err)
{
    Arena *arena = repair->context->arena;
    StrList rows = drift_rows(arena, shard);
    if (strlist_equal(&rows, &repair->heads))
        return ERR_OK;
    err_set(err, ERR_STATE, "%.200s is at %s, and the revisions lead to %s", name,
            rows.count == 0 ? "no revision" : strlist_join(arena, &rows, ", "),
            strlist_join(arena, &repair->heads, ", "));
    err_hint(err, "A repair comes behind the last revision: bring the shard there first.");
    return ERR_STATE;
}

static ErrCode check_class(Repair *repair, const char *name, const json_t *shard, Error *err)
{
    const char *verdict = answer_text(shard, "verdict");
    const char *fingerprint = answer_text(shard, "fingerprint");
    if (strcmp(verdict, "expected") == 0)
        return err_set(err, ERR_STATE, "%.200s is as expected", name);
    if (strcmp(verdict, "unknown") == 0)
        return err_set(err, ERR_STATE, "%.200s: %.200s", name, answer_text(shard, "why"));
    if (repair->fingerprint == NULL)
        repair->fingerprint = arena_strdup(repair->context->arena, fingerprint);
    if (strcmp(repair->fingerprint, fingerprint) == 0)
        return ERR_OK;
    err_set(err, ERR_STATE, "%.200s has drifted otherwise than %.200s", name,
            context_argument(repair->context, 0));
    err_hint(err, "Repair one class at a time, as `pgtide fleet drift` lists them.");
    return ERR_STATE;
}

static ErrCode look_at(Repair *repair, const char *name, Error *err)
{
    json_t *shard;
    ErrCode code = drift_view_shard(repair->client, name, &shard, err);
    if (code != ERR_OK)
        return code;
    code = check_class(repair, name, shard, err);
    if (code == ERR_OK)
        code = check_rows(repair, name, shard, err);
    if (code == ERR_OK && repair->differences == NULL)
        code = drift_differences(repair->client, shard, &repair->differences, err);
    json_decref(shard);
    return code;
}

/* --- what leads back -------------------------------------------------------------------------- */

static SchemaOperation read_operation(Arena *arena, const json_t *object)
{
    SchemaOperation operation = {
        .kind = arena_strdup(arena, answer_text(object, "kind")),
        .name = arena_strdup(arena, answer_text(object, "name")),
        .destructive = answer_bool(object, "destructive"),
        .alone = answer_bool(object, "alone"),
    };
    for (SchemaChange change = SCHEMA_CHANGE_CREATE; change <= SCHEMA_CHANGE_CANNOT; change++) {
        if (strcmp(answer_text(object, "change"), schema_change_name(change)) == 0)
            operation.change = change;
    }
    if (operation.change == SCHEMA_CHANGE_CANNOT)
        operation.reason = arena_strdup(arena, answer_text(object, "reason"));
    const json_t *sql = json_object_get(object, "sql");
    for (size_t i = 0; i < json_array_size(sql); i++) {
        const char *text = json_string_value(json_array_get(sql, i));
        if (text != NULL)
            strlist_add(arena, &operation.sql, arena_strdup(arena, text));
    }
    return operation;
}

static ErrCode check_diff(const Repair *repair, Error *err)
{
    const SchemaDiff *diff = &repair->diff;
    int64_t untold = answer_int(repair->differences, "repair_untold");
    if (strcmp(answer_text(repair->differences, "fingerprint"), repair->fingerprint) != 0) {
        err_set(err, ERR_STATE, "the shard's schema has changed since its agent looked last");
        err_hint(err, "Ask again when `pgtide fleet drift` shows it.");
        return ERR_STATE;
    }
    if (untold > 0)
        return err_set(err, ERR_LIMIT, "the way back has %lld operations more than an agent tells",
                       (long long)untold);
    if (diff->count == 0)
        return err_set(err, ERR_STATE, "no operation leads back: only their texts differ");
    for (size_t i = 0; i < diff->count; i++) {
        if (diff->items[i].change != SCHEMA_CHANGE_CANNOT)
            continue;
        err_set(err, ERR_REFUSED, "the way back can't be said in SQL: %.100s %.200s",
                diff->items[i].kind, diff->items[i].name);
        err_detail(err, "%.400s", diff->items[i].reason);
        err_hint(err, "Lead this shard back by hand, or accept it with `pgtide drift accept`.");
        return ERR_REFUSED;
    }
    return ERR_OK;
}

static ErrCode read_diff(Repair *repair, Error *err)
{
    Arena *arena = repair->context->arena;
    const json_t *operations = json_object_get(repair->differences, "repair");
    size_t count = json_array_size(operations);
    repair->diff =
        (SchemaDiff){.items = ARENA_ARRAY(arena, SchemaOperation, count + 1), .count = count};
    for (size_t i = 0; i < count; i++)
        repair->diff.items[i] = read_operation(arena, json_array_get(operations, i));
    return check_diff(repair, err);
}

/* --- the revision ----------------------------------------------------------------------------- */

static ErrCode write_revision(Repair *repair, Error *err)
{
    CommandContext *context = repair->context;
    Arena *arena = context->arena;
    const SchemaDiff *diff = &repair->diff;
    bool labels = schema_script_has(diff, SCHEMA_SCRIPT_LABELS);
    bool rest = schema_script_has(diff, SCHEMA_SCRIPT_REST);
    const char *message = context_option(context, "message");
    RevisionDraft draft = {
        .message = message == NULL ? "drift repair" : message,
        .parents = repair->heads,
        .when_fingerprint = repair->fingerprint,
        .about = arena_printf(
            arena,
            "-- Runs where the schema is the one above, and is recorded everywhere else.\n%s",
            labels ? "" : schema_script_lost(arena, diff)),
        .upgrade = schema_script_section(arena, diff,
                                         labels ? SCHEMA_SCRIPT_LABELS : SCHEMA_SCRIPT_REST, false),
        .downgrade = "-- A repair is not undone.\n",
    };
    ErrCode code = revision_file_write(context, &repair->revisions.project, repair->revisions.plain,
                                       &draft, err);
    if (code == ERR_OK && labels && rest)
        note(context, "labels of enums only: when they are there, repair what is left");
    if (code == ERR_OK)
        note(context, "review it; when it is rolled out, say what is expected there with `pgtide "
                      "drift expect`");
    return code;
}

static ErrCode work(Repair *repair, Error *err)
{
    ErrCode code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < repair->context->arguments.count; i++)
        code = look_at(repair, context_argument(repair->context, i), err);
    if (code == ERR_OK)
        code = read_diff(repair, err);
    return code == ERR_OK ? write_revision(repair, err) : code;
}

static ErrCode run(CommandContext *context, Error *err)
{
    AUTO_CLIENT Client *client = NULL;
    Repair repair = {.context = context};
    ErrCode code = revisions_open(context, &repair.revisions, err);
    if (code == ERR_OK)
        code = client_open_for(context, 90000, &client, err);
    if (code != ERR_OK)
        return code;
    repair.client = client;
    repair.heads = graph_heads(context->arena, repair.revisions.plain);
    code = work(&repair, err);
    json_decref(repair.differences);
    return code;
}

static const CommandOption options[] = {
    {"message", 'm', "TEXT", "what the revision says of itself (default: drift repair)"},
    CLIENT_OPTIONS_FOR("90s"),
    {0},
};

const CliCommand cmd_drift_repair = {
    .words = "drift repair",
    .arguments = "SHARD...",
    .arguments_min = 1,
    .arguments_max = 1000,
    .summary = "write a revision that leads shards back from what was changed by hand",
    .details =
        "The agent of the first SHARD reads it now; what leads from there to the expected schema "
        "becomes a revision of the project with `when-fingerprint`: it runs on shards that have "
        "exactly this schema, and is recorded as applied on all others. It is reviewed, bundled, "
        "planned and approved like any other. All SHARDs must have the same schema, and be where "
        "the "
        "project's revisions lead to.\n\n"
        "Refused where the way back can't be said in SQL.",
    .options = options,
    .run = run,
};
