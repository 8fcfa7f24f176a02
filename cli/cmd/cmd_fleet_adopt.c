/* What a database is, said by an admin. */
#include "client.h"

#include "adoption.h"
#include "digest.h"
#include "proto_read.h"

#include <stdlib.h>
#include <string.h>

enum { ADOPT_TIMEOUT_MS = 75000 }; /* the coordinator gives up after 60 s, and says so */

typedef enum AdoptAs { ADOPT_BY_DEFAULT, ADOPT_AS_IS, ADOPT_AS_NEW } AdoptAs;

/* The shard as the coordinator shows it. */
typedef struct Seen {
    const char *name;
    const char *fault;
    const char *message;
    bool adopted;
    bool foreign;
    bool same_server; /* as its row says */
    const json_t *identity;
    Uuid uuid; /* its row's, or the one it would have */
    Uuid former_uuid;
} Seen;

/* --- seeing ----------------------------------------------------------------------------------- */

static Uuid uuid_of(const json_t *object, const char *key)
{
    Uuid uuid;
    return uuid_parse(answer_text(object, key), &uuid) ? uuid : (Uuid){{0}};
}

static uint64_t number_of(const json_t *object, const char *key)
{
    return strtoull(answer_text(object, key), NULL, 10);
}

static bool is_wanted(const json_t *shard, const char *text, const char *agent)
{
    return (strcmp(answer_text(shard, "name"), text) == 0 ||
            strcmp(answer_text(shard, "uuid"), text) == 0) &&
           strcmp(answer_text(shard, "role"), "standby") != 0 &&
           (agent == NULL || strcmp(answer_text(shard, "agent"), agent) == 0);
}

static ErrCode find_shard(CommandContext *context, const json_t *result, const char *text,
                          const json_t **ret_shard, Error *err)
{
    const char *agent = context_option(context, "agent");
    const json_t *shards = json_object_get(result, "shards");
    const json_t *found = NULL;
    StrList names = {0};
    for (size_t i = 0; i < json_array_size(shards); i++) {
        const json_t *shard = json_array_get(shards, i);
        if (!is_wanted(shard, text, agent))
            continue;
        found = shard;
        strlist_add(context->arena, &names,
                    arena_printf(context->arena, "%s of agent %s", answer_text(shard, "name"),
                                 answer_text(shard, "agent")));
    }
    if (names.count == 0) {
        err_set(err, ERR_NOT_FOUND, "no agent lists a shard %.200s", text);
        err_hint(err, "`pgtide fleet shards` lists them.");
        return ERR_NOT_FOUND;
    }
    if (names.count > 1) {
        err_set(err, ERR_USAGE, "%.200s is %zu databases", text, names.count);
        err_detail(err, "%s", strlist_join(context->arena, &names, ", "));
        err_hint(err, "Name the shard as it is shown, and its agent with --agent.");
        return ERR_USAGE;
    }
    *ret_shard = found;
    return ERR_OK;
}

static Seen seen_of(const json_t *shard)
{
    const json_t *identity = json_object_get(shard, "identity");
    return (Seen){
        .name = answer_text(shard, "name"),
        .fault = answer_text(shard, "fault"),
        .message = answer_text(shard, "message"),
        .adopted = answer_bool(shard, "adopted"),
        .foreign = answer_bool(identity, "foreign"),
        .same_server = number_of(identity, "system_identifier") ==
                       number_of(identity, "row_system_identifier"),
        .identity = identity,
        .uuid = uuid_of(shard, "uuid"),
        .former_uuid = uuid_of(identity, "former_uuid"),
    };
}

/* --- choosing --------------------------------------------------------------------------------- */

static ErrCode refuse(const Seen *seen, const char *why, const char *hint, Error *err)
{
    err_set(err, ERR_STATE, "%s %s", seen->name, why);
    if (seen->message[0] != '\0')
        err_detail(err, "%s", seen->message);
    err_hint(err, "%s", hint);
    return ERR_STATE;
}

/* A copy, and the original may be there: which of the two is the shard only a person knows. */
static ErrCode choose_for_moved(const Seen *seen, AdoptAs *as, Error *err)
{
    if (seen->foreign && *as != ADOPT_AS_NEW)
        return refuse(seen, "is a copy of another fleet's shard",
                      "--as-new makes it a shard of this fleet.", err);
    if (*as != ADOPT_BY_DEFAULT)
        return ERR_OK;
    if (!seen->same_server)
        return refuse(seen, "comes from another server, where the shard may still be",
                      "Say what it is: --as-is, it is the shard now and the other is gone (a "
                      "restore, pg_upgrade); or --as-new, it is a copy, and a shard of its own.",
                      err);
    *as = ADOPT_AS_IS; /* the database that the row names is not on this server any more */
    return ERR_OK;
}

static ErrCode choose(const Seen *seen, AdoptAs *as, Error *err)
{
    const char *fault = seen->fault;
    if (fault[0] == '\0' && seen->adopted)
        return refuse(seen, "is adopted, and is what it says", "There is nothing to adopt.", err);
    if (strcmp(fault, "foreign") == 0 && answer_bool(seen->identity, "matches"))
        return refuse(seen, "is managed by another fleet",
                      "That fleet has to give it up: its pgtide.shard row says whose it is.", err);
    if (strcmp(fault, "moved") == 0 || strcmp(fault, "foreign") == 0)
        return choose_for_moved(seen, as, err);
    if (strcmp(fault, "clone") == 0 || strcmp(fault, "twice") == 0) {
        if (*as == ADOPT_AS_IS)
            return refuse(seen, "can't be the shard: another database is",
                          "Adopt it --as-new, or take one of them out of its agent's "
                          "configuration.",
                          err);
        if (*as == ADOPT_BY_DEFAULT && strcmp(fault, "twice") == 0)
            return refuse(seen, "can't be told from another database that says the same",
                          "On the copy say --as-new; or take one of them out of its agent's "
                          "configuration.",
                          err);
        *as = ADOPT_AS_NEW;
        return ERR_OK;
    }
    if (strcmp(fault, "renamed") == 0 && *as == ADOPT_AS_NEW)
        return refuse(seen, "is the shard that it was, under another name",
                      "Adopt it --as-is, which is the default.", err);
    if (strcmp(fault, "renamed") == 0 || seen->adopted) {
        *as = *as == ADOPT_BY_DEFAULT ? ADOPT_AS_IS : *as;
        return ERR_OK;
    }
    if (*as == ADOPT_AS_IS)
        return refuse(seen, "has no row in pgtide.shard that could be kept",
                      "It is adopted as a new shard, which is the default.", err);
    *as = ADOPT_AS_NEW;
    return ERR_OK;
}

/* A database and its schema have one uuid by nature. It is taken already where the copy is of a
 * whole server: then one is drawn from the adopted uuid. */
static Uuid new_uuid(const Client *client, const Adoption *adoption)
{
    const Uuid *fleet = trust_fleet_id(client_trust(client));
    Uuid uuid =
        shard_uuid(fleet, adoption->system_identifier, adoption->database_oid, adoption->schema);
    return uuid_equal(&uuid, &adoption->row_uuid)
               ? shard_uuid(&uuid, adoption->system_identifier, adoption->database_oid,
                            adoption->agent)
               : uuid;
}

static void fill(const Client *client, const json_t *shard, const Seen *seen, AdoptAs as,
                 Adoption *adoption)
{
    bool renamed_schema = answer_text(seen->identity, "former_schema")[0] != '\0';
    *adoption = (Adoption){
        .agent = answer_text(shard, "agent"),
        .cluster = answer_text(shard, "cluster"),
        .database = answer_text(shard, "database"),
        .schema = answer_text(shard, "schema"),
        .system_identifier = number_of(seen->identity, "system_identifier"),
        .database_oid = (uint32_t)answer_int(seen->identity, "database_oid"),
        .schema_oid = (uint32_t)answer_int(seen->identity, "schema_oid"),
        .row_uuid = renamed_schema  ? seen->former_uuid
                    : seen->adopted ? seen->uuid
                                    : (Uuid){{0}},
        .row_fleet = seen->foreign ? uuid_of(seen->identity, "row_fleet") : (Uuid){{0}},
        .former_schema = answer_text(seen->identity, "former_schema"),
    };
    adoption->uuid = as == ADOPT_AS_IS ? adoption->row_uuid : new_uuid(client, adoption);
}

/* --- the command ------------------------------------------------------------------------------ */

static ErrCode read_options(CommandContext *context, AdoptAs *ret_as, const char **ret_reason,
                            Error *err)
{
    bool as_is = context_has(context, "as-is");
    bool as_new = context_has(context, "as-new");
    *ret_reason = context_option(context, "reason");
    if (as_is && as_new)
        return err_set(err, ERR_USAGE, "--as-is and --as-new exclude each other");
    if (*ret_reason == NULL || (*ret_reason)[0] == '\0')
        return err_set(err, ERR_USAGE,
                       "this needs --reason TEXT: it is kept in the shard and the journal");
    *ret_as = as_is ? ADOPT_AS_IS : as_new ? ADOPT_AS_NEW : ADOPT_BY_DEFAULT;
    return ERR_OK;
}

static ErrCode send_adoption(Client *client, const Adoption *adoption, const json_t **ret_result,
                             Error *err)
{
    Pgtide__V1__AdoptShard message;
    adoption_encode(adoption, &message);
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    request.body_case = PGTIDE__V1__REQUEST__BODY_ADOPT;
    request.adopt = &message;
    ClientAnswer answer;
    ErrCode code = client_request(client, &request, &answer, err);
    return code == ERR_OK ? answer_of_agent(&answer, ret_result, err) : code;
}

static ErrCode adopt_one(CommandContext *context, Client *client, const char *text, AdoptAs as,
                         const char *reason, JsonWriter *json, Error *err)
{
    Pgtide__V1__View view = PGTIDE__V1__VIEW__INIT;
    view.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_SHARDS;
    ClientAnswer answer;
    const json_t *shard;
    ErrCode code = client_view(client, &view, &answer, err);
    if (code == ERR_OK)
        code = find_shard(context, answer.result, text, &shard, err);
    if (code != ERR_OK)
        return code;
    json_t *kept = json_deep_copy(shard); /* the next answer frees this one */
    Seen seen = seen_of(kept);
    Adoption adoption;
    const json_t *result;
    code = choose(&seen, &as, err);
    if (code == ERR_OK) {
        fill(client, kept, &seen, as, &adoption);
        adoption.reason = reason;
        code = send_adoption(client, &adoption, &result, err);
    }
    if (code == ERR_OK) {
        char *whole = json_dumps(result, JSON_COMPACT);
        json_raw(json, whole, strlen(whole));
        free(whole);
        say(context, "%s: adopted as shard %s%s", seen.name, answer_text(result, "uuid"),
            as == ADOPT_AS_NEW ? ", a new one" : "");
    }
    json_decref(kept);
    return code;
}

static ErrCode run_adopt(CommandContext *context, Error *err)
{
    AUTO_CLIENT Client *client = NULL;
    AdoptAs as;
    const char *reason;
    ErrCode code = read_options(context, &as, &reason, err);
    if (code == ERR_OK)
        code = client_open_for(context, ADOPT_TIMEOUT_MS, &client, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_array(&json, "shards");
    for (size_t i = 0; code == ERR_OK && i < context->arguments.count; i++)
        code = adopt_one(context, client, context_argument(context, i), as, reason, &json, err);
    json_array_end(&json);
    json_object_end(&json);
    return code;
}

static const CommandOption options[] = {
    {"as-is", 0, NULL, "it is the shard that its row says: a restore, a rename"},
    {"as-new", 0, NULL, "it is a shard of its own: a copy"},
    {"agent", 0, "NAME", "the agent that lists it, where several do"},
    {"reason", 0, "TEXT", "why; kept in the shard's history and the journal"},
    CLIENT_OPTIONS_FOR("75s"),
    {0},
};
const CliCommand cmd_fleet_adopt = {
    .words = "fleet adopt",
    .arguments = "SHARD...",
    .arguments_min = 1,
    .arguments_max = 1000,
    .summary = "say what a database is whose identity is in doubt (needs --reason, role admin)",
    .details = "A clone becomes a shard of its own, a renamed one keeps its identity, so does a "
               "restored one on the server where the former database is gone; a recreated one, "
               "and one that was never adopted, becomes a new shard. Where that can't be told "
               "from what is seen, it is refused until --as-is or --as-new says it. The agent "
               "checks the admin's signature itself and writes the shard's row in one "
               "transaction, with a history row `adopt`.",
    .options = options,
    .run = run_adopt,
};
