#include "lint_add.h"

#include "hazard.h"

#include <stdlib.h>
#include <string.h>

/* --- rules ------------------------------------------------------------------------------------ */

typedef struct RuleRow {
    HazardForm form; /* NONE: `info` has it all */
    LintInfo info;
} RuleRow;

static const RuleRow rows[LINT_RULE_COUNT] = {
#define HAZARD(name, id, severity, hazard) [LINT_##name] = {.form = HAZARD_##hazard},
#define RULE(name, id, severity, decided_by, class, lock_text, why_text, safe_text)                \
    [LINT_##name] = {                                                                              \
        .info = {LINT_##decided_by, LINT_##class, lock_text, why_text, safe_text, false}},
#include "lint_rules.def"
#undef HAZARD
#undef RULE
};

LintInfo lint_info(LintRule rule)
{
    static const LintClass classes[] = {[HAZARD_COST_INSTANT] = LINT_INSTANT,
                                        [HAZARD_COST_SCAN] = LINT_SCAN,
                                        [HAZARD_COST_BUILD] = LINT_BUILD,
                                        [HAZARD_COST_REWRITE] = LINT_REWRITE,
                                        [HAZARD_COST_ROWS] = LINT_ROWS};
    if (rows[rule].form == HAZARD_NONE)
        return rows[rule].info;
    const HazardInfo *hazard = hazard_info(rows[rule].form);
    return (LintInfo){LINT_PARSER, classes[hazard->cost], hazard->lock,
                      hazard->why, hazard->safe,          hazard->help != HAZARD_HELP_ADVICE};
}

const char *lint_class_name(LintClass lint_class)
{
    static const char *const names[LINT_CLASS_COUNT] = {"none", "instant", "rows",
                                                        "scan", "build",   "rewrite"};
    return names[lint_class];
}

const char *lint_decided_name(LintDecided decided)
{
    static const char *const names[] = {"parser", "trace", "files"};
    return names[decided];
}

/* --- findings --------------------------------------------------------------------------------- */

LintFinding *lint_add(Arena *arena, LintFindings *findings, LintRule rule, const Script *script,
                      const Statement *statement, const char *what)
{
    if (findings->count == findings->capacity) {
        size_t capacity = findings->capacity == 0 ? 16 : findings->capacity * 2;
        findings->items =
            arena_grow(arena, findings->items, findings->count, capacity, sizeof *findings->items);
        findings->capacity = capacity;
    }
    LintFinding *finding = &findings->items[findings->count++];
    *finding = (LintFinding){.rule = rule,
                             .severity = lint_rule_severity(rule),
                             .info = lint_info(rule),
                             .revision = script == NULL ? "" : script->id,
                             .file = script == NULL ? "" : script->file,
                             .line = statement == NULL ? 0 : statement->line,
                             .column = statement == NULL ? 0 : statement->column,
                             .statement = statement,
                             .what = what,
                             .sqlstate = ""};
    return finding;
}

void lint_place(LintFinding *finding, size_t at)
{
    const char *text = finding->statement->text;
    for (size_t i = 0; i < at && text[i] != '\0'; i++) {
        bool begins = ((unsigned char)text[i] & 0xC0) != 0x80;
        finding->line += text[i] == '\n';
        finding->column = text[i] == '\n' ? 1 : finding->column + begins;
    }
}

void lint_refused(Arena *arena, const char *file, const Error *error, LintFindings *findings)
{
    LintFinding *finding =
        lint_add(arena, findings, LINT_REFUSED, NULL, NULL, arena_strdup(arena, error->message));
    finding->file = file;
    finding->line = error->line;
    finding->column = error->column;
    if (error->hint[0] != '\0')
        finding->info.safe = arena_strdup(arena, error->hint);
}

/* --- what the project and the file say of them ------------------------------------------------ */

static bool is_about(const ScriptIgnore *ignore, const LintFinding *finding)
{
    if (strcmp(ignore->rule, lint_rule_id(finding->rule)) != 0)
        return false;
    return ignore->statement_line == 0 ||
           (finding->statement != NULL && ignore->statement_line == finding->statement->line &&
            ignore->statement_column == finding->statement->column);
}

/* A rule that was not looked for may have been about something. */
static bool was_looked_for(LintRule rule, bool traced, const LintConfig *config)
{
    return config->severity[rule] != LINT_SEVERITY_OFF &&
           (traced || lint_info(rule).decided != LINT_TRACE);
}

static void suppress(Arena *arena, const Script *script, const LintConfig *config, bool traced,
                     size_t first, LintFindings *findings)
{
    size_t end = findings->count;
    for (size_t i = 0; i < script->ignore_count; i++) {
        const ScriptIgnore *ignore = &script->ignores[i];
        LintRule rule = lint_rule_find(ignore->rule);
        LintRule complaint = LINT_RULE_COUNT;
        bool used = false;
        for (size_t k = first; k < end; k++) {
            LintFinding *finding = &findings->items[k];
            if (!is_about(ignore, finding))
                continue;
            finding->suppressed = ignore->reason;
            used = true;
        }
        if (rule == LINT_RULE_COUNT)
            complaint = LINT_IGNORE_UNKNOWN;
        else if (!used && was_looked_for(rule, traced, config))
            complaint = LINT_IGNORE_UNUSED;
        if (complaint == LINT_RULE_COUNT)
            continue;
        LintFinding *finding = lint_add(arena, findings, complaint, script, NULL,
                                        arena_printf(arena, "'-- +ignore %s'", ignore->rule));
        finding->line = ignore->line;
        finding->column = 1;
    }
}

static int compare(const void *a, const void *b)
{
    const LintFinding *x = a, *y = b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return (x->rule > y->rule) - (x->rule < y->rule);
}

void lint_finish(Arena *arena, const Script *script, const LintConfig *config, bool traced,
                 size_t first, LintFindings *findings)
{
    suppress(arena, script, config, traced, first, findings);
    size_t kept = first;
    for (size_t i = first; i < findings->count; i++) {
        LintFinding finding = findings->items[i];
        finding.severity = config->severity[finding.rule];
        if (finding.severity != LINT_SEVERITY_OFF)
            findings->items[kept++] = finding;
    }
    findings->count = kept;
    if (kept > first)
        qsort(findings->items + first, kept - first, sizeof *findings->items, compare);
}
