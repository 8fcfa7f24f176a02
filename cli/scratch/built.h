/*
 * What a project's revisions build: all of them, repeatables and safe statements, on a scratch
 * database. And the project's model, which says what they should build.
 */
#pragma once

#include "revisions.h"
#include "safe.h"
#include "trial.h"

typedef struct Built {
    CommandContext *context;
    Revisions revisions;
    GraphSteps steps; /* from nothing to every head */
    SafeList safe;
} Built;

#define BUILT_MODEL_OPTION                                                                         \
    {                                                                                              \
        "model", 0, "SOURCE",                                                                      \
            "the model, in the place of pgtide.yaml's: a file or a folder of SQL, a dump, a url"   \
    }

/* Reads the project, whose model must have a place: ERR_CONFIG. */
ErrCode built_open(CommandContext *context, Built *ret_built, Error *err) MUST_CHECK;
/* Runs the steps, and what follows at the heads. Returns owned. */
ErrCode built_run(const Built *built, Scratch *scratch, Trial **ret_trial, Error *err) MUST_CHECK;
/* Repeatables and safe statements, where every head is applied and these are the rows. */
ErrCode built_finish(const Built *built, Trial *trial, const StrList *rows, Error *err) MUST_CHECK;
/* What --model, or else pgtide.yaml, says. SQL runs on another database of the scratch. */
ErrCode built_model(const Built *built, Scratch *scratch, const SchemaReadArgs *args,
                    SchemaModel *ret_model, Error *err) MUST_CHECK;
