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
    bool merge; /* nothing to do in either direction */
} RevisionDraft;

/* Writes the file (never over another) and tells about it. */
ErrCode revision_file_write(CommandContext *context, const Project *project, const RevisionMap *map,
                            const RevisionDraft *draft, Error *err) MUST_CHECK;
