#include "plan.h"

#include "names.h"

#include <stdlib.h>
#include <string.h>

const char *on_shard_failure_name(OnShardFailure value)
{
    return value == ON_SHARD_FAILURE_ROLLBACK ? "rollback" : "stay";
}

const char *drift_policy_name(DriftPolicy value)
{
    static const char *const names[DRIFT_POLICY_COUNT] = {"tell", "tell", "leave-out", "refuse"};
    return names[value];
}

const char *on_failure_name(OnFailure value)
{
    switch (value) {
    case ON_FAILURE_ROLLBACK_WAVE:
        return "rollback-wave";
    case ON_FAILURE_ROLLBACK_ROLLOUT:
        return "rollback-rollout";
    default:
        return "pause";
    }
}

static const char *const method_names[BACKUP_METHOD_COUNT] = {"unspecified", "none", "dump",
                                                              "directory", "command"};

const char *backup_method_name(BackupMethod method)
{
    return (unsigned)method < BACKUP_METHOD_COUNT ? method_names[method] : method_names[0];
}

BackupMethod backup_method_from_name(const char *name)
{
    for (int i = BACKUP_METHOD_NONE; i < BACKUP_METHOD_COUNT; i++) {
        if (strcmp(method_names[i], name) == 0)
            return (BackupMethod)i;
    }
    return BACKUP_METHOD_UNSPECIFIED;
}

const char *gate_kind_name(GateKind kind)
{
    static const char *const names[GATE_KIND_COUNT] = {
        [GATE_KIND_SQL] = "sql",         [GATE_KIND_LAG] = "lag",
        [GATE_KIND_LOAD] = "load",       [GATE_KIND_PROMETHEUS] = "prometheus",
        [GATE_KIND_COMMAND] = "command", [GATE_KIND_PERSON] = "person",
        [GATE_KIND_DRIFT] = "drift",     [GATE_KIND_COMPAT] = "compat",
    };
    return (unsigned)kind < GATE_KIND_COUNT && names[kind] != NULL ? names[kind] : "";
}

static void append_encoded(Str *out, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL)
            str_append_char(out, *text);
        else
            str_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

const char *shard_display_name(Arena *arena, const char *cluster, const char *database,
                               const char *schema)
{
    AUTO_STR Str name = {0};
    append_encoded(&name, cluster);
    str_append_char(&name, '/');
    append_encoded(&name, database);
    if (schema[0] != '\0') {
        str_append_char(&name, '/');
        append_encoded(&name, schema);
    }
    return arena_strdup(arena, str_text(&name));
}

/* Shards without the label, and of each value of it no more than the cap. */
static size_t flying_by_label(const LabelCap *cap, const PlanShard *shards, size_t count)
{
    Names *values = names_new();
    uint32_t *seen = xcalloc(count + 1, sizeof *seen);
    size_t flying = 0;
    for (size_t i = 0; i < count; i++) {
        const char *value = label_value(&shards[i].labels, cap->label);
        if (value == NULL || seen[names_add(values, value, "")]++ < cap->cap)
            flying++;
    }
    free(seen);
    names_free(values);
    return flying;
}

uint32_t plan_flying_max(const Concurrency *caps, const PlanShard *shards, size_t count)
{
    size_t flying = caps->fleet != 0 && caps->fleet < count ? caps->fleet : count;
    for (size_t i = 0; i < caps->label_count; i++) {
        size_t some = flying_by_label(&caps->labels[i], shards, count);
        flying = some < flying ? some : flying;
    }
    return (uint32_t)flying;
}

uint32_t plan_worst_case(uint64_t budget, uint64_t flying, uint64_t count)
{
    uint64_t worst = budget + (flying != 0 ? flying : count);
    return (uint32_t)(worst < count ? worst : count);
}
