/*
 * Making findings. Internal to engine/lint.
 */
#pragma once

#include "lint.h"

/* A new one, about the statement or (NULL) the file, with the rule's own words. */
LintFinding *lint_add(Arena *arena, LintFindings *findings, LintRule rule, const Script *script,
                      const Statement *statement, const char *what);
/* Moves it to byte `at` of its statement's text. */
void lint_place(LintFinding *finding, size_t at);
