/*
 * SQL of other projects made to stand in a revision, which opens and ends its transaction itself:
 *
 *   BEGIN, COMMIT     of the author's go. What they made one transaction stays one; where that is
 *                     not the whole file, `transaction: none` with a block for each.
 *   CONCURRENTLY      and what else can't run in a transaction: `transaction: none`; VACUUM and its
 *                     like get `-- +rerunnable`.
 *   ADD VALUE         of an enum and its use in one file: `transaction: none`, cut before the use.
 *   psql commands     that only print or set psql up go; others are problems.
 *   remarks           that would read as one of our markers are indented.
 *
 * All else stays as it is, comments too. What was done is noted.
 */
#pragma once

#include "import.h"

/* Rewrites `up`, `down` and `verify` of an item and settles its `no_transaction`. False: a problem
 * was noted, and the item can't be imported. */
bool import_tidy(Import *import, ImportedRevision *item);
