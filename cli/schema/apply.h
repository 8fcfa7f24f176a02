/*
 * SQL that is no revision's, on a database that no fleet manages: in a transaction that waits for
 * locks no longer than it is told, and is tried again when it did not get them.
 */
#pragma once

#include "run.h"
#include "wait.h"

typedef struct Apply Apply;

/* Connects and looks: ERR_FLEET_MANAGED (the shard, or one of the database's schemas where the
 * shard is the whole), ERR_POOLED_CONNECTION, ERR_STATE (a standby). The target is borrowed.
 * Returns owned. */
ErrCode apply_open(CommandContext *context, Wait *wait, const ShardTarget *target,
                   const RunSettings *settings, Apply **ret_apply, Error *err) MUST_CHECK;
void apply_close(Apply *apply);          /* NULL-safe */
bool apply_has_rows(const Apply *apply); /* revisions are applied there */
/* One transaction; `name` is for errors. Nothing for an empty text. */
ErrCode apply_sql(Apply *apply, const char *name, const char *text, Error *err) MUST_CHECK;
