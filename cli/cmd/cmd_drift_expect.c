/* What the schema of shards should be, by what the revisions build. */
#include "drift_build.h"
#include "drift_client.h"

#include "proto_read.h"
#include "schema_canon.h"
#include "schema_json.h"

#include <string.h>

/* The command at work. */
typedef struct Expecting {
    CommandContext *context;
    Client *client;
    DriftSource source;
    Scratch *scratch;
    json_t *view;
    JsonWriter json;
    size_t recorded;
    size_t passed_over;
    uint32_t server_major; /* of the scratch server */
} Expecting;

static ErrCode send_expectation(Expecting *expecting, const StrList *rows, bool in_schema,
                                const DriftBuilt *built, const char *fingerprint_text,
                                int64_t *ret_shards, Error *err)
{
    Arena *arena = expecting->context->arena;
    Pgtide__V1__ExpectSchema expect = PGTIDE__V1__EXPECT_SCHEMA__INIT;
    Pgtide__V1__ChangeDrift change = PGTIDE__V1__CHANGE_DRIFT__INIT;
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    ClientAnswer answer;
    Digest fingerprint, dump;
    AUTO_STR Str text = {0};
    JsonWriter json = json_writer(&text);
    schema_json_write(&built->model, &json);
    ErrCode code =
        client_upload(expecting->client, (const uint8_t *)str_text(&text), text.length, &dump, err);
    if (code != ERR_OK)
        return code;
    (void)fingerprint_parse(fingerprint_text, &fingerprint);
    expect.n_rows = rows->count;
    expect.rows = (char **)(uintptr_t)strlist_argv(arena, rows);
    expect.in_schema = in_schema;
    expect.server_major = built->server_major;
    expect.fingerprint = proto_from_digest(&fingerprint);
    expect.dump_blob_digest = proto_from_digest(&dump);
    change.verb_case = PGTIDE__V1__CHANGE_DRIFT__VERB_EXPECT;
    change.expect = &expect;
    request.body_case = PGTIDE__V1__REQUEST__BODY_CHANGE_DRIFT;
    request.change_drift = &change;
    code = client_request(expecting->client, &request, &answer, err);
    if (code == ERR_OK)
        *ret_shards = answer_int(answer.result, "shards");
    return code;
}

static void tell(Expecting *expecting, const StrList *rows, bool in_schema, const DriftBuilt *built,
                 const char *fingerprint, int64_t shards)
{
    CommandContext *context = expecting->context;
    JsonWriter *json = &expecting->json;
    json_object_begin(json);
    json_field_strings(json, "rows", rows);
    json_field_string(json, "scope", in_schema ? "schema" : "database");
    json_field_uint(json, "server_major", built->server_major);
    json_field_string(json, "fingerprint", fingerprint);
    json_field_uint(json, "shards", (uint64_t)shards);
    json_field_strings(json, "not_counted", &built->not_counted);
    json_object_end(json);
    for (size_t i = 0; i < built->not_counted.count; i++)
        note(context, "not counted: %s", built->not_counted.items[i]);
    say(context, "%s (%s, PostgreSQL %u): %s, for %lld shard%s",
        rows->count == 0 ? "no revision" : strlist_join(context->arena, rows, ", "),
        in_schema ? "schemas" : "databases", built->server_major, fingerprint, (long long)shards,
        shards == 1 ? "" : "s");
}

static ErrCode expect_at(Expecting *expecting, const StrList *rows, bool in_schema, Error *err)
{
    DriftBuilt built;
    char fingerprint[FINGERPRINT_TEXT_SIZE];
    int64_t shards;
    ErrCode code = drift_build(expecting->context, expecting->scratch, &expecting->source, rows,
                               in_schema, &built, err);
    if (code != ERR_OK)
        return code;
    schema_fingerprint(&built.model, fingerprint);
    code = send_expectation(expecting, rows, in_schema, &built, fingerprint, &shards, err);
    if (code != ERR_OK)
        return code;
    expecting->recorded++;
    expecting->server_major = built.server_major;
    tell(expecting, rows, in_schema, &built, fingerprint, shards);
    return ERR_OK;
}

/* --- where ------------------------------------------------------------------------------------ */

static bool was_done(const json_t *groups, size_t before, const json_t *group)
{
    for (size_t i = 0; i < before; i++) {
        const json_t *other = json_array_get(groups, i);
        if (json_equal(json_object_get(other, "rows"), json_object_get(group, "rows")) &&
            strcmp(answer_text(other, "scope"), answer_text(group, "scope")) == 0)
            return true;
    }
    return false;
}

/* Shards on servers of other versions, of which nothing is expected. */
static void tell_others(Expecting *expecting)
{
    CommandContext *context = expecting->context;
    const json_t *groups = json_object_get(expecting->view, "groups");
    json_field_array(&expecting->json, "other_servers");
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *group = json_array_get(groups, i);
        int64_t major = answer_int(group, "server_major"), shards = answer_int(group, "shards");
        if (major == 0 || major == expecting->server_major ||
            answer_text(group, "expected")[0] != '\0')
            continue;
        json_object_begin(&expecting->json);
        StrList rows = drift_rows(context->arena, group);
        json_field_strings(&expecting->json, "rows", &rows);
        json_field_string(&expecting->json, "scope", answer_text(group, "scope"));
        json_field_uint(&expecting->json, "server_major", (uint64_t)major);
        json_field_uint(&expecting->json, "shards", (uint64_t)shards);
        json_object_end(&expecting->json);
        note(context,
             "nothing is expected yet of %lld shard%s at %s: give a --scratch-url of a server of "
             "that version",
             (long long)shards, shards == 1 ? "" : "s", drift_place_text(context->arena, group));
    }
    json_array_end(&expecting->json);
}

/* At all rows that shards have. What these revisions do not lead to is others' to say. */
static ErrCode expect_fleet(Expecting *expecting, Error *err)
{
    CommandContext *context = expecting->context;
    const json_t *groups = json_object_get(expecting->view, "groups");
    ErrCode code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < json_array_size(groups); i++) {
        const json_t *group = json_array_get(groups, i);
        StrList rows = drift_rows(context->arena, group);
        if (was_done(groups, i, group))
            continue;
        Error wrong;
        code =
            expect_at(expecting, &rows, strcmp(answer_text(group, "scope"), "schema") == 0, &wrong);
        if (code == ERR_NOT_FOUND || code == ERR_TARGET) {
            note(context, "passed over: %s: %s", drift_place_text(context->arena, group),
                 wrong.message);
            expecting->passed_over++;
            code = ERR_OK;
        } else if (code != ERR_OK) {
            *err = wrong;
        }
    }
    int64_t untold = answer_int(expecting->view, "groups_untold");
    if (code == ERR_OK && untold > 0)
        note(context, "shards are at %lld places more, which are not told: name their revisions",
             (long long)untold);
    return code;
}

/* An argument is a revision, or several that are rows together: a,b. */
static ErrCode read_rows(Expecting *expecting, const char *text, StrList *ret_rows, Error *err)
{
    Arena *arena = expecting->context->arena;
    StrList rows = {0};
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        const char *id;
        ErrCode code = graph_resolve_one(arena, expecting->source.map,
                                         arena_strndup(arena, text, length), &id, err);
        if (code != ERR_OK)
            return code;
        strlist_add(arena, &rows, id);
        text += length + (text[length] == ',' ? 1 : 0);
    }
    strlist_sort(&rows);
    *ret_rows = rows;
    return ERR_OK;
}

static ErrCode expect_named(Expecting *expecting, Error *err)
{
    CommandContext *context = expecting->context;
    ErrCode code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < context->arguments.count; i++) {
        StrList rows;
        code = read_rows(expecting, context_argument(context, i), &rows, err);
        if (code == ERR_OK)
            code = expect_at(expecting, &rows, context_has(context, "schemas"), err);
    }
    return code;
}

/* --- the command ------------------------------------------------------------------------------ */

static ErrCode work(Expecting *expecting, Error *err)
{
    CommandContext *context = expecting->context;
    Wait wait;
    wait_open(&wait);
    ErrCode code = scratch_open(context, &wait, &expecting->scratch, err);
    if (code == ERR_OK)
        code = context->arguments.count == 0 ? expect_fleet(expecting, err)
                                             : expect_named(expecting, err);
    scratch_close(expecting->scratch);
    wait_close(&wait);
    return code;
}

static ErrCode run(CommandContext *context, Error *err)
{
    AUTO_CLIENT Client *client = NULL;
    Expecting expecting = {.context = context};
    if (context_has(context, "schemas") && context->arguments.count == 0)
        return err_set(err, ERR_USAGE, "--schemas goes with revisions: without them shards say it");
    ErrCode code = drift_source_open(context, &expecting.source, err);
    if (code == ERR_OK)
        code = client_open(context, &client, err);
    expecting.client = client;
    if (code == ERR_OK)
        code = drift_view(client, NULL, &expecting.view, err);
    if (code != ERR_OK)
        return code;
    expecting.json = context_json(context);
    json_object_begin(&expecting.json);
    json_field_array(&expecting.json, "expected");
    code = work(&expecting, err);
    json_array_end(&expecting.json);
    json_field_uint(&expecting.json, "passed_over", expecting.passed_over);
    if (code == ERR_OK)
        tell_others(&expecting);
    json_object_end(&expecting.json);
    json_decref(expecting.view);
    if (code == ERR_OK && expecting.recorded == 0)
        code = err_set(err, ERR_NOT_FOUND, "no shard is at revisions that these lead to");
    if (code != ERR_OK)
        str_clear(&context->json_result);
    return code;
}

static const CommandOption options[] = {
    {"bundle", 0, "FILE", "the revisions of a bundle, instead of the project's"},
    {"schemas", 0, NULL, "the named revisions are those of shards that are schemas"},
    {"no-safe", 0, NULL, "without safe statements: no agent ensures them"},
    {"scratch-url", 0, "URL", "the server for scratch databases (PGTIDE_URL)"},
    REVISIONS_OPTION,
    CLIENT_OPTIONS,
    {0},
};

const CliCommand cmd_drift_expect = {
    .words = "drift expect",
    .arguments = "[REVISION...]",
    .arguments_max = 1000,
    .summary = "say what the schema of shards should be: what the revisions build",
    .details =
        "For all revisions at which shards are now, or those named (a,b for rows that go "
        "together), "
        "the revisions are run on a scratch database, and safe statements after them. What comes "
        "of it is recorded by the coordinator: `pgtide fleet drift` compares with it. It counts "
        "for servers of the scratch server's major version (once for each that the fleet has); the "
        "last word counts.\n\n" SCRATCH_DETAILS
        "\n\nExit status: 0 recorded; 1 a revision failed; 2 wrong use or project; 5 refused; 6 a "
        "server can't be reached.",
    .options = options,
    .run = run,
};
