/*
 * What `pgtide lint` looks for, by name, and how much of it a project minds: the mapping `lint:` of
 * pgtide.yaml.
 */
#pragma once

#include "config.h"

typedef enum LintRule {
#define HAZARD(name, id, severity, form) LINT_##name,
#define RULE(name, id, severity, decided, class, lock, why, safe) LINT_##name,
#include "lint_rules.def"
#undef HAZARD
#undef RULE
    LINT_RULE_COUNT
} LintRule;

typedef enum LintSeverity {
    LINT_SEVERITY_OFF,
    LINT_SEVERITY_NOTE,
    LINT_SEVERITY_WARNING,
    LINT_SEVERITY_ERROR,
    LINT_SEVERITY_NEVER, /* of `fail-on`: above every finding */
} LintSeverity;

typedef struct LintConfig {
    LintSeverity severity[LINT_RULE_COUNT];
    LintSeverity fail_on;
} LintConfig;

/* What a mapping holds, to be read by the caller's own table. */
typedef struct LintPart {
    const ConfigNode *rules;
    int fail_on;
} LintPart;

extern const ConfigTable lint_table; /* of a LintPart */
#define LINT_PART_DEFAULT                                                                          \
    {                                                                                              \
        .fail_on = LINT_SEVERITY_ERROR                                                             \
    }
/* Problems go to `config`; it may be NULL when the part has no rules. */
LintConfig lint_config_read(Config *config, const LintPart *part);

const char *lint_rule_id(LintRule rule);               /* "set-not-null" */
LintRule lint_rule_find(const char *id);               /* LINT_RULE_COUNT = there is none */
LintSeverity lint_rule_severity(LintRule rule);        /* where nothing is said of it */
const char *lint_severity_name(LintSeverity severity); /* off, note, warning, error, never */
/* LINT_SEVERITY_OFF for other words than note, warning, error and never. */
LintSeverity lint_fail_on_find(const char *word);
