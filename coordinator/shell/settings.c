#include "settings.h"

#include "event_log.h"
#include "http.h"
#include "named_limits.h"

#include <string.h>

enum {
    SECOND_MS = 1000,
    HOUR_MS = 3600 * SECOND_MS,
    DAY_MS = 24 * HOUR_MS,
};

static const ConfigField command_fields[] = {
    {.key = "name",
     .kind = CONFIG_NAME,
     .offset = offsetof(GateCommand, name),
     .required = true,
     .help = "what a gate calls it"},
    {.key = "command",
     .kind = CONFIG_STRINGS,
     .offset = offsetof(GateCommand, argv),
     .required = true,
     .min = 1,
     .max = 64,
     .help = "program and arguments, without a shell; exit status 0 succeeded, 1 failed, 2 "
             "inconclusive"},
};
static const ConfigTable command_table = CONFIG_TABLE_OF(GateCommand, command_fields);

static const ConfigField prometheus_fields[] = {
    {.key = "url",
     .kind = CONFIG_STRING,
     .offset = offsetof(PrometheusSettings, url),
     .required = true,
     .max = LIMIT_HTTP_URL_BYTES - 64,
     .help = "of the server, without /api/v1/query: http://127.0.0.1:9090"},
    {.key = "bearer-file",
     .kind = CONFIG_PATH,
     .offset = offsetof(PrometheusSettings, bearer_path),
     .help = "holds a token for the Authorization header; read at each look"},
    {.key = "ca-file",
     .kind = CONFIG_PATH,
     .offset = offsetof(PrometheusSettings, ca_path),
     .help = "certificates to trust instead of the system's"},
};
static const ConfigTable prometheus_table = CONFIG_TABLE_OF(PrometheusSettings, prometheus_fields);

#define SINK_AT(field) offsetof(SinkSettings, field)
/* What webhooks and commands have in common. */
#define SINK_FIELDS                                                                                \
    {.key = "name",                                                                                \
     .kind = CONFIG_NAME,                                                                          \
     .offset = SINK_AT(name),                                                                      \
     .required = true,                                                                             \
     .help = "what status and logs call it; the journal keeps by it where it stands"},             \
        {.key = "events",                                                                          \
         .kind = CONFIG_STRINGS,                                                                   \
         .offset = SINK_AT(events),                                                                \
         .max = 64,                                                                                \
         .help = "types or patterns, such as rollout.* or shard.failed; default all"},             \
        {.key = "timeout",                                                                         \
         .kind = CONFIG_DURATION,                                                                  \
         .offset = SINK_AT(timeout_ms),                                                            \
         .min = 100,                                                                               \
         .max = LIMIT_HTTP_TIMEOUT_MS,                                                             \
         .help = "of one try; default 10s"},                                                       \
        {.key = "attempts",                                                                        \
         .kind = CONFIG_INTEGER,                                                                   \
         .offset = SINK_AT(attempts),                                                              \
         .min = 1,                                                                                 \
         .max = 1000,                                                                              \
         .help = "tries of one event before it is dead; default 20"},                              \
        {.key = "max-age",                                                                         \
         .kind = CONFIG_DURATION,                                                                  \
         .offset = SINK_AT(max_age_ms),                                                            \
         .min = 1000,                                                                              \
         .max = INT64_C(90) * DAY_MS,                                                              \
         .help = "an older event is dead when it fails; default 1d"},                              \
    {                                                                                              \
        .key = "retry", .kind = CONFIG_DURATION, .offset = SINK_AT(retry_ms), .min = 10,           \
        .max = HOUR_MS,                                                                            \
        .help = "first pause after a failure; each is twice as long, up to 5m; default 1s"         \
    }

static const SinkSettings sink_defaults = {
    .timeout_ms = 10 * SECOND_MS,
    .attempts = 20,
    .max_age_ms = DAY_MS,
    .retry_ms = SECOND_MS,
};

static const ConfigField webhook_fields[] = {
    SINK_FIELDS,
    {.key = "url",
     .kind = CONFIG_STRING,
     .offset = SINK_AT(url),
     .required = true,
     .max = LIMIT_HTTP_URL_BYTES,
     .help = "https://... or http://..., without user and password"},
    {.key = "secret-file",
     .kind = CONFIG_PATH,
     .offset = SINK_AT(secret_path),
     .required = true,
     .help = "mode 0600: whsec_ and base64 of 24 to 64 bytes, with which requests are signed"},
    {.key = "ca-file",
     .kind = CONFIG_PATH,
     .offset = SINK_AT(ca_path),
     .help = "certificates to trust instead of the system's"},
};
static const ConfigTable webhook_table = {
    .fields = webhook_fields,
    .count = sizeof webhook_fields / sizeof *webhook_fields,
    .size = sizeof(SinkSettings),
    .defaults = &sink_defaults,
};

static const ConfigField event_command_fields[] = {
    SINK_FIELDS,
    {.key = "command",
     .kind = CONFIG_STRINGS,
     .offset = SINK_AT(argv),
     .required = true,
     .min = 1,
     .max = 64,
     .help = "program and arguments, without a shell; the event is on its standard input"},
};
static const ConfigTable event_command_table = {
    .fields = event_command_fields,
    .count = sizeof event_command_fields / sizeof *event_command_fields,
    .size = sizeof(SinkSettings),
    .defaults = &sink_defaults,
};

#define AT(field) offsetof(Settings, field)
static const ConfigField fields[] = {
    {.key = "name",
     .kind = CONFIG_NAME,
     .offset = AT(name),
     .required = true,
     .help = "of this coordinator, in logs and views"},
    {.key = "key",
     .kind = CONFIG_PATH,
     .offset = AT(key_path),
     .required = true,
     .help = "its *.key file, mode 0600; the trust file names its public half"},
    {.key = "trust",
     .kind = CONFIG_PATH,
     .offset = AT(trust_path),
     .required = true,
     .help = "the trust file"},
    {.key = "state",
     .kind = CONFIG_PATH,
     .offset = AT(state_path),
     .required = true,
     .help = "directory of the journal and of plans and bundles"},
    {.key = "listen",
     .kind = CONFIG_STRING,
     .offset = AT(listen),
     .max = 240,
     .help = "endpoint for agents and operators; default tcp://0.0.0.0:7433"},
    {.key = "heartbeat",
     .kind = CONFIG_DURATION,
     .offset = AT(heartbeat_ms),
     .min = 50,
     .max = 60 * SECOND_MS,
     .help = "how often each agent hears of the coordinator, and says it is there; default 5s"},
    {.key = "silence-deadline",
     .kind = CONFIG_DURATION,
     .offset = AT(silence_deadline_ms),
     .min = 100,
     .max = HOUR_MS,
     .help = "without a word for so long an agent starts no step; default 30s"},
    {.key = "agent-deadline",
     .kind = CONFIG_DURATION,
     .offset = AT(agent_deadline_ms),
     .min = 100,
     .max = HOUR_MS,
     .help = "an agent silent for so long is down; default 20s"},
    {.key = "inventory-limit",
     .kind = CONFIG_DURATION,
     .offset = AT(inventory_limit_ms),
     .min = 1000,
     .max = DAY_MS,
     .help = "shards that were listed longer ago are stale: not planned; default 15m"},
    {.key = "plan-ttl",
     .kind = CONFIG_DURATION,
     .offset = AT(plan_ttl_ms),
     .min = 1000,
     .max = INT64_C(90) * DAY_MS,
     .help = "how long a plan may be started after it was made; default 7d"},
    {.key = "approvals-min",
     .kind = CONFIG_INTEGER,
     .offset = AT(approvals_min),
     .min = 0,
     .max = LIMIT_SIGNATURES,
     .help = "no plan may ask for fewer approvals; default 1"},
    {.key = "gate-commands",
     .kind = CONFIG_TABLES,
     .offset = AT(gate_commands),
     .max = 64,
     .table = &command_table,
     .help = "what gates may run on this host"},
    {.key = "prometheus",
     .kind = CONFIG_TABLE,
     .offset = AT(prometheus),
     .table = &prometheus_table,
     .help = "the server that gates' queries are asked of; default none"},
    {.key = "webhooks",
     .kind = CONFIG_TABLES,
     .offset = AT(webhooks),
     .max = LIMIT_SINKS,
     .table = &webhook_table,
     .help = "where events are sent"},
    {.key = "event-commands",
     .kind = CONFIG_TABLES,
     .offset = AT(event_commands),
     .max = LIMIT_SINKS,
     .table = &event_command_table,
     .help = "what is run for events"},
    {.key = "log",
     .kind = CONFIG_TABLE,
     .offset = AT(log),
     .table = &log_settings_table,
     .help = "log lines on stderr"},
};
static const ConfigTable table = CONFIG_TABLE_OF(Settings, fields);

static void check_times(Config *config, const Settings *settings)
{
    const ConfigNode *root = config_root(config);
    if (settings->silence_deadline_ms < 2 * settings->heartbeat_ms)
        config_problem(config, root,
                       "'silence-deadline' must be at least twice the heartbeat interval");
    if (settings->agent_deadline_ms < 2 * settings->heartbeat_ms)
        config_problem(config, root,
                       "'agent-deadline' must be at least twice the heartbeat interval");
}

static void check_prometheus(Config *config, const Settings *settings)
{
    Error err;
    const ConfigNode *node = config_node_get(config_root(config), "prometheus");
    if (settings->prometheus.url != NULL &&
        http_url_check(settings->prometheus.url, &err) != ERR_OK)
        config_problem(config, node, "prometheus.url: %s", err.message);
    else if (settings->prometheus.url != NULL && strchr(settings->prometheus.url, '?') != NULL)
        config_problem(config, node, "prometheus.url has a query; give the server's address only");
}

static void check_sink(Config *config, const ConfigNode *node, const SinkSettings *sink)
{
    Error err;
    for (size_t i = 0; i < sink->events.count; i++) {
        if (event_pattern_check(sink->events.items[i], &err) != ERR_OK)
            config_problem(config, node, "'%s': %s", config_node_path(node), err.message);
    }
    if (sink->url != NULL && http_url_check(sink->url, &err) != ERR_OK)
        config_problem(config, node, "'%s.url': %s", config_node_path(node), err.message);
}

/* A name is a place in the journal: no two may share it. */
static void check_sinks(Config *config, const Settings *settings)
{
    const ConfigNode *root = config_root(config);
    const ConfigList *lists[] = {&settings->webhooks, &settings->event_commands};
    const char *const keys[] = {"webhooks", "event-commands"};
    AUTO_ARENA Arena *arena = arena_new();
    StrList names = {0};
    for (size_t i = 0; i < 2; i++) {
        const SinkSettings *items = lists[i]->items;
        for (size_t j = 0; j < lists[i]->count; j++) {
            const ConfigNode *node = config_node_item(config_node_get(root, keys[i]), j);
            check_sink(config, node, &items[j]);
            if (strlist_has(&names, items[j].name))
                config_problem(config, node, "'%s': there are two sinks named %s",
                               config_node_path(node), items[j].name);
            strlist_add(arena, &names, items[j].name);
        }
    }
}

ErrCode settings_load(Arena *arena, const char *path, Settings *ret_settings, Error *err)
{
    Settings settings = {
        .listen = "tcp://0.0.0.0:7433",
        .heartbeat_ms = 5 * SECOND_MS,
        .silence_deadline_ms = 30 * SECOND_MS,
        .agent_deadline_ms = 20 * SECOND_MS,
        .inventory_limit_ms = 15 * 60 * SECOND_MS,
        .plan_ttl_ms = INT64_C(7) * DAY_MS,
        .approvals_min = 1,
        .log = log_settings_default,
    };
    Config *config;
    ErrCode code = config_open(arena, path, &config, err);
    if (code != ERR_OK)
        return code;
    if (config_read(config, config_root(config), &table, &settings)) {
        check_times(config, &settings);
        check_prometheus(config, &settings);
        check_sinks(config, &settings);
    }
    code = config_finish(config, err);
    if (code != ERR_OK)
        return code;
    *ret_settings = settings;
    return ERR_OK;
}

void settings_describe(Str *out)
{
    config_describe(&table, out);
}
