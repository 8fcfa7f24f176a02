#include "rollout_spec_parts.h"

#include "proto_read.h"

typedef struct RequirePart {
    const char *rollout;
    LabelList labels;
    const char *evidence;
    const char *trust;
} RequirePart;

static const ConfigField require_fields[] = {
    FIELD(RequirePart, "rollout", CONFIG_NAME, rollout, .without = "any rollout of the same bundle",
          .help = "its name", .example = "staging-bio"),
    FIELD(RequirePart, "labels", CONFIG_LABELS, labels, .without = "no shard by name",
          .help = "every shard of the fleet with all of these labels must have been brought there",
          .example = "{env: staging}"),
    FIELD(RequirePart, "evidence", CONFIG_PATH, evidence, .without = "a rollout of this fleet",
          .help = "file of `rollout evidence` of another fleet; checked when the plan is made, and "
                  "named in it by its digest; relative to this file",
          .example = "staging.evidence"),
    FIELD(RequirePart, "trust", CONFIG_PATH, trust, .without = "none",
          .help = "that fleet's trust file; needed with `evidence`", .example = "staging.trust"),
};
static const RequirePart require_defaults = {
    .rollout = "",
    .evidence = "",
    .trust = "",
};
const ConfigTable rollout_require_table = {.fields = require_fields,
                                           .count =
                                               sizeof require_fields / sizeof require_fields[0],
                                           .size = sizeof(RequirePart),
                                           .defaults = &require_defaults};

static void check(Config *config, const ConfigNode *item, const RequirePart *part)
{
    bool evidence = part->evidence[0] != '\0';
    if (!evidence && part->rollout[0] == '\0' && part->labels.count == 0)
        config_problem(config, item,
                       "a requirement needs `labels`, `rollout`, or both, or `evidence`");
    if (evidence && part->labels.count > 0)
        config_problem(config, item,
                       "`labels` are this fleet's: they don't go together with `evidence`");
    if (evidence != (part->trust[0] != '\0'))
        config_problem(config, item,
                       evidence ? "`evidence` needs `trust`, the trust file of its fleet"
                                : "`trust` belongs to `evidence`");
}

void rollout_requires_read(Arena *arena, Config *config, const ConfigList *list,
                           const ConfigNode *node, RolloutSpec *spec)
{
    const RequirePart *parts = list->items;
    Pgtide__V1__MakePlan *plan = &spec->plan;
    plan->n_requires = list->count;
    plan->requires = ARENA_ARRAY(arena, Pgtide__V1__Requirement *, list->count + 1);
    spec->evidence = ARENA_ARRAY(arena, EvidenceAsked, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        const ConfigNode *item = config_node_item(node, i);
        Pgtide__V1__Requirement *required = ARENA_NEW(arena, Pgtide__V1__Requirement);
        pgtide__v1__requirement__init(required);
        required->rollout = proto_from_text(parts[i].rollout);
        required->n_labels = parts[i].labels.count;
        required->labels = rollout_labels_make(arena, &parts[i].labels);
        plan->requires[i] = required;
        check(config, item, &parts[i]);
        if (parts[i].evidence[0] != '\0')
            spec->evidence[spec->evidence_count++] = (EvidenceAsked){
                .index = i,
                .path = parts[i].evidence,
                .trust = parts[i].trust,
                .line = config_node_line(item),
            };
    }
}
