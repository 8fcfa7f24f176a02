/*
 * A project: pgtide.yaml and the directories it names.
 *
 *   versions: versions           # or a list of directories, relative to this file
 *   safe: safe                   # optional
 *   version-table: alembic_version
 *   naming: sequential           # sequential: 001_slug; hash: 12 hex digits
 *   url: postgresql://host/db    # optional; without a password
 */
#pragma once

#include "graph.h"

typedef enum ProjectNaming { PROJECT_NAMING_SEQUENTIAL, PROJECT_NAMING_HASH } ProjectNaming;

typedef struct Project {
    const char *path;      /* of pgtide.yaml */
    const char *directory; /* that holds it */
    StrList versions;      /* directories, joined to `directory`; never empty */
    const char *safe;      /* directory; NULL = none */
    const char *version_table;
    ProjectNaming naming;
    const char *url; /* NULL = none */
} Project;

extern const char project_default_yaml[]; /* what `pgtide init` writes */

/* The configuration's path: `given`, else $PGTIDE_CONFIG, else ./pgtide.yaml. ERR_NOT_FOUND with
 * the hint to run `pgtide init`. */
ErrCode project_find(Arena *arena, const char *given, const char **ret_path, Error *err) MUST_CHECK;
ErrCode project_load(Arena *arena, const char *path, Project *out, Error *err) MUST_CHECK;
/* Every *.sql file of the versions directories. The map and its scripts live in `arena`. */
ErrCode project_load_revisions(Arena *arena, const Project *project, RevisionMap **ret_map,
                               Error *err) MUST_CHECK;
