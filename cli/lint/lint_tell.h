/*
 * Findings of `pgtide lint` in the forms that people, editors and CI read.
 */
#pragma once

#include "command.h"
#include "lint.h"

typedef enum LintFormat {
    LINT_FORMAT_TEXT,
    LINT_FORMAT_SARIF,  /* 2.1.0 */
    LINT_FORMAT_GITHUB, /* workflow commands that annotate a change */
    LINT_FORMAT_COUNT
} LintFormat;

typedef struct LintReport {
    const LintFindings *findings;
    size_t files; /* that were looked at */
    bool traced;
    bool failed; /* a finding is at or above `fail-on` */
} LintReport;

/* LINT_FORMAT_COUNT = there is no such format. */
LintFormat lint_format_find(const char *word);
/* On stdout, or as the command's JSON. */
void lint_tell(CommandContext *context, const LintReport *report, LintFormat format);
