#include "lint_rules.h"

#include <string.h>

static const struct {
    const char *id;
    LintSeverity severity;
} rules[LINT_RULE_COUNT] = {
#define HAZARD(name, id, severity, form) [LINT_##name] = {id, LINT_SEVERITY_##severity},
#define RULE(name, id, severity, decided, class, lock, why, safe)                                  \
    [LINT_##name] = {id, LINT_SEVERITY_##severity},
#include "lint_rules.def"
#undef HAZARD
#undef RULE
};

static const ConfigWord severity_words[] = {{"error", LINT_SEVERITY_ERROR},
                                            {"warning", LINT_SEVERITY_WARNING},
                                            {"note", LINT_SEVERITY_NOTE},
                                            {"off", LINT_SEVERITY_OFF},
                                            {NULL, 0}};
static const ConfigWord fail_words[] = {{"error", LINT_SEVERITY_ERROR},
                                        {"warning", LINT_SEVERITY_WARNING},
                                        {"note", LINT_SEVERITY_NOTE},
                                        {"never", LINT_SEVERITY_NEVER},
                                        {NULL, 0}};

static const ConfigField fields[] = {
    {.key = "rules",
     .kind = CONFIG_NODE,
     .offset = offsetof(LintPart, rules),
     .form = "RULE: error, warning, note or off",
     .help = "how much a rule's findings matter here"},
    {.key = "fail-on",
     .kind = CONFIG_ENUM,
     .offset = offsetof(LintPart, fail_on),
     .words = fail_words,
     .help = "the least finding that makes `pgtide lint` end with 3"},
};
const ConfigTable lint_table = CONFIG_TABLE_OF(LintPart, fields);

static void read_rule(Config *config, const ConfigNode *mapping, size_t index, LintConfig *out)
{
    static const ConfigField severity = {.kind = CONFIG_ENUM, .words = severity_words};
    const char *ids[LINT_RULE_COUNT];
    for (int i = 0; i < LINT_RULE_COUNT; i++)
        ids[i] = rules[i].id;
    const ConfigNode *value = config_node_item(mapping, index);
    LintRule rule = lint_rule_find(config_node_key(mapping, index));
    int chosen = LINT_SEVERITY_OFF;
    if (rule == LINT_RULE_COUNT)
        config_problem_unknown_key(config, mapping, index, ids, LINT_RULE_COUNT);
    else if (rule == LINT_REFUSED)
        config_problem(config, value, "'%s' is always an error: pgtide does not run such a file",
                       config_node_path(value));
    else if (config_read_value(config, value, &severity, &chosen))
        out->severity[rule] = (LintSeverity)chosen;
}

LintConfig lint_config_read(Config *config, const LintPart *part)
{
    LintConfig out = {.fail_on = (LintSeverity)part->fail_on};
    for (int i = 0; i < LINT_RULE_COUNT; i++)
        out.severity[i] = rules[i].severity;
    if (part->rules == NULL)
        return out;
    if (config_node_kind(part->rules) != CONFIG_NODE_MAPPING)
        config_problem_type(config, part->rules, "a mapping of rules");
    else
        for (size_t i = 0; i < config_node_count(part->rules); i++)
            read_rule(config, part->rules, i, &out);
    return out;
}

const char *lint_rule_id(LintRule rule)
{
    return rules[rule].id;
}

LintRule lint_rule_find(const char *id)
{
    LintRule rule = (LintRule)0;
    while (rule < LINT_RULE_COUNT && strcmp(rules[rule].id, id) != 0)
        rule++;
    return rule;
}

LintSeverity lint_rule_severity(LintRule rule)
{
    return rules[rule].severity;
}

const char *lint_severity_name(LintSeverity severity)
{
    static const char *const names[] = {"off", "note", "warning", "error", "never"};
    return names[severity];
}

LintSeverity lint_fail_on_find(const char *word)
{
    for (const ConfigWord *row = fail_words; row->word != NULL; row++) {
        if (strcmp(row->word, word) == 0)
            return (LintSeverity)row->value;
    }
    return LINT_SEVERITY_OFF;
}
