/* A schema that is not as expected, and is all right. */
#include "drift_client.h"

#include "proto_read.h"

#include <string.h>

static ErrCode send_accept(Client *client, const json_t *place, const char *fingerprint_text,
                           const StrList *shards, const char *reason, Arena *arena, Error *err)
{
    Pgtide__V1__AcceptDrift accept = PGTIDE__V1__ACCEPT_DRIFT__INIT;
    Pgtide__V1__ChangeDrift change = PGTIDE__V1__CHANGE_DRIFT__INIT;
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    ClientAnswer answer;
    Digest fingerprint;
    StrList rows = drift_rows(arena, place);
    if (!fingerprint_parse(fingerprint_text, &fingerprint))
        return err_set(err, ERR_STATE, "its fingerprint is not known");
    accept.n_shards = shards->count;
    accept.shards = (char **)(uintptr_t)strlist_argv(arena, shards);
    accept.n_rows = rows.count;
    accept.rows = (char **)(uintptr_t)strlist_argv(arena, &rows);
    accept.in_schema = strcmp(answer_text(place, "scope"), "schema") == 0;
    accept.server_major = (uint32_t)answer_int(place, "server_major");
    accept.fingerprint = proto_from_digest(&fingerprint);
    accept.reason = proto_from_text(reason);
    change.verb_case = PGTIDE__V1__CHANGE_DRIFT__VERB_ACCEPT;
    change.accept = &accept;
    request.body_case = PGTIDE__V1__REQUEST__BODY_CHANGE_DRIFT;
    request.change_drift = &change;
    return client_request(client, &request, &answer, err);
}

static void write_done(JsonWriter *json, const char *name, const char *fingerprint)
{
    json_object_begin(json);
    json_field_string(json, "name", name);
    json_field_string(json, "fingerprint", fingerprint);
    json_object_end(json);
}

static ErrCode accept_shards(CommandContext *context, Client *client, const char *reason,
                             JsonWriter *json, Error *err)
{
    ErrCode code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < context->arguments.count; i++) {
        json_t *shard;
        code = drift_view_shard(client, context_argument(context, i), &shard, err);
        if (code != ERR_OK)
            break;
        const char *name = arena_strdup(context->arena, answer_text(shard, "name"));
        const char *fingerprint = arena_strdup(context->arena, answer_text(shard, "fingerprint"));
        StrList one = {0};
        strlist_add(context->arena, &one, name);
        if (strcmp(answer_text(shard, "verdict"), "expected") == 0)
            code = err_set(err, ERR_STATE, "%.200s is as expected", name);
        else
            code = send_accept(client, shard, fingerprint, &one, reason, context->arena, err);
        json_decref(shard);
        if (code != ERR_OK)
            return err_wrap(err, "%.200s", name);
        say(context, "%s: %s is accepted", name, drift_short(context->arena, fingerprint));
        write_done(json, name, fingerprint);
    }
    return code;
}

/* Wherever shards have it now. A few digits will do, as long as they mean one. */
static ErrCode find_class(const json_t *view, const char *wanted, const char **ret_fingerprint,
                          Error *err)
{
    enum { DIGITS_MIN = 3 + 8 };
    const json_t *groups = json_object_get(view, "groups");
    const char *found = NULL;
    if (strncmp(wanted, "f1:", 3) != 0 || strlen(wanted) < DIGITS_MIN)
        return err_set(err, ERR_USAGE,
                       "--class: f1: and at least 8 digits, as `pgtide fleet "
                       "drift` shows it");
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *classes = json_object_get(json_array_get(groups, i), "classes");
        for (size_t j = 0; j < json_array_size(classes); j++) {
            const char *fingerprint = answer_text(json_array_get(classes, j), "fingerprint");
            if (strncmp(fingerprint, wanted, strlen(wanted)) != 0)
                continue;
            if (found != NULL && strcmp(found, fingerprint) != 0)
                return err_set(err, ERR_USAGE, "--class %.80s means several", wanted);
            found = fingerprint;
        }
    }
    if (found == NULL && drift_untold(view) > 0) {
        err_set(err, ERR_NOT_FOUND,
                "no schema that is told is %.80s, and %lld groups or classes are not", wanted,
                (long long)drift_untold(view));
        err_hint(err, "Name shards that have it; `pgtide fleet drift --select` finds them.");
        return ERR_NOT_FOUND;
    }
    if (found == NULL)
        return err_set(err, ERR_NOT_FOUND, "no shard's schema is %.80s", wanted);
    *ret_fingerprint = found;
    return ERR_OK;
}

static ErrCode accept_class(CommandContext *context, Client *client, const char *wanted,
                            const char *reason, JsonWriter *json, Error *err)
{
    json_t *view;
    const char *fingerprint = NULL;
    StrList all = {0};
    ErrCode code = drift_view(client, NULL, &view, err);
    if (code != ERR_OK)
        return code;
    code = find_class(view, wanted, &fingerprint, err);
    const json_t *groups = json_object_get(view, "groups");
    for (size_t i = 0; code == ERR_OK && i < json_array_size(groups); i++) {
        const json_t *group = json_array_get(groups, i);
        const json_t *classes = json_object_get(group, "classes");
        bool is_here = false;
        for (size_t j = 0; j < json_array_size(classes); j++) {
            const json_t *class = json_array_get(classes, j);
            is_here = is_here || (strcmp(answer_text(class, "fingerprint"), fingerprint) == 0 &&
                                  strcmp(answer_text(class, "verdict"), "expected") != 0);
        }
        if (!is_here)
            continue;
        code = send_accept(client, group, fingerprint, &all, reason, context->arena, err);
        const char *place = drift_place_text(context->arena, group);
        if (code == ERR_OK)
            say(context, "%s: %s is accepted", place, drift_short(context->arena, fingerprint));
        if (code == ERR_OK)
            write_done(json, place, fingerprint);
    }
    if (code == ERR_OK && drift_untold(view) > 0)
        note(context, "%lld groups or classes are not told: where they have it, it is not accepted",
             (long long)drift_untold(view));
    json_decref(view);
    return code;
}

static ErrCode run(CommandContext *context, Error *err)
{
    AUTO_CLIENT Client *client = NULL;
    const char *class = context_option(context, "class");
    const char *reason = context_option(context, "reason");
    if (reason == NULL || reason[0] == '\0')
        return err_set(err, ERR_USAGE, "this needs --reason TEXT: it is kept in the journal");
    if ((class == NULL) == (context->arguments.count == 0))
        return err_set(err, ERR_USAGE, "name shards, or a class with --class: one of the two");
    ErrCode code = client_open(context, &client, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_array(&json, "accepted");
    code = class != NULL ? accept_class(context, client, class, reason, &json, err)
                         : accept_shards(context, client, reason, &json, err);
    if (code != ERR_OK) {
        str_clear(&context->json_result);
        return code;
    }
    json_array_end(&json);
    json_object_end(&json);
    return ERR_OK;
}

static const CommandOption options[] = {
    {"class", 0, "FINGERPRINT", "all shards with this schema at their revisions, later ones too"},
    {"reason", 0, "TEXT", "why; kept in the journal"},
    CLIENT_OPTIONS,
    {0},
};

const CliCommand cmd_drift_accept = {
    .words = "drift accept",
    .arguments = "[SHARD...]",
    .arguments_max = 1000,
    .summary = "say that schemas which are not as expected are all right (needs --reason)",
    .details = "It is a word on the schema that the shard has now: when that changes, by a "
               "rollout or by hand, the shard is judged anew. Role operator.",
    .options = options,
    .run = run,
};
