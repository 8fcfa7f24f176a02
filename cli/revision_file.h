/*
 * New revision files: names and text. Shared by `revision` and `merge`.
 */
#pragma once

#include "command.h"
#include "project.h"

typedef struct RevisionDraft {
    const char *id; /* NULL: made by the project's naming */
    const char *message;
    StrList parents;
    StrList depends_on;
    StrList labels;
    const char
        *version_path; /* one of the project's directories; NULL: the parent's, or the last */
    bool merge;        /* nothing to do in either direction */
} RevisionDraft;

/* The next id by the project's naming. */
ErrCode revision_id_make(Arena *arena, const Project *project, const RevisionMap *map,
                         const char *message, const char **ret_id, Error *err) MUST_CHECK;
/* Adds a revision to build on; one that is no head needs --splice. */
ErrCode revision_add_parent(CommandContext *context, const RevisionMap *map, const char *given,
                            StrList *parents, Error *err) MUST_CHECK;
/* Writes the file (never over another) and tells about it, once the graph with it is known to be
 * sound. */
ErrCode revision_file_write(CommandContext *context, const Project *project, const RevisionMap *map,
                            const RevisionDraft *draft, Error *err) MUST_CHECK;
