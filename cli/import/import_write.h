/*
 * What a reader read as revision files: names, headers, the chain, and what is new in a project
 * that was imported into before. Known ones are found by their `origin:` header, so that they may
 * be renamed, edited and built upon here.
 */
#pragma once

#include "import.h"
#include "project.h"

typedef struct ImportFile {
    const ImportedRevision *item;
    const char *path;
    const char *text;
    Script *script; /* `text`, parsed */
} ImportFile;

typedef struct ImportPlan {
    ImportFile *files; /* to be written, each behind what it revises */
    size_t count;
    size_t known;  /* items that were imported earlier */
    StrList heads; /* of the whole project afterwards */
} ImportPlan;

/* `scripts` are the project's. What can't become a revision is noted as a problem and left out; the
 * others are checked together with the project's as one graph (ERR_GRAPH). */
ErrCode import_plan(Import *import, const ImportTool *tool, const Project *project,
                    Script *const *scripts, size_t script_count, ImportPlan *ret_plan,
                    Error *err) MUST_CHECK;
/* Never over another file. When it fails in the middle, what is there is a valid project, and the
 * next import goes on. */
ErrCode import_write(const ImportPlan *plan, Error *err) MUST_CHECK;
/* How many notes are problems. */
size_t import_problem_count(const Import *import);
