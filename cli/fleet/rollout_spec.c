#include "rollout_spec.h"

#include "backfill_config.h"
#include "codec_common.h"
#include "config.h"
#include "lock_budget.h"
#include "named_limits.h"
#include "proto_read.h"
#include "rollout_spec_parts.h"
#include "window.h"

#include <stdlib.h>
#include <string.h>

enum { BACKUP_JOBS = 2 };

typedef struct ConcurrencyPart {
    int64_t fleet;
    int64_t host;
    int64_t cluster;
    int64_t database;
    const ConfigNode *labels;
} ConcurrencyPart;

typedef struct BudgetPart {
    const ConfigNode *wave;
    const ConfigNode *fleet;
    const ConfigNode *host;
    const ConfigNode *labels;
} BudgetPart;

typedef struct BackupPart {
    int method;
    int64_t compress;
    bool verify;
    int64_t keep;
    const char *command;
    int64_t jobs;
    bool encrypt;
    bool restore_test;
} BackupPart;

typedef struct LocksPart {
    uint64_t timeout_ms;
    int64_t attempts;
    const ConfigNode *budget;
} LocksPart;

typedef struct SpecFile {
    const char *rollout;
    const char *bundle;
    const char *target;
    const char *downgrade;
    const char *select;
    const ConfigNode *waves;
    const char *order;
    ConcurrencyPart concurrency;
    BudgetPart budget;
    int on_shard_failure;
    int on_failure;
    BackupPart backup;
    LocksPart locks;
    BackfillPart backfill;
    uint64_t statement_timeout_ms;
    uint64_t rollback_until_ms;
    uint64_t unknown_deadline_ms;
    uint64_t progress_deadline_ms;
    uint64_t bake_min_ms;
    int64_t approvals;
    const ConfigNode *rehearsal;
    int drift;
    ConfigList gates;
    ConfigList requires;
    ContractPart contract;
    ConfigList windows;
    const ConfigNode *newcomers;
} SpecFile;

static const ConfigWord shard_failure_words[] = {
    {"stay", PGTIDE__V1__ON_SHARD_FAILURE__ON_SHARD_FAILURE_STAY},
    {"rollback", PGTIDE__V1__ON_SHARD_FAILURE__ON_SHARD_FAILURE_ROLLBACK},
    {NULL, 0},
};
static const ConfigWord failure_words[] = {
    {"pause", PGTIDE__V1__ON_FAILURE__ON_FAILURE_PAUSE},
    {"rollback-wave", PGTIDE__V1__ON_FAILURE__ON_FAILURE_ROLLBACK_WAVE},
    {"rollback-rollout", PGTIDE__V1__ON_FAILURE__ON_FAILURE_ROLLBACK_ROLLOUT},
    {NULL, 0},
};
static const ConfigWord drift_words[] = {
    {"tell", PGTIDE__V1__DRIFT_POLICY__DRIFT_POLICY_TELL},
    {"leave-out", PGTIDE__V1__DRIFT_POLICY__DRIFT_POLICY_LEAVE_OUT},
    {"refuse", PGTIDE__V1__DRIFT_POLICY__DRIFT_POLICY_REFUSE},
    {NULL, 0},
};
static const ConfigWord method_words[] = {
    {"dump", PGTIDE__V1__BACKUP_METHOD__BACKUP_METHOD_DUMP},
    {"directory", PGTIDE__V1__BACKUP_METHOD__BACKUP_METHOD_DIRECTORY},
    {"command", PGTIDE__V1__BACKUP_METHOD__BACKUP_METHOD_COMMAND},
    {"none", PGTIDE__V1__BACKUP_METHOD__BACKUP_METHOD_NONE},
    {NULL, 0},
};

static const ConfigField concurrency_fields[] = {
    FIELD(ConcurrencyPart, "fleet", CONFIG_INTEGER, fleet, .min = 1, .max = 100000,
          .help = "jobs at work in all", .example = "50"),
    FIELD(ConcurrencyPart, "host", CONFIG_INTEGER, host, .min = 1, .max = 100000,
          .help = "per host: two shards on one disk count together", .example = "4"),
    FIELD(ConcurrencyPart, "cluster", CONFIG_INTEGER, cluster, .min = 1, .max = 10000,
          .help = "per server", .example = "2"),
    FIELD(ConcurrencyPart, "database", CONFIG_INTEGER, database, .min = 1, .max = 1000,
          .help = "per database, for shards that are schemas", .example = "1"),
    FIELD(ConcurrencyPart, "labels", CONFIG_NODE, labels, .form = "mapping", .without = "none",
          .help =
              "where a label has one value; shards without the label are not counted; at most 8 "
              "labels",
          .example = "{volume: 2}"),
};
static const ConfigTable concurrency_table = CONFIG_TABLE_OF(ConcurrencyPart, concurrency_fields);

static const ConfigField budget_fields[] = {
    FIELD(BudgetPart, "wave", CONFIG_NODE, wave, .form = "number or percentage", .without = "0",
          .help = "failures allowed in a wave, of its shards", .example = "5%"),
    FIELD(BudgetPart, "fleet", CONFIG_NODE, fleet, .form = "number or percentage", .without = "0",
          .help = "failures allowed in all, of the plan's shards", .example = "1%"),
    FIELD(BudgetPart, "host", CONFIG_NODE, host, .form = "number or percentage",
          .without = "no limit of its own", .help = "failures allowed on any one host",
          .example = "1"),
    FIELD(BudgetPart, "labels", CONFIG_NODE, labels,
          .form = "mapping of labels to numbers or percentages", .without = "none",
          .help = "failures allowed where a label has one value",
          .example = "{tier: 2, region: 10%}"),
};
static const ConfigTable budget_table = CONFIG_TABLE_OF(BudgetPart, budget_fields);

static const ConfigField backup_fields[] = {
    FIELD(BackupPart, "method", CONFIG_ENUM, method, .words = method_words,
          .help = "dump, directory, command or none"),
    FIELD(BackupPart, "command", CONFIG_NAME, command,
          .help = "method command: its name in the agents' backup-commands"),
    FIELD(BackupPart, "jobs", CONFIG_INTEGER, jobs, .min = 1, .max = LIMIT_BACKUP_JOBS,
          .help = "method directory: tables dumped at the same time; default 2"),
    FIELD(BackupPart, "compress", CONFIG_INTEGER, compress, .min = 0, .max = LIMIT_BACKUP_COMPRESS,
          .help = "pg_dump -Z"),
    FIELD(BackupPart, "verify", CONFIG_BOOL, verify, .help = "read every backup back in full"),
    FIELD(BackupPart, "restore-test", CONFIG_BOOL, restore_test,
          .help = "restore each into a scratch database before it counts"),
    FIELD(BackupPart, "encrypt", CONFIG_BOOL, encrypt,
          .help = "method dump: to the agents' age recipients"),
    FIELD(BackupPart, "keep", CONFIG_INTEGER, keep, .min = 1, .max = LIMIT_BACKUPS_PER_SHARD,
          .help = "backups kept per shard"),
};
static const ConfigTable backup_table = CONFIG_TABLE_OF(BackupPart, backup_fields);

static const ConfigField locks_fields[] = {
    FIELD(LocksPart, "timeout", CONFIG_DURATION, timeout_ms, .min = 10,
          .max = LIMIT_LOCK_TIMEOUT_MS, .help = "longest wait for a lock in one try",
          .example = "2s"),
    FIELD(LocksPart, "attempts", CONFIG_INTEGER, attempts, .min = 1, .max = 1000,
          .help = "tries of a step; only the last one that fails is a failure", .example = "10"),
    FIELD(LocksPart, "budget", CONFIG_NODE, budget, .form = "duration or `none`", .without = "1s",
          .help = "how long others may wait behind a step, from 100ms to 10m", .example = "2s"),
};
static const ConfigTable locks_table = CONFIG_TABLE_OF(LocksPart, locks_fields);

typedef struct WindowPart {
    const ConfigNode *days;
    const ConfigNode *from;
    const ConfigNode *to;
    const ConfigNode *zone;
    uint64_t cutoff_ms;
} WindowPart;

static const ConfigField window_fields[] = {
    FIELD(WindowPart, "days", CONFIG_NODE, days, .form = "days, or a list of them",
          .without = "every day", .help = "on which it opens", .example = "[mon-thu, sun]"),
    FIELD(WindowPart, "from", CONFIG_NODE, from, .required = true, .form = "HH:MM",
          .help = "local time in its zone", .example = "\"01:00\""),
    FIELD(WindowPart, "to", CONFIG_NODE, to, .required = true, .form = "HH:MM",
          .help = "not later than `from`: on the next day", .example = "\"05:00\""),
    FIELD(WindowPart, "zone", CONFIG_NODE, zone, .form = "name of the tz database",
          .without = "UTC", .help = "with its daylight saving", .example = "Europe/Berlin"),
    FIELD(WindowPart, "cutoff", CONFIG_DURATION, cutoff_ms, .max = 86400000, .without = "0",
          .help = "no shard is begun so long before it closes", .example = "30m"),
};
static const ConfigTable window_table = CONFIG_TABLE_OF(WindowPart, window_fields);

static const ConfigField fields[] = {
    FIELD(SpecFile, "rollout", CONFIG_NAME, rollout, .required = true,
          .help = "name; free again when the rollout of that name is over",
          .example = "add-user-bio"),
    FIELD(SpecFile, "bundle", CONFIG_PATH, bundle, .required = true,
          .help = "the signed bundle; relative to this file",
          .example = "build/forge-2026.11.bundle"),
    FIELD(SpecFile, "target", CONFIG_STRING, target, .without = "`head`",
          .help = "a revision, `head`, `heads` or `+N`", .example = "007_add_user_bio"),
    FIELD(SpecFile, "downgrade", CONFIG_STRING, downgrade, .without = "none",
          .help = "a revision, or `base`, to go back to; instead of `target`",
          .example = "006_add_push_subscriptions"),
    FIELD(SpecFile, "select", CONFIG_STRING, select, .without = "every shard",
          .help = "which shards: labels, host, cluster, database, schema",
          .example = "tier in (free, pro) and not canary"),
    FIELD(SpecFile, "waves", CONFIG_NODE, waves, .form = "size, or list of waves",
          .without = "one with everything", .help = "see [waves](#waves)",
          .example = "[1, 5, \"20%\"]"),
    FIELD(SpecFile, "order", CONFIG_STRING, order,
          .form = "`inventory`, `smallest-first`, `random`, `random(SEED)`",
          .help = "of the shards in the plan; a seed that was drawn is printed",
          .example = "random(42)"),
    FIELD(SpecFile, "concurrency", CONFIG_TABLE, concurrency, .table = &concurrency_table,
          .without = "", .help = "how many jobs may be at work at a time",
          .example = "{fleet: 50, host: 4}"),
    FIELD(SpecFile, "budget", CONFIG_TABLE, budget, .table = &budget_table, .without = "",
          .help = "failures allowed: one more stops the rollout",
          .example = "{wave: 1, fleet: 1%}"),
    FIELD(SpecFile, "on-shard-failure", CONFIG_ENUM, on_shard_failure, .words = shard_failure_words,
          .help = "each time a shard fails: it stays at its last completed step, or comes back",
          .example = "rollback"),
    FIELD(SpecFile, "on-failure", CONFIG_ENUM, on_failure, .words = failure_words,
          .help = "once, when a budget is exceeded or a gate fails", .example = "rollback-wave"),
    FIELD(SpecFile, "backup", CONFIG_TABLE, backup, .table = &backup_table, .without = "",
          .help = "of each shard before its first step", .example = "{method: dump, keep: 5}"),
    FIELD(SpecFile, "locks", CONFIG_TABLE, locks, .table = &locks_table, .without = "",
          .help = "waiting for locks", .example = "{timeout: 2s, attempts: 10}"),
    FIELD(SpecFile, "backfill", CONFIG_TABLE, backfill, .table = &backfill_table, .without = "",
          .help = "how gently `-- +batch` goes about a server",
          .example = "{target: 500ms, wal-rate: 16MiB}"),
    FIELD(SpecFile, "statement-timeout", CONFIG_DURATION, statement_timeout_ms, .min = 0,
          .max = 86400000, .without = "none", .help = "of each statement", .example = "10m"),
    FIELD(SpecFile, "rollback-until", CONFIG_DURATION, rollback_until_ms, .min = 60000,
          .max = 2592000000,
          .help = "how long after a shard's first step the policy may take it back",
          .example = "48h"),
    FIELD(SpecFile, "unknown-deadline", CONFIG_DURATION, unknown_deadline_ms, .min = 1000,
          .max = 86400000, .help = "a shard in doubt counts as failed after this", .example = "5m"),
    FIELD(SpecFile, "progress-deadline", CONFIG_DURATION, progress_deadline_ms, .min = 1000,
          .max = 604800000, .without = "never",
          .help = "it stops when no shard gets on for so long while it is at work: not while "
                  "paused, braked, baking, at a gate or outside of windows",
          .example = "30m"),
    FIELD(SpecFile, "bake-min", CONFIG_DURATION, bake_min_ms, .max = 604800000,
          .help = "each wave but the last bakes at least so long, whatever its own `bake`",
          .example = "10m"),
    FIELD(SpecFile, "approvals", CONFIG_INTEGER, approvals, .min = 0, .max = 20,
          .help = "operators who must approve, the author not counted", .example = "2"),
    FIELD(SpecFile, "rehearsal", CONFIG_NODE, rehearsal, .form = "`required`", .without = "none",
          .help = "no plan is made without a rehearsal of its bundle", .example = "required"),
    FIELD(SpecFile, "drift", CONFIG_ENUM, drift, .words = drift_words,
          .help =
              "of shards whose schema has drifted: the plan names them, is made without them, or "
              "is not made, and not started",
          .example = "refuse"),
    FIELD(SpecFile, "gates", CONFIG_TABLES, gates, .table = &rollout_gate_table,
          .max = LIMIT_PLAN_GATES, .without = "none", .help = "what lets waves open and end",
          .example = "[{name: look, person: check the error rate}]"),
    FIELD(SpecFile, "requires", CONFIG_TABLES, requires, .table = &rollout_require_table,
          .max = LIMIT_PLAN_REQUIRES, .without = "none",
          .help = "rollouts that must have succeeded with the same bundle before the start",
          .example = "[{labels: {env: staging}}]"),
    FIELD(SpecFile, "contract", CONFIG_TABLE, contract, .table = &rollout_contract_table),
    FIELD(SpecFile, "windows", CONFIG_TABLES, windows, .table = &window_table,
          .max = LIMIT_PLAN_WINDOWS, .without = "always", .help = "when shards may be begun",
          .example = "[{days: mon-thu, from: \"01:00\", to: \"05:00\"}]"),
    FIELD(SpecFile, "newcomers", CONFIG_NODE, newcomers, .form = "`hold`", .without = "`hold`",
          .help = "shards that come after planning are not taken in", .example = "hold"),
};
static const ConfigTable table = CONFIG_TABLE_OF(SpecFile, fields);

static const SpecFile defaults = {
    .target = "",
    .downgrade = "",
    .select = "",
    .order = "inventory",
    .concurrency = {.fleet = 200, .host = 8, .cluster = 4, .database = 1},
    .on_shard_failure = PGTIDE__V1__ON_SHARD_FAILURE__ON_SHARD_FAILURE_STAY,
    .on_failure = PGTIDE__V1__ON_FAILURE__ON_FAILURE_PAUSE,
    .backup = {.method = PGTIDE__V1__BACKUP_METHOD__BACKUP_METHOD_DUMP,
               .compress = 1,
               .verify = true,
               .keep = 3},
    .contract = {.gate = "", .shards = ""},
    .locks = {.timeout_ms = 500, .attempts = 30},
    .backfill = BACKFILL_PART_DEFAULT,
    .rollback_until_ms = 24ULL * 3600 * 1000,
    .unknown_deadline_ms = 120000,
    .approvals = 1,
    .drift = PGTIDE__V1__DRIFT_POLICY__DRIFT_POLICY_TELL,
};

/* "5%" or "3". */
static bool amount_parse(const char *text, bool *ret_percent, uint32_t *ret_value)
{
    char *end;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    unsigned long value = strtoul(text, &end, 10);
    bool percent = *end == '%';
    if (end[percent] != '\0' || value > (percent ? 100 : LIMIT_PLAN_SHARDS))
        return false;
    *ret_percent = percent;
    *ret_value = (uint32_t)value;
    return true;
}

static Pgtide__V1__BudgetSpec *budget_read(Arena *arena, Config *config, const ConfigNode *node)
{
    Pgtide__V1__BudgetSpec *budget = ARENA_NEW(arena, Pgtide__V1__BudgetSpec);
    pgtide__v1__budget_spec__init(budget);
    bool percent = false;
    uint32_t value = 0;
    if (node != NULL && !amount_parse(config_node_text(node), &percent, &value))
        config_problem_type(config, node, "a number of shards or a percentage like 5%");
    budget->is_percent = percent;
    budget->count = percent ? 0 : value;
    budget->percent = percent ? value : 0;
    return budget;
}

static void scope_add(Arena *arena, Config *config, const char *label, const ConfigNode *node,
                      Pgtide__V1__MakePlan *plan)
{
    Pgtide__V1__ScopeBudget *budget = ARENA_NEW(arena, Pgtide__V1__ScopeBudget);
    pgtide__v1__scope_budget__init(budget);
    bool percent = false;
    budget->label = proto_from_text(label);
    if (!amount_parse(config_node_text(node), &percent, &budget->value))
        config_problem_type(config, node, "a number of shards or a percentage like 5%");
    budget->is_percent = percent;
    plan->budgets[plan->n_budgets++] = budget;
}

/* `host: 1` and `labels: {tier: 2}`. */
static void scopes_read(Arena *arena, Config *config, const BudgetPart *part,
                        Pgtide__V1__MakePlan *plan)
{
    bool mapping = part->labels != NULL && config_node_kind(part->labels) == CONFIG_NODE_MAPPING;
    size_t labels = mapping ? config_node_count(part->labels) : 0;
    plan->budgets = ARENA_ARRAY(arena, Pgtide__V1__ScopeBudget *, labels + 1);
    if (part->host != NULL)
        scope_add(arena, config, "", part->host, plan);
    if (part->labels != NULL && (!mapping || labels >= LIMIT_PLAN_BUDGETS))
        config_problem_type(config, part->labels, "a mapping of labels to numbers or percentages");
    for (size_t i = 0; i < labels && labels < LIMIT_PLAN_BUDGETS; i++)
        scope_add(arena, config, config_node_key(part->labels, i),
                  config_node_item(part->labels, i), plan);
}

/* "rest", "5%" or "3". */
static bool wave_size(const char *text, Pgtide__V1__WaveSpec *wave)
{
    bool percent;
    uint32_t value;
    if (text != NULL && strcmp(text, "rest") == 0) {
        wave->rest = true;
        return true;
    }
    if (!amount_parse(text, &percent, &value) || value == 0)
        return false;
    if (percent)
        wave->percent = value;
    else
        wave->count = value;
    return true;
}

typedef struct WavePart {
    LabelList labels;
    const ConfigNode *size;
    int64_t coverage;
    uint64_t bake_ms;
} WavePart;

static const ConfigField wave_fields[] = {
    FIELD(WavePart, "labels", CONFIG_LABELS, labels, .without = "",
          .help = "the shards with all of these labels that no earlier wave has",
          .example = "{canary: \"true\"}"),
    FIELD(WavePart, "size", CONFIG_NODE, size, .form = "number, percentage or `rest`",
          .without = "", .help = "how many; beside `labels` a number: so many of those",
          .example = "5%"),
    FIELD(WavePart, "coverage", CONFIG_INTEGER, coverage, .min = 1, .max = 1000, .without = "",
          .help = "so many, chosen to show what the others are like", .example = "4"),
    FIELD(WavePart, "bake", CONFIG_DURATION, bake_ms, .max = 604800000,
          .help = "wait after its last shard, before the next wave", .example = "30m"),
};
static const ConfigTable wave_table = CONFIG_TABLE_OF(WavePart, wave_fields);

Pgtide__V1__Label **rollout_labels_make(Arena *arena, const LabelList *labels)
{
    Pgtide__V1__Label **items = ARENA_ARRAY(arena, Pgtide__V1__Label *, labels->count + 1);
    for (size_t i = 0; i < labels->count; i++) {
        items[i] = ARENA_NEW(arena, Pgtide__V1__Label);
        pgtide__v1__label__init(items[i]);
        items[i]->key = proto_from_text(labels->items[i].key);
        items[i]->value = proto_from_text(labels->items[i].value);
    }
    return items;
}

/* One way to say which shards; labels may be cut short by a count. */
static void wave_check(Config *config, const ConfigNode *node, const char *name,
                       const Pgtide__V1__WaveSpec *wave)
{
    bool sized = wave->count > 0 || wave->percent > 0 || wave->rest;
    if (wave->n_labels == 0 && !sized && wave->coverage == 0)
        config_problem(config, node, "wave '%s' needs labels, a size or coverage", name);
    else if (wave->coverage > 0 && (sized || wave->n_labels > 0))
        config_problem(config, node, "wave '%s' is chosen by coverage, without labels or a size",
                       name);
    else if (wave->n_labels > 0 && sized && wave->count == 0)
        config_problem(config, node,
                       "wave '%s' takes all shards with its labels, or a number of them", name);
}

/* `5%`, `rest`, `canary: {labels: {...}, size: 1, bake: 30m}` or `quarter: 25%`. */
static void wave_read(Arena *arena, Config *config, const ConfigNode *node,
                      Pgtide__V1__WaveSpec *wave)
{
    static const char expected[] = "a size (3, 5%, rest) or NAME: {labels, size, coverage, bake}";
    if (config_node_kind(node) == CONFIG_NODE_SCALAR) {
        wave->name = proto_from_text(config_node_text(node));
        if (!wave_size(config_node_text(node), wave))
            config_problem_type(config, node, expected);
        return;
    }
    if (config_node_kind(node) != CONFIG_NODE_MAPPING || config_node_count(node) != 1) {
        config_problem_type(config, node, expected);
        return;
    }
    const char *name = config_node_key(node, 0);
    const ConfigNode *value = config_node_item(node, 0);
    bool named_by_size = wave_size(name, wave);
    wave->name = proto_from_text(name);
    if (config_node_kind(value) == CONFIG_NODE_SCALAR) {
        if (named_by_size || !wave_size(config_node_text(value), wave))
            config_problem_type(config, value, "a size (3, 5%, rest)");
        return;
    }
    WavePart part = {0};
    if (!config_read(config, value, &wave_table, &part))
        return;
    if (part.size != NULL && (named_by_size || !wave_size(config_node_text(part.size), wave)))
        config_problem_type(config, part.size, "a size (3, 5%, rest)");
    wave->n_labels = part.labels.count;
    wave->labels = rollout_labels_make(arena, &part.labels);
    wave->bake_ms = (uint32_t)part.bake_ms;
    wave->coverage = (uint32_t)part.coverage;
    wave_check(config, value, name, wave);
}

static void waves_read(Arena *arena, Config *config, const ConfigNode *node,
                       Pgtide__V1__MakePlan *plan)
{
    bool scalar = node != NULL && config_node_kind(node) == CONFIG_NODE_SCALAR;
    size_t count = node == NULL || scalar ? 1 : config_node_count(node);
    if (node != NULL && !scalar &&
        (config_node_kind(node) != CONFIG_NODE_SEQUENCE || count == 0 ||
         count > LIMIT_PLAN_WAVES)) {
        config_problem_type(config, node, "a list of waves");
        return;
    }
    plan->n_waves = count;
    plan->waves = ARENA_ARRAY(arena, Pgtide__V1__WaveSpec *, count);
    for (size_t i = 0; i < count; i++) {
        plan->waves[i] = ARENA_NEW(arena, Pgtide__V1__WaveSpec);
        pgtide__v1__wave_spec__init(plan->waves[i]);
        if (node != NULL) {
            wave_read(arena, config, scalar ? node : config_node_item(node, i), plan->waves[i]);
            if (plan->waves[i]->rest && i + 1 < count)
                config_problem(config, config_node_item(node, i + 1),
                               "no shard is left after `rest`");
            continue;
        }
        plan->waves[i]->name = proto_from_text("all");
        plan->waves[i]->rest = true;
    }
}

/* "random(42)" */
static void order_read(Config *config, const char *text, Pgtide__V1__MakePlan *plan)
{
    static const char random_word[] = "random";
    char *end = NULL;
    plan->order = strcmp(text, "inventory") == 0        ? PGTIDE__V1__ORDER__ORDER_INVENTORY
                  : strcmp(text, "smallest-first") == 0 ? PGTIDE__V1__ORDER__ORDER_SMALLEST_FIRST
                                                        : PGTIDE__V1__ORDER__ORDER_RANDOM;
    if (plan->order != PGTIDE__V1__ORDER__ORDER_RANDOM)
        return;
    const char *rest = text + strlen(random_word);
    bool good = str_starts_with(text, random_word);
    if (good && *rest != '\0') {
        good = rest[0] == '(' && rest[1] >= '0' && rest[1] <= '9';
        plan->seed = good ? strtoull(rest + 1, &end, 10) : 0;
        good = good && strcmp(end, ")") == 0 && plan->seed > 0;
    }
    if (!good)
        config_problem_type(config, config_node_get(config_root(config), "order"),
                            "inventory, smallest-first, random or random(SEED)");
}

static int day_read(const char *text, size_t length)
{
    static const char *const names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    for (int i = 0; i < 7; i++) {
        if (strlen(names[i]) == length && strncmp(text, names[i], length) == 0)
            return i;
    }
    return -1;
}

/* "fri", or "fri-mon" over the end of the week. */
static bool days_add(const char *text, uint32_t *days)
{
    size_t length = text == NULL ? 0 : strcspn(text, "-");
    int first = text == NULL ? -1 : day_read(text, length);
    int last = first >= 0 && text[length] == '-'
                   ? day_read(text + length + 1, strlen(text + length + 1))
                   : first;
    if (first < 0 || last < 0)
        return false;
    for (int day = first;; day = (day + 1) % 7) {
        *days |= 1U << day;
        if (day == last)
            return true;
    }
}

static uint32_t days_read(Config *config, const ConfigNode *node)
{
    static const char expected[] = "days such as mon-thu or a list of them";
    if (node == NULL)
        return WINDOW_DAYS_ALL;
    uint32_t days = 0;
    bool list = config_node_kind(node) == CONFIG_NODE_SEQUENCE;
    size_t count = list ? config_node_count(node) : 1;
    bool good = count > 0;
    for (size_t i = 0; i < count && good; i++)
        good = days_add(config_node_text(list ? config_node_item(node, i) : node), &days);
    if (!good)
        config_problem_type(config, node, expected);
    return days;
}

static uint32_t minute_read(Config *config, const ConfigNode *node)
{
    const char *text = config_node_text(node);
    bool good = text != NULL && strlen(text) == 5 && strspn(text, "0123456789:") == 5 &&
                text[2] == ':' && strchr(text + 3, ':') == NULL && text[1] != ':';
    unsigned hour = good ? (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0') : 24;
    unsigned minute = good ? (unsigned)(text[3] - '0') * 10 + (unsigned)(text[4] - '0') : 60;
    if (hour > 23 || minute > 59) {
        config_problem_type(config, node, "a time of day like \"01:30\", in quotes");
        return 0;
    }
    return hour * 60 + minute;
}

static void windows_read(Arena *arena, Config *config, const ConfigList *list,
                         const ConfigNode *node, Pgtide__V1__MakePlan *plan)
{
    const WindowPart *parts = list->items;
    plan->n_windows = list->count;
    plan->windows = ARENA_ARRAY(arena, Pgtide__V1__Window *, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        Pgtide__V1__Window *window = ARENA_NEW(arena, Pgtide__V1__Window);
        pgtide__v1__window__init(window);
        const char *zone = parts[i].zone == NULL ? "UTC" : config_node_text(parts[i].zone);
        window->days = days_read(config, parts[i].days);
        window->from_minute = minute_read(config, parts[i].from);
        window->to_minute = minute_read(config, parts[i].to);
        window->cutoff_ms = (uint32_t)parts[i].cutoff_ms;
        window->zone = proto_from_text(zone == NULL ? "" : zone);
        plan->windows[i] = window;
        if (zone == NULL || !window_zone_exists(zone))
            config_problem_type(config, parts[i].zone, "a time zone such as Europe/Berlin");
        else if (window->from_minute == window->to_minute)
            config_problem(config, config_node_item(node, i), "the window has no length");
    }
}

static void label_caps_read(Arena *arena, Config *config, const ConfigNode *node,
                            Pgtide__V1__Concurrency *concurrency)
{
    bool mapping = node != NULL && config_node_kind(node) == CONFIG_NODE_MAPPING;
    size_t count = mapping ? config_node_count(node) : 0;
    if (node != NULL && (!mapping || count == 0 || count > LABEL_CAPS_MAX)) {
        config_problem_type(config, node, "a mapping of at most 8 labels to numbers: {volume: 2}");
        return;
    }
    concurrency->labels = ARENA_ARRAY(arena, Pgtide__V1__LabelCap *, count + 1);
    concurrency->n_labels = count;
    for (size_t i = 0; i < count; i++) {
        Pgtide__V1__LabelCap *cap = ARENA_NEW(arena, Pgtide__V1__LabelCap);
        pgtide__v1__label_cap__init(cap);
        bool percent = false;
        cap->label = proto_from_text(config_node_key(node, i));
        if (!amount_parse(config_node_text(config_node_item(node, i)), &percent, &cap->cap) ||
            percent || cap->cap == 0)
            config_problem_type(config, config_node_item(node, i), "a number of jobs, at least 1");
        concurrency->labels[i] = cap;
    }
}

static void bake_at_least(uint64_t bake_min_ms, Pgtide__V1__MakePlan *plan)
{
    for (size_t i = 0; i < plan->n_waves; i++) {
        if (plan->waves[i]->bake_ms < bake_min_ms)
            plan->waves[i]->bake_ms = (uint32_t)bake_min_ms;
    }
}

/* Each key belongs to a method: one that would do nothing is refused. */
static void backup_check(Config *config, const BackupPart *backup)
{
    const ConfigNode *node = config_node_get(config_root(config), "backup");
    bool dump = backup->method == PGTIDE__V1__BACKUP_METHOD__BACKUP_METHOD_DUMP;
    bool directory = backup->method == PGTIDE__V1__BACKUP_METHOD__BACKUP_METHOD_DIRECTORY;
    bool command = backup->method == PGTIDE__V1__BACKUP_METHOD__BACKUP_METHOD_COMMAND;
    if (command && backup->command == NULL)
        config_problem(config, node, "'backup.method: command' needs 'backup.command'");
    if (!command && backup->command != NULL)
        config_problem(config, node, "'backup.command' needs 'backup.method: command'");
    if (!directory && backup->jobs != 0)
        config_problem(config, node, "'backup.jobs' needs 'backup.method: directory'");
    if (!dump && backup->encrypt)
        config_problem(config, node,
                       "'backup.encrypt' needs 'backup.method: dump': pg_dump writes a directory "
                       "as it is, and a command encrypts by itself");
    if (!dump && !directory && backup->restore_test)
        config_problem(config, node,
                       "'backup.restore-test' needs 'backup.method: dump' or 'directory'");
}

static uint32_t lock_budget_read(Config *config, const ConfigNode *node)
{
    uint32_t ms = LOCK_BUDGET_DEFAULT_MS;
    const char *text = node == NULL ? NULL : config_node_text(node);
    if (node != NULL && (text == NULL || !lock_budget_parse(text, &ms)))
        config_problem(config, node, "'locks.budget' must be 100ms to 10m, or none");
    return ms;
}

static Pgtide__V1__Policy *policy_make(Arena *arena, Config *config, const SpecFile *file)
{
    Pgtide__V1__Policy *policy = ARENA_NEW(arena, Pgtide__V1__Policy);
    pgtide__v1__policy__init(policy);
    policy->concurrency = ARENA_NEW(arena, Pgtide__V1__Concurrency);
    pgtide__v1__concurrency__init(policy->concurrency);
    policy->concurrency->fleet = (uint32_t)file->concurrency.fleet;
    policy->concurrency->host = (uint32_t)file->concurrency.host;
    policy->concurrency->cluster = (uint32_t)file->concurrency.cluster;
    policy->concurrency->database = (uint32_t)file->concurrency.database;
    label_caps_read(arena, config, file->concurrency.labels, policy->concurrency);
    policy->backup = ARENA_NEW(arena, Pgtide__V1__BackupPolicy);
    pgtide__v1__backup_policy__init(policy->backup);
    policy->backup->method = (Pgtide__V1__BackupMethod)file->backup.method;
    policy->backup->compress = (uint32_t)file->backup.compress;
    policy->backup->verify = file->backup.verify;
    policy->backup->keep = (uint32_t)file->backup.keep;
    policy->backup->command = proto_from_text(file->backup.command);
    policy->backup->encrypt = file->backup.encrypt;
    policy->backup->restore_test = file->backup.restore_test;
    if (file->backup.method == PGTIDE__V1__BACKUP_METHOD__BACKUP_METHOD_DIRECTORY)
        policy->backup->jobs = file->backup.jobs == 0 ? BACKUP_JOBS : (uint32_t)file->backup.jobs;
    policy->on_shard_failure = (Pgtide__V1__OnShardFailure)file->on_shard_failure;
    policy->on_failure = (Pgtide__V1__OnFailure)file->on_failure;
    policy->lock_timeout_ms = (uint32_t)file->locks.timeout_ms;
    policy->lock_attempts = (uint32_t)file->locks.attempts;
    policy->lock_budget_ms = lock_budget_read(config, file->locks.budget);
    policy->statement_timeout_ms = (uint32_t)file->statement_timeout_ms;
    policy->approvals = (uint32_t)file->approvals;
    policy->rehearsal_required = file->rehearsal != NULL;
    policy->drift = (Pgtide__V1__DriftPolicy)file->drift;
    policy->rollback_until_ms = file->rollback_until_ms;
    policy->unknown_deadline_ms = (uint32_t)file->unknown_deadline_ms;
    policy->progress_deadline_ms = (uint32_t)file->progress_deadline_ms;
    const ConfigNode *node = config_node_get(config_root(config), "backfill");
    const BackfillPolicy backfill = backfill_policy_read(config, node, &file->backfill);
    policy->backfill = backfill_encode(arena, &backfill);
    return policy;
}

static bool says(const ConfigNode *node, const char *word)
{
    const char *text = config_node_text(node);
    return text != NULL && strcmp(text, word) == 0;
}

static void unsupported_refuse(Config *config, const SpecFile *file)
{
    if (file->rehearsal != NULL && !says(file->rehearsal, "required"))
        config_problem(config, file->rehearsal, "'rehearsal' can only be 'required'");
    if (file->newcomers != NULL && !says(file->newcomers, "hold"))
        config_problem(
            config, file->newcomers,
            "'newcomers' can only be 'hold': what was approved does not grow; plan again "
            "for those that came later");
}

ErrCode rollout_spec_read(Arena *arena, const char *path, RolloutSpec *ret_spec, Error *err)
{
    Config *config;
    ErrCode code = config_open(arena, path, &config, err);
    if (code != ERR_OK)
        return code;
    SpecFile file = defaults;
    RolloutSpec spec = {.plan = PGTIDE__V1__MAKE_PLAN__INIT};
    if (config_read(config, config_root(config), &table, &file)) {
        unsupported_refuse(config, &file);
        if (file.target[0] != '\0' && file.downgrade[0] != '\0')
            config_problem(config, config_node_get(config_root(config), "downgrade"),
                           "'target' and 'downgrade' exclude each other");
        waves_read(arena, config, file.waves, &spec.plan);
        bake_at_least(file.bake_min_ms, &spec.plan);
        spec.plan.policy = policy_make(arena, config, &file);
        order_read(config, file.order, &spec.plan);
        rollout_gates_read(arena, config, &file.gates,
                           config_node_get(config_root(config), "gates"), &spec.plan);
        rollout_requires_read(arena, config, &file.requires,
                              config_node_get(config_root(config), "requires"), &spec);
        rollout_contract_read(arena, &file.contract, &spec.plan);
        windows_read(arena, config, &file.windows, config_node_get(config_root(config), "windows"),
                     &spec.plan);
        spec.plan.budget_wave = budget_read(arena, config, file.budget.wave);
        spec.plan.budget_fleet = budget_read(arena, config, file.budget.fleet);
        scopes_read(arena, config, &file.budget, &spec.plan);
        backup_check(config, &file.backup);
    }
    code = config_finish(config, err);
    if (code != ERR_OK)
        return code;
    bool down = file.downgrade[0] != '\0';
    spec.path = path;
    spec.bundle = file.bundle;
    spec.plan.name = proto_from_text(file.rollout);
    spec.plan.direction = down ? PGTIDE__V1__DIRECTION__DIRECTION_DOWNGRADE
                               : PGTIDE__V1__DIRECTION__DIRECTION_UPGRADE;
    spec.plan.target = proto_from_text(down                     ? file.downgrade
                                       : file.target[0] == '\0' ? "head"
                                                                : file.target);
    spec.plan.select = proto_from_text(file.select);
    *ret_spec = spec;
    return ERR_OK;
}

/* The template's lines `@KEYS@` and `@WAVE_KEYS@` stand for the rows of the two tables. */
void rollout_spec_markdown(const char *page, Str *out)
{
    static const WavePart no_wave;
    static const struct {
        const char *line;
        const ConfigTable *table;
        const void *defaults;
    } parts[] = {{"@KEYS@\n", &table, &defaults}, {"@WAVE_KEYS@\n", &wave_table, &no_wave}};
    while (*page != '\0') {
        size_t length = strcspn(page, "\n");
        length += page[length] == '\n';
        bool taken = false;
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            if (strncmp(page, parts[i].line, length) != 0 || length != strlen(parts[i].line))
                continue;
            config_markdown(parts[i].table, parts[i].defaults, "", out);
            taken = true;
        }
        if (!taken)
            str_append_bytes(out, page, length);
        page += length;
    }
}
