/*
 * What `pgtide lint` looks at: the project's files as far as they can be read, and which of them
 * are asked for.
 */
#pragma once

#include "command.h"
#include "lint.h"
#include "project.h"

typedef struct LintFile {
    const Script *script; /* with the values of its placeholders, where they are known */
    bool wanted;
    bool bound;   /* nothing is missing to run it */
    bool outside; /* not of the project */
} LintFile;

typedef struct LintSelection {
    Project project;
    RevisionMap *map;   /* NULL: the files that can be read make no graph */
    RevisionMap *plain; /* revisions only; NULL like it */
    LintFile *files;
    size_t count;
    StrList assignments;
    LintFindings refused; /* files that can't be read, whatever is asked for */
} LintSelection;

/* By the command's arguments, --since and --set. Texts live in the context's arena. */
ErrCode lint_select(CommandContext *context, LintSelection *ret_selection, Error *err) MUST_CHECK;
/* As people see it from where they are. */
const char *lint_path(Arena *arena, const char *path);
