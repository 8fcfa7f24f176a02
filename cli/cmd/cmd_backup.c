/* Backups that exist: listed, read again, let go by their agents' own rules. */
#include "client.h"
#include "table.h"

#include "clock.h"
#include "json.h"
#include "proto_read.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOOK_MS = 1000,
    WAIT_DEFAULT_MS = 10 * 60 * 1000,
};

/* `seen` other than 0: when something has changed since, or after a moment. */
static ErrCode backups_get(CommandContext *context, Client *client, const char *shard,
                           uint64_t seen, ClientAnswer *ret_answer, Error *err)
{
    Pgtide__V1__View view = PGTIDE__V1__VIEW__INIT;
    view.seen_revision = seen;
    view.wait_ms = seen == 0 ? 0 : LOOK_MS;
    view.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_BACKUPS;
    view.select = proto_from_text(context_option(context, "select"));
    view.shard = proto_from_text(shard);
    return client_view(client, &view, ret_answer, err);
}

static bool may_go(const json_t *backup)
{
    return json_is_null(json_object_get(backup, "kept"));
}

static void print_backups(CommandContext *context, const json_t *backups)
{
    static const char *const header[] = {"SHARD", "BACKUP", "FINISHED", "METHOD",
                                         "SIZE",  "STATE",  "KEPT",     NULL};
    Table table = table_begin(context, header);
    for (size_t i = 0; i < json_array_size(backups); i++) {
        const json_t *backup = json_array_get(backups, i);
        const char *damage = answer_text(backup, "damage");
        table_cell(&table, answer_text(backup, "shard"));
        table_cell(&table, answer_text(backup, "id"));
        table_cell(&table, answer_text(backup, "finished"));
        table_cell(&table, arena_printf(context->arena, "%s%s", answer_text(backup, "method"),
                                        answer_bool(backup, "encrypted") ? ", encrypted" : ""));
        table_cell(&table, about_size(context->arena, (uint64_t)answer_int(backup, "size_bytes")));
        table_cell(&table, arena_printf(context->arena, "%s%s%s", answer_text(backup, "state"),
                                        damage[0] == '\0' ? "" : ": ", damage));
        table_cell(&table, may_go(backup) ? "may go" : answer_text(backup, "kept"));
    }
    table_print(&table);
}

static ErrCode run_list(CommandContext *context, Error *err)
{
    AUTO_CLIENT Client *client = NULL;
    ClientAnswer answer;
    ErrCode code = client_open(context, &client, err);
    if (code == ERR_OK)
        code = backups_get(context, client, context_option(context, "shard"), 0, &answer, err);
    if (code != ERR_OK)
        return code;
    str_append(&context->json_result, answer.json);
    print_backups(context, json_object_get(answer.result, "backups"));
    return ERR_OK;
}

/* --- what agents are asked -------------------------------------------------------------------- */

static ErrCode ask(CommandContext *context, Client *client, Pgtide__V1__BackupVerb verb,
                   json_t **ret_agents, Error *err)
{
    Pgtide__V1__BackupRequest message = PGTIDE__V1__BACKUP_REQUEST__INIT;
    message.verb = verb;
    message.select = proto_from_text(context_option(context, "select"));
    message.n_names = context->arguments.count;
    message.names = ARENA_ARRAY(context->arena, char *, message.n_names + 1);
    for (size_t i = 0; i < message.n_names; i++)
        message.names[i] = arena_strdup(context->arena, context_argument(context, i));
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    request.body_case = PGTIDE__V1__REQUEST__BODY_BACKUPS;
    request.backups = &message;
    ClientAnswer answer;
    ErrCode code = client_request(client, &request, &answer, err);
    if (code == ERR_OK)
        *ret_agents = json_deep_copy(json_object_get(answer.result, "agents"));
    return code;
}

/* Every agent that was asked has listed its backups since. */
static bool all_have_listed(const json_t *asked, const json_t *agents)
{
    for (size_t i = 0; i < json_array_size(asked); i++) {
        const json_t *one = json_array_get(asked, i);
        bool listed = false;
        for (size_t j = 0; j < json_array_size(agents); j++) {
            const json_t *agent = json_array_get(agents, j);
            listed =
                listed || (strcmp(answer_text(one, "agent"), answer_text(agent, "agent")) == 0 &&
                           answer_int(agent, "listings") > answer_int(one, "listings"));
        }
        if (!listed)
            return false;
    }
    return true;
}

static bool is_named(const CommandContext *context, const json_t *backup)
{
    bool named = context->arguments.count == 0;
    for (size_t i = 0; i < context->arguments.count; i++) {
        const char *name = context_argument(context, i);
        named = named || strcmp(name, answer_text(backup, "id")) == 0 ||
                strcmp(name, answer_text(backup, "uuid")) == 0 ||
                strcmp(name, answer_text(backup, "shard")) == 0;
    }
    return named;
}

/* The backups that were asked about. */
static json_t *named_backups(const CommandContext *context, const json_t *answer)
{
    json_t *named = json_array();
    const json_t *backups = json_object_get(answer, "backups");
    for (size_t i = 0; i < json_array_size(backups); i++)
        if (is_named(context, json_array_get(backups, i)))
            json_array_append(named, json_array_get(backups, i));
    return named;
}

/* Looks until the agents have listed and `done` says that nothing is missing. */
static ErrCode wait_until(CommandContext *context, Client *client, json_t *asked,
                          bool (*done)(const json_t *before, const json_t *now),
                          const json_t *before, json_t **ret_now, Error *err)
{
    uint64_t wait_ms;
    ErrCode waited = context_duration(context, "wait", WAIT_DEFAULT_MS, &wait_ms, err);
    if (waited != ERR_OK)
        return waited;
    uint64_t until_ms = clock_monotonic_ms() + wait_ms;
    uint64_t seen = 0;
    for (;;) {
        ClientAnswer answer;
        ErrCode code = backups_get(context, client, "", seen, &answer, err);
        if (code != ERR_OK)
            return code;
        seen = answer.revision;
        json_t *now = named_backups(context, answer.result);
        if (all_have_listed(asked, json_object_get(answer.result, "agents")) &&
            (done == NULL || done(before, now))) {
            *ret_now = now;
            return ERR_OK;
        }
        json_decref(now);
        if (clock_monotonic_ms() >= until_ms) {
            err_set(err, ERR_TIMEOUT, "the agents have not answered in time");
            err_hint(err, "They go on with what they were asked; look with `pgtide backup list`.");
            return ERR_TIMEOUT;
        }
    }
}

static ErrCode look_before(CommandContext *context, Client *client, json_t **ret_before, Error *err)
{
    ClientAnswer answer;
    ErrCode code = backups_get(context, client, "", 0, &answer, err);
    if (code == ERR_OK)
        *ret_before = named_backups(context, answer.result);
    return code;
}

/* --- verify ----------------------------------------------------------------------------------- */

static const json_t *find_by_id(const json_t *backups, const char *id)
{
    for (size_t i = 0; i < json_array_size(backups); i++)
        if (strcmp(answer_text(json_array_get(backups, i), "id"), id) == 0)
            return json_array_get(backups, i);
    return NULL;
}

/* Each was checked again, or is gone. */
static bool all_checked(const json_t *before, const json_t *now)
{
    for (size_t i = 0; i < json_array_size(before); i++) {
        const json_t *old = json_array_get(before, i);
        const json_t *found = find_by_id(now, answer_text(old, "id"));
        if (found != NULL &&
            strcmp(answer_text(found, "checked"), answer_text(old, "checked")) == 0)
            return false;
    }
    return true;
}

static ErrCode tell_verified(CommandContext *context, json_t *now, Error *err)
{
    size_t damaged = 0;
    for (size_t i = 0; i < json_array_size(now); i++)
        damaged += answer_text(json_array_get(now, i), "damage")[0] != '\0';
    JsonWriter json = json_writer(&context->json_result);
    char *text = json_dumps(now, JSON_COMPACT);
    json_object_begin(&json);
    json_field_uint(&json, "damaged", damaged);
    json_key(&json, "backups");
    json_raw(&json, text, strlen(text));
    json_object_end(&json);
    free(text);
    print_backups(context, now);
    if (damaged == 0)
        return ERR_OK;
    err_set(err, ERR_BACKUP, "%zu of %zu backups are damaged", damaged, json_array_size(now));
    err_hint(err, "Look at the agents' disks; a new rollout takes new backups.");
    return ERR_BACKUP;
}

static ErrCode run_verify(CommandContext *context, Error *err)
{
    AUTO_CLIENT Client *client = NULL;
    json_t *before = NULL, *asked = NULL, *now = NULL;
    ErrCode code = ERR_OK;
    if (context->arguments.count == 0 && context_option(context, "select") == NULL)
        return err_set(err, ERR_USAGE, "say which: a SHARD, a backup's ID, or --select EXPRESSION");
    code = client_open(context, &client, err);
    if (code == ERR_OK)
        code = look_before(context, client, &before, err);
    if (code == ERR_OK)
        code = ask(context, client, PGTIDE__V1__BACKUP_VERB__BACKUP_VERB_VERIFY, &asked, err);
    if (code == ERR_OK)
        code = wait_until(context, client, asked, all_checked, before, &now, err);
    if (code == ERR_OK)
        code = tell_verified(context, now, err);
    json_decref(before);
    json_decref(asked);
    json_decref(now);
    return code;
}

/* --- prune ------------------------------------------------------------------------------------ */

static bool none_may_go(const json_t *before, const json_t *now)
{
    (void)before;
    for (size_t i = 0; i < json_array_size(now); i++)
        if (may_go(json_array_get(now, i)))
            return false;
    return true;
}

static void tell_pruned(CommandContext *context, const json_t *gone, bool dry)
{
    JsonWriter json = json_writer(&context->json_result);
    char *text = json_dumps(gone, JSON_COMPACT);
    json_object_begin(&json);
    json_field_bool(&json, "dry_run", dry);
    json_key(&json, dry ? "may_go" : "removed");
    json_raw(&json, text, strlen(text));
    json_object_end(&json);
    free(text);
    print_backups(context, gone);
    say(context, dry ? "%zu backups would be removed" : "%zu backups were removed",
        json_array_size(gone));
}

static ErrCode run_prune(CommandContext *context, Error *err)
{
    AUTO_CLIENT Client *client = NULL;
    bool dry = context_has(context, "dry-run");
    json_t *asked = NULL, *fresh = NULL, *now = NULL, *gone = json_array();
    ErrCode code = client_open(context, &client, err);
    /* What the agents' rules say now, not when they listed last. */
    if (code == ERR_OK)
        code = ask(context, client, PGTIDE__V1__BACKUP_VERB__BACKUP_VERB_LIST, &asked, err);
    if (code == ERR_OK)
        code = wait_until(context, client, asked, NULL, NULL, &fresh, err);
    json_decref(asked);
    asked = NULL;
    if (code == ERR_OK && !dry) {
        code = ask(context, client, PGTIDE__V1__BACKUP_VERB__BACKUP_VERB_PRUNE, &asked, err);
        if (code == ERR_OK)
            code = wait_until(context, client, asked, none_may_go, NULL, &now, err);
    }
    for (size_t i = 0; code == ERR_OK && i < json_array_size(fresh); i++) {
        json_t *backup = json_array_get(fresh, i);
        if (dry ? may_go(backup) : find_by_id(now, answer_text(backup, "id")) == NULL)
            json_array_append(gone, backup);
    }
    if (code == ERR_OK)
        tell_pruned(context, gone, dry);
    json_decref(gone);
    json_decref(asked);
    json_decref(fresh);
    json_decref(now);
    return code;
}

static const CommandOption list_options[] = {
    {"select", 0, "EXPRESSION", "only of these shards, as in a rollout's select"},
    {"shard", 0, "SHARD|ID", "only of this shard, or this backup"},
    CLIENT_OPTIONS,
    {0},
};
static const CommandOption verify_options[] = {
    {"select", 0, "EXPRESSION", "of these shards, as in a rollout's select"},
    {"wait", 0, "DURATION", "how long to wait for the agents (default 10m)"},
    CLIENT_OPTIONS,
    {0},
};
static const CommandOption prune_options[] = {
    {"select", 0, "EXPRESSION", "only of these shards, as in a rollout's select"},
    {"dry-run", 0, NULL, "tell what would go"},
    {"wait", 0, "DURATION", "how long to wait for the agents (default 10m)"},
    CLIENT_OPTIONS,
    {0},
};

const CliCommand cmd_backup_list = {
    .words = "backup list",
    .arguments = "",
    .summary = "list the fleet's backups, as the agents have them",
    .options = list_options,
    .run = run_list,
};
const CliCommand cmd_backup_verify = {
    .words = "backup verify",
    .arguments = "SHARD|ID...",
    .arguments_max = 1000,
    .summary = "read backups in full again and compare their digests (role operator)",
    .details =
        "A command's backups are verified by its own 'verify'. What was found is kept in the "
        "backup's manifest; a damaged one is never counted on again.",
    .options = verify_options,
    .run = run_verify,
};
const CliCommand cmd_backup_prune = {
    .words = "backup prune",
    .arguments = "[SHARD...]",
    .arguments_max = 1000,
    .summary = "let agents remove what their own rules let go (role admin)",
    .details = "An agent keeps of each shard the newest `backup.keep` of its agent.yaml, what is "
               "younger than `backup.keep-for`, the newest verified one, and what a rollout's "
               "policy may still roll back to.",
    .options = prune_options,
    .run = run_prune,
};
