#include "backfill_config.h"

#include "gate_sql.h"
#include "named_limits.h"

#include <string.h>

static const ConfigWord vacuum_words[] = {{"wait", 0}, {"ignore", 1}, {NULL, 0}};

#define FIELD(field_key, field_kind, member, ...)                                                  \
    {                                                                                              \
        .key = (field_key), .kind = (field_kind), .offset = offsetof(BackfillPart, member),        \
        __VA_ARGS__                                                                                \
    }

static const ConfigField fields[] = {
    FIELD("target", CONFIG_NODE, target, .form = "duration or `none`", .without = "200ms",
          .help = "how long a batch should take; its size follows", .example = "500ms"),
    FIELD("replica-lag", CONFIG_NODE, replica_lag, .form = "duration or `none`", .without = "1.5s",
          .help = "batches wait while a replica or a replication slot is further behind",
          .example = "5s"),
    FIELD("wal-rate", CONFIG_NODE, wal_rate, .form = "size or `none`", .without = "64MiB",
          .help = "batches wait while the server writes more WAL in a second", .example = "16MiB"),
    FIELD("archive-backlog", CONFIG_NODE, archive_backlog, .form = "number or `none`",
          .without = "42", .help = "batches wait while more WAL files are not archived",
          .example = "10"),
    FIELD("sessions", CONFIG_NODE, sessions, .form = "number or `none`", .without = "`none`",
          .help = "batches wait while more clients' sessions are at work", .example = "20"),
    FIELD("vacuum", CONFIG_ENUM, vacuum, .words = vacuum_words,
          .help = "what a VACUUM of the table means to its batches", .example = "ignore"),
    FIELD("query", CONFIG_STRING, query, .without = "none",
          .help = "one SELECT on the shard; batches wait while it says true, or more than 0",
          .example = "\"SELECT count(*) > 1000 FROM jobs WHERE done IS NULL\""),
};
const ConfigTable backfill_table = CONFIG_TABLE_OF(BackfillPart, fields);

static bool is_none(const ConfigNode *node)
{
    const char *text = config_node_text(node);
    return text != NULL && strcmp(text, "none") == 0;
}

static void read_amount(Config *config, const ConfigNode *node, const ConfigField *field,
                        uint64_t *ret)
{
    if (node == NULL)
        return;
    if (is_none(node))
        *ret = 0;
    else
        (void)config_read_value(config, node, field, ret);
}

static void read_count(Config *config, const ConfigNode *node, uint64_t *ret)
{
    static const ConfigField count = {.kind = CONFIG_INTEGER, .min = 1, .max = UINT32_MAX};
    int64_t value = 0;
    if (node != NULL && is_none(node))
        *ret = 0;
    else if (node != NULL && config_read_value(config, node, &count, &value))
        *ret = (uint64_t)value;
}

BackfillPolicy backfill_policy_read(Config *config, const ConfigNode *node,
                                    const BackfillPart *part)
{
    static const ConfigField target = {
        .kind = CONFIG_DURATION, .min = 1, .max = LIMIT_BATCH_TARGET_MS};
    static const ConfigField lag = {
        .kind = CONFIG_DURATION, .min = 1, .max = LIMIT_BACKFILL_LAG_MS};
    static const ConfigField rate = {.kind = CONFIG_SIZE, .min = 1, .max = INT64_C(1) << 40};
    BackfillPolicy policy = BACKFILL_POLICY_DEFAULT;
    uint64_t sessions = policy.sessions;
    read_amount(config, part->target, &target, &policy.target_ms);
    read_amount(config, part->replica_lag, &lag, &policy.replica_lag_ms);
    read_amount(config, part->wal_rate, &rate, &policy.wal_bytes_per_s);
    read_count(config, part->archive_backlog, &policy.archive_files);
    read_count(config, part->sessions, &sessions);
    policy.sessions = (uint32_t)sessions;
    policy.ignore_vacuum = part->vacuum == 1;
    policy.query = part->query;
    Error err;
    if (policy.query[0] != '\0' &&
        select_sql_check("'backfill.query'", policy.query, &err) != ERR_OK)
        config_problem(config, node, "%s", err.message);
    return policy;
}
