/*
 * How long a shard will take, from what rollouts of the same revisions have taken, and how large
 * its backup may become, from backups made before. Nothing is guessed where nothing was seen.
 */
#pragma once

#include "rollouts.h"

typedef struct Estimates Estimates;

/* Borrows; returns owned. `direction`: the one that is planned. */
Estimates *estimates_new(const Rollouts *rollouts, Direction direction);
void estimates_free(Estimates *estimates); /* NULL-safe */

/* Fills in estimated_ms and backup_bytes; size_bytes and steps are there. 0 = not known. A backup
 * is reckoned by the shard's last one, then by those of the others, then as the shard's size. */
void estimates_fill(const Estimates *estimates, const BackupPolicy *backup, PlanShard *shard);
