/*
 * New revision files: names and text. Shared by `revision`, with and without --autogenerate, and
 * `merge`.
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
    bool units;        /* `transaction: none` */
    const char *phase; /* "expand", "contract"; NULL = neither */
    const char *when_fingerprint; /* runs only on this schema; NULL = everywhere */
    const char *irreversible;     /* the reason: it has no downgrade; NULL = it has one */
    const char *about;            /* lines below the header; NULL = none */
    const char *upgrade;          /* SQL, ended by a newline; NULL = none yet */
    const char *downgrade;
} RevisionDraft;

typedef struct RevisionFile {
    const char *id;
    const char *path;
    const char *text;
    StrList parents;
} RevisionFile;

/* The next id by the project's naming. */
ErrCode revision_id_make(Arena *arena, const Project *project, const RevisionMap *map,
                         const char *message, const char **ret_id, Error *err) MUST_CHECK;
/* Adds a revision to build on; one that is no head needs --splice. */
ErrCode revision_add_parent(CommandContext *context, const RevisionMap *map, const char *given,
                            StrList *parents, Error *err) MUST_CHECK;
/* The file as it is to be, and the revisions with it, once the graph with it is known to be sound.
 * The map has no repeatables and baselines. */
ErrCode revision_file_make(CommandContext *context, const Project *project, const RevisionMap *map,
                           const RevisionDraft *draft, RevisionFile *ret_file,
                           RevisionMap **ret_map, Error *err) MUST_CHECK;
/* All of them or none, and never over others. */
ErrCode revision_files_write(const RevisionFile *files, size_t count, Error *err) MUST_CHECK;
/* Makes it, writes it and tells about it. */
ErrCode revision_file_write(CommandContext *context, const Project *project, const RevisionMap *map,
                            const RevisionDraft *draft, Error *err) MUST_CHECK;
/* Fields of the result, into an open object: revision, file, revises. */
void revision_file_json(JsonWriter *json, const RevisionFile *file);
