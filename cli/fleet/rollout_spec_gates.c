#include "rollout_spec_parts.h"

#include "compat_gate.h"
#include "condition.h"
#include "named_limits.h"
#include "proto_read.h"

#include <string.h>

typedef struct GatePart {
    const char *name;
    const char *person;
    const char *command;
    const char *sql;
    const char *prometheus;
    const char *success;
    const char *failure;
    uint64_t lag_max_ms;
    const char *compat;
    bool drift;
    uint64_t window_ms;
    StrList ignore;
    int64_t active_max;
    int64_t waiting_max;
    StrList when;
    uint64_t interval_ms;
    int64_t attempts;
    uint64_t timeout_ms;
} GatePart;

static const ConfigField gate_fields[] = {
    FIELD(GatePart, "name", CONFIG_STRING, name, .required = true, .max = 63, .help = "for people",
          .example = "\"users readable\""),
    FIELD(GatePart, "person", CONFIG_STRING, person,
          .help = "somebody resumes the rollout; the text says what to look at",
          .example = "\"look at the error rate\""),
    FIELD(GatePart, "command", CONFIG_NAME, command,
          .help = "one of the coordinator's gate-commands", .example = "ask"),
    FIELD(GatePart, "sql", CONFIG_STRING, sql, .max = LIMIT_GATE_TEXT_BYTES,
          .help = "one SELECT, run read-only by the agents on each shard of the wave (before: all "
                  "of them; during, after: those migrated): true, false, or NULL",
          .example = "\"SELECT count(*) >= 0 FROM users\""),
    FIELD(GatePart, "prometheus", CONFIG_STRING, prometheus, .max = LIMIT_GATE_TEXT_BYTES,
          .help = "a query that the coordinator's Prometheus is asked; needs `success` or "
                  "`failure`",
          .example = "\"sum(rate(errors[5m]))\""),
    FIELD(GatePart, "success", CONFIG_STRING, success, .max = 1024,
          .help = "of `prometheus`, what must hold of every sample: result < 0.01, or result >= 1 "
                  "and result < 5",
          .without = "what is no failure", .example = "\"result < 0.01\""),
    FIELD(GatePart, "failure", CONFIG_STRING, failure, .max = 1024,
          .help = "of `prometheus`, what makes any sample a failure; what is neither is "
                  "inconclusive",
          .without = "what is no success", .example = "\"result > 0.05\""),
    FIELD(GatePart, "lag-max", CONFIG_DURATION, lag_max_ms, .min = 100, .max = 3600000,
          .help = "replicas of the wave's servers replay within this what is written; below "
                  "`timeout`",
          .without = "none", .example = "10s"),
    FIELD(GatePart, "active-max", CONFIG_INTEGER, active_max, .min = 0, .max = 1000000,
          .help = "sessions active on each of the wave's servers, without pgtide's",
          .without = "any", .example = "50"),
    FIELD(GatePart, "waiting-max", CONFIG_INTEGER, waiting_max, .min = 0, .max = 1000000,
          .help = "of them, sessions waiting for locks", .without = "any", .example = "5"),
    FIELD(GatePart, "drift", CONFIG_BOOL, drift,
          .help =
              "every shard's schema (before: all of the wave's; during, after: of those migrated) "
              "is as expected at its rows, or accepted (docs/drift.md); what is not known is "
              "asked again",
          .without = "no", .example = "true"),
    FIELD(GatePart, "compat", CONFIG_NAME, compat,
          .help = "before a wave, whether anybody on its shards uses what their steps take away "
                  "(docs/compat.md): objects (views, functions, ...), statements as well, or "
                  "strict: what only may, and what can't be told, too",
          .example = "statements"),
    FIELD(GatePart, "window", CONFIG_DURATION, window_ms, .min = 100, .max = 43200000,
          .help = "of `compat`: statements count that are called in this time, on top of `timeout`",
          .example = "1h"),
    FIELD(GatePart, "ignore", CONFIG_STRINGS, ignore, .max = LIMIT_GATE_IGNORE,
          .help = "of `compat`: roles whose statements do not count", .without = "none",
          .example = "[reporting]"),
    FIELD(GatePart, "when", CONFIG_STRINGS, when, .max = 3, .help = "before, during, after a wave",
          .without = "`[after]`", .example = "[before, after]"),
    FIELD(GatePart, "interval", CONFIG_DURATION, interval_ms, .min = 100, .max = 86400000,
          .help = "between two looks", .example = "30s"),
    FIELD(GatePart, "attempts", CONFIG_INTEGER, attempts, .min = 1, .max = 1000,
          .help = "errors in a row before it is inconclusive", .example = "10"),
    FIELD(GatePart, "timeout", CONFIG_DURATION, timeout_ms, .min = 100, .max = 86400000,
          .help = "of one look", .example = "20s"),
};
static const GatePart gate_defaults = {.person = "",
                                       .command = "",
                                       .sql = "",
                                       .prometheus = "",
                                       .compat = "",
                                       .window_ms = 600000,
                                       .success = "",
                                       .failure = "",
                                       .active_max = -1,
                                       .waiting_max = -1,
                                       .interval_ms = 10000,
                                       .attempts = 4,
                                       .timeout_ms = 60000};
const ConfigTable rollout_gate_table = {.fields = gate_fields,
                                        .count = sizeof gate_fields / sizeof gate_fields[0],
                                        .size = sizeof(GatePart),
                                        .defaults = &gate_defaults};

static uint32_t when_read(Config *config, const ConfigNode *node, const StrList *words)
{
    static const char *const names[] = {"before", "during", "after"};
    uint32_t when = words->count == 0 ? GATE_AFTER : 0;
    for (size_t i = 0; i < words->count; i++) {
        uint32_t bit = 0;
        for (uint32_t k = 0; k < 3; k++)
            bit |= strcmp(words->items[i], names[k]) == 0 ? 1U << k : 0;
        if (bit == 0)
            config_problem_type(config, config_node_get(node, "when"),
                                "before, during, after, or a list of them");
        when |= bit;
    }
    return when;
}

/* What a gate looks at; UNSPECIFIED when it says nothing, or several things. */
static GateKind gate_kind(const GatePart *part)
{
    bool load = part->active_max >= 0 || part->waiting_max >= 0;
    int said = (part->person[0] != '\0') + (part->command[0] != '\0') + (part->sql[0] != '\0') +
               (part->prometheus[0] != '\0') + (part->lag_max_ms > 0) + load +
               (part->compat[0] != '\0') + part->drift;
    if (said != 1)
        return GATE_KIND_UNSPECIFIED;
    return part->person[0] != '\0'       ? GATE_KIND_PERSON
           : part->command[0] != '\0'    ? GATE_KIND_COMMAND
           : part->sql[0] != '\0'        ? GATE_KIND_SQL
           : part->prometheus[0] != '\0' ? GATE_KIND_PROMETHEUS
           : part->compat[0] != '\0'     ? GATE_KIND_COMPAT
           : part->drift                 ? GATE_KIND_DRIFT
           : load                        ? GATE_KIND_LOAD
                                         : GATE_KIND_LAG;
}

static void gate_fill(Arena *arena, const GatePart *part, GateKind kind, Pgtide__V1__Gate *gate)
{
    gate->name = proto_from_text(part->name);
    gate->kind = (Pgtide__V1__GateKind)kind;
    gate->text = proto_from_text(kind == GATE_KIND_PERSON       ? part->person
                                 : kind == GATE_KIND_COMMAND    ? part->command
                                 : kind == GATE_KIND_PROMETHEUS ? part->prometheus
                                 : kind == GATE_KIND_COMPAT     ? part->compat
                                                                : part->sql);
    gate->success = proto_from_text(part->success);
    gate->failure = proto_from_text(part->failure);
    if (kind == GATE_KIND_LAG)
        gate->limit = part->lag_max_ms;
    if (kind == GATE_KIND_LOAD) {
        gate->limit = part->active_max < 0 ? UINT32_MAX : (uint64_t)part->active_max;
        gate->waiting_max = part->waiting_max < 0 ? UINT32_MAX : (uint64_t)part->waiting_max;
    }
    gate->interval_ms = (uint32_t)part->interval_ms;
    gate->attempts = (uint32_t)part->attempts;
    gate->timeout_ms = (uint32_t)part->timeout_ms;
    if (kind != GATE_KIND_COMPAT)
        return;
    gate->limit = part->window_ms;
    gate->timeout_ms += (uint32_t)part->window_ms;
    gate->n_ignore = part->ignore.count;
    gate->ignore = ARENA_ARRAY(arena, char *, part->ignore.count + 1);
    for (size_t i = 0; i < part->ignore.count; i++)
        gate->ignore[i] = proto_from_text(part->ignore.items[i]);
}

static void gate_conditions_check(Config *config, const ConfigNode *item, const GatePart *part,
                                  GateKind kind)
{
    static const char *const keys[] = {"success", "failure"};
    const char *const texts[] = {part->success, part->failure};
    bool said = texts[0][0] != '\0' || texts[1][0] != '\0';
    Condition condition;
    Error err;
    if (said != (kind == GATE_KIND_PROMETHEUS))
        config_problem(config, item,
                       said ? "gate '%s': `success` and `failure` belong to `prometheus`"
                            : "gate '%s' needs `success` or `failure`",
                       part->name);
    for (size_t i = 0; i < 2 && kind == GATE_KIND_PROMETHEUS; i++) {
        if (texts[i][0] != '\0' && condition_parse(texts[i], &condition, &err) != ERR_OK)
            config_problem(config, config_node_get(item, keys[i]), "gate '%s': %s", part->name,
                           err.message);
    }
}

static void gate_compat_check(Config *config, const ConfigNode *item, const GatePart *part,
                              const Pgtide__V1__Gate *gate)
{
    bool is_compat = gate->kind == PGTIDE__V1__GATE_KIND__GATE_KIND_COMPAT;
    const GatePlan plan = {.name = part->name, .text = part->compat, .when = gate->when};
    Error err;
    if (is_compat && compat_gate_check(&plan, &err) != ERR_OK)
        config_problem(config, item, "%s", err.message);
    if (!is_compat && (config_node_get(item, "window") != NULL || part->ignore.count > 0))
        config_problem(config, item, "gate '%s': `window` and `ignore` belong to `compat`",
                       part->name);
}

void rollout_gates_read(Arena *arena, Config *config, const ConfigList *list,
                        const ConfigNode *node, Pgtide__V1__MakePlan *plan)
{
    const GatePart *parts = list->items;
    plan->n_gates = list->count;
    plan->gates = ARENA_ARRAY(arena, Pgtide__V1__Gate *, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        const GatePart *part = &parts[i];
        Pgtide__V1__Gate *gate = ARENA_NEW(arena, Pgtide__V1__Gate);
        pgtide__v1__gate__init(gate);
        const ConfigNode *item = config_node_item(node, i);
        GateKind kind = gate_kind(part);
        gate_fill(arena, part, kind, gate);
        gate->when = when_read(config, item, &part->when);
        plan->gates[i] = gate;
        if (kind == GATE_KIND_UNSPECIFIED)
            config_problem(config, item,
                           "gate '%s' needs one of `sql`, `lag-max`, `active-max` and "
                           "`waiting-max`, `prometheus`, `compat`, `drift`, `command`, `person`",
                           part->name);
        gate_conditions_check(config, item, part, kind);
        gate_compat_check(config, item, part, gate);
        if (kind == GATE_KIND_PERSON && (gate->when & GATE_DURING) != 0)
            config_problem(config, item, "gate '%s': a person looks before or after a wave",
                           part->name);
        if (kind == GATE_KIND_LAG && part->lag_max_ms >= part->timeout_ms)
            config_problem(config, item, "gate '%s': `lag-max` must be below `timeout`",
                           part->name);
    }
}
