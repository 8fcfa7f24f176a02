/*
 * A project: pgtide.yaml and the revision files it points to.
 */
#pragma once

#include "backfill.h"
#include "graph.h"
#include "lint_rules.h"
#include "project_hooks.h"

typedef struct Project {
    const char *config_file;
    const char *directory; /* of the file */
    StrList versions;      /* directories, joined to `directory`; new revisions go to the last */
    const char *safe;      /* directory; NULL when there is none */
    const char *model;     /* a url, or a path joined to `directory`; NULL when there is none */
    StrList model_command; /* instead of it */
    const char *version_table;
    ProjectHooks hooks;
    BackfillPolicy backfill;
    LintConfig lint;
    bool hash_names; /* naming: hash; otherwise sequential NNN_slug */
} Project;

/* `path` NULL: PGTIDE_CONFIG, else ./pgtide.yaml. ERR_CONFIG with file and line. */
ErrCode project_load(Arena *arena, const char *path, Project *ret_project, Error *err) MUST_CHECK;
/* The paths of all revision files, by directory and name. */
ErrCode project_files(Arena *arena, const Project *project, StrList *ret_files,
                      Error *err) MUST_CHECK;
/* They, read. */
ErrCode project_scripts(Arena *arena, const Project *project, Script ***ret_scripts,
                        size_t *ret_count, Error *err) MUST_CHECK;
/* Both of the above and graph_build. */
ErrCode project_open(Arena *arena, const char *path, Project *ret_project, RevisionMap **ret_map,
                     Error *err) MUST_CHECK;
