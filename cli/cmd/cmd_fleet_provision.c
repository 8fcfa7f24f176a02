/* A new tenant, born where the fleet stands. */
#include "client.h"

#include "named_limits.h"
#include "proto_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The coordinator gives up after LIMIT_TASK_MS, and says so. */
enum { PROVISION_TIMEOUT_MS = LIMIT_TASK_MS + 60 * 1000 };

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; false when a % is not followed by two digits. */
static bool percent_decode(char *text)
{
    char *out = text;
    for (const char *in = text; *in != '\0'; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = hex_value(in[1]);
        int low = high < 0 ? -1 : hex_value(in[2]);
        if (low < 0 || high + low == 0)
            return false;
        *out++ = (char)(high * 16 + low);
        in += 2;
    }
    *out = '\0';
    return true;
}

/* CLUSTER/DATABASE[/SCHEMA], as shards are shown. */
static ErrCode place_read(CommandContext *context, const char *text, Pgtide__V1__Provision *out,
                          Error *err)
{
    char *parts[3] = {arena_strdup(context->arena, text)};
    size_t count = 1;
    for (char *c = parts[0]; *c != '\0'; c++) {
        if (*c != '/')
            continue;
        if (count == 3) {
            count++;
            break;
        }
        *c = '\0';
        parts[count++] = c + 1;
    }
    bool good = count == 2 || count == 3;
    for (size_t i = 0; good && i < count; i++)
        good = parts[i][0] != '\0' && percent_decode(parts[i]);
    if (!good) {
        err_set(err, ERR_USAGE, "'%.100s' is no CLUSTER/DATABASE[/SCHEMA]", text);
        err_hint(err, "A / or a %% in a name is written %%2F or %%25.");
        return ERR_USAGE;
    }
    out->cluster = parts[0];
    out->database = parts[1];
    out->schema = count == 3 ? parts[2] : proto_from_text("");
    return ERR_OK;
}

/* The rollout that is named, or the newest upgrade that has succeeded. */
static const json_t *rollout_find(const json_t *rollouts, const char *name)
{
    for (size_t i = 0; i < json_array_size(rollouts); i++) {
        const json_t *item = json_array_get(rollouts, i);
        bool fits = name != NULL ? strcmp(answer_text(item, "name"), name) == 0 ||
                                       strcmp(answer_text(item, "id"), name) == 0
                                 : strcmp(answer_text(item, "direction"), "upgrade") == 0 &&
                                       answer_text(item, "rollback_of")[0] == '\0';
        if (fits && strcmp(answer_text(item, "state"), "succeeded") == 0)
            return item;
    }
    return NULL;
}

static ErrCode plan_find(CommandContext *context, Client *client, Digest *ret_digest, Error *err)
{
    const char *name = context_option(context, "rollout");
    Pgtide__V1__View view = PGTIDE__V1__VIEW__INIT;
    ClientAnswer answer;
    view.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_ROLLOUTS;
    ErrCode code = client_view(client, &view, &answer, err);
    if (code != ERR_OK)
        return code;
    const json_t *found = rollout_find(json_object_get(answer.result, "rollouts"), name);
    if (found == NULL) {
        err_set(err, ERR_NOT_FOUND, "no rollout%s%s has succeeded", name == NULL ? "" : " named ",
                name == NULL ? "" : name);
        err_hint(err, "A tenant is born where a rollout has brought the others; `pgtide rollout "
                      "list` shows them.");
        return ERR_NOT_FOUND;
    }
    if (!digest_parse(answer_text(found, "plan_digest"), ret_digest))
        return err_set(err, ERR_PROTOCOL, "the coordinator's plan digest can't be read");
    note(context, "as rollout %s has left the others: %s of bundle %s", answer_text(found, "name"),
         answer_text(found, "target"), answer_text(found, "bundle"));
    return ERR_OK;
}

static ErrCode tell(CommandContext *context, const ClientAnswer *answer, Error *err)
{
    const json_t *result;
    ErrCode code = answer_of_agent(answer, &result, err);
    if (code != ERR_OK)
        return code;
    const json_t *rows = json_object_get(result, "rows");
    StrList list = {0};
    for (size_t i = 0; i < json_array_size(rows); i++)
        strlist_add(context->arena, &list, json_string_value(json_array_get(rows, i)));
    char *json = json_dumps(result, JSON_COMPACT);
    str_append(&context->json_result, json);
    free(json);
    say(context, "%s: %s, %lld steps, at %s", context_argument(context, 0),
        answer_bool(result, "made") ? "made" : "was there", (long long)answer_int(result, "steps"),
        strlist_join(context->arena, &list, ", "));
    return ERR_OK;
}

static ErrCode run(CommandContext *context, Error *err)
{
    Pgtide__V1__Provision message = PGTIDE__V1__PROVISION__INIT;
    Digest digest;
    AUTO_CLIENT Client *client = NULL;
    ErrCode code = place_read(context, context_argument(context, 0), &message, err);
    if (code == ERR_OK)
        code = client_open_for(context, PROVISION_TIMEOUT_MS, &client, err);
    if (code == ERR_OK)
        code = plan_find(context, client, &digest, err);
    if (code != ERR_OK)
        return code;
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    ClientAnswer answer;
    message.plan_digest = proto_from_digest(&digest);
    request.body_case = PGTIDE__V1__REQUEST__BODY_PROVISION;
    request.provision = &message;
    code = client_request(client, &request, &answer, err);
    return code == ERR_OK ? tell(context, &answer, err) : code;
}

static const CommandOption options[] = {
    {"rollout", 0, "NAME", "whose bundle and target (default: the newest that has succeeded)"},
    CLIENT_OPTIONS_FOR("31min"),
    {0},
};

const CliCommand cmd_fleet_provision = {
    .words = "fleet provision",
    .arguments = "CLUSTER/DATABASE[/SCHEMA]",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "make a new tenant that stands where the fleet does",
    .details = "The cluster's agent creates the database (or the schema in an existing one) and "
               "runs what leads to the rollout's target, by a baseline where the bundle has one. "
               "Ctrl-C ends the waiting, not the making. Asked again, it takes up what was cut "
               "off. A database that is there already is "
               "taken when it is empty. The agent's `shards` or `discover` must list it for "
               "rollouts to come.",
    .options = options,
    .run = run,
};
