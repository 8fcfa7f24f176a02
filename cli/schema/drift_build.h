/*
 * What revisions build up to some version rows, on a scratch database: what the schema of shards at
 * these rows should be.
 */
#pragma once

#include "revisions.h"
#include "safe.h"
#include "trial.h"

/* Where the revisions are: a project, or a bundle. */
typedef struct DriftSource {
    const RevisionMap *map;
    StrList assignments; /* values of placeholders; of a project */
    SafeList safe;       /* none, or those that agents ensure */
} DriftSource;

/* --bundle FILE (with --trust), or the project. Without safe statements where --no-safe says so. */
ErrCode drift_source_open(CommandContext *context, DriftSource *ret_source, Error *err) MUST_CHECK;

typedef struct DriftBuilt {
    SchemaModel model;
    uint32_t server_major;
    StrList not_counted; /* safe statements that can't run there yet: "file: why" */
} DriftBuilt;

/* ERR_NOT_FOUND: the revisions do not lead to these rows. With `in_schema` safe statements are left
 * out, as they are not run there. */
ErrCode drift_build(CommandContext *context, Scratch *scratch, const DriftSource *source,
                    const StrList *rows, bool in_schema, DriftBuilt *ret_built,
                    Error *err) MUST_CHECK;
