#include "client.h"
#include "table.h"

#include "admission.h"
#include "clock.h"
#include "proto_read.h"

#include <string.h>

static ErrCode view_get(CommandContext *context, Client *client, Pgtide__V1__ViewKind kind,
                        const char *select, ClientAnswer *ret_answer, Error *err)
{
    Pgtide__V1__View view = PGTIDE__V1__VIEW__INIT;
    view.kind = kind;
    view.select = proto_from_text(select);
    ErrCode code = client_view(client, &view, ret_answer, err);
    if (code == ERR_OK)
        str_append(&context->json_result, ret_answer->json);
    return code;
}

/* "region=eu tier=pro" */
static const char *labels_text(CommandContext *context, const json_t *labels)
{
    StrList words = {0};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)labels, key, value)
    {
        strlist_add(context->arena, &words,
                    arena_printf(context->arena, "%s=%s", key, json_string_value(value)));
    }
    strlist_sort(&words);
    return strlist_join(context->arena, &words, " ");
}

static const char *list_text(CommandContext *context, const json_t *list)
{
    StrList words = {0};
    for (size_t i = 0; i < json_array_size(list); i++)
        strlist_add(context->arena, &words, json_string_value(json_array_get(list, i)));
    return strlist_join(context->arena, &words, ", ");
}

/* "24 (22 current, 2 pending)" */
static const char *counts_text(CommandContext *context, const json_t *counts)
{
    StrList words = {0};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)counts, key, value)
    {
        if (strcmp(key, "total") != 0 && json_integer_value(value) > 0)
            strlist_add(
                context->arena, &words,
                arena_printf(context->arena, "%lld %s", (long long)json_integer_value(value), key));
    }
    return arena_printf(context->arena, "%lld (%s)", (long long)answer_int(counts, "total"),
                        words.count == 0 ? "none" : strlist_join(context->arena, &words, ", "));
}

/* "5s", "16m", "3h", "2d" */
static const char *age_text(CommandContext *context, int64_t ms)
{
    int64_t seconds = ms / 1000;
    if (seconds < 60)
        return arena_printf(context->arena, "%llds", (long long)seconds);
    if (seconds < 3600)
        return arena_printf(context->arena, "%lldm", (long long)(seconds / 60));
    if (seconds < 48 * 3600)
        return arena_printf(context->arena, "%lldh", (long long)(seconds / 3600));
    return arena_printf(context->arena, "%lldd", (long long)(seconds / 86400));
}

/* "15.14"; '' when it is not known */
static const char *version_text(CommandContext *context, int64_t version)
{
    if (version == 0)
        return "";
    return arena_printf(context->arena, "%lld.%lld", (long long)(version / 10000),
                        (long long)(version % 10000));
}

/* What is wrong with a cluster or shard, and how old that is when it is too old. */
static const char *message_text(CommandContext *context, const json_t *item)
{
    const char *message = answer_text(item, "message");
    if (!answer_bool(item, "stale"))
        return message;
    return arena_printf(context->arena, "%s%slisted %s ago", message,
                        message[0] == '\0' ? "" : "; ",
                        age_text(context, answer_int(item, "age_ms")));
}

/* Webhooks and commands that events are sent to. */
static void say_sinks(CommandContext *context, const json_t *sinks)
{
    for (size_t i = 0; i < json_array_size(sinks); i++) {
        const json_t *sink = json_array_get(sinks, i);
        const char *since = answer_text(sink, "failing_since");
        int64_t dead = answer_int(sink, "dead");
        say(context, "%-11s  %s %s%s%s%s%s%s", i == 0 ? "events to" : "", answer_text(sink, "kind"),
            answer_text(sink, "name"), since[0] != '\0' ? ", failing since " : "", since,
            since[0] != '\0' ? ": " : "", since[0] != '\0' ? answer_text(sink, "message") : "",
            dead > 0 ? arena_printf(context->arena, ", %lld dead", (long long)dead) : "");
    }
}

static ErrCode run_status(CommandContext *context, Error *err)
{
    AUTO_CLIENT Client *client = NULL;
    ClientAnswer answer;
    ErrCode code = client_open(context, &client, err);
    if (code == ERR_OK)
        code = view_get(context, client, PGTIDE__V1__VIEW_KIND__VIEW_KIND_FLEET, "", &answer, err);
    if (code != ERR_OK)
        return code;
    const json_t *coordinator = json_object_get(answer.result, "coordinator");
    const json_t *agents = json_object_get(answer.result, "agents");
    say(context, "fleet        %s", answer_text(answer.result, "fleet"));
    say(context, "coordinator  %s, epoch %lld%s%s", answer_text(coordinator, "name"),
        (long long)answer_int(coordinator, "epoch"),
        answer_bool(coordinator, "read_only") ? ", READ ONLY: " : "",
        answer_text(coordinator, "read_only_reason"));
    say(context, "agents       %lld connected of %lld, on %lld hosts",
        (long long)answer_int(agents, "connected"), (long long)answer_int(agents, "admitted"),
        (long long)answer_int(answer.result, "hosts"));
    if (answer_bool(answer.result, "braked"))
        say(context, "brake        ON, %s", answer_text(answer.result, "brake_reason"));
    say(context, "shards       %s", counts_text(context, json_object_get(answer.result, "shards")));
    if (answer_int(answer.result, "standbys") > 0)
        say(context, "standbys     %lld copies of shards, listed and never migrated",
            (long long)answer_int(answer.result, "standbys"));
    if (answer_int(answer.result, "stale") > 0)
        say(context, "stale        %lld shards were listed too long ago to be planned",
            (long long)answer_int(answer.result, "stale"));
    const json_t *rows = json_object_get(answer.result, "rows");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *item = json_array_get(rows, i);
        const char *text = list_text(context, json_object_get(item, "rows"));
        say(context, "%-11s  %lld at %s", i == 0 ? "revisions" : "",
            (long long)answer_int(item, "shards"), text[0] == '\0' ? "no revision" : text);
    }
    say_sinks(context, json_object_get(answer.result, "sinks"));
    const json_t *rollouts = json_object_get(answer.result, "rollouts");
    for (size_t i = 0; i < json_array_size(rollouts); i++) {
        const json_t *item = json_array_get(rollouts, i);
        say(context, "%-11s  %s: %s", i == 0 ? "rollouts" : "", answer_text(item, "name"),
            answer_text(item, "state"));
    }
    return ERR_OK;
}

static ErrCode run_hosts(CommandContext *context, Error *err)
{
    static const char *const header[] = {"HOST",   "AGENTS", "CONNECTED", "CLUSTERS",
                                         "SHARDS", "LISTED", NULL};
    AUTO_CLIENT Client *client = NULL;
    ClientAnswer answer;
    ErrCode code = client_open(context, &client, err);
    if (code == ERR_OK)
        code = view_get(context, client, PGTIDE__V1__VIEW_KIND__VIEW_KIND_HOSTS, "", &answer, err);
    if (code != ERR_OK)
        return code;
    Table table = table_begin(context, header);
    const json_t *hosts = json_object_get(answer.result, "hosts");
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        const json_t *host = json_array_get(hosts, i);
        table_cell(&table, answer_text(host, "name"));
        table_cell(&table, list_text(context, json_object_get(host, "agents")));
        table_cell(&table, answer_bool(host, "connected") ? "yes" : "no");
        table_cell_int(&table, answer_int(host, "clusters"));
        table_cell(&table, counts_text(context, json_object_get(host, "shards")));
        table_cell(&table, answer_text(host, "listed"));
    }
    table_print(&table);
    return ERR_OK;
}

static ErrCode run_clusters(CommandContext *context, Error *err)
{
    static const char *const header[] = {"CLUSTER",   "HOST",   "SERVER",  "ROLE",
                                         "REACHABLE", "SHARDS", "MESSAGE", NULL};
    AUTO_CLIENT Client *client = NULL;
    ClientAnswer answer;
    ErrCode code = client_open(context, &client, err);
    if (code == ERR_OK)
        code =
            view_get(context, client, PGTIDE__V1__VIEW_KIND__VIEW_KIND_CLUSTERS, "", &answer, err);
    if (code != ERR_OK)
        return code;
    Table table = table_begin(context, header);
    const json_t *clusters = json_object_get(answer.result, "clusters");
    for (size_t i = 0; i < json_array_size(clusters); i++) {
        const json_t *cluster = json_array_get(clusters, i);
        table_cell(&table, answer_text(cluster, "name"));
        table_cell(&table, answer_text(cluster, "host"));
        table_cell(&table, version_text(context, answer_int(cluster, "server_version")));
        table_cell(&table,
                   answer_bool(cluster, "pooled") ? "pooler" : answer_text(cluster, "role"));
        table_cell(&table, answer_bool(cluster, "reachable") ? "yes" : "no");
        table_cell(&table, counts_text(context, json_object_get(cluster, "shards")));
        table_cell(&table, message_text(context, cluster));
    }
    table_print(&table);
    return ERR_OK;
}

/* "3 h ago", "2 d ago, unverified": of the last backup. */
static const char *backup_text(CommandContext *context, const json_t *backup)
{
    uint64_t finished, now = clock_unix_ms();
    if (!time_parse_rfc3339(answer_text(backup, "finished"), &finished))
        return "";
    uint64_t minutes = now > finished ? (now - finished) / 60000 : 0;
    const char *note = answer_bool(backup, "verified") ? "" : ", unverified";
    if (minutes < 120)
        return arena_printf(context->arena, "%llu min ago%s", (unsigned long long)minutes, note);
    if (minutes < UINT64_C(48) * 60)
        return arena_printf(context->arena, "%llu h ago%s", (unsigned long long)(minutes / 60),
                            note);
    return arena_printf(context->arena, "%llu d ago%s", (unsigned long long)(minutes / 1440), note);
}

static ErrCode run_shards(CommandContext *context, Error *err)
{
    static const char *const header[] = {"SHARD",  "STATE",   "REVISIONS", "SIZE",
                                         "SERVER", "ROLE",    "LABELS",    "ROLLOUT",
                                         "BACKUP", "MESSAGE", NULL};
    AUTO_CLIENT Client *client = NULL;
    ClientAnswer answer;
    const char *select = context_option(context, "select");
    ErrCode code = client_open(context, &client, err);
    if (code == ERR_OK)
        code = view_get(context, client, PGTIDE__V1__VIEW_KIND__VIEW_KIND_SHARDS,
                        select == NULL ? "" : select, &answer, err);
    if (code != ERR_OK)
        return code;
    Table table = table_begin(context, header);
    const json_t *shards = json_object_get(answer.result, "shards");
    for (size_t i = 0; i < json_array_size(shards); i++) {
        const json_t *shard = json_array_get(shards, i);
        table_cell(&table, answer_text(shard, "name"));
        table_cell(&table, answer_text(shard, "state"));
        table_cell(&table, list_text(context, json_object_get(shard, "rows")));
        table_cell(&table, about_size(context->arena, (uint64_t)answer_int(shard, "size_bytes")));
        table_cell(&table, version_text(context, answer_int(shard, "server_version")));
        table_cell(&table, answer_text(shard, "role"));
        table_cell(&table, labels_text(context, json_object_get(shard, "labels")));
        table_cell(&table, answer_text(shard, "rollout"));
        table_cell(&table, backup_text(context, json_object_get(shard, "backup")));
        table_cell(&table, message_text(context, shard));
    }
    table_print(&table);
    const json_t *missing = json_object_get(answer.result, "missing");
    for (size_t i = 0; i < json_array_size(missing); i++) {
        const json_t *shard = json_array_get(missing, i);
        bool gone = strcmp(answer_text(shard, "reason"), "gone") == 0;
        say(context, "%s: %s: %s (%s)", gone ? "gone" : "not listed", answer_text(shard, "name"),
            gone ? "its cluster is listed without it; `pgtide fleet forget`, if that is right"
                 : "no agent has listed its cluster yet",
            answer_text(shard, "uuid"));
    }
    return ERR_OK;
}

static ErrCode run_agents(CommandContext *context, Error *err)
{
    static const char *const header[] = {"AGENT", "KEY ID", "HOST",   "CONNECTED", "SHARDS",
                                         "JOBS",  "LISTED", "REMARK", NULL};
    AUTO_CLIENT Client *client = NULL;
    ClientAnswer answer;
    ErrCode code = client_open(context, &client, err);
    if (code == ERR_OK)
        code = view_get(context, client, PGTIDE__V1__VIEW_KIND__VIEW_KIND_AGENTS, "", &answer, err);
    if (code != ERR_OK)
        return code;
    Table table = table_begin(context, header);
    const json_t *agents = json_object_get(answer.result, "agents");
    for (size_t i = 0; i < json_array_size(agents); i++) {
        const json_t *agent = json_array_get(agents, i);
        bool revoked = answer_bool(agent, "revoked");
        table_cell(&table, answer_text(agent, "name"));
        table_cell(&table, answer_text(agent, "keyid"));
        table_cell(&table, answer_text(agent, "host"));
        table_cell(&table, answer_bool(agent, "connected") ? "yes" : "no");
        table_cell_int(&table, answer_int(agent, "shards"));
        table_cell_int(&table, answer_int(agent, "jobs_running"));
        table_cell(&table, answer_text(agent, "listed"));
        table_cell(&table, revoked ? arena_printf(context->arena, "revoked: %s",
                                                  answer_text(agent, "reason"))
                           : answer_bool(agent, "stale") ? "its listing is stale"
                                                         : "");
    }
    table_print(&table);
    return ERR_OK;
}

static ErrCode admission_send(CommandContext *context, bool revoked, const char *reason, Error *err)
{
    AUTO_CLIENT Client *client = NULL;
    Admission admission = {.revoked = revoked, .reason = reason, .serial = clock_unix_ms()};
    ErrCode code = public_key_load(context_argument(context, 0), &admission.agent, err);
    if (code == ERR_OK)
        code = client_open(context, &client, err);
    if (code != ERR_OK)
        return code;
    admission.fleet_id = *trust_fleet_id(client_trust(client));
    uint8_t *bytes;
    size_t length;
    code = admission_sign(context->arena, &admission, client_key(client), &bytes, &length, err);
    if (code != ERR_OK)
        return code;
    Pgtide__V1__Admit admit = PGTIDE__V1__ADMIT__INIT;
    admit.envelope = proto_bytes(bytes, length);
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    request.body_case = PGTIDE__V1__REQUEST__BODY_ADMIT;
    request.admit = &admit;
    ClientAnswer answer;
    code = client_request(client, &request, &answer, err);
    if (code != ERR_OK)
        return code;
    str_append(&context->json_result, answer.json);
    say(context, "agent %s (%s) is %s", admission.agent.name, admission.agent.keyid,
        revoked ? "revoked" : "admitted");
    return ERR_OK;
}

static ErrCode run_admit(CommandContext *context, Error *err)
{
    return admission_send(context, false, "", err);
}

static ErrCode run_revoke(CommandContext *context, Error *err)
{
    const char *reason = context_option(context, "reason");
    if (reason == NULL || reason[0] == '\0') {
        err_set(err, ERR_USAGE, "revoking an agent needs --reason TEXT");
        return ERR_USAGE;
    }
    return admission_send(context, true, reason, err);
}

static const CommandOption options[] = {CLIENT_OPTIONS, {0}};
static const CommandOption shards_options[] = {
    {"select", 0, "EXPRESSION",
     "only these, as in a rollout's select: tier in (free, pro) and version >= 15"},
    CLIENT_OPTIONS,
    {0},
};
static const CommandOption revoke_options[] = {
    {"reason", 0, "TEXT", "why; kept in the journal"},
    CLIENT_OPTIONS,
    {0},
};

const CliCommand cmd_fleet_status = {
    .words = "fleet status",
    .arguments = "",
    .summary = "show the fleet in a few lines",
    .options = options,
    .run = run_status,
};
const CliCommand cmd_fleet_hosts = {
    .words = "fleet hosts",
    .arguments = "",
    .summary = "list the hosts and their shards' states",
    .options = options,
    .run = run_hosts,
};
const CliCommand cmd_fleet_clusters = {
    .words = "fleet clusters",
    .arguments = "",
    .summary = "list the PostgreSQL servers",
    .options = options,
    .run = run_clusters,
};
const CliCommand cmd_fleet_shards = {
    .words = "fleet shards",
    .arguments = "",
    .summary = "list the shards, their revisions and states",
    .options = shards_options,
    .run = run_shards,
};
const CliCommand cmd_fleet_agents = {
    .words = "fleet agents",
    .arguments = "",
    .summary = "list the agents that were admitted",
    .options = options,
    .run = run_agents,
};
const CliCommand cmd_fleet_admit = {
    .words = "fleet admit",
    .arguments = "AGENT.pub",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "admit an agent by its public key (role admin)",
    .options = options,
    .run = run_admit,
};
const CliCommand cmd_fleet_revoke = {
    .words = "fleet revoke",
    .arguments = "AGENT.pub",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "revoke an agent's key for ever (role admin)",
    .options = revoke_options,
    .run = run_revoke,
};
