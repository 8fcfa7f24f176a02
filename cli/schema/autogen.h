/*
 * `pgtide revision --autogenerate`: revisions that lead from what the project's revisions build to
 * its model, and back. They are tried on a scratch database before they are written: up, down, and
 * up again, and each time the schema must be what it should be.
 */
#pragma once

#include "revision_file.h"

/* The draft has what the options say, no text. */
ErrCode autogen_run(CommandContext *context, const RevisionDraft *draft, Error *err) MUST_CHECK;
