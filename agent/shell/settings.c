#include "settings.h"

#include "named_limits.h"
#include "password_command.h"

#include <stdlib.h>
#include <string.h>

enum {
    CONCURRENCY_DEFAULT = 8,
    INVENTORY_DEFAULT_MS = 60000,
    RESERVE_DEFAULT_BYTES = 64 * 1024 * 1024,
    KEEP_DEFAULT = 3,
    HOUR_MS = 3600000,
    FINGERPRINT_DEFAULT_MS = 600000,
};

static const ConfigField shard_fields[] = {
    {.key = "database",
     .kind = CONFIG_STRING,
     .offset = offsetof(ShardSettings, database),
     .required = true,
     .min = 1,
     .max = LIMIT_NAME_BYTES,
     .help = "its name"},
    {.key = "schema",
     .kind = CONFIG_STRING,
     .offset = offsetof(ShardSettings, schema),
     .max = LIMIT_NAME_BYTES,
     .help = "one schema of it; absent: the whole database"},
    {.key = "labels",
     .kind = CONFIG_LABELS,
     .offset = offsetof(ShardSettings, labels),
     .help = "key: value pairs"},
};
static const ShardSettings shard_defaults = {.database = "", .schema = ""};
static const ConfigTable shard_table = {
    .fields = shard_fields,
    .count = sizeof shard_fields / sizeof shard_fields[0],
    .size = sizeof(ShardSettings),
    .defaults = &shard_defaults,
};

/* From SSLMODE_REQUIRE on a connection without TLS is none. */
enum { SSLMODE_REQUIRE = 4 };
static const ConfigWord sslmodes[] = {
    {"disable", 1},   {"allow", 2},       {"prefer", 3}, {"require", SSLMODE_REQUIRE},
    {"verify-ca", 5}, {"verify-full", 6}, {NULL, 0},
};

#define CLUSTER_AT(field) offsetof(ClusterSettings, field)
static const ConfigField cluster_fields[] = {
    {.key = "name",
     .kind = CONFIG_NAME,
     .offset = CLUSTER_AT(name),
     .required = true,
     .help = "unique in the fleet"},
    {.key = "host",
     .kind = CONFIG_STRING,
     .offset = CLUSTER_AT(host),
     .min = 1,
     .help = "directory of the unix socket, or an address; needed without 'service'"},
    {.key = "port",
     .kind = CONFIG_INTEGER,
     .offset = CLUSTER_AT(port),
     .min = 1,
     .max = 65535,
     .help = "default 5432"},
    {.key = "user",
     .kind = CONFIG_STRING,
     .offset = CLUSTER_AT(user),
     .min = 1,
     .max = LIMIT_NAME_BYTES,
     .help = "role that owns the shards; not a superuser; needed without 'service'"},
    {.key = "service",
     .kind = CONFIG_STRING,
     .offset = CLUSTER_AT(service),
     .min = 1,
     .help = "section of libpq's service file, instead of host, port, user and ssl keys"},
    {.key = "passfile",
     .kind = CONFIG_PATH,
     .offset = CLUSTER_AT(passfile),
     .help = "password file, mode 0600; default libpq's"},
    {.key = "password-command",
     .kind = CONFIG_STRINGS,
     .offset = CLUSTER_AT(password_command),
     .min = 1,
     .max = 64,
     .help = "program and arguments, without a shell, that print the password, or "
             "{\"password\": ..., \"expires\": ...}"},
    {.key = "sslmode",
     .kind = CONFIG_ENUM,
     .offset = CLUSTER_AT(sslmode),
     .words = sslmodes,
     .help = "as libpq's; default prefer"},
    {.key = "sslrootcert",
     .kind = CONFIG_PATH,
     .offset = CLUSTER_AT(sslrootcert),
     .help = "certificates of those who may vouch for the server"},
    {.key = "sslcert",
     .kind = CONFIG_PATH,
     .offset = CLUSTER_AT(sslcert),
     .help = "the agent's own certificate, for servers that ask for one"},
    {.key = "sslkey",
     .kind = CONFIG_PATH,
     .offset = CLUSTER_AT(sslkey),
     .help = "its key, mode 0600"},
    {.key = "maintenance-database",
     .kind = CONFIG_STRING,
     .offset = CLUSTER_AT(maintenance_database),
     .max = LIMIT_NAME_BYTES,
     .help = "where 'discover' runs; default postgres"},
    {.key = "labels",
     .kind = CONFIG_LABELS,
     .offset = CLUSTER_AT(labels),
     .help = "key: value pairs, of all its shards"},
    {.key = "pooled",
     .kind = CONFIG_BOOL,
     .offset = CLUSTER_AT(pooled),
     .help = "the address is a pooler's: shards are listed, never migrated; default false"},
    {.key = "shards",
     .kind = CONFIG_TABLES,
     .offset = CLUSTER_AT(shards),
     .table = &shard_table,
     .help = "the shards, when they are few"},
    {.key = "discover",
     .kind = CONFIG_STRING,
     .offset = CLUSTER_AT(discover),
     .min = 1,
     .help =
         "SQL that gives database, and if wanted schema and labels ({\"k\": \"v\"} or k=v k=v)"},
    {.key = "discover-command",
     .kind = CONFIG_STRINGS,
     .offset = CLUSTER_AT(discover_command),
     .min = 1,
     .max = 64,
     .help = "program and arguments, without a shell, that print [{\"database\": ..., \"schema\": "
             "..., \"labels\": {...}}, ...]"},
    {.key = "shared-schemas",
     .kind = CONFIG_STRINGS,
     .offset = CLUSTER_AT(shared_schemas),
     .help = "in the search path of steps, after the tenant's schema"},
    {.key = "provision-template",
     .kind = CONFIG_STRING,
     .offset = CLUSTER_AT(provision_template),
     .min = 1,
     .max = LIMIT_NAME_BYTES,
     .help = "database that new tenants' databases are copies of; default template1"},
    {.key = "pg-bin",
     .kind = CONFIG_PATH,
     .offset = CLUSTER_AT(pg_bin),
     .help = "directory of pg_dump and pg_restore; default: PATH"},
};
static const ClusterSettings cluster_defaults = {.port = 5432, .maintenance_database = "postgres"};
static const ConfigTable cluster_table = {
    .fields = cluster_fields,
    .count = sizeof cluster_fields / sizeof cluster_fields[0],
    .size = sizeof(ClusterSettings),
    .defaults = &cluster_defaults,
};

static const ConfigField coordinator_fields[] = {
    {.key = "endpoint",
     .kind = CONFIG_STRING,
     .offset = offsetof(CoordinatorSettings, endpoint),
     .required = true,
     .max = 240,
     .help = "tcp://HOST:7433"},
    {.key = "key",
     .kind = CONFIG_PATH,
     .offset = offsetof(CoordinatorSettings, key_path),
     .help = "its *.pub file; default: the trust file's coordinator"},
    {.key = "name",
     .kind = CONFIG_NAME,
     .offset = offsetof(CoordinatorSettings, name),
     .help = "which one, when the trust file names several"},
};
static const ConfigTable coordinator_table =
    CONFIG_TABLE_OF(CoordinatorSettings, coordinator_fields);

#define ARGV(row_key, field, text, row_required)                                                   \
    {                                                                                              \
        .key = (row_key), .kind = CONFIG_STRINGS, .offset = offsetof(BackupCommand, field),        \
        .required = (row_required), .min = 1, .max = 64, .help = (text)                            \
    }
static const ConfigField command_fields[] = {
    {.key = "name",
     .kind = CONFIG_NAME,
     .offset = offsetof(BackupCommand, name),
     .required = true,
     .help = "what a rollout's backup.command calls it"},
    ARGV(
        "command", command,
        "program and arguments, without a shell; its last line is {\"id\": ..., \"size_bytes\": N}",
        true),
    ARGV("verify", verify, "reads the backup PGTIDE_BACKUP_ID in full", false),
    ARGV("restore", restore, "restores it into the empty database PGDATABASE", false),
    ARGV("prune", prune, "removes it; default: the command's own rules do", false),
};
static const ConfigTable command_table = CONFIG_TABLE_OF(BackupCommand, command_fields);

static const ConfigField backup_fields[] = {
    {.key = "age-recipients",
     .kind = CONFIG_PATH,
     .offset = offsetof(BackupSettings, age_recipients),
     .help = "file of age recipients to encrypt to; default none"},
    {.key = "age-identity",
     .kind = CONFIG_PATH,
     .offset = offsetof(BackupSettings, age_identity),
     .help = "file of an age identity, mode 0600, by which encrypted backups are restored; "
             "default none"},
    {.key = "require-encryption",
     .kind = CONFIG_BOOL,
     .offset = offsetof(BackupSettings, require_encryption),
     .help = "every dump is encrypted, whatever a plan says; default false"},
    {.key = "reserve",
     .kind = CONFIG_SIZE,
     .offset = offsetof(BackupSettings, reserve_bytes),
     .help = "left free on the disk of the backups; default 64MiB"},
    {.key = "keep",
     .kind = CONFIG_INTEGER,
     .offset = offsetof(BackupSettings, keep),
     .min = 1,
     .max = LIMIT_BACKUPS_PER_SHARD,
     .help = "`pgtide backup prune` keeps the newest so many of a shard; default 3"},
    {.key = "keep-for",
     .kind = CONFIG_DURATION,
     .offset = offsetof(BackupSettings, keep_for_ms),
     .help = "no backup younger than this is removed by any rule; default 0"},
};
static const ConfigTable backup_table = CONFIG_TABLE_OF(BackupSettings, backup_fields);

static const ConfigField fingerprint_fields[] = {
    {.key = "enabled",
     .kind = CONFIG_BOOL,
     .offset = offsetof(FingerprintSettings, enabled),
     .help = "read what the schemas of shards are, for `pgtide fleet drift`; default true"},
    {.key = "every",
     .kind = CONFIG_DURATION,
     .offset = offsetof(FingerprintSettings, every_ms),
     .min = 100,
     .max = 7 * 24 * (int64_t)HOUR_MS,
     .help = "how often it is looked whether one has changed, not more often than 'inventory'; "
             "default 10m"},
};
static const ConfigTable fingerprint_table =
    CONFIG_TABLE_OF(FingerprintSettings, fingerprint_fields);

#define AT(field) offsetof(AgentSettings, field)
static const ConfigField fields[] = {
    {.key = "name",
     .kind = CONFIG_NAME,
     .offset = AT(name),
     .required = true,
     .help = "of this agent, as it was admitted"},
    {.key = "key",
     .kind = CONFIG_PATH,
     .offset = AT(key_path),
     .required = true,
     .help = "its *.key file, mode 0600"},
    {.key = "trust",
     .kind = CONFIG_PATH,
     .offset = AT(trust_path),
     .required = true,
     .help = "the fleet's trust file"},
    {.key = "state",
     .kind = CONFIG_PATH,
     .offset = AT(state_path),
     .required = true,
     .help = "directory of the ledger, of bundles and of backups"},
    {.key = "host",
     .kind = CONFIG_NAME,
     .offset = AT(host),
     .help = "this machine's name in the fleet; default: the agent's"},
    {.key = "labels",
     .kind = CONFIG_LABELS,
     .offset = AT(labels),
     .help = "key: value pairs, of all shards"},
    {.key = "coordinator",
     .kind = CONFIG_TABLE,
     .offset = AT(coordinator),
     .table = &coordinator_table,
     .required = true,
     .help = "whom to connect to"},
    {.key = "concurrency",
     .kind = CONFIG_INTEGER,
     .offset = AT(concurrency),
     .min = 1,
     .max = 1000,
     .help = "jobs at work at once, per cluster; default 8"},
    {.key = "approvals-min",
     .kind = CONFIG_INTEGER,
     .offset = AT(approvals_min),
     .min = 0,
     .max = LIMIT_SIGNATURES,
     .help = "a plan with fewer approvals is refused, whatever it asks for; default 1"},
    {.key = "service-file",
     .kind = CONFIG_PATH,
     .offset = AT(service_file),
     .help = "where clusters' 'service' is looked up; default libpq's"},
    {.key = "safe-bundle",
     .kind = CONFIG_PATH,
     .offset = AT(safe_bundle),
     .help = "a signed bundle whose safe statements are ensured on adopted shards; default none"},
    {.key = "silence-deadline",
     .kind = CONFIG_DURATION,
     .offset = AT(silence_deadline_ms),
     .min = 100,
     .max = HOUR_MS,
     .help = "without a word of the coordinator for so long no step is started; default: its word"},
    {.key = "inventory",
     .kind = CONFIG_DURATION,
     .offset = AT(inventory_ms),
     .min = 100,
     .max = HOUR_MS,
     .help = "how often all shards are read; default 60s"},
    {.key = "fingerprint",
     .kind = CONFIG_TABLE,
     .offset = AT(fingerprint),
     .table = &fingerprint_table,
     .help = "what the schemas of shards are"},
    {.key = "backup",
     .kind = CONFIG_TABLE,
     .offset = AT(backup),
     .table = &backup_table,
     .help = "what this host asks of backups, beside what plans ask"},
    {.key = "backup-commands",
     .kind = CONFIG_TABLES,
     .offset = AT(backup_commands),
     .max = LIMIT_BACKUP_COMMANDS,
     .table = &command_table,
     .help = "backups by other tools"},
    {.key = "clusters",
     .kind = CONFIG_TABLES,
     .offset = AT(clusters),
     .required = true,
     .min = 1,
     .table = &cluster_table,
     .help = "the PostgreSQL servers it looks after"},
    {.key = "log",
     .kind = CONFIG_TABLE,
     .offset = AT(log),
     .table = &log_settings_table,
     .help = "log lines on stderr"},
};
static const ConfigTable table = CONFIG_TABLE_OF(AgentSettings, fields);

size_t agent_settings_cluster_count(const AgentSettings *settings)
{
    return settings->clusters.count;
}

const ClusterSettings *agent_settings_cluster(const AgentSettings *settings, size_t index)
{
    return &((const ClusterSettings *)settings->clusters.items)[index];
}

const ClusterSettings *agent_settings_find_cluster(const AgentSettings *settings, const char *name)
{
    for (size_t i = 0; i < settings->clusters.count; i++) {
        const ClusterSettings *cluster = agent_settings_cluster(settings, i);
        if (strcmp(cluster->name, name) == 0)
            return cluster;
    }
    return NULL;
}

static void add_keyword(ClusterSettings *cluster, const char *name, const char *value)
{
    if (value != NULL)
        cluster->conninfo[cluster->conninfo_count++] = (PgKeyword){name, value};
}

const char *cluster_sslmode(const ClusterSettings *cluster)
{
    for (const ConfigWord *word = sslmodes; word->word != NULL; word++)
        if (word->value == cluster->sslmode)
            return word->word;
    return NULL;
}

static void make_conninfo(Arena *arena, ClusterSettings *cluster)
{
    add_keyword(cluster, "service", cluster->service);
    add_keyword(cluster, "host", cluster->host);
    if (cluster->service == NULL)
        add_keyword(cluster, "port", arena_printf(arena, "%d", (int)cluster->port));
    add_keyword(cluster, "user", cluster->user);
    add_keyword(cluster, "passfile", cluster->passfile);
    add_keyword(cluster, "sslmode", cluster_sslmode(cluster));
    add_keyword(cluster, "sslrootcert", cluster->sslrootcert);
    add_keyword(cluster, "sslcert", cluster->sslcert);
    add_keyword(cluster, "sslkey", cluster->sslkey);
    if (cluster->password_command.count > 0)
        cluster->passwords = password_command_new(arena, cluster->name, &cluster->password_command);
}

/* libpq asks the service file before the environment: what stood in both would mean one thing to
 * us and another to pg_dump. */
static void check_service(Config *config, const ConfigNode *node, size_t index)
{
    static const char *const said[] = {"host",        "port",    "user",  "sslmode",
                                       "sslrootcert", "sslcert", "sslkey"};
    static const char *const needed[] = {"host", "user"};
    bool service = config_node_get(node, "service") != NULL;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        const ConfigNode *also = config_node_get(node, said[i]);
        if (service && also != NULL)
            config_problem(config, also, "'clusters[%zu]' has both 'service' and '%s'", index,
                           said[i]);
    }
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (!service && config_node_get(node, needed[i]) == NULL)
            config_problem(config, node, "'clusters[%zu]' needs '%s', or 'service'", index,
                           needed[i]);
}

static void check_credentials(Config *config, const ConfigNode *node, size_t index,
                              const ClusterSettings *cluster)
{
    check_service(config, node, index);
    if (cluster->passfile != NULL && cluster->password_command.count > 0)
        config_problem(config, node, "'clusters[%zu]' has both 'passfile' and 'password-command'",
                       index);
    if ((cluster->sslcert == NULL) != (cluster->sslkey == NULL))
        config_problem(config, node,
                       "'clusters[%zu]' needs both 'sslcert' and 'sslkey', or neither", index);
    bool socket = cluster->host != NULL && (cluster->host[0] == '/' || cluster->host[0] == '@');
    if (socket && cluster->sslmode >= SSLMODE_REQUIRE)
        config_problem(config, config_node_get(node, "sslmode"),
                       "'clusters[%zu].sslmode' asks for TLS, and 'host' is a unix socket, which "
                       "has none",
                       index);
}

static void check_clusters(Config *config, AgentSettings *settings)
{
    const ConfigNode *nodes = config_node_get(config_root(config), "clusters");
    ClusterSettings *clusters = settings->clusters.items;
    for (size_t i = 0; i < settings->clusters.count; i++) {
        const ConfigNode *node = config_node_item(nodes, i);
        bool by_command = clusters[i].discover_command.count > 0;
        if (clusters[i].shards.count == 0 && clusters[i].discover == NULL && !by_command)
            config_problem(config, node,
                           "'clusters[%zu]' needs 'shards', 'discover' or 'discover-command'", i);
        if (clusters[i].discover != NULL && by_command)
            config_problem(config, node,
                           "'clusters[%zu]' has both 'discover' and 'discover-command'", i);
        check_credentials(config, node, i, &clusters[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(clusters[i].name, clusters[j].name) == 0)
                config_problem(config, node, "'clusters[%zu].name' is '%s' again", i,
                               clusters[i].name);
    }
}

static void check_backups(Config *config, AgentSettings *settings)
{
    const ConfigNode *nodes = config_node_get(config_root(config), "backup-commands");
    const BackupCommand *commands = settings->backup_commands.items;
    for (size_t i = 0; i < settings->backup_commands.count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(commands[i].name, commands[j].name) == 0)
                config_problem(config, config_node_item(nodes, i),
                               "'backup-commands[%zu].name' is '%s' again", i, commands[i].name);
    if (settings->backup.require_encryption && settings->backup.age_recipients == NULL)
        config_problem(config, config_node_get(config_root(config), "backup"),
                       "'backup.require-encryption' needs 'backup.age-recipients'");
}

const BackupCommand *agent_settings_find_backup_command(const AgentSettings *settings,
                                                        const char *name)
{
    const BackupCommand *commands = settings->backup_commands.items;
    for (size_t i = 0; i < settings->backup_commands.count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

ErrCode agent_settings_load(Arena *arena, const char *path, AgentSettings *ret_settings, Error *err)
{
    AgentSettings settings = {
        .concurrency = CONCURRENCY_DEFAULT,
        .approvals_min = 1,
        .inventory_ms = INVENTORY_DEFAULT_MS,
        .fingerprint = {.enabled = true, .every_ms = FINGERPRINT_DEFAULT_MS},
        .backup = {.reserve_bytes = RESERVE_DEFAULT_BYTES, .keep = KEEP_DEFAULT},
        .log = log_settings_default,
    };
    Config *config;
    ErrCode code = config_open(arena, path, &config, err);
    if (code != ERR_OK)
        return code;
    if (config_read(config, config_root(config), &table, &settings)) {
        check_clusters(config, &settings);
        check_backups(config, &settings);
    }
    code = config_finish(config, err);
    if (code != ERR_OK)
        return code;
    ClusterSettings *clusters = settings.clusters.items;
    for (size_t i = 0; i < settings.clusters.count; i++)
        make_conninfo(arena, &clusters[i]);
    if (settings.host == NULL)
        settings.host = settings.name;
    *ret_settings = settings;
    return ERR_OK;
}

void agent_settings_describe(Str *out)
{
    config_describe(&table, out);
}

static Label *find_label(LabelList *list, const char *key)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].key, key) == 0)
            return &list->items[i];
    return NULL;
}

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const Label *)a)->key, ((const Label *)b)->key);
}

LabelList labels_merge(Arena *arena, const LabelList *lists, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += lists[i].count;
    LabelList merged = {.items = ARENA_ARRAY(arena, Label, total + 1)};
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < lists[i].count; j++) {
            const Label *label = &lists[i].items[j];
            Label *there = find_label(&merged, label->key);
            if (there == NULL)
                there = &merged.items[merged.count++];
            *there = (Label){arena_strdup(arena, label->key), arena_strdup(arena, label->value)};
        }
    qsort(merged.items, merged.count, sizeof(Label), compare_labels);
    return merged;
}
